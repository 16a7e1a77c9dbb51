// SPDX-License-Identifier: GPL-2.0
/* link.c - RTM_NEWLINK, RTM_DELLINK and RTM_GETLINK. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <linux/net_namespace.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include "link.h"
#include "ns.h"

#define TRIES		10
#define ANSWER_SIZE	32768	/* the kernel fills no more than this at once */

static struct mnl_socket *open_socket(void)
{
	struct mnl_socket *sk = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
	int on = 1, err;

	if (!sk)
		return NULL;
	/* Without them it works as well, only with less to say. */
	mnl_socket_setsockopt(sk, NETLINK_EXT_ACK, &on, sizeof(on));
	mnl_socket_setsockopt(sk, NETLINK_CAP_ACK, &on, sizeof(on));
	if (!mnl_socket_bind(sk, 0, MNL_SOCKET_AUTOPID))
		return sk;
	err = errno;
	mnl_socket_close(sk);
	errno = err;
	return NULL;
}

/* The text of the kernel stands behind the header that it repeats. */
static void read_said(const struct nlmsghdr *msg, char *said)
{
	size_t body = sizeof(struct nlmsgerr);
	const struct nlattr *attr;

	if (!(msg->nlmsg_flags & NLM_F_ACK_TLVS) || mnl_nlmsg_get_payload_len(msg) < body)
		return;
	mnl_attr_for_each(attr, msg, body)
		if (mnl_attr_get_type(attr) == NLMSGERR_ATTR_MSG)
			snprintf(said, LINK_SAIDLEN, "%.*s",
				 (int)mnl_attr_get_payload_len(attr), mnl_attr_get_str(attr));
}

static int read_ack(const struct nlmsghdr *msg, char *said)
{
	const struct nlmsgerr *err = mnl_nlmsg_get_payload(msg);

	if (msg->nlmsg_type != NLMSG_ERROR || mnl_nlmsg_get_payload_len(msg) < sizeof(*err))
		return -EBADMSG;
	read_said(msg, said);
	return err->error;
}

int link_talk(struct nlmsghdr *req, char *said)
{
	char buf[ANSWER_SIZE] __attribute__((aligned(NLMSG_ALIGNTO)));
	struct mnl_socket *sk = open_socket();
	ssize_t got = -1;
	int ret;

	said[0] = '\0';
	if (!sk)
		return -errno;
	if (mnl_socket_sendto(sk, req, req->nlmsg_len) >= 0)
		got = mnl_socket_recvfrom(sk, buf, sizeof(buf));
	if (got < 0)
		ret = -errno;
	else
		ret = mnl_nlmsg_ok((void *)buf, got) ? read_ack((void *)buf, said) : -EBADMSG;
	mnl_socket_close(sk);
	return ret;
}

struct nlmsghdr *link_request(void *buf, int type, int flags, int ifindex)
{
	struct nlmsghdr *req = mnl_nlmsg_put_header(buf);
	struct ifinfomsg *info = mnl_nlmsg_put_extra_header(req, sizeof(*info));

	req->nlmsg_type = type;
	req->nlmsg_flags = NLM_F_REQUEST | flags;
	info->ifi_family = AF_UNSPEC;
	info->ifi_index = ifindex;
	return req;
}

/* ---- reading ------------------------------------------------------------------- */

static void read_info(const struct nlattr *info, struct link *link)
{
	const struct nlattr *attr;

	mnl_attr_for_each_nested(attr, info) {
		if (mnl_attr_get_type(attr) == IFLA_INFO_KIND)
			link->kind = mnl_attr_get_str(attr);
		else if (mnl_attr_get_type(attr) == IFLA_INFO_DATA)
			link->data = attr;
	}
}

static void read_attr(const struct nlattr *attr, struct link *link)
{
	size_t len = mnl_attr_get_payload_len(attr);

	switch (mnl_attr_get_type(attr)) {
	case IFLA_IFNAME:
		link->name = mnl_attr_get_str(attr);
		break;
	case IFLA_MTU:
		link->mtu = mnl_attr_get_u32(attr);
		break;
	case IFLA_LINK:
		link->lower = mnl_attr_get_u32(attr);
		break;
	case IFLA_LINK_NETNSID:
		link->netnsid = mnl_attr_get_u32(attr);
		break;
	case IFLA_CARRIER:
		link->carrier = mnl_attr_get_u8(attr);
		break;
	case IFLA_LINKINFO:
		read_info(attr, link);
		break;
	case IFLA_STATS64:
		if (len > sizeof(link->stats))
			len = sizeof(link->stats);
		memcpy(&link->stats, mnl_attr_get_payload(attr), len);
		break;
	}
}

struct walk {
	void (*fn)(const struct link *link, void *arg);
	void *arg;
};

