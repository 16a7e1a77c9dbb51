// SPDX-License-Identifier: GPL-2.0
/*
 * test_segment.c - the segment table: vtw_decide() row by row, and against a reference
 *
 * Each row is tried with its sequence numbers and timestamps moved to where they
 * wrap; then random segments, mostly near the edges, are judged by segment_ref.h, too.
 */
#include <vestige/segment.h>

#include "unit.h"
#include "segment_ref.h"

#define RANDOM_CASES	3000000

#define F	VTW_FIN
#define S	VTW_SYN
#define R	VTW_RST
#define A	VTW_ACK

#define WND	1000u
#define WSCALE	3u
#define EDGE	(WND << WSCALE)
#define HALF	0x80000000u
#define LENGTH	60000u

/* Effects, beside the verdict. */
#define LIM	0x01	/* limit */
#define KILL	0x02
#define AGAIN	0x04	/* restart */
#define REFUSED	0x08
#define FINISH	0x10	/* fin */
#define LEARN	0x20	/* learn_ts */
#define PAWS	0x40

#define NONE	0	/* no timestamp in the segment */
#define TS(d)	1, (__u32)(d)	/* ts_recent + d */

/* How a row's session differs from the usual one. */
#define TS_OFF	0x01	/* net.ipv4.tcp_timestamps 0 */
#define RFC1337	0x02
#define NO_TS	0x04	/* the session had no timestamps */
#define TS_ZERO	0x08	/* ts_recent is 0 */
#define USED_UP	0x10	/* restarted as often as allowed */
#define FRESH	0x20	/* began just now */
#define USEC	0x40
#define MINUTE	0x80	/* began a minute ago, of two */
#define MUTE	0x100
#define FOREVER	0x200	/* restarts are not bounded */
#define NO_WND	0x400	/* window 0 */

struct row {
	const char *name;
	int state;
	int how;
	__u32 seq;		/* from rcv_nxt */
	__u32 len;
	int flags;
	int has_ts;
	__u32 ts;		/* from ts_recent */
	int verdict;
	int effects;
};

#define TW	VTW_TIME_WAIT
#define FW	VTW_FIN_WAIT2
#define RE	VTW_REOPENING

