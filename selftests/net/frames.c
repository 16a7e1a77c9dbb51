// SPDX-License-Identifier: GPL-2.0
/*
 * frames.c - sends odd frames into one device and looks at how they come out
 * of another one.
 *
 *	frames [-r N] [-s SEED] [-m MAC] IN_NS IN_DEV OUT_NS OUT_DEV
 *	       FAMILY LOCAL LPORT PEER PPORT
 *
 * Between the two devices stands the machine under test, as a bridge: it must
 * pass everything. The frames are a table of what is legal but rare, what is
 * broken, and, with -r, N of them with random bytes changed. Addresses and ports are
 * those of a session that the machine under test may remember. With -m they are
 * for that MAC address, so for the machine itself, and its counters tell the rest.
 *
 * One line for each frame: its name, and `same`, `changed`, `lost`, or
 * `answered` (the machine under test sent something back). Two runs with one
 * seed send the same bytes, so stock and vestige are compared with diff.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <netinet/ether.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "netns.h"
#include "random.h"

#define MAX_FRAME	9014
#define BATCH		32
#define QUIET_MS	60

enum mangle {
	INTACT, BAD_CSUM, BAD_IP_CSUM, IHL_4, IHL_15, VERSION_0, DOFF_4, DOFF_15,
	TOTAL_BIG, TOTAL_SMALL, CUT_IP, CUT_L4, CUT_TO_ETH, PADDED, OPT_LEN_0,
	NO_FLAGS,
};

#define FIN	0x01
#define SYN	0x02
#define RST	0x04
#define ACK	0x10
#define FIN_ACK	(FIN | ACK)

/*
 * tags: 'q' 802.1Q, 'a' 802.1ad, outermost first. options: bytes of IP options.
 * ext (IPv6), in order: h hop-by-hop, d destination, r routing, f first fragment,
 * m later fragment, t atomic fragment, A authentication, n no next header.
 * frag (IPv4): the flags and offset field. proto 0 stands for TCP, and TCP flags 0 for
 * FIN and ACK.
 */
struct spec {
	const char *name;
	int family;
	const char *tags;
	int options;
	const char *ext;
	uint16_t frag;
	uint8_t proto, flags;
	bool ts;
	int payload;
	enum mangle mangle;
};

#define V4(n, ...) { .name = "v4_" n, .family = 4, ##__VA_ARGS__ }
#define V6(n, ...) { .name = "v6_" n, .family = 6, ##__VA_ARGS__ }
#define L2(n, e, ...) { .name = "l2_" n, .family = e, ##__VA_ARGS__ }

