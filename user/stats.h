/* SPDX-License-Identifier: GPL-2.0 */
/* stats.h - the counters, summed over CPUs. */
#ifndef VESTIGE_STATS_H
#define VESTIGE_STATS_H

#include <vestige/vtw.h>
#include "pins.h"

/* EXIT_OK, or EXIT_REFUSED and it has been said. */
int stats_read(const struct pins *p, struct vtw_stats *sum);

/* `vestige vtw stats [all | reset]` */
int vtw_stats(int argc, char **argv);

#endif
