// SPDX-License-Identifier: GPL-2.0
/*
 * mslt.c - `vestige mslt`: how long TIME_WAIT lasts.
 *
 * Everything is changed where it lies, in the pinned configuration; it holds for
 * sessions that close from then on, and for what is begun anew: 2MSL of a
 * repeated FIN, a reopening that came to nothing.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>
#include "args.h"
#include "cmd.h"
#include "mslt.h"
#include "out.h"
#include "record.h"
#include "rules.h"
#include "table.h"

#define LOCK_TRIES	20	/* of a tenth of a second */

/* Others hold it for a moment, but `detach wait` for minutes. */
static int wait_lock(const struct pins *p)
{
	int fd = -EWOULDBLOCK, i;

	for (i = 0; i < LOCK_TRIES && fd == -EWOULDBLOCK; i++)
		fd = pindir_lock(p->dir, false);
	if (fd == -EWOULDBLOCK)
		p_err("another vestige is at work in this namespace; try again later");
	else if (fd < 0)
		p_err("cannot lock %s: %s", p->dir, strerror(-fd));
	return fd;
}

static int map_config(struct mslt_edit *edit, bool writable)
{
	edit->cfg = table_map(edit->pins.dir, "config", writable, &edit->size);
	if (edit->cfg)
		return EXIT_OK;
	p_err("cannot map the settings below %s: %s", edit->pins.dir, strerror(errno));
	return EXIT_REFUSED;
}

int mslt_edit_begin(struct mslt_edit *edit)
{
	int err = pins_open(&edit->pins, NULL);

	if (err)
		return err;
	edit->lock = wait_lock(&edit->pins);
	if (edit->lock < 0)
		return EXIT_REFUSED;
	err = map_config(edit, true);
	if (err)
		close(edit->lock);
	return err;
}

void mslt_edit_end(struct mslt_edit *edit)
{
	table_unmap(edit->cfg, edit->size);
	close(edit->lock);
}

static int no_words(const char *what, int argc, char **argv)
{
	if (!argc)
		return EXIT_OK;
	p_err("%s: '%s' is one word too many", what, argv[0]);
	return EXIT_USAGE;
}

/* ---- show ------------------------------------------------------------------------ */

static int show(const struct mslt_edit *edit)
{
	struct json_object *obj = json_object_new_object();
	struct json_object *lengths = json_object_new_object();
	const struct vtw_config *cfg = edit->cfg;
	__u32 threshold_ms = cfg->rtt_threshold_us / 1000;
	char text[DURATION_STRLEN];
	__u32 class;
	int err;

	p_text("mslt %s\n", cfg->mslt_on ? "on" : "off: 1m for all");
	out_bool(obj, "on", cfg->mslt_on);
	for (class = VTW_LOOPBACK; class <= VTW_REMOTE; class++) {
		p_text("%s %s\n", class_name(class),
		       format_duration(cfg->length_ms[class], text));
		out_num(lengths, class_name(class), cfg->length_ms[class]);
	}
	json_object_object_add(obj, "length_ms", lengths);
	p_text("threshold %s\n", threshold_ms ? format_duration(threshold_ms, text) : "off");
	out_num(obj, "threshold_ms", threshold_ms);
	err = rules_show(&edit->pins, cfg, obj);
	if (err)
		json_object_put(obj);
	else
		out_json(obj);
	return err;
}

static int mslt_show(int argc, char **argv)
{
	struct mslt_edit edit;
	int err = no_words("show", argc, argv);

	if (!err)
		err = pins_open(&edit.pins, NULL);
	if (!err)
		err = map_config(&edit, false);
	if (err)
		return err;
	err = show(&edit);
	table_unmap(edit.cfg, edit.size);
	return err;
}

/* ---- set, threshold, on, off --------------------------------------------------------- */

static int parse_lengths(int argc, char **argv, __u32 *length_ms)
{
	static const char *const near[] = { "loopback", "local", "remote", NULL };
	const char *word;
	int i, n;

	if (!argc) {
		p_err("set: write CLASS and DURATION, as in 'set local 10s'");
		return EXIT_USAGE;
	}
	for (i = 0; i < argc; i++) {
		n = arg_keyword("set", argv[i], near);
		word = n < 0 ? NULL : arg_value(argc, argv, &i);
		if (!word || arg_duration(near[n], word, &length_ms[n]))
			return EXIT_USAGE;
	}
	return EXIT_OK;
}

static int mslt_set(int argc, char **argv)
{
	__u32 length_ms[3] = { 0 };	/* as VTW_LOOPBACK ..; 0: as it is */
	struct mslt_edit edit;
	int i, err;

	err = parse_lengths(argc, argv, length_ms);
	if (!err)
		err = mslt_edit_begin(&edit);
	if (err)
		return err;
	for (i = 0; i < 3; i++)
		if (length_ms[i])
			edit.cfg->length_ms[i] = length_ms[i];
	mslt_edit_end(&edit);
	return EXIT_OK;
}

static int mslt_threshold(int argc, char **argv)
{
	struct mslt_edit edit;
	__u32 ms = 0;
	int err;

	if (argc != 1) {
		p_err("threshold: write one DURATION, or off");
		return EXIT_USAGE;
	}
	if (strcmp(argv[0], "off") && arg_duration("threshold", argv[0], &ms))
		return EXIT_USAGE;
	err = mslt_edit_begin(&edit);
	if (err)
		return err;
	edit.cfg->rtt_threshold_us = ms * 1000;
	mslt_edit_end(&edit);
	return EXIT_OK;
}

static int switch_mslt(const char *what, __u32 on, int argc, char **argv)
{
	struct mslt_edit edit;
	int err = no_words(what, argc, argv);

	if (!err)
		err = mslt_edit_begin(&edit);
	if (err)
		return err;
	edit.cfg->mslt_on = on;
	mslt_edit_end(&edit);
	return EXIT_OK;
}

static int mslt_on(int argc, char **argv)
{
	return switch_mslt("on", 1, argc, argv);
}

static int mslt_off(int argc, char **argv)
{
	return switch_mslt("off", 0, argc, argv);
}

static const struct cmd cmds[] = {
	{ "show",      mslt_show,      "lengths, threshold and rules" },
	{ "set",       mslt_set,       "loopback|local|remote DURATION ..." },
	{ "rule",      mslt_rule,      "add PREFIX DURATION|CLASS, delete PREFIX" },
	{ "threshold", mslt_threshold, "RTT from which local counts as remote; DURATION|off" },
	{ "on",        mslt_on,        "lengths by nearness and rules" },
	{ "off",       mslt_off,       "1m for all" },
	{ NULL, NULL, NULL },
};

int do_mslt(int argc, char **argv)
{
	return argc ? cmd_select(cmds, "mslt", argc, argv) : mslt_show(argc, argv);
}
