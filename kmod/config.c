// SPDX-License-Identifier: GPL-2.0
/*
 * config.c - netlink attributes to struct sgre_config: what is asked for is checked
 * here, and refused with a sentence that says what is wrong and what to do.
 */
#include <linux/inetdevice.h>
#include <net/ipv6.h>

#include "sgre.h"

#define REFUSE(extack, attr, text)	NL_SET_ERR_MSG_ATTR(extack, attr, text)

/* --- addresses ----------------------------------------------------------- */

/* False: it is given twice. */
static bool sgre_config_address(struct sgre_addr *addr, const struct nlattr *v4,
				const struct nlattr *v6)
{
	if (v4) {
		addr->family = AF_INET;
		addr->v4 = nla_get_in_addr(v4);
	} else if (v6) {
		addr->family = AF_INET6;
		addr->v6 = nla_get_in6_addr(v6);
	}
	return !v4 || !v6;
}

static int sgre_config_local_remote(struct sgre_config *cfg, struct nlattr *data[],
				    struct netlink_ext_ack *extack)
{
	if (!sgre_config_address(&cfg->local, data[IFLA_SGRE_LOCAL], data[IFLA_SGRE_LOCAL6])) {
		REFUSE(extack, data[IFLA_SGRE_LOCAL6],
		       "local is given twice, for IPv4 and IPv6: leave one out");
		return -EINVAL;
	}
	if (!sgre_config_address(&cfg->remote, data[IFLA_SGRE_REMOTE], data[IFLA_SGRE_REMOTE6])) {
		REFUSE(extack, data[IFLA_SGRE_REMOTE6],
		       "remote is given twice, for IPv4 and IPv6: leave one out");
		return -EINVAL;
	}
	return 0;
}

static bool sgre_addr_unicast(const struct sgre_addr *addr)
{
	if (addr->family == AF_INET)
		return !ipv4_is_multicast(addr->v4) && !ipv4_is_lbcast(addr->v4) &&
		       !ipv4_is_zeronet(addr->v4);
	return !ipv6_addr_is_multicast(&addr->v6) && !ipv6_addr_any(&addr->v6) &&
	       !ipv6_addr_v4mapped(&addr->v6);
}

static bool sgre_addr_needs_link(const struct sgre_addr *addr)
{
	return addr->family == AF_INET6 && (ipv6_addr_type(&addr->v6) & IPV6_ADDR_LINKLOCAL);
}

static bool sgre_addr_same(const struct sgre_addr *a, const struct sgre_addr *b)
{
	return a->family == AF_INET ? a->v4 == b->v4 : ipv6_addr_equal(&a->v6, &b->v6);
}

int sgre_config_check_addresses(const struct sgre_config *cfg, struct netlink_ext_ack *extack)
{
	if (cfg->local.family != cfg->remote.family) {
		NL_SET_ERR_MSG(extack,
			       "local and remote are of two families: give both in IPv4 or IPv6");
		return -EINVAL;
	}
	if (!sgre_addr_unicast(&cfg->local)) {
		NL_SET_ERR_MSG(extack, "local is no unicast address: give one of this host");
		return -EINVAL;
	}
	if (!sgre_addr_unicast(&cfg->remote)) {
		NL_SET_ERR_MSG(extack, "remote is no unicast address: give that of one peer");
		return -EINVAL;
	}
	if (sgre_addr_same(&cfg->local, &cfg->remote)) {
		NL_SET_ERR_MSG(extack, "remote is the same as local: give that of the peer");
		return -EINVAL;
	}
	if (!cfg->link &&
	    (sgre_addr_needs_link(&cfg->local) || sgre_addr_needs_link(&cfg->remote))) {
		NL_SET_ERR_MSG(extack,
			       "a link-local address is of one link only: give dev as well");
		return -EINVAL;
	}
	return 0;
}

static int sgre_config_missing(const struct sgre_config *cfg, struct netlink_ext_ack *extack)
{
	if (!cfg->local.family) {
		NL_SET_ERR_MSG(extack, "local is missing: give an address of this host, or fd");
		return -EINVAL;
	}
	if (!cfg->remote.family) {
		NL_SET_ERR_MSG(extack, "remote is missing: give the address of the peer");
		return -EINVAL;
	}
	return 0;
}

static int sgre_config_addresses(struct sgre_config *cfg, struct nlattr *data[],
				 struct netlink_ext_ack *extack)
{
	sa_family_t family = cfg->local.family;
	int err;

	err = sgre_config_local_remote(cfg, data, extack);
	if (!err)
		err = sgre_config_missing(cfg, extack);
	if (!err)
		err = sgre_config_check_addresses(cfg, extack);
	if (!err && family && cfg->local.family != family) {
		NL_SET_ERR_MSG(extack,
			       "the family cannot change: delete the device and add another");
		err = -EOPNOTSUPP;
	}
	return err;
}

/* --- transport ----------------------------------------------------------- */

static int sgre_config_ports(struct sgre_config *cfg, struct nlattr *data[],
			     struct netlink_ext_ack *extack)
{
	struct nlattr *sport = data[IFLA_SGRE_SPORT], *dport = data[IFLA_SGRE_DPORT];

