/* SPDX-License-Identifier: GPL-2.0 */
/*
 * pool.h - sessions made of a number, and what must always be true of a pool.
 */
#ifndef SELFTESTS_POOL_H
#define SELFTESTS_POOL_H

#include "mem.h"
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-parameter"
#include "../../bpf/record.h"
#pragma GCC diagnostic pop

/* How tuples look. The number of a session can be read back from its tuple. */
enum pattern { RANDOM, SEQUENTIAL, SINGLE_PORT, PATTERNS };

static const char *const pattern_name[] = { "random", "sequential", "single-port" };

static inline __u32 scramble(__u32 n, __u32 salt)
{
	n = (n ^ salt) * 0x85ebca6bu;
	n = (n ^ n >> 15) * 0xc2b2ae35u;
	return n ^ n >> 13;
}

static inline struct vtw_key key_of(enum pattern p, int v6, __u32 n)
{
	struct vtw_key k = { .laddr = { 0x0100a8c0 }, .raddr = { 0x0200a8c0 } };

	if (v6)
		k.raddr[3] = k.laddr[2] = 7;
	switch (p) {
	case RANDOM:
		k.laddr[0] = n;
		k.raddr[v6 ? 2 : 0] = scramble(n, 1);
		k.lport = scramble(n, 2);
		k.rport = scramble(n, 3);
		break;
	case SEQUENTIAL:
		k.lport = 80;
		k.rport = n;
		k.raddr[0] += n >> 16;
		break;
	default:
		k.lport = 80;
		k.rport = 443;
		k.raddr[v6 ? 3 : 0] = n;
	}
	return k;
}

static inline __u32 num_of(enum pattern p, int v6, const struct vtw_key *k)
{
	if (p == RANDOM)
		return k->laddr[0];
	if (p == SEQUENTIAL)
		return (k->raddr[0] - 0x0200a8c0) << 16 | k->rport;
	return k->raddr[v6 ? 3 : 0];
}

static inline struct vtw_draft draft_of(__u32 n, __u32 state, __u32 class, __u32 length_ms)
{
	struct vtw_draft d = {
		.snd_nxt = n, .rcv_nxt = ~n, .ts_recent = n * 3, .ts_offset = n * 5,
		.length_ms = length_ms,
	};

	d.word.state = state;
	d.word.class = class;
	/* In test_threads, tuples of every second thread look the same but for the tuple. */
	d.word.wnd = n;
	d.word.wscale = n >> 25;
	return d;
}

static inline int remember_draft(int v6, const struct vtw_key *k, const struct vtw_draft *d)
{
	return v6 ? vtw_remember(1, k, d) : vtw_remember(0, k, d);
}

/* As the socket callback does. 1: recorded. */
static inline int remember(int v6, enum pattern p, __u32 n, __u32 class)
{
	struct vtw_draft d = draft_of(n, VTW_TIME_WAIT, class, vtw_length(&config, class));
	struct vtw_key k = key_of(p, v6, n);

	return v6 ? vtw_remember(1, &k, &d) : vtw_remember(0, &k, &d);
}

static inline int remember_orphan(int v6, enum pattern p, __u32 n, __u32 class, __u32 ms)
{
	struct vtw_draft d = draft_of(n, VTW_FIN_WAIT2, class, ms);
	struct vtw_key k = key_of(p, v6, n);

	return v6 ? vtw_remember(1, &k, &d) : vtw_remember(0, &k, &d);
}

/* What the pool knows of a session. */
struct found {
	struct vtw_key key;
	__u32 i;
	__u64 hash;
	struct vtw_tcb *t;
	union vtw_word raw;
	union vtw_word now;	/* settled; FREE: it is remembered no more */
};

