/* SPDX-License-Identifier: GPL-2.0 */
/*
 * record.h - a session and its parts in words, for people and as JSON.
 */
#ifndef VESTIGE_RECORD_H
#define VESTIGE_RECORD_H

#include <json-c/json.h>
#include "table.h"

/* loopback, local, remote, rule: all rules with a length of their own. */
extern const char *const class_names[];

/* Index in class_names of a class. */
int class_index(__u32 class);
const char *class_name(__u32 class);

/* TIME-WAIT, FIN-WAIT-2, REOPENING: as ss spells them. */
const char *state_name(enum vtw_state state);

/* none, ms, usec, mute */
const char *timestamps_name(__u32 tsmode);

const char *family_name(int family);

/* family, local, local_port, peer, peer_port: the same keys wherever they occur. */
void json_tuple(struct json_object *obj, int family, const __be32 *laddr,
		__be16 lport, const __be32 *raddr, __be16 rport);

struct json_object *record_json(const struct session *s);

/*
 * A JSON array of records, printed item by item: a million of them in one
 * object would be gigabytes.
 */
struct record_array {
	__u64 items;
};

void record_array_item(struct record_array *a, struct json_object *obj);
void record_array_end(struct record_array *a);

/* Columns of the text form; wide enough for what was seen with columns_fit(). */
struct columns {
	int local;
	int peer;
};

#define COLUMNS_MIN { .local = 18, .peer = 17 }	/* their titles */

void columns_fit(struct columns *c, const struct session *s);
void record_head(const struct columns *c);
void record_line(const struct columns *c, const struct session *s);

#endif
