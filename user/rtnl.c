// SPDX-License-Identifier: GPL-2.0
/* rtnl.c - the few rtnetlink dumps that libbpf does not do. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <libmnl/libmnl.h>
#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/if_link.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include "rtnl.h"

#define TRIES		10
#define ANSWER_SIZE	32768	/* the kernel fills no more than this at once */

struct dump {
	struct device *devices;
	int ifindex;		/* of which device a qdisc or filter counts, */
	const char *kind;	/* and of which kind; NULL: any */
	char root[16];
	int count;
};

static int receive(struct mnl_socket *sk, mnl_cb_t fn, struct dump *d)
{
	char buf[ANSWER_SIZE] __attribute__((aligned(NLMSG_ALIGNTO)));
	ssize_t got;
	int ret;

	do {
		got = mnl_socket_recvfrom(sk, buf, sizeof(buf));
		ret = got < 0 ? MNL_CB_ERROR :
				mnl_cb_run(buf, got, 0, mnl_socket_get_portid(sk), fn, d);
	} while (ret > MNL_CB_STOP);
	return ret < 0 ? -errno : 0;
}

static int dump_once(const struct nlmsghdr *req, mnl_cb_t fn, struct dump *d)
{
	struct mnl_socket *sk = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
	int ret;

	if (!sk)
		return -errno;
	if (mnl_socket_bind(sk, 0, MNL_SOCKET_AUTOPID) < 0 ||
	    mnl_socket_sendto(sk, req, req->nlmsg_len) < 0)
		ret = -errno;
	else
		ret = receive(sk, fn, d);
	mnl_socket_close(sk);
	return ret;
}

/* body: struct ifinfomsg or tcmsg. */
static int dump(int type, const void *body, size_t size, mnl_cb_t fn, struct dump *d)
{
	char buf[64] __attribute__((aligned(NLMSG_ALIGNTO)));
	struct nlmsghdr *req = mnl_nlmsg_put_header(buf);
	int tries, ret = -EINTR;

	req->nlmsg_type = type;
	req->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	memcpy(mnl_nlmsg_put_extra_header(req, size), body, size);
	/* Something changed while the kernel was telling: what it told may have holes. */
	for (tries = 0; tries < TRIES && ret == -EINTR; tries++) {
		d->count = 0;
		ret = dump_once(req, fn, d);
	}
	return ret;
}

static const struct nlattr *find_attr(const struct nlmsghdr *msg, size_t body, int type)
{
	const struct nlattr *attr;

	mnl_attr_for_each(attr, msg, body)
		if (mnl_attr_get_type(attr) == type)
			return attr;
	return NULL;
}

static const struct nlattr *find_nested(const struct nlattr *in, int type)
{
	const struct nlattr *attr;

	if (in)
		mnl_attr_for_each_nested(attr, in)
			if (mnl_attr_get_type(attr) == type)
				return attr;
	return NULL;
}

/* What kind it is, and whose tags a VLAN device takes. */
static void take_kind(const struct nlattr *info, struct device *dev)
{
	const struct nlattr *kind = find_nested(info, IFLA_INFO_KIND), *data, *attr;

	snprintf(dev->kind, sizeof(dev->kind), "%s", kind ? mnl_attr_get_str(kind) : "");
	if (strcmp(dev->kind, "vlan"))
		return;
	data = find_nested(info, IFLA_INFO_DATA);
	attr = find_nested(data, IFLA_VLAN_PROTOCOL);
	if (attr && mnl_attr_get_u16(attr) != htons(ETH_P_8021Q))
		return;
	attr = find_nested(data, IFLA_VLAN_ID);
	dev->vid = attr ? mnl_attr_get_u16(attr) : 0;
}

static int take_index(const struct nlmsghdr *msg, int type)
{
	const struct nlattr *attr = find_attr(msg, sizeof(struct ifinfomsg), type);

	return attr ? (int)mnl_attr_get_u32(attr) : 0;
}

/* A VRF has devices route for themselves; any other master takes their frames. */
static bool is_part(const struct nlmsghdr *msg)
{
	const struct nlattr *info = find_attr(msg, sizeof(struct ifinfomsg), IFLA_LINKINFO);
	const struct nlattr *kind = find_nested(info, IFLA_INFO_SLAVE_KIND);

	return !kind || strcmp(mnl_attr_get_str(kind), "vrf");
}

