#pragma once

/*
 * StorageStats, StorageDeviceStats
 *
 * What is counted of a LUN, and of a device beside its LUNs. Plain data, initially zero, in fixed
 * widths: it goes from a worker to the manager as it is. Counters only grow; what is marked as "now"
 * is a state.
 */

#include <stdbool.h>

#include "base/storage_histogram.h"

/* Sense keys have four bits. */
#define STORAGE_SENSE_KEYS 16

typedef enum StorageOperation {
        STORAGE_OPERATION_READ,
        STORAGE_OPERATION_WRITE,
        STORAGE_OPERATION_FLUSH,
        STORAGE_OPERATION_TRIM,
        STORAGE_OPERATION_WRITE_ZEROES,
        _STORAGE_OPERATION_MAX,
} StorageOperation;

/* What a client was told. */
typedef enum StorageError {
        STORAGE_ERROR_IO,
        STORAGE_ERROR_TIMED_OUT,
        STORAGE_ERROR_READ_ONLY,
        STORAGE_ERROR_NO_SPACE,
        STORAGE_ERROR_UNSUPPORTED,
        STORAGE_ERROR_NO_MEMORY, /* of the host's; also: too many at once */
        STORAGE_ERROR_GONE,      /* the device, or its medium */
        STORAGE_ERROR_CANCELLED,
        STORAGE_ERROR_OTHER,
        _STORAGE_ERROR_MAX,
} StorageError;

/* Where time was spent. */
typedef enum StorageLayer {
        STORAGE_LAYER_CACHE_HIT,  /* reads that were answered from memory alone */
        STORAGE_LAYER_CACHE_MISS, /* reads that were not */
        STORAGE_LAYER_SCSI,       /* each try of a command, with its queueing and its sense */
        STORAGE_LAYER_TRANSPORT,  /* each of those from its sending to its status */
        _STORAGE_LAYER_MAX,
} StorageLayer;

/* Steps of recovery that were taken, from mild to rude. */
typedef enum StorageReset {
        STORAGE_RESET_CLEAR_HALTS,
        STORAGE_RESET_CLASS,
        STORAGE_RESET_LUN,
        STORAGE_RESET_PORT,
        _STORAGE_RESET_MAX,
} StorageReset;

typedef enum StorageTransport {
        STORAGE_TRANSPORT_NONE, /* it is away, or being started */
        STORAGE_TRANSPORT_BOT,
        STORAGE_TRANSPORT_CBI,
        STORAGE_TRANSPORT_CB,
        STORAGE_TRANSPORT_UAS,
        _STORAGE_TRANSPORT_MAX,
} StorageTransport;

/* What keeps commands from carrying more. */
typedef enum StorageTransferLimit {
        STORAGE_TRANSFER_LIMIT_BUS,    /* more would not be faster at this speed */
        STORAGE_TRANSFER_LIMIT_QUIRK,  /* it is known not to bear more */
        STORAGE_TRANSFER_LIMIT_DEVICE, /* it says so */
        STORAGE_TRANSFER_LIMIT_ERRORS, /* long ones failed, for a while */
        STORAGE_TRANSFER_LIMIT_MEMORY, /* the host had none, for a while */
        _STORAGE_TRANSFER_LIMIT_MAX,
} StorageTransferLimit;

/* How it writes, as CacheMode; beside it there may be no cache at all. */
typedef enum StorageCacheMode {
        STORAGE_CACHE_MODE_NONE,
        STORAGE_CACHE_MODE_OFF,
        STORAGE_CACHE_MODE_WRITE_THROUGH,
        STORAGE_CACHE_MODE_WRITE_BACK,
        _STORAGE_CACHE_MODE_MAX,
} StorageCacheMode;

typedef struct StorageOperationStats {
        uint64_t n; /* also those that failed */
        uint64_t n_errors;
        uint64_t size;            /* bytes of those that were done */
        StorageHistogram latency; /* with sum_ns, the total time */
} StorageOperationStats;

