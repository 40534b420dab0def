/*
 * While a READ is on its way here, others may write the same blocks: as it was not answered before,
 * it may see either. What was acknowledged earlier and may not be on the medium has a line, and is
 * never read here.
 */

#include <errno.h>

#include "block/block_request.h"
#include "cache/cache_direct.h"
#include "cache/cache_manager_internal.h"

/* Large by itself, or large enough for a client that keeps the device busy: then there is nothing to
 * be won by reading ahead of it. */
#define LARGE_LINES 4
#define BUSY_LINES 2
#define BUSY_READS 3
#define COMMAND_SIZE_MAX (2 * MIB)

static bool is_large(const CacheRequest *request) {
        const CacheVolume *volume = request->volume;
        uint64_t n_lines = request->block->size / volume->line_size;

        return n_lines >= (volume->n_reads >= BUSY_READS ? BUSY_LINES : LARGE_LINES);
}

static uint32_t hash_line(const CacheVolume *volume, uint64_t offset) {
        return cache_ghost_hash(offset / volume->line_size);
}

/* Of each line of the range, not only of the first that was. */
static bool was_passed(CacheVolume *volume, uint64_t offset, uint64_t end) {
        bool was = false;

        for (uint64_t at = offset; at < end; at = cache_volume_line_end(volume, at))
                was |= cache_ghost_take(&volume->passed, hash_line(volume, at),
                                        volume->table->n_used_max);
        return was;
}

bool cache_direct_suits(const CacheRequest *request) {
        CacheVolume *volume = request->volume;
        uint64_t offset = request->block->offset, end = offset + request->block->size;

        if (cache_request_get_mode(request) == CACHE_MODE_OFF)
                return true;
        if (!is_large(request) || was_passed(volume, offset, end))
                return false;
        for (uint64_t at = offset; at < end; at = cache_volume_line_end(volume, at))
                cache_ghost_put(&volume->passed, hash_line(volume, at));
        return true;
}

/* Up to where there are no lines from its position on. */
static uint64_t find_stop(const CacheRequest *request) {
        const CacheVolume *volume = request->volume;
        uint64_t end = MIN(request->end, request->position + COMMAND_SIZE_MAX);
        uint64_t at = request->position;

        while (at < end && !cache_volume_find(volume, at))
                at = MIN(cache_volume_line_end(volume, at), end);
        return at;
}

static void take_bytes(CacheRequest *request) {
        const BlockRequest *lower = &request->lower, *block = request->block;
        uint64_t end = MIN(lower->offset + lower->size, request->end);

        if (lower->error < 0)
                end = lower->has_error_offset ? MIN(lower->error_offset, end) : 0;
        if (end <= request->position)
                return;
        block_request_scatter(block, request->position - block->offset,
                              (const uint8_t *) request->segment.iov_base +
                                              (request->position - lower->offset),
                              end - request->position);
        request->position = end;
}

static bool has_expired(const CacheRequest *request) {
        return event_loop_now_ns(request->volume->device.loop) >= request->deadline_ns;
}

static void go_on(CacheRequest *request) {
        const BlockRequest *lower = &request->lower;

        if (request->error < 0)
                cache_request_finish(request); /* it was given up meanwhile */
        else if (request->volume->is_shut_down)
                cache_request_fail(request, -ESHUTDOWN);
        else if (lower->error < 0 && lower->has_error_offset)
                cache_request_fail_at(request, lower->error,
                                      MAX(request->position, lower->error_offset));
        else if (lower->error == -ETIMEDOUT && has_expired(request))
                cache_request_fail(request, lower->error);
        else
                cache_request_enter(request, CACHE_REQUEST_STATE_READY);
}

static void on_lower_done(BlockRequest *lower) {
        CacheRequest *request = container_of(lower, CacheRequest, lower);
        CacheVolume *volume = request->volume;

        take_bytes(request);
        staging_put(volume->lower_staging, request->segment.iov_base, request->segment.iov_len);
        cache_volume_returned(volume, lower->error);
        /* Where it failed is found out line by line. */
        if (lower->error < 0 && lower->error != -ESHUTDOWN)
                request->is_direct = false;
        go_on(request);
        cache_volume_run(volume);
}

bool cache_direct_send(CacheRequest *request) {
        CacheVolume *volume = request->volume;
        uint64_t stop = find_stop(request);
        uint64_t offset = ALIGN_DOWN(request->position, volume->block_size);
        uint64_t size = ALIGN_UP(stop, volume->block_size) - offset;
        void *buffer;

        if (stop == request->position || !cache_volume_may_submit(volume))
                return false;
        buffer = staging_get(volume->lower_staging, size);
        if (!buffer)
                return false;
        request->segment = (struct iovec){ .iov_base = buffer, .iov_len = size };
        request->lower = (BlockRequest){
                .operation = BLOCK_OPERATION_READ,
                .offset = offset,
                .size = size,
                .segments = &request->segment,
                .n_segments = 1,
                .deadline_ns = MIN(request->deadline_ns,
                                   cache_volume_get_lower_deadline_ns(volume)),
                .done = on_lower_done,
        };
        if (cache_volume_submit_below(volume, &request->lower) < 0) {
                staging_put(volume->lower_staging, buffer, size);
                return false;
        }
        request->issued_end = MAX(request->issued_end, stop);
        CACHE_COUNT(volume, direct_size, stop - request->position);
        cache_request_enter(request, CACHE_REQUEST_STATE_BELOW);
        return true;
}
