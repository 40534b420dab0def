/*
 * The thirteen cases of host and device expectations (BOT 1.0, 6.7) and each fault at each phase,
 * as dialogues. Every dialogue is played in both modes: a transfer that was queued ahead and is
 * recalled uses no step, so that the same script serves.
 */

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "transport/bot_protocol.h"
#include "transport_fixture.h"

#define STEPS_MAX 8
#define SIZE TRANSPORT_FIXTURE_DATA_SIZE
#define SOME 200 /* what a device has of what the host asks for */

#define NONE TRANSPORT_DIRECTION_NONE, 0
#define IN TRANSPORT_DIRECTION_IN, SIZE
#define OUT TRANSPORT_DIRECTION_OUT, SIZE

#define GOOD TRANSPORT_RESULT_GOOD
#define FAILED TRANSPORT_RESULT_FAILED
#define ERROR TRANSPORT_RESULT_ERROR
#define TIMED_OUT TRANSPORT_RESULT_TIMED_OUT
#define GONE TRANSPORT_RESULT_GONE

#define CSW(residue, status) BOT_CSW_BYTES(BOT_CSW_SIGNATURE, 0, residue, status)

static const uint8_t csw_good[] = CSW(0, 0);
static const uint8_t csw_good_some[] = CSW(SIZE - SOME, 0);
static const uint8_t csw_good_none[] = CSW(SIZE, 0);
static const uint8_t csw_good_nonsense[] = CSW(0xFFFFFFF0, 0);
static const uint8_t csw_failed[] = CSW(0, 1);
static const uint8_t csw_failed_none[] = CSW(SIZE, 1);
static const uint8_t csw_phase_error[] = CSW(0, 2);
static const uint8_t csw_reserved_status[] = CSW(0, 3);
static const uint8_t csw_wrong_tag[] = BOT_CSW_BYTES(BOT_CSW_SIGNATURE, 0xDEADBEEF, 0, 0);
static const uint8_t csw_cut[] = { 0x55, 0x53, 0x42, 0x53, 0x01 };

typedef struct Dialogue {
        const char *name;
        TransportDirection direction;
        size_t size;
        UsbStep steps[STEPS_MAX];
        TransportResult result;
        size_t actual_size;
} Dialogue;

