/* The processor above a scripted transport: order, fairness, deadlines, sense, pause. */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "processor_fixture.h"
#include "scsi/scsi_refusal.h"

static const ScriptedAnswer good_after_a_while[] = {
        { SCRIPTED(0x00), .delay_ns = 10 * NS_PER_MS },
        { SCRIPTED(0x1B), .delay_ns = 10 * NS_PER_MS },
};

START_TEST(commands_of_one_unit_keep_their_order) {
        set_up_table(good_after_a_while, N_ELEMENTS(good_after_a_while));
        start(1);
        for (unsigned i = 0; i < 5; i++)
                submit_ready(0);
        finish();
        expect_order("0 1 2 3 4");
        ck_assert_uint_eq(fixture.scripted.n_in_flight_peak, 1);
}
END_TEST

START_TEST(units_take_turns) {
        set_up_table(good_after_a_while, N_ELEMENTS(good_after_a_while));
        start(1);
        for (unsigned i = 0; i < 4; i++) /* 0 to 3; 0 goes out at once */
                submit_ready(0);
        for (unsigned i = 0; i < 3; i++) /* 4 to 6 */
                submit_ready(5);
        submit_ready(2); /* 7 */
        finish();
        expect_order("0 7 4 1 5 2 6 3");
}
END_TEST

START_TEST(the_transport_is_kept_full) {
        set_up_table(good_after_a_while, N_ELEMENTS(good_after_a_while));
        start(3);
        for (unsigned i = 0; i < 9; i++)
                submit_ready((uint8_t) (i % 2));
        finish();
        ck_assert_uint_eq(fixture.scripted.n_in_flight_peak, 3);
}
END_TEST

START_TEST(a_slow_unit_leaves_room_for_others) {
        static const ScriptedAnswer slow[] = {
                { SCRIPTED(0x00), .has_lun = true, .lun = 0, .delay_ns = 5 * NS_PER_S },
                { SCRIPTED(0x00), .delay_ns = NS_PER_MS },
        };

        set_up_table(slow, N_ELEMENTS(slow));
        start(4);
        submit_ready(1);
        for (unsigned i = 0; i < 8; i++)
                submit_ready(0);
        scripted_transport_run_for(&fixture.scripted, 10 * NS_PER_MS);
        for (unsigned i = 0; i < 3; i++) {
                submit_ready(1);
                scripted_transport_run_for(&fixture.scripted, 10 * NS_PER_MS);
        }
        ck_assert_uint_eq(fixture.n_done, 4);
        finish();
}
END_TEST

START_TEST(a_full_queue_is_waited_for_while_others_are_in_it) {
        static const ScriptedAnswer full[] = {
                { SCRIPTED(0x00), .has_lun = true, .lun = 0, .delay_ns = NS_PER_S },
                { SCRIPTED(0x00), .n_times = 1, .result = TRANSPORT_RESULT_BUSY },
                { SCRIPTED(0x00) },
        };

        set_up_table(full, N_ELEMENTS(full));
        start(4);
        submit_ready(0);
        submit_ready(1);
        finish();
        ck_assert_int_eq(fixture.commands[1].result, SCSI_RESULT_GOOD);
        expect_order("0 1");
}
END_TEST

START_TEST(a_command_past_its_deadline_is_not_sent) {
        static const ScriptedAnswer slow[] = { { SCRIPTED(0x00), .delay_ns = 5 * NS_PER_S } };
        uint64_t began_ns;

        set_up_table(slow, N_ELEMENTS(slow));
        start(1);
        began_ns = event_loop_now_ns(fixture.target->loop);
        submit(prepare(0, 10 * NS_PER_S));
        submit(prepare(0, 2 * NS_PER_S));
        submit(prepare(1, 1 * NS_PER_S));
        submit(prepare(0, 20 * NS_PER_S));
        scripted_transport_run_for(&fixture.scripted, 2 * NS_PER_S + NS_PER_MS);
        ck_assert_uint_eq(event_loop_now_ns(fixture.target->loop) - began_ns,
                          2 * NS_PER_S + NS_PER_MS);
        expect_order("2 1");
        finish();
        expect_order("2 1 0 3");
        ck_assert_int_eq(fixture.commands[1].result, SCSI_RESULT_TIMED_OUT);
        ck_assert_int_eq(fixture.commands[2].result, SCSI_RESULT_TIMED_OUT);
        ck_assert(!fixture.commands[1].was_sent);
        ck_assert_int_eq(fixture.commands[3].result, SCSI_RESULT_GOOD);
        scripted_transport_expect(&fixture.scripted, "TEST UNIT READY, TEST UNIT READY");
}
END_TEST

START_TEST(a_deadline_in_the_past_is_told_later) {
        ScsiCommand *command;

        set_up_table(good_after_a_while, N_ELEMENTS(good_after_a_while));
        start(1);
        command = prepare(0, 0);
        submit(command);
        ck_assert_uint_eq(fixture.n_done, 0);
        finish();
        ck_assert_int_eq(command->result, SCSI_RESULT_TIMED_OUT);
        scripted_transport_expect(&fixture.scripted, "");
}
END_TEST

typedef struct RefusalCase {
        uint8_t cdb[16];
        uint8_t cdb_size;
        uint32_t refusals; /* all that are needed */
} RefusalCase;

