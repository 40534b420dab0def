#pragma once

/* BusMetrics: what the manager knows, as metrics. */

#include "dbus/bus_service_internal.h"

/* OpenMetrics text of all devices, on the heap; -errno. */
int bus_metrics_format(BusService *service, char **ret);
