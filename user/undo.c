// SPDX-License-Identifier: GPL-2.0
/* undo.c - take an attachment down, whole or half made. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <bpf/bpf.h>
#include <sys/socket.h>

#include "hook.h"
#include "out.h"
#include "step.h"
#include "sysctl.h"
#include "table.h"
#include "undo.h"

/* No step: nothing is in effect or out of it by this. */
static int begin(struct pins *p)
{
	if (!p->att.abi || p->att.phase == VTW_PHASE_DETACHING)
		return 0;
	p->att.phase = VTW_PHASE_DETACHING;
	return pins_write(p);
}

/*
 * Ours is the 0. Any other value was set by somebody else, and his wish is
 * newer than what we saved.
 */
static int restore_sysctl(const struct pins *p, __u32 phase)
{
	int now, err = sysctl_read(MAX_TW_BUCKETS, &now);

	if (!p->att.abi) {
		if (!err && !now)
			p_warn(MAX_TW_BUCKETS " is 0 and nothing says what it was; set it");
		return 0;
	}
	if (!err && now == p->att.saved_max_tw_buckets)
		return 0;
	if (!err && now) {
		if (phase == VTW_PHASE_ATTACHED)
			p_warn(MAX_TW_BUCKETS " was set to %d while attached; it is left so "
			       "(before the attach it was %d)", now,
			       p->att.saved_max_tw_buckets);
		return 0;
	}
	if (!err)
		err = step("sysctl " MAX_TW_BUCKETS "=%d", p->att.saved_max_tw_buckets);
	if (!err)
		err = sysctl_write(MAX_TW_BUCKETS, p->att.saved_max_tw_buckets);
	if (err)
		p_err("sysctl " MAX_TW_BUCKETS " cannot be restored to %d: %s; nothing was "
		      "detached", p->att.saved_max_tw_buckets, strerror(-err));
	return err;
}

static __u32 index_id(const struct pins *p)
{
	struct bpf_map_info info = {};
	__u32 len = sizeof(info);
	int fd = pindir_get(p->dir, "v4_index");

	if (fd < 0)
		return 0;
	bpf_obj_get_info_by_fd(fd, &info, &len);
	close(fd);
	return info.id;
}

/*
 * The tracepoint's link, programs and maps end some time after their last pin (RCU,
 * then a work queue). Whoever comes behind us shall find them gone, but a
 * `vtw list` that has the map open must not hold us up for long.
 */
static void wait_map_gone(__u32 id)
{
	int tries, fd;

	for (tries = 0; id && tries < 500; tries++) {
		fd = bpf_map_get_fd_by_id(id);
		if (fd < 0)
			return;
		close(fd);
		usleep(1000);
	}
}

/*
 * The module's tracepoint stays until the programs on devices have gone, which rely on it: else
 * they would trust what it does not change any more.
 */
static int remove_if_link(const char *dir, const char *name, void *arg)
{
	(void)arg;
	if (strncmp(name, "link_", 5) || !strcmp(name, "link_rtcache"))
		return 0;
	return pindir_remove_link(dir, name);
}

static int remove_filters(const struct pins *p)
{
	struct device *devices;
	int n = rtnl_devices(&devices), i, err = 0;

	if (n < 0) {
		p_err("devices cannot be listed: %s", strerror(-n));
		return n;
	}
	for (i = 0; i < n && !err; i++) {
		err = hook_remove_tc(p, &devices[i]);
		if (err == -ENODEV)
			err = 0;
	}
	free(devices);
	return err;
}

static int remove_entry(const char *dir, const char *name, void *arg)
{
	char path[PATH_MAX];
	int err;

	(void)arg;
	if (!strcmp(name, "attachment"))
		return 0;
	if (strncmp(name, "dev_", 4) && strncmp(name, "clsact_", 7))
		return pindir_unpin(dir, name);
	snprintf(path, sizeof(path), "%s/%s", dir, name);
	err = step("remove mark %s", name);
	if (!err && rmdir(path) && errno != ENOENT)
		err = -errno;
	if (err)
		p_err("%s cannot be removed: %s", path, strerror(-err));
	return err;
}

static __u32 live(const struct pins *p, int family)
{
	struct table table;
	__u32 count;

	if (table_open(&table, family, p->dir, false))
		return 0;
	count = table_count(&table, NULL);
	table_close(&table);
	return count;
}

/*
 * Nothing is recorded any more, so this ends: at the latest after the longest
 * length. Ctrl-C ends it at once; the next detach does not wait.
 */
static void wait_expired(const struct pins *p)
{
	__u32 left, before = 0;

	step_release_signals();
	while ((left = live(p, AF_INET) + live(p, AF_INET6))) {
		if (left != before)
			p_debug("%u sessions live", left);
		before = left;
		usleep(100000);
	}
	step_hold_signals();
}

static int stop_recording(const struct pins *p)
{
	int err = pindir_remove_link(p->dir, "link_sockops");

	return err ? err : pindir_remove_link(p->dir, "link_net");
}

int undo(struct pins *p, unsigned int flags)
{
	__u32 phase = p->att.phase, map = index_id(p);
	int err = begin(p);

	if (!err && !(flags & UNDO_GONE))
		err = restore_sysctl(p, phase);
	if (!err)
		err = stop_recording(p);
	if (!err && (flags & UNDO_WAIT))
		wait_expired(p);
	if (!err)
		err = pindir_each(p->dir, remove_if_link, NULL);
	if (!err && !(flags & UNDO_GONE))
		err = remove_filters(p);
	if (!err)
		err = pindir_each(p->dir, remove_entry, NULL);
	if (!err && p->att.abi)
		err = pindir_unpin(p->dir, "attachment");
	if (!err)
		wait_map_gone(map);
	return err;
}
