// SPDX-License-Identifier: GPL-2.0
/*
 * rtcache_event.c - what the kernel tells of, and whose copies it makes stale.
 *
 * Notifiers run in the context of the change: some under rtnl, some in softirqs, under
 * spinlocks or RCU. None sleeps here but rtcache_let_through(). When in doubt too many are
 * flushed.
 */
#include <linux/completion.h>
#include <linux/inetdevice.h>
#include <linux/jhash.h>
#include <linux/rcupdate.h>
#include <linux/siphash.h>
#include <linux/workqueue.h>
#include <net/addrconf.h>
#include <net/fib_notifier.h>
#include <net/ip6_fib.h>
#include <net/ip_fib.h>
#include <net/neighbour.h>
#include <net/netevent.h>
#include <net/nexthop.h>

#include "rtcache.h"

#define RTCACHE_NEIGH_BITS	13
#define RTCACHE_REGISTER_TRIES	20	/* of five each, by the core */
#define RTCACHE_THROUGH_MAX	(2 * HZ)
#define RTCACHE_THROUGH_REST	(HZ / 20)

/* An address as events have it: 16 bytes, IPv4 in the first four. */
struct rtcache_addr {
	union {
		__be32 v4;
		struct in6_addr v6;
	};
};

static struct rtcache_addr rtcache_addr4(__be32 addr)
{
	struct rtcache_addr a = {};

	a.v4 = addr;
	return a;
}

/* --- routes and rules ---------------------------------------------------- */

static int rtcache_fib_reason(unsigned long event)
{
	switch (event) {
	case FIB_EVENT_ENTRY_REPLACE:
		return RTCACHE_R_fib_replace;
	case FIB_EVENT_ENTRY_APPEND:
		return RTCACHE_R_fib_append;
	case FIB_EVENT_ENTRY_ADD:
		return RTCACHE_R_fib_add;
	case FIB_EVENT_ENTRY_DEL:
		return RTCACHE_R_fib_del;
	case FIB_EVENT_RULE_ADD:
		return RTCACHE_R_rule_add;
	case FIB_EVENT_RULE_DEL:
		return RTCACHE_R_rule_del;
	case FIB_EVENT_NH_ADD:
		return RTCACHE_R_nh_change;
	case FIB_EVENT_NH_DEL:
		return RTCACHE_R_nh_del;
	default:
		return -1;	/* multicast routing */
	}
}

static bool rtcache_is_entry(unsigned long event)
{
	return event == FIB_EVENT_ENTRY_REPLACE || event == FIB_EVENT_ENTRY_APPEND ||
	       event == FIB_EVENT_ENTRY_ADD || event == FIB_EVENT_ENTRY_DEL;
}

/*
 * The MAC of an IPv6 gateway is in IPv4 packets, too: from then on neighbours of IPv6
 * count for both. It is never forgotten, as nobody counts such routes.
 */
static void rtcache_fib_gateway(struct rtcache_net *rn, const struct fib_info *fi)
{
	const struct fib_nh *nh = fi->fib_nh, *end = nh + fi->fib_nhs;
	bool v6 = fi->nh && fi->fib_nh_is_v6;

	if (!fi->nh)
		for (; nh < end && !v6; nh++)
			v6 = nh->fib_nh_gw_family == AF_INET6;
	if (unlikely(v6) && !READ_ONCE(rn->inet_via_inet6))
		WRITE_ONCE(rn->inet_via_inet6, true);
}

static int rtcache_dev_index(const struct net_device *dev)
{
	return dev ? dev->ifindex : 0;
}

/* A route by nexthop objects, or several, has no device of its own. */
static void rtcache_fib_entry4(struct rtcache_net *rn, const struct fib_info *fi,
			       struct rtcache_event *ev)
{
	rtcache_fib_gateway(rn, fi);
	if (!fi->nh && fi->fib_nhs == 1)
		ev->ifindex = rtcache_dev_index(fi->fib_nh[0].fib_nh_dev);
}

static void rtcache_fib4(struct rtcache_net *rn, unsigned long event,
			 struct fib_notifier_info *info, struct rtcache_event *ev)
{
	const struct fib_entry_notifier_info *entry = (void *)info;
	const struct fib_nh_notifier_info *nh = (void *)info;
	struct rtcache_addr prefix;

