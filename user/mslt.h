/* SPDX-License-Identifier: GPL-2.0 */
/* mslt.h - how long TIME_WAIT lasts, of one attachment. */
#ifndef VESTIGE_USER_MSLT_H
#define VESTIGE_USER_MSLT_H

#include "pins.h"

/* The configuration mapped for writing, and a lock against others who change it. */
struct mslt_edit {
	struct pins pins;
	struct vtw_config *cfg;
	size_t size;
	int lock;
};

/* EXIT_OK, or it has been said. */
int mslt_edit_begin(struct mslt_edit *edit);
void mslt_edit_end(struct mslt_edit *edit);

#endif
