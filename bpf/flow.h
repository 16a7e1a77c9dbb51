/* SPDX-License-Identifier: GPL-2.0 */
/*
 * flow.h - the maps of forwarding, and the packet read into the key of its flow.
 *
 * Sizes marked 1 are set from the geometry before load.
 */
#ifndef VESTIGE_BPF_FLOW_H
#define VESTIGE_BPF_FLOW_H

#include "rtcache.h"
#include <bpf/bpf_endian.h>
#include <linux/if_ether.h>
#include <vestige/forward.h>

#ifndef ETH_P_8021AD
#define ETH_P_8021AD	0x88a8
#endif
#define FORWARD_VID	0x0fff
#define FORWARD_STAMPS	4096

const volatile struct forward_geometry geo;

/* A flow hands a packet to the stack this often. */
const volatile __u64 age_ns;

/* RTCACHE_NETFILTER ... that the user does not mind. */
const volatile __u32 bypass;

#define ARRAY(name, flags, size, value_type)			\
	struct {						\
		__uint(type, BPF_MAP_TYPE_ARRAY);		\
		__uint(map_flags, flags);			\
		__uint(max_entries, size);			\
		__type(key, __u32);				\
		__type(value, value_type);			\
	} name SEC(".maps")

ARRAY(buckets, BPF_F_MMAPABLE, 1, struct forward_bucket);
ARRAY(posts, BPF_F_MMAPABLE, 1, struct forward_posts);
ARRAY(attachment, 0, 1, struct forward_attachment);

/* When a packet to a next hop was last handed to the stack, by hash of the next hop. */
ARRAY(stamps, 0, FORWARD_STAMPS, __u64);

struct {
	__uint(type, BPF_MAP_TYPE_DEVMAP);
	__uint(max_entries, FORWARD_MAX_DEVICES);
	__type(key, __u32);
	__type(value, __u32);
} slots SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, FORWARD_MAX_VLANS + FORWARD_MAX_DEVICES);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u32);
	__type(value, struct forward_device);
} devices SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, FORWARD_MAX_VLANS);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct forward_vlan);
	__type(value, __u32);
} vlans SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct forward_cpu);
} stats SEC(".maps");

static __always_inline struct forward_bucket *flow_bucket(__u32 i)
{
	return bpf_map_lookup_elem(&buckets, &i);
}

static __always_inline struct forward_posts *hop_posts(__u32 i)
{
	return bpf_map_lookup_elem(&posts, &i);
}

#define FLOW_CHOOSES	__noinline
#include <vestige/hop.h>

/* A frame as far as it is read. at: its network header. */
struct flow_frame {
	struct ethhdr *eth;
	void *at;
	void *end;
	__u32 len;		/* of the datagram */
	__u16 vid;
	__u16 tags;
};

struct flow_vlan_tag {
	__be16 tci;
	__be16 proto;
};

static __always_inline struct forward_cpu *forward_cpu(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&stats, &zero);
}

/* Count one. Per CPU, in softirq: nobody comes between. */
static __always_inline void forward_count(struct forward_cpu *cpu, __u32 n)
{
	if (n < FORWARD_COUNTS)
		cpu->counter[n]++;
}

/*
 * CLOCK_MONOTONIC as of the last tick. The coarse clock is set by it, so that it is asked
 * once a tick; who asks while another CPU is setting it is a tick late.
 */
static __always_inline __u64 forward_now(struct forward_cpu *cpu)
{
	__u64 tick = bpf_jiffies64();

	if (cpu->tick != tick) {
		cpu->now = bpf_ktime_get_coarse_ns();
		cpu->tick = tick;
	}
	return cpu->now;
}

/* Ethernet and at most one tag; a second one is for devices on VLAN devices. */
static __always_inline int flow_read_link(struct xdp_md *ctx, struct flow_frame *f, __be16 *proto)
{
	struct flow_vlan_tag *tag;

	f->eth = (void *)(long)ctx->data;
	f->end = (void *)(long)ctx->data_end;
	f->at = f->eth + 1;
	f->vid = f->tags = 0;
	if (f->at > f->end)
		return FORWARD_pass_other;
	*proto = f->eth->h_proto;
	if (*proto == bpf_htons(ETH_P_8021AD))
		return FORWARD_pass_vlan;
	if (*proto != bpf_htons(ETH_P_8021Q))
		return FORWARD_GO;
	tag = f->at;
	f->at = tag + 1;
	if (f->at > f->end)
		return FORWARD_pass_other;
	*proto = tag->proto;
	f->vid = bpf_ntohs(tag->tci) & FORWARD_VID;
	f->tags = 1;
	return *proto == bpf_htons(ETH_P_8021Q) || *proto == bpf_htons(ETH_P_8021AD) ?
	       FORWARD_pass_vlan : FORWARD_GO;
}

/* Two halves of a word, as they lie in memory. */
static __always_inline __u64 flow_word(__u32 first, __u32 second)
{
	union {
		__u32 half[2];
		__u64 word;
	} w = { .half = { first, second } };

	return w.word;
}

