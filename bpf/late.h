/* SPDX-License-Identifier: GPL-2.0 */
/*
 * late.h - a segment for a remembered session.
 *
 * Everything here is off the fast path. Order: has the record expired; has a
 * socket the tuple after all; is the checksum right; what does TIME_WAIT say;
 * carry it out.
 */
#ifndef VESTIGE_BPF_LATE_H
#define VESTIGE_BPF_LATE_H

#include "elsewhere.h"
#include <vestige/tcpopt.h>

enum vtw_fate {
	VTW_PASS,
	VTW_SWALLOW,
	VTW_ANSWER_IT,		/* turn the frame round, then send it back */
	VTW_SEND_BACK,		/* the frame is the answer now */
	VTW_SEND_ON,		/* so it is, and leaves by another device than it came by */
	VTW_BEGIN_AGAIN,	/* 2MSL; then what `then` says */
};

/*
 * What is on the desk while a segment is dealt with. It lies in a per-CPU map,
 * as the stack is too small; hooks on packets run with softirqs off and never
 * inside each other.
 */
struct vtw_work {
	__u32 i;			/* the record */
	__u32 length_ms;		/* of a 2MSL that begins now */
	__u64 hash;
	union vtw_word raw;		/* what commits compare with */
	struct vtw_session s;		/* settled */
	__u64 now;
	__u32 ts_offset;
	__u32 partial;			/* the frame is CHECKSUM_PARTIAL */
	__u32 ack_seq;			/* of the segment */
	struct vtw_segment g;
	struct vtw_decision d;
	struct vtw_ack ack;
	__u32 oif;			/* of VTW_SEND_ON */
	enum vtw_fate then;		/* after 2MSL has begun again */
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct vtw_work);
} desk SEC(".maps");

/*
 * The steps that need stack of their own are calls: vtw4_check_tc() and so on.
 * The four families of them, IPv4 and IPv6, tc and XDP, come from VTW_STEPS at
 * the end of this file.
 */
