/* SPDX-License-Identifier: GPL-2.0 */
/*
 * vtw.h - the data that the BPF programs, the command and the tests share.
 *
 * Everything here lives in BPF maps. Integers are in host byte order and times
 * are milliseconds of CLOCK_MONOTONIC (immune to clock steps) unless a comment
 * says otherwise; ports and addresses are kept as they are on the wire.
 *
 * Memory for one session, at any capacity:
 *
 *              record   chunk share   index share     sum
 *   IPv4         32        4.5           5.33        41.83
 *   IPv6         56        4.5           5.33        65.83
 */
#ifndef VESTIGE_VTW_H
#define VESTIGE_VTW_H

#ifndef __VMLINUX_H__
#include <linux/types.h>
#endif

/* Bumped whenever a pinned map changes shape; attach and detach compare it. */
#define VTW_ABI			2

#define VTW_DEFAULT_ENTRIES	65536u
#define VTW_DEFAULT_ENTRIES6	16384u
#define VTW_MAX_ENTRIES		(4u << 20)

/* A TIME_WAIT length is in (0, 10 min]. */
#define VTW_MAX_LENGTH_MS	600000u

/*
 * State of a record. FREE: never used, or given up before it expired. CLAIMED:
 * one CPU is writing it, or taking it out of the index, and nobody may look
 * inside. REOPENING: an acceptable SYN went by; segments belong to the stack
 * until `expires`, then the record is TIME_WAIT again, at least until the end
 * that it had (RFC 1122, 4.2.2.13 (2)).
 */
enum vtw_state {
	VTW_FREE,
	VTW_TIME_WAIT,
	VTW_FIN_WAIT2,
	VTW_REOPENING,
	VTW_CLAIMED,
};

/*
 * What the session knows of timestamps. MUTE: nothing is ever sent for it,
 * because it was signed (TCP-MD5, TCP-AO) or came under IPsec, and a record
 * keeps no keys.
 */
enum vtw_tsmode {
	VTW_TS_NONE,
	VTW_TS_MS,
	VTW_TS_USEC,
	VTW_TS_MUTE,
};

/*
 * The class says how long TIME_WAIT lasts; each class has a ring of its own, so
 * that in a ring the order of entering is the order of expiry. FIN_WAIT_2
 * substates live tcp_fin_time() and have rings VTW_RING_FIN and VTW_RING_WAIT
 * (ring.h); the class in such a record is the one that it will have in
 * TIME_WAIT. Classes from VTW_CLASS_RULE on belong to prefix rules with a
 * length of their own, one class for each different length.
 */
enum vtw_class {
	VTW_LOOPBACK,
	VTW_LOCAL,
	VTW_REMOTE,
	VTW_RING_FIN,
	VTW_RING_WAIT,
	VTW_CLASS_RULE,
	VTW_RINGS = 16,
};

/*
 * The part of a record that can change after it was published. It changes only
 * by compare-and-swap of the whole word, so whoever wants to act on a record
 * copies it, decides, and commits here; a lost swap means that the decision was
 * made about somebody else's session.
 *
 * expires:  low 24 bits of the ms when the record (REOPENING: the reopening)
 *	     ends. 2^24 ms are 279 min; a chunk holds records of at most 160 min
 *	     (ring.h), and its `until` tells a live one from last month's.
 * wnd:	     the window as it goes on the wire, already scaled down.
 * dev:	     0, or 1 + ifindex % 255 of the device the socket was bound to.
 *	     Two devices with one tag and one 4-tuple would have to meet
 *	     before the wrong record is taken.
 */
union vtw_word {
	__u64 all;
	struct {
		__u64 expires:24;
		__u64 wnd:16;
		__u64 wscale:4;
		__u64 state:3;
		__u64 class:4;
		__u64 restarts:3;
		__u64 tsmode:2;
		__u64 dev:8;
	};
};

#define VTW_EXPIRES_BITS	24
#define VTW_MAX_RESTARTS	7u

/*
 * What remains of a session: struct tcp_timewait_sock without the socket. Fixed
 * once published, but for word (see there) and ts_recent (one aligned store; a
 * reader sees the old or the new one, both were valid).
 */
