/* SPDX-License-Identifier: GPL-2.0 */
/*
 * ring.h - the pool: who gets which record, and who has to go.
 *
 * Every class has a ring: a list of chunks from `oldest` to the one that is
 * being filled, at `hand`. All sessions of a class live equally long, so the
 * ring's order is the order of expiry and nothing has to be sorted, timed or
 * swept: memory is looked at again only when somebody needs it. A ring that
 * needs a chunk takes, in this order,
 *
 *	its own oldest if all in it has expired (its lines are the warmest),
 *	a spare one, one never used, another ring's oldest if it has expired,
 *	else the oldest of the ring whose oldest has the least of its life left,
 *	as a share of its length.
 *
 * The last rule makes the shares of the classes follow the traffic: under
 * overload each class remembers its sessions for the same fraction of what it
 * asked for. The records of a chunk taken alive are given up one by one as the
 * hand reaches them, oldest first, never more than are needed.
 *
 * A record is taken by compare-and-swap of hand, then claimed by
 * compare-and-swap of its word. Chunks move under the pool's lock, in two steps
 * (take it out, put it in), so that nothing is held while a dead chunk's
 * records leave the index.
 *
 * A chunk is closed early once all in it has expired. So two neighbours in it
 * are at most 10 min apart, sixteen 160 min, which 24 bits of expiry can tell.
 *
 * The includer provides, besides what table.h needs:
 *
 *	struct vtw_pool *vtw_pool(int v6);
 *	vtw_lock(struct vtw_pool *), vtw_unlock(struct vtw_pool *)
 *	void vtw_unlinked(int v6, u32 i, union vtw_word was, int live)	count it
 */
#ifndef VESTIGE_RING_H
#define VESTIGE_RING_H

#include "table.h"

#define VTW_TAKE_TRIES	(8 + VTW_CHUNK)	/* of which a gentle chunk may cost 8 */

#define VTW_ASIDE_TRIES	8	/* chunks that one session may put aside to wait */

#define VTW_HAND_OFF(h)		((__u32)((h) & 0x7f))
#define VTW_HAND_GENTLE		0x80ull	/* do not end the living in this chunk */
#define VTW_HAND_CHUNK(h)	((__u32)((h) >> 8 & 0xffffff))	/* + 1; 0: none */

/* The next generation of a hand, at the start of a chunk (+ 1; 0: of none). */
static __always_inline __u64 vtw_hand_next(__u64 hand, __u32 chunk1)
{
	return ((hand >> 32) + 1) << 32 | (__u64)chunk1 << 8;
}

/* Records in a chunk: 16, fewer in the last one. */
static __always_inline __u32 vtw_chunk_size(const volatile struct vtw_geometry *g, __u32 chunk)
{
	__u32 left = g->capacity - (chunk << VTW_CHUNK_SHIFT);

	return left < VTW_CHUNK ? left : VTW_CHUNK;
}

static __always_inline __u64 vtw_link(const struct vtw_chunk *c)
{
	return *(volatile __u64 *)&c->link;
}

/*
 * Keep a chunk until at least then. Eight lost swaps mean that eight others
 * raised it in the meantime, to about the same.
 */
static __always_inline void vtw_chunk_hold(struct vtw_chunk *c, __u64 until)
{
	for (int i = 0; i < 8; i++) {
		__u64 old = vtw_link(c);
		__u64 new = until << VTW_NEXT_BITS | vtw_next(old);

		if (vtw_until(old) >= until || vtw_cas(&c->link, old, new) == old)
			return;
	}
}

/* Under the lock, where `next` stands still and only `until` may move. */
static __always_inline void vtw_set_next(struct vtw_chunk *c, __u32 next)
{
	__sync_fetch_and_add(&c->link, (__u64)next - vtw_next(vtw_link(c)));
}

#ifndef VTW_UNLINK_CALL		/* BPF makes calls of what loops, for the verifier's sake */
#define VTW_UNLINK_CALL(v6, i)	vtw_unlink(v6, i)
#endif

/*
 * A claimed record, out of the index, is anybody's again. The exchange orders
 * it behind that.
 */
static __always_inline void vtw_release(struct vtw_tcb *t)
{
	__sync_lock_test_and_set(&t->word.all, 0);
}

