// SPDX-License-Identifier: GPL-2.0
/*
 * attach.c - `vestige attach`, a transaction.
 *
 * What can be refused without a trace comes first: words, host, devices,
 * memory, verifier. Then, from the pin of `attachment` on, every step can be
 * undone by the next attach or detach. The sysctl goes last, when everything
 * that takes over from the kernel is in its place.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "args.h"
#include "cmd.h"
#include "gens_module.h"
#include "hook.h"
#include "host.h"
#include "load.h"
#include "out.h"
#include "pins.h"
#include "rtcache_nl.h"
#include "step.h"
#include "sysctl.h"
#include "undo.h"
#include "vtw.skel.h"

#define MAX_DEVS 1024

struct attach {
	/* words */
	const char *netns;
	const char *dev_names[MAX_DEVS];
	int nr_names;
	enum hook_mode mode;
	__u32 entries, entries6;
	const char *cgroup_path;
	bool bind_guard;
	/* what they lead to */
	struct pins pins;
	struct device *devices;		/* of the namespace; used by their name: */
	int nr_devices;
	int cgroup_fd;
	bool module;			/* it says when routes have changed */
	struct vtw_bpf *skel;
};

static int parse_hook(struct attach *a, const char *word)
{
	static const char *const modes[] = { "auto", "xdp", "tc", NULL };
	int mode = arg_keyword("hook", word, modes);

	if (mode < 0)
		return EXIT_USAGE;
	a->mode = mode;
	return EXIT_OK;
}

static int parse_dev(struct attach *a, const char *name)
{
	if (a->nr_names == MAX_DEVS) {
		p_err("dev: more than %d devices", MAX_DEVS);
		return EXIT_USAGE;
	}
	a->dev_names[a->nr_names++] = name;
	return EXIT_OK;
}

static int parse_word(struct attach *a, int word, const char *value)
{
	switch (word) {
	case 0:
		a->netns = value;
		return EXIT_OK;
	case 1:
		return parse_dev(a, value);
	case 2:
		return parse_hook(a, value);
	case 3:
		return arg_count("entries", value, 1, VTW_MAX_ENTRIES, &a->entries);
	case 4:
		return arg_count("entries6", value, 1, VTW_MAX_ENTRIES, &a->entries6);
	case 5:
		a->cgroup_path = value;
		return EXIT_OK;
	default:
		return arg_onoff("bind-guard", value, &a->bind_guard);
	}
}

static int parse(int argc, char **argv, struct attach *a)
{
	static const char *const words[] = {
		"netns", "dev", "hook", "entries", "entries6", "cgroup", "bind-guard", NULL
	};
	const char *value;
	int i, word, ret;

	for (i = 0; i < argc; i++) {
		word = arg_keyword("attach", argv[i], words);
		if (word < 0)
			return EXIT_USAGE;
		value = arg_value(argc, argv, &i);
		if (!value)
			return EXIT_USAGE;
		ret = parse_word(a, word, value);
		if (ret)
			return ret;
	}
	return EXIT_OK;
}

static bool wanted(const struct attach *a, const struct device *dev)
{
	int i;

	for (i = 0; i < a->nr_names; i++)
		if (!strcmp(a->dev_names[i], dev->name))
			return true;
	return !a->nr_names && hook_type_known(dev->type);
}

static const struct device *find_device(const struct attach *a, const char *name)
{
	int i;

	for (i = 0; i < a->nr_devices; i++)
		if (!strcmp(a->devices[i].name, name))
			return &a->devices[i];
	return NULL;
}

static int check_named(const struct attach *a)
{
	const struct device *dev;
	int i;

	for (i = 0; i < a->nr_names; i++) {
		dev = find_device(a, a->dev_names[i]);
		if (!dev) {
			p_err("device '%s' does not exist in this namespace; 'ip link' shows "
			      "those that do", a->dev_names[i]);
			return EXIT_REFUSED;
		}
		if (!hook_type_known(dev->type)) {
			p_err("device %s: link type %u cannot be read; leave it out",
			      dev->name, dev->type);
			return EXIT_REFUSED;
		}
	}
	return EXIT_OK;
}

/*
 * `hook xdp` means every device that could have it. The loopback and devices
 * without a link header never can; they take tc beside it.
 */
