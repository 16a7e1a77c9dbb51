/* SPDX-License-Identifier: GPL-2.0 */
/*
 * selsrc.h - the tables that source selection looks into: written by the command, read by
 * the programs. selsrc_score.h is what they decide by.
 *
 * The tables exist twice, in halves 0 and 1. Programs use half `version & 1` of `state`
 * and, when they are done, throw away what they found if `version` is not what it was. So
 * who changes anything
 *
 *  1. reads state.version, and `gens` of both families (include/vestige/rtcache.h); odd:
 *     waits;
 *  2. asks the kernel;
 *  3. brings the other half up to date, all of it: its routes and labels (maps *_0 and *_1),
 *     its devices (key.half), its chunks, steps and policies (elements that nothing in the
 *     half in use refers to), and last state.head[half], with the generations of step 1;
 *  4. adds 1 to state.version, if it is what it was in step 1: one compare and exchange. If
 *     not, an address has gone meanwhile, and it begins again.
 *
 * One writer at a time. The half that is left may be written at once: who still reads it
 * notices. An address that goes is taken out of the half in use, by the program that hears
 * of it from the module (bpf/selsrc_event.bpf.c), or by who follows rtnetlink: it becomes of
 * class SELSRC_GONE, the steps of its family are no more, as any may lead to it, and 2 is
 * added to state.version, which leaves the half as it is, but no verdict of before.
 *
 * While nobody vouches for the generations the tables are not used: the kernel's choice
 * stands. Where their generation is not the current one, connect() still uses them, because
 * bpf_bind() looks whether the address is there; sendto() does not.
 */
#ifndef VESTIGE_SELSRC_H
#define VESTIGE_SELSRC_H

#ifndef __VMLINUX_H__
#include <linux/types.h>
#endif

/* Bumped whenever a pinned map changes shape. */
#define SELSRC_ABI		2

/* The number of functions in a policy. */
#define SELSRC_MAX_FUNCTIONS	8
/* Addresses of one device and family; a device with more is in doubt. */
#define SELSRC_MAX_ADDRS	256
/* Cgroups with policies of their own, in one network namespace. */
#define SELSRC_SETS		16

/* As in rtcache.h: RTCACHE_INET, RTCACHE_INET6. */
#define SELSRC_FAMILIES		2

/*
 * ranking functions, by their names on the command line; for all: larger wins.
 *   X(enum, name)
 */
#define SELSRC_FUNCTIONS(X)				\
	X(INDEX,	"index")			\
	X(PREFERENCE,	"preference")			\
	X(COMMON_PREFIX, "common-prefix-len")		\
	X(CATEGORY,	"same-category")		\
	X(SCOPE,	"scope")			\
	X(DEPRECATED,	"deprecated")			\
	X(LABEL,	"label")

enum selsrc_function {
#define SELSRC_ENUM(id, name) SELSRC_##id,
	SELSRC_FUNCTIONS(SELSRC_ENUM)
#undef SELSRC_ENUM
	SELSRC_NR_FUNCTIONS,
};

/*
 * A policy as programs use it: made by selsrc_compile() (selsrc_score.h). All functions but
 * `index` and `common-prefix-len` become fields of one number, the rank, the first function
 * on top; the factors put them there, 0 leaves one out. `above`: the fields that count more
 * than the common prefix.
 */
struct selsrc_policy {
	__u8 function[SELSRC_MAX_FUNCTIONS];	/* as stated, enum selsrc_function */
	__u8 n;
	__u8 common_prefix;			/* is there at all */
	__u8 label;
	__u8 pad[5];
	__u32 preference;
	__u32 category;
	__u32 scope;
	__u32 deprecated;
	__u32 labels;
	__u32 above;
};

/*
 * Addresses that all functions but `preference` and `common-prefix-len` rank alike, and
 * whose reach is the same, are of one class.
 *
 * reach: RT_SCOPE_* of the address: only routes of that scope or a narrower one are served
 * with it. IPv6: 0.
 */
#define SELSRC_CLASSES		16

/*
 * The last one is never of a device: an address of this class has gone. No policy ranks
 * what is not below dev.classes above nobody.
 */
#define SELSRC_GONE		(SELSRC_CLASSES - 1)

struct selsrc_class {
	__u8 category;		/* enum selsrc_category */
	__u8 scope;		/* SELSRC_SCOPE_* */
	__u8 deprecated;
	__u8 reach;
	__u32 label;
};

/*
 * Addresses of a device: in consecutive chunks, in the order that `index` ranks by. All of
 * them are candidates: who writes them leaves out what is tentative, failed or going.
 * Numbers, not bytes on the wire, so that a prefix is a matter of shifts.
 */
struct selsrc_addr4 {
	__u32 addr;		/* host order */
	__u16 preference;	/* + 32768 */
	__u8 class;
	__u8 pad;
};

struct selsrc_addr6 {
	__u64 addr[2];		/* the upper half first; each in host order */
	__u16 preference;	/* + 32768 */
	__u8 class;
	__u8 pad[5];
};

