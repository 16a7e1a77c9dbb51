// SPDX-License-Identifier: GPL-2.0
/* settle.c - wait until what changes is visible to every lookup. */
#include <errno.h>
#include <string.h>
#include <unistd.h>
#include <libmnl/libmnl.h>
#include <linux/membarrier.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "settle.h"

#define LOOPBACK_IFINDEX	1	/* in every namespace */
#define GRACE_US		100000	/* where membarrier() cannot be had */

/*
 * RTM_SETLINK that sets nothing: the kernel takes rtnl and gives it back. It does so in
 * sendto(); the answer is there when that returns.
 */
static int pass_rtnl(struct mnl_socket *sk)
{
	char buf[256] __attribute__((aligned(NLMSG_ALIGNTO)));
	struct nlmsghdr *msg = mnl_nlmsg_put_header(buf);
	struct ifinfomsg *info = mnl_nlmsg_put_extra_header(msg, sizeof(*info));
	ssize_t got;

	msg->nlmsg_type = RTM_SETLINK;
	msg->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
	info->ifi_index = LOOPBACK_IFINDEX;
	if (mnl_socket_sendto(sk, msg, msg->nlmsg_len) < 0)
		return -errno;
	got = mnl_socket_recvfrom(sk, buf, sizeof(buf));
	if (got < 0 || mnl_cb_run(buf, got, 0, mnl_socket_get_portid(sk), NULL, NULL) < 0)
		return -errno;
	return 0;
}

/* MEMBARRIER_CMD_GLOBAL is synchronize_rcu(); not where a CPU runs without ticks. */
static void pass_rcu(void)
{
	if (syscall(__NR_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0))
		usleep(GRACE_US);
}

/* False: there will be no more. */
static bool wait_for_work(struct settle *s, unsigned int *asked)
{
	bool stop;

	pthread_mutex_lock(&s->lock);
	while (s->asked == s->done && !s->stop)
		pthread_cond_wait(&s->wanted, &s->lock);
	*asked = s->asked;
	stop = s->stop;
	pthread_mutex_unlock(&s->lock);
	return !stop;
}

static void finish(struct settle *s, unsigned int asked)
{
	pthread_mutex_lock(&s->lock);
	s->done = asked;
	pthread_mutex_unlock(&s->lock);
}

/* Without rtnl passed nothing is ever settled: plain lookup, and safe. */
static void *work(void *arg)
{
	struct settle *s = arg;
	unsigned int asked;

	while (wait_for_work(s, &asked)) {
		if (pass_rtnl(s->sk)) {
			usleep(GRACE_US);
			continue;
		}
		pass_rcu();
		finish(s, asked);
	}
	return NULL;
}

int settle_open(struct settle *s)
{
	int err;

	memset(s, 0, sizeof(*s));
	s->sk = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
	if (!s->sk)
		return -errno;
	if (mnl_socket_bind(s->sk, 0, MNL_SOCKET_AUTOPID))
		err = -errno;
	else
		err = pass_rtnl(s->sk);
	pthread_mutex_init(&s->lock, NULL);
	pthread_cond_init(&s->wanted, NULL);
	if (!err)
		err = -pthread_create(&s->thread, NULL, work, s);
	if (!err)
		return 0;
	mnl_socket_close(s->sk);
	s->sk = NULL;
	return err;
}

void settle_ask(struct settle *s)
{
	pthread_mutex_lock(&s->lock);
	s->asked++;
	pthread_cond_signal(&s->wanted);
	pthread_mutex_unlock(&s->lock);
}

bool settle_done(struct settle *s)
{
	bool done;

	pthread_mutex_lock(&s->lock);
	done = s->done == s->asked;
	pthread_mutex_unlock(&s->lock);
	return done;
}

void settle_close(struct settle *s)
{
	if (!s->sk)
		return;
	pthread_mutex_lock(&s->lock);
	s->stop = true;
	pthread_cond_signal(&s->wanted);
	pthread_mutex_unlock(&s->lock);
	pthread_join(s->thread, NULL);
	mnl_socket_close(s->sk);
}
