/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
/*
 * vestige_rtcache.h - when copies of routes are stale: the netlink contract.
 *
 * Each network namespace has a 64-bit generation for each of two families, 0: inet,
 * 1: inet6. It never goes back, not even when the module is loaded again. Odd: a change
 * is under way, copies are neither made nor trusted. Even: settled. A change makes it
 * odd before the change returns to who made it.
 *
 * Generic netlink, family VESTIGE_RTCACHE_NAME, in the namespace of the socket:
 *
 *	GET	answers with one message: COOKIE, OBSTACLES of both families or'ed,
 *		HOLDERS, and for each family a nest STATS {FAMILY, GEN, OBSTACLES,
 *		SETTLES, UNTOLD, COUNTERS}
 *	FLUSH	CAP_NET_ADMIN; [FAMILY], without it both
 *	EVENT	to the multicast group: FAMILY, REASON, GEN, OBSTACLES, COUNT
 *		[PREFIX, PLEN] [IFINDEX]
 *
 * A burst is told of by a few messages: each stands for COUNT events, itself and those
 * before it that were not told. Who listens asks with GET after he has joined: what
 * the kernel has no notifier for is looked at only while somebody wants to know.
 *
 * The tracepoints vestige:vestige_rtcache_flush, _event and _device have these
 * arguments, each a u64 for a raw_tp program:
 *
 *	flush	cookie, family, gen, reason, obstacles	each change of a generation
 *	event	cookie, family, reason, prefix, plen, ifindex
 *	device	cookie, ifindex, lower, vid, facts	before the flush that a change of
 *		these makes, and of every device ten times a second. lower, vid: of a
 *		VLAN device with 802.1Q tags, else 0. facts, as they lie in memory: MAC,
 *		six bytes; rp_filter in effect, one; RTCACHE_DEVICE_UP ..., one
 *
 * Two CPUs' tracepoints may overtake each other: the larger generation is the newer.
 *
 * An IPv4 address that goes is told of while the kernel still takes it for local. In a
 * namespace where somebody is in the multicast group, and while a program listens to
 * `event`, system calls that had begun by then are waited for before it is not.
 */
#ifndef _UAPI_LINUX_VESTIGE_RTCACHE_H
#define _UAPI_LINUX_VESTIGE_RTCACHE_H

#define VESTIGE_RTCACHE_NAME	"vestige_rtcache"
#define VESTIGE_RTCACHE_VERSION	1
#define VESTIGE_RTCACHE_EVENTS	"events"	/* the multicast group */

enum {
	VESTIGE_RTCACHE_CMD_UNSPEC,
	VESTIGE_RTCACHE_CMD_GET,
	VESTIGE_RTCACHE_CMD_FLUSH,
	VESTIGE_RTCACHE_CMD_EVENT,
	__VESTIGE_RTCACHE_CMD_MAX
};
#define VESTIGE_RTCACHE_CMD_MAX	(__VESTIGE_RTCACHE_CMD_MAX - 1)

enum {
	VESTIGE_RTCACHE_A_UNSPEC,
	VESTIGE_RTCACHE_A_PAD,
	VESTIGE_RTCACHE_A_COOKIE,	/* u64: of the network namespace */
	VESTIGE_RTCACHE_A_HOLDERS,	/* u32: cached routes inside the module */
	VESTIGE_RTCACHE_A_STATS,	/* nest, one for each family */
	VESTIGE_RTCACHE_A_FAMILY,	/* u8: 0 inet, 1 inet6 */
	VESTIGE_RTCACHE_A_GEN,		/* u64: odd: in flux */
	VESTIGE_RTCACHE_A_OBSTACLES,	/* u32: RTCACHE_NETFILTER ... below */
	VESTIGE_RTCACHE_A_SETTLES,	/* u64: times that it became even */
	VESTIGE_RTCACHE_A_UNTOLD,	/* u64: events that listeners heard of in a sum only */
	VESTIGE_RTCACHE_A_COUNTERS,	/* u64[]: by enum rtcache_reason. May grow at the end */
	VESTIGE_RTCACHE_A_REASON,	/* u32: enum rtcache_reason */
	VESTIGE_RTCACHE_A_COUNT,	/* u32: events it stands for; of "settled", the untold */
	VESTIGE_RTCACHE_A_PREFIX,	/* 4 or 16 bytes */
	VESTIGE_RTCACHE_A_PLEN,		/* u8 */
	VESTIGE_RTCACHE_A_IFINDEX,	/* u32 */
	__VESTIGE_RTCACHE_A_MAX
};
#define VESTIGE_RTCACHE_A_MAX	(__VESTIGE_RTCACHE_A_MAX - 1)

/*
 * name, what happened. The kernel says of a first route to a prefix, too, that it
 * replaces.
 */
#define RTCACHE_REASONS(X)						\
	X(settled,	"no change under way any more")			\
	X(fib_replace,	"route new or replaced")			\
	X(fib_append,	"route appended")				\
	X(fib_add,	"route added")					\
	X(fib_del,	"route deleted")				\
	X(nh_change,	"nexthop or multipath member changed")		\
	X(nh_del,	"nexthop or multipath member gone")		\
	X(rule_add,	"rule added")					\
	X(rule_del,	"rule deleted")					\
	X(neigh,	"neighbour: other MAC, or valid no more or again")	\
	X(addr_add,	"address added")				\
	X(addr_del,	"address deleted")				\
	X(link_up,	"device up, or carrier")			\
	X(link_down,	"device down, or no carrier")			\
	X(link_mtu,	"device has another MTU")			\
	X(link_mac,	"device has another MAC")			\
	X(link_name,	"device has another name")			\
	X(link_master,	"device has another master: a VRF, a bridge")	\
	X(link_gone,	"device gone, or in another namespace")		\
	X(watch,	"seen, not told: sysctl, netfilter, tc, IPsec, unusual route")	\
	X(user,		"by request")					\
	X(exit,		"the namespace or the module goes")

enum rtcache_reason {
#define X(name, text) RTCACHE_R_##name,
	RTCACHE_REASONS(X)
#undef X
	RTCACHE_REASON_MAX
};

/* What a packet that does not go through the stack misses, somewhere in the namespace. */
enum {
	RTCACHE_NETFILTER	= 1 << 0,	/* hooks where forwarded packets pass */
	RTCACHE_TC_INGRESS	= 1 << 1,	/* a filter or program on a device */
	RTCACHE_TC_EGRESS	= 1 << 2,
	RTCACHE_QDISC		= 1 << 3,	/* a queue with classes or a rate */
	RTCACHE_IPSEC		= 1 << 4,	/* policies */
	RTCACHE_FORWARDING_OFF	= 1 << 5,	/* no device of the family forwards */
};
#define RTCACHE_TC	(RTCACHE_TC_INGRESS | RTCACHE_TC_EGRESS)

/* Of a device, in the last byte of its facts. */
enum {
	RTCACHE_DEVICE_UP	= 1 << 0,
	RTCACHE_DEVICE_PART	= 1 << 1,	/* of a bridge, bond or the like; not of a VRF */
	RTCACHE_DEVICE_GONE	= 1 << 2,	/* or in another namespace; nobody finds it now */
};

#endif /* _UAPI_LINUX_VESTIGE_RTCACHE_H */
