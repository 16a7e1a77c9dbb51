/* SPDX-License-Identifier: GPL-2.0 */
/*
 * forward.h - the folder <bpffs>/vestige_forward/<netns cookie> that forwarding lives in.
 *
 * maps		by their own name
 * link_*	the links: link_xdp_<ifindex> one for each device, link_rtcache and
 *		link_device the module's tracepoints
 */
#ifndef VESTIGE_USER_FORWARD_H
#define VESTIGE_USER_FORWARD_H

#include <limits.h>

#include <vestige/forward.h>
#include "ns.h"
#include "pindir.h"
#include "rtnl.h"

#define FORWARD_PART "vestige_forward"

struct forward_pins {
	char dir[PATH_MAX];
	struct ns ns;
	struct forward_attachment att;
};

/* Enter namespace netns (NULL: the current one) and find its folder. EXIT_*, said. */
int forward_enter(struct forward_pins *p, const char *netns);

/* The same for who looks: attached, whole, and of our version. */
int forward_open(struct forward_pins *p, const char *netns);

/* p->att. 0, or negative errno in silence (-ENOENT: not pinned). */
int forward_read(struct forward_pins *p);
int forward_write(const struct forward_pins *p);

/* The lock of the folder. fd, or -EXIT_REFUSED, said. */
int forward_lock(const struct forward_pins *p, bool create);

/* fd of the pinned map; negative errno, said. */
int forward_map(const struct forward_pins *p, const char *name);

/* Take down what is there, the folder excepted. p->att was read, or is 0. 0 or -errno, said. */
int forward_undo(struct forward_pins *p);

/* Folders of namespaces that are gone. Returns how many. */
int forward_each_stale(void (*fn)(struct forward_pins *p, void *arg), void *arg);

/* forward_load.c */
struct forward_bpf;
struct forward_load {
	__u64 netns_cookie;
	__u32 flows;		/* rounded up to whole buckets */
	__u32 age_ms;
	__u32 bypass;		/* obstacles that do not matter */
	bool module;		/* with the program for the module's tracepoint */
};

/* NULL: it has been said. */
struct forward_bpf *forward_load(const struct forward_load *opts);

/* forward_devices.c: what the programs have to know of the namespace's devices. */
struct forward_devices {
	struct device *all;
	int nr_all;
	int chosen[FORWARD_MAX_DEVICES];	/* in `all`; the number is the slot */
	int nr;
};

/* Look the names up; refuse those that it cannot be right for. EXIT_*, said. */
int forward_choose(struct forward_devices *d, const char *const *names, int nr);

/* What of it changes, as it is now. */
union forward_facts forward_facts(const struct device *dev);

/* Fill the maps. 0 or -errno, said. */
int forward_tell(const struct forward_devices *d, const struct forward_bpf *skel);

/* forward_gens.c: the map of generations is the module's, for as long as the link is there. */
int forward_vouch(const struct forward_bpf *skel);
int forward_listen(const struct forward_pins *p, const struct forward_bpf *skel);
int forward_gens(const struct forward_pins *p, struct rtcache_gens *gens);

/*
 * forward_obstacles.c: what is in the way, without the module: in the namespace
 * (RTCACHE_NETFILTER, RTCACHE_IPSEC), on a device (RTCACHE_TC, RTCACHE_QDISC).
 */
__u32 forward_obstacles(void);
__u32 forward_obstacles_of(int ifindex);
int forward_look_about(const struct forward_devices *d);	/* EXIT_*, said */

/* Commands. */
int forward_attach(int argc, char **argv);
int forward_detach(int argc, char **argv);
int forward_show(int argc, char **argv);
int forward_stats(int argc, char **argv);

#endif
