// SPDX-License-Identifier: GPL-2.0
/* selsrc_idle.bpf.c - what the hooks of source selection cost when nothing is done there. */
#include <bpf/vmlinux.h>
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "GPL";

#define IDLE(name)				\
SEC("cgroup/" #name)				\
int name(struct bpf_sock_addr *ctx)		\
{						\
	return 1;				\
}

IDLE(connect4)
IDLE(connect6)
IDLE(sendmsg4)
IDLE(sendmsg6)
