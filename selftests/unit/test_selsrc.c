// SPDX-License-Identifier: GPL-2.0
/*
 * test_selsrc.c - classes of addresses, scores, and who wins
 *
 * Golden rows: the example of NetBSD's manual, those of RFC 6724 section 10.1 that are about
 * sources, and what the original got wrong. Then 12,000 random cases in each family against
 * selsrc_ref.h. Everything is decided twice, by the vectors and as the programs do it.
 */
#include <vestige/selsrc_sweep.h>

#include "selsrc_ref.h"
#include "unit.h"

#define CASES	12000

static const char *const names[] = {
#define NAME(id, name) name,
	SELSRC_FUNCTIONS(NAME)
#undef NAME
};

/* --- one case for both models ------------------------------------------------------------ */

struct sources {
	struct selsrc_source s[REF_ADDRS];
	int n;
};

static int function(const char *word)
{
	for (int i = 0; i < SELSRC_NR_FUNCTIONS; i++)
		if (!strcmp(word, names[i]))
			return i;
	ksft_bail("no function %s", word);
	return -1;
}

static __u32 family_of(int family)
{
	return family == AF_INET ? SELSRC_INET : SELSRC_INET6;
}

/* By the vectors, the last one first: whoever is better is so from both sides. -3: is not. */
static int by_vector(const struct sources *in, const struct selsrc_dest *d, const __u8 *functions,
		     int n)
{
	struct selsrc_vector best = {}, v;
	int winner = -1, order, by;

	for (int i = in->n - 1; i >= 0; i--) {
		if (!selsrc_reaches(&in->s[i].class, d))
			continue;
		selsrc_vector(&v, functions, n, &in->s[i], d);
		order = winner < 0 ? 1 : selsrc_compare(&v, &best, &by);
		if (winner >= 0 && (!order || selsrc_compare(&best, &v, &by) != -order))
			return -3;
		if (order < 0)
			continue;
		best = v;
		winner = i;
	}
	return winner;
}

static int class_of(struct selsrc_class *classes, int *n, const struct selsrc_class *c)
{
	for (int i = 0; i < *n; i++)
		if (!memcmp(&classes[i], c, sizeof(*c)))
			return i;
	if (*n == SELSRC_CLASSES)
		return -1;
	classes[*n] = *c;
	return (*n)++;
}

static __u64 pair(const __be32 *addr)
{
	return (__u64)ntohl(addr[0]) << 32 | ntohl(addr[1]);
}

/* As the programs do it. -2: too many classes. */
static int by_race(const struct sources *in, const struct selsrc_dest *d, const __u8 *functions,
		   int n)
{
	struct selsrc_class classes[SELSRC_CLASSES];
	int nr_classes = 0, class[REF_ADDRS];
	struct selsrc_policy policy;
	struct selsrc_race race;

	if (selsrc_compile(&policy, functions, n))
		ksft_bail("a good policy is refused");
	for (int i = 0; i < in->n; i++) {
		class[i] = class_of(classes, &nr_classes, &in->s[i].class);
		if (class[i] < 0)
			return -2;
	}
	selsrc_start(&race, &policy, classes, nr_classes, d);
	for (int i = 0; i < in->n; i++) {
		const struct selsrc_source *s = &in->s[i];
		int v4 = d->family == SELSRC_INET;

		selsrc_run(&race, class[i], selsrc_bias(s->preference),
			   v4 ? ntohl(s->addr[0]) : pair(s->addr),
			   v4 ? 0 : pair(s->addr + 2), i, !v4);
	}
	return race.index;
}

/* Somewhere in the array that the programs search, as they do. */
static __u32 search(const struct selsrc_list *list, const struct selsrc_dest *d)
{
	static struct selsrc_steps4 all4;
	static struct selsrc_steps6 all6;
	const struct selsrc_stretch s = { .first = 77, .n = list->n };
	const __u64 dst[2] = { pair(d->addr), pair(d->addr + 2) };

	if (d->family == SELSRC_INET) {
		selsrc_put4(&all4, s.first, list);
		return selsrc_step4(&all4, s, ntohl(d->addr[0])) - s.first;
	}
	selsrc_put6(&all6, s.first, list);
	return selsrc_step6(&all6, s, dst) - s.first;
}

