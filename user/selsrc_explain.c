// SPDX-License-Identifier: GPL-2.0
/*
 * selsrc_explain.c - `vestige selsrc explain`: every candidate, its scores, the winner, why.
 *
 * It looks into the tables that the programs look into, by the functions of
 * include/vestige/selsrc_score.h, and leaves to the kernel what they leave to it. What is a
 * matter of the socket (bound, options, its device but for `dev`) is not asked.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <bpf/bpf.h>
#include <sys/socket.h>

#include "args.h"
#include "cmd.h"
#include "endpoint.h"
#include "out.h"
#include "selsrc.h"
#include "selsrc_explain.h"
#include "selsrc_kernel.h"
#include "selsrc_words.h"

/* ---- what the tables say ------------------------------------------------------ */

static const char *what_of(int verdict)
{
	static const char *const whats[] = {
#define WHAT(name, what) what,
		SELSRC_STATS(WHAT)
#undef WHAT
	};

	return whats[verdict];
}

enum verdict {
#define VERDICT(name, what) V_##name,
	SELSRC_STATS(VERDICT)
#undef VERDICT
};

static const char *dest_of_its_own(int family, const __be32 *addr)
{
	__u32 top = ntohl(addr[0]) >> 24;

	if (family == AF_INET)
		return top == 127 ? what_of(V_loopback) :
		       !top || top >= 224 ? what_of(V_multicast) : NULL;
	if (top == 0xff)
		return what_of(V_multicast);
	if (addr[0] || addr[1] || addr[2] || ntohl(addr[3]) > 1)
		return NULL;
	return addr[3] ? what_of(V_loopback) : what_of(V_multicast);
}

static const char *left_by_route(const struct selsrc_route *route)
{
	switch (route->kind) {
	case SELSRC_UNICAST:
		return NULL;
	case SELSRC_LOCAL:
		return what_of(V_route_local);
	case SELSRC_SRC:
		return what_of(V_route_src);
	case SELSRC_NONE:
		return what_of(V_route_none);
	}
	return what_of(V_route_doubt);
}

static void fill_key(struct selsrc_prefix6 *key, int family, const __be32 *addr)
{
	memset(key, 0, sizeof(*key));
	key->prefixlen = family == AF_INET ? 32 : 128;
	memcpy(key->addr, addr, family == AF_INET ? 4 : 16);
}

static __u32 label_of(const struct explain *e)
{
	const __be32 mapped[4] = { 0, 0, htonl(0xffff), e->dst[0] };
	struct selsrc_prefix6 key;
	__u32 label;

	fill_key(&key, AF_INET6, e->family == AF_INET ? mapped : e->dst);
	return bpf_map_lookup_elem(e->s->labels[e->half], &key, &label) ? ~0u : label;
}

/* False: it has gone, and the tables are not written yet. */
static bool take_source(const struct explain *e, __u32 i, struct selsrc_source *src)
{
	__u32 chunk = e->dev.first + i / SELSRC_CHUNK, at = i % SELSRC_CHUNK;
	const struct selsrc_addr4 *a4 = &e->s->chunks4[chunk].addr[at];
	const struct selsrc_addr6 *a6 = &e->s->chunks6[chunk].addr[at];
	__u32 class = e->family == AF_INET ? a4->class : a6->class;
	int w;

	memset(src, 0, sizeof(*src));
	src->index = i;
	src->preference = (e->family == AF_INET ? a4->preference : a6->preference) - 32768;
	src->class = e->dev.class[class % SELSRC_CLASSES];
	if (e->family == AF_INET)
		src->addr[0] = htonl(a4->addr);
	for (w = 0; w < 4 && e->family == AF_INET6; w++)
		src->addr[w] = htonl(a6->addr[w / 2] >> (w % 2 ? 0 : 32));
	return class != SELSRC_GONE;
}

static void rank_one(struct explain *e, __u32 i, const struct selsrc_dest *dest)
{
	struct explain_one *one = &e->one[i];

	one->reaches = take_source(e, i, &one->source) &&
		       selsrc_reaches(&one->source.class, dest);
	selsrc_vector(&one->vector, e->policy.function, e->policy.n, &one->source, dest);
	if (one->reaches && (e->best < 0 ||
			     selsrc_compare(&one->vector, &e->one[e->best].vector, &one->by) > 0))
		e->best = i;
}

/* Now that the best is known: by what is each of the others worse? */
static void compare_all(struct explain *e)
{
	__u32 i;

	for (i = 0; i < e->n && e->best >= 0; i++)
		selsrc_compare(&e->one[e->best].vector, &e->one[i].vector, &e->one[i].by);
}

