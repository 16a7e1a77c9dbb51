// SPDX-License-Identifier: GPL-2.0
/*
 * rtcache_watch.c - what the kernel tells nobody: looked at ten times a second, while
 * somebody has copies or listens.
 *
 *	sysctls of forwarding, of the choice among several paths, of a device; what is
 *	seen of a device is told each time, before the flush
 *	netfilter, tc and IPsec, which a packet misses that does not go through the stack
 *	routes behind the first of their prefix: the notifiers are silent about another
 *	TOS or metric, but the kernel's own counter of changes is not
 *
 * What is found here was so for up to 100 ms. Two changes within that time which cancel
 * each other are not found, unless they are routes. Not found at all: an IPv6 route that
 * has run out, and is not collected yet; path MTUs of IPv4. Who keeps copies outside of
 * the module, where dst_ops.check() does not help, gives them an age.
 */
#include <linux/inetdevice.h>
#include <linux/jhash.h>
#include <linux/netfilter.h>
#include <linux/netfilter_ipv4.h>
#include <net/addrconf.h>
#include <net/sch_generic.h>
#include <net/xfrm.h>

#include "rtcache.h"

#define RTCACHE_WATCH_PERIOD	(HZ / 10)

struct rtcache_look {
	u64 digest;
	u32 obstacles;
	bool forwards;			/* some device does */
};

static bool rtcache_watch_on;		/* rtcache_mutex */

static void rtcache_watch_work(struct work_struct *work);
static DECLARE_DELAYED_WORK(rtcache_watch, rtcache_watch_work);

static void rtcache_mix(struct rtcache_look *look, u64 value)
{
	look->digest = rol64(look->digest ^ value, 29) * GOLDEN_RATIO_64;
}

u32 rtcache_genid(const struct net *net, int family)
{
#if IS_ENABLED(CONFIG_IPV6)
	if (family == RTCACHE_INET6)
		return atomic_read(&net->ipv6.fib6_sernum);
#endif
	return rt_genid_ipv4(net);
}

/* --- the namespace ------------------------------------------------------- */

#ifdef CONFIG_NETFILTER
/*
 * AppArmor and SELinux have hooks in every namespace, rules or not. What they judge
 * forwarded packets by are labels, and those come by rules of netfilter, by IPsec or by
 * IP options: each of these is in the way itself.
 */
static bool rtcache_lsm_hook(const struct nf_hook_ops *ops)
{
	return ops->hook_ops_type == NF_HOOK_OP_UNDEFINED &&	/* not a chain of that priority */
	       (ops->priority == NF_IP_PRI_SELINUX_FIRST ||
		ops->priority == NF_IP_PRI_SELINUX_LAST);
}

static bool rtcache_has_hook(struct nf_hook_entries __rcu *const *at)
{
	const struct nf_hook_entries *entries = rcu_dereference(*at);
	struct nf_hook_ops **ops;
	int i;

	if (!entries)
		return false;
	ops = nf_hook_entries_get_hook_ops(entries);
	for (i = 0; i < entries->num_hook_entries; i++)
		if (!rtcache_lsm_hook(ops[i]))
			return true;
	return false;
}

static bool rtcache_has_hooks(struct nf_hook_entries __rcu *const *hooks)
{
	return rtcache_has_hook(&hooks[NF_INET_PRE_ROUTING]) ||
	       rtcache_has_hook(&hooks[NF_INET_FORWARD]) ||
	       rtcache_has_hook(&hooks[NF_INET_POST_ROUTING]);
}
#endif

static u32 rtcache_ipsec(const struct net *net)
{
#ifdef CONFIG_XFRM
	if (READ_ONCE(net->xfrm.policy_count[XFRM_POLICY_FWD]) ||
	    READ_ONCE(net->xfrm.policy_count[XFRM_POLICY_OUT]) ||
	    READ_ONCE(net->xfrm.policy_default[XFRM_POLICY_FWD]) == XFRM_USERPOLICY_BLOCK ||
	    READ_ONCE(net->xfrm.policy_default[XFRM_POLICY_OUT]) == XFRM_USERPOLICY_BLOCK)
		return RTCACHE_IPSEC;
#endif
	return 0;
}

