#pragma once

/*
 * StorageSmart
 *
 * When the drives of a device are asked for their health: one at a time, as often as was told, while
 * nobody else wants anything of the device and the drive does not sleep; or when a request asks for
 * it. What comes of it is told to whoever made the StorageManager. Private to storage.
 */

#include "base/list.h"
#include "base/task.h"
#include "control/control_smart.h"
#include "smart/smart_monitor.h"
#include "storage/storage_manager.h"

typedef struct StorageRequest StorageRequest;

typedef struct StorageSmartUnit {
        uint64_t generation;   /* of the unit that the monitor is for; 0: none */
        unsigned n_attachment; /* of the device, likewise */
        SmartMonitor monitor;
        uint64_t next_ns;   /* when it is asked again by itself */
        uint64_t asleep_ns; /* it slept then; 0: it did not, when it was asked last */
        uint64_t asked_ns;
} StorageSmartUnit;

/* Of the request that waits for a job's end. */
typedef struct StorageSmartWait {
        Future future;
        StorageManager *manager; /* borrowed */
        char words[SMART_MONITOR_WORDS_SIZE];
} StorageSmartWait;

/* What is asked of one unit, by a request or by itself. */
typedef struct StorageSmartJob {
        unsigned lun;
        unsigned flags; /* SmartMonitorFlags, of a poll */
        bool is_test;
        uint32_t self_test; /* SmartSelfTestKind, or CONTROL_SELF_TEST_ABORT */
        uint64_t n_asked;   /* SmartMonitor's, before it */
        char words[SMART_MONITOR_WORDS_SIZE];
        StorageSmartWait *wait; /* borrowed; NULL: nobody waits for its end */
} StorageSmartJob;

typedef struct StorageSmart {
        ControlSmartOptions options;
        unsigned n_attachments; /* of the device that have ended */
        StorageSmartUnit units[STORAGE_LUNS_MAX];
        StorageSmartJob job; /* the one that runs */
        Task *task;          /* that runs it; NULL: none */
        bool must_end;
        ControlSmart told; /* as it is put together: much for a stack */
} StorageSmart;

void storage_smart_init(StorageSmart *smart, const ControlSmartOptions *options);
void storage_smart_set_options(StorageManager *manager, const ControlSmartOptions *options);
/* Begins what is due. Returns when to call it again, unless something happens. */
uint64_t storage_smart_tend(StorageManager *manager);
/* The body of SMART_UPDATE and SMART_TEST. */
int storage_smart_run(StorageRequest *request, Task *task);
/* What runs ends, soon: the stack is about to go. Nobody waits for it any more. */
void storage_smart_end(StorageManager *manager, Task *task);
