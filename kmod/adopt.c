// SPDX-License-Identifier: GPL-2.0
/*
 * adopt.c - connected sockets of users as outsides.
 *
 * What must not happen while devices use the socket: its user reads their packets,
 * connects it to somebody else, switches the encapsulation off, or closes it unseen.
 * So it gets another struct proto: a copy of its own with a few functions replaced.
 *
 *	sk_prot			ours while there are devices, and its own before and after
 *	sk_prot_creator		ours from then on. The core frees the socket by it, and drops
 *				our reference to the module (proto.owner) behind that. The
 *				functions below may run as long as the socket is there.
 *
 * There is no reference to the file: a socket pins its namespace, and a device in that
 * namespace would pin the socket. ->destroy() comes before the socket goes. The
 * reference to the sock is for what was called before the adoption and waited for the
 * lock: IPV6_ADDRFORM replaces sk_prot, and ->destroy() with it. Such a socket stays
 * until its devices are deleted. Who waited in connect() or disconnect() has the tunnel
 * broken that he had just given away.
 */
#include <linux/file.h>
#include <linux/module.h>
#include <linux/net.h>
#include <net/inet_sock.h>
#include <net/udp.h>

#include "sgre.h"

struct sgre_proto {
	struct proto proto;
	struct proto *orig;		/* NULL: not made yet; rtnl */
};

static struct sgre_proto sgre_protos[2][2];	/* transport, is it IPv6? */

static struct sgre_proto *sgre_proto_of(const struct sock *sk)
{
	smp_rmb();	/* with the release in sgre_proto_set(): who saw our sk_prot sees this */
	return container_of(sk->sk_prot_creator, struct sgre_proto, proto);
}

/* --- what its user calls ------------------------------------------------- */

/* A caller that was inside the original by then got what it was about to get. */
static int COMPAT_RECVMSG(sgre_adopted_recvmsg)
{
	if (flags & MSG_ERRQUEUE)	/* ICMP errors are his: they fill his queue */
		return COMPAT_CALL_RECVMSG(sgre_proto_of(sk)->orig->recvmsg);
	return -EBUSY;
}

static int sgre_adopted_connect(struct sock *sk, struct sockaddr_unsized *addr, int len)
{
	return -EBUSY;
}

static int sgre_adopted_disconnect(struct sock *sk, int flags)
{
	return -EBUSY;
}

/* Disconnects: delete the device instead. */
static int sgre_adopted_diag_destroy(struct sock *sk, int err)
{
	return -EOPNOTSUPP;
}

static bool sgre_option_is_policy(int level, int name)
{
	return (level == SOL_IP && (name == IP_XFRM_POLICY || name == IP_IPSEC_POLICY)) ||
	       (level == SOL_IPV6 && (name == IPV6_XFRM_POLICY || name == IPV6_IPSEC_POLICY));
}

/* IPsec is a part of the route. It may have been given back meanwhile. */
static void sgre_adopted_forget_routes(struct sock *sk)
{
	rtnl_lock();
	if (sk->sk_prot == &sgre_proto_of(sk)->proto)
		sgre_outside_forget_routes(rcu_dereference_protected(__sk_user_data(sk),
								     lockdep_rtnl_is_held()));
	rtnl_unlock();
}

static int sgre_adopted_setsockopt(struct sock *sk, int level, int name, sockptr_t value,
				   unsigned int len)
{
	int err;

	if ((level == SOL_UDP && name == UDP_ENCAP) ||
	    (level == SOL_IPV6 && name == IPV6_ADDRFORM))
		return -EBUSY;
	err = sgre_proto_of(sk)->orig->setsockopt(sk, level, name, value, len);
	if (!err && sgre_option_is_policy(level, name))
		sgre_adopted_forget_routes(sk);
	return err;
}

/*
 * The file is gone: no other call is under way, and none comes. It may have waited
 * for rtnl while the last device went: then the socket is not ours any more.
 */
static void sgre_adopted_destroy(struct sock *sk)
{
	struct sgre_proto *proto = sgre_proto_of(sk);

	rtnl_lock();
	if (sk->sk_prot == &proto->proto) {
		sgre_outside_closed(rcu_dereference_protected(__sk_user_data(sk),
							      lockdep_rtnl_is_held()), sk);
		WRITE_ONCE(sk->sk_prot, proto->orig);
		sock_put(sk);	/* not the last one: the caller has one */
	}
	rtnl_unlock();
	/* Back into the core before the socket, and with it our reference, goes. */
	if (proto->orig->destroy)
		proto->orig->destroy(sk);
}

