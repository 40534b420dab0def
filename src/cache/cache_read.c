/*
 * READs and PREFETCHes are copied out in order, line by line, as the lines come.
 */

#include <errno.h>
#include <string.h>

#include "block/block_request.h"
#include "cache/cache_ahead.h"
#include "cache/cache_direct.h"
#include "cache/cache_fill.h"
#include "cache/cache_manager_internal.h"
#include "cache/cache_read.h"

/* What one request has on its way at once, and how small a part of the cache. */
#define FILL_WINDOW_SIZE (2 * MIB)
#define FILL_WINDOW_SHARE 8

static uint8_t *line_bytes(const CacheVolume *volume, const CacheEntry *entry) {
        return (uint8_t *) cache_arena_get_data(volume->table->arena,
                                                cache_table_get_slot(volume->table, entry));
}

static bool is_intact(CacheVolume *volume, CacheEntry *entry, uint64_t offset, uint64_t end) {
        uint32_t slot = cache_table_get_slot(volume->table, entry);
        uint64_t start = cache_volume_line_start(volume, offset);

        if (!volume->manager->options.verifies_hits)
                return true;
        for (uint64_t i = (offset - start) / CACHE_CHUNK_SIZE;
             i < DIV_ROUND_UP(end - start, CACHE_CHUNK_SIZE); i++)
                if (!cache_arena_verify(volume->table->arena, slot, (unsigned) i)) {
                        CACHE_COUNT(volume, n_sum_errors, 1);
                        return false;
                }
        return true;
}

/* Up to where the blocks from the request's position on are there. */
static uint64_t find_valid_end(const CacheRequest *request, const CacheEntry *entry,
                               CacheBits blocks) {
        uint64_t start = cache_volume_line_start(request->volume, request->position);
        CacheBits invalid = cache_bits_without(blocks, entry->valid);
        unsigned end = cache_bits_next_set(invalid, 0);

        if (end == CACHE_BITS_MAX)
                return cache_request_get_line_stop(request);
        return MAX(start + (uint64_t) end * request->volume->block_size, request->position);
}

static void copy_out(CacheRequest *request, CacheEntry *entry, uint64_t stop) {
        CacheVolume *volume = request->volume;

        if (request->block->operation == BLOCK_OPERATION_READ)
                block_request_scatter(request->block, request->position - request->block->offset,
                                      line_bytes(volume, entry) +
                                                      request->position % volume->line_size,
                                      stop - request->position);
        cache_ahead_count_use(volume, entry, cache_volume_blocks(volume, request->position, stop));
        cache_volume_touch(volume, entry);
        request->position = stop;
        if (cache_request_get_mode(request) == CACHE_MODE_OFF && cache_entry_may_evict(entry) &&
            list_is_empty(&entry->waiters))
                cache_table_release(volume->table, entry);
}

/* Copies what is there of the line at the request's position. False: that is not all of it, or the
 * request has failed. */
static bool copy_line(CacheRequest *request) {
        CacheVolume *volume = request->volume;
        CacheEntry *entry = cache_volume_find(volume, request->position);
        uint64_t stop = cache_request_get_line_stop(request), valid_end;
        CacheBits blocks = cache_volume_blocks(volume, request->position, stop);
        bool is_lost;

        if (!entry)
                return false;
        valid_end = find_valid_end(request, entry, blocks);
        is_lost = valid_end < stop &&
                  cache_bits_has(entry->lost,
                                 (unsigned) (valid_end % volume->line_size / volume->block_size));
        if (valid_end > request->position) {
                if (!is_intact(volume, entry, request->position, valid_end)) {
                        cache_request_fail_at(request, -EIO, request->position);
                        return false;
                }
                copy_out(request, entry, valid_end);
        }
        if (is_lost)
                cache_request_fail_at(request, -EIO, request->position);
        return valid_end == stop;
}

static uint64_t fill_window(const CacheRequest *request) {
        const CacheTable *table = request->volume->table;
        uint64_t share = (uint64_t) table->n_used_max * request->volume->line_size /
                         FILL_WINDOW_SHARE;

        /* Of a line that is there in part; the next ones may be read past the cache. */
        if (request->is_direct)
                return request->volume->line_size - request->position % request->volume->line_size;
        return MAX(MIN(FILL_WINDOW_SIZE, share), (uint64_t) request->volume->line_size);
}

