// SPDX-License-Identifier: GPL-2.0
/*
 * holder.c - holds one socket, hands it to `vestige gre add NAME fd N`, and then tries
 * what its owner may and may not do.
 *
 *	holder VESTIGE-COMMAND
 *
 * Commands on stdin, one reply each: "ok ..." or "err ERRNO-NAME".
 *
 *	open udp|raw|tcp|unix|icmp 4|6	instead of the socket before
 *	bind ADDR PORT | connect ADDR PORT | disconnect
 *	mark N | dev NAME | ttl N | tos N | rcvbuf N	socket options
 *	encap		somebody else's: ESP in UDP
 *	filter N	a socket filter that lets N bytes of each packet through
 *	policy in|out REQID | policy none	IPsec: ESP in transport mode
 *	stamps		what is sent leaves a time stamp in the error queue
 *	nothing		a descriptor that is no socket, from here on
 *	add NAME WORDS...	vestige gre add NAME fd N WORDS; its line follows "err 2"
 *	recv | peek | recvmmsg | read | poll	without waiting
 *	errors		how many were in the error queue, which is empty now
 *	send HEX		on the socket itself
 *	dup | undup | pass	a second descriptor; closing it; one in a socket's queue
 *	close
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <linux/filter.h>
#include <linux/net_tstamp.h>
#include <linux/xfrm.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#define MAX_WORDS 40

static const char *vestige;
static int sk = -1, second = -1, family, queue[2] = { -1, -1 };
static char *words[MAX_WORDS + 1];
static int nr_words;

static void reply(int ret)
{
	if (ret < 0)
		printf("err %s\n", strerrorname_np(errno));
	else
		printf("ok %d\n", ret);
}

static int word_number(int i)
{
	return i < nr_words ? atoi(words[i]) : 0;
}

static void do_open(void)
{
	static const struct { const char *name; int type, proto; } kinds[] = {
		{ "udp", SOCK_DGRAM, 0 }, { "raw", SOCK_RAW, IPPROTO_GRE },
		{ "tcp", SOCK_STREAM, 0 }, { "icmp", SOCK_RAW, IPPROTO_ICMP },
		{ "udplite", SOCK_DGRAM, IPPROTO_UDPLITE },
	};
	int on = 1;
	size_t i;

	if (sk >= 0)
		close(sk);
	sk = -1;
	errno = EINVAL;
	family = word_number(2) == 6 ? AF_INET6 : AF_INET;
	if (!strcmp(words[1], "unix"))
		sk = socket(AF_UNIX, SOCK_DGRAM, 0);
	for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (!strcmp(words[1], kinds[i].name))
			sk = socket(family, kinds[i].type, kinds[i].proto);
	if (sk >= 0 && family == AF_INET6 && word_number(3) != 46)
		setsockopt(sk, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
	reply(sk);
}

static socklen_t address(struct sockaddr_storage *addr)
{
	struct sockaddr_in6 *v6 = (void *)addr;
	struct sockaddr_in *v4 = (void *)addr;

	memset(addr, 0, sizeof(*addr));
	addr->ss_family = family;
	if (family == AF_INET) {
		inet_pton(AF_INET, words[1], &v4->sin_addr);
		v4->sin_port = htons(word_number(2));
		return sizeof(*v4);
	}
	inet_pton(AF_INET6, words[1], &v6->sin6_addr);
	v6->sin6_port = htons(word_number(2));
	return sizeof(*v6);
}

static void do_bind(void)
{
	struct sockaddr_storage addr;
	socklen_t len = address(&addr);

	reply(bind(sk, (void *)&addr, len));
}

static void do_connect(void)
{
	struct sockaddr_storage addr;
	socklen_t len = address(&addr);

	reply(connect(sk, (void *)&addr, len));
}

static void do_disconnect(void)
{
	struct sockaddr addr = { .sa_family = AF_UNSPEC };

	reply(connect(sk, &addr, sizeof(addr)));
}

static void set(int level, int name, int value)
{
	reply(setsockopt(sk, level, name, &value, sizeof(value)));
}

static void do_filter(void)
{
	struct sock_filter code = BPF_STMT(BPF_RET | BPF_K, word_number(1));
	struct sock_fprog filter = { .len = 1, .filter = &code };

	reply(setsockopt(sk, SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof(filter)));
}

/* A socket policy: for whatever it sends or receives. */
static void do_policy(void)
{
	int level = family == AF_INET ? IPPROTO_IP : IPPROTO_IPV6;
	int name = family == AF_INET ? IP_XFRM_POLICY : IPV6_XFRM_POLICY;
	struct {
		struct xfrm_userpolicy_info info;
		struct xfrm_user_tmpl tmpl;
	} policy = {
		.info = {
			.sel.family = family,
			.lft = { XFRM_INF, XFRM_INF, XFRM_INF, XFRM_INF },
			.action = XFRM_POLICY_ALLOW,
			.dir = strcmp(words[1], "in") ? XFRM_POLICY_OUT : XFRM_POLICY_IN,
		},
		.tmpl = {
			.id.proto = IPPROTO_ESP,
			.family = family,
			.reqid = word_number(2),
			.mode = XFRM_MODE_TRANSPORT,
			.aalgos = ~0u, .ealgos = ~0u, .calgos = ~0u,
		},
	};

	if (strcmp(words[1], "none"))
		reply(setsockopt(sk, level, name, &policy, sizeof(policy)));
	else
		reply(setsockopt(sk, level, name, NULL, 0));
}

