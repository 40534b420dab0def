#pragma once

/*
 * StorageExclusive
 *
 * A time in which one request has the medium of a unit for itself: what clients have written before
 * is on it, what they ask for meanwhile waits in the cache, and what was read before is forgotten
 * when it ends. Without a cache there is nothing to be kept apart. Private to storage.
 */

#include "storage/storage_manager_internal.h"

typedef struct StorageExclusive {
        StorageManager *manager; /* borrowed */
        StorageUnit *unit;       /* borrowed */
        bool is_parked;          /* its volume */
} StorageExclusive;

/*
 * Waits for its turn, flushes, and takes the unit. 0; -ECANCELED, -ETIMEDOUT; -EIO and the like: not
 * all could be written, unless that `is_given_up`: then it is lost. Else it must be ended.
 */
int storage_exclusive_begin(StorageExclusive *exclusive, StorageManager *manager, Task *task,
                            StorageUnit *unit, uint64_t deadline_ns, bool is_given_up);
/* Clients go on, unless the device has gone. */
void storage_exclusive_end(StorageExclusive *exclusive, bool is_changed);
