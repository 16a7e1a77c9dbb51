// SPDX-License-Identifier: GPL-2.0
/*
 * test_forward.c - packet in, verdict and packet out, through the program that forwards
 *
 * Each row is run three times: without a generation, so that the routing table is asked;
 * with one, when the flow is cached; and again, when it is hit. What passes must be as it
 * came, byte for byte; what leaves must be what a router makes of it, byte for byte.
 */
#include "forward.h"
#include "forward_frame.h"

#define PATIENCE	100000	/* instructions; the verifier of any kernel has a million */

static const __u8 other[6] = { 2, 0, 0, 0, 9, 9 }, group[6] = { 1, 0, 0x5e, 0, 0, 1 };
static const __u8 everybody[6] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };

#define ICMP4(t)	.proto = 1, .l4 = { t }
#define ICMP6(t)	.v6 = 1, .proto = 58, .l4 = { t }
#define TAG(v)		.tags = 1, .tci = { v }

static const struct row rows[] = {
	{ "udp", FORWARD_GO, .proto = 17 },
	{ "tcp", FORWARD_GO, .proto = 6, .payload = 200 },
	{ "sctp", FORWARD_GO, .proto = 132, .payload = 12 },
	{ "gre, whose inside nobody can vouch for", FORWARD_pass_partial, .proto = 47 },
	{ "echo", FORWARD_GO, ICMP4(8) },
	{ "ttl 2", FORWARD_GO, .ttl = 2 },
	{ "dscp and ecn", FORWARD_GO, .tos = 0xbb },
	{ "df", FORWARD_GO, .frag = 0x4000 },
	{ "padded to 60", FORWARD_GO, .payload = 0, .behind = 10 },
	{ "longest of the route's mtu", FORWARD_GO, .dst = "10.7.0.1", .payload = 1000 - 28 },
	{ "priority tag", FORWARD_GO, TAG(0xe000) },
	{ "from a vlan", FORWARD_GO, TAG(10), .src = "10.0.3.2" },
	{ "from a vlan, urgent", FORWARD_GO, TAG(0xa00a), .src = "10.0.3.2" },
	{ "to a vlan", FORWARD_GO, .dst = "10.5.0.1", .out_vid = 20 },
	{ "from vlan to vlan", FORWARD_GO, TAG(10), .src = "10.0.3.2", .dst = "10.5.0.1",
	  .out_vid = 20 },
	{ "udp", FORWARD_GO, .v6 = 1 },
	{ "tcp", FORWARD_GO, .v6 = 1, .proto = 6, .payload = 200 },
	{ "hop limit 2", FORWARD_GO, .v6 = 1, .ttl = 2 },
	{ "traffic class", FORWARD_GO, .v6 = 1, .tos = 0xbb },
	{ "longest of the route's mtu", FORWARD_GO, .v6 = 1, .dst = "fd07::1",
	  .payload = 1300 - 48 },
	{ "no next header", FORWARD_GO, .v6 = 1, .proto = 59 },
	{ "from a vlan", FORWARD_GO, .v6 = 1, TAG(10), .src = "fd00:3::2" },
	{ "to a vlan", FORWARD_GO, .v6 = 1, .dst = "fd05::1", .out_vid = 20 },
	{ "from vlan to vlan", FORWARD_GO, .v6 = 1, TAG(10), .src = "fd00:3::2",
	  .dst = "fd05::1", .out_vid = 20 },

	{ "arp", FORWARD_pass_other, .ethertype = 0x0806 },
	{ "cut behind Ethernet", FORWARD_pass_malformed, .cut = 20 },
	{ "for another station", FORWARD_pass_station, .dmac = other },
	{ "for a group of stations", FORWARD_pass_station, .dmac = group },
	{ "for every station", FORWARD_pass_station, .dmac = everybody },
	{ "of a vlan that is not there", FORWARD_pass_vlan, TAG(11) },
	{ "two tags", FORWARD_pass_vlan, .tags = 2, .tci = { 10, 10 } },
	{ "a service tag", FORWARD_pass_vlan, TAG(10), .type = 0x88a8 },
	{ "options", FORWARD_pass_options, .options = 4 },
	{ "bad version", FORWARD_pass_malformed, .first = 0x55 },
	{ "bad header length", FORWARD_pass_malformed, .first = 0x43 },
	{ "bad checksum", FORWARD_pass_malformed, .damage = 1 },
	{ "longer than it is", FORWARD_pass_malformed, .cut = 41 },
	{ "something behind it", FORWARD_pass_malformed, .payload = 100, .behind = 1 },
	{ "no ports", FORWARD_pass_malformed, .proto = 99, .cut = 14 + 20 - 1 },
	{ "first fragment", FORWARD_pass_fragment, .frag = 0x2000 },
	{ "last fragment", FORWARD_pass_fragment, .frag = 0x0004 },
	{ "ttl 1", FORWARD_pass_ttl, .ttl = 1 },
	{ "too long by one", FORWARD_pass_mtu, .payload = 1501 - 28 },
	{ "too long for the route", FORWARD_pass_mtu, .dst = "10.7.0.1", .payload = 1001 - 28 },
	{ "to a group", FORWARD_pass_multicast, .dst = "224.0.0.9" },
	{ "to all", FORWARD_pass_multicast, .dst = "255.255.255.255" },
	{ "from loopback", FORWARD_pass_multicast, .src = "127.0.0.1" },
	{ "unreachable", FORWARD_pass_icmp, ICMP4(3) },
	{ "redirect", FORWARD_pass_icmp, ICMP4(5) },
	{ "time exceeded", FORWARD_pass_icmp, ICMP4(11) },
	{ "to us", FORWARD_pass_local, .dst = "10.0.1.1" },
	{ "to our other address", FORWARD_pass_local, .dst = "10.0.10.1" },
	{ "to the net's broadcast", FORWARD_pass_local, .dst = "10.0.10.255" },
	{ "blackhole", FORWARD_pass_blackhole, .dst = "10.10.0.1" },
	{ "unreachable route", FORWARD_pass_unreachable, .dst = "10.11.0.1" },
	{ "prohibit", FORWARD_pass_prohibit, .dst = "10.12.0.1" },
	{ "no neighbour", FORWARD_pass_no_neigh, .dst = "10.8.0.1" },
	{ "by a device without us", FORWARD_pass_no_hook, .dst = "10.6.0.1" },
	{ "back where it came from", FORWARD_pass_same_device, .dst = "10.0.1.9" },
	{ "from one of our addresses", FORWARD_pass_source, .src = "10.0.10.1" },
	{ "from nowhere", FORWARD_pass_source, .src = "10.11.0.1" },

	{ "hop-by-hop", FORWARD_pass_extension, .v6 = 1, .proto = 0 + 255 },
	{ "routing header", FORWARD_pass_extension, .v6 = 1, .proto = 43 },
	{ "destination options", FORWARD_pass_extension, .v6 = 1, .proto = 60 },
	{ "fragment", FORWARD_pass_fragment, .v6 = 1, .proto = 44 },
	{ "bad version", FORWARD_pass_malformed, .v6 = 1, .first = 0x40 },
	{ "hop limit 1", FORWARD_pass_ttl, .v6 = 1, .ttl = 1 },
	{ "for another station", FORWARD_pass_station, .v6 = 1, .dmac = other },
	{ "too long by one", FORWARD_pass_mtu, .v6 = 1, .payload = 1501 - 48 },
	{ "too long for the route", FORWARD_pass_mtu, .v6 = 1, .dst = "fd07::1",
	  .payload = 1301 - 48 },
	{ "to a group", FORWARD_pass_multicast, .v6 = 1, .dst = "ff02::9" },
	{ "from this link", FORWARD_pass_multicast, .v6 = 1, .src = "fe80::2" },
	{ "from nobody", FORWARD_pass_multicast, .v6 = 1, .src = "::" },
	{ "echo", FORWARD_pass_icmp, ICMP6(128) },
	{ "too big", FORWARD_pass_icmp, ICMP6(2) },
	{ "time exceeded", FORWARD_pass_icmp, ICMP6(3) },
	{ "to us", FORWARD_pass_local, .v6 = 1, .dst = "fd00:1::1" },
	{ "blackhole", FORWARD_pass_blackhole, .v6 = 1, .dst = "fd0a::1" },
	{ "unreachable route", FORWARD_pass_unreachable, .v6 = 1, .dst = "fd0b::1" },
	{ "prohibit", FORWARD_pass_prohibit, .v6 = 1, .dst = "fd0c::1" },
	{ "no neighbour", FORWARD_pass_no_neigh, .v6 = 1, .dst = "fd08::1" },
	{ "by a device without us", FORWARD_pass_no_hook, .v6 = 1, .dst = "fd06::1" },
	{ "back where it came from", FORWARD_pass_same_device, .v6 = 1, .dst = "fd00:1::9" },
};

