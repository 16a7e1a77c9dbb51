// SPDX-License-Identifier: GPL-2.0
/*
 * test_session.c - 24-bit time, settling, tags, lengths, and the quality of the hash
 */
#include "mem.h"
#include <vestige/table.h>

#define KEYS		4096	/* for each bit of the avalanche */
#define SPREAD_KEYS	(1u << 18)
#define SPREAD_BUCKETS	5462u	/* of 64 Ki entries */
#define TURN		(1ull << VTW_EXPIRES_BITS)

static const __u64 nows[] = {
	1, 1000, 600000, TURN - 1, TURN, TURN + 1, TURN - 600000, 7 * TURN - 300000,
	(1ull << 32) - 1, 1ull << 32, (1ull << 32) + 5, (1ull << 32) - 600000,
	(1ull << 33) - 20, (1ull << 40) + TURN / 2,
};

static void test_left(void)
{
	static const __s64 ahead[] = {
		600000, 599999, 60000, 16384, 255, 2, 1, 0, -1, -2, -255, -60000, -600000,
		-9600000, -9000000, -(1 << 23) - 1, -(1 << 23), -(1 << 23) + 1,
	};
	int bad = 0;

	for (size_t i = 0; i < ARRAY_SIZE(nows); i++)
		for (size_t j = 0; j < ARRAY_SIZE(ahead); j++) {
			__u32 stamp = (nows[i] + ahead[j]) & VTW_EXPIRES_MASK;
			__u32 want = ahead[j] > 0 ? ahead[j] : 0;
			__u32 left = vtw_ms_left(stamp, nows[i]);

			if (left != want)
				bad += ksft_fail_at("now %llu, %lld ms ahead: %u",
					(unsigned long long)nows[i], (long long)ahead[j], left);
		}
	ksft_ok(!bad, "time left, from 10 min ahead to 160 min behind, where the clock wraps");
}

struct settle_row {
	const char *name;
	int state;
	__s64 expires, until;	/* from now */
	int then;
	__s64 left;		/* afterwards */
};

#define LENGTH	10000

static const struct settle_row settle_rows[] = {
	{ "lives", VTW_TIME_WAIT, 5000, 6000, VTW_TIME_WAIT, 5000 },
	{ "lives, last in its chunk", VTW_TIME_WAIT, 5000, 5000, VTW_TIME_WAIT, 5000 },
	{ "last millisecond", VTW_TIME_WAIT, 1, 1, VTW_TIME_WAIT, 1 },
	{ "expires now", VTW_TIME_WAIT, 0, 9000, VTW_FREE, 0 },
	{ "expired, neighbours live", VTW_TIME_WAIT, -9, 9000, VTW_FREE, 0 },
	{ "expired 160 min ago, a neighbour lives", VTW_TIME_WAIT, -9600000, 1, VTW_FREE, 0 },
	{ "a turn ago, its chunk is dead", VTW_TIME_WAIT, 5000 - (1 << 24), -9, VTW_FREE, 0 },
	{ "chunk dead this very ms", VTW_TIME_WAIT, 5000, 0, VTW_FREE, 0 },
	{ "orphan lives", VTW_FIN_WAIT2, 60000, 60000, VTW_FIN_WAIT2, 60000 },
	{ "orphan expires", VTW_FIN_WAIT2, 0, 60000, VTW_FREE, 0 },
	{ "reopening", VTW_REOPENING, 3000, 9000, VTW_REOPENING, 3000 },
	{ "reopening, last ms", VTW_REOPENING, 1, 9000, VTW_REOPENING, 1 },
	{ "reopening failed now", VTW_REOPENING, 0, 9000, VTW_TIME_WAIT, LENGTH },
	{ "reopening failed 4 s ago", VTW_REOPENING, -4000, 9000, VTW_TIME_WAIT, LENGTH - 4000 },
	{ "reopening failed a length ago", VTW_REOPENING, -LENGTH, 9000, VTW_FREE, 0 },
	{ "reopening, chunk dead", VTW_REOPENING, 3000, 0, VTW_FREE, 0 },
	{ "free", VTW_FREE, 5000, 6000, VTW_FREE, 5000 },
	{ "claimed", VTW_CLAIMED, -5, -5, VTW_CLAIMED, 0 },
};

