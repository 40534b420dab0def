#pragma once

/*
 * CacheWriter
 *
 * Writes back what is dirty: in the order of addresses, in long runs, and synchronises it. The one
 * writer of CacheEntry::dirty, writing and unsynced and of all that is derived from them.
 * Private to cache.
 */

#include "cache/cache_volume_internal.h"

void cache_writer_init(CacheVolume *volume);
/* The blocks were stored in the arena as kept: they are dirty, and neither lost nor stale. */
void cache_writer_mark_dirty(CacheVolume *volume, CacheEntry *entry, CacheBits blocks);
/* The blocks are of no interest any more, whatever they are; none is being written. */
void cache_writer_drop(CacheVolume *volume, CacheEntry *entry, CacheBits blocks);
/* The blocks are known to be corrupt. */
void cache_writer_mark_lost(CacheVolume *volume, CacheEntry *entry, CacheBits blocks);
/* Whether a run touches this range. */
bool cache_writer_is_writing(const CacheVolume *volume, uint64_t offset, uint64_t end);
/* Whether some block of the line range waits to be written, or is being written, since a write up to
 * `sequence`; an error if it could not be. */
int cache_writer_check(const CacheVolume *volume, const CacheEntry *entry, CacheBits blocks,
                       uint64_t sequence);
/* Starts runs and the FLUSH below as they are wanted; sees which requests are done. */
void cache_writer_run(CacheVolume *volume);
/* What could not be written is tried again. */
void cache_writer_retry(CacheVolume *volume);
/* The device lost what it had not synchronised. */
void cache_writer_on_reset(CacheVolume *volume);
/* Something below is about to change in this range, other than by a run. */
void cache_writer_before_change(CacheVolume *volume, uint64_t offset, uint64_t end);
/* When upkeep is due, UINT64_MAX: nothing is dirty or unsynced. */
uint64_t cache_writer_get_upkeep_ns(const CacheVolume *volume);
/* Everything that is dirty now is written and synchronised. */
void cache_writer_start_upkeep(CacheVolume *volume);
