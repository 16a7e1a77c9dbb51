/* SPDX-License-Identifier: GPL-2.0 */
/*
 * nl.h - rtnetlink requests, as short as they can be written.
 *
 *	struct nl_req r = NL_LINK(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, 0);
 *	nl_str(&r, IFLA_IFNAME, "g0");
 *	err = nl_talk(fd, &r);		0 or -errno
 */
#ifndef NL_H
#define NL_H

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>

struct nl_req {
	struct nlmsghdr n;
	union {
		struct ifinfomsg link;
		struct ifaddrmsg addr;
	};
	char room[1024];
};

#define NL_REQ(msg, kind, f)	{ .n = { .nlmsg_len = NLMSG_LENGTH(sizeof(struct msg)),	\
	.nlmsg_type = (kind), .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | (f) } }
#define NL_LINK(kind, flags)	NL_REQ(ifinfomsg, kind, flags)
#define NL_ADDR(kind, flags)	NL_REQ(ifaddrmsg, kind, flags)

static inline struct rtattr *nl_put(struct nl_req *r, int type, const void *data, int len)
{
	struct rtattr *attr = (void *)((char *)r + NLMSG_ALIGN(r->n.nlmsg_len));

	attr->rta_type = type;
	attr->rta_len = RTA_LENGTH(len);
	if (len)
		memcpy(RTA_DATA(attr), data, len);
	r->n.nlmsg_len = NLMSG_ALIGN(r->n.nlmsg_len) + RTA_ALIGN(attr->rta_len);
	return attr;
}

static inline void nl_str(struct nl_req *r, int type, const char *s)
{
	nl_put(r, type, s, strlen(s) + 1);
}

static inline void nl_u8(struct nl_req *r, int type, uint8_t v)
{
	nl_put(r, type, &v, sizeof(v));
}

static inline void nl_u32(struct nl_req *r, int type, uint32_t v)
{
	nl_put(r, type, &v, sizeof(v));
}

static inline struct rtattr *nl_nest(struct nl_req *r, int type)
{
	return nl_put(r, type, NULL, 0);
}

static inline void nl_nest_end(struct nl_req *r, struct rtattr *nest)
{
	nest->rta_len = (char *)r + r->n.nlmsg_len - (char *)nest;
}

/* The answer of the kernel; what else comes is of an older request. */
static inline int nl_talk(int fd, struct nl_req *r)
{
	static __thread uint32_t seq;
	char buf[8192];
	struct nlmsghdr *n = (void *)buf;

	r->n.nlmsg_seq = ++seq;
	if (send(fd, r, r->n.nlmsg_len, 0) < 0)
		return -errno;
	do {
		if (recv(fd, buf, sizeof(buf), 0) < 0)
			return -errno;
	} while (n->nlmsg_seq != seq || n->nlmsg_type != NLMSG_ERROR);
	return ((struct nlmsgerr *)NLMSG_DATA(n))->error;
}

static inline int nl_open(void)
{
	return socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
}

static inline void put_addr(struct nl_req *r, int type4, int type6, bool v6, const char *text)
{
	struct in6_addr a6;
	struct in_addr a4;

	if (v6) {
		inet_pton(AF_INET6, text, &a6);
		nl_put(r, type6, &a6, sizeof(a6));
	} else {
		inet_pton(AF_INET, text, &a4);
		nl_put(r, type4, &a4, sizeof(a4));
	}
}

static inline int link_up(int nl, const char *name, bool up)
{
	struct nl_req r = NL_LINK(RTM_NEWLINK, 0);

	r.link.ifi_flags = up ? IFF_UP : 0;
	r.link.ifi_change = IFF_UP;
	nl_str(&r, IFLA_IFNAME, name);
	return nl_talk(nl, &r);
}

static inline int link_del(int nl, const char *name)
{
	struct nl_req r = NL_LINK(RTM_DELLINK, 0);

	nl_str(&r, IFLA_IFNAME, name);
	return nl_talk(nl, &r);
}

static inline int link_move(int nl, const char *name, int netns)
{
	struct nl_req r = NL_LINK(RTM_NEWLINK, 0);

	nl_str(&r, IFLA_IFNAME, name);
	nl_u32(&r, IFLA_NET_NS_FD, netns);
	return nl_talk(nl, &r);
}

/* nl and the current namespace of the thread are the same. */
static inline int addr_add(int nl, unsigned int ifindex, const char *text, int bits)
{
	struct nl_req r = NL_ADDR(RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE);
	bool v6 = strchr(text, ':');

	r.addr.ifa_family = v6 ? AF_INET6 : AF_INET;
	r.addr.ifa_prefixlen = bits;
	r.addr.ifa_index = ifindex;
	nl_u32(&r, IFA_FLAGS, IFA_F_NODAD);
	put_addr(&r, IFA_LOCAL, IFA_LOCAL, v6, text);
	return nl_talk(nl, &r);
}

static inline struct rtattr *info_begin(struct nl_req *r, const char *kind, struct rtattr **data)
{
	struct rtattr *info = nl_nest(r, IFLA_LINKINFO);

	nl_str(r, IFLA_INFO_KIND, kind);
	*data = nl_nest(r, IFLA_INFO_DATA);
	return info;
}

#endif /* NL_H */
