// SPDX-License-Identifier: GPL-2.0
/* main.c - options, the table of commands, and nothing else. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "cmd.h"
#include "args.h"
#include "out.h"
#include "pins.h"

#ifndef VESTIGE_VERSION
#define VESTIGE_VERSION "unknown"
#endif

static const struct cmd commands[] = {
	{ "attach",  do_attach,  "take over TIME_WAIT of a network namespace" },
	{ "detach",  do_detach,  "give it back to the kernel" },
	{ "status",  do_status,  "what is attached, how full, what is covered how" },
	{ "doctor",  do_doctor,  "can this host do it, and what is in the way" },
	{ "vtw",     do_vtw,     "remembered sessions: list, find, flush, stats, set" },
	{ "mslt",    do_mslt,    "how long TIME_WAIT lasts: show, set, rule, threshold" },
	{ "monitor", do_monitor, "watch sessions come, answer and go" },
	{ "gre",     do_gre,     "GRE devices whose outside is a socket: add, set, del, show" },
	{ "selsrc",  do_selsrc,  "source addresses by policy: attach, policy, explain, follow" },
	{ "addr",    do_addr,    "preferences of addresses: pref, show" },
	{ "forward", do_forward, "forward packets in XDP by cached routes: attach, show, stats" },
	{ "rtcache", do_rtcache, "when copies of routes are stale: monitor, stats, flush, follow" },
	{ NULL, NULL, NULL },
};

/* What stands above and below the list of commands in the help. */
static const char usage_head[] =
	"vestige - TIME_WAIT in compact records instead of sockets; GRE over sockets\n"
	"\n"
	"usage: vestige [-j] [-p] [-d] [-n NETNS] COMMAND ...\n"
	"       vestige attach  [netns NAME] [dev DEV]... [hook auto|xdp|tc] [entries N]\n"
	"                       [entries6 N] [cgroup PATH] [bind-guard on|off]\n"
	"       vestige detach  [netns NAME] [wait] | detach stale\n"
	"       vestige status  [netns NAME]\n"
	"       vestige doctor\n"
	"       vestige vtw     list [FILTER] | find LOCAL:PORT PEER:PORT | flush [FILTER]\n"
	"                       | stats [all|reset] | set NAME VALUE ...\n"
	"       vestige mslt    show | set CLASS DURATION ... | rule add PREFIX DURATION|CLASS\n"
	"                       | rule del PREFIX | threshold DURATION|off | on | off\n"
	"       vestige monitor\n"
	"       vestige gre     add NAME local ADDR remote ADDR [WORD...] | add NAME fd N\n"
	"                       | set NAME WORD... | del NAME | show [NAME]\n"
	"       vestige selsrc  attach [netns NAME] [cgroup PATH] [conf FILE] [dual-stack]\n"
	"                       [follow] | detach [netns NAME] [cgroup PATH] | show | follow\n"
	"                       | policy set default|DEV FUNC,... | policy del default|DEV\n"
	"                       | policy show | explain DEST [dev DEV]\n"
	"       vestige addr    pref set ADDR dev DEV N | pref del ADDR dev DEV | show\n"
	"       vestige rtcache monitor | stats | flush [inet|inet6]\n"
	"                       | follow [events] [rcvbuf BYTES]\n"
	"       vestige forward attach DEV... [netns NAME] [flows N] [age DURATION]\n"
	"                       [mode native|generic] [bypass netfilter|tc|qdisc]...\n"
	"                       | detach [netns NAME | stale] | show | stats [all]\n"
	"\n"
	"commands (any unambiguous beginning will do):\n";

static const char usage_tail[] =
	"\n"
	"options:\n"
	"  -j, --json     JSON on stdout, errors too: {\"error\": \"...\"}\n"
	"  -p, --pretty   JSON, indented\n"
	"  -n, --netns N  work in this network namespace\n"
	"  -d, --debug    each step, and libbpf's own log, on stderr\n"
	"  -V, --version  version and exit\n"
	"  -h, --help     this text\n"
	"\n"
	"exit: 0 done, 1 wrong words, 2 refused. Durations: 200ms, 2s, 1m.\n"
	"Manual: vestige(8)\n";

