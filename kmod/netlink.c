// SPDX-License-Identifier: GPL-2.0
/*
 * netlink.c - devices come, change and go by rtnetlink.
 */
#include <linux/etherdevice.h>
#include <linux/module.h>
#include <net/rtnetlink.h>

#include "sgre.h"

static const struct nla_policy sgre_policy[IFLA_SGRE_MAX + 1] = {
	[IFLA_SGRE_LOCAL]	= NLA_POLICY_EXACT_LEN(sizeof(__be32)),
	[IFLA_SGRE_REMOTE]	= NLA_POLICY_EXACT_LEN(sizeof(__be32)),
	[IFLA_SGRE_LOCAL6]	= NLA_POLICY_EXACT_LEN(sizeof(struct in6_addr)),
	[IFLA_SGRE_REMOTE6]	= NLA_POLICY_EXACT_LEN(sizeof(struct in6_addr)),
	[IFLA_SGRE_TRANSPORT]	= { .type = NLA_U8 },
	[IFLA_SGRE_FD]		= { .type = NLA_S32 },
	[IFLA_SGRE_ADOPTED]	= {
		.type = NLA_REJECT,
		.reject_message = "adopted is only told, not asked for: give fd",
	},
	[IFLA_SGRE_SPORT]	= NLA_POLICY_EXACT_LEN(sizeof(__be16)),
	[IFLA_SGRE_DPORT]	= NLA_POLICY_EXACT_LEN(sizeof(__be16)),
	[IFLA_SGRE_IKEY]	= NLA_POLICY_EXACT_LEN(sizeof(__be32)),
	[IFLA_SGRE_OKEY]	= NLA_POLICY_EXACT_LEN(sizeof(__be32)),
	[IFLA_SGRE_FLAGS]	= NLA_POLICY_EXACT_LEN(sizeof(struct nla_bitfield32)),
	[IFLA_SGRE_TTL]		= { .type = NLA_U8 },
	[IFLA_SGRE_TOS]		= { .type = NLA_U8 },
	[IFLA_SGRE_LINK]	= { .type = NLA_U32 },
	[IFLA_SGRE_MODE]	= { .type = NLA_U8 },
	[IFLA_SGRE_KEEPALIVE]	= NLA_POLICY_EXACT_LEN(sizeof(struct sgre_keepalive)),
	[IFLA_SGRE_COUNTERS]	= {
		.type = NLA_REJECT,
		.reject_message = "counters are only told: leave them out",
	},
};

/* --- new ----------------------------------------------------------------- */

/* With its outside, and a reference to it. */
static struct sgre_config *sgre_newlink_config(struct net *net, struct nlattr *data[],
					       struct netlink_ext_ack *extack)
{
	struct sgre_config *cfg = sgre_config_new(data, NULL, extack);

	if (IS_ERR(cfg))
		return cfg;
	cfg->outside = data[IFLA_SGRE_FD] ?
		       sgre_outside_adopt(nla_get_s32(data[IFLA_SGRE_FD]), cfg, extack) :
		       sgre_outside_get(net, cfg, extack);
	if (IS_ERR(cfg->outside)) {
		int err = PTR_ERR(cfg->outside);

		kfree(cfg);
		return ERR_PTR(err);
	}
	sgre_config_lengths(cfg);
	return cfg;
}

static int sgre_newlink_address(struct net_device *dev, const struct sgre_config *cfg,
				struct nlattr *addr, struct netlink_ext_ack *extack)
{
	if (cfg->mode == SGRE_MODE_IP) {
		if (!addr)
			return 0;
		NL_SET_ERR_MSG_ATTR(extack, addr,
				    "mode ip has no address of its own: leave it out");
		return -EINVAL;
	}
	if (addr && (nla_len(addr) != ETH_ALEN || !is_valid_ether_addr(nla_data(addr)))) {
		NL_SET_ERR_MSG_ATTR(extack, addr,
				    "this is no unicast Ethernet address: give six bytes of one");
		return -EADDRNOTAVAIL;
	}
	sgre_setup_ether(dev, addr);
	return 0;
}

