/* SPDX-License-Identifier: GPL-2.0 */
/*
 * selsrc.h - the folder <bpffs>/vestige_selsrc/<netns cookie>, and the maps in it.
 *
 * maps			by their own name; `state` last: with it they are complete
 * link_<set>_<hook>	the links of one cgroup; set: its number in `sets`
 * link_event		the link to the module's tracepoint, if the module is there
 */
#ifndef VESTIGE_USER_SELSRC_H
#define VESTIGE_USER_SELSRC_H

#include <limits.h>
#include <stdbool.h>
#include <vestige/rtcache.h>
#include <vestige/selsrc.h>

#include "ns.h"
#include "pindir.h"

#define SELSRC_PART	"vestige_selsrc"

/* Chunks of addresses in each half: each device with addresses has at least one. */
#define SELSRC_CHUNKS	2048

/* struct selsrc_set.state */
enum selsrc_set_state {
	SET_FREE,
	SET_ATTACHING,
	SET_ATTACHED,
	SET_DETACHING,
};

struct selsrc {
	char dir[PATH_MAX];
	struct ns ns;
	int lock;			/* -1: not held */
	bool gens_are_ours;		/* we follow: flux ends when we have written */
	/* maps; -1 and NULL: not open */
	int devs, labels[2], routes[SELSRC_FAMILIES][2], prefs, sets, stats;
	struct selsrc_state *state;
	struct rtcache_gens *gens;
	struct selsrc_steps4 *steps4;
	struct selsrc_steps6 *steps6;
	struct selsrc_chunk4 *chunks4;
	struct selsrc_chunk6 *chunks6;
	struct selsrc_policy *policies;
	__u32 chunks;			/* in each half */
	struct selsrc_set set[SELSRC_SETS];	/* as they were when read */
};

/* ---- selsrc_maps.c ---- */

/* Where it would be; nothing is open. As pindir_locate(). */
int selsrc_locate(struct selsrc *s, const struct ns *ns);

/*
 * Open the maps. 0, or negative errno in silence; -ENOENT: not attached, or remains of
 * it only; -EPROTO: of another version.
 */
int selsrc_maps(struct selsrc *s, bool writable);
void selsrc_close(struct selsrc *s);

/*
 * For all commands but attach and detach: enter namespace netns (NULL: the current one),
 * open the maps, refuse if nothing is attached. EXIT_OK, or it has been said.
 */
int selsrc_open(struct selsrc *s, const char *netns, bool writable);

/* Wait a while for the lock. EXIT_OK, or it has been said. */
int selsrc_lock(struct selsrc *s, bool create);

/* Read s->set. 0 or negative errno. */
int selsrc_read_sets(struct selsrc *s);
int selsrc_write_set(struct selsrc *s, int i);

/*
 * Which set is meant? By the path of its cgroup; NULL: the only one. Number, or
 * -EXIT_REFUSED, said.
 */
int selsrc_which(const struct selsrc *s, const char *cgroup);

/* cgroup_id of a path; 0: it cannot be told. */
__u64 cgroup_id(const char *path);

/* Why the tables of a family are not used, in a few words; NULL: they are. */
const char *selsrc_unused(const struct selsrc *s, int family);

/* ---- commands ---- */

int selsrc_attach(int argc, char **argv);
int selsrc_detach(int argc, char **argv);
int selsrc_show(int argc, char **argv);
int selsrc_policy(int argc, char **argv);
int selsrc_explain(int argc, char **argv);
int selsrc_follow(int argc, char **argv);

/* What follow does, for attach too; s is open and not locked. */
int selsrc_follow_run(struct selsrc *s);

#endif
