/*
 * Mounts as the manager keeps them: what workers are told, how long callers wait for one, and that nothing
 * of a mount that has ended stays open. What is sent to a worker is looked at instead; a pipe is taken for
 * /dev/fuse.
 */

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "base/virtual_event_loop.h"
#include "device/managed_device.h"
#include "unit_test.h"

int __real_fstat64(int fd, struct stat *status);
int __wrap_fstat64(int fd, struct stat *status);
void __wrap_child_process_send(ChildProcess *child, const ControlMessage *message, const int *fds,
                               size_t n_fds);

static EventLoop *loop;
static ManagedDevice *device;
static ControlMessage sent;
static unsigned n_sent, n_changed;
static int pipe_fds[2];

/* A pipe's end looks like /dev/fuse; the other end tells whether anybody has it open. */
int __wrap_fstat64(int fd, struct stat *status) {
        int r = __real_fstat64(fd, status);

        if (r == 0 && S_ISFIFO(status->st_mode)) {
                status->st_mode = S_IFCHR | 0666;
                status->st_rdev = makedev(10, 229);
        }
        return r;
}

void __wrap_child_process_send(ChildProcess *child, const ControlMessage *message, const int *fds,
                               size_t n_fds) {
        ck_assert_int_eq(control_message_validate(message, control_message_wire_size(message),
                                                  n_fds),
                         0);
        sent = *message;
        n_sent++;
}

static void on_changed(ManagedDevice *of, void *userdata) {}

static void on_lun_changed(ManagedDevice *of, unsigned lun, ManagedDeviceNews news,
                           void *userdata) {
        ck_assert_uint_eq(lun, 1);
        ck_assert_int_eq(news, MANAGED_DEVICE_NEWS_CHANGED);
        n_changed++;
}

static void set_worker(bool is_there) {
        static int a_worker;

        device->worker = is_there ? (ChildProcess *) &a_worker : NULL;
}

static void set_up(void) {
        static const ManagedDeviceHandlers handlers = {
                .changed = on_changed,
                .lun_changed = on_lun_changed,
        };

        n_sent = n_changed = 0;
        ck_assert_int_eq(virtual_event_loop_new(&loop), 0);
        ck_assert_int_eq(managed_device_new(&device, loop, "1-4", "base", &handlers, NULL), 0);
        device->exports[1] = (ManagedExport){ .is_open = true, .worker_generation = 5 };
        device->luns[1].is_present = true;
        set_worker(true);
        ck_assert_int_eq(pipe2(pipe_fds, O_CLOEXEC | O_NONBLOCK), 0);
}

static void tear_down(void) {
        set_worker(false);
        managed_device_free(device);
        event_loop_free(loop);
        fd_close(pipe_fds[0]);
        fd_close(pipe_fds[1]);
}

static int add(const char *path) {
        return device_mounts_add(device, 1, pipe_fds[1],
                                 &(DeviceMountOptions){ .path = path, .uid = 3, .gid = 4 });
}

/* Of the caller's own, that is. */
static bool is_open(void) {
        char byte;

        pipe_fds[1] = fd_close(pipe_fds[1]);
        return read(pipe_fds[0], &byte, 1) < 0;
}

static void run_for(uint64_t seconds) {
        ck_assert_int_eq(virtual_event_loop_run_until(loop,
                                                      event_loop_now_ns(loop) + seconds * NS_PER_S),
                         0);
}

static void on_served(uint32_t id) {
        device_mounts_on_served(device, &(ControlMountState){ .id = id });
}

static void on_ended(uint32_t id) {
        device_mounts_on_ended(device, &(ControlMountState){ .id = id });
}

START_TEST(a_worker_is_given_what_it_needs) {
        ck_assert_int_eq(add("/images/a"), 0);
        ck_assert_uint_eq(n_sent, 1);
        ck_assert_uint_eq(sent.type, CONTROL_TYPE_MOUNT);
        ck_assert_uint_eq(sent.body.mount.generation, 5);
        ck_assert_uint_eq(sent.body.mount.lun, 1);
        ck_assert_uint_eq(sent.body.mount.uid, 3);
        ck_assert_uint_eq(sent.body.mount.gid, 4);
        ck_assert_uint_gt(sent.body.mount.realtime_ns, 0);
        ck_assert_str_eq(device_mounts_get(device, 1, 0), "/images/a");
        ck_assert_ptr_null(device_mounts_get(device, 1, 1));
        ck_assert_ptr_null(device_mounts_get(device, 0, 0));
        ck_assert_uint_eq(n_changed, 1);
        ck_assert_uint_eq(device->mounts.n_changes[1], 1);
        ck_assert_uint_eq(device->mounts.n_changes[0], 0);
        ck_assert(is_open());
}
END_TEST

START_TEST(what_is_no_mount_is_refused) {
        char path[DEVICE_MOUNT_PATH_SIZE_MAX + 1];
        int file = open("/dev/null", O_RDWR | O_CLOEXEC);

        ck_assert_int_eq(device_mounts_add(device, 1, file, &(DeviceMountOptions){ .path = "" }),
                         -EINVAL);
        fd_close(file);
        memset(path, 'x', sizeof(path) - 1);
        path[sizeof(path) - 1] = '\0';
        ck_assert_int_eq(add(path), -ENAMETOOLONG);
        ck_assert_int_eq(add("/a"), 0);
        ck_assert_int_eq(add("/a"), -EEXIST);
        for (unsigned i = 1; i < CONTROL_MOUNTS_MAX; i++)
                ck_assert_int_eq(add(""), 0);
        ck_assert_int_eq(add(""), -ENOSPC);
        ck_assert_uint_eq(n_sent, CONTROL_MOUNTS_MAX);
}
END_TEST

