/* The error handler above the processor and a scripted transport: retries, the ladder, the breaker,
 * deadlines while a device hangs. */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "error/error_handler.h"
#include "scripted_transport.h"
#include "unit_test.h"

#define COMMANDS_MAX 64
#define TIMEOUT_NS (30 * NS_PER_S)
#define SWEEP_STEPS_MAX 64

#define READ_10 SCRIPTED(0x28)
#define WRITE_10 SCRIPTED(0x2A)
#define SYNC SCRIPTED(0x35)
#define TEST_UNIT_READY SCRIPTED(0x00)
#define START SCRIPTED(0x1B)

typedef struct Fixture {
        ScriptedTransport scripted;
        ScsiProcessor *processor;
        ErrorHandler *handler;
        ErrorHandlerOptions options;
        ScsiTarget *target;
        ScsiCommand commands[COMMANDS_MAX];
        size_t n_commands;
        size_t n_done;
        bool is_submitting;
        uint64_t late_ns; /* by how much a command missed its deadline at most */
        char events[256];
        size_t n_senses;
        size_t n_logged;
        char logged[256];
        size_t n_warned;
        char warned[256];
} Fixture;

static Fixture fixture;
static uint8_t data[4096];

static void on_log(const LogRecord *record, void *userdata) {
        if (record->level == LOG_LEVEL_WARNING) {
                fixture.n_warned++;
                snprintf(fixture.warned, sizeof(fixture.warned), "%s", record->message);
        }
        if (record->level != LOG_LEVEL_ERROR)
                return;
        fixture.n_logged++;
        snprintf(fixture.logged, sizeof(fixture.logged), "%s: %s", record->device, record->message);
}

static void on_event(ErrorHandler *handler, ErrorHandlerEvent event, uint8_t lun, void *userdata) {
        static const char *const names[_ERROR_HANDLER_EVENT_MAX] = {
                "reset", "medium", "modes", "changed", "sense", "failed", "gone",
        };
        size_t length = strlen(fixture.events);

        ck_assert_ptr_eq(handler, fixture.handler);
        if (event == ERROR_HANDLER_EVENT_SENSE) {
                fixture.n_senses++;
                return;
        }
        snprintf(fixture.events + length, sizeof(fixture.events) - length, "%s%s.%u",
                 length > 0 ? " " : "", names[event], lun);
}

static void set_up(const ScriptedAnswer *answers, size_t n_answers) {
        fixture = (Fixture){ 0 };
        log_set_sink(on_log, NULL);
        scripted_transport_init(&fixture.scripted, answers, n_answers);
}

static void start(void) {
        ck_assert_int_eq(scsi_processor_new(&fixture.processor, &fixture.scripted.transport, NULL),
                         0);
        ck_assert_int_eq(error_handler_new(&fixture.handler, fixture.processor,
                                           &fixture.scripted.transport, &fixture.options, on_event,
                                           NULL),
                         0);
        fixture.target = error_handler_get_target(fixture.handler);
}

static void start_table(const ScriptedAnswer *answers, size_t n_answers) {
        set_up(answers, n_answers);
        start();
}

static void run(void) {
        scripted_transport_run(&fixture.scripted);
        ck_assert_uint_eq(fixture.n_done, fixture.n_commands);
        ck_assert(error_handler_is_idle(fixture.handler));
        ck_assert(scsi_processor_is_idle(fixture.processor));
}

static void finish(void) {
        run();
        error_handler_free(fixture.handler);
        scsi_processor_free(fixture.processor);
        scripted_transport_done(&fixture.scripted);
}

static void on_done(ScsiCommand *command) {
        uint64_t now_ns = event_loop_now_ns(fixture.target->loop);

        ck_assert(!fixture.is_submitting);
        ck_assert_int_eq(command->state, SCSI_COMMAND_STATE_IDLE);
        if (now_ns > command->deadline_ns)
                fixture.late_ns = MAX(fixture.late_ns, now_ns - command->deadline_ns);
        fixture.n_done++;
}

static ScsiCommand *prepare(uint8_t lun, uint64_t timeout_ns) {
        ScsiCommand *command = &fixture.commands[fixture.n_commands++];

        ck_assert_uint_le(fixture.n_commands, COMMANDS_MAX);
        scsi_command_init(command, lun, event_loop_now_ns(fixture.target->loop) + timeout_ns);
        scsi_command_read(command, 0, 8, data, sizeof(data));
        command->done = on_done;
        return command;
}

static ScsiCommand *submit(ScsiCommand *command) {
        fixture.is_submitting = true;
        scsi_target_submit(fixture.target, command);
        fixture.is_submitting = false;
        return command;
}

static ScsiCommand *submit_read(uint8_t lun) { return submit(prepare(lun, TIMEOUT_NS)); }

static ScsiCommand *submit_write(uint8_t lun) {
        ScsiCommand *command = prepare(lun, TIMEOUT_NS);

        scsi_command_write(command, 0, 8, false, data, sizeof(data));
        return submit(command);
}

/* Retries by sense */

typedef struct RetryCase {
        const char *what;
        bool is_removable;
        ScsiCommandFlags flags;
        ScriptedAnswer answers[4];
        ScsiResult result;
        const char *trace;
        const char *events;
} RetryCase;

#define READ_SENSE "READ(10), REQUEST SENSE, "

