// SPDX-License-Identifier: GPL-2.0
/* memory.c - what the maps of an attachment weigh. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "memory.h"

static __u64 round_to(__u64 value, __u64 unit)
{
	return (value + unit - 1) / unit * unit;
}

/* What the kernel itself charges. Only 6.4 and later count what is really used. */
static __u64 kernel_figure(int fd)
{
	char path[64], line[128];
	unsigned long long bytes = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	file = fopen(path, "r");
	if (!file)
		return 0;
	while (fgets(line, sizeof(line), file))
		if (sscanf(line, "memlock: %llu", &bytes) == 1)
			break;
	fclose(file);
	return bytes;
}

/*
 * Arrays have no overhead per element but the rounding to 8 bytes; mapped ones
 * are rounded to pages. For the other types the kernel is asked.
 */
static __u64 weight(int fd, const struct bpf_map_info *info)
{
	__u64 page = sysconf(_SC_PAGESIZE);
	__u64 data = round_to(info->value_size, 8) * info->max_entries;

	switch (info->type) {
	case BPF_MAP_TYPE_ARRAY:
		return info->map_flags & BPF_F_MMAPABLE ? round_to(data, page) : data;
	case BPF_MAP_TYPE_PERCPU_ARRAY:
		return data * libbpf_num_possible_cpus();
	default:
		return kernel_figure(fd);
	}
}

/* 0 IPv4, 1 IPv6, -1: not a part that grows with the capacity. */
static int pool_of(const char *name)
{
	if (name[0] != 'v' || (name[1] != '4' && name[1] != '6'))
		return -1;
	if (strcmp(name + 2, "_record") && strcmp(name + 2, "_chunk") &&
	    strcmp(name + 2, "_index"))
		return -1;
	return name[1] == '6';
}

struct visit {
	const struct pins *pins;
	struct memory *memory;
};

static int add_map(const char *dir, const char *name, void *arg)
{
	struct bpf_map_info info = {};
	__u32 len = sizeof(info);
	struct visit *visit = arg;
	int fd, pool = pool_of(name);
	__u64 bytes;

	(void)dir;
	if (!strncmp(name, "link_", 5))
		return 0;
	fd = pindir_get(visit->pins->dir, name);
	if (fd < 0)
		return 0;	/* a mark */
	if (!bpf_obj_get_info_by_fd(fd, &info, &len)) {
		bytes = weight(fd, &info);
		if (pool >= 0)
			visit->memory->pool[pool] += bytes;
		else
			visit->memory->fixed += bytes;
	}
	close(fd);
	return 0;
}

void memory_read(const struct pins *p, struct memory *m)
{
	struct visit visit = { p, m };

	memset(m, 0, sizeof(*m));
	pindir_each(p->dir, add_map, &visit);
}
