/* SPDX-License-Identifier: GPL-2.0 */
/*
 * flip.h - gen flip 4|6 N: one thread flips a route, another one caches what a lookup
 * finds, under the generation, and uses that as long as the generation says so.
 *
 *	198.51.0.0/16     2001:db8::/32      by device 0, always there
 *	198.51.100.0/24   2001:db8:64::/48   by device 1, there in every other turn
 *
 * The trap is a lookup between the event and the removal: it finds the old route, and
 * kept under a new generation that would be used for ever. An answer is checked when
 * no change was under way between before and after; then it has to be today's.
 */
#ifndef SELFTESTS_RTCACHE_FLIP_H
#define SELFTESTS_RTCACHE_FLIP_H

#include <net/if.h>
#include <pthread.h>
#include <stdatomic.h>

struct flip {
	int af, rounds;
	unsigned int dev[2];
	unsigned char prefix[16], target[16];
	atomic_int started, done, over;
	long asked, checked, hits, wrong;
};

static void flip_setup(struct flip *f, int version)
{
	f->af = version == 4 ? AF_INET : AF_INET6;
	inet_pton(f->af, version == 4 ? "198.51.100.0" : "2001:db8:64::", f->prefix);
	inet_pton(f->af, version == 4 ? "198.51.100.1" : "2001:db8:64::1", f->target);
	f->dev[0] = if_nametoindex("d0");
	f->dev[1] = if_nametoindex("d1");
	if (!f->dev[0] || !f->dev[1])
		die("d0, d1");
}

static int flip_addr_len(const struct flip *f)
{
	return f->af == AF_INET ? 4 : 16;
}

/* There is the narrower route in odd turns. */
static void flip_change(struct flip *f, int fd, bool there)
{
	struct msg m;
	int flags = NLM_F_ACK | (there ? NLM_F_CREATE | NLM_F_EXCL : 0), err;
	struct rtmsg *r = msg_begin(&m, there ? RTM_NEWROUTE : RTM_DELROUTE, flags, sizeof(*r));

	r->rtm_family = f->af;
	r->rtm_dst_len = f->af == AF_INET ? 24 : 48;
	r->rtm_table = RT_TABLE_MAIN;
	r->rtm_protocol = RTPROT_STATIC;
	r->rtm_scope = f->af == AF_INET ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE;
	r->rtm_type = RTN_UNICAST;
	msg_put(&m, RTA_DST, f->prefix, flip_addr_len(f));
	msg_put(&m, RTA_OIF, &f->dev[1], sizeof(f->dev[1]));
	atomic_fetch_add(&f->started, 1);
	err = msg_talk(fd, &m);
	atomic_fetch_add(&f->done, 1);
	if (err) {
		errno = -err;
		die("route");
	}
}

static unsigned int flip_lookup(struct flip *f, int fd)
{
	struct msg m;
	struct rtmsg *r = msg_begin(&m, RTM_GETROUTE, 0, sizeof(*r));
	int err;

	r->rtm_family = f->af;
	r->rtm_dst_len = f->af == AF_INET ? 32 : 128;
	msg_put(&m, RTA_DST, f->target, flip_addr_len(f));
	err = msg_talk(fd, &m);
	return err ? 0 : attr_u64(attr_find(&m.n, sizeof(*r), RTA_OIF));
}

static void *flip_user(void *arg)
{
	int rt = nl_open(NETLINK_ROUTE), fd = nl_open(NETLINK_GENERIC), before;
	unsigned int dev = 0, kept_dev = 0;
	uint64_t kept = 1, gen;
	struct flip *f = arg;
	struct stats s;
	bool hit;

	while (!atomic_load(&f->over)) {
		before = atomic_load(&f->done);
		get(fd, &s);
		gen = s.gen[f->af == AF_INET6];
		hit = gen == kept;
		dev = hit ? kept_dev : flip_lookup(f, rt);
		if (!hit && !(gen & 1)) {
			kept = gen;
			kept_dev = dev;
		}
		f->asked++;
		f->hits += hit;
		if (atomic_load(&f->started) != before)
			continue;
		f->checked++;
		f->wrong += dev != f->dev[before & 1];
	}
	return NULL;
}

static int flip(int version, int rounds)
{
	int rt = nl_open(NETLINK_ROUTE), i;
	struct flip f = {};
	pthread_t user;

	flip_setup(&f, version);
	if (pthread_create(&user, NULL, flip_user, &f))
		die("thread");
	for (i = 0; i < 2 * rounds; i++) {
		flip_change(&f, rt, !(i & 1));
		/* Sometimes the next one comes in the midst of the flux, or just after. */
		usleep(i * 7919 % 60000);
	}
	usleep(300000);
	atomic_store(&f.over, 1);
	pthread_join(user, NULL);
	printf("asked %ld checked %ld hits %ld wrong %ld\n", f.asked, f.checked, f.hits, f.wrong);
	return f.wrong || !f.hits;
}

#endif /* SELFTESTS_RTCACHE_FLIP_H */
