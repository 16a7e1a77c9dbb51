// SPDX-License-Identifier: GPL-2.0
/*
 * outside.c - the sockets, who shares them, and which circuit a packet is for.
 *
 * Writers hold rtnl. Readers come from softirqs under RCU, by sk_user_data of the
 * socket, by sgre_net.by_local (shortcut.c) or by the config of a device.
 */
#include <linux/jhash.h>
#include <net/inet_sock.h>
#include <net/ipv6.h>
#include <net/netns/generic.h>
#include <net/raw.h>
#include <net/udp_tunnel.h>

#include "sgre.h"

static unsigned int sgre_net_id __read_mostly;

struct sgre_net *sgre_net(const struct net *net)
{
	return net_generic(net, sgre_net_id);
}

static bool sgre_addr_equal(const struct sgre_addr *a, const struct sgre_addr *b)
{
	if (a->family != b->family)
		return false;
	return a->family == AF_INET ? a->v4 == b->v4 : ipv6_addr_equal(&a->v6, &b->v6);
}

static u32 sgre_addr_hash(const struct sgre_addr *addr, u32 seed)
{
	if (addr->family == AF_INET)
		return jhash_1word((__force u32)addr->v4, seed);
	return jhash2((const u32 *)&addr->v6, sizeof(addr->v6) / sizeof(u32), seed);
}

/* --- circuits ------------------------------------------------------------ */

static u32 sgre_circuit_hash(const struct sgre_addr *remote, bool keyed, __be32 key)
{
	return sgre_addr_hash(remote, keyed ? (__force u32)key : 0) &
	       ((1 << SGRE_CIRCUIT_BITS) - 1);
}

struct sgre *sgre_circuit_find(const struct sgre_outside *outside,
			       const struct sgre_addr *remote, bool keyed, __be32 key)
{
	const struct hlist_head *head = &outside->circuits[sgre_circuit_hash(remote, keyed, key)];
	const struct sgre_config *cfg;
	struct sgre *sgre;

	/*
	 * A device that is moved by a change, in this moment, may lead the walk into
	 * its new chain, which ends as well, or be taken for another one: at worst
	 * the packet has no circuit. It comes in between two configurations.
	 */
	hlist_for_each_entry_rcu(sgre, head, circuit, lockdep_rtnl_is_held()) {
		cfg = rcu_dereference_rtnl(sgre->cfg);
		if (!!(cfg->flags & SGRE_IKEY) == keyed && (!keyed || cfg->ikey == key) &&
		    sgre_addr_equal(&cfg->remote, remote))
			return sgre;
	}
	return NULL;
}

int sgre_circuit_check(const struct sgre *sgre, const struct sgre_config *cfg,
		       struct netlink_ext_ack *extack)
{
	const struct sgre *other = sgre_circuit_find(cfg->outside, &cfg->remote,
						     cfg->flags & SGRE_IKEY, cfg->ikey);

	if (!other || other == sgre)
		return 0;
	NL_SET_ERR_MSG(extack,
		       "another device has this local, remote and ikey: give another ikey");
	return -EEXIST;
}

void sgre_circuit_add(struct sgre *sgre)
{
	const struct sgre_config *cfg = rtnl_dereference(sgre->cfg);
	u32 hash = sgre_circuit_hash(&cfg->remote, cfg->flags & SGRE_IKEY, cfg->ikey);

	hlist_add_head_rcu(&sgre->circuit, &cfg->outside->circuits[hash]);
}

void sgre_circuit_del(struct sgre *sgre)
{
	hlist_del_init_rcu(&sgre->circuit);
}

/* --- raw sockets by their address ---------------------------------------- */

static struct hlist_head *sgre_local_head(struct net *net, const struct sgre_addr *local)
{
	return &sgre_net(net)->by_local[sgre_addr_hash(local, 0) & ((1 << SGRE_LOCAL_BITS) - 1)];
}

/* How well a socket suits; < 0: not at all. As raw_v4_match() and raw_v6_match(). */
static int sgre_raw_score(const struct sgre_outside *outside, const struct sgre_addr *local,
			  const struct sgre_addr *remote, int dif, int sdif)
{
	const struct sock *sk = rcu_dereference(outside->sk);
	int score = 0;

	if (!sk || !sgre_addr_equal(&outside->local, local))
		return -1;
	if (!raw_sk_bound_dev_eq(sock_net(sk), READ_ONCE(sk->sk_bound_dev_if), dif, sdif))
		return -1;
	if (outside->adopted) {
		if (!sgre_addr_equal(&outside->remote, remote))
			return -1;
		score += 2;
	}
	return score + !!outside->link;
}

