// SPDX-License-Identifier: GPL-2.0
/* selsrc.c - `vestige selsrc`: source addresses by policy. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "args.h"
#include "cmd.h"
#include "follow.h"
#include "out.h"
#include "selsrc.h"
#include "selsrc_event.h"

/* ---- show ------------------------------------------------------------------------------ */

#define NR_COUNTERS (sizeof(struct selsrc_stats) / sizeof(__u64))

static const struct counter {
	const char *name, *what;
} counters[NR_COUNTERS] = {
#define COUNTER(name, what) { #name, what },
	SELSRC_STATS(COUNTER)
#undef COUNTER
};

static int read_stats(const struct selsrc *s, __u64 *sum)
{
	int cpus = libbpf_num_possible_cpus(), cpu, err;
	__u64 *value;
	__u32 zero = 0;
	size_t i;

	memset(sum, 0, sizeof(struct selsrc_stats));
	value = cpus > 0 ? calloc(cpus, sizeof(struct selsrc_stats)) : NULL;
	if (!value)
		return -ENOMEM;
	err = bpf_map_lookup_elem(s->stats, &zero, value);
	for (cpu = 0; cpu < cpus && !err; cpu++)
		for (i = 0; i < NR_COUNTERS; i++)
			sum[i] += value[cpu * NR_COUNTERS + i];
	free(value);
	return err;
}

static void show_counters(const __u64 *sum, struct json_object *obj)
{
	struct json_object *list = json_object_new_object();
	size_t i;

	for (i = 0; i < NR_COUNTERS; i++) {
		if (sum[i])
			p_text("%-14s %12llu  %s\n", counters[i].name,
			       (unsigned long long)sum[i], counters[i].what);
		out_num(list, counters[i].name, sum[i]);
	}
	json_object_object_add(obj, "counters", list);
}

static void show_sets(const struct selsrc *s, struct json_object *obj)
{
	struct json_object *list = json_object_new_array(), *one;
	int i;

	for (i = 0; i < SELSRC_SETS; i++) {
		if (s->set[i].state != SET_ATTACHED)
			continue;
		p_text("cgroup %s\n", s->set[i].cgroup);
		one = json_object_new_object();
		out_str(one, "cgroup", s->set[i].cgroup);
		json_object_array_add(list, one);
	}
	json_object_object_add(obj, "cgroups", list);
}

/* Why the tables of a family are not used; NULL: they are. */
const char *selsrc_unused(const struct selsrc *s, int family)
{
	static const char *const doubts[] = {
		[SELSRC_DOUBT_RULES] = "policy routing",
		[SELSRC_DOUBT_VRF] = "a VRF",
		[SELSRC_DOUBT_ADDRS] = "a device has too many addresses",
		[SELSRC_DOUBT_CLASSES] = "a device has addresses of too many kinds",
		[SELSRC_DOUBT_FULL] = "a table is full",
		[SELSRC_DOUBT_OTHER] = "labels for single devices",
	};
	const struct selsrc_head *head = &s->state->head[s->state->version & 1];

	if (!rtcache_vouched(s->gens, follow_now_ns()))
		return "nobody follows the kernel: 'vestige selsrc follow'";
	if (head->doubt[family])
		return head->doubt[family] <= SELSRC_DOUBT_OTHER ? doubts[head->doubt[family]] :
								   "unknown";
	return NULL;
}

/* What is sent without connect() waits for tables that are of this moment. */
static const char *use_of(const struct selsrc *s, int family)
{
	__u64 gen = rtcache_gen(s->gens, family);

	return rtcache_settled(gen) && gen == s->state->head[s->state->version & 1].gen[family] ?
	       "in use" : "in use by connect() alone, while addresses or routes change";
}

static void show_family(const struct selsrc *s, const char *name, int family,
			struct json_object *obj)
{
	const char *why = selsrc_unused(s, family);

	p_text("%s %s%s\n", name, why ? "left to the kernel: " : use_of(s, family),
	       why ? why : "");
	out_str(obj, name, why ? why : use_of(s, family));
}

/* Who says that an address is a source no more? */
static void show_events(const struct selsrc *s, struct json_object *obj)
{
	bool module = event_heard(s);

	p_text("addresses that go: %s\n", module ? "out at once, by the module" :
						   "out when 'follow' hears of it");
	out_str(obj, "events", module ? "module" : "follow");
}

int selsrc_show(int argc, char **argv)
{
	__u64 sum[NR_COUNTERS];
	struct json_object *obj;
	struct selsrc s;
	int err;

	if (argc) {
		p_err("selsrc show: '%s' is one word too many", argv[0]);
		return EXIT_USAGE;
	}
	err = selsrc_open(&s, NULL, false);
	if (err)
		return err;
	err = read_stats(&s, sum);
	if (err) {
		p_err("map 'stats' cannot be read: %s", strerror(-err));
		selsrc_close(&s);
		return EXIT_REFUSED;
	}
	obj = json_object_new_object();
	show_sets(&s, obj);
	show_family(&s, "inet", RTCACHE_INET, obj);
	show_family(&s, "inet6", RTCACHE_INET6, obj);
	show_events(&s, obj);
	show_counters(sum, obj);
	out_json(obj);
	selsrc_close(&s);
	return EXIT_OK;
}

/* ---- the table of commands --------------------------------------------------------------- */

static const struct cmd cmds[] = {
	{ "attach",  selsrc_attach,
	  "[netns NAME] [cgroup PATH] [conf FILE] [dual-stack] [follow]" },
	{ "detach",  selsrc_detach,  "[netns NAME] [cgroup PATH]" },
	{ "show",    selsrc_show,    "cgroups, state, counters" },
	{ "policy",  selsrc_policy,  "set default|DEV FUNC[,FUNC...] | del default|DEV | show" },
	{ "explain", selsrc_explain, "DEST [dev DEV] [cgroup PATH]" },
	{ "follow",  selsrc_follow,  "keep the tables in step with the kernel" },
	{ NULL, NULL, NULL },
};

int do_selsrc(int argc, char **argv)
{
	return argc ? cmd_select(cmds, "selsrc", argc, argv) : selsrc_show(argc, argv);
}