/* --- rows ------------------------------------------------------------------------------- */

/* The one counter of packets that went up. */
static int counted(const __u64 *before, const __u64 *after)
{
	int which = -1;

	for (int i = 0; i < FORWARD_stored; i++) {
		if (after[i] == before[i])
			continue;
		if (which >= 0 || after[i] != before[i] + 1)
			return -2;
		which = i;
	}
	return which;
}

static int check_once(const struct bytes *in, const struct bytes *want, int verdict, int counter)
{
	__u64 before[FORWARD_COUNTS], after[FORWARD_COUNTS];
	static struct bytes out;
	int got, bad = 0, which;

	read_counters(before);
	got = run_forward(in, if_in, &out);
	read_counters(after);
	which = counted(before, after);
	if (got != verdict)
		bad += ksft_fail_at("verdict %d instead of %d", got, verdict);
	if (which != counter)
		bad += ksft_fail_at("counted as %s instead of %s",
				    which < 0 ? "?" : counter_name(which), counter_name(counter));
	if (out.len != want->len || memcmp(out.b, want->b, out.len))
		bad += ksft_fail_at("%u bytes of %u came out, or others", out.len, want->len);
	return bad;
}

static void test_row(const struct row *r)
{
	struct bytes in = frame_in(r), want = r->want == FORWARD_GO ? frame_out(r) : in;
	int verdict = r->want == FORWARD_GO ? XDP_REDIRECT : XDP_PASS, bad, counter = r->want;

	if (counter == FORWARD_GO)
		counter = FORWARD_looked_up;
	put_gens(0, 0);
	bad = check_once(&in, &want, verdict, counter);
	put_gens(fresh(), 0);
	bad += check_once(&in, &want, verdict, counter);
	bad += check_once(&in, &want, verdict,
			  counter == FORWARD_looked_up ? FORWARD_hit : counter);
	put_gens(fresh(), 0);
	bad += check_once(&in, &want, verdict, counter);
	ksft_ok(!bad, "IPv%c, %s", r->v6 ? '6' : '4', r->name);
}

