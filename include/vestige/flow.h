/* SPDX-License-Identifier: GPL-2.0 */
/*
 * flow.h - the cache of flows: a fixed number of buckets of eight.
 *
 * The includer provides the memory, as maps (bpf/route.h), as mapped maps
 * (user/forward_show.c) or as plain arrays (selftests/unit):
 *
 *	struct forward_bucket *flow_bucket(__u32 i);
 *	struct forward_flow *flow_at(__u32 i);
 *
 * each NULL only for an index that is out of range. `v6` is always a constant.
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

#define flow_barrier()	asm volatile("" ::: "memory")

typedef __u64 __attribute__((__may_alias__)) flow_word;

/* Keyed, so that nobody outside can choose whose bucket he fills. */
static __always_inline __u64 flow_mix(__u64 h, __u64 v)
{
	h = (h ^ v) * 0x9e3779b97f4a7c15ull;
	return h ^ (h >> 32);
}

static __always_inline __u64 flow_hash(int v6, const struct forward_key *k, __u64 seed0,
				       __u64 seed1)
{
	const flow_word *w = (const flow_word *)k;
	__u64 h = flow_mix(seed0, w[0]);

	h = flow_mix(h, w[1]);
	h = flow_mix(h, w[2]);
	if (v6) {
		h = flow_mix(h, w[3]);
		h = flow_mix(h, w[4]);
		h = flow_mix(h, w[5]);
	}
	return flow_mix(h, seed1);
}

static __always_inline __u32 flow_home(__u32 buckets, __u64 hash)
{
	return (hash >> 32) * buckets >> 32;
}

static __always_inline __u32 flow_tag(__u64 hash)
{
	return (__u32)hash ? (__u32)hash : 1;
}

static __always_inline int flow_same(int v6, const struct forward_key *a,
				     const struct forward_key *b)
{
	const flow_word *x = (const flow_word *)a, *y = (const flow_word *)b;
	__u64 differ = (x[0] ^ y[0]) | (x[1] ^ y[1]) | (x[2] ^ y[2]);

	if (v6)
		differ |= (x[3] ^ y[3]) | (x[4] ^ y[4]) | (x[5] ^ y[5]);
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
static __always_inline void flow_touch(struct forward_bucket *b, int i)
{
	__u32 bit = 1u << (i & (FORWARD_WAYS - 1));

	if (!(*(volatile __u32 *)&b->used & bit))
		b->used |= bit;
}

/* And the other half: the first way from the hand on that was not hit since it came by. */
static __always_inline int flow_victim(struct forward_bucket *b)
{
	__u32 hand = b->hand;

#pragma GCC unroll 8
	for (int n = 0; n < FORWARD_WAYS; n++) {
		__u32 i = (hand + n) & (FORWARD_WAYS - 1);

		if (!(b->used >> i & 1)) {
			b->hand = i + 1;
			return i;
		}
		b->used &= ~(1u << i);
	}
	b->hand = hand + 1;
	return hand & (FORWARD_WAYS - 1);
}

/*
 * Where a flow that is not in its bucket may go. In a full one it has to come twice, so
 * that a flood of flows that have one packet each writes nothing but the door.
 */
static __always_inline int flow_place(struct forward_bucket *b, __u32 tag)
{
	int i = flow_way(b, tag);

	if (i == FLOW_NONE)
		i = flow_way(b, 0);
	if (i != FLOW_NONE)
		return i;
	if (b->door != tag) {
		b->door = tag;
		return FLOW_NONE;
	}
	b->door = 0;
	return flow_victim(b);
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

enum flow_stored { FLOW_STORED, FLOW_REFRESHED, FLOW_EVICTED, FLOW_DEFERRED, FLOW_RACED };

/* Put the way of a key into way number i of its bucket. */
static __always_inline enum flow_stored flow_write(int v6, struct forward_bucket *b, int i,
						   struct forward_flow *f, __u32 tag,
						   const struct forward_key *k,
						   const struct forward_way *way)
{
	enum flow_stored what = b->tag[i] ? FLOW_EVICTED : FLOW_STORED;

	if (flow_claim(f))
		return FLOW_RACED;
	if (b->tag[i] == tag && flow_same(v6, &f->key, k)) {
		what = FLOW_REFRESHED;
	} else {
		b->tag[i] = tag;
		b->used &= ~(1u << i);
		f->key = *k;
		f->packets = 0;
		f->bytes = 0;
	}
	f->way = *way;
	flow_release(f);
	return what;
}

/* Remember the way of a key, if it has or gets a place. */
static __always_inline enum flow_stored flow_store(int v6, __u32 home, __u64 hash,
						   const struct forward_key *k,
						   const struct forward_way *way)
{
	struct forward_bucket *b = flow_bucket(home);
	struct forward_flow *f;
	int i;

	if (!b)
		return FLOW_RACED;
	i = flow_place(b, flow_tag(hash));
	if (i == FLOW_NONE)
		return FLOW_DEFERRED;
	i &= FORWARD_WAYS - 1;
	f = flow_at(home * FORWARD_WAYS + i);
	return f ? flow_write(v6, b, i, f, flow_tag(hash), k, way) : FLOW_RACED;
}

/* The flow of a key and a copy of its way; NULL: it is not there, or is moving. */
static __always_inline struct forward_flow *flow_find(int v6, __u32 home, __u64 hash,
						      const struct forward_key *k,
						      struct forward_way *way)
{
	struct forward_bucket *b = flow_bucket(home);
	struct forward_flow *f;
	int i;

	if (!b)
		return 0;
	i = flow_way(b, flow_tag(hash));
	if (i == FLOW_NONE)
		return 0;
	f = flow_at(home * FORWARD_WAYS + i);
	if (!f || !flow_read(v6, f, k, way))
		return 0;
	flow_touch(b, i);
	return f;
}

#endif /* VESTIGE_FLOW_H */