static const struct spec specs[] = {
	V4("fin"), V4("fin_ts", .ts = true), V4("syn", .flags = SYN),
	V4("syn_ack", .flags = SYN | ACK), V4("ack", .flags = ACK),
	V4("rst", .flags = RST), V4("no_flags", .mangle = NO_FLAGS),
	V4("all_flags", .flags = 0xff), V4("syn_fin", .flags = SYN | FIN),
	V4("data", .flags = ACK, .payload = 1000),
	V4("jumbo", .flags = ACK, .payload = 8900),
	V4("jumbo_fin_ts", .ts = true, .payload = 8000),
	V4("options_4", .options = 4), V4("options_40", .options = 40, .ts = true),
	V4("df", .frag = 0x4000), V4("frag_first", .frag = 0x2000, .payload = 64),
	V4("frag_middle", .frag = 0x2008, .payload = 64),
	V4("frag_last", .frag = 0x0010), V4("frag_evil_bit", .frag = 0x8000),
	V4("vlan", .tags = "q"), V4("vlan_ad", .tags = "a"),
	V4("vlan_qinq", .tags = "aq"), V4("vlan_qq", .tags = "qq", .ts = true),
	V4("vlan_3", .tags = "aqq"), V4("vlan_options", .tags = "q", .options = 8),
	V4("vlan_jumbo", .tags = "aq", .payload = 8000),
	V4("udp", .proto = 17, .payload = 20), V4("udp_frag", .proto = 17, .frag = 0x2000),
	V4("icmp", .proto = 1, .payload = 20), V4("gre", .proto = 47, .payload = 20),
	V4("esp", .proto = 50, .payload = 40), V4("ah", .proto = 51, .payload = 40),
	V4("sctp", .proto = 132, .payload = 20), V4("proto_255", .proto = 255),
	V4("ipip", .proto = 4, .payload = 40),
	V4("bad_csum", .mangle = BAD_CSUM), V4("bad_ip_csum", .mangle = BAD_IP_CSUM),
	V4("ihl_4", .mangle = IHL_4), V4("ihl_15", .mangle = IHL_15),
	V4("version_0", .mangle = VERSION_0), V4("doff_4", .mangle = DOFF_4),
	V4("doff_15", .mangle = DOFF_15), V4("total_big", .mangle = TOTAL_BIG),
	V4("total_small", .mangle = TOTAL_SMALL), V4("cut_ip", .mangle = CUT_IP),
	V4("cut_tcp", .mangle = CUT_L4), V4("cut_to_eth", .mangle = CUT_TO_ETH),
	V4("padded", .mangle = PADDED), V4("opt_len_0", .ts = true, .mangle = OPT_LEN_0),
	V4("vlan_cut", .tags = "aq", .mangle = CUT_TO_ETH),

	V6("fin"), V6("fin_ts", .ts = true), V6("syn", .flags = SYN),
	V6("rst", .flags = RST), V6("data", .flags = ACK, .payload = 1000),
	V6("jumbo", .flags = ACK, .payload = 8900),
	V6("hop", .ext = "h"), V6("dest", .ext = "d"), V6("routing", .ext = "r"),
	V6("hop_dest_routing_dest", .ext = "hdrd", .ts = true),
	V6("dest_12", .ext = "dddddddddddd"), V6("auth", .ext = "A"),
	V6("frag_first", .ext = "f", .payload = 64),
	V6("frag_later", .ext = "m", .payload = 64), V6("frag_atomic", .ext = "t"),
	V6("hop_frag", .ext = "hf"), V6("none", .ext = "n"),
	V6("udp", .proto = 17, .payload = 20), V6("icmp", .proto = 58, .payload = 20),
	V6("udp_dest", .proto = 17, .ext = "d"), V6("esp", .proto = 50, .payload = 40),
	V6("vlan", .tags = "q"), V6("vlan_qinq", .tags = "aq", .ext = "h"),
	V6("vlan_3", .tags = "qqq"), V6("bad_csum", .mangle = BAD_CSUM),
	V6("version_0", .mangle = VERSION_0), V6("doff_4", .mangle = DOFF_4),
	V6("doff_15", .mangle = DOFF_15), V6("total_big", .mangle = TOTAL_BIG),
	V6("total_small", .mangle = TOTAL_SMALL), V6("cut_ip", .mangle = CUT_IP),
	V6("cut_tcp", .mangle = CUT_L4), V6("padded", .mangle = PADDED),
	V6("opt_len_0", .ts = true, .mangle = OPT_LEN_0),

	L2("arp_like", 0x0806, .payload = 28), L2("experimental", 0x88b5, .payload = 60),
	L2("length_field", 0x0040, .payload = 64), L2("mpls", 0x8847, .payload = 60),
	L2("pppoe", 0x8864, .payload = 60), L2("vlan_only", 0x88b5, .tags = "q"),
	L2("ip_empty", 0x0800), L2("ipv6_one_byte", 0x86dd, .payload = 1),
};

static int proto_of(const struct spec *s)
{
	return s->family > 6 ? 0 : s->proto ?: 6;
}

#define SPECS	(sizeof(specs) / sizeof(specs[0]))

struct frame {
	uint8_t data[MAX_FRAME];
	int len, ip, l4;
	char name[48];
	const char *fate;
};

struct session {
	int family;
	uint8_t local[16], peer[16];
	uint16_t lport, pport;
};

static struct session session;

static void die(const char *what)
{
	fprintf(stderr, "frames: %s: %s\n", what, strerror(errno));
	exit(2);
}

static uint8_t *put(struct frame *f, int bytes)
{
	uint8_t *p = f->data + f->len;

	if (f->len + bytes > MAX_FRAME) {
		fprintf(stderr, "frames: %s is too long\n", f->name);
		exit(2);
	}
	memset(p, 0, bytes);
	f->len += bytes;
	return p;
}

static void put16(struct frame *f, uint16_t v)
{
	uint8_t *p = put(f, 2);

	p[0] = v >> 8;
	p[1] = v;
}

static void set16(uint8_t *p, uint16_t v)
{
	p[0] = v >> 8;
	p[1] = v;
}

