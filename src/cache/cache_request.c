/*
 * The life of a request, whatever it is. It is never completed from within a call of its owner:
 * FINISHED is a state of its own.
 */

#include <errno.h>

#include "block/block_request.h"
#include "cache/cache_ahead.h"
#include "cache/cache_clear.h"
#include "cache/cache_direct.h"
#include "cache/cache_manager_internal.h"
#include "cache/cache_read.h"
#include "cache/cache_state.h"
#include "cache/cache_write.h"

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

void cache_request_finish(CacheRequest *request) {
        cache_request_enter(request, CACHE_REQUEST_STATE_FINISHED);
        cache_volume_run_later(request->volume);
}

void cache_request_fail(CacheRequest *request, int error) {
        assert(error < 0);

        request->error = error;
        cache_request_finish(request);
}

/* All before `position` is good, and it is not. */
void cache_request_fail_at(CacheRequest *request, int error, uint64_t position) {
        request->is_error_exact = true;
        request->error_position = position;
        cache_request_fail(request, error);
}

CacheMode cache_request_get_mode(const CacheRequest *request) {
        return request->volume->manager->options.mode;
}

uint64_t cache_request_get_line_stop(const CacheRequest *request) {
        return MIN(cache_volume_line_end(request->volume, request->position), request->end);
}

void cache_request_synced(CacheRequest *request, int error) {
        if (error == -EAGAIN)
                cache_request_enter(request, CACHE_REQUEST_STATE_FLUSHING);
        else if (error < 0)
                cache_request_fail(request, error);
        else
                cache_request_finish(request);
}

static void start_flush(CacheRequest *request) {
        CacheVolume *volume = request->volume;
        bool is_upkeep = request->block == &volume->upkeep_block;

        if (!is_upkeep || event_loop_now_ns(volume->device.loop) >= volume->retry_ns)
                cache_state_retry(volume);
        request->sequence = volume->write_sequence;
        cache_request_enter(request, CACHE_REQUEST_STATE_FLUSHING);
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
                .is_exclusive = cache_clear_is_due(request),
        };
        return block_range_lock_acquire(&request->volume->lock, &request->range);
}

void cache_request_go_on(CacheRequest *request) {
        switch (request->block->operation) {
        case BLOCK_OPERATION_READ:
        case BLOCK_OPERATION_PREFETCH:
                cache_read_go_on(request);
                return;
        case BLOCK_OPERATION_WRITE:
                cache_write_go_on(request);
                return;
        case BLOCK_OPERATION_FLUSH:
                start_flush(request);
                return;
        case BLOCK_OPERATION_TRIM:
        case BLOCK_OPERATION_WRITE_ZEROES:
                cache_clear_go_on(request);
                return;
        case BLOCK_OPERATION_STATUS:
                cache_clear_ask_status(request);
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

        if (request->block->operation != BLOCK_OPERATION_WRITE ||
            cache_write_must_go_through(request))
                return false;
        return !is_first || cache_manager_get_write_delay_ns(manager, request->block->size) > 0;
}

static void start_read(CacheRequest *request) {
        CacheVolume *volume = request->volume;

        request->is_direct = cache_direct_suits(request);
        if (!request->is_direct)
                request->stream = cache_ahead_observe(volume, request->block->offset,
                                                      request->block->size);
        volume->n_reads++;
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
                .stream = CACHE_STREAM_NONE,
        };
        block->device_private = request;
        list_append(&volume->active, &request->active_node);
        if (block->operation == BLOCK_OPERATION_PREFETCH)
                prefetch_no_more(request);
        if (block->operation == BLOCK_OPERATION_READ)
                start_read(request);
        if (volume->is_held && block->operation != BLOCK_OPERATION_FLUSH)
                cache_request_enter(request, CACHE_REQUEST_STATE_HELD);
        else
                cache_request_begin(request);
}

void cache_request_begin(CacheRequest *request) {
        CacheVolume *volume = request->volume;

        if (!acquire_range(request)) {
                cache_request_enter(request, CACHE_REQUEST_STATE_BLOCKED);
        } else if (must_be_throttled(request)) {
                CACHE_COUNT(volume, n_writes_delayed, 1);
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

/* Others may be granted theirs now. */
static void release_range(CacheRequest *request) {
        CacheVolume *volume = request->volume;

        if (!request->has_range)
                return;
        block_range_lock_release(&volume->lock, &request->range);
        if (volume->lock.n_waiting > 0)
                cache_volume_run_later(volume);
}

static void end_read(CacheVolume *volume) {
        volume->n_reads--;
        volume->last_read_ns = event_loop_now_ns(volume->device.loop);
}

void cache_request_complete(CacheRequest *request) {
        BlockRequest *block = request->block;
        int error = request->error;

        assert(request->state == CACHE_REQUEST_STATE_FINISHED);

        if (error < 0 && has_data(block) && request->is_error_exact) {
                block->has_error_offset = true;
                block->error_offset = request->error_position;
        }
        if (block->operation == BLOCK_OPERATION_READ)
                end_read(request->volume);
        release_range(request);
        list_unlink(&request->active_node);
        request->block = NULL;
        cache_request_enter(request, CACHE_REQUEST_STATE_FREE);
        block_request_complete(block, error);
}
