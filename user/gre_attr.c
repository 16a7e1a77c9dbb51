// SPDX-License-Identifier: GPL-2.0
/* gre_attr.c - a device of kind sgre, to and from IFLA_INFO_DATA. */
#include <string.h>
#include <linux/netlink.h>

#include "gre.h"

struct put {
	struct nlmsghdr *msg;
	size_t size;
	bool ok;
};

static void put(struct put *p, int type, const void *data, size_t len)
{
	p->ok = p->ok && mnl_attr_put_check(p->msg, p->size, type, len, data);
}

static void put_address(struct put *p, const struct gre_addr *addr, int type, int type6)
{
	if (addr->family == AF_INET)
		put(p, type, &addr->v4, sizeof(addr->v4));
	else
		put(p, type6, &addr->v6, sizeof(addr->v6));
}

/* All whose value is a plain number in the struct. */
static const struct plain {
	int type;
	size_t offset, len;
} plains[] = {
#define PLAIN(type, member) \
	{ type, offsetof(struct gre_config, member), sizeof(((struct gre_config *)0)->member) }
	PLAIN(IFLA_SGRE_FD, fd),
	PLAIN(IFLA_SGRE_TRANSPORT, transport),
	PLAIN(IFLA_SGRE_SPORT, sport),
	PLAIN(IFLA_SGRE_DPORT, dport),
	PLAIN(IFLA_SGRE_IKEY, ikey),
	PLAIN(IFLA_SGRE_OKEY, okey),
	PLAIN(IFLA_SGRE_TTL, ttl),
	PLAIN(IFLA_SGRE_TOS, tos),
	PLAIN(IFLA_SGRE_LINK, link),
	PLAIN(IFLA_SGRE_MODE, mode),
	PLAIN(IFLA_SGRE_KEEPALIVE, keepalive),
#undef PLAIN
};

#define NR_PLAINS	(sizeof(plains) / sizeof(plains[0]))

bool gre_put(struct nlmsghdr *msg, size_t size, const struct gre_config *cfg)
{
	struct put p = { msg, size, true };
	const struct plain *plain;

	if (cfg->has & GRE_BIT(IFLA_SGRE_LOCAL))
		put_address(&p, &cfg->local, IFLA_SGRE_LOCAL, IFLA_SGRE_LOCAL6);
	if (cfg->has & GRE_BIT(IFLA_SGRE_REMOTE))
		put_address(&p, &cfg->remote, IFLA_SGRE_REMOTE, IFLA_SGRE_REMOTE6);
	for (plain = plains; plain < plains + NR_PLAINS; plain++)
		if (cfg->has & GRE_BIT(plain->type))
			put(&p, plain->type, (const char *)cfg + plain->offset, plain->len);
	if (cfg->named) {
		struct nla_bitfield32 flags = { .value = cfg->flags, .selector = cfg->named };

		put(&p, IFLA_SGRE_FLAGS, &flags, sizeof(flags));
	}
	return p.ok;
}

static void get_address(struct gre_config *cfg, struct gre_addr *addr, unsigned int bit,
			const struct nlattr *attr)
{
	size_t len = mnl_attr_get_payload_len(attr);

	if (len == sizeof(addr->v4))
		addr->family = AF_INET;
	else if (len == sizeof(addr->v6))
		addr->family = AF_INET6;
	else
		return;
	memcpy(&addr->v6, mnl_attr_get_payload(attr), len);
	cfg->has |= bit;
}

static void get_flags(struct gre_config *cfg, const struct nlattr *attr)
{
	struct nla_bitfield32 flags;

	if (mnl_attr_get_payload_len(attr) < sizeof(flags))
		return;
	memcpy(&flags, mnl_attr_get_payload(attr), sizeof(flags));
	cfg->flags = flags.value;
	cfg->named = flags.selector;
}

/* A newer kernel may have more of them, an older one less. */
static void get_counters(struct gre_config *cfg, const struct nlattr *attr)
{
	size_t len = mnl_attr_get_payload_len(attr);

	if (len > sizeof(cfg->counters))
		len = sizeof(cfg->counters);
	memcpy(cfg->counters, mnl_attr_get_payload(attr), len);
	cfg->has |= GRE_BIT(IFLA_SGRE_COUNTERS);
}

static void get_plain(struct gre_config *cfg, const struct nlattr *attr)
{
	const struct plain *plain;

	for (plain = plains; plain < plains + NR_PLAINS; plain++) {
		if (plain->type != mnl_attr_get_type(attr) ||
		    mnl_attr_get_payload_len(attr) < plain->len)
			continue;
		memcpy((char *)cfg + plain->offset, mnl_attr_get_payload(attr), plain->len);
		cfg->has |= GRE_BIT(plain->type);
	}
}

void gre_get(struct gre_config *cfg, const struct nlattr *attr)
{
	switch (mnl_attr_get_type(attr)) {
	case IFLA_SGRE_LOCAL:
	case IFLA_SGRE_LOCAL6:
		get_address(cfg, &cfg->local, GRE_BIT(IFLA_SGRE_LOCAL), attr);
		break;
	case IFLA_SGRE_REMOTE:
	case IFLA_SGRE_REMOTE6:
		get_address(cfg, &cfg->remote, GRE_BIT(IFLA_SGRE_REMOTE), attr);
		break;
	case IFLA_SGRE_ADOPTED:
		cfg->adopted = true;
		break;
	case IFLA_SGRE_FLAGS:
		get_flags(cfg, attr);
		break;
	case IFLA_SGRE_COUNTERS:
		get_counters(cfg, attr);
		break;
	default:
		get_plain(cfg, attr);
	}
}
