#pragma once

/*
 * StorageManager, its inside
 *
 * What the files that live a device's life share. All of it is written by the manager's task, but for
 * what is noted while that waits. Private to storage.
 */

#include "storage/storage_collector.h"
#include "storage/storage_degradation.h"
#include "storage/storage_description.h"
#include "storage/storage_facts.h"
#include "storage/storage_manager.h"
#include "storage/storage_power.h"
#include "storage/storage_remains.h"
#include "storage/storage_requests.h"
#include "storage/storage_smart.h"
#include "storage/storage_stack.h"
#include "storage/storage_unit.h"

struct StorageManager {
        EventLoop *loop; /* borrowed */
        StorageState state;
        char name[64];       /* of the device, for the log */
        StorageStack *stack; /* owned; NULL: the device is away */
        UsbDevice *returned; /* owned: the device that came back, until it has a stack */
        CacheManager *cache; /* owned; NULL: none */
        char *base_name;     /* owned */
        char *serial;        /* owned */
        StorageOptions options;
        bool wants_read_ahead; /* it has it unless it is serial */
        StorageQuirks quirks;
        StorageFacts facts;
        RateBudget budget;               /* of all clients */
        const StorageHandlers *handlers; /* borrowed */
        void *userdata;

        StorageUnit units[STORAGE_LUNS_MAX];
        unsigned n_units;
        uint64_t luns_retry_ns; /* the device is asked again how many there are; 0: it is not */
        unsigned n_luns_tries;
        StorageRemains remains;
        StorageDegradation degradation;
        StorageCollector collector;
        StoragePower power;
        uint32_t n_resets;       /* so far */
        unsigned n_resets_asked; /* of those that are to come: they tell nothing of the device */
        StorageRequests requests;
        StorageSmart smart;
        StorageDescription described;
        bool opens_together; /* no unit's clients may fill the cache before all remains are in it */

        Future wake; /* what the task waits for between two events */
        bool is_waiting;
        bool is_tending;      /* the task opens, closes or exchanges units */
        bool must_stop;       /* asked to, from without */
        bool is_given_up;     /* then: nobody drives the device afterwards */
        bool must_stop_media; /* as they are about to be unplugged */
        bool is_gone;
        bool has_failed;   /* the error handler gave up */
        bool has_unsaved;  /* of a unit that is closed, in the arena: it is a successor's */
        unsigned n_saving; /* answers that are to come */
        unsigned luns_saved;
        uint64_t flush_end_ns; /* of a stop; 0: it has not come to flush yet */
        const char *reason;
};

/* Waits until somebody calls storage_manager_wake(), or the deadline. */
int storage_manager_wait(StorageManager *manager, Task *task, uint64_t deadline_ns);
void storage_manager_wake(StorageManager *manager);
/* Flushes as long as the device gets on, however slowly, until `end_ns`. -errno. */
int storage_manager_flush(StorageManager *manager, Task *task, StorageUnit *unit, uint64_t end_ns);
/* Asked to stop, gone, or given up. */
bool storage_manager_must_end(const StorageManager *manager);
