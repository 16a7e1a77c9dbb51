// SPDX-License-Identifier: GPL-2.0
/*
 * test_mslt.c - how near is the peer? vtw_classify()
 */
#include <vestige/mslt.h>

#include "unit.h"

struct row {
	const char *name;
	struct vtw_nearness n;
	__u32 threshold;
	__u32 class;
};

#define NEAR	.has_route = 1
#define RTT(srtt, min)	.srtt_us = srtt, .min_rtt_us = min

static const struct row rows[] = {
	{ "own address", { .own_address = 1, NEAR }, 0, VTW_LOOPBACK },
	{ "own address, no route", { .own_address = 1 }, 0, VTW_LOOPBACK },
	{ "own address, slow", { .own_address = 1, NEAR, RTT(90000, 90000) }, 1000, VTW_LOOPBACK },
	{ "route by lo", { .loopback_route = 1, NEAR }, 0, VTW_LOOPBACK },
	{ "route by lo, through a gateway", { .loopback_route = 1, NEAR, .gateway = 1 }, 0,
	  VTW_LOOPBACK },
	{ "on-link", { NEAR }, 0, VTW_LOCAL },
	{ "on-link, rtt unknown", { NEAR }, 1000, VTW_LOCAL },
	{ "through a gateway", { NEAR, .gateway = 1 }, 0, VTW_REMOTE },
	{ "through a gateway, fast", { NEAR, .gateway = 1, RTT(10, 10) }, 1000, VTW_REMOTE },
	{ "no route", { RTT(10, 10) }, 1000, VTW_REMOTE },
	{ "slow, threshold off", { NEAR, RTT(~0u, ~0u) }, 0, VTW_LOCAL },
	{ "at the threshold", { NEAR, RTT(1000, 1000) }, 1000, VTW_LOCAL },
	{ "above the threshold", { NEAR, RTT(1001, 501) }, 1000, VTW_REMOTE },
	{ "slow of late, best is half", { NEAR, RTT(90000, 500) }, 1000, VTW_LOCAL },
	{ "slow of late, best unknown", { NEAR, RTT(90000, 0) }, 1000, VTW_LOCAL },
	{ "fast of late, best is slow", { NEAR, RTT(999, 999) }, 1000, VTW_LOCAL },
	{ "smallest threshold", { NEAR, RTT(2, 1) }, 1, VTW_REMOTE },
};

int main(void)
{
	ksft_plan(ARRAY_SIZE(rows));
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		__u32 class = vtw_classify(&rows[i].n, rows[i].threshold);

		ksft_ok(class == rows[i].class, "%s: class %u", rows[i].name, class);
	}
	return ksft_end();
}
