/*
 * The broker with children that behave, die and lie: devices are restarted, lies end their teller.
 */

#include <check.h>
#include <errno.h>
#include <string.h>

#include "broker.h"
#include "device/device_stats.h"
#include "device/device_view.h"
#include "device/optimization_advice.h"

START_TEST(device_is_brought_up_and_stopped) {
        Broker broker;

        broker_init(&broker, /* has_usb= */ false, "good");
        ck_assert_int_eq(broker_simulate(&broker), 0);
        ck_assert_uint_eq(device_manager_get_counts(broker.manager).n_devices, 1);
        fake_children_run_until(broker.loop, &broker.has_exports);
        broker_done(&broker);
}
END_TEST

START_TEST(worker_that_dies_is_started_again) {
        Broker broker;

        broker_init(&broker, /* has_usb= */ false, "dies-at-work");
        ck_assert_int_eq(broker_simulate(&broker), 0);
        fake_children_run_until(broker.loop, &broker.has_enough_restarts);
        ck_assert_uint_eq(device_manager_get_counts(broker.manager).n_devices, 1);
        ck_assert_uint_eq(device_manager_get_counts(broker.manager).n_exports, 0);
        broker_done(&broker);
}
END_TEST

START_TEST(worker_cannot_take_the_name_of_another) {
        Broker broker;

        broker_init(&broker, /* has_usb= */ false, "lies");
        ck_assert_int_eq(broker_simulate(&broker), 0);
        fake_children_run_until(broker.loop, &broker.has_lie);
        ck_assert_uint_eq(device_manager_get_counts(broker.manager).n_exports, 0);
        broker_done(&broker);
}
END_TEST

START_TEST(what_workers_counted_is_added_up) {
        const DeviceStats *stats;
        OptimizationAdvice advice[_OPTIMIZATION_TOPIC_MAX];
        StorageDeviceStats device;
        DeviceView view;
        StorageStats lun;
        Broker broker;

        broker_init(&broker, /* has_usb= */ false, "counts");
        ck_assert_int_eq(broker_simulate(&broker), 0);
        broker_run_until_told(&broker, "has told what it counted");
        ck_assert(device_manager_get_device(broker.manager, 0, &view));
        stats = device_manager_get_stats(broker.manager, view.id);
        ck_assert_ptr_nonnull(stats);
        ck_assert_ptr_null(device_manager_get_stats(broker.manager, view.id + 1));
        ck_assert(!device_stats_get_lun(stats, 0, &lun));
        ck_assert(device_stats_get_lun(stats, 1, &lun));
        ck_assert_uint_eq(lun.operations[STORAGE_OPERATION_WRITE].n, 7);
        ck_assert_uint_eq(lun.n_in_flight, 2);
        ck_assert(device_stats_get_device(stats, &device));
        ck_assert_uint_eq(device.transport, STORAGE_TRANSPORT_CBI);
        ck_assert_uint_eq(device_manager_get_advice(broker.manager, view.id, advice), 1);
        ck_assert_int_eq(advice[0].topic, OPTIMIZATION_TOPIC_LINK);
        ck_assert_uint_eq(device_manager_get_advice(broker.manager, view.id + 1, advice), 0);

        broker_forget(&broker);
        broker_replace_worker(&broker);
        broker_run_until_told(&broker, "has told what it counted");
        ck_assert(device_stats_get_lun(stats, 1, &lun));
        ck_assert_uint_eq(lun.operations[STORAGE_OPERATION_WRITE].n, 14);
        ck_assert_uint_eq(lun.n_in_flight, 2);
        ck_assert(device_stats_get_device(stats, &device));
        ck_assert_uint_eq(device.n_transfers, 42);
        broker_done(&broker);
}
END_TEST

START_TEST(devices_beyond_the_limit_are_refused) {
        Broker broker;

        broker_init(&broker, /* has_usb= */ false, "good");
        ck_assert_int_eq(broker_simulate(&broker), 0);
        ck_assert_int_eq(broker_simulate(&broker), 0);
        ck_assert_int_eq(broker_simulate(&broker), -ENOSPC);
        broker_done(&broker);
}
END_TEST

