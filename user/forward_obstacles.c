// SPDX-License-Identifier: GPL-2.0
/*
 * forward_obstacles.c - what forwarded packets would meet in the stack, and would not in XDP.
 *
 * The module keeps an eye on it; without it these looks, of attach and of doctor, are all.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_hook.h>
#include <linux/pkt_sched.h>
#include <linux/xfrm.h>

#include "cmd.h"
#include "forward.h"
#include "out.h"

#define ANSWER_SIZE	32768

/* Send one request, hand what comes back to fn. 0 or -errno. */
static int ask(int protocol, const struct nlmsghdr *req, mnl_cb_t fn, void *arg)
{
	char buf[ANSWER_SIZE] __attribute__((aligned(NLMSG_ALIGNTO)));
	struct mnl_socket *sk = mnl_socket_open2(protocol, SOCK_CLOEXEC);
	int ret = MNL_CB_OK;
	ssize_t got;

	if (!sk)
		return -errno;
	if (mnl_socket_bind(sk, 0, MNL_SOCKET_AUTOPID) < 0 ||
	    mnl_socket_sendto(sk, req, req->nlmsg_len) < 0)
		ret = MNL_CB_ERROR;
	while (ret > MNL_CB_STOP) {
		got = mnl_socket_recvfrom(sk, buf, sizeof(buf));
		ret = got < 0 ? MNL_CB_ERROR :
				mnl_cb_run(buf, got, 0, mnl_socket_get_portid(sk), fn, arg);
	}
	ret = ret < 0 ? -errno : 0;
	mnl_socket_close(sk);
	return ret;
}

/*
 * Security modules have hooks in every namespace, rules or not; the labels that they judge
 * forwarded packets by come from rules of netfilter or from IPsec.
 */
static bool is_security(const char *function)
{
	return !strncmp(function, "apparmor_", 9) || !strncmp(function, "selinux_", 8) ||
	       !strncmp(function, "smack_", 6);
}

static int count_hook(const struct nlmsghdr *msg, void *arg)
{
	const struct nlattr *attr;
	bool counts = true;

	mnl_attr_for_each(attr, msg, sizeof(struct nfgenmsg))
		if (mnl_attr_get_type(attr) == NFNLA_HOOK_FUNCTION_NAME &&
		    is_security(mnl_attr_get_str(attr)))
			counts = false;
	*(int *)arg += counts;
	return MNL_CB_OK;
}

/* Functions hooked up where forwarded packets pass; -errno: the kernel does not tell. */
static int count_hooks(__u8 family)
{
	static const __u32 hooks[] = { NF_INET_PRE_ROUTING, NF_INET_FORWARD, NF_INET_POST_ROUTING };
	char buf[128] __attribute__((aligned(NLMSG_ALIGNTO)));
	int count = 0, err = 0;
	size_t i;

	for (i = 0; i < sizeof(hooks) / sizeof(hooks[0]) && !err; i++) {
		struct nlmsghdr *req = mnl_nlmsg_put_header(buf);
		struct nfgenmsg *body;

		req->nlmsg_type = NFNL_SUBSYS_HOOK << 8 | NFNL_MSG_HOOK_GET;
		req->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
		body = mnl_nlmsg_put_extra_header(req, sizeof(*body));
		body->nfgen_family = family;
		mnl_attr_put_u32(req, NFNLA_HOOK_HOOKNUM, htonl(hooks[i]));
		err = ask(NETLINK_NETFILTER, req, count_hook, &count);
	}
	return err ? err : count;
}

/* Is it one that packets are sent through, where forwarded ones come by? */
static bool is_on_path(__u8 family, const struct nlattr *nest)
{
	const struct nlattr *attr;
	__u32 hook = NF_INET_NUMHOOKS;

	mnl_attr_for_each_nested(attr, nest)
		if (mnl_attr_get_type(attr) == NFTA_HOOK_HOOKNUM)
			hook = ntohl(mnl_attr_get_u32(attr));
	if (family == NFPROTO_NETDEV)
		return true;
	return (family == NFPROTO_IPV4 || family == NFPROTO_IPV6 || family == NFPROTO_INET) &&
	       hook != NF_INET_LOCAL_IN && hook != NF_INET_LOCAL_OUT;
}

static int count_chain(const struct nlmsghdr *msg, void *arg)
{
	const struct nfgenmsg *body = mnl_nlmsg_get_payload(msg);
	const struct nlattr *attr;

	mnl_attr_for_each(attr, msg, sizeof(*body))
		if (mnl_attr_get_type(attr) == NFTA_CHAIN_HOOK)
			*(int *)arg += is_on_path(body->nfgen_family, attr);
	return MNL_CB_OK;
}

/* Of kernels that do not tell of hooks: chains of nftables. */
static int count_chains(void)
{
	char buf[64] __attribute__((aligned(NLMSG_ALIGNTO)));
	struct nlmsghdr *req = mnl_nlmsg_put_header(buf);
	int count = 0;

	req->nlmsg_type = NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETCHAIN;
	req->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	memset(mnl_nlmsg_put_extra_header(req, sizeof(struct nfgenmsg)), 0,
	       sizeof(struct nfgenmsg));
	ask(NETLINK_NETFILTER, req, count_chain, &count);
	return count;
}

