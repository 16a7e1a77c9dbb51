/* SPDX-License-Identifier: GPL-2.0 */
/*
 * args.h - words of the command line, made into values (addresses: endpoint.h).
 *
 * parse_*() are pure: they return NULL, or what is wrong with the word in a
 * few words. arg_*() say it to the user and return EXIT_OK or EXIT_USAGE.
 */
#ifndef VESTIGE_ARGS_H
#define VESTIGE_ARGS_H

#include <stdbool.h>
#include <linux/types.h>

/* `200ms`, `2s`, `1m`: more than 0, at most VTW_MAX_LENGTH_MS. */
const char *parse_duration(const char *word, __u32 *ms);
const char *parse_count(const char *word, __u32 min, __u32 max, __u32 *count);

/* what: what the word is for, as the user would call it. */
int arg_duration(const char *what, const char *word, __u32 *ms);
int arg_count(const char *what, const char *word, __u32 min, __u32 max, __u32 *count);
int arg_onoff(const char *what, const char *word, bool *on);

/*
 * Index of the entry of a NULL-terminated list that word abbreviates without
 * ambiguity (an entry spelt out always wins), or -1, and it has been said.
 */
int arg_keyword(const char *what, const char *word, const char *const *list);

/* The same in silence: -1 unknown, -2 ambiguous. */
int match_keyword(const char *word, const char *const *list);

/*
 * The value behind keyword argv[*i]; moves *i on to it. NULL, and it has been
 * said, when the line ends there.
 */
const char *arg_value(int argc, char **argv, int *i);

#define DURATION_STRLEN 16
/* What parse_duration() reads back: `200ms`, `2s`, `1m`. */
const char *format_duration(__u32 ms, char *buf);

#endif
