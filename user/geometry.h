/* SPDX-License-Identifier: GPL-2.0 */
/* geometry.h - sizes and hash keys that the attached programs were given. */
#ifndef VESTIGE_GEOMETRY_H
#define VESTIGE_GEOMETRY_H

#include <vestige/vtw.h>
#include "pins.h"

/*
 * They are constants of the programs, in no pin: found by way of a link, its
 * program, and that program's constants. geo[0] IPv4, geo[1] IPv6.
 * EXIT_OK, or EXIT_REFUSED and it has been said.
 */
int geometry_read(const struct pins *p, struct vtw_geometry geo[2]);

#endif
