/* The kernel's side is written with its own header; it shares nothing with the session. */

#include "fuse_fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/uio.h>

#define MOMENT_NS (100 * NS_PER_MS)

static void on_ended(FuseSession *session, int error, void *userdata) {
        FuseFixture *fixture = userdata;

        ck_assert_ptr_eq(session, fixture->session);
        fixture->n_ended++;
        fixture->error = error;
}

void fuse_fixture_set_up(FuseFixture *fixture) {
        int fds[2];

        *fixture = (FuseFixture){
                .options = { .uid = 7,
                             .gid = 8,
                             .realtime_ns = 1000 * NS_PER_S,
                             .identity = "disk",
                             .identity_size = 5 },
        };
        ck_assert_int_eq(virtual_event_loop_new(&fixture->loop), 0);
        fixture->memory = memory_block_device_new(fixture->loop, FUSE_FIXTURE_DEVICE_SIZE, 512);
        ck_assert_ptr_nonnull(fixture->memory);
        for (size_t i = 0; i < FUSE_FIXTURE_DEVICE_SIZE; i++)
                fixture->memory->memory[i] = (uint8_t) (i * 7 + i / 4096);
        ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds),
                         0);
        fixture->kernel_fd = fds[0];
        fixture->session_fd = fds[1];
        fixture->slots_fd = memfd_create("slots", MFD_CLOEXEC);
        ck_assert_int_ge(fixture->slots_fd, 0);
        ck_assert_int_eq(ftruncate(fixture->slots_fd, (off_t) FUSE_SESSION_SLOTS_SIZE), 0);
}

int fuse_fixture_start(FuseFixture *fixture) {
        int fd = fcntl(fixture->session_fd, F_DUPFD_CLOEXEC, 3);

        ck_assert_int_ge(fd, 0);
        return fuse_session_start(&fixture->session, &fixture->memory->device, fd,
                                  fixture->slots_fd, &fixture->options, on_ended, fixture);
}

void fuse_fixture_begin(FuseFixture *fixture) {
        FuseReply reply;

        fuse_fixture_set_up(fixture);
        ck_assert_int_eq(fuse_fixture_start(fixture), 0);
        fuse_fixture_expect(fixture, fuse_fixture_send_init(fixture), 0, &reply);
}

/* The slots as they are now are what a successor finds; what this session does later is nobody's. */
void fuse_fixture_kill(FuseFixture *fixture) {
        int fds[2], slots_fd = memfd_create("slots", MFD_CLOEXEC);
        static uint8_t bytes[64 * KIB];
        ssize_t n;

        ck_assert_int_ge(slots_fd, 0);
        ck_assert_int_eq(ftruncate(slots_fd, (off_t) FUSE_SESSION_SLOTS_SIZE), 0);
        for (off_t at = 0; (n = pread(fixture->slots_fd, bytes, sizeof(bytes), at)) > 0; at += n)
                ck_assert_int_eq(pwrite(slots_fd, bytes, (size_t) n, at), n);
        fd_close(fixture->slots_fd);
        fixture->slots_fd = slots_fd;

        /* Its own ends: a socket that nobody listens to. */
        ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds),
                         0);
        fd_close(fixture->kernel_fd);
        fd_close(fixture->session_fd);
        memory_block_device_release(fixture->memory);
        fuse_session_shut_down(fixture->session);
        fuse_fixture_run_for(fixture, 100 * NS_PER_S);
        ck_assert_uint_eq(fixture->n_ended, 1);
        fixture->session = fuse_session_free(fixture->session);
        fixture->n_ended = 0;
        fixture->kernel_fd = fds[0];
        fixture->session_fd = fds[1];
}

void fuse_fixture_tear_down(FuseFixture *fixture) {
        fixture->kernel_fd = fd_close(fixture->kernel_fd);
        memory_block_device_release(fixture->memory);
        fuse_fixture_run_for(fixture, 100 * NS_PER_S);
        if (fixture->session)
                ck_assert_uint_eq(fixture->n_ended, 1);
        ck_assert_uint_eq(fixture->memory->n_in_flight, 0);
        ck_assert_uint_eq(fixture->memory->n_lent, 0);
        fixture->session = fuse_session_free(fixture->session);
        block_device_free(&fixture->memory->device);
        event_loop_free(fixture->loop);
        fd_close(fixture->session_fd);
        fd_close(fixture->slots_fd);
}

