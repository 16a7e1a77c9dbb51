/* SPDX-License-Identifier: GPL-2.0 */
/*
 * follow.h - hear from rtnetlink what changes in the network namespace.
 *
 * Nothing is ever waited for but in follow_run(): who needs a clock says in due()
 * when to be called again.
 */
#ifndef VESTIGE_FOLLOW_H
#define VESTIGE_FOLLOW_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <libmnl/libmnl.h>
#include <linux/types.h>

#define FOLLOW_NEVER	(~0ull)

struct follow_ops {
	/* One message of the kernel. */
	void (*message)(void *arg, const struct nlmsghdr *msg);

	/*
	 * Some were lost, and until resync() more will be: nothing that was learnt
	 * from messages can be trusted. May be NULL.
	 */
	void (*overrun)(void *arg);

	/*
	 * Everything that changes from now on is heard of: the moment to look at how
	 * things are. Once at the start, then after each overrun. 0, or negative
	 * errno, which ends follow_run(). May be NULL.
	 */
	int (*resync)(void *arg);

	/*
	 * What is due by the clock. Called after each batch of messages, too; `quiet`:
	 * everything that was told before now_ns has been read. Returns when to be
	 * called again, in ns of CLOCK_MONOTONIC, or FOLLOW_NEVER.
	 */
	__u64 (*due)(void *arg, __u64 now_ns, bool quiet);

	/* A probe of follow_probe() has come through the queue. May be NULL. */
	void (*probe)(void *arg, __u64 sent_ns);
};

struct follow {
	const struct follow_ops *ops;
	void *arg;
	struct mnl_socket *sk;
	int signals;		/* signalfd() of SIGTERM, SIGINT and SIGHUP */
	bool lost;		/* since the last resync() */
	bool stop;		/* set it to leave follow_run() */
	char *buf;

	struct mnl_socket *probe_sk;
	pthread_t prober;
	unsigned int probe_ms;
	bool probing;
};

/*
 * A socket in the namespace that was entered. groups: RTNLGRP_*, ends with 0; one that
 * the kernel does not know is left out. rcvbuf: bytes. 0, or negative errno in
 * silence. The three signals are blocked from here on.
 */
int follow_open(struct follow *f, const unsigned int *groups, int rcvbuf,
		const struct follow_ops *ops, void *arg);

/*
 * How long does it take from a message entering our queue until it is dealt with? From
 * now on a thread sends us one each `ms` that says nothing but when it was sent. Needs
 * CAP_NET_ADMIN. 0 or negative errno.
 */
int follow_probe(struct follow *f, unsigned int ms);

/* Until a signal or f->stop: 0. Negative errno: it cannot go on. */
int follow_run(struct follow *f);

void follow_close(struct follow *f);

/*
 * On a busy machine most of the time until a message is dealt with is spent waiting for a
 * CPU: from now on this thread and those it makes come before ordinary ones, if the
 * kernel lets them. For who does little for each message.
 */
void follow_first(void);

/* CLOCK_MONOTONIC, which is bpf_ktime_get_ns(). */
__u64 follow_now_ns(void);

#endif
