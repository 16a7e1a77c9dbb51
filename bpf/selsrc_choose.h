/* SPDX-License-Identifier: GPL-2.0 */
/*
 * selsrc_choose.h - from a destination to a source: route, device, policy, addresses.
 */
#ifndef VESTIGE_BPF_SELSRC_CHOOSE_H
#define VESTIGE_BPF_SELSRC_CHOOSE_H

#include "selsrc_cache.h"

/* Which tables: all that is looked up hangs from here. */
struct selsrc_view {
	const struct selsrc_head *head;
	const struct selsrc_dev *dev;
	const struct selsrc_policy *policy;
	__u32 half;
};

/* The first words of an IPv6 key are an IPv4 key. */
static __always_inline struct selsrc_route *selsrc_route(const struct selsrc_call *c, __u32 family,
							 __u32 half)
{
	struct selsrc_prefix6 key;

	key.prefixlen = family == SELSRC_INET ? 32 : 128;
	key.addr[0] = c->dst[0];
	for (int i = 1; i < 4 && family != SELSRC_INET; i++)
		key.addr[i] = c->dst[i];
	if (family == SELSRC_INET)
		return half ? bpf_map_lookup_elem(&routes4_1, &key) :
			      bpf_map_lookup_elem(&routes4_0, &key);
	return half ? bpf_map_lookup_elem(&routes6_1, &key) :
		      bpf_map_lookup_elem(&routes6_0, &key);
}

/*
 * The destination, by policy. The kernel's default, too, is a label of its own for what
 * nobody has labelled; a label that all sources share tells none from another. This and
 * other leaves are functions that are called, not inlined, because all on the way down to
 * the addresses have to share 512 bytes of stack.
 */
__noinline int selsrc_dest_of(struct selsrc_dest *d, const struct selsrc_call *c, __u32 half,
			      const struct selsrc_policy *policy, const struct selsrc_dev *dev)
{
	struct selsrc_prefix6 key = { .prefixlen = 128 };
	__u32 *label = 0, differ = 0;

	if (!d || !c || !policy || !dev)
		return 0;
	selsrc_dest(d, c->family, c->dst, d->route_scope, ~0u);
	for (__u32 i = 1; i < SELSRC_CLASSES && i < dev->classes; i++)
		differ |= dev->class[i].label ^ dev->class[0].label;
	if (!differ || !policy->label)
		return 0;
	for (int i = 0; i < 4; i++)
		key.addr[i] = c->dst[i];
	if (c->family == SELSRC_INET) {
		key.addr[0] = 0;
		key.addr[2] = bpf_htonl(0xffff);
		key.addr[3] = c->dst[0];
	}
	label = half ? bpf_map_lookup_elem(&labels_1, &key) : bpf_map_lookup_elem(&labels_0, &key);
	if (label)
		d->label = *label;
	return 0;
}

static __always_inline const struct selsrc_policy *selsrc_policy(const struct selsrc_view *v)
{
	__u32 set = policy_set % SELSRC_SETS, n = v->dev->policy[set];

	if (!n)
		n = v->head->policy[set];
	return n ? bpf_map_lookup_elem(&policies, &n) : 0;
}

static __always_inline __u32 selsrc_find(struct selsrc_view *v, __u32 ifindex, __u32 family)
{
	struct selsrc_dev_key key = { .ifindex = ifindex, .half = v->half, .family = family };

	v->dev = bpf_map_lookup_elem(&devs, &key);
	if (!v->dev)
		return SELSRC_no_device;
	if (v->dev->doubt)
		return SELSRC_doubt;
	if (v->dev->n < 2)
		return v->dev->n ? SELSRC_one_candidate : SELSRC_no_candidate;
	return SELSRC_bound;
}

/*
 * The loop over chunks is the kernel's, and a chunk is a function that is verified by itself:
 * so the verifier walks through 16 addresses once, and not through 256.
 */
__noinline int selsrc_chunk4(const struct selsrc_chunk4 *chunk, struct selsrc_race *r,
			     __u32 index, __u32 n)
{
	if (!chunk || !r)
		return 0;
	for (__u32 j = 0; j < SELSRC_CHUNK && j < n; j++)
		selsrc_run(r, chunk->addr[j].class, chunk->addr[j].preference,
			   chunk->addr[j].addr, 0, index + j, 0);
	return 0;
}

__noinline int selsrc_chunk6(const struct selsrc_chunk6 *chunk, struct selsrc_race *r,
			     __u32 index, __u32 n)
{
	if (!chunk || !r)
		return 0;
	for (__u32 j = 0; j < SELSRC_CHUNK && j < n; j++)
		selsrc_run(r, chunk->addr[j].class, chunk->addr[j].preference,
			   chunk->addr[j].addr[0], chunk->addr[j].addr[1], index + j, 1);
	return 0;
}

struct selsrc_scan {
	struct selsrc_race race;
	__u32 first, n;
};

