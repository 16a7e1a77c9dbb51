// SPDX-License-Identifier: GPL-2.0
/*
 * shortcut.c - raw packets for a circuit, taken before they are cloned and queued.
 *
 * The socket is the truth, this is a shortcut: it does what the socket would have
 * done, and leaves to it whatever is peculiar. Netfilter's LOCAL_IN is where it sits,
 * behind all others, in those namespaces only that have raw sockets of ours.
 */
#include <linux/ip6_tunnel.h>
#include <linux/netfilter.h>
#include <linux/netfilter_ipv4.h>
#include <linux/netfilter_ipv6.h>
#include <net/inet_common.h>
#include <net/inet6_hashtables.h>
#include <net/ip.h>
#include <net/ipv6.h>
#include <net/xfrm.h>
#if IS_ENABLED(CONFIG_NF_CONNTRACK)
#include <net/netfilter/nf_conntrack.h>
#endif

#include <vestige/gre.h>

#include "sgre.h"

/* A namespace with raw sockets of ours; the list is under rtnl. */
struct sgre_shortcut {
	struct list_head list;
	struct net *net;
	unsigned int users;
};

static LIST_HEAD(sgre_shortcuts);

/* What the peer's ip6_gre puts in front: a limit of nesting, and padding. */
struct sgre_encap_limit {
	struct ipv6_opt_hdr hdr;
	u8 type, len, limit;
	u8 pad, pad_len, zero;
} __packed;

/*
 * nf_conntrack confirms a new connection at the same hook. If it was loaded after us
 * it comes after us: the first packet has to get there.
 */
static bool sgre_shortcut_unconfirmed(const struct sk_buff *skb)
{
#if IS_ENABLED(CONFIG_NF_CONNTRACK)
	enum ip_conntrack_info info;
	struct nf_conn *ct = nf_ct_get(skb, &info);

	return ct && !nf_ct_is_confirmed(ct);
#else
	return false;
#endif
}

/* The checks of the socket. What it refuses it will refuse itself, once more. */
static bool sgre_shortcut_allowed(struct sgre *sgre, struct sock *sk, struct sk_buff *skb)
{
	bool v4 = sk->sk_family == AF_INET;

	if (rcu_access_pointer(sk->sk_filter))
		return false;	/* may shorten the packet: the socket knows how */
	if (likely(v4 ? xfrm4_policy_check(sk, XFRM_POLICY_IN, skb) :
			xfrm6_policy_check(sk, XFRM_POLICY_IN, skb)) &&
	    likely(!sk_filter(sk, skb)))
		return true;
	sgre_count(sgre, SGRE_C_rx_policy);
	return false;
}

/* len: of the IP header; skb->data is at it. */
static unsigned int sgre_shortcut(struct sgre_outside *outside, struct sk_buff *skb,
				  unsigned int len)
{
	struct sock *sk = rcu_dereference(outside->sk);
	unsigned int verdict = NF_ACCEPT;
	struct sgre_hdr hdr;
	struct sgre *sgre;

	if (!sk || sgre_shortcut_unconfirmed(skb))
		return NF_ACCEPT;
	local_bh_disable();	/* a packet that comes back from NFQUEUE comes with a process */
	__skb_pull(skb, len);
	sgre = sgre_rcv_find(outside, skb, &hdr);
	if (likely(sgre && sgre_shortcut_allowed(sgre, sk, skb))) {
		/* The header of IPv4 sums up to nothing. */
		if (sk->sk_family == AF_INET6)
			skb_postpull_rcsum(skb, skb_network_header(skb), len);
		skb_reset_transport_header(skb);
		sgre_rcv_circuit(sgre, outside, skb, &hdr);
		verdict = NF_STOLEN;
	} else {
		__skb_push(skb, len);
	}
	local_bh_enable();
	return verdict;
}

static unsigned int sgre_shortcut4(void *priv, struct sk_buff *skb,
				   const struct nf_hook_state *state)
{
	const struct iphdr *iph = ip_hdr(skb);
	struct sgre_addr local = { .family = AF_INET }, remote = { .family = AF_INET };
	struct sgre_outside *outside;

	if (iph->protocol != IPPROTO_GRE)
		return NF_ACCEPT;
	local.v4 = iph->daddr;
	remote.v4 = iph->saddr;
	outside = sgre_outside_find_raw(state->net, &local, &remote, inet_iif(skb),
					inet_sdif(skb));
	return outside ? sgre_shortcut(outside, skb, ip_hdrlen(skb)) : NF_ACCEPT;
}

