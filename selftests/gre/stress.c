// SPDX-License-Identifier: GPL-2.0
/*
 * stress.c - devices, their sockets and what is under them come and go at random while
 * packets go through. It asks for what must never crash, leak or hang, and most of it
 * for what must work.
 *
 *	stress churn NETNS N SEED	N steps here, with a0; NETNS has the other end, b0
 *	stress netns N SEED		N namespaces, with a socket or a device in them
 *	stress flood			until it is killed: into the sockets of churn
 *
 * Prints how often each step was refused and done; exits 0 when each was done.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <uapi/linux/if_sgre.h>
#include <linux/veth.h>

#include "nl.h"

#define SLOTS	6
#define LOCAL4	"192.0.2.1"
#define REMOTE4	"192.0.2.2"
#define LOCAL6	"2001:db8::1"
#define REMOTE6	"2001:db8::2"

static int here, there, far_ns;		/* rtnetlink here and in NETNS, and that itself */
static volatile bool over;

enum step {
	S_ADD, S_ADOPT, S_SHARE, S_SET, S_DOWN, S_DEL, S_CLOSE, S_READ, S_UNDER, S_CLASH, S_MAX
};
static const char *const step_names[] = {
	"add", "adopt", "share", "set", "down", "del", "close", "read", "under",
	"clash",
};
static long done[S_MAX], refused[S_MAX];
static unsigned long received, sent;	/* by the devices */

static struct slot {
	bool exists;
	int fd;				/* the adopted socket, or -1 */
	bool v6;
	int transport;
} slots[SLOTS];

/* --- requests ---------------------------------------------------------------------- */

static int nl_open_in(int netns)
{
	int own = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC), fd = -1;

	if (!setns(netns, CLONE_NEWNET)) {
		fd = nl_open();
		setns(own, CLONE_NEWNET);
	}
	close(own);
	return fd;
}

static void put_key(struct nl_req *r, uint32_t key, uint32_t flags)
{
	struct { uint32_t value, selector; } bits = {
		SGRE_IKEY | SGRE_OKEY | flags, SGRE_IKEY | SGRE_OKEY | SGRE_CSUM | SGRE_SEQ,
	};

	key = htonl(key);
	nl_put(r, IFLA_SGRE_IKEY, &key, sizeof(key));
	nl_put(r, IFLA_SGRE_OKEY, &key, sizeof(key));
	nl_put(r, IFLA_SGRE_FLAGS, &bits, sizeof(bits));
}

static bool clash;			/* the next one asks for a master that does not exist */

/* fd < 0: a socket that the module makes. */
static int sgre_add(int nl, const char *name, int fd, bool v6, int transport, uint32_t key)
{
	struct nl_req r = NL_LINK(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL);
	struct rtattr *info, *data;

	nl_str(&r, IFLA_IFNAME, name);
	if (clash)
		nl_u32(&r, IFLA_MASTER, 999999);
	info = info_begin(&r, SGRE_KIND, &data);
	if (fd >= 0) {
		nl_u32(&r, IFLA_SGRE_FD, fd);
	} else {
		put_addr(&r, IFLA_SGRE_LOCAL, IFLA_SGRE_LOCAL6, v6, v6 ? LOCAL6 : LOCAL4);
		put_addr(&r, IFLA_SGRE_REMOTE, IFLA_SGRE_REMOTE6, v6, v6 ? REMOTE6 : REMOTE4);
		nl_u8(&r, IFLA_SGRE_TRANSPORT, transport);
		if (random() % 3 == 0)
			nl_u32(&r, IFLA_SGRE_LINK, if_nametoindex("a0"));
	}
	if (random() % 4 == 0)
		nl_u8(&r, IFLA_SGRE_MODE, SGRE_MODE_ETHER);
	put_key(&r, key, 0);
	nl_nest_end(&r, data);
	nl_nest_end(&r, info);
	return nl_talk(nl, &r);
}

