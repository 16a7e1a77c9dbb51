/* SPDX-License-Identifier: GPL-2.0 */
/*
 * selsrc_run.h - the programs of source selection on a host of the test's own: a namespace,
 * a cgroup, a device whose peers never answer, and tables written from here.
 */
#ifndef SELFTESTS_SELSRC_RUN_H
#define SELFTESTS_SELSRC_RUN_H

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include <vestige/rtcache.h>
#include <vestige/selsrc_sweep.h>
#include "selsrc.skel.h"
#include "../unit/unit.h"

#ifndef SO_NETNS_COOKIE
#define SO_NETNS_COOKIE	71
#endif

#define SCOPE_UNIVERSE	0
#define SCOPE_LINK	253
#define HALF		256	/* chunks and policies: from here on the other half's */

static struct selsrc_bpf *skel;
static struct selsrc_state *state;
static struct rtcache_gens *gens;
static struct selsrc_chunk4 *chunks4;
static struct selsrc_chunk6 *chunks6;
static struct selsrc_steps4 *steps4;
static struct selsrc_steps6 *steps6;
static struct selsrc_policy *policies;
static bool no_steps;			/* the race is run instead */
static char cgroup[256];
static struct bpf_link *links[4];
/* What was put into the half that is written, by family. */
struct kept {
	__u32 ifindex;
	struct selsrc_dev dev;
	struct selsrc_addr6 addr[SELSRC_MAX_ADDRS];
};

static struct kept devs[2][8];
static struct selsrc_prefix prefixes[2][32];
static int nr_devs[2], nr_prefixes[2];
static int half;			/* the one that is written */
static __u32 chunks_used[2];

