/*
 * The kernel's own header says what its messages are made of. libfuse reads the fixed parts without
 * looking at any size, and believes WRITE's: here both are held against what is there.
 */

#include <errno.h>
#include <linux/fuse.h>
#include <string.h>

#include "export/fuse_message.h"

/* From here on requests may have 1 MiB (FUSE_MAX_PAGES). */
#define MINOR_MIN 28
/* Linux 6.2; older C headers, and kernels, do not know it. */
#ifndef FOPEN_PARALLEL_DIRECT_WRITES
#define FOPEN_PARALLEL_DIRECT_WRITES (1 << 6)
#endif

static_assert(FUSE_MESSAGE_HEAD_SIZE ==
                              sizeof(struct fuse_in_header) + sizeof(struct fuse_write_in),
              "data begins where the memory is aligned");
static_assert(FUSE_MESSAGE_ERROR_SIZE == sizeof(struct fuse_out_header), "as in the kernel");
static_assert(FUSE_MESSAGE_OPEN_SIZE == sizeof(struct fuse_open_out), "as in the kernel");

/* The requests that we answer by more than an error, and the size of their fixed part. */
static const struct {
        bool is_known;
        size_t size;
} requests[] = {
        [FUSE_GETATTR] = { true, sizeof(struct fuse_getattr_in) },
        [FUSE_SETATTR] = { true, sizeof(struct fuse_setattr_in) },
        [FUSE_OPEN] = { true, sizeof(struct fuse_open_in) },
        [FUSE_READ] = { true, sizeof(struct fuse_read_in) },
        [FUSE_WRITE] = { true, sizeof(struct fuse_write_in) },
        [FUSE_STATFS] = { true, 0 },
        [FUSE_RELEASE] = { true, sizeof(struct fuse_release_in) },
        [FUSE_FSYNC] = { true, sizeof(struct fuse_fsync_in) },
        [FUSE_FLUSH] = { true, sizeof(struct fuse_flush_in) },
        [FUSE_DESTROY] = { true, 0 },
        [FUSE_FALLOCATE] = { true, sizeof(struct fuse_fallocate_in) },
        [FUSE_LSEEK] = { true, sizeof(struct fuse_lseek_in) },
};

static FuseMessageKind classify_init(const struct fuse_init_in *init, size_t size) {
        if (size < offsetof(struct fuse_init_in, flags) + sizeof(init->flags))
                return FUSE_MESSAGE_KIND_BROKEN;
        return init->major == FUSE_KERNEL_VERSION && init->minor >= MINOR_MIN
                               ? FUSE_MESSAGE_KIND_INIT
                               : FUSE_MESSAGE_KIND_BROKEN;
}

static bool is_whole(const struct fuse_in_header *header, size_t size) {
        const struct fuse_write_in *write = (const void *) (header + 1);

        /* There is one file. */
        if (header->nodeid != FUSE_ROOT_ID || size < requests[header->opcode].size)
                return false;
        if (header->opcode == FUSE_WRITE)
                return write->size <= FUSE_MESSAGE_DATA_SIZE_MAX &&
                       write->size == size - sizeof(*write);
        return true;
}

FuseMessageKind fuse_message_classify(const void *message, size_t size) {
        const struct fuse_in_header *header = message;

        /* Nobody can be answered. */
        if (size < sizeof(*header) || size > FUSE_MESSAGE_SIZE_MAX || header->len != size)
                return FUSE_MESSAGE_KIND_NOTICE;
        size -= sizeof(*header);
        switch (header->opcode) {
        case FUSE_INIT:
                return classify_init((const void *) (header + 1), size);
        case FUSE_FORGET:
        case FUSE_BATCH_FORGET:
        case FUSE_INTERRUPT: /* every request ends by its deadline; half done it would end no sooner */
        case FUSE_NOTIFY_REPLY:
                return FUSE_MESSAGE_KIND_NOTICE;
        default:
                break;
        }
        if (header->opcode >= N_ELEMENTS(requests) || !requests[header->opcode].is_known)
                return FUSE_MESSAGE_KIND_UNKNOWN;
        return is_whole(header, size) ? FUSE_MESSAGE_KIND_REQUEST : FUSE_MESSAGE_KIND_BROKEN;
}

size_t fuse_message_get_size(const void *message) {
        return ((const struct fuse_in_header *) message)->len;
}

void fuse_message_clear(void *message) { ((struct fuse_in_header *) message)->len = 0; }

static void encode_error(uint64_t unique, int error, void *ret) {
        const struct fuse_out_header header = {
                .len = sizeof(header),
                .error = error,
                .unique = unique,
        };

        memcpy(ret, &header, sizeof(header));
}

void fuse_message_encode_error(const void *message, int error, void *ret) {
        encode_error(((const struct fuse_in_header *) message)->unique, error, ret);
}

void fuse_message_encode_replacement(const void *reply, int error, void *ret) {
        encode_error(((const struct fuse_out_header *) reply)->unique, error, ret);
}

void fuse_message_encode_open(uint64_t handle, void *ret) {
        const struct fuse_open_out open = {
                .fh = handle,
                .open_flags = FOPEN_DIRECT_IO | FOPEN_PARALLEL_DIRECT_WRITES,
        };

        memcpy(ret, &open, sizeof(open));
}
