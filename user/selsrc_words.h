/* SPDX-License-Identifier: GPL-2.0 */
/*
 * selsrc_words.h - policies and preferences, as words of the command line and of
 * /etc/vestige/selsrc.conf.
 *
 * What is wrong is written into `wrong` (WORDS_WRONG bytes), not said: the file has line
 * numbers to say it with.
 */
#ifndef VESTIGE_SELSRC_WORDS_H
#define VESTIGE_SELSRC_WORDS_H

#include <stdbool.h>
#include <stddef.h>
#include <linux/if.h>
#include <linux/types.h>
#include <vestige/selsrc.h>
#include "selsrc_kernel.h"

#define WORDS_WRONG	256

enum { WISH_POLICY, WISH_PREF };

/* One thing that is wished. */
struct selsrc_wish {
	int kind;
	char dev[IFNAMSIZ];		/* empty: the default policy */
	int ifindex;			/* of dev, once it has been looked for; 0: default */
	__u8 function[SELSRC_MAX_FUNCTIONS];	/* enum selsrc_function */
	int functions;
	int family;
	__be32 addr[4];
	__s16 preference;
};

/* `default|DEV FUNC[,FUNC...]` */
bool words_policy(const char *dev, const char *funcs, struct selsrc_wish *wish, char *wrong);

/* DEV alone; `default` is the one for all others. */
bool words_dev(const char *dev, struct selsrc_wish *wish, char *wrong);

/* `ADDR dev DEV`, and then N, unless number is NULL */
bool words_pref(const char *addr, const char *dev, const char *number,
		struct selsrc_wish *wish, char *wrong);

/* Are device and address there? Sets wish->ifindex. */
bool words_find(const struct krn *krn, struct selsrc_wish *wish, char *wrong);

#define POLICY_TEXTLEN	160
/* What words_policy() takes. */
const char *policy_text(const __u8 *function, int n, char *text);

/* As on the command line. */
extern const char *const selsrc_function_name[SELSRC_NR_FUNCTIONS];

#endif