#define SELSRC_CHUNK		16

struct selsrc_chunk4 {
	struct selsrc_addr4 addr[SELSRC_CHUNK];
};

struct selsrc_chunk6 {
	struct selsrc_addr6 addr[SELSRC_CHUNK];
};

/*
 * A device in one half of the tables; `first` and `policy` are elements of chunks4|6 and
 * of policies. Policy 0: none of its own.
 */
struct selsrc_dev_key {
	__u32 ifindex;
	__u16 half;
	__u16 family;		/* RTCACHE_INET, RTCACHE_INET6 */
};

struct selsrc_dev {
	__u32 first;
	__u16 n;		/* addresses */
	__u8 doubt;		/* enum selsrc_doubt: leave it to the kernel */
	__u8 classes;		/* how many there are */
	__u8 policy[SELSRC_SETS];
	struct selsrc_class class[SELSRC_CLASSES];
};

/*
 * What is behind a prefix, local table and main table in one.
 *
 * NONE: unreachable, blackhole, broadcast, multicast, anycast: nothing to choose.
 * LOCAL: an address of this host, which is its own best source.
 * SRC: whoever made the route named a source in it; routes that the kernel makes for its
 *	own addresses (proto kernel) do not count.
 * DOUBT: several next hops, TOS, encapsulation, a VRF, a route by source, a local
 *	prefix across a route, whatever is not understood.
 *
 * scope: RT_SCOPE_* of an IPv4 route.
 */
enum selsrc_kind {
	SELSRC_UNICAST,
	SELSRC_NONE,
	SELSRC_LOCAL,
	SELSRC_SRC,
	SELSRC_DOUBT,
};

struct selsrc_route {
	__u32 ifindex;
	__u8 kind;
	__u8 scope;
	__u8 pad[2];
};

/* Keys as BPF_MAP_TYPE_LPM_TRIE wants them, in network byte order. */
struct selsrc_prefix4 {
	__u32 prefixlen;
	__be32 addr;
};

struct selsrc_prefix6 {
	__u32 prefixlen;
	__be32 addr[4];
};

/*
 * Why the tables of a family, or a device, cannot be trusted; 0: they can.
 */
enum selsrc_doubt {
	SELSRC_TRUSTED,
	SELSRC_DOUBT_RULES,	/* policy routing */
	SELSRC_DOUBT_VRF,
	SELSRC_DOUBT_ADDRS,	/* more than SELSRC_MAX_ADDRS */
	SELSRC_DOUBT_CLASSES,	/* more than SELSRC_GONE */
	SELSRC_DOUBT_FULL,	/* a map is full */
	SELSRC_DOUBT_OTHER,
	SELSRC_DOUBT_DOWN,	/* the device has gone down, by an event of the module */
};

/*
 * What all this makes of a destination (selsrc_steps.h): from start[i] up to the next start
 * the answer is the same, and result[i] has it. ifindex: the device that the route leads to;
 * for who is limited to another one it does not hold. One element, so that a step costs no
 * lookup; starts apart from the rest, so that many are in one line.
 */
#define SELSRC_STEPS		32768	/* of both halves */
#define SELSRC_STEP_BITS	14	/* those of one half are less than 1 << 14 */

struct selsrc_result4 {
	__be32 addr;
	__u32 ifindex;
	__u32 verdict;		/* enum selsrc_verdict; addr is to be taken if SELSRC_bound */
};

struct selsrc_result6 {
	__be32 addr[4];
	__u32 ifindex;
	__u32 verdict;
};

struct selsrc_steps4 {
	__u32 start[SELSRC_STEPS];
	struct selsrc_result4 result[SELSRC_STEPS];
};

struct selsrc_steps6 {
	__u64 start[SELSRC_STEPS][2];
	struct selsrc_result6 result[SELSRC_STEPS];
};

/* n 0: they would be too many, the tables have to be gone through. */
struct selsrc_stretch {
	__u32 first;
	__u32 n;
};

/*
 * A half of the tables, as a whole. policy: the defaults, as in struct selsrc_dev; steps:
 * for each set.
 */
struct selsrc_head {
	__u64 gen[SELSRC_FAMILIES];
	__u32 doubt[SELSRC_FAMILIES];
	__u8 policy[SELSRC_SETS];
	struct selsrc_stretch steps[SELSRC_FAMILIES][SELSRC_SETS];
};

/* The only element of `state`. */
struct selsrc_state {
	__u64 version;
	__u32 abi;
	__u32 flags;		/* SELSRC_BIND_DUAL_STACK ... */
	struct selsrc_head head[2];
};

/*
 * UDP connect() of IPv6 sockets that are not IPV6_V6ONLY. Binding one to an address makes
 * it IPv6-only for good, so a later connect() of the same socket to an IPv4 address would
 * fail; getaddrinfo() makes such sockets. TCP sockets are always bound: who connects one a
 * second time, to another family, is rare.
 */
#define SELSRC_BIND_DUAL_STACK	0x1