static void rank_all(struct explain *e)
{
	__u8 scope = e->ifindex == e->route.ifindex ? e->route.scope : 0;
	struct selsrc_dest dest;
	__u32 i;

	selsrc_dest(&dest, model_family(e->family), e->dst, scope, label_of(e));
	e->n = e->dev.n < SELSRC_MAX_ADDRS ? e->dev.n : SELSRC_MAX_ADDRS;
	for (i = 0; i < e->n; i++)
		rank_one(e, i, &dest);
	compare_all(e);
}

/* NULL: a source is chosen from what is in e; otherwise why not. */
static const char *look_up(struct explain *e)
{
	const struct selsrc_head *head = &e->s->state->head[e->half];
	int family = model_family(e->family);
	struct selsrc_dev_key key = { .half = e->half, .family = family };
	struct selsrc_prefix6 prefix;
	__u8 number;

	fill_key(&prefix, e->family, e->dst);
	if (bpf_map_lookup_elem(e->s->routes[family][e->half], &prefix, &e->route))
		return what_of(V_no_route);
	e->ifindex = e->oif ? e->oif : e->route.ifindex;
	if (left_by_route(&e->route))
		return left_by_route(&e->route);
	key.ifindex = e->ifindex;
	if (bpf_map_lookup_elem(e->s->devs, &key, &e->dev))
		return what_of(V_no_device);
	number = e->dev.policy[e->set];
	e->own_policy = number;
	if (!number)
		number = head->policy[e->set];
	if (number)
		e->policy = e->s->policies[number];
	if (e->dev.doubt)
		return what_of(V_doubt);
	rank_all(e);
	if (e->dev.n < 2)
		return what_of(e->dev.n ? V_one_candidate : V_no_candidate);
	if (!number)
		return what_of(V_no_policy);
	return e->best < 0 ? what_of(V_no_candidate) : NULL;
}

/* ---- text ------------------------------------------------------------------------ */

static const char *function_name(const struct explain *e, int by)
{
	return by < 0 ? "it is the destination" : by < e->policy.n ?
	       selsrc_function_name[e->policy.function[by] % SELSRC_NR_FUNCTIONS] : "index";
}

static void say_verdict(const struct explain *e, __u32 i, char *text, size_t size)
{
	if (!e->one[i].reaches)
		snprintf(text, size, "cannot reach it");
	else if (e->left || e->best < 0)
		text[0] = '\0';
	else if ((int)i == e->best)
		snprintf(text, size, "best");
	else
		snprintf(text, size, "worse by %s", function_name(e, e->one[i].by));
}

static void text_candidates(const struct explain *e)
{
	char text[ENDPOINT_STRLEN], verdict[64];
	int f, width;
	__u32 i;

	p_text("  %-39s", "candidate");
	for (f = 0; f < e->policy.n; f++)
		p_text(" %s", function_name(e, f));
	p_text("\n");
	for (i = 0; i < e->n; i++) {
		p_text("  %-39s", address_text(e->family, e->one[i].source.addr, text));
		for (f = 0; f < e->policy.n; f++) {
			width = strlen(function_name(e, f));
			p_text(" %*d", width, e->one[i].vector.score[f]);
		}
		say_verdict(e, i, verdict, sizeof(verdict));
		p_text("  %s\n", verdict);
	}
}

static void print_text(const struct explain *e)
{
	char policy[POLICY_TEXTLEN], text[ENDPOINT_STRLEN];

	p_text("destination %s", address_text(e->family, e->dst, text));
	if (e->dev_name[0])
		p_text(" dev %s", e->dev_name);
	p_text("\n");
	if (e->policy.n)
		p_text("policy %s, of %s\n",
		       policy_text(e->policy.function, e->policy.n, policy),
		       e->own_policy ? e->dev_name : "default");
	if (e->n)
		text_candidates(e);
	if (e->left)
		p_text("left to the kernel: %s\n", e->left);
	else
		p_text("source %s\n",
		       address_text(e->family, e->one[e->best].source.addr, text));
	if (e->has_kernel)
		p_text("the kernel %s %s\n", e->left ? "takes" : "would take",
		       address_text(e->family, e->kernel, text));
}

/* ---- JSON ------------------------------------------------------------------------- */

static struct json_object *json_candidate(const struct explain *e, __u32 i)
{
	const struct explain_one *one = &e->one[i];
	struct json_object *obj = json_object_new_object();
	struct json_object *scores = json_object_new_array();
	char text[ENDPOINT_STRLEN];
	int f;

	out_str(obj, "address", address_text(e->family, one->source.addr, text));
	out_num(obj, "index", one->source.index);
	json_object_object_add(obj, "preference", json_object_new_int(one->source.preference));
	out_bool(obj, "deprecated", one->source.class.deprecated);
	out_bool(obj, "reaches", one->reaches);
	for (f = 0; f < e->policy.n; f++)
		json_object_array_add(scores, json_object_new_int(one->vector.score[f]));
	json_object_object_add(obj, "scores", scores);
	out_bool(obj, "best", !e->left && (int)i == e->best);
	if (!e->left && one->reaches && (int)i != e->best)
		out_str(obj, "worse_by", function_name(e, one->by));
	return obj;
}

