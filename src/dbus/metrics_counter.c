/* The table. */

#include <stdio.h>
#include <string.h>

#include "dbus/metrics_counter.h"

#define FIELD(name) offsetof(StorageStats, name)
#define OPERATION(operation, name) FIELD(operations[STORAGE_OPERATION_##operation].name)

static const MetricsCounter counters[] = {
        { "reads_completed", "Reads of clients that were answered.", METRICS_UNIT_NONE, false,
          OPERATION(READ, n) },
        { "read_bytes", "Bytes that clients have read.", METRICS_UNIT_BYTES, false,
          OPERATION(READ, size) },
        { "read_time_seconds", "Time that all reads have taken.", METRICS_UNIT_SECONDS, false,
          OPERATION(READ, latency.sum_ns) },
        { "read_errors", "Reads that failed.", METRICS_UNIT_NONE, false,
          OPERATION(READ, n_errors) },
        { "writes_completed", "Writes of clients that were answered.", METRICS_UNIT_NONE, false,
          OPERATION(WRITE, n) },
        { "written_bytes", "Bytes that clients have written.", METRICS_UNIT_BYTES, false,
          OPERATION(WRITE, size) },
        { "write_time_seconds", "Time that all writes have taken.", METRICS_UNIT_SECONDS, false,
          OPERATION(WRITE, latency.sum_ns) },
        { "write_errors", "Writes that failed.", METRICS_UNIT_NONE, false,
          OPERATION(WRITE, n_errors) },
        { "flush_requests", "Flushes of clients that were answered.", METRICS_UNIT_NONE, false,
          OPERATION(FLUSH, n) },
        { "flush_requests_time_seconds", "Time that all flushes have taken.", METRICS_UNIT_SECONDS,
          false, OPERATION(FLUSH, latency.sum_ns) },
        { "flush_errors", "Flushes that failed.", METRICS_UNIT_NONE, false,
          OPERATION(FLUSH, n_errors) },
        { "discards_completed", "Trims of clients that were answered.", METRICS_UNIT_NONE, false,
          OPERATION(TRIM, n) },
        { "discarded_bytes", "Bytes that clients have given up.", METRICS_UNIT_BYTES, false,
          OPERATION(TRIM, size) },
        { "discard_time_seconds", "Time that all trims have taken.", METRICS_UNIT_SECONDS, false,
          OPERATION(TRIM, latency.sum_ns) },
        { "zeroes_completed", "Requests to write zeroes that were answered.", METRICS_UNIT_NONE,
          false, OPERATION(WRITE_ZEROES, n) },
        { "zeroed_bytes", "Bytes that clients had made zero.", METRICS_UNIT_BYTES, false,
          OPERATION(WRITE_ZEROES, size) },
        { "zero_time_seconds", "Time that all writes of zeroes have taken.", METRICS_UNIT_SECONDS,
          false, OPERATION(WRITE_ZEROES, latency.sum_ns) },
        { "io_now", "Requests of clients that are under way.", METRICS_UNIT_NONE, true,
          FIELD(n_in_flight) },
        { "io_time_seconds", "Time in which requests were under way.", METRICS_UNIT_SECONDS, false,
          FIELD(busy_ns) },
        { "io_time_weighted_seconds", "The same, times their number.", METRICS_UNIT_SECONDS, false,
          FIELD(weighted_ns) },
        { "cache_hits", "Reads that memory alone answered.", METRICS_UNIT_NONE, false,
          FIELD(cache.n_hits) },
        { "cache_misses", "Reads that the device was asked for.", METRICS_UNIT_NONE, false,
          FIELD(cache.n_misses) },
        { "cache_hit_bytes", "Bytes that came from memory.", METRICS_UNIT_BYTES, false,
          FIELD(cache.hit_size) },
        { "cache_miss_bytes", "Bytes that came from the device.", METRICS_UNIT_BYTES, false,
          FIELD(cache.miss_size) },
        { "cache_read_ahead_used_bytes", "Bytes read ahead that were asked for later.",
          METRICS_UNIT_BYTES, false, FIELD(cache.read_ahead_used_size) },
        { "cache_read_ahead_wasted_bytes", "Bytes read ahead that nobody asked for.",
          METRICS_UNIT_BYTES, false, FIELD(cache.read_ahead_wasted_size) },
        { "cache_writes_back", "Commands that wrote what was cached.", METRICS_UNIT_NONE, false,
          FIELD(cache.n_writes_back) },
        { "cache_written_back_bytes", "Bytes that they wrote.", METRICS_UNIT_BYTES, false,
          FIELD(cache.write_back_size) },
        { "cache_dirty_bytes", "Bytes that are not yet written to the device.", METRICS_UNIT_BYTES,
          true, FIELD(cache.dirty_size) },
        { "retries", "Commands that were sent once more.", METRICS_UNIT_NONE, false,
          FIELD(n_retries) },
        { "timeouts", "Commands that were not answered in time.", METRICS_UNIT_NONE, false,
          FIELD(n_timeouts) },
        { "parked_seconds", "Time in which the device was away and waited for.",
          METRICS_UNIT_SECONDS, false, FIELD(parked_ns) },
};

const MetricsCounter *metrics_counter_get(size_t index) {
        return index < N_ELEMENTS(counters) ? &counters[index] : NULL;
}

uint64_t metrics_counter_read(const MetricsCounter *counter, const StorageStats *stats) {
        uint64_t value;

        memcpy(&value, (const char *) stats + counter->offset, sizeof(value));
        return value;
}

void metrics_counter_format_name(const MetricsCounter *counter, char *ret) {
        size_t size = strlen(counter->name);

        if (counter->unit == METRICS_UNIT_SECONDS)
                size -= strlen("seconds");
        snprintf(ret, METRICS_COUNTER_NAME_SIZE, "%.*s%s", (int) size, counter->name,
                 counter->unit == METRICS_UNIT_SECONDS ? "ns" : "");
}
