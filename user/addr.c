// SPDX-License-Identifier: GPL-2.0
/* addr.c - `vestige addr`: preferences of addresses. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <bpf/bpf.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include "args.h"
#include "cmd.h"
#include "endpoint.h"
#include "out.h"
#include "selsrc.h"
#include "selsrc_edit.h"
#include "selsrc_model.h"

/* ---- pref set, pref del --------------------------------------------------------- */

/* What is read back next time is the map; the model is what is written now. */
static int put_pref(struct selsrc *s, struct model *m, const struct selsrc_pref_key *key,
		    __s16 preference)
{
	struct model_pref *p = NULL;
	__u32 i;
	int err = bpf_map_update_elem(s->prefs, key, &preference, BPF_ANY);

	for (i = 0; i < m->nr_prefs; i++)
		if (!memcmp(&m->prefs[i].key, key, sizeof(*key)))
			p = &m->prefs[i];
	if (!err && !p) {
		p = realloc(m->prefs, (m->nr_prefs + 1) * sizeof(*p));
		if (!p)
			return -ENOMEM;
		m->prefs = p;
		p += m->nr_prefs++;
		p->key = *key;
	}
	if (!err)
		p->preference = preference;
	return err;
}

static int refuse_write(int err)
{
	if (err == -E2BIG || err == -ENOSPC)
		p_err("addr pref: there are %u preferences, the most there can be",
		      SELSRC_MAX_PREFS);
	else
		p_err("addr pref: %s", strerror(-err));
	return EXIT_REFUSED;
}

static int set_pref(struct selsrc *s, struct model *m, void *arg)
{
	struct selsrc_wish *wish = arg;
	char wrong[WORDS_WRONG];
	struct selsrc_pref_key key;
	int err;

	if (!words_find(&m->krn, wish, wrong)) {
		p_err("addr pref: %s", wrong);
		return EXIT_REFUSED;
	}
	key = model_pref_key(wish->ifindex, wish->family, wish->addr);
	err = put_pref(s, m, &key, wish->preference);
	return err ? refuse_write(err) : EXIT_OK;
}

/* Of an address that is gone, too; not of a device. */
static int del_pref(struct selsrc *s, struct model *m, void *arg)
{
	struct selsrc_wish *wish = arg;
	const struct krn_dev *dev = krn_dev_by_name(&m->krn, wish->dev);
	char text[ENDPOINT_STRLEN];
	struct selsrc_pref_key key;
	__u32 i;
	int err;

	if (!dev) {
		p_err("addr pref: device '%s' does not exist in this namespace", wish->dev);
		return EXIT_REFUSED;
	}
	key = model_pref_key(dev->ifindex, wish->family, wish->addr);
	err = bpf_map_delete_elem(s->prefs, &key);
	if (err == -ENOENT) {
		p_err("addr pref: %s on %s has none; 'vestige addr show' lists them",
		      address_text(wish->family, wish->addr, text), wish->dev);
		return EXIT_REFUSED;
	}
	for (i = 0; i < m->nr_prefs; i++)
		if (!memcmp(&m->prefs[i].key, &key, sizeof(key)))
			m->prefs[i].preference = 0;
	return err ? refuse_write(err) : EXIT_OK;
}

/* ADDR dev DEV, and N if it is wanted. */
static int parse_pref(int argc, char **argv, bool number, struct selsrc_wish *wish)
{
	static const char *const words[] = { "dev", NULL };
	char wrong[WORDS_WRONG];

	if (argc != (number ? 4 : 3)) {
		p_err(number ? "pref set: write ADDR dev DEV N" : "pref del: write ADDR dev DEV");
		return EXIT_USAGE;
	}
	if (arg_keyword("addr pref", argv[1], words) < 0)
		return EXIT_USAGE;
	if (words_pref(argv[0], argv[2], number ? argv[3] : NULL, wish, wrong))
		return EXIT_OK;
	p_err("addr pref: %s", wrong);
	return EXIT_USAGE;
}

