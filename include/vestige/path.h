/* SPDX-License-Identifier: GPL-2.0 */
/*
 * path.h - by which device a peer is reached: what closing sockets knew of their routes.
 *
 * A record has no room for it, and most sessions share it with others: one small array, one
 * place for each pair of addresses. Not for each peer: with rules about source addresses two
 * addresses of this host reach the same peer in two ways.
 *
 * Pure; the generations are those of rtcache.h. A path is found only by whom it was kept for,
 * and under the generation that it was kept under.
 */
#ifndef VESTIGE_PATH_H
#define VESTIGE_PATH_H

#include "session.h"

#define VTW_PATHS	2048u

/* What nearness asks of a route. KNOWN: always set, so that 0 is no path. */
#define VTW_PATH_KNOWN		1
#define VTW_PATH_LOOPBACK	2
#define VTW_PATH_GATEWAY		4

/* ifindex 0: sessions of this pair take different ways (multipath, marks, ports). */
union vtw_path_word {
	__u64 all;
	struct {
		__u32 ifindex;
		__u32 near;
	};
};

/*
 * check: whose it is and since when, mixed, and the word on top. Who reads the halves of two
 * writers finds nobody's: for the same pair and generation two words differ, and so then do
 * the sums; for others they agree once in 2^64. So there is no lock and no order of stores.
 */
struct vtw_path {
	__u64 check;
	union vtw_path_word word;
};

/* Keyed, as the index is. */
static __always_inline __u64 vtw_path_who(int v6, const struct vtw_key *k, const __u64 *seed)
{
	__u64 h = vtw_mix(seed[0], (__u64)k->laddr[0] << 32 | k->raddr[0]);

	if (v6) {
		h = vtw_mix(h, (__u64)k->laddr[1] << 32 | k->raddr[1]);
		h = vtw_mix(h, (__u64)k->laddr[2] << 32 | k->raddr[2]);
		h = vtw_mix(h, (__u64)k->laddr[3] << 32 | k->raddr[3]);
	}
	return vtw_mix(h, seed[1]);
}

static __always_inline __u32 vtw_path_slot(__u64 who)
{
	return who & (VTW_PATHS - 1);
}

/* 0: none is known. */
static __always_inline union vtw_path_word vtw_path_get(const struct vtw_path *at, __u64 who,
						      __u64 gen)
{
	union vtw_path_word word = { .all = *(const volatile __u64 *)&at->word.all };
	__u64 check = *(const volatile __u64 *)&at->check;

	if ((check ^ word.all) != vtw_mix(who, gen) || !(word.near & VTW_PATH_KNOWN))
		word.all = 0;
	return word;
}

static __always_inline void vtw_path_put(struct vtw_path *at, __u64 who, __u64 gen,
					union vtw_path_word word)
{
	*(volatile __u64 *)&at->word.all = word.all;
	*(volatile __u64 *)&at->check = vtw_mix(who, gen) ^ word.all;
}

/* What is known after a session that went by `word`, when `old` was known before. */
static __always_inline union vtw_path_word vtw_path_join(union vtw_path_word old,
						       union vtw_path_word word)
{
	if (old.all && old.ifindex != word.ifindex)
		word.ifindex = 0;
	word.near |= old.near;
	return word;
}

_Static_assert(sizeof(struct vtw_path) == 16, "four in a cache line");
_Static_assert(!(VTW_PATHS & (VTW_PATHS - 1)), "a mask makes a slot");

#endif /* VESTIGE_PATH_H */
