/* SPDX-License-Identifier: GPL-2.0 */
/* rtnl.h - the few rtnetlink dumps that libbpf does not do. */
#ifndef VESTIGE_RTNL_H
#define VESTIGE_RTNL_H

#include <stdbool.h>
#include <stddef.h>
#include <linux/if.h>
#include <linux/types.h>

struct device {
	int ifindex;
	__u16 type;		/* ARPHRD_* */
	__u8 mac[6];		/* of devices with an Ethernet header */
	__u16 vid;		/* of a VLAN device with 802.1Q tags, */
	int lower;		/* on this device */
	int master;		/* bridge, bond or VRF that it is a part of, or 0 */
	bool part;		/* of a master that takes its frames: not of a VRF */
	unsigned int flags;	/* IFF_UP ... */
	char name[IFNAMSIZ];
	char kind[16];		/* of rtnl_link_ops: empty for hardware */
};

struct nlmsghdr;
/* What RTM_NEWLINK says of it. False: not all of that. */
bool rtnl_device(const struct nlmsghdr *msg, struct device *dev);

/* The devices of the namespace. Count, or negative errno; free(*devices). */
int rtnl_devices(struct device **devices);

/* Does the device have this qdisc? 1, 0, negative errno. */
int rtnl_has_qdisc(int ifindex, const char *kind);

/* Kind of the qdisc that sends; empty: none. size: of kind. 0 or negative errno. */
int rtnl_root_qdisc(int ifindex, char *kind, size_t size);

/* Number of tc filters at parent of the device, ours too; negative errno. */
int rtnl_filters(int ifindex, __u32 parent);

#endif