static const RetryCase retry_cases[] = {
        { "good", .answers = { { READ_10 } }, .trace = "READ(10)", .events = "" },
        { "recovered", .answers = { { READ_10, .sense = 0x011700 } },
          .trace = "READ(10), REQUEST SENSE", .events = "" },
        { "an answer", .answers = { { READ_10, .sense = 0x052100 } },
          .result = SCSI_RESULT_CHECK_CONDITION, .trace = "READ(10), REQUEST SENSE", .events = "" },
        { "aborted once", .answers = { { READ_10, .n_times = 1, .sense = 0x0B4703 }, { READ_10 } },
          .trace = READ_SENSE "READ(10)", .events = "" },
        { "aborted always", .answers = { { READ_10, .sense = 0x0B4703 } },
          .result = SCSI_RESULT_CHECK_CONDITION,
          .trace = READ_SENSE READ_SENSE READ_SENSE READ_SENSE READ_SENSE "READ(10), REQUEST SENSE",
          .events = "" },
        { "aborted, but retries are not wanted", .flags = SCSI_COMMAND_NO_RETRY,
          .answers = { { READ_10, .sense = 0x0B4703 } }, .result = SCSI_RESULT_CHECK_CONDITION,
          .trace = "READ(10), REQUEST SENSE", .events = "" },
        { "the reset that came with the power",
          .answers = { { READ_10, .n_times = 1, .sense = 0x062900 }, { READ_10 } },
          .trace = READ_SENSE "READ(10)", .events = "" },
        { "a reset of its own",
          .answers = { { READ_10, .n_times = 2, .sense = 0x062900 }, { READ_10 } },
          .trace = READ_SENSE READ_SENSE "READ(10)", .events = "reset.0" },
        { "another medium", .is_removable = true, .answers = { { READ_10, .sense = 0x062800 } },
          .result = SCSI_RESULT_CHECK_CONDITION, .trace = "READ(10), REQUEST SENSE",
          .events = "medium.0" },
        { "another medium of a fixed disk",
          .answers = { { READ_10, .n_times = 1, .sense = 0x062800 }, { READ_10 } },
          .trace = READ_SENSE "READ(10)", .events = "" },
        { "another medium, while probing", .is_removable = true, .flags = SCSI_COMMAND_NO_RETRY,
          .answers = { { READ_10, .sense = 0x062800 } }, .result = SCSI_RESULT_CHECK_CONDITION,
          .trace = "READ(10), REQUEST SENSE", .events = "" },
        { "becoming ready",
          .answers = { { READ_10, .n_times = 3, .sense = 0x020401 }, { READ_10 } },
          .trace = READ_SENSE READ_SENSE READ_SENSE "READ(10)", .events = "" },
        { "asleep",
          .answers = { { READ_10, .n_times = 1, .sense = 0x020402 },
                       { START },
                       { READ_10, .n_times = 1, .sense = 0x020401 },
                       { READ_10 } },
          .trace = READ_SENSE "START STOP UNIT, " READ_SENSE "READ(10)", .events = "" },
        { "busy",
          .answers = { { READ_10, .n_times = 2, .result = TRANSPORT_RESULT_BUSY }, { READ_10 } },
          .trace = "READ(10), READ(10), READ(10)", .events = "" },
        { "reserved by another", .answers = { { READ_10, .result = TRANSPORT_RESULT_RESERVED } },
          .result = SCSI_RESULT_RESERVED, .trace = "READ(10)", .events = "" },
        { "broken for a moment",
          .answers = { { READ_10, .n_times = 2, .sense = 0x044400 }, { READ_10 } },
          .trace = READ_SENSE READ_SENSE "READ(10)", .events = "" },
        { "no memory for so much", .answers = { { READ_10, .result = TRANSPORT_RESULT_NO_MEMORY } },
          .result = SCSI_RESULT_NO_MEMORY, .trace = "READ(10)", .events = "" },
        { "short", .answers = { { READ_10, .n_times = 1, .data = data, .size = 512 }, { READ_10 } },
          .trace = "READ(10), READ(10)", .events = "" },
        { "short always", .answers = { { READ_10, .data = data, .size = 512 } },
          .trace = "READ(10), READ(10), READ(10), READ(10), READ(10), READ(10)", .events = "" },
        { "unplugged", .answers = { { READ_10, .result = TRANSPORT_RESULT_GONE } },
          .result = SCSI_RESULT_GONE, .trace = "READ(10)", .events = "gone.0" },
};

START_TEST(commands_are_tried_again_as_their_sense_wants) {
        const RetryCase *c = &retry_cases[_i];
        ScsiCommand *command;
        size_t n = 0;

        while (n < N_ELEMENTS(c->answers) && c->answers[n].command_size > 0)
                n++;
        set_up(c->answers, n);
        fixture.options.is_removable = c->is_removable;
        start();
        command = prepare(0, TIMEOUT_NS);
        command->flags = c->flags;
        submit(command);
        finish();
        ck_assert_msg(command->result == c->result, "%s: %s", c->what,
                      scsi_result_to_string(command->result));
        scripted_transport_expect(&fixture.scripted, c->trace);
        ck_assert_str_eq(fixture.events, c->events);
        ck_assert_uint_eq(fixture.late_ns, 0);
        ck_assert_uint_eq(fixture.n_logged, 0);
}
END_TEST

typedef struct EndlessCase {
        ScriptedAnswer answer;
        ScsiResult result;
        size_t n_commands_max;
} EndlessCase;

static const EndlessCase endless_cases[] = {
        { { READ_10, .sense = 0x020401 }, SCSI_RESULT_CHECK_CONDITION, 80 },
        { { READ_10, .sense = 0x020402 }, SCSI_RESULT_CHECK_CONDITION, 150 },
        { { READ_10, .sense = 0x062900 }, SCSI_RESULT_CHECK_CONDITION, 100 },
        { { READ_10, .result = TRANSPORT_RESULT_BUSY }, SCSI_RESULT_BUSY, 40 },
        /* Each try of it takes long: the deadline comes before the last try. */
        { { READ_10, .sense = 0x044400, .delay_ns = 9 * NS_PER_S }, SCSI_RESULT_TIMED_OUT, 12 },
        { { READ_10, .sense = 0x0B0000, .delay_ns = 9 * NS_PER_S }, SCSI_RESULT_TIMED_OUT, 12 },
};

