// SPDX-License-Identifier: GPL-2.0
/*
 * device.c - the network device: its operations, its looks, its statistics.
 */
#include <linux/etherdevice.h>
#include <linux/module.h>
#include <linux/ethtool.h>
#include <linux/if_arp.h>
#include <net/ip6_route.h>
#include <net/ip_tunnels.h>
#include <net/route.h>

#include "sgre.h"

/* --- life ---------------------------------------------------------------- */

static int sgre_alloc(struct net_device *dev)
{
	struct sgre *sgre = netdev_priv(dev);
	int err;

	sgre->stats = netdev_alloc_pcpu_stats(struct sgre_stats);
	sgre->rtcache = alloc_percpu_gfp(struct rtcache, GFP_KERNEL_ACCOUNT);
	if (!sgre->stats || !sgre->rtcache)
		return -ENOMEM;
	err = compat_tstats_init(dev);
	if (!err)
		err = dst_cache_init(&sgre->dst_cache, GFP_KERNEL_ACCOUNT);
	if (!err)
		err = gro_cells_init(&sgre->gro_cells, dev);
	return err;
}

/*
 * The device has a reference of its own to the outside from here to ndo_uninit, which
 * the core calls for a device that came through here, whatever goes wrong later.
 * When this fails, or was not reached, sgre_newlink() calls sgre_free().
 */
static int sgre_init(struct net_device *dev)
{
	struct sgre *sgre = netdev_priv(dev);
	int err;

	err = sgre_alloc(dev);
	if (err)
		return err;
	if (!try_module_get(THIS_MODULE))	/* on its way out already */
		return -EBUSY;
	netdev_lockdep_set_classes(dev);
	refcount_inc(&rtnl_dereference(sgre->cfg)->outside->users);
	list_add_tail(&sgre->list, &sgre_net(sgre->net)->devices);
	sgre->gens = rtcache_net(sgre->net)->family;
	rtcache_hold(sgre->net);
	return 0;
}

/*
 * Down, without keepalives, unlisted; no transmitter since the core's synchronize_net.
 * Receivers may have found the circuit just now: they are through before the core
 * goes on to sgre_free(), because of its next synchronize_net, and they see IFF_UP
 * cleared. The config stays for them, and for the core, which may ask for names and
 * numbers yet; its outside is not looked at any more by then: kfree_rcu covers those
 * who do so at this moment.
 */
static void sgre_uninit(struct net_device *dev)
{
	struct sgre *sgre = netdev_priv(dev);

	list_del(&sgre->list);
	rtcache_release(sgre->net);
	if (!hlist_unhashed(&sgre->circuit))
		sgre_circuit_del(sgre);
	/*
	 * Not later: the namespace of the socket does not wait for the device, and takes
	 * along what releasing a route of its own needs. Nobody transmits any more.
	 */
	dst_cache_reset_now(&sgre->dst_cache);
	sgre_outside_put(rtnl_dereference(sgre->cfg)->outside);
	module_put(THIS_MODULE);
}

/* Nobody sees the device. Any part may be missing; twice is as good as once. */
void sgre_free(struct net_device *dev)
{
	struct sgre *sgre = netdev_priv(dev);

	gro_cells_destroy(&sgre->gro_cells);
	dst_cache_destroy(&sgre->dst_cache);
	sgre->dst_cache.cache = NULL;
	compat_tstats_uninit(dev);
	free_percpu(sgre->rtcache);
	sgre->rtcache = NULL;
	free_percpu(sgre->stats);
	sgre->stats = NULL;
	kfree(rcu_dereference_protected(sgre->cfg, true));
	RCU_INIT_POINTER(sgre->cfg, NULL);
}

static int sgre_open(struct net_device *dev)
{
	struct sgre *sgre = netdev_priv(dev);

	sgre_keepalive_start(sgre);
	sgre_set_carrier(sgre);
	return 0;
}

static int sgre_stop(struct net_device *dev)
{
	sgre_keepalive_stop(netdev_priv(dev));
	return 0;
}

