// SPDX-License-Identifier: GPL-2.0
/*
 * test_pool.c - the pool against a plain C list: who lives, who has to go, and when
 *
 * bpf/record.h and all below it run here on arrays, with a clock that the test moves. The model
 * knows of each session how long it should live; the pool may take a session from it
 * only when it is full, and then the oldest one.
 */
#include "pool.h"

#define OPERATIONS	400000

/* A session of the model. */
struct model {
	__u64 until;	/* ms; 0: not remembered */
	__u32 born;	/* how many were recorded before it */
	__u32 class;
	__u32 older, younger;	/* list of its class, by birth; 0: end */
};

static struct {
	struct model *of;	/* by number; 0 is nobody */
	__u32 oldest[VTW_RINGS], youngest[VTW_RINGS];
	__u32 births;
	enum pattern pattern;
	int v6;
	__u32 evictions, not_oldest, not_alive;
} model;

static void model_begin(__u32 capacity, __u32 numbers, enum pattern p, int v6, uint64_t seed,
			__u64 now)
{
	free(model.of);
	memset(&model, 0, sizeof(model));
	model.of = calloc(numbers + 1, sizeof(*model.of));
	model.pattern = p;
	model.v6 = v6;
	mem_defaults();
	config.monitor_until_ns = ~0ull;
	mem_begin(v6, capacity, seed, now);
}

static void model_remove(__u32 n)
{
	struct model *m = &model.of[n];

	if (!m->until)
		return;
	m->until = 0;
	*(m->older ? &model.of[m->older].younger : &model.oldest[m->class]) = m->younger;
	*(m->younger ? &model.of[m->younger].older : &model.youngest[m->class]) = m->older;
}

static void model_add(__u32 n, __u32 class, __u32 length_ms)
{
	struct model *m = &model.of[n];

	model_remove(n);
	*m = (struct model) {
		.until = vtw_now() + length_ms, .born = model.births++, .class = class,
		.older = model.youngest[class],
	};
	*(m->older ? &model.of[m->older].younger : &model.oldest[class]) = n;
	model.youngest[class] = n;
}

static int model_lives(__u32 n)
{
	return model.of[n].until > vtw_now();
}

/* How many of its class live that are older than n. The dead at the old end are forgotten. */
static __u32 model_older(__u32 n)
{
	__u32 *oldest = &model.oldest[model.of[n].class], count = 0;

	while (*oldest && !model_lives(*oldest))
		model_remove(*oldest);
	for (__u32 at = model.of[n].older; at; at = model.of[at].older)
		count += model_lives(at);
	return count;
}

/* The pool gives a session up. */
static void hear(const struct vtw_event *ev)
{
	struct vtw_key k = { .lport = ev->lport, .rport = ev->rport };
	__u32 n;

	if (ev->kind != VTW_EV_EVICTED)
		return;
	memcpy(k.laddr, ev->laddr, sizeof(k.laddr));
	memcpy(k.raddr, ev->raddr, sizeof(k.raddr));
	n = num_of(model.pattern, model.v6, &k);
	model.evictions++;
	model.not_alive += !model_lives(n);
	if (model_lives(n) && model.of[n].class != VTW_RING_FIN) {
		__u32 older = model_older(n);

		if (older > model.not_oldest)
			model.not_oldest = older;
	}
	model_remove(n);
}

static int record(__u32 n, __u32 class)
{
	int done = remember(model.v6, model.pattern, n, class);

	if (done > 0)
		model_add(n, class, vtw_length(&config, class));
	return done;
}

