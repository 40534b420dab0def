/*
 * A request's data as one run of bytes, however many segments it lies in.
 */

#include <string.h>

#include "block/block_request.h"

/* Finds the segment that holds `position`, which becomes relative to it. */
static size_t find_segment(const BlockRequest *request, uint64_t *position) {
        size_t i = 0;

        while (*position >= request->segments[i].iov_len) {
                *position -= request->segments[i].iov_len;
                i++;
                assert(i < request->n_segments);
        }
        return i;
}

void *block_request_get_contiguous(const BlockRequest *request, uint64_t position, size_t size) {
        const struct iovec *segment;

        assert(position + size <= request->size);

        segment = &request->segments[find_segment(request, &position)];
        if (size > segment->iov_len - position)
                return NULL;
        return (uint8_t *) segment->iov_base + position;
}

void block_request_gather(const BlockRequest *request, uint64_t position, void *memory,
                          size_t size) {
        uint8_t *to = memory;

        assert(position + size <= request->size);

        for (size_t i = find_segment(request, &position); size > 0; i++) {
                const struct iovec *segment = &request->segments[i];
                size_t n = MIN(size, segment->iov_len - position);

                memcpy(to, (const uint8_t *) segment->iov_base + position, n);
                to += n;
                size -= n;
                position = 0;
        }
}

void block_request_scatter(const BlockRequest *request, uint64_t position, const void *memory,
                           size_t size) {
        const uint8_t *from = memory;

        assert(position + size <= request->size);

        for (size_t i = find_segment(request, &position); size > 0; i++) {
                const struct iovec *segment = &request->segments[i];
                size_t n = MIN(size, segment->iov_len - position);

                memcpy((uint8_t *) segment->iov_base + position, from, n);
                from += n;
                size -= n;
                position = 0;
        }
}

void block_request_complete(BlockRequest *request, int error) {
        assert(error <= 0);
        assert(error < 0 || !request->has_error_offset);
        assert(!request->has_error_offset ||
               request->error_offset - request->offset < request->size);

        request->error = error;
        request->done(request);
}