static int check_xdp(const struct attach *a)
{
	int i;

	if (a->mode != MODE_XDP)
		return EXIT_OK;
	for (i = 0; i < a->nr_devices; i++)
		if (wanted(a, &a->devices[i]) && hook_may_xdp(&a->devices[i], a->mode))
			return EXIT_OK;
	p_err("hook xdp: no device here can take native XDP; use 'hook tc'");
	return EXIT_REFUSED;
}

static int choose_devices(struct attach *a)
{
	int n = rtnl_devices(&a->devices), i, ret;

	if (n < 0) {
		p_err("devices cannot be listed: %s", strerror(-n));
		return EXIT_REFUSED;
	}
	a->nr_devices = n;
	ret = check_named(a);
	if (!ret)
		ret = check_xdp(a);
	for (i = 0; !ret && !a->nr_names && i < n; i++)
		if (!hook_type_known(a->devices[i].type))
			p_warn("device %s has no hook: link type %u cannot be read",
			       a->devices[i].name, a->devices[i].type);
	return ret;
}

/* What remains from somebody who was killed goes first. */
static int clear_folder(struct attach *a)
{
	struct pins *p = &a->pins;
	char label[300];
	int err = pins_read(p);

	ns_label(&p->ns, label, sizeof(label));
	if (err && err != -ENOENT) {
		p_err("%s cannot be read: %s", p->dir, strerror(-err));
	} else if (!err && p->att.abi != VTW_ABI) {
		p_err("%s is of another version of vestige (format %u, this one has %u); "
		      "detach with that version", p->dir, p->att.abi, VTW_ABI);
	} else if (p->att.phase == VTW_PHASE_ATTACHED) {
		p_err("already attached in namespace %s; 'vestige detach' first", label);
	} else {
		if (!err)
			p_warn("undoing an attach or detach that was cut short");
		return undo(p, 0) ? EXIT_REFUSED : EXIT_OK;
	}
	return EXIT_REFUSED;
}

static int describe(struct attach *a)
{
	struct vtw_attachment *att = &a->pins.att;
	struct timespec now;
	int err, saved;

	memset(att->netns, 0, sizeof(att->netns));
	att->abi = VTW_ABI;
	att->phase = VTW_PHASE_ATTACHING;
	att->netns_cookie = a->pins.ns.cookie;
	att->netns_inode = a->pins.ns.inode;
	clock_gettime(CLOCK_MONOTONIC, &now);
	att->attached_at_ns = now.tv_sec * 1000000000ull + now.tv_nsec;
	memcpy(att->netns, a->pins.ns.name, sizeof(att->netns));
	err = sysctl_read(MAX_TW_BUCKETS, &saved);
	if (err) {
		p_err("sysctl " MAX_TW_BUCKETS " cannot be read: %s; is /proc mounted?",
		      strerror(-err));
		return err;
	}
	if (!saved)
		p_warn(MAX_TW_BUCKETS " is 0 already, and detach will leave it 0; if that is "
		       "not meant, set it and attach again");
	att->saved_max_tw_buckets = saved;
	return 0;
}

static int pin_maps(struct attach *a)
{
	int fd = bpf_map__fd(a->skel->maps.attachment), err;
	struct bpf_map *map;
	__u32 zero = 0;

	err = describe(a);
	if (!err) {
		err = bpf_map_update_elem(fd, &zero, &a->pins.att, BPF_ANY);
		if (err)
			p_err("map 'attachment' cannot be written: %s", strerror(-err));
	}
	if (!err)
		err = pindir_pin(a->pins.dir, fd, "attachment");
	if (err) {
		/* Not pinned: nothing to be undone by what it says. */
		a->pins.att.abi = 0;
		return err;
	}
	bpf_object__for_each_map(map, a->skel->obj) {
		if (bpf_map__is_internal(map) || map == a->skel->maps.attachment)
			continue;
		err = pindir_pin(a->pins.dir, bpf_map__fd(map), bpf_map__name(map));
		if (err)
			return err;
	}
	return 0;
}

static int refuse_link(const struct attach *a, const char *name, int err)
{
	if (err == -EPERM && a->cgroup_fd >= 0)
		p_err("%s: refused; a program attached to %s, or above, allows no other",
		      name, a->pins.att.cgroup);
	else
		p_err("%s cannot be attached: %s", name, strerror(-err));
	return err;
}