#define STEP(v6, xdp, name, ...)					\
	((xdp) ? ((v6) ? vtw6_##name##_xdp(__VA_ARGS__) : vtw4_##name##_xdp(__VA_ARGS__)) : \
		 ((v6) ? vtw6_##name##_tc(__VA_ARGS__) : vtw4_##name##_tc(__VA_ARGS__)))

#define VTW_STEP_NAMES(n, hook, ctx_t)					\
int vtw##n##_check_##hook(ctx_t *ctx, const struct vtw_frame *f,	\
			  const struct vtw_key *k);			\
int vtw##n##_owner_##hook(ctx_t *ctx, const struct vtw_key *k);		\
__u64 vtw##n##_tstamp_##hook(ctx_t *ctx, const struct vtw_frame *f)

VTW_STEP_NAMES(4, tc, struct __sk_buff);
VTW_STEP_NAMES(6, tc, struct __sk_buff);
VTW_STEP_NAMES(4, xdp, struct xdp_md);
VTW_STEP_NAMES(6, xdp, struct xdp_md);

/* Who else has the tuple. */
enum vtw_owner {
	VTW_NOBODY,
	VTW_LISTENER,
	VTW_SOCKET,		/* connected, half-open, or the kernel's own TIME_WAIT */
};

/*
 * The stack's word beats ours: while a socket is hashed under the tuple,
 * segments are its business. That closes the races between closing, recording
 * and connecting again, and covers sockets whose beginning we have not seen.
 */
static __always_inline enum vtw_owner vtw_owner(void *ctx, int v6, const struct vtw_key *k)
{
	enum vtw_owner owner = VTW_NOBODY;
	struct bpf_sock_tuple tuple = {};
	struct bpf_sock *sk;

	if (v6) {
		for (int i = 0; i < 4; i++) {
			tuple.ipv6.saddr[i] = k->raddr[i];
			tuple.ipv6.daddr[i] = k->laddr[i];
		}
		tuple.ipv6.sport = k->rport;
		tuple.ipv6.dport = k->lport;
		sk = bpf_skc_lookup_tcp(ctx, &tuple, sizeof(tuple.ipv6), BPF_F_CURRENT_NETNS, 0);
	} else {
		tuple.ipv4.saddr = k->raddr[0];
		tuple.ipv4.daddr = k->laddr[0];
		tuple.ipv4.sport = k->rport;
		tuple.ipv4.dport = k->lport;
		sk = bpf_skc_lookup_tcp(ctx, &tuple, sizeof(tuple.ipv4), BPF_F_CURRENT_NETNS, 0);
	}
	if (sk) {
		owner = sk->state == BPF_TCP_LISTEN ? VTW_LISTENER : VTW_SOCKET;
		bpf_sk_release(sk);
	}
	return owner;
}

static long vtw_option_loop(__u32 i, struct vtw_options *o)
{
	return vtw_option_step(o);
}

#define VTW_SAW_TSTAMP	(1ull << 32)

/* The TSval that the segment carries, and VTW_SAW_TSTAMP; or 0. */
static __always_inline __u64 vtw_tstamp(void *ctx, int xdp, const struct vtw_frame *f)
{
	struct vtw_options o = {};
	__u32 n = f->doff - sizeof(struct tcphdr);

	if (f->doff <= sizeof(struct tcphdr))
		return 0;
	VTW_BOUND(n, 0x3f);
	if (n > VTW_OPT_SPACE ||
	    vtw_load(ctx, xdp, f->l4 + sizeof(struct tcphdr), o.opt, n))
		return 0;
	o.len = n;
	bpf_loop(VTW_OPT_SPACE, vtw_option_loop, &o, 0);
	return o.found ? VTW_SAW_TSTAMP | o.tsval : 0;
}

static __always_inline __u32 vtw_ts_offset(int v6, __u32 i)
{
	struct vtw_chunk *c = vtw_chunk(v6, i >> VTW_CHUNK_SHIFT);

	return c ? c->ts_offset[i & (VTW_CHUNK - 1)] : 0;
}

enum vtw_sight {
	VTW_SEEN,
	VTW_GONE,		/* expired; it has left the index, so that nobody looks again */
	VTW_MOVING,		/* another CPU is at it: the segment will be sent again */
};

/* Fill in what is known of record i. */
static __always_inline enum vtw_sight vtw_look(int v6, __u32 i, const struct vtw_key *k,
					       struct vtw_work *w)
{
	const struct vtw_config *cfg = vtw_config();
	struct vtw_tcb *t = vtw_tcb(v6, i);

	if (!t || !cfg)
		return VTW_GONE;
	w->i = i;
	w->now = vtw_now();
	w->raw.all = vtw_read_word(t);
	w->s.word = vtw_settled(v6, i, w->raw, cfg, w->now);
	w->s.snd_nxt = t->snd_nxt;
	w->s.rcv_nxt = t->rcv_nxt;
	w->s.ts_recent = *(volatile __u32 *)&t->ts_recent;
	w->ts_offset = vtw_ts_offset(v6, i);
	/* Still the same session, after all of it was read? */
	if (!vtw_same(v6, t, k) || vtw_read_word(t) != w->raw.all ||
	    w->raw.state == VTW_CLAIMED) {
		STAT(race);
		return VTW_MOVING;
	}
	w->s.left_ms = vtw_ms_left(w->s.word.expires, w->now);
	w->s.length_ms = vtw_length(cfg, vtw_ring_of(w->s.word.state, w->s.word.class));
	/* Lengths were shortened meanwhile: as if it began now. */
	if (w->s.length_ms < w->s.left_ms)
		w->s.length_ms = w->s.left_ms;
	if (vtw_in_use(w->s.word))
		return VTW_SEEN;
	if (vtw_in_use(w->raw) && !vtw_end(v6, i, k, w->raw)) {
		STAT(expired_on_sight);
		vtw_tell(v6, k, VTW_EV_EXPIRED, w->raw, 0);
	}
	return VTW_GONE;
}

/* tcp_tw_tsval(): the clock of the session's timestamps at a time in ns. */
static __always_inline __u32 vtw_ts_clock(union vtw_word word, __u64 ns)
{
	return word.tsmode == VTW_TS_USEC ? ns / 1000 : ns / 1000000;
}

/*
 * 2MSL begins again, for a FIN_WAIT_2 record for the first time. The frame is
 * dropped when another CPU was faster: the peer will send it again.
 */
static __always_inline enum vtw_fate vtw_begin_again(int v6, const struct vtw_key *k, __u32 i)
{
	struct vtw_work *w = vtw_only(&desk);
	struct vtw_draft d = {};
	int done;

	if (!w)
		return VTW_SWALLOW;
	d.snd_nxt = w->s.snd_nxt;
	d.rcv_nxt = w->s.rcv_nxt;
	d.ts_recent = w->s.ts_recent;
	d.ts_offset = w->ts_offset;
	d.length_ms = w->length_ms;
	d.word = w->s.word;
	d.word.state = VTW_TIME_WAIT;
	if (w->d.fin)
		d.word.restarts = 0;
	else if (d.word.restarts < VTW_MAX_RESTARTS)
		d.word.restarts++;
	done = vtw_restart(v6, k, w->hash, w->i, w->raw, i, &d, w->now);
	if (done < 0) {
		STAT(race);
		return VTW_SWALLOW;
	}
	if (!done && w->d.fin)
		STAT(fin_wait2_done);
	else if (!done)
		STAT(restarted);
	return w->then;
}

/* Carry out what changes the record itself. -1: it is another one by now. */
static __always_inline int vtw_commit(int v6, const struct vtw_key *k, struct vtw_work *w)
{
	struct vtw_tcb *t;

	if (w->d.kill)
		return vtw_end(v6, w->i, k, w->raw);
	if (w->d.fin)
		w->s.rcv_nxt = w->g.end_seq;
	if (w->d.learn_ts)
		w->s.ts_recent = w->g.tsval;
	if (!w->d.learn_ts || w->d.restart)
		return 0;
	t = vtw_seize(v6, w->i, k, w->raw);
	if (!t)
		return -1;
	t->ts_recent = w->g.tsval;
	__sync_lock_test_and_set(&t->word.all, w->raw.all);
	return 0;
}

static __always_inline void vtw_count_decision(const struct vtw_decision *d)
{
	if (d->paws)
		STAT(paws);
	if (d->refused)
		STAT(restart_refused);
	if (d->verdict == VTW_PASS_RESET)
		STAT(reset_after_close);
	else if (d->kill)
		STAT(killed_rst);
	else if (d->verdict == VTW_DROP)
		STAT(dropped);
}

/*
 * The record turns from what we saw into a reopening, for three seconds. -1: it
 * is another one.
 */
static __always_inline int vtw_open_for_syn(int v6, const struct vtw_key *k,
					    const struct vtw_work *w)
{
	struct vtw_tcb *t = vtw_seize(v6, w->i, k, w->raw);
	union vtw_word word = w->s.word;

	if (!t) {
		STAT(race);
		return -1;
	}
	word.state = VTW_REOPENING;
	word.expires = (__u32)w->now + VTW_REOPEN_MS;
	__sync_lock_test_and_set(&t->word.all, word.all);
	return 0;
}

/* An acceptable SYN, and a listener: the tuple is the stack's for a while. */
static __always_inline enum vtw_fate vtw_reopen(int v6, const struct vtw_key *k,
						struct vtw_work *w)
{
	const struct vtw_config *cfg = vtw_config();

	if (cfg && !cfg->reopen)
		vtw_end(v6, w->i, k, w->raw);
	else if (vtw_open_for_syn(v6, k, w))
		return VTW_SWALLOW;	/* it will be sent again */
	STAT(syn_reopened);
	return VTW_PASS;
}

/*
 * tcp_oow_rate_limited(). Two CPUs may both answer in the same ms; the peer
 * bears it.
 */
static __always_inline int vtw_limited(const struct vtw_work *w)
{
	struct vtw_sysctls *sys = vtw_only(&sysctls);
	__u32 who = (w->hash >> 32) ^ w->s.snd_nxt, now = (__u32)w->now;
	struct vtw_oow *limits = vtw_only(&oow);
	__u64 *last;

	if (!limits || !sys)
		return 0;
	last = &limits->last[w->hash & (VTW_OOW_SLOTS - 1)];
	if (*last >> 32 == who && now - (__u32)*last < sys->invalid_ratelimit_ms)
		return 1;
	*last = (__u64)who << 32 | now;
	return 0;
}

/*
 * The RST is the stack's to send, but a listener would take the SYN instead: as
 * tcp_v4_send_reset(), RFC 9293 3.10.7.1.
 */
static __always_inline enum vtw_fate vtw_voice_rst(struct vtw_work *w)
{
	int ack = w->g.flags & VTW_ACK;

	w->ack = (struct vtw_ack) {
		.seq = ack ? w->ack_seq : 0,
		.ack = ack ? 0 : w->g.end_seq,
		.rst = 1,
	};
	return VTW_ANSWER_IT;
}

/* Make the answer up, if there is to be one. */
static __always_inline enum vtw_fate vtw_voice(struct vtw_work *w, int listener)
{
	struct vtw_ack *a = &w->ack;

	if (w->d.verdict == VTW_DROP)
		return VTW_SWALLOW;
	if (w->s.word.tsmode == VTW_TS_MUTE) {
		STAT(withheld_mute);
		return VTW_SWALLOW;
	}
	if (w->d.verdict == VTW_PASS_RESET)
		return listener && w->g.flags & VTW_SYN ? vtw_voice_rst(w) : VTW_PASS;
	if (w->d.limit && vtw_limited(w)) {
		STAT(limited);
		return VTW_SWALLOW;
	}
	a->rst = 0;
	a->seq = w->s.snd_nxt;
	a->ack = w->s.rcv_nxt;
	a->wnd = w->s.word.wnd;
	a->tsecr = vtw_has_ts(w->s.word) ? w->s.ts_recent : 0;
	a->tsval = vtw_ts_clock(w->s.word, bpf_ktime_get_ns()) + w->ts_offset;
	return VTW_ANSWER_IT;
}

static __always_inline enum vtw_fate vtw_answer_it(void *ctx, int xdp, int v6,
						   const struct vtw_frame *f,
						   const struct vtw_key *k)
{
	struct vtw_work *w = vtw_only(&desk);
	__u32 oif = w ? vtw_elsewhere(ctx, xdp, v6, k, w->s.word) : 0;
	int on = oif && vtw_can_go_on(xdp, f);

	if (!w || vtw_turn(ctx, xdp, v6, f, k, &w->ack, w->partial) ||
	    (on && vtw_lift(ctx, f))) {
		STAT(unanswerable);
		return VTW_SWALLOW;
	}
	if (w->ack.rst)
		STAT(answered_rst);
	else if (f->flags & VTW_FIN)
		STAT(answered_fin);
	else
		STAT(answered_ack);
	if (xdp)
		STAT(answered_xdp);
	vtw_tell(v6, k, VTW_EV_ANSWERED, w->s.word, 0);
	if (on)
		STAT(answered_routed);
	else if (oif)
		STAT(answered_astray);
	w->oif = oif;
	return on ? VTW_SEND_ON : VTW_SEND_BACK;
}

static __always_inline void vtw_segment_of(void *ctx, int xdp, int v6, const struct vtw_frame *f,
					   struct vtw_segment *g)
{
	__u64 ts = STEP(v6, xdp, tstamp, ctx, f);

	g->seq = f->seq;
	g->end_seq = f->seq + (f->end - f->l4 - f->doff) + !!(f->flags & VTW_SYN) +
		     !!(f->flags & VTW_FIN);
	g->flags = f->flags;
	g->tsval = ts;
	g->saw_tstamp = !!(ts & VTW_SAW_TSTAMP);
}

static __always_inline struct vtw_policy vtw_policy(void)
{
	const struct vtw_config *cfg = vtw_config();
	struct vtw_sysctls *sys = vtw_only(&sysctls);
	struct vtw_policy p = { .timestamps = 1 };

	if (cfg)
		p.restarts = cfg->restarts > VTW_MAX_RESTARTS ? VTW_MAX_RESTARTS + 1 :
							       cfg->restarts;
	if (sys) {
		p.timestamps = !!sys->timestamps;
		p.rfc1337 = !!sys->rfc1337;
	}
	return p;
}

/* The record stands, the checksum is right, and no socket has the tuple. */
static __always_inline enum vtw_fate vtw_judge(int v6, const struct vtw_key *k,
					       struct vtw_work *w, int listener)
{
	const struct vtw_config *cfg = vtw_config();
	struct vtw_policy p = vtw_policy();

	w->d = vtw_decide(&w->s, w->g, &p);
	if (w->d.verdict == VTW_TO_STACK) {
		STAT(reopen_passed);
		return VTW_PASS;
	}
	if (w->raw.state == VTW_REOPENING)
		STAT(reopen_failed);
	if (w->d.verdict == VTW_NEW_SYN && listener)
		return vtw_reopen(v6, k, w);
	if (w->d.verdict == VTW_NEW_SYN)
		STAT(syn_no_listener);
	w->length_ms = cfg ? vtw_length(cfg, w->s.word.class) : 60000;
	if (vtw_commit(v6, k, w)) {
		STAT(race);
		return VTW_SWALLOW;	/* the peer will send it again */
	}
	vtw_count_decision(&w->d);
	w->then = vtw_voice(w, listener);
	return w->d.restart ? VTW_BEGIN_AGAIN : w->then;
}

/*
 * XDP sees what the network card lets through; tc and the stack have pkt_type.
 */
static __always_inline int vtw_to_our_station(void *ctx, __u32 ifindex)
{
	struct vtw_mac *own = bpf_map_lookup_elem(&macs, &ifindex), to = {};

	if (vtw_load(ctx, 1, 0, to.addr, sizeof(to.addr)))
		return 0;
	if (!own)
		return !(to.addr[0] & 1);
	for (int n = 0; n < 6; n++)
		if (to.addr[n] != own->addr[n])
			return 0;
	return 1;
}

/* A segment came for record i. */
static __always_inline enum vtw_fate vtw_late(void *ctx, int xdp, int v6,
					      const struct vtw_frame *f,
					      const struct vtw_key *k, __u32 i, __u64 hash)
{
	const struct vtw_config *cfg = vtw_config();
	struct vtw_work *w = vtw_only(&desk);
	int owner, csum, sight;

	if (xdp && !vtw_to_our_station(ctx, k->ifindex)) {
		STAT(not_for_us);
		return VTW_PASS;
	}
	if (xdp && f->end > bpf_xdp_get_buff_len(ctx)) {
		STAT(malformed);
		return VTW_PASS;
	}
	if (!cfg || !w)
		return VTW_PASS;
	sight = vtw_look(v6, i, k, w);
	if (sight != VTW_SEEN)
		return sight == VTW_GONE ? VTW_PASS : VTW_SWALLOW;
	w->hash = hash;
	w->ack_seq = f->ack_seq;
	owner = STEP(v6, xdp, owner, ctx, k);
	if (owner == VTW_SOCKET) {
		STAT(to_socket);
		return VTW_PASS;
	}
	csum = STEP(v6, xdp, check, ctx, f, k);
	if (csum == VTW_CSUM_BAD && cfg->verify_csum) {
		STAT(bad_csum);
		return VTW_PASS;	/* the stack drops it and counts it */
	}
	w->partial = csum == VTW_CSUM_PARTIAL;
	vtw_segment_of(ctx, xdp, v6, f, &w->g);
	return vtw_judge(v6, k, w, owner == VTW_LISTENER);
}

__noinline int vtw4_again(const struct vtw_key *k, __u32 i)
{
	return k ? vtw_begin_again(0, k, i) : VTW_SWALLOW;
}

__noinline int vtw6_again(const struct vtw_key *k, __u32 i)
{
	return k ? vtw_begin_again(1, k, i) : VTW_SWALLOW;
}

#define VTW_STEPS(n, v6, hook, ctx_t, xdp)				\
__noinline int vtw##n##_check_##hook(ctx_t *ctx, const struct vtw_frame *f, \
				     const struct vtw_key *k)		\
{									\
	return f && k ? vtw_check(ctx, xdp, v6, f, k) : VTW_CSUM_BAD;	\
}									\
__noinline int vtw##n##_owner_##hook(ctx_t *ctx, const struct vtw_key *k) \
{									\
	return k ? vtw_owner(ctx, v6, k) : VTW_SOCKET;			\
}									\
__noinline __u64 vtw##n##_tstamp_##hook(ctx_t *ctx, const struct vtw_frame *f) \
{									\
	return f ? vtw_tstamp(ctx, xdp, f) : 0;				\
}									\
__noinline int vtw##n##_turn_##hook(ctx_t *ctx, const struct vtw_frame *f, \
				    const struct vtw_key *k)		\
{									\
	return f && k ? vtw_answer_it(ctx, xdp, v6, f, k) : VTW_SWALLOW; \
}									\
__noinline int vtw##n##_late_##hook(ctx_t *ctx, const struct vtw_frame *f, \
				    const struct vtw_key *k, __u32 i, __u64 hash) \
{									\
	return f && k ? vtw_late(ctx, xdp, v6, f, k, i, hash) : VTW_PASS; \
}

