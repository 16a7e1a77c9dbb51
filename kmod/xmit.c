// SPDX-License-Identifier: GPL-2.0
/*
 * xmit.c - from an inner packet to the outer one, and out by the route of the socket.
 *
 * A packet goes through steps; each returns what is wrong, or SGRE_FINE. All run
 * with BH off, under RCU; none sleeps.
 */
#include <linux/icmpv6.h>
#include <net/dst_metadata.h>
#include <net/gre.h>
#include <net/icmp.h>
#include <net/inet_ecn.h>
#include <net/ip.h>
#include <net/ip6_checksum.h>
#include <net/ip6_route.h>
#include <net/ipv6.h>
#include <net/mpls.h>
#include <net/route.h>
#include <net/udp.h>
#include <net/udp_tunnel.h>

#include <vestige/gre.h>

#include "xmit.h"

/* RFC 8086 3.2.1: entropy from the range of the dynamic ports. */
#define SGRE_PORT_MIN	49152
#define SGRE_PORT_MAX	65535

/* Tunnels in tunnels, on this CPU, now. BH is off: nobody else on it counts. */
static DEFINE_PER_CPU(unsigned int, sgre_nesting);

/*
 * IPv4 identification of packets that must not be fragmented: nobody should need it
 * (RFC 6864), but a router that fragments nevertheless does. Others get a real one.
 */
static DEFINE_PER_CPU(u16, sgre_ident);

void sgre_config_lengths(struct sgre_config *cfg)
{
	cfg->gre_len = sgre_hdr_len((cfg->flags & SGRE_CSUM ? SGRE_HDR_CSUM : 0) |
				    (cfg->flags & SGRE_SEQ ? SGRE_HDR_SEQ : 0) |
				    (cfg->flags & SGRE_OKEY ? SGRE_HDR_KEY : 0));
	cfg->hdr_len = cfg->gre_len +
		       (cfg->transport == SGRE_UDP ? sizeof(struct udphdr) : 0) +
		       (cfg->remote.family == AF_INET ? sizeof(struct iphdr) :
							sizeof(struct ipv6hdr));
}

/*
 * A segment has a number of its own: the kernel cannot cut what is wrapped already.
 * Nor can it write the checksum of GRE that is in UDP.
 */
bool sgre_config_gso(const struct sgre_config *cfg)
{
	return !(cfg->flags & SGRE_SEQ) &&
	       !(cfg->flags & SGRE_CSUM && cfg->transport == SGRE_UDP);
}

/* The fixed part of the inner IP header, that TTL and TOS are read from; behind tags. */
static unsigned int sgre_tx_ip_len(const struct sk_buff *skb)
{
	switch (skb_protocol(skb, true)) {
	case htons(ETH_P_IP):
		return sizeof(struct iphdr);
	case htons(ETH_P_IPV6):
		return sizeof(struct ipv6hdr);
	default:
		return 0;
	}
}

/* What can be sent: the inner network header is linear after this. */
static enum sgre_counter sgre_tx_payload(struct sgre_tx *tx, struct sk_buff *skb)
{
	tx->proto = skb->protocol;
	if (tx->cfg->mode == SGRE_MODE_ETHER)
		tx->proto = htons(ETH_P_TEB);
	else if (tx->proto != htons(ETH_P_IP) && tx->proto != htons(ETH_P_IPV6) &&
		 !eth_p_mpls(tx->proto))
		return SGRE_C_tx_proto;
	return likely(pskb_may_pull(skb, skb_network_offset(skb) + sgre_tx_ip_len(skb))) ?
	       SGRE_FINE : SGRE_C_tx_proto;
}

/* -1 is the default of a socket: 0 here, and the route knows. */
static u8 sgre_tx_sk_ttl(const struct sgre_tx *tx)
{
	int ttl = tx->cfg->remote.family == AF_INET ? inet_sk(tx->sk)->uc_ttl :
						      inet6_sk(tx->sk)->hop_limit;

	return max(ttl, 0);
}

static u8 sgre_tx_sk_tos(const struct sgre_tx *tx)
{
	return tx->cfg->remote.family == AF_INET ? inet_sk(tx->sk)->tos :
						   inet6_sk(tx->sk)->tclass;
}

