#pragma once

/*
 * The kernel's end of a mount, as a socket that keeps messages apart, as /dev/fuse does. It is written with
 * the kernel's own header, and shares nothing with the session.
 */

#include <check.h>
#include <linux/fuse.h>

#include "base/macros.h"

#define FUSE_KERNEL_REPLY_SIZE_MAX (128 * 1024)

typedef struct FuseKernel {
        int fd;
        uint64_t unique; /* of the last request */
} FuseKernel;

typedef struct FuseReply {
        struct fuse_out_header header;
        uint8_t body[FUSE_KERNEL_REPLY_SIZE_MAX];
        size_t body_size;
} FuseReply;

/* Returns the descriptor for the session. */
int fuse_kernel_open(FuseKernel *kernel);
/* Memory for requests, as the manager makes it. */
int fuse_kernel_make_slots(void);
/* Returns its number. */
uint64_t fuse_kernel_send(FuseKernel *kernel, uint32_t opcode, const void *body, size_t size);
uint64_t fuse_kernel_send_init(FuseKernel *kernel);
uint64_t fuse_kernel_send_read(FuseKernel *kernel, uint64_t offset, uint32_t size);
/* `size` times `value`. */
uint64_t fuse_kernel_send_write(FuseKernel *kernel, uint64_t offset, uint32_t size, uint8_t value,
                                uint32_t flags);
/* False: there is none. */
bool fuse_kernel_receive(FuseKernel *kernel, FuseReply *ret);
