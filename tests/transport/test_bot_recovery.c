/*
 * What goes over the control endpoint: bring-up, GET MAX LUN and the steps of recovery, as
 * dialogues; and the way out of BROKEN.
 */

#include <check.h>
#include <errno.h>
#include <string.h>

#include "transport/bot_protocol.h"
#include "transport_fixture.h"

#define STEPS_MAX 6
#define NONE TRANSPORT_DIRECTION_NONE, 0

#define CLAIM_FAILS(result_) USB_STEP_OPERATE(USB_OPERATION_CLAIM, .result = (result_))

/* BOT 1.0, 3.2 and 3.1. */
#define GET_MAX_LUN(array) USB_CONTROL(0xA1, 0xFE, 0, SCRIPTED_USB_INTERFACE, array)
#define GET_MAX_LUN_SHORT() USB_CONTROL_NO_DATA(0xA1, 0xFE, 0, SCRIPTED_USB_INTERFACE)
#define GET_MAX_LUN_STALL() USB_CONTROL_STALL(0xA1, 0xFE, 0, SCRIPTED_USB_INTERFACE)
#define GET_MAX_LUN_HANG() USB_CONTROL_HANG(0xA1, 0xFE, 0, SCRIPTED_USB_INTERFACE)
#define CLASS_RESET() USB_CONTROL_NO_DATA(0x21, 0xFF, 0, SCRIPTED_USB_INTERFACE)
#define CLASS_RESET_STALL() USB_CONTROL_STALL(0x21, 0xFF, 0, SCRIPTED_USB_INTERFACE)
#define CLASS_RESET_HANG() USB_CONTROL_HANG(0x21, 0xFF, 0, SCRIPTED_USB_INTERFACE)

#define CLEAR_BOTH_HALTS() \
        USB_CLEAR_HALT(SCRIPTED_USB_BULK_IN), USB_CLEAR_HALT(SCRIPTED_USB_BULK_OUT)

static const uint8_t csw_good[] = BOT_CSW_BYTES(BOT_CSW_SIGNATURE, 0, 0, 0);
static const uint8_t csw_odd[] = BOT_CSW_BYTES(0x12345678, 0, 0, 0);
static const uint8_t max_lun_0[] = { 0 };
static const uint8_t max_lun_3[] = { 3 };
static const uint8_t max_lun_15[] = { 15 };
static const uint8_t max_lun_16[] = { 16 };
static const uint8_t max_lun_255[] = { 255 };

static const UsbStep nothing[] = { {} };
static const UsbStep good[] = { USB_CBW(), USB_IN_TAGGED(csw_good), {} };
static const UsbStep broken[] = { USB_STALL_OUT(), {} };

typedef struct Dialogue {
        UsbStep steps[STEPS_MAX];
        int result;
} Dialogue;

static const Dialogue starts[] = {
        { { USB_CLAIM() }, 0 },
        { { CLAIM_FAILS(USB_RESULT_ERROR) }, -EIO },
        { { CLAIM_FAILS(USB_RESULT_GONE) }, -ENODEV },
};

static const Dialogue max_luns[] = {
        { { GET_MAX_LUN(max_lun_0) }, 0 },
        { { GET_MAX_LUN(max_lun_3) }, 3 },
        { { GET_MAX_LUN(max_lun_15) }, 15 },
        { { GET_MAX_LUN(max_lun_16) }, -EOPNOTSUPP },
        { { GET_MAX_LUN(max_lun_255) }, -EOPNOTSUPP },
        { { GET_MAX_LUN_SHORT() }, -EOPNOTSUPP },
        { { GET_MAX_LUN_STALL(), GET_MAX_LUN_STALL() }, -EOPNOTSUPP },
        { { GET_MAX_LUN_STALL(), GET_MAX_LUN(max_lun_3) }, 3 },
        { { GET_MAX_LUN_HANG() }, -EOPNOTSUPP },
        { { USB_GONE() }, -ENODEV },
};

typedef struct RecoveryDialogue {
        TransportRecovery recovery;
        UsbStep steps[STEPS_MAX];
        int result;
} RecoveryDialogue;

