/* SPDX-License-Identifier: GPL-2.0 */
/* doctor.h - how the checks of `vestige doctor` speak. */
#ifndef VESTIGE_DOCTOR_H
#define VESTIGE_DOCTOR_H

enum verdict { OK, WARN, FAIL };

/* found: what it is; advice: what to do about it, or NULL. */
void say(enum verdict v, const char *name, const char *found, const char *advice);

/* doctor_module.c: vestige.ko, which only `vestige gre` needs. */
void doctor_module(void);

/* doctor_forward.c: what is in the way of packets that are forwarded here. */
void doctor_forward(void);

#endif
