/* SPDX-License-Identifier: GPL-2.0 */
/*
 * selsrc_undo.h - take a cgroup, or all that there is, out of a folder of selsrc.
 *
 * The lock is held. Each looks at what is there, never at how far somebody says he got.
 */
#ifndef VESTIGE_SELSRC_UNDO_H
#define VESTIGE_SELSRC_UNDO_H

#include "selsrc.h"

/* One cgroup: its links, then its place in `sets`. 0, or negative errno, said. */
int selsrc_undo_set(struct selsrc *s, int i);

/*
 * Everything, also what is not understood; the maps are closed. The folder itself stays,
 * and the lock with it. As selsrc_undo_set().
 */
int selsrc_undo_all(struct selsrc *s);

/*
 * What is left of those who were killed, and of cgroups that were removed. Opens the maps
 * if anything remains attached: then s->state is not NULL. EXIT_OK, or it has been said.
 */
int selsrc_mend(struct selsrc *s);

#endif