static uint32_t add16(uint32_t sum, const uint8_t *p, int len)
{
	for (; len > 1; len -= 2, p += 2)
		sum += p[0] << 8 | p[1];
	return len ? sum + (p[0] << 8) : sum;
}

static uint16_t fold(uint32_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return ~sum;
}

/* Nobody's: a bridge floods it. */
static uint8_t to[6] = { 0x02, 0x76, 0, 0, 0xff, 0xfe };

/* The number travels in the source address: it survives whatever we break. */
static void put_ether(struct frame *f, const struct spec *s, unsigned int number)
{
	const char *tag = s->tags ?: "";
	uint8_t *p = put(f, 12);

	memcpy(p, to, 6);
	memcpy(p + 6, "\x02\x76\x77\x00", 4);
	set16(p + 10, number);
	for (; *tag; tag++) {
		put16(f, *tag == 'a' ? 0x88a8 : 0x8100);
		put16(f, 0x2064 + (f->len & 0xf));
	}
	put16(f, s->family == 4 ? 0x0800 : s->family == 6 ? 0x86dd : s->family);
	f->ip = f->len;
}

static void put_ipv4(struct frame *f, const struct spec *s)
{
	uint8_t *p = put(f, 20);

	p[0] = 0x45 + s->options / 4;
	set16(p + 4, 0x7677);
	set16(p + 6, s->frag);
	p[8] = 64;
	p[9] = proto_of(s);
	memcpy(p + 12, session.peer, 4);
	memcpy(p + 16, session.local, 4);
	memset(put(f, s->options), 1, s->options);
	f->l4 = f->len;
}

static uint8_t ext_number(char c, uint8_t last)
{
	switch (c) {
	case 'h': return 0;
	case 'd': return 60;
	case 'r': return 43;
	case 'f': case 'm': case 't': return 44;
	case 'A': return 51;
	case 'n': return 59;
	default: return last;
	}
}

static void put_ext(struct frame *f, char kind, uint8_t next)
{
	uint8_t *p = put(f, kind == 'A' ? 16 : 8);

	p[0] = next;
	switch (kind) {
	case 'A':
		p[1] = 2;
		break;
	case 'f':
		set16(p + 2, 1);
		break;
	case 'm':
		set16(p + 2, 8 << 3);
		break;
	case 'h': case 'd':
		p[2] = 1;	/* PadN of 6 bytes */
		p[3] = 4;
		break;
	}
}

static void put_ipv6(struct frame *f, const struct spec *s)
{
	const char *ext = s->ext ?: "";
	uint8_t *p = put(f, 40);

	p[0] = 0x60;
	p[6] = ext_number(ext[0], proto_of(s));
	p[7] = 64;
	memcpy(p + 8, session.peer, 16);
	memcpy(p + 24, session.local, 16);
	for (; *ext && *ext != 'n'; ext++)
		put_ext(f, *ext, ext_number(ext[1], proto_of(s)));
	f->l4 = f->len;
}

static void put_tcp(struct frame *f, const struct spec *s)
{
	uint8_t *p = put(f, s->ts ? 32 : 20);

	set16(p, session.pport);
	set16(p + 2, session.lport);
	set16(p + 4, 0x1234);
	set16(p + 8, 0x4321);
	p[12] = s->ts ? 0x80 : 0x50;
	p[13] = s->mangle == NO_FLAGS ? 0 : s->flags ?: FIN_ACK;
	set16(p + 14, 501);
	if (s->ts)
		memcpy(p + 20, "\x01\x01\x08\x0a\x00\x01\x00\x00\x00\x02\x00\x00", 12);
}

static void put_payload(struct frame *f, int bytes)
{
	uint8_t *p = put(f, bytes);

	for (int i = 0; i < bytes; i++)
		p[i] = i * 5 + 1;
}

static void finish_lengths(struct frame *f, const struct spec *s)
{
	uint8_t *ip = f->data + f->ip;

	if (s->family == 4) {
		set16(ip + 2, f->len - f->ip);
		set16(ip + 10, 0);
		set16(ip + 10, fold(add16(0, ip, f->l4 - f->ip)));
	} else {
		set16(ip + 4, f->len - f->ip - 40);
	}
}

