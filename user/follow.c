// SPDX-License-Identifier: GPL-2.0
/* follow.c - hear from rtnetlink what changes in the network namespace. */
#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <linux/netlink.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>

#include "follow.h"

#define NSEC		1000000000ull
#define MSEC		1000000ull
#define BUF_SIZE	65536	/* more than any notification */
#define BATCH		256	/* messages between two looks at the clock and the signals */

__u64 follow_now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * NSEC + ts.tv_nsec;
}

/* ---- reading -------------------------------------------------------------------- */

static void overrun(struct follow *f)
{
	f->lost = true;
	if (f->ops->overrun)
		f->ops->overrun(f->arg);
}

static void take_probe(struct follow *f, size_t len)
{
	const struct nlmsghdr *msg = (const void *)f->buf;
	__u64 sent_ns;

	if (!f->ops->probe || !mnl_nlmsg_ok(msg, len) ||
	    mnl_nlmsg_get_payload_len(msg) != sizeof(sent_ns))
		return;
	memcpy(&sent_ns, mnl_nlmsg_get_payload(msg), sizeof(sent_ns));
	f->ops->probe(f->arg, sent_ns);
}

/* What was in the queue before resync() is in what resync() will see. */
static void take_messages(struct follow *f, int len)
{
	const struct nlmsghdr *msg = (const void *)f->buf;

	for (; !f->lost && mnl_nlmsg_ok(msg, len); msg = mnl_nlmsg_next(msg, &len))
		f->ops->message(f->arg, msg);
}

/* Anybody with CAP_NET_ADMIN can write to us; only the kernel, port 0, is believed. */
static void take(struct follow *f, const struct sockaddr_nl *from, int flags, size_t len)
{
	if (!from->nl_pid && flags & MSG_TRUNC)
		overrun(f);
	else if (!from->nl_pid)
		take_messages(f, len);
	else if (f->probe_sk && from->nl_pid == mnl_socket_get_portid(f->probe_sk))
		take_probe(f, len);
}

/* 1: one was read; 0: none is waiting; negative errno. */
static int receive(struct follow *f)
{
	struct sockaddr_nl from = {};
	struct iovec iov = { f->buf, BUF_SIZE };
	struct msghdr hdr = {
		.msg_name = &from, .msg_namelen = sizeof(from), .msg_iov = &iov, .msg_iovlen = 1,
	};
	ssize_t got = recvmsg(mnl_socket_get_fd(f->sk), &hdr, MSG_DONTWAIT);

	if (got >= 0)
		take(f, &from, hdr.msg_flags, got);
	else if (errno == ENOBUFS)
		overrun(f);
	else if (errno == EAGAIN)
		return 0;
	else if (errno != EINTR)
		return -errno;
	return 1;
}

/*
 * Once it has lost one, the kernel loses all without a word until it sees the queue
 * empty: so that is when to look anew, not before. 1: there may be more.
 */
static int read_batch(struct follow *f)
{
	int i, ret = 1;

	for (i = 0; i < BATCH && ret > 0; i++)
		ret = receive(f);
	if (ret || !f->lost)
		return ret;
	f->lost = false;
	return f->ops->resync ? f->ops->resync(f->arg) : 0;
}

/* ---- waiting -------------------------------------------------------------------- */

/* Rounded up: who is woken a moment too early would only have to wait again. */
static int poll_ms(__u64 now_ns, __u64 due_ns)
{
	if (due_ns == FOLLOW_NEVER)
		return -1;
	if (due_ns <= now_ns)
		return 0;
	if (due_ns - now_ns > 3600 * NSEC)
		return 3600 * 1000;
	return (due_ns - now_ns + MSEC - 1) / MSEC;
}

static int wait_for(struct follow *f, int ms)
{
	struct pollfd fds[] = {
		{ .fd = mnl_socket_get_fd(f->sk), .events = POLLIN },
		{ .fd = f->signals, .events = POLLIN },
	};

	if (poll(fds, 2, ms) < 0 && errno != EINTR)
		return -errno;
	if (fds[1].revents)
		f->stop = true;
	return 0;
}

int follow_run(struct follow *f)
{
	__u64 now_ns, due_ns;
	int more;

	/* As after an overrun: whatever waits already is read before the first look. */
	f->lost = true;
	for (;;) {
		/* Before: who vouches for having read all means all until then. */
		now_ns = follow_now_ns();
		more = read_batch(f);
		if (more < 0)
			return more;
		due_ns = f->ops->due(f->arg, now_ns, !more);
		more = wait_for(f, more || f->stop ? 0 : poll_ms(follow_now_ns(), due_ns));
		if (more < 0 || f->stop)
			return more;
	}
}