static inline int recall(int v6, enum pattern p, __u32 n, struct found *f)
{
	struct vtw_key k = key_of(p, v6, n);

	f->key = k;
	f->now.all = 0;
	f->hash = v6 ? vtw_hash_of(1, &k) : vtw_hash_of(0, &k);
	f->i = v6 ? vtw_recall(1, &k, f->hash, &f->t, &f->raw) :
		    vtw_recall(0, &k, f->hash, &f->t, &f->raw);
	if (f->i == VTW_NONE)
		return 0;
	f->now = vtw_settled(v6, f->i, f->raw, &config, vtw_now());
	return vtw_in_use(f->now);
}

/* As late.h does when a RST is believed. 0: ended. */
static inline int end_session(int v6, const struct found *f)
{
	struct vtw_key k = f->key;

	return v6 ? vtw_end(1, f->i, &k, f->raw) : vtw_end(0, f->i, &k, f->raw);
}

/* As late.h does when 2MSL begins again. 0: it has, unless there was no record to be had. */
static inline int restart(int v6, enum pattern p, __u32 n, const struct found *f)
{
	struct vtw_draft d = draft_of(n, VTW_TIME_WAIT, f->now.class,
				      vtw_length(&config, f->now.class));
	struct vtw_key k = key_of(p, v6, n);
	__u64 now = vtw_now();
	__u32 i = v6 ? vtw_fresh(1, f->now.class, d.length_ms, now) :
		       vtw_fresh(0, f->now.class, d.length_ms, now);

	return v6 ? vtw_restart(1, &k, f->hash, f->i, f->raw, i, &d, now) :
		    vtw_restart(0, &k, f->hash, f->i, f->raw, i, &d, now);
}

/* ---- what must be true of a pool that nobody is changing ----------------- */

/* Where an index entry was found: its bucket, and how often. */
struct place {
	__u32 bucket, count;
};

static inline int check_entry(int v6, __u32 bucket, __u32 slot, struct place *of)
{
	__u32 i = slot & ((1u << geo[v6].index_bits) - 1);
	struct vtw_tcb *t = vtw_tcb(v6, i);

	if (!t || !vtw_in_use(t->word))
		return ksft_fail_at("bucket %u: slot %#x names record %u, which is free",
				    bucket, slot, i);
	of[i].bucket = bucket;
	of[i].count++;
	return 0;
}

/* The way on which record i went, or -1: lookups would not come there. */
static inline int way_of(int v6, __u32 i, const struct place *at, __u64 *hash)
{
	struct vtw_key k = {};
	__u32 ways;

	vtw_get_key(v6, vtw_tcb(v6, i), &k);
	*hash = v6 ? vtw_hash_of(1, &k) : vtw_hash_of(0, &k);
	if (vtw_home(&geo[v6], *hash) == at->bucket)
		return 0;
	ways = vtw_ways(vtw_bucket(v6, vtw_home(&geo[v6], *hash))->spill, *hash);
	for (__u32 d = 1; d <= ways; d++)
		if (vtw_way(&geo[v6], *hash, d) == at->bucket)
			return d;
	return -1;
}

/* Each record in use has one slot, and the spill counters tell the truth; `more`: or too much. */
static inline int check_index(int v6, int more)
{
	const struct vtw_geometry *g = &geo[v6];
	struct place *of = calloc(g->capacity, sizeof(*of));
	__u32 *spill = calloc(g->buckets, sizeof(*spill));
	int bad = 0;

	for (__u32 b = 0; b < g->buckets; b++)
		for (int s = 0; s < VTW_SLOTS; s++)
			if (vtw_bucket(v6, b)->slot[s])
				bad += check_entry(v6, b, vtw_bucket(v6, b)->slot[s], of);
	for (__u32 i = 0; i < g->capacity; i++) {
		__u64 hash;
		int way;

		if (of[i].count != (__u32)vtw_in_use(vtw_tcb(v6, i)->word)) {
			bad += ksft_fail_at("record %u, state %d, has %u slots", i,
					    (int)vtw_tcb(v6, i)->word.state, of[i].count);
			continue;
		}
		if (!of[i].count)
			continue;
		way = way_of(v6, i, &of[i], &hash);
		if (way < 0)
			bad += ksft_fail_at("record %u is out of reach", i);
		if (way > 0)
			spill[vtw_home(g, hash)] += 1u << vtw_spill_shift(hash);
	}
	for (__u32 b = 0; b < g->buckets; b++) {
		__u32 is = vtw_bucket(v6, b)->spill << 4 >> 4;

		for (int n = 0; n < VTW_SPILL_COUNTERS; n++)
			if (more ? (is >> 4 * n & 15) < (spill[b] >> 4 * n & 15) :
				   (is >> 4 * n & 15) != (spill[b] >> 4 * n & 15))
				bad += ksft_fail_at("bucket %u: spill %#x, truth %#x", b, is,
						    spill[b]);
	}
	free(of);
	free(spill);
	return bad;
}