static UsbQuirksEntry quirks_entry = { .vendor_id = 0x1209, .product_id = 1 };
static const UsbQuirksList quirks_list = { .entries = &quirks_entry, .n_entries = 1 };

START_TEST(quirks_of_a_model_reach_its_worker) {
        Broker broker;

        quirks_entry.quirks = USB_QUIRK_MAX_SECTORS_240 | USB_QUIRK_IGNORE_UAS;
        broker_prepare(&broker, /* has_usb= */ false, "good", "front");
        broker.options.quirks = &quirks_list;
        broker_start(&broker);
        ck_assert_int_eq(broker_simulate(&broker), 0);
        ck_assert(broker_was_told(&broker, "1209:0001 has the quirks gu"));
        broker_run_until_told(&broker, "has quirks 80040");
        broker_done(&broker);
}
END_TEST

START_TEST(what_a_worker_learned_reaches_its_successor_and_no_other_device) {
        Broker broker;

        broker_init(&broker, /* has_usb= */ false, "learns");
        ck_assert_int_eq(broker_simulate(&broker), 0);
        fake_children_run_until(broker.loop, &broker.has_worker);
        ck_assert(broker_was_told(&broker, "knows facts 0\n"));
        broker_forget(&broker);
        broker_replace_worker(&broker);
        ck_assert(broker_was_told(&broker, "knows facts 2\n"));
        broker_forget(&broker);
        ck_assert_int_eq(broker_simulate(&broker), 0);
        broker_run_until_told(&broker, "knows facts 0");
        broker_done(&broker);
}
END_TEST

START_TEST(a_model_that_is_to_be_ignored_is_not_taken) {
        Broker broker;

        quirks_entry.quirks = USB_QUIRK_IGNORE_DEVICE;
        broker_prepare(&broker, /* has_usb= */ false, "good", "front");
        broker.options.quirks = &quirks_list;
        broker_start(&broker);
        ck_assert_int_eq(broker_simulate(&broker), 0);
        ck_assert_uint_eq(device_manager_get_counts(broker.manager).n_devices, 0);
        ck_assert(broker_was_told(&broker, "1209:0001 is left alone: it has the quirk i"));
        broker_done(&broker);
}
END_TEST

START_TEST(settings_reach_each_worker) {
        Broker broker;

        broker_prepare(&broker, /* has_usb= */ false, "configured", "front");
        broker.options.device_timeout_ms = 12345;
        broker.options.n_luns_max = 3;
        broker.options.n_commands_kept = 17;
        broker.options.is_trim_enabled = _i == 0;
        broker.options.is_serial = _i == 1;
        broker.options.skips_processing = _i == 2;
        broker.options.skips_validation = _i == 3;
        broker_start(&broker);
        broker_run_until_told(&broker, "timeout 12345, LUNs 3, commands 17");
        ck_assert_int_eq(broker_was_told(&broker, ", trim"), _i == 0);
        ck_assert_int_eq(broker_was_told(&broker, ", serial"), _i == 1);
        ck_assert_int_eq(broker_was_told(&broker, ", no processing"), _i == 2);
        ck_assert_int_eq(broker_was_told(&broker, ", no validation"), _i == 3);
        broker_done(&broker);
}
END_TEST

static unsigned count_lines(const Broker *broker, const char *text) {
        unsigned n = 0;

        for (const char *line = broker->lines; (line = strstr(line, text)); line++)
                n++;
        return n;
}

