#pragma once

/*
 * CacheWriter
 *
 * When what is dirty is written back and synchronised, and who learns of it. Private to cache.
 */

#include "cache/cache_volume_internal.h"

void cache_writer_init(CacheVolume *volume);
/* Of these blocks of the line: 0 if none waits to be written, or is being written, since a write up
 * to `sequence`, -EAGAIN if one does, or why it could not be. */
int cache_writer_check(const CacheVolume *volume, const CacheEntry *entry, CacheBits blocks,
                       uint64_t sequence);
/* Starts runs and the FLUSH below as they are wanted; sees which requests are done. */
void cache_writer_run(CacheVolume *volume);
/* The device lost what it had not synchronised. */
void cache_writer_on_reset(CacheVolume *volume);
/* Something below is about to change in this range. */
void cache_writer_before_change(CacheVolume *volume, uint64_t offset, uint64_t end);
/* When upkeep is due, UINT64_MAX: nothing is dirty or unsynced. */
uint64_t cache_writer_get_upkeep_ns(const CacheVolume *volume);
/* Everything that is dirty now is written and synchronised. */
void cache_writer_start_upkeep(CacheVolume *volume);
