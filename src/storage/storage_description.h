#pragma once

/*
 * StorageDescription
 *
 * What others are told of the device and its units, whenever that has changed, but not all the time.
 * Works on a StorageManager. Private to storage.
 */

#include "control/control_description.h"
#include "storage/storage_manager.h"

/* Changes are told no more often than that. */
#define STORAGE_DESCRIPTION_PERIOD_NS (200 * NS_PER_MS)

/* What was told last. Initially zero. */
typedef struct StorageDescription {
        ControlDeviceInfo device;
        bool has_device;
        ControlLunInfo luns[STORAGE_LUNS_MAX];
        uint64_t next_ns; /* not before */
} StorageDescription;

/* Tells what has changed. Returns when to look again; TASK_NEVER: when something happens. */
uint64_t storage_description_update(StorageManager *manager);
/* The same, however little time has passed. */
void storage_description_update_now(StorageManager *manager);
