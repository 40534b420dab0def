/*
 * The life of a request. READs are copied out in order, line by line, as the lines come. WRITEs go
 * into lines, and are done unless they must be at the device (write-through) or on the medium
 * (FUA). TRIM and large WRITE_ZEROES are for the device: they are alone with their range until it
 * has done them, and what the cache had there is forgotten. A request is never completed from
 * within a call of its owner: FINISHED is a state of its own.
 */

#include <errno.h>
#include <string.h>

#include "block/block_request.h"
#include "cache/cache_fill.h"
#include "cache/cache_manager_internal.h"
#include "cache/cache_run.h"
#include "cache/cache_state.h"
#include "cache/cache_writer.h"

/* What one READ or PREFETCH has on its way at once, and how small a part of the cache. */
#define FILL_WINDOW_SIZE (2 * MIB)
#define FILL_WINDOW_SHARE 8
/* Zeroes are written through lines if there are no more of them. */
#define ZEROES_IN_CACHE_SIZE_MAX (128 * KIB)
/* PREFETCH brings no more of what one request asks for. */
#define PREFETCH_SHARE 4

void cache_request_enter(CacheRequest *request, CacheRequestState state) {
        list_unlink(&request->node);
        request->state = state;
        list_append(&request->volume->requests[state], &request->node);
}

void cache_request_enter_filling(CacheRequest *request, CacheEntry *entry) {
        list_unlink(&request->node);
        request->state = CACHE_REQUEST_STATE_FILLING;
        list_append(&entry->waiters, &request->node);
}

static void finish(CacheRequest *request) {
        cache_request_enter(request, CACHE_REQUEST_STATE_FINISHED);
        cache_volume_run_later(request->volume);
}

void cache_request_fail(CacheRequest *request, int error) {
        assert(error < 0);

        request->error = error;
        finish(request);
}

/* All before `position` is good, and it is not. */
static void fail_at(CacheRequest *request, int error, uint64_t position) {
        request->is_error_exact = true;
        request->error_position = position;
        cache_request_fail(request, error);
}

static CacheMode mode_of(const CacheRequest *request) {
        return request->volume->manager->options.mode;
}

static uint64_t line_stop(const CacheRequest *request) {
        return MIN(cache_volume_line_end(request->volume, request->position), request->end);
}

/* Reading */

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
                        volume->manager->statistics.n_sum_errors++;
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
                return line_stop(request);
        return MAX(start + (uint64_t) end * request->volume->block_size, request->position);
}

static void copy_out(CacheRequest *request, CacheEntry *entry, uint64_t stop) {
        CacheVolume *volume = request->volume;

        if (request->block->operation == BLOCK_OPERATION_READ)
                block_request_scatter(request->block, request->position - request->block->offset,
                                      line_bytes(volume, entry) +
                                                      request->position % volume->line_size,
                                      stop - request->position);
        cache_fill_count_use(volume, entry, cache_volume_blocks(volume, request->position, stop));
        cache_volume_touch(volume, entry);
        request->position = stop;
        if (mode_of(request) == CACHE_MODE_OFF && cache_entry_may_evict(entry) &&
            list_is_empty(&entry->waiters))
                cache_table_release(volume->table, entry);
}

/* Copies what is there of the line at the request's position. False: that is not all of it, or the
 * request has failed. */
static bool copy_line(CacheRequest *request) {
        CacheVolume *volume = request->volume;
        CacheEntry *entry = cache_volume_find(volume, request->position);
        uint64_t stop = line_stop(request), valid_end;
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
                        fail_at(request, -EIO, request->position);
                        return false;
                }
                copy_out(request, entry, valid_end);
        }
        if (is_lost)
                fail_at(request, -EIO, request->position);
        return valid_end == stop;
}

static uint64_t fill_window(const CacheRequest *request) {
        const CacheTable *table = request->volume->table;
        uint64_t share = (uint64_t) table->n_used_max * request->volume->line_size /
                         FILL_WINDOW_SHARE;

        return MAX(MIN(FILL_WINDOW_SIZE, share), (uint64_t) request->volume->line_size);
}

/* Waits for the line at the request's position, which is not there. */
static void await_line(CacheRequest *request, CacheBits blocks) {
        CacheEntry *entry = cache_volume_find(request->volume, request->position);

        if (entry && cache_bits_intersect(entry->filling, cache_bits_without(blocks, entry->valid)))
                cache_request_enter_filling(request, entry);
        else
                cache_request_enter(request, CACHE_REQUEST_STATE_STARVING);
}

