// SPDX-License-Identifier: GPL-2.0
/* test_selsrc_event.bpf.c - the program under test, and an address of the kernel to give it */
#include "selsrc_event.bpf.c"

__be32 address[4];
__u64 address_at;

SEC("raw_tp")
int find_address(void *ctx)
{
	address_at = (__u64)address;
	return 0;
}
