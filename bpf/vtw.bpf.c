// SPDX-License-Identifier: GPL-2.0
/*
 * vtw.bpf.c - the programs: where TIME_WAIT begins (sockops, tp_btf), where its
 * segments arrive (XDP, tc ingress), where a tuple may be used again (tc
 * egress, bind).
 */
#include "sock.h"
#include "late.h"
#include "leave.h"
#include <linux/pkt_cls.h>
#include <linux/if_packet.h>

#define SOCK_STREAM	1
#define SOL_SOCKET	1
#define SO_REUSEADDR	2
#define SO_REUSEPORT	15
#define EADDRINUSE	98

char LICENSE[] SEC("license") = "GPL";

/*
 * Before tcp_set_state() takes the socket out of the hash, so that the record
 * is there before the tuple is gone.
 */
SEC("sockops")
int vtw_sockops(struct bpf_sock_ops *ctx)
{
	struct tcp_sock *tp;
	struct bpf_sock *sk;

	switch (ctx->op) {
	case BPF_SOCK_OPS_ACTIVE_ESTABLISHED_CB:
	case BPF_SOCK_OPS_PASSIVE_ESTABLISHED_CB:
		if (bpf_get_netns_cookie(ctx) == netns_cookie)
			bpf_sock_ops_cb_flags_set(ctx, ctx->bpf_sock_ops_cb_flags |
						  BPF_SOCK_OPS_STATE_CB_FLAG);
		break;
	case BPF_SOCK_OPS_STATE_CB:
		sk = ctx->sk;
		if (ctx->args[1] != BPF_TCP_CLOSE || !sk ||
		    bpf_get_netns_cookie(ctx) != netns_cookie)
			break;
		tp = bpf_skc_to_tcp_sock(sk);
		if (tp)
			vtw_closes(tp, ctx->args[0], 0);
		break;
	}
	return 1;
}

/*
 * The same, a moment after the unhashing, for every socket of the namespace:
 * the safety net for those whose callback was not set or not ours. In that
 * moment, microseconds, a late segment finds neither socket nor record and is
 * answered with RST.
 */
SEC("tp_btf/inet_sock_set_state")
int BPF_PROG(vtw_net, struct sock *sk, int oldstate, int newstate)
{
	struct tcp_sock *tp;

	if (newstate != BPF_TCP_CLOSE && newstate != BPF_TCP_ESTABLISHED)
		return 0;
	if (sk->__sk_common.skc_net.net->net_cookie != netns_cookie)
		return 0;
	tp = bpf_skc_to_tcp_sock(sk);
	if (!tp)
		return 0;
	if (newstate == BPF_TCP_ESTABLISHED)
		vtw_established(tp);
	else
		vtw_closes(tp, oldstate, 1);
	return 0;
}

#define VTW_LEAVE(n, v6)							\
__noinline int vtw##n##_leave(struct __sk_buff *ctx, const struct vtw_frame *f,	\
			      const struct vtw_key *k, __u32 i)			\
{										\
	if (!f || !k)								\
		return VTW_PASS;						\
	if (ctx->ingress_ifindex) {						\
		vtw_forwarded(v6, f, k);					\
		return VTW_PASS;						\
	}									\
	if (f->flags & VTW_SYN)							\
		return vtw_connects(ctx, v6, f, k, i);				\
	return vtw_resets(v6, f, k, i);						\
}

VTW_LEAVE(4, 0)
VTW_LEAVE(6, 1)

/*
 * Read a frame of an skb; if its headers lie in fragments, fetch them and look
 * again.
 */
static __always_inline int vtw_parse_skb(struct __sk_buff *skb, int eth, int in,
					 struct vtw_frame *f, struct vtw_key *k)
{
	void *data = (void *)(long)skb->data, *end = (void *)(long)skb->data_end;
	int err;

	err = vtw_parse(data, end, skb->len, eth, skb->protocol, in, f, k);
	if (err != VTW_SHORT || end - data >= skb->len)
		return err;
	if (bpf_skb_pull_data(skb, skb->len < 256 ? skb->len : 256)) {
		STAT(malformed);
		return VTW_NOT_TCP;
	}
	data = (void *)(long)skb->data;
	end = (void *)(long)skb->data_end;
	*f = (struct vtw_frame){};
	return vtw_parse(data, end, skb->len, eth, skb->protocol, in, f, k);
}

/*
 * The kernel finds next hop and MAC by its own routing, restricted to that device. A frame that
 * it can do neither for is dropped; the peer sends its segment again.
 */
static __always_inline int vtw_send_on(void)
{
	const struct vtw_work *w = vtw_only(&desk);

	return w ? bpf_redirect_neigh(w->oif, 0, 0, 0) : TC_ACT_SHOT;
}

