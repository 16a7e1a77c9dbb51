// SPDX-License-Identifier: GPL-2.0
/* pins.c - the folder <bpffs>/vestige/<netns cookie> that an attachment lives in. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <bpf/bpf.h>

#include "cmd.h"
#include "host.h"
#include "out.h"
#include "pins.h"

#define PART "vestige"

int pins_locate(struct pins *p, const struct ns *ns)
{
	memset(&p->att, 0, sizeof(p->att));
	p->ns = *ns;
	return pindir_locate(PART, ns, p->dir, sizeof(p->dir));
}

int pins_read(struct pins *p)
{
	return pindir_read(p->dir, "attachment", &p->att, sizeof(p->att));
}

int pins_write(struct pins *p)
{
	return pins_set(p, "attachment", 0, &p->att);
}

int pins_map(const struct pins *p, const char *name)
{
	int fd = pindir_get(p->dir, name);

	if (fd < 0)
		p_err("map '%s' in %s: %s; 'vestige detach' and attach again", name, p->dir,
		      strerror(-fd));
	return fd;
}

__u32 pins_entries(int fd)
{
	struct bpf_map_info info = {};
	__u32 len = sizeof(info);

	return bpf_obj_get_info_by_fd(fd, &info, &len) ? 0 : info.max_entries;
}

int pins_get(const struct pins *p, const char *name, __u32 key, void *value)
{
	int fd = pins_map(p, name), err;

	if (fd < 0)
		return fd;
	err = bpf_map_lookup_elem(fd, &key, value);
	if (err)
		p_err("map '%s' cannot be read: %s", name, strerror(-err));
	close(fd);
	return err;
}

int pins_set(const struct pins *p, const char *name, __u32 key, const void *value)
{
	int fd = pins_map(p, name), err;

	if (fd < 0)
		return fd;
	err = bpf_map_update_elem(fd, &key, value, BPF_ANY);
	if (err)
		p_err("map '%s' cannot be written: %s", name, strerror(-err));
	close(fd);
	return err;
}

/* `detach wait` may take minutes, and what it waits for can be looked at. */
static bool being_detached(const struct pins *p)
{
	int lock;

	if (p->att.phase != VTW_PHASE_DETACHING)
		return false;
	lock = pindir_trylock(p->dir);
	if (lock >= 0)
		close(lock);
	return lock == -EWOULDBLOCK;
}

static int check_usable(struct pins *p)
{
	char label[300];
	int err = pins_read(p);

	ns_label(&p->ns, label, sizeof(label));
	if (err == -ENOENT) {
		p_err("not attached in namespace %s; 'vestige attach' first", label);
	} else if (err) {
		p_err("%s cannot be read: %s", p->dir,
		      err == -EACCES || err == -EPERM ? "needs root" : strerror(-err));
	} else if (p->att.abi != VTW_ABI) {
		p_err("%s is of another version of vestige (format %u, this one has %u); "
		      "detach with that version", p->dir, p->att.abi, VTW_ABI);
	} else if (p->att.phase != VTW_PHASE_ATTACHED && !being_detached(p)) {
		p_err("namespace %s is half attached or half detached; "
		      "'vestige attach' or 'vestige detach' mends it", label);
	} else {
		return EXIT_OK;
	}
	return EXIT_REFUSED;
}

int pins_open(struct pins *p, const char *netns)
{
	struct ns ns;
	int ret;

	if (host_root())
		return EXIT_REFUSED;
	ret = pins_enter(netns, &ns);
	if (ret == -ENOENT)
		return ns_unknown(netns);
	if (ret)
		return ret;
	ret = pins_locate(p, &ns);
	return ret ? ret : check_usable(p);
}

