// SPDX-License-Identifier: GPL-2.0
/* gre_format.c - a device of kind sgre, as words and as JSON. */
#include <arpa/inet.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "gre.h"
#include "out.h"

struct text {
	char *buf;
	size_t len;
};

static void add(struct text *t, const char *fmt, ...) PRINTF(2, 3);

static void add(struct text *t, const char *fmt, ...)
{
	va_list ap;
	int len;

	if (t->len && t->len < GRE_TEXTLEN - 1)
		t->buf[t->len++] = ' ';
	va_start(ap, fmt);
	len = vsnprintf(t->buf + t->len, GRE_TEXTLEN - t->len, fmt, ap);
	va_end(ap);
	t->len += len;
	if (t->len >= GRE_TEXTLEN)
		t->len = GRE_TEXTLEN - 1;
}

static const char *address(const struct gre_addr *addr, char *buf)
{
	if (!addr->family || !inet_ntop(addr->family, &addr->v6, buf, INET6_ADDRSTRLEN))
		strcpy(buf, "any");
	return buf;
}

static const char *transport(const struct gre_config *cfg)
{
	return cfg->transport == SGRE_UDP ? "udp" : "raw";
}

static const char *mode(const struct gre_config *cfg)
{
	return cfg->mode == SGRE_MODE_ETHER ? "ether" : "ip";
}

static void add_ports(struct text *t, const struct gre_config *cfg)
{
	if (cfg->transport != SGRE_UDP)
		return;
	if (cfg->sport)
		add(t, "sport %u", ntohs(cfg->sport));
	else
		add(t, "sport auto");
	add(t, "dport %u", ntohs(cfg->dport));
}

static void add_keys(struct text *t, const struct gre_config *cfg)
{
	__u32 both = SGRE_IKEY | SGRE_OKEY;

	if ((cfg->flags & both) == both && cfg->ikey == cfg->okey) {
		add(t, "key %u", ntohl(cfg->ikey));
		return;
	}
	if (cfg->flags & SGRE_IKEY)
		add(t, "ikey %u", ntohl(cfg->ikey));
	if (cfg->flags & SGRE_OKEY)
		add(t, "okey %u", ntohl(cfg->okey));
}

/* An adopted socket has its own, unless the device was given some. */
static bool has_ttl(const struct gre_config *cfg)
{
	return cfg->has & GRE_BIT(IFLA_SGRE_TTL);
}

static bool has_tos(const struct gre_config *cfg)
{
	return cfg->has & GRE_BIT(IFLA_SGRE_TOS);
}

static void add_ttl_tos(struct text *t, const struct gre_config *cfg)
{
	if (has_ttl(cfg) && cfg->ttl)
		add(t, "ttl %u", cfg->ttl);
	else if (has_ttl(cfg))
		add(t, "ttl inherit");
	if (has_tos(cfg) && cfg->tos & 1)
		add(t, "tos inherit");
	else if (has_tos(cfg))
		add(t, cfg->tos ? "tos 0x%x" : "tos %u", cfg->tos);
}

const char *gre_text(const struct gre_config *cfg, const char *dev, char *buf)
{
	struct text t = { buf, 0 };
	char name[INET6_ADDRSTRLEN];

	buf[0] = '\0';
	add(&t, "local %s", address(&cfg->local, name));
	add(&t, "remote %s", address(&cfg->remote, name));
	add(&t, "transport %s", transport(cfg));
	add_ports(&t, cfg);
	add_keys(&t, cfg);
	if (cfg->flags & SGRE_CSUM)
		add(&t, "csum");
	if (cfg->flags & SGRE_SEQ)
		add(&t, "seq");
	add_ttl_tos(&t, cfg);
	add(&t, "pmtudisc %s", cfg->flags & SGRE_PMTUDISC ? "on" : "off");
	if (dev)
		add(&t, "dev %s", dev);
	add(&t, "mode %s", mode(cfg));
	if (cfg->keepalive.interval)
		add(&t, "keepalive %u %u", cfg->keepalive.interval, cfg->keepalive.count);
	return buf;
}

/* A key that is not used is null, so that every device has the same keys. */
static void num_or_null(const struct gre_writer *w, void *arg, bool is, const char *key,
			unsigned long long value)
{
	if (is)
		w->num(arg, key, value);
	else
		w->null(arg, key);
}

static void num_or_word(const struct gre_writer *w, void *arg, bool is, const char *key,
			unsigned long long value, const char *word)
{
	if (is)
		w->num(arg, key, value);
	else
		w->str(arg, key, word);
}

static void json_outside(const struct gre_config *cfg, const char *dev,
			 const struct gre_writer *w, void *arg)
{
	bool udp = cfg->transport == SGRE_UDP;
	char name[INET6_ADDRSTRLEN];

	w->str(arg, "transport", transport(cfg));
	w->flag(arg, "adopted", cfg->adopted);
	w->str(arg, "local", address(&cfg->local, name));
	w->str(arg, "remote", address(&cfg->remote, name));
	if (udp)
		num_or_word(w, arg, cfg->sport, "sport", ntohs(cfg->sport), "auto");
	else
		w->null(arg, "sport");
	num_or_null(w, arg, udp, "dport", ntohs(cfg->dport));
	if (dev)
		w->str(arg, "dev", dev);
	else
		w->null(arg, "dev");
}

static void json_keepalive(const struct sgre_keepalive *ka, const struct gre_writer *w, void *arg)
{
	void *obj;

	if (!ka->interval) {
		w->null(arg, "keepalive");
		return;
	}
	obj = w->open(arg, "keepalive");
	w->num(obj, "interval", ka->interval);
	w->num(obj, "count", ka->count);
	w->close(obj);
}

static void json_counters(const struct gre_config *cfg, const struct gre_writer *w, void *arg)
{
	void *obj = w->open(arg, "counters");

#define X(name, text) w->num(obj, #name, cfg->counters[SGRE_C_##name]);
	SGRE_COUNTERS(X)
#undef X
	w->close(obj);
}

void gre_json(const struct gre_config *cfg, const char *dev, const struct gre_writer *w, void *arg)
{
	json_outside(cfg, dev, w, arg);
	num_or_null(w, arg, cfg->flags & SGRE_IKEY, "ikey", ntohl(cfg->ikey));
	num_or_null(w, arg, cfg->flags & SGRE_OKEY, "okey", ntohl(cfg->okey));
	w->flag(arg, "csum", cfg->flags & SGRE_CSUM);
	w->flag(arg, "seq", cfg->flags & SGRE_SEQ);
	num_or_word(w, arg, cfg->ttl, "ttl", cfg->ttl, has_ttl(cfg) ? "inherit" : "socket");
	num_or_word(w, arg, has_tos(cfg) && !(cfg->tos & 1), "tos", cfg->tos,
		    has_tos(cfg) ? "inherit" : "socket");
	w->flag(arg, "pmtudisc", cfg->flags & SGRE_PMTUDISC);
	w->str(arg, "mode", mode(cfg));
	json_keepalive(&cfg->keepalive, w, arg);
	json_counters(cfg, w, arg);
}

void gre_counters_text(const struct gre_config *cfg, bool all,
		       void (*line)(const char *name, unsigned long long value, const char *what))
{
#define X(name, text) { #name, text },
	static const char *const names[][2] = { SGRE_COUNTERS(X) };
#undef X
	int i;

	for (i = 0; i < SGRE_COUNTER_MAX; i++)
		if (all || cfg->counters[i])
			line(names[i][0], cfg->counters[i], names[i][1]);
}
