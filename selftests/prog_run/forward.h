/* SPDX-License-Identifier: GPL-2.0 */
/*
 * forward.h - the program that forwards, loaded; a router in a namespace of the test's own;
 * frames from a description.
 *
 *	in0 10.0.1.1 fd00:1::1 (VLAN 10: 10.0.3.1)	from 10.0.1.2, fd00:1::2
 *	out1 10.0.10.1 fd00:10::1 (VLAN 20: 10.0.20.1)	default route via .2, ::2
 *	out2 10.0.30.1, without the program
 */
#ifndef SELFTESTS_PROG_RUN_FORWARD_H
#define SELFTESTS_PROG_RUN_FORWARD_H

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <sched.h>
#include <stddef.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/if_link.h>
#include <sys/mman.h>

#include "../ksft.h"
#include "../unit/unit.h"
#include <vestige/forward.h>
#include "forward.skel.h"

#define BUCKETS		64
#define POSTS		128	/* of eight */
#define AGE_NS		1000000000ull
#define BYTES		2048

static struct forward_bpf *skel;
static __u32 if_in, if_out;

static const __u8 mac_in[6] = { 2, 0, 0, 0, 1, 0 }, mac_out[6] = { 2, 0, 0, 0, 1, 1 };
static const __u8 mac_src[6] = { 2, 0, 0, 0, 2, 0 }, mac_hop[6] = { 2, 0, 0, 0, 2, 1 };

static void put_elem(struct bpf_map *map, const void *key, const void *value)
{
	if (bpf_map_update_elem(bpf_map__fd(map), key, value, BPF_ANY))
		ksft_bail("%s: %s", bpf_map__name(map), strerror(errno));
}

static void run(const char *command)
{
	if (system(command))
		ksft_bail("%s", command);
}

/* in0v10 and out1v20 need not be VLAN devices: the program has only our word for it. */
static void make_router(void)
{
	static const char *const commands[] = {
		"ip link set lo up",
		"ip link add in0 address 02:00:00:00:01:00 type veth peer name p0",
		"ip link add out1 address 02:00:00:00:01:01 type veth peer name p1",
		"ip link add out2 type veth peer name p2",
		"ip link add in0v10 address 02:00:00:00:01:00 type veth peer name p3",
		"ip link add out1v20 address 02:00:00:00:01:01 type veth peer name p4",
		/* Nobody shall say anything but us. */
		"for d in p0 p1 p2 p3 p4; do echo 1 >/proc/sys/net/ipv6/conf/$d/disable_ipv6; done",
		"for d in in0 out1 out2 in0v10 out1v20 p0 p1 p2 p3 p4; do ip link set $d up; done",
		"ip addr add 10.0.1.1/24 dev in0; ip addr add fd00:1::1/64 dev in0 nodad",
		"ip addr add 10.0.10.1/24 dev out1; ip addr add fd00:10::1/64 dev out1 nodad",
		"ip addr add 10.0.3.1/24 dev in0v10; ip addr add 10.0.20.1/24 dev out1v20",
		"ip addr add 10.0.30.1/24 dev out2",
		"ip addr add fd00:3::1/64 dev in0v10 nodad",
		"ip addr add fd00:20::1/64 dev out1v20 nodad",
		"ip addr add fd00:30::1/64 dev out2 nodad",
		"echo 1 >/proc/sys/net/ipv4/ip_forward",
		"echo 1 >/proc/sys/net/ipv6/conf/all/forwarding",
		"for f in /proc/sys/net/ipv4/conf/*/rp_filter; do echo 0 >$f; done",
		"ip neigh add 10.0.10.2 lladdr 02:00:00:00:02:01 dev out1",
		"ip neigh add 10.0.20.2 lladdr 02:00:00:00:02:01 dev out1v20",
		"ip neigh add 10.0.30.2 lladdr 02:00:00:00:02:02 dev out2",
		"ip neigh add 10.0.1.9 lladdr 02:00:00:00:02:09 dev in0",
		"ip neigh add fd00:10::2 lladdr 02:00:00:00:02:01 dev out1",
		"ip neigh add fd00:20::2 lladdr 02:00:00:00:02:01 dev out1v20",
		"ip neigh add fd00:30::2 lladdr 02:00:00:00:02:02 dev out2",
		"ip neigh add fd00:1::9 lladdr 02:00:00:00:02:09 dev in0",
		"ip route add default via 10.0.10.2; ip -6 route add default via fd00:10::2",
		"ip route add 10.5.0.0/16 via 10.0.20.2; ip -6 route add fd05::/16 via fd00:20::2",
		"ip route add 10.6.0.0/16 via 10.0.30.2; ip -6 route add fd06::/16 via fd00:30::2",
		"ip route add 10.7.0.0/16 via 10.0.10.2 mtu lock 1000",
		"ip -6 route add fd07::/16 via fd00:10::2 mtu lock 1300",
		"ip route add 10.8.0.0/16 via 10.0.10.77",
		"ip -6 route add fd08::/16 via fd00:10::77",
		"ip route add blackhole 10.10.0.0/16; ip -6 route add blackhole fd0a::/16",
		"ip route add unreachable 10.11.0.0/16; ip -6 route add unreachable fd0b::/16",
		"ip route add prohibit 10.12.0.0/16; ip -6 route add prohibit fd0c::/16",
	};

	for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
		run(commands[i]);
}

static void put_device(const char *name, __u32 slot, __u16 vid, const __u8 *mac, int soft)
{
	struct forward_device dev = {
		.ifindex = if_nametoindex(name),
		.slot = slot, .vid = vid, .soft = soft, .facts = { .state = RTCACHE_DEVICE_UP },
	};

	memcpy(dev.facts.mac, mac, 6);
	put_elem(skel->maps.devices, &dev.ifindex, &dev);
}

