/* A mounted file: each kind of request, and what goes wrong. */

#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "fuse_fixture.h"
#include "unit_test.h"

static FuseFixture fixture;
static FuseReply reply;

static void begin(void) { fuse_fixture_begin(&fixture); }

static void finish(void) { fuse_fixture_tear_down(&fixture); }

static void expect(uint64_t unique, int error) {
        fuse_fixture_expect(&fixture, unique, error, &reply);
}

static void ask(uint32_t opcode, const void *body, size_t size, int error) {
        expect(fuse_kernel_send(&fixture.kernel, opcode, body, size), error);
}

static void expect_no_reply(void) {
        fuse_fixture_run(&fixture);
        ck_assert(!fuse_kernel_receive(&fixture.kernel, &reply));
}

static bool is_all(const uint8_t *bytes, uint8_t value, size_t size) {
        for (size_t i = 0; i < size; i++)
                if (bytes[i] != value)
                        return false;
        return true;
}

START_TEST(a_megabyte_at_once_and_no_page_cache_are_agreed_on) {
        const struct fuse_init_out *init = (void *) reply.body;

        fuse_fixture_set_up(&fixture);
        ck_assert_int_eq(fuse_fixture_start(&fixture), 0);
        expect(fuse_kernel_send_init(&fixture.kernel), 0);
        ck_assert_uint_eq(init->major, FUSE_KERNEL_VERSION);
        ck_assert_uint_eq(init->max_write, 1 * MIB);
        ck_assert_uint_eq(init->max_pages, 256);
        ck_assert_uint_ne(init->flags & FUSE_ASYNC_DIO, 0);
        ck_assert_uint_ne(init->flags & FUSE_ATOMIC_O_TRUNC, 0);
        ck_assert_uint_eq(init->flags & FUSE_WRITEBACK_CACHE, 0);
        finish();
}
END_TEST

START_TEST(the_file_has_the_size_of_the_device) {
        const struct fuse_getattr_in body = {};
        const struct fuse_attr_out *attributes = (void *) reply.body;

        begin();
        ask(FUSE_GETATTR, &body, sizeof(body), 0);
        ck_assert_uint_eq(attributes->attr.mode, S_IFREG | 0600);
        ck_assert_uint_eq(attributes->attr.size, FUSE_FIXTURE_DEVICE_SIZE);
        ck_assert_uint_eq(attributes->attr.blocks, FUSE_FIXTURE_DEVICE_SIZE / 512);
        ck_assert_uint_eq(attributes->attr.uid, 7);
        ck_assert_uint_eq(attributes->attr.gid, 8);
        ck_assert_uint_eq(attributes->attr.mtime, 1000);
        finish();
}
END_TEST

START_TEST(a_write_changes_the_time) {
        const struct fuse_getattr_in body = {};
        const struct fuse_attr_out *attributes = (void *) reply.body;
        uint64_t begin_ns;

        begin();
        begin_ns = event_loop_now_ns(fixture.loop);
        fuse_fixture_run_for(&fixture, 60 * NS_PER_S); /* virtual time goes as far as a timer */
        ck_assert_uint_ge(event_loop_now_ns(fixture.loop) - begin_ns, 5 * NS_PER_S);
        expect(fuse_kernel_send_write(&fixture.kernel, 0, 512, 1, 0), 0);
        ask(FUSE_GETATTR, &body, sizeof(body), 0);
        ck_assert_uint_eq(attributes->attr.mtime,
                          1000 + (event_loop_now_ns(fixture.loop) - begin_ns) / NS_PER_S);
        finish();
}
END_TEST

START_TEST(a_read_is_answered_with_the_bytes_at_any_offset) {
        static const struct {
                uint64_t offset;
                uint32_t size;
                uint32_t answer_size;
        } ranges[] = {
                { 0, 512, 512 },
                { 1, 2, 2 },
                { 4095, 65536, 65536 },
                { FUSE_FIXTURE_DEVICE_SIZE - 100, 4096, 100 }, /* the end */
                { FUSE_FIXTURE_DEVICE_SIZE, 4096, 0 },
                { UINT64_C(1) << 60, 4096, 0 },
        };

        begin();
        for (size_t i = 0; i < N_ELEMENTS(ranges); i++) {
                expect(fuse_kernel_send_read(&fixture.kernel, ranges[i].offset, ranges[i].size), 0);
                ck_assert_uint_eq(reply.body_size, ranges[i].answer_size);
                ck_assert(memcmp(reply.body, fixture.memory->memory + (ranges[i].offset & 0xfffff),
                                 ranges[i].answer_size) == 0);
        }
        finish();
}
END_TEST

