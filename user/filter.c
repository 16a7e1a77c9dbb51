// SPDX-License-Identifier: GPL-2.0
/*
 * filter.c - which sessions `list` and `flush` mean.
 */
#include <arpa/inet.h>
#include <ctype.h>
#include <string.h>
#include <sys/socket.h>
#include "args.h"
#include "cmd.h"
#include "filter.h"
#include "out.h"
#include "record.h"

enum { KEY_FAMILY, KEY_STATE, KEY_CLASS, KEY_LOCAL, KEY_PEER, KEY_SPORT, KEY_DPORT };

static const char *const keys[] = {
	"family", "state", "class", "local", "peer", "sport", "dport", NULL
};

/* ---- terms ------------------------------------------------------------------- */

static int parse_state(const char *word, int *value)
{
	static const enum vtw_state state[] = {
		VTW_TIME_WAIT, VTW_FIN_WAIT2, VTW_REOPENING
	};
	static const char *const names[] = {
		"time-wait", "fin-wait-2", "reopening", NULL
	};
	char lower[16];
	size_t i;
	int n;

	for (i = 0; word[i] && i < sizeof(lower) - 1; i++)
		lower[i] = tolower((unsigned char)word[i]);
	lower[i] = '\0';
	n = arg_keyword("state", word[i] ? word : lower, names);
	if (n >= 0)
		*value = state[n];
	return n < 0 ? EXIT_USAGE : EXIT_OK;
}

static int parse_end(const char *word, struct endpoint *e)
{
	const char *wrong = endpoint_parse(word, e);

	if (wrong)
		p_err("'%s': %s", word, wrong);
	return wrong ? EXIT_USAGE : EXIT_OK;
}

static int parse_port_term(const char *key, const char *word, struct endpoint *e)
{
	__u32 port;
	int err = arg_count(key, word, 0, 65535, &port);

	memset(e, 0, sizeof(*e));
	e->has_port = true;
	e->port = htons(port);
	return err;
}

static int parse_term(struct filter_term *t, const char *word)
{
	static const char *const families[] = { "inet", "inet6", NULL };

	switch (t->key) {
	case KEY_FAMILY:
		t->value = arg_keyword("family", word, families);
		if (t->value < 0)
			return EXIT_USAGE;
		t->value = t->value ? AF_INET6 : AF_INET;
		return EXIT_OK;
	case KEY_STATE:
		return parse_state(word, &t->value);
	case KEY_CLASS:
		t->value = arg_keyword("class", word, class_names);
		return t->value < 0 ? EXIT_USAGE : EXIT_OK;
	case KEY_LOCAL:
	case KEY_PEER:
		return parse_end(word, &t->end);
	default:
		return parse_port_term(keys[t->key], word, &t->end);
	}
}

int filter_parse(struct filter *f, int argc, char **argv)
{
	const char *word;
	int i, err;

	memset(f, 0, sizeof(*f));
	for (i = 0; i < argc; i++) {
		struct filter_term *t = &f->term[f->terms];

		if (f->terms == FILTER_TERMS) {
			p_err("a filter has at most %d terms", FILTER_TERMS);
			return EXIT_USAGE;
		}
		if (!strcmp(argv[i], "and") && f->terms)
			continue;
		t->key = arg_keyword("filter", argv[i], keys);
		if (t->key < 0)
			return EXIT_USAGE;
		word = arg_value(argc, argv, &i);
		if (!word)
			return EXIT_USAGE;
		err = parse_term(t, word);
		if (err)
			return err;
		f->terms++;
	}
	return EXIT_OK;
}

/* ---- matching ------------------------------------------------------------------ */

static bool at_endpoint(const struct endpoint *e, int family, const __be32 *addr,
		     __be16 port)
{
	return (!e->has_port || e->port == port) && endpoint_covers(e, family, addr);
}

static bool match_term(const struct filter_term *t, const struct session *s)
{
	switch (t->key) {
	case KEY_FAMILY:
		return s->family == t->value;
	case KEY_STATE:
		return s->state == (enum vtw_state)t->value;
	case KEY_CLASS:
		return class_index(s->word.class) == t->value;
	case KEY_LOCAL:
	case KEY_SPORT:
		return at_endpoint(&t->end, s->family, s->laddr, s->lport);
	default:
		return at_endpoint(&t->end, s->family, s->raddr, s->rport);
	}
}

bool filter_family(const struct filter *f, int family)
{
	int i;

	for (i = 0; i < f->terms; i++) {
		const struct filter_term *t = &f->term[i];

		if (t->key == KEY_FAMILY && t->value != family)
			return false;
		if (t->end.family && t->end.family != family)
			return false;
	}
	return true;
}

bool filter_match(const struct filter *f, const struct session *s)
{
	int i;

	for (i = 0; i < f->terms; i++)
		if (!match_term(&f->term[i], s))
			return false;
	return true;
}
