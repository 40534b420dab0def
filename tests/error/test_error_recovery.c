/* The ladder with another transport at its end: when it is changed for that, and what becomes of who
 * waits. */

#include <errno.h>
#include <string.h>

#include "error/error_handler.h"
#include "scripted_transport.h"
#include "unit_test.h"

#define COMMANDS_MAX 16
#define TIMEOUT_NS (30 * NS_PER_S)
#define MINUTE_NS (60 * NS_PER_S)

#define READ_10 SCRIPTED(0x28)
#define SYNC SCRIPTED(0x35)
#define TEST_UNIT_READY SCRIPTED(0x00)

#define PROBE ", TEST UNIT READY, "

/* What is first, as UAS, and what is there in its place, as Bulk-Only. */
typedef struct Fixture {
        ScriptedTransport first, other;
        int change_error; /* what the change of them returns */
        const char *why;
        ScsiProcessor *processor;
        ErrorHandler *handler;
        ScsiTarget *target;
        ScsiCommand commands[COMMANDS_MAX];
        size_t n_commands;
        size_t n_done;
        uint64_t last_done_ns;
        char events[128];
} Fixture;

static Fixture fixture;
static uint8_t data[4096];

static int change_transport(Task *task, const char *why, Transport **ret, void *userdata) {
        ck_assert_ptr_eq(userdata, &fixture);
        scripted_transport_note(&fixture.first, "change", 0);
        if (task_sleep(task, 10 * NS_PER_MS) < 0)
                return -ECANCELED;
        if (fixture.change_error < 0)
                return fixture.change_error;
        fixture.why = why;
        *ret = &fixture.other.transport;
        return 0;
}

static void on_event(ErrorHandler *handler, ErrorHandlerEvent event, uint8_t lun, void *userdata) {
        static const char *const names[_ERROR_HANDLER_EVENT_MAX] = {
                "reset ", "medium ", "modes ", "changed ", "sense ", "failed ", "gone ",
        };

        ck_assert_ptr_eq(userdata, &fixture);
        if (event == ERROR_HANDLER_EVENT_SENSE)
                return;
        ck_assert_uint_lt(strlen(fixture.events) + strlen(names[event]), sizeof(fixture.events));
        strcat(fixture.events, names[event]);
}

static void start(const ScriptedAnswer *first, size_t n_first, const ScriptedAnswer *other,
                  size_t n_other) {
        static const ErrorHandlerOptions options = { .change_transport = change_transport };

        fixture = (Fixture){ 0 };
        scripted_transport_init(&fixture.first, first, n_first);
        fixture.first.transport.n_in_flight_max = SCRIPTED_SLOTS_MAX;
        scripted_transport_init_beside(&fixture.other, &fixture.first, other, n_other);
        ck_assert_int_eq(scsi_processor_new(&fixture.processor, &fixture.first.transport, NULL), 0);
        ck_assert_int_eq(error_handler_new(&fixture.handler, fixture.processor,
                                           &fixture.first.transport, &options, on_event, &fixture),
                         0);
        fixture.target = error_handler_get_target(fixture.handler);
}

static void finish(void) {
        scripted_transport_run(&fixture.first);
        ck_assert_uint_eq(fixture.n_done, fixture.n_commands);
        ck_assert(error_handler_is_idle(fixture.handler));
        error_handler_free(fixture.handler);
        scsi_processor_free(fixture.processor);
        scripted_transport_done(&fixture.other);
        scripted_transport_done(&fixture.first);
}

static void on_done(ScsiCommand *command) {
        fixture.n_done++;
        fixture.last_done_ns = event_loop_now_ns(fixture.target->loop);
}

static ScsiCommand *prepare(uint8_t lun) {
        ScsiCommand *command = &fixture.commands[fixture.n_commands++];

        ck_assert_uint_le(fixture.n_commands, COMMANDS_MAX);
        scsi_command_init(command, lun, event_loop_now_ns(fixture.target->loop) + TIMEOUT_NS);
        command->done = on_done;
        return command;
}

static ScsiCommand *submit_read(uint8_t lun) {
        ScsiCommand *command = prepare(lun);

        scsi_command_read(command, 0, 8, data, sizeof(data));
        scsi_target_submit(fixture.target, command);
        return command;
}

static const ScriptedAnswer good[] = { { READ_10 }, { TEST_UNIT_READY }, { SYNC } };

typedef struct ChangeCase {
        const char *what;
        ScriptedAnswer first[4];
        int change_error;
        size_t n_other_failures; /* of the other one's commands, from the first on */
        ScsiResult result;
        const char *trace;       /* of the first one */
        const char *other_trace; /* of the other one */
        const char *events;
        const char *why; /* NULL: it was not changed */
} ChangeCase;

