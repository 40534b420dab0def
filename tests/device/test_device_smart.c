/*
 * What the manager knows of drives' health: how workers are told to ask for it, what they told, who
 * hears of it, and what outlives them.
 */

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "broker.h"
#include "device/device_observer.h"
#include "device/device_request.h"
#include "device/device_view.h"
#include "unit_test.h"

static Broker broker;
static DeviceObserver observer;
static char told[4 * KIB]; /* by the observer */
static bool has_changed, has_event;
static bool is_done;

static void on_lun_changed(uint64_t id, unsigned lun, void *userdata) {
        LunView view;

        ck_assert(device_manager_get_lun(broker.manager, id, lun, &view));
        has_changed |= view.smart != NULL;
}

static void on_event(DeviceEvent event, uint64_t id, unsigned lun, const char *words,
                     void *userdata) {
        size_t size = strlen(told);

        if (event != DEVICE_EVENT_HEALTH)
                return;
        snprintf(told + size, sizeof(told) - size, "%u: %s\n", lun, words);
        has_event = true;
}

static const DeviceObserverHandlers observer_handlers = {
        .lun_changed = on_lun_changed,
        .event = on_event,
};

static void prepare(const char *worker) {
        told[0] = '\0';
        has_changed = has_event = is_done = false;
        broker_prepare(&broker, /* has_usb= */ false, worker, "front");
        broker.options.smart.period_ms = 60000;
}

static void start(void) {
        broker_make(&broker);
        observer = (DeviceObserver){ .handlers = &observer_handlers };
        device_manager_add_observer(broker.manager, &observer);
        broker_start(&broker);
        ck_assert_int_eq(broker_simulate(&broker), 0);
}

static LunView look(void) {
        DeviceView device;
        LunView view;

        ck_assert(device_manager_get_device(broker.manager, 0, &device));
        ck_assert(device_manager_get_lun(broker.manager, device.id, 0, &view));
        return view;
}

static void on_done(DeviceRequest *request, const ControlReply *reply, const uint8_t *data) {
        ck_assert_int_eq(reply->error, 0);
        is_done = true;
}

/* Its drive has got worse then. */
static void update(void) {
        DeviceRequest request = {
                .request = { .kind = CONTROL_REQUEST_KIND_SMART_UPDATE },
                .done = on_done,
        };
        DeviceView view;

        ck_assert(device_manager_get_device(broker.manager, 0, &view));
        is_done = false;
        ck_assert_int_eq(device_manager_request(broker.manager, view.id, &request), 0);
        fake_children_run_until(broker.loop, &is_done);
}

START_TEST(a_worker_is_told_how_to_ask_before_it_has_its_device_and_when_that_changes) {
        const char table[] = "{\"USB: A; B\",\"0x1209:0x0001\",\"\",\"\",\"-d sntrealtek\"},";
        SmartDrivedb drivedb = { 0 };
        char expected[64];

        prepare("worker");
        start();
        broker_run_until_told(&broker, "drives 1209-0001-X");
        ck_assert(strstr(broker.lines, "asks drives every 60000 ms, bridge -1") <
                  strstr(broker.lines, "drives 1209-0001-X"));
        ck_assert(broker_was_told(&broker, "asks drives every 60000 ms, bridge -1"));

        broker_forget(&broker);
        broker.options.smart.period_ms = 0;
        device_manager_set_options(broker.manager, &broker.options);
        broker_run_until_told(&broker, "asks drives every 0 ms, bridge -1");

        ck_assert_int_eq(smart_drivedb_add(&drivedb, table, sizeof(table) - 1), 0);
        broker.options.smart.drivedb = &drivedb;
        device_manager_set_options(broker.manager, &broker.options);
        snprintf(expected, sizeof(expected), "asks drives every 0 ms, bridge %d",
                 SMART_BRIDGE_KIND_NVME_REALTEK);
        broker_run_until_told(&broker, expected);

        /* The same again is not told; its successor is told at once. */
        broker_forget(&broker);
        device_manager_set_options(broker.manager, &broker.options);
        broker_replace_worker(&broker);
        broker_run_until_told(&broker, expected);
        ck_assert_ptr_null(strstr(strstr(broker.lines, expected) + 1, expected));
        broker_done(&broker);
        smart_drivedb_done(&drivedb);
}
END_TEST

START_TEST(what_a_worker_tells_of_a_drive_is_seen) {
        LunView view;

        prepare("ails");
        start();
        fake_children_run_until(broker.loop, &has_changed);
        view = look();
        ck_assert_str_eq(view.smart->way, "by a wire");
        ck_assert_int_eq(view.smart->verdict.kind, SMART_VERDICT_KIND_GOOD);
        ck_assert_str_eq(view.smart_reason, "");
        ck_assert_uint_eq(view.smart_history->n_samples, 1);
        ck_assert(!has_event);
        broker_done(&broker);
}
END_TEST

START_TEST(a_verdict_that_changes_is_an_event_and_a_line_of_the_log) {
        LunView view;

        prepare("ails");
        start();
        fake_children_run_until(broker.loop, &has_changed);
        update();
        ck_assert(has_event);
        ck_assert_ptr_eq(strstr(told, "0: health is warning, was good: 8 sectors were replaced"),
                         told);
        ck_assert(broker_was_told(&broker, "LUN 0: health is warning, was good: 8 sectors"));
        view = look();
        ck_assert_ptr_eq(strstr(view.smart_news, "8 sectors were replaced since "),
                         view.smart_news);
        told[0] = '\0';
        update();
        ck_assert_str_eq(told, ""); /* worse, but still a warning */
        ck_assert_uint_eq(look().smart->data.reallocated_sectors.value, 16);
        broker_done(&broker);
}
END_TEST

START_TEST(what_a_drive_was_outlives_the_worker_and_the_service) {
        prepare("ails");
        start();
        fake_children_run_until(broker.loop, &has_changed);
        broker_replace_worker(&broker);
        ck_assert_ptr_nonnull(look().smart);
        update();
        broker_crash(&broker);

        device_manager_add_observer(broker.manager, &observer);
        has_event = has_changed = false;
        told[0] = '\0';
        broker_start(&broker);
        ck_assert_int_eq(broker_simulate(&broker), 0);
        fake_children_run_until(broker.loop, &has_changed);
        ck_assert_str_eq(told, "0: health is good, was warning\n");
        broker_done(&broker);
}
END_TEST

int main(void) {
        const TTest *const tests[] = {
                a_worker_is_told_how_to_ask_before_it_has_its_device_and_when_that_changes,
                what_a_worker_tells_of_a_drive_is_seen,
                a_verdict_that_changes_is_an_event_and_a_line_of_the_log,
                what_a_drive_was_outlives_the_worker_and_the_service,
                NULL,
        };

        return run_suite(suite_of("device smart", tests));
}
