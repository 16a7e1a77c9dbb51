// SPDX-License-Identifier: GPL-2.0
/* load.c - the programs and maps, in the kernel but not yet anywhere in effect. */
#include <errno.h>
#include <string.h>
#include <time.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <sys/random.h>
#include <vestige/vtw.h>

#include "load.h"
#include "out.h"
#include "sysctl.h"
#include "vtw.skel.h"

void geometry_of(__u32 capacity, struct vtw_geometry *geo)
{
	geo->capacity = capacity;
	geo->chunks = (capacity + VTW_CHUNK - 1) / VTW_CHUNK;
	geo->buckets = (capacity + VTW_LOAD_PER_BUCKET - 1) / VTW_LOAD_PER_BUCKET;
	geo->index_bits = 1;
	while (geo->index_bits < 32 && (capacity - 1) >> geo->index_bits)
		geo->index_bits++;
}

/* The kernel tells timeouts in jiffies; CONFIG_HZ shows in the coarse clock. */
static __u32 kernel_hz(void)
{
	struct timespec res;

	if (clock_getres(CLOCK_MONOTONIC_COARSE, &res) || !res.tv_nsec)
		return 250;
	return (1000000000 + res.tv_nsec / 2) / res.tv_nsec;
}

static int set_sizes(struct vtw_bpf *skel, __u32 entries, __u32 entries6)
{
	struct vtw_geometry geo[2];
	int err;

	geometry_of(entries, &geo[0]);
	geometry_of(entries6, &geo[1]);
	if (getrandom(geo[0].seed, sizeof(geo[0].seed), 0) != sizeof(geo[0].seed) ||
	    getrandom(geo[1].seed, sizeof(geo[1].seed), 0) != sizeof(geo[1].seed))
		return -EAGAIN;
	memcpy((void *)skel->rodata->geo, geo, sizeof(geo));
	err = bpf_map__set_max_entries(skel->maps.v4_record, geo[0].capacity);
	err = err ?: bpf_map__set_max_entries(skel->maps.v4_chunk, geo[0].chunks);
	err = err ?: bpf_map__set_max_entries(skel->maps.v4_index, geo[0].buckets);
	err = err ?: bpf_map__set_max_entries(skel->maps.v6_record, geo[1].capacity);
	err = err ?: bpf_map__set_max_entries(skel->maps.v6_chunk, geo[1].chunks);
	err = err ?: bpf_map__set_max_entries(skel->maps.v6_index, geo[1].buckets);
	return err;
}

static int put(struct bpf_map *map, const void *value)
{
	__u32 zero = 0;

	return bpf_map_update_elem(bpf_map__fd(map), &zero, value, BPF_ANY);
}

static int fill_pools(struct vtw_bpf *skel)
{
	struct vtw_pool pool = { .spare = VTW_NO_CHUNK };
	int i, err;

	for (i = 0; i < VTW_RINGS; i++)
		pool.ring[i].oldest = VTW_NO_CHUNK;
	err = put(skel->maps.v4_pool, &pool);
	return err ?: put(skel->maps.v6_pool, &pool);
}

static int fill(struct vtw_bpf *skel, bool bind_guard)
{
	struct vtw_config config = {
		.length_ms = {
			[VTW_LOOPBACK] = 2000, [VTW_LOCAL] = 10000, [VTW_REMOTE] = 60000,
		},
		.mslt_on = 1,
		.bind_guard = bind_guard,
		.reopen = 1,
		.restarts = VTW_MAX_RESTARTS,
		.verify_csum = 1,
	};
	struct vtw_sysctls sysctls;
	int err;

	sysctl_snapshot(&sysctls);
	config.length_ms[VTW_RING_FIN] = sysctls.fin_timeout_ms;
	err = put(skel->maps.config, &config);
	err = err ?: put(skel->maps.sysctls, &sysctls);
	return err ?: fill_pools(skel);
}

/*
 * ENOMEM and E2BIG are also what the verifier answers to a program that is too
 * large for it; only the log tells a map from a program.
 */
static void refuse_load(int err, __u32 entries, __u32 entries6)
{
	if ((err == -ENOMEM || err == -E2BIG) && out_libbpf_said("failed to create")) {
		p_err("the kernel refuses the memory for %u + %u entries; ask for fewer with "
		      "'entries N' and 'entries6 N'", entries, entries6);
	} else if (err == -EPERM) {
		p_err("the kernel refuses BPF (capabilities, or lockdown); 'vestige doctor' "
		      "says more");
	} else {
		p_err("the kernel does not take the programs: %s; 'vestige doctor' says more, "
		      "'vestige -d attach' all that the verifier said", strerror(-err));
	}
	out_libbpf_forget();
}

static void choose_needed(struct vtw_bpf *skel, unsigned int need, bool module)
{
	bpf_program__set_autoload(skel->progs.rtcache_flushed, module);
	bpf_program__set_autoload(skel->progs.vtw_xdp, need & NEED_XDP);
	bpf_program__set_autoload(skel->progs.vtw_in, need & NEED_IN);
	bpf_program__set_autoload(skel->progs.vtw_out, need & NEED_OUT);
	bpf_program__set_autoload(skel->progs.vtw_in_l3, need & NEED_L3);
	bpf_program__set_autoload(skel->progs.vtw_out_l3, need & NEED_L3);
}

static void choose_only(struct vtw_bpf *skel, const char *only)
{
	struct bpf_program *prog;

	bpf_object__for_each_program(prog, skel->obj)
		bpf_program__set_autoload(prog, !strcmp(only, bpf_program__name(prog)));
}

static int load_opened(struct vtw_bpf *skel, const struct load_opts *opts)
{
	int err = set_sizes(skel, opts->entries, opts->entries6);

	*(__u64 *)&skel->rodata->netns_cookie = opts->netns_cookie;
	*(__u32 *)&skel->rodata->hz = kernel_hz();
	if (!err)
		err = vtw_bpf__load(skel);
	return err ?: fill(skel, opts->bind_guard);
}

struct vtw_bpf *load(const struct load_opts *opts)
{
	struct vtw_bpf *skel = vtw_bpf__open();
	int err = -errno;

	if (skel) {
		choose_needed(skel, opts->need, opts->module);
		err = load_opened(skel, opts);
	}
	if (!err)
		return skel;
	refuse_load(err, opts->entries, opts->entries6);
	vtw_bpf__destroy(skel);
	return NULL;
}

struct vtw_bpf *load_try(const char *only, int *err)
{
	const struct load_opts opts = { .entries = 1, .entries6 = 1 };
	struct vtw_bpf *skel = vtw_bpf__open();

	*err = -errno;
	if (skel) {
		choose_only(skel, only);
		*err = load_opened(skel, &opts);
	}
	if (!*err)
		return skel;
	vtw_bpf__destroy(skel);
	return NULL;
}
