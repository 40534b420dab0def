/*
 * Entries are found by a hash of their volume and line; chains and free slots are linked by index,
 * so that nothing is allocated after the start.
 */

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "cache/cache_table.h"

#define NO_SLOT UINT32_MAX
#define HUGE_PAGE_SIZE ((size_t) (2 * MIB))

static uint64_t key_of(unsigned lun, uint64_t line) {
        /* The finaliser of MurmurHash3: every bit of both counts. */
        uint64_t key = line ^ ((uint64_t) lun << 56);

        key = (key ^ (key >> 33)) * UINT64_C(0xff51afd7ed558ccd);
        key = (key ^ (key >> 33)) * UINT64_C(0xc4ceb9fe1a85ec53);
        return key ^ (key >> 33);
}

uint32_t cache_table_get_slot(const CacheTable *table, const CacheEntry *entry) {
        return (uint32_t) (entry - table->entries);
}

static bool may_evict(uint32_t slot, void *userdata) {
        const CacheTable *table = userdata;

        return cache_entry_may_evict(&table->entries[slot]);
}

static void put_free(CacheTable *table, CacheEntry *entry) {
        entry->volume = NULL;
        entry->next_index = table->first_free;
        table->first_free = cache_table_get_slot(table, entry);
}

/* A look-up goes anywhere: with pages of 4 KiB it would miss the processor's table of pages. */
static void *allocate(size_t size) {
        size_t alignment = size >= HUGE_PAGE_SIZE ? HUGE_PAGE_SIZE : alignof(CacheEntry);
        void *memory = aligned_alloc(alignment, ALIGN_UP(size, alignment));

        if (memory && alignment == HUGE_PAGE_SIZE)
                (void) madvise(memory, ALIGN_UP(size, alignment), MADV_HUGEPAGE);
        return memory;
}

int cache_table_init(CacheTable *table, CacheArena *arena, CachePolicyKind policy,
                     void (*on_evict)(CacheEntry *entry)) {
        uint32_t n_slots = cache_arena_get_n_slots(arena), n_buckets = 1;
        int r;

        *table = (CacheTable){
                .arena = arena,
                .n_slots = n_slots,
                .n_used_max = n_slots,
                .first_free = NO_SLOT,
                .on_evict = on_evict,
        };
        r = cache_policy_new(&table->policy, policy, n_slots);
        if (r < 0)
                return r;
        while (n_buckets < n_slots)
                n_buckets *= 2;
        table->bucket_mask = n_buckets - 1;
        table->buckets = allocate(n_buckets * sizeof(*table->buckets));
        table->entries = allocate(n_slots * sizeof(*table->entries));
        if (!table->buckets || !table->entries)
                return -ENOMEM;

        memset(table->entries, 0, n_slots * sizeof(*table->entries));
        for (uint32_t i = 0; i < n_buckets; i++)
                table->buckets[i] = NO_SLOT;
        for (uint32_t slot = n_slots; slot-- > 0;)
                put_free(table, &table->entries[slot]);
        return 0;
}

void cache_table_done(CacheTable *table) {
        cache_policy_free(table->policy);
        free(table->buckets);
        free(table->entries);
        *table = (CacheTable){};
}

static uint32_t *bucket_of(const CacheTable *table, unsigned lun, uint64_t line) {
        return &table->buckets[key_of(lun, line) & table->bucket_mask];
}

CacheEntry *cache_table_find(const CacheTable *table, unsigned lun, uint64_t line) {
        uint32_t slot = *bucket_of(table, lun, line);

        while (slot != NO_SLOT) {
                CacheEntry *entry = &table->entries[slot];

                if (entry->line == line && entry->lun == lun)
                        return entry;
                slot = entry->next_index;
        }
        return NULL;
}

static void unlink_from_bucket(CacheTable *table, CacheEntry *entry) {
        uint32_t *link = bucket_of(table, entry->lun, entry->line);
        uint32_t slot = cache_table_get_slot(table, entry);

        while (*link != slot)
                link = &table->entries[*link].next_index;
        *link = entry->next_index;
}

static void empty(CacheTable *table, CacheEntry *entry, bool is_evicted) {
        uint32_t slot = cache_table_get_slot(table, entry);

        assert(cache_entry_may_evict(entry));
        assert(list_is_empty(&entry->waiters));

        unlink_from_bucket(table, entry);
        cache_policy_remove(table->policy, slot, is_evicted);
        cache_arena_release(table->arena, slot);
        table->n_used--;
        if (table->n_used >= table->n_used_max)
                cache_arena_discard(table->arena, slot);
        put_free(table, entry);
}

void cache_table_release(CacheTable *table, CacheEntry *entry) {
        empty(table, entry, /* is_evicted= */ false);
}

/* Whether a slot could be emptied. */
static bool evict(CacheTable *table) {
        uint32_t slot = cache_policy_get_victim(table->policy, may_evict, table);

        if (slot == NO_SLOT)
                return false;
        table->on_evict(&table->entries[slot]);
        table->n_evictions++;
        empty(table, &table->entries[slot], /* is_evicted= */ true);
        return true;
}

static CacheEntry *take_free(CacheTable *table) {
        CacheEntry *entry;

        while (table->n_used >= table->n_used_max)
                if (!evict(table))
                        return NULL;
        entry = &table->entries[table->first_free];
        table->first_free = entry->next_index;
        return entry;
}

CacheEntry *cache_table_get(CacheTable *table, CacheVolume *volume, unsigned lun, uint64_t line,
                            uint32_t block_size) {
        CacheEntry *entry = cache_table_find(table, lun, line);
        uint32_t slot, *bucket;

        if (entry)
                return entry;
        entry = take_free(table);
        if (!entry)
                return NULL;

        slot = cache_table_get_slot(table, entry);
        bucket = bucket_of(table, lun, line);
        *entry = (CacheEntry){
                .volume = volume, .lun = (uint8_t) lun, .line = line, .next_index = *bucket
        };
        list_init(&entry->waiters);
        list_init(&entry->dirty_node);
        list_init(&entry->unsynced_node);
        *bucket = slot;
        table->n_used++;
        cache_arena_claim(table->arena, slot, lun, line, block_size);
        cache_policy_insert(table->policy, slot, key_of(lun, line));
        return entry;
}

void cache_table_touch(CacheTable *table, const CacheEntry *entry) {
        cache_policy_touch(table->policy, cache_table_get_slot(table, entry));
}

void cache_table_set_limit(CacheTable *table, uint32_t n_used_max) {
        table->n_used_max = MIN(n_used_max, table->n_slots);
        while (table->n_used > table->n_used_max && evict(table))
                ;
}

void cache_table_empty(CacheTable *table) {
        while (evict(table))
                ;
}

static bool is_any(uint32_t slot, void *userdata) { return true; }

int cache_table_set_policy(CacheTable *table, CachePolicyKind kind) {
        CachePolicy *former = table->policy;
        uint32_t slot;
        int r;

        r = cache_policy_new(&table->policy, kind, table->n_slots);
        if (r < 0) {
                table->policy = former;
                return r;
        }
        while ((slot = cache_policy_get_victim(former, is_any, NULL)) != CACHE_POLICY_NONE) {
                const CacheEntry *entry = &table->entries[slot];

                cache_policy_remove(former, slot, /* is_evicted= */ false);
                cache_policy_insert(table->policy, slot, key_of(entry->lun, entry->line));
        }
        cache_policy_free(former);
        return 0;
}
