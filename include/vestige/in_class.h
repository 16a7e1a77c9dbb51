/* SPDX-License-Identifier: GPL-2.0 */
/*
 * in_class.h - classes of IPv4 and IPv6 addresses: one definition for the BPF programs, the
 * module and the command.
 *
 * Addresses are as on the wire: a __be32, or for IPv6 the first of four.
 *
 *	IN_LINKLOCAL	169.254.0.0/16				RFC 3927
 *	IN_PRIVATE	10.0.0.0/8 172.16.0.0/12 192.168.0.0/16	RFC 1918
 *	IN_LOCAL_GROUP	224.0.0.0/24				RFC 5771: no router forwards it
 *	IN_ANY_LOCAL	IN_LINKLOCAL or IN_LOCAL_GROUP
 *
 *	IN6_LINKLOCAL	fe80::/10				RFC 4291
 *	IN6_PRIVATE	fc00::/7				RFC 4193
 *	IN6_LOCAL_GROUP	ffX1::/16 and ffX2::/16			RFC 4291: interface and link
 *	IN6_ANY_LOCAL	IN6_LINKLOCAL or IN6_LOCAL_GROUP
 */
#ifndef VESTIGE_IN_CLASS_H
#define VESTIGE_IN_CLASS_H

#ifdef __KERNEL__
#include <linux/types.h>
#include <asm/byteorder.h>
#define IN_CLASS_HOST(a)	be32_to_cpu(a)
#else
#ifndef __VMLINUX_H__
#include <linux/types.h>
#endif
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define IN_CLASS_HOST(a)	__builtin_bswap32(a)
#else
#define IN_CLASS_HOST(a)	((__u32)(a))
#endif
#endif

#define IN_CLASS_IS(a, mask, is)	((IN_CLASS_HOST(a) & (mask)) == (is))

#define IN_LINKLOCAL(a)		IN_CLASS_IS(a, 0xffff0000u, 0xa9fe0000u)
#define IN_PRIVATE(a)		(IN_CLASS_IS(a, 0xff000000u, 0x0a000000u) ||	\
				 IN_CLASS_IS(a, 0xfff00000u, 0xac100000u) ||	\
				 IN_CLASS_IS(a, 0xffff0000u, 0xc0a80000u))
#define IN_LOCAL_GROUP(a)	IN_CLASS_IS(a, 0xffffff00u, 0xe0000000u)
#define IN_ANY_LOCAL(a)		(IN_LINKLOCAL(a) || IN_LOCAL_GROUP(a))

#define IN6_LINKLOCAL(a)	IN_CLASS_IS((a)[0], 0xffc00000u, 0xfe800000u)
#define IN6_PRIVATE(a)		IN_CLASS_IS((a)[0], 0xfe000000u, 0xfc000000u)
#define IN6_LOCAL_GROUP(a)	(IN_CLASS_IS((a)[0], 0xff0f0000u, 0xff010000u) ||	\
				 IN_CLASS_IS((a)[0], 0xff0f0000u, 0xff020000u))
#define IN6_ANY_LOCAL(a)	(IN6_LINKLOCAL(a) || IN6_LOCAL_GROUP(a))

#endif /* VESTIGE_IN_CLASS_H */
