// SPDX-License-Identifier: GPL-2.0
/* step.c - every change that attach and detach make to the kernel, one by one. */
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "out.h"
#include "step.h"

static long taken;

int step(const char *fmt, ...)
{
	const char *fault = getenv("VESTIGE_FAULT");
	long at = fault ? strtol(fault, NULL, 10) : 0;
	char what[256];
	va_list ap;

	taken++;
	va_start(ap, fmt);
	vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	p_debug("step %ld: %s", taken, what);
	if (at == taken)
		kill(getpid(), SIGKILL);
	return at == -taken ? -EIO : 0;
}

void step_report(void)
{
	const char *fault = getenv("VESTIGE_FAULT");

	if (fault && !strcmp(fault, "count"))
		fprintf(stderr, "%ld\n", taken);
}

static sigset_t before;

/* All of them: a reader of our warnings who goes away (SIGPIPE) is no reason either. */
void step_hold_signals(void)
{
	sigset_t all;

	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, &before);
}

void step_release_signals(void)
{
	sigprocmask(SIG_SETMASK, &before, NULL);
}
