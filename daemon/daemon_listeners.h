#pragma once

/* The sockets that NBD clients come to: opened by the manager, accepted from by the front. */

#include "daemon_settings.h"
#include "device/device_manager.h"

/* Opens "unix:PATH" or "tcp:HOST:PORT" and gives it to `manager`; `settings` say whose a unix socket
 * is. -errno, told in the log. */
int daemon_listeners_open(DeviceManager *manager, const char *address,
                          const DaemonSettings *settings);
/* Removes what is left of such an address in the file system; while it is still listened on, or it
 * may be another's already. */
void daemon_listeners_remove(const char *address);
/*
 * What systemd passed (LISTEN_FDS): sockets to listen on, and arenas that it kept for us while we
 * were not there, told apart by their names. TCP is refused where `settings` have no TLS for it, nor
 * say that it needs none. How many sockets, or -errno.
 */
int daemon_listeners_take_passed(DeviceManager *manager, const DaemonSettings *settings);