/* BOT 1.0, 6.7, table 6.1 and sections 6.7.1 to 6.7.3, with the ways that devices may choose. */
static const Dialogue cases[] = {
        { "1: Hn = Dn", NONE, { USB_CBW(), USB_IN_TAGGED(csw_good) }, GOOD, 0 },
        { "1: Hn = Dn, failed", NONE, { USB_CBW(), USB_IN_TAGGED(csw_failed) }, FAILED, 0 },
        { "2: Hn < Di", NONE, { USB_CBW(), USB_IN_TAGGED(csw_phase_error) }, ERROR, 0 },
        { "2: Hn < Di, IN halted first",
          NONE,
          { USB_CBW(), USB_STALL_IN(), USB_CLEAR_HALT(SCRIPTED_USB_BULK_IN),
            USB_IN_TAGGED(csw_phase_error) },
          ERROR,
          0 },
        { "3: Hn < Do", NONE, { USB_CBW(), USB_IN_TAGGED(csw_phase_error) }, ERROR, 0 },
        { "4: Hi > Dn, halted",
          IN,
          { USB_CBW(), USB_STALL_IN(), USB_CLEAR_HALT(SCRIPTED_USB_BULK_IN),
            USB_IN_TAGGED(csw_failed_none) },
          FAILED,
          0 },
        { "4: Hi > Dn, an empty packet",
          IN,
          { USB_CBW(), USB_SHORT_IN(0), USB_IN_TAGGED(csw_good_none) },
          GOOD,
          0 },
        { "4: Hi > Dn, filled up",
          IN,
          { USB_CBW(), USB_IN_SIZE(SIZE), USB_IN_TAGGED(csw_good_none) },
          GOOD,
          0 },
        { "5: Hi > Di, a short packet",
          IN,
          { USB_CBW(), USB_SHORT_IN(SOME), USB_IN_TAGGED(csw_good_some) },
          GOOD,
          SOME },
        { "5: Hi > Di, halted after the data",
          IN,
          { USB_CBW(), USB_STALL_IN_AFTER(SOME), USB_CLEAR_HALT(SCRIPTED_USB_BULK_IN),
            USB_IN_TAGGED(csw_good_some) },
          GOOD,
          SOME },
        { "5: Hi > Di, filled up",
          IN,
          { USB_CBW(), USB_IN_SIZE(SIZE), USB_IN_TAGGED(csw_good_some) },
          GOOD,
          SOME },
        { "5: Hi > Di, a short packet that the residue does not count",
          IN,
          { USB_CBW(), USB_SHORT_IN(SOME), USB_IN_TAGGED(csw_good) },
          GOOD,
          SOME },
        { "6: Hi = Di", IN, { USB_CBW(), USB_IN_SIZE(SIZE), USB_IN_TAGGED(csw_good) }, GOOD, SIZE },
        { "7: Hi < Di",
          IN,
          { USB_CBW(), USB_IN_SIZE(SIZE), USB_IN_TAGGED(csw_phase_error) },
          ERROR,
          0 },
        { "7: Hi < Di, halted after the data",
          IN,
          { USB_CBW(), USB_IN_SIZE(SIZE), USB_STALL_IN(), USB_CLEAR_HALT(SCRIPTED_USB_BULK_IN),
            USB_IN_TAGGED(csw_phase_error) },
          ERROR,
          0 },
        { "8: Hi <> Do",
          IN,
          { USB_CBW(), USB_STALL_IN(), USB_CLEAR_HALT(SCRIPTED_USB_BULK_IN),
            USB_IN_TAGGED(csw_phase_error) },
          ERROR,
          0 },
        { "8: Hi <> Do, an empty packet",
          IN,
          { USB_CBW(), USB_SHORT_IN(0), USB_IN_TAGGED(csw_phase_error) },
          ERROR,
          0 },
        { "9: Ho > Dn, halted",
          OUT,
          { USB_CBW(), USB_STALL_OUT(), USB_CLEAR_HALT(SCRIPTED_USB_BULK_OUT),
            USB_IN_TAGGED(csw_failed_none) },
          FAILED,
          0 },
        { "9: Ho > Dn, taken and ignored",
          OUT,
          { USB_CBW(), USB_OUT_SIZE(SIZE), USB_IN_TAGGED(csw_good_none) },
          GOOD,
          0 },
        { "10: Ho <> Di, halted",
          OUT,
          { USB_CBW(), USB_STALL_OUT(), USB_CLEAR_HALT(SCRIPTED_USB_BULK_OUT),
            USB_IN_TAGGED(csw_phase_error) },
          ERROR,
          0 },
        { "10: Ho <> Di, taken and ignored",
          OUT,
          { USB_CBW(), USB_OUT_SIZE(SIZE), USB_IN_TAGGED(csw_phase_error) },
          ERROR,
          0 },
        { "11: Ho > Do",
          OUT,
          { USB_CBW(), USB_OUT_SIZE(SIZE), USB_IN_TAGGED(csw_good_some) },
          GOOD,
          SOME },
        { "11: Ho > Do, halted, and the status too",
          OUT,
          { USB_CBW(), USB_STALL_OUT(), USB_CLEAR_HALT(SCRIPTED_USB_BULK_OUT), USB_STALL_IN(),
            USB_CLEAR_HALT(SCRIPTED_USB_BULK_IN), USB_IN_TAGGED(csw_failed_none) },
          FAILED,
          0 },
        { "12: Ho = Do",
          OUT,
          { USB_CBW(), USB_OUT_SIZE(SIZE), USB_IN_TAGGED(csw_good) },
          GOOD,
          SIZE },
        { "13: Ho < Do",
          OUT,
          { USB_CBW(), USB_OUT_SIZE(SIZE), USB_IN_TAGGED(csw_phase_error) },
          ERROR,
          0 },
};