	if (cfg->transport != SGRE_UDP) {
		if (!sport && !dport)
			return 0;
		REFUSE(extack, sport ? : dport,
		       "the raw transport has no ports: leave them out, or give transport udp");
		return -EINVAL;
	}
	if (sport)
		cfg->sport = nla_get_be16(sport);
	if (dport)
		cfg->dport = nla_get_be16(dport);
	if (cfg->dport)
		return 0;
	REFUSE(extack, dport, "dport 0 is no port: give 1 to 65535");
	return -EINVAL;
}

static int sgre_config_transport(struct sgre_config *cfg, struct nlattr *data[], bool change,
				 struct netlink_ext_ack *extack)
{
	struct nlattr *attr = data[IFLA_SGRE_TRANSPORT];
	u8 transport = attr ? nla_get_u8(attr) : cfg->transport;

	if (transport != SGRE_RAW && transport != SGRE_UDP) {
		REFUSE(extack, attr, "there is no such transport: give raw or udp");
		return -EINVAL;
	}
	if (change && transport != cfg->transport) {
		REFUSE(extack, attr,
		       "the transport cannot change: delete the device and add another");
		return -EOPNOTSUPP;
	}
	cfg->transport = transport;
	return sgre_config_ports(cfg, data, extack);
}

static int sgre_config_link(struct sgre_config *cfg, struct nlattr *data[],
			    struct netlink_ext_ack *extack)
{
	u32 link;

	if (!data[IFLA_SGRE_LINK])
		return 0;
	link = nla_get_u32(data[IFLA_SGRE_LINK]);
	if (link > INT_MAX) {
		REFUSE(extack, data[IFLA_SGRE_LINK], "dev is no index of a device: give another");
		return -EINVAL;
	}
	cfg->link = link;
	return 0;
}

static const int sgre_socket_says[] = {
	IFLA_SGRE_LOCAL, IFLA_SGRE_REMOTE, IFLA_SGRE_LOCAL6, IFLA_SGRE_REMOTE6,
	IFLA_SGRE_TRANSPORT, IFLA_SGRE_SPORT, IFLA_SGRE_DPORT, IFLA_SGRE_LINK,
};

/* Of an adopted socket that is known, and not to be said. */
static int sgre_config_no_outside(struct nlattr *data[], bool change,
				  struct netlink_ext_ack *extack)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(sgre_socket_says); i++) {
		struct nlattr *attr = data[sgre_socket_says[i]];

		if (!attr)
			continue;
		if (change) {
			REFUSE(extack, attr,
			       "an adopted socket stays as it is: leave this out");
			return -EOPNOTSUPP;
		}
		REFUSE(extack, attr, "fd is a socket that has its own: leave this out, or fd");
		return -EINVAL;
	}
	return 0;
}

static int sgre_config_outside(struct sgre_config *cfg, struct nlattr *data[], bool change,
			       struct netlink_ext_ack *extack)
{
	int err;

	if (change && data[IFLA_SGRE_FD]) {
		REFUSE(extack, data[IFLA_SGRE_FD],
		       "the socket cannot change: delete the device and add another");
		return -EOPNOTSUPP;
	}
	if (data[IFLA_SGRE_FD] || cfg->adopted)
		return sgre_config_no_outside(data, change, extack);
	err = sgre_config_transport(cfg, data, change, extack);
	if (!err)
		err = sgre_config_link(cfg, data, extack);
	if (!err)
		err = sgre_config_addresses(cfg, data, extack);
	return err;
}

/* --- header -------------------------------------------------------------- */

static int sgre_config_flags(struct sgre_config *cfg, struct nlattr *data[],
			     struct netlink_ext_ack *extack)
{
	struct nla_bitfield32 flags;

	if (!data[IFLA_SGRE_FLAGS])
		return 0;
	flags = nla_get_bitfield32(data[IFLA_SGRE_FLAGS]);
	if ((flags.selector | flags.value) & ~SGRE_FLAGS) {
		REFUSE(extack, data[IFLA_SGRE_FLAGS],
		       "there is a flag that this module does not know: leave it out");
		return -EINVAL;
	}
	if (flags.value & ~flags.selector) {
		REFUSE(extack, data[IFLA_SGRE_FLAGS],
		       "a flag is set that is not in the selector: put it in");
		return -EINVAL;
	}
	cfg->flags = (cfg->flags & ~flags.selector) | flags.value;
	return 0;
}

/* A key and its flag go together; a change may leave out the key that it keeps. */
static int sgre_config_key(u32 flags, u32 old_flags, u32 flag, struct nlattr *attr, __be32 *key,
			   struct netlink_ext_ack *extack)
{
	if (attr && !(flags & flag)) {
		REFUSE(extack, attr, "a key is given without its flag: set that in flags as well");
		return -EINVAL;
	}
	if (!attr && (flags & flag) && !(old_flags & flag)) {
		NL_SET_ERR_MSG(extack, "the flag of a key is set, and no key is given: give it");
		return -EINVAL;
	}
	if (attr)
		*key = nla_get_be32(attr);
	else if (!(flags & flag))
		*key = 0;
	return 0;
}

