/* SPDX-License-Identifier: GPL-2.0 */
/*
 * segment.h - what TIME_WAIT does with a segment: record + segment -> decision.
 *
 * Pure. The rules are those of Linux, tcp_timewait_state_process() in
 * net/ipv4/tcp_minisocks.c (RFC 9293 3.10.7.4, RFC 1122 4.2.2.13, RFC 1337, RFC
 * 7323 5.3), with the improvements that struct vtw_policy switches. Numbers are
 * in host byte order; sequence numbers and timestamps wrap.
 */
#ifndef VESTIGE_SEGMENT_H
#define VESTIGE_SEGMENT_H

#include "session.h"

enum vtw_flag {
	VTW_FIN = 0x01,
	VTW_SYN = 0x02,
	VTW_RST = 0x04,
	VTW_ACK = 0x10,
};

struct vtw_segment {
	__u32 seq;
	__u32 end_seq;		/* seq + payload + SYN + FIN */
	__u32 tsval;
	__u8 flags;		/* enum vtw_flag; others ignored */
	__u8 saw_tstamp;	/* a timestamp option was there */
};

/* A settled record, as far as decisions need it. */
struct vtw_session {
	__u32 snd_nxt;
	__u32 rcv_nxt;
	__u32 ts_recent;
	__u32 left_ms;		/* until it expires */
	__u32 length_ms;	/* of its class */
	union vtw_word word;
};

struct vtw_policy {
	__u8 timestamps;	/* net.ipv4.tcp_timestamps */
	__u8 rfc1337;		/* net.ipv4.tcp_rfc1337 */
	__u8 restarts;		/* of 2MSL; above VTW_MAX_RESTARTS: unbounded */
};

enum vtw_verdict {
	VTW_DROP,		/* swallow it */
	VTW_ANSWER,		/* swallow it, send ACK(snd_nxt, rcv_nxt) */
	VTW_PASS_RESET,		/* to the stack, which knows nothing and sends RST */
	VTW_NEW_SYN,		/* acceptable: to the stack if somebody listens, else answer */
	VTW_TO_STACK,		/* not ours now: reopening */
};

struct vtw_decision {
	__u8 verdict;		/* enum vtw_verdict */
	__u8 limit;		/* an answer falls under tcp_invalid_ratelimit */
	__u8 kill;		/* the record ends */
	__u8 restart;		/* 2MSL begins again */
	__u8 refused;		/* it would have, but for the bound */
	__u8 fin;		/* FIN_WAIT_2 is TIME_WAIT now, rcv_nxt = end_seq */
	__u8 learn_ts;		/* ts_recent = tsval */
	__u8 paws;		/* refused by PAWS */
};

static __always_inline int vtw_before(__u32 a, __u32 b)
{
	return (__s32)(a - b) < 0;
}

static __always_inline int vtw_after(__u32 a, __u32 b)
{
	return vtw_before(b, a);
}

/* tcp_in_window(): is part of [seq, end_seq) in [from, to)? */
static __always_inline int vtw_in_window(__u32 seq, __u32 end_seq, __u32 from, __u32 to)
{
	if (seq == from)
		return 1;
	if (vtw_after(end_seq, from) && vtw_before(seq, to))
		return 1;
	return seq == to && seq == end_seq;
}

static __always_inline int vtw_has_ts(union vtw_word word)
{
	return word.tsmode == VTW_TS_MS || word.tsmode == VTW_TS_USEC;
}

/*
 * tcp_paws_reject(): RFC 7323 5.3, R1. A ts_recent of 0 means that the peer
 * does not fill its timestamps in. A RST is believed once ts_recent is a minute
 * old; it was learnt when the record began its 2MSL, or before.
 */
static __always_inline int vtw_paws_reject(const struct vtw_session *s,
					   const struct vtw_segment *g)
{
	if ((__s32)(s->ts_recent - g->tsval) <= 0 || !s->ts_recent)
		return 0;
	return !(g->flags & VTW_RST && s->length_ms - s->left_ms >= 60000);
}

/*
 * May 2MSL begin again? Linux always says yes, so that one duplicate a minute
 * holds a tuple for ever. Here: at most `restarts` times, of which those within
 * 1/64 of the length are one; the record lives at most (1 + restarts) lengths.
 */
static __always_inline void vtw_again(const struct vtw_session *s, const struct vtw_policy *p,
				      struct vtw_decision *d)
{
	if (p->restarts > VTW_MAX_RESTARTS ||
	    (s->word.restarts < p->restarts &&
	     s->length_ms - s->left_ms >= s->length_ms / 64))
		d->restart = 1;
	else
		d->refused = 1;
}

/*
 * tcp_oow_rate_limited(): what carries data or FIN is no part of an ACK loop.
 */
static __always_inline void vtw_answer(const struct vtw_segment *g, struct vtw_decision *d)
{
	d->verdict = VTW_ANSWER;
	d->limit = g->seq == g->end_seq || g->flags & VTW_SYN;
}

/*
 * The substate in which we have sent a FIN and had it acknowledged, and wait
 * for theirs.
 */