/*
 * By the steps that are made of all these: both searches, the programs' one and a plain one,
 * have to find the same. -2: too many classes; -4: they do not.
 */
static int by_steps(const struct sources *in, const struct selsrc_dest *d, const __u8 *functions,
		    int n, const struct selsrc_label *label)
{
	static struct selsrc_step step[SELSRC_CUTS];
	static struct selsrc_addr6 addr[REF_ADDRS];
	struct selsrc_list list = { .step = step, .max = ARRAY_SIZE(step) };
	struct selsrc_class classes[SELSRC_CLASSES];
	struct selsrc_policy policy;
	struct selsrc_field f = {
		.family = d->family, .route_scope = d->route_scope, .policy = &policy,
		.class = classes, .addr = addr, .n = in->n, .label = label, .labels = 1,
	};
	int nr_classes = 0, class, at = 0;
	__u32 found;

	selsrc_compile(&policy, functions, n);
	for (int i = 0; i < in->n; i++) {
		class = class_of(classes, &nr_classes, &in->s[i].class);
		if (class < 0)
			return -2;
		addr[i] = (struct selsrc_addr6){ .class = class,
			.addr = { pair(in->s[i].addr), pair(in->s[i].addr + 2) },
			.preference = selsrc_bias(in->s[i].preference) };
		if (d->family == SELSRC_INET)
			addr[i].addr[0] >>= 32;
	}
	f.classes = nr_classes;
	selsrc_race_all(&f, &list);
	while (at + 1 < (int)list.n && step[at + 1].start <= selsrc_wire(d->addr))
		at++;
	found = search(&list, d);
	if (list.full || found != (__u32)at)
		return -4;
	for (int i = 0; i < in->n; i++)
		if (step[at].addr && selsrc_wire(in->s[i].addr) == step[at].addr)
			return i;
	return -1;
}

/* --- classes ------------------------------------------------------------------------------ */

static const struct {
	const char *addr;
	int link, private, group, any;
} classes[] = {
	{ "169.253.255.255", 0, 0, 0, 0 }, { "169.254.0.0", 1, 0, 0, 1 },
	{ "169.254.255.255", 1, 0, 0, 1 }, { "169.255.0.0", 0, 0, 0, 0 },
	{ "9.255.255.255", 0, 0, 0, 0 }, { "10.0.0.0", 0, 1, 0, 0 },
	{ "10.255.255.255", 0, 1, 0, 0 }, { "11.0.0.0", 0, 0, 0, 0 },
	{ "172.15.255.255", 0, 0, 0, 0 }, { "172.16.0.0", 0, 1, 0, 0 },
	{ "172.31.255.255", 0, 1, 0, 0 }, { "172.32.0.0", 0, 0, 0, 0 },
	{ "192.167.255.255", 0, 0, 0, 0 }, { "192.168.0.0", 0, 1, 0, 0 },
	{ "192.168.255.255", 0, 1, 0, 0 }, { "192.169.0.0", 0, 0, 0, 0 },
	{ "224.0.0.0", 0, 0, 1, 1 }, { "224.0.0.255", 0, 0, 1, 1 },
	{ "224.0.1.0", 0, 0, 0, 0 }, { "223.255.255.255", 0, 0, 0, 0 },
	{ "fe7f:ffff::", 0, 0, 0, 0 }, { "fe80::", 1, 0, 0, 1 },
	{ "febf:ffff::1", 1, 0, 0, 1 }, { "fec0::", 0, 0, 0, 0 },
	{ "fbff::", 0, 0, 0, 0 }, { "fc00::", 0, 1, 0, 0 }, { "fdff:ffff::", 0, 1, 0, 0 },
	{ "fe00::", 0, 0, 0, 0 }, { "ff01::1", 0, 0, 1, 1 }, { "ff02::1", 0, 0, 1, 1 },
	{ "ff11::1", 0, 0, 1, 1 },
	{ "ff12::1", 0, 0, 1, 1 }, { "ff05::1", 0, 0, 0, 0 }, { "ff00::", 0, 0, 0, 0 },
	{ "ff03::", 0, 0, 0, 0 }, { "::", 0, 0, 0, 0 }, { "2001:db8::1", 0, 0, 0, 0 },
};

