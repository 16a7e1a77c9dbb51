// SPDX-License-Identifier: GPL-2.0
/*
 * test_selsrc_event.c - what the module's events make of the tables of source selection
 *
 * The program is run with the arguments that the tracepoint would have; there need be no
 * module.
 */
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include <uapi/linux/vestige_rtcache.h>
#include <vestige/rtcache.h>
#include <vestige/selsrc.h>

#include "../unit/unit.h"
#include "selftests/prog_run/test_selsrc_event.skel.h"

#define COOKIE		77ull
#define MANY		40	/* addresses, in three chunks */
#define FIRST		8	/* the first of these */

static struct test_selsrc_event_bpf *skel;
static struct selsrc_state *state;
static struct selsrc_chunk4 *chunks4;
static struct selsrc_chunk6 *chunks6;

static void *memory(struct bpf_map *map)
{
	size_t size = ((bpf_map__value_size(map) + 7ul) & ~7ul) * bpf_map__max_entries(map);
	void *mem = mmap(NULL, (size + 4095) & ~4095ul, PROT_READ | PROT_WRITE, MAP_SHARED,
			 bpf_map__fd(map), 0);

	if (mem == MAP_FAILED)
		ksft_bail("mmap of %s: %s", bpf_map__name(map), strerror(errno));
	return mem;
}

static void load(void)
{
	int err;

	libbpf_set_print(NULL);
	skel = test_selsrc_event_bpf__open();
	if (!skel)
		ksft_bail("open: %s", strerror(errno));
	skel->rodata->netns_cookie = COOKIE;
	err = test_selsrc_event_bpf__load(skel);
	if (err)
		ksft_bail("load: %s", strerror(-err));
	state = memory(skel->maps.state);
	chunks4 = memory(skel->maps.chunks4);
	chunks6 = memory(skel->maps.chunks6);
}

static void run(struct bpf_program *prog, const __u64 *args, size_t n)
{
	LIBBPF_OPTS(bpf_test_run_opts, opts, .ctx_in = args, .ctx_size_in = n * sizeof(*args));

	if (bpf_prog_test_run_opts(bpf_program__fd(prog), &opts))
		ksft_bail("%s: %s", bpf_program__name(prog), strerror(errno));
}

/* ---- tables: device 3 in half 0, 4 in half 1, with MANY addresses each and family ---------- */

static void put_dev(__u32 ifindex, __u16 half, __u16 family)
{
	const struct selsrc_dev_key key = { .ifindex = ifindex, .half = half, .family = family };
	const struct selsrc_dev dev = { .first = FIRST, .n = MANY, .classes = 1 };

	if (bpf_map_update_elem(bpf_map__fd(skel->maps.devs), &key, &dev, BPF_ANY))
		ksft_bail("devs: %s", strerror(errno));
}

static struct selsrc_addr4 *addr4(int i)
{
	return &chunks4[FIRST + i / SELSRC_CHUNK].addr[i % SELSRC_CHUNK];
}

static struct selsrc_addr6 *addr6(int i)
{
	return &chunks6[FIRST + i / SELSRC_CHUNK].addr[i % SELSRC_CHUNK];
}

/* One more than there are, to be left alone. */
static void fill(__u64 version)
{
	int i, f;

	for (f = 0; f < SELSRC_FAMILIES; f++) {
		put_dev(3, 0, f);
		put_dev(4, 1, f);
	}
	for (i = 0; i <= MANY; i++) {
		*addr4(i) = (struct selsrc_addr4){ .addr = 0x0a000000 + i % MANY };
		*addr6(i) = (struct selsrc_addr6){ .addr = { 0x20010db8ull << 32, i % MANY } };
	}
	for (f = 0; f < SELSRC_FAMILIES; f++)
		for (i = 0; i < SELSRC_SETS; i++)
			state->head[0].steps[f][i].n = state->head[1].steps[f][i].n = 7;
	state->version = version;
	memset(skel->bss->address, 0, sizeof(skel->bss->address));
}

static int gone4(void)
{
	int i, n = 0;

	for (i = 0; i <= MANY; i++)
		n += addr4(i)->class == SELSRC_GONE;
	return n;
}

/* How many sets still have theirs. */
static int steps(int half, int family)
{
	int i, n = 0;

	for (i = 0; i < SELSRC_SETS; i++)
		n += state->head[half].steps[family][i].n == 7;
	return n;
}

/* Those of one family and half alone. */
static int no_steps_but(int half, int family)
{
	return !steps(half, family) && steps(half, !family) == SELSRC_SETS &&
	       steps(!half, family) == SELSRC_SETS && steps(!half, !family) == SELSRC_SETS;
}

