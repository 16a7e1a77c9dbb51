/* SPDX-License-Identifier: GPL-2.0 */
/*
 * device.h - the module tells of a device: what has changed of it, that it is new, or gone.
 *
 * As with rtcache.h the program is not loaded unless it is asked for. Who attaches it has
 * everything told once by a flush. All of it is told under one lock, the newest last.
 */
#ifndef VESTIGE_BPF_DEVICE_H
#define VESTIGE_BPF_DEVICE_H

#include "flow.h"

/* A VLAN device that was not there at the attach goes the way of the one below it. */
static __always_inline void device_meet(__u32 ifindex, const struct forward_vlan *vlan,
					union forward_facts facts)
{
	struct forward_device *base = bpf_map_lookup_elem(&devices, &vlan->ifindex);
	struct forward_device dev = { .ifindex = ifindex, .vid = vlan->vid, .facts = facts };

	if (!base || base->vid)
		return;
	dev.slot = base->slot;
	dev.soft = base->soft;
	/* The tables may be full: then its packets are the stack's. */
	if (!bpf_map_update_elem(&devices, &ifindex, &dev, BPF_ANY))
		bpf_map_update_elem(&vlans, vlan, &ifindex, BPF_ANY);
}

/*
 * The memory is somebody else's at once, also for who looks at it just now. But when this is
 * told the kernel has taken the device from its lists, and waited: who still comes this far
 * by its number asks the routing table by it next, in vain.
 */
static __always_inline void device_forget(__u32 ifindex, const struct forward_vlan *vlan)
{
	__u32 *known = bpf_map_lookup_elem(&vlans, vlan);

	if (known && *known == ifindex)
		bpf_map_delete_elem(&vlans, vlan);
	bpf_map_delete_elem(&devices, &ifindex);
}

/* vestige_rtcache_device(cookie, ifindex, lower, vid, facts) */
SEC("?raw_tp/vestige_rtcache_device")
int forward_device(struct bpf_raw_tracepoint_args *ctx)
{
	struct forward_vlan vlan = { .ifindex = ctx->args[2], .vid = ctx->args[3] };
	union forward_facts facts = { .word = ctx->args[4] };
	__u32 ifindex = ctx->args[1];
	struct forward_device *dev;

	if (ctx->args[0] != netns_cookie)
		return 0;
	if (facts.state & RTCACHE_DEVICE_GONE) {
		device_forget(ifindex, &vlan);
		return 0;
	}
	dev = bpf_map_lookup_elem(&devices, &ifindex);
	if (!dev) {
		if (vlan.vid)
			device_meet(ifindex, &vlan, facts);
	} else if (dev->facts.word != facts.word) {
		*(volatile __u64 *)&dev->facts.word = facts.word;
	}
	return 0;
}

#endif /* VESTIGE_BPF_DEVICE_H */
