/* SPDX-License-Identifier: GPL-2.0 */
/*
 * peer_show.h - a received segment as a line of the transcript. Numbers are
 * relative, so that two runs can be compared. Included by peer.c only.
 */
#ifndef SELFTESTS_NET_PEER_SHOW_H
#define SELFTESTS_NET_PEER_SHOW_H

/*
 * Which clock the host's TSval follows: both its own and ours must have gone on
 * by the same since the first one. 60 ms is for a host that was busy, and more in
 * an emulated machine (SLOW); sooner than that both may fit, and the one expected
 * is meant.
 */
static double clock_slack_ms(void)
{
	const char *slow = getenv("SLOW");

	return slow && atoi(slow) > 1 ? 60.0 * atoi(slow) : 60;
}

static const char *ts_clock(const struct received *r)
{
	double ms = (r->at - peer.clock_at) * 1e3;
	double went = (int32_t)(r->s.tsval - peer.clock_val);
	bool is_ms = fabs(went - ms) <= clock_slack_ms();
	bool is_usec = fabs(went / 1e3 - ms) <= clock_slack_ms();

	if (!r->s.has_ts)
		return "none";
	if (!peer.clock_known) {
		peer.clock_known = true;
		peer.clock_val = r->s.tsval;
		peer.clock_at = r->at;
		return "first";
	}
	if (is_ms && is_usec)
		return peer.host_usec ? "usec" : "ms";
	if (is_ms || is_usec)
		return is_ms ? "ms" : "usec";
	printf("# TSval went on by %.0f in %.3f ms\n", went, ms);
	return "odd";
}

static void show_frame(const struct frame *f)
{
	printf(" ttl=%d tos=%d%s", f->ttl, f->tos, f->df ? " df" : "");
	for (int i = 0; i < f->vlans; i++)
		printf("%s%d", i ? "," : " vlan=", f->vlan[i] & 0xfff);
}

static void show(const struct received *r, const char *clock)
{
	const struct segment *s = &r->s;

	printf("< %s seq=", flags_text(s->flags));
	if (s->flags & TCP_SYN || (s->flags & TCP_RST && !s->seq))
		printf("0");
	else
		printf("%d", (int32_t)(s->seq - peer.irs));
	if (s->flags & TCP_ACK)
		printf(" ack=%d", (int32_t)(s->ack - peer.isn));
	printf(" win=%u len=%d ts=%s", s->win, s->len, clock);
	if (s->has_ts && s->tsecr)
		printf(" ecr=%d", (int32_t)(s->tsecr - peer.ts_first));
	if (s->mss)
		printf(" mss=%d", s->mss);
	if (s->wscale >= 0)
		printf(" wscale=%d", s->wscale);
	show_frame(&r->f);
	printf("\n");
}

#endif /* SELFTESTS_NET_PEER_SHOW_H */
