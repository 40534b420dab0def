/*
 * What a predecessor left becomes dirty again; what it left corrupt stays lost until it is
 * overwritten.
 */

#include <errno.h>

#include "cache/cache_import.h"
#include "cache/cache_state.h"
#include "cache/cache_volume_internal.h"
#include "cache/cache_writer.h"

/* Stores kept bytes as a WRITE would. */
static int take_in(CacheVolume *volume, uint64_t offset, const uint8_t *bytes, uint64_t size,
                   bool is_lost) {
        uint64_t end = offset + size;

        while (offset < end) {
                uint64_t stop = MIN(cache_volume_line_end(volume, offset), end);
                CacheEntry *entry = cache_volume_get(volume, offset);
                CacheBits blocks = cache_volume_blocks(volume, offset, stop);
                uint32_t slot;

                if (!entry)
                        return -ENOSPC;
                slot = cache_table_get_slot(volume->table, entry);
                if (is_lost) {
                        cache_arena_lose(volume->table->arena, slot, blocks);
                        cache_state_mark_lost(volume, entry, blocks);
                } else {
                        cache_arena_store(volume->table->arena, slot,
                                          (uint32_t) (offset % volume->line_size), bytes,
                                          (uint32_t) (stop - offset), /* is_kept= */ true,
                                          /* is_summed= */ true);
                        cache_state_mark_dirty(volume, entry, blocks);
                }
                bytes += stop - offset;
                offset = stop;
        }
        return 0;
}

static int take_in_blocks(CacheVolume *volume, const CacheRemnant *remnant, CacheBits blocks,
                          bool is_lost) {
        unsigned first, end = 0;
        int r;

        while ((first = cache_bits_next_set(blocks, end)) < CACHE_BITS_MAX) {
                uint64_t start = (uint64_t) first * volume->block_size;

                end = cache_bits_next_clear(blocks, first);
                r = take_in(volume, remnant->offset + start, remnant->data + start,
                            (uint64_t) end * volume->block_size - start, is_lost);
                if (r < 0)
                        return r;
        }
        return 0;
}

/* A line of which a part found no room is taken in once more, as a whole. */
static int take_in_all(CacheVolume *volume, const CacheRemains *remains, uint32_t *cursor) {
        CacheRemnant remnant;
        uint32_t next = *cursor;
        int r;

        while (cache_remains_next(remains, volume->lun, &next, &remnant)) {
                r = take_in_blocks(volume, &remnant, remnant.kept, /* is_lost= */ false);
                if (r < 0)
                        return r;
                r = take_in_blocks(volume, &remnant, remnant.lost, /* is_lost= */ true);
                if (r < 0)
                        return r;
                *cursor = next;
        }
        return 0;
}

int cache_import_remains(BlockDevice *device, const CacheRemains *remains, uint32_t *cursor) {
        CacheVolume *volume = cache_volume_get_inside(device);
        CacheTable *table = volume->table;
        uint32_t n_used_max = table->n_used_max;
        int r;

        /* What was acknowledged comes before a budget, which may have been larger then. */
        cache_table_set_limit(table, table->n_slots);
        r = take_in_all(volume, remains, cursor);
        cache_table_set_limit(table, n_used_max);
        /* It is written even if nobody asks for anything. */
        cache_volume_run_later(volume);
        return r;
}

uint32_t cache_import_get_room(const BlockDevice *device) {
        return cache_volume_get_inside((BlockDevice *) device)->table->n_slots;
}
