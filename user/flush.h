/* SPDX-License-Identifier: GPL-2.0 */
/* flush.h - give sessions up before they expire. */
#ifndef VESTIGE_FLUSH_H
#define VESTIGE_FLUSH_H

#include "pins.h"
#include "table.h"

struct flush;

/*
 * tables: writable, IPv4 and IPv6; they stay open until flush_end(). NULL, and
 * it has been said. Signals are held until the end.
 */
struct flush *flush_begin(const struct pins *p, struct table *tables);

/* A session that changed since it was read is left alone. */
void flush_session(struct flush *fl, struct table *t, const struct session *s);

/* Returns how many have gone. */
__u32 flush_end(struct flush *fl);

#endif
