// SPDX-License-Identifier: GPL-2.0
/*
 * flips.c - packets sent without a pause while a route changes again and again
 *
 *	flips 4|6 FLIPS PAUSE SRC-NS ROUTER-NS FAR-NS
 *
 * The route to a network has eight next hops, taken in turn; flip n makes it next hop
 * n % 8. Every packet carries the number of the last flip that had returned to who made
 * it when the packet was sent. So packet n may leave by n, or by a later one of a flip that
 * was under way; if it leaves by one of the four before n, it took the old path. One
 * flip in four, at random, is followed by a pause of up to PAUSE ms, so that routes are cached.
 *
 * Prints `flips N sent N seen N old N window_us N`: for how long, at most, after the flip
 * had returned packets were sent that took the old path.
 */
#include <pthread.h>
#include <stddef.h>
#include <stdatomic.h>
#include <linux/rtnetlink.h>

#include "lane.h"

#define HOPS	8
#define OLD	4	/* so many before n are old, the others are to come */
#define TABLE	(1 << 20)

static atomic_uint flip;
static atomic_ulong sent;
static atomic_uint arrived;	/* the latest number that came out */
static atomic_int done;
static uint64_t returned_ns[TABLE];
static int v6, flips, pause_ms;
static int source, rtnl, far;
static int way_of[4096];	/* ifindex in FAR -> 1 .. 8 */
static unsigned int router_dev[HOPS + 1];

static void pin_to(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu % sysconf(_SC_NPROCESSORS_ONLN), &set);
	pthread_setaffinity_np(pthread_self(), sizeof(set), &set);
}

struct route_request {
	struct nlmsghdr nlh;
	struct rtmsg rtm;
	char attrs[128];
};

static void put_attr(struct route_request *req, int type, const void *data, int len)
{
	size_t used = NLMSG_ALIGN(req->nlh.nlmsg_len) - offsetof(struct route_request, attrs);
	struct rtattr *rta = (void *)(req->attrs + used);

	rta->rta_type = type;
	rta->rta_len = RTA_LENGTH(len);
	memcpy(req->attrs + used + RTA_LENGTH(0), data, len);
	req->nlh.nlmsg_len = NLMSG_ALIGN(req->nlh.nlmsg_len) + RTA_ALIGN(rta->rta_len);
}

static void hop_address(int hop, uint8_t *to)
{
	char word[64];

	snprintf(word, sizeof(word), v6 ? "fd00:%d0::2" : "10.0.%d0.2", hop);
	inet_pton(v6 ? AF_INET6 : AF_INET, word, to);
}

/* The route by that next hop; returns when the kernel says that it is so. */
static void set_route(int hop)
{
	struct route_request req = {
		.nlh = { .nlmsg_len = NLMSG_LENGTH(sizeof(struct rtmsg)),
			 .nlmsg_type = RTM_NEWROUTE,
			 .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_REPLACE },
		.rtm = { .rtm_family = v6 ? AF_INET6 : AF_INET, .rtm_table = RT_TABLE_MAIN,
			 .rtm_dst_len = v6 ? 64 : 24, .rtm_protocol = RTPROT_STATIC,
			 .rtm_type = RTN_UNICAST },
	};
	struct { struct nlmsghdr nlh; struct nlmsgerr err; char rest[256]; } ack;
	uint8_t addr[16];

	inet_pton(v6 ? AF_INET6 : AF_INET, v6 ? "fd09::" : "10.9.9.0", addr);
	put_attr(&req, RTA_DST, addr, v6 ? 16 : 4);
	hop_address(hop, addr);
	put_attr(&req, RTA_GATEWAY, addr, v6 ? 16 : 4);
	put_attr(&req, RTA_OIF, &router_dev[hop], 4);
	if (send(rtnl, &req, req.nlh.nlmsg_len, 0) < 0 || recv(rtnl, &ack, sizeof(ack), 0) < 0)
		die("rtnetlink");
	if (ack.err.error) {
		errno = -ack.err.error;
		die("route");
	}
}

static void *flipper(void *arg)
{
	unsigned int seed = 1, n, patience;
	unsigned long before;

	(void)arg;
	pin_to(1);
	for (n = 1; n <= (unsigned int)flips; n++) {
		set_route(1 + n % HOPS);
		returned_ns[n] = lane_ns();
		atomic_store(&flip, n);
		before = atomic_load(&sent);
		if (!(rand_r(&seed) % 4) && pause_ms)
			usleep(rand_r(&seed) % (pause_ms * 1000));
		while (atomic_load(&sent) < before + 2)
			sched_yield();
		/* Queues keep their order, so at most two flips are under way for a packet. */
		for (patience = 0; patience < 20000 && atomic_load(&arrived) + 1 < n; patience++)
			usleep(50);
	}
	usleep(100000);
	atomic_store(&done, 1);
	return NULL;
}

