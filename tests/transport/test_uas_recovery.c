/*
 * How a UAS device is started and brought back: its streams, the task management functions and what
 * it may answer to them (UAS-3, 6.2.6, 6.2.7 and 6.3.6), as dialogues; and the way out of BROKEN.
 */

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "uas_script.h"

#define STEPS_MAX 12
#define NONE TRANSPORT_DIRECTION_NONE, 0
#define OTHER_LUN 3

#define BOTH UAS_FORMS_BOTH
#define HIGH_SPEED UAS_FORM_HIGH_SPEED
#define SUPER_SPEED UAS_FORM_SUPER_SPEED
#define TAG UAS_SCRIPT_TAGS

#define CLEAR_HALTS TRANSPORT_RECOVERY_CLEAR_HALTS
#define CLASS_RESET TRANSPORT_RECOVERY_CLASS_RESET
#define LUN_RESET TRANSPORT_RECOVERY_LUN_RESET
#define PORT_RESET TRANSPORT_RECOVERY_PORT_RESET

static const uint8_t command[] = UAS_COMMAND_IU(1, 0);
static const uint8_t next_command[] = UAS_COMMAND_IU(2, 0);
static const uint8_t next_good[] = UAS_SENSE_IU(2, 0x00);
static const uint8_t good[] = UAS_SENSE_IU(1, 0x00);

static const uint8_t abort_task[] = UAS_MANAGEMENT_IU(0x01, 1, 0);
static const uint8_t reset_lun[] = UAS_MANAGEMENT_IU(0x08, 0, 0);
static const uint8_t reset_other_lun[] = UAS_MANAGEMENT_IU(0x08, 0, OTHER_LUN);
static const uint8_t reset_nexus_of_other[] = UAS_MANAGEMENT_IU(0x10, 0, OTHER_LUN);
static const uint8_t reset_nexus[] = UAS_MANAGEMENT_IU(0x10, 0, 0);

static const uint8_t complete[] = UAS_RESPONSE_IU(TAG, 0x00);
static const uint8_t invalid_iu[] = UAS_RESPONSE_IU(TAG, 0x02);
static const uint8_t not_supported[] = UAS_RESPONSE_IU(TAG, 0x04);
static const uint8_t failed[] = UAS_RESPONSE_IU(TAG, 0x05);
static const uint8_t succeeded[] = UAS_RESPONSE_IU(TAG, 0x08);
static const uint8_t incorrect_lun[] = UAS_RESPONSE_IU(TAG, 0x09);
static const uint8_t overlapped_tag[] = UAS_RESPONSE_IU(TAG, 0x0A);
static const uint8_t unknown[] = UAS_RESPONSE_IU(TAG, 0x77);
static const uint8_t sense_instead[] = UAS_SENSE_IU(TAG, 0x00);
static const uint8_t wrong_tag[] = UAS_RESPONSE_IU(2, 0x00);
static const uint8_t ready_instead[] = UAS_READY_IU(0x06, TAG);
static const uint8_t cut[] = { 0x04, 0, 0, TAG, 0, 0, 0 };

#define ANSWER(array) UAS_STATUS_OF(TAG, array)
#define CLEAR_ALL_HALTS()                                                                  \
        USB_CLEAR_HALT(SCRIPTED_USB_UAS_COMMAND), USB_CLEAR_HALT(SCRIPTED_USB_UAS_STATUS), \
                        USB_CLEAR_HALT(SCRIPTED_USB_BULK_IN),                              \
                        USB_CLEAR_HALT(SCRIPTED_USB_BULK_OUT)

/* Starting */

typedef struct StartDialogue {
        const char *name;
        UsbSpeed speed;
        bool has_bulk_only; /* at alternate setting 0, as most have it */
        UsbStep steps[4];
        int result;
        unsigned n_in_flight_max;
} StartDialogue;