static int sgre_newlink_mtu(struct net_device *dev, struct nlattr *mtu,
			    struct netlink_ext_ack *extack)
{
	struct sgre *sgre = netdev_priv(dev);

	sgre->mtu_given = mtu;
	sgre_dress(sgre);
	if (!mtu || dev->mtu == nla_get_u32(mtu))
		return 0;
	NL_SET_ERR_MSG_ATTR(extack, mtu,
			    "mtu is too large: with all headers 65535 bytes are the most");
	return -EINVAL;
}

/* The reference to the outside is of the caller; sgre_init() takes one of its own. */
static int sgre_newlink_register(struct net_device *dev, struct sgre_config *cfg,
				 struct nlattr *tb[], struct netlink_ext_ack *extack)
{
	struct sgre *sgre = netdev_priv(dev);
	int err;

	sgre->net = cfg->outside->net;
	rcu_assign_pointer(sgre->cfg, cfg);
	err = sgre_circuit_check(sgre, cfg, extack);
	if (!err)
		err = sgre_newlink_address(dev, cfg, tb[IFLA_ADDRESS], extack);
	if (!err)
		err = sgre_newlink_mtu(dev, tb[IFLA_MTU], extack);
	if (!err)
		err = register_netdevice(dev);
	if (!err) {
		/* Found, and so received, only when all of it is there. */
		sgre_circuit_add(sgre);
		sgre_set_carrier(sgre);
	} else if (dev->reg_state == NETREG_UNINITIALIZED) {
		sgre_free(dev);	/* else the core does so, after a grace period */
	}
	return err;
}

static int sgre_newlink(struct net_device *dev, struct rtnl_newlink_params *params,
			struct netlink_ext_ack *extack)
{
	struct sgre_outside *outside;
	struct sgre_config *cfg;
	int err;

	if (!params->data) {
		NL_SET_ERR_MSG(extack, "local and remote are missing: give both, or fd");
		return -EINVAL;
	}
	cfg = sgre_newlink_config(rtnl_newlink_link_net(params), params->data, extack);
	if (IS_ERR(cfg))
		return PTR_ERR(cfg);
	outside = cfg->outside;
	err = sgre_newlink_register(dev, cfg, params->tb, extack);
	sgre_outside_put(outside);
	return err;
}

COMPAT_NEWLINK(sgre_newlink)

/* --- change -------------------------------------------------------------- */

static bool sgre_outside_same(const struct sgre_config *a, const struct sgre_config *b)
{
	return a->link == b->link && a->sport == b->sport && a->dport == b->dport &&
	       !memcmp(&a->local, &b->local, sizeof(a->local));
}

static int sgre_change_outside(struct sgre *sgre, const struct sgre_config *old,
			       struct sgre_config *cfg, struct netlink_ext_ack *extack)
{
	if (cfg->link && cfg->link == sgre->dev->ifindex && net_eq(sgre->net, dev_net(sgre->dev))) {
		NL_SET_ERR_MSG(extack, "dev is this device itself: give the one that is under it");
		return -ELOOP;
	}
	if (old->adopted || sgre_outside_same(old, cfg)) {
		refcount_inc(&old->outside->users);
		return 0;
	}
	cfg->outside = sgre_outside_get(sgre->net, cfg, extack);
	return PTR_ERR_OR_ZERO(cfg->outside);
}

/* Another peer, another key: he counts from where he is. */
static void sgre_forget_seq(struct sgre *sgre)
{
	spin_lock_bh(&sgre->seq_lock);
	sgre->i_seqno = 0;
	spin_unlock_bh(&sgre->seq_lock);
}

