/* SPDX-License-Identifier: GPL-2.0 */
/*
 * rtevent.h - which copies of routes does a message of rtnetlink make stale, and why?
 *
 * Pure; neighbours have a memory of their own (rtneigh.h). What is not known for
 * harmless counts.
 */
#ifndef VESTIGE_RTEVENT_H
#define VESTIGE_RTEVENT_H

#include <linux/if.h>
#include <linux/neighbour.h>
#include <linux/netconf.h>
#include <linux/fib_rules.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>

#include <uapi/linux/vestige_rtcache.h>
#include "rtcache.h"
#include "rtneigh.h"

struct rtevent {
	__u32 families;		/* bits by RTCACHE_INET ...; 0: none */
	enum rtcache_reason reason;
};

#define RTEVENT_NUD_VALID	(NUD_PERMANENT | NUD_NOARP | NUD_REACHABLE | NUD_PROBE | \
				 NUD_STALE | NUD_DELAY)

static inline __u32 rtevent_families(int family)
{
	switch (family) {
	case AF_INET:
		return 1 << RTCACHE_INET;
	case AF_INET6:
		return 1 << RTCACHE_INET6;
	case AF_UNSPEC:
		return RTCACHE_BOTH;
	}
	return 0;	/* bridges, MPLS, multicast forwarding */
}

/* All bodies begin with the family; a message without one is none. */
static inline int rtevent_family(const struct nlmsghdr *msg)
{
	if (msg->nlmsg_len < NLMSG_LENGTH(sizeof(struct rtgenmsg)))
		return -1;
	return ((const struct rtgenmsg *)NLMSG_DATA(msg))->rtgen_family;
}

static inline enum rtcache_reason rtevent_link_reason(const struct nlmsghdr *msg)
{
	const struct ifinfomsg *info = (const struct ifinfomsg *)NLMSG_DATA(msg);

	if (msg->nlmsg_len < NLMSG_LENGTH(sizeof(*info)) ||
	    (info->ifi_flags & (IFF_UP | IFF_RUNNING)) != (IFF_UP | IFF_RUNNING))
		return RTCACHE_R_link_down;
	return RTCACHE_R_link_up;
}

static inline enum rtcache_reason rtevent_route_reason(const struct nlmsghdr *msg)
{
	if (msg->nlmsg_flags & NLM_F_REPLACE)
		return RTCACHE_R_fib_replace;
	return msg->nlmsg_flags & NLM_F_APPEND ? RTCACHE_R_fib_append : RTCACHE_R_fib_add;
}

/* Messages about neighbours are rtevent_neigh()'s. */
static inline struct rtevent rtevent_of(const struct nlmsghdr *msg)
{
	struct rtevent e = { rtevent_families(rtevent_family(msg)), RTCACHE_R_watch };

	switch (msg->nlmsg_type) {
	case RTM_NEWROUTE:
		e.reason = rtevent_route_reason(msg);
		break;
	case RTM_DELROUTE:
		e.reason = RTCACHE_R_fib_del;
		break;
	case RTM_NEWNEXTHOP:
	case RTM_DELNEXTHOP:
		/* Routes of one family may go through a nexthop of the other. */
		e.families = RTCACHE_BOTH;
		e.reason = msg->nlmsg_type == RTM_NEWNEXTHOP ? RTCACHE_R_nh_change :
							       RTCACHE_R_nh_del;
		break;
	case RTM_NEWRULE:
		e.reason = RTCACHE_R_rule_add;
		break;
	case RTM_DELRULE:
		e.reason = RTCACHE_R_rule_del;
		break;
	case RTM_NEWADDR:
		e.reason = RTCACHE_R_addr_add;
		break;
	case RTM_DELADDR:
		e.reason = RTCACHE_R_addr_del;
		break;
	case RTM_NEWLINK:
		e.reason = rtevent_link_reason(msg);
		break;
	case RTM_DELLINK:
		e.reason = RTCACHE_R_link_gone;
		break;
	case NLMSG_NOOP:
	case NLMSG_DONE:
		e.families = 0;
		break;
	}
	return e;
}

/* ---- neighbours -------------------------------------------------------------------- */

static inline int rtevent_is_neigh(const struct nlmsghdr *msg)
{
	return msg->nlmsg_type == RTM_NEWNEIGH || msg->nlmsg_type == RTM_DELNEIGH;
}

static inline void rtevent_neigh_attr(const struct rtattr *attr, struct rtneigh *n)
{
	size_t len = RTA_PAYLOAD(attr);

	if (attr->rta_type == NDA_DST && len <= sizeof(n->addr)) {
		memcpy(n->addr, RTA_DATA(attr), len);
	} else if (attr->rta_type == NDA_LLADDR && len <= sizeof(n->mac)) {
		memcpy(n->mac, RTA_DATA(attr), len);
		n->mac_len = len;
	}
}

/* 0: not about a neighbour that routes go through. */
static inline int rtevent_read_neigh(const struct nlmsghdr *msg, struct rtneigh *n)
{
	const struct ndmsg *nd = (const struct ndmsg *)NLMSG_DATA(msg);
	int len = (int)msg->nlmsg_len - (int)NLMSG_LENGTH(sizeof(*nd));
	const struct rtattr *attr;

	memset(n, 0, sizeof(*n));
	if (len < 0 || (nd->ndm_family != AF_INET && nd->ndm_family != AF_INET6) ||
	    nd->ndm_flags & NTF_PROXY)
		return 0;
	n->ifindex = nd->ndm_ifindex;
	n->family = nd->ndm_family;
	n->valid = msg->nlmsg_type == RTM_NEWNEIGH && nd->ndm_state & RTEVENT_NUD_VALID;
	attr = (const struct rtattr *)((const char *)nd + NLMSG_ALIGN(sizeof(*nd)));
	for (; RTA_OK(attr, len); attr = RTA_NEXT(attr, len))
		rtevent_neigh_attr(attr, n);
	return 1;
}

static inline struct rtevent rtevent_neigh(const struct nlmsghdr *msg,
					   struct rtneigh_memory *memory)
{
	struct rtevent e = { 0, RTCACHE_R_neigh };
	struct rtneigh n;

	if (!rtevent_read_neigh(msg, &n) || !rtneigh_changed(memory, &n))
		return e;
	/* IPv4 routes may have an IPv6 gateway (RFC 5549), never the other way round. */
	e.families = n.family == AF_INET ? 1 << RTCACHE_INET : RTCACHE_BOTH;
	return e;
}

#endif /* VESTIGE_RTEVENT_H */
