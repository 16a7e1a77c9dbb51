/* SPDX-License-Identifier: GPL-2.0 */
/*
 * frame.h - frames from a description, with checksums of their own making.
 */
#ifndef SELFTESTS_FRAME_H
#define SELFTESTS_FRAME_H

#include <arpa/inet.h>
#include <stdint.h>
#include <string.h>
#include <linux/types.h>

#define FRAME_MAX	8192
#define LOCAL_PORT	80
#define PEER_PORT	40000

/* Extension headers. */
#define EXT_HOP		0x01
#define EXT_ROUTING	0x02
#define EXT_DST		0x04
#define EXT_FRAGMENT	0x08
#define EXT_LONG	0x10	/* a third of 24 bytes, not 8 */
#define EXT_ON_ITS_WAY	0x20	/* the routing header has segments left */

/* What is wrong with it. */
#define BAD_CSUM	0x01
#define PARTIAL		0x02	/* the TCP checksum is that of the pseudo header */
#define FOREIGN		0x04	/* for another station */
#define SHORT_DOFF	0x08
#define LONG_DOFF	0x10
#define LONG_TOTAL	0x20	/* says that it is longer than it is */
#define CUT		0x40	/* ends inside the TCP header */
#define BAD_VERSION	0x80
#define PADDED		0x100	/* four bytes behind the datagram */
#define MULTICAST	0x200
#define OTHER_PEER	0x400
#define OTHER_TYPE	0x800	/* not IP at all */
#define BAD_OPTION	0x1000	/* the timestamp is cut short */

struct spec {
	int v6;
	int l3;			/* no link header */
	int outgoing;
	int tags;
	__u16 vid[3];
	__u32 ip_options;	/* bytes, a multiple of 4 */
	__u32 ext;
	__u16 frag;
	__u8 proto;		/* 0: TCP */
	__u8 flags, tos;
	__u32 seq, ack, wnd, len;
	int has_ts;
	__u32 tsval, tsecr;
	__u32 wrong;
};

struct frame {
	__u8 b[FRAME_MAX];
	__u32 len, l3, l4;
};

/* Both begin as an EtherType would look, for the devices without link header: see run.h. */
static const __u8 local4[] = { 8, 0, 0, 1 }, peer4[] = { 8, 0, 7, 9 };
static const __u8 local6[16] = { 0x20, 1, 0xd, 0xb8, 0x86, 0xdd, [15] = 1 };
static const __u8 peer6[16] = { 0x20, 1, 0xd, 0xb8, 0x86, 0xdd, [15] = 7 };

/* The device of the test is lo, whose address is all zero. */
static const __u8 our_mac[6], peer_mac[6] = { 2, 0, 0, 0, 0, 9 };

static inline __u32 sum16(const __u8 *p, __u32 len, __u32 sum)
{
	for (__u32 i = 0; i < len; i++)
		sum += i & 1 ? p[i] : p[i] << 8;
	return sum;
}

