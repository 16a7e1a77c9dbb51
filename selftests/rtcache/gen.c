// SPDX-License-Identifier: GPL-2.0
/*
 * gen.c - generations of the network namespace, as the module gives them away
 *
 *	gen get				inet GEN inet6 GEN
 *	gen stats			a line for each number
 *	gen flush [inet|inet6]
 *	gen settled MS			waits until both are even
 *	gen listen MS			events, one in a line, until nothing came for MS
 *	gen hold N			flushes N copies again and again: how long each takes
 *	gen flip 4|6 N			see flip.h
 *	gen chain add [PRIORITY]|del	see chain.h
 */
#include <arpa/inet.h>
#include <poll.h>
#include <time.h>
#include <uapi/linux/vestige_rtcache.h>

#include "genl.h"

#include "chain.h"

static const char *const families[] = { "inet", "inet6" };
static const char *const reasons[] = {
#define X(name, text) #name,
	RTCACHE_REASONS(X)
#undef X
};

static int genl, family;
static uint32_t group;

struct stats {
	uint64_t cookie, holders, gen[2], obstacles[2], settles[2], untold[2];
	uint64_t counters[2][RTCACHE_REASON_MAX];
};

static long now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void get_family(struct stats *s, struct nlattr *nest)
{
	void *end = (char *)nest + nest->nla_len;
	struct nlattr *attr;
	int f = 0, len;

	for (attr = nest + 1; attr; attr = attr_next(attr, end)) {
		switch (attr_type(attr)) {
		case VESTIGE_RTCACHE_A_FAMILY:
			f = attr_u64(attr) & 1;
			break;
		case VESTIGE_RTCACHE_A_GEN:
			s->gen[f] = attr_u64(attr);
			break;
		case VESTIGE_RTCACHE_A_OBSTACLES:
			s->obstacles[f] = attr_u64(attr);
			break;
		case VESTIGE_RTCACHE_A_SETTLES:
			s->settles[f] = attr_u64(attr);
			break;
		case VESTIGE_RTCACHE_A_UNTOLD:
			s->untold[f] = attr_u64(attr);
			break;
		case VESTIGE_RTCACHE_A_COUNTERS:
			len = attr->nla_len - NLA_HDRLEN;
			memcpy(s->counters[f], attr + 1,
			       len < (int)sizeof(s->counters[f]) ? len :
								   (int)sizeof(s->counters[f]));
			break;
		}
	}
}

static void get(int fd, struct stats *s)
{
	struct nlattr *attr;
	struct msg m;
	int err;

	memset(s, 0, sizeof(*s));
	msg_genl(&m, family, VESTIGE_RTCACHE_CMD_GET, 0);
	err = msg_talk(fd, &m);
	if (err) {
		fprintf(stderr, "GET: %s\n", strerror(-err));
		exit(2);
	}
	for (attr = attr_first(&m.n, GENL_HDRLEN); attr;
	     attr = attr_next(attr, (char *)&m + m.n.nlmsg_len)) {
		if (attr_type(attr) == VESTIGE_RTCACHE_A_COOKIE)
			s->cookie = attr_u64(attr);
		else if (attr_type(attr) == VESTIGE_RTCACHE_A_HOLDERS)
			s->holders = attr_u64(attr);
		else if (attr_type(attr) == VESTIGE_RTCACHE_A_STATS)
			get_family(s, attr);
	}
}

static void print_get(void)
{
	struct stats s;

	get(genl, &s);
	printf("inet %llu inet6 %llu\n", (long long)s.gen[0], (long long)s.gen[1]);
}

static void print_stats(void)
{
	struct stats s;
	int f, r;

	get(genl, &s);
	printf("cookie %llu\nholders %llu\n", (long long)s.cookie, (long long)s.holders);
	for (f = 0; f < 2; f++) {
		printf("%s.gen %llu\n", families[f], (long long)s.gen[f]);
		printf("%s.obstacles %llu\n", families[f], (long long)s.obstacles[f]);
		printf("%s.settles %llu\n", families[f], (long long)s.settles[f]);
		printf("%s.untold %llu\n", families[f], (long long)s.untold[f]);
		for (r = 0; r < RTCACHE_REASON_MAX; r++)
			printf("%s.%s %llu\n", families[f], reasons[r],
			       (long long)s.counters[f][r]);
	}
}

static int flush(const char *only)
{
	uint8_t f = only && !strcmp(only, "inet6");
	struct msg m;
	int err;

	msg_genl(&m, family, VESTIGE_RTCACHE_CMD_FLUSH, NLM_F_ACK);
	if (only)
		msg_put(&m, VESTIGE_RTCACHE_A_FAMILY, &f, sizeof(f));
	err = msg_talk(genl, &m);
	if (err)
		fprintf(stderr, "FLUSH: %s\n", strerror(-err));
	return err ? 1 : 0;
}

