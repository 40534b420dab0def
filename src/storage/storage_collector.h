#pragma once

/*
 * StorageCollector
 *
 * Puts together what the layers of a device count, and tells it at most once a second, only while
 * something happens: a device that nobody uses costs nothing. Private to storage.
 */

#include "storage/storage_manager.h"
#include "storage/storage_stack.h"

typedef struct StorageCollector {
        bool is_enabled;
        EventTimer timer;
        StorageStackStatistics stack; /* of all attachments */
        StorageDeviceStats past;      /* what went away with earlier ones */
        StorageDeviceStats told;
        uint64_t parked_ns; /* since when it is parked; 0: it is not */
        union {             /* what is being put together: much for a task's stack */
                StorageStats lun;
                StorageDeviceStats device;
        } scratch;
} StorageCollector;

/* -ENOMEM. */
int storage_collector_init(StorageManager *manager);
/* Harmless if zeroed. */
void storage_collector_done(StorageCollector *collector);
/* Something happened: it is told of within a second. */
void storage_collector_note(StorageManager *manager);
/* The device is about to go away with its stack. */
void storage_collector_detach(StorageManager *manager);
void storage_collector_set_parked(StorageManager *manager, bool is_parked);
/* Tells what was not told yet, at the end. */
void storage_collector_finish(StorageManager *manager);