static bool uses_map(__u32 prog_id, __u32 map_id)
{
	struct bpf_prog_info info = {};
	__u32 maps[64], len = sizeof(info), i;
	bool uses = false;
	int fd;

	fd = bpf_prog_get_fd_by_id(prog_id);
	if (fd < 0)
		return false;
	info.nr_map_ids = 64;
	info.map_ids = (__u64)(unsigned long)maps;
	if (!bpf_obj_get_info_by_fd(fd, &info, &len) &&
	    info.type == BPF_PROG_TYPE_SCHED_CLS)
		for (i = 0; i < info.nr_map_ids && i < 64; i++)
			uses |= maps[i] == map_id;
	close(fd);
	return uses;
}

/*
 * Every device we cover has a tc program, and nothing but a device holds it:
 * as long as one exists, so does a device, so does the namespace.
 */
static bool has_device(const struct pins *p)
{
	struct bpf_map_info info = {};
	__u32 len = sizeof(info), id = 0;
	int fd = pindir_get(p->dir, "v4_index");
	bool found = false;

	if (fd < 0)
		return false;
	if (!bpf_obj_get_info_by_fd(fd, &info, &len))
		while (!found && !bpf_prog_get_next_id(id, &id))
			found = uses_map(id, info.id);
	close(fd);
	return found;
}

/*
 * The namespace of an attachment: fd to enter it by; -ENOENT: gone; -EBUSY: the
 * kernel is still taking it down, or what holds it cannot be seen from here.
 */
static int find_namespace(const struct pins *p)
{
	int fd = ns_find(&p->ns);

	return fd == -ENOENT && has_device(p) ? -EBUSY : fd;
}

static int read_folder(const char *dir, const char *name, struct pins *p)
{
	int err;

	memset(p, 0, sizeof(*p));
	snprintf(p->dir, sizeof(p->dir), "%s/%s", dir, name);
	err = pins_read(p);
	if (!err && p->att.abi != VTW_ABI)
		err = -EPROTO;
	p->ns.cookie = p->att.netns_cookie;
	p->ns.inode = p->att.netns_inode;
	snprintf(p->ns.name, sizeof(p->ns.name), "%.255s", p->att.netns);
	return err;
}

static int each_folder(int (*fn)(const char *dir, const char *name, void *arg), void *arg)
{
	char dir[PATH_MAX];

	return pindir_parent(PART, dir, sizeof(dir)) ? pindir_each(dir, fn, arg) : 0;
}

struct stale_walk {
	void (*fn)(struct pins *p, void *arg);
	void *arg;
	int count;
};

static int visit_stale(const char *dir, const char *name, void *arg)
{
	struct stale_walk *walk = arg;
	struct pins p;
	int fd;

	if (read_folder(dir, name, &p))
		return 0;
	fd = find_namespace(&p);
	if (fd >= 0)
		close(fd);
	if (fd != -ENOENT)
		return 0;
	walk->count++;
	walk->fn(&p, walk->arg);
	return 0;
}

int pins_each_stale(void (*fn)(struct pins *p, void *arg), void *arg)
{
	struct stale_walk walk = { fn, arg, 0 };

	each_folder(visit_stale, &walk);
	return walk.count;
}

struct name_search {
	const char *name;
	int fd;
};

static int visit_named(const char *dir, const char *name, void *arg)
{
	struct name_search *search = arg;
	struct pins p;
	int fd;

	if (read_folder(dir, name, &p) || strcmp(p.ns.name, search->name))
		return 0;
	fd = find_namespace(&p);
	if (fd != -ENOENT)
		search->fd = fd;
	return fd >= 0;
}

int pins_enter(const char *name, struct ns *ns)
{
	struct name_search search = { name, -ENOENT };
	int ret = ns_enter(name, ns);

	if (ret != -ENOENT)
		return ret;
	each_folder(visit_named, &search);
	if (search.fd == -ENOENT)
		return -ENOENT;
	if (search.fd < 0) {
		p_err("namespace '%s' has lost its name but is not gone: the kernel is taking it "
		      "down, or something out of sight holds it; try again later", name);
		return EXIT_REFUSED;
	}
	ret = ns_enter_fd(search.fd, name, ns);
	close(search.fd);
	if (!ret)
		p_warn("namespace %s has lost its name, but a process or a mount still holds it",
		       name);
	return ret;
}
