// SPDX-License-Identifier: GPL-2.0
/*
 * recv.c - from a GRE header that a socket of ours was sent to the inner packet.
 *
 * Three doors: UDP (sgre_udp_encap_rcv), the queue of a raw socket
 * (sgre_raw_data_ready), and its shortcut (shortcut.c). Behind them all is the same:
 * whose is it (sgre_rcv_find), is it in order, unwrap it (sgre_rcv_circuit).
 */
#include <linux/etherdevice.h>
#include <linux/filter.h>
#include <net/gre.h>
#include <net/inet_ecn.h>
#include <net/ip.h>
#include <net/ipv6.h>
#include <net/mpls.h>
#include <net/udp.h>

#include <vestige/gre.h>

#include "sgre.h"

/* False: shorter than it says. Then hdr has what could be read. */
static bool sgre_rcv_parse(struct sk_buff *skb, struct sgre_hdr *hdr)
{
	memset(hdr, 0, sizeof(*hdr));
	if (unlikely(!pskb_may_pull(skb, SGRE_HDR_MIN)))
		return false;
	if (unlikely(!pskb_may_pull(skb, sgre_hdr_len_at(skb->data))))
		return false;
	sgre_hdr_parse(hdr, skb->data);
	return true;
}

static void sgre_rcv_remote(const struct sgre_outside *outside, const struct sk_buff *skb,
			    struct sgre_addr *remote)
{
	remote->family = outside->local.family;
	if (remote->family == AF_INET)
		remote->v4 = ip_hdr(skb)->saddr;
	else
		remote->v6 = ipv6_hdr(skb)->saddr;
}

/*
 * Whose packet is it? NULL: of nobody here. The header is parsed even if it is not
 * one of ours: so is known what is wrong with it. A header cut short has no key, and
 * is on the account of the circuit without one.
 */
struct sgre *sgre_rcv_find(const struct sgre_outside *outside, struct sk_buff *skb,
			   struct sgre_hdr *hdr)
{
	struct sgre_addr remote;

	sgre_rcv_parse(skb, hdr);
	sgre_rcv_remote(outside, skb, &remote);
	return sgre_circuit_find(outside, &remote, hdr->flags & SGRE_HDR_KEY, hdr->key);
}

/* RFC 2784: over header and payload. Inner checksums profit from what is found out. */
static bool sgre_rcv_csum_ok(struct sk_buff *skb)
{
	if (skb_checksum_simple_validate(skb))
		return false;
	skb_checksum_try_convert(skb, IPPROTO_GRE, null_compute_pseudo);
	return true;
}

/* RFC 2890: nothing older than what was seen. The first one sets the pace. */
static bool sgre_rcv_seq_ok(struct sgre *sgre, const struct sgre_hdr *hdr)
{
	bool ok;

	if (!(hdr->flags & SGRE_HDR_SEQ))
		return false;
	spin_lock(&sgre->seq_lock);
	ok = !sgre->i_seqno || sgre_seq_in_order(hdr->seq, sgre->i_seqno);
	if (ok)
		sgre->i_seqno = hdr->seq + 1;
	spin_unlock(&sgre->seq_lock);
	return ok;
}

static bool sgre_rcv_proto_ok(const struct sgre_config *cfg, __be16 proto)
{
	if (cfg->mode == SGRE_MODE_ETHER)
		return proto == htons(ETH_P_TEB);
	return proto == htons(ETH_P_IP) || proto == htons(ETH_P_IPV6) ||
	       eth_p_mpls(proto) || !proto;
}

/* What is wrong with the header? Its checksum before all that it covers. */
static enum sgre_counter sgre_rcv_check(struct sgre *sgre, const struct sgre_config *cfg,
					struct sk_buff *skb, const struct sgre_hdr *hdr)
{
	if (unlikely(!hdr->len))
		return SGRE_C_rx_short;
	if (unlikely(hdr->flags & SGRE_HDR_VERSION))
		return SGRE_C_rx_version;
	if (unlikely(hdr->flags & SGRE_HDR_RESERVED))
		return SGRE_C_rx_reserved;
	if (hdr->flags & SGRE_HDR_CSUM) {
		if (!sgre_rcv_csum_ok(skb))
			return SGRE_C_rx_csum;
	} else if (cfg->flags & SGRE_CSUM) {
		return SGRE_C_rx_no_csum;
	}
	if (unlikely(!sgre_rcv_proto_ok(cfg, hdr->proto)))
		return SGRE_C_rx_proto;
	if (cfg->flags & SGRE_SEQ && hdr->proto && !sgre_rcv_seq_ok(sgre, hdr))
		return SGRE_C_rx_seq;
	return SGRE_FINE;
}

