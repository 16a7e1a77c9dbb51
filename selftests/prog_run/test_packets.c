// SPDX-License-Identifier: GPL-2.0
/*
 * test_packets.c - packet in, verdict and packet out, through every program on packets
 *
 * Each row says what is remembered, what arrives or leaves, and what must become of
 * both. What passes must be as it came, byte for byte; what is answered must be
 * the answer that frame.h builds, byte for byte.
 */
#include <linux/if_ether.h>
#include <linux/pkt_cls.h>
#include <vestige/path.h>
#include <vestige/rtcache.h>

#include "run.h"

#define PASS	0	/* untouched */
#define DROP	1
#define REPLY	2	/* ACK */
#define RESET	3	/* RST */

#define F	VTW_FIN
#define S	VTW_SYN
#define R	VTW_RST
#define A	VTW_ACK
#define TW	VTW_TIME_WAIT
#define FW	VTW_FIN_WAIT2
#define RE	VTW_REOPENING
#define GONE	VTW_FREE
#define MS	VTW_TS_MS
#define USEC	VTW_TS_USEC
#define MUTE	VTW_TS_MUTE

#define SND	0xfffffff0u
#define RCV	0x7fffffffu
#define RECENT	0x80000005u
#define OFFSET	0xf0000000u
#define WND	501

/* Programs that a row is for. */
#define TC	1
#define XDP	2
#define IN	(TC | XDP)
#define OUT	4
#define IN_L3	8
#define OUT_L3	16

/* Surroundings. */
#define LISTENER	1
#define CONNECTED	2	/* a socket has the tuple */
#define RFC1337		4
#define NO_TS_SYSCTL	8
#define OLD		16	/* the record has expired */
#define KNOW_MAC	32	/* XDP knows what device this is */
#define TWICE		64	/* the second of two, in no time */
#define NO_CSUM		128	/* checksums are not verified */
#define ELSEWHERE	256	/* the session was bound to another device */
#define STOCK_SYN	512	/* reopening is off */
#define FORWARDED	1024	/* what leaves came in by a device */
#define ROUTED		2048	/* peer behind another device; for IN_L3 only */

struct row {
	const char *name;
	int progs;
	int state, tsmode;
	struct spec in;
	int how;
	int then;		/* PASS ... */
	int state_then;
	size_t stat;		/* the counter that tells of it, or NOTHING */
	__u32 ack;		/* of the answer, from rcv_nxt */
	int families;		/* 4, 6; 0: both */
};

