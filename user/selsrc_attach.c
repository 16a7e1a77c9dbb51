// SPDX-License-Identifier: GPL-2.0
/*
 * selsrc_attach.c - `vestige selsrc attach`, a transaction.
 *
 * The first cgroup of a namespace brings the maps along, the others share them; each has
 * programs of its own, which know by a constant whose policies they use. What can be
 * refused without a trace comes first: words, configuration, host, verifier. The tables
 * are complete before the first program is linked.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "args.h"
#include "cmd.h"
#include "host.h"
#include "out.h"
#include "selsrc.h"
#include "selsrc.skel.h"
#include "selsrc_conf.h"
#include "selsrc_event.h"
#include "selsrc_model.h"
#include "selsrc_undo.h"
#include "step.h"

/* A preference of the file, as it was before: who is refused afterwards puts it back. */
struct pref_before {
	bool there;
	__s16 preference;
};

struct attach {
	/* words */
	const char *netns, *cgroup_path, *conf_path;
	bool follow, dual_stack;
	/* what they lead to */
	struct selsrc sel;
	struct selsrc_conf conf;
	char cgroup[sizeof(((struct selsrc_set *)0)->cgroup)];
	int cgroup_fd, set;
	bool fresh;			/* the maps are ours */
	struct pref_before *before;	/* of the first nr_before wishes */
	__u32 nr_before;
	struct selsrc_bpf *skel;
};

static int parse(int argc, char **argv, struct attach *a)
{
	static const char *const words[] = {
		"netns", "cgroup", "conf", "dual-stack", "follow", NULL
	};
	const char **value[] = { &a->netns, &a->cgroup_path, &a->conf_path };
	int i, word;

	for (i = 0; i < argc; i++) {
		word = arg_keyword("selsrc attach", argv[i], words);
		if (word < 0)
			return EXIT_USAGE;
		if (word > 2) {
			*(word == 3 ? &a->dual_stack : &a->follow) = true;
			continue;
		}
		*value[word] = arg_value(argc, argv, &i);
		if (!*value[word])
			return EXIT_USAGE;
	}
	return EXIT_OK;
}

/* ---- the programs ---------------------------------------------------------- */

/* Of each set alone: its verdicts are by its policies. */
static bool is_shared(const struct bpf_map *map)
{
	return !bpf_map__is_internal(map) && strcmp(bpf_map__name(map), "cache");
}

static int share_map(const struct attach *a, struct bpf_map *map)
{
	int fd, err;

	if (!is_shared(map))
		return 0;
	fd = pindir_get(a->sel.dir, bpf_map__name(map));
	if (fd < 0)
		return fd;
	err = bpf_map__reuse_fd(map, fd);
	close(fd);
	return err;
}

static int prepare_maps(struct attach *a)
{
	struct bpf_map *map;
	int err = 0;

	if (a->fresh) {
		err = bpf_map__set_max_entries(a->skel->maps.chunks4, 2 * SELSRC_CHUNKS);
		return err ?: bpf_map__set_max_entries(a->skel->maps.chunks6, 2 * SELSRC_CHUNKS);
	}
	bpf_object__for_each_map(map, a->skel->obj)
		if (!err)
			err = share_map(a, map);
	return err;
}

static int refuse_load(int err)
{
	if (err == -EPERM)
		p_err("the kernel refuses BPF (capabilities, or lockdown); 'vestige doctor' says "
		      "more");
	else if (err == -ENOMEM && out_libbpf_said("failed to create"))
		p_err("the kernel refuses the memory for the tables");
	else
		p_err("the kernel does not take the programs: %s; 'vestige -d selsrc attach' shows "
		      "all that the verifier said", strerror(-err));
	out_libbpf_forget();
	return EXIT_REFUSED;
}

static int load_programs(struct attach *a)
{
	int err;

	a->skel = selsrc_bpf__open();
	err = a->skel ? prepare_maps(a) : -errno;
	if (!err) {
		*(__u64 *)&a->skel->rodata->netns_cookie = a->sel.ns.cookie;
		*(__u32 *)&a->skel->rodata->policy_set = a->set;
		err = selsrc_bpf__load(a->skel);
	}
	return err ? refuse_load(err) : EXIT_OK;
}

/* ---- what attach leaves in the folder ----------------------------------------- */

static int pin_maps(struct attach *a)
{
	struct bpf_map *map, *state = a->skel->maps.state;
	const struct selsrc_state initial = { .abi = SELSRC_ABI };
	__u32 zero = 0;
	int err;

	err = bpf_map_update_elem(bpf_map__fd(state), &zero, &initial, BPF_ANY);
	if (err)
		p_err("map 'state' cannot be written: %s", strerror(-err));
	bpf_object__for_each_map(map, a->skel->obj)
		if (!err && is_shared(map) && map != state)
			err = pindir_pin(a->sel.dir, bpf_map__fd(map), bpf_map__name(map));
	return err ? err : pindir_pin(a->sel.dir, bpf_map__fd(state), "state");
}