/* Does the pool say of n what the model says? */
static int check_session(__u32 n)
{
	struct found f;
	int is = recall(model.v6, model.pattern, n, &f), should = model_lives(n);

	if (is && should && f.t->snd_nxt == n && f.t->rcv_nxt == ~n && f.t->ts_recent == n * 3 &&
	    mem_chunks[model.v6][f.i / 16].ts_offset[f.i % 16] == n * 5 &&
	    f.now.wnd == (n & 0xffff) &&
	    vtw_ring_of(f.now.state, f.now.class) == model.of[n].class &&
	    vtw_ms_left(f.now.expires, vtw_now()) == model.of[n].until - vtw_now())
		return 0;
	if (!is && !should)
		return 0;
	return ksft_fail_at("at %llu ms: session %u is %sthere and should %s",
			    (unsigned long long)vtw_now(), n, is ? "" : "not ",
			    should ? "live" : "not");
}

static int check_all(__u32 numbers)
{
	int bad = 0;

	for (__u32 n = 1; n <= numbers; n++)
		bad += check_session(n);
	return bad + check_pool(model.v6, 0);
}

/* ---- random operations --------------------------------------------------- */

static const __u64 starts[] = {
	1000, (1ull << 24) - 70000, (1ull << 32) - 70000, 5 * (1ull << 32) - 3000,
};

struct play {
	__u32 capacity, numbers, classes, orphans;
	struct rng r;
};

/* ns until the next operation: more sessions come than there is room for; and sometimes a pause. */
static __u64 nap(struct rng *r, __u32 capacity)
{
	if (!rng_below(r, 20 * capacity + 400))
		return rng_below(r, 200000) * 1000000ull;
	if (!rng_below(r, 4 * capacity + 100))
		return rng_below(r, 3000) * 1000000ull;
	return rng_next(r) % (1000000000ull / capacity);
}

static int play_end(__u32 n)
{
	struct found f;

	if (!recall(model.v6, model.pattern, n, &f))
		return 0;
	model_remove(n);
	return !!end_session(model.v6, &f);
}

/* Nothing can be promised when the pool gave up the very record that was to be restarted. */
static int play_restart(__u32 n)
{
	struct found f;
	int failed;

	if (!recall(model.v6, model.pattern, n, &f))
		return 0;
	failed = restart(model.v6, model.pattern, n, &f);
	if (failed && model_lives(n))
		return ksft_fail_at("session %u lived and was not restarted", n);
	if (!failed)
		model_add(n, f.now.class, vtw_length(&config, f.now.class));
	return 0;
}

static int play_orphan(__u32 n, __u32 class)
{
	model_remove(n);
	if (remember_orphan(model.v6, model.pattern, n, class, 60000) < 0)
		return ksft_fail_at("no record for orphan %u", n);
	model_add(n, VTW_RING_FIN, 60000);
	return 0;
}

static int play_one(struct play *g)
{
	__u32 n = 1 + rng_below(&g->r, g->numbers);

	mem_ns += nap(&g->r, g->capacity);
	switch (rng_below(&g->r, 8)) {
	case 0:	return play_end(n);
	case 1:	return play_restart(n);
	case 2:	return check_session(n);
	case 3:
		if (g->orphans)
			return play_orphan(n, rng_below(&g->r, g->classes));
		/* fall through */
	default:
		/* The older session of a tuple goes first. */
		model_remove(n);
		return record(n, rng_below(&g->r, g->classes)) < 0;
	}
}

static int play(struct play *g, __u32 operations)
{
	int bad = 0;

	for (__u32 i = 0; i < operations && !bad; i++) {
		bad += play_one(g);
		bad += check_session(1 + rng_below(&g->r, g->numbers));
		if (i % (operations / 8) == 0)
			bad += check_all(g->numbers);
		if (bad)
			ksft_fail_at("seed %llu, operation %u", (unsigned long long)rng_seed(), i);
	}
	return bad + check_all(g->numbers);
}

/*
 * What is given up is the oldest of its class: exactly, with one class. With several, a
 * chunk that went from ring to ring gives its sessions up one by one as the new
 * ring's hand reaches them, while its old ring may already give up the next: up to
 * 15 for each other ring.
 */