/* What was named by `dev`: by its index, as the socket is bound to it. See outside.c. */
static bool sgre_has_link(const struct sgre *sgre, const struct sgre_config *cfg)
{
	return cfg->adopted || !cfg->link || dev_get_by_index_rcu(sgre->net, cfg->link);
}

/*
 * Of two callers at once the one that read first may write last. Against the end of
 * the socket: that waits for RCU readers before it calls. Against a keepalive that
 * comes back while the last one is given up: the next one, or its answer, puts it right.
 */
void sgre_set_carrier(struct sgre *sgre)
{
	const struct sgre_config *cfg;
	bool up;

	rcu_read_lock();
	cfg = rcu_dereference(sgre->cfg);
	up = rcu_access_pointer(cfg->outside->sk) && sgre_has_link(sgre, cfg) &&
	     (!cfg->keepalive.interval || atomic_read(&sgre->unanswered) <= cfg->keepalive.count);
	if (up)
		netif_carrier_on(sgre->dev);
	else
		netif_carrier_off(sgre->dev);
	rcu_read_unlock();
}

static int sgre_change_mtu(struct net_device *dev, int mtu)
{
	struct sgre *sgre = netdev_priv(dev);

	sgre->mtu_given = true;
	WRITE_ONCE(dev->mtu, mtu);
	return 0;
}

static int sgre_get_iflink(const struct net_device *dev)
{
	const struct sgre *sgre = netdev_priv(dev);
	int link;

	rcu_read_lock();
	link = rcu_dereference(sgre->cfg)->link;
	rcu_read_unlock();
	return link;
}

static void sgre_get_stats64(struct net_device *dev, struct rtnl_link_stats64 *stats)
{
	struct sgre *sgre = netdev_priv(dev);

	dev_get_tstats64(dev, stats);
	sgre_counter_stats64(sgre, stats);
	stats->rx_missed_errors += sgre_socket_drops(sgre);
}

/* Segmentation behind the device, where the kernel can do it for such headers. */
static netdev_features_t sgre_fix_features(struct net_device *dev, netdev_features_t features)
{
	const struct sgre *sgre = netdev_priv(dev);

	if (!sgre_config_gso(rtnl_dereference(sgre->cfg)))
		features &= ~NETIF_F_GSO_SOFTWARE;
	return features;
}

#define SGRE_OPS						\
	.ndo_init		= sgre_init,			\
	.ndo_uninit		= sgre_uninit,			\
	.ndo_open		= sgre_open,			\
	.ndo_stop		= sgre_stop,			\
	.ndo_start_xmit		= sgre_xmit,			\
	.ndo_change_mtu		= sgre_change_mtu,		\
	.ndo_get_stats64	= sgre_get_stats64,		\
	.ndo_get_iflink		= sgre_get_iflink,		\
	.ndo_fix_features	= sgre_fix_features

static const struct net_device_ops sgre_ip_ops = {
	SGRE_OPS,
};

/* As an IP device; and it has an address of its own. */
static const struct net_device_ops sgre_ether_ops = {
	SGRE_OPS,
	.ndo_set_mac_address	= eth_mac_addr,
	.ndo_validate_addr	= eth_validate_addr,
};

/* --- ethtool ------------------------------------------------------------- */

static const char sgre_counter_names[][ETH_GSTRING_LEN] = {
#define X(name, text) #name,
	SGRE_COUNTERS(X)
#undef X
	"rx_socket_drops",		/* of the socket: all its devices have the same */
};

/* What did not fit into the queue of the socket. */
u64 sgre_socket_drops(const struct sgre *sgre)
{
	const struct sock *sk;
	u64 drops = 0;

	rcu_read_lock();
	sk = rcu_dereference(rcu_dereference(sgre->cfg)->outside->sk);
	if (sk)
		drops = sk_drops_read(sk);
	rcu_read_unlock();
	return drops;
}

static void sgre_get_drvinfo(struct net_device *dev, struct ethtool_drvinfo *info)
{
	strscpy(info->driver, SGRE_KIND, sizeof(info->driver));
	strscpy(info->version, VESTIGE_VERSION, sizeof(info->version));
}

