/* The gate itself, on a simulated disk without a worker: who waits, who is told what, and in which
 * order. */

#include <errno.h>
#include <stdlib.h>

#include "../base/unit_test.h"
#include "base/virtual_event_loop.h"
#include "power/power_manager.h"
#include "simulator/simulated_device.h"
#include "transport/bot_transport.h"

#define TIMEOUT_NS (30 * NS_PER_S)
#define IDLE_MS 5000
#define COMMANDS_MAX 8

typedef struct Fixture {
        EventLoop *loop;
        UsbDevice *device;
        Transport *transport;
        ScsiProcessor *processor;
        ErrorHandler *handler;
        PowerManager *power;
        PowerStatistics statistics;
        ScsiCommand commands[COMMANDS_MAX];
        size_t n_commands;
        char order[2 * COMMANDS_MAX + 1]; /* in which they were told */
        size_t n_told;
        bool is_submitting;
        int flush_result;
        unsigned n_flushes;
        bool is_dirty;
        bool has_ended; /* the task */
        int result;
} Fixture;

static Fixture fixture;

static int on_flush(Task *task, bool is_asked, void *userdata) {
        fixture.n_flushes++;
        return fixture.flush_result;
}

static bool on_is_clean(bool was_written, void *userdata) { return !fixture.is_dirty; }

static void on_changed(void *userdata) {}

static void on_event(ErrorHandler *handler, ErrorHandlerEvent event, uint8_t lun, void *userdata) {
        if (fixture.power)
                power_manager_on_event(fixture.power, event);
}

static int start(Task *task, void *userdata) {
        static const PowerManagerOps ops = {
                .flush = on_flush,
                .is_clean = on_is_clean,
                .changed = on_changed,
        };
        UsbStorageDevice storage_device;

        ck_assert_int_eq(usb_storage_device_init(&storage_device,
                                                 usb_device_get_descriptors(fixture.device),
                                                 usb_device_get_speed(fixture.device),
                                                 1U << USB_STORAGE_PROTOCOL_BOT),
                         0);
        ck_assert_int_eq(bot_transport_new(&fixture.transport, fixture.device, &storage_device,
                                           &(BotOptions){ .mode = BOT_MODE_BY_PHASE }),
                         0);
        ck_assert_int_eq(transport_start(fixture.transport, task), 0);
        ck_assert_int_eq(scsi_processor_new(&fixture.processor, fixture.transport, NULL), 0);
        ck_assert_int_eq(error_handler_new(&fixture.handler, fixture.processor, fixture.transport,
                                           NULL, on_event, NULL),
                         0);
        ck_assert_int_eq(power_manager_new(&fixture.power,
                                           &(PowerManagerSetup){
                                                           .handler = fixture.handler,
                                                           .device = fixture.device,
                                                           .statistics = &fixture.statistics,
                                                           .ops = &ops,
                                           }),
                         0);
        power_manager_set_unit(fixture.power, 0, /* has_medium= */ true, /* can_stop= */ true);
        return 0;
}

static void on_task_end(Task *task, int result, void *userdata) {
        fixture.has_ended = true;
        fixture.result = result;
}

static int run_task(TaskMain main) {
        fixture.has_ended = false;
        ck_assert_int_eq(task_start(NULL, fixture.loop, "test", main, on_task_end, NULL), 0);
        while (!fixture.has_ended)
                ck_assert_int_gt(event_loop_run_once(fixture.loop, /* may_wait= */ true), 0);
        return fixture.result;
}

static int run_standby(Task *task, void *userdata) {
        return power_manager_sleep(fixture.power, task, POWER_STATE_STANDBY);
}

static int run_suspend(Task *task, void *userdata) {
        return power_manager_sleep(fixture.power, task, POWER_STATE_SUSPENDED);
}

static int run_hold(Task *task, void *userdata) { return power_manager_hold(fixture.power, task); }

