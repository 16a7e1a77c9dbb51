// SPDX-License-Identifier: GPL-2.0
/*
 * test_gre.c - the GRE header: its length, where its fields lie, what is built
 *
 * The rows are bytes on the wire; then all 65536 flag words are built and parsed
 * again, at an odd address, with a canary behind.
 */
#include <arpa/inet.h>

#include <vestige/gre.h>

#include "unit.h"

#define CANARY	0xa5

struct row {
	const char *name;
	__u8 bytes[SGRE_HDR_MAX];
	__u16 len, flags, proto;
	__u32 key, seq;
};

static const struct row rows[] = {
	{ "bare, IPv4", { 0, 0, 8, 0 }, 4, 0, 0x0800, 0, 0 },
	{ "bare, TEB", { 0, 0, 0x65, 0x58 }, 4, 0, 0x6558, 0, 0 },
	{ "keepalive", { 0, 0, 0, 0 }, 4, 0, 0, 0, 0 },
	{ "checksum", { 0x80, 0, 0x86, 0xdd, 1, 2, 3, 4 }, 8, 0x8000, 0x86dd, 0, 0 },
	{ "key", { 0x20, 0, 8, 0, 1, 2, 3, 4 }, 8, 0x2000, 0x0800, 0x01020304, 0 },
	{ "sequence", { 0x10, 0, 8, 0, 1, 2, 3, 4 }, 8, 0x1000, 0x0800, 0, 0x01020304 },
	{ "checksum and key", { 0xa0, 0, 8, 0, 9, 9, 0, 0, 1, 2, 3, 4 },
	  12, 0xa000, 0x0800, 0x01020304, 0 },
	{ "key and sequence", { 0x30, 0, 8, 0, 1, 2, 3, 4, 5, 6, 7, 8 },
	  12, 0x3000, 0x0800, 0x01020304, 0x05060708 },
	{ "all", { 0xb0, 0, 8, 0, 9, 9, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8 },
	  16, 0xb000, 0x0800, 0x01020304, 0x05060708 },
	{ "ignored bits do not lengthen", { 0x03, 0xf8, 8, 0 }, 4, 0x03f8, 0x0800, 0, 0 },
	{ "routing does not lengthen", { 0x40, 0, 8, 0 }, 4, 0x4000, 0x0800, 0, 0 },
	{ "version 1", { 0x20, 1, 0x88, 0x0b, 0, 9, 0, 7 }, 8, 0x2001, 0x880b, 0x00090007, 0 },
};

static void check_row(const struct row *r)
{
	struct sgre_hdr hdr;

	sgre_hdr_parse(&hdr, r->bytes);
	ksft_ok(sgre_hdr_len_at(r->bytes) == r->len && hdr.len == r->len &&
		hdr.flags == r->flags && hdr.proto == htons(r->proto) &&
		hdr.key == htonl(r->key) && hdr.seq == r->seq,
		"%s: length %u flags %04x proto %04x key %08x seq %08x", r->name, hdr.len,
		hdr.flags, ntohs(hdr.proto), ntohl(hdr.key), hdr.seq);
}

/* Built, nothing is written behind; parsed, it is the same. */
static int round_trip(__u16 flags, struct rng *rng)
{
	struct sgre_hdr in = { .flags = flags, .proto = rng_next(rng), .key = rng_next(rng),
			       .seq = rng_next(rng) }, out;
	__u8 room[SGRE_HDR_MAX + 2];
	__u16 len = sgre_hdr_len(flags);

	memset(room, CANARY, sizeof(room));
	sgre_hdr_build(room + 1, &in);
	sgre_hdr_parse(&out, room + 1);
	if (room[0] != CANARY || room[1 + len] != CANARY)
		return ksft_fail_at("flags %04x: written outside of %u bytes", flags, len);
	if (out.flags != flags || out.len != len || out.proto != in.proto ||
	    out.key != (flags & SGRE_HDR_KEY ? in.key : 0) ||
	    out.seq != (flags & SGRE_HDR_SEQ ? in.seq : 0))
		return ksft_fail_at("flags %04x: not the same again", flags);
	if (flags & SGRE_HDR_CSUM && (room[5] | room[6] | room[7] | room[8]))
		return ksft_fail_at("flags %04x: the checksum is not 0", flags);
	return 0;
}

static void check_round_trips(void)
{
	struct rng rng = { rng_seed() };
	int bad = 0;

	for (__u32 flags = 0; flags <= 0xffff; flags++)
		bad += round_trip(flags, &rng);
	ksft_ok(!bad, "all flag words, built and parsed: %d bad", bad);
}

static void check_order(void)
{
	static const __u32 bases[] = { 0, 1, 1000, 0x7fffffff, 0x80000000, 0xffffffff };
	int bad = 0;

	for (size_t i = 0; i < ARRAY_SIZE(bases); i++) {
		__u32 b = bases[i];

		bad += !sgre_seq_in_order(b, b) || !sgre_seq_in_order(b + 1, b) ||
			!sgre_seq_in_order(b + 0x7fffffff, b) || sgre_seq_in_order(b - 1, b) ||
			sgre_seq_in_order(b + 0x80000000, b);
	}
	ksft_ok(!bad, "sequence numbers wrap: %d bad", bad);
}

int main(void)
{
	ksft_plan(ARRAY_SIZE(rows) + 2);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		check_row(&rows[i]);
	check_round_trips();
	check_order();
	return ksft_end();
}
