/* SPDX-License-Identifier: GPL-2.0 */
/*
 * selsrc_kernel.h - what source selection has to know of the kernel, as rtnetlink tells it.
 *
 * Everything is in the order in which the kernel tells it, since the order of the
 * addresses of a device is what `index` ranks by.
 */
#ifndef VESTIGE_SELSRC_KERNEL_H
#define VESTIGE_SELSRC_KERNEL_H

#include <stdbool.h>
#include <libmnl/libmnl.h>
#include <linux/if.h>
#include <linux/types.h>

/* IPv4 uses word 0 of every address. */
struct krn_dev {
	int ifindex;
	int master;
	bool vrf;
	__u32 flags;			/* IFF_* */
	char name[IFNAMSIZ];
};

struct krn_addr {
	int family, ifindex;
	__u32 flags;			/* IFA_F_* */
	__u32 preferred, valid;		/* seconds; ~0: for ever */
	__u8 plen, scope;		/* scope: RT_SCOPE_* */
	__be32 addr[4];			/* IFA_LOCAL, or IFA_ADDRESS */
};

struct krn_route {
	int family;
	int oif;			/* 0: none, or several */
	__u32 table, metric;
	__u8 plen, tos, type, scope, proto;	/* RTN_*, RT_SCOPE_*, RTPROT_* */
	bool several;			/* more than one next hop */
	bool encap;
	bool by_source;			/* holds for some sources only */
	bool gateway, prefsrc;
	bool dead, linkdown;		/* RTNH_F_* */
	__be32 dst[4], src[4];		/* src: prefsrc */
};

struct krn_rule {
	int family;
	__u32 priority, table;
	__u8 action;			/* FR_ACT_* */
	bool plain;			/* for every packet, and looks up a table */
	bool l3mdev;
};

struct krn_label {
	int ifindex;			/* 0: any */
	__u32 label;
	__u8 plen;
	__be32 addr[4];
};

struct krn {
	struct krn_dev *devs;
	struct krn_addr *addrs;
	struct krn_route *routes;
	struct krn_rule *rules;
	struct krn_label *labels;
	__u32 nr_devs, nr_addrs, nr_routes, nr_rules, nr_labels;
};

/* What of the kernel is wanted. */
enum {
	KRN_ADDRS = 1,			/* devices, too */
	KRN_ROUTES = 2,			/* and rules */
	KRN_LABELS = 4,
	KRN_ALL = 7,
};

/*
 * Ask the kernel. 0, or negative errno in silence; krn_free() in either case. Routes of
 * tables that no plain rule names are left out, and so are those of the cache.
 */
int krn_read(struct krn *krn, unsigned int what);
void krn_free(struct krn *krn);

/* RTM_NEWADDR or RTM_DELADDR. false: of another family. */
bool krn_addr(const struct nlmsghdr *msg, struct krn_addr *addr);

/*
 * The source that the kernel would choose by itself; oif 0: by any device. 0, or negative
 * errno in silence.
 */
int krn_source(int family, const __be32 *dst, int oif, __be32 *src);

const struct krn_dev *krn_dev(const struct krn *krn, int ifindex);
const struct krn_dev *krn_dev_by_name(const struct krn *krn, const char *name);

#endif
