/* SPDX-License-Identifier: GPL-2.0 */
/* sysctl.h - net.ipv4.* of the namespace that was entered. */
#ifndef VESTIGE_SYSCTL_H
#define VESTIGE_SYSCTL_H

#include <vestige/vtw.h>

#define MAX_TW_BUCKETS "tcp_max_tw_buckets"

/* 0 or negative errno, in silence. */
int sysctl_read(const char *name, int *value);
int sysctl_write(const char *name, int value);

/* What struct vtw_sysctls starts with. What cannot be read has Linux's default. */
void sysctl_snapshot(struct vtw_sysctls *s);

#endif