static int gone6(void)
{
	int i, n = 0;

	for (i = 0; i <= MANY; i++)
		n += addr6(i)->class == SELSRC_GONE;
	return n;
}

static int doubt(__u32 ifindex, __u16 half, __u16 family)
{
	const struct selsrc_dev_key key = { .ifindex = ifindex, .half = half, .family = family };
	struct selsrc_dev dev;

	if (bpf_map_lookup_elem(bpf_map__fd(skel->maps.devs), &key, &dev))
		ksft_bail("devs: %s", strerror(errno));
	return dev.doubt;
}

/* ---- events ---------------------------------------------------------------------------- */

static void told(__u64 cookie, __u64 family, __u64 reason, __u64 prefix, __u64 ifindex)
{
	const __u64 args[] = { cookie, family, reason, prefix, 0, ifindex };

	run(skel->progs.selsrc_event, args, ARRAY_SIZE(args));
}

/* number: of the address, as fill() counts them. */
static void removed(__u64 cookie, __u64 family, int number, __u64 ifindex)
{
	__be32 *a = skel->bss->address;

	a[0] = htonl(family == RTCACHE_INET ? 0x0a000000 + number : 0x20010db8);
	a[3] = family == RTCACHE_INET ? 0 : htonl(number);
	told(cookie, family, RTCACHE_R_addr_del, skel->bss->address_at, ifindex);
}

static void each_place(void)
{
	int i, bad = 0;

	for (i = 0; i < MANY; i++) {
		fill(8);
		removed(COOKIE, RTCACHE_INET, i, 3);
		bad += addr4(i)->class != SELSRC_GONE || gone4() != 1 || gone6() ||
		       state->version != 12 || !no_steps_but(0, RTCACHE_INET);
		fill(8);
		removed(COOKIE, RTCACHE_INET6, i, 3);
		bad += addr6(i)->class != SELSRC_GONE || gone6() != 1 || gone4() ||
		       state->version != 12 || !no_steps_but(0, RTCACHE_INET6);
	}
	ksft_ok(!bad, "an address goes: it is marked, no other, and the version says so");
}

static void the_half_in_use(void)
{
	int ok;

	fill(9);
	removed(COOKIE, RTCACHE_INET, 5, 3);
	ok = !gone4() && state->version == 13 && no_steps_but(1, RTCACHE_INET);
	removed(COOKIE, RTCACHE_INET, 5, 4);
	ksft_ok(ok && gone4() == 1 && state->version == 17, "it is the half in use that counts");
}

static void not_there(void)
{
	int ok;

	fill(8);
	removed(COOKIE, RTCACHE_INET, MANY + 3, 3);
	removed(COOKIE, RTCACHE_INET6, MANY + 3, 3);
	removed(COOKIE, RTCACHE_INET, 5, 77);
	ok = !gone4() && !gone6() && state->version == 20;
	told(COOKIE, RTCACHE_INET, RTCACHE_R_addr_del, 0, 3);
	ksft_ok(ok && !gone4() && state->version == 20,
		"an address or device that is not in the tables; none that can be read");
}

static void not_ours(void)
{
	int reason;

	fill(8);
	removed(COOKIE + 1, RTCACHE_INET, 5, 3);
	removed(COOKIE, SELSRC_FAMILIES, 5, 3);
	for (reason = 0; reason < RTCACHE_REASON_MAX; reason++)
		if (reason != RTCACHE_R_addr_del && reason != RTCACHE_R_link_down &&
		    reason != RTCACHE_R_link_gone)
			told(COOKIE, RTCACHE_INET, reason, skel->bss->address_at, 3);
	ksft_ok(!gone4() && state->version == 8 && steps(0, 0) == SELSRC_SETS &&
			steps(0, 1) == SELSRC_SETS,
		"another namespace, an unknown family, other events: nothing");
}

static void devices(void)
{
	int ok;

	fill(8);
	told(COOKIE, RTCACHE_INET, RTCACHE_R_link_down, 0, 3);
	ok = doubt(3, 0, 0) == SELSRC_DOUBT_DOWN && !doubt(3, 0, 1) && !doubt(4, 1, 0) &&
	     state->version == 12 && no_steps_but(0, RTCACHE_INET);
	told(COOKIE, RTCACHE_INET6, RTCACHE_R_link_gone, 0, 3);
	ksft_ok(ok && doubt(3, 0, 1) == SELSRC_DOUBT_DOWN && state->version == 16,
		"a device goes down: it is in doubt");
}

int main(void)
{
	__u64 none = 0;

	load();
	run(skel->progs.find_address, &none, 1);
	ksft_plan(5);
	each_place();
	the_half_in_use();
	not_there();
	not_ours();
	devices();
	return ksft_end();
}