static const RefusalCase refusal_cases[] = {
        { { 0x1E, 0, 0, 0, 1 }, 6, SCSI_REFUSAL_PREVENT_REMOVAL },
        { { 0x41 }, 10, SCSI_REFUSAL_WRITE_SAME },
        { { 0x93 }, 16, SCSI_REFUSAL_WRITE_SAME },
        { { 0x51 }, 10, SCSI_REFUSAL_DISC_INFORMATION },
        { { 0x85 }, 16, SCSI_REFUSAL_ATA },
        { { 0xA1 }, 12, SCSI_REFUSAL_ATA },
        { { 0x9E, 0x10 }, 16, SCSI_REFUSAL_CAPACITY_16 },
        { { 0xA0 }, 12, SCSI_REFUSAL_REPORT_LUNS },
        { { 0xA3, 0x0C }, 12, SCSI_REFUSAL_OPERATION_CODES },
        { { 0x9E, 0x12 }, 16, 0 },
        { { 0xA3, 0x05 }, 12, 0 },
        { { 0x28 }, 10, 0 },
};

static const ScriptedAnswer good_at_all[] = { { .command_size = 0 } };

static ScsiCommand *submit_cdb(const uint8_t *cdb, size_t cdb_size) {
        ScsiCommand *command = prepare(0, TIMEOUT_NS);

        scsi_command_set_cdb(command, cdb, cdb_size);
        return submit(command);
}

/* One after the other, so that each command is refused by its own bit, and by no other. */
START_TEST(what_a_device_must_not_see_is_answered_for_it) {
        const RefusalCase *c = &refusal_cases[_i];

        for (uint32_t refusal = 1; refusal <= SCSI_REFUSAL_OPERATION_CODES; refusal <<= 1) {
                ScsiCommand *command;

                set_up_table(good_at_all, N_ELEMENTS(good_at_all));
                start_with(1, &(ScsiProcessorOptions){ .refusals = refusal });
                command = submit_cdb(c->cdb, c->cdb_size);
                ck_assert_uint_eq(fixture.n_done, 0);
                scripted_transport_run(&fixture.scripted);
                ck_assert_uint_eq(fixture.n_done, 1);
                if (refusal != c->refusals) {
                        ck_assert_int_eq(command->result, SCSI_RESULT_GOOD);
                        ck_assert_uint_eq(fixture.scripted.n_commands, 1);
                } else {
                        ck_assert_int_eq(command->result, SCSI_RESULT_CHECK_CONDITION);
                        ck_assert_int_eq(command->sense.key, SCSI_SENSE_KEY_ILLEGAL_REQUEST);
                        ck_assert_uint_eq(SCSI_ASC_ASCQ(&command->sense), 0x2000);
                        ck_assert_uint_eq(fixture.scripted.n_commands, 0);
                }
                finish();
        }
}
END_TEST

typedef struct ValidationCase {
        const char *what;
        uint8_t cdb[16];
        uint8_t cdb_size;
        TransportDirection direction;
        size_t size;
        int device_type; /* that the unit told; negative: nothing yet */
        bool is_valid;
} ValidationCase;

#define IN TRANSPORT_DIRECTION_IN
#define OUT TRANSPORT_DIRECTION_OUT
#define NO_DATA TRANSPORT_DIRECTION_NONE

static const ValidationCase validation_cases[] = {
        { "what is right", { 0x28, [8] = 2 }, 10, IN, 1024, SCSI_DEVICE_TYPE_DISK, true },
        { "blocks of a unit that has not told", { 0x28, [8] = 2 }, 10, IN, 512, -1, true },
        { "a length", { 0x28, [8] = 2 }, 10, IN, 512, SCSI_DEVICE_TYPE_DISK, false },
        { "a length without a unit", { 0x12, [4] = 36 }, 6, IN, 255, -1, false },
        { "a direction", { 0x28, [8] = 2 }, 10, OUT, 1024, SCSI_DEVICE_TYPE_DISK, false },
        { "a direction without a unit", { 0x12, [4] = 36 }, 6, OUT, 36, -1, false },
        { "a size of the command", { 0x12, [4] = 36 }, 10, IN, 36, -1, false },
        { "the last block", { 0x28, [5] = 99, [8] = 1 }, 10, IN, 512, SCSI_DEVICE_TYPE_DISK, true },
        { "beyond it", { 0x28, [5] = 99, [8] = 2 }, 10, IN, 1024, SCSI_DEVICE_TYPE_DISK, false },
        { "a service action", { 0x9E, 0x10, [13] = 32 }, 16, IN, 32, -1, true },
        { "one that is not known", { 0x9E, 0x1F, [13] = 32 }, 16, IN, 32, -1, false },
        { "an operation code that is not known", { 0xC0 }, 10, NO_DATA, 0, -1, false },
        { "of a disc", { 0x46, [8] = 8 }, 10, IN, 8, SCSI_DEVICE_TYPE_OPTICAL, true },
        { "of a disc to a disk", { 0x46, [8] = 8 }, 10, IN, 8, SCSI_DEVICE_TYPE_DISK, false },
        { "of a disc to what has not told", { 0x46, [8] = 8 }, 10, IN, 8, -1, true },
        { "of a disk to a simple one",
          { 0x93, [13] = 1 },
          16,
          OUT,
          512,
          SCSI_DEVICE_TYPE_RBC,
          true },
        { "a reservation", { 0x16 }, 6, NO_DATA, 0, -1, false },
};

