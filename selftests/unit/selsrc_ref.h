/* SPDX-License-Identifier: GPL-2.0 */
/*
 * selsrc_ref.h - source selection once more, from the texts and not from the code.
 *
 * Addresses are strings of 0 and 1, classes are prefixes looked up in tables of text, and
 * the winner is the one that nobody beats, each pair compared by subtracting scores.
 */
#ifndef SELFTESTS_SELSRC_REF_H
#define SELFTESTS_SELSRC_REF_H

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define REF_ADDRS	256
#define REF_WORDS	8

struct ref_addr {
	char bits[129];
	long preference;
	int deprecated;
	int rt_scope;		/* 0, 253, 254 */
	unsigned long label;
};

struct ref_case {
	int family;		/* AF_INET, AF_INET6 */
	char dst[129];
	unsigned long dst_label;
	int route_scope;
	const char *policy[REF_WORDS];
	int words;
	struct ref_addr addr[REF_ADDRS];
	int n;
};

static inline void ref_bits(char *bits, int family, const void *wire)
{
	const unsigned char *bytes = wire;
	int n = family == AF_INET ? 32 : 128;

	for (int i = 0; i < n; i++)
		bits[i] = bytes[i / 8] & (128 >> (i % 8)) ? '1' : '0';
	bits[n] = '\0';
}

/* Does "10.0.0.0/8" hold it? */
static inline int ref_in(int family, const char *bits, const char *prefix)
{
	char text[64], net[129], *slash;
	unsigned char wire[16];

	snprintf(text, sizeof(text), "%s", prefix);
	slash = strchr(text, '/');
	*slash = '\0';
	if (inet_pton(family, text, wire) != 1)
		abort();
	ref_bits(net, family, wire);
	return !strncmp(bits, net, atoi(slash + 1));
}

static inline int ref_in_any(int family, const char *bits, const char *const *prefixes)
{
	for (; *prefixes; prefixes++)
		if (ref_in(family, bits, *prefixes))
			return 1;
	return 0;
}

/* 'l', 'p' or 'o' */
static inline char ref_category(int family, const char *bits)
{
	static const char *const link4[] = { "169.254.0.0/16", "224.0.0.0/24", NULL };
	static const char *const private4[] = { "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16",
						NULL };
	static const char *const private6[] = { "fc00::/8", "fd00::/8", NULL };

	if (family == AF_INET)
		return ref_in_any(family, bits, link4) ? 'l' :
		       ref_in_any(family, bits, private4) ? 'p' : 'o';
	if (ref_in(family, bits, "fe80::/10"))
		return 'l';
	/* Multicast: 8 ones, flags, scope 1 or 2. */
	if (!strncmp(bits, "11111111", 8) && (!strncmp(bits + 12, "0001", 4) ||
					     !strncmp(bits + 12, "0010", 4)))
		return 'l';
	return ref_in_any(family, bits, private6) ? 'p' : 'o';
}

static inline long ref_same_category(char source, char dest)
{
	static const char table[][4] = { "ll2", "pp2", "oo2", "pl1", "lp1", "po1" };

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		if (table[i][0] == source && table[i][1] == dest)
			return table[i][2] - '0';
	return 0;
}

static inline long ref_scope(int family, const char *bits)
{
	static const char *const link4[] = { "169.254.0.0/16", "127.0.0.0/8", "224.0.0.0/24",
					     NULL };
	char digits[5] = "";

	if (family == AF_INET)
		return ref_in_any(family, bits, link4) ? 2 : 14;
	if (ref_in(family, bits, "ff00::/8")) {
		memcpy(digits, bits + 12, 4);
		return strtol(digits, NULL, 2);
	}
	if (ref_in(family, bits, "::1/128") || ref_in(family, bits, "fe80::/10"))
		return 2;
	return ref_in(family, bits, "fec0::/10") ? 5 : 14;
}

/*
 * RFC 6724, rule 2, made a number: whoever reaches is better than whoever does not; among
 * those who reach the narrower, among the others the wider.
 */
static inline long ref_scope_score(long source, long dest)
{
	return source < dest ? -1000 + source : 1000 - source;
}

static inline long ref_common(const char *a, const char *b)
{
	long n = 0;

	while (a[n] && a[n] == b[n])
		n++;
	return n;
}

static inline long ref_score(const struct ref_case *c, const char *word, int i)
{
	const struct ref_addr *a = &c->addr[i];

	if (!strcmp(word, "index"))
		return -i;
	if (!strcmp(word, "preference"))
		return a->preference;
	if (!strcmp(word, "common-prefix-len"))
		return ref_common(a->bits, c->dst);
	if (!strcmp(word, "same-category"))
		return ref_same_category(ref_category(c->family, a->bits),
					 ref_category(c->family, c->dst));
	if (!strcmp(word, "scope"))
		return ref_scope_score(ref_scope(c->family, a->bits),
				       ref_scope(c->family, c->dst));
	if (!strcmp(word, "deprecated"))
		return a->deprecated ? -1 : 0;
	if (!strcmp(word, "label"))
		return a->label == c->dst_label;
	abort();
}

static inline int ref_may(const struct ref_case *c, int i)
{
	const struct ref_addr *a = &c->addr[i];

	if (c->family == AF_INET6)
		return ref_scope(c->family, a->bits) > 2 || ref_scope(c->family, c->dst) <= 2;
	/* Of the universe: serves all; of the link: on-link only; of the host: itself. */
	return a->rt_scope <= c->route_scope;
}

/* Does x beat y? */
static inline int ref_beats(const struct ref_case *c, int x, int y)
{
	long less;

	for (int w = 0; w < c->words; w++) {
		less = ref_score(c, c->policy[w], x) - ref_score(c, c->policy[w], y);
		if (less)
			return less > 0;
	}
	return x < y;
}

/* The one that beats all others; -1: there is no candidate; -2: no order. */
static inline int ref_winner(const struct ref_case *c)
{
	int winner = -1, winners = 0, any = 0;

	for (int x = 0; x < c->n; x++) {
		int beaten = 0;

		if (!ref_may(c, x))
			continue;
		any = 1;
		for (int y = 0; y < c->n && !beaten; y++)
			beaten = y != x && ref_may(c, y) && ref_beats(c, y, x);
		if (!beaten) {
			winner = x;
			winners++;
		}
	}
	return !any ? -1 : winners == 1 ? winner : -2;
}

#endif /* SELFTESTS_SELSRC_REF_H */