#define BROKEN \
        { READ_10, .result = TRANSPORT_RESULT_ERROR }
#define BROKEN_ONCE \
        { READ_10, .n_times = 1, .result = TRANSPORT_RESULT_ERROR }
#define PROBE_FAILS(n) \
        { TEST_UNIT_READY, .n_times = (n), .result = TRANSPORT_RESULT_ERROR }
#define LADDER "READ(10), clear halts" PROBE "class reset" PROBE "port reset" PROBE "change"

static const ChangeCase change_cases[] = {
        { "a failure that passes", .first = { BROKEN_ONCE, { READ_10 }, { TEST_UNIT_READY } },
          .trace = "READ(10), clear halts" PROBE "READ(10)", .other_trace = "",
          .events = "reset " },
        { "nothing helps", .first = { BROKEN, PROBE_FAILS(0) }, .trace = LADDER,
          .other_trace = "TEST UNIT READY, READ(10)", .events = "changed reset ",
          .why = "not even a port reset helped" },
        { "a command that breaks it each time", .first = { BROKEN, { TEST_UNIT_READY } },
          .trace = "READ(10), clear halts" PROBE "READ(10), class reset" PROBE
                   "READ(10), port reset" PROBE "READ(10), change",
          .other_trace = "TEST UNIT READY, READ(10)", .events = "reset reset reset changed reset ",
          .why = "its recovery does not last" },
        { "a command that hangs each time",
          .first = { { READ_10, .hangs = true }, { TEST_UNIT_READY } },
          .result = SCSI_RESULT_TIMED_OUT,
          .trace = "READ(10), class reset" PROBE "READ(10), port reset" PROBE "READ(10), change",
          .other_trace = "TEST UNIT READY", .events = "reset reset changed reset ",
          .why = "its recovery does not last" },
        { "the other one needs a moment", .first = { BROKEN, PROBE_FAILS(0) },
          .n_other_failures = 1, .trace = LADDER,
          .other_trace = "TEST UNIT READY, port reset" PROBE "READ(10)", .events = "changed reset ",
          .why = "not even a port reset helped" },
        { "the other one does not answer either", .first = { BROKEN, PROBE_FAILS(0) },
          .n_other_failures = SIZE_MAX, .result = SCSI_RESULT_TRANSPORT_ERROR, .trace = LADDER,
          .other_trace = "TEST UNIT READY, port reset" PROBE "port reset, TEST UNIT READY",
          .events = "failed ", .why = "not even a port reset helped" },
        { "there is no other one", .change_error = -EOPNOTSUPP,
          .first = { BROKEN_ONCE, PROBE_FAILS(3), { READ_10 }, { TEST_UNIT_READY } },
          .trace = LADDER ", port reset" PROBE "READ(10)", .other_trace = "", .events = "reset " },
        { "the other one can't be started", .change_error = -EIO,
          .first = { BROKEN_ONCE, PROBE_FAILS(3), { READ_10 }, { TEST_UNIT_READY } },
          .trace = LADDER ", port reset" PROBE "READ(10)", .other_trace = "", .events = "reset " },
        { "unplugged meanwhile", .change_error = -ENODEV, .first = { BROKEN, PROBE_FAILS(0) },
          .result = SCSI_RESULT_GONE, .trace = LADDER, .other_trace = "", .events = "gone " },
};

/* The same answer however often it is asked for. */
static void fail_first_commands(ScriptedTransport *scripted, size_t n) {
        scripted->failing_command = n > 0 ? 1 : 0;
        scripted->fails_for_ever = n > 1;
        scripted->failure = TRANSPORT_RESULT_ERROR;
}

START_TEST(a_transport_that_needs_recovery_again_and_again_is_changed) {
        const ChangeCase *c = &change_cases[_i];
        const ScsiCommand *command;

        start(c->first, N_ELEMENTS(c->first), good, N_ELEMENTS(good));
        fixture.change_error = c->change_error;
        fail_first_commands(&fixture.other, c->n_other_failures);
        command = submit_read(0);
        scripted_transport_run(&fixture.first);
        scripted_transport_expect(&fixture.first, c->trace);
        scripted_transport_expect(&fixture.other, c->other_trace);
        ck_assert_str_eq(fixture.events, c->events);
        ck_assert_msg(command->result == c->result, "%s: %s", c->what,
                      scsi_result_to_string(command->result));
        if (c->why)
                ck_assert_str_eq(fixture.why, c->why);
        else
                ck_assert_ptr_null(fixture.why);
        finish();
}
END_TEST

static void on_flushed(ScsiCommand *command) {
        fixture.n_done++;
        scsi_target_submit(fixture.target, &fixture.commands[0]);
}

