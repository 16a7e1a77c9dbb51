// SPDX-License-Identifier: GPL-2.0
/* selsrc_kernel.c - devices, addresses, routes, rules and labels, as rtnetlink tells them. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <libmnl/libmnl.h>
#include <linux/fib_rules.h>
#include <linux/if_addr.h>
#include <linux/if_addrlabel.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include "selsrc_kernel.h"

#define TRIES		10
#define ANSWER_SIZE	32768	/* the kernel fills no more than this at once */
#define SOME		64	/* a list grows by powers of two from here */

/* ---- asking ---------------------------------------------------------------------- */

struct ask {
	int type;
	const void *body;
	size_t size;
	mnl_cb_t fn;
	struct krn *krn;
	__u32 *count;			/* of the list that fn appends to */
};

static int receive(struct mnl_socket *sk, const struct ask *ask)
{
	char buf[ANSWER_SIZE] __attribute__((aligned(NLMSG_ALIGNTO)));
	ssize_t got;
	int ret;

	do {
		got = mnl_socket_recvfrom(sk, buf, sizeof(buf));
		ret = got < 0 ? MNL_CB_ERROR :
				mnl_cb_run(buf, got, 0, mnl_socket_get_portid(sk), ask->fn,
					   ask->krn);
	} while (ret > MNL_CB_STOP);
	return ret < 0 ? -errno : 0;
}

static int ask_once(const struct nlmsghdr *req, const struct ask *ask)
{
	struct mnl_socket *sk = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
	int on = 1, ret;

	if (!sk)
		return -errno;
	/* An old kernel tells more without it; what is too much is left out here, too. */
	mnl_socket_setsockopt(sk, NETLINK_GET_STRICT_CHK, &on, sizeof(on));
	if (mnl_socket_bind(sk, 0, MNL_SOCKET_AUTOPID) < 0 ||
	    mnl_socket_sendto(sk, req, req->nlmsg_len) < 0)
		ret = -errno;
	else
		ret = receive(sk, ask);
	mnl_socket_close(sk);
	return ret;
}

/* Something changed while the kernel was telling: what it told may have holes. */
static int ask(const struct ask *ask)
{
	char buf[64] __attribute__((aligned(NLMSG_ALIGNTO)));
	struct nlmsghdr *req = mnl_nlmsg_put_header(buf);
	__u32 before = *ask->count;
	int tries, ret = -EINTR;

	req->nlmsg_type = ask->type;
	req->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	memcpy(mnl_nlmsg_put_extra_header(req, ask->size), ask->body, ask->size);
	for (tries = 0; tries < TRIES && ret == -EINTR; tries++) {
		*ask->count = before;
		ret = ask_once(req, ask);
	}
	return ret;
}

/* Room for one more behind the others, all 0; NULL and ENOMEM. */
static void *more(void *list, __u32 *count, size_t size)
{
	char *grown, **at = list;
	bool full = !*count || (*count >= SOME && !(*count & (*count - 1)));

	if (full) {
		grown = realloc(*at, (*count ? 2ull * *count : SOME) * size);
		if (!grown)
			return NULL;
		*at = grown;
	}
	return memset(*at + size * (*count)++, 0, size);
}

/* An address of the family; one of another length is none. */
static void take_address(const struct nlattr *attr, __be32 *addr)
{
	size_t len = mnl_attr_get_payload_len(attr);

	if (len == 4 || len == 16)
		memcpy(addr, mnl_attr_get_payload(attr), len);
}

static __u32 take_u32(const struct nlattr *attr)
{
	return mnl_attr_get_payload_len(attr) >= sizeof(__u32) ? mnl_attr_get_u32(attr) : 0;
}

/* ---- devices and addresses ---------------------------------------------------------- */

static bool is_vrf(const struct nlattr *info)
{
	const struct nlattr *attr;

	mnl_attr_for_each_nested(attr, info)
		if (mnl_attr_get_type(attr) == IFLA_INFO_KIND)
			return !strcmp(mnl_attr_get_str(attr), "vrf");
	return false;
}