__attribute__((format(printf, 1, 2)))
static inline void shell(const char *fmt, ...)
{
	char command[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(command, sizeof(command), fmt, ap);
	va_end(ap);
	if (system(command))
		ksft_bail("%s", command);
}

static inline void *selsrc_memory(struct bpf_map *map)
{
	size_t size = ((bpf_map__value_size(map) + 7ul) & ~7ul) * bpf_map__max_entries(map);
	void *mem = mmap(NULL, (size + 4095) & ~4095ul, PROT_READ | PROT_WRITE, MAP_SHARED,
			 bpf_map__fd(map), 0);

	if (mem == MAP_FAILED)
		ksft_bail("mmap of %s: %s", bpf_map__name(map), strerror(errno));
	return mem;
}

static inline __u64 netns_cookie_here(void)
{
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	socklen_t len = sizeof(__u64);
	__u64 cookie = 0;

	if (fd < 0 || getsockopt(fd, SOL_SOCKET, SO_NETNS_COOKIE, &cookie, &len))
		ksft_bail("cookie of the namespace: %s", strerror(errno));
	close(fd);
	return cookie;
}

static inline void selsrc_load(void)
{
	int err;

	libbpf_set_print(NULL);
	skel = selsrc_bpf__open();
	if (!skel)
		ksft_bail("open: %s", strerror(errno));
	skel->rodata->netns_cookie = netns_cookie_here();
	bpf_program__set_autoload(skel->progs.rtcache_flushed, false);
	bpf_map__set_max_entries(skel->maps.chunks4, 2 * HALF);
	bpf_map__set_max_entries(skel->maps.chunks6, 2 * HALF);
	err = selsrc_bpf__load(skel);
	if (err)
		ksft_bail("load: %s", strerror(-err));
	state = selsrc_memory(skel->maps.state);
	gens = selsrc_memory(skel->maps.gens);
	chunks4 = selsrc_memory(skel->maps.chunks4);
	chunks6 = selsrc_memory(skel->maps.chunks6);
	steps4 = selsrc_memory(skel->maps.steps4);
	steps6 = selsrc_memory(skel->maps.steps6);
	policies = selsrc_memory(skel->maps.policies);
	gens->gen[0] = gens->gen[1] = 2;
	gens->lease_ns = ~0ull - 1;	/* the time is looked at */
	state->version = 1;
	state->abi = SELSRC_ABI;
}

static inline void leave_cgroup(void)
{
	char path[300];
	int fd;

	/* Back to the parent, so that it can go. */
	snprintf(path, sizeof(path), "%s/../cgroup.procs", cgroup);
	fd = open(path, O_WRONLY);
	if (fd >= 0 && write(fd, "0", 1) != 1)
		perror(path);
	close(fd);
	rmdir(cgroup);
}

static inline void enter_cgroup(void)
{
	FILE *mounts = fopen("/proc/self/mounts", "r");
	char line[512], dir[200], path[300];
	int fd;

	while (mounts && fgets(line, sizeof(line), mounts))
		if (sscanf(line, "%*s %199s cgroup2", dir) == 1 && strstr(line, " cgroup2 "))
			break;
	if (!mounts || feof(mounts))
		ksft_skip_all("needs cgroup2");
	fclose(mounts);
	snprintf(cgroup, sizeof(cgroup), "%s/selsrc-test-%d", dir, getpid());
	if (mkdir(cgroup, 0755))
		ksft_bail("%s: %s", cgroup, strerror(errno));
	atexit(leave_cgroup);
	snprintf(path, sizeof(path), "%s/cgroup.procs", cgroup);
	fd = open(path, O_WRONLY);
	if (fd < 0 || write(fd, "0", 1) != 1)
		ksft_bail("%s: %s", path, strerror(errno));
	close(fd);
}

static inline void selsrc_begin(void)
{
	if (geteuid())
		ksft_skip_all("needs root");
	enter_cgroup();
	if (unshare(CLONE_NEWNET))
		ksft_bail("no namespace: %s", strerror(errno));
	shell("ip link set lo up");
	selsrc_load();
}

static inline void attach(bool on)
{
	struct bpf_program *progs[] = { skel->progs.selsrc_connect4, skel->progs.selsrc_connect6,
					skel->progs.selsrc_sendmsg4, skel->progs.selsrc_sendmsg6 };
	int fd = open(cgroup, O_RDONLY);

	for (size_t i = 0; i < ARRAY_SIZE(progs); i++) {
		if (links[i])
			bpf_link__destroy(links[i]);
		links[i] = on ? bpf_program__attach_cgroup(progs[i], fd) : NULL;
		if (on && !links[i])
			ksft_bail("attach: %s", strerror(errno));
	}
	close(fd);
}

/* --- tables: written into the other half, shown by tables_end() -------------------------- */

static inline void empty(struct bpf_map *map)
{
	char key[32];

	while (!bpf_map_get_next_key(bpf_map__fd(map), NULL, key))
		bpf_map_delete_elem(bpf_map__fd(map), key);
}

static inline void tables_begin(void)
{
	half = (state->version + 1) & 1;
	chunks_used[0] = chunks_used[1] = 0;
	nr_prefixes[0] = nr_prefixes[1] = nr_devs[0] = nr_devs[1] = 0;
	empty(half ? skel->maps.routes4_1 : skel->maps.routes4_0);
	empty(half ? skel->maps.routes6_1 : skel->maps.routes6_0);
	empty(half ? skel->maps.labels_1 : skel->maps.labels_0);
	for (__u32 i = 0, f = 0; i < 2 * 64; f = ++i % 2) {
		struct selsrc_dev_key key = { .ifindex = i / 2, .half = half, .family = f };

		bpf_map_delete_elem(bpf_map__fd(skel->maps.devs), &key);
	}
	memset(&state->head[half], 0, sizeof(state->head[half]));
	for (int f = 0; f < 2; f++)
		state->head[half].gen[f] = gens->gen[f];
}

/* The default policy; text as on the command line. */
static inline void put_policy(__u32 set, const char *text)
{
	static const char *const names[] = {
#define NAME(id, name) name,
		SELSRC_FUNCTIONS(NAME)
#undef NAME
	};
	__u8 functions[SELSRC_MAX_FUNCTIONS];
	char copy[160], *word, *rest = copy;
	int n = 0, nr = half * (SELSRC_POLICIES / 2) + 1 + set;

	snprintf(copy, sizeof(copy), "%s", text);
	while ((word = strsep(&rest, ",")))
		for (int i = 0; i < SELSRC_NR_FUNCTIONS; i++)
			if (!strcmp(word, names[i]))
				functions[n++] = i;
	if (selsrc_compile(&policies[nr], functions, n))
		ksft_bail("policy %s", text);
	state->head[half].policy[set] = nr;
}

static inline int put_class(struct selsrc_dev *dev, const struct selsrc_class *c)
{
	for (int i = 0; i < dev->classes; i++)
		if (!memcmp(&dev->class[i], c, sizeof(*c)))
			return i;
	if (dev->classes == SELSRC_CLASSES)
		ksft_bail("too many classes");
	dev->class[dev->classes] = *c;
	return dev->classes++;
}

static inline __u64 number(const __be32 *a)
{
	return (__u64)ntohl(a[0]) << 32 | ntohl(a[1]);
}

static inline void put_dev(__u32 family, __u32 ifindex, const struct selsrc_source *s, int n)
{
	struct selsrc_dev_key key = { .ifindex = ifindex, .half = half, .family = family };
	__u32 first = half * HALF + chunks_used[family];
	struct selsrc_dev dev = { .first = first, .n = n };
	struct kept *kept = &devs[family][nr_devs[family]++];
	struct selsrc_addr6 *all = kept->addr;

	for (int i = 0; i < n; i++) {
		struct selsrc_addr4 *a4 = &chunks4[first + i / SELSRC_CHUNK].addr[i % SELSRC_CHUNK];
		struct selsrc_addr6 *a6 = &chunks6[first + i / SELSRC_CHUNK].addr[i % SELSRC_CHUNK];
		int class = put_class(&dev, &s[i].class);

		all[i] = (struct selsrc_addr6){ .class = class,
			.addr = { number(s[i].addr), number(s[i].addr + 2) },
			.preference = selsrc_bias(s[i].preference) };
		if (family == SELSRC_INET)
			all[i].addr[0] = ntohl(s[i].addr[0]);
		if (family == SELSRC_INET)
			*a4 = (struct selsrc_addr4){ .addr = all[i].addr[0], .class = class,
				.preference = all[i].preference };
		else
			*a6 = all[i];
	}
	kept->dev = dev;
	kept->ifindex = ifindex;
	chunks_used[family] += (n + SELSRC_CHUNK - 1) / SELSRC_CHUNK;
	if (bpf_map_update_elem(bpf_map__fd(skel->maps.devs), &key, &dev, BPF_ANY))
		ksft_bail("devs: %s", strerror(errno));
}

/* "192.0.2.0/24" */
static inline void put_route(const char *prefix, __u32 ifindex, __u8 kind, __u8 scope)
{
	struct selsrc_route r = { .ifindex = ifindex, .kind = kind, .scope = scope };
	bool v6 = strchr(prefix, ':');
	struct selsrc_prefix6 key = {};
	struct bpf_map *map;
	char text[64];

	snprintf(text, sizeof(text), "%s", prefix);
	*strchr(text, '/') = '\0';
	key.prefixlen = atoi(strchr(prefix, '/') + 1);
	if (inet_pton(v6 ? AF_INET6 : AF_INET, text, key.addr) != 1)
		ksft_bail("prefix %s", prefix);
	if (v6)
		map = half ? skel->maps.routes6_1 : skel->maps.routes6_0;
	else
		map = half ? skel->maps.routes4_1 : skel->maps.routes4_0;
	if (bpf_map_update_elem(bpf_map__fd(map), &key, &r, BPF_ANY))
		ksft_bail("route %s: %s", prefix, strerror(errno));
	prefixes[v6][nr_prefixes[v6]++] = (struct selsrc_prefix){
		.start = selsrc_wire(key.addr) & selsrc_mask(key.prefixlen),
		.len = key.prefixlen, .route = r,
	};
}

/* For the default policy, without labels; devices were put in the order of ifindex. */
static inline void put_steps(__u32 family)
{
	static struct selsrc_step step[SELSRC_STEPS / 2];
	struct selsrc_list list = { .step = step, .max = ARRAY_SIZE(step) };
	struct selsrc_field field[8] = {};
	struct selsrc_sweep sweep = {
		.prefix = prefixes[family], .prefixes = nr_prefixes[family],
		.dev = field, .devs = nr_devs[family], .list = &list,
	};
	__u32 first = half * SELSRC_STEPS / 2, policy = state->head[half].policy[0];

	for (int i = 0; i < nr_devs[family]; i++) {
		struct kept *kept = &devs[family][i];

		field[i] = (struct selsrc_field){
			.ifindex = kept->ifindex, .family = family,
			.verdict = policy ? SELSRC_bound : SELSRC_no_policy,
			.policy = &policies[policy], .class = kept->dev.class,
			.classes = kept->dev.classes, .addr = kept->addr, .n = kept->dev.n,
		};
	}
	selsrc_sweep(&sweep);
	if (list.full)
		ksft_bail("too many steps");
	if (family == SELSRC_INET)
		selsrc_put4(steps4, first, &list);
	else
		selsrc_put6(steps6, first, &list);
	state->head[half].steps[family][0] = (struct selsrc_stretch){ first, list.n };
}

static inline void tables_end(void)
{
	for (int f = 0; f < 2 && !no_steps; f++)
		put_steps(f);
	__atomic_store_n(&state->version, state->version + 1, __ATOMIC_RELEASE);
}

static inline __u64 counted(size_t offset)
{
	int cpus = libbpf_num_possible_cpus();
	struct selsrc_stats *s = calloc(cpus, sizeof(*s));
	__u32 zero = 0;
	__u64 sum = 0;

	if (bpf_map_lookup_elem(bpf_map__fd(skel->maps.stats), &zero, s))
		ksft_bail("stats: %s", strerror(errno));
	for (int i = 0; i < cpus; i++)
		sum += *(__u64 *)((char *)&s[i] + offset);
	free(s);
	return sum;
}

#define COUNTED(name) counted(offsetof(struct selsrc_stats, name))

#endif /* SELFTESTS_SELSRC_RUN_H */