static const Dialogue faults[] = {
        { "the CBW stalls", IN, { USB_STALL_OUT() }, ERROR, 0 },
        { "the CBW fails on the wire", IN, { USB_ERROR_OUT() }, ERROR, 0 },
        { "the CBW is never taken", IN, { USB_HANG_OUT() }, TIMED_OUT, 0 },
        { "unplugged before the CBW", IN, { USB_GONE() }, GONE, 0 },
        { "IN data fails on the wire", IN, { USB_CBW(), USB_ERROR_IN() }, ERROR, 0 },
        { "OUT data fails on the wire", OUT, { USB_CBW(), USB_ERROR_OUT() }, ERROR, 0 },
        { "IN data never comes", IN, { USB_CBW(), USB_HANG_IN() }, TIMED_OUT, 0 },
        { "OUT data is never taken", OUT, { USB_CBW(), USB_HANG_OUT() }, TIMED_OUT, 0 },
        { "unplugged before the data", OUT, { USB_CBW(), USB_GONE() }, GONE, 0 },
        { "the halt of IN data can't be cleared",
          IN,
          { USB_CBW(), USB_STALL_IN(),
            USB_CLEAR_HALT_FAILS(SCRIPTED_USB_BULK_IN, USB_RESULT_ERROR) },
          ERROR,
          0 },
        { "the halt of OUT data can't be cleared",
          OUT,
          { USB_CBW(), USB_STALL_OUT(),
            USB_CLEAR_HALT_FAILS(SCRIPTED_USB_BULK_OUT, USB_RESULT_STALL) },
          ERROR,
          0 },
        { "unplugged while a halt is cleared",
          IN,
          { USB_CBW(), USB_STALL_IN(),
            USB_CLEAR_HALT_FAILS(SCRIPTED_USB_BULK_IN, USB_RESULT_GONE) },
          GONE,
          0 },
        { "too much data, then a CSW",
          IN,
          { USB_CBW(), USB_OVERFLOW_IN(), USB_IN_TAGGED(csw_good) },
          FAILED,
          0 },
        { "too much data, then more of it",
          IN,
          { USB_CBW(), USB_OVERFLOW_IN(), USB_OVERFLOW_IN() },
          ERROR,
          0 },
        { "the CSW comes in place of the data",
          IN,
          { USB_CBW(), USB_IN_TAGGED(csw_failed_none) },
          FAILED,
          0 },
        { "a good CSW comes in place of the data",
          IN,
          { USB_CBW(), USB_IN_TAGGED(csw_good_none) },
          GOOD,
          0 },
        { "a CSW that says that nothing is missing comes in place of the data",
          IN,
          { USB_CBW(), USB_IN_TAGGED(csw_good) },
          GOOD,
          0 },
        { "data that looks like another command's CSW is data",
          IN,
          { USB_CBW(), USB_IN(csw_wrong_tag), USB_IN_TAGGED(csw_good) },
          GOOD,
          13 },
        { "the CSW stalls once",
          IN,
          { USB_CBW(), USB_IN_SIZE(SIZE), USB_STALL_IN(), USB_CLEAR_HALT(SCRIPTED_USB_BULK_IN),
            USB_IN_TAGGED(csw_good) },
          GOOD,
          SIZE },
        { "the CSW stalls twice",
          IN,
          { USB_CBW(), USB_IN_SIZE(SIZE), USB_STALL_IN(), USB_CLEAR_HALT(SCRIPTED_USB_BULK_IN),
            USB_STALL_IN() },
          ERROR,
          0 },
        { "the CSW stalls and its halt can't be cleared",
          NONE,
          { USB_CBW(), USB_STALL_IN(),
            USB_CLEAR_HALT_FAILS(SCRIPTED_USB_BULK_IN, USB_RESULT_ERROR) },
          ERROR,
          0 },
        { "an empty packet before the CSW",
          IN,
          { USB_CBW(), USB_IN_SIZE(SIZE), USB_SHORT_IN(0), USB_IN_TAGGED(csw_good) },
          GOOD,
          SIZE },
        { "two empty packets before the CSW",
          IN,
          { USB_CBW(), USB_IN_SIZE(SIZE), USB_SHORT_IN(0), USB_SHORT_IN(0) },
          ERROR,
          0 },
        { "the CSW fails on the wire",
          OUT,
          { USB_CBW(), USB_OUT_SIZE(SIZE), USB_ERROR_IN() },
          ERROR,
          0 },
        { "more than a CSW comes",
          OUT,
          { USB_CBW(), USB_OUT_SIZE(SIZE), USB_OVERFLOW_IN() },
          ERROR,
          0 },
        { "half a CSW comes", NONE, { USB_CBW(), USB_IN(csw_cut) }, ERROR, 0 },
        { "the CSW has another tag", NONE, { USB_CBW(), USB_IN(csw_wrong_tag) }, ERROR, 0 },
        { "the CSW has a reserved status",
          NONE,
          { USB_CBW(), USB_IN_TAGGED(csw_reserved_status) },
          ERROR,
          0 },
        { "the CSW never comes",
          IN,
          { USB_CBW(), USB_IN_SIZE(SIZE), USB_HANG_IN() },
          TIMED_OUT,
          0 },
        { "the CSW never comes after a halt",
          IN,
          { USB_CBW(), USB_STALL_IN(), USB_CLEAR_HALT(SCRIPTED_USB_BULK_IN), USB_HANG_IN() },
          TIMED_OUT,
          0 },
        { "unplugged before the CSW", IN, { USB_CBW(), USB_IN_SIZE(SIZE), USB_GONE() }, GONE, 0 },
        { "a residue larger than the data is nonsense",
          IN,
          { USB_CBW(), USB_IN_SIZE(SIZE), USB_IN_TAGGED(csw_good_nonsense) },
          GOOD,
          SIZE },
};

