// SPDX-License-Identifier: GPL-2.0
/* selsrc_model.c - what the tables of source selection are to say. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <bpf/bpf.h>
#include <sys/socket.h>

#include "selsrc_model.h"

#define FLUX_TRIES	100	/* of a millisecond */
#define WRITE_TRIES	20	/* while one address after the other goes */

int model_family(int af)
{
	return af == AF_INET6 ? RTCACHE_INET6 : RTCACHE_INET;
}

/* ---- policies ------------------------------------------------------------------------- */

const struct model_policy *model_policy(const struct model *m, __u32 set, __u32 ifindex)
{
	__u32 i;

	for (i = 0; i < m->nr_policies; i++)
		if (m->policies[i].set == set && m->policies[i].ifindex == ifindex)
			return &m->policies[i];
	return NULL;
}

static void drop_policy(struct model *m, __u32 i)
{
	memmove(&m->policies[i], &m->policies[i + 1],
		(--m->nr_policies - i) * sizeof(*m->policies));
}

int model_set_policy(struct model *m, __u32 set, __u32 ifindex, const __u8 *function, int n)
{
	struct model_policy *p = (struct model_policy *)model_policy(m, set, ifindex);

	if (!n && !p)
		return -ENOENT;
	if (!n) {
		drop_policy(m, p - m->policies);
		return 0;
	}
	if (!p) {
		p = realloc(m->policies, (m->nr_policies + 1) * sizeof(*p));
		if (!p)
			return -ENOMEM;
		m->policies = p;
		p += m->nr_policies++;
	}
	memset(p, 0, sizeof(*p));
	p->set = set;
	p->ifindex = ifindex;
	p->n = n;
	memcpy(p->function, function, n);
	return 0;
}

void model_drop_set(struct model *m, __u32 set)
{
	__u32 i;

	for (i = m->nr_policies; i--;)
		if (m->policies[i].set == set)
			drop_policy(m, i);
}

/* number: of each set, the element of `policies`. */
static int read_numbers(struct model *m, const struct selsrc *s, const __u8 *number,
			__u32 ifindex)
{
	const struct selsrc_policy *p;
	int set, err = 0;

	for (set = 0; set < SELSRC_SETS && !err; set++) {
		p = &s->policies[number[set]];
		if (number[set] && p->n && p->n <= SELSRC_MAX_FUNCTIONS)
			err = model_set_policy(m, set, ifindex, p->function, p->n);
	}
	return err;
}

static int read_policies(struct model *m, const struct selsrc *s)
{
	__u32 half = s->state->version & 1;
	struct selsrc_dev_key key, next;
	struct selsrc_dev dev;
	void *prev = NULL;
	int err;

	err = read_numbers(m, s, s->state->head[half].policy, 0);
	while (!err && !bpf_map_get_next_key(s->devs, prev, &next)) {
		key = next;
		prev = &key;
		if (key.half == half && !bpf_map_lookup_elem(s->devs, &key, &dev))
			err = read_numbers(m, s, dev.policy, key.ifindex);
	}
	return err;
}

/* ---- preferences ------------------------------------------------------------------------ */

struct selsrc_pref_key model_pref_key(int ifindex, int family, const __be32 *addr)
{
	struct selsrc_pref_key key = { .ifindex = ifindex, .family = model_family(family) };

	memcpy(key.addr, addr, family == AF_INET6 ? 16 : 4);
	return key;
}

__s16 model_preference(const struct model *m, const struct selsrc_pref_key *key)
{
	__u32 i;

	for (i = 0; i < m->nr_prefs; i++)
		if (!memcmp(&m->prefs[i].key, key, sizeof(*key)))
			return m->prefs[i].preference;
	return 0;
}

static int read_prefs(struct model *m, const struct selsrc *s)
{
	struct model_pref pref = {}, *grown;
	struct selsrc_pref_key next;
	void *prev = NULL;

	while (!bpf_map_get_next_key(s->prefs, prev, &next)) {
		pref.key = next;
		prev = &pref.key;
		if (bpf_map_lookup_elem(s->prefs, &pref.key, &pref.preference))
			continue;
		grown = realloc(m->prefs, (m->nr_prefs + 1) * sizeof(pref));
		if (!grown)
			return -ENOMEM;
		m->prefs = grown;
		grown[m->nr_prefs++] = pref;
	}
	return 0;
}

/* ---- all of it ----------------------------------------------------------------------------- */

int model_read_wishes(struct model *m, const struct selsrc *s)
{
	int err;

	memset(m, 0, sizeof(*m));
	err = read_policies(m, s);
	return err ? err : read_prefs(m, s);
}

/*
 * Flux ends when who follows has written the tables, which he does as soon as we let him.
 * Whoever else writes them in between, writes them for an odd generation: nobody uses them.
 */
static void take_generations(struct model *m, const struct selsrc *s)
{
	int f, tries;

	for (f = 0; f < SELSRC_FAMILIES; f++) {
		for (tries = 0; tries < FLUX_TRIES; tries++) {
			m->gen[f] = rtcache_gen(s->gens, f);
			if (!(m->gen[f] & 1) || s->gens_are_ours)
				break;
			usleep(1000);
		}
		if (s->gens_are_ours)
			m->gen[f] = rtcache_settle(m->gen[f]);
	}
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
}

static void free_kernel(struct model *m)
{
	krn_free(&m->krn);
	free(m->routes[RTCACHE_INET].item);
	free(m->routes[RTCACHE_INET6].item);
	free(m->labels.item);
	memset(m->routes, 0, sizeof(m->routes));
	memset(&m->labels, 0, sizeof(m->labels));
	memset(m->doubt, 0, sizeof(m->doubt));
}

/*
 * The version first: an address that goes after this is missed by who asks, or changes it.
 * One that went before is not told any more.
 */
static int read_kernel(struct model *m, const struct selsrc *s)
{
	int err;

	m->version = __atomic_load_n(&s->state->version, __ATOMIC_SEQ_CST);
	take_generations(m, s);
	err = krn_read(&m->krn, KRN_ALL);
	return err ? err : model_routes(m);
}

int model_read(struct model *m, const struct selsrc *s)
{
	int err = model_read_wishes(m, s);

	return err ? err : read_kernel(m, s);
}

int model_write(struct model *m, struct selsrc *s)
{
	int tries, err = table_write(s, m);

	for (tries = 0; err == -EAGAIN && tries < WRITE_TRIES; tries++) {
		free_kernel(m);
		err = read_kernel(m, s);
		if (!err)
			err = table_write(s, m);
	}
	return err;
}

void model_free(struct model *m)
{
	free_kernel(m);
	free(m->policies);
	free(m->prefs);
	memset(m, 0, sizeof(*m));
}