static int pref_set(int argc, char **argv)
{
	struct selsrc_wish wish;
	int ret = parse_pref(argc, argv, true, &wish);

	return ret ? ret : selsrc_edit(set_pref, &wish);
}

static int pref_del(int argc, char **argv)
{
	struct selsrc_wish wish;
	int ret = parse_pref(argc, argv, false, &wish);

	return ret ? ret : selsrc_edit(del_pref, &wish);
}

static const struct cmd pref_cmds[] = {
	{ "set", pref_set, "ADDR dev DEV N; -32768 to 32767, 0 if never set" },
	{ "del", pref_del, "ADDR dev DEV" },
	{ NULL, NULL, NULL },
};

static int addr_pref(int argc, char **argv)
{
	return cmd_select(pref_cmds, "addr pref", argc, argv);
}

/* ---- show ------------------------------------------------------------------------- */

static const char *scope_name(__u8 scope, char *buf, size_t size)
{
	if (scope == RT_SCOPE_UNIVERSE)
		return "global";
	if (scope == RT_SCOPE_SITE)
		return "site";
	if (scope == RT_SCOPE_LINK)
		return "link";
	if (scope == RT_SCOPE_HOST)
		return "host";
	snprintf(buf, size, "%u", scope);
	return buf;
}

static void show_addr(const struct model *m, const struct krn_addr *a, struct json_object *list)
{
	const struct selsrc_pref_key key = model_pref_key(a->ifindex, a->family, a->addr);
	const struct krn_dev *dev = krn_dev(&m->krn, a->ifindex);
	struct json_object *obj = json_object_new_object();
	bool deprecated = a->flags & IFA_F_DEPRECATED;
	bool tentative = a->flags & (IFA_F_TENTATIVE | IFA_F_DADFAILED);
	char text[ENDPOINT_STRLEN], buf[8];
	int preference = model_preference(m, &key);

	address_text(a->family, a->addr, text);
	p_text("%s/%u dev %s scope %s%s%s preference %d\n", text, a->plen, dev ? dev->name : "?",
	       scope_name(a->scope, buf, sizeof(buf)), deprecated ? " deprecated" : "",
	       tentative ? " tentative" : "", preference);
	out_str(obj, "address", text);
	out_num(obj, "prefixlen", a->plen);
	out_str(obj, "dev", dev ? dev->name : "?");
	out_str(obj, "scope", scope_name(a->scope, buf, sizeof(buf)));
	out_bool(obj, "deprecated", deprecated);
	out_bool(obj, "tentative", tentative);
	json_object_object_add(obj, "preference", json_object_new_int(preference));
	json_object_array_add(list, obj);
}

static int addr_show(int argc, char **argv)
{
	struct json_object *list;
	struct selsrc s;
	struct model m;
	__u32 i;
	int err;

	if (argc) {
		p_err("addr show: '%s' is one word too many", argv[0]);
		return EXIT_USAGE;
	}
	err = selsrc_open(&s, NULL, false);
	if (err)
		return err;
	list = json_object_new_array();
	err = model_read_wishes(&m, &s);
	if (!err)
		err = krn_read(&m.krn, KRN_ADDRS);
	for (i = 0; i < m.krn.nr_addrs && !err; i++)
		show_addr(&m, &m.krn.addrs[i], list);
	model_free(&m);
	selsrc_close(&s);
	if (err)
		p_err("addresses cannot be listed: %s", strerror(-err));
	out_json(list);
	return err ? EXIT_REFUSED : EXIT_OK;
}

static const struct cmd cmds[] = {
	{ "pref", addr_pref, "set ADDR dev DEV N | del ADDR dev DEV" },
	{ "show", addr_show, "addresses with their preferences" },
	{ NULL, NULL, NULL },
};

int do_addr(int argc, char **argv)
{
	return argc ? cmd_select(cmds, "addr", argc, argv) : addr_show(argc, argv);
}
