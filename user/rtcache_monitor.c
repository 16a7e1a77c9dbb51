// SPDX-License-Identifier: GPL-2.0
/* rtcache_monitor.c - `vestige rtcache monitor`: what makes copies of routes stale, live. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <linux/genetlink.h>
#include <sys/signalfd.h>
#include <sys/socket.h>

#include <uapi/linux/vestige_rtcache.h>

#include "cmd.h"
#include "out.h"
#include "rtcache.h"
#include "rtcache_event.h"
#include "rtcache_nl.h"

#define RCVBUF		(1 << 20)
#define LOOK_MS		1000	/* is the module still there? */

static void read_prefix(const struct nlattr *attr, struct rtcache_event *ev)
{
	size_t len = mnl_attr_get_payload_len(attr);

	if (len != 4 && len != 16)
		return;
	ev->prefix_len = len;
	memcpy(ev->prefix, mnl_attr_get_payload(attr), len);
}

static void read_attr(const struct nlattr *attr, struct rtcache_event *ev)
{
	switch (mnl_attr_get_type(attr)) {
	case VESTIGE_RTCACHE_A_FAMILY:
		ev->family = mnl_attr_get_u8(attr);
		break;
	case VESTIGE_RTCACHE_A_REASON:
		ev->reason = rtcache_reason_name(mnl_attr_get_u32(attr));
		break;
	case VESTIGE_RTCACHE_A_GEN:
		ev->gen = mnl_attr_get_u64(attr);
		break;
	case VESTIGE_RTCACHE_A_OBSTACLES:
		ev->obstacles = mnl_attr_get_u32(attr);
		break;
	case VESTIGE_RTCACHE_A_COUNT:
		ev->count = mnl_attr_get_u32(attr);
		break;
	case VESTIGE_RTCACHE_A_PREFIX:
		read_prefix(attr, ev);
		break;
	case VESTIGE_RTCACHE_A_PLEN:
		ev->plen = mnl_attr_get_u8(attr);
		break;
	case VESTIGE_RTCACHE_A_IFINDEX:
		ev->ifindex = mnl_attr_get_u32(attr);
		break;
	}
}

static int print_event(const struct nlmsghdr *msg, void *arg)
{
	const struct genlmsghdr *genl = mnl_nlmsg_get_payload(msg);
	struct rtcache_event ev = { .reason = "unknown" };
	const struct nlattr *attr;

	(void)arg;
	if (genl->cmd != VESTIGE_RTCACHE_CMD_EVENT)
		return MNL_CB_OK;
	mnl_attr_for_each(attr, msg, sizeof(*genl))
		read_attr(attr, &ev);
	rtcache_event_print(&ev);
	return MNL_CB_OK;
}

static void say_lost(void)
{
	if (out.json)
		puts("{\"reason\":\"lost\"}");
	else
		p_warn("events came too fast; some are missing here");
}

/* ---- life ---------------------------------------------------------------------------- */

static int open_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, NULL);
	return signalfd(-1, &set, SFD_CLOEXEC);
}

/* EXIT_OK, or it has been said. */
static int take(struct rtcache_nl *nl)
{
	char buf[32768] __attribute__((aligned(NLMSG_ALIGNTO)));
	ssize_t got = recv(mnl_socket_get_fd(nl->sk), buf, sizeof(buf), MSG_DONTWAIT);

	if (got >= 0 && mnl_cb_run(buf, got, 0, 0, print_event, NULL) >= 0)
		return EXIT_OK;
	if (errno == ENOBUFS) {
		say_lost();
		return EXIT_OK;
	}
	if (errno == EAGAIN || errno == EINTR)
		return EXIT_OK;
	p_err("monitor: %s", strerror(errno));
	return EXIT_REFUSED;
}

static int watch(struct rtcache_nl *nl, int signals)
{
	struct pollfd fds[] = {
		{ .fd = mnl_socket_get_fd(nl->sk), .events = POLLIN },
		{ .fd = signals, .events = POLLIN },
	};
	int n, err;

	for (;;) {
		n = poll(fds, 2, LOOK_MS);
		if ((n < 0 && errno != EINTR) || (n > 0 && fds[1].revents) || ferror(stdout))
			return EXIT_OK;
		err = n > 0 ? take(nl) : EXIT_OK;
		if (err)
			return err;
		if (!n && !rtcache_nl_present()) {
			p_err("monitor: the module is gone: there is nothing more to watch");
			return EXIT_REFUSED;
		}
	}
}

/* GET after joining: so the kernel knows that somebody wants to know. */
static int start(struct rtcache_nl *nl)
{
	int size = RCVBUF;
	int err;

	setsockopt(mnl_socket_get_fd(nl->sk), SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	err = rtcache_nl_join(nl);
	if (!err)
		err = rtcache_nl_get(nl, print_event, NULL);
	return err;
}

int rtcache_monitor(int argc, char **argv)
{
	struct rtcache_nl nl;
	int signals, err;

	if (argc) {
		p_err("monitor: '%s' is one word too many", argv[0]);
		return EXIT_USAGE;
	}
	err = rtcache_nl_open(&nl);
	if (err)
		return rtcache_nl_refused("monitor", err);
	signals = open_signals();
	err = start(&nl);
	err = err ? rtcache_nl_refused("monitor", err) : watch(&nl, signals);
	rtcache_nl_close(&nl);
	close(signals);
	return err;
}
