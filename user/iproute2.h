/* SPDX-License-Identifier: GPL-2.0 */
/*
 * iproute2.h - what a plugin and `ip` have to know of each other.
 *
 * iproute2 installs no header for it. These are the declarations of its
 * ip/ip_common.h and include/json_print.h, the same in 6.1 and in 7.3: `ip link`
 * loads IP_LIB_DIR/link_KIND.so, or the folder that was compiled in, and takes the
 * symbol KIND_link_util.
 *
 * Only the JSON half of its printing is used: for text the numbers of its colours would
 * have to be known, and these change.
 */
#ifndef VESTIGE_IPROUTE2_H
#define VESTIGE_IPROUTE2_H

#include <stdbool.h>
#include <stdio.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>

struct link_util {
	struct link_util *next;		/* of ip */
	const char *id;
	int maxattr;
	/* Behind `type KIND`; msg is open in IFLA_INFO_DATA. Negative: said, and refused. */
	int (*parse_opt)(struct link_util *lu, int argc, char **argv, struct nlmsghdr *msg);
	/* tb: attributes of IFLA_INFO_DATA by type, up to maxattr; NULL: there are none. */
	void (*print_opt)(struct link_util *lu, FILE *file, struct rtattr *tb[]);
	void (*print_xstats)(struct link_util *lu, FILE *file, struct rtattr *xstats);
	void (*print_help)(struct link_util *lu, int argc, char **argv, FILE *file);
	int (*parse_ifla_xstats)(struct link_util *lu, int argc, char **argv);
	int (*print_ifla_xstats)(struct nlmsghdr *msg, void *arg);
};

enum output_type {
	PRINT_FP = 1,
	PRINT_JSON = 2,
	PRINT_ANY = 4,
};

bool is_json_context(void);
void open_json_object(const char *key);
void close_json_object(void);
int print_color_string(enum output_type t, int color, const char *key, const char *fmt,
		       const char *value);
int print_color_lluint(enum output_type t, int color, const char *key, const char *fmt,
		       unsigned long long value);
int print_color_bool(enum output_type t, int color, const char *key, const char *fmt, bool value);
int print_color_null(enum output_type t, int color, const char *key, const char *fmt,
		     const char *value);

extern int show_stats;		/* -s */

#endif
