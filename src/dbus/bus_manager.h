#pragma once

/*
 * BusManager
 *
 * The interface org.orion.UsbStorage1.Manager at the root object.
 */

#include <systemd/sd-bus.h>

#include "dbus/bus_service_internal.h"

int bus_manager_attach(BusService *service, sd_bus *bus);
