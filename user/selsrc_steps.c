// SPDX-License-Identifier: GPL-2.0
/*
 * selsrc_steps.c - from routes, devices and policies to the list that programs search.
 *
 * It says nothing that the other tables do not say. What does not fit, or has no memory, is
 * left out: then the programs go through those.
 */
#include <stdlib.h>
#include <string.h>
#include <vestige/selsrc_sweep.h>

#include "selsrc_model.h"

/* One family, as the sweep wants it. */
struct steps {
	struct selsrc *s;
	const struct model *m;
	const struct selsrc_dev *devs;	/* as m->krn.devs */
	struct selsrc_head *head;
	int family;
	__u32 first, used;		/* of this half */
	struct selsrc_field *field;
	struct selsrc_addr6 *addr;
	struct selsrc_prefix *prefix;
	struct selsrc_label *label;
	struct selsrc_step *step;
};

/* IPv4 addresses in word 0, as the race has them. */
static void take_addrs(const struct steps *t, const struct selsrc_dev *dev,
		       struct selsrc_addr6 *to)
{
	const struct selsrc_addr4 *a4;
	__u32 i, chunk;

	for (i = 0; i < dev->n; i++) {
		chunk = dev->first + i / SELSRC_CHUNK;
		if (t->family == RTCACHE_INET6) {
			to[i] = t->s->chunks6[chunk].addr[i % SELSRC_CHUNK];
			continue;
		}
		a4 = &t->s->chunks4[chunk].addr[i % SELSRC_CHUNK];
		to[i] = (struct selsrc_addr6){
			.addr = { a4->addr }, .preference = a4->preference, .class = a4->class,
		};
	}
}

/* As selsrc_find() and selsrc_policy() of the programs have it. */
static __u32 verdict_of(const struct selsrc_dev *dev, __u8 policy)
{
	if (dev->doubt)
		return SELSRC_doubt;
	if (dev->n < 2)
		return dev->n ? SELSRC_one_candidate : SELSRC_no_candidate;
	return policy ? SELSRC_bound : SELSRC_no_policy;
}

static __u8 policy_of(const struct steps *t, const struct selsrc_dev *dev, int set)
{
	return dev->policy[set] ? dev->policy[set] : t->head->policy[set];
}

static int field_order(const void *a, const void *b)
{
	const struct selsrc_field *x = a, *y = b;

	return x->ifindex < y->ifindex ? -1 : x->ifindex > y->ifindex;
}

static void take_devs(struct steps *t, int set)
{
	struct selsrc_addr6 *addr = t->addr;
	const struct selsrc_dev *dev;
	__u8 policy;
	__u32 i;

	for (i = 0; i < t->m->krn.nr_devs; i++) {
		dev = &t->devs[i];
		policy = policy_of(t, dev, set);
		t->field[i] = (struct selsrc_field){
			.ifindex = t->m->krn.devs[i].ifindex, .family = t->family,
			.verdict = verdict_of(dev, policy), .policy = &t->s->policies[policy],
			.class = dev->class, .classes = dev->classes, .addr = addr, .n = dev->n,
			.label = t->label, .labels = t->m->labels.n,
		};
		take_addrs(t, dev, addr);
		addr += dev->n;
	}
	qsort(t->field, t->m->krn.nr_devs, sizeof(*t->field), field_order);
}

static void take_routes(struct steps *t)
{
	const struct model_list *from = &t->m->routes[t->family];
	__u32 i;

	for (i = 0; i < from->n; i++)
		t->prefix[i] = (struct selsrc_prefix){
			.start = selsrc_wire(from->item[i].addr) & selsrc_mask(from->item[i].len),
			.len = from->item[i].len, .route = from->item[i].route,
		};
}

static void take_labels(struct steps *t)
{
	const struct model_list *from = &t->m->labels;
	__u32 i;

	for (i = 0; i < from->n; i++) {
		t->label[i].len = from->item[i].len;
		t->label[i].label = from->item[i].label;
		memcpy(t->label[i].addr, from->item[i].addr, sizeof(t->label[i].addr));
	}
}

/* A set with the same policies for everything has the same steps. */
static bool is_like(const struct steps *t, int a, int b)
{
	__u32 i;

	for (i = 0; i < t->m->krn.nr_devs; i++)
		if (policy_of(t, &t->devs[i], a) != policy_of(t, &t->devs[i], b))
			return false;
	return true;
}

static struct selsrc_stretch sweep(struct steps *t, int set)
{
	struct selsrc_list list = {
		.step = t->step, .max = SELSRC_STEPS / 2 - t->used,
	};
	struct selsrc_sweep s = {
		.prefix = t->prefix, .prefixes = t->m->routes[t->family].n,
		.dev = t->field, .devs = t->m->krn.nr_devs, .list = &list,
	};
	struct selsrc_stretch is = { .first = t->first + t->used };

	take_devs(t, set);
	selsrc_sweep(&s);
	if (list.full)
		return is;
	if (t->family == RTCACHE_INET)
		selsrc_put4(t->s->steps4, is.first, &list);
	else
		selsrc_put6(t->s->steps6, is.first, &list);
	is.n = list.n;
	t->used += list.n;
	return is;
}

static void write_sets(struct steps *t)
{
	struct selsrc_stretch *is = t->head->steps[t->family];
	int set, like;

	for (set = 0; set < SELSRC_SETS; set++) {
		if (t->s->set[set].state == SET_FREE)
			continue;
		for (like = 0; like < set; like++)
			if (t->s->set[like].state != SET_FREE && is_like(t, like, set))
				break;
		is[set] = like < set ? is[like] : sweep(t, set);
	}
}

static bool allocate(struct steps *t)
{
	__u32 addrs = 0, i;

	for (i = 0; i < t->m->krn.nr_devs; i++)
		addrs += t->devs[i].n;
	t->addr = calloc(addrs + 1, sizeof(*t->addr));
	t->field = calloc(t->m->krn.nr_devs + 1, sizeof(*t->field));
	t->prefix = calloc(t->m->routes[t->family].n + 1, sizeof(*t->prefix));
	t->label = calloc(t->m->labels.n + 1, sizeof(*t->label));
	t->step = calloc(SELSRC_STEPS / 2, sizeof(*t->step));
	return t->addr && t->field && t->prefix && t->label && t->step;
}

void steps_write(struct selsrc *s, const struct model *m, int family,
		 const struct selsrc_dev *devs, __u32 half)
{
	struct steps t = {
		.s = s, .m = m, .devs = devs, .family = family,
		.head = &s->state->head[half], .first = half * SELSRC_STEPS / 2,
	};

	memset(t.head->steps[family], 0, sizeof(t.head->steps[family]));
	/* More routes than there is room for: no need to try. */
	if (m->routes[family].n < SELSRC_STEPS / 2 && allocate(&t)) {
		take_routes(&t);
		take_labels(&t);
		write_sets(&t);
	}
	free(t.addr);
	free(t.field);
	free(t.prefix);
	free(t.label);
	free(t.step);
}