static __always_inline int vtw_arrives(struct __sk_buff *skb, int eth)
{
	struct vtw_key k = { .ifindex = skb->ingress_ifindex };
	struct vtw_frame f = {};
	int fate;

	/*
	 * Like the stack: what a promiscuous device sees, or another VLAN gets,
	 * is not ours.
	 */
	if (skb->pkt_type != PACKET_HOST || (skb->vlan_present && skb->vlan_tci & VTW_VID))
		return TC_ACT_UNSPEC;
	if (vtw_parse_skb(skb, eth, 1, &f, &k) != VTW_PARSED)
		return TC_ACT_UNSPEC;
	fate = f.v6 ? vtw_receive(skb, 0, 1, &f, &k) : vtw_receive(skb, 0, 0, &f, &k);
	if (fate == VTW_SEND_BACK)
		return bpf_redirect(skb->ifindex, 0);
	if (fate == VTW_SEND_ON)
		return vtw_send_on();
	return fate == VTW_SWALLOW ? TC_ACT_SHOT : TC_ACT_UNSPEC;
}

SEC("tc")
int vtw_in(struct __sk_buff *skb)
{
	return vtw_arrives(skb, 1);
}

SEC("tc")
int vtw_in_l3(struct __sk_buff *skb)
{
	return vtw_arrives(skb, 0);
}

/* Only a SYN that asks for a connection, and a RST, matter on the way out. */
static __always_inline int vtw_leaves(struct __sk_buff *skb, int eth)
{
	struct vtw_key k = { .ifindex = skb->ifindex };
	struct vtw_frame f = {};
	__u32 i;
	int fate;

	if (vtw_parse_skb(skb, eth, 0, &f, &k) != VTW_PARSED)
		return TC_ACT_UNSPEC;
	if ((f.flags & (VTW_SYN | VTW_ACK)) != VTW_SYN && !(f.flags & VTW_RST))
		return TC_ACT_UNSPEC;
	i = f.v6 ? vtw6_find_call(&k, vtw_hash_of(1, &k)) : vtw4_find_call(&k, vtw_hash_of(0, &k));
	if (i == VTW_NONE)
		return TC_ACT_UNSPEC;
	fate = f.v6 ? vtw6_leave(skb, &f, &k, i) : vtw4_leave(skb, &f, &k, i);
	return fate == VTW_SWALLOW ? TC_ACT_SHOT : TC_ACT_UNSPEC;
}

SEC("tc")
int vtw_out(struct __sk_buff *skb)
{
	return vtw_leaves(skb, 1);
}

SEC("tc")
int vtw_out_l3(struct __sk_buff *skb)
{
	return vtw_leaves(skb, 0);
}

SEC("xdp.frags")
int vtw_xdp(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct vtw_key k = { .ifindex = ctx->ingress_ifindex };
	struct vtw_frame f = {};
	int fate;

	if (vtw_parse(data, end, VTW_ANY_LENGTH, 1, 0, 1, &f, &k) != VTW_PARSED)
		return XDP_PASS;
	fate = f.v6 ? vtw_receive(ctx, 1, 1, &f, &k) : vtw_receive(ctx, 1, 0, &f, &k);
	if (fate == VTW_SEND_BACK)
		return XDP_TX;
	return fate == VTW_SWALLOW ? XDP_DROP : XDP_PASS;
}

/*
 * bind() to a port of remembered sessions, without SO_REUSEADDR or
 * SO_REUSEPORT: EADDRINUSE, as with TIME_WAIT sockets. Unlike there, the local
 * address of the sessions does not matter, nor what they had set; and one that
 * ended early still holds the port for its time.
 */
static __always_inline int vtw_binds(struct bpf_sock_addr *ctx)
{
	const struct vtw_config *cfg = vtw_config();
	__u32 port = bpf_ntohs(ctx->user_port), tick;
	struct vtw_ports *ports_ = vtw_only(&ports);
	int reuse = 0;

	if (!cfg || !ports_ || !cfg->bind_guard || !port || ctx->type != SOCK_STREAM ||
	    bpf_get_netns_cookie(ctx) != netns_cookie)
		return 1;
	/*
	 * Up to 6.12 the verifier does not know that a byte swap leaves 16
	 * bits.
	 */
	asm volatile("%[v] &= 0xffff" : [v] "+r"(port));
	tick = vtw_now() >> VTW_PORT_TICK_SHIFT;
	if (!ports_->until[port] || (__s32)(ports_->until[port] - tick) <= 0)
		return 1;
	if (bpf_getsockopt(ctx, SOL_SOCKET, SO_REUSEADDR, &reuse, sizeof(reuse)) || reuse ||
	    bpf_getsockopt(ctx, SOL_SOCKET, SO_REUSEPORT, &reuse, sizeof(reuse)) || reuse)
		return 1;
	STAT(bind_refused);
	bpf_set_retval(-EADDRINUSE);
	return 0;
}

SEC("cgroup/bind4")
int vtw_bind4(struct bpf_sock_addr *ctx)
{
	return vtw_binds(ctx);
}

SEC("cgroup/bind6")
int vtw_bind6(struct bpf_sock_addr *ctx)
{
	return vtw_binds(ctx);
}
