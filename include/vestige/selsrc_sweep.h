/* SPDX-License-Identifier: GPL-2.0 */
/*
 * selsrc_sweep.h - the list that selsrc_steps.h searches, written: for the command and the
 * tests, not for programs.
 *
 * Two lists are made and merged. Of a device: the race is run at each destination where its
 * outcome may change. Of the routes: prefixes lie in one another, and from one end of one to
 * the next end the innermost decides.
 *
 * Numbers have 128 bits, in host order. An IPv4 address is the upper 32 of them, so that a
 * prefix has the same length in both families.
 */
#ifndef VESTIGE_SELSRC_SWEEP_H
#define VESTIGE_SELSRC_SWEEP_H

#include <stdlib.h>
#include "selsrc_steps.h"

typedef unsigned __int128 selsrc_number;

struct selsrc_label {
	__be32 addr[4];		/* as in maps labels_*: IPv4 is ::ffff:0:0/96 */
	__u32 len;
	__u32 label;
};

/* A device, and all that counts but the destination. IPv4 addresses as for selsrc_run(). */
struct selsrc_field {
	__u32 ifindex;
	__u32 verdict;		/* SELSRC_bound: see policy and addresses */
	__u32 family;
	__u8 route_scope;
	const struct selsrc_policy *policy;
	const struct selsrc_class *class;
	__u32 classes;
	const struct selsrc_addr6 *addr;
	__u32 n;
	const struct selsrc_label *label;
	__u32 labels;
};

/* Three where two neighbours part; two ends of each prefix. */
#define SELSRC_CUTS	(3 * SELSRC_MAX_ADDRS + 2 * SELSRC_MAX_LABELS + 32)

struct selsrc_cuts {
	selsrc_number at[SELSRC_CUTS];
	__u32 n;
};

static inline int selsrc_number_order(const void *a, const void *b)
{
	const selsrc_number x = *(const selsrc_number *)a, y = *(const selsrc_number *)b;

	return x < y ? -1 : x > y;
}

static inline selsrc_number selsrc_wire(const __be32 *addr)
{
	return (selsrc_number)IN_CLASS_HOST(addr[0]) << 96 |
	       (selsrc_number)IN_CLASS_HOST(addr[1]) << 64 |
	       (selsrc_number)IN_CLASS_HOST(addr[2]) << 32 | IN_CLASS_HOST(addr[3]);
}

static inline selsrc_number selsrc_mask(__u32 len)
{
	return len ? ~(selsrc_number)0 << (128 - len) : 0;
}

/* What does not fit is a table of labels that is longer than its map: never. */
static inline void selsrc_cut(struct selsrc_cuts *c, selsrc_number at)
{
	if (c->n < SELSRC_CUTS)
		c->at[c->n++] = at;
}

/* Where a prefix begins, and where it has ended; at the end of all numbers that is 0. */
static inline void selsrc_cut_prefix(struct selsrc_cuts *c, selsrc_number addr, __u32 len)
{
	selsrc_number start = addr & selsrc_mask(len);

	selsrc_cut(c, start);
	if (len)
		selsrc_cut(c, start + ((selsrc_number)1 << (128 - len)));
}

/* Categories and scopes of unicast addresses: selsrc_category(), selsrc_scope(). */
static inline void selsrc_cut_classes(struct selsrc_cuts *c, __u32 family)
{
	static const struct {
		__u32 family, top, len;
	} prefix[] = {
		{ SELSRC_INET, 0x0a000000, 8 }, { SELSRC_INET, 0xac100000, 12 },
		{ SELSRC_INET, 0xc0a80000, 16 }, { SELSRC_INET, 0xa9fe0000, 16 },
		{ SELSRC_INET, 0x7f000000, 8 }, { SELSRC_INET6, 0xfe800000, 10 },
		{ SELSRC_INET6, 0xfec00000, 10 }, { SELSRC_INET6, 0xfc000000, 7 },
		{ SELSRC_INET6, 0xff000000, 8 },
	};

	for (__u32 i = 0; i < sizeof(prefix) / sizeof(prefix[0]); i++)
		if (prefix[i].family == family)
			selsrc_cut_prefix(c, (selsrc_number)prefix[i].top << 96, prefix[i].len);
	if (family == SELSRC_INET6)
		selsrc_cut_prefix(c, 1, 128);
}

