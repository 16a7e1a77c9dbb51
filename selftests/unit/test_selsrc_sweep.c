// SPDX-License-Identifier: GPL-2.0
/*
 * test_selsrc_sweep.c - routes that lie in one another, and the list that is made of them
 *
 * Few bits, so that prefixes often begin and end where others do. Held against the longest
 * prefix, searched for, and the race of its device, run: at random destinations, and around
 * each end of each prefix.
 */
#include <arpa/inet.h>
#include <vestige/selsrc_sweep.h>

#include "unit.h"

#define CASES		400
#define ROUTES		40
#define DEVS		3
#define ADDRS		6

struct host {
	__u32 family;
	struct selsrc_prefix prefix[ROUTES];
	int prefixes;
	struct selsrc_class class[2];
	struct selsrc_addr6 addr[DEVS][ADDRS];
	struct selsrc_policy policy;
	struct selsrc_field dev[DEVS];
};

/* Bits of the first word, and at times the last one of all. */
static selsrc_number random_number(struct rng *rng, __u32 family)
{
	selsrc_number is = (selsrc_number)rng_below(rng, 64) << 121;

	is |= (selsrc_number)rng_below(rng, 4) << 96;
	return family == SELSRC_INET || rng_below(rng, 2) ? is : is | rng_below(rng, 4);
}

static int has_prefix(const struct host *h, const struct selsrc_prefix *p)
{
	for (int i = 0; i < h->prefixes; i++)
		if (!selsrc_prefix_order(&h->prefix[i], p))
			return 1;
	return 0;
}

static void add_prefix(struct rng *rng, struct host *h)
{
	static const __u8 kinds[] = { SELSRC_UNICAST, SELSRC_UNICAST, SELSRC_UNICAST,
				      SELSRC_NONE, SELSRC_LOCAL, SELSRC_SRC, SELSRC_DOUBT };
	static const __u32 lens[] = { 0, 1, 2, 3, 4, 5, 6, 7, 30, 31, 32, 126, 127, 128 };
	struct selsrc_prefix p = {
		.len = lens[rng_below(rng, h->family == SELSRC_INET ? 11 : 14)],
		.route = { .ifindex = 1 + rng_below(rng, DEVS + 1),
			   .kind = kinds[rng_below(rng, ARRAY_SIZE(kinds))],
			   .scope = rng_below(rng, 2) ? 253 : 0 },
	};

	p.start = random_number(rng, h->family) & selsrc_mask(p.len);
	if (!has_prefix(h, &p))
		h->prefix[h->prefixes++] = p;
}

static void random_host(struct rng *rng, struct host *h, __u32 family)
{
	static const __u8 functions[] = { SELSRC_PREFERENCE, SELSRC_COMMON_PREFIX };
	int n = rng_below(rng, ROUTES);

	*h = (struct host){ .family = family, .class = { {}, { .reach = 253 } } };
	selsrc_compile(&h->policy, functions + rng_below(rng, 2), 1);
	for (int i = 0; i < n; i++)
		add_prefix(rng, h);
	for (int i = 0; i < DEVS; i++) {
		h->dev[i] = (struct selsrc_field){
			.ifindex = i + 1, .family = family, .policy = &h->policy,
			.verdict = rng_below(rng, 5) ? SELSRC_bound : SELSRC_doubt,
			.class = h->class, .classes = 2, .addr = h->addr[i], .n = ADDRS,
		};
		for (int j = 0; j < ADDRS; j++) {
			selsrc_number a = random_number(rng, family) + 1;

			if (family == SELSRC_INET)
				a = random_number(rng, family) >> 64 | (selsrc_number)1 << 32;
			h->addr[i][j] = (struct selsrc_addr6){
				.addr = { family == SELSRC_INET ? a >> 32 : a >> 64,
					  family == SELSRC_INET ? 0 : a },
				.preference = selsrc_bias(rng_below(rng, 3)),
				.class = family == SELSRC_INET ? rng_below(rng, 2) : 0,
			};
		}
	}
	/* IPv6 sources reach what is not link-local. */
	h->class[0].scope = h->class[1].scope = SELSRC_SCOPE_GLOBAL;
}

