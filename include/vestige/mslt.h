/* SPDX-License-Identifier: GPL-2.0 */
/*
 * mslt.h - how near is the peer? Maximum Segment Lifetime Truncation.
 *
 * Pure; the facts come from the route in use when the session closes. NetBSD
 * (tcp_established() in tcp_subr.c) looks at 127.0.0.1 only, and at classful
 * masks; here the route itself says it.
 */
#ifndef VESTIGE_MSLT_H
#define VESTIGE_MSLT_H

#include "session.h"

struct vtw_nearness {
	__u8 own_address;	/* local == peer, or 127/8, or ::1 */
	__u8 loopback_route;	/* the route leaves by a loopback device */
	__u8 has_route;
	__u8 gateway;		/* it has a gateway */
	__u32 srtt_us;		/* smoothed RTT */
	__u32 min_rtt_us;	/* of the last minutes; 0: unknown */
};

/*
 * Promotion by RTT, with hysteresis without memory: the smoothed RTT must
 * exceed the threshold and even the best recent one half of it, so that one
 * slow ACK of a near peer does not make it remote.
 */
static __always_inline int vtw_far(const struct vtw_nearness *n, __u32 threshold_us)
{
	return threshold_us && n->srtt_us > threshold_us &&
	       n->min_rtt_us > threshold_us / 2;
}

/* A session whose route has gone is taken for remote: too long is safe. */
static __always_inline __u32 vtw_classify(const struct vtw_nearness *n, __u32 rtt_threshold_us)
{
	if (n->own_address || n->loopback_route)
		return VTW_LOOPBACK;
	if (!n->has_route || n->gateway || vtw_far(n, rtt_threshold_us))
		return VTW_REMOTE;
	return VTW_LOCAL;
}

#endif /* VESTIGE_MSLT_H */
