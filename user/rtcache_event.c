// SPDX-License-Identifier: GPL-2.0
/* rtcache_event.c - that copies of routes have become stale, and why: one line each. */
#include <arpa/inet.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <uapi/linux/vestige_rtcache.h>
#include <vestige/rtcache.h>

#include "out.h"
#include "rtcache_event.h"

const char *rtcache_family_name(__u32 family)
{
	return family == RTCACHE_INET ? "inet" : family == RTCACHE_INET6 ? "inet6" : "unknown";
}

const char *rtcache_reason_name(__u32 reason)
{
	static const char *const names[] = {
#define X(name, text) #name,
		RTCACHE_REASONS(X)
#undef X
	};

	return reason < sizeof(names) / sizeof(names[0]) ? names[reason] : "unknown";
}

/* ---- obstacles ------------------------------------------------------------------- */

static const char *const obstacle_names[] = {
	"netfilter", "tc-ingress", "tc-egress", "qdisc", "ipsec", "forwarding-off",
};

#define OBSTACLES	(sizeof(obstacle_names) / sizeof(obstacle_names[0]))

const char *rtcache_obstacles_text(__u32 obstacles, char *buf)
{
	size_t at = 0, i;

	buf[0] = '\0';
	for (i = 0; i < OBSTACLES; i++)
		if (obstacles & 1u << i)
			at += snprintf(buf + at, RTCACHE_OBSTACLES_STRLEN - at, "%s%s",
				       at ? ", " : "", obstacle_names[i]);
	return buf;
}

struct json_object *rtcache_obstacles_json(__u32 obstacles)
{
	struct json_object *list = json_object_new_array();
	size_t i;

	for (i = 0; i < OBSTACLES; i++)
		if (obstacles & 1u << i)
			json_object_array_add(list, json_object_new_string(obstacle_names[i]));
	return list;
}

/* ---- one event --------------------------------------------------------------------- */

#define PREFIX_STRLEN	(INET6_ADDRSTRLEN + 4)

static const char *prefix_text(const struct rtcache_event *ev, char *buf)
{
	char addr[INET6_ADDRSTRLEN];

	inet_ntop(ev->prefix_len == 4 ? AF_INET : AF_INET6, ev->prefix, addr, sizeof(addr));
	snprintf(buf, PREFIX_STRLEN, "%s/%u", addr, ev->plen);
	return buf;
}

/* A device that is gone has no name any more. */
static const char *device_text(__u32 ifindex, char *buf)
{
	if (!if_indextoname(ifindex, buf))
		snprintf(buf, IFNAMSIZ, "if%u", ifindex);
	return buf;
}

static void print_json(const struct rtcache_event *ev, const struct timespec *now)
{
	struct json_object *obj = json_object_new_object();
	char buf[PREFIX_STRLEN], dev[IFNAMSIZ];

	out_num(obj, "time_us", now->tv_sec * 1000000ull + now->tv_nsec / 1000);
	out_str(obj, "family", rtcache_family_name(ev->family));
	out_str(obj, "reason", ev->reason);
	out_num(obj, "generation", ev->gen);
	out_num(obj, "count", ev->count);
	if (ev->prefix_len)
		out_str(obj, "prefix", prefix_text(ev, buf));
	if (ev->ifindex) {
		out_num(obj, "ifindex", ev->ifindex);
		out_str(obj, "dev", device_text(ev->ifindex, dev));
	}
	json_object_object_add(obj, "obstacles", rtcache_obstacles_json(ev->obstacles));
	puts(json_object_to_json_string_ext(obj, JSON_C_TO_STRING_PLAIN |
						 JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(obj);
}

static void print_text(const struct rtcache_event *ev, const struct timespec *now)
{
	char buf[RTCACHE_OBSTACLES_STRLEN], dev[IFNAMSIZ], clock[16];
	struct tm tm;

	strftime(clock, sizeof(clock), "%H:%M:%S", localtime_r(&now->tv_sec, &tm));
	p_text("%s.%03u %-5s %-11s gen %llu", clock, (unsigned int)(now->tv_nsec / 1000000),
	       rtcache_family_name(ev->family), ev->reason,
	       (unsigned long long)ev->gen);
	if (ev->prefix_len)
		p_text(" %s", prefix_text(ev, buf));
	if (ev->ifindex)
		p_text(" dev %s", device_text(ev->ifindex, dev));
	if (ev->count > 1)
		p_text(" for %u changes", ev->count);
	if (ev->obstacles)
		p_text(" obstacles: %s", rtcache_obstacles_text(ev->obstacles, buf));
	p_text("\n");
}

void rtcache_event_print(const struct rtcache_event *ev)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	if (out.json)
		print_json(ev, &now);
	else
		print_text(ev, &now);
	fflush(stdout);
}