START_TEST(what_the_device_lends_is_sent_from_where_it_is) {
        begin();
        fixture.memory->loan_size = 4096;
        expect(fuse_kernel_send_read(&fixture.kernel, 1000, 16384), 0);
        ck_assert_uint_eq(reply.body_size, 16384);
        ck_assert_mem_eq(reply.body, fixture.memory->memory + 1000, 16384);
        ck_assert_uint_eq(fixture.memory->n_loans, 1);
        ck_assert_uint_eq(fixture.memory->n_submitted[BLOCK_OPERATION_READ], 0);
        finish();
}
END_TEST

START_TEST(a_write_arrives_and_is_cut_off_at_the_end) {
        const struct fuse_write_out *written = (void *) reply.body;

        begin();
        expect(fuse_kernel_send_write(&fixture.kernel, 4000, 8192, 0xab, 0), 0);
        ck_assert_uint_eq(written->size, 8192);
        ck_assert(is_all(fixture.memory->memory + 4000, 0xab, 8192));
        expect(fuse_kernel_send_write(&fixture.kernel, FUSE_FIXTURE_DEVICE_SIZE - 10, 512, 0xcd, 0),
               0);
        ck_assert_uint_eq(written->size, 10);
        expect(fuse_kernel_send_write(&fixture.kernel, FUSE_FIXTURE_DEVICE_SIZE, 512, 0xcd, 0),
               ENOSPC);
        finish();
}
END_TEST

START_TEST(a_write_of_a_file_opened_for_it_is_on_the_medium) {
        begin();
        expect(fuse_kernel_send_write(&fixture.kernel, 0, 512, 1, O_WRONLY), 0);
        ck_assert_int_eq(fixture.memory->last_flags, 0);
        expect(fuse_kernel_send_write(&fixture.kernel, 0, 512, 1, O_WRONLY | O_DSYNC), 0);
        ck_assert_int_eq(fixture.memory->last_flags, BLOCK_REQUEST_FUA);
        finish();
}
END_TEST

static uint64_t open_file(uint32_t flags, int error) {
        const struct fuse_open_in body = { .flags = flags };
        const struct fuse_open_out *opened = (void *) reply.body;

        ask(FUSE_OPEN, &body, sizeof(body), error);
        if (error != 0)
                return 0;
        ck_assert_uint_eq(opened->open_flags, FOPEN_DIRECT_IO | (1 << 6));
        return opened->fh;
}

START_TEST(closing_flushes_only_what_was_opened_for_writing) {
        struct fuse_flush_in body = {};

        begin();
        body.fh = open_file(O_RDONLY, 0);
        ask(FUSE_FLUSH, &body, sizeof(body), 0);
        ck_assert_uint_eq(fixture.memory->n_submitted[BLOCK_OPERATION_FLUSH], 0);
        body.fh = open_file(O_RDWR | O_TRUNC, 0);
        ask(FUSE_FLUSH, &body, sizeof(body), 0);
        ck_assert_uint_eq(fixture.memory->n_submitted[BLOCK_OPERATION_FLUSH], 1);
        ask(FUSE_RELEASE, &(struct fuse_release_in){}, sizeof(struct fuse_release_in), 0);
        finish();
}
END_TEST

START_TEST(fsync_flushes_and_tells_of_failures) {
        const struct fuse_fsync_in body = {};

        begin();
        ask(FUSE_FSYNC, &body, sizeof(body), 0);
        ck_assert_uint_eq(fixture.memory->n_submitted[BLOCK_OPERATION_FLUSH], 1);
        fixture.memory->error = -EIO;
        ask(FUSE_FSYNC, &body, sizeof(body), EIO);
        finish();
}
END_TEST

START_TEST(a_read_only_file_can_not_be_written) {
        const struct fuse_getattr_in body = {};
        const struct fuse_fsync_in sync = {};
        const struct fuse_fallocate_in hole = {
                .length = 512,
                .mode = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
        };

        fuse_fixture_set_up(&fixture);
        fixture.options.is_read_only = true;
        ck_assert_int_eq(fuse_fixture_start(&fixture), 0);
        expect(fuse_kernel_send_init(&fixture.kernel), 0);
        ask(FUSE_GETATTR, &body, sizeof(body), 0);
        ck_assert_uint_eq(((struct fuse_attr_out *) reply.body)->attr.mode, S_IFREG | 0400);
        open_file(O_WRONLY, EROFS);
        open_file(O_RDONLY, 0);
        expect(fuse_kernel_send_write(&fixture.kernel, 0, 512, 1, 0), EROFS);
        ask(FUSE_FALLOCATE, &hole, sizeof(hole), EROFS);
        ask(FUSE_FSYNC, &sync, sizeof(sync), 0);
        ck_assert_uint_eq(fixture.memory->n_submitted[BLOCK_OPERATION_WRITE], 0);
        finish();
}
END_TEST