/* --- what is not in a packet ------------------------------------------------------------ */

static const struct row plain = { "udp", FORWARD_GO, .v6 = 0 };
static const struct row plain6 = { "udp", FORWARD_GO, .v6 = 1 };

static int passes(const struct row *r, int counter)
{
	struct bytes in = frame_in(r);

	return check_once(&in, &in, XDP_PASS, counter);
}

static int leaves(const struct row *r, int counter)
{
	struct bytes in = frame_in(r), want = frame_out(r);

	return check_once(&in, &want, XDP_REDIRECT, counter);
}

/* Odd: a change is under way. The lease is over: nobody speaks any more. */
static void test_generations(const struct row *r)
{
	struct rtcache_gens gens = { .lease_ns = RTCACHE_FOREVER };
	__u64 gen = fresh();
	__u32 zero = 0;
	int bad;

	put_gens(gen, 0);
	bad = leaves(r, FORWARD_looked_up) + leaves(r, FORWARD_hit);
	put_gens(gen + 1, 0);
	bad += leaves(r, FORWARD_looked_up) + leaves(r, FORWARD_looked_up);
	gen = fresh();
	put_gens(gen, 0);
	bad += leaves(r, FORWARD_looked_up) + leaves(r, FORWARD_hit);
	gens.gen[r->v6] = gen;
	gens.gen[!r->v6] = gen + 1;
	put_elem(skel->maps.gens, &zero, &gens);
	bad += leaves(r, FORWARD_hit);
	gens.lease_ns = monotonic_ns() + 3600 * 1000000000ull;
	put_elem(skel->maps.gens, &zero, &gens);
	bad += leaves(r, FORWARD_hit);
	gens.lease_ns = monotonic_ns() - 1000000000ull;
	put_elem(skel->maps.gens, &zero, &gens);
	bad += leaves(r, FORWARD_looked_up);
	ksft_ok(!bad, "IPv%c: a cached flow is good for its generation, while somebody vouches",
		r->v6 ? '6' : '4');
}

