// SPDX-License-Identifier: GPL-2.0
/* selsrc_detach.c - `vestige selsrc detach`: the kernel chooses sources again. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "args.h"
#include "cmd.h"
#include "host.h"
#include "out.h"
#include "selsrc.h"
#include "selsrc_undo.h"
#include "step.h"

struct detach_opts {
	const char *netns, *cgroup;
};

static int parse(int argc, char **argv, struct detach_opts *opts)
{
	static const char *const words[] = { "netns", "cgroup", NULL };
	const char **value[] = { &opts->netns, &opts->cgroup };
	int i, word;

	for (i = 0; i < argc; i++) {
		word = arg_keyword("selsrc detach", argv[i], words);
		if (word < 0)
			return EXIT_USAGE;
		*value[word] = arg_value(argc, argv, &i);
		if (!*value[word])
			return EXIT_USAGE;
	}
	return EXIT_OK;
}

static int sets_used(const struct selsrc *s)
{
	int i, n = 0;

	for (i = 0; i < SELSRC_SETS; i++)
		n += s->set[i].state != SET_FREE;
	return n;
}

/* One that was left half attached can be named, too. */
static int find_set(const struct selsrc *s, const char *cgroup)
{
	__u64 id = cgroup_id(cgroup);
	int i;

	for (i = 0; i < SELSRC_SETS; i++)
		if (s->set[i].state != SET_FREE &&
		    ((id && s->set[i].cgroup_id == id) || !strcmp(s->set[i].cgroup, cgroup)))
			return i;
	p_err("cgroup '%s' is not attached; 'vestige selsrc show' lists those that are", cgroup);
	return -EXIT_REFUSED;
}

/* all: every cgroup. The folder goes with the last one. */
static int take_down(struct selsrc *s, const char *cgroup)
{
	int i, err = selsrc_maps(s, true);

	if (err == -EPROTO) {
		p_err("%s is of another version of vestige; detach with that version", s->dir);
		return EXIT_REFUSED;
	}
	/* One of several: never all of them because it cannot be found. */
	if (err && err != -ENOENT && cgroup) {
		p_err("%s cannot be read: %s", s->dir, strerror(-err));
		return EXIT_REFUSED;
	}
	if (!err && cgroup) {
		i = find_set(s, cgroup);
		if (i < 0)
			return EXIT_REFUSED;
		err = selsrc_undo_set(s, i);
		if (!err && sets_used(s))
			return EXIT_OK;
	} else {
		for (i = 0, err = 0; s->sets >= 0 && i < SELSRC_SETS && !err; i++)
			if (s->set[i].state != SET_FREE)
				err = selsrc_undo_set(s, i);
	}
	if (!err)
		err = selsrc_undo_all(s);
	if (!err)
		err = pindir_remove(s->dir);
	if (!err)
		return EXIT_OK;
	p_warn("half detached; 'vestige selsrc detach' again goes on from here");
	return EXIT_REFUSED;
}

static int detach(const struct detach_opts *opts)
{
	struct selsrc s;
	struct ns ns;
	int ret = host_check();

	if (!ret)
		ret = ns_enter(opts->netns, &ns);
	if (ret == -ENOENT)
		return ns_unknown(opts->netns);
	if (!ret)
		ret = selsrc_locate(&s, &ns);
	if (ret)
		return ret;
	ret = selsrc_lock(&s, false);
	if (ret)
		return ret;
	step_hold_signals();
	ret = take_down(&s, opts->cgroup);
	step_release_signals();
	selsrc_close(&s);
	return ret;
}

static void print_done(void)
{
	struct json_object *obj = json_object_new_object();

	out_bool(obj, "attached", false);
	out_json(obj);
}

int selsrc_detach(int argc, char **argv)
{
	struct detach_opts opts = {};
	int ret = parse(argc, argv, &opts);

	if (!ret)
		ret = detach(&opts);
	if (!ret)
		print_done();
	step_report();
	return ret;
}
