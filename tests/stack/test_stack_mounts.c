/* Mounts of units in a whole worker: what becomes of them with their device, their medium and their worker. */

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "export/fuse_session.h"
#include "fuse_kernel.h"
#include "stack.h"

#define SPEC "size=16M,serial=MOUNTED"

static const CacheOptions write_back = { .mode = CACHE_MODE_WRITE_BACK, .line_size = 16 * KIB };
static Stack stack;
static FuseKernel kernel;
static FuseReply reply;
static int session_fd, slots_fd;

static void set_up(void) {
        stack_init_with_cache(&stack, SPEC, &write_back, NULL, NULL);
        ck_assert_int_eq(stack.brought_up_result, 0);
        session_fd = fuse_kernel_open(&kernel);
        slots_fd = fuse_kernel_make_slots();
}

static void finish(void) {
        stack_done(&stack);
        fd_close(kernel.fd);
        fd_close(session_fd);
        fd_close(slots_fd);
}

static int duplicate(int fd) {
        int copy = fcntl(fd, F_DUPFD_CLOEXEC, 3);

        ck_assert_int_ge(copy, 0);
        return copy;
}

static void add_mount(uint64_t generation) {
        const ControlMount mount = { .id = 7, .generation = generation };

        storage_manager_add_mount(stack.storage, &mount, duplicate(session_fd),
                                  duplicate(slots_fd));
}

static bool has_reply(void) { return fuse_kernel_receive(&kernel, &reply); }

/* Runs until it comes. */
static void expect(uint64_t unique, int error) {
        for (unsigned i = 0; i < 1000 && !has_reply(); i++) {
                stack_sleep_ms(&stack, 10);
                ck_assert_uint_lt(i, 999);
        }
        ck_assert_uint_eq(reply.header.unique, unique);
        ck_assert_int_eq(reply.header.error, -error);
}

static void expect_no_reply(void) { ck_assert(!has_reply()); }

static void mount_and_init(void) {
        add_mount(stack.exports[0].generation);
        ck_assert_uint_eq(stack.n_mounts_served, 1);
        expect(fuse_kernel_send_init(&kernel), 0);
}

static void expect_ended(int error) {
        for (unsigned i = 0; i < 1000 && stack.n_mounts_ended == 0; i++)
                stack_sleep_ms(&stack, 100);
        ck_assert_uint_eq(stack.n_mounts_ended, 1);
        ck_assert_int_eq(stack.mount_error, error);
}

static bool is_written(uint64_t offset, uint8_t value) {
        uint8_t bytes[4096];

        stack_read_image(&stack, 0, offset, bytes, sizeof(bytes));
        return bytes[0] == value && memcmp(bytes, bytes + 1, sizeof(bytes) - 1) == 0;
}

static uint64_t send_fsync(void) {
        const struct fuse_fsync_in body = {};

        return fuse_kernel_send(&kernel, FUSE_FSYNC, &body, sizeof(body));
}

START_TEST(a_mount_and_a_client_of_nbd_see_the_same) {
        uint8_t bytes[4096];

        mount_and_init();
        expect(fuse_kernel_send_write(&kernel, 1 * MIB, 4096, 0x11, 0), 0);
        stack_connect(&stack, 0, /* is_structured= */ false);
        ck_assert_int_eq(stack_read(&stack, 0, 1 * MIB, bytes, sizeof(bytes), NULL), 0);
        ck_assert_uint_eq(bytes[4095], 0x11);
        expect(send_fsync(), 0);
        ck_assert(is_written(1 * MIB, 0x11));
        stack_sleep_ms(&stack, 1000);
        ck_assert_uint_eq(stack.lun_infos[0].n_clients, 2);
}
END_TEST

START_TEST(a_request_waits_for_its_device_to_return) {
        uint64_t unique;

        mount_and_init();
        expect(fuse_kernel_send_write(&kernel, 2 * MIB, 4096, 0x22, 0), 0);
        stack_unplug(&stack);
        unique = send_fsync();
        stack_sleep_ms(&stack, 30000);
        expect_no_reply();
        stack_replug(&stack, NULL);
        stack_await_unparked(&stack);
        expect(unique, 0);
        ck_assert(is_written(2 * MIB, 0x22));
        ck_assert_uint_eq(stack.n_mounts_ended, 0);
}
END_TEST

START_TEST(a_device_that_stays_away_ends_it_with_an_error) {
        uint64_t unique;

        mount_and_init();
        expect(fuse_kernel_send_write(&kernel, 2 * MIB, 4096, 0x22, 0), 0);
        stack_unplug(&stack);
        unique = send_fsync();
        expect_ended(0);
        ck_assert(has_reply());
        ck_assert_uint_eq(reply.header.unique, unique);
        ck_assert_int_eq(reply.header.error, -ENODEV);
}
END_TEST

START_TEST(another_medium_ends_it) {
        mount_and_init();
        stack_unplug(&stack);
        stack_write_image(&stack, 0, 512, "somebody else was here", 22);
        stack_replug(&stack, NULL);
        stack_await_unparked(&stack);
        expect_ended(0);
        ck_assert_uint_eq(stack.exports[0].n_opened, 2);
}
END_TEST

