// SPDX-License-Identifier: GPL-2.0
/*
 * selsrc_event.bpf.c - an address goes, and is a source no more: heard from the module, in
 * the context of the change, before it returns. The module then waits for calls that are
 * under way with it (kmod/rtcache_event.c).
 *
 * The address becomes of class SELSRC_GONE in the half of the tables in use. Why no call
 * that begins after the removal has returned can get it:
 *
 *  - When it is marked, what is in the caches of verdicts still names it; so 2 is added to
 *    the version after that. Who had read the version before finds it moved, or has
 *    begun before.
 *  - Who writes the other half may have asked the kernel before the address went. He has
 *    read the version before he asked, and turns over only if it is still the same. So 2 is
 *    added before, too: whoever has read what is there after this, asks when the address
 *    is not told any more (the kernel unlinks it before it tells), and he who has
 *    turned over earlier is seen here, by the half.
 *
 * The kernel removes one address at a time, under rtnl, so that no two of these run at once;
 * and the module tells each event with BH off, so that neither a softirq nor a task that
 * preempts it has its own lost inside another run of this program. Should one get lost all
 * the same, `follow` sees it by the kernel's count.
 *
 * A writer who begins in between may write the half that is being marked only when
 * he has turned over twice within this program: then an address that is there may be marked
 * in its stead. It is not chosen until `follow`, who is told of the removal, too, writes.
 *
 * A device that goes down is left to the kernel until then.
 *
 * Nothing else is done here. What comes is not as urgent as what goes, and cannot be put into
 * the tables from what is told: of an address neither its scope nor its flags, and that it is
 * deprecated or tentative no more the kernel tells nobody but rtnetlink; of a route neither
 * its table nor its metric. So `follow` it is that writes, and nobody uses tables that
 * nobody follows.
 */
#include "selsrc_maps.h"
#include <uapi/linux/vestige_rtcache.h>

char LICENSE[] SEC("license") = "GPL";

struct selsrc_going {
	__u64 addr[2];		/* as in struct selsrc_addr4|6 */
	__u32 first, n;		/* of struct selsrc_dev */
	__u32 found;
};

/* The arguments of the tracepoint, in their order; see vestige_rtcache.h. */
enum { EVENT_COOKIE, EVENT_FAMILY, EVENT_REASON, EVENT_PREFIX, EVENT_PLEN, EVENT_IFINDEX };

static long selsrc_mark4(__u32 i, void *arg)
{
	struct selsrc_going *g = arg;
	__u32 number = g->first + i / SELSRC_CHUNK;
	struct selsrc_chunk4 *chunk = bpf_map_lookup_elem(&chunks4, &number);
	struct selsrc_addr4 *a;

	if (!chunk)
		return 1;
	a = &chunk->addr[i % SELSRC_CHUNK];
	if (a->addr == g->addr[0]) {
		*(volatile __u8 *)&a->class = SELSRC_GONE;
		g->found = 1;
	}
	return 0;
}

static long selsrc_mark6(__u32 i, void *arg)
{
	struct selsrc_going *g = arg;
	__u32 number = g->first + i / SELSRC_CHUNK;
	struct selsrc_chunk6 *chunk = bpf_map_lookup_elem(&chunks6, &number);
	struct selsrc_addr6 *a;

	if (!chunk)
		return 1;
	a = &chunk->addr[i % SELSRC_CHUNK];
	if (a->addr[0] == g->addr[0] && a->addr[1] == g->addr[1]) {
		*(volatile __u8 *)&a->class = SELSRC_GONE;
		g->found = 1;
	}
	return 0;
}

/* The steps (selsrc_steps.h) may lead to what goes from anywhere: until `follow` writes, none. */
static __always_inline void selsrc_no_steps(struct selsrc_head *head, __u32 family)
{
	for (__u32 set = 0; set < SELSRC_SETS; set++)
		if (family == SELSRC_INET)
			*(volatile __u32 *)&head->steps[SELSRC_INET][set].n = 0;
		else
			*(volatile __u32 *)&head->steps[SELSRC_INET6][set].n = 0;
}

/* Whoever has read the version before this does not turn over any more. */
static __always_inline struct selsrc_dev *selsrc_begin(struct selsrc_state *st, __u32 family,
						       __u32 ifindex)
{
	struct selsrc_dev_key key = { .ifindex = ifindex, .family = family };

	key.half = __sync_fetch_and_add(&st->version, 2) & 1;
	selsrc_no_steps(key.half ? &st->head[1] : &st->head[0], family);
	return bpf_map_lookup_elem(&devs, &key);
}

/* And nothing that was chosen before is remembered. What it was is asked for: a full barrier. */
static __always_inline void selsrc_end(struct selsrc_state *st)
{
	__u64 was = __sync_fetch_and_add(&st->version, 2);

	asm volatile("" : : "r"(was));
}

static __always_inline void selsrc_mark(struct selsrc_going *g, const struct selsrc_dev *dev,
					__u32 family)
{
	g->first = dev->first;
	g->n = dev->n;
	if (family == SELSRC_INET)
		bpf_loop(g->n, selsrc_mark4, g, 0);
	else
		bpf_loop(g->n, selsrc_mark6, g, 0);
}

static __always_inline __u32 selsrc_gone(struct selsrc_state *st, __u32 family, __u32 ifindex,
					 const __be32 *addr)
{
	struct selsrc_going g = {};
	struct selsrc_dev *dev;

	g.addr[0] = bpf_ntohl(addr[0]);
	if (family != SELSRC_INET) {
		g.addr[0] = g.addr[0] << 32 | bpf_ntohl(addr[1]);
		g.addr[1] = (__u64)bpf_ntohl(addr[2]) << 32 | bpf_ntohl(addr[3]);
	}
	dev = selsrc_begin(st, family, ifindex);
	if (dev)
		selsrc_mark(&g, dev, family);
	selsrc_end(st);
	return g.found ? SELSRC_gone : SELSRC_gone_unknown;
}

/* Before a device that is removed loses its addresses, its local routes go, all at once. */
static __always_inline __u32 selsrc_down(struct selsrc_state *st, __u32 family, __u32 ifindex)
{
	struct selsrc_dev *dev = selsrc_begin(st, family, ifindex);

	if (dev)
		*(volatile __u8 *)&dev->doubt = SELSRC_DOUBT_DOWN;
	selsrc_end(st);
	return SELSRC_gone_device;
}

SEC("raw_tp/vestige_rtcache_event")
int selsrc_event(struct bpf_raw_tracepoint_args *ctx)
{
	const void *prefix = (const void *)ctx->args[EVENT_PREFIX];
	__u32 family = ctx->args[EVENT_FAMILY], ifindex = ctx->args[EVENT_IFINDEX];
	struct selsrc_state *st = selsrc_only(&state);
	__be32 addr[4];

	if (ctx->args[EVENT_COOKIE] != netns_cookie || family >= SELSRC_FAMILIES || !st)
		return 0;
	selsrc_count(SELSRC_heard);
	switch (ctx->args[EVENT_REASON]) {
	case RTCACHE_R_addr_del:
		if (!prefix || bpf_probe_read_kernel(addr, sizeof(addr), prefix))
			selsrc_count(SELSRC_unreadable);
		else
			selsrc_count(selsrc_gone(st, family, ifindex, addr));
		break;
	case RTCACHE_R_link_down:
	case RTCACHE_R_link_gone:
		selsrc_count(selsrc_down(st, family, ifindex));
		break;
	}
	return 0;
}