struct vtw_tcb {
	union vtw_word word;
	__u32 snd_nxt;		/* next sequence number we would send */
	__u32 rcv_nxt;		/* next one we expect; behind the FIN */
	__u32 ts_recent;	/* TSval to echo, PAWS reference */
	__be16 lport;
	__be16 rport;
};

struct vtw4_record {
	struct vtw_tcb tcb;
	__be32 laddr;
	__be32 raddr;
};

struct vtw6_record {
	struct vtw_tcb tcb;
	__be32 laddr[4];
	__be32 raddr[4];
};

/*
 * Records are handed out in chunks of 16 neighbours. A chunk belongs to one
 * ring at a time (ring.h).
 *
 * link:      low 22 bits: the next chunk of the list, VTW_NO_CHUNK at the end;
 *	      high 42 bits: the ms until which the last of its records lives.
 * ts_offset: what the sessions add to the clock for their TSval.
 */
#define VTW_CHUNK_SHIFT		4
#define VTW_CHUNK		(1u << VTW_CHUNK_SHIFT)
#define VTW_NEXT_BITS		22
#define VTW_NO_CHUNK		((1u << VTW_NEXT_BITS) - 1)

struct vtw_chunk {
	__u64 link;
	__u32 ts_offset[VTW_CHUNK];
};

/*
 * One cache line of the index. slot: tag << index_bits | record, tag never 0, 0
 * is an empty slot. spill tells a lookup whether, and how far, sessions that
 * belong here had to go elsewhere: seven 4-bit counters chosen by tag, and in
 * the top 4 bits the longest way one of them went.
 */
#define VTW_SLOTS		15
#define VTW_SPILL_COUNTERS	7
#define VTW_SPILL_WAY_SHIFT	28
#define VTW_MAX_WAY		15

struct vtw_bucket {
	__u32 slot[VTW_SLOTS];
	__u32 spill;
};

/* 12 of 15 slots used when every record is: 64 / 12 = 5.33 bytes a record. */
#define VTW_LOAD_PER_BUCKET	12

/*
 * A class ring: records are taken at `hand`; `oldest` is the chunk that will
 * expire, or have to go, first. hand: bits 0..6 records taken from the chunk, 7
 * what lives in it stays, 8..31 chunk + 1 (0: none), 32..63 generation.
 */
struct vtw_ring {
	__u64 hand;
	__u32 oldest;
	__u32 chunks;
};

/*
 * The kernel looks for the lock by the name of its type. User space has no use
 * for it.
 */
#ifdef __bpf__
#define VTW_LOCK	struct bpf_spin_lock
#else
#define VTW_LOCK	__u32
#endif

/*
 * What a family's pool is now. Only moves of whole chunks take the lock, every
 * 16th session; single records are taken by compare-and-swap of hand.
 */
struct vtw_pool {
	VTW_LOCK lock;
	__u32 virgin;		/* chunks from here on were never used */
	__u32 spare;		/* list of chunks that belong to no ring */
	__u32 pad;
	struct vtw_ring ring[VTW_RINGS];
};

/* Sizes of a family's tables and the keys of its hash; fixed at attach. */
struct vtw_geometry {
	__u32 capacity;		/* records */
	__u32 chunks;
	__u32 buckets;
	__u32 index_bits;	/* of a slot; the other bits are tag */
	__u64 seed[2];		/* random */
};

/* 4-tuple of a session as this host sees it. IPv4 uses word 0 of addresses. */
struct vtw_key {
	__be32 laddr[4];
	__be32 raddr[4];
	__be16 lport;
	__be16 rport;
	__u32 ifindex;		/* device bound to, or of arrival; 0: any */
};

/* Settings that may change at any time. Written by the command, read by BPF. */
struct vtw_config {
	__u32 length_ms[VTW_RINGS];	/* [VTW_RING_FIN]: tcp_fin_timeout */
	__u32 mslt_on;
	__u32 rtt_threshold_us;		/* promotes local to remote; 0: off */
	__u32 bind_guard;
	__u32 reopen;		/* 0: a SYN deletes the record, as stock does */
	__u32 restarts;		/* of 2MSL; above VTW_MAX_RESTARTS: unbounded */
	__u32 verify_csum;
	__u64 monitor_until_ns;	/* events are sent while now < this */
};

