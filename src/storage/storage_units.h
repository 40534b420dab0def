#pragma once

/*
 * StorageUnits
 *
 * How the units of a StorageManager come and go: looked at, exported, exchanged, set aside. Private
 * to storage.
 */

#include "storage/storage_manager_internal.h"

/* No client is accepted any more, and those that are there are told to end. */
void storage_units_begin_close(StorageManager *manager, StorageUnit *unit);
/* The sessions end by their requests' deadlines. */
void storage_units_await_sessions(StorageManager *manager, Task *task, StorageUnit *unit);
/* Closes a unit whose device is away for it. What could not be written is saved. */
void storage_units_set_aside(StorageManager *manager, Task *task, StorageUnit *unit);
/* Clients may come. */
void storage_units_serve(StorageManager *manager, StorageUnit *unit);
/* Looks at a LUN, and exports it if there is something to export. -ENODEV if the device has gone. */
int storage_units_bring_up(StorageManager *manager, Task *task, StorageUnit *unit);
/* A detached unit goes on if its medium is there again: 1 then, 0 if not, -errno. */
int storage_units_return(StorageManager *manager, Task *task, StorageUnit *unit);
/* What is there in its place is exported. */
int storage_units_replace(StorageManager *manager, Task *task, StorageUnit *unit);
/* Something about the unit or its medium may be otherwise than it was. -errno. */
int storage_units_reopen(StorageManager *manager, Task *task, StorageUnit *unit);
/* The unit's medium, that nobody uses, is flushed, unlocked and brought out. */
void storage_units_eject(StorageManager *manager, Task *task, StorageUnit *unit);
/* A StorageRemainsLeft; `userdata` is the manager. */
void storage_units_on_remains_left(uint32_t id, unsigned luns, void *userdata);