static const RecoveryDialogue recoveries[] = {
        { TRANSPORT_RECOVERY_CLEAR_HALTS, { CLEAR_BOTH_HALTS() }, 0 },
        { TRANSPORT_RECOVERY_CLEAR_HALTS,
          { USB_CLEAR_HALT_FAILS(SCRIPTED_USB_BULK_IN, USB_RESULT_ERROR),
            USB_CLEAR_HALT(SCRIPTED_USB_BULK_OUT) },
          -EIO },
        { TRANSPORT_RECOVERY_CLEAR_HALTS,
          { USB_CLEAR_HALT(SCRIPTED_USB_BULK_IN),
            USB_CLEAR_HALT_FAILS(SCRIPTED_USB_BULK_OUT, USB_RESULT_STALL) },
          -EIO },
        { TRANSPORT_RECOVERY_CLEAR_HALTS,
          { USB_CLEAR_HALT_FAILS(SCRIPTED_USB_BULK_IN, USB_RESULT_GONE) },
          -ENODEV },
        { TRANSPORT_RECOVERY_CLASS_RESET, { CLASS_RESET(), CLEAR_BOTH_HALTS() }, 0 },
        { TRANSPORT_RECOVERY_CLASS_RESET, { CLASS_RESET_STALL() }, -EIO },
        { TRANSPORT_RECOVERY_CLASS_RESET, { CLASS_RESET_HANG() }, -EIO },
        { TRANSPORT_RECOVERY_CLASS_RESET, { USB_GONE() }, -ENODEV },
        { TRANSPORT_RECOVERY_CLASS_RESET,
          { CLASS_RESET(), USB_CLEAR_HALT_FAILS(SCRIPTED_USB_BULK_IN, USB_RESULT_ERROR),
            USB_CLEAR_HALT(SCRIPTED_USB_BULK_OUT) },
          -EIO },
        { TRANSPORT_RECOVERY_LUN_RESET, { {} }, -EOPNOTSUPP },
        { TRANSPORT_RECOVERY_PORT_RESET, { USB_RESET() }, 0 },
        { TRANSPORT_RECOVERY_PORT_RESET, { USB_RESET_FAILS(USB_RESULT_ERROR) }, -EIO },
        { TRANSPORT_RECOVERY_PORT_RESET, { USB_RESET_FAILS(USB_RESULT_GONE) }, -ENODEV },
};

static TransportRecovery recovery_to_run;

static int start(Task *task, void *userdata) {
        TransportFixture *fixture = userdata;

        return transport_start(fixture->transport, task);
}

static int get_max_lun(Task *task, void *userdata) {
        TransportFixture *fixture = userdata;

        return transport_get_max_lun(fixture->transport, task);
}

static int recover(Task *task, void *userdata) {
        TransportFixture *fixture = userdata;

        return transport_recover(fixture->transport, task, recovery_to_run, /* lun= */ 0);
}

static void play(const UsbStep *steps, TaskMain main, int expected) {
        UsbStep terminated[STEPS_MAX + 1] = {};
        TransportFixture fixture;

        memcpy(terminated, steps, STEPS_MAX * sizeof(*steps));
        transport_fixture_init_bot(&fixture, BOT_MODE_BY_PHASE, terminated);
        ck_assert_int_eq(transport_fixture_run_task(&fixture, main), expected);
        transport_fixture_done(&fixture);
}

START_TEST(start_claims_the_interface) { play(starts[_i].steps, start, starts[_i].result); }
END_TEST

START_TEST(the_highest_lun_is_what_makes_sense_of_the_answer) {
        play(max_luns[_i].steps, get_max_lun, max_luns[_i].result);
}
END_TEST

START_TEST(each_recovery_does_what_it_says) {
        recovery_to_run = recoveries[_i].recovery;
        play(recoveries[_i].steps, recover, recoveries[_i].result);
}
END_TEST

/* A device whose Bulk-Only interface is alternate setting `alternate` of two. */
static void init_with_alternates(TransportFixture *fixture, uint8_t alternate,
                                 const UsbStep *steps) {
        UsbDescriptors *descriptors = &fixture->usb.descriptors;
        BotOptions options = { .mode = BOT_MODE_BY_PHASE };
        UsbStorageDevice storage_device;

        transport_fixture_init_bot(fixture, BOT_MODE_BY_PHASE, steps);
        fixture->transport = transport_free(fixture->transport);
        descriptors->n_interfaces = 2;
        descriptors->interfaces[1] = descriptors->interfaces[0];
        descriptors->interfaces[1 - alternate].protocol = 0x77;
        descriptors->interfaces[1].alternate = 1;
        ck_assert_int_eq(usb_storage_device_init(&storage_device, descriptors, USB_SPEED_HIGH,
                                                 1 << USB_STORAGE_PROTOCOL_BOT),
                         0);
        ck_assert_uint_eq(storage_device.interface.alternate, alternate);
        ck_assert_int_eq(bot_transport_new(&fixture->transport, &fixture->usb.device,
                                           &storage_device, &options),
                         0);
}

