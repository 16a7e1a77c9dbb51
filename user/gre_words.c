// SPDX-License-Identifier: GPL-2.0
/* gre_words.c - words of `vestige gre` and of `ip link ... type sgre`, made into values. */
#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "args.h"
#include "cmd.h"
#include "gre.h"
#include "out.h"

#define KEEPALIVE_MAX	32767	/* seconds; as Cisco's */

const char gre_words_help[] =
	"local ADDR remote ADDR [transport raw|udp] [sport N|auto] [dport N]\n"
	"[key K | ikey K | okey K | nokey | noikey | nookey] [csum | nocsum] [seq | noseq]\n"
	"[ttl N|inherit] [tos N|inherit] [pmtudisc on|off] [dev DEV | nodev]\n"
	"[mode ip|ether] [keepalive SECONDS COUNT | keepalive off] [fd N]\n";

/* A word and the rest of the line: a word may want several values. */
struct line {
	int argc;
	char **argv;
	int i;
	struct gre_config *cfg;
};

static int wrong(const char *word, const char *value, const char *why)
{
	p_err("%s: '%s' %s", word, value, why);
	return EXIT_USAGE;
}

/* Decimal, or hexadecimal with 0x. */
static const char *parse_number(const char *word, unsigned long max, unsigned long *value)
{
	bool hex = !strncmp(word, "0x", 2);
	const char *digits = hex ? word + 2 : word;

	if (!*digits || strspn(digits, hex ? "0123456789abcdefABCDEF" : "0123456789") !=
	    strlen(digits))
		return "is not a whole number";
	errno = 0;
	*value = strtoul(digits, NULL, hex ? 16 : 10);
	if (errno || *value > max)
		return "is too large";
	return NULL;
}

static int number(const char *word, const char *value, __u32 min, __u32 max, __u32 *result)
{
	return arg_count(word, value, min, max, result);
}

static int address(const char *word, const char *value, struct gre_addr *addr)
{
	if (inet_pton(AF_INET, value, &addr->v4) == 1)
		addr->family = AF_INET;
	else if (inet_pton(AF_INET6, value, &addr->v6) == 1)
		addr->family = AF_INET6;
	else
		return wrong(word, value, "is no address of IPv4 or IPv6");
	if (addr->family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&addr->v6))
		return wrong(word, value, "is an IPv4 address in disguise; write it as such");
	return EXIT_OK;
}

/* As iproute2: a number, or its four bytes with dots. */
static int key(const char *word, const char *value, __be32 *key)
{
	unsigned long n = 0;
	struct in_addr quad;
	const char *why;

	if (strchr(value, '.')) {
		if (inet_pton(AF_INET, value, &quad) != 1)
			return wrong(word, value, "is no key; four numbers up to 255 with dots, "
				     "or one number");
		*key = quad.s_addr;
		return EXIT_OK;
	}
	why = parse_number(value, 0xffffffff, &n);
	if (!why) {
		*key = htonl(n);
		return EXIT_OK;
	}
	p_err("%s: '%s' %s; 0 to 4294967295 are allowed, or 0.0.0.0 to 255.255.255.255",
	      word, value, why);
	return EXIT_USAGE;
}

static int port(const char *word, const char *value, __be16 *port)
{
	__u32 n;

	if (number(word, value, 1, 65535, &n))
		return EXIT_USAGE;
	*port = htons(n);
	return EXIT_OK;
}

static int choice(const char *word, const char *value, const char *const *list, __u8 *result)
{
	int n = arg_keyword(word, value, list);

	*result = n;
	return n < 0 ? EXIT_USAGE : EXIT_OK;
}

static int ttl(const char *word, const char *value, __u8 *ttl)
{
	__u32 n = 0;

	if (strcmp(value, "inherit") && number(word, value, 1, 255, &n))
		return EXIT_USAGE;
	*ttl = n;
	return EXIT_OK;
}

