/* SPDX-License-Identifier: GPL-2.0 */
/*
 * selsrc_steps.h - the source as a function of the destination, written down.
 *
 * What a policy chooses among the addresses of a device changes only at few destinations:
 * where one address begins or ends to share more bits than another, and at the ends of the
 * prefixes that make categories, scopes and labels. Between two of these it is the same, and
 * so is the route between the ends of the prefixes of routes. Who writes the tables runs the
 * race (selsrc_score.h) once for each stretch, and notes where the winner changes. What the
 * programs do then is a search for a number in a sorted list: as many steps as it has bits.
 *
 * Here is the search; selsrc_sweep.h writes the list.
 */
#ifndef VESTIGE_SELSRC_STEPS_H
#define VESTIGE_SELSRC_STEPS_H

#include "selsrc_score.h"

/* 1 if a < b. The difference of two numbers of 32 bits says so in its sign. */
static __always_inline __u32 selsrc_below4(__u32 a, __u32 b)
{
	__u64 less = (__u64)a - b;

	/* Or the compiler makes a branch of it, which is taken by chance. */
	asm volatile("" : "+r"(less));
	return less >> 63;
}

/* The borrow of a - b - in. */
static __always_inline __u64 selsrc_borrow(__u64 a, __u64 b, __u64 in)
{
	__u64 out = (~a & b) | (~(a ^ b) & (a - b - in));

	asm volatile("" : "+r"(out));
	return out >> 63;
}

static __always_inline __u32 selsrc_below6(const __u64 *a, const __u64 *b)
{
	return selsrc_borrow(a[0], b[0], selsrc_borrow(a[1], b[1], 0));
}

/*
 * The last of n steps, from the first on, that does not begin above the destination. Step
 * `first` always begins at 0. Half of what is left goes at a time, without a branch.
 */
static __always_inline __u32 selsrc_step4(const struct selsrc_steps4 *all,
					  struct selsrc_stretch s, __u32 dst)
{
	__u32 at = s.first, n = s.n, half;

	for (int i = 0; i < SELSRC_STEP_BITS; i++) {
		if (n < 2)
			break;
		half = n / 2;
		at += half & (selsrc_below4(dst, all->start[(at + half) % SELSRC_STEPS]) - 1);
		n -= half;
	}
	return at % SELSRC_STEPS;
}

static __always_inline __u32 selsrc_step6(const struct selsrc_steps6 *all,
					  struct selsrc_stretch s, const __u64 *dst)
{
	__u32 at = s.first, n = s.n, half;

	for (int i = 0; i < SELSRC_STEP_BITS; i++) {
		if (n < 2)
			break;
		half = n / 2;
		at += half & (selsrc_below6(dst, all->start[(at + half) % SELSRC_STEPS]) - 1);
		n -= half;
	}
	return at % SELSRC_STEPS;
}

/* What a route of that kind means for us; SELSRC_bound: its device's addresses decide. */
static __always_inline __u32 selsrc_of_route(__u8 kind)
{
	switch (kind) {
	case SELSRC_UNICAST:
		return SELSRC_bound;
	case SELSRC_LOCAL:
		return SELSRC_route_local;
	case SELSRC_SRC:
		return SELSRC_route_src;
	case SELSRC_NONE:
		return SELSRC_route_none;
	}
	return SELSRC_route_doubt;
}

#endif /* VESTIGE_SELSRC_STEPS_H */
