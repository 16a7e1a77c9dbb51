// SPDX-License-Identifier: GPL-2.0
/* status.c - `vestige status`: what is attached, how full, what is covered how. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <bpf/bpf.h>
#include <sys/socket.h>

#include "args.h"
#include "cmd.h"
#include "hook.h"
#include "host.h"
#include "memory.h"
#include "out.h"
#include "pins.h"
#include "stats.h"
#include "sysctl.h"
#include "table.h"

struct status {
	struct pins pins;
	char label[300];
	bool gone;		/* of the namespace only the folder is left */
	struct json_object *obj;
	struct json_object *uncovered;
	struct device *devices;
	int nr_devices;
};

static struct json_object *add_object(struct json_object *to, const char *key)
{
	struct json_object *obj = json_object_new_object();

	json_object_object_add(to, key, obj);
	return obj;
}

static void add_name(struct json_object *array, const char *name)
{
	json_object_array_add(array, json_object_new_string(name));
}

/* Half made or half gone, it warns of that, and what is missing is no news. */
static bool is_whole(const struct status *s)
{
	return s->pins.att.phase == VTW_PHASE_ATTACHED;
}

static void show_head(struct status *s, bool attached)
{
	static const char *const phases[] = {
		[VTW_PHASE_NONE] = "none", [VTW_PHASE_ATTACHING] = "attaching",
		[VTW_PHASE_ATTACHED] = "attached", [VTW_PHASE_DETACHING] = "detaching",
	};
	__u32 phase = s->pins.att.phase;

	out_bool(s->obj, "attached", attached && !s->gone);
	if (s->gone)
		out_bool(s->obj, "gone", true);
	out_str(s->obj, "phase", phase <= VTW_PHASE_DETACHING ? phases[phase] : "unknown");
	out_str(s->obj, "netns", s->label);
	out_num(s->obj, "netns_cookie", s->pins.ns.cookie);
	out_num(s->obj, "netns_inode", s->pins.ns.inode);
	p_text("namespace %s: %s\n", s->label,
	       s->gone ? "gone" : attached ? "attached" : "not attached");
	if (!s->pins.att.abi)
		return;
	out_str(s->obj, "cgroup", s->pins.att.cgroup);
	out_str(s->obj, "pins", s->pins.dir);
	p_text("  cgroup    %s\n", s->pins.att.cgroup);
	p_text("  pins      %s\n", s->pins.dir);
}

static void show_pool(struct status *s, struct json_object *pools, int v6, __u64 bytes)
{
	struct json_object *pool = add_object(pools, v6 ? "v6" : "v4");
	__u32 live = 0, capacity = 0;
	struct table table;

	if (!table_open(&table, v6 ? AF_INET6 : AF_INET, s->pins.dir, false)) {
		capacity = table.capacity;
		live = table_count(&table, NULL);
		table_close(&table);
	}
	out_num(pool, "capacity", capacity);
	out_num(pool, "live", live);
	out_num(pool, "bytes", bytes);
	p_text("  %s      %u of %u sessions live, %llu KiB (%.2f bytes each)\n",
	       v6 ? "IPv6" : "IPv4", live, capacity, (unsigned long long)bytes / 1024,
	       capacity ? (double)bytes / capacity : 0);
}

static void show_pools(struct status *s, const struct vtw_stats *stats)
{
	struct json_object *pools = add_object(s->obj, "pool");
	struct memory memory;

	memory_read(&s->pins, &memory);
	show_pool(s, pools, 0, memory.pool[0]);
	show_pool(s, pools, 1, memory.pool[1]);
	out_num(s->obj, "fixed_bytes", memory.fixed);
	out_num(s->obj, "evicted", stats->evicted);
	out_num(s->obj, "lost", stats->lost_no_record + stats->lost_no_slot);
	p_text("  tables    %llu KiB besides\n", (unsigned long long)memory.fixed / 1024);
	if (stats->evicted)
		p_warn("a pool was full: %llu sessions were given up before they expired; "
		       "attach with more entries", (unsigned long long)stats->evicted);
}

static void show_covered(struct status *s, const struct vtw_stats *stats)
{
	struct json_object *covered = add_object(s->obj, "covered");

	out_num(covered, "by_callback", stats->entered_callback);
	out_num(covered, "by_net", stats->entered_net);
	p_text("  recorded  %llu by callback, %llu by the safety net\n",
	       (unsigned long long)stats->entered_callback,
	       (unsigned long long)stats->entered_net);
}

