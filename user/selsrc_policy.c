// SPDX-License-Identifier: GPL-2.0
/* selsrc_policy.c - `vestige selsrc policy`: by what functions sources are ranked. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "args.h"
#include "cmd.h"
#include "out.h"
#include "selsrc.h"
#include "selsrc_edit.h"
#include "selsrc_model.h"

/* Which cgroup's policies: at the end of the line. NULL: the only one. */
static int take_cgroup(int argc, char **argv, const char **cgroup)
{
	static const char *const words[] = { "cgroup", NULL };
	int i = 0;

	*cgroup = NULL;
	if (!argc)
		return EXIT_OK;
	if (arg_keyword("selsrc policy", argv[0], words) < 0)
		return EXIT_USAGE;
	*cgroup = arg_value(argc, argv, &i);
	if (!*cgroup)
		return EXIT_USAGE;
	if (argc == 2)
		return EXIT_OK;
	p_err("selsrc policy: '%s' is one word too many", argv[2]);
	return EXIT_USAGE;
}

static int refuse(const char *wrong, int ret)
{
	p_err("selsrc policy: %s", wrong);
	return ret;
}

/* ---- set, del ----------------------------------------------------------------------------- */

struct change {
	struct selsrc_wish wish;
	const char *cgroup;
};

static int apply(struct selsrc *s, struct model *m, void *arg)
{
	struct change *c = arg;
	int set = selsrc_which(s, c->cgroup), err;
	char wrong[WORDS_WRONG];

	if (set < 0)
		return -set;
	if (!words_find(&m->krn, &c->wish, wrong))
		return refuse(wrong, EXIT_REFUSED);
	err = model_set_policy(m, set, c->wish.ifindex, c->wish.function, c->wish.functions);
	if (!err)
		return EXIT_OK;
	if (err == -ENOENT)
		p_err("selsrc policy: there is none for %s; 'vestige selsrc policy show' "
		      "lists them",
		      c->wish.dev[0] ? c->wish.dev : "default");
	else
		p_err("selsrc policy: %s", strerror(-err));
	return EXIT_REFUSED;
}

static int policy_set(int argc, char **argv)
{
	char wrong[WORDS_WRONG];
	struct change c;

	if (argc < 2) {
		p_err("policy set: write default or DEV, and FUNC[,FUNC...]");
		return EXIT_USAGE;
	}
	if (!words_policy(argv[0], argv[1], &c.wish, wrong))
		return refuse(wrong, EXIT_USAGE);
	if (take_cgroup(argc - 2, argv + 2, &c.cgroup))
		return EXIT_USAGE;
	return selsrc_edit(apply, &c);
}

static int policy_del(int argc, char **argv)
{
	char wrong[WORDS_WRONG];
	struct change c;

	if (!argc) {
		p_err("policy del: write default or DEV");
		return EXIT_USAGE;
	}
	if (!words_dev(argv[0], &c.wish, wrong))
		return refuse(wrong, EXIT_USAGE);
	if (take_cgroup(argc - 1, argv + 1, &c.cgroup))
		return EXIT_USAGE;
	return selsrc_edit(apply, &c);
}

/* ---- show ------------------------------------------------------------------------------------ */

static void show_one(const struct selsrc *s, const struct krn *krn, const struct model_policy *p,
		     struct json_object *list)
{
	const struct krn_dev *dev = p->ifindex ? krn_dev(krn, p->ifindex) : NULL;
	struct json_object *obj = json_object_new_object();
	struct json_object *functions = json_object_new_array();
	char text[POLICY_TEXTLEN];
	int i;

	p_text("%s %s cgroup %s\n", dev ? dev->name : "default",
	       policy_text(p->function, p->n, text), s->set[p->set].cgroup);
	out_str(obj, "cgroup", s->set[p->set].cgroup);
	out_bool(obj, "default", !p->ifindex);
	if (dev)
		out_str(obj, "dev", dev->name);
	for (i = 0; i < p->n; i++)
		json_object_array_add(functions, json_object_new_string(
			selsrc_function_name[p->function[i] % SELSRC_NR_FUNCTIONS]));
	json_object_object_add(obj, "functions", functions);
	json_object_array_add(list, obj);
}

/* Cgroups by their number, the default first. */
static void show_set(const struct selsrc *s, const struct model *m, int set,
		     struct json_object *list)
{
	const struct model_policy *p;
	__u32 i;

	p = model_policy(m, set, 0);
	if (p)
		show_one(s, &m->krn, p, list);
	for (i = 0; i < m->krn.nr_devs; i++) {
		p = model_policy(m, set, m->krn.devs[i].ifindex);
		if (p)
			show_one(s, &m->krn, p, list);
	}
}

static int show(const struct selsrc *s)
{
	struct json_object *list = json_object_new_array();
	struct model m;
	int set, err = model_read_wishes(&m, s);

	if (!err)
		err = krn_read(&m.krn, KRN_ADDRS);
	for (set = 0; set < SELSRC_SETS && !err; set++)
		if (s->set[set].state == SET_ATTACHED)
			show_set(s, &m, set, list);
	model_free(&m);
	if (!err) {
		out_json(list);
		return EXIT_OK;
	}
	json_object_put(list);
	p_err("the tables cannot be read: %s", strerror(-err));
	return EXIT_REFUSED;
}

static int policy_show(int argc, char **argv)
{
	struct selsrc s;
	int ret;

	if (argc) {
		p_err("policy show: '%s' is one word too many", argv[0]);
		return EXIT_USAGE;
	}
	ret = selsrc_open(&s, NULL, false);
	if (ret)
		return ret;
	ret = show(&s);
	selsrc_close(&s);
	return ret;
}

static const struct cmd cmds[] = {
	{ "set",  policy_set,  "default|DEV FUNC[,FUNC...] [cgroup PATH]" },
	{ "del",  policy_del,  "default|DEV [cgroup PATH]" },
	{ "show", policy_show, "all policies" },
	{ NULL, NULL, NULL },
};

int selsrc_policy(int argc, char **argv)
{
	return argc ? cmd_select(cmds, "selsrc policy", argc, argv) : policy_show(argc, argv);
}
