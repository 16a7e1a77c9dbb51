// SPDX-License-Identifier: GPL-2.0
/*
 * peer.c - a TCP endpoint without a stack: it sends what its script says and
 * shows what comes back, with numbers relative to the connection, so that two
 * runs can be compared line by line.
 *
 *	peer -i DEV -m MAC -M HOSTMAC -a ADDR -A HOSTADDR [-p PORT] [-P HOSTPORT]
 *	     [-s SOCK-COMMAND] [-S STATE-COMMAND] [-b BACKEND] [-n ANY-ADDRESS] <SCRIPT
 *
 * The script, one command a line; `stock:` or `vestige:` in front limits a line
 * to that back end. E is an expression: isn snd irs rcv ts ts0 tsin, a number,
 * or a mark, joined by + and -.
 *
 *	ports PEER HOST			set isn|win|wscale|mss|ts|tsstep E|off
 *	set vlan A[,B]|off		set ipopt|badcsum|badipcsum|host-usec on|off
 *	set ext hop,dst,rt|off		set frag|pad|tos N
 *	set dmac MAC			where frames go
 *	set from DEV|any		where those of the host come, if not by -i
 *	mark NAME E			remember a number
 *	check E < E			compare two, in sequence space
 *	syn				send SYN, expect SYN+ACK
 *	open active|passive		three-way handshake, as client or server
 *	send FLAGS [seq=E] [ack=E] [win=E] [len=N] [ts=E|off] [ecr=E] [badcsum]
 *	     [badopt]			default seq=snd ack=rcv ts=next ecr=tsin
 *	probe FLAGS ...			the same, but does not advance snd
 *	expect FLAGS [seq=E|any] [ack=E|any] [win=E|last] [len=N] [ecr=E]
 *	     [ts=ms|usec|none|any] [smac=MAC] [dmac=MAC] [within MS]
 *	expect none [MS]
 *	collect MS			show what comes until MS of silence
 *	state WORD [left<MS|left>MS]	what the host remembers; "none", TIME-WAIT...
 *	record WORD [...]		the same, of vestige's record even if there
 *					is a socket too
 *	do COMMAND			a line for the sock program, which must say ok
 *	run COMMAND			shell; must succeed
 *	pause MS			let the host's clock go on
 *
 * The words @host @peer @any @hport @pport stand for addresses and ports.
 *
 * Every segment received must have right checksums. Retransmissions of what
 * was received before are passed over; what was sent with `send`, takes sequence
 * space and is not acknowledged in 400 ms is sent again. `do`, `run`, `state`,
 * `record`, `pause`, `collect` and `expect none` begin when the host has dealt
 * with all that was sent. Exit: 0, or 1 after a line with "!".
 */
#include <getopt.h>
#include <stdarg.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <sys/random.h>
#include <sys/wait.h>

#include "peer.h"

#define MAX_WORDS	32
#define PATIENCE_MS	2000
#define SILENCE_MS	60
#define RESEND_MS	400

static struct peer peer = { .wscale = 7, .mss = 1400, .win = 1000, .ts_step = 1 };
static const char *backend = "", *any_address = "::";
static int line_no;

__attribute__((format(printf, 1, 2)))
static int complain(const char *fmt, ...)
{
	va_list ap;

	printf("! line %d: ", line_no);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	printf("\n");
	return -1;
}

/* --- numbers and frames ------------------------------------------------- */

static int number(const char *text, uint32_t *value)
{
	return evaluate(&peer, text, value) ? 0 : complain("not a number: %s", text);
}

static int to_mac(const char *text, uint8_t *mac)
{
	return sscanf(text, "%hhx:%hhx:%hhx:%hhx:%hhx:%hhx", mac, mac + 1, mac + 2,
		      mac + 3, mac + 4, mac + 5) == 6 ? 0 : -1;
}

#include "peer_set.h"