static void rtcache_look_net4(const struct net *net, struct rtcache_look *look)
{
	/* A device's own setting and everybody's count together. */
	rtcache_mix(look, jhash2((const u32 *)net->ipv4.devconf_all->data, IPV4_DEVCONF_MAX, 0));
	rtcache_mix(look, READ_ONCE(net->ipv4.sysctl_ip_fwd_use_pmtu));
	rtcache_mix(look, READ_ONCE(net->ipv4.sysctl_ip_fwd_update_priority));
#ifdef CONFIG_IP_ROUTE_MULTIPATH
	rtcache_mix(look, READ_ONCE(net->ipv4.sysctl_fib_multipath_hash_fields));
	rtcache_mix(look, READ_ONCE(net->ipv4.sysctl_fib_multipath_hash_policy));
	rtcache_mix(look, READ_ONCE(net->ipv4.sysctl_fib_multipath_use_neigh));
#endif
#ifdef CONFIG_NETFILTER
	if (rtcache_has_hooks(net->nf.hooks_ipv4))
		look->obstacles |= RTCACHE_NETFILTER;
#endif
	look->obstacles |= rtcache_ipsec(net);
}

static void rtcache_look_net6(const struct net *net, struct rtcache_look *look)
{
#if IS_ENABLED(CONFIG_IPV6)
	rtcache_mix(look, READ_ONCE(net->ipv6.sysctl.multipath_hash_fields));
	rtcache_mix(look, READ_ONCE(net->ipv6.sysctl.multipath_hash_policy));
	/* ip6_forward() asks this one, and no device. */
	look->forwards = READ_ONCE(net->ipv6.devconf_all->forwarding);
#endif
#ifdef CONFIG_NETFILTER
	if (rtcache_has_hooks(net->nf.hooks_ipv6))
		look->obstacles |= RTCACHE_NETFILTER;
#endif
	look->obstacles |= rtcache_ipsec(net);
}

/* --- its devices --------------------------------------------------------- */

static void rtcache_look_device4(const struct net_device *dev, struct rtcache_look *look)
{
	const struct in_device *in_dev = __in_dev_get_rcu(dev);

	if (!in_dev)
		return;
	rtcache_mix(look, dev->ifindex);
	rtcache_mix(look, jhash2((const u32 *)in_dev->cnf.data, IPV4_DEVCONF_MAX, 0));
	if (!(dev->flags & IFF_LOOPBACK) && IPV4_DEVCONF(in_dev->cnf, FORWARDING))
		look->forwards = true;
}

static void rtcache_look_device6(const struct net_device *dev, struct rtcache_look *look)
{
	const struct inet6_dev *idev = __in6_dev_get(dev);

	if (!idev)
		return;
	rtcache_mix(look, dev->ifindex);
	rtcache_mix(look, READ_ONCE(idev->cnf.disable_ipv6));
	rtcache_mix(look, READ_ONCE(idev->cnf.forwarding));
	rtcache_mix(look, READ_ONCE(idev->cnf.mtu6));
	rtcache_mix(look, READ_ONCE(idev->cnf.hop_limit));
	rtcache_mix(look, READ_ONCE(idev->cnf.ignore_routes_with_linkdown));
	if (compat_force_forwarding(idev)) {
		rtcache_mix(look, 1);
		look->forwards = true;
	}
}

/* Queues that send everything, as it comes or in a fair order, miss nothing. */
static bool rtcache_plain_qdisc(const struct Qdisc *q)
{
	static const char *const plain[] = {
		"noop", "noqueue", "pfifo_fast", "pfifo", "bfifo", "fq", "fq_codel", "codel",
		"sfq", "mq",
	};

	return !q || match_string(plain, ARRAY_SIZE(plain), q->ops->id) >= 0;
}