static void bring_up(int nl, const char *name, int i)
{
	unsigned int ifindex = if_nametoindex(name);
	char addr[32];

	snprintf(addr, sizeof(addr), "10.9.%d.1", i);
	link_up(nl, name, true);
	addr_add(nl, ifindex, addr, 24);
	snprintf(addr, sizeof(addr), "fd09:%d::1", i);
	addr_add(nl, ifindex, addr, 64);
}

static void sockaddr_of(struct sockaddr_storage *ss, bool v6, const char *text, int port)
{
	struct sockaddr_in6 *s6 = (void *)ss;
	struct sockaddr_in *s4 = (void *)ss;

	memset(ss, 0, sizeof(*ss));
	ss->ss_family = v6 ? AF_INET6 : AF_INET;
	if (v6) {
		inet_pton(AF_INET6, text, &s6->sin6_addr);
		s6->sin6_port = htons(port);
	} else {
		inet_pton(AF_INET, text, &s4->sin_addr);
		s4->sin_port = htons(port);
	}
}

/* Connected as flood sends to it; port 0 for raw. */
static int open_socket(bool v6, int transport, int i)
{
	struct sockaddr_storage local, remote;
	int fd, on = 1, port = transport == SGRE_UDP ? 6000 + i : 0;

	fd = socket(v6 ? AF_INET6 : AF_INET, transport == SGRE_UDP ? SOCK_DGRAM : SOCK_RAW,
		    transport == SGRE_UDP ? 0 : IPPROTO_GRE);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	sockaddr_of(&local, v6, v6 ? LOCAL6 : LOCAL4, port);
	sockaddr_of(&remote, v6, v6 ? REMOTE6 : REMOTE4, port ? 5000 + i : 0);
	if (bind(fd, (void *)&local, sizeof(local)) ||
	    connect(fd, (void *)&remote, sizeof(remote))) {
		close(fd);
		return -1;
	}
	return fd;
}

/* --- steps ------------------------------------------------------------------------- */

static const char *slot_name(int i)
{
	static char name[IFNAMSIZ];

	snprintf(name, sizeof(name), "g%d", i);
	return name;
}

static int step_add(int i, bool adopt)
{
	struct slot *s = &slots[i];
	int err;

	s->v6 = random() % 2;
	s->transport = random() % 2;
	if (adopt) {
		s->fd = open_socket(s->v6, s->transport, i);
		if (s->fd < 0)
			return -errno;
	}
	err = sgre_add(here, slot_name(i), s->fd, s->v6, s->transport, i);
	if (err) {
		if (s->fd >= 0)
			close(s->fd);
		s->fd = -1;
		return err;
	}
	s->exists = true;
	bring_up(here, slot_name(i), i);
	return 0;
}

/* One more device on the socket of slot i, gone again at once. */
static int step_share(int i)
{
	int err = sgre_add(here, "more", slots[i].fd, false, 0, 1000 + i);

	if (!err) {
		bring_up(here, "more", 200);
		link_del(here, "more");
	}
	return err;
}

static int step_set(int i)
{
	struct nl_req r = NL_LINK(RTM_NEWLINK, 0);
	struct slot *s = &slots[i];
	struct rtattr *info, *data;

	nl_str(&r, IFLA_IFNAME, slot_name(i));
	info = info_begin(&r, SGRE_KIND, &data);
	switch (random() % 4) {
	case 0:
		put_key(&r, i, (random() % 2 ? SGRE_CSUM : 0) | (random() % 2 ? SGRE_SEQ : 0));
		break;
	case 1:
		nl_u8(&r, IFLA_SGRE_TTL, 1 + random() % 255);
		break;
	case 2:
		if (s->fd < 0)
			nl_u32(&r, IFLA_SGRE_LINK, random() % 2 ? if_nametoindex("a0") : 0);
		break;
	case 3:
		if (s->fd < 0)
			put_addr(&r, IFLA_SGRE_REMOTE, IFLA_SGRE_REMOTE6, s->v6,
				 random() % 2 ? (s->v6 ? REMOTE6 : REMOTE4) :
				 (s->v6 ? "2001:db8::9" : "192.0.2.9"));
		break;
	}
	nl_nest_end(&r, data);
	nl_nest_end(&r, info);
	return nl_talk(here, &r);
}

