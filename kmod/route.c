// SPDX-License-Identifier: GPL-2.0
/*
 * route.c - the outer route: as the socket would have it, cached for each device.
 *
 * A cached route is asked twice whether it is still good, and both are needed:
 *
 *	its generation (rtcache.h), one load, knows each change of routes, rules, nexthops,
 *	addresses and devices before that change returns. dst_ops.check() sees the same
 *	late or, where IPv6 compares no more than the node of the tree that it had, not
 *	at all; and after a lookup that raced with a deletion it may be content for good.
 *
 *	dst_ops.check() knows what belongs to this route alone: a path MTU that was learnt
 *	or has run out, a redirect, an IPsec bundle. Of those nobody else is told.
 */
#include <net/ip6_route.h>
#include <net/route.h>

#include "xmit.h"

static int sgre_tx_oif(const struct sgre_tx *tx)
{
	return tx->cfg->adopted ? READ_ONCE(tx->sk->sk_bound_dev_if) : tx->cfg->link;
}

static struct dst_entry *sgre_tx_lookup4(struct sgre_tx *tx)
{
	const struct sgre_config *cfg = tx->cfg;
	struct flowi4 fl4;
	struct rtable *rt;

	flowi4_init_output(&fl4, sgre_tx_oif(tx), READ_ONCE(tx->sk->sk_mark), 0,
			   RT_SCOPE_UNIVERSE, sgre_tx_ip_proto(cfg), 0, cfg->remote.v4,
			   cfg->local.v4, cfg->dport, cfg->sport,
			   sock_net_uid(tx->net, tx->sk));
	compat_flowi4_set_tos(&fl4, tx->tos);
	if (cfg->transport == SGRE_RAW)
		fl4.fl4_gre_key = cfg->okey;
	security_sk_classify_flow(tx->sk, flowi4_to_flowi_common(&fl4));
	rt = ip_route_output_flow(tx->net, &fl4, tx->sk);
	if (IS_ERR(rt))
		return ERR_CAST(rt);
	if (rt->rt_flags & (RTCF_BROADCAST | RTCF_MULTICAST)) {
		ip_rt_put(rt);
		return ERR_PTR(-EACCES);
	}
	tx->local.v4 = fl4.saddr;
	return &rt->dst;
}

static struct dst_entry *sgre_tx_lookup6(struct sgre_tx *tx)
{
	const struct sgre_config *cfg = tx->cfg;
	struct flowi6 fl6 = {
		.flowi6_oif = sgre_tx_oif(tx),
		.flowi6_mark = READ_ONCE(tx->sk->sk_mark),
		.flowi6_proto = sgre_tx_ip_proto(cfg),
		.flowi6_uid = sock_net_uid(tx->net, tx->sk),
		.flowlabel = ip6_make_flowinfo(tx->tos & INET_DSCP_MASK, 0),
		.daddr = cfg->remote.v6,
		.saddr = cfg->local.v6,
		.fl6_dport = cfg->dport,
		.fl6_sport = cfg->sport,
	};
	struct dst_entry *dst;

	if (cfg->transport == SGRE_RAW)
		fl6.fl6_gre_key = cfg->okey;
	security_sk_classify_flow(tx->sk, flowi6_to_flowi_common(&fl6));
	dst = ip6_dst_lookup_flow(tx->net, tx->sk, &fl6, NULL);
	if (!IS_ERR(dst))
		tx->local.v6 = fl6.saddr;
	return dst;
}

static const atomic64_t *sgre_tx_gen(const struct sgre_tx *tx)
{
	return &tx->sgre->gens[tx->cfg->remote.family == AF_INET ? RTCACHE_INET :
								   RTCACHE_INET6].gen;
}

/* BH is off: route and generation are those of this CPU. */
static struct dst_entry *sgre_tx_cached(struct sgre_tx *tx)
{
	struct dst_cache *cache = &tx->sgre->dst_cache;

	if (unlikely(!rtcache_good(this_cpu_ptr(tx->sgre->rtcache), sgre_tx_gen(tx))))
		return NULL;
	if (tx->cfg->remote.family == AF_INET) {
		struct rtable *rt = dst_cache_get_ip4(cache, &tx->local.v4);

		return rt ? &rt->dst : NULL;
	}
	return dst_cache_get_ip6(cache, &tx->local.v6);
}

/*
 * The user of an adopted socket may give it another mark, device or TOS. Two CPUs that
 * see the change at once both forget the route: one time too many, and no harm.
 */
static void sgre_tx_socket_changed(struct sgre_tx *tx)
{
	u32 mark = READ_ONCE(tx->sk->sk_mark);
	int oif = READ_ONCE(tx->sk->sk_bound_dev_if);
	u8 dscp = tx->tos & INET_DSCP_MASK;
	struct sgre *sgre = tx->sgre;

	if (likely(READ_ONCE(sgre->sk_mark) == mark && READ_ONCE(sgre->sk_oif) == oif &&
		   READ_ONCE(sgre->sk_tos) == dscp))
		return;
	WRITE_ONCE(sgre->sk_mark, mark);
	WRITE_ONCE(sgre->sk_oif, oif);
	WRITE_ONCE(sgre->sk_tos, dscp);
	dst_cache_reset(&sgre->dst_cache);
}

/* gen: from before the lookup. In a flux each packet asks the FIB. */
static void sgre_tx_keep(struct sgre_tx *tx, u64 gen)
{
	if (!rtcache_may_keep(gen))
		return;
	if (tx->cfg->remote.family == AF_INET)
		dst_cache_set_ip4(&tx->sgre->dst_cache, tx->dst, tx->local.v4);
	else
		dst_cache_set_ip6(&tx->sgre->dst_cache, tx->dst, &tx->local.v6);
	rtcache_set(this_cpu_ptr(tx->sgre->rtcache), gen);
}

/* An inherited TOS may lead elsewhere each time: such a route is not cached. */
enum sgre_counter sgre_tx_route(struct sgre_tx *tx)
{
	bool cached = !tx->inherit_tos;
	bool v4 = tx->cfg->remote.family == AF_INET;
	u64 gen;

	if (tx->cfg->adopted)
		sgre_tx_socket_changed(tx);
	tx->dst = cached ? sgre_tx_cached(tx) : NULL;
	if (likely(tx->dst))
		return SGRE_FINE;
	gen = rtcache_begin(sgre_tx_gen(tx));
	tx->dst = v4 ? sgre_tx_lookup4(tx) : sgre_tx_lookup6(tx);
	if (IS_ERR(tx->dst)) {
		bool ipsec = PTR_ERR(tx->dst) == -EPERM;	/* routes say -EACCES */

		tx->dst = NULL;
		return ipsec ? SGRE_C_tx_below : SGRE_C_tx_no_route;
	}
	if (dst_dev(tx->dst) == tx->sgre->dev)
		return SGRE_C_tx_loop;
	if (cached)
		sgre_tx_keep(tx, gen);
	/* It was looked up by what the socket had a moment ago. */
	if (cached && tx->cfg->adopted)
		sgre_tx_socket_changed(tx);
	return SGRE_FINE;
}
