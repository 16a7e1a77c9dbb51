/* SPDX-License-Identifier: GPL-2.0 */
/*
 * selsrc_model.h - what the tables of source selection are to say: the kernel's part as
 * it is now, and what was wished.
 *
 * The wishes have no place but the tables: policies are read back from the half in use,
 * preferences from `prefs`.
 */
#ifndef VESTIGE_SELSRC_MODEL_H
#define VESTIGE_SELSRC_MODEL_H

#include "selsrc.h"
#include "selsrc_kernel.h"
#include "selsrc_words.h"

struct model_policy {
	__u32 set, ifindex;		/* ifindex 0: the default */
	__u8 function[SELSRC_MAX_FUNCTIONS];
	__u8 n;
};

struct model_pref {
	struct selsrc_pref_key key;
	__s16 preference;
};

/* An element of a trie; len and addr are its key, which for IPv4 ends with addr[0]. */
struct model_prefix {
	__u32 len;
	__be32 addr[4];
	union {
		struct selsrc_route route;
		__u32 label;
	};
};

struct model_list {
	struct model_prefix *item;
	__u32 n;
};

struct model {
	struct krn krn;
	struct model_policy *policies;
	struct model_pref *prefs;
	__u32 nr_policies, nr_prefs;
	struct model_list routes[SELSRC_FAMILIES], labels;	/* sorted, no prefix twice */
	__u32 doubt[SELSRC_FAMILIES];
	__u64 version, gen[SELSRC_FAMILIES];	/* before the kernel was asked */
};

/* ---- selsrc_model.c ---- */

/*
 * Ask the kernel, read the wishes back. 0, or negative errno in silence; model_free() in
 * either case.
 */
int model_read(struct model *m, const struct selsrc *s);
/* The same without the kernel. */
int model_read_wishes(struct model *m, const struct selsrc *s);
void model_free(struct model *m);

/*
 * table_write(), and if the kernel says something else meanwhile, ask it and write again. As
 * table_write().
 */
int model_write(struct model *m, struct selsrc *s);

const struct model_policy *model_policy(const struct model *m, __u32 set, __u32 ifindex);

/* Set a policy, or with n 0 remove it. 0, or -ENOMEM; -ENOENT: there was none. */
int model_set_policy(struct model *m, __u32 set, __u32 ifindex, const __u8 *function, int n);
void model_drop_set(struct model *m, __u32 set);

/* preference of an address; 0 if there is none. */
__s16 model_preference(const struct model *m, const struct selsrc_pref_key *key);

struct selsrc_pref_key model_pref_key(int ifindex, int family, const __be32 *addr);

/* AF_INET as RTCACHE_INET ... */
int model_family(int af);

/* ---- selsrc_route.c ---- */

/* m->krn -> m->routes, m->labels, m->doubt. 0 or -ENOMEM. */
int model_routes(struct model *m);

/* As qsort() and bsearch() want it. */
int model_prefix_order(const void *a, const void *b);

/* The label of an address on a device, as the kernel finds it; IPv4 as it is. */
__u32 model_label(const struct krn *krn, int family, const __be32 *addr, int ifindex);

/* ---- selsrc_table.c ---- */

/*
 * Write the half that is not in use, and turn it into the one that is. s->lock is held.
 * 0, or negative errno in silence: nothing has changed for the programs. -EAGAIN: an address
 * has gone since m was read.
 */
int table_write(struct selsrc *s, struct model *m);

/* ---- selsrc_steps.c ---- */

/*
 * The steps of one family, from what has been written of this half already, its default
 * policies too. devs: its devices, as m->krn.devs.
 */
void steps_write(struct selsrc *s, const struct model *m, int family,
		 const struct selsrc_dev *devs, __u32 half);

/* ---- selsrc_forget.c ---- */

/*
 * Who follows has heard that an address has gone: out of the half in use with it, before
 * anything else. 0; negative errno: somebody else is writing.
 */
int table_forget(struct selsrc *s, int family, int ifindex, const __be32 *addr);

#endif