	if (rtcache_is_entry(event)) {
		rtcache_fib_entry4(rn, entry->fi, ev);
		prefix = rtcache_addr4(htonl(entry->dst));
		ev->prefix = &prefix;
		ev->plen = entry->dst_len;
	} else if (event == FIB_EVENT_NH_ADD || event == FIB_EVENT_NH_DEL) {
		ev->ifindex = rtcache_dev_index(nh->fib_nh->fib_nh_dev);
	}
	rtcache_event(rn, RTCACHE_OF(RTCACHE_INET), ev);
}

static void rtcache_fib6(struct rtcache_net *rn, unsigned long event,
			 struct fib_notifier_info *info, struct rtcache_event *ev)
{
	const struct fib6_entry_notifier_info *entry = (void *)info;

	if (rtcache_is_entry(event)) {
		ev->prefix = &entry->rt->fib6_dst.addr;
		ev->plen = entry->rt->fib6_dst.plen;
		if (!entry->rt->nh && !entry->nsiblings)
			ev->ifindex = rtcache_dev_index(entry->rt->fib6_nh->fib_nh_dev);
	}
	rtcache_event(rn, RTCACHE_OF(RTCACHE_INET6), ev);
}

/*
 * Under RCU, and tb6_lock or rtnl. While it is registered all that is there is told, too,
 * under RCU: rtcache_event() does not count that, but gateways are looked at.
 *
 * ENTRY_DEL comes before the entry is removed; a lookup in between finds it. So does
 * REPLACE in place of it, when there is a next best one. See rtcache.c.
 */
static int rtcache_fib_event(struct notifier_block *nb, unsigned long event, void *ptr)
{
	struct rtcache_net *rn = container_of(nb, struct rtcache_net, fib);
	struct fib_notifier_info *info = ptr;
	struct rtcache_event ev = {};
	int reason = rtcache_fib_reason(event);

	if (reason < 0)
		return NOTIFY_DONE;
	ev.reason = reason;
	if (info->family == AF_INET)
		rtcache_fib4(rn, event, info, &ev);
	else if (info->family == AF_INET6)
		rtcache_fib6(rn, event, info, &ev);
	return NOTIFY_DONE;
}

/* --- nexthop objects ----------------------------------------------------- */

static unsigned int rtcache_nexthop_of(const struct nh_notifier_single_info *nh)
{
	return nh->gw_family == AF_INET ? RTCACHE_OF(RTCACHE_INET) : RTCACHE_BOTH;
}

/*
 * IPv6 routes never go by IPv4 gateways; whatever else it is, it may be in routes of
 * both families.
 */
static unsigned int rtcache_nexthop_families(const struct nh_notifier_info *info)
{
	unsigned int families = 0;
	int i;

	switch (info->type) {
	case NH_NOTIFIER_INFO_TYPE_SINGLE:
		return rtcache_nexthop_of(info->nh);
	case NH_NOTIFIER_INFO_TYPE_GRP:
		for (i = 0; i < info->nh_grp->num_nh; i++)
			families |= rtcache_nexthop_of(&info->nh_grp->nh_entries[i].nh);
		return families ? : RTCACHE_BOTH;
	default:
		return RTCACHE_BOTH;
	}
}

/* Of a gateway of IPv6 nobody says which routes will have it. */
static void rtcache_nexthop_gateway(struct rtcache_net *rn, unsigned int families)
{
	if (families & RTCACHE_OF(RTCACHE_INET6))
		WRITE_ONCE(rn->inet_via_inet6, true);
}

/*
 * Under rtnl; replaced after this, so that a lookup may still find the old one. But the
 * buckets of a resilient group are moved by a work without rtnl, and without RCU: who
 * settles cannot wait for it, so that the watch flushes once more, when it is through.
 */
