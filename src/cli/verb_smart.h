#pragma once

/* smart, smart-test. */

#include "cli/ctl.h"

CtlExit verb_smart_info(Ctl *ctl, char **arguments);
CtlExit verb_smart_test(Ctl *ctl, char **arguments);
