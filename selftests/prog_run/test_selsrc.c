// SPDX-License-Identifier: GPL-2.0
/*
 * test_selsrc.c - real sockets through the programs of source selection
 *
 * The device has a first address, which the kernel takes, and others; the policy is
 * `preference`, and .3 has the highest. Tables are written from here: what the command
 * makes of the kernel's is the business of other tests.
 */
#include <netinet/ip.h>
#include <linux/in6.h>
#include <linux/ipv6.h>

#include "selsrc_run.h"

#ifndef IPV6_ADDR_PREFERENCES
#define IPV6_ADDR_PREFERENCES	72
#define IPV6_PREFER_SRC_PUBLIC	2
#endif

#define KERNELS		"192.0.2.1"
#define BEST		"192.0.2.3"
#define KERNELS6	"2001:db8::1"
#define BEST6		"2001:db8::3"
#define PEER		"203.0.113.9"
#define PEER6		"2001:db8:9::9"

static __u32 d0, d1;

/* --- the host ------------------------------------------------------------------------------ */

static void source(struct selsrc_source *s, const char *addr, int preference)
{
	bool v6 = strchr(addr, ':');

	memset(s, 0, sizeof(*s));
	inet_pton(v6 ? AF_INET6 : AF_INET, addr, s->addr);
	s->preference = preference;
	s->class = selsrc_class(v6 ? SELSRC_INET6 : SELSRC_INET, s->addr, 0, 0, 0);
}

/* gone: an address that only the tables have. */
static void tables(const char *policy, bool gone)
{
	struct selsrc_source s[4];

	tables_begin();
	if (policy)
		put_policy(0, policy);
	source(&s[0], KERNELS, 0);
	source(&s[1], "192.0.2.2", 5);
	source(&s[2], BEST, 9);
	source(&s[3], "192.0.2.4", 10);
	put_dev(SELSRC_INET, d0, s, 3 + gone);
	source(&s[0], KERNELS6, 0);
	source(&s[1], "2001:db8::2", 5);
	source(&s[2], BEST6, 9);
	source(&s[3], "2001:db8::4", 10);
	put_dev(SELSRC_INET6, d0, s, 3 + gone);
	source(&s[0], "198.51.100.1", 0);
	source(&s[1], "198.51.100.2", 1);
	put_dev(SELSRC_INET, d1, s, 2);
	source(&s[0], "2001:db8:1::1", 0);
	source(&s[1], "2001:db8:1::2", 1);
	put_dev(SELSRC_INET6, d1, s, 2);
	put_route("0.0.0.0/0", d0, SELSRC_UNICAST, SCOPE_UNIVERSE);
	put_route("192.0.2.0/24", d0, SELSRC_UNICAST, SCOPE_LINK);
	put_route("192.0.2.255/32", d0, SELSRC_NONE, SCOPE_LINK);
	put_route("192.0.2.1/32", 1, SELSRC_LOCAL, 254);
	put_route("10.1.0.0/16", d0, SELSRC_SRC, SCOPE_UNIVERSE);
	put_route("10.2.0.0/16", d0, SELSRC_DOUBT, SCOPE_UNIVERSE);
	put_route("10.3.0.0/16", 0, SELSRC_NONE, SCOPE_UNIVERSE);
	put_route("::/0", d0, SELSRC_UNICAST, 0);
	put_route("fe80::/64", d0, SELSRC_UNICAST, 0);
	tables_end();
}

static void host(void)
{
	for (int i = 0; i < 2; i++) {
		shell("ip link add d%d type veth peer name p%d", i, i);
		shell("ip link set d%d arp off up && ip link set p%d arp off up", i, i);
	}
	for (int i = 1; i <= 3; i++) {
		shell("ip addr add 192.0.2.%d/24 dev d0", i);
		shell("ip addr add 198.51.100.%d/24 dev d1", i);
		shell("ip addr add 2001:db8::%d/64 dev d0 nodad", i);
		shell("ip addr add 2001:db8:1::%d/64 dev d1 nodad", i);
	}
	shell("ip route add default dev d0 src %s", KERNELS);
	shell("ip -6 route add default dev d0 src %s", KERNELS6);
	shell("ip route add 203.0.113.0/24 dev d1 metric 9 src 198.51.100.1");
	shell("ip route add 203.0.113.0/24 dev d0 src %s", KERNELS);
	d0 = if_nametoindex("d0");
	d1 = if_nametoindex("d1");
}

