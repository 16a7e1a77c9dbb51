/* SPDX-License-Identifier: GPL-2.0 */
/*
 * peer.h - the state of the scripted endpoint, its wire, and its numbers.
 */
#ifndef SELFTESTS_NET_PEER_H
#define SELFTESTS_NET_PEER_H

#include <ctype.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <math.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "frame.h"

#define MAX_VARS	16
#define MAX_KEPT	16

struct received {
	struct frame f;
	struct segment s;
	double at;			/* seconds, from the packet's own stamp */
};

struct peer {
	int fd;
	int ifindex;
	const char *host_name;		/* addresses as text, for the state command */
	const char *peer_name;
	struct frame frame;		/* what every frame we send begins as */

	uint32_t isn, snd;		/* ours */
	uint32_t irs, rcv;		/* the host's */
	bool synced;			/* irs and rcv are valid */
	uint16_t win;
	int wscale;			/* -1: not offered */
	int mss;

	bool unacked;			/* the last segment in sequence: */
	struct segment last_segment;
	struct frame last_frame;

	bool ts_on;
	bool host_usec;			/* TSvals of the host are microseconds */
	uint32_t ts_first;		/* TSvals are shown relative to it */
	uint32_t tsval, ts_step;	/* last sent; added before each segment */
	uint32_t tsin;			/* last received */
	bool clock_known;		/* clock_* hold the host's first TSval */
	uint32_t clock_val;
	double clock_at;

	uint16_t win_in;		/* last window that did not come with a SYN */

	uint8_t host_mac[6];		/* `set dmac` does not change it */
	bool unsettled;			/* what was sent may still be in a queue */
	uint32_t knocks;
	struct received kept[MAX_KEPT];	/* came while we waited for something else */
	int n_kept;

	struct { char name[16]; uint32_t value; } vars[MAX_VARS];
	int n_vars;
};

static inline double clock_s(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return ts.tv_sec + ts.tv_nsec / 1e9;
}

static inline bool before(uint32_t a, uint32_t b)
{
	return (int32_t)(a - b) < 0;
}

static inline uint32_t seg_space(const struct segment *s)
{
	return s->len + !!(s->flags & TCP_SYN) + !!(s->flags & TCP_FIN);
}

static const char flag_letters[] = "FSRPAUEC";

static inline const char *flags_text(uint8_t flags)
{
	static char buf[9];
	int n = 0;

	for (int i = 0; i < 8; i++)
		if (flags & 1 << i)
			buf[n++] = flag_letters[i];
	buf[n] = 0;
	return n ? buf : "-";
}

/* False if `text` has a letter that is no flag. */
static inline bool to_flags(const char *text, uint8_t *flags)
{
	*flags = 0;
	for (; *text && strcmp(text, "-"); text++) {
		const char *p = strchr(flag_letters, *text);

		if (!p)
			return false;
		*flags |= 1 << (p - flag_letters);
	}
	return true;
}

static inline uint32_t *find_var(struct peer *p, const char *name, size_t n)
{
	for (int i = 0; i < p->n_vars; i++)
		if (strlen(p->vars[i].name) == n && !memcmp(p->vars[i].name, name, n))
			return &p->vars[i].value;
	return NULL;
}

static inline bool term(struct peer *p, const char *name, size_t n, uint32_t *value)
{
	const struct { const char *name; uint32_t *value; } known[] = {
		{ "isn", &p->isn }, { "snd", &p->snd }, { "irs", &p->irs },
		{ "rcv", &p->rcv }, { "ts", &p->tsval }, { "ts0", &p->ts_first },
		{ "tsin", &p->tsin },
	};
	uint32_t *var = find_var(p, name, n);
	char *end;

	for (size_t i = 0; !var && i < sizeof(known) / sizeof(known[0]); i++)
		if (strlen(known[i].name) == n && !memcmp(known[i].name, name, n))
			var = known[i].value;
	if (var) {
		*value = *var;
		return true;
	}
	*value = strtoul(name, &end, 0);
	return n && end == name + n;
}

/* term{+-term}; a term is a number, one of the names above, or a `mark`. */
static inline bool evaluate(struct peer *p, const char *text, uint32_t *value)
{
	char sign = '+';

	*value = 0;
	for (;;) {
		size_t n = strcspn(text, "+-");
		uint32_t v;

		if (!term(p, text, n, &v))
			return false;
		*value += sign == '+' ? v : -v;
		if (!text[n])
			return true;
		sign = text[n];
		text += n + 1;
	}
}

static inline struct sockaddr_ll wire(int ifindex)
{
	return (struct sockaddr_ll) {
		.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL),
		.sll_ifindex = ifindex,
	};
}