START_TEST(the_size_can_not_be_changed) {
        static const struct {
                uint32_t which;
                uint64_t size;
                uint32_t mode;
                int error;
        } changes[] = {
                { FATTR_SIZE, FUSE_FIXTURE_DEVICE_SIZE, 0, 0 },
                { FATTR_SIZE, 0, 0, EPERM },
                { FATTR_SIZE, FUSE_FIXTURE_DEVICE_SIZE + 1, 0, EPERM },
                { FATTR_MODE, 0, S_IFREG | 0600, 0 },
                { FATTR_MODE, 0, S_IFREG | 0666, EPERM },
                { FATTR_MTIME | FATTR_ATIME, 0, 0, 0 },
                { FATTR_UID, 0, 0, EPERM },
        };

        begin();
        for (size_t i = 0; i < N_ELEMENTS(changes); i++) {
                const struct fuse_setattr_in body = { .valid = changes[i].which,
                                                      .size = changes[i].size,
                                                      .mode = changes[i].mode };

                ask(FUSE_SETATTR, &body, sizeof(body), changes[i].error);
        }
        finish();
}
END_TEST

static void allocate(uint32_t mode, uint64_t offset, uint64_t size, int error) {
        const struct fuse_fallocate_in body = { .offset = offset, .length = size, .mode = mode };

        ask(FUSE_FALLOCATE, &body, sizeof(body), error);
}

START_TEST(holes_are_zeroes_that_cost_nothing) {
        begin();
        allocate(FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 4096, 8192, 0);
        ck_assert(is_all(fixture.memory->memory + 4096, 0, 8192));
        ck_assert_int_eq(fixture.memory->last_flags, BLOCK_REQUEST_FAST_ONLY);
        fixture.memory->submit_error = -EOPNOTSUPP;
        allocate(FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 4096, 8192, EOPNOTSUPP);
        finish();
}
END_TEST

START_TEST(zeroes_may_take_their_time) {
        begin();
        allocate(FALLOC_FL_ZERO_RANGE, 100, 1000, 0);
        ck_assert(is_all(fixture.memory->memory + 100, 0, 1000));
        ck_assert_int_eq(fixture.memory->last_flags, 0);
        allocate(FALLOC_FL_ZERO_RANGE, FUSE_FIXTURE_DEVICE_SIZE - 10, 20, ENOSPC);
        allocate(FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE, FUSE_FIXTURE_DEVICE_SIZE - 10, 20, 0);
        ck_assert(is_all(fixture.memory->memory + FUSE_FIXTURE_DEVICE_SIZE - 10, 0, 10));
        finish();
}
END_TEST

START_TEST(all_of_a_disk_is_allocated) {
        begin();
        allocate(0, 0, FUSE_FIXTURE_DEVICE_SIZE, 0);
        allocate(0, 0, FUSE_FIXTURE_DEVICE_SIZE + 1, ENOSPC);
        allocate(FALLOC_FL_COLLAPSE_RANGE, 0, 4096, EOPNOTSUPP);
        ck_assert_uint_eq(fixture.memory->n_submitted[BLOCK_OPERATION_WRITE_ZEROES], 0);
        finish();
}
END_TEST

static void seek(int whence, uint64_t offset, int error, uint64_t expected) {
        const struct fuse_lseek_in body = { .offset = offset, .whence = (uint32_t) whence };

        ask(FUSE_LSEEK, &body, sizeof(body), error);
        if (error == 0)
                ck_assert_uint_eq(((struct fuse_lseek_out *) reply.body)->offset, expected);
}