/* What must hold after any command: a device in step goes on, one out of step is refused. */
static void check_aftermath(TransportFixture *fixture, TransportResult result) {
        static const UsbStep next[] = { USB_CBW(), USB_IN_TAGGED(csw_good), {} };
        static const UsbStep nothing[] = { {} };

        if (result == GONE) {
                ck_assert_int_eq(transport_submit(fixture->transport, &fixture->request), -ENODEV);
                return;
        }
        if (result == GOOD || result == FAILED) {
                transport_fixture_continue(fixture, next);
                ck_assert_int_eq(transport_fixture_execute(fixture, NONE), GOOD);
                return;
        }
        transport_fixture_continue(fixture, nothing);
        ck_assert_int_eq(transport_fixture_execute(fixture, NONE), ERROR);
}

static void play(const Dialogue *dialogue, BotMode mode) {
        TransportFixture fixture;
        TransportResult result;

        fprintf(stderr, "%s, %s\n", dialogue->name, bot_mode_to_string(mode));
        transport_fixture_init_bot(&fixture, mode, dialogue->steps);
        result = transport_fixture_execute(&fixture, dialogue->direction, dialogue->size);
        ck_assert_str_eq(transport_result_to_string(result),
                         transport_result_to_string(dialogue->result));
        ck_assert_uint_eq(fixture.request.actual_size, dialogue->actual_size);
        check_aftermath(&fixture, result);
        transport_fixture_done(&fixture);
}

START_TEST(the_cases_end_as_specified_by_phase) { play(&cases[_i], BOT_MODE_BY_PHASE); }
END_TEST

START_TEST(the_cases_end_as_specified_pipelined) { play(&cases[_i], BOT_MODE_PIPELINED); }
END_TEST

START_TEST(the_faults_are_told_by_phase) { play(&faults[_i], BOT_MODE_BY_PHASE); }
END_TEST

START_TEST(the_faults_are_told_pipelined) { play(&faults[_i], BOT_MODE_PIPELINED); }
END_TEST