static const StartDialogue starts[] = {
        { "without streams", USB_SPEED_HIGH, false, { USB_CLAIM() }, 0, TAG - 1 },
        { "beside Bulk-Only",
          USB_SPEED_HIGH,
          true,
          { USB_CLAIM(), USB_SET_INTERFACE(1) },
          0,
          TAG - 1 },
        { "with streams",
          USB_SPEED_SUPER,
          false,
          { USB_CLAIM(), USB_ALLOC_STREAMS(TAG) },
          0,
          TAG - 1 },
        { "with streams, beside Bulk-Only",
          USB_SPEED_SUPER,
          true,
          { USB_CLAIM(), USB_SET_INTERFACE(1), USB_ALLOC_STREAMS(TAG) },
          0,
          TAG - 1 },
        { "fewer streams than asked for",
          USB_SPEED_SUPER,
          false,
          { USB_CLAIM(), USB_ALLOC_STREAMS(2) },
          0,
          1 },
        { "more streams than asked for",
          USB_SPEED_SUPER,
          false,
          { USB_CLAIM(), USB_ALLOC_STREAMS(200) },
          0,
          TAG - 1 },
        { "one stream is none for task management",
          USB_SPEED_SUPER,
          false,
          { USB_CLAIM(), USB_ALLOC_STREAMS(1) },
          -EIO,
          1 },
        { "no streams",
          USB_SPEED_SUPER,
          false,
          { USB_CLAIM(), USB_ALLOC_STREAMS_FAILS(USB_RESULT_ERROR) },
          -EIO,
          1 },
        { "unplugged before its streams",
          USB_SPEED_SUPER,
          false,
          { USB_CLAIM(), USB_ALLOC_STREAMS_FAILS(USB_RESULT_GONE) },
          -ENODEV,
          1 },
        { "its setting can't be chosen",
          USB_SPEED_HIGH,
          true,
          { USB_CLAIM(), USB_STEP_OPERATE(USB_OPERATION_SET_INTERFACE, .alternate = 1,
                                          .result = USB_RESULT_STALL) },
          -EIO,
          1 },
};

static int run_start(Task *task, void *userdata) {
        TransportFixture *fixture = userdata;

        return transport_start(fixture->transport, task);
}

START_TEST(it_is_started_with_what_it_has) {
        const StartDialogue *dialogue = &starts[_i];
        UsbStep steps[N_ELEMENTS(dialogue->steps) + 1] = {};
        TransportFixture fixture;

        fprintf(stderr, "%s\n", dialogue->name);
        memcpy(steps, dialogue->steps, sizeof(dialogue->steps));
        transport_fixture_init_uas(&fixture, dialogue->speed, TAG, dialogue->has_bulk_only, steps);
        ck_assert_int_eq(transport_fixture_run_task(&fixture, run_start), dialogue->result);
        ck_assert_uint_eq(fixture.transport->n_in_flight_max, dialogue->n_in_flight_max);
        transport_fixture_done(&fixture);
}
END_TEST

/* Recovery */

typedef struct RecoveryDialogue {
        const char *name;
        UasForms forms;
        TransportRecovery recovery;
        uint8_t lun;
        UsbStep steps[STEPS_MAX];
        int result;
} RecoveryDialogue;