static void check_classes(void)
{
	int bad = 0;

	for (size_t i = 0; i < ARRAY_SIZE(classes); i++) {
		int v6 = !!strchr(classes[i].addr, ':'), is[4];
		__be32 a[4] = {};

		inet_pton(v6 ? AF_INET6 : AF_INET, classes[i].addr, a);
		is[0] = v6 ? IN6_LINKLOCAL(a) : IN_LINKLOCAL(a[0]);
		is[1] = v6 ? IN6_PRIVATE(a) : IN_PRIVATE(a[0]);
		is[2] = v6 ? IN6_LOCAL_GROUP(a) : IN_LOCAL_GROUP(a[0]);
		is[3] = v6 ? IN6_ANY_LOCAL(a) : IN_ANY_LOCAL(a[0]);
		if (is[0] != classes[i].link || is[1] != classes[i].private ||
		    is[2] != classes[i].group || is[3] != classes[i].any)
			bad += ksft_fail_at("%s: %d %d %d %d", classes[i].addr, is[0], is[1],
					    is[2], is[3]);
	}
	ksft_ok(!bad, "classes of %zu addresses", ARRAY_SIZE(classes));
}

/* --- golden rows -------------------------------------------------------------------------- */

/*
 * An address: "10.0.0.1", then +N or -N: its preference; !: deprecated; @N: its label. The
 * one that wins has a * in front.
 */
struct row {
	const char *name;
	const char *policy;
	const char *dst;	/* may have a label */
	const char *sources;
};

#define MANUAL	"same-category,common-prefix-len,preference"
#define RFC	"scope,deprecated,label,common-prefix-len"