static const struct row rows[] = {
	/* TIME_WAIT: exactly at rcv_nxt */
	{ "ack at rcv_nxt", TW, 0, 0, 0, A, NONE, 0, VTW_DROP, AGAIN },
	{ "ack at rcv_nxt, new timestamp", TW, 0, 0, 0, A, TS(5), VTW_DROP, AGAIN | LEARN },
	{ "ack at rcv_nxt, same timestamp", TW, 0, 0, 0, A, TS(0), VTW_DROP, AGAIN | LEARN },
	{ "ack at rcv_nxt, timestamps unused", TW, NO_TS, 0, 0, A, TS(5), VTW_DROP, AGAIN },
	{ "ack at rcv_nxt, sysctl off", TW, TS_OFF, 0, 0, A, TS(-5), VTW_DROP, AGAIN },
	{ "ack at rcv_nxt, mute", TW, MUTE, 0, 0, A, TS(-5), VTW_DROP, AGAIN },
	{ "no flags at rcv_nxt", TW, 0, 0, 0, 0, NONE, 0, VTW_DROP, AGAIN },
	{ "ack, restarts used up", TW, USED_UP, 0, 0, A, NONE, 0, VTW_DROP, REFUSED },
	{ "ack, just begun", TW, FRESH, 0, 0, A, NONE, 0, VTW_DROP, REFUSED },
	{ "ack, unbounded", TW, USED_UP | FRESH | FOREVER, 0, 0, A, NONE, 0, VTW_DROP, AGAIN },
	{ "rst at rcv_nxt", TW, 0, 0, 0, R, NONE, 0, VTW_DROP, KILL },
	{ "rst+ack at rcv_nxt", TW, 0, 0, 0, R | A, NONE, 0, VTW_DROP, KILL },
	{ "rst with data at rcv_nxt", TW, 0, 0, 9, R, NONE, 0, VTW_DROP, KILL },
	{ "rst+syn at rcv_nxt", TW, 0, 0, 0, R | S, NONE, 0, VTW_DROP, KILL },
	{ "rst at rcv_nxt, rfc1337", TW, RFC1337, 0, 0, R, NONE, 0, VTW_DROP, 0 },
	{ "rst at rcv_nxt, rfc1337, ts", TW, RFC1337, 0, 0, R, TS(1), VTW_DROP, LEARN },
	{ "rst at rcv_nxt, ts new", TW, 0, 0, 0, R, TS(1), VTW_DROP, KILL },

	/* TIME_WAIT: RST elsewhere */
	{ "rst before rcv_nxt", TW, 0, -1, 0, R, NONE, 0, VTW_DROP, 0 },
	{ "rst behind rcv_nxt", TW, 0, 1, 0, R, NONE, 0, VTW_DROP, 0 },
	{ "rst, old timestamp", TW, 0, 0, 0, R, TS(-1), VTW_DROP, PAWS },
	{ "rst, old timestamp, 1 min", TW, MINUTE, 0, 0, R, TS(-1), VTW_DROP, KILL },
	{ "rst elsewhere, old ts, 1 min", TW, MINUTE, 7, 0, R, TS(-1), VTW_DROP, 0 },
	{ "rst with fin, rfc1337", TW, RFC1337, 0, 0, R | F, NONE, 0, VTW_DROP, 0 },

	/* TIME_WAIT: SYN */
	{ "syn next", TW, 0, 1, 0, S, NONE, 0, VTW_NEW_SYN, 0 },
	{ "syn far ahead", TW, 0, HALF - 1, 0, S, NONE, 0, VTW_NEW_SYN, 0 },
	{ "syn with data", TW, 0, 1, 50, S, NONE, 0, VTW_NEW_SYN, 0 },
	{ "syn with fin", TW, 0, 1, 0, S | F, NONE, 0, VTW_NEW_SYN, 0 },
	{ "syn equal", TW, 0, 0, 0, S, NONE, 0, VTW_ANSWER, LIM },
	{ "syn old", TW, 0, -1, 0, S, NONE, 0, VTW_ANSWER, LIM },
	{ "syn half a space away", TW, 0, HALF, 0, S, NONE, 0, VTW_NEW_SYN, 0 },
	{ "syn farther than half", TW, 0, HALF + 1, 0, S, NONE, 0, VTW_ANSWER, LIM },
	{ "syn old number, new ts", TW, 0, -1, 0, S, TS(1), VTW_NEW_SYN, 0 },
	{ "syn old number, same ts", TW, 0, -1, 0, S, TS(0), VTW_ANSWER, LIM },
	{ "syn new number, same ts", TW, 0, 1, 0, S, TS(0), VTW_NEW_SYN, 0 },
	{ "syn equal, new ts", TW, 0, 0, 0, S, TS(1), VTW_NEW_SYN, 0 },
	{ "syn new number, old ts", TW, 0, 1, 0, S, TS(-1), VTW_ANSWER, LIM | AGAIN | PAWS },
	{ "syn old number, old ts", TW, 0, -9, 0, S, TS(-1), VTW_ANSWER, LIM | AGAIN | PAWS },
	{ "syn, ts half a space away", TW, 0, -1, 0, S, TS(HALF), VTW_NEW_SYN, 0 },
	{ "syn, ts just under half", TW, 0, -1, 0, S, TS(HALF - 1), VTW_NEW_SYN, 0 },
	{ "syn, ts just over half", TW, 0, 1, 0, S, TS(HALF + 1), VTW_ANSWER, LIM | AGAIN | PAWS },
	{ "syn, sysctl off, old ts", TW, TS_OFF, 1, 0, S, TS(-1), VTW_NEW_SYN, 0 },
	{ "syn, no ts in session", TW, NO_TS, -1, 0, S, TS(9), VTW_ANSWER, LIM },
	{ "syn, ts_recent 0", TW, TS_ZERO, -1, 0, S, TS(-1), VTW_ANSWER, LIM },
	{ "syn, ts_recent 0, new ts", TW, TS_ZERO, -1, 0, S, TS(1), VTW_NEW_SYN, 0 },
	{ "syn, usec ts", TW, USEC, -1, 0, S, TS(1), VTW_NEW_SYN, 0 },
	{ "syn+ack ahead", TW, 0, 1, 0, S | A, NONE, 0, VTW_ANSWER, LIM | AGAIN },
	{ "syn+ack equal", TW, 0, 0, 0, S | A, NONE, 0, VTW_ANSWER, LIM | AGAIN },
	{ "syn+ack, new ts", TW, 0, 0, 0, S | A, TS(1), VTW_ANSWER, LIM | AGAIN },
	{ "syn+rst ahead", TW, 0, 1, 0, S | R, NONE, 0, VTW_DROP, 0 },
	{ "syn, used up, old ts", TW, USED_UP, 1, 0, S, TS(-1), VTW_ANSWER, LIM | REFUSED | PAWS },

	/* TIME_WAIT: the FIN again, data, ACKs elsewhere */
	{ "fin again", TW, 0, -1, 0, F | A, NONE, 0, VTW_ANSWER, AGAIN },
	{ "fin again, ts", TW, 0, -1, 0, F | A, TS(3), VTW_ANSWER, AGAIN },
	{ "fin again, old ts", TW, 0, -1, 0, F | A, TS(-3), VTW_ANSWER, AGAIN | PAWS },
	{ "fin again, used up", TW, USED_UP, -1, 0, F | A, NONE, 0, VTW_ANSWER, REFUSED },
	{ "fin again, just begun", TW, FRESH, -1, 0, F | A, NONE, 0, VTW_ANSWER, REFUSED },
	{ "fin again, with data", TW, 0, -101, 100, F | A, NONE, 0, VTW_ANSWER, AGAIN },
	{ "fin at rcv_nxt", TW, 0, 0, 0, F | A, NONE, 0, VTW_ANSWER, AGAIN },
	{ "fin without ack", TW, 0, -1, 0, F, NONE, 0, VTW_ANSWER, 0 },
	{ "old data", TW, 0, -100, 100, A, NONE, 0, VTW_ANSWER, AGAIN },
	{ "data at rcv_nxt", TW, 0, 0, 100, A, NONE, 0, VTW_ANSWER, AGAIN },
	{ "future data", TW, 0, 5000, 100, A, NONE, 0, VTW_ANSWER, AGAIN },
	{ "data, old ts", TW, 0, 0, 100, A, TS(-1), VTW_ANSWER, AGAIN | PAWS },
	{ "data without ack", TW, 0, 0, 100, 0, NONE, 0, VTW_ANSWER, 0 },
	{ "old bare ack", TW, 0, -1, 0, A, NONE, 0, VTW_ANSWER, LIM | AGAIN },
	{ "future bare ack", TW, 0, 1, 0, A, NONE, 0, VTW_ANSWER, LIM | AGAIN },
	{ "ack at rcv_nxt, old ts", TW, 0, 0, 0, A, TS(-1), VTW_ANSWER, LIM | AGAIN | PAWS },
	{ "ack, old ts, 1 min", TW, MINUTE, 0, 0, A, TS(-1), VTW_ANSWER, LIM | AGAIN | PAWS },

	/* FIN_WAIT_2: the FIN comes */
	{ "fin comes", FW, 0, 0, 0, F | A, NONE, 0, VTW_ANSWER, FINISH | AGAIN },
	{ "fin comes, ts", FW, 0, 0, 0, F | A, TS(4), VTW_ANSWER, FINISH | AGAIN | LEARN },
	{ "fin comes, ts, sysctl off", FW, TS_OFF, 0, 0, F | A, TS(4), VTW_ANSWER, FINISH | AGAIN },
	{ "fin comes, used up", FW, USED_UP, 0, 0, F | A, NONE, 0, VTW_ANSWER, FINISH | AGAIN },
	{ "fin comes, just begun", FW, FRESH, 0, 0, F | A, NONE, 0, VTW_ANSWER, FINISH | AGAIN },
	{ "fin comes behind old data", FW, 0, -50, 50, F | A, NONE, 0, VTW_ANSWER, FINISH | AGAIN },
	{ "fin comes, old ts", FW, 0, 0, 0, F | A, TS(-1), VTW_ANSWER, 0 },
	{ "fin without ack", FW, 0, 0, 0, F, NONE, 0, VTW_DROP, 0 },
	{ "fin with data", FW, 0, 0, 10, F | A, NONE, 0, VTW_PASS_RESET, KILL },
	{ "fin too early", FW, 0, 1, 0, F | A, NONE, 0, VTW_PASS_RESET, KILL },
	{ "fin before rcv_nxt", FW, 0, -1, 0, F | A, NONE, 0, VTW_ANSWER, 0 },

	/* FIN_WAIT_2: data, and the window's edges */
	{ "data", FW, 0, 0, 10, A, NONE, 0, VTW_PASS_RESET, KILL },
	{ "data across rcv_nxt", FW, 0, -5, 10, A, NONE, 0, VTW_PASS_RESET, KILL },
	{ "data without ack", FW, 0, 0, 10, 0, NONE, 0, VTW_DROP, 0 },
	{ "data, old ts", FW, 0, 0, 10, A, TS(-1), VTW_ANSWER, 0 },
	{ "old data", FW, 0, -10, 10, A, NONE, 0, VTW_ANSWER, 0 },
	{ "data in the last byte", FW, 0, EDGE - 1, 10, A, NONE, 0, VTW_PASS_RESET, KILL },
	{ "data behind the window", FW, 0, EDGE, 10, A, NONE, 0, VTW_ANSWER, 0 },
	{ "ack at the right edge", FW, 0, EDGE, 0, A, NONE, 0, VTW_DROP, 0 },
	{ "ack behind the edge", FW, 0, EDGE + 1, 0, A, NONE, 0, VTW_ANSWER, LIM },
	{ "ack before rcv_nxt", FW, 0, -1, 0, A, NONE, 0, VTW_ANSWER, LIM },
	{ "ack at rcv_nxt", FW, 0, 0, 0, A, NONE, 0, VTW_DROP, 0 },
	{ "ack in window", FW, 0, 5, 0, A, NONE, 0, VTW_DROP, 0 },
	{ "ack, window 0", FW, NO_WND, 0, 0, A, NONE, 0, VTW_DROP, 0 },
	{ "data at rcv_nxt, window 0", FW, NO_WND, 0, 1, A, NONE, 0, VTW_PASS_RESET, KILL },
	{ "data ahead, window 0", FW, NO_WND, 1, 1, A, NONE, 0, VTW_ANSWER, 0 },
	{ "ack, old ts", FW, 0, 0, 0, A, TS(-1), VTW_ANSWER, LIM },

	/* FIN_WAIT_2: RST and SYN */
	{ "rst at rcv_nxt", FW, 0, 0, 0, R, NONE, 0, VTW_DROP, KILL },
	{ "rst in window", FW, 0, 9, 0, R, NONE, 0, VTW_DROP, KILL },
	{ "rst in window, rfc1337", FW, RFC1337, 9, 0, R, NONE, 0, VTW_DROP, KILL },
	{ "rst out of window", FW, 0, EDGE + 1, 0, R, NONE, 0, VTW_ANSWER, LIM },
	{ "rst, old ts", FW, 0, 0, 0, R, TS(-1), VTW_ANSWER, LIM },
	{ "rst, old ts, 1 min", FW, MINUTE, 0, 0, R, TS(-1), VTW_DROP, KILL },
	{ "syn in window", FW, 0, 1, 0, S, NONE, 0, VTW_PASS_RESET, KILL },
	{ "syn at rcv_nxt", FW, 0, 0, 0, S, NONE, 0, VTW_PASS_RESET, KILL },
	{ "syn+ack in window", FW, 0, 1, 0, S | A, NONE, 0, VTW_PASS_RESET, KILL },
	{ "syn before rcv_nxt", FW, 0, -1, 0, S, NONE, 0, VTW_ANSWER, LIM },
	{ "syn across rcv_nxt", FW, 0, -1, 5, S | A, NONE, 0, VTW_PASS_RESET, KILL },
	{ "syn across rcv_nxt, no ack", FW, 0, -1, 5, S, NONE, 0, VTW_DROP, 0 },
	{ "syn behind window", FW, 0, EDGE, 0, S, NONE, 0, VTW_ANSWER, LIM },
	{ "syn, old ts", FW, 0, 1, 0, S, TS(-1), VTW_ANSWER, LIM },

	/* reopening: everything is the stack's */
	{ "syn", RE, 0, 1, 0, S, NONE, 0, VTW_TO_STACK, 0 },
	{ "ack, old ts", RE, 0, 0, 0, A, TS(-1), VTW_TO_STACK, 0 },
	{ "rst", RE, 0, 0, 0, R, NONE, 0, VTW_TO_STACK, 0 },
	{ "fin", RE, 0, -1, 0, F | A, NONE, 0, VTW_TO_STACK, 0 },
};

