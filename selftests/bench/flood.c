// SPDX-License-Identifier: GPL-2.0
/*
 * flood.c - send FINs again to sessions in TIME_WAIT, and count the answers
 *
 * The sessions are those of `load -w N`: local ports 60999 downwards, one peer.
 * The sequence numbers are not the right ones, which makes no difference:
 * TIME_WAIT owes an ACK to any FIN but the one that it cannot be. The answers are
 * counted by a packet socket that has no room for them: its statistics
 * tell how many there were, for the price of a filter.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/ip.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define BATCH		64
#define FIRST_PORT	60999
#define PEER_PORT	8080

struct frame {
	struct ether_header eth;
	struct iphdr ip;
	struct tcphdr tcp;
	char padding[6];
} __attribute__((packed));

static void die(const char *what)
{
	fprintf(stderr, "flood: %s: %s\n", what, strerror(errno));
	exit(1);
}

static uint32_t sum16(const void *data, size_t len, uint32_t sum)
{
	const uint8_t *p = data;
	size_t i;

	for (i = 0; i < len; i += 2)
		sum += p[i] << 8 | p[i + 1];
	return sum;
}

static uint16_t fold(uint32_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return htons(~sum);
}

static void build(struct frame *f, const uint8_t *mac, in_addr_t from,
		  in_addr_t to, int session)
{
	uint32_t sum;

	memset(f, 0, sizeof(*f));
	memcpy(f->eth.ether_dhost, mac, ETH_ALEN);
	f->eth.ether_shost[0] = 2;
	f->eth.ether_type = htons(ETHERTYPE_IP);
	f->ip = (struct iphdr) {
		.version = 4, .ihl = 5, .ttl = 64, .protocol = IPPROTO_TCP,
		.tot_len = htons(sizeof(f->ip) + sizeof(f->tcp)),
		.saddr = from, .daddr = to,
	};
	f->ip.check = fold(sum16(&f->ip, sizeof(f->ip), 0));
	f->tcp = (struct tcphdr) {
		.source = htons(PEER_PORT), .dest = htons(FIRST_PORT - session),
		.seq = htonl(1), .ack_seq = htonl(1), .doff = 5,
		.fin = 1, .ack = 1, .window = htons(500),
	};
	sum = sum16(&f->ip.saddr, 8, IPPROTO_TCP + sizeof(f->tcp));
	f->tcp.check = fold(sum16(&f->tcp, sizeof(f->tcp), sum));
}

static int packet_socket(const char *dev, int protocol)
{
	struct sockaddr_ll ll = {
		.sll_family = AF_PACKET, .sll_protocol = htons(protocol),
		.sll_ifindex = if_nametoindex(dev),
	};
	int fd = socket(AF_PACKET, SOCK_RAW, 0);

	if (fd < 0 || !ll.sll_ifindex || bind(fd, (void *)&ll, sizeof(ll)))
		die(dev);
	return fd;
}

/* Sees what comes in as TCP from the host under test; keeps next to nothing. */
static int counter(const char *dev, in_addr_t from)
{
	struct sock_filter code[] = {
		{ 0x28, 0, 0, 12 },			/* Ethernet type */
		{ 0x15, 0, 5, ETHERTYPE_IP },
		{ 0x30, 0, 0, 23 },			/* protocol */
		{ 0x15, 0, 3, IPPROTO_TCP },
		{ 0x20, 0, 0, 26 },			/* source */
		{ 0x15, 0, 1, ntohl(from) },
		{ 0x6, 0, 0, 64 },
		{ 0x6, 0, 0, 0 },
	};
	struct sock_fprog prog = { sizeof(code) / sizeof(code[0]), code };
	int fd = packet_socket(dev, ETH_P_IP), small = 1;

	if (setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &prog, sizeof(prog)) ||
	    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small)))
		die("filter");
	return fd;
}

static unsigned long counted(int fd)
{
	struct tpacket_stats st;
	socklen_t len = sizeof(st);

	if (getsockopt(fd, SOL_PACKET, PACKET_STATISTICS, &st, &len))
		die("statistics");
	return st.tp_packets;
}

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ull + ts.tv_nsec;
}

static void send_all(int fd, struct mmsghdr *msgs, int sessions,
		     unsigned long count)
{
	unsigned long sent = 0;
	int at = 0, n;

	while (sent < count) {
		n = sessions - at < BATCH ? sessions - at : BATCH;
		n = sendmmsg(fd, msgs + at, n, 0);
		if (n < 0 && errno != ENOBUFS && errno != EAGAIN)
			die("send");
		if (n <= 0)
			continue;
		sent += n;
		at = (at + n) % sessions;
	}
}

static struct mmsghdr *prepare(int sessions, const uint8_t *mac, in_addr_t from,
			       in_addr_t to)
{
	struct frame *frames = calloc(sessions, sizeof(*frames));
	struct mmsghdr *msgs = calloc(sessions, sizeof(*msgs));
	struct iovec *iov = calloc(sessions, sizeof(*iov));
	int i;

	if (!frames || !msgs || !iov)
		die("memory");
	for (i = 0; i < sessions; i++) {
		build(&frames[i], mac, from, to, i);
		iov[i] = (struct iovec) { &frames[i], sizeof(frames[i]) };
		msgs[i].msg_hdr.msg_iov = &iov[i];
		msgs[i].msg_hdr.msg_iovlen = 1;
	}
	return msgs;
}

int main(int argc, char **argv)
{
	struct timespec rest = { .tv_nsec = 100000000 };
	unsigned int m[ETH_ALEN];
	unsigned long count, answers;
	uint8_t mac[ETH_ALEN];
	struct mmsghdr *msgs;
	int i, tx, rx, one = 1;
	uint64_t took;

	if (argc != 7 || atoi(argv[5]) < 1 || atoi(argv[5]) > 28000 ||
	    sscanf(argv[2], "%x:%x:%x:%x:%x:%x", m, m + 1, m + 2, m + 3, m + 4,
		   m + 5) != 6) {
		fputs("flood DEV MAC FROM TO SESSIONS COUNT\n", stderr);
		return 1;
	}
	for (i = 0; i < ETH_ALEN; i++)
		mac[i] = m[i];
	msgs = prepare(atoi(argv[5]), mac, inet_addr(argv[3]), inet_addr(argv[4]));
	count = strtoul(argv[6], NULL, 0);
	tx = packet_socket(argv[1], 0);
	setsockopt(tx, SOL_PACKET, PACKET_QDISC_BYPASS, &one, sizeof(one));
	rx = counter(argv[1], inet_addr(argv[4]));
	counted(rx);
	took = now_ns();
	send_all(tx, msgs, atoi(argv[5]), count);
	took = now_ns() - took;
	nanosleep(&rest, NULL);
	answers = counted(rx);
	printf("{\"sent\":%lu,\"answered\":%lu,\"seconds\":%.4f,\"answers_per_s\":%.0f}\n",
	       count, answers, took / 1e9, answers / (took / 1e9));
	return 0;
}