static int read_link(const struct nlmsghdr *msg, void *arg)
{
	const struct ifinfomsg *info = mnl_nlmsg_get_payload(msg);
	struct link link = {
		.ifindex = info->ifi_index, .flags = info->ifi_flags,
		.name = "", .kind = "", .netnsid = -1,
	};
	const struct walk *walk = arg;
	const struct nlattr *attr;

	if (msg->nlmsg_type == RTM_NEWLINK) {
		mnl_attr_for_each(attr, msg, sizeof(*info))
			read_attr(attr, &link);
		walk->fn(&link, walk->arg);
	}
	return MNL_CB_OK;
}

/* What the kernel sends, in pieces that were kept: nothing is told twice. */
struct pieces {
	char *data;
	size_t len;
};

static int keep(struct pieces *p, const void *data, size_t len)
{
	char *grown = realloc(p->data, p->len + len);

	if (!grown)
		return -ENOMEM;
	memcpy(grown + p->len, data, len);
	p->data = grown;
	p->len += len;
	return 0;
}

static int receive(struct mnl_socket *sk, bool dump, struct pieces *p)
{
	char buf[ANSWER_SIZE] __attribute__((aligned(NLMSG_ALIGNTO)));
	ssize_t got;
	int ret, err;

	do {
		got = mnl_socket_recvfrom(sk, buf, sizeof(buf));
		if (got < 0)
			return -errno;
		ret = mnl_cb_run(buf, got, 0, mnl_socket_get_portid(sk), NULL, NULL);
		if (ret < 0)
			return -errno;
		err = keep(p, buf, got);
		if (err)
			return err;
	} while (dump && ret > MNL_CB_STOP);
	return 0;
}

static int ask(const struct nlmsghdr *req, struct pieces *p)
{
	struct mnl_socket *sk = open_socket();
	int ret;

	if (!sk)
		return -errno;
	p->len = 0;
	if (mnl_socket_sendto(sk, req, req->nlmsg_len) < 0)
		ret = -errno;
	else
		ret = receive(sk, req->nlmsg_flags & NLM_F_DUMP, p);
	mnl_socket_close(sk);
	return ret;
}

int link_each(const char *name, void (*fn)(const struct link *link, void *arg), void *arg)
{
	char buf[128] __attribute__((aligned(NLMSG_ALIGNTO)));
	struct nlmsghdr *req = link_request(buf, RTM_GETLINK, name ? 0 : NLM_F_DUMP, 0);
	struct walk walk = { fn, arg };
	struct pieces p = {};
	int tries, ret = -EINTR;

	if (name && (strlen(name) >= IFNAMSIZ || !*name))
		return -ENODEV;
	if (name)
		mnl_attr_put_strz(req, IFLA_IFNAME, name);
	/* Something changed while the kernel was telling: what it told may have holes. */
	for (tries = 0; tries < TRIES && ret == -EINTR; tries++)
		ret = ask(req, &p);
	if (!ret)
		mnl_cb_run(p.data, p.len, 0, 0, read_link, &walk);
	free(p.data);
	return ret;
}

/* ---- namespaces ------------------------------------------------------------------ */

static int read_nsid(const struct nlmsghdr *msg, void *arg)
{
	const struct nlattr *attr;

	mnl_attr_for_each(attr, msg, sizeof(struct rtgenmsg))
		if (mnl_attr_get_type(attr) == NETNSA_NSID)
			*(int *)arg = mnl_attr_get_u32(attr);
	return MNL_CB_OK;
}

/* The number that our namespace has for the one of this file; -1: none. */
static int nsid_of(int fd)
{
	char buf[128] __attribute__((aligned(NLMSG_ALIGNTO)));
	struct nlmsghdr *req = mnl_nlmsg_put_header(buf);
	struct pieces p = {};
	int nsid = -1;

	req->nlmsg_type = RTM_GETNSID;
	req->nlmsg_flags = NLM_F_REQUEST;
	mnl_nlmsg_put_extra_header(req, sizeof(struct rtgenmsg));
	mnl_attr_put_u32(req, NETNSA_FD, fd);
	if (!ask(req, &p))
		mnl_cb_run(p.data, p.len, 0, 0, read_nsid, &nsid);
	free(p.data);
	return nsid;
}

static bool is_nsid(int dir, const char *name, int nsid)
{
	int fd = openat(dir, name, O_RDONLY | O_CLOEXEC);
	bool same = fd >= 0 && nsid_of(fd) == nsid;

	if (fd >= 0)
		close(fd);
	return same;
}

const char *link_netns(int netnsid, char *buf)
{
	DIR *dir = opendir(NETNS_DIR);
	struct dirent *entry;

	snprintf(buf, LINK_NETNSLEN, "%d", netnsid);
	while (dir && (entry = readdir(dir))) {
		if (entry->d_name[0] != '.' && is_nsid(dirfd(dir), entry->d_name, netnsid)) {
			snprintf(buf, LINK_NETNSLEN, "%s", entry->d_name);
			break;
		}
	}
	if (dir)
		closedir(dir);
	return buf;
}
