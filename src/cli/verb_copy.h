#pragma once

/* copy: an image into or out of a unit. */

#include "cli/ctl.h"

CtlExit verb_copy(Ctl *ctl, char **arguments);
