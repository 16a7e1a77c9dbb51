/* SPDX-License-Identifier: GPL-2.0 */
/*
 * record.h - the life of a record: remember, restart, forget; and who is told.
 */
#ifndef VESTIGE_BPF_RECORD_H
#define VESTIGE_BPF_RECORD_H

#include "maps.h"

/*
 * Global functions: the verifier checks each once, whatever the caller knows,
 * instead of once for every path that leads to it; and each has its own few
 * bytes of the 512 of stack.
 */
int vtw4_is_call(__u32 i, const struct vtw_key *k);
int vtw6_is_call(__u32 i, const struct vtw_key *k);
int vtw4_unlink_call(__u32 i);
int vtw6_unlink_call(__u32 i);
int vtw4_clean_call(__u32 chunk, __u64 now);
int vtw6_clean_call(__u32 chunk, __u64 now);
__u32 vtw4_trim_call(__u32 chunk, __u64 floor, __u64 now);
__u32 vtw6_trim_call(__u32 chunk, __u64 floor, __u64 now);
int vtw4_claim_call(__u32 i, __u64 until, int gentle, __u64 now);
int vtw6_claim_call(__u32 i, __u64 until, int gentle, __u64 now);
__u64 vtw4_offer_call(__u32 ring, __u64 now);
__u64 vtw6_offer_call(__u32 ring, __u64 now);
int vtw4_refill_call(__u32 ring, __u64 now, int aside);
int vtw6_refill_call(__u32 ring, __u64 now, int aside);
static __always_inline void vtw_unlinked(int v6, __u32 i, union vtw_word was, int live);

