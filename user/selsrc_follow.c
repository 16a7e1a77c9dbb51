// SPDX-License-Identifier: GPL-2.0
/*
 * selsrc_follow.c - `vestige selsrc follow`: the tables are kept in step with the kernel.
 *
 * A change is in the tables as soon as nothing more is waiting to be read, and they are
 * written once more when it has been quiet for a while: some messages come before what
 * they tell of can be seen. Until then the old tables stay in use: a connect() takes no
 * address that is gone, and to leave it to the kernel would be worse for who has a policy
 * because the kernel chooses wrong. But what is sent without connect() is not checked by
 * anybody, so an address that has gone is taken out of them at once; with the module it is
 * already (bpf/selsrc_event.bpf.c), and nothing here is a matter of time. Only when messages were
 * lost, or when the kernel does not stop talking, are the tables out of use (gens odd)
 * until they are written.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <bpf/bpf.h>
#include <linux/filter.h>
#include <linux/if.h>
#include <linux/rtnetlink.h>

#include "args.h"
#include "cmd.h"
#include "follow.h"
#include "out.h"
#include "rtcache_nl.h"
#include "selsrc.h"
#include "selsrc_event.h"
#include "selsrc_model.h"

#define RCVBUF		(8 << 20)
#define BOTH		RTCACHE_BOTH
#define MODULE		"/sys/module/vestige"

/* Of the time that it takes to write the tables, so many times is rested thereafter. */
#define REST		4

#define REST_MAX_NS	50000000ull

/* So long tables may be older than what has been heard. */
#define PATIENCE_NS	1000000000ull

struct following {
	struct selsrc *s;
	struct follow f;
	bool dirty;			/* heard of, not yet in the tables */
	bool again;			/* to be written once more when it is quiet */
	__u64 first_ns, changed_ns;	/* first and last change that is not in them */
	__u64 not_before_ns;		/* who hears a lot does not write all the time */
	__u64 renew_ns;
	__u64 labels;			/* digest of those in the tables */
	__u64 misses;			/* events of the module that its program was not run for */
	bool deaf;			/* the module is there, and cannot be heard */
	struct rtcache_nl nl;		/* in its group of events; sk NULL: not */
	__u64 writes, overruns, slowest_ns;
};

/* ---- generations --------------------------------------------------------------------------- */

static void set_gen(struct following *w, int family, __u64 gen)
{
	__atomic_store_n(&w->s->gens->gen[family], gen, __ATOMIC_SEQ_CST);
}

/* Out of use. */
static void bump(struct following *w, __u32 families)
{
	int f;

	for (f = 0; f < SELSRC_FAMILIES; f++)
		if (families & 1 << f && !(rtcache_gen(w->s->gens, f) & 1))
			set_gen(w, f, rtcache_bumped(rtcache_gen(w->s->gens, f)));
}

/* In use, by tables that were written for it. */
static void settle(struct following *w, const struct model *m)
{
	int f;

	for (f = 0; f < SELSRC_FAMILIES; f++)
		set_gen(w, f, m->gen[f]);
}

static void vouch(struct following *w, __u64 until_ns)
{
	__atomic_store_n(&w->s->gens->lease_ns, until_ns, __ATOMIC_SEQ_CST);
}

/* Are the tables those of these generations? */
static bool in_step(const struct following *w)
{
	const struct selsrc_state *st = w->s->state;
	const struct selsrc_head *head = &st->head[st->version & 1];
	int f;

	for (f = 0; f < SELSRC_FAMILIES; f++)
		if (head->gen[f] != rtcache_gen(w->s->gens, f))
			return false;
	return true;
}

/* ---- tables ---------------------------------------------------------------------------------- */

/* The kernel does not tell when labels change. */
static __u64 digest_labels(const struct krn *krn)
{
	const unsigned char *at = (const void *)krn->labels;
	size_t n = krn->nr_labels * sizeof(*krn->labels);
	__u64 digest = 14695981039346656037ull;

	while (n--)
		digest = (digest ^ *at++) * 1099511628211ull;
	return digest;
}

/* Somebody who attaches or sets a policy has the lock for a moment. */
static int write_locked(struct following *w)
{
	struct model m;
	int err;

	w->s->lock = pindir_lock(w->s->dir, false);
	if (w->s->lock < 0)
		return w->s->lock;
	err = model_read(&m, w->s);
	if (!err)
		err = model_write(&m, w->s);
	if (!err) {
		w->labels = digest_labels(&m.krn);
		settle(w, &m);
	}
	model_free(&m);
	close(w->s->lock);
	w->s->lock = -1;
	return err;
}

