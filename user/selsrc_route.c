// SPDX-License-Identifier: GPL-2.0
/*
 * selsrc_route.c - rules and routes, made into one trie for each family; labels.
 *
 * Three rules are what every host has: local, main, default, in this order, for all
 * packets. The first table that has any route to a destination decides, however long the
 * prefixes of the others are. So a route of a later table that lies in a prefix of an
 * earlier one is never used, and what is left is one table where the longest prefix wins.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <arpa/inet.h>
#include <linux/fib_rules.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include "selsrc_model.h"

static __u32 mask_of(__u32 len, int word)
{
	int bits = (int)len - 32 * word;

	return bits <= 0 ? 0 : bits >= 32 ? ~0u : ~0u << (32 - bits);
}

static bool covers(const __be32 *prefix, __u32 len, const __be32 *addr)
{
	int w;

	for (w = 0; w < 4; w++)
		if (ntohl(prefix[w] ^ addr[w]) & mask_of(len, w))
			return false;
	return true;
}

int model_prefix_order(const void *a, const void *b)
{
	const struct model_prefix *x = a, *y = b;

	if (x->len != y->len)
		return x->len < y->len ? -1 : 1;
	return memcmp(x->addr, y->addr, sizeof(x->addr));
}

/* ---- labels ----------------------------------------------------------------------------- */

__u32 model_label(const struct krn *krn, int family, const __be32 *addr, int ifindex)
{
	const struct krn_label *l, *best = NULL;
	__be32 full[4] = { 0, 0, htonl(0xffff), addr[0] };
	__u32 i;

	if (family == AF_INET6)
		memcpy(full, addr, sizeof(full));
	for (i = 0; i < krn->nr_labels; i++) {
		l = &krn->labels[i];
		if ((!l->ifindex || l->ifindex == ifindex) && covers(l->addr, l->plen, full) &&
		    (!best || l->plen > best->plen))
			best = l;
	}
	return best ? best->label : ~0u;
}

/* The trie of the programs knows of no devices. */
static int take_labels(struct model *m)
{
	const struct krn *krn = &m->krn;
	struct model_list *list = &m->labels;
	__u32 i;

	list->item = calloc(krn->nr_labels + 1, sizeof(*list->item));
	if (!list->item)
		return -ENOMEM;
	for (i = 0; i < krn->nr_labels; i++) {
		if (krn->labels[i].ifindex) {
			m->doubt[RTCACHE_INET6] = SELSRC_DOUBT_OTHER;
			continue;
		}
		list->item[list->n].len = krn->labels[i].plen;
		list->item[list->n].label = krn->labels[i].label;
		memcpy(list->item[list->n++].addr, krn->labels[i].addr, 16);
	}
	qsort(list->item, list->n, sizeof(*list->item), model_prefix_order);
	return 0;
}

/* ---- rules ------------------------------------------------------------------------------- */

/* 1, 2, 3: turn of local, main, default; 0: a table that is never asked. */
static int turn_of(const struct krn_route *r)
{
	return r->table == RT_TABLE_LOCAL ? 1 : r->table == RT_TABLE_MAIN ? 2 :
	       r->table == RT_TABLE_DEFAULT ? 3 : 0;
}

/* Behind `default` no rule matters; l3mdev is for VRFs, whose devices are left alone. */
static bool rules_are_usual(const struct krn *krn, int family)
{
	static const __u32 usual[] = { RT_TABLE_LOCAL, RT_TABLE_MAIN, RT_TABLE_DEFAULT };
	int wanted = family == AF_INET ? 3 : 2, seen = 0;	/* IPv6 has no default */
	const struct krn_rule *r;
	__u32 i;

	for (i = 0; i < krn->nr_rules; i++) {
		r = &krn->rules[i];
		if (r->family != family || r->l3mdev)
			continue;
		if (seen == 3 || !r->plain || r->table != usual[seen++])
			return false;
	}
	return seen >= wanted || !krn->nr_rules;
}

/* ---- routes -------------------------------------------------------------------------------- */

static __u8 kind_of(const struct krn_route *r)
{
	if (r->tos || r->by_source || r->encap || r->linkdown || r->type == RTN_THROW)
		return SELSRC_DOUBT;
	if (r->type == RTN_LOCAL)
		return SELSRC_LOCAL;
	if (r->type != RTN_UNICAST)
		return SELSRC_NONE;
	if (r->several || !r->oif)
		return SELSRC_DOUBT;
	return r->prefsrc && r->proto != RTPROT_KERNEL ? SELSRC_SRC : SELSRC_UNICAST;
}

/* Tables by their turn, prefixes next to each other, the best metric first. */
static int route_order(const void *a, const void *b)
{
	const struct krn_route *const *x = a, *const *y = b;
	int d = turn_of(*x) - turn_of(*y);

	if (!d)
		d = (*x)->plen - (*y)->plen;
	if (!d)
		d = memcmp((*x)->dst, (*y)->dst, sizeof((*x)->dst));
	if (!d)
		d = (*x)->metric < (*y)->metric ? -1 : (*x)->metric > (*y)->metric;
	return d;
}

