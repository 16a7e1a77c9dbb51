// SPDX-License-Identifier: GPL-2.0
/* hook.c - the programs on devices: which, where, and are they still there. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/if_arp.h>
#include <linux/if_link.h>
#include <linux/pkt_sched.h>
#include <sys/stat.h>

#include "hook.h"
#include "out.h"
#include "step.h"

/* Ours and nobody else's, together with the name of the program. */
#define TC_HANDLE	0x7677
#define TC_PRIORITY	7

const char *hook_name(enum hook hook)
{
	static const char *const names[] = { "none", "tc", "xdp" };

	return names[hook];
}

bool hook_type_l3(__u16 type)
{
	switch (type) {
	case ARPHRD_NONE:	/* tun, wireguard */
	case ARPHRD_PPP:
	case ARPHRD_TUNNEL:
	case ARPHRD_TUNNEL6:
	case ARPHRD_SIT:
	case ARPHRD_IPGRE:
	case ARPHRD_IP6GRE:
	case ARPHRD_RAWIP:
		return true;
	}
	return false;
}

bool hook_type_known(__u16 type)
{
	return type == ARPHRD_ETHER || type == ARPHRD_LOOPBACK || hook_type_l3(type);
}

/*
 * Native XDP only, never generic: that one copies frames and is slower than tc.
 * `auto` leaves it to hardware drivers (those without an rtnl kind). On a veth
 * XDP_TX hands frames to the peer's NAPI; a peer that runs none (no XDP, no
 * GRO there) drops them in silence, so that answers would get lost, and XDP on
 * a veth costs it GSO in any case.
 */
bool hook_may_xdp(const struct device *dev, enum hook_mode mode)
{
	if (mode == MODE_TC || dev->type != ARPHRD_ETHER)
		return false;
	return mode == MODE_XDP || !dev->kind[0];
}

/* Marks are empty folders: bpffs keeps nothing else that is not BPF. */
const char *hook_mark(const struct pins *p, const struct device *dev, char *buf)
{
	char name[64], *dot;

	snprintf(name, sizeof(name), "dev_%d:%s", dev->ifindex, dev->name);
	while ((dot = strchr(name, '.')))
		*dot = ':';
	return pindir_path(p->dir, name, buf, PATH_MAX);
}

static const char *qdisc_mark(const struct pins *p, int ifindex, char *buf)
{
	char name[32];

	snprintf(name, sizeof(name), "clsact_%d", ifindex);
	return pindir_path(p->dir, name, buf, PATH_MAX);
}

static const char *xdp_pin(const struct pins *p, int ifindex, char *buf)
{
	char name[32];

	snprintf(name, sizeof(name), "link_xdp_%d", ifindex);
	return pindir_path(p->dir, name, buf, PATH_MAX);
}

static int say(const struct device *dev, const char *what, int err)
{
	if (err == -ENODEV)
		return err;
	p_err("device %s: %s: %s", dev->name, what, strerror(-err));
	return err;
}

static int make_mark(const struct device *dev, const char *path)
{
	int err = step("mark %s", path);

	if (!err && mkdir(path, 0700) && errno != EEXIST)
		err = -errno;
	return err ? say(dev, "cannot be noted in bpffs", err) : 0;
}

int hook_mark_all(const struct pins *p)
{
	const struct device any = { .name = "(all)" };
	char path[PATH_MAX];

	return make_mark(&any, pindir_path(p->dir, HOOK_MARK_ALL, path, sizeof(path)));
}

static int create_qdisc(const struct device *dev)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = dev->ifindex,
		    .attach_point = BPF_TC_INGRESS | BPF_TC_EGRESS);
	int err = step("qdisc clsact on %s", dev->name);

	if (!err)
		err = bpf_tc_hook_create(&hook);
	/* Somebody made one just now; if empty at the end it goes with ours. */
	return err == -EEXIST ? 0 : err;
}

/*
 * The mark comes before the qdisc, so that a qdisc of ours is known as such
 * wherever we are killed.
 */