static int rtcache_nexthop_event(struct notifier_block *nb, unsigned long event, void *ptr)
{
	struct rtcache_net *rn = container_of(nb, struct rtcache_net, nexthop);
	struct rtcache_event ev = { .reason = RTCACHE_R_nh_change };
	const struct nh_notifier_info *info = ptr;
	unsigned int families;

	switch (event) {
	case NEXTHOP_EVENT_DEL:
		ev.reason = RTCACHE_R_nh_del;
		break;
	case NEXTHOP_EVENT_BUCKET_REPLACE:
		atomic_set(&rn->again, 2);
		break;
	case NEXTHOP_EVENT_REPLACE:
		break;
	default:
		return NOTIFY_DONE;
	}
	families = rtcache_nexthop_families(info);
	rtcache_nexthop_gateway(rn, families);
	if (info->type == NH_NOTIFIER_INFO_TYPE_SINGLE)
		ev.ifindex = rtcache_dev_index(info->nh->dev);
	rtcache_event(rn, families, &ev);
	return NOTIFY_DONE;
}

/* --- neighbours ---------------------------------------------------------- */

/*
 * The kernel tells of each change of a neighbour's state, and of most nobody needs to
 * hear: reachable or stale, the MAC is good. So it is remembered what was told last; who
 * is not remembered, or has had to give way to another with the same hash, counts as
 * changed. Of all namespaces together.
 */
static u64 rtcache_neighs[1 << RTCACHE_NEIGH_BITS];
static siphash_key_t rtcache_neigh_key __read_mostly;

struct rtcache_neigh {
	const struct net_device *dev;
	struct rtcache_addr addr;
	u8 ha[ALIGN(MAX_ADDR_LEN, sizeof(u64))];
	u64 family, valid;
} __aligned(SIPHASH_ALIGNMENT);

static struct rtcache_addr rtcache_neigh_addr(const struct neighbour *n)
{
	struct rtcache_addr addr = {};

	memcpy(&addr, n->primary_key, min_t(u32, n->tbl->key_len, sizeof(addr)));
	return addr;
}

static u64 rtcache_neigh_digest(const struct neighbour *n)
{
	struct rtcache_neigh id = {
		.dev = n->dev,
		.addr = rtcache_neigh_addr(n),
		.family = n->tbl->family,
		.valid = !n->dead && n->nud_state & NUD_VALID,
	};

	if (id.valid)
		memcpy(id.ha, n->ha, min_t(u32, n->dev->addr_len, MAX_ADDR_LEN));
	return siphash(&id, sizeof(id), &rtcache_neigh_key);
}

static u64 *rtcache_neigh_slot(const struct neighbour *n)
{
	struct rtcache_addr addr = rtcache_neigh_addr(n);
	u32 hash = jhash(&addr, sizeof(addr), hash_ptr(n->dev, 32));

	return &rtcache_neighs[hash >> (32 - RTCACHE_NEIGH_BITS)];
}

/* Under its lock, so that what is remembered of two changes is the later one. */
static bool rtcache_neigh_changed(struct neighbour *n)
{
	u64 digest, *slot = rtcache_neigh_slot(n);
	bool changed;

	read_lock_bh(&n->lock);
	digest = rtcache_neigh_digest(n);
	changed = xchg(slot, digest) != digest;
	read_unlock_bh(&n->lock);
	return changed;
}

static void rtcache_neigh(struct neighbour *n)
{
	int family = n->tbl->family == AF_INET ? RTCACHE_INET : RTCACHE_INET6;
	struct rtcache_net *rn = rtcache_net(dev_net(n->dev));
	struct rtcache_event ev = { .reason = RTCACHE_R_neigh, .ifindex = n->dev->ifindex };
	struct rtcache_addr addr = rtcache_neigh_addr(n);

	if (!rn || !rtcache_neigh_changed(n))
		return;
	if (family == RTCACHE_INET6 && READ_ONCE(rn->inet_via_inet6))
		rtcache_event(rn, RTCACHE_OF(RTCACHE_INET), &ev);
	ev.prefix = &addr;
	ev.plen = n->tbl->key_len * BITS_PER_BYTE;
	rtcache_event(rn, RTCACHE_OF(family), &ev);
}

/* In softirqs, too, and under the lock of the table. */
static int rtcache_netevent(struct notifier_block *nb, unsigned long event, void *ptr)
{
	struct neighbour *n = ptr;

	if (event == NETEVENT_NEIGH_UPDATE &&
	    (n->tbl->family == AF_INET || n->tbl->family == AF_INET6))
		rtcache_neigh(n);
	return NOTIFY_DONE;
}

static struct notifier_block rtcache_netevent_nb = { .notifier_call = rtcache_netevent };

