// SPDX-License-Identifier: GPL-2.0
/*
 * gone.c - an address goes and comes, while sockets connect and send all the time.
 *
 *	gone [-n ROUNDS] [-p PREFIXLEN] DEV ADDRESS NEXT DESTINATION
 *
 * ADDRESS is the best source of DEV, NEXT the one after it. One thread for each way to get
 * a source calls without a pause. A round removes ADDRESS, lets all of them go on for a
 * while, adds it again, and waits until all have it again. Prints for each of them a line
 *
 *	KIND calls N failed N dead N other N errno N
 *
 * failed: a call returned an error. dead: it began after the removal had returned, ended
 * before the address was added again, and got it all the same. other: in that time it got
 * neither it nor NEXT.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define CALLS		50	/* of each kind while the address is away */
#define PATIENCE_MS	60000
/* Right after one address another one is not waited for: kmod/rtcache_event.c. */
#define REST_MS		100

enum kind { TCP, UDP, SENDTO, KINDS };

static const char *const names[KINDS] = { "tcp", "udp", "sendto" };

struct worker {
	enum kind kind;
	int catch;			/* of SENDTO */
	__u64 number;			/* what is sent */
	/* read by the others */
	unsigned long calls, without;	/* without: begun and ended while it was away */
	unsigned long with;		/* got it while it was there */
	unsigned long failed, dead, other;
	int err;
};

static struct worker workers[KINDS];
/* Odd: the address is away. Changed after it has gone, and before it comes. */
static unsigned long epoch;
static bool stop;

static int family, ifindex, prefix_len = -1;
static size_t addr_len;
static char address[16], next_best[16];
static struct sockaddr_storage to;

static void die(const char *what)
{
	printf("err %s: %s\n", what, strerror(errno));
	exit(1);
}

static unsigned long get(const unsigned long *at)
{
	return __atomic_load_n(at, __ATOMIC_SEQ_CST);
}

static void add(unsigned long *at)
{
	__atomic_fetch_add(at, 1, __ATOMIC_SEQ_CST);
}

/* ---- one call ----------------------------------------------------------------------- */

static socklen_t to_len(void)
{
	return family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6);
}

static int connects(const struct worker *w, char *src)
{
	int type = w->kind == TCP ? SOCK_STREAM : SOCK_DGRAM, on = 1, err = 0;
	int fd = socket(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);

	if (fd < 0)
		die("socket");
	if (family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
	if (connect(fd, (void *)&to, to_len()) && errno != EINPROGRESS)
		err = errno;
	else if (getsockname(fd, (void *)&ss, &len))
		die("getsockname");
	if (family == AF_INET)
		memcpy(src, &((struct sockaddr_in *)&ss)->sin_addr, 4);
	else
		memcpy(src, &((struct sockaddr_in6 *)&ss)->sin6_addr, 16);
	close(fd);
	return err;
}

/* Its own datagrams, and none of the connecting sockets: those send no data. */
static bool is_mine(const struct worker *w, const char *p, ssize_t n, char *src)
{
	const struct ip6_hdr *ip6 = (const void *)p;
	const struct iphdr *ip = (const void *)p;
	size_t head = family == AF_INET ? sizeof(*ip) : sizeof(*ip6);

	if (n != (ssize_t)(head + 8 + sizeof(w->number)) ||
	    memcmp(p + head + 8, &w->number, sizeof(w->number)))
		return false;
	memcpy(src, family == AF_INET ? (void *)&ip->saddr : (void *)&ip6->ip6_src, addr_len);
	return true;
}

static void caught(const struct worker *w, char *src)
{
	char buf[256];
	ssize_t n;

	do {
		n = recv(w->catch, buf, sizeof(buf), 0);
		if (n < 0)
			die("nothing was sent");
	} while (!is_mine(w, buf, n, src));
}

static int sends(struct worker *w, char *src)
{
	int fd = socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0), err = 0;

	if (fd < 0)
		die("socket");
	w->number++;
	if (sendto(fd, &w->number, sizeof(w->number), 0, (void *)&to, to_len()) < 0)
		err = errno;
	else
		caught(w, src);
	close(fd);
	return err;
}

static void judge(struct worker *w, unsigned long before, const char *src)
{
	bool has = !memcmp(src, address, addr_len);

	if (before != get(&epoch))
		return;
	if (!(before & 1)) {
		w->with += has;
		return;
	}
	w->dead += has;
	w->other += !has && memcmp(src, next_best, addr_len);
	add(&w->without);
}

static void *work(void *arg)
{
	struct worker *w = arg;
	unsigned long before;
	char src[16] = "";
	int err;

	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
		before = get(&epoch);
		err = w->kind == SENDTO ? sends(w, src) : connects(w, src);
		w->calls++;
		if (err) {
			w->failed++;
			w->err = err;
		} else {
			judge(w, before, src);
		}
	}
	return NULL;
}

/* ---- the address ----------------------------------------------------------------------- */

static void put(struct nlmsghdr *msg, int type, const void *data, size_t len)
{
	struct rtattr *attr = (void *)msg + NLMSG_ALIGN(msg->nlmsg_len);

	attr->rta_type = type;
	attr->rta_len = RTA_LENGTH(len);
	memcpy(RTA_DATA(attr), data, len);
	msg->nlmsg_len = NLMSG_ALIGN(msg->nlmsg_len) + attr->rta_len;
}

