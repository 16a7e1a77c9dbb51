/* SPDX-License-Identifier: GPL-2.0 */
/*
 * elsewhere.h - does an answer leave by another device than its segment came by?
 */
#ifndef VESTIGE_BPF_ELSEWHERE_H
#define VESTIGE_BPF_ELSEWHERE_H

#include "path.h"
#include "answer.h"

/*
 * What the routing table says of an answer, as if it came from a socket. The kernel tells it
 * only on a host that forwards; that the neighbour is not known yet does not matter.
 */
static __always_inline __u32 vtw_ask_path(struct __sk_buff *skb, int v6, const struct vtw_key *k)
{
	struct bpf_fib_lookup fib = {
		.family = v6 ? AF_INET6 : AF_INET,
		.l4_protocol = VTW_PROTO_TCP,
		.sport = k->lport,
		.dport = k->rport,
		.tot_len = sizeof(struct vtw_out6),
		.ifindex = VTW_LOOPBACK_IFINDEX,
	};
	long answer;

	for (int i = 0; i < (v6 ? 4 : 1); i++) {
		fib.ipv6_src[i] = k->laddr[i];
		fib.ipv6_dst[i] = k->raddr[i];
	}
	answer = bpf_fib_lookup(skb, &fib, sizeof(fib), 0);
	if (answer != BPF_FIB_LKUP_RET_SUCCESS && answer != BPF_FIB_LKUP_RET_NO_NEIGH)
		return 0;
	STAT(path_asked);
	return fib.ifindex;
}

__noinline __u32 vtw4_ask_path(struct __sk_buff *skb, const struct vtw_key *k)
{
	return k ? vtw_ask_path(skb, 0, k) : 0;
}

__noinline __u32 vtw6_ask_path(struct __sk_buff *skb, const struct vtw_key *k)
{
	return k ? vtw_ask_path(skb, 1, k) : 0;
}

/*
 * The device that the route of the answer leads out of, if it is not the one that the segment
 * came by; 0: back. A session bound to a device is answered there, as its socket would.
 */
static __always_inline __u32 vtw_elsewhere(void *ctx, int xdp, int v6, const struct vtw_key *k,
					   union vtw_word word)
{
	__u32 here = xdp ? k->ifindex : ((struct __sk_buff *)ctx)->ifindex;
	union vtw_path_word path = {};
	__u64 gen;

	if (word.dev || here == VTW_LOOPBACK_IFINDEX)
		return 0;
	gen = vtw_path_gen(v6, 0);
	if (gen)
		path.all = CALL(v6, path_find, k, gen);
	if (!path.ifindex && !xdp)
		path.ifindex = v6 ? vtw6_ask_path(ctx, k) : vtw4_ask_path(ctx, k);
	if (path.ifindex == here || path.near & VTW_PATH_LOOPBACK)
		return 0;
	return path.ifindex;
}

/*
 * XDP_TX knows one way only, and a frame with tags inside cannot be given to the neighbour
 * layer, which takes 14 bytes for the link header: these answers go back.
 */
static __always_inline int vtw_can_go_on(int xdp, const struct vtw_frame *f)
{
	return !xdp && (!f->l3 || f->l3 == sizeof(struct ethhdr));
}

/* What came without a link header gets an empty one, which the neighbour layer takes off. */
static __always_inline int vtw_lift(struct __sk_buff *skb, const struct vtw_frame *f)
{
	return f->l3 ? 0 : bpf_skb_change_head(skb, sizeof(struct ethhdr), 0);
}

#endif /* VESTIGE_BPF_ELSEWHERE_H */
