/* SPDX-License-Identifier: GPL-2.0 */
/*
 * frame.h - building and taking apart Ethernet frames that carry TCP.
 *
 * Nothing here knows of connections. What can be odd about a frame (tags,
 * options, extension headers, fragments, wrong checksums) is in struct frame,
 * so that every kind of segment can be sent in every kind of frame.
 */
#ifndef SELFTESTS_NET_FRAME_H
#define SELFTESTS_NET_FRAME_H

#include <arpa/inet.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "bytes.h"

#define FRAME_MAX	2048
#define ETH_LEN		14
#define VLAN_LEN	4
#define MAX_VLANS	2

enum {
	TCP_FIN = 0x01, TCP_SYN = 0x02, TCP_RST = 0x04, TCP_PSH = 0x08,
	TCP_ACK = 0x10, TCP_URG = 0x20, TCP_ECE = 0x40, TCP_CWR = 0x80,
};

struct segment {
	uint32_t seq;
	uint32_t ack;
	uint16_t win;
	uint8_t flags;
	bool has_ts;
	bool bad_option;	/* an option whose length runs past the header */
	uint32_t tsval;
	uint32_t tsecr;
	int mss;		/* 0: no such option */
	int wscale;		/* -1: no such option */
	int len;		/* of data */
};

enum frame_ext { EXT_NONE, EXT_HOPOPTS, EXT_DSTOPTS, EXT_ROUTING };

struct frame {
	uint8_t smac[6], dmac[6];
	int family;
	uint8_t saddr[16], daddr[16];
	uint16_t sport, dport;		/* host order */
	uint16_t vlan[MAX_VLANS];	/* outermost first */
	int vlans;
	bool ip_options;
	enum frame_ext ext[4];
	int exts;
	int fragment;			/* 0, or bytes of the first fragment */
	bool bad_tcp_csum;
	bool bad_ip_csum;
	int pad;			/* bytes behind the IP packet */
	uint8_t ttl, tos;
	bool df;
};

static inline int addr_size(int family)
{
	return family == AF_INET ? 4 : 16;
}

/* Over the pseudo header and the TCP segment; 0 if the stored one is right. */
static inline uint16_t tcp_csum(const struct frame *f, const uint8_t *tcp, int len)
{
	int n = addr_size(f->family);
	uint32_t sum = IPPROTO_TCP + len;

	sum = csum_add(sum, f->saddr, n);
	sum = csum_add(sum, f->daddr, n);
	return csum_fold(csum_add(sum, tcp, len));
}

static inline int put_tcp_options(const struct segment *s, uint8_t *p)
{
	uint8_t *start = p;

	if (s->mss) {
		*p++ = 2;
		*p++ = 4;
		put16(p, s->mss);
		p += 2;
	}
	if (s->has_ts) {
		*p++ = 1;
		*p++ = 1;
		*p++ = 8;
		*p++ = 10;
		put32(p, s->tsval);
		put32(p + 4, s->tsecr);
		p += 8;
	}
	if (s->wscale >= 0) {
		*p++ = 1;
		*p++ = 3;
		*p++ = 3;
		*p++ = s->wscale;
	}
	if (s->bad_option) {
		memcpy(p, "\x02\x28\x00\x00", 4);
		p += 4;
	}
	return p - start;
}

/* Returns the length of the segment, header and data. */
static inline int put_tcp(const struct frame *f, const struct segment *s, uint8_t *p)
{
	int header = 20 + put_tcp_options(s, p + 20);
	uint16_t csum;

	memset(p, 0, 20);
	put16(p, f->sport);
	put16(p + 2, f->dport);
	put32(p + 4, s->seq);
	put32(p + 8, s->ack);
	p[12] = header / 4 << 4;
	p[13] = s->flags;
	put16(p + 14, s->win);
	for (int i = 0; i < s->len; i++)
		p[header + i] = 'a' + i % 26;
	csum = tcp_csum(f, p, header + s->len);
	put16(p + 16, f->bad_tcp_csum ? csum ^ 0x5555 : csum);
	return header + s->len;
}

/* The fragment fields of one IPv4 or IPv6 packet; both zero: not a fragment. */
struct part {
	int offset;
	bool more;
};

static inline int put_ipv4(const struct frame *f, uint8_t *p, int payload, struct part part)
{
	int header = f->ip_options ? 28 : 20;

	memset(p, 0, header);
	p[0] = 0x40 | header / 4;
	p[1] = f->tos;
	put16(p + 2, header + payload);
	put16(p + 4, f->sport ^ f->dport);
	put16(p + 6, part.offset / 8 | (part.more ? 0x2000 : 0) |
		     (f->fragment ? 0 : 0x4000));
	p[8] = f->ttl;
	p[9] = IPPROTO_TCP;
	memcpy(p + 12, f->saddr, 4);
	memcpy(p + 16, f->daddr, 4);
	if (f->ip_options)		/* router alert, and no-operations */
		memcpy(p + 20, "\x94\x04\x00\x00\x01\x01\x01\x00", 8);
	put16(p + 10, csum_fold(csum_add(0, p, header)) ^ (f->bad_ip_csum ? 0x5555 : 0));
	return header;
}

static inline uint8_t ext_number(const struct frame *f, int i, bool fragment)
{
	static const uint8_t numbers[] = { IPPROTO_TCP, 0, 60, 43 };

	if (i < f->exts)
		return numbers[f->ext[i]];
	return fragment && i == f->exts ? 44 : IPPROTO_TCP;
}

