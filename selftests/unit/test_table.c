// SPDX-License-Identifier: GPL-2.0
/*
 * test_table.c - the index against a plain list: who is in it, and who is found
 *
 * Records are filled in by hand, so that only table.h is at work.
 */
#include "pool.h"

#define OPERATIONS	1500000

static const __u32 sizes[] = { 1, 2, 15, 16, 17, 100, 1000, 65536 };

/* Which number each record has; 0: it is out of the index. */
static __u32 *owner;

static __u64 write_record(int v6, enum pattern p, __u32 i, __u32 n)
{
	struct vtw_key k = key_of(p, v6, n);
	struct vtw_tcb *t = vtw_tcb(v6, i);

	t->word.all = 0;
	t->word.state = VTW_TIME_WAIT;
	if (v6)
		vtw_put_key(1, t, &k);
	else
		vtw_put_key(0, t, &k);
	return v6 ? vtw_hash_of(1, &k) : vtw_hash_of(0, &k);
}

/* As a segment asks: first for the tags only, which may say no only when it is sure. */
static __u32 find(int v6, enum pattern p, __u32 n)
{
	struct vtw_key k = key_of(p, v6, n);
	__u64 hash = v6 ? vtw_hash_of(1, &k) : vtw_hash_of(0, &k);

	if (v6 ? !vtw_maybe(1, hash) : !vtw_maybe(0, hash))
		return VTW_NONE;
	return v6 ? vtw_find(1, &k, hash) : vtw_find(0, &k, hash);
}

static int insert(int v6, enum pattern p, __u32 i, __u32 n)
{
	__u64 hash = write_record(v6, p, i, n);

	if (v6 ? vtw_insert(1, hash, i) : vtw_insert(0, hash, i)) {
		vtw_tcb(v6, i)->word.all = 0;
		return -1;
	}
	owner[i] = n;
	return 0;
}

static int take_out(int v6, __u32 i)
{
	vtw_tcb(v6, i)->word.all = 0;
	owner[i] = 0;
	return v6 ? vtw_unlink(1, i) : vtw_unlink(0, i);
}

/* The same tuple moves to another record, as when 2MSL begins again. */
static int move(int v6, enum pattern p, __u32 from, __u32 to)
{
	__u64 hash = write_record(v6, p, to, owner[from]);

	owner[to] = owner[from];
	owner[from] = 0;
	vtw_tcb(v6, from)->word.all = 0;
	return v6 ? vtw_relink(1, hash, from, to, 0) : vtw_relink(0, hash, from, to, 0);
}

/* Every record used: does each find its place, and is each found? */
static int fill(int v6, enum pattern p, __u32 capacity)
{
	int bad = 0;

	for (__u32 i = 0; i < capacity; i++)
		if (insert(v6, p, i, i + 1))
			bad += ksft_fail_at("record %u of %u finds no slot", i, capacity);
	for (__u32 i = 0; i < capacity; i++)
		if (find(v6, p, i + 1) != i || find(v6, p, i + 1 + capacity) != VTW_NONE)
			bad += ksft_fail_at("%u is not found, or found without being there", i);
	return bad;
}

/* Random changes, and a look at a random tuple after each. */
static int churn(int v6, enum pattern p, __u32 capacity, __u32 operations, struct rng *r)
{
	__u32 next = capacity + 1;
	int bad = 0;

	for (__u32 n = 0; n < operations && !bad; n++) {
		__u32 i = rng_below(r, capacity), j = rng_below(r, capacity), other;

		if (!owner[i])
			bad += !!insert(v6, p, i, next++);
		else if (!owner[j] && (n & 1))
			bad += !!move(v6, p, i, j);
		else
			bad += !!take_out(v6, i);
		i = rng_below(r, capacity);
		if (owner[i] && find(v6, p, owner[i]) != i)
			bad += ksft_fail_at("operation %u: %u is not at %u", n, owner[i], i);
		other = find(v6, p, 1 + rng_below(r, next));
		if (other != VTW_NONE && !owner[other])
			bad += ksft_fail_at("operation %u: %u is there no more", n, other);
	}
	return bad;
}

static void test_size(__u32 capacity, enum pattern p, int v6)
{
	struct rng r = { rng_seed() + capacity };
	int bad;

	owner = calloc(capacity, sizeof(*owner));
	mem_begin(v6, capacity, rng_next(&r), 1000);
	bad = fill(v6, p, capacity);
	bad += check_index(v6, 0);
	bad += churn(v6, p, capacity, capacity < 1000 ? OPERATIONS / 100 : OPERATIONS / 10, &r);
	bad += check_index(v6, 0);
	for (__u32 i = 0; i < capacity; i++)
		if (owner[i])
			bad += !!take_out(v6, i);
	bad += check_index(v6, 0);
	for (__u32 b = 0; b < geo[v6].buckets; b++)
		bad += !!vtw_bucket(v6, b)->spill;
	ksft_ok(!bad, "%u entries, IPv%d, %s tuples: fill, change, empty", capacity,
		v6 ? 6 : 4, pattern_name[p]);
	free(owner);
}

/* A full table in which one record after another is replaced: is there always room? */
static void test_room(enum pattern p)
{
	const __u32 capacity = 65536, operations = 2 * OPERATIONS;
	struct rng r = { rng_seed() };
	int bad = 0;

	owner = calloc(capacity, sizeof(*owner));
	mem_begin(0, capacity, rng_next(&r), 1000);
	bad += fill(0, p, capacity);
	for (__u32 n = 0; n < operations; n++) {
		take_out(0, n % capacity);
		if (insert(0, p, n % capacity, capacity + 1 + n))
			bad += ksft_fail_at("seed %llu: replacement %u found no room",
					    (unsigned long long)rng_seed(), n);
	}
	bad += check_index(0, 0);
	ksft_ok(!bad, "full of %s tuples: room for each of %u replacements", pattern_name[p],
		operations);
	free(owner);
}

/* A session bound to a device is met only there. */
static void test_device(void)
{
	struct vtw_key k = key_of(RANDOM, 0, 7);
	__u64 hash;
	int bad = 0;

	owner = calloc(100, sizeof(*owner));
	mem_begin(0, 100, 1, 1000);
	insert(0, RANDOM, 5, 7);
	hash = vtw_hash_of(0, &k);
	k.ifindex = 3;
	bad += vtw_find(0, &k, hash) != 5;
	vtw_tcb(0, 5)->word.dev = vtw_dev_tag(3);
	bad += vtw_find(0, &k, hash) != 5;
	k.ifindex = 4;
	bad += vtw_find(0, &k, hash) != VTW_NONE;
	k.ifindex = 0;
	bad += vtw_find(0, &k, hash) != 5;
	vtw_tcb(0, 5)->word.state = VTW_CLAIMED;
	bad += vtw_find(0, &k, hash) != VTW_NONE;
	ksft_ok(!bad, "a device's session is met there only, a claimed one nowhere");
	free(owner);
}

int main(void)
{
	ksft_plan(ARRAY_SIZE(sizes) * PATTERNS * 2 + PATTERNS + 1);
	for (size_t n = 0; n < ARRAY_SIZE(sizes); n++)
		for (int p = 0; p < PATTERNS; p++) {
			test_size(sizes[n], p, 0);
			test_size(sizes[n], p, 1);
		}
	for (int p = 0; p < PATTERNS; p++)
		test_room(p);
	test_device();
	return ksft_end();
}
