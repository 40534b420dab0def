#pragma once

/*
 * FuseMessage
 *
 * A request of the kernel as it lies in memory: whether it is one that we answer, and whether all of it
 * is there. It may have been left by a predecessor that a device had taken over, so nothing in it is
 * believed. Private to export.
 */

#include "base/macros.h"

/* Of one READ or WRITE; the mount option max_read says the same. */
#define FUSE_MESSAGE_DATA_SIZE_MAX (1 * MIB)
/* What comes before a WRITE's data. */
#define FUSE_MESSAGE_HEAD_SIZE 80
#define FUSE_MESSAGE_SIZE_MAX (FUSE_MESSAGE_HEAD_SIZE + FUSE_MESSAGE_DATA_SIZE_MAX)
#define FUSE_MESSAGE_ERROR_SIZE 16
#define FUSE_MESSAGE_OPEN_SIZE 16
/* INIT is short; what newer kernels append is not needed. */
#define FUSE_MESSAGE_INIT_SIZE_MAX 256

typedef enum FuseMessageKind {
        FUSE_MESSAGE_KIND_INIT,
        FUSE_MESSAGE_KIND_REQUEST, /* libfuse takes it apart */
        FUSE_MESSAGE_KIND_UNKNOWN, /* to be answered by -ENOSYS: the kernel does without */
        FUSE_MESSAGE_KIND_BROKEN,  /* to be answered by -EIO: it makes no sense */
        FUSE_MESSAGE_KIND_NOTICE,  /* has no answer */
} FuseMessageKind;

/* `size` bytes were received, or are said to have been. */
FuseMessageKind fuse_message_classify(const void *message, size_t size);
/* What its header says of its size; 0: nothing came. */
size_t fuse_message_get_size(const void *message);
/* So that it says 0. */
void fuse_message_clear(void *message);
/* An answer without data: FUSE_MESSAGE_ERROR_SIZE bytes. `error` is -errno. */
void fuse_message_encode_error(const void *message, int error, void *ret);
/* The same, to who waits for the answer that begins with `reply`. */
void fuse_message_encode_replacement(const void *reply, int error, void *ret);
/*
 * The body of OPEN's answer, FUSE_MESSAGE_OPEN_SIZE bytes: no page cache, and writes beside each other.
 * Debian's libfuse has no name for the latter.
 */
void fuse_message_encode_open(uint64_t handle, void *ret);