static inline void selsrc_cut_labels(struct selsrc_cuts *c, const struct selsrc_field *f)
{
	const selsrc_number mapped = (selsrc_number)0xffff << 32;

	for (__u32 i = 0; i < f->labels && f->policy->label; i++) {
		selsrc_number at = selsrc_wire(f->label[i].addr);

		if (f->family != SELSRC_INET)
			selsrc_cut_prefix(c, at, f->label[i].len);
		else if (f->label[i].len >= 96 && (at & selsrc_mask(96)) == mapped)
			selsrc_cut_prefix(c, at << 96, f->label[i].len - 96);
	}
}

static inline selsrc_number selsrc_number_of(__u32 family, const struct selsrc_addr6 *a)
{
	return family == SELSRC_INET ? (selsrc_number)a->addr[0] << 96 :
				       (selsrc_number)a->addr[0] << 64 | a->addr[1];
}

/* How many bits they have in common; 128 only if they are the same. */
static inline __u32 selsrc_common(selsrc_number a, selsrc_number b)
{
	__u64 top = (a ^ b) >> 64, rest = a ^ b;

	return top ? __builtin_clzll(top) : rest ? 64 + __builtin_clzll(rest) : 128;
}

/*
 * Seen from a destination, addresses that leave it at the same bit are equally near. In
 * numerical order, what shares the bits of two neighbours is one stretch, and its halves are
 * the sides of the bit at which they part.
 */
static inline void selsrc_cut_addrs(struct selsrc_cuts *c, const struct selsrc_field *f)
{
	selsrc_number sorted[SELSRC_MAX_ADDRS];
	__u32 len;

	if (!f->policy->common_prefix)
		return;
	for (__u32 i = 0; i < f->n; i++)
		sorted[i] = selsrc_number_of(f->family, &f->addr[i]);
	qsort(sorted, f->n, sizeof(sorted[0]), selsrc_number_order);
	for (__u32 i = 1; i < f->n; i++) {
		len = selsrc_common(sorted[i - 1], sorted[i]);
		if (len == 128)
			continue;
		selsrc_cut_prefix(c, sorted[i], len);
		selsrc_cut(c, sorted[i] & selsrc_mask(len + 1));
	}
}

/* As the programs find it in the trie. */
static inline __u32 selsrc_label_of(const struct selsrc_field *f, selsrc_number dst)
{
	const struct selsrc_label *best = NULL;

	if (f->family == SELSRC_INET)
		dst = (selsrc_number)0xffff << 32 | dst >> 96;
	for (__u32 i = 0; i < f->labels; i++)
		if (!((selsrc_wire(f->label[i].addr) ^ dst) & selsrc_mask(f->label[i].len)) &&
		    (!best || f->label[i].len > best->len))
			best = &f->label[i];
	return best ? best->label : ~0u;
}

/* Who wins there; 0: nobody. */
static inline selsrc_number selsrc_winner(const struct selsrc_field *f, selsrc_number dst)
{
	const __be32 wire[4] = { IN_CLASS_HOST(dst >> 96), IN_CLASS_HOST(dst >> 64),
				 IN_CLASS_HOST(dst >> 32), IN_CLASS_HOST(dst) };
	struct selsrc_race race;
	struct selsrc_dest d;

	selsrc_dest(&d, f->family, wire, f->route_scope, selsrc_label_of(f, dst));
	selsrc_start(&race, f->policy, f->class, f->classes, &d);
	for (__u32 i = 0; i < f->n; i++)
		selsrc_run(&race, f->addr[i].class, f->addr[i].preference, f->addr[i].addr[0],
			   f->addr[i].addr[1], i, f->family != SELSRC_INET);
	return race.index < 0 ? 0 : selsrc_number_of(f->family, &f->addr[race.index]);
}

/* From `start` up to the start of the next one. */
struct selsrc_step {
	selsrc_number start;
	selsrc_number addr;
	__u32 ifindex;
	__u32 verdict;
};

