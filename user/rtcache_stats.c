// SPDX-License-Identifier: GPL-2.0
/*
 * rtcache_stats.c - `vestige rtcache stats | flush`: who keeps the generations of this
 * namespace, where they stand, and what has moved them.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <linux/genetlink.h>

#include <uapi/linux/vestige_rtcache.h>
#include <vestige/rtcache.h>

#include "args.h"
#include "cmd.h"
#include "follow.h"
#include "follow_state.h"
#include "gens.h"
#include "host.h"
#include "out.h"
#include "rtcache.h"
#include "rtcache_event.h"
#include "rtcache_nl.h"

/* ---- the module ---------------------------------------------------------------------- */

struct family_stats {
	__u32 family, obstacles;
	__u64 gen, settles, untold;
	__u32 reasons;			/* that it counts */
	__u64 counter[RTCACHE_REASON_MAX];
};

struct module_stats {
	__u32 holders;
	struct family_stats family[RTCACHE_FAMILIES];
};

static void read_counters(const struct nlattr *attr, struct family_stats *fs)
{
	size_t len = mnl_attr_get_payload_len(attr);

	/* A newer module may know more. */
	if (len > sizeof(fs->counter))
		len = sizeof(fs->counter);
	memcpy(fs->counter, mnl_attr_get_payload(attr), len);
	fs->reasons = len / sizeof(fs->counter[0]);
}

static void read_family_attr(const struct nlattr *attr, struct family_stats *fs)
{
	switch (mnl_attr_get_type(attr)) {
	case VESTIGE_RTCACHE_A_FAMILY:
		fs->family = mnl_attr_get_u8(attr);
		break;
	case VESTIGE_RTCACHE_A_GEN:
		fs->gen = mnl_attr_get_u64(attr);
		break;
	case VESTIGE_RTCACHE_A_OBSTACLES:
		fs->obstacles = mnl_attr_get_u32(attr);
		break;
	case VESTIGE_RTCACHE_A_SETTLES:
		fs->settles = mnl_attr_get_u64(attr);
		break;
	case VESTIGE_RTCACHE_A_UNTOLD:
		fs->untold = mnl_attr_get_u64(attr);
		break;
	case VESTIGE_RTCACHE_A_COUNTERS:
		read_counters(attr, fs);
		break;
	}
}

static void read_family(const struct nlattr *nest, struct module_stats *ms)
{
	struct family_stats fs = {};
	const struct nlattr *attr;

	mnl_attr_for_each_nested(attr, nest)
		read_family_attr(attr, &fs);
	if (fs.family < RTCACHE_FAMILIES)
		ms->family[fs.family] = fs;
}

static int read_stats(const struct nlmsghdr *msg, void *arg)
{
	struct module_stats *ms = arg;
	const struct nlattr *attr;

	mnl_attr_for_each(attr, msg, sizeof(struct genlmsghdr)) {
		if (mnl_attr_get_type(attr) == VESTIGE_RTCACHE_A_HOLDERS)
			ms->holders = mnl_attr_get_u32(attr);
		else if (mnl_attr_get_type(attr) == VESTIGE_RTCACHE_A_STATS)
			read_family(attr, ms);
	}
	return MNL_CB_OK;
}

static void print_family(const struct family_stats *fs)
{
	char buf[RTCACHE_OBSTACLES_STRLEN];
	__u32 i;

	p_text("%-5s generation %llu%s, settled %llu times, untold %llu%s%s\n",
	       rtcache_family_name(fs->family), (unsigned long long)fs->gen,
	       fs->gen & 1 ? " (in flux)" : "", (unsigned long long)fs->settles,
	       (unsigned long long)fs->untold, fs->obstacles ? ", obstacles: " : "",
	       rtcache_obstacles_text(fs->obstacles, buf));
	for (i = 0; i < fs->reasons; i++)
		if (fs->counter[i])
			p_text("      %-11s %llu\n", rtcache_reason_name(i),
			       (unsigned long long)fs->counter[i]);
}

static struct json_object *family_json(const struct family_stats *fs)
{
	struct json_object *obj = json_object_new_object();
	struct json_object *counters = json_object_new_object();
	__u32 i;

	out_num(obj, "generation", fs->gen);
	out_num(obj, "settles", fs->settles);
	out_num(obj, "untold", fs->untold);
	json_object_object_add(obj, "obstacles", rtcache_obstacles_json(fs->obstacles));
	for (i = 0; i < fs->reasons; i++)
		out_num(counters, rtcache_reason_name(i), fs->counter[i]);
	json_object_object_add(obj, "counters", counters);
	return obj;
}

