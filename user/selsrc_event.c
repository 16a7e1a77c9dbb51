// SPDX-License-Identifier: GPL-2.0
/* selsrc_event.c - link the program that hears of addresses that go; see selsrc_event.h. */
#include <errno.h>
#include <string.h>
#include <unistd.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "out.h"
#include "rtcache_nl.h"
#include "selsrc_event.h"
#include "selsrc_event.skel.h"
#include "step.h"

#define LINK		"link_event"
#define TRACEPOINT	"vestige_rtcache_event"

/* The maps are those of the folder; what is of a single cgroup this program does not have. */
static int share_map(const struct selsrc *s, struct bpf_map *map)
{
	int fd, err;

	if (bpf_map__is_internal(map))
		return 0;
	fd = pindir_get(s->dir, bpf_map__name(map));
	if (fd == -ENOENT)
		return bpf_map__set_autocreate(map, false);
	if (fd < 0)
		return fd;
	err = bpf_map__reuse_fd(map, fd);
	close(fd);
	return err;
}

static int load(const struct selsrc *s, struct selsrc_event_bpf *skel)
{
	struct bpf_map *map;
	int err = 0;

	bpf_object__for_each_map(map, skel->obj)
		if (!err)
			err = share_map(s, map);
	*(__u64 *)&skel->rodata->netns_cookie = s->ns.cookie;
	return err ? err : selsrc_event_bpf__load(skel);
}

/* Until the pin is there the link goes with the process. */
static int add_link(const struct selsrc *s, const struct selsrc_event_bpf *skel)
{
	int err = step(LINK), fd;

	fd = err ? err :
		   bpf_raw_tracepoint_open(TRACEPOINT, bpf_program__fd(skel->progs.selsrc_event));
	if (fd < 0)
		return fd;
	err = pindir_pin(s->dir, fd, LINK);
	close(fd);
	return err;
}

/* Without it `follow` does what it can: a kernel that is locked down may not take it. */
static int refuse(int err)
{
	p_warn("the module's events cannot be heard (%s); an address that goes is out when "
	       "'follow' hears of it", strerror(-err));
	return 0;
}

static int add(const struct selsrc *s)
{
	struct selsrc_event_bpf *skel = selsrc_event_bpf__open();
	int err = skel ? load(s, skel) : -errno, linked;

	out_libbpf_forget();
	linked = err ? refuse(err) : add_link(s, skel);
	selsrc_event_bpf__destroy(skel);
	if (linked < 0)
		p_err("the module's events cannot be heard: %s", strerror(-linked));
	return linked < 0 ? linked : !err;
}

int event_listen(const struct selsrc *s)
{
	return event_heard(s) || !rtcache_nl_present() ? 0 : add(s);
}

bool event_heard(const struct selsrc *s)
{
	int fd = pindir_get(s->dir, LINK);

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

static int program_of(int link)
{
	struct bpf_link_info info = {};
	__u32 len = sizeof(info);
	int err = bpf_obj_get_info_by_fd(link, &info, &len);

	return err ? err : bpf_prog_get_fd_by_id(info.prog_id);
}

__u64 event_misses(const struct selsrc *s)
{
	struct bpf_prog_info info = {};
	__u32 len = sizeof(info);
	int link = pindir_get(s->dir, LINK), prog = link < 0 ? link : program_of(link);

	if (link >= 0)
		close(link);
	if (prog < 0)
		return 0;
	if (bpf_obj_get_info_by_fd(prog, &info, &len))
		info.recursion_misses = 0;
	close(prog);
	return info.recursion_misses;
}
