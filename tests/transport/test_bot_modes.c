/*
 * The choice of the mode by trial: what proves that a device bears pipelining, what proves the
 * contrary, and that the proof costs no data. The anomalies are those that were measured on QEMU's
 * usb-storage.
 */

#include <check.h>
#include <string.h>

#include "base/virtual_event_loop.h"
#include "transport/bot_habits.h"
#include "transport_fixture.h"

#define SIZE TRANSPORT_FIXTURE_DATA_SIZE
#define IN TRANSPORT_DIRECTION_IN, SIZE
#define OUT TRANSPORT_DIRECTION_OUT, SIZE
#define NONE TRANSPORT_DIRECTION_NONE, 0

#define CSW(residue, status) BOT_CSW_BYTES(BOT_CSW_SIGNATURE, 0, residue, status)

static const uint8_t csw_good[] = CSW(0, 0);
static const uint8_t csw_half[] = CSW(SIZE / 2 - 1, 0);
static const uint8_t csw_failed_none[] = CSW(SIZE, 1);
static const uint8_t data_in_place_of_csw[13] = { 1, 2, 3 };

static const UsbStep good_none[] = { USB_CBW(), USB_IN_TAGGED(csw_good), {} };
static const UsbStep good_in[] = { USB_CBW(), USB_IN_SIZE(SIZE), USB_IN_TAGGED(csw_good), {} };
static const UsbStep good_out[] = { USB_CBW(), USB_OUT_SIZE(SIZE), USB_IN_TAGGED(csw_good), {} };

/* How many transfers a command queues at once: what tells the modes apart. */
static size_t execute(TransportFixture *fixture, const UsbStep *steps, TransportDirection direction,
                      size_t size, TransportResult expected) {
        size_t n_before = fixture->usb.n_submitted, n_queued;

        transport_fixture_continue(fixture, steps);
        transport_fixture_submit(fixture, direction, size);
        n_queued = fixture->usb.n_submitted - n_before;
        transport_fixture_run(fixture);
        ck_assert_str_eq(transport_result_to_string(fixture->request.result),
                         transport_result_to_string(expected));
        return n_queued;
}

/* A device that the next IN command is tried on. */
static void init_before_trial(TransportFixture *fixture) {
        static const UsbStep nothing[] = { {} };

        transport_fixture_init_bot(fixture, BOT_MODE_AUTO, nothing);
        for (unsigned i = 0; i < BOT_HABITS_GOOD_BEFORE_TRIAL; i++)
                ck_assert_uint_eq(execute(fixture, good_in, IN, TRANSPORT_RESULT_GOOD), 1);
}

static void init_pipelined(TransportFixture *fixture) {
        init_before_trial(fixture);
        for (unsigned i = 0; i < BOT_HABITS_TRIALS_NEEDED; i++) {
                ck_assert_int_eq(bot_transport_get_mode(fixture->transport), BOT_MODE_AUTO);
                ck_assert_uint_eq(execute(fixture, good_in, IN, TRANSPORT_RESULT_GOOD), 3);
        }
        ck_assert_int_eq(bot_transport_get_mode(fixture->transport), BOT_MODE_PIPELINED);
}

START_TEST(a_device_that_bears_it_is_pipelined_in_the_end) {
        TransportFixture fixture;

        init_pipelined(&fixture);
        ck_assert_uint_eq(execute(&fixture, good_out, OUT, TRANSPORT_RESULT_GOOD), 3);
        ck_assert_uint_eq(execute(&fixture, good_none, NONE, TRANSPORT_RESULT_GOOD), 2);
        transport_fixture_done(&fixture);
}
END_TEST

START_TEST(writes_and_commands_without_data_are_not_tried) {
        TransportFixture fixture;

        init_before_trial(&fixture);
        ck_assert_uint_eq(execute(&fixture, good_out, OUT, TRANSPORT_RESULT_GOOD), 1);
        ck_assert_uint_eq(execute(&fixture, good_none, NONE, TRANSPORT_RESULT_GOOD), 1);
        ck_assert_int_eq(bot_transport_get_mode(fixture.transport), BOT_MODE_AUTO);
        transport_fixture_done(&fixture);
}
END_TEST