static int run_rest(Task *task, void *userdata) {
        return task_sleep(task, *(const uint64_t *) userdata);
}

/* However little happens. */
static void rest_ms(uint64_t ms) {
        uint64_t duration_ns = ms * NS_PER_MS;

        fixture.has_ended = false;
        ck_assert_int_eq(
                        task_start(NULL, fixture.loop, "rest", run_rest, on_task_end, &duration_ns),
                        0);
        while (!fixture.has_ended)
                ck_assert_int_gt(event_loop_run_once(fixture.loop, /* may_wait= */ true), 0);
}

static void set_up_with(const char *text) {
        SimulatorSpec spec;
        char *error = NULL;

        fixture = (Fixture){ 0 };
        ck_assert_int_eq(virtual_event_loop_new(&fixture.loop), 0);
        ck_assert_msg(simulator_spec_parse(&spec, text, &error) == 0, "%s", error);
        ck_assert_int_eq(simulated_device_new(&fixture.device, fixture.loop, &spec, NULL, 0), 0);
        ck_assert_int_eq(run_task(start), 0);
}

static int run_end(Task *task, void *userdata) {
        power_manager_end(fixture.power, task);
        while (!power_manager_is_idle(fixture.power) || !error_handler_is_idle(fixture.handler))
                task_sleep(task, NS_PER_MS);
        return 0;
}

static void finish(void) {
        ck_assert_int_eq(run_task(run_end), 0);
        ck_assert_uint_eq(fixture.n_told, fixture.n_commands);
        ck_assert(!simulated_device_is_suspended(fixture.device));
        ck_assert_uint_eq(simulated_device_get_counters(fixture.device)->n_suspended_uses, 0);
        power_manager_free(fixture.power);
        error_handler_free(fixture.handler);
        scsi_processor_free(fixture.processor);
        transport_free(fixture.transport);
        usb_device_free(fixture.device);
        event_loop_free(fixture.loop);
}

static void on_done(ScsiCommand *command) {
        ck_assert(!fixture.is_submitting);
        ck_assert_int_eq(command->state, SCSI_COMMAND_STATE_IDLE);
        ck_assert_ptr_eq(command->done, on_done);
        fixture.order[fixture.n_told++] = (char) ('0' + (command - fixture.commands));
}

static ScsiCommand *prepare(uint64_t timeout_ns) {
        ScsiCommand *command = &fixture.commands[fixture.n_commands++];

        scsi_command_init(command, 0, event_loop_now_ns(fixture.loop) + timeout_ns);
        return command;
}

static void send(ScsiCommand *command, ScsiCommandFlags flags) {
        command->flags = flags;
        command->done = on_done;
        fixture.is_submitting = true;
        scsi_target_submit(power_manager_get_target(fixture.power), command);
        fixture.is_submitting = false;
}

static ScsiCommand *submit(ScsiCommandFlags flags, uint64_t timeout_ns, bool needs_medium) {
        ScsiCommand *command = prepare(timeout_ns);

        if (needs_medium)
                scsi_command_synchronize_cache(command);
        else
                scsi_command_test_unit_ready(command);
        send(command, flags);
        return command;
}

static void await_told(size_t n) {
        while (fixture.n_told < n)
                ck_assert_int_gt(event_loop_run_once(fixture.loop, /* may_wait= */ true), 0);
}

START_TEST(commands_that_wait_go_on_in_their_order) {
        set_up_with("size=1M,spin-up-ms=3000");
        rest_ms(3000);
        ck_assert_int_eq(run_task(run_standby), 0);
        ck_assert_int_eq(run_task(run_suspend), 0);
        for (size_t i = 0; i < 4; i++)
                submit(0, TIMEOUT_NS, /* needs_medium= */ true);
        await_told(4);
        ck_assert_str_eq(fixture.order, "0123");
        for (size_t i = 0; i < 4; i++)
                ck_assert_int_eq(fixture.commands[i].result, SCSI_RESULT_GOOD);
        ck_assert_uint_eq(fixture.statistics.n_spin_ups, 1);
        ck_assert_uint_eq(storage_histogram_count(&fixture.statistics.wake_latency), 1);
        finish();
}
END_TEST