static void test_play(__u32 capacity, __u32 classes, enum pattern p, int v6, __u64 start)
{
	struct play g = { capacity, 2 * capacity + 3, classes, 0, { rng_seed() + capacity } };
	__u32 slack = 15 * (classes - 1);
	int bad;

	model_begin(capacity, g.numbers, p, v6, rng_next(&g.r), start);
	bad = play(&g, capacity > 10000 ? OPERATIONS : OPERATIONS / 4);
	ksft_ok(!bad && !model.not_alive && model.not_oldest <= slack && model.evictions,
		"%u entries, %u classes, IPv%d, %s, from %llu ms: %u given up, "
		"up to %u places too early", capacity, classes, v6 ? 6 : 4, pattern_name[p],
		(unsigned long long)start, model.evictions, model.not_oldest);
}

/*
 * With orphans in FIN_WAIT_2, most of which get their FIN: chunks go round with the
 * living in them, so only liveness is promised, not an order.
 */
static void test_play_orphans(__u32 capacity)
{
	struct play g = { capacity, 2 * capacity + 3, 2, 1, { rng_seed() + capacity } };
	int bad;

	model_begin(capacity, g.numbers, RANDOM, 0, rng_next(&g.r), starts[2]);
	bad = play(&g, capacity > 10000 ? OPERATIONS : OPERATIONS / 4);
	ksft_ok(!bad && !model.not_alive && model.evictions,
		"%u entries, orphans among 2 classes: %u given up", capacity, model.evictions);
}

/* ---- exactly so many, exactly the oldest --------------------------------- */

static void test_exact(__u32 capacity)
{
	int bad = 0;

	model_begin(capacity, 4 * capacity, RANDOM, 0, 3, 1000);
	for (__u32 n = 1; n <= capacity; n++)
		bad += record(n, VTW_REMOTE) <= 0;
	bad += model.evictions != 0;
	for (__u32 n = capacity + 1; n <= 4 * capacity; n++) {
		bad += record(n, VTW_REMOTE) <= 0;
		bad += model_lives(n - capacity) || model.evictions != n - capacity;
	}
	bad += model.not_oldest || check_all(4 * capacity);
	ksft_ok(!bad, "%u entries hold exactly that, and give up exactly the oldest", capacity);
}

/* ---- no eviction before the pool is full --------------------------------- */

/*
 * `rates`: sessions of each class in a second; the pool is 95 % full of living ones. What is not
 * theirs: each ring has part of a chunk at its hand, and part of one at its old end.
 */
static void test_room(const char *name, enum pattern p, int v6, const __u32 *rates, __u32 classes)
{
	const __u32 capacity = 65536;
	__u32 n = 0, most = 0, steps = (classes > 1 ? 130000 : 20000) / 10;

	model_begin(capacity, 3000000, p, v6, 5, (1ull << 32) - 30000);
	for (__u32 step = 0; step < steps; step++) {
		mem_sleep(10);
		for (__u32 c = 0; c < classes; c++)
			for (__u32 i = rates[c] * (step % 100) / 100;
			     i < rates[c] * (step % 100 + 1) / 100; i++)
				record(++n, c);
		if (step % 1000 == 999) {
			__u32 live = 0;

			for (__u32 c = 0; c < classes; c++)
				live += count_live(v6, c);
			most = live > most ? live : most;
		}
	}
	ksft_ok(!mem_stats.evicted && !mem_stats.lost_no_slot && !mem_stats.lost_no_record &&
		most >= capacity / 100 * 94 && !check_pool(v6, 0),
		"%s, IPv%d, %s tuples: %u sessions, %.1f %% live, %llu given up", name,
		v6 ? 6 : 4, pattern_name[p], n, most * 100.0 / capacity,
		(unsigned long long)mem_stats.evicted);
}

/* ---- shares under overload ----------------------------------------------- */

