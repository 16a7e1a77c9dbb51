/* SPDX-License-Identifier: GPL-2.0 */
/*
 * compat.h - the module is written against the newest kernel; here it is fitted to
 * older ones. The only file that knows about differences: COMPAT_* come out of
 * probe.sh, which compiles a few lines for each against the headers in use. Never
 * a comparison of versions: distributors bring new interfaces to old kernels.
 */
#ifndef _VESTIGE_COMPAT_H
#define _VESTIGE_COMPAT_H

#include <linux/ethtool.h>
#include <linux/netdevice.h>
#include <linux/rtnetlink.h>
#include <linux/string.h>
#include <linux/timer.h>
#include <net/dst.h>
#include <net/flow.h>
#include <net/if_inet6.h>
#include <net/inet_dscp.h>
#include <net/ip_tunnels.h>
#include <net/net_namespace.h>
#include <net/rtnetlink.h>
#include <net/sock.h>
#include <net/udp_tunnel.h>

#include "compat-probe.h"

#ifdef COMPAT_TCX
#include <net/tcx.h>
#endif
#ifdef COMPAT_GSO_H
#include <net/gso.h>		/* skb_gso_segment(); was in netdevice.h */
#endif

/*
 * rtnl_link_ops.newlink takes its namespaces and attributes in one struct. After
 * COMPAT_NEWLINK(fn), `.newlink = compat_newlink_fn`.
 */
#ifdef COMPAT_NEWLINK_PARAMS
#define COMPAT_NEWLINK(fn)							\
static int compat_newlink_##fn(struct net_device *dev,				\
			       struct rtnl_newlink_params *params,		\
			       struct netlink_ext_ack *extack)			\
{										\
	return fn(dev, params, extack);						\
}
#else
struct rtnl_newlink_params {
	struct net *src_net;
	struct net *link_net;
	struct nlattr **tb;
	struct nlattr **data;
};

/* The old caller has put the link's namespace into src_net if there was one. */
static inline struct net *rtnl_newlink_link_net(struct rtnl_newlink_params *p)
{
	return p->link_net ? : p->src_net;
}

#define COMPAT_NEWLINK(fn)							\
static int compat_newlink_##fn(struct net *src_net, struct net_device *dev,	\
			       struct nlattr *tb[], struct nlattr *data[],	\
			       struct netlink_ext_ack *extack)			\
{										\
	struct rtnl_newlink_params params = {					\
		.src_net = src_net,						\
		.tb = tb,							\
		.data = data,							\
	};									\
										\
	return fn(dev, &params, extack);					\
}
#endif

/*
 * pernet_operations.exit_rtnl: put the devices of a namespace that goes on a list,
 * under rtnl. After COMPAT_EXIT_RTNL(fn), where fn is (struct net *, struct
 * list_head *), one line `COMPAT_EXIT_RTNL_OP(fn)` in the pernet_operations.
 */
#if defined(COMPAT_PERNET_EXIT_RTNL)
#define COMPAT_EXIT_RTNL(fn)
#define COMPAT_EXIT_RTNL_OP(fn)	.exit_rtnl = fn,
#elif defined(COMPAT_PERNET_EXIT_BATCH_RTNL)
#define COMPAT_EXIT_RTNL(fn)							\
static void compat_exit_##fn(struct list_head *nets, struct list_head *kill)	\
{										\
	struct net *net;							\
										\
	list_for_each_entry(net, nets, exit_list)				\
		fn(net, kill);							\
}
#define COMPAT_EXIT_RTNL_OP(fn)	.exit_batch_rtnl = compat_exit_##fn,
#else
#define COMPAT_EXIT_RTNL(fn)							\
static void compat_exit_##fn(struct list_head *nets)				\
{										\
	struct net *net;							\
	LIST_HEAD(kill);							\
										\
	rtnl_lock();								\
	list_for_each_entry(net, nets, exit_list)				\
		fn(net, &kill);							\
	unregister_netdevice_many(&kill);					\
	rtnl_unlock();								\
}
#define COMPAT_EXIT_RTNL_OP(fn)	.exit_batch = compat_exit_##fn,
#endif

/* A device whose ndo_start_xmit needs no lock. */
static inline void compat_set_lltx(struct net_device *dev)
{
#ifdef COMPAT_DEV_LLTX
	dev->lltx = true;
#else
	dev->features |= NETIF_F_LLTX;
#endif
}

/*
 * dev->tstats: the core allocates and sums them if asked before the device is
 * registered. Setup calls compat_tstats_setup(), ndo_init compat_tstats_init(),
 * ndo_uninit compat_tstats_uninit(); `.ndo_get_stats64 = dev_get_tstats64` or a
 * function that calls it.
 */
static inline void compat_tstats_setup(struct net_device *dev)
{
#ifdef COMPAT_DEV_PCPU_STAT_TYPE
	dev->pcpu_stat_type = NETDEV_PCPU_STAT_TSTATS;
#endif
}

static inline int compat_tstats_init(struct net_device *dev)
{
#ifndef COMPAT_DEV_PCPU_STAT_TYPE
	dev->tstats = netdev_alloc_pcpu_stats(struct pcpu_sw_netstats);
	if (!dev->tstats)
		return -ENOMEM;
#endif
	return 0;
}

static inline void compat_tstats_uninit(struct net_device *dev)
{
#ifndef COMPAT_DEV_PCPU_STAT_TYPE
	free_percpu(dev->tstats);
	dev->tstats = NULL;
#endif
}