static const char *const state_name[] = {
	[TW] = "TIME_WAIT", [FW] = "FIN_WAIT_2", [RE] = "REOPENING",
};

static const __u32 seq_bases[] = {
	1000000, 0, 1, 2, HALF - 1, HALF, HALF + 1, -1u, -2u, -EDGE, -EDGE - 1, -100u, HALF - EDGE,
};

/* 0 would mean that the peer does not fill its timestamps in. */
static const __u32 ts_bases[] = {
	5000000, 1, 2, HALF - 1, HALF, HALF + 1, -1u, -2u,
};

static int effects_of(const struct vtw_decision *d)
{
	return (d->limit ? LIM : 0) | (d->kill ? KILL : 0) | (d->restart ? AGAIN : 0) |
	       (d->refused ? REFUSED : 0) | (d->fin ? FINISH : 0) |
	       (d->learn_ts ? LEARN : 0) | (d->paws ? PAWS : 0);
}

static struct vtw_session session_of(const struct row *r, __u32 rcv_nxt, __u32 ts_recent)
{
	struct vtw_session s = {
		.snd_nxt = rcv_nxt * 7 + 3, .rcv_nxt = rcv_nxt,
		.ts_recent = r->how & TS_ZERO ? 0 : ts_recent,
		.length_ms = r->how & MINUTE ? 2 * LENGTH : LENGTH,
	};

