// SPDX-License-Identifier: GPL-2.0
/*
 * selsrc_table.c - the half of the tables that is not in use, written.
 *
 * Every element that the programs may look at while we write belongs to the other half, or
 * has no reference from there: include/vestige/selsrc.h.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <linux/if_addr.h>
#include <sys/socket.h>
#include <vestige/selsrc_score.h>

#include "selsrc_model.h"

struct writer {
	struct selsrc *s;
	struct model *m;
	__u32 half;
	__u32 chunks[SELSRC_FAMILIES];	/* of this half, used */
	bool keep[SELSRC_POLICIES];	/* policies that may not be written */
	__u8 defaults[SELSRC_SETS];
	struct selsrc_dev *devs[SELSRC_FAMILIES];	/* as m->krn.devs */
};

/* ---- tries ------------------------------------------------------------------ */

static int read_trie(int fd, struct model_list *list)
{
	struct model_prefix at = {}, next = {}, *grown;
	void *prev = NULL;

	memset(list, 0, sizeof(*list));
	while (!bpf_map_get_next_key(fd, prev, &next)) {
		at = next;
		prev = &at;
		if (bpf_map_lookup_elem(fd, &at, &at.route))
			continue;
		if (!(list->n & (list->n + 1))) {
			grown = realloc(list->item, (2ul * list->n + 2) * sizeof(at));
			if (!grown)
				return -ENOMEM;
			list->item = grown;
		}
		list->item[list->n++] = at;
	}
	qsort(list->item, list->n, sizeof(at), model_prefix_order);
	return 0;
}

/* Both lists are sorted: what is in one only goes or comes. */
static int merge_trie(int fd, const struct model_list *is, const struct model_list *want)
{
	__u32 i = 0, j = 0;
	int order, err = 0;

	while (!err && (i < is->n || j < want->n)) {
		order = i == is->n ? 1 : j == want->n ? -1 :
			model_prefix_order(&is->item[i], &want->item[j]);
		if (order < 0) {
			err = bpf_map_delete_elem(fd, &is->item[i++]);
			continue;
		}
		if (order > 0 || memcmp(&is->item[i].route, &want->item[j].route,
					sizeof(want->item[j].route)))
			err = bpf_map_update_elem(fd, &want->item[j], &want->item[j].route,
						  BPF_ANY);
		j++;
		i += !order;
	}
	return err;
}

static int write_trie(int fd, const struct model_list *want)
{
	struct model_list is;
	int err = read_trie(fd, &is);

	if (!err)
		err = merge_trie(fd, &is, want);
	free(is.item);
	return err;
}

static int write_tries(struct writer *w)
{
	int f, err = 0;

	for (f = 0; f < SELSRC_FAMILIES && !err; f++) {
		err = write_trie(w->s->routes[f][w->half], &w->m->routes[f]);
		if (err == -ENOSPC || err == -ENOMEM) {
			w->m->doubt[f] = SELSRC_DOUBT_FULL;
			err = 0;
		}
	}
	return err ? err : write_trie(w->s->labels[w->half], &w->m->labels);
}

/* ---- policies ------------------------------------------------------------------ */

static void keep_numbers(struct writer *w, const __u8 *number)
{
	int set;

	for (set = 0; set < SELSRC_SETS; set++)
		w->keep[number[set]] = true;
}

static void keep_used(struct writer *w)
{
	__u32 used = !w->half;
	struct selsrc_dev_key key, next;
	struct selsrc_dev dev;
	void *prev = NULL;

	w->keep[0] = true;
	keep_numbers(w, w->s->state->head[used].policy);
	while (!bpf_map_get_next_key(w->s->devs, prev, &next)) {
		key = next;
		prev = &key;
		if (key.half == used && !bpf_map_lookup_elem(w->s->devs, &key, &dev))
			keep_numbers(w, dev.policy);
	}
}

static bool same_policy(const struct selsrc_policy *a, const struct model_policy *b)
{
	return a->n == b->n && !memcmp(a->function, b->function, b->n);
}

/* The number of an element that says this policy; -ENOSPC: all 255 are taken. */
static int policy_number(struct writer *w, const struct model_policy *p)
{
	struct selsrc_policy *at = w->s->policies;
	int i;

	for (i = 1; i < SELSRC_POLICIES; i++)
		if (w->keep[i] && same_policy(&at[i], p))
			return i;
	for (i = 1; i < SELSRC_POLICIES && w->keep[i]; i++)
		;
	if (i == SELSRC_POLICIES)
		return -ENOSPC;
	if (selsrc_compile(&at[i], p->function, p->n))
		return -EINVAL;
	w->keep[i] = true;
	return i;
}