/* --- one call ------------------------------------------------------------------------------ */

static socklen_t address(const char *text, struct sockaddr_storage *to)
{
	struct sockaddr_in6 *in6 = (void *)to;
	struct sockaddr_in *in = (void *)to;

	memset(to, 0, sizeof(*to));
	if (inet_pton(AF_INET, text, &in->sin_addr) == 1) {
		in->sin_family = AF_INET;
		in->sin_port = htons(443);
		return sizeof(*in);
	}
	if (inet_pton(AF_INET6, text, &in6->sin6_addr) != 1)
		ksft_bail("address %s", text);
	in6->sin6_family = AF_INET6;
	in6->sin6_port = htons(443);
	return sizeof(*in6);
}

static const char *name_of(int fd)
{
	static char text[4][INET6_ADDRSTRLEN];
	struct sockaddr_storage at;
	socklen_t len = sizeof(at);
	static int n;

	n = (n + 1) % 4;
	if (getsockname(fd, (void *)&at, &len))
		return "none";
	inet_ntop(at.ss_family, at.ss_family == AF_INET ?
		  (void *)&((struct sockaddr_in *)&at)->sin_addr :
		  (void *)&((struct sockaddr_in6 *)&at)->sin6_addr, text[n], sizeof(text[n]));
	return text[n];
}

static const char *connected(int fd, const char *to)
{
	struct sockaddr_storage at;
	socklen_t len = address(to, &at);

	if (connect(fd, (void *)&at, len) && errno != EINPROGRESS)
		return strerror(errno);
	return name_of(fd);
}

static void disconnect(int fd)
{
	struct sockaddr none = { .sa_family = AF_UNSPEC };

	connect(fd, &none, sizeof(none));
}

/* What the message had as its source: the device shows it to a packet socket. */
static int tap;

static const char *sent(int fd, const char *to, const struct msghdr *how)
{
	static char text[INET6_ADDRSTRLEN];
	struct sockaddr_storage at;
	struct iovec iov = { "x", 1 };
	struct msghdr m = how ? *how : (struct msghdr){};
	unsigned char packet[256];

	while (recv(tap, packet, sizeof(packet), MSG_DONTWAIT) > 0)
		;
	m.msg_namelen = address(to, &at);
	m.msg_name = &at;
	m.msg_iov = &iov;
	m.msg_iovlen = 1;
	if (sendmsg(fd, &m, 0) != 1)
		return strerror(errno);
	if (recv(tap, packet, sizeof(packet), MSG_DONTWAIT) < 28)
		return "no packet";
	if (packet[0] >> 4 == 4)
		inet_ntop(AF_INET, packet + 12, text, sizeof(text));
	else
		inet_ntop(AF_INET6, packet + 8, text, sizeof(text));
	return text;
}

static int sock(const char *to, int type)
{
	int fd = socket(strchr(to, ':') ? AF_INET6 : AF_INET, type | SOCK_NONBLOCK, 0), one = 1;

	if (fd < 0)
		ksft_bail("socket: %s", strerror(errno));
	if (strchr(to, ':') && !strstr(to, "ffff"))
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one));
	return fd;
}

static void expect(const char *is, const char *want, const char *what)
{
	ksft_ok(!strcmp(is, want), "%s: %s", what, is);
}

/* `counter` went up, too. */
#define EXPECT(call, want, counter, what) do {					\
	__u64 before_ = COUNTED(counter);					\
	const char *is_ = call;							\
										\
	ksft_ok(!strcmp(is_, want) && COUNTED(counter) > before_,		\
		"%s: %s, %s", what, is_, #counter);				\
} while (0)

