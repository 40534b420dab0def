#pragma once

/* The sockets that NBD clients come to: opened by the manager, accepted from by the front. */

#include "device/device_manager.h"

/* Opens "unix:PATH" or "tcp:HOST:PORT" and gives it to `manager`. -errno, told in the log. */
int daemon_listeners_open(DeviceManager *manager, const char *address);
/* Those that systemd passed (LISTEN_FDS): how many, or -errno. */
int daemon_listeners_take_passed(DeviceManager *manager);