/* full: there was no room, or no memory, for some. */
struct selsrc_list {
	struct selsrc_step *step;
	__u32 n, max;
	int full;
};

static inline void selsrc_add(struct selsrc_list *list, const struct selsrc_step *s)
{
	const struct selsrc_step *last = &list->step[list->n - 1];

	if (list->n && last->addr == s->addr && last->ifindex == s->ifindex &&
	    last->verdict == s->verdict)
		return;
	if (list->n == list->max)
		list->full = 1;
	else
		list->step[list->n++] = *s;
}

/* All that the policy makes of the addresses of a device. */
static inline void selsrc_race_all(const struct selsrc_field *f, struct selsrc_list *list)
{
	struct selsrc_cuts c = { .n = 1 };

	c.at[0] = 0;
	selsrc_cut_classes(&c, f->family);
	selsrc_cut_labels(&c, f);
	selsrc_cut_addrs(&c, f);
	qsort(c.at, c.n, sizeof(c.at[0]), selsrc_number_order);
	for (__u32 i = 0; i < c.n; i++) {
		struct selsrc_step s = { .start = c.at[i], .ifindex = f->ifindex };

		if (i && c.at[i] == c.at[i - 1])
			continue;
		s.addr = selsrc_winner(f, c.at[i]);
		s.verdict = s.addr ? SELSRC_bound : SELSRC_no_candidate;
		selsrc_add(list, &s);
	}
}

/* --- routes ------------------------------------------------------------------------------- */

struct selsrc_prefix {
	selsrc_number start;
	__u32 len;
	struct selsrc_route route;
};

/* What was found out of a device, for routes of one scope. */
struct selsrc_raced {
	const struct selsrc_field *dev;
	__u8 scope;
	struct selsrc_list list;
	struct selsrc_raced *next;
};

/* prefix: sorted by selsrc_sweep(), none twice; dev: sorted by ifindex. */
struct selsrc_sweep {
	struct selsrc_prefix *prefix;
	__u32 prefixes;
	const struct selsrc_field *dev;
	__u32 devs;
	struct selsrc_raced *raced;
	struct selsrc_list *list;
};

static inline int selsrc_prefix_order(const void *a, const void *b)
{
	const struct selsrc_prefix *x = a, *y = b;

	if (x->start != y->start)
		return x->start < y->start ? -1 : 1;
	return x->len < y->len ? -1 : x->len > y->len;
}

static inline selsrc_number selsrc_last(const struct selsrc_prefix *p)
{
	return p->start | ~selsrc_mask(p->len);
}

static inline int selsrc_ifindex_order(const void *key, const void *dev)
{
	const __u32 *a = key, *b = &((const struct selsrc_field *)dev)->ifindex;

	return *a < *b ? -1 : *a > *b;
}

static inline struct selsrc_raced *selsrc_raced(struct selsrc_sweep *s,
						const struct selsrc_field *dev, __u8 scope)
{
	struct selsrc_field f = *dev;
	struct selsrc_raced *r;

	for (r = s->raced; r; r = r->next)
		if (r->dev == dev && r->scope == scope)
			return r;
	r = calloc(1, sizeof(*r));
	if (!r)
		return NULL;
	r->dev = dev;
	r->scope = f.route_scope = scope;
	r->next = s->raced;
	s->raced = r;
	r->list.step = malloc(SELSRC_CUTS * sizeof(*r->list.step));
	r->list.max = r->list.step ? SELSRC_CUTS : 0;
	selsrc_race_all(&f, &r->list);
	return r;
}

/* The stretch from `start` to `last` of what one device's addresses say. */
static inline void selsrc_add_device(struct selsrc_sweep *s, const struct selsrc_field *dev,
				     __u8 scope, selsrc_number start, selsrc_number last)
{
	const struct selsrc_raced *r = selsrc_raced(s, dev, scope);
	struct selsrc_step step;
	__u32 i;

	if (!r || r->list.full) {
		s->list->full = 1;
		return;
	}
	for (i = 0; i < r->list.n && r->list.step[i].start <= last; i++) {
		if (i + 1 < r->list.n && r->list.step[i + 1].start <= start)
			continue;
		step = r->list.step[i];
		if (step.start < start)
			step.start = start;
		selsrc_add(s->list, &step);
	}
}

