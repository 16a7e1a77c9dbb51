/* SPDX-License-Identifier: GPL-2.0 */
/*
 * forward.h - forwarding in XDP: layouts, counters, and what a router may do with a
 * packet. BPF, the command and the tests share it.
 *
 * Addresses, ports and flow labels are in network byte order, all else in that of the
 * host. Lengths are those of the IP datagram in bytes. Times are CLOCK_MONOTONIC in ns.
 */
#ifndef VESTIGE_FORWARD_H
#define VESTIGE_FORWARD_H

#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/types.h>

#include <uapi/linux/vestige_rtcache.h>
#include "rtcache.h"

#define FORWARD_ABI		5

#define FORWARD_WAYS		8
#define FORWARD_MAX_DEVICES	64
#define FORWARD_MAX_VLANS	4096
#define FORWARD_MIN_FLOWS	FORWARD_WAYS
#define FORWARD_MAX_FLOWS	(1u << 24)
#define FORWARD_DEFAULT_FLOWS	65536u
#define FORWARD_MIN_POSTS	1024u	/* of eight */
#define FORWARD_MAX_POSTS	8192u
#define FORWARD_DEFAULT_AGE_MS	5000u

/*
 * What bpf_fib_lookup() looks at, and the VLAN that tells which device it came by. Of IPv4
 * the first three words. Written and read as words, so that no load waits for two stores.
 */
struct forward_key {
	union {
		struct {
			__u32 iif;	/* the device with the program, not the VLAN device */
			__be32 info;	/* IPv4: DSCP in the low byte; IPv6: flowinfo; no ECN */
			__be16 sport;	/* 0 where the protocol has none */
			__be16 dport;
			__u8 family;	/* RTCACHE_INET, RTCACHE_INET6 */
			__u8 proto;
			__u16 vid;	/* VLAN that it came in; 0: none, or a priority tag */
			__be32 addr[8];	/* source, destination: a word each, or four each */
		};
		__u64 word[6];
	};
};

/* What becomes of packets by a next hop. Compared and copied as words. */
struct forward_hop {
	union {
		struct {
			__u8 mac[12];	/* destination, source: the beginning of the frame */
			__u8 in_mac[6];	/* of the device that they came by */
			__u16 mtu;	/* longest datagram */
			__u32 oif;	/* egress device, the VLAN device if it is one */
			__u16 vid;	/* VLAN that they leave in; 0: none */
			__u8 slot;	/* in the devmap */
			__u8 soft;	/* what they came by hands over what has no checksum yet */
			__u32 pad;
		};
		__u64 word[4];
	};
};

/*
 * A cache line for a next hop, which many flows share. gen: of the latest lookup of each
 * family that led here; when both are over, no flow means it any more (include/vestige/hop.h).
 * claim: it is being written.
 */
struct forward_post {
	struct forward_hop hop;
	__u64 gen[RTCACHE_FAMILIES];
	__u32 claim;
	__u32 pad[3];
};

struct forward_posts {
	struct forward_post post[FORWARD_WAYS];
};

/*
 * A cache line, in which there is all of an IPv4 flow. seq: odd while it is being written.
 * used: it was hit since the hand came by. hop: number of a post.
 */
struct forward_flow {
	__u32 seq;
	__u16 hop;
	__u8 used;
	__u8 pad;
	__u64 gen;		/* good as long as it is the family's; 0: never */
	__u64 head[3];		/* of the key */
	__u64 since_ns;		/* when it was looked up */
	__u64 packets;
	__u64 bytes;
};

/*
 * Eight flows; before them a cache line for those that are not in the way of their choice,
 * and behind them what the keys of IPv6 have more. A tag is 32 bits of the flow's hash, 0:
 * empty. door: the tag that asked for a way last.
 */
struct forward_bucket {
	__u32 tag[FORWARD_WAYS];
	__u32 hand;
	__u32 door;
	__u32 pad[6];
	struct forward_flow flow[FORWARD_WAYS];
	struct {
		__u64 word[3];
		__u64 pad;
	} tail[FORWARD_WAYS];
};

struct forward_geometry {
	__u32 buckets;
	__u32 posts;		/* eight of them are one */
	__u64 seed[6];		/* a factor for each word of a key */
};

/*
 * What of a device changes while it is there, in one word, which is written and read at
 * once. Who keeps the generations keeps this, too: the module, or `vestige rtcache
 * follow`. While nobody does, it is as old as the attach, and only the MAC is taken from it.
 */
union forward_facts {
	__u64 word;
	struct {
		__u8 mac[6];
		__u8 rp_filter;
		__u8 state;	/* RTCACHE_DEVICE_UP ... */
	};
};

