// SPDX-License-Identifier: GPL-2.0
/*
 * forward_attach.c - `vestige forward attach` and `detach`, transactions.
 *
 * What can be refused without a trace comes first: words, host, devices, memory,
 * verifier. From the pin of `attachment` on every step can be undone by the next
 * attach or detach.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/if_link.h>
#include <uapi/linux/vestige_rtcache.h>

#include "args.h"
#include "cmd.h"
#include "forward.h"
#include "forward.skel.h"
#include "host.h"
#include "out.h"
#include "rtcache_nl.h"
#include "step.h"

struct attach {
	/* words */
	const char *netns;
	const char *names[FORWARD_MAX_DEVICES];
	int nr_names;
	__u32 flows, age_ms, bypass;
	bool generic;
	/* what they lead to */
	struct forward_pins pins;
	struct forward_devices devices;
	struct forward_bpf *skel;
	bool module;
};

static int parse_dev(struct attach *a, const char *name)
{
	if (a->nr_names == FORWARD_MAX_DEVICES) {
		p_err("more than %d devices", FORWARD_MAX_DEVICES);
		return EXIT_USAGE;
	}
	a->names[a->nr_names++] = name;
	return EXIT_OK;
}

static int parse_mode(struct attach *a, const char *word)
{
	static const char *const modes[] = { "native", "generic", NULL };
	int mode = arg_keyword("mode", word, modes);

	a->generic = mode == 1;
	return mode < 0 ? EXIT_USAGE : EXIT_OK;
}

/* Not IPsec: what is to be encrypted never leaves in clear. */
static int parse_bypass(struct attach *a, const char *word)
{
	static const char *const words[] = { "netfilter", "tc", "qdisc", NULL };
	static const __u32 bits[] = { RTCACHE_NETFILTER, RTCACHE_TC, RTCACHE_QDISC };
	int which = arg_keyword("bypass", word, words);

	if (which < 0)
		return EXIT_USAGE;
	a->bypass |= bits[which];
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
		return arg_count("flows", value, FORWARD_MIN_FLOWS, FORWARD_MAX_FLOWS, &a->flows);
	case 3:
		return arg_duration("age", value, &a->age_ms);
	case 4:
		return parse_mode(a, value);
	default:
		return parse_bypass(a, value);
	}
}