struct sgre_outside *sgre_outside_find_raw(struct net *net, const struct sgre_addr *local,
					   const struct sgre_addr *remote, int dif, int sdif)
{
	struct sgre_outside *outside, *best = NULL;
	int score, best_score = -1;

	hlist_for_each_entry_rcu(outside, sgre_local_head(net, local), hash) {
		score = sgre_raw_score(outside, local, remote, dif, sdif);
		if (score > best_score) {
			best = outside;
			best_score = score;
		}
	}
	return best;
}

/* --- sockets made here --------------------------------------------------- */

static struct socket *sgre_socket_udp(struct net *net, const struct sgre_config *cfg)
{
	struct udp_port_cfg port = {
		.family = cfg->local.family,
		.local_udp_port = cfg->sport ? : cfg->dport,
		.bind_ifindex = cfg->link,
		.use_udp_checksums = true,
		.ipv6_v6only = true,
		.use_udp6_tx_checksums = true,
		/* Off in fou by default; the address, the peer and the key are checked. */
		.use_udp6_rx_checksums = false,
	};
	struct socket *sock;
	int err;

	if (cfg->local.family == AF_INET)
		port.local_ip.s_addr = cfg->local.v4;
#if IS_ENABLED(CONFIG_IPV6)
	else
		port.local_ip6 = cfg->local.v6;
#endif
	err = udp_sock_create(net, &port, &sock);
	return err ? ERR_PTR(err) : sock;
}

static int sgre_socket_bind(struct socket *sock, const struct sgre_config *cfg)
{
	union {
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
	} addr = {};
	int err;

	if (cfg->link) {
		err = sock_bindtoindex(sock->sk, cfg->link, true);
		if (err)
			return err;
	}
	if (cfg->local.family == AF_INET) {
		addr.v4.sin_family = AF_INET;
		addr.v4.sin_addr.s_addr = cfg->local.v4;
	} else {
		addr.v6.sin6_family = AF_INET6;
		addr.v6.sin6_addr = cfg->local.v6;
	}
	return kernel_bind(sock, (struct sockaddr_unsized *)&addr, sizeof(addr));
}

static struct socket *sgre_socket_raw(struct net *net, const struct sgre_config *cfg)
{
	struct socket *sock;
	int err;

	err = sock_create_kern(net, cfg->local.family, SOCK_RAW, IPPROTO_GRE, &sock);
	if (err)
		return ERR_PTR(err);
	sock->sk->sk_allocation = GFP_ATOMIC;
	if (cfg->local.family == AF_INET6) {
		sock->sk->sk_error_report = sgre_raw_error_report;
		ip6_sock_set_recverr(sock->sk);
	}
	err = sgre_socket_bind(sock, cfg);
	if (err) {
		sock_release(sock);
		return ERR_PTR(err);
	}
	return sock;
}

/*
 * bind() takes a broadcast address as well, and any at all where there never was one;
 * then the source address is left open.
 */
static struct socket *sgre_socket_checked(struct socket *sock, const struct sgre_config *cfg)
{
	if (IS_ERR(sock) || cfg->local.family != AF_INET ||
	    inet_sk(sock->sk)->inet_saddr == cfg->local.v4)
		return sock;
	sock_release(sock);
	return ERR_PTR(-EADDRNOTAVAIL);
}

static void sgre_socket_error(int err, struct netlink_ext_ack *extack)
{
	switch (err) {
	case -EADDRNOTAVAIL:
		NL_SET_ERR_MSG(extack,
			       "local is no address of this host or of dev: add it there first");
		break;
	case -EADDRINUSE:
		NL_SET_ERR_MSG(extack,
			       "another socket has this UDP port: give another sport or dport");
		break;
	case -EACCES:
		NL_SET_ERR_MSG(extack,
			       "this UDP port needs CAP_NET_BIND_SERVICE: give a higher one");
		break;
	case -EAFNOSUPPORT:
		NL_SET_ERR_MSG(extack, "this kernel has no IPv6: give IPv4 addresses");
		break;
	case -ENOMEM:
	case -ENOBUFS:
		NL_SET_ERR_MSG(extack, "no memory for the socket: free some and try again");
		break;
	default:
		NL_SET_ERR_MSG(extack, "no socket could be bound to local: see the error number");
	}
}

/* --- outsides ------------------------------------------------------------ */

struct sgre_outside *sgre_outside_new(struct net *net, const struct sgre_config *cfg)
{
	struct sgre_outside *outside = kzalloc(sizeof(*outside), GFP_KERNEL_ACCOUNT);

	if (!outside)
		return NULL;
	refcount_set(&outside->users, 1);
	outside->net = net;
	outside->local = cfg->local;
	outside->remote = cfg->remote;
	outside->port = cfg->transport == SGRE_UDP ? cfg->sport ? : cfg->dport : 0;
	outside->transport = cfg->transport;
	outside->adopted = cfg->adopted;
	outside->link = cfg->link;
	return outside;
}