static u8 sgre_rcv_outer_tos(const struct sgre_outside *outside, const struct sk_buff *skb)
{
	return outside->local.family == AF_INET ? ip_hdr(skb)->tos :
						  ipv6_get_dsfield(ipv6_hdr(skb));
}

/* RFC 6040. A mark goes into the inner header, which others may be looking at. */
static enum sgre_counter sgre_rcv_ecn(struct sk_buff *skb, u8 outer)
{
	u8 inner;

	if (skb->protocol == htons(ETH_P_IP))
		inner = ip_hdr(skb)->tos;
	else if (skb->protocol == htons(ETH_P_IPV6))
		inner = ipv6_get_dsfield(ipv6_hdr(skb));
	else
		return SGRE_FINE;
	/* ECT(0), 2, changes nothing inside; ECT(1) and CE may. */
	if (likely(!(outer & 1)))
		return SGRE_FINE;
	if (skb_unclone(skb, GFP_ATOMIC))
		return SGRE_C_rx_nomem;
	return INET_ECN_decapsulate(skb, outer, inner) > 1 ? SGRE_C_rx_ecn : SGRE_FINE;
}

/* Takes the headers off, up to the inner network header, which is linear then. */
static enum sgre_counter sgre_rcv_unwrap(const struct sgre *sgre, struct sgre_outside *outside,
					 struct sk_buff *skb, const struct sgre_hdr *hdr)
{
	unsigned int mac_len = hdr->proto == htons(ETH_P_TEB) ? ETH_HLEN : 0;
	bool xnet = !net_eq(sgre->net, dev_net(sgre->dev));
	u8 outer = sgre_rcv_outer_tos(outside, skb);

	if (unlikely(skb->len < hdr->len + mac_len))
		return SGRE_C_rx_short;
	if (__iptunnel_pull_header(skb, hdr->len, hdr->proto, false, xnet))
		return SGRE_C_rx_nomem;
	skb_reset_mac_header(skb);
	skb_set_network_header(skb, mac_len);
	if (unlikely(!pskb_inet_may_pull(skb)))
		return SGRE_C_rx_short;
	return sgre_rcv_ecn(skb, outer);
}

static void sgre_rcv_deliver(struct sgre *sgre, struct sk_buff *skb)
{
	struct net_device *dev = sgre->dev;

	dev_sw_netstats_rx_add(dev, skb->len);
	if (dev->type == ARPHRD_ETHER) {
		skb->protocol = eth_type_trans(skb, dev);
		skb_postpull_rcsum(skb, eth_hdr(skb), ETH_HLEN);
	}
	gro_cells_receive(&sgre->gro_cells, skb);
}

/* The packet is that circuit's, and hdr what sgre_rcv_find() has parsed. Takes the skb. */
void sgre_rcv_circuit(struct sgre *sgre, struct sgre_outside *outside, struct sk_buff *skb,
		      const struct sgre_hdr *hdr)
{
	const struct sgre_config *cfg = rcu_dereference(sgre->cfg);
	enum sgre_counter wrong;

	if (unlikely(!(READ_ONCE(sgre->dev->flags) & IFF_UP))) {
		dev_core_stats_rx_dropped_inc(sgre->dev);
		kfree_skb(skb);
		return;
	}
	skb->dev = sgre->dev;
	wrong = sgre_rcv_check(sgre, cfg, skb, hdr);
	if (likely(wrong == SGRE_FINE))
		wrong = sgre_rcv_unwrap(sgre, outside, skb, hdr);
	if (unlikely(wrong != SGRE_FINE)) {
		sgre_count(sgre, wrong);
		kfree_skb(skb);
		return;
	}
	if (unlikely(!hdr->proto))
		sgre_keepalive_rcv(sgre, skb);
	else if (likely(!sgre_keepalive_answer(sgre, skb)))
		sgre_rcv_deliver(sgre, skb);
}

/* Nobody's: on the account of the socket. */
static void sgre_rcv_drop(struct sock *sk, struct sk_buff *skb)
{
	sk_drops_inc(sk);
	kfree_skb(skb);
}