typedef struct StorageCacheStats {
        uint64_t n_hits;
        uint64_t n_misses;
        uint64_t hit_size;  /* bytes that clients read from memory */
        uint64_t miss_size; /* and for which the device was asked */
        uint64_t read_ahead_used_size;
        uint64_t read_ahead_wasted_size;
        uint64_t n_writes_back;
        uint64_t write_back_size;
        uint64_t dirty_size; /* now: not yet written to the device */
} StorageCacheStats;

typedef struct StorageStats {
        StorageOperationStats operations[_STORAGE_OPERATION_MAX];
        uint64_t n_errors[_STORAGE_ERROR_MAX];
        StorageHistogram layers[_STORAGE_LAYER_MAX];
        uint64_t n_in_flight;     /* now: requests of clients */
        uint64_t n_in_flight_max; /* ever */
        uint64_t busy_ns;         /* while there was any */
        uint64_t weighted_ns;     /* the same, times their number */
        StorageCacheStats cache;
        uint64_t n_retries;
        uint64_t n_timeouts; /* of tries of commands */
        uint64_t n_check_conditions[STORAGE_SENSE_KEYS];
        uint64_t parked_ns;              /* the device was away and waited for */
        uint64_t transfer_size;          /* now: of one command at most; 0: there is no medium */
        uint32_t transfer_limit;         /* now: StorageTransferLimit */
        uint32_t is_read_only_by_errors; /* now: the device refuses writes; a bool */
} StorageStats;

typedef struct StorageDeviceStats {
        uint64_t n_resets[_STORAGE_RESET_MAX];
        uint64_t n_recoveries_failed;
        uint64_t n_transfers;       /* USB transfers that have ended */
        uint64_t n_memory_refusals; /* the host had no memory for transfers without a copy */
        uint64_t zero_copy_size;    /* now: memory for transfers that need no copy */
        uint64_t heap_size;         /* now: and that need one */
        uint64_t parked_ns;
        uint64_t transfer_size_max;         /* now: of the transport */
        uint32_t transport;                 /* now: StorageTransport */
        uint32_t depth;                     /* now: commands that the device takes at once */
        uint32_t cache_mode;                /* now: StorageCacheMode */
        uint32_t speed_mbps;                /* now: of the link; 0: unknown */
        uint32_t speed_mbps_max;            /* of the device, as it says; 0: unknown */
        uint32_t usb_version;               /* bcdUSB, as it says at this speed; 0: unknown */
        uint8_t offers_uas;                 /* bools, all of now */
        uint8_t is_pipelined;               /* BOT: the phases of a command are queued together */
        uint8_t is_write_through_by_resets; /* it was reset too often for write-back */
        uint8_t is_parked;
        uint8_t is_serial;      /* one command at a time, by the configuration */
        uint8_t has_read_ahead; /* where there is a cache */
        uint8_t unused[2];      /* 0 */
} StorageDeviceStats;

/* What came from another process: states that exist. */
bool storage_stats_is_valid(const StorageStats *stats);
bool storage_device_stats_is_valid(const StorageDeviceStats *stats);
/* `error` < 0 */
StorageError storage_error_from_errno(int error);
/* Counters and states that add up are added; others are the larger or the worse ones. */
void storage_stats_add(StorageStats *to, const StorageStats *from);
/* Counters alone: what an earlier worker counted. */
void storage_stats_add_counters(StorageStats *to, const StorageStats *from);
void storage_device_stats_add_counters(StorageDeviceStats *to, const StorageDeviceStats *from);

const char *storage_operation_to_string(StorageOperation operation);
const char *storage_error_to_string(StorageError error);
const char *storage_layer_to_string(StorageLayer layer);
const char *storage_reset_to_string(StorageReset reset);
const char *storage_transport_to_string(StorageTransport transport);
const char *storage_transfer_limit_to_string(StorageTransferLimit limit);
const char *storage_cache_mode_to_string(StorageCacheMode mode);
