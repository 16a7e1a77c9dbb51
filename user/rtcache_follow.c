// SPDX-License-Identifier: GPL-2.0
/*
 * rtcache_follow.c - `vestige rtcache follow`: generations without the module.
 *
 * rtnetlink tells when a change has been made, not before: between the two a copy is
 * used that is stale. How long that is, probes that go through the same queue measure.
 * What nobody tells of (netfilter, tc, most sysctls) stays unseen.
 *
 * Whatever happens to us, copies are not used longer than the lease, which is renewed
 * only when everything that was told has been read.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <vestige/quantile.h>
#include <vestige/rtevent.h>

#include "args.h"
#include "cmd.h"
#include "follow.h"
#include "follow_state.h"
#include "forward_follow.h"
#include "gens.h"
#include "host.h"
#include "out.h"
#include "rtcache.h"
#include "rtcache_event.h"
#include "rtcache_neigh.h"
#include "settle.h"

#define RCVBUF_DEFAULT	(4 << 20)
#define RCVBUF_MIN	2048
#define RCVBUF_MAX	(256 << 20)
#define PROBE_MS	100
#define SETTLE_POLL_NS	2000000ull	/* how often to ask whether it is over */

static const unsigned int groups[] = {
	RTNLGRP_LINK, RTNLGRP_NEIGH, RTNLGRP_NEXTHOP,
	RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV4_ROUTE, RTNLGRP_IPV4_RULE, RTNLGRP_IPV4_NETCONF,
	RTNLGRP_IPV6_IFADDR, RTNLGRP_IPV6_ROUTE, RTNLGRP_IPV6_RULE, RTNLGRP_IPV6_NETCONF,
	RTNLGRP_IPV6_IFINFO, 0
};

struct follower {
	struct follow follow;
	struct gens gens;
	struct forward_follow forward;
	struct settle settle;
	struct follow_state state;
	struct quantile window;
	struct rtneigh_memory neigh;
	__u64 lease_ns, renew_ns;
	__u64 changed_ns;		/* when we heard of the last change */
	bool settling;			/* settle_ask() was called at these generations: */
	__u64 asked[RTCACHE_FAMILIES];
	__u32 untold[RTCACHE_FAMILIES];
	bool events;			/* print them */
};

/* ---- flushing ---------------------------------------------------------------------- */

static void read_prefix(const struct nlmsghdr *msg, struct rtcache_event *ev)
{
	const struct rtmsg *rt = mnl_nlmsg_get_payload(msg);
	const struct nlattr *attr;

	if (msg->nlmsg_type != RTM_NEWROUTE && msg->nlmsg_type != RTM_DELROUTE)
		return;
	ev->prefix_len = rt->rtm_family == AF_INET ? 4 : 16;
	ev->plen = rt->rtm_dst_len;
	mnl_attr_for_each(attr, msg, sizeof(*rt)) {
		if (mnl_attr_get_type(attr) == RTA_DST &&
		    mnl_attr_get_payload_len(attr) == ev->prefix_len)
			memcpy(ev->prefix, mnl_attr_get_payload(attr), ev->prefix_len);
		else if (mnl_attr_get_type(attr) == RTA_OIF)
			ev->ifindex = mnl_attr_get_u32(attr);
	}
}

static void tell(struct follower *fl, int family, const char *reason, __u32 count,
		 const struct nlmsghdr *msg)
{
	struct rtcache_event ev = {
		.family = family, .reason = reason, .gen = fl->gens.gen[family], .count = count,
	};

	fl->untold[family] = 0;
	if (!fl->events)
		return;
	if (msg)
		read_prefix(msg, &ev);
	rtcache_event_print(&ev);
	if (ferror(stdout))
		fl->follow.stop = true;		/* main() says it */
}

/* Of a burst the first is told, and at its end how many there were. */
static void count_change(struct follower *fl, int family, bool was_settled, const char *reason,
			 const struct nlmsghdr *msg)
{
	fl->state.now->changes[family] += msg != NULL;
	if (was_settled) {
		fl->state.now->flushes[family]++;
		tell(fl, family, reason, 1, msg);
	} else {
		fl->untold[family]++;
	}
}

