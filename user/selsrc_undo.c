// SPDX-License-Identifier: GPL-2.0
/* selsrc_undo.c - take a cgroup, or all that there is, out of a folder of selsrc. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <bpf/bpf.h>

#include "cmd.h"
#include "out.h"
#include "selsrc_undo.h"
#include "step.h"

static int unpin_if_begins(const char *dir, const char *name, void *arg)
{
	const char *with = arg;

	return strncmp(name, with, strlen(with)) ? 0 : pindir_unpin(dir, name);
}

/* No step: nothing is in effect or out of it by this. */
static int write_state(struct selsrc *s, int i, __u32 state)
{
	int err;

	s->set[i].state = state;
	err = selsrc_write_set(s, i);
	if (err)
		p_err("map 'sets' cannot be written: %s", strerror(-err));
	return err;
}

int selsrc_undo_set(struct selsrc *s, int i)
{
	char links[32];
	int err;

	snprintf(links, sizeof(links), "link_%d_", i);
	err = write_state(s, i, SET_DETACHING);
	if (!err)
		err = pindir_each(s->dir, unpin_if_begins, links);
	if (!err) {
		memset(&s->set[i], 0, sizeof(s->set[i]));
		err = write_state(s, i, SET_FREE);
	}
	return err;
}

static void close_maps(struct selsrc *s)
{
	int lock = s->lock;

	s->lock = -1;
	selsrc_close(s);
	s->lock = lock;
}

int selsrc_undo_all(struct selsrc *s)
{
	static char links[] = "link_", all[] = "";
	int err;

	close_maps(s);
	err = pindir_each(s->dir, unpin_if_begins, links);
	/* Without it nobody takes the rest for maps. */
	if (!err)
		err = pindir_unpin(s->dir, "state");
	if (!err)
		err = pindir_each(s->dir, unpin_if_begins, all);
	return err;
}

/* The kernel takes programs off a cgroup that is removed; the link stays, of nothing. */
static int look_at_link(const char *dir, const char *name, void *arg)
{
	struct bpf_link_info info = {};
	__u32 len = sizeof(info);
	const char *with = arg;
	int fd, gone;

	if (strncmp(name, with, strlen(with)))
		return 0;
	fd = pindir_get(dir, name);
	if (fd < 0)
		return 0;
	gone = !bpf_obj_get_info_by_fd(fd, &info, &len) && !info.cgroup.cgroup_id;
	close(fd);
	return gone;
}

static bool cgroup_is_gone(const struct selsrc *s, int i)
{
	char links[32];

	snprintf(links, sizeof(links), "link_%d_", i);
	return pindir_each(s->dir, look_at_link, links) > 0;
}

static int mend_sets(struct selsrc *s)
{
	int i, err = 0, attached = 0;

	for (i = 0; i < SELSRC_SETS && !err; i++) {
		if (s->set[i].state == SET_FREE)
			continue;
		if (s->set[i].state != SET_ATTACHED)
			p_warn("undoing an attach or detach of %s that was cut short",
			       s->set[i].cgroup);
		else if (!cgroup_is_gone(s, i) && ++attached)
			continue;
		err = selsrc_undo_set(s, i);
	}
	if (!err && !attached)
		err = selsrc_undo_all(s);
	return err ? EXIT_REFUSED : EXIT_OK;
}

int selsrc_mend(struct selsrc *s)
{
	int err = selsrc_maps(s, true);

	if (!err)
		return mend_sets(s);
	close_maps(s);
	if (err == -ENOENT)
		return selsrc_undo_all(s) ? EXIT_REFUSED : EXIT_OK;
	if (err == -EPROTO)
		p_err("%s is of another version of vestige; detach with that version", s->dir);
	else
		p_err("%s cannot be read: %s", s->dir, strerror(-err));
	return EXIT_REFUSED;
}
