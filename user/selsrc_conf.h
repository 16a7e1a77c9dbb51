/* SPDX-License-Identifier: GPL-2.0 */
/*
 * selsrc_conf.h - /etc/vestige/selsrc.conf: what `vestige selsrc attach` sets at once.
 *
 *	# comment
 *	policy set default|DEV FUNC[,FUNC...]
 *	pref set ADDR dev DEV N
 */
#ifndef VESTIGE_SELSRC_CONF_H
#define VESTIGE_SELSRC_CONF_H

#include "selsrc_words.h"

#define SELSRC_CONF "/etc/vestige/selsrc.conf"

struct selsrc_conf {
	struct selsrc_wish *wishes;
	__u32 nr_wishes;
};

/*
 * path: NULL for SELSRC_CONF, which need not be there. Devices and addresses are looked
 * for in krn. EXIT_OK, or EXIT_USAGE or EXIT_REFUSED, said with the number of the line.
 * conf_free() in either case.
 */
int conf_read(const char *path, const struct krn *krn, struct selsrc_conf *conf);
void conf_free(struct selsrc_conf *conf);

#endif
