/* What usb_device.c promises for every implementation, shown on the scripted one. */

#include <check.h>
#include <errno.h>
#include <string.h>

#include "base/task.h"
#include "scripted_usb.h"

#define N_RECORDS_MAX 64

static ScriptedUsb usb;
static UsbTransfer transfers[3];
static uint8_t data[3][64];

/* What completed, in order: transfers as 't' + index, operations as their type. */
static int records[N_RECORDS_MAX];
static size_t n_records;
static size_t n_gone_reports;

static void record(int what) {
        ck_assert_uint_lt(n_records, N_RECORDS_MAX);
        records[n_records++] = what;
}

static void on_transfer_done(UsbTransfer *transfer) { record('t' + (int) (transfer - transfers)); }

static void on_operation_done(UsbOperation *operation) { record((int) operation->type); }

static void on_gone(UsbDevice *device, void *userdata) {
        ck_assert_ptr_eq(userdata, &n_gone_reports);
        ck_assert(usb_device_is_gone(device));
        n_gone_reports++;
}

static void start(const UsbStep *steps, size_t n_steps) {
        n_records = 0;
        n_gone_reports = 0;
        scripted_usb_init(&usb, USB_SPEED_HIGH, steps, n_steps);
        usb_device_set_gone_handler(&usb.device, on_gone, &n_gone_reports);
        memset(transfers, 0, sizeof(transfers));
        for (size_t i = 0; i < N_ELEMENTS(transfers); i++) {
                ck_assert_int_eq(usb_transfer_init(&transfers[i], &usb.device), 0);
                transfers[i].type = USB_TRANSFER_TYPE_BULK;
                transfers[i].endpoint = SCRIPTED_USB_BULK_IN;
                transfers[i].data = data[i];
                transfers[i].size = sizeof(data[i]);
                transfers[i].done = on_transfer_done;
        }
}

#define START(dialogue) start(dialogue, N_ELEMENTS(dialogue))

static void finish(void) {
        scripted_usb_run(&usb);
        for (size_t i = 0; i < N_ELEMENTS(transfers); i++)
                usb_transfer_done(&transfers[i]);
        scripted_usb_done(&usb);
}

static void check_records(const int *expected, size_t n) {
        ck_assert_uint_eq(n_records, n);
        for (size_t i = 0; i < n; i++)
                ck_assert_int_eq(records[i], expected[i]);
}

#define CHECK_RECORDS(...) \
        check_records((const int[]){ __VA_ARGS__ }, N_ELEMENTS(((const int[]){ __VA_ARGS__ })))

static uint64_t after_ms(uint64_t ms) { return event_loop_now_ns(usb.loop) + ms * NS_PER_MS; }

START_TEST(transfer_completes_later_with_its_data) {
        static const uint8_t bytes[] = { 1, 2, 3 };
        static const UsbStep dialogue[] = { USB_IN(bytes) };

        START(dialogue);
        ck_assert_int_eq(usb_transfer_submit(&transfers[0]), 0);
        ck_assert_uint_eq(n_records, 0);
        scripted_usb_run(&usb);
        CHECK_RECORDS('t');
        ck_assert_int_eq(transfers[0].result, USB_RESULT_OK);
        ck_assert_uint_eq(transfers[0].actual_size, sizeof(bytes));
        ck_assert_mem_eq(data[0], bytes, sizeof(bytes));
        finish();
}
END_TEST

START_TEST(transfer_is_reusable_after_each_outcome) {
        static const UsbStep dialogue[] = {
                USB_STALL_IN(), USB_ERROR_IN(), USB_OVERFLOW_IN(), USB_SHORT_IN(1), USB_IN_SIZE(64),
        };
        static const UsbResult results[] = {
                USB_RESULT_STALL, USB_RESULT_ERROR, USB_RESULT_OVERFLOW,
                USB_RESULT_OK,    USB_RESULT_OK,
        };

        START(dialogue);
        for (size_t i = 0; i < N_ELEMENTS(results); i++) {
                ck_assert_int_eq(usb_transfer_submit(&transfers[0]), 0);
                scripted_usb_run_for(&usb, NS_PER_MS);
                ck_assert_uint_eq(n_records, i + 1);
                ck_assert_int_eq(transfers[0].result, results[i]);
        }
        finish();
}
END_TEST

START_TEST(queued_transfers_complete_in_the_order_of_the_script) {
        static const UsbStep dialogue[] = { USB_OUT_SIZE(64), USB_IN_SIZE(64), USB_SHORT_IN(13) };

        START(dialogue);
        transfers[2].endpoint = SCRIPTED_USB_BULK_OUT;
        for (size_t i = 0; i < 3; i++)
                ck_assert_int_eq(usb_transfer_submit(&transfers[i]), 0);
        scripted_usb_run(&usb);
        CHECK_RECORDS('t' + 2, 't' + 0, 't' + 1);
        ck_assert_uint_eq(transfers[1].actual_size, 13);
        finish();
}
END_TEST

