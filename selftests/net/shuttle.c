// SPDX-License-Identifier: GPL-2.0
/*
 * shuttle.c - a bad wire between two kernels: a tap (or tun) device in each of
 * two namespaces, and what one sends the other gets; or not, or twice, or late.
 *
 *	shuttle [-3|-m] [-l LOSS] [-u DUPLICATES] [-j JITTER_MS] [-s SEED] NS DEV NS DEV
 *
 * LOSS and DUPLICATES are per mille of all packets. JITTER delays each packet by up
 * to so many ms, so that they overtake one another. -3: tun, packets without
 * a link header; -m: only the first is a tun, and the other sees headers that
 * say nothing but the protocol. Prints "ready" when both devices are there; runs until SIGTERM.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_ether.h>
#include <linux/if_tun.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

#include "netns.h"
#include "random.h"

#define MAX_PACKET	2048
#define MAX_QUEUE	4096

struct packet {
	double due;
	int to;			/* file descriptor */
	int len;
	uint8_t data[MAX_PACKET];
};

/* A heap by `due`, the first one first. */
static struct packet *heap[MAX_QUEUE];
static int queued;

static int loss, duplicates, jitter_ms;
static int mixed[2] = { -1, -1 };	/* -m: the tun, the tap */

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec / 1e9;
}

static void die(const char *what)
{
	fprintf(stderr, "shuttle: %s: %s\n", what, strerror(errno));
	exit(2);
}

static int open_device(const char *ns, const char *dev, int flags)
{
	struct ifreq ifr = { .ifr_flags = flags | IFF_NO_PI };
	int fd;

	if (enter_netns(ns))
		die(ns);
	fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		die("/dev/net/tun");
	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", dev);
	if (ioctl(fd, TUNSETIFF, &ifr))
		die(dev);
	return fd;
}

static void swap(int a, int b)
{
	struct packet *p = heap[a];

	heap[a] = heap[b];
	heap[b] = p;
}

static void push(struct packet *p)
{
	int i = queued++;

	heap[i] = p;
	for (; i && heap[i]->due < heap[(i - 1) / 2]->due; i = (i - 1) / 2)
		swap(i, (i - 1) / 2);
}

static struct packet *pop(void)
{
	struct packet *first = heap[0];
	int i = 0;

	heap[0] = heap[--queued];
	for (;;) {
		int child = 2 * i + 1;

		if (child + 1 < queued && heap[child + 1]->due < heap[child]->due)
			child++;
		if (child >= queued || heap[i]->due <= heap[child]->due)
			return first;
		swap(i, child);
		i = child;
	}
}

static void enqueue(int to, const uint8_t *data, int len)
{
	struct packet *p;

	if (queued == MAX_QUEUE)
		return;
	p = malloc(sizeof(*p));
	p->due = now() + (jitter_ms ? rnd() % (jitter_ms * 1000) / 1e6 : 0);
	p->to = to;
	p->len = len;
	memcpy(p->data, data, len);
	push(p);
}

/* What the header of a packet from there gains on its way, or loses. */
static int header(int from)
{
	return from == mixed[0] ? ETH_HLEN : from == mixed[1] ? -ETH_HLEN : 0;
}

static void take(int from, int to)
{
	uint8_t space[MAX_PACKET] = {}, *data = space + ETH_HLEN;
	int len, more = header(from);

	while ((len = read(from, data, sizeof(space) - ETH_HLEN)) > 0) {
		if (len + more <= 0 || (int)(rnd() % 1000) < loss)
			continue;
		if (more > 0) {
			data[-2] = data[0] >> 4 == 6 ? ETH_P_IPV6 >> 8 : ETH_P_IP >> 8;
			data[-1] = data[0] >> 4 == 6 ? ETH_P_IPV6 & 255 : ETH_P_IP & 255;
		}
		enqueue(to, data - more, len + more);
		if ((int)(rnd() % 1000) < duplicates)
			enqueue(to, data - more, len + more);
	}
}

/* A device that is down takes nothing: lost, as on a wire. */
static void deliver(void)
{
	while (queued && heap[0]->due <= now()) {
		struct packet *p = pop();

		if (write(p->to, p->data, p->len) < 0 && errno != EIO && errno != EAGAIN &&
		    errno != EINVAL)
			die("write");
		free(p);
	}
}

static int wait_ms(void)
{
	double left;

	if (!queued)
		return -1;
	left = heap[0]->due - now();
	return left > 0 ? left * 1000 + 1 : 0;
}

static int usage(void)
{
	fprintf(stderr, "usage: shuttle [-3|-m] [-l LOSS] [-u DUPLICATES] [-j JITTER_MS] [-s SEED]"
		" NS DEV NS DEV\n");
	return 2;
}

int main(int argc, char **argv)
{
	struct pollfd p[2] = { { .events = POLLIN }, { .events = POLLIN } };
	int flags = IFF_TAP, mix = 0, c;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	while ((c = getopt(argc, argv, "3ml:u:j:s:")) != -1) {
		switch (c) {
		case '3': flags = IFF_TUN; break;
		case 'm': mix = 1; break;
		case 'l': loss = atoi(optarg); break;
		case 'u': duplicates = atoi(optarg); break;
		case 'j': jitter_ms = atoi(optarg); break;
		case 's': seed = atoi(optarg) ?: 1; break;
		default: return usage();
		}
	}
	if (argc - optind != 4)
		return usage();
	p[0].fd = open_device(argv[optind], argv[optind + 1], mix ? IFF_TUN : flags);
	p[1].fd = open_device(argv[optind + 2], argv[optind + 3], flags);
	if (mix)
		mixed[0] = p[0].fd, mixed[1] = p[1].fd;
	printf("ready\n");
	fflush(stdout);
	while (poll(p, 2, wait_ms()) >= 0 || errno == EINTR) {
		take(p[0].fd, p[1].fd);
		take(p[1].fd, p[0].fd);
		deliver();
	}
	return 0;
}
