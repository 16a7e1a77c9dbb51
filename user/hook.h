/* SPDX-License-Identifier: GPL-2.0 */
/*
 * hook.h - the programs on devices: which, where, and are they still there.
 *
 * Ingress is vtw_xdp (native XDP) or vtw_in (clsact); egress is always vtw_out
 * (clsact). Devices without a link header have the _l3 twins of the latter.
 */
#ifndef VESTIGE_HOOK_H
#define VESTIGE_HOOK_H

#include <stdbool.h>

#include "pins.h"
#include "rtnl.h"

enum hook { HOOK_NONE, HOOK_TC, HOOK_XDP };

enum hook_mode { MODE_AUTO, MODE_XDP, MODE_TC };

/* Can segments of this link type be read at all? With a link header? */
bool hook_type_known(__u16 type);
bool hook_type_l3(__u16 type);

/* Does native XDP come into question, by what the device is? */
bool hook_may_xdp(const struct device *dev, enum hook_mode mode);

/* File descriptors of the programs. */
struct hook_progs {
	int xdp;
	int in, out;
	int in_l3, out_l3;
};

/*
 * Put the hooks on a device, step by step, with its marks in the folder first.
 * Sets *hook to what ingress got. 0, or negative errno, said; -ENODEV in
 * silence: the device is gone.
 */
int hook_add(const struct pins *p, const struct device *dev, enum hook_mode mode,
	     const struct hook_progs *progs, enum hook *hook);

/*
 * The mark that a device was given hooks, and the one that every device was meant
 * to. hook_mark() returns the path in buf, which is PATH_MAX long.
 */
#define HOOK_MARK_ALL "dev_all"
const char *hook_mark(const struct pins *p, const struct device *dev, char *buf);
int hook_mark_all(const struct pins *p);

/* Take our tc filters, and the qdisc if it is ours and empty, off a device. */
int hook_remove_tc(const struct pins *p, const struct device *dev);

/* What is on the device now. egress: is vtw_out there? */
enum hook hook_look(const struct pins *p, const struct device *dev, bool *egress);

const char *hook_name(enum hook hook);

#endif