static int do_mark(int argc, char **argv)
{
	uint32_t v, *var;

	if (argc != 3 || strlen(argv[1]) > 15 || number(argv[2], &v))
		return complain("mark NAME E");
	var = find_var(&peer, argv[1], strlen(argv[1]));
	if (!var && peer.n_vars == MAX_VARS)
		return complain("too many marks");
	if (!var) {
		strcpy(peer.vars[peer.n_vars].name, argv[1]);
		var = &peer.vars[peer.n_vars++].value;
	}
	*var = v;
	return 0;
}

/* check E < E: in sequence space. */
static int do_check(int argc, char **argv)
{
	uint32_t a, b;

	if (argc != 4 || strcmp(argv[2], "<") || number(argv[1], &a) || number(argv[3], &b))
		return complain("check E < E");
	return before(a, b) ? 0 : complain("%s is %d ahead of %s", argv[1],
					   (int32_t)(a - b), argv[3]);
}

static int do_ports(int argc, char **argv)
{
	if (argc != 3)
		return complain("ports PEER HOST");
	peer.frame.sport = atoi(argv[1]);
	peer.frame.dport = atoi(argv[2]);
	return 0;
}

/* --- what is seen ------------------------------------------------------- */

#include "peer_show.h"

/* The host's retransmission timer may go off on a slow machine. */
static bool seen_before(const struct segment *s)
{
	if (!peer.synced || !seg_space(s) || s->flags & TCP_RST)
		return false;
	if (s->flags & TCP_SYN)
		return s->seq == peer.irs;
	return !before(peer.rcv, s->seq + seg_space(s));
}

static void take_in(const struct segment *s)
{
	if (s->flags & TCP_SYN && !peer.synced) {
		peer.irs = s->seq;
		peer.rcv = s->seq + 1;
		peer.synced = true;
	} else if (peer.synced && s->seq == peer.rcv) {
		peer.rcv += seg_space(s);
	}
	if (s->flags & TCP_ACK && s->ack == peer.snd)
		peer.unacked = false;
	if (s->has_ts)
		peer.tsin = s->tsval;
	if (!(s->flags & (TCP_SYN | TCP_RST)))
		peer.win_in = s->win;
}

/* 1: got one, 0: none in time, -1: a wrong checksum. */
static int next_segment(struct received *r, const char **clock, int ms)
{
	double deadline = clock_s(CLOCK_MONOTONIC) + ms / 1e3;

	do {
		if (!receive(&peer, r, deadline))
			return 0;
	} while (seen_before(&r->s));
	*clock = ts_clock(r);
	show(r, *clock);
	if (r->f.bad_ip_csum || r->f.bad_tcp_csum)
		return complain("wrong %s checksum", r->f.bad_ip_csum ? "IP" : "TCP");
	return 1;
}

/* --- send --------------------------------------------------------------- */

static void default_segment(struct segment *s, uint8_t flags)
{
	memset(s, 0, sizeof(*s));
	s->flags = flags;
	s->seq = peer.snd;
	s->ack = flags & TCP_ACK ? peer.rcv : 0;
	s->win = peer.win;
	s->wscale = flags & TCP_SYN ? peer.wscale : -1;
	s->mss = flags & TCP_SYN ? peer.mss : 0;
	s->has_ts = peer.ts_on;
	s->tsval = peer.tsval + peer.ts_step;
	s->tsecr = flags & TCP_ACK ? peer.tsin : 0;
}

static int send_field(struct segment *s, struct frame *f, const char *word)
{
	const char *eq = strchr(word, '=');
	uint32_t v = 0;

	if (!strcmp(word, "badcsum"))
		return f->bad_tcp_csum = true, 0;
	if (!strcmp(word, "badopt"))
		return s->bad_option = true, 0;
	if (!strcmp(word, "ts=off"))
		return s->has_ts = false, 0;
	if (!eq || number(eq + 1, &v))
		return complain("send: %s?", word);
	if (!strncmp(word, "seq=", 4))
		s->seq = v;
	else if (!strncmp(word, "ack=", 4))
		s->ack = v;
	else if (!strncmp(word, "win=", 4))
		s->win = v;
	else if (!strncmp(word, "len=", 4))
		s->len = v;
	else if (!strncmp(word, "ecr=", 4))
		s->tsecr = v;
	else if (!strncmp(word, "ts=", 3))
		s->has_ts = true, s->tsval = v;
	else
		return complain("send: %s?", word);
	return 0;
}

