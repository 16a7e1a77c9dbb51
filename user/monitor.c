// SPDX-License-Identifier: GPL-2.0
/*
 * monitor.c - `vestige monitor`: what happens to sessions, live.
 *
 * BPF sends events while the clock is below config.monitor_until_ns, which we
 * keep two seconds ahead. So nobody has to tidy up after a monitor that was killed:
 * two seconds later nothing is sent any more.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>
#include <bpf/libbpf.h>
#include "cmd.h"
#include "endpoint.h"
#include "out.h"
#include "pins.h"
#include "record.h"
#include "stats.h"
#include "table.h"

#define NSEC		1000000000ull
#define AHEAD_NS	(2 * NSEC)
#define POLL_MS		500

struct monitor {
	struct pins pins;
	struct vtw_config *cfg;
	size_t cfg_size;
	struct ring_buffer *ring;
	int claim;		/* holds the lock that says: the monitor is us */
	__u64 start_ns;
	__u64 ahead_ns;		/* until when events are sent */
	__u64 lost_before;
};

static volatile sig_atomic_t stopped;

static void on_signal(int sig)
{
	(void)sig;
	stopped = 1;
}

static __u64 clock_ns(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return ts.tv_sec * NSEC + ts.tv_nsec;
}

/* ---- printing ------------------------------------------------------------------ */

static const char *event_name(__u32 kind)
{
	static const char *const names[] = {
		[VTW_EV_NEW] = "new",
		[VTW_EV_ANSWERED] = "answered",
		[VTW_EV_REOPENED] = "reopened",
		[VTW_EV_EVICTED] = "evicted",
		[VTW_EV_EXPIRED] = "expired",
		[VTW_EV_REFUSED] = "refused",
	};

	return kind < sizeof(names) / sizeof(names[0]) ? names[kind] : "unknown";
}

/* The events carry the clock that expiry goes by; people want the time of day. */
static __u64 time_of_day_ns(__u64 monotonic_ns)
{
	return monotonic_ns + (clock_ns(CLOCK_REALTIME) - clock_ns(CLOCK_MONOTONIC));
}

/* One line each, also with -p: so it is read line by line. */
static void print_object(struct json_object *obj)
{
	puts(json_object_to_json_string_ext(obj, JSON_C_TO_STRING_PLAIN));
	json_object_put(obj);
}

static void print_json(const struct vtw_event *ev)
{
	struct json_object *obj = json_object_new_object();

	out_str(obj, "event", event_name(ev->kind));
	out_num(obj, "time_us", time_of_day_ns(ev->time_ns) / 1000);
	json_tuple(obj, ev->family, ev->laddr, ev->lport, ev->raddr, ev->rport);
	out_str(obj, "state", state_name(ev->state));
	/* Who gives a record up to make room looks at its tuple, not at its class. */
	if (ev->kind != VTW_EV_EVICTED)
		out_str(obj, "class", class_name(ev->class));
	if (ev->kind == VTW_EV_NEW)
		out_num(obj, "length_ms", ev->length_ms);
	print_object(obj);
}

static void print_text(const struct vtw_event *ev)
{
	char local[ENDPOINT_STRLEN], peer[ENDPOINT_STRLEN], clock[16];
	__u64 ns = time_of_day_ns(ev->time_ns);
	time_t sec = ns / NSEC;
	struct tm tm;

	strftime(clock, sizeof(clock), "%H:%M:%S", localtime_r(&sec, &tm));
	p_text("%s.%03u %-8s %s %s", clock, (unsigned int)(ns % NSEC / 1000000),
	       event_name(ev->kind),
	       endpoint_text(ev->family, ev->laddr, ev->lport, local),
	       endpoint_text(ev->family, ev->raddr, ev->rport, peer));
	if (ev->kind == VTW_EV_NEW)
		p_text(" %s %s %u.%03us", state_name(ev->state), class_name(ev->class),
		       ev->length_ms / 1000, ev->length_ms % 1000);
	p_text("\n");
}

/* At most once in half a second, however many events there are. */
static void keep_ahead(struct monitor *m, __u64 now_ns)
{
	if (now_ns + AHEAD_NS - AHEAD_NS / 4 < m->ahead_ns)
		return;
	m->ahead_ns = now_ns + AHEAD_NS;
	__atomic_store_n(&m->cfg->monitor_until_ns, m->ahead_ns, __ATOMIC_RELAXED);
}

/*
 * What an earlier monitor left in the buffer is not ours to tell. As long as
 * events keep coming libbpf stays in its loop, so this is also where time goes on.
 */
