// SPDX-License-Identifier: GPL-2.0
/* gre_show.c - devices of kind sgre, printed. */
#include <net/if.h>
#include <stdio.h>
#include <string.h>

#include "cmd.h"
#include "gre.h"
#include "gre_show.h"
#include "link.h"
#include "out.h"

static void put_str(void *obj, const char *key, const char *value)
{
	out_str(obj, key, value);
}

static void put_num(void *obj, const char *key, unsigned long long value)
{
	out_num(obj, key, value);
}

static void put_flag(void *obj, const char *key, bool value)
{
	out_bool(obj, key, value);
}

static void put_null(void *obj, const char *key)
{
	json_object_object_add(obj, key, NULL);
}

static void *put_open(void *obj, const char *key)
{
	struct json_object *inner = json_object_new_object();

	json_object_object_add(obj, key, inner);
	return inner;
}

static void put_close(void *obj)
{
	(void)obj;
}

static const struct gre_writer writer = {
	put_str, put_num, put_flag, put_null, put_open, put_close,
};

/* What is below has its index in the namespace of the socket, where we may not be. */
static const char *lower_name(const struct link *link, const struct gre_config *cfg, char *buf)
{
	if (!cfg->link)
		return NULL;
	if (link->netnsid >= 0 || !if_indextoname(cfg->link, buf))
		snprintf(buf, IFNAMSIZ, "if%u", cfg->link);
	return buf;
}

static const struct stat {
	const char *name;
	size_t offset;
} stats[] = {
#define STAT(member) { #member, offsetof(struct rtnl_link_stats64, member) }
	STAT(rx_packets), STAT(rx_bytes), STAT(rx_errors), STAT(rx_dropped),
	STAT(rx_missed_errors),
	STAT(tx_packets), STAT(tx_bytes), STAT(tx_errors), STAT(tx_dropped),
#undef STAT
};

static struct json_object *stats_json(const struct link *link)
{
	struct json_object *obj = json_object_new_object();
	size_t i;

	for (i = 0; i < sizeof(stats) / sizeof(stats[0]); i++)
		out_num(obj, stats[i].name, *(const __u64 *)((const char *)&link->stats +
							     stats[i].offset));
	return obj;
}

static void show_json(const struct link *link, const struct gre_config *cfg, const char *dev,
		      const char *netns, struct json_object *list)
{
	struct json_object *obj = json_object_new_object();

	out_str(obj, "name", link->name);
	out_num(obj, "ifindex", link->ifindex);
	out_bool(obj, "up", link->flags & IFF_UP);
	out_bool(obj, "carrier", link->carrier);
	out_num(obj, "mtu", link->mtu);
	if (netns)
		out_str(obj, "netns", netns);
	else
		put_null(obj, "netns");
	gre_json(cfg, dev, &writer, obj);
	json_object_object_add(obj, "stats", stats_json(link));
	json_object_array_add(list, obj);
}

static void show_counter(const char *name, unsigned long long value, const char *what)
{
	p_text("    %-12s %llu  %s\n", name, value, what);
}

static void show_text(const struct link *link, const struct gre_config *cfg, const char *dev,
		      const char *netns)
{
	const struct rtnl_link_stats64 *s = &link->stats;
	char words[GRE_TEXTLEN];

	p_text("%d: %s: %s, %s, mtu %u\n", link->ifindex, link->name,
	       link->flags & IFF_UP ? "up" : "down",
	       link->carrier ? "carrier" : "no carrier", link->mtu);
	p_text("    %s%s%s%s%s\n", cfg->adopted ? "adopted " : "", netns ? "netns " : "",
	       netns ? netns : "", netns ? " " : "", gre_text(cfg, dev, words));
	p_text("    rx %llu packets %llu bytes %llu errors %llu dropped\n", s->rx_packets,
	       s->rx_bytes, s->rx_errors, s->rx_dropped);
	p_text("    tx %llu packets %llu bytes %llu errors %llu dropped\n", s->tx_packets,
	       s->tx_bytes, s->tx_errors, s->tx_dropped);
	gre_counters_text(cfg, false, show_counter);
	if (s->rx_missed_errors)
		show_counter("rx_missed", s->rx_missed_errors,
			     "received: too much for the socket, of all its devices");
}

static void show_link(const struct link *link, void *list)
{
	char dev_buf[IFNAMSIZ], netns_buf[LINK_NETNSLEN];
	const char *dev, *netns = NULL;
	const struct nlattr *attr;
	struct gre_config cfg = {};

	if (strcmp(link->kind, SGRE_KIND) || !link->data)
		return;
	mnl_attr_for_each_nested(attr, link->data)
		gre_get(&cfg, attr);
	dev = lower_name(link, &cfg, dev_buf);
	if (link->netnsid >= 0)
		netns = link_netns(link->netnsid, netns_buf);
	show_json(link, &cfg, dev, netns, list);
	show_text(link, &cfg, dev, netns);
}

int gre_show(const char *name)
{
	struct json_object *list = json_object_new_array();
	int err = link_each(name, show_link, list);

	if (err) {
		json_object_put(list);
		p_err("gre show: devices cannot be listed: %s", strerror(-err));
		return EXIT_REFUSED;
	}
	out_json(list);
	return EXIT_OK;
}