/* Link, then pin: until the pin is there the link goes with the process. */
static int add_link(const struct attach *a, struct bpf_program *prog,
		    enum bpf_attach_type type, const char *name)
{
	int fd, err = step("%s", name);

	if (err)
		return refuse_link(a, name, err);
	if (type == BPF_TRACE_RAW_TP)
		fd = bpf_raw_tracepoint_open(NULL, bpf_program__fd(prog));
	else
		fd = bpf_link_create(bpf_program__fd(prog), a->cgroup_fd, type, NULL);
	if (fd < 0)
		return refuse_link(a, name, fd);
	err = pindir_pin(a->pins.dir, fd, name);
	close(fd);
	return err;
}

static int add_hooks(struct attach *a)
{
	const struct hook_progs progs = {
		.xdp = bpf_program__fd(a->skel->progs.vtw_xdp),
		.in = bpf_program__fd(a->skel->progs.vtw_in),
		.out = bpf_program__fd(a->skel->progs.vtw_out),
		.in_l3 = bpf_program__fd(a->skel->progs.vtw_in_l3),
		.out_l3 = bpf_program__fd(a->skel->progs.vtw_out_l3),
	};
	enum hook hook;
	int i, err = a->nr_names ? 0 : hook_mark_all(&a->pins);

	for (i = 0; i < a->nr_devices && !err; i++) {
		if (!wanted(a, &a->devices[i]))
			continue;
		err = hook_add(&a->pins, &a->devices[i], a->mode, &progs, &hook);
		if (err == -ENODEV) {
			p_warn("device %s is gone", a->devices[i].name);
			err = 0;
		}
	}
	return err;
}

static int add_links(struct attach *a)
{
	int err;

	err = add_link(a, a->skel->progs.vtw_bind4, BPF_CGROUP_INET4_BIND, "link_bind4");
	if (!err)
		err = add_link(a, a->skel->progs.vtw_bind6, BPF_CGROUP_INET6_BIND,
			       "link_bind6");
	if (!err)
		err = add_link(a, a->skel->progs.vtw_net, BPF_TRACE_RAW_TP, "link_net");
	if (!err)
		err = add_link(a, a->skel->progs.vtw_sockops, BPF_CGROUP_SOCK_OPS,
			       "link_sockops");
	return err;
}

/* The map is not pinned yet: who follows rtnetlink sees at once that it is not his. */
static int vouch(const struct attach *a)
{
	return a->module ? gens_module_vouch(bpf_map__fd(a->skel->maps.gens)) : 0;
}

static int listen_to_module(const struct attach *a)
{
	int err;

	if (!a->module)
		return 0;
	err = gens_module_listen(a->pins.dir, "vestige_rtcache_flush",
				 bpf_program__fd(a->skel->progs.rtcache_flushed), "link_rtcache");
	return err ?: gens_module_prime();
}

/* From here on the kernel makes no TIME_WAIT socket in this namespace. */
static int take_over(struct attach *a)
{
	int err = step("sysctl " MAX_TW_BUCKETS "=0");

	if (!err)
		err = sysctl_write(MAX_TW_BUCKETS, 0);
	if (err) {
		p_err("sysctl " MAX_TW_BUCKETS " cannot be set: %s", strerror(-err));
		return err;
	}
	err = step("phase: attached");
	if (err) {
		p_err("phase cannot be set: %s", strerror(-err));
		return err;
	}
	a->pins.att.phase = VTW_PHASE_ATTACHED;
	return pins_write(&a->pins);
}

/*
 * Those who answer before those who record, and these before the sysctl; the
 * phase says that it is whole.
 */
static int build(struct attach *a)
{
	int err = vouch(a);

	if (!err)
		err = pin_maps(a);
	if (!err)
		err = listen_to_module(a);
	if (!err)
		err = add_hooks(a);
	if (!err)
		err = add_links(a);
	if (!err)
		err = take_over(a);
	if (!err)
		return EXIT_OK;
	/* The reason has been said. undo() waits for the last user of the maps: not us. */
	vtw_bpf__destroy(a->skel);
	a->skel = NULL;
	undo(&a->pins, 0);
	return EXIT_REFUSED;
}