static long selsrc_each4(__u32 i, void *arg)
{
	struct selsrc_scan *s = arg;
	__u32 number = s->first + i, index = i * SELSRC_CHUNK;
	struct selsrc_chunk4 *chunk = bpf_map_lookup_elem(&chunks4, &number);

	if (!chunk)
		return 1;
	selsrc_chunk4(chunk, &s->race, index, s->n - index);
	return 0;
}

static long selsrc_each6(__u32 i, void *arg)
{
	struct selsrc_scan *s = arg;
	__u32 number = s->first + i, index = i * SELSRC_CHUNK;
	struct selsrc_chunk6 *chunk = bpf_map_lookup_elem(&chunks6, &number);

	if (!chunk)
		return 1;
	selsrc_chunk6(chunk, &s->race, index, s->n - index);
	return 0;
}

/* Most devices have one chunk; the others pay for the loop. */
static __always_inline void selsrc_scan4(struct selsrc_scan *s, __u32 chunks)
{
	__u32 number = s->first;
	struct selsrc_chunk4 *chunk = bpf_map_lookup_elem(&chunks4, &number);

	if (chunks > 1)
		bpf_loop(chunks, selsrc_each4, s, 0);
	else if (chunk)
		selsrc_chunk4(chunk, &s->race, 0, s->n);
}

static __always_inline void selsrc_scan6(struct selsrc_scan *s, __u32 chunks)
{
	__u32 number = s->first;
	struct selsrc_chunk6 *chunk = bpf_map_lookup_elem(&chunks6, &number);

	if (chunks > 1)
		bpf_loop(chunks, selsrc_each6, s, 0);
	else if (chunk)
		selsrc_chunk6(chunk, &s->race, 0, s->n);
}

static __always_inline __u64 selsrc_pair(const __be32 *word)
{
	return (__u64)bpf_ntohl(word[0]) << 32 | bpf_ntohl(word[1]);
}

static __always_inline void selsrc_unpair(__be32 *word, __u64 pair)
{
	word[0] = bpf_htonl(pair >> 32);
	word[1] = bpf_htonl(pair);
}

static __always_inline __u32 selsrc_scan(struct selsrc_call *c, __u32 family,
					 const struct selsrc_view *v, const struct selsrc_dest *d)
{
	struct selsrc_scan s = { .first = v->dev->first, .n = v->dev->n };
	__u32 chunks = (s.n + SELSRC_CHUNK - 1) / SELSRC_CHUNK;

	selsrc_start(&s.race, v->policy, v->dev->class, v->dev->classes, d);
	if (family == SELSRC_INET) {
		s.race.skip[0] = c->again ? bpf_ntohl(c->src[0]) : 0;
		selsrc_scan4(&s, chunks);
		c->src[0] = bpf_htonl(s.race.addr[0]);
	} else {
		s.race.skip[0] = c->again ? selsrc_pair(c->src) : 0;
		s.race.skip[1] = c->again ? selsrc_pair(c->src + 2) : 0;
		selsrc_scan6(&s, chunks);
		selsrc_unpair(c->src, s.race.addr[0]);
		selsrc_unpair(c->src + 2, s.race.addr[1]);
	}
	return s.race.index < 0 ? SELSRC_no_candidate : SELSRC_bound;
}

/* All addresses of the device. */
static __always_inline __u32 selsrc_score_all(struct selsrc_call *c, __u32 family,
					      struct selsrc_view *v, __u8 route_scope)
{
	struct selsrc_dest d = { .route_scope = route_scope };

	v->policy = selsrc_policy(v);
	if (!v->policy)
		return SELSRC_no_policy;
	selsrc_dest_of(&d, c, v->half, v->policy, v->dev);
	return selsrc_scan(c, family, v, &d);
}

static __always_inline __u32 selsrc_look_up(struct selsrc_call *c, __u32 family,
					    struct selsrc_view *v)
{
	struct selsrc_route *route = selsrc_route(c, family, v->half);
	__u32 verdict, ifindex;

	if (!route)
		return SELSRC_no_route;
	verdict = selsrc_of_route(route->kind);
	if (verdict != SELSRC_bound)
		return verdict;
	ifindex = c->oif ? c->oif : route->ifindex;
	verdict = selsrc_find(v, ifindex, family);
	if (verdict != SELSRC_bound)
		return verdict;
	/* By another device there may be another route: only what serves any. */
	return selsrc_score_all(c, family, v, ifindex == route->ifindex ? route->scope : 0);
}

/* --- or the steps that say the same ------------------------------------------------------- */

/* No verdict: the steps do not say. */
#define SELSRC_RACE	SELSRC_VERDICTS

static __always_inline __u32 selsrc_walk4(struct selsrc_call *c, struct selsrc_stretch s)
{
	const struct selsrc_steps4 *all = selsrc_only(&steps4);
	const struct selsrc_result4 *is;

	if (!all || !s.n)
		return SELSRC_RACE;
	is = &all->result[selsrc_step4(all, s, bpf_ntohl(c->dst[0]))];
	if (c->oif && c->oif != is->ifindex)
		return SELSRC_RACE;
	c->src[0] = is->addr;
	return is->verdict;
}

