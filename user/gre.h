/* SPDX-License-Identifier: GPL-2.0 */
/*
 * gre.h - a device of kind sgre: as words, as netlink attributes, as JSON.
 *
 * Shared by `vestige gre` and by the plugin of iproute2, so that both take and
 * print the same words and keys.
 */
#ifndef VESTIGE_USER_GRE_H
#define VESTIGE_USER_GRE_H

#include <stdbool.h>
#include <stddef.h>
#include <libmnl/libmnl.h>
#include <linux/if.h>
#include <netinet/in.h>
#include <uapi/linux/if_sgre.h>

#define GRE_MTU_MIN	68
#define GRE_MTU_MAX	65535

struct gre_addr {
	int family;		/* 0: none */
	union {
		struct in_addr v4;
		struct in6_addr v6;
	};
};

/* `has` says what was named, or told by the kernel: a bit for each IFLA_SGRE_*. */
#define GRE_BIT(attr)	(1u << (attr))
#define GRE_MTU_BIT	(1u << 31)	/* IFLA_MTU, an attribute of any device */

struct gre_config {
	unsigned int has;
	struct gre_addr local, remote;	/* IFLA_SGRE_LOCAL also stands for ..._LOCAL6 */
	int fd;
	bool adopted;
	__u8 transport, mode, ttl, tos;
	__be16 sport, dport;
	__be32 ikey, okey;
	__u32 flags, named;		/* SGRE_CSUM ...; which of them are meant */
	__u32 link;
	struct sgre_keepalive keepalive;
	__u32 mtu;
	__u64 counters[SGRE_COUNTER_MAX];
};

/* ---- gre_words.c ---- */

/* what: for messages. EXIT_OK, or EXIT_USAGE or EXIT_REFUSED, said. */
int gre_parse(const char *what, int argc, char **argv, struct gre_config *cfg);

extern const char gre_words_help[];

/* ---- gre_attr.c ---- */

/* Attributes of IFLA_INFO_DATA for what cfg has. false: they do not fit into size. */
bool gre_put(struct nlmsghdr *msg, size_t size, const struct gre_config *cfg);

/* One attribute of IFLA_INFO_DATA; a malformed or unknown one is skipped. */
void gre_get(struct gre_config *cfg, const struct nlattr *attr);

/* ---- gre_format.c ---- */

#define GRE_TEXTLEN	512
/* dev: name of the underlying device, or NULL. Words that `gre add` would take. */
const char *gre_text(const struct gre_config *cfg, const char *dev, char *buf);

/* Where JSON goes: json-c here, the writer of iproute2 there. */
struct gre_writer {
	void (*str)(void *arg, const char *key, const char *value);
	void (*num)(void *arg, const char *key, unsigned long long value);
	void (*flag)(void *arg, const char *key, bool value);
	void (*null)(void *arg, const char *key);
	void *(*open)(void *arg, const char *key);	/* an object; the arg of what is in it */
	void (*close)(void *arg);
};

void gre_json(const struct gre_config *cfg, const char *dev, const struct gre_writer *w, void *arg);

/* One line for each counter that is not 0 (or each, if all). */
void gre_counters_text(const struct gre_config *cfg, bool all,
		       void (*line)(const char *name, unsigned long long value, const char *what));

#endif
