/* SPDX-License-Identifier: GPL-2.0 */
/*
 * gre.h - the GRE header: bytes -> struct -> bytes.
 *
 * Pure. RFC 2784, with the key and the sequence number of RFC 2890:
 *
 *	 0                   1                   2                   3
 *	|C|R|K|S|s|0|    reserved, ignored    | Ver |       protocol        |
 *	|     checksum, if C     |    reserved, if C    |
 *	|     key, if K          |
 *	|     sequence, if S     |
 *
 * The checksum covers header and payload: who has the packet computes it.
 */
#ifndef VESTIGE_GRE_H
#define VESTIGE_GRE_H

#include <linux/types.h>
#include <asm/byteorder.h>

#ifdef __KERNEL__
#include <linux/string.h>
#else
#include <string.h>
#endif

#define SGRE_HDR_CSUM		0x8000
#define SGRE_HDR_KEY		0x2000
#define SGRE_HDR_SEQ		0x1000
/* RFC 2784 2.3: one of these set, the packet goes. 0x4000 was routing. */
#define SGRE_HDR_RESERVED	0x4c00
#define SGRE_HDR_VERSION	0x0007

#define SGRE_HDR_MIN		4
#define SGRE_HDR_MAX		16
#define SGRE_HDR_CSUM_OFFSET	4

struct sgre_hdr {
	__u16 flags;	/* SGRE_HDR_*, all 16 bits as they came */
	__u16 len;	/* bytes, by the flags */
	__be16 proto;
	__be32 key;	/* 0 without SGRE_HDR_KEY */
	__u32 seq;	/* host order; 0 without SGRE_HDR_SEQ */
};

static inline __u16 sgre_hdr_len(__u16 flags)
{
	return SGRE_HDR_MIN + 4 * (!!(flags & SGRE_HDR_CSUM) + !!(flags & SGRE_HDR_KEY) +
				   !!(flags & SGRE_HDR_SEQ));
}

/* The length of the header that begins with those four bytes. */
static inline __u16 sgre_hdr_len_at(const void *data)
{
	__be16 flags;

	memcpy(&flags, data, sizeof(flags));
	return sgre_hdr_len(__be16_to_cpu(flags));
}

static inline __be32 sgre_hdr_word(const __u8 **at)
{
	__be32 word;

	memcpy(&word, *at, sizeof(word));
	*at += sizeof(word);
	return word;
}

/* data: sgre_hdr_len_at() bytes. Judges nothing. */
static inline void sgre_hdr_parse(struct sgre_hdr *hdr, const void *data)
{
	const __u8 *at = (const __u8 *)data + SGRE_HDR_MIN;
	__be16 flags;

	memcpy(&flags, data, sizeof(flags));
	memcpy(&hdr->proto, (const __u8 *)data + 2, sizeof(hdr->proto));
	hdr->flags = __be16_to_cpu(flags);
	hdr->len = sgre_hdr_len(hdr->flags);
	if (hdr->flags & SGRE_HDR_CSUM)
		at += 4;
	hdr->key = hdr->flags & SGRE_HDR_KEY ? sgre_hdr_word(&at) : 0;
	hdr->seq = hdr->flags & SGRE_HDR_SEQ ? __be32_to_cpu(sgre_hdr_word(&at)) : 0;
}

static inline void sgre_hdr_put(__u8 **at, __be32 word)
{
	memcpy(*at, &word, sizeof(word));
	*at += sizeof(word);
}

/* Writes sgre_hdr_len(hdr->flags) bytes; a checksum of 0. */
static inline void sgre_hdr_build(void *data, const struct sgre_hdr *hdr)
{
	__be16 flags = __cpu_to_be16(hdr->flags);
	__u8 *at = (__u8 *)data + SGRE_HDR_MIN;

	memcpy(data, &flags, sizeof(flags));
	memcpy((__u8 *)data + 2, &hdr->proto, sizeof(hdr->proto));
	if (hdr->flags & SGRE_HDR_CSUM)
		sgre_hdr_put(&at, 0);
	if (hdr->flags & SGRE_HDR_KEY)
		sgre_hdr_put(&at, hdr->key);
	if (hdr->flags & SGRE_HDR_SEQ)
		sgre_hdr_put(&at, __cpu_to_be32(hdr->seq));
}

/* Is seq acceptable when next is expected? Half of the numbers lie ahead. */
static inline int sgre_seq_in_order(__u32 seq, __u32 next)
{
	return (__s32)(seq - next) >= 0;
}

#endif /* VESTIGE_GRE_H */