#define STAT_OF(name)	offsetof(struct vtw_stats, name)
#define NOTHING		((size_t)~0)
#define COUNTS(name)	.stat = STAT_OF(name)
#define SILENT		.stat = NOTHING
#define SEG(f, off, ...) \
	{ .flags = f, .seq = RCV + (off), .ack = SND, .wnd = 77, ##__VA_ARGS__ }
#define WITH_TS(v)	.has_ts = 1, .tsval = RECENT + (v), .tsecr = 12

static const struct row rows[] = {
	/* answered */
	{ "fin again", IN, TW, 0, SEG(F | A, -1), 0, REPLY, TW, COUNTS(answered_fin) },
	{ "fin again, ts", IN, TW, MS, SEG(F | A, -1, WITH_TS(1)), 0, REPLY, TW,
	  COUNTS(answered_fin) },
	{ "fin again, usec ts", IN, TW, USEC, SEG(F | A, -1, WITH_TS(1)), 0, REPLY, TW,
	  COUNTS(answered_fin) },
	{ "fin again, without its ts", IN, TW, MS, SEG(F | A, -1), 0, REPLY, TW,
	  COUNTS(answered_fin) },
	{ "fin again, old ts", IN, TW, MS, SEG(F | A, -1, WITH_TS(-1)), 0, REPLY, TW,
	  COUNTS(paws) },
	{ "fin again, ts cut short", IN, TW, MS, SEG(F | A, -1, WITH_TS(-1), .wrong = BAD_OPTION),
	  0, REPLY, TW, COUNTS(answered_fin) },
	{ "fin again, data", IN, TW, MS, SEG(F | A, -901, .len = 900, WITH_TS(1)), 0, REPLY, TW,
	  COUNTS(answered_fin) },
	{ "fin again, restarts", IN, TW, 0, SEG(F | A, -1), 0, REPLY, TW, COUNTS(restarted) },
	{ "fin again, padded frame", IN, TW, 0, SEG(F | A, -1, .wrong = PADDED), 0, REPLY, TW,
	  COUNTS(answered_fin) },
	{ "fin again, urgent dscp", IN, TW, 0, SEG(F | A, -1, .tos = 0xb8), 0, REPLY, TW,
	  COUNTS(answered_fin) },
	{ "fin again, ip options", IN, TW, MS, SEG(F | A, -1, .ip_options = 8, WITH_TS(1)), 0,
	  REPLY, TW, COUNTS(answered_fin), .families = 4 },
	{ "fin again, 40 bytes of ip options", IN, TW, 0, SEG(F | A, -1, .ip_options = 40), 0,
	  REPLY, TW, COUNTS(answered_fin), .families = 4 },
	{ "fin again, hop-by-hop", IN, TW, MS, SEG(F | A, -1, .ext = EXT_HOP, WITH_TS(1)), 0,
	  REPLY, TW, COUNTS(answered_fin), .families = 6 },
	{ "fin again, three headers", IN, TW, 0,
	  SEG(F | A, -1, .ext = EXT_HOP | EXT_ROUTING | EXT_DST), 0, REPLY, TW,
	  COUNTS(answered_fin), .families = 6 },
	{ "fin again, a header of 24 bytes", IN, TW, MS,
	  SEG(F | A, -1, .ext = EXT_HOP | EXT_DST | EXT_LONG, WITH_TS(1)), 0, REPLY, TW,
	  COUNTS(answered_fin), .families = 6 },
	{ "fin again, 6000 bytes, several buffers", XDP, TW, MS,
	  SEG(F | A, -6001, .len = 6000, WITH_TS(1)), 0, REPLY, TW, COUNTS(answered_fin) },
	{ "fin again, priority tag", XDP, TW, MS, SEG(F | A, -1, .tags = 1, WITH_TS(1)), 0, REPLY,
	  TW, COUNTS(answered_fin) },
	{ "fin again, two priority tags", XDP, TW, 0, SEG(F | A, -1, .tags = 2), 0, REPLY, TW,
	  COUNTS(answered_fin) },
	{ "fin again, priority 7", XDP, TW, 0, SEG(F | A, -1, .tags = 1, .vid = { 0xe000 }), 0,
	  REPLY, TW, COUNTS(answered_fin) },
	{ "fin again, sum left to the device", IN, TW, MS,
	  SEG(F | A, -1, .wrong = PARTIAL, WITH_TS(1)), 0, REPLY, TW, COUNTS(answered_fin) },
	{ "fin again, our own mac is known", XDP, TW, 0, SEG(F | A, -1), KNOW_MAC, REPLY, TW,
	  COUNTS(answered_xdp) },
	{ "fin again, bad sum, not verified", IN, TW, 0, SEG(F | A, -1, .wrong = BAD_CSUM), NO_CSUM,
	  REPLY, TW, COUNTS(answered_fin) },
	{ "fin again, without link header", IN_L3, TW, MS, SEG(F | A, -1, WITH_TS(1)), 0, REPLY,
	  TW, COUNTS(answered_fin), .families = 6 },
	{ "fin again, without link header, routed elsewhere", IN_L3, TW, MS,
	  SEG(F | A, -1, WITH_TS(1)), ROUTED, REPLY, TW, COUNTS(answered_routed), .families = 6 },
	{ "fin comes to an orphan", IN, FW, MS, SEG(F | A, 0, WITH_TS(1)), 0, REPLY, TW,
	  COUNTS(fin_wait2_done), .ack = 1 },
	{ "old data", IN, TW, MS, SEG(A, -100, .len = 100, WITH_TS(1)), 0, REPLY, TW,
	  COUNTS(answered_ack) },
	{ "old bare ack", IN, TW, 0, SEG(A, -1), 0, REPLY, TW, COUNTS(answered_ack) },
	{ "old bare ack, again", IN, TW, 0, SEG(A, -1), TWICE, DROP, TW, COUNTS(limited) },
	{ "syn old", IN, TW, 0, SEG(S, -1), 0, REPLY, TW, COUNTS(answered_ack) },
	{ "syn new, nobody listens", IN, TW, 0, SEG(S, 1), 0, REPLY, TW,
	  COUNTS(syn_no_listener) },
	{ "syn+ack", IN, TW, 0, SEG(S | A, 1), LISTENER, REPLY, TW, COUNTS(answered_ack) },
	{ "syn for an orphan with a listener", IN, FW, 0, SEG(S, 5), LISTENER, RESET, GONE,
	  COUNTS(answered_rst), .ack = 6 },

	/* swallowed */
	{ "ack at rcv_nxt", IN, TW, 0, SEG(A, 0), 0, DROP, TW, COUNTS(dropped) },
	{ "rst", IN, TW, 0, SEG(R, 0), 0, DROP, GONE, COUNTS(killed_rst) },
	{ "rst, rfc1337", IN, TW, 0, SEG(R, 0), RFC1337, DROP, TW, COUNTS(dropped) },
	{ "rst elsewhere", IN, TW, 0, SEG(R, 1), 0, DROP, TW, COUNTS(dropped) },
	{ "rst, old ts", IN, TW, MS, SEG(R, 0, WITH_TS(-1)), 0, DROP, TW, COUNTS(paws) },
	{ "rst, old ts, sysctl off", IN, TW, MS, SEG(R, 0, WITH_TS(-1)), NO_TS_SYSCTL, DROP, GONE,
	  COUNTS(killed_rst) },
	{ "fin again, mute", IN, TW, MUTE, SEG(F | A, -1), 0, DROP, TW, COUNTS(withheld_mute) },
	{ "rst without link header", IN_L3, TW, 0, SEG(R, 0, .ip_options = 4), 0, DROP, GONE,
	  COUNTS(killed_rst), .families = 4 },

	/* passed, and the record changes */
	{ "data after close", IN, FW, 0, SEG(A, 0, .len = 9), 0, PASS, GONE,
	  COUNTS(reset_after_close) },
	{ "syn for an orphan", IN, FW, 0, SEG(S, 5), 0, PASS, GONE, COUNTS(reset_after_close) },
	{ "syn new, listener", IN, TW, 0, SEG(S, 1), LISTENER, PASS, RE, COUNTS(syn_reopened) },
	{ "syn old, new ts, listener", IN, TW, MS, SEG(S, -9, WITH_TS(1)), LISTENER, PASS, RE,
	  COUNTS(syn_reopened) },
	{ "syn new, listener, reopening off", IN, TW, 0, SEG(S, 1), LISTENER | STOCK_SYN, PASS,
	  GONE, COUNTS(syn_reopened) },
	{ "fin again, expired", IN, TW, 0, SEG(F | A, -1), OLD, PASS, GONE,
	  COUNTS(expired_on_sight) },
	{ "while reopening", IN, RE, 0, SEG(A, 0), 0, PASS, RE, COUNTS(reopen_passed) },
	{ "a socket has the tuple", IN, TW, 0, SEG(R, 0), CONNECTED, PASS, TW,
	  COUNTS(to_socket) },

	/* passed, and nothing changes */
	{ "another peer", IN, TW, 0, SEG(R, 0, .wrong = OTHER_PEER), 0, PASS, TW, SILENT },
	{ "bad checksum", IN, TW, 0, SEG(R, 0, .wrong = BAD_CSUM), 0, PASS, TW,
	  COUNTS(bad_csum) },
	{ "bad checksum, data", IN, TW, 0, SEG(A, 0, .len = 1001, .wrong = BAD_CSUM), 0, PASS, TW,
	  COUNTS(bad_csum) },
	{ "bad checksum, syn", IN, TW, 0, SEG(S, 1, .wrong = BAD_CSUM), LISTENER, PASS, TW,
	  COUNTS(bad_csum) },
	{ "bad checksum, several buffers", XDP, TW, 0,
	  SEG(A, 0, .len = 6001, .wrong = BAD_CSUM), 0, PASS, TW, COUNTS(bad_csum) },
	{ "several buffers, another peer", XDP, TW, 0, SEG(R, 0, .len = 6001, .wrong = OTHER_PEER),
	  0, PASS, TW, SILENT },
	{ "on its way through us", IN, TW, 0, SEG(R, 0, .ext = EXT_ROUTING | EXT_ON_ITS_WAY), 0,
	  PASS, TW, SILENT, .families = 6 },
	{ "first fragment", IN, TW, 0, SEG(R, 0, .frag = 0x2000), 0, PASS, TW,
	  COUNTS(fragment), .families = 4 },
	{ "later fragment", IN, TW, 0, SEG(R, 0, .frag = 0x2003), 0, PASS, TW,
	  COUNTS(fragment), .families = 4 },
	{ "last fragment", IN, TW, 0, SEG(R, 0, .frag = 3), 0, PASS, TW, COUNTS(fragment),
	  .families = 4 },
	{ "fragment header", IN, TW, 0, SEG(R, 0, .ext = EXT_FRAGMENT), 0, PASS, TW,
	  COUNTS(fragment), .families = 6 },
	{ "fragment header behind another", IN, TW, 0, SEG(R, 0, .ext = EXT_HOP | EXT_FRAGMENT), 0,
	  PASS, TW, COUNTS(fragment), .families = 6 },
	{ "udp", IN, TW, 0, SEG(R, 0, .proto = 17), 0, PASS, TW, SILENT },
	{ "esp", IN, TW, 0, SEG(R, 0, .proto = 50), 0, PASS, TW, SILENT },
	{ "not ip", IN, TW, 0, SEG(R, 0, .wrong = OTHER_TYPE), 0, PASS, TW, SILENT },
	{ "another version of ip", IN, TW, 0, SEG(R, 0, .wrong = BAD_VERSION), 0, PASS, TW,
	  SILENT, .families = 4 },
	{ "tcp header cut off", TC, TW, 0, SEG(R, 0, .wrong = CUT), 0, PASS, TW,
	  COUNTS(malformed) },
	{ "tcp header cut off", XDP, TW, 0, SEG(R, 0, .wrong = CUT), 0, PASS, TW, SILENT },
	{ "tcp header of 16 bytes", IN, TW, 0, SEG(R, 0, .wrong = SHORT_DOFF), 0, PASS, TW,
	  COUNTS(malformed) },
	{ "tcp header longer than the segment", IN, TW, 0, SEG(R, 0, .wrong = LONG_DOFF), 0, PASS,
	  TW, COUNTS(malformed) },
	{ "datagram longer than the frame", IN, TW, 0, SEG(R, 0, .wrong = LONG_TOTAL), 0, PASS, TW,
	  COUNTS(malformed) },
	{ "vlan 5", IN, TW, 0, SEG(R, 0, .tags = 1, .vid = { 5 }), 0, PASS, TW, SILENT },
	{ "vlan 4095", IN, TW, 0, SEG(R, 0, .tags = 1, .vid = { 4095 }), 0, PASS, TW, SILENT },
	{ "vlan 5 in priority tag", IN, TW, 0, SEG(R, 0, .tags = 2, .vid = { 0, 5 }), 0, PASS, TW,
	  SILENT },
	{ "priority tag in vlan 5", IN, TW, 0, SEG(R, 0, .tags = 2, .vid = { 5, 0 }), 0, PASS, TW,
	  SILENT },
	{ "three tags", IN, TW, 0, SEG(R, 0, .tags = 3), 0, PASS, TW, SILENT },
	{ "for another station", TC, TW, 0, SEG(R, 0, .wrong = FOREIGN), 0, PASS, TW, SILENT },
	{ "for another station", XDP, TW, 0, SEG(R, 0, .wrong = FOREIGN), KNOW_MAC, PASS, TW,
	  COUNTS(not_for_us) },
	{ "for a group of stations", TC, TW, 0, SEG(R, 0, .wrong = MULTICAST), 0, PASS, TW,
	  SILENT },
	{ "for a group of stations", XDP, TW, 0, SEG(R, 0, .wrong = MULTICAST), 0, PASS, TW,
	  COUNTS(not_for_us) },
	{ "bound to another device", IN, TW, 0, SEG(R, 0), ELSEWHERE, PASS, TW, SILENT },
	{ "ack without link header, another peer", IN_L3, TW, 0,
	  SEG(A, 0, .ip_options = 4, .wrong = OTHER_PEER), 0, PASS, TW, SILENT, .families = 4 },

	/* our own, on the way out; seq is ours, so it is given from snd_nxt */
	{ "syn, isn beyond", OUT, TW, 0, { .flags = S, .seq = SND + 70000 }, 0, PASS, RE,
	  COUNTS(connect_safe) },
	{ "syn, isn behind", OUT, TW, 0, { .flags = S, .seq = SND - 1 }, 0, DROP, TW,
	  COUNTS(connect_held) },
	{ "syn, later ts", OUT, TW, MS,
	  { .flags = S, .seq = SND - 1, .has_ts = 1, .tsval = 0x70000000 }, 0, PASS, RE,
	  COUNTS(connect_safe) },
	{ "syn, earlier ts", OUT, TW, MS,
	  { .flags = S, .seq = SND + 70000, .has_ts = 1, .tsval = 0xb0000000 }, 0, DROP, TW,
	  COUNTS(connect_held) },
	{ "syn, orphan", OUT, FW, 0, { .flags = S, .seq = SND + 70000 }, 0, DROP, FW,
	  COUNTS(connect_held) },
	{ "syn again, reopening", OUT, RE, 0, { .flags = S, .seq = SND - 1 }, 0, PASS, RE,
	  SILENT },
	{ "syn, expired", OUT, TW, 0, { .flags = S, .seq = SND - 1 }, OLD, PASS, GONE,
	  COUNTS(expired_on_sight) },
	{ "syn+ack", OUT, TW, 0, { .flags = S | A, .seq = SND - 1 }, 0, PASS, TW, SILENT },
	{ "ack", OUT, TW, 0, { .flags = A, .seq = SND }, 0, PASS, TW, SILENT },
	{ "data", OUT, FW, 0, { .flags = A, .seq = SND, .len = 500 }, 0, PASS, FW, SILENT },
	{ "rst of an orphan", OUT, FW, 0, { .flags = R | A, .seq = SND }, 0, PASS, GONE,
	  COUNTS(reset_sent) },
	{ "rst in answer", OUT, TW, 0, { .flags = R, .seq = SND }, 0, DROP, TW,
	  COUNTS(reset_held) },
	{ "syn, forwarded", OUT, TW, 0, { .flags = S, .seq = SND - 1 }, FORWARDED, PASS, GONE,
	  SILENT },
	{ "rst, forwarded", OUT, TW, 0, { .flags = R, .seq = SND }, FORWARDED, PASS, TW, SILENT },
	{ "syn in a fragment", OUT, TW, 0, { .flags = S, .seq = SND - 1, .frag = 0x2000 }, 0, PASS,
	  TW, COUNTS(fragment), .families = 4 },
	{ "syn, vlan 5", OUT, TW, 0, { .flags = S, .seq = SND - 1, .tags = 1, .vid = { 5 } }, 0,
	  PASS, TW, SILENT },
	{ "syn, isn behind, no link header", OUT_L3, TW, 0, { .flags = S, .seq = SND - 1 }, 0,
	  DROP, TW, COUNTS(connect_held), .families = 6 },
	{ "syn, isn beyond, no link header", OUT_L3, TW, 0, { .flags = S, .seq = SND + 70000 }, 0,
	  PASS, RE, COUNTS(connect_safe), .families = 6 },
	{ "syn, ip options, no link header", OUT_L3, TW, 0,
	  { .flags = S, .seq = SND - 1, .ip_options = 4 }, 0, DROP, TW, COUNTS(connect_held),
	  .families = 4 },
};

struct program {
	int bit;
	const char *name;
	int xdp, l3, outgoing;
	int verdict[4];		/* of PASS ... RESET */
};

static const struct program programs[] = {
	{ TC, "vtw_in", 0, 0, 0, { TC_ACT_UNSPEC, TC_ACT_SHOT, TC_ACT_REDIRECT, TC_ACT_REDIRECT } },
	{ XDP, "vtw_xdp", 1, 0, 0, { XDP_PASS, XDP_DROP, XDP_TX, XDP_TX } },
	{ OUT, "vtw_out", 0, 0, 1, { TC_ACT_UNSPEC, TC_ACT_SHOT, -2, -2 } },
	{ IN_L3, "vtw_in_l3", 0, 1, 0,
	  { TC_ACT_UNSPEC, TC_ACT_SHOT, TC_ACT_REDIRECT, TC_ACT_REDIRECT } },
	{ OUT_L3, "vtw_out_l3", 0, 1, 1, { TC_ACT_UNSPEC, TC_ACT_SHOT, -2, -2 } },
};

/* The session of the row, 10 s old. */
static void put_session(const struct row *r, int v6)
{
	__u64 now = clock_ns();
	struct vtw_key k = frame_key(v6);
	struct vtw_draft d = {
		.snd_nxt = SND, .rcv_nxt = RCV, .ts_recent = RECENT, .ts_offset = OFFSET,
		.length_ms = 60000,
	};
	struct found f;

	mem_ns = now - (r->how & OLD ? 70 : 10) * 1000000000ull;
	d.word.state = r->state == RE ? TW : r->state;
	d.word.class = VTW_REMOTE;
	d.word.tsmode = r->tsmode;
	d.word.wnd = WND;
	d.word.wscale = 7;
	d.word.dev = r->how & ELSEWHERE ? vtw_dev_tag(1000) : 0;
	if (remember_draft(v6, &k, &d) != 1)
		ksft_bail("the session was not recorded");
	mem_ns = now;
	f.i = v6 ? vtw_find(1, &k, vtw_hash_of(1, &k)) : vtw_find(0, &k, vtw_hash_of(0, &k));
	if (r->state != RE)
		return;
	f.t = vtw_tcb(v6, f.i);
	f.raw = f.t->word;
	f.raw.state = RE;
	f.raw.expires = now / 1000000 + VTW_REOPEN_MS;
	f.t->word = f.raw;
}

static struct vtw_tcb *session(int v6)
{
	struct vtw_key k = frame_key(v6);
	__u32 i = v6 ? vtw_find(1, &k, vtw_hash_of(1, &k)) : vtw_find(0, &k, vtw_hash_of(0, &k));

	return i == VTW_NONE ? NULL : vtw_tcb(v6, i);
}

static struct rtcache_gens generations(int kept)
{
	struct rtcache_gens gens = {};

	if (kept)
		gens = (struct rtcache_gens) { .gen = { 4, 6 }, .lease_ns = RTCACHE_FOREVER };
	return gens;
}

/* A session of the same addresses has left by device ifindex. */
static void put_path(int v6, __u32 ifindex)
{
	union vtw_path_word word = { .ifindex = ifindex, .near = VTW_PATH_KNOWN };
	struct rtcache_gens gens = generations(1);
	struct vtw_key k = frame_key(v6);
	__u64 who = vtw_path_who(v6, &k, geo[v6].seed);
	__u32 slot = vtw_path_slot(who);
	struct vtw_path path;

	vtw_path_put(&path, who, gens.gen[v6], word);
	if (bpf_map_update_elem(bpf_map__fd(skel->maps.paths), &slot, &path, BPF_ANY))
		ksft_bail("paths: %s", strerror(errno));
}

static void surroundings(const struct row *r)
{
	struct rtcache_gens gens = generations(r->how & ROUTED);

	struct vtw_sysctls sys = {
		.timestamps = !(r->how & NO_TS_SYSCTL), .rfc1337 = !!(r->how & RFC1337),
		.invalid_ratelimit_ms = 500,
	};
	struct vtw_mac own = {};
	__u32 lo = 1;

	run_reset(&sys);
	config.verify_csum = !(r->how & NO_CSUM);
	config.reopen = !(r->how & STOCK_SYN);
	put_map(skel->maps.config, &config);
	put_map(skel->maps.gens, &gens);
	bpf_map_delete_elem(bpf_map__fd(skel->maps.macs), &lo);
	if (r->how & KNOW_MAC)
		bpf_map_update_elem(bpf_map__fd(skel->maps.macs), &lo, &own, BPF_ANY);
}

/* A listener on the port, or a socket that connects from there to the peer; or -1. */
static int open_socket(const struct row *r, int v6)
{
	struct sockaddr_in6 a6 = { .sin6_family = AF_INET6, .sin6_port = htons(LOCAL_PORT) };
	struct sockaddr_in a4 = { .sin_family = AF_INET, .sin_port = htons(LOCAL_PORT) };
	int fd, one = 1, family = v6 ? AF_INET6 : AF_INET;
	struct sockaddr *addr = v6 ? (void *)&a6 : (void *)&a4;
	socklen_t len = v6 ? sizeof(a6) : sizeof(a4);

	if (!(r->how & (LISTENER | CONNECTED)))
		return -1;
	fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK, 0);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (r->how & CONNECTED) {
		memcpy(&a4.sin_addr, local4, 4);
		memcpy(&a6.sin6_addr, local6, 16);
	}
	if (bind(fd, addr, len))
		ksft_bail("bind: %s", strerror(errno));
	if (r->how & LISTENER && listen(fd, 1))
		ksft_bail("listen: %s", strerror(errno));
	if (!(r->how & CONNECTED))
		return fd;
	a4.sin_port = a6.sin6_port = htons(PEER_PORT);
	memcpy(&a4.sin_addr, peer4, 4);
	memcpy(&a6.sin6_addr, peer6, 16);
	if (connect(fd, addr, len) && errno != EINPROGRESS)
		ksft_bail("connect: %s", strerror(errno));
	return fd;
}

