/* SPDX-License-Identifier: GPL-2.0 */
/*
 * sgre.h - a GRE device, the socket it has outside, and how they find each other.
 *
 *	struct sgre_net		one namespace: its outsides
 *	 └ struct sgre_outside	one socket: bound to a local address (and port); shared
 *	    └ struct sgre	one device ("circuit"), told apart by remote address and key
 *
 * Locking: everything changes under rtnl; the data path reads under RCU. A device
 * holds a reference to its outside from newlink to uninit. The socket of an
 * outside goes before the outside: sk is NULL from then on, for good.
 */
#ifndef _SGRE_H
#define _SGRE_H

#include <linux/if_sgre.h>
#include <linux/netdevice.h>
#include <net/dst_cache.h>
#include <net/gro_cells.h>

#include "compat.h"
#include "rtcache.h"

#define SGRE_CIRCUIT_BITS	8
#define SGRE_LOCAL_BITS		6
#define SGRE_NESTING_MAX	4	/* sgre over sgre over ... */
#define SGRE_RX_BUDGET		64	/* packets of one upcall */
#define SGRE_FINE		SGRE_COUNTER_MAX	/* nothing to count: nothing is wrong */

struct sgre_addr {
	sa_family_t family;		/* AF_INET or AF_INET6 */
	union {
		__be32 v4;
		struct in6_addr v6;
	};
};

/*
 * What can be configured, and what follows from it. Never changed once published:
 * netlink.c builds a new one and swaps the pointer in struct sgre.
 */
struct sgre_config {
	struct sgre_outside *outside;	/* with a reference */
	struct sgre_addr local, remote;
	__be16 sport, dport;		/* UDP; sport 0: from the inner flow */
	__be32 ikey, okey;
	u32 flags;			/* SGRE_CSUM ... */
	u8 transport, mode;
	u8 ttl, tos;
	bool ttl_given, tos_given;	/* if not, and adopted: those of the socket, each time */
	bool adopted;
	int link;			/* ifindex or 0 */
	struct sgre_keepalive keepalive;
	u16 gre_len;			/* bytes of the GRE header */
	u16 hdr_len;			/* outer IP + UDP + GRE */
	struct rcu_head rcu;
};

/* Bits of sgre.logged: what is said once. */
enum {
	SGRE_LOGGED_LOOP,
	SGRE_LOGGED_NESTING,
};

struct sgre_stats {
	u64_stats_t counter[SGRE_COUNTER_MAX];
	struct u64_stats_sync syncp;
};

struct sgre_outside {
	struct sock __rcu *sk;		/* NULL once closed */
	struct socket *sock;		/* made by us; NULL if adopted */
	struct net *net;		/* of the socket; not held: see sgre_net_exit() */
	struct list_head list;		/* sgre_net.outsides, under rtnl */
	struct hlist_node hash;		/* sgre_net.by_local: the shortcut of raw sockets */
	refcount_t users;		/* devices, under rtnl */
	struct sgre_addr local;
	struct sgre_addr remote;	/* of an adopted one: the only peer */
	__be16 port;			/* received on; 0 for raw */
	u8 transport;
	bool adopted;
	int link;
	void (*data_ready)(struct sock *sk);	/* raw: of the socket before */
	struct hlist_head circuits[1 << SGRE_CIRCUIT_BITS];	/* RCU */
	struct rcu_head rcu;
};

struct sgre_net {
	struct list_head outsides;
	struct list_head devices;	/* whose socket is here */
	struct hlist_head by_local[1 << SGRE_LOCAL_BITS];	/* raw outsides; RCU */
};

struct sgre {
	/* read for each packet */
	struct sgre_config __rcu *cfg;	/* there from newlink to free */
	struct net_device *dev;
	struct dst_cache dst_cache;	/* reset after each swap of cfg */
	struct rtcache __percpu *rtcache;	/* when the route in it was looked up */
	const struct rtcache_family *gens;	/* of net */
	struct gro_cells gro_cells;
	struct sgre_stats __percpu *stats;
	atomic_t o_seqno;
	u32 i_seqno;			/* seq_lock */
	spinlock_t seq_lock;
	struct hlist_node circuit;	/* sgre_outside.circuits, by remote and ikey */
	u32 sk_mark;			/* of an adopted socket, as the cached route has them */
	int sk_oif;
	u8 sk_tos;
	unsigned long logged;
	/* seldom */
	struct net *net;		/* of the socket, wherever the device went; not held */
	struct list_head list;		/* all devices of this socket namespace */
	bool mtu_given;			/* by the user: stays when the headers grow */
	struct delayed_work keepalive;
	atomic_t unanswered;
};

/* device.c */
void sgre_setup(struct net_device *dev);
void sgre_free(struct net_device *dev);		/* what is left when nobody can see it any more */
/* By socket, underlying device and keepalives; any context. */
void sgre_set_carrier(struct sgre *sgre);
void sgre_setup_ether(struct net_device *dev, bool addressed);
void sgre_dress(struct sgre *sgre);		/* type, addresses, MTU, headroom by its config */
u64 sgre_socket_drops(const struct sgre *sgre);

