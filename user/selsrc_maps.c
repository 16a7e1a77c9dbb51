// SPDX-License-Identifier: GPL-2.0
/* selsrc_maps.c - the folder <bpffs>/vestige_selsrc/<netns cookie>, and the maps in it. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <bpf/bpf.h>
#include <sys/mman.h>

#include "cmd.h"
#include "host.h"
#include "out.h"
#include "pins.h"
#include "selsrc.h"

#define LOCK_TRIES	50	/* of a tenth of a second: who follows has it for a moment */

int selsrc_locate(struct selsrc *s, const struct ns *ns)
{
	int f;

	memset(s, 0, sizeof(*s));
	s->ns = *ns;
	s->lock = s->devs = s->prefs = s->sets = s->stats = -1;
	for (f = 0; f < 2; f++)
		s->labels[f] = s->routes[f][0] = s->routes[f][1] = -1;
	return pindir_locate(SELSRC_PART, ns, s->dir, sizeof(s->dir));
}

/* ---- maps ---------------------------------------------------------------------------- */

static int map_info(int fd, struct bpf_map_info *info)
{
	__u32 len = sizeof(*info);

	memset(info, 0, sizeof(*info));
	return bpf_obj_get_info_by_fd(fd, info, &len);
}

/* Bytes that a mappable array takes: its elements are padded to 8, all to pages. */
static size_t map_bytes(const struct bpf_map_info *info)
{
	size_t page = sysconf(_SC_PAGESIZE);
	size_t bytes = (size_t)info->max_entries * ((info->value_size + 7) & ~7u);

	return (bytes + page - 1) & ~(page - 1);
}

/* One of another size is another version's. */
static int map_array(const char *dir, const char *name, bool writable, size_t size, void *mem,
		     __u32 *entries)
{
	struct bpf_map_info info;
	int fd = pindir_get(dir, name), err;
	void *at;

	if (fd < 0)
		return fd;
	err = map_info(fd, &info);
	if (!err && info.value_size != size)
		err = -EPROTO;
	if (!err) {
		at = mmap(NULL, map_bytes(&info), PROT_READ | (writable ? PROT_WRITE : 0),
			  MAP_SHARED, fd, 0);
		err = at == MAP_FAILED ? -errno : 0;
		if (!err)
			*(void **)mem = at;
	}
	if (!err && entries)
		*entries = info.max_entries;
	close(fd);
	return err;
}

static int get_map(const char *dir, const char *name, size_t size, int *fd)
{
	struct bpf_map_info info;
	int err;

	*fd = pindir_get(dir, name);
	if (*fd < 0)
		return *fd;
	err = map_info(*fd, &info);
	return !err && info.value_size != size ? -EPROTO : err;
}

static int get_halves(struct selsrc *s)
{
	char name[16];
	int half, err = 0;

	for (half = 0; half < 2 && !err; half++) {
		snprintf(name, sizeof(name), "routes4_%d", half);
		err = get_map(s->dir, name, sizeof(struct selsrc_route),
			      &s->routes[RTCACHE_INET][half]);
		snprintf(name, sizeof(name), "routes6_%d", half);
		if (!err)
			err = get_map(s->dir, name, sizeof(struct selsrc_route),
				      &s->routes[RTCACHE_INET6][half]);
		snprintf(name, sizeof(name), "labels_%d", half);
		if (!err)
			err = get_map(s->dir, name, sizeof(__u32), &s->labels[half]);
	}
	return err;
}

static int map_arrays(struct selsrc *s, bool writable)
{
	__u32 entries4 = 0, entries6 = 0;
	int err;

	err = map_array(s->dir, "gens", writable, sizeof(*s->gens), &s->gens, NULL);
	if (!err)
		err = map_array(s->dir, "chunks4", writable, sizeof(*s->chunks4), &s->chunks4,
				&entries4);
	if (!err)
		err = map_array(s->dir, "chunks6", writable, sizeof(*s->chunks6), &s->chunks6,
				&entries6);
	if (!err)
		err = map_array(s->dir, "steps4", writable, sizeof(*s->steps4), &s->steps4, NULL);
	if (!err)
		err = map_array(s->dir, "steps6", writable, sizeof(*s->steps6), &s->steps6, NULL);
	if (!err)
		err = map_array(s->dir, "policies", writable, sizeof(*s->policies),
				&s->policies, NULL);
	s->chunks = (entries4 < entries6 ? entries4 : entries6) / 2;
	return err;
}

int selsrc_maps(struct selsrc *s, bool writable)
{
	int err;

	/* abi comes before all that it is about. */
	err = map_array(s->dir, "state", writable, sizeof(*s->state), &s->state, NULL);
	if (!err && s->state->abi != SELSRC_ABI)
		err = -EPROTO;
	if (!err)
		err = map_arrays(s, writable);
	if (!err)
		err = get_halves(s);
	if (!err)
		err = get_map(s->dir, "devs", sizeof(struct selsrc_dev), &s->devs);
	if (!err)
		err = get_map(s->dir, "prefs", sizeof(__s16), &s->prefs);
	if (!err)
		err = get_map(s->dir, "sets", sizeof(struct selsrc_set), &s->sets);
	if (!err)
		err = get_map(s->dir, "stats", sizeof(struct selsrc_stats), &s->stats);
	if (!err)
		err = selsrc_read_sets(s);
	return err;
}

static void unmap(void *mem, size_t bytes)
{
	size_t page = sysconf(_SC_PAGESIZE);

	if (mem)
		munmap(mem, (bytes + page - 1) & ~(page - 1));
}

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

