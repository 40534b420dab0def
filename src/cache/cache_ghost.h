#pragma once

/*
 * CacheGhost
 *
 * Remembers the hashes of lines that were evicted not long ago, in bounded memory: a table of small
 * buckets, in which the oldest gives way. Approximate, as hashes may be equal and buckets full.
 * Private to cache.
 */

#include "base/macros.h"

typedef struct CacheGhostBucket CacheGhostBucket;

typedef struct CacheGhost {
        CacheGhostBucket *buckets; /* owned */
        uint32_t n_buckets;
        uint32_t n_puts; /* wraps around */
} CacheGhost;

/* For the last `n_hashes` that were put. -ENOMEM. */
int cache_ghost_init(CacheGhost *ghost, uint32_t n_hashes);
void cache_ghost_done(CacheGhost *ghost);

/* Not 0. */
uint32_t cache_ghost_hash(uint64_t key);
void cache_ghost_put(CacheGhost *ghost, uint32_t hash);
/* Forgets it. True if it was among the last `n_hashes` that were put. */
bool cache_ghost_take(CacheGhost *ghost, uint32_t hash, uint32_t n_hashes);