/* --- addresses ----------------------------------------------------------- */

static void rtcache_addr_event(const struct net_device *dev, int family, unsigned long event,
			       const void *addr)
{
	struct rtcache_event ev = {
		.reason = event == NETDEV_UP ? RTCACHE_R_addr_add : RTCACHE_R_addr_del,
		.ifindex = dev->ifindex,
		.prefix = addr,
		.plen = family == RTCACHE_INET ? 32 : 128,
	};

	rtcache_event(rtcache_net(dev_net(dev)), RTCACHE_OF(family), &ev);
}

static DECLARE_COMPLETION(rtcache_through);
static unsigned long rtcache_rested;	/* jiffies; rtnl */

static void rtcache_through_work(struct work_struct *work)
{
	synchronize_rcu_tasks();
	complete(&rtcache_through);
}

static DECLARE_WORK(rtcache_calls, rtcache_through_work);

/*
 * With promote_secondaries the kernel takes the local routes of all secondaries of a network
 * before it tells that their primary goes, and adds them again when all have been told: to wait
 * in between would cut off who stays. Without it, no secondary is there any more.
 */
static bool rtcache_has_heirs(const struct in_ifaddr *ifa)
{
	const struct in_ifaddr *other;

	if (ifa->ifa_flags & IFA_F_SECONDARY)
		return false;
	in_dev_for_each_ifa_rtnl(other, ifa->ifa_dev)
		if (other->ifa_flags & IFA_F_SECONDARY && other->ifa_mask == ifa->ifa_mask &&
		    inet_ifa_match(ifa->ifa_address, other))
			return true;
	return false;
}

/*
 * A program that chooses sources may have chosen this one, for a call that has not come to
 * its lookup of the route yet, where the kernel refuses what is not local: an error to who
 * has done nothing wrong. It is local until the kernel's notifier, the next one after ours,
 * takes its route away; and who listens has heard of it now, so that no other call gets it.
 * Those under way are waited for. On their way they offer the CPU to others, but never sleep;
 * so they are through when each task that runs, or would, has slept or been in user mode: that
 * is what a grace period of RCU tasks is.
 *
 * It takes a tenth of a second, under rtnl, and longer where something in the kernel never
 * sleeps. So there is a bound, and who comes while the last one is not through, does not
 * wait; nor does who comes right after it: of many addresses that are removed at once, one is
 * waited for. What is not waited for fails as it would after a bind() of the
 * application. Only where somebody listens: who uses such a program is in the group of
 * events. Of a device that is down nobody chooses. IPv6 does not look, and does not refuse.
 */
static void rtcache_let_through(const struct in_ifaddr *ifa)
{
	const struct net_device *dev = ifa->ifa_dev->dev;

	if (!rtcache_event_traced() || !rtcache_heard(dev_net(dev)) || !(dev->flags & IFF_UP) ||
	    time_is_after_jiffies(rtcache_rested) || work_busy(&rtcache_calls) ||
	    rtcache_has_heirs(ifa))
		return;
	reinit_completion(&rtcache_through);
	queue_work(system_dfl_wq, &rtcache_calls);
	wait_for_completion_timeout(&rtcache_through, RTCACHE_THROUGH_MAX);
	rtcache_rested = jiffies + RTCACHE_THROUGH_REST;
}

static int rtcache_inetaddr_event(struct notifier_block *nb, unsigned long event, void *ptr)
{
	const struct in_ifaddr *ifa = ptr;
	struct rtcache_addr addr = rtcache_addr4(ifa->ifa_local);

	rtcache_addr_event(ifa->ifa_dev->dev, RTCACHE_INET, event, &addr);
	if (event == NETDEV_DOWN)
		rtcache_let_through(ifa);
	return NOTIFY_DONE;
}

/* Atomic: an address may come by a router advertisement. */
static int rtcache_inet6addr_event(struct notifier_block *nb, unsigned long event, void *ptr)
{
	const struct inet6_ifaddr *ifa = ptr;

	rtcache_addr_event(ifa->idev->dev, RTCACHE_INET6, event, &ifa->addr);
	return NOTIFY_DONE;
}

