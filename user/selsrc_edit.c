// SPDX-License-Identifier: GPL-2.0
/* selsrc_edit.c - one change of the wishes, and the tables are written anew. */
#include <string.h>

#include "cmd.h"
#include "out.h"
#include "selsrc_edit.h"
#include "step.h"

static int edit_locked(struct selsrc *s, int (*fn)(struct selsrc *, struct model *, void *),
		       void *arg)
{
	struct model m;
	int err = model_read(&m, s), ret = EXIT_OK;

	if (!err)
		ret = fn(s, &m, arg);
	if (!err && !ret)
		err = model_write(&m, s);
	model_free(&m);
	if (!err)
		return ret;
	p_err("the tables cannot be written: %s", strerror(-err));
	return EXIT_REFUSED;
}

int selsrc_edit(int (*fn)(struct selsrc *s, struct model *m, void *arg), void *arg)
{
	struct selsrc s;
	int ret = selsrc_open(&s, NULL, true);

	if (ret)
		return ret;
	ret = selsrc_lock(&s, false);
	if (!ret) {
		step_hold_signals();
		ret = edit_locked(&s, fn, arg);
		step_release_signals();
	}
	selsrc_close(&s);
	return ret;
}