/* TTL and TOS of the device; of an adopted socket, if the device has none of its own. */
static void sgre_tx_fields(struct sgre_tx *tx)
{
	const struct sgre_config *cfg = tx->cfg;

	/* Without path MTU a fixed TTL lets loops go on: see config.c. */
	if (cfg->adopted && !cfg->ttl_given && cfg->flags & SGRE_PMTUDISC) {
		tx->ttl = sgre_tx_sk_ttl(tx);
	} else {
		tx->ttl = cfg->ttl;
		tx->inherit_ttl = !cfg->ttl;
	}
	if (cfg->adopted && !cfg->tos_given) {
		tx->tos = sgre_tx_sk_tos(tx);
	} else {
		tx->inherit_tos = cfg->tos & 1;
		tx->tos = tx->inherit_tos ? 0 : cfg->tos;
	}
}

/*
 * TTL and TOS that are inherited, where there is something to inherit. ECN is copied
 * (RFC 6040 4.1, normal mode): CE, too, which INET_ECN_encapsulate() would hide.
 */
static void sgre_tx_inherit(struct sgre_tx *tx, const struct sk_buff *skb)
{
	const struct iphdr *inner = (struct iphdr *)skb_network_header(skb);
	u8 tos = ip_tunnel_get_dsfield(inner, skb);
	__be16 proto = skb_protocol(skb, true);

	if (tx->inherit_tos)
		tx->tos = tos;
	tx->tos = (tx->tos & INET_DSCP_MASK) | (tos & INET_ECN_MASK);
	if (!tx->inherit_ttl)
		return;
	if (proto == htons(ETH_P_IP))
		tx->ttl = inner->ttl;
	else if (proto == htons(ETH_P_IPV6))
		tx->ttl = ((const struct ipv6hdr *)inner)->hop_limit;
}

/*
 * Tell the sender. 0: there is nobody to be told, or nothing he could do; the outer
 * packet is fragmented then.
 */
static bool sgre_tx_tell(struct sk_buff *skb, unsigned int mtu)
{
	if (skb->protocol == htons(ETH_P_IP)) {
		/* What is bridged has no route, and ICMP none to go by. */
		if (!(ip_hdr(skb)->frag_off & htons(IP_DF)) || !skb_valid_dst(skb))
			return false;
		icmp_ndo_send(skb, ICMP_DEST_UNREACH, ICMP_FRAG_NEEDED, htonl(mtu));
		return true;
	}
	if (skb->protocol == htons(ETH_P_IPV6) && mtu >= IPV6_MIN_MTU) {
		icmpv6_ndo_send(skb, ICMPV6_PKT_TOOBIG, 0, mtu);
		return true;
	}
	return false;
}

static bool sgre_tx_fits(const struct sk_buff *skb, unsigned int mtu, unsigned int mac_len)
{
	return skb_is_gso(skb) ? skb_gso_validate_network_len(skb, mtu) :
				 skb->len - mac_len <= mtu;
}

/* A sender on this host has a route of its own, that learns the path MTU as well. */
static enum sgre_counter sgre_tx_mtu(struct sgre_tx *tx, struct sk_buff *skb)
{
	const struct sgre_config *cfg = tx->cfg;
	int mac_len = cfg->mode == SGRE_MODE_ETHER ? ETH_HLEN : 0;
	unsigned int mtu;

	tx->df = cfg->flags & SGRE_PMTUDISC;
	if (!tx->df)
		return SGRE_FINE;
	mtu = max_t(int, dst_mtu(tx->dst) - cfg->hdr_len - mac_len, IPV4_MIN_MTU);
	if (likely(sgre_tx_fits(skb, mtu, mac_len)))
		return SGRE_FINE;
	/* Of a label stack no route could be found. */
	if ((skb->protocol == htons(ETH_P_IP) || skb->protocol == htons(ETH_P_IPV6)) &&
	    skb_valid_dst(skb) && mtu < dst_mtu(skb_dst(skb)))
		skb_dst_update_pmtu_no_confirm(skb, mtu);
	tx->df = false;
	return sgre_tx_tell(skb, mtu) ? SGRE_C_tx_too_big : SGRE_FINE;
}

/* Room for all headers, those of the device below, too; remembered for the next one. */
static enum sgre_counter sgre_tx_headroom(struct sgre_tx *tx, struct sk_buff *skb)
{
	struct net_device *dev = tx->sgre->dev;
	unsigned int room = LL_RESERVED_SPACE(dst_dev(tx->dst)) + tx->dst->header_len +
			    tx->cfg->hdr_len;

