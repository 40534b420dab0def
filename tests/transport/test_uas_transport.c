/*
 * What a UAS device may say to one command, right and wrong (UAS-3, 6.2 and 6.3), and each fault at
 * each pipe, as dialogues. Every dialogue is played with streams and without, where it makes sense
 * in both.
 */

#include <check.h>
#include <errno.h>
#include <string.h>

#include "uas_script.h"

#define STEPS_MAX 8
#define SIZE TRANSPORT_FIXTURE_DATA_SIZE
#define SOME 200 /* what a device has of what the host asks for */

#define NONE TRANSPORT_DIRECTION_NONE, 0
#define IN TRANSPORT_DIRECTION_IN, SIZE
#define OUT TRANSPORT_DIRECTION_OUT, SIZE

#define GOOD TRANSPORT_RESULT_GOOD
#define FAILED TRANSPORT_RESULT_FAILED
#define BUSY TRANSPORT_RESULT_BUSY
#define RESERVED TRANSPORT_RESULT_RESERVED
#define ERROR TRANSPORT_RESULT_ERROR
#define TIMED_OUT TRANSPORT_RESULT_TIMED_OUT
#define GONE TRANSPORT_RESULT_GONE

#define BOTH UAS_FORMS_BOTH
#define HIGH_SPEED UAS_FORM_HIGH_SPEED
#define SUPER_SPEED UAS_FORM_SUPER_SPEED

/* SPC-4, "Fixed format sense data": eighteen bytes of it. */
#define SENSE_SIZE 18
#define SENSE 0x70, 0, 0x03, 0, 0, 0, 0, 10, 0, 0, 0, 0, 0x11, 0, 0, 0, 0, 0
#define CHECK(size_high, size_low) \
        0x03, 0, 0, 1, 0, 0, 0x02, 0, 0, 0, 0, 0, 0, 0, size_high, size_low

static const uint8_t sense[] = { SENSE };

static const uint8_t command[] = UAS_COMMAND_IU(1, 0);
static const uint8_t next_command[] = UAS_COMMAND_IU(2, 0);
static const uint8_t next_good[] = UAS_SENSE_IU(2, 0x00);
static const uint8_t read_ready[] = UAS_READY_IU(0x06, 1);
static const uint8_t write_ready[] = UAS_READY_IU(0x07, 1);

/* SAM-5, table 36. */
static const uint8_t good[] = UAS_SENSE_IU(1, 0x00);
static const uint8_t condition_met[] = UAS_SENSE_IU(1, 0x04);
static const uint8_t busy[] = UAS_SENSE_IU(1, 0x08);
static const uint8_t reservation_conflict[] = UAS_SENSE_IU(1, 0x18);
static const uint8_t task_set_full[] = UAS_SENSE_IU(1, 0x28);
static const uint8_t aca_active[] = UAS_SENSE_IU(1, 0x30);
static const uint8_t task_aborted[] = UAS_SENSE_IU(1, 0x40);
static const uint8_t no_status[] = UAS_SENSE_IU(1, 0xFF);

/* UAS-3, 6.2.5: the status with its sense. */
static const uint8_t check[] = { CHECK(0, SENSE_SIZE), SENSE };
static const uint8_t check_without_sense[] = { CHECK(0, 0) };
static const uint8_t check_cut[] = { CHECK(0, SENSE_SIZE), 0x70, 0, 0x03, 0 };
static const uint8_t check_that_says_too_much[] = { CHECK(0xFF, 0xFF), SENSE };
static const uint8_t check_that_says_too_little[] = { CHECK(0, 8), SENSE };
static const uint8_t check_that_says_nothing[] = { CHECK(0, 0), SENSE };
static const uint8_t check_cut_at_its_head[] = { 0x03, 0, 0, 1, 0, 0, 0x02, 0 };
static const uint8_t good_cut_at_its_head[] = { 0x03, 0, 0, 1, 0, 0, 0x00 };
static const uint8_t sense_without_status[] = { 0x03, 0, 0, 1, 0, 0 };

