/*
 * TRIM and large WRITE_ZEROES are for the device: they are alone with their range until it has done
 * them, and what the cache had there is forgotten. What is dirty would be told as a hole, so it is
 * written before the device is asked for the status of blocks.
 */

#include <errno.h>

#include "block/block_request.h"
#include "cache/cache_clear.h"
#include "cache/cache_fill.h"
#include "cache/cache_manager_internal.h"
#include "cache/cache_run.h"
#include "cache/cache_state.h"
#include "cache/cache_write.h"
#include "cache/cache_writer.h"

/* Zeroes are written through lines if there are no more of them. */
#define ZEROES_IN_CACHE_SIZE_MAX (128 * KIB)

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
        return request->lower.operation == BLOCK_OPERATION_TRIM ||
               request->lower.operation == BLOCK_OPERATION_WRITE_ZEROES;
}

static bool touches(const CacheVolume *volume, CacheRequestState state, uint64_t offset,
                    uint64_t end) {
        LIST_FOR_EACH (node, (ListNode *) &volume->requests[state]) {
                const CacheRequest *request = list_entry(node, CacheRequest, node);
                const BlockRequest *lower = &request->lower;

                if (changes_below(request) && lower->offset < end &&
                    offset < lower->offset + lower->size)
                        return true;
        }
        return false;
}

bool cache_clear_touches(const CacheVolume *volume, uint64_t offset, uint64_t end) {
        return touches(volume, CACHE_REQUEST_STATE_SENDING, offset, end) ||
               touches(volume, CACHE_REQUEST_STATE_BELOW, offset, end);
}

static void after_below(CacheRequest *request) {
        CacheVolume *volume = request->volume;
        BlockRequest *lower = &request->lower;

        switch (lower->operation) {
        case BLOCK_OPERATION_STATUS:
                if (request->n_resets != volume->n_resets) {
                        cache_write_await(request);
                        return;
                }
                request->block->n_extents = lower->n_extents;
                cache_request_finish(request);
                return;
        case BLOCK_OPERATION_WRITE_ZEROES:
                /* The device may have lost them again. */
                if (request->n_resets != volume->n_resets) {
                        cache_request_enter(request, CACHE_REQUEST_STATE_SENDING);
                        return;
                }
                break;
        case BLOCK_OPERATION_TRIM:
                volume->trim_epoch = volume->sync_epoch + 1;
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

/*
 * A TRIM is a hint: one that the device no longer takes is left alone. Zeroes that failed may be in
 * the device's own cache, where they are seen and then lost: they become dirty data.
 */
static void fail(CacheRequest *request, int error) {
        bool is_trim = request->lower.operation == BLOCK_OPERATION_TRIM;

        if (is_trim && error == -EOPNOTSUPP) {
                cache_request_finish(request);
        } else if (request->lower.operation == BLOCK_OPERATION_WRITE_ZEROES && error == -EIO) {
                request->was_cleared = true;
                cache_request_enter(request, CACHE_REQUEST_STATE_READY);
        } else {
                cache_request_fail(request, error);
        }
}

static void on_lower_done(BlockRequest *lower) {
        CacheRequest *request = container_of(lower, CacheRequest, lower);
        CacheVolume *volume = request->volume;

        cache_volume_returned(volume, lower->error);
        if (request->error < 0)
                cache_request_finish(request); /* it was given up meanwhile */
        else if (volume->is_shut_down)
                cache_request_fail(request, -ESHUTDOWN);
        else if (lower->error == -ESHUTDOWN)
                cache_request_enter(request, CACHE_REQUEST_STATE_SENDING);
        else if (lower->error < 0)
                fail(request, lower->error);
        else
                after_below(request);
        cache_volume_run(volume);
}

void cache_clear_send(CacheRequest *request) {
        CacheVolume *volume = request->volume;
        BlockRequest *lower = &request->lower;
        uint64_t end = lower->offset + lower->size;
        int r;

        if (!cache_volume_may_submit(volume))
                return;
        /* The device may have lost what was written for it. */
        if (!changes_below(request) && request->n_resets != volume->n_resets) {
                cache_write_await(request);
                return;
        }
        if (changes_below(request)) {
                if (cache_run_touches(volume, lower->offset, end))
                        return;
                cache_writer_before_change(volume, lower->offset, end);
        }
        lower->deadline_ns = request->deadline_ns;
        lower->done = on_lower_done;
        request->n_resets = volume->n_resets;
        r = cache_volume_submit_below(volume, lower);
        if (r == 0)
                cache_request_enter(request, CACHE_REQUEST_STATE_BELOW);
        else if (r != -ESHUTDOWN && r != -EBUSY)
                fail(request, r);
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
void cache_clear_go_on(CacheRequest *request) {
        bool is_trim = request->block->operation == BLOCK_OPERATION_TRIM;
        uint64_t end = request->block->offset + request->block->size;
        uint64_t middle_offset, middle_end;

        if (get_middle(request, &middle_offset, &middle_end) && !request->was_cleared) {
                request->end = middle_offset;
                while (!is_trim && request->position < request->end)
                        if (!cache_write_store_line(request))
                                return;
                clear_middle(request, middle_offset, middle_end);
                return;
        }
        request->end = end;
        if (is_trim)
                cache_request_finish(request);
        else
                cache_write_go_on(request);
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
void cache_clear_ask_status(CacheRequest *request) {
        if (request->was_written)
                ask_status(request);
        else
                cache_write_await(request);
}

bool cache_clear_is_due(const CacheRequest *request) {
        uint64_t offset, end;

        return (request->block->operation == BLOCK_OPERATION_TRIM ||
                request->block->operation == BLOCK_OPERATION_WRITE_ZEROES) &&
               get_middle(request, &offset, &end);
}