	if (unlikely(room > READ_ONCE(dev->needed_headroom)))
		WRITE_ONCE(dev->needed_headroom, min(room, 512U));
	return likely(!skb_cow_head(skb, room)) ? SGRE_FINE : SGRE_C_tx_nomem;
}

static bool sgre_tx_udp_nocheck(const struct sgre_tx *tx)
{
	return tx->cfg->remote.family == AF_INET ? tx->sk->sk_no_check_tx :
						   udp_get_no_check6_tx(tx->sk);
}

static enum sgre_counter sgre_tx_offloads(const struct sgre_tx *tx, struct sk_buff *skb)
{
	int type = tx->cfg->flags & SGRE_CSUM ? SKB_GSO_GRE_CSUM : SKB_GSO_GRE;

	if (tx->cfg->transport == SGRE_UDP)
		type |= sgre_tx_udp_nocheck(tx) ? SKB_GSO_UDP_TUNNEL : SKB_GSO_UDP_TUNNEL_CSUM;
	return iptunnel_handle_offloads(skb, type) ? SGRE_C_tx_nomem : SGRE_FINE;
}

/* The packet is complete but for what is outside: leave the sum to the device. */
static void sgre_tx_csum(struct sk_buff *skb)
{
	if (skb_is_gso(skb))
		return;		/* of each segment, when it is cut */
	if (skb->ip_summed == CHECKSUM_PARTIAL) {
		*(__sum16 *)(skb->data + SGRE_HDR_CSUM_OFFSET) = csum_fold(lco_csum(skb));
		return;
	}
	skb->ip_summed = CHECKSUM_PARTIAL;
	skb->csum_start = skb_transport_header(skb) - skb->head;
	skb->csum_offset = SGRE_HDR_CSUM_OFFSET;
}

static void sgre_tx_gre(const struct sgre_tx *tx, struct sk_buff *skb)
{
	const struct sgre_config *cfg = tx->cfg;
	struct sgre_hdr hdr = { .proto = tx->proto };

	if (cfg->flags & SGRE_CSUM)
		hdr.flags |= SGRE_HDR_CSUM;
	if (cfg->flags & SGRE_OKEY) {
		hdr.flags |= SGRE_HDR_KEY;
		hdr.key = cfg->okey;
	}
	if (cfg->flags & SGRE_SEQ) {
		hdr.flags |= SGRE_HDR_SEQ;
		hdr.seq = atomic_fetch_inc(&tx->sgre->o_seqno);
	}
	skb_set_inner_protocol(skb, tx->proto);
	skb_push(skb, cfg->gre_len);
	skb_reset_transport_header(skb);
	sgre_hdr_build(skb->data, &hdr);
	if (cfg->flags & SGRE_CSUM)
		sgre_tx_csum(skb);
}

static void sgre_tx_udp(const struct sgre_tx *tx, struct sk_buff *skb)
{
	bool nocheck = sgre_tx_udp_nocheck(tx);
	struct udphdr *uh = skb_push(skb, sizeof(*uh));

	skb_reset_transport_header(skb);
	uh->source = tx->sport;
	uh->dest = tx->cfg->dport;
	uh->len = htons(skb->len);
	if (tx->cfg->remote.family == AF_INET)
		udp_set_csum(nocheck, skb, tx->local.v4, tx->cfg->remote.v4, skb->len);
	else
		udp6_set_csum(nocheck, skb, &tx->local.v6, &tx->cfg->remote.v6, skb->len);
}

static int sgre_tx_ip4(struct sgre_tx *tx, struct sk_buff *skb)
{
	struct iphdr *iph = skb_push(skb, sizeof(*iph));
	unsigned int segs = skb_shinfo(skb)->gso_segs ? : 1;

	skb_reset_network_header(skb);
	memset(IPCB(skb), 0, sizeof(*IPCB(skb)));
	iph->version = 4;
	iph->ihl = sizeof(*iph) >> 2;
	iph->tos = tx->tos;
	iph->ttl = tx->ttl ? : ip4_dst_hoplimit(skb_dst(skb));
	iph->protocol = sgre_tx_ip_proto(tx->cfg);
	iph->saddr = tx->local.v4;
	iph->daddr = tx->cfg->remote.v4;
	if (likely(tx->df && !ip_mtu_locked(skb_dst(skb)))) {
		iph->frag_off = htons(IP_DF);
		iph->id = htons(this_cpu_add_return(sgre_ident, segs) - segs);
	} else {
		iph->frag_off = 0;
		skb->ignore_df = 1;
		__ip_select_ident(tx->net, iph, segs);
	}
	return ip_local_out(tx->net, tx->sk, skb);
}