START_TEST(settings_that_change_reach_each_worker) {
        static const char settings[] = "timeout 12345, LUNs 3, commands 17, trim, serial, "
                                       "no processing, no validation";
        DeviceManagerOptions options;
        Broker broker;

        broker_prepare(&broker, /* has_usb= */ false, "configured", "front");
        broker_start(&broker);
        ck_assert_int_eq(broker_simulate(&broker), 0);
        fake_children_run_until(broker.loop, &broker.has_exports);
        options = broker.options;
        options.device_timeout_ms = 12345;
        options.n_luns_max = 3;
        options.n_commands_kept = 17;
        options.is_trim_enabled = options.is_serial = true;
        options.skips_processing = options.skips_validation = true;
        device_manager_set_options(broker.manager, &options);
        /* That of the device, and the spare one. */
        while (count_lines(&broker, settings) < 2)
                ck_assert_int_gt(event_loop_run_once(broker.loop, /* may_wait= */ true), 0);
        ck_assert_uint_eq(device_manager_get_counts(broker.manager).n_exports, 1);
        broker_done(&broker);
}
END_TEST

START_TEST(limits_and_quirks_that_change_are_for_devices_that_come) {
        DeviceManagerOptions options;
        Broker broker;

        quirks_entry.quirks = USB_QUIRK_MAX_SECTORS_240;
        broker_init(&broker, /* has_usb= */ false, "good");
        ck_assert_int_eq(broker_simulate(&broker), 0);
        options = broker.options;
        options.quirks = &quirks_list;
        options.n_devices_max = 3;
        device_manager_set_options(broker.manager, &options);
        ck_assert(!broker_was_told(&broker, "has the quirks"));
        ck_assert_int_eq(broker_simulate(&broker), 0);
        ck_assert(broker_was_told(&broker, "1209:0001 has the quirks g"));
        ck_assert_int_eq(broker_simulate(&broker), 0);
        ck_assert_int_eq(broker_simulate(&broker), -ENOSPC);
        options.n_devices_max = 1;
        device_manager_set_options(broker.manager, &options);
        ck_assert_uint_eq(device_manager_get_counts(broker.manager).n_devices, 3);
        broker_done(&broker);
}
END_TEST

/* So that what is wrong with one is known before disks are taken from the kernel. */
START_TEST(simulation_may_be_added_before_the_start) {
        Broker broker;

        broker_prepare(&broker, /* has_usb= */ false, "good", "front");
        broker_make(&broker);
        ck_assert_int_eq(broker_simulate(&broker), 0);
        broker_start(&broker);
        fake_children_run_until(broker.loop, &broker.has_exports);
        broker_done(&broker);
}
END_TEST

/* broker_done() waits for the end of the stop. */
START_TEST(front_that_does_not_stop_is_killed) {
        Broker broker;

        broker_prepare(&broker, /* has_usb= */ false, "good", "stays");
        broker_start(&broker);
        broker_done(&broker);
}
END_TEST

START_TEST(spare_worker_that_does_not_stop_is_killed) {
        Broker broker;

        broker_init(&broker, /* has_usb= */ false, "stays");
        broker_done(&broker);
}
END_TEST

START_TEST(manager_without_devices_stops_at_once) {
        Broker broker;

        broker_init(&broker, /* has_usb= */ false, "good");
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
        tcase_add_test(tcase, what_workers_counted_is_added_up);
        tcase_add_test(tcase, devices_beyond_the_limit_are_refused);
        tcase_add_test(tcase, quirks_of_a_model_reach_its_worker);
        tcase_add_loop_test(tcase, settings_reach_each_worker, 0, 4);
        tcase_add_test(tcase, settings_that_change_reach_each_worker);
        tcase_add_test(tcase, limits_and_quirks_that_change_are_for_devices_that_come);
        tcase_add_test(tcase, what_a_worker_learned_reaches_its_successor_and_no_other_device);
        tcase_add_test(tcase, a_model_that_is_to_be_ignored_is_not_taken);
        tcase_add_test(tcase, simulation_may_be_added_before_the_start);
        tcase_add_test(tcase, front_that_does_not_stop_is_killed);
        tcase_add_test(tcase, spare_worker_that_does_not_stop_is_killed);
        tcase_add_test(tcase, manager_without_devices_stops_at_once);
        suite_add_tcase(suite, tcase);
        runner = srunner_create(suite);
        srunner_run_all(runner, CK_NORMAL);
        n_failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return n_failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