static int policy_numbers(struct writer *w, __u32 ifindex, __u8 *number)
{
	const struct model_policy *p;
	int set, n = 0;

	memset(number, 0, SELSRC_SETS);
	for (set = 0; set < SELSRC_SETS && n >= 0; set++) {
		p = model_policy(w->m, set, ifindex);
		n = p ? policy_number(w, p) : 0;
		number[set] = n > 0 ? n : 0;
	}
	return n < 0 ? n : 0;
}

/* ---- addresses --------------------------------------------------------------- */

/* What an application could not bind, or what is on its way out. */
static bool is_candidate(const struct krn_addr *a)
{
	return !(a->flags & (IFA_F_TENTATIVE | IFA_F_DADFAILED | IFA_F_OPTIMISTIC)) && a->valid;
}

static __u64 half_of(const __be32 *addr)
{
	return (__u64)ntohl(addr[0]) << 32 | ntohl(addr[1]);
}

static int class_number(struct selsrc_dev *dev, const struct selsrc_class *class)
{
	int i;

	for (i = 0; i < dev->classes; i++)
		if (!memcmp(&dev->class[i], class, sizeof(*class)))
			return i;
	if (i == SELSRC_GONE)
		return -1;
	dev->class[dev->classes++] = *class;
	return i;
}

static void put_addr(struct writer *w, int family, __u32 at, const struct krn_addr *a, int class)
{
	struct selsrc_pref_key key = model_pref_key(a->ifindex, a->family, a->addr);
	__u16 preference = selsrc_bias(model_preference(w->m, &key));
	__u32 chunk = at / SELSRC_CHUNK, i = at % SELSRC_CHUNK;

	if (family == RTCACHE_INET)
		w->s->chunks4[chunk].addr[i] = (struct selsrc_addr4){
			.addr = ntohl(a->addr[0]), .preference = preference, .class = class,
		};
	else
		w->s->chunks6[chunk].addr[i] = (struct selsrc_addr6){
			.addr = { half_of(a->addr), half_of(a->addr + 2) },
			.preference = preference, .class = class,
		};
}

static bool has_room(const struct writer *w, int family, __u32 n)
{
	return w->chunks[family] + n / SELSRC_CHUNK < w->s->chunks;
}

/* false: the device cannot take it, dev->doubt says why. */
static bool take_addr(struct writer *w, struct selsrc_dev *dev, int family,
		      const struct krn_addr *a)
{
	const struct selsrc_class class =
		selsrc_class(family, a->addr, a->flags & IFA_F_DEPRECATED, a->scope,
			     model_label(&w->m->krn, a->family, a->addr, a->ifindex));
	int number = class_number(dev, &class);

	if (number < 0)
		dev->doubt = SELSRC_DOUBT_CLASSES;
	else if (dev->n == SELSRC_MAX_ADDRS)
		dev->doubt = SELSRC_DOUBT_ADDRS;
	else if (!has_room(w, family, dev->n))
		dev->doubt = SELSRC_DOUBT_FULL;
	else
		put_addr(w, family, dev->first * SELSRC_CHUNK + dev->n++, a, number);
	return !dev->doubt;
}

/* Who asks for privacy (use_tempaddr 2) wants temporary addresses before all others. */
static bool temporary_first(const struct krn_dev *dev)
{
	char path[80];
	FILE *file;
	int c;

	snprintf(path, sizeof(path), "/proc/sys/net/ipv6/conf/%s/use_tempaddr", dev->name);
	file = fopen(path, "re");
	if (!file)
		return false;
	c = fgetc(file);
	fclose(file);
	return c == '2';
}

static bool is_temporary(const struct krn_addr *a)
{
	return a->family == AF_INET6 && a->flags & IFA_F_TEMPORARY;
}

/* want: temporary ones 1, others 0, all -1. */
static void take_addrs(struct writer *w, struct selsrc_dev *dev, int ifindex, int family,
		       int want)
{
	const struct krn_addr *a = w->m->krn.addrs, *end = a + w->m->krn.nr_addrs;

	for (; a < end; a++)
		if (a->ifindex == ifindex && model_family(a->family) == family &&
		    is_candidate(a) && (want < 0 || want == is_temporary(a)) &&
		    !take_addr(w, dev, family, a))
			return;
}

/* ---- devices ------------------------------------------------------------------- */