/* Of a device that has taken a command of LUN 0, with tag 1, and not answered it. */
static const RecoveryDialogue recoveries[] = {
        { "the command is aborted",
          BOTH,
          CLASS_RESET,
          0,
          { CLEAR_ALL_HALTS(), UAS_COMMAND(abort_task), ANSWER(complete) },
          0 },
        { "clearing halts alone does not do",
          BOTH,
          CLEAR_HALTS,
          0,
          { CLEAR_ALL_HALTS(), UAS_COMMAND(abort_task), ANSWER(succeeded) },
          0 },
        { "the answer is faster than the end of the IU",
          BOTH,
          CLASS_RESET,
          0,
          { CLEAR_ALL_HALTS(), ANSWER(complete), UAS_COMMAND(abort_task) },
          0 },
        { "the command's own status comes first",
          HIGH_SPEED,
          CLASS_RESET,
          0,
          { CLEAR_ALL_HALTS(), UAS_COMMAND(abort_task), UAS_STATUS(good), ANSWER(complete) },
          0 },
        { "a function that is not supported",
          BOTH,
          CLASS_RESET,
          0,
          { CLEAR_ALL_HALTS(), UAS_COMMAND(abort_task), ANSWER(not_supported) },
          -EIO },
        { "a function that failed",
          BOTH,
          CLASS_RESET,
          0,
          { CLEAR_ALL_HALTS(), UAS_COMMAND(abort_task), ANSWER(failed) },
          -EIO },
        { "a wrong LUN",
          BOTH,
          CLASS_RESET,
          0,
          { CLEAR_ALL_HALTS(), UAS_COMMAND(abort_task), ANSWER(incorrect_lun) },
          -EIO },
        { "an invalid IU",
          BOTH,
          CLASS_RESET,
          0,
          { CLEAR_ALL_HALTS(), UAS_COMMAND(abort_task), ANSWER(invalid_iu) },
          -EIO },
        { "an overlapped tag",
          BOTH,
          CLASS_RESET,
          0,
          { CLEAR_ALL_HALTS(), UAS_COMMAND(abort_task), ANSWER(overlapped_tag) },
          -EIO },
        { "an unknown response",
          BOTH,
          CLASS_RESET,
          0,
          { CLEAR_ALL_HALTS(), UAS_COMMAND(abort_task), ANSWER(unknown) },
          -EIO },
        { "a response that is cut",
          BOTH,
          CLASS_RESET,
          0,
          { CLEAR_ALL_HALTS(), UAS_COMMAND(abort_task), ANSWER(cut) },
          -EIO },
        { "a status instead of a response",
          BOTH,
          CLASS_RESET,
          0,
          { CLEAR_ALL_HALTS(), UAS_COMMAND(abort_task), ANSWER(sense_instead) },
          -EIO },
        { "a response to another tag",
          BOTH,
          CLASS_RESET,
          0,
          { CLEAR_ALL_HALTS(), UAS_COMMAND(abort_task), ANSWER(wrong_tag) },
          -EIO },
        { "ready for data that a function has not",
          BOTH,
          CLASS_RESET,
          0,
          { CLEAR_ALL_HALTS(), UAS_COMMAND(abort_task), ANSWER(ready_instead) },
          -EIO },
        { "no response",
          BOTH,
          CLASS_RESET,
          0,
          { CLEAR_ALL_HALTS(), UAS_COMMAND(abort_task), UAS_STATUS_HANG_OF(TAG) },
          -EIO },
        { "the IU is never taken",
          BOTH,
          CLASS_RESET,
          0,
          { CLEAR_ALL_HALTS(), UAS_COMMAND_HANG() },
          -EIO },
        { "the IU stalls",
          BOTH,
          CLASS_RESET,
          0,
          { CLEAR_ALL_HALTS(), UAS_COMMAND_RESULT(USB_RESULT_STALL) },
          -EIO },
        { "unplugged before the response",
          BOTH,
          CLASS_RESET,
          0,
          { CLEAR_ALL_HALTS(), UAS_COMMAND(abort_task), USB_GONE() },
          -ENODEV },
        { "a halt that can't be cleared",
          BOTH,
          CLASS_RESET,
          0,
          { USB_CLEAR_HALT(SCRIPTED_USB_UAS_COMMAND),
            USB_CLEAR_HALT_FAILS(SCRIPTED_USB_UAS_STATUS, USB_RESULT_ERROR) },
          -EIO },
        { "unplugged while a halt is cleared",
          BOTH,
          CLEAR_HALTS,
          0,
          { USB_CLEAR_HALT_FAILS(SCRIPTED_USB_UAS_COMMAND, USB_RESULT_GONE) },
          -ENODEV },

        { "the LUN is reset", BOTH, LUN_RESET, 0, { UAS_COMMAND(reset_lun), ANSWER(complete) }, 0 },
        { "another LUN is reset, and the command aborted",
          BOTH,
          LUN_RESET,
          OTHER_LUN,
          { UAS_COMMAND(reset_other_lun), ANSWER(succeeded), UAS_COMMAND(abort_task),
            ANSWER(complete) },
          0 },
        { "there is only the reset of all",
          BOTH,
          LUN_RESET,
          0,
          { UAS_COMMAND(reset_lun), ANSWER(not_supported), UAS_COMMAND(reset_nexus),
            ANSWER(complete) },
          0 },
        { "the command is not aborted with another LUN's reset",
          BOTH,
          LUN_RESET,
          OTHER_LUN,
          { UAS_COMMAND(reset_other_lun), ANSWER(complete), UAS_COMMAND(abort_task), ANSWER(failed),
            UAS_COMMAND(reset_nexus_of_other), ANSWER(complete) },
          0 },
        { "neither is known",
          BOTH,
          LUN_RESET,
          0,
          { UAS_COMMAND(reset_lun), ANSWER(not_supported), UAS_COMMAND(reset_nexus),
            ANSWER(not_supported) },
          -EIO },
        { "no response to a reset",
          BOTH,
          LUN_RESET,
          0,
          { UAS_COMMAND(reset_lun), UAS_STATUS_HANG_OF(TAG) },
          -EIO },
        { "unplugged within a reset",
          BOTH,
          LUN_RESET,
          0,
          { UAS_COMMAND(reset_lun), USB_GONE() },
          -ENODEV },

        { "the port is reset", HIGH_SPEED, PORT_RESET, 0, { USB_RESET() }, 0 },
        { "the port is reset, and its streams",
          SUPER_SPEED,
          PORT_RESET,
          0,
          { USB_RESET(), USB_ALLOC_STREAMS(TAG) },
          0 },
        { "no streams after the reset",
          SUPER_SPEED,
          PORT_RESET,
          0,
          { USB_RESET(), USB_ALLOC_STREAMS_FAILS(USB_RESULT_ERROR) },
          -EIO },
        { "too few streams after the reset",
          SUPER_SPEED,
          PORT_RESET,
          0,
          { USB_RESET(), USB_ALLOC_STREAMS(TAG - 1) },
          -EIO },
        { "the port can't be reset",
          BOTH,
          PORT_RESET,
          0,
          { USB_RESET_FAILS(USB_RESULT_ERROR) },
          -EIO },
        { "another device after the reset",
          BOTH,
          PORT_RESET,
          0,
          { USB_RESET_FAILS(USB_RESULT_GONE) },
          -ENODEV },
};

