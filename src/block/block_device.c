/*
 * The wrappers around a BlockDevice's vtable: each crossing of the layer is asserted here, on the
 * way in and on the way out, so that implementations and callers need not do it.
 */

#include <errno.h>
#include <string.h>

#include "block/block_device.h"

static uint64_t segments_size(const BlockRequest *request) {
        uint64_t size = 0;

        for (size_t i = 0; i < request->n_segments; i++)
                size += request->segments[i].iov_len;
        return size;
}

static BlockRequestFlags allowed_flags(BlockOperation operation) {
        switch (operation) {
        case BLOCK_OPERATION_WRITE:
        case BLOCK_OPERATION_TRIM:
                return BLOCK_REQUEST_FUA;
        case BLOCK_OPERATION_WRITE_ZEROES:
                return BLOCK_REQUEST_FUA | BLOCK_REQUEST_NO_HOLE | BLOCK_REQUEST_FAST_ONLY;
        case BLOCK_OPERATION_READ:
        case BLOCK_OPERATION_FLUSH:
        case BLOCK_OPERATION_PREFETCH:
        case BLOCK_OPERATION_STATUS:
                return 0;
        case _BLOCK_OPERATION_MAX:
                break;
        }
        assert_not_reached();
}

static bool has_proper_data(const BlockRequest *request) {
        switch (request->operation) {
        case BLOCK_OPERATION_READ:
        case BLOCK_OPERATION_WRITE:
                return request->size > 0 && request->size <= BLOCK_REQUEST_SIZE_MAX &&
                       segments_size(request) == request->size;
        case BLOCK_OPERATION_STATUS:
                return request->size > 0 && request->extents && request->n_extents_max > 0;
        case BLOCK_OPERATION_TRIM:
        case BLOCK_OPERATION_WRITE_ZEROES:
        case BLOCK_OPERATION_PREFETCH:
                return request->size > 0;
        case BLOCK_OPERATION_FLUSH:
                return request->size == 0;
        case _BLOCK_OPERATION_MAX:
                break;
        }
        assert_not_reached();
}

bool block_device_check(const BlockDevice *device, const BlockRequest *request) {
        if (request->operation >= _BLOCK_OPERATION_MAX || !request->done ||
            request->deadline_ns == 0)
                return false;
        if (request->flags & ~allowed_flags(request->operation))
                return false;
        if (!has_proper_data(request))
                return false;
        return request->operation == BLOCK_OPERATION_FLUSH ||
               block_device_has_range(device, request->offset, request->size);
}

bool block_device_has_range(const BlockDevice *device, uint64_t offset, uint64_t size) {
        return offset <= device->info.size && size <= device->info.size - offset;
}

const BlockInfo *block_device_get_info(const BlockDevice *device) {
        assert(device);
        return &device->info;
}

int block_device_submit(BlockDevice *device, BlockRequest *request) {
        int r;

        assert(device && device->ops->submit);
        assert(block_device_check(device, request));

        request->error = 0;
        request->has_error_offset = false;
        request->n_extents = 0;
        request->was_hit = false;

        r = device->ops->submit(device, request);
        assert(r <= 0);
        return r;
}

void block_device_cancel(BlockDevice *device, BlockRequest *request) {
        assert(device && device->ops->cancel);
        assert(request);

        device->ops->cancel(device, request);
}

bool block_device_lend(BlockDevice *device, uint64_t offset, uint64_t size, BlockLoan *ret) {
        assert(size > 0 && block_device_has_range(device, offset, size));

        return device->ops->lend && device->ops->lend(device, offset, size, ret);
}

void block_device_take_back(BlockDevice *device, BlockLoan *loan) {
        if (loan->n_parts > 0)
                device->ops->take_back(device, loan);
        assert(loan->n_parts == 0);
}

BlockDevice *block_device_free(BlockDevice *device) {
        if (device)
                device->ops->free(device);
        return NULL;
}

const char *block_operation_to_string(BlockOperation operation) {
        static const char *const names[_BLOCK_OPERATION_MAX] = {
                [BLOCK_OPERATION_READ] = "read",
                [BLOCK_OPERATION_WRITE] = "write",
                [BLOCK_OPERATION_FLUSH] = "flush",
                [BLOCK_OPERATION_TRIM] = "trim",
                [BLOCK_OPERATION_WRITE_ZEROES] = "write zeroes",
                [BLOCK_OPERATION_PREFETCH] = "prefetch",
                [BLOCK_OPERATION_STATUS] = "status",
        };

        assert(operation < _BLOCK_OPERATION_MAX);
        return names[operation];
}
