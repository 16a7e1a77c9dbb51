// SPDX-License-Identifier: GPL-2.0
/*
 * test_threads.c - 1 to 4 threads in one pool: nothing gets lost, doubled or mixed up
 *
 * Each thread has tuples that only it uses and shares others with all. Of its own
 * it knows what must be found; the shared ones are fought for. When
 * all have joined, the pool must be as sound as one that a single thread has used.
 *
 * Records are read while others may write them, and believed only if their word stayed the
 * same; a race detector calls that a race, so there is no run under one.
 */
#include "pool.h"

#define OPERATIONS	400000
#define OWN		(1u << 24)	/* numbers of a thread begin at its multiple of this */
#define FAMILY		0

struct worker {
	pthread_t thread;
	__u32 id, capacity, own, shared, operations;
	struct rng r;
	__u64 strange;		/* somebody else's data under our tuple */
	__u64 ghosts;		/* ended by us, and found again */
	__u64 seen, ended;
	struct vtw_stats stats;
};

static pthread_barrier_t start;

/* Is what was found this session's? Only if nobody changed it while we looked. */
static int is_strange(__u32 n, const struct found *f)
{
	__u32 snd_nxt = *(volatile __u32 *)&f->t->snd_nxt, rcv_nxt = f->t->rcv_nxt;

	return f->raw.all == __atomic_load_n(&f->t->word.all, __ATOMIC_SEQ_CST) &&
	       vtw_same(FAMILY, f->t, &f->key) &&
	       (snd_nxt != n || rcv_nxt != ~n || f->raw.wnd != (n & 0xffff));
}

static void end_own(struct worker *w, __u32 n, const struct found *f)
{
	struct found again;

	w->ended += !end_session(FAMILY, f);
	w->ghosts += recall(FAMILY, RANDOM, n, &again);
}

static void work_one(struct worker *w)
{
	int own = rng_below(&w->r, 4) != 0;
	__u32 n = 1 + (own ? w->id * OWN + rng_below(&w->r, w->own) : rng_below(&w->r, w->shared));
	__u32 what = rng_below(&w->r, 16), class = rng_below(&w->r, 3);
	struct found f;

	if (!rng_below(&w->r, 64))
		__atomic_fetch_add(&mem_ns, rng_next(&w->r) % 2000000, __ATOMIC_RELAXED);
	if (what < 8) {
		remember(FAMILY, RANDOM, n, class);
		return;
	}
	if (!recall(FAMILY, RANDOM, n, &f))
		return;
	w->seen++;
	w->strange += is_strange(n, &f);
	if (what < 11)
		restart(FAMILY, RANDOM, n, &f);
	else if (what < 13 && own)
		end_own(w, n, &f);
	else if (what < 13)
		end_session(FAMILY, &f);
}

static void *work(void *arg)
{
	struct worker *w = arg;

	pthread_barrier_wait(&start);
	memset(&mem_stats, 0, sizeof(mem_stats));
	mem_dice.state = w->r.state + 1;
	for (__u32 i = 0; i < w->operations; i++)
		work_one(w);
	w->stats = mem_stats;
	return NULL;
}

/* A tuple that several threads recorded at once may be there twice; an own one never. */
static int own_twice(__u32 capacity)
{
	__u8 *seen = calloc(4 * 65536 + 65536, 1);
	int bad = 0;

	for (__u32 i = 0; i < capacity; i++) {
		struct vtw_tcb *t = vtw_tcb(FAMILY, i);
		struct vtw_key k = {};
		__u32 n;

		if (!vtw_in_use(t->word))
			continue;
		vtw_get_key(FAMILY, t, &k);
		n = num_of(RANDOM, FAMILY, &k);
		if (n < OWN)
			continue;
		n = (n / OWN - 1) * 65536 + n % OWN;
		bad += seen[n]++ ? ksft_fail_at("session %#x is there twice", n) : 0;
	}
	free(seen);
	return bad;
}

static void test(__u32 threads, __u32 capacity)
{
	struct worker w[4] = {};
	__u64 strange = 0, ghosts = 0, lost = 0, seen = 0, evicted = 0;
	int bad;

	mem_defaults();
	mem_pauses = threads > 1 ? 300 : 0;
	mem_begin(FAMILY, capacity, rng_seed() + threads, (1ull << 24) - 100000);
	pthread_barrier_init(&start, NULL, threads);
	for (__u32 i = 0; i < threads; i++) {
		w[i] = (struct worker) {
			.id = i + 1, .capacity = capacity, .r = { rng_seed() * 100 + i + 1 },
			.own = capacity / 2 + 2 < 65535 ? capacity / 2 + 2 : 65535,
			.shared = capacity / 4 + 2, .operations = OPERATIONS / threads,
		};
		if (pthread_create(&w[i].thread, NULL, work, &w[i]))
			ksft_bail("no thread");
	}
	for (__u32 i = 0; i < threads; i++) {
		pthread_join(w[i].thread, NULL);
		strange += w[i].strange;
		ghosts += w[i].ghosts;
		seen += w[i].seen;
		evicted += w[i].stats.evicted;
		lost += w[i].stats.lost_no_slot;
	}
	bad = check_pool(FAMILY, 1) + own_twice(capacity);
	ksft_ok(!bad && !strange && !ghosts && !lost && seen,
		"%u threads, %u entries: %llu found, %llu given up, %llu strange, %llu ghosts",
		threads, capacity, (unsigned long long)seen, (unsigned long long)evicted,
		(unsigned long long)strange, (unsigned long long)ghosts);
	pthread_barrier_destroy(&start);
}

static const __u32 sizes[] = { 1, 15, 16, 17, 100, 1000, 65536 };

int main(void)
{
	ksft_plan(4 * ARRAY_SIZE(sizes));
	for (__u32 threads = 1; threads <= 4; threads++)
		for (size_t i = 0; i < ARRAY_SIZE(sizes); i++)
			test(threads, sizes[i]);
	return ksft_end();
}
