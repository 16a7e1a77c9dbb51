// SPDX-License-Identifier: GPL-2.0
/*
 * keepalive.c - is the other end there? Cisco's way.
 *
 * In the tunnel goes a packet that has the way back written on it: IP from the
 * remote to the local address, GRE of protocol 0. Who takes it out of the tunnel
 * need not know about keepalives: his routing sends it back. Linux would take it for
 * a forgery, since it is from his own address; so we send it back ourselves.
 */
#include <net/ip.h>
#include <net/ipv6.h>
#include <net/ip6_checksum.h>
#include <net/udp.h>

#include <vestige/gre.h>

#include "sgre.h"

#define SGRE_KA_TTL	255
/* Inner IP, UDP, GRE with key; outer headers are made room for on the way. */
#define SGRE_KA_MAX	(sizeof(struct ipv6hdr) + sizeof(struct udphdr) + SGRE_HDR_MAX)

/*
 * What this device demands of what it receives: its key, a checksum. A number it does
 * not: nobody can tell how many of the other end's it overtakes on its way.
 */
static void sgre_keepalive_put_gre(const struct sgre_config *cfg, struct sk_buff *skb)
{
	struct sgre_hdr hdr = {};
	__sum16 sum;

	if (cfg->flags & SGRE_CSUM)
		hdr.flags |= SGRE_HDR_CSUM;
	if (cfg->flags & SGRE_IKEY) {
		hdr.flags |= SGRE_HDR_KEY;
		hdr.key = cfg->ikey;
	}
	sgre_hdr_build(skb_push(skb, sgre_hdr_len(hdr.flags)), &hdr);
	if (!(cfg->flags & SGRE_CSUM))
		return;
	sum = csum_fold(csum_partial(skb->data, skb->len, 0));
	memcpy(skb->data + SGRE_HDR_CSUM_OFFSET, &sum, sizeof(sum));
}

/* To the port that we receive on. From the port that we send to: so may a NAT know it. */
static void sgre_keepalive_put_udp(const struct sgre_config *cfg, struct sk_buff *skb)
{
	struct udphdr *uh = skb_push(skb, sizeof(*uh));
	__wsum sum;

	uh->source = cfg->dport;
	uh->dest = cfg->outside->port;
	uh->len = htons(skb->len);
	uh->check = 0;
	sum = csum_partial(uh, skb->len, 0);
	uh->check = cfg->remote.family == AF_INET ?
		csum_tcpudp_magic(cfg->remote.v4, cfg->local.v4, skb->len, IPPROTO_UDP, sum) :
		csum_ipv6_magic(&cfg->remote.v6, &cfg->local.v6, skb->len, IPPROTO_UDP, sum);
	if (!uh->check)
		uh->check = CSUM_MANGLED_0;
}

static u8 sgre_keepalive_ip_proto(const struct sgre_config *cfg)
{
	return cfg->transport == SGRE_UDP ? IPPROTO_UDP : IPPROTO_GRE;
}

static void sgre_keepalive_put_ip4(const struct sgre_config *cfg, struct sk_buff *skb)
{
	struct iphdr *iph = skb_push(skb, sizeof(*iph));

	*iph = (struct iphdr) {
		.version = 4,
		.ihl = sizeof(*iph) >> 2,
		.tot_len = htons(skb->len),
		.frag_off = htons(IP_DF),
		.ttl = SGRE_KA_TTL,
		.protocol = sgre_keepalive_ip_proto(cfg),
		.saddr = cfg->remote.v4,
		.daddr = cfg->local.v4,
	};
	ip_send_check(iph);
	skb->protocol = htons(ETH_P_IP);
}

