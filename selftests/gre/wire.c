// SPDX-License-Identifier: GPL-2.0
/*
 * wire.c - makes packets, puts them on a device and tells what comes out of another one.
 *
 *	wire make ip|mpls|ether WORDS...	a packet with UDP in it, as hex
 *	wire gre WORDS... HEX			GRE around a payload, in IP
 *	wire frag SIZE HEX			the pieces of an IPv4 packet
 *	wire fuzz N SEED WORDS... HEX		N of them, their flags, kind and length at random
 *	wire show [-p PORT] HEX			what it is
 *	wire pass [OPTIONS] NS1 DEV1 NS2 DEV2 HEX...
 *		puts each into DEV1 and prints a line for each that arrives on DEV2
 *
 *	-n N	so many are awaited (default: as many as are sent; 0: none should come)
 *	-t MS	no longer than this (default: 2000)
 *	-y TYPE	ethertype of what is sent (default: by its first nibble)
 *	-m MAC	to this station		-e whole Ethernet frames, in and out
 *	-r	bytes only		-o what leaves DEV2, too
 *	-p PORT	GRE is in UDP to this port (default: 4754)
 *	-l N	only N bytes of it lie in one piece; for packets above 4096
 *	-a	anything: also neighbour discovery
 *
 * NS is a name below /run/netns. Words: build.h. Lines: show.h.
 */
#include <errno.h>
#include <linux/if_packet.h>
#include <linux/virtio_net.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <netinet/ether.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "../net/netns.h"
#include "build.h"
#include "packet.h"
#include "show.h"

#ifndef SOL_PACKET
#define SOL_PACKET 263
#endif

static struct {
	int count, timeout, type, port, linear;
	uint8_t mac[6];
	bool ether, raw, outgoing, all;
} opt = { .count = -1, .timeout = 2000, .port = 4754 };

static void die(const char *what)
{
	fprintf(stderr, "wire: %s: %s\n", what, strerror(errno));
	exit(2);
}

static void enter(const char *ns)
{
	if (enter_netns(ns))
		die(ns);
}

/* In the namespace that we are in. Protocol 0: for sending only. */
static int open_device(const char *dev, int protocol, int *ifindex)
{
	bool whole = opt.ether || (opt.linear && !protocol);
	int sk = socket(AF_PACKET, whole ? SOCK_RAW : SOCK_DGRAM, htons(protocol));
	struct sockaddr_ll addr = { .sll_family = AF_PACKET, .sll_protocol = htons(protocol) };
	int on = 1, size = 8 << 20;

	*ifindex = addr.sll_ifindex = if_nametoindex(dev);
	if (sk < 0 || !addr.sll_ifindex)
		die(dev);
	setsockopt(sk, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
	if (opt.linear && !protocol &&
	    setsockopt(sk, SOL_PACKET, PACKET_VNET_HDR, &on, sizeof(on)))
		die("PACKET_VNET_HDR");
	if (bind(sk, (void *)&addr, sizeof(addr)))
		die(dev);
	return sk;
}

static int type_of(const struct packet *p)
{
	if (opt.type)
		return opt.type;
	if (opt.ether)
		return get16(p->data + 12);
	return is_v4(p->data) ? ETH_P_IP : ETH_P_IPV6;
}

/*
 * A tunnel has no stations to choose from, and addresses that are too long for a
 * sockaddr_ll: to such a device goes what it is bound for.
 */
static bool has_stations(int sk, struct sockaddr_ll *to)
{
	struct sockaddr_ll bound;
	socklen_t len = sizeof(bound);

	if (getsockname(sk, (void *)&bound, &len))
		die("getsockname");
	if (bound.sll_hatype == ARPHRD_ETHER)
		return true;
	if (bind(sk, (void *)to, sizeof(*to)))
		die("bind");
	return false;
}

static void send_packet(int sk, int ifindex, const struct packet *p)
{
	/* The kernel is told of linear bytes on whole frames only. */
	struct virtio_net_hdr vnet = { .hdr_len = opt.linear + ETH_HLEN };
	struct ether_header eth = { .ether_type = htons(type_of(p)) };
	struct sockaddr_ll to = {
		.sll_family = AF_PACKET, .sll_ifindex = ifindex, .sll_halen = 6,
		.sll_protocol = htons(type_of(p)),
	};
	bool station = has_stations(sk, &to);
	struct iovec iov[3] = {
		{ &vnet, sizeof(vnet) }, { &eth, sizeof(eth) }, { (void *)p->data, p->len },
	};
	struct msghdr msg = {
		.msg_name = station ? &to : NULL, .msg_namelen = station ? sizeof(to) : 0,
		.msg_iov = opt.linear ? iov : iov + 2, .msg_iovlen = opt.linear ? 3 : 1,
	};

	memcpy(eth.ether_dhost, opt.mac, sizeof(opt.mac));
	memcpy(to.sll_addr, opt.mac, sizeof(opt.mac));
	if (sendmsg(sk, &msg, 0) < 0)
		die("send");
}

static long long now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000ll + t.tv_nsec / 1000000;
}

