/* SPDX-License-Identifier: GPL-2.0 */
/*
 * segment_ref.h - what TIME_WAIT must do, written a second time, to check segment.h against.
 *
 * Straight from RFC 9293 3.10.7.4, RFC 7323 5.3, RFC 1337 and from how Linux
 * orders these checks; without any of the improvements.
 */
#ifndef SELFTESTS_SEGMENT_REF_H
#define SELFTESTS_SEGMENT_REF_H

#include <stdint.h>

enum ref_status { REF_SWALLOW, REF_ACK, REF_RESET, REF_ACCEPT };

struct ref_tw {
	int fin_wait2;
	int has_ts;		/* the session used timestamps */
	uint32_t rcv_nxt, wnd, ts_recent;
	uint32_t stamp_age_ms;	/* of ts_recent */
	int sysctl_ts, sysctl_rfc1337;
};

struct ref_seg {
	uint32_t seq, len;	/* len: payload */
	int fin, syn, rst, ack;
	int has_ts;
	uint32_t tsval;
};

struct ref_result {
	enum ref_status status;
	int limited;		/* the ACK counts for tcp_invalid_ratelimit */
	int gone;		/* the session ends */
	int timer;		/* 2MSL begins again */
	int into_time_wait;
	int learnt;
	int paws;
};

/* Signed distance in a space of 2^32. */
static inline int64_t ref_dist(uint32_t from, uint32_t to)
{
	uint32_t d = to - from;

	return d < 0x80000000u ? (int64_t)d : (int64_t)d - 0x100000000ll;
}

/* a < b; a number exactly 2^31 away is before, from either side. */
static inline int ref_less(uint32_t a, uint32_t b)
{
	return ref_dist(b, a) < 0;
}

/* RFC 7323 5.3 R1, and that a RST may be believed after an MSL. */
static inline int ref_old_timestamp(const struct ref_tw *tw, const struct ref_seg *s)
{
	if (!tw->ts_recent || ref_dist(s->tsval, tw->ts_recent) <= 0 ||
	    tw->ts_recent - s->tsval == 0x80000000u)
		return 0;
	return !s->rst || tw->stamp_age_ms < 60000;
}

/* RFC 9293 table 6, a little wider as Linux has it: an empty segment at the right edge is in. */
static inline int ref_in_window(const struct ref_tw *tw, const struct ref_seg *s, uint32_t end)
{
	uint32_t right = tw->rcv_nxt + tw->wnd;

	if (s->seq == tw->rcv_nxt)
		return 1;
	if (s->seq == right && end == s->seq)
		return 1;
	return ref_less(tw->rcv_nxt, end) && ref_less(s->seq, right);
}

static inline void ref_say_ack(const struct ref_seg *s, uint32_t end, struct ref_result *r)
{
	r->status = REF_ACK;
	r->limited = s->syn || end == s->seq;
}

static inline void ref_fin_wait2(const struct ref_tw *tw, const struct ref_seg *s, uint32_t end,
				 int has_ts, int old, struct ref_result *r)
{
	int new_data = s->ack && end != s->seq && ref_less(tw->rcv_nxt, end);

	if (old || !ref_in_window(tw, s, end)) {
		ref_say_ack(s, end, r);
	} else if (s->rst) {
		r->gone = 1;
	} else if (s->syn && !ref_less(s->seq, tw->rcv_nxt)) {
		r->status = REF_RESET;
		r->gone = 1;
	} else if (new_data && s->fin && end == tw->rcv_nxt + 1) {
		r->status = REF_ACK;
		r->into_time_wait = r->timer = 1;
		r->learnt = has_ts;
	} else if (new_data) {
		r->status = REF_RESET;
		r->gone = 1;
	}
}

static inline void ref_time_wait(const struct ref_tw *tw, const struct ref_seg *s, uint32_t end,
				 int has_ts, int old, struct ref_result *r)
{
	if (!old && s->seq == tw->rcv_nxt && (s->rst || end == s->seq)) {
		if (s->rst && !tw->sysctl_rfc1337) {
			r->gone = 1;
			return;
		}
		r->timer = !s->rst;
		r->learnt = has_ts;
		return;
	}
	if (!old && s->syn && !s->rst && !s->ack &&
	    (ref_less(tw->rcv_nxt, s->seq) ||
	     (has_ts && ref_less(tw->ts_recent, s->tsval)))) {
		r->status = REF_ACCEPT;
		return;
	}
	r->paws = old;
	if (s->rst)
		return;
	r->timer = old || s->ack;
	ref_say_ack(s, end, r);
}

static inline struct ref_result ref_process(const struct ref_tw *tw, const struct ref_seg *s)
{
	uint32_t end = s->seq + s->len + (s->syn ? 1 : 0) + (s->fin ? 1 : 0);
	int has_ts = s->has_ts && tw->has_ts && tw->sysctl_ts;
	int old = has_ts && ref_old_timestamp(tw, s);
	struct ref_result r = { REF_SWALLOW };

	if (tw->fin_wait2)
		ref_fin_wait2(tw, s, end, has_ts, old, &r);
	else
		ref_time_wait(tw, s, end, has_ts, old, &r);
	return r;
}

#endif /* SELFTESTS_SEGMENT_REF_H */