static u32 rtcache_device_obstacles(const struct net_device *dev)
{
	u32 obstacles = 0;

	if (compat_tc_filters(dev, true))
		obstacles |= RTCACHE_TC_INGRESS;
	if (compat_tc_filters(dev, false))
		obstacles |= RTCACHE_TC_EGRESS;
#ifdef CONFIG_NETFILTER_INGRESS
	if (rcu_access_pointer(dev->nf_hooks_ingress))
		obstacles |= RTCACHE_NETFILTER;
#endif
#ifdef CONFIG_NETFILTER_EGRESS
	if (rcu_access_pointer(dev->nf_hooks_egress))
		obstacles |= RTCACHE_NETFILTER;
#endif
	if (!rtcache_plain_qdisc(rcu_dereference(dev->qdisc)))
		obstacles |= RTCACHE_QDISC;
	return obstacles;
}

/* --- looked at ----------------------------------------------------------- */

static void rtcache_look(struct net *net, struct rtcache_look *look)
{
	struct net_device *dev;
	u32 obstacles;
	int f;

	rcu_read_lock();
	rtcache_look_net4(net, &look[RTCACHE_INET]);
	rtcache_look_net6(net, &look[RTCACHE_INET6]);
	for_each_netdev_rcu(net, dev) {
		rtcache_look_device4(dev, &look[RTCACHE_INET]);
		rtcache_look_device6(dev, &look[RTCACHE_INET6]);
		obstacles = rtcache_device_obstacles(dev);
		look[RTCACHE_INET].obstacles |= obstacles;
		look[RTCACHE_INET6].obstacles |= obstacles;
		rtcache_device(dev, false);
	}
	rcu_read_unlock();
	for (f = 0; f < RTCACHE_FAMILIES; f++)
		if (!look[f].forwards)
			look[f].obstacles |= RTCACHE_FORWARDING_OFF;
}

/* Of a change that was told, rtcache_settle_one() has noted the genid. */
static bool rtcache_untold_route(const struct rtcache_net *rn, int f)
{
	const struct rtcache_family *family = &rn->family[f];

	if (atomic64_read(&family->gen) & 1)
		return false;
	return READ_ONCE(family->genid) != rtcache_genid(rn->net, f);
}

void rtcache_watch_look(struct rtcache_net *rn)
{
	struct rtcache_look look[RTCACHE_FAMILIES] = {};
	struct rtcache_family *family = rn->family;
	bool changed, again;
	int f;

	lockdep_assert_held(&rtcache_mutex);
	again = !atomic_dec_if_positive(&rn->again);
	rtcache_look(rn->net, look);
	for (f = 0; f < RTCACHE_FAMILIES; f++, family++) {
		changed = family->digest != look[f].digest ||
			  family->obstacles != look[f].obstacles;
		family->digest = look[f].digest;
		WRITE_ONCE(family->obstacles, look[f].obstacles);
		if (changed || again || rtcache_untold_route(rn, f))
			rtcache_flush(rn->net, f, RTCACHE_R_watch);
	}
}

static bool rtcache_wanted(const struct rtcache_net *rn)
{
	return atomic_read(&rn->holders) || rtcache_traced() || rtcache_heard(rn->net);
}

static void rtcache_watch_work(struct work_struct *work)
{
	struct rtcache_net *rn;
	bool wanted = false;

	mutex_lock(&rtcache_mutex);
	list_for_each_entry(rn, &rtcache_nets, list) {
		if (!rtcache_wanted(rn))
			continue;
		rtcache_watch_look(rn);
		wanted = true;
	}
	if (wanted && rtcache_watch_on)
		schedule_delayed_work(&rtcache_watch, RTCACHE_WATCH_PERIOD);
	mutex_unlock(&rtcache_mutex);
}

/* Under RCU: who still saw it on has scheduled the work before it is cancelled. */
void rtcache_watch_kick(void)
{
	rcu_read_lock();
	if (READ_ONCE(rtcache_watch_on))
		schedule_delayed_work(&rtcache_watch, 0);
	rcu_read_unlock();
}

void rtcache_watch_init(void)
{
	WRITE_ONCE(rtcache_watch_on, true);
}

/*
 * Sockets, devices and programs that would kick it after this are not there any more; but
 * the tracepoints are enabled through tracefs until the module is gone.
 */
void rtcache_watch_exit(void)
{
	mutex_lock(&rtcache_mutex);
	WRITE_ONCE(rtcache_watch_on, false);
	mutex_unlock(&rtcache_mutex);
	synchronize_rcu();
	cancel_delayed_work_sync(&rtcache_watch);
}
