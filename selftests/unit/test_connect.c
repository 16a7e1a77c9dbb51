// SPDX-License-Identifier: GPL-2.0
/*
 * test_connect.c - may our own SYN leave on a remembered tuple? vtw_connect_safe()
 */
#include <vestige/segment.h>

#include "unit.h"

#define TW	VTW_TIME_WAIT
#define FW	VTW_FIN_WAIT2
#define MS	VTW_TS_MS
#define HALF	0x80000000u

struct row {
	const char *name;
	int state, class, tsmode;
	__u32 isn;	/* from snd_nxt */
	int has_ts;
	__u32 ts;	/* from the latest one that the old session sent */
	int safe;
};

static const struct row rows[] = {
	{ "later timestamp, smaller isn", TW, VTW_REMOTE, MS, -9, 1, 1, 1 },
	{ "later usec timestamp", TW, VTW_REMOTE, VTW_TS_USEC, -9, 1, 1, 1 },
	{ "later timestamp, class of a rule", TW, VTW_CLASS_RULE, MS, -9, 1, 1, 1 },
	{ "timestamp just under half the space", TW, VTW_LOCAL, MS, -9, 1, HALF - 1, 1 },
	{ "timestamp just over half the space", TW, VTW_LOCAL, MS, 9, 1, HALF + 1, 0 },
	{ "same timestamp, greater isn", TW, VTW_LOCAL, MS, 1, 1, 0, 1 },
	{ "same timestamp, equal isn", TW, VTW_LOCAL, MS, 0, 1, 0, 0 },
	{ "same timestamp, smaller isn", TW, VTW_LOCAL, MS, -1, 1, 0, 0 },
	{ "older timestamp, greater isn", TW, VTW_LOCAL, MS, 1, 1, -1, 0 },
	{ "older timestamp, isn a window ahead", TW, VTW_REMOTE, MS, 70000, 1, -1, 0 },
	{ "no timestamp now, greater isn", TW, VTW_LOCAL, MS, 1, 0, 0, 1 },
	{ "no timestamp now, equal isn", TW, VTW_LOCAL, MS, 0, 0, 0, 0 },
	{ "no timestamp now, smaller isn", TW, VTW_LOCAL, MS, -1, 0, 0, 0 },
	{ "no timestamp then", TW, VTW_LOCAL, VTW_TS_NONE, -1, 1, 5, 0 },
	{ "no timestamp then, greater isn", TW, VTW_LOCAL, VTW_TS_NONE, 1, 1, 5, 1 },
	{ "loopback, greater isn", TW, VTW_LOOPBACK, VTW_TS_NONE, 1, 0, 0, 1 },
	{ "rule, less than a window ahead", TW, VTW_CLASS_RULE + 1, VTW_TS_NONE, 65535, 0, 0, 0 },
	{ "rule, a window ahead", TW, VTW_CLASS_RULE + 1, VTW_TS_NONE, 65536, 0, 0, 1 },
	{ "remote, less than a window ahead", TW, VTW_REMOTE, VTW_TS_NONE, 65535, 0, 0, 0 },
	{ "remote, a window ahead", TW, VTW_REMOTE, VTW_TS_NONE, 65536, 0, 0, 1 },
	{ "isn just under half the space", TW, VTW_LOCAL, VTW_TS_NONE, HALF - 1, 0, 0, 1 },
	{ "isn just over half the space", TW, VTW_LOCAL, VTW_TS_NONE, HALF + 1, 0, 0, 0 },
	{ "mute, timestamp says nothing", TW, VTW_LOCAL, VTW_TS_MUTE, -1, 1, 5, 0 },
	{ "mute, greater isn", TW, VTW_LOCAL, VTW_TS_MUTE, 1, 1, -5, 1 },
	{ "fin_wait_2, later timestamp", FW, VTW_LOCAL, MS, 9, 1, 9, 0 },
	{ "fin_wait_2, greater isn", FW, VTW_LOCAL, VTW_TS_NONE, 9, 0, 0, 0 },
};

static const __u32 bases[] = {
	1000, 0, 1, HALF - 1, HALF, HALF + 1, -1u, -2u, -65535u, -65536u, HALF - 65535,
};

static int try_row(const struct row *r, __u32 snd_nxt, __u32 sent_ts)
{
	struct vtw_session s = { .snd_nxt = snd_nxt };

	s.word.state = r->state;
	s.word.class = r->class;
	s.word.tsmode = r->tsmode;
	if (vtw_connect_safe(&s, snd_nxt + r->isn, r->has_ts, sent_ts + r->ts,
			     sent_ts) == r->safe)
		return 0;
	return ksft_fail_at("snd_nxt %u sent_ts %u: not %d", snd_nxt, sent_ts, r->safe);
}

int main(void)
{
	ksft_plan(ARRAY_SIZE(rows));
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		int bad = 0;

		for (size_t n = 0; n < ARRAY_SIZE(bases) * ARRAY_SIZE(bases); n++)
			bad += try_row(&rows[i], bases[n / ARRAY_SIZE(bases)],
				       bases[n % ARRAY_SIZE(bases)]);
		ksft_ok(!bad, "%s: %s", rows[i].safe ? "safe" : "held", rows[i].name);
	}
	return ksft_end();
}