/* Waits for the line at the request's position, which is not there. */
void cache_read_await_line(CacheRequest *request, CacheBits blocks) {
        CacheEntry *entry = cache_volume_find(request->volume, request->position);

        if (entry && cache_bits_intersect(entry->filling, cache_bits_without(blocks, entry->valid)))
                cache_request_enter_filling(request, entry);
        else
                cache_request_enter(request, CACHE_REQUEST_STATE_STARVING);
}

bool cache_read_is_on_its_way(const CacheRequest *request) {
        const CacheVolume *volume = request->volume;
        CacheEntry *entry = cache_volume_find(volume, request->position);

        return entry &&
               cache_bits_has(entry->filling, (unsigned) (request->position % volume->line_size /
                                                          volume->block_size));
}

/* Who waits for what another one asked for has missed as well. */
static void count_read(CacheRequest *request) {
        CacheVolume *volume = request->volume;
        BlockRequest *block = request->block;

        if (block->operation != BLOCK_OPERATION_READ)
                return;
        block->was_hit = request->issued_end == block->offset;
        if (block->was_hit) {
                CACHE_COUNT(volume, n_hits, 1);
                CACHE_COUNT(volume, hit_size, block->size);
        } else {
                CACHE_COUNT(volume, n_misses, 1);
                CACHE_COUNT(volume, miss_size, block->size);
        }
}

void cache_read_go_on(CacheRequest *request) {
        CacheVolume *volume = request->volume;
        CacheFillOptions options = {
                .is_exact = request->is_exact || cache_request_get_mode(request) == CACHE_MODE_OFF,
                .stream = request->stream,
        };
        CacheBits blocks;
        uint64_t window_end;

        while (request->position < request->end)
                if (!copy_line(request))
                        break;
        if (request->state == CACHE_REQUEST_STATE_FINISHED)
                return;
        if (request->position == request->end) {
                count_read(request);
                cache_request_finish(request);
                return;
        }

        if (request->is_direct && cache_direct_send(request))
                return;
        blocks = cache_volume_blocks(volume, request->position,
                                     cache_request_get_line_stop(request));
        window_end = MIN(request->end, request->position + fill_window(request));
        if (!options.is_exact)
                cache_ahead_hurry(request);
        /* What was brought before and is gone again is brought again. */
        if (!cache_read_is_on_its_way(request))
                request->issued_end = request->position;
        if (request->issued_end < window_end)
                request->issued_end = cache_fill_range(volume,
                                                       MAX(request->issued_end, request->position),
                                                       window_end, &options);
        cache_read_await_line(request, blocks);
}

static bool is_alone(const CacheRequest *request, const BlockRequest *fill) {
        uint32_t block_size = request->volume->block_size;

        return fill->offset >= ALIGN_DOWN(request->position, block_size) &&
               fill->offset + fill->size <= ALIGN_UP(request->end, block_size);
}

/* Whether the request can't go on without the block at that offset. */
static bool needs_block(const CacheRequest *request, uint64_t block) {
        uint64_t block_size = request->volume->block_size;
        uint64_t stop = cache_request_get_line_stop(request);

        if (block == ALIGN_DOWN(request->position, block_size))
                return true;
        /* Who writes a part of a block needs its other bytes. */
        return request->block->operation != BLOCK_OPERATION_READ &&
               request->block->operation != BLOCK_OPERATION_PREFETCH && stop % block_size != 0 &&
               block == ALIGN_DOWN(stop, block_size);
}

void cache_read_fill_failed(CacheRequest *request, const BlockRequest *fill) {
        if (fill->error == -ESHUTDOWN) {
                cache_request_enter(request, CACHE_REQUEST_STATE_READY);
                return;
        }
        if (fill->has_error_offset) {
                /* Else what is good is copied first; then it meets the bad block again. */
                if (needs_block(request,
                                ALIGN_DOWN(fill->error_offset, request->volume->block_size))) {
                        cache_request_fail_at(request, fill->error, request->position);
                        return;
                }
        } else if (is_alone(request, fill)) {
                cache_request_fail(request, fill->error);
                return;
        }
        request->is_exact = true;
        cache_request_enter(request, CACHE_REQUEST_STATE_READY);
}
