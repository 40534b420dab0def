/*
 * Who reads one part after the other, several at a time, has as much in one command as the device takes,
 * or in a few where that is little: while it is busy, READs that go on where the former one ended are
 * gathered. One of them, the leader, has the request to the device below; what comes back is shared out.
 * Where that fails each goes its own way.
 *
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
/* Of devices that take little at once several commands' worth goes together, but not so much that others
 * wait for long. */
#define GATHERED_SIZE (512 * KIB)
/* So many of ours keep the device below busy. */
#define DIRECT_MIN 2

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

/* From the memory that `lower` was read into. */
static void take_bytes(CacheRequest *request, const BlockRequest *lower) {
        const BlockRequest *block = request->block;
        uint64_t end = MIN(lower->offset + lower->size, request->end);

        if (lower->error < 0)
                end = lower->has_error_offset ? MIN(lower->error_offset, end) : 0;
        if (end <= request->position)
                return;
        block_request_scatter(block, request->position - block->offset,
                              (const uint8_t *) lower->segments[0].iov_base +
                                              (request->position - lower->offset),
                              end - request->position);
        request->position = end;
}

static bool has_expired(const CacheRequest *request) {
        return event_loop_now_ns(request->volume->device.loop) >= request->deadline_ns;
}

/* What went with others goes alone now; what was alone is looked at line by line, to find where it failed. */
static void go_on_after_error(CacheRequest *request, const BlockRequest *lower, bool is_shared) {
        request->is_single = true;
        request->is_direct = is_shared || lower->error == -ESHUTDOWN;
        if (lower->has_error_offset && !is_shared)
                cache_request_fail_at(request, lower->error,
                                      MAX(request->position, lower->error_offset));
        else if (lower->error == -ETIMEDOUT && has_expired(request))
                cache_request_fail(request, lower->error);
        else
                cache_request_enter(request, CACHE_REQUEST_STATE_READY);
}

static void go_on(CacheRequest *request, const BlockRequest *lower, bool is_shared) {
        take_bytes(request, lower);
        if (request->error < 0)
                cache_request_finish(request); /* it was given up meanwhile */
        else if (request->volume->is_shut_down)
                cache_request_fail(request, -ESHUTDOWN);
        else if (lower->error < 0 && request->position < request->end)
                go_on_after_error(request, lower, is_shared);
        else
                cache_request_enter(request, CACHE_REQUEST_STATE_READY);
}

/* Whether there were any. */
static bool share_out(CacheVolume *volume, const CacheRequest *leader) {
        bool is_shared = false;

        LIST_FOR_EACH (node, &volume->requests[CACHE_REQUEST_STATE_JOINED]) {
                CacheRequest *request = list_entry(node, CacheRequest, node);

                if (request->leader != leader)
                        continue;
                is_shared = true;
                go_on(request, &leader->lower, is_shared);
        }
        return is_shared;
}

static void on_lower_done(BlockRequest *lower) {
        CacheRequest *request = container_of(lower, CacheRequest, lower);
        CacheVolume *volume = request->volume;
        bool is_shared = share_out(volume, request);

        volume->n_direct--;
        go_on(request, lower, is_shared);
        staging_put(volume->lower_staging, request->segment.iov_base, request->segment.iov_len);
        cache_volume_returned(volume, lower->error);
        cache_volume_run(volume);
}

/* Reads from its position on up to `stop`, which may be another one's. */
static bool submit(CacheRequest *request, uint64_t stop, uint64_t deadline_ns) {
        CacheVolume *volume = request->volume;
        uint64_t offset = ALIGN_DOWN(request->position, volume->block_size);
        uint64_t size = ALIGN_UP(stop, volume->block_size) - offset;
        void *buffer;

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
                .deadline_ns = MIN(deadline_ns, cache_volume_get_lower_deadline_ns(volume)),
                .done = on_lower_done,
        };
        if (cache_volume_submit_below(volume, &request->lower) < 0) {
                staging_put(volume->lower_staging, buffer, size);
                return false;
        }
        volume->n_direct++;
        request->issued_end = MAX(request->issued_end, MIN(stop, request->end));
        CACHE_COUNT(volume, direct_size, stop - request->position);
        cache_request_enter(request, CACHE_REQUEST_STATE_BELOW);
        return true;
}

/* Gathering */

static uint64_t size_max(const CacheVolume *volume) {
        uint64_t command_size =
                        MIN(volume->lower->info.transfer_size_max, (uint64_t) COMMAND_SIZE_MAX);

        return MAX(command_size, GATHERED_SIZE - GATHERED_SIZE % command_size);
}

static bool is_to_be_gathered(const CacheRequest *request, uint64_t stop) {
        const CacheVolume *volume = request->volume;

        return volume->n_direct >= DIRECT_MIN && !request->is_single && stop == request->end &&
               request->position == volume->direct_end &&
               stop - request->position < size_max(volume);
}

bool cache_direct_send(CacheRequest *request) {
        CacheVolume *volume = request->volume;
        uint64_t stop = find_stop(request);

        if (stop == request->position || !cache_volume_may_submit(volume))
                return false;
        if (is_to_be_gathered(request, stop))
                cache_request_enter(request, CACHE_REQUEST_STATE_GATHERING);
        else if (!submit(request, stop, request->deadline_ns))
                return false;
        volume->direct_end = stop;
        return true;
}

/* Whether it follows, the cache still has nothing of it, and it does not make the command too large. */
static bool can_join(const CacheRequest *request, const CacheRequest *leader, uint64_t end) {
        return request->position == end && find_stop(request) == request->end &&
               request->end - leader->position <= size_max(leader->volume);
}

/* Those that follow the leader, which is not among them any more. */
static void join(CacheRequest *leader, uint64_t end) {
        uint64_t at = leader->end;

        LIST_FOR_EACH (node, &leader->volume->requests[CACHE_REQUEST_STATE_GATHERING]) {
                CacheRequest *request = list_entry(node, CacheRequest, node);

                if (at == end)
                        return;
                assert(request->position == at);
                at = request->end;
                request->leader = leader;
                request->issued_end = request->end;
                cache_request_enter(request, CACHE_REQUEST_STATE_JOINED);
        }
}

/* The first one that was gathered, with those behind it that follow. */
static bool send_first(CacheVolume *volume) {
        ListNode *gathering = &volume->requests[CACHE_REQUEST_STATE_GATHERING];
        CacheRequest *leader = list_entry(list_first(gathering), CacheRequest, node);
        uint64_t end = leader->position, deadline_ns = leader->deadline_ns;

        LIST_FOR_EACH (node, gathering) {
                const CacheRequest *request = list_entry(node, CacheRequest, node);

                if (!can_join(request, leader, end))
                        break;
                end = request->end;
                deadline_ns = MIN(deadline_ns, request->deadline_ns);
        }
        if (end == leader->position || !submit(leader, end, deadline_ns))
                return false;
        join(leader, end);
        return true;
}

void cache_direct_run(CacheVolume *volume) {
        ListNode *gathering = &volume->requests[CACHE_REQUEST_STATE_GATHERING];

        while (volume->n_direct < DIRECT_MIN && !list_is_empty(gathering)) {
                CacheRequest *first = list_entry(list_first(gathering), CacheRequest, node);

                if (cache_volume_may_submit(volume) && send_first(volume))
                        continue;
                first->is_single = true;
                cache_request_enter(first, CACHE_REQUEST_STATE_READY);
        }
}
