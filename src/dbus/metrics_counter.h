#pragma once

/*
 * MetricsCounter
 *
 * What is counted of a LUN, by the names of node_exporter's disks where those fit: one table, for
 * OpenMetrics and for who reads counters on the bus.
 */

#include "base/macros.h"
#include "base/storage_stats.h"

typedef enum MetricsUnit {
        METRICS_UNIT_NONE,
        METRICS_UNIT_BYTES,
        METRICS_UNIT_SECONDS, /* counted in nanoseconds */
} MetricsUnit;

typedef struct MetricsCounter {
        const char *name; /* without prefix, with the unit: "read_bytes" */
        const char *help;
        MetricsUnit unit;
        bool is_gauge; /* goes up and down */
        size_t offset; /* of a uint64_t in StorageStats */
} MetricsCounter;

/* One after the other from 0 on; NULL: there are no more. */
const MetricsCounter *metrics_counter_get(size_t index);
uint64_t metrics_counter_read(const MetricsCounter *counter, const StorageStats *stats);
/* The name for an integer: nanoseconds are called so. `ret` has room for METRICS_COUNTER_NAME_SIZE.
 */
#define METRICS_COUNTER_NAME_SIZE 64
void metrics_counter_format_name(const MetricsCounter *counter, char *ret);
