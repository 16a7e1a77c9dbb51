// SPDX-License-Identifier: GPL-2.0
/* test_rtcache.bpf.c - bpf/rtcache.h, and a program that uses it as a cache would. */
#include "rtcache.h"

char LICENSE[] SEC("license") = "GPL";

/* args: family, generation of a copy. 1: it is good; 0: not, or copies may not be used. */
SEC("raw_tp/sys_enter")
int copy_is_good(struct bpf_raw_tracepoint_args *ctx)
{
	struct rtcache_gens *g = rtcache_gens();
	int family = ctx->args[0];
	__u64 gen;

	if (!g)
		return 0;
	gen = rtcache_now(g, family);
	return gen && gen == ctx->args[1] && rtcache_good(ctx->args[1], g, family);
}