static unsigned int needed_by(const struct attach *a, const struct device *dev)
{
	if (!wanted(a, dev))
		return 0;
	if (hook_type_l3(dev->type))
		return NEED_L3;
	if (!hook_may_xdp(dev, a->mode))
		return NEED_IN | NEED_OUT;
	return NEED_XDP | NEED_OUT | (a->mode == MODE_AUTO ? NEED_IN : 0);
}

static struct vtw_bpf *load_for(const struct attach *a)
{
	struct load_opts opts = {
		.netns_cookie = a->pins.ns.cookie,
		.entries = a->entries,
		.entries6 = a->entries6,
		.bind_guard = a->bind_guard,
		.module = a->module,
	};
	int i;

	for (i = 0; i < a->nr_devices; i++)
		opts.need |= needed_by(a, &a->devices[i]);
	return load(&opts);
}

static int attach_locked(struct attach *a)
{
	int ret = clear_folder(a);

	if (ret)
		return ret;
	memset(&a->pins.att, 0, sizeof(a->pins.att));
	a->cgroup_fd = host_cgroup(a->cgroup_path, a->pins.att.cgroup,
				   sizeof(a->pins.att.cgroup));
	if (a->cgroup_fd < 0)
		return EXIT_REFUSED;
	a->module = rtcache_nl_present();
	a->skel = load_for(a);
	if (!a->skel)
		return EXIT_REFUSED;
	return build(a);
}

static int refuse_lock(const struct attach *a, int err)
{
	char label[300];

	ns_label(&a->pins.ns, label, sizeof(label));
	if (err == -EAGAIN)
		p_err("another vestige is attaching or detaching in namespace %s; try again "
		      "when it is done", label);
	else if (err == -EPERM)
		p_err("%s, or the folder it is in, is not root's alone; remove it and attach again",
		      a->pins.dir);
	else
		p_err("%s cannot be made: %s", a->pins.dir, strerror(-err));
	return EXIT_REFUSED;
}

static int attach_in_lock(struct attach *a)
{
	struct pins whose;
	int lock, ret;

	lock = pindir_lock(a->pins.dir, true);
	if (lock < 0)
		return refuse_lock(a, lock);
	step_hold_signals();
	ret = attach_locked(a);
	/* Refused with a folder that is somebody's attachment, or our ruin: it stays. */
	whose = a->pins;
	if (ret && pins_read(&whose) == -ENOENT)
		pindir_remove(a->pins.dir);
	step_release_signals();
	close(lock);
	return ret;
}

static void mention_stale(struct pins *p, void *arg)
{
	(void)arg;
	p_warn("%s belongs to a namespace that is gone%s%s; 'vestige detach stale' removes it",
	       p->dir, p->ns.name[0] ? ": " : "", p->ns.name);
}

static void print_done(const struct attach *a)
{
	struct json_object *obj = json_object_new_object();
	char label[300];

	out_bool(obj, "attached", true);
	out_str(obj, "netns", ns_label(&a->pins.ns, label, sizeof(label)));
	out_str(obj, "cgroup", a->pins.att.cgroup);
	out_json(obj);
}

static int attach(struct attach *a)
{
	struct ns ns;
	int ret = host_check();

	if (!ret)
		ret = ns_enter(a->netns, &ns);
	if (ret == -ENOENT)
		return ns_unknown(a->netns);
	if (!ret)
		ret = pins_locate(&a->pins, &ns);
	if (!ret)
		ret = choose_devices(a);
	if (!ret)
		ret = attach_in_lock(a);
	if (ret)
		return ret;
	pins_each_stale(mention_stale, NULL);
	print_done(a);
	return EXIT_OK;
}

int do_attach(int argc, char **argv)
{
	struct attach a = {
		.entries = VTW_DEFAULT_ENTRIES,
		.entries6 = VTW_DEFAULT_ENTRIES6,
		.bind_guard = true,
		.cgroup_fd = -1,
	};
	int ret = parse(argc, argv, &a);

	if (!ret)
		ret = attach(&a);
	if (a.skel)
		vtw_bpf__destroy(a.skel);
	if (a.cgroup_fd >= 0)
		close(a.cgroup_fd);
	free(a.devices);
	step_report();
	return ret;
}
