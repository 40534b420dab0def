/*
 * Runs of dirty blocks to the device. One that fails is tried again in smaller parts until what
 * can't be written is alone; that stays dirty.
 */

#include <errno.h>
#include <string.h>

#include "base/log.h"
#include "cache/cache_clear.h"
#include "cache/cache_manager_internal.h"
#include "cache/cache_run.h"
#include "cache/cache_state.h"
#include "cache/cache_writer.h"

/* What could not be written is tried again on our own after this. */
#define RETRY_NS (30 * NS_PER_S)
/* Lines that one look for the next run passes over at most. */
#define LOOK_MAX 256

static uint64_t now_ns(const CacheVolume *volume) { return event_loop_now_ns(volume->device.loop); }

/* The parts of lines that a run covers, one after the other. */
typedef struct RunPart {
        CacheEntry *entry;
        CacheBits blocks;
        uint64_t offset; /* of the LUN */
        uint32_t size;
} RunPart;

static bool next_part(const CacheVolume *volume, const CacheRun *run, uint64_t *position,
                      RunPart *ret) {
        uint64_t end = run->block.offset + run->block.size;
        uint64_t stop = MIN(cache_volume_line_end(volume, *position), end);

        if (*position >= end)
                return false;
        *ret = (RunPart){
                .entry = cache_volume_find(volume, *position),
                .blocks = cache_volume_blocks(volume, *position, stop),
                .offset = *position,
                .size = (uint32_t) (stop - *position),
        };
        assert(ret->entry);
        *position = stop;
        return true;
}

static const uint8_t *bytes_at(const CacheVolume *volume, const CacheEntry *entry,
                               uint64_t offset) {
        return cache_arena_get_data(volume->table->arena,
                                    cache_table_get_slot(volume->table, entry)) +
               offset % volume->line_size;
}

static uint32_t run_size_max(const CacheVolume *volume, const CacheEntry *entry) {
        uint32_t size = MIN(volume->lower->info.transfer_size_max, (uint32_t) CACHE_RUN_SIZE_MAX);

        if (entry->n_failures == 0)
                return ALIGN_DOWN(size, volume->block_size);
        if (entry->n_failures == 1)
                return MIN(size, MAX((uint32_t) CACHE_CHUNK_SIZE, volume->block_size));
        return volume->block_size;
}

static bool is_excluded(const CacheVolume *volume, const CacheEntry *entry) {
        uint64_t offset = entry->line * volume->line_size;

        return cache_clear_touches(volume, offset, offset + volume->line_size);
}

/* How far dirty blocks go on without a gap. */
static uint64_t find_run_end(const CacheVolume *volume, CacheEntry *entry, uint64_t offset,
                             uint64_t limit) {
        limit = MIN(limit, offset + run_size_max(volume, entry));
        for (;;) {
                uint64_t start = entry->line * volume->line_size;
                unsigned first = (unsigned) ((offset - start) / volume->block_size);
                unsigned end = cache_bits_next_clear(cache_state_can_write(entry), first);

                offset = MIN(start + (uint64_t) end * volume->block_size, limit);
                if (offset == limit || offset < start + volume->line_size)
                        return offset;
                entry = cache_state_next_dirty(entry);
                if (!entry || entry->line * volume->line_size != offset || entry->n_failures > 0 ||
                    is_excluded(volume, entry))
                        return offset;
        }
}

static void mark_writing(CacheVolume *volume, CacheRun *run) {
        uint64_t position = run->block.offset;
        RunPart part;

        run->sequence = UINT64_MAX;
        while (next_part(volume, run, &position, &part)) {
                memcpy((uint8_t *) run->buffer + (part.offset - run->block.offset),
                       bytes_at(volume, part.entry, part.offset), part.size);
                if (part.entry->dirty_sequence < run->sequence) {
                        run->sequence = part.entry->dirty_sequence;
                        run->dirty_since_ns = part.entry->dirty_since_ns;
                }
                cache_state_begin_writing(volume, part.entry, part.blocks);
        }
}

/* What was written, up to `good_end`; of that nothing is sure if the device was reset meanwhile. */
static void mark_written(CacheVolume *volume, CacheRun *run, uint64_t good_end, int error) {
        bool is_sure = run->n_resets == volume->n_resets;
        uint64_t position = run->block.offset;
        RunPart part;

        while (next_part(volume, run, &position, &part)) {
                CacheWritten written = {
                        .blocks = part.blocks,
                        .error = error,
                        .sequence = run->sequence,
                        .dirty_since_ns = run->dirty_since_ns,
                };

                if (is_sure && part.offset < good_end)
                        written.good = cache_volume_blocks(volume, part.offset,
                                                           MIN(position, good_end));
                cache_state_end_writing(volume, part.entry, &written);
        }
}