/* When it returns the kernel has done it. */
static void change(int sk, int type)
{
	struct {
		struct nlmsghdr msg;
		struct ifaddrmsg addr;
		char attrs[128];
	} req = {
		.msg = { .nlmsg_len = NLMSG_LENGTH(sizeof(req.addr)), .nlmsg_type = type,
			 .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK },
		.addr = { .ifa_family = family, .ifa_prefixlen = prefix_len,
			  .ifa_index = ifindex, .ifa_flags = IFA_F_NODAD },
	};
	char buf[1024] __attribute__((aligned(NLMSG_ALIGNTO)));
	const struct nlmsghdr *msg = (void *)buf;

	if (type == RTM_NEWADDR)
		req.msg.nlmsg_flags |= NLM_F_CREATE | NLM_F_EXCL;
	put(&req.msg, IFA_LOCAL, address, addr_len);
	put(&req.msg, IFA_ADDRESS, address, addr_len);
	if (send(sk, &req, req.msg.nlmsg_len, 0) < 0 || recv(sk, buf, sizeof(buf), 0) < 0)
		die("rtnetlink");
	errno = msg->nlmsg_type == NLMSG_ERROR ? -((struct nlmsgerr *)NLMSG_DATA(msg))->error : 0;
	if (errno)
		die(type == RTM_NEWADDR ? "address cannot be added" : "address cannot be removed");
}

/* Each by so many more than it has now. */
static void wait_for(size_t offset, unsigned long more, const char *what)
{
	const struct timespec ms = { .tv_nsec = 1000000 };
	unsigned long want[KINDS];
	int i, patience = PATIENCE_MS;

#define OF(i) ((unsigned long *)((char *)&workers[i] + offset))
	for (i = 0; i < KINDS; i++)
		want[i] = get(OF(i)) + more;
	for (i = 0; i < KINDS; i++)
		while (get(OF(i)) < want[i] && patience--)
			nanosleep(&ms, NULL);
#undef OF
	errno = ETIMEDOUT;
	if (patience < 0)
		die(what);
}

static void rest(void)
{
	const struct timespec ts = { .tv_nsec = REST_MS * 1000000 };

	nanosleep(&ts, NULL);
}

static void run(long rounds)
{
	int sk = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);

	if (sk < 0)
		die("rtnetlink");
	while (rounds--) {
		wait_for(offsetof(struct worker, with), 1, "the address was not taken again");
		change(sk, RTM_DELADDR);
		add(&epoch);
		rest();
		wait_for(offsetof(struct worker, without), CALLS, "no calls");
		add(&epoch);
		change(sk, RTM_NEWADDR);
	}
	close(sk);
}

/* ---- words ------------------------------------------------------------------------------ */

/* Only UDP: what others connect does not fill the queue. */
static void open_catch(struct worker *w)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_B | BPF_ABS, family == AF_INET ? 9 : 6),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, IPPROTO_UDP, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, 256),
		BPF_STMT(BPF_RET | BPF_K, 0),
	};
	struct sock_fprog filter = { sizeof(code) / sizeof(code[0]), code };
	struct sockaddr_ll ll = {
		.sll_family = AF_PACKET, .sll_ifindex = ifindex, .sll_protocol = htons(ETH_P_ALL),
	};
	struct timeval patience = { .tv_sec = PATIENCE_MS / 1000 };

	w->catch = socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (w->catch < 0 ||
	    setsockopt(w->catch, SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof(filter)) ||
	    bind(w->catch, (void *)&ll, sizeof(ll)))
		die("packet socket");
	setsockopt(w->catch, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
}

static void set_words(char **word)
{
	struct sockaddr_in6 *to6 = (void *)&to;
	struct sockaddr_in *to4 = (void *)&to;

	family = strchr(word[1], ':') ? AF_INET6 : AF_INET;
	addr_len = family == AF_INET ? 4 : 16;
	ifindex = if_nametoindex(word[0]);
	if (!ifindex)
		die(word[0]);
	to.ss_family = family;
	to4->sin_port = htons(9);
	if (prefix_len < 0)
		prefix_len = family == AF_INET ? 24 : 64;
	errno = EINVAL;
	if (inet_pton(family, word[1], address) != 1 ||
	    inet_pton(family, word[2], next_best) != 1 ||
	    inet_pton(family, word[3], family == AF_INET ? (void *)&to4->sin_addr :
							     (void *)&to6->sin6_addr) != 1)
		die("addresses");
}

int main(int argc, char **argv)
{
	pthread_t threads[KINDS];
	long rounds = 100;
	int c, i;

	while ((c = getopt(argc, argv, "n:p:")) != -1) {
		if (c == 'n')
			rounds = atol(optarg);
		else if (c == 'p')
			prefix_len = atoi(optarg);
		else
			return 1;
	}
	if (argc - optind != 4) {
		fputs("usage: gone [-n ROUNDS] [-p PREFIXLEN] DEV ADDRESS NEXT DESTINATION\n",
		      stderr);
		return 1;
	}
	set_words(argv + optind);
	for (i = 0; i < KINDS; i++) {
		workers[i].kind = i;
		if (i == SENDTO)
			open_catch(&workers[i]);
		if (pthread_create(&threads[i], NULL, work, &workers[i]))
			die("thread");
	}
	run(rounds);
	__atomic_store_n(&stop, true, __ATOMIC_RELAXED);
	for (i = 0; i < KINDS; i++) {
		pthread_join(threads[i], NULL);
		printf("%s calls %lu failed %lu dead %lu other %lu errno %d\n", names[i],
		       workers[i].calls, workers[i].failed, workers[i].dead, workers[i].other,
		       workers[i].err);
	}
	return 0;
}