/* BOT 1.0, 5.1. */
START_TEST(the_cbw_says_what_the_request_says) {
        static const uint8_t cbw[] = { 0x55, 0x53, 0x42, 0x43, 0,    0, 0, 0, 0, 2, 0,
                                       0,    0x80, 0,    6,    0xA5, 0, 0, 0, 0, 0, 0,
                                       0,    0,    0,    0,    0,    0, 0, 0, 0 };
        static const UsbStep steps[] = {
                USB_OUT_TAGGED(cbw), USB_IN_SIZE(SIZE), USB_IN_TAGGED(csw_good), {}
        };
        TransportFixture fixture;

        transport_fixture_init_bot(&fixture, BOT_MODE_BY_PHASE, steps);
        ck_assert_int_eq(transport_fixture_execute(&fixture, IN), GOOD);
        transport_fixture_done(&fixture);
}
END_TEST

START_TEST(tags_differ_from_command_to_command) {
        static const UsbStep first[] = { USB_CBW(), USB_IN_TAGGED(csw_good), {} };
        TransportFixture fixture;
        uint8_t tag[4];

        transport_fixture_init_bot(&fixture, BOT_MODE_BY_PHASE, first);
        ck_assert_int_eq(transport_fixture_execute(&fixture, NONE), GOOD);
        memcpy(tag, fixture.usb.tag, sizeof(tag));
        transport_fixture_continue(&fixture, first);
        ck_assert_int_eq(transport_fixture_execute(&fixture, NONE), GOOD);
        ck_assert_mem_ne(fixture.usb.tag, tag, sizeof(tag));
        transport_fixture_done(&fixture);
}
END_TEST

START_TEST(a_csw_in_place_of_data_does_not_stay_in_the_buffer) {
        static const UsbStep steps[] = { USB_CBW(), USB_IN_TAGGED(csw_failed_none), {} };
        static const uint8_t zeroes[13];
        TransportFixture fixture;

        transport_fixture_init_bot(&fixture, BOT_MODE_PIPELINED, steps);
        ck_assert_int_eq(transport_fixture_execute(&fixture, IN), FAILED);
        ck_assert_mem_eq(fixture.data, zeroes, sizeof(zeroes));
        transport_fixture_done(&fixture);
}
END_TEST

START_TEST(pipelined_transfers_are_queued_together_and_others_are_not) {
        static const struct {
                BotMode mode;
                size_t n_submitted;
        } expected[] = { { BOT_MODE_BY_PHASE, 1 }, { BOT_MODE_PIPELINED, 3 } };
        static const UsbStep steps[] = {
                USB_CBW(), USB_OUT_SIZE(SIZE), USB_IN_TAGGED(csw_good), {}
        };
        TransportFixture fixture;

        transport_fixture_init_bot(&fixture, expected[_i].mode, steps);
        transport_fixture_submit(&fixture, OUT);
        ck_assert_uint_eq(fixture.usb.n_submitted, expected[_i].n_submitted);
        transport_fixture_run(&fixture);
        ck_assert_int_eq(fixture.request.result, GOOD);
        transport_fixture_done(&fixture);
}
END_TEST

/* A host controller may tell of two endpoints in any order. */
START_TEST(a_csw_told_of_before_the_last_out_data_waits_for_it) {
        static const UsbStep steps[] = {
                USB_CBW(), USB_IN_TAGGED(csw_good), USB_OUT_SIZE(SIZE), {}
        };
        TransportFixture fixture;

        transport_fixture_init_bot(&fixture, BOT_MODE_PIPELINED, steps);
        ck_assert_int_eq(transport_fixture_execute(&fixture, OUT), GOOD);
        ck_assert_uint_eq(fixture.request.actual_size, SIZE);
        transport_fixture_done(&fixture);
}
END_TEST

/* Measured: the transfer that waits behind a halt is refused, too, maybe before we are told of
 * anything. */
START_TEST(a_status_refused_behind_halted_data_is_read_anew) {
        static const UsbStep steps[] = { USB_STALL_IN(),
                                         USB_STALL_IN(),
                                         USB_CBW(),
                                         USB_CLEAR_HALT(SCRIPTED_USB_BULK_IN),
                                         USB_IN_TAGGED(csw_failed_none),
                                         {} };
        TransportFixture fixture;

        transport_fixture_init_bot(&fixture, BOT_MODE_PIPELINED, steps);
        ck_assert_int_eq(transport_fixture_execute(&fixture, IN), FAILED);
        transport_fixture_done(&fixture);
}
END_TEST

