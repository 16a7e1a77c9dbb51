// SPDX-License-Identifier: GPL-2.0
/*
 * pinned.c - a map `gens` as it would be pinned by who keeps copies of routes, and what
 * `vestige rtcache follow` makes of it.
 *
 *	pinned make DIR [forever|small]	creates DIR, pins a map `gens` in it: kept by the
 *					module, or of another size
 *	pinned show DIR			"INET INET6 usable|idle usable|idle" (both families)
 *	pinned left DIR			ms until the lease ends; not below 0
 *	pinned stale DIR MS		for MS ms: how often could a copy made at the
 *					generation before have been used? INET; a number
 *	pinned window DIR DEV N		N changes of a route through DEV in this network
 *					namespace: from the return of the change until the
 *					map says so, in ns: "P50 P99 MAX"
 *	pinned routes DEV FIRST N	adds N routes through DEV as fast as it goes
 *	pinned fake PORT		sends RTM_DELROUTE to that netlink port
 *	pinned cookie			of this network namespace
 */
#include <errno.h>
#include <linux/bpf.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <vestige/quantile.h>
#include <vestige/rtcache.h>

#ifndef SO_NETNS_COOKIE
#define SO_NETNS_COOKIE 71
#endif

#define PATIENCE_NS	5000000000ull
#define WINDOW_ROUTE	1000000		/* far from those of `routes` */

static __u64 now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ull + ts.tv_nsec;
}

static int fail(const char *what)
{
	fprintf(stderr, "%s: %s\n", what, strerror(errno));
	return 1;
}

/* ---- the map --------------------------------------------------------------------------- */

static int sys_bpf(int cmd, union bpf_attr *attr)
{
	return syscall(__NR_bpf, cmd, attr, sizeof(*attr));
}

static const char *pin_path(const char *dir)
{
	static char path[4096];

	snprintf(path, sizeof(path), "%s/gens", dir);
	return path;
}

static int make_map(size_t size)
{
	union bpf_attr attr = {
		.map_type = BPF_MAP_TYPE_ARRAY, .key_size = 4, .value_size = size,
		.max_entries = 1, .map_flags = BPF_F_MMAPABLE, .map_name = "gens",
	};

	return sys_bpf(BPF_MAP_CREATE, &attr);
}

static int pin(int fd, const char *dir)
{
	union bpf_attr attr = {
		.pathname = (__u64)(unsigned long)pin_path(dir), .bpf_fd = fd,
	};

	unlink(pin_path(dir));
	return sys_bpf(BPF_OBJ_PIN, &attr);
}

static struct rtcache_gens *map_memory(int fd)
{
	return mmap(NULL, sizeof(struct rtcache_gens), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
}

static struct rtcache_gens *open_pinned(const char *dir)
{
	union bpf_attr attr = { .pathname = (__u64)(unsigned long)pin_path(dir) };
	struct rtcache_gens *g = MAP_FAILED;
	int fd = sys_bpf(BPF_OBJ_GET, &attr);

	if (fd >= 0)
		g = map_memory(fd);
	if (g == MAP_FAILED)
		exit(fail(pin_path(dir)));
	return g;
}

/* The folder above is made, too: as the command does it. */
static int make(const char *dir, const char *how)
{
	bool small = how && !strcmp(how, "small");
	int fd = make_map(small ? 8 : sizeof(struct rtcache_gens));
	char parent[4096];
	struct rtcache_gens *g;

	snprintf(parent, sizeof(parent), "%s", dir);
	*strrchr(parent, '/') = '\0';
	mkdir(parent, 0700);
	mkdir(dir, 0700);
	if (fd < 0)
		return fail("map");
	if (how && !strcmp(how, "forever")) {
		g = map_memory(fd);
		if (g == MAP_FAILED)
			return fail("mmap");
		g->gen[RTCACHE_INET] = g->gen[RTCACHE_INET6] = 1000;
		g->lease_ns = RTCACHE_FOREVER;
	}
	return pin(fd, dir) ? fail(dir) : 0;
}

static int show(const char *dir)
{
	const struct rtcache_gens *g = open_pinned(dir);

	printf("%llu %llu %s %s\n", rtcache_gen(g, RTCACHE_INET), rtcache_gen(g, RTCACHE_INET6),
	       rtcache_usable(g, RTCACHE_INET, now_ns()) ? "usable" : "idle",
	       rtcache_usable(g, RTCACHE_INET6, now_ns()) ? "usable" : "idle");
	return 0;
}

static int left(const char *dir)
{
	__u64 lease = open_pinned(dir)->lease_ns, now = now_ns();

	printf("%llu\n", lease > now ? (lease - now) / 1000000 : 0);
	return 0;
}

static int stale(const char *dir, unsigned int ms)
{
	const struct rtcache_gens *g = open_pinned(dir);
	__u64 copy = rtcache_gen(g, RTCACHE_INET), end = now_ns() + ms * 1000000ull;
	unsigned long uses = 0;

	while (now_ns() < end)
		uses += rtcache_usable(g, RTCACHE_INET, now_ns()) &&
			rtcache_good(copy, g, RTCACHE_INET);
	printf("%lu\n", uses);
	return 0;
}

/* ---- routes ------------------------------------------------------------------------------ */

struct route {
	struct nlmsghdr n;
	struct rtmsg rt;
	struct rtattr dst_attr;
	__u8 dst[4];
	struct rtattr oif_attr;
	__u32 oif;
};

static struct route route_of(const char *dev, __u32 number)
{
	return (struct route) {
		.n = { .nlmsg_len = sizeof(struct route) },
		.rt = { .rtm_family = AF_INET, .rtm_dst_len = 24, .rtm_table = RT_TABLE_MAIN,
			.rtm_protocol = RTPROT_STATIC, .rtm_scope = RT_SCOPE_LINK,
			.rtm_type = RTN_UNICAST },
		.dst_attr = { .rta_len = RTA_LENGTH(4), .rta_type = RTA_DST },
		.dst = { 20 + (number >> 16), number >> 8, number, 0 },
		.oif_attr = { .rta_len = RTA_LENGTH(4), .rta_type = RTA_OIF },
		.oif = if_nametoindex(dev),
	};
}

/* 0, or -1 and errno. */
static int change(int fd, struct route *r, int type, int flags)
{
	char buf[4096] __attribute__((aligned(NLMSG_ALIGNTO)));
	struct nlmsghdr *answer = (void *)buf;
	struct nlmsgerr *err = NLMSG_DATA(answer);

	r->n.nlmsg_type = type;
	r->n.nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | flags;
	if (send(fd, r, sizeof(*r), 0) < 0 || recv(fd, buf, sizeof(buf), 0) < 0)
		return -1;
	if (answer->nlmsg_type == NLMSG_ERROR && !err->error)
		return 0;
	errno = answer->nlmsg_type == NLMSG_ERROR ? -err->error : EBADMSG;
	return -1;
}

static int route_socket(void)
{
	int fd = socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE);