static void test_settle(const struct settle_row *r)
{
	int bad = 0;

	for (size_t i = 0; i < ARRAY_SIZE(nows); i++) {
		__u64 now = nows[i] + (1ull << 34);
		union vtw_word w = { .wnd = 77, .restarts = 5, .class = 9, .dev = 200 };

		w.state = r->state;
		w.expires = now + r->expires;
		w = vtw_settle(w, now + r->until, LENGTH, now);
		if (w.state != (__u64)r->then || w.wnd != 77 || w.restarts != 5 ||
		    w.class != 9 || w.dev != 200 ||
		    (r->then && vtw_ms_left(w.expires, now) != r->left))
			bad += ksft_fail_at("now %llu: state %d, %u left",
				(unsigned long long)now, (int)w.state,
				vtw_ms_left(w.expires, now));
	}
	ksft_ok(!bad, "settle: %s", r->name);
}

static void test_tags(void)
{
	int bad = vtw_dev_tag(0) != 0;

	for (__u32 i = 1; i < 100000; i++)
		bad += !vtw_dev_tag(i) || vtw_dev_tag(i) > 255 ||
		       vtw_dev_tag(i) == vtw_dev_tag(i + 1);
	ksft_ok(!bad, "device tags: 0 is unbound, others fit a byte, neighbours differ");
}

static void test_lengths(void)
{
	struct vtw_config cfg = { .mslt_on = 1 };
	int bad = 0;

	for (__u32 i = 0; i < VTW_RINGS; i++)
		cfg.length_ms[i] = 100 + i;
	for (__u32 i = 0; i < VTW_RINGS; i++)
		bad += vtw_length(&cfg, i) != 100 + i;
	bad += vtw_length(&cfg, VTW_RINGS + 2) != 102;
	cfg.mslt_on = 0;
	for (__u32 i = 0; i < VTW_RINGS; i++)
		bad += vtw_length(&cfg, i) != 60000;
	bad += vtw_ring_of(VTW_FIN_WAIT2, VTW_REMOTE) != VTW_RING_FIN;
	bad += vtw_ring_of(VTW_TIME_WAIT, VTW_REMOTE) != VTW_REMOTE;
	bad += vtw_ring_of(VTW_REOPENING, VTW_CLASS_RULE) != VTW_CLASS_RULE;
	ksft_ok(!bad, "lengths with MSLT on and off, and rings");
}

static struct vtw_key random_key(struct rng *r)
{
	struct vtw_key k = {};

	for (int i = 0; i < 4; i++) {
		k.laddr[i] = rng_next(r);
		k.raddr[i] = rng_next(r);
	}
	k.lport = rng_next(r);
	k.rport = rng_next(r);
	return k;
}

/* Flip bit n of what the hash reads; 0: there is no such bit. */
static int flip(int v6, struct vtw_key *k, unsigned int n)
{
	unsigned int words = v6 ? 4 : 1;

	if (n < words * 32)
		k->laddr[n / 32] ^= 1u << n % 32;
	else if (n < words * 64)
		k->raddr[n / 32 - words] ^= 1u << n % 32;
	else if (n < words * 64 + 16)
		k->lport ^= 1u << n % 16;
	else if (n < words * 64 + 32)
		k->rport ^= 1u << n % 16;
	else
		return 0;
	return 1;
}

/* How often does one bit of input change each bit of output? The worst deviation from half. */
static double avalanche(int v6, struct rng *r, unsigned int bit)
{
	unsigned int changed[64] = {};
	double worst = 0;

	for (int n = 0; n < KEYS; n++) {
		__u64 seed[2] = { rng_next(r), rng_next(r) }, diff;
		struct vtw_key k = random_key(r);

		diff = vtw_hash(v6, &k, seed);
		flip(v6, &k, bit);
		diff ^= vtw_hash(v6, &k, seed);
		for (int i = 0; i < 64; i++)
			changed[i] += diff >> i & 1;
	}
	for (int i = 0; i < 64; i++) {
		double off = (double)changed[i] / KEYS - 0.5;

		worst = off > worst ? off : -off > worst ? -off : worst;
	}
	return worst;
}

static void test_avalanche(int v6)
{
	struct rng r = { rng_seed() };
	struct vtw_key none = {};
	double worst = 0;

	for (unsigned int bit = 0; flip(v6, &none, bit); bit++) {
		double off = avalanche(v6, &r, bit);

		if (off > 0.06)
			ksft_fail_at("input bit %u: %.3f from half", bit, off);
		worst = off > worst ? off : worst;
	}
	ksft_ok(worst <= 0.06, "IPv%d: each bit of a tuple changes half of the hash, +- %.3f",
		v6 ? 6 : 4, worst);
}

