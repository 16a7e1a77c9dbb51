/* SPDX-License-Identifier: GPL-2.0 */
/* host.h - what the command needs from the host as a whole. */
#ifndef VESTIGE_HOST_H
#define VESTIGE_HOST_H

#include <stdbool.h>
#include <stddef.h>

#define KERNEL_MAJOR 6
#define KERNEL_MINOR 1

/* Is this `uname -r` below KERNEL_MAJOR.KERNEL_MINOR? Pure. */
bool kernel_too_old(const char *release);

/* Root: EXIT_OK or EXIT_REFUSED, said. */
int host_root(void);

/* Root and a kernel new enough: EXIT_OK or EXIT_REFUSED, said. */
int host_check(void);

/*
 * Call fn for each mount of filesystem type; stops at the first non-zero
 * return and hands it on.
 */
int host_mounts(const char *type, int (*fn)(const char *where, void *arg), void *arg);

/*
 * Open the cgroup: path, or the root of cgroup2, wherever that is mounted.
 * Its path goes to buf. fd, or -EXIT_REFUSED, said.
 */
int host_cgroup(const char *path, char *buf, size_t size);

/* Where the first file system of that type is mounted. 0 or -ENOENT, in silence. */
int host_mount(const char *type, char *buf, size_t size);

#endif
