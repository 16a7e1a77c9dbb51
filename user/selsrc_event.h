/* SPDX-License-Identifier: GPL-2.0 */
/*
 * selsrc_event.h - the program that hears from the module of addresses that go: `link_event`
 * in the folder. It keeps the module, as the kernel has it with tracepoints.
 */
#ifndef VESTIGE_SELSRC_EVENT_H
#define VESTIGE_SELSRC_EVENT_H

#include "selsrc.h"

/*
 * Link the program if it is not linked yet, and the module is there, or comes when it is asked
 * for; s is open, the lock is held. 1: now it is, and what is in the tables may be older; 0: as
 * before; negative errno. What fails has been said.
 */
int event_listen(const struct selsrc *s);

/* Is it linked? */
bool event_heard(const struct selsrc *s);

/* How many events it was not run for, as the kernel counts them; 0: none, or not linked. */
__u64 event_misses(const struct selsrc *s);

#endif
