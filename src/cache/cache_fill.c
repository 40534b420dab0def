/*
 * Fills. What they bring is put into lines block by block, and never where something was written
 * or dropped meanwhile.
 */

#include <errno.h>
#include <string.h>

#include "cache/cache_fill.h"
#include "cache/cache_manager_internal.h"
#include "cache/cache_read.h"

/* A batch of blocks that follow each other, over the borders of lines. */
typedef struct Batch {
        CacheVolume *volume;
        const CacheFillOptions *options;
        uint64_t offset;
        uint64_t end;
        uint64_t failed_offset; /* from there on nothing comes; UINT64_MAX: all was well */
} Batch;

typedef struct FillPart {
        CacheEntry *entry;
        CacheBits blocks;
        uint64_t offset;
        uint64_t end;
} FillPart;

static bool next_part(const CacheVolume *volume, uint64_t *position, uint64_t end, FillPart *ret) {
        uint64_t stop = MIN(cache_volume_line_end(volume, *position), end);

        if (*position >= end)
                return false;
        *ret = (FillPart){
                .entry = cache_volume_find(volume, *position),
                .blocks = cache_volume_blocks(volume, *position, stop),
                .offset = *position,
                .end = stop,
        };
        assert(ret->entry);
        *position = stop;
        return true;
}

/* The fill for these blocks is over. */
static void unmark(CacheVolume *volume, uint64_t offset, uint64_t end) {
        FillPart part;

        while (next_part(volume, &offset, end, &part)) {
                part.entry->filling = cache_bits_without(part.entry->filling, part.blocks);
                part.entry->stale = cache_bits_without(part.entry->stale, part.blocks);
                part.entry->n_pins--;
        }
}

static void store(CacheVolume *volume, const CacheFill *fill, const FillPart *part,
                  CacheBits blocks) {
        uint64_t start = cache_volume_line_start(volume, part->offset);
        uint32_t slot = cache_table_get_slot(volume->table, part->entry);
        unsigned end = 0, first;

        while ((first = cache_bits_next_set(blocks, end)) < CACHE_BITS_MAX) {
                uint64_t from = start + (uint64_t) first * volume->block_size;

                end = cache_bits_next_clear(blocks, first);
                cache_arena_store(volume->table->arena, slot, first * volume->block_size,
                                  (const uint8_t *) fill->buffer + (from - fill->block.offset),
                                  (end - first) * volume->block_size, /* is_kept= */ false,
                                  volume->manager->options.verifies_hits);
        }
}

/* Up to `good_end` the device answered well. */
static void store_good(CacheVolume *volume, const CacheFill *fill, uint64_t good_end) {
        uint64_t position = fill->block.offset;
        FillPart part;

        while (next_part(volume, &position, good_end, &part)) {
                CacheBits wanted = cache_bits_and(part.blocks, part.entry->filling);

                wanted = cache_bits_without(wanted, part.entry->stale);
                store(volume, fill, &part, wanted);
                part.entry->valid = cache_bits_or(part.entry->valid, wanted);
                if (!fill->is_ahead)
                        continue;
                part.entry->ahead = cache_bits_or(part.entry->ahead, wanted);
                part.entry->stream = fill->stream;
                CACHE_COUNT(volume, read_ahead_size,
                            (uint64_t) cache_bits_count(wanted) * volume->block_size);
        }
}

static void wake_waiters(CacheVolume *volume, const CacheFill *fill) {
        uint64_t position = fill->block.offset, end = position + fill->block.size;
        FillPart part;

        while (next_part(volume, &position, end, &part)) {
                ListNode waiters = LIST_INIT(waiters), *node;

                list_splice(&waiters, &part.entry->waiters);
                while ((node = list_first(&waiters))) {
                        CacheRequest *request = list_entry(node, CacheRequest, node);

                        if (fill->block.error < 0)
                                cache_read_fill_failed(request, &fill->block);
                        else
                                cache_request_enter(request, CACHE_REQUEST_STATE_READY);
                }
        }
}

/* How many kinds of fills there are changes here alone. */
static void count_fill(CacheVolume *volume, const CacheFill *fill, int n) {
        volume->n_fills += (size_t) n;
        if (fill->is_ahead)
                volume->n_fills_ahead += (size_t) n;
        else if (fill->stream == CACHE_STREAM_NONE)
                volume->n_fills_single += (size_t) n;
}

static void put_fill(CacheVolume *volume, CacheFill *fill) {
        staging_put(volume->lower_staging, fill->buffer, fill->block.size);
        fill->buffer = NULL;
        list_unlink(&fill->node);
        list_append(&volume->free_fills, &fill->node);
        count_fill(volume, fill, -1);
}

static void on_fill_done(BlockRequest *block) {
        CacheFill *fill = container_of(block, CacheFill, block);
        CacheVolume *volume = fill->volume;
        uint64_t end = block->offset + block->size;
        uint64_t good_end = block->error == 0 ? end
                            : block->has_error_offset
                                            ? ALIGN_DOWN(block->error_offset, volume->block_size)
                                            : block->offset;

        store_good(volume, fill, good_end);
        wake_waiters(volume, fill);
        unmark(volume, block->offset, end);
        put_fill(volume, fill);
        cache_volume_returned(volume, block->error);
        cache_manager_wake_starving(volume->manager);
        cache_volume_run(volume);
}

