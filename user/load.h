/* SPDX-License-Identifier: GPL-2.0 */
/* load.h - the programs and maps, in the kernel but not yet anywhere in effect. */
#ifndef VESTIGE_LOAD_H
#define VESTIGE_LOAD_H

#include <stdbool.h>
#include <vestige/vtw.h>

struct vtw_bpf;

/* Sizes of the tables for this many records; the hash keys are left alone. Pure. */
void geometry_of(__u32 capacity, struct vtw_geometry *geo);

/*
 * Programs for devices that only some namespaces have: the verifier takes its time
 * for each, so what no device asks for stays out.
 */
enum {
	NEED_XDP = 1,		/* vtw_xdp */
	NEED_IN = 2,		/* vtw_in */
	NEED_OUT = 4,		/* vtw_out */
	NEED_L3 = 8,		/* vtw_in_l3, vtw_out_l3 */
};

struct load_opts {
	__u64 netns_cookie;
	__u32 entries;
	__u32 entries6;
	bool bind_guard;
	bool module;		/* with the program for the module's tracepoint */
	unsigned int need;
};

/*
 * Load for the namespace with this cookie and fill in what the programs need
 * before their first run. NULL: it has been said.
 */
struct vtw_bpf *load(const struct load_opts *opts);

/*
 * With the smallest tables, to see whether it works; nothing is said. only: this
 * program and no other. NULL: *err says why.
 */
struct vtw_bpf *load_try(const char *only, int *err);

#endif
