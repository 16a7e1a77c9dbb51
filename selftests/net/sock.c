// SPDX-License-Identifier: GPL-2.0
/*
 * sock.c - sockets under test, driven by lines on stdin.
 *
 *	sock 4|6|mapped
 *
 * Each command is answered by one line, "ok ..." or "err COMMAND: reason", so
 * that the script decides what happens in which order. `mapped` is an IPv6
 * socket that talks IPv4. Several sockets at once: `use SLOT` selects one.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define SLOTS		64
#define PATIENCE_MS	3000
#define MAX_ARGS	4

static int slots[SLOTS];
static int cur;
static int family;
static int mapped;

struct command {
	const char *name;
	int (*run)(int argc, char **argv);	/* 0, or -1 with errno */
	const char *help;
};

static char reply[128];

static int wait_for(int fd, short events)
{
	struct pollfd p = { .fd = fd, .events = events };
	int n = poll(&p, 1, PATIENCE_MS);

	if (n == 0)
		errno = ETIMEDOUT;
	return n > 0 ? 0 : -1;
}

static int set_int(int level, int option, int value)
{
	return setsockopt(slots[cur], level, option, &value, sizeof(value));
}

/* The socket comes into being with the first command that needs it. */
static int need_socket(void)
{
	if (slots[cur] >= 0)
		return 0;
	slots[cur] = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (slots[cur] < 0)
		return -1;
	if (mapped)
		return set_int(IPPROTO_IPV6, IPV6_V6ONLY, 0);
	return 0;
}

static int to_addr(const char *text, const char *port, struct sockaddr_storage *ss)
{
	struct sockaddr_in6 *in6 = (void *)ss;
	struct sockaddr_in *in = (void *)ss;
	char buf[64];

	memset(ss, 0, sizeof(*ss));
	ss->ss_family = family;
	if (family == AF_INET) {
		in->sin_port = htons(atoi(port));
		return inet_pton(AF_INET, text, &in->sin_addr) == 1 ? 0 : -1;
	}
	snprintf(buf, sizeof(buf), "%s%s",
		 mapped && !strchr(text, ':') ? "::ffff:" : "", text);
	in6->sin6_port = htons(atoi(port));
	return inet_pton(AF_INET6, buf, &in6->sin6_addr) == 1 ? 0 : -1;
}

static socklen_t addr_len(void)
{
	return family == AF_INET ? sizeof(struct sockaddr_in) :
				   sizeof(struct sockaddr_in6);
}

/* ADDRESS and PORT, and a socket for them. */
static int need_addr(int argc, char **argv, struct sockaddr_storage *ss)
{
	errno = EINVAL;
	if (argc < 3 || to_addr(argv[1], argv[2], ss))
		return -1;
	return need_socket();
}

static int do_bind(int argc, char **argv)
{
	struct sockaddr_storage ss;

	if (need_addr(argc, argv, &ss))
		return -1;
	return bind(slots[cur], (void *)&ss, addr_len());
}

static int do_listen(int argc, char **argv)
{
	if (need_socket())
		return -1;
	return listen(slots[cur], argc > 1 ? atoi(argv[1]) : 128);
}

/* The accepted connection goes to the slot given, or the next, and is selected. */
static int do_accept(int argc, char **argv)
{
	int to = argc > 1 ? atoi(argv[1]) : cur + 1;
	int fd;

	errno = EINVAL;
	if (to < 0 || to >= SLOTS || wait_for(slots[cur], POLLIN))
		return -1;
	fd = accept4(slots[cur], NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd < 0)
		return -1;
	if (slots[to] >= 0)
		close(slots[to]);
	slots[to] = fd;
	cur = to;
	return 0;
}

static int do_connect(int argc, char **argv)
{
	struct sockaddr_storage ss;

	if (need_addr(argc, argv, &ss))
		return -1;
	if (!connect(slots[cur], (void *)&ss, addr_len()) || errno == EINPROGRESS)
		return 0;
	return -1;
}

static int do_connected(int argc, char **argv)
{
	socklen_t len = sizeof(int);
	int err = 0;

	(void)argc, (void)argv;
	if (wait_for(slots[cur], POLLOUT))
		return -1;
	if (getsockopt(slots[cur], SOL_SOCKET, SO_ERROR, &err, &len))
		return -1;
	errno = err;
	return err ? -1 : 0;
}

