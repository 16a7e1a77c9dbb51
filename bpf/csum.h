/* SPDX-License-Identifier: GPL-2.0 */
/*
 * csum.h - is the TCP checksum of a frame right?
 */
#ifndef VESTIGE_BPF_CSUM_H
#define VESTIGE_BPF_CSUM_H

#include "frame.h"

#define VTW_CSUM_STEP	32u	/* bytes a step, on the stack */

static __always_inline __u16 vtw_fold(__u64 sum)
{
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

/*
 * Sum of the pseudo header, RFC 9293 3.1; which side is which does not matter
 * to it.
 */
static __always_inline __u32 vtw_pseudo(int v6, const struct vtw_key *k, __u32 len)
{
	__be32 tail[2] = { bpf_htonl(len), bpf_htonl(VTW_PROTO_TCP) };
	__u32 sum = bpf_csum_diff(0, 0, tail, sizeof(tail), 0);

	sum = bpf_csum_diff(0, 0, (void *)k->laddr, v6 ? 16 : 4, sum);
	return bpf_csum_diff(0, 0, (void *)k->raddr, v6 ? 16 : 4, sum);
}

struct vtw_summing {
	void *ctx;
	__u32 off;
	__u32 end;
	__u32 sum;
	__u32 failed;
};

static __always_inline long vtw_sum_step(struct vtw_summing *s, int xdp)
{
	__be32 buf[VTW_CSUM_STEP / 4] = {};
	__u32 n = s->end - s->off;

	_Static_assert(VTW_CSUM_STEP == 0x1f + 1, "the bound below");

	if (s->off >= s->end)
		return 1;
	if (n > VTW_CSUM_STEP)
		n = VTW_CSUM_STEP;
	VTW_BOUND(n, 0x1f);
	if (vtw_load(s->ctx, xdp, s->off, buf, n)) {
		s->failed = 1;
		return 1;
	}
	s->sum = bpf_csum_diff(0, 0, buf, sizeof(buf), s->sum);
	s->off += n;
	return 0;
}

static long vtw_sum_step_tc(__u32 i, struct vtw_summing *s)
{
	return vtw_sum_step(s, 0);
}

static long vtw_sum_step_xdp(__u32 i, struct vtw_summing *s)
{
	return vtw_sum_step(s, 1);
}

enum vtw_csum {
	VTW_CSUM_BAD,
	VTW_CSUM_GOOD,
	VTW_CSUM_PARTIAL,	/* made on this machine, the rest is left to the device */
};

/*
 * A segment that has not left the machine carries the sum of the pseudo header
 * only (CHECKSUM_PARTIAL). Nobody tells us, but the number does; from outside,
 * a damaged segment looks like that once in 65,536 times.
 */
static __always_inline enum vtw_csum vtw_check(void *ctx, int xdp, int v6,
					       const struct vtw_frame *f, const struct vtw_key *k)
{
	struct vtw_summing s = { .ctx = ctx, .off = f->l4, .end = f->end };
	__be16 check;
	int partial;

	s.sum = vtw_pseudo(v6, k, f->end - f->l4);
	if (vtw_load(ctx, xdp, f->l4 + offsetof(struct tcphdr, check), &check, sizeof(check)))
		return VTW_CSUM_BAD;
	partial = check == vtw_fold(s.sum);
	if (!xdp && bpf_csum_level(ctx, BPF_CSUM_LEVEL_QUERY) >= 0)
		return VTW_CSUM_GOOD;
	if (xdp)
		bpf_loop(1 << 11, vtw_sum_step_xdp, &s, 0);
	else
		bpf_loop(1 << 11, vtw_sum_step_tc, &s, 0);
	if (!s.failed && s.off == s.end && vtw_fold(s.sum) == 0xffff)
		return VTW_CSUM_GOOD;
	return partial ? VTW_CSUM_PARTIAL : VTW_CSUM_BAD;
}

#endif /* VESTIGE_BPF_CSUM_H */
