/* SPDX-License-Identifier: GPL-2.0 */
/*
 * run.h - the BPF object, loaded but attached to nothing, and its maps in reach.
 *
 * Sessions are put into the mapped maps by the code that the programs themselves use.
 * Everything happens in a network namespace of the test's own.
 */
#ifndef SELFTESTS_RUN_H
#define SELFTESTS_RUN_H

#include <errno.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "../unit/pool.h"
#include "vtw.skel.h"
#include "frame.h"

#define ENTRIES	100

static struct vtw_bpf *skel;

static inline __u64 clock_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ull + ts.tv_nsec;
}

static inline void *map_memory(struct bpf_map *map)
{
	size_t size = ((bpf_map__value_size(map) + 7ul) & ~7ul) * bpf_map__max_entries(map);
	void *mem = mmap(NULL, (size + 4095) & ~4095ul, PROT_READ | PROT_WRITE, MAP_SHARED,
			 bpf_map__fd(map), 0);

	if (mem == MAP_FAILED)
		ksft_bail("mmap of %s: %s", bpf_map__name(map), strerror(errno));
	return mem;
}

static inline void set_sizes(struct bpf_map *record, struct bpf_map *chunk, struct bpf_map *index,
			     int v6)
{
	mem_sizes(&geo[v6], ENTRIES, 77 + v6);
	bpf_map__set_max_entries(record, geo[v6].capacity);
	bpf_map__set_max_entries(chunk, geo[v6].chunks);
	bpf_map__set_max_entries(index, geo[v6].buckets);
}

static inline void run_begin(void)
{
	int err;

	libbpf_set_print(NULL);
	if (geteuid())
		ksft_skip_all("needs root");
	if (unshare(CLONE_NEWNET))
		ksft_bail("no namespace: %s", strerror(errno));
	skel = vtw_bpf__open();
	if (!skel)
		ksft_bail("open: %s", strerror(errno));
	set_sizes(skel->maps.v4_record, skel->maps.v4_chunk, skel->maps.v4_index, 0);
	set_sizes(skel->maps.v6_record, skel->maps.v6_chunk, skel->maps.v6_index, 1);
	memcpy((void *)skel->rodata->geo, geo, sizeof(geo));
	err = vtw_bpf__load(skel);
	if (err)
		ksft_bail("load: %s", strerror(-err));
	mem_records[0] = map_memory(skel->maps.v4_record);
	mem_chunks[0] = map_memory(skel->maps.v4_chunk);
	mem_index[0] = map_memory(skel->maps.v4_index);
	mem_records[1] = map_memory(skel->maps.v6_record);
	mem_chunks[1] = map_memory(skel->maps.v6_chunk);
	mem_index[1] = map_memory(skel->maps.v6_index);
	pthread_spin_init(&mem_lock[0], PTHREAD_PROCESS_PRIVATE);
	pthread_spin_init(&mem_lock[1], PTHREAD_PROCESS_PRIVATE);
}

static inline void put_map(struct bpf_map *map, const void *value)
{
	__u32 zero = 0;

	if (bpf_map_update_elem(bpf_map__fd(map), &zero, value, BPF_ANY))
		ksft_bail("%s: %s", bpf_map__name(map), strerror(errno));
}

/* Empty pools, the usual settings, no counts. */
static inline void run_reset(const struct vtw_sysctls *sys)
{
	static struct vtw_oow nothing;
	int cpus = libbpf_num_possible_cpus();
	struct vtw_stats *zero = calloc(cpus, sizeof(*zero));

	for (int v6 = 0; v6 < 2; v6++) {
		memset(mem_records[v6], 0, ENTRIES * (v6 ? sizeof(struct vtw6_record) :
						      sizeof(struct vtw4_record)));
		memset(mem_chunks[v6], 0, geo[v6].chunks * sizeof(struct vtw_chunk));
		memset(mem_index[v6], 0, geo[v6].buckets * sizeof(struct vtw_bucket));
		memset(&mem_pool[v6], 0, sizeof(mem_pool[v6]));
		mem_pool[v6].spare = VTW_NO_CHUNK;
		for (int i = 0; i < VTW_RINGS; i++)
			mem_pool[v6].ring[i].oldest = VTW_NO_CHUNK;
	}
	mem_defaults();
	put_map(skel->maps.config, &config);
	put_map(skel->maps.sysctls, sys);
	put_map(skel->maps.oow, &nothing);
	put_map(skel->maps.stats, zero);
	free(zero);
	mem_ns = clock_ns();
}

/* What pool.h did to its own copy becomes the programs'. */
static inline void run_pools(void)
{
	put_map(skel->maps.v4_pool, &mem_pool[0]);
	put_map(skel->maps.v6_pool, &mem_pool[1]);
}

static inline __u64 run_stat(size_t offset)
{
	int cpus = libbpf_num_possible_cpus();
	struct vtw_stats *s = calloc(cpus, sizeof(*s));
	__u32 zero = 0;
	__u64 sum = 0;

	if (bpf_map_lookup_elem(bpf_map__fd(skel->maps.stats), &zero, s))
		ksft_bail("stats: %s", strerror(errno));
	for (int i = 0; i < cpus; i++)
		sum += *(__u64 *)((char *)&s[i] + offset);
	free(s);
	return sum;
}

static inline struct vtw_key frame_key(int v6)
{
	struct vtw_key k = { .lport = htons(LOCAL_PORT), .rport = htons(PEER_PORT) };

	memcpy(k.laddr, v6 ? local6 : local4, v6 ? 16 : 4);
	memcpy(k.raddr, v6 ? peer6 : peer4, v6 ? 16 : 4);
	return k;
}

/*
 * A device without link header cannot be had in a test run: the first 14 bytes are always
 * taken for an Ethernet header. So they must look like one whose destination is the device,
 * which therefore gets the first six bytes of the packet for its address.
 */
static inline void wear_mac(const char *dev, const __u8 *mac)
{
	struct ifreq ifr = { .ifr_hwaddr.sa_family = ARPHRD_ETHER };
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	strncpy(ifr.ifr_name, dev, IFNAMSIZ - 1);
	memcpy(ifr.ifr_hwaddr.sa_data, mac, 6);
	if (fd < 0 || ioctl(fd, SIOCSIFHWADDR, &ifr))
		ksft_bail("address of %s: %s", dev, strerror(errno));
	close(fd);
}

/* The verdict; the frame as it is then is in *out. came_by: 0 is, this host made it. */
static inline int run_frame(struct bpf_program *prog, int xdp, const struct frame *in,
			    __u32 ifindex, __u32 came_by, struct frame *out)
{
	struct __sk_buff skb = { .ifindex = ifindex, .ingress_ifindex = came_by };
	LIBBPF_OPTS(bpf_test_run_opts, o, .data_in = in->b, .data_size_in = in->len,
		    .data_out = out->b, .data_size_out = sizeof(out->b), .repeat = 1);
	int err;

	if (!xdp) {
		o.ctx_in = &skb;
		o.ctx_size_in = sizeof(skb);
	}
	err = bpf_prog_test_run_opts(bpf_program__fd(prog), &o);
	if (err)
		ksft_bail("%s: %s", bpf_program__name(prog), strerror(-err));
	out->len = o.data_size_out;
	return o.retval;
}

#endif /* SELFTESTS_RUN_H */
