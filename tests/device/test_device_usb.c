/*
 * The broker on made-up USB, whose every disk ends with a worker or back at the kernel, and children
 * that say what is not theirs to say. test_device_plugging.c has what returns.
 */

#include <check.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "device/device_manager.h"
#include "device/device_sleep.h"
#include "device/device_view.h"
#include "fake_children.h"
#include "fake_host.h"
#include "unit_test.h"

typedef struct Broker {
        EventLoop *loop;
        FakeHost host;
        FakeChildren children;
        char worker_path[128];
        char front_path[128];
        DeviceManager *manager;
        DevicePresentPolicy present_devices;
        unsigned n_devices_max;
        EventTimer poll;
        bool (*is_awaited)(struct Broker *broker);
        bool is_reached;
        bool has_stopped;
        char last_log[512]; /* of warning or worse, or a notice */
        unsigned n_fronts_lost;
        unsigned n_workers_lost;
} Broker;

static Broker broker;

static void on_stopped(DeviceManager *manager, void *userdata) { broker.has_stopped = true; }

static void on_poll(EventTimer *timer) {
        broker.is_reached = broker.is_awaited && broker.is_awaited(&broker);
        event_timer_set(timer, event_loop_now_ns(broker.loop) + 5 * NS_PER_MS);
}

static void on_log(const LogRecord *record, void *userdata) {
        if (strstr(record->message, "starting another in") ||
            strstr(record->message, "trying again in"))
                broker.n_workers_lost++;
        else if (strstr(record->message, "starting another"))
                broker.n_fronts_lost++;
        if (record->level <= LOG_LEVEL_INFO)
                strncpy(broker.last_log, record->message, sizeof(broker.last_log) - 1);
}

static void set_up(void) {
        broker = (Broker){ .n_devices_max = 4 };
        log_set_sink(on_log, NULL);
        log_set_level(LOG_LEVEL_INFO);
        fake_host_init(&broker.host);
        fake_children_init(&broker.children);
        ck_assert_int_eq(systemd_event_loop_new(&broker.loop), 0);
        ck_assert_int_eq(event_timer_init(&broker.poll, broker.loop, on_poll), 0);
}

static void start_with(const char *worker, const char *front) {
        strcpy(broker.worker_path, fake_children_get(&broker.children, worker));
        strcpy(broker.front_path, fake_children_get(&broker.children, front));
        ck_assert_int_eq(device_manager_new(
                                         &broker.manager, broker.loop,
                                         &(DeviceManagerOptions){
                                                         .worker_path = broker.worker_path,
                                                         .front_path = broker.front_path,
                                                         .has_usb = true,
                                                         .present_devices = broker.present_devices,
                                                         .n_devices_max = broker.n_devices_max,
                                                         .n_luns_max = 8,
                                         },
                                         on_stopped, NULL),
                         0);
        ck_assert_int_eq(device_manager_start(broker.manager), 0);
        event_timer_set(&broker.poll, 1);
}

static void start(const char *worker) { start_with(worker, "front"); }

static void await(bool (*condition)(Broker *broker)) {
        broker.is_reached = false;
        broker.is_awaited = condition;
        fake_children_run_until(broker.loop, &broker.is_reached);
}

static void stop(void) {
        device_manager_stop(broker.manager);
        fake_children_run_until(broker.loop, &broker.has_stopped);
}

static void tear_down(void) {
        if (!broker.has_stopped)
                stop();
        device_manager_free(broker.manager);
        event_timer_done(&broker.poll);
        event_loop_free(broker.loop);
        fake_children_done(&broker.children);
        fake_host_done(&broker.host);
        log_set_sink(NULL, NULL);
}

static unsigned count_devices(void) { return device_manager_get_counts(broker.manager).n_devices; }

static unsigned count_exports(void) { return device_manager_get_counts(broker.manager).n_exports; }

static bool has_device(Broker *unused) { return count_devices() > 0; }
static bool has_export(Broker *unused) { return count_exports() > 0; }
static bool has_no_device(Broker *unused) { return count_devices() == 0; }
static bool has_no_other(Broker *unused) {
        DeviceOtherView other;

        return !device_manager_get_other(broker.manager, 0, &other);
}
static bool has_said(Broker *unused) { return broker.last_log[0] != '\0'; }
static bool has_lost_a_front(Broker *unused) { return broker.n_fronts_lost > 0; }
static bool has_lost_two_workers(Broker *unused) { return broker.n_workers_lost >= 2; }

static void plug_in(void) {
        fake_host_add_stick(&broker.host);
        fake_host_send(&broker.host, "add", FAKE_STICK);
        fake_host_send(&broker.host, "add", FAKE_STICK_INTERFACE);
}

