#pragma once

/*
 * CacheFill
 *
 * Brings blocks from the device below into their lines: what a reader waits for, and what is read
 * ahead. A block is on its way once at most; who needs it meanwhile joins. Private to cache.
 */

#include "cache/cache_volume_internal.h"

typedef struct CacheFillOptions {
        bool is_exact; /* only the blocks of the range, without rounding it to chunks */
        bool is_ahead;
        uint8_t stream;
} CacheFillOptions;

/*
 * Starts to bring what is missing in the range, and returns up to where that is so. Less than
 * `end`: slots, fills or memory are short, or the device below takes nothing. Pins the lines.
 */
uint64_t cache_fill_range(CacheVolume *volume, uint64_t offset, uint64_t end,
                          const CacheFillOptions *options);
/* A client read this range, or is about to: its stream is told, and what will be asked for next is
 * noted. */
void cache_fill_observe(CacheVolume *volume, uint64_t offset, uint64_t size);
/* Reads ahead what was noted, as long as nobody waits for a fill. */
void cache_fill_ahead(CacheVolume *volume);
/* Some blocks of the entry were asked for, or are about to be forgotten. */
void cache_fill_count_use(CacheVolume *volume, CacheEntry *entry, CacheBits blocks);
void cache_fill_count_waste(CacheVolume *volume, CacheEntry *entry);
/* Before the volume is used, and at its end. */
void cache_fill_init(CacheVolume *volume);