/*
 * Make record i ours to write. 0: it is. -1: another CPU writes it, or acts on
 * it in this very moment; then it stays what it is and the hand goes on. A CPU
 * that slept here for a whole turn of the ring may end a young session, and so
 * may one that met a chunk in the very ms in which it was found dead: counted
 * as evicted, and no two CPUs ever write one record.
 */
static __always_inline int vtw_claim(int v6, __u32 i, __u64 until, int gentle, __u64 now)
{
	struct vtw_tcb *t = vtw_tcb(v6, i);
	union vtw_word old, mine = { .state = VTW_CLAIMED };
	int live;

	if (!t)
		return -1;
	old.all = *(volatile __u64 *)&t->word.all;
	live = vtw_lives(old, until, now);
	if (old.state == VTW_CLAIMED || (live && gentle) ||
	    vtw_cas(&t->word.all, old.all, mine.all) != old.all)
		return -1;
	if (old.state != VTW_FREE) {
		VTW_UNLINK_CALL(v6, i);
		vtw_unlinked(v6, i, old, live);
	}
	return 0;
}

/*
 * End what has expired in a chunk that is in no list. A CPU that took a record
 * of it before may have published a session since: that stays.
 */
static __always_inline void vtw_chunk_clean(int v6, __u32 chunk, __u64 now)
{
	struct vtw_chunk *c = vtw_chunk(v6, chunk);

	for (__u32 n = 0; n < VTW_CHUNK; n++) {
		__u32 i = (chunk << VTW_CHUNK_SHIFT) + n;
		struct vtw_tcb *t = vtw_tcb(v6, i);
		union vtw_word old, mine = { .state = VTW_CLAIMED };

		if (!t)
			break;
		old.all = *(volatile __u64 *)&t->word.all;
		if (!c || !vtw_in_use(old) || vtw_lives(old, vtw_until(vtw_link(c)), now) ||
		    vtw_cas(&t->word.all, old.all, mine.all) != old.all)
			continue;
		VTW_UNLINK_CALL(v6, i);
		vtw_unlinked(v6, i, old, 0);
		vtw_release(t);
	}
}

/*
 * How many records of a chunk live; and let its `until` be no later than the
 * last of them needs, or than `floor`: sessions that ended early, or that were
 * of another ring, would hold the chunk for longer. Not while another CPU
 * writes there: then all count as living. A CPU that has taken a record here,
 * but not claimed it, for all the time that the chunk took to become the oldest
 * of its ring, may find its session's life shortened.
 */
static __always_inline __u32 vtw_chunk_trim(int v6, __u32 chunk, __u64 floor, __u64 now)
{
	struct vtw_chunk *c = vtw_chunk(v6, chunk);
	__u64 link, until = floor;
	__u32 live = 0;

	if (!c)
		return VTW_CHUNK;
	link = vtw_link(c);
	for (__u32 n = 0; n < VTW_CHUNK; n++) {
		struct vtw_tcb *t = vtw_tcb(v6, (chunk << VTW_CHUNK_SHIFT) + n);
		union vtw_word word;
		__u64 end;

		if (!t)
			break;
		word.all = *(volatile __u64 *)&t->word.all;
		if (word.state == VTW_CLAIMED && !floor)
			return VTW_CHUNK;
		if (!vtw_lives(word, vtw_until(link), now))
			continue;
		live++;
		end = word.state == VTW_REOPENING ? vtw_until(link) :
						    now + vtw_ms_left(word.expires, now);
		if (end > until)
			until = end;
	}
	if (until < vtw_until(link))
		vtw_cas(&c->link, link, until << VTW_NEXT_BITS | vtw_next(link));
	return live;
}

#ifndef VTW_TRIM_CALL
#define VTW_TRIM_CALL(v6, chunk, floor, now)	vtw_chunk_trim(v6, chunk, floor, now)
#endif

#ifndef VTW_CLEAN_CALL
#define VTW_CLEAN_CALL(v6, chunk, now)	vtw_chunk_clean(v6, chunk, now)
#endif

/* Where the next chunk shall come from. */
struct vtw_source {
	__u32 chunk;	/* VTW_NO_CHUNK: nowhere */
	__u32 ring;	/* whose oldest it is; VTW_RINGS: spare; VTW_RINGS + 1: virgin */
	__u32 dead;	/* nothing in it lives */
	__u32 gentle;	/* what lives in it stays */
	__u32 wait;	/* nothing is taken from it before it is dead */
};

