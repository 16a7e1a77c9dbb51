/* SPDX-License-Identifier: GPL-2.0 */
/*
 * xmit.h - one packet on its way out, as xmit.c and route.c hand it on.
 */
#ifndef _SGRE_XMIT_H
#define _SGRE_XMIT_H

#include "sgre.h"

struct sgre_tx {
	struct sgre *sgre;
	const struct sgre_config *cfg;
	struct sock *sk;
	struct net *net;		/* of the socket */
	struct dst_entry *dst;		/* with a reference until it is the packet's */
	struct sgre_addr local;		/* what the route says */
	__be16 proto;			/* inside GRE */
	__be16 sport;			/* UDP */
	__be32 label;			/* IPv6 */
	u8 tos, ttl;
	bool inherit_tos, inherit_ttl;
	bool df;
	bool ready;			/* what is to be sent has its GRE header */
};

static inline u8 sgre_tx_ip_proto(const struct sgre_config *cfg)
{
	return cfg->transport == SGRE_UDP ? IPPROTO_UDP : IPPROTO_GRE;
}

/* route.c: fills dst and local, or says why not. With a reference, to be released. */
enum sgre_counter sgre_tx_route(struct sgre_tx *tx);

#endif /* _SGRE_XMIT_H */