/* Keywords are spelt out here, as all other words are names of devices. */
static int keyword(const char *word)
{
	static const char *const words[] = { "netns", "dev", "flows", "age", "mode", "bypass" };
	size_t i;

	for (i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (!strcmp(word, words[i]))
			return i;
	return -1;
}

static int parse(int argc, char **argv, struct attach *a)
{
	const char *value;
	int i, word, ret = EXIT_OK;

	for (i = 0; i < argc && !ret; i++) {
		word = keyword(argv[i]);
		if (word < 0) {
			ret = parse_dev(a, argv[i]);
			continue;
		}
		value = arg_value(argc, argv, &i);
		ret = value ? parse_word(a, word, value) : EXIT_USAGE;
	}
	if (!ret && !a->nr_names) {
		p_err("attach: name the devices to forward between: vestige forward attach "
		      "eth0 eth1");
		ret = EXIT_USAGE;
	}
	return ret;
}

/* What remains from somebody who was killed goes first. */
static int clear_folder(struct attach *a)
{
	struct forward_pins *p = &a->pins;
	char label[300];
	int err = forward_read(p);

	ns_label(&p->ns, label, sizeof(label));
	if (err && err != -ENOENT) {
		p_err("%s cannot be read: %s", p->dir, strerror(-err));
	} else if (!err && p->att.abi != FORWARD_ABI) {
		p_err("%s is of another version of vestige (format %u, this one has %u); "
		      "detach with that version", p->dir, p->att.abi, FORWARD_ABI);
	} else if (p->att.phase == FORWARD_ATTACHED) {
		p_err("already attached in namespace %s; 'vestige forward detach' first", label);
	} else {
		if (!err)
			p_warn("undoing an attach or detach that was cut short");
		return forward_undo(p) ? EXIT_REFUSED : EXIT_OK;
	}
	return EXIT_REFUSED;
}

static void describe(struct attach *a)
{
	struct forward_attachment *att = &a->pins.att;
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	*att = (struct forward_attachment){
		.abi = FORWARD_ABI, .phase = FORWARD_ATTACHING,
		.netns_cookie = a->pins.ns.cookie, .netns_inode = a->pins.ns.inode,
		.attached_at_ns = now.tv_sec * 1000000000ull + now.tv_nsec,
		.buckets = a->skel->rodata->geo.buckets, .age_ms = a->age_ms,
		.posts = a->skel->rodata->geo.posts,
		.generic = a->generic, .module = a->module,
	};
	memcpy(att->netns, a->pins.ns.name, sizeof(att->netns));
}

static int pin_maps(struct attach *a)
{
	int fd = bpf_map__fd(a->skel->maps.attachment), err;
	struct bpf_map *map;
	__u32 zero = 0;

	describe(a);
	err = bpf_map_update_elem(fd, &zero, &a->pins.att, BPF_ANY);
	if (err)
		p_err("map 'attachment' cannot be written: %s", strerror(-err));
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

static int refuse_xdp(const struct attach *a, const struct device *dev, int err)
{
	if (err == -EBUSY || err == -EEXIST)
		p_err("device %s already has an XDP program; only one fits", dev->name);
	else if (a->generic)
		p_err("device %s takes no XDP: %s", dev->name, strerror(-err));
	else
		p_err("device %s takes no native XDP (%s); 'mode generic' copies each frame and "
		      "is seldom faster than the kernel", dev->name, strerror(-err));
	return err;
}

/* Link, then pin: until the pin is there the link goes with the process. */
static int add_xdp(const struct attach *a, const struct device *dev)
{
	LIBBPF_OPTS(bpf_link_create_opts, opts,
		    .flags = a->generic ? XDP_FLAGS_SKB_MODE : XDP_FLAGS_DRV_MODE);
	int fd, err = step("xdp on %s", dev->name);
	char name[32];

	fd = err ?: bpf_link_create(bpf_program__fd(a->skel->progs.forward_xdp), dev->ifindex,
				    BPF_XDP, &opts);
	if (fd < 0)
		return refuse_xdp(a, dev, fd);
	snprintf(name, sizeof(name), "link_xdp_%d", dev->ifindex);
	err = pindir_pin(a->pins.dir, fd, name);
	close(fd);
	return err;
}

static int build(struct attach *a)
{
	int err = forward_tell(&a->devices, a->skel), i;

	if (!err && a->module)
		err = forward_vouch(a->skel);
	if (!err)
		err = pin_maps(a);
	if (!err && a->module)
		err = forward_listen(&a->pins, a->skel);
	for (i = 0; i < a->devices.nr && !err; i++)
		err = add_xdp(a, &a->devices.all[a->devices.chosen[i]]);
	if (!err)
		err = step("phase: attached");
	if (!err) {
		a->pins.att.phase = FORWARD_ATTACHED;
		err = forward_write(&a->pins);
	}
	if (!err)
		return EXIT_OK;
	/* The reason has been said. */
	forward_bpf__destroy(a->skel);
	a->skel = NULL;
	forward_undo(&a->pins);
	return EXIT_REFUSED;
}

static int attach_locked(struct attach *a)
{
	struct forward_load opts = { .netns_cookie = a->pins.ns.cookie, .flows = a->flows,
				     .age_ms = a->age_ms, .bypass = a->bypass,
				     .module = a->module };
	int ret = clear_folder(a);

	if (ret)
		return ret;
	memset(&a->pins.att, 0, sizeof(a->pins.att));
	a->skel = forward_load(&opts);
	return a->skel ? build(a) : EXIT_REFUSED;
}

static int attach_in_lock(struct attach *a)
{
	struct forward_pins whose;
	int lock, ret;

	lock = forward_lock(&a->pins, true);
	if (lock < 0)
		return EXIT_REFUSED;
	step_hold_signals();
	ret = attach_locked(a);
	/* Refused with a folder that is somebody's attachment, or our ruin: it stays. */
	whose = a->pins;
	if (ret && forward_read(&whose) == -ENOENT)
		pindir_remove(a->pins.dir);
	step_release_signals();
	close(lock);
	return ret;
}

static void print_done(const struct forward_pins *p, bool attached)
{
	struct json_object *obj = json_object_new_object();
	char label[300];

	out_bool(obj, "attached", attached);
	out_str(obj, "netns", ns_label(&p->ns, label, sizeof(label)));
	out_json(obj);
}

static int attach(struct attach *a)
{
	int ret = host_check();

	if (!ret)
		ret = forward_enter(&a->pins, a->netns);
	if (!ret)
		ret = forward_choose(&a->devices, a->names, a->nr_names);
	if (!ret) {
		a->module = rtcache_nl_present();
		if (!a->module)
			ret = forward_look_about(&a->devices);
	}
	if (!ret)
		ret = attach_in_lock(a);
	if (ret)
		return ret;
	if (!a->module)
		p_warn("without the module every packet asks the routing table, unless 'vestige "
		       "rtcache follow' runs here");
	print_done(&a->pins, true);
	return EXIT_OK;
}

int forward_attach(int argc, char **argv)
{
	struct attach a = {
		.flows = FORWARD_DEFAULT_FLOWS, .age_ms = FORWARD_DEFAULT_AGE_MS,
	};
	int ret = parse(argc, argv, &a);

	if (!ret)
		ret = attach(&a);
	if (a.skel)
		forward_bpf__destroy(a.skel);
	free(a.devices.all);
	step_report();
	return ret;
}

static int take_down(struct forward_pins *p)
{
	int err = forward_read(p);

	if (err && err != -ENOENT) {
		p_err("%s cannot be read: %s", p->dir, strerror(-err));
		return EXIT_REFUSED;
	}
	if (!err && p->att.abi != FORWARD_ABI) {
		p_err("%s is of another version of vestige (format %u, this one has %u); "
		      "detach with that version", p->dir, p->att.abi, FORWARD_ABI);
		return EXIT_REFUSED;
	}
	err = forward_undo(p);
	if (!err)
		err = pindir_remove(p->dir);
	if (!err)
		return EXIT_OK;
	p_warn("half detached; 'vestige forward detach' again goes on from here");
	return EXIT_REFUSED;
}

static int detach_in_lock(struct forward_pins *p)
{
	int lock = forward_lock(p, false), ret;

	if (lock < 0)
		return EXIT_REFUSED;
	step_hold_signals();
	ret = take_down(p);
	step_release_signals();
	close(lock);
	return ret;
}

static void remove_stale(struct forward_pins *p, void *arg)
{
	if (detach_in_lock(p))
		*(int *)arg = EXIT_REFUSED;
}

/* Namespaces that are gone took their devices along; their folders stay. */
static int detach_stale(void)
{
	char bpffs[PATH_MAX];
	int ret = pindir_bpffs(bpffs, sizeof(bpffs));

	if (!ret)
		forward_each_stale(remove_stale, &ret);
	return ret;
}

int forward_detach(int argc, char **argv)
{
	static const char *const words[] = { "netns", "stale", NULL };
	struct forward_pins p = {};
	const char *netns = NULL;
	int word, i, ret;

	for (i = 0; i < argc; i++) {
		word = arg_keyword("detach", argv[i], words);
		if (word == 1 && argc == 1)
			return host_check() ?: detach_stale();
		if (word)
			return word == 1 ? (p_err("detach: 'stale' stands alone"), EXIT_USAGE) :
					   EXIT_USAGE;
		netns = arg_value(argc, argv, &i);
		if (!netns)
			return EXIT_USAGE;
	}
	ret = host_check();
	if (!ret)
		ret = forward_enter(&p, netns);
	if (!ret)
		ret = detach_in_lock(&p);
	if (!ret)
		print_done(&p, false);
	step_report();
	return ret;
}
