// SPDX-License-Identifier: GPL-2.0
/* rtcache.c - `vestige rtcache`: when are copies of routes stale? */
#include <stddef.h>

#include "cmd.h"
#include "rtcache.h"

static const struct cmd cmds[] = {
	{ "monitor", rtcache_monitor, "what makes copies of routes stale, live" },
	{ "stats",   rtcache_stats,   "who keeps the generations, and where they stand" },
	{ "flush",   rtcache_flush,   "[inet|inet6]: no copy made until now is good" },
	{ "follow",  rtcache_follow,  "[events] [rcvbuf BYTES]: keep them without the module" },
	{ NULL, NULL, NULL },
};

int do_rtcache(int argc, char **argv)
{
	return cmd_select(cmds, "rtcache", argc, argv);
}