START_TEST(data_and_holes_are_found) {
        begin();
        fixture.memory->is_sparse = true;
        memset(fixture.memory->memory + 8192, 0, 65536);
        memset(fixture.memory->memory + FUSE_FIXTURE_DEVICE_SIZE - 4096, 0, 4096);
        seek(SEEK_DATA, 0, 0, 0);
        seek(SEEK_HOLE, 0, 0, 8192);
        seek(SEEK_DATA, 8192, 0, 8192 + 65536);
        seek(SEEK_HOLE, 100000, 0, FUSE_FIXTURE_DEVICE_SIZE - 4096);
        seek(SEEK_DATA, FUSE_FIXTURE_DEVICE_SIZE - 4096, ENXIO, 0);
        seek(SEEK_HOLE, FUSE_FIXTURE_DEVICE_SIZE, ENXIO, 0);
        fixture.memory->is_sparse = false;
        seek(SEEK_HOLE, 0, 0, FUSE_FIXTURE_DEVICE_SIZE);
        finish();
}
END_TEST

START_TEST(statfs_tells_of_a_full_file_system) {
        const struct fuse_statfs_out *status = (void *) reply.body;

        begin();
        ask(FUSE_STATFS, NULL, 0, 0);
        ck_assert_uint_eq(status->st.bsize * status->st.blocks, FUSE_FIXTURE_DEVICE_SIZE);
        ck_assert_uint_eq(status->st.bfree, 0);
        finish();
}
END_TEST

START_TEST(a_failed_read_is_never_a_short_one) {
        begin();
        fixture.memory->error = -EIO;
        fixture.memory->has_error_position = true;
        fixture.memory->error_position = 8192;
        expect(fuse_kernel_send_read(&fixture.kernel, 0, 65536), EIO);
        finish();
}
END_TEST

START_TEST(errors_are_those_of_a_file) {
        static const struct {
                int error;
                int expected;
        } errors[] = {
                { -EIO, EIO },       { -ESHUTDOWN, ENODEV }, { -ETIMEDOUT, ETIMEDOUT },
                { -EPERM, EROFS },   { -ENOSPC, ENOSPC },    { -ENOMEM, ENOMEM },
                { -ECANCELED, EIO },
        };

        begin();
        for (size_t i = 0; i < N_ELEMENTS(errors); i++) {
                fixture.memory->error = errors[i].error;
                expect(fuse_kernel_send_write(&fixture.kernel, 0, 512, 1, 0), errors[i].expected);
                fixture.memory->error = 0;
                fixture.memory->submit_error = errors[i].error;
                expect(fuse_kernel_send_read(&fixture.kernel, 0, 512), errors[i].expected);
                fixture.memory->submit_error = 0;
        }
        fixture.memory->has_no_memory = true;
        expect(fuse_kernel_send_read(&fixture.kernel, 0, 65536), ENOMEM);
        fixture.memory->has_no_memory = false;
        finish();
}
END_TEST

START_TEST(what_nobody_knows_is_told_so_and_notices_are_not_answered) {
        begin();
        ask(FUSE_LOOKUP, "name", 5, ENOSYS);
        ask(FUSE_GETXATTR, "12345678name", 13, ENOSYS);
        ask(4711, NULL, 0, ENOSYS);
        fuse_kernel_send(&fixture.kernel, FUSE_INTERRUPT, &(uint64_t){ 2 }, 8);
        fuse_kernel_send(&fixture.kernel, FUSE_FORGET, &(uint64_t){ 1 }, 8);
        fuse_kernel_send(&fixture.kernel, FUSE_BATCH_FORGET, &(uint64_t){ UINT32_MAX }, 8);
        fuse_kernel_send(&fixture.kernel, FUSE_NOTIFY_REPLY, NULL, 0);
        expect_no_reply();
        ask(FUSE_DESTROY, NULL, 0, 0);
        finish();
}
END_TEST

START_TEST(a_request_that_is_not_whole_is_refused) {
        const struct fuse_write_in lie = { .size = 512 };

        begin();
        ask(FUSE_READ, "short", 5, EIO);
        ask(FUSE_WRITE, &lie, sizeof(lie), EIO);
        ask(FUSE_INIT, "short", 5, EIO);
        expect(fuse_kernel_send_init(&fixture.kernel), EIO); /* a second one */
        ck_assert_uint_eq(fixture.memory->n_submitted[BLOCK_OPERATION_WRITE], 0);
        finish();
}
END_TEST

