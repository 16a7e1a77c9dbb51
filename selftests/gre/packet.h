/* SPDX-License-Identifier: GPL-2.0 */
/* packet.h - packets as bytes, made and read without the kernel's help. */
#ifndef SELFTESTS_GRE_PACKET_H
#define SELFTESTS_GRE_PACKET_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <arpa/inet.h>

#include "../net/bytes.h"

#define MAX_PACKET	66000

struct packet {
	uint8_t data[MAX_PACKET];
	int len;
};

static inline uint8_t *put(struct packet *p, const void *bytes, int len)
{
	uint8_t *to = p->data + p->len;

	if (p->len + len > MAX_PACKET)
		exit(2);
	if (bytes)
		memcpy(to, bytes, len);
	else
		memset(to, 0, len);
	p->len += len;
	return to;
}

static inline bool is_v4(const uint8_t *ip)
{
	return ip[0] >> 4 == 4;
}

/* Checksum over what is behind the IP header, with the pseudo header. */
static inline uint16_t l4_sum(const uint8_t *ip, const uint8_t *l4, int len, int proto)
{
	uint32_t sum = is_v4(ip) ? csum_add(0, ip + 12, 8) : csum_add(0, ip + 8, 32);

	return csum_fold(csum_add(sum + proto + len, l4, len));
}

static inline void print_hex(const uint8_t *data, int len)
{
	int i;

	for (i = 0; i < len; i++)
		printf("%02x", data[i]);
}

static inline void read_hex(const char *text, struct packet *p)
{
	unsigned int byte;

	for (p->len = 0; *text; text += 2) {
		if (sscanf(text, "%2x", &byte) != 1 || !text[1] || p->len == MAX_PACKET) {
			fprintf(stderr, "wire: '%.20s' is not hex\n", text);
			exit(2);
		}
		p->data[p->len++] = byte;
	}
}

/* The value behind NAME= among the words; NULL: not there. A bare NAME has "". */
static inline const char *find_word(char **words, const char *name)
{
	size_t len = strlen(name);

	for (; *words; words++)
		if (!strncmp(*words, name, len)) {
			if ((*words)[len] == '=')
				return *words + len + 1;
			if (!(*words)[len])
				return *words + len;
		}
	return NULL;
}

static inline uint32_t number(char **words, const char *name, uint32_t otherwise)
{
	const char *word = find_word(words, name);

	return word && *word ? strtoul(word, NULL, 0) : otherwise;
}

/* IP header in front of len bytes, which follow. src= dst= tos= ttl= df id= */
static inline void put_ip(struct packet *p, char **words, int proto, int len)
{
	const char *src = find_word(words, "src"), *dst = find_word(words, "dst");
	bool v6 = src && strchr(src, ':');
	uint8_t *ip = put(p, NULL, v6 ? 40 : 20);
	uint32_t tos = number(words, "tos", 0), ttl = number(words, "ttl", 64);

	if (!src || !dst || inet_pton(v6 ? AF_INET6 : AF_INET, src, ip + (v6 ? 8 : 12)) != 1 ||
	    inet_pton(v6 ? AF_INET6 : AF_INET, dst, ip + (v6 ? 24 : 16)) != 1) {
		fprintf(stderr, "wire: src= and dst= want two addresses of one family\n");
		exit(2);
	}
	if (v6) {
		put32(ip, 6u << 28 | tos << 20 | number(words, "label", 0));
		put16(ip + 4, len);
		ip[6] = proto;
		ip[7] = ttl;
		return;
	}
	ip[0] = 0x45;
	ip[1] = tos;
	put16(ip + 2, 20 + len);
	put16(ip + 4, number(words, "id", 1));
	put16(ip + 6, find_word(words, "df") ? 0x4000 : 0);
	ip[8] = ttl;
	ip[9] = proto;
	put16(ip + 10, csum_fold(csum_add(0, ip, 20)));
}

#endif
