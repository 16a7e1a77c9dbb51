/* SPDX-License-Identifier: GPL-2.0 */
/*
 * flow.h - the cache of flows: a fixed number of buckets of eight.
 *
 * The includer provides the memory, as a map (bpf/flow.h), as a mapped map
 * (user/forward_show.c) or as plain arrays (selftests/unit):
 *
 *	struct forward_bucket *flow_bucket(__u32 i);
 *
 * NULL only for an index that is out of range. `v6` is always a constant.
 *
 * No locks. Who writes a flow makes its seq odd by compare-and-swap and even again at
 * the end; who reads copies, and throws the copy away when seq has moved. Tags, used and
 * hand change as it comes: the worst is a flow that is looked up once more. since_ns is
 * read without the copy: that of a flow that has just moved in costs one packet's detour.
 */
#ifndef VESTIGE_FLOW_H
#define VESTIGE_FLOW_H

#include "forward.h"

#define FLOW_NONE	(-1)

#ifndef flow_cas		/* returns what was there */
#define flow_cas(p, old, new)	__sync_val_compare_and_swap(p, old, new)
#endif

/*
 * What says which of the eight ways it is. In BPF these are functions of their own, which
 * the verifier sees once; or else it would look at all that follows once for each way.
 */
#ifndef FLOW_CHOOSES
#define FLOW_CHOOSES	static inline __attribute__((__unused__))
#endif

#define flow_barrier()	asm volatile("" ::: "memory")

static __always_inline __u64 flow_mix(__u64 h, __u64 v)
{
	h = (h ^ v) * 0x9e3779b97f4a7c15ull;
	return h ^ (h >> 32);
}

/* What tells in the upper half of a word tells in the lower one, too. */
static __always_inline __u64 flow_fold(__u64 w)
{
	return w ^ w >> 32;
}

/*
 * Keyed, so that nobody outside can choose whose bucket he fills: a sum with secret odd
 * factors. What differs in a folded word does so below its bit 32, so that two keys have
 * the same sum under one set of factors in 2^32. The products do not wait for one another.
 */
static __always_inline __u64 flow_hash(int v6, const struct forward_key *k,
				       const volatile __u64 *seed)
{
	__u64 h = flow_fold(k->word[0]) * (seed[0] | 1) + flow_fold(k->word[1]) * (seed[1] | 1) +
		  flow_fold(k->word[2]) * (seed[2] | 1);

	if (v6)
		h += flow_fold(k->word[3]) * (seed[3] | 1) + flow_fold(k->word[4]) * (seed[4] | 1) +
		     flow_fold(k->word[5]) * (seed[5] | 1);
	return flow_mix(flow_fold(h), 0);
}

/* As good as a hash needs to be to choose some flows, and for next to nothing. */
static __always_inline __u64 flow_spot(int v6, const struct forward_key *k,
				       const volatile __u64 *seed)
{
	__u64 w = k->word[1] ^ k->word[2];

	if (v6)
		w ^= k->word[3] ^ k->word[4] ^ k->word[5];
	return flow_fold(w) * (seed[0] | 1);
}

static __always_inline __u32 flow_home(__u32 buckets, __u64 hash)
{
	return (hash >> 32) * buckets >> 32;
}

static __always_inline __u32 flow_tag(__u64 hash)
{
	return (__u32)hash ? (__u32)hash : 1;
}

/* The way of its choice, where it is found without a look at the tags. */
static __always_inline int flow_choice(__u64 hash)
{
	return hash & (FORWARD_WAYS - 1);
}

static __always_inline struct forward_flow *flow_at(struct forward_bucket *b, int i)
{
	return &b->flow[i & (FORWARD_WAYS - 1)];
}

static __always_inline int flow_same(int v6, const struct forward_key *a,
				     const struct forward_key *b)
{
	__u64 differ = (a->word[0] ^ b->word[0]) | (a->word[1] ^ b->word[1]) |
		       (a->word[2] ^ b->word[2]);

	if (v6)
		differ |= (a->word[3] ^ b->word[3]) | (a->word[4] ^ b->word[4]) |
			  (a->word[5] ^ b->word[5]);
	return !differ;
}

/* The way of a bucket that has the tag; FLOW_NONE. */
static __always_inline int flow_way(const struct forward_bucket *b, __u32 tag)
{
#pragma GCC unroll 8
	for (int i = 0; i < FORWARD_WAYS; i++)
		if (*(const volatile __u32 *)&b->tag[i] == tag)
			return i;
	return FLOW_NONE;
}

/* Second chance, the first half: it was hit. The line is written only when it must be. */
static __always_inline void flow_touch(struct forward_flow *f)
{
	if (!*(volatile __u32 *)&f->used)
		f->used = 1;
}

/* And the other half: the first from the hand on that was not hit since it came by. */
static __always_inline int flow_victim(struct forward_bucket *b)
{
	__u32 hand = b->hand;

#pragma GCC unroll 8
	for (int n = 0; n < FORWARD_WAYS; n++) {
		__u32 i = (hand + n) & (FORWARD_WAYS - 1);

		if (!b->flow[i].used) {
			b->hand = i + 1;
			return i;
		}
		b->flow[i].used = 0;
	}
	b->hand = hand + 1;
	return hand & (FORWARD_WAYS - 1);
}

/* One that is in use is looked up again at each age. Half of the time, so that none wraps. */
static __always_inline int flow_idle(const struct forward_flow *f, __u64 now, __u64 age_ns)
{
	return (__s64)(now - f->since_ns) >> 1 >= (__s64)age_ns;
}