/*
 * The filter of the socket, which the core asks only about what it would queue. A raw
 * socket is left to the core, see shortcut.c.
 */
static bool sgre_udp_allowed(struct sock *sk, struct sk_buff *skb)
{
	return likely(!rcu_access_pointer(sk->sk_filter)) ||
	       (!sk_filter(sk, skb) && pskb_may_pull(skb, sizeof(struct udphdr)));
}

/*
 * fou and the like tell the outer header the length without UDP; nobody looks at it
 * after this.
 */
int sgre_udp_encap_rcv(struct sock *sk, struct sk_buff *skb)
{
	struct sgre_outside *outside = rcu_dereference_sk_user_data(sk);
	struct sgre_hdr hdr;
	struct sgre *sgre;

	if (!outside) {
		kfree_skb(skb);		/* the socket is being closed, as if it were already */
		return 0;
	}
	if (!sgre_udp_allowed(sk, skb)) {
		sgre_rcv_drop(sk, skb);
		return 0;
	}
	/* udp_rcv() has pulled its header; the checksum of UDP has been verified. */
	__skb_pull(skb, sizeof(struct udphdr));
	skb_postpull_rcsum(skb, udp_hdr(skb), sizeof(struct udphdr));
	skb_reset_transport_header(skb);
	sgre = sgre_rcv_find(outside, skb, &hdr);
	if (likely(sgre))
		sgre_rcv_circuit(sgre, outside, skb, &hdr);
	else
		sgre_rcv_drop(sk, skb);
	return 0;
}

/*
 * An ICMP error says that a datagram of ours did not arrive; the source port is not
 * that of the socket. 0: ours, the path MTU may be learnt from it.
 */
int sgre_udp_err_lookup(struct sock *sk, struct sk_buff *skb)
{
	return rcu_dereference_sk_user_data(sk) ? 0 : -ENOENT;
}

/* A raw IPv4 socket is given the IP header, a raw IPv6 socket is not. */
static bool sgre_raw_at_gre(const struct sgre_outside *outside, struct sk_buff *skb)
{
	if (outside->local.family == AF_INET) {
		unsigned int len = ip_hdrlen(skb);

		if (!pskb_may_pull(skb, len))
			return false;
		__skb_pull(skb, len);
	} else {
		/*
		 * The socket has marked it as verified without looking. It is not;
		 * but what shortcut.c let pass has its checksums filled in.
		 */
		skb->ip_summed = skb_is_gso(skb) ? CHECKSUM_PARTIAL : CHECKSUM_NONE;
	}
	skb_reset_transport_header(skb);
	return true;
}

static void sgre_raw_rcv(struct sgre_outside *outside, struct sock *sk, struct sk_buff *skb)
{
	struct sgre *sgre = NULL;
	struct sgre_hdr hdr;

	/* Somebody who peeked when the socket was adopted may have it in his hands. */
	skb = skb_share_check(skb, GFP_ATOMIC);
	if (!skb) {
		sk_drops_inc(sk);
		return;
	}
	skb_orphan(skb);
	if (sgre_raw_at_gre(outside, skb))
		sgre = sgre_rcv_find(outside, skb, &hdr);
	if (!sgre) {
		sgre_rcv_drop(sk, skb);
		return;
	}
	sgre_count(sgre, SGRE_C_rx_queued);
	sgre_rcv_circuit(sgre, outside, skb, &hdr);
}

/*
 * A raw IPv6 socket that is not connected learns the path MTU only if it asks for
 * errors; that is all that they are good for.
 */
void sgre_raw_error_report(struct sock *sk)
{
	skb_queue_purge(&sk->sk_error_queue);
	sk->sk_err = 0;
}

/*
 * Called once for each packet after it was queued, with BH off, by many CPUs at a
 * time. There are never more packets in the queue than upcalls under way, and each
 * takes at least one if there is one: so none is left although each has a budget.
 * What was queued before the socket became ours is the business of who adopts it.
 */
void sgre_raw_data_ready(struct sock *sk)
{
	struct sgre_outside *outside;
	struct sk_buff *skb;
	int budget = SGRE_RX_BUDGET;

	rcu_read_lock();
	outside = rcu_dereference_sk_user_data(sk);
	while (outside && budget-- && (skb = skb_dequeue(&sk->sk_receive_queue)))
		sgre_raw_rcv(outside, sk, skb);
	rcu_read_unlock();
}