static void sgre_keepalive_put_ip6(const struct sgre_config *cfg, struct sk_buff *skb)
{
	unsigned int len = skb->len;
	struct ipv6hdr *ip6h = skb_push(skb, sizeof(*ip6h));

	ip6_flow_hdr(ip6h, 0, 0);
	ip6h->payload_len = htons(len);
	ip6h->nexthdr = sgre_keepalive_ip_proto(cfg);
	ip6h->hop_limit = SGRE_KA_TTL;
	ip6h->saddr = cfg->remote.v6;
	ip6h->daddr = cfg->local.v6;
	skb->protocol = htons(ETH_P_IPV6);
}

static struct sk_buff *sgre_keepalive_build(const struct sgre *sgre,
					    const struct sgre_config *cfg)
{
	unsigned int room = READ_ONCE(sgre->dev->needed_headroom) + SGRE_KA_MAX;
	struct sk_buff *skb = alloc_skb(room, GFP_ATOMIC);

	if (!skb)
		return NULL;
	skb_reserve(skb, room);
	sgre_keepalive_put_gre(cfg, skb);
	if (cfg->transport == SGRE_UDP)
		sgre_keepalive_put_udp(cfg, skb);
	if (cfg->remote.family == AF_INET)
		sgre_keepalive_put_ip4(cfg, skb);
	else
		sgre_keepalive_put_ip6(cfg, skb);
	skb_reset_mac_header(skb);
	skb_reset_network_header(skb);
	skb->dev = sgre->dev;
	return skb;
}

/* Not by way of the device's queue: without carrier that would swallow it. */
static void sgre_keepalive_send(struct sgre *sgre, const struct sgre_config *cfg)
{
	struct sk_buff *skb = sgre_keepalive_build(sgre, cfg);

	if (!skb) {
		sgre_count(sgre, SGRE_C_tx_nomem);
		return;
	}
	sgre_count(sgre, SGRE_C_ka_sent);
	sgre_xmit_skb(sgre, skb);
}

static void sgre_keepalive_work(struct work_struct *work)
{
	struct sgre *sgre = container_of(work, struct sgre, keepalive.work);
	const struct sgre_config *cfg;
	unsigned int interval, count;

	local_bh_disable();
	rcu_read_lock();
	cfg = rcu_dereference(sgre->cfg);
	interval = cfg->keepalive.interval;
	count = cfg->keepalive.count;
	if (interval) {
		/* Bounded, so that it never wraps; an answer may set it to 0 at any time. */
		if (atomic_add_unless(&sgre->unanswered, 1, count + 1) &&
		    atomic_read(&sgre->unanswered) > count)
			sgre_set_carrier(sgre);
		sgre_keepalive_send(sgre, cfg);
	}
	rcu_read_unlock();
	local_bh_enable();
	if (interval)
		queue_delayed_work(system_percpu_wq, &sgre->keepalive, interval * HZ);
}

void sgre_keepalive_init(struct sgre *sgre)
{
	INIT_DELAYED_WORK(&sgre->keepalive, sgre_keepalive_work);
}

/* At first the other end is believed to be there: count intervals to prove it. */
void sgre_keepalive_start(struct sgre *sgre)
{
	const struct sgre_config *cfg = rtnl_dereference(sgre->cfg);

	atomic_set(&sgre->unanswered, 0);
	if (cfg->keepalive.interval)
		mod_delayed_work(system_percpu_wq, &sgre->keepalive, 0);
	sgre_set_carrier(sgre);
}

void sgre_keepalive_stop(struct sgre *sgre)
{
	cancel_delayed_work_sync(&sgre->keepalive);
	atomic_set(&sgre->unanswered, 0);
}

/* GRE of protocol 0 came from the remote: one of ours, sent back. */
void sgre_keepalive_rcv(struct sgre *sgre, struct sk_buff *skb)
{
	sgre_count(sgre, SGRE_C_ka_returned);
	consume_skb(skb);
	/* The carrier follows from the number, whoever computes it last: see device.c. */
	if (atomic_xchg(&sgre->unanswered, 0))
		sgre_set_carrier(sgre);
}