/* A device that packets may come by or leave by; key: ifindex. */
struct forward_device {
	union {
		__u64 who;		/* read at once */
		struct {
			__u32 ifindex;	/* as the key; before what it is to vouch for */
			__u16 vid;	/* of a VLAN device */
			__u8 slot;	/* in the devmap */
			__u8 soft;
		};
	};
	union forward_facts facts;
};

/* May what comes by it be forwarded? Not by one that is down, or hands its frames to a bridge. */
static __always_inline int forward_serves(union forward_facts facts)
{
	return (facts.state & (RTCACHE_DEVICE_UP | RTCACHE_DEVICE_PART)) == RTCACHE_DEVICE_UP;
}

/* Which VLAN device is this? The value is its ifindex. */
struct forward_vlan {
	__u32 ifindex;
	__u32 vid;
};

enum forward_phase {
	FORWARD_ATTACHING = 1,
	FORWARD_ATTACHED,
	FORWARD_DETACHING,
};

/* Pinned before anything else and removed after everything else. abi stays first. */
struct forward_attachment {
	__u32 abi;
	__u32 phase;		/* enum forward_phase */
	__u64 netns_cookie;
	__u64 netns_inode;
	__u64 attached_at_ns;
	__u32 buckets;
	__u32 age_ms;
	__u32 generic;		/* not native: the frames are copied */
	__u32 module;		/* the module keeps the generations */
	__u32 posts;
	__u32 pad;
	char netns[256];	/* name given by the user, or empty */
};

/*
 * Counters. Up to looked_up: packets forwarded. pass_*: packets handed to the stack, each
 * counted once.
 */
#define FORWARD_COUNTERS(X) \
	X(hit,			"forwarded by a cached flow") \
	X(looked_up,		"forwarded by asking the routing table") \
	X(pass_other,		"not IP") \
	X(pass_station,		"not addressed to the device: other stations, groups, broadcast") \
	X(pass_vlan,		"of a VLAN without a device here, or with two tags") \
	X(pass_malformed,	"bad version, length or header checksum, or cut short") \
	X(pass_options,		"IPv4 options") \
	X(pass_extension,	"IPv6 extension headers") \
	X(pass_fragment,	"fragments") \
	X(pass_ttl,		"TTL or hop limit of 1 or 0") \
	X(pass_mtu,		"longer than the route's MTU") \
	X(pass_multicast,	"multicast, broadcast and other addresses nobody forwards") \
	X(pass_icmp,		"ICMP errors and ICMPv6: their path may depend on their content") \
	X(pass_partial,		"the sender on this machine left the checksum to a device") \
	X(pass_local,		"addressed to this host, or no route") \
	X(pass_blackhole,	"blackhole route") \
	X(pass_unreachable,	"unreachable route") \
	X(pass_prohibit,	"prohibit route") \
	X(pass_disabled,	"forwarding is off for the device") \
	X(pass_device,		"came by a device that is down, or part of a bridge or bond") \
	X(pass_encap,		"the route wraps packets (lwtunnel)") \
	X(pass_no_neigh,	"the next hop's MAC is not known yet") \
	X(pass_no_hook,		"leaves by a device without the program") \
	X(pass_same_device,	"leaves where it came in: the stack may send a redirect") \
	X(pass_source,		"source address from the wrong side, or one of ours") \
	X(pass_obstacle,	"netfilter, tc or a setting is in the way") \
	X(pass_confirm,		"one of each flow, so that the kernel confirms the neighbour") \
	X(pass_error,		"the frame could not be changed") \
	X(stored,		"flows cached") \
	X(refreshed,		"flows looked up again: a change, or their age") \
	X(evicted,		"flows that gave way to others") \
	X(deferred,		"flows not cached at first sight, no way being free") \
	X(crowded,		"flows not cached, no place being free for their next hop") \
	X(raced,		"flows not cached because another CPU was at it")

enum forward_counter {
#define FORWARD_NUMBER(name, help) FORWARD_##name,
	FORWARD_COUNTERS(FORWARD_NUMBER)
#undef FORWARD_NUMBER
	FORWARD_COUNTS,
};

/*
 * What each CPU keeps for itself. misses: of flows that were looked for and could be kept,
 * since gains was taken. A CPU is flooded when nearly all it sees are flows of one packet,
 * for which there is no room: then it looks for some only, two in 2^flooded, so that the
 * rest cost no more than a lookup. The longer it lasts, the fewer.
 */
struct forward_cpu {
	__u64 counter[FORWARD_COUNTS];
	__u64 gains;
	__u32 misses;
	__u32 flooded;
	__u32 turn;
	__u32 pad;
	__u64 tick;		/* of the kernel, when it was */
	__u64 now;		/* this late, in ns */
};

