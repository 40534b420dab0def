#pragma once

/*
 * CacheTable
 *
 * The slots of a device's cache: which line is in which, found in O(1), and which is emptied for
 * another one. Private to cache.
 */

#include "cache/cache_arena.h"
#include "cache/cache_entry.h"
#include "cache/cache_policy.h"

typedef struct CacheTable {
        CacheArena *arena;   /* borrowed */
        CachePolicy *policy; /* owned */
        CacheEntry *entries; /* owned array: one for each slot */
        uint32_t n_slots;
        uint32_t n_used;
        uint32_t n_used_max; /* the limit for now */
        uint32_t n_kept;     /* slots that can't be emptied for their data's sake */
        uint32_t n_unsynced; /* of these: could be if the device synchronised its cache */
        uint32_t first_free; /* UINT32_MAX: none */
        uint32_t *buckets;   /* owned: hash chains */
        uint32_t bucket_mask;
        uint64_t n_evictions;
        /* Called before an entry is emptied to make room. */
        void (*on_evict)(CacheEntry *entry);
} CacheTable;

/* -ENOMEM. */
int cache_table_init(CacheTable *table, CacheArena *arena, CachePolicyKind policy,
                     void (*on_evict)(CacheEntry *entry));
void cache_table_done(CacheTable *table);

uint32_t cache_table_get_slot(const CacheTable *table, const CacheEntry *entry);
/* NULL: it is not there. */
CacheEntry *cache_table_find(const CacheTable *table, unsigned lun, uint64_t line);
/* Finds the line or gives it a slot, with no block valid. NULL: all slots are needed. */
CacheEntry *cache_table_get(CacheTable *table, CacheVolume *volume, unsigned lun, uint64_t line,
                            uint32_t block_size);
void cache_table_touch(CacheTable *table, const CacheEntry *entry);
/* The entry is not kept, pinned or waited for. */
void cache_table_release(CacheTable *table, CacheEntry *entry);
/* What is there keeps its order. -ENOMEM: all is as before. */
int cache_table_set_policy(CacheTable *table, CachePolicyKind policy);
/* Of all that can be emptied, as if to make room. */
void cache_table_empty(CacheTable *table);
/* Empties what it can at once; the rest when it is released. */
void cache_table_set_limit(CacheTable *table, uint32_t n_used_max);