static int sgre_tx_ip6(struct sgre_tx *tx, struct sk_buff *skb)
{
	struct ipv6hdr *ip6h = skb_push(skb, sizeof(*ip6h));

	skb_reset_network_header(skb);
	memset(IP6CB(skb), 0, sizeof(*IP6CB(skb)));
	ip6_flow_hdr(ip6h, tx->tos, tx->label);
	ip6h->nexthdr = sgre_tx_ip_proto(tx->cfg);
	ip6h->hop_limit = tx->ttl ? : ip6_dst_hoplimit(skb_dst(skb));
	ip6h->saddr = tx->local.v6;
	ip6h->daddr = tx->cfg->remote.v6;
	skb->ignore_df = !tx->df;
	return ip6_local_out(tx->net, tx->sk, skb);
}

/* The GRE packet is ready; the dst goes with it. */
static int sgre_tx_out(struct sgre_tx *tx, struct sk_buff *skb)
{
	u32 mark = READ_ONCE(tx->sk->sk_mark);

	if (tx->cfg->transport == SGRE_UDP)
		sgre_tx_udp(tx, skb);
	skb_scrub_packet(skb, !net_eq(tx->net, dev_net(tx->sgre->dev)));
	skb_clear_hash_if_not_l4(skb);
	skb_dst_set(skb, tx->dst);
	tx->dst = NULL;
	if (mark || tx->cfg->adopted)
		skb->mark = mark;
	return tx->cfg->remote.family == AF_INET ? sgre_tx_ip4(tx, skb) : sgre_tx_ip6(tx, skb);
}

/*
 * What routers and receive queues tell flows apart by, while the inner one is to be
 * seen: the UDP source port, the IPv6 flow label.
 */
static void sgre_tx_entropy(struct sgre_tx *tx, struct sk_buff *skb)
{
	static const struct flowi6 none;

	tx->sport = tx->cfg->sport;
	if (tx->cfg->transport == SGRE_UDP && !tx->sport)
		tx->sport = udp_flow_src_port(tx->net, skb, SGRE_PORT_MIN, SGRE_PORT_MAX,
					      tx->cfg->mode == SGRE_MODE_ETHER);
	if (tx->cfg->remote.family == AF_INET)
		return;
	skb_get_hash(skb);
	tx->label = ip6_make_flowlabel(tx->net, skb, 0, true, (struct flowi6 *)&none);
}

/* All that may fail, before anything is changed that the sender could miss. */
static enum sgre_counter sgre_tx_prepare(struct sgre_tx *tx, struct sk_buff *skb)
{
	enum sgre_counter wrong = sgre_tx_payload(tx, skb);

	if (unlikely(wrong != SGRE_FINE))
		return wrong;
	sgre_tx_inherit(tx, skb);
	wrong = sgre_tx_route(tx);
	if (likely(wrong == SGRE_FINE))
		wrong = sgre_tx_mtu(tx, skb);
	if (likely(wrong == SGRE_FINE))
		wrong = sgre_tx_headroom(tx, skb);
	if (likely(wrong == SGRE_FINE))
		wrong = sgre_tx_offloads(tx, skb);
	return wrong;
}

/* What has its GRE header already is small, and from here. */
static enum sgre_counter sgre_tx_prepare_ready(struct sgre_tx *tx, struct sk_buff *skb)
{
	enum sgre_counter wrong = sgre_tx_route(tx);

	tx->df = tx->cfg->flags & SGRE_PMTUDISC;
	if (likely(wrong == SGRE_FINE))
		wrong = sgre_tx_headroom(tx, skb);
	if (likely(wrong == SGRE_FINE))
		skb_reset_transport_header(skb);
	return wrong;
}

static enum sgre_counter sgre_tx_one(struct sgre_tx *tx, struct sk_buff *skb)
{
	enum sgre_counter wrong;
	unsigned int len;
	int err;