static struct json_object *json_list(const struct explain *e)
{
	struct json_object *list = json_object_new_array();
	__u32 i;

	for (i = 0; i < e->n; i++)
		json_object_array_add(list, json_candidate(e, i));
	return list;
}

static void print_json(const struct explain *e)
{
	struct json_object *obj = json_object_new_object();
	struct json_object *functions = json_object_new_array();
	char text[ENDPOINT_STRLEN];
	int f;

	out_str(obj, "destination", address_text(e->family, e->dst, text));
	out_str(obj, "cgroup", e->s->set[e->set].cgroup);
	if (e->dev_name[0])
		out_str(obj, "dev", e->dev_name);
	for (f = 0; f < e->policy.n; f++)
		json_object_array_add(functions, json_object_new_string(function_name(e, f)));
	json_object_object_add(obj, "functions", functions);
	out_bool(obj, "policy_of_dev", e->own_policy);
	json_object_object_add(obj, "candidates", json_list(e));
	if (e->left)
		out_str(obj, "left_to_kernel", e->left);
	if (e->has_kernel)
		out_str(obj, "kernel", address_text(e->family, e->kernel, text));
	if (!e->left)
		out_str(obj, "source",
			address_text(e->family, e->one[e->best].source.addr, text));
	else if (e->has_kernel)
		out_str(obj, "source", address_text(e->family, e->kernel, text));
	out_json(obj);
}

/* ---- words ------------------------------------------------------------------------- */

struct explain_words {
	const char *dest, *dev, *cgroup;
};

static int parse(int argc, char **argv, struct explain_words *words, struct explain *e)
{
	static const char *const keys[] = { "dev", "cgroup", NULL };
	const char **value[] = { &words->dev, &words->cgroup }, *wrong;
	struct endpoint end;
	int i, key;

	if (!argc) {
		p_err("selsrc explain: write DEST, an address");
		return EXIT_USAGE;
	}
	wrong = endpoint_parse(argv[0], &end);
	if (!wrong && (!end.family || end.has_port || end.has_len))
		wrong = "an address is wanted, and nothing else";
	if (wrong) {
		p_err("selsrc explain: '%s': %s", argv[0], wrong);
		return EXIT_USAGE;
	}
	e->family = end.family;
	memcpy(e->dst, end.addr, sizeof(e->dst));
	for (i = 1; i < argc; i++) {
		key = arg_keyword("selsrc explain", argv[i], keys);
		if (key < 0)
			return EXIT_USAGE;
		*value[key] = arg_value(argc, argv, &i);
		if (!*value[key])
			return EXIT_USAGE;
	}
	return EXIT_OK;
}

static int find_dev(const struct krn *krn, const struct explain_words *words, struct explain *e)
{
	const struct krn_dev *dev = words->dev ? krn_dev_by_name(krn, words->dev) : NULL;

	if (words->dev && !dev) {
		p_err("device '%s' does not exist in this namespace", words->dev);
		return EXIT_REFUSED;
	}
	e->oif = dev ? dev->ifindex : 0;
	return EXIT_OK;
}

static void explain(struct explain *e, const struct krn *krn)
{
	const char *of_dest = dest_of_its_own(e->family, e->dst);
	const char *unused = selsrc_unused(e->s, model_family(e->family));
	const struct krn_dev *dev;

	e->half = e->s->state->version & 1;
	e->best = -1;
	e->left = of_dest ? of_dest : look_up(e);
	if (!e->left)
		e->left = unused;
	dev = e->ifindex ? krn_dev(krn, e->ifindex) : NULL;
	if (dev)
		snprintf(e->dev_name, sizeof(e->dev_name), "%s", dev->name);
	e->has_kernel = !krn_source(e->family, e->dst, e->oif, e->kernel);
	if (out.json)
		print_json(e);
	else
		print_text(e);
}

int selsrc_explain(int argc, char **argv)
{
	static struct explain e;
	struct explain_words words = {};
	struct selsrc s;
	struct krn krn = {};
	int ret = parse(argc, argv, &words, &e);

	if (!ret)
		ret = selsrc_open(&s, NULL, false);
	if (ret)
		return ret;
	e.s = &s;
	e.set = selsrc_which(&s, words.cgroup);
	ret = e.set < 0 ? -e.set : EXIT_OK;
	if (!ret && krn_read(&krn, KRN_ADDRS)) {
		p_err("devices cannot be listed");
		ret = EXIT_REFUSED;
	}
	if (!ret)
		ret = find_dev(&krn, &words, &e);
	if (!ret)
		explain(&e, &krn);
	krn_free(&krn);
	selsrc_close(&s);
	return ret;
}