	s.left_ms = s.length_ms - (r->how & FRESH ? LENGTH / 64 - 1 :
				   r->how & MINUTE ? 60000 : 30000);
	s.word.state = r->state;
	s.word.wnd = r->how & NO_WND ? 0 : WND;
	s.word.wscale = WSCALE;
	s.word.restarts = r->how & USED_UP ? 2 : 1;
	s.word.tsmode = r->how & NO_TS ? VTW_TS_NONE : r->how & MUTE ? VTW_TS_MUTE :
			r->how & USEC ? VTW_TS_USEC : VTW_TS_MS;
	return s;
}

static int try_row(const struct row *r, __u32 rcv_nxt, __u32 ts_recent)
{
	struct vtw_session s = session_of(r, rcv_nxt, ts_recent);
	struct vtw_policy p = {
		.timestamps = !(r->how & TS_OFF), .rfc1337 = !!(r->how & RFC1337),
		.restarts = r->how & FOREVER ? VTW_MAX_RESTARTS + 1 : 2,
	};
	struct vtw_segment g = {
		.seq = rcv_nxt + r->seq, .flags = r->flags | 0xe8,
		.end_seq = rcv_nxt + r->seq + r->len + !!(r->flags & S) + !!(r->flags & F),
		.saw_tstamp = r->has_ts, .tsval = s.ts_recent + r->ts,
	};
	struct vtw_decision d = vtw_decide(&s, g, &p);

	if (d.verdict == r->verdict && effects_of(&d) == r->effects)
		return 0;
	return ksft_fail_at("rcv_nxt %u ts_recent %u: verdict %d effects %#x, not %d %#x",
			    rcv_nxt, s.ts_recent, d.verdict, effects_of(&d), r->verdict,
			    r->effects);
}

