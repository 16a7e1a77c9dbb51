// SPDX-License-Identifier: GPL-2.0
/*
 * test_rtcache.c - what the module's tracepoint makes of the map `gens`
 *
 * The program is run with the arguments that the tracepoint would have; there need be no
 * module.
 */
#include <bpf/bpf.h>
#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include <uapi/linux/vestige_rtcache.h>
#include <vestige/rtcache.h>

#include "../unit/unit.h"
#include "selftests/prog_run/test_rtcache.skel.h"

#define COOKIE	77ull

static struct test_rtcache_bpf *skel;
static struct rtcache_gens *gens;

static int run(struct bpf_program *prog, const __u64 *args, size_t n)
{
	LIBBPF_OPTS(bpf_test_run_opts, opts, .ctx_in = args, .ctx_size_in = n * sizeof(*args));

	if (bpf_prog_test_run_opts(bpf_program__fd(prog), &opts))
		ksft_bail("%s: %s", bpf_program__name(prog), strerror(errno));
	return opts.retval;
}

static void told(__u64 cookie, __u64 family, __u64 gen, __u64 obstacles)
{
	const __u64 args[] = { cookie, family, gen, RTCACHE_R_fib_add, obstacles };

	run(skel->progs.rtcache_flushed, args, ARRAY_SIZE(args));
}

static int good(int family, __u64 gen)
{
	const __u64 args[] = { family, gen };

	return run(skel->progs.copy_is_good, args, ARRAY_SIZE(args));
}

/* ---- one after the other ------------------------------------------------------------- */

struct row {
	const char *name;
	__u64 cookie, family, gen;
	__u32 obstacles;
	struct rtcache_gens want;
};

#define GENS(g4, g6, o4, o6)	{ .gen = { g4, g6 }, .obstacles = { o4, o6 } }

static const struct row rows[] = {
	{ "a change", COOKIE, 0, 101, 0, GENS(101, 0, 0, 0) },
	{ "it settles", COOKIE, 0, 102, 1, GENS(102, 0, 1, 0) },
	{ "the change, told again, late", COOKIE, 0, 101, 7, GENS(102, 0, 1, 0) },
	{ "the same again", COOKIE, 0, 102, 7, GENS(102, 0, 1, 0) },
	{ "the other family", COOKIE, 1, 11, 2, GENS(102, 11, 1, 2) },
	{ "another namespace", COOKIE + 1, 0, 999, 4, GENS(102, 11, 1, 2) },
	{ "no family", COOKIE, 2, 999, 4, GENS(102, 11, 1, 2) },
	{ "a family that is none", COOKIE, ~0u, 999, 4, GENS(102, 11, 1, 2) },
	{ "obstacles go", COOKIE, 0, 105, 0, GENS(105, 11, 0, 2) },
	{ "more than 32 bits", COOKIE, 0, 1ull << 40, 0, GENS(1ull << 40, 11, 0, 2) },
};

static void check_rows(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct row *r = &rows[i];

		told(r->cookie, r->family, r->gen, r->obstacles);
		ksft_ok(!memcmp(gens, &r->want, sizeof(*gens)),
			"%s: generations %llu %llu, obstacles %u %u", r->name, gens->gen[0],
			gens->gen[1], gens->obstacles[0], gens->obstacles[1]);
	}
}

static __u64 now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ull + ts.tv_nsec;
}

static void check_copies(void)
{
	memset(gens, 0, sizeof(*gens));
	ksft_ok(!good(0, 0), "nothing said: no copy is good");
	told(COOKIE, 0, 200, 0);
	ksft_ok(!good(0, 200), "nobody vouches: no copy is good");
	gens->lease_ns = RTCACHE_FOREVER;
	ksft_ok(good(0, 200) && !good(0, 198) && !good(1, 200) && !good(1, 0),
		"the module vouches: the copy of this generation and family is good");
	gens->lease_ns = now_ns() + 60000000000ull;
	ksft_ok(good(0, 200), "a lease that runs: the copy is good");
	gens->lease_ns = now_ns();
	ksft_ok(!good(0, 200), "a lease that is over: it is not");
	gens->lease_ns = RTCACHE_FOREVER;
	told(COOKIE, 0, 201, 0);
	ksft_ok(!good(0, 200) && !good(0, 201), "in flux: no copy is good");
	told(COOKIE, 0, 202, 0);
	ksft_ok(!good(0, 200) && good(0, 202), "settled: one made from now on is good");
}

/* ---- at once ----------------------------------------------------------------------------- */

#define THREADS	4
#define ROUNDS	50000

/* What was told is never undone, however near to one another two are told. */
static void *tell(void *arg)
{
	static __u64 number;
	__u64 back = 0, gen;

	(void)arg;
	for (int i = 0; i < ROUNDS; i++) {
		gen = 2 * __atomic_add_fetch(&number, 1, __ATOMIC_SEQ_CST);
		told(COOKIE, 0, gen, 0);
		back += __atomic_load_n(&gens->gen[0], __ATOMIC_SEQ_CST) < gen;
	}
	return (void *)(unsigned long)back;
}

static void check_threads(void)
{
	pthread_t thread[THREADS];
	unsigned long back = 0;
	void *ret;

	memset(gens, 0, sizeof(*gens));
	for (int i = 0; i < THREADS; i++)
		pthread_create(&thread[i], NULL, tell, NULL);
	for (int i = 0; i < THREADS; i++) {
		pthread_join(thread[i], &ret);
		back += (unsigned long)ret;
	}
	ksft_ok(!back && gens->gen[0] == 2 * ROUNDS * THREADS,
		"%d threads: the largest stays, %llu; %lu times it went back", THREADS,
		gens->gen[0], back);
}

int main(void)
{
	skel = test_rtcache_bpf__open();
	if (!skel)
		ksft_bail("open: %s", strerror(errno));
	skel->rodata->netns_cookie = COOKIE;
	bpf_program__set_autoload(skel->progs.rtcache_flushed, true);
	if (test_rtcache_bpf__load(skel)) {
		if (errno == EPERM)
			ksft_skip_all("needs root: BPF programs");
		ksft_bail("load: %s", strerror(errno));
	}
	gens = mmap(NULL, sizeof(*gens), PROT_READ | PROT_WRITE, MAP_SHARED,
		    bpf_map__fd(skel->maps.gens), 0);
	if (gens == MAP_FAILED)
		ksft_bail("mmap: %s", strerror(errno));
	ksft_plan(ARRAY_SIZE(rows) + 7 + 1);
	check_rows();
	check_copies();
	check_threads();
	return ksft_end();
}
