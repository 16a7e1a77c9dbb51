// SPDX-License-Identifier: GPL-2.0
/*
 * endpoint.c - ADDR[/LEN][:PORT], read and printed.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "endpoint.h"

static bool digits(const char *word, unsigned long max, unsigned long *value)
{
	if (!*word || strspn(word, "0123456789") != strlen(word) ||
	    strlen(word) > 6)
		return false;
	*value = strtoul(word, NULL, 10);
	return *value <= max;
}

static const char *parse_port(const char *word, struct endpoint *e)
{
	unsigned long port;

	if (!strcmp(word, "*"))
		return NULL;
	if (!digits(word, 65535, &port))
		return "a port is a number from 0 to 65535";
	e->has_port = true;
	e->port = htons(port);
	return NULL;
}

static const char *parse_len(const char *word, struct endpoint *e)
{
	unsigned long len;

	if (!digits(word, 128, &len))
		return "a prefix length is a number up to 32 (IPv6: 128)";
	e->has_len = true;
	e->len = len;
	return NULL;
}

static const char *parse_address(const char *word, struct endpoint *e)
{
	static const __u8 mapped[12] = { [10] = 0xff, [11] = 0xff };

	if (inet_pton(AF_INET, word, e->addr) == 1) {
		e->family = AF_INET;
		if (e->has_len && e->len > 32)
			return "a prefix length of IPv4 is at most 32";
	} else if (inet_pton(AF_INET6, word, e->addr) == 1) {
		e->family = AF_INET6;
	} else {
		return "not an address of IPv4 or IPv6";
	}
	if (!e->has_len)
		e->len = e->family == AF_INET6 ? 128 : 32;
	if (e->family == AF_INET6 && e->len >= 96 &&
	    !memcmp(e->addr, mapped, sizeof(mapped))) {
		e->family = AF_INET;
		e->len -= 96;
		e->addr[0] = e->addr[3];
		memset(e->addr + 1, 0, 3 * sizeof(e->addr[0]));
	}
	return NULL;
}

/* End `s` at the first `c`. What is behind it, or NULL. */
static char *split(char *s, int c)
{
	s = strchr(s, c);
	if (s)
		*s++ = '\0';
	return s;
}

/* Cut `word` into address, length and port. */
static const char *cut(char *word, char **addr, char **len, char **port)
{
	bool bracket = *word == '[', inside;
	char *rest = word, *colon;

	*addr = word;
	if (bracket) {
		*addr = word + 1;
		rest = split(word, ']');
		if (!rest)
			return "the ']' is missing";
		if (*rest && *rest != '/' && *rest != ':')
			return "behind ']' comes /LEN or :PORT";
	}
	inside = bracket && strchr(*addr, '/');		/* [2001:db8::/32]:443 */
	*len = split(inside ? *addr : rest, '/');
	colon = strchr(rest, ':');
	if (*len && !inside)
		*port = split(*len, ':');
	else if (!bracket && colon && strchr(colon + 1, ':'))
		*port = NULL;				/* bare IPv6 address */
	else
		*port = split(rest, ':');
	return NULL;
}

const char *endpoint_parse(const char *word, struct endpoint *e)
{
	char copy[128], *addr, *len, *port;
	const char *wrong;

	memset(e, 0, sizeof(*e));
	if (strlen(word) >= sizeof(copy))
		return "too long";
	strcpy(copy, word);
	wrong = cut(copy, &addr, &len, &port);
	if (!wrong && port)
		wrong = parse_port(port, e);
	if (!wrong && len)
		wrong = parse_len(len, e);
	if (wrong)
		return wrong;
	if (!strcmp(addr, "*") || (!*addr && port))
		return len ? "a prefix length wants an address" : NULL;
	return parse_address(addr, e);
}

/* Network-order mask of word `i` for a prefix of `len` bits. */
static __be32 mask_word(__u32 len, __u32 i)
{
	__u32 bits = len <= 32 * i ? 0 : len - 32 * i;

	if (!bits)
		return 0;
	return bits >= 32 ? 0xffffffff : htonl(~0u << (32 - bits));
}

bool endpoint_covers(const struct endpoint *e, int family, const __be32 *addr)
{
	__u32 i;

	if (!e->family)
		return true;
	if (e->family != family)
		return false;
	for (i = 0; i < 4; i++)
		if ((e->addr[i] ^ addr[i]) & mask_word(e->len, i))
			return false;
	return true;
}

bool endpoint_host_bits(const struct endpoint *e)
{
	__u32 i;

	for (i = 0; i < 4; i++)
		if (e->addr[i] & ~mask_word(e->len, i))
			return true;
	return false;
}

void endpoint_mask(struct endpoint *e)
{
	__u32 i;

	for (i = 0; i < 4; i++)
		e->addr[i] &= mask_word(e->len, i);
}

const char *address_text(int family, const __be32 *addr, char *text)
{
	if (!inet_ntop(family, addr, text, ENDPOINT_STRLEN))
		strcpy(text, "?");
	return text;
}

const char *endpoint_text(int family, const __be32 *addr, __be16 port, char *text)
{
	char buf[ENDPOINT_STRLEN];

	address_text(family, addr, buf);
	snprintf(text, ENDPOINT_STRLEN,
		 family == AF_INET6 ? "[%.46s]:%u" : "%.46s:%u", buf, ntohs(port));
	return text;
}
