// SPDX-License-Identifier: GPL-2.0
/*
 * forward.bpf.c - the router's fast path: a packet whose flow is cached is rewritten and
 * leaves; another asks the routing table; whatever is out of the ordinary is the stack's.
 */
#include "device.h"
#include "forward.h"

char LICENSE[] SEC("license") = "GPL";

SEC("xdp.frags")
int forward_xdp(struct xdp_md *ctx)
{
	return forward(ctx);
}
