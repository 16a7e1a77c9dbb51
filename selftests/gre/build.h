/* SPDX-License-Identifier: GPL-2.0 */
/* build.h - wire(1) make, gre and frag. */
#ifndef SELFTESTS_GRE_BUILD_H
#define SELFTESTS_GRE_BUILD_H

#include "packet.h"

/* UDP with a pattern: src= dst= sport= dport= len= and the words of put_ip(). */
static inline void make_udp(struct packet *p, char **words)
{
	int len = number(words, "len", 16), ip = p->len, i;
	uint8_t *udp;

	put_ip(p, words, 17, 8 + len);
	udp = put(p, NULL, 8 + len);
	put16(udp, number(words, "sport", 1000));
	put16(udp + 2, number(words, "dport", 2000));
	put16(udp + 4, 8 + len);
	for (i = 0; i < len; i++)
		udp[8 + i] = i * 7 + 1;
	put16(udp + 6, l4_sum(p->data + ip, udp, 8 + len, 17));
}

/* make ip|mpls|ether WORDS */
static inline void make(struct packet *p, const char *kind, char **words)
{
	static const uint8_t frame[14] = { 2, 0, 0, 0, 0, 9, 2, 0, 0, 0, 0, 8, 8, 0 };
	const char *src = find_word(words, "src");
	uint8_t *head;

	if (!strcmp(kind, "mpls"))
		put32(put(p, NULL, 4), number(words, "label", 100) << 12 | 1 << 8 | 64);
	if (!strcmp(kind, "ether")) {
		head = put(p, frame, sizeof(frame));
		if (src && strchr(src, ':'))
			put16(head + 12, 0x86dd);
	}
	make_udp(p, words);
}

/* Bits of the GRE header as RFC 2784, 2890 and 1701 have them. */
static inline uint32_t gre_flags(char **words)
{
	uint32_t flags = number(words, "ver", 0);

	if (find_word(words, "csum"))
		flags |= 0x8000;
	if (find_word(words, "route"))
		flags |= 0x4000;
	if (find_word(words, "key"))
		flags |= 0x2000;
	if (find_word(words, "seq"))
		flags |= 0x1000;
	return number(words, "flags", flags | number(words, "reserved", 0));
}

static inline void put_gre(struct packet *p, char **words, const struct packet *payload)
{
	int start = p->len;
	uint32_t flags = gre_flags(words);
	uint8_t *gre = put(p, NULL, 4);

	put16(gre, flags);
	put16(gre + 2, number(words, "proto", 0x800));
	if (flags & 0xc000)
		put(p, NULL, 4);
	if (flags & 0x2000)
		put32(put(p, NULL, 4), number(words, "key", 0));
	if (flags & 0x1000)
		put32(put(p, NULL, 4), number(words, "seq", 0));
	put(p, payload->data, payload->len);
	p->len -= number(words, "cut", 0);
	if (flags & 0x8000 && p->len - start >= 6)
		put16(gre + 4, csum_fold(csum_add(0, gre, p->len - start)) ^
		      number(words, "csum", 0));
}

/*
 * gre WORDS HEX: a whole packet. udp=SPORT:DPORT puts it into UDP (nousum: without its
 * checksum); csum=N spoils the checksum of GRE by N, usum=N that of UDP; cut=N leaves
 * N bytes off the end; pad=N puts N behind the IP packet.
 */
static inline void make_gre(struct packet *p, char **words, const struct packet *payload)
{
	const char *udp = find_word(words, "udp");
	struct packet gre = { .len = 0 };
	unsigned int sport, dport;
	uint8_t *head;

	put_gre(&gre, words, payload);
	if (udp && sscanf(udp, "%u:%u", &sport, &dport) != 2)
		exit(2);
	put_ip(p, words, udp ? 17 : 47, gre.len + (udp ? 8 : 0));
	if (udp) {
		head = put(p, NULL, 8);
		put16(head, sport);
		put16(head + 2, dport);
		put16(head + 4, 8 + gre.len);
		put(p, gre.data, gre.len);
		if (!find_word(words, "nousum"))
			put16(head + 6, l4_sum(p->data, head, 8 + gre.len, 17) ^
			      number(words, "usum", 0));
	} else {
		put(p, gre.data, gre.len);
	}
	put(p, NULL, number(words, "pad", 0));
}

/* The first words that are found count: what is drawn here goes in front. */
static inline void print_fuzz(int n, unsigned int seed, char **words,
			      const struct packet *payload)
{
	static struct packet p;
	char flags[32], proto[32], cut[32], *drawn[20] = { flags, proto, cut };
	static const int kinds[] = { 0x800, 0x86dd, 0x8847, 0x6558, 0x880b, 0 };
	int i, common = 3;

	for (; *words && common < 19; words++)
		drawn[common++] = *words;
	srandom(seed);
	while (n--) {
		/* The bits that mean something more often than the others. */
		i = random() & 0xb000;
		if (random() % 4 == 0)
			i |= random() & 0xffff;
		snprintf(flags, sizeof(flags), "flags=%d", i);
		snprintf(proto, sizeof(proto), "proto=%d",
			 random() % 4 ? kinds[random() % 6] : (int)(random() & 0xffff));
		snprintf(cut, sizeof(cut), "cut=%ld", random() % (payload->len + 4));
		p.len = 0;
		make_gre(&p, drawn, payload);
		if (random() % 2 && p.len > 60)
			p.data[20 + random() % 40] ^= 1 << random() % 8;
		print_hex(p.data, p.len);
		putchar('\n');
	}
}

/* One fragment of an IPv4 packet, bytes from..to of what is behind its header. */
static inline void fragment(const struct packet *whole, int from, int to)
{
	static struct packet p;
	uint8_t *ip = p.data;

	p.len = 0;
	put(&p, whole->data, 20);
	put(&p, whole->data + 20 + from, to - from);
	put16(ip + 2, p.len);
	put16(ip + 6, from / 8 | (20 + to < whole->len ? 0x2000 : 0));
	put16(ip + 10, 0);
	put16(ip + 10, csum_fold(csum_add(0, ip, 20)));
	print_hex(p.data, p.len);
	putchar('\n');
}

/* frag SIZE HEX: an IPv4 packet in pieces of SIZE bytes, a multiple of 8. */
static inline void print_fragments(const struct packet *whole, int size)
{
	int from, len = whole->len - 20;

	for (from = 0; from < len; from += size)
		fragment(whole, from, from + size < len ? from + size : len);
}

#endif
