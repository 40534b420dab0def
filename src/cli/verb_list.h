#pragma once

/* list: what there is. */

#include "cli/ctl.h"

CtlExit verb_list(Ctl *ctl, char **arguments);