START_TEST(replies_come_in_any_order_and_each_once) {
        bool has_come[50] = {};
        uint64_t first;

        begin();
        first = fixture.kernel.unique + 2;
        fixture.memory->delay_ns_max = NS_PER_MS;
        for (unsigned i = 0; i < 50; i++)
                fuse_kernel_send_read(&fixture.kernel, i * 4096, 512);
        for (unsigned i = 0; i < 50; i++) {
                unsigned index;

                fuse_fixture_run(&fixture);
                ck_assert(fuse_kernel_receive(&fixture.kernel, &reply));
                ck_assert_int_eq(reply.header.error, 0);
                index = (unsigned) (reply.header.unique - first) / 2;
                ck_assert(index < 50 && !has_come[index]);
                has_come[index] = true;
                ck_assert_mem_eq(reply.body, fixture.memory->memory + index * 4096, 512);
        }
        expect_no_reply();
        finish();
}
END_TEST

START_TEST(more_requests_than_slots_wait_in_the_kernel) {
        unsigned n = 0;

        begin();
        fixture.memory->is_held = true;
        for (unsigned i = 0; i < 100; i++) {
                fuse_kernel_send_read(&fixture.kernel, i * 4096, 512);
                fuse_fixture_run(&fixture);
        }
        ck_assert_uint_eq(fixture.memory->n_in_flight, 64);
        fixture.memory->is_held = false;
        memory_block_device_release(fixture.memory);
        fuse_fixture_run(&fixture);
        while (fuse_kernel_receive(&fixture.kernel, &reply)) {
                n++;
                fuse_fixture_run(&fixture);
        }
        ck_assert_uint_eq(n, 100);
        finish();
}
END_TEST

START_TEST(requests_have_deadlines_and_a_flush_more_time) {
        const struct fuse_fsync_in body = {};

        begin();
        fuse_session_set_request_timeout(fixture.session, 10 * NS_PER_S);
        expect(fuse_kernel_send_write(&fixture.kernel, 0, 512, 1, 0), 0);
        ck_assert_uint_le(fixture.memory->last_deadline_ns,
                          event_loop_now_ns(fixture.loop) + 12 * NS_PER_S);
        ask(FUSE_FSYNC, &body, sizeof(body), 0);
        ck_assert_uint_ge(fixture.memory->last_deadline_ns,
                          event_loop_now_ns(fixture.loop) + 19 * NS_PER_S);
        finish();
}
END_TEST

/* A look for data goes to the file's end, and moves none: the size of a disk is no reason to wait for days. */
START_TEST(a_look_for_data_has_no_more_time_on_a_larger_disk) {
        const struct fuse_lseek_in body = { .whence = SEEK_DATA };

        begin();
        fuse_session_set_request_timeout(fixture.session, 10 * NS_PER_S);
        ask(FUSE_LSEEK, &body, sizeof(body), 0);
        ck_assert_uint_eq(fixture.memory->n_submitted[BLOCK_OPERATION_STATUS], 1);
        ck_assert_uint_le(fixture.memory->last_deadline_ns,
                          event_loop_now_ns(fixture.loop) + 11 * NS_PER_S);
        finish();
}
END_TEST

START_TEST(nobody_waits_for_an_answer_that_the_kernel_does_not_take) {
        const int size = 16 * 1024;

        begin();
        ck_assert_int_eq(setsockopt(fixture.session_fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size)),
                         0);
        expect(fuse_kernel_send_read(&fixture.kernel, 0, 512 * 1024), EIO);
        expect(fuse_kernel_send_read(&fixture.kernel, 0, 512), 0);
        finish();
}
END_TEST

START_TEST(a_largest_rate_is_kept) {
        RateBudget budget = { .rate_max = 64 * KIB };
        unsigned n = 0;

        fuse_fixture_set_up(&fixture);
        fixture.options.budget = &budget;
        ck_assert_int_eq(fuse_fixture_start(&fixture), 0);
        expect(fuse_kernel_send_init(&fixture.kernel), 0);
        for (unsigned i = 0; i < 10; i++)
                fuse_kernel_send_read(&fixture.kernel, 0, 64 * KIB);
        fuse_fixture_run_for(&fixture, 5 * NS_PER_S);
        while (fuse_kernel_receive(&fixture.kernel, &reply))
                n++;
        ck_assert_uint_ge(n, 4);
        ck_assert_uint_le(n, 7);
        finish();
}
END_TEST

START_TEST(an_unmounted_file_ends_the_session) {
        begin();
        fixture.memory->is_held = true;
        fuse_kernel_send_read(&fixture.kernel, 0, 512);
        fuse_fixture_run(&fixture);
        fixture.kernel.fd = fd_close(fixture.kernel.fd);
        fuse_fixture_run(&fixture);
        ck_assert_uint_eq(fixture.n_ended, 0); /* something is in flight */
        memory_block_device_release(fixture.memory);
        fuse_fixture_run(&fixture);
        ck_assert_uint_eq(fixture.n_ended, 1);
        ck_assert_int_eq(fixture.error, 0);
        finish();
}
END_TEST