static ScsiCommand *submit_validated(const ValidationCase *c, bool is_validating) {
        static uint8_t data[1024];
        const ScsiDisk disk = {
                .device_type = (uint8_t) c->device_type,
                .n_blocks = 100,
                .block_size = 512,
        };
        ScsiCommand *command;

        set_up_table(good_at_all, N_ELEMENTS(good_at_all));
        start_with(1, &(ScsiProcessorOptions){ .is_validating = is_validating });
        if (c->device_type >= 0)
                scsi_processor_set_unit(fixture.processor, 3, &disk);
        command = prepare(3, TIMEOUT_NS);
        scsi_command_set_cdb(command, c->cdb, c->cdb_size);
        if (c->size > 0)
                scsi_command_set_data(command, c->direction, data, c->size);
        return submit(command);
}

START_TEST(what_does_not_agree_with_the_table_is_not_sent) {
        const ValidationCase *c = &validation_cases[_i];
        ScsiCommand *command = submit_validated(c, /* is_validating= */ true);

        ck_assert_uint_eq(fixture.n_done, 0);
        scripted_transport_run(&fixture.scripted);
        ck_assert_msg((command->result == SCSI_RESULT_INVALID) == !c->is_valid, "%s", c->what);
        ck_assert_uint_eq(fixture.scripted.n_commands, c->is_valid);
        ck_assert_uint_eq(scsi_processor_get_statistics(fixture.processor)->n_invalid,
                          !c->is_valid);
        finish();
}
END_TEST

START_TEST(without_validation_everything_is_sent) {
        ScsiCommand *command = submit_validated(&validation_cases[_i], /* is_validating= */ false);

        scripted_transport_run(&fixture.scripted);
        ck_assert_int_eq(command->result, SCSI_RESULT_GOOD);
        ck_assert_uint_eq(fixture.scripted.n_commands, 1);
        finish();
}
END_TEST

static char last_log[LOG_MESSAGE_SIZE_MAX];

static void note_log(const LogRecord *record, void *userdata) {
        snprintf(last_log, sizeof(last_log), "%s", record->message);
}

START_TEST(the_log_says_what_is_wrong_with_a_command) {
        static const ValidationCase c = {
                .cdb = { 0x28, [8] = 2 },
                .cdb_size = 10,
                .direction = TRANSPORT_DIRECTION_IN,
                .size = 512,
                .device_type = SCSI_DEVICE_TYPE_DISK,
        };

        log_set_sink(note_log, NULL);
        submit_validated(&c, /* is_validating= */ true);
        log_set_sink(NULL, NULL);
        ck_assert_str_eq(last_log, "LUN 3: a command is not sent: READ(10) announces 1024 bytes, "
                                   "and 512 come with it");
        finish();
}
END_TEST

START_TEST(a_unit_that_is_asked_again_may_be_of_another_type) {
        static const ValidationCase c = { "", { 0x46, [8] = 8 },     10,   IN,
                                          8,  SCSI_DEVICE_TYPE_DISK, false };
        ScsiCommand *command = submit_validated(&c, /* is_validating= */ true);

        scripted_transport_run(&fixture.scripted);
        ck_assert_int_eq(command->result, SCSI_RESULT_INVALID);
        scsi_processor_set_unit(fixture.processor, 3, NULL);
        submit(command);
        fixture.n_commands++;
        scripted_transport_run(&fixture.scripted);
        ck_assert_int_eq(command->result, SCSI_RESULT_GOOD);
        finish();
}
END_TEST

START_TEST(serial_it_has_one_command_at_the_transport) {
        set_up_table(good_at_all, N_ELEMENTS(good_at_all));
        start_with(SCRIPTED_SLOTS_MAX, &(ScsiProcessorOptions){ .is_serial = _i });
        for (uint8_t lun = 0; lun < SCRIPTED_SLOTS_MAX; lun++)
                submit_ready(lun);
        scripted_transport_run(&fixture.scripted);
        ck_assert_uint_eq(fixture.target->n_in_flight_max, _i ? 1 : SCRIPTED_SLOTS_MAX);
        ck_assert_uint_eq(fixture.scripted.n_in_flight_peak == 1, _i);
        /* Another transport does not change that. */
        scsi_processor_set_transport(fixture.processor, &fixture.scripted.transport);
        ck_assert_uint_eq(fixture.target->n_in_flight_max, _i ? 1 : SCRIPTED_SLOTS_MAX);
        finish();
}
END_TEST

typedef struct LengthCase {
        ScsiSenseLength length;
        uint8_t additional_length; /* of the first sense */
        bool has_long_answer;      /* to a request for more than 18 bytes */
        uint8_t asked[3];          /* for so much, in the first failures */
} LengthCase;

static const LengthCase length_cases[] = {
        { SCSI_SENSE_LENGTH_LEARNED, 10, true, { 18, 18, 18 } },
        { SCSI_SENSE_LENGTH_LEARNED, 24, true, { 18, 96, 96 } },
        { SCSI_SENSE_LENGTH_LEARNED, 24, false, { 18, 96, 18 } },
        { SCSI_SENSE_LENGTH_SHORT, 24, true, { 18, 18, 18 } },
        { SCSI_SENSE_LENGTH_LONG, 10, true, { 96, 96, 96 } },
        { SCSI_SENSE_LENGTH_LONG, 10, false, { 96, 18, 18 } },
};