bool rtnl_device(const struct nlmsghdr *msg, struct device *dev)
{
	const struct ifinfomsg *info = mnl_nlmsg_get_payload(msg);
	const struct nlattr *name = find_attr(msg, sizeof(*info), IFLA_IFNAME);
	const struct nlattr *mac = find_attr(msg, sizeof(*info), IFLA_ADDRESS);

	memset(dev, 0, sizeof(*dev));
	dev->ifindex = info->ifi_index;
	dev->type = info->ifi_type;
	dev->flags = info->ifi_flags;
	snprintf(dev->name, sizeof(dev->name), "%s", name ? mnl_attr_get_str(name) : "");
	take_kind(find_attr(msg, sizeof(*info), IFLA_LINKINFO), dev);
	/* An index in another namespace says nothing here. */
	if (!find_attr(msg, sizeof(*info), IFLA_LINK_NETNSID))
		dev->lower = take_index(msg, IFLA_LINK);
	dev->master = take_index(msg, IFLA_MASTER);
	dev->part = dev->master && is_part(msg);
	if (!mac || mnl_attr_get_payload_len(mac) != sizeof(dev->mac))
		return false;
	memcpy(dev->mac, mnl_attr_get_payload(mac), sizeof(dev->mac));
	/* Bridges and IPv6 have messages of their own, that say less. */
	return info->ifi_family == AF_UNSPEC;
}

static int take_device(const struct nlmsghdr *msg, void *arg)
{
	struct dump *d = arg;
	struct device *dev;

	dev = realloc(d->devices, (d->count + 1) * sizeof(*dev));
	if (!dev)
		return MNL_CB_ERROR;
	d->devices = dev;
	rtnl_device(msg, &dev[d->count++]);
	return MNL_CB_OK;
}

int rtnl_devices(struct device **devices)
{
	struct ifinfomsg info = { .ifi_family = AF_UNSPEC };
	struct dump d = {};
	int ret = dump(RTM_GETLINK, &info, sizeof(info), take_device, &d);

	if (ret) {
		free(d.devices);
		return ret;
	}
	*devices = d.devices;
	return d.count;
}

static int count_tc(const struct nlmsghdr *msg, void *arg)
{
	const struct tcmsg *tc = mnl_nlmsg_get_payload(msg);
	const struct nlattr *kind = find_attr(msg, sizeof(*tc), TCA_KIND);
	struct dump *d = arg;

	/* Dumps of qdiscs cover every device, whatever was asked for. */
	if (tc->tcm_ifindex == d->ifindex &&
	    (!d->kind || (kind && !strcmp(mnl_attr_get_str(kind), d->kind))))
		d->count++;
	return MNL_CB_OK;
}

int rtnl_has_qdisc(int ifindex, const char *kind)
{
	struct tcmsg tc = { .tcm_family = AF_UNSPEC, .tcm_ifindex = ifindex };
	struct dump d = { .ifindex = ifindex, .kind = kind };
	int ret = dump(RTM_GETQDISC, &tc, sizeof(tc), count_tc, &d);

	return ret ? ret : d.count > 0;
}

static int take_root(const struct nlmsghdr *msg, void *arg)
{
	const struct tcmsg *tc = mnl_nlmsg_get_payload(msg);
	const struct nlattr *kind = find_attr(msg, sizeof(*tc), TCA_KIND);
	struct dump *d = arg;

	if (tc->tcm_ifindex == d->ifindex && tc->tcm_parent == TC_H_ROOT && kind)
		snprintf(d->root, sizeof(d->root), "%s", mnl_attr_get_str(kind));
	return MNL_CB_OK;
}

int rtnl_root_qdisc(int ifindex, char *kind, size_t size)
{
	struct tcmsg tc = { .tcm_family = AF_UNSPEC, .tcm_ifindex = ifindex };
	struct dump d = { .ifindex = ifindex };
	int ret = dump(RTM_GETQDISC, &tc, sizeof(tc), take_root, &d);

	snprintf(kind, size, "%s", ret ? "" : d.root);
	return ret;
}

int rtnl_filters(int ifindex, __u32 parent)
{
	struct tcmsg tc = {
		.tcm_family = AF_UNSPEC, .tcm_ifindex = ifindex, .tcm_parent = parent,
	};
	struct dump d = { .ifindex = ifindex };
	int ret = dump(RTM_GETTFILTER, &tc, sizeof(tc), count_tc, &d);

	return ret ? ret : d.count;
}
