/* What can be done with counters: added, and named as they are in metrics. */

#include "base/storage_stats.h"

#include <errno.h>

#include "base/macros.h"

/* They are compared and sent as bytes. */
static_assert(offsetof(StorageStats, is_read_only_by_errors) + sizeof(uint32_t) ==
                              sizeof(StorageStats),
              "padding");
static_assert(offsetof(StorageDeviceStats, unused) + 2 == sizeof(StorageDeviceStats), "padding");

StorageError storage_error_from_errno(int error) {
        assert(error < 0);

        switch (-error) {
        case EIO:
                return STORAGE_ERROR_IO;
        case ETIMEDOUT:
                return STORAGE_ERROR_TIMED_OUT;
        case EPERM:
        case EROFS:
                return STORAGE_ERROR_READ_ONLY;
        case ENOSPC:
                return STORAGE_ERROR_NO_SPACE;
        case ENOTSUP: /* and EOPNOTSUPP, which is the same */
                return STORAGE_ERROR_UNSUPPORTED;
        case ENOMEM:
        case EBUSY:
                return STORAGE_ERROR_NO_MEMORY;
        case ESHUTDOWN:
        case ENODEV:
                return STORAGE_ERROR_GONE;
        case ECANCELED:
                return STORAGE_ERROR_CANCELLED;
        default: /* an errno, not an enum */
                return STORAGE_ERROR_OTHER;
        }
}

bool storage_stats_is_valid(const StorageStats *stats) {
        return stats->transfer_limit < _STORAGE_TRANSFER_LIMIT_MAX &&
               stats->is_read_only_by_errors <= 1;
}

bool storage_device_stats_is_valid(const StorageDeviceStats *stats) {
        return stats->transport < _STORAGE_TRANSPORT_MAX &&
               stats->cache_mode < _STORAGE_CACHE_MODE_MAX && stats->offers_uas <= 1 &&
               stats->is_pipelined <= 1 && stats->is_write_through_by_resets <= 1 &&
               stats->is_parked <= 1 && stats->is_serial <= 1 && stats->has_read_ahead <= 1;
}

static void add_cache_counters(StorageCacheStats *to, const StorageCacheStats *from) {
        to->n_hits += from->n_hits;
        to->n_misses += from->n_misses;
        to->hit_size += from->hit_size;
        to->miss_size += from->miss_size;
        to->read_ahead_used_size += from->read_ahead_used_size;
        to->read_ahead_wasted_size += from->read_ahead_wasted_size;
        to->n_writes_back += from->n_writes_back;
        to->write_back_size += from->write_back_size;
}

/* All but the time that it was parked, which the LUNs of a device share. */
static void add_counters(StorageStats *to, const StorageStats *from) {
        for (size_t i = 0; i < _STORAGE_OPERATION_MAX; i++) {
                to->operations[i].n += from->operations[i].n;
                to->operations[i].n_errors += from->operations[i].n_errors;
                to->operations[i].size += from->operations[i].size;
                storage_histogram_add(&to->operations[i].latency, &from->operations[i].latency);
        }
        for (size_t i = 0; i < _STORAGE_ERROR_MAX; i++)
                to->n_errors[i] += from->n_errors[i];
        for (size_t i = 0; i < _STORAGE_LAYER_MAX; i++)
                storage_histogram_add(&to->layers[i], &from->layers[i]);
        for (size_t i = 0; i < STORAGE_SENSE_KEYS; i++)
                to->n_check_conditions[i] += from->n_check_conditions[i];
        add_cache_counters(&to->cache, &from->cache);
        to->n_in_flight_max = MAX(to->n_in_flight_max, from->n_in_flight_max);
        to->busy_ns += from->busy_ns;
        to->weighted_ns += from->weighted_ns;
        to->n_retries += from->n_retries;
        to->n_timeouts += from->n_timeouts;
}

void storage_stats_add(StorageStats *to, const StorageStats *from) {
        add_counters(to, from);
        to->parked_ns = MAX(to->parked_ns, from->parked_ns);
        to->n_in_flight += from->n_in_flight;
        to->cache.dirty_size += from->cache.dirty_size;
        to->is_read_only_by_errors |= from->is_read_only_by_errors;
        if (from->transfer_size > 0 &&
            (to->transfer_size == 0 || from->transfer_size < to->transfer_size)) {
                to->transfer_size = from->transfer_size;
                to->transfer_limit = from->transfer_limit;
        }
}

void storage_stats_add_counters(StorageStats *to, const StorageStats *from) {
        add_counters(to, from);
        to->parked_ns += from->parked_ns;
}

