/* SPDX-License-Identifier: GPL-2.0 */
/*
 * table.h - the index: tuple -> record, one cache line a look.
 *
 * The includer provides the memory, as maps (bpf/maps.h), as mapped maps
 * (user/table.c) or as plain arrays (selftests/unit); v6 is always a constant:
 *
 *	struct vtw_bucket *vtw_bucket(int v6, __u32 i);
 *	struct vtw_tcb *vtw_tcb(int v6, __u32 i);	followed by the addresses
 *	struct vtw_chunk *vtw_chunk(int v6, __u32 i);
 *	const volatile struct vtw_geometry *vtw_geo(int v6);
 *
 * each NULL only for an index that is out of range.
 *
 * No locks. A slot changes by compare-and-swap only, and only in the hands of
 * who has CLAIMED the record that it names: it is written before the record is
 * published and emptied before it is FREE, so it never names a stranger.
 *
 * A tuple has a home bucket. When that is full, it goes to the first of up to
 * 15 others, `step` apart, that has room, and the home bucket counts it in
 * `spill`, in a counter chosen by the hash: a lookup that misses goes on only
 * when that counter says so. Sixteen full buckets in a row, at 80 % load and
 * one in seven full, happen once in 10^13 insertions.
 */
#ifndef VESTIGE_TABLE_H
#define VESTIGE_TABLE_H

#include "session.h"

#define VTW_NONE	((__u32)~0u)	/* no record */
#define VTW_SPILL_TRIES	16

#ifndef vtw_cas		/* returns what was there */
#define vtw_cas(p, old, new)	__sync_val_compare_and_swap(p, old, new)
#endif

static __always_inline __u32 vtw_home(const volatile struct vtw_geometry *g, __u64 hash)
{
	return (hash >> 32) * g->buckets >> 32;
}

/*
 * Distance between a tuple's buckets: at most a 16th of the table, so that
 * fifteen steps stay below one turn and no two of them meet. In a table of a
 * few buckets every one is tried.
 */
static __always_inline __u32 vtw_step(const volatile struct vtw_geometry *g, __u64 hash)
{
	__u32 part = g->buckets / (VTW_MAX_WAY + 1);

	return 1 + ((__u64)(__u32)(hash * 0x2545f491u) * (part ? part : 1) >> 32);
}

/* The d-th bucket of a tuple; the 0th is home. */
static __always_inline __u32 vtw_way(const volatile struct vtw_geometry *g, __u64 hash, __u32 d)
{
	__u32 b = vtw_home(g, hash) + vtw_step(g, hash) * d;

	return b < g->buckets ? b : b % g->buckets;
}

static __always_inline __u32 vtw_entry(const volatile struct vtw_geometry *g, __u64 hash, __u32 i)
{
	__u32 tag = (__u32)hash >> g->index_bits;

	return (tag ? tag : 1) << g->index_bits | i;
}

static __always_inline __u32 vtw_spill_shift(__u64 hash)
{
	return 4 * ((hash & 0xffff) * VTW_SPILL_COUNTERS >> 16);
}

/* How many further buckets may hold this tuple. */
static __always_inline __u32 vtw_ways(__u32 spill, __u64 hash)
{
	return spill >> vtw_spill_shift(hash) & 15 ? spill >> VTW_SPILL_WAY_SHIFT : 0;
}

/* spill after one tuple more (d: its way) in, or, with d 0, one out. */
static __always_inline __u32 vtw_spill_next(__u32 spill, __u64 hash, __u32 d)
{
	__u32 one = 1u << vtw_spill_shift(hash);

	if (!d) {
		spill -= one;
		return spill << 4 ? spill : 0;	/* the last one: no way at all */
	}
	spill += one;
	if (d > spill >> VTW_SPILL_WAY_SHIFT)
		spill = (spill << 4 >> 4) | d << VTW_SPILL_WAY_SHIFT;
	return spill;
}

/*
 * Count a tuple in or out of its home bucket. Returns 0, or -1 when the counter
 * is full (15 tuples of one bucket and counter went elsewhere), or 16 other
 * CPUs were faster. Out: what stays too high sends lookups too far, not wrong.
 */