static int tos(const char *word, const char *value, __u8 *tos)
{
	unsigned long n = 1;
	const char *why = NULL;

	if (strcmp(value, "inherit")) {
		why = parse_number(value, 255, &n);
		if (!why && n & 1)
			why = "has its last bit set, which stands for inherit";
	}
	if (why) {
		p_err("%s: '%s' %s; 0 to 254 (0xfe), even, or inherit", word, value, why);
		return EXIT_USAGE;
	}
	*tos = n;
	return EXIT_OK;
}

static int device(const char *word, const char *value, __u32 *link)
{
	*link = if_nametoindex(value);
	if (*link)
		return EXIT_OK;
	p_err("%s: device '%s' does not exist here; 'ip link' shows those that do", word, value);
	return EXIT_REFUSED;
}

static int keepalive(struct line *line, const char *value)
{
	struct sgre_keepalive *ka = &line->cfg->keepalive;
	__u32 interval, count;

	if (!strcmp(value, "off"))
		return EXIT_OK;
	if (number("keepalive", value, 1, KEEPALIVE_MAX, &interval))
		return EXIT_USAGE;
	if (line->i + 1 == line->argc) {
		p_err("keepalive: write SECONDS and COUNT, as in 'keepalive 10 3', or off");
		return EXIT_USAGE;
	}
	if (number("keepalive", line->argv[++line->i], 1, 255, &count))
		return EXIT_USAGE;
	ka->interval = interval;
	ka->count = count;
	return EXIT_OK;
}

enum word {
	LOCAL, REMOTE, TRANSPORT, FD, SPORT, DPORT, KEY, IKEY, OKEY, NOKEY, NOIKEY, NOOKEY,
	CSUM, NOCSUM, SEQ, NOSEQ, TTL, TOS, PMTUDISC, DEV, NODEV, MODE, KEEPALIVE, MTU, WORDS
};

#define KEYS	(SGRE_IKEY | SGRE_OKEY)

/* attr: what the word sets; flags: those it decides on, on or off. */
static const struct word_info {
	unsigned int has;
	__u32 flags, on;
	bool value;
} infos[WORDS] = {
	[LOCAL]	    = { .has = GRE_BIT(IFLA_SGRE_LOCAL), .value = true },
	[REMOTE]    = { .has = GRE_BIT(IFLA_SGRE_REMOTE), .value = true },
	[TRANSPORT] = { .has = GRE_BIT(IFLA_SGRE_TRANSPORT), .value = true },
	[FD]	    = { .has = GRE_BIT(IFLA_SGRE_FD), .value = true },
	[SPORT]	    = { .has = GRE_BIT(IFLA_SGRE_SPORT), .value = true },
	[DPORT]	    = { .has = GRE_BIT(IFLA_SGRE_DPORT), .value = true },
	[KEY]	    = { .has = GRE_BIT(IFLA_SGRE_IKEY) | GRE_BIT(IFLA_SGRE_OKEY),
			.flags = KEYS, .on = KEYS, .value = true },
	[IKEY]	    = { .has = GRE_BIT(IFLA_SGRE_IKEY), .flags = SGRE_IKEY, .on = SGRE_IKEY,
			.value = true },
	[OKEY]	    = { .has = GRE_BIT(IFLA_SGRE_OKEY), .flags = SGRE_OKEY, .on = SGRE_OKEY,
			.value = true },
	[NOKEY]	    = { .flags = KEYS },
	[NOIKEY]    = { .flags = SGRE_IKEY },
	[NOOKEY]    = { .flags = SGRE_OKEY },
	[CSUM]	    = { .flags = SGRE_CSUM, .on = SGRE_CSUM },
	[NOCSUM]    = { .flags = SGRE_CSUM },
	[SEQ]	    = { .flags = SGRE_SEQ, .on = SGRE_SEQ },
	[NOSEQ]	    = { .flags = SGRE_SEQ },
	[TTL]	    = { .has = GRE_BIT(IFLA_SGRE_TTL), .value = true },
	[TOS]	    = { .has = GRE_BIT(IFLA_SGRE_TOS), .value = true },
	[PMTUDISC]  = { .flags = SGRE_PMTUDISC, .value = true },
	[DEV]	    = { .has = GRE_BIT(IFLA_SGRE_LINK), .value = true },
	[NODEV]	    = { .has = GRE_BIT(IFLA_SGRE_LINK) },
	[MODE]	    = { .has = GRE_BIT(IFLA_SGRE_MODE), .value = true },
	[KEEPALIVE] = { .has = GRE_BIT(IFLA_SGRE_KEEPALIVE), .value = true },
	[MTU]	    = { .has = GRE_MTU_BIT, .value = true },
};

