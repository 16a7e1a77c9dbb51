// SPDX-License-Identifier: GPL-2.0
/*
 * selsrc_forget.c - an address has gone: it is no candidate any more, at once.
 *
 * To write the tables anew takes milliseconds, in which what is sent from it would fail.
 * So here, and only here, the half in use is written: the place of the address is given to
 * its neighbour, which then is there twice. That changes nothing in the order. While it
 * lasts, two stores or three, the family is in flux, and whoever reads then notices.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <sys/socket.h>

#include "selsrc_model.h"

static void add_to_version(struct selsrc *s, __u64 n)
{
	__atomic_store_n(&s->state->version, s->state->version + n, __ATOMIC_SEQ_CST);
}

static struct selsrc_addr4 *addr4(struct selsrc *s, const struct selsrc_dev *dev, __u32 i)
{
	return &s->chunks4[dev->first + i / SELSRC_CHUNK].addr[i % SELSRC_CHUNK];
}

static struct selsrc_addr6 *addr6(struct selsrc *s, const struct selsrc_dev *dev, __u32 i)
{
	return &s->chunks6[dev->first + i / SELSRC_CHUNK].addr[i % SELSRC_CHUNK];
}

static bool is_at(struct selsrc *s, const struct selsrc_dev *dev, int family, __u32 i,
		  const __be32 *addr)
{
	const __u64 *a;

	if (family == AF_INET)
		return addr4(s, dev, i)->addr == ntohl(addr[0]);
	a = addr6(s, dev, i)->addr;
	return a[0] == ((__u64)ntohl(addr[0]) << 32 | ntohl(addr[1])) &&
	       a[1] == ((__u64)ntohl(addr[2]) << 32 | ntohl(addr[3]));
}

static void replace(struct selsrc *s, const struct selsrc_dev *dev, int family, __u32 i,
		    __u32 by)
{
	if (family == AF_INET)
		*addr4(s, dev, i) = *addr4(s, dev, by);
	else
		*addr6(s, dev, i) = *addr6(s, dev, by);
}

/* It may be there several times, if a neighbour of it went before. */
static void replace_all(struct selsrc *s, const struct selsrc_dev *dev, int family,
			const __be32 *addr)
{
	__u32 i, other;

	for (other = 0; other < dev->n && is_at(s, dev, family, other, addr); other++)
		;
	for (i = 0; i < dev->n && other < dev->n; i++) {
		if (!is_at(s, dev, family, i, addr))
			other = i;
		else
			replace(s, dev, family, i, other);
	}
}

/* No other candidate: the family is left to the kernel until the tables are written. */
static bool has_other(struct selsrc *s, const struct selsrc_dev *dev, int family,
		      const __be32 *addr)
{
	__u32 i;

	for (i = 0; i < dev->n; i++)
		if (!is_at(s, dev, family, i, addr))
			return true;
	return false;
}

static void forget(struct selsrc *s, const struct selsrc_dev *dev, int family,
		   const __be32 *addr)
{
	struct selsrc_head *head = &s->state->head[s->state->version & 1];
	int f = model_family(family);
	__u64 gen = rtcache_bumped(rtcache_gen(s->gens, f));

	__atomic_store_n(&s->gens->gen[f], gen, __ATOMIC_SEQ_CST);
	if (!has_other(s, dev, family, addr))
		return;
	add_to_version(s, 2);
	replace_all(s, dev, family, addr);
	__atomic_store_n(&head->gen[f], rtcache_settle(gen), __ATOMIC_SEQ_CST);
	add_to_version(s, 2);
	__atomic_store_n(&s->gens->gen[f], rtcache_settle(gen), __ATOMIC_SEQ_CST);
}

int table_forget(struct selsrc *s, int family, int ifindex, const __be32 *addr)
{
	const struct selsrc_dev_key key = {
		.ifindex = ifindex, .half = s->state->version & 1,
		.family = model_family(family),
	};
	struct selsrc_dev dev;
	int lock = pindir_trylock(s->dir);

	if (lock < 0)
		return lock;
	if (!(rtcache_gen(s->gens, key.family) & 1) &&
	    !bpf_map_lookup_elem(s->devs, &key, &dev))
		forget(s, &dev, family, addr);
	close(lock);
	return 0;
}