/* The script fills no tag in before the CBW, so it is the first command's. */
static const uint8_t csw_first_failed[] = BOT_CSW_BYTES(BOT_CSW_SIGNATURE, 1, SIZE, 1);

START_TEST(a_status_that_came_in_spite_of_the_halt_is_kept) {
        static const UsbStep steps[] = { USB_STALL_IN(),
                                         USB_IN(csw_first_failed),
                                         USB_CBW(),
                                         USB_CLEAR_HALT(SCRIPTED_USB_BULK_IN),
                                         {} };
        TransportFixture fixture;

        transport_fixture_init_bot(&fixture, BOT_MODE_PIPELINED, steps);
        ck_assert_int_eq(transport_fixture_execute(&fixture, IN), FAILED);
        transport_fixture_done(&fixture);
}
END_TEST

START_TEST(a_second_csw_behind_one_in_place_of_data_is_an_error) {
        static const UsbStep steps[] = {
                USB_IN(csw_first_failed), USB_IN(csw_first_failed), USB_CBW(), {}
        };
        TransportFixture fixture;

        transport_fixture_init_bot(&fixture, BOT_MODE_PIPELINED, steps);
        ck_assert_int_eq(transport_fixture_execute(&fixture, IN), ERROR);
        transport_fixture_done(&fixture);
}
END_TEST

START_TEST(the_deadline_bounds_a_command_and_not_earlier) {
        static const UsbStep steps[] = { USB_CBW(), USB_HANG_IN(), {} };
        TransportFixture fixture;

        transport_fixture_init_bot(&fixture, BOT_MODE_BY_PHASE, steps);
        ck_assert_int_eq(transport_fixture_execute(&fixture, IN), TIMED_OUT);
        ck_assert_uint_ge(event_loop_now_ns(fixture.usb.loop), fixture.request.deadline_ns);
        transport_fixture_done(&fixture);
}
END_TEST

START_TEST(a_late_answer_within_the_deadline_is_good) {
        static const UsbStep steps[] = {
                USB_CBW(), USB_WAIT_MS(9000), USB_IN_TAGGED(csw_good), {}
        };
        TransportFixture fixture;

        transport_fixture_init_bot(&fixture, _i ? BOT_MODE_PIPELINED : BOT_MODE_BY_PHASE, steps);
        ck_assert_int_eq(transport_fixture_execute(&fixture, NONE), GOOD);
        transport_fixture_done(&fixture);
}
END_TEST

START_TEST(a_cancelled_command_completes_as_cancelled_and_later) {
        static const UsbStep steps[] = { USB_CBW(), USB_HANG_IN(), {} };
        TransportFixture fixture;

        transport_fixture_init_bot(&fixture, _i ? BOT_MODE_PIPELINED : BOT_MODE_BY_PHASE, steps);
        transport_fixture_submit(&fixture, IN);
        scripted_usb_run_for(&fixture.usb, NS_PER_S);
        ck_assert_uint_eq(fixture.n_done, 0);
        transport_cancel(fixture.transport, &fixture.request);
        ck_assert_uint_eq(fixture.n_done, 0);
        transport_fixture_run(&fixture);
        ck_assert_int_eq(fixture.request.result, TRANSPORT_RESULT_CANCELLED);
        check_aftermath(&fixture, fixture.request.result);
        transport_fixture_done(&fixture);
}
END_TEST

START_TEST(a_refused_command_may_be_cancelled) {
        static const UsbStep steps[] = { USB_STALL_OUT(), {} };
        static const UsbStep nothing[] = { {} };
        TransportFixture fixture;

        transport_fixture_init_bot(&fixture, BOT_MODE_BY_PHASE, steps);
        ck_assert_int_eq(transport_fixture_execute(&fixture, NONE), ERROR);
        transport_fixture_continue(&fixture, nothing);
        transport_fixture_submit(&fixture, NONE);
        transport_cancel(fixture.transport, &fixture.request);
        transport_fixture_run(&fixture);
        ck_assert_int_eq(fixture.request.result, TRANSPORT_RESULT_CANCELLED);
        transport_fixture_done(&fixture);
}
END_TEST

