/* SPDX-License-Identifier: GPL-2.0 */
/*
 * rtcache_nl.h - the module's generic netlink family, in the network namespace that was
 * entered; <uapi/linux/vestige_rtcache.h>.
 */
#ifndef VESTIGE_RTCACHE_NL_H
#define VESTIGE_RTCACHE_NL_H

#include <stdbool.h>
#include <libmnl/libmnl.h>
#include <linux/types.h>

struct rtcache_nl {
	struct mnl_socket *sk;
	__u16 family;
	__u32 events;		/* the multicast group; 0: none */
};

/* 0, or negative errno in silence; -ENOENT: the module is not loaded. */
int rtcache_nl_open(struct rtcache_nl *nl);
void rtcache_nl_close(struct rtcache_nl *nl);

/* Say why rtcache_nl_open() failed. Returns EXIT_REFUSED. */
int rtcache_nl_refused(const char *what, int err);

/* GET: fn is called with the answer. 0 or negative errno. */
int rtcache_nl_get(struct rtcache_nl *nl, mnl_cb_t fn, void *arg);

/* FLUSH. families: bits. 0 or negative errno. */
int rtcache_nl_flush(struct rtcache_nl *nl, __u32 families);

/* Join the group of events. 0 or negative errno. */
int rtcache_nl_join(struct rtcache_nl *nl);

/* Is the module there? In silence. */
bool rtcache_nl_present(void);

#endif