START_TEST(what_needs_no_medium_does_not_wait_for_one) {
        set_up_with("size=1M,spin-up-ms=3000");
        rest_ms(3000);
        ck_assert_int_eq(run_task(run_standby), 0);
        submit(SCSI_COMMAND_NO_RETRY, TIMEOUT_NS, /* needs_medium= */ false);
        await_told(1);
        ck_assert_int_eq(fixture.commands[0].result, SCSI_RESULT_CHECK_CONDITION);
        ck_assert_uint_eq(fixture.commands[0].sense.ascq, 0x02);
        ck_assert_int_eq(power_manager_get_state(fixture.power), POWER_STATE_STANDBY);
        finish();
}
END_TEST

START_TEST(who_need_not_wake_it_is_told_that_it_is_busy) {
        set_up_with("size=1M");
        ck_assert_int_eq(run_task(_i == 0 ? run_standby : run_suspend), 0);
        submit(SCSI_COMMAND_NO_WAKE, TIMEOUT_NS, /* needs_medium= */ false);
        submit(SCSI_COMMAND_NO_WAKE, TIMEOUT_NS, /* needs_medium= */ true);
        await_told(2);
        ck_assert_int_eq(fixture.commands[0].result, SCSI_RESULT_BUSY);
        ck_assert_int_eq(fixture.commands[1].result, SCSI_RESULT_BUSY);
        ck_assert(power_manager_is_asleep(fixture.power));
        finish();
}
END_TEST

START_TEST(one_that_waits_ends_by_its_deadline_or_when_it_is_given_up) {
        set_up_with("size=1M,spin-up-ms=8000");
        rest_ms(8000);
        ck_assert_int_eq(run_task(run_standby), 0);
        submit(0, 2 * NS_PER_S, /* needs_medium= */ true);
        submit(0, NS_PER_S, /* needs_medium= */ true);
        submit(0, TIMEOUT_NS, /* needs_medium= */ true);
        submit(0, TIMEOUT_NS, /* needs_medium= */ true);
        scsi_target_cancel(power_manager_get_target(fixture.power), &fixture.commands[2]);
        await_told(4);
        ck_assert_str_eq(fixture.order, "2103");
        ck_assert_int_eq(fixture.commands[0].result, SCSI_RESULT_TIMED_OUT);
        ck_assert_int_eq(fixture.commands[1].result, SCSI_RESULT_TIMED_OUT);
        ck_assert_int_eq(fixture.commands[2].result, SCSI_RESULT_CANCELLED);
        ck_assert_int_eq(fixture.commands[3].result, SCSI_RESULT_GOOD);
        ck_assert(!fixture.commands[0].was_sent);
        finish();
}
END_TEST

START_TEST(what_is_no_use_of_it_does_not_keep_it_awake) {
        static const ScsiCommandFlags flags[] = { SCSI_COMMAND_NO_WAKE, SCSI_COMMAND_ASIDE, 0 };

        set_up_with("size=1M");
        power_manager_set_options(fixture.power, &(PowerOptions){ .suspend_timeout_ms = IDLE_MS,
                                                                  .is_enabled = true });
        submit(0, TIMEOUT_NS, /* needs_medium= */ true);
        await_told(1);
        for (size_t i = 0; i < 3; i++) {
                rest_ms(IDLE_MS / 2);
                submit(flags[_i], TIMEOUT_NS, /* needs_medium= */ true);
                await_told(fixture.n_commands);
        }
        rest_ms(IDLE_MS / 4);
        /* The third one of these woke it, or found it asleep. */
        ck_assert_uint_eq(simulated_device_get_counters(fixture.device)->n_suspends,
                          flags[_i] == 0 ? 0 : 1);
        finish();
}
END_TEST

