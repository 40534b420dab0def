/* What a session leaves behind when it dies, and how it ends. */

#include "fuse_fixture.h"

#include <fcntl.h>
#include <string.h>

#define MOMENT_NS (100 * NS_PER_MS)

static void on_ended(FuseSession *session, int error, void *userdata) {
        FuseFixture *fixture = userdata;

        ck_assert_ptr_eq(session, fixture->session);
        fixture->n_ended++;
        fixture->error = error;
}

void fuse_fixture_set_up(FuseFixture *fixture) {
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
        fixture->session_fd = fuse_kernel_open(&fixture->kernel);
        fixture->slots_fd = fuse_kernel_make_slots();
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
        fuse_fixture_expect(fixture, fuse_kernel_send_init(&fixture->kernel), 0, &reply);
}

/* The slots as they are now are what a successor finds; what this session does later is nobody's. */
void fuse_fixture_kill(FuseFixture *fixture) {
        int slots_fd = fuse_kernel_make_slots();
        static uint8_t bytes[64 * KIB];
        ssize_t n;

        for (off_t at = 0; (n = pread(fixture->slots_fd, bytes, sizeof(bytes), at)) > 0; at += n)
                ck_assert_int_eq(pwrite(slots_fd, bytes, (size_t) n, at), n);
        fd_close(fixture->slots_fd);
        fixture->slots_fd = slots_fd;

        /* Its own ends: a socket that nobody listens to. */
        fd_close(fixture->kernel.fd);
        fd_close(fixture->session_fd);
        memory_block_device_release(fixture->memory);
        fuse_session_shut_down(fixture->session);
        fuse_fixture_run_for(fixture, 100 * NS_PER_S);
        ck_assert_uint_eq(fixture->n_ended, 1);
        fixture->session = fuse_session_free(fixture->session);
        fixture->n_ended = 0;
        fixture->session_fd = fuse_kernel_open(&fixture->kernel);
}

void fuse_fixture_tear_down(FuseFixture *fixture) {
        fixture->kernel.fd = fd_close(fixture->kernel.fd);
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

void fuse_fixture_expect(FuseFixture *fixture, uint64_t unique, int error, FuseReply *ret) {
        fuse_fixture_run(fixture);
        ck_assert(fuse_kernel_receive(&fixture->kernel, ret));
        ck_assert_uint_eq(ret->header.unique, unique);
        ck_assert_int_eq(ret->header.error, -error);
}