START_TEST(more_sense_is_asked_for_where_there_is_more_and_it_comes) {
        const LengthCase *c = &length_cases[_i];
        const uint8_t sense[32] = { 0x70, 0, 3, [7] = c->additional_length, [12] = 0x11 };
        const ScriptedAnswer answers[] = {
                { SCRIPTED(0x00), .result = TRANSPORT_RESULT_FAILED },
                { SCRIPTED(0x03, 0, 0, 0), .data = sense, .size = sizeof(sense) },
        };
        ScriptedAnswer answers_failing[] = {
                { SCRIPTED(0x00), .result = TRANSPORT_RESULT_FAILED },
                { SCRIPTED(0x03, 0, 0, 0), .n_times = 1, .data = sense, .size = sizeof(sense) },
                { SCRIPTED(0x03, 0, 0, 0), .n_times = 1, .result = TRANSPORT_RESULT_FAILED },
                { SCRIPTED(0x03, 0, 0, 0), .data = sense, .size = sizeof(sense) },
        };

        if (c->length == SCSI_SENSE_LENGTH_LONG)
                answers_failing[1].result = TRANSPORT_RESULT_FAILED;
        if (c->has_long_answer)
                set_up_table(answers, N_ELEMENTS(answers));
        else
                set_up_table(answers_failing, N_ELEMENTS(answers_failing));
        start_with(1, &(ScsiProcessorOptions){ .sense_length = c->length });
        for (size_t i = 0; i < N_ELEMENTS(c->asked); i++) {
                ScsiCommand *command = submit_ready(0);

                fixture.scripted.last_size = 0;
                scripted_transport_run(&fixture.scripted);
                ck_assert_int_eq(command->result, SCSI_RESULT_CHECK_CONDITION);
                ck_assert_uint_eq(fixture.scripted.last_size, c->asked[i]);
        }
        finish();
}
END_TEST

typedef struct SenseFetch {
        const char *what;
        ScriptedAnswer failure;
        ScriptedAnswer request_sense;
        ScsiResult result;
        ScsiSenseKey key;
        uint16_t asc_ascq;
        const char *trace;
} SenseFetch;

#define FETCHED "TEST UNIT READY.4, REQUEST SENSE.4, TEST UNIT READY"
#define AT_ONCE "TEST UNIT READY.4, TEST UNIT READY"

static const uint8_t sense_of_zeroes[18] = { 0x70, [7] = 10 };
static const uint8_t sense_undecodable[18] = { 0x42, 0, 3 };
static const uint8_t sense_short[3] = { 0x70, 0, 3 };

static const SenseFetch sense_fetches[] = {
        { "sense is asked for",
          { .sense = 0x023A00 },
          { .result = TRANSPORT_RESULT_GOOD },
          SCSI_RESULT_CHECK_CONDITION,
          SCSI_SENSE_KEY_NOT_READY,
          0x3A00,
          FETCHED },
        { "sense came with the status",
          { .sense = 0x031100, .has_sense_at_once = true },
          { .result = TRANSPORT_RESULT_GOOD },
          SCSI_RESULT_CHECK_CONDITION,
          SCSI_SENSE_KEY_MEDIUM_ERROR,
          0x1100,
          AT_ONCE },
        { "sense is all zeroes",
          { .result = TRANSPORT_RESULT_FAILED },
          { SCRIPTED_DATA(sense_of_zeroes) },
          SCSI_RESULT_CHECK_CONDITION,
          SCSI_SENSE_KEY_HARDWARE_ERROR,
          0,
          FETCHED },
        { "sense is no sense",
          { .result = TRANSPORT_RESULT_FAILED },
          { SCRIPTED_DATA(sense_undecodable) },
          SCSI_RESULT_CHECK_CONDITION,
          SCSI_SENSE_KEY_HARDWARE_ERROR,
          0,
          FETCHED },
        { "sense is short",
          { .result = TRANSPORT_RESULT_FAILED },
          { SCRIPTED_DATA(sense_short) },
          SCSI_RESULT_CHECK_CONDITION,
          SCSI_SENSE_KEY_MEDIUM_ERROR,
          0,
          FETCHED },
        { "sense is empty",
          { .result = TRANSPORT_RESULT_FAILED },
          { .is_empty = true },
          SCSI_RESULT_CHECK_CONDITION,
          SCSI_SENSE_KEY_HARDWARE_ERROR,
          0,
          FETCHED },
        { "REQUEST SENSE fails",
          { .result = TRANSPORT_RESULT_FAILED },
          { .result = TRANSPORT_RESULT_FAILED },
          SCSI_RESULT_CHECK_CONDITION,
          SCSI_SENSE_KEY_HARDWARE_ERROR,
          0,
          FETCHED },
        { "REQUEST SENSE breaks the transport",
          { .result = TRANSPORT_RESULT_FAILED },
          { .result = TRANSPORT_RESULT_ERROR },
          SCSI_RESULT_TRANSPORT_ERROR,
          _SCSI_SENSE_KEY_MAX,
          0,
          FETCHED },
        { "REQUEST SENSE hangs",
          { .result = TRANSPORT_RESULT_FAILED },
          { .hangs = true },
          SCSI_RESULT_TIMED_OUT,
          _SCSI_SENSE_KEY_MAX,
          0,
          FETCHED },
        { "the device is gone before REQUEST SENSE",
          { .result = TRANSPORT_RESULT_FAILED },
          { .result = TRANSPORT_RESULT_GONE },
          SCSI_RESULT_GONE,
          _SCSI_SENSE_KEY_MAX,
          0,
          FETCHED },
        { "only the sense tells, and says that nothing is wrong",
          { .result = TRANSPORT_RESULT_UNTOLD },
          { SCRIPTED_DATA(sense_of_zeroes) },
          SCSI_RESULT_GOOD,
          _SCSI_SENSE_KEY_MAX,
          0,
          FETCHED },
        { "only the sense tells, and says what is wrong",
          { .result = TRANSPORT_RESULT_UNTOLD },
          { SCRIPTED_DATA(sense_short) },
          SCSI_RESULT_CHECK_CONDITION,
          SCSI_SENSE_KEY_MEDIUM_ERROR,
          0,
          FETCHED },
        { "only the sense tells, and is empty",
          { .result = TRANSPORT_RESULT_UNTOLD },
          { .is_empty = true },
          SCSI_RESULT_CHECK_CONDITION,
          SCSI_SENSE_KEY_HARDWARE_ERROR,
          0,
          FETCHED },
        { "only the sense tells, and REQUEST SENSE fails",
          { .result = TRANSPORT_RESULT_UNTOLD },
          { .result = TRANSPORT_RESULT_FAILED },
          SCSI_RESULT_CHECK_CONDITION,
          SCSI_SENSE_KEY_HARDWARE_ERROR,
          0,
          FETCHED },
};

