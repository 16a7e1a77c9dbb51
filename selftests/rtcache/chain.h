/* SPDX-License-Identifier: GPL-2.0 */
/* chain.h - gen chain add [PRIORITY]|del: an empty chain of nftables where IPv4 is forwarded. */
#ifndef SELFTESTS_RTCACHE_CHAIN_H
#define SELFTESTS_RTCACHE_CHAIN_H

#include <arpa/inet.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

struct batch {
	char data[1024];
	int len;
};

static void batch_begin(struct msg *m, int type, int family, int flags)
{
	struct nfgenmsg *nfg = msg_begin(m, type, flags, sizeof(*nfg));

	nfg->nfgen_family = family;
	if (family == AF_UNSPEC)
		nfg->res_id = htons(NFNL_SUBSYS_NFTABLES);
}

static void batch_add(struct batch *b, struct msg *m)
{
	memcpy(b->data + b->len, m, m->n.nlmsg_len);
	b->len += NLMSG_ALIGN(m->n.nlmsg_len);
}

static void chain_put_hook(struct msg *m, int priority)
{
	uint32_t hook[2] = { htonl(NF_INET_FORWARD), htonl(priority) };
	struct nlattr nest[4];

	memset(nest, 0, sizeof(nest));
	nest[0] = (struct nlattr){ NLA_HDRLEN + 4, NFTA_HOOK_HOOKNUM };
	memcpy(&nest[1], &hook[0], 4);
	nest[2] = (struct nlattr){ NLA_HDRLEN + 4, NFTA_HOOK_PRIORITY };
	memcpy(&nest[3], &hook[1], 4);
	msg_put(m, NFTA_CHAIN_HOOK | NLA_F_NESTED, nest, sizeof(nest));
}

static int chain(bool add, int priority)
{
	static const char name[] = "vestige";
	int fd = nl_open(NETLINK_NETFILTER), subsys = NFNL_SUBSYS_NFTABLES << 8;
	struct batch b = {};
	struct msg m;

	batch_begin(&m, NFNL_MSG_BATCH_BEGIN, AF_UNSPEC, 0);
	batch_add(&b, &m);
	batch_begin(&m, subsys | (add ? NFT_MSG_NEWTABLE : NFT_MSG_DELTABLE), AF_INET,
		    NLM_F_ACK | (add ? NLM_F_CREATE : 0));
	msg_put(&m, NFTA_TABLE_NAME, name, sizeof(name));
	batch_add(&b, &m);
	if (add) {
		batch_begin(&m, subsys | NFT_MSG_NEWCHAIN, AF_INET, NLM_F_CREATE);
		msg_put(&m, NFTA_CHAIN_TABLE, name, sizeof(name));
		msg_put(&m, NFTA_CHAIN_NAME, name, sizeof(name));
		chain_put_hook(&m, priority);
		msg_put(&m, NFTA_CHAIN_TYPE, "filter", sizeof("filter"));
		batch_add(&b, &m);
	}
	batch_begin(&m, NFNL_MSG_BATCH_END, AF_UNSPEC, 0);
	batch_add(&b, &m);
	if (send(fd, b.data, b.len, 0) < 0 || recv(fd, &m, sizeof(m), 0) < 0)
		die("nftables");
	errno = m.n.nlmsg_type == NLMSG_ERROR ? -*(int *)NLMSG_DATA(&m.n) : EPROTO;
	if (errno)
		die("nftables");
	return 0;
}

#endif /* SELFTESTS_RTCACHE_CHAIN_H */