/* UAS-3, 6.2.6: what a device says instead of a status, where it could not make a command of it. */
static const uint8_t function_complete[] = UAS_RESPONSE_IU(1, 0x00);
static const uint8_t invalid_iu[] = UAS_RESPONSE_IU(1, 0x02);
static const uint8_t not_supported[] = UAS_RESPONSE_IU(1, 0x04);
static const uint8_t function_failed[] = UAS_RESPONSE_IU(1, 0x05);
static const uint8_t function_succeeded[] = UAS_RESPONSE_IU(1, 0x08);
static const uint8_t incorrect_lun[] = UAS_RESPONSE_IU(1, 0x09);
static const uint8_t overlapped_tag[] = UAS_RESPONSE_IU(1, 0x0A);
static const uint8_t response_unknown[] = UAS_RESPONSE_IU(1, 0x77);
static const uint8_t response_cut[] = { 0x04, 0, 0, 1, 0, 0, 0 };

/* What no device sends. */
static const uint8_t iu_of_a_host[] = UAS_COMMAND_IU(1, 0);
static const uint8_t iu_unknown[] = { 0x5A, 0, 0, 1, [15] = 0 };
static const uint8_t iu_cut[] = { 0x03, 0, 0 };
static const uint8_t tag_0[] = UAS_SENSE_IU(0, 0x00);
static const uint8_t tag_of_another[] = UAS_SENSE_IU(2, 0x00);
static const uint8_t tag_of_management[] = UAS_SENSE_IU(UAS_SCRIPT_TAGS, 0x00);
static const uint8_t tag_beyond[] = UAS_SENSE_IU(UAS_SCRIPT_TAGS + 1, 0x00);
static const uint8_t tag_swapped[] = { 0x03, 0, 1, 0, [15] = 0 };
static const uint8_t ready_of_another[] = UAS_READY_IU(0x06, 2);

typedef struct Dialogue {
        const char *name;
        UasForms forms;
        TransportDirection direction;
        size_t size;
        UsbStep steps[STEPS_MAX];
        TransportResult result;
        size_t actual_size;
        size_t sense_size;
} Dialogue;

#define READ UAS_COMMAND(command), UAS_READY(read_ready)
#define WRITE UAS_COMMAND(command), UAS_READY(write_ready)

/* UAS-3, 6.3.2 to 6.3.5. */
static const Dialogue sequences[] = {
        { "no data", BOTH, NONE, { UAS_COMMAND(command), UAS_STATUS(good) }, GOOD },
        { "the status is faster than the end of the command",
          BOTH,
          NONE,
          { UAS_STATUS(good), UAS_COMMAND(command) },
          GOOD },
        { "data in", BOTH, IN, { READ, UAS_DATA_IN(SIZE), UAS_STATUS(good) }, GOOD, SIZE },
        { "data out", BOTH, OUT, { WRITE, UAS_DATA_OUT(SIZE), UAS_STATUS(good) }, GOOD, SIZE },
        { "less data than asked for",
          BOTH,
          IN,
          { READ, UAS_DATA_IN(SOME), UAS_STATUS(good) },
          GOOD,
          SOME },
        { "an empty packet", BOTH, IN, { READ, UAS_DATA_IN(0), UAS_STATUS(good) }, GOOD, 0 },
        { "no data where some was asked for",
          BOTH,
          IN,
          { UAS_COMMAND(command), UAS_STATUS(good) },
          GOOD,
          0 },
        { "no data is taken", BOTH, OUT, { UAS_COMMAND(command), UAS_STATUS(good) }, GOOD, 0 },
        { "the status overtakes the data",
          BOTH,
          IN,
          { READ, UAS_STATUS(good), UAS_DATA_IN(SIZE) },
          GOOD,
          SIZE },
        { "the status overtakes data that never comes",
          BOTH,
          IN,
          { READ, UAS_STATUS(good), UAS_DATA_IN_HANG() },
          GOOD,
          0 },
        { "the data is faster than the end of the command",
          SUPER_SPEED,
          IN,
          { UAS_DATA_IN(SIZE), UAS_STATUS(good), UAS_COMMAND(command) },
          GOOD,
          SIZE },
        { "READ READY with streams is no harm",
          SUPER_SPEED,
          IN,
          { UAS_COMMAND(command), UAS_STATUS(read_ready), UAS_DATA_IN(SIZE), UAS_STATUS(good) },
          GOOD,
          SIZE },
        { "condition met", BOTH, NONE, { UAS_COMMAND(command), UAS_STATUS(condition_met) }, GOOD },
        { "busy", BOTH, IN, { UAS_COMMAND(command), UAS_STATUS(busy) }, BUSY },
        { "reserved",
          BOTH,
          NONE,
          { UAS_COMMAND(command), UAS_STATUS(reservation_conflict) },
          RESERVED },
        { "the task set is full",
          BOTH,
          OUT,
          { UAS_COMMAND(command), UAS_STATUS(task_set_full) },
          BUSY },
        { "aborted by another",
          BOTH,
          NONE,
          { UAS_COMMAND(command), UAS_STATUS(task_aborted) },
          BUSY },
        { "failed before its data",
          BOTH,
          IN,
          { UAS_COMMAND(command), UAS_STATUS(check) },
          FAILED,
          0,
          SENSE_SIZE },
        { "failed, though it was ready",
          BOTH,
          OUT,
          { WRITE, UAS_STATUS(check) },
          FAILED,
          0,
          SENSE_SIZE },
        { "failed within its data",
          BOTH,
          IN,
          { READ, UAS_DATA_IN(SOME), UAS_STATUS(check) },
          FAILED,
          SOME,
          SENSE_SIZE },
        { "failed without sense",
          BOTH,
          NONE,
          { UAS_COMMAND(command), UAS_STATUS(check_without_sense) },
          FAILED },
        { "the sense is cut",
          BOTH,
          NONE,
          { UAS_COMMAND(command), UAS_STATUS(check_cut) },
          FAILED,
          0,
          4 },
        { "the sense is shorter than it says",
          BOTH,
          NONE,
          { UAS_COMMAND(command), UAS_STATUS(check_that_says_too_much) },
          FAILED,
          0,
          SENSE_SIZE },
        { "the sense is longer than it says",
          BOTH,
          NONE,
          { UAS_COMMAND(command), UAS_STATUS(check_that_says_too_little) },
          FAILED,
          0,
          8 },
        { "the sense says that it is none",
          BOTH,
          NONE,
          { UAS_COMMAND(command), UAS_STATUS(check_that_says_nothing) },
          FAILED,
          0,
          0 },
        { "the sense IU is cut right behind the status",
          BOTH,
          NONE,
          { UAS_COMMAND(command), UAS_STATUS(check_cut_at_its_head) },
          FAILED,
          0,
          0 },
        { "the sense IU of a success is cut",
          BOTH,
          IN,
          { READ, UAS_DATA_IN(SIZE), UAS_STATUS(good_cut_at_its_head) },
          GOOD,
          SIZE },
};

