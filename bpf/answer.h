/* SPDX-License-Identifier: GPL-2.0 */
/*
 * answer.h - turn the frame that came into the ACK that goes back.
 *
 * The answer leaves where the segment came in, to the station that sent it, or
 * by another device, where the route is known to lead out of that (path.h);
 * netfilter does not see it. Its IP header is plain: no options, no extension
 * headers, no fragmenting, DSCP 0.
 */
#ifndef VESTIGE_BPF_ANSWER_H
#define VESTIGE_BPF_ANSWER_H

#include "csum.h"

struct vtw_ack {
	__u32 seq;
	__u32 ack;
	__u32 tsval;
	__u32 tsecr;	/* 0: no timestamps, as tcp_v4_send_ack() has it */
	__u16 wnd;
	__u16 rst;
};

#define VTW_TTL		64
#define VTW_SHORTEST	(sizeof(struct ethhdr) + sizeof(struct iphdr) + sizeof(struct tcphdr))

/* TCP header, then NOP NOP timestamp. */
struct vtw_tcp_out {
	struct tcphdr th;
	__be32 opt[3];
};

struct vtw_out4 {
	struct iphdr ip;
	struct vtw_tcp_out tcp;
};

struct vtw_out6 {
	struct ipv6hdr ip;
	struct vtw_tcp_out tcp;
};

static __always_inline __u32 vtw_put_tcp(struct vtw_tcp_out *o, const struct vtw_key *k,
					 const struct vtw_ack *a)
{
	__u32 len = a->tsecr ? sizeof(*o) : sizeof(o->th);

	o->th.source = k->lport;
	o->th.dest = k->rport;
	o->th.seq = bpf_htonl(a->seq);
	o->th.ack_seq = bpf_htonl(a->ack);
	o->th.doff = len / 4;
	o->th.rst = a->rst;
	o->th.ack = !a->rst || a->ack;
	o->th.window = bpf_htons(a->wnd);
	if (a->tsecr) {
		o->opt[0] = bpf_htonl(0x0101080a);
		o->opt[1] = bpf_htonl(a->tsval);
		o->opt[2] = bpf_htonl(a->tsecr);
	}
	return len;
}

/* What is not used of o->opt is zero, and adds nothing. */
static __always_inline void vtw_put_check(struct vtw_tcp_out *o, __u32 pseudo, int partial)
{
	__u32 sum = bpf_csum_diff(0, 0, (void *)o, sizeof(*o), pseudo);

	o->th.check = partial ? vtw_fold(pseudo) : ~vtw_fold(sum);
}

static __always_inline void vtw_put_ip4(struct iphdr *ip, const struct vtw_key *k, __u32 l4)
{
	ip->version = 4;
	ip->ihl = 5;
	ip->tot_len = bpf_htons(sizeof(*ip) + l4);
	ip->frag_off = bpf_htons(0x4000);
	ip->ttl = VTW_TTL;
	ip->protocol = VTW_PROTO_TCP;
	ip->saddr = k->laddr[0];
	ip->daddr = k->raddr[0];
	ip->check = ~vtw_fold(bpf_csum_diff(0, 0, (void *)ip, sizeof(*ip), 0));
}

static __always_inline void vtw_put_ip6(struct ipv6hdr *ip, const struct vtw_key *k, __u32 l4)
{
	ip->version = 6;
	ip->payload_len = bpf_htons(l4);
	ip->nexthdr = VTW_PROTO_TCP;
	ip->hop_limit = VTW_TTL;
	for (int i = 0; i < 4; i++) {
		ip->saddr.in6_u.u6_addr32[i] = k->laddr[i];
		ip->daddr.in6_u.u6_addr32[i] = k->raddr[i];
	}
}

/*
 * tc: as long as the answer, MACs the other way round. IP options and extension
 * headers are cut out in a way that leaves the skb's idea of its TCP header,
 * and of a CHECKSUM_PARTIAL, right. A priority tag lies beside the frame and
 * goes: the stack answers without it. Returns where the network header is now;
 * -1: no way.
 */
