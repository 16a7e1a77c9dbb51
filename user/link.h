/* SPDX-License-Identifier: GPL-2.0 */
/* link.h - RTM_NEWLINK, RTM_DELLINK and RTM_GETLINK. */
#ifndef VESTIGE_LINK_H
#define VESTIGE_LINK_H

#include <stdbool.h>
#include <libmnl/libmnl.h>
#include <linux/if.h>
#include <linux/if_link.h>
#include <linux/types.h>

#define LINK_SAIDLEN	256

/*
 * A request to change something. 0 or -errno; what the kernel says about it, if
 * anything, in `said` (LINK_SAIDLEN; also when it went well).
 */
int link_talk(struct nlmsghdr *req, char *said);

/* Header of such a request, in buf. */
struct nlmsghdr *link_request(void *buf, int type, int flags, int ifindex);

struct link {
	int ifindex;
	unsigned int flags;		/* IFF_* */
	const char *name, *kind;	/* "" if there is none */
	const struct nlattr *data;	/* IFLA_INFO_DATA, or NULL */
	__u32 mtu, lower;		/* lower: IFLA_LINK */
	bool carrier;
	int netnsid;			/* of what is below; -1: the namespace of the device */
	struct rtnl_link_stats64 stats;
};

/* All devices of the namespace, or the one of that name. 0 or -errno. */
int link_each(const char *name, void (*fn)(const struct link *link, void *arg), void *arg);

#define LINK_NETNSLEN	256
/* The name that `ip netns` has for it, or its number. */
const char *link_netns(int netnsid, char *buf);

#endif
