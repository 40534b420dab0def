#pragma once

/*
 * BusPerformance
 *
 * The interface Performance of devices and of logical units: what was counted and measured, from
 * memory.
 */

#include <systemd/sd-bus.h>

#include "base/storage_stats.h"
#include "dbus/bus_service_internal.h"

/* All that was counted; zeroes: nothing was told. */
StorageStats bus_performance_get_totals(const BusSubject *subject);
int bus_performance_attach(BusService *service, sd_bus *bus);