START_TEST(no_excuse_outlives_the_deadline) {
        const EndlessCase *c = &endless_cases[_i];
        ScsiCommand *command;

        start_table(&c->answer, 1);
        command = submit_read(0);
        finish();
        ck_assert_int_eq(command->result, c->result);
        ck_assert_uint_eq(fixture.late_ns, 0);
        ck_assert_uint_lt(fixture.scripted.n_commands, c->n_commands_max);
}
END_TEST

typedef struct ReportCase {
        ScriptedAnswer answers[2];
        const char *warned; /* NULL: nothing is worth a line */
} ReportCase;

static const ReportCase report_cases[] = {
        { { { READ_10, .n_times = 2, .sense = 0x0B4703 }, { READ_10 } },
          "READ(10) to LUN 0: aborted command, information unit iuCRC error detected (47/03); it "
          "succeeded at try 3" },
        { { { READ_10, .sense = 0x044400 } },
          "READ(10) to LUN 0: hardware error, internal target failure (44/00); given up after 6 "
          "tries" },
        { { { READ_10, .sense = 0x031100 } },
          "READ(10) to LUN 0: medium error, unrecovered read error (11/00)" },
        { { { READ_10, .n_times = 1, .result = TRANSPORT_RESULT_BUSY }, { READ_10 } },
          "READ(10) to LUN 0: busy; it succeeded at try 2" },
        { { { READ_10, .n_times = 1, .data = data, .size = 512 }, { READ_10 } },
          "READ(10) to LUN 0: less data than was asked for; it succeeded at try 2" },
        { { { READ_10, .n_times = 1, .sense = 0x062900 }, { READ_10 } }, NULL },
        { { { READ_10, .n_times = 3, .sense = 0x020401 }, { READ_10 } }, NULL },
        { { { READ_10, .sense = 0x052100 } }, NULL },
        { { { READ_10 } }, NULL },
};

START_TEST(what_came_of_a_failure_is_told_once_and_in_words) {
        const ReportCase *c = &report_cases[_i];

        start_table(c->answers, c->answers[1].command_size > 0 ? 2 : 1);
        submit_read(0);
        finish();
        ck_assert_uint_eq(fixture.n_warned, c->warned ? 1 : 0);
        if (c->warned)
                ck_assert_str_eq(fixture.warned, c->warned);
        ck_assert_uint_eq(fixture.n_logged, 0);
}
END_TEST

/* Recovery */

typedef struct LadderCase {
        const char *what;
        bool is_write;
        TransportResult failure;
        TransportRecovery healed_by; /* _MAX: by nothing */
        ScsiResult result;
        const char *trace;
        const char *events;
        const char *logged;
} LadderCase;

#define PROBE ", TEST UNIT READY, "

static const LadderCase ladder_cases[] = {
        { "a glitch", false, TRANSPORT_RESULT_ERROR, TRANSPORT_RECOVERY_CLEAR_HALTS,
          SCSI_RESULT_GOOD, "READ(10), clear halts" PROBE "READ(10)", "reset.0",
          "scripted: READ(10) to LUN 0 was not answered properly: recovered by clear halts after "
          "10 ms" },
        { "out of step", false, TRANSPORT_RESULT_ERROR, TRANSPORT_RECOVERY_CLASS_RESET,
          SCSI_RESULT_GOOD, "READ(10), clear halts" PROBE "class reset" PROBE "READ(10)", "reset.0",
          "scripted: READ(10) to LUN 0 was not answered properly: recovered by class reset after "
          "20 ms" },
        { "out of step while writing", true, TRANSPORT_RESULT_ERROR, TRANSPORT_RECOVERY_CLASS_RESET,
          SCSI_RESULT_GOOD, "WRITE(10), class reset" PROBE "WRITE(10)", "reset.0",
          "scripted: WRITE(10) to LUN 0 was not answered properly: recovered by class reset after "
          "10 ms" },
        { "confused", false, TRANSPORT_RESULT_ERROR, TRANSPORT_RECOVERY_PORT_RESET,
          SCSI_RESULT_GOOD,
          "READ(10), clear halts" PROBE "class reset" PROBE "port reset" PROBE "READ(10)",
          "reset.0",
          "scripted: READ(10) to LUN 0 was not answered properly: recovered by port reset after "
          "30 ms" },
        { "dead", false, TRANSPORT_RESULT_ERROR, _TRANSPORT_RECOVERY_MAX,
          SCSI_RESULT_TRANSPORT_ERROR,
          "READ(10), clear halts" PROBE "class reset" PROBE "port reset" PROBE "port reset" PROBE
          "port reset, TEST UNIT READY",
          "failed.0",
          "scripted: READ(10) to LUN 0 was not answered properly, and not even a port reset "
          "helped: giving the device up" },
        { "silent", false, TRANSPORT_RESULT_TIMED_OUT, TRANSPORT_RECOVERY_CLASS_RESET,
          SCSI_RESULT_GOOD, "READ(10), class reset" PROBE "READ(10)", "reset.0",
          "scripted: READ(10) to LUN 0 was not answered in time: recovered by class reset after "
          "10 ms" },
        { "silent until the port is reset", false, TRANSPORT_RESULT_TIMED_OUT,
          TRANSPORT_RECOVERY_PORT_RESET, SCSI_RESULT_GOOD,
          "READ(10), class reset" PROBE "port reset" PROBE "READ(10)", "reset.0",
          "scripted: READ(10) to LUN 0 was not answered in time: recovered by port reset after "
          "3020 ms" },
};

static const ScriptedAnswer good[] = {
        { READ_10 }, { WRITE_10 }, { TEST_UNIT_READY }, { START }, { SYNC },
};

