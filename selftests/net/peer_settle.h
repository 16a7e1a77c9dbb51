/* SPDX-License-Identifier: GPL-2.0 */
/*
 * peer_settle.h - that the host has dealt with what was sent. Included by peer.c
 * only.
 *
 * send() may return while the frame still lies in the queue of the host's
 * device: with XDP one NAPI poll serves all scenarios, on whatever CPU it began.
 * What a program of the host does then can overtake the segment, and a FIN goes
 * out with the echo of the one before. Nobody listens on port 1; its RST says
 * that all that went through the queue before has been dealt with.
 */
#ifndef SELFTESTS_NET_PEER_SETTLE_H
#define SELFTESTS_NET_PEER_SETTLE_H

#define SETTLE_PORT	1

/* Frames of two CPUs may overtake each other: those of stock, which have no NAPI. */
static int stay_on_cpu(void)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(sched_getcpu(), &set);
	return sched_setaffinity(0, sizeof(set), &set);
}

static int knock(void)
{
	struct segment s = { .flags = TCP_ACK, .ack = ++peer.knocks, .wscale = -1 };
	struct frame f = {
		.family = peer.frame.family, .ttl = 64,
		.sport = peer.frame.sport, .dport = SETTLE_PORT,
	};

	memcpy(f.smac, peer.frame.smac, sizeof(f.smac));
	memcpy(f.dmac, peer.host_mac, sizeof(f.dmac));
	memcpy(f.saddr, peer.frame.saddr, sizeof(f.saddr));
	memcpy(f.daddr, peer.frame.daddr, sizeof(f.daddr));
	return send_segment(&peer, &f, &s);
}

static bool is_knock(const struct received *r)
{
	return r->f.sport == SETTLE_PORT && r->s.flags == TCP_RST && r->s.seq == peer.knocks;
}

/* What else comes meanwhile is kept for the next who waits. */
static int settle(void)
{
	double deadline = clock_s(CLOCK_MONOTONIC) + PATIENCE_MS / 1e3;
	struct received r;

	if (!peer.unsettled)
		return 0;
	if (knock())
		return -1;
	while (receive_new(&peer, &r, deadline)) {
		if (is_knock(&r)) {
			peer.unsettled = false;
			return 0;
		}
		if (r.f.sport != peer.frame.dport)
			continue;
		if (peer.n_kept == MAX_KEPT)
			return complain("too many segments at once");
		peer.kept[peer.n_kept++] = r;
	}
	return complain("no RST came from port %d", SETTLE_PORT);
}

#endif /* SELFTESTS_NET_PEER_SETTLE_H */
