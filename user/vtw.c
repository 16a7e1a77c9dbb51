// SPDX-License-Identifier: GPL-2.0
/*
 * vtw.c - `vestige vtw`: the remembered sessions and their settings.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include "args.h"
#include "cmd.h"
#include "endpoint.h"
#include "filter.h"
#include "flush.h"
#include "out.h"
#include "pins.h"
#include "record.h"
#include "stats.h"
#include "table.h"

static const int families[2] = { AF_INET, AF_INET6 };

struct pools {
	struct pins pins;
	struct table table[2];	/* as in families[] */
};

static int open_table(struct table *t, int family, const struct pins *p,
		      bool writable)
{
	int err = table_open(t, family, p->dir, writable);

	if (!err)
		return EXIT_OK;
	p_err("cannot map the %s pool below %s: %s", family_name(family), p->dir,
	      strerror(-err));
	return EXIT_REFUSED;
}

static void close_pools(struct pools *pools)
{
	table_close(&pools->table[0]);
	table_close(&pools->table[1]);
}

/* Everything that can fail does so before the first line is printed. */
static int open_pools(struct pools *pools, bool writable)
{
	int i, err = pins_open(&pools->pins, NULL);

	memset(pools->table, 0, sizeof(pools->table));
	for (i = 0; i < 2 && !err; i++)
		err = open_table(&pools->table[i], families[i], &pools->pins, writable);
	if (err)
		close_pools(pools);
	return err;
}

typedef void session_fn(struct table *t, const struct session *s, void *arg);

/* Call fn for each live session that passes the filter, IPv4 first. */
static void each_session(struct pools *pools, const struct filter *f, session_fn *fn,
			 void *arg)
{
	struct session s;
	__u32 pos;
	int i;

	for (i = 0; i < 2; i++) {
		struct table *t = &pools->table[i];

		if (!filter_family(f, t->family))
			continue;
		for (pos = 0; table_next(t, &pos, &s); )
			if (filter_match(f, &s))
				fn(t, &s, arg);
	}
}

/* ---- list, find -------------------------------------------------------------- */

static void measure(struct table *t, const struct session *s, void *arg)
{
	(void)t;
	columns_fit(arg, s);
}

static void print_text(struct table *t, const struct session *s, void *arg)
{
	(void)t;
	record_line(arg, s);
}

static void print_item(struct table *t, const struct session *s, void *arg)
{
	(void)t;
	record_array_item(arg, record_json(s));
}

/* Two walks: a session that comes in between may stick out of its column. */
static void list_text(struct pools *pools, const struct filter *f)
{
	struct columns c = COLUMNS_MIN;

	each_session(pools, f, measure, &c);
	record_head(&c);
	each_session(pools, f, print_text, &c);
}

static void list_json(struct pools *pools, const struct filter *f)
{
	struct record_array array = { 0 };

	each_session(pools, f, print_item, &array);
	record_array_end(&array);
}

static int vtw_list(int argc, char **argv)
{
	struct pools pools;
	struct filter f;
	int err;

	err = filter_parse(&f, argc, argv);
	if (!err)
		err = open_pools(&pools, false);
	if (err)
		return err;
	if (out.json)
		list_json(&pools, &f);
	else
		list_text(&pools, &f);
	close_pools(&pools);
	return EXIT_OK;
}

static int parse_full(const char *what, const char *word, struct endpoint *e)
{
	const char *wrong = endpoint_parse(word, e);

	if (!wrong && (!e->family || e->has_len || !e->has_port))
		wrong = "write ADDRESS:PORT, an IPv6 address in []";
	if (wrong)
		p_err("%s: '%s': %s", what, word, wrong);
	return wrong ? EXIT_USAGE : EXIT_OK;
}

static int parse_tuple(int argc, char **argv, int *family, struct vtw_key *key)
{
	struct endpoint local, peer;

	if (argc != 2) {
		p_err("find: write LOCAL:PORT PEER:PORT");
		return EXIT_USAGE;
	}
	if (parse_full("local", argv[0], &local) || parse_full("peer", argv[1], &peer))
		return EXIT_USAGE;
	if (local.family != peer.family) {
		p_err("find: '%s' and '%s' are of different families", argv[0], argv[1]);
		return EXIT_USAGE;
	}
	memset(key, 0, sizeof(*key));
	memcpy(key->laddr, local.addr, sizeof(key->laddr));
	memcpy(key->raddr, peer.addr, sizeof(key->raddr));
	key->lport = local.port;
	key->rport = peer.port;
	*family = local.family;
	return EXIT_OK;
}

/* More than one can match: sessions that were bound to different devices. */
static int print_found(struct table *t, const struct vtw_key *key)
{
	struct record_array array = { 0 };
	struct columns c = COLUMNS_MIN;
	struct session s;
	__u32 pos = 0;
	int found = 0;

	while (table_find(t, key, &pos, &s)) {
		columns_fit(&c, &s);
		if (!found++)
			record_head(&c);
		if (out.json)
			record_array_item(&array, record_json(&s));
		else
			record_line(&c, &s);
	}
	if (found && out.json)
		record_array_end(&array);
	return found;
}