/* What of the transport header the route may depend on: ports, as they lie there. */
static __always_inline int flow_read_ports(const void *l4, const void *end, __u8 proto,
					   __u32 *ports)
{
	const __u8 *type = l4;

	*ports = 0;
	if (forward_has_ports(proto)) {
		if (l4 + sizeof(*ports) > end)
			return FORWARD_pass_malformed;
		*ports = *(const __u32 *)l4;
	} else if (proto == FORWARD_ICMP || proto == FORWARD_ICMP6) {
		if ((void *)(type + 1) > end)
			return FORWARD_pass_malformed;
		if (forward_icmp(proto, *type))
			return FORWARD_pass_icmp;
	}
	return FORWARD_GO;
}

/* The first two words, which both families have. */
static __always_inline void flow_begin_key(const struct xdp_md *ctx, int v6, __u16 vid, __u8 proto,
					   __be32 info, __u32 ports, struct forward_key *k)
{
	union {
		struct {
			__u8 family;
			__u8 proto;
			__u16 vid;
		};
		__u32 word;
	} who = {
		.family = v6 ? RTCACHE_INET6 : RTCACHE_INET,
		.proto = proto,
		.vid = vid,
	};

	k->word[0] = flow_word(ctx->ingress_ifindex, info);
	k->word[1] = flow_word(ports, who.word);
}

static __always_inline int flow_read4(struct xdp_md *ctx, struct flow_frame *f,
				      struct forward_key *k)
{
	struct iphdr *ip = f->at;
	__u32 ports;
	int why;

	if ((void *)(ip + 1) > f->end)
		return FORWARD_pass_malformed;
	why = forward_look4(ip, f->end - f->at, FORWARD_ETH_MIN - ETH_HLEN);
	if (why != FORWARD_GO)
		return why;
	f->len = bpf_ntohs(ip->tot_len);
	why = flow_read_ports(ip + 1, f->end, ip->protocol, &ports);
	flow_begin_key(ctx, 0, f->vid, ip->protocol, ip->tos & FORWARD_DSCP, ports, k);
	k->word[2] = flow_word(ip->saddr, ip->daddr);
	k->word[3] = k->word[4] = k->word[5] = 0;
	return why;
}

static __always_inline int flow_read6(struct xdp_md *ctx, struct flow_frame *f,
				      struct forward_key *k)
{
	struct ipv6hdr *ip = f->at;
	const __be32 *addr = ip->saddr.in6_u.u6_addr32;	/* and behind it the destination */
	__u32 ports;
	int why;

	if ((void *)(ip + 1) > f->end)
		return FORWARD_pass_malformed;
	why = forward_look6(ip, f->end - f->at, FORWARD_ETH_MIN - ETH_HLEN);
	if (why != FORWARD_GO)
		return why;
	f->len = sizeof(*ip) + bpf_ntohs(ip->payload_len);
	why = flow_read_ports(ip + 1, f->end, ip->nexthdr, &ports);
	flow_begin_key(ctx, 1, f->vid, ip->nexthdr, *(__be32 *)ip & FORWARD_FLOWINFO, ports, k);
#pragma unroll
	for (int i = 0; i < 4; i++)
		k->word[2 + i] = flow_word(addr[2 * i], addr[2 * i + 1]);
	return why;
}

/* FORWARD_GO and the key, or who does not go this way. */
static __always_inline int flow_read_key(struct xdp_md *ctx, int v6, struct flow_frame *f,
					 struct forward_key *k)
{
	return v6 ? flow_read6(ctx, f, k) : flow_read4(ctx, f, k);
}

/*
 * Frames of a veth or a tap were never on a wire: the sender may have left the checksum to
 * a device, and then it is the pseudo header's. XDP cannot say that it still has to be
 * done. Of what is in a tunnel nobody here can tell; a UDP tunnel has no checksum, mostly.
 */
static __always_inline int flow_partial(int v6, const struct flow_frame *f,
					const struct forward_key *k)
{
	__u32 hlen = v6 ? sizeof(struct ipv6hdr) : sizeof(struct iphdr);
	__be32 tail[2] = { bpf_htonl(f->len - hlen), bpf_htonl(k->proto) };
	__be16 *check = f->at + hlen + (k->proto == FORWARD_TCP ? 16 : 6);
	__u64 sum;

	if (k->proto == FORWARD_SCTP) {
		__be32 *crc = f->at + hlen + 8;

		return (void *)(crc + 1) > f->end || !*crc;
	}
	if (k->proto == FORWARD_IPIP || k->proto == FORWARD_IPV6 || k->proto == FORWARD_GRE)
		return 1;
	if (k->proto != FORWARD_TCP && k->proto != FORWARD_UDP)
		return 0;
	if ((void *)(check + 1) > f->end || !*check)
		return 1;
	sum = bpf_csum_diff(0, 0, (void *)k->addr, v6 ? 32 : 8, 0);
	sum += (__u64)tail[0] + tail[1];
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return *check == (__u16)sum;
}

#endif /* VESTIGE_BPF_FLOW_H */
