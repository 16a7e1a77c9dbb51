// SPDX-License-Identifier: GPL-2.0
/*
 * replay.c - random packets into a router, and all that comes out of it
 *
 *	replay SEED FLOWS ROUNDS SRC-NS FAR-NS
 *
 * The same seed gives the same packets, FLOWS of them in each round. Each frame that
 * comes out is a line, `DEV BYTES`; the lines are in no order, as packets that the router's
 * stack sees take longer than others.
 */
#include "lane.h"
#include "../unit/unit.h"

#define QUIET_MS	300

static struct rng rng;
static uint8_t b[LANE_FRAME];
static size_t len;

static uint32_t below(uint32_t n)
{
	return rng_below(&rng, n);
}

static uint8_t pick(const uint8_t *from, size_t n)
{
	return from[below(n)];
}

/* Mostly where routes are; now and then us, everybody, nobody. */
static void address4(uint8_t *to, int source)
{
	static const uint32_t odd[] = {
		0x0a000101, 0x0a000a01, 0x0a000a02, 0xe0000009, 0xffffffff,
		0x7f000001, 0x00000001, 0x0a000aff, 0xf0000001, 0xa9fe0101,
	};
	uint32_t a = 0x0a640000 | below(4) << 16 | below(256) << 8 | below(256);

	if (source && below(4))
		a = 0x0a000100 | (2 + below(250));
	else if (!below(12))
		a = odd[below(ARRAY_SIZE(odd))];
	a = htonl(a);
	memcpy(to, &a, 4);
}

static void address6(uint8_t *to, int source)
{
	static const char *const odd[] = { "fd00:1::1", "fd00:10::1", "fd00:10::2", "ff02::9", "::",
					   "::1", "fe80::1", "::ffff:10.100.0.1", "ff0e::1" };
	char word[64];

	if (source && below(4))
		snprintf(word, sizeof(word), "fd00:1::%x", 2 + below(250));
	else if (!below(12))
		snprintf(word, sizeof(word), "%s", odd[below(ARRAY_SIZE(odd))]);
	else
		snprintf(word, sizeof(word), "fd64:%x:%x::%x", below(4), below(256), below(256));
	inet_pton(AF_INET6, word, to);
}

static uint8_t random_ttl(void)
{
	static const uint8_t ttls[] = { 0, 1, 2, 3, 64, 64, 64, 64, 64, 128, 255 };

	return pick(ttls, sizeof(ttls));
}

static void put_ip4(size_t l4len)
{
	static const uint8_t protos[] = { 17, 17, 17, 6, 6, 1, 47, 132, 50, 4, 33, 99 };
	struct iphdr *ip = (void *)(b + len);
	uint32_t options = below(20) ? 0 : 4;

	ip->version = below(200) ? 4 : 5;
	ip->ihl = 5 + options / 4;
	ip->tos = below(256);
	ip->tot_len = htons(sizeof(*ip) + options + l4len);
	ip->id = htons(below(65536));
	ip->frag_off = htons(below(20) ? below(2) << 14 : below(65536) & 0x3fff);
	ip->ttl = random_ttl();
	ip->protocol = pick(protos, sizeof(protos));
	address4((void *)&ip->saddr, 1);
	address4((void *)&ip->daddr, 0);
	memset(ip + 1, 1, options);
	ip->check = 0;
	ip->check = htons(~sum_up(ip, sizeof(*ip) + options, 0) + !below(50));
	len += sizeof(*ip) + options;
}

static void put_ip6(size_t l4len)
{
	static const uint8_t protos[] = {
		17, 17, 17, 6, 6, 58, 47, 132, 50, 41, 59, 43, 44, 60, 0,
	};
	struct ipv6hdr *ip = (void *)(b + len);

	ip->version = below(200) ? 6 : 7;
	ip->priority = below(16);
	for (int i = 0; i < 3; i++)
		ip->flow_lbl[i] = below(256);
	ip->payload_len = htons(l4len);
	ip->nexthdr = pick(protos, sizeof(protos));
	ip->hop_limit = random_ttl();
	address6((void *)&ip->saddr, 1);
	address6((void *)&ip->daddr, 0);
	len += sizeof(*ip);
}

/* What is behind the first eight bytes tells the packet from all others. */
static void put_l4(uint32_t number, size_t l4len)
{
	static const uint8_t types[] = { 8, 0, 3, 5, 11, 128, 129, 1, 2, 3 };
	struct lane_load load = { htonl(LANE_MARK), htonl(number), 0 };
	uint8_t *l4 = b + len;

	for (size_t i = 0; i < l4len; i++)
		l4[i] = below(256);
	if (!below(2))
		l4[0] = pick(types, sizeof(types));
	memcpy(l4 + 8, &load, sizeof(load));
	len += l4len;
}

static void make(uint32_t number, uint32_t round)
{
	static const size_t sizes[] = { 24, 24, 60, 500, 980, 988, 1440, 1480 };
	size_t l4len = sizes[below(ARRAY_SIZE(sizes))];
	int v6 = below(2);

	if (v6 && l4len > 1460)
		l4len = 1460;
	len = 14;
	memcpy(b, "\2\0\0\0\1\0\2\0\0\0\2\0", 12);
	if (!below(30))
		b[5] = 9;
	b[12] = v6 ? 0x86 : 0x08;
	b[13] = v6 ? 0xdd : 0x00;
	if (v6)
		put_ip6(l4len);
	else
		put_ip4(l4len);
	put_l4(number << 4 | round, l4len);
}

static void print(const char *dev, const uint8_t *frame, size_t n)
{
	printf("%s ", dev);
	for (size_t i = 0; i < n; i++)
		printf("%02x", frame[i]);
	putchar('\n');
}

/* Returns when nothing has come for so many ms. */
static void drain(int far, int quiet_ms)
{
	struct pollfd fd = { .fd = far, .events = POLLIN };
	uint8_t frame[LANE_FRAME];
	struct sockaddr_ll from;
	socklen_t size = sizeof(from);
	struct lane_load load;
	char name[IF_NAMESIZE];
	ssize_t n;

	while (poll(&fd, 1, quiet_ms) > 0) {
		n = recvfrom(far, frame, sizeof(frame), 0, (void *)&from, &size);
		if (n > 0 && from.sll_pkttype != PACKET_OUTGOING && !lane_read(frame, n, &load) &&
		    if_indextoname(from.sll_ifindex, name))
			print(name, frame, n);
		size = sizeof(from);
	}
}

int main(int argc, char **argv)
{
	uint32_t seed, flows, rounds;
	int source, far, size = 64 << 20;

	if (argc != 6) {
		fprintf(stderr, "usage: replay SEED FLOWS ROUNDS SRC-NS FAR-NS\n");
		return 1;
	}
	seed = atoi(argv[1]);
	flows = atoi(argv[2]);
	rounds = atoi(argv[3]);
	lane_enter(argv[4]);
	source = lane_open("s0");
	lane_enter(argv[5]);
	far = socket(AF_PACKET, SOCK_RAW, htons(ETH_P_ALL));
	setsockopt(far, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
	for (uint32_t round = 0; round < rounds; round++) {
		rng.state = seed;
		for (uint32_t i = 0; i < flows; i++) {
			make(i, round);
			if (send(source, b, len, 0) < 0 && errno != EMSGSIZE)
				die("send");
			if (i % 32 == 31)
				drain(far, 0);
		}
		drain(far, QUIET_MS);
	}
	return 0;
}