START_TEST(a_stop_answers_what_there_is_and_ends_it) {
        mount_and_init();
        expect(fuse_kernel_send_write(&kernel, 2 * MIB, 4096, 0x33, 0), 0);
        stack_stop(&stack);
        ck_assert_uint_eq(stack.n_mounts_ended, 1);
        ck_assert(is_written(2 * MIB, 0x33));
}
END_TEST

START_TEST(it_ends_when_it_is_told_to) {
        mount_and_init();
        storage_manager_end_mount(stack.storage, 8); /* there is none */
        storage_manager_end_mount(stack.storage, 7);
        expect_ended(0);
}
END_TEST

START_TEST(it_ends_when_it_is_unmounted) {
        mount_and_init();
        fd_close(kernel.fd);
        kernel.fd = -EBADF;
        expect_ended(0);
}
END_TEST

START_TEST(an_export_that_is_not_there_any_more_is_not_mounted) {
        add_mount(stack.exports[0].generation + 1);
        ck_assert_uint_eq(stack.n_mounts_served, 0);
        ck_assert_uint_eq(stack.n_mounts_ended, 1);
        ck_assert_int_eq(stack.mount_error, -ESTALE);
}
END_TEST

/* What the first one leaves is copied as by a kill; its own end has to happen somehow. */
static void start_successor(void) {
        StackRemains remains = { .fds = { stack_copy_arena(&stack) }, .n = 1 };
        int image = duplicate(stack.image_fds[0]), slots_copy = fuse_kernel_make_slots();
        uint8_t bytes[4096];

        for (off_t at = 0; pread(slots_fd, bytes, sizeof(bytes), at) > 0; at += sizeof(bytes))
                ck_assert_int_eq(pwrite(slots_copy, bytes, sizeof(bytes), at), sizeof(bytes));
        stack_unplug(&stack); /* nothing more gets there */
        stack.save_error = -ENOSPC;
        finish();

        slots_fd = slots_copy;
        session_fd = fuse_kernel_open(&kernel);
        stack_init_with_cache(&stack, SPEC, &write_back, &image, &remains);
        ck_assert_int_eq(stack.brought_up_result, 0);
        stack.n_mounts_served = stack.n_mounts_ended = 0;
}

START_TEST(a_successor_goes_on_with_the_same_medium) {
        uint64_t unique;

        mount_and_init();
        expect(fuse_kernel_send_write(&kernel, 2 * MIB, 4096, 0x44, 0), 0);
        start_successor();
        add_mount(0);
        ck_assert_uint_eq(stack.n_mounts_served, 1);
        unique = fuse_kernel_send_read(&kernel, 2 * MIB, 4096); /* no INIT any more */
        expect(unique, 0);
        ck_assert_uint_eq(reply.body_size, 4096);
        ck_assert_uint_eq(reply.body[0], 0x44);
        expect(send_fsync(), 0);
        ck_assert(is_written(2 * MIB, 0x44));
}
END_TEST

START_TEST(a_device_that_fails_leaves_it_to_a_successor) {
        mount_and_init();
        expect(fuse_kernel_send_write(&kernel, 2 * MIB, 4096, 0x55, 0), 0);
        stack_add_faults(&stack, "hang:command*always");
        (void) send_fsync();
        for (unsigned i = 0; i < 1000 && !stack.is_stopped; i++)
                stack_sleep_ms(&stack, 1000);
        ck_assert(stack.is_stopped);
        ck_assert_int_eq(stack.stopped_result, -EIO);
        ck_assert_uint_eq(stack.n_mounts_ended, 0);
}
END_TEST

int main(void) {
        Suite *suite = suite_create("stack_mounts");
        TCase *tcase = tcase_create("stack_mounts");
        SRunner *runner;
        int n_failed;

        tcase_set_timeout(tcase, 120);
        tcase_add_checked_fixture(tcase, set_up, finish);
        tcase_add_test(tcase, a_mount_and_a_client_of_nbd_see_the_same);
        tcase_add_test(tcase, a_request_waits_for_its_device_to_return);
        tcase_add_test(tcase, a_device_that_stays_away_ends_it_with_an_error);
        tcase_add_test(tcase, another_medium_ends_it);
        tcase_add_test(tcase, a_stop_answers_what_there_is_and_ends_it);
        tcase_add_test(tcase, it_ends_when_it_is_told_to);
        tcase_add_test(tcase, it_ends_when_it_is_unmounted);
        tcase_add_test(tcase, an_export_that_is_not_there_any_more_is_not_mounted);
        tcase_add_test(tcase, a_successor_goes_on_with_the_same_medium);
        tcase_add_test(tcase, a_device_that_fails_leaves_it_to_a_successor);
        suite_add_tcase(suite, tcase);
        runner = srunner_create(suite);
        srunner_run_all(runner, CK_ENV);
        n_failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return n_failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