/* --- taking and giving back ---------------------------------------------- */

/* Once for each kind of socket; rtnl. */
static void sgre_proto_make(struct sgre_proto *proto, struct proto *orig)
{
	proto->proto = *orig;
	proto->proto.owner = THIS_MODULE;
	proto->proto.recvmsg = sgre_adopted_recvmsg;
	proto->proto.connect = sgre_adopted_connect;
	proto->proto.disconnect = sgre_adopted_disconnect;
	proto->proto.setsockopt = sgre_adopted_setsockopt;
	proto->proto.destroy = sgre_adopted_destroy;
	proto->proto.diag_destroy = sgre_adopted_diag_destroy;
	proto->orig = orig;
}

/*
 * Who sleeps in recvmsg() of the original wakes up and finds the receiving side shut
 * down: neither UDP nor raw sockets look at that for what comes in.
 */
static bool sgre_proto_set(struct sock *sk, struct sgre_proto *proto)
{
	if (sk->sk_prot_creator != &proto->proto) {
		if (!try_module_get(THIS_MODULE))
			return false;
		/* IPv6 as a module: it stays as long as we do, who need its symbols. */
		module_put(proto->orig->owner);
		sk->sk_prot_creator = &proto->proto;
	}
	smp_store_release(&sk->sk_prot, &proto->proto);
	WRITE_ONCE(sk->sk_shutdown, sk->sk_shutdown | RCV_SHUTDOWN);
	sk->sk_state_change(sk);
	return true;
}

/* Unless IPV6_ADDRFORM, called before, has put another there meanwhile. */
static void sgre_proto_reset(struct sock *sk)
{
	WRITE_ONCE(sk->sk_shutdown, sk->sk_shutdown & ~RCV_SHUTDOWN);
	if (sk->sk_prot == &sgre_proto_of(sk)->proto)
		WRITE_ONCE(sk->sk_prot, sgre_proto_of(sk)->orig);
}

/* The last device went, nothing comes in for us any more: it is its user's again. */
void sgre_abandon(struct sock *sk)
{
	lock_sock(sk);
	sgre_proto_reset(sk);
	release_sock(sk);
	sock_put(sk);
}

/* BPF's sockmaps test and set sk_user_data under sk_callback_lock as well. */
static bool sgre_claim(struct sock *sk, struct sgre_outside *outside)
{
	bool free;

	write_lock_bh(&sk->sk_callback_lock);
	free = !rcu_access_pointer(__sk_user_data(sk));
	if (free)
		rcu_assign_sk_user_data(sk, outside);
	write_unlock_bh(&sk->sk_callback_lock);
	return free;
}

static struct sgre_outside *sgre_take(struct sock *sk, struct sgre_proto *proto,
				      const struct sgre_config *cfg,
				      struct netlink_ext_ack *extack)
{
	struct sgre_outside *outside = sgre_outside_new(sock_net(sk), cfg);
	int err = -EBUSY;

	if (!outside)
		return ERR_PTR(-ENOMEM);
	if (!sgre_claim(sk, outside)) {
		NL_SET_ERR_MSG(extack, "fd carries something else already: give another socket");
		goto free;
	}
	if (!sgre_proto_set(sk, proto)) {
		NL_SET_ERR_MSG(extack, "the module is about to be unloaded: try again");
		goto unclaim;
	}
	err = sgre_outside_add(outside, sk, extack);
	if (!err) {
		sock_hold(sk);	/* until ->destroy(), or sgre_abandon() */
		return outside;
	}
	sgre_proto_reset(sk);
unclaim:
	rcu_assign_sk_user_data(sk, NULL);
free:
	kfree_rcu(outside, rcu);
	return ERR_PTR(err);
}

/* --- is it one that can be taken? ---------------------------------------- */

static int sgre_adopt_kind(const struct sock *sk, struct netlink_ext_ack *extack)
{
	if (sk->sk_family != AF_INET && sk->sk_family != AF_INET6) {
		NL_SET_ERR_MSG(extack, "fd is no IPv4 or IPv6 socket: give one that is");
		return -EAFNOSUPPORT;
	}
	if (!(sk->sk_type == SOCK_DGRAM && sk->sk_protocol == IPPROTO_UDP) &&
	    !(sk->sk_type == SOCK_RAW && sk->sk_protocol == IPPROTO_GRE)) {
		NL_SET_ERR_MSG(extack,
			       "fd is neither a UDP nor a raw GRE (protocol 47) socket: give one");
		return -EPROTONOSUPPORT;
	}
	if (!ns_capable(sock_net(sk)->user_ns, CAP_NET_ADMIN)) {
		NL_SET_ERR_MSG(extack,
			       "fd is of another namespace: this needs CAP_NET_ADMIN there");
		return -EPERM;
	}
	return 0;
}