/* ---- probes ----------------------------------------------------------------------- */

static struct mnl_socket *bound_socket(void)
{
	struct mnl_socket *sk = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
	int err;

	if (!sk || !mnl_socket_bind(sk, 0, MNL_SOCKET_AUTOPID))
		return sk;
	err = errno;
	mnl_socket_close(sk);
	errno = err;
	return NULL;
}

/* The clock is read before: the kernel's part of the way counts, too. */
static int send_probe(const struct follow *f)
{
	char buf[64] __attribute__((aligned(NLMSG_ALIGNTO)));
	struct nlmsghdr *msg = mnl_nlmsg_put_header(buf);
	struct sockaddr_nl to = {
		.nl_family = AF_NETLINK, .nl_pid = mnl_socket_get_portid(f->sk),
	};
	__u64 *sent_ns = mnl_nlmsg_put_extra_header(msg, sizeof(*sent_ns));

	msg->nlmsg_type = NLMSG_MIN_TYPE - 1;	/* no type of rtnetlink's */
	*sent_ns = follow_now_ns();
	/* A full queue: the overrun is told by itself. */
	if (sendto(mnl_socket_get_fd(f->probe_sk), msg, msg->nlmsg_len, MSG_DONTWAIT,
		   (struct sockaddr *)&to, sizeof(to)) < 0 && errno != EAGAIN)
		return -errno;
	return 0;
}

static void *probe_thread(void *arg)
{
	struct follow *f = arg;
	struct timespec pause = {
		f->probe_ms / 1000, f->probe_ms % 1000 * MSEC,
	};

	while (__atomic_load_n(&f->probing, __ATOMIC_RELAXED) && !send_probe(f))
		nanosleep(&pause, NULL);
	return NULL;
}

int follow_probe(struct follow *f, unsigned int ms)
{
	int err;

	f->probe_ms = ms;
	f->probe_sk = bound_socket();
	if (!f->probe_sk)
		return -errno;
	err = send_probe(f);
	if (err)
		return err;
	f->probing = true;
	err = -pthread_create(&f->prober, NULL, probe_thread, f);
	if (err)
		f->probing = false;
	return err;
}

static void end_probes(struct follow *f)
{
	if (f->probing) {
		__atomic_store_n(&f->probing, false, __ATOMIC_RELAXED);
		pthread_join(f->prober, NULL);
	}
	if (f->probe_sk)
		mnl_socket_close(f->probe_sk);
}

/* ---- opening ---------------------------------------------------------------------- */

static int open_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	if (sigprocmask(SIG_BLOCK, &set, NULL))
		return -errno;
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

/* RCVBUFFORCE goes beyond net.core.rmem_max, for those who may. */
static void size_queue(int fd, int bytes)
{
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes)))
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes));
}

static int join_groups(int fd, const unsigned int *groups)
{
	for (; *groups; groups++)
		if (setsockopt(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, groups,
			       sizeof(*groups)) && errno != EINVAL)
			return -errno;
	return 0;
}

void follow_first(void)
{
	struct sched_param param = { .sched_priority = 1 };

	if (sched_setscheduler(0, SCHED_FIFO | SCHED_RESET_ON_FORK, &param))
		setpriority(PRIO_PROCESS, 0, -20);
}

int follow_open(struct follow *f, const unsigned int *groups, int rcvbuf,
		const struct follow_ops *ops, void *arg)
{
	int err;

	memset(f, 0, sizeof(*f));
	f->ops = ops;
	f->arg = arg;
	f->signals = open_signals();
	f->buf = malloc(BUF_SIZE);
	f->sk = bound_socket();
	if (f->signals < 0 || !f->buf || !f->sk) {
		err = -errno;
	} else {
		size_queue(mnl_socket_get_fd(f->sk), rcvbuf);
		err = join_groups(mnl_socket_get_fd(f->sk), groups);
	}
	if (err)
		follow_close(f);
	return err;
}

void follow_close(struct follow *f)
{
	end_probes(f);
	if (f->sk)
		mnl_socket_close(f->sk);
	free(f->buf);
	if (f->signals >= 0)
		close(f->signals);
	memset(f, 0, sizeof(*f));
	f->signals = -1;
}