static __always_inline int vtw_spill(struct vtw_bucket *home, __u64 hash, __u32 d)
{
	__u32 full = 15u << vtw_spill_shift(hash);

	for (int i = 0; i < VTW_SPILL_TRIES; i++) {
		__u32 old = *(volatile __u32 *)&home->spill;
		__u32 mine = old & full;

		if (d ? mine == full : !mine)
			return -1;
		if (vtw_cas(&home->spill, old, vtw_spill_next(old, hash, d)) == old)
			return 0;
	}
	return -1;
}

/* Addresses follow the tcb: one word each for IPv4, four each for IPv6. */
static __always_inline __be32 *vtw_addrs(struct vtw_tcb *t)
{
	return (__be32 *)(t + 1);
}

static __always_inline int vtw_same(int v6, struct vtw_tcb *t, const struct vtw_key *k)
{
	const __be32 *a = vtw_addrs(t);

	if (t->lport != k->lport || t->rport != k->rport)
		return 0;
	if (!v6)
		return a[0] == k->laddr[0] && a[1] == k->raddr[0];
	return a[0] == k->laddr[0] && a[1] == k->laddr[1] &&
	       a[2] == k->laddr[2] && a[3] == k->laddr[3] &&
	       a[4] == k->raddr[0] && a[5] == k->raddr[1] &&
	       a[6] == k->raddr[2] && a[7] == k->raddr[3];
}

/* Write the tuple into a claimed record. */
static __always_inline void vtw_put_key(int v6, struct vtw_tcb *t, const struct vtw_key *k)
{
	__be32 *a = vtw_addrs(t);

	t->lport = k->lport;
	t->rport = k->rport;
	if (!v6) {
		a[0] = k->laddr[0];
		a[1] = k->raddr[0];
		return;
	}
	for (int i = 0; i < 4; i++) {
		a[i] = k->laddr[i];
		a[i + 4] = k->raddr[i];
	}
}

static __always_inline void vtw_get_key(int v6, struct vtw_tcb *t, struct vtw_key *k)
{
	__be32 *a = vtw_addrs(t);

	k->lport = t->lport;
	k->rport = t->rport;
	if (!v6) {
		k->laddr[0] = a[0];
		k->raddr[0] = a[1];
		return;
	}
	for (int i = 0; i < 4; i++) {
		k->laddr[i] = a[i];
		k->raddr[i] = a[i + 4];
	}
}

/*
 * Is record i this tuple's? A session bound to a device is met only there. The
 * record may be taken over while we look: the caller's commit of its word, or
 * its comparison of words, finds that out.
 */
static __always_inline int vtw_is(int v6, __u32 i, const struct vtw_key *k)
{
	struct vtw_tcb *t = vtw_tcb(v6, i);
	union vtw_word word;

	if (!t || !vtw_same(v6, t, k))
		return 0;
	word.all = *(volatile __u64 *)&t->word.all;
	if (!vtw_in_use(word))
		return 0;
	return !word.dev || !k->ifindex || word.dev == vtw_dev_tag(k->ifindex);
}

#ifndef VTW_IS_CALL	/* BPF makes it a call, for the verifier's sake */
#define VTW_IS_CALL(v6, i, k)	vtw_is(v6, i, k)
#endif

static __always_inline __u32 vtw_scan(int v6, const struct vtw_bucket *b, __u32 want,
				      __u32 index_bits, const struct vtw_key *k)
{
	__u32 mask = (1u << index_bits) - 1;

#pragma GCC unroll 15
	for (int i = 0; i < VTW_SLOTS; i++) {
		__u32 e = *(volatile __u32 *)&b->slot[i];

		if ((e ^ want) <= mask && VTW_IS_CALL(v6, e & mask, k))
			return e & mask;
	}
	return VTW_NONE;
}

/*
 * Can the tuple of this hash be remembered at all? Looks at tags only: 0 is
 * sure, and all that a segment of no interest costs. 1 is wrong for one in
 * 4,000 at 64 Ki entries, and for those whose home bucket is full.
 */
static __always_inline int vtw_maybe(int v6, __u64 hash)
{
	const volatile struct vtw_geometry *g = vtw_geo(v6);
	struct vtw_bucket *b = vtw_bucket(v6, vtw_home(g, hash));
	__u32 want = vtw_entry(g, hash, 0), mask = (1u << (g->index_bits & 31)) - 1;

	if (!b)
		return 0;
#pragma GCC unroll 15
	for (int i = 0; i < VTW_SLOTS; i++)
		if ((*(volatile __u32 *)&b->slot[i] ^ want) <= mask)
			return 1;
	return !!vtw_ways(*(volatile __u32 *)&b->spill, hash);
}