static CacheFill *take_fill(Batch *batch, void *buffer) {
        CacheVolume *volume = batch->volume;
        CacheFill *fill = list_entry(list_take_first(&volume->free_fills), CacheFill, node);
        uint64_t size = batch->end - batch->offset;

        fill->buffer = buffer;
        fill->segment = (struct iovec){ .iov_base = buffer, .iov_len = size };
        fill->block = (BlockRequest){
                .operation = BLOCK_OPERATION_READ,
                .offset = batch->offset,
                .size = size,
                .segments = &fill->segment,
                .n_segments = 1,
                .deadline_ns = cache_volume_get_lower_deadline_ns(volume),
                .done = on_fill_done,
        };
        fill->is_ahead = batch->options->is_ahead;
        fill->stream = batch->options->stream;
        list_append(&volume->fills, &fill->node);
        count_fill(volume, fill, 1);
        return fill;
}

static bool try_submit(Batch *batch) {
        CacheVolume *volume = batch->volume;
        CacheFill *fill;
        void *buffer;

        buffer = staging_get(volume->lower_staging, batch->end - batch->offset);
        if (!buffer)
                return false;
        fill = take_fill(batch, buffer);
        if (cache_volume_submit_below(volume, &fill->block) == 0)
                return true;
        put_fill(volume, fill);
        return false;
}

/* Leaves the batch empty. False: the device below takes nothing, or there is no memory. */
static bool submit_batch(Batch *batch) {
        bool is_submitted = true;

        if (batch->offset < batch->end)
                is_submitted = try_submit(batch);
        if (!is_submitted) {
                unmark(batch->volume, batch->offset, batch->end);
                batch->failed_offset = MIN(batch->failed_offset, batch->offset);
        }
        batch->offset = batch->end;
        return is_submitted;
}

/* The blocks of [first, end) of a line are brought: they join the batch if they can. */
static bool add_to_batch(Batch *batch, CacheEntry *entry, uint64_t offset, uint64_t end) {
        CacheVolume *volume = batch->volume;
        uint64_t size_max = volume->lower->info.transfer_size_max;

        if (batch->end != offset || end - batch->offset > size_max) {
                if (!submit_batch(batch) || list_is_empty(&volume->free_fills))
                        return false;
                batch->offset = batch->end = offset;
        }
        entry->filling = cache_bits_or(entry->filling, cache_volume_blocks(volume, offset, end));
        entry->n_pins++;
        batch->end = end;
        return true;
}

/* What neither is there nor comes, and may be brought. */
static CacheBits missing(const CacheEntry *entry, CacheBits blocks) {
        CacheBits known = cache_bits_or(cache_bits_or(entry->valid, entry->filling), entry->lost);

        return cache_bits_without(blocks, known);
}

/* Goes through a line from `offset` to `end`. Returns up to where it came. */
static uint64_t fill_line(Batch *batch, uint64_t offset, uint64_t end) {
        CacheVolume *volume = batch->volume;
        uint64_t start = cache_volume_line_start(volume, offset);
        CacheEntry *entry = cache_volume_get(volume, offset);
        CacheBits blocks;
        unsigned first, stop = 0;

        if (!entry)
                return offset;
        blocks = missing(entry, cache_volume_blocks(volume, offset, end));
        while ((first = cache_bits_next_set(blocks, stop)) < CACHE_BITS_MAX) {
                uint64_t from = start + (uint64_t) first * volume->block_size;

                stop = cache_bits_next_clear(blocks, first);
                if (!add_to_batch(batch, entry, from, start + (uint64_t) stop * volume->block_size))
                        return from;
        }
        return end;
}

uint64_t cache_fill_range(CacheVolume *volume, uint64_t offset, uint64_t end,
                          const CacheFillOptions *options) {
        uint64_t unit = options->is_exact ? volume->block_size
                                          : MAX((uint64_t) CACHE_CHUNK_SIZE, volume->block_size);
        Batch batch = { .volume = volume, .options = options, .failed_offset = UINT64_MAX };
        uint64_t position = ALIGN_DOWN(offset, unit), reached;

        if (!cache_volume_may_submit(volume) || list_is_empty(&volume->free_fills))
                return offset;
        end = MIN(ALIGN_UP(end, unit), volume->device.info.size);
        while (position < end) {
                uint64_t stop = MIN(cache_volume_line_end(volume, position), end);

                reached = fill_line(&batch, position, stop);
                position = MAX(position, reached);
                if (reached < stop)
                        break;
        }
        submit_batch(&batch);
        return MAX(MIN(position, batch.failed_offset), offset);
}

void cache_fill_init(CacheVolume *volume) {
        list_init(&volume->free_fills);
        list_init(&volume->fills);
        for (size_t i = 0; i < CACHE_FILLS_MAX; i++) {
                volume->fill_pool[i].volume = volume;
                list_init(&volume->fill_pool[i].node);
                list_append(&volume->free_fills, &volume->fill_pool[i].node);
        }
}