static const Dialogue nonsense[] = {
        { "ACA was never asked for",
          BOTH,
          NONE,
          { UAS_COMMAND(command), UAS_STATUS(aca_active) },
          ERROR },
        { "a status that is none",
          BOTH,
          NONE,
          { UAS_COMMAND(command), UAS_STATUS(no_status) },
          ERROR },
        { "a sense IU without a status",
          BOTH,
          NONE,
          { UAS_COMMAND(command), UAS_STATUS(sense_without_status) },
          ERROR },
        { "function complete",
          BOTH,
          NONE,
          { UAS_COMMAND(command), UAS_STATUS(function_complete) },
          ERROR },
        { "invalid IU", BOTH, IN, { UAS_COMMAND(command), UAS_STATUS(invalid_iu) }, ERROR },
        { "function not supported",
          BOTH,
          NONE,
          { UAS_COMMAND(command), UAS_STATUS(not_supported) },
          ERROR },
        { "function failed",
          BOTH,
          NONE,
          { UAS_COMMAND(command), UAS_STATUS(function_failed) },
          ERROR },
        { "function succeeded",
          BOTH,
          OUT,
          { UAS_COMMAND(command), UAS_STATUS(function_succeeded) },
          ERROR },
        { "incorrect LUN", BOTH, NONE, { UAS_COMMAND(command), UAS_STATUS(incorrect_lun) }, ERROR },
        { "overlapped tag", BOTH, IN, { READ, UAS_STATUS(overlapped_tag) }, ERROR },
        { "an unknown response",
          BOTH,
          NONE,
          { UAS_COMMAND(command), UAS_STATUS(response_unknown) },
          ERROR },
        { "a response that is cut",
          BOTH,
          NONE,
          { UAS_COMMAND(command), UAS_STATUS(response_cut) },
          ERROR },
        { "a command IU comes back",
          BOTH,
          NONE,
          { UAS_COMMAND(command), UAS_STATUS(iu_of_a_host) },
          ERROR },
        { "an unknown IU", BOTH, IN, { READ, UAS_STATUS(iu_unknown) }, ERROR },
        { "half an IU", BOTH, NONE, { UAS_COMMAND(command), UAS_STATUS(iu_cut) }, ERROR },
        { "an empty packet for a status",
          BOTH,
          NONE,
          { UAS_COMMAND(command), UAS_STATUS_RESULT(USB_RESULT_OK) },
          ERROR },
        { "tag 0", BOTH, NONE, { UAS_COMMAND(command), UAS_STATUS(tag_0) }, ERROR },
        { "a tag that is free", BOTH, IN, { READ, UAS_STATUS(tag_of_another) }, ERROR },
        { "the tag of task management",
          BOTH,
          NONE,
          { UAS_COMMAND(command), UAS_STATUS(tag_of_management) },
          ERROR },
        { "a tag beyond all", BOTH, NONE, { UAS_COMMAND(command), UAS_STATUS(tag_beyond) }, ERROR },
        { "a tag in the wrong order of bytes",
          BOTH,
          OUT,
          { WRITE, UAS_DATA_OUT(SIZE), UAS_STATUS(tag_swapped) },
          ERROR },
        /* UAS-3, 6.2.3 and 6.2.4. */
        { "ready to read, but there is nothing to be read",
          BOTH,
          NONE,
          { UAS_COMMAND(command), UAS_STATUS(read_ready) },
          ERROR },
        { "ready to be written, but there is nothing to write",
          BOTH,
          NONE,
          { UAS_COMMAND(command), UAS_STATUS(write_ready) },
          ERROR },
        { "ready to be written, but it is to be read",
          BOTH,
          IN,
          { UAS_COMMAND(command), UAS_STATUS(write_ready) },
          ERROR },
        { "ready to be read, but it is to be written",
          BOTH,
          OUT,
          { UAS_COMMAND(command), UAS_STATUS(read_ready) },
          ERROR },
        { "ready with the data of a free tag",
          BOTH,
          IN,
          { UAS_COMMAND(command), UAS_STATUS(ready_of_another) },
          ERROR },
        { "ready once more",
          HIGH_SPEED,
          IN,
          { READ, UAS_DATA_IN(SIZE), UAS_STATUS(read_ready) },
          ERROR },
};