static const struct row rows[] = {
	{ "manual: Internet", MANUAL, "64.161.1.1",
	  "*64.198.255.1 10.0.0.1 169.254.1.1 192.168.49.1+5 192.168.37.1+9" },
	{ "manual: net 10", MANUAL, "10.1.2.3",
	  "64.198.255.1 *10.0.0.1 169.254.1.1 192.168.49.1+5 192.168.37.1+9" },
	{ "manual: link-local", MANUAL, "169.254.9.9",
	  "64.198.255.1 10.0.0.1 *169.254.1.1 192.168.49.1+5 192.168.37.1+9" },
	{ "manual: the link's group", MANUAL, "224.0.0.5",
	  "64.198.255.1 10.0.0.1 *169.254.1.1 192.168.49.1+5 192.168.37.1+9" },
	{ "manual: preference decides", MANUAL, "192.168.1.1",
	  "64.198.255.1 10.0.0.1 169.254.1.1 192.168.49.1+5 *192.168.37.1+9" },
	{ "manual: prefix before preference", MANUAL, "192.168.49.7",
	  "64.198.255.1 10.0.0.1 169.254.1.1 *192.168.49.1+5 192.168.37.1+9" },
	{ "manual: net 172.16", MANUAL, "172.16.0.1",
	  "64.198.255.1 10.0.0.1 169.254.1.1 192.168.49.1+5 *192.168.37.1+9" },

	{ "RFC 6724: appropriate scope", RFC, "2001:db8:1::1", "*2001:db8:3::1 fe80::1" },
	{ "RFC 6724: scope of a group", RFC, "ff05::1", "*2001:db8:3::1 fe80::1" },
	{ "RFC 6724: the same address", RFC, "2001:db8:1::1", "*2001:db8:1::1! 2001:db8:2::1" },
	{ "RFC 6724: scope before deprecation", RFC, "fe80::1", "*fe80::2! 2001:db8:1::1" },
	{ "RFC 6724: longest prefix", RFC, "2001:db8:1::1", "*2001:db8:1::2 2001:db8:3::2" },
	{ "RFC 6724: matching label", RFC, "2002:c633:6401::1@2",
	  "*2002:c633:6401::d5e3:7953:13eb:22e8@2 2001:db8:1::2@1" },
	{ "RFC 6724: longest prefix, of all 128 bits", RFC, "2001:db8:1::d5e3:0:0:1",
	  "2001:db8:1::2 *2001:db8:1:0:d5e3:7953:13eb:22e8" },

	{ "prefix beyond 24 bits", "common-prefix-len", "10.0.0.3", "10.0.0.1 *10.0.0.2" },
	{ "prefix beyond 24 bits, other order", "common-prefix-len", "10.0.0.3",
	  "*10.0.0.2 10.0.0.1" },
	{ "prefix, the last bit", "common-prefix-len,index", "10.0.0.255",
	  "10.0.0.253 *10.0.0.254" },
	{ "prefix, the last bit of 128", "common-prefix-len", "2001:db8::f",
	  "2001:db8::c 2001:db8::d *2001:db8::e" },
	{ "a tie goes to the first", "preference", "192.0.2.1", "*10.0.0.2 10.0.0.1" },
	{ "a tie of all functions goes to the first",
	  "same-category,scope,deprecated,label,common-prefix-len,preference", "203.0.113.1",
	  "*198.18.0.1+1 198.18.0.2+1 198.18.0.3+1" },
	{ "nothing counts behind index", "index,preference", "192.0.2.1", "*10.0.0.1 10.0.0.2+9" },
	{ "preferences below 0", "preference", "192.0.2.1",
	  "10.0.0.1-32768 10.0.0.2-2 *10.0.0.3-1 10.0.0.4-32767" },
	{ "preferences at the ends", "preference", "192.0.2.1",
	  "10.0.0.1-32768 *10.0.0.2+32767 10.0.0.3+32766" },
	{ "a VIP is deprecated, in IPv4, too", "deprecated", "192.0.2.1", "10.0.0.1! *10.0.0.2" },
	{ "all are deprecated", "deprecated", "192.0.2.1", "*10.0.0.1! 10.0.0.2!" },
	{ "no link-local source for others", "preference", "2001:db8::1",
	  "fe80::1+9 *2001:db8::2" },
};

static const char *parse(const char *text, int family, struct selsrc_source *s, int *wins)
{
	char addr[64];
	size_t len;
	long label = 1;
	int old = 0;

	*wins = *text == '*';
	text += *wins;
	len = strspn(text, family == AF_INET ? "0123456789." : "0123456789abcdef:");
	snprintf(addr, sizeof(addr), "%.*s", (int)len, text);
	memset(s, 0, sizeof(*s));
	if (inet_pton(family, addr, s->addr) != 1)
		ksft_bail("row: no address: %s", addr);
	for (text += len; *text && *text != ' ';) {
		char *end = (char *)text + 1;

		if (*text == '@')
			label = strtol(text + 1, &end, 10);
		else if (*text == '!')
			old = 1;
		else
			s->preference = strtol(text, &end, 10);
		text = end;
	}
	s->class = selsrc_class(family_of(family), s->addr, old, 0, label);
	return text + strspn(text, " ");
}

static int policy(const char *text, __u8 *functions)
{
	char copy[128], *word, *rest = copy;
	int n = 0;

	snprintf(copy, sizeof(copy), "%s", text);
	while ((word = strsep(&rest, ",")))
		functions[n++] = function(word);
	return n;
}