START_TEST(the_ladder_is_climbed_until_it_helps) {
        const LadderCase *c = &ladder_cases[_i];
        const ScsiCommand *command;

        start_table(good, N_ELEMENTS(good));
        fixture.scripted.failing_command = 1;
        fixture.scripted.fails_for_ever = true;
        fixture.scripted.failure = c->failure;
        if (c->healed_by < _TRANSPORT_RECOVERY_MAX)
                fixture.scripted.is_healed_by[c->healed_by] = true;
        command = c->is_write ? submit_write(0) : submit_read(0);
        finish();
        ck_assert_msg(command->result == c->result, "%s: %s", c->what,
                      scsi_result_to_string(command->result));
        scripted_transport_expect(&fixture.scripted, c->trace);
        ck_assert_str_eq(fixture.events, c->events);
        ck_assert_uint_eq(fixture.n_logged, 1);
        ck_assert_str_eq(fixture.logged, c->logged);
        ck_assert_uint_eq(fixture.late_ns, 0);
}
END_TEST

/* Once it was told to start there is nothing to wait for but its own word that it is not ready. One that
 * goes on to ask for a start is given time. */
START_TEST(a_device_that_is_awake_at_once_costs_no_delay) {
        static const ScriptedAnswer prompt[] = { { READ_10, .n_times = 1, .sense = 0x020402 },
                                                 { START },
                                                 { READ_10 } };
        static const ScriptedAnswer slow[] = { { READ_10, .n_times = 3, .sense = 0x020402 },
                                               { START },
                                               { READ_10 } };

        start_table(prompt, N_ELEMENTS(prompt));
        submit_read(0);
        scripted_transport_run_for(&fixture.scripted, 10 * NS_PER_MS);
        ck_assert_int_eq(fixture.commands[0].result, SCSI_RESULT_GOOD);
        finish();
        scripted_transport_expect(&fixture.scripted, READ_SENSE "START STOP UNIT, READ(10)");

        start_table(slow, N_ELEMENTS(slow));
        submit_read(0);
        scripted_transport_run_for(&fixture.scripted, 1900 * NS_PER_MS);
        ck_assert_uint_eq(fixture.n_done, 0);
        finish();
        ck_assert_int_eq(fixture.commands[0].result, SCSI_RESULT_GOOD);
}
END_TEST

START_TEST(a_flush_is_not_cut_short) {
        static const ScriptedAnswer answers[] = {
                { SYNC, .delay_ns = 29 * NS_PER_S },
                { READ_10, .n_times = 1, .hangs = true },
                { READ_10 },
                { TEST_UNIT_READY },
        };
        ScsiCommand *flush;

        start_table(answers, N_ELEMENTS(answers));
        flush = prepare(0, TIMEOUT_NS);
        scsi_command_synchronize_cache(flush);
        submit(flush);
        run();
        ck_assert_int_eq(flush->result, SCSI_RESULT_GOOD);
        scripted_transport_expect(&fixture.scripted, "SYNCHRONIZE CACHE(10)");
        submit_read(0);
        finish();
        ck_assert_int_eq(fixture.commands[1].result, SCSI_RESULT_GOOD);
        scripted_transport_expect(&fixture.scripted, "READ(10), class reset" PROBE "READ(10)");
}
END_TEST

START_TEST(commands_wait_for_the_end_of_a_recovery) {
        start_table(good, N_ELEMENTS(good));
        fixture.scripted.failing_command = 1;
        fixture.scripted.failure = TRANSPORT_RESULT_ERROR;
        submit_read(0);
        submit_read(1);
        scripted_transport_run_for(&fixture.scripted, 5 * NS_PER_MS);
        ck_assert_int_eq(error_handler_get_state(fixture.handler), ERROR_HANDLER_STATE_RECOVERING);
        submit_read(2);
        finish();
        for (size_t i = 0; i < 3; i++)
                ck_assert_int_eq(fixture.commands[i].result, SCSI_RESULT_GOOD);
        scripted_transport_expect(&fixture.scripted, "READ(10), clear halts, TEST UNIT READY, "
                                                     "READ(10).1, READ(10).2, READ(10)");
}
END_TEST

START_TEST(a_reset_that_was_asked_for_makes_commands_wait) {
        start_table(good, N_ELEMENTS(good));
        submit_read(0);
        ck_assert_int_eq(error_handler_reset(fixture.handler, 1, TRANSPORT_RECOVERY_PORT_RESET), 0);
        ck_assert_int_eq(error_handler_reset(fixture.handler, 1, TRANSPORT_RECOVERY_PORT_RESET),
                         -EAGAIN);
        submit_read(2);
        finish();
        ck_assert_int_eq(fixture.commands[0].result, SCSI_RESULT_GOOD);
        ck_assert_int_eq(fixture.commands[1].result, SCSI_RESULT_GOOD);
        ck_assert_str_eq(fixture.events, "reset.1");
        scripted_transport_expect(&fixture.scripted,
                                  "READ(10), port reset.1, TEST UNIT READY.1, READ(10).2");
}
END_TEST

START_TEST(what_has_gone_is_not_reset) {
        start_table(good, N_ELEMENTS(good));
        error_handler_set_gone(fixture.handler);
        ck_assert_int_eq(error_handler_reset(fixture.handler, 0, TRANSPORT_RECOVERY_CLASS_RESET),
                         -ENODEV);
        finish();
}
END_TEST

