/* SPDX-License-Identifier: GPL-2.0 */
/*
 * mem.h - a pool in plain arrays instead of maps, for table.h, ring.h and, above
 * them, bpf/record.h: the very code that the BPF programs run.
 *
 * Takes the place of bpf/maps.h. Time stands still unless mem_ns moves.
 */
#ifndef SELFTESTS_MEM_H
#define SELFTESTS_MEM_H

#include <arpa/inet.h>
#include <pthread.h>
#include <sched.h>
#include <stddef.h>

#include "unit.h"

#define VESTIGE_BPF_MAPS_H	/* we are that */
#include <vestige/vtw.h>

#ifndef __noinline
#define __noinline		__attribute__((noinline))
#endif
#define bpf_ntohs(x)		ntohs(x)

static struct vtw_geometry geo[2];
static struct vtw_config config __attribute__((unused));
static struct vtw_ports ports;
static struct vtw_oow oow __attribute__((unused));

/* One set of counters for each thread, like one for each CPU. */
static __thread struct vtw_stats mem_stats;
#define STAT(name)		((void)mem_stats.name++)

static void *mem_records[2];
static struct vtw_chunk *mem_chunks[2];
static struct vtw_bucket *mem_index[2];
static struct vtw_pool mem_pool[2];
static pthread_spinlock_t mem_lock[2];
static uint64_t mem_ns;

/* What `vestige monitor` would hear; only while config.monitor_until_ns says so. */
static void (*mem_hear)(const struct vtw_event *ev);
static __thread struct vtw_event mem_event;
static int events __attribute__((unused));

static inline void *bpf_ringbuf_reserve(int *map, size_t size, int flags)
{
	return map && size == sizeof(mem_event) && !flags ? &mem_event : NULL;
}

static inline void bpf_ringbuf_submit(struct vtw_event *ev, int flags)
{
	if (mem_hear && !flags)
		mem_hear(ev);
}

#define bpf_ktime_get_ns()		__atomic_load_n(&mem_ns, __ATOMIC_RELAXED)
#define vtw_only(map)			((void *)(map))

/* Threads lose their CPU here once in a while: a record, chunk or bucket is about to be used. */
static __u32 mem_pauses;
static __thread struct rng mem_dice;

static inline void mem_pause(void)
{
	if (mem_pauses && !rng_below(&mem_dice, mem_pauses))
		sched_yield();
}

static inline struct vtw_bucket *vtw_bucket(int v6, __u32 i)
{
	mem_pause();
	return i < geo[v6].buckets ? &mem_index[v6][i] : NULL;
}

static inline struct vtw_tcb *vtw_tcb(int v6, __u32 i)
{
	size_t size = v6 ? sizeof(struct vtw6_record) : sizeof(struct vtw4_record);

	mem_pause();
	return i < geo[v6].capacity ? (void *)((char *)mem_records[v6] + i * size) : NULL;
}

static inline struct vtw_chunk *vtw_chunk(int v6, __u32 i)
{
	mem_pause();
	return i < geo[v6].chunks ? &mem_chunks[v6][i] : NULL;
}

static inline struct vtw_pool *vtw_pool(int v6)
{
	return &mem_pool[v6];
}

static inline const volatile struct vtw_geometry *vtw_geo(int v6)
{
	return &geo[v6];
}

static inline void vtw_lock(struct vtw_pool *p)
{
	pthread_spin_lock(&mem_lock[p - mem_pool]);
}

static inline void vtw_unlock(struct vtw_pool *p)
{
	pthread_spin_unlock(&mem_lock[p - mem_pool]);
}

static inline __u64 vtw_now(void)
{
	return bpf_ktime_get_ns() / 1000000;
}

static inline void mem_free(int v6)
{
	free(mem_records[v6]);
	free(mem_chunks[v6]);
	free(mem_index[v6]);
	mem_records[v6] = mem_chunks[v6] = NULL;
	mem_index[v6] = NULL;
}

static inline void mem_sizes(struct vtw_geometry *g, __u32 capacity, uint64_t seed)
{
	struct rng r = { seed };

	g->capacity = capacity;
	g->chunks = (capacity + VTW_CHUNK - 1) / VTW_CHUNK;
	g->buckets = (capacity + VTW_LOAD_PER_BUCKET - 1) / VTW_LOAD_PER_BUCKET;
	g->index_bits = 1;
	while ((capacity - 1) >> g->index_bits)
		g->index_bits++;
	g->seed[0] = rng_next(&r);
	g->seed[1] = rng_next(&r);
}

/* An empty pool, at `now` ms. */
static inline void mem_begin(int v6, __u32 capacity, uint64_t seed, uint64_t now)
{
	struct vtw_geometry *g = &geo[v6];
	size_t record = v6 ? sizeof(struct vtw6_record) : sizeof(struct vtw4_record);

	mem_free(v6);
	mem_sizes(g, capacity, seed);
	mem_records[v6] = calloc(g->capacity, record);
	mem_chunks[v6] = calloc(g->chunks, sizeof(struct vtw_chunk));
	mem_index[v6] = aligned_alloc(64, g->buckets * sizeof(struct vtw_bucket));
	if (!mem_records[v6] || !mem_chunks[v6] || !mem_index[v6])
		ksft_bail("no memory");
	memset(mem_index[v6], 0, g->buckets * sizeof(struct vtw_bucket));
	memset(&mem_pool[v6], 0, sizeof(mem_pool[v6]));
	mem_pool[v6].spare = VTW_NO_CHUNK;
	for (int i = 0; i < VTW_RINGS; i++)
		mem_pool[v6].ring[i].oldest = VTW_NO_CHUNK;
	pthread_spin_init(&mem_lock[v6], PTHREAD_PROCESS_PRIVATE);
	memset(&mem_stats, 0, sizeof(mem_stats));
	memset(&ports, 0, sizeof(ports));
	mem_ns = now * 1000000;
}

static inline void mem_sleep(uint64_t ms)
{
	mem_ns += ms * 1000000;
}

/* The lengths of the design, and all that the command sets. */
static inline void mem_defaults(void)
{
	config = (struct vtw_config) {
		.length_ms = {
			[VTW_LOOPBACK] = 2000, [VTW_LOCAL] = 10000, [VTW_REMOTE] = 60000,
			[VTW_RING_FIN] = 60000,
		},
		.mslt_on = 1, .reopen = 1, .restarts = VTW_MAX_RESTARTS, .verify_csum = 1,
	};
}

#endif /* SELFTESTS_MEM_H */
