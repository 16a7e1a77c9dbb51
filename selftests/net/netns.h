/* SPDX-License-Identifier: GPL-2.0 */
/* netns.h - into a network namespace by its name below /run/netns, or by a path. */
#ifndef SELFTESTS_NET_NETNS_H
#define SELFTESTS_NET_NETNS_H

#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <unistd.h>

/* 0, or -1 and errno. */
static inline int enter_netns(const char *name)
{
	char path[300];
	int fd, ret;

	snprintf(path, sizeof(path), "%s%s", *name == '/' ? "" : "/run/netns/", name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	ret = setns(fd, CLONE_NEWNET);
	close(fd);
	return ret;
}

#endif
