/* SPDX-License-Identifier: GPL-2.0 */
/* memory.h - what the maps of an attachment weigh. */
#ifndef VESTIGE_MEMORY_H
#define VESTIGE_MEMORY_H

#include "pins.h"

struct memory {
	__u64 pool[2];		/* records, chunks, index: IPv4, IPv6 */
	__u64 fixed;		/* everything else */
};

void memory_read(const struct pins *p, struct memory *m);

#endif