static int take_dev(const struct nlmsghdr *msg, void *arg)
{
	const struct ifinfomsg *info = mnl_nlmsg_get_payload(msg);
	struct krn *krn = arg;
	struct krn_dev *dev = more(&krn->devs, &krn->nr_devs, sizeof(*dev));
	const struct nlattr *attr;

	if (!dev)
		return MNL_CB_ERROR;
	dev->ifindex = info->ifi_index;
	dev->flags = info->ifi_flags;
	mnl_attr_for_each(attr, msg, sizeof(*info)) {
		if (mnl_attr_get_type(attr) == IFLA_IFNAME)
			snprintf(dev->name, sizeof(dev->name), "%s", mnl_attr_get_str(attr));
		else if (mnl_attr_get_type(attr) == IFLA_MASTER)
			dev->master = take_u32(attr);
		else if (mnl_attr_get_type(attr) == IFLA_LINKINFO)
			dev->vrf = is_vrf(attr);
	}
	return MNL_CB_OK;
}

static void take_lifetimes(const struct nlattr *attr, struct krn_addr *addr)
{
	const struct ifa_cacheinfo *info = mnl_attr_get_payload(attr);

	if (mnl_attr_get_payload_len(attr) < sizeof(*info))
		return;
	addr->preferred = info->ifa_prefered;
	addr->valid = info->ifa_valid;
}

/* IFA_ADDRESS is the other end where there is one. */
static void take_addr_attrs(const struct nlmsghdr *msg, struct krn_addr *addr)
{
	const struct nlattr *attr;
	bool local = false;

	mnl_attr_for_each(attr, msg, sizeof(struct ifaddrmsg)) {
		switch (mnl_attr_get_type(attr)) {
		case IFA_LOCAL:
			take_address(attr, addr->addr);
			local = true;
			break;
		case IFA_ADDRESS:
			if (!local)
				take_address(attr, addr->addr);
			break;
		case IFA_FLAGS:
			addr->flags = take_u32(attr);
			break;
		case IFA_CACHEINFO:
			take_lifetimes(attr, addr);
			break;
		}
	}
}

bool krn_addr(const struct nlmsghdr *msg, struct krn_addr *addr)
{
	const struct ifaddrmsg *info = mnl_nlmsg_get_payload(msg);

	if (info->ifa_family != AF_INET && info->ifa_family != AF_INET6)
		return false;
	*addr = (struct krn_addr){
		.family = info->ifa_family, .ifindex = info->ifa_index,
		.flags = info->ifa_flags, .plen = info->ifa_prefixlen,
		.scope = info->ifa_scope, .preferred = ~0u, .valid = ~0u,
	};
	take_addr_attrs(msg, addr);
	return true;
}

static int take_addr(const struct nlmsghdr *msg, void *arg)
{
	struct krn *krn = arg;
	struct krn_addr addr, *at;

	if (!krn_addr(msg, &addr))
		return MNL_CB_OK;
	at = more(&krn->addrs, &krn->nr_addrs, sizeof(*at));
	if (!at)
		return MNL_CB_ERROR;
	*at = addr;
	return MNL_CB_OK;
}

/* ---- rules --------------------------------------------------------------------------- */

/* Anything that a packet could differ by makes a rule one that is not plain. */
static void take_rule_attr(const struct nlattr *attr, struct krn_rule *rule)
{
	switch (mnl_attr_get_type(attr)) {
	case FRA_PRIORITY:
		rule->priority = take_u32(attr);
		break;
	case FRA_TABLE:
		rule->table = take_u32(attr);
		break;
	case FRA_L3MDEV:
		rule->l3mdev = mnl_attr_get_u8(attr);
		break;
	case FRA_SUPPRESS_PREFIXLEN:
	case FRA_SUPPRESS_IFGROUP:
		rule->plain = rule->plain && take_u32(attr) == ~0u;
		break;
	case FRA_PROTOCOL:		/* who made it */
	case FRA_PAD:
		break;
	default:
		rule->plain = false;
	}
}

