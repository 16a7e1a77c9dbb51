// SPDX-License-Identifier: GPL-2.0
/*
 * flush.c - give sessions up before they expire.
 *
 * A record leaves as it does in BPF (ring.h): claimed by compare-and-swap, so
 * that nobody else looks inside or takes it, then out of the index, which wants
 * its tuple, then FREE. It goes through CLAIMED because the command, unlike
 * BPF, can be kept from running between two of these steps. Killed just there
 * it costs one record, until the next attach; other signals wait.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <bpf/bpf.h>
#include "cmd.h"
#include "flush.h"
#include "geometry.h"
#include "out.h"

struct flush {
	struct table *table;		/* two of them */
	struct vtw_geometry geo[2];
	struct vtw_bucket *bucket[2];
	size_t bucket_size[2];
	struct vtw_ports *ports;
	size_t ports_size;
	bool touched[VTW_PORTS];
	__u32 stamp[VTW_PORTS];		/* of touched ports, when they were touched */
	sigset_t signals;
	__u32 gone;
};

/* The memory that <vestige/table.h> works on. */
static struct flush *mem;

static struct vtw_bucket *vtw_bucket(int v6, __u32 i)
{
	return i < mem->geo[v6].buckets ? &mem->bucket[v6][i] : NULL;
}

static struct vtw_tcb *vtw_tcb(int v6, __u32 i)
{
	struct table *t = &mem->table[v6];

	return i < t->capacity ? table_tcb(t, i) : NULL;
}

static const struct vtw_geometry *vtw_geo(int v6)
{
	return &mem->geo[v6];
}

#include <vestige/table.h>

static bool map_index(struct flush *fl, const struct pins *p, int v6)
{
	static const char *const pin[2] = { "v4_index", "v6_index" };
	__u64 need = (__u64)fl->geo[v6].buckets * sizeof(struct vtw_bucket);

	fl->bucket[v6] = table_map(p->dir, pin[v6], true, &fl->bucket_size[v6]);
	if (!fl->bucket[v6])
		p_err("cannot map %s below %s: %s", pin[v6], p->dir, strerror(errno));
	else if (fl->bucket_size[v6] < need)
		p_err("%s below %s has not the size that its programs were given",
		      pin[v6], p->dir);
	return fl->bucket[v6] && fl->bucket_size[v6] >= need;
}

static void free_flush(struct flush *fl)
{
	table_unmap(fl->bucket[0], fl->bucket_size[0]);
	table_unmap(fl->bucket[1], fl->bucket_size[1]);
	table_unmap(fl->ports, fl->ports_size);
	free(fl);
}

struct flush *flush_begin(const struct pins *p, struct table *tables)
{
	struct flush *fl = calloc(1, sizeof(*fl));
	sigset_t all;

	if (!fl) {
		p_err("no memory");
		return NULL;
	}
	fl->table = tables;
	fl->ports = table_map(p->dir, "ports", true, &fl->ports_size);
	if (!fl->ports)
		p_err("cannot map ports below %s: %s", p->dir, strerror(errno));
	if (!fl->ports || geometry_read(p, fl->geo) ||
	    !map_index(fl, p, 0) || !map_index(fl, p, 1)) {
		free_flush(fl);
		return NULL;
	}
	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, &fl->signals);
	mem = fl;
	return fl;
}

/* Remember until when the port is held, as of before the session went. */
static void touch_port(struct flush *fl, __u32 port)
{
	if (fl->touched[port])
		return;
	fl->touched[port] = true;
	fl->stamp[port] = __atomic_load_n(&fl->ports->until[port], __ATOMIC_RELAXED);
}

#define UNLINK_TRIES	3
#define UNLINK_PAUSE_US	1000

/*
 * A session that is just being recorded is live before it is in the index, and
 * its slot would come after we had looked for it: nobody would ever empty it.
 * So wait for the slot; we hold the record.
 */
static void unlink_record(int v6, __u32 i)
{
	int n;

	for (n = 0; n < UNLINK_TRIES && vtw_unlink(v6, i); n++)
		usleep(UNLINK_PAUSE_US);
}

void flush_session(struct flush *fl, struct table *t, const struct session *s)
{
	union vtw_word claimed = { .state = VTW_CLAIMED }, none = { .state = VTW_FREE };
	struct vtw_tcb *tcb = table_tcb(t, s->index);

	if (vtw_cas(&tcb->word.all, s->word.all, claimed.all) != s->word.all)
		return;
	touch_port(fl, ntohs(s->lport));
	unlink_record(t->family == AF_INET6, s->index);
	__atomic_store_n(&tcb->word.all, none.all, __ATOMIC_RELEASE);
	fl->gone++;
}

/* ---- ports: bind() shall not be refused for what has been forgotten ----------------- */

static __u32 tick(__u64 until_ms)
{
	return (until_ms >> VTW_PORT_TICK_SHIFT) + 1;
}

/* Until when the sessions that are left need their ports. */
static void latest_ticks(const struct flush *fl, __u32 *latest, __u64 now_ms)
{
	struct session s;
	__u32 pos, port, end;
	int i;

	for (i = 0; i < 2; i++) {
		const struct table *t = &fl->table[i];

		for (pos = 0; table_next(t, &pos, &s); ) {
			end = s.left_ms;
			if (s.state == VTW_REOPENING)	/* it may fail, and live on */
				end += vtw_length(t->config, s.word.class);
			end = tick(now_ms + end);
			port = ntohs(s.lport);
			if ((__s32)(end - latest[port]) > 0)
				latest[port] = end;
		}
	}
}

/*
 * A session that came during the flush moved the stamp ahead, so the stamp is
 * left alone. If it needed not to, because an older one of the port ended
 * later, then it may lose its guard against bind(); its segments are answered
 * all the same.
 */
static void lower_stamp(const struct flush *fl, __u32 port, __u32 latest)
{
	if ((__s32)(latest - fl->stamp[port]) < 0)
		vtw_cas(&fl->ports->until[port], fl->stamp[port], latest);
}

static void lower_stamps(const struct flush *fl)
{
	__u32 *latest = calloc(VTW_PORTS, sizeof(*latest)), port;
	__u64 now_ms = table_now_ms();

	if (!latest)
		return;
	for (port = 0; port < VTW_PORTS; port++)
		latest[port] = now_ms >> VTW_PORT_TICK_SHIFT;
	latest_ticks(fl, latest, now_ms);
	for (port = 0; port < VTW_PORTS; port++)
		if (fl->touched[port])
			lower_stamp(fl, port, latest[port]);
	free(latest);
}

__u32 flush_end(struct flush *fl)
{
	__u32 gone = fl->gone;

	if (gone)
		lower_stamps(fl);
	sigprocmask(SIG_SETMASK, &fl->signals, NULL);
	free_flush(fl);
	mem = NULL;
	return gone;
}
