/* SPDX-License-Identifier: GPL-2.0 */
/*
 * unit.h - what the unit tests share: random numbers that a seed repeats.
 */
#ifndef SELFTESTS_UNIT_H
#define SELFTESTS_UNIT_H

#include <stdint.h>
#include <string.h>
#include <linux/types.h>

#include "../ksft.h"

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))

/* xorshift64*; a state of 0 would stay there. */
struct rng {
	uint64_t state;
};

static inline uint64_t rng_next(struct rng *r)
{
	if (!r->state)
		r->state = 0x9e3779b97f4a7c15ull;
	r->state ^= r->state >> 12;
	r->state ^= r->state << 25;
	r->state ^= r->state >> 27;
	return r->state * 0x2545f4914f6cdd1dull;
}

static inline uint32_t rng_below(struct rng *r, uint32_t n)
{
	return (rng_next(r) >> 32) * n >> 32;
}

/* UNIT_SEED=N in the environment tries other numbers. */
static inline uint64_t rng_seed(void)
{
	const char *s = getenv("UNIT_SEED");

	return s ? strtoull(s, NULL, 0) : 1;
}

#endif /* SELFTESTS_UNIT_H */
