/* SPDX-License-Identifier: GPL-2.0 */
/*
 * selsrc_cache.h - verdicts by destination, good as long as the tables are the same.
 *
 * For sendto() where there are no steps (selsrc_steps.h), which are quicker than this. Of a
 * connect(), which seldom has the last one's destination, to look here and to write it down
 * takes as long as to look into the tables.
 */
#ifndef VESTIGE_BPF_SELSRC_CACHE_H
#define VESTIGE_BPF_SELSRC_CACHE_H

#include "selsrc_maps.h"

/*
 * One call of an application. oif: the device that socket or message are limited to, 0:
 * none. again: the kernel has refused the address that is in src.
 */
struct selsrc_call {
	__u32 family;
	__u32 oif;
	__be32 dst[4];
	__be32 src[4];		/* the answer */
	__u32 again;
	__u32 binds;		/* whether the address is still there will be looked at */
	__u32 old;		/* and has to be: the tables are older than the routes */
};

#define selsrc_barrier()	asm volatile("" ::: "memory")
#define SELSRC_READ(x)		(*(volatile typeof(x) *)&(x))

static __always_inline struct selsrc_cached *selsrc_slot(const struct selsrc_call *c)
{
	__u64 mix = (__u64)(c->dst[0] ^ c->dst[2]) << 32 | (c->dst[1] ^ c->dst[3] ^ c->oif);
	__u32 slot;

	mix ^= mix >> 29;
	slot = mix * 0x9e3779b97f4a7c15ull >> 54;
	return bpf_map_lookup_elem(&cache, &slot);
}

static __always_inline int selsrc_is(const struct selsrc_cached *e, const struct selsrc_call *c)
{
	return e->dst[0] == c->dst[0] && e->dst[1] == c->dst[1] && e->dst[2] == c->dst[2] &&
	       e->dst[3] == c->dst[3] && e->oif == c->oif && e->family == c->family;
}

/* The verdict, or -1. Version 0 is that of no tables. */
static __always_inline int selsrc_recall(struct selsrc_call *c, __u64 version)
{
	struct selsrc_cached *e = selsrc_slot(c);
	__u32 seq, verdict;

	if (!e)
		return -1;
	seq = SELSRC_READ(e->seq);
	selsrc_barrier();
	if (seq & 1 || !version || e->version != version || !selsrc_is(e, c))
		return -1;
	for (int i = 0; i < 4; i++)
		c->src[i] = e->src[i];
	verdict = e->verdict;
	selsrc_barrier();
	return SELSRC_READ(e->seq) == seq ? verdict : -1;
}

__noinline int selsrc_remember(const struct selsrc_call *c, __u64 version, __u32 verdict)
{
	struct selsrc_cached *e;
	__u32 seq;

	if (!c)
		return 0;
	e = selsrc_slot(c);
	if (!e)
		return 0;
	seq = SELSRC_READ(e->seq);
	if (seq & 1 || __sync_val_compare_and_swap(&e->seq, seq, seq + 1) != seq)
		return 0;
	e->version = version;
	e->oif = c->oif;
	e->family = c->family;
	e->verdict = verdict;
	for (int i = 0; i < 4; i++) {
		e->dst[i] = c->dst[i];
		e->src[i] = c->src[i];
	}
	selsrc_barrier();
	SELSRC_READ(e->seq) = seq + 2;
	return 0;
}

#endif /* VESTIGE_BPF_SELSRC_CACHE_H */
