// SPDX-License-Identifier: GPL-2.0
/* test_flow.c - the cache of flows against a list, and in a flood */
#include <stddef.h>

#include "unit.h"

#include <vestige/forward.h>

static struct forward_bucket *buckets;
static __u32 nr_buckets;

static struct forward_bucket *flow_bucket(__u32 i)
{
	return i < nr_buckets ? &buckets[i] : NULL;
}

#include <vestige/flow.h>

static void begin(__u32 n)
{
	free(buckets);
	nr_buckets = n;
	buckets = calloc(n, sizeof(*buckets));
}

/* --- keys ---------------------------------------------------------------------------- */

static struct forward_key key_of(int v6, __u32 n)
{
	struct forward_key k = { .iif = 1 + n % 3, .sport = n >> 3, .dport = 80, .proto = 17,
				 .family = v6 };

	k.addr[0] = n * 2654435761u;
	k.addr[v6 ? 7 : 1] = n;
	return k;
}

/* The factors of the hash. */
static __u64 seed[6];

static __u64 hash_of(int v6, const struct forward_key *k)
{
	return v6 ? flow_hash(1, k, seed) : flow_hash(0, k, seed);
}

static struct forward_flow *find(int v6, __u32 n, struct flow_route *route)
{
	struct forward_key k = key_of(v6, n);
	__u64 h = hash_of(v6, &k);
	__u32 home = flow_home(nr_buckets, h);

	return v6 ? flow_find(1, home, h, &k, route) : flow_find(0, home, h, &k, route);
}

#define AGE	5000

static __u64 now;	/* a flow is stored at */
static __u64 age = AGE;

static enum flow_stored store(int v6, __u32 n, __u64 gen)
{
	struct flow_route r = { .gen = gen, .since_ns = now };
	struct forward_key k = key_of(v6, n);
	__u64 h = hash_of(v6, &k);
	struct forward_bucket *b = flow_bucket(flow_home(nr_buckets, h));
	int i = flow_place(b, h, now, age);

	if (i == FLOW_NONE)
		return FLOW_DEFERRED;
	return v6 ? flow_write(1, b, i, h, &k, &r) : flow_write(0, b, i, h, &k, &r);
}

static int same_key(int v6, const struct forward_key *a, const struct forward_key *b)
{
	begin(1);
	if (v6) {
		flow_put_key(1, buckets, 3, a);
		return flow_same(1, buckets, 3, b);
	}
	flow_put_key(0, buckets, 3, a);
	return flow_same(0, buckets, 3, b);
}

/* Each word of a key counts, and none is left out of the hash. */
static void test_key(int v6)
{
	struct forward_key a = key_of(v6, 77), b;
	int bad = 0, same;

	for (size_t i = 0; i < sizeof(a); i++) {
		int counts = v6 || i < offsetof(struct forward_key, addr) + 8;

		b = a;
		((__u8 *)&b)[i] ^= 0x10;
		same = same_key(v6, &a, &b);
		if (same != !counts || (hash_of(v6, &a) == hash_of(v6, &b)) != !counts)
			bad += ksft_fail_at("byte %zu", i);
	}
	ksft_ok(!bad, "IPv%c: keys differ when any byte does", v6 ? '6' : '4');
}

/*
 * Keys that somebody may choose to fill a bucket, or to be looked for in a flood: two bits
 * differ, in whatever words. As often as chance has it, whatever the seeds are.
 */
static void test_choose(void)
{
	struct forward_key a = key_of(1, 77), b;
	unsigned int same = 0, spots = 0, n = 0;

	for (int i = 0; i < 384; i++) {
		for (int j = 0; j < i; j++, n++) {
			b = a;
			b.word[i / 64] ^= 1ull << i % 64;
			b.word[j / 64] ^= 1ull << j % 64;
			same += hash_of(1, &a) == hash_of(1, &b);
		}
	}
	for (__u32 i = 1; i < 10000; i++) {
		memset(&b, 0, sizeof(b));
		b.word[1] = b.word[3] = (__u64)i << 32 | i;	/* cancels in the sum */
		spots += !(flow_spot(1, &b, seed) >> 56);
	}
	ksft_ok(!same && spots < 200, "nobody chooses hashes or spots (%u of %u, %u)", same, n,
		spots);
}

