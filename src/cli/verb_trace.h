#pragma once

/* trace: what goes over the wire, into a file. */

#include "cli/ctl.h"

CtlExit verb_trace(Ctl *ctl, char **arguments);