/* The first line that it prints, and its status. */
static void do_add(void)
{
	char fd[16], line[1024] = "";
	int out[2], status, i, n = 5;
	char *argv[MAX_WORDS + 8] = { (char *)vestige, "gre", "add", words[1], "fd", fd };
	ssize_t len;

	snprintf(fd, sizeof(fd), "%d", sk);
	for (i = 2; i < nr_words; i++)
		argv[++n] = words[i];
	argv[++n] = NULL;
	if (pipe(out) || sk < 0) {
		reply(-1);
		return;
	}
	if (!fork()) {
		dup2(out[1], 1);
		dup2(out[1], 2);
		execv(vestige, argv);
		_exit(127);
	}
	close(out[1]);
	len = read(out[0], line, sizeof(line) - 1);
	line[len > 0 ? len : 0] = '\0';
	line[strcspn(line, "\n")] = '\0';
	close(out[0]);
	wait(&status);
	if (WIFEXITED(status) && !WEXITSTATUS(status))
		printf("ok %s\n", line);
	else
		printf("err %d %s\n", WEXITSTATUS(status), line);
}

static void do_recv(int flags)
{
	char buf[2048];

	reply(recv(sk, buf, sizeof(buf), flags | MSG_DONTWAIT));
}

static void do_errors(void)
{
	char buf[2048], control[512];
	struct iovec iov = { buf, sizeof(buf) };
	int n = 0;

	for (;; n++) {
		struct msghdr msg = {
			.msg_iov = &iov, .msg_iovlen = 1,
			.msg_control = control, .msg_controllen = sizeof(control),
		};

		if (recvmsg(sk, &msg, MSG_ERRQUEUE | MSG_DONTWAIT) < 0)
			break;
	}
	reply(errno == EAGAIN ? n : -1);
}

static void do_recvmmsg(void)
{
	char buf[2048];
	struct iovec iov = { buf, sizeof(buf) };
	struct mmsghdr msg = { .msg_hdr = { .msg_iov = &iov, .msg_iovlen = 1 } };

	reply(recvmmsg(sk, &msg, 1, MSG_DONTWAIT, NULL));
}

static void do_poll(void)
{
	struct pollfd pfd = { .fd = sk, .events = POLLIN };

	reply(poll(&pfd, 1, 0));
}

static void do_send(void)
{
	uint8_t buf[2048];
	size_t len = 0;
	const char *hex = nr_words > 1 ? words[1] : "";
	unsigned int byte;

	for (; sscanf(hex, "%2x", &byte) == 1 && hex[1]; hex += 2)
		buf[len++] = byte;
	reply(send(sk, buf, len, 0));
}

