// SPDX-License-Identifier: GPL-2.0
/*
 * selsrc_forget.c - an address has gone: it is no candidate any more, at once.
 *
 * To write the tables anew takes milliseconds, in which what is sent from it would fail.
 * So here, as in bpf/selsrc_event.bpf.c, the half in use is written: one byte, which who
 * reads has or has not, and no steps any more, as any may lead to it; and then the version, so
 * that nothing chosen before is remembered.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <sys/socket.h>

#include "selsrc_model.h"

/* The class of address number i, if it is that one. */
static __u8 *class_of(struct selsrc *s, const struct selsrc_dev *dev, int family, __u32 i,
		      const __be32 *addr)
{
	__u32 chunk = dev->first + i / SELSRC_CHUNK, at = i % SELSRC_CHUNK;
	struct selsrc_addr4 *a4 = &s->chunks4[chunk].addr[at];
	struct selsrc_addr6 *a6 = &s->chunks6[chunk].addr[at];

	if (family == AF_INET)
		return a4->addr == ntohl(addr[0]) ? &a4->class : NULL;
	return a6->addr[0] == ((__u64)ntohl(addr[0]) << 32 | ntohl(addr[1])) &&
	       a6->addr[1] == ((__u64)ntohl(addr[2]) << 32 | ntohl(addr[3])) ? &a6->class : NULL;
}

static void forget(struct selsrc *s, const struct selsrc_dev *dev, int family,
		   const __be32 *addr)
{
	struct selsrc_head *head = &s->state->head[s->state->version & 1];
	int f = model_family(family);
	__u8 *class;
	__u32 i;

	for (i = 0; i < dev->n; i++) {
		class = class_of(s, dev, family, i, addr);
		if (class)
			__atomic_store_n(class, SELSRC_GONE, __ATOMIC_RELAXED);
	}
	for (i = 0; i < SELSRC_SETS; i++)
		__atomic_store_n(&head->steps[f][i].n, 0, __ATOMIC_RELAXED);
	__atomic_fetch_add(&s->state->version, 2, __ATOMIC_SEQ_CST);
}

/* With the lock nobody turns the tables over; the program of the module never does. */
int table_forget(struct selsrc *s, int family, int ifindex, const __be32 *addr)
{
	struct selsrc_dev_key key = { .ifindex = ifindex, .family = model_family(family) };
	struct selsrc_dev dev;
	int lock = pindir_trylock(s->dir);

	if (lock < 0)
		return lock;
	key.half = s->state->version & 1;
	if (!bpf_map_lookup_elem(s->devs, &key, &dev))
		forget(s, &dev, family, addr);
	close(lock);
	return 0;
}
