// SPDX-License-Identifier: GPL-2.0
/*
 * gre.c - `vestige gre`: GRE devices whose outside is a socket.
 *
 * What the words mean is checked here; whether it can be done, by the kernel, whose
 * sentence is handed on.
 */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <linux/rtnetlink.h>

#include "args.h"
#include "cmd.h"
#include "gre.h"
#include "gre_show.h"
#include "link.h"
#include "out.h"

#define REQUEST_SIZE	1024

static int device_name(const char *what, int argc, char **argv)
{
	const char *name = argc ? argv[0] : NULL, *c;

	if (!name) {
		p_err("%s: write the NAME of a device", what);
		return EXIT_USAGE;
	}
	for (c = name; *c && *c != '/' && *c != ':' && !isspace((unsigned char)*c); c++)
		;
	if (!*c && c != name && c - name < IFNAMSIZ && strcmp(name, ".") && strcmp(name, ".."))
		return EXIT_OK;
	p_err("%s: '%s' is no name of a device: 1 to %d characters, no blank, '/' or ':'",
	      what, name, IFNAMSIZ - 1);
	return EXIT_USAGE;
}

/* ---- what the kernel says --------------------------------------------------------- */

static void refuse(const char *what, const char *name, int err, const char *said)
{
	/* No text, or one of the kernel's own that tells too little. */
	if (err == -EOPNOTSUPP && (!*said || !strcmp(said, "Unknown device type")))
		p_err("%s: this kernel has no devices of kind " SGRE_KIND ": load the module with "
		      "'modprobe vestige'; 'vestige doctor' tells what is in the way", what);
	else if (*said)
		p_err("%s: %s: %s", what, name, said);
	else if (err == -EEXIST)
		p_err("%s: a device '%s' exists already; choose another name", what, name);
	else if (err == -EPERM)
		p_err("%s: %s: not permitted; needs root of this namespace (CAP_NET_ADMIN)",
		      what, name);
	else
		p_err("%s: %s: %s", what, name, strerror(-err));
}

static int talk(const char *what, const char *name, struct nlmsghdr *req)
{
	char said[LINK_SAIDLEN];
	int err = link_talk(req, said);

	if (err) {
		refuse(what, name, err, said);
		return EXIT_REFUSED;
	}
	if (*said)
		p_warn("%s: %s", name, said);
	return EXIT_OK;
}

/* ---- add, set, del ---------------------------------------------------------------- */

/* false: it does not fit. */
static bool put_config(struct nlmsghdr *req, const struct gre_config *cfg)
{
	struct nlattr *info, *data;
	bool ok;

	if (cfg->has & GRE_MTU_BIT)
		mnl_attr_put_u32(req, IFLA_MTU, cfg->mtu);
	info = mnl_attr_nest_start(req, IFLA_LINKINFO);
	mnl_attr_put_strz(req, IFLA_INFO_KIND, SGRE_KIND);
	data = mnl_attr_nest_start(req, IFLA_INFO_DATA);
	ok = gre_put(req, REQUEST_SIZE, cfg);
	mnl_attr_nest_end(req, data);
	mnl_attr_nest_end(req, info);
	return ok;
}

static int send_config(const char *what, const char *name, struct nlmsghdr *req,
		       const struct gre_config *cfg)
{
	if (put_config(req, cfg))
		return talk(what, name, req);
	p_err("%s: %s: the request is too long", what, name);
	return EXIT_REFUSED;
}

static int gre_add(int argc, char **argv)
{
	char buf[REQUEST_SIZE] __attribute__((aligned(NLMSG_ALIGNTO)));
	int err = device_name("gre add", argc, argv);
	struct gre_config cfg;
	struct nlmsghdr *req;

	if (!err)
		err = gre_parse("gre add", argc - 1, argv + 1, &cfg);
	if (err)
		return err;
	req = link_request(buf, RTM_NEWLINK, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL, 0);
	mnl_attr_put_strz(req, IFLA_IFNAME, argv[0]);
	return send_config("gre add", argv[0], req, &cfg);
}

struct found {
	int ifindex;
	char kind[32];
};

static void take_link(const struct link *link, void *arg)
{
	struct found *found = arg;

	found->ifindex = link->ifindex;
	snprintf(found->kind, sizeof(found->kind), "%s", link->kind);
}

/* Nobody's eth0 is to be deleted by a slip of the finger. */
static int find(const char *what, const char *name, int *ifindex)
{
	struct found found = {};
	int err = link_each(name, take_link, &found);

	*ifindex = found.ifindex;
	if (!err && !strcmp(found.kind, SGRE_KIND))
		return EXIT_OK;
	if (err == -ENODEV)
		p_err("%s: device '%s' does not exist; 'vestige gre show' shows those that do",
		      what, name);
	else if (err)
		p_err("%s: %s: %s", what, name, strerror(-err));
	else
		p_err("%s: device '%s' is %s%s, not " SGRE_KIND, what, name,
		      *found.kind ? "of kind " : "of no kind", found.kind);
	return EXIT_REFUSED;
}

static int gre_set(int argc, char **argv)
{
	char buf[REQUEST_SIZE] __attribute__((aligned(NLMSG_ALIGNTO)));
	int err = device_name("gre set", argc, argv), ifindex;
	struct gre_config cfg;

	if (!err)
		err = gre_parse("gre set", argc - 1, argv + 1, &cfg);
	if (!err && argc == 1) {
		p_err("gre set: say what is to change, as in 'gre set %s ttl 32'", argv[0]);
		err = EXIT_USAGE;
	}
	if (!err)
		err = find("gre set", argv[0], &ifindex);
	if (err)
		return err;
	return send_config("gre set", argv[0], link_request(buf, RTM_NEWLINK, NLM_F_ACK, ifindex),
			   &cfg);
}

static int gre_del(int argc, char **argv)
{
	char buf[REQUEST_SIZE] __attribute__((aligned(NLMSG_ALIGNTO)));
	int err = device_name("gre del", argc, argv), ifindex;

	if (!err && argc > 1) {
		p_err("gre del: '%s' is one word too many", argv[1]);
		err = EXIT_USAGE;
	}
	if (!err)
		err = find("gre del", argv[0], &ifindex);
	if (err)
		return err;
	return talk("gre del", argv[0], link_request(buf, RTM_DELLINK, NLM_F_ACK, ifindex));
}

static int gre_list(int argc, char **argv)
{
	int err = argc ? device_name("gre show", argc, argv) : EXIT_OK, ifindex;

	if (!err && argc > 1) {
		p_err("gre show: '%s' is one word too many", argv[1]);
		err = EXIT_USAGE;
	}
	if (!err && argc)
		err = find("gre show", argv[0], &ifindex);
	return err ? err : gre_show(argc ? argv[0] : NULL);
}

static const struct cmd cmds[] = {
	{ "add",  gre_add,  "NAME local ADDR remote ADDR ... | NAME fd N ..." },
	{ "set",  gre_set,  "NAME and what is to change; the rest stays" },
	{ "del",  gre_del,  "NAME" },
	{ "show", gre_list, "one device, or all, with their counters" },
	{ NULL, NULL, NULL },
};

int do_gre(int argc, char **argv)
{
	return argc ? cmd_select(cmds, "gre", argc, argv) : gre_show(NULL);
}
