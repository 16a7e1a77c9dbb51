// SPDX-License-Identifier: GPL-2.0
/* selsrc_words.c - policies and preferences, as words. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "endpoint.h"
#include "selsrc_words.h"

const char *const selsrc_function_name[SELSRC_NR_FUNCTIONS] = {
#define NAME(id, name) name,
	SELSRC_FUNCTIONS(NAME)
#undef NAME
};

/* ---- policies ------------------------------------------------------------------------ */

static bool unknown_function(const char *word, int len, char *wrong)
{
	size_t n;
	int i;

	n = snprintf(wrong, WORDS_WRONG, "'%.*s' is no function; there are:", len, word);
	for (i = 0; i < SELSRC_NR_FUNCTIONS && n < WORDS_WRONG; i++)
		n += snprintf(wrong + n, WORDS_WRONG - n, "%s %s", i ? "," : "",
			      selsrc_function_name[i]);
	return false;
}

static bool take_function(const char *word, size_t len, struct selsrc_wish *wish, char *wrong)
{
	int i;

	if (!len) {
		snprintf(wrong, WORDS_WRONG, "a policy is a list of functions, with one comma "
			 "between two; there is nothing before or behind a comma");
		return false;
	}
	if (wish->functions == SELSRC_MAX_FUNCTIONS) {
		snprintf(wrong, WORDS_WRONG, "a policy has at most %d functions",
			 SELSRC_MAX_FUNCTIONS);
		return false;
	}
	for (i = 0; i < SELSRC_NR_FUNCTIONS; i++)
		if (strlen(selsrc_function_name[i]) == len &&
		    !strncmp(selsrc_function_name[i], word, len))
			break;
	if (i == SELSRC_NR_FUNCTIONS)
		return unknown_function(word, len, wrong);
	wish->function[wish->functions++] = i;
	return true;
}

bool words_dev(const char *dev, struct selsrc_wish *wish, char *wrong)
{
	memset(wish, 0, sizeof(*wish));
	wish->kind = WISH_POLICY;
	if (!strcmp(dev, "default"))
		return true;
	if (!*dev || strlen(dev) >= IFNAMSIZ) {
		snprintf(wrong, WORDS_WRONG, "'%.32s' is no name of a device", dev);
		return false;
	}
	strcpy(wish->dev, dev);
	return true;
}

bool words_policy(const char *dev, const char *funcs, struct selsrc_wish *wish, char *wrong)
{
	size_t len;

	if (!words_dev(dev, wish, wrong))
		return false;
	if (!*funcs) {
		snprintf(wrong, WORDS_WRONG, "the policy is empty; 'policy del %s' removes it",
			 dev);
		return false;
	}
	for (;; funcs += len + 1) {
		len = strcspn(funcs, ",");
		if (!take_function(funcs, len, wish, wrong))
			return false;
		if (!funcs[len])
			return true;
	}
}

const char *policy_text(const __u8 *function, int n, char *text)
{
	size_t len = 0;
	int i;

	text[0] = '\0';
	for (i = 0; i < n && i < SELSRC_MAX_FUNCTIONS && len < POLICY_TEXTLEN; i++)
		len += snprintf(text + len, POLICY_TEXTLEN - len, "%s%s", i ? "," : "",
				function[i] < SELSRC_NR_FUNCTIONS ?
				selsrc_function_name[function[i]] : "?");
	return text;
}

/* ---- preferences ----------------------------------------------------------------------- */

/* A number and nothing else; strtol() alone would take blanks and signs twice. */
static bool take_preference(const char *word, __s16 *preference, char *wrong)
{
	const char *digits = *word == '-' || *word == '+' ? word + 1 : word;
	long value = strtol(word, NULL, 10);

	if (!*digits || strspn(digits, "0123456789") != strlen(digits)) {
		snprintf(wrong, WORDS_WRONG, "'%.32s' is not a whole number", word);
		return false;
	}
	if (strlen(digits) > 9 || value < -32768 || value > 32767) {
		snprintf(wrong, WORDS_WRONG,
			 "%.32s is out of range; a preference is -32768 to 32767", word);
		return false;
	}
	*preference = value;
	return true;
}

static bool take_plain_address(const char *word, struct selsrc_wish *wish, char *wrong)
{
	struct endpoint e;
	const char *why = endpoint_parse(word, &e);

	if (!why && (!e.family || e.has_port || e.has_len))
		why = "an address is wanted, and nothing else";
	if (why) {
		snprintf(wrong, WORDS_WRONG, "'%.64s': %s", word, why);
		return false;
	}
	wish->family = e.family;
	memcpy(wish->addr, e.addr, sizeof(wish->addr));
	return true;
}

bool words_pref(const char *addr, const char *dev, const char *number,
		struct selsrc_wish *wish, char *wrong)
{
	if (!words_dev(dev, wish, wrong))
		return false;
	wish->kind = WISH_PREF;
	snprintf(wish->dev, sizeof(wish->dev), "%s", dev);
	return take_plain_address(addr, wish, wrong) &&
	       (!number || take_preference(number, &wish->preference, wrong));
}

/* ---- are they there? --------------------------------------------------------------------- */

static bool has_address(const struct krn *krn, const struct selsrc_wish *wish)
{
	__u32 i;

	for (i = 0; i < krn->nr_addrs; i++)
		if (krn->addrs[i].ifindex == wish->ifindex &&
		    krn->addrs[i].family == wish->family &&
		    !memcmp(krn->addrs[i].addr, wish->addr, sizeof(wish->addr)))
			return true;
	return false;
}

bool words_find(const struct krn *krn, struct selsrc_wish *wish, char *wrong)
{
	char text[ENDPOINT_STRLEN];
	const struct krn_dev *dev;

	if (!wish->dev[0])
		return true;
	dev = krn_dev_by_name(krn, wish->dev);
	if (!dev) {
		snprintf(wrong, WORDS_WRONG, "device '%s' does not exist in this namespace",
			 wish->dev);
		return false;
	}
	wish->ifindex = dev->ifindex;
	if (wish->kind == WISH_POLICY || has_address(krn, wish))
		return true;
	snprintf(wrong, WORDS_WRONG, "device %s does not have the address %s", wish->dev,
		 address_text(wish->family, wish->addr, text));
	return false;
}
