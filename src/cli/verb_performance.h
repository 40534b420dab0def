#pragma once

/* performance-stats, optimization-info. */

#include "cli/ctl.h"

CtlExit verb_performance_stats(Ctl *ctl, char **arguments);
CtlExit verb_performance_advice(Ctl *ctl, char **arguments);