static void test_obstacles(const struct row *r)
{
	__u64 gen = fresh();
	int bad;

	put_gens(gen, 0);
	bad = leaves(r, FORWARD_looked_up) + leaves(r, FORWARD_hit);
	put_gens(gen, 1);
	bad += passes(r, FORWARD_pass_obstacle);
	put_gens(gen, 0);
	bad += leaves(r, FORWARD_hit);
	ksft_ok(!bad, "IPv%c: obstacles send everything through the stack", r->v6 ? '6' : '4');
}

static struct forward_flow *nth_flow(int i)
{
	static struct forward_bucket *buckets;

	if (!buckets)
		buckets = map_array(skel->maps.buckets, sizeof(*buckets) * BUCKETS);
	return &buckets[i / FORWARD_WAYS].flow[i % FORWARD_WAYS];
}

static struct forward_post *nth_post(int i)
{
	static struct forward_posts *posts;

	if (!posts)
		posts = map_array(skel->maps.posts, sizeof(*posts) * POSTS);
	return &posts[i / FORWARD_WAYS].post[i % FORWARD_WAYS];
}

static const struct forward_hop *hop_of(const struct forward_flow *f)
{
	return &nth_post(f->hop)->hop;
}

/* Since when, as it is in the memory of all flows. */
static void make_old(void)
{
	for (int i = 0; i < BUCKETS * FORWARD_WAYS; i++)
		nth_flow(i)->since_ns -= 2 * AGE_NS;
}

static void test_age(const struct row *r)
{
	int bad;

	put_gens(fresh(), 0);
	bad = leaves(r, FORWARD_looked_up) + leaves(r, FORWARD_hit);
	make_old();
	bad += passes(r, FORWARD_pass_confirm) + leaves(r, FORWARD_looked_up) +
	       leaves(r, FORWARD_hit);
	put_gens(0, 0);
	put_stamps(monotonic_ns() - 2 * AGE_NS);
	bad += passes(r, FORWARD_pass_confirm) + leaves(r, FORWARD_looked_up);
	put_stamps(~0ull >> 1);
	ksft_ok(!bad, "IPv%c: now and then one of a flow, and of a next hop, is the stack's",
		r->v6 ? '6' : '4');
}

/* UDP whose checksum is that of the pseudo header. */
static struct bytes unfinished(const struct row *r, __u8 proto, __u32 at)
{
	struct row with = *r;
	struct bytes f;
	__u32 l3 = 14, hlen = r->v6 ? 40 : 20, n = r->v6 ? 32 : 8;
	__u8 pseudo[40];
	__u16 sum;

	with.proto = proto;
	with.payload = 12;
	f = frame_in(&with);
	memcpy(pseudo, f.b + l3 + hlen - n, n);
	memset(pseudo + n, 0, 8);
	pseudo[n + 3] = f.len - l3 - hlen;
	pseudo[n + 7] = proto;
	sum = htons(~sum_of(pseudo, n + 8));
	memcpy(f.b + l3 + hlen + at, &sum, 2);
	return f;
}

static void test_partial(const struct row *r)
{
	struct bytes udp = unfinished(r, 17, 6), tcp = unfinished(r, 6, 16);
	int bad;

	put_gens(fresh(), 0);
	bad = check_once(&udp, &udp, XDP_PASS, FORWARD_pass_partial);
	bad += check_once(&tcp, &tcp, XDP_PASS, FORWARD_pass_partial);
	udp.b[14 + (r->v6 ? 40 : 20) + 7] ^= 1;
	put_gens(0, 0);
	bad += run_forward(&udp, if_in, &tcp) != XDP_REDIRECT;
	ksft_ok(!bad, "IPv%c: from a veth, what has no checksum yet is the stack's",
		r->v6 ? '6' : '4');
}

static void put_facts(int rp_filter, int state, const __u8 *mac)
{
	struct forward_device dev = {
		.ifindex = if_in, .facts = { .rp_filter = rp_filter, .state = state },
	};

	memcpy(dev.facts.mac, mac, 6);
	put_elem(skel->maps.devices, &if_in, &dev);
}

static void set_rp_filter(int mode)
{
	put_facts(mode, RTCACHE_DEVICE_UP, mac_in);
}

