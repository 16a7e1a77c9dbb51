// SPDX-License-Identifier: GPL-2.0
/*
 * test_rtcache.c - generations, which messages of rtnetlink move them, which neighbours
 * have changed, and the distribution that the window is told by
 */
#include <vestige/quantile.h>
#include <vestige/rtcache.h>
#include <vestige/rtevent.h>

#include "unit.h"

/* ---- generations -------------------------------------------------------------------- */

#define INET	(1 << RTCACHE_INET)
#define INET6	(1 << RTCACHE_INET6)
#define BOTH	RTCACHE_BOTH
#define NONE	0

struct gen_row {
	__u64 gen, bumped, settled;
	int is_settled;
};

static const struct gen_row gen_rows[] = {
	{ 0, 3, 0, 0 },
	{ 1, 3, 2, 0 },
	{ 2, 5, 2, 1 },
	{ 3, 5, 4, 0 },
	{ 4, 7, 4, 1 },
	{ 0xfffffffe, 0x100000001, 0xfffffffe, 1 },
	{ 0xffffffff, 0x100000001, 0x100000000, 0 },
};

static void check_gens(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(gen_rows); i++) {
		const struct gen_row *r = &gen_rows[i];

		ksft_ok(rtcache_bumped(r->gen) == r->bumped &&
			rtcache_settle(r->gen) == r->settled &&
			rtcache_settled(r->gen) == r->is_settled,
			"generation %llu: bumped %llu, settles at %llu, %ssettled", r->gen,
			rtcache_bumped(r->gen), rtcache_settle(r->gen),
			rtcache_settled(r->gen) ? "" : "not ");
	}
}

struct take_row {
	const char *name;
	__u64 gen, lease, now, taken;
};

static const struct take_row take_rows[] = {
	{ "settled, vouched", 4, 100, 99, 4 },
	{ "the lease ends now", 4, 100, 100, 0 },
	{ "the lease has ended", 4, 100, 101, 0 },
	{ "nobody vouches", 4, 0, 0, 0 },
	{ "the module vouches", 4, RTCACHE_FOREVER, 1, 4 },
	{ "the module vouches, no clock", 4, RTCACHE_FOREVER, 0, 4 },
	{ "the module vouches, end of time", 4, RTCACHE_FOREVER, ~0ull, 4 },
	{ "in flux", 5, 100, 1, 0 },
	{ "in flux by the module", 5, RTCACHE_FOREVER, 0, 0 },
	{ "nothing said yet", 0, 100, 1, 0 },
	{ "nothing said yet by the module", 0, RTCACHE_FOREVER, 0, 0 },
};

static void check_takes(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(take_rows); i++) {
		const struct take_row *r = &take_rows[i];
		int bad = 0;

		/* The other family is in another state, which must not matter. */
		for (int f = 0; f < RTCACHE_FAMILIES; f++) {
			struct rtcache_gens g = { .lease_ns = r->lease };

			g.gen[f] = r->gen;
			g.gen[!f] = r->taken ? 0 : 6;
			bad += rtcache_take(&g, f, r->now) != r->taken ||
			       rtcache_usable(&g, f, r->now) != !!r->taken;
		}
		ksft_ok(!bad, "%s: takes %llu", r->name, r->taken);
	}
}

/* Zeroed memory is an empty cache, whatever the map says. */
static void check_good(void)
{
	static const __u64 gens[] = { 0, 1, 2, 3, 4, 5, ~0ull - 1 };
	int bad = 0;

	for (size_t i = 0; i < ARRAY_SIZE(gens); i++)
		for (size_t j = 0; j < ARRAY_SIZE(gens); j++) {
			struct rtcache_gens g = { .gen = { gens[j], ~gens[j] } };
			int want = gens[i] && i == j;

			bad += rtcache_good(gens[i], &g, RTCACHE_INET) != want;
			bad += rtcache_good(~gens[i], &g, RTCACHE_INET6) != (i == j);
		}
	ksft_ok(!bad, "a copy is good at its own generation only, never at 0: %d bad", bad);
}