static void put_vlan(__u32 ifindex, __u32 vid, const char *name)
{
	struct forward_vlan key = { ifindex, vid };
	__u32 value = if_nametoindex(name);

	put_elem(skel->maps.vlans, &key, &value);
}

static void tell_devices(int soft)
{
	__u32 slot = 0;

	if_in = if_nametoindex("in0");
	if_out = if_nametoindex("out1");
	put_elem(skel->maps.slots, &slot, &if_in);
	slot = 1;
	put_elem(skel->maps.slots, &slot, &if_out);
	put_device("in0", 0, 0, mac_in, soft);
	put_device("in0v10", 0, 10, mac_in, soft);
	put_device("out1", 1, 0, mac_out, soft);
	put_device("out1v20", 1, 20, mac_out, soft);
	put_vlan(if_in, 10, "in0v10");
	put_vlan(if_out, 20, "out1v20");
}

static void forward_begin(void)
{
	struct forward_geometry geo = { .buckets = BUCKETS, .posts = POSTS };
	int err;

	libbpf_set_print(NULL);
	if (geteuid())
		ksft_skip_all("needs root");
	if (unshare(CLONE_NEWNET | CLONE_NEWNS))
		ksft_bail("no namespace: %s", strerror(errno));
	make_router();
	skel = forward_bpf__open();
	if (!skel)
		ksft_bail("open: %s", strerror(errno));
	for (int i = 0; i < 6; i++)
		geo.seed[i] = (i + 1) * 0x9e3779b97f4a7c15ull;
	memcpy((void *)&skel->rodata->geo, &geo, sizeof(geo));
	*(__u64 *)&skel->rodata->age_ns = AGE_NS;
	bpf_map__set_max_entries(skel->maps.buckets, BUCKETS);
	bpf_map__set_max_entries(skel->maps.posts, geo.posts);
	err = forward_bpf__load(skel);
	if (err)
		ksft_bail("load: %s", strerror(-err));
}

/* A veth has queues for XDP only while it has a program. */
static void forward_attach_in(void)
{
	LIBBPF_OPTS(bpf_link_create_opts, opts, .flags = XDP_FLAGS_DRV_MODE);
	int fd = bpf_link_create(bpf_program__fd(skel->progs.forward_xdp), if_in, BPF_XDP, &opts);

	if (fd < 0)
		ksft_bail("xdp on in0: %s", strerror(-fd));
}

/* A generation that was never there: they never go back. */
static __u64 fresh(void)
{
	static __u64 gen;

	return gen += 2;
}

static void put_gens(__u64 gen, __u32 obstacles)
{
	struct rtcache_gens gens = { .gen = { gen, gen }, .lease_ns = RTCACHE_FOREVER,
				     .obstacles = { obstacles, obstacles } };
	__u32 zero = 0;

	put_elem(skel->maps.gens, &zero, &gens);
}

/* Next hops were handed a packet, as of that moment; far ahead: never again. */
static void put_stamps(__u64 stamp)
{
	__u32 i;

	for (i = 0; i < bpf_map__max_entries(skel->maps.stamps); i++)
		put_elem(skel->maps.stamps, &i, &stamp);
}

static __u64 monotonic_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ull + t.tv_nsec;
}

static void *map_array(struct bpf_map *map, size_t size)
{
	void *mem = mmap(NULL, (size + 4095) & ~4095ul, PROT_READ | PROT_WRITE, MAP_SHARED,
			 bpf_map__fd(map), 0);

	if (mem == MAP_FAILED)
		ksft_bail("mmap of %s: %s", bpf_map__name(map), strerror(errno));
	return mem;
}

static void read_counters(__u64 sum[FORWARD_COUNTS])
{
	int cpus = libbpf_num_possible_cpus();
	struct forward_cpu *values = calloc(cpus, sizeof(*values));
	__u32 zero = 0;

	if (bpf_map_lookup_elem(bpf_map__fd(skel->maps.stats), &zero, values))
		ksft_bail("stats: %s", strerror(errno));
	memset(sum, 0, FORWARD_COUNTS * sizeof(*sum));
	for (int i = 0; i < cpus * FORWARD_COUNTS; i++)
		sum[i % FORWARD_COUNTS] += values[i / FORWARD_COUNTS].counter[i % FORWARD_COUNTS];
	free(values);
}

static const char *counter_name(int i)
{
	static const char *const names[] = {
#define NAME(name, help) #name,
		FORWARD_COUNTERS(NAME)
#undef NAME
	};

	return names[i];
}

struct bytes {
	__u8 b[BYTES];
	__u32 len;
};

/* The verdict; what became of the frame is in *out. */
static int run_forward(const struct bytes *in, __u32 ifindex, struct bytes *out)
{
	struct xdp_md ctx = { .data_end = in->len, .ingress_ifindex = ifindex };
	LIBBPF_OPTS(bpf_test_run_opts, o, .data_in = in->b, .data_size_in = in->len,
		    .data_out = out->b, .data_size_out = sizeof(out->b), .repeat = 1,
		    .ctx_in = &ctx, .ctx_size_in = sizeof(ctx));
	int err = bpf_prog_test_run_opts(bpf_program__fd(skel->progs.forward_xdp), &o);

	if (err)
		ksft_bail("test run: %s", strerror(-err));
	out->len = o.data_size_out;
	return o.retval;
}

#endif /* SELFTESTS_PROG_RUN_FORWARD_H */
