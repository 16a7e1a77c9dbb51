/* SPDX-License-Identifier: GPL-2.0 */
/*
 * out.h - the one way in which the command speaks.
 *
 * Text or JSON is decided here and nowhere else: text goes through p_text(),
 * which is silent under -j; JSON goes through out_json(), which is silent
 * without it. What was wrong is said once, in one line, by p_err(); what is
 * worth knowing although it went well, by p_warn().
 */
#ifndef VESTIGE_OUT_H
#define VESTIGE_OUT_H

#include <stdbool.h>
#include <json-c/json.h>

struct out {
	bool json;
	bool pretty;
	bool debug;
};

extern struct out out;

#define PRINTF(a, b) __attribute__((format(printf, a, b)))

/* `vestige: <one line>` to stderr; under -j {"error": "<one line>"} to stdout. */
void p_err(const char *fmt, ...) PRINTF(1, 2);

/*
 * `vestige: warning: <one line>` to stderr; under -j an element of "warnings"
 * in the object that out_json() prints.
 */
void p_warn(const char *fmt, ...) PRINTF(1, 2);

/* To stdout; nothing under -j. */
void p_text(const char *fmt, ...) PRINTF(1, 2);

/* Has all of stdout come to where it should? If not, it is said. */
bool out_written(void);

/* To stderr, with -d only. */
void p_debug(const char *fmt, ...) PRINTF(1, 2);

/* Print an object or array to stdout under -j; take it over in any case. */
void out_json(struct json_object *obj);

/* Short cuts that keep the building of objects to one line a key. */
void out_str(struct json_object *obj, const char *key, const char *value);
void out_num(struct json_object *obj, const char *key, unsigned long long value);
void out_bool(struct json_object *obj, const char *key, bool value);

/*
 * libbpf's own log is kept back: with -d it goes to stderr as it comes,
 * otherwise its end can be searched for what p_err() has to know.
 */
void out_libbpf_init(void);
/* Is this in what was kept? */
bool out_libbpf_said(const char *text);
/* Forget what was kept: the failure was expected. */
void out_libbpf_forget(void);

#endif