static __u32 get32(const __u8 *p)
{
	return (__u32)p[0] << 24 | p[1] << 16 | p[2] << 8 | p[3];
}

/* The answer's TSval cannot be foreseen, but it must lie between two looks at the clock. */
static int take_tsval(const struct row *r, const struct frame *got, __u32 at, __u64 before,
		      __u64 after, __u32 *tsval)
{
	__u64 unit = r->tsmode == USEC ? 1000 : 1000000;

	*tsval = get32(got->b + at);
	return *tsval - OFFSET - (__u32)(before / unit) <=
	       (__u32)(after / unit) - (__u32)(before / unit);
}

static int check_answer(const struct row *r, const struct program *p, int v6,
			const struct frame *got, __u64 before, __u64 after)
{
	struct spec want = {
		.v6 = v6, .l3 = p->l3, .outgoing = 1, .flags = A, .seq = SND, .ack = RCV + r->ack,
		.wnd = WND, .wrong = r->in.wrong & PARTIAL && !p->xdp ? PARTIAL : 0,
		.has_ts = r->tsmode == MS || r->tsmode == USEC,
		.tsecr = RECENT,
	};
	/* What leaves by the neighbour layer begins with a link header in any case. */
	__u32 lifted = r->how & ROUTED ? ETH_HLEN : 0;
	struct frame f;

	if (r->then == RESET) {
		want.flags = R | A;
		want.seq = want.wnd = want.has_ts = 0;
	}
	if (r->state == FW && want.has_ts)
		want.tsecr = r->in.tsval;	/* learnt from the FIN */
	if (want.has_ts && !take_tsval(r, got, (p->l3 ? lifted : 14) + (v6 ? 40 : 20) + 24,
				       before, after, &want.tsval))
		return ksft_fail_at("TSval %#x is not of now", want.tsval);
	f = build(&want);
	if (p->outgoing)
		return ksft_fail_at("an answer on the way out");
	if (p->xdp && f.len < ETH_ZLEN) {	/* padded, with zeros */
		memset(f.b + f.len, 0, ETH_ZLEN - f.len);
		f.len = ETH_ZLEN;
	}
	if (f.len + lifted != got->len)
		return ksft_fail_at("an answer of %u bytes, not %u", got->len, f.len + lifted);
	for (__u32 i = 0; i < f.len; i++)
		if (f.b[i] != got->b[i + lifted])
			return ksft_fail_at("byte %u of the answer is %#x, not %#x", i,
					    got->b[i + lifted], f.b[i]);
	return 0;
}