START_TEST(sense_is_fetched_before_anything_else) {
        const SenseFetch *c = &sense_fetches[_i];
        ScriptedAnswer answers[] = { c->failure, c->request_sense, { SCRIPTED(0x00) } };
        const ScsiCommand *command;

        answers[0].command_size = 1;
        answers[0].n_times = 1;
        answers[1].command[0] = 0x03;
        answers[1].command_size = 1;
        set_up_table(answers, N_ELEMENTS(answers));
        start(1);
        command = submit_ready(4);
        submit_ready(0);
        finish();
        ck_assert_msg(command->result == c->result, "%s: %s", c->what,
                      scsi_result_to_string(command->result));
        if (c->key != _SCSI_SENSE_KEY_MAX) {
                ck_assert_msg(command->sense.key == c->key, "%s", c->what);
                ck_assert_msg(SCSI_ASC_ASCQ(&command->sense) == c->asc_ascq, "%s", c->what);
        }
        scripted_transport_expect(&fixture.scripted, c->trace);
        expect_order("0 1");
}
END_TEST

START_TEST(two_failures_at_once_are_asked_about_in_turn) {
        static const ScriptedAnswer answers[] = {
                { SCRIPTED(0x00), .n_times = 2, .sense = 0x052400 },
                { SCRIPTED(0x00) },
        };

        set_up_table(answers, N_ELEMENTS(answers));
        start(2);
        submit_ready(0);
        submit_ready(1);
        submit_ready(1);
        finish();
        ck_assert_int_eq(fixture.commands[0].result, SCSI_RESULT_CHECK_CONDITION);
        ck_assert_int_eq(fixture.commands[1].result, SCSI_RESULT_CHECK_CONDITION);
        ck_assert_int_eq(fixture.commands[2].result, SCSI_RESULT_GOOD);
        scripted_transport_expect(&fixture.scripted,
                                  "TEST UNIT READY, TEST UNIT READY.1, REQUEST SENSE, "
                                  "REQUEST SENSE.1, TEST UNIT READY.1");
}
END_TEST

/* The second one is queued for 10 ms and at the device for 10 ms. */
START_TEST(what_comes_back_is_counted_by_unit_and_over_several_lives) {
        static ScsiProcessorStatistics statistics;
        static const ScriptedAnswer answers[] = {
                { SCRIPTED(0x00), .delay_ns = 10 * NS_PER_MS },
                { SCRIPTED(0x1B), .delay_ns = 10 * NS_PER_MS, .sense = 0x031100 },
        };
        const ScsiLunStatistics *good = &statistics.luns[0], *bad = &statistics.luns[3];

        for (unsigned i = 1; i <= 2; i++) {
                set_up_table(answers, N_ELEMENTS(answers));
                start_with(1, &(ScsiProcessorOptions){ .statistics = &statistics });
                submit_ready(0);
                scsi_command_start_stop(prepare(3, TIMEOUT_NS), /* start= */ true,
                                        /* load_eject= */ false, /* immediate= */ false);
                submit(&fixture.commands[1]);
                submit(prepare(0, 0)); /* its time is over: it is never sent */
                finish();
                ck_assert_uint_eq(statistics.n_commands, 3 * i);
                ck_assert_uint_eq(good->latency.sum_ns, i * 10 * NS_PER_MS);
                ck_assert_uint_eq(good->transport_latency.sum_ns, i * 10 * NS_PER_MS);
                ck_assert_uint_eq(storage_histogram_count(&good->latency), i);
                ck_assert_uint_eq(good->n_timeouts, i);
                ck_assert_uint_eq(bad->latency.sum_ns, i * 20 * NS_PER_MS);
                ck_assert_uint_eq(bad->transport_latency.sum_ns, i * 10 * NS_PER_MS);
                for (unsigned key = 0; key < _SCSI_SENSE_KEY_MAX; key++)
                        ck_assert_uint_eq(bad->n_check_conditions[key],
                                          key == SCSI_SENSE_KEY_MEDIUM_ERROR ? i : 0);
        }
}
END_TEST

