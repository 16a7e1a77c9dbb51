/* SPDX-License-Identifier: GPL-2.0 */
/*
 * selsrc_score.h - which source is better for a destination?
 *
 * Pure; the programs, the command and the unit tests share it. It is said twice. As
 * scores: a policy is up to 8 functions, each gives a source a number, and vectors of these
 * are compared from the left, larger wins, then the smaller index. And as the programs need
 * it, which have 4 ns for an address: the functions that are the same for all addresses of
 * a class come from a table made for the destination, all of them are fields of one number,
 * and common prefixes are compared without being counted. The unit test holds that both say
 * the same.
 *
 * Above all policies stands rule 1 of RFC 6724, a source that is the destination wins; the
 * programs never come to it, since the route to such a destination is LOCAL.
 */
#ifndef VESTIGE_SELSRC_SCORE_H
#define VESTIGE_SELSRC_SCORE_H

#include "in_class.h"
#include "selsrc.h"

#ifndef __always_inline
#define __always_inline inline __attribute__((__always_inline__))
#endif

enum { SELSRC_INET, SELSRC_INET6 };	/* as in rtcache.h */

/* Of NetBSD; a group of the link counts as link-local. */
enum selsrc_category {
	SELSRC_CATEGORY_LINK,
	SELSRC_CATEGORY_PRIVATE,
	SELSRC_CATEGORY_OTHER,
	SELSRC_NR_CATEGORIES,
};

/* RFC 6724 3.1 and 3.2. Of multicast destinations any number of 4 bits. */
#define SELSRC_SCOPE_LINK	2
#define SELSRC_SCOPE_SITE	5
#define SELSRC_SCOPE_GLOBAL	14

/* IPv4 uses word 0 of every address, which is as on the wire. */
struct selsrc_dest {
	__u32 family;
	__be32 addr[4];
	__u32 label;
	__u8 category, scope;
	__u8 route_scope;	/* IPv4: RT_SCOPE_* of the route */
};

struct selsrc_source {
	__be32 addr[4];
	__s16 preference;
	__u16 index;		/* 0, 1, ... in the order of the device */
	struct selsrc_class class;
};

static __always_inline __u8 selsrc_category(__u32 family, const __be32 *addr)
{
	int link = family == SELSRC_INET ? IN_ANY_LOCAL(addr[0]) : IN6_ANY_LOCAL(addr);
	int private = family == SELSRC_INET ? IN_PRIVATE(addr[0]) : IN6_PRIVATE(addr);

	return link ? SELSRC_CATEGORY_LINK :
	       private ? SELSRC_CATEGORY_PRIVATE : SELSRC_CATEGORY_OTHER;
}

/* fec0::/10 is what is left of site-local addresses. */
static __always_inline __u8 selsrc_scope6(const __be32 *addr)
{
	if (IN_CLASS_IS(addr[0], 0xff000000u, 0xff000000u))
		return IN_CLASS_HOST(addr[0]) >> 16 & 0xf;
	if (IN6_LINKLOCAL(addr) || (!addr[0] && !addr[1] && !addr[2] &&
				    IN_CLASS_HOST(addr[3]) == 1))
		return SELSRC_SCOPE_LINK;
	return IN_CLASS_IS(addr[0], 0xffc00000u, 0xfec00000u) ?
	       SELSRC_SCOPE_SITE : SELSRC_SCOPE_GLOBAL;
}

static __always_inline __u8 selsrc_scope(__u32 family, const __be32 *addr)
{
	if (family != SELSRC_INET)
		return selsrc_scope6(addr);
	return IN_ANY_LOCAL(addr[0]) || IN_CLASS_IS(addr[0], 0xff000000u, 0x7f000000u) ?
	       SELSRC_SCOPE_LINK : SELSRC_SCOPE_GLOBAL;
}

/* What of an address does not depend on the destination. */
static __always_inline struct selsrc_class selsrc_class(__u32 family, const __be32 *addr,
							int deprecated, __u8 reach,
							__u32 label)
{
	struct selsrc_class class = {
		.category = selsrc_category(family, addr),
		.scope = selsrc_scope(family, addr),
		.deprecated = !!deprecated,
		.reach = family == SELSRC_INET ? reach : 0,
		.label = label,
	};

	return class;
}

static __always_inline void selsrc_dest(struct selsrc_dest *d, __u32 family,
					const __be32 *addr, __u8 route_scope, __u32 label)
{
	d->family = family;
	for (int i = 0; i < 4; i++)
		d->addr[i] = family == SELSRC_INET && i ? 0 : addr[i];
	d->label = label;
	d->category = selsrc_category(family, d->addr);
	d->scope = selsrc_scope(family, d->addr);
	d->route_scope = route_scope;
}

/*
 * May an address of that class be a source at all? IPv4: as inet_select_addr() has it, where
 * an address of scope host serves nobody else. IPv6:
 * nobody behind a router can answer to a link-local address.
 */
static __always_inline int selsrc_reaches(const struct selsrc_class *c,
					  const struct selsrc_dest *d)
{
	if (d->family != SELSRC_INET)
		return c->scope > SELSRC_SCOPE_LINK || d->scope <= SELSRC_SCOPE_LINK;
	return c->reach <= d->route_scope;
}