/* Each class shall remember its sessions for about the same fraction of its length. */
static void test_shares(const char *name, __u32 capacity, const __u32 *rates)
{
	double least = 1e9, most = 0, share[3];
	__u32 n = 0;

	model_begin(capacity, 1, RANDOM, 0, 7, 1000);
	mem_hear = NULL;
	for (__u32 ms = 0; ms < 160000; ms++) {
		mem_sleep(1);
		for (__u32 c = 0; c < 3; c++)
			/* The class of the longest life has it all at first. */
			if (ms > 60000 || c == VTW_REMOTE)
				for (__u32 i = 0; i < rates[c]; i++)
					remember(0, RANDOM, ++n, c);
	}
	for (__u32 c = 0; c < 3; c++) {
		share[c] = count_live(0, c) / (rates[c] * (double)config.length_ms[c]);
		least = share[c] < least ? share[c] : least;
		most = share[c] > most ? share[c] : most;
	}
	mem_hear = hear;
	ksft_ok(least > 0.75 * most && !mem_stats.lost_no_record && !check_pool(0, 0),
		"%s: loopback, local, remote live %.0f, %.0f, %.0f %% of their time", name,
		share[0] * 100, share[1] * 100, share[2] * 100);
}

/* ---- FIN_WAIT_2 ---------------------------------------------------------- */

/*
 * Orphans whose FIN comes within 2 ms must not fill the pool with what is left of them: here a
 * tenth of it is needed.
 */
static void test_orphans(void)
{
	struct found f;
	__u32 n = 0;

	model_begin(65536, 1, SEQUENTIAL, 0, 9, 1000);
	mem_hear = NULL;
	for (__u32 ms = 0; ms < 90000; ms++) {
		mem_sleep(1);
		for (int i = 0; i < 3; i++) {
			remember_orphan(0, SEQUENTIAL, ++n, VTW_LOOPBACK, 60000);
			if (n > 6 && recall(0, SEQUENTIAL, n - 6, &f))
				restart(0, SEQUENTIAL, n - 6, &f);
		}
		if (ms % 500 == 0)	/* some wait for long */
			remember_orphan(0, SINGLE_PORT, n, VTW_LOOPBACK, 60000);
	}
	mem_hear = hear;
	ksft_ok(!mem_stats.evicted && count_live(0, VTW_LOOPBACK) >= 5990 && !check_pool(0, 0),
		"orphans whose FIN came: %u live, %llu given up", count_live(0, VTW_LOOPBACK),
		(unsigned long long)mem_stats.evicted);
}

/* Ten minutes each, one after the other: sixteen in a chunk, none comes back to life. */
static void test_long_lives(void)
{
	int bad = 0;

	model_begin(100, 1000, RANDOM, 0, 11, (1ull << 32) - 5000000);
	config.length_ms[VTW_CLASS_RULE] = VTW_MAX_LENGTH_MS;
	for (__u32 n = 1; n <= 300; n++) {
		record(n, VTW_CLASS_RULE);
		for (int i = 0; i < 10; i++) {
			mem_sleep(i ? 60000 : VTW_MAX_LENGTH_MS - 9 * 60000 - 1);
			for (__u32 old = n > 40 ? n - 40 : 1; old <= n; old++)
				bad += check_session(old);
		}
	}
	ksft_ok(!bad && !model.evictions, "lives of 10 min, one session every 9:59.999");
}


/*
 * A class is made shorter while the pool is half full of its long lives: they live on, the
 * short ones pass by them, and in the end all memory is of use again.
 */
static void test_shortened(void)
{
	const __u32 capacity = 1600;
	__u32 n = 0, lost = 0;
	int bad = 0;

	model_begin(capacity, 100000, RANDOM, 0, 14, 1000);
	while (n < capacity / 2)
		record(++n, VTW_REMOTE);
	config.length_ms[VTW_REMOTE] = 1000;
	for (__u32 ms = 0; ms < 70000; ms++) {
		mem_sleep(1);
		if (ms % 2)
			lost += record(++n, VTW_REMOTE) <= 0;
		if (ms % 5000 == 0)
			bad += check_all(n);
	}
	bad += model.evictions != 0;
	config.length_ms[VTW_REMOTE] = 60000;
	for (__u32 i = 0; i < capacity; i++)
		bad += record(++n, VTW_REMOTE) <= 0;
	ksft_ok(!bad && !lost && model.evictions <= 500 + 31 &&
		!check_all(n),
		"a class made shorter: %u lost, %u given up", lost, model.evictions);
}

