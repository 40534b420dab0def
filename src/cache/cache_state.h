#pragma once

/*
 * CacheState
 *
 * How far each block is on its way to the medium: the one writer of CacheEntry::dirty, writing,
 * unsynced, lost and bad, and of all that is derived from them. Private to cache.
 */

#include "cache/cache_volume_internal.h"

/* How a run ended, for one line. */
typedef struct CacheWritten {
        CacheBits blocks;        /* that it was to write */
        CacheBits good;          /* of these: the device has them, and has not been reset since */
        int error;               /* of the others; 0: it is not theirs */
        uint64_t sequence;       /* of the oldest write among them */
        uint64_t dirty_since_ns; /* likewise */
} CacheWritten;

/* The blocks were stored in the arena as kept: they are dirty, and neither lost nor stale. */
void cache_state_mark_dirty(CacheVolume *volume, CacheEntry *entry, CacheBits blocks);
/* The blocks are known to be corrupt. */
void cache_state_mark_lost(CacheVolume *volume, CacheEntry *entry, CacheBits blocks);
/* The blocks are of no interest any more, whatever they are; none is being written. */
void cache_state_drop(CacheVolume *volume, CacheEntry *entry, CacheBits blocks);

/* Blocks that a run may take. */
CacheBits cache_state_can_write(const CacheEntry *entry);
/* The first line from `line` on that may have such blocks, and the one behind an entry that does;
 * NULL: there is none. */
CacheEntry *cache_state_find_dirty(CacheVolume *volume, uint64_t line);
CacheEntry *cache_state_next_dirty(CacheEntry *entry);
/* A run takes them, and pins the entry; and it has ended. */
void cache_state_begin_writing(CacheVolume *volume, CacheEntry *entry, CacheBits blocks);
void cache_state_end_writing(CacheVolume *volume, CacheEntry *entry, const CacheWritten *written);

/* What the device had before that FLUSH was sent is on the medium. */
void cache_state_synchronized(CacheVolume *volume, uint64_t epoch);
/* The device lost what it had not synchronised: it is dirty again. */
void cache_state_reset(CacheVolume *volume);
/* What could not be written is tried again. */
void cache_state_retry(CacheVolume *volume);