void selsrc_close(struct selsrc *s)
{
	int half;

	unmap(s->state, sizeof(*s->state));
	unmap(s->gens, sizeof(*s->gens));
	unmap(s->chunks4, 2ul * s->chunks * sizeof(*s->chunks4));
	unmap(s->chunks6, 2ul * s->chunks * sizeof(*s->chunks6));
	unmap(s->steps4, sizeof(*s->steps4));
	unmap(s->steps6, sizeof(*s->steps6));
	unmap(s->policies, SELSRC_POLICIES * sizeof(*s->policies));
	s->state = NULL;
	s->gens = NULL;
	s->steps4 = NULL;
	s->steps6 = NULL;
	s->chunks4 = NULL;
	s->chunks6 = NULL;
	s->policies = NULL;
	for (half = 0; half < 2; half++) {
		close_fd(&s->labels[half]);
		close_fd(&s->routes[RTCACHE_INET][half]);
		close_fd(&s->routes[RTCACHE_INET6][half]);
	}
	close_fd(&s->devs);
	close_fd(&s->prefs);
	close_fd(&s->sets);
	close_fd(&s->stats);
	close_fd(&s->lock);
}

/* ---- sets ------------------------------------------------------------------------------ */

int selsrc_read_sets(struct selsrc *s)
{
	__u32 i;
	int err = 0;

	for (i = 0; i < SELSRC_SETS && !err; i++)
		err = bpf_map_lookup_elem(s->sets, &i, &s->set[i]);
	return err;
}

int selsrc_write_set(struct selsrc *s, int i)
{
	__u32 key = i;

	return bpf_map_update_elem(s->sets, &key, &s->set[i], BPF_ANY);
}

/* The handle of a folder of cgroup2 is the id that BPF knows it by. */
__u64 cgroup_id(const char *path)
{
	char buf[sizeof(struct file_handle) + sizeof(__u64)]
		__attribute__((aligned(__alignof__(struct file_handle))));
	struct file_handle *handle = (void *)buf;
	__u64 id;
	int mount;

	handle->handle_bytes = sizeof(id);
	if (name_to_handle_at(AT_FDCWD, path, handle, &mount, 0))
		return 0;
	memcpy(&id, handle->f_handle, sizeof(id));
	return id;
}

static int only_set(const struct selsrc *s)
{
	int i, found = -1;

	for (i = 0; i < SELSRC_SETS; i++) {
		if (s->set[i].state != SET_ATTACHED)
			continue;
		if (found >= 0) {
			p_err("several cgroups are attached; say which with 'cgroup PATH'; "
			      "'vestige selsrc show' lists them");
			return -EXIT_REFUSED;
		}
		found = i;
	}
	if (found >= 0)
		return found;
	p_err("no cgroup is attached; 'vestige selsrc attach' first");
	return -EXIT_REFUSED;
}

int selsrc_which(const struct selsrc *s, const char *cgroup)
{
	__u64 id;
	int i;

	if (!cgroup)
		return only_set(s);
	id = cgroup_id(cgroup);
	for (i = 0; i < SELSRC_SETS; i++)
		if (s->set[i].state == SET_ATTACHED &&
		    ((id && s->set[i].cgroup_id == id) || !strcmp(s->set[i].cgroup, cgroup)))
			return i;
	p_err("cgroup '%s' is not attached; 'vestige selsrc show' lists those that are", cgroup);
	return -EXIT_REFUSED;
}

/* ---- open and lock ------------------------------------------------------------------------ */

static bool any_attached(const struct selsrc *s)
{
	int i;

	for (i = 0; i < SELSRC_SETS; i++)
		if (s->set[i].state == SET_ATTACHED)
			return true;
	return false;
}

static int refuse_open(const struct selsrc *s, int err)
{
	char label[300];

	ns_label(&s->ns, label, sizeof(label));
	if (err == -ENOENT)
		p_err("selsrc is not attached in namespace %s; 'vestige selsrc attach' first",
		      label);
	else if (err == -EPROTO)
		p_err("%s is of another version of vestige; detach with that version", s->dir);
	else
		p_err("%s cannot be read: %s", s->dir,
		      err == -EACCES || err == -EPERM ? "needs root" : strerror(-err));
	return EXIT_REFUSED;
}

int selsrc_open(struct selsrc *s, const char *netns, bool writable)
{
	struct ns ns;
	int ret, err;

	if (host_root())
		return EXIT_REFUSED;
	ret = ns_enter(netns, &ns);
	if (ret == -ENOENT)
		return ns_unknown(netns);
	if (!ret)
		ret = selsrc_locate(s, &ns);
	if (ret)
		return ret;
	err = selsrc_maps(s, writable);
	if (!err && !any_attached(s))
		err = -ENOENT;
	if (!err)
		return EXIT_OK;
	selsrc_close(s);
	return refuse_open(s, err);
}

static int refuse_lock(const struct selsrc *s, int err)
{
	char label[300];

	ns_label(&s->ns, label, sizeof(label));
	if (err == -EWOULDBLOCK)
		p_err("another vestige is at work on selsrc in namespace %s; try again when it is "
		      "done", label);
	else if (err == -ENOENT)
		p_err("selsrc is not attached in namespace %s", label);
	else if (err == -EPERM)
		p_err("%s, or the folder it is in, is not root's alone; remove it and try again",
		      s->dir);
	else
		p_err("%s cannot be locked: %s", s->dir, strerror(-err));
	return EXIT_REFUSED;
}

int selsrc_lock(struct selsrc *s, bool create)
{
	int fd = -EWOULDBLOCK, i;

	for (i = 0; i < LOCK_TRIES && fd == -EWOULDBLOCK; i++)
		fd = pindir_lock(s->dir, create);
	if (fd < 0)
		return refuse_lock(s, fd);
	s->lock = fd;
	return EXIT_OK;
}
