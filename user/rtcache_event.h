/* SPDX-License-Identifier: GPL-2.0 */
/* rtcache_event.h - that copies of routes have become stale, and why: one line each. */
#ifndef VESTIGE_RTCACHE_EVENT_H
#define VESTIGE_RTCACHE_EVENT_H

#include <json-c/json.h>
#include <linux/types.h>

struct rtcache_event {
	__u32 family;			/* RTCACHE_INET, RTCACHE_INET6 */
	const char *reason;
	__u64 gen;
	__u32 obstacles;
	__u32 count;			/* events it stands for, itself among them */
	__u32 ifindex;			/* 0: of no device */
	__u8 prefix_len;		/* bytes; 0: of no prefix */
	__u8 plen;
	__u8 prefix[16];
};

const char *rtcache_family_name(__u32 family);

/* Of a reason that this version does not know: "unknown". */
const char *rtcache_reason_name(__u32 reason);

/* To stdout, at once; under -j one object in one line. */
void rtcache_event_print(const struct rtcache_event *ev);

/* "netfilter, tc-ingress"; empty if there is none. */
#define RTCACHE_OBSTACLES_STRLEN	128
const char *rtcache_obstacles_text(__u32 obstacles, char *buf);
struct json_object *rtcache_obstacles_json(__u32 obstacles);

#endif
