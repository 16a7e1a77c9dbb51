// SPDX-License-Identifier: GPL-2.0
/* forward_devices.c - the devices to forward between, and what the program must know of them. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/if_arp.h>

#include "cmd.h"
#include "forward.h"
#include "forward.skel.h"
#include "out.h"
#include "sysctl.h"

static const struct device *by_index(const struct forward_devices *d, int ifindex)
{
	int i;

	for (i = 0; i < d->nr_all; i++)
		if (d->all[i].ifindex == ifindex)
			return &d->all[i];
	return NULL;
}

static int by_name(const struct forward_devices *d, const char *name)
{
	int i;

	for (i = 0; i < d->nr_all; i++)
		if (!strcmp(d->all[i].name, name))
			return i;
	return -1;
}

static int check_device(const struct forward_devices *d, const struct device *dev)
{
	const struct device *master = dev->master ? by_index(d, dev->master) : NULL;

	if (dev->type != ARPHRD_ETHER) {
		p_err("device %s is no Ethernet device; leave it out", dev->name);
		return EXIT_REFUSED;
	}
	if (dev->vid || !strcmp(dev->kind, "vlan")) {
		p_err("device %s is a VLAN device; name the device below it, whose VLANs are "
		      "forwarded too", dev->name);
		return EXIT_REFUSED;
	}
	if (dev->part) {
		p_err("device %s is a part of %s, which decides where its frames go; leave it out",
		      dev->name, master ? master->name : "another device");
		return EXIT_REFUSED;
	}
	return EXIT_OK;
}

static int choose_one(struct forward_devices *d, const char *name)
{
	int i, which = by_name(d, name);

	if (which < 0) {
		p_err("device '%s' does not exist in this namespace; 'ip link' shows those that do",
		      name);
		return EXIT_REFUSED;
	}
	for (i = 0; i < d->nr; i++) {
		if (d->chosen[i] == which) {
			p_err("device %s is named twice", name);
			return EXIT_USAGE;
		}
	}
	d->chosen[d->nr++] = which;
	return check_device(d, &d->all[which]);
}

int forward_choose(struct forward_devices *d, const char *const *names, int nr)
{
	int i, ret = EXIT_OK;

	d->nr_all = rtnl_devices(&d->all);
	if (d->nr_all < 0) {
		p_err("devices cannot be listed: %s", strerror(-d->nr_all));
		d->nr_all = 0;
		return EXIT_REFUSED;
	}
	for (i = 0; i < nr && !ret; i++)
		ret = choose_one(d, names[i]);
	return ret;
}

/*
 * What counts is the larger of the device's own and everybody's. Of one that has no such
 * setting, or another name by now, the strictest is believed.
 */
static __u8 rp_filter(const char *name)
{
	int all = 0, own = 1;
	char path[64];

	sysctl_read("conf/all/rp_filter", &all);
	snprintf(path, sizeof(path), "conf/%s/rp_filter", name);
	sysctl_read(path, &own);
	return own > all ? own : all;
}

union forward_facts forward_facts(const struct device *dev)
{
	union forward_facts facts = { .rp_filter = rp_filter(dev->name) };

	memcpy(facts.mac, dev->mac, sizeof(facts.mac));
	facts.state = (dev->flags & IFF_UP ? RTCACHE_DEVICE_UP : 0) |
		      (dev->part ? RTCACHE_DEVICE_PART : 0);
	return facts;
}

/* dev: the chosen one, or a VLAN device on it. */
static int tell_device(const struct forward_bpf *skel, const struct device *dev, __u32 slot,
		       bool soft)
{
	struct forward_device value = {
		.ifindex = dev->ifindex, .slot = slot, .vid = dev->vid, .soft = soft,
		.facts = forward_facts(dev),
	};

	return bpf_map_update_elem(bpf_map__fd(skel->maps.devices), &dev->ifindex, &value,
				   BPF_ANY);
}

static int tell_vlan(const struct forward_bpf *skel, const struct device *vlan, __u32 slot,
		     bool soft)
{
	struct forward_vlan key = { .ifindex = vlan->lower, .vid = vlan->vid };
	int err = tell_device(skel, vlan, slot, soft);

	return err ?: bpf_map_update_elem(bpf_map__fd(skel->maps.vlans), &key, &vlan->ifindex,
					  BPF_ANY);
}

static int tell_one(const struct forward_devices *d, const struct forward_bpf *skel, __u32 slot)
{
	const struct device *dev = &d->all[d->chosen[slot]];
	/* What comes by it may come from this machine, or from one that runs on it. */
	bool soft = !strcmp(dev->kind, "veth") || !strcmp(dev->kind, "tun");
	int i, err;

	err = bpf_map_update_elem(bpf_map__fd(skel->maps.slots), &slot, &dev->ifindex, BPF_ANY);
	err = err ?: tell_device(skel, dev, slot, soft);
	for (i = 0; i < d->nr_all && !err; i++)
		if (d->all[i].vid && d->all[i].lower == dev->ifindex)
			err = tell_vlan(skel, &d->all[i], slot, soft);
	if (err)
		p_err("device %s cannot be made known to the program: %s", dev->name,
		      strerror(-err));
	return err;
}

int forward_tell(const struct forward_devices *d, const struct forward_bpf *skel)
{
	int slot, err = 0;

	for (slot = 0; slot < d->nr && !err; slot++)
		err = tell_one(d, skel, slot);
	return err;
}