static void *sender(void *arg)
{
	struct lane_packet p = { .v6 = v6, .ttl = 64, .sport = 4000, .dport = 5000 };
	uint8_t b[LANE_FRAME];

	(void)arg;
	pin_to(0);
	parse_mac("02:00:00:00:01:00", p.dmac);
	parse_mac("02:00:00:00:02:00", p.smac);
	inet_pton(v6 ? AF_INET6 : AF_INET, v6 ? "fd00:1::2" : "10.0.1.2", p.src);
	inet_pton(v6 ? AF_INET6 : AF_INET, v6 ? "fd09::9" : "10.9.9.9", p.dst);
	while (!atomic_load(&done)) {
		p.number = atomic_load(&flip);
		if (send(source, b, lane_build(b, &p), 0) > 0)
			atomic_fetch_add(&sent, 1);
	}
	return NULL;
}

struct seen {
	unsigned long packets, old;
	uint64_t window_ns;
};

static void look(const uint8_t *b, ssize_t len, int ifindex, struct seen *s)
{
	unsigned int behind, n, way = ifindex < 4096 ? way_of[ifindex] : 0;
	struct lane_load load;
	uint64_t late;

	if (len <= 0 || !way || lane_read(b, len, &load))
		return;
	s->packets++;
	n = ntohl(load.number);
	if (n > atomic_load(&arrived))
		atomic_store(&arrived, n);
	behind = (1 + n % HOPS + HOPS - way) % HOPS;
	if (!n || behind < 1 || behind > OLD)
		return;
	s->old++;
	/* The path of flip n - behind was over when the flip behind it had returned. */
	late = load.sent_ns - returned_ns[n - behind + 1];
	if (late > s->window_ns)
		s->window_ns = late;
}

static struct seen receiver(void)
{
	struct timeval patience = { .tv_usec = 200000 };
	struct seen s = { 0 };
	uint8_t b[LANE_FRAME];

	setsockopt(far, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	for (;;) {
		struct sockaddr_ll from;
		socklen_t size = sizeof(from);
		ssize_t len = recvfrom(far, b, sizeof(b), 0, (void *)&from, &size);

		if (len <= 0 && atomic_load(&done))
			return s;
		look(b, len, from.sll_ifindex, &s);
	}
}

static int open_far(void)
{
	int fd = socket(AF_PACKET, SOCK_RAW, htons(v6 ? ETH_P_IPV6 : ETH_P_IP)), size = 64 << 20;

	if (fd < 0)
		die("packet socket");
	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
	return fd;
}

static void open_all(char **ns)
{
	char name[32];

	lane_enter(ns[0]);
	source = lane_open("s0");
	lane_enter(ns[1]);
	rtnl = socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE);
	for (int i = 1; i <= HOPS; i++) {
		snprintf(name, sizeof(name), "out%d", i);
		router_dev[i] = if_nametoindex(name);
	}
	lane_enter(ns[2]);
	far = open_far();
	for (int i = 1; i <= HOPS; i++) {
		snprintf(name, sizeof(name), "f%d", i);
		way_of[if_nametoindex(name) % 4096] = i;
	}
}

int main(int argc, char **argv)
{
	pthread_t threads[2];
	struct seen s;

	if (argc == 7)
		flips = atoi(argv[2]);
	if (flips <= 0 || flips >= TABLE) {
		fprintf(stderr, "usage: flips 4|6 FLIPS PAUSE SRC-NS ROUTER-NS FAR-NS\n");
		return 1;
	}
	v6 = argv[1][0] == '6';
	pause_ms = atoi(argv[3]);
	open_all(argv + 4);
	set_route(1);
	if (pthread_create(&threads[0], NULL, sender, NULL) ||
	    pthread_create(&threads[1], NULL, flipper, NULL))
		die("thread");
	s = receiver();
	pthread_join(threads[0], NULL);
	pthread_join(threads[1], NULL);
	printf("flips %d sent %lu seen %lu old %lu window_us %llu\n", flips,
	       atomic_load(&sent), s.packets, s.old, (unsigned long long)s.window_ns / 1000);
	return 0;
}
