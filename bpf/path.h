/* SPDX-License-Identifier: GPL-2.0 */
/*
 * path.h - by which device a peer is reached: learned when a socket closes, used when its
 * late segments are answered.
 *
 * Without a generation (neither the module nor `vestige rtcache follow`) nothing is kept and
 * nothing is used.
 */
#ifndef VESTIGE_BPF_PATH_H
#define VESTIGE_BPF_PATH_H

#include "record.h"

#define VTW_LOOPBACK_IFINDEX	1	/* in every namespace */

/*
 * Read before whatever is kept under it. The lease is a second: the coarse clock, which costs
 * less, will do, but tracing programs do not have it.
 */
static __always_inline __u64 vtw_path_gen(int v6, int tracing)
{
	const int family = v6 ? RTCACHE_INET6 : RTCACHE_INET;
	const struct rtcache_gens *g = vtw_only(&gens);

	if (!g || !rtcache_settled(rtcache_gen(g, family)))
		return 0;
	if (tracing)
		return rtcache_now(g, family);
	return rtcache_take(g, family, bpf_ktime_get_coarse_ns());
}

static __always_inline struct vtw_path *vtw_path_at(int v6, const struct vtw_key *k, __u64 *who)
{
	__u64 seed[2] = { geo[v6].seed[0], geo[v6].seed[1] };
	__u32 slot;

	*who = vtw_path_who(v6, k, seed);
	slot = vtw_path_slot(*who);
	return bpf_map_lookup_elem(&paths, &slot);
}

static __always_inline __u64 vtw_path_find(int v6, const struct vtw_key *k, __u64 gen)
{
	struct vtw_path *at;
	__u64 who;

	at = vtw_path_at(v6, k, &who);
	return at ? vtw_path_get(at, who, gen).all : 0;
}

/*
 * A socket went by `all`. Written only when that is news. Two CPUs may overwrite each other:
 * then one has been forgotten, and the next socket tells it again.
 */
static __always_inline int vtw_path_learn(int v6, const struct vtw_key *k, __u64 gen, __u64 all)
{
	union vtw_path_word word = { .all = all }, old;
	struct vtw_path *at;
	__u64 who;

	at = vtw_path_at(v6, k, &who);
	if (!at)
		return 0;
	old = vtw_path_get(at, who, gen);
	word = vtw_path_join(old, word);
	if (word.all == old.all)
		return 0;
	vtw_path_put(at, who, gen, word);
	if (word.ifindex)
		STAT(path_kept);
	else
		STAT(path_split);
	return 0;
}

#define VTW_PATH_CALLS(n, v6)						\
__noinline __u64 vtw##n##_path_find_call(const struct vtw_key *k, __u64 gen) \
{									\
	return k ? vtw_path_find(v6, k, gen) : 0;			\
}									\
__noinline int vtw##n##_path_learn_call(const struct vtw_key *k, __u64 gen, __u64 all) \
{									\
	return k ? vtw_path_learn(v6, k, gen, all) : 0;			\
}

VTW_PATH_CALLS(4, 0)
VTW_PATH_CALLS(6, 1)

#endif /* VESTIGE_BPF_PATH_H */
