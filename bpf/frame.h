/* SPDX-License-Identifier: GPL-2.0 */
/*
 * frame.h - read a frame: Ethernet, up to two VLAN tags, IPv4 or IPv6, TCP.
 *
 * Whatever is not understood is the stack's. Offsets count from the start of
 * the frame.
 */
#ifndef VESTIGE_BPF_FRAME_H
#define VESTIGE_BPF_FRAME_H

#include "maps.h"
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>

#define ETH_P_8021Q_	0x8100
#define ETH_P_8021AD_	0x88a8
#define VTW_VLAN_TAGS	2
#define VTW_VID		0x0fff
#define VTW_IP6_HEADERS	6

#define VTW_PROTO_HOPOPTS	0
#define VTW_PROTO_TCP		6
#define VTW_PROTO_ROUTING	43
#define VTW_PROTO_FRAGMENT	44
#define VTW_PROTO_DSTOPTS	60

struct vtw_frame {
	__u32 l3;
	__u32 l4;
	__u32 end;	/* behind the datagram; padding follows */
	__u32 seq;
	__u32 ack_seq;
	__u8 v6;
	__u8 doff;	/* bytes of TCP header */
	__u8 flags;	/* byte 13 of the TCP header */
	__u8 pad;
};

enum vtw_parsed {
	VTW_PARSED,		/* TCP, and not a fragment */
	VTW_NOT_TCP,		/* nothing for us */
	VTW_SHORT,		/* headers are not all in reach */
};

struct vtw_vlan {
	__be16 tci;
	__be16 proto;
};

/*
 * The network header, its protocol in *proto; NULL: out of reach, or tagged for
 * a VLAN, whose device has a hook of its own. Tag 0 says only how urgent a
 * frame is.
 */
static __always_inline void *vtw_parse_eth(void *data, void *end, __be16 *proto)
{
	struct ethhdr *eth = data;
	void *at = eth + 1;

	if (at > end)
		return 0;
	*proto = eth->h_proto;
#pragma clang loop unroll(full)
	for (int i = 0; i < VTW_VLAN_TAGS; i++) {
		struct vtw_vlan *tag = at;

		if (*proto != bpf_htons(ETH_P_8021Q_) && *proto != bpf_htons(ETH_P_8021AD_))
			break;
		if ((void *)(tag + 1) > end)
			return 0;
		*proto = tag->tci & bpf_htons(VTW_VID) ? 0 : tag->proto;
		at = tag + 1;
	}
	return at;
}

/*
 * The segment's key as seen by this host: `in` when it arrives, else when it
 * leaves.
 */
static __always_inline void vtw_ports(const struct tcphdr *th, int in, struct vtw_key *k)
{
	k->lport = in ? th->dest : th->source;
	k->rport = in ? th->source : th->dest;
}

static __always_inline int vtw_parse_tcp(void *data, void *at, void *end, int in,
					 struct vtw_frame *f, struct vtw_key *k)
{
	struct tcphdr *th = at;

	if ((void *)(th + 1) > end)
		return VTW_SHORT;
	f->l4 = at - data;
	f->seq = bpf_ntohl(th->seq);
	f->ack_seq = bpf_ntohl(th->ack_seq);
	f->flags = ((__u8 *)th)[13];
	f->doff = ((__u8 *)th)[12] >> 4 << 2;
	vtw_ports(th, in, k);
	if (f->doff < sizeof(*th) || f->l4 + f->doff > f->end) {
		STAT(malformed);
		return VTW_NOT_TCP;
	}
	return VTW_PARSED;
}

/*
 * `len`: of the whole frame. A total length of 0 is a segment of 64 KiB or more
 * (BIG TCP).
 */
static __always_inline int vtw_parse_ip4(void *data, void *at, void *end, __u32 len, int in,
					 struct vtw_frame *f, struct vtw_key *k)
{
	struct iphdr *ip = at;
	__u32 total;

	if ((void *)(ip + 1) > end)
		return VTW_SHORT;
	if (ip->protocol != VTW_PROTO_TCP || ip->version != 4 || ip->ihl < 5)
		return VTW_NOT_TCP;
	if (ip->frag_off & bpf_htons(0x3fff)) {
		STAT(fragment);
		return VTW_NOT_TCP;
	}
	total = bpf_ntohs(ip->tot_len);
	f->end = total ? f->l3 + total : len;
	if (f->end > len) {
		STAT(malformed);
		return VTW_NOT_TCP;
	}
	k->laddr[0] = in ? ip->daddr : ip->saddr;
	k->raddr[0] = in ? ip->saddr : ip->daddr;
	return vtw_parse_tcp(data, at + ip->ihl * 4, end, in, f, k);
}

