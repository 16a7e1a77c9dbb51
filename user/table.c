// SPDX-License-Identifier: GPL-2.0
/*
 * table.c - the pinned pool of one address family, as the command sees it.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include <bpf/bpf.h>
#include <vestige/session.h>
#include "table.h"

static const char *const pin_name[2][2] = {
	{ "v4_record", "v4_chunk" },
	{ "v6_record", "v6_chunk" },
};

__u64 table_now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000ull + ts.tv_nsec / 1000000;
}

/* ---- mapping ------------------------------------------------------------- */

/* The kernel rounds elements up to 8 bytes and the whole up to a page. */
static size_t map_bytes(const struct bpf_map_info *info)
{
	size_t page = sysconf(_SC_PAGESIZE);
	size_t elem = (info->value_size + 7ul) & ~7ul;

	return (elem * info->max_entries + page - 1) & ~(page - 1);
}

static void *map_pin(const char *dir, const char *name, bool writable,
		     struct bpf_map_info *info)
{
	__u32 len = sizeof(*info);
	char path[512];
	void *mem = MAP_FAILED;
	int fd, err = 0;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	fd = bpf_obj_get(path);
	if (fd < 0)
		return NULL;
	memset(info, 0, sizeof(*info));
	if (bpf_obj_get_info_by_fd(fd, info, &len))
		err = errno;
	else
		mem = mmap(NULL, map_bytes(info),
			   PROT_READ | (writable ? PROT_WRITE : 0),
			   MAP_SHARED, fd, 0);
	if (mem == MAP_FAILED && !err)
		err = errno;
	close(fd);
	errno = err;
	return mem == MAP_FAILED ? NULL : mem;
}

void *table_map(const char *dir, const char *name, bool writable, size_t *size)
{
	struct bpf_map_info info;
	void *mem = map_pin(dir, name, writable, &info);

	if (mem && size)
		*size = map_bytes(&info);
	return mem;
}

void table_unmap(void *mem, size_t size)
{
	if (mem)
		munmap(mem, size);
}

static size_t pages(size_t bytes)
{
	size_t page = sysconf(_SC_PAGESIZE);

	return (bytes + page - 1) & ~(page - 1);
}

int table_open(struct table *t, int family, const char *dir, bool writable)
{
	const char *const *pin = pin_name[family == AF_INET6];
	struct bpf_map_info info;
	int err;

	memset(t, 0, sizeof(*t));
	t->family = family;
	t->writable = writable;
	t->record_size = family == AF_INET6 ? sizeof(struct vtw6_record) :
					      sizeof(struct vtw4_record);
	t->records = map_pin(dir, pin[0], writable, &info);
	if (!t->records)
		goto fail;
	t->capacity = info.max_entries;
	if (info.value_size != t->record_size)
		goto strange;
	t->chunk = map_pin(dir, pin[1], false, &info);
	if (!t->chunk)
		goto fail;
	t->chunks = info.max_entries;
	if (info.value_size != sizeof(struct vtw_chunk))
		goto strange;
	t->config = map_pin(dir, "config", false, &info);
	if (!t->config)
		goto fail;
	if (info.value_size == sizeof(struct vtw_config))
		return 0;
strange:
	errno = EPROTO;
fail:
	err = errno;
	table_close(t);
	return -err;
}

void table_close(struct table *t)
{
	table_unmap(t->records, pages(t->capacity * t->record_size));
	table_unmap(t->chunk, pages(t->chunks * sizeof(*t->chunk)));
	table_unmap(t->config, pages(sizeof(*t->config)));
	memset(t, 0, sizeof(*t));
}

/* ---- reading ------------------------------------------------------------- */

static __u64 chunk_until(const struct table *t, __u32 index)
{
	const __u64 *link = &t->chunk[index >> VTW_CHUNK_SHIFT].link;

	return vtw_until(__atomic_load_n(link, __ATOMIC_RELAXED));
}

/* What the record is now, and for how long. FREE: nothing any more. */
static enum vtw_state state_now(const struct table *t, __u32 index,
				union vtw_word word, __u64 now_ms, __u32 *left_ms)
{
	__u32 length_ms = vtw_length(t->config, word.class);

	word = vtw_settle(word, chunk_until(t, index), length_ms, now_ms);
	if (!vtw_in_use(word))
		return VTW_FREE;
	*left_ms = vtw_ms_left(word.expires, now_ms);
	return word.state;
}

static void copy_fixed(const struct table *t, __u32 index,
		       const struct vtw_tcb *tcb, struct session *s)
{
	size_t n = t->family == AF_INET6 ? sizeof(s->laddr) : sizeof(__be32);
	const char *addr = (const char *)(tcb + 1);

	s->snd_nxt = tcb->snd_nxt;
	s->rcv_nxt = tcb->rcv_nxt;
	s->ts_recent = tcb->ts_recent;
	s->lport = tcb->lport;
	s->rport = tcb->rport;
	memcpy(s->laddr, addr, n);
	memcpy(s->raddr, addr + n, n);
	s->ts_offset = t->chunk[index >> VTW_CHUNK_SHIFT]
			       .ts_offset[index & (VTW_CHUNK - 1)];
}

/*
 * Copy record `index` if it is live. The word is read before and after: a
 * record is rewritten only through CLAIMED, so an equal word means an equal
 * session. (It could be claimed, rewritten and published with the very same
 * word in between, which takes a new session that ends in the same millisecond
 * in the place of one that has not ended. We would then show one line of mixed
 * addresses, once.)
 */
static bool read_session(const struct table *t, __u32 index, __u64 now_ms,
			 struct session *s)
{
	const struct vtw_tcb *tcb = table_tcb(t, index);
	union vtw_word again;

	memset(s, 0, sizeof(*s));
	s->family = t->family;
	s->index = index;
	again.all = __atomic_load_n(&tcb->word.all, __ATOMIC_ACQUIRE);
	do {
		s->word = again;
		s->state = state_now(t, index, s->word, now_ms, &s->left_ms);
		if (s->state == VTW_FREE)
			return false;
		copy_fixed(t, index, tcb, s);
		__atomic_thread_fence(__ATOMIC_ACQUIRE);
		again.all = __atomic_load_n(&tcb->word.all, __ATOMIC_RELAXED);
	} while (again.all != s->word.all);
	return true;
}

bool table_next(const struct table *t, __u32 *pos, struct session *s)
{
	__u64 now_ms = table_now_ms();

	while (*pos < t->capacity) {
		/* Sixteen at once, when none of them can be live. */
		if (chunk_until(t, *pos) <= now_ms)
			*pos = (*pos | (VTW_CHUNK - 1)) + 1;
		else if (read_session(t, (*pos)++, now_ms, s))
			return true;
	}
	return false;
}

static bool same_tuple(const struct session *s, const struct vtw_key *key)
{
	return s->lport == key->lport && s->rport == key->rport &&
	       !memcmp(s->laddr, key->laddr, sizeof(s->laddr)) &&
	       !memcmp(s->raddr, key->raddr, sizeof(s->raddr));
}

/*
 * A walk, not a lookup: it needs no copy of the hash, tells what the index lost,
 * and four million records take a few milliseconds.
 */
bool table_find(const struct table *t, const struct vtw_key *key, __u32 *pos,
		struct session *s)
{
	while (table_next(t, pos, s))
		if (same_tuple(s, key))
			return true;
	return false;
}

__u32 table_count(const struct table *t, __u32 *by_class)
{
	struct session s;
	__u32 pos = 0, live = 0;

	while (table_next(t, &pos, &s)) {
		live++;
		if (by_class)
			by_class[s.word.class]++;
	}
	return live;
}
