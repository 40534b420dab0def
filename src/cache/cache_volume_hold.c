/*
 * A volume that stands aside while somebody else changes its medium: what comes waits, what is under
 * way ends, and what was read is forgotten.
 */

#include "cache/cache_manager_internal.h"
#include "cache/cache_state.h"
#include "cache/cache_volume_internal.h"
#include "cache/cache_writer.h"

static CacheVolume *get(BlockDevice *device) { return cache_volume_get_inside(device); }

void cache_volume_hold(BlockDevice *device) { get(device)->is_held = true; }

void cache_volume_let_go(BlockDevice *device) {
        CacheVolume *volume = get(device);
        ListNode *held = &volume->requests[CACHE_REQUEST_STATE_HELD];
        ListNode *node;

        volume->is_held = false;
        while ((node = list_first(held)))
                cache_request_begin(list_entry(node, CacheRequest, node));
        cache_volume_run_later(volume);
}

static bool is_change_under_way(const CacheRequest *request) {
        BlockOperation operation = request->block->operation;

        return request->state != CACHE_REQUEST_STATE_HELD &&
               (operation == BLOCK_OPERATION_WRITE || operation == BLOCK_OPERATION_TRIM ||
                operation == BLOCK_OPERATION_WRITE_ZEROES);
}

bool cache_volume_is_changing(const BlockDevice *device) {
        const CacheVolume *volume = get((BlockDevice *) device);

        LIST_FOR_EACH (node, &volume->active)
                if (is_change_under_way(list_entry(node, CacheRequest, active_node)))
                        return true;
        return false;
}

uint64_t cache_volume_get_unsynced_size(const BlockDevice *device) {
        const CacheVolume *volume = get((BlockDevice *) device);
        const CacheStatistics *statistics =
                        cache_manager_get_lun_statistics(volume->manager, volume->lun);

        return statistics->dirty_size + statistics->unsynced_size;
}

/* What is lent keeps its slot. */
static void forget(CacheVolume *volume, CacheEntry *entry) {
        if (cache_entry_may_evict(entry) && list_is_empty(&entry->waiters))
                cache_table_release(volume->table, entry);
        else
                cache_state_drop(volume, entry,
                                 cache_bits_without(entry->valid, cache_entry_get_kept(entry)));
}

void cache_volume_forget_clean(BlockDevice *device) {
        CacheVolume *volume = get(device);

        assert(cache_volume_is_detached(device));
        for (uint32_t slot = 0; slot < volume->table->n_slots; slot++)
                if (volume->table->entries[slot].volume == volume)
                        forget(volume, &volume->table->entries[slot]);
}

void cache_volume_forget_medium(BlockDevice *device) {
        cache_volume_forget_clean(device);
        cache_writer_before_change(get(device), 0, device->info.size);
}

void cache_volume_drop_clean(BlockDevice *device) {
        CacheVolume *volume = get(device);

        for (uint32_t slot = 0; slot < volume->table->n_slots; slot++) {
                CacheEntry *entry = &volume->table->entries[slot];

                if (entry->volume == volume && cache_entry_may_evict(entry) &&
                    list_is_empty(&entry->waiters))
                        cache_table_release(volume->table, entry);
        }
}

void cache_volume_give_up_kept(BlockDevice *device) {
        CacheVolume *volume = get(device);

        assert(cache_volume_is_detached(device));
        for (uint32_t slot = 0; slot < volume->table->n_slots; slot++) {
                CacheEntry *entry = &volume->table->entries[slot];

                if (entry->volume == volume)
                        cache_state_drop(volume, entry, cache_entry_get_kept(entry));
        }
}