/* How far an attach got, and what it has to put back. */
enum vtw_phase {
	VTW_PHASE_NONE,
	VTW_PHASE_ATTACHING,
	VTW_PHASE_ATTACHED,
	VTW_PHASE_DETACHING,
};

/*
 * Pinned before anything else and removed after everything else.
 * saved_max_tw_buckets is valid from the moment it is pinned.
 */
struct vtw_attachment {
	__u32 abi;
	__u32 phase;			/* enum vtw_phase */
	__u64 netns_cookie;
	__u64 netns_inode;
	__s32 saved_max_tw_buckets;
	__u32 pad;
	__u64 attached_at_ns;
	char cgroup[256];
	char netns[256];		/* name given by the user, or empty */
};

/* Sysctls of the namespace as the last closing socket saw them. */
struct vtw_sysctls {
	__u32 timestamps;
	__u32 rfc1337;
	__u32 invalid_ratelimit_ms;
	__u32 fin_timeout_ms;
};

/*
 * Latest expiry among the sessions of a local port, in 64-ms ticks: good for
 * 4.3 years ahead. One element, because the elements of an array are rounded up
 * to 8 bytes.
 */
#define VTW_PORT_TICK_SHIFT	6
#define VTW_PORTS		65536u

struct vtw_ports {
	__u32 until[VTW_PORTS];
};

/*
 * When the last rate-limited answer went out, ms, and in the high half for
 * whom, so that sessions that share a slot do not silence each other.
 */
#define VTW_OOW_SLOTS		4096u

struct vtw_oow {
	__u64 last[VTW_OOW_SLOTS];
};

/*
 * Own address of a device, by ifindex: XDP sees frames for other stations too.
 */
struct vtw_mac {
	__u8 addr[6];
	__u8 pad[2];
};

#define VTW_MAX_DEVICES		256u

/*
 * A prefix rule. Key as BPF_MAP_TYPE_LPM_TRIE wants it. Value: the class, which
 * for VTW_CLASS_RULE and above carries its length in vtw_config.length_ms.
 */
struct vtw4_prefix {
	__u32 prefixlen;
	__be32 addr;
};

struct vtw6_prefix {
	__u32 prefixlen;
	__be32 addr[4];
};

struct vtw_rule {
	__u32 class;
	__u32 length_ms;	/* 0: the class's own */
};

#define VTW_MAX_RULES		1024u

/*
 * One counter for each way a socket, a segment or a call can go. The list is
 * the only place where a counter is named: C fields, JSON keys and help come
 * from it. X(name, what it counts)
 */