static inline int put_ipv6(const struct frame *f, uint8_t *p, int payload, struct part part)
{
	bool fragment = part.offset || part.more;
	int exts = (f->exts + fragment) * 8;

	memset(p, 0, 40 + exts);
	p[0] = 0x60 | f->tos >> 4;
	p[1] = f->tos << 4;
	put16(p + 4, exts + payload);
	p[6] = ext_number(f, 0, fragment);
	p[7] = f->ttl;
	memcpy(p + 8, f->saddr, 16);
	memcpy(p + 24, f->daddr, 16);
	p += 40;
	for (int i = 0; i < f->exts; i++, p += 8) {
		p[0] = ext_number(f, i + 1, fragment);
		if (f->ext[i] == EXT_ROUTING)
			p[2] = 253;	/* experimental type, no segments left */
		else
			p[2] = 1, p[3] = 4;	/* PadN */
	}
	if (fragment) {
		p[0] = IPPROTO_TCP;
		put16(p + 2, part.offset | part.more);
		put32(p + 4, f->sport << 16 | f->dport);
	}
	return 40 + exts;
}

static inline int put_link(const struct frame *f, uint8_t *p)
{
	uint8_t *start = p;

	memcpy(p, f->dmac, 6);
	memcpy(p + 6, f->smac, 6);
	p += 12;
	for (int i = 0; i < f->vlans; i++, p += VLAN_LEN) {
		put16(p, f->vlans == 2 && i == 0 ? 0x88a8 : 0x8100);
		put16(p + 2, f->vlan[i]);
	}
	put16(p, f->family == AF_INET ? 0x0800 : 0x86dd);
	return p + 2 - start;
}

/* One frame around `len` bytes of the segment, from `part.offset` on. */
static inline int put_frame(const struct frame *f, const uint8_t *tcp, int len,
			    struct part part, uint8_t *out)
{
	int n = put_link(f, out);

	n += f->family == AF_INET ? put_ipv4(f, out + n, len, part) :
				    put_ipv6(f, out + n, len, part);
	memcpy(out + n, tcp + part.offset, len);
	memset(out + n + len, 0xa5, f->pad);
	return n + len + f->pad;
}

static inline const uint8_t *parse_link(struct frame *f, const uint8_t *p, const uint8_t *end)
{
	memcpy(f->dmac, p, 6);
	memcpy(f->smac, p + 6, 6);
	for (p += 12; p + 4 < end && (get16(p) == 0x8100 || get16(p) == 0x88a8); p += 4) {
		if (f->vlans == MAX_VLANS)
			return NULL;
		f->vlan[f->vlans++] = get16(p + 2);
	}
	f->family = get16(p) == 0x0800 ? AF_INET : get16(p) == 0x86dd ? AF_INET6 : 0;
	return p + 2;
}

/* Returns the TCP header and sets *end to the end of the packet; NULL: not TCP. */
static inline const uint8_t *parse_ipv4(struct frame *f, const uint8_t *p, const uint8_t **end)
{
	int header = (p[0] & 15) * 4;

	if (p + 20 > *end || p + get16(p + 2) > *end || p[9] != IPPROTO_TCP ||
	    get16(p + 6) & 0x3fff)
		return NULL;
	f->tos = p[1];
	f->ttl = p[8];
	f->df = get16(p + 6) & 0x4000;
	f->ip_options = header > 20;
	f->bad_ip_csum = csum_fold(csum_add(0, p, header));
	memcpy(f->saddr, p + 12, 4);
	memcpy(f->daddr, p + 16, 4);
	*end = p + get16(p + 2);
	return p + header;
}

static inline const uint8_t *parse_ipv6(struct frame *f, const uint8_t *p, const uint8_t **end)
{
	if (p + 40 > *end || p[6] != IPPROTO_TCP || p + 40 + get16(p + 4) > *end)
		return NULL;
	f->tos = p[0] << 4 | p[1] >> 4;
	f->ttl = p[7];
	memcpy(f->saddr, p + 8, 16);
	memcpy(f->daddr, p + 24, 16);
	*end = p + 40 + get16(p + 4);
	return p + 40;
}

static inline void parse_tcp_options(struct segment *s, const uint8_t *p, const uint8_t *end)
{
	while (p < end && *p) {
		if (*p == 1) {
			p++;
			continue;
		}
		if (p + 2 > end || p[1] < 2 || p + p[1] > end)
			return;
		if (p[0] == 2 && p[1] == 4)
			s->mss = get16(p + 2);
		if (p[0] == 3 && p[1] == 3)
			s->wscale = p[2];
		if (p[0] == 8 && p[1] == 10) {
			s->has_ts = true;
			s->tsval = get32(p + 2);
			s->tsecr = get32(p + 6);
		}
		p += p[1];
	}
}

static inline bool parse_frame(struct frame *f, struct segment *s, const uint8_t *p, int n)
{
	const uint8_t *end = p + n;
	int header;

	memset(s, 0, sizeof(*s));
	s->wscale = -1;
	if (n < ETH_LEN + 40)
		return false;
	p = parse_link(f, p, end);
	if (!p || !f->family)
		return false;
	p = f->family == AF_INET ? parse_ipv4(f, p, &end) : parse_ipv6(f, p, &end);
	if (!p || p + 20 > end)
		return false;
	header = (p[12] >> 4) * 4;
	if (header < 20 || p + header > end)
		return false;
	f->sport = get16(p);
	f->dport = get16(p + 2);
	f->bad_tcp_csum = tcp_csum(f, p, end - p);
	s->seq = get32(p + 4);
	s->ack = get32(p + 8);
	s->flags = p[13];
	s->win = get16(p + 14);
	s->len = end - p - header;
	parse_tcp_options(s, p + 20, p + header);
	return true;
}

#endif /* SELFTESTS_NET_FRAME_H */