static void test_row(const struct row *r)
{
	int bad = 0;

	for (size_t i = 0; i < ARRAY_SIZE(seq_bases); i++)
		for (size_t j = 0; j < ARRAY_SIZE(ts_bases); j++)
			bad += try_row(r, seq_bases[i], ts_bases[j]);
	ksft_ok(!bad, "%s: %s", state_name[r->state], r->name);
}

/* A number near one of the places where something changes. */
static __u32 near_edge(struct rng *r, __u32 from, __u32 width)
{
	static const __u32 far[] = { 0, 1, HALF, -1u };
	__u32 jitter = rng_below(r, 7) - 3;

	switch (rng_below(r, 8)) {
	case 0:	case 1:	case 2:
		return from + jitter;
	case 3:	return from + width + jitter;
	case 4:	return from + HALF + jitter;
	case 5:	return far[rng_below(r, 4)] + jitter;
	case 6:	return from + rng_below(r, 2 * width + 2) - width;
	default: return rng_next(r);
	}
}

struct random_case {
	struct vtw_session s;
	struct vtw_segment g;
	struct vtw_policy p;
	__u32 len;
};

static void draw_session(struct rng *r, struct random_case *c)
{
	static const __u32 lengths[] = { 200, 2000, 10000, 60000, 120000, 600000 };
	struct vtw_session *s = &c->s;

	s->rcv_nxt = near_edge(r, rng_next(r), 100);
	s->snd_nxt = rng_next(r);
	s->ts_recent = rng_below(r, 8) ? near_edge(r, rng_next(r), 100) : 0;
	s->length_ms = lengths[rng_below(r, ARRAY_SIZE(lengths))];
	s->left_ms = s->length_ms - rng_below(r, s->length_ms);
	if (s->length_ms > 60000 && !rng_below(r, 4))
		s->left_ms = s->length_ms - 59999 - rng_below(r, 3);
	s->word.all = rng_next(r);
	s->word.state = 1 + rng_below(r, 2);
	s->word.wscale = rng_below(r, 15);
	if (!rng_below(r, 8))
		s->word.wnd = 0;
}

