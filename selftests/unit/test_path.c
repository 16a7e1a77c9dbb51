// SPDX-License-Identifier: GPL-2.0
/*
 * test_path.c - paths of peers: who finds which, under which generation, and what becomes of
 * halves of two writers
 */
#include <vestige/path.h>

#include "unit.h"

static const __u64 seed[2] = { 0x0123456789abcdefull, 0xfedcba9876543210ull };

static struct vtw_key key(__u32 l, __u32 r)
{
	return (struct vtw_key) { .laddr = { l, 1, 2, 3 }, .raddr = { r, 5, 6, 7 } };
}

static union vtw_path_word by(__u32 ifindex, __u32 near)
{
	return (union vtw_path_word) { .ifindex = ifindex, .near = near | VTW_PATH_KNOWN };
}

/* ---- whose it is --------------------------------------------------------------------- */

static void check_who(void)
{
	struct vtw_key a = key(10, 20), b = key(10, 21), c = key(11, 20), d = key(20, 10);
	struct vtw_key other;
	__u64 who;

	for (int v6 = 0; v6 < 2; v6++) {
		who = vtw_path_who(v6, &a, seed);
		ksft_ok(who != vtw_path_who(v6, &b, seed), "v%d: another peer", v6 ? 6 : 4);
		ksft_ok(who != vtw_path_who(v6, &c, seed), "v%d: another own address", v6 ? 6 : 4);
		ksft_ok(who != vtw_path_who(v6, &d, seed), "v%d: the other way round", v6 ? 6 : 4);
		other = a;
		other.lport = 1;
		other.rport = 2;
		other.ifindex = 3;
		ksft_ok(who == vtw_path_who(v6, &other, seed), "v%d: ports do not matter",
			v6 ? 6 : 4);
		other = a;
		other.raddr[3] ^= 1;
		ksft_ok((who == vtw_path_who(v6, &other, seed)) == !v6,
			"v%d: the last word of an address is of IPv6", v6 ? 6 : 4);
	}
}

/* ---- what is found --------------------------------------------------------------------- */

static void check_get(void)
{
	const __u64 who = 0x1122334455667788ull, gen = 42;
	struct vtw_path at = {};

	ksft_ok(!vtw_path_get(&at, who, gen).all, "nothing is found in an empty place");
	ksft_ok(!vtw_path_get(&at, gen, gen).all, "nor by whose mark is its 0");
	vtw_path_put(&at, who, gen, by(7, VTW_PATH_GATEWAY));
	ksft_ok(vtw_path_get(&at, who, gen).all == by(7, VTW_PATH_GATEWAY).all,
		"what was kept is found");
	ksft_ok(!vtw_path_get(&at, who + 1, gen).all, "not by others");
	ksft_ok(!vtw_path_get(&at, who, gen + 2).all, "not under the next generation");
	ksft_ok(!vtw_path_get(&at, who, gen - 2).all, "not under the last one");
	vtw_path_put(&at, who + 1, gen, by(8, 0));
	ksft_ok(!vtw_path_get(&at, who, gen).all, "what others keep there displaces it");
}

/* Two CPUs write the same place at once: any word with any check. */
static void check_torn(void)
{
	struct rng r = { rng_seed() };
	unsigned int found = 0, wrong = 0;

	for (int i = 0; i < 1000000; i++) {
		__u64 who[2] = { rng_next(&r), 0 }, gen = 2 * (1 + rng_below(&r, 1000));
		union vtw_path_word word[2];
		struct vtw_path at, one;

		word[0] = by(1 + rng_below(&r, 50), rng_below(&r, 8));
		word[1] = by(1 + rng_below(&r, 50), rng_below(&r, 8));
		who[1] = i & 1 ? who[0] : rng_next(&r);
		vtw_path_put(&at, who[0], gen, word[0]);
		vtw_path_put(&one, who[1], gen, word[1]);
		at.word = one.word;
		for (int j = 0; j < 2; j++) {
			union vtw_path_word got = vtw_path_get(&at, who[j], gen);

			found += !!got.all;
			wrong += got.all && (got.all != word[j].all || word[0].all != word[1].all);
		}
	}
	ksft_ok(found > 0, "halves of writers who agree are found: %u", found);
	ksft_ok(!wrong, "others are nobody's: %u of a million", wrong);
}

/* ---- who goes another way ---------------------------------------------------------------- */

static const struct join_row {
	const char *name;
	union vtw_path_word old, word, joined;
} join_rows[] = {
	{ "the first", { 0 }, { .ifindex = 3, .near = 1 }, { .ifindex = 3, .near = 1 } },
	{ "the same", { .ifindex = 3, .near = 1 }, { .ifindex = 3, .near = 1 },
	  { .ifindex = 3, .near = 1 } },
	{ "by a gateway, too", { .ifindex = 3, .near = 1 },
	  { .ifindex = 3, .near = 1 | VTW_PATH_GATEWAY },
	  { .ifindex = 3, .near = 1 | VTW_PATH_GATEWAY } },
	{ "without one, too", { .ifindex = 3, .near = 1 | VTW_PATH_GATEWAY },
	  { .ifindex = 3, .near = 1 }, { .ifindex = 3, .near = 1 | VTW_PATH_GATEWAY } },
	{ "by another device", { .ifindex = 3, .near = 1 }, { .ifindex = 4, .near = 1 },
	  { .ifindex = 0, .near = 1 } },
	{ "it stays so", { .ifindex = 0, .near = 1 }, { .ifindex = 4, .near = 1 },
	  { .ifindex = 0, .near = 1 } },
};

static void check_join(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(join_rows); i++) {
		const struct join_row *row = &join_rows[i];

		ksft_ok(vtw_path_join(row->old, row->word).all == row->joined.all,
			"joined: %s", row->name);
	}
}

int main(void)
{
	ksft_plan(10 + 7 + 2 + ARRAY_SIZE(join_rows));
	check_who();
	check_get();
	check_torn();
	check_join();
	return ksft_end();
}
