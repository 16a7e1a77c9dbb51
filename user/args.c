// SPDX-License-Identifier: GPL-2.0
/* args.c - words of the command line, made into values. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <vestige/vtw.h>

#include "args.h"
#include "cmd.h"
#include "out.h"

#define DURATION_FORM "write it with its unit, as 200ms, 2s or 1m"

static const struct unit {
	const char *name;
	__u32 ms;
} units[] = {
	{ "ms", 1 }, { "s", 1000 }, { "m", 60000 },
};

/* Leading digits; more than 18 of them cannot be meant. */
static const char *digits(const char *word, unsigned long long *value)
{
	size_t len = strspn(word, "0123456789");

	if (!len || len > 18)
		return NULL;
	*value = strtoull(word, NULL, 10);
	return word + len;
}

const char *parse_duration(const char *word, __u32 *ms)
{
	unsigned long long value;
	const char *end;
	size_t i;

	if (*word == '-')
		return "is negative; " DURATION_FORM;
	end = digits(word, &value);
	if (!end)
		return "is no duration; " DURATION_FORM;
	if (!*end)
		return "has no unit; " DURATION_FORM;
	for (i = 0; i < sizeof(units) / sizeof(units[0]); i++)
		if (!strcmp(end, units[i].name))
			break;
	if (i == sizeof(units) / sizeof(units[0]))
		return "has an unknown unit; " DURATION_FORM;
	if (!value)
		return "is 0; the shortest is 1ms";
	if (value > VTW_MAX_LENGTH_MS / units[i].ms)
		return "is longer than 10m, the longest that is allowed";
	*ms = value * units[i].ms;
	return NULL;
}

const char *parse_count(const char *word, __u32 min, __u32 max, __u32 *count)
{
	unsigned long long value;
	const char *end = digits(word, &value);

	if (!end || *end)
		return "is not a whole number";
	if (value < min)
		return "is too small";
	if (value > max)
		return "is too large";
	*count = value;
	return NULL;
}

int arg_duration(const char *what, const char *word, __u32 *ms)
{
	const char *wrong = parse_duration(word, ms);

	if (!wrong)
		return EXIT_OK;
	p_err("%s: '%s' %s", what, word, wrong);
	return EXIT_USAGE;
}

int arg_count(const char *what, const char *word, __u32 min, __u32 max, __u32 *count)
{
	const char *wrong = parse_count(word, min, max, count);

	if (!wrong)
		return EXIT_OK;
	p_err("%s: '%s' %s; %u to %u are allowed", what, word, wrong, min, max);
	return EXIT_USAGE;
}

int arg_onoff(const char *what, const char *word, bool *on)
{
	*on = !strcmp(word, "on");
	if (*on || !strcmp(word, "off"))
		return EXIT_OK;
	p_err("%s: '%s' is neither on nor off", what, word);
	return EXIT_USAGE;
}

int match_keyword(const char *word, const char *const *list)
{
	int i, found = -1;

	for (i = 0; list[i]; i++) {
		if (strncmp(list[i], word, strlen(word)))
			continue;
		if (!strcmp(list[i], word))
			return i;
		found = found == -1 && *word ? i : -2;
	}
	return found;
}

static void say_choices(const char *what, const char *word, const char *wrong,
			const char *const *list)
{
	char buf[512] = "";
	size_t len = 0;
	int i;

	for (i = 0; list[i] && len < sizeof(buf); i++)
		len += snprintf(buf + len, sizeof(buf) - len, "%s%s",
				i ? ", " : "", list[i]);
	p_err("%s: '%s' is %s; there are: %s", what, word, wrong, buf);
}

int arg_keyword(const char *what, const char *word, const char *const *list)
{
	int i = match_keyword(word, list);

	if (i >= 0)
		return i;
	say_choices(what, word, i == -2 ? "ambiguous" : "unknown", list);
	return -1;
}

const char *arg_value(int argc, char **argv, int *i)
{
	if (*i + 1 < argc)
		return argv[++*i];
	p_err("'%s' wants a value behind it", argv[*i]);
	return NULL;
}

const char *format_duration(__u32 ms, char *buf)
{
	const char *unit = "ms";

	if (ms && !(ms % 60000)) {
		ms /= 60000;
		unit = "m";
	} else if (ms && !(ms % 1000)) {
		ms /= 1000;
		unit = "s";
	}
	snprintf(buf, DURATION_STRLEN, "%u%s", ms, unit);
	return buf;
}
