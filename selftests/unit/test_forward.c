// SPDX-License-Identifier: GPL-2.0
/* test_forward.c - what a router may send on, and the TTL */
#include <arpa/inet.h>
#include <stddef.h>

#include "unit.h"

#include <vestige/forward.h>

static __u16 check_of(const struct iphdr *ip)
{
	const __u8 *b = (const void *)ip;
	__u32 sum = 0;

	for (int i = 0; i < 20; i += 2)
		if (i != 10)
			sum += b[i] << 8 | b[i + 1];
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return htons(~sum);
}

static struct iphdr plain4(__u32 total)
{
	struct iphdr ip = { .version = 4, .ihl = 5, .ttl = 64, .protocol = 17 };

	ip.tot_len = htons(total);
	ip.saddr = htonl(0x0a000102);
	ip.daddr = htonl(0xc0000201);
	ip.check = check_of(&ip);
	return ip;
}

/* The incremental sum must be what the whole sum would be; 0 and 0xffff are both 0. */
static int ttl_is_right(__u8 ttl, __u16 id)
{
	struct iphdr ip = plain4(100);
	__u32 whole;

	ip.ttl = ttl;
	ip.id = id;
	ip.check = check_of(&ip);
	forward_age4(&ip);
	whole = check_of(&ip);
	return ip.ttl == ttl - 1 && forward_sum_good(&ip) &&
	       (ip.check == whole || (ip.check ^ 0xffffu) == whole);
}

/* All sums there are, with TTLs that carry and that do not. */
static void test_ttl(void)
{
	static const __u8 ttls[] = { 2, 3, 64, 128, 255 };
	int bad = 0;

	for (__u32 id = 0; id < 65536; id++)
		for (size_t i = 0; i < ARRAY_SIZE(ttls); i++)
			if (!ttl_is_right(ttls[i], id))
				bad += ksft_fail_at("ttl %u id %#x", ttls[i], id);
	ksft_ok(!bad, "the checksum after the TTL is one less, for every sum");
}

/* What ip_decrease_ttl() of the kernel makes of these: 0xfeff becomes 0, not 0xffff. */
static void test_wrap(void)
{
	static const struct { __u16 before, after; } rows[] = {
		{ 0xfeff, 0x0000 }, { 0xfefe, 0xfffe }, { 0xff00, 0x0001 }, { 0xffff, 0x0100 },
		{ 0x0000, 0x0100 },
	};
	int bad = 0;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct iphdr ip = plain4(100);

		ip.check = htons(rows[i].before);
		forward_age4(&ip);
		if (ntohs(ip.check) != rows[i].after)
			bad += ksft_fail_at("%#x becomes %#x", rows[i].before, ntohs(ip.check));
	}
	ksft_ok(!bad, "where the checksum wraps it does as the kernel's");
}

static const struct {
	const char *name;
	int want;
	__u8 first, ttl;
	__u16 total, frag;
	__u32 src, dst;
	__u32 room;
	int damage;
} rows4[] = {
	{ "plain", FORWARD_GO, .ttl = 64 },
	{ "ttl 2", FORWARD_GO, .ttl = 2 },
	{ "ttl 1", FORWARD_pass_ttl, .ttl = 1 },
	{ "df", FORWARD_GO, .frag = 0x4000 },
	{ "first fragment", FORWARD_pass_fragment, .frag = 0x2000 },
	{ "last fragment", FORWARD_pass_fragment, .frag = 0x0001 },
	{ "options", FORWARD_pass_options, .first = 0x46 },
	{ "ihl 4", FORWARD_pass_malformed, .first = 0x44 },
	{ "version 6", FORWARD_pass_malformed, .first = 0x65 },
	{ "longer than the frame", FORWARD_pass_malformed, .room = 99 },
	{ "shorter than a header", FORWARD_pass_malformed, .total = 19 },
	{ "something behind it", FORWARD_pass_malformed, .room = 101 },
	{ "padding of a short frame", FORWARD_GO, .total = 28, .room = 46 },
	{ "more than padding", FORWARD_pass_malformed, .total = 28, .room = 47 },
	{ "damaged", FORWARD_pass_malformed, .damage = 1 },
	{ "to a group", FORWARD_pass_multicast, .dst = 0xe0000001 },
	{ "to all", FORWARD_pass_multicast, .dst = 0xffffffff },
	{ "to loopback", FORWARD_pass_multicast, .dst = 0x7f000001 },
	{ "to nobody", FORWARD_pass_multicast, .dst = 0x00000001 },
	{ "from a group", FORWARD_pass_multicast, .src = 0xe0000001 },
	{ "from loopback", FORWARD_pass_multicast, .src = 0x7f000001 },
	{ "from nobody", FORWARD_pass_multicast, .src = 0x00000001 },
	{ "to 223.255.255.255", FORWARD_GO, .dst = 0xdfffffff },
};

