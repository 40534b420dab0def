#pragma once

/* benchmark: how fast a unit is, through its export. */

#include "cli/ctl.h"

CtlExit verb_benchmark(Ctl *ctl, char **arguments);
