// SPDX-License-Identifier: GPL-2.0
/*
 * flow.c - a stream or datagrams from one end to the other, compared byte by byte.
 *
 *	flow -l [-u] [-q] [-n N] [-t MS] ADDR PORT	the end that receives
 *	flow [-u] [-q] [-n N] [-s SIZE] [-d MS] [-b ADDR] [-P PORT] [-T TOS] [-H TTL] [-D]
 *	     [-i DEV] [-R N] ADDR PORT			the end that sends
 *
 *	-u	UDP		-n N	bytes (TCP) or datagrams (UDP)
 *	-q	quick: not compared, many a call; sends for -d MS
 *	-D	never fragmented; refused datagrams are counted, and the path MTU is shown
 *	-R N	with -q -u, IPv4: in turn to N networks, ADDR + 0.0.1.0 and so on
 *	-t MS	how long the receiver waits for something (default: 5000)
 *
 * The receiver prints "ready", then "BYTES ok" or "BYTES bad" (UDP: also the number
 * of datagrams in front); the sender "sent N refused N mtu N", for TCP with its MSS.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define BURST	32
#define CHUNK	65536

static struct {
	bool listen, udp, quick, no_frag;
	long long n;
	int size, wait, tos, ttl, duration, round;
	const char *from, *from_port, *dev;
} opt = { .wait = 5000, .size = 1000, .tos = -1, .ttl = -1 };

static void die(const char *what)
{
	fprintf(stderr, "flow: %s: %s\n", what, strerror(errno));
	exit(2);
}

static uint8_t pattern(unsigned long long at)
{
	at *= 0x9e3779b97f4a7c15ull;
	return at >> 56;
}

static void fill(uint8_t *buf, int len, unsigned long long at)
{
	while (len--)
		*buf++ = pattern(at++);
}

static bool same(const uint8_t *buf, int len, unsigned long long at)
{
	while (len--)
		if (*buf++ != pattern(at++))
			return false;
	return true;
}

static struct addrinfo *resolve(const char *addr, const char *port)
{
	struct addrinfo hints = {
		.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV,
		.ai_socktype = opt.udp ? SOCK_DGRAM : SOCK_STREAM,
	}, *ai;

	if (getaddrinfo(addr, port, &hints, &ai)) {
		fprintf(stderr, "flow: no address: %s %s\n", addr, port);
		exit(2);
	}
	return ai;
}

static long long now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000ll + t.tv_nsec / 1000000;
}

static bool readable(int sk)
{
	struct pollfd pfd = { .fd = sk, .events = POLLIN };

	return poll(&pfd, 1, opt.wait) > 0;
}

/* ---- receiver ------------------------------------------------------------------ */

static int receive_stream(int sk)
{
	static uint8_t buf[CHUNK];
	long long total = 0;
	bool ok = true;
	ssize_t len;

	if (!readable(sk)) {
		puts("0 nobody");
		return 1;
	}
	sk = accept(sk, NULL, NULL);
	while (readable(sk) && (len = read(sk, buf, sizeof(buf))) > 0) {
		ok = ok && (opt.quick || same(buf, len, total));
		total += len;
	}
	printf("%lld %s\n", total, ok ? "ok" : "bad");
	return !ok;
}

static int receive_datagrams(int sk)
{
	static uint8_t buf[BURST][CHUNK];
	static struct iovec iov[BURST];
	static struct mmsghdr msgs[BURST];
	long long total = 0, count = 0;
	int got, i;
	bool ok = true;

	for (i = 0; i < BURST; i++) {
		iov[i] = (struct iovec){ buf[i], CHUNK };
		msgs[i].msg_hdr = (struct msghdr){ .msg_iov = &iov[i], .msg_iovlen = 1 };
	}
	while ((!opt.n || count < opt.n) && readable(sk)) {
		got = recvmmsg(sk, msgs, BURST, MSG_DONTWAIT, NULL);
		for (i = 0; i < got; i++) {
			ok = ok && (opt.quick || same(buf[i], msgs[i].msg_len, 0));
			total += msgs[i].msg_len;
		}
		count += got > 0 ? got : 0;
	}
	printf("%lld %lld %s\n", count, total, ok ? "ok" : "bad");
	return !ok;
}

