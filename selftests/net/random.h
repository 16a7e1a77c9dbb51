/* SPDX-License-Identifier: GPL-2.0 */
/* random.h - numbers that are the same everywhere for one seed, which rand() is not. */
#ifndef SELFTESTS_NET_RANDOM_H
#define SELFTESTS_NET_RANDOM_H

#include <stdint.h>

static uint32_t seed = 1;

/* xorshift */
static inline uint32_t rnd(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 17;
	seed ^= seed << 5;
	return seed;
}

#endif