/* Record of a tuple, expired or not; VTW_NONE: none. */
static __always_inline __u32 vtw_find(int v6, const struct vtw_key *k, __u64 hash)
{
	const volatile struct vtw_geometry *g = vtw_geo(v6);
	__u32 want = vtw_entry(g, hash, 0), bits = g->index_bits & 31;
	struct vtw_bucket *b = vtw_bucket(v6, vtw_home(g, hash));
	__u32 i, ways;

	if (!b)
		return VTW_NONE;
	i = vtw_scan(v6, b, want, bits, k);
	if (i != VTW_NONE)
		return i;
	ways = vtw_ways(*(volatile __u32 *)&b->spill, hash);
	for (__u32 d = 1; d <= VTW_MAX_WAY && d <= ways; d++) {
		b = vtw_bucket(v6, vtw_way(g, hash, d));
		if (!b)
			break;
		i = vtw_scan(v6, b, want, bits, k);
		if (i != VTW_NONE)
			return i;
	}
	return VTW_NONE;
}

/* Change a slot of bucket b from one entry to another; 0: changed. */
static __always_inline int vtw_swap(struct vtw_bucket *b, __u32 from, __u32 to)
{
	for (int i = 0; i < VTW_SLOTS; i++)
		if (*(volatile __u32 *)&b->slot[i] == from &&
		    vtw_cas(&b->slot[i], from, to) == from)
			return 0;
	return -1;
}

/*
 * Make record i findable. 0, or -1: no room. Slot first, count second: a lookup
 * in between misses a session that was not there a moment ago.
 */
static __always_inline int vtw_insert(int v6, __u64 hash, __u32 i)
{
	const volatile struct vtw_geometry *g = vtw_geo(v6);
	struct vtw_bucket *home = vtw_bucket(v6, vtw_home(g, hash)), *b = home;
	__u32 entry = vtw_entry(g, hash, i);

	for (__u32 d = 0; home && d <= VTW_MAX_WAY; d++) {
		b = vtw_bucket(v6, vtw_way(g, hash, d));
		if (!b || vtw_swap(b, 0, entry))
			continue;
		if (!d || !vtw_spill(home, hash, d))
			return 0;
		vtw_swap(b, entry, 0);
		return -1;
	}
	return -1;
}

/*
 * Change the entry of record i to record j (0 for `clear`: to nothing). -1: it
 * is not there, somebody else took it out. The slot goes first, so only who
 * emptied it uncounts it.
 */
static __always_inline int vtw_relink(int v6, __u64 hash, __u32 i, __u32 to, int clear)
{
	const volatile struct vtw_geometry *g = vtw_geo(v6);
	struct vtw_bucket *home = vtw_bucket(v6, vtw_home(g, hash)), *b;
	__u32 from = vtw_entry(g, hash, i), ways;

	if (!home)
		return -1;
	to = clear ? 0 : vtw_entry(g, hash, to);
	if (!vtw_swap(home, from, to))
		return 0;
	ways = *(volatile __u32 *)&home->spill >> VTW_SPILL_WAY_SHIFT;
	for (__u32 d = 1; d <= VTW_MAX_WAY && d <= ways; d++) {
		b = vtw_bucket(v6, vtw_way(g, hash, d));
		if (!b || vtw_swap(b, from, to))
			continue;
		if (clear)
			vtw_spill(home, hash, 0);
		return 0;
	}
	return -1;
}

/* Take record i, whose tuple is still in place, out of the index. */
static __always_inline int vtw_unlink(int v6, __u32 i)
{
	const volatile struct vtw_geometry *g = vtw_geo(v6);
	__u64 seed[2] = { g->seed[0], g->seed[1] };
	struct vtw_tcb *t = vtw_tcb(v6, i);
	struct vtw_key k;

	if (!t)
		return -1;
	vtw_get_key(v6, t, &k);
	return vtw_relink(v6, vtw_hash(v6, &k, seed), i, 0, 1);
}

#endif /* VESTIGE_TABLE_H */
