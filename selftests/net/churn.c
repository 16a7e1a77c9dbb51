// SPDX-License-Identifier: GPL-2.0
/*
 * churn.c - makes and closes many TCP connections to one address and port.
 *
 * A connection counts as good when the bytes came back, and when the side that
 * closed last read an orderly end of file. Whatever else happens is a failure
 * with the name of its errno. Prints one JSON object; exits 0 when nothing
 * failed, 1 when something did, 2 on bad usage.
 *
 * With one thread, client and server take turns in that thread: nothing waits
 * for the scheduler, and a connect() that blocks is the kernel's doing.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define MAX_THREADS	64
#define MAX_ERRNO	160

static const char usage_text[] =
"usage: churn [OPTIONS] ADDRESS PORT\n"
"  -n N     connections in all (1000)\n"
"  -t N     client threads (1)\n"
"  -s       the server closes first (default: the client)\n"
"  -b ADDR  bind() to ADDR, port 0, before connect()\n"
"  -P PORT  bind() to PORT, the next time to PORT + 1, ... (with -b; SO_REUSEADDR)\n"
"  -m       use IPv6 sockets for an IPv4 address (v4-mapped)\n"
"  -p N     payload bytes, sent and echoed (4)\n"
"  -r N     not more than N connections a second per thread (0: no limit)\n"
"  -w SEC   give up what takes longer than SEC seconds (8)\n"
"  -d SEC   stop after SEC seconds, whatever was reached (0: no limit)\n"
"  -k MS    keep each connection open for MS milliseconds (0)\n"
"  -c       client only: the server is another churn\n"
"  -l       server only: serve until SIGTERM\n";

struct options {
	long connections;
	int threads;
	bool server_first, mapped, client_only, server_only, bind_first;
	int payload, rate, seconds, keep_ms, port, timeout;
	struct sockaddr_storage to, from;
	socklen_t len;
};

struct worker {
	pthread_t thread;
	long quota, done, ok;
	unsigned int *usec;		/* connect() time of each good one */
	long errors[MAX_ERRNO];
	long bad_bytes;
};

static struct options opt = {
	.connections = 1000, .threads = 1, .payload = 4, .timeout = 8,
};
static int listener = -1;
static atomic_int stop;
static double started;

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec / 1e9;
}

static void on_signal(int sig)
{
	(void)sig;
	atomic_store(&stop, 1);
}

static void die(const char *what)
{
	fprintf(stderr, "churn: %s: %s\n", what, strerror(errno));
	exit(2);
}

static void set_timeouts(int fd)
{
	struct timeval tv = { .tv_sec = opt.timeout };
	int one = 1;

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv));
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
}

static int put(int fd, const char *buf, int len)
{
	while (len > 0) {
		ssize_t n = send(fd, buf, len, MSG_NOSIGNAL);

		if (n < 0)
			return -errno;
		buf += n;
		len -= n;
	}
	return 0;
}

/* An end of file where bytes are due is EPIPE: nobody else uses that here. */
static int get(int fd, char *buf, int len)
{
	while (len > 0) {
		ssize_t n = recv(fd, buf, len, 0);

		if (n < 0)
			return -errno;
		if (!n)
			return -EPIPE;
		buf += n;
		len -= n;
	}
	return 0;
}

static int get_end(int fd)
{
	char c;
	ssize_t n = recv(fd, &c, 1, 0);

	return n < 0 ? -errno : n ? -EBADMSG : 0;
}

/* The port is in the same place in both families. */
static in_port_t port_of(const struct sockaddr_storage *ss)
{
	return ((const struct sockaddr_in *)ss)->sin_port;
}

static void set_port(struct sockaddr_storage *ss, int port)
{
	((struct sockaddr_in *)ss)->sin_port = htons(port);
}

static void fill_payload(char *buf, long number)
{
	for (int i = 0; i < opt.payload; i++)
		buf[i] = number * 31 + i * 7;
}