/*
 * Random flows come; a list says what each was last stored with. What is found must be
 * that, never another flow's, and what was just stored must be found.
 */
static void test_list(int v6, __u32 n, __u32 kinds)
{
	struct rng r = { rng_seed() + n + v6 };
	__u32 *list = calloc(kinds, sizeof(*list)), hits = 0;
	struct flow_route route;
	int bad = 0;

	begin(n);
	for (__u32 op = 1; op < 400000 && !bad; op++) {
		__u32 i = rng_below(&r, kinds);

		if (find(v6, i, &route)) {
			hits++;
			if (route.gen != list[i])
				bad += ksft_fail_at("flow %u has %u, not %u", i,
						    (unsigned int)route.gen, list[i]);
		}
		if (rng_below(&r, 4))
			continue;
		switch (store(v6, i, op)) {
		case FLOW_RACED:
			bad += ksft_fail_at("nobody else is here");
			break;
		case FLOW_DEFERRED:
			break;
		default:
			list[i] = op;
			if (!find(v6, i, &route) || route.gen != op)
				bad += ksft_fail_at("flow %u was stored and is not found", i);
		}
	}
	ksft_ok(!bad && hits, "IPv%c: %u flows in %u places, as in a list", v6 ? '6' : '4', kinds,
		n * FORWARD_WAYS);
	free(list);
}

static void test_second_chance(void)
{
	struct flow_route route;
	int bad = 0;

	begin(1);
	for (__u32 i = 0; i < FORWARD_WAYS; i++)
		if (store(0, i, i) != FLOW_STORED)
			bad += ksft_fail_at("%u of the first eight is not stored", i);
	for (__u32 i = 0; i < FORWARD_WAYS; i++)
		if (i != 3 && !find(0, i, &route))
			bad += ksft_fail_at("%u is not found", i);
	if (store(0, 100, 1) != FLOW_DEFERRED || find(0, 100, &route))
		bad += ksft_fail_at("a new flow gets into a full bucket at first sight");
	if (store(0, 100, 1) != FLOW_EVICTED || !find(0, 100, &route))
		bad += ksft_fail_at("a new flow does not get in when it comes again");
	if (find(0, 3, &route))
		bad += ksft_fail_at("the flow that was never used is still there");
	for (__u32 i = 0; i < FORWARD_WAYS; i++)
		if (i != 3 && !find(0, i, &route))
			bad += ksft_fail_at("%u was used, and went", i);
	ksft_ok(!bad, "who was used has a second chance, who was not goes");
}

/* Flows of one packet each: those that were there stay, and are found. */
static void test_flood(void)
{
	__u32 n = 64, kept = 0;
	struct flow_route route;

	begin(n);
	for (__u32 i = 0; i < n * FORWARD_WAYS; i++)
		store(0, i, i);
	for (__u32 i = 0; i < n * FORWARD_WAYS; i++)
		kept += !!find(0, i, &route);
	for (__u32 i = 1000000; i < 1100000; i++)
		store(0, i, i);
	for (__u32 i = 0; i < n * FORWARD_WAYS; i++)
		kept -= !!find(0, i, &route);
	ksft_ok(!kept, "100,000 flows of a packet each push nobody out (%d)", (int)kept);
}

/* Counters belong to the flow: they go on when it is refreshed and begin anew with another. */
static void test_counters(void)
{
	struct forward_flow *f;
	struct flow_route route;
	int bad;

	begin(1);
	store(0, 1, 1);
	f = find(0, 1, &route);
	f->packets = 7;
	bad = store(0, 1, 2) != FLOW_REFRESHED || f->packets != 7 || !find(0, 1, &route) ||
	      route.gen != 2;
	for (__u32 i = 2; i < 200; i++) {
		store(0, i, i);
		store(0, i, i);
	}
	bad |= !!find(0, 1, &route);
	for (__u32 i = 0; i < FORWARD_WAYS; i++)
		bad |= !!buckets->flow[i].packets;
	ksft_ok(!bad, "counters go on with a refreshed flow, and begin at 0 with another");
}