/* Before fib_inetaddr_event(): see rtcache_let_through(). Flux ends after both. */
static struct notifier_block rtcache_inetaddr_nb = {
	.notifier_call = rtcache_inetaddr_event,
	.priority = 1,
};
static struct notifier_block rtcache_inet6addr_nb = {
	.notifier_call = rtcache_inet6addr_event
};

/* --- devices ------------------------------------------------------------- */

static int rtcache_link_reason(const struct net_device *dev, unsigned long event)
{
	switch (event) {
	case NETDEV_UP:
		return RTCACHE_R_link_up;
	case NETDEV_DOWN:
		return RTCACHE_R_link_down;
	case NETDEV_CHANGE:
		return netif_oper_up(dev) ? RTCACHE_R_link_up : RTCACHE_R_link_down;
	case NETDEV_CHANGEMTU:
		return RTCACHE_R_link_mtu;
	case NETDEV_CHANGEADDR:
		return RTCACHE_R_link_mac;
	case NETDEV_CHANGENAME:
		return RTCACHE_R_link_name;
	case NETDEV_CHANGEUPPER:
		return RTCACHE_R_link_master;
	case NETDEV_UNREGISTER:
		return RTCACHE_R_link_gone;
	default:
		return -1;
	}
}

/*
 * Under rtnl. A device that goes to another namespace is unregistered here and registered
 * there, where nobody has a route by it yet.
 */
static int rtcache_netdev_event(struct notifier_block *nb, unsigned long event, void *ptr)
{
	const struct net_device *dev = netdev_notifier_info_to_dev(ptr);
	struct rtcache_event ev = { .ifindex = dev->ifindex };
	int reason = rtcache_link_reason(dev, event);

	if (reason < 0)
		return NOTIFY_DONE;
	ev.reason = reason;
	/* The facts before the flush: what is cached after it is cached by them. */
	rcu_read_lock();
	rtcache_device(dev, event == NETDEV_UNREGISTER);
	rcu_read_unlock();
	rtcache_event(rtcache_net(dev_net(dev)), RTCACHE_BOTH, &ev);
	return NOTIFY_DONE;
}

static struct notifier_block rtcache_netdev_nb = { .notifier_call = rtcache_netdev_event };

/* --- registered ---------------------------------------------------------- */

/*
 * The core tells of all that is there, and begins again when something has changed
 * meanwhile. On a router that never has an end, so its five tries may not be enough.
 */
static int rtcache_register_fib(struct rtcache_net *rn)
{
	int err, i;

	for (i = 0; i < RTCACHE_REGISTER_TRIES; i++) {
		err = register_fib_notifier(rn->net, &rn->fib, NULL, NULL);
		if (err != -EBUSY)
			break;
	}
	return err;
}

int rtcache_event_net_init(struct rtcache_net *rn)
{
	int err;

	rn->fib.notifier_call = rtcache_fib_event;
	rn->nexthop.notifier_call = rtcache_nexthop_event;
	err = rtcache_register_fib(rn);
	if (err)
		return err;
	err = register_nexthop_notifier(rn->net, &rn->nexthop, NULL);
	if (err)
		unregister_fib_notifier(rn->net, &rn->fib);
	return err;
}

void rtcache_event_net_exit(struct rtcache_net *rn)
{
	unregister_nexthop_notifier(rn->net, &rn->nexthop);
	unregister_fib_notifier(rn->net, &rn->fib);
}

/* Each of them is told of what is there already; that counts, and does no harm. */
int rtcache_event_init(void)
{
	int err;

	rtcache_rested = jiffies;
	get_random_bytes(&rtcache_neigh_key, sizeof(rtcache_neigh_key));
	err = register_netdevice_notifier(&rtcache_netdev_nb);
	if (err)
		return err;
	register_inetaddr_notifier(&rtcache_inetaddr_nb);
	register_inet6addr_notifier(&rtcache_inet6addr_nb);
	register_netevent_notifier(&rtcache_netevent_nb);
	return 0;
}

void rtcache_event_exit(void)
{
	unregister_netevent_notifier(&rtcache_netevent_nb);
	unregister_inet6addr_notifier(&rtcache_inet6addr_nb);
	unregister_inetaddr_notifier(&rtcache_inetaddr_nb);
	unregister_netdevice_notifier(&rtcache_netdev_nb);
	flush_work(&rtcache_calls);
}
