/* SPDX-License-Identifier: GPL-2.0 */
/*
 * rtcache.h - is a copy of a route stale? One load and one compare say it.
 *
 *	struct rtcache_net	one namespace
 *	 └ struct rtcache_family	its generation for IPv4, for IPv6
 *
 * A holder reads the generation before the lookup and keeps it beside the copy, unless
 * it is odd: a change is under way, and a lookup may still find the old route. A change
 * raises it to the next odd number, in its own context; when everybody must see the
 * change, a work makes it even. All copies of a family are flushed by one atomic
 * operation, however many there are.
 */
#ifndef _VESTIGE_RTCACHE_H
#define _VESTIGE_RTCACHE_H

#include <linux/atomic.h>
#include <linux/notifier.h>
#include <linux/spinlock.h>
#include <linux/vestige_rtcache.h>
#include <net/net_namespace.h>

#include "compat.h"

enum { RTCACHE_INET, RTCACHE_INET6, RTCACHE_FAMILIES };

/* Sets of families. */
#define RTCACHE_OF(family)	(1U << (family))
#define RTCACHE_BOTH		(RTCACHE_OF(RTCACHE_INET) | RTCACHE_OF(RTCACHE_INET6))

/* Beside a cached route. Zeroed: never good, as no generation is 0. */
struct rtcache {
	u64 gen;
};

struct rtcache_family {
	atomic64_t gen;			/* odd: in flux */
	u64 seen;			/* by the work that settles it; rtcache_mutex */
	u32 obstacles;			/* RTCACHE_NETFILTER ..., by the watch */
	u32 genid;			/* of the kernel, when gen settled last */
	u64 digest;			/* of what the watch saw last */
	atomic_t untold;		/* events since the last one that listeners got */
	atomic64_t untold_total;
	atomic64_t settles;
	atomic64_t counters[RTCACHE_REASON_MAX];
} ____cacheline_aligned_in_smp;

struct rtcache_net {
	struct rtcache_family family[RTCACHE_FAMILIES];
	struct net *net;
	bool live;			/* from init to exit: events count */
	bool queued;			/* on the list of what is in flux, or about to be */
	bool inet_via_inet6;		/* some IPv4 route has, or had, an IPv6 gateway */
	atomic_t again;			/* turns of the watch until it flushes; 0: it need not */
	atomic_t holders;
	struct list_head flux;		/* rtcache_flux_lock */
	struct list_head list;		/* rtcache_mutex */
	struct notifier_block fib, nexthop;
	spinlock_t tell_lock;
	unsigned long tell_since;	/* jiffies */
	unsigned int told;		/* since then */
};

struct rtcache_event {
	enum rtcache_reason reason;
	int ifindex;			/* or 0 */
	u8 plen;
	const void *prefix;		/* 16 bytes, IPv4 in the first four; or NULL */
};

/* rtcache.c */
extern struct mutex rtcache_mutex;	/* all namespaces, what the watch saw; before rtnl */
extern struct list_head rtcache_nets;
int rtcache_init(void);
void rtcache_exit(void);
struct rtcache_net *rtcache_net(const struct net *net);	/* NULL: not yet */
/* Any context. The families are in flux when this returns. */
void rtcache_event(struct rtcache_net *rn, unsigned int families,
		   const struct rtcache_event *event);
void rtcache_flush(struct net *net, int family, enum rtcache_reason reason);

/* A namespace is watched from hold to release; who caches calls them once each. */
void rtcache_hold(struct net *net);
void rtcache_release(struct net *net);

static inline const atomic64_t *rtcache_gen(const struct net *net, int family)
{
	return &rtcache_net(net)->family[family].gen;
}

/* Before a lookup whose result is to be kept. Odd: do not keep it. */
static inline u64 rtcache_begin(const atomic64_t *gen)
{
	u64 g = atomic64_read(gen);

	smp_rmb();	/* what is looked up is not older than g */
	return g;
}

static inline bool rtcache_may_keep(u64 gen)
{
	return !(gen & 1);
}

static inline void rtcache_set(struct rtcache *rc, u64 gen)
{
	WRITE_ONCE(rc->gen, gen);
}

static inline void rtcache_clear(struct rtcache *rc)
{
	WRITE_ONCE(rc->gen, 0);
}

/* A copy never has an odd generation, so that this answers no in a flux. */
static inline bool rtcache_good(const struct rtcache *rc, const atomic64_t *gen)
{
	return READ_ONCE(rc->gen) == (u64)atomic64_read(gen);
}

/* rtcache_event.c */
int rtcache_event_net_init(struct rtcache_net *rn);
void rtcache_event_net_exit(struct rtcache_net *rn);	/* waits, and takes rtnl */
int rtcache_event_init(void);
void rtcache_event_exit(void);

/* rtcache_device.c: tell who forwards what he has to know of the device. RCU. */
void rtcache_device(const struct net_device *dev, bool gone);

/* rtcache_watch.c */
void rtcache_watch_kick(void);			/* somebody wants to know; any context */
void rtcache_watch_look(struct rtcache_net *rn);	/* now; rtcache_mutex */
u32 rtcache_genid(const struct net *net, int family);
void rtcache_watch_init(void);
void rtcache_watch_exit(void);
bool rtcache_traced(void);			/* rtcache.c: has a tracepoint a user? */
bool rtcache_event_traced(void);		/* the one of events? */

/* rtcache_netlink.c */
bool rtcache_heard(struct net *net);		/* is anybody in the multicast group? */
/* Any context. gen, obstacles: as of the event. */
void rtcache_tell(struct rtcache_net *rn, int family, u64 gen, const struct rtcache_event *event);
int rtcache_netlink_init(void);
void rtcache_netlink_exit(void);

#endif /* _VESTIGE_RTCACHE_H */
