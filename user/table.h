/* SPDX-License-Identifier: GPL-2.0 */
/*
 * table.h - the pinned pool of one address family, as the command sees it.
 *
 * The pool is mapped, never copied: BPF goes on while we look. Every session
 * handed out is a copy that was whole at one moment.
 */
#ifndef VESTIGE_USER_TABLE_H
#define VESTIGE_USER_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <vestige/vtw.h>

struct table {
	int family;			/* AF_INET, AF_INET6 */
	__u32 capacity;			/* records */
	__u32 chunks;
	char *records;
	struct vtw_chunk *chunk;
	struct vtw_config *config;	/* the same in both families */
	size_t record_size;
	bool writable;
};

/* A live session, copied. IPv4 uses word 0 of the addresses. */
struct session {
	int family;
	__u32 index;
	union vtw_word word;		/* as it was read: who swaps it wants it so */
	enum vtw_state state;		/* as it is now: a reopening may have failed */
	__u32 left_ms;			/* until this state ends */
	__u32 snd_nxt;
	__u32 rcv_nxt;
	__u32 ts_recent;
	__u32 ts_offset;
	__be32 laddr[4];
	__be32 raddr[4];
	__be16 lport;
	__be16 rport;
};

/* 0 or -errno; -ENOENT: nothing is pinned in `dir`. A failed table is closed. */
int table_open(struct table *t, int family, const char *dir, bool writable);
void table_close(struct table *t);

/* Map one of the pins in `dir` that is BPF_F_MMAPABLE. NULL and errno. */
void *table_map(const char *dir, const char *name, bool writable, size_t *size);
void table_unmap(void *mem, size_t size);

/*
 * Walk the live records: start with *pos 0, until false. What enters or goes
 * during the walk may be seen or not.
 */
bool table_next(const struct table *t, __u32 *pos, struct session *s);

/* The same for one 4-tuple: at most one for each bound device. */
bool table_find(const struct table *t, const struct vtw_key *key, __u32 *pos,
		struct session *s);

/* Live records, also by class if `by_class` (VTW_RINGS of them) is not NULL. */
__u32 table_count(const struct table *t, __u32 *by_class);

/* Record i, followed by its addresses. */
static inline struct vtw_tcb *table_tcb(const struct table *t, __u32 i)
{
	return (struct vtw_tcb *)(t->records + i * t->record_size);
}

/* CLOCK_MONOTONIC in ms, as in `expires` and `until`. */
__u64 table_now_ms(void);

#endif
