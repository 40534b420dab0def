#pragma once

/*
 * MetricsText
 *
 * Devices and what was counted of them, as OpenMetrics text, or in Prometheus' older format. A pure
 * function: what it is told of is borrowed while it runs.
 */

#include "base/macros.h"
#include "base/storage_stats.h"
#include "control/control_smart.h"
#include "power/power_state.h"

/* More than that is refused: a message bus throws out who sends more than 32 MiB (its default,
 * max_message_size). */
#define METRICS_TEXT_SIZE_MAX (31 * MIB)

typedef enum MetricsFormat {
        METRICS_FORMAT_OPENMETRICS, /* 1.0 */
        METRICS_FORMAT_PROMETHEUS,  /* 0.0.4: all that node_exporter's text files may be in */
        _METRICS_FORMAT_MAX,
} MetricsFormat;

typedef struct MetricsLun {
        unsigned number;
        const char *kind; /* "disk" */
        const char *vendor;
        const char *model;
        const char *serial;
        const char *export_name; /* "": not exported */
        uint64_t size;           /* bytes */
        unsigned n_clients;
        bool is_read_only;
        StorageStats stats;        /* zeroes: nothing was told of it */
        const ControlSmart *smart; /* NULL: nothing was told of its health */
} MetricsLun;

typedef struct MetricsDevice {
        const char *name; /* "1-4.1" */
        const char *vendor;
        const char *model;
        const char *serial; /* any text, as the others */
        const char *state;  /* "running" */
        uint16_t vendor_id;
        uint16_t product_id;
        unsigned n_restarts;
        bool is_degraded;
        StorageDeviceStats stats;
        PowerState power_state;
        uint32_t max_power_ma; /* 0: not known */
        PowerStatistics power;
        const MetricsLun *luns;
        size_t n_luns;
} MetricsDevice;

/* "openmetrics", "prometheus". -EINVAL. */
int metrics_format_from_string(const char *name, MetricsFormat *ret);
/* On the heap. -E2BIG, -ENOMEM. */
int metrics_text_format(char **ret, MetricsFormat format, const char *version,
                        const MetricsDevice *devices, size_t n_devices);