/* --- tests --------------------------------------------------------------------------------- */

static void plain(void)
{
	static const struct {
		const char *to, *want;
		int type;
	} rows[] = {
		{ PEER, BEST, SOCK_STREAM }, { PEER, BEST, SOCK_DGRAM },
		{ PEER6, BEST6, SOCK_STREAM }, { PEER6, BEST6, SOCK_DGRAM },
		{ "::ffff:" PEER, "::ffff:" BEST, SOCK_STREAM },
		{ "::ffff:" PEER, "::ffff:" BEST, SOCK_DGRAM },
	};
	__u64 bound = COUNTED(bound);

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		int fd = sock(rows[i].to, rows[i].type);

		expect(connected(fd, rows[i].to), rows[i].want,
		       rows[i].type == SOCK_STREAM ? "TCP connect" : "UDP connect");
		close(fd);
	}
	ksft_ok(COUNTED(bound) - bound == ARRAY_SIZE(rows), "and each was counted");
}

static void messages(void)
{
	int fd = sock(PEER, SOCK_DGRAM), fd6 = sock(PEER6, SOCK_DGRAM), one = 1, index = d1;
	int mapped = sock("::ffff:" PEER, SOCK_DGRAM);
	char room[CMSG_SPACE(sizeof(struct in_pktinfo))] = {};
	struct msghdr how = { .msg_control = room, .msg_controllen = sizeof(room) };
	struct cmsghdr *c = CMSG_FIRSTHDR(&how);
	struct in_pktinfo info = {};

	EXPECT(sent(fd, PEER, NULL), BEST, sent, "sendto");
	/* Written down is only what takes long to find. */
	if (no_steps)
		EXPECT(sent(fd, PEER, NULL), BEST, cached, "sendto again");
	else
		EXPECT(sent(fd, PEER, NULL), BEST, sent, "sendto again");
	EXPECT(sent(fd6, PEER6, NULL), BEST6, sent, "sendto, IPv6");
	EXPECT(sent(mapped, "::ffff:" PEER, NULL), BEST, sent, "sendto, mapped");
	c->cmsg_level = IPPROTO_IP;
	c->cmsg_type = IP_PKTINFO;
	c->cmsg_len = CMSG_LEN(sizeof(info));
	inet_pton(AF_INET, "192.0.2.2", &info.ipi_spec_dst);
	memcpy(CMSG_DATA(c), &info, sizeof(info));
	EXPECT(sent(fd, PEER, &how), "192.0.2.2", has_source, "IP_PKTINFO names a source");
	info = (struct in_pktinfo){ .ipi_ifindex = d1 };
	memcpy(CMSG_DATA(c), &info, sizeof(info));
	EXPECT(sent(fd, PEER, &how), "198.51.100.2", sent, "IP_PKTINFO names a device");
	EXPECT(sent(fd, "192.0.2.255", NULL), strerror(EACCES), route_none, "broadcast is left");
	setsockopt(fd, IPPROTO_IP, IP_FREEBIND, &one, sizeof(one));
	EXPECT(sent(fd, PEER, NULL), KERNELS, freebind, "IP_FREEBIND, sendto");
	setsockopt(fd6, IPPROTO_IPV6, IPV6_UNICAST_IF, &(int){ htonl(index) }, sizeof(int));
	EXPECT((sent(fd6, PEER6, NULL), "x"), "x", unicast_if, "IPV6_UNICAST_IF");
	close(fd);
	close(fd6);
	close(mapped);
}

static void bind_to(int fd, const char *addr, int port)
{
	struct sockaddr_storage at;
	socklen_t len = address(addr, &at);

	((struct sockaddr_in *)&at)->sin_port = htons(port);	/* the same place in both */
	if (bind(fd, (void *)&at, len))
		ksft_bail("bind %s: %s", addr, strerror(errno));
}

