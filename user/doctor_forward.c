// SPDX-License-Identifier: GPL-2.0
/* doctor_forward.c - is anything in the way of what is forwarded here, and who would know? */
#include <net/if.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>
#include <bpf/bpf.h>

#include "doctor.h"
#include "forward.h"
#include "rtcache_nl.h"

#define REMEDY "with the module such packets are left to the stack ('make kmod'); without it, " \
	"'vestige forward detach', if they matter"

static bool find(struct forward_pins *p)
{
	char parent[PATH_MAX / 2];

	if (!pindir_parent(FORWARD_PART, parent, sizeof(parent)) || ns_enter(NULL, &p->ns))
		return false;
	snprintf(p->dir, sizeof(p->dir), "%s/%llu", parent, (unsigned long long)p->ns.cookie);
	return !forward_read(p) && p->att.abi == FORWARD_ABI;
}

static bool check_namespace(void)
{
	__u32 obstacles = forward_obstacles();

	if (obstacles & RTCACHE_IPSEC)
		say(WARN, "forward", "IPsec policies, which forwarded packets pass by", REMEDY);
	if (obstacles & RTCACHE_NETFILTER)
		say(WARN, "forward", "netfilter hooks, which forwarded packets pass by", REMEDY);
	return obstacles;
}

static bool check_device(int ifindex)
{
	__u32 obstacles = forward_obstacles_of(ifindex);
	char name[IFNAMSIZ], found[128];

	if (!obstacles || !if_indextoname(ifindex, name))
		return false;
	if (obstacles & RTCACHE_TC) {
		snprintf(found, sizeof(found), "tc filters on %s, which forwarded packets pass by",
			 name);
		say(WARN, "forward", found, REMEDY);
	}
	if (obstacles & RTCACHE_QDISC) {
		snprintf(found, sizeof(found), "a queue with classes or a rate on %s, which "
			 "forwarded packets pass by", name);
		say(WARN, "forward", found, REMEDY);
	}
	return true;
}

/* VLAN devices, too. */
static bool check_devices(const struct forward_pins *p)
{
	int fd = pindir_get(p->dir, "devices");
	__u32 key, *at = NULL;
	bool any = false;

	while (fd >= 0 && !bpf_map_get_next_key(fd, at, &key)) {
		any |= check_device(key);
		at = &key;
	}
	if (fd >= 0)
		close(fd);
	return any;
}

/* Without them nothing is wrong, but slow. */
static bool check_generations(const struct forward_pins *p)
{
	struct rtcache_gens gens = {};
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	if (pindir_read(p->dir, "gens", &gens, sizeof(gens)) ||
	    rtcache_vouched(&gens, now.tv_sec * 1000000000ull + now.tv_nsec))
		return false;
	say(WARN, "forward", "nobody tells of changes: each packet asks the routing table, and "
	    "only what comes from where the answer goes is forwarded",
	    "load the module and attach again, or run 'vestige rtcache follow'");
	return true;
}

void doctor_forward(void)
{
	struct forward_pins p = {};
	bool any;

	if (!find(&p)) {
		say(OK, "forward", "nothing is forwarded here", NULL);
		return;
	}
	if (p.att.module && rtcache_nl_present()) {
		say(OK, "forward", "the module knows what is in the way", NULL);
		return;
	}
	any = check_generations(&p);
	any |= check_namespace();
	any |= check_devices(&p);
	if (!any)
		say(OK, "forward", "nothing is in the way", NULL);
}
