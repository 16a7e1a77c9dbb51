// SPDX-License-Identifier: GPL-2.0
/*
 * segment.c - what a passing segment pays for our programs
 *
 * Frames that concern no session go through each program by BPF_PROG_TEST_RUN,
 * in turns with a program that does nothing; the difference counts. The index
 * is as full as in a full table. One line of JSON; nothing is attached.
 */
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <net/ethernet.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include <vestige/vtw.h>
#include "vtw.skel.h"
#include "selftests/bench/segment.skel.h"

#define ENTRIES		65536
#define REPEAT		500000
#define ROUNDS		9

struct frame {
	const char *name;
	unsigned int len;
	unsigned char data[128];
};

static void die(const char *what, int err)
{
	fprintf(stderr, "segment: %s: %s\n", what, strerror(err < 0 ? -err : err));
	exit(1);
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static void add_tcp(struct frame *f, unsigned int at)
{
	/* Data of an established connection, with timestamps. */
	static const unsigned char options[12] = { 1, 1, 8, 10, 0, 1, 2, 3, 0, 4 };
	struct tcphdr tcp = {
		.source = htons(443), .dest = htons(40000), .seq = htonl(1000),
		.ack_seq = htonl(2000), .doff = 8, .ack = 1, .psh = 1,
		.window = htons(500),
	};

	memcpy(f->data + at, &tcp, sizeof(tcp));
	memcpy(f->data + at + sizeof(tcp), options, sizeof(options));
	f->len = at + sizeof(tcp) + sizeof(options) + 16;
}

static void make_ip4(struct frame *f, const char *name, int protocol)
{
	struct ether_header eth = { .ether_type = htons(ETHERTYPE_IP) };
	struct iphdr ip = {
		.version = 4, .ihl = 5, .ttl = 64, .protocol = protocol,
		.saddr = htonl(0xc0000201), .daddr = htonl(0xc0000202),
	};

	f->name = name;
	add_tcp(f, sizeof(eth) + sizeof(ip));
	ip.tot_len = htons(f->len - sizeof(eth));
	memcpy(f->data, &eth, sizeof(eth));
	memcpy(f->data + sizeof(eth), &ip, sizeof(ip));
}

static void make_ip6(struct frame *f)
{
	struct ether_header eth = { .ether_type = htons(ETHERTYPE_IPV6) };
	struct ip6_hdr ip = {
		.ip6_src.s6_addr = { 0x20, 1, 0xd, 0xb8, [15] = 1 },
		.ip6_dst.s6_addr = { 0x20, 1, 0xd, 0xb8, [15] = 2 },
	};

	ip.ip6_vfc = 0x60;	/* parts of unions, hence not above */
	ip.ip6_nxt = IPPROTO_TCP;
	ip.ip6_hlim = 64;
	f->name = "tcp6";
	add_tcp(f, sizeof(eth) + sizeof(ip));
	ip.ip6_plen = htons(f->len - sizeof(eth) - sizeof(ip));
	memcpy(f->data, &eth, sizeof(eth));
	memcpy(f->data + sizeof(eth), &ip, sizeof(ip));
}

static double run(struct bpf_program *prog, struct frame *f, unsigned int verdict)
{
	LIBBPF_OPTS(bpf_test_run_opts, o, .data_in = f->data,
		    .data_size_in = f->len, .repeat = REPEAT);
	int err = bpf_prog_test_run_opts(bpf_program__fd(prog), &o);

	if (err)
		die(bpf_program__name(prog), err);
	if (o.retval != verdict) {
		fprintf(stderr, "segment: %s did not pass %s\n",
			bpf_program__name(prog), f->name);
		exit(1);
	}
	return o.duration;
}

static void compare(struct bpf_program *prog, struct bpf_program *empty,
		    struct frame *f, unsigned int verdict)
{
	static int n;
	double over[ROUNDS], base[ROUNDS];
	int i;

	for (i = 0; i < ROUNDS; i++) {
		base[i] = run(empty, f, verdict);
		over[i] = run(prog, f, verdict) - base[i];
	}
	qsort(over, ROUNDS, sizeof(over[0]), by_value);
	qsort(base, ROUNDS, sizeof(base[0]), by_value);
	printf("%s{\"program\":\"%s\",\"frame\":\"%s\",\"empty_ns\":%.0f,\"over_ns\":%.0f}",
	       n++ ? "," : "[", bpf_program__name(prog), f->name,
	       base[ROUNDS / 2], over[ROUNDS / 2]);
}

static unsigned int set_geometry(struct vtw_bpf *s)
{
	struct vtw_geometry geo[2] = {};
	unsigned int i;

	for (i = 0; i < 2; i++) {
		geo[i].capacity = ENTRIES;
		geo[i].chunks = ENTRIES / VTW_CHUNK;
		geo[i].buckets = ENTRIES / VTW_LOAD_PER_BUCKET + 1;
		geo[i].index_bits = 16;
		if (getrandom(geo[i].seed, sizeof(geo[i].seed), 0) < 0)
			die("getrandom", errno);
	}
	memcpy((void *)s->rodata->geo, geo, sizeof(geo));
	bpf_map__set_max_entries(s->maps.v4_record, ENTRIES);
	bpf_map__set_max_entries(s->maps.v6_record, ENTRIES);
	bpf_map__set_max_entries(s->maps.v4_chunk, geo[0].chunks);
	bpf_map__set_max_entries(s->maps.v6_chunk, geo[0].chunks);
	bpf_map__set_max_entries(s->maps.v4_index, geo[0].buckets);
	bpf_map__set_max_entries(s->maps.v6_index, geo[0].buckets);
	return geo[0].buckets;
}

/* Twelve of fifteen slots taken, by tags of nobody that passes here. */
static void fill_index(struct bpf_map *map, unsigned int buckets)
{
	struct vtw_bucket b = {};
	__u32 i;
	int err;

	for (i = 0; i < buckets; i++) {
		if (getrandom(b.slot, VTW_LOAD_PER_BUCKET * sizeof(b.slot[0]), 0) < 0)
			die("getrandom", errno);
		err = bpf_map__update_elem(map, &i, sizeof(i), &b, sizeof(b), 0);
		if (err)
			die(bpf_map__name(map), err);
	}
}

static struct vtw_bpf *load(void)
{
	struct vtw_config cfg = { .mslt_on = 1, .verify_csum = 1, .restarts = 7 };
	struct vtw_bpf *s = vtw_bpf__open();
	unsigned int buckets;
	__u32 zero = 0;
	int err;

	if (!s)
		die("open", errno);
	buckets = set_geometry(s);
	err = vtw_bpf__load(s);
	if (!err)
		err = bpf_map__update_elem(s->maps.config, &zero, sizeof(zero), &cfg,
					   sizeof(cfg), 0);
	if (err)
		die("load", err);
	fill_index(s->maps.v4_index, buckets);
	fill_index(s->maps.v6_index, buckets);
	return s;
}

int main(void)
{
	struct segment_bpf *e;
	struct frame frames[3];
	struct vtw_bpf *s;
	unsigned int i;

	libbpf_set_print(NULL);
	s = load();
	e = segment_bpf__open_and_load();
	if (!e)
		die("empty programs", errno);
	memset(frames, 0, sizeof(frames));
	make_ip4(&frames[0], "tcp4", IPPROTO_TCP);
	make_ip6(&frames[1]);
	make_ip4(&frames[2], "udp4", IPPROTO_UDP);
	for (i = 0; i < 3; i++) {
		compare(s->progs.vtw_in, e->progs.empty_tc, &frames[i], (unsigned int)-1);
		compare(s->progs.vtw_out, e->progs.empty_tc, &frames[i], (unsigned int)-1);
		compare(s->progs.vtw_xdp, e->progs.empty_xdp, &frames[i], 2);
	}
	printf("]\n");
	segment_bpf__destroy(e);
	vtw_bpf__destroy(s);
	return 0;
}
