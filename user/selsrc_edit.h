/* SPDX-License-Identifier: GPL-2.0 */
/* selsrc_edit.h - one change of the wishes, and the tables are written anew. */
#ifndef VESTIGE_SELSRC_EDIT_H
#define VESTIGE_SELSRC_EDIT_H

#include "selsrc_model.h"

/*
 * Lock, read, let fn change the model, write. fn returns EXIT_OK or has said why not: then
 * nothing is written. EXIT_OK, or it has been said.
 */
int selsrc_edit(int (*fn)(struct selsrc *s, struct model *m, void *arg), void *arg);

#endif
