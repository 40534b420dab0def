/*
 * What a worker wrote into its arena before it died, and where it is afterwards: with the next
 * worker, in a file, or with systemd, and in the order in which it was written.
 */

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "broker.h"
#include "device/device_cache.h"
#include "device/orphan_folder.h"

#define BASE_NAME "1209-0001-X"
#define CACHE_SIZE (16 * MIB)
#define ARENA_SIZE (CACHE_SIZE + CACHE_SIZE / 32 + MIB)

static void path_in(const Broker *broker, const char *name, char *ret, size_t size) {
        snprintf(ret, size, "%s/%s", broker->children.folder, name);
}

static void orphan_path(const Broker *broker, unsigned lun, unsigned number, char *ret,
                        size_t size) {
        char name[128];

        snprintf(name, sizeof(name), "orphans/" BASE_NAME "-lun%u.%u.orphan", lun, number);
        path_in(broker, name, ret, size);
}

static bool has_orphan(const Broker *broker, unsigned lun, unsigned number) {
        char path[256];

        orphan_path(broker, lun, number, path, sizeof(path));
        return access(path, F_OK) == 0;
}

/* The process whose arena it was. */
static pid_t read_orphan(const Broker *broker, unsigned lun, unsigned number) {
        _cleanup_(fd_closep) int fd = -EBADF;
        char path[256], text[16] = {};

        orphan_path(broker, lun, number, path, sizeof(path));
        fd = open(path, O_RDONLY | O_CLOEXEC);
        ck_assert_int_ge(fd, 0);
        ck_assert_int_eq(pread(fd, text, sizeof(text) - 1, 0), sizeof(text) - 1);
        return atoi(text);
}

