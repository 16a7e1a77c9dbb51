// SPDX-License-Identifier: GPL-2.0
/*
 * source.c - which source address does a socket get?
 *
 *	source [options] ADDRESS [PORT]
 *
 * Prints it. Of a connected socket that is what getsockname() says; what is sent by
 * an unconnected one is caught on its way out. TCP needs nobody who answers.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/ip_icmp.h>
#include <netinet/udp.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#ifndef IPV6_ADDR_PREFERENCES
#define IPV6_ADDR_PREFERENCES 72
#endif

#define PATIENCE_MS	2000
#define MAX_SOURCES	64
#define MAX_OLD		64

enum kind { TCP, UDP, SENDTO, PING };

static struct options {
	enum kind kind;
	bool mapped, freebind, transparent, broadcast, late_port, dual_stack;
	const char *bind_to, *dev, *pktinfo;
	int oif, prefs;
	long number, load_ms;
	bool keep;
} opt;

static int family;
static struct sockaddr_storage to;

static void die(const char *what)
{
	printf("err %s: %s\n", what, strerror(errno));
	exit(1);
}

static socklen_t len_of(int af)
{
	return af == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6);
}

/* As the sockets of this run want it: IPv4, IPv6, or IPv4 in IPv6. */
static void to_sockaddr(const char *text, int port, struct sockaddr_storage *ss)
{
	struct sockaddr_in6 *in6 = (void *)ss;
	struct sockaddr_in *in = (void *)ss;
	char buf[80], *percent;

	memset(ss, 0, sizeof(*ss));
	ss->ss_family = family;
	snprintf(buf, sizeof(buf), "%s%s",
		 family == AF_INET6 && !strchr(text, ':') ? "::ffff:" : "", text);
	percent = strchr(buf, '%');
	if (percent) {
		*percent = '\0';
		in6->sin6_scope_id = if_nametoindex(percent + 1);
	}
	errno = EINVAL;
	if (family == AF_INET6) {
		in6->sin6_port = htons(port);
		if (inet_pton(AF_INET6, buf, &in6->sin6_addr) != 1)
			die(text);
	} else {
		in->sin_port = htons(port);
		if (inet_pton(AF_INET, buf, &in->sin_addr) != 1)
			die(text);
	}
}

/* v4-mapped ones without what is in front. */
static const char *text_of(const struct sockaddr_storage *ss, char *buf)
{
	const struct sockaddr_in6 *in6 = (const void *)ss;
	const struct sockaddr_in *in = (const void *)ss;

	if (ss->ss_family == AF_INET)
		inet_ntop(AF_INET, &in->sin_addr, buf, INET6_ADDRSTRLEN);
	else if (IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr))
		inet_ntop(AF_INET, &in6->sin6_addr.s6_addr[12], buf, INET6_ADDRSTRLEN);
	else
		inet_ntop(AF_INET6, &in6->sin6_addr, buf, INET6_ADDRSTRLEN);
	return buf;
}

/* ---- sockets ------------------------------------------------------------------------ */

static void set_int(int fd, int level, int name, int value, const char *what)
{
	if (setsockopt(fd, level, name, &value, sizeof(value)))
		die(what);
}

static int open_socket(void)
{
	int type = opt.kind == TCP ? SOCK_STREAM : SOCK_DGRAM, proto = 0;

	if (opt.kind == PING)
		proto = family == AF_INET ? IPPROTO_ICMP : IPPROTO_ICMPV6;
	return socket(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, proto);
}