static void options(void)
{
	int one = 1, prefer = IPV6_PREFER_SRC_PUBLIC, fd;

	fd = sock(PEER, SOCK_STREAM);
	bind_to(fd, "192.0.2.2", 0);
	EXPECT(connected(fd, PEER), "192.0.2.2", has_source, "bound to an address");
	close(fd);
	fd = sock(PEER, SOCK_STREAM);
	setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof(one));
	bind_to(fd, "192.0.2.2", 0);
	EXPECT(connected(fd, PEER), "192.0.2.2", has_source, "bound, but to no port");
	close(fd);
	fd = sock(PEER, SOCK_DGRAM);
	bind_to(fd, "0.0.0.0", 5555);
	EXPECT(connected(fd, PEER), KERNELS, has_port, "bound to a port");
	close(fd);
	fd = sock(PEER, SOCK_STREAM);
	setsockopt(fd, IPPROTO_IP, IP_FREEBIND, &one, sizeof(one));
	EXPECT(connected(fd, PEER), KERNELS, freebind, "IP_FREEBIND");
	close(fd);
	fd = sock(PEER, SOCK_STREAM);
	setsockopt(fd, IPPROTO_IP, IP_TRANSPARENT, &one, sizeof(one));
	EXPECT(connected(fd, PEER), KERNELS, freebind, "IP_TRANSPARENT");
	close(fd);
	fd = sock(PEER6, SOCK_STREAM);
	setsockopt(fd, IPPROTO_IPV6, IPV6_ADDR_PREFERENCES, &prefer, sizeof(prefer));
	EXPECT(connected(fd, PEER6), KERNELS6, preferences, "IPV6_ADDR_PREFERENCES");
	close(fd);
	fd = sock(PEER, SOCK_DGRAM);
	setsockopt(fd, IPPROTO_IP, IP_UNICAST_IF, &(int){ htonl(d0) }, sizeof(int));
	EXPECT(connected(fd, PEER), KERNELS, unicast_if, "IP_UNICAST_IF");
	close(fd);
	fd = sock(PEER, SOCK_DGRAM);
	setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, "d1", 3);
	EXPECT(connected(fd, PEER), "198.51.100.2", bound, "SO_BINDTODEVICE");
	close(fd);
	fd = sock("::ffff:", SOCK_DGRAM);
	EXPECT(connected(fd, PEER6), KERNELS6, dual_stack, "UDP, dual stack");
	close(fd);
}

static void destinations(void)
{
	static const char *const names[] = { "127.0.0.1", "::1", "224.0.0.5", "10.1.0.1",
					     "10.2.0.1", "192.0.2.1" };
	__u64 before[6], after[6];
	int fd;

	for (int pass = 0; pass < 2; pass++) {
		__u64 *at = pass ? after : before;

		at[0] = at[1] = COUNTED(loopback);
		at[2] = COUNTED(multicast);
		at[3] = COUNTED(route_src);
		at[4] = COUNTED(route_doubt);
		at[5] = COUNTED(route_local);
		for (size_t i = 0; !pass && i < ARRAY_SIZE(names); i++) {
			fd = sock(names[i], SOCK_DGRAM);
			connected(fd, names[i]);
			close(fd);
		}
	}
	ksft_ok(after[0] - before[0] == 2 && after[2] - before[2] == 1 &&
		after[3] - before[3] == 1 && after[4] - before[4] == 1 &&
		after[5] - before[5] == 1,
		"loopback, multicast, route with a source, in doubt, local");
}

