// SPDX-License-Identifier: GPL-2.0
/*
 * selsrc.c [ROUNDS] - what source selection adds to connect() and sendto()
 *
 * Rounds of calls with the programs attached and without, in turns; the median of the
 * differences counts. connect: sockets that nobody has bound, each to another destination,
 * so that nothing comes from the cache, or all to one. The device has no peer and no ARP:
 * what is timed is the call up to the packet, in CPU time, so that neighbours disturb less.
 */
#include "../prog_run/selsrc_run.h"

#define CALLS	400

static int rounds = 31;
static __u32 ifindex, next;

static __u64 now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return ts.tv_sec * 1000000000ull + ts.tv_nsec;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static double median(double *v, int n)
{
	qsort(v, n, sizeof(*v), by_value);
	return v[n / 2];
}

static socklen_t destination(int family, __u32 n, struct sockaddr_storage *to)
{
	struct sockaddr_in6 *in6 = (void *)to;
	struct sockaddr_in *in = (void *)to;

	memset(to, 0, sizeof(*to));
	to->ss_family = family;
	if (family == AF_INET) {
		in->sin_port = htons(443);
		in->sin_addr.s_addr = htonl(0xcb000000 + n % 0xfffff);
		return sizeof(*in);
	}
	in6->sin6_port = htons(443);
	inet_pton(family, "2001:db8:ffff::", &in6->sin6_addr);
	in6->sin6_addr.s6_addr32[3] = htonl(n);
	return sizeof(*in6);
}

/* ns of a connect(); what comes before and after is not timed. */
static double connects(int family, int type, bool one)
{
	int one_int = 1, fds[CALLS];
	struct sockaddr_storage to[CALLS];
	socklen_t len = 0;
	__u64 t;

	for (int i = 0; i < CALLS; i++) {
		len = destination(family, one ? 1 : ++next, &to[i]);
		fds[i] = socket(family, type | SOCK_NONBLOCK, 0);
		if (fds[i] < 0)
			ksft_bail("socket: %s", strerror(errno));
		if (family == AF_INET6)
			setsockopt(fds[i], IPPROTO_IPV6, IPV6_V6ONLY, &one_int, sizeof(one_int));
	}
	t = now_ns();
	for (int i = 0; i < CALLS; i++)
		if (connect(fds[i], (void *)&to[i], len) && errno != EINPROGRESS)
			ksft_bail("connect: %s", strerror(errno));
	t = now_ns() - t;
	for (int i = 0; i < CALLS; i++)
		close(fds[i]);
	return (double)t / CALLS;
}

static double sends(int family, bool one)
{
	int fd = socket(family, SOCK_DGRAM, 0);
	struct sockaddr_storage to[CALLS];
	socklen_t len = 0;
	__u64 t;

	for (int i = 0; i < CALLS; i++)
		len = destination(family, one ? 1 : ++next, &to[i]);
	sendto(fd, "", 1, 0, (void *)&to[0], len);
	t = now_ns();
	for (int i = 0; i < CALLS; i++)
		if (sendto(fd, "", 1, 0, (void *)&to[i], len) != 1)
			ksft_bail("sendto: %s", strerror(errno));
	t = now_ns() - t;
	close(fd);
	return (double)t / CALLS;
}

struct part {
	const char *name;
	int family, type;
	bool send, one;
	int addrs;		/* of the device */
	int bound;		/* ns that it may add; 0: not said */
};

static double sample(const struct part *p)
{
	return p->send ? sends(p->family, p->one) : connects(p->family, p->type, p->one);
}

static void add(struct selsrc_source *s, int family, int i)
{
	char text[64];

	memset(s, 0, sizeof(*s));
	if (family == AF_INET)
		snprintf(text, sizeof(text), "10.%d.0.%d", 1 + i % 8, 1 + i);
	else
		snprintf(text, sizeof(text), "2001:db8:%x::%x", 1 + i % 8, 1 + i);
	inet_pton(family, text, s->addr);
	s->class = selsrc_class(family == AF_INET ? SELSRC_INET : SELSRC_INET6, s->addr, 0, 0, 1);
	s->index = i;
}

