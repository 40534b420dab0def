/* Trays that move, that are locked, and that have something to tell before. */

#include "scripted_transport.h"
#include "scsi/scsi_processor.h"
#include "scsi/scsi_tray.h"
#include "unit_test.h"

#define OPEN SCRIPTED(0x1B, 0, 0, 0)
#define MOVE "START STOP UNIT"

typedef struct TrayCase {
        const char *what;
        ScriptedAnswer answers[2];
        ScsiResult result;
        uint32_t sense;
        const char *trace;
} TrayCase;

static const TrayCase tray_cases[] = {
        { "it moves", { { OPEN } }, SCSI_RESULT_GOOD, 0, MOVE },
        { "something happened before",
          { { OPEN, .n_times = 2, .sense = 0x062800 }, { OPEN } },
          SCSI_RESULT_GOOD,
          0,
          MOVE ", REQUEST SENSE, " MOVE ", REQUEST SENSE, " MOVE },
        { "something happens again and again",
          { { OPEN, .sense = 0x062900 } },
          SCSI_RESULT_CHECK_CONDITION,
          0x062900,
          MOVE ", REQUEST SENSE, " MOVE ", REQUEST SENSE, " MOVE ", REQUEST SENSE, " MOVE
               ", REQUEST SENSE, " MOVE ", REQUEST SENSE" },
        { "it is locked",
          { { OPEN, .sense = 0x055302 } },
          SCSI_RESULT_CHECK_CONDITION,
          0x055302,
          MOVE ", REQUEST SENSE" },
        { "it hangs", { { OPEN, .hangs = true } }, SCSI_RESULT_TIMED_OUT, 0, MOVE },
        { "it is gone", { { OPEN, .result = TRANSPORT_RESULT_GONE } }, SCSI_RESULT_GONE, 0, MOVE },
};

typedef struct Fixture {
        ScriptedTransport scripted;
        ScsiProcessor *processor;
        bool opens;
        ScsiResult result;
        ScsiSense sense;
        bool is_done;
} Fixture;

static Fixture fixture;

static int main_of_task(Task *task, void *userdata) {
        fixture.result = scsi_tray_set_open(task, scsi_processor_get_target(fixture.processor), 0,
                                            fixture.opens, &fixture.sense);
        return 0;
}

static void on_task_done(Task *task, int result, void *userdata) { fixture.is_done = true; }

static void run(const ScriptedAnswer *answers, size_t n_answers, bool opens) {
        Task *task;

        fixture = (Fixture){ .opens = opens };
        scripted_transport_init(&fixture.scripted, answers, n_answers);
        ck_assert_int_eq(scsi_processor_new(&fixture.processor, &fixture.scripted.transport, NULL),
                         0);
        ck_assert_int_eq(task_start(&task, fixture.scripted.loop, "tray", main_of_task,
                                    on_task_done, NULL),
                         0);
        scripted_transport_run(&fixture.scripted);
        ck_assert(fixture.is_done);
}

static void tear_down(void) {
        scsi_processor_free(fixture.processor);
        scripted_transport_done(&fixture.scripted);
}

START_TEST(what_the_tray_did_is_told) {
        const TrayCase *c = &tray_cases[_i];
        size_t n = c->answers[1].command_size > 0 ? 2 : 1;

        run(c->answers, n, /* opens= */ true);
        ck_assert_msg(fixture.result == c->result, "%s: %s", c->what,
                      scsi_result_to_string(fixture.result));
        ck_assert_uint_eq((uint32_t) fixture.sense.key << 16 | SCSI_ASC_ASCQ(&fixture.sense),
                          c->sense);
        scripted_transport_expect(&fixture.scripted, c->trace);
        tear_down();
}
END_TEST

/* LOEJ, and START to close it. The drive is waited for: IMMED is 0. */
START_TEST(opening_and_closing_differ_in_one_bit) {
        static const ScriptedAnswer trays[] = {
                { SCRIPTED(0x1B, 0, 0, 0, 0x03) },
                { SCRIPTED(0x1B, 0, 0, 0, 0x02) },
        };

        run(&trays[_i], 1, /* opens= */ _i == 1);
        ck_assert_int_eq(fixture.result, SCSI_RESULT_GOOD);
        tear_down();
}
END_TEST

int main(void) {
        Suite *suite = suite_create("scsi_tray");
        TCase *tcase = tcase_create("scsi_tray");

        tcase_add_loop_test(tcase, what_the_tray_did_is_told, 0, N_ELEMENTS(tray_cases));
        tcase_add_loop_test(tcase, opening_and_closing_differ_in_one_bit, 0, 2);
        suite_add_tcase(suite, tcase);
        return run_suite(suite);
}
