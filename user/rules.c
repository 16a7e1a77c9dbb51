// SPDX-License-Identifier: GPL-2.0
/*
 * rules.c - `vestige mslt rule`: lengths by prefix of the peer.
 *
 * A rule gives sessions a class: one of the three by nearness, or one of the
 * VTW_RINGS - VTW_CLASS_RULE that stand for a length. Rules of equal length
 * share a class. A class that no rule uses any more may still have live
 * records; it keeps its length until another length needs it, and one without
 * live records is taken first. If there is none, one with live records is taken
 * all the same: for these it is as if the length of their class had been
 * changed with `mslt set`. They live as long as they were promised, but
 * younger ones of another length share their ring, so until the last of
 * them has gone, oldest-first holds for this ring by entry, not by expiry.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include <bpf/bpf.h>
#include "args.h"
#include "cmd.h"
#include "mslt.h"
#include "out.h"
#include "record.h"
#include "rules.h"
#include "table.h"

/* Both kinds of key: a length and up to four words of address. */
struct rule_key {
	__u32 len;
	__be32 addr[4];
};

_Static_assert(sizeof(struct rule_key) == sizeof(struct vtw6_prefix), "one key for both");

static const char *map_name(int family)
{
	return family == AF_INET6 ? "rules6" : "rules4";
}

typedef void rule_fn(int family, const struct rule_key *key, const struct vtw_rule *rule,
		     void *arg);

static int each_rule_of(const struct pins *p, int family, rule_fn *fn, void *arg)
{
	struct rule_key key, next = { 0 };
	struct vtw_rule rule;
	void *prev = NULL;
	int fd;

	fd = pins_map(p, map_name(family));
	if (fd < 0)
		return EXIT_REFUSED;
	while (!bpf_map_get_next_key(fd, prev, &next)) {
		key = next;
		prev = &key;
		if (!bpf_map_lookup_elem(fd, &key, &rule))
			fn(family, &key, &rule, arg);
	}
	close(fd);
	return EXIT_OK;
}

static int each_rule(const struct pins *p, rule_fn *fn, void *arg)
{
	int err = each_rule_of(p, AF_INET, fn, arg);

	return err ? err : each_rule_of(p, AF_INET6, fn, arg);
}

/* ---- show ------------------------------------------------------------------- */

struct show {
	const struct vtw_config *cfg;
	struct json_object *array;
};

static const char *prefix_text(int family, const __be32 *addr, __u32 len, char *text,
			       size_t size)
{
	char buf[ENDPOINT_STRLEN];

	snprintf(text, size, "%s/%u", address_text(family, addr, buf), len);
	return text;
}

static void show_rule(int family, const struct rule_key *key, const struct vtw_rule *rule,
		      void *arg)
{
	struct show *show = arg;
	__u32 ms = show->cfg->length_ms[rule->class & (VTW_RINGS - 1)];
	struct json_object *obj = json_object_new_object();
	char text[ENDPOINT_STRLEN + 8], length[DURATION_STRLEN];
	bool named = rule->class < VTW_CLASS_RULE;

	prefix_text(family, key->addr, key->len, text, sizeof(text));
	p_text("rule %s %s\n", text,
	       named ? class_name(rule->class) : format_duration(ms, length));
	out_str(obj, "prefix", text);
	out_str(obj, "class", class_name(rule->class));
	out_num(obj, "length_ms", ms);
	json_object_array_add(show->array, obj);
}

int rules_show(const struct pins *p, const struct vtw_config *cfg, struct json_object *obj)
{
	struct show show = { cfg, json_object_new_array() };

	json_object_object_add(obj, "rules", show.array);
	return each_rule(p, show_rule, &show);
}

/* ---- classes ---------------------------------------------------------------- */

static void mark_class(int family, const struct rule_key *key, const struct vtw_rule *rule,
		       void *arg)
{
	(void)family;
	(void)key;
	((bool *)arg)[rule->class & (VTW_RINGS - 1)] = true;
}

static int count_live(const struct pins *p, __u32 *live)
{
	static const int families[2] = { AF_INET, AF_INET6 };
	struct table t;
	int i;

	for (i = 0; i < 2; i++) {
		if (table_open(&t, families[i], p->dir, false)) {
			p_err("cannot map the pools below %s", p->dir);
			return EXIT_REFUSED;
		}
		table_count(&t, live);
		table_close(&t);
	}
	return EXIT_OK;
}

/* How well a class suits a new length; the least is the best, 0 cannot be beaten. */
static int unfit(const struct vtw_config *cfg, __u32 class, __u32 ms, const bool *used,
		 const __u32 *live)
{
	if (cfg->length_ms[class] == ms)
		return 0;
	if (used[class])
		return 3;
	return live[class] ? 2 : 1;
}

static void say_full(const struct vtw_config *cfg)
{
	char list[256] = "", length[DURATION_STRLEN];
	size_t n = 0;
	__u32 class;

	for (class = VTW_CLASS_RULE; class < VTW_RINGS; class++)
		n += snprintf(list + n, sizeof(list) - n, " %s",
			      format_duration(cfg->length_ms[class], length));
	p_err("rules have %u different lengths already, the most there can be: "
	      "take one of them (%s) or a class", VTW_RINGS - VTW_CLASS_RULE, list + 1);
}

