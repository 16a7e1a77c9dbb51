/* SPDX-License-Identifier: GPL-2.0 */
/* gens_module.h - the module keeps a map `gens`, for as long as a link is pinned. */
#ifndef VESTIGE_GENS_MODULE_H
#define VESTIGE_GENS_MODULE_H

#include <vestige/rtcache.h>

/*
 * In this order: the module vouches for the map; a program listens to one of its tracepoints,
 * pinned in dir as `pin`; the first generations come. 0 or negative errno, said. Of the last
 * two, listening is a step() of its own and a pin, and so is the flush.
 */
int gens_module_vouch(int map);
int gens_module_listen(const char *dir, const char *tracepoint, int prog, const char *pin);
int gens_module_prime(void);

#endif