static void check_row(const struct row *r)
{
	int family = strchr(r->dst, ':') ? AF_INET6 : AF_INET, n, wins, want = -1, v, fast, ignored;
	struct sources in = { .n = 0 };
	__u8 functions[SELSRC_MAX_FUNCTIONS];
	struct selsrc_source to;
	struct selsrc_dest d;

	n = policy(r->policy, functions);
	parse(r->dst, family, &to, &ignored);
	selsrc_dest(&d, family_of(family), to.addr, 0, to.class.label);
	for (const char *at = r->sources; *at; in.n++) {
		at = parse(at, family, &in.s[in.n], &wins);
		in.s[in.n].index = in.n;
		if (wins)
			want = in.n;
	}
	v = by_vector(&in, &d, functions, n);
	/* The programs never see a destination of this host. */
	fast = memcmp(in.s[want].addr, to.addr, 16) ? by_race(&in, &d, functions, n) : v;
	ksft_ok(v == want && fast == want, "%s: %d, in a race %d, of %d", r->name, v, fast, in.n);
}

/* --- random cases ------------------------------------------------------------------------- */

/* Few prefixes and few bits, so that ties are common. */
static void random_addr(struct rng *rng, int family, __be32 *addr)
{
	static const char *const nets4[] = { "10.0.0.0", "10.0.1.0", "172.16.0.0", "192.168.7.0",
					     "169.254.0.0", "198.51.100.0", "203.0.113.0",
					     "127.0.0.0" };
	static const char *const nets6[] = { "fe80::", "fd00:1::", "fd00:1:0:1::", "fc00::",
					     "2001:db8::", "2001:db8:1::", "2002:c633::",
					     "fec0::", "::" };
	__u32 bit;

	memset(addr, 0, 16);
	if (family == AF_INET) {
		inet_pton(family, nets4[rng_below(rng, ARRAY_SIZE(nets4))], addr);
		addr[0] ^= htonl(rng_below(rng, rng_below(rng, 2) ? 8 : 256));
		if (!rng_below(rng, 4))
			addr[0] ^= htonl(1u << rng_below(rng, 32));
		return;
	}
	inet_pton(family, nets6[rng_below(rng, ARRAY_SIZE(nets6))], addr);
	addr[3] ^= htonl(rng_below(rng, 8));
	for (int i = rng_below(rng, 3); i > 0; i--) {
		bit = rng_below(rng, 128);
		addr[bit / 32] ^= htonl(0x80000000u >> bit % 32);
	}
}

static int known(const struct sources *in, const __be32 *addr)
{
	for (int i = 0; i < in->n; i++)
		if (!memcmp(in->s[i].addr, addr, 16))
			return 1;
	return 0;
}

static int random_policy(struct rng *rng, __u8 *functions, struct ref_case *c)
{
	c->words = 1 + rng_below(rng, SELSRC_MAX_FUNCTIONS);
	for (int i = 0; i < c->words; i++) {
		/* index settles everything: seldom. */
		functions[i] = rng_below(rng, 10) ? 1 + rng_below(rng, SELSRC_NR_FUNCTIONS - 1) :
						    SELSRC_INDEX;
		c->policy[i] = names[functions[i]];
	}
	return c->words;
}

static void random_source(struct rng *rng, struct ref_case *c, struct sources *in,
			  const __be32 *dst)
{
	static const int reach[] = { 0, 0, 0, 253, 254 };
	struct ref_addr *a = &c->addr[in->n];
	struct selsrc_source *s = &in->s[in->n];
	__be32 addr[4];

	random_addr(rng, c->family, addr);
	/* The unspecified address is nobody's. */
	if (known(in, addr) || !memcmp(addr, dst, 16) ||
	    !(addr[0] | addr[1] | addr[2] | addr[3]))
		return;
	memset(s, 0, sizeof(*s));
	memcpy(s->addr, addr, 16);
	ref_bits(a->bits, c->family, addr);
	a->preference = rng_below(rng, 3) ? (long)rng_below(rng, 3) - 1 :
					    (long)rng_below(rng, 65536) - 32768;
	a->deprecated = !rng_below(rng, 4);
	a->rt_scope = reach[rng_below(rng, ARRAY_SIZE(reach))];
	a->label = rng_below(rng, 3);
	s->preference = a->preference;
	s->index = in->n;
	s->class = selsrc_class(family_of(c->family), addr, a->deprecated, a->rt_scope, a->label);
	c->n = ++in->n;
}