START_TEST(passed_deadline_is_told_apart_from_cancelling) {
        static const UsbStep dialogue[] = { USB_HANG_IN(), USB_HANG_IN() };

        START(dialogue);
        transfers[0].deadline_ns = after_ms(100);
        ck_assert_int_eq(usb_transfer_submit(&transfers[0]), 0);
        scripted_usb_run_for(&usb, 99 * NS_PER_MS);
        ck_assert_uint_eq(n_records, 0);
        scripted_usb_run_for(&usb, 2 * NS_PER_MS);
        ck_assert_int_eq(transfers[0].result, USB_RESULT_TIMED_OUT);

        transfers[1].deadline_ns = after_ms(100);
        ck_assert_int_eq(usb_transfer_submit(&transfers[1]), 0);
        usb_transfer_cancel(&transfers[1]);
        ck_assert_uint_eq(n_records, 1);
        finish();
        ck_assert_int_eq(transfers[1].result, USB_RESULT_CANCELLED);
}
END_TEST

START_TEST(deadline_of_a_completed_transfer_never_fires) {
        static const UsbStep dialogue[] = { USB_IN_SIZE(64), USB_WAIT_MS(500), USB_HANG_IN() };

        START(dialogue);
        transfers[0].deadline_ns = after_ms(100);
        ck_assert_int_eq(usb_transfer_submit(&transfers[0]), 0);
        scripted_usb_run_for(&usb, 10 * NS_PER_MS);
        CHECK_RECORDS('t');
        transfers[0].deadline_ns = 0;
        ck_assert_int_eq(usb_transfer_submit(&transfers[0]), 0);
        scripted_usb_run_for(&usb, 10 * NS_PER_S);
        CHECK_RECORDS('t');
        usb_transfer_cancel(&transfers[0]);
        finish();
        ck_assert_int_eq(transfers[0].result, USB_RESULT_CANCELLED);
}
END_TEST

START_TEST(cancelling_what_is_not_in_flight_is_harmless) {
        static const UsbStep dialogue[] = { USB_IN_SIZE(64) };
        UsbTransfer zeroed = { 0 };

        START(dialogue);
        usb_transfer_cancel(&zeroed);
        usb_transfer_done(&zeroed);
        usb_transfer_cancel(&transfers[0]);
        ck_assert_int_eq(usb_transfer_submit(&transfers[0]), 0);
        scripted_usb_run(&usb);
        usb_transfer_cancel(&transfers[0]);
        finish();
        CHECK_RECORDS('t');
}
END_TEST

START_TEST(refused_submit_accepts_nothing) {
        static const UsbStep dialogue[] = { USB_IN_SIZE(64) };

        START(dialogue);
        scripted_usb_fail_submit(&usb, 1, -ENOMEM);
        ck_assert_int_eq(usb_transfer_submit(&transfers[0]), -ENOMEM);
        scripted_usb_fail_submit(&usb, 1, -EIO);
        ck_assert_int_eq(usb_transfer_submit(&transfers[0]), -EIO);
        ck_assert(!transfers[0].is_in_flight);
        ck_assert_int_eq(usb_transfer_submit(&transfers[0]), 0);
        finish();
        CHECK_RECORDS('t');
}
END_TEST

START_TEST(unplugging_completes_everything_and_is_told_once) {
        static const UsbStep dialogue[] = { USB_IN_SIZE(64), USB_GONE() };
        UsbOperation clear_halt = {
                .type = USB_OPERATION_CLEAR_HALT,
                .done = on_operation_done,
        };
        UsbOperation reset = { .type = USB_OPERATION_RESET, .done = on_operation_done };

        START(dialogue);
        for (size_t i = 0; i < 3; i++)
                ck_assert_int_eq(usb_transfer_submit(&transfers[i]), 0);
        ck_assert_int_eq(usb_device_operate(&usb.device, &clear_halt), 0);
        ck_assert_int_eq(usb_device_operate(&usb.device, &reset), 0);
        scripted_usb_run(&usb);
        CHECK_RECORDS('t', 't' + 1, 't' + 2, USB_OPERATION_CLEAR_HALT, USB_OPERATION_RESET);
        ck_assert_int_eq(transfers[0].result, USB_RESULT_OK);
        ck_assert_int_eq(transfers[1].result, USB_RESULT_GONE);
        ck_assert_int_eq(transfers[2].result, USB_RESULT_GONE);
        ck_assert_int_eq(clear_halt.result, USB_RESULT_GONE);
        ck_assert_int_eq(reset.result, USB_RESULT_GONE);
        ck_assert_uint_eq(n_gone_reports, 1);
        ck_assert_int_eq(usb_transfer_submit(&transfers[0]), -ENODEV);
        usb_device_set_gone(&usb.device);
        finish();
        ck_assert_uint_eq(n_gone_reports, 1);
}
END_TEST

