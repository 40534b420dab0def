#pragma once

/* top: what the disks do, now and again. */

#include "cli/ctl.h"

CtlExit verb_top(Ctl *ctl, char **arguments);