static void prepare(int fd)
{
	struct sockaddr_storage ss;
	int af = opt.mapped ? AF_INET : family;

	if (opt.freebind)
		set_int(fd, IPPROTO_IP, IP_FREEBIND, 1, "IP_FREEBIND");
	if (opt.transparent)
		set_int(fd, af == AF_INET ? IPPROTO_IP : IPPROTO_IPV6,
			af == AF_INET ? IP_TRANSPARENT : IPV6_TRANSPARENT, 1, "transparent");
	if (opt.broadcast)
		set_int(fd, SOL_SOCKET, SO_BROADCAST, 1, "SO_BROADCAST");
	if (opt.late_port)
		set_int(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1, "IP_BIND_ADDRESS_NO_PORT");
	if (family == AF_INET6 && !opt.mapped && !opt.dual_stack)
		set_int(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1, "IPV6_V6ONLY");
	if (opt.prefs)
		set_int(fd, IPPROTO_IPV6, IPV6_ADDR_PREFERENCES, opt.prefs, "preferences");
	if (opt.dev && setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, opt.dev, strlen(opt.dev)))
		die("SO_BINDTODEVICE");
	if (opt.bind_to) {
		to_sockaddr(opt.bind_to, 0, &ss);
		if (bind(fd, (void *)&ss, len_of(family)))
			die("bind");
	}
}

static int new_socket(void)
{
	int fd = open_socket();

	if (fd < 0)
		die("socket");
	prepare(fd);
	return fd;
}

static int do_connect(int fd)
{
	return connect(fd, (void *)&to, len_of(family)) && errno != EINPROGRESS ? -1 : 0;
}

static void name_of(int fd, struct sockaddr_storage *ss)
{
	socklen_t len = sizeof(*ss);

	memset(ss, 0, sizeof(*ss));
	if (getsockname(fd, (void *)ss, &len))
		die("getsockname");
}

/* ---- what is sent ------------------------------------------------------------------- */

static int open_catch(void)
{
	int fd = socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC, htons(ETH_P_ALL));

	if (fd < 0)
		die("packet socket");
	return fd;
}

static __u64 now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000ull + ts.tv_nsec / 1000000;
}

/* Is this the datagram to our destination? Then its source. */
static bool is_ours(const char *p, ssize_t n, char *text)
{
	const struct sockaddr_in6 *to6 = (void *)&to;
	const struct sockaddr_in *to4 = (void *)&to;
	const struct ip6_hdr *ip6 = (void *)p;
	const struct iphdr *ip = (void *)p;

	if (n >= (ssize_t)sizeof(*ip) && ip->version == 4) {
		const void *dst = family == AF_INET ? (void *)&to4->sin_addr :
						      (void *)&to6->sin6_addr.s6_addr[12];

		return !memcmp(&ip->daddr, dst, 4) &&
		       inet_ntop(AF_INET, &ip->saddr, text, INET6_ADDRSTRLEN);
	}
	return n >= (ssize_t)sizeof(*ip6) && family == AF_INET6 &&
	       !memcmp(&ip6->ip6_dst, &to6->sin6_addr, 16) &&
	       (ip6->ip6_nxt == IPPROTO_UDP || ip6->ip6_nxt == IPPROTO_ICMPV6) &&
	       inet_ntop(AF_INET6, &ip6->ip6_src, text, INET6_ADDRSTRLEN);
}

static void print_caught(int fd)
{
	__u64 end = now_ms() + PATIENCE_MS;
	struct pollfd p = { .fd = fd, .events = POLLIN };
	char buf[2048], text[INET6_ADDRSTRLEN];
	ssize_t n;

	while (now_ms() < end) {
		if (poll(&p, 1, end - now_ms()) <= 0)
			break;
		n = recv(fd, buf, sizeof(buf), 0);
		if (is_ours(buf, n, text)) {
			puts(text);
			return;
		}
	}
	puts("nothing was sent");
	exit(1);
}