/* Up to its last millisecond a session is nobody's to give up while there is room. */
static void test_last_ms(void)
{
	int bad = 0;

	model_begin(100, 100, RANDOM, 0, 12, 1000);
	config.length_ms[VTW_CLASS_RULE] = VTW_MAX_LENGTH_MS;
	for (__u32 n = 1; n <= VTW_CHUNK; n++)
		record(n, VTW_CLASS_RULE);
	mem_sleep(VTW_MAX_LENGTH_MS - 1);
	record(VTW_CHUNK + 1, VTW_CLASS_RULE);
	bad += check_all(100);
	mem_sleep(1);
	record(VTW_CHUNK + 2, VTW_CLASS_RULE);
	bad += check_all(100);
	ksft_ok(!bad && !model.evictions, "a session lives up to its last millisecond");
}

/* A reopening that comes to nothing is TIME_WAIT again, at least until its old end. */
static void test_reopening(void)
{
	union vtw_word word;
	struct found f;
	int bad = 0;

	model_begin(100, 10, RANDOM, 0, 13, 1000);
	record(1, VTW_REMOTE);
	bad += !recall(0, RANDOM, 1, &f);
	word = f.raw;
	word.state = VTW_REOPENING;
	word.expires = vtw_now() + VTW_REOPEN_MS;
	f.t->word = word;
	mem_sleep(VTW_REOPEN_MS - 1);
	bad += !recall(0, RANDOM, 1, &f) || f.now.state != VTW_REOPENING;
	mem_sleep(1);
	bad += !recall(0, RANDOM, 1, &f) || f.now.state != VTW_TIME_WAIT;
	mem_sleep(60000 - VTW_REOPEN_MS - 1);
	bad += !recall(0, RANDOM, 1, &f) || f.now.state != VTW_TIME_WAIT;
	mem_sleep(60000);
	bad += recall(0, RANDOM, 1, &f);
	ksft_ok(!bad, "a reopening that fails is TIME_WAIT until its old end");
}

static const __u32 plays[] = { 1, 2, 15, 16, 17, 100, 1000, 65536 };
/* Not 17 to 24: in a last chunk of so few records, orphans can be in each other's way. */
static const __u32 orphan_plays[] = { 1, 2, 15, 16, 30, 100, 1000, 65536 };
static const __u32 one_class[] = { 31100 };
static const __u32 three_classes[] = { 3000, 1800, 630 };
static const __u32 even[] = { 1, 1, 1 }, short_lives[] = { 8, 2, 1 }, long_lives[] = { 1, 1, 3 };

int main(void)
{
	ksft_plan(ARRAY_SIZE(plays) * 6 + PATTERNS * 3 + 8);
	mem_hear = hear;
	mem_defaults();
	for (size_t i = 0; i < ARRAY_SIZE(plays); i++) {
		test_play(plays[i], 1, RANDOM, 0, starts[0]);
		test_play(plays[i], 1, SINGLE_PORT, 1, starts[1]);
		test_play(plays[i], 3, SEQUENTIAL, 0, starts[2]);
		test_play(plays[i], 3, RANDOM, 1, starts[3]);
	}
	for (size_t i = 0; i < ARRAY_SIZE(plays); i++) {
		test_play_orphans(orphan_plays[i]);
		test_exact(plays[i]);
	}
	for (int p = 0; p < PATTERNS; p++) {
		test_room("one class", p, 0, one_class, 1);
		test_room("three classes", p, 0, three_classes, 3);
		test_room("three classes", p, 1, three_classes, 3);
	}
	test_shares("even", 4096, even);
	test_shares("most are short", 8000, short_lives);
	test_shares("most are long", 10007, long_lives);
	test_orphans();
	test_long_lives();
	test_last_ms();
	test_shortened();
	test_reopening();
	return ksft_end();
}