/* UAS-3, 4.9. */
static const Dialogue faults[] = {
        { "the command stalls", BOTH, IN, { UAS_COMMAND_RESULT(USB_RESULT_STALL) }, ERROR },
        { "the command fails on the wire",
          BOTH,
          NONE,
          { UAS_COMMAND_RESULT(USB_RESULT_ERROR) },
          ERROR },
        { "the command is never taken", BOTH, IN, { UAS_COMMAND_HANG() }, TIMED_OUT },
        { "unplugged before the command", BOTH, IN, { USB_GONE() }, GONE },
        { "IN data stalls", BOTH, IN, { READ, UAS_DATA_IN_RESULT(USB_RESULT_STALL) }, ERROR },
        { "IN data fails on the wire",
          BOTH,
          IN,
          { READ, UAS_DATA_IN_RESULT(USB_RESULT_ERROR) },
          ERROR },
        { "too much IN data", BOTH, IN, { READ, UAS_DATA_IN_RESULT(USB_RESULT_OVERFLOW) }, ERROR },
        { "IN data never comes", BOTH, IN, { READ, UAS_DATA_IN_HANG() }, TIMED_OUT },
        { "OUT data stalls", BOTH, OUT, { WRITE, UAS_DATA_OUT_RESULT(USB_RESULT_STALL) }, ERROR },
        { "OUT data fails on the wire",
          BOTH,
          OUT,
          { WRITE, UAS_DATA_OUT_RESULT(USB_RESULT_ERROR) },
          ERROR },
        { "OUT data is never taken", BOTH, OUT, { WRITE, UAS_DATA_OUT_HANG() }, TIMED_OUT },
        { "unplugged before the data", BOTH, OUT, { WRITE, USB_GONE() }, GONE },
        { "data stalls behind a good status",
          BOTH,
          IN,
          { READ, UAS_STATUS(good), UAS_DATA_IN_RESULT(USB_RESULT_STALL) },
          ERROR },
        { "the status stalls",
          BOTH,
          NONE,
          { UAS_COMMAND(command), UAS_STATUS_RESULT(USB_RESULT_STALL) },
          ERROR },
        { "the status stalls behind the data",
          BOTH,
          OUT,
          { WRITE, UAS_DATA_OUT(SIZE), UAS_STATUS_RESULT(USB_RESULT_STALL) },
          ERROR },
        { "the status fails on the wire",
          BOTH,
          IN,
          { READ, UAS_DATA_IN(SIZE), UAS_STATUS_RESULT(USB_RESULT_ERROR) },
          ERROR },
        { "more than a status",
          BOTH,
          NONE,
          { UAS_COMMAND(command), UAS_STATUS_RESULT(USB_RESULT_OVERFLOW) },
          ERROR },
        { "the status never comes",
          BOTH,
          NONE,
          { UAS_COMMAND(command), UAS_STATUS_HANG() },
          TIMED_OUT },
        { "the status never comes, though the data did",
          BOTH,
          IN,
          { READ, UAS_DATA_IN(SIZE), UAS_STATUS_HANG() },
          TIMED_OUT },
        { "never ready", HIGH_SPEED, OUT, { UAS_COMMAND(command), UAS_STATUS_HANG() }, TIMED_OUT },
        { "unplugged before the status", BOTH, IN, { READ, UAS_DATA_IN(SIZE), USB_GONE() }, GONE },
};

