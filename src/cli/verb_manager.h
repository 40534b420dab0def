#pragma once

/* What concerns the service as a whole: policy, quirks, config, metrics, reload; and diagnose. */

#include "cli/ctl.h"

CtlExit verb_manager_policy(Ctl *ctl, char **arguments);
CtlExit verb_manager_quirks(Ctl *ctl, char **arguments);
CtlExit verb_manager_config(Ctl *ctl, char **arguments);
CtlExit verb_manager_metrics(Ctl *ctl, char **arguments);
CtlExit verb_manager_reload(Ctl *ctl, char **arguments);
CtlExit verb_manager_diagnose(Ctl *ctl, char **arguments);