/* --- scores ------------------------------------------------------------------------------ */

static __always_inline __u32 selsrc_prefix_len(__u32 family, const __be32 *a, const __be32 *b)
{
	__u32 words = family == SELSRC_INET ? 1 : 4, len = 0, differ;

	for (__u32 i = 0; i < words; i++) {
		differ = IN_CLASS_HOST(a[i] ^ b[i]);
		if (!differ) {
			len += 32;
			continue;
		}
		for (; !(differ & 0x80000000u); differ <<= 1)
			len++;
		break;
	}
	return len;
}

/* NetBSD's table: the same 2; next to it 1. */
static __always_inline __u32 selsrc_same_category(__u8 source, __u8 dest)
{
	if (source == dest)
		return 2;
	if (source == SELSRC_CATEGORY_PRIVATE)
		return 1;
	return source == SELSRC_CATEGORY_LINK && dest == SELSRC_CATEGORY_PRIVATE;
}

/*
 * RFC 6724 5, rule 2: of what reaches the destination's scope the narrowest, else the
 * widest. 0 .. 31.
 */
static __always_inline __u32 selsrc_scope_score(__u8 source, __u8 dest)
{
	return source >= dest ? 31 - source : source;
}

static __always_inline __s32 selsrc_score(__u8 function, const struct selsrc_source *s,
					  const struct selsrc_dest *d)
{
	switch (function) {
	case SELSRC_INDEX:
		return -(__s32)s->index;
	case SELSRC_PREFERENCE:
		return s->preference;
	case SELSRC_COMMON_PREFIX:
		return selsrc_prefix_len(d->family, s->addr, d->addr);
	case SELSRC_CATEGORY:
		return selsrc_same_category(s->class.category, d->category);
	case SELSRC_SCOPE:
		return selsrc_scope_score(s->class.scope, d->scope);
	case SELSRC_DEPRECATED:
		return !s->class.deprecated;
	case SELSRC_LABEL:
		return s->class.label == d->label;
	}
	return 0;
}

struct selsrc_vector {
	__s32 score[SELSRC_MAX_FUNCTIONS];
	__u16 index;
	__u8 n;
	__u8 is_dest;	/* rule 1 */
};

static __always_inline void selsrc_vector(struct selsrc_vector *v, const __u8 *functions, __u8 n,
					  const struct selsrc_source *s,
					  const struct selsrc_dest *d)
{
	v->n = n;
	v->index = s->index;
	v->is_dest = selsrc_prefix_len(d->family, s->addr, d->addr) ==
		     (d->family == SELSRC_INET ? 32 : 128);
	for (__u32 i = 0; i < n && i < SELSRC_MAX_FUNCTIONS; i++)
		v->score[i] = selsrc_score(functions[i], s, d);
}

/*
 * > 0: a is the better one. Total: never 0 for two different indices. *by: the number of the
 * function that decided; n: the index did; -1: a or b is the destination.
 */
static __always_inline int selsrc_compare(const struct selsrc_vector *a,
					  const struct selsrc_vector *b, int *by)
{
	*by = -1;
	if (a->is_dest != b->is_dest)
		return a->is_dest ? 1 : -1;
	for (*by = 0; *by < a->n && *by < SELSRC_MAX_FUNCTIONS; ++*by)
		if (a->score[*by] != b->score[*by])
			return a->score[*by] > b->score[*by] ? 1 : -1;
	return a->index < b->index ? 1 : a->index > b->index ? -1 : 0;
}

/* --- the same, as the programs do it ---------------------------------------------------- */

/* Widths of the fields of a rank; together less than 31. */
#define SELSRC_WIDTHS { [SELSRC_PREFERENCE] = 16, [SELSRC_CATEGORY] = 2, [SELSRC_SCOPE] = 5, \
			[SELSRC_DEPRECATED] = 1, [SELSRC_LABEL] = 1 }
#define SELSRC_RANK_BITS	25

static inline __u32 *selsrc_factor(struct selsrc_policy *p, __u8 function)
{
	switch (function) {
	case SELSRC_PREFERENCE:
		return &p->preference;
	case SELSRC_CATEGORY:
		return &p->category;
	case SELSRC_SCOPE:
		return &p->scope;
	case SELSRC_DEPRECATED:
		return &p->deprecated;
	case SELSRC_LABEL:
		return &p->labels;
	}
	return 0;
}

/*
 * Behind `index`, which no two addresses share, nothing counts, nor does a function that was
 * there before. 0, or -1: too many functions, none, or an unknown one.
 */
