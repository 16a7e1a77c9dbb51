/* SPDX-License-Identifier: GPL-2.0 */
/* show.h - a packet in one line of words, everything checked that can be. */
#ifndef SELFTESTS_GRE_SHOW_H
#define SELFTESTS_GRE_SHOW_H

#include "packet.h"

static inline void show_payload(const uint8_t *p, int len)
{
	printf(" payload=");
	print_hex(p, len);
}

static inline void show_gre(const uint8_t *p, int len)
{
	uint32_t flags = len >= 4 ? get16(p) : 0;
	int at = 4;

	if (len < 4) {
		printf(" gre=short");
		return;
	}
	printf(" gre flags=%04x proto=%04x", flags, get16(p + 2));
	if (flags & 0xc000 && len >= at + 4) {
		if (flags & 0x8000)
			printf(" csum=%s", csum_fold(csum_add(0, p, len)) ? "bad" : "ok");
		at += 4;
	}
	if (flags & 0x2000 && len >= at + 4) {
		printf(" key=%u", get32(p + at));
		at += 4;
	}
	if (flags & 0x1000 && len >= at + 4) {
		printf(" seq=%u", get32(p + at));
		at += 4;
	}
	show_payload(p + at, len - at);
}

static inline void show_udp(const uint8_t *ip, const uint8_t *p, int len, bool gre)
{
	if (len < 8) {
		printf(" udp=short");
		return;
	}
	printf(" udp=%u:%u ulen=%s", get16(p), get16(p + 2), get16(p + 4) == (uint32_t)len ?
	       "ok" : "bad");
	if (!get16(p + 6))
		printf(" usum=none");
	else
		printf(" usum=%s", l4_sum(ip, p, len, 17) ? "bad" : "ok");
	if (gre)
		show_gre(p + 8, len - 8);
	else
		show_payload(p + 8, len - 8);
}

/* udp_port: GRE is looked for behind it. */
static inline void show_l4(const uint8_t *ip, const uint8_t *p, int len, int proto, int udp_port)
{
	if (proto == 47) {
		show_gre(p, len);
	} else if (proto == 17) {
		show_udp(ip, p, len, len >= 4 && (int)get16(p + 2) == udp_port);
	} else {
		printf(" l4=%d", proto);
		show_payload(p, len);
	}
}

static inline void show_v4(const uint8_t *ip, int len, int udp_port)
{
	int head = (ip[0] & 15) * 4, total = get16(ip + 2);
	char src[INET_ADDRSTRLEN], dst[INET_ADDRSTRLEN];

	inet_ntop(AF_INET, ip + 12, src, sizeof(src));
	inet_ntop(AF_INET, ip + 16, dst, sizeof(dst));
	printf("ip4 src=%s dst=%s tos=%u ttl=%u df=%u", src, dst, ip[1], ip[8],
	       !!(get16(ip + 6) & 0x4000));
	if (csum_fold(csum_add(0, ip, head)))
		printf(" ipsum=bad");
	if (total > len || head < 20 || total < head) {
		printf(" iplen=bad");
		return;
	}
	if (get16(ip + 6) & 0x3fff) {
		printf(" frag=%u%s", (get16(ip + 6) & 0x1fff) * 8,
		       get16(ip + 6) & 0x2000 ? "+" : "");
		show_payload(ip + head, total - head);
		return;
	}
	show_l4(ip, ip + head, total - head, ip[9], udp_port);
}

static inline void show_v6(const uint8_t *ip, int len, int udp_port)
{
	char src[INET6_ADDRSTRLEN], dst[INET6_ADDRSTRLEN];
	int total = get16(ip + 4);

	inet_ntop(AF_INET6, ip + 8, src, sizeof(src));
	inet_ntop(AF_INET6, ip + 24, dst, sizeof(dst));
	printf("ip6 src=%s dst=%s tos=%u ttl=%u", src, dst, get32(ip) >> 20 & 0xff, ip[7]);
	if (total + 40 > len)
		printf(" iplen=bad");
	else
		show_l4(ip, ip + 40, total, ip[6], udp_port);
}

/* type: the ethertype; 0: by the first nibble. raw: bytes only. */
static inline void show(const uint8_t *p, int len, uint32_t type, int udp_port, bool raw)
{
	if (!raw && len >= 20 && is_v4(p) && (!type || type == 0x800))
		show_v4(p, len, udp_port);
	else if (!raw && len >= 40 && p[0] >> 4 == 6 && (!type || type == 0x86dd))
		show_v6(p, len, udp_port);
	else {
		printf("type=%04x", type);
		show_payload(p, len);
	}
	putchar('\n');
}

#endif
