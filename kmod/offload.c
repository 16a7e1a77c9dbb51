// SPDX-License-Identifier: GPL-2.0
/*
 * offload.c - GRO of GRE in UDP. GRE in IP the kernel knows itself.
 */
#include <net/gro.h>
#include <net/protocol.h>

#include "sgre.h"

static const struct net_offload *sgre_gro_gre(bool v6)
{
	const struct net_offload __rcu **offloads = v6 ? inet6_offloads : inet_offloads;

	return rcu_dereference(offloads[IPPROTO_GRE]);
}

/*
 * The mark says that there was a tunnel on the way already; UDP and GRE are only one.
 * is_fou tells GRE that it cannot find its header again: no aggregation with checksum.
 */
struct sk_buff *sgre_gro_receive(struct sock *sk, struct list_head *head, struct sk_buff *skb)
{
	const struct net_offload *gre = sgre_gro_gre(sk->sk_family == AF_INET6);

	if (!gre || !rcu_access_pointer(__sk_user_data(sk))) {
		NAPI_GRO_CB(skb)->flush = 1;	/* not ours any more */
		return NULL;
	}
	NAPI_GRO_CB(skb)->encap_mark = 0;
	NAPI_GRO_CB(skb)->is_fou = 1;
	return call_gro_receive(gre->callbacks.gro_receive, head, skb);
}

int sgre_gro_complete(struct sock *sk, struct sk_buff *skb, int nhoff)
{
	const struct net_offload *gre = sgre_gro_gre(sk->sk_family == AF_INET6);
	const struct udphdr *uh;
	int err;

	if (WARN_ON_ONCE(!gre || !gre->callbacks.gro_complete))
		return -ENOSYS;
	err = gre->callbacks.gro_complete(skb, nhoff);
	/*
	 * GRE has said that this is GRE, and that only: without a word of the tunnel UDP
	 * takes it for something that has to be cut again, and cannot.
	 */
	uh = (struct udphdr *)(skb->data + nhoff - sizeof(*uh));
	skb_shinfo(skb)->gso_type |= uh->check ? SKB_GSO_UDP_TUNNEL_CSUM : SKB_GSO_UDP_TUNNEL;
	return err;
}