#define CALL(v6, name, ...) \
	((v6) ? vtw6_##name##_call(__VA_ARGS__) : vtw4_##name##_call(__VA_ARGS__))

#define VTW_IS_CALL(v6, i, k)			CALL(v6, is, i, k)
#define VTW_UNLINK_CALL(v6, i)			CALL(v6, unlink, i)
#define VTW_CLEAN_CALL(v6, chunk, now)		CALL(v6, clean, chunk, now)
#define VTW_TRIM_CALL(v6, chunk, floor, now)	CALL(v6, trim, chunk, floor, now)
#define VTW_CLAIM_CALL(v6, i, until, gentle, now) CALL(v6, claim, i, until, gentle, now)
#define VTW_OFFER_CALL(v6, p, ring, cfg, now)	CALL(v6, offer, ring, now)
#define VTW_REFILL_CALL(v6, ring, cfg, now, aside) CALL(v6, refill, ring, now, aside)

#include <vestige/ring.h>
#include <vestige/segment.h>

static __always_inline const struct vtw_config *vtw_config(void)
{
	return vtw_only(&config);
}

static __always_inline __u64 vtw_offer_with(int v6, __u32 ring, __u64 now)
{
	const struct vtw_config *cfg = vtw_config();
	struct vtw_pool *p = vtw_pool(v6);

	return cfg && p ? vtw_offer(v6, p, ring, cfg, now) : VTW_NO_OFFER;
}

static __always_inline int vtw_refill_with(int v6, __u32 ring, __u64 now, int aside)
{
	const struct vtw_config *cfg = vtw_config();

	return cfg ? vtw_refill(v6, ring, cfg, now, aside) : -1;
}

static __always_inline __u32 vtw_take_with(int v6, __u32 ring, __u64 until, __u64 now)
{
	const struct vtw_config *cfg = vtw_config();

	return cfg ? vtw_take(v6, ring, cfg, until, now) : VTW_NONE;
}

#define VTW_CALLS(n, v6)						\
__noinline int vtw##n##_is_call(__u32 i, const struct vtw_key *k)	\
{									\
	return k ? vtw_is(v6, i, k) : 0;				\
}									\
__noinline __u32 vtw##n##_find_call(const struct vtw_key *k, __u64 hash) \
{									\
	return k ? vtw_find(v6, k, hash) : VTW_NONE;			\
}									\
__noinline __u32 vtw##n##_trim_call(__u32 chunk, __u64 floor, __u64 now) \
{									\
	return vtw_chunk_trim(v6, chunk, floor, now);			\
}									\
__noinline int vtw##n##_claim_call(__u32 i, __u64 until, int gentle, __u64 now) \
{									\
	return vtw_claim(v6, i, until, gentle, now);			\
}									\
__noinline int vtw##n##_clean_call(__u32 chunk, __u64 now)		\
{									\
	vtw_chunk_clean(v6, chunk, now);				\
	return 0;							\
}									\
__noinline __u64 vtw##n##_offer_call(__u32 ring, __u64 now)		\
{									\
	return vtw_offer_with(v6, ring, now);				\
}									\
__noinline int vtw##n##_refill_call(__u32 ring, __u64 now, int aside)	\
{									\
	return vtw_refill_with(v6, ring, now, aside);			\
}									\
__noinline __u32 vtw##n##_take_call(__u32 ring, __u64 until, __u64 now)	\
{									\
	return vtw_take_with(v6, ring, until, now);			\
}									\
__noinline int vtw##n##_insert_call(__u64 hash, __u32 i)		\
{									\
	return vtw_insert(v6, hash, i);					\
}									\
__noinline int vtw##n##_relink_call(__u64 hash, __u32 from, __u32 to)	\
{									\
	return vtw_relink(v6, hash, from, to, 0);			\
}									\
__noinline int vtw##n##_unlink_call(__u32 i)				\
{									\
	return vtw_unlink(v6, i);					\
}

VTW_CALLS(4, 0)
VTW_CALLS(6, 1)

/*
 * Inline on the fast path; elsewhere by call, as it spills whole keys to the
 * stack.
 */
static __always_inline __u64 vtw_hash_of(int v6, const struct vtw_key *k)
{
	__u64 seed[2] = { geo[v6].seed[0], geo[v6].seed[1] };

	return vtw_hash(v6, k, seed);
}

/* Send an event, if somebody listens. kind: enum vtw_event_kind, << 1 | v6. */
__noinline int vtw_send_event(const struct vtw_key *k, __u32 kind, __u64 word, __u32 length_ms)
{
	const struct vtw_config *cfg = vtw_config();
	union vtw_word w = { .all = word };
	struct vtw_event *ev;
	__u64 now;

	if (!k || !cfg || !cfg->monitor_until_ns)
		return 0;
	now = bpf_ktime_get_ns();
	if (now >= cfg->monitor_until_ns)
		return 0;
	ev = bpf_ringbuf_reserve(&events, sizeof(*ev), 0);
	if (!ev) {
		STAT(events_lost);
		return 0;
	}
	__builtin_memset(ev, 0, sizeof(*ev));
	ev->time_ns = now;
	ev->kind = kind >> 1;
	ev->family = kind & 1 ? 10 : 2;
	ev->state = w.state;
	ev->class = w.class;
	ev->length_ms = length_ms;
	ev->lport = k->lport;
	ev->rport = k->rport;
	for (int i = 0; i < 4; i++) {
		ev->laddr[i] = k->laddr[i];
		ev->raddr[i] = k->raddr[i];
	}
	bpf_ringbuf_submit(ev, 0);
	return 0;
}

static __always_inline void vtw_tell(int v6, const struct vtw_key *k, __u32 kind,
				     union vtw_word word, __u32 length_ms)
{
	vtw_send_event(k, kind << 1 | v6, word.all, length_ms);
}

/*
 * ring.h tells: record i has left the index, because it expired or had to go.
 */
static __always_inline void vtw_unlinked(int v6, __u32 i, union vtw_word was, int live)
{
	struct vtw_tcb *t = vtw_tcb(v6, i);
	struct vtw_key k = {};

	if (live)
		STAT(evicted);
	else
		STAT(expired);
	if (!live || !t)
		return;
	vtw_get_key(v6, t, &k);
	vtw_tell(v6, &k, VTW_EV_EVICTED, was, 0);
}

/*
 * Claim a record that we looked at: only if it is still what we saw, and still
 * this tuple's, as in a tiny pool it may have changed hands within a
 * millisecond and look the same. NULL: it is another session by now, and stays
 * what it is.
 */
static __always_inline struct vtw_tcb *vtw_seize(int v6, __u32 i, const struct vtw_key *k,
						 union vtw_word seen)
{
	union vtw_word mine = { .state = VTW_CLAIMED };
	struct vtw_tcb *t = vtw_tcb(v6, i);

	if (!t || vtw_cas(&t->word.all, seen.all, mine.all) != seen.all)
		return 0;
	if (vtw_same(v6, t, k))
		return t;
	__sync_lock_test_and_set(&t->word.all, seen.all);
	return 0;
}

/* End a record that we looked at. 0: it was still that one. */
static __always_inline int vtw_end(int v6, __u32 i, const struct vtw_key *k, union vtw_word seen)
{
	struct vtw_tcb *t = vtw_seize(v6, i, k, seen);

	if (!t)
		return -1;
	CALL(v6, unlink, i);
	vtw_release(t);
	return 0;
}

/*
 * Two CPUs may store in either order: they differ by one tick at most, for one
 * class.
 */
static __always_inline void vtw_stamp_port(__be16 port, __u64 until)
{
	__u32 tick = (until >> VTW_PORT_TICK_SHIFT) + 1;
	struct vtw_ports *ports_ = vtw_only(&ports);
	volatile __u32 *stamp;

	if (!ports_)
		return;
	stamp = &ports_->until[bpf_ntohs(port)];
	if (!*stamp || (__s32)(tick - *stamp) > 0)
		*stamp = tick;
}

/* What remember() and restart() write. */
struct vtw_draft {
	__u32 snd_nxt, rcv_nxt, ts_recent, ts_offset;
	union vtw_word word;
	__u32 length_ms;
};

/* A record for a session of this ring, or VTW_NONE. */
static __always_inline __u32 vtw_fresh(int v6, __u32 ring, __u32 length_ms, __u64 now)
{
	__u32 i = CALL(v6, take, ring, now + length_ms, now);

	if (i == VTW_NONE)
		STAT(lost_no_record);
	return i;
}

/* Write a draft into fresh record i, which is claimed and stays so. */
static __always_inline struct vtw_tcb *vtw_write(int v6, const struct vtw_key *k, __u32 i,
						 const struct vtw_draft *d)
{
	struct vtw_chunk *c = vtw_chunk(v6, i >> VTW_CHUNK_SHIFT);
	struct vtw_tcb *t = vtw_tcb(v6, i);

	if (!t || !c)
		return 0;
	vtw_put_key(v6, t, k);
	t->snd_nxt = d->snd_nxt;
	t->rcv_nxt = d->rcv_nxt;
	t->ts_recent = d->ts_recent;
	c->ts_offset[i & (VTW_CHUNK - 1)] = d->ts_offset;
	return t;
}

/*
 * Now it is a session. Everything else was written before: the exchange is a
 * full barrier.
 */
static __always_inline void vtw_publish(struct vtw_tcb *t, const struct vtw_key *k,
					const struct vtw_draft *d, __u64 now)
{
	union vtw_word word = d->word;

	word.expires = (__u32)now + d->length_ms;
	__sync_lock_test_and_set(&t->word.all, word.all);
	vtw_stamp_port(k->lport, now + d->length_ms);
}

/* With a full barrier: what is read before, or after, belongs there. */
static __always_inline __u64 vtw_read_word(struct vtw_tcb *t)
{
	return __sync_fetch_and_add(&t->word.all, 0);
}

/*
 * The tuple's record, and its word as it is now. VTW_NONE, or a record that was
 * one a moment ago.
 */
static __always_inline __u32 vtw_recall(int v6, const struct vtw_key *k, __u64 hash,
					struct vtw_tcb **t, union vtw_word *raw)
{
	__u32 i = CALL(v6, find, k, hash);

	*t = i == VTW_NONE ? 0 : vtw_tcb(v6, i);
	if (!*t)
		return VTW_NONE;
	raw->all = vtw_read_word(*t);
	if (vtw_in_use(*raw) && vtw_same(v6, *t, k))
		return i;
	*t = 0;		/* it changed hands between the two looks */
	return VTW_NONE;
}

/* The word with what time has done to it. */
static __always_inline union vtw_word vtw_settled(int v6, __u32 i, union vtw_word raw,
						  const struct vtw_config *cfg, __u64 now)
{
	struct vtw_chunk *c = vtw_chunk(v6, i >> VTW_CHUNK_SHIFT);

	return vtw_settle(raw, c ? vtw_until(vtw_link(c)) : 0, vtw_length(cfg, raw.class), now);
}

/*
 * Has this very session been recorded, a moment ago? Its FIN may have come
 * since.
 */
static __always_inline int vtw_recorded(int v6, const struct vtw_key *k, __u32 snd_nxt)
{
	union vtw_word raw;
	struct vtw_tcb *t;

	vtw_recall(v6, k, vtw_hash_of(v6, k), &t, &raw);
	return t && t->snd_nxt == snd_nxt;
}

/*
 * Record a session. Between the callback and the unhashing of the socket,
 * record and socket both exist: late.h lets the socket have the segments.
 */
static __always_inline int vtw_remember(int v6, const struct vtw_key *k,
					const struct vtw_draft *d)
{
	__u64 hash = vtw_hash_of(v6, k), now = vtw_now();
	union vtw_word raw;
	struct vtw_tcb *t;
	__u32 i;

	i = vtw_recall(v6, k, hash, &t, &raw);
	if (i != VTW_NONE && !vtw_end(v6, i, k, raw))
		STAT(replaced);
	i = vtw_fresh(v6, vtw_ring_of(d->word.state, d->word.class), d->length_ms, now);
	t = vtw_write(v6, k, i, d);
	if (!t)
		return -1;
	if (CALL(v6, insert, hash, i)) {
		STAT(lost_no_slot);
		vtw_release(t);
		return -1;
	}
	vtw_publish(t, k, d, now);
	vtw_tell(v6, k, VTW_EV_NEW, d->word, d->length_ms);
	return 1;
}

/*
 * 2MSL begins again: fresh record i at the young end of its ring takes the old
 * one's place in the index. If another CPU changed the old one, we decided
 * about the past: -1. Without a fresh record, or a place for it (counted): 1,
 * and the old one stays, or is lost. In the moment between the two a segment of
 * the session that another CPU handles finds neither: flows do not change CPU
 * that fast.
 */
static __always_inline int vtw_restart(int v6, const struct vtw_key *k, __u64 hash, __u32 old,
				       union vtw_word seen, __u32 i, const struct vtw_draft *d,
				       __u64 now)
{
	struct vtw_tcb *t = 0, *new = vtw_write(v6, k, i, d);
	int lost;

	if (!new)
		return 1;
	/*
	 * The pool may be so full that the record to go was this one: it has
	 * left the index.
	 */
	if (i != old)
		t = vtw_seize(v6, old, k, seen);
	if (i != old && !t) {
		vtw_release(new);
		return -1;
	}
	lost = t ? CALL(v6, relink, hash, old, i) : CALL(v6, insert, hash, i);
	if (t)
		vtw_release(t);
	if (lost) {
		STAT(lost_no_slot);
		vtw_release(new);
		return 1;
	}
	vtw_publish(new, k, d, now);
	return 0;
}

/* The tuple has a connection again. */
static __always_inline void vtw_forget(int v6, const struct vtw_key *k)
{
	union vtw_word raw;
	struct vtw_tcb *t;
	__u32 i = vtw_recall(v6, k, vtw_hash_of(v6, k), &t, &raw);

	if (i == VTW_NONE || vtw_end(v6, i, k, raw))
		return;
	if (raw.state == VTW_REOPENING) {
		STAT(reopened);
		vtw_tell(v6, k, VTW_EV_REOPENED, raw, 0);
	}
}

#endif /* VESTIGE_BPF_RECORD_H */
