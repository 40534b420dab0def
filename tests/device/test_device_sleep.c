/* What is done on all devices before the host sleeps. */

#include <check.h>
#include <errno.h>
#include <string.h>

#include "broker.h"
#include "device/device_request.h"
#include "device/device_sleep.h"
#include "device/device_view.h"
#include "unit_test.h"

static Broker broker;
static DeviceSleep *sleep_of_all;
static bool is_ready;
static unsigned n_failed;

static void on_ready(DeviceSleep *sleep, unsigned n, void *userdata) {
        ck_assert_ptr_eq(sleep, sleep_of_all);
        ck_assert(!is_ready);
        is_ready = true;
        n_failed = n;
}

static void start(const char *worker, unsigned n_devices) {
        is_ready = false;
        broker_init(&broker, /* has_usb= */ false, worker);
        for (unsigned i = 0; i < n_devices; i++) {
                broker.has_worker = false;
                ck_assert_int_eq(broker_simulate(&broker), 0);
                fake_children_run_until(broker.loop, &broker.has_worker);
        }
        ck_assert_int_eq(device_sleep_new(&sleep_of_all, broker.loop, broker.manager, on_ready,
                                          NULL),
                         0);
        ck_assert(!is_ready);
}

static void end(void) {
        sleep_of_all = device_sleep_free(sleep_of_all);
        broker_done(&broker);
}

START_TEST(every_device_is_flushed) {
        start("good", 2);
        fake_children_run_until(broker.loop, &is_ready);
        ck_assert_uint_eq(n_failed, 0);
        ck_assert_ptr_nonnull(
                        strstr(strstr(broker.lines, "asked for flush") + 1, "asked for flush"));
        end();
}
END_TEST

START_TEST(without_devices_it_is_done_at_once) {
        start("good", 0);
        fake_children_run_until(broker.loop, &is_ready);
        ck_assert_uint_eq(n_failed, 0);
        end();
}
END_TEST

START_TEST(who_can_not_flush_is_counted_and_told) {
        start("refuses-requests", 2);
        fake_children_run_until(broker.loop, &is_ready);
        ck_assert_uint_eq(n_failed, 2);
        ck_assert(broker_was_told(&broker, "could not be flushed before the host sleeps"));
        end();
}
END_TEST

START_TEST(a_worker_that_dies_is_not_waited_for) {
        start("perishes", 1);
        fake_children_run_until(broker.loop, &is_ready);
        ck_assert_uint_eq(n_failed, 1);
        end();
}
END_TEST

static void on_request_done(DeviceRequest *request, const ControlReply *reply,
                            const uint8_t *data) {}

/* It holds what it was asked for, and is asked for no more. */
START_TEST(one_that_takes_no_more_requests_is_counted_and_told) {
        static DeviceRequest requests[CONTROL_REQUESTS_MAX];
        DeviceView view;

        broker_init(&broker, /* has_usb= */ false, "holds");
        ck_assert_int_eq(broker_simulate(&broker), 0);
        fake_children_run_until(broker.loop, &broker.has_worker);
        ck_assert(device_manager_get_device(broker.manager, 0, &view));
        for (size_t i = 0; i < N_ELEMENTS(requests); i++) {
                requests[i] = (DeviceRequest){
                        .request = { .kind = CONTROL_REQUEST_KIND_FLUSH, .lun = CONTROL_LUN_ALL },
                        .done = on_request_done,
                };
                ck_assert_int_eq(device_manager_request(broker.manager, view.id, &requests[i]), 0);
        }
        is_ready = false;
        ck_assert_int_eq(device_sleep_new(&sleep_of_all, broker.loop, broker.manager, on_ready,
                                          NULL),
                         0);
        fake_children_run_until(broker.loop, &is_ready);
        ck_assert_uint_eq(n_failed, 1);
        end();
}
END_TEST

START_TEST(who_does_not_wait_any_more_is_not_told) {
        start("holds", 1);
        broker_run_until_told(&broker, "asked for flush");
        end();
        ck_assert(!is_ready);
}
END_TEST

int main(void) {
        const TTest *const tests[] = {
                every_device_is_flushed,
                without_devices_it_is_done_at_once,
                who_can_not_flush_is_counted_and_told,
                a_worker_that_dies_is_not_waited_for,
                one_that_takes_no_more_requests_is_counted_and_told,
                who_does_not_wait_any_more_is_not_told,
                NULL,
        };

        return run_suite(suite_of("device sleep", tests));
}