START_TEST(a_failing_request_sense_is_not_asked_about) {
        static const ScriptedAnswer answers[] = {
                { SCRIPTED(0x03), .result = TRANSPORT_RESULT_FAILED },
        };
        uint8_t sense[18];
        ScsiCommand *command;

        set_up_table(answers, N_ELEMENTS(answers));
        start(1);
        command = prepare(0, TIMEOUT_NS);
        scsi_command_request_sense(command, sense, sizeof(sense));
        submit(command);
        finish();
        ck_assert_int_eq(command->result, SCSI_RESULT_CHECK_CONDITION);
        ck_assert_int_eq(command->sense.key, SCSI_SENSE_KEY_HARDWARE_ERROR);
        scripted_transport_expect(&fixture.scripted, "REQUEST SENSE");
}
END_TEST

START_TEST(paused_it_sends_what_recovers_alone) {
        ScsiCommand *recovering;

        set_up_table(good_after_a_while, N_ELEMENTS(good_after_a_while));
        start(1);
        scsi_processor_pause(fixture.processor);
        submit_ready(0);
        submit(prepare(0, 3 * NS_PER_S));
        recovering = prepare(0, TIMEOUT_NS);
        recovering->flags = SCSI_COMMAND_RECOVERY;
        scsi_command_start_stop(recovering, true, false, true);
        submit(recovering);
        scripted_transport_run_for(&fixture.scripted, 4 * NS_PER_S);
        expect_order("2 1");
        ck_assert_int_eq(fixture.commands[1].result, SCSI_RESULT_TIMED_OUT);
        ck_assert(scsi_processor_is_drained(fixture.processor));
        ck_assert(!scsi_processor_is_idle(fixture.processor));

        scsi_processor_resume(fixture.processor);
        finish();
        expect_order("2 1 0");
        scripted_transport_expect(&fixture.scripted, "START STOP UNIT, TEST UNIT READY");
}
END_TEST

static void on_done_pause(ScsiCommand *command) {
        scsi_processor_pause(fixture.processor);
        on_done(command);
}

START_TEST(whoever_is_told_of_an_error_can_pause_before_the_next_command) {
        static const ScriptedAnswer answers[] = {
                { SCRIPTED(0x00), .n_times = 1, .result = TRANSPORT_RESULT_ERROR },
                { SCRIPTED(0x00) },
        };

        set_up_table(answers, N_ELEMENTS(answers));
        start(1);
        submit_ready(0)->done = on_done_pause;
        submit_ready(0);
        scripted_transport_run_for(&fixture.scripted, NS_PER_S);
        scripted_transport_expect(&fixture.scripted, "TEST UNIT READY");
        scsi_processor_resume(fixture.processor);
        finish();
        ck_assert_int_eq(fixture.commands[0].result, SCSI_RESULT_TRANSPORT_ERROR);
        ck_assert_int_eq(fixture.commands[1].result, SCSI_RESULT_GOOD);
}
END_TEST

START_TEST(commands_are_cancelled_wherever_they_are) {
        static const ScriptedAnswer answers[] = {
                { SCRIPTED(0x00), .n_times = 1, .hangs = true },
                { SCRIPTED(0x00) },
        };

        set_up_table(answers, N_ELEMENTS(answers));
        start(1);
        submit_ready(0);
        submit_ready(0);
        submit_ready(0);
        fixture.is_submitting = true;
        scsi_target_cancel(fixture.target, &fixture.commands[1]);
        scsi_target_cancel(fixture.target, &fixture.commands[1]);
        scsi_target_cancel(fixture.target, &fixture.commands[0]);
        fixture.is_submitting = false;
        finish();
        ck_assert_int_eq(fixture.commands[0].result, SCSI_RESULT_CANCELLED);
        ck_assert(fixture.commands[0].was_sent);
        ck_assert_int_eq(fixture.commands[1].result, SCSI_RESULT_CANCELLED);
        ck_assert(!fixture.commands[1].was_sent);
        ck_assert_int_eq(fixture.commands[2].result, SCSI_RESULT_GOOD);
}
END_TEST

START_TEST(a_cancelled_command_gives_its_sense_up) {
        static const ScriptedAnswer answers[] = {
                { SCRIPTED(0x00), .result = TRANSPORT_RESULT_FAILED },
                { SCRIPTED(0x03), .hangs = true },
        };

        set_up_table(answers, N_ELEMENTS(answers));
        start(1);
        submit_ready(0);
        scripted_transport_run_for(&fixture.scripted, NS_PER_MS);
        ck_assert_int_eq(fixture.commands[0].state, SCSI_COMMAND_STATE_SENSING);
        scsi_target_cancel(fixture.target, &fixture.commands[0]);
        finish();
        ck_assert_int_eq(fixture.commands[0].result, SCSI_RESULT_CANCELLED);
}
END_TEST