static TransportResult expected_of_refusal(BotMode mode, size_t n, int error) {
        if (error == -ENODEV)
                return GONE;
        if (error != -ENOMEM)
                return n > 1 && mode == BOT_MODE_PIPELINED ? GOOD : ERROR;
        if (n == 1)
                return TRANSPORT_RESULT_NO_MEMORY;
        return mode == BOT_MODE_PIPELINED ? GOOD : ERROR;
}

/* The host refuses the n-th transfer. What was to be queued ahead only is started in its turn. */
static TransportResult refuse(BotMode mode, size_t n, int error) {
        static const UsbStep steps[] = {
                USB_CBW(), USB_OUT_SIZE(SIZE), USB_IN_TAGGED(csw_good), {}
        };
        TransportFixture fixture;
        TransportResult result;

        transport_fixture_init_bot(&fixture, mode, steps);
        scripted_usb_fail_submit(&fixture.usb, n, error);
        transport_fixture_submit(&fixture, OUT);
        scripted_usb_run_for(&fixture.usb, 2 * TRANSPORT_FIXTURE_TIMEOUT_NS);
        ck_assert_uint_eq(fixture.n_done, 1);
        result = fixture.request.result;
        transport_fixture_done(&fixture);
        return result;
}

START_TEST(whichever_transfer_the_host_refuses_the_command_completes) {
        static const int errors[] = { -EIO, -ENOMEM, -ENODEV };
        static const BotMode modes[] = { BOT_MODE_BY_PHASE, BOT_MODE_PIPELINED };
        const size_t n_transfers = 3;

        for (size_t i = 0; i < N_ELEMENTS(modes); i++)
                for (size_t n = 1; n <= n_transfers; n++)
                        ck_assert_str_eq(
                                        transport_result_to_string(refuse(modes[i], n, errors[_i])),
                                        transport_result_to_string(expected_of_refusal(
                                                        modes[i], n, errors[_i])));
        ck_assert_int_eq(refuse(modes[0], n_transfers + 1, errors[_i]), GOOD);
}
END_TEST

START_TEST(a_command_that_the_host_had_no_memory_for_may_be_repeated) {
        static const UsbStep steps[] = { USB_CBW(), USB_IN_TAGGED(csw_good), {} };
        TransportFixture fixture;

        transport_fixture_init_bot(&fixture, BOT_MODE_PIPELINED, steps);
        scripted_usb_fail_submit(&fixture.usb, 1, -ENOMEM);
        transport_fixture_submit(&fixture, NONE);
        scripted_usb_run_for(&fixture.usb, NS_PER_S);
        ck_assert_int_eq(fixture.request.result, TRANSPORT_RESULT_NO_MEMORY);
        ck_assert_int_eq(transport_fixture_execute(&fixture, NONE), GOOD);
        transport_fixture_done(&fixture);
}
END_TEST

START_TEST(one_command_at_a_time_and_only_what_bot_can_carry) {
        static const UsbStep steps[] = { USB_CBW(), USB_IN_TAGGED(csw_good), {} };
        TransportFixture fixture;
        TransportRequest other;

        transport_fixture_init_bot(&fixture, BOT_MODE_BY_PHASE, steps);
        transport_fixture_submit(&fixture, NONE);
        other = fixture.request;
        ck_assert_int_eq(transport_submit(fixture.transport, &other), -EBUSY);
        transport_fixture_run(&fixture);

        other.command_size = 17;
        ck_assert_int_eq(transport_submit(fixture.transport, &other), -EINVAL);
        other.command_size = 16;
        other.lun = 16;
        ck_assert_int_eq(transport_submit(fixture.transport, &other), -EINVAL);
        other.lun = 15;
        other.direction = TRANSPORT_DIRECTION_IN;
        other.size = fixture.transport->transfer_size_max + 1;
        ck_assert_int_eq(transport_submit(fixture.transport, &other), -EINVAL);
        transport_fixture_done(&fixture);
}
END_TEST