static void pull_out(void) {
        fake_host_remove(&broker.host, FAKE_STICK);
        fake_host_send(&broker.host, "remove", FAKE_STICK);
}

START_TEST(plugged_in_disk_is_exported_and_given_back) {
        start("good");
        plug_in();
        await(has_export);
        ck_assert_uint_eq(broker.host.n_taken, 1);
        ck_assert_uint_eq(broker.host.n_given_back, 0);
        stop();
        ck_assert_uint_eq(broker.host.n_given_back, 1);
}
END_TEST

START_TEST(pulled_out_disk_is_forgotten) {
        start("good");
        plug_in();
        await(has_export);
        pull_out();
        await(has_no_device);
        ck_assert_uint_eq(count_exports(), 0);
        ck_assert_uint_eq(broker.host.n_given_back, 0);
}
END_TEST

START_TEST(second_storage_interface_makes_no_second_device) {
        start("good");
        plug_in();
        fake_host_send(&broker.host, "add", FAKE_STICK_INTERFACE);
        await(has_export);
        ck_assert_uint_eq(count_devices(), 1);
}
END_TEST

START_TEST(what_came_and_went_without_a_word_is_found_when_it_is_looked_for) {
        start("good");
        fake_host_add_stick(&broker.host);
        device_manager_rescan(broker.manager);
        await(has_export);
        device_manager_rescan(broker.manager);
        ck_assert_uint_eq(count_devices(), 1);
        ck_assert_uint_eq(broker.host.n_taken, 1);

        fake_host_remove(&broker.host, FAKE_STICK);
        device_manager_rescan(broker.manager);
        await(has_no_device);
        device_manager_rescan(broker.manager);
        ck_assert_uint_eq(count_devices(), 0);
}
END_TEST

START_TEST(who_looks_again_takes_nothing_that_was_left_to_the_kernel) {
        DeviceOtherView other;

        fake_host_add_stick(&broker.host);
        start("good");
        await(has_said);
        device_manager_rescan(broker.manager);
        ck_assert_uint_eq(count_devices(), 0);
        ck_assert(device_manager_get_other(broker.manager, 0, &other));

        fake_host_remove(&broker.host, FAKE_STICK);
        device_manager_rescan(broker.manager);
        ck_assert(!device_manager_get_other(broker.manager, 0, &other));
}
END_TEST

START_TEST(present_disk_is_kept_by_the_kernel) {
        fake_host_add_stick(&broker.host);
        start("good");
        await(has_said);
        ck_assert_uint_eq(count_devices(), 0);
        ck_assert_uint_eq(broker.host.n_taken, 0);
}
END_TEST

START_TEST(present_disk_is_taken_if_so_configured) {
        broker.present_devices = DEVICE_PRESENT_POLICY_TAKE;
        fake_host_add_stick(&broker.host);
        start("good");
        await(has_export);
        ck_assert_uint_eq(broker.host.n_taken, 1);
}
END_TEST

START_TEST(disk_in_use_is_left_to_the_kernel) {
        broker.host.busy_path = FAKE_STICK_DISK;
        start("good");
        plug_in();
        await(has_said);
        ck_assert_uint_eq(count_devices(), 0);
        ck_assert_uint_eq(broker.host.n_taken, 0);
}
END_TEST

/* udevd gives its group the node of a disk that the kernel has made just now. */
START_TEST(disk_that_udev_has_not_set_up_yet_is_taken_when_it_has) {
        broker.host.private_path = FAKE_STICK_DISK;
        start("good");
        plug_in();
        await(has_said);
        ck_assert_uint_eq(broker.host.n_taken, 0);
        broker.host.private_path = NULL;
        fake_host_send(&broker.host, "add", FAKE_STICK_BLOCK);
        await(has_export);
        ck_assert_uint_eq(broker.host.n_taken, 1);
}
END_TEST

START_TEST(disk_that_is_the_kernels_stays_so_when_udev_has_set_it_up) {
        fake_host_add_stick(&broker.host);
        start("good");
        await(has_said);
        fake_host_send(&broker.host, "add", FAKE_STICK_BLOCK);
        fake_host_send(&broker.host, "remove", FAKE_STICK);
        await(has_no_other);
        ck_assert_uint_eq(broker.host.n_taken, 0);
}
END_TEST

START_TEST(disk_too_many_is_given_back) {
        broker.n_devices_max = 0;
        start("good");
        plug_in();
        await(has_said);
        ck_assert_uint_eq(count_devices(), 0);
        ck_assert_uint_eq(broker.host.n_taken, 1);
        ck_assert_uint_eq(broker.host.n_given_back, 1);
}
END_TEST