START_TEST(the_last_sense_of_a_lun_is_known_and_told_when_it_is_another) {
        static const ScriptedAnswer answers[] = {
                { READ_10, .n_times = 2, .sense = 0x031100 },
                { READ_10, .n_times = 1, .sense = 0x052100 },
                { READ_10, .n_times = 1, .sense = 0x052000 },
        };

        start_table(answers, N_ELEMENTS(answers));
        ck_assert_ptr_null(error_handler_get_last_sense(fixture.handler, 0));
        for (unsigned i = 0; i < 3; i++) {
                submit_read(0);
                run();
        }
        /* The same twice is no news. */
        ck_assert_uint_eq(fixture.n_senses, 2);
        ck_assert_uint_eq(error_handler_get_last_sense(fixture.handler, 0)->asc, 0x21);
        ck_assert_ptr_null(error_handler_get_last_sense(fixture.handler, 1));
        /* Nor is what a probe was refused. */
        prepare(0, TIMEOUT_NS)->flags = SCSI_COMMAND_NO_RETRY;
        submit(&fixture.commands[3]);
        run();
        ck_assert_uint_eq(error_handler_get_last_sense(fixture.handler, 0)->asc, 0x21);
        finish();
}
END_TEST

START_TEST(the_sense_comes_as_it_was_sent_where_that_is_wanted) {
        static const ScriptedAnswer answers[] = { { READ_10, .sense = 0x052100 } };
        uint8_t raw[TRANSPORT_SENSE_SIZE_MAX];
        ScsiCommand *command;

        start_table(answers, N_ELEMENTS(answers));
        command = prepare(0, TIMEOUT_NS);
        command->raw_sense = raw;
        submit(command);
        finish();
        ck_assert_uint_ge(command->raw_sense_size, 14);
        ck_assert_uint_eq(raw[2] & 0x0F, 5);
        ck_assert_uint_eq(raw[12], 0x21);
}
END_TEST

START_TEST(deadlines_run_on_while_a_recovery_hangs) {
        set_up(good, N_ELEMENTS(good));
        fixture.scripted.failing_command = 1;
        fixture.scripted.failure = TRANSPORT_RESULT_ERROR;
        fixture.scripted.recover_ns = 100 * NS_PER_S;
        start();
        submit_read(0);
        submit(prepare(1, 5 * NS_PER_S));
        scripted_transport_run_for(&fixture.scripted, NS_PER_S);
        submit(prepare(0, 3 * NS_PER_S));
        scripted_transport_run_for(&fixture.scripted, 30 * NS_PER_S);
        ck_assert_uint_eq(fixture.n_done, 3);
        ck_assert_int_eq(error_handler_get_state(fixture.handler), ERROR_HANDLER_STATE_RECOVERING);
        finish();
        for (size_t i = 0; i < 3; i++)
                ck_assert_int_eq(fixture.commands[i].result, SCSI_RESULT_TIMED_OUT);
        ck_assert_uint_eq(fixture.late_ns, 0);
        ck_assert_uint_eq(fixture.n_logged, 1);
}
END_TEST

START_TEST(what_was_never_sent_calls_for_no_recovery) {
        static const ScriptedAnswer slow[] = { { READ_10, .delay_ns = 5 * NS_PER_S } };

        start_table(slow, N_ELEMENTS(slow));
        submit_read(0);
        submit(prepare(0, NS_PER_S));
        finish();
        ck_assert_int_eq(fixture.commands[0].result, SCSI_RESULT_GOOD);
        ck_assert_int_eq(fixture.commands[1].result, SCSI_RESULT_TIMED_OUT);
        scripted_transport_expect(&fixture.scripted, "READ(10)");
}
END_TEST

START_TEST(a_probing_command_is_told_at_once_but_the_device_is_recovered) {
        ScsiCommand *command;

        start_table(good, N_ELEMENTS(good));
        fixture.scripted.failing_command = 1;
        fixture.scripted.failure = TRANSPORT_RESULT_ERROR;
        command = prepare(0, TIMEOUT_NS);
        command->flags = SCSI_COMMAND_NO_RETRY;
        submit(command);
        finish();
        ck_assert_int_eq(command->result, SCSI_RESULT_TRANSPORT_ERROR);
        scripted_transport_expect(&fixture.scripted, "READ(10), clear halts, TEST UNIT READY");
}
END_TEST

START_TEST(a_recovery_that_does_not_last_climbs_higher) {
        static const ScriptedAnswer answers[] = {
                { READ_10, .n_times = 3, .result = TRANSPORT_RESULT_ERROR },
                { READ_10 },
                { TEST_UNIT_READY },
        };
        const ErrorHandlerStatistics *statistics;

        start_table(answers, N_ELEMENTS(answers));
        submit_read(0);
        run();
        scripted_transport_expect(&fixture.scripted,
                                  "READ(10), clear halts" PROBE "READ(10), class reset" PROBE
                                  "READ(10), port reset" PROBE "READ(10)");
        ck_assert_int_eq(fixture.commands[0].result, SCSI_RESULT_GOOD);
        statistics = error_handler_get_statistics(fixture.handler);
        ck_assert_uint_eq(statistics->n_recoveries[TRANSPORT_RECOVERY_PORT_RESET], 1);
        for (unsigned step = 0; step < _TRANSPORT_RECOVERY_MAX; step++)
                ck_assert_uint_eq(statistics->n_steps[step],
                                  step == TRANSPORT_RECOVERY_LUN_RESET ? 0 : 1);
        ck_assert_uint_eq(statistics->n_retries, 3);
        ck_assert_uint_eq(statistics->n_lun_retries[0], 3);
        ck_assert_uint_eq(statistics->n_lun_retries[1], 0);
        finish();
}
END_TEST

START_TEST(a_command_that_always_breaks_the_transport_is_given_up) {
        static const ScriptedAnswer answers[] = {
                { READ_10, .result = TRANSPORT_RESULT_ERROR },
                { WRITE_10 },
                { TEST_UNIT_READY },
        };

        start_table(answers, N_ELEMENTS(answers));
        submit_read(0);
        submit_write(0);
        finish();
        ck_assert_int_eq(fixture.commands[0].result, SCSI_RESULT_TRANSPORT_ERROR);
        ck_assert_int_eq(fixture.commands[1].result, SCSI_RESULT_GOOD);
        ck_assert_str_eq(fixture.events, "reset.0 reset.0 reset.0 reset.0 reset.0 reset.0");
}
END_TEST