/*
 * A transmitter that read the old config may put its route into the cache after the
 * reset, as new: so it is reset when all of them are through. Until then packets with
 * the new addresses may go along the old route, as some have before.
 */
static void sgre_change_swap(struct sgre *sgre, struct sgre_config *old, struct sgre_config *cfg)
{
	bool running = netif_running(sgre->dev);

	if (running)
		sgre_keepalive_stop(sgre);
	sgre_circuit_del(sgre);
	rcu_assign_pointer(sgre->cfg, cfg);
	sgre_circuit_add(sgre);
	synchronize_net();
	dst_cache_reset(&sgre->dst_cache);
	sgre_forget_seq(sgre);
	sgre_outside_put(old->outside);
	kfree(old);
	sgre_dress(sgre);
	netdev_update_features(sgre->dev);
	if (running)
		sgre_keepalive_start(sgre);
	sgre_set_carrier(sgre);
}

static int sgre_changelink(struct net_device *dev, struct nlattr *tb[], struct nlattr *data[],
			   struct netlink_ext_ack *extack)
{
	struct sgre *sgre = netdev_priv(dev);
	struct sgre_config *old = rtnl_dereference(sgre->cfg), *cfg;
	int err;

	if (!data)
		return 0;
	if (!ns_capable(sgre->net->user_ns, CAP_NET_ADMIN)) {
		NL_SET_ERR_MSG(extack,
			       "the socket is of another namespace: needs CAP_NET_ADMIN there");
		return -EPERM;
	}
	cfg = sgre_config_new(data, old, extack);
	if (IS_ERR(cfg))
		return PTR_ERR(cfg);
	err = sgre_change_outside(sgre, old, cfg, extack);
	if (err)
		goto free;
	sgre_config_lengths(cfg);
	err = sgre_circuit_check(sgre, cfg, extack);
	if (err)
		goto put;
	/*
	 * The MTU that it has is the user's from now on as well. Of `ip link set mtu` to that
	 * nobody is told: the core sees that there is nothing to do.
	 */
	if (tb[IFLA_MTU] && nla_get_u32(tb[IFLA_MTU]) == dev->mtu)
		sgre->mtu_given = true;
	sgre_change_swap(sgre, old, cfg);
	return 0;

put:
	sgre_outside_put(cfg->outside);
free:
	kfree(cfg);
	return err;
}

/* --- what there is ------------------------------------------------------- */

/* Line by line what sgre_fill_info() puts. */
static size_t sgre_get_size(const struct net_device *dev)
{
	return nla_total_size(sizeof(struct in6_addr)) +		/* LOCAL, LOCAL6 */
	       nla_total_size(sizeof(struct in6_addr)) +		/* REMOTE, REMOTE6 */
	       nla_total_size(sizeof(u8)) +				/* TRANSPORT */
	       nla_total_size(0) +					/* ADOPTED */
	       nla_total_size(sizeof(__be16)) +				/* SPORT */
	       nla_total_size(sizeof(__be16)) +				/* DPORT */
	       nla_total_size(sizeof(__be32)) +				/* IKEY */
	       nla_total_size(sizeof(__be32)) +				/* OKEY */
	       nla_total_size(sizeof(struct nla_bitfield32)) +		/* FLAGS */
	       nla_total_size(sizeof(u8)) +				/* TTL */
	       nla_total_size(sizeof(u8)) +				/* TOS */
	       nla_total_size(sizeof(u32)) +				/* LINK */
	       nla_total_size(sizeof(u8)) +				/* MODE */
	       nla_total_size(sizeof(struct sgre_keepalive)) +		/* KEEPALIVE */
	       nla_total_size(SGRE_COUNTER_MAX * sizeof(u64));		/* COUNTERS */
}