static int set_state(struct attach *a, enum selsrc_set_state state, const char *name)
{
	struct selsrc_set *set = &a->sel.set[a->set];
	int err = step("set %d: %s", a->set, name);

	set->state = state;
	if (!err)
		err = selsrc_write_set(&a->sel, a->set);
	if (err)
		p_err("map 'sets' cannot be written: %s", strerror(-err));
	return err;
}

static int write_pref(struct attach *a, const struct selsrc_wish *w, struct pref_before *before)
{
	const struct selsrc_pref_key key = model_pref_key(w->ifindex, w->family, w->addr);

	before->there = !bpf_map_lookup_elem(a->sel.prefs, &key, &before->preference);
	return bpf_map_update_elem(a->sel.prefs, &key, &w->preference, BPF_ANY);
}

static int write_prefs(struct attach *a)
{
	int err = step("preferences");
	__u32 i;

	a->before = calloc(a->conf.nr_wishes + 1, sizeof(*a->before));
	if (!err && !a->before)
		err = -ENOMEM;
	for (i = 0; i < a->conf.nr_wishes && !err; i++) {
		if (a->conf.wishes[i].kind == WISH_PREF)
			err = write_pref(a, &a->conf.wishes[i], &a->before[i]);
		a->nr_before = i + 1;
	}
	if (err)
		p_err("map 'prefs' cannot be written: %s", strerror(-err));
	return err;
}

static int wish_policies(const struct attach *a, struct model *m)
{
	const struct selsrc_wish *w;
	int err = 0;
	__u32 i;

	model_drop_set(m, a->set);
	for (i = 0; i < a->conf.nr_wishes && !err; i++) {
		w = &a->conf.wishes[i];
		if (w->kind == WISH_POLICY)
			err = model_set_policy(m, a->set, w->ifindex, w->function, w->functions);
	}
	return err;
}

/* For all cgroups: what one has allowed stays allowed until the last is detached. */
static void set_flags(struct attach *a)
{
	if (a->dual_stack)
		a->sel.state->flags |= SELSRC_BIND_DUAL_STACK;
}

static int write_tables(struct attach *a)
{
	struct model m;
	int err = model_read(&m, &a->sel);

	if (!err)
		err = wish_policies(a, &m);
	if (!err)
		err = step("tables");
	if (!err) {
		set_flags(a);
		err = model_write(&m, &a->sel);
	}
	model_free(&m);
	if (err)
		p_err("the tables cannot be written: %s", strerror(-err));
	return err;
}

static int refuse_link(const struct attach *a, const char *name, int err)
{
	if (err == -EPERM)
		p_err("%s: refused; a program attached to %s, or above, allows no other", name,
		      a->cgroup);
	else
		p_err("%s cannot be attached: %s", name, strerror(-err));
	return err;
}

/* Link, then pin: until the pin is there the link goes with the process. */
static int add_link(const struct attach *a, struct bpf_program *prog)
{
	char name[64];
	int fd, err;

	snprintf(name, sizeof(name), "link_%d_%s", a->set, bpf_program__name(prog));
	err = step("%s", name);
	if (err)
		return refuse_link(a, name, err);
	fd = bpf_link_create(bpf_program__fd(prog), a->cgroup_fd,
			     bpf_program__expected_attach_type(prog), NULL);
	if (fd < 0)
		return refuse_link(a, name, fd);
	err = pindir_pin(a->sel.dir, fd, name);
	close(fd);
	return err;
}

static int add_links(struct attach *a)
{
	struct bpf_program *prog;
	int err = 0;

	bpf_object__for_each_program(prog, a->skel->obj)
		if (!err && bpf_program__type(prog) == BPF_PROG_TYPE_CGROUP_SOCK_ADDR)
			err = add_link(a, prog);
	return err;
}

/* Last first: what an address had that the file names twice is with the first of them. */
static void put_prefs_back(struct attach *a)
{
	struct selsrc_pref_key key;
	const struct selsrc_wish *w;
	__u32 i;

	for (i = a->nr_before; i--;) {
		w = &a->conf.wishes[i];
		if (w->kind != WISH_PREF)
			continue;
		key = model_pref_key(w->ifindex, w->family, w->addr);
		if (a->before[i].there)
			bpf_map_update_elem(a->sel.prefs, &key, &a->before[i].preference, BPF_ANY);
		else
			bpf_map_delete_elem(a->sel.prefs, &key);
	}
}

/* The other cgroups' part is as it was. What cannot be written now, `follow` writes. */
static void undo_second(struct attach *a)
{
	struct model m;

	put_prefs_back(a);
	if (a->nr_before && !model_read(&m, &a->sel)) {
		model_drop_set(&m, a->set);
		model_write(&m, &a->sel);
		model_free(&m);
	}
	selsrc_undo_set(&a->sel, a->set);
}