static int check_after(const struct row *r, int v6)
{
	struct vtw_tcb *t = session(v6);
	int state = t ? (int)t->word.state : GONE, bad = 0;

	if (state != r->state_then)
		bad += ksft_fail_at("the record is in state %d, not %d", state, r->state_then);
	if (t && t->rcv_nxt != RCV + (r->state == FW && r->then == REPLY))
		bad += ksft_fail_at("rcv_nxt is %#x", t->rcv_nxt);
	if (t && t->snd_nxt != SND)
		bad += ksft_fail_at("snd_nxt is %#x", t->snd_nxt);
	if (r->stat != NOTHING && run_stat(r->stat) != 1)
		bad += ksft_fail_at("its counter is %llu, not 1",
				    (unsigned long long)run_stat(r->stat));
	if (r->stat != STAT_OF(malformed) && run_stat(STAT_OF(malformed)))
		bad += ksft_fail_at("counted as malformed");
	return bad + check_index(v6, 0);
}

static struct bpf_program *find_program(const char *name)
{
	return bpf_object__find_program_by_name(skel->obj, name);
}

static void test(const struct row *r, const struct program *p, int v6, __u32 l3_device)
{
	__u32 device = p->l3 ? l3_device : 1;
	struct spec s = r->in;
	struct frame in, out;
	int fd, verdict, bad = 0;
	__u64 before;

	s.v6 = v6;
	s.l3 = p->l3;
	s.outgoing = p->outgoing;
	in = build(&s);
	surroundings(r);
	put_session(r, v6);
	run_pools();
	fd = open_socket(r, v6);
	if (p->l3)
		wear_mac("l3", in.b);
	if (r->how & ROUTED)
		put_path(v6, l3_device + 1);
	before = clock_ns();
	for (int n = 0; n <= !!(r->how & TWICE); n++)
		verdict = run_frame(find_program(p->name), p->xdp, &in, device,
				    p->outgoing && !(r->how & FORWARDED) ? 0 : device, &out);
	if (verdict != p->verdict[r->then])
		bad += ksft_fail_at("verdict %d, not %d", verdict, p->verdict[r->then]);
	else if (r->then >= REPLY)
		bad += check_answer(r, p, v6, &out, before, clock_ns());
	else if (r->then == PASS && (in.len != out.len || memcmp(in.b, out.b, in.len)))
		bad += ksft_fail_at("it was changed on the way");
	bad += check_after(r, v6);
	ksft_ok(!bad, "%s, IPv%d: %s", p->name, v6 ? 6 : 4, r->name);
	if (fd >= 0)
		close(fd);
}