static int need_qdisc(const struct pins *p, const struct device *dev)
{
	char mark[PATH_MAX];
	int err;

	if (rtnl_has_qdisc(dev->ifindex, "clsact") == 1)
		return 0;
	if (rtnl_has_qdisc(dev->ifindex, "ingress") == 1) {
		p_err("device %s has an ingress qdisc, which leaves no room for clsact; "
		      "remove it: tc qdisc del dev %s ingress", dev->name, dev->name);
		return -EBUSY;
	}
	err = make_mark(dev, qdisc_mark(p, dev->ifindex, mark));
	if (err)
		return err;
	err = create_qdisc(dev);
	return err ? say(dev, "no clsact qdisc", err) : 0;
}

static int add_filter(const struct device *dev, enum bpf_tc_attach_point point, int prog)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = dev->ifindex, .attach_point = point);
	LIBBPF_OPTS(bpf_tc_opts, opts, .prog_fd = prog, .handle = TC_HANDLE,
		    .priority = TC_PRIORITY);
	const char *way = point == BPF_TC_INGRESS ? "ingress" : "egress";
	int err = step("tc filter on %s %s", dev->name, way);

	if (!err)
		err = bpf_tc_attach(&hook, &opts);
	if (err == -EEXIST) {
		p_err("device %s: tc %s filter %d handle %#x is taken by somebody else; "
		      "remove it first", dev->name, way, TC_PRIORITY, TC_HANDLE);
		return err;
	}
	return err ? say(dev, "no tc filter", err) : 0;
}

/* The card lets frames for others through too, when promiscuous; vtw_xdp wants to know. */
static int tell_mac(const struct pins *p, const struct device *dev)
{
	int fd = pins_map(p, "macs"), err;
	struct vtw_mac mac = {};

	if (fd < 0)
		return fd;
	memcpy(mac.addr, dev->mac, sizeof(mac.addr));
	err = bpf_map_update_elem(fd, &dev->ifindex, &mac, BPF_ANY);
	close(fd);
	return err;
}

/* Link, then pin: until the pin is there the link goes with the process. */
static int add_xdp(const struct pins *p, const struct device *dev, int prog)
{
	LIBBPF_OPTS(bpf_link_create_opts, opts, .flags = XDP_FLAGS_DRV_MODE);
	char path[PATH_MAX];
	int fd, err;

	err = step("xdp on %s", dev->name);
	if (err)
		return err;
	err = tell_mac(p, dev);
	if (err)
		return err;
	fd = bpf_link_create(prog, dev->ifindex, BPF_XDP, &opts);
	if (fd < 0)
		return fd;
	err = step("pin xdp link of %s", dev->name);
	if (!err)
		err = bpf_obj_pin(fd, xdp_pin(p, dev->ifindex, path));
	close(fd);
	return err;
}

static int refuse_xdp(const struct device *dev, int err)
{
	if (err == -ENODEV)
		return err;
	if (err == -EBUSY || err == -EEXIST)
		p_err("device %s already has an XDP program; use 'hook auto' or 'hook tc'",
		      dev->name);
	else
		p_err("device %s takes no native XDP (%s); use 'hook auto' or 'hook tc'",
		      dev->name, strerror(-err));
	return err;
}

static int add_ingress(const struct pins *p, const struct device *dev, enum hook_mode mode,
		       const struct hook_progs *progs, enum hook *hook)
{
	int err, in = hook_type_l3(dev->type) ? progs->in_l3 : progs->in;

	if (hook_may_xdp(dev, mode)) {
		err = add_xdp(p, dev, progs->xdp);
		if (!err) {
			*hook = HOOK_XDP;
			return 0;
		}
		if (mode == MODE_XDP)
			return refuse_xdp(dev, err);
		/* No native XDP in this driver, or somebody else has it. */
		p_debug("%s: no XDP (%s), tc it is", dev->name, strerror(-err));
	}
	err = add_filter(dev, BPF_TC_INGRESS, in);
	if (!err)
		*hook = HOOK_TC;
	return err;
}