static __always_inline __u32 selsrc_walk6(struct selsrc_call *c, struct selsrc_stretch s)
{
	const __u64 dst[2] = { selsrc_pair(c->dst), selsrc_pair(c->dst + 2) };
	const struct selsrc_steps6 *all = selsrc_only(&steps6);
	const struct selsrc_result6 *is;

	if (!all || !s.n)
		return SELSRC_RACE;
	is = &all->result[selsrc_step6(all, s, dst)];
	if (c->oif && c->oif != is->ifindex)
		return SELSRC_RACE;
	for (int i = 0; i < 4; i++)
		c->src[i] = is->addr[i];
	return is->verdict;
}

static __always_inline __u32 selsrc_walk(struct selsrc_call *c, __u32 family,
					 const struct selsrc_head *head)
{
	__u32 set = policy_set % SELSRC_SETS;

	return family == SELSRC_INET ? selsrc_walk4(c, head->steps[SELSRC_INET][set]) :
				       selsrc_walk6(c, head->steps[SELSRC_INET6][set]);
}

/*
 * May these tables be used? Somebody keeps them, and for what is sent without connect() also:
 * nothing has changed since they were written, because a source that is gone would make it
 * fail. bpf_bind() refuses such a source, so connect() does not go back to the kernel's
 * choice, which may be the one address that must not be chosen, at each change of a route.
 *
 * The clock of the last tick is quicker to read, and leases are longer than a tick.
 */
static __always_inline __u32 selsrc_usable(struct selsrc_call *c, __u32 family,
					   const struct rtcache_gens *g,
					   const struct selsrc_head *head)
{
	__u64 lease_ns = SELSRC_READ(g->lease_ns), gen, written;

	if (lease_ns != RTCACHE_FOREVER && bpf_ktime_get_coarse_ns() >= lease_ns)
		return SELSRC_unsettled;
	gen = family == SELSRC_INET ? rtcache_gen(g, RTCACHE_INET) :
				      rtcache_gen(g, RTCACHE_INET6);
	written = family == SELSRC_INET ? head->gen[0] : head->gen[1];
	c->old = written != gen;
	if (!c->binds && !rtcache_settled(gen))
		return SELSRC_unsettled;
	if (!written || (!c->binds && c->old))
		return SELSRC_stale;
	return (family == SELSRC_INET ? head->doubt[0] : head->doubt[1]) ? SELSRC_doubt :
									   SELSRC_bound;
}

static __always_inline int selsrc_choose_by(struct selsrc_call *c, __u32 family, int race)
{
	struct selsrc_state *st = selsrc_only(&state);
	struct rtcache_gens *g = rtcache_gens();
	struct selsrc_view v = {};
	__u64 version;
	int verdict;

	if (!st || !g)
		return SELSRC_unsettled;
	version = SELSRC_READ(st->version);
	v.half = version & 1;
	v.head = v.half ? &st->head[1] : &st->head[0];
	verdict = selsrc_usable(c, family, g, v.head);
	if (verdict != SELSRC_bound)
		return verdict;
	if (race && !c->binds) {
		verdict = selsrc_recall(c, version);
		if (verdict >= 0) {
			selsrc_count(SELSRC_cached);
			return verdict;
		}
	}
	verdict = race ? selsrc_look_up(c, family, &v) : selsrc_walk(c, family, v.head);
	if (SELSRC_READ(st->version) != version)
		return SELSRC_moved;
	if (race && !c->binds)
		selsrc_remember(c, version, verdict);
	return verdict;
}

/* Functions, each with a stack of its own, for all but what is most in a hurry. */
__noinline int selsrc_choose_by_steps(struct selsrc_call *c)
{
	return c ? selsrc_choose_by(c, c->family, 0) : SELSRC_unsettled;
}

__noinline int selsrc_choose_by_race4(struct selsrc_call *c)
{
	return c ? selsrc_choose_by(c, SELSRC_INET, 1) : SELSRC_unsettled;
}

__noinline int selsrc_choose_by_race6(struct selsrc_call *c)
{
	return c ? selsrc_choose_by(c, SELSRC_INET6, 1) : SELSRC_unsettled;
}

/*
 * The verdict; SELSRC_bound: c->src is the source to take. What says otherwise leaves it to
 * the kernel. Who was refused an address comes again, past cache and steps. v4: of a program
 * that knows no other destinations; a function less to call and to come back from.
 */
static __always_inline __u32 selsrc_choose(struct selsrc_call *c, int v4)
{
	__u32 verdict = SELSRC_RACE;

	if (!c->again)
		verdict = v4 ? selsrc_choose_by(c, SELSRC_INET, 0) : selsrc_choose_by_steps(c);
	if (verdict != SELSRC_RACE)
		return verdict;
	return v4 || c->family == SELSRC_INET ? selsrc_choose_by_race4(c) :
						selsrc_choose_by_race6(c);
}

#endif /* VESTIGE_BPF_SELSRC_CHOOSE_H */