static bool is_in_step(TransportResult result) {
        return result == GOOD || result == FAILED || result == BUSY || result == RESERVED;
}

/* What must hold after any command: a device in step goes on, one out of step is refused. */
static void check_aftermath(UasScript *script, TransportResult result) {
        static const UsbStep next[] = { UAS_COMMAND(next_command),
                                        UAS_STATUS_OF(2, next_good),
                                        {} };
        static const UsbStep nothing[] = { {} };
        TransportFixture *fixture = &script->fixture;

        if (result == GONE) {
                ck_assert_int_eq(transport_submit(fixture->transport, &fixture->request), -ENODEV);
                return;
        }
        uas_script_continue(script, is_in_step(result) ? next : nothing);
        ck_assert_int_eq(transport_fixture_execute(fixture, NONE),
                         is_in_step(result) ? GOOD : ERROR);
}

static void play(const Dialogue *dialogue, UasForms form) {
        UasScript script;
        const TransportRequest *request = &script.fixture.request;
        TransportResult result;

        if (!(dialogue->forms & form))
                return;
        uas_script_init(&script, form, dialogue->name);
        uas_script_continue(&script, dialogue->steps);
        result = transport_fixture_execute(&script.fixture, dialogue->direction, dialogue->size);
        ck_assert_str_eq(transport_result_to_string(result),
                         transport_result_to_string(dialogue->result));
        ck_assert_uint_eq(request->actual_size, dialogue->actual_size);
        ck_assert_uint_eq(request->sense_size, dialogue->sense_size);
        ck_assert_mem_eq(request->sense, sense, dialogue->sense_size);
        check_aftermath(&script, result);
        uas_script_done(&script);
}

START_TEST(the_sequences_end_as_specified_without_streams) { play(&sequences[_i], HIGH_SPEED); }
END_TEST

START_TEST(the_sequences_end_as_specified_with_streams) { play(&sequences[_i], SUPER_SPEED); }
END_TEST

START_TEST(nonsense_is_told_without_streams) { play(&nonsense[_i], HIGH_SPEED); }
END_TEST

START_TEST(nonsense_is_told_with_streams) { play(&nonsense[_i], SUPER_SPEED); }
END_TEST

START_TEST(the_faults_are_told_without_streams) { play(&faults[_i], HIGH_SPEED); }
END_TEST

START_TEST(the_faults_are_told_with_streams) { play(&faults[_i], SUPER_SPEED); }
END_TEST

int main(void) {
        Suite *suite = suite_create("uas transport");
        TCase *tcase = tcase_create("uas transport");
        SRunner *runner;
        int n_failed;

        tcase_add_loop_test(tcase, the_sequences_end_as_specified_without_streams, 0,
                            N_ELEMENTS(sequences));
        tcase_add_loop_test(tcase, the_sequences_end_as_specified_with_streams, 0,
                            N_ELEMENTS(sequences));
        tcase_add_loop_test(tcase, nonsense_is_told_without_streams, 0, N_ELEMENTS(nonsense));
        tcase_add_loop_test(tcase, nonsense_is_told_with_streams, 0, N_ELEMENTS(nonsense));
        tcase_add_loop_test(tcase, the_faults_are_told_without_streams, 0, N_ELEMENTS(faults));
        tcase_add_loop_test(tcase, the_faults_are_told_with_streams, 0, N_ELEMENTS(faults));
        suite_add_tcase(suite, tcase);
        runner = srunner_create(suite);
        srunner_run_all(runner, CK_NORMAL);
        n_failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return n_failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
