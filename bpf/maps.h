/* SPDX-License-Identifier: GPL-2.0 */
/*
 * maps.h - the maps of VTW, and the memory that table.h and ring.h work on.
 *
 * Sizes marked 1 are set from the geometry before load.
 */
#ifndef VESTIGE_BPF_MAPS_H
#define VESTIGE_BPF_MAPS_H

#include <bpf/vmlinux.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_tracing.h>
#include <vestige/vtw.h>
#include <vestige/path.h>
#include "rtcache.h"	/* netns_cookie, gens */

/* Geometry of the tables: [0] IPv4, [1] IPv6. */
const volatile struct vtw_geometry geo[2];

/* Jiffies a second. */
const volatile __u32 hz = 250;

#define ARRAY(name, flags, size, value_type)			\
	struct {						\
		__uint(type, BPF_MAP_TYPE_ARRAY);		\
		__uint(map_flags, flags);			\
		__uint(max_entries, size);			\
		__type(key, __u32);				\
		__type(value, value_type);			\
	} name SEC(".maps")

ARRAY(v4_record, BPF_F_MMAPABLE, 1, struct vtw4_record);
ARRAY(v4_chunk, BPF_F_MMAPABLE, 1, struct vtw_chunk);
ARRAY(v4_index, BPF_F_MMAPABLE, 1, struct vtw_bucket);
ARRAY(v4_pool, 0, 1, struct vtw_pool);

ARRAY(v6_record, BPF_F_MMAPABLE, 1, struct vtw6_record);
ARRAY(v6_chunk, BPF_F_MMAPABLE, 1, struct vtw_chunk);
ARRAY(v6_index, BPF_F_MMAPABLE, 1, struct vtw_bucket);
ARRAY(v6_pool, 0, 1, struct vtw_pool);

/* Latest expiry of any session of a local port, for bind(). */
ARRAY(ports, BPF_F_MMAPABLE, 1, struct vtw_ports);

/* The last rate-limited answers, by low bits of the tuple's hash. */
ARRAY(oow, 0, 1, struct vtw_oow);

/* By which device peers are reached, under the generation of `gens`. */
ARRAY(paths, 0, VTW_PATHS, struct vtw_path);

/*
 * Filled for devices with the XDP hook; a device that is missing takes
 * everything.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, VTW_MAX_DEVICES);
	__type(key, __u32);
	__type(value, struct vtw_mac);
} macs SEC(".maps");

ARRAY(config, BPF_F_MMAPABLE, 1, struct vtw_config);
ARRAY(attachment, 0, 1, struct vtw_attachment);
ARRAY(sysctls, 0, 1, struct vtw_sysctls);

#define LPM_TRIE(name, key_type)				\
	struct {						\
		__uint(type, BPF_MAP_TYPE_LPM_TRIE);		\
		__uint(map_flags, BPF_F_NO_PREALLOC);		\
		__uint(max_entries, VTW_MAX_RULES);		\
		__type(key, key_type);				\
		__type(value, struct vtw_rule);			\
	} name SEC(".maps")

/* Prefix of the peer -> class. */
LPM_TRIE(rules4, struct vtw4_prefix);
LPM_TRIE(rules6, struct vtw6_prefix);

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct vtw_stats);
} stats SEC(".maps");

/* What `vestige monitor` reads; nothing is written while it does not run. */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 64 * 1024);
} events SEC(".maps");

/*
 * Key of the only element. In .rodata: each copy on the stack would stay there.
 */
const __u32 vtw_zero;

static __always_inline void *vtw_only(void *map)
{
	return bpf_map_lookup_elem(map, &vtw_zero);
}

/*
 * Count one. Per CPU, so no atomics: an increment that is preempted may be
 * lost, once in a while.
 */
__noinline int vtw_count(__u32 n)
{
	__u64 *counter = vtw_only(&stats);

	if (counter && n < sizeof(struct vtw_stats) / sizeof(*counter))
		counter[n]++;
	return 0;
}

#define STAT(name) vtw_count(offsetof(struct vtw_stats, name) / sizeof(__u64))

static __always_inline struct vtw_bucket *vtw_bucket(int v6, __u32 i)
{
	return v6 ? bpf_map_lookup_elem(&v6_index, &i) : bpf_map_lookup_elem(&v4_index, &i);
}

static __always_inline struct vtw_tcb *vtw_tcb(int v6, __u32 i)
{
	return v6 ? bpf_map_lookup_elem(&v6_record, &i) : bpf_map_lookup_elem(&v4_record, &i);
}

static __always_inline struct vtw_chunk *vtw_chunk(int v6, __u32 i)
{
	return v6 ? bpf_map_lookup_elem(&v6_chunk, &i) : bpf_map_lookup_elem(&v4_chunk, &i);
}

static __always_inline struct vtw_pool *vtw_pool(int v6)
{
	return v6 ? vtw_only(&v6_pool) : vtw_only(&v4_pool);
}

static __always_inline const volatile struct vtw_geometry *vtw_geo(int v6)
{
	return &geo[v6];
}

#define vtw_lock(pool)		bpf_spin_lock(&(pool)->lock)
#define vtw_unlock(pool)	bpf_spin_unlock(&(pool)->lock)

static __always_inline __u64 vtw_now(void)
{
	return bpf_ktime_get_ns() / 1000000;
}

#endif /* VESTIGE_BPF_MAPS_H */
