/*
 * Lines lent to a reader are pinned, so that they stay where they are; writes may change them
 * meanwhile, as a READ that overlaps a WRITE in flight may see either.
 */

#include "cache/cache_loan.h"
#include <string.h>

#include "cache/cache_ahead.h"
#include "cache/cache_manager_internal.h"

/* One volume's loans pin a quarter of the slots at most. */
#define LOANED_SHARE 4

static bool may_lend(const CacheVolume *volume, uint64_t offset, uint64_t end) {
        return !volume->is_shut_down && !volume->is_held &&
               volume->manager->options.mode != CACHE_MODE_OFF &&
               !volume->manager->options.verifies_hits &&
               volume->n_loaned < volume->table->n_used_max / LOANED_SHARE &&
               (end - 1) / volume->line_size - offset / volume->line_size < BLOCK_LOAN_PARTS_MAX &&
               !block_range_lock_excludes(&volume->lock, offset, end);
}

/* `entry` holds a part of the range. */
static void pin(CacheVolume *volume, CacheEntry *entry, uint64_t offset, uint64_t end) {
        uint64_t start = entry->line * volume->line_size;

        entry->n_pins++;
        cache_volume_touch(volume, entry);
        cache_ahead_count_use(volume, entry,
                              cache_volume_blocks(volume, MAX(start, offset),
                                                  MIN(start + volume->line_size, end)));
}

bool cache_loan_lend(CacheVolume *volume, uint64_t offset, uint64_t size, BlockLoan *ret) {
        uint64_t end = offset + size, position = offset;
        BlockLoan loan; /* most of it is not needed, and not even cleared */

        loan.n_parts = 0;
        if (!may_lend(volume, offset, end))
                return false;
        while (position < end) {
                uint64_t stop = MIN(cache_volume_line_end(volume, position), end);
                CacheEntry *entry = cache_volume_find(volume, position);
                uint32_t slot;

                if (!entry ||
                    !cache_bits_contain(entry->valid, cache_volume_blocks(volume, position, stop)))
                        return false;
                slot = cache_table_get_slot(volume->table, entry);
                loan.parts[loan.n_parts++] = (BlockLoanPart){
                        .bytes = cache_arena_get_data(volume->table->arena, slot) +
                                 position % volume->line_size,
                        .size = stop - position,
                        .owner = entry,
                };
                position = stop;
        }

        for (size_t i = 0; i < loan.n_parts; i++)
                pin(volume, loan.parts[i].owner, offset, end);
        volume->n_loaned += (uint32_t) loan.n_parts;
        CACHE_COUNT(volume, n_hits, 1);
        CACHE_COUNT(volume, hit_size, size);
        volume->manager->last_asked_ns = event_loop_now_ns(volume->device.loop);
        (void) cache_ahead_observe(volume, offset, size);
        memcpy(ret->parts, loan.parts, loan.n_parts * sizeof(*loan.parts));
        ret->n_parts = loan.n_parts;
        return true;
}

void cache_loan_take_back(CacheVolume *volume, BlockLoan *loan) {
        for (size_t i = 0; i < loan->n_parts; i++) {
                CacheEntry *entry = loan->parts[i].owner;

                assert(entry->n_pins > 0);
                entry->n_pins--;
        }
        assert(volume->n_loaned >= loan->n_parts);
        volume->n_loaned -= (uint32_t) loan->n_parts;
        loan->n_parts = 0;
        cache_manager_wake_starving(volume->manager);
}
