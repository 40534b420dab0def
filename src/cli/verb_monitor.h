#pragma once

/* monitor: what happens, a line each. */

#include "cli/ctl.h"

CtlExit verb_monitor(Ctl *ctl, char **arguments);
