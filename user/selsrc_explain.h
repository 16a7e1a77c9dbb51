/* SPDX-License-Identifier: GPL-2.0 */
/* selsrc_explain.h - one destination: what was looked up for it, and what follows. */
#ifndef VESTIGE_SELSRC_EXPLAIN_H
#define VESTIGE_SELSRC_EXPLAIN_H

#include <vestige/selsrc_score.h>
#include "selsrc.h"
#include "selsrc_model.h"

struct explain_one {
	struct selsrc_source source;
	struct selsrc_vector vector;
	bool reaches;
	int by;				/* as selsrc_compare() has it: what makes the best better */
};

struct explain {
	/* words */
	int family;			/* AF_* */
	__be32 dst[4];
	__u32 oif;			/* 0: any */
	int set;
	/* tables */
	struct selsrc *s;
	__u32 half;
	struct selsrc_route route;
	__u32 ifindex;
	char dev_name[IFNAMSIZ];
	struct selsrc_dev dev;
	struct selsrc_policy policy;	/* n 0: none */
	bool own_policy;		/* of the device, not the default */
	/* what follows */
	struct explain_one one[SELSRC_MAX_ADDRS];
	__u32 n;
	int best;			/* -1: none */
	const char *left;		/* why it is left to the kernel; NULL: it is not */
	bool has_kernel;
	__be32 kernel[4];		/* what the kernel chooses alone */
};

#endif