/* p: what routes it; NULL: nothing does. In the order of selsrc_look_up(). */
static inline void selsrc_add_piece(struct selsrc_sweep *s, const struct selsrc_prefix *p,
				    selsrc_number start, selsrc_number last)
{
	struct selsrc_step step = { .start = start, .verdict = SELSRC_no_route };
	const struct selsrc_field *dev = NULL;

	if (p) {
		step.verdict = selsrc_of_route(p->route.kind);
		step.ifindex = p->route.ifindex;
	}
	if (step.verdict == SELSRC_bound) {
		dev = bsearch(&step.ifindex, s->dev, s->devs, sizeof(*dev),
			      selsrc_ifindex_order);
		step.verdict = dev ? dev->verdict : SELSRC_no_device;
	}
	if (step.verdict == SELSRC_bound)
		selsrc_add_device(s, dev, p->route.scope, start, last);
	else
		selsrc_add(s->list, &step);
}

static inline void selsrc_free_raced(struct selsrc_sweep *s)
{
	struct selsrc_raced *r;

	while ((r = s->raced)) {
		s->raced = r->next;
		free(r->list.step);
		free(r);
	}
}

/* open: prefixes that hold the one at hand, the innermost last. */
static inline void selsrc_sweep(struct selsrc_sweep *s)
{
	const struct selsrc_prefix *open[129], *p;
	selsrc_number at = 0, last;
	int depth = 0, done = 0;

	qsort(s->prefix, s->prefixes, sizeof(*s->prefix), selsrc_prefix_order);
	for (__u32 i = 0; i < s->prefixes && !s->list->full; i++) {
		p = &s->prefix[i];
		for (; depth && selsrc_last(open[depth - 1]) < p->start; at = last + 1) {
			last = selsrc_last(open[--depth]);
			if (at <= last)
				selsrc_add_piece(s, open[depth], at, last);
			else
				last = at - 1;
		}
		if (at < p->start)
			selsrc_add_piece(s, depth ? open[depth - 1] : NULL, at, p->start - 1);
		at = p->start;
		open[depth++] = p;
	}
	while (depth && !done) {
		last = selsrc_last(open[--depth]);
		if (at <= last)
			selsrc_add_piece(s, open[depth], at, last);
		done = last == ~(selsrc_number)0;
		at = at <= last ? last + 1 : at;
	}
	if (!done)
		selsrc_add_piece(s, NULL, at, ~(selsrc_number)0);
	selsrc_free_raced(s);
}

/* --- as the programs read it ---------------------------------------------------------------- */

static inline void selsrc_put4(struct selsrc_steps4 *all, __u32 first,
			       const struct selsrc_list *list)
{
	for (__u32 i = 0; i < list->n; i++) {
		all->start[first + i] = list->step[i].start >> 96;
		all->result[first + i] = (struct selsrc_result4){
			.addr = IN_CLASS_HOST((__u32)(list->step[i].addr >> 96)),
			.ifindex = list->step[i].ifindex, .verdict = list->step[i].verdict,
		};
	}
}

static inline void selsrc_put6(struct selsrc_steps6 *all, __u32 first,
			       const struct selsrc_list *list)
{
	for (__u32 i = 0; i < list->n; i++) {
		const struct selsrc_step *s = &list->step[i];

		all->start[first + i][0] = s->start >> 64;
		all->start[first + i][1] = s->start;
		all->result[first + i] = (struct selsrc_result6){
			.addr = { IN_CLASS_HOST((__u32)(s->addr >> 96)),
				  IN_CLASS_HOST((__u32)(s->addr >> 64)),
				  IN_CLASS_HOST((__u32)(s->addr >> 32)),
				  IN_CLASS_HOST((__u32)s->addr) },
			.ifindex = s->ifindex, .verdict = s->verdict,
		};
	}
}

#endif /* VESTIGE_SELSRC_SWEEP_H */