/*
 * Maps, all pinned under their names:
 *
 *   state	ARRAY, mappable	  1			struct selsrc_state
 *   gens	ARRAY, mappable	  1			struct rtcache_gens
 *   devs	HASH		  selsrc_dev_key	struct selsrc_dev
 *   chunks4	ARRAY, mappable	  any number *		struct selsrc_chunk4
 *   chunks6	ARRAY, mappable	  any number *		struct selsrc_chunk6
 *   steps4	ARRAY, mappable	  1			struct selsrc_steps4
 *   steps6	ARRAY, mappable	  1			struct selsrc_steps6
 *   policies	ARRAY, mappable	  SELSRC_POLICIES	struct selsrc_policy; 0: not used
 *   routes4_0	LPM_TRIE	  selsrc_prefix4	struct selsrc_route; also routes4_1
 *   routes6_0	LPM_TRIE	  selsrc_prefix6	struct selsrc_route; also routes6_1
 *   labels_0	LPM_TRIE	  selsrc_prefix6	__u32; also labels_1; IPv4 is ::ffff:0:0/96
 *   stats	PERCPU_ARRAY	  1			struct selsrc_stats
 *   prefs	HASH		  selsrc_pref_key	__s16; not read by programs
 *   sets	ARRAY		  SELSRC_SETS		struct selsrc_set; not read by programs
 *
 * * set before load: bpf_map__set_max_entries(). Rodata: netns_cookie; policy_set, which of
 * the SELSRC_SETS the programs of this cgroup use.
 */
#define SELSRC_POLICIES		256
#define SELSRC_MAX_DEVS		65536
#define SELSRC_MAX_ROUTES	(4u << 20)
#define SELSRC_MAX_LABELS	1024
#define SELSRC_MAX_PREFS	65536

struct selsrc_pref_key {
	__u32 ifindex;
	__u32 family;		/* RTCACHE_INET, RTCACHE_INET6 */
	__be32 addr[4];
};

/* Who has which policy set. Of the command alone. */
struct selsrc_set {
	__u32 state;
	__u32 pad;
	__u64 cgroup_id;
	char cgroup[240];
};

/*
 * What became of a call: one of these for each. X(name, what it says)
 */
#define SELSRC_STATS(X)									\
	X(bound,	"connect: source chosen")					\
	X(sent,		"send without connect: source chosen")				\
	X(rebound,	"connect: chosen anew; the socket had an address of ours")	\
	X(same,		"connect: the address of ours that it had is still the best")	\
	X(other_netns,	"not this network namespace")					\
	X(has_source,	"the application bound the socket, or named a source")		\
	X(has_port,	"the socket has a port, so it cannot be bound any more")	\
	X(freebind,	"IP_FREEBIND, IP_TRANSPARENT or their like")			\
	X(preferences,	"IPV6_ADDR_PREFERENCES")					\
	X(unicast_if,	"IP_UNICAST_IF, source routing or packet info of the socket")	\
	X(dual_stack,	"UDP connect of an IPv6 socket that also speaks IPv4")		\
	X(multicast,	"destination is multicast, broadcast or unspecified")		\
	X(loopback,	"destination is loopback")					\
	X(family,	"socket and address are of two families, or not of TCP, UDP or ping") \
	X(unsettled,	"nobody keeps the tables; sendto: or addresses are changing")	\
	X(stale,	"sendto, or ip_nonlocal_bind: tables are older than the routes")	\
	X(moved,	"tables were replaced meanwhile")				\
	X(doubt,	"policy routing, VRF, or tables that did not fit")		\
	X(no_route,	"no route")							\
	X(route_none,	"route leads nowhere, or is no unicast route")			\
	X(route_local,	"destination is an address of this host")			\
	X(route_src,	"route names the source")					\
	X(route_doubt,	"several next hops, TOS, or a route not understood")		\
	X(no_device,	"no table of the device")					\
	X(no_policy,	"no policy for the device, and no default")			\
	X(no_candidate,	"no address of the device may serve as source")			\
	X(one_candidate, "nothing to choose between")					\
	X(link_local,	"the best is link-local")					\
	X(bind_failed,	"attempts: bind refused an address, most likely because it is gone") \
	X(refused,	"the second one was refused, too")				\
	X(unreadable,	"the socket could not be looked into")				\
	X(cached,	"of all: known from the last time, with this destination")	\
	X(heard,	"events of the module, of any kind")				\
	X(gone,		"events: an address has gone, and is no source any more")	\
	X(gone_unknown,	"events: an address has gone that was not in the tables")	\
	X(gone_device,	"events: a device has gone down; it is the kernel's until it is looked at")

struct selsrc_stats {
#define SELSRC_STAT(name, what) __u64 name;
	SELSRC_STATS(SELSRC_STAT)
#undef SELSRC_STAT
};

/* Numbers of the counters. */
enum selsrc_verdict {
#define SELSRC_VERDICT(name, what) SELSRC_##name,
	SELSRC_STATS(SELSRC_VERDICT)
#undef SELSRC_VERDICT
	SELSRC_VERDICTS,
};

#endif /* VESTIGE_SELSRC_H */