/* 10.77.0.1 is behind out1 by the default route. */
static void test_source(void)
{
	struct row r = { "", FORWARD_GO, .src = "10.77.0.1" };
	int bad;

	put_gens(0, 0);
	set_rp_filter(1);
	bad = passes(&r, FORWARD_pass_source) + leaves(&plain, FORWARD_looked_up);
	set_rp_filter(2);
	bad += leaves(&r, FORWARD_looked_up);
	set_rp_filter(0);
	bad += leaves(&r, FORWARD_looked_up);
	ksft_ok(!bad, "rp_filter: strict, loose, none");
	tell_devices(1);
}

/* As somebody keeps them. */
static void test_facts(const struct row *r)
{
	static const __u8 moved[6] = { 2, 0, 0, 0, 1, 0x77 };
	struct row there = *r;
	int bad;

	put_gens(0, 0);
	put_facts(0, 0, mac_in);
	bad = passes(r, FORWARD_pass_device);
	put_facts(0, RTCACHE_DEVICE_UP | RTCACHE_DEVICE_PART, mac_in);
	bad += passes(r, FORWARD_pass_device);
	put_facts(0, RTCACHE_DEVICE_UP, moved);
	there.dmac = moved;
	bad += passes(r, FORWARD_pass_station) + leaves(&there, FORWARD_looked_up);
	put_facts(0, RTCACHE_DEVICE_UP, mac_in);
	bad += leaves(r, FORWARD_looked_up);
	ksft_ok(!bad, "IPv%c: down, part of a bridge, another MAC", r->v6 ? '6' : '4');
	tell_devices(1);
}

static void put_lease(__u64 lease_ns)
{
	struct rtcache_gens gens = { .gen = { 202, 202 }, .lease_ns = lease_ns };
	__u32 zero = 0;

	put_elem(skel->maps.gens, &zero, &gens);
}

/*
 * Nobody keeps them: only what comes from where the answer goes is forwarded, whatever
 * rp_filter was; the kernel says what MAC the device has, as soon as it knows the station.
 */
static void test_alone(const struct row *r)
{
	static const __u8 wrong[6] = { 2, 0, 0, 0, 1, 0x77 };
	struct row away = *r, near = *r;
	int bad;

	away.src = r->v6 ? "fd0e::1" : "10.77.0.1";
	near.src = r->v6 ? "fd00:1::9" : "10.0.1.9";
	put_lease(RTCACHE_FOREVER);
	bad = leaves(&away, FORWARD_looked_up);
	put_lease(monotonic_ns() - 1000000000ull);
	bad += passes(&away, FORWARD_pass_source) + leaves(r, FORWARD_looked_up);
	put_facts(0, 0, wrong);
	bad += leaves(&near, FORWARD_looked_up);
	ksft_ok(!bad, "IPv%c: nobody keeps the facts, and doubt goes to the stack",
		r->v6 ? '6' : '4');
	tell_devices(1);
}

static void test_disabled(void)
{
	int bad;

	put_gens(0, 0);
	run("echo 0 >/proc/sys/net/ipv4/conf/in0/forwarding");
	bad = passes(&plain, FORWARD_pass_disabled);
	run("echo 1 >/proc/sys/net/ipv4/conf/in0/forwarding");
	run("echo 0 >/proc/sys/net/ipv6/conf/in0/forwarding");
	bad += passes(&plain6, FORWARD_pass_disabled);
	run("echo 1 >/proc/sys/net/ipv6/conf/in0/forwarding");
	bad += leaves(&plain, FORWARD_looked_up) + leaves(&plain6, FORWARD_looked_up);
	ksft_ok(!bad, "forwarding is off for a device");
}

/* Packets and bytes are those of hits. */
static void test_flow_counters(void)
{
	struct row r = { "", FORWARD_GO, .dst = "10.9.44.44", .payload = 72 };
	struct forward_key k;
	struct in_addr dst;
	int bad, found = 0;

	put_gens(fresh(), 0);
	bad = leaves(&r, FORWARD_looked_up);
	for (int i = 0; i < 7; i++)
		bad += leaves(&r, FORWARD_hit);
	inet_pton(AF_INET, r.dst, &dst);
	for (int i = 0; i < BUCKETS * FORWARD_WAYS; i++) {
		const struct forward_flow *f = nth_flow(i);

		memcpy(k.word, f->head, sizeof(f->head));
		found += k.addr[1] == dst.s_addr && k.iif == if_in && f->packets == 7 &&
			 f->bytes == 700 && hop_of(f)->oif == if_out && hop_of(f)->mtu == 1500;
	}
	ksft_ok(!bad && found == 1, "a flow counts its packets and bytes");
}

