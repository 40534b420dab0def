#pragma once

/*
 * HealthText
 *
 * What GetData tells, for people: the verdict and its reasons first, then what it stands on, in 80
 * columns.
 */

#include "cli/ctl.h"
#include "cli/health_json.h"

void health_text_print(Ctl *ctl, const HealthReport *report);
/* Of "good", "warning"… */
CtlColour health_text_get_colour(const char *verdict);