/* With a success before it is sent again. */
static void on_probed(ScsiCommand *command) {
        ScsiCommand *flush;

        if (command->result == SCSI_RESULT_GOOD) {
                fixture.n_done++;
                return;
        }
        flush = prepare(2);
        scsi_command_synchronize_cache(flush);
        flush->done = on_flushed;
        scsi_target_submit(fixture.target, flush);
}

/* The one that fails first each time is never tried again; the other one is, and has its limit. */
START_TEST(what_fails_beside_counts_as_well) {
        static const ScriptedAnswer answers[] = {
                { READ_10, .has_lun = true, .lun = 0, .result = TRANSPORT_RESULT_ERROR },
                { READ_10, .result = TRANSPORT_RESULT_ERROR, .delay_ns = 10 * NS_PER_MS },
                { SYNC },
                { TEST_UNIT_READY },
        };
        ScsiCommand *probe, *read;

        start(answers, N_ELEMENTS(answers), good, N_ELEMENTS(good));
        probe = prepare(0);
        scsi_command_read(probe, 0, 8, data, sizeof(data));
        probe->flags = SCSI_COMMAND_NO_RETRY;
        probe->done = on_probed;
        scsi_target_submit(fixture.target, probe);
        read = submit_read(1);
        scripted_transport_run(&fixture.first);
        ck_assert_int_eq(read->result, SCSI_RESULT_GOOD);
        finish();
}
END_TEST

static void on_pause(EventTimer *timer) {}

/* Virtual time stands still where nothing is waited for. */
static void pause_for(uint64_t duration_ns) {
        EventTimer timer = { 0 };

        ck_assert_int_eq(event_timer_init(&timer, fixture.first.loop, on_pause), 0);
        event_timer_set(&timer, event_loop_now_ns(fixture.first.loop) + duration_ns);
        scripted_transport_run(&fixture.first);
        event_timer_done(&timer);
}

/* Nothing but that helps. */
static void read_with_a_port_reset(void) {
        ScsiCommand *command;

        fixture.first.failing_command = fixture.first.n_commands + 1;
        fixture.first.fails_for_ever = true;
        fixture.first.failure = TRANSPORT_RESULT_ERROR;
        fixture.first.is_healed_by[TRANSPORT_RECOVERY_PORT_RESET] = true;
        command = submit_read(0);

        scripted_transport_run(&fixture.first);
        ck_assert_int_eq(command->result, SCSI_RESULT_GOOD);
}

typedef struct FrequencyCase {
        uint64_t pause_ns;
        uint64_t n_changes;
} FrequencyCase;

static const FrequencyCase frequency_cases[] = {
        { MINUTE_NS, 1 },
        { 4 * MINUTE_NS, 1 },
        { 6 * MINUTE_NS, 0 },
};

START_TEST(a_third_port_reset_within_ten_minutes_changes_the_transport) {
        static const ScriptedAnswer answers[] = { { READ_10 }, { TEST_UNIT_READY } };
        const FrequencyCase *c = &frequency_cases[_i];
        const ErrorHandlerStatistics *statistics;

        start(answers, N_ELEMENTS(answers), good, N_ELEMENTS(good));
        statistics = error_handler_get_statistics(fixture.handler);
        for (unsigned i = 0; i < 3; i++) {
                ck_assert_uint_eq(statistics->n_transport_changes, 0);
                read_with_a_port_reset();
                pause_for(c->pause_ns);
        }
        ck_assert_uint_eq(statistics->n_transport_changes, c->n_changes);
        if (c->n_changes > 0)
                ck_assert_str_eq(fixture.why, "it needed a port reset too often");
        finish();
}
END_TEST

static void read_with_a_glitch(void) {
        ScsiCommand *command;

        fixture.first.failing_command = fixture.first.n_commands + 1;
        fixture.first.fails_for_ever = false;
        fixture.first.failure = TRANSPORT_RESULT_ERROR;
        command = submit_read(0);

        scripted_transport_run(&fixture.first);
        ck_assert_int_eq(command->result, SCSI_RESULT_GOOD);
}

static const FrequencyCase glitch_cases[] = {
        { MINUTE_NS, 1 },
        { 4 * MINUTE_NS, 1 },
        { 6 * MINUTE_NS, 0 },
};