static void sgre_outside_setup_udp(struct sgre_outside *outside, struct sock *sk)
{
	struct udp_tunnel_sock_cfg tunnel = {
		.sk_user_data = outside,
		.encap_type = 1,	/* of no meaning but for != 0 */
		.encap_rcv = sgre_udp_encap_rcv,
		.encap_err_lookup = sgre_udp_err_lookup,
		.gro_receive = sgre_gro_receive,
		.gro_complete = sgre_gro_complete,
	};

	setup_udp_tunnel_sock(outside->net, sk, &tunnel);
}

/*
 * Once for each socket: the core counts who does GRO from its set-up to its end. One that
 * was adopted before, and given back, has all but what sgre_outside_stop() and its user
 * have changed since. From the last line on packets come.
 */
static void sgre_outside_start_udp(struct sgre_outside *outside, struct sock *sk)
{
	struct udp_sock *up = udp_sk(sk);

	if (up->gro_receive != sgre_gro_receive) {
		sgre_outside_setup_udp(outside, sk);
		return;
	}
	inet_inc_convert_csum(sk);
	WRITE_ONCE(up->encap_rcv, sgre_udp_encap_rcv);
	WRITE_ONCE(up->encap_err_lookup, sgre_udp_err_lookup);
	smp_store_release(&up->encap_type, 1);
}

static void sgre_outside_start_raw(struct sgre_outside *outside, struct sock *sk)
{
	outside->data_ready = sk->sk_data_ready;
	rcu_assign_sk_user_data(sk, outside);
	write_lock_bh(&sk->sk_callback_lock);
	sk->sk_data_ready = sgre_raw_data_ready;
	write_unlock_bh(&sk->sk_callback_lock);
	/* What came before: recv.c takes no more than has come since. */
	skb_queue_purge(&sk->sk_receive_queue);
	hlist_add_head_rcu(&outside->hash, sgre_local_head(outside->net, &outside->local));
}

int sgre_outside_add(struct sgre_outside *outside, struct sock *sk,
		     struct netlink_ext_ack *extack)
{
	int err;

	if (outside->transport == SGRE_RAW) {
		err = sgre_shortcut_get(outside->net);
		if (err) {
			NL_SET_ERR_MSG(extack,
				       "the netfilter hook is refused: see the error number");
			return err;
		}
	}
	rcu_assign_pointer(outside->sk, sk);
	list_add(&outside->list, &sgre_net(outside->net)->outsides);
	if (outside->transport == SGRE_RAW)
		sgre_outside_start_raw(outside, sk);
	else
		sgre_outside_start_udp(outside, sk);
	return 0;
}

/*
 * No packet finds the outside through its socket when this returns: what had found
 * it before was under RCU, and is through. The socket itself is as it was.
 */
static void sgre_outside_stop(struct sgre_outside *outside, struct sock *sk)
{
	if (outside->transport == SGRE_RAW) {
		hlist_del_rcu(&outside->hash);
		sgre_shortcut_put(outside->net);
		write_lock_bh(&sk->sk_callback_lock);
		sk->sk_data_ready = outside->data_ready;
		write_unlock_bh(&sk->sk_callback_lock);
	} else if (outside->adopted) {
		/*
		 * udp_queue_rcv_one_skb() looks at encap_type first. GRO reads its
		 * functions twice: they stay, and do nothing without sk_user_data;
		 * the module does too, see adopt.c.
		 */
		WRITE_ONCE(udp_sk(sk)->encap_type, 0);
		inet_dec_convert_csum(sk);
	}
	rcu_assign_sk_user_data(sk, NULL);
	RCU_INIT_POINTER(outside->sk, NULL);
	synchronize_net();
}

static bool sgre_outside_suits(const struct sgre_outside *outside, const struct sgre_config *cfg)
{
	return !outside->adopted && outside->transport == cfg->transport &&
	       outside->link == cfg->link && sgre_addr_equal(&outside->local, &cfg->local) &&
	       (cfg->transport == SGRE_RAW || outside->port == (cfg->sport ? : cfg->dport));
}

static struct sgre_outside *sgre_outside_create(struct net *net, const struct sgre_config *cfg,
						struct netlink_ext_ack *extack)
{
	struct sgre_outside *outside = sgre_outside_new(net, cfg);
	struct socket *sock;
	int err = -ENOMEM;

	if (!outside)
		return ERR_PTR(err);
	sock = cfg->transport == SGRE_UDP ? sgre_socket_udp(net, cfg) : sgre_socket_raw(net, cfg);
	sock = sgre_socket_checked(sock, cfg);
	if (IS_ERR(sock)) {
		err = PTR_ERR(sock);
		sgre_socket_error(err, extack);
		goto free;
	}
	outside->sock = sock;
	err = sgre_outside_add(outside, sock->sk, extack);
	if (!err)
		return outside;
	sock_release(sock);
free:
	kfree(outside);
	return ERR_PTR(err);
}