static void put_run(CacheRun *run) {
        CacheVolume *volume = run->volume;

        staging_put(volume->lower_staging, run->buffer, run->block.size);
        run->buffer = NULL;
        list_unlink(&run->node);
        list_append(&volume->free_runs, &run->node);
        volume->n_runs--;
}

/* That the device below is gone, or has no memory now, is nothing that the blocks failed with. */
static bool is_of_the_blocks(int error) {
        return error < 0 && error != -ESHUTDOWN && error != -ENOMEM && error != -ECANCELED &&
               error != -EBUSY;
}

static void on_run_done(BlockRequest *block) {
        CacheRun *run = container_of(block, CacheRun, block);
        CacheVolume *volume = run->volume;
        uint64_t good_end = block->error == 0 ? block->offset + block->size
                            : block->has_error_offset
                                            ? ALIGN_DOWN(block->error_offset, volume->block_size)
                                            : block->offset;

        if (block->error == 0)
                cache_manager_count_written(volume->manager, block->size, run->started_ns,
                                            now_ns(volume));
        if (is_of_the_blocks(block->error)) {
                CACHE_COUNT(volume, n_write_errors, 1);
                volume->retry_ns = now_ns(volume) + RETRY_NS;
                log_device_debug(volume->name, "writing %llu bytes at %llu failed: %s",
                                 (unsigned long long) block->size,
                                 (unsigned long long) block->offset, strerror(-block->error));
        }
        mark_written(volume, run, good_end, is_of_the_blocks(block->error) ? block->error : 0);
        put_run(run);
        cache_volume_returned(volume, block->error);
        cache_manager_wake(volume->manager);
        cache_volume_run(volume);
}

bool cache_run_start(CacheVolume *volume, CacheEntry *entry, unsigned first_block, uint64_t limit) {
        CacheRun *run = list_entry(list_first(&volume->free_runs), CacheRun, node);
        uint64_t offset = entry->line * volume->line_size +
                          (uint64_t) first_block * volume->block_size;
        uint64_t end = find_run_end(volume, entry, offset, limit);
        int r;

        run->buffer = staging_get(volume->lower->staging, end - offset);
        if (!run->buffer)
                return false;
        run->segment = (struct iovec){ .iov_base = run->buffer, .iov_len = end - offset };
        run->block = (BlockRequest){
                .operation = BLOCK_OPERATION_WRITE,
                .offset = offset,
                .size = end - offset,
                .segments = &run->segment,
                .n_segments = 1,
                .deadline_ns = cache_volume_get_lower_deadline_ns(volume),
                .done = on_run_done,
        };
        run->n_resets = volume->n_resets;
        run->started_ns = now_ns(volume);
        list_unlink(&run->node);
        list_append(&volume->runs, &run->node);
        volume->n_runs++;
        mark_writing(volume, run);
        cache_writer_before_change(volume, offset, end);

        r = cache_volume_submit_below(volume, &run->block);
        if (r < 0) {
                mark_written(volume, run, offset, is_of_the_blocks(r) ? r : 0);
                put_run(run);
                return false;
        }
        volume->elevator_line = cache_volume_line_start(volume, end - 1) / volume->line_size;
        CACHE_COUNT(volume, n_writes_back, 1);
        CACHE_COUNT(volume, write_back_size, end - offset);
        return true;
}

/* From the elevator's place on, and then from the start. */
CacheEntry *cache_run_find_next(CacheVolume *volume, unsigned *ret_block) {
        CacheEntry *entry = cache_state_find_dirty(volume, volume->elevator_line);

        for (unsigned i = 0; i < LOOK_MAX; i++) {
                if (!entry)
                        entry = cache_state_find_dirty(volume, 0);
                if (!entry)
                        return NULL;
                *ret_block = cache_bits_next_set(cache_state_can_write(entry), 0);
                if (*ret_block < CACHE_BITS_MAX && !is_excluded(volume, entry))
                        return entry;
                entry = cache_state_next_dirty(entry);
        }
        return NULL;
}

bool cache_run_touches(const CacheVolume *volume, uint64_t offset, uint64_t end) {
        LIST_FOR_EACH (node, (ListNode *) &volume->runs) {
                const CacheRun *run = list_entry(node, CacheRun, node);

                if (run->block.offset < end && offset < run->block.offset + run->block.size)
                        return true;
        }
        return false;
}

uint64_t cache_run_get_oldest_sequence(const CacheVolume *volume) {
        uint64_t oldest = UINT64_MAX;

        LIST_FOR_EACH (node, (ListNode *) &volume->runs)
                oldest = MIN(oldest, list_entry(node, CacheRun, node)->sequence);
        return oldest;
}

void cache_run_init(CacheVolume *volume) {
        list_init(&volume->free_runs);
        list_init(&volume->runs);
        for (size_t i = 0; i < CACHE_RUNS_MAX; i++) {
                volume->run_pool[i].volume = volume;
                list_init(&volume->run_pool[i].node);
                list_append(&volume->free_runs, &volume->run_pool[i].node);
        }
}
