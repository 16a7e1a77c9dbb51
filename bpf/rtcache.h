/* SPDX-License-Identifier: GPL-2.0 */
/*
 * rtcache.h - the map `gens`, and the program that lets the module write it.
 *
 * The program is not loaded unless it is asked for (bpf_program__set_autoload()): a
 * kernel without the module has no such tracepoint. Who attaches it sets lease_ns to
 * RTCACHE_FOREVER before, and flushes both families after, so that the first
 * generation is there. Without the module `vestige rtcache follow` finds the map by
 * its pin, `gens`.
 */
#ifndef VESTIGE_BPF_RTCACHE_H
#define VESTIGE_BPF_RTCACHE_H

#include <bpf/vmlinux.h>
#include <bpf/bpf_helpers.h>
#include <vestige/rtcache.h>

/* The one network namespace that this set of programs serves. */
const volatile __u64 netns_cookie;

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct rtcache_gens);
} gens SEC(".maps");

static __always_inline struct rtcache_gens *rtcache_gens(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&gens, &zero);
}

/* rtcache_take() that asks for the time only when it matters: reading it is not free. */
static __always_inline __u64 rtcache_now(const struct rtcache_gens *g, int family)
{
	__u64 lease_ns = *(const volatile __u64 *)&g->lease_ns;

	return rtcache_take(g, family, lease_ns == RTCACHE_FOREVER ? 0 : bpf_ktime_get_ns());
}

/*
 * The tracepoints of two CPUs may overtake one another: the larger generation is the
 * newer one. Who does not get its turn in so many tries leaves the family in flux, which
 * the settling, with a larger generation still, ends.
 */
#define RTCACHE_TRIES	16

static __always_inline int rtcache_raise(__u64 *at, __u64 gen)
{
	__u64 old = *(volatile __u64 *)at, seen;
	int i;

	for (i = 0; i < RTCACHE_TRIES; i++) {
		if (old >= gen)
			return 0;
		seen = __sync_val_compare_and_swap(at, old, gen);
		if (seen == old)
			return 1;
		old = seen;
	}
	__sync_fetch_and_or(at, 1);
	return 0;
}

/* vestige_rtcache_flush(cookie, family, gen, reason, obstacles), in the context of the change. */
SEC("?raw_tp/vestige_rtcache_flush")
int rtcache_flushed(struct bpf_raw_tracepoint_args *ctx)
{
	struct rtcache_gens *g = rtcache_gens();
	__u32 family = ctx->args[1];

	if (!g || ctx->args[0] != netns_cookie || family >= RTCACHE_FAMILIES)
		return 0;
	if (rtcache_raise(&g->gen[family], ctx->args[2]))
		g->obstacles[family] = ctx->args[4];
	return 0;
}

#endif /* VESTIGE_BPF_RTCACHE_H */