static bool is_on_its_way(const CacheRequest *request, CacheBits blocks) {
        CacheEntry *entry = cache_volume_find(request->volume, request->position);

        return entry && cache_bits_contain(cache_bits_or(entry->valid, entry->filling), blocks);
}

static void read_on(CacheRequest *request) {
        CacheVolume *volume = request->volume;
        CacheFillOptions options = {
                .is_exact = request->is_exact || mode_of(request) == CACHE_MODE_OFF,
        };
        CacheBits blocks;
        uint64_t window_end;

        while (request->position < request->end)
                if (!copy_line(request))
                        break;
        if (request->state == CACHE_REQUEST_STATE_FINISHED)
                return;
        if (request->position == request->end) {
                if (request->issued_end > request->block->offset)
                        volume->manager->statistics.n_misses++;
                else
                        volume->manager->statistics.n_hits++;
                finish(request);
                return;
        }

        blocks = cache_volume_blocks(volume, request->position, line_stop(request));
        window_end = MIN(request->end, request->position + fill_window(request));
        /* What was brought before and is gone again is brought again. */
        if (!is_on_its_way(request, blocks))
                request->issued_end = request->position;
        if (request->issued_end < window_end)
                request->issued_end = cache_fill_range(volume,
                                                       MAX(request->issued_end, request->position),
                                                       window_end, &options);
        await_line(request, blocks);
}

static bool is_alone(const CacheRequest *request, const BlockRequest *fill) {
        uint32_t block_size = request->volume->block_size;

        return fill->offset >= ALIGN_DOWN(request->position, block_size) &&
               fill->offset + fill->size <= ALIGN_UP(request->end, block_size);
}

void cache_request_fill_failed(CacheRequest *request, const BlockRequest *fill) {
        uint64_t position = request->position;

        if (fill->error == -ESHUTDOWN) {
                cache_request_enter(request, CACHE_REQUEST_STATE_READY);
                return;
        }
        if (fill->has_error_offset) {
                uint64_t bad = fill->error_offset;
                uint64_t block = ALIGN_DOWN(bad, request->volume->block_size);

                /* Else what is good is copied first; then it meets the bad block again. */
                if (block <= position && position < bad + request->volume->block_size) {
                        fail_at(request, fill->error, MAX(position, block));
                        return;
                }
        } else if (is_alone(request, fill)) {
                cache_request_fail(request, fill->error);
                return;
        }
        request->is_exact = true;
        cache_request_enter(request, CACHE_REQUEST_STATE_READY);
}

/* Writing */

/* Whether the bytes at an edge that share its block with the write are there. -EAGAIN: the request
 * waits for them, -EIO: they are lost. */
