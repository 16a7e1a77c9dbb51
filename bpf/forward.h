/* SPDX-License-Identifier: GPL-2.0 */
/*
 * forward.h - what becomes of a frame: it leaves rewritten, by a cached flow or by what the
 * routing table says, or it is the stack's.
 */
#ifndef VESTIGE_BPF_FORWARD_H
#define VESTIGE_BPF_FORWARD_H

#include "route.h"

/*
 * Six bytes and twelve, in words: byte by byte they would cost as much as the rest of the
 * frame. Where frames begin at odd halves of a word, as some architectures have it, the
 * verifier refuses this. mac: what the device has, not what a frame may claim.
 */
static __always_inline int forward_for_us(const struct ethhdr *eth, const __u8 *mac)
{
	const forward_half *to = (const void *)eth->h_dest, *own = (const void *)mac;

	return *(const forward_word *)to == *(const forward_word *)own && to[2] == own[2];
}

static __always_inline void forward_put_macs(struct ethhdr *eth, const __u8 *mac)
{
	forward_word *to = (void *)eth;
	const forward_word *from = (const void *)mac;

	to[0] = from[0];
	to[1] = from[1];
	to[2] = from[2];
}

static __always_inline int forward_fits(int v6, const struct flow_frame *f,
					const struct forward_key *k, const struct forward_hop *hop)
{
	if (!forward_for_us(f->eth, hop->in_mac))
		return FORWARD_pass_station;
	if (f->len > hop->mtu)
		return FORWARD_pass_mtu;
	if (hop->soft && flow_partial(v6, f, k))
		return FORWARD_pass_partial;
	return FORWARD_GO;
}

static __always_inline void forward_put_link(struct ethhdr *eth, const struct forward_hop *hop,
					     int v6)
{
	struct flow_vlan_tag *tag = (void *)(eth + 1);
	forward_half *type = (void *)&eth->h_proto;
	__be16 proto = v6 ? bpf_htons(ETH_P_IPV6) : bpf_htons(ETH_P_IP);

	forward_put_macs(eth, hop->mac);
	if (!hop->vid) {
		*type = proto;
		return;
	}
	*type = bpf_htons(ETH_P_8021Q);
	tag->tci = bpf_htons(hop->vid);
	tag->proto = proto;
}

/*
 * Rewrite and redirect. What may fail comes first, as a frame that was changed is no
 * longer what the stack should get.
 */
static __always_inline int forward_send(struct xdp_md *ctx, int v6, int tags,
					const struct forward_hop *hop)
{
	int out = hop->vid ? 1 : 0;
	struct ethhdr *eth;
	void *at, *end;

	if (bpf_redirect_map(&slots, hop->slot, XDP_PASS) != XDP_REDIRECT)
		return FORWARD_pass_no_hook;
	if (tags != out && bpf_xdp_adjust_head(ctx, tags ? (int)sizeof(struct flow_vlan_tag) :
							   -(int)sizeof(struct flow_vlan_tag)))
		return FORWARD_pass_error;
	eth = (void *)(long)ctx->data;
	end = (void *)(long)ctx->data_end;
	at = out ? (void *)(eth + 1) + sizeof(struct flow_vlan_tag) : (void *)(eth + 1);
	if (at + (v6 ? sizeof(struct ipv6hdr) : sizeof(struct iphdr)) > end)
		return FORWARD_pass_error;
	forward_put_link(eth, hop, v6);
	if (v6)
		((struct ipv6hdr *)at)->hop_limit--;
	else
		forward_age4(at);
	return FORWARD_GO;
}

_Static_assert(FORWARD_stored + (int)FLOW_RACED == (int)FORWARD_raced, "in the same order");

static __always_inline void forward_count_store(struct forward_cpu *cpu, enum flow_stored what)
{
	forward_count(cpu, FORWARD_stored + what);
	if (what == FLOW_EVICTED)
		forward_count(cpu, FORWARD_stored);
}

/* Longer than any clock has run. */
#define FORWARD_NEVER	(~0ull >> 2)

/* A place first, so that who gets none takes no post. */
static __always_inline enum flow_stored forward_store(struct forward_cpu *cpu, int v6,
						      const struct forward_key *k, __u64 hash,
						      __u64 gen, __u64 now,
						      const struct rtcache_gens *g,
						      const struct forward_hop *hop)
{
	const int family = v6 ? RTCACHE_INET6 : RTCACHE_INET;
	struct forward_bucket *b = flow_bucket(flow_home(geo.buckets, hash));
	struct flow_route route = { .gen = gen, .since_ns = now };
	int i, number;

	/* In a flood few flows are looked for, and so those in use look as if they were idle. */
	i = flow_place(b, hash, now, cpu->flooded ? FORWARD_NEVER : age_ns);
	if (!b || i == FLOW_NONE)
		return FLOW_DEFERRED;
	number = hop_number(geo.posts, geo.seed, g, hop, family, gen);
	if (number == FLOW_NONE)
		return FLOW_CROWDED;
	route.hop = number;
	return flow_write(v6, b, i, hash, k, &route);
}

