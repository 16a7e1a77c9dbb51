/* SPDX-License-Identifier: GPL-2.0 */
/*
 * pins.h - the folder <bpffs>/vestige/<netns cookie> that an attachment lives in.
 *
 * maps		by their own name
 * link_*	the links (link_xdp_<ifindex> one for each device)
 * dev_<ifindex>:<name>	an empty folder: this device was given hooks (no name has
 *		a colon, and bpffs allows no dot, so `:` stands for `.` in it)
 * dev_all	an empty folder: every device was meant to be given hooks
 * clsact_<ifindex>	an empty folder: its clsact qdisc is ours
 */
#ifndef VESTIGE_PINS_H
#define VESTIGE_PINS_H

#include <stdbool.h>
#include <limits.h>
#include <linux/types.h>

#include <vestige/vtw.h>
#include "ns.h"
#include "pindir.h"

struct pins {
	char dir[PATH_MAX];
	struct ns ns;
	struct vtw_attachment att;
};

/* Set p->dir for namespace ns. EXIT_OK or EXIT_REFUSED (said). */
int pins_locate(struct pins *p, const struct ns *ns);

/*
 * For the commands that look at an attachment: enter namespace netns (NULL:
 * the current one), find its folder, check abi and phase. EXIT_OK, or it has
 * been said why not.
 */
int pins_open(struct pins *p, const char *netns);

/* Read p->att. 0, or negative errno in silence (-ENOENT: not pinned). */
int pins_read(struct pins *p);

/* Write p->att. */
int pins_write(struct pins *p);

/* fd of the pinned map called name; negative errno, said. */
int pins_map(const struct pins *p, const char *name);

/* max_entries of the map behind fd; 0 if it cannot be asked. */
__u32 pins_entries(int fd);

/* Copy value number key of map name. 0, or negative errno, said. */
int pins_get(const struct pins *p, const char *name, __u32 key, void *value);
int pins_set(const struct pins *p, const char *name, __u32 key, const void *value);

/*
 * As ns_enter(); but a name that was taken from a namespace that lives on still finds
 * it, if an attachment remembers the name.
 */
int pins_enter(const char *name, struct ns *ns);

/*
 * Call fn for each attachment in bpffs whose namespace is gone: no process or
 * mount shows it and none of its tc programs is on a device any more.
 * p->ns.name is the name that the namespace had. Returns how many there were.
 */
int pins_each_stale(void (*fn)(struct pins *p, void *arg), void *arg);

#endif