VTW_STEPS(4, 0, tc, struct __sk_buff, 0)
VTW_STEPS(6, 1, tc, struct __sk_buff, 0)
VTW_STEPS(4, 0, xdp, struct xdp_md, 1)
VTW_STEPS(6, 1, xdp, struct xdp_md, 1)

/*
 * A segment arrives: look it up; if it is remembered, see to it. Each stage has
 * returned before the next is called, which is what makes the stack suffice.
 */
static __always_inline enum vtw_fate vtw_receive(void *ctx, int xdp, int v6,
						 const struct vtw_frame *f,
						 const struct vtw_key *k)
{
	__u64 hash = vtw_hash_of(v6, k);
	int fate;
	__u32 i;

	if (!vtw_maybe(v6, hash))
		return VTW_PASS;
	i = CALL(v6, find, k, hash);
	if (i == VTW_NONE)
		return VTW_PASS;
	fate = STEP(v6, xdp, late, ctx, f, k, i, hash);
	if (fate == VTW_BEGIN_AGAIN) {
		struct vtw_work *w = vtw_only(&desk);

		if (!w)
			return VTW_SWALLOW;
		i = vtw_fresh(v6, w->s.word.class, w->length_ms, w->now);
		fate = v6 ? vtw6_again(k, i) : vtw4_again(k, i);
	}
	if (fate == VTW_ANSWER_IT)
		fate = STEP(v6, xdp, turn, ctx, f, k);
	return fate;
}

#endif /* VESTIGE_BPF_LATE_H */