static void show_sysctl(struct status *s)
{
	struct json_object *value;
	int now = -1, saved = s->pins.att.saved_max_tw_buckets;

	value = add_object(add_object(s->obj, "sysctl"), MAX_TW_BUCKETS);
	if (!s->gone)
		sysctl_read(MAX_TW_BUCKETS, &now);
	json_object_object_add(value, "now",
			       now < 0 ? NULL : json_object_new_int(now));
	json_object_object_add(value, "saved", json_object_new_int(saved));
	p_text("  sysctl    " MAX_TW_BUCKETS " was %d before the attach\n", saved);
	if (now > 0 && is_whole(s))
		p_warn(MAX_TW_BUCKETS " was set to %d behind our back: the kernel makes "
		       "TIME_WAIT sockets again, besides our records; set it to 0, or detach",
		       now);
}

static bool has_mark(const char *path)
{
	return !access(path, F_OK);
}

static void show_bare_device(struct status *s, const struct device *dev)
{
	char path[PATH_MAX];

	add_name(s->uncovered, dev->name);
	pindir_path(s->pins.dir, HOOK_MARK_ALL, path, sizeof(path));
	if (is_whole(s) && has_mark(path) && hook_type_known(dev->type))
		p_warn("device %s appeared after the attach and has no hook; detach and attach "
		       "again to cover it", dev->name);
}

static void show_device(struct status *s, struct json_object *list, const struct device *dev)
{
	struct json_object *obj;
	char mark[PATH_MAX];
	bool egress;
	enum hook hook = hook_look(&s->pins, dev, &egress);

	if (hook == HOOK_NONE && !has_mark(hook_mark(&s->pins, dev, mark))) {
		show_bare_device(s, dev);
		return;
	}
	obj = json_object_new_object();
	out_str(obj, "name", dev->name);
	out_str(obj, "hook", hook_name(hook));
	json_object_array_add(list, obj);
	p_text("  device    %-16s %s\n", dev->name, hook_name(hook));
	if (hook != HOOK_NONE && egress)
		return;
	if (hook == HOOK_NONE)
		add_name(s->uncovered, dev->name);
	if (is_whole(s))
		p_warn("device %s lost its %s hook behind our back; detach and attach again",
		       dev->name,
		       hook == HOOK_NONE ? "ingress" : "egress");
}

static bool exists(const struct status *s, int ifindex)
{
	int i;

	for (i = 0; i < s->nr_devices; i++)
		if (s->devices[i].ifindex == ifindex)
			return true;
	return false;
}

/* arg: struct status. A mark dev_<ifindex>:<name> without its device. */
static int look_vanished(const char *dir, const char *mark, void *arg)
{
	struct status *s = arg;
	char name[64], *colon;
	int ifindex;

	(void)dir;
	if (sscanf(mark, "dev_%d:%63s", &ifindex, name) != 2 || exists(s, ifindex))
		return 0;
	while ((colon = strchr(name, ':')))
		*colon = '.';
	p_warn("device %s, which had hooks, is gone from this namespace", name);
	return 0;
}

static void show_uncovered(struct status *s)
{
	int i, n = json_object_array_length(s->uncovered);

	if (!n)
		return;
	p_text("  no hook  ");
	for (i = 0; i < n; i++)
		p_text(" %s", json_object_get_string(json_object_array_get_idx(s->uncovered, i)));
	p_text("  (sessions there are recorded, but not answered for)\n");
}

static void show_devices(struct status *s)
{
	struct json_object *list = json_object_new_array();
	int i;

	s->uncovered = json_object_new_array();
	json_object_object_add(s->obj, "devices", list);
	json_object_object_add(add_object(s->obj, "uncovered"), "devices", s->uncovered);
	if (s->gone)
		return;
	s->nr_devices = rtnl_devices(&s->devices);
	if (s->nr_devices < 0) {
		p_warn("devices cannot be listed: %s", strerror(-s->nr_devices));
		return;
	}
	for (i = 0; i < s->nr_devices; i++)
		show_device(s, list, &s->devices[i]);
	pindir_each(s->pins.dir, look_vanished, s);
	show_uncovered(s);
}

static const char *const link_names[] = {
	"link_sockops", "link_net", "link_bind4", "link_bind6",
};

static bool cgroup_alive(int fd)
{
	struct bpf_link_info info = {};
	__u32 len = sizeof(info);

	if (bpf_obj_get_info_by_fd(fd, &info, &len))
		return false;
	/* A link whose cgroup was removed has lost it. */
	return info.type != BPF_LINK_TYPE_CGROUP || info.cgroup.cgroup_id;
}

