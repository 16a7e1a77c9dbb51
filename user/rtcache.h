/* SPDX-License-Identifier: GPL-2.0 */
/* rtcache.h - `vestige rtcache`: when are copies of routes stale? */
#ifndef VESTIGE_USER_RTCACHE_H
#define VESTIGE_USER_RTCACHE_H

int rtcache_monitor(int argc, char **argv);
int rtcache_stats(int argc, char **argv);
int rtcache_flush(int argc, char **argv);
int rtcache_follow(int argc, char **argv);

#endif