static __always_inline int vtw_turn_skb(struct __sk_buff *skb, __u32 l3, __u32 extra, __u32 len)
{
	__u8 to[ETH_ALEN], from[ETH_ALEN];

	if (extra && bpf_skb_adjust_room(skb, -(int)extra, BPF_ADJ_ROOM_NET, 0))
		return -1;
	if (bpf_skb_change_tail(skb, l3 + len, 0))
		return -1;
	if (!l3)
		return 0;
	if (skb->vlan_present && bpf_skb_vlan_pop(skb))
		return -1;
	if (bpf_skb_load_bytes(skb, 0, to, ETH_ALEN) ||
	    bpf_skb_load_bytes(skb, ETH_ALEN, from, ETH_ALEN) ||
	    bpf_skb_store_bytes(skb, 0, from, ETH_ALEN, 0) ||
	    bpf_skb_store_bytes(skb, ETH_ALEN, to, ETH_ALEN, 0))
		return -1;
	return l3;
}

/*
 * XDP: a new Ethernet header without tags. What is missing in length comes from
 * the headroom, which drivers must have; tailroom they need not.
 */
static __always_inline int vtw_turn_xdp(struct xdp_md *xdp, int v6, __u32 len)
{
	__u32 total = sizeof(struct ethhdr) + len;
	__u8 padding[ETH_ZLEN - VTW_SHORTEST] = {};
	struct ethhdr in, out;
	int more;

	if (total < ETH_ZLEN)	/* not every driver pads what XDP sends */
		total = ETH_ZLEN;
	more = (int)total - (int)bpf_xdp_get_buff_len(xdp);

	if (bpf_xdp_load_bytes(xdp, 0, &in, sizeof(in)))
		return -1;
	__builtin_memcpy(out.h_dest, in.h_source, ETH_ALEN);
	__builtin_memcpy(out.h_source, in.h_dest, ETH_ALEN);
	out.h_proto = v6 ? bpf_htons(ETH_P_IPV6) : bpf_htons(ETH_P_IP);
	if (more > 0 ? bpf_xdp_adjust_head(xdp, -more) : bpf_xdp_adjust_tail(xdp, more))
		return -1;
	if (total == ETH_ZLEN && bpf_xdp_store_bytes(xdp, VTW_SHORTEST, padding, sizeof(padding)))
		return -1;
	return bpf_xdp_store_bytes(xdp, 0, &out, sizeof(out)) ? -1 : (int)sizeof(out);
}

/*
 * Rewrite the frame. -1: it cannot be. An XDP frame has no checksum offload to
 * rely on.
 */
static __always_inline int vtw_turn(void *ctx, int xdp, int v6, const struct vtw_frame *f,
				    const struct vtw_key *k, const struct vtw_ack *a, int partial)
{
	__u32 l3len = v6 ? sizeof(struct ipv6hdr) : sizeof(struct iphdr), l4;
	union {
		struct vtw_out4 v4;
		struct vtw_out6 v6;
	} o = {};
	struct vtw_tcp_out *tcp = v6 ? &o.v6.tcp : &o.v4.tcp;
	int at;

	l4 = vtw_put_tcp(tcp, k, a);
	vtw_put_check(tcp, vtw_pseudo(v6, k, l4), partial && !xdp);
	if (v6)
		vtw_put_ip6(&o.v6.ip, k, l4);
	else
		vtw_put_ip4(&o.v4.ip, k, l4);
	at = xdp ? vtw_turn_xdp(ctx, v6, l3len + l4) :
		   vtw_turn_skb(ctx, f->l3, f->l4 - f->l3 - l3len, l3len + l4);
	if (at < 0)
		return -1;
	if (a->tsecr)
		return vtw_store(ctx, xdp, at, &o, l3len + sizeof(*tcp)) ? -1 : 0;
	return vtw_store(ctx, xdp, at, &o, l3len + sizeof(tcp->th)) ? -1 : 0;
}

#endif /* VESTIGE_BPF_ANSWER_H */