static bool has_line(const char *path)
{
	FILE *f = fopen(path, "r");
	bool has = f && fgetc(f) != EOF;

	if (f)
		fclose(f);
	return has;
}

static bool has_netfilter(void)
{
	if (count_hooks(NFPROTO_IPV4) > 0 || count_hooks(NFPROTO_IPV6) > 0)
		return true;
	if (count_chains() > 0)
		return true;
	return has_line("/proc/net/ip_tables_names") || has_line("/proc/net/ip6_tables_names");
}

static int take_policies(const struct nlmsghdr *msg, void *arg)
{
	const struct nlattr *attr;

	mnl_attr_for_each(attr, msg, sizeof(__u32)) {
		const struct xfrmu_spdinfo *info = mnl_attr_get_payload(attr);

		if (mnl_attr_get_type(attr) == XFRMA_SPD_INFO)
			*(int *)arg = info->outcnt + info->fwdcnt;
	}
	return MNL_CB_STOP;
}

static bool has_policies(void)
{
	char buf[64] __attribute__((aligned(NLMSG_ALIGNTO)));
	struct nlmsghdr *req = mnl_nlmsg_put_header(buf);
	int policies = 0;

	req->nlmsg_type = XFRM_MSG_GETSPDINFO;
	req->nlmsg_flags = NLM_F_REQUEST;
	memset(mnl_nlmsg_put_extra_header(req, sizeof(__u32)), 0, sizeof(__u32));
	ask(NETLINK_XFRM, req, take_policies, &policies);
	return policies > 0;
}

static int take_default(const struct nlmsghdr *msg, void *arg)
{
	const struct xfrm_userpolicy_default *def = mnl_nlmsg_get_payload(msg);

	if (mnl_nlmsg_get_payload_len(msg) >= sizeof(*def))
		*(bool *)arg = def->fwd == XFRM_USERPOLICY_BLOCK ||
			       def->out == XFRM_USERPOLICY_BLOCK;
	return MNL_CB_STOP;
}

/* Whatever has no policy is dropped: `ip xfrm policy setdefault block`. */
static bool blocks_by_default(void)
{
	char buf[64] __attribute__((aligned(NLMSG_ALIGNTO)));
	struct nlmsghdr *req = mnl_nlmsg_put_header(buf);
	bool blocks = false;

	req->nlmsg_type = XFRM_MSG_GETDEFAULT;
	req->nlmsg_flags = NLM_F_REQUEST;
	memset(mnl_nlmsg_put_extra_header(req, sizeof(struct xfrm_userpolicy_default)), 0,
	       sizeof(struct xfrm_userpolicy_default));
	ask(NETLINK_XFRM, req, take_default, &blocks);
	return blocks;
}

static bool has_filters(int ifindex)
{
	return rtnl_filters(ifindex, TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_INGRESS)) > 0 ||
	       rtnl_filters(ifindex, TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_EGRESS)) > 0 ||
	       rtnl_filters(ifindex, TC_H_ROOT) > 0;
}

/* Queues that send everything, as it comes or in a fair order, miss nothing. */
static bool has_queue(int ifindex)
{
	static const char *const plain[] = {
		"", "noop", "noqueue", "pfifo_fast", "pfifo", "bfifo", "fq", "fq_codel", "codel",
		"sfq", "mq",
	};
	char kind[16];
	size_t i;

	rtnl_root_qdisc(ifindex, kind, sizeof(kind));
	for (i = 0; i < sizeof(plain) / sizeof(plain[0]); i++)
		if (!strcmp(kind, plain[i]))
			return false;
	return true;
}

__u32 forward_obstacles(void)
{
	return (has_policies() || blocks_by_default() ? RTCACHE_IPSEC : 0) |
	       (has_netfilter() ? RTCACHE_NETFILTER : 0);
}

__u32 forward_obstacles_of(int ifindex)
{
	return (has_filters(ifindex) ? RTCACHE_TC : 0) |
	       (has_queue(ifindex) ? RTCACHE_QDISC : 0);
}

static void warn_of(const struct device *dev)
{
	__u32 obstacles = forward_obstacles_of(dev->ifindex);

	if (obstacles & RTCACHE_TC)
		p_warn("device %s has tc filters; packets forwarded in XDP do not meet them (with "
		       "the module they do)", dev->name);
	if (obstacles & RTCACHE_QDISC)
		p_warn("device %s has a queue with classes or a rate; packets forwarded in XDP do "
		       "not wait there (with the module they do)", dev->name);
}

/*
 * What should have been encrypted must not leave in clear; all else is only missed. EXIT_*,
 * said.
 */
int forward_look_about(const struct forward_devices *d)
{
	__u32 obstacles = forward_obstacles();
	int i;

	if (obstacles & RTCACHE_IPSEC) {
		p_err("there are IPsec policies in this namespace, and what is forwarded in XDP "
		      "would pass them by; with the module such packets are left to the stack");
		return EXIT_REFUSED;
	}
	if (obstacles & RTCACHE_NETFILTER)
		p_warn("there are netfilter hooks in this namespace; packets forwarded in XDP do "
		       "not meet them (with the module they do)");
	for (i = 0; i < d->nr; i++)
		warn_of(&d->all[d->chosen[i]]);
	return EXIT_OK;
}