/*
 * gen was read before the routing table and the facts are; 0: it is not to be kept. known:
 * it is there, but stale, and has come again: a change of routes is no flood. Nor is what
 * the stack gets, or what there is a place for, but none for its next hop.
 */
static __always_inline int forward_miss(struct xdp_md *ctx, struct forward_cpu *cpu, int v6,
					const struct flow_frame *f, const struct forward_key *k,
					__u64 hash, __u64 gen, int known, __u64 now,
					const struct rtcache_gens *g)
{
	struct forward_hop hop = {};
	enum flow_stored what;
	int why = route_ask(ctx, v6, k, gen || rtcache_vouched(g, now), now, &hop);

	if (why == FORWARD_GO)
		why = forward_fits(v6, f, k, &hop);
	if (why != FORWARD_GO)
		return why;
	if (gen) {
		what = forward_store(cpu, v6, k, hash, gen, now, g, &hop);
		forward_count_store(cpu, what);
		if (!known && what != FLOW_CROWDED)
			forward_missed(cpu);
	}
	why = forward_send(ctx, v6, f->tags, &hop);
	return why == FORWARD_GO ? FORWARD_looked_up : why;
}

static __always_inline int forward_hit(struct xdp_md *ctx, int v6, const struct flow_frame *f,
				       const struct forward_key *k, struct forward_flow *flow,
				       const struct flow_route *route,
				       const struct forward_hop *hop, __u64 now)
{
	int why = forward_fits(v6, f, k, hop);

	if (why != FORWARD_GO)
		return why;
	/* Not under its seq: at worst another flow has moved in, and is looked up once more. */
	if (forward_due(route->since_ns, now, age_ns)) {
		*(volatile __u64 *)&flow->gen = 0;
		flow->since_ns = now;
		return FORWARD_pass_confirm;
	}
	flow->packets++;
	flow->bytes += f->len;
	why = forward_send(ctx, v6, f->tags, hop);
	return why == FORWARD_GO ? FORWARD_hit : why;
}

static __always_inline int forward_packet(struct xdp_md *ctx, struct forward_cpu *cpu, int v6,
					  struct flow_frame *f)
{
	const int family = v6 ? RTCACHE_INET6 : RTCACHE_INET;
	struct rtcache_gens *g = rtcache_gens();
	struct forward_flow *flow = 0;
	struct flow_route route;
	struct forward_hop hop;
	struct forward_key k;
	__u64 now, gen = 0, hash = 0;
	int why;

	why = flow_read_key(ctx, v6, f, &k);
	if (why != FORWARD_GO)
		return why;
	if (!g)
		return FORWARD_pass_error;
	if (*(volatile __u32 *)&g->obstacles[family] & ~bypass)
		return FORWARD_pass_obstacle;
	now = forward_now(cpu);
	if (forward_looks(cpu, flow_spot(v6, &k, geo.seed)))
		gen = rtcache_take(g, family, now);
	if (gen) {
		hash = flow_hash(v6, &k, geo.seed);
		flow = flow_find(v6, flow_home(geo.buckets, hash), hash, &k, &route);
	}
	if (flow && route.gen == gen && hop_read(route.hop, g, family, gen, &hop)) {
		forward_found(cpu);
		return forward_hit(ctx, v6, f, &k, flow, &route, &hop, now);
	}
	return forward_miss(ctx, cpu, v6, f, &k, hash, gen, !!flow, now, g);
}

static __always_inline int forward_any(struct xdp_md *ctx, struct forward_cpu *cpu)
{
	struct flow_frame f;
	__be16 proto = 0;
	int why = flow_read_link(ctx, &f, &proto);

	if (why != FORWARD_GO)
		return why;
	if (proto == bpf_htons(ETH_P_IP))
		return forward_packet(ctx, cpu, 0, &f);
	if (proto == bpf_htons(ETH_P_IPV6))
		return forward_packet(ctx, cpu, 1, &f);
	return FORWARD_pass_other;
}

static __always_inline int forward(struct xdp_md *ctx)
{
	struct forward_cpu *cpu = forward_cpu();
	int why;

	if (!cpu)
		return XDP_PASS;
	why = forward_any(ctx, cpu);
	forward_count(cpu, why);
	return why <= FORWARD_looked_up ? XDP_REDIRECT : XDP_PASS;
}

#endif /* VESTIGE_BPF_FORWARD_H */