/* In flight, in want of sense and asking for it; what is queued stays. */
START_TEST(what_is_at_the_transport_can_be_given_up) {
        static const ScriptedAnswer answers[] = {
                { SCRIPTED(0x00), .has_lun = true, .lun = 0, .hangs = true },
                { SCRIPTED(0x00), .has_lun = true, .lun = 1, .result = TRANSPORT_RESULT_FAILED },
                { SCRIPTED(0x00), .has_lun = true, .lun = 2, .result = TRANSPORT_RESULT_FAILED },
                { SCRIPTED(0x03), .hangs = true },
                { SCRIPTED(0x00) },
        };

        set_up_table(answers, N_ELEMENTS(answers));
        start(3);
        for (uint8_t i = 0; i < 3; i++)
                submit_ready(i);
        scsi_processor_pause(fixture.processor);
        submit_ready(3);
        scripted_transport_run_for(&fixture.scripted, NS_PER_MS);
        ck_assert_int_eq(fixture.commands[1].state, SCSI_COMMAND_STATE_SENSING);
        ck_assert_int_eq(fixture.commands[2].state, SCSI_COMMAND_STATE_AWAITING_SENSE);
        scsi_processor_give_up(fixture.processor);
        ck_assert_uint_eq(fixture.n_done, 0);
        scripted_transport_run_for(&fixture.scripted, NS_PER_MS);
        ck_assert_uint_eq(fixture.n_done, 3);
        for (size_t i = 0; i < 3; i++)
                ck_assert_int_eq(fixture.commands[i].result, SCSI_RESULT_TIMED_OUT);
        ck_assert(scsi_processor_is_drained(fixture.processor));
        scsi_processor_resume(fixture.processor);
        finish();
        ck_assert_int_eq(fixture.commands[3].result, SCSI_RESULT_GOOD);
}
END_TEST

START_TEST(everything_queued_can_be_failed) {
        set_up_table(good_after_a_while, N_ELEMENTS(good_after_a_while));
        start(1);
        for (uint8_t i = 0; i < 4; i++)
                submit_ready(i);
        scsi_processor_fail_all(fixture.processor, SCSI_RESULT_GONE);
        ck_assert_uint_eq(fixture.n_done, 0);
        finish();
        expect_order("1 2 3 0");
        ck_assert_int_eq(fixture.commands[0].result, SCSI_RESULT_GOOD);
        ck_assert_int_eq(fixture.commands[3].result, SCSI_RESULT_GONE);
}
END_TEST

START_TEST(a_refusing_transport_is_told_later) {
        static const int errors[] = { -ENODEV, -EINVAL, -EBUSY };
        static const ScsiResult results[] = { SCSI_RESULT_GONE, SCSI_RESULT_TRANSPORT_ERROR,
                                              SCSI_RESULT_TRANSPORT_ERROR };

        set_up_table(good_after_a_while, N_ELEMENTS(good_after_a_while));
        fixture.scripted.submit_error = errors[_i];
        fixture.scripted.failing_command = 1;
        start(1);
        submit_ready(0);
        submit_ready(0);
        ck_assert_uint_eq(fixture.n_done, 0);
        finish();
        ck_assert_int_eq(fixture.commands[0].result, results[_i]);
        ck_assert_int_eq(fixture.commands[1].result, SCSI_RESULT_GOOD);
}
END_TEST

static size_t n_busy, n_failed;

static void on_done_count(ScsiCommand *command) {
        n_busy += command->result == SCSI_RESULT_BUSY;
        n_failed += command->result == SCSI_RESULT_CANCELLED;
}

START_TEST(an_overfull_queue_says_busy) {
        size_t n = SCSI_PROCESSOR_QUEUE_MAX + 2;
        ScsiCommand *commands = calloc(n, sizeof(*commands));

        ck_assert_ptr_nonnull(commands);
        set_up_table(good_after_a_while, N_ELEMENTS(good_after_a_while));
        start(1);
        scsi_processor_pause(fixture.processor);
        for (size_t i = 0; i < n; i++) {
                scsi_command_init(&commands[i], 0, UINT64_MAX - 1);
                scsi_command_test_unit_ready(&commands[i]);
                commands[i].done = on_done_count;
                scsi_target_submit(fixture.target, &commands[i]);
        }
        scsi_processor_fail_all(fixture.processor, SCSI_RESULT_CANCELLED);
        finish();
        ck_assert_uint_eq(n_busy, 2);
        ck_assert_uint_eq(n_failed, SCSI_PROCESSOR_QUEUE_MAX);
        free(commands);
}
END_TEST

/* Each command is answered by the next one from within its own completion. */
static size_t n_left;

static void on_done_submit_next(ScsiCommand *command) {
        fixture.n_done++;
        if (n_left-- == 0)
                return;
        command->deadline_ns = event_loop_now_ns(fixture.target->loop) + TIMEOUT_NS;
        scsi_target_submit(fixture.target, command);
        fixture.n_commands++;
}