/* Length of the inner headers before GRE, or 0: not from here to the remote. */
static unsigned int sgre_keepalive_inner4(const struct sgre_config *cfg,
					  const struct sk_buff *skb)
{
	const struct iphdr *iph = ip_hdr(skb);

	if (likely(iph->daddr != cfg->remote.v4 || iph->saddr != cfg->local.v4))
		return 0;
	if (iph->protocol != sgre_keepalive_ip_proto(cfg) || ip_is_fragment(iph) ||
	    iph->version != 4 || iph->ihl < 5)
		return 0;
	return iph->ihl * 4;
}

static unsigned int sgre_keepalive_inner6(const struct sgre_config *cfg,
					  const struct sk_buff *skb)
{
	const struct ipv6hdr *ip6h = ipv6_hdr(skb);

	if (likely(!ipv6_addr_equal(&ip6h->daddr, &cfg->remote.v6) ||
		   !ipv6_addr_equal(&ip6h->saddr, &cfg->local.v6)))
		return 0;
	return ip6h->nexthdr == sgre_keepalive_ip_proto(cfg) ? sizeof(*ip6h) : 0;
}

/* Other datagrams from here to the remote may look like anything. */
static bool sgre_keepalive_our_port(const struct sgre_config *cfg, const struct sk_buff *skb,
				    unsigned int offset)
{
	struct udphdr buf;
	const struct udphdr *uh = skb_header_pointer(skb, offset, sizeof(buf), &buf);

	return uh && uh->dest == cfg->dport;
}

static unsigned int sgre_keepalive_inner(const struct sgre_config *cfg,
					 const struct sk_buff *skb)
{
	unsigned int len = 0;

	if (skb->protocol == htons(ETH_P_IP) && cfg->remote.family == AF_INET)
		len = sgre_keepalive_inner4(cfg, skb);
	else if (skb->protocol == htons(ETH_P_IPV6) && cfg->remote.family == AF_INET6)
		len = sgre_keepalive_inner6(cfg, skb);
	if (!len || cfg->transport != SGRE_UDP)
		return len;
	return sgre_keepalive_our_port(cfg, skb, len) ? len + sizeof(struct udphdr) : 0;
}

/* Is there GRE of protocol 0, version 0 at that offset? */
static bool sgre_keepalive_is(const struct sk_buff *skb, unsigned int offset)
{
	u8 bytes[SGRE_HDR_MAX];
	const u8 *gre = skb_header_pointer(skb, offset, SGRE_HDR_MIN, bytes);
	struct sgre_hdr hdr;
	unsigned int len;

	if (!gre)
		return false;
	len = sgre_hdr_len_at(gre);
	gre = skb_header_pointer(skb, offset, len, bytes);
	if (!gre)
		return false;
	sgre_hdr_parse(&hdr, gre);
	return !hdr.proto && !(hdr.flags & (SGRE_HDR_RESERVED | SGRE_HDR_VERSION));
}

/*
 * skb->data is at the inner IP header. True: it was a keepalive of the peer's, and is
 * on its way back. The skb was his to us; nobody else has it, or what is sent is a copy.
 */
bool sgre_keepalive_answer(struct sgre *sgre, struct sk_buff *skb)
{
	const struct sgre_config *cfg = rcu_dereference(sgre->cfg);
	unsigned int len;

	if (cfg->mode != SGRE_MODE_IP)
		return false;
	len = sgre_keepalive_inner(cfg, skb);
	if (likely(!len) || skb_is_gso(skb) || !sgre_keepalive_is(skb, len))
		return false;
	if (!pskb_pull(skb, len)) {
		sgre_count(sgre, SGRE_C_rx_nomem);
		kfree_skb(skb);
		return true;
	}
	sgre_count(sgre, SGRE_C_ka_answered);
	skb->ip_summed = CHECKSUM_NONE;
	skb->encapsulation = 0;
	sgre_send(sgre, skb);
	return true;
}
