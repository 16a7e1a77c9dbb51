/* SPDX-License-Identifier: GPL-2.0 */
/*
 * ksft.h - TAP as the kernel's selftests print it.
 *
 * Call ksft_plan() once, then one ksft_ok() or ksft_skip() for each test, and
 * leave main() with ksft_end(). ksft_fail_at() tells details before its test
 * fails; only the first few are shown.
 */
#ifndef SELFTESTS_KSFT_H
#define SELFTESTS_KSFT_H

#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define KSFT_PASS	0
#define KSFT_FAIL	1
#define KSFT_SKIP	4
#define KSFT_DETAILS	8

static unsigned int ksft_planned, ksft_done, ksft_failed, ksft_told;

static inline void ksft_plan(unsigned int tests)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	ksft_planned = tests;
	printf("TAP version 13\n1..%u\n", tests);
}

/* On the processor that it is on. */
static inline void ksft_stay(void)
{
	cpu_set_t here;

	CPU_ZERO(&here);
	CPU_SET(sched_getcpu(), &here);
	sched_setaffinity(0, sizeof(here), &here);
}

/* Nothing can be tested at all, and why. */
static inline void ksft_skip_all(const char *why)
{
	printf("TAP version 13\n1..0 # SKIP %s\n", why);
	exit(KSFT_SKIP);
}

static inline void ksft_line(const char *word, const char *fmt, va_list ap)
{
	printf("%s %u - ", word, ++ksft_done);
	vprintf(fmt, ap);
	putchar('\n');
	ksft_told = 0;
}

__attribute__((format(printf, 2, 3)))
static inline int ksft_ok(int good, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	ksft_line(good ? "ok" : "not ok", fmt, ap);
	va_end(ap);
	ksft_failed += !good;
	return good;
}

/* What went wrong in the test that is about to fail. Returns 1, to be counted. */
__attribute__((format(printf, 1, 2)))
static inline int ksft_fail_at(const char *fmt, ...)
{
	va_list ap;

	if (ksft_told++ >= KSFT_DETAILS)
		return 1;
	va_start(ap, fmt);
	printf("# ");
	vprintf(fmt, ap);
	putchar('\n');
	va_end(ap);
	return 1;
}

__attribute__((format(printf, 1, 2)))
static inline void ksft_bail(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	printf("Bail out! ");
	vprintf(fmt, ap);
	putchar('\n');
	va_end(ap);
	exit(KSFT_FAIL);
}

static inline int ksft_end(void)
{
	return ksft_failed || ksft_done != ksft_planned ? KSFT_FAIL : KSFT_PASS;
}

#endif /* SELFTESTS_KSFT_H */
