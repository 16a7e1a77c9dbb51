/* SPDX-License-Identifier: GPL-2.0 */
/*
 * selsrc_maps.h - the tables of source selection, see include/vestige/selsrc.h.
 */
#ifndef VESTIGE_BPF_SELSRC_MAPS_H
#define VESTIGE_BPF_SELSRC_MAPS_H

#include "rtcache.h"
#include <bpf/bpf_endian.h>
#include <vestige/selsrc_steps.h>

/* Which policies are those of the cgroup that this set of programs is attached to. */
const volatile __u32 policy_set;

#define SELSRC_MAP(name, map_type, flags, size, key_type, value_type)	\
	struct {							\
		__uint(type, map_type);					\
		__uint(map_flags, flags);				\
		__uint(max_entries, size);				\
		__type(key, key_type);					\
		__type(value, value_type);				\
	} name SEC(".maps")

#define SELSRC_ARRAY(name, size, value_type) \
	SELSRC_MAP(name, BPF_MAP_TYPE_ARRAY, BPF_F_MMAPABLE, size, __u32, value_type)

#define SELSRC_TRIE(name, size, key_type, value_type) \
	SELSRC_MAP(name, BPF_MAP_TYPE_LPM_TRIE, BPF_F_NO_PREALLOC, size, key_type, value_type)

SELSRC_ARRAY(state, 1, struct selsrc_state);
SELSRC_ARRAY(chunks4, 512, struct selsrc_chunk4);
SELSRC_ARRAY(chunks6, 512, struct selsrc_chunk6);
SELSRC_ARRAY(steps4, 1, struct selsrc_steps4);
SELSRC_ARRAY(steps6, 1, struct selsrc_steps6);
SELSRC_ARRAY(policies, SELSRC_POLICIES, struct selsrc_policy);
SELSRC_MAP(devs, BPF_MAP_TYPE_HASH, BPF_F_NO_PREALLOC, SELSRC_MAX_DEVS, struct selsrc_dev_key,
	   struct selsrc_dev);

SELSRC_TRIE(routes4_0, SELSRC_MAX_ROUTES, struct selsrc_prefix4, struct selsrc_route);
SELSRC_TRIE(routes4_1, SELSRC_MAX_ROUTES, struct selsrc_prefix4, struct selsrc_route);
SELSRC_TRIE(routes6_0, SELSRC_MAX_ROUTES, struct selsrc_prefix6, struct selsrc_route);
SELSRC_TRIE(routes6_1, SELSRC_MAX_ROUTES, struct selsrc_prefix6, struct selsrc_route);
SELSRC_TRIE(labels_0, SELSRC_MAX_LABELS, struct selsrc_prefix6, __u32);
SELSRC_TRIE(labels_1, SELSRC_MAX_LABELS, struct selsrc_prefix6, __u32);

SELSRC_MAP(stats, BPF_MAP_TYPE_PERCPU_ARRAY, 0, 1, __u32, struct selsrc_stats);

/* The command's own. */
SELSRC_MAP(prefs, BPF_MAP_TYPE_HASH, BPF_F_NO_PREALLOC, SELSRC_MAX_PREFS,
	   struct selsrc_pref_key, __s16);
SELSRC_MAP(sets, BPF_MAP_TYPE_ARRAY, 0, SELSRC_SETS, __u32, struct selsrc_set);

/*
 * Sockets that we have bound, by selsrc_identity(); an entry of one word, so that nobody sees
 * half of it: identity << 16 | bits of the address << 5 | policy set << 1 | released. Released:
 * taken back since; but a socket that was bound once keeps what the kernel chose for it.
 * Storage of the socket itself would take longer to get than all the rest. What another
 * socket has overwritten is forgotten: then the address passes for the application's.
 */
#define SELSRC_OWNED		16384

SELSRC_MAP(owned, BPF_MAP_TYPE_ARRAY, 0, SELSRC_OWNED, __u32, __u64);

static __always_inline __u64 selsrc_owned(__u64 identity, const __be32 *addr)
{
	__u32 mix = (addr[0] ^ addr[1] ^ addr[2] ^ addr[3]) * 0x9e3779b1u >> 21;

	return identity << 16 | mix << 5 | (policy_set % SELSRC_SETS) << 1;
}

/*
 * Verdicts by destination. Programs run to their end on one CPU, but another task may run
 * one in between: seq is odd while an entry is written.
 */
#define SELSRC_CACHED		1024

struct selsrc_cached {
	__u32 seq;
	__u32 oif;
	__u64 version;
	__be32 dst[4];
	__be32 src[4];
	__u8 family;
	__u8 verdict;
	__u8 pad[14];
};

SELSRC_MAP(cache, BPF_MAP_TYPE_PERCPU_ARRAY, 0, SELSRC_CACHED, __u32, struct selsrc_cached);

/* Key of the only element. In .rodata: each copy on the stack would stay there. */
const __u32 selsrc_zero;

static __always_inline void *selsrc_only(void *map)
{
	return bpf_map_lookup_elem(map, &selsrc_zero);
}

/* Per CPU, so no atomics: an increment that is preempted may be lost, once in a while. */
static __always_inline void selsrc_count(__u32 verdict)
{
	__u64 *counter = selsrc_only(&stats);

	if (counter && verdict < SELSRC_VERDICTS)
		counter[verdict]++;
}

#endif /* VESTIGE_BPF_SELSRC_MAPS_H */