/* The long way. */
static struct selsrc_step should_be(const struct host *h, selsrc_number dst)
{
	struct selsrc_step s = { .verdict = SELSRC_no_route };
	const struct selsrc_prefix *best = NULL;
	struct selsrc_field f;

	for (int i = 0; i < h->prefixes; i++)
		if (!((h->prefix[i].start ^ dst) & selsrc_mask(h->prefix[i].len)) &&
		    (!best || h->prefix[i].len > best->len))
			best = &h->prefix[i];
	if (!best)
		return s;
	s.ifindex = best->route.ifindex;
	s.verdict = selsrc_of_route(best->route.kind);
	if (s.verdict == SELSRC_bound)
		s.verdict = s.ifindex > DEVS ? SELSRC_no_device : h->dev[s.ifindex - 1].verdict;
	if (s.verdict != SELSRC_bound)
		return s;
	f = h->dev[s.ifindex - 1];
	f.route_scope = best->route.scope;
	s.addr = selsrc_winner(&f, dst);
	s.verdict = s.addr ? SELSRC_bound : SELSRC_no_candidate;
	return s;
}

static int check(const struct host *h, const struct selsrc_list *list, selsrc_number dst)
{
	const struct selsrc_step want = should_be(h, dst);
	__u32 i = 0;

	if (h->family == SELSRC_INET)
		dst &= selsrc_mask(32);
	while (i + 1 < list->n && list->step[i + 1].start <= dst)
		i++;
	if (list->step[i].start <= dst && list->step[i].addr == want.addr &&
	    list->step[i].ifindex == want.ifindex && list->step[i].verdict == want.verdict)
		return 0;
	return ksft_fail_at("%d routes, %08x...: step %u of %u says %u by %u, not %u by %u",
			    h->prefixes, (__u32)(dst >> 96), i, list->n, list->step[i].verdict,
			    list->step[i].ifindex, want.verdict, want.ifindex);
}

static int one_case(struct rng *rng, __u32 family)
{
	static struct selsrc_step step[4096];
	struct selsrc_list list = { .step = step, .max = ARRAY_SIZE(step) };
	selsrc_number unit = family == SELSRC_INET ? (selsrc_number)1 << 96 : 1;
	struct selsrc_sweep sweep;
	static struct host h;
	int bad = 0;

	random_host(rng, &h, family);
	sweep = (struct selsrc_sweep){ .prefix = h.prefix, .prefixes = h.prefixes, .dev = h.dev,
				       .devs = DEVS, .list = &list };
	selsrc_sweep(&sweep);
	if (list.full || step[0].start)
		return ksft_fail_at("%u steps, from %llx on", list.n,
				    (unsigned long long)(step[0].start >> 64));
	for (__u32 i = 1; i < list.n; i++)
		bad += step[i].start <= step[i - 1].start;
	for (int i = 0; i < h.prefixes; i++) {
		bad += check(&h, &list, h.prefix[i].start);
		bad += check(&h, &list, h.prefix[i].start - unit);
		bad += check(&h, &list, selsrc_last(&h.prefix[i]));
		bad += check(&h, &list, selsrc_last(&h.prefix[i]) + unit);
	}
	for (int i = 0; i < 50; i++)
		bad += check(&h, &list, random_number(rng, family));
	return bad;
}

static void check_room(void)
{
	struct selsrc_step step[2];
	struct selsrc_list list = { .step = step, .max = 2 };
	struct selsrc_prefix prefix[] = {
		{ .start = (selsrc_number)10 << 120, .len = 8,
		  .route = { .ifindex = 1, .kind = SELSRC_LOCAL } },
	};
	struct selsrc_sweep sweep = { .prefix = prefix, .prefixes = 1, .list = &list };

	selsrc_sweep(&sweep);
	ksft_ok(list.full, "three steps do not fit into two");
}

int main(void)
{
	struct rng rng = { rng_seed() };
	int bad;

	ksft_plan(3);
	for (__u32 f = 0; f < 2; f++) {
		bad = 0;
		for (int i = 0; i < CASES; i++)
			bad += one_case(&rng, f);
		ksft_ok(!bad, "%s: %d cases, %d bad", f ? "IPv6" : "IPv4", CASES, bad);
	}
	check_room();
	return ksft_end();
}