void storage_device_stats_add_counters(StorageDeviceStats *to, const StorageDeviceStats *from) {
        for (size_t i = 0; i < _STORAGE_RESET_MAX; i++)
                to->n_resets[i] += from->n_resets[i];
        to->n_recoveries_failed += from->n_recoveries_failed;
        to->n_transfers += from->n_transfers;
        to->n_memory_refusals += from->n_memory_refusals;
        to->parked_ns += from->parked_ns;
}

const char *storage_operation_to_string(StorageOperation operation) {
        static const char *const names[_STORAGE_OPERATION_MAX] = {
                [STORAGE_OPERATION_READ] = "read",
                [STORAGE_OPERATION_WRITE] = "write",
                [STORAGE_OPERATION_FLUSH] = "flush",
                [STORAGE_OPERATION_TRIM] = "trim",
                [STORAGE_OPERATION_WRITE_ZEROES] = "write-zeroes",
        };

        assert(operation < _STORAGE_OPERATION_MAX);
        return names[operation];
}

const char *storage_error_to_string(StorageError error) {
        static const char *const names[_STORAGE_ERROR_MAX] = {
                [STORAGE_ERROR_IO] = "io",
                [STORAGE_ERROR_TIMED_OUT] = "timed-out",
                [STORAGE_ERROR_READ_ONLY] = "read-only",
                [STORAGE_ERROR_NO_SPACE] = "no-space",
                [STORAGE_ERROR_UNSUPPORTED] = "unsupported",
                [STORAGE_ERROR_NO_MEMORY] = "no-memory",
                [STORAGE_ERROR_GONE] = "gone",
                [STORAGE_ERROR_CANCELLED] = "cancelled",
                [STORAGE_ERROR_OTHER] = "other",
        };

        assert(error < _STORAGE_ERROR_MAX);
        return names[error];
}

const char *storage_layer_to_string(StorageLayer layer) {
        static const char *const names[_STORAGE_LAYER_MAX] = {
                [STORAGE_LAYER_CACHE_HIT] = "cache-hit",
                [STORAGE_LAYER_CACHE_MISS] = "cache-miss",
                [STORAGE_LAYER_SCSI] = "scsi",
                [STORAGE_LAYER_TRANSPORT] = "transport",
        };

        assert(layer < _STORAGE_LAYER_MAX);
        return names[layer];
}

const char *storage_reset_to_string(StorageReset reset) {
        static const char *const names[_STORAGE_RESET_MAX] = {
                [STORAGE_RESET_CLEAR_HALTS] = "clear-halts",
                [STORAGE_RESET_CLASS] = "class",
                [STORAGE_RESET_LUN] = "lun",
                [STORAGE_RESET_PORT] = "port",
        };

        assert(reset < _STORAGE_RESET_MAX);
        return names[reset];
}

const char *storage_transport_to_string(StorageTransport transport) {
        static const char *const names[_STORAGE_TRANSPORT_MAX] = {
                [STORAGE_TRANSPORT_NONE] = "none", [STORAGE_TRANSPORT_BOT] = "bot",
                [STORAGE_TRANSPORT_CBI] = "cbi",   [STORAGE_TRANSPORT_CB] = "cb",
                [STORAGE_TRANSPORT_UAS] = "uas",
        };

        assert(transport < _STORAGE_TRANSPORT_MAX);
        return names[transport];
}

const char *storage_transfer_limit_to_string(StorageTransferLimit limit) {
        static const char *const names[_STORAGE_TRANSFER_LIMIT_MAX] = {
                [STORAGE_TRANSFER_LIMIT_BUS] = "bus",
                [STORAGE_TRANSFER_LIMIT_QUIRK] = "quirk",
                [STORAGE_TRANSFER_LIMIT_DEVICE] = "device",
                [STORAGE_TRANSFER_LIMIT_ERRORS] = "errors",
                [STORAGE_TRANSFER_LIMIT_MEMORY] = "memory",
        };

        assert(limit < _STORAGE_TRANSFER_LIMIT_MAX);
        return names[limit];
}

const char *storage_cache_mode_to_string(StorageCacheMode mode) {
        static const char *const names[_STORAGE_CACHE_MODE_MAX] = {
                [STORAGE_CACHE_MODE_NONE] = "none",
                [STORAGE_CACHE_MODE_OFF] = "off",
                [STORAGE_CACHE_MODE_WRITE_THROUGH] = "write-through",
                [STORAGE_CACHE_MODE_WRITE_BACK] = "write-back",
        };

        assert(mode < _STORAGE_CACHE_MODE_MAX);
        return names[mode];
}
