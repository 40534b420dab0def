/* Messages are built from their parts, and taken apart as they come. */

#include "fuse_kernel.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "export/fuse_session.h"

int fuse_kernel_open(FuseKernel *kernel) {
        int fds[2];

        ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds),
                         0);
        kernel->fd = fds[0];
        return fds[1];
}

int fuse_kernel_make_slots(void) {
        int fd = memfd_create("slots", MFD_CLOEXEC);

        ck_assert_int_ge(fd, 0);
        ck_assert_int_eq(ftruncate(fd, (off_t) FUSE_SESSION_SLOTS_SIZE), 0);
        return fd;
}

static uint64_t send_parts(FuseKernel *kernel, uint32_t opcode, struct iovec *parts, int n) {
        struct fuse_in_header header = {
                .len = sizeof(header),
                .opcode = opcode,
                .unique = kernel->unique += 2,
                .nodeid = FUSE_ROOT_ID,
        };

        for (int i = 1; i < n; i++)
                header.len += (uint32_t) parts[i].iov_len;
        parts[0] = (struct iovec){ .iov_base = &header, .iov_len = sizeof(header) };
        ck_assert_int_eq(writev(kernel->fd, parts, n), header.len);
        return header.unique;
}

uint64_t fuse_kernel_send(FuseKernel *kernel, uint32_t opcode, const void *body, size_t size) {
        struct iovec parts[2] = { [1] = { .iov_base = (void *) body, .iov_len = size } };

        return send_parts(kernel, opcode, parts, 2);
}

uint64_t fuse_kernel_send_init(FuseKernel *kernel) {
        const struct fuse_init_in init = {
                .major = FUSE_KERNEL_VERSION,
                .minor = FUSE_KERNEL_MINOR_VERSION,
                .max_readahead = 128 * 1024,
                .flags = FUSE_ASYNC_READ | FUSE_ASYNC_DIO | FUSE_ATOMIC_O_TRUNC | FUSE_MAX_PAGES |
                         FUSE_WRITEBACK_CACHE,
        };

        return fuse_kernel_send(kernel, FUSE_INIT, &init, sizeof(init));
}

uint64_t fuse_kernel_send_read(FuseKernel *kernel, uint64_t offset, uint32_t size) {
        const struct fuse_read_in read = { .offset = offset, .size = size };

        return fuse_kernel_send(kernel, FUSE_READ, &read, sizeof(read));
}

uint64_t fuse_kernel_send_write(FuseKernel *kernel, uint64_t offset, uint32_t size, uint8_t value,
                                uint32_t flags) {
        const struct fuse_write_in head = { .offset = offset, .size = size, .flags = flags };
        struct iovec parts[3] = { [1] = { .iov_base = (void *) &head, .iov_len = sizeof(head) } };
        uint8_t *bytes = malloc(size + 1);
        uint64_t unique;

        ck_assert_ptr_nonnull(bytes);
        memset(bytes, value, size);
        parts[2] = (struct iovec){ .iov_base = bytes, .iov_len = size };
        unique = send_parts(kernel, FUSE_WRITE, parts, 3);
        free(bytes);
        return unique;
}

bool fuse_kernel_receive(FuseKernel *kernel, FuseReply *ret) {
        struct iovec parts[2] = {
                { .iov_base = &ret->header, .iov_len = sizeof(ret->header) },
                { .iov_base = ret->body, .iov_len = sizeof(ret->body) },
        };
        ssize_t n = readv(kernel->fd, parts, 2);

        if (n < 0 && errno == EAGAIN)
                return false;
        ck_assert_int_ge(n, sizeof(ret->header));
        ck_assert_int_eq(n, ret->header.len);
        ret->body_size = (size_t) n - sizeof(ret->header);
        return true;
}
