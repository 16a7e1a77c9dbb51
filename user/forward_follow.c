// SPDX-License-Identifier: GPL-2.0
/*
 * forward_follow.c - without the module: the facts of devices, for who forwards.
 *
 * Written before the generation is raised: what is looked up after it is looked up by
 * them. Nobody else writes these maps: attach does, before they are pinned.
 */
#include <errno.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <bpf/bpf.h>
#include <libmnl/libmnl.h>
#include <linux/netconf.h>
#include <linux/rtnetlink.h>

#include "forward.h"
#include "forward_follow.h"
#include "out.h"

/* ---- one device ----------------------------------------------------------------------- */

static void put(const struct forward_follow *f, __u32 ifindex, struct forward_device *entry,
		union forward_facts facts)
{
	if (entry->facts.word == facts.word)
		return;
	entry->facts = facts;
	bpf_map_update_elem(f->devices, &ifindex, entry, BPF_EXIST);
}

/* A VLAN device that was not there at the attach goes the way of the one below it. */
static void meet(const struct forward_follow *f, const struct device *dev)
{
	struct forward_vlan vlan = { .ifindex = dev->lower, .vid = dev->vid };
	struct forward_device entry;
	__u32 ifindex = dev->ifindex;

	if (bpf_map_lookup_elem(f->devices, &vlan.ifindex, &entry) || entry.vid)
		return;
	entry.ifindex = ifindex;
	entry.vid = dev->vid;
	entry.facts = forward_facts(dev);
	/* The tables may be full: then its packets are the stack's. */
	if (!bpf_map_update_elem(f->devices, &ifindex, &entry, BPF_ANY))
		bpf_map_update_elem(f->vlans, &vlan, &ifindex, BPF_ANY);
}

static void take(const struct forward_follow *f, const struct device *dev)
{
	struct forward_device entry;
	__u32 ifindex = dev->ifindex;

	if (!bpf_map_lookup_elem(f->devices, &ifindex, &entry))
		put(f, ifindex, &entry, forward_facts(dev));
	else if (dev->vid && dev->lower)
		meet(f, dev);
}

static void forget_vlan(const struct forward_follow *f, __u32 ifindex)
{
	struct forward_vlan key, *at = NULL;
	__u32 value;

	while (!bpf_map_get_next_key(f->vlans, at, &key)) {
		if (!bpf_map_lookup_elem(f->vlans, &key, &value) && value == ifindex) {
			bpf_map_delete_elem(f->vlans, &key);
			return;
		}
		at = &key;
	}
}

/* Gone, or in another namespace: nobody finds it any more. */
static void forget(const struct forward_follow *f, __u32 ifindex)
{
	struct forward_device entry;

	if (bpf_map_lookup_elem(f->devices, &ifindex, &entry))
		return;
	if (entry.vid)
		forget_vlan(f, ifindex);
	bpf_map_delete_elem(f->devices, &ifindex);
}

/* ---- all of them ---------------------------------------------------------------------- */

static bool is_listed(const struct device *devices, int nr, __u32 ifindex)
{
	int i;

	for (i = 0; i < nr; i++)
		if ((__u32)devices[i].ifindex == ifindex)
			return true;
	return false;
}

/* Which has been forgotten is not a place to go on from: the one before it is. */
static void forget_others(const struct forward_follow *f, const struct device *devices, int nr)
{
	__u32 key, last, *at = NULL;

	while (!bpf_map_get_next_key(f->devices, at, &key)) {
		if (!is_listed(devices, nr, key)) {
			forget(f, key);
			continue;
		}
		last = key;
		at = &last;
	}
}

static int take_all(const struct forward_follow *f)
{
	struct device *devices;
	int nr = rtnl_devices(&devices), i;

	if (nr < 0)
		return nr;
	for (i = 0; i < nr; i++)
		take(f, &devices[i]);
	forget_others(f, devices, nr);
	free(devices);
	return 0;
}

/* ---- what is attached ------------------------------------------------------------------ */

static void drop(struct forward_follow *f)
{
	if (f->id) {
		close(f->devices);
		close(f->vlans);
	}
	f->id = 0;
}