static int open_maps(struct attach *a)
{
	int err = a->sel.state ? 0 : selsrc_maps(&a->sel, true);

	if (err)
		p_err("%s cannot be read: %s", a->sel.dir, strerror(-err));
	return err;
}

static int build(struct attach *a)
{
	int err = a->fresh ? pin_maps(a) : 0;

	if (!err)
		err = open_maps(a);
	if (!err) {
		a->sel.set[a->set].cgroup_id = cgroup_id(a->cgroup);
		snprintf(a->sel.set[a->set].cgroup, sizeof(a->sel.set[a->set].cgroup), "%s",
			 a->cgroup);
		err = set_state(a, SET_ATTACHING, "attaching");
	}
	if (!err)
		err = write_prefs(a);
	/* Before the kernel is asked for what they will hear the changes of. */
	if (!err)
		err = event_listen(&a->sel) < 0 ? -EIO : 0;
	if (!err)
		err = write_tables(a);
	if (!err)
		err = add_links(a);
	if (!err)
		err = set_state(a, SET_ATTACHED, "attached");
	if (!err)
		return EXIT_OK;
	/* The reason has been said. */
	if (a->fresh)
		selsrc_undo_all(&a->sel);
	else
		undo_second(a);
	return EXIT_REFUSED;
}

/* ---- the transaction -------------------------------------------------------------- */

static int choose_set(struct attach *a)
{
	__u64 id = cgroup_id(a->cgroup);
	int i;

	a->set = -1;
	for (i = SELSRC_SETS; i--;) {
		if (a->sel.set[i].state == SET_FREE) {
			a->set = i;
		} else if (id && a->sel.set[i].cgroup_id == id) {
			p_err("already attached to cgroup %s; 'vestige selsrc detach' first",
			      a->cgroup);
			return EXIT_REFUSED;
		}
	}
	if (a->set >= 0)
		return EXIT_OK;
	p_err("%d cgroups are attached in this namespace, the most there can be", SELSRC_SETS);
	return EXIT_REFUSED;
}

static int attach_locked(struct attach *a)
{
	int ret = selsrc_mend(&a->sel);

	if (ret)
		return ret;
	a->fresh = !a->sel.state;
	if (a->fresh)
		memset(a->sel.set, 0, sizeof(a->sel.set));
	ret = choose_set(a);
	if (!ret)
		ret = load_programs(a);
	return ret ? ret : build(a);
}

static int attach_in_lock(struct attach *a)
{
	int ret = selsrc_lock(&a->sel, true);

	if (ret)
		return ret;
	step_hold_signals();
	ret = attach_locked(a);
	if (ret && pindir_get(a->sel.dir, "state") == -ENOENT)
		pindir_remove(a->sel.dir);
	step_release_signals();
	return ret;
}

static int read_conf(struct attach *a)
{
	struct krn krn;
	int err = krn_read(&krn, KRN_ADDRS), ret = EXIT_REFUSED;

	if (err)
		p_err("addresses cannot be listed: %s", strerror(-err));
	else
		ret = conf_read(a->conf_path, &krn, &a->conf);
	krn_free(&krn);
	return ret;
}

static int open_cgroup(struct attach *a)
{
	a->cgroup_fd = host_cgroup(a->cgroup_path, a->cgroup, sizeof(a->cgroup));
	return a->cgroup_fd < 0 ? EXIT_REFUSED : EXIT_OK;
}

static void print_done(const struct attach *a)
{
	struct json_object *obj = json_object_new_object();
	char label[300];

	out_bool(obj, "attached", true);
	out_str(obj, "netns", ns_label(&a->sel.ns, label, sizeof(label)));
	out_str(obj, "cgroup", a->cgroup);
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
		ret = selsrc_locate(&a->sel, &ns);
	if (!ret)
		ret = read_conf(a);
	if (!ret)
		ret = open_cgroup(a);
	if (!ret)
		ret = attach_in_lock(a);
	if (!ret)
		print_done(a);
	return ret;
}

/* From here on it is `selsrc follow`: only the maps are needed. */
static int follow(struct attach *a)
{
	close(a->sel.lock);
	a->sel.lock = -1;
	return selsrc_follow_run(&a->sel);
}

int selsrc_attach(int argc, char **argv)
{
	struct attach a = { .cgroup_fd = -1, .sel.lock = -1 };
	int ret = parse(argc, argv, &a);

	if (!ret)
		ret = attach(&a);
	if (a.skel)
		selsrc_bpf__destroy(a.skel);
	if (a.cgroup_fd >= 0)
		close(a.cgroup_fd);
	conf_free(&a.conf);
	free(a.before);
	step_report();
	if (!ret && a.follow)
		ret = follow(&a);
	if (a.sel.dir[0])
		selsrc_close(&a.sel);
	return ret;
}
