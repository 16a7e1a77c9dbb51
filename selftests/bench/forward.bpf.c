// SPDX-License-Identifier: GPL-2.0
/*
 * forward.bpf.c - one packet: cached, looked up, by a bare bpf_fib_lookup(), by the kernel
 *
 * Each run makes its packet anew, as the last one has changed the frame; bench_make does
 * nothing else, and is what is subtracted.
 */
#include "forward.h"

char LICENSE[] SEC("license") = "GPL";

#define LEN4	(sizeof(struct ethhdr) + sizeof(struct iphdr))
#define LEN6	(sizeof(struct ethhdr) + sizeof(struct ipv6hdr))

/* What a packet looks like; its destination is one of `span`, at random. */
__u8 frame4[LEN4];
__u8 frame6[LEN6];
__u32 span;
__u32 number;
__u64 checked;		/* how many copies were good, so that none is optimized away */

static __always_inline __u32 next(void)
{
	return (__u64)(__u32)(number++ * 0x9e3779b1u) * span >> 32;
}

static __always_inline int make4(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data;
	struct iphdr *ip = data + sizeof(struct ethhdr);
	__u32 *w = (void *)ip;
	__u64 sum;

	if (data + LEN4 > (void *)(long)ctx->data_end)
		return -1;
	__builtin_memcpy(data, frame4, LEN4);
	ip->daddr = bpf_htonl(0x14000001 + (next() << 8));
	sum = (__u64)w[0] + w[1] + w[2] + w[3] + w[4];
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	ip->check = ~sum;
	return 0;
}

static __always_inline int make6(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data;
	struct ipv6hdr *ip = data + sizeof(struct ethhdr);

	if (data + LEN6 > (void *)(long)ctx->data_end)
		return -1;
	__builtin_memcpy(data, frame6, LEN6);
	ip->daddr.in6_u.u6_addr32[1] = bpf_htonl(next());
	return 0;
}

SEC("xdp")
int bench_make4(struct xdp_md *ctx)
{
	return make4(ctx) ? XDP_ABORTED : XDP_PASS;
}

SEC("xdp")
int bench_make6(struct xdp_md *ctx)
{
	return make6(ctx) ? XDP_ABORTED : XDP_PASS;
}

SEC("xdp")
int bench_forward4(struct xdp_md *ctx)
{
	return make4(ctx) ? XDP_ABORTED : forward(ctx);
}

SEC("xdp")
int bench_forward6(struct xdp_md *ctx)
{
	return make6(ctx) ? XDP_ABORTED : forward(ctx);
}

/* The least that forwards: one lookup, no look at what a router must not send on. */
static __always_inline int bare(struct xdp_md *ctx, int v6)
{
	struct flow_frame f;
	struct forward_key k = {};
	struct bpf_fib_lookup fib = {};
	struct forward_way way = {};
	struct forward_device *out;
	__be16 proto;

	if (flow_read_link(ctx, &f, &proto) != FORWARD_GO ||
	    flow_read_key(ctx, v6, &f, &k) != FORWARD_GO ||
	    route_lookup(ctx, v6, &k, k.iif, 0, &fib))
		return XDP_PASS;
	out = bpf_map_lookup_elem(&devices, &fib.ifindex);
	if (!out)
		return XDP_PASS;
	__builtin_memcpy(way.mac, fib.dmac, 6);
	__builtin_memcpy(way.mac + 6, fib.smac, 6);
	way.slot = out->slot;
	return forward_send(ctx, v6, 0, &way) == FORWARD_GO ? XDP_REDIRECT : XDP_PASS;
}

SEC("xdp")
int bench_bare4(struct xdp_md *ctx)
{
	return make4(ctx) ? XDP_ABORTED : bare(ctx, 0);
}

SEC("xdp")
int bench_bare6(struct xdp_md *ctx)
{
	return make6(ctx) ? XDP_ABORTED : bare(ctx, 1);
}

/* Is a copy good? A hundred times, and a hundred times nothing. */
#define TIMES	100

SEC("xdp")
int bench_validate(struct xdp_md *ctx)
{
	struct rtcache_gens *g = rtcache_gens();
	__u64 good = 0;

	if (!g)
		return XDP_ABORTED;
	for (int i = 0; i < TIMES; i++) {
		good += rtcache_good(2, g, RTCACHE_INET);
		asm volatile("" : "+r"(good));
	}
	checked += good;
	return XDP_PASS;
}

SEC("xdp")
int bench_nothing(struct xdp_md *ctx)
{
	struct rtcache_gens *g = rtcache_gens();
	__u64 good = 0;

	if (!g)
		return XDP_ABORTED;
	for (int i = 0; i < TIMES; i++) {
		good += 1;
		asm volatile("" : "+r"(good));
	}
	checked += good;
	return XDP_PASS;
}

SEC("xdp")
int bench_make_drop(struct xdp_md *ctx)
{
	return make4(ctx) ? XDP_ABORTED : XDP_DROP;
}

SEC("xdp")
int bench_drop(struct xdp_md *ctx)
{
	return XDP_DROP;
}
