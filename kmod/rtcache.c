// SPDX-License-Identifier: GPL-2.0
/*
 * rtcache.c - generations: raised by an event, settled when the change is seen by all.
 *
 * Why a change is not just one step of a counter: the kernel often tells of a change
 * before it makes it. fib_table_delete() has told everybody when it takes the route out
 * of the trie, and fib6_add() when it links the new one; a lookup in between finds the
 * old route, and would keep it under the new generation, for ever. So the generation
 * is odd from the event on, nobody keeps anything, and it becomes even when no lookup
 * can find the old route any more:
 *
 *	what is changed under rtnl is through when rtnl could be taken,
 *	what is changed without (router advertisements, newer IPv6) is changed under a
 *	spinlock of the table with BH off, which is an RCU read section.
 *
 * A lookup that began before that read an odd generation, or an older one. An event
 * meanwhile raises the generation once more and the work begins again: any number of
 * changes is one flux, and needs no memory.
 */
#include <linux/ktime.h>
#include <linux/module.h>
#include <linux/rtnetlink.h>
#include <net/netns/generic.h>

#include "rtcache.h"

#define CREATE_TRACE_POINTS
#include "rtcache_trace.h"

/* In the midst of a burst it is tried so often; grace periods are not for nothing. */
#define RTCACHE_SETTLE_AGAIN	(HZ / 20)

DEFINE_MUTEX(rtcache_mutex);
LIST_HEAD(rtcache_nets);

static unsigned int rtcache_net_id __read_mostly;
static bool rtcache_stays;		/* the module does, while a namespace goes */

/* Namespaces with a family in flux; taken in any context. */
static DEFINE_SPINLOCK(rtcache_flux_lock);
static LIST_HEAD(rtcache_flux);

static void rtcache_settle_work(struct work_struct *work);
static DECLARE_DELAYED_WORK(rtcache_settle, rtcache_settle_work);

struct rtcache_net *rtcache_net(const struct net *net)
{
	return net_generic(net, rtcache_net_id);
}

/* --- raised -------------------------------------------------------------- */

/* Before this queued was found false, or was made so by who settles. */
static void rtcache_queue(struct rtcache_net *rn, unsigned long delay)
{
	unsigned long flags;

	spin_lock_irqsave(&rtcache_flux_lock, flags);
	if (rn->live && !rn->queued) {
		WRITE_ONCE(rn->queued, true);
		list_add_tail(&rn->flux, &rtcache_flux);
		schedule_delayed_work(&rtcache_settle, delay);
	}
	spin_unlock_irqrestore(&rtcache_flux_lock, flags);
}

static u64 rtcache_raise(struct rtcache_family *family)
{
	s64 old = atomic64_read(&family->gen), new;

	do {
		new = (old + 2) | 1;
	} while (!atomic64_try_cmpxchg(&family->gen, &old, new));
	return new;
}

static void rtcache_event_one(struct rtcache_net *rn, int f, const struct rtcache_event *event)
{
	struct rtcache_family *family = &rn->family[f];
	u64 gen = rtcache_raise(family);

	atomic64_inc(&family->counters[event->reason]);
	/*
	 * As in rtcache_settle_one(). Newer kernels let a task be preempted in a tracepoint's
	 * program: the event of who preempts it would be told to nobody before its change returns.
	 */
	local_bh_disable();
	trace_vestige_rtcache_flush(rn->net->net_cookie, f, gen, event->reason,
				    READ_ONCE(family->obstacles));
	trace_vestige_rtcache_event(rn->net->net_cookie, f, event->reason, event->prefix,
				    event->plen, event->ifindex);
	local_bh_enable();
	rtcache_tell(rn, f, gen, event);
}

/*
 * Of a namespace that is not quite there, or on the way out, nobody has copies: when it
 * comes it is in flux from the beginning, when it goes it stays so.
 */
void rtcache_event(struct rtcache_net *rn, unsigned int families,
		   const struct rtcache_event *event)
{
	int f;

	rcu_read_lock();	/* against rtcache_net_pre_exit() */
	if (!rn || !READ_ONCE(rn->live))
		goto unlock;
	for (f = 0; f < RTCACHE_FAMILIES; f++)
		if (families & RTCACHE_OF(f))
			rtcache_event_one(rn, f, event);
	/* The generation, a full barrier, queued; who settles has it the other way round. */
	if (!READ_ONCE(rn->queued))
		rtcache_queue(rn, 0);
unlock:
	rcu_read_unlock();
}