/* What is being written is not read, nor written by a second one. */
static void test_claim(void)
{
	struct forward_flow *f;
	struct flow_route route;
	int bad;

	begin(1);
	store(0, 1, 1);
	f = find(0, 1, &route);
	bad = !flow_claim(f) || find(0, 1, &route) || store(0, 1, 2) != FLOW_RACED;
	flow_release(f);
	bad |= !find(0, 1, &route) || route.gen != 1;
	ksft_ok(!bad, "a flow that is being written is nobody's");
}

/* As bpf/forward.h has it, with a routing table that always answers. */
static void packet(struct forward_cpu *cpu, __u32 n)
{
	struct forward_key k = key_of(0, n);
	struct flow_route route;

	if (!forward_looks(cpu, flow_spot(0, &k, seed)))
		return;
	if (find(0, n, &route)) {
		if (now - route.since_ns < AGE) {
			forward_found(cpu);
			cpu->counter[FORWARD_hit]++;
			return;
		}
	} else {
		forward_missed(cpu);
	}
	age = cpu->flooded ? ~0ull >> 2 : AGE;
	switch (store(0, n, 2)) {
	case FLOW_EVICTED:
		cpu->counter[FORWARD_evicted]++;
		/* fallthrough */
	case FLOW_STORED:
		cpu->counter[FORWARD_stored]++;
		break;
	default:
		cpu->counter[FORWARD_deferred]++;
	}
}

#define LARGE	8192	/* buckets */

/* So many packets of so many flows at random; the hits. */
static __u64 traffic(struct forward_cpu *cpu, __u32 packets, __u32 kinds)
{
	static struct rng r = { 77 };
	__u64 hits = cpu->counter[FORWARD_hit];

	while (packets--)
		packet(cpu, rng_below(&r, kinds));
	return cpu->counter[FORWARD_hit] - hits;
}

/* Each packet is a flow of its own. What was looked for: has no room, or took some. */
static __u64 flood(struct forward_cpu *cpu, __u32 packets)
{
	static __u32 n = 1u << 31;
	__u64 *count = cpu->counter, before = count[FORWARD_stored] + count[FORWARD_deferred];

	while (packets--)
		packet(cpu, n++);
	return count[FORWARD_stored] + count[FORWARD_deferred] - before;
}

/* Nothing is there: the flows that fill a free way are no flood. */
static void test_cold(void)
{
	struct forward_cpu cpu = {};
	__u64 hits;

	begin(LARGE);
	traffic(&cpu, 90000, 30000);
	hits = traffic(&cpu, 90000, 30000);
	ksft_ok(hits > 80000, "30,000 flows in a cold cache are warm after three rounds (%llu)",
		(unsigned long long)hits);
}

/* All until the cache is full, then fewer and fewer. */
static void test_sampling(void)
{
	struct forward_cpu cpu = {};
	__u64 full, deep;

	begin(LARGE);
	full = flood(&cpu, 400000);
	deep = flood(&cpu, FORWARD_WINDOW << (FORWARD_DROWNED + 1));
	deep = flood(&cpu, 1 << 20);
	ksft_ok(full < 300000 && cpu.flooded == FORWARD_DROWNED &&
		deep < 3 << 20 >> FORWARD_DROWNED && deep > 1 << 20 >> FORWARD_DROWNED,
		"a flood is looked for less and less (%llu, %llu)", (unsigned long long)full,
		(unsigned long long)deep);
}