START_TEST(a_command_may_be_sent_again_from_its_own_completion) {
        ScsiCommand *command;

        set_up_table(good_after_a_while, N_ELEMENTS(good_after_a_while));
        start(1);
        n_left = 1000;
        command = prepare(0, TIMEOUT_NS);
        command->done = on_done_submit_next;
        scsi_target_submit(fixture.target, command);
        finish();
        ck_assert_uint_eq(fixture.n_done, 1001);
        ck_assert_uint_eq(fixture.scripted.n_commands, 1001);
}
END_TEST

static int await_main(Task *task, void *userdata) {
        ScsiCommand *command = userdata;

        return (int) scsi_target_await(fixture.target, task, command);
}

static void await_done(Task *task, int result, void *userdata) {
        fixture.n_done++;
        ck_assert_int_eq(result, (int) ((ScsiCommand *) userdata)->result);
}

START_TEST(a_cancelled_task_cancels_its_command) {
        static const ScriptedAnswer hanging[] = { { SCRIPTED(0x00), .hangs = true } };
        ScsiCommand *command;
        Task *task;

        set_up_table(hanging, N_ELEMENTS(hanging));
        start(1);
        command = prepare(0, TIMEOUT_NS);
        ck_assert_int_eq(task_start(&task, fixture.target->loop, "await", await_main, await_done,
                                    command),
                         0);
        scripted_transport_run_for(&fixture.scripted, NS_PER_S);
        ck_assert_uint_eq(fixture.n_done, 0);
        task_cancel(task);
        finish();
        ck_assert_int_eq(command->result, SCSI_RESULT_CANCELLED);
}
END_TEST

static void *get_nothing(Staging *staging, size_t size) { return NULL; }

static void put_nothing(Staging *staging, void *memory, size_t size) {
        ck_abort_msg("memory that nobody gave");
}

START_TEST(without_staging_memory_there_is_no_processor) {
        static const StagingOps empty_ops = { .get = get_nothing, .put = put_nothing };
        Staging empty = { .ops = &empty_ops };
        ScsiProcessor *processor = NULL;

        set_up_table(good_after_a_while, N_ELEMENTS(good_after_a_while));
        fixture.scripted.transport.staging = &empty;
        ck_assert_int_eq(scsi_processor_new(&processor, &fixture.scripted.transport, NULL),
                         -ENOMEM);
        ck_assert_ptr_null(processor);
        scripted_transport_done(&fixture.scripted);
}
END_TEST

int main(void) {
        Suite *suite = suite_create("scsi_processor");
        TCase *tcase = tcase_create("scsi_processor");

        tcase_add_test(tcase, commands_of_one_unit_keep_their_order);
        tcase_add_test(tcase, units_take_turns);
        tcase_add_test(tcase, a_slow_unit_leaves_room_for_others);
        tcase_add_test(tcase, a_full_queue_is_waited_for_while_others_are_in_it);
        tcase_add_test(tcase, the_transport_is_kept_full);
        tcase_add_test(tcase, a_command_past_its_deadline_is_not_sent);
        tcase_add_test(tcase, a_deadline_in_the_past_is_told_later);
        tcase_add_loop_test(tcase, sense_is_fetched_before_anything_else, 0,
                            N_ELEMENTS(sense_fetches));
        tcase_add_loop_test(tcase, what_a_device_must_not_see_is_answered_for_it, 0,
                            N_ELEMENTS(refusal_cases));
        tcase_add_loop_test(tcase, what_does_not_agree_with_the_table_is_not_sent, 0,
                            N_ELEMENTS(validation_cases));
        tcase_add_loop_test(tcase, without_validation_everything_is_sent, 0,
                            N_ELEMENTS(validation_cases));
        tcase_add_test(tcase, the_log_says_what_is_wrong_with_a_command);
        tcase_add_test(tcase, a_unit_that_is_asked_again_may_be_of_another_type);
        tcase_add_loop_test(tcase, serial_it_has_one_command_at_the_transport, 0, 2);
        tcase_add_loop_test(tcase, more_sense_is_asked_for_where_there_is_more_and_it_comes, 0,
                            N_ELEMENTS(length_cases));
        tcase_add_test(tcase, two_failures_at_once_are_asked_about_in_turn);
        tcase_add_test(tcase, what_comes_back_is_counted_by_unit_and_over_several_lives);
        tcase_add_test(tcase, a_failing_request_sense_is_not_asked_about);
        tcase_add_test(tcase, paused_it_sends_what_recovers_alone);
        tcase_add_test(tcase, whoever_is_told_of_an_error_can_pause_before_the_next_command);
        tcase_add_test(tcase, commands_are_cancelled_wherever_they_are);
        tcase_add_test(tcase, a_cancelled_command_gives_its_sense_up);
        tcase_add_test(tcase, what_is_at_the_transport_can_be_given_up);
        tcase_add_test(tcase, everything_queued_can_be_failed);
        tcase_add_loop_test(tcase, a_refusing_transport_is_told_later, 0, 3);
        tcase_add_test(tcase, an_overfull_queue_says_busy);
        tcase_add_test(tcase, a_command_may_be_sent_again_from_its_own_completion);
        tcase_add_test(tcase, a_cancelled_task_cancels_its_command);
        tcase_add_test(tcase, without_staging_memory_there_is_no_processor);
        suite_add_tcase(suite, tcase);
        return run_suite(suite);
}