static __always_inline void vtw_fin_wait2(const struct vtw_session *s,
					  const struct vtw_segment *g, int paws,
					  struct vtw_decision *d)
{
	__u32 wnd = (__u32)s->word.wnd << s->word.wscale;

	if (paws || !vtw_in_window(g->seq, g->end_seq, s->rcv_nxt, s->rcv_nxt + wnd)) {
		vtw_answer(g, d);
		return;
	}
	if (g->flags & VTW_RST) {
		d->kill = 1;
		return;
	}
	if (g->flags & VTW_SYN && !vtw_before(g->seq, s->rcv_nxt)) {
		d->kill = 1;
		d->verdict = VTW_PASS_RESET;
		return;
	}
	/* A duplicate, or a bare ACK. */
	if (!(g->flags & VTW_ACK) || !vtw_after(g->end_seq, s->rcv_nxt) ||
	    g->end_seq == g->seq)
		return;
	/* Data, and nobody is there to read it: RFC 2525 2.17. */
	if (!(g->flags & VTW_FIN) || g->end_seq != s->rcv_nxt + 1) {
		d->kill = 1;
		d->verdict = VTW_PASS_RESET;
		return;
	}
	d->verdict = VTW_ANSWER;
	d->fin = 1;
	d->restart = 1;
	d->learn_ts = g->saw_tstamp;
}

/* A bare ACK or a RST exactly where we expect it. */
static __always_inline void vtw_exact(const struct vtw_session *s, const struct vtw_segment *g,
				      const struct vtw_policy *p, struct vtw_decision *d)
{
	if (g->flags & VTW_RST) {
		/*
		 * TIME_WAIT assassination, RFC 1337: believed unless the sysctl
		 * says no.
		 */
		d->kill = !p->rfc1337;
		if (d->kill)
			return;
	} else {
		vtw_again(s, p, d);
	}
	d->learn_ts = g->saw_tstamp;
}

static __always_inline int vtw_syn_acceptable(const struct vtw_session *s,
					      const struct vtw_segment *g)
{
	if ((g->flags & (VTW_SYN | VTW_RST | VTW_ACK)) != VTW_SYN)
		return 0;
	return vtw_after(g->seq, s->rcv_nxt) ||
	       (g->saw_tstamp && (__s32)(s->ts_recent - g->tsval) < 0);
}

static __always_inline void vtw_time_wait(const struct vtw_session *s,
					  const struct vtw_segment *g, int paws,
					  const struct vtw_policy *p, struct vtw_decision *d)
{
	if (!paws && g->seq == s->rcv_nxt && (g->seq == g->end_seq || g->flags & VTW_RST)) {
		vtw_exact(s, g, p, d);
		return;
	}
	if (!paws && vtw_syn_acceptable(s, g)) {
		d->verdict = VTW_NEW_SYN;
		return;
	}
	d->paws = paws;
	if (g->flags & VTW_RST)
		return;
	/*
	 * A SYN without ACK may be an old duplicate or a good one whose number
	 * happens to be too small: answered, but no reason to wait longer.
	 */
	if (paws || g->flags & VTW_ACK)
		vtw_again(s, p, d);
	vtw_answer(g, d);
}

static __always_inline struct vtw_decision vtw_decide(const struct vtw_session *s,
						      struct vtw_segment g,
						      const struct vtw_policy *p)
{
	struct vtw_decision d = {};
	int paws;

	if (s->word.state == VTW_REOPENING) {
		d.verdict = VTW_TO_STACK;
		return d;
	}
	g.saw_tstamp = g.saw_tstamp && p->timestamps && vtw_has_ts(s->word);
	paws = g.saw_tstamp && vtw_paws_reject(s, &g);
	if (s->word.state == VTW_FIN_WAIT2) {
		vtw_fin_wait2(s, &g, paws, &d);
		return d;
	}
	vtw_time_wait(s, &g, paws, p, &d);
	return d;
}

/*
 * Our own SYN is about to leave on a remembered tuple; may it? RFC 6191 section
 * 2, seen from the side that connects: the peer, should it have kept anything,
 * takes it for new if its timestamp is later than all we sent, or if its
 * sequence number is. `sent_ts` is the latest timestamp the old session can
 * have used. Without timestamps a peer that is not known to be near may still
 * have old segments on the way, so the number must be a whole window past
 * snd_nxt.
 *
 * A FIN_WAIT_2 record means that the peer's half is still open: the SYN would
 * make it reset that half.
 */
static __always_inline int vtw_connect_safe(const struct vtw_session *s, __u32 isn,
					    int saw_tstamp, __u32 tsval, __u32 sent_ts)
{
	__u32 beyond = s->snd_nxt + (s->word.class > VTW_LOCAL ? 65535 : 0);

	if (s->word.state == VTW_FIN_WAIT2)
		return 0;
	if (saw_tstamp && vtw_has_ts(s->word)) {
		if (vtw_after(tsval, sent_ts))
			return 1;
		return tsval == sent_ts && vtw_after(isn, s->snd_nxt);
	}
	return vtw_after(isn, beyond);
}

#endif /* VESTIGE_SEGMENT_H */