static int receiver(const char *addr, const char *port)
{
	struct addrinfo *ai = resolve(addr, port);
	int sk = socket(ai->ai_family, ai->ai_socktype, 0), on = 1, size = 8 << 20;

	setsockopt(sk, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	setsockopt(sk, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
	if (bind(sk, ai->ai_addr, ai->ai_addrlen) || (!opt.udp && listen(sk, 8)))
		die("bind");
	puts("ready");
	return opt.udp ? receive_datagrams(sk) : receive_stream(sk);
}

/* ---- sender -------------------------------------------------------------------- */

static void set(int sk, int family, int opt4, int opt6, int value)
{
	if (family == AF_INET ? setsockopt(sk, IPPROTO_IP, opt4, &value, sizeof(value)) :
				setsockopt(sk, IPPROTO_IPV6, opt6, &value, sizeof(value)))
		die("setsockopt");
}

static int open_sender(const char *addr, const char *port, int *family)
{
	struct addrinfo *to = resolve(addr, port), *from;
	int sk = socket(to->ai_family, to->ai_socktype, 0), on = 1;

	*family = to->ai_family;
	setsockopt(sk, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (opt.tos >= 0)
		set(sk, *family, IP_TOS, IPV6_TCLASS, opt.tos);
	if (opt.ttl >= 0)
		set(sk, *family, IP_TTL, IPV6_UNICAST_HOPS, opt.ttl);
	if (opt.no_frag)
		set(sk, *family, IP_MTU_DISCOVER, IPV6_MTU_DISCOVER, IP_PMTUDISC_DO);
	if (opt.dev && setsockopt(sk, SOL_SOCKET, SO_BINDTODEVICE, opt.dev, strlen(opt.dev)))
		die(opt.dev);
	if (opt.from || opt.from_port) {
		from = resolve(opt.from ?: *family == AF_INET ? "0.0.0.0" : "::",
			       opt.from_port ?: "0");
		if (bind(sk, from->ai_addr, from->ai_addrlen))
			die("bind");
	}
	if (connect(sk, to->ai_addr, to->ai_addrlen))
		die("connect");
	return sk;
}

static long long send_stream(int sk)
{
	static uint8_t buf[CHUNK];
	long long total = 0, end = opt.duration ? now_ms() + opt.duration : 0;
	ssize_t len, want = sizeof(buf);

	while (end ? now_ms() < end : total < opt.n) {
		if (!end && opt.n - total < want)
			want = opt.n - total;
		if (!opt.quick)
			fill(buf, want, total);
		len = write(sk, buf, want);
		if (len < 0)
			die("write");
		total += len;
	}
	return total;
}

static void next_network(struct sockaddr_in *to, const struct sockaddr_in *first, int n)
{
	*to = *first;
	to->sin_addr.s_addr = htonl(ntohl(first->sin_addr.s_addr) + (n << 8));
}

static long long send_quickly(int sk)
{
	static uint8_t buf[CHUNK];
	struct iovec iov = { buf, opt.size };
	struct mmsghdr msgs[BURST] = {};
	struct sockaddr_in first, to[BURST];
	socklen_t len = sizeof(first);
	long long count = 0, end = now_ms() + opt.duration;
	int i, n = 0;

	getpeername(sk, (void *)&first, &len);
	for (i = 0; i < BURST; i++)
		msgs[i].msg_hdr = (struct msghdr){
			.msg_iov = &iov, .msg_iovlen = 1, .msg_name = opt.round ? &to[i] : NULL,
			.msg_namelen = opt.round ? sizeof(to[i]) : 0,
		};
	while (now_ms() < end) {
		for (i = 0; opt.round && i < BURST; i++, n = (n + 1) % opt.round)
			next_network(&to[i], &first, n);
		i = sendmmsg(sk, msgs, BURST, 0);
		count += i > 0 ? i : 0;
	}
	return count;
}

static long long send_datagrams(int sk, long long *refused)
{
	static uint8_t buf[CHUNK];
	long long count;

	fill(buf, opt.size, 0);
	for (count = 0; count < opt.n; count++)
		if (send(sk, buf, opt.size, 0) < 0) {
			if (errno != EMSGSIZE && errno != ECONNREFUSED)
				die("send");
			++*refused;
		}
	return count - *refused;
}

static int path_mtu(int sk, int family)
{
	int mtu = 0;
	socklen_t len = sizeof(mtu);

	if (family == AF_INET)
		getsockopt(sk, IPPROTO_IP, IP_MTU, &mtu, &len);
	else
		getsockopt(sk, IPPROTO_IPV6, IPV6_MTU, &mtu, &len);
	return mtu;
}

static int sender(const char *addr, const char *port)
{
	int family, sk = open_sender(addr, port, &family), mss = 0;
	long long sent, refused = 0;
	socklen_t len = sizeof(mss);

	if (!opt.udp)
		sent = send_stream(sk);
	else if (opt.quick)
		sent = send_quickly(sk);
	else
		sent = send_datagrams(sk, &refused);
	printf("sent %lld refused %lld mtu %d", sent, refused, path_mtu(sk, family));
	if (!opt.udp && !getsockopt(sk, IPPROTO_TCP, TCP_MAXSEG, &mss, &len))
		printf(" mss %d", mss);
	putchar('\n');
	return 0;
}

static void read_options(int argc, char **argv)
{
	int c;

	while ((c = getopt(argc, argv, "luqDn:s:d:b:P:T:H:i:t:R:")) != -1)
		switch (c) {
		case 'l': opt.listen = true; break;
		case 'u': opt.udp = true; break;
		case 'q': opt.quick = true; break;
		case 'D': opt.no_frag = true; break;
		case 'n': opt.n = atoll(optarg); break;
		case 's': opt.size = atoi(optarg); break;
		case 'd': opt.duration = atoi(optarg); break;
		case 'b': opt.from = optarg; break;
		case 'P': opt.from_port = optarg; break;
		case 'T': opt.tos = strtol(optarg, NULL, 0); break;
		case 'H': opt.ttl = atoi(optarg); break;
		case 'i': opt.dev = optarg; break;
		case 'R': opt.round = atoi(optarg); break;
		case 't': opt.wait = atoi(optarg); break;
		default: exit(2);
		}
}

int main(int argc, char **argv)
{
	read_options(argc, argv);
	if (argc - optind != 2 || opt.size > CHUNK) {
		fprintf(stderr, "usage: flow [-l] [OPTIONS] ADDR PORT\n");
		return 2;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	return (opt.listen ? receiver : sender)(argv[optind], argv[optind + 1]);
}