/* When it is over: one large flow, and many small ones, come to their right. */
static void test_after(__u32 kinds, __u32 packets)
{
	struct forward_cpu cpu = {};
	__u64 hits;

	begin(LARGE);
	flood(&cpu, 4000000);
	traffic(&cpu, packets, kinds);
	hits = traffic(&cpu, 100000, kinds);
	ksft_ok(hits > 90000, "after a flood %u flows are cached within %u packets (%llu)", kinds,
		packets, (unsigned long long)hits);
}

/*
 * A flood that lasts for ages, in ms: flows that come ten times a second are not taken for
 * idle because few of their packets are looked for; not by another CPU either, to which 500
 * new ones come in a second.
 */
static void test_long_flood(void)
{
	struct forward_cpu cpu = {}, other = {};
	struct flow_route route;
	__u32 kept = 0;

	begin(LARGE);
	traffic(&cpu, 100000, 5000);
	for (now = 0; now < 4 * AGE; now++) {
		flood(&cpu, 950);
		traffic(&cpu, 50, 5000);
		flood(&other, now % 2);
	}
	for (__u32 i = 0; i < 5000; i++)
		kept += !!find(0, i, &route);
	now = 0;
	ksft_ok(kept > 4900 && cpu.flooded,
		"flows in use outlast a flood of four ages (%u of 5000)", kept);
}

/* Two of a flow, by a race: who looks for it and who refreshes it mean the same one. */
static void test_twice(void)
{
	struct flow_route route;
	int choice = 0, bad;
	__u32 n = 0;

	while (!choice) {
		struct forward_key k = key_of(0, ++n);

		choice = flow_choice(hash_of(0, &k));
	}
	begin(1);
	store(0, n, 2);
	buckets->flow[0] = buckets->flow[choice];
	buckets->tag[0] = buckets->tag[choice];
	bad = store(0, n, 4) != FLOW_REFRESHED || !find(0, n, &route) || route.gen != 4;
	ksft_ok(!bad, "of two of a flow one is found, and that one is refreshed");
}

/* One packet in four has a flow that is there: no flood. */
static void test_no_flood(void)
{
	struct forward_cpu cpu = {};
	__u64 looks = 0;

	begin(LARGE);
	flood(&cpu, 4000000);
	traffic(&cpu, (FORWARD_FEW + 3) << FORWARD_DROWNED, 1);
	for (int i = 0; i < 100000; i++)
		looks += i % 4 ? flood(&cpu, 1) : traffic(&cpu, 1, 1);
	ksft_ok(looks == 100000, "a quarter of hits is no flood (%llu)",
		(unsigned long long)looks);
}

/* The door is for flows in use: who has not come for two ages makes room at once. */
static void test_idle(void)
{
	struct flow_route route;
	int bad = 0, room = 0;

	begin(64);
	for (__u32 i = 0; i < 10000; i++)
		store(0, i, i);
	now = 2 * AGE - 1;
	for (__u32 i = 10000; i < 20000; i++)
		bad += store(0, i, i) != FLOW_DEFERRED;
	now = 2 * AGE;
	for (__u32 i = 20000; i < 20100; i++)
		room += store(0, i, i) == FLOW_EVICTED && find(0, i, &route);
	now = 0;
	ksft_ok(!bad && room > 50, "flows that are idle for two ages make room (%d, %d)", bad,
		room);
}

int main(void)
{
	struct rng r = { rng_seed() };

	for (size_t i = 0; i < sizeof(seed) / sizeof(seed[0]); i++)
		seed[i] = rng_next(&r);
	ksft_plan(20);
	test_key(0);
	test_key(1);
	test_choose();
	test_list(0, 1, 20);
	test_list(0, 16, 500);
	test_list(1, 16, 500);
	test_list(1, 8192, 40000);
	test_second_chance();
	test_flood();
	test_counters();
	test_claim();
	test_twice();
	test_idle();
	test_cold();
	test_sampling();
	test_after(1, (FORWARD_FEW + 3) << FORWARD_DROWNED);
	test_after(1000, 500000);
	test_after(30000, 1000000);
	test_no_flood();
	test_long_flood();
	return ksft_end();
}
