/*
 * The broker with children that behave, die and lie: devices are restarted, lies end their teller.
 */

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "device/device_manager.h"
#include "fake_children.h"

typedef struct Broker {
        EventLoop *loop;
        FakeChildren children;
        char worker_path[128];
        char front_path[128];
        DeviceManager *manager;
        bool has_stopped;
        bool has_exports;
        EventTimer poll;
        uint64_t n_restarts_logged;
        uint64_t n_lies_logged;
        bool has_enough_restarts;
        bool has_lie;
} Broker;

static void on_stopped(DeviceManager *manager, void *userdata) {
        ((Broker *) userdata)->has_stopped = true;
}

static void on_poll(EventTimer *timer) {
        Broker *broker = container_of(timer, Broker, poll);

        broker->has_exports = device_manager_get_counts(broker->manager).n_exports > 0;
        event_timer_set(timer, event_loop_now_ns(broker->loop) + 10 * NS_PER_MS);
}

static void on_log(const LogRecord *record, void *userdata) {
        Broker *broker = userdata;

        if (strstr(record->message, "starting another in"))
                broker->has_enough_restarts = ++broker->n_restarts_logged >= 3;
        if (strstr(record->message, "told of an export that is not its own"))
                broker->has_lie = true;
}

static void broker_init(Broker *broker, const char *worker) {
        *broker = (Broker){};
        log_set_sink(on_log, broker);
        fake_children_init(&broker->children);
        strcpy(broker->worker_path, fake_children_get(&broker->children, worker));
        strcpy(broker->front_path, fake_children_get(&broker->children, "front"));
        ck_assert_int_eq(systemd_event_loop_new(&broker->loop), 0);
        ck_assert_int_eq(event_timer_init(&broker->poll, broker->loop, on_poll), 0);
        ck_assert_int_eq(device_manager_new(&broker->manager, broker->loop,
                                            &(DeviceManagerOptions){
                                                            .worker_path = broker->worker_path,
                                                            .front_path = broker->front_path,
                                                            .n_devices_max = 2,
                                                            .n_luns_max = 8,
                                            },
                                            on_stopped, broker),
                         0);
        ck_assert_int_eq(device_manager_start(broker->manager), 0);
        event_timer_set(&broker->poll, 1);
}

static int broker_simulate(Broker *broker) {
        return device_manager_add_simulation(broker->manager, &(DeviceSimulation){
                                                                              .spec = "size=1M",
                                                                              .vendor_id = 0x1209,
                                                                              .product_id = 1,
                                                                              .serial = "X",
                                                              });
}

static void broker_done(Broker *broker) {
        device_manager_stop(broker->manager);
        fake_children_run_until(broker->loop, &broker->has_stopped);
        device_manager_free(broker->manager);
        event_timer_done(&broker->poll);
        event_loop_free(broker->loop);
        fake_children_done(&broker->children);
        log_set_sink(NULL, NULL);
}

START_TEST(device_is_brought_up_and_stopped) {
        Broker broker;

        broker_init(&broker, "good");
        ck_assert_int_eq(broker_simulate(&broker), 0);
        ck_assert_uint_eq(device_manager_get_counts(broker.manager).n_devices, 1);
        fake_children_run_until(broker.loop, &broker.has_exports);
        broker_done(&broker);
}
END_TEST

START_TEST(worker_that_dies_is_started_again) {
        Broker broker;

        broker_init(&broker, "dies-at-work");
        ck_assert_int_eq(broker_simulate(&broker), 0);
        fake_children_run_until(broker.loop, &broker.has_enough_restarts);
        ck_assert_uint_eq(device_manager_get_counts(broker.manager).n_devices, 1);
        ck_assert_uint_eq(device_manager_get_counts(broker.manager).n_exports, 0);
        broker_done(&broker);
}
END_TEST

START_TEST(worker_cannot_take_the_name_of_another) {
        Broker broker;

        broker_init(&broker, "lies");
        ck_assert_int_eq(broker_simulate(&broker), 0);
        fake_children_run_until(broker.loop, &broker.has_lie);
        ck_assert_uint_eq(device_manager_get_counts(broker.manager).n_exports, 0);
        broker_done(&broker);
}
END_TEST

START_TEST(devices_beyond_the_limit_are_refused) {
        Broker broker;

        broker_init(&broker, "good");
        ck_assert_int_eq(broker_simulate(&broker), 0);
        ck_assert_int_eq(broker_simulate(&broker), 0);
        ck_assert_int_eq(broker_simulate(&broker), -ENOSPC);
        broker_done(&broker);
}
END_TEST

START_TEST(manager_without_devices_stops_at_once) {
        Broker broker;

        broker_init(&broker, "good");
        broker_done(&broker);
}
END_TEST

int main(void) {
        Suite *suite = suite_create("device manager");
        TCase *tcase = tcase_create("broker");
        SRunner *runner;
        int n_failed;

        tcase_set_timeout(tcase, 120);
        tcase_add_test(tcase, device_is_brought_up_and_stopped);
        tcase_add_test(tcase, worker_that_dies_is_started_again);
        tcase_add_test(tcase, worker_cannot_take_the_name_of_another);
        tcase_add_test(tcase, devices_beyond_the_limit_are_refused);
        tcase_add_test(tcase, manager_without_devices_stops_at_once);
        suite_add_tcase(suite, tcase);
        runner = srunner_create(suite);
        srunner_run_all(runner, CK_NORMAL);
        n_failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return n_failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
