// SPDX-License-Identifier: GPL-2.0
/*
 * rtcache_netlink.c - generic netlink: who asks, who flushes, who listens.
 */
#include <linux/module.h>
#include <net/genetlink.h>

#include "rtcache.h"

/* A burst is told of by so many messages in so much time. */
#define RTCACHE_TOLD_MAX	64
#define RTCACHE_TOLD_PERIOD	(HZ / 10)

static struct genl_family rtcache_genl;
static bool rtcache_registered;		/* only then its group is its own */

bool rtcache_heard(struct net *net)
{
	return READ_ONCE(rtcache_registered) && genl_has_listeners(&rtcache_genl, net, 0);
}

/* --- told ---------------------------------------------------------------- */

/* May one more message be sent now? */
static bool rtcache_tell_may(struct rtcache_net *rn)
{
	unsigned long flags;
	bool may;

	spin_lock_irqsave(&rn->tell_lock, flags);
	if (time_after_eq(jiffies, rn->tell_since + RTCACHE_TOLD_PERIOD)) {
		rn->tell_since = jiffies;
		rn->told = 0;
	}
	may = rn->told < RTCACHE_TOLD_MAX;
	rn->told += may;
	spin_unlock_irqrestore(&rn->tell_lock, flags);
	return may;
}

static int rtcache_put_prefix(struct sk_buff *skb, int family, const struct rtcache_event *event)
{
	int len = family == RTCACHE_INET ? sizeof(struct in_addr) : sizeof(struct in6_addr);

	if (!event->prefix)
		return 0;
	return nla_put(skb, VESTIGE_RTCACHE_A_PREFIX, len, event->prefix) ? :
	       nla_put_u8(skb, VESTIGE_RTCACHE_A_PLEN, event->plen);
}

static int rtcache_put_event(struct sk_buff *skb, struct rtcache_net *rn, int family, u64 gen,
			     const struct rtcache_event *event, u32 count)
{
	u32 obstacles = READ_ONCE(rn->family[family].obstacles);

	if (nla_put_u8(skb, VESTIGE_RTCACHE_A_FAMILY, family) ||
	    nla_put_u32(skb, VESTIGE_RTCACHE_A_REASON, event->reason) ||
	    nla_put_u64_64bit(skb, VESTIGE_RTCACHE_A_GEN, gen, VESTIGE_RTCACHE_A_PAD) ||
	    nla_put_u32(skb, VESTIGE_RTCACHE_A_OBSTACLES, obstacles) ||
	    nla_put_u32(skb, VESTIGE_RTCACHE_A_COUNT, count) ||
	    rtcache_put_prefix(skb, family, event))
		return -EMSGSIZE;
	return event->ifindex ? nla_put_u32(skb, VESTIGE_RTCACHE_A_IFINDEX, event->ifindex) : 0;
}

static void rtcache_tell_now(struct rtcache_net *rn, int family, u64 gen,
			     const struct rtcache_event *event, u32 count)
{
	struct sk_buff *skb = genlmsg_new(NLMSG_DEFAULT_SIZE, GFP_ATOMIC);
	void *hdr;

	if (!skb)
		return;
	hdr = genlmsg_put(skb, 0, 0, &rtcache_genl, 0, VESTIGE_RTCACHE_CMD_EVENT);
	if (!hdr || rtcache_put_event(skb, rn, family, gen, event, count)) {
		nlmsg_free(skb);
		return;
	}
	genlmsg_end(skb, hdr);
	genlmsg_multicast_netns(&rtcache_genl, rn->net, skb, 0, 0, GFP_ATOMIC);
}

/*
 * That it has settled is always told, once for each flux, and with it how many events
 * were not. One that cannot be told for lack of memory is missed by the listener only.
 */
static noinline void rtcache_tell_some(struct rtcache_net *rn, int f, u64 gen,
				       const struct rtcache_event *event)
{
	struct rtcache_family *family = &rn->family[f];
	bool settled = event->reason == RTCACHE_R_settled;

	if (!settled && !rtcache_tell_may(rn)) {
		atomic_inc(&family->untold);
		atomic64_inc(&family->untold_total);
		return;
	}
	rtcache_tell_now(rn, f, gen, event, atomic_xchg(&family->untold, 0) + !settled);
}

/* For each route of a burst: most have nobody to hear of them. */
void rtcache_tell(struct rtcache_net *rn, int f, u64 gen, const struct rtcache_event *event)
{
	if (unlikely(rtcache_heard(rn->net)))
		rtcache_tell_some(rn, f, gen, event);
}

/* --- asked --------------------------------------------------------------- */

static int rtcache_put_counters(struct sk_buff *skb, const struct rtcache_family *family)
{
	u64 counters[RTCACHE_REASON_MAX];
	int i;

	for (i = 0; i < RTCACHE_REASON_MAX; i++)
		counters[i] = atomic64_read(&family->counters[i]);
	counters[RTCACHE_R_settled] = atomic64_read(&family->settles);
	return nla_put(skb, VESTIGE_RTCACHE_A_COUNTERS, sizeof(counters), counters);
}

static int rtcache_put_u64(struct sk_buff *skb, int type, const atomic64_t *value)
{
	return nla_put_u64_64bit(skb, type, atomic64_read(value), VESTIGE_RTCACHE_A_PAD);
}