/* The maps first: all else can wait. */
static void flush(struct follower *fl, __u32 families, const char *reason,
		  const struct nlmsghdr *msg)
{
	bool was_settled[RTCACHE_FAMILIES];
	int f;

	for (f = 0; f < RTCACHE_FAMILIES; f++)
		was_settled[f] = rtcache_settled(fl->gens.gen[f]);
	gens_bump(&fl->gens, families);
	fl->changed_ns = follow_now_ns();
	for (f = 0; f < RTCACHE_FAMILIES; f++)
		if (families & 1 << f)
			count_change(fl, f, was_settled[f], reason, msg);
}

static void on_message(void *arg, const struct nlmsghdr *msg)
{
	struct follower *fl = arg;
	struct rtevent e = rtevent_is_neigh(msg) ? rtevent_neigh(msg, &fl->neigh) :
						   rtevent_of(msg);

	forward_follow_message(&fl->forward, msg);
	if (e.families)
		flush(fl, e.families, rtcache_reason_name(e.reason), msg);
}

static void on_overrun(void *arg)
{
	struct follower *fl = arg;

	fl->state.now->overruns++;
	flush(fl, RTCACHE_BOTH, "overrun", NULL);
}

static int on_resync(void *arg)
{
	struct follower *fl = arg;

	fl->forward.due = true;
	fl->gens.pin[0].held = !forward_follow_ready(&fl->forward);
	flush(fl, RTCACHE_BOTH, "resync", NULL);
	rtcache_neigh_learn(&fl->neigh);
	return 0;
}

/* ---- settling ------------------------------------------------------------------------ */

static __u32 in_flux(const struct follower *fl)
{
	__u32 families = 0;
	int f;

	for (f = 0; f < RTCACHE_FAMILIES; f++)
		if (!rtcache_settled(fl->gens.gen[f]))
			families |= 1 << f;
	return families;
}

/* Those that have changed again since we asked need another round. */
static void settled(struct follower *fl)
{
	int f;

	fl->settling = false;
	for (f = 0; f < RTCACHE_FAMILIES; f++) {
		if (rtcache_settled(fl->gens.gen[f]) || fl->gens.gen[f] != fl->asked[f])
			continue;
		gens_settle(&fl->gens, 1 << f);
		tell(fl, f, "settled", fl->untold[f], NULL);
	}
}

/* When to look again, or FOLLOW_NEVER. */
static __u64 settle_due(struct follower *fl, __u64 now_ns, bool quiet)
{
	__u64 silent_ns = fl->changed_ns + RTCACHE_SETTLE_NS;

	if (fl->settling && !settle_done(&fl->settle))
		return now_ns + SETTLE_POLL_NS;
	if (fl->settling)
		settled(fl);
	if (!in_flux(fl))
		return FOLLOW_NEVER;
	if (!quiet || now_ns < silent_ns)
		return silent_ns;
	memcpy(fl->asked, fl->gens.gen, sizeof(fl->asked));
	fl->settling = true;
	settle_ask(&fl->settle);
	return now_ns + SETTLE_POLL_NS;
}

/* ---- the lease ----------------------------------------------------------------------- */

static void publish(struct follower *fl)
{
	struct follow_numbers *now = fl->state.now;

	memcpy(now->gen, fl->gens.gen, sizeof(now->gen));
	now->probes = fl->window.n;
	now->p50_ns = quantile_of(&fl->window, 500);
	now->p99_ns = quantile_of(&fl->window, 990);
	now->max_ns = fl->window.max;
	now->lease_ns = fl->lease_ns;
}

/*
 * now_ns: everything that was told before has been read. While forwarding is being attached,
 * or the devices cannot be read, its lease is left to run out.
 */
static void renew(struct follower *fl, __u64 now_ns)
{
	fl->gens.pin[0].held = !forward_follow_ready(&fl->forward);
	if (gens_scan(&fl->gens))
		flush(fl, RTCACHE_BOTH, "attached", NULL);
	fl->lease_ns = now_ns + RTCACHE_LEASE_NS;
	gens_vouch(&fl->gens, fl->lease_ns);
	publish(fl);
	fl->renew_ns = now_ns + RTCACHE_RENEW_NS;
}