static void finish_csum(struct frame *f, const struct spec *s)
{
	uint8_t *ip = f->data + f->ip, *l4 = f->data + f->l4;
	int len = f->len - f->l4;
	uint32_t sum = len + proto_of(s);

	if (proto_of(s) != 6)
		return;
	sum = s->family == 4 ? add16(sum, ip + 12, 8) : add16(sum, ip + 8, 32);
	set16(l4 + 16, fold(add16(sum, l4, len)));
}

static void break_it(struct frame *f, const struct spec *s)
{
	uint8_t *ip = f->data + f->ip, *l4 = f->data + f->l4;
	int total = s->family == 4 ? 2 : 4;

	switch (s->mangle) {
	case INTACT: case NO_FLAGS: break;
	case BAD_CSUM: l4[16] ^= 0x55; break;
	case BAD_IP_CSUM: ip[10] ^= 0x55; break;
	case IHL_4: ip[0] = 0x44; break;
	case IHL_15: ip[0] = 0x4f; break;
	case VERSION_0: ip[0] &= 0x0f; break;
	case DOFF_4: l4[12] = 0x40; break;
	case DOFF_15: l4[12] = 0xf0; break;
	case TOTAL_BIG: set16(ip + total, 4000); break;
	case TOTAL_SMALL: set16(ip + total, s->family == 4 ? 24 : 4); break;
	case CUT_IP: f->len = f->ip + 11; break;
	case CUT_L4: f->len = f->l4 + 7; break;
	case CUT_TO_ETH: f->len = f->ip; break;
	case PADDED: memset(put(f, 60), 0xaa, 60); break;
	case OPT_LEN_0: l4[21] = 2; l4[22] = 8; l4[23] = 0; break;
	}
}

static void build(struct frame *f, const struct spec *s, unsigned int number)
{
	memset(f, 0, sizeof(*f));
	snprintf(f->name, sizeof(f->name), "%s", s->name);
	put_ether(f, s, number);
	if (s->family == 4)
		put_ipv4(f, s);
	else if (s->family == 6)
		put_ipv6(f, s);
	if (proto_of(s) == 6)
		put_tcp(f, s);
	put_payload(f, s->payload);
	if (s->family != 4 && s->family != 6)
		return;
	finish_lengths(f, s);
	finish_csum(f, s);
	break_it(f, s);
}

static void randomize(struct frame *f, unsigned int number)
{
	int limit = f->len < 100 ? f->len : 100;

	snprintf(f->name + strlen(f->name), sizeof(f->name) - strlen(f->name),
		 "+random%u", number);
	for (int n = 1 + rnd() % 3; n > 0 && limit > 12; n--)
		f->data[12 + rnd() % (limit - 12)] = rnd();
	if (rnd() % 8 == 0 && f->len > 14)
		f->len = 14 + rnd() % (f->len - 14);
}

static int open_in(const char *ns, const char *dev)
{
	struct sockaddr_ll ll = { .sll_family = AF_PACKET,
				  .sll_protocol = htons(ETH_P_ALL) };
	int fd, one = 1, size = 8 << 20;

	if (enter_netns(ns))
		die(ns);
	fd = socket(AF_PACKET, SOCK_RAW, htons(ETH_P_ALL));
	ll.sll_ifindex = if_nametoindex(dev);
	if (fd < 0 || !ll.sll_ifindex || bind(fd, (void *)&ll, sizeof(ll)))
		die(dev);
	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
	if (setsockopt(fd, SOL_PACKET, PACKET_AUXDATA, &one, sizeof(one)))
		die("PACKET_AUXDATA");
	return fd;
}

/* The kernel takes the outer tag out of the bytes: put it back. */
static int untake_tag(struct msghdr *msg, uint8_t *buf, int len)
{
	struct tpacket_auxdata aux;
	struct cmsghdr *c = CMSG_FIRSTHDR(msg);

	if (!c || c->cmsg_type != PACKET_AUXDATA)
		return len;
	memcpy(&aux, CMSG_DATA(c), sizeof(aux));
	if (!(aux.tp_status & TP_STATUS_VLAN_VALID))
		return len;
	memmove(buf + 16, buf + 12, len - 12);
	set16(buf + 12, aux.tp_status & TP_STATUS_VLAN_TPID_VALID ?
	      aux.tp_vlan_tpid : 0x8100);
	set16(buf + 14, aux.tp_vlan_tci);
	return len + 4;
}

