/* SPDX-License-Identifier: GPL-2.0 */
/*
 * step.h - every change that attach and detach make to the kernel, one by one.
 *
 * VESTIGE_FAULT=N	SIGKILL to ourselves in front of step N (counted from 1)
 * VESTIGE_FAULT=-N	step N fails with EIO instead
 * VESTIGE_FAULT=count	the number of steps goes to stderr at the end
 */
#ifndef VESTIGE_STEP_H
#define VESTIGE_STEP_H

/* Say what comes next (with -d). 0: go on; -EIO: behave as if it had failed. */
int step(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* At the end of a command that takes steps. */
void step_report(void);

/* Ctrl-C shall not cut a transaction in two; mending is for what cannot wait. */
void step_hold_signals(void);
void step_release_signals(void);

#endif