/* Client's socket, connected. Its duration goes to *usec. */
static int client_open(long number, unsigned int *usec, int *err)
{
	struct sockaddr_storage from = opt.from;
	int fd = socket(opt.to.ss_family, SOCK_STREAM, 0);
	int one = 1;
	double t;

	if (fd < 0) {
		*err = errno;
		return -1;
	}
	set_timeouts(fd);
	if (opt.port) {
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
		set_port(&from, opt.port + number);
	}
	t = now();
	if ((opt.bind_first && bind(fd, (void *)&from, opt.len)) ||
	    connect(fd, (void *)&opt.to, opt.len)) {
		/* SO_SNDTIMEO ends a connect() with EINPROGRESS. */
		*err = errno == EINPROGRESS ? ETIMEDOUT : errno;
		close(fd);
		return -1;
	}
	*usec = (now() - t) * 1e6;
	return fd;
}

/* The connection of that client port; older ones in the queue are given up. */
static int accept_from(in_port_t port)
{
	for (;;) {
		struct sockaddr_storage peer;
		socklen_t len = sizeof(peer);
		int fd = accept(listener, (void *)&peer, &len);

		if (fd < 0 || port_of(&peer) == port)
			return fd;
		close(fd);
	}
}

static int close_pair(int first, int second)
{
	int err;

	close(first);
	err = get_end(second);
	close(second);
	return err;
}

/* Both ends in one thread. */
static int inline_transfer(struct worker *w, int fd, char *out, char *in)
{
	struct sockaddr_storage me;
	socklen_t len = sizeof(me);
	int peer, err;

	getsockname(fd, (void *)&me, &len);
	peer = accept_from(port_of(&me));
	if (peer < 0) {
		err = -errno;
		close(fd);
		return err;
	}
	set_timeouts(peer);
	if ((err = put(fd, out, opt.payload)) ||
	    (err = get(peer, in, opt.payload)) ||
	    (err = put(peer, in, opt.payload)) ||
	    (err = get(fd, in, opt.payload))) {
		close(fd);
		close(peer);
		return err;
	}
	w->bad_bytes += !!memcmp(in, out, opt.payload);
	if (opt.keep_ms)
		usleep(opt.keep_ms * 1000);
	return opt.server_first ? close_pair(peer, fd) : close_pair(fd, peer);
}

/* The client's end, when the server is another thread or process. */
static int remote_transfer(struct worker *w, int fd, char *out, char *in)
{
	int err = put(fd, out, opt.payload);

	if (!err)
		err = get(fd, in, opt.payload);
	if (!err) {
		w->bad_bytes += !!memcmp(in, out, opt.payload);
		if (opt.keep_ms)
			usleep(opt.keep_ms * 1000);
		if (opt.server_first) {
			/* "done" lets the server close; its FIN comes first. */
			err = put(fd, "d", 1);
			if (!err)
				err = get_end(fd);
		} else {
			shutdown(fd, SHUT_WR);
			err = get_end(fd);
		}
	}
	close(fd);
	return err;
}

static bool want_more(const struct worker *w)
{
	return w->done < w->quota && !atomic_load(&stop) &&
	       (!opt.seconds || now() - started < opt.seconds);
}

static void pace(const struct worker *w)
{
	double due = opt.rate ? started + (double)w->done / opt.rate : 0;
	double left = due - now();

	if (left > 0)
		usleep(left * 1e6);
}

static void *client(void *arg)
{
	struct worker *w = arg;
	bool alone = !opt.client_only && opt.threads == 1;
	char *out = malloc(opt.payload + 1), *in = malloc(opt.payload + 1);

	for (; want_more(w); w->done++) {
		unsigned int usec = 0;
		int err = 0, fd;

		pace(w);
		fill_payload(out, w->done);
		fd = client_open(w->done, &usec, &err);
		if (fd >= 0)
			err = -(alone ? inline_transfer(w, fd, out, in) :
				remote_transfer(w, fd, out, in));
		if (err)
			w->errors[err < MAX_ERRNO ? err : 0]++;
		else
			w->usec[w->ok++] = usec;
	}
	free(out);
	free(in);
	return NULL;
}

