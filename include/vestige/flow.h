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
 * hand change as it comes: the worst is a flow that is looked up once more.
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

/*
 * What was read before it is older than what is read after it. x86-64 reads in order. BPF
 * has no barrier, but an atomic operation whose result is used is one.
 */
#ifdef flow_barrier		/* of a test */
#elif !defined(__bpf__)
#define flow_barrier()	__atomic_thread_fence(__ATOMIC_ACQUIRE)
#elif defined(__TARGET_ARCH_x86)
#define flow_barrier()	asm volatile("" ::: "memory")
#else
static __always_inline void flow_barrier(void)
{
	__u64 none = 0;

	none = __sync_fetch_and_add(&none, 1);
	asm volatile("" : "+r"(none) : : "memory");
}
#endif

static __always_inline __u64 flow_mix(__u64 h, __u64 v)
{
	h = (h ^ v) * 0x9e3779b97f4a7c15ull;
	return h ^ (h >> 32);
}

/* The halves of a word, each with a secret added, multiplied: NH of RFC 4418. */
static __always_inline __u64 flow_product(__u64 w, __u64 seed)
{
	return (__u64)(__u32)(w + seed) * (__u32)((w >> 32) + (seed >> 32));
}

/*
 * Keyed, so that nobody outside can choose whose bucket he fills: two keys have the same
 * sum of products under one set of seeds in 2^32. The products do not wait for one another.
 */
static __always_inline __u64 flow_hash(int v6, const struct forward_key *k,
				       const volatile __u64 *seed)
{
	__u64 h = flow_product(k->word[0], seed[0]) + flow_product(k->word[1], seed[1]) +
		  flow_product(k->word[2], seed[2]);

	if (v6)
		h += flow_product(k->word[3], seed[3]) + flow_product(k->word[4], seed[4]) +
		     flow_product(k->word[5], seed[5]);
	return flow_mix(h ^ h >> 32, 0);
}

