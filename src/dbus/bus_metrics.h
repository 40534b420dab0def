#pragma once

/* BusMetrics: what the manager knows, as metrics. */

#include "dbus/bus_service_internal.h"
#include "dbus/metrics_text.h"

/* Text of all devices, on the heap; -errno. */
int bus_metrics_format(BusService *service, MetricsFormat format, char **ret);