static int settled(int ms)
{
	long end = now_ms() + ms;
	struct stats s;

	do {
		get(genl, &s);
		if (!((s.gen[0] | s.gen[1]) & 1))
			return 0;
		usleep(1000);
	} while (now_ms() < end);
	fprintf(stderr, "in flux after %d ms: %llu %llu\n", ms, (long long)s.gen[0],
		(long long)s.gen[1]);
	return 1;
}

static void print_event(struct msg *m)
{
	struct nlattr *prefix = attr_find(&m->n, GENL_HDRLEN, VESTIGE_RTCACHE_A_PREFIX);
	struct nlattr *dev = attr_find(&m->n, GENL_HDRLEN, VESTIGE_RTCACHE_A_IFINDEX);
	char text[INET6_ADDRSTRLEN];

#define A(name)	attr_u64(attr_find(&m->n, GENL_HDRLEN, VESTIGE_RTCACHE_A_##name))
	printf("%s %s gen %llu count %llu", families[A(FAMILY) & 1],
	       A(REASON) < RTCACHE_REASON_MAX ? reasons[A(REASON)] : "?", (long long)A(GEN),
	       (long long)A(COUNT));
	if (prefix)
		printf(" %s/%llu", inet_ntop(prefix->nla_len == NLA_HDRLEN + 4 ? AF_INET : AF_INET6,
					     prefix + 1, text, sizeof(text)), (long long)A(PLEN));
	if (dev)
		printf(" dev %llu", (long long)attr_u64(dev));
#undef A
	printf("\n");
}

static int listen_to(int ms)
{
	struct pollfd p = { .fd = nl_open(NETLINK_GENERIC), .events = POLLIN };
	struct stats s;
	struct msg m;

	if (setsockopt(p.fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof(group)))
		die("membership");
	get(genl, &s);
	printf("ready\n");
	fflush(stdout);
	while (poll(&p, 1, ms) > 0) {
		if (recv(p.fd, &m, sizeof(m), 0) < 0)
			printf("lost: %s\n", strerror(errno));
		else if (m.n.nlmsg_type == family)
			print_event(&m);
	}
	return 0;
}

/* All of them are good before a flush, and none after it. */
static void hold_check(const uint64_t *copies, long n, uint64_t gen, bool good)
{
	long i;

	for (i = 0; i < n; i++) {
		if ((copies[i] == gen) != good) {
			fprintf(stderr, "copy %ld is %s\n", i, good ? "stale" : "good");
			exit(1);
		}
	}
}

/* Of this thread: the settling begins at once, maybe on this CPU. */
static uint64_t spent_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return t.tv_sec * 1000000000ull + t.tv_nsec;
}

/*
 * Of IPv6, that nothing else be flushed meanwhile. Before the clock starts, few copies are
 * looked at more often: else the scheduler would treat the two differently.
 */
static int hold(long n)
{
	uint64_t *copies = malloc(n * sizeof(*copies)), t, best = ~0ull;
	struct stats s;
	int turn;
	long i, times;

	if (!copies)
		die("copies");
	for (turn = 0; turn < 20; turn++) {
		if (settled(10000))
			return 1;
		get(genl, &s);
		for (i = 0; i < n; i++)
			copies[i] = s.gen[1];
		for (times = 0; times < 1000000; times += n)
			hold_check(copies, n, s.gen[1], true);
		t = spent_ns();
		flush("inet6");
		t = spent_ns() - t;
		best = t < best ? t : best;
		get(genl, &s);
		hold_check(copies, n, s.gen[1], false);
	}
	printf("flush %llu ns\n", (long long)best);
	free(copies);
	return 0;
}

#include "flip.h"

int main(int argc, char **argv)
{
	const char *verb = argc > 1 ? argv[1] : "";

	/* Without the module, too. */
	if (!strcmp(verb, "chain") && argc > 2)
		return chain(!strcmp(argv[2], "add"), argc > 3 ? atoi(argv[3]) : 0);
	genl = nl_open(NETLINK_GENERIC);
	family = genl_resolve(genl, VESTIGE_RTCACHE_NAME, VESTIGE_RTCACHE_EVENTS, &group);
	if (family < 0) {
		fprintf(stderr, "%s: %s\n", VESTIGE_RTCACHE_NAME, strerror(-family));
		return 2;
	}
	if (!strcmp(verb, "get"))
		print_get();
	else if (!strcmp(verb, "stats"))
		print_stats();
	else if (!strcmp(verb, "flush"))
		return flush(argc > 2 ? argv[2] : NULL);
	else if (!strcmp(verb, "settled") && argc > 2)
		return settled(atoi(argv[2]));
	else if (!strcmp(verb, "listen") && argc > 2)
		return listen_to(atoi(argv[2]));
	else if (!strcmp(verb, "hold") && argc > 2)
		return hold(atol(argv[2]));
	else if (!strcmp(verb, "flip") && argc > 3)
		return flip(atoi(argv[2]), atoi(argv[3]));
	else
		return 2;
	return 0;
}