/* A way that is free: that of its choice, if nobody uses it, or an empty one; FLOW_NONE. */
static __always_inline int flow_free(struct forward_bucket *b, __u64 hash, __u64 now,
				     __u64 age_ns)
{
	int i = flow_choice(hash);

	return !b->tag[i] || flow_idle(&b->flow[i], now, age_ns) ? i : flow_way(b, 0);
}

/* In a full bucket: the way of its choice, if it was not hit lately, or the next such one. */
static __always_inline int flow_push_out(struct forward_bucket *b, __u64 hash)
{
	int i = flow_choice(hash);

	return b->flow[i].used ? flow_victim(b) : i;
}

/* What happened to a flow that was to be stored. */
enum flow_stored { FLOW_STORED, FLOW_REFRESHED, FLOW_EVICTED, FLOW_DEFERRED, FLOW_RACED };

/*
 * Where a flow may go that is not in its bucket. In a full one it has to come twice, so
 * that a flood of flows that have one packet each writes nothing but the door.
 */
FLOW_CHOOSES int flow_place(struct forward_bucket *b, __u64 hash, __u64 now, __u64 age_ns,
			    enum flow_stored *what)
{
	__u32 tag = flow_tag(hash);
	int i;

	if (!b || !what)
		return FLOW_NONE;
	i = flow_way(b, tag);
	*what = FLOW_STORED;
	if (i == FLOW_NONE)
		i = flow_free(b, hash, now, age_ns);
	if (i != FLOW_NONE)
		return i;
	if (b->door != tag) {
		b->door = tag;
		*what = FLOW_DEFERRED;
		return FLOW_NONE;
	}
	b->door = 0;
	*what = FLOW_EVICTED;
	return flow_push_out(b, hash);
}

/* Read a flow's way if it is this key's. 0: it is not, or is being written. */
static __always_inline int flow_read(int v6, const struct forward_flow *f,
				     const struct forward_key *k, struct forward_way *way)
{
	__u32 seq = *(const volatile __u32 *)&f->seq;
	int same;

	flow_barrier();
	same = flow_same(v6, &f->key, k);
	if (!same || seq & 1)
		return 0;
	*way = f->way;
	flow_barrier();
	return *(const volatile __u32 *)&f->seq == seq;
}

/* Begin to write: 0, or another one is at it. */
static __always_inline int flow_claim(struct forward_flow *f)
{
	__u32 seq = *(volatile __u32 *)&f->seq;

	return seq & 1 || flow_cas(&f->seq, seq, seq + 1) != seq;
}

static __always_inline void flow_release(struct forward_flow *f)
{
	__sync_fetch_and_add(&f->seq, 1);
}

/* A way, and what is kept beside it. */
struct flow_route {
	struct forward_way way;
	__u64 since_ns;
	__u32 oif;
};

/* Put the way of a key into way number i, where it may go. */
static __always_inline enum flow_stored flow_write(int v6, struct forward_bucket *b, int i,
						   __u32 tag, const struct forward_key *k,
						   const struct flow_route *route,
						   enum flow_stored what)
{
	struct forward_flow *f = &b->flow[i];

	if (flow_claim(f))
		return FLOW_RACED;
	if (b->tag[i] == tag && flow_same(v6, &f->key, k)) {
		what = FLOW_REFRESHED;
	} else {
		b->tag[i] = tag;
		f->used = 0;
		f->key = *k;
		f->packets = 0;
		f->bytes = 0;
	}
	f->way = route->way;
	f->since_ns = route->since_ns;
	f->oif = route->oif;
	flow_release(f);
	return what;
}

/* Remember the way of a key, if it has or gets a place. */
static __always_inline enum flow_stored flow_store(int v6, __u32 home, __u64 hash, __u64 age_ns,
						   const struct forward_key *k,
						   const struct flow_route *route)
{
	struct forward_bucket *b = flow_bucket(home);
	enum flow_stored what = FLOW_RACED;
	int i;

	if (!b)
		return FLOW_RACED;
	i = flow_place(b, hash, route->since_ns, age_ns, &what);
	if (i == FLOW_NONE)
		return what;
	return flow_write(v6, b, i & (FORWARD_WAYS - 1), flow_tag(hash), k, route, what);
}

/* Not where it wants to be. */
FLOW_CHOOSES int flow_elsewhere(const struct forward_bucket *b, __u32 tag)
{
	return b ? flow_way(b, tag) : FLOW_NONE;
}

/*
 * The flow of a key and a copy of its way; NULL: it is not there, or is moving. Most are
 * where they want to be, and then there is one place to look at and nothing to guess.
 */
static __always_inline struct forward_flow *flow_find(int v6, __u32 home, __u64 hash,
						      const struct forward_key *k,
						      struct forward_way *way)
{
	struct forward_bucket *b = flow_bucket(home);
	struct forward_flow *f;
	int i;

	if (!b)
		return 0;
	f = flow_at(b, flow_choice(hash));
	if (!flow_read(v6, f, k, way)) {
		i = flow_elsewhere(b, flow_tag(hash));
		if (i == FLOW_NONE)
			return 0;
		f = flow_at(b, i);
		if (!flow_read(v6, f, k, way))
			return 0;
	}
	flow_touch(f);
	return f;
}

#endif /* VESTIGE_FLOW_H */