/* All functions, and all addresses alike for all but the longest prefix: no short way. */
static void write_tables(int n)
{
	static const char *const text =
		"same-category,scope,deprecated,label,preference,common-prefix-len,index,index";
	static struct selsrc_source s[SELSRC_MAX_ADDRS];

	tables_begin();
	put_policy(0, text);
	for (int i = 0; i < n; i++)
		add(&s[i], AF_INET, i);
	put_dev(SELSRC_INET, ifindex, s, n);
	for (int i = 0; i < n; i++)
		add(&s[i], AF_INET6, i);
	put_dev(SELSRC_INET6, ifindex, s, n);
	put_route("0.0.0.0/0", ifindex, SELSRC_UNICAST, SCOPE_UNIVERSE);
	put_route("10.0.0.0/8", ifindex, SELSRC_UNICAST, SCOPE_LINK);
	put_route("::/0", ifindex, SELSRC_UNICAST, 0);
	put_route("2001:db8::/48", ifindex, SELSRC_UNICAST, 0);
	tables_end();
}

/* The device has as many as the tables; what is there already is not added again. */
static void add_addresses(int n)
{
	static int have;
	struct selsrc_source s;
	char text[64];

	for (; have < n; have++) {
		add(&s, AF_INET, have);
		shell("ip addr add %s/32 dev d0", inet_ntop(AF_INET, s.addr, text, sizeof(text)));
		add(&s, AF_INET6, have);
		shell("ip addr add %s/128 dev d0 nodad",
		      inet_ntop(AF_INET6, s.addr, text, sizeof(text)));
	}
}

static int run(const struct part *p)
{
	double *without = calloc(rounds, sizeof(double)), *added = calloc(rounds, sizeof(double));
	__u64 before;
	double a, b;

	add_addresses(p->addrs);
	write_tables(p->addrs);
	before = COUNTED(bound) + COUNTED(sent);
	for (int i = 0; i < rounds; i++) {
		attach(false);
		without[i] = sample(p);
		attach(true);
		added[i] = sample(p) - without[i];
	}
	attach(false);
	if (COUNTED(bound) + COUNTED(sent) < before + (__u64)rounds * CALLS)
		ksft_bail("%s: not all sources were chosen", p->name);
	a = median(added, rounds);
	b = median(without, rounds);
	free(added);
	free(without);
	printf("%-44s %8.0f %+8.0f %6d  %s\n", p->name, b, a, p->bound,
	       p->bound && a > p->bound ? "MISSED" : "");
	return p->bound && a > p->bound;
}

static const struct part parts[] = {
	{ "TCP connect, 16 addresses", AF_INET, SOCK_STREAM, false, false, 16, 300 },
	{ "UDP connect, 16 addresses", AF_INET, SOCK_DGRAM, false, false, 16, 300 },
	{ "TCP connect, IPv6, 16 addresses", AF_INET6, SOCK_STREAM, false, false, 16, 300 },
	{ "UDP connect, IPv6, 16 addresses", AF_INET6, SOCK_DGRAM, false, false, 16, 300 },
	{ "sendto, one destination, 16 addresses", AF_INET, SOCK_DGRAM, true, true, 16, 150 },
	{ "sendto, one, IPv6, 16 addresses", AF_INET6, SOCK_DGRAM, true, true, 16, 150 },
	{ "sendto, many destinations, 16 addresses", AF_INET, SOCK_DGRAM, true, false, 16, 0 },
	{ "TCP connect, 256 addresses", AF_INET, SOCK_STREAM, false, false, 256, 1000 },
	{ "UDP connect, 256 addresses", AF_INET, SOCK_DGRAM, false, false, 256, 1000 },
	{ "TCP connect, IPv6, 256 addresses", AF_INET6, SOCK_STREAM, false, false, 256, 1000 },
	{ "UDP connect, IPv6, 256 addresses", AF_INET6, SOCK_DGRAM, false, false, 256, 1000 },
	{ "TCP connect, one destination", AF_INET, SOCK_STREAM, false, true, 256, 300 },
	{ "UDP connect, one destination", AF_INET, SOCK_DGRAM, false, true, 256, 300 },
	{ "sendto, one destination, 256 addresses", AF_INET, SOCK_DGRAM, true, true, 256, 150 },
	{ "sendto, one, IPv6, 256 addresses", AF_INET6, SOCK_DGRAM, true, true, 256, 150 },
};

int main(int argc, char **argv)
{
	int missed = 0;

	if (argc > 1)
		rounds = atoi(argv[1]);
	setvbuf(stdout, NULL, _IOLBF, 0);
	selsrc_begin();
	shell("ip link add d0 type veth peer name p0 && ip link set d0 arp off up");
	ifindex = if_nametoindex("d0");
	shell("ip route add default dev d0; ip -6 route add default dev d0");
	printf("%-44s %8s %8s %6s\n", "ns a call, medians", "without", "added", "bound");
	for (size_t i = 0; i < ARRAY_SIZE(parts); i++)
		missed += run(&parts[i]);
	printf("%d MISSED\n", missed);
	return 0;
}
