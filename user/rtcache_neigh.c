// SPDX-License-Identifier: GPL-2.0
/* rtcache_neigh.c - the neighbours that there are, learnt once. */
#include <errno.h>
#include <libmnl/libmnl.h>
#include <vestige/rtevent.h>

#include "rtcache_neigh.h"

#define TRIES		10
#define ANSWER_SIZE	32768	/* the kernel fills no more than this at once */

static int learn(const struct nlmsghdr *msg, void *memory)
{
	struct rtneigh n;

	if (rtevent_is_neigh(msg) && rtevent_read_neigh(msg, &n))
		rtneigh_changed(memory, &n);
	return MNL_CB_OK;
}

static int dump(struct mnl_socket *sk, struct rtneigh_memory *memory)
{
	char buf[ANSWER_SIZE] __attribute__((aligned(NLMSG_ALIGNTO)));
	struct nlmsghdr *req = mnl_nlmsg_put_header(buf);
	ssize_t got;
	int ret;

	req->nlmsg_type = RTM_GETNEIGH;
	req->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	mnl_nlmsg_put_extra_header(req, sizeof(struct ndmsg));
	if (mnl_socket_sendto(sk, req, req->nlmsg_len) < 0)
		return -errno;
	do {
		got = mnl_socket_recvfrom(sk, buf, sizeof(buf));
		ret = got < 0 ? MNL_CB_ERROR :
				mnl_cb_run(buf, got, 0, mnl_socket_get_portid(sk), learn, memory);
	} while (ret > MNL_CB_STOP);
	return ret < 0 ? -errno : 0;
}

static int dump_once(struct rtneigh_memory *memory)
{
	struct mnl_socket *sk = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
	int ret;

	if (!sk)
		return -errno;
	rtneigh_clear(memory, 1);
	ret = mnl_socket_bind(sk, 0, MNL_SOCKET_AUTOPID) < 0 ? -errno : dump(sk, memory);
	mnl_socket_close(sk);
	return ret;
}

void rtcache_neigh_learn(struct rtneigh_memory *memory)
{
	int tries, ret = -EINTR;

	/* Something changed while the kernel was telling: what it told may have holes. */
	for (tries = 0; tries < TRIES && ret == -EINTR; tries++)
		ret = dump_once(memory);
	if (ret)
		rtneigh_clear(memory, 0);
}