/* Length of the headers in front of GRE, or 0: there is more than we know about. */
static unsigned int sgre_shortcut_len6(struct sk_buff *skb)
{
	const unsigned int at = sizeof(struct ipv6hdr);
	const struct sgre_encap_limit *limit;

	if (likely(ipv6_hdr(skb)->nexthdr == IPPROTO_GRE))
		return at;
	if (ipv6_hdr(skb)->nexthdr != IPPROTO_DSTOPTS || !pskb_may_pull(skb, at + sizeof(*limit)))
		return 0;
	limit = (const struct sgre_encap_limit *)(skb->data + at);
	if (limit->hdr.nexthdr != IPPROTO_GRE || limit->hdr.hdrlen ||
	    limit->type != IPV6_TLV_TNL_ENCAP_LIMIT || limit->len != 1 ||
	    limit->pad != IPV6_TLV_PADN || limit->pad_len != 1)
		return 0;
	return at + sizeof(*limit);
}

/*
 * A raw IPv6 socket says of what it queues that the checksums are right, and forgets
 * that some are not there yet. What it may get from this host is completed before.
 */
static void sgre_shortcut_fill6(struct sk_buff *skb)
{
	u8 proto = ipv6_hdr(skb)->nexthdr;
	__be16 frag;

	if (skb->ip_summed != CHECKSUM_PARTIAL || skb_is_gso(skb))
		return;
	if (ipv6_skip_exthdr(skb, sizeof(struct ipv6hdr), &proto, &frag) >= 0 &&
	    proto == IPPROTO_GRE)
		skb_checksum_help(skb);		/* failing, it is lost as if it were damaged */
}

static unsigned int sgre_shortcut6(void *priv, struct sk_buff *skb,
				   const struct nf_hook_state *state)
{
	struct sgre_addr local = { .family = AF_INET6 }, remote = { .family = AF_INET6 };
	unsigned int len = sgre_shortcut_len6(skb), verdict = NF_ACCEPT;
	struct sgre_outside *outside;

	if (!len && !ipv6_ext_hdr(ipv6_hdr(skb)->nexthdr))
		return NF_ACCEPT;
	local.v6 = ipv6_hdr(skb)->daddr;
	remote.v6 = ipv6_hdr(skb)->saddr;
	outside = sgre_outside_find_raw(state->net, &local, &remote, inet6_iif(skb),
					inet6_sdif(skb));
	if (!outside)
		return NF_ACCEPT;
	if (len)
		verdict = sgre_shortcut(outside, skb, len);
	if (verdict == NF_ACCEPT)
		sgre_shortcut_fill6(skb);
	return verdict;
}

static const struct nf_hook_ops sgre_shortcut_ops[] = {
	{
		.hook = sgre_shortcut4,
		.pf = NFPROTO_IPV4,
		.hooknum = NF_INET_LOCAL_IN,
		.priority = NF_IP_PRI_LAST,
	}, {
		.hook = sgre_shortcut6,
		.pf = NFPROTO_IPV6,
		.hooknum = NF_INET_LOCAL_IN,
		.priority = NF_IP6_PRI_LAST,
	},
};

static struct sgre_shortcut *sgre_shortcut_find(const struct net *net)
{
	struct sgre_shortcut *s;

	list_for_each_entry(s, &sgre_shortcuts, list)
		if (s->net == net)
			return s;
	return NULL;
}

int sgre_shortcut_get(struct net *net)
{
	struct sgre_shortcut *s = sgre_shortcut_find(net);
	int err;

	ASSERT_RTNL();
	if (s) {
		s->users++;
		return 0;
	}
	s = kzalloc(sizeof(*s), GFP_KERNEL_ACCOUNT);
	if (!s)
		return -ENOMEM;
	err = nf_register_net_hooks(net, sgre_shortcut_ops, ARRAY_SIZE(sgre_shortcut_ops));
	if (err) {
		kfree(s);
		return err;
	}
	s->net = net;
	s->users = 1;
	list_add(&s->list, &sgre_shortcuts);
	return 0;
}

void sgre_shortcut_put(struct net *net)
{
	struct sgre_shortcut *s = sgre_shortcut_find(net);

	ASSERT_RTNL();
	if (WARN_ON_ONCE(!s) || --s->users)
		return;
	nf_unregister_net_hooks(net, sgre_shortcut_ops, ARRAY_SIZE(sgre_shortcut_ops));
	list_del(&s->list);
	kfree(s);
}
