#pragma once

/* A --simulate SPEC made ready: its image files opened, memory made for LUNs that have none. */

#include "device/device_manager.h"

/* -errno; a bad SPEC or a file that can't be opened is told in the log. */
int daemon_simulation_add(DeviceManager *manager, const char *text);