static int do_close(int argc, char **argv)
{
	int fd = slots[cur];

	(void)argc, (void)argv;
	slots[cur] = -1;
	return close(fd);
}

static int do_shutdown(int argc, char **argv)
{
	int how = SHUT_WR;

	if (argc > 1 && !strcmp(argv[1], "rd"))
		how = SHUT_RD;
	else if (argc > 1 && !strcmp(argv[1], "rdwr"))
		how = SHUT_RDWR;
	return shutdown(slots[cur], how);
}

static int do_send(int argc, char **argv)
{
	static const char data[65536];
	size_t len = argc > 1 ? strtoul(argv[1], NULL, 0) : 1;
	ssize_t n;

	if (len > sizeof(data))
		len = sizeof(data);
	n = send(slots[cur], data, len, MSG_NOSIGNAL);
	snprintf(reply, sizeof(reply), " %zd", n);
	return n < 0 ? -1 : 0;
}

/* 0 bytes: the peer's FIN. */
static int do_recv(int argc, char **argv)
{
	char data[65536];
	ssize_t n;

	(void)argc, (void)argv;
	if (wait_for(slots[cur], POLLIN))
		return -1;
	n = recv(slots[cur], data, sizeof(data), 0);
	snprintf(reply, sizeof(reply), " %zd", n);
	return n < 0 ? -1 : 0;
}

/* To the number that was said, or to another. */
static int set_word(int level, int name, int argc, char **argv, int otherwise)
{
	if (need_socket())
		return -1;
	return set_int(level, name, argc > 1 ? atoi(argv[1]) : otherwise);
}

static int do_reuse(int argc, char **argv)
{
	return set_word(SOL_SOCKET, SO_REUSEADDR, argc, argv, 1);
}

static int do_v6only(int argc, char **argv)
{
	return set_word(IPPROTO_IPV6, IPV6_V6ONLY, argc, argv, 1);
}

static int do_linger(int argc, char **argv)
{
	struct linger l = { .l_onoff = argc > 1 && strcmp(argv[1], "off") };

	if (l.l_onoff)
		l.l_linger = atoi(argv[1]);
	return setsockopt(slots[cur], SOL_SOCKET, SO_LINGER, &l, sizeof(l));
}

static int do_linger2(int argc, char **argv)
{
	return set_int(IPPROTO_TCP, TCP_LINGER2, argc > 1 ? atoi(argv[1]) : 0);
}

static int do_user_timeout(int argc, char **argv)
{
	return set_int(IPPROTO_TCP, TCP_USER_TIMEOUT, argc > 1 ? atoi(argv[1]) : 0);
}

static int do_rcvbuf(int argc, char **argv)
{
	return set_word(SOL_SOCKET, SO_RCVBUF, argc, argv, 4096);
}

static int do_device(int argc, char **argv)
{
	const char *dev = argc > 1 ? argv[1] : "";

	if (need_socket())
		return -1;
	return setsockopt(slots[cur], SOL_SOCKET, SO_BINDTODEVICE, dev, strlen(dev));
}

static int do_mark(int argc, char **argv)
{
	return set_word(SOL_SOCKET, SO_MARK, argc, argv, 0);
}

static int do_tos(int argc, char **argv)
{
	int tos = argc > 1 ? strtol(argv[1], NULL, 0) : 0;

	if (need_socket())
		return -1;
	if (family == AF_INET6 && !mapped)
		return set_int(IPPROTO_IPV6, IPV6_TCLASS, tos);
	return set_int(IPPROTO_IP, IP_TOS, tos);
}

static int do_port(int argc, char **argv)
{
	struct sockaddr_in6 sa;
	socklen_t len = sizeof(sa);

	(void)argc, (void)argv;
	if (getsockname(slots[cur], (void *)&sa, &len))
		return -1;
	snprintf(reply, sizeof(reply), " %u", ntohs(sa.sin6_port));
	return 0;
}