START_TEST(what_can_not_be_flushed_keeps_it_awake) {
        set_up_with("size=1M");
        fixture.flush_result = -EIO;
        ck_assert_int_eq(run_task(run_suspend), -EIO);
        fixture.flush_result = -EAGAIN;
        ck_assert_int_eq(run_task(run_suspend), -EBUSY);
        fixture.flush_result = 0;
        fixture.is_dirty = true;
        ck_assert_int_eq(run_task(run_suspend), -EBUSY);
        ck_assert_uint_eq(simulated_device_get_counters(fixture.device)->n_suspends, 0);
        fixture.is_dirty = false;
        ck_assert_int_eq(run_task(run_suspend), 0);
        ck_assert_uint_eq(fixture.statistics.n_sleep_failures, 1);
        finish();
}
END_TEST

START_TEST(one_that_is_held_is_awake_until_it_is_let_go) {
        set_up_with("size=1M");
        ck_assert_int_eq(run_task(run_suspend), 0);
        ck_assert_int_eq(run_task(run_hold), 0);
        ck_assert(!power_manager_is_asleep(fixture.power));
        ck_assert_int_eq(run_task(run_suspend), -EBUSY);
        power_manager_let_go(fixture.power);
        ck_assert_int_eq(run_task(run_suspend), 0);
        finish();
}
END_TEST

START_TEST(one_that_is_unplugged_asleep_ends_what_waits) {
        set_up_with("size=1M,spin-up-ms=3000");
        rest_ms(3000);
        ck_assert_int_eq(run_task(run_standby), 0);
        submit(0, TIMEOUT_NS, /* needs_medium= */ true);
        simulated_device_unplug(fixture.device);
        error_handler_set_gone(fixture.handler);
        await_told(1);
        ck_assert_int_eq(fixture.commands[0].result, SCSI_RESULT_GONE);
        ck_assert_int_eq(power_manager_get_state(fixture.power), POWER_STATE_UNKNOWN);
        finish();
}
END_TEST

static int run_end_and_look(Task *task, void *userdata) {
        power_manager_end(fixture.power, task);
        return task_is_cancelled(task) ? -ECANCELED : 0;
}

/* It is none for the gate's counting, but there it is. */
START_TEST(what_is_under_way_comes_home_before_it_sleeps) {
        set_up_with("size=1M,latency-us=5000");
        submit(0, TIMEOUT_NS, /* needs_medium= */ false);
        await_told(1);
        submit(SCSI_COMMAND_NO_WAKE | SCSI_COMMAND_NO_RETRY, TIMEOUT_NS, /* needs_medium= */ false);
        ck_assert_int_eq(run_task(run_suspend), 0);
        ck_assert_uint_eq(fixture.n_told, 2);
        ck_assert_int_eq(fixture.commands[1].result, SCSI_RESULT_GOOD);
        finish();
}
END_TEST

START_TEST(who_ends_one_that_is_unplugged_meanwhile_goes_on) {
        set_up_with("size=1M");
        power_manager_set_options(fixture.power, &(PowerOptions){ .suspend_timeout_ms = IDLE_MS,
                                                                  .is_enabled = true });
        submit(0, TIMEOUT_NS, /* needs_medium= */ true);
        await_told(1);
        rest_ms(2 * IDLE_MS);
        ck_assert(simulated_device_is_suspended(fixture.device));
        fixture.has_ended = false;
        ck_assert_int_eq(task_start(NULL, fixture.loop, "end", run_end_and_look, on_task_end, NULL),
                         0);
        while (usb_device_is_quiet(fixture.device))
                ck_assert_int_gt(event_loop_run_once(fixture.loop, /* may_wait= */ true), 0);
        simulated_device_unplug(fixture.device);
        error_handler_set_gone(fixture.handler);
        while (!fixture.has_ended)
                ck_assert_int_gt(event_loop_run_once(fixture.loop, /* may_wait= */ true), 0);
        ck_assert_int_eq(fixture.result, 0);
        finish();
}
END_TEST