START_TEST(one_that_has_ended_is_forgotten_and_closed) {
        ck_assert_int_eq(add("/a"), 0);
        on_ended(sent.body.mount.id + 1); /* there is none */
        ck_assert_ptr_nonnull(device_mounts_get(device, 1, 0));
        on_ended(sent.body.mount.id);
        ck_assert_ptr_null(device_mounts_get(device, 1, 0));
        ck_assert_uint_eq(n_changed, 2);
        ck_assert(!is_open());
}
END_TEST

START_TEST(the_next_worker_goes_on) {
        uint32_t id;

        ck_assert_int_eq(add("/a"), 0);
        id = sent.body.mount.id;
        on_served(id);
        set_worker(false);
        device_mounts_on_worker_ended(device);
        run_for(30);
        set_worker(true);
        device_mounts_on_worker_started(device);
        ck_assert_uint_eq(n_sent, 2);
        ck_assert_uint_eq(sent.type, CONTROL_TYPE_MOUNT);
        ck_assert_uint_eq(sent.body.mount.id, id);
        ck_assert_uint_eq(sent.body.mount.generation, 0);
        on_served(id);
        run_for(1000);
        ck_assert_ptr_nonnull(device_mounts_get(device, 1, 0));
        ck_assert(is_open());
}
END_TEST

/* However many workers there were meanwhile. */
START_TEST(nobody_waits_for_ever_for_a_worker_that_serves) {
        ck_assert_int_eq(add("/a"), 0);
        on_served(sent.body.mount.id);
        for (unsigned i = 0; i < 2; i++) {
                uint64_t begin_ns = event_loop_now_ns(loop);

                device_mounts_on_worker_ended(device);
                ck_assert_ptr_nonnull(device_mounts_get(device, 1, 0));
                device_mounts_on_worker_started(device);
                ck_assert_uint_eq(begin_ns, event_loop_now_ns(loop));
        }
        run_for(1000);
        ck_assert_ptr_null(device_mounts_get(device, 1, 0));
        ck_assert(!is_open());
}
END_TEST

/* It has the descriptor, and whoever waits does so until the last one is closed. */
START_TEST(a_worker_that_never_serves_is_told_to_let_go) {
        uint32_t id;

        ck_assert_int_eq(add("/a"), 0);
        id = sent.body.mount.id;
        on_served(id);
        device_mounts_on_worker_ended(device);
        device_mounts_on_worker_started(device);
        run_for(1000);
        ck_assert_uint_eq(n_sent, 3);
        ck_assert_uint_eq(sent.type, CONTROL_TYPE_UNMOUNT);
        ck_assert_uint_eq(sent.body.mount_state.id, id);
        on_ended(id);
        ck_assert_ptr_null(device_mounts_get(device, 1, 0));
        ck_assert(!is_open());
}
END_TEST

START_TEST(a_worker_is_told_to_end_it) {
        uint32_t id;

        ck_assert_int_eq(device_mounts_remove(device, 1, ""), -ENOENT);
        ck_assert_int_eq(add("/a"), 0);
        id = sent.body.mount.id;
        ck_assert_int_eq(device_mounts_remove(device, 1, "/b"), -ENOENT);
        ck_assert_int_eq(device_mounts_remove(device, 0, "/a"), -ENOENT);
        ck_assert_int_eq(device_mounts_remove(device, 1, "/a"), 0);
        ck_assert_uint_eq(sent.type, CONTROL_TYPE_UNMOUNT);
        ck_assert_uint_eq(sent.body.mount_state.id, id);
        /* It dies of it. */
        device_mounts_on_worker_ended(device);
        ck_assert_ptr_null(device_mounts_get(device, 1, 0));
        ck_assert(!is_open());
}
END_TEST

START_TEST(without_a_worker_it_ends_at_once) {
        ck_assert_int_eq(add("/a"), 0);
        set_worker(false);
        device_mounts_on_worker_ended(device);
        ck_assert_int_eq(device_mounts_remove(device, 1, ""), 0);
        ck_assert_uint_eq(n_sent, 1);
        ck_assert(!is_open());
}
END_TEST

START_TEST(a_device_that_goes_takes_its_mounts_along) {
        ck_assert_int_eq(add("/a"), 0);
        ck_assert_int_eq(add("/b"), 0);
        device_mounts_done(device);
        ck_assert(!is_open());
}
END_TEST

int main(void) {
        const TTest *const tests[] = {
                a_worker_is_given_what_it_needs,
                what_is_no_mount_is_refused,
                one_that_has_ended_is_forgotten_and_closed,
                the_next_worker_goes_on,
                nobody_waits_for_ever_for_a_worker_that_serves,
                a_worker_that_never_serves_is_told_to_let_go,
                a_worker_is_told_to_end_it,
                without_a_worker_it_ends_at_once,
                a_device_that_goes_takes_its_mounts_along,
                NULL,
        };

        return run_suite(suite_with_fixture("device_mounts", set_up, tear_down, tests));
}
