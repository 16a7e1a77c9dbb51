// SPDX-License-Identifier: GPL-2.0
/* geometry.c - sizes and hash keys that the attached programs were given. */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <bpf/bpf.h>
#include <bpf/btf.h>
#include "cmd.h"
#include "geometry.h"
#include "out.h"

#define MAX_MAPS	64

/*
 * Program behind a pinned link; -errno. Of bind(), because that link stays
 * while `detach wait` waits, and sockops in case bind() is not there.
 */
static int open_program(const struct pins *p)
{
	struct bpf_link_info info = { 0 };
	__u32 len = sizeof(info);
	int fd, err;

	fd = pindir_get(p->dir, "link_bind4");
	if (fd < 0)
		fd = pindir_get(p->dir, "link_sockops");
	if (fd < 0)
		return -errno;
	err = bpf_obj_get_info_by_fd(fd, &info, &len) ? -errno : 0;
	close(fd);
	if (err)
		return err;
	fd = bpf_prog_get_fd_by_id(info.prog_id);
	return fd < 0 ? -errno : fd;
}

static int map_info(int fd, struct bpf_map_info *info)
{
	__u32 len = sizeof(*info);

	memset(info, 0, sizeof(*info));
	return bpf_obj_get_info_by_fd(fd, info, &len) ? -errno : 0;
}

static bool is_rodata(const char *name)
{
	size_t len = strlen(name);

	return len >= 7 && !strcmp(name + len - 7, ".rodata");
}

/* The program's constants; -errno. */
static int open_rodata(int prog, struct bpf_map_info *info)
{
	struct bpf_prog_info pi = { 0 };
	__u32 ids[MAX_MAPS], len = sizeof(pi), i;
	int fd;

	pi.nr_map_ids = MAX_MAPS;
	pi.map_ids = (__u64)(unsigned long)ids;
	if (bpf_obj_get_info_by_fd(prog, &pi, &len))
		return -errno;
	for (i = 0; i < pi.nr_map_ids && i < MAX_MAPS; i++) {
		fd = bpf_map_get_fd_by_id(ids[i]);
		if (fd < 0)
			continue;
		if (!map_info(fd, info) && is_rodata(info->name))
			return fd;
		close(fd);
	}
	return -ENOENT;
}

/* Where `name` lies among the constants, by BTF: the layout is the compiler's. */
static int find_constant(const struct bpf_map_info *info, const char *name, __u32 size)
{
	const struct btf_var_secinfo *var;
	struct btf *btf = btf__load_from_kernel_by_id(info->btf_id);
	const struct btf_type *sec;
	int i, id, off = -ENOENT;

	if (!btf)
		return -errno;
	id = btf__find_by_name_kind(btf, ".rodata", BTF_KIND_DATASEC);
	sec = id < 0 ? NULL : btf__type_by_id(btf, id);
	var = sec ? btf_var_secinfos(sec) : NULL;
	for (i = 0; sec && i < btf_vlen(sec); i++) {
		const struct btf_type *t = btf__type_by_id(btf, var[i].type);

		if (var[i].size == size &&
		    !strcmp(btf__name_by_offset(btf, t->name_off), name))
			off = var[i].offset;
	}
	btf__free(btf);
	return off;
}

static int copy_geometry(int fd, const struct bpf_map_info *info,
			 struct vtw_geometry geo[2])
{
	const __u32 size = 2 * sizeof(*geo);
	int off = find_constant(info, "geo", size), err = 0;
	__u32 key = 0;
	char *value;

	if (off < 0)
		return off;
	value = malloc(info->value_size);
	if (!value)
		return -ENOMEM;
	if (bpf_map_lookup_elem(fd, &key, value))
		err = -errno;
	else
		memcpy(geo, value + off, size);
	free(value);
	return err;
}

int geometry_read(const struct pins *p, struct vtw_geometry geo[2])
{
	int prog, map = -1, err = prog = open_program(p);
	struct bpf_map_info info;

	if (prog >= 0)
		err = map = open_rodata(prog, &info);
	if (map >= 0)
		err = copy_geometry(map, &info, geo);
	if (map >= 0)
		close(map);
	if (prog >= 0)
		close(prog);
	if (err >= 0)
		return EXIT_OK;
	p_err("cannot read the constants of the programs: %s; detach and attach again",
	      strerror(-err));
	return EXIT_REFUSED;
}
