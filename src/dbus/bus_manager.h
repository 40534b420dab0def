#pragma once

/*
 * BusManager
 *
 * The interface org.orion.UsbStorage1.Manager at the root object.
 */

#include <systemd/sd-bus.h>

#include "dbus/bus_service_internal.h"

int bus_manager_attach(BusService *service, sd_bus *bus);
/* Announces on `bus` (NULL: on none) what has changed. */
void bus_manager_update(BusService *service, sd_bus *bus);
void bus_manager_announce_event(BusService *service, const char *kind, const char *path,
                                const char *words);
