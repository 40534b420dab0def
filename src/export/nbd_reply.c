/*
 * Replies. With structured replies agreed on, READ and BLOCK_STATUS are always answered by chunks,
 * and errors carry a text; other successes stay simple, as the protocol allows and as is shortest.
 */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "export/nbd_reply.h"

#define SIMPLE_SIZE 16
#define CHUNK_SIZE 20

NbdError nbd_reply_error_from_errno(int error, const NbdRequest *request) {
        switch (-error) {
        case 0:
                return NBD_SUCCESS;
        case EPERM:
        case EROFS:
                return NBD_EPERM;
        case ENOMEM:
        case EBUSY:
                return NBD_ENOMEM;
        case EINVAL:
                return NBD_EINVAL;
        case ENOSPC:
                return NBD_ENOSPC;
        case ESHUTDOWN:
        case ENODEV:
                return NBD_ESHUTDOWN;
        case EOVERFLOW:
                /* Only a READ with DF may be told so. */
                return request->flags & NBD_CMD_FLAG_DF ? NBD_EOVERFLOW : NBD_EINVAL;
        case EOPNOTSUPP:
                /* Only a WRITE_ZEROES with FAST_ZERO may be told so. */
                return request->flags & NBD_CMD_FLAG_FAST_ZERO ? NBD_ENOTSUP : NBD_EINVAL;
        default:
                return NBD_EIO;
        }
}

static const char *error_text(const NbdRequest *request) {
        switch (-request->error) {
        case EPERM:
        case EROFS:
                return "the export is read-only or write-protected";
        case EBUSY:
        case ENOMEM:
                return "out of memory for requests";
        case EINVAL:
                return "invalid or unsupported request, or past the end";
        case ENOSPC:
                return "past the end of the export, or the device is full";
        case ESHUTDOWN:
        case ENODEV:
                return "the device is gone or the export closes";
        case ETIMEDOUT:
                return "the device did not answer in time";
        case EOVERFLOW:
                return "too long for one reply";
        case EOPNOTSUPP:
                return "the device can't do that any faster";
        default:
                return request->block.has_error_offset ? "the medium is bad here"
                                                       : "the device reported an error";
        }
}

static void put_chunk(uint8_t *bytes, const NbdRequest *request, uint16_t flags, uint16_t type,
                      uint32_t size) {
        put_be32(bytes, NBD_STRUCTURED_REPLY_MAGIC);
        put_be16(bytes + 4, flags);
        put_be16(bytes + 6, type);
        put_be64(bytes + 8, request->cookie);
        put_be32(bytes + 16, size);
}

static void encode_simple(NbdRequest *request) {
        put_be32(request->head, NBD_SIMPLE_REPLY_MAGIC);
        put_be32(request->head + 4, nbd_reply_error_from_errno(request->error, request));
        put_be64(request->head + 8, request->cookie);
        request->head_size = SIMPLE_SIZE;
        if (request->error == 0 && request->command == NBD_CMD_READ) {
                request->payload = request->data;
                request->payload_size = request->size;
        }
}

static void encode_data_chunk(NbdRequest *request, uint16_t flags, size_t size) {
        put_chunk(request->head, request, flags, NBD_REPLY_TYPE_OFFSET_DATA, 8 + size);
        put_be64(request->head + CHUNK_SIZE, request->offset);
        request->head_size = CHUNK_SIZE + 8;
        request->payload = request->data;
        request->payload_size = size;
}

/* The last chunk of a reply. */
static void encode_error_chunk(NbdRequest *request) {
        const char *text = error_text(request);
        size_t text_size = strlen(text);
        bool has_offset = request->block.has_error_offset && request->command == NBD_CMD_READ;
        uint8_t *bytes = request->tail;

        assert(text_size <= NBD_REQUEST_TEXT_SIZE_MAX);

        put_chunk(bytes, request, NBD_REPLY_FLAG_DONE,
                  has_offset ? NBD_REPLY_TYPE_ERROR_OFFSET : NBD_REPLY_TYPE_ERROR,
                  6 + text_size + (has_offset ? 8 : 0));
        put_be32(bytes + CHUNK_SIZE, nbd_reply_error_from_errno(request->error, request));
        put_be16(bytes + CHUNK_SIZE + 4, text_size);
        memcpy(bytes + CHUNK_SIZE + 6, text, text_size);
        request->tail_size = CHUNK_SIZE + 6 + text_size;
        if (has_offset) {
                put_be64(bytes + request->tail_size, request->block.error_offset);
                request->tail_size += 8;
        }
}

static void encode_structured_error(NbdRequest *request) {
        /* What was read before the bad place is good, so the client gets it first. */
        if (request->block.has_error_offset && request->command == NBD_CMD_READ &&
            request->block.error_offset > request->offset)
                encode_data_chunk(request, 0, request->block.error_offset - request->offset);
        encode_error_chunk(request);
}

static void encode_read(NbdRequest *request) {
        if (request->size > 0) {
                encode_data_chunk(request, NBD_REPLY_FLAG_DONE, request->size);
                return;
        }
        put_chunk(request->head, request, NBD_REPLY_FLAG_DONE, NBD_REPLY_TYPE_NONE, 0);
        request->head_size = CHUNK_SIZE;
}

static uint32_t state_flags(BlockExtentFlags flags) {
        return (flags & BLOCK_EXTENT_HOLE ? NBD_STATE_HOLE : 0) |
               (flags & BLOCK_EXTENT_ZERO ? NBD_STATE_ZERO : 0);
}

static void encode_block_status(NbdRequest *request) {
        const BlockExtent *extents = request->block.extents;
        uint8_t *descriptors = (uint8_t *) (request->block.extents + NBD_REQUEST_EXTENTS_MAX);
        size_t n = request->block.n_extents;

        assert(n > 0 && n <= NBD_REQUEST_EXTENTS_MAX);

        for (size_t i = 0; i < n; i++) {
                /* An extent lies within the request, whose length has 32 bits. */
                assert(extents[i].size > 0 && extents[i].size <= request->size);
                put_be32(descriptors + 8 * i, extents[i].size);
                put_be32(descriptors + 8 * i + 4, state_flags(extents[i].flags));
        }
        put_chunk(request->head, request, NBD_REPLY_FLAG_DONE, NBD_REPLY_TYPE_BLOCK_STATUS,
                  4 + 8 * n);
        put_be32(request->head + CHUNK_SIZE, NBD_META_BASE_ALLOCATION_ID);
        request->head_size = CHUNK_SIZE + 4;
        request->payload = descriptors;
        request->payload_size = 8 * n;
}

void nbd_reply_encode(NbdRequest *request, const NbdAgreement *agreement) {
        request->head_size = 0;
        request->tail_size = 0;
        request->payload = NULL;
        request->payload_size = 0;

        if (!agreement->has_structured_replies)
                encode_simple(request);
        else if (request->error < 0)
                encode_structured_error(request);
        else if (request->command == NBD_CMD_READ)
                encode_read(request);
        else if (request->command == NBD_CMD_BLOCK_STATUS)
                encode_block_status(request);
        else
                encode_simple(request);
}
