#pragma once

/*
 * StoragePower
 *
 * What a StorageManager has to do with the gate in its stack: it flushes before the device sleeps,
 * and tells others how awake it is. At once where it falls asleep or wakes, else at most once a second
 * and only when something has changed: a device that nobody uses wakes nobody. Private to storage.
 */

#include "control/control_power.h"
#include "power/power_manager.h"
#include "storage/storage_manager.h"

typedef struct StorageRequest StorageRequest;

typedef struct StoragePower {
        EventTimer timer;
        ControlPower told;
        bool has_told;
        uint64_t told_ns;
        bool was_asleep;    /* as the manager's task knows it */
        bool is_brought_up; /* before that nothing is told */
        PowerTraits known;  /* as the log has it */
} StoragePower;

extern const PowerManagerOps storage_power_ops;

/* -ENOMEM. */
int storage_power_init(StorageManager *manager);
/* Harmless if zeroed. */
void storage_power_done(StoragePower *power);
/* The device was brought up, came back, or went: told at once. */
void storage_power_tell(StorageManager *manager);
/* Nobody listens any more. */
void storage_power_finish(StorageManager *manager);
bool storage_power_is_asleep(const StorageManager *manager);
/* POWER_STATE, after what it flushes. As power_manager_sleep(). */
int storage_power_enter(StorageManager *manager, Task *task, PowerState state);
/* Who uses its units, in words of CONTROL_WORDS_SIZE. */
void storage_power_name_users(const StorageManager *manager, char *words);