#define FORWARD_WINDOW	512	/* misses */
#define FORWARD_FEW	64	/* gains meanwhile: less is a flood */
#define FORWARD_FLOODED	3	/* at first one in 4 is looked for, */
#define FORWARD_DROWNED	9	/* and at last one in 256 */

/*
 * Is this packet's flow looked for? In a flood some packets, whosever they are, so that a
 * large flow is noticed; and some flows, by their spot, with all their packets, so that
 * many small ones are: of those a packet now and then would not be seen to come again.
 */
static __always_inline int forward_looks(struct forward_cpu *cpu, __u64 spot)
{
	__u32 depth = cpu->flooded & 15;

	return !depth || !(++cpu->turn & ((1u << depth) - 1)) || !(spot >> (64 - depth));
}

static __always_inline __u32 forward_deeper(__u32 flooded)
{
	if (!flooded)
		return FORWARD_FLOODED;
	return flooded + 2 < FORWARD_DROWNED ? flooded + 2 : FORWARD_DROWNED;
}

/* What the cache was good for: hits, and flows that filled a way that was free. */
static __always_inline __u64 forward_gains(const struct forward_cpu *cpu)
{
	return cpu->counter[FORWARD_hit] + cpu->counter[FORWARD_stored] -
	       cpu->counter[FORWARD_evicted];
}

/* It was looked for and is there: enough of these, and the flood is over. */
static __always_inline void forward_found(struct forward_cpu *cpu)
{
	if (cpu->flooded && forward_gains(cpu) - cpu->gains >= FORWARD_FEW)
		cpu->flooded = 0;
}

/* It was, and is not there. */
static __always_inline void forward_missed(struct forward_cpu *cpu)
{
	__u64 gains = forward_gains(cpu);

	if (++cpu->misses < FORWARD_WINDOW)
		return;
	cpu->flooded = gains - cpu->gains < FORWARD_FEW ? forward_deeper(cpu->flooded) : 0;
	cpu->gains = gains;
	cpu->misses = 0;
}

#define FORWARD_GO	(-1)	/* nothing against it so far */

#define FORWARD_ICMP	1
#define FORWARD_IPIP	4
#define FORWARD_TCP	6
#define FORWARD_UDP	17
#define FORWARD_DCCP	33
#define FORWARD_IPV6	41
#define FORWARD_GRE	47
#define FORWARD_ESP	50
#define FORWARD_ICMP6	58
#define FORWARD_SCTP	132
#define FORWARD_UDPLITE	136

#define FORWARD_ETH_MIN	60	/* shortest frame without its checksum */

/* What of the TOS byte routes may depend on. */
#define FORWARD_DSCP	0xfc

/* To and from network byte order. */
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define FORWARD_BE16(x)	((__be16)__builtin_bswap16(x))
#define FORWARD_BE32(x)	((__be32)__builtin_bswap32(x))
#else
#define FORWARD_BE16(x)	((__be16)(x))
#define FORWARD_BE32(x)	((__be32)(x))
#endif

/* Version, then DSCP and flow label, of which ECN is no business of routes. */
#define FORWARD_FLOWINFO	FORWARD_BE32(0x0fcfffff)

/* The protocols whose first four bytes the kernel hashes and matches as ports. */
static __always_inline int forward_has_ports(__u8 proto)
{
	return proto == FORWARD_TCP || proto == FORWARD_UDP || proto == FORWARD_SCTP ||
	       proto == FORWARD_DCCP || proto == FORWARD_ESP || proto == FORWARD_UDPLITE;
}

/*
 * Errors go the way of the packet that they carry. Of ICMPv6 everything: as soon as there
 * is a rule with ports, the kernel spreads it over several paths in another way than it
 * tells bpf_fib_lookup().
 */
static __always_inline int forward_icmp(__u8 proto, __u8 type)
{
	if (proto == FORWARD_ICMP)
		return type == 3 || type == 4 || type == 5 || type == 11 || type == 12;
	return proto == FORWARD_ICMP6;
}

typedef __u32 __attribute__((__may_alias__)) forward_word;
typedef __u16 __attribute__((__may_alias__)) forward_half;

/* Ones' complement sum of 20 bytes that should be 0xffff. */
static __always_inline int forward_sum_good(const struct iphdr *ip)
{
	const forward_word *w = (const forward_word *)ip;
	__u64 sum = (__u64)w[0] + w[1] + w[2] + w[3] + w[4];

	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return sum == 0xffff;
}