static void sgre_get_strings(struct net_device *dev, u32 set, u8 *data)
{
	if (set == ETH_SS_STATS)
		memcpy(data, sgre_counter_names, sizeof(sgre_counter_names));
}

static int sgre_get_sset_count(struct net_device *dev, int set)
{
	return set == ETH_SS_STATS ? ARRAY_SIZE(sgre_counter_names) : -EOPNOTSUPP;
}

static void sgre_get_ethtool_stats(struct net_device *dev, struct ethtool_stats *stats,
				   u64 *data)
{
	const struct sgre *sgre = netdev_priv(dev);
	int i;

	for (i = 0; i < SGRE_COUNTER_MAX; i++)
		data[i] = sgre_counter_read(sgre, i);
	data[i] = sgre_socket_drops(sgre);
}

static const struct ethtool_ops sgre_ethtool_ops = {
	.get_link		= ethtool_op_get_link,
	.get_drvinfo		= sgre_get_drvinfo,
	.get_strings		= sgre_get_strings,
	.get_sset_count		= sgre_get_sset_count,
	.get_ethtool_stats	= sgre_get_ethtool_stats,
};

/* --- looks --------------------------------------------------------------- */

static struct dst_entry *sgre_route4(const struct sgre *sgre, const struct sgre_config *cfg)
{
	struct flowi4 fl4 = {
		.daddr = cfg->remote.v4,
		.saddr = cfg->local.v4,
		.flowi4_oif = cfg->link,
		.flowi4_proto = cfg->transport == SGRE_UDP ? IPPROTO_UDP : IPPROTO_GRE,
	};
	struct rtable *rt = ip_route_output_key(sgre->net, &fl4);

	return IS_ERR(rt) ? NULL : &rt->dst;
}

static struct dst_entry *sgre_route6(const struct sgre *sgre, const struct sgre_config *cfg)
{
#if IS_ENABLED(CONFIG_IPV6)
	struct flowi6 fl6 = {
		.daddr = cfg->remote.v6,
		.saddr = cfg->local.v6,
		.flowi6_oif = cfg->link,
		.flowi6_proto = cfg->transport == SGRE_UDP ? IPPROTO_UDP : IPPROTO_GRE,
	};
	struct dst_entry *dst = ip6_route_output(sgre->net, NULL, &fl6);

	if (!dst->error)
		return dst;
	dst_release(dst);
#endif
	return NULL;
}

/* What the way there allows now. Only a start: each packet looks at its path MTU. */
static int sgre_way_mtu(const struct sgre *sgre, const struct sgre_config *cfg)
{
	struct dst_entry *dst = cfg->remote.family == AF_INET ? sgre_route4(sgre, cfg) :
								sgre_route6(sgre, cfg);
	int mtu = ETH_DATA_LEN;

	if (!dst)
		return mtu;
	/* Through itself, or through loopback: no measure for anything. */
	if (dst_dev(dst) != sgre->dev && !(dst_dev(dst)->flags & IFF_LOOPBACK))
		mtu = READ_ONCE(dst_dev(dst)->mtu);
	dst_release(dst);
	return mtu;
}

/* The looks of ip_gre and ip6_gre: IPv6 makes its link-local address of them. */
static void sgre_dress_addresses(struct net_device *dev, const struct sgre_config *cfg)
{
	if (cfg->mode == SGRE_MODE_ETHER)
		return;
	if (cfg->local.family == AF_INET) {
		dev->type = ARPHRD_IPGRE;
		dev->addr_len = sizeof(cfg->local.v4);
		__dev_addr_set(dev, &cfg->local.v4, sizeof(cfg->local.v4));
		memcpy(dev->broadcast, &cfg->remote.v4, sizeof(cfg->remote.v4));
	} else {
		dev->type = ARPHRD_IP6GRE;
		/* IPv6 makes its link-local address of it: 48 bits of the outer one are many's. */
		if (dev->reg_state == NETREG_UNINITIALIZED) {
			dev->addr_assign_type = NET_ADDR_RANDOM;
			eth_random_addr(dev->perm_addr);
		}
		dev->addr_len = sizeof(cfg->local.v6);
		__dev_addr_set(dev, &cfg->local.v6, sizeof(cfg->local.v6));
		memcpy(dev->broadcast, &cfg->remote.v6, sizeof(cfg->remote.v6));
	}
}

