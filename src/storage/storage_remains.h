#pragma once

/*
 * StorageRemains
 *
 * What predecessors of this worker left: arenas of dead ones and orphan files, each with the LUNs
 * whose data in it still matters. A unit that has the right identity and medium is given its data
 * back. Private to storage.
 */

#include "cache/cache_remains.h"
#include "storage/storage_unit.h"

typedef struct StorageRemains {
        ListNode list; /* the oldest first */
        size_t n;
} StorageRemains;

/* Tells which LUNs' data is still here. */
typedef void (*StorageRemainsLeft)(uint32_t id, unsigned luns, void *userdata);

void storage_remains_init(StorageRemains *remains);
void storage_remains_done(StorageRemains *remains);
/* Takes `fd` over. -EBADMSG: it makes no sense, -ENOSPC: too many, -errno. */
int storage_remains_add(StorageRemains *remains, uint32_t id, unsigned luns, int fd);
/* Whether data of the LUN waits for its medium. */
bool storage_remains_has_lun(const StorageRemains *remains, unsigned lun);
/* An open unit, before its first request, gets what is its: all of it, or nothing is noted as given.
 * What finds no room in the cache waits until what did is written. -EXFULL: the device takes no
 * writes, so there is no room; -errno: it does not answer. */
int storage_remains_give(StorageRemains *remains, Task *task, StorageUnit *unit,
                         CacheManager *cache);
/* Calls `left` for all of which that changed since it was last told. */
void storage_remains_tell(StorageRemains *remains, StorageRemainsLeft left, void *userdata);