static void serve_one(int fd, char *buf)
{
	char done;

	set_timeouts(fd);
	if (!get(fd, buf, opt.payload) && !put(fd, buf, opt.payload)) {
		if (!opt.server_first)
			get_end(fd);
		else
			get(fd, &done, 1);
	}
	/* Server first: our FIN goes out, then we wait for the client's. */
	if (opt.server_first) {
		shutdown(fd, SHUT_WR);
		get_end(fd);
	}
	close(fd);
}

static void *server(void *arg)
{
	char *buf = malloc(opt.payload + 1);
	int fd;

	(void)arg;
	while (!atomic_load(&stop)) {
		fd = accept(listener, NULL, NULL);
		if (fd >= 0)
			serve_one(fd, buf);
		else if (errno != EAGAIN && errno != EINTR)
			break;
	}
	free(buf);
	return NULL;
}

static void open_listener(void)
{
	struct timeval tv = { .tv_usec = 200 * 1000 };
	int one = 1;

	listener = socket(opt.to.ss_family, SOCK_STREAM, 0);
	if (listener < 0)
		die("socket");
	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(listener, (void *)&opt.to, opt.len))
		die("bind");
	if (listen(listener, 4096))
		die("listen");
	/* accept() must notice the end, and not wait for ever in a failed run. */
	if (opt.threads == 1 && !opt.server_only && !opt.client_only)
		tv = (struct timeval){ .tv_sec = opt.timeout };
	setsockopt(listener, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
}

static void parse_address(const char *text, struct sockaddr_storage *ss, int port)
{
	struct sockaddr_in *v4 = (void *)ss;
	struct sockaddr_in6 *v6 = (void *)ss;
	char mapped[64];

	if (opt.mapped && strchr(text, '.')) {
		snprintf(mapped, sizeof(mapped), "::ffff:%s", text);
		text = mapped;
	}
	memset(ss, 0, sizeof(*ss));
	if (inet_pton(AF_INET, text, &v4->sin_addr) == 1) {
		ss->ss_family = AF_INET;
		v4->sin_port = htons(port);
		opt.len = sizeof(*v4);
	} else if (inet_pton(AF_INET6, text, &v6->sin6_addr) == 1) {
		ss->ss_family = AF_INET6;
		v6->sin6_port = htons(port);
		opt.len = sizeof(*v6);
	} else {
		fprintf(stderr, "churn: not an address: %s\n", text);
		exit(2);
	}
}

static int by_value(const void *a, const void *b)
{
	unsigned int x = *(const unsigned int *)a, y = *(const unsigned int *)b;

	return x < y ? -1 : x > y;
}

static void print_errors(const struct worker *workers)
{
	const char *sep = "";

	printf("\"errors\":{");
	for (int e = 0; e < MAX_ERRNO; e++) {
		long sum = 0;

		for (int i = 0; i < opt.threads; i++)
			sum += workers[i].errors[e];
		if (!sum)
			continue;
		printf("%s\"%s\":%ld", sep, strerrorname_np(e) ?: "other", sum);
		sep = ",";
	}
	printf("}");
}

