// SPDX-License-Identifier: GPL-2.0
/* sysctl.c - net.ipv4.* of the namespace that was entered. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "sysctl.h"

static int open_sysctl(const char *name, int flags)
{
	char path[PATH_MAX];
	int fd;

	snprintf(path, sizeof(path), "/proc/sys/net/ipv4/%s", name);
	fd = open(path, flags | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

int sysctl_read(const char *name, int *value)
{
	int fd = open_sysctl(name, O_RDONLY);
	char buf[32];
	ssize_t len;

	if (fd < 0)
		return fd;
	len = read(fd, buf, sizeof(buf) - 1);
	close(fd);
	if (len <= 0)
		return -EIO;
	buf[len] = '\0';
	*value = atoi(buf);
	return 0;
}

int sysctl_write(const char *name, int value)
{
	int fd = open_sysctl(name, O_WRONLY), len, err = 0;
	char buf[32];

	if (fd < 0)
		return fd;
	len = snprintf(buf, sizeof(buf), "%d\n", value);
	if (write(fd, buf, len) != len)
		err = -errno;
	close(fd);
	return err;
}

static __u32 value_or(const char *name, int otherwise)
{
	int value;

	return sysctl_read(name, &value) ? otherwise : value;
}

void sysctl_snapshot(struct vtw_sysctls *s)
{
	s->timestamps = value_or("tcp_timestamps", 1);
	s->rfc1337 = value_or("tcp_rfc1337", 0);
	s->invalid_ratelimit_ms = value_or("tcp_invalid_ratelimit", 500);
	s->fin_timeout_ms = value_or("tcp_fin_timeout", 60) * 1000;
}