START_TEST(a_twelfth_recovery_within_an_hour_changes_the_transport) {
        static const ScriptedAnswer answers[] = { { READ_10 }, { TEST_UNIT_READY } };
        const FrequencyCase *c = &glitch_cases[_i];
        const ErrorHandlerStatistics *statistics;

        start(answers, N_ELEMENTS(answers), good, N_ELEMENTS(good));
        statistics = error_handler_get_statistics(fixture.handler);
        for (unsigned i = 0; i < 12; i++) {
                ck_assert_uint_eq(statistics->n_transport_changes, 0);
                read_with_a_glitch();
                pause_for(c->pause_ns);
        }
        ck_assert_uint_eq(statistics->n_transport_changes, c->n_changes);
        if (c->n_changes > 0)
                ck_assert_str_eq(fixture.why, "it needed recovery too often");
        finish();
}
END_TEST

START_TEST(the_other_transport_has_a_depth_of_its_own) {
        static const ScriptedAnswer answers[] = { BROKEN, PROBE_FAILS(0) };

        start(answers, N_ELEMENTS(answers), good, N_ELEMENTS(good));
        ck_assert_uint_eq(fixture.target->n_in_flight_max, SCRIPTED_SLOTS_MAX);
        for (uint8_t i = 0; i < COMMANDS_MAX; i++)
                submit_read(i % 3);
        scripted_transport_run(&fixture.first);
        for (size_t i = 0; i < COMMANDS_MAX; i++)
                ck_assert_int_eq(fixture.commands[i].result, SCSI_RESULT_GOOD);
        ck_assert_uint_eq(fixture.first.n_in_flight_peak, SCRIPTED_SLOTS_MAX);
        ck_assert_uint_eq(fixture.other.n_in_flight_peak, 1);
        ck_assert_uint_eq(fixture.target->n_in_flight_max, 1);
        finish();
}
END_TEST

/* A flush may rightly take all of its time, but not while others wait for a recovery. */
START_TEST(what_hangs_beside_a_command_that_hangs_does_not_delay_the_recovery) {
        static const ScriptedAnswer answers[] = {
                { READ_10, .n_times = 1, .hangs = true },
                { SYNC, .n_times = 1, .hangs = true },
                { READ_10 },
                { SYNC },
                { TEST_UNIT_READY },
        };
        ScsiCommand *flush, *read;

        start(answers, N_ELEMENTS(answers), good, N_ELEMENTS(good));
        flush = prepare(1);
        scsi_command_synchronize_cache(flush);
        read = submit_read(0);
        scsi_target_submit(fixture.target, flush);
        scripted_transport_run(&fixture.first);
        ck_assert_int_eq(read->result, SCSI_RESULT_GOOD);
        ck_assert_int_eq(flush->result, SCSI_RESULT_GOOD);
        ck_assert_uint_lt(fixture.last_done_ns, TIMEOUT_NS);
        finish();
}
END_TEST

START_TEST(it_may_be_unplugged_at_any_moment_of_the_change) {
        static const ScriptedAnswer answers[] = { BROKEN, PROBE_FAILS(0) };
        bool was_changed = false;
        size_t n;

        for (n = 0; n < 256 && !was_changed; n++) {
                start(answers, N_ELEMENTS(answers), good, N_ELEMENTS(good));
                for (uint8_t i = 0; i < 4; i++)
                        submit_read(i % 2);
                scripted_transport_run_for(&fixture.first, n * NS_PER_MS);
                was_changed = error_handler_is_idle(fixture.handler);
                error_handler_set_gone(fixture.handler);
                scripted_transport_run(&fixture.first);
                for (size_t i = 0; i < fixture.n_commands; i++)
                        ck_assert_int_eq(fixture.commands[i].result,
                                         was_changed ? SCSI_RESULT_GOOD : SCSI_RESULT_GONE);
                finish();
        }
        ck_assert_uint_gt(n, 30);
        ck_assert(was_changed);
}
END_TEST

int main(void) {
        Suite *suite = suite_create("error_recovery");
        TCase *tcase = tcase_create("error_recovery");

        tcase_add_loop_test(tcase, a_transport_that_needs_recovery_again_and_again_is_changed, 0,
                            N_ELEMENTS(change_cases));
        tcase_add_loop_test(tcase, a_third_port_reset_within_ten_minutes_changes_the_transport, 0,
                            N_ELEMENTS(frequency_cases));
        tcase_add_loop_test(tcase, a_twelfth_recovery_within_an_hour_changes_the_transport, 0,
                            N_ELEMENTS(glitch_cases));
        tcase_add_test(tcase, what_fails_beside_counts_as_well);
        tcase_add_test(tcase, it_may_be_unplugged_at_any_moment_of_the_change);
        tcase_add_test(tcase, the_other_transport_has_a_depth_of_its_own);
        tcase_add_test(tcase, what_hangs_beside_a_command_that_hangs_does_not_delay_the_recovery);
        suite_add_tcase(suite, tcase);
        return run_suite(suite);
}
