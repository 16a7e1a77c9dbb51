// SPDX-License-Identifier: GPL-2.0
/*
 * test_tcpopt.c - the timestamp among TCP options, and what broken ones do
 *
 * Random options are compared with a second walk; what lies behind `len` is changed
 * and must not matter.
 */
#include <vestige/tcpopt.h>

#include "unit.h"

#define RANDOM_CASES	2000000

#define TS(v, e)	8, 10, (v) >> 24 & 255, (v) >> 16 & 255, (v) >> 8 & 255, (v) & 255, \
			(e) >> 24 & 255, (e) >> 16 & 255, (e) >> 8 & 255, (e) & 255
#define V	0xfedcba98u
#define E	0x80000001u
#define NOP	1
#define MSS	2, 4, 5, 180
#define WS	3, 3, 7
#define SACK_OK	4, 2

struct row {
	const char *name;
	__u32 len;
	int found;
	__u8 opt[VTW_OPT_SPACE];
};

static const struct row rows[] = {
	{ "none at all", 0, 0, { TS(V, E) } },
	{ "as Linux sends it", 12, 1, { NOP, NOP, TS(V, E) } },
	{ "in a SYN", 20, 1, { MSS, SACK_OK, TS(V, E), NOP, WS } },
	{ "without padding", 10, 1, { TS(V, E) } },
	{ "last in 40 bytes", 40, 1, { [0 ... 29] = NOP, TS(V, E) } },
	{ "one byte does not fit", 40, 0, { [0 ... 30] = NOP, 8, 10, 1, 2, 3, 4, 5, 6, 7 } },
	{ "twice, the last counts", 20, 1, { TS(1u, 2u), TS(V, E) } },
	{ "behind the end", 12, 0, { 0, NOP, TS(V, E) } },
	{ "behind an option of length 0", 16, 0, { 5, 0, NOP, NOP, TS(V, E) } },
	{ "behind an option of length 1", 16, 0, { 5, 1, NOP, NOP, TS(V, E) } },
	{ "behind one that is too long", 16, 0, { 5, 17, NOP, NOP, TS(V, E) } },
	{ "before one that is too long", 14, 1, { TS(V, E), 5, 200, 0, 0 } },
	{ "of length 9", 12, 0, { 8, 9, 1, 2, 3, 4, 5, 6, 7, NOP, NOP, NOP } },
	{ "of length 12", 12, 0, { 8, 12, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10 } },
	{ "cut short by the header", 8, 0, { TS(V, E) } },
	{ "kind without length", 4, 0, { NOP, NOP, NOP, 8 } },
	{ "behind an unknown option", 16, 1, { 253, 6, 8, 10, 8, 10, TS(V, E) } },
	{ "inside another option", 16, 0, { 253, 16, NOP, NOP, TS(V, E) } },
	{ "behind 30 unknown bytes", 40, 1, { 253, 30, [30] = TS(V, E) } },
};

static struct vtw_options walk(const __u8 *opt, __u32 len)
{
	struct vtw_options o = { .len = len };

	memcpy(o.opt, opt, sizeof(o.opt));
	vtw_walk_options(&o);
	return o;
}

static void test_row(const struct row *r)
{
	struct vtw_options o = walk(r->opt, r->len);
	int good = !!o.found == r->found;

	if (r->found)
		good = good && o.tsval == V && o.tsecr == E;
	ksft_ok(good, "%s: %s", r->found ? "found" : "not found", r->name);
}

/* The same walk, from the wording of RFC 9293 3.1 and RFC 7323 3.2. */
static int reference(const __u8 *p, const __u8 *end, __u32 *tsval)
{
	int found = 0;

	while (p < end && *p != 0) {
		if (*p == 1) {
			p++;
			continue;
		}
		if (end - p < 2 || p[1] < 2 || p[1] > end - p)
			break;
		if (*p == 8 && p[1] == 10) {
			found = 1;
			*tsval = (__u32)p[2] << 24 | p[3] << 16 | p[4] << 8 | p[5];
		}
		p += p[1];
	}
	return found;
}

/* Bytes that are options rather often. */
static void draw(struct rng *r, __u8 *opt)
{
	static const __u8 usual[] = { 0, 1, 1, 2, 3, 4, 8, 8, 8, 10, 10, 10, 5, 40, 253 };

	for (int i = 0; i < VTW_OPT_SPACE; i++)
		opt[i] = rng_below(r, 4) ? usual[rng_below(r, sizeof(usual))] : rng_next(r);
}

static void test_random(void)
{
	struct rng r = { rng_seed() };
	int bad = 0, outside = 0, found = 0;

	for (int n = 0; n < RANDOM_CASES; n++) {
		__u32 len = rng_below(&r, VTW_OPT_SPACE + 1), want = 0;
		__u8 opt[VTW_OPT_SPACE];
		struct vtw_options o, again;
		int has;

		draw(&r, opt);
		o = walk(opt, len);
		has = reference(opt, opt + len, &want);
		if (o.found != (__u32)has || (has && o.tsval != want))
			bad += ksft_fail_at("seed %llu case %d", (unsigned long long)rng_seed(), n);
		for (__u32 i = len; i < VTW_OPT_SPACE; i++)
			opt[i] = ~opt[i];
		again = walk(opt, len);
		outside += again.found != o.found || again.tsval != o.tsval ||
			   again.tsecr != o.tsecr;
		found += has;
	}
	ksft_ok(!bad && found > RANDOM_CASES / 50,
		"%d random options, %d with a timestamp, as the reference has them",
		RANDOM_CASES, found);
	ksft_ok(!outside, "what is behind the options does not matter");
}

int main(void)
{
	ksft_plan(ARRAY_SIZE(rows) + 2);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		test_row(&rows[i]);
	test_random();
	return ksft_end();
}
