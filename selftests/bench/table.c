// SPDX-License-Identifier: GPL-2.0
/*
 * table.c - what a session costs in our table, in a BPF hash and in an LRU hash
 *
 * For each size: fill to 95 %, look up what is there and what is not, then
 * insert while full. What making the keys costs is subtracted. The median of
 * the batches counts, so that an interrupt does not. One line of JSON.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <vestige/vtw.h>
#include "selftests/bench/table.skel.h"

#define BATCH		4096
#define MAX_BATCHES	4096
#define FAR_AWAY	(1ull << 34)	/* numbers that were never inserted */

struct bench {
	struct table_bpf *skel;
	unsigned int capacity;
	unsigned int filled;		/* 95 % */
	double key;			/* ns, to be subtracted */
	double ns[MAX_BATCHES];
};

static void die(const char *what, int err)
{
	fprintf(stderr, "table: %s: %s\n", what, strerror(err < 0 ? -err : err));
	exit(1);
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static void batch(struct bench *b, struct bpf_program *prog)
{
	char frame[64] = {};
	LIBBPF_OPTS(bpf_test_run_opts, o, .data_in = frame,
		    .data_size_in = sizeof(frame), .repeat = 1);
	int err;

	b->skel->bss->count = BATCH;
	err = bpf_prog_test_run_opts(bpf_program__fd(prog), &o);
	if (err)
		die(bpf_program__name(prog), err);
}

/* ns an operation; `want` of a hundred must do what they should. */
static double measure(struct bench *b, struct bpf_program *prog,
		      unsigned long long first, unsigned int span,
		      unsigned int count, int want)
{
	unsigned int n, batches = count / BATCH;

	if (!batches || batches > MAX_BATCHES)
		batches = batches ? MAX_BATCHES : 1;
	b->skel->bss->done = 0;
	b->skel->bss->span = span;
	for (n = 0; n < batches; n++) {
		b->skel->bss->first = first + (span ? 0 : n * BATCH);
		b->skel->bss->salt = n * BATCH;
		batch(b, prog);
		b->ns[n] = (double)b->skel->bss->took_ns / BATCH;
	}
	if (b->skel->bss->done * 100 < (unsigned long long)batches * BATCH * want) {
		fprintf(stderr, "table: %s: %llu of %u did what they should\n",
			bpf_program__name(prog),
			(unsigned long long)b->skel->bss->done, batches * BATCH);
		exit(1);
	}
	qsort(b->ns, batches, sizeof(b->ns[0]), by_value);
	return b->ns[batches / 2] - b->key;
}

static void size_map(struct bpf_map *map, unsigned int n)
{
	int err = bpf_map__set_max_entries(map, n);

	if (err)
		die(bpf_map__name(map), err);
}

static void set_geometry(struct vtw_geometry *g, unsigned int capacity)
{
	g->capacity = capacity;
	g->chunks = (capacity + VTW_CHUNK - 1) / VTW_CHUNK;
	g->buckets = (capacity + VTW_LOAD_PER_BUCKET - 1) / VTW_LOAD_PER_BUCKET;
	g->index_bits = capacity > 1 ? 32 - __builtin_clz(capacity - 1) : 1;
	g->seed[0] = 0x243f6a8885a308d3ull;
	g->seed[1] = 0x13198a2e03707344ull;
}

static void set_sizes(struct table_bpf *s, unsigned int capacity)
{
	struct vtw_geometry g;

	set_geometry(&g, capacity);
	memcpy((void *)&s->rodata->geo[0], &g, sizeof(g));
	size_map(s->maps.v4_record, capacity);
	size_map(s->maps.v4_chunk, g.chunks);
	size_map(s->maps.v4_index, g.buckets);
	set_geometry(&g, 1);
	memcpy((void *)&s->rodata->geo[1], &g, sizeof(g));
	size_map(s->maps.hash, capacity);
	size_map(s->maps.lru, capacity);
}

/* As the command does before it attaches. */
static void start_values(struct table_bpf *s)
{
	struct vtw_config cfg = { .mslt_on = 1 };
	struct vtw_pool pool = { .spare = VTW_NO_CHUNK };
	__u32 zero = 0;
	int i, err;

	for (i = 0; i < VTW_RINGS; i++) {
		cfg.length_ms[i] = 60000;
		pool.ring[i].oldest = VTW_NO_CHUNK;
	}
	err = bpf_map__update_elem(s->maps.config, &zero, sizeof(zero), &cfg,
				   sizeof(cfg), 0);
	if (!err)
		err = bpf_map__update_elem(s->maps.v4_pool, &zero, sizeof(zero),
					   &pool, sizeof(pool), 0);
	if (err)
		die("start values", err);
}

static void print(const char *name, double fill, double hit, double miss,
		  double full)
{
	printf(",\"%s\":{\"fill\":%.1f,\"hit\":%.1f,\"miss\":%.1f,\"full\":%.1f}",
	       name, fill, hit, miss, full);
}

static void bench_one(struct bench *b, const char *name, struct bpf_program *insert,
		      struct bpf_program *find, struct bpf_program *renew, int want)
{
	double fill = measure(b, insert, 0, 0, b->filled, want);
	double hit = measure(b, find, 0, b->filled, 262144, want);
	double miss = measure(b, find, FAR_AWAY, b->filled, 262144, 0);

	b->skel->bss->behind = b->filled;
	print(name, fill, hit, miss,
	      measure(b, renew, b->filled, 0, b->capacity, want));
}

static void bench_size(unsigned int capacity)
{
	struct bench b = { .capacity = capacity, };
	struct table_bpf *s = table_bpf__open();
	int err;

	b.filled = capacity / 100 * 95 / BATCH * BATCH;
	if (!s || !b.filled)
		die("open", s ? EINVAL : errno);
	set_sizes(s, capacity);
	err = table_bpf__load(s);
	if (err)
		die("load", err);
	start_values(s);
	b.skel = s;
	b.key = measure(&b, s->progs.bench_key, 0, b.filled, 262144, 100);
	printf("{\"entries\":%u,\"key\":%.1f", capacity, b.key);
	bench_one(&b, "vestige", s->progs.bench_vtw_insert,
		  s->progs.bench_vtw_find, s->progs.bench_vtw_insert, 99);
	bench_one(&b, "hash", s->progs.bench_hash_insert,
		  s->progs.bench_hash_find, s->progs.bench_hash_renew, 99);
	bench_one(&b, "lru", s->progs.bench_lru_insert,
		  s->progs.bench_lru_find, s->progs.bench_lru_insert, 80);
	printf("}\n");
	table_bpf__destroy(s);
}

int main(int argc, char **argv)
{
	int i;

	libbpf_set_print(NULL);
	if (argc < 2) {
		fputs("table ENTRIES...\n", stderr);
		return 1;
	}
	for (i = 1; i < argc; i++)
		bench_size(strtoul(argv[i], NULL, 0));
	return 0;
}
