// SPDX-License-Identifier: GPL-2.0
/* detach.c - `vestige detach`: TIME_WAIT is the kernel's again. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "args.h"
#include "cmd.h"
#include "host.h"
#include "out.h"
#include "pins.h"
#include "step.h"
#include "undo.h"

struct detach_opts {
	const char *netns;
	bool wait;
	bool stale;
};

static int parse(int argc, char **argv, struct detach_opts *opts)
{
	static const char *const words[] = { "netns", "wait", "stale", NULL };
	int i;

	for (i = 0; i < argc; i++) {
		switch (arg_keyword("detach", argv[i], words)) {
		case 0:
			opts->netns = arg_value(argc, argv, &i);
			if (!opts->netns)
				return EXIT_USAGE;
			break;
		case 1:
			opts->wait = true;
			break;
		case 2:
			opts->stale = true;
			break;
		default:
			return EXIT_USAGE;
		}
	}
	if (!opts->stale || argc == 1)
		return EXIT_OK;
	p_err("detach: 'stale' stands alone");
	return EXIT_USAGE;
}

static void print_done(unsigned int flags)
{
	struct json_object *obj = json_object_new_object();

	out_bool(obj, "attached", false);
	if (flags & UNDO_GONE)
		out_bool(obj, "stale", true);
	out_json(obj);
}

/* Remove what the locked folder stands for. */
static int take_down(struct pins *p, unsigned int flags)
{
	int err = pins_read(p);

	if (err && err != -ENOENT) {
		p_err("%s cannot be read: %s", p->dir, strerror(-err));
		return EXIT_REFUSED;
	}
	if (!err && p->att.abi != VTW_ABI) {
		p_err("%s is of another version of vestige (format %u, this one has %u); "
		      "detach with that version", p->dir, p->att.abi, VTW_ABI);
		return EXIT_REFUSED;
	}
	err = undo(p, flags);
	if (!err)
		err = pindir_remove(p->dir);
	if (!err)
		return EXIT_OK;
	if (err == -EIO)
		p_debug("stopped by an injected fault");
	p_warn("half detached; 'vestige detach' again goes on from here");
	return EXIT_REFUSED;
}

static int detach_here(struct pins *p, unsigned int flags)
{
	char label[300];
	int lock, ret;

	ns_label(&p->ns, label, sizeof(label));
	lock = pindir_lock(p->dir, false);
	if (lock < 0) {
		if (lock == -ENOENT)
			p_err("not attached in namespace %s", label);
		else if (lock == -EAGAIN)
			p_err("another vestige is attaching or detaching in namespace %s; "
			      "try again when it is done", label);
		else
			p_err("%s cannot be locked: %s", p->dir, strerror(-lock));
		return EXIT_REFUSED;
	}
	step_hold_signals();
	ret = take_down(p, flags);
	step_release_signals();
	close(lock);
	return ret;
}

struct stale_search {
	const char *name;	/* NULL: all of them */
	int found;
	int ret;
};

static void remove_stale(struct pins *p, void *arg)
{
	struct stale_search *search = arg;

	if (search->name && strcmp(search->name, p->ns.name))
		return;
	search->found++;
	if (detach_here(p, UNDO_GONE))
		search->ret = EXIT_REFUSED;
}

/* Namespaces that are gone took hooks and sysctl along; their folders stay. */
static int detach_stale(const char *name)
{
	struct stale_search search = { name, 0, EXIT_OK };

	pins_each_stale(remove_stale, &search);
	if (name && !search.found)
		return ns_unknown(name);
	if (!search.ret)
		print_done(UNDO_GONE);
	return search.ret;
}

static void mention_stale(struct pins *p, void *arg)
{
	(void)arg;
	p_warn("%s belongs to a namespace that is gone%s%s; 'vestige detach stale' removes it",
	       p->dir, p->ns.name[0] ? ": " : "", p->ns.name);
}

static int detach(const struct detach_opts *opts)
{
	unsigned int flags = opts->wait ? UNDO_WAIT : 0;
	struct pins p = {};
	struct ns ns;
	int ret = host_check();

	if (ret)
		return ret;
	if (opts->stale)
		return pindir_bpffs(p.dir, sizeof(p.dir)) ?: detach_stale(NULL);
	ret = pins_enter(opts->netns, &ns);
	if (ret == -ENOENT)
		return detach_stale(opts->netns);
	if (!ret)
		ret = pins_locate(&p, &ns);
	if (!ret)
		ret = detach_here(&p, flags);
	if (ret)
		return ret;
	pins_each_stale(mention_stale, NULL);
	print_done(0);
	return EXIT_OK;
}

int do_detach(int argc, char **argv)
{
	struct detach_opts opts = {};
	int ret = parse(argc, argv, &opts);

	if (!ret)
		ret = detach(&opts);
	step_report();
	return ret;
}