/* Whatever happens after it was made, no copy is ever good again; no generation comes back. */
static void check_life(void)
{
	struct rng rng = { rng_seed() };
	struct rtcache_gens g = { .lease_ns = RTCACHE_FOREVER };
	__u64 copy = 0, last = 0;
	int bad = 0, changed = 0;

	for (int i = 0; i < 1000000; i++) {
		__u64 *gen = &g.gen[RTCACHE_INET];

		switch (rng_below(&rng, 3)) {
		case 0:
			*gen = rtcache_bumped(*gen);
			changed = 1;
			break;
		case 1:
			*gen = rtcache_settle(*gen);
			break;
		default:
			if (rtcache_good(copy, &g, RTCACHE_INET) == changed && copy)
				bad += ksft_fail_at("step %d: copy %llu, now %llu", i, copy, *gen);
			copy = rtcache_take(&g, RTCACHE_INET, 0);
			changed = 0;
		}
		bad += *gen < last;
		last = *gen;
	}
	ksft_ok(!bad, "a million changes, settlings and copies: %d bad", bad);
}

/* ---- messages --------------------------------------------------------------------------- */

struct msg {
	struct nlmsghdr n;
	union {
		struct rtgenmsg gen;
		struct ifinfomsg link;
		struct ndmsg nd;
	};
	char room[128];
};

static struct msg message(int type, int flags, int family)
{
	struct msg m = { .n = { .nlmsg_len = NLMSG_LENGTH(sizeof(struct ifinfomsg)),
				.nlmsg_type = type, .nlmsg_flags = flags } };

	m.gen.rtgen_family = family;
	return m;
}

struct event_row {
	int type, flags, family;
	__u32 families;
	enum rtcache_reason reason;
};

#define R(name)	RTCACHE_R_##name

static const struct event_row event_rows[] = {
	{ RTM_NEWROUTE, NLM_F_CREATE, AF_INET, INET, R(fib_add) },
	{ RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, AF_INET, INET, R(fib_replace) },
	{ RTM_NEWROUTE, NLM_F_CREATE | NLM_F_APPEND, AF_INET, INET, R(fib_append) },
	{ RTM_DELROUTE, 0, AF_INET, INET, R(fib_del) },
	{ RTM_NEWROUTE, 0, AF_INET6, INET6, R(fib_add) },
	{ RTM_DELROUTE, 0, AF_INET6, INET6, R(fib_del) },
	{ RTM_NEWROUTE, 0, AF_MPLS, NONE, R(fib_add) },
	{ RTM_NEWROUTE, 0, 128 /* RTNL_FAMILY_IPMR */, NONE, R(fib_add) },
	{ RTM_NEWNEXTHOP, 0, AF_UNSPEC, BOTH, R(nh_change) },
	{ RTM_NEWNEXTHOP, 0, AF_INET6, BOTH, R(nh_change) },
	{ RTM_DELNEXTHOP, 0, AF_INET, BOTH, R(nh_del) },
	{ RTM_NEWRULE, 0, AF_INET, INET, R(rule_add) },
	{ RTM_DELRULE, 0, AF_INET, INET, R(rule_del) },
	{ RTM_NEWRULE, 0, AF_INET6, INET6, R(rule_add) },
	{ RTM_DELRULE, 0, AF_INET6, INET6, R(rule_del) },
	{ RTM_NEWADDR, 0, AF_INET, INET, R(addr_add) },
	{ RTM_DELADDR, 0, AF_INET, INET, R(addr_del) },
	{ RTM_NEWADDR, 0, AF_INET6, INET6, R(addr_add) },
	{ RTM_DELADDR, 0, AF_INET6, INET6, R(addr_del) },
	{ RTM_NEWLINK, 0, AF_UNSPEC, BOTH, R(link_down) },
	{ RTM_DELLINK, 0, AF_UNSPEC, BOTH, R(link_gone) },
	{ RTM_NEWLINK, 0, AF_INET6, INET6, R(link_down) },
	{ RTM_NEWLINK, 0, AF_BRIDGE, NONE, R(link_down) },
	{ RTM_DELLINK, 0, AF_BRIDGE, NONE, R(link_gone) },
	{ RTM_NEWNETCONF, 0, AF_INET, INET, R(watch) },
	{ RTM_DELNETCONF, 0, AF_INET6, INET6, R(watch) },
	{ RTM_NEWNETCONF, 0, AF_MPLS, NONE, R(watch) },
	{ RTM_NEWNSID, 0, AF_UNSPEC, BOTH, R(watch) },	/* not known for harmless */
	{ NLMSG_NOOP, 0, AF_UNSPEC, NONE, R(watch) },
	{ NLMSG_DONE, 0, AF_UNSPEC, NONE, R(watch) },
};

