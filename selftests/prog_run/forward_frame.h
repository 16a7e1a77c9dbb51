/* SPDX-License-Identifier: GPL-2.0 */
/* forward_frame.h - a packet from its description: as it comes in, and as it goes out. */
#ifndef SELFTESTS_PROG_RUN_FORWARD_FRAME_H
#define SELFTESTS_PROG_RUN_FORWARD_FRAME_H

#include <linux/if_ether.h>

#include "forward.h"

struct row {
	const char *name;
	int want;		/* FORWARD_GO, or the counter */
	int v6;
	const char *src, *dst;	/* NULL: 10.0.1.2, 10.9.9.9; fd00:1::2, fd09::9 */
	int tags;		/* VLAN tags, */
	__u16 tci[2];
	__u16 type;		/* of the outer one; 0: 0x8100 */
	int out_vid;		/* of what leaves; 0: none */
	__u8 proto, ttl, tos;
	__u8 l4[4];		/* its first bytes */
	__u32 payload, behind;
	__u16 frag, ethertype;
	__u8 first;
	int options, damage;
	__u32 cut;
	const __u8 *dmac;
	__u8 smac_other;
};

static void put(struct bytes *f, const void *data, size_t len)
{
	memcpy(f->b + f->len, data, len);
	f->len += len;
}

static void put16(struct bytes *f, __u16 v)
{
	v = htons(v);
	put(f, &v, 2);
}

static __u16 sum_of(const __u8 *b, size_t len)
{
	__u32 sum = 0;

	for (size_t i = 0; i < len; i++)
		sum += i & 1 ? b[i] : b[i] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return ~sum;
}

static __u8 proto_of(const struct row *r)
{
	return r->proto == 255 ? 0 : r->proto ? r->proto : 17;
}

static void put_ip4(struct bytes *f, const struct row *r, __u8 ttl)
{
	struct iphdr ip = { .version = 4, .ihl = 5 + r->options / 4 };
	__u8 pad[40] = { 1, 1, 1, 1 };
	__u32 at = f->len;
	__u16 sum;

	ip.tos = r->tos;
	ip.tot_len = htons(sizeof(ip) + r->options + 8 + r->payload);
	ip.id = htons(0x1234);
	ip.frag_off = htons(r->frag);
	ip.ttl = ttl;
	ip.protocol = proto_of(r);
	inet_pton(AF_INET, r->src ? r->src : "10.0.1.2", &ip.saddr);
	inet_pton(AF_INET, r->dst ? r->dst : "10.9.9.9", &ip.daddr);
	put(f, &ip, sizeof(ip));
	put(f, pad, r->options);
	if (r->first)
		f->b[at] = r->first;
	sum = htons(sum_of(f->b + at, sizeof(ip) + r->options) + r->damage);
	memcpy(f->b + at + 10, &sum, 2);
}

static void put_ip6(struct bytes *f, const struct row *r, __u8 ttl)
{
	struct ipv6hdr ip = { .version = 6, .priority = r->tos >> 4, .hop_limit = ttl };
	__u32 at = f->len;

	ip.flow_lbl[0] = r->tos << 4 | 5;
	ip.flow_lbl[2] = 0x77;
	ip.payload_len = htons(8 + r->payload);
	ip.nexthdr = proto_of(r);
	inet_pton(AF_INET6, r->src ? r->src : "fd00:1::2", &ip.saddr);
	inet_pton(AF_INET6, r->dst ? r->dst : "fd09::9", &ip.daddr);
	put(f, &ip, sizeof(ip));
	if (r->first)
		f->b[at] = r->first;
}

static void put_rest(struct bytes *f, const struct row *r, __u8 ttl)
{
	__u8 l4[8] = { 0x12, 0x34, 0, 80, 0, 8, 0x55, 0x66 };

	if (r->ethertype)
		put16(f, r->ethertype);
	else
		put16(f, r->v6 ? ETH_P_IPV6 : ETH_P_IP);
	if (r->v6)
		put_ip6(f, r, ttl);
	else
		put_ip4(f, r, ttl);
	if (r->proto == 1 || r->proto == 58)
		memcpy(l4, r->l4, sizeof(r->l4));
	put(f, l4, sizeof(l4));
	for (__u32 i = 0; i < r->payload + r->behind; i++)
		f->b[f->len++] = i * 7;
	if (r->cut)
		f->len = r->cut;
}

static struct bytes frame_in(const struct row *r)
{
	struct bytes f = { .len = 0 };

	put(&f, r->dmac ? r->dmac : mac_in, 6);
	put(&f, mac_src, 6);
	for (int i = 0; i < r->tags; i++) {
		put16(&f, !i && r->type ? r->type : 0x8100);
		put16(&f, r->tci[i]);
	}
	put_rest(&f, r, r->ttl ? r->ttl : 64);
	return f;
}

static struct bytes frame_out(const struct row *r)
{
	struct bytes f = { .len = 0 };

	put(&f, mac_hop, 6);
	put(&f, mac_out, 6);
	if (r->out_vid) {
		put16(&f, 0x8100);
		put16(&f, r->out_vid);
	}
	put_rest(&f, r, (r->ttl ? r->ttl : 64) - 1);
	return f;
}

#endif /* SELFTESTS_PROG_RUN_FORWARD_FRAME_H */