static inline int selsrc_compile(struct selsrc_policy *p, const __u8 *functions, __u32 n)
{
	static const __u8 width[SELSRC_NR_FUNCTIONS] = SELSRC_WIDTHS;
	__u32 at = SELSRC_RANK_BITS, i, over = 0, *factor;

	*p = (struct selsrc_policy){ .above = ~0u };
	if (!n || n > SELSRC_MAX_FUNCTIONS)
		return -1;
	for (i = 0; i < n; i++) {
		if (functions[i] >= SELSRC_NR_FUNCTIONS)
			return -1;
		p->function[p->n++] = functions[i];
		over |= functions[i] == SELSRC_INDEX;
		factor = selsrc_factor(p, functions[i]);
		if (!over && functions[i] == SELSRC_COMMON_PREFIX && !p->common_prefix) {
			p->common_prefix = 1;
			p->above = ~0u << at;
		}
		if (over || !factor || *factor)
			continue;
		at -= width[functions[i]];
		*factor = 1u << at;
	}
	p->label = !!p->labels;
	return 0;
}

/* Preferences are kept as 0 .. 65535. */
static __always_inline __u16 selsrc_bias(__s16 preference)
{
	return preference + 32768;
}

/* Ranks of what may be a source have this bit; the start of a race is just below it. */
#define SELSRC_MAY		(1u << 31)
#define SELSRC_NOBODY		(SELSRC_MAY - 1)

/*
 * A race: the addresses of a device, one after the other in the order of the index, and the
 * best so far. All that policy and destination say is in here. Numbers in host order; IPv4
 * leaves the second one of a pair 0.
 *
 * rank: by class, without the preference. apart: in which bits the best, `addr`, differs from
 * the destination, as far as `mask` lets that count.
 */
struct selsrc_race {
	__u32 rank[SELSRC_CLASSES];
	__u32 preference;	/* factor */
	__u32 above;
	__u64 mask;
	__u64 dst[2];
	__u64 apart[2];
	__u64 addr[2];
	__u32 best;		/* its rank; SELSRC_NOBODY: none yet */
	__s32 index;
	__u64 skip[2];		/* this address does not take part; 0: all do */
};

/* Verified once, and not for each class in each state. */
#ifdef __bpf__
#define SELSRC_APART		__attribute__((__noinline__))
#else
#define SELSRC_APART		static inline
#endif

SELSRC_APART __u32 selsrc_rank(const struct selsrc_policy *p, const struct selsrc_class *c,
			       const struct selsrc_dest *d)
{
	if (!p || !c || !d || !selsrc_reaches(c, d))
		return 0;
	return SELSRC_MAY + p->category * selsrc_same_category(c->category, d->category) +
	       p->scope * selsrc_scope_score(c->scope, d->scope) +
	       p->deprecated * !c->deprecated + p->labels * (c->label == d->label);
}

static __always_inline void selsrc_start(struct selsrc_race *r, const struct selsrc_policy *p,
					 const struct selsrc_class *classes, __u32 n,
					 const struct selsrc_dest *d)
{
	for (__u32 i = 0; i < SELSRC_CLASSES; i++)
		r->rank[i] = i < n ? selsrc_rank(p, &classes[i], d) : 0;
	r->preference = p->preference;
	r->above = p->above;
	r->mask = p->common_prefix ? ~0ull : 0;
	r->dst[0] = IN_CLASS_HOST(d->addr[0]);
	r->dst[1] = 0;
	if (d->family != SELSRC_INET) {
		r->dst[0] = r->dst[0] << 32 | IN_CLASS_HOST(d->addr[1]);
		r->dst[1] = (__u64)IN_CLASS_HOST(d->addr[2]) << 32 | IN_CLASS_HOST(d->addr[3]);
	}
	r->apart[0] = r->apart[1] = 0;
	r->addr[0] = r->addr[1] = 0;
	r->best = SELSRC_NOBODY;
	r->index = -1;
	r->skip[0] = r->skip[1] = 0;
}

/* Does a have the longer common prefix? The larger highest bit is the earlier difference. */
static __always_inline int selsrc_nearer(__u64 a, __u64 b)
{
	return a < b && a < (a ^ b);
}

/*
 * The next address; addr1 of an IPv4 one is 0. What may not be a source has a rank below
 * that of nobody, in whatever fields are above the common prefix. The most likely ways to
 * lose come first.
 */
static __always_inline void selsrc_run(struct selsrc_race *r, __u8 class, __u16 preference,
				       __u64 addr0, __u64 addr1, __s32 index, int pair)
{
	__u32 rank = r->rank[class % SELSRC_CLASSES] + r->preference * preference;
	__u32 mine = rank & r->above, its = r->best & r->above;
	__u64 apart0, apart1, mine64, its64;

	if (mine < its)
		return;
	apart0 = mine64 = (addr0 ^ r->dst[0]) & r->mask;
	apart1 = pair ? (addr1 ^ r->dst[1]) & r->mask : 0;
	if (mine == its) {
		its64 = r->apart[0];
		if (pair && !(mine64 | its64)) {
			mine64 = apart1;
			its64 = r->apart[1];
		}
		if (selsrc_nearer(its64, mine64))
			return;
		if (rank <= r->best && !selsrc_nearer(mine64, its64))
			return;
	}
	if (addr0 == r->skip[0] && addr1 == r->skip[1])
		return;
	r->best = rank;
	r->apart[0] = apart0;
	r->apart[1] = apart1;
	r->addr[0] = addr0;
	r->addr[1] = addr1;
	r->index = index;
}

#endif /* VESTIGE_SELSRC_SCORE_H */
