/* SPDX-License-Identifier: GPL-2.0 */
/*
 * rtcache.h - is this copy of a route still what the kernel would say?
 *
 * A network namespace has for each family a generation that never goes back. Odd: a
 * change is under way; it may or may not be seen by a lookup, so nothing is copied
 * and no copy is used. Even: settled. Who copies reads the generation before the
 * lookup and keeps it with the copy, which is good as long as the generation is the
 * same: one load, one compare, however many copies there are.
 */
#ifndef VESTIGE_RTCACHE_H
#define VESTIGE_RTCACHE_H

#include <linux/types.h>

#ifndef __always_inline
#define __always_inline inline __attribute__((__always_inline__))
#endif

enum { RTCACHE_INET, RTCACHE_INET6, RTCACHE_FAMILIES };

/* Bits for sets of families. */
#define RTCACHE_BOTH	((1 << RTCACHE_FAMILIES) - 1)

/*
 * The generations, as whoever keeps copies sees them: the only element of the mappable
 * array `gens`, which the module's tracepoints write, or `vestige rtcache follow`.
 *
 * lease_ns: until when (CLOCK_MONOTONIC) somebody vouches for them. 0: nobody does;
 * RTCACHE_FOREVER: the module, for as long as the programs are attached to it.
 * obstacles: RTCACHE_NETFILTER ... of the module: what lies in the way of packets and
 * would be passed by, by family. What follows rtnetlink does not know them.
 */
struct rtcache_gens {
	__u64 gen[RTCACHE_FAMILIES];
	__u64 lease_ns;
	__u32 obstacles[RTCACHE_FAMILIES];
};

#define RTCACHE_FOREVER		(~0ull)

/* Of `vestige rtcache follow`: also how long it is believed when it was killed. */
#define RTCACHE_LEASE_NS	1000000000ull
#define RTCACHE_RENEW_NS	250000000ull

/* Silence after which a change has become visible to everybody, seen from rtnetlink. */
#define RTCACHE_SETTLE_NS	10000000ull

/* 0: nobody has said anything yet. */
static __always_inline int rtcache_settled(__u64 gen)
{
	return gen && !(gen & 1);
}

/* A change begins, whether or not another one is under way. */
static __always_inline __u64 rtcache_bumped(__u64 gen)
{
	return (gen + 2) | 1;
}

/* The last change has become visible. */
static __always_inline __u64 rtcache_settle(__u64 gen)
{
	return gen & 1 ? gen + 1 : gen;
}

static __always_inline int rtcache_vouched(const struct rtcache_gens *g, __u64 now_ns)
{
	__u64 lease_ns = *(const volatile __u64 *)&g->lease_ns;

	return lease_ns == RTCACHE_FOREVER || now_ns < lease_ns;
}

/* Behind a variable index the verifier would want to see its bounds each time. */
static __always_inline __u64 rtcache_gen(const struct rtcache_gens *g, int family)
{
	return family == RTCACHE_INET ? *(const volatile __u64 *)&g->gen[RTCACHE_INET] :
					*(const volatile __u64 *)&g->gen[RTCACHE_INET6];
}

/*
 * The generation to keep with a copy of what is looked up after this; 0: keep none. No
 * entry of generation 0 is ever good, so zeroed memory is an empty cache.
 */
static __always_inline __u64 rtcache_take(const struct rtcache_gens *g, int family,
					  __u64 now_ns)
{
	__u64 gen = rtcache_gen(g, family);

	return rtcache_settled(gen) && rtcache_vouched(g, now_ns) ? gen : 0;
}

/* May copies of this family be made and used at all? */
static __always_inline int rtcache_usable(const struct rtcache_gens *g, int family,
					  __u64 now_ns)
{
	return rtcache_take(g, family, now_ns) != 0;
}

/* Is the copy that was made at this generation good? As long as it is rtcache_usable(). */
static __always_inline int rtcache_good(__u64 entry_gen, const struct rtcache_gens *g,
					int family)
{
	return entry_gen && entry_gen == rtcache_gen(g, family);
}

#endif /* VESTIGE_RTCACHE_H */