START_TEST(start_selects_the_setting_where_there_are_several) {
        static const UsbStep steps[2][3] = { { USB_CLAIM(), USB_SET_INTERFACE(0) },
                                             { USB_CLAIM(), USB_SET_INTERFACE(1) } };
        TransportFixture fixture;

        init_with_alternates(&fixture, (uint8_t) _i, steps[_i]);
        ck_assert_int_eq(transport_fixture_run_task(&fixture, start), 0);
        transport_fixture_done(&fixture);
}
END_TEST

/* The reset has put it back to 0. */
START_TEST(a_port_reset_selects_another_setting_than_the_first_again) {
        static const UsbStep steps[2][3] = { { USB_RESET() },
                                             { USB_RESET(), USB_SET_INTERFACE(1) } };
        TransportFixture fixture;

        recovery_to_run = TRANSPORT_RECOVERY_PORT_RESET;
        init_with_alternates(&fixture, (uint8_t) _i, steps[_i]);
        ck_assert_int_eq(transport_fixture_run_task(&fixture, recover), 0);
        transport_fixture_done(&fixture);
}
END_TEST

START_TEST(a_recovery_leads_out_of_broken) {
        static const UsbStep reset[] = { CLASS_RESET(), CLEAR_BOTH_HALTS(), {} };
        TransportFixture fixture;

        transport_fixture_init_bot(&fixture, BOT_MODE_PIPELINED, broken);
        ck_assert_int_eq(transport_fixture_execute(&fixture, NONE), TRANSPORT_RESULT_ERROR);
        recovery_to_run = TRANSPORT_RECOVERY_CLASS_RESET;
        transport_fixture_continue(&fixture, reset);
        ck_assert_int_eq(transport_fixture_run_task(&fixture, recover), 0);
        transport_fixture_continue(&fixture, good);
        ck_assert_int_eq(transport_fixture_execute(&fixture, NONE), TRANSPORT_RESULT_GOOD);
        transport_fixture_done(&fixture);
}
END_TEST

START_TEST(a_recovery_that_fails_leaves_it_broken) {
        static const UsbStep reset[] = { CLASS_RESET_STALL(), {} };
        TransportFixture fixture;

        transport_fixture_init_bot(&fixture, BOT_MODE_PIPELINED, good);
        ck_assert_int_eq(transport_fixture_execute(&fixture, NONE), TRANSPORT_RESULT_GOOD);
        recovery_to_run = TRANSPORT_RECOVERY_CLASS_RESET;
        transport_fixture_continue(&fixture, reset);
        ck_assert_int_eq(transport_fixture_run_task(&fixture, recover), -EIO);
        transport_fixture_continue(&fixture, nothing);
        ck_assert_int_eq(transport_fixture_execute(&fixture, NONE), TRANSPORT_RESULT_ERROR);
        transport_fixture_done(&fixture);
}
END_TEST

START_TEST(a_recovery_unknown_to_bot_changes_nothing) {
        TransportFixture fixture;

        transport_fixture_init_bot(&fixture, BOT_MODE_PIPELINED, nothing);
        recovery_to_run = TRANSPORT_RECOVERY_LUN_RESET;
        ck_assert_int_eq(transport_fixture_run_task(&fixture, recover), -EOPNOTSUPP);
        transport_fixture_continue(&fixture, good);
        ck_assert_int_eq(transport_fixture_execute(&fixture, NONE), TRANSPORT_RESULT_GOOD);
        transport_fixture_done(&fixture);
}
END_TEST