static int transmit(int argc, char **argv, bool advance)
{
	struct frame f = peer.frame;
	struct segment s;
	uint8_t flags;

	if (argc < 2 || !to_flags(argv[1], &flags))
		return complain("%s FLAGS ...", argv[0]);
	default_segment(&s, flags);
	for (int i = 2; i < argc; i++)
		if (send_field(&s, &f, argv[i]))
			return -1;
	if (s.len < 0 || s.len > 1400)
		return complain("len is 0 to 1400");
	if (s.has_ts && s.tsval == peer.tsval + peer.ts_step)
		peer.tsval = s.tsval;
	printf("> %s seq=%d", flags_text(flags), (int32_t)(s.seq - peer.isn));
	if (flags & TCP_ACK)
		printf(" ack=%d", (int32_t)(s.ack - peer.irs));
	printf(" len=%d\n", s.len);
	if (advance && s.seq == peer.snd && seg_space(&s)) {
		peer.snd += seg_space(&s);
		peer.unacked = true;
		peer.last_segment = s;
		peer.last_frame = f;
	}
	return send_segment(&peer, &f, &s);
}

static int do_send(int argc, char **argv)
{
	return transmit(argc, argv, true);
}

static int do_probe(int argc, char **argv)
{
	return transmit(argc, argv, false);
}

#include "peer_settle.h"

/* --- expect ------------------------------------------------------------- */

static int same(const char *what, uint32_t seen, uint32_t wanted)
{
	if (seen == wanted)
		return 0;
	return complain("%s is %u, expected %u (%+d)", what, seen, wanted,
			(int32_t)(seen - wanted));
}

/* One key=value of an expect line against the segment. */
static int check_field(const struct segment *s, const char *clock, const char *key,
		       const char *text)
{
	uint32_t v = peer.win_in;

	if (!strcmp(text, "any"))
		return 0;
	if (!strcmp(key, "ts")) {
		if (!strcmp(text, clock) || (!strcmp(clock, "first") && strcmp(text, "none")))
			return 0;
		return complain("ts is %s, expected %s", clock, text);
	}
	if ((strcmp(key, "win") || strcmp(text, "last")) && number(text, &v))
		return -1;
	if (!strcmp(key, "seq"))
		return same(key, s->seq, v);
	if (!strcmp(key, "ack"))
		return same(key, s->ack, v);
	if (!strcmp(key, "win"))
		return same(key, s->win, v);
	if (!strcmp(key, "len"))
		return same(key, s->len, v);
	if (!strcmp(key, "ecr"))
		return same(key, s->has_ts ? s->tsecr : 0, v);
	return complain("expect: %s?", key);
}

/* smac=, dmac=: of the frame. */
static int check_mac(const uint8_t *seen, const char *text)
{
	uint8_t mac[6];

	if (to_mac(text, mac))
		return complain("not a MAC: %s", text);
	return memcmp(seen, mac, 6) ? complain("MAC is %02x:%02x:%02x:%02x:%02x:%02x, not %s",
					       seen[0], seen[1], seen[2], seen[3], seen[4], seen[5],
					       text) : 0;
}

static int check_word(const struct received *r, const char *clock, const char *key,
		      const char *text)
{
	if (!strcmp(key, "smac"))
		return check_mac(r->f.smac, text);
	if (!strcmp(key, "dmac"))
		return check_mac(r->f.dmac, text);
	return check_field(&r->s, clock, key, text);
}

static int check_segment(const struct received *r, const char *clock, uint8_t flags,
			 int argc, char **argv)
{
	bool seq = false, ack = false, ts = false;
	const struct segment *s = &r->s;

	if (s->flags != flags)
		return complain("another segment than expected");
	for (int i = 2; i < argc; i++) {
		char *eq = strchr(argv[i], '=');

		if (!eq)
			return complain("expect: %s?", argv[i]);
		*eq = 0;
		seq |= !strcmp(argv[i], "seq");
		ack |= !strcmp(argv[i], "ack");
		ts |= !strcmp(argv[i], "ts");
		if (check_word(r, clock, argv[i], eq + 1))
			return -1;
	}
	if (!seq && peer.synced && !(flags & TCP_SYN) && same("seq", s->seq, peer.rcv))
		return -1;
	if (!ack && flags & TCP_ACK && same("ack", s->ack, peer.snd))
		return -1;
	if (ts || flags & TCP_RST)
		return 0;
	return check_field(s, clock, "ts", !peer.ts_on ? "none" :
			   peer.host_usec ? "usec" : "ms");
}