static void put_pktinfo(struct msghdr *msg, char *control)
{
	struct cmsghdr *cmsg = (void *)control;
	bool is4 = family == AF_INET;
	struct in6_pktinfo info6 = { .ipi6_ifindex = opt.oif };
	struct in_pktinfo info4 = { .ipi_ifindex = opt.oif };
	size_t len = is4 ? sizeof(info4) : sizeof(info6);

	if (opt.pktinfo && inet_pton(family, opt.pktinfo, is4 ? (void *)&info4.ipi_spec_dst :
							  (void *)&info6.ipi6_addr) != 1)
		die(opt.pktinfo);
	msg->msg_control = control;
	msg->msg_controllen = CMSG_SPACE(len);
	cmsg->cmsg_level = is4 ? IPPROTO_IP : IPPROTO_IPV6;
	cmsg->cmsg_type = is4 ? IP_PKTINFO : IPV6_PKTINFO;
	cmsg->cmsg_len = CMSG_LEN(len);
	memcpy(CMSG_DATA(cmsg), is4 ? (void *)&info4 : (void *)&info6, len);
}

static int send_one(int fd)
{
	struct icmphdr echo = { .type = family == AF_INET ? ICMP_ECHO : ICMP6_ECHO_REQUEST };
	struct iovec iov = { &echo, sizeof(echo) };
	struct msghdr msg = {
		.msg_name = &to, .msg_namelen = len_of(family), .msg_iov = &iov,
		.msg_iovlen = 1,
	};
	char control[128] __attribute__((aligned(8))) = "";

	if (opt.pktinfo || opt.oif)
		put_pktinfo(&msg, control);
	return sendmsg(fd, &msg, 0) < 0 ? -1 : 0;
}

static void run_sendto(void)
{
	int fd = new_socket(), catch = open_catch();

	if (send_one(fd))
		die("sendto");
	print_caught(catch);
}

/* ---- many ----------------------------------------------------------------------------- */

static struct {
	char text[INET6_ADDRSTRLEN];
	long count;
} sources[MAX_SOURCES];

static void count_source(const struct sockaddr_storage *ss)
{
	char text[INET6_ADDRSTRLEN];
	int i;

	text_of(ss, text);
	for (i = 0; i < MAX_SOURCES - 1; i++)
		if (!sources[i].count || !strcmp(sources[i].text, text))
			break;
	strcpy(sources[i].text, text);
	sources[i].count++;
}

static void print_sources(void)
{
	int i;

	for (i = 0; i < MAX_SOURCES && sources[i].count; i++)
		printf("%s %ld\n", sources[i].text, sources[i].count);
}

static int port_of(const struct sockaddr_storage *ss)
{
	return ntohs(ss->ss_family == AF_INET ? ((struct sockaddr_in *)ss)->sin_port :
						((struct sockaddr_in6 *)ss)->sin6_port);
}

/* All at once; no port twice. */
static void run_number(void)
{
	static bool used[65536];
	struct rlimit files = { 65000, 65000 };
	struct sockaddr_storage ss;
	long i;
	int fd;

	setrlimit(RLIMIT_NOFILE, &files);
	for (i = 0; i < opt.number; i++) {
		fd = new_socket();
		if (do_connect(fd)) {
			printf("failed %ld: %s\n", i, strerror(errno));
			break;
		}
		name_of(fd, &ss);
		count_source(&ss);
		if (used[port_of(&ss)])
			printf("twice %d\n", port_of(&ss));
		used[port_of(&ss)] = true;
	}
	print_sources();
	fflush(stdout);
	if (opt.keep)
		getchar();
}

/* The youngest of those that were made under load; they must stay as they are. */
static struct old {
	int fd;
	struct sockaddr_storage name;
} olds[MAX_OLD];

static long count_moved(void)
{
	struct sockaddr_storage ss;
	long moved = 0;
	int i;

	for (i = 0; i < MAX_OLD; i++) {
		if (olds[i].fd <= 0)
			continue;
		name_of(olds[i].fd, &ss);
		moved += memcmp(&ss, &olds[i].name, sizeof(ss)) != 0;
	}
	return moved;
}

