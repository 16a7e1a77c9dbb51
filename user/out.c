// SPDX-License-Identifier: GPL-2.0
/* out.c - the one way in which the command speaks. */
#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <bpf/libbpf.h>

#include "out.h"

struct out out;

static struct json_object *warnings;	/* not yet printed, under -j */
static char kept_log[8192];		/* the end of libbpf's log */
static size_t kept_len;

static void print_json(struct json_object *obj)
{
	int flags = out.pretty ? JSON_C_TO_STRING_PRETTY : JSON_C_TO_STRING_PLAIN;

	puts(json_object_to_json_string_ext(obj, flags | JSON_C_TO_STRING_NOSLASHESCAPE));
	fflush(stdout);
}

static void attach_warnings(struct json_object *obj)
{
	if (warnings && json_object_is_type(obj, json_type_object)) {
		json_object_object_add(obj, "warnings", warnings);
		warnings = NULL;
	}
}

void out_json(struct json_object *obj)
{
	if (out.json) {
		attach_warnings(obj);
		print_json(obj);
	}
	json_object_put(obj);
}

/* One line, whatever is in the words that it repeats. */
struct line {
	char text[1024];
};

static struct line format_line(const char *fmt, va_list ap)
{
	struct line l;
	char *line = l.text;

	vsnprintf(line, sizeof(l.text), fmt, ap);
	for (; *line; line++)
		if (iscntrl((unsigned char)*line))
			*line = '?';
	return l;
}

/* To the terminal, behind what was printed before. */
static void complain(const char *prefix, const struct line *line)
{
	fflush(stdout);
	fprintf(stderr, "vestige: %s%s\n", prefix, line->text);
}

void p_err(const char *fmt, ...)
{
	struct json_object *obj;
	struct line line;
	va_list ap;

	va_start(ap, fmt);
	line = format_line(fmt, ap);
	va_end(ap);
	if (!out.json) {
		complain("", &line);
		return;
	}
	obj = json_object_new_object();
	out_str(obj, "error", line.text);
	out_json(obj);
}

void p_warn(const char *fmt, ...)
{
	struct line line;
	va_list ap;

	va_start(ap, fmt);
	line = format_line(fmt, ap);
	va_end(ap);
	if (!out.json) {
		complain("warning: ", &line);
		return;
	}
	if (!warnings)
		warnings = json_object_new_array();
	json_object_array_add(warnings, json_object_new_string(line.text));
}

void p_text(const char *fmt, ...)
{
	va_list ap;

	if (out.json)
		return;
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
}

void p_debug(const char *fmt, ...)
{
	va_list ap;

	if (!out.debug)
		return;
	fputs("debug: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
}

void out_str(struct json_object *obj, const char *key, const char *value)
{
	json_object_object_add(obj, key, json_object_new_string(value));
}

void out_num(struct json_object *obj, const char *key, unsigned long long value)
{
	json_object_object_add(obj, key, json_object_new_uint64(value));
}

void out_bool(struct json_object *obj, const char *key, bool value)
{
	json_object_object_add(obj, key, json_object_new_boolean(value));
}

bool out_written(void)
{
	if (!fflush(stdout) && !ferror(stdout))
		return true;
	/* Under -j stdout would be the place to say it. */
	fprintf(stderr, "vestige: stdout cannot be written: %s\n", strerror(errno));
	return false;
}

/* The end of the log matters most: it is where the verifier says why. */
static void keep(const char *text, size_t len)
{
	size_t room = sizeof(kept_log) - 1, drop;

	if (len > room) {
		text += len - room;
		len = room;
	}
	drop = kept_len + len > room ? kept_len + len - room : 0;
	memmove(kept_log, kept_log + drop, kept_len - drop);
	memcpy(kept_log + kept_len - drop, text, len);
	kept_len += len - drop;
	kept_log[kept_len] = '\0';
}

static int keep_libbpf(enum libbpf_print_level level, const char *fmt, va_list ap)
{
	char *text;
	int len;

	if (level == LIBBPF_DEBUG && !out.debug)
		return 0;
	len = vasprintf(&text, fmt, ap);
	if (len < 0)
		return 0;
	if (out.debug)
		fputs(text, stderr);
	if (level != LIBBPF_DEBUG)
		keep(text, len);
	free(text);
	return len;
}

void out_libbpf_init(void)
{
	libbpf_set_print(keep_libbpf);
}

bool out_libbpf_said(const char *text)
{
	return strstr(kept_log, text);
}

void out_libbpf_forget(void)
{
	kept_len = 0;
	kept_log[0] = '\0';
}
