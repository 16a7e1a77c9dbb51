/* SPDX-License-Identifier: GPL-2.0 */
/* genl.h - generic and route netlink requests to the kernel, one at a time. */
#ifndef SELFTESTS_RTCACHE_GENL_H
#define SELFTESTS_RTCACHE_GENL_H

#include <errno.h>
#include <linux/genetlink.h>
#include <linux/rtnetlink.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct msg {
	struct nlmsghdr n;
	char room[8192];
};

static inline void die(const char *what)
{
	perror(what);
	exit(2);
}

static inline int nl_open(int protocol)
{
	struct sockaddr_nl addr = { .nl_family = AF_NETLINK };
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol);

	if (fd < 0 || bind(fd, (void *)&addr, sizeof(addr)))
		die("netlink socket");
	return fd;
}

/* What begins a message of that type: a genlmsghdr, a rtmsg. */
static inline void *msg_begin(struct msg *m, int type, int flags, int head)
{
	memset(m, 0, NLMSG_HDRLEN + NLMSG_ALIGN(head));
	m->n.nlmsg_type = type;
	m->n.nlmsg_flags = NLM_F_REQUEST | flags;
	m->n.nlmsg_len = NLMSG_LENGTH(head);
	return NLMSG_DATA(&m->n);
}

static inline void msg_genl(struct msg *m, int family, int cmd, int flags)
{
	struct genlmsghdr *g = msg_begin(m, family, flags, GENL_HDRLEN);

	g->cmd = cmd;
	g->version = 1;
}

static inline void msg_put(struct msg *m, int type, const void *data, int len)
{
	struct nlattr *attr = (void *)((char *)m + NLMSG_ALIGN(m->n.nlmsg_len));

	attr->nla_type = type;
	attr->nla_len = NLA_HDRLEN + len;
	memcpy(attr + 1, data, len);
	m->n.nlmsg_len = NLMSG_ALIGN(m->n.nlmsg_len) + NLA_ALIGN(attr->nla_len);
}

/* Attributes after a head of so many bytes; NULL ends. */
static inline struct nlattr *attr_first(struct nlmsghdr *n, int head)
{
	return n->nlmsg_len > (uint32_t)NLMSG_SPACE(head) ?
	       (void *)((char *)n + NLMSG_SPACE(head)) : NULL;
}

static inline struct nlattr *attr_next(struct nlattr *attr, void *end)
{
	struct nlattr *next = (void *)((char *)attr + NLA_ALIGN(attr->nla_len));

	return (char *)(next + 1) <= (char *)end ? next : NULL;
}

static inline int attr_type(const struct nlattr *attr)
{
	return attr->nla_type & NLA_TYPE_MASK;
}

static inline struct nlattr *attr_find(struct nlmsghdr *n, int head, int type)
{
	struct nlattr *attr = attr_first(n, head);

	while (attr && attr_type(attr) != type)
		attr = attr_next(attr, (char *)n + n->nlmsg_len);
	return attr;
}

static inline uint64_t attr_u64(const struct nlattr *attr)
{
	uint64_t v = 0;

	if (attr)
		memcpy(&v, attr + 1, attr->nla_len - NLA_HDRLEN > 8 ? 8 :
				     attr->nla_len - NLA_HDRLEN);
	return v;
}

/* 0 or -errno; the answer replaces the request. With NLM_F_ACK there may be only that. */
static inline int msg_talk(int fd, struct msg *m)
{
	static __thread uint32_t seq;
	ssize_t len;

	m->n.nlmsg_seq = ++seq;
	if (send(fd, m, m->n.nlmsg_len, 0) < 0)
		return -errno;
	do {
		len = recv(fd, m, sizeof(*m), 0);
		if (len < (ssize_t)sizeof(m->n))
			return len < 0 ? -errno : -EPROTO;
	} while (m->n.nlmsg_seq != seq);
	return m->n.nlmsg_type == NLMSG_ERROR ? *(int *)NLMSG_DATA(&m->n) : 0;
}

/* The number of a family, and of one of its groups. */
static inline int genl_resolve(int fd, const char *name, const char *group_name, uint32_t *group)
{
	struct nlattr *groups, *g, *id;
	struct msg m;
	void *end;
	int err;

	msg_genl(&m, GENL_ID_CTRL, CTRL_CMD_GETFAMILY, 0);
	msg_put(&m, CTRL_ATTR_FAMILY_NAME, name, strlen(name) + 1);
	err = msg_talk(fd, &m);
	if (err)
		return err;
	groups = attr_find(&m.n, GENL_HDRLEN, CTRL_ATTR_MCAST_GROUPS);
	end = groups ? (char *)groups + groups->nla_len : NULL;
	for (g = groups ? groups + 1 : NULL; g; g = attr_next(g, end)) {
		/* The name first, then the number. */
		id = attr_next(g + 1, (char *)g + g->nla_len);
		if (attr_type(g + 1) != CTRL_ATTR_MCAST_GRP_NAME) {
			if (!strcmp((char *)(id + 1), group_name))
				*group = attr_u64(g + 1);
		} else if (!strcmp((char *)(g + 2), group_name)) {
			*group = attr_u64(id);
		}
	}
	return attr_u64(attr_find(&m.n, GENL_HDRLEN, CTRL_ATTR_FAMILY_ID));
}

#endif /* SELFTESTS_RTCACHE_GENL_H */