/* What the stack sends by itself, so that it may come at any time. */
static bool is_noise(const struct packet *p, int type)
{
	const uint8_t *ip = p->data;
	int next = p->len >= 41 ? ip[6] : -1, at = 40;

	if (opt.all || opt.ether)
		return false;
	if (type == ETH_P_ARP)
		return true;
	if (type != ETH_P_IPV6 || next < 0)
		return false;
	if (!next && p->len >= 49) {	/* multicast listener reports */
		next = ip[40];
		at = 48;
	}
	return next == 58 && ip[at] >= 130 && ip[at] <= 143;
}

/* 1: one was printed. */
static int receive(int sk)
{
	static struct packet p;
	struct sockaddr_ll from;
	socklen_t len = sizeof(from);
	int type;

	p.len = recvfrom(sk, p.data, sizeof(p.data), MSG_DONTWAIT, (void *)&from, &len);
	if (p.len < 0)
		return 0;
	type = ntohs(from.sll_protocol);
	if ((from.sll_pkttype == PACKET_OUTGOING) != opt.outgoing || is_noise(&p, type))
		return 0;
	show(p.data, p.len, type, opt.port, opt.raw || opt.ether);
	return 1;
}

static void receive_all(int sk, int count)
{
	long long end = now_ms() + opt.timeout, left;
	struct pollfd pfd = { .fd = sk, .events = POLLIN };
	int got = 0;

	while ((!count || got < count) && (left = end - now_ms()) > 0)
		if (poll(&pfd, 1, left) > 0)
			got += receive(sk);
}

static int pass(int argc, char **argv)
{
	static struct packet p;
	int in, out, ifindex, to, i;

	if (argc < 4)
		return 2;
	enter(argv[2]);
	out = open_device(argv[3], ETH_P_ALL, &ifindex);
	enter(argv[0]);
	in = open_device(argv[1], 0, &to);
	for (i = 4; i < argc; i++) {
		read_hex(argv[i], &p);
		send_packet(in, to, &p);
	}
	receive_all(out, opt.count < 0 ? argc - 4 : opt.count);
	return 0;
}

static void read_options(int argc, char **argv)
{
	struct ether_addr *mac;
	int c;

	while ((c = getopt(argc, argv, "+n:t:y:m:p:l:eroa")) != -1)
		switch (c) {
		case 'n': opt.count = atoi(optarg); break;
		case 't': opt.timeout = atoi(optarg); break;
		case 'y': opt.type = strtol(optarg, NULL, 16); break;
		case 'p': opt.port = atoi(optarg); break;
		case 'l': opt.linear = atoi(optarg); break;
		case 'e': opt.ether = true; break;
		case 'r': opt.raw = true; break;
		case 'o': opt.outgoing = true; break;
		case 'a': opt.all = true; break;
		case 'm':
			mac = ether_aton(optarg);
			if (!mac)
				exit(2);
			memcpy(opt.mac, mac, sizeof(opt.mac));
			break;
		default: exit(2);
		}
}

int main(int argc, char **argv)
{
	static struct packet p, payload;
	const char *command = argc > 1 ? argv[1] : "";

	setvbuf(stdout, NULL, _IOLBF, 0);
	argc--, argv++;
	if (!strcmp(command, "make") && argc > 1) {
		make(&p, argv[1], argv + 2);
	} else if (!strcmp(command, "gre") && argc > 1) {
		read_hex(argv[argc - 1], &payload);
		argv[argc - 1] = NULL;
		make_gre(&p, argv + 1, &payload);
	} else if (!strcmp(command, "fuzz") && argc > 3) {
		read_hex(argv[argc - 1], &payload);
		argv[argc - 1] = NULL;
		print_fuzz(atoi(argv[1]), atoi(argv[2]), argv + 3, &payload);
		return 0;
	} else if (!strcmp(command, "frag") && argc == 3) {
		read_hex(argv[2], &payload);
		print_fragments(&payload, atoi(argv[1]));
		return 0;
	} else if (!strcmp(command, "show") || !strcmp(command, "pass")) {
		read_options(argc, argv);
		if (!strcmp(command, "pass"))
			return pass(argc - optind, argv + optind);
		read_hex(argv[optind] ?: "", &p);
		show(p.data, p.len, opt.type, opt.port, opt.raw);
		return 0;
	} else {
		fprintf(stderr, "usage: wire make|gre|frag|show|pass ...\n");
		return 2;
	}
	print_hex(p.data, p.len);
	putchar('\n');
	return 0;
}