/* IPv6 wants to be told when there is one already. */
static void sgre_dress_mtu(struct sgre *sgre, int mtu)
{
	bool given = sgre->mtu_given;

	if (sgre->dev->reg_state == NETREG_REGISTERED)
		dev_set_mtu(sgre->dev, mtu);	/* who vetoes it keeps the old one */
	else
		WRITE_ONCE(sgre->dev->mtu, mtu);
	sgre->mtu_given = given;
}

void sgre_dress(struct sgre *sgre)
{
	const struct sgre_config *cfg = rtnl_dereference(sgre->cfg);
	struct net_device *dev = sgre->dev;
	int inner = cfg->hdr_len + (cfg->mode == SGRE_MODE_ETHER ? ETH_HLEN : 0);
	int mtu;

	sgre_dress_addresses(dev, cfg);
	/* The data path raises it when the route says more. */
	WRITE_ONCE(dev->needed_headroom, LL_MAX_HEADER + cfg->hdr_len);
	dev->max_mtu = IP_MAX_MTU - inner;
	mtu = sgre->mtu_given ? dev->mtu : sgre_way_mtu(sgre, cfg) - inner;
	sgre_dress_mtu(sgre, clamp_t(int, mtu, dev->min_mtu, dev->max_mtu));
}

static const struct device_type sgre_type = {
	.name = SGRE_KIND,
};

/* mode ip; netlink.c makes an Ethernet device of it when that is asked for. */
void sgre_setup(struct net_device *dev)
{
	struct sgre *sgre = netdev_priv(dev);

	sgre->dev = dev;
	spin_lock_init(&sgre->seq_lock);
	INIT_HLIST_NODE(&sgre->circuit);
	sgre_keepalive_init(sgre);

	dev->netdev_ops = &sgre_ip_ops;
	dev->ethtool_ops = &sgre_ethtool_ops;
	dev->header_ops = &ip_tunnel_header_ops;
	dev->priv_destructor = sgre_free;
	dev->needs_free_netdev = true;
	SET_NETDEV_DEVTYPE(dev, &sgre_type);
	dev->flags = IFF_POINTOPOINT | IFF_NOARP | IFF_MULTICAST;
	dev->priv_flags |= IFF_NO_QUEUE;
	dev->type = ARPHRD_IPGRE;
	dev->mtu = ETH_DATA_LEN;
	dev->min_mtu = IPV4_MIN_MTU;
	dev->max_mtu = IP_MAX_MTU;
	dev->hw_features = NETIF_F_SG | NETIF_F_FRAGLIST | NETIF_F_HIGHDMA | NETIF_F_HW_CSUM |
			   NETIF_F_RXCSUM | NETIF_F_GSO_SOFTWARE;
	dev->features = dev->hw_features;
	netif_keep_dst(dev);
	compat_set_lltx(dev);
	compat_tstats_setup(dev);
}

/* Keeps what netlink has set by then: MTU, length of the queue, address. */
void sgre_setup_ether(struct net_device *dev, bool addressed)
{
	unsigned int mtu = dev->mtu, queue = dev->tx_queue_len;

	ether_setup(dev);
	dev->mtu = mtu;
	dev->min_mtu = ETH_MIN_MTU;
	dev->tx_queue_len = queue;
	dev->netdev_ops = &sgre_ether_ops;
	dev->priv_flags &= ~IFF_TX_SKB_SHARING;	/* headers are put in front */
	dev->priv_flags |= IFF_LIVE_ADDR_CHANGE;
	if (!addressed)
		eth_hw_addr_random(dev);
}