static int random_case(struct rng *rng, int family, int *skipped, int *none)
{
	static const int scopes[] = { 0, 253, 254 };
	static struct ref_case c;
	static struct sources in;
	__u8 functions[SELSRC_MAX_FUNCTIONS];
	struct selsrc_dest d;
	struct selsrc_label label = {};
	int n, tries, v, fast, ref, steps, group;
	__be32 dst[4];

	c = (struct ref_case){ .family = family };
	in.n = 0;
	random_addr(rng, family, dst);
	group = !rng_below(rng, 16);
	if (group)
		dst[0] = htonl(family == AF_INET ? 0xe0000000 | rng_below(rng, 512) :
						   0xff000000 | rng_below(rng, 256) << 16);
	ref_bits(c.dst, family, dst);
	c.dst_label = rng_below(rng, 3);
	c.route_scope = scopes[rng_below(rng, ARRAY_SIZE(scopes))];
	n = random_policy(rng, functions, &c);
	tries = 1 + rng_below(rng, rng_below(rng, 10) ? 16 : REF_ADDRS);
	for (int i = 0; i < tries; i++)
		random_source(rng, &c, &in, dst);
	selsrc_dest(&d, family_of(family), dst, c.route_scope, c.dst_label);
	ref = ref_winner(&c);
	v = by_vector(&in, &d, functions, n);
	fast = by_race(&in, &d, functions, n);
	/* The label of a prefix that the destination is in; elsewhere there is another. */
	memcpy(label.addr, dst, sizeof(dst));
	if (family == AF_INET) {
		label.addr[3] = dst[0];
		label.addr[2] = htonl(0xffff);
		label.addr[0] = 0;
	}
	label.len = 128 - rng_below(rng, 32);
	label.label = c.dst_label;
	steps = group ? ref : by_steps(&in, &d, functions, n, &label);
	*skipped += fast == -2;
	*none += ref == -1;
	if (ref != v || (fast != -2 && (fast != ref || steps != ref)))
		return ksft_fail_at("%d sources, %d functions from %s: model %d, vectors %d, "
				    "race %d, steps %d", in.n, n, c.policy[0], ref, v, fast,
				    steps);
	return 0;
}

static void check_random(int family)
{
	struct rng rng = { rng_seed() + family };
	int bad = 0, skipped = 0, none = 0;

	for (int i = 0; i < CASES; i++)
		bad += random_case(&rng, family, &skipped, &none);
	ksft_ok(!bad && skipped < CASES / 4 && none < CASES / 4,
		"%s: %d cases, %d bad; %d of too many classes, %d without candidate",
		family == AF_INET ? "IPv4" : "IPv6", CASES, bad, skipped, none);
}

/* --- policies ----------------------------------------------------------------------------- */

static void check_compile(void)
{
	static const __u8 nine[9] = { SELSRC_PREFERENCE }, unknown[] = { 1, SELSRC_NR_FUNCTIONS };
	static const __u8 all[] = { SELSRC_SCOPE, SELSRC_PREFERENCE, SELSRC_CATEGORY,
				    SELSRC_DEPRECATED, SELSRC_LABEL, SELSRC_COMMON_PREFIX,
				    SELSRC_INDEX, SELSRC_SCOPE };
	struct selsrc_policy p;

	ksft_ok(selsrc_compile(&p, all, 0) < 0, "no function is refused");
	ksft_ok(selsrc_compile(&p, nine, 9) < 0, "nine functions are refused");
	ksft_ok(!selsrc_compile(&p, nine, 8), "eight functions are not");
	ksft_ok(selsrc_compile(&p, unknown, 2) < 0, "an unknown function is refused");
	ksft_ok(!selsrc_compile(&p, all, 8) && p.n == 8 && p.label && p.common_prefix &&
		p.labels == 1 && p.above == ~0u, "eight different ones have room in a rank");
}

int main(void)
{
	ksft_plan(1 + ARRAY_SIZE(rows) + 2 + 5);
	check_classes();
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		check_row(&rows[i]);
	check_random(AF_INET);
	check_random(AF_INET6);
	check_compile();
	return ksft_end();
}
