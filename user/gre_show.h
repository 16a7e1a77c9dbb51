/* SPDX-License-Identifier: GPL-2.0 */
/* gre_show.h - devices of kind sgre, printed. */
#ifndef VESTIGE_GRE_SHOW_H
#define VESTIGE_GRE_SHOW_H

/* name: one device; NULL: all. EXIT_OK, or it has been said. */
int gre_show(const char *name);

#endif
