/* SPDX-License-Identifier: GPL-2.0 */
/*
 * lane.h - packets put on a device of one namespace, and seen on devices of another.
 */
#ifndef SELFTESTS_LANE_H
#define SELFTESTS_LANE_H

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/udp.h>
#include <sys/socket.h>

#define LANE_MAX	16
#define LANE_FRAME	2048
#define LANE_MARK	0x6c616e65	/* what tells our packets from others */

struct lane {
	const char *name;
	int fd;
};

static inline void die(const char *what)
{
	fprintf(stderr, "%s: %s\n", what, strerror(errno));
	exit(1);
}

static inline uint64_t lane_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ull + t.tv_nsec;
}

/* Sockets that are opened next belong to this namespace of /run/netns. */
static inline void lane_enter(const char *netns)
{
	char path[256];
	int fd;

	snprintf(path, sizeof(path), "/run/netns/%s", netns);
	fd = open(path, O_RDONLY);
	if (fd < 0 || setns(fd, CLONE_NEWNET))
		die(path);
	close(fd);
}

static inline int lane_open(const char *dev)
{
	struct sockaddr_ll at = {
		.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL),
		.sll_ifindex = if_nametoindex(dev),
	};
	int fd = socket(AF_PACKET, SOCK_RAW, 0), size = 8 << 20;

	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
	if (!at.sll_ifindex || fd < 0 || bind(fd, (void *)&at, sizeof(at)))
		die(dev);
	return fd;
}

static inline int parse_mac(const char *word, uint8_t *mac)
{
	return sscanf(word, "%hhx:%hhx:%hhx:%hhx:%hhx:%hhx", &mac[0], &mac[1], &mac[2], &mac[3],
		      &mac[4], &mac[5]) == 6 ? 0 : -1;
}

static inline uint32_t sum_up(const void *data, size_t len, uint32_t sum)
{
	const uint8_t *p = data;

	for (size_t i = 0; i < len; i++)
		sum += i & 1 ? p[i] : p[i] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

struct lane_packet {
	uint8_t dmac[6], smac[6];
	int v6;
	uint8_t src[16], dst[16];
	uint16_t sport, dport;
	uint8_t tos, ttl;
	uint32_t number;
};

/* What a packet carries. */
struct lane_load {
	uint32_t mark, number;	/* in network byte order */
	uint64_t sent_ns;
};

static inline size_t lane_put_ip(uint8_t *b, const struct lane_packet *p, size_t l4len)
{
	if (p->v6) {
		struct ipv6hdr *ip = (void *)b;

		ip->version = 6;
		ip->priority = p->tos >> 4;
		ip->flow_lbl[0] = p->tos << 4;
		ip->payload_len = htons(l4len);
		ip->nexthdr = IPPROTO_UDP;
		ip->hop_limit = p->ttl;
		memcpy(&ip->saddr, p->src, 16);
		memcpy(&ip->daddr, p->dst, 16);
		return sizeof(*ip);
	}
	struct iphdr *ip = (void *)b;

	ip->version = 4;
	ip->ihl = 5;
	ip->tos = p->tos;
	ip->tot_len = htons(sizeof(*ip) + l4len);
	ip->id = htons(p->number);
	ip->frag_off = htons(0x4000);
	ip->ttl = p->ttl;
	ip->protocol = IPPROTO_UDP;
	memcpy(&ip->saddr, p->src, 4);
	memcpy(&ip->daddr, p->dst, 4);
	ip->check = htons(~sum_up(ip, sizeof(*ip), 0));
	return sizeof(*ip);
}

/* An Ethernet frame with a UDP datagram. Its length. */
static inline size_t lane_build(uint8_t *b, const struct lane_packet *p)
{
	struct lane_load load = { htonl(LANE_MARK), htonl(p->number), lane_ns() };
	size_t l4len = sizeof(struct udphdr) + sizeof(load), n = p->v6 ? 16 : 4, at;
	struct ethhdr *eth = (void *)b;
	struct udphdr *udp;
	uint32_t sum;

	memset(b, 0, 128);
	memcpy(eth->h_dest, p->dmac, 6);
	memcpy(eth->h_source, p->smac, 6);
	eth->h_proto = htons(p->v6 ? ETH_P_IPV6 : ETH_P_IP);
	at = sizeof(*eth) + lane_put_ip(b + sizeof(*eth), p, l4len);
	udp = (void *)(b + at);
	udp->source = htons(p->sport);
	udp->dest = htons(p->dport);
	udp->len = htons(l4len);
	memcpy(udp + 1, &load, sizeof(load));
	sum = sum_up(p->src, n, IPPROTO_UDP + l4len);
	sum = sum_up(p->dst, n, sum);
	udp->check = htons(~sum_up(udp, l4len, sum));
	return at + l4len;
}

/* What a frame of ours carries. 0, or -1: it is somebody else's. */
static inline int lane_read(const uint8_t *b, size_t len, struct lane_load *load)
{
	size_t at = sizeof(struct ethhdr);
	uint16_t proto;

	if (len < at + sizeof(struct iphdr))
		return -1;
	memcpy(&proto, b + 12, 2);
	if (proto == htons(ETH_P_8021Q)) {
		memcpy(&proto, b + 16, 2);
		at += 4;
	}
	if (proto == htons(ETH_P_IP))
		at += (b[at] & 15) * 4;
	else if (proto == htons(ETH_P_IPV6))
		at += sizeof(struct ipv6hdr);
	else
		return -1;
	at += sizeof(struct udphdr);
	if (len < at + sizeof(*load))
		return -1;
	memcpy(load, b + at, sizeof(*load));
	return load->mark == htonl(LANE_MARK) ? 0 : -1;
}

/* The number of a frame of ours; -1: it is somebody else's. */
static inline int64_t lane_number(const uint8_t *b, size_t len)
{
	struct lane_load load;

	return lane_read(b, len, &load) ? -1 : (int64_t)ntohl(load.number);
}

#endif /* SELFTESTS_LANE_H */
