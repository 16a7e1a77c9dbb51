/* SPDX-License-Identifier: GPL-2.0 */
/* rtcache_neigh.h - the neighbours that there are, learnt once. */
#ifndef VESTIGE_RTCACHE_NEIGH_H
#define VESTIGE_RTCACHE_NEIGH_H

#include <vestige/rtneigh.h>

/* Those of the namespace that was entered. If they cannot be told, none is known. */
void rtcache_neigh_learn(struct rtneigh_memory *memory);

#endif
