#pragma once

/* eject, load. */

#include "cli/ctl.h"

CtlExit verb_optical_eject(Ctl *ctl, char **arguments);
CtlExit verb_optical_load(Ctl *ctl, char **arguments);
