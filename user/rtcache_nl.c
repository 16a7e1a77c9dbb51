// SPDX-License-Identifier: GPL-2.0
/* rtcache_nl.c - the module's generic netlink family. */
#include <errno.h>
#include <string.h>
#include <linux/genetlink.h>
#include <sys/socket.h>

#include <uapi/linux/vestige_rtcache.h>
#include <vestige/rtcache.h>

#include "cmd.h"
#include "out.h"
#include "rtcache_nl.h"

#define ANSWER_SIZE	32768

/* ---- asking ---------------------------------------------------------------------- */

/* Until the acknowledgement that every request of ours asks for. */
static int receive(struct rtcache_nl *nl, __u32 seq, mnl_cb_t fn, void *arg)
{
	char buf[ANSWER_SIZE] __attribute__((aligned(NLMSG_ALIGNTO)));
	ssize_t got;
	int ret;

	do {
		got = mnl_socket_recvfrom(nl->sk, buf, sizeof(buf));
		ret = got < 0 ? MNL_CB_ERROR :
				mnl_cb_run(buf, got, seq, mnl_socket_get_portid(nl->sk), fn, arg);
	} while (ret > MNL_CB_STOP);
	return ret < 0 ? -errno : 0;
}

static int talk(struct rtcache_nl *nl, struct nlmsghdr *msg, mnl_cb_t fn, void *arg)
{
	static __u32 seq;

	msg->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
	msg->nlmsg_seq = ++seq;
	if (mnl_socket_sendto(nl->sk, msg, msg->nlmsg_len) < 0)
		return -errno;
	return receive(nl, msg->nlmsg_seq, fn, arg);
}

static struct nlmsghdr *request(void *buf, __u16 family, __u8 cmd, __u8 version)
{
	struct nlmsghdr *msg = mnl_nlmsg_put_header(buf);
	struct genlmsghdr *genl = mnl_nlmsg_put_extra_header(msg, sizeof(*genl));

	msg->nlmsg_type = family;
	genl->cmd = cmd;
	genl->version = version;
	return msg;
}

/* ---- finding the family ------------------------------------------------------------ */

static void read_group(const struct nlattr *group, struct rtcache_nl *nl)
{
	const struct nlattr *attr;
	const char *name = "";
	__u32 id = 0;

	mnl_attr_for_each_nested(attr, group) {
		if (mnl_attr_get_type(attr) == CTRL_ATTR_MCAST_GRP_NAME)
			name = mnl_attr_get_str(attr);
		else if (mnl_attr_get_type(attr) == CTRL_ATTR_MCAST_GRP_ID)
			id = mnl_attr_get_u32(attr);
	}
	if (!strcmp(name, VESTIGE_RTCACHE_EVENTS))
		nl->events = id;
}

static int read_family(const struct nlmsghdr *msg, void *arg)
{
	const struct nlattr *attr, *group;
	struct rtcache_nl *nl = arg;

	mnl_attr_for_each(attr, msg, sizeof(struct genlmsghdr)) {
		if (mnl_attr_get_type(attr) == CTRL_ATTR_FAMILY_ID)
			nl->family = mnl_attr_get_u16(attr);
		else if (mnl_attr_get_type(attr) == CTRL_ATTR_MCAST_GROUPS)
			mnl_attr_for_each_nested(group, attr)
				read_group(group, nl);
	}
	return MNL_CB_OK;
}

static int resolve(struct rtcache_nl *nl)
{
	char buf[256] __attribute__((aligned(NLMSG_ALIGNTO)));
	struct nlmsghdr *msg = request(buf, GENL_ID_CTRL, CTRL_CMD_GETFAMILY, 1);

	mnl_attr_put_strz(msg, CTRL_ATTR_FAMILY_NAME, VESTIGE_RTCACHE_NAME);
	return talk(nl, msg, read_family, nl);
}

int rtcache_nl_open(struct rtcache_nl *nl)
{
	int err;

	memset(nl, 0, sizeof(*nl));
	nl->sk = mnl_socket_open2(NETLINK_GENERIC, SOCK_CLOEXEC);
	if (!nl->sk)
		return -errno;
	err = mnl_socket_bind(nl->sk, 0, MNL_SOCKET_AUTOPID) ? -errno : resolve(nl);
	if (!err)
		return 0;
	rtcache_nl_close(nl);
	return err;
}

void rtcache_nl_close(struct rtcache_nl *nl)
{
	if (nl->sk)
		mnl_socket_close(nl->sk);
	nl->sk = NULL;
}

int rtcache_nl_refused(const char *what, int err)
{
	if (err == -ENOENT)
		p_err("%s: the module is not loaded: modprobe vestige; or use 'vestige rtcache "
		      "follow', which does without", what);
	else if (err == -EPERM)
		p_err("needs root; try again with sudo");
	else
		p_err("%s: the module cannot be asked: %s", what, strerror(-err));
	return EXIT_REFUSED;
}

bool rtcache_nl_present(void)
{
	struct rtcache_nl nl;

	if (rtcache_nl_open(&nl))
		return false;
	rtcache_nl_close(&nl);
	return true;
}

/* ---- requests ------------------------------------------------------------------------ */

int rtcache_nl_get(struct rtcache_nl *nl, mnl_cb_t fn, void *arg)
{
	char buf[256] __attribute__((aligned(NLMSG_ALIGNTO)));

	return talk(nl, request(buf, nl->family, VESTIGE_RTCACHE_CMD_GET,
				VESTIGE_RTCACHE_VERSION), fn, arg);
}

int rtcache_nl_flush(struct rtcache_nl *nl, __u32 families)
{
	char buf[256] __attribute__((aligned(NLMSG_ALIGNTO)));
	struct nlmsghdr *msg = request(buf, nl->family, VESTIGE_RTCACHE_CMD_FLUSH,
				       VESTIGE_RTCACHE_VERSION);

	if (families == 1 << RTCACHE_INET)
		mnl_attr_put_u8(msg, VESTIGE_RTCACHE_A_FAMILY, RTCACHE_INET);
	else if (families == 1 << RTCACHE_INET6)
		mnl_attr_put_u8(msg, VESTIGE_RTCACHE_A_FAMILY, RTCACHE_INET6);
	return talk(nl, msg, NULL, NULL);
}

int rtcache_nl_join(struct rtcache_nl *nl)
{
	if (!nl->events)
		return -EPROTO;
	return mnl_socket_setsockopt(nl->sk, NETLINK_ADD_MEMBERSHIP, &nl->events,
				     sizeof(nl->events)) ? -errno : 0;
}