void rtcache_flush(struct net *net, int family, enum rtcache_reason reason)
{
	struct rtcache_event event = { .reason = reason };

	rtcache_event(rtcache_net(net), RTCACHE_OF(family), &event);
}

/* --- settled ------------------------------------------------------------- */

/* Namespaces that the work is about; rtcache_mutex, and rtcache_flux_lock to change it. */
static LIST_HEAD(rtcache_settling);

static void rtcache_settle_begin(void)
{
	struct rtcache_net *rn;
	int f;

	spin_lock_irq(&rtcache_flux_lock);
	list_splice_tail_init(&rtcache_flux, &rtcache_settling);
	spin_unlock_irq(&rtcache_flux_lock);
	list_for_each_entry(rn, &rtcache_settling, flux)
		for (f = 0; f < RTCACHE_FAMILIES; f++)
			rn->family[f].seen = atomic64_read(&rn->family[f].gen);
}

static bool rtcache_in_flux(const struct rtcache_family *family)
{
	return atomic64_read(&family->gen) & 1;
}

/* Could any family be settled now? In the midst of a burst none can. */
static bool rtcache_settle_ripe(void)
{
	const struct rtcache_family *family;
	struct rtcache_net *rn;

	list_for_each_entry(rn, &rtcache_settling, flux)
		for (family = rn->family; family < rn->family + RTCACHE_FAMILIES; family++)
			if (rtcache_in_flux(family) &&
			    family->seen == (u64)atomic64_read(&family->gen))
				return true;
	return false;
}

/*
 * The genid is read before: a change that the kernel counts from now on, and tells
 * nobody of, is found by the watch.
 */
static void rtcache_settle_one(struct rtcache_net *rn, int f)
{
	struct rtcache_event event = { .reason = RTCACHE_R_settled };
	struct rtcache_family *family = &rn->family[f];
	s64 seen = family->seen;

	if (!(seen & 1))
		return;
	WRITE_ONCE(family->genid, rtcache_genid(rn->net, f));
	if (!atomic64_try_cmpxchg(&family->gen, &seen, seen + 1))
		return;
	atomic64_inc(&family->settles);
	/*
	 * A program does not run inside itself: an event of a softirq in the midst of this one
	 * would be lost to it, and an even generation is what it would be left with.
	 */
	local_bh_disable();
	trace_vestige_rtcache_flush(rn->net->net_cookie, f, seen + 1, RTCACHE_R_settled,
				    READ_ONCE(family->obstacles));
	local_bh_enable();
	rtcache_tell(rn, f, seen + 1, &event);
}

/* An event from now on queues the namespace again; one that did not, is seen here. */
static void rtcache_settle_net(struct rtcache_net *rn)
{
	bool again = false;
	int f;

	spin_lock_irq(&rtcache_flux_lock);
	list_del_init(&rn->flux);
	WRITE_ONCE(rn->queued, false);
	spin_unlock_irq(&rtcache_flux_lock);
	smp_mb();	/* queued before the generation; an event has it the other way */
	for (f = 0; f < RTCACHE_FAMILIES; f++) {
		rtcache_settle_one(rn, f);
		again |= rtcache_in_flux(&rn->family[f]);
	}
	if (again)
		rtcache_queue(rn, RTCACHE_SETTLE_AGAIN);
}

/*
 * Never waited for under rtnl: a namespace that goes only leaves the lists, under the
 * mutex; and when the module goes, nobody has rtnl. While a burst lasts rtnl is left
 * to it.
 */
static void rtcache_settle_work(struct work_struct *work)
{
	bool ripe;

	mutex_lock(&rtcache_mutex);
	rtcache_settle_begin();
	mutex_unlock(&rtcache_mutex);
	synchronize_rcu();
	mutex_lock(&rtcache_mutex);
	ripe = rtcache_settle_ripe();
	mutex_unlock(&rtcache_mutex);
	if (ripe) {
		rtnl_lock();
		rtnl_unlock();
		synchronize_rcu();	/* readers that have no barrier: BPF programs */
	}
	mutex_lock(&rtcache_mutex);
	while (!list_empty(&rtcache_settling))
		rtcache_settle_net(list_first_entry(&rtcache_settling, struct rtcache_net,
						    flux));
	mutex_unlock(&rtcache_mutex);
}