/* GRO of somebody else may outlive his encapsulation. */
static bool sgre_udp_taken(const struct udp_sock *up)
{
	return READ_ONCE(up->encap_type) ||
	       (up->gro_receive && up->gro_receive != sgre_gro_receive);
}

static int sgre_adopt_state(const struct sock *sk, const struct sgre_proto *proto,
			    struct netlink_ext_ack *extack)
{
	if (sk->sk_state != TCP_ESTABLISHED) {
		NL_SET_ERR_MSG(extack, "fd is not connected: connect() it to the peer first");
		return -ENOTCONN;
	}
	if (sk->sk_family == AF_INET6 && ipv6_addr_v4mapped(&sk->sk_v6_daddr)) {
		NL_SET_ERR_MSG(extack,
			       "fd is an IPv6 socket that talks IPv4: give an AF_INET socket");
		return -EAFNOSUPPORT;
	}
	/* Ours, or its own, which is the one that was copied; and no encapsulation. */
	if (proto->orig && sk->sk_prot == &proto->proto)
		return 0;
	if ((sk->sk_prot_creator != sk->sk_prot && sk->sk_prot_creator != &proto->proto) ||
	    (proto->orig && sk->sk_prot != proto->orig) ||
	    (sk->sk_protocol == IPPROTO_UDP && sgre_udp_taken(udp_sk(sk)))) {
		NL_SET_ERR_MSG(extack, "fd carries something else already: give another socket");
		return -EBUSY;
	}
	return 0;
}

static void sgre_adopt_config(const struct sock *sk, struct sgre_config *cfg)
{
	const struct inet_sock *inet = inet_sk(sk);

	cfg->adopted = true;
	cfg->transport = sk->sk_protocol == IPPROTO_UDP ? SGRE_UDP : SGRE_RAW;
	cfg->local.family = sk->sk_family;
	cfg->remote.family = sk->sk_family;
	if (sk->sk_family == AF_INET) {
		cfg->local.v4 = inet->inet_saddr;
		cfg->remote.v4 = inet->inet_daddr;
	} else {
		cfg->local.v6 = sk->sk_v6_rcv_saddr;
		cfg->remote.v6 = sk->sk_v6_daddr;
	}
	cfg->sport = cfg->transport == SGRE_UDP ? inet->inet_sport : 0;
	cfg->dport = cfg->transport == SGRE_UDP ? inet->inet_dport : 0;
	cfg->link = sk->sk_bound_dev_if;
}

/* The socket is locked, and its file held. */
static struct sgre_outside *sgre_adopt(struct sock *sk, struct sgre_config *cfg,
				       struct netlink_ext_ack *extack)
{
	struct sgre_proto *proto;
	struct sgre_outside *outside;
	int err;

	proto = &sgre_protos[sk->sk_protocol == IPPROTO_UDP][sk->sk_family == AF_INET6];
	err = sgre_adopt_state(sk, proto, extack);
	if (err)
		return ERR_PTR(err);
	sgre_adopt_config(sk, cfg);
	err = sgre_config_check_addresses(cfg, extack);
	if (err)
		return ERR_PTR(err);
	if (!proto->orig)
		sgre_proto_make(proto, sk->sk_prot);
	if (sk->sk_prot != &proto->proto)
		return sgre_take(sk, proto, cfg, extack);
	outside = rcu_dereference_protected(__sk_user_data(sk), lockdep_rtnl_is_held());
	refcount_inc(&outside->users);
	return outside;
}

struct sgre_outside *sgre_outside_adopt(int fd, struct sgre_config *cfg,
					struct netlink_ext_ack *extack)
{
	struct sgre_outside *outside;
	struct socket *sock;
	int err;

	ASSERT_RTNL();
	sock = sockfd_lookup(fd, &err);
	if (!sock) {
		NL_SET_ERR_MSG(extack,
			       "fd is not open, or no socket: give the number of a connected one");
		return ERR_PTR(err);
	}
	err = sgre_adopt_kind(sock->sk, extack);
	if (err) {
		outside = ERR_PTR(err);
	} else {
		lock_sock(sock->sk);
		outside = sgre_adopt(sock->sk, cfg, extack);
		release_sock(sock->sk);
	}
	/* From here on ->destroy() is what keeps the socket: it needs rtnl. */
	sockfd_put(sock);
	return outside;
}