#define VTW_FROM_SPARE	VTW_RINGS
#define VTW_FROM_VIRGIN	(VTW_RINGS + 1)

static __always_inline __u32 vtw_ring_length(const struct vtw_config *cfg, __u32 ring)
{
	return vtw_length(cfg, ring == VTW_RING_WAIT ? VTW_RING_FIN : ring);
}

/*
 * ms left of a ring's oldest chunk, in 1/4096 of the length of its class,
 * rounded up: 0 is dead.
 */
static __always_inline __u64 vtw_share_left(__u64 link, __u32 length_ms, __u64 now)
{
	__u64 until = vtw_until(link);

	return until <= now ? 0 : ((until - now) << 12) / (length_ms ? length_ms : 1) + 1;
}

#define VTW_NO_OFFER		(~0ull)

/*
 * Most orphans get their FIN within milliseconds and leave a hole, but one that
 * waits would hold its chunk, and all behind it, for a minute. So do sessions
 * from before their class was made shorter. So such an oldest chunk goes round
 * once more if little lives in it, and that stays; else it goes to a ring of
 * its own, to wait there for the end.
 */
#define VTW_SPARSE_OFFER	(~0ull - 1)
#define VTW_DENSE_OFFER		(~0ull - 2)

/*
 * What taking a ring's oldest chunk would cost: the share of life left in it, 0
 * if it is dead. A chunk that the hand has just been put on is not offered: the
 * CPU that fetched it is about to write there.
 */
static __always_inline __u64 vtw_offer(int v6, struct vtw_pool *p, __u32 ring,
				       const struct vtw_config *cfg, __u64 now)
{
	struct vtw_ring *r = &p->ring[ring & (VTW_RINGS - 1)];
	__u32 oldest = *(volatile __u32 *)&r->oldest;
	__u64 hand = *(volatile __u64 *)&r->hand;
	struct vtw_chunk *c = vtw_chunk(v6, oldest);
	__u32 live = 0;

	if (!c || (VTW_HAND_CHUNK(hand) == oldest + 1 && !VTW_HAND_OFF(hand)))
		return VTW_NO_OFFER;
	if (VTW_HAND_CHUNK(hand) != oldest + 1 && vtw_until(vtw_link(c)) > now)
		live = VTW_TRIM_CALL(v6, oldest, 0, now);
	if (live && (ring == VTW_RING_FIN ||
		     vtw_until(vtw_link(c)) > now + vtw_ring_length(cfg, ring)))
		return live * 2 <= vtw_chunk_size(vtw_geo(v6), oldest) ?
		       VTW_SPARSE_OFFER : VTW_DENSE_OFFER;
	return vtw_share_left(vtw_link(c), vtw_ring_length(cfg, ring), now);
}

#ifndef VTW_OFFER_CALL
#define VTW_OFFER_CALL(v6, p, ring, cfg, now)	vtw_offer(v6, p, ring, cfg, now)
#endif

/* The cheapest offer, cost << 8 | ring; the ring itself wins a tie. */
static __always_inline __u64 vtw_cheapest(int v6, struct vtw_pool *p, __u32 ring,
					  const struct vtw_config *cfg, __u64 now)
{
	__u64 best = VTW_OFFER_CALL(v6, p, ring, cfg, now) << 8 | ring;

	for (__u32 n = 0; n < VTW_RINGS; n++) {
		__u64 cost = VTW_OFFER_CALL(v6, p, n, cfg, now);

		if (cost < VTW_DENSE_OFFER && cost << 8 < (best & ~0xffull))
			best = cost << 8 | n;
	}
	return best;
}

static __always_inline void vtw_from_ring(struct vtw_pool *p, __u32 ring, __u64 offer,
					  struct vtw_source *s)
{
	s->chunk = *(volatile __u32 *)&p->ring[ring & (VTW_RINGS - 1)].oldest;
	s->ring = ring & (VTW_RINGS - 1);
	s->dead = !offer;
	s->gentle = offer == VTW_SPARSE_OFFER;
	s->wait = offer == VTW_DENSE_OFFER;
}

static __always_inline int vtw_alive(int v6, __u32 chunk, __u64 now)
{
	struct vtw_chunk *c = vtw_chunk(v6, chunk);

	return c && vtw_until(vtw_link(c)) > now;
}

/*
 * Read without the lock: what is chosen here is verified when it is taken out.
 */
