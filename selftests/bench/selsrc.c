// SPDX-License-Identifier: GPL-2.0
/*
 * selsrc.c [ROUNDS] - what source selection adds to connect() and sendto()
 *
 * Rounds of calls with the programs attached and without, in turns. Each call is timed by
 * itself, and the medians of all are compared: what interrupts a call is not in them. The
 * first calls of a round are not counted: to attach changes code of the kernel, which has to
 * be fetched again. connect: a socket just made that nobody has bound, each to another
 * destination, or all to one. The device has no peer and no ARP: what is timed is the call up
 * to the packet.
 *
 * Also told is what a program that does nothing adds. No program adds less than that.
 */
#include "../prog_run/selsrc_run.h"
#include "selftests/bench/selsrc_idle.skel.h"

#define CALLS	400
#define COLD	50	/* that are not counted */

static int rounds = 31;
static __u32 ifindex, next;
static struct selsrc_idle_bpf *idle;

static __u64 now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ull + ts.tv_nsec;
}

static int by_value(const void *a, const void *b)
{
	__u32 x = *(const __u32 *)a, y = *(const __u32 *)b;

	return x < y ? -1 : x > y;
}

/* ns of calls. */
struct times {
	__u32 *ns;
	int n;
};

static double median(struct times *t)
{
	qsort(t->ns, t->n, sizeof(*t->ns), by_value);
	return t->ns[t->n / 2];
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

static __u32 connects(int family, int type, bool one)
{
	struct sockaddr_storage to;
	socklen_t len = destination(family, one ? 1 : ++next, &to);
	int fd = socket(family, type | SOCK_NONBLOCK, 0), on = 1;
	__u64 t;

	if (fd < 0)
		ksft_bail("socket: %s", strerror(errno));
	if (family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
	t = now_ns();
	if (connect(fd, (void *)&to, len) && errno != EINPROGRESS)
		ksft_bail("connect: %s", strerror(errno));
	t = now_ns() - t;
	close(fd);
	return t;
}

static __u32 sends(int fd, int family, bool one)
{
	struct sockaddr_storage to;
	socklen_t len = destination(family, one ? 1 : ++next, &to);
	__u64 t = now_ns();

	if (sendto(fd, "", 1, 0, (void *)&to, len) != 1)
		ksft_bail("sendto: %s", strerror(errno));
	return now_ns() - t;
}

struct part {
	const char *name;
	int family, type;
	bool send, one;
	int addrs;		/* of the device */
	int bound;		/* ns that it may add; 0: not said */
};

static void sample(const struct part *p, struct times *t)
{
	int fd = socket(p->family, SOCK_DGRAM, 0);
	__u32 ns;

	for (int i = 0; i < COLD + CALLS; i++) {
		ns = p->send ? sends(fd, p->family, p->one) :
			       connects(p->family, p->type, p->one);
		if (i >= COLD)
			t->ns[t->n++] = ns;
	}
	close(fd);
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

/* Of the two families, one that does nothing. */
static void attach_empty(bool on)
{
	static struct bpf_link *empty[4];
	struct bpf_program *progs[] = { idle->progs.connect4, idle->progs.connect6,
					idle->progs.sendmsg4, idle->progs.sendmsg6 };
	int fd = open(cgroup, O_RDONLY);

	for (size_t i = 0; i < ARRAY_SIZE(progs); i++) {
		if (empty[i])
			bpf_link__destroy(empty[i]);
		empty[i] = on ? bpf_program__attach_cgroup(progs[i], fd) : NULL;
	}
	close(fd);
}

enum { WITHOUT, EMPTY, WITH, WAYS };

static void rounds_of(const struct part *p, struct times *t)
{
	for (int i = 0; i < rounds; i++) {
		sample(p, &t[WITHOUT]);
		attach_empty(true);
		sample(p, &t[EMPTY]);
		attach_empty(false);
		attach(true);
		sample(p, &t[WITH]);
		attach(false);
	}
}

static int run(const struct part *p)
{
	struct times t[WAYS] = {};
	double without, empty, added;
	__u64 before;

	for (int i = 0; i < WAYS; i++)
		t[i].ns = calloc((size_t)rounds * CALLS, sizeof(*t[i].ns));
	add_addresses(p->addrs);
	write_tables(p->addrs);
	before = COUNTED(bound) + COUNTED(sent);
	rounds_of(p, t);
	if (COUNTED(bound) + COUNTED(sent) < before + (__u64)rounds * CALLS)
		ksft_bail("%s: not all sources were chosen", p->name);
	without = median(&t[WITHOUT]);
	empty = median(&t[EMPTY]) - without;
	added = median(&t[WITH]) - without;
	for (int i = 0; i < WAYS; i++)
		free(t[i].ns);
	printf("%-44s %8.0f %+8.0f %+8.0f %6d  %s\n", p->name, without, empty, added, p->bound,
	       p->bound && added > p->bound ? "MISSED" : "");
	return p->bound && added > p->bound;
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
	idle = selsrc_idle_bpf__open_and_load();
	if (!idle)
		ksft_bail("empty programs: %s", strerror(errno));
	printf("%-44s %8s %8s %8s %6s\n", "ns a call, medians", "without", "empty", "added",
	       "bound");
	for (size_t i = 0; i < ARRAY_SIZE(parts); i++)
		missed += run(&parts[i]);
	printf("%d MISSED\n", missed);
	return 0;
}
