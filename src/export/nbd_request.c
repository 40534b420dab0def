/*
 * What a request asks for and whether it may: everything a client can get wrong is found here,
 * before anything is submitted.
 */

#include <errno.h>

#include "base/bytes.h"
#include "export/nbd_request.h"

/* What each command may carry. FUA goes with all of them, as the protocol demands. */
static const struct {
        bool is_known;
        bool changes;       /* refused where the export is read-only */
        int past_end_error; /* the protocol text says which */
        uint16_t flags;     /* beside FUA */
        BlockOperation operation;
} commands[] = {
        [NBD_CMD_READ] = { true, false, -EINVAL, NBD_CMD_FLAG_DF, BLOCK_OPERATION_READ },
        [NBD_CMD_WRITE] = { true, true, -ENOSPC, 0, BLOCK_OPERATION_WRITE },
        [NBD_CMD_FLUSH] = { true, false, 0, 0, BLOCK_OPERATION_FLUSH },
        [NBD_CMD_TRIM] = { true, true, -EINVAL, 0, BLOCK_OPERATION_TRIM },
        [NBD_CMD_CACHE] = { true, false, -EINVAL, 0, BLOCK_OPERATION_PREFETCH },
        [NBD_CMD_WRITE_ZEROES] = { true, true, -ENOSPC,
                                   NBD_CMD_FLAG_NO_HOLE | NBD_CMD_FLAG_FAST_ZERO,
                                   BLOCK_OPERATION_WRITE_ZEROES },
        [NBD_CMD_BLOCK_STATUS] = { true, false, -EINVAL, NBD_CMD_FLAG_REQ_ONE,
                                   BLOCK_OPERATION_STATUS },
};

int nbd_request_decode(NbdRequest *request, const uint8_t *bytes) {
        if (get_be32(bytes) != NBD_REQUEST_MAGIC)
                return -EBADMSG;

        request->flags = get_be16(bytes + 4);
        request->command = get_be16(bytes + 6);
        request->cookie = get_be64(bytes + 8);
        request->offset = get_be64(bytes + 16);
        request->size = get_be32(bytes + 24);
        request->error = 0;
        request->block.has_error_offset = false;
        return 0;
}

static bool is_known(uint16_t command) {
        return command < N_ELEMENTS(commands) && commands[command].is_known;
}

/* What needs something that was agreed on, or that the device tells of itself. */
static int check_ability(const NbdRequest *request, const BlockDevice *device,
                         const NbdAgreement *agreement) {
        bool has_df = request->flags & NBD_CMD_FLAG_DF;

        switch ((NbdCommand) request->command) {
        case NBD_CMD_READ:
                if (has_df && !agreement->has_structured_replies)
                        return -EINVAL;
                if (request->size > NBD_PAYLOAD_SIZE_MAX)
                        return has_df ? -EOVERFLOW : -EINVAL;
                return 0;
        case NBD_CMD_TRIM:
                return block_device_get_info(device)->can_trim ? 0 : -EINVAL;
        case NBD_CMD_BLOCK_STATUS:
                /* The reply needs chunks, and there is no extent of no length. */
                return agreement->has_base_allocation && agreement->has_structured_replies &&
                                                       request->size > 0
                                       ? 0
                                       : -EINVAL;
        case NBD_CMD_WRITE:
        case NBD_CMD_FLUSH:
        case NBD_CMD_CACHE:
        case NBD_CMD_WRITE_ZEROES:
                return 0;
        case NBD_CMD_DISC:
        case NBD_CMD_RESIZE:
                break;
        }
        assert_not_reached(); /* not in the table of commands */
}

int nbd_request_check(const NbdRequest *request, const BlockDevice *device,
                      const NbdAgreement *agreement) {
        if (!is_known(request->command))
                return -EINVAL;
        if (request->flags & ~(commands[request->command].flags | NBD_CMD_FLAG_FUA))
                return -EINVAL;
        if (commands[request->command].changes &&
            (agreement->is_read_only || block_device_get_info(device)->is_read_only))
                return -EPERM;
        if (request->command != NBD_CMD_FLUSH &&
            !block_device_has_range(device, request->offset, request->size))
                return commands[request->command].past_end_error;
        return check_ability(request, device, agreement);
}

uint32_t nbd_request_payload_size(const NbdRequest *request) {
        return request->command == NBD_CMD_WRITE ? request->size : 0;
}

size_t nbd_request_data_size(const NbdRequest *request) {
        switch (request->command) {
        case NBD_CMD_READ:
        case NBD_CMD_WRITE:
                return request->size;
        case NBD_CMD_BLOCK_STATUS:
                return NBD_REQUEST_EXTENTS_MAX * (sizeof(BlockExtent) + 2 * sizeof(uint32_t));
        default:
                return 0;
        }
}

static BlockRequestFlags block_flags(const NbdRequest *request) {
        BlockRequestFlags flags = 0;

        if (commands[request->command].changes && request->flags & NBD_CMD_FLAG_FUA)
                flags |= BLOCK_REQUEST_FUA;
        if (request->flags & NBD_CMD_FLAG_NO_HOLE)
                flags |= BLOCK_REQUEST_NO_HOLE;
        if (request->flags & NBD_CMD_FLAG_FAST_ZERO)
                flags |= BLOCK_REQUEST_FAST_ONLY;
        return flags;
}

void nbd_request_prepare(NbdRequest *request, uint64_t deadline_ns) {
        BlockRequest *block = &request->block;
        bool is_status = request->command == NBD_CMD_BLOCK_STATUS;
        bool is_flush = request->command == NBD_CMD_FLUSH;

        assert(is_known(request->command));

        request->segment = (struct iovec){ .iov_base = request->data, .iov_len = request->size };
        block->operation = commands[request->command].operation;
        block->flags = block_flags(request);
        /* A FLUSH is of the whole export; what it says of offset and length is reserved. */
        block->offset = is_flush ? 0 : request->offset;
        block->size = is_flush ? 0 : request->size;
        block->segments = &request->segment;
        block->n_segments = 1;
        block->deadline_ns = deadline_ns;
        block->extents = is_status ? request->data : NULL;
        block->n_extents_max = !is_status                              ? 0
                               : request->flags & NBD_CMD_FLAG_REQ_ONE ? 1
                                                                       : NBD_REQUEST_EXTENTS_MAX;
}

int nbd_request_get_data(NbdRequest *request, Staging *staging) {
        size_t size = nbd_request_data_size(request);

        assert(!request->data);

        if (size == 0)
                return 0;
        request->data = size > NBD_REQUEST_SMALL_SIZE ? staging_get(staging, size) : request->small;
        if (!request->data)
                return -ENOMEM;
        request->data_size = size;
        return 0;
}

void nbd_request_put_data(NbdRequest *request, Staging *staging) {
        if (request->data != request->small)
                staging_put(staging, request->data, request->data_size);
        request->data = NULL;
        request->data_size = 0;
}

bool nbd_request_borrow(NbdRequest *request, BlockDevice *device) {
        return request->command == NBD_CMD_READ && request->size > 0 &&
               block_device_lend(device, request->offset, request->size, &request->loan);
}

void nbd_request_give_back(NbdRequest *request, BlockDevice *device) {
        block_device_take_back(device, &request->loan);
}