static int ready_edge(CacheRequest *request, CacheEntry *entry, uint64_t edge) {
        CacheVolume *volume = request->volume;
        uint64_t start = ALIGN_DOWN(edge, (uint64_t) volume->block_size);
        CacheFillOptions options = { .is_exact = true };
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
        await_line(request, block);
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
static bool store_line(CacheRequest *request) {
        CacheVolume *volume = request->volume;
        uint64_t stop = line_stop(request), size = stop - request->position;
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
                        fail_at(request, r, request->position);
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

static void await_written(CacheRequest *request) {
        request->position = request->block->offset;
        request->end = request->position + request->block->size;
        request->sequence = request->volume->write_sequence;
        cache_request_enter(request, CACHE_REQUEST_STATE_WRITING);
        cache_volume_run_later(request->volume);
}

/* A device that could not write lately has everybody told at once what it can. */
static bool must_write_through(const CacheRequest *request) {
        const CacheVolume *volume = request->volume;

        return request->block->flags & BLOCK_REQUEST_FUA ||
               mode_of(request) != CACHE_MODE_WRITE_BACK ||
               event_loop_now_ns(volume->device.loop) < volume->retry_ns;
}

static void write_on(CacheRequest *request) {
        while (request->position < request->end)
                if (!store_line(request))
                        return;
        if (must_write_through(request))
                await_written(request);
        else
                finish(request);
}

/* What is at the device by now is not on the medium for sure. */
static void after_written(CacheRequest *request) {
        request->was_written = true;
        if (request->block->operation == BLOCK_OPERATION_STATUS) {
                cache_request_enter(request, CACHE_REQUEST_STATE_READY);
        } else if (request->block->flags & BLOCK_REQUEST_FUA) {
                cache_request_enter(request, CACHE_REQUEST_STATE_FLUSHING);
        } else {
                finish(request);
        }
        cache_volume_run_later(request->volume);
}

void cache_request_check_written(CacheRequest *request) {
        CacheVolume *volume = request->volume;

        while (request->position < request->end) {
                uint64_t stop = line_stop(request);
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

void cache_request_synced(CacheRequest *request, int error) {
        if (error == -EAGAIN)
                cache_request_enter(request, CACHE_REQUEST_STATE_FLUSHING);
        else if (error < 0)
                cache_request_fail(request, error);
        else
                finish(request);
}

static void start_flush(CacheRequest *request) {
        CacheVolume *volume = request->volume;
        bool is_upkeep = request->block == &volume->upkeep_block;

        if (!is_upkeep || event_loop_now_ns(volume->device.loop) >= volume->retry_ns)
                cache_state_retry(volume);
        request->sequence = volume->write_sequence;
        cache_request_enter(request, CACHE_REQUEST_STATE_FLUSHING);
}

/* What the device does itself */

static void forget_part(CacheVolume *volume, CacheEntry *entry, uint64_t offset, uint64_t end) {
        uint64_t start = entry->line * volume->line_size;
        uint64_t first = MAX(start, offset), stop = MIN(start + volume->line_size, end);

        if (first < stop)
                cache_state_drop(volume, entry, cache_volume_blocks(volume, first, stop));
}

/* Goes through the lines of the range, or through all slots if these are fewer. */
static void forget_lines(CacheVolume *volume, uint64_t offset, uint64_t end) {
        CacheTable *table = volume->table;

        if ((end - offset) / volume->line_size > table->n_slots) {
                for (uint32_t slot = 0; slot < table->n_slots; slot++)
                        if (table->entries[slot].volume == volume)
                                forget_part(volume, &table->entries[slot], offset, end);
                return;
        }
        for (uint64_t position = offset; position < end;
             position = cache_volume_line_end(volume, position)) {
                CacheEntry *entry = cache_volume_find(volume, position);

                if (entry)
                        forget_part(volume, entry, offset, end);
        }
}

static bool changes_below(const CacheRequest *request) {
        return request->lower.operation != BLOCK_OPERATION_STATUS;
}

bool cache_request_excludes(const CacheRequest *request, uint64_t offset, uint64_t end) {
        const BlockRequest *lower = &request->lower;

        assert(request->state == CACHE_REQUEST_STATE_SENDING ||
               request->state == CACHE_REQUEST_STATE_BELOW);
        return changes_below(request) && lower->offset < end &&
               offset < lower->offset + lower->size;
}

static void after_below(CacheRequest *request) {
        CacheVolume *volume = request->volume;
        BlockRequest *lower = &request->lower;

        switch (lower->operation) {
        case BLOCK_OPERATION_STATUS:
                request->block->n_extents = lower->n_extents;
                finish(request);
                return;
        case BLOCK_OPERATION_WRITE_ZEROES:
                /* The device may have lost them again. */
                if (request->n_resets != volume->n_resets) {
                        cache_request_enter(request, CACHE_REQUEST_STATE_SENDING);
                        return;
                }
                break;
        case BLOCK_OPERATION_TRIM:
                break;
        case BLOCK_OPERATION_READ:
        case BLOCK_OPERATION_WRITE:
        case BLOCK_OPERATION_FLUSH:
        case BLOCK_OPERATION_PREFETCH:
        case _BLOCK_OPERATION_MAX:
                assert_not_reached(); /* the cache does these itself */
        }
        forget_lines(volume, lower->offset, lower->offset + lower->size);
        request->was_cleared = true;
        request->position = lower->offset + lower->size;
        cache_request_enter(request, CACHE_REQUEST_STATE_READY);
}

static void on_lower_done(BlockRequest *lower) {
        CacheRequest *request = container_of(lower, CacheRequest, lower);
        CacheVolume *volume = request->volume;

        cache_volume_returned(volume, lower->error);
        if (request->error < 0)
                finish(request); /* it was given up meanwhile */
        else if (lower->error == -ESHUTDOWN && !volume->is_shut_down)
                cache_request_enter(request, CACHE_REQUEST_STATE_SENDING);
        else if (lower->error < 0)
                cache_request_fail(request, lower->error);
        else
                after_below(request);
        cache_volume_run(volume);
}

void cache_request_send(CacheRequest *request) {
        CacheVolume *volume = request->volume;
        BlockRequest *lower = &request->lower;
        uint64_t end = lower->offset + lower->size;
        int r;

        if (!cache_volume_may_submit(volume))
                return;
        if (changes_below(request)) {
                if (cache_run_touches(volume, lower->offset, end))
                        return;
                cache_writer_before_change(volume, lower->offset, end);
        }
        lower->deadline_ns = cache_volume_get_lower_deadline_ns(volume);
        lower->done = on_lower_done;
        request->n_resets = volume->n_resets;
        r = cache_volume_submit_below(volume, lower);
        if (r == 0)
                cache_request_enter(request, CACHE_REQUEST_STATE_BELOW);
        else if (r != -ESHUTDOWN && r != -EBUSY)
                cache_request_fail(request, r);
}

static void send_soon(CacheRequest *request) {
        cache_request_enter(request, CACHE_REQUEST_STATE_SENDING);
        cache_volume_run_later(request->volume);
}

/* The middle part of a request that clears, which is the device's to do. False: there is none. */
static bool get_middle(const CacheRequest *request, uint64_t *ret_offset, uint64_t *ret_end) {
        const BlockRequest *block = request->block;
        uint64_t unit = block->operation == BLOCK_OPERATION_TRIM ? request->volume->block_size
                                                                 : request->volume->line_size;

        if (block->operation == BLOCK_OPERATION_WRITE_ZEROES &&
            block->size <= ZEROES_IN_CACHE_SIZE_MAX)
                return false;
        *ret_offset = ALIGN_UP(block->offset, unit);
        *ret_end = ALIGN_DOWN(block->offset + block->size, unit);
        return *ret_offset < *ret_end;
}

static void clear_middle(CacheRequest *request, uint64_t offset, uint64_t end) {
        const BlockRequest *block = request->block;

        request->lower = (BlockRequest){
                .operation = block->operation,
                .flags = block->flags,
                .offset = offset,
                .size = end - offset,
        };
        /* The cache does not hold these zeroes, so the medium must. */
        if (block->operation == BLOCK_OPERATION_WRITE_ZEROES)
                request->lower.flags |= BLOCK_REQUEST_FUA;
        send_soon(request);
}

/* Zeroes before and behind the middle are written as data; a TRIM leaves them. */
static void clear_on(CacheRequest *request) {
        bool is_trim = request->block->operation == BLOCK_OPERATION_TRIM;
        uint64_t end = request->block->offset + request->block->size;
        uint64_t middle_offset, middle_end;

        if (get_middle(request, &middle_offset, &middle_end) && !request->was_cleared) {
                request->end = middle_offset;
                while (!is_trim && request->position < request->end)
                        if (!store_line(request))
                                return;
                clear_middle(request, middle_offset, middle_end);
                return;
        }
        request->end = end;
        if (is_trim)
                finish(request);
        else
                write_on(request);
}

static void ask_status(CacheRequest *request) {
        const BlockRequest *block = request->block;

        request->lower = (BlockRequest){
                .operation = BLOCK_OPERATION_STATUS,
                .offset = block->offset,
                .size = block->size,
                .extents = block->extents,
                .n_extents_max = block->n_extents_max,
        };
        send_soon(request);
}

/* What is dirty would be told as a hole, so it is written first. */
static void status_on(CacheRequest *request) {
        if (request->was_written)
                ask_status(request);
        else
                await_written(request);
}

/* All of them */

static bool is_exclusive(const CacheRequest *request) {
        uint64_t offset, end;

        return (request->block->operation == BLOCK_OPERATION_TRIM ||
                request->block->operation == BLOCK_OPERATION_WRITE_ZEROES) &&
               get_middle(request, &offset, &end);
}

static bool acquire_range(CacheRequest *request) {
        const BlockRequest *block = request->block;
        uint64_t block_size = request->volume->block_size;

        request->has_range = block->operation != BLOCK_OPERATION_FLUSH;
        if (!request->has_range)
                return true;
        request->range = (BlockRange){
                .first = ALIGN_DOWN(block->offset, block_size),
                .end = ALIGN_UP(block->offset + block->size, block_size),
                .is_exclusive = is_exclusive(request),
        };
        return block_range_lock_acquire(&request->volume->lock, &request->range);
}

void cache_request_go_on(CacheRequest *request) {
        switch (request->block->operation) {
        case BLOCK_OPERATION_READ:
        case BLOCK_OPERATION_PREFETCH:
                read_on(request);
                return;
        case BLOCK_OPERATION_WRITE:
                write_on(request);
                return;
        case BLOCK_OPERATION_FLUSH:
                start_flush(request);
                return;
        case BLOCK_OPERATION_TRIM:
        case BLOCK_OPERATION_WRITE_ZEROES:
                clear_on(request);
                return;
        case BLOCK_OPERATION_STATUS:
                status_on(request);
                return;
        case _BLOCK_OPERATION_MAX:
                break;
        }
        assert_not_reached();
}

static void prefetch_no_more(CacheRequest *request) {
        const CacheTable *table = request->volume->table;
        uint64_t share = (uint64_t) table->n_used_max * request->volume->line_size / PREFETCH_SHARE;

        request->end = MIN(request->end, request->position + share);
}

static bool must_be_throttled(const CacheRequest *request) {
        const CacheManager *manager = request->volume->manager;
        bool is_first = list_is_empty(&request->volume->requests[CACHE_REQUEST_STATE_THROTTLED]);

        if (request->block->operation != BLOCK_OPERATION_WRITE || must_write_through(request))
                return false;
        return !is_first || cache_manager_get_write_delay_ns(manager, request->block->size) > 0;
}

void cache_request_start(CacheRequest *request, BlockRequest *block) {
        CacheVolume *volume = request->volume;

        assert(request->state == CACHE_REQUEST_STATE_FREE);

        *request = (CacheRequest){
                .volume = volume,
                .block = block,
                .node = request->node,
                .active_node = request->active_node,
                .deadline_ns = block->deadline_ns,
                .position = block->offset,
                .issued_end = block->offset,
                .end = block->offset + block->size,
        };
        block->device_private = request;
        list_append(&volume->active, &request->active_node);
        if (block->operation == BLOCK_OPERATION_PREFETCH)
                prefetch_no_more(request);
        if (block->operation == BLOCK_OPERATION_READ && mode_of(request) != CACHE_MODE_OFF)
                cache_fill_observe(volume, block->offset, block->size);

        if (!acquire_range(request)) {
                cache_request_enter(request, CACHE_REQUEST_STATE_BLOCKED);
        } else if (must_be_throttled(request)) {
                volume->manager->statistics.n_writes_delayed++;
                cache_request_enter(request, CACHE_REQUEST_STATE_THROTTLED);
        } else {
                cache_request_enter(request, CACHE_REQUEST_STATE_READY);
                cache_request_go_on(request);
        }
}

void cache_request_give_up(CacheRequest *request, int error, bool with_lower) {
        if (request->state == CACHE_REQUEST_STATE_FINISHED)
                return;
        if (request->state != CACHE_REQUEST_STATE_BELOW) {
                cache_request_fail(request, error);
                return;
        }
        /* The device below has it, and has its own deadline. */
        if (!with_lower)
                return;
        request->error = error;
        if (request->volume->lower)
                block_device_cancel(request->volume->lower, &request->lower);
}

static bool has_data(const BlockRequest *block) {
        return block->operation == BLOCK_OPERATION_READ ||
               block->operation == BLOCK_OPERATION_WRITE;
}

void cache_request_complete(CacheRequest *request) {
        BlockRequest *block = request->block;
        int error = request->error;

        assert(request->state == CACHE_REQUEST_STATE_FINISHED);

        if (error < 0 && has_data(block) && request->is_error_exact) {
                block->has_error_offset = true;
                block->error_offset = request->error_position;
        }
        if (request->has_range)
                block_range_lock_release(&request->volume->lock, &request->range);
        list_unlink(&request->active_node);
        request->block = NULL;
        cache_request_enter(request, CACHE_REQUEST_STATE_FREE);
        block_request_complete(block, error);
}