START_TEST(a_command_during_recovery_is_refused_later) {
        static const UsbStep reset[] = { USB_WAIT_MS(100), USB_RESET(), {} };
        TransportFixture fixture;

        recovery_to_run = TRANSPORT_RECOVERY_PORT_RESET;
        transport_fixture_init_bot(&fixture, BOT_MODE_PIPELINED, reset);
        transport_fixture_start_task(&fixture, recover);
        scripted_usb_run_for(&fixture.usb, NS_PER_MS);
        ck_assert_int_eq(transport_fixture_execute(&fixture, NONE), TRANSPORT_RESULT_ERROR);
        transport_fixture_continue(&fixture, good);
        ck_assert_int_eq(transport_fixture_execute(&fixture, NONE), TRANSPORT_RESULT_GOOD);
        transport_fixture_done(&fixture);
}
END_TEST

START_TEST(a_cancelled_recovery_says_so_and_leaves_it_broken) {
        static const UsbStep reset[] = { CLASS_RESET_HANG(), {} };
        TransportFixture fixture;
        Task *task;

        recovery_to_run = TRANSPORT_RECOVERY_CLASS_RESET;
        transport_fixture_init_bot(&fixture, BOT_MODE_PIPELINED, reset);
        task = transport_fixture_start_task(&fixture, recover);
        scripted_usb_run_for(&fixture.usb, NS_PER_MS);
        task_cancel(task);
        scripted_usb_run(&fixture.usb);
        ck_assert_int_eq(fixture.task_result, -ECANCELED);
        transport_fixture_continue(&fixture, nothing);
        ck_assert_int_eq(transport_fixture_execute(&fixture, NONE), TRANSPORT_RESULT_ERROR);
        transport_fixture_done(&fixture);
}
END_TEST

/* A garbled first CSW would otherwise be taken for the device's signature for ever. */
START_TEST(a_port_reset_forgets_the_learned_signature) {
        static const UsbStep odd[] = { USB_CBW(), USB_IN_TAGGED(csw_odd), {} };
        static const UsbStep reset[] = { USB_RESET(), {} };
        TransportFixture fixture;

        recovery_to_run = TRANSPORT_RECOVERY_PORT_RESET;
        transport_fixture_init_bot(&fixture, BOT_MODE_BY_PHASE, good);
        ck_assert_int_eq(transport_fixture_execute(&fixture, NONE), TRANSPORT_RESULT_GOOD);
        transport_fixture_continue(&fixture, odd);
        ck_assert_int_eq(transport_fixture_execute(&fixture, NONE), TRANSPORT_RESULT_ERROR);
        transport_fixture_continue(&fixture, reset);
        ck_assert_int_eq(transport_fixture_run_task(&fixture, recover), 0);
        transport_fixture_continue(&fixture, odd);
        ck_assert_int_eq(transport_fixture_execute(&fixture, NONE), TRANSPORT_RESULT_GOOD);
        transport_fixture_continue(&fixture, odd);
        ck_assert_int_eq(transport_fixture_execute(&fixture, NONE), TRANSPORT_RESULT_GOOD);
        transport_fixture_done(&fixture);
}
END_TEST

int main(void) {
        Suite *suite = suite_create("bot_recovery");
        TCase *tcase = tcase_create("bot_recovery");
        SRunner *runner;
        int n_failed;

        tcase_add_loop_test(tcase, start_claims_the_interface, 0, N_ELEMENTS(starts));
        tcase_add_loop_test(tcase, the_highest_lun_is_what_makes_sense_of_the_answer, 0,
                            N_ELEMENTS(max_luns));
        tcase_add_loop_test(tcase, each_recovery_does_what_it_says, 0, N_ELEMENTS(recoveries));
        tcase_add_loop_test(tcase, start_selects_the_setting_where_there_are_several, 0, 2);
        tcase_add_loop_test(tcase, a_port_reset_selects_another_setting_than_the_first_again, 0, 2);
        tcase_add_test(tcase, a_recovery_leads_out_of_broken);
        tcase_add_test(tcase, a_recovery_that_fails_leaves_it_broken);
        tcase_add_test(tcase, a_recovery_unknown_to_bot_changes_nothing);
        tcase_add_test(tcase, a_command_during_recovery_is_refused_later);
        tcase_add_test(tcase, a_cancelled_recovery_says_so_and_leaves_it_broken);
        tcase_add_test(tcase, a_port_reset_forgets_the_learned_signature);
        suite_add_tcase(suite, tcase);
        runner = srunner_create(suite);
        srunner_run_all(runner, CK_NORMAL);
        n_failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return n_failed > 0;
}