static int wanted(const struct row *r, const struct program *p, int v6)
{
	return r->progs & p->bit && (!r->families || r->families == (v6 ? 6 : 4));
}

int main(void)
{
	unsigned int count = 0;
	__u32 l3;

	for (size_t i = 0; i < ARRAY_SIZE(rows) * ARRAY_SIZE(programs) * 2; i++)
		count += wanted(&rows[i / 2 / ARRAY_SIZE(programs)],
				&programs[i / 2 % ARRAY_SIZE(programs)], i % 2);
	run_begin();
	if (system("ip link add l3 type veth peer name l3x && ip link set l3x up") ||
	    system("ip link set l3 up && ip route add default dev l3") ||
	    system("ip -6 route add default dev l3 && ip addr add 8.0.0.1 dev l3") ||
	    system("ip addr add 2001:db8:86dd::1 dev l3 nodad"))
		ksft_bail("devices and routes of the namespace");
	l3 = if_nametoindex("l3");
	ksft_plan(count);
	for (size_t n = 0; n < ARRAY_SIZE(programs); n++)
		for (size_t i = 0; i < ARRAY_SIZE(rows) * 2; i++)
			if (wanted(&rows[i / 2], &programs[n], i % 2))
				test(&rows[i / 2], &programs[n], i % 2, l3);
	return ksft_end();
}
