/* SPDX-License-Identifier: GPL-2.0 */
/*
 * leave.h - what leaves on the tuple of a remembered session: SYN and RST.
 */
#ifndef VESTIGE_BPF_LEAVE_H
#define VESTIGE_BPF_LEAVE_H

#include "late.h"

/*
 * Our own SYN leaves for record i. When held, TCP sends it again in a second,
 * and connect() goes on waiting. The latest timestamp of the old session is
 * that of the moment when 2MSL began.
 */
static __always_inline enum vtw_fate vtw_connects(void *ctx, int v6, const struct vtw_frame *f,
						  const struct vtw_key *k, __u32 i)
{
	struct vtw_work *w = vtw_only(&desk);
	__u32 sent_ts;
	int sight;
	__u64 ts;

	if (!w)
		return VTW_PASS;
	sight = vtw_look(v6, i, k, w);
	if (sight == VTW_MOVING)
		return VTW_SWALLOW;
	if (sight == VTW_GONE || w->s.word.state == VTW_REOPENING)
		return VTW_PASS;
	ts = STEP(v6, 0, tstamp, ctx, f);
	sent_ts = w->ts_offset +
		  vtw_ts_clock(w->s.word, (w->now - (w->s.length_ms - w->s.left_ms)) * 1000000);
	if (!vtw_connect_safe(&w->s, f->seq, !!(ts & VTW_SAW_TSTAMP), ts, sent_ts)) {
		STAT(connect_held);
		vtw_tell(v6, k, VTW_EV_REFUSED, w->s.word, 0);
		return VTW_SWALLOW;
	}
	vtw_open_for_syn(v6, k, w);	/* if lost: the stack's socket goes first anyway */
	STAT(connect_safe);
	return VTW_PASS;
}

/*
 * The stack itself sends a RST on a remembered tuple.
 *
 * With ACK it is a RST of its own accord (tcp_send_active_reset()): the socket
 * looked like an orphan in FIN_WAIT_2, but was reset; there is nothing to
 * remember.
 *
 * Without, it answers a segment that found no socket. When the ACK of our FIN
 * and the peer's FIN come in one batch, both pass the ingress hook before the
 * stack sees the first, which makes the record; the FIN then meets nothing.
 * Such a RST must not leave: the FIN comes again and is answered. If it was for
 * data after close, the data comes again and gets its RST then.
 */
static __always_inline enum vtw_fate vtw_resets(int v6, const struct vtw_frame *f,
						const struct vtw_key *k, __u32 i)
{
	struct vtw_work *w = vtw_only(&desk);
	int sight;

	if (!w)
		return VTW_PASS;
	sight = vtw_look(v6, i, k, w);
	if (sight == VTW_GONE || (sight == VTW_SEEN && w->s.word.state == VTW_REOPENING))
		return VTW_PASS;
	if (sight == VTW_MOVING || !(f->flags & VTW_ACK)) {
		STAT(reset_held);
		return VTW_SWALLOW;
	}
	if (w->s.word.state == VTW_FIN_WAIT2 && !vtw_end(v6, i, k, w->raw))
		STAT(reset_sent);
	return VTW_PASS;
}

/*
 * A forwarded flow, masqueraded, has the tuple of a session of ours that NAT
 * has forgotten: the tuple is not ours any more. Its RSTs are none of our
 * business.
 */
static __always_inline void vtw_forwarded(int v6, const struct vtw_frame *f,
					  const struct vtw_key *k)
{
	if (f->flags & VTW_SYN)
		vtw_forget(v6, k);
}

#endif /* VESTIGE_BPF_LEAVE_H */
