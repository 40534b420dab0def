#pragma once

/*
 * PerformanceMonitor
 *
 * A BlockDevice on top of a LUN's pipe that only looks on: counts what clients ask for, how long it
 * takes and how much is asked for at once. It neither copies nor allocates anything, and lends what
 * the device below lends.
 *
 * Times are those of the loop's clock, which stands still within a part of an iteration. So what is
 * lent, at once, is measured by the clock itself, but only one time of
 * PERFORMANCE_MONITOR_LOANS_PER_SAMPLE; those between count as the last one that was.
 */

#include "base/storage_stats.h"
#include "block/block_device.h"

#define PERFORMANCE_MONITOR_LOANS_PER_SAMPLE 64

/* The first thing since performance_monitor_rest() was counted. */
typedef void (*PerformanceMonitorNotify)(void *userdata);

typedef struct PerformanceMonitorOptions {
        bool has_cache;                  /* below: whether a READ hits or misses something */
        PerformanceMonitorNotify notify; /* may be NULL */
        void *userdata;                  /* borrowed */
} PerformanceMonitorOptions;

/*
 * `lower` is borrowed. `stats` as well: it goes on from what is in there, and writes all that its
 * own eyes see (operations, errors, layers of the cache, requests in flight, busy times). -ENOMEM.
 * Freed by block_device_free(), when nothing is in flight.
 */
int performance_monitor_new(BlockDevice **ret, BlockDevice *lower, StorageStats *stats,
                            const PerformanceMonitorOptions *options);
/* Brings the times up to now; the next thing that is counted will be told of. */
void performance_monitor_rest(BlockDevice *monitor);