START_TEST(submit_that_finds_the_device_gone_reports_it) {
        START(((const UsbStep[]){ USB_WAIT_MS(1) }));
        scripted_usb_fail_submit(&usb, 1, -ENODEV);
        ck_assert_int_eq(usb_transfer_submit(&transfers[0]), -ENODEV);
        ck_assert_uint_eq(n_gone_reports, 0);
        finish();
        ck_assert_uint_eq(n_gone_reports, 1);
}
END_TEST

START_TEST(late_gone_handler_is_told_too) {
        START(((const UsbStep[]){ USB_GONE() }));
        usb_device_set_gone_handler(&usb.device, NULL, NULL);
        scripted_usb_run(&usb);
        usb_device_set_gone_handler(&usb.device, on_gone, &n_gone_reports);
        finish();
        ck_assert_uint_eq(n_gone_reports, 1);
}
END_TEST

START_TEST(operations_run_one_at_a_time_in_order) {
        static const UsbStep dialogue[] = {
                USB_CLAIM(),
                USB_WAIT_MS(10),
                USB_SET_INTERFACE(1),
                USB_CLEAR_HALT(0x81),
                USB_RESET_FAILS(USB_RESULT_ERROR),
        };
        UsbOperation operations[] = {
                { .type = USB_OPERATION_CLAIM, .done = on_operation_done },
                { .type = USB_OPERATION_SET_INTERFACE, .alternate = 1, .done = on_operation_done },
                { .type = USB_OPERATION_CLEAR_HALT, .endpoint = 0x81, .done = on_operation_done },
                { .type = USB_OPERATION_RESET, .done = on_operation_done },
        };

        START(dialogue);
        for (size_t i = 0; i < N_ELEMENTS(operations); i++)
                ck_assert_int_eq(usb_device_operate(&usb.device, &operations[i]), 0);
        ck_assert_uint_eq(n_records, 0);
        scripted_usb_run_for(&usb, NS_PER_MS);
        CHECK_RECORDS(USB_OPERATION_CLAIM);
        scripted_usb_run(&usb);
        CHECK_RECORDS(USB_OPERATION_CLAIM, USB_OPERATION_SET_INTERFACE, USB_OPERATION_CLEAR_HALT,
                      USB_OPERATION_RESET);
        ck_assert_int_eq(operations[2].result, USB_RESULT_OK);
        ck_assert_int_eq(operations[3].result, USB_RESULT_ERROR);
        finish();
}
END_TEST

START_TEST(queue_of_operations_has_a_limit) {
        UsbOperation operations[USB_OPERATIONS_MAX + 1];

        START(((const UsbStep[]){ USB_GONE() }));
        for (size_t i = 0; i < N_ELEMENTS(operations); i++) {
                operations[i] = (UsbOperation){
                        .type = USB_OPERATION_CLAIM,
                        .done = on_operation_done,
                };
                ck_assert_int_eq(usb_device_operate(&usb.device, &operations[i]),
                                 i < USB_OPERATIONS_MAX ? 0 : -EBUSY);
        }
        finish();
        ck_assert_uint_eq(n_records, USB_OPERATIONS_MAX);
        ck_assert_int_eq(operations[USB_OPERATIONS_MAX - 1].result, USB_RESULT_GONE);
}
END_TEST

START_TEST(reset_that_finds_another_device_means_gone) {
        static const UsbStep dialogue[] = { USB_RESET_FAILS(USB_RESULT_GONE) };
        UsbOperation reset = { .type = USB_OPERATION_RESET, .done = on_operation_done };

        START(dialogue);
        ck_assert_int_eq(usb_device_operate(&usb.device, &reset), 0);
        finish();
        ck_assert_int_eq(reset.result, USB_RESULT_GONE);
        ck_assert_uint_eq(n_gone_reports, 1);
}
END_TEST

/* GET MAX LUN, a request of the class (BOT 1.0, 3.2). */
static const UsbSetup get_max_lun = { USB_REQUEST_TYPE_CLASS_INTERFACE_IN, 0xFE, 0, 0 };
#define REQUEST_TYPE USB_REQUEST_TYPE_CLASS_INTERFACE_IN

