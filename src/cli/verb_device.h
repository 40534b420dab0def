#pragma once

/* Devices as a whole: status, take, release, device-info, device-reset, device-remove. */

#include "cli/ctl.h"

CtlExit verb_device_info(Ctl *ctl, char **arguments);
CtlExit verb_device_reset(Ctl *ctl, char **arguments);
CtlExit verb_device_remove(Ctl *ctl, char **arguments);
CtlExit verb_device_take(Ctl *ctl, char **arguments);
CtlExit verb_device_release(Ctl *ctl, char **arguments);
