/* SPDX-License-Identifier: GPL-2.0 */
/*
 * peer_host.h - the other side of a scenario: the socket under test, what the
 * host remembers of a session, and shell commands. Included by peer.c only.
 */
#ifndef SELFTESTS_NET_PEER_HOST_H
#define SELFTESTS_NET_PEER_HOST_H

/* What was left is known to this many ms, and scripts allow for 300. */
#define ASK_MS		250
#define ASK_TRIES	3

static const char *state_command;
static FILE *sock_in, *sock_out;

static int start_sock(const char *cmd)
{
	int in[2], out[2];
	pid_t pid;

	if (pipe(in) || pipe(out))
		return -1;
	pid = fork();
	if (!pid) {
		dup2(in[0], 0);
		dup2(out[1], 1);
		close(in[1]);
		close(out[0]);
		execl("/bin/sh", "sh", "-c", cmd, NULL);
		_exit(127);
	}
	close(in[0]);
	close(out[1]);
	sock_in = fdopen(in[1], "w");
	sock_out = fdopen(out[0], "r");
	return pid < 0 ? -1 : 0;
}

static int do_do(int argc, char **argv)
{
	char reply[128] = "no reply";

	if (!sock_in)
		return complain("no sock program (-s)");
	for (int i = 1; i < argc; i++)
		fprintf(sock_in, "%s%c", argv[i], i == argc - 1 ? '\n' : ' ');
	fflush(sock_in);
	if (!fgets(reply, sizeof(reply), sock_out) || strncmp(reply, "ok", 2))
		return complain("sock: %s: %s", argv[1], reply);
	return 0;
}

static int ask_state(const char *what, char *word, size_t size, uint32_t *left)
{
	char cmd[512], text[128] = "";
	FILE *f;

	snprintf(cmd, sizeof(cmd), "%s %s %u %s %u %s", state_command, peer.host_name,
		 peer.frame.dport, peer.peer_name, peer.frame.sport, what);
	fflush(stdout);
	f = popen(cmd, "r");
	if (!f || !fgets(text, sizeof(text), f))
		text[0] = 0;
	if (f)
		pclose(f);
	*left = 0;
	if (!strncmp(text, "error", 5))
		return complain("%s", text);
	snprintf(word, size, "%s", strtok(text, " \n") ?: "");
	if (word[0])
		*left = strtoul(strtok(NULL, " \n") ?: "0", NULL, 10);
	return word[0] ? 0 : complain("no answer from %s", cmd);
}

/*
 * What is left is meant as of the moment when the script asks. A busy machine
 * may take seconds to look, so how long it took is added: all of it where more
 * must be left, none where less must be. Who took too long to tell is asked
 * again, whatever the answer was.
 */
static int do_state(int argc, char **argv)
{
	double begin = clock_s(CLOCK_MONOTONIC), asked, told;
	uint32_t left, limit = 0;
	int tries = ASK_TRIES;
	char word[32];
	bool wrong;

	if (argc < 2 || !state_command)
		return complain("state WORD [left<MS|left>MS]");
	do {
		asked = clock_s(CLOCK_MONOTONIC);
		if (ask_state(argv[0], word, sizeof(word), &left))
			return -1;
		told = clock_s(CLOCK_MONOTONIC);
		if (strcmp(word, argv[1]))
			return complain("%s is %s, expected %s", argv[0], word, argv[1]);
	} while (argc > 2 && (told - asked) * 1e3 > ASK_MS && --tries);
	printf("= %s\n", word);
	if (argc == 2)
		return 0;
	if (strncmp(argv[2], "left", 4) || number(argv[2] + 5, &limit))
		return complain("state: %s?", argv[2]);
	left += ((argv[2][4] == '<' ? asked : told) - begin) * 1e3;
	wrong = argv[2][4] == '<' ? left >= limit : left <= limit;
	return wrong ? complain("%s, but %u ms are left", argv[2], left) : 0;
}

static int do_run(int argc, char **argv)
{
	char cmd[512] = "";

	for (int i = 1; i < argc; i++)
		snprintf(cmd + strlen(cmd), sizeof(cmd) - strlen(cmd), "%s ", argv[i]);
	fflush(stdout);
	return system(cmd) ? complain("failed: %s", cmd) : 0;
}

static int do_pause(int argc, char **argv)
{
	int ms = argc > 1 ? atoi(argv[1]) : 0;
	struct timespec ts = { ms / 1000, ms % 1000 * 1000000L };

	nanosleep(&ts, NULL);
	return 0;
}

#endif /* SELFTESTS_NET_PEER_HOST_H */