	sgre_tx_fields(tx);
	wrong = tx->ready ? sgre_tx_prepare_ready(tx, skb) : sgre_tx_prepare(tx, skb);
	if (unlikely(wrong != SGRE_FINE)) {
		dst_release(tx->dst);
		tx->dst = NULL;		/* the next segment has the same tx */
		kfree_skb(skb);
		return wrong;
	}
	len = skb->len;
	sgre_tx_entropy(tx, skb);
	if (!tx->ready)
		sgre_tx_gre(tx, skb);
	err = sgre_tx_out(tx, skb);
	if (unlikely(net_xmit_eval(err)))
		return SGRE_C_tx_below;
	dev_sw_netstats_tx_add(tx->sgre->dev, 1, len);
	return SGRE_FINE;
}

/* Loops are made by who sets routes, once; a message for each packet helps nobody. */
static void sgre_tx_log_once(struct sgre *sgre, enum sgre_counter wrong)
{
	if (wrong == SGRE_C_tx_loop && !test_and_set_bit(SGRE_LOGGED_LOOP, &sgre->logged))
		netdev_warn(sgre->dev, "the route to the remote address leads into this device\n");
	if (wrong == SGRE_C_tx_nesting &&
	    !test_and_set_bit(SGRE_LOGGED_NESTING, &sgre->logged))
		netdev_warn(sgre->dev, "more than %d tunnels in tunnels: a loop?\n",
			    SGRE_NESTING_MAX);
}

static void sgre_tx_failed(struct sgre *sgre, enum sgre_counter wrong)
{
	sgre_count(sgre, wrong);
	sgre_tx_log_once(sgre, wrong);
}

/* A device that cannot have them cut behind it, and is given one nevertheless. */
static enum sgre_counter sgre_tx_segments(struct sgre_tx *tx, struct sk_buff *skb)
{
	struct sk_buff *segs = skb_gso_segment(skb, 0), *next;
	enum sgre_counter wrong;

	if (IS_ERR_OR_NULL(segs)) {
		kfree_skb(skb);
		return SGRE_C_tx_nomem;
	}
	consume_skb(skb);
	skb_list_walk_safe(segs, skb, next) {
		skb_mark_not_on_list(skb);
		wrong = sgre_tx_one(tx, skb);
		if (unlikely(wrong != SGRE_FINE))
			sgre_tx_failed(tx->sgre, wrong);
	}
	return SGRE_FINE;
}

static enum sgre_counter sgre_tx_socket(struct sgre_tx *tx, struct sk_buff *skb)
{
	tx->sk = rcu_dereference(tx->cfg->outside->sk);
	if (unlikely(!tx->sk)) {
		kfree_skb(skb);
		return SGRE_C_tx_no_socket;
	}
	tx->net = sock_net(tx->sk);
	if (unlikely(skb_is_gso(skb) && !sgre_config_gso(tx->cfg)))
		return sgre_tx_segments(tx, skb);
	return sgre_tx_one(tx, skb);
}

static void sgre_tx(struct sgre_tx *tx, struct sk_buff *skb)
{
	enum sgre_counter wrong = SGRE_C_tx_nesting;

	rcu_read_lock();
	if (likely(__this_cpu_inc_return(sgre_nesting) <= SGRE_NESTING_MAX)) {
		tx->cfg = rcu_dereference(tx->sgre->cfg);
		wrong = sgre_tx_socket(tx, skb);
	} else {
		kfree_skb(skb);
	}
	__this_cpu_dec(sgre_nesting);
	if (unlikely(wrong != SGRE_FINE))
		sgre_tx_failed(tx->sgre, wrong);
	rcu_read_unlock();
}

void sgre_xmit_skb(struct sgre *sgre, struct sk_buff *skb)
{
	struct sgre_tx tx = { .sgre = sgre };

	sgre_tx(&tx, skb);
}

netdev_tx_t sgre_xmit(struct sk_buff *skb, struct net_device *dev)
{
	sgre_xmit_skb(netdev_priv(dev), skb);
	return NETDEV_TX_OK;
}

/* A GRE packet that is ready (keepalives): outer headers in front, and out; BH off. */
void sgre_send(struct sgre *sgre, struct sk_buff *skb)
{
	struct sgre_tx tx = { .sgre = sgre, .ready = true };

	sgre_tx(&tx, skb);
}