static int sgre_config_keys(struct sgre_config *cfg, struct nlattr *data[], u32 old_flags,
			    struct netlink_ext_ack *extack)
{
	int err;

	err = sgre_config_key(cfg->flags, old_flags, SGRE_IKEY, data[IFLA_SGRE_IKEY],
			      &cfg->ikey, extack);
	if (err)
		return err;
	return sgre_config_key(cfg->flags, old_flags, SGRE_OKEY, data[IFLA_SGRE_OKEY],
			       &cfg->okey, extack);
}

/*
 * As in ip_gre: where a packet comes back into its own tunnel by way of other hosts,
 * either its TTL is inherited and runs out, or it grows until it exceeds the path MTU.
 */
static int sgre_config_ttl(struct sgre_config *cfg, struct nlattr *data[],
			   struct netlink_ext_ack *extack)
{
	bool fragment = !(cfg->flags & SGRE_PMTUDISC);

	if (data[IFLA_SGRE_TTL]) {
		cfg->ttl = nla_get_u8(data[IFLA_SGRE_TTL]);
		cfg->ttl_given = true;
	} else if (!cfg->ttl_given) {
		cfg->ttl = fragment ? 0 : 64;
	}
	if (data[IFLA_SGRE_TOS]) {
		cfg->tos = nla_get_u8(data[IFLA_SGRE_TOS]);
		cfg->tos_given = true;
	}
	if (fragment && cfg->ttl) {
		NL_SET_ERR_MSG(extack,
			       "pmtudisc off and a fixed ttl let loops go on: give ttl inherit");
		return -EINVAL;
	}
	return 0;
}

static int sgre_config_mode(struct sgre_config *cfg, struct nlattr *data[], bool change,
			    struct netlink_ext_ack *extack)
{
	struct nlattr *attr = data[IFLA_SGRE_MODE];
	u8 mode = attr ? nla_get_u8(attr) : cfg->mode;

	if (mode != SGRE_MODE_IP && mode != SGRE_MODE_ETHER) {
		REFUSE(extack, attr, "there is no such mode: give ip or ether");
		return -EINVAL;
	}
	if (change && mode != cfg->mode) {
		REFUSE(extack, attr, "the mode cannot change: delete the device and add another");
		return -EOPNOTSUPP;
	}
	cfg->mode = mode;
	return 0;
}

static int sgre_config_keepalive(struct sgre_config *cfg, struct nlattr *data[],
				 struct netlink_ext_ack *extack)
{
	struct nlattr *attr = data[IFLA_SGRE_KEEPALIVE];

	if (!attr)
		return 0;
	nla_memcpy(&cfg->keepalive, attr, sizeof(cfg->keepalive));
	if (!cfg->keepalive.interval) {
		cfg->keepalive.count = 0;
		return 0;
	}
	if (cfg->mode == SGRE_MODE_ETHER) {
		REFUSE(extack, attr, "keepalives are IP packets: leave them out, or give mode ip");
		return -EINVAL;
	}
	if (!cfg->keepalive.count || cfg->keepalive.count > 255) {
		REFUSE(extack, attr, "the count of keepalives is out of range: give 1 to 255");
		return -ERANGE;
	}
	return 0;
}

static int sgre_config_inside(struct sgre_config *cfg, struct nlattr *data[], bool change,
			      struct netlink_ext_ack *extack)
{
	u32 old_flags = change ? cfg->flags : 0;
	int err;

	err = sgre_config_flags(cfg, data, extack);
	if (!err)
		err = sgre_config_keys(cfg, data, old_flags, extack);
	if (!err)
		err = sgre_config_ttl(cfg, data, extack);
	if (!err)
		err = sgre_config_mode(cfg, data, change, extack);
	if (!err)
		err = sgre_config_keepalive(cfg, data, extack);
	return err;
}

/* --- all ----------------------------------------------------------------- */

/* What a change leaves out stays as it is; what a new device leaves out is here. */
static void sgre_config_defaults(struct sgre_config *cfg)
{
	cfg->transport = SGRE_RAW;
	cfg->dport = htons(SGRE_UDP_PORT);
	cfg->flags = SGRE_PMTUDISC;
	cfg->mode = SGRE_MODE_IP;
}

struct sgre_config *sgre_config_new(struct nlattr *data[], const struct sgre_config *old,
				    struct netlink_ext_ack *extack)
{
	struct sgre_config *cfg;
	int err;

	cfg = kzalloc(sizeof(*cfg), GFP_KERNEL_ACCOUNT);
	if (!cfg)
		return ERR_PTR(-ENOMEM);
	if (old)
		*cfg = *old;
	else
		sgre_config_defaults(cfg);
	err = sgre_config_outside(cfg, data, old, extack);
	if (!err)
		err = sgre_config_inside(cfg, data, old, extack);
	if (err) {
		kfree(cfg);
		return ERR_PTR(err);
	}
	return cfg;
}