static void test_look4(void)
{
	int bad = 0, got;

	for (size_t i = 0; i < ARRAY_SIZE(rows4); i++) {
		__u32 total = rows4[i].total ? rows4[i].total : 100;
		struct iphdr ip = plain4(total);

		ip.ttl = rows4[i].ttl ? rows4[i].ttl : 64;
		ip.frag_off = htons(rows4[i].frag);
		ip.saddr = rows4[i].src ? htonl(rows4[i].src) : ip.saddr;
		ip.daddr = rows4[i].dst ? htonl(rows4[i].dst) : ip.daddr;
		if (rows4[i].first)
			*(__u8 *)&ip = rows4[i].first;
		ip.check = check_of(&ip) + rows4[i].damage;
		got = forward_look4(&ip, rows4[i].room ? rows4[i].room : total, 46);
		if (got != rows4[i].want)
			bad += ksft_fail_at("%s: %d instead of %d", rows4[i].name, got,
					    rows4[i].want);
	}
	ksft_ok(!bad, "which IPv4 datagrams may go on");
}

static const struct {
	const char *name;
	int want;
	const char *src, *dst;
	__u8 next, hops;
	__u32 room;
} rows6[] = {
	{ "plain", FORWARD_GO, .hops = 64 },
	{ "hop limit 1", FORWARD_pass_ttl, .hops = 1 },
	{ "hop limit 2", FORWARD_GO, .hops = 2 },
	{ "fragment", FORWARD_pass_fragment, .next = 44 },
	{ "routing header", FORWARD_pass_extension, .next = 43 },
	{ "destination options", FORWARD_pass_extension, .next = 60 },
	{ "authentication", FORWARD_pass_extension, .next = 51 },
	{ "no next header", FORWARD_GO, .next = 59 },
	{ "longer than the frame", FORWARD_pass_malformed, .room = 99 },
	{ "something behind it", FORWARD_pass_malformed, .room = 101 },
	{ "to a group", FORWARD_pass_multicast, .dst = "ff02::1" },
	{ "to this link", FORWARD_pass_multicast, .dst = "fe80::1" },
	{ "to loopback", FORWARD_pass_multicast, .dst = "::1" },
	{ "from nobody", FORWARD_pass_multicast, .src = "::" },
	{ "from this link", FORWARD_pass_multicast, .src = "febf::1" },
	{ "from a group", FORWARD_pass_multicast, .src = "ff0e::1" },
	{ "from a mapped address", FORWARD_pass_multicast, .src = "::ffff:10.0.0.1" },
	{ "from fec0::1", FORWARD_GO, .src = "fec0::1" },
};

static void test_look6(void)
{
	int bad = 0, got;

	for (size_t i = 0; i < ARRAY_SIZE(rows6); i++) {
		struct ipv6hdr ip = { .version = 6, .nexthdr = 17, .hop_limit = 64 };

		ip.payload_len = htons(60);
		inet_pton(AF_INET6, rows6[i].src ? rows6[i].src : "2001:db8::1", &ip.saddr);
		inet_pton(AF_INET6, rows6[i].dst ? rows6[i].dst : "2001:db8:1::1", &ip.daddr);
		if (rows6[i].next)
			ip.nexthdr = rows6[i].next;
		if (rows6[i].hops)
			ip.hop_limit = rows6[i].hops;
		got = forward_look6(&ip, rows6[i].room ? rows6[i].room : 100, 46);
		if (got != rows6[i].want)
			bad += ksft_fail_at("%s: %d instead of %d", rows6[i].name, got,
					    rows6[i].want);
	}
	ksft_ok(!bad, "which IPv6 datagrams may go on");
}

static void test_words(void)
{
	int bad = 0;

	for (int type = 0; type < 256; type++) {
		int error = type == 3 || type == 4 || type == 5 || type == 11 || type == 12;

		bad += forward_icmp(1, type) != error || !forward_icmp(58, type);
		bad += forward_icmp(6, type) || forward_icmp(17, type);
	}
	bad += !forward_due(0, 5, 5) || forward_due(0, 4, 5) || forward_due(10, 5, 5);
	ksft_ok(!bad, "ICMP errors are told from the rest; when a flow is due");
}

int main(void)
{
	ksft_plan(5);
	test_ttl();
	test_wrap();
	test_look4();
	test_look6();
	test_words();
	return ksft_end();
}
