// SPDX-License-Identifier: GPL-2.0
/*
 * load.c - open and close TCP connections as fast as one thread can
 *
 * Both ends are in this process, so that a connection is finished, on both
 * sides, before the next one begins, and the order of the two close() calls
 * decides who enters TIME_WAIT. With -n the listener lives in another network
 * namespace. What is measured is connect(), with the bind() before it when -b
 * asks for one, because that is where a lack of ports is felt. One line of
 * JSON comes out.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define NSEC		1000000000ull
#define MAX_ERRNO	256

struct opts {
	unsigned long count;
	double seconds;
	unsigned long giveup;		/* failures after which it ends */
	unsigned long warm;
	const char *address;
	const char *bind;
	const char *netns;
	int port;
	bool reuse;
	bool server_first;
};

struct run {
	uint32_t *sample;		/* ns of each connect(), in order */
	unsigned long made, failed;
	unsigned long closed;		/* before the count began */
	unsigned long errors[MAX_ERRNO];
	uint64_t wall_ns, cpu_ns;
	const char *ended;
};

union addr {
	struct sockaddr sa;
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
};

static void die(const char *what)
{
	fprintf(stderr, "load: %s: %s\n", what, strerror(errno));
	exit(1);
}

static uint64_t clock_ns(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return ts.tv_sec * NSEC + ts.tv_nsec;
}

static socklen_t make_addr(union addr *a, const char *text, int port)
{
	memset(a, 0, sizeof(*a));
	if (inet_pton(AF_INET, text, &a->in.sin_addr) == 1) {
		a->in.sin_family = AF_INET;
		a->in.sin_port = htons(port);
		return sizeof(a->in);
	}
	if (inet_pton(AF_INET6, text, &a->in6.sin6_addr) == 1) {
		a->in6.sin6_family = AF_INET6;
		a->in6.sin6_port = htons(port);
		return sizeof(a->in6);
	}
	errno = EINVAL;
	die(text);
	return 0;
}

static void enter(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || setns(fd, CLONE_NEWNET))
		die(path);
	close(fd);
}

/* A socket stays in the namespace that it was made in. */
static int listener(const struct opts *o, const union addr *a, socklen_t len)
{
	int one = 1, fd;

	if (o->netns)
		enter(o->netns);
	fd = socket(a->sa.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		die("socket");
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(fd, &a->sa, len) || listen(fd, 4096))
		die("bind or listen");
	return fd;
}

