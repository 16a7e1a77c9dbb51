// SPDX-License-Identifier: GPL-2.0
/*
 * table.bpf.c - insert, hit and miss in our table and in the kernel's hashes
 *
 * One run of a program is a batch of one operation on one table, timed in here.
 * Keys are numbered; they are looked up at random, so that no table profits from
 * neighbours.
 */
#include "record.h"

char LICENSE[] SEC("license") = "GPL";

/* What a hash would have to keep for a session: as small as it can be. */
struct tuple {
	__be32 laddr;
	__be32 raddr;
	__be16 lport;
	__be16 rport;
};

struct value {
	__u64 word;
	__u32 snd_nxt;
	__u32 rcv_nxt;
	__u32 ts_recent;
	__u32 ts_offset;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1);
	__type(key, struct tuple);
	__type(value, struct value);
} hash SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1);
	__type(key, struct tuple);
	__type(value, struct value);
} lru SEC(".maps");

/* The batch: numbers from `first` in order, or at random among `span` from there. */
__u32 count;
__u64 first;
__u32 span;
__u32 salt;
__u64 behind;		/* hash_renew: how far the oldest is behind */
__u64 took_ns;
__u64 done;		/* operations that did what they should */

static __always_inline __u64 number(__u32 i)
{
	return first + (span ? (__u64)((i + salt) * 0x9e3779b1u) * span >> 32 : i);
}

static __always_inline void make_tuple(__u64 n, struct tuple *t)
{
	t->laddr = bpf_htonl(0x0a000001);
	t->raddr = bpf_htonl(0x0b000000 + (__u32)(n >> 15));
	t->lport = bpf_htons(0x8000 | (n & 0x7fff));
	t->rport = bpf_htons(443);
}

static __always_inline void make_key(__u64 n, struct vtw_key *k)
{
	struct tuple t;

	make_tuple(n, &t);
	*k = (struct vtw_key) {
		.laddr = { t.laddr }, .raddr = { t.raddr },
		.lport = t.lport, .rport = t.rport,
	};
}

/* What is not the table's doing, to be subtracted. */
static int do_key(__u32 i, void *ctx)
{
	struct tuple t;

	make_tuple(number(i), &t);
	done += t.raddr != t.laddr;
	return 0;
}

static int do_vtw_insert(__u32 i, void *ctx)
{
	struct vtw_draft d = { .length_ms = 60000 };
	struct vtw_key k;

	d.word.state = VTW_TIME_WAIT;
	d.word.class = VTW_LOCAL;
	make_key(number(i), &k);
	done += vtw_remember(0, &k, &d) == 1;
	return 0;
}

static int do_vtw_find(__u32 i, void *ctx)
{
	union vtw_word raw;
	struct vtw_tcb *t;
	struct vtw_key k;

	make_key(number(i), &k);
	done += vtw_recall(0, &k, vtw_hash_of(0, &k), &t, &raw) != VTW_NONE;
	return 0;
}

static int do_hash_insert(__u32 i, void *ctx)
{
	struct value v = {};
	struct tuple t;

	make_tuple(number(i), &t);
	done += !bpf_map_update_elem(&hash, &t, &v, BPF_ANY);
	return 0;
}

/* A full table, kept full: whoever expires knows which is the oldest. */
static int do_hash_renew(__u32 i, void *ctx)
{
	struct tuple t;

	make_tuple(number(i) - behind, &t);
	bpf_map_delete_elem(&hash, &t);
	return do_hash_insert(i, ctx);
}

static int do_hash_find(__u32 i, void *ctx)
{
	struct tuple t;

	make_tuple(number(i), &t);
	done += bpf_map_lookup_elem(&hash, &t) != 0;
	return 0;
}

static int do_lru_insert(__u32 i, void *ctx)
{
	struct value v = {};
	struct tuple t;

	make_tuple(number(i), &t);
	done += !bpf_map_update_elem(&lru, &t, &v, BPF_ANY);
	return 0;
}

static int do_lru_find(__u32 i, void *ctx)
{
	struct tuple t;

	make_tuple(number(i), &t);
	done += bpf_map_lookup_elem(&lru, &t) != 0;
	return 0;
}

#define BENCH(name)						\
SEC("tc")							\
int bench_##name(struct __sk_buff *skb)				\
{								\
	__u64 start = bpf_ktime_get_ns();			\
								\
	bpf_loop(count, do_##name, 0, 0);			\
	took_ns = bpf_ktime_get_ns() - start;			\
	return 0;						\
}

BENCH(key)
BENCH(vtw_insert)
BENCH(vtw_find)
BENCH(hash_insert)
BENCH(hash_renew)
BENCH(hash_find)
BENCH(lru_insert)
BENCH(lru_find)