static int do_state(int argc, char **argv)
{
	static const char *const names[] = {
		"?", "ESTAB", "SYN-SENT", "SYN-RECV", "FIN-WAIT-1", "FIN-WAIT-2",
		"TIME-WAIT", "UNCONN", "CLOSE-WAIT", "LAST-ACK", "LISTEN", "CLOSING",
	};
	struct tcp_info ti = {};
	socklen_t len = sizeof(ti);

	(void)argc, (void)argv;
	if (getsockopt(slots[cur], IPPROTO_TCP, TCP_INFO, &ti, &len))
		return -1;
	snprintf(reply, sizeof(reply), " %s",
		 ti.tcpi_state < 12 ? names[ti.tcpi_state] : "?");
	return 0;
}

static int do_use(int argc, char **argv)
{
	int n = argc > 1 ? atoi(argv[1]) : 0;

	errno = EINVAL;
	if (n < 0 || n >= SLOTS)
		return -1;
	cur = n;
	return 0;
}

static int do_help(int argc, char **argv);

static const struct command commands[] = {
	{ "use",	do_use,		"SLOT: the socket that commands are for" },
	{ "bind",	do_bind,	"ADDR PORT" },
	{ "listen",	do_listen,	"[BACKLOG]" },
	{ "accept",	do_accept,	"[SLOT]: wait for a connection" },
	{ "connect",	do_connect,	"ADDR PORT: begin, do not wait" },
	{ "connected",	do_connected,	"wait until connect is done" },
	{ "close",	do_close,	"" },
	{ "shutdown",	do_shutdown,	"[wr|rd|rdwr]" },
	{ "send",	do_send,	"BYTES" },
	{ "recv",	do_recv,	"wait for data or FIN; replies bytes" },
	{ "reuse",	do_reuse,	"0|1: SO_REUSEADDR" },
	{ "v6only",	do_v6only,	"0|1" },
	{ "linger",	do_linger,	"SECONDS|off: SO_LINGER" },
	{ "linger2",	do_linger2,	"SECONDS: TCP_LINGER2" },
	{ "user-timeout", do_user_timeout, "MS" },
	{ "rcvbuf",	do_rcvbuf,	"BYTES" },
	{ "device",	do_device,	"NAME: SO_BINDTODEVICE" },
	{ "mark",	do_mark,	"N: SO_MARK" },
	{ "tos",	do_tos,		"N: DSCP and ECN of what it sends" },
	{ "port",	do_port,	"local port" },
	{ "state",	do_state,	"TCP state" },
	{ "help",	do_help,	"" },
};

#define N_COMMANDS	(sizeof(commands) / sizeof(commands[0]))

static int do_help(int argc, char **argv)
{
	(void)argc, (void)argv;
	for (size_t i = 0; i < N_COMMANDS; i++)
		printf("# %-12s %s\n", commands[i].name, commands[i].help);
	return 0;
}

static int run(int argc, char **argv)
{
	for (size_t i = 0; i < N_COMMANDS; i++)
		if (!strcmp(commands[i].name, argv[0]))
			return commands[i].run(argc, argv);
	errno = ENOSYS;
	return -1;
}

static void answer(char *line)
{
	char *argv[MAX_ARGS + 1];
	int argc = 0;

	for (char *s = strtok(line, " \t\n"); s && argc < MAX_ARGS; s = strtok(NULL, " \t\n"))
		argv[argc++] = s;
	if (!argc)
		return;
	reply[0] = 0;
	if (run(argc, argv))
		printf("err %s: %s\n", argv[0], strerrorname_np(errno));
	else
		printf("ok%s\n", reply);
}

int main(int argc, char **argv)
{
	char line[256];

	if (argc != 2 || !strchr("46m", argv[1][0])) {
		fprintf(stderr, "usage: sock 4|6|mapped\n");
		return 1;
	}
	family = argv[1][0] == '4' ? AF_INET : AF_INET6;
	mapped = argv[1][0] == 'm';
	for (int i = 0; i < SLOTS; i++)
		slots[i] = -1;
	signal(SIGPIPE, SIG_IGN);
	setvbuf(stdout, NULL, _IOLBF, 0);
	while (fgets(line, sizeof(line), stdin))
		answer(line);
	return 0;
}