static void check_events(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(event_rows); i++) {
		const struct event_row *r = &event_rows[i];
		struct msg m = message(r->type, r->flags, r->family);
		struct rtevent e = rtevent_of(&m.n);

		ksft_ok(e.families == r->families && e.reason == r->reason,
			"type %d flags %#x family %d: families %u reason %d", r->type, r->flags,
			r->family, e.families, e.reason);
	}
}

static void check_links(void)
{
	static const struct {
		unsigned int flags;
		enum rtcache_reason reason;
	} rows[] = {
		{ 0, R(link_down) },
		{ IFF_UP, R(link_down) },
		{ IFF_RUNNING, R(link_down) },
		{ IFF_UP | IFF_RUNNING, R(link_up) },
		{ IFF_UP | IFF_RUNNING | IFF_PROMISC, R(link_up) },
	};
	int bad = 0;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct msg m = message(RTM_NEWLINK, 0, AF_UNSPEC);

		m.link.ifi_flags = rows[i].flags;
		bad += rtevent_of(&m.n).reason != rows[i].reason;
	}
	ksft_ok(!bad, "a link is up with its carrier only: %d bad", bad);
}

static void check_short(void)
{
	int types[] = { RTM_NEWROUTE, RTM_NEWLINK, RTM_NEWADDR, RTM_NEWRULE }, bad = 0;

	for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
		struct msg m = message(types[i], 0, AF_INET);

		m.n.nlmsg_len = NLMSG_LENGTH(0);
		bad += rtevent_of(&m.n).families != NONE;
	}
	ksft_ok(!bad, "messages without a body say nothing: %d bad", bad);
}

/* ---- neighbours ---------------------------------------------------------------------------- */

static void put(struct msg *m, int type, const void *data, int len)
{
	struct rtattr attr = { .rta_len = RTA_LENGTH(len), .rta_type = type };
	char *at = (char *)m + NLMSG_ALIGN(m->n.nlmsg_len);

	memcpy(at, &attr, sizeof(attr));
	memcpy(at + RTA_LENGTH(0), data, len);
	m->n.nlmsg_len = NLMSG_ALIGN(m->n.nlmsg_len) + RTA_ALIGN(attr.rta_len);
}

/* mac: last octet; 0: none is known. */
static struct msg neighbour(int type, int family, __u32 host, int state, __u8 mac)
{
	struct msg m = message(type, 0, family);
	__u8 addr[16] = { 0 }, lladdr[6] = { 2, 0, 0, 0, 0, mac };

	m.n.nlmsg_len = NLMSG_LENGTH(sizeof(struct ndmsg));
	m.nd.ndm_ifindex = 3;
	m.nd.ndm_state = state;
	memcpy(addr + (family == AF_INET ? 0 : 12), &host, sizeof(host));
	put(&m, NDA_DST, addr, family == AF_INET ? 4 : 16);
	if (mac)
		put(&m, NDA_LLADDR, lladdr, sizeof(lladdr));
	return m;
}

struct neigh_row {
	const char *name;
	int type, family;
	__u32 host;
	int state;
	__u8 mac;
	__u32 families;
};