START_TEST(the_breaker_ends_resets_that_do_not_last) {
        static const ScriptedAnswer answers[] = {
                { READ_10, .result = TRANSPORT_RESULT_ERROR },
                { TEST_UNIT_READY },
        };

        set_up(answers, N_ELEMENTS(answers));
        fixture.options.n_resets_per_minute_max = 3;
        start();
        submit_read(0);
        submit_read(1);
        run();
        ck_assert_int_eq(error_handler_get_state(fixture.handler), ERROR_HANDLER_STATE_FAILED);
        ck_assert_int_eq(fixture.commands[0].result, SCSI_RESULT_TRANSPORT_ERROR);
        ck_assert_int_eq(fixture.commands[1].result, SCSI_RESULT_TRANSPORT_ERROR);
        ck_assert_ptr_nonnull(strstr(fixture.events, "failed.0"));
        ck_assert_str_eq(fixture.logged, "scripted: READ(10) to LUN 0 was not answered properly, "
                                         "and too many resets have not helped for long: giving the "
                                         "device up");

        /* From now on nothing reaches the device, and nobody waits. */
        fixture.scripted.trace[0] = '\0';
        submit_read(0);
        finish();
        ck_assert_int_eq(fixture.commands[2].result, SCSI_RESULT_TRANSPORT_ERROR);
        scripted_transport_expect(&fixture.scripted, "");
}
END_TEST

START_TEST(unit_attention_eaten_by_the_probe_is_not_lost) {
        static const ScriptedAnswer answers[] = {
                { READ_10, .n_times = 1, .result = TRANSPORT_RESULT_ERROR },
                { TEST_UNIT_READY, .n_times = 1, .sense = 0x062800 },
                { READ_10 },
        };

        set_up(answers, N_ELEMENTS(answers));
        fixture.options.is_removable = true;
        start();
        submit_read(3);
        finish();
        ck_assert_str_eq(fixture.events, "reset.3 medium.3");
        ck_assert_int_eq(fixture.commands[0].result, SCSI_RESULT_GOOD);
}
END_TEST

/* Each of these resets loses the device's cache. */
START_TEST(a_reset_after_a_known_one_is_news) {
        static const ScriptedAnswer told_to_the_probe[] = {
                { READ_10, .n_times = 1, .result = TRANSPORT_RESULT_ERROR },
                { TEST_UNIT_READY, .n_times = 1, .sense = 0x062900 },
                { READ_10, .n_times = 1, .sense = 0x062900 },
                { READ_10 },
        };
        static const ScriptedAnswer never_told_at_first[] = {
                { READ_10, .n_times = 1 },
                { READ_10, .n_times = 1, .sense = 0x062900 },
                { READ_10 },
        };

        start_table(told_to_the_probe, N_ELEMENTS(told_to_the_probe));
        submit_read(0);
        finish();
        ck_assert_str_eq(fixture.events, "reset.0 reset.0");

        start_table(never_told_at_first, N_ELEMENTS(never_told_at_first));
        submit_read(0);
        run();
        submit_read(0);
        finish();
        ck_assert_str_eq(fixture.events, "reset.0");
}
END_TEST

START_TEST(each_unit_is_removable_or_not) {
        static const ScriptedAnswer answers[] = {
                { READ_10, .has_lun = true, .lun = 1, .n_times = 1, .sense = 0x062800 },
                { READ_10, .has_lun = true, .lun = 2, .n_times = 1, .sense = 0x062800 },
                { READ_10 },
        };

        set_up(answers, N_ELEMENTS(answers));
        fixture.options.is_removable = true;
        start();
        error_handler_set_removable(fixture.handler, 1, false);
        submit_read(1);
        submit_read(2);
        finish();
        ck_assert_int_eq(fixture.commands[0].result, SCSI_RESULT_GOOD);
        ck_assert_int_eq(fixture.commands[1].result, SCSI_RESULT_CHECK_CONDITION);
        ck_assert_str_eq(fixture.events, "medium.2");
}
END_TEST

START_TEST(a_cancelled_command_leaves_the_device_in_step) {
        static const ScriptedAnswer answers[] = {
                { READ_10, .n_times = 1, .hangs = true },
                { READ_10 },
                { TEST_UNIT_READY },
        };

        start_table(answers, N_ELEMENTS(answers));
        submit_read(0);
        submit_read(0);
        scripted_transport_run_for(&fixture.scripted, NS_PER_S);
        scsi_target_cancel(fixture.target, &fixture.commands[0]);
        finish();
        ck_assert_int_eq(fixture.commands[0].result, SCSI_RESULT_CANCELLED);
        ck_assert_int_eq(fixture.commands[1].result, SCSI_RESULT_GOOD);
        scripted_transport_expect(&fixture.scripted,
                                  "READ(10), class reset, TEST UNIT READY, READ(10)");
}
END_TEST

START_TEST(a_command_that_waits_to_be_tried_again_can_be_cancelled) {
        static const ScriptedAnswer answers[] = { { READ_10, .sense = 0x020401 } };

        start_table(answers, N_ELEMENTS(answers));
        submit_read(0);
        scripted_transport_run_for(&fixture.scripted, 50 * NS_PER_MS);
        ck_assert_int_eq(fixture.commands[0].state, SCSI_COMMAND_STATE_WAITING);
        fixture.is_submitting = true;
        scsi_target_cancel(fixture.target, &fixture.commands[0]);
        fixture.is_submitting = false;
        finish();
        ck_assert_int_eq(fixture.commands[0].result, SCSI_RESULT_CANCELLED);
        scripted_transport_expect(&fixture.scripted, "READ(10), REQUEST SENSE");
}
END_TEST

