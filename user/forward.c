// SPDX-License-Identifier: GPL-2.0
/* forward.c - `vestige forward`: the commands, and the folder that they share. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <bpf/bpf.h>

#include "cmd.h"
#include "forward.h"
#include "host.h"
#include "out.h"
#include "step.h"

int forward_enter(struct forward_pins *p, const char *netns)
{
	int ret = ns_enter(netns, &p->ns);

	memset(&p->att, 0, sizeof(p->att));
	if (ret == -ENOENT)
		return ns_unknown(netns);
	return ret ? ret : pindir_locate(FORWARD_PART, &p->ns, p->dir, sizeof(p->dir));
}

int forward_read(struct forward_pins *p)
{
	return pindir_read(p->dir, "attachment", &p->att, sizeof(p->att));
}

int forward_map(const struct forward_pins *p, const char *name)
{
	int fd = pindir_get(p->dir, name);

	if (fd < 0)
		p_err("map '%s' in %s: %s; 'vestige forward detach' and attach again", name,
		      p->dir, strerror(-fd));
	return fd;
}

int forward_write(const struct forward_pins *p)
{
	int fd = forward_map(p, "attachment"), err;
	__u32 zero = 0;

	if (fd < 0)
		return fd;
	err = bpf_map_update_elem(fd, &zero, &p->att, BPF_ANY);
	if (err)
		p_err("map 'attachment' cannot be written: %s", strerror(-err));
	close(fd);
	return err;
}

int forward_lock(const struct forward_pins *p, bool create)
{
	int lock = pindir_lock(p->dir, create);
	char label[300];

	if (lock >= 0)
		return lock;
	ns_label(&p->ns, label, sizeof(label));
	if (lock == -ENOENT)
		p_err("nothing is forwarded in namespace %s", label);
	else if (lock == -EAGAIN)
		p_err("another vestige is attaching or detaching in namespace %s; try again "
		      "when it is done", label);
	else if (lock == -EPERM)
		p_err("%s, or the folder it is in, is not root's alone; remove it and attach again",
		      p->dir);
	else
		p_err("%s cannot be locked: %s", p->dir, strerror(-lock));
	return -EXIT_REFUSED;
}

int forward_open(struct forward_pins *p, const char *netns)
{
	char label[300];
	int ret = host_root(), err;

	if (!ret)
		ret = forward_enter(p, netns);
	if (ret)
		return ret;
	err = forward_read(p);
	ns_label(&p->ns, label, sizeof(label));
	if (err == -ENOENT)
		p_err("nothing is forwarded in namespace %s; 'vestige forward attach' first",
		      label);
	else if (err)
		p_err("%s cannot be read: %s", p->dir, strerror(-err));
	else if (p->att.abi != FORWARD_ABI)
		p_err("%s is of another version of vestige (format %u, this one has %u); "
		      "detach with that version", p->dir, p->att.abi, FORWARD_ABI);
	else if (p->att.phase != FORWARD_ATTACHED)
		p_err("namespace %s is half attached or half detached; 'vestige forward detach' "
		      "mends it", label);
	else
		return EXIT_OK;
	return EXIT_REFUSED;
}

static int remove_xdp(const char *dir, const char *name, void *arg)
{
	(void)arg;
	return strncmp(name, "link_xdp_", 9) ? 0 : pindir_remove_link(dir, name);
}

static int remove_entry(const char *dir, const char *name, void *arg)
{
	(void)arg;
	if (!strcmp(name, "attachment"))
		return 0;
	return strncmp(name, "link_", 5) ? pindir_unpin(dir, name) : pindir_remove_link(dir, name);
}

/* The programs before what they rely on; `attachment`, which says what it is, last. */
int forward_undo(struct forward_pins *p)
{
	int err = 0;

	if (p->att.abi && p->att.phase != FORWARD_DETACHING) {
		p->att.phase = FORWARD_DETACHING;
		err = forward_write(p);
	}
	if (!err)
		err = pindir_each(p->dir, remove_xdp, NULL);
	if (!err)
		err = pindir_each(p->dir, remove_entry, NULL);
	if (!err && p->att.abi)
		err = pindir_unpin(p->dir, "attachment");
	return err;
}

struct stale_walk {
	void (*fn)(struct forward_pins *p, void *arg);
	void *arg;
	int count;
};

static int visit_stale(const char *dir, const char *name, void *arg)
{
	struct stale_walk *walk = arg;
	struct forward_pins p = {};
	int fd;

	snprintf(p.dir, sizeof(p.dir), "%s/%s", dir, name);
	if (forward_read(&p) || p.att.abi != FORWARD_ABI)
		return 0;
	p.ns.cookie = p.att.netns_cookie;
	p.ns.inode = p.att.netns_inode;
	snprintf(p.ns.name, sizeof(p.ns.name), "%.255s", p.att.netns);
	fd = ns_find(&p.ns);
	if (fd >= 0)
		close(fd);
	if (fd != -ENOENT)
		return 0;
	walk->count++;
	walk->fn(&p, walk->arg);
	return 0;
}

int forward_each_stale(void (*fn)(struct forward_pins *p, void *arg), void *arg)
{
	struct stale_walk walk = { fn, arg, 0 };
	char dir[PATH_MAX];

	if (pindir_parent(FORWARD_PART, dir, sizeof(dir)))
		pindir_each(dir, visit_stale, &walk);
	return walk.count;
}

int do_forward(int argc, char **argv)
{
	static const struct cmd commands[] = {
		{ "attach", forward_attach, "forward between these devices in XDP" },
		{ "detach", forward_detach, "leave it to the kernel again" },
		{ "show", forward_show, "cached flows: which way, how many packets" },
		{ "stats", forward_stats, "packets forwarded, and why others were not" },
		{ NULL, NULL, NULL },
	};

	return cmd_select(commands, "forward", argc, argv);
}
