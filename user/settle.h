/* SPDX-License-Identifier: GPL-2.0 */
/*
 * settle.h - wait until what changes is visible to every lookup.
 *
 * rtnetlink tells of some changes before they are made. All are made with rtnl held, or
 * within an RCU read section; so when rtnl could be had and every such section that
 * was open has ended, all that we were told of has happened. Somebody else may have
 * rtnl for seconds: so a thread waits.
 */
#ifndef VESTIGE_SETTLE_H
#define VESTIGE_SETTLE_H

#include <pthread.h>
#include <stdbool.h>

struct mnl_socket;

struct settle {
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t wanted;
	struct mnl_socket *sk;
	unsigned int asked, done;	/* how often */
	bool stop;
};

/* In the namespace that was entered. Needs CAP_NET_ADMIN. 0 or negative errno. */
int settle_open(struct settle *s);

/* Begin to wait. */
void settle_ask(struct settle *s);

/* Is it over, for all that came before settle_ask()? */
bool settle_done(struct settle *s);

/* Waits for who waits for rtnl. */
void settle_close(struct settle *s);

#endif
