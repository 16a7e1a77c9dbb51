/* SPDX-License-Identifier: GPL-2.0 */
/*
 * hop.h - next hops, each kept once: a fixed number of sets of eight posts.
 *
 * The includer provides the memory, as a map (bpf/flow.h), as a mapped map
 * (user/forward_show.c) or as a plain array (selftests/unit):
 *
 *	struct forward_posts *hop_posts(__u32 i);
 *
 * NULL only for an index that is out of range.
 *
 * No locks. A flow means a post by number. A post is written only when each generation that
 * it was marked with is over, that is smaller than the family's. So who has copied a hop
 * looks at the generation of his flow once more: if that is still the family's, nobody has
 * begun to write. Who marks a post looks for a claim afterwards, who claims it for marks: at
 * least one of the two gives way. A mark only grows.
 */
#ifndef VESTIGE_HOP_H
#define VESTIGE_HOP_H

#include "flow.h"

static __always_inline int hop_same(const struct forward_hop *a, const struct forward_hop *b)
{
	const volatile __u64 *x = a->word, *y = b->word;

	return !((x[0] ^ y[0]) | (x[1] ^ y[1]) | (x[2] ^ y[2]) | (x[3] ^ y[3]));
}

/*
 * Under no generation that is still good a flow may mean it. While one changes none is over:
 * who goes on using a post could not mark it meanwhile, and would lose it to the other family.
 */
static __always_inline int hop_over(const struct forward_post *p, const struct rtcache_gens *g)
{
	const volatile __u64 *gen = p->gen;
	__u64 gen4 = rtcache_gen(g, RTCACHE_INET), gen6 = rtcache_gen(g, RTCACHE_INET6);

	return gen[RTCACHE_INET] < gen4 && gen[RTCACHE_INET6] < gen6 && !((gen4 | gen6) & 1);
}

static __always_inline int hop_claimed(const struct forward_post *p)
{
	return *(const volatile __u32 *)&p->claim;
}

/* No variable index: the verifier would want to see its bounds. */
static __always_inline __u64 *hop_mark_of(struct forward_post *p, int family)
{
	return family == RTCACHE_INET ? &p->gen[RTCACHE_INET] : &p->gen[RTCACHE_INET6];
}

/*
 * From `old` to that generation, or it is there already. A mark never goes back, or a flow
 * of a newer one would lose its hop.
 */
static __always_inline int hop_raise(__u64 *mark, __u64 old, __u64 gen)
{
	__u64 seen = old < gen ? flow_cas(mark, old, gen) : old;

	flow_barrier();
	return seen == gen || (seen == old && old < gen);
}

/* This hop is meant under that generation from now on. 0: it was being written. */
static __always_inline int hop_mark(struct forward_post *p, const struct forward_hop *hop,
				    int family, __u64 gen)
{
	__u64 *mark = hop_mark_of(p, family);
	int claimed;

	flow_barrier();
	if (!hop_raise(mark, *(volatile __u64 *)mark, gen))
		return 0;
	claimed = hop_claimed(p);
	flow_barrier();
	return !claimed && hop_same(&p->hop, hop);
}

/* This post is that hop's from now on. 0: it was another one's after all. */
static __always_inline int hop_claim(struct forward_post *p, const struct rtcache_gens *g,
				     const struct forward_hop *hop, int family, __u64 gen)
{
	__u64 *mark = hop_mark_of(p, family), old;
	int ours;

	if (flow_cas(&p->claim, 0, 1))
		return 0;
	old = *(volatile __u64 *)mark;
	ours = hop_over(p, g) && old < gen && flow_cas(mark, old, gen) == old;
	if (ours)
		p->hop = *hop;
	flow_cas(&p->claim, 1, 0);
	return ours;
}

/* Which of eight is this hop's, for a flow of that generation? FLOW_NONE: there is no room. */
FLOW_CHOOSES int hop_take(struct forward_posts *posts, const struct rtcache_gens *g,
			  const struct forward_hop *hop, int family, __u64 gen)
{
	int i;

	if (!posts || !g || !hop)
		return FLOW_NONE;
	for (i = 0; i < FORWARD_WAYS; i++)
		if (hop_same(&posts->post[i].hop, hop) && !hop_claimed(&posts->post[i]))
			return hop_mark(&posts->post[i], hop, family, gen) ? i : FLOW_NONE;
	for (i = 0; i < FORWARD_WAYS; i++)
		if (!hop_claimed(&posts->post[i]) && hop_over(&posts->post[i], g))
			return hop_claim(&posts->post[i], g, hop, family, gen) ? i : FLOW_NONE;
	return FLOW_NONE;
}

/* Keyed: a neighbour may choose its MAC. */
static __always_inline __u32 hop_home(__u32 posts, const volatile __u64 *seed,
				      const struct forward_hop *hop)
{
	__u64 h = flow_product(hop->word[0], seed[0]) + flow_product(hop->word[1], seed[1]) +
		  flow_product(hop->word[2], seed[2]) + flow_product(hop->word[3], seed[3]);

	return flow_home(posts, flow_mix(h ^ h >> 32, 0));
}

/* The number of a hop, for a flow of that generation; FLOW_NONE. */
static __always_inline int hop_number(__u32 posts, const volatile __u64 *seed,
				      const struct rtcache_gens *g,
				      const struct forward_hop *hop, int family, __u64 gen)
{
	__u32 home = hop_home(posts, seed, hop);
	int i = hop_take(hop_posts(home), g, hop, family, gen);

	return i == FLOW_NONE ? FLOW_NONE : (int)(home * FORWARD_WAYS + i);
}

/* A copy of the hop of a flow of that generation; 0: that is over by now. */
static __always_inline int hop_read(__u32 number, const struct rtcache_gens *g, int family,
				    __u64 gen, struct forward_hop *hop)
{
	const struct forward_posts *posts = hop_posts(number / FORWARD_WAYS);

	if (!posts)
		return 0;
	*hop = posts->post[number % FORWARD_WAYS].hop;
	flow_barrier();
	return rtcache_gen(g, family) == gen;
}

#endif /* VESTIGE_HOP_H */