static int report(const struct worker *workers, double seconds)
{
	long done = 0, ok = 0, bad = 0;
	unsigned int *all = malloc((opt.connections + 1) * sizeof(*all));

	for (int i = 0; i < opt.threads; i++) {
		memcpy(all + ok, workers[i].usec, workers[i].ok * sizeof(*all));
		ok += workers[i].ok;
		done += workers[i].done;
		bad += workers[i].bad_bytes;
	}
	qsort(all, ok, sizeof(*all), by_value);
	if (!ok)
		all[0] = 0;
	printf("{\"connections\":%ld,\"ok\":%ld,\"failures\":%ld,\"bad_bytes\":%ld,",
	       done, ok, done - ok, bad);
	print_errors(workers);
	printf(",\"seconds\":%.3f,\"per_second\":%.0f,", seconds, done / seconds);
	printf("\"connect_us\":{\"p50\":%u,\"p99\":%u,\"max\":%u}}\n",
	       all[ok / 2], all[ok * 99 / 100], all[ok ? ok - 1 : 0]);
	free(all);
	return done != ok || bad;
}

static void options(int argc, char **argv)
{
	const char *from = NULL;
	int c, port;

	while ((c = getopt(argc, argv, "n:t:sb:P:mp:r:d:k:w:clh")) != -1) {
		switch (c) {
		case 'n': opt.connections = atol(optarg); break;
		case 't': opt.threads = atoi(optarg); break;
		case 's': opt.server_first = true; break;
		case 'b': from = optarg; break;
		case 'P': opt.port = atoi(optarg); break;
		case 'm': opt.mapped = true; break;
		case 'p': opt.payload = atoi(optarg); break;
		case 'r': opt.rate = atoi(optarg); break;
		case 'd': opt.seconds = atoi(optarg); break;
		case 'w': opt.timeout = atoi(optarg); break;
		case 'k': opt.keep_ms = atoi(optarg); break;
		case 'c': opt.client_only = true; break;
		case 'l': opt.server_only = true; break;
		default:
			fputs(usage_text, c == 'h' ? stdout : stderr);
			exit(c == 'h' ? 0 : 2);
		}
	}
	if (argc - optind != 2 || opt.threads < 1 || opt.threads > MAX_THREADS ||
	    opt.connections < 1 || opt.payload < 1) {
		fputs(usage_text, stderr);
		exit(2);
	}
	port = atoi(argv[optind + 1]);
	parse_address(argv[optind], &opt.to, port);
	opt.bind_first = from;
	if (from)
		parse_address(from, &opt.from, 0);
}

static int run_server(void)
{
	pthread_t t[MAX_THREADS];

	for (int i = 0; i < opt.threads; i++)
		pthread_create(&t[i], NULL, server, NULL);
	for (int i = 0; i < opt.threads; i++)
		pthread_join(t[i], NULL);
	return 0;
}

static int run_clients(void)
{
	static struct worker workers[MAX_THREADS];
	pthread_t servers[MAX_THREADS];
	bool threaded = !opt.client_only && opt.threads > 1;
	double end;

	for (int i = 0; threaded && i < opt.threads; i++)
		pthread_create(&servers[i], NULL, server, NULL);
	for (int i = 0; i < opt.threads; i++) {
		workers[i].quota = opt.connections / opt.threads +
				   (i < opt.connections % opt.threads);
		workers[i].usec = calloc(workers[i].quota + 1, sizeof(int));
		pthread_create(&workers[i].thread, NULL, client, &workers[i]);
	}
	for (int i = 0; i < opt.threads; i++)
		pthread_join(workers[i].thread, NULL);
	end = now();
	atomic_store(&stop, 1);
	for (int i = 0; threaded && i < opt.threads; i++)
		pthread_join(servers[i], NULL);
	return report(workers, end - started);
}

int main(int argc, char **argv)
{
	struct sigaction sa = { .sa_handler = on_signal };

	options(argc, argv);
	/* A script that is killed leaves nothing behind. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	/* With both ends here a signal ends the run in order, with a report. */
	if (!opt.client_only && !opt.server_only) {
		sigaction(SIGTERM, &sa, NULL);
		sigaction(SIGINT, &sa, NULL);
	}
	if (!opt.client_only)
		open_listener();
	started = now();
	return opt.server_only ? run_server() : run_clients();
}