static void run_load(void)
{
	__u64 end = now_ms() + opt.load_ms;
	long n = 0, failed = 0, moved = 0;
	struct old *old;
	int fd;

	for (; now_ms() < end; n++) {
		fd = new_socket();
		if (opt.kind == SENDTO) {
			failed += send_one(fd) != 0;
			close(fd);
			continue;
		}
		if (do_connect(fd)) {
			failed++;
			close(fd);
			continue;
		}
		old = &olds[n % MAX_OLD];
		if (old->fd > 0)
			close(old->fd);
		old->fd = fd;
		name_of(fd, &old->name);
		count_source(&old->name);
		if (n % 16 == 0)
			moved += count_moved();
	}
	moved += count_moved();
	printf("done %ld failed %ld moved %ld\n", n, failed, moved);
	print_sources();
}

static void run_one(void)
{
	char text[INET6_ADDRSTRLEN], line[8];
	struct sockaddr_storage ss;
	int fd = new_socket();

	if (do_connect(fd))
		die("connect");
	do {
		name_of(fd, &ss);
		puts(text_of(&ss, text));
		fflush(stdout);
	} while (opt.keep && fgets(line, sizeof(line), stdin));
}

/* ---- words ------------------------------------------------------------------------------ */

static const char usage[] =
	"usage: source [options] ADDRESS [PORT]\n"
	"  -k tcp|udp|sendto|ping  connect() of TCP or UDP, sendmsg() of UDP, connect() of ICMP\n"
	"  -m            an IPv6 socket for an IPv4 destination\n"
	"  -b ADDR       bind() before; -f: with IP_FREEBIND, -T: transparent, -l: port later\n"
	"  -d DEV        SO_BINDTODEVICE\n"
	"  -i ADDR       pktinfo with that source; -o N: with that device\n"
	"  -D            an IPv6 socket that is not IPV6_V6ONLY\n"
	"  -a N          IPV6_ADDR_PREFERENCES\n"
	"  -B            SO_BROADCAST\n"
	"  -n N          N at once: how many by each source, and ports that came twice\n"
	"  -t MS         one after the other so long: how many, failed, moved, by each source\n"
	"  -w            keep it; say it again for each line on stdin\n";

static void set_kind(const char *word)
{
	static const char *const kinds[] = { "tcp", "udp", "sendto", "ping" };
	int i;

	for (i = 0; i < 4; i++) {
		if (!strcmp(word, kinds[i])) {
			opt.kind = i;
			return;
		}
	}
	errno = EINVAL;
	die(word);
}

static void set_option(int c)
{
	switch (c) {
	case 'k': set_kind(optarg); break;
	case 'm': opt.mapped = true; break;
	case 'b': opt.bind_to = optarg; break;
	case 'f': opt.freebind = true; break;
	case 'T': opt.transparent = true; break;
	case 'l': opt.late_port = true; break;
	case 'D': opt.dual_stack = true; break;
	case 'd': opt.dev = optarg; break;
	case 'i': opt.pktinfo = optarg; break;
	case 'o': opt.oif = atoi(optarg); break;
	case 'a': opt.prefs = strtol(optarg, NULL, 0); break;
	case 'B': opt.broadcast = true; break;
	case 'n': opt.number = atol(optarg); break;
	case 't': opt.load_ms = atol(optarg); break;
	case 'w': opt.keep = true; break;
	default:
		fputs(usage, stderr);
		exit(1);
	}
}

int main(int argc, char **argv)
{
	int c;

	while ((c = getopt(argc, argv, "k:mb:fTlDd:i:o:a:Bn:t:w")) != -1)
		set_option(c);
	if (optind >= argc) {
		fputs(usage, stderr);
		return 1;
	}
	family = opt.mapped || strchr(argv[optind], ':') ? AF_INET6 : AF_INET;
	to_sockaddr(argv[optind], optind + 1 < argc ? atoi(argv[optind + 1]) : 9, &to);
	if (opt.load_ms)
		run_load();
	else if (opt.kind == SENDTO)
		run_sendto();
	else if (opt.number)
		run_number();
	else
		run_one();
	return 0;
}