/* For the workers that come. */
static void set(const Broker *broker, const char *what, bool is_so) {
        char path[256];

        path_in(broker, what, path, sizeof(path));
        if (is_so)
                fd_close(open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
        else
                unlink(path);
}

static bool was_told_remains(const Broker *broker, pid_t pid, unsigned luns) {
        char text[64];

        snprintf(text, sizeof(text), "remains of %d, LUNs %u\n", (int) pid, luns);
        return broker_was_told(broker, text);
}

static void start(Broker *broker, const char *worker) {
        broker_prepare(broker, /* has_usb= */ false, worker, "front");
        broker_start(broker);
        ck_assert_int_eq(broker_simulate(broker), 0);
        fake_children_run_until(broker->loop, &broker->has_worker);
}

START_TEST(arena_is_sealed_and_costs_nothing_yet) {
        _cleanup_(device_arena_freep) DeviceArena *arena = NULL;
        struct stat status;

        ck_assert_int_eq(device_arena_new(&arena, BASE_NAME, 1, CACHE_SIZE, NULL), 0);
        ck_assert_int_eq(fstat(arena->fd, &status), 0);
        ck_assert_int_eq(status.st_size, ARENA_SIZE);
        ck_assert_int_eq(status.st_blocks, 0);
        ck_assert_int_lt(ftruncate(arena->fd, 0), 0);
        ck_assert_int_lt(ftruncate(arena->fd, ARENA_SIZE * 2), 0);
        ck_assert_int_lt(fcntl(arena->fd, F_ADD_SEALS, F_SEAL_WRITE), 0);
        ck_assert_int_eq(fcntl(arena->fd, F_GETFD), FD_CLOEXEC);
        ck_assert_int_eq(pwrite(arena->fd, "x", 1, ARENA_SIZE - 1), 1);
}
END_TEST

START_TEST(worker_is_told_how_to_cache) {
        Broker broker;

        broker_prepare(&broker, /* has_usb= */ false, "good", "front");
        broker.options.cache.policy = CACHE_POLICY_KIND_S3FIFO;
        broker.options.cache.is_write_back = false;
        broker.options.cache.has_read_ahead = true;
        broker.options.cache.verifies_hits = true;
        broker.options.cache.park_timeout_ms = 7;
        broker_start(&broker);
        ck_assert_int_eq(broker_simulate(&broker), 0);
        broker_run_until_told(&broker, "cache of 16777216, mode 1, policy 1, read-ahead 1, "
                                       "verify 1, park 7");
        broker_done(&broker);
}
END_TEST

START_TEST(worker_is_told_what_has_changed) {
        DeviceManagerOptions options;
        Broker broker;

        start(&broker, "good");
        options = broker.options;
        options.cache.policy = CACHE_POLICY_KIND_S3FIFO;
        options.cache.is_write_back = false;
        options.cache.has_read_ahead = true;
        options.cache.verifies_hits = true;
        options.cache.park_timeout_ms = 7;
        options.cache.size = 8 * MIB;
        device_manager_set_options(broker.manager, &options);
        broker_run_until_told(&broker, "cache of 8388608 now, mode 1, policy 1, read-ahead 1, "
                                       "verify 1, park 7");
        broker_done(&broker);
}
END_TEST

/* From then on clients may write what is in the arena alone. */
START_TEST(what_is_left_of_a_cache_that_was_switched_on_is_given_back) {
        DeviceManagerOptions options;
        Broker broker;

        broker_prepare(&broker, /* has_usb= */ false, "good", "front");
        broker.options.cache.is_enabled = false;
        broker_start(&broker);
        ck_assert_int_eq(broker_simulate(&broker), 0);
        fake_children_run_until(broker.loop, &broker.has_worker);
        options = broker.options;
        options.cache.is_enabled = true;
        device_manager_set_options(broker.manager, &options);
        broker_run_until_told(&broker, "now, mode 2");
        broker_replace_worker(&broker);
        ck_assert(broker_was_told(&broker, "remains of"));
        broker_done(&broker);
}
END_TEST

START_TEST(devices_share_the_cache) {
        Broker broker;

        start(&broker, "good");
        ck_assert(broker_was_told(&broker, "cache of 16777216, mode 2"));
        ck_assert_int_eq(broker_simulate(&broker), 0);
        broker_run_until_told(&broker, "cache of 8388608 now");
        broker_run_until_told(&broker, "cache of 8388608, mode 2");
        broker_done(&broker);
}
END_TEST

START_TEST(successor_gets_what_was_left_and_takes_it_in) {
        Broker broker;
        pid_t first, second;

        start(&broker, "good");
        first = broker.worker_pid;
        broker_replace_worker(&broker);
        ck_assert(was_told_remains(&broker, first, 1));
        second = broker.worker_pid;
        broker_forget(&broker);
        broker_replace_worker(&broker);
        /* The first one's is in the second's by now. */
        ck_assert(was_told_remains(&broker, second, 1));
        ck_assert(!was_told_remains(&broker, first, 1));
        broker_done(&broker);
        ck_assert(!broker_was_told(&broker, "is kept in"));
}
END_TEST

/* It exports nothing itself, but has what it took in. */
START_TEST(what_was_taken_in_is_left_again) {
        Broker broker;
        pid_t second;

        start(&broker, "good");
        set(&broker, "empty", true);
        broker_replace_worker(&broker);
        broker_run_until_told(&broker, "remains of");
        second = broker.worker_pid;
        broker_replace_worker(&broker);
        ck_assert(was_told_remains(&broker, second, 1));
        broker_done(&broker);
}
END_TEST

/* As a worker does that had nothing left to write, however it ends. */
START_TEST(empty_arena_is_left_to_nobody) {
        Broker broker;

        start(&broker, "spotless");
        broker_replace_worker(&broker);
        ck_assert(!broker_was_told(&broker, "remains of"));
        broker_done(&broker);
        ck_assert(!broker_was_told(&broker, "is kept in"));
}
END_TEST

/* Nothing was written where nothing was exported. */
START_TEST(nothing_is_left_of_a_cache_that_is_off) {
        Broker broker;

        broker_prepare(&broker, /* has_usb= */ false, "good", "front");
        broker.options.cache.is_enabled = false;
        broker_start(&broker);
        ck_assert_int_eq(broker_simulate(&broker), 0);
        fake_children_run_until(broker.loop, &broker.has_worker);
        ck_assert(broker_was_told(&broker, "mode 0"));
        broker_replace_worker(&broker);
        ck_assert(!broker_was_told(&broker, "remains of"));
        broker_done(&broker);
}
END_TEST

START_TEST(what_cannot_be_given_back_is_saved_and_deleted_later) {
        Broker broker;
        struct stat status;
        char path[256];
        pid_t first;

        start(&broker, "good");
        first = broker.worker_pid;
        set(&broker, "unfit", true);
        broker_replace_worker(&broker);
        broker_run_until_told(&broker, "is kept in");
        ck_assert_int_eq(read_orphan(&broker, 0, 1), first);
        orphan_path(&broker, 0, 1, path, sizeof(path));
        ck_assert_int_eq(stat(path, &status), 0);
        ck_assert_int_eq(status.st_mode & 0777, 0600);
        ck_assert_int_eq(status.st_size, ARENA_SIZE);
        ck_assert_int_lt(status.st_blocks * 512, (int) MIB);
        ck_assert_uint_eq(status.st_nlink, 1);

        set(&broker, "unfit", false);
        broker_forget(&broker);
        broker_replace_worker(&broker);
        ck_assert(was_told_remains(&broker, first, 1));
        broker_run_until_told(&broker, "was given back");
        ck_assert(!has_orphan(&broker, 0, 1));
        broker_done(&broker);
}
END_TEST

/* Each of them may hold newer data than those before it. */
START_TEST(oldest_of_many_predecessors_is_saved_and_still_told_first) {
        Broker broker;
        pid_t pids[DEVICE_CACHE_PREDECESSORS_MAX + 2];
        const char *at;

        start(&broker, "silent");
        for (size_t i = 0; i < N_ELEMENTS(pids); i++) {
                pids[i] = broker.worker_pid;
                broker_forget(&broker);
                broker_replace_worker(&broker);
        }
        at = broker.lines;
        for (size_t i = 0; i < N_ELEMENTS(pids); i++) {
                char text[64];

                snprintf(text, sizeof(text), "remains of %d, LUNs 1\n", (int) pids[i]);
                at = strstr(at, text);
                ck_assert_msg(at, "not told in order: %s", text);
        }
        ck_assert_int_eq(read_orphan(&broker, 0, 1), pids[0]);
        ck_assert_int_eq(read_orphan(&broker, 0, 2), pids[1]);
        ck_assert(!has_orphan(&broker, 0, 3));
        broker_done(&broker);
        /* The service has ended: nothing is in memory alone. The last worker stopped well. */
        ck_assert(broker_was_told(&broker, "lun0.6.orphan"));
        ck_assert(!broker_was_told(&broker, "lun0.7.orphan"));
}
END_TEST

START_TEST(worker_that_tells_of_other_remains_is_killed) {
        Broker broker;

        broker_prepare(&broker, /* has_usb= */ false, "lies-about-remains", "front");
        broker_start(&broker);
        ck_assert_int_eq(broker_simulate(&broker), 0);
        broker_run_until_told(&broker, "told of remains that it was not given");
        broker_done(&broker);
}
END_TEST

START_TEST(worker_has_its_arena_saved_and_it_comes_back) {
        Broker broker;
        pid_t pid;

        start(&broker, "saves");
        pid = broker.worker_pid;
        device_manager_stop(broker.manager);
        fake_children_run_until(broker.loop, &broker.has_stopped);
        ck_assert(broker_was_told(&broker, "saved LUNs 1: Success"));
        /* It could give it back if the medium returned. */
        ck_assert(was_told_remains(&broker, pid, 1));
        ck_assert_int_eq(read_orphan(&broker, 0, 1), pid);
        ck_assert(!has_orphan(&broker, 0, 2));

        broker_crash(&broker);
        broker_forget(&broker);
        broker.has_worker = false;
        broker_start(&broker);
        ck_assert_int_eq(broker_simulate(&broker), 0);
        fake_children_run_until(broker.loop, &broker.has_worker);
        ck_assert(was_told_remains(&broker, pid, 1));
        broker_run_until_told(&broker, "was given back");
        ck_assert(!has_orphan(&broker, 0, 1));
        broker.has_stopped = false;
        broker_done(&broker);
}
END_TEST

START_TEST(failure_to_save_is_told_and_nothing_is_given_up) {
        Broker broker;
        char path[256];

        start(&broker, "saves");
        path_in(&broker, "orphans", path, sizeof(path));
        fd_close(open(path, O_CREAT | O_WRONLY, 0600));
        device_manager_stop(broker.manager);
        broker_run_until_told(&broker, "saved LUNs 1: Not a directory");
        ck_assert(broker_was_told(&broker, "can't be kept in"));
        ck_assert(broker_was_told(&broker, path));
        /* It said that it stopped; what it could not save is tried once more. */
        ck_assert_int_eq(unlink(path), 0);
        fake_children_run_until(broker.loop, &broker.has_stopped);
        ck_assert_int_eq(read_orphan(&broker, 0, 1), broker.worker_pid);
        broker_done(&broker);
}
END_TEST

static void make_orphans(const Broker *broker, unsigned n) {
        char path[256];

        path_in(broker, "orphans", path, sizeof(path));
        ck_assert(mkdir(path, 0700) == 0 || errno == EEXIST);
        for (unsigned i = 0; i < n; i++) {
                orphan_path(broker, i % CONTROL_LUNS_MAX, 1 + i / CONTROL_LUNS_MAX, path,
                            sizeof(path));
                fd_close(open(path, O_CREAT | O_WRONLY, 0600));
        }
}

/* Newer data must not be seen without what is older, nor be written before it. */
START_TEST(device_with_more_orphans_than_a_worker_takes_is_not_driven) {
        Broker broker;

        broker_prepare(&broker, /* has_usb= */ false, "good", "front");
        make_orphans(&broker, CONTROL_REMAINS_MAX + 1);
        broker_start(&broker);
        ck_assert_int_eq(broker_simulate(&broker), 0);
        broker_run_until_told(&broker, "too many orphan files of it");
        ck_assert(!broker.has_worker);
        broker_done(&broker);

        broker_prepare(&broker, /* has_usb= */ false, "silent", "front");
        make_orphans(&broker, CONTROL_REMAINS_MAX);
        broker_start(&broker);
        ck_assert_int_eq(broker_simulate(&broker), 0);
        fake_children_run_until(broker.loop, &broker.has_worker);
        broker_done(&broker);
}
END_TEST

START_TEST(orphans_of_a_lun_are_limited) {
        Broker broker;
        char path[256];

        start(&broker, "saves");
        path_in(&broker, "orphans", path, sizeof(path));
        ck_assert_int_eq(mkdir(path, 0700), 0);
        for (unsigned i = 0; i < ORPHAN_FOLDER_FILES_PER_LUN_MAX; i++) {
                orphan_path(&broker, 0, 10 + i, path, sizeof(path));
                fd_close(open(path, O_CREAT | O_WRONLY, 0600));
        }
        device_manager_stop(broker.manager);
        broker_run_until_told(&broker, "saved LUNs 1: Disk quota exceeded");
        broker_done(&broker);
        ck_assert(broker_was_told(&broker, "too many orphan files"));
        /* The service ends, and has the last word. */
        ck_assert(broker_was_told(&broker, "lun0.26.orphan"));
}
END_TEST

int main(void) {
        Suite *suite = suite_create("device cache");
        TCase *tcase = tcase_create("arenas");
        SRunner *runner;
        int n_failed;

        tcase_set_timeout(tcase, 120);
        tcase_add_test(tcase, arena_is_sealed_and_costs_nothing_yet);
        tcase_add_test(tcase, worker_is_told_how_to_cache);
        tcase_add_test(tcase, worker_is_told_what_has_changed);
        tcase_add_test(tcase, what_is_left_of_a_cache_that_was_switched_on_is_given_back);
        tcase_add_test(tcase, devices_share_the_cache);
        tcase_add_test(tcase, successor_gets_what_was_left_and_takes_it_in);
        tcase_add_test(tcase, what_was_taken_in_is_left_again);
        tcase_add_test(tcase, empty_arena_is_left_to_nobody);
        tcase_add_test(tcase, nothing_is_left_of_a_cache_that_is_off);
        tcase_add_test(tcase, what_cannot_be_given_back_is_saved_and_deleted_later);
        tcase_add_test(tcase, oldest_of_many_predecessors_is_saved_and_still_told_first);
        tcase_add_test(tcase, worker_that_tells_of_other_remains_is_killed);
        tcase_add_test(tcase, worker_has_its_arena_saved_and_it_comes_back);
        tcase_add_test(tcase, failure_to_save_is_told_and_nothing_is_given_up);
        tcase_add_test(tcase, device_with_more_orphans_than_a_worker_takes_is_not_driven);
        tcase_add_test(tcase, orphans_of_a_lun_are_limited);
        suite_add_tcase(suite, tcase);
        runner = srunner_create(suite);
        srunner_run_all(runner, CK_NORMAL);
        n_failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return n_failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