static void draw_segment(struct rng *r, struct random_case *c)
{
	__u32 wnd = (__u32)c->s.word.wnd << c->s.word.wscale;
	struct vtw_segment *g = &c->g;

	g->flags = rng_next(r);
	if (rng_below(r, 2))
		g->flags &= ~(VTW_RST | VTW_SYN);
	g->seq = near_edge(r, c->s.rcv_nxt, wnd);
	c->len = rng_below(r, 2) ? 0 : rng_below(r, 2) ? rng_below(r, 5) : rng_below(r, 70000);
	if (!rng_below(r, 4))	/* ends near rcv_nxt */
		c->len = c->s.rcv_nxt - g->seq + rng_below(r, 3) - 1;
	if (c->len > 0xffff)
		c->len &= 0xffff;
	g->end_seq = g->seq + c->len + !!(g->flags & VTW_SYN) + !!(g->flags & VTW_FIN);
	g->saw_tstamp = rng_below(r, 4) != 0;
	g->tsval = near_edge(r, c->s.ts_recent, 1000);
	c->p.timestamps = rng_below(r, 8) != 0;
	c->p.rfc1337 = rng_below(r, 2);
	c->p.restarts = rng_below(r, 9);
}

static struct ref_result ask_reference(const struct random_case *c)
{
	const struct vtw_session *s = &c->s;
	struct ref_tw tw = {
		.fin_wait2 = s->word.state == VTW_FIN_WAIT2,
		.has_ts = s->word.tsmode == VTW_TS_MS || s->word.tsmode == VTW_TS_USEC,
		.rcv_nxt = s->rcv_nxt, .wnd = s->word.wnd << s->word.wscale,
		.ts_recent = s->ts_recent, .stamp_age_ms = s->length_ms - s->left_ms,
		.sysctl_ts = c->p.timestamps, .sysctl_rfc1337 = c->p.rfc1337,
	};
	struct ref_seg seg = {
		.seq = c->g.seq, .len = c->len, .fin = c->g.flags & 1,
		.syn = c->g.flags >> 1 & 1, .rst = c->g.flags >> 2 & 1,
		.ack = c->g.flags >> 4 & 1, .has_ts = c->g.saw_tstamp, .tsval = c->g.tsval,
	};