#define VTW_STATS(X) \
	X(entered_callback,	"sessions recorded by the socket callback") \
	X(entered_net,		"sessions recorded by the safety net") \
	X(entered_time_wait,	"sessions that entered TIME_WAIT") \
	X(entered_fin_wait2,	"orphans recorded in FIN_WAIT_2") \
	X(fin_wait2_done,	"FIN_WAIT_2 records whose FIN came: now TIME_WAIT") \
	X(not_clean,		"closed by RST, error or abort: no record, as it must be") \
	X(not_mine,		"closed in another way than TIME_WAIT: no record") \
	X(already,		"seen by the safety net, but recorded before") \
	X(replaced,		"an older record of the same tuple gave way") \
	X(mute,			"signed or IPsec sessions, recorded without a voice") \
	X(lost_no_record,	"not recorded: no record could be taken") \
	X(lost_no_slot,		"not recorded: the index had no room near its place") \
	X(evicted,		"given up before expiry because the pool was full") \
	X(expired,		"found expired when their memory was used again") \
	X(expired_on_sight,	"segments for a record that had expired") \
	X(answered_fin,		"FINs sent again, answered with an ACK") \
	X(answered_ack,		"other segments answered with an ACK") \
	X(answered_rst,		"SYNs for an orphan beside a listener, answered with RST") \
	X(answered_xdp,		"of these answers: sent by XDP_TX") \
	X(answered_routed,	"of these answers: sent out of another device, as routed") \
	X(answered_astray,	"of these answers: sent back, though the route leads elsewhere") \
	X(limited,		"answers withheld by tcp_invalid_ratelimit") \
	X(withheld_mute,	"answers withheld because the record is mute") \
	X(unanswerable,		"answers withheld: the frame could not be turned round") \
	X(path_kept,		"routes of closing sockets noted for answers and classes") \
	X(path_split,		"notes given up: sessions of two addresses go different ways") \
	X(path_borrowed,		"sessions without a valid route, classed as others are") \
	X(path_asked,		"answers whose route was asked for, as this host forwards") \
	X(dropped,		"late segments swallowed in silence") \
	X(killed_rst,		"records ended by an acceptable RST") \
	X(reset_after_close,	"data after close: record ended, the stack sends RST") \
	X(reset_held,		"RSTs of the stack for a remembered session, held") \
	X(reset_sent,		"records ended because the stack itself sent a RST") \
	X(restarted,		"2MSL begun again") \
	X(restart_refused,	"2MSL not begun again: too often already, or just done") \
	X(paws,			"segments refused by PAWS") \
	X(bad_csum,		"segments for a record with a wrong checksum: passed") \
	X(syn_reopened,		"acceptable SYNs passed to a listener: record reopening") \
	X(syn_no_listener,	"acceptable SYNs nobody listens for, answered with an ACK") \
	X(reopened,		"connections established on a remembered tuple") \
	X(reopen_passed,	"segments passed to the stack while reopening") \
	X(reopen_failed,	"reopenings that came to nothing: TIME_WAIT again") \
	X(to_socket,		"segments passed because a socket has the tuple") \
	X(connect_safe,		"outgoing SYNs on a remembered tuple, let out as safe") \
	X(connect_held,		"outgoing SYNs on a remembered tuple, held as not safe") \
	X(bind_refused,		"bind() refused: the port is still remembered") \
	X(fragment,		"fragments passed") \
	X(malformed,		"malformed or unreadable frames passed") \
	X(not_for_us,		"frames for another station or VLAN passed") \
	X(race,			"decisions made twice because another CPU was faster") \
	X(events_lost,		"events the monitor was too slow for")

struct vtw_stats {
#define VTW_STAT_FIELD(name, help) __u64 name;
	VTW_STATS(VTW_STAT_FIELD)
#undef VTW_STAT_FIELD
};

/* What `vestige monitor` hears. */
enum vtw_event_kind {
	VTW_EV_NEW,
	VTW_EV_ANSWERED,
	VTW_EV_REOPENED,
	VTW_EV_EVICTED,
	VTW_EV_EXPIRED,
	VTW_EV_REFUSED,
};

struct vtw_event {
	__u64 time_ns;
	__u32 kind;		/* enum vtw_event_kind */
	__u16 family;		/* AF_INET, AF_INET6 */
	__u8 state;		/* enum vtw_state, after the event */
	__u8 class;
	__be32 laddr[4];
	__be32 raddr[4];
	__be16 lport;
	__be16 rport;
	__u32 length_ms;	/* of NEW: how long it will live */
};

_Static_assert(sizeof(union vtw_word) == 8, "one compare-and-swap");
_Static_assert(sizeof(struct vtw4_record) == 32, "half a cache line");
_Static_assert(sizeof(struct vtw6_record) == 56, "budget of 66 bytes");
_Static_assert(sizeof(struct vtw_chunk) == 72, "4.5 bytes a record");
_Static_assert(sizeof(struct vtw_bucket) == 64, "one cache line");
_Static_assert(VTW_MAX_ENTRIES / VTW_CHUNK < VTW_NO_CHUNK, "links reach");
_Static_assert(VTW_RINGS <= 16 && VTW_CLASS_RULE < 16, "4 bits of class");

#endif /* VESTIGE_VTW_H */