static const char *const names[WORDS + 1] = {
	"local", "remote", "transport", "fd", "sport", "dport", "key", "ikey", "okey", "nokey",
	"noikey", "nookey", "csum", "nocsum", "seq", "noseq", "ttl", "tos", "pmtudisc", "dev",
	"nodev", "mode", "keepalive", "mtu", NULL
};

static int pmtudisc(struct gre_config *cfg, const char *value)
{
	bool on;

	if (arg_onoff("pmtudisc", value, &on))
		return EXIT_USAGE;
	if (on)
		cfg->flags |= SGRE_PMTUDISC;
	return EXIT_OK;
}

static int take_value(struct line *line, enum word word, const char *value)
{
	static const char *const transports[] = { "raw", "udp", NULL };
	static const char *const modes[] = { "ip", "ether", NULL };
	struct gre_config *cfg = line->cfg;
	const char *name = names[word];

	switch (word) {
	case LOCAL:
		return address(name, value, &cfg->local);
	case REMOTE:
		return address(name, value, &cfg->remote);
	case TRANSPORT:
		return choice(name, value, transports, &cfg->transport);
	case FD:
		return number(name, value, 0, 0x7fffffff, (__u32 *)&cfg->fd);
	case SPORT:
		return strcmp(value, "auto") ? port(name, value, &cfg->sport) : EXIT_OK;
	case DPORT:
		return port(name, value, &cfg->dport);
	case KEY:
		if (key(name, value, &cfg->ikey))
			return EXIT_USAGE;
		cfg->okey = cfg->ikey;
		return EXIT_OK;
	case IKEY:
		return key(name, value, &cfg->ikey);
	case OKEY:
		return key(name, value, &cfg->okey);
	case TTL:
		return ttl(name, value, &cfg->ttl);
	case TOS:
		return tos(name, value, &cfg->tos);
	case PMTUDISC:
		return pmtudisc(cfg, value);
	case DEV:
		return device(name, value, &cfg->link);
	case MODE:
		return choice(name, value, modes, &cfg->mode);
	case KEEPALIVE:
		return keepalive(line, value);
	default:
		return number(name, value, GRE_MTU_MIN, GRE_MTU_MAX, &cfg->mtu);
	}
}

static int take_word(struct line *line, enum word word)
{
	const struct word_info *info = &infos[word];
	struct gre_config *cfg = line->cfg;
	const char *value = NULL;

	if (cfg->has & info->has || cfg->named & info->flags) {
		p_err("'%s': this was said already, earlier in the line", names[word]);
		return EXIT_USAGE;
	}
	if (info->value) {
		value = arg_value(line->argc, line->argv, &line->i);
		if (!value)
			return EXIT_USAGE;
	}
	cfg->has |= info->has;
	cfg->named |= info->flags;
	cfg->flags |= info->on;
	return value ? take_value(line, word, value) : EXIT_OK;
}

int gre_parse(const char *what, int argc, char **argv, struct gre_config *cfg)
{
	struct line line = { argc, argv, 0, cfg };
	int word, err;

	memset(cfg, 0, sizeof(*cfg));
	for (; line.i < argc; line.i++) {
		word = arg_keyword(what, argv[line.i], names);
		if (word < 0)
			return EXIT_USAGE;
		err = take_word(&line, word);
		if (err)
			return err;
	}
	return EXIT_OK;
}