START_TEST(one_that_is_started_from_outside_falls_asleep_again) {
        ScsiCommand *command;

        set_up_with("size=1M");
        ck_assert_int_eq(run_task(run_standby), 0);
        power_manager_set_options(fixture.power, &(PowerOptions){ .standby_timeout_ms = IDLE_MS,
                                                                  .is_enabled = true });
        command = prepare(TIMEOUT_NS);
        scsi_command_start_stop(command, /* start= */ true, /* load_eject= */ false,
                                /* immediate= */ false);
        send(command, 0);
        await_told(1);
        ck_assert_int_eq(power_manager_get_state(fixture.power), POWER_STATE_IDLE);
        rest_ms(2 * IDLE_MS);
        ck_assert_int_eq(power_manager_get_state(fixture.power), POWER_STATE_STANDBY);
        finish();
}
END_TEST

static int run_wake(Task *task, void *userdata) { return power_manager_wake(fixture.power, task); }

/* The wish was heard when it did not fall asleep: it is none for the next time. */
START_TEST(a_wish_for_the_media_does_not_outlive_a_sleep_that_it_stopped) {
        set_up_with("size=1M,luns=2,latency-us=5000");
        power_manager_set_unit(fixture.power, 1, /* has_medium= */ true, /* can_stop= */ true);
        power_manager_set_options(fixture.power, &(PowerOptions){ .standby_timeout_ms = IDLE_MS,
                                                                  .is_enabled = true });
        submit(0, TIMEOUT_NS, /* needs_medium= */ true);
        while (!power_manager_is_asleep(fixture.power))
                ck_assert_int_gt(event_loop_run_once(fixture.loop, /* may_wait= */ true), 0);
        power_manager_set_options(fixture.power, &(PowerOptions){ 0 });
        ck_assert_int_eq(run_task(run_wake), 0);
        rest_ms(IDLE_MS);
        ck_assert_uint_eq(fixture.statistics.n_standbys, 0);

        ck_assert_int_eq(run_task(run_standby), 0);
        ck_assert_int_eq(run_task(run_suspend), 0);
        ck_assert_int_eq(run_task(run_hold), 0);
        ck_assert_int_eq(power_manager_get_state(fixture.power), POWER_STATE_STANDBY);
        power_manager_let_go(fixture.power);
        finish();
}
END_TEST

int main(void) {
        Suite *suite = suite_create("power manager");
        TCase *tcase = tcase_create("gate");

        tcase_add_test(tcase, commands_that_wait_go_on_in_their_order);
        tcase_add_test(tcase, what_needs_no_medium_does_not_wait_for_one);
        tcase_add_loop_test(tcase, who_need_not_wake_it_is_told_that_it_is_busy, 0, 2);
        tcase_add_test(tcase, one_that_waits_ends_by_its_deadline_or_when_it_is_given_up);
        tcase_add_loop_test(tcase, what_is_no_use_of_it_does_not_keep_it_awake, 0, 3);
        tcase_add_test(tcase, what_can_not_be_flushed_keeps_it_awake);
        tcase_add_test(tcase, one_that_is_held_is_awake_until_it_is_let_go);
        tcase_add_test(tcase, one_that_is_unplugged_asleep_ends_what_waits);
        tcase_add_test(tcase, what_is_under_way_comes_home_before_it_sleeps);
        tcase_add_test(tcase, who_ends_one_that_is_unplugged_meanwhile_goes_on);
        tcase_add_test(tcase, one_that_is_started_from_outside_falls_asleep_again);
        tcase_add_test(tcase, a_wish_for_the_media_does_not_outlive_a_sleep_that_it_stopped);
        suite_add_tcase(suite, tcase);
        return run_suite(suite);
}
