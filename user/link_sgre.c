// SPDX-License-Identifier: GPL-2.0
/*
 * link_sgre.c - link_sgre.so, a plugin of iproute2:
 *
 *	ip link add NAME type sgre local ADDR remote ADDR ...
 *	ip link set NAME type sgre ...
 *	ip [-s] [-j] -d link show NAME
 *
 * The words and keys are those of `vestige gre`; `mtu` and other things that all
 * devices have are for ip itself, in front of `type`.
 */
#include <net/if.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "cmd.h"
#include "gre.h"
#include "iproute2.h"
#include "out.h"

#define REQUEST_SIZE	1024	/* of ip, all of it */

/* As ip says it. */
void p_err(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fputs("Error: ", stderr);
	vfprintf(stderr, fmt, ap);
	fputs(".\n", stderr);
	va_end(ap);
}

static void print_help(struct link_util *lu, int argc, char **argv, FILE *file)
{
	(void)lu, (void)argc, (void)argv;
	fprintf(file, "Usage: ... " SGRE_KIND " %s", gre_words_help);
}

static int parse_opt(struct link_util *lu, int argc, char **argv, struct nlmsghdr *msg)
{
	struct gre_config cfg;

	if (argc && !strcmp(argv[0], "help")) {
		print_help(lu, argc, argv, stdout);
		return -1;
	}
	if (gre_parse(SGRE_KIND, argc, argv, &cfg))
		return -1;
	if (cfg.has & GRE_MTU_BIT) {
		p_err("mtu: write it in front of 'type " SGRE_KIND "'");
		return -1;
	}
	if (gre_put(msg, REQUEST_SIZE, &cfg))
		return 0;
	p_err(SGRE_KIND ": the request is too long");
	return -1;
}

static void put_str(void *arg, const char *key, const char *value)
{
	(void)arg;
	print_color_string(PRINT_JSON, 0, key, NULL, value);
}

static void put_num(void *arg, const char *key, unsigned long long value)
{
	(void)arg;
	print_color_lluint(PRINT_JSON, 0, key, NULL, value);
}

static void put_flag(void *arg, const char *key, bool value)
{
	(void)arg;
	print_color_bool(PRINT_JSON, 0, key, NULL, value);
}

static void put_null(void *arg, const char *key)
{
	(void)arg;
	print_color_null(PRINT_JSON, 0, key, NULL, NULL);
}

static void *put_open(void *arg, const char *key)
{
	open_json_object(key);
	return arg;
}

static void put_close(void *arg)
{
	(void)arg;
	close_json_object();
}

static const struct gre_writer writer = {
	put_str, put_num, put_flag, put_null, put_open, put_close,
};

static FILE *out_file;

static void print_counter(const char *name, unsigned long long value, const char *what)
{
	(void)what;
	fprintf(out_file, "%s %llu ", name, value);
}

static void print_text(const struct gre_config *cfg, const char *dev, FILE *file)
{
	char words[GRE_TEXTLEN];

	fprintf(file, "%s%s ", cfg->adopted ? "adopted " : "", gre_text(cfg, dev, words));
	out_file = file;
	if (show_stats)
		gre_counters_text(cfg, false, print_counter);
}

static void print_opt(struct link_util *lu, FILE *file, struct rtattr *tb[])
{
	char dev[IFNAMSIZ];
	struct gre_config cfg = {};
	int i;

	if (!tb)
		return;
	for (i = 1; i <= lu->maxattr; i++)
		if (tb[i])
			gre_get(&cfg, (const struct nlattr *)tb[i]);
	if (cfg.link && !if_indextoname(cfg.link, dev))
		snprintf(dev, sizeof(dev), "if%u", cfg.link);
	if (is_json_context())
		gre_json(&cfg, cfg.link ? dev : NULL, &writer, NULL);
	else
		print_text(&cfg, cfg.link ? dev : NULL, file);
}

/* The only name that ip looks for. */
__attribute__((visibility("default"))) struct link_util sgre_link_util = {
	.id = SGRE_KIND,
	.maxattr = IFLA_SGRE_MAX,
	.parse_opt = parse_opt,
	.print_opt = print_opt,
	.print_help = print_help,
};