static __u32 map_id(int fd)
{
	struct bpf_map_info info = {};
	__u32 len = sizeof(info);

	return bpf_obj_get_info_by_fd(fd, &info, &len) ? 0 : info.id;
}

/* 0, or negative errno: not now. */
static int open_maps(struct forward_follow *f)
{
	int devices = pindir_get(f->dir, "devices"), vlans = pindir_get(f->dir, "vlans");
	__u32 id = devices < 0 ? 0 : map_id(devices);

	if (id && id == f->id) {
		close(devices);
		close(vlans);
		return 0;
	}
	drop(f);
	if (id && vlans >= 0) {
		*f = (struct forward_follow){ f->dir, id, devices, vlans, true };
		return 0;
	}
	if (devices >= 0)
		close(devices);
	if (vlans >= 0)
		close(vlans);
	return -ENOENT;
}

/* Of another version, or about to come or go, or left so: it is nobody's to vouch for. */
static int scan(struct forward_follow *f)
{
	struct forward_attachment att;
	int err = pindir_read(f->dir, "attachment", &att, sizeof(att));

	if (err == -ENOENT) {
		drop(f);
		return 0;
	}
	if (err || att.abi != FORWARD_ABI || att.phase != FORWARD_ATTACHED)
		return err ? err : -EAGAIN;
	if (!att.module)
		return open_maps(f);
	drop(f);
	return 0;
}

bool forward_follow_ready(struct forward_follow *f)
{
	int err = scan(f);

	if (!err && f->id && f->due) {
		err = take_all(f);
		f->due = err;
	}
	return !err;
}

void forward_follow_close(struct forward_follow *f)
{
	drop(f);
}

/* ---- what is heard --------------------------------------------------------------------- */

static void hear_link(struct forward_follow *f, const struct nlmsghdr *msg)
{
	const struct ifinfomsg *info = mnl_nlmsg_get_payload(msg);
	struct device dev;

	if (msg->nlmsg_type == RTM_NEWLINK) {
		if (rtnl_device(msg, &dev))
			take(f, &dev);
	} else if (info->ifi_family == AF_UNSPEC) {
		forget(f, info->ifi_index);
	}
}

static int netconf_index(const struct nlmsghdr *msg)
{
	const struct nlattr *attr;
	int ifindex = NETCONFA_IFINDEX_DEFAULT;
	bool filter = false;

	mnl_attr_for_each(attr, msg, sizeof(struct netconfmsg)) {
		if (mnl_attr_get_type(attr) == NETCONFA_IFINDEX)
			ifindex = mnl_attr_get_u32(attr);
		filter |= mnl_attr_get_type(attr) == NETCONFA_RP_FILTER;
	}
	return filter ? ifindex : NETCONFA_IFINDEX_DEFAULT;
}

/* rp_filter: everybody's, or of one device. */
static void hear_netconf(struct forward_follow *f, const struct nlmsghdr *msg)
{
	const struct netconfmsg *body = mnl_nlmsg_get_payload(msg);
	int ifindex = netconf_index(msg);
	struct device dev = { .ifindex = ifindex };
	struct forward_device entry;
	union forward_facts facts;

	if (body->ncm_family != AF_INET)
		return;
	if (ifindex == NETCONFA_IFINDEX_ALL)
		f->due = take_all(f);
	if (ifindex <= 0 || bpf_map_lookup_elem(f->devices, &ifindex, &entry))
		return;
	if (!if_indextoname(ifindex, dev.name))
		dev.name[0] = '\0';
	facts = entry.facts;
	facts.rp_filter = forward_facts(&dev).rp_filter;
	put(f, ifindex, &entry, facts);
}

void forward_follow_message(struct forward_follow *f, const struct nlmsghdr *msg)
{
	if (!f->id)
		return;
	switch (msg->nlmsg_type) {
	case RTM_NEWLINK:
	case RTM_DELLINK:
		if (mnl_nlmsg_get_payload_len(msg) >= sizeof(struct ifinfomsg))
			hear_link(f, msg);
		break;
	case RTM_NEWNETCONF:
		if (mnl_nlmsg_get_payload_len(msg) >= sizeof(struct netconfmsg))
			hear_netconf(f, msg);
		break;
	}
}