START_TEST(transfers_are_limited_by_speed_unless_told_otherwise) {
        static const struct {
                UsbSpeed speed;
                size_t option;
                size_t expected;
        } limits[] = {
                { USB_SPEED_FULL, 0, 120 * KIB },        { USB_SPEED_HIGH, 0, 120 * KIB },
                { USB_SPEED_SUPER, 0, 1 * MIB },         { USB_SPEED_SUPER_PLUS, 0, 1 * MIB },
                { USB_SPEED_SUPER, 64 * KIB, 64 * KIB },
        };

        for (size_t i = 0; i < N_ELEMENTS(limits); i++) {
                BotOptions options = { .transfer_size_max = limits[i].option };
                UsbStorageDevice storage_device;
                Transport *transport;
                ScriptedUsb usb;

                scripted_usb_init(&usb, limits[i].speed, NULL, 0);
                ck_assert_int_eq(usb_storage_device_init(&storage_device, &usb.descriptors,
                                                         limits[i].speed,
                                                         1 << USB_STORAGE_PROTOCOL_BOT),
                                 0);
                ck_assert_int_eq(bot_transport_new(&transport, &usb.device, &storage_device,
                                                   &options),
                                 0);
                ck_assert_uint_eq(transport->transfer_size_max, limits[i].expected);
                ck_assert_uint_eq(transport->n_in_flight_max, 1);
                transport_free(transport);
                scripted_usb_done(&usb);
        }
}
END_TEST

int main(void) {
        Suite *suite = suite_create("bot_transport");
        TCase *tcase = tcase_create("bot_transport");
        SRunner *runner;
        int n_failed;

        tcase_add_loop_test(tcase, the_cases_end_as_specified_by_phase, 0, N_ELEMENTS(cases));
        tcase_add_loop_test(tcase, the_cases_end_as_specified_pipelined, 0, N_ELEMENTS(cases));
        tcase_add_loop_test(tcase, the_faults_are_told_by_phase, 0, N_ELEMENTS(faults));
        tcase_add_loop_test(tcase, the_faults_are_told_pipelined, 0, N_ELEMENTS(faults));
        tcase_add_test(tcase, the_cbw_says_what_the_request_says);
        tcase_add_test(tcase, tags_differ_from_command_to_command);
        tcase_add_test(tcase, a_csw_in_place_of_data_does_not_stay_in_the_buffer);
        tcase_add_loop_test(tcase, pipelined_transfers_are_queued_together_and_others_are_not, 0,
                            2);
        tcase_add_test(tcase, a_csw_told_of_before_the_last_out_data_waits_for_it);
        tcase_add_test(tcase, a_status_refused_behind_halted_data_is_read_anew);
        tcase_add_test(tcase, a_status_that_came_in_spite_of_the_halt_is_kept);
        tcase_add_test(tcase, a_second_csw_behind_one_in_place_of_data_is_an_error);
        tcase_add_test(tcase, the_deadline_bounds_a_command_and_not_earlier);
        tcase_add_loop_test(tcase, a_late_answer_within_the_deadline_is_good, 0, 2);
        tcase_add_loop_test(tcase, a_cancelled_command_completes_as_cancelled_and_later, 0, 2);
        tcase_add_test(tcase, a_refused_command_may_be_cancelled);
        tcase_add_loop_test(tcase, whichever_transfer_the_host_refuses_the_command_completes, 0, 3);
        tcase_add_test(tcase, a_command_that_the_host_had_no_memory_for_may_be_repeated);
        tcase_add_test(tcase, one_command_at_a_time_and_only_what_bot_can_carry);
        tcase_add_test(tcase, transfers_are_limited_by_speed_unless_told_otherwise);
        suite_add_tcase(suite, tcase);
        runner = srunner_create(suite);
        srunner_run_all(runner, CK_NORMAL);
        n_failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return n_failed > 0;
}
