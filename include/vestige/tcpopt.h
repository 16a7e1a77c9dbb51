/* SPDX-License-Identifier: GPL-2.0 */
/*
 * tcpopt.h - find the timestamp among TCP options (RFC 7323 3.2).
 */
#ifndef VESTIGE_TCPOPT_H
#define VESTIGE_TCPOPT_H

#ifndef __VMLINUX_H__
#include <linux/types.h>
#endif

#ifndef __always_inline
#define __always_inline inline __attribute__((always_inline))
#endif

#define VTW_OPT_SPACE		40	/* 60 bytes of header less 20 */
#define VTW_OPT_EOL		0
#define VTW_OPT_NOP		1
#define VTW_OPT_TSTAMP		8
#define VTW_OPT_TSTAMP_LEN	10

/* A walk through options. Set opt, len; the rest 0. */
struct vtw_options {
	__u8 opt[VTW_OPT_SPACE];
	__u32 len;
	__u32 at;
	__u32 found;		/* 1: there is a timestamp */
	__u32 tsval;		/* host byte order */
	__u32 tsecr;
};

static __always_inline __u32 vtw_get32(const __u8 *p)
{
	return (__u32)p[0] << 24 | p[1] << 16 | p[2] << 8 | p[3];
}

/*
 * Look at one option; 1: that was the last. Like tcp_parse_options(): a broken
 * one ends the walk; if the timestamp is there twice, the last one counts. One
 * step a call, so that the verifier can walk by bpf_loop().
 */
static __always_inline int vtw_option_step(struct vtw_options *o)
{
	__u32 at = o->at, kind, size;

	if (at >= o->len || at >= VTW_OPT_SPACE)
		return 1;
	kind = o->opt[at];
	o->at = at + 1;
	if (kind == VTW_OPT_NOP)
		return 0;
	if (kind == VTW_OPT_EOL || at + 1 >= o->len || at + 1 >= VTW_OPT_SPACE)
		return 1;
	size = o->opt[at + 1];
	if (size < 2 || at + size > o->len)
		return 1;
	o->at = at + size;
	if (kind != VTW_OPT_TSTAMP || size != VTW_OPT_TSTAMP_LEN ||
	    at > VTW_OPT_SPACE - VTW_OPT_TSTAMP_LEN)
		return 0;
	o->tsval = vtw_get32(o->opt + at + 2);
	o->tsecr = vtw_get32(o->opt + at + 6);
	o->found = 1;
	return 0;
}

/* An option is at least a byte long. */
static __always_inline void vtw_walk_options(struct vtw_options *o)
{
	for (int n = 0; n < VTW_OPT_SPACE; n++)
		if (vtw_option_step(o))
			break;
}

#endif /* VESTIGE_TCPOPT_H */
