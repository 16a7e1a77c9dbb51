// SPDX-License-Identifier: GPL-2.0
/*
 * probe.c - send one packet, and say where it came out
 *
 *	probe FROM-NS DEV ROUTER-MAC TO-NS DEV...
 *
 * Each line of stdin, `SRC DST [tos N] [ttl N] [sport N] [count N] [wait MS]`, is a packet;
 * the answer is `DEV TTL MAC`, the device of TO-NS that saw it and to which station, or
 * `none`. With `count` there are so many, of as many source ports, and the answer is
 * `DEV=N DEV=N ...`.
 */
#include "lane.h"

static struct lane out[LANE_MAX];
static int from, nr_out;
static uint32_t number;
static uint8_t router[6];

struct query {
	struct lane_packet p;
	int count, wait_ms;
};

static int parse_address(const char *word, uint8_t *to, int *v6)
{
	*v6 = !!strchr(word, ':');
	return inet_pton(*v6 ? AF_INET6 : AF_INET, word, to) == 1 ? 0 : -1;
}

static int parse_option(struct query *q, const char *word, int value)
{
	if (!strcmp(word, "tos"))
		q->p.tos = value;
	else if (!strcmp(word, "ttl"))
		q->p.ttl = value;
	else if (!strcmp(word, "sport"))
		q->p.sport = value;
	else if (!strcmp(word, "count"))
		q->count = value;
	else if (!strcmp(word, "wait"))
		q->wait_ms = value;
	else
		return -1;
	return 0;
}

static int parse(char *line, struct query *q)
{
	char *src = strtok(line, " \n"), *dst = strtok(NULL, " \n"), *word, *value;

	*q = (struct query){ .p = { .ttl = 64, .sport = 4000, .dport = 5000 },
			     .count = 1, .wait_ms = 300 };
	if (!src || !dst || parse_address(src, q->p.src, &q->p.v6) ||
	    parse_address(dst, q->p.dst, &q->p.v6))
		return -1;
	while ((word = strtok(NULL, " \n"))) {
		value = strtok(NULL, " \n");
		if (!value || parse_option(q, word, atoi(value)))
			return -1;
	}
	return 0;
}

static void drain(void)
{
	uint8_t b[LANE_FRAME];

	for (int i = 0; i < nr_out; i++)
		while (recv(out[i].fd, b, sizeof(b), MSG_DONTWAIT) > 0)
			;
}

/* Which one saw packets from number `first` on? The frame in b. -1: none in time. */
static int await(uint32_t first, uint64_t until, uint8_t *b)
{
	struct pollfd fds[LANE_MAX];

	for (int i = 0; i < nr_out; i++)
		fds[i] = (struct pollfd){ .fd = out[i].fd, .events = POLLIN };
	for (;;) {
		uint64_t now = lane_ns();

		if (now >= until || poll(fds, nr_out, (until - now) / 1000000 + 1) <= 0)
			return -1;
		for (int i = 0; i < nr_out; i++) {
			ssize_t len = fds[i].revents ? recv(fds[i].fd, b, LANE_FRAME, MSG_DONTWAIT)
						     : -1;
			int64_t n = len > 0 ? lane_number(b, len) : -1;

			if (n >= first)
				return i;
		}
	}
}

static void answer(int which, const uint8_t *b)
{
	if (which < 0)
		puts("none");
	else
		printf("%s %d %02x:%02x:%02x:%02x:%02x:%02x\n", out[which].name,
		       b[12] == 0x86 ? b[21] : b[22], b[0], b[1], b[2], b[3], b[4], b[5]);
}

static void run(struct query *q)
{
	uint64_t until = lane_ns() + q->wait_ms * 1000000ull;
	int seen[LANE_MAX] = {}, which = -1, left = q->count;
	uint32_t first = number + 1;
	uint8_t b[LANE_FRAME];

	drain();
	memcpy(q->p.dmac, router, 6);
	q->p.smac[0] = 2;
	for (int i = 0; i < q->count; i++, q->p.sport++) {
		q->p.number = ++number;
		if (send(from, b, lane_build(b, &q->p), 0) < 0)
			die("send");
	}
	while (left-- && (which = await(first, until, b)) >= 0)
		seen[which]++;
	if (q->count == 1) {
		answer(which, b);
		return;
	}
	for (int i = 0; i < nr_out; i++)
		printf("%s=%d ", out[i].name, seen[i]);
	putchar('\n');
}

int main(int argc, char **argv)
{
	char line[512];
	struct query q;

	if (argc < 6 || argc - 5 > LANE_MAX || parse_mac(argv[3], router)) {
		fprintf(stderr, "usage: probe FROM-NS DEV ROUTER-MAC TO-NS DEV...\n");
		return 1;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	lane_enter(argv[1]);
	from = lane_open(argv[2]);
	lane_enter(argv[4]);
	for (nr_out = 0; nr_out < argc - 5; nr_out++)
		out[nr_out] = (struct lane){ argv[5 + nr_out], lane_open(argv[5 + nr_out]) };
	while (fgets(line, sizeof(line), stdin)) {
		if (parse(line, &q))
			puts("err: what?");
		else
			run(&q);
	}
	return 0;
}
