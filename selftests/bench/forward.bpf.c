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
__u8 frame4[LEN4] __attribute__((__aligned__(8)));
__u8 frame6[LEN6] __attribute__((__aligned__(8)));
__u32 span;
__u32 number;
__u64 checked;		/* how many copies were good, so that none is optimized away */

static __always_inline __u32 next(void)
{
	return (__u64)(__u32)(number++ * 0x9e3779b1u) * span >> 32;
}

/* In the sizes that it is read in: no load should wait for two stores. */
static __always_inline __u32 *put_link(void *data, const void *frame)
{
	__u32 *to = data;
	const __u32 *from = frame;

	to[0] = from[0];
	to[1] = from[1];
	to[2] = from[2];
	*(__u16 *)(to + 3) = *(const __u16 *)(from + 3);
	return data + sizeof(struct ethhdr);
}

static __always_inline int make4(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data;
	const __u32 *w = (void *)(frame4 + sizeof(struct ethhdr));
	__u32 daddr = bpf_htonl(0x14000001 + (next() << 8)), *to;
	__u64 sum = (__u64)w[0] + w[1] + w[2] + w[3] + daddr;

	if (data + LEN4 > (void *)(long)ctx->data_end)
		return -1;
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	to = put_link(data, frame4);
	to[0] = w[0];
	to[1] = w[1];
	to[2] = w[2] | bpf_htonl(bpf_ntohs(~sum));	/* the checksum is its last half */
	to[3] = w[3];
	to[4] = daddr;
	return 0;
}

static __always_inline int make6(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data;
	const __u32 *w = (void *)(frame6 + sizeof(struct ethhdr));
	__u32 *to;

	if (data + LEN6 > (void *)(long)ctx->data_end)
		return -1;
	to = put_link(data, frame6);
	for (int i = 0; i < 7; i++)
		to[i] = w[i];
	to[7] = bpf_htonl(next());
	to[8] = w[8];
	to[9] = w[9];
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
	struct forward_hop hop = {};
	struct forward_device *out;
	__be16 proto;

	if (flow_read_link(ctx, &f, &proto) != FORWARD_GO ||
	    flow_read_key(ctx, v6, &f, &k) != FORWARD_GO ||
	    route_lookup(ctx, v6, &k, k.iif, 0, &fib))
		return XDP_PASS;
	out = bpf_map_lookup_elem(&devices, &fib.ifindex);
	if (!out)
		return XDP_PASS;
	__builtin_memcpy(hop.mac, fib.dmac, 6);
	__builtin_memcpy(hop.mac + 6, fib.smac, 6);
	hop.slot = out->slot;
	return forward_send(ctx, v6, 0, &hop) == FORWARD_GO ? XDP_REDIRECT : XDP_PASS;
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
int bench_pass(struct xdp_md *ctx)
{
	return XDP_PASS;
}

SEC("xdp")
int bench_drop(struct xdp_md *ctx)
{
	return XDP_DROP;
}