/* The class for rules that last `ms`. */
static int choose_class(const struct pins *p, struct vtw_config *cfg, __u32 ms, __u32 *class)
{
	__u32 live[VTW_RINGS] = { 0 }, c;
	bool used[VTW_RINGS] = { false };
	int least = 3, rank;

	if (each_rule(p, mark_class, used) || count_live(p, live))
		return EXIT_REFUSED;
	for (c = VTW_CLASS_RULE; c < VTW_RINGS; c++) {
		rank = unfit(cfg, c, ms, used, live);
		if (rank >= least)
			continue;
		least = rank;
		*class = c;
	}
	if (least == 3) {
		say_full(cfg);
		return EXIT_REFUSED;
	}
	/* Before any rule names the class: BPF reads the two at any moment. */
	__atomic_store_n(&cfg->length_ms[*class], ms, __ATOMIC_RELEASE);
	return EXIT_OK;
}

/* ---- add, delete ------------------------------------------------------------ */

static int parse_prefix(const char *word, struct endpoint *e)
{
	char good[ENDPOINT_STRLEN + 8];
	const char *wrong = endpoint_parse(word, e);

	if (!wrong && (!e->family || e->has_port))
		wrong = "a rule wants ADDRESS/LENGTH and nothing else";
	if (wrong) {
		p_err("rule: '%s': %s", word, wrong);
		return EXIT_USAGE;
	}
	if (!endpoint_host_bits(e))
		return EXIT_OK;
	endpoint_mask(e);
	p_err("rule: '%s' has bits set behind its length; perhaps %s was meant", word,
	      prefix_text(e->family, e->addr, e->len, good, sizeof(good)));
	return EXIT_USAGE;
}

/* A class by name, or a length: then *ms is not 0. */
static int parse_length(const char *word, __u32 *class, __u32 *ms)
{
	static const char *const near[] = { "loopback", "local", "remote", NULL };
	int n = match_keyword(word, near);

	*ms = 0;
	if (n < 0)
		return arg_duration("rule", word, ms);
	*class = n;
	return EXIT_OK;
}

static struct rule_key rule_key(const struct endpoint *e)
{
	struct rule_key key = { .len = e->len };

	memcpy(key.addr, e->addr, sizeof(key.addr));
	return key;
}

static int rule_write(const struct pins *p, const struct endpoint *e, __u32 class, __u32 ms)
{
	struct vtw_rule rule = { .class = class, .length_ms = ms };
	struct rule_key key = rule_key(e);
	int fd, err;

	fd = pins_map(p, map_name(e->family));
	if (fd < 0)
		return EXIT_REFUSED;
	err = bpf_map_update_elem(fd, &key, &rule, BPF_ANY) ? errno : 0;
	close(fd);
	if (err == ENOSPC)
		p_err("there are %u rules for this family, the most there can be; "
		      "delete one first", VTW_MAX_RULES);
	else if (err)
		p_err("cannot add the rule: %s", strerror(err));
	return err ? EXIT_REFUSED : EXIT_OK;
}

static int rule_add(int argc, char **argv)
{
	struct mslt_edit edit;
	struct endpoint e;
	__u32 class = 0, ms;
	int err;

	if (argc != 2) {
		p_err("rule add: write PREFIX and DURATION or CLASS");
		return EXIT_USAGE;
	}
	if (parse_prefix(argv[0], &e) || parse_length(argv[1], &class, &ms))
		return EXIT_USAGE;
	err = mslt_edit_begin(&edit);
	if (err)
		return err;
	if (ms)
		err = choose_class(&edit.pins, edit.cfg, ms, &class);
	if (!err)
		err = rule_write(&edit.pins, &e, class, ms);
	mslt_edit_end(&edit);
	return err;
}

static int rule_delete(int argc, char **argv)
{
	struct mslt_edit edit;
	struct rule_key key;
	struct endpoint e;
	int fd, err;

	if (argc != 1) {
		p_err("rule delete: write one PREFIX");
		return EXIT_USAGE;
	}
	if (parse_prefix(argv[0], &e))
		return EXIT_USAGE;
	err = mslt_edit_begin(&edit);
	if (err)
		return err;
	key = rule_key(&e);
	fd = pins_map(&edit.pins, map_name(e.family));
	err = fd < 0 ? EXIT_REFUSED : EXIT_OK;
	if (!err && bpf_map_delete_elem(fd, &key)) {
		if (errno == ENOENT)
			p_err("there is no rule for %s; 'vestige mslt show' lists them", argv[0]);
		else
			p_err("cannot delete the rule: %s", strerror(errno));
		err = EXIT_REFUSED;
	}
	if (fd >= 0)
		close(fd);
	mslt_edit_end(&edit);
	return err;
}

static const struct cmd cmds[] = {
	{ "add",    rule_add,    "add or change; PREFIX DURATION|loopback|local|remote" },
	{ "delete", rule_delete, "delete; PREFIX" },
	{ NULL, NULL, NULL },
};

int mslt_rule(int argc, char **argv)
{
	return cmd_select(cmds, "mslt rule", argc, argv);
}