static int dial(const struct opts *o, const union addr *to, socklen_t len,
		const union addr *from)
{
	int fd = socket(to->sa.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int one = 1;

	if (fd < 0)
		die("socket");
	if (o->reuse)
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if ((!from || !bind(fd, &from->sa, len)) && !connect(fd, &to->sa, len))
		return fd;
	one = errno;
	close(fd);
	errno = one;
	return -1;
}

static void hang_up(const struct opts *o, int client, int server)
{
	close(o->server_first ? server : client);
	close(o->server_first ? client : server);
}

/*
 * A minute of traffic in a moment: connections from given ports, without the
 * search for a free one that gets slower and slower. Ends where the default
 * port range ends.
 */
static void warm_up(const struct opts *o, int lfd, const union addr *to,
		    socklen_t len, const union addr *from)
{
	union addr port = {};
	unsigned long i;
	int client, server;

	if (from)
		port = *from;
	port.sa.sa_family = to->sa.sa_family;
	for (i = 0; i < o->warm; i++) {
		port.in.sin_port = htons(60999 - i);
		client = dial(o, to, len, &port);
		if (client < 0)
			die("warm up");
		server = accept4(lfd, NULL, NULL, SOCK_CLOEXEC);
		if (server < 0)
			die("accept");
		hang_up(o, client, server);
	}
}

/* The next connection; false if it could not be made. */
static bool one_more(const struct opts *o, struct run *r, int lfd,
		     const union addr *to, socklen_t len,
		     const union addr *from)
{
	uint64_t start = clock_ns(CLOCK_MONOTONIC), took;
	int client = dial(o, to, len, from), server;

	if (client < 0) {
		r->failed++;
		r->errors[errno % MAX_ERRNO]++;
		return false;
	}
	took = clock_ns(CLOCK_MONOTONIC) - start;
	r->sample[r->made++] = took < UINT32_MAX ? took : UINT32_MAX;
	server = accept4(lfd, NULL, NULL, SOCK_CLOEXEC);
	if (server < 0)
		die("accept");
	hang_up(o, client, server);
	return true;
}

static void work(const struct opts *o, struct run *r)
{
	int home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	union addr to, from_addr, *from = NULL;
	uint64_t start, cpu, end;
	socklen_t len = make_addr(&to, o->address, o->port);
	int lfd = listener(o, &to, len);

	if (o->netns && setns(home, CLONE_NEWNET))
		die("back to the own namespace");
	if (o->bind) {
		make_addr(&from_addr, o->bind, 0);
		from = &from_addr;
	}
	warm_up(o, lfd, &to, len, from);
	r->closed = o->warm;
	start = clock_ns(CLOCK_MONOTONIC);
	cpu = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
	end = start + (uint64_t)(o->seconds * NSEC);
	r->ended = "count";
	while (r->made + r->failed < o->count) {
		if (clock_ns(CLOCK_MONOTONIC) >= end) {
			r->ended = "time";
			break;
		}
		if (!one_more(o, r, lfd, &to, len, from) &&
		    r->failed >= o->giveup) {
			r->ended = "failures";
			break;
		}
	}
	r->wall_ns = clock_ns(CLOCK_MONOTONIC) - start;
	r->cpu_ns = clock_ns(CLOCK_PROCESS_CPUTIME_ID) - cpu;
}

static int by_value(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

/* Exact: the samples are sorted, there is no histogram. */
static void print_quantiles(uint32_t *sample, unsigned long n)
{
	static const struct { const char *name; double at; } q[] = {
		{ "p50_ns", .50 }, { "p90_ns", .90 }, { "p99_ns", .99 },
		{ "max_ns", 1.0 },
	};
	unsigned long i, k;

	qsort(sample, n, sizeof(*sample), by_value);
	for (i = 0; i < sizeof(q) / sizeof(q[0]); i++) {
		k = q[i].at * n;
		printf("\"%s\":%u%s", q[i].name, n ? sample[k < n ? k : n - 1] : 0,
		       i == 3 ? "" : ",");
	}
}

/*
 * What a half of the ports and all of them did to connect(): quantiles of the
 * first 14,116 connections, of the next as many, and of what came after.
 */
static void print_parts(const struct run *r)
{
	static const unsigned long edge[] = { 0, 14116, 28232, ULONG_MAX };
	unsigned long i, end;

	printf("\"parts\":[");
	for (i = 0; i < 3 && edge[i] < r->made; i++) {
		end = r->made < edge[i + 1] ? r->made : edge[i + 1];
		printf("%s{\"from\":%lu,\"made\":%lu,", i ? "," : "", edge[i],
		       end - edge[i]);
		print_quantiles(r->sample + edge[i], end - edge[i]);
		printf("}");
	}
	printf("],");
}

static void print_errors(const struct run *r)
{
	const char *sep = "", *name;
	int i;

	printf("\"errors\":{");
	for (i = 0; i < MAX_ERRNO; i++) {
		if (!r->errors[i])
			continue;
		name = strerrorname_np(i);
		printf("%s\"%s\":%lu", sep, name ? name : "?", r->errors[i]);
		sep = ",";
	}
	printf("},");
}

static void report(struct run *r)
{
	double seconds = r->wall_ns / (double)NSEC;

	printf("{\"made\":%lu,\"failed\":%lu,\"closed\":%lu,", r->made,
	       r->failed, r->closed + r->made);
	printf("\"ended\":\"%s\",", r->ended);
	printf("\"seconds\":%.3f,\"rate\":%.0f,", seconds, r->made / seconds);
	printf("\"cpu_ns\":%.0f,",
	       r->made ? (double)r->cpu_ns / r->made : 0.0);
	print_errors(r);
	print_parts(r);
	print_quantiles(r->sample, r->made);
	printf("}\n");
}

static void usage(void)
{
	fputs("load [-c COUNT] [-t SECONDS] [-f FAILURES] [-a ADDRESS] [-p PORT]\n"
	      "     [-b ADDRESS] [-r] [-s] [-n NETNS_PATH] [-w COUNT]\n"
	      "-c -t -f  end after so many connections, seconds, failures\n"
	      "-a -p     where the listener is\n"
	      "-b        bind() to this address before connect(); -r SO_REUSEADDR\n"
	      "-s        the server closes first\n"
	      "-n        the listener's network namespace\n"
	      "-w        so many connections before, from ports 60999 downwards\n", stderr);
	exit(1);
}

static void parse(struct opts *o, int argc, char **argv)
{
	int c;

	while ((c = getopt(argc, argv, "c:t:f:a:p:b:rsn:w:")) != -1) {
		switch (c) {
		case 'c': o->count = strtoul(optarg, NULL, 0); break;
		case 't': o->seconds = strtod(optarg, NULL); break;
		case 'f': o->giveup = strtoul(optarg, NULL, 0); break;
		case 'a': o->address = optarg; break;
		case 'p': o->port = atoi(optarg); break;
		case 'b': o->bind = optarg; break;
		case 'r': o->reuse = true; break;
		case 's': o->server_first = true; break;
		case 'w': o->warm = strtoul(optarg, NULL, 0); break;
		case 'n': o->netns = optarg; break;
		default: usage();
		}
	}
	if (optind != argc || !o->count || o->count > 50000000 ||
	    o->seconds <= 0 || o->warm > 60000)
		usage();
}

int main(int argc, char **argv)
{
	struct opts o = {
		.count = 40000, .seconds = 3600, .giveup = ULONG_MAX,
		.address = "127.0.0.1", .port = 8080,
	};
	struct run r = {};

	parse(&o, argc, argv);
	r.sample = malloc(o.count * sizeof(*r.sample));
	if (!r.sample)
		die("memory for the samples");
	/* Page faults belong to the preparation. */
	memset(r.sample, 0, o.count * sizeof(*r.sample));
	work(&o, &r);
	report(&r);
	free(r.sample);
	return 0;
}
