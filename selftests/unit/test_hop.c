// SPDX-License-Identifier: GPL-2.0
/* test_hop.c - next hops: which post is whose, and when it may be another one's */
#include <pthread.h>
#include <sched.h>

#include "unit.h"

#include <vestige/forward.h>

static struct forward_posts posts;
static struct rtcache_gens gens;
static __u64 seed[6];

/* One set: all have to do with one another. */
static struct forward_posts *hop_posts(__u32 i)
{
	return i ? NULL : &posts;
}

static struct forward_bucket *flow_bucket(__u32 i)
{
	(void)i;
	return NULL;
}

/* Whoever is between two steps may be there for long: that is where races are. */
static __thread struct rng dice;

static void dawdle(void)
{
	if (dice.state && !rng_below(&dice, 16))
		sched_yield();
}

static __u64 slow_cas(__u64 *p, __u64 old, __u64 new)
{
	dawdle();
	old = __sync_val_compare_and_swap(p, old, new);
	dawdle();
	return old;
}

static __u32 slow_cas32(__u32 *p, __u32 old, __u32 new)
{
	dawdle();
	old = __sync_val_compare_and_swap(p, old, new);
	dawdle();
	return old;
}

static void slow_barrier(void)
{
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	dawdle();
}

#define flow_barrier() slow_barrier()
#define flow_cas(p, old, new) _Generic(p, __u64 *: slow_cas, __u32 *: slow_cas32)(p, old, new)

#include <vestige/hop.h>

static struct forward_hop hop_of(__u32 n)
{
	struct forward_hop hop = { .oif = n, .mtu = 1500 };

	hop.mac[0] = n;
	hop.in_mac[5] = n;
	return hop;
}

static void begin(__u64 gen)
{
	memset(&posts, 0, sizeof(posts));
	gens = (struct rtcache_gens){ .gen = { gen, gen }, .lease_ns = RTCACHE_FOREVER };
}

static int take(__u32 n, int family, __u64 gen)
{
	struct forward_hop hop = hop_of(n);

	return hop_number(1, seed, &gens, &hop, family, gen);
}

/* What a flow of that generation would leave by; 0: it is over. */
static __u32 read_back(int number, int family, __u64 gen)
{
	struct forward_hop hop;

	return hop_read(number, &gens, family, gen, &hop) ? hop.oif : 0;
}

static void test_shared(void)
{
	int a, b, bad;

	begin(2);
	a = take(1, RTCACHE_INET, 2);
	b = take(2, RTCACHE_INET, 2);
	bad = a < 0 || b < 0 || a == b || take(1, RTCACHE_INET, 2) != a ||
	      take(1, RTCACHE_INET6, 2) != a || read_back(a, RTCACHE_INET, 2) != 1 ||
	      read_back(b, RTCACHE_INET, 2) != 2;
	ksft_ok(!bad, "equal hops are one, others are not");
}

/* Each word counts. */
static void test_differ(void)
{
	struct forward_hop a = hop_of(1), b;
	int bad = 0;

	for (size_t i = 0; i < sizeof(a); i++) {
		b = a;
		((__u8 *)&b)[i] ^= 1;
		bad += hop_same(&a, &b) ||
		       hop_home(1 << 20, seed, &a) == hop_home(1 << 20, seed, &b);
	}
	ksft_ok(!bad, "hops differ when any byte does");
}

/* While a generation that may be meant is good, no post of it is another one's. */
static void test_full(void)
{
	int bad = 0;

	begin(2);
	for (__u32 n = 1; n <= FORWARD_WAYS; n++)
		bad += take(n, n & 1, 2) < 0;
	bad += take(100, RTCACHE_INET, 2) != FLOW_NONE;
	gens.gen[RTCACHE_INET] = 4;
	bad += take(100, RTCACHE_INET, 4) < 0;
	for (__u32 n = 1; n <= FORWARD_WAYS; n++)
		bad += read_back(n - 1, RTCACHE_INET, 2) != 0;
	bad += read_back(0, RTCACHE_INET6, 2) != 1 || read_back(1, RTCACHE_INET, 4) != 100;
	ksft_ok(!bad, "a set that is full is full until a generation is over");
}

/* IPv4 is over, IPv6 is not: it stays. */
static void test_both(void)
{
	int a, bad;

	begin(2);
	a = take(1, RTCACHE_INET, 2);
	bad = take(1, RTCACHE_INET6, 2) != a;
	gens.gen[RTCACHE_INET] = 4;
	for (__u32 n = 2; n < 100; n++)
		take(n, RTCACHE_INET, 4);
	bad += read_back(a, RTCACHE_INET6, 2) != 1;
	ksft_ok(!bad, "a post is over when it is for both families");
}

/* A lookup that took long must not make the post of a newer one look old. */
static void test_late(void)
{
	int a, bad;

	begin(4);
	a = take(1, RTCACHE_INET, 4);
	bad = take(1, RTCACHE_INET, 2) != FLOW_NONE || posts.post[a].gen[RTCACHE_INET] != 4;
	ksft_ok(!bad, "a mark never goes back");
}

/* --- several at once -------------------------------------------------------------------- */

#define THREADS	3
#define ROUNDS	60000
#define KINDS	20	/* more than there is room for */

static int stop;
static __u64 wrong, good;

static void *change(void *arg)
{
	struct rng r = { 99 };

	(void)arg;
	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
		__atomic_add_fetch(&gens.gen[rng_below(&r, RTCACHE_FAMILIES)], 2, __ATOMIC_SEQ_CST);
		for (int i = rng_below(&r, 2000); i; i--)
			asm volatile("");
	}
	return NULL;
}

/* What was taken under a generation is there as long as that is the family's. */
static void *use(void *arg)
{
	struct rng r = { (uintptr_t)arg };

	dice = r;
	for (int i = 0; i < ROUNDS; i++) {
		int family = rng_below(&r, RTCACHE_FAMILIES);
		__u64 gen = __atomic_load_n(&gens.gen[family], __ATOMIC_SEQ_CST);
		__u32 n = 1 + rng_below(&r, KINDS), got;
		int number = take(n, family, gen);

		for (int again = 0; number != FLOW_NONE && again < 4; again++) {
			got = read_back(number, family, gen);
			if (got)
				__atomic_add_fetch(got == n ? &good : &wrong, 1,
						   __ATOMIC_RELAXED);
		}
	}
	return NULL;
}

static void test_race(void)
{
	pthread_t changer, users[THREADS];

	begin(2);
	pthread_create(&changer, NULL, change, NULL);
	for (long i = 0; i < THREADS; i++)
		pthread_create(&users[i], NULL, use, (void *)(i + 1));
	for (int i = 0; i < THREADS; i++)
		pthread_join(users[i], NULL);
	__atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
	pthread_join(changer, NULL);
	ksft_ok(!wrong && good > 1000, "what is read is what was taken, or over (%llu, %llu)",
		(unsigned long long)good, (unsigned long long)wrong);
}

int main(void)
{
	struct rng r = { rng_seed() };

	for (size_t i = 0; i < sizeof(seed) / sizeof(seed[0]); i++)
		seed[i] = rng_next(&r);
	ksft_plan(6);
	test_shared();
	test_differ();
	test_full();
	test_both();
	test_late();
	test_race();
	return ksft_end();
}
