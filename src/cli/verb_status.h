#pragma once

/* status: one device, or the service and all of them, to look at. */

#include "cli/ctl.h"

CtlExit verb_status(Ctl *ctl, char **arguments);