static void refuse_write(struct following *w, int err)
{
	if (err == -ENOENT) {
		p_err("detached meanwhile");
		w->f.stop = true;
	} else if (err != -EWOULDBLOCK) {
		p_warn("the tables cannot be written: %s", strerror(-err));
		bump(w, BOTH);
	}
}

static void write_tables(struct following *w)
{
	__u64 from = follow_now_ns(), now, took;
	int err = write_locked(w);

	now = follow_now_ns();
	took = REST * (now - from);
	w->not_before_ns = now + (took < REST_MAX_NS ? took : REST_MAX_NS);
	if (err) {
		refuse_write(w, err);
		return;
	}
	took = w->first_ns ? now - w->first_ns : 0;
	if (took > w->slowest_ns)
		w->slowest_ns = took;
	w->writes++;
	p_debug("tables written in %llu us, %llu us after the first change",
		(unsigned long long)(now - from) / 1000, (unsigned long long)took / 1000);
	w->again = w->dirty;
	w->dirty = false;
	w->first_ns = 0;
}

/* ---- events ---------------------------------------------------------------------------------- */

static __u32 families_of(const struct nlmsghdr *msg)
{
	const struct rtgenmsg *gen = mnl_nlmsg_get_payload(msg);

	switch (msg->nlmsg_type) {
	case RTM_NEWADDR:
	case RTM_DELADDR:
	case RTM_NEWROUTE:
	case RTM_DELROUTE:
	case RTM_NEWRULE:
	case RTM_DELRULE:
		return gen->rtgen_family == AF_INET ? 1 << RTCACHE_INET :
		       gen->rtgen_family == AF_INET6 ? 1 << RTCACHE_INET6 : 0;
	case RTM_NEWADDRLABEL:
	case RTM_DELADDRLABEL:
		return 1 << RTCACHE_INET6;
	case RTM_NEWLINK:
	case RTM_DELLINK:
	case RTM_NEWNEXTHOP:
	case RTM_DELNEXTHOP:
		return BOTH;
	}
	return 0;
}

/* Devices also tell of what is none of our business: wireless scans, and each STP state. */
static bool is_noise(const struct nlmsghdr *msg)
{
	const struct ifinfomsg *info = mnl_nlmsg_get_payload(msg);

	return msg->nlmsg_type == RTM_NEWLINK && info->ifi_family != AF_UNSPEC;
}

static void forget(struct following *w, const struct nlmsghdr *msg, __u32 families)
{
	struct krn_addr addr;

	if (krn_addr(msg, &addr) &&
	    table_forget(w->s, addr.family, addr.ifindex, addr.addr))
		bump(w, families);
}

static void changed(struct following *w)
{
	w->changed_ns = follow_now_ns();
	if (!w->first_ns)
		w->first_ns = w->changed_ns;
	w->dirty = true;
}

static void on_message(void *arg, const struct nlmsghdr *msg)
{
	__u32 families = families_of(msg);
	struct following *w = arg;

	if (!families || is_noise(msg))
		return;
	if (msg->nlmsg_type == RTM_DELADDR)
		forget(w, msg, families);
	changed(w);
}

static void on_overrun(void *arg)
{
	struct following *w = arg;

	w->overruns++;
	p_warn("the kernel told more than was read; the tables are read anew");
	bump(w, BOTH);
	changed(w);
}

/* Also the beginning: what the tables say is of the time when they were attached. */
static int on_resync(void *arg)
{
	struct following *w = arg;

	bump(w, BOTH);
	changed(w);
	return 0;
}

static bool is_due(const struct following *w, __u64 now_ns, bool quiet)
{
	if (!quiet || now_ns < w->not_before_ns)
		return false;
	return w->dirty || !in_step(w) ||
	       (w->again && now_ns >= w->changed_ns + RTCACHE_SETTLE_NS);
}

static bool labels_changed(const struct following *w)
{
	struct krn krn;
	bool changed = !krn_read(&krn, KRN_LABELS) && digest_labels(&krn) != w->labels;

	krn_free(&krn);
	return changed;
}

static __u32 map_id(int fd)
{
	struct bpf_map_info info = {};
	__u32 len = sizeof(info);

	return fd < 0 || bpf_obj_get_info_by_fd(fd, &info, &len) ? 0 : info.id;
}

/* A detach, and perhaps an attach after it: our maps are nobody's any more. */
static bool is_detached(const struct selsrc *s)
{
	int fd = pindir_get(s->dir, "sets");
	bool detached = map_id(fd) != map_id(s->sets);

	if (fd >= 0)
		close(fd);
	return detached;
}

/*
 * The module may have come, or somebody has removed the pin. Who only asks for a module has it
 * looked for, so it is asked when it is there; and once, if it does not let us hear.
 */