	if (fd < 0)
		exit(fail("rtnetlink"));
	return fd;
}

static int routes(const char *dev, __u32 first, __u32 n)
{
	int fd = route_socket();
	__u32 i;

	for (i = first; i < first + n; i++) {
		struct route r = route_of(dev, i);

		if (change(fd, &r, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL))
			return fail("route");
	}
	return 0;
}

/* As the kernel would tell that a route is gone, but it comes from us. */
static int fake(__u32 port)
{
	struct sockaddr_nl to = { .nl_family = AF_NETLINK, .nl_pid = port };
	struct route r = route_of("lo", 0);
	int fd = route_socket();

	r.n.nlmsg_type = RTM_DELROUTE;
	return sendto(fd, &r, sizeof(r), 0, (void *)&to, sizeof(to)) < 0 ? fail("sendto") : 0;
}

/* ---- the window -------------------------------------------------------------------------- */

static bool wait_usable(const struct rtcache_gens *g)
{
	__u64 end = now_ns() + PATIENCE_NS;

	while (!rtcache_usable(g, RTCACHE_INET, now_ns())) {
		if (now_ns() > end)
			return false;
		usleep(1000);
	}
	return true;
}

/* -1: the map has never changed. */
static __s64 one_window(const struct rtcache_gens *g, int fd, struct route *r, bool add)
{
	__u64 before, start;

	if (!wait_usable(g))
		return -1;
	before = rtcache_gen(g, RTCACHE_INET);
	if (change(fd, r, add ? RTM_NEWROUTE : RTM_DELROUTE, add ? NLM_F_CREATE : 0))
		return -1;
	start = now_ns();
	while (rtcache_gen(g, RTCACHE_INET) == before)
		if (now_ns() > start + PATIENCE_NS)
			return -1;
	return now_ns() - start;
}

static int window(const char *dir, const char *dev, unsigned int n)
{
	const struct rtcache_gens *g = open_pinned(dir);
	struct route r = route_of(dev, WINDOW_ROUTE);
	static struct quantile q;
	int fd = route_socket();
	unsigned int i;

	for (i = 0; i < n; i++) {
		__s64 ns = one_window(g, fd, &r, i % 2 == 0);

		if (ns < 0) {
			fprintf(stderr, "change %u is not seen in the map\n", i);
			return 1;
		}
		quantile_add(&q, ns);
	}
	printf("%llu %llu %llu\n", quantile_of(&q, 500), quantile_of(&q, 990), q.max);
	return 0;
}

static int cookie(void)
{
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	unsigned long long value;
	socklen_t len = sizeof(value);

	if (getsockopt(fd, SOL_SOCKET, SO_NETNS_COOKIE, &value, &len))
		return fail("SO_NETNS_COOKIE");
	printf("%llu\n", value);
	return 0;
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";

	if (!strcmp(what, "make") && argc > 2)
		return make(argv[2], argc > 3 ? argv[3] : NULL);
	if (!strcmp(what, "show") && argc == 3)
		return show(argv[2]);
	if (!strcmp(what, "left") && argc == 3)
		return left(argv[2]);
	if (!strcmp(what, "stale") && argc == 4)
		return stale(argv[2], atoi(argv[3]));
	if (!strcmp(what, "window") && argc == 5)
		return window(argv[2], argv[3], atoi(argv[4]));
	if (!strcmp(what, "routes") && argc == 5)
		return routes(argv[2], atoi(argv[3]), atoi(argv[4]));
	if (!strcmp(what, "fake") && argc == 3)
		return fake(strtoul(argv[2], NULL, 0));
	if (!strcmp(what, "cookie"))
		return cookie();
	fprintf(stderr, "usage: pinned make|show|left|stale|window|routes|fake|cookie ...\n");
	return 2;
}