static __u64 on_due(void *arg, __u64 now_ns, bool quiet)
{
	struct follower *fl = arg;
	__u64 due_ns;

	if (quiet && now_ns >= fl->renew_ns)
		renew(fl, now_ns);
	due_ns = settle_due(fl, now_ns, quiet);
	return due_ns < fl->renew_ns ? due_ns : fl->renew_ns;
}

/* As a change does, it ends with the maps written. */
static void on_probe(void *arg, __u64 sent_ns)
{
	struct follower *fl = arg;

	gens_vouch(&fl->gens, fl->lease_ns);
	quantile_add(&fl->window, follow_now_ns() - sent_ns);
}

/* ---- life ------------------------------------------------------------------------------ */

static const struct follow_ops ops = {
	.message = on_message,
	.overrun = on_overrun,
	.resync = on_resync,
	.due = on_due,
	.probe = on_probe,
};

static int listen_all(struct follower *fl, __u32 rcvbuf)
{
	int err = follow_open(&fl->follow, groups, rcvbuf, &ops, fl);

	if (err) {
		p_err("follow: cannot listen to rtnetlink: %s", strerror(-err));
		return EXIT_REFUSED;
	}
	err = settle_open(&fl->settle);
	if (!err)
		err = follow_probe(&fl->follow, PROBE_MS);
	if (!err)
		return EXIT_OK;
	p_err("follow: cannot talk to rtnetlink: %s", strerror(-err));
	return EXIT_REFUSED;
}

static int run(struct follower *fl, const struct ns *ns)
{
	char label[300];
	int err;

	p_text("following namespace %s\n", ns_label(ns, label, sizeof(label)));
	fflush(stdout);
	err = follow_run(&fl->follow);
	gens_close(&fl->gens);
	publish(fl);
	follow_numbers_print(fl->state.now);
	out_json(follow_numbers_json(fl->state.now));
	if (!err)
		return EXIT_OK;
	p_err("follow: rtnetlink: %s", strerror(-err));
	return EXIT_REFUSED;
}

static int parse(int argc, char **argv, bool *events, __u32 *rcvbuf)
{
	static const char *const words[] = { "events", "rcvbuf", NULL };
	const char *value;
	int i;

	for (i = 0; i < argc; i++) {
		switch (arg_keyword("follow", argv[i], words)) {
		case 0:
			*events = true;
			break;
		case 1:
			value = arg_value(argc, argv, &i);
			if (!value || arg_count("rcvbuf", value, RCVBUF_MIN, RCVBUF_MAX, rcvbuf))
				return EXIT_USAGE;
			break;
		default:
			return EXIT_USAGE;
		}
	}
	return EXIT_OK;
}

static int follow_namespace(struct follower *fl, __u32 rcvbuf)
{
	struct ns ns;
	int err;

	err = host_check();
	if (!err)
		err = ns_enter(NULL, &ns);
	if (!err)
		err = gens_open(&fl->gens, &ns);
	if (!err)
		err = follow_state_open(&fl->state, &ns);
	if (err)
		return err;
	fl->forward.dir = fl->gens.pin[0].dir;
	follow_first();
	err = listen_all(fl, rcvbuf);
	if (!err)
		err = run(fl, &ns);
	settle_close(&fl->settle);
	follow_close(&fl->follow);
	follow_state_close(&fl->state);
	forward_follow_close(&fl->forward);
	return err;
}

int rtcache_follow(int argc, char **argv)
{
	struct follower *fl = calloc(1, sizeof(*fl));
	__u32 rcvbuf = RCVBUF_DEFAULT;
	int err;

	if (!fl) {
		p_err("follow: out of memory");
		return EXIT_REFUSED;
	}
	fl->follow.signals = -1;
	err = parse(argc, argv, &fl->events, &rcvbuf);
	if (!err)
		err = follow_namespace(fl, rcvbuf);
	free(fl);
	return err;
}