/* Flags for IPCB() and IP6CB() came as one more argument; before there were none. */
#ifndef COMPAT_TUNNEL_XMIT_FLAGS
#define iptunnel_xmit(sk, rt, skb, src, dst, proto, tos, ttl, df, xnet, flags)	\
	iptunnel_xmit(sk, rt, skb, src, dst, proto, tos, ttl, df, xnet)
#define udp_tunnel_xmit_skb(rt, sk, skb, src, dst, tos, ttl, df, sport, dport,	\
			    xnet, nocheck, flags)				\
	udp_tunnel_xmit_skb(rt, sk, skb, src, dst, tos, ttl, df, sport, dport,	\
			    xnet, nocheck)
#define udp_tunnel6_xmit_skb(dst, sk, skb, dev, saddr, daddr, prio, ttl, label,	\
			     sport, dport, nocheck, flags)			\
	udp_tunnel6_xmit_skb(dst, sk, skb, dev, (struct in6_addr *)(saddr),	\
			     (struct in6_addr *)(daddr), prio, ttl, label,	\
			     sport, dport, nocheck)
#endif

/* A socket of the kernel's own, by its struct sock; was by its struct socket. */
#ifndef COMPAT_UDP_TUNNEL_SK
#define setup_udp_tunnel_sock(net, sk, cfg)	\
	setup_udp_tunnel_sock(net, (sk)->sk_socket, cfg)
#define udp_tunnel_sock_release(sk)	udp_tunnel_sock_release((sk)->sk_socket)
#endif

/* What kernel_bind(), kernel_connect() and struct proto take. */
#ifndef COMPAT_SOCKADDR_UNSIZED
#define sockaddr_unsized sockaddr
#endif

/*
 * `static int COMPAT_RECVMSG(fn) { ... }` is a function for struct proto.recvmsg, in
 * which COMPAT_CALL_RECVMSG(fn) calls another one with the same arguments.
 */
#ifdef COMPAT_RECVMSG_ADDR_LEN
#define COMPAT_RECVMSG(fn)	\
	fn(struct sock *sk, struct msghdr *msg, size_t len, int flags, int *addr_len)
#define COMPAT_CALL_RECVMSG(fn)	(fn)(sk, msg, len, flags, addr_len)
#else
#define COMPAT_RECVMSG(fn)	\
	fn(struct sock *sk, struct msghdr *msg, size_t len, int flags)
#define COMPAT_CALL_RECVMSG(fn)	(fn)(sk, msg, len, flags)
#endif

/* The route of a packet with that TOS; ECN bits do not route. */
static inline void compat_flowi4_set_tos(struct flowi4 *fl4, u8 tos)
{
#ifdef COMPAT_FLOWI4_DSCP
	fl4->flowi4_dscp = inet_dsfield_to_dscp(tos);
#else
	fl4->flowi4_tos = tos & INET_DSCP_MASK;
#endif
}

#ifndef COMPAT_DST_DEV
static inline struct net_device *dst_dev(const struct dst_entry *dst)
{
	return READ_ONCE(dst->dev);
}
#endif

#ifndef COMPAT_SK_DROPS_INC
static inline void sk_drops_inc(struct sock *sk)
{
	atomic_inc(&sk->sk_drops);
}
#endif

#ifndef COMPAT_SK_DROPS_READ
static inline int sk_drops_read(const struct sock *sk)
{
	return atomic_read(&sk->sk_drops);
}
#endif

#ifndef COMPAT_ETHTOOL_PUTS
static inline void ethtool_puts(u8 **data, const char *str)
{
	strscpy(*data, str, ETH_GSTRING_LEN);
	*data += ETH_GSTRING_LEN;
}
#endif

/* Newer kernels tell who still uses the old names. */
#ifndef COMPAT_PERCPU_WQ
#define system_percpu_wq	system_wq
#define system_dfl_wq		system_unbound_wq
#endif

#ifndef COMPAT_TIMER_DELETE
#define timer_delete		del_timer
#define timer_delete_sync	del_timer_sync
#endif

/* Has the device filters or BPF programs of tc? RCU. */
#if defined(COMPAT_TCX) && defined(CONFIG_NET_XGRESS)
static inline bool compat_tc_filters(const struct net_device *dev, bool ingress)
{
	struct bpf_mprog_entry *entry = ingress ? rcu_dereference(dev->tcx_ingress) :
						  rcu_dereference(dev->tcx_egress);

	return entry && (bpf_mprog_total(entry) || rcu_access_pointer(tcx_entry(entry)->miniq));
}
#elif !defined(COMPAT_TCX) && defined(CONFIG_NET_CLS_ACT)
static inline bool compat_tc_filters(const struct net_device *dev, bool ingress)
{
	return ingress ? rcu_access_pointer(dev->miniq_ingress) :
			 rcu_access_pointer(dev->miniq_egress);
}
#else
static inline bool compat_tc_filters(const struct net_device *dev, bool ingress)
{
	return false;
}
#endif

/* A device that forwards IPv6 whatever the others do. */
static inline bool compat_force_forwarding(const struct inet6_dev *idev)
{
#ifdef COMPAT_FORCE_FORWARDING
	return READ_ONCE(idev->cnf.force_forwarding);
#else
	return false;
#endif
}

#endif /* _VESTIGE_COMPAT_H */
