/* SPDX-License-Identifier: GPL-2.0 */
/*
 * endpoint.h - ADDR[/LEN][:PORT], read and printed.
 *
 * A v4-mapped IPv6 address is IPv4 here, as it is in the pools: a session of an
 * IPv6 socket with an IPv4 peer is kept, filtered and ruled as IPv4.
 */
#ifndef VESTIGE_ENDPOINT_H
#define VESTIGE_ENDPOINT_H

#include <stdbool.h>
#include <stddef.h>
#include <linux/types.h>

/* IPv4 uses word 0 of addr; what is not used is 0. */
struct endpoint {
	int family;		/* 0: any address */
	__be32 addr[4];
	__u32 len;		/* prefix length; a plain address has all bits */
	bool has_len;		/* "/LEN" was given */
	bool has_port;
	__be16 port;
};

/*
 * 192.0.2.1, 192.0.2.0/24, 192.0.2.1:80, 192.0.2.0/24:80, 2001:db8::1,
 * 2001:db8::/32, [2001:db8::1]:443, [2001:db8::]/32:443, *, *:80, :80.
 * NULL, or what is wrong with it.
 */
const char *endpoint_parse(const char *word, struct endpoint *e);

/* Does the address lie in the prefix? The port is not looked at. */
bool endpoint_covers(const struct endpoint *e, int family, const __be32 *addr);

/* Bits set behind the prefix length? */
bool endpoint_host_bits(const struct endpoint *e);
void endpoint_mask(struct endpoint *e);		/* clear them */

#define ENDPOINT_STRLEN	64

/* 192.0.2.1:80, [2001:db8::1]:443; `text` holds ENDPOINT_STRLEN. */
const char *endpoint_text(int family, const __be32 *addr, __be16 port, char *text);

/* 192.0.2.1, 2001:db8::1 */
const char *address_text(int family, const __be32 *addr, char *text);

#endif