static int await_all(Task *task, void *userdata) {
        UsbOperation reset = { .type = USB_OPERATION_RESET };
        size_t actual_size = SIZE_MAX;
        uint8_t max_lun = 0xFF;

        ck_assert_int_eq(usb_device_await_control(task, &usb.device, &get_max_lun, &max_lun, 1,
                                                  TASK_NEVER, &actual_size),
                         USB_RESULT_OK);
        ck_assert_uint_eq(actual_size, 1);
        ck_assert_uint_eq(max_lun, 3);
        ck_assert_int_eq(usb_device_await_control(task, &usb.device, &get_max_lun, &max_lun, 1,
                                                  TASK_NEVER, NULL),
                         USB_RESULT_STALL);
        ck_assert_int_eq(usb_device_await_control(task, &usb.device, &get_max_lun, &max_lun, 1,
                                                  after_ms(100), NULL),
                         USB_RESULT_TIMED_OUT);
        scripted_usb_fail_submit(&usb, 1, -ENOMEM);
        ck_assert_int_eq(usb_device_await_control(task, &usb.device, &get_max_lun, &max_lun, 1,
                                                  TASK_NEVER, NULL),
                         USB_RESULT_NO_MEMORY);
        ck_assert_int_eq(usb_device_await_operation(task, &usb.device, &reset), USB_RESULT_ERROR);
        ck_assert_int_eq(usb_device_await_operation(task, &usb.device, &reset), USB_RESULT_OK);
        return 42;
}

static void on_task_done(Task *task, int result, void *userdata) { record(result); }

START_TEST(tasks_await_control_transfers_and_operations) {
        static const uint8_t three[] = { 3 };
        static const UsbStep dialogue[] = {
                USB_CONTROL(REQUEST_TYPE, 0xFE, 0, 0, three),
                USB_CONTROL_STALL(REQUEST_TYPE, 0xFE, 0, 0),
                USB_CONTROL_HANG(REQUEST_TYPE, 0xFE, 0, 0),
                USB_RESET_FAILS(USB_RESULT_ERROR),
                USB_RESET(),
        };

        START(dialogue);
        ck_assert_int_eq(task_start(NULL, usb.loop, "await", await_all, on_task_done, NULL), 0);
        scripted_usb_run(&usb);
        CHECK_RECORDS(42);
        finish();
}
END_TEST

static int await_one(Task *task, void *userdata) {
        uint8_t max_lun;

        return (int) usb_device_await_control(task, &usb.device, &get_max_lun, &max_lun, 1,
                                              TASK_NEVER, NULL);
}

START_TEST(cancelled_task_cancels_its_control_transfer) {
        static const UsbStep dialogue[] = { USB_CONTROL_HANG(REQUEST_TYPE, 0xFE, 0, 0) };
        Task *task;

        START(dialogue);
        ck_assert_int_eq(task_start(&task, usb.loop, "await", await_one, on_task_done, NULL), 0);
        scripted_usb_run_for(&usb, NS_PER_MS);
        ck_assert_uint_eq(n_records, 0);
        task_cancel(task);
        scripted_usb_run(&usb);
        CHECK_RECORDS(USB_RESULT_CANCELLED);
        finish();
}
END_TEST

START_TEST(every_word_has_a_text) {
        for (UsbResult result = 0; result < _USB_RESULT_MAX; result++)
                ck_assert_ptr_nonnull(usb_result_to_string(result));
        for (UsbSpeed speed = 0; speed < _USB_SPEED_MAX; speed++)
                ck_assert_ptr_nonnull(usb_speed_to_string(speed));
        for (UsbOperationType type = 0; type < _USB_OPERATION_TYPE_MAX; type++)
                ck_assert_ptr_nonnull(usb_operation_type_to_string(type));
}
END_TEST

int main(void) {
        Suite *suite = suite_create("usb_device");
        TCase *tests = tcase_create("usb_device");
        SRunner *runner = srunner_create(suite);
        int n_failed;

        suite_add_tcase(suite, tests);
        tcase_add_test(tests, transfer_completes_later_with_its_data);
        tcase_add_test(tests, transfer_is_reusable_after_each_outcome);
        tcase_add_test(tests, queued_transfers_complete_in_the_order_of_the_script);
        tcase_add_test(tests, passed_deadline_is_told_apart_from_cancelling);
        tcase_add_test(tests, deadline_of_a_completed_transfer_never_fires);
        tcase_add_test(tests, cancelling_what_is_not_in_flight_is_harmless);
        tcase_add_test(tests, refused_submit_accepts_nothing);
        tcase_add_test(tests, unplugging_completes_everything_and_is_told_once);
        tcase_add_test(tests, submit_that_finds_the_device_gone_reports_it);
        tcase_add_test(tests, late_gone_handler_is_told_too);
        tcase_add_test(tests, operations_run_one_at_a_time_in_order);
        tcase_add_test(tests, queue_of_operations_has_a_limit);
        tcase_add_test(tests, reset_that_finds_another_device_means_gone);
        tcase_add_test(tests, tasks_await_control_transfers_and_operations);
        tcase_add_test(tests, cancelled_task_cancels_its_control_transfer);
        tcase_add_test(tests, every_word_has_a_text);
        srunner_run_all(runner, CK_ENV);
        n_failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return n_failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