static __always_inline void vtw_choose(int v6, struct vtw_pool *p, __u32 ring,
				       const struct vtw_config *cfg, __u64 now,
				       int aside, struct vtw_source *s)
{
	__u64 best = VTW_OFFER_CALL(v6, p, ring, cfg, now);

	if (!best || best == VTW_SPARSE_OFFER ||
	    (best == VTW_DENSE_OFFER && aside)) {
		vtw_from_ring(p, ring, best, s);
		return;
	}
	s->dead = 1;
	s->gentle = 0;
	s->wait = 0;
	s->ring = VTW_FROM_SPARE;
	s->chunk = *(volatile __u32 *)&p->spare;
	if (s->chunk != VTW_NO_CHUNK) {
		/* It may have become a spare one with the living in it. */
		s->gentle = vtw_alive(v6, s->chunk, now);
		s->dead = !s->gentle;
		return;
	}
	s->ring = VTW_FROM_VIRGIN;
	s->chunk = *(volatile __u32 *)&p->virgin;
	if (s->chunk < vtw_geo(v6)->chunks)
		return;
	s->chunk = VTW_NO_CHUNK;
	best = vtw_cheapest(v6, p, ring, cfg, now);
	if (best >> 8 < VTW_DENSE_OFFER << 8 >> 8)
		vtw_from_ring(p, best & 0xff, best >> 8, s);
}

/*
 * Take the chosen chunk out of its list, if it is still there. A ring that
 * loses its only chunk loses its hand with it; CPUs that took records from it
 * just before go on writing them: they are claimed, and nobody else's.
 */
static __always_inline int vtw_take_out(struct vtw_pool *p, const struct vtw_chunk *c,
					const struct vtw_source *s, __u64 now)
{
	struct vtw_ring *r = &p->ring[s->ring & (VTW_RINGS - 1)];
	__u32 next = vtw_next(vtw_link(c));
	__u64 hand;

	if (s->ring == VTW_FROM_SPARE) {
		if (p->spare != s->chunk)
			return -1;
		p->spare = next;
		return 0;
	}
	if (s->ring == VTW_FROM_VIRGIN) {
		if (p->virgin != s->chunk)
			return -1;
		p->virgin++;
		return 0;
	}
	/*
	 * Another CPU may have had it out and in again since, with sessions in
	 * it.
	 */
	if (r->oldest != s->chunk || (s->dead && vtw_until(vtw_link(c)) > now))
		return -1;
	r->oldest = next;
	r->chunks--;
	hand = r->hand;
	if (VTW_HAND_CHUNK(hand) == s->chunk + 1)
		__sync_lock_test_and_set(&r->hand, vtw_hand_next(hand, 0));
	return 0;
}

/*
 * Put a chunk to the young end of a ring and the hand on it, if the hand is
 * still where we saw it used up; else another CPU has refilled the ring, and
 * the chunk becomes a spare one. `last`: the chunk that the hand is on, or
 * NULL.
 */
static __always_inline void vtw_put_in(struct vtw_pool *p, struct vtw_ring *r,
				       const struct vtw_source *s, struct vtw_chunk *c,
				       struct vtw_chunk *last, __u64 hand)
{
	__u64 new = vtw_hand_next(hand, s->chunk + 1) | (s->gentle ? VTW_HAND_GENTLE : 0) |
		    (s->wait ? VTW_CHUNK : 0);

	if (vtw_cas(&r->hand, hand, new) != hand) {
		vtw_set_next(c, p->spare);
		p->spare = s->chunk;
		return;
	}
	vtw_set_next(c, VTW_NO_CHUNK);
	if (last)
		vtw_set_next(last, s->chunk);
	else
		r->oldest = s->chunk;
	r->chunks++;
}

/* Is there nothing left to take where the hand is? */
static __always_inline int vtw_used_up(int v6, __u64 hand, __u64 now)
{
	__u32 off = VTW_HAND_OFF(hand), chunk = VTW_HAND_CHUNK(hand) - 1;
	struct vtw_chunk *c = vtw_chunk(v6, chunk);

	if (!VTW_HAND_CHUNK(hand) || !c || off >= vtw_chunk_size(vtw_geo(v6), chunk))
		return 1;
	return off && vtw_until(vtw_link(c)) <= now;
}

/* A value that no hand has: its chunk does not exist. */
#define VTW_NO_HAND	(~0ull)