static inline __u16 folded(__u32 sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

static inline void put8(struct frame *f, __u8 v)
{
	f->b[f->len++] = v;
}

static inline void put16(struct frame *f, __u16 v)
{
	put8(f, v >> 8);
	put8(f, v & 0xff);
}

static inline void put32(struct frame *f, __u32 v)
{
	put16(f, v >> 16);
	put16(f, v & 0xffff);
}

static inline void put(struct frame *f, const void *p, __u32 len)
{
	memcpy(f->b + f->len, p, len);
	f->len += len;
}

static inline void set16(struct frame *f, __u32 at, __u16 v)
{
	f->b[at] = v >> 8;
	f->b[at + 1] = v & 0xff;
}

static inline void put_link(struct frame *f, const struct spec *s)
{
	static const __u8 other[6] = { 2, 0, 0, 0, 0, 0x55 }, group[6] = { 1, 0, 0x5e, 0, 0, 1 };
	const __u8 *to = s->outgoing ? peer_mac : our_mac;

	if (s->wrong & FOREIGN)
		to = other;
	if (s->wrong & MULTICAST)
		to = group;
	put(f, to, 6);
	put(f, s->outgoing ? our_mac : peer_mac, 6);
	for (int i = 0; i < s->tags; i++) {
		put16(f, i + 1 < s->tags ? 0x88a8 : 0x8100);
		put16(f, s->vid[i]);
	}
	if (s->wrong & OTHER_TYPE)
		put16(f, 0x88b5);
	else
		put16(f, s->v6 ? 0x86dd : 0x0800);
}

static inline void put_ip4(struct frame *f, const struct spec *s, __u32 l4len)
{
	__u32 hlen = 20 + s->ip_options, at = f->len;

	put8(f, (s->wrong & BAD_VERSION ? 0x50 : 0x40) | hlen / 4);
	put8(f, s->tos);
	put16(f, hlen + l4len + (s->wrong & LONG_TOTAL ? 100 : 0));
	put16(f, s->outgoing ? 0 : 0x1234);
	put16(f, s->frag ? s->frag : 0x4000);
	put8(f, 64);
	put8(f, s->proto ? s->proto : 6);
	put16(f, 0);
	put(f, s->outgoing ? local4 : peer4, 4);
	put(f, s->outgoing ? peer4 : local4, 4);
	for (__u32 i = 0; i < s->ip_options; i++)
		put8(f, 1);
	set16(f, at + 10, ~folded(sum16(f->b + at, hlen, 0)));
}

static inline void put_ip6(struct frame *f, const struct spec *s, __u32 l4len)
{
	static const __u8 kind[] = { 0, 43, 60, 44 };
	__u32 at, extra = 8 * __builtin_popcount(s->ext & 0xf), last;

	put32(f, (s->wrong & BAD_VERSION ? 0x50000000 : 0x60000000) | s->tos << 20);
	if (s->ext & EXT_LONG)
		extra += 16;
	put16(f, extra + l4len + (s->wrong & LONG_TOTAL ? 100 : 0));
	last = f->len;
	put8(f, 0);
	put8(f, 64);
	put(f, s->outgoing ? local6 : peer6, 16);
	put(f, s->outgoing ? peer6 : local6, 16);
	for (int i = 0; i < 4; i++) {
		if (!(s->ext >> i & 1))
			continue;
		f->b[last] = kind[i];
		at = last = f->len;
		put32(f, i & 1 ? !!(s->ext & EXT_ON_ITS_WAY) : 0x00000104);	/* PadN */
		put32(f, i == 3 ? 77 : 0);
		if (i != 2 || !(s->ext & EXT_LONG))
			continue;
		f->b[at + 1] = 2;
		f->b[at + 3] = 20;
		memset(f->b + f->len, 0, 16);
		f->len += 16;
	}
	f->b[last] = s->proto ? s->proto : 6;
}

static inline __u32 pseudo(const struct spec *s, __u32 l4len)
{
	__u32 sum = s->v6 ? sum16(local6, 16, 0) : sum16(local4, 4, 0);

	sum = s->v6 ? sum16(peer6, 16, sum) : sum16(peer4, 4, sum);
	return sum + 6 + l4len;
}

static inline void put_tcp(struct frame *f, const struct spec *s)
{
	__u32 hlen = s->has_ts ? 32 : 20, at = f->len;
	__u32 doff = s->wrong & SHORT_DOFF ? 4 : s->wrong & LONG_DOFF ? 15 : hlen / 4;
	__u16 check;

	put16(f, s->outgoing ? LOCAL_PORT : PEER_PORT);
	put16(f, s->outgoing ? PEER_PORT : LOCAL_PORT);
	put32(f, s->seq);
	put32(f, s->ack);
	put8(f, doff << 4);
	put8(f, s->flags);
	put16(f, s->wnd);
	put32(f, 0);
	if (s->has_ts) {
		put32(f, s->wrong & BAD_OPTION ? 0x01010809 : 0x0101080a);
		put32(f, s->tsval);
		put32(f, s->tsecr);
	}
	for (__u32 i = 0; i < s->len; i++)
		put8(f, i * 7);
	check = folded(pseudo(s, f->len - at));
	if (!(s->wrong & PARTIAL))
		check = ~folded(sum16(f->b + at, f->len - at, check));
	set16(f, at + 16, s->wrong & BAD_CSUM ? check + 1 : check);
}

static inline struct frame build(const struct spec *s)
{
	struct frame f = { .len = 0 };
	__u32 l4len = (s->has_ts ? 32 : 20) + s->len;

	if (!s->l3)
		put_link(&f, s);
	f.l3 = f.len;
	if (s->v6)
		put_ip6(&f, s, l4len);
	else
		put_ip4(&f, s, l4len);
	f.l4 = f.len;
	put_tcp(&f, s);
	if (s->wrong & OTHER_PEER)
		f.b[f.l4 - (s->v6 ? 17 : 5) - s->ip_options]++;
	if (s->wrong & PADDED)
		put32(&f, 0xaaaaaaaa);
	if (s->wrong & CUT)
		f.len = f.l4 + 12;
	return f;
}

#endif /* SELFTESTS_FRAME_H */
