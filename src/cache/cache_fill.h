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
        uint8_t stream; /* of the reader, or CACHE_STREAM_NONE */
} CacheFillOptions;

/*
 * Starts to bring what is missing in the range, and returns up to where that is so. Less than
 * `end`: slots, fills or memory are short, or the device below takes nothing. Pins the lines.
 */
uint64_t cache_fill_range(CacheVolume *volume, uint64_t offset, uint64_t end,
                          const CacheFillOptions *options);
/* Before the volume is used, and at its end. */
void cache_fill_init(CacheVolume *volume);