static int expect_none(int ms)
{
	struct received r;
	const char *clock;
	int n = settle() ?: next_segment(&r, &clock, ms);

	if (n > 0)
		return complain("expected nothing");
	if (!n)
		printf("< none\n");
	return n;
}

/* As a TCP would, send again what was not acknowledged. */
static int wait_segment(struct received *r, const char **clock, int ms)
{
	int n;

	do {
		n = next_segment(r, clock, ms < RESEND_MS ? ms : RESEND_MS);
		ms -= RESEND_MS;
		if (!n && ms > 0 && peer.unacked) {
			printf("# sent again\n");
			if (send_segment(&peer, &peer.last_frame, &peer.last_segment))
				return -1;
		}
	} while (!n && ms > 0);
	return n;
}

static int do_expect(int argc, char **argv)
{
	int ms = PATIENCE_MS, n;
	struct received r;
	const char *clock;
	uint8_t flags;

	if (argc > 1 && !strcmp(argv[1], "none"))
		return expect_none(argc > 2 ? atoi(argv[2]) : SILENCE_MS);
	if (argc > 3 && !strcmp(argv[argc - 2], "within")) {
		ms = atoi(argv[argc - 1]);
		argc -= 2;
	}
	if (argc < 2 || !to_flags(argv[1], &flags))
		return complain("expect FLAGS ... or expect none");
	n = wait_segment(&r, &clock, ms);
	if (n < 0)
		return -1;
	if (!n)
		return complain("nothing came in %d ms", ms);
	if (check_segment(&r, clock, flags, argc, argv))
		return -1;
	take_in(&r.s);
	return 0;
}

/* Whatever comes, until nothing has come for so long. */
static int do_collect(int argc, char **argv)
{
	int ms = argc > 1 ? atoi(argv[1]) : SILENCE_MS, n;
	struct received r;
	const char *clock;

	do {
		n = next_segment(&r, &clock, ms);
	} while (n > 0);
	return n;
}

/* --- handshakes --------------------------------------------------------- */

static int command(const char *text);

/* The host may have timestamps off; then the connection goes on without. */
static int settle_ts(const struct segment *syn)
{
	peer.ts_on &= syn->has_ts;
	return 0;
}

static int expect_syn(uint8_t flags)
{
	const char *clock;
	struct received r;
	int n;

	peer.synced = false;
	n = next_segment(&r, &clock, PATIENCE_MS);
	if (n <= 0)
		return n ? n : complain("no SYN came");
	if (r.s.flags != flags)
		return complain("not the SYN expected");
	if (flags & TCP_ACK && same("ack", r.s.ack, peer.snd))
		return -1;
	take_in(&r.s);
	return settle_ts(&r.s);
}

static int do_syn(int argc, char **argv)
{
	(void)argc, (void)argv;
	peer.snd = peer.isn;
	return command("send S") ?: expect_syn(TCP_SYN | TCP_ACK);
}

static int do_open(int argc, char **argv)
{
	if (argc == 2 && !strcmp(argv[1], "active"))
		return do_syn(argc, argv) ?: command("send A");
	if (argc == 2 && !strcmp(argv[1], "passive"))
		return expect_syn(TCP_SYN) ?: command("send SA") ?: command("expect A");
	return complain("open active|passive");
}

#include "peer_host.h"

/* --- the script --------------------------------------------------------- */