/* Into the queue of a unix socket: a file that nobody has open. */
static void do_pass(void)
{
	char control[CMSG_SPACE(sizeof(int))] = {}, byte = 0;
	struct iovec iov = { &byte, 1 };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = control, .msg_controllen = sizeof(control),
	};
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(&msg);

	cmsg->cmsg_level = SOL_SOCKET;
	cmsg->cmsg_type = SCM_RIGHTS;
	cmsg->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(cmsg), &sk, sizeof(sk));
	if (queue[0] < 0 && socketpair(AF_UNIX, SOCK_DGRAM, 0, queue))
		reply(-1);
	else
		reply(sendmsg(queue[0], &msg, 0));
}

static void do_close(int *fd)
{
	reply(close(*fd));
	*fd = -1;
}

/* False: it is none. */
static bool run_option(const char *word)
{
	int level = family == AF_INET ? IPPROTO_IP : IPPROTO_IPV6;

	if (!strcmp(word, "mark"))
		set(SOL_SOCKET, SO_MARK, word_number(1));
	else if (!strcmp(word, "dev"))
		reply(setsockopt(sk, SOL_SOCKET, SO_BINDTODEVICE, words[1], strlen(words[1])));
	else if (!strcmp(word, "ttl"))
		set(level, family == AF_INET ? IP_TTL : IPV6_UNICAST_HOPS, word_number(1));
	else if (!strcmp(word, "tos"))
		set(level, family == AF_INET ? IP_TOS : IPV6_TCLASS, word_number(1));
	else if (!strcmp(word, "rcvbuf"))
		set(SOL_SOCKET, SO_RCVBUF, word_number(1));
	else if (!strcmp(word, "encap"))
		set(IPPROTO_UDP, UDP_ENCAP, UDP_ENCAP_ESPINUDP);
	else if (!strcmp(word, "filter"))
		do_filter();
	else if (!strcmp(word, "policy"))
		do_policy();
	else if (!strcmp(word, "stamps"))
		set(SOL_SOCKET, SO_TIMESTAMPING,
		    SOF_TIMESTAMPING_TX_SOFTWARE | SOF_TIMESTAMPING_SOFTWARE);
	else
		return false;
	return true;
}

static void run(const char *word)
{
	if (!strcmp(word, "open"))
		do_open();
	else if (!strcmp(word, "bind"))
		do_bind();
	else if (!strcmp(word, "connect"))
		do_connect();
	else if (!strcmp(word, "disconnect"))
		do_disconnect();
	else if (!strcmp(word, "nothing"))
		reply(dup2(open("/dev/null", O_RDWR), sk));
	else if (!strcmp(word, "add"))
		do_add();
	else if (!strcmp(word, "recv") || !strcmp(word, "peek"))
		do_recv(*word == 'p' ? MSG_PEEK : 0);
	else if (!strcmp(word, "recvmmsg"))
		do_recvmmsg();
	else if (!strcmp(word, "errors"))
		do_errors();
	else if (!strcmp(word, "poll"))
		do_poll();
	else if (!strcmp(word, "send"))
		do_send();
	else if (!strcmp(word, "dup"))
		reply(second = dup(sk));
	else if (!strcmp(word, "undup"))
		do_close(&second);
	else if (!strcmp(word, "pass"))
		do_pass();
	else if (!strcmp(word, "close"))
		do_close(&sk);
	else if (!run_option(word))
		puts("err unknown");
}

int main(int argc, char **argv)
{
	char line[4096], *word;

	if (argc != 2)
		return 2;
	vestige = argv[1];
	setvbuf(stdout, NULL, _IOLBF, 0);
	while (fgets(line, sizeof(line), stdin)) {
		nr_words = 0;
		for (word = strtok(line, " \n"); word && nr_words < MAX_WORDS;
		     word = strtok(NULL, " \n"))
			words[nr_words++] = word;
		words[nr_words] = NULL;
		if (nr_words)
			run(words[0]);
	}
	return 0;
}
