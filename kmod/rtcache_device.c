// SPDX-License-Identifier: GPL-2.0
/*
 * rtcache_device.c - what programs that forward have to know of a device, and cannot ask.
 *
 * Told by the tracepoint vestige_rtcache_device: when it changes, in the context of the
 * change and before the flush; and by the watch, which finds what nobody tells, and
 * mends whatever was missed.
 */
#include <linux/if_vlan.h>
#include <linux/inetdevice.h>
#include <linux/netdevice.h>

#include "rtcache.h"
#include "rtcache_trace.h"

/* Who tells last has looked last. */
static DEFINE_SPINLOCK(rtcache_device_lock);

/* In the order of memory, as the uapi header has it. */
union rtcache_facts {
	u64 word;
	struct {
		u8 mac[ETH_ALEN];
		u8 rp_filter;
		u8 state;
	};
};
static_assert(sizeof(union rtcache_facts) == sizeof(u64));

static u8 rtcache_device_state(const struct net_device *dev)
{
	u8 state = 0;

	if (dev->flags & IFF_UP)
		state |= RTCACHE_DEVICE_UP;
	if (netdev_master_upper_dev_get_rcu((struct net_device *)dev) && !netif_is_l3_slave(dev))
		state |= RTCACHE_DEVICE_PART;
	return state;
}

/* As IN_DEV_RPFILTER(): the larger of the device's own and everybody's. */
static u8 rtcache_rp_filter(const struct net_device *dev)
{
	struct in_device *in_dev = __in_dev_get_rcu(dev);	/* 6.1: not const */

	return in_dev ? IN_DEV_MAXCONF(in_dev, RP_FILTER) : 0;
}

/* Of VLAN devices that have VLAN devices below nobody makes use. */
static int rtcache_vlan(const struct net_device *dev, u16 *vid)
{
#if IS_ENABLED(CONFIG_VLAN_8021Q)
	const struct vlan_dev_priv *vlan;

	if (!is_vlan_dev(dev))
		return 0;
	vlan = vlan_dev_priv(dev);
	if (vlan->vlan_proto != htons(ETH_P_8021Q) ||
	    !net_eq(dev_net(vlan->real_dev), dev_net(dev)))
		return 0;
	*vid = vlan->vlan_id;
	return vlan->real_dev->ifindex;
#else
	return 0;
#endif
}

void rtcache_device(const struct net_device *dev, bool gone)
{
	union rtcache_facts facts = {};
	u16 vid = 0;
	int lower;

	if (!trace_vestige_rtcache_device_enabled() || dev->addr_len != ETH_ALEN)
		return;
	lower = rtcache_vlan(dev, &vid);
	/* BH off, too: a program does not run inside itself. */
	spin_lock_bh(&rtcache_device_lock);
	memcpy(facts.mac, dev->dev_addr, ETH_ALEN);
	facts.rp_filter = rtcache_rp_filter(dev);
	facts.state = gone ? RTCACHE_DEVICE_GONE : rtcache_device_state(dev);
	trace_vestige_rtcache_device(dev_net(dev)->net_cookie, dev->ifindex, lower, vid,
				     facts.word);
	spin_unlock_bh(&rtcache_device_lock);
}