/* What the host sends is taken from that device from now on, or from "any". */
static inline int listen_on(struct peer *p, const char *dev)
{
	bool any = !strcmp(dev, "any");
	struct sockaddr_ll sll = wire(any ? 0 : if_nametoindex(dev));

	return any || sll.sll_ifindex ? bind(p->fd, (void *)&sll, sizeof(sll)) : -1;
}

static inline int open_wire(struct peer *p, const char *dev)
{
	int on = 1, big = 1 << 20;

	p->ifindex = if_nametoindex(dev);
	p->fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	if (p->fd < 0 || !p->ifindex)
		return -1;
	setsockopt(p->fd, SOL_PACKET, PACKET_AUXDATA, &on, sizeof(on));
	setsockopt(p->fd, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof(on));
	setsockopt(p->fd, SOL_SOCKET, SO_RCVBUF, &big, sizeof(big));
	return listen_on(p, dev);
}

static inline int write_frame(struct peer *p, const uint8_t *buf, int n)
{
	struct sockaddr_ll to = wire(p->ifindex);

	if (sendto(p->fd, buf, n, 0, (void *)&to, sizeof(to)) == n)
		return 0;
	printf("! send: %s\n", strerror(errno));
	return -1;
}

static inline int send_segment(struct peer *p, const struct frame *f, const struct segment *s)
{
	uint8_t tcp[FRAME_MAX], out[FRAME_MAX];
	int len = put_tcp(f, s, tcp);
	int first = f->fragment && f->fragment < len ? f->fragment : len;
	struct part part = { 0, first < len };

	p->unsettled = true;
	if (write_frame(p, out, put_frame(f, tcp, first, part, out)))
		return -1;
	if (first == len)
		return 0;
	part = (struct part){ first, false };
	return write_frame(p, out, put_frame(f, tcp, len - first, part, out));
}

/* Puts back the tag that the kernel took out of the frame. */
static inline void read_ancillary(struct msghdr *msg, struct received *r, bool *partial)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		if (c->cmsg_level == SOL_PACKET && c->cmsg_type == PACKET_AUXDATA) {
			struct tpacket_auxdata *aux = (void *)CMSG_DATA(c);

			*partial = aux->tp_status & TP_STATUS_CSUMNOTREADY;
			if (aux->tp_status & TP_STATUS_VLAN_VALID)
				r->f.vlan[r->f.vlans++] = aux->tp_vlan_tci;
		} else if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SO_TIMESTAMPNS) {
			struct timespec *ts = (void *)CMSG_DATA(c);

			r->at = ts->tv_sec + ts->tv_nsec / 1e9;
		}
	}
}

static inline bool is_ours(const struct peer *p, const struct frame *f)
{
	int n = addr_size(p->frame.family);

	return f->family == p->frame.family && f->dport == p->frame.sport &&
	       !memcmp(f->saddr, p->frame.daddr, n) && !memcmp(f->daddr, p->frame.saddr, n);
}

/*
 * One frame from the wire: 1 if it is for our port, whichever port of the host
 * it is from, 0 if not, -1 at the end.
 */
static inline int read_frame(struct peer *p, struct received *r)
{
	uint8_t buf[FRAME_MAX * 4];
	char control[256];
	struct sockaddr_ll from;
	struct iovec iov = { buf, sizeof(buf) };
	struct msghdr msg = {
		.msg_name = &from, .msg_namelen = sizeof(from),
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = control, .msg_controllen = sizeof(control),
	};
	bool partial = false;
	int n = recvmsg(p->fd, &msg, MSG_DONTWAIT);

	if (n < 0)
		return -1;
	if (from.sll_pkttype == PACKET_OUTGOING)
		return 0;
	memset(r, 0, sizeof(*r));
	read_ancillary(&msg, r, &partial);
	if (!parse_frame(&r->f, &r->s, buf, n) || !is_ours(p, &r->f))
		return 0;
	if (partial)
		r->f.bad_tcp_csum = false;
	return 1;
}

/* Next segment for us before the deadline (CLOCK_MONOTONIC); false: none. */
static inline bool receive_new(struct peer *p, struct received *r, double deadline)
{
	for (;;) {
		struct pollfd pfd = { .fd = p->fd, .events = POLLIN };
		double left = deadline - clock_s(CLOCK_MONOTONIC);
		int n = read_frame(p, r);

		if (n > 0)
			return true;
		if (n < 0 && left <= 0)
			return false;
		if (n < 0)
			poll(&pfd, 1, left * 1000 + 1);
	}
}

/* The same of our connection, and what was kept first. */
static inline bool receive(struct peer *p, struct received *r, double deadline)
{
	if (p->n_kept) {
		*r = p->kept[0];
		memmove(p->kept, p->kept + 1, --p->n_kept * sizeof(*r));
		return true;
	}
	do {
		if (!receive_new(p, r, deadline))
			return false;
	} while (r->f.sport != p->frame.dport);
	return true;
}

#endif /* SELFTESTS_NET_PEER_H */