/* 0; -ENOENT: no module. */
static int module_stats(struct json_object *all)
{
	struct module_stats ms = {};
	struct json_object *obj;
	struct rtcache_nl nl;
	int f, err;

	err = rtcache_nl_open(&nl);
	if (err)
		return err;
	err = rtcache_nl_get(&nl, read_stats, &ms);
	rtcache_nl_close(&nl);
	if (err)
		return err;
	obj = json_object_new_object();
	p_text("module, %u cached routes of its own\n", ms.holders);
	out_num(obj, "holders", ms.holders);
	for (f = 0; f < RTCACHE_FAMILIES; f++) {
		ms.family[f].family = f;
		print_family(&ms.family[f]);
		json_object_object_add(obj, rtcache_family_name(f), family_json(&ms.family[f]));
	}
	json_object_object_add(all, "module", obj);
	return 0;
}

/* ---- follow, and the maps -------------------------------------------------------------- */

static bool follow_stats(const struct ns *ns, struct json_object *all)
{
	struct follow_numbers now;

	if (!follow_state_read(ns, &now))
		return false;
	p_text("follow, process %llu\n", (unsigned long long)now.pid);
	follow_numbers_print(&now);
	json_object_object_add(all, "follow", follow_numbers_json(&now));
	return true;
}

static const char *voucher(const struct rtcache_gens *g)
{
	if (g->lease_ns == RTCACHE_FOREVER)
		return "module";
	return rtcache_vouched(g, follow_now_ns()) ? "follow" : "nobody";
}

static void map_stats(const char *part, const struct rtcache_gens *g, struct json_object *list)
{
	struct json_object *obj = json_object_new_object();

	p_text("map of %s: inet %llu, inet6 %llu, kept by %s\n", part,
	       (unsigned long long)g->gen[RTCACHE_INET],
	       (unsigned long long)g->gen[RTCACHE_INET6], voucher(g));
	out_str(obj, "part", part);
	out_num(obj, "inet", g->gen[RTCACHE_INET]);
	out_num(obj, "inet6", g->gen[RTCACHE_INET6]);
	out_str(obj, "kept_by", voucher(g));
	json_object_array_add(list, obj);
}

static void all_maps(const struct ns *ns, struct json_object *all)
{
	struct json_object *list = json_object_new_array();
	struct rtcache_gens copy;
	struct gens g;
	int i;

	/* Without bpffs there are none, which is nothing to complain of. */
	if (!gens_find(&g, ns))
		for (i = 0; i < GENS_PARTS; i++)
			if (gens_read(&g, i, &copy))
				map_stats(gens_part(i), &copy, list);
	json_object_object_add(all, "maps", list);
}

static int no_words(const char *what, int argc, char **argv)
{
	if (!argc)
		return EXIT_OK;
	p_err("%s: '%s' is one word too many", what, argv[0]);
	return EXIT_USAGE;
}

int rtcache_stats(int argc, char **argv)
{
	struct json_object *all;
	bool follows;
	struct ns ns;
	int err;

	err = no_words("stats", argc, argv);
	if (!err)
		err = host_root();
	if (!err)
		err = ns_enter(NULL, &ns);
	if (err)
		return err;
	all = json_object_new_object();
	err = module_stats(all);
	follows = follow_stats(&ns, all);
	if (err && !follows) {
		json_object_put(all);
		return rtcache_nl_refused("stats", err);
	}
	all_maps(&ns, all);
	out_json(all);
	return EXIT_OK;
}

/* ---- flush --------------------------------------------------------------------------------- */

int rtcache_flush(int argc, char **argv)
{
	static const char *const words[] = { "inet", "inet6", NULL };
	__u32 families = RTCACHE_BOTH;
	struct rtcache_nl nl;
	int family, err;

	if (argc) {
		family = arg_keyword("flush", argv[0], words);
		if (family < 0 || no_words("flush", argc - 1, argv + 1))
			return EXIT_USAGE;
		families = 1 << family;
	}
	err = rtcache_nl_open(&nl);
	if (err)
		return rtcache_nl_refused("flush", err);
	err = rtcache_nl_flush(&nl, families);
	rtcache_nl_close(&nl);
	return err ? rtcache_nl_refused("flush", err) : EXIT_OK;
}