static bool in_vrf(const struct krn *krn, const struct krn_dev *dev)
{
	const struct krn_dev *master = dev->master ? krn_dev(krn, dev->master) : NULL;

	return dev->vrf || (master && master->vrf);
}

static void fill_dev(struct writer *w, const struct krn_dev *from, int family,
		     struct selsrc_dev *dev)
{
	dev->first = w->half * w->s->chunks + w->chunks[family];
	if (in_vrf(&w->m->krn, from))
		dev->doubt = SELSRC_DOUBT_VRF;
	else if (!(from->flags & IFF_UP))
		return;
	else if (family == RTCACHE_INET6 && temporary_first(from)) {
		take_addrs(w, dev, from->ifindex, family, 1);
		take_addrs(w, dev, from->ifindex, family, 0);
	} else {
		take_addrs(w, dev, from->ifindex, family, -1);
	}
	w->chunks[family] += (dev->n + SELSRC_CHUNK - 1) / SELSRC_CHUNK;
}

static int write_dev(struct writer *w, const struct krn_dev *from, int family)
{
	struct selsrc_dev *dev = &w->devs[family][from - w->m->krn.devs];
	const struct selsrc_dev_key key = {
		.ifindex = from->ifindex, .half = w->half, .family = family,
	};
	int err = policy_numbers(w, from->ifindex, dev->policy);

	if (err)
		return err;
	fill_dev(w, from, family, dev);
	err = bpf_map_update_elem(w->s->devs, &key, dev, BPF_ANY);
	if (err != -E2BIG && err != -ENOSPC && err != -ENOMEM)
		return err;
	w->m->doubt[family] = SELSRC_DOUBT_FULL;
	return 0;
}

/* What was in this half of devices that are gone. */
static void drop_devs(struct writer *w)
{
	struct selsrc_dev_key key, next, *gone = NULL, *grown;
	void *prev = NULL;
	__u32 n = 0, i;

	while (!bpf_map_get_next_key(w->s->devs, prev, &next)) {
		key = next;
		prev = &key;
		if (key.half != w->half || krn_dev(&w->m->krn, key.ifindex))
			continue;
		grown = realloc(gone, (n + 1) * sizeof(*gone));
		if (!grown)
			break;
		gone = grown;
		gone[n++] = key;
	}
	for (i = 0; i < n; i++)
		bpf_map_delete_elem(w->s->devs, &gone[i]);
	free(gone);
}

static int write_devs(struct writer *w)
{
	const struct krn *krn = &w->m->krn;
	__u32 i;
	int err = 0;

	drop_devs(w);
	for (i = 0; i < krn->nr_devs && !err; i++) {
		err = write_dev(w, &krn->devs[i], RTCACHE_INET);
		if (!err)
			err = write_dev(w, &krn->devs[i], RTCACHE_INET6);
	}
	return err;
}

/* ---- all of it -------------------------------------------------------------------- */

/* What the programs are told of the half as a whole; the steps are made of it. */
static void write_head(struct writer *w)
{
	struct selsrc_head *head = &w->s->state->head[w->half];
	int f;

	memcpy(head->policy, w->defaults, sizeof(head->policy));
	for (f = 0; f < SELSRC_FAMILIES; f++) {
		head->gen[f] = w->m->gen[f];
		head->doubt[f] = w->m->doubt[f];
		steps_write(w->s, w->m, f, w->devs[f], w->half);
	}
}

static int write_half(struct writer *w)
{
	int err;

	keep_used(w);
	err = policy_numbers(w, 0, w->defaults);
	if (!err)
		err = write_devs(w);
	if (!err)
		err = write_tries(w);
	if (!err)
		write_head(w);
	return err;
}

/* If an address has gone since the kernel was asked, it may be in what was written. */
static int turn_over(struct writer *w)
{
	__u64 version = w->m->version;

	return __atomic_compare_exchange_n(&w->s->state->version, &version, version + 1, false,
					   __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST) ? 0 : -EAGAIN;
}

int table_write(struct selsrc *s, struct model *m)
{
	struct writer w = { .s = s, .m = m, .half = !(m->version & 1) };
	int f, err = selsrc_read_sets(s);	/* others attach, too */

	for (f = 0; f < SELSRC_FAMILIES; f++) {
		w.devs[f] = calloc(m->krn.nr_devs + 1, sizeof(*w.devs[f]));
		if (!w.devs[f])
			err = -ENOMEM;
	}
	if (!err)
		err = write_half(&w);
	if (!err)
		err = turn_over(&w);
	for (f = 0; f < SELSRC_FAMILIES; f++)
		free(w.devs[f]);
	return err;
}
