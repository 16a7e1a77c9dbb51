/* SPDX-License-Identifier: GPL-2.0 */
/*
 * gens.h - the pinned maps `gens` of a network namespace, as user space writes them.
 *
 * Each part that keeps copies of routes has one, and they come and go as parts are
 * attached and detached. All are given the same generations. Not those that the
 * module vouches for: it knows better.
 */
#ifndef VESTIGE_GENS_H
#define VESTIGE_GENS_H

#include <limits.h>
#include <stdbool.h>
#include <vestige/rtcache.h>

#include "ns.h"

#define GENS_PARTS	3

struct gens_pin {
	char dir[PATH_MAX];
	__u32 id;			/* of the map; 0: none is pinned */
	struct rtcache_gens *mem;	/* NULL: it is not ours to write */
	bool held;			/* not to be vouched for at present */
};

struct gens {
	struct gens_pin pin[GENS_PARTS];
	__u64 gen[RTCACHE_FAMILIES];
};

/* Name of part number i: 0 is "vestige_forward". */
const char *gens_part(int i);

/* Where they would be. EXIT_OK, or it has been said; gens_find(): 0 or -ENOENT, in silence. */
int gens_open(struct gens *g, const struct ns *ns);
int gens_find(struct gens *g, const struct ns *ns);

/*
 * Look which are there. True: one has come, whose generation may be larger than ours
 * and which knows nothing of what we have seen; gens_bump() both families.
 */
bool gens_scan(struct gens *g);

/* families: bits. */
void gens_bump(struct gens *g, __u32 families);
void gens_settle(struct gens *g, __u32 families);
void gens_vouch(struct gens *g, __u64 until_ns);

/* Nobody vouches for them any more. */
void gens_close(struct gens *g);

/* What is pinned as number i, copied. False: nothing that could be read. */
bool gens_read(const struct gens *g, int i, struct rtcache_gens *copy);

#endif