static const struct {
	const char *name;
	int (*run)(int argc, char **argv);
	bool settled;		/* only once the host has dealt with what was sent */
} commands[] = {
	{ "set", do_set, false },	{ "mark", do_mark, false },
	{ "ports", do_ports, false },	{ "check", do_check, false },
	{ "syn", do_syn, false },	{ "open", do_open, false },
	{ "send", do_send, false },	{ "probe", do_probe, false },
	{ "expect", do_expect, false },	{ "collect", do_collect, true },
	{ "state", do_state, true },	{ "record", do_state, true },
	{ "do", do_do, true },		{ "run", do_run, true },
	{ "pause", do_pause, true },
};

static char *word(char *text)
{
	static char ports[2][8];

	snprintf(ports[0], sizeof(ports[0]), "%u", peer.frame.dport);
	snprintf(ports[1], sizeof(ports[1]), "%u", peer.frame.sport);
	if (!strcmp(text, "@host"))
		return (char *)peer.host_name;
	if (!strcmp(text, "@peer"))
		return (char *)peer.peer_name;
	if (!strcmp(text, "@any"))
		return (char *)any_address;
	if (!strcmp(text, "@hport"))
		return ports[0];
	return strcmp(text, "@pport") ? text : ports[1];
}

static int dispatch(int argc, char **argv)
{
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (!strcmp(commands[i].name, argv[0]))
			return (commands[i].settled ? settle() : 0) ?:
			       commands[i].run(argc, argv);
	return complain("no such command: %s", argv[0]);
}

static int command(const char *text)
{
	char buf[512], *argv[MAX_WORDS + 1], *save;
	int argc = 0;
	size_t n;

	snprintf(buf, sizeof(buf), "%s", text);
	buf[strcspn(buf, "#\n")] = 0;
	for (char *s = strtok_r(buf, " \t", &save); s && argc < MAX_WORDS;
	     s = strtok_r(NULL, " \t", &save))
		argv[argc++] = word(s);
	if (!argc)
		return 0;
	n = strlen(argv[0]);
	if (argv[0][n - 1] != ':')
		return dispatch(argc, argv);
	argv[0][n - 1] = 0;
	return strcmp(argv[0], backend) ? 0 : dispatch(argc - 1, argv + 1);
}

static int set_address(const char *text, uint8_t *addr)
{
	peer.frame.family = strchr(text, ':') ? AF_INET6 : AF_INET;
	return inet_pton(peer.frame.family, text, addr) == 1 ? 0 : -1;
}

static int option(int c, const char *arg)
{
	switch (c) {
	case 'i': return open_wire(&peer, arg);
	case 'm': return to_mac(arg, peer.frame.smac);
	case 'M': return to_mac(arg, peer.host_mac) ?: to_mac(arg, peer.frame.dmac);
	case 'a': return peer.peer_name = arg, set_address(arg, peer.frame.saddr);
	case 'A': return peer.host_name = arg, set_address(arg, peer.frame.daddr);
	case 'p': return peer.frame.sport = atoi(arg), 0;
	case 'P': return peer.frame.dport = atoi(arg), 0;
	case 's': return start_sock(arg);
	case 'S': return state_command = arg, 0;
	case 'n': return any_address = arg, 0;
	case 'b': return backend = arg, 0;
	}
	return -1;
}

int main(int argc, char **argv)
{
	char line[512];
	int c, rc = 0;

	peer.frame.ttl = 64;
	signal(SIGPIPE, SIG_IGN);
	while ((c = getopt(argc, argv, "i:m:M:a:A:p:P:s:S:b:n:")) != -1) {
		if (option(c, optarg)) {
			fprintf(stderr, "peer: bad -%c %s\n", c, optarg ?: "");
			return 1;
		}
	}
	if (!peer.ifindex || !peer.peer_name || !peer.host_name) {
		fprintf(stderr, "usage: see the head of peer.c\n");
		return 1;
	}
	if (getrandom(&peer.isn, sizeof(peer.isn), 0) < 0)
		return 1;
	peer.snd = peer.isn;
	if (stay_on_cpu())
		return 1;
	while (!rc && fgets(line, sizeof(line), stdin)) {
		line_no++;
		rc = command(line);
		if (rc)
			printf("! in: %s# isn %u irs %u\n", line, peer.isn, peer.irs);
		fflush(stdout);
	}
	return rc ? 1 : 0;
}