static void lose_command(UasScript *script) {
        static const UsbStep lost[] = { UAS_COMMAND(command), UAS_STATUS_HANG(), {} };

        uas_script_continue(script, lost);
        ck_assert_int_eq(transport_fixture_execute(&script->fixture, NONE),
                         TRANSPORT_RESULT_TIMED_OUT);
}

static void check_aftermath(UasScript *script, int result) {
        static const UsbStep next[] = { UAS_COMMAND(next_command),
                                        UAS_STATUS_OF(2, next_good),
                                        {} };
        static const UsbStep nothing[] = { {} };
        TransportFixture *fixture = &script->fixture;

        if (result == -ENODEV)
                return;
        uas_script_continue(script, result == 0 ? next : nothing);
        ck_assert_int_eq(transport_fixture_execute(fixture, NONE),
                         result == 0 ? TRANSPORT_RESULT_GOOD : TRANSPORT_RESULT_ERROR);
}

static void play(const RecoveryDialogue *dialogue, UasForms form) {
        UsbStep steps[STEPS_MAX + 1] = {};
        UasScript script;

        if (!(dialogue->forms & form))
                return;
        uas_script_init(&script, form, dialogue->name);
        lose_command(&script);
        memcpy(steps, dialogue->steps, sizeof(dialogue->steps));
        uas_script_continue(&script, steps);
        ck_assert_int_eq(uas_script_recover(&script, dialogue->recovery, dialogue->lun),
                         dialogue->result);
        check_aftermath(&script, dialogue->result);
        uas_script_done(&script);
}

START_TEST(it_is_recovered_without_streams) { play(&recoveries[_i], HIGH_SPEED); }
END_TEST

START_TEST(it_is_recovered_with_streams) { play(&recoveries[_i], SUPER_SPEED); }
END_TEST

static const UasForms forms[] = { HIGH_SPEED, SUPER_SPEED };

/* UAS-3, 4.2: a tag that the device may know is not used again, that of task management neither. */
START_TEST(a_function_that_was_never_answered_leaves_the_port_reset) {
        static const UsbStep silence[] = { UAS_COMMAND(reset_lun), UAS_STATUS_HANG_OF(TAG), {} };
        static const UsbStep nothing[] = { {} };
        static const UsbStep reset_high[] = { USB_RESET(), {} };
        static const UsbStep reset_super[] = { USB_RESET(), USB_ALLOC_STREAMS(TAG), {} };
        static const UsbStep abort_again[] = { CLEAR_ALL_HALTS(), {} };
        UasScript script;

        uas_script_init(&script, forms[_i], "silence");
        lose_command(&script);
        uas_script_continue(&script, silence);
        ck_assert_int_eq(uas_script_recover(&script, LUN_RESET, 0), -EIO);
        uas_script_continue(&script, nothing);
        ck_assert_int_eq(uas_script_recover(&script, LUN_RESET, 0), -EIO);
        uas_script_continue(&script, abort_again);
        ck_assert_int_eq(uas_script_recover(&script, CLASS_RESET, 0), -EIO);
        uas_script_continue(&script, forms[_i] == SUPER_SPEED ? reset_super : reset_high);
        ck_assert_int_eq(uas_script_recover(&script, PORT_RESET, 0), 0);
        check_aftermath(&script, 0);
        uas_script_done(&script);
}
END_TEST

int main(void) {
        Suite *suite = suite_create("uas recovery");
        TCase *tcase = tcase_create("uas recovery");
        SRunner *runner;
        int n_failed;

        tcase_add_loop_test(tcase, it_is_started_with_what_it_has, 0, N_ELEMENTS(starts));
        tcase_add_loop_test(tcase, it_is_recovered_without_streams, 0, N_ELEMENTS(recoveries));
        tcase_add_loop_test(tcase, it_is_recovered_with_streams, 0, N_ELEMENTS(recoveries));
        tcase_add_loop_test(tcase, a_function_that_was_never_answered_leaves_the_port_reset, 0,
                            N_ELEMENTS(forms));
        suite_add_tcase(suite, tcase);
        runner = srunner_create(suite);
        srunner_run_all(runner, CK_NORMAL);
        n_failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return n_failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