static int sgre_fill_outside(struct sk_buff *skb, const struct sgre_config *cfg)
{
	int err;

	if (cfg->local.family == AF_INET)
		err = nla_put_in_addr(skb, IFLA_SGRE_LOCAL, cfg->local.v4) ||
		      nla_put_in_addr(skb, IFLA_SGRE_REMOTE, cfg->remote.v4);
	else
		err = nla_put_in6_addr(skb, IFLA_SGRE_LOCAL6, &cfg->local.v6) ||
		      nla_put_in6_addr(skb, IFLA_SGRE_REMOTE6, &cfg->remote.v6);
	err = err || nla_put_u8(skb, IFLA_SGRE_TRANSPORT, cfg->transport);
	if (cfg->adopted)
		err = err || nla_put_flag(skb, IFLA_SGRE_ADOPTED);
	if (cfg->transport == SGRE_UDP)
		err = err || nla_put_be16(skb, IFLA_SGRE_SPORT, cfg->sport) ||
		      nla_put_be16(skb, IFLA_SGRE_DPORT, cfg->dport);
	return err;
}

static int sgre_fill_inside(struct sk_buff *skb, const struct sgre_config *cfg)
{
	int err = 0;

	if (cfg->flags & SGRE_IKEY)
		err = nla_put_be32(skb, IFLA_SGRE_IKEY, cfg->ikey);
	if (cfg->flags & SGRE_OKEY)
		err = err || nla_put_be32(skb, IFLA_SGRE_OKEY, cfg->okey);
	err = err || nla_put_bitfield32(skb, IFLA_SGRE_FLAGS, cfg->flags, SGRE_FLAGS);
	if (!cfg->adopted || cfg->ttl_given)
		err = err || nla_put_u8(skb, IFLA_SGRE_TTL, cfg->ttl);
	if (!cfg->adopted || cfg->tos_given)
		err = err || nla_put_u8(skb, IFLA_SGRE_TOS, cfg->tos);
	return err || nla_put_u32(skb, IFLA_SGRE_LINK, cfg->link) ||
	       nla_put_u8(skb, IFLA_SGRE_MODE, cfg->mode) ||
	       nla_put(skb, IFLA_SGRE_KEEPALIVE, sizeof(cfg->keepalive), &cfg->keepalive);
}

static int sgre_fill_counters(struct sk_buff *skb, const struct sgre *sgre)
{
	struct nlattr *attr = nla_reserve(skb, IFLA_SGRE_COUNTERS,
					  SGRE_COUNTER_MAX * sizeof(u64));
	u64 value;
	int i;

	if (!attr)
		return -EMSGSIZE;
	/* Attributes are aligned to 4 bytes only. */
	for (i = 0; i < SGRE_COUNTER_MAX; i++) {
		value = sgre_counter_read(sgre, i);
		memcpy(nla_data(attr) + i * sizeof(value), &value, sizeof(value));
	}
	return 0;
}

static int sgre_fill_info(struct sk_buff *skb, const struct net_device *dev)
{
	const struct sgre *sgre = netdev_priv(dev);
	const struct sgre_config *cfg;
	int err;

	rcu_read_lock();
	cfg = rcu_dereference(sgre->cfg);
	err = sgre_fill_outside(skb, cfg) || sgre_fill_inside(skb, cfg) ||
	      sgre_fill_counters(skb, sgre);
	rcu_read_unlock();
	return err ? -EMSGSIZE : 0;
}

static struct net *sgre_get_link_net(const struct net_device *dev)
{
	const struct sgre *sgre = netdev_priv(dev);

	return sgre->net;
}

struct rtnl_link_ops sgre_link_ops __read_mostly = {
	.kind		= SGRE_KIND,
	.maxtype	= IFLA_SGRE_MAX,
	.policy		= sgre_policy,
	.priv_size	= sizeof(struct sgre),
	.setup		= sgre_setup,
	.newlink	= compat_newlink_sgre_newlink,
	.changelink	= sgre_changelink,
	.get_size	= sgre_get_size,
	.fill_info	= sgre_fill_info,
	.get_link_net	= sgre_get_link_net,
};