static int receive(int fd, uint8_t *buf, int size)
{
	char control[CMSG_SPACE(sizeof(struct tpacket_auxdata))];
	struct sockaddr_ll from = { 0 };
	struct iovec iov = { buf, size - 4 };
	struct msghdr msg = { &from, sizeof(from), &iov, 1, control, sizeof(control), 0 };
	int len = recvmsg(fd, &msg, MSG_DONTWAIT);

	if (len < 12 || from.sll_pkttype == PACKET_OUTGOING)
		return len < 0 ? -1 : 0;
	return untake_tag(&msg, buf, len);
}

static int number_in(const uint8_t *mac)
{
	if (memcmp(mac, "\x02\x76\x77\x00", 4))
		return -1;
	return mac[4] << 8 | mac[5];
}

/* Frames first..first+count-1 are under way; returns how many have a fate now. */
static int collect(int in, int out, struct frame *frames, int first, int count)
{
	uint8_t buf[MAX_FRAME + 64];
	int n, len, settled = 0;

	while ((len = receive(out, buf, sizeof(buf))) >= 0) {
		n = len ? number_in(buf + 6) - first : -1;
		if (n < 0 || n >= count)
			continue;
		settled += !frames[n].fate;
		frames[n].fate = len == frames[n].len &&
			!memcmp(buf, frames[n].data, len) ? "same" : "changed";
	}
	while ((len = receive(in, buf, sizeof(buf))) >= 0) {
		n = len ? number_in(buf) - first : -1;
		if (n < 0 || n >= count)
			continue;
		settled += !frames[n].fate;
		frames[n].fate = "answered";
	}
	return settled;
}

static void run_batch(int in, int out, struct frame *frames, int first, int count)
{
	struct pollfd p[2] = { { in, POLLIN, 0 }, { out, POLLIN, 0 } };
	int settled = 0;

	for (int i = 0; i < count; i++)
		if (send(in, frames[i].data, frames[i].len, 0) < 0)
			frames[i].fate = "unsendable";
	while (settled < count && poll(p, 2, QUIET_MS) > 0)
		settled += collect(in, out, frames, first, count);
	for (int i = 0; i < count; i++)
		printf("%s %s\n", frames[i].name, frames[i].fate ?: "lost");
}

static void parse_session(char **arg)
{
	int af = atoi(arg[0]) == 6 ? AF_INET6 : AF_INET;

	session.family = atoi(arg[0]);
	session.lport = atoi(arg[2]);
	session.pport = atoi(arg[4]);
	if (inet_pton(af, arg[1], session.local) != 1 ||
	    inet_pton(af, arg[3], session.peer) != 1) {
		fprintf(stderr, "frames: bad address\n");
		exit(2);
	}
}

static bool wanted(const struct spec *s)
{
	return (s->family != 4 && s->family != 6) || s->family == session.family;
}

static int usage(void)
{
	fprintf(stderr, "usage: frames [-r N] [-s SEED] [-m MAC] IN_NS IN_DEV OUT_NS OUT_DEV"
		" FAMILY LOCAL LPORT PEER PPORT\n");
	return 2;
}

static void run_all(int in, int out, unsigned int random_frames)
{
	static struct frame frames[BATCH];
	unsigned int number = 0, filled = 0;

	for (unsigned int i = 0; i < SPECS + random_frames; i++) {
		const struct spec *s = &specs[i < SPECS ? i : rnd() % SPECS];

		if (!wanted(s))
			continue;
		build(&frames[filled], s, number + filled);
		if (i >= SPECS)
			randomize(&frames[filled], i);
		if (++filled < BATCH)
			continue;
		run_batch(in, out, frames, number, filled);
		number += filled;
		filled = 0;
	}
	run_batch(in, out, frames, number, filled);
}

int main(int argc, char **argv)
{
	unsigned int random_frames = 0;
	int in, out, c;

	while ((c = getopt(argc, argv, "r:s:m:")) != -1) {
		if (c == 'r')
			random_frames = atoi(optarg);
		else if (c == 's')
			seed = atoi(optarg) ?: 1;
		else if (c == 'm' && ether_aton(optarg))
			memcpy(to, ether_aton(optarg), sizeof(to));
		else
			return usage();
	}
	if (argc - optind != 9)
		return usage();
	parse_session(argv + optind + 4);
	in = open_in(argv[optind], argv[optind + 1]);
	out = open_in(argv[optind + 2], argv[optind + 3]);
	run_all(in, out, random_frames);
	return 0;
}
