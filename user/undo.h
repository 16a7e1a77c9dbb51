/* SPDX-License-Identifier: GPL-2.0 */
/*
 * undo.h - take an attachment down, whole or half made.
 *
 * The order is that of an attach, backwards: the sysctl first, so that the
 * kernel makes TIME_WAIT sockets again before we stop recording; the links
 * and filters; the maps; `attachment`, which knows what to restore, last.
 * Each part looks at what is there, never at how far somebody says he got.
 */
#ifndef VESTIGE_UNDO_H
#define VESTIGE_UNDO_H

#include "pins.h"

enum {
	UNDO_WAIT = 1,	/* let the live records expire before they are given up */
	UNDO_GONE = 2,	/* the namespace is gone: only the folder is left */
};

/*
 * p->att has been read (or is zero). The folder itself stays, and the lock
 * with it. 0, or negative errno, said.
 */
int undo(struct pins *p, unsigned int flags);

#endif