void fuse_fixture_run_for(FuseFixture *fixture, uint64_t duration_ns) {
        ck_assert_int_eq(virtual_event_loop_run_until(fixture->loop,
                                                      event_loop_now_ns(fixture->loop) +
                                                                      duration_ns),
                         0);
}

void fuse_fixture_run(FuseFixture *fixture) { fuse_fixture_run_for(fixture, MOMENT_NS); }

static uint64_t send_parts(FuseFixture *fixture, uint32_t opcode, struct iovec *parts, int n) {
        struct fuse_in_header header = {
                .len = sizeof(header),
                .opcode = opcode,
                .unique = fixture->unique += 2,
                .nodeid = FUSE_ROOT_ID,
        };

        for (int i = 1; i < n; i++)
                header.len += (uint32_t) parts[i].iov_len;
        parts[0] = (struct iovec){ .iov_base = &header, .iov_len = sizeof(header) };
        ck_assert_int_eq(writev(fixture->kernel_fd, parts, n), header.len);
        return header.unique;
}

uint64_t fuse_fixture_send(FuseFixture *fixture, uint32_t opcode, const void *body, size_t size) {
        struct iovec parts[2] = { [1] = { .iov_base = (void *) body, .iov_len = size } };

        return send_parts(fixture, opcode, parts, 2);
}

uint64_t fuse_fixture_send_init(FuseFixture *fixture) {
        const struct fuse_init_in init = {
                .major = FUSE_KERNEL_VERSION,
                .minor = FUSE_KERNEL_MINOR_VERSION,
                .max_readahead = 128 * 1024,
                .flags = FUSE_ASYNC_READ | FUSE_ASYNC_DIO | FUSE_ATOMIC_O_TRUNC | FUSE_MAX_PAGES |
                         FUSE_WRITEBACK_CACHE,
        };

        return fuse_fixture_send(fixture, FUSE_INIT, &init, sizeof(init));
}

uint64_t fuse_fixture_send_read(FuseFixture *fixture, uint64_t offset, uint32_t size) {
        const struct fuse_read_in read = { .offset = offset, .size = size };

        return fuse_fixture_send(fixture, FUSE_READ, &read, sizeof(read));
}

uint64_t fuse_fixture_send_write(FuseFixture *fixture, uint64_t offset, uint32_t size,
                                 uint8_t value, uint32_t flags) {
        const struct fuse_write_in head = { .offset = offset, .size = size, .flags = flags };
        struct iovec parts[3] = { [1] = { .iov_base = (void *) &head, .iov_len = sizeof(head) } };
        uint8_t *bytes = malloc(size + 1);
        uint64_t unique;

        ck_assert_ptr_nonnull(bytes);
        memset(bytes, value, size);
        parts[2] = (struct iovec){ .iov_base = bytes, .iov_len = size };
        unique = send_parts(fixture, FUSE_WRITE, parts, 3);
        free(bytes);
        return unique;
}

bool fuse_fixture_receive(FuseFixture *fixture, FuseReply *ret) {
        struct iovec parts[2] = {
                { .iov_base = &ret->header, .iov_len = sizeof(ret->header) },
                { .iov_base = ret->body, .iov_len = sizeof(ret->body) },
        };
        ssize_t n = readv(fixture->kernel_fd, parts, 2);

        if (n < 0 && errno == EAGAIN)
                return false;
        ck_assert_int_ge(n, sizeof(ret->header));
        ck_assert_int_eq(n, ret->header.len);
        ret->body_size = (size_t) n - sizeof(ret->header);
        return true;
}

void fuse_fixture_expect(FuseFixture *fixture, uint64_t unique, int error, FuseReply *ret) {
        fuse_fixture_run(fixture);
        ck_assert(fuse_fixture_receive(fixture, ret));
        ck_assert_uint_eq(ret->header.unique, unique);
        ck_assert_int_eq(ret->header.error, -error);
}
