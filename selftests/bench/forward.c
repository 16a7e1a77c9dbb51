// SPDX-License-Identifier: GPL-2.0
/*
 * forward.c - what a forwarded packet costs: by a cached flow, by asking the routing table
 * for each one, by a bare bpf_fib_lookup(), through the kernel
 *
 *	forward [ROUTES] [ROUNDS]
 *
 * All in one process and one run, taken in turn. The lower quartile of the rounds counts:
 * what others do to the caches only adds. Only ratios mean anything on another machine.
 * Lines of JSON.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/if_ether.h>
#include <linux/if_link.h>
#include <sys/mman.h>

#include <vestige/forward.h>
#include "selftests/bench/forward.skel.h"

#define FLOWS		65536
#define RUNS		200000
#define LIVE_RUNS	300000
#define MAX_ROUNDS	64
#define SOME		1000	/* flows at once */
#define MANY		30000
#define ENDLESS		16000000

static struct forward_bpf *skel;
static __u32 if_in, if_out;
static int rounds = 9;
static __u64 gen;	/* it never goes back */

static void die(const char *what)
{
	fprintf(stderr, "forward: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void run(const char *command)
{
	if (system(command)) {
		fprintf(stderr, "forward: %s failed\n", command);
		exit(1);
	}
}

static void make_router(void)
{
	static const char *const commands[] = {
		"ip link set lo up",
		"ip link add in0 address 02:00:00:00:01:00 type veth peer name p0",
		"ip link add out1 address 02:00:00:00:01:01 type veth peer name p1",
		"for d in in0 out1 p0 p1; do ip link set $d up; done",
		"ip addr add 10.0.1.1/24 dev in0; ip addr add fd00:1::1/64 dev in0 nodad",
		"ip addr add 10.0.10.1/24 dev out1; ip addr add fd00:10::1/64 dev out1 nodad",
		"echo 1 >/proc/sys/net/ipv4/ip_forward",
		"echo 1 >/proc/sys/net/ipv6/conf/all/forwarding",
		"for f in /proc/sys/net/ipv4/conf/*/rp_filter; do echo 0 >$f; done",
		"ip neigh add 10.0.10.2 lladdr 02:00:00:00:02:01 dev out1",
		"ip neigh add fd00:10::2 lladdr 02:00:00:00:02:01 dev out1",
		"ip route add default via 10.0.10.2; ip -6 route add default via fd00:10::2",
	};

	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		run(commands[i]);
}

static void put(struct bpf_map *map, const void *key, const void *value)
{
	if (bpf_map_update_elem(bpf_map__fd(map), key, value, BPF_ANY))
		die(bpf_map__name(map));
}

static void put_device(__u32 ifindex, __u32 slot, __u8 last)
{
	struct forward_device dev = {
		.ifindex = ifindex, .slot = slot,
		.facts = { .mac = { 2, 0, 0, 0, 1, last }, .state = RTCACHE_DEVICE_UP },
	};

	put(skel->maps.slots, &slot, &ifindex);
	put(skel->maps.devices, &ifindex, &dev);
}

static void put_frames(void)
{
	static const __u8 macs[12] = { 2, 0, 0, 0, 1, 0, 2, 0, 0, 0, 2, 0 };
	struct iphdr *ip = (void *)(skel->bss->frame4 + ETH_HLEN);
	struct ipv6hdr *ip6 = (void *)(skel->bss->frame6 + ETH_HLEN);

	memcpy(skel->bss->frame4, macs, 12);
	memcpy(skel->bss->frame6, macs, 12);
	skel->bss->frame4[12] = ETH_P_IP >> 8;
	skel->bss->frame6[12] = ETH_P_IPV6 >> 8;
	skel->bss->frame6[13] = ETH_P_IPV6 & 255;
	ip->version = 4;
	ip->ihl = 5;
	ip->tot_len = htons(50);
	ip->ttl = 64;
	ip->protocol = 17;
	inet_pton(AF_INET, "10.0.1.2", &ip->saddr);
	ip6->version = 6;
	ip6->payload_len = htons(10);
	ip6->nexthdr = 17;
	ip6->hop_limit = 64;
	inet_pton(AF_INET6, "fd00:1::2", &ip6->saddr);
	inet_pton(AF_INET6, "2001:db8::1", &ip6->daddr);
}

static void put_gens(__u64 gen)
{
	struct rtcache_gens gens = { .gen = { gen, gen }, .lease_ns = RTCACHE_FOREVER };
	__u32 zero = 0;

	put(skel->maps.gens, &zero, &gens);
}

static int attach(struct bpf_program *prog, const char *dev)
{
	LIBBPF_OPTS(bpf_link_create_opts, opts, .flags = XDP_FLAGS_DRV_MODE);
	int fd = bpf_link_create(bpf_program__fd(prog), if_nametoindex(dev), BPF_XDP, &opts);

	if (fd < 0)
		die(dev);
	return fd;
}

static void begin(void)
{
	struct forward_geometry geo = { .buckets = FLOWS / FORWARD_WAYS, .posts = 1024 };
	__u64 never = ~0ull >> 1;
	__u32 i;

	if (unshare(CLONE_NEWNET | CLONE_NEWNS))
		die("no namespace");
	make_router();
	skel = forward_bpf__open();
	if (!skel)
		die("open");
	for (i = 0; i < 6; i++)
		geo.seed[i] = (i + 1) * 0x9e3779b97f4a7c15ull;
	memcpy((void *)&skel->rodata->geo, &geo, sizeof(geo));
	*(__u64 *)&skel->rodata->age_ns = never;
	bpf_map__set_max_entries(skel->maps.buckets, geo.buckets);
	bpf_map__set_max_entries(skel->maps.posts, geo.posts);
	if (forward_bpf__load(skel))
		die("load");
	if_in = if_nametoindex("in0");
	if_out = if_nametoindex("out1");
	put_device(if_in, 0, 0);
	put_device(if_out, 1, 1);
	put_frames();
	for (i = 0; i < bpf_map__max_entries(skel->maps.stamps); i++)
		put(skel->maps.stamps, &i, &never);
	/* None of those that are measured: the kernel spares an attached one 1 ms a run. */
	attach(skel->progs.bench_pass, "in0");
	attach(skel->progs.bench_drop, "p1");
}

/* What this thread has used: on a busy machine the clock on the wall tells of others. */
static double now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return t.tv_sec * 1e9 + t.tv_nsec;
}

/* ns a run. live: the frames really go where the verdict says. */
static double once(struct bpf_program *prog, int live)
{
	int runs = live ? LIVE_RUNS : RUNS, err;
	__u8 frame[64] = { 0 };
	struct xdp_md ctx = { .data_end = sizeof(frame), .ingress_ifindex = if_in };
	LIBBPF_OPTS(bpf_test_run_opts, o, .data_in = frame, .data_size_in = sizeof(frame),
		    .repeat = runs, .ctx_in = &ctx, .ctx_size_in = sizeof(ctx),
		    .flags = live ? BPF_F_TEST_XDP_LIVE_FRAMES : 0);
	double start = now_ns();

	err = bpf_prog_test_run_opts(bpf_program__fd(prog), &o);
	if (err)
		die(bpf_program__name(prog));
	return (now_ns() - start) / runs;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static double typical(double *v)
{
	qsort(v, rounds, sizeof(*v), by_value);
	return v[rounds / 4];
}

static __u64 counter(int which)
{
	static struct forward_cpu values[1024];
	__u64 sum = 0;
	int cpus = libbpf_num_possible_cpus();
	__u32 zero = 0;

	if (bpf_map_lookup_elem(bpf_map__fd(skel->maps.stats), &zero, values))
		die("stats");
	for (int i = 0; i < cpus; i++)
		sum += values[i].counter[which];
	return sum;
}

/* As if no flood had been: who looks up only has no counter of packets to skip. */
static void forget_flood(struct forward_cpu *keep)
{
	static struct forward_cpu values[1024];
	__u32 zero = 0;

	if (bpf_map_lookup_elem(bpf_map__fd(skel->maps.stats), &zero, keep))
		die("stats");
	memcpy(values, keep, sizeof(values));
	for (int i = 0; i < libbpf_num_possible_cpus(); i++)
		values[i].flooded = 0;
	put(skel->maps.stats, &zero, values);
}

/* Of what was measured before nothing is in the way. */
static void empty_cache(void)
{
	size_t size = sizeof(struct forward_bucket) * (FLOWS / FORWARD_WAYS);
	void *mem = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED,
			 bpf_map__fd(skel->maps.buckets), 0);

	if (mem == MAP_FAILED)
		die("buckets");
	memset(mem, 0, size);
	munmap(mem, size);
}

struct cost {
	double hit, plain, bare, make;
	double hit_share;	/* of packets that should be hits */
};

static struct cost measure(int v6, __u32 span)
{
	struct bpf_program *make = v6 ? skel->progs.bench_make6 : skel->progs.bench_make4;
	struct bpf_program *fwd = v6 ? skel->progs.bench_forward6 : skel->progs.bench_forward4;
	struct bpf_program *bare = v6 ? skel->progs.bench_bare6 : skel->progs.bench_bare4;
	double m[MAX_ROUNDS], h[MAX_ROUNDS], p[MAX_ROUNDS], b[MAX_ROUNDS];
	static struct forward_cpu keep[1024];
	__u32 zero = 0;
	struct cost c;
	__u64 hits = 0;

	skel->bss->span = span;
	empty_cache();
	put_gens(gen += 2);
	once(fwd, 0);
	once(fwd, 0);
	for (int i = 0; i < rounds; i++) {
		m[i] = once(make, 0);
		put_gens(gen);
		hits -= counter(FORWARD_hit);
		h[i] = once(fwd, 0);
		hits += counter(FORWARD_hit);
		put_gens(0);
		forget_flood(keep);
		p[i] = once(fwd, 0);
		put(skel->maps.stats, &zero, keep);
		b[i] = once(bare, 0);
	}
	c.make = typical(m);
	c.hit = typical(h) - c.make;
	c.plain = typical(p) - c.make;
	c.bare = typical(b) - c.make;
	c.hit_share = (double)hits / rounds / RUNS;
	return c;
}

static void tell(int v6, __u32 span, unsigned int routes, const char *what)
{
	struct cost c = measure(v6, span);

	printf("{\"part\": \"%s\", \"family\": %d, \"routes\": %u, \"flows\": %u, "
	       "\"make_ns\": %.1f, \"hit_ns\": %.1f, \"lookup_ns\": %.1f, "
	       "\"bare_ns\": %.1f, \"hit_share\": %.3f, "
	       "\"lookup_per_hit\": %.2f, \"bare_per_hit\": %.2f}\n", what, v6 ? 6 : 4, routes,
	       span, c.make, c.hit, c.plain, c.bare, c.hit_share, c.plain / c.hit, c.bare / c.hit);
	fflush(stdout);
}

static void tell_validate(void)
{
	double v[MAX_ROUNDS], n[MAX_ROUNDS];

	put_gens(2);
	for (int i = 0; i < rounds; i++) {
		v[i] = once(skel->progs.bench_validate, 0);
		n[i] = once(skel->progs.bench_nothing, 0);
	}
	printf("{\"part\": \"validate\", \"ns\": %.2f}\n", (typical(v) - typical(n)) / 100);
}

/*
 * From the device's queue to the other end of the wire, where frames are dropped. What it
 * takes to make a frame and drop it at once is subtracted.
 */
static void tell_kernel(int v6)
{
	struct bpf_program *make = v6 ? skel->progs.bench_make6 : skel->progs.bench_make4;
	struct bpf_program *fwd = v6 ? skel->progs.bench_forward6 : skel->progs.bench_forward4;
	double k[MAX_ROUNDS], h[MAX_ROUNDS], d[MAX_ROUNDS], drop;

	skel->bss->span = SOME;
	put_gens(gen += 2);
	once(fwd, 0);
	once(fwd, 0);
	for (int i = 0; i < rounds; i++) {
		k[i] = once(make, 1);
		h[i] = once(fwd, 1);
		d[i] = once(skel->progs.bench_make_drop, 1);
	}
	drop = typical(d);
	printf("{\"part\": \"kernel\", \"family\": %d, \"kernel_ns\": %.0f, \"hit_ns\": %.0f, "
	       "\"drop_ns\": %.0f, \"ratio\": %.2f}\n", v6 ? 6 : 4, typical(k) - drop,
	       typical(h) - drop, drop, (typical(k) - drop) / (typical(h) - drop));
}

/* Each /24 from 20.0.0.0 on, and each /64 from 2001:db8:: on. */
static void load_routes(unsigned int routes)
{
	FILE *v4 = popen("ip -batch -", "w"), *v6 = popen("ip -6 -batch -", "w");

	if (!v4 || !v6)
		die("ip");
	for (unsigned int i = 0; i < routes; i++) {
		__u32 net = 0x14000000 + (i << 8);

		fprintf(v4, "route add %u.%u.%u.0/24 via 10.0.10.2\n", net >> 24, net >> 16 & 255,
			net >> 8 & 255);
		fprintf(v6, "route add 2001:db8:%x:%x::/64 via fd00:10::2\n", i >> 16, i & 0xffff);
	}
	if (pclose(v4) || pclose(v6))
		fprintf(stderr, "forward: not all routes were taken\n");
}

int main(int argc, char **argv)
{
	unsigned int routes = argc > 1 ? atoi(argv[1]) : 500000;

	if (argc > 2)
		rounds = atoi(argv[2]);
	if (rounds < 1 || rounds > MAX_ROUNDS)
		rounds = 9;
	libbpf_set_print(NULL);
	begin();
	tell_validate();
	for (int v6 = 0; v6 < 2; v6++) {
		tell(v6, 1, 1, "one flow");
		tell(v6, SOME, 1, "flows");
		tell(v6, MANY, 1, "flows");
		tell(v6, ENDLESS, 1, "flood");
		tell_kernel(v6);
	}
	load_routes(routes);
	for (int v6 = 0; v6 < 2; v6++) {
		tell(v6, SOME, routes, "flows");
		tell(v6, MANY, routes, "flows");
		tell(v6, routes, routes, "flood");
	}
	return 0;
}