/* Nothing found is a refusal, as `ip route get` has it for want of a route. */
static int vtw_lookup(int argc, char **argv)
{
	struct vtw_key key;
	struct table t;
	struct pins p;
	int family, err, found;

	err = parse_tuple(argc, argv, &family, &key);
	if (!err)
		err = pins_open(&p, NULL);
	if (!err)
		err = open_table(&t, family, &p, false);
	if (err)
		return err;
	found = print_found(&t, &key);
	table_close(&t);
	if (found)
		return EXIT_OK;
	p_err("no session is remembered from %s to %s", argv[0], argv[1]);
	return EXIT_REFUSED;
}

/* ---- flush ---------------------------------------------------------------------- */

static void flush_one(struct table *t, const struct session *s, void *arg)
{
	flush_session(arg, t, s);
}

static int vtw_flush(int argc, char **argv)
{
	struct json_object *obj;
	struct pools pools;
	struct flush *fl;
	struct filter f;
	__u32 gone;
	int err;

	err = filter_parse(&f, argc, argv);
	if (!err)
		err = open_pools(&pools, true);
	if (err)
		return err;
	fl = flush_begin(&pools.pins, pools.table);
	if (!fl) {
		close_pools(&pools);
		return EXIT_REFUSED;
	}
	each_session(&pools, &f, flush_one, fl);
	gone = flush_end(fl);
	close_pools(&pools);
	p_text("%u session%s forgotten\n", gone, gone == 1 ? "" : "s");
	obj = json_object_new_object();
	out_num(obj, "flushed", gone);
	out_json(obj);
	return EXIT_OK;
}

/* ---- set ------------------------------------------------------------------------ */

static const char *restarts_text(__u32 restarts, char *buf, size_t size)
{
	if (restarts > VTW_MAX_RESTARTS)
		return "unlimited";
	snprintf(buf, size, "%u", restarts);
	return buf;
}

static void show_settings(const struct vtw_config *cfg)
{
	struct json_object *obj = json_object_new_object();
	char buf[16];

	p_text("reopen %s\nrestarts %s\nchecksum %s\nbind-guard %s\n",
	       cfg->reopen ? "on" : "off",
	       restarts_text(cfg->restarts, buf, sizeof(buf)),
	       cfg->verify_csum ? "on" : "off", cfg->bind_guard ? "on" : "off");
	out_bool(obj, "reopen", cfg->reopen);
	if (cfg->restarts > VTW_MAX_RESTARTS)
		out_str(obj, "restarts", "unlimited");
	else
		out_num(obj, "restarts", cfg->restarts);
	out_bool(obj, "checksum", cfg->verify_csum);
	out_bool(obj, "bind_guard", cfg->bind_guard);
	out_json(obj);
}

static int parse_restarts(const char *word, __u32 *restarts)
{
	if (!strcmp(word, "unlimited")) {
		*restarts = VTW_MAX_RESTARTS + 1;
		return EXIT_OK;
	}
	return arg_count("restarts", word, 0, VTW_MAX_RESTARTS, restarts);
}

/* What the words ask for, on top of what is set. */
static int parse_settings(struct vtw_config *cfg, int argc, char **argv)
{
	static const char *const names[] = {
		"reopen", "restarts", "checksum", "bind-guard", NULL
	};
	const char *word;
	bool on = false;
	int i, n, err;

	for (i = 0; i < argc; i++) {
		n = arg_keyword("set", argv[i], names);
		word = n < 0 ? NULL : arg_value(argc, argv, &i);
		if (!word)
			return EXIT_USAGE;
		err = n == 1 ? parse_restarts(word, &cfg->restarts) :
			       arg_onoff(names[n], word, &on);
		if (err)
			return err;
		if (n == 0)
			cfg->reopen = on;
		else if (n == 2)
			cfg->verify_csum = on;
		else if (n == 3)
			cfg->bind_guard = on;
	}
	return EXIT_OK;
}

/*
 * The words are read twice: wrong ones are told before anything is opened. Each
 * field is stored by itself, so that a setting made elsewhere at the same time stays.
 */
static int vtw_set(int argc, char **argv)
{
	struct vtw_config wanted = { 0 }, *cfg;
	struct pins p;
	size_t size;
	int err;

	err = parse_settings(&wanted, argc, argv);
	if (!err)
		err = pins_open(&p, NULL);
	if (err)
		return err;
	cfg = table_map(p.dir, "config", true, &size);
	if (!cfg) {
		p_err("cannot map the settings below %s: %s", p.dir, strerror(errno));
		return EXIT_REFUSED;
	}
	parse_settings(cfg, argc, argv);
	if (!argc)
		show_settings(cfg);
	table_unmap(cfg, size);
	return EXIT_OK;
}

static const struct cmd cmds[] = {
	{ "list",  vtw_list,   "live sessions; [FILTER]" },
	{ "find",  vtw_lookup, "one of them; LOCAL:PORT PEER:PORT" },
	{ "flush", vtw_flush,  "forget sessions; [FILTER]" },
	{ "stats", vtw_stats,  "what happened; [all] or reset" },
	{ "set",   vtw_set,
	  "reopen on|off, restarts N|unlimited, checksum on|off, bind-guard on|off" },
	{ NULL, NULL, NULL },
};

int do_vtw(int argc, char **argv)
{
	return cmd_select(cmds, "vtw", argc, argv);
}