/* Step two of a refill: the chunk is in no list, and cleaned if it was dead. */
static __always_inline void vtw_hand_over(int v6, struct vtw_pool *p, struct vtw_ring *r,
					  const struct vtw_source *s, struct vtw_chunk *c,
					  __u64 now)
{
	__u64 hand = *(volatile __u64 *)&r->hand;
	struct vtw_chunk *last = 0;

	if (!vtw_used_up(v6, hand, now))
		hand = VTW_NO_HAND;
	else if (VTW_HAND_CHUNK(hand))
		last = vtw_chunk(v6, VTW_HAND_CHUNK(hand) - 1);
	vtw_lock(p);
	vtw_put_in(p, r, s, c, last, hand);
	vtw_unlock(p);
}

/*
 * Give a ring another chunk. With `aside`, what blocks the ring may be put
 * aside instead, to be tried again. -1: there is none to be had at this moment.
 */
static __always_inline int vtw_refill(int v6, __u32 ring, const struct vtw_config *cfg,
				      __u64 now, int aside)
{
	struct vtw_pool *p = vtw_pool(v6);
	struct vtw_source s;
	struct vtw_chunk *c;
	int err;

	if (!p)
		return -1;
	vtw_choose(v6, p, ring, cfg, now, aside, &s);
	c = vtw_chunk(v6, s.chunk);
	if (s.chunk == VTW_NO_CHUNK || !c)
		return -1;
	vtw_lock(p);
	err = vtw_take_out(p, c, &s, now);
	vtw_unlock(p);
	if (err)
		return -1;
	if (s.dead && s.ring != VTW_FROM_VIRGIN)
		VTW_CLEAN_CALL(v6, s.chunk, now);
	if (s.dead && vtw_until(vtw_link(c)) > now)
		s.gentle = 1;
	vtw_chunk_hold(c, now);
	if (s.wait)
		ring = VTW_RING_WAIT;
	vtw_hand_over(v6, p, &p->ring[ring & (VTW_RINGS - 1)], &s, c, now);
	return 0;
}

#ifndef VTW_REFILL_CALL
#define VTW_REFILL_CALL(v6, ring, cfg, now, aside)	vtw_refill(v6, ring, cfg, now, aside)
#endif
#ifndef VTW_CLAIM_CALL
#define VTW_CLAIM_CALL(v6, i, until, gentle, now)	vtw_claim(v6, i, until, gentle, now)
#endif

/*
 * Take a record for a session that lives until `until`: claimed, out of the
 * index, the caller's to write and publish. VTW_NONE: 24 times in a row other
 * CPUs were faster, or the pool is smaller than their number.
 */
static __always_inline __u32 vtw_take(int v6, __u32 ring, const struct vtw_config *cfg,
				      __u64 until, __u64 now)
{
	struct vtw_pool *p = vtw_pool(v6);
	struct vtw_ring *r;

	if (!p)
		return VTW_NONE;
	r = &p->ring[ring & (VTW_RINGS - 1)];
	for (__u32 n = 0; n < VTW_TAKE_TRIES; n++) {
		__u64 hand = *(volatile __u64 *)&r->hand, was;
		struct vtw_chunk *c;
		__u32 i;

		if (vtw_used_up(v6, hand, now)) {
			VTW_REFILL_CALL(v6, ring, cfg, now, n < VTW_ASIDE_TRIES);
			continue;
		}
		if (vtw_cas(&r->hand, hand, hand + 1) != hand)
			continue;
		c = vtw_chunk(v6, VTW_HAND_CHUNK(hand) - 1);
		if (!c)
			continue;
		i = ((VTW_HAND_CHUNK(hand) - 1) << VTW_CHUNK_SHIFT) + VTW_HAND_OFF(hand);
		was = vtw_until(vtw_link(c));
		if (VTW_CLAIM_CALL(v6, i, was, !!(hand & VTW_HAND_GENTLE), now))
			continue;
		vtw_chunk_hold(c, until);
		/*
		 * What was in a chunk taken alive is gone; so is the life it
		 * had there.
		 */
		if (vtw_until(vtw_link(c)) > until &&
		    VTW_HAND_OFF(hand) + 1 == vtw_chunk_size(vtw_geo(v6), i >> VTW_CHUNK_SHIFT))
			VTW_TRIM_CALL(v6, i >> VTW_CHUNK_SHIFT, until, now);
		return i;
	}
	return VTW_NONE;
}

#endif /* VESTIGE_RING_H */