static void again(void)
{
	int fd = sock(PEER, SOCK_DGRAM);

	expect(connected(fd, PEER), BEST, "first connect");
	disconnect(fd);
	EXPECT(connected(fd, "203.0.113.10"), BEST, same, "connected again");
	disconnect(fd);
	tables("preference", false);
	expect(connected(fd, "127.0.0.1"), "127.0.0.1", "our address is taken back for loopback");
	disconnect(fd);
	EXPECT(connected(fd, PEER), BEST, rebound, "and given once more");
	disconnect(fd);
	tables("index", false);
	EXPECT(connected(fd, PEER), KERNELS, rebound, "by another policy another one");
	expect(connected(fd, "203.0.113.11"), KERNELS, "without disconnecting it stays");
	close(fd);
	fd = sock(PEER, SOCK_DGRAM);
	bind_to(fd, "192.0.2.2", 0);
	connected(fd, PEER);
	disconnect(fd);
	tables("preference", false);
	EXPECT(connected(fd, PEER), "192.0.2.2", has_source, "what the application bound stays");
	close(fd);
}

static const char *udp(const char *to)
{
	int fd = sock(to, SOCK_DGRAM);
	const char *is = connected(fd, to);

	close(fd);
	return is;
}

static void nonlocal(int on)
{
	shell("sysctl -qw net.ipv4.ip_nonlocal_bind=%d net.ipv6.ip_nonlocal_bind=%d", on, on);
}

static void doubts(void)
{
	int fd = sock(PEER, SOCK_DGRAM);

	tables("preference", true);
	EXPECT(udp(PEER), BEST, bind_failed, "an address that is gone: the next best");
	EXPECT(udp(PEER6), BEST6, bind_failed, "the same, IPv6");
	tables(NULL, false);
	EXPECT(udp(PEER), KERNELS, no_policy, "no policy");
	tables("preference", false);
	gens->gen[0] = 3;
	EXPECT(udp(PEER), BEST, bound, "connect while addresses change");
	EXPECT(sent(fd, PEER, NULL), KERNELS, unsettled, "sendto while addresses change");
	gens->gen[0] = 4;
	EXPECT(sent(fd, PEER, NULL), KERNELS, stale, "sendto, tables are old");
	tables("preference", false);
	EXPECT(sent(fd, PEER, NULL), BEST, sent, "sendto, tables are new");
	/* Nothing that could be gone is refused, so nothing is taken that could be gone. */
	nonlocal(1);
	EXPECT(udp(PEER), BEST, bound, "ip_nonlocal_bind, by tables that are new");
	tables("preference", true);
	gens->gen[0] += 2;
	gens->gen[1] += 2;
	EXPECT(udp(PEER), KERNELS, stale, "ip_nonlocal_bind: not by old tables");
	EXPECT(udp(PEER6), KERNELS6, stale, "the same, IPv6");
	nonlocal(0);
	EXPECT(udp(PEER), BEST, bind_failed, "without it old ones are good enough");
	tables("preference", false);
	gens->lease_ns = 1;
	EXPECT(udp(PEER), KERNELS, unsettled, "nobody keeps the tables");
	gens->lease_ns = ~0ull;
	EXPECT(udp(PEER), BEST, bound, "the module does");
	state->head[state->version & 1].doubt[0] = SELSRC_DOUBT_RULES;
	EXPECT(udp(PEER), KERNELS, doubt, "policy routing");
	state->head[state->version & 1].doubt[0] = 0;
	close(fd);
}

static void open_tap(void)
{
	tap = socket(AF_PACKET, SOCK_DGRAM | SOCK_NONBLOCK, htons(3 /* ETH_P_ALL */));
	if (tap < 0)
		ksft_bail("packet socket: %s", strerror(errno));
}

/* Once as it is, and once where the steps would have been too many. */
static void all_tests(bool race)
{
	printf("# %s\n", race ? "without steps" : "by steps");
	no_steps = race;
	tables("preference", false);
	attach(true);
	plain();
	messages();
	options();
	destinations();
	again();
	doubts();
	attach(false);
	gens->lease_ns = ~0ull - 1;
}

int main(void)
{
	ksft_plan(2 * (7 + 9 + 9 + 1 + 7 + 14));
	ksft_stay();	/* what is known from the last time is known to one processor */
	selsrc_begin();
	host();
	open_tap();
	all_tests(false);
	all_tests(true);
	return ksft_end();
}
