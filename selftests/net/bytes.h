/* SPDX-License-Identifier: GPL-2.0 */
/* bytes.h - numbers in network byte order, and the checksum of the Internet protocols. */
#ifndef SELFTESTS_NET_BYTES_H
#define SELFTESTS_NET_BYTES_H

#include <stdint.h>

static inline void put16(uint8_t *p, uint16_t v)
{
	p[0] = v >> 8;
	p[1] = v & 0xff;
}

static inline void put32(uint8_t *p, uint32_t v)
{
	put16(p, v >> 16);
	put16(p + 2, v);
}

static inline uint16_t get16(const uint8_t *p)
{
	return p[0] << 8 | p[1];
}

static inline uint32_t get32(const uint8_t *p)
{
	return (uint32_t)get16(p) << 16 | get16(p + 2);
}

/* Of any length; all but the last piece of an even one. */
static inline uint32_t csum_add(uint32_t sum, const uint8_t *p, int len)
{
	for (; len > 1; len -= 2, p += 2) {
		sum += get16(p);
		sum = (sum & 0xffff) + (sum >> 16);
	}
	return len ? sum + (p[0] << 8) : sum;
}

static inline uint16_t csum_fold(uint32_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return ~sum;
}

#endif
