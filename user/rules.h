/* SPDX-License-Identifier: GPL-2.0 */
/* rules.h - `vestige mslt rule`: lengths by prefix of the peer. */
#ifndef VESTIGE_RULES_H
#define VESTIGE_RULES_H

#include <json-c/json.h>
#include "endpoint.h"
#include "pins.h"

/* `vestige mslt rule [add PREFIX DURATION|CLASS | delete PREFIX]` */
int mslt_rule(int argc, char **argv);

/* Print the rules; under -j add them to obj as "rules". EXIT_OK or EXIT_REFUSED (said). */
int rules_show(const struct pins *p, const struct vtw_config *cfg, struct json_object *obj);

#endif