/* One after the other. */
static const struct neigh_row neigh_rows[] = {
	{ "asked for, IPv4", RTM_NEWNEIGH, AF_INET, 1, NUD_INCOMPLETE, 0, NONE },
	{ "never answers", RTM_NEWNEIGH, AF_INET, 1, NUD_FAILED, 0, NONE },
	{ "forgotten", RTM_DELNEIGH, AF_INET, 1, NUD_FAILED, 0, NONE },
	{ "answers", RTM_NEWNEIGH, AF_INET, 1, NUD_REACHABLE, 1, INET },
	{ "answers again", RTM_NEWNEIGH, AF_INET, 1, NUD_REACHABLE, 1, NONE },
	{ "stale", RTM_NEWNEIGH, AF_INET, 1, NUD_STALE, 1, NONE },
	{ "delay", RTM_NEWNEIGH, AF_INET, 1, NUD_DELAY, 1, NONE },
	{ "probed", RTM_NEWNEIGH, AF_INET, 1, NUD_PROBE, 1, NONE },
	{ "another MAC", RTM_NEWNEIGH, AF_INET, 1, NUD_REACHABLE, 2, INET },
	{ "the same address on IPv6", RTM_NEWNEIGH, AF_INET6, 1, NUD_REACHABLE, 2, BOTH },
	{ "the IPv4 one is as it was", RTM_NEWNEIGH, AF_INET, 1, NUD_STALE, 2, NONE },
	{ "failed", RTM_NEWNEIGH, AF_INET, 1, NUD_FAILED, 0, INET },
	{ "failed still", RTM_NEWNEIGH, AF_INET, 1, NUD_FAILED, 0, NONE },
	{ "permanent", RTM_NEWNEIGH, AF_INET, 1, NUD_PERMANENT, 2, INET },
	{ "deleted while permanent", RTM_DELNEIGH, AF_INET, 1, NUD_PERMANENT, 2, INET },
	{ "without a MAC (NOARP)", RTM_NEWNEIGH, AF_INET, 2, NUD_NOARP, 0, INET },
	{ "without a MAC again", RTM_NEWNEIGH, AF_INET, 2, NUD_NOARP, 0, NONE },
	{ "it gets one", RTM_NEWNEIGH, AF_INET, 2, NUD_NOARP, 1, INET },
	{ "IPv6 deleted", RTM_DELNEIGH, AF_INET6, 1, NUD_FAILED, 2, BOTH },
	{ "of a bridge", RTM_NEWNEIGH, AF_BRIDGE, 1, NUD_REACHABLE, 1, NONE },
};

static struct rtneigh_memory memory;

static __u32 told(int type, int family, __u32 host, int state, __u8 mac)
{
	struct msg m = neighbour(type, family, host, state, mac);

	return rtevent_neigh(&m.n, &memory).families;
}

static void check_neighbours(void)
{
	rtneigh_clear(&memory, 1);
	for (size_t i = 0; i < ARRAY_SIZE(neigh_rows); i++) {
		const struct neigh_row *r = &neigh_rows[i];
		__u32 families = told(r->type, r->family, r->host, r->state, r->mac);

		ksft_ok(families == r->families, "neighbour %s: families %u", r->name, families);
	}
}

static void check_odd_neighbours(void)
{
	struct msg m = neighbour(RTM_NEWNEIGH, AF_INET, 9, NUD_REACHABLE, 1);

	m.nd.ndm_flags = NTF_PROXY;
	ksft_ok(!rtevent_neigh(&m.n, &memory).families, "proxied addresses are no neighbours");
	m.nd.ndm_flags = 0;
	m.n.nlmsg_len = NLMSG_LENGTH(sizeof(struct rtgenmsg));
	ksft_ok(!rtevent_neigh(&m.n, &memory).families, "a message cut short is of no neighbour");
	rtneigh_clear(&memory, 0);
	ksft_ok(told(RTM_DELNEIGH, AF_INET, 7, NUD_FAILED, 0) == INET,
		"after what was missed, any neighbour may have changed");
}

/* Two that the table may put into one place. */
static void check_same(void)
{
	struct rtneigh a = { .ifindex = 3, .family = AF_INET, .valid = 1, .addr = { 1 } };
	struct rtneigh family = a, device = a, addr = a, mac = a;

	family.family = AF_INET6;
	device.ifindex = 4;
	addr.addr[15] = 1;
	ksft_ok(!rtneigh_same(&a, &family) && !rtneigh_same(&a, &device) &&
		!rtneigh_same(&a, &addr) && rtneigh_same(&a, &mac),
		"neighbours are told apart by family, device and all of the address");
	mac.mac_len = 6;
	rtneigh_clear(&memory, 1);
	ksft_ok(rtneigh_changed(&memory, &a) && rtneigh_changed(&memory, &mac) &&
		!rtneigh_changed(&memory, &mac), "a MAC of zeros is not no MAC");
}

/* A scan of 100,000 addresses that do not answer leaves copies and memory alone. */
static void check_scan(void)
{
	int bad = 0;

	rtneigh_clear(&memory, 1);
	told(RTM_NEWNEIGH, AF_INET, 1, NUD_REACHABLE, 1);
	for (__u32 host = 2; host < 100000; host++) {
		bad += told(RTM_NEWNEIGH, AF_INET, host, NUD_INCOMPLETE, 0) != NONE;
		bad += told(RTM_NEWNEIGH, AF_INET, host, NUD_FAILED, 0) != NONE;
	}
	bad += told(RTM_NEWNEIGH, AF_INET, 1, NUD_STALE, 1) != NONE;
	ksft_ok(!bad, "a scan of addresses without hosts flushes nothing: %d bad", bad);
}