static int on_event(void *arg, void *data, size_t size)
{
	const struct vtw_event *ev = data;
	struct monitor *m = arg;

	if (stopped)
		return -EINTR;
	if (size < sizeof(*ev) || ev->time_ns < m->start_ns)
		return 0;
	keep_ahead(m, ev->time_ns);
	if (out.json)
		print_json(ev);
	else
		print_text(ev);
	fflush(stdout);
	return 0;
}

/* ---- life ------------------------------------------------------------------------ */

/*
 * The ring buffer has one reader position, so there is one monitor. A lock that only
 * root can take, and that goes with its process, however that ends.
 */
static int claim(struct monitor *m)
{
	char path[PATH_MAX];

	pindir_path(m->pins.dir, "config", path, sizeof(path));
	m->claim = open(path, O_RDONLY | O_CLOEXEC);
	if (m->claim >= 0 && !flock(m->claim, LOCK_EX | LOCK_NB))
		return EXIT_OK;
	if (errno == EWOULDBLOCK)
		p_err("another monitor runs in this namespace; there can be one");
	else
		p_err("%s cannot be locked: %s", path, strerror(errno));
	return EXIT_REFUSED;
}

static int open_ring(struct monitor *m)
{
	int fd = pins_map(&m->pins, "events");

	if (fd < 0)
		return EXIT_REFUSED;
	m->ring = ring_buffer__new(fd, on_event, m, NULL);
	if (!m->ring)
		p_err("cannot read the events: %s", strerror(errno));
	close(fd);
	return m->ring ? EXIT_OK : EXIT_REFUSED;
}

static int open_monitor(struct monitor *m)
{
	struct vtw_stats stats;
	int err = pins_open(&m->pins, NULL);

	if (!err)
		err = claim(m);
	if (!err)
		err = stats_read(&m->pins, &stats);
	if (!err)
		err = open_ring(m);
	if (err)
		return err;
	m->lost_before = stats.events_lost;
	m->cfg = table_map(m->pins.dir, "config", true, &m->cfg_size);
	if (m->cfg)
		return EXIT_OK;
	p_err("cannot map the settings below %s: %s", m->pins.dir, strerror(errno));
	return EXIT_REFUSED;
}

static void close_monitor(struct monitor *m)
{
	if (m->cfg)
		m->cfg->monitor_until_ns = 0;
	table_unmap(m->cfg, m->cfg_size);
	ring_buffer__free(m->ring);
	if (m->claim >= 0)
		close(m->claim);
}

/* Detached, or detached and attached again: our maps are nobody's any more. */
static bool still_attached(const struct monitor *m)
{
	struct pins now = m->pins;

	return !pins_read(&now) && now.att.attached_at_ns == m->pins.att.attached_at_ns;
}

static int watch(struct monitor *m)
{
	int n;

	while (!stopped) {
		keep_ahead(m, clock_ns(CLOCK_MONOTONIC));
		n = ring_buffer__poll(m->ring, POLL_MS);
		if (n < 0 && n != -EINTR) {
			p_err("cannot wait for events: %s", strerror(-n));
			return EXIT_REFUSED;
		}
		if (ferror(stdout))
			return EXIT_OK;		/* main() says it */
		if (!still_attached(m)) {
			p_err("detached: there is nothing more to watch");
			return EXIT_REFUSED;
		}
	}
	return EXIT_OK;
}

static void say_lost(const struct monitor *m)
{
	struct json_object *obj;
	struct vtw_stats stats;
	__u64 lost;

	if (stats_read(&m->pins, &stats) || stats.events_lost <= m->lost_before)
		return;
	lost = stats.events_lost - m->lost_before;
	if (!out.json) {
		p_warn("%llu events came too fast and are missing above",
		       (unsigned long long)lost);
		return;
	}
	obj = json_object_new_object();
	out_str(obj, "event", "lost");
	out_num(obj, "events", lost);
	print_object(obj);
}

static void catch_signals(void)
{
	struct sigaction sa = { .sa_handler = on_signal };

	sigaction(SIGINT, &sa, NULL);
	sigaction(SIGTERM, &sa, NULL);
	sigaction(SIGHUP, &sa, NULL);
}

int do_monitor(int argc, char **argv)
{
	struct monitor m = { .claim = -1 };
	int err;

	if (argc) {
		p_err("monitor: '%s' is one word too many", argv[0]);
		return EXIT_USAGE;
	}
	m.start_ns = clock_ns(CLOCK_MONOTONIC);
	catch_signals();
	err = open_monitor(&m);
	if (!err)
		err = watch(&m);
	if (!err)
		say_lost(&m);
	close_monitor(&m);
	return err;
}