/* SPC-4, "Sense data": a UNIT ATTENTION is told once, and may have been in what could not be read. */
START_TEST(a_failure_that_nobody_can_explain_may_have_been_a_reset) {
        static const ScriptedAnswer answers[] = {
                { READ_10, .n_times = 1, .result = TRANSPORT_RESULT_FAILED },
                { READ_10 },
        };
        unsigned n_resets;

        start_table(answers, N_ELEMENTS(answers));
        n_resets = fixture.target->n_resets;
        submit_read(1);
        run();
        ck_assert_uint_eq(fixture.target->n_resets, n_resets + 1);
        finish();
        ck_assert_int_eq(fixture.commands[0].result, SCSI_RESULT_GOOD);
        ck_assert_str_eq(fixture.events, "reset.1");
}
END_TEST

START_TEST(a_deferred_error_fails_the_next_flush) {
        static const ScriptedAnswer answers[] = {
                { READ_10, .n_times = 1, .sense = 0x030C00, .is_deferred = true },
                { READ_10 },
                { SYNC },
        };
        ScsiCommand *flushes[3];

        start_table(answers, N_ELEMENTS(answers));
        submit_read(1);
        run();
        ck_assert_int_eq(fixture.commands[0].result, SCSI_RESULT_GOOD);
        for (size_t i = 0; i < N_ELEMENTS(flushes); i++) {
                flushes[i] = prepare(i > 0 ? 1 : 0, TIMEOUT_NS);
                scsi_command_synchronize_cache(flushes[i]);
                submit(flushes[i]);
        }
        finish();
        ck_assert_int_eq(flushes[0]->result, SCSI_RESULT_GOOD);
        ck_assert_int_eq(flushes[1]->result, SCSI_RESULT_CHECK_CONDITION);
        ck_assert_int_eq(flushes[1]->sense.key, SCSI_SENSE_KEY_MEDIUM_ERROR);
        ck_assert_int_eq(flushes[2]->result, SCSI_RESULT_GOOD);
        ck_assert(fixture.commands[0].saw_deferred);
        /* What else it had not synchronised is lost as after a reset. */
        ck_assert_str_eq(fixture.events, "reset.1");
        ck_assert_uint_eq(fixture.n_logged, 1);
        ck_assert_str_eq(fixture.logged,
                         "scripted: READ(10) to LUN 1: deferred medium error, write error (0c/00); "
                         "a write that the device had acknowledged is lost");
}
END_TEST

START_TEST(a_deferred_error_is_not_lost_with_a_flush_that_the_device_does_not_know) {
        static const ScriptedAnswer answers[] = {
                { READ_10, .n_times = 1, .sense = 0x030C00, .is_deferred = true },
                { READ_10 },
                { SYNC, .sense = 0x052000 },
        };
        ScsiCommand *flush;

        start_table(answers, N_ELEMENTS(answers));
        submit_read(0);
        run();
        for (unsigned i = 0; i < 2; i++) {
                flush = prepare(0, TIMEOUT_NS);
                scsi_command_synchronize_cache(flush);
                submit(flush);
                run();
                ck_assert_int_eq(flush->result, SCSI_RESULT_CHECK_CONDITION);
                ck_assert_int_eq(flush->sense.key, i == 0 ? SCSI_SENSE_KEY_MEDIUM_ERROR
                                                          : SCSI_SENSE_KEY_ILLEGAL_REQUEST);
        }
        finish();
}
END_TEST

/* Unplugging */

/* A device with something of everything going on: retries, waking, a recovery, waiting commands. */
static const ScriptedAnswer busy_device[] = {
        { READ_10, .n_times = 1, .sense = 0x020402, .delay_ns = NS_PER_MS },
        { START, .n_times = 1, .result = TRANSPORT_RESULT_ERROR, .delay_ns = NS_PER_MS },
        { TEST_UNIT_READY, .n_times = 2, .result = TRANSPORT_RESULT_ERROR, .delay_ns = NS_PER_MS },
        { TEST_UNIT_READY, .delay_ns = NS_PER_MS },
        { READ_10, .has_lun = true, .lun = 1, .n_times = 2, .sense = 0x020401 },
        { READ_10, .delay_ns = NS_PER_MS },
};

static void check_all_ended(ScsiResult unless_good) {
        for (size_t i = 0; i < fixture.n_commands; i++)
                ck_assert_msg(fixture.commands[i].result == SCSI_RESULT_GOOD ||
                                              fixture.commands[i].result == unless_good,
                              "%zu: %s", i, scsi_result_to_string(fixture.commands[i].result));
}

START_TEST(it_may_be_unplugged_at_any_moment) {
        size_t n;

        for (n = 0; n < 4096; n++) {
                bool was_idle;

                start_table(busy_device, N_ELEMENTS(busy_device));
                for (uint8_t i = 0; i < 4; i++)
                        submit_read(i % 2);
                for (size_t i = 0; i < n; i++)
                        scripted_transport_run_for(&fixture.scripted, 500 * NS_PER_US);
                was_idle = error_handler_is_idle(fixture.handler);
                error_handler_set_gone(fixture.handler);
                error_handler_set_gone(fixture.handler);
                submit_read(0);
                finish();
                check_all_ended(SCSI_RESULT_GONE);
                ck_assert_int_eq(fixture.commands[4].result, SCSI_RESULT_GONE);
                ck_assert_ptr_nonnull(strstr(fixture.events, "gone.0"));
                if (was_idle)
                        break;
        }
        ck_assert_uint_gt(n, 20);
        ck_assert_uint_lt(n, 4096);
}
END_TEST