typedef struct Anomaly {
        const char *name;
        UsbStep steps[6];
        TransportResult result;
        uint64_t duration_max_ns;
} Anomaly;

static const Anomaly anomalies[] = {
        /* QEMU on xHCI: the CSW is lost if its transfer waited; a new one gets it. */
        { "a CSW queued behind data never completes",
          { USB_CBW(), USB_IN_SIZE(SIZE), USB_HANG_IN(), USB_IN_TAGGED(csw_good) },
          TRANSPORT_RESULT_GOOD,
          NS_PER_S },
        /* QEMU on EHCI: an IN that comes before the CBW stalls; afterwards the data waits. */
        { "IN before the CBW stalls",
          { USB_STALL_IN(), USB_STALL_IN(), USB_CBW(), USB_CLEAR_HALT(SCRIPTED_USB_BULK_IN),
            USB_IN(data_in_place_of_csw) },
          TRANSPORT_RESULT_ERROR,
          NS_PER_S },
        { "the CSW stalls behind good data",
          { USB_CBW(), USB_IN_SIZE(SIZE), USB_STALL_IN(), USB_CLEAR_HALT(SCRIPTED_USB_BULK_IN),
            USB_IN_TAGGED(csw_good) },
          TRANSPORT_RESULT_GOOD,
          NS_PER_S },
};

static void suffer(TransportFixture *fixture, const Anomaly *anomaly) {
        UsbStep steps[N_ELEMENTS(anomaly->steps) + 1] = {};
        uint64_t start_ns = event_loop_now_ns(fixture->usb.loop);

        memcpy(steps, anomaly->steps, sizeof(anomaly->steps));
        ck_assert_uint_eq(execute(fixture, steps, IN, anomaly->result), 3);
        ck_assert_uint_le(event_loop_now_ns(fixture->usb.loop) - start_ns,
                          anomaly->duration_max_ns);
        ck_assert_int_eq(bot_transport_get_mode(fixture->transport), BOT_MODE_BY_PHASE);
        if (anomaly->result == TRANSPORT_RESULT_GOOD)
                ck_assert_uint_eq(execute(fixture, good_in, IN, TRANSPORT_RESULT_GOOD), 1);
}

START_TEST(an_anomaly_on_trial_falls_back_for_good) {
        TransportFixture fixture;

        init_before_trial(&fixture);
        suffer(&fixture, &anomalies[_i]);
        transport_fixture_done(&fixture);
}
END_TEST

START_TEST(an_anomaly_later_falls_back_for_good) {
        TransportFixture fixture;

        init_pipelined(&fixture);
        suffer(&fixture, &anomalies[_i]);
        transport_fixture_done(&fixture);
}
END_TEST

/* Costs little, and leaves time within the deadline to recover and repeat it. */
START_TEST(a_trial_that_hangs_is_given_up_soon) {
        static const UsbStep steps[] = { USB_CBW(), USB_HANG_IN(), {} };
        TransportFixture fixture;
        uint64_t start_ns;

        init_before_trial(&fixture);
        start_ns = event_loop_now_ns(fixture.usb.loop);
        execute(&fixture, steps, IN, TRANSPORT_RESULT_TIMED_OUT);
        ck_assert_uint_le(event_loop_now_ns(fixture.usb.loop) - start_ns, 2 * NS_PER_S);
        ck_assert_int_eq(bot_transport_get_mode(fixture.transport), BOT_MODE_BY_PHASE);
        transport_fixture_done(&fixture);
}
END_TEST

static const UsbStep lost_out[] = {
        USB_CBW(), USB_OUT_SIZE(SIZE), USB_HANG_IN(), USB_IN_TAGGED(csw_good), {}
};
static const UsbStep lost_none[] = { USB_CBW(), USB_HANG_IN(), USB_IN_TAGGED(csw_good), {} };