static int step_down(int i)
{
	int err = link_up(here, slot_name(i), false);

	bring_up(here, slot_name(i), i);
	return err;
}

static int step_close(int i)
{
	close(slots[i].fd);
	slots[i].fd = -1;
	return 0;
}

static void count_packets(int i)
{
	FILE *f = fopen("/proc/thread-self/net/dev", "r");
	unsigned long rx, tx;
	char line[512];

	while (f && fgets(line, sizeof(line), f)) {
		char *colon = strchr(line, ':');

		if (colon && strstr(line, slot_name(i)) &&
		    sscanf(colon + 1, "%*u %lu %*u %*u %*u %*u %*u %*u %*u %lu", &rx, &tx) == 2) {
			received += rx;
			sent += tx;
		}
	}
	if (f)
		fclose(f);
}

static int step_del(int i)
{
	int err;

	count_packets(i);
	err = link_del(here, slot_name(i));
	slots[i].exists = false;
	if (slots[i].fd >= 0)
		step_close(i);
	return err;
}

/* Nothing may be read while the device is there. */
static int step_read(int i)
{
	char byte;

	if (recv(slots[i].fd, &byte, 1, MSG_DONTWAIT) >= 0 || errno != EBUSY) {
		printf("something can be read from the socket of g%d\n", i);
		exit(1);
	}
	return 0;
}

/* Refused when the key is found taken, or by the core when the device is there already. */
static int step_clash(int i)
{
	int err;

	clash = random() % 2;
	err = sgre_add(here, "clash", slots[i].fd, slots[i].v6, slots[i].transport,
		       clash ? 2000 : i);
	clash = false;
	if (err)
		return 0;
	link_del(here, "clash");	/* the key is that of another socket: no clash */
	return -ENOTUNIQ;
}

/* The device under all of them goes, and another comes in its place. */
static int step_under(void)
{
	struct nl_req r = NL_LINK(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL);
	struct rtattr *info, *data, *peer;
	struct ifinfomsg none = {};
	unsigned int ifindex;
	int err;

	link_del(here, "a0");
	nl_str(&r, IFLA_IFNAME, "a0");
	info = info_begin(&r, "veth", &data);
	peer = nl_put(&r, VETH_INFO_PEER, &none, sizeof(none));
	nl_str(&r, IFLA_IFNAME, "b0");
	nl_u32(&r, IFLA_NET_NS_FD, far_ns);
	nl_nest_end(&r, peer);
	nl_nest_end(&r, data);
	nl_nest_end(&r, info);
	err = nl_talk(here, &r);
	ifindex = if_nametoindex("a0");
	addr_add(here, ifindex, LOCAL4, 24);
	addr_add(here, ifindex, LOCAL6, 64);
	link_up(here, "a0", true);
	setns(far_ns, CLONE_NEWNET);
	ifindex = if_nametoindex("b0");
	addr_add(there, ifindex, REMOTE4, 24);
	addr_add(there, ifindex, REMOTE6, 64);
	link_up(there, "b0", true);
	return err;
}

static enum step choose(int i)
{
	if (!slots[i].exists)
		return random() % 2 ? S_ADD : S_ADOPT;
	if (random() % 40 == 0)
		return S_UNDER;
	if (random() % 10 == 0)
		return S_CLASH;
	if (slots[i].fd < 0)
		return random() % 3 ? S_DEL : random() % 3 ? S_SET : S_DOWN;
	switch (random() % 6) {
	case 0:
		return S_CLOSE;
	case 1:
		return S_SHARE;
	case 2:
		return S_SET;
	case 3:
		return S_READ;
	default:
		return S_DEL;
	}
}

