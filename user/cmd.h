/* SPDX-License-Identifier: GPL-2.0 */
/*
 * cmd.h - what every subcommand of `vestige` is made of.
 *
 * A command returns 0, EXIT_USAGE (the words were wrong) or EXIT_REFUSED (the
 * words were right, the host said no). It has said why, once, with p_err().
 */
#ifndef VESTIGE_CMD_H
#define VESTIGE_CMD_H

#include <stdbool.h>

enum { EXIT_OK = 0, EXIT_USAGE = 1, EXIT_REFUSED = 2 };

struct cmd {
	const char *name;
	int (*run)(int argc, char **argv);	/* argv[0]: first word behind the name */
	const char *help;			/* one line */
};

/* Run the command that argv[0] abbreviates without ambiguity. `what`: the object, for messages. */
int cmd_select(const struct cmd *cmds, const char *what, int argc, char **argv);

/* Top-level objects, one file each. */
int do_attach(int argc, char **argv);
int do_detach(int argc, char **argv);
int do_status(int argc, char **argv);
int do_doctor(int argc, char **argv);
int do_vtw(int argc, char **argv);
int do_mslt(int argc, char **argv);
int do_monitor(int argc, char **argv);
int do_gre(int argc, char **argv);
int do_selsrc(int argc, char **argv);
int do_addr(int argc, char **argv);
int do_rtcache(int argc, char **argv);
int do_forward(int argc, char **argv);

#endif
