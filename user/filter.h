/* SPDX-License-Identifier: GPL-2.0 */
/*
 * filter.h - which sessions `list` and `flush` mean.
 *
 *	FILTER := { family inet|inet6 | state STATE | class CLASS |
 *		    local ENDPOINT | peer ENDPOINT | sport PORT | dport PORT } ...
 *	ENDPOINT := ADDR[/LEN][:PORT]
 *
 * A session passes when every term holds, also when a keyword occurs twice.
 */
#ifndef VESTIGE_FILTER_H
#define VESTIGE_FILTER_H

#include <stdbool.h>
#include "endpoint.h"
#include "table.h"

#define FILTER_TERMS	16

struct filter {
	int terms;
	struct filter_term {
		int key;	/* index of the keyword */
		int value;	/* family, state, class */
		struct endpoint end;
	} term[FILTER_TERMS];
};

/* EXIT_OK, or EXIT_USAGE and it has been said. */
int filter_parse(struct filter *f, int argc, char **argv);

/* Can a session of this family pass at all? It saves walking a pool. */
bool filter_family(const struct filter *f, int family);
bool filter_match(const struct filter *f, const struct session *s);

#endif