typedef struct SweepCase {
        TransportResult failure;
        bool fails_for_ever;
} SweepCase;

static const SweepCase sweep_cases[] = {
        { TRANSPORT_RESULT_GONE, false },      { TRANSPORT_RESULT_GONE, true },
        { TRANSPORT_RESULT_ERROR, false },     { TRANSPORT_RESULT_ERROR, true },
        { TRANSPORT_RESULT_TIMED_OUT, false }, { TRANSPORT_RESULT_TIMED_OUT, true },
        { TRANSPORT_RESULT_FAILED, false },    { TRANSPORT_RESULT_FAILED, true },
        { TRANSPORT_RESULT_BUSY, true },       { TRANSPORT_RESULT_CANCELLED, false },
};

START_TEST(each_step_may_fail) {
        const SweepCase *c = &sweep_cases[_i];
        size_t n;

        for (n = 1; n < SWEEP_STEPS_MAX; n++) {
                size_t n_commands;

                start_table(busy_device, N_ELEMENTS(busy_device));
                fixture.scripted.failing_command = n;
                fixture.scripted.fails_for_ever = c->fails_for_ever;
                fixture.scripted.failure = c->failure;
                for (uint8_t i = 0; i < 4; i++)
                        submit_read(i % 2);
                finish();
                n_commands = fixture.scripted.n_commands;
                ck_assert_uint_eq(fixture.late_ns, 0);
                if (c->failure == TRANSPORT_RESULT_GONE && n_commands >= n)
                        check_all_ended(SCSI_RESULT_GONE);
                if (n_commands < n)
                        break;
        }
        ck_assert_uint_gt(n, 10);
        ck_assert_uint_lt(n, SWEEP_STEPS_MAX);
}
END_TEST

START_TEST(a_device_that_comes_back_as_another_is_gone) {
        start_table(good, N_ELEMENTS(good));
        fixture.scripted.failing_command = 1;
        fixture.scripted.failure = TRANSPORT_RESULT_ERROR;
        fixture.scripted.recover_errors[TRANSPORT_RECOVERY_CLEAR_HALTS] = -EIO;
        fixture.scripted.recover_errors[TRANSPORT_RECOVERY_CLASS_RESET] = -EIO;
        fixture.scripted.recover_errors[TRANSPORT_RECOVERY_PORT_RESET] = -ENODEV;
        submit_read(0);
        submit_read(1);
        finish();
        ck_assert_int_eq(fixture.commands[0].result, SCSI_RESULT_GONE);
        ck_assert_int_eq(fixture.commands[1].result, SCSI_RESULT_GONE);
        scripted_transport_expect(&fixture.scripted,
                                  "READ(10), clear halts, class reset, port reset");
        ck_assert_str_eq(fixture.events, "gone.0");
}
END_TEST

int main(void) {
        Suite *suite = suite_create("error_handler");
        TCase *tcase = tcase_create("error_handler");

        tcase_set_timeout(tcase, 60);
        tcase_add_loop_test(tcase, commands_are_tried_again_as_their_sense_wants, 0,
                            N_ELEMENTS(retry_cases));
        tcase_add_loop_test(tcase, no_excuse_outlives_the_deadline, 0, N_ELEMENTS(endless_cases));
        tcase_add_loop_test(tcase, what_came_of_a_failure_is_told_once_and_in_words, 0,
                            N_ELEMENTS(report_cases));
        tcase_add_loop_test(tcase, the_ladder_is_climbed_until_it_helps, 0,
                            N_ELEMENTS(ladder_cases));
        tcase_add_test(tcase, a_device_that_is_awake_at_once_costs_no_delay);
        tcase_add_test(tcase, a_flush_is_not_cut_short);
        tcase_add_test(tcase, commands_wait_for_the_end_of_a_recovery);
        tcase_add_test(tcase, a_reset_that_was_asked_for_makes_commands_wait);
        tcase_add_test(tcase, what_has_gone_is_not_reset);
        tcase_add_test(tcase, the_last_sense_of_a_lun_is_known_and_told_when_it_is_another);
        tcase_add_test(tcase, the_sense_comes_as_it_was_sent_where_that_is_wanted);
        tcase_add_test(tcase, deadlines_run_on_while_a_recovery_hangs);
        tcase_add_test(tcase, what_was_never_sent_calls_for_no_recovery);
        tcase_add_test(tcase, a_probing_command_is_told_at_once_but_the_device_is_recovered);
        tcase_add_test(tcase, a_recovery_that_does_not_last_climbs_higher);
        tcase_add_test(tcase, a_command_that_always_breaks_the_transport_is_given_up);
        tcase_add_test(tcase, the_breaker_ends_resets_that_do_not_last);
        tcase_add_test(tcase, unit_attention_eaten_by_the_probe_is_not_lost);
        tcase_add_test(tcase, a_reset_after_a_known_one_is_news);
        tcase_add_test(tcase, each_unit_is_removable_or_not);
        tcase_add_test(tcase, a_cancelled_command_leaves_the_device_in_step);
        tcase_add_test(tcase, a_command_that_waits_to_be_tried_again_can_be_cancelled);
        tcase_add_test(tcase, a_failure_that_nobody_can_explain_may_have_been_a_reset);
        tcase_add_test(tcase, a_deferred_error_fails_the_next_flush);
        tcase_add_test(tcase,
                       a_deferred_error_is_not_lost_with_a_flush_that_the_device_does_not_know);
        tcase_add_test(tcase, it_may_be_unplugged_at_any_moment);
        tcase_add_loop_test(tcase, each_step_may_fail, 0, N_ELEMENTS(sweep_cases));
        tcase_add_test(tcase, a_device_that_comes_back_as_another_is_gone);
        suite_add_tcase(suite, tcase);
        return run_suite(suite);
}
