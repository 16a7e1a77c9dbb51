// SPDX-License-Identifier: GPL-2.0
/* gens.c - the pinned maps `gens` of a network namespace, as user space writes them. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <bpf/bpf.h>
#include <sys/mman.h>

#include "cmd.h"
#include "gens.h"
#include "out.h"
#include "pindir.h"

#define NAME	"gens"

static const char *const parts[GENS_PARTS] = {
	"vestige_forward",
	"vestige",
	"vestige_own",		/* programs that others wrote, with bpf/rtcache.h */
};

const char *gens_part(int i)
{
	return parts[i];
}

int gens_find(struct gens *g, const struct ns *ns)
{
	char parent[PATH_MAX / 2];
	int i;

	memset(g, 0, sizeof(*g));
	for (i = 0; i < GENS_PARTS; i++) {
		if (!pindir_parent(parts[i], parent, sizeof(parent)))
			return -ENOENT;
		snprintf(g->pin[i].dir, sizeof(g->pin[i].dir), "%s/%llu", parent,
			 (unsigned long long)ns->cookie);
	}
	return 0;
}

int gens_open(struct gens *g, const struct ns *ns)
{
	char bpffs[PATH_MAX / 2];

	return gens_find(g, ns) ? pindir_bpffs(bpffs, sizeof(bpffs)) : EXIT_OK;
}

/* ---- one map ------------------------------------------------------------------------ */

static bool is_gens(const struct bpf_map_info *info)
{
	return info->type == BPF_MAP_TYPE_ARRAY && info->max_entries == 1 &&
	       info->value_size == sizeof(struct rtcache_gens) &&
	       info->map_flags & BPF_F_MMAPABLE;
}

/* fd, or negative errno; -EPROTO: something else is pinned under that name. */
static int open_pin(const char *dir, struct bpf_map_info *info)
{
	__u32 len = sizeof(*info);
	int fd = pindir_get(dir, NAME), err;

	if (fd < 0)
		return fd;
	memset(info, 0, sizeof(*info));
	err = bpf_obj_get_info_by_fd(fd, info, &len);
	if (!err && is_gens(info))
		return fd;
	close(fd);
	return err ? err : -EPROTO;
}

static void drop(struct gens_pin *pin)
{
	if (pin->mem)
		munmap(pin->mem, sizeof(*pin->mem));
	pin->mem = NULL;
	pin->id = 0;
}

/* True: it is ours to write from now on. */
static bool adopt(struct gens_pin *pin, int fd, __u32 id)
{
	void *mem = mmap(NULL, sizeof(*pin->mem), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	drop(pin);
	pin->id = id;
	if (mem == MAP_FAILED) {
		p_warn("%s/" NAME " cannot be mapped: %s", pin->dir, strerror(errno));
		return false;
	}
	pin->mem = mem;
	if (__atomic_load_n(&pin->mem->lease_ns, __ATOMIC_RELAXED) != RTCACHE_FOREVER)
		return true;
	p_debug("%s/" NAME ": the module writes it", pin->dir);
	munmap(mem, sizeof(*pin->mem));
	pin->mem = NULL;
	return false;
}

static void say_strange(const struct gens_pin *pin)
{
	static bool said;

	if (!said)
		p_warn("%s/" NAME " is not what this version of vestige writes; it is left alone",
		       pin->dir);
	said = true;
}

static bool scan_pin(struct gens_pin *pin)
{
	struct bpf_map_info info;
	int fd = open_pin(pin->dir, &info);
	bool is_new;

	if (fd < 0) {
		if (fd == -EPROTO)
			say_strange(pin);
		drop(pin);
		return false;
	}
	is_new = info.id != pin->id && adopt(pin, fd, info.id);
	close(fd);
	return is_new;
}

/* ---- all of them ---------------------------------------------------------------------- */

static void raise_to(struct gens *g, const struct rtcache_gens *mem)
{
	int f;

	for (f = 0; f < RTCACHE_FAMILIES; f++)
		if (rtcache_gen(mem, f) > g->gen[f])
			g->gen[f] = rtcache_gen(mem, f);
}

bool gens_scan(struct gens *g)
{
	bool any = false;
	int i;

	for (i = 0; i < GENS_PARTS; i++) {
		if (!scan_pin(&g->pin[i]))
			continue;
		raise_to(g, g->pin[i].mem);
		any = true;
	}
	return any;
}

static void write_gen(struct gens *g, int family)
{
	int i;

	for (i = 0; i < GENS_PARTS; i++)
		if (g->pin[i].mem)
			__atomic_store_n(&g->pin[i].mem->gen[family], g->gen[family],
					 __ATOMIC_SEQ_CST);
}

void gens_bump(struct gens *g, __u32 families)
{
	int f;

	for (f = 0; f < RTCACHE_FAMILIES; f++) {
		if (!(families & 1 << f))
			continue;
		g->gen[f] = rtcache_bumped(g->gen[f]);
		write_gen(g, f);
	}
}

void gens_settle(struct gens *g, __u32 families)
{
	int f;

	for (f = 0; f < RTCACHE_FAMILIES; f++) {
		if (!(families & 1 << f))
			continue;
		g->gen[f] = rtcache_settle(g->gen[f]);
		write_gen(g, f);
	}
}

void gens_vouch(struct gens *g, __u64 until_ns)
{
	int i;

	for (i = 0; i < GENS_PARTS; i++)
		if (g->pin[i].mem && !(g->pin[i].held && until_ns))
			__atomic_store_n(&g->pin[i].mem->lease_ns, until_ns, __ATOMIC_SEQ_CST);
}

void gens_close(struct gens *g)
{
	int i;

	gens_vouch(g, 0);
	gens_bump(g, RTCACHE_BOTH);
	for (i = 0; i < GENS_PARTS; i++)
		drop(&g->pin[i]);
}

bool gens_read(const struct gens *g, int i, struct rtcache_gens *copy)
{
	struct bpf_map_info info;
	int fd = open_pin(g->pin[i].dir, &info);
	__u32 zero = 0;
	int err;

	if (fd < 0)
		return false;
	err = bpf_map_lookup_elem(fd, &zero, copy);
	close(fd);
	return !err;
}