/* --- holders ------------------------------------------------------------- */

void rtcache_hold(struct net *net)
{
	atomic_inc(&rtcache_net(net)->holders);
	rtcache_watch_kick();
}

void rtcache_release(struct net *net)
{
	atomic_dec(&rtcache_net(net)->holders);
}

bool rtcache_traced(void)
{
	return trace_vestige_rtcache_flush_enabled() || trace_vestige_rtcache_event_enabled() ||
	       trace_vestige_rtcache_device_enabled();
}

bool rtcache_event_traced(void)
{
	return trace_vestige_rtcache_event_enabled();
}

int rtcache_trace_reg(void)
{
	rtcache_watch_kick();
	return 0;
}

void rtcache_trace_unreg(void)
{
}

/* --- namespaces ---------------------------------------------------------- */

/*
 * A copy may outlive the module, in a BPF map: the generations of the next one begin
 * beyond all of this one's, as events come less often than each other nanosecond.
 */
static void rtcache_net_setup(struct rtcache_net *rn, struct net *net)
{
	int f;

	rn->net = net;
	INIT_LIST_HEAD(&rn->flux);
	spin_lock_init(&rn->tell_lock);
	for (f = 0; f < RTCACHE_FAMILIES; f++)
		atomic64_set(&rn->family[f].gen, ktime_get_ns() | 1);
}

static int __net_init rtcache_net_init(struct net *net)
{
	struct rtcache_net *rn = rtcache_net(net);
	int err;

	rtcache_net_setup(rn, net);
	err = rtcache_event_net_init(rn);
	if (err)
		return err;
	mutex_lock(&rtcache_mutex);
	list_add_tail(&rn->list, &rtcache_nets);
	WRITE_ONCE(rn->live, true);
	mutex_unlock(&rtcache_mutex);
	/* What the notifiers told until now did not count. */
	rtcache_queue(rn, 0);
	return 0;
}

/*
 * In flux from here on, for good. Whoever found it live was under RCU, and the core waits
 * for RCU between this and exit: nobody tells of it, or queues it, while what that needs
 * (the socket of genetlink, rn itself) goes.
 */
static void __net_exit rtcache_net_pre_exit(struct net *net)
{
	struct rtcache_event event = { .reason = RTCACHE_R_exit };
	struct rtcache_net *rn = rtcache_net(net);

	mutex_lock(&rtcache_mutex);
	rtcache_event(rn, RTCACHE_BOTH, &event);
	spin_lock_irq(&rtcache_flux_lock);
	WRITE_ONCE(rn->live, false);
	list_del_init(&rn->flux);
	spin_unlock_irq(&rtcache_flux_lock);
	list_del(&rn->list);
	mutex_unlock(&rtcache_mutex);
}

/*
 * The notifiers of a namespace end with it: of those that go meanwhile we hear, and do not
 * listen. Taking them out would cost each namespace a grace period of RCU.
 */
static void __net_exit rtcache_net_exit(struct net *net)
{
	if (!READ_ONCE(rtcache_stays))
		rtcache_event_net_exit(rtcache_net(net));
}

static struct pernet_operations rtcache_net_ops = {
	.init = rtcache_net_init,
	.pre_exit = rtcache_net_pre_exit,
	.exit = rtcache_net_exit,
	.id = &rtcache_net_id,
	.size = sizeof(struct rtcache_net),
};

int rtcache_init(void)
{
	int err;

	rtcache_watch_init();
	err = register_pernet_subsys(&rtcache_net_ops);
	if (err)
		goto works;
	err = rtcache_event_init();
	if (err)
		goto pernet;
	err = rtcache_netlink_init();
	if (!err) {
		WRITE_ONCE(rtcache_stays, true);
		return 0;
	}
	rtcache_event_exit();
pernet:
	unregister_pernet_subsys(&rtcache_net_ops);
works:	/* also of namespaces that were there until one failed */
	rtcache_watch_exit();
	cancel_delayed_work_sync(&rtcache_settle);
	return err;
}

void rtcache_exit(void)
{
	WRITE_ONCE(rtcache_stays, false);
	rtcache_netlink_exit();
	rtcache_watch_exit();
	rtcache_event_exit();
	unregister_pernet_subsys(&rtcache_net_ops);
	cancel_delayed_work_sync(&rtcache_settle);
}
