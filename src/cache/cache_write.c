/*
 * WRITEs go into lines, and are done unless they must be at the device (write-through) or on the
 * medium (FUA).
 */

#include <errno.h>
#include <string.h>

#include "block/block_request.h"
#include "cache/cache_fill.h"
#include "cache/cache_manager_internal.h"
#include "cache/cache_read.h"
#include "cache/cache_state.h"
#include "cache/cache_write.h"
#include "cache/cache_writer.h"

/* Whether the bytes at an edge that share its block with the write are there. -EAGAIN: the request
 * waits for them, -EIO: they are lost. */
static int ready_edge(CacheRequest *request, CacheEntry *entry, uint64_t edge) {
        CacheVolume *volume = request->volume;
        uint64_t start = ALIGN_DOWN(edge, (uint64_t) volume->block_size);
        CacheFillOptions options = { .is_exact = true, .stream = CACHE_STREAM_NONE };
        CacheBits block;

        if (edge == start)
                return 0;
        block = cache_volume_blocks(volume, start, start + volume->block_size);
        if (cache_bits_intersect(entry->lost, block))
                return -EIO;
        if (cache_bits_contain(entry->valid, block))
                return 0;
        if (!cache_bits_intersect(entry->filling, block))
                cache_fill_range(volume, start, start + volume->block_size, &options);
        cache_read_await_line(request, block);
        return -EAGAIN;
}

static int ready_edges(CacheRequest *request, CacheEntry *entry, uint64_t stop) {
        int r;

        r = ready_edge(request, entry, request->position);
        if (r < 0)
                return r;
        return ready_edge(request, entry, stop);
}

/* In one piece, as the arena wants it: a block is stored as a whole or not at all. NULL: zeroes. */
static const void *source_bytes(CacheRequest *request, uint64_t size) {
        uint64_t position = request->position - request->block->offset;
        const void *bytes;

        if (request->block->operation != BLOCK_OPERATION_WRITE)
                return NULL;
        bytes = block_request_get_contiguous(request->block, position, size);
        if (bytes)
                return bytes;
        block_request_gather(request->block, position, request->volume->manager->scratch, size);
        return request->volume->manager->scratch;
}

/* False: it must wait, or has failed. */
bool cache_write_store_line(CacheRequest *request) {
        CacheVolume *volume = request->volume;
        uint64_t stop = cache_request_get_line_stop(request), size = stop - request->position;
        CacheEntry *entry = cache_volume_get(volume, request->position);
        int r;

        if (!entry || (!cache_entry_is_kept(entry) && !cache_manager_may_keep(volume->manager))) {
                cache_request_enter(request, CACHE_REQUEST_STATE_STARVING);
                return false;
        }
        entry->n_pins++;
        r = ready_edges(request, entry, stop);
        entry->n_pins--;
        if (r < 0) {
                if (r != -EAGAIN)
                        cache_request_fail_at(request, r, request->position);
                return false;
        }

        cache_arena_store(volume->table->arena, cache_table_get_slot(volume->table, entry),
                          (uint32_t) (request->position % volume->line_size),
                          source_bytes(request, size), (uint32_t) size, /* is_kept= */ true,
                          /* is_summed= */ true);
        cache_state_mark_dirty(volume, entry, cache_volume_blocks(volume, request->position, stop));
        cache_volume_touch(volume, entry);
        request->position = stop;
        return true;
}

void cache_write_await(CacheRequest *request) {
        request->position = request->block->offset;
        request->end = request->position + request->block->size;
        request->sequence = request->volume->write_sequence;
        cache_request_enter(request, CACHE_REQUEST_STATE_WRITING);
        cache_volume_run_later(request->volume);
}

/* A device that could not write lately has everybody told at once what it can. */
bool cache_write_must_go_through(const CacheRequest *request) {
        const CacheVolume *volume = request->volume;

        return request->block->flags & BLOCK_REQUEST_FUA ||
               cache_request_get_mode(request) != CACHE_MODE_WRITE_BACK ||
               event_loop_now_ns(volume->device.loop) < volume->retry_ns;
}

void cache_write_go_on(CacheRequest *request) {
        while (request->position < request->end)
                if (!cache_write_store_line(request))
                        return;
        if (cache_write_must_go_through(request))
                cache_write_await(request);
        else
                cache_request_finish(request);
}

/* What is at the device by now is not on the medium for sure. */
static void after_written(CacheRequest *request) {
        request->was_written = true;
        if (request->block->operation == BLOCK_OPERATION_STATUS) {
                request->n_resets = request->volume->n_resets;
                cache_request_enter(request, CACHE_REQUEST_STATE_READY);
        } else if (request->block->flags & BLOCK_REQUEST_FUA) {
                cache_request_enter(request, CACHE_REQUEST_STATE_FLUSHING);
        } else {
                cache_request_finish(request);
        }
        cache_volume_run_later(request->volume);
}

void cache_write_check(CacheRequest *request) {
        CacheVolume *volume = request->volume;

        while (request->position < request->end) {
                uint64_t stop = cache_request_get_line_stop(request);
                CacheEntry *entry = cache_volume_find(volume, request->position);
                int r = 0;

                if (entry)
                        r = cache_writer_check(volume, entry,
                                               cache_volume_blocks(volume, request->position, stop),
                                               request->sequence);
                if (r == -EAGAIN)
                        return;
                if (r < 0) {
                        cache_request_fail(request, r);
                        return;
                }
                request->position = stop;
        }
        after_written(request);
}