static bool same_prefix(const struct krn_route *a, const struct krn_route *b)
{
	return turn_of(a) == turn_of(b) && a->plen == b->plen &&
	       !memcmp(a->dst, b->dst, sizeof(a->dst));
}

/*
 * One prefix of one table: r[0] is the best of n. Another as good, by another device, is
 * chosen at times; one by TOS or source may be the one for a packet.
 */
static struct selsrc_route one_route(const struct krn_route *const *r, __u32 n)
{
	struct selsrc_route route = {
		.ifindex = r[0]->oif, .kind = kind_of(r[0]), .scope = r[0]->scope,
	};
	__u32 i;

	for (i = 1; i < n; i++)
		if (r[i]->tos || r[i]->by_source ||
		    (r[i]->metric == r[0]->metric &&
		     (r[i]->oif != r[0]->oif || kind_of(r[i]) != route.kind)))
			route.kind = SELSRC_DOUBT;
	return route;
}

struct cover {
	const struct krn_route **r;
	__u32 n, earlier;		/* those of the tables before this one */
	int turn;
};

/* A host route covers nothing but itself. */
static void add_cover(struct cover *c, const struct krn_route *r)
{
	if (turn_of(r) != c->turn) {
		c->turn = turn_of(r);
		c->earlier = c->n;
	}
	if (r->plen < (r->family == AF_INET ? 32 : 128) && r->type != RTN_THROW)
		c->r[c->n++] = r;
}

static bool is_covered(const struct cover *c, const struct krn_route *r)
{
	__u32 i, n = turn_of(r) != c->turn ? c->n : c->earlier;

	for (i = 0; i < n; i++)
		if (c->r[i]->plen <= r->plen && covers(c->r[i]->dst, c->r[i]->plen, r->dst))
			return true;
	return false;
}

static void add_prefix(struct model_list *list, struct cover *c,
		       const struct krn_route *const *r, __u32 n)
{
	struct model_prefix *item = &list->item[list->n];

	if (!is_covered(c, r[0])) {
		memset(item, 0, sizeof(*item));
		item->len = r[0]->plen;
		memcpy(item->addr, r[0]->dst, sizeof(item->addr));
		item->route = one_route(r, n);
		list->n++;
	}
	add_cover(c, r[0]);
}

/* Of two tables with the same host route the earlier one is first, and stays. */
static void drop_doubles(struct model_list *list)
{
	__u32 i, n = 0;

	for (i = 0; i < list->n; i++)
		if (!n || model_prefix_order(&list->item[n - 1], &list->item[i]))
			list->item[n++] = list->item[i];
	list->n = n;
}

/* glibc's qsort() is not always stable: equal prefixes are told apart by their turn. */
struct ordered {
	struct model_prefix prefix;
	__u32 at;
};

static int ordered_order(const void *a, const void *b)
{
	const struct ordered *x = a, *y = b;
	int d = model_prefix_order(&x->prefix, &y->prefix);

	return d ? d : x->at < y->at ? -1 : 1;
}

static int sort_stable(struct model_list *list)
{
	struct ordered *o = calloc(list->n + 1, sizeof(*o));
	__u32 i;

	if (!o)
		return -ENOMEM;
	for (i = 0; i < list->n; i++)
		o[i] = (struct ordered){ list->item[i], i };
	qsort(o, list->n, sizeof(*o), ordered_order);
	for (i = 0; i < list->n; i++)
		list->item[i] = o[i].prefix;
	free(o);
	return 0;
}

static __u32 choose_routes(const struct krn *krn, int family, const struct krn_route **r)
{
	__u32 i, n = 0;

	for (i = 0; i < krn->nr_routes; i++)
		if (krn->routes[i].family == family && !krn->routes[i].dead &&
		    turn_of(&krn->routes[i]))
			r[n++] = &krn->routes[i];
	qsort(r, n, sizeof(*r), route_order);
	return n;
}

static int take_routes(struct model *m, int family)
{
	struct model_list *list = &m->routes[model_family(family)];
	const struct krn_route **r = calloc(m->krn.nr_routes + 1, sizeof(*r));
	struct cover c = { .r = calloc(m->krn.nr_routes + 1, sizeof(*r)) };
	__u32 i, end, n;
	int err = -ENOMEM;

	list->item = calloc(m->krn.nr_routes + 1, sizeof(*list->item));
	if (r && c.r && list->item) {
		n = choose_routes(&m->krn, family, r);
		for (i = 0; i < n; i = end) {
			for (end = i + 1; end < n && same_prefix(r[i], r[end]); end++)
				;
			add_prefix(list, &c, r + i, end - i);
		}
		err = sort_stable(list);
		drop_doubles(list);
	}
	free(r);
	free(c.r);
	return err;
}

int model_routes(struct model *m)
{
	int err;

	if (!rules_are_usual(&m->krn, AF_INET))
		m->doubt[RTCACHE_INET] = SELSRC_DOUBT_RULES;
	if (!rules_are_usual(&m->krn, AF_INET6))
		m->doubt[RTCACHE_INET6] = SELSRC_DOUBT_RULES;
	err = take_labels(m);
	if (!err)
		err = take_routes(m, AF_INET);
	return err ? err : take_routes(m, AF_INET6);
}