	return ref_process(&tw, &seg);
}

/* The improvement: 2MSL begins again a bounded number of times, and not all the time. */
static int may_restart(const struct random_case *c)
{
	__u32 age = c->s.length_ms - c->s.left_ms;

	if (c->s.word.state == VTW_FIN_WAIT2 || c->p.restarts == VTW_MAX_RESTARTS + 1)
		return 1;
	return c->s.word.restarts < c->p.restarts && age >= c->s.length_ms / 64;
}

static int same(const struct random_case *c, const struct vtw_decision *d,
		const struct ref_result *ref)
{
	static const int verdict[] = {
		[REF_SWALLOW] = VTW_DROP, [REF_ACK] = VTW_ANSWER,
		[REF_RESET] = VTW_PASS_RESET, [REF_ACCEPT] = VTW_NEW_SYN,
	};
	int restart = ref->timer && may_restart(c);

	return d->verdict == verdict[ref->status] && d->limit == ref->limited &&
	       d->kill == ref->gone && d->restart == restart &&
	       d->refused == (ref->timer && !restart) && d->fin == ref->into_time_wait &&
	       d->learn_ts == ref->learnt && d->paws == ref->paws;
}

static void test_random(void)
{
	uint64_t seed = rng_seed(), seen[5] = {};
	struct rng r = { seed };
	unsigned int n;
	int bad = 0;

	for (n = 0; n < RANDOM_CASES; n++) {
		struct random_case c = {};
		struct vtw_decision d;
		struct ref_result ref;

		draw_session(&r, &c);
		draw_segment(&r, &c);
		d = vtw_decide(&c.s, c.g, &c.p);
		ref = ask_reference(&c);
		seen[d.verdict]++;
		if (!same(&c, &d, &ref))
			bad += ksft_fail_at("seed %llu case %u: state %d flags %#x seq%+d len %u: "
				"verdict %d effects %#x, reference %d", (unsigned long long)seed,
				n, (int)c.s.word.state, c.g.flags,
				(int)(c.g.seq - c.s.rcv_nxt), c.len, d.verdict,
				effects_of(&d), ref.status);
	}
	ksft_ok(!bad, "%u random segments as the reference has them", n);
	ksft_ok(seen[VTW_DROP] > n / 100 && seen[VTW_ANSWER] > n / 100 &&
		seen[VTW_PASS_RESET] > n / 100 && seen[VTW_NEW_SYN] > n / 100,
		"the random segments met every verdict");
}

int main(void)
{
	ksft_plan(ARRAY_SIZE(rows) + 2);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		test_row(&rows[i]);
	test_random();
	return ksft_end();
}
