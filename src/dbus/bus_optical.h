#pragma once

/* BusOptical: the interface Optical, which BusLun has where it is an optical drive. */

#include "dbus/bus_lun.h"

#define BUS_OPTICAL_INTERFACE BUS_SERVICE_NAME ".Optical"

int bus_optical_attach(BusService *service, sd_bus *bus, sd_bus_object_find_t find_lun);
/* What differs from `former`. */
void bus_optical_announce_changes(const BusLun *lun, sd_bus *bus, const BusLunFacts *former);