enum pattern { RANDOM, SEQUENTIAL, ONE_PORT, ONE_PEER, PATTERNS };
static const char *const pattern_name[] = {
	"random", "sequential", "single-port", "single-peer",
};

static struct vtw_key pattern_key(enum pattern p, int v6, __u32 n, struct rng *r)
{
	struct vtw_key k = { .laddr = { 0x0100a8c0 }, .raddr = { 0x0200a8c0 }, .lport = 80 };

	if (p == RANDOM)
		return random_key(r);
	k.rport = p == SEQUENTIAL ? n : p == ONE_PORT ? 443 : __builtin_bswap16(n);
	if (p == SEQUENTIAL)
		k.raddr[0] += n >> 16;
	else if (p == ONE_PORT)
		k.raddr[v6 ? 3 : 0] = __builtin_bswap32(0x0a000000 + n);
	else
		k.lport = __builtin_bswap16(1 + (n >> 16));
	return k;
}

/* Chi squared over the degrees of freedom: 1 for a fair die. */
static double fairness(const __u32 *hits, __u32 cells)
{
	double want = (double)SPREAD_KEYS / cells, sum = 0;

	for (__u32 i = 0; i < cells; i++)
		sum += (hits[i] - want) * (hits[i] - want) / want;
	return sum / (cells - 1);
}

static void test_spread(enum pattern p, int v6)
{
	const struct vtw_geometry g = { .buckets = SPREAD_BUCKETS, .index_bits = 16 };
	static __u32 home[SPREAD_BUCKETS], second[SPREAD_BUCKETS], tags[1 << 16];
	struct rng r = { rng_seed() };
	__u64 seed[2] = { rng_next(&r), rng_next(&r) };
	double a, b, c;

	memset(home, 0, sizeof(home));
	memset(second, 0, sizeof(second));
	memset(tags, 0, sizeof(tags));
	for (__u32 n = 0; n < SPREAD_KEYS; n++) {
		struct vtw_key k = pattern_key(p, v6, n, &r);
		__u64 hash = vtw_hash(v6, &k, seed);

		home[vtw_way(&g, hash, 0)]++;
		second[vtw_way(&g, hash, 1)]++;
		tags[vtw_entry(&g, hash, 0) >> g.index_bits]++;
	}
	a = fairness(home, SPREAD_BUCKETS);
	b = fairness(second, SPREAD_BUCKETS);
	tags[1] /= 2;	/* stands for tag 0, too */
	c = fairness(tags, 1 << 16);
	ksft_ok(a < 1.15 && b < 1.15 && c < 1.15,
		"IPv%d, %s tuples: spread of homes %.2f, second choices %.2f, tags %.2f",
		v6 ? 6 : 4, pattern_name[p], a, b, c);
}

/* Whatever the number of buckets, the ways of a tuple never meet, unless there are too few. */
static void test_ways(void)
{
	struct rng r = { rng_seed() };
	int bad = 0;

	for (int n = 0; n < 300000; n++) {
		struct vtw_geometry g = { .buckets = 1 + rng_below(&r, n & 1 ? 64 : 400000) };
		__u64 hash = rng_next(&r);
		__u32 way[VTW_MAX_WAY + 1];

		for (__u32 d = 0; d <= VTW_MAX_WAY; d++) {
			way[d] = vtw_way(&g, hash, d);
			bad += way[d] >= g.buckets;
			for (__u32 e = 0; e < d && d < g.buckets; e++)
				if (way[d] == way[e])
					bad += ksft_fail_at("%u buckets: %u and %u meet", g.buckets,
							    e, d);
		}
	}
	ksft_ok(!bad, "the 16 ways of a tuple are in the table and differ");
}

int main(void)
{
	ksft_plan(ARRAY_SIZE(settle_rows) + 3 + 2 + 2 * PATTERNS + 1);
	test_left();
	for (size_t i = 0; i < ARRAY_SIZE(settle_rows); i++)
		test_settle(&settle_rows[i]);
	test_tags();
	test_lengths();
	test_avalanche(0);
	test_avalanche(1);
	for (int p = 0; p < PATTERNS; p++) {
		test_spread(p, 0);
		test_spread(p, 1);
	}
	test_ways();
	return ksft_end();
}