START_TEST(disk_that_a_worker_refuses_is_given_back) {
        start("refuses");
        plug_in();
        await(has_device);
        await(has_no_device);
        ck_assert_uint_eq(broker.host.n_given_back, 1);
}
END_TEST

START_TEST(disk_whose_worker_dies_is_opened_anew) {
        start("dies-at-work");
        plug_in();
        await(has_lost_two_workers);
        ck_assert_uint_ge(broker.host.n_node_opens, 2);
        /* In the pause before the next. */
        pull_out();
        await(has_no_device);
}
END_TEST

START_TEST(disk_whose_node_cannot_be_opened_again_is_tried_on) {
        start("dies-at-work");
        plug_in();
        await(has_device);
        broker.host.busy_path = FAKE_STICK_DISK;
        await(has_lost_two_workers);
        ck_assert_uint_eq(count_devices(), 1);
}
END_TEST

START_TEST(host_without_events_is_survived) {
        broker.host.has_no_monitor = true;
        start("good");
        await(has_said);
        ck_assert_uint_eq(count_devices(), 0);
}
END_TEST

START_TEST(events_of_no_concern_are_ignored) {
        fake_host_add_stick(&broker.host);
        start("good");
        fake_host_send(&broker.host, NULL, FAKE_STICK);
        fake_host_send(&broker.host, "bind", FAKE_STICK_INTERFACE);
        fake_host_send(&broker.host, "remove", "/sys/devices/usb1/1-9");
        await(has_said);
        ck_assert_uint_eq(count_devices(), 0);
}
END_TEST

START_TEST(front_that_dies_is_started_again) {
        start_with("good", "exits");
        await(has_lost_a_front);
        plug_in();
        await(has_export);
}
END_TEST

START_TEST(front_that_talks_like_a_worker_is_killed) {
        start_with("good", "says-failed");
        await(has_lost_a_front);
}
END_TEST

START_TEST(worker_that_talks_like_the_manager_is_killed) {
        start("says-stop");
        plug_in();
        await(has_lost_two_workers);
}
END_TEST

START_TEST(spare_worker_that_speaks_is_killed) {
        start("says-failed");
        await(has_said);
        ck_assert_ptr_nonnull(strstr(broker.last_log, "spoke before it had a device"));
}
END_TEST

START_TEST(programs_that_are_missing_are_an_error) {
        DeviceManagerOptions options = { .worker_path = "/nowhere", .front_path = "/nowhere" };
        DeviceManager *manager;

        ck_assert_int_eq(device_manager_new(&manager, broker.loop, &options, on_stopped, NULL), 0);
        ck_assert_int_eq(device_manager_start(manager), -ENOENT);
        device_manager_free(manager);
        broker.has_stopped = true;
}
END_TEST

START_TEST(listeners_beyond_the_limit_are_refused_and_closed) {
        start("good");
        for (unsigned i = 0; i < DEVICE_MANAGER_LISTENERS_MAX; i++)
                ck_assert_int_eq(device_manager_listen(broker.manager,
                                                       socket(AF_UNIX, SOCK_STREAM, 0)),
                                 0);
        ck_assert_int_eq(device_manager_listen(broker.manager, socket(AF_UNIX, SOCK_STREAM, 0)),
                         -ENOSPC);
}
END_TEST

int main(void) {
        const TTest *const tests[] = {
                plugged_in_disk_is_exported_and_given_back,
                pulled_out_disk_is_forgotten,
                second_storage_interface_makes_no_second_device,
                what_came_and_went_without_a_word_is_found_when_it_is_looked_for,
                who_looks_again_takes_nothing_that_was_left_to_the_kernel,
                present_disk_is_kept_by_the_kernel,
                present_disk_is_taken_if_so_configured,
                disk_in_use_is_left_to_the_kernel,
                disk_that_udev_has_not_set_up_yet_is_taken_when_it_has,
                disk_that_is_the_kernels_stays_so_when_udev_has_set_it_up,
                disk_too_many_is_given_back,
                disk_that_a_worker_refuses_is_given_back,
                disk_whose_worker_dies_is_opened_anew,
                disk_whose_node_cannot_be_opened_again_is_tried_on,
                host_without_events_is_survived,
                events_of_no_concern_are_ignored,
                front_that_dies_is_started_again,
                front_that_talks_like_a_worker_is_killed,
                worker_that_talks_like_the_manager_is_killed,
                spare_worker_that_speaks_is_killed,
                programs_that_are_missing_are_an_error,
                listeners_beyond_the_limit_are_refused_and_closed,
                NULL,
        };

        return run_suite(suite_with_fixture("device usb", set_up, tear_down, tests));
}