static void print_list(const struct cmd *cmds)
{
	for (; cmds->name; cmds++)
		printf("  %-10s %s\n", cmds->name, cmds->help);
}

static int help(void)
{
	fputs(usage_head, stdout);
	print_list(commands);
	fputs(usage_tail, stdout);
	return EXIT_OK;
}

static bool is_help(const char *word)
{
	return !strcmp(word, "help") || !strcmp(word, "-h") || !strcmp(word, "--help");
}

/* Also behind a command; objects have lists of their own to show. */
static bool wants_help(int argc, char **argv)
{
	static const char *const leaves[] = {
		"attach", "detach", "status", "doctor", "monitor", NULL
	};

	return is_help(argv[0]) ||
	       (argc > 1 && is_help(argv[1]) && match_keyword(argv[0], leaves) >= 0);
}

#define MAX_COMMANDS 16

int cmd_select(const struct cmd *cmds, const char *what, int argc, char **argv)
{
	const char *names[MAX_COMMANDS + 1] = { NULL };
	int i;

	for (i = 0; i < MAX_COMMANDS && cmds[i].name; i++)
		names[i] = cmds[i].name;
	if (!argc) {
		p_err("%s: say what; try 'vestige help'", what);
		return EXIT_USAGE;
	}
	if (is_help(argv[0])) {
		printf("vestige %s:\n", what);
		print_list(cmds);
		return EXIT_OK;
	}
	i = arg_keyword(what, argv[0], names);
	if (i < 0)
		return EXIT_USAGE;
	return cmds[i].run(argc - 1, argv + 1);
}

static const char *netns;	/* -n */

static int bad_option(char **argv)
{
	if (optopt == 'n')
		p_err("option -n wants the name of a namespace behind it");
	else if (optopt && strncmp(argv[optind - 1], "--", 2))
		p_err("option '-%c' is unknown; try 'vestige help'", optopt);
	else if (optopt)
		p_err("option '%s' takes no value", argv[optind - 1]);
	else
		p_err("option '%s' is unknown; try 'vestige help'", argv[optind - 1]);
	return EXIT_USAGE;
}

/* Like `ip -n`: for commands whose own words name no namespace. */
static int enter_netns(void)
{
	struct ns ns;
	int ret = pins_enter(netns, &ns);

	return ret == -ENOENT ? ns_unknown(netns) : ret;
}

/* -1: go on with the command; otherwise the exit code. */
static int read_options(int argc, char **argv)
{
	static const struct option options[] = {
		{ "json", no_argument, NULL, 'j' },
		{ "pretty", no_argument, NULL, 'p' },
		{ "netns", required_argument, NULL, 'n' },
		{ "debug", no_argument, NULL, 'd' },
		{ "version", no_argument, NULL, 'V' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	int opt;

	opterr = 0;
	/* '+': words behind the command are the command's own. */
	while ((opt = getopt_long(argc, argv, "+jpdVhn:", options, NULL)) != -1) {
		switch (opt) {
		case 'p':
			out.pretty = true;
			/* fallthrough */
		case 'j':
			out.json = true;
			break;
		case 'n':
			netns = optarg;
			break;
		case 'd':
			out.debug = true;
			break;
		case 'V':
			printf("vestige %s\n", VESTIGE_VERSION);
			return EXIT_OK;
		case 'h':
			return help();
		default:
			return bad_option(argv);
		}
	}
	return -1;
}

static int run(int argc, char **argv)
{
	int ret;

	if (!argc) {
		p_err("no command; try 'vestige help'");
		return EXIT_USAGE;
	}
	if (wants_help(argc, argv))
		return help();
	out_libbpf_init();
	ret = netns ? enter_netns() : EXIT_OK;
	if (ret)
		return ret;
	return cmd_select(commands, "command", argc, argv);
}

int main(int argc, char **argv)
{
	int ret = read_options(argc, argv);

	if (ret < 0)
		ret = run(argc - optind, argv + optind);
	if (!out_written() && ret == EXIT_OK)
		ret = EXIT_REFUSED;
	return ret;
}