static void check_links(struct status *s)
{
	size_t i;
	int fd;

	for (i = 0; i < sizeof(link_names) / sizeof(link_names[0]); i++) {
		fd = pindir_get(s->pins.dir, link_names[i]);
		if (fd < 0 || !cgroup_alive(fd))
			p_warn("%s is gone%s; detach and attach again", link_names[i],
			       fd < 0 ? "" : ": its cgroup was removed");
		if (fd >= 0)
			close(fd);
	}
}

/*
 * Between attached and not: somebody is at it (`detach wait` for a minute), or was
 * cut short.
 */
static void check_phase(struct status *s)
{
	int lock;

	if (is_whole(s))
		return;
	lock = pindir_trylock(s->pins.dir);
	if (lock == -EAGAIN)
		p_warn("an attach or detach is at work right now");
	if (lock < 0)
		return;
	/* Whoever was at it when we read the phase may just have come to his end. */
	pins_read(&s->pins);
	if (!is_whole(s))
		p_warn("an attach or detach was cut short; 'vestige attach' or 'vestige "
		       "detach' mends it");
	close(lock);
}

/* The first map that goes, and the last that comes, when it is not whole. */
static bool has_maps(const struct status *s)
{
	char path[PATH_MAX];

	return has_mark(pindir_path(s->pins.dir, "config", path, sizeof(path))) &&
	       has_mark(pindir_path(s->pins.dir, "events", path, sizeof(path)));
}

static int show_whole(struct status *s)
{
	struct vtw_stats stats;
	int ret = stats_read(&s->pins, &stats);

	if (ret)
		return ret;
	show_head(s, is_whole(s));
	show_pools(s, &stats);
	show_covered(s, &stats);
	show_sysctl(s);
	show_devices(s);
	if (is_whole(s))
		check_links(s);
	return EXIT_OK;
}

static int show(struct status *s)
{
	int err = pins_read(&s->pins);

	ns_label(&s->pins.ns, s->label, sizeof(s->label));
	if (err && err != -ENOENT) {
		p_err("%s cannot be read: %s", s->pins.dir, strerror(-err));
		return EXIT_REFUSED;
	}
	if (!err && s->pins.att.abi != VTW_ABI) {
		p_err("%s is of another version of vestige (format %u, this one has %u); "
		      "use that version", s->pins.dir, s->pins.att.abi, VTW_ABI);
		return EXIT_REFUSED;
	}
	check_phase(s);
	if (has_maps(s))
		return show_whole(s);
	show_head(s, false);
	return EXIT_OK;
}

struct gone_search {
	struct status *status;
	const char *name;
	bool found;
};

static void take_gone(struct pins *p, void *arg)
{
	struct gone_search *search = arg;

	if (strcmp(search->name, p->ns.name))
		return;
	search->found = true;
	search->status->pins = *p;
}

/* A name that is not there any more, but an attachment remembers it. */
static int show_gone(struct status *s, const char *name)
{
	struct gone_search search = { s, name, false };

	pins_each_stale(take_gone, &search);
	if (!search.found)
		return ns_unknown(name);
	s->gone = true;
	p_warn("namespace %s is gone; 'vestige detach stale' removes what is left in %s", name,
	       s->pins.dir);
	return show(s);
}

static void mention_stale(struct pins *p, void *arg)
{
	(void)arg;
	p_warn("%s belongs to a namespace that is gone%s%s; 'vestige detach stale' removes it",
	       p->dir, p->ns.name[0] ? ": " : "", p->ns.name);
}

static int status(struct status *s, const char *netns)
{
	struct ns ns;
	int ret;

	if (host_root())
		return EXIT_REFUSED;
	ret = pins_enter(netns, &ns);
	if (ret == -ENOENT)
		return show_gone(s, netns);
	if (!ret)
		ret = pins_locate(&s->pins, &ns);
	if (!ret)
		ret = show(s);
	if (!ret)
		pins_each_stale(mention_stale, NULL);
	return ret;
}

int do_status(int argc, char **argv)
{
	static const char *const words[] = { "netns", NULL };
	struct status s = {};
	const char *netns = NULL;
	int i, ret;

	for (i = 0; i < argc; i++) {
		if (arg_keyword("status", argv[i], words) < 0)
			return EXIT_USAGE;
		netns = arg_value(argc, argv, &i);
		if (!netns)
			return EXIT_USAGE;
	}
	s.obj = json_object_new_object();
	ret = status(&s, netns);
	if (!ret)
		out_json(s.obj);
	else
		json_object_put(s.obj);
	free(s.devices);
	return ret;
}