/* Other hops have all posts, under a generation that is never over. */
static void fill_posts(__u64 gen)
{
	struct forward_post post = { .hop.oif = 12345, .gen = { gen, gen } };

	for (int i = 0; i < POSTS * FORWARD_WAYS; i++)
		*nth_post(i) = post;
}

/* No room for a next hop: its flows are looked up each time, and are no flood for others. */
static void test_crowded(void)
{
	struct row r = { "", FORWARD_GO, .dst = "10.9.45.45" };
	__u64 before[FORWARD_COUNTS], after[FORWARD_COUNTS];
	int bad;

	put_gens(fresh(), 0);
	bad = leaves(&plain, FORWARD_looked_up) + leaves(&plain, FORWARD_hit);
	fill_posts(~0ull);
	read_counters(before);
	for (int i = 0; i < 4 * FORWARD_WINDOW; i++)
		bad += leaves(&r, FORWARD_looked_up);
	read_counters(after);
	bad += after[FORWARD_crowded] - before[FORWARD_crowded] != 4 * FORWARD_WINDOW;
	fill_posts(0);
	put_gens(fresh(), 0);
	bad += leaves(&r, FORWARD_looked_up) + leaves(&r, FORWARD_hit);
	ksft_ok(!bad, "flows to a next hop without a post are looked up, and are no flood");
}

/*
 * More flows than places: each is forwarded, whether it is cached or not. After a while the
 * CPU looks for few of them; and when the flood is over, for all again.
 */
static void test_flood(void)
{
	struct row r = { "", FORWARD_GO, .v6 = 0 };
	__u64 before[FORWARD_COUNTS], after[FORWARD_COUNTS];
	struct bytes in, out;
	char dst[32];
	int bad = 0;

	put_gens(fresh(), 0);
	read_counters(before);
	r.dst = dst;
	for (int i = 0; i < 8 * BUCKETS * FORWARD_WAYS; i++) {
		snprintf(dst, sizeof(dst), "10.100.%d.%d", i / 250, 1 + i % 250);
		bad += leaves(&r, FORWARD_looked_up);
	}
	read_counters(after);
	for (int i = FORWARD_stored; i <= FORWARD_raced; i++)
		before[i] = after[i] - before[i];
	if (before[FORWARD_stored] > BUCKETS * FORWARD_WAYS ||
	    before[FORWARD_stored] + before[FORWARD_deferred] > 5 * BUCKETS * FORWARD_WAYS ||
	    !before[FORWARD_deferred])
		bad += ksft_fail_at("%llu stored, %llu deferred", before[FORWARD_stored],
				    before[FORWARD_deferred]);
	ksft_ok(!bad, "a flood of new flows is forwarded, and not written down");
	in = frame_in(&plain);
	for (int i = 0; i < (FORWARD_FEW + 3) << FORWARD_DROWNED; i++)
		run_forward(&in, if_in, &out);
	read_counters(before);
	for (int i = 0; i < 2 << FORWARD_DROWNED; i++)
		run_forward(&in, if_in, &out);
	read_counters(after);
	/* Now and then one is the stack's, by the clock. */
	ksft_ok(after[FORWARD_hit] - before[FORWARD_hit] > 1 << FORWARD_DROWNED,
		"after the flood flows are looked for again");
}

static void test_verifier(void)
{
	struct bpf_prog_info info = {};
	__u32 len = sizeof(info);

	bpf_obj_get_info_by_fd(bpf_program__fd(skel->progs.forward_xdp), &info, &len);
	ksft_ok(info.verified_insns && info.verified_insns < PATIENCE,
		"%u instructions verified, of %u", info.verified_insns, PATIENCE);
}

int main(void)
{
	ksft_plan(ARRAY_SIZE(rows) + 19);
	ksft_stay();	/* each processor finds out by itself that there is a flood */
	forward_begin();
	tell_devices(1);
	forward_attach_in();
	put_stamps(~0ull >> 1);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		test_row(&rows[i]);
	for (int v6 = 0; v6 < 2; v6++) {
		const struct row *r = v6 ? &plain6 : &plain;

		test_generations(r);
		test_obstacles(r);
		test_age(r);
		test_partial(r);
		test_facts(r);
		test_alone(r);
	}
	test_source();
	test_disabled();
	test_flow_counters();
	test_crowded();
	test_flood();
	test_verifier();
	return ksft_end();
}