#define HOSTS	20000	/* more than there are slots */

/* Against a memory without limits: what has changed is never missed. */
static void check_memory(void)
{
	static __u8 mac[HOSTS];		/* 0: not valid */
	struct rng rng = { rng_seed() };
	int missed = 0, needless = 0;

	rtneigh_clear(&memory, 1);
	for (int i = 0; i < 1000000; i++) {
		/* Mostly a few that have room, sometimes any. */
		__u32 host = rng_below(&rng, rng_below(&rng, 4) ? 500 : HOSTS);
		__u8 now = rng_below(&rng, 3);
		int changed = told(RTM_NEWNEIGH, AF_INET, host, now ? NUD_REACHABLE : NUD_FAILED,
				   now) != NONE;

		missed += mac[host] != now && !changed;
		needless += mac[host] == now && changed;
		mac[host] = now;
	}
	ksft_ok(!missed, "%d hosts, a million changes: %d missed, %d needless", HOSTS, missed,
		needless);
}

/* ---- distribution ----------------------------------------------------------------------- */

static int by_value(const void *a, const void *b)
{
	__u64 x = *(const __u64 *)a, y = *(const __u64 *)b;

	return x < y ? -1 : x > y;
}

#define SAMPLES	10000

static __u64 sample[SAMPLES];

static int quantile_bad(const struct quantile *q, __u32 permille)
{
	__u64 exact = sample[(SAMPLES * permille + 999) / 1000 - 1];
	__u64 got = quantile_of(q, permille);

	if (got >= exact && got - exact <= exact / 16)
		return 0;
	return ksft_fail_at("%u of 1000: %llu instead of %llu", permille, got, exact);
}

static void check_quantiles(int bits)
{
	struct rng rng = { rng_seed() };
	struct quantile q = { 0 };
	int bad = 0;

	for (int i = 0; i < SAMPLES; i++) {
		sample[i] = rng_next(&rng) >> (64 - 1 - rng_below(&rng, bits));
		quantile_add(&q, sample[i]);
	}
	qsort(sample, SAMPLES, sizeof(sample[0]), by_value);
	bad += quantile_bad(&q, 500) + quantile_bad(&q, 990) + quantile_bad(&q, 999);
	bad += quantile_of(&q, 1000) != sample[SAMPLES - 1] || q.max != sample[SAMPLES - 1];
	ksft_ok(!bad, "quantiles of %d numbers up to %d bits: %d bad", SAMPLES, bits, bad);
}

static void check_buckets(void)
{
	int bad = 0;

	for (__u32 b = 0; b < QUANTILE_BUCKETS; b++) {
		__u64 top = quantile_top(b);

		bad += quantile_bucket(top) != b;
		bad += top + 1 && quantile_bucket(top + 1) != b + 1;
		bad += b && top - quantile_top(b - 1) - 1 > top / 16;
	}
	ksft_ok(!bad, "each bucket ends where the next begins, by 1/16 at most: %d bad", bad);
}

static void check_empty(void)
{
	struct quantile q = { 0 };

	ksft_ok(!quantile_of(&q, 500) && !quantile_of(&q, 1000), "of nothing all quantiles are 0");
	quantile_add(&q, 12345);
	ksft_ok(quantile_of(&q, 1) == 12345 && quantile_of(&q, 990) == 12345,
		"of one number all quantiles are that number");
	quantile_add(&q, 3);
	quantile_add(&q, 5);
	ksft_ok(quantile_of(&q, 333) == 3 && quantile_of(&q, 500) == 5 &&
		quantile_of(&q, 667) == 12345, "of three numbers half are not above the second");
}

int main(void)
{
	ksft_plan(ARRAY_SIZE(gen_rows) + ARRAY_SIZE(take_rows) + 2 + ARRAY_SIZE(event_rows) + 2 +
		  ARRAY_SIZE(neigh_rows) + 7 + 7);
	check_gens();
	check_takes();
	check_good();
	check_life();
	check_events();
	check_links();
	check_short();
	check_neighbours();
	check_odd_neighbours();
	check_same();
	check_scan();
	check_memory();
	check_quantiles(8);
	check_quantiles(20);
	check_quantiles(64);
	check_buckets();
	check_empty();
	return ksft_end();
}
