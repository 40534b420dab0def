#pragma once

/*
 * CacheRun
 *
 * One write of dirty blocks that follow each other, over the borders of lines. Private to cache.
 */

#include "cache/cache_volume_internal.h"

void cache_run_init(CacheVolume *volume);
/* Begins with that block, which can be written, and goes as far as dirty blocks do, but not beyond
 * `limit`. A run is free, and the device below takes requests. False: it could not be started. */
bool cache_run_start(CacheVolume *volume, CacheEntry *entry, unsigned first_block, uint64_t limit);
/* The next block to be written, in the order of addresses. NULL: there is none. */
CacheEntry *cache_run_find_next(CacheVolume *volume, unsigned *ret_block);
/* A run is writing in this range. */
bool cache_run_touches(const CacheVolume *volume, uint64_t offset, uint64_t end);
/* Of the oldest write in any of them, UINT64_MAX: there is none. */
uint64_t cache_run_get_oldest_sequence(const CacheVolume *volume);