START_TEST(a_lost_csw_is_found_behind_writes_and_without_data_too) {
        TransportFixture fixture;

        init_pipelined(&fixture);
        if (_i)
                execute(&fixture, lost_out, OUT, TRANSPORT_RESULT_GOOD);
        else
                execute(&fixture, lost_none, NONE, TRANSPORT_RESULT_GOOD);
        ck_assert_int_eq(bot_transport_get_mode(fixture.transport), BOT_MODE_BY_PHASE);
        transport_fixture_done(&fixture);
}
END_TEST

/* The patience with a CSW queued ahead is not that with what follows. */
START_TEST(a_csw_read_anew_has_until_the_deadline) {
        static const UsbStep steps[2][7] = {
                { USB_CBW(), USB_IN_SIZE(SIZE), USB_SHORT_IN(0), USB_WAIT_MS(9000),
                  USB_IN_TAGGED(csw_good) },
                { USB_CBW(), USB_IN_SIZE(SIZE), USB_STALL_IN(), USB_WAIT_MS(9000),
                  USB_CLEAR_HALT(SCRIPTED_USB_BULK_IN), USB_IN_TAGGED(csw_good) },
        };
        TransportFixture fixture;

        init_pipelined(&fixture);
        execute(&fixture, steps[_i], IN, TRANSPORT_RESULT_GOOD);
        transport_fixture_done(&fixture);
}
END_TEST

START_TEST(a_lost_csw_that_stays_lost_times_out) {
        static const UsbStep steps[] = {
                USB_CBW(), USB_IN_SIZE(SIZE), USB_HANG_IN(), USB_HANG_IN(), {}
        };
        TransportFixture fixture;

        init_pipelined(&fixture);
        execute(&fixture, steps, IN, TRANSPORT_RESULT_TIMED_OUT);
        ck_assert_int_eq(bot_transport_get_mode(fixture.transport), BOT_MODE_BY_PHASE);
        transport_fixture_done(&fixture);
}
END_TEST

/* BOT 1.0, 6.7.2: that is how a device refuses a command. */
START_TEST(a_refused_command_is_no_anomaly) {
        static const UsbStep steps[] = { USB_CBW(),
                                         USB_STALL_IN(),
                                         USB_CLEAR_HALT(SCRIPTED_USB_BULK_IN),
                                         USB_IN_TAGGED(csw_failed_none),
                                         {} };
        TransportFixture fixture;

        init_before_trial(&fixture);
        execute(&fixture, steps, IN, TRANSPORT_RESULT_FAILED);
        ck_assert_int_eq(bot_transport_get_mode(fixture.transport), BOT_MODE_AUTO);
        transport_fixture_done(&fixture);
}
END_TEST

/* BOT 1.0, 6.7.2: that is how a device ends an answer that is shorter than it might be. */
START_TEST(a_halt_behind_short_data_is_no_anomaly) {
        static const UsbStep steps[] = { USB_CBW(),
                                         USB_SHORT_IN(SIZE / 2 + 1),
                                         USB_STALL_IN(),
                                         USB_CLEAR_HALT(SCRIPTED_USB_BULK_IN),
                                         USB_IN_TAGGED(csw_half),
                                         {} };
        TransportFixture fixture;

        init_before_trial(&fixture);
        /* It is no proof either: the status was not answered where it was queued. */
        for (unsigned i = 0; i <= BOT_HABITS_TRIALS_NEEDED; i++) {
                ck_assert_uint_eq(execute(&fixture, steps, IN, TRANSPORT_RESULT_GOOD), 3);
                ck_assert_int_eq(bot_transport_get_mode(fixture.transport), BOT_MODE_AUTO);
        }
        transport_fixture_done(&fixture);

        init_pipelined(&fixture);
        ck_assert_uint_eq(execute(&fixture, steps, IN, TRANSPORT_RESULT_GOOD), 3);
        ck_assert_int_eq(bot_transport_get_mode(fixture.transport), BOT_MODE_PIPELINED);
        transport_fixture_done(&fixture);
}
END_TEST

static void on_timer(EventTimer *timer) {}

static void let_pass(TransportFixture *fixture, uint64_t duration_ns) {
        uint64_t end_ns = event_loop_now_ns(fixture->usb.loop) + duration_ns;
        EventTimer timer;

        ck_assert_int_eq(event_timer_init(&timer, fixture->usb.loop, on_timer), 0);
        event_timer_set(&timer, end_ns);
        virtual_event_loop_run_until(fixture->usb.loop, end_ns);
        event_timer_done(&timer);
}

