#pragma once

/* power-info, power-set. */

#include "cli/ctl.h"

CtlExit verb_power_info(Ctl *ctl, char **arguments);
CtlExit verb_power_set(Ctl *ctl, char **arguments);