int hook_add(const struct pins *p, const struct device *dev, enum hook_mode mode,
	     const struct hook_progs *progs, enum hook *hook)
{
	int out = hook_type_l3(dev->type) ? progs->out_l3 : progs->out;
	char mark[PATH_MAX];
	int err;

	*hook = HOOK_NONE;
	err = make_mark(dev, hook_mark(p, dev, mark));
	if (!err)
		err = need_qdisc(p, dev);
	if (!err)
		err = add_ingress(p, dev, mode, progs, hook);
	if (!err)
		err = add_filter(dev, BPF_TC_EGRESS, out);
	return err;
}

/* Our name, whichever attach it came from. */
static bool prog_is_ours(__u32 id)
{
	struct bpf_prog_info info = {};
	__u32 len = sizeof(info);
	int fd = bpf_prog_get_fd_by_id(id);
	bool ours = false;

	if (fd < 0)
		return false;
	if (!bpf_obj_get_info_by_fd(fd, &info, &len))
		ours = !strncmp(info.name, "vtw_in", 6) || !strncmp(info.name, "vtw_out", 7);
	close(fd);
	return ours;
}

static bool has_filter(int ifindex, enum bpf_tc_attach_point point)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = ifindex, .attach_point = point);
	LIBBPF_OPTS(bpf_tc_opts, opts, .handle = TC_HANDLE, .priority = TC_PRIORITY);
	bool ours = !bpf_tc_query(&hook, &opts) && prog_is_ours(opts.prog_id);

	out_libbpf_forget();	/* "not found" is no news here */
	return ours;
}

static int remove_filter(const struct device *dev, enum bpf_tc_attach_point point)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = dev->ifindex, .attach_point = point);
	LIBBPF_OPTS(bpf_tc_opts, opts, .handle = TC_HANDLE, .priority = TC_PRIORITY);
	int err;

	if (!has_filter(dev->ifindex, point))
		return 0;
	err = step("remove tc filter from %s %s", dev->name,
		   point == BPF_TC_INGRESS ? "ingress" : "egress");
	if (!err)
		err = bpf_tc_detach(&hook, &opts);
	if (err == -ENOENT || err == -ENODEV)
		err = 0;
	return err ? say(dev, "tc filter cannot be removed", err) : 0;
}

static int remove_qdisc(const struct pins *p, const struct device *dev)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = dev->ifindex,
		    .attach_point = BPF_TC_INGRESS | BPF_TC_EGRESS);
	char mark[PATH_MAX];
	int err;

	if (access(qdisc_mark(p, dev->ifindex, mark), F_OK))
		return 0;
	if (rtnl_filters(dev->ifindex, TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_INGRESS)) ||
	    rtnl_filters(dev->ifindex, TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_EGRESS)))
		return 0;	/* somebody else has moved in */
	if (rtnl_has_qdisc(dev->ifindex, "clsact") != 1)
		return 0;
	err = step("remove qdisc clsact from %s", dev->name);
	if (!err)
		err = bpf_tc_hook_destroy(&hook);
	return err && err != -ENODEV ? say(dev, "qdisc cannot be removed", err) : 0;
}

int hook_remove_tc(const struct pins *p, const struct device *dev)
{
	int err = remove_filter(dev, BPF_TC_INGRESS);

	if (!err)
		err = remove_filter(dev, BPF_TC_EGRESS);
	return err ? err : remove_qdisc(p, dev);
}

static bool xdp_is_on(const struct pins *p, const struct device *dev)
{
	struct bpf_link_info info = {};
	__u32 len = sizeof(info);
	char path[PATH_MAX];
	int fd = bpf_obj_get(xdp_pin(p, dev->ifindex, path));
	bool on;

	if (fd < 0)
		return false;
	on = !bpf_obj_get_info_by_fd(fd, &info, &len) &&
	     (int)info.xdp.ifindex == dev->ifindex;
	close(fd);
	return on;
}

enum hook hook_look(const struct pins *p, const struct device *dev, bool *egress)
{
	*egress = has_filter(dev->ifindex, BPF_TC_EGRESS);
	if (xdp_is_on(p, dev))
		return HOOK_XDP;
	return has_filter(dev->ifindex, BPF_TC_INGRESS) ? HOOK_TC : HOOK_NONE;
}