static inline int see_chunk(int v6, __u32 chunk, __u8 *seen, const char *where)
{
	if (chunk >= geo[v6].chunks)
		return ksft_fail_at("%s: there is no chunk %u", where, chunk);
	if (seen[chunk]++)
		return ksft_fail_at("%s: chunk %u is in two lists", where, chunk);
	return 0;
}

static inline int check_ring(int v6, const struct vtw_ring *r, __u8 *seen)
{
	__u32 last = VTW_NO_CHUNK, count = 0;

	for (__u32 c = r->oldest; c != VTW_NO_CHUNK; c = vtw_next(mem_chunks[v6][c].link)) {
		if (see_chunk(v6, c, seen, "ring"))
			return 1;
		last = c;
		count++;
	}
	if (count != r->chunks)
		return ksft_fail_at("a ring of %u chunks says %u", count, r->chunks);
	if (VTW_HAND_CHUNK(r->hand) != (last + 1) % (VTW_NO_CHUNK + 1))
		return ksft_fail_at("the hand is on chunk %u, the last one is %u",
				    VTW_HAND_CHUNK(r->hand) - 1, last);
	return 0;
}

/* Every chunk is in one list, and hands are at the young ends. */
static inline int check_chunks(int v6)
{
	struct vtw_pool *p = &mem_pool[v6];
	__u8 *seen = calloc(geo[v6].chunks, 1);
	int bad = p->virgin > geo[v6].chunks;

	for (int n = 0; n < VTW_RINGS; n++)
		bad += check_ring(v6, &p->ring[n], seen);
	for (__u32 c = p->spare; c != VTW_NO_CHUNK; c = vtw_next(mem_chunks[v6][c].link))
		if (see_chunk(v6, c, seen, "spare")) {
			bad++;
			break;
		}
	for (__u32 c = 0; c < geo[v6].chunks; c++)
		if (seen[c] != (c < p->virgin))
			bad += ksft_fail_at("chunk %u of %u is %s", c, p->virgin,
					    seen[c] ? "used and virgin" : "lost");
	free(seen);
	return bad;
}

static inline int check_claims(int v6)
{
	int bad = 0;

	for (__u32 i = 0; i < geo[v6].capacity; i++)
		if (vtw_tcb(v6, i)->word.state == VTW_CLAIMED)
			bad += ksft_fail_at("record %u is claimed, by nobody", i);
	return bad;
}

static inline int check_pool(int v6, int more)
{
	return check_index(v6, more) + check_chunks(v6) + check_claims(v6);
}

/* Sessions of a class that live. */
static inline __u32 count_live(int v6, __u32 class)
{
	__u32 live = 0;

	for (__u32 i = 0; i < geo[v6].capacity; i++) {
		union vtw_word w = vtw_settled(v6, i, vtw_tcb(v6, i)->word, &config, vtw_now());

		live += vtw_in_use(w) && vtw_ring_of(w.state, w.class) == class;
	}
	return live;
}

#endif /* SELFTESTS_POOL_H */
