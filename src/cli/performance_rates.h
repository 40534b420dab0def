#pragma once

/* Rates over the last seconds, as the service has them. */

#include "cli/ctl.h"

/* An array of objects, the shortest window first. */
CtlExit performance_rates_get(Ctl *ctl, const char *path, json_object **ret);
void performance_rates_print(Ctl *ctl, json_object *rates);
