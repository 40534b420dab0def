#pragma once

/*
 * StorageMounts
 *
 * Image files of units, mounted through FUSE. One that a predecessor has served waits until its unit is
 * exported, and goes on if the medium is the same. Private to storage.
 */

#include "storage/storage_manager_internal.h"

/* As storage_manager_add_mount(). */
void storage_mounts_add(StorageManager *manager, const ControlMount *mount, int fd, int slots_fd);
/* It ends soon. Harmless if there is none. */
void storage_mounts_end(StorageManager *manager, uint32_t id);
/* The unit is about to be announced: those that waited for it are served first. */
void storage_mounts_serve(StorageManager *manager, StorageUnit *unit);
/* The unit closes for good, and its mounts end. */
void storage_mounts_shut_down(StorageManager *manager, StorageUnit *unit);
/* The unit closes, and a successor goes on with its mounts: nobody is told. */
void storage_mounts_leave(StorageManager *manager, StorageUnit *unit);
/* Of requests that come from now on. */
void storage_mounts_set_timeout(StorageUnit *unit, uint64_t timeout_ns);