/* 0/8, 127/8, and 224/3: groups, class E, broadcast. */
static __always_inline int forward_special4(__be32 addr)
{
	__u32 first = addr & FORWARD_BE32(0xff000000);

	return !first || first == FORWARD_BE32(0x7f000000) ||
	       (addr & FORWARD_BE32(0xe0000000)) == FORWARD_BE32(0xe0000000);
}

/* 0::/64: unspecified, loopback, mapped; fe80::/10; groups. */
static __always_inline int forward_special6(const __be32 *addr)
{
	return !(addr[0] | addr[1]) ||
	       (addr[0] & FORWARD_BE32(0xffc00000)) == FORWARD_BE32(0xfe800000) ||
	       (addr[0] & FORWARD_BE32(0xff000000)) == FORWARD_BE32(0xff000000);
}

/*
 * May a router send this datagram on without a further look? room: bytes from its header
 * to the end of the frame, as far as it is in reach; least: a shorter one may be padded up
 * to there. FORWARD_GO, or the counter of who does not go this way.
 */
static __always_inline int forward_look4(const struct iphdr *ip, __u32 room, __u32 least)
{
	__u32 total = FORWARD_BE16(ip->tot_len);

	if (*(const __u8 *)ip != 0x45)
		return ip->version == 4 && ip->ihl > 5 ? FORWARD_pass_options :
							FORWARD_pass_malformed;
	if (total < sizeof(*ip) || total > room || (room > total && room > least) ||
	    !forward_sum_good(ip))
		return FORWARD_pass_malformed;
	if (ip->frag_off & FORWARD_BE16(0x3fff))
		return FORWARD_pass_fragment;
	if (forward_special4(ip->daddr) || forward_special4(ip->saddr))
		return FORWARD_pass_multicast;
	if (ip->ttl <= 1)
		return FORWARD_pass_ttl;
	return FORWARD_GO;
}

/* Hop-by-hop options are the router's; behind the others ports may hide. */
static __always_inline int forward_extension(__u8 next)
{
	return next == 0 || next == 43 || next == 51 || next == 60 || next == 135 ||
	       next == 139 || next == 140 || next == 253 || next == 254;
}

static __always_inline int forward_look6(const struct ipv6hdr *ip, __u32 room, __u32 least)
{
	__u32 total = sizeof(*ip) + FORWARD_BE16(ip->payload_len);

	if (ip->version != 6 || total > room || (room > total && room > least))
		return FORWARD_pass_malformed;
	if (ip->nexthdr == 44)
		return FORWARD_pass_fragment;
	if (forward_extension(ip->nexthdr))
		return FORWARD_pass_extension;
	if (forward_special6((const __be32 *)&ip->daddr) ||
	    forward_special6((const __be32 *)&ip->saddr))
		return FORWARD_pass_multicast;
	if (ip->hop_limit <= 1)
		return FORWARD_pass_ttl;
	return FORWARD_GO;
}

/*
 * As ip_decrease_ttl() of the kernel, so that the bytes are the same: RFC 1141. TTL,
 * protocol and checksum are a word, read and written at once.
 */
static __always_inline void forward_age4(struct iphdr *ip)
{
	forward_word *word = (void *)&ip->ttl;
	union {
		struct {
			__u8 ttl;
			__u8 protocol;
			__sum16 check;
		};
		__u32 word;
	} w = { .word = *word };
	__u32 check = w.check;

	check += FORWARD_BE16(0x0100);
	w.check = check + (check >= 0xffff);
	w.ttl--;
	*word = w.word;
}

/* Is it time to hand one to the stack? `since` may be a moment ahead of this CPU. */
static __always_inline int forward_due(__u64 since_ns, __u64 now_ns, __u64 age_ns)
{
	return (__s64)(now_ns - since_ns) >= (__s64)age_ns;
}

_Static_assert(sizeof(struct forward_key) == 48, "six words of 64 bits");
_Static_assert(sizeof(struct forward_hop) == 32, "all of it is in the words");
_Static_assert(sizeof(struct forward_post) == 64, "one cache line");
_Static_assert(sizeof(struct forward_flow) == 64, "one cache line");
_Static_assert(__builtin_offsetof(struct forward_bucket, flow) == 64, "one cache line");
_Static_assert(sizeof(struct forward_bucket) % 64 == 0, "each begins with a cache line");
_Static_assert(sizeof(struct forward_device) == 16, "two words");
_Static_assert(FORWARD_MAX_DEVICES <= 256, "a byte is a slot");
_Static_assert(sizeof(union forward_facts) == 8, "written at once");
_Static_assert(FORWARD_looked_up == 1, "what is above was not forwarded");

#endif /* VESTIGE_FORWARD_H */