static int step(enum step what, int i)
{
	int own, err;

	switch (what) {
	case S_ADD:	return step_add(i, false);
	case S_ADOPT:	return step_add(i, true);
	case S_SHARE:	return step_share(i);
	case S_SET:	return step_set(i);
	case S_DOWN:	return step_down(i);
	case S_DEL:	return step_del(i);
	case S_CLOSE:	return step_close(i);
	case S_READ:	return step_read(i);
	case S_CLASH:	return step_clash(i);
	default:
		own = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
		err = step_under();
		setns(own, CLONE_NEWNET);
		close(own);
		return err;
	}
}

/* --- packets ----------------------------------------------------------------------- */

/* Into the devices, whichever are there. */
static void *send_inside(void *arg)
{
	int fd4 = socket(AF_INET, SOCK_DGRAM, 0), fd6 = socket(AF_INET6, SOCK_DGRAM, 0);
	struct sockaddr_storage to;
	char text[32], data[1400] = "";
	int i;

	while (!over) {
		for (i = 0; i < SLOTS; i++) {
			snprintf(text, sizeof(text), "10.9.%d.2", i);
			sockaddr_of(&to, false, text, 9);
			sendto(fd4, data, sizeof(data), MSG_DONTWAIT, (void *)&to, sizeof(to));
			snprintf(text, sizeof(text), "fd09:%d::2", i);
			sockaddr_of(&to, true, text, 9);
			sendto(fd6, data, 100, MSG_DONTWAIT, (void *)&to, sizeof(to));
		}
		usleep(500);
	}
	return arg;
}

/* GRE with key i, and an IPv4 header inside; as it would come from the other end. */
static int gre_packet(unsigned char *p, int i)
{
	static const unsigned char head[] = {
		0x20, 0, 8, 0, 0, 0, 0, 0,
		0x45, 0, 0, 28, 0, 0, 0, 0, 64, 17, 0, 0, 10, 9, 0, 2, 10, 9, 0, 1,
		0, 9, 0, 9, 0, 8, 0, 0,
	};
	unsigned int sum = 0;
	int j;

	memcpy(p, head, sizeof(head));
	p[7] = i;
	p[8 + 14] = i;
	p[8 + 18] = i;
	for (j = 8; j < 28; j += 2)
		sum += p[j] << 8 | p[j + 1];
	sum = (sum & 0xffff) + (sum >> 16);
	p[18] = ~sum >> 8;
	p[19] = ~sum;
	return sizeof(head);
}

static int flood_socket(bool v6, bool raw, int port)
{
	int fd = socket(v6 ? AF_INET6 : AF_INET, raw ? SOCK_RAW : SOCK_DGRAM,
			raw ? IPPROTO_GRE : 0);
	struct sockaddr_storage from;

	sockaddr_of(&from, v6, v6 ? "::" : "0.0.0.0", port);
	if (!raw)
		bind(fd, (void *)&from, sizeof(from));
	return fd;
}

static _Noreturn void flood(void)
{
	int raw[2], udp[2][SLOTS], v6, i, len;
	struct sockaddr_storage to;
	unsigned char p[64];

	for (v6 = 0; v6 < 2; v6++) {
		raw[v6] = flood_socket(v6, true, 0);
		for (i = 0; i < SLOTS; i++)
			udp[v6][i] = flood_socket(v6, false, 5000 + i);
	}
	for (;; usleep(500)) {
		for (i = 0; i < 2 * SLOTS; i++) {
			v6 = i % 2;
			len = gre_packet(p, i / 2);
			sockaddr_of(&to, v6, v6 ? LOCAL6 : LOCAL4, 0);
			sendto(raw[v6], p, len, MSG_DONTWAIT, (void *)&to, sizeof(to));
			sockaddr_of(&to, v6, v6 ? LOCAL6 : LOCAL4, SGRE_UDP_PORT);
			sendto(udp[v6][i / 2], p, len, MSG_DONTWAIT, (void *)&to, sizeof(to));
			sockaddr_of(&to, v6, v6 ? LOCAL6 : LOCAL4, 6000 + i / 2);
			sendto(udp[v6][i / 2], p, len, MSG_DONTWAIT, (void *)&to, sizeof(to));
		}
	}
}