/* As good as a hash needs to be to choose some flows, and for next to nothing. */
static __always_inline __u64 flow_spot(int v6, const struct forward_key *k,
				       const volatile __u64 *seed)
{
	__u64 w = k->word[1] ^ k->word[2], spot;

	if (v6)
		w ^= k->word[3];
	spot = flow_product(w, seed[0]);
	if (v6)
		spot += flow_product(k->word[4] ^ k->word[5], seed[1]);
	return spot * 0x9e3779b97f4a7c15ull;
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

static __always_inline int flow_same(int v6, const struct forward_bucket *b, int i,
				     const struct forward_key *k)
{
	const __u64 *head = b->flow[i].head, *tail;
	__u64 differ = (head[0] ^ k->word[0]) | (head[1] ^ k->word[1]) | (head[2] ^ k->word[2]);

	if (v6) {
		tail = b->tail[i].word;
		differ |= (tail[0] ^ k->word[3]) | (tail[1] ^ k->word[4]) |
			  (tail[2] ^ k->word[5]);
	}
	return !differ;
}

static __always_inline void flow_put_key(int v6, struct forward_bucket *b, int i,
					 const struct forward_key *k)
{
	__u64 *head = b->flow[i].head, *tail;

	head[0] = k->word[0];
	head[1] = k->word[1];
	head[2] = k->word[2];
	if (v6) {
		tail = b->tail[i].word;
		tail[0] = k->word[3];
		tail[1] = k->word[4];
		tail[2] = k->word[5];
	}
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
	if (!*(volatile __u8 *)&f->used)
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

/*
 * Where it is, if it is there: first in the way of its choice, as who looks for it does. By
 * a race there may be two of a flow, and the other one is not refreshed any more.
 */
static __always_inline int flow_present(const struct forward_bucket *b, __u64 hash)
{
	int i = flow_choice(hash);
	__u32 tag = flow_tag(hash);

	return b->tag[i] == tag ? i : flow_way(b, tag);
}

/*
 * Nobody uses it. A CPU in a flood looks for few flows, and so those in use look idle to
 * another one: who was hit has a second chance here, too.
 */
static __always_inline int flow_spent(struct forward_flow *f, __u64 now, __u64 age_ns)
{
	if (!flow_idle(f, now, age_ns))
		return 0;
	if (!f->used)
		return 1;
	f->used = 0;
	return 0;
}

/* A way that is free: that of its choice, if nobody uses it, or an empty one; FLOW_NONE. */
static __always_inline int flow_free(struct forward_bucket *b, __u64 hash, __u64 now,
				     __u64 age_ns)
{
	int i = flow_choice(hash);

	return !b->tag[i] || flow_spent(&b->flow[i], now, age_ns) ? i : flow_way(b, 0);
}

/* In a full bucket: the way of its choice, if it was not hit lately, or the next such one. */
static __always_inline int flow_push_out(struct forward_bucket *b, __u64 hash)
{
	int i = flow_choice(hash);

	return b->flow[i].used ? flow_victim(b) : i;
}

/*
 * Where a flow may go; FLOW_NONE: not now. Who has been idle for 2 age_ns goes; in a full
 * bucket a new one has to come twice, so that a flood of flows that have one packet each
 * writes nothing but the door.
 */
FLOW_CHOOSES int flow_place(struct forward_bucket *b, __u64 hash, __u64 now, __u64 age_ns)
{
	__u32 tag = flow_tag(hash);
	int i;

	if (!b)
		return FLOW_NONE;
	i = flow_present(b, hash);
	if (i == FLOW_NONE)
		i = flow_free(b, hash, now, age_ns);
	if (i != FLOW_NONE)
		return i;
	if (b->door != tag) {
		b->door = tag;
		return FLOW_NONE;
	}
	b->door = 0;
	return flow_push_out(b, hash);
}

/* What is kept of a route: the number of a hop, of which generation, and since when. */
struct flow_route {
	__u64 gen;
	__u64 since_ns;
	__u32 hop;
};

/* Read a flow if it is this key's. 0: it is not, or is being written. */
static __always_inline int flow_read(int v6, const struct forward_bucket *b, int i,
				     const struct forward_key *k, struct flow_route *route)
{
	const struct forward_flow *f = &b->flow[i];
	__u32 seq = *(const volatile __u32 *)&f->seq;
	int same;

	flow_barrier();
	same = flow_same(v6, b, i, k);
	if (!same || seq & 1)
		return 0;
	route->gen = f->gen;
	route->since_ns = f->since_ns;
	route->hop = f->hop;
	flow_barrier();
	return *(const volatile __u32 *)&f->seq == seq;
}

/* Begin to write; 0: another one is at it. */
static __always_inline int flow_claim(struct forward_flow *f)
{
	__u32 seq = *(volatile __u32 *)&f->seq;

	return !(seq & 1) && flow_cas(&f->seq, seq, seq + 1) == seq;
}

/* Nobody else writes it meanwhile. Not an addition, which orders nothing on arm64. */
static __always_inline void flow_release(struct forward_flow *f)
{
	__u32 seq = *(volatile __u32 *)&f->seq;

	flow_cas(&f->seq, seq, seq + 1);
}

/* What happened to a flow that was to be stored. */
enum flow_stored {
	FLOW_STORED,
	FLOW_REFRESHED,
	FLOW_EVICTED,
	FLOW_DEFERRED,
	FLOW_CROWDED,
	FLOW_RACED,
};

/* Put the route of a key into way number i, where it may go. */
static __always_inline enum flow_stored flow_write(int v6, struct forward_bucket *b, int i,
						   __u64 hash, const struct forward_key *k,
						   const struct flow_route *route)
{
	struct forward_flow *f;
	enum flow_stored what;
	__u32 tag = flow_tag(hash);

	i &= FORWARD_WAYS - 1;
	f = &b->flow[i];

	if (!flow_claim(f))
		return FLOW_RACED;
	if (b->tag[i] == tag && flow_same(v6, b, i, k)) {
		what = FLOW_REFRESHED;
	} else {
		what = b->tag[i] ? FLOW_EVICTED : FLOW_STORED;
		b->tag[i] = tag;
		f->used = 0;
		flow_put_key(v6, b, i, k);
		f->packets = 0;
		f->bytes = 0;
	}
	f->gen = route->gen;
	f->since_ns = route->since_ns;
	f->hop = route->hop;
	flow_release(f);
	return what;
}

/* Not where it wants to be. */
FLOW_CHOOSES int flow_elsewhere(const struct forward_bucket *b, __u32 tag)
{
	return b ? flow_way(b, tag) : FLOW_NONE;
}

/*
 * The flow of a key and a copy of its route; NULL: it is not there, or is moving. Most are
 * where they want to be, and then there is one place to look at and nothing to guess.
 */
static __always_inline struct forward_flow *flow_find(int v6, __u32 home, __u64 hash,
						      const struct forward_key *k,
						      struct flow_route *route)
{
	struct forward_bucket *b = flow_bucket(home);
	int i = flow_choice(hash);

	if (!b)
		return 0;
	if (!flow_read(v6, b, i, k, route)) {
		i = flow_elsewhere(b, flow_tag(hash));
		if (i == FLOW_NONE)
			return 0;
		i &= FORWARD_WAYS - 1;
		if (!flow_read(v6, b, i, k, route))
			return 0;
	}
	flow_touch(&b->flow[i]);
	return &b->flow[i];
}

#endif /* VESTIGE_FLOW_H */
