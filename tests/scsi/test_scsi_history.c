/* What is noted of commands that were sent, and how it is told. */

#include "processor_fixture.h"

static ScsiHistory history;
static char *text; /* owned: of what was noted */

static void set_up_history(const ScriptedAnswer *answers, size_t n_answers) {
        history = (ScsiHistory){ 0 };
        set_up_table(answers, n_answers);
        start_with(1, &(ScsiProcessorOptions){ .history = &history });
}

static const char *tell(uint64_t now_ns) {
        size_t size;
        FILE *file;

        free(text);
        file = open_memstream(&text, &size);
        ck_assert_ptr_nonnull(file);
        scsi_history_write(&history, now_ns, file);
        fclose(file);
        return text;
}

static void tear_down(void) {
        free(text);
        text = NULL;
}

START_TEST(an_empty_history_tells_nothing) {
        history = (ScsiHistory){ 0 };
        ck_assert_ptr_null(scsi_history_get(&history, 0));
        ck_assert_str_eq(tell(0), "");
}
END_TEST

/* Each in the words of its own fate; what the device never saw is not there. */
START_TEST(commands_are_told_with_their_time_data_and_result) {
        static const ScriptedAnswer answers[] = {
                { SCRIPTED(0x28), .delay_ns = 1250 * 1000 },
                { SCRIPTED(0x00), .sense = 0x023A00 },
                { SCRIPTED(0xC1), .result = TRANSPORT_RESULT_ERROR },
                { SCRIPTED(0x8A), .sense = 0x031100 },
        };
        static const uint8_t strange[12] = { 0xC1, 0x02 };
        uint8_t data[1024];

        set_up_history(answers, N_ELEMENTS(answers));
        scsi_command_read(prepare(0, TIMEOUT_NS), 0x1234, 2, data, sizeof(data));
        submit(&fixture.commands[0]);
        submit_ready(3);
        scsi_command_set_cdb(prepare(0, TIMEOUT_NS), strange, sizeof(strange));
        submit(&fixture.commands[2]);
        submit(prepare(0, 0)); /* its time is over: it is never sent */
        scsi_command_write(prepare(0, TIMEOUT_NS), UINT64_C(0x100000000), 2, /* fua= */ true, data,
                           sizeof(data));
        submit(&fixture.commands[4]);
        finish();
        ck_assert_uint_eq(history.n, 4);
        ck_assert_str_eq(tell(history.entries[3].ended_ns + 2500 * NS_PER_MS),
                         "2.500 s ago, unit 0: READ(10), block 4660, 1024 bytes in: good in 1.250 "
                         "ms "
                         "[28 00 00 00 12 34 00 00 02 00]\n"
                         "2.500 s ago, unit 3: TEST UNIT READY: check condition in 0.000 ms: not "
                         "ready, medium not present (3a/00) [00 00 00 00 00 00]\n"
                         "2.500 s ago, unit 0: C1h: transport error in 0.000 ms "
                         "[c1 02 00 00 00 00 00 00 00 00 00 00]\n"
                         "2.500 s ago, unit 0: WRITE(16), block 4294967296, 1024 bytes out, 0 of "
                         "them moved: check condition in 0.000 ms: medium error, unrecovered read "
                         "error (11/00) [8a 08 00 00 00 01 00 00 00 00 00 00 00 02 00 00]\n");
}
END_TEST

START_TEST(the_last_ones_are_kept_in_their_order) {
        static const ScriptedAnswer answers[] = { { SCRIPTED(0x00) } };
        uint8_t data[512];
        ScsiCommand command;

        set_up_history(answers, N_ELEMENTS(answers));
        scsi_command_init(&command, 0, TIMEOUT_NS);
        for (uint64_t i = 0; i < SCSI_HISTORY_SIZE + 5; i++) {
                scsi_command_read(&command, i, 1, data, sizeof(data));
                command.sent_ns = i;
                scsi_history_note(&history, &command, i + 1000);
        }
        finish();
        for (size_t i = 0; i < SCSI_HISTORY_SIZE; i++) {
                const ScsiHistoryEntry *entry = scsi_history_get(&history, i);

                ck_assert_uint_eq(entry->ended_ns, i + 5 + 1000);
                ck_assert_uint_eq(entry->duration_ns, 1000);
                ck_assert_uint_eq(entry->cdb[5], i + 5);
        }
        ck_assert_ptr_null(scsi_history_get(&history, SCSI_HISTORY_SIZE));
}
END_TEST

START_TEST(a_failure_that_nobody_explains_is_told_as_that) {
        static const ScriptedAnswer answers[] = {
                { SCRIPTED(0x00), .result = TRANSPORT_RESULT_FAILED },
        };

        set_up_history(answers, N_ELEMENTS(answers));
        submit_ready(0);
        finish();
        ck_assert_ptr_nonnull(strstr(tell(0), ": check condition in 0.000 ms: without sense [00"));
}
END_TEST

int main(void) {
        Suite *suite = suite_create("scsi_history");
        TCase *tcase = tcase_create("scsi_history");

        tcase_add_checked_fixture(tcase, NULL, tear_down);
        tcase_add_test(tcase, an_empty_history_tells_nothing);
        tcase_add_test(tcase, commands_are_told_with_their_time_data_and_result);
        tcase_add_test(tcase, the_last_ones_are_kept_in_their_order);
        tcase_add_test(tcase, a_failure_that_nobody_explains_is_told_as_that);
        suite_add_tcase(suite, tcase);
        return run_suite(suite);
}