/* netlink.c, config.c */
extern struct rtnl_link_ops sgre_link_ops;
struct sgre_config *sgre_config_new(struct nlattr *data[], const struct sgre_config *old,
				    struct netlink_ext_ack *extack);	/* or ERR_PTR */
int sgre_config_check_addresses(const struct sgre_config *cfg, struct netlink_ext_ack *extack);

/* outside.c: sockets and the circuits on them */
int sgre_outside_init(void);
void sgre_outside_exit(void);
struct sgre_net *sgre_net(const struct net *net);
struct sgre_outside *sgre_outside_get(struct net *net, const struct sgre_config *cfg,
				      struct netlink_ext_ack *extack);	/* or ERR_PTR */
struct sgre_outside *sgre_outside_new(struct net *net, const struct sgre_config *cfg);
int sgre_outside_add(struct sgre_outside *outside, struct sock *sk,
		     struct netlink_ext_ack *extack);	/* packets may come */
void sgre_outside_put(struct sgre_outside *outside);
/* adopted; its socket goes; rtnl */
void sgre_outside_closed(struct sgre_outside *outside, struct sock *sk);
/* The socket wants another way from now on; rtnl; may sleep. */
void sgre_outside_forget_routes(struct sgre_outside *outside);
int sgre_circuit_check(const struct sgre *sgre, const struct sgre_config *cfg,
		       struct netlink_ext_ack *extack);	/* -EEXIST: taken */
void sgre_circuit_add(struct sgre *sgre);
void sgre_circuit_del(struct sgre *sgre);
struct sgre *sgre_circuit_find(const struct sgre_outside *outside,
			       const struct sgre_addr *remote, bool keyed, __be32 key); /* RCU */
/* RCU; for shortcut.c. dif, sdif: as of a socket lookup, inet_iif() and inet_sdif(). */
struct sgre_outside *sgre_outside_find_raw(struct net *net, const struct sgre_addr *local,
					   const struct sgre_addr *remote, int dif, int sdif);

/* adopt.c: sockets of users. Fills cfg with what the socket says. */
struct sgre_outside *sgre_outside_adopt(int fd, struct sgre_config *cfg,
					struct netlink_ext_ack *extack);
void sgre_abandon(struct sock *sk);	/* gives it back */

/* recv.c */
int sgre_udp_encap_rcv(struct sock *sk, struct sk_buff *skb);
int sgre_udp_err_lookup(struct sock *sk, struct sk_buff *skb);
void sgre_raw_data_ready(struct sock *sk);	/* drains sk_receive_queue, with a budget */
void sgre_raw_error_report(struct sock *sk);	/* throws errors away; of sockets made here */
struct sgre_hdr;
struct sgre *sgre_rcv_find(const struct sgre_outside *outside, struct sk_buff *skb,
			   struct sgre_hdr *hdr);
void sgre_rcv_circuit(struct sgre *sgre, struct sgre_outside *outside, struct sk_buff *skb,
		      const struct sgre_hdr *hdr);

/* offload.c: GRO of GRE in UDP */
struct sk_buff *sgre_gro_receive(struct sock *sk, struct list_head *head, struct sk_buff *skb);
int sgre_gro_complete(struct sock *sk, struct sk_buff *skb, int nhoff);

/* shortcut.c: raw packets taken before they are cloned and queued */
int sgre_shortcut_get(struct net *net);		/* one more raw socket there; rtnl */
void sgre_shortcut_put(struct net *net);

/* xmit.c */
netdev_tx_t sgre_xmit(struct sk_buff *skb, struct net_device *dev);
/* A ready GRE packet (keepalives): outer headers are put in front, and out. */
void sgre_send(struct sgre *sgre, struct sk_buff *skb);
void sgre_xmit_skb(struct sgre *sgre, struct sk_buff *skb);	/* an inner packet; BH off */
void sgre_config_lengths(struct sgre_config *cfg);	/* fills gre_len and hdr_len */
bool sgre_config_gso(const struct sgre_config *cfg);	/* may have NETIF_F_GSO_SOFTWARE */

/* keepalive.c */
void sgre_keepalive_init(struct sgre *sgre);	/* once, before all others */
void sgre_keepalive_start(struct sgre *sgre);	/* ndo_open, and after a change while up */
void sgre_keepalive_stop(struct sgre *sgre);	/* waits; rtnl */
void sgre_keepalive_rcv(struct sgre *sgre, struct sk_buff *skb);	/* GRE protocol 0 came */
/* Inner IP: one of the peer's? */
bool sgre_keepalive_answer(struct sgre *sgre, struct sk_buff *skb);

/* counter.c */
void sgre_count(struct sgre *sgre, enum sgre_counter counter);
u64 sgre_counter_read(const struct sgre *sgre, enum sgre_counter counter);
void sgre_counter_stats64(const struct sgre *sgre, struct rtnl_link_stats64 *stats); /* adds */

#endif /* _SGRE_H */