struct sgre_outside *sgre_outside_get(struct net *net, const struct sgre_config *cfg,
				      struct netlink_ext_ack *extack)
{
	struct sgre_outside *outside;

	if (cfg->link && !__dev_get_by_index(net, cfg->link)) {
		NL_SET_ERR_MSG(extack, "dev is not in the namespace of the outside: give another");
		return ERR_PTR(-ENODEV);
	}
	list_for_each_entry(outside, &sgre_net(net)->outsides, list) {
		if (sgre_outside_suits(outside, cfg)) {
			refcount_inc(&outside->users);
			return outside;
		}
	}
	return sgre_outside_create(net, cfg, extack);
}

/* May sleep. The outside is in no config that a reader could still find. */
void sgre_outside_put(struct sgre_outside *outside)
{
	struct sock *sk;

	ASSERT_RTNL();
	if (!refcount_dec_and_test(&outside->users))
		return;
	list_del(&outside->list);
	sk = rtnl_dereference(outside->sk);
	if (sk) {
		sgre_outside_stop(outside, sk);
		if (outside->adopted)
			sgre_abandon(sk);
		else
			sock_release(outside->sock);
	}
	/* Devices that let go of an outside long closed may have readers yet. */
	kfree_rcu(outside, rcu);
}

/* An adopted socket is closed; its devices stay, without carrier. */
void sgre_outside_closed(struct sgre_outside *outside, struct sock *sk)
{
	const struct sgre_config *cfg;
	struct sgre *sgre;

	ASSERT_RTNL();
	sgre_outside_stop(outside, sk);
	list_for_each_entry(sgre, &sgre_net(outside->net)->devices, list) {
		cfg = rtnl_dereference(sgre->cfg);
		if (cfg->outside == outside)
			sgre_set_carrier(sgre);
	}
}

/*
 * A transmitter that has looked up its route before puts it into the cache, as new, until
 * all of them are through.
 */
void sgre_outside_forget_routes(struct sgre_outside *outside)
{
	struct sgre *sgre;

	ASSERT_RTNL();
	synchronize_net();
	list_for_each_entry(sgre, &sgre_net(outside->net)->devices, list)
		if (rtnl_dereference(sgre->cfg)->outside == outside)
			dst_cache_reset(&sgre->dst_cache);
}

/* --- the underlying device ------------------------------------------------ */

/*
 * Gone, there is no carrier until it is back: from another namespace, where it keeps its
 * index if it can. Another one of its name is another one: the socket would not take its
 * packets. `set dev` makes it the one that is meant.
 */
static int sgre_link_event(struct notifier_block *nb, unsigned long event, void *info)
{
	const struct net_device *dev = netdev_notifier_info_to_dev(info);
	struct sgre *sgre;

	if (event != NETDEV_REGISTER && event != NETDEV_UNREGISTER)
		return NOTIFY_DONE;
	list_for_each_entry(sgre, &sgre_net(dev_net(dev))->devices, list)
		if (rtnl_dereference(sgre->cfg)->link == dev->ifindex)
			sgre_set_carrier(sgre);
	return NOTIFY_DONE;
}

static struct notifier_block sgre_link_notifier = {
	.notifier_call = sgre_link_event,
};

/* --- namespaces ---------------------------------------------------------- */

static int __net_init sgre_net_init(struct net *net)
{
	INIT_LIST_HEAD(&sgre_net(net)->outsides);
	INIT_LIST_HEAD(&sgre_net(net)->devices);
	return 0;
}

/*
 * Devices whose socket is in a namespace that goes: wherever they are, they go
 * first, and the last of them takes its outside along (ndo_uninit). A device that is
 * on the way out already is moved from one list to the other, which harms nothing:
 * uninit, under the same rtnl, takes it off the list that is walked here.
 */
static void sgre_net_exit(struct net *net, struct list_head *kill)
{
	struct sgre *sgre;

	list_for_each_entry(sgre, &sgre_net(net)->devices, list)
		unregister_netdevice_queue(sgre->dev, kill);
}

COMPAT_EXIT_RTNL(sgre_net_exit)

static struct pernet_operations sgre_net_ops = {
	.init = sgre_net_init,
	COMPAT_EXIT_RTNL_OP(sgre_net_exit)
	.id = &sgre_net_id,
	.size = sizeof(struct sgre_net),
};

int sgre_outside_init(void)
{
	int err = register_pernet_subsys(&sgre_net_ops);

	if (err)
		return err;
	err = register_netdevice_notifier(&sgre_link_notifier);
	if (err)
		unregister_pernet_subsys(&sgre_net_ops);
	return err;
}

void sgre_outside_exit(void)
{
	unregister_netdevice_notifier(&sgre_link_notifier);
	unregister_pernet_subsys(&sgre_net_ops);
}