/* What sleeps would not answer a trial in time: it is tried when it has just answered. */
START_TEST(a_device_that_may_sleep_is_not_tried) {
        TransportFixture fixture;

        init_before_trial(&fixture);
        let_pass(&fixture, 60 * NS_PER_S);
        ck_assert_uint_eq(execute(&fixture, good_in, IN, TRANSPORT_RESULT_GOOD), 1);
        ck_assert_uint_eq(execute(&fixture, good_in, IN, TRANSPORT_RESULT_GOOD), 3);
        ck_assert_int_eq(bot_transport_get_mode(fixture.transport), BOT_MODE_AUTO);
        transport_fixture_done(&fixture);
}
END_TEST

START_TEST(slow_data_is_no_anomaly) {
        static const UsbStep steps[] = {
                USB_CBW(), USB_WAIT_MS(900), USB_IN_SIZE(SIZE), USB_IN_TAGGED(csw_good), {}
        };
        TransportFixture fixture;

        init_before_trial(&fixture);
        execute(&fixture, steps, IN, TRANSPORT_RESULT_GOOD);
        ck_assert_int_eq(bot_transport_get_mode(fixture.transport), BOT_MODE_AUTO);
        transport_fixture_done(&fixture);
}
END_TEST

START_TEST(a_slow_command_without_data_is_no_anomaly) {
        static const UsbStep steps[] = {
                USB_CBW(), USB_WAIT_MS(9000), USB_IN_TAGGED(csw_good), {}
        };
        TransportFixture fixture;

        init_pipelined(&fixture);
        execute(&fixture, steps, NONE, TRANSPORT_RESULT_GOOD);
        ck_assert_int_eq(bot_transport_get_mode(fixture.transport), BOT_MODE_PIPELINED);
        transport_fixture_done(&fixture);
}
END_TEST

START_TEST(unplugging_proves_nothing) {
        static const UsbStep steps[] = { USB_CBW(), USB_GONE(), {} };
        TransportFixture fixture;

        init_pipelined(&fixture);
        execute(&fixture, steps, IN, TRANSPORT_RESULT_GONE);
        ck_assert_int_eq(bot_transport_get_mode(fixture.transport), BOT_MODE_PIPELINED);
        transport_fixture_done(&fixture);
}
END_TEST

int main(void) {
        Suite *suite = suite_create("bot_modes");
        TCase *tcase = tcase_create("bot_modes");
        SRunner *runner;
        int n_failed;

        tcase_add_test(tcase, a_device_that_bears_it_is_pipelined_in_the_end);
        tcase_add_test(tcase, writes_and_commands_without_data_are_not_tried);
        tcase_add_loop_test(tcase, an_anomaly_on_trial_falls_back_for_good, 0,
                            N_ELEMENTS(anomalies));
        tcase_add_loop_test(tcase, an_anomaly_later_falls_back_for_good, 0, N_ELEMENTS(anomalies));
        tcase_add_test(tcase, a_trial_that_hangs_is_given_up_soon);
        tcase_add_loop_test(tcase, a_lost_csw_is_found_behind_writes_and_without_data_too, 0, 2);
        tcase_add_loop_test(tcase, a_csw_read_anew_has_until_the_deadline, 0, 2);
        tcase_add_test(tcase, a_lost_csw_that_stays_lost_times_out);
        tcase_add_test(tcase, a_refused_command_is_no_anomaly);
        tcase_add_test(tcase, a_halt_behind_short_data_is_no_anomaly);
        tcase_add_test(tcase, a_device_that_may_sleep_is_not_tried);
        tcase_add_test(tcase, slow_data_is_no_anomaly);
        tcase_add_test(tcase, a_slow_command_without_data_is_no_anomaly);
        tcase_add_test(tcase, unplugging_proves_nothing);
        suite_add_tcase(suite, tcase);
        runner = srunner_create(suite);
        srunner_run_all(runner, CK_NORMAL);
        n_failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return n_failed > 0;
}