static int take_rule(const struct nlmsghdr *msg, void *arg)
{
	const struct fib_rule_hdr *info = mnl_nlmsg_get_payload(msg);
	struct krn *krn = arg;
	const struct nlattr *attr;
	struct krn_rule *rule;

	if (info->family != AF_INET && info->family != AF_INET6)
		return MNL_CB_OK;
	rule = more(&krn->rules, &krn->nr_rules, sizeof(*rule));
	if (!rule)
		return MNL_CB_ERROR;
	rule->family = info->family;
	rule->table = info->table;
	rule->action = info->action;
	rule->plain = info->action == FR_ACT_TO_TBL && !info->src_len && !info->dst_len &&
		      !info->tos && !(info->flags & FIB_RULE_INVERT);
	mnl_attr_for_each(attr, msg, sizeof(*info))
		take_rule_attr(attr, rule);
	if (rule->l3mdev)
		rule->plain = false;
	return MNL_CB_OK;
}

/* ---- routes -------------------------------------------------------------------------- */

static bool table_wanted(const struct krn *krn, int family, __u32 table)
{
	__u32 i;

	for (i = 0; i < krn->nr_rules; i++)
		if (krn->rules[i].family == family && krn->rules[i].table == table &&
		    krn->rules[i].plain)
			return true;
	return false;
}

static void take_route_attr(const struct nlattr *attr, struct krn_route *route)
{
	switch (mnl_attr_get_type(attr)) {
	case RTA_DST:
		take_address(attr, route->dst);
		break;
	case RTA_OIF:
		route->oif = take_u32(attr);
		break;
	case RTA_PRIORITY:
		route->metric = take_u32(attr);
		break;
	case RTA_TABLE:
		route->table = take_u32(attr);
		break;
	case RTA_PREFSRC:
		take_address(attr, route->src);
		route->prefsrc = true;
		break;
	case RTA_GATEWAY:
	case RTA_VIA:
		route->gateway = true;
		break;
	case RTA_MULTIPATH:
		route->several = true;
		break;
	case RTA_ENCAP:
		route->encap = true;
		break;
	}
}

static int take_route(const struct nlmsghdr *msg, void *arg)
{
	const struct rtmsg *info = mnl_nlmsg_get_payload(msg);
	struct krn_route route = {
		.family = info->rtm_family, .table = info->rtm_table,
		.plen = info->rtm_dst_len, .tos = info->rtm_tos, .type = info->rtm_type,
		.scope = info->rtm_scope, .proto = info->rtm_protocol,
		.by_source = info->rtm_src_len,
		.dead = info->rtm_flags & RTNH_F_DEAD,
		.linkdown = info->rtm_flags & RTNH_F_LINKDOWN,
	};
	const struct nlattr *attr;
	struct krn *krn = arg;
	struct krn_route *at;

	if ((route.family != AF_INET && route.family != AF_INET6) ||
	    info->rtm_flags & RTM_F_CLONED)
		return MNL_CB_OK;
	mnl_attr_for_each(attr, msg, sizeof(*info))
		take_route_attr(attr, &route);
	if (route.several)
		route.oif = 0;
	if (!table_wanted(krn, route.family, route.table))
		return MNL_CB_OK;
	at = more(&krn->routes, &krn->nr_routes, sizeof(*at));
	if (!at)
		return MNL_CB_ERROR;
	*at = route;
	return MNL_CB_OK;
}

/* ---- labels -------------------------------------------------------------------------- */

static int take_label(const struct nlmsghdr *msg, void *arg)
{
	const struct ifaddrlblmsg *info = mnl_nlmsg_get_payload(msg);
	struct krn *krn = arg;
	struct krn_label *label = more(&krn->labels, &krn->nr_labels, sizeof(*label));
	const struct nlattr *attr;

	if (!label)
		return MNL_CB_ERROR;
	label->ifindex = info->ifal_index;
	label->plen = info->ifal_prefixlen;
	mnl_attr_for_each(attr, msg, sizeof(*info)) {
		if (mnl_attr_get_type(attr) == IFAL_ADDRESS)
			take_address(attr, label->addr);
		else if (mnl_attr_get_type(attr) == IFAL_LABEL)
			label->label = take_u32(attr);
	}
	return MNL_CB_OK;
}

/* ---- one destination -------------------------------------------------------------------- */

static int take_source(const struct nlmsghdr *msg, void *arg)
{
	const struct nlattr *attr;

	mnl_attr_for_each(attr, msg, sizeof(struct rtmsg)) {
		if (mnl_attr_get_type(attr) != RTA_PREFSRC)
			continue;
		take_address(attr, arg);
		return MNL_CB_STOP;
	}
	errno = ENOENT;
	return MNL_CB_ERROR;
}