/* --- all --------------------------------------------------------------------------- */

static int churn(long n)
{
	pthread_t sender;
	enum step what;
	int i, err, bad = 0;

	for (i = 0; i < SLOTS; i++)
		slots[i].fd = -1;
	pthread_create(&sender, NULL, send_inside, NULL);
	while (n--) {
		i = random() % SLOTS;
		what = choose(i);
		err = step(what, i);
		(err ? refused : done)[what]++;
	}
	for (i = 0; i < SLOTS; i++)
		if (slots[i].exists)
			bad |= step_del(i);
	over = true;
	pthread_join(sender, NULL);
	for (i = 0; i < S_MAX; i++) {
		printf("%s %ld of %ld; ", step_names[i], done[i], done[i] + refused[i]);
		bad |= !done[i];
	}
	printf("%lu packets received, %lu sent\n", received, sent);
	return bad || !received || !sent;
}

/*
 * A namespace with an address, and a device: the socket stays there while the device
 * comes here, or the device goes there while the socket is here; or both are there.
 * Then it goes, with the last descriptor of it.
 */
static int one_netns(int own, int i)
{
	int kind = random() % 3, fd = -1, nl, netns, err;
	bool v6 = random() % 2;

	if (unshare(CLONE_NEWNET))
		return -errno;
	netns = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	nl = nl_open();
	link_up(nl, "lo", true);
	addr_add(nl, if_nametoindex("lo"), LOCAL4, 32);
	addr_add(nl, if_nametoindex("lo"), LOCAL6, 128);
	if (random() % 2)
		fd = open_socket(v6, SGRE_UDP, i % SLOTS);
	if (kind == 0) {
		setns(own, CLONE_NEWNET);
		err = sgre_add(here, "n0", fd, v6, random() % 2, i) ? :
		      link_move(here, "n0", netns);
		setns(netns, CLONE_NEWNET);
	} else {
		err = sgre_add(nl, "n0", fd, v6, random() % 2, i);
	}
	if (!err)
		bring_up(nl, "n0", i % SLOTS);
	if (!err && kind == 1) {
		err = link_move(nl, "n0", own);
		setns(own, CLONE_NEWNET);
		bring_up(here, "n0", i % SLOTS);
	}
	setns(own, CLONE_NEWNET);
	close(nl);
	close(netns);
	if (fd >= 0)
		close(fd);
	/* What is here of it goes too, some time after that. */
	while (kind == 1 && if_nametoindex("n0"))
		if (random() % 50 == 0)
			link_del(here, "n0");
		else
			usleep(1000);
	return err;
}

static int netns_churn(long n)
{
	int own = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC), err, bad = 0, i;
	pthread_t sender;

	pthread_create(&sender, NULL, send_inside, NULL);
	for (i = 0; i < n; i++) {
		err = one_netns(own, i);
		if (err && bad++ < 5)
			printf("namespace %d: %s\n", i, strerror(-err));
	}
	over = true;
	pthread_join(sender, NULL);
	printf("%ld namespaces, %d without their device\n", n, bad);
	return bad > n / 2;
}

int main(int argc, char **argv)
{
	here = nl_open();
	if (argc == 5 && !strcmp(argv[1], "churn")) {
		far_ns = open(argv[2], O_RDONLY | O_CLOEXEC);
		there = nl_open_in(far_ns);
		srandom(atoi(argv[4]));
		return churn(atol(argv[3]));
	}
	if (argc == 4 && !strcmp(argv[1], "netns")) {
		srandom(atoi(argv[3]));
		return netns_churn(atol(argv[2]));
	}
	if (argc == 2 && !strcmp(argv[1], "flood"))
		flood();
	fputs("usage: stress churn NETNS N SEED | netns N SEED | flood\n", stderr);
	return 2;
}
