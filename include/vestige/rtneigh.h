/* SPDX-License-Identifier: GPL-2.0 */
/*
 * rtneigh.h - has a neighbour changed so that copies of routes through it are wrong?
 *
 * rtnetlink tells of each step of a neighbour's life. Copies hold its MAC, and are made
 * only while it is valid: so a new MAC counts, and valid or not; but not REACHABLE or
 * STALE, which alternate every half a minute for each neighbour, and not a neighbour
 * that never answers, or who scans the network would flush all copies all the time.
 *
 * The memory is a table of fixed size that holds valid neighbours only. What it has had
 * to forget it takes for changed.
 */
#ifndef VESTIGE_RTNEIGH_H
#define VESTIGE_RTNEIGH_H

#include <linux/types.h>
#include <string.h>

#define RTNEIGH_SLOTS	4096
#define RTNEIGH_MAC_MAX	32	/* MAX_ADDR_LEN */

struct rtneigh {
	__u32 ifindex;
	__u16 family;		/* 0: the slot is empty */
	__u8 valid;		/* NUD_VALID: packets can be sent to it */
	__u8 mac_len;
	__u8 addr[16];
	__u8 mac[RTNEIGH_MAC_MAX];
};

struct rtneigh_memory {
	struct rtneigh slot[RTNEIGH_SLOTS];
	__u8 forgot[RTNEIGH_SLOTS];	/* there was one here that we have no room for */
};

/* known: no neighbour is valid but those that will be told. */
static inline void rtneigh_clear(struct rtneigh_memory *m, int known)
{
	memset(m->slot, 0, sizeof(m->slot));
	memset(m->forgot, !known, sizeof(m->forgot));
}

static inline __u32 rtneigh_slot(const struct rtneigh *n)
{
	__u64 hash = 0x9e3779b97f4a7c15ull ^ n->ifindex, word;
	int i;

	for (i = 0; i < 2; i++) {
		memcpy(&word, n->addr + 8 * i, sizeof(word));
		hash = (hash ^ word ^ (__u64)n->family << 48) * 0xff51afd7ed558ccdull;
		hash ^= hash >> 32;
	}
	return hash % RTNEIGH_SLOTS;
}

static inline int rtneigh_same(const struct rtneigh *a, const struct rtneigh *b)
{
	return a->ifindex == b->ifindex && a->family == b->family &&
	       !memcmp(a->addr, b->addr, sizeof(a->addr));
}

/* Remember this neighbour. Do copies through it have to go? */
static inline int rtneigh_changed(struct rtneigh_memory *m, const struct rtneigh *n)
{
	__u32 i = rtneigh_slot(n);
	struct rtneigh *old = &m->slot[i];
	int same = rtneigh_same(old, n);

	if (!n->valid) {
		if (same)
			memset(old, 0, sizeof(*old));
		return same || m->forgot[i];
	}
	if (same && old->mac_len == n->mac_len && !memcmp(old->mac, n->mac, sizeof(n->mac)))
		return 0;
	if (!same && old->family)
		m->forgot[i] = 1;
	*old = *n;
	return 1;
}

#endif /* VESTIGE_RTNEIGH_H */
