#pragma once

/*
 * CacheManager, its inside
 *
 * The budget that the volumes of a device share. Private to cache.
 */

#include "base/staging_pool.h"
#include "cache/cache_manager.h"
#include "cache/cache_table.h"

struct CacheManager {
        EventLoop *loop; /* borrowed */
        CacheOptions options;
        CacheArena *arena; /* owned */
        CacheTable table;
        ListNode volumes; /* CacheVolume::node */
        CacheStatistics statistics;
        CacheStatistics lun_statistics[CACHE_LUNS_MAX];
        uint64_t write_rate; /* bytes a second, as measured; 0: not yet */
        uint64_t last_written_ns;
        uint64_t last_asked_ns; /* a client wanted something */
        uint8_t *scratch;       /* owned: a line, for what must be in one piece */
        StagingPool staging;    /* for what clients read and write */
};

/* Of the volume's LUN, and of all together. */
#define CACHE_COUNT(volume, field, n)                                          \
        do {                                                                   \
                (volume)->manager->lun_statistics[(volume)->lun].field += (n); \
                (volume)->manager->statistics.field += (n);                    \
        } while (0)

/* Bytes that may wait to be written: what the device can do in a third of a deadline. */
uint64_t cache_manager_get_dirty_limit(const CacheManager *manager);
/* How long a write of so many bytes should wait, so that writers come no faster than the device
 * writes; UINT64_MAX: until something was written. */
uint64_t cache_manager_get_write_delay_ns(const CacheManager *manager, uint64_t size);
/* `size` bytes were written between these times. */
void cache_manager_count_written(CacheManager *manager, uint64_t size, uint64_t started_ns,
                                 uint64_t now_ns);
/* Another slot may become one that can't be emptied. */
bool cache_manager_may_keep(const CacheManager *manager);
/* So many slots can't be emptied that some should be synchronised, before writers have to wait for it. */
bool cache_manager_wants_sync(const CacheManager *manager);
/* All volumes have a look: there may be room now under the limits. */
void cache_manager_wake(CacheManager *manager);
/* The same for those in which requests wait for slots. */
void cache_manager_wake_starving(CacheManager *manager);