int krn_source(int family, const __be32 *dst, int oif, __be32 *src)
{
	char buf[ANSWER_SIZE] __attribute__((aligned(NLMSG_ALIGNTO)));
	struct mnl_socket *sk = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
	struct nlmsghdr *req = mnl_nlmsg_put_header(buf);
	struct rtmsg *info = mnl_nlmsg_put_extra_header(req, sizeof(*info));
	size_t len = family == AF_INET ? 4 : 16;
	ssize_t got = -1;

	if (!sk)
		return -errno;
	req->nlmsg_type = RTM_GETROUTE;
	req->nlmsg_flags = NLM_F_REQUEST;
	info->rtm_family = family;
	info->rtm_dst_len = 8 * len;
	mnl_attr_put(req, RTA_DST, len, dst);
	if (oif)
		mnl_attr_put_u32(req, RTA_OIF, oif);
	if (!mnl_socket_bind(sk, 0, MNL_SOCKET_AUTOPID) &&
	    mnl_socket_sendto(sk, req, req->nlmsg_len) >= 0)
		got = mnl_socket_recvfrom(sk, buf, sizeof(buf));
	if (got >= 0)
		got = mnl_cb_run(buf, got, 0, mnl_socket_get_portid(sk), take_source, src);
	mnl_socket_close(sk);
	return got < 0 ? -errno : 0;
}

/* ---- all of it ------------------------------------------------------------------------ */

static int read_addrs(struct krn *krn)
{
	const struct ifinfomsg link = { .ifi_family = AF_UNSPEC };
	const struct ifaddrmsg addr = { .ifa_family = AF_UNSPEC };
	struct ask devs = { RTM_GETLINK, &link, sizeof(link), take_dev, krn, &krn->nr_devs };
	struct ask addrs = { RTM_GETADDR, &addr, sizeof(addr), take_addr, krn, &krn->nr_addrs };
	int err = ask(&devs);

	return err ? err : ask(&addrs);
}

static int read_routes(struct krn *krn, int family)
{
	const struct fib_rule_hdr rule = { .family = family };
	const struct rtmsg route = { .rtm_family = family };
	struct ask rules = { RTM_GETRULE, &rule, sizeof(rule), take_rule, krn, &krn->nr_rules };
	struct ask routes = {
		RTM_GETROUTE, &route, sizeof(route), take_route, krn, &krn->nr_routes
	};
	int err = ask(&rules);

	return err ? err : ask(&routes);
}

static int read_labels(struct krn *krn)
{
	const struct ifaddrlblmsg label = { .ifal_family = AF_INET6 };
	struct ask labels = {
		RTM_GETADDRLABEL, &label, sizeof(label), take_label, krn, &krn->nr_labels
	};

	return ask(&labels);
}

/* A kernel without IPv6 has neither its rules nor its labels. */
static int unless_missing(int err)
{
	return err == -EOPNOTSUPP || err == -EAFNOSUPPORT ? 0 : err;
}

int krn_read(struct krn *krn, unsigned int what)
{
	int err = 0;

	memset(krn, 0, sizeof(*krn));
	if (what & KRN_ADDRS)
		err = read_addrs(krn);
	if (!err && what & KRN_ROUTES)
		err = read_routes(krn, AF_INET);
	if (!err && what & KRN_ROUTES)
		err = unless_missing(read_routes(krn, AF_INET6));
	if (!err && what & KRN_LABELS)
		err = unless_missing(read_labels(krn));
	return err;
}

void krn_free(struct krn *krn)
{
	free(krn->devs);
	free(krn->addrs);
	free(krn->routes);
	free(krn->rules);
	free(krn->labels);
	memset(krn, 0, sizeof(*krn));
}

const struct krn_dev *krn_dev(const struct krn *krn, int ifindex)
{
	__u32 i;

	for (i = 0; i < krn->nr_devs; i++)
		if (krn->devs[i].ifindex == ifindex)
			return &krn->devs[i];
	return NULL;
}

const struct krn_dev *krn_dev_by_name(const struct krn *krn, const char *name)
{
	__u32 i;

	for (i = 0; i < krn->nr_devs; i++)
		if (!strcmp(krn->devs[i].name, name))
			return &krn->devs[i];
	return NULL;
}
