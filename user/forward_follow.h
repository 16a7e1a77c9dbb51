/* SPDX-License-Identifier: GPL-2.0 */
/*
 * forward_follow.h - without the module: the facts of devices, for who forwards.
 *
 * What is attached comes and goes; whoever follows rtnetlink hands its messages on, and
 * does not vouch for what is attached while it is not ready.
 */
#ifndef VESTIGE_FORWARD_FOLLOW_H
#define VESTIGE_FORWARD_FOLLOW_H

#include <stdbool.h>
#include <linux/types.h>

struct nlmsghdr;

struct forward_follow {
	const char *dir;	/* where it is pinned, if it is */
	__u32 id;		/* of the map `devices`; 0: none */
	int devices, vlans;	/* the maps */
	bool due;		/* all are to be read anew */
};

/*
 * Is what is attached, if anything, told how all devices are now? What has come since the
 * last time, and what is due, is told first. Before anybody vouches.
 */
bool forward_follow_ready(struct forward_follow *f);

/* Something changed, and this is what was said of it. */
void forward_follow_message(struct forward_follow *f, const struct nlmsghdr *msg);

void forward_follow_close(struct forward_follow *f);

#endif
