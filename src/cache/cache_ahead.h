#pragma once

/*
 * CacheAhead
 *
 * Reads what CacheStreams foretells before somebody asks for it. Private to cache.
 */

#include "cache/cache_volume_internal.h"

/* As the manager's options have it now. -ENOMEM. */
int cache_ahead_update(CacheVolume *volume);
/* How much of the cache may be used has changed. */
void cache_ahead_update_size(CacheVolume *volume);
/* A client read this range, or is about to: what will be asked for next is noted. Returns its stream,
 * or CACHE_STREAM_NONE. */
uint8_t cache_ahead_observe(CacheVolume *volume, uint64_t offset, uint64_t size);
/* Reads what was noted, as long as nobody but streams waits for a fill. */
void cache_ahead_run(CacheVolume *volume);
/* A READ waits for what was noted: it is read at once, with what comes after it. */
void cache_ahead_hurry(const CacheRequest *request);
/* What was noted is not read. */
void cache_ahead_forget(CacheVolume *volume);
/* Some blocks of the entry were asked for, or are about to be forgotten. */
void cache_ahead_count_use(CacheVolume *volume, CacheEntry *entry, CacheBits blocks);
void cache_ahead_count_waste(CacheVolume *volume, CacheEntry *entry);
