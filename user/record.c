// SPDX-License-Identifier: GPL-2.0
/*
 * record.c - a session and its parts in words, for people and as JSON.
 */
#include <arpa/inet.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <vestige/session.h>
#include "endpoint.h"
#include "out.h"
#include "record.h"

const char *const class_names[] = { "loopback", "local", "remote", "rule", NULL };

int class_index(__u32 class)
{
	return class < VTW_RING_FIN ? (int)class : 3;
}

const char *class_name(__u32 class)
{
	return class_names[class_index(class)];
}

const char *state_name(enum vtw_state state)
{
	switch (state) {
	case VTW_TIME_WAIT:
		return "TIME-WAIT";
	case VTW_FIN_WAIT2:
		return "FIN-WAIT-2";
	case VTW_REOPENING:
		return "REOPENING";
	default:
		return "FREE";
	}
}

const char *timestamps_name(__u32 tsmode)
{
	static const char *const names[] = { "none", "ms", "usec", "mute" };

	return names[tsmode & 3];
}

const char *family_name(int family)
{
	return family == AF_INET6 ? "inet6" : "inet";
}

void json_tuple(struct json_object *obj, int family, const __be32 *laddr,
		__be16 lport, const __be32 *raddr, __be16 rport)
{
	char text[ENDPOINT_STRLEN];

	out_str(obj, "family", family_name(family));
	out_str(obj, "local", address_text(family, laddr, text));
	out_num(obj, "local_port", ntohs(lport));
	out_str(obj, "peer", address_text(family, raddr, text));
	out_num(obj, "peer_port", ntohs(rport));
}

/* Device of each tag, asked for once; the second with a tag spoils it. */
static struct {
	bool known;
	int devices[256];
	char name[256][IF_NAMESIZE];
} tags;

static void read_tags(void)
{
	struct if_nameindex *list = if_nameindex(), *i;
	__u32 tag;

	tags.known = true;
	for (i = list; i && i->if_index; i++) {
		tag = vtw_dev_tag(i->if_index);
		tags.devices[tag]++;
		snprintf(tags.name[tag], IF_NAMESIZE, "%s", i->if_name);
	}
	if_freenameindex(list);
}

/*
 * Name of the device that a session was bound to. The record keeps 8 bits of
 * the ifindex, so this can only be a guess: NULL unless exactly one device of
 * the namespace has that tag.
 */
static const char *device(const struct session *s)
{
	if (!s->word.dev)
		return NULL;
	if (!tags.known)
		read_tags();
	return tags.devices[s->word.dev] == 1 ? tags.name[s->word.dev] : NULL;
}

struct json_object *record_json(const struct session *s)
{
	struct json_object *obj = json_object_new_object();
	const char *dev = device(s);

	json_tuple(obj, s->family, s->laddr, s->lport, s->raddr, s->rport);
	out_str(obj, "state", state_name(s->state));
	out_str(obj, "class", class_name(s->word.class));
	out_num(obj, "expires_ms", s->left_ms);
	out_num(obj, "snd_nxt", s->snd_nxt);
	out_num(obj, "rcv_nxt", s->rcv_nxt);
	out_num(obj, "window", (unsigned long long)s->word.wnd << s->word.wscale);
	out_str(obj, "timestamps", timestamps_name(s->word.tsmode));
	out_num(obj, "restarts", s->word.restarts);
	if (dev)
		out_str(obj, "dev", dev);
	return obj;
}

void record_array_item(struct record_array *a, struct json_object *obj)
{
	int flags = out.pretty ? JSON_C_TO_STRING_PRETTY : JSON_C_TO_STRING_PLAIN;

	fputs(a->items++ ? ",\n" : "[", stdout);
	fputs(json_object_to_json_string_ext(obj, flags), stdout);
	json_object_put(obj);
}

void record_array_end(struct record_array *a)
{
	fputs(a->items ? "]\n" : "[]\n", stdout);
}

/* ---- text ------------------------------------------------------------------- */

/* 192.0.2.1:80, or 192.0.2.1%eth0:80 as ss prints a bound socket. */
static const char *local_text(const struct session *s, char *text, size_t size)
{
	char plain[ENDPOINT_STRLEN], *port;
	const char *dev = device(s);

	endpoint_text(s->family, s->laddr, s->lport, plain);
	if (!dev) {
		snprintf(text, size, "%s", plain);
		return text;
	}
	port = strrchr(plain, ':');
	*port++ = '\0';
	snprintf(text, size, "%s%%%s:%s", plain, dev, port);
	return text;
}

#define LOCAL_STRLEN	(ENDPOINT_STRLEN + IF_NAMESIZE + 2)

void columns_fit(struct columns *c, const struct session *s)
{
	char local[LOCAL_STRLEN], peer[ENDPOINT_STRLEN];
	int n;

	n = strlen(local_text(s, local, sizeof(local)));
	if (n > c->local)
		c->local = n;
	n = strlen(endpoint_text(s->family, s->raddr, s->rport, peer));
	if (n > c->peer)
		c->peer = n;
}

void record_head(const struct columns *c)
{
	p_text("%-10s %-*s %-*s %-8s %10s  %s\n", "State",
	       c->local, "Local Address:Port", c->peer, "Peer Address:Port",
	       "Class", "Expires", "Timestamps");
}

void record_line(const struct columns *c, const struct session *s)
{
	char local[LOCAL_STRLEN], peer[ENDPOINT_STRLEN];

	p_text("%-10s %-*s %-*s %-8s %5u.%03us  %s\n", state_name(s->state),
	       c->local, local_text(s, local, sizeof(local)), c->peer,
	       endpoint_text(s->family, s->raddr, s->rport, peer),
	       class_name(s->word.class), s->left_ms / 1000, s->left_ms % 1000,
	       timestamps_name(s->word.tsmode));
}
