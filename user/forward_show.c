// SPDX-License-Identifier: GPL-2.0
/* forward_show.c - `vestige forward show`: the cached flows. */
#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <bpf/bpf.h>
#include <sys/mman.h>

#include "cmd.h"
#include "forward.h"
#include "out.h"

#define MACLEN	18

struct view {
	struct forward_pins pins;
	const struct forward_bucket *buckets;
	const struct forward_posts *posts;
	const struct rtcache_gens *gens;
	__u64 now_ns;
	struct json_object *list;
	__u32 shown;
};

/* A flow as it was at one moment. hop: only if it is fresh. */
struct copy {
	struct forward_key key;
	struct forward_hop hop;
	__u64 gen, since_ns, packets, bytes;
	__u32 number;
	bool fresh;
};

static size_t page_up(size_t size)
{
	size_t page = sysconf(_SC_PAGESIZE);

	return (size + page - 1) / page * page;
}

static void *map_memory(const struct forward_pins *p, const char *name, size_t size)
{
	int fd = forward_map(p, name);
	void *mem;

	if (fd < 0)
		return NULL;
	mem = mmap(NULL, page_up(size), PROT_READ, MAP_SHARED, fd, 0);
	close(fd);
	if (mem != MAP_FAILED)
		return mem;
	p_err("map '%s' cannot be read: %s", name, strerror(errno));
	return NULL;
}

static int open_view(struct view *v, const char *netns)
{
	struct timespec now;
	int ret = forward_open(&v->pins, netns);
	__u32 n = v->pins.att.buckets;

	if (ret)
		return ret;
	v->buckets = map_memory(&v->pins, "buckets", n * sizeof(*v->buckets));
	if (v->buckets)
		v->posts = map_memory(&v->pins, "posts", v->pins.att.posts * sizeof(*v->posts));
	if (v->posts)
		v->gens = map_memory(&v->pins, "gens", sizeof(*v->gens));
	clock_gettime(CLOCK_MONOTONIC, &now);
	v->now_ns = now.tv_sec * 1000000000ull + now.tv_nsec;
	return v->gens ? EXIT_OK : EXIT_REFUSED;
}

/* A copy that nobody wrote while it was made. */
static bool copy_flow(const struct forward_bucket *b, int i, struct copy *c)
{
	const struct forward_flow *f = &b->flow[i];
	int tries;
	__u32 seq;

	for (tries = 0; tries < 100; tries++) {
		seq = __atomic_load_n(&f->seq, __ATOMIC_ACQUIRE);
		if (seq & 1)
			continue;
		memcpy(c->key.word, f->head, sizeof(f->head));
		memcpy(c->key.word + 3, b->tail[i].word, sizeof(f->head));
		c->gen = f->gen;
		c->since_ns = f->since_ns;
		c->packets = f->packets;
		c->bytes = f->bytes;
		c->number = f->hop;
		__atomic_thread_fence(__ATOMIC_ACQUIRE);
		if (__atomic_load_n(&f->seq, __ATOMIC_RELAXED) == seq)
			return seq != 0;
	}
	return false;
}

/* As hop_read(): the post of a flow that is stale may be another one's by now. */
static void copy_hop(const struct view *v, struct copy *c)
{
	c->hop = v->posts[c->number / FORWARD_WAYS].post[c->number % FORWARD_WAYS].hop;
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	c->fresh = rtcache_usable(v->gens, c->key.family, v->now_ns) &&
		   rtcache_good(c->gen, v->gens, c->key.family);
}

static const char *device_name(__u32 ifindex, __u16 vid, char *buf)
{
	if (!if_indextoname(ifindex, buf))
		snprintf(buf, IFNAMSIZ, "if%u", ifindex);
	if (vid)
		snprintf(buf + strlen(buf), 8, ".%u", vid);
	return buf;
}

static const char *mac_string(const __u8 *mac, char *buf)
{
	snprintf(buf, MACLEN, "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3],
		 mac[4], mac[5]);
	return buf;
}

struct words {
	char src[INET6_ADDRSTRLEN], dst[INET6_ADDRSTRLEN];
	char in[IFNAMSIZ + 8], out[IFNAMSIZ];
	char via[MACLEN];
	unsigned long long age_ms;
};

static void describe(const struct view *v, const struct copy *c, struct words *w)
{
	bool v6 = c->key.family == RTCACHE_INET6;
	int family = v6 ? AF_INET6 : AF_INET;

	inet_ntop(family, c->key.addr, w->src, sizeof(w->src));
	inet_ntop(family, c->key.addr + (v6 ? 4 : 1), w->dst, sizeof(w->dst));
	device_name(c->key.iif, c->key.vid, w->in);
	device_name(c->hop.oif, 0, w->out);
	mac_string(c->hop.mac, w->via);
	w->age_ms = v->now_ns > c->since_ns ? (v->now_ns - c->since_ns) / 1000000 : 0;
}

static void print_json(struct view *v, const struct copy *c, const struct words *w)
{
	struct json_object *obj = json_object_new_object();

	out_str(obj, "src", w->src);
	out_str(obj, "dst", w->dst);
	out_num(obj, "proto", c->key.proto);
	out_num(obj, "sport", ntohs(c->key.sport));
	out_num(obj, "dport", ntohs(c->key.dport));
	out_str(obj, "in", w->in);
	if (c->fresh) {
		out_str(obj, "out", w->out);
		out_str(obj, "via", w->via);
		out_num(obj, "mtu", c->hop.mtu);
	}
	out_num(obj, "age_ms", w->age_ms);
	out_bool(obj, "fresh", c->fresh);
	out_num(obj, "packets", c->packets);
	out_num(obj, "bytes", c->bytes);
	json_object_array_add(v->list, obj);
}

static void print_text(const struct copy *c, const struct words *w)
{
	p_text("%s %s -> %s", w->in, w->src, w->dst);
	if (forward_has_ports(c->key.proto))
		p_text(" proto %u %u -> %u", c->key.proto, ntohs(c->key.sport),
		       ntohs(c->key.dport));
	else
		p_text(" proto %u", c->key.proto);
	if (c->fresh)
		p_text(" dev %s via %s mtu %u", w->out, w->via, c->hop.mtu);
	p_text(" packets %llu bytes %llu age %llu.%llus%s\n", (unsigned long long)c->packets,
	       (unsigned long long)c->bytes, w->age_ms / 1000, w->age_ms % 1000 / 100,
	       c->fresh ? "" : " stale");
}

static void show_flow(struct view *v, const struct forward_bucket *b, int i)
{
	struct copy c;
	struct words w;

	if (!copy_flow(b, i, &c))
		return;
	copy_hop(v, &c);
	describe(v, &c, &w);
	v->shown++;
	if (out.json)
		print_json(v, &c, &w);
	else
		print_text(&c, &w);
}

static void show_all(struct view *v)
{
	const struct forward_bucket *b;
	int i;

	for (b = v->buckets; b < v->buckets + v->pins.att.buckets; b++)
		for (i = 0; i < FORWARD_WAYS; i++)
			if (b->tag[i])
				show_flow(v, b, i);
	if (!v->shown)
		p_text("no flow is cached; 'vestige forward stats' says what became of packets\n");
}

int forward_show(int argc, char **argv)
{
	struct view v = {};
	int ret;

	if (argc) {
		p_err("show: '%s' is one word too many", argv[0]);
		return EXIT_USAGE;
	}
	ret = open_view(&v, NULL);
	if (ret)
		return ret;
	v.list = json_object_new_array();
	show_all(&v);
	out_json(v.list);
	return EXIT_OK;
}