static bool listens_now(struct following *w)
{
	bool there = !access(MODULE, F_OK);
	int lock, ret;

	if (!there || w->deaf || event_heard(w->s)) {
		w->deaf = w->deaf && there;
		return false;
	}
	lock = pindir_trylock(w->s->dir);
	if (lock < 0)
		return false;
	ret = event_listen(w->s);
	close(lock);
	w->deaf = ret <= 0;
	return ret > 0;
}

/*
 * Whoever is in the group of events has programs in this namespace which use what they hear, so
 * that the module waits for calls that are under way. The messages themselves say nothing that
 * rtnetlink does not: the kernel drops them.
 */
static void join_group(struct following *w)
{
	struct sock_filter drop = BPF_STMT(BPF_RET | BPF_K, 0);
	struct sock_fprog filter = { 1, &drop };
	int err;

	if (w->nl.sk || !event_heard(w->s) || rtcache_nl_open(&w->nl))
		return;
	err = setsockopt(mnl_socket_get_fd(w->nl.sk), SOL_SOCKET, SO_ATTACH_FILTER, &filter,
			 sizeof(filter)) ? -errno : rtcache_nl_join(&w->nl);
	if (!err)
		return;
	p_warn("the module does not let calls through before an address goes: %s", strerror(-err));
	rtcache_nl_close(&w->nl);
}

/*
 * The module's events are for what cannot wait. All else, and the same once more, comes by
 * rtnetlink, so that who has missed some has only to write the tables once more.
 */
static void look_at_events(struct following *w)
{
	__u64 misses = event_misses(w->s);

	if (listens_now(w)) {
		misses = 0;
		rtcache_nl_close(&w->nl);
		p_warn("the module is heard from now on; the tables are read anew");
	} else if (misses > w->misses) {
		w->overruns++;
		p_warn("events of the module were missed; the tables are read anew");
		bump(w, BOTH);
	} else {
		w->misses = misses;	/* fewer: another has linked it anew */
		return;
	}
	w->misses = misses;
	changed(w);
}

static void renew(struct following *w, __u64 now_ns)
{
	if (is_detached(w->s)) {
		p_err("detached meanwhile");
		w->f.stop = true;
		return;
	}
	look_at_events(w);
	join_group(w);
	if (labels_changed(w))
		changed(w);
	vouch(w, now_ns + RTCACHE_LEASE_NS);
	w->renew_ns = now_ns + RTCACHE_RENEW_NS;
}

static __u64 on_due(void *arg, __u64 now_ns, bool quiet)
{
	struct following *w = arg;
	bool first = !w->writes;

	if (is_due(w, now_ns, quiet))
		write_tables(w);
	else if (w->dirty && now_ns > w->first_ns + PATIENCE_NS)
		bump(w, BOTH);
	if (now_ns >= w->renew_ns)
		renew(w, now_ns);
	if (first && w->writes) {
		p_text("following %s\n", w->s->dir);
		fflush(stdout);
	}
	if (!w->dirty && !w->again)
		return w->renew_ns;
	return w->dirty ? w->not_before_ns : w->changed_ns + RTCACHE_SETTLE_NS;
}

static const struct follow_ops ops = {
	.message = on_message, .overrun = on_overrun, .resync = on_resync, .due = on_due,
};

static const unsigned int groups[] = {
	RTNLGRP_LINK, RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR, RTNLGRP_IPV4_ROUTE,
	RTNLGRP_IPV6_ROUTE, RTNLGRP_IPV4_RULE, RTNLGRP_IPV6_RULE, RTNLGRP_NEXTHOP, 0
};

int selsrc_follow_run(struct selsrc *s)
{
	/* What was missed before is in what is read at the beginning. */
	struct following w = { .s = s, .misses = event_misses(s) };
	int err;

	s->gens_are_ours = true;
	follow_first();
	err = follow_open(&w.f, groups, RCVBUF, &ops, &w);
	if (!err) {
		err = follow_run(&w.f);
		follow_close(&w.f);
	}
	vouch(&w, 0);
	rtcache_nl_close(&w.nl);
	p_text("%llu times written, %llu overruns, at most %llu us after a change\n",
	       (unsigned long long)w.writes, (unsigned long long)w.overruns,
	       (unsigned long long)w.slowest_ns / 1000);
	if (!err)
		return EXIT_OK;
	p_err("the kernel cannot be followed: %s", strerror(-err));
	return EXIT_REFUSED;
}

int selsrc_follow(int argc, char **argv)
{
	struct selsrc s;
	int ret;

	if (argc) {
		p_err("selsrc follow: '%s' is one word too many", argv[0]);
		return EXIT_USAGE;
	}
	ret = selsrc_open(&s, NULL, true);
	if (ret)
		return ret;
	ret = selsrc_follow_run(&s);
	selsrc_close(&s);
	return ret;
}