START_TEST(a_closing_export_answers_what_it_has) {
        uint64_t unique;

        begin();
        fixture.memory->is_held = true;
        unique = fuse_kernel_send_read(&fixture.kernel, 0, 512);
        fuse_fixture_run(&fixture);
        fuse_session_shut_down(fixture.session);
        fuse_kernel_send_read(&fixture.kernel, 0, 512); /* comes too late */
        fuse_fixture_run(&fixture);
        ck_assert_uint_eq(fixture.n_ended, 0);
        fixture.memory->is_held = false;
        memory_block_device_release(fixture.memory);
        expect(unique, 0);
        ck_assert_uint_eq(fixture.n_ended, 1);
        ck_assert_int_eq(fixture.error, -ECANCELED);
        expect_no_reply();
        finish();
}
END_TEST

START_TEST(memory_goes_back_after_a_while) {
        struct stat status;

        begin();
        expect(fuse_kernel_send_write(&fixture.kernel, 0, 65536 + 4096, 1, 0), 0);
        expect(fuse_kernel_send_write(&fixture.kernel, 0, 512, 1, 0), 0);
        ck_assert_int_eq(fstat(fixture.slots_fd, &status), 0);
        ck_assert_uint_ge((uint64_t) status.st_blocks * 512, 1 * MIB);
        fuse_fixture_run_for(&fixture, 30 * NS_PER_S);
        ck_assert_int_eq(fstat(fixture.slots_fd, &status), 0);
        ck_assert_uint_le((uint64_t) status.st_blocks * 512, 64 * KIB);
        expect(fuse_kernel_send_write(&fixture.kernel, 512, 65536, 2, 0), 0);
        ck_assert(is_all(fixture.memory->memory + 512, 2, 65536));
        finish();
}
END_TEST

int main(void) {
        Suite *suite = suite_create("fuse_session");
        TCase *tcase = tcase_create("fuse_session");

        tcase_add_test(tcase, a_megabyte_at_once_and_no_page_cache_are_agreed_on);
        tcase_add_test(tcase, the_file_has_the_size_of_the_device);
        tcase_add_test(tcase, a_write_changes_the_time);
        tcase_add_test(tcase, a_read_is_answered_with_the_bytes_at_any_offset);
        tcase_add_test(tcase, what_the_device_lends_is_sent_from_where_it_is);
        tcase_add_test(tcase, a_write_arrives_and_is_cut_off_at_the_end);
        tcase_add_test(tcase, a_write_of_a_file_opened_for_it_is_on_the_medium);
        tcase_add_test(tcase, closing_flushes_only_what_was_opened_for_writing);
        tcase_add_test(tcase, fsync_flushes_and_tells_of_failures);
        tcase_add_test(tcase, a_read_only_file_can_not_be_written);
        tcase_add_test(tcase, the_size_can_not_be_changed);
        tcase_add_test(tcase, holes_are_zeroes_that_cost_nothing);
        tcase_add_test(tcase, zeroes_may_take_their_time);
        tcase_add_test(tcase, all_of_a_disk_is_allocated);
        tcase_add_test(tcase, data_and_holes_are_found);
        tcase_add_test(tcase, statfs_tells_of_a_full_file_system);
        tcase_add_test(tcase, a_failed_read_is_never_a_short_one);
        tcase_add_test(tcase, errors_are_those_of_a_file);
        tcase_add_test(tcase, what_nobody_knows_is_told_so_and_notices_are_not_answered);
        tcase_add_test(tcase, a_request_that_is_not_whole_is_refused);
        tcase_add_test(tcase, replies_come_in_any_order_and_each_once);
        tcase_add_test(tcase, more_requests_than_slots_wait_in_the_kernel);
        tcase_add_test(tcase, requests_have_deadlines_and_a_flush_more_time);
        tcase_add_test(tcase, nobody_waits_for_an_answer_that_the_kernel_does_not_take);
        tcase_add_test(tcase, a_look_for_data_has_no_more_time_on_a_larger_disk);
        tcase_add_test(tcase, a_largest_rate_is_kept);
        tcase_add_test(tcase, an_unmounted_file_ends_the_session);
        tcase_add_test(tcase, a_closing_export_answers_what_it_has);
        tcase_add_test(tcase, memory_goes_back_after_a_while);
        suite_add_tcase(suite, tcase);
        return run_suite(suite);
}