static int rtcache_put_family(struct sk_buff *skb, struct rtcache_net *rn, int f)
{
	struct nlattr *nest = nla_nest_start(skb, VESTIGE_RTCACHE_A_STATS);
	struct rtcache_family *family = &rn->family[f];

	if (!nest || nla_put_u8(skb, VESTIGE_RTCACHE_A_FAMILY, f) ||
	    rtcache_put_u64(skb, VESTIGE_RTCACHE_A_GEN, &family->gen) ||
	    nla_put_u32(skb, VESTIGE_RTCACHE_A_OBSTACLES, READ_ONCE(family->obstacles)) ||
	    rtcache_put_u64(skb, VESTIGE_RTCACHE_A_SETTLES, &family->settles) ||
	    rtcache_put_u64(skb, VESTIGE_RTCACHE_A_UNTOLD, &family->untold_total) ||
	    rtcache_put_counters(skb, family))
		return -EMSGSIZE;
	nla_nest_end(skb, nest);
	return 0;
}

static int rtcache_put_all(struct sk_buff *skb, struct rtcache_net *rn)
{
	u32 obstacles = READ_ONCE(rn->family[RTCACHE_INET].obstacles) |
			READ_ONCE(rn->family[RTCACHE_INET6].obstacles);

	if (nla_put_u64_64bit(skb, VESTIGE_RTCACHE_A_COOKIE, rn->net->net_cookie,
			      VESTIGE_RTCACHE_A_PAD) ||
	    nla_put_u32(skb, VESTIGE_RTCACHE_A_HOLDERS, atomic_read(&rn->holders)) ||
	    nla_put_u32(skb, VESTIGE_RTCACHE_A_OBSTACLES, obstacles) ||
	    rtcache_put_family(skb, rn, RTCACHE_INET) ||
	    rtcache_put_family(skb, rn, RTCACHE_INET6))
		return -EMSGSIZE;
	return 0;
}

/* The generations are as they were before the watch looks. */
static int rtcache_get(struct sk_buff *request, struct genl_info *info)
{
	struct rtcache_net *rn = rtcache_net(genl_info_net(info));
	struct sk_buff *skb = genlmsg_new(NLMSG_GOODSIZE, GFP_KERNEL);
	void *hdr;

	if (!skb)
		return -ENOMEM;
	hdr = genlmsg_put_reply(skb, info, &rtcache_genl, 0, VESTIGE_RTCACHE_CMD_GET);
	if (!hdr || rtcache_put_all(skb, rn)) {
		nlmsg_free(skb);
		return -EMSGSIZE;
	}
	genlmsg_end(skb, hdr);
	rtcache_watch_kick();
	return genlmsg_reply(skb, info);
}

/* With the obstacles of now: for who has just attached. */
static int rtcache_do_flush(struct sk_buff *request, struct genl_info *info)
{
	const struct nlattr *attr = info->attrs[VESTIGE_RTCACHE_A_FAMILY];
	unsigned int families = attr ? RTCACHE_OF(nla_get_u8(attr)) : RTCACHE_BOTH;
	struct rtcache_net *rn = rtcache_net(genl_info_net(info));
	struct rtcache_event event = { .reason = RTCACHE_R_user };

	mutex_lock(&rtcache_mutex);
	rtcache_watch_look(rn);
	mutex_unlock(&rtcache_mutex);
	rtcache_event(rn, families, &event);
	return 0;
}

static const struct nla_policy rtcache_policy[VESTIGE_RTCACHE_A_MAX + 1] = {
	[VESTIGE_RTCACHE_A_FAMILY] = NLA_POLICY_MAX(NLA_U8, RTCACHE_INET6),
};

static const struct genl_ops rtcache_ops[] = {
	{
		.cmd = VESTIGE_RTCACHE_CMD_GET,
		.doit = rtcache_get,
	}, {
		.cmd = VESTIGE_RTCACHE_CMD_FLUSH,
		.flags = GENL_UNS_ADMIN_PERM,	/* in the user namespace of the network one */
		.doit = rtcache_do_flush,
	},
};

static const struct genl_multicast_group rtcache_groups[] = {
	{ .name = VESTIGE_RTCACHE_EVENTS },
};

static struct genl_family rtcache_genl __ro_after_init = {
	.name = VESTIGE_RTCACHE_NAME,
	.version = VESTIGE_RTCACHE_VERSION,
	.maxattr = VESTIGE_RTCACHE_A_MAX,
	.policy = rtcache_policy,
	.netnsok = true,
	.parallel_ops = true,
	.module = THIS_MODULE,
	.ops = rtcache_ops,
	.n_ops = ARRAY_SIZE(rtcache_ops),
	.resv_start_op = VESTIGE_RTCACHE_CMD_EVENT + 1,
	.mcgrps = rtcache_groups,
	.n_mcgrps = ARRAY_SIZE(rtcache_groups),
};

int rtcache_netlink_init(void)
{
	int err = genl_register_family(&rtcache_genl);

	WRITE_ONCE(rtcache_registered, !err);
	return err;
}

void rtcache_netlink_exit(void)
{
	WRITE_ONCE(rtcache_registered, false);
	genl_unregister_family(&rtcache_genl);
}
