// SPDX-License-Identifier: GPL-2.0
/*
 * others.bpf.c - programs of other people, which were there before vestige or
 * come after it.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

/* A sockops program that wants no callbacks, and cares for nobody else's. */
SEC("sockops")
int clobber(struct bpf_sock_ops *ops)
{
	switch (ops->op) {
	case BPF_SOCK_OPS_ACTIVE_ESTABLISHED_CB:
	case BPF_SOCK_OPS_PASSIVE_ESTABLISHED_CB:
		bpf_sock_ops_cb_flags_set(ops, 0);
		break;
	}
	return 1;
}

SEC("xdp")
int pass(struct xdp_md *ctx)
{
	return XDP_PASS;
}

SEC("tc")
int cls(struct __sk_buff *skb)
{
	return -1;	/* TC_ACT_UNSPEC: the next filter decides */
}

char LICENSE[] SEC("license") = "GPL";