static __always_inline void vtw_addrs6(const struct ipv6hdr *ip, int in, struct vtw_key *k)
{
	for (int i = 0; i < 4; i++) {
		__be32 s = ip->saddr.in6_u.u6_addr32[i], d = ip->daddr.in6_u.u6_addr32[i];

		k->laddr[i] = in ? d : s;
		k->raddr[i] = in ? s : d;
	}
}

/* Walk the extension headers that may stand before TCP. NULL: none of ours. */
static __always_inline void *vtw_skip_headers(void *at, void *end, __u8 next, int *why)
{
	*why = VTW_NOT_TCP;
	for (int i = 0; i < VTW_IP6_HEADERS; i++) {
		__u8 *h = at;

		if (next == VTW_PROTO_TCP)
			return at;
		if (next == VTW_PROTO_FRAGMENT)
			STAT(fragment);
		if (next != VTW_PROTO_HOPOPTS && next != VTW_PROTO_ROUTING &&
		    next != VTW_PROTO_DSTOPTS)
			return 0;
		if ((void *)(h + 8) > end) {
			*why = VTW_SHORT;
			return 0;
		}
		/* Segments left: on its way through us to somebody else. */
		if (next == VTW_PROTO_ROUTING && h[3])
			return 0;
		next = h[0];
		at += (h[1] + 1) * 8;
	}
	return 0;
}

static __always_inline int vtw_parse_ip6(void *data, void *at, void *end, __u32 len, int in,
					 struct vtw_frame *f, struct vtw_key *k)
{
	struct ipv6hdr *ip = at;
	__u32 total;
	int why;

	if ((void *)(ip + 1) > end)
		return VTW_SHORT;
	total = bpf_ntohs(ip->payload_len);
	f->v6 = 1;
	f->end = total ? f->l3 + sizeof(*ip) + total : len;
	if (f->end > len) {
		STAT(malformed);
		return VTW_NOT_TCP;
	}
	at = vtw_skip_headers(ip + 1, end, ip->nexthdr, &why);
	if (!at)
		return why;
	vtw_addrs6(ip, in, k);
	return vtw_parse_tcp(data, at, end, in, f, k);
}

/* XDP asks for the length of a frame only when it has found a record for it. */
#define VTW_ANY_LENGTH	0xffffffff

/*
 * `len` is the length of the frame, `proto` the protocol behind the link
 * header, which is `eth` ? Ethernet : nothing.
 */
static __always_inline int vtw_parse(void *data, void *end, __u32 len, int eth, __be16 proto,
				     int in, struct vtw_frame *f, struct vtw_key *k)
{
	void *at = data;

	if (eth)
		at = vtw_parse_eth(data, end, &proto);
	if (!at)
		return VTW_SHORT;
	f->l3 = at - data;
	if (proto == bpf_htons(ETH_P_IP))
		return vtw_parse_ip4(data, at, end, len, in, f, k);
	if (proto == bpf_htons(ETH_P_IPV6))
		return vtw_parse_ip6(data, at, end, len, in, f, k);
	return VTW_NOT_TCP;
}

/*
 * Tell the verifier what the compiler knows, and would optimize away: n is in 1
 * .. mask + 1. Linux 6.1 learns no lower bound from a comparison with 0.
 */
#define VTW_BOUND(n, mask) \
	asm volatile("%[v] -= 1\n%[v] &= " #mask "\n%[v] += 1" : [v] "+r"(n))

/* Bytes of a frame, wherever they lie; `xdp` is a constant. */
static __always_inline long vtw_load(void *ctx, int xdp, __u32 off, void *to, __u32 n)
{
	return xdp ? bpf_xdp_load_bytes(ctx, off, to, n) : bpf_skb_load_bytes(ctx, off, to, n);
}

/* Keeps a CHECKSUM_COMPLETE sum of the skb true. */
static __always_inline long vtw_store(void *ctx, int xdp, __u32 off, void *from, __u32 n)
{
	return xdp ? bpf_xdp_store_bytes(ctx, off, from, n) :
		     bpf_skb_store_bytes(ctx, off, from, n, BPF_F_RECOMPUTE_CSUM);
}

#endif /* VESTIGE_BPF_FRAME_H */
