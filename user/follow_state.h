/* SPDX-License-Identifier: GPL-2.0 */
/*
 * follow_state.h - how `vestige rtcache follow` of a network namespace is doing, for others
 * to see: pinned as <bpffs>/vestige_rtcache/<netns cookie>/follow.
 */
#ifndef VESTIGE_FOLLOW_STATE_H
#define VESTIGE_FOLLOW_STATE_H

#include <limits.h>
#include <stdbool.h>
#include <json-c/json.h>
#include <vestige/rtcache.h>

#include "ns.h"

struct follow_numbers {
	__u64 lease_ns;			/* it runs until then at least; 0: it has ended */
	__u64 pid;
	__u64 gen[RTCACHE_FAMILIES];
	__u64 changes[RTCACHE_FAMILIES];	/* messages that made copies stale */
	__u64 flushes[RTCACHE_FAMILIES];	/* times that it became odd */
	__u64 overruns;
	/* From a message entering the queue until the maps were written, in ns. */
	__u64 probes, p50_ns, p99_ns, max_ns;
};

struct follow_state {
	char dir[PATH_MAX];
	int lock;
	struct follow_numbers *now;	/* in the map */
};

/*
 * One follow for each namespace: claim it. EXIT_OK, or it has been said. What a killed
 * one left is taken over.
 */
int follow_state_open(struct follow_state *s, const struct ns *ns);
void follow_state_close(struct follow_state *s);

/* False: no follow runs in this namespace. */
bool follow_state_read(const struct ns *ns, struct follow_numbers *now);

/* "window: ..."; and the same for -j. */
void follow_numbers_print(const struct follow_numbers *now);
struct json_object *follow_numbers_json(const struct follow_numbers *now);

#endif
