/* What is believed of a device after what it did, as tables. */

#include <check.h>

#include "transport/bot_habits.h"

#define TAG 42
#define NORMAL BOT_CSW_SIGNATURE
#define ODD 0x55425355
#define GARBAGE 0x12345678

#define IN TRANSPORT_DIRECTION_IN
#define OUT TRANSPORT_DIRECTION_OUT
#define NONE TRANSPORT_DIRECTION_NONE

START_TEST(signatures_are_learned_from_the_first_csw) {
        static const struct {
                uint32_t first; /* 0: none came yet */
                uint32_t signature;
                bool is_accepted;
                bool is_accepted_as_data;
        } rows[] = {
                { 0, NORMAL, true, true },       { 0, ODD, true, true },
                { 0, GARBAGE, true, false },     { NORMAL, NORMAL, true, true },
                { NORMAL, ODD, false, false },   { NORMAL, GARBAGE, false, false },
                { ODD, ODD, true, true },        { ODD, NORMAL, true, true },
                { ODD, GARBAGE, false, false },  { GARBAGE, GARBAGE, true, true },
                { GARBAGE, NORMAL, true, true }, { GARBAGE, ODD, false, false },
        };

        for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
                BotCsw csw = { .signature = rows[i].signature, .tag = TAG };
                BotHabits habits;

                bot_habits_init(&habits, BOT_MODE_AUTO, false);
                if (rows[i].first != 0)
                        ck_assert_int_eq(bot_habits_learn_signature(&habits, rows[i].first),
                                         rows[i].first != NORMAL);
                ck_assert_int_eq(bot_habits_accept_csw(&habits, &csw, TAG), rows[i].is_accepted);
                ck_assert_int_eq(bot_habits_accept_csw_as_data(&habits, &csw, TAG),
                                 rows[i].is_accepted_as_data);
                ck_assert(!bot_habits_accept_csw(&habits, &csw, TAG + 1));
        }
}
END_TEST

START_TEST(a_device_that_signs_rightly_once_must_go_on_so) {
        BotCsw csw = { .signature = ODD, .tag = TAG };
        BotHabits habits;

        bot_habits_init(&habits, BOT_MODE_AUTO, false);
        ck_assert(bot_habits_learn_signature(&habits, ODD));
        ck_assert(!bot_habits_learn_signature(&habits, NORMAL));
        ck_assert(!bot_habits_accept_csw(&habits, &csw, TAG));
        bot_habits_forget_signature(&habits);
        ck_assert(bot_habits_accept_csw(&habits, &csw, TAG));
}
END_TEST

START_TEST(a_residue_lies_if_a_short_whole_answer_is_said_to_be_missing) {
        static const struct {
                TransportDirection direction;
                size_t size;
                size_t transferred;
                uint32_t residue;
                uint8_t status;
                bool is_lie;
        } rows[] = {
                { IN, 36, 36, 36, 0, true },     /* as INQUIRY of liars */
                { IN, 8, 8, 8, 0, true },        /* as READ CAPACITY of liars */
                { IN, 36, 36, 0xFFFF, 0, true }, /* more than was asked for */
                { IN, 36, 36, 0, 0, false },     /* honest */
                { IN, 36, 36, 4, 0, false },     /* may be padding */
                { IN, 36, 32, 36, 0, false },    /* not all came */
                { IN, 36, 36, 36, 1, false },    /* failed: may be padding */
                { IN, 512, 512, 512, 0, false }, /* too long to be sure */
                { OUT, 24, 24, 24, 0, false },   /* sent, but was it taken? */
                { NONE, 0, 0, 0, 0, false },
        };

        for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
                BotCsw csw = { .residue = rows[i].residue, .status = rows[i].status };
                BotHabits habits;

                bot_habits_init(&habits, BOT_MODE_AUTO, false);
                ck_assert_int_eq(bot_habits_learn_residue(&habits, &csw, rows[i].direction,
                                                          rows[i].size, rows[i].transferred),
                                 rows[i].is_lie);
                ck_assert_int_eq(habits.is_residue_ignored, rows[i].is_lie);
        }
}
END_TEST

START_TEST(a_residue_counts_as_far_as_it_can_be_true) {
        static const struct {
                bool is_ignored;
                size_t transferred;
                uint32_t residue;
                size_t actual;
        } rows[] = {
                { false, 512, 0, 512 },   { false, 512, 100, 412 }, { false, 412, 100, 412 },
                { false, 412, 0, 412 },   { false, 0, 512, 0 },     { false, 512, 512, 0 },
                { false, 512, 513, 512 }, { true, 512, 512, 512 },  { true, 100, 512, 100 },
        };

        for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
                BotCsw csw = { .residue = rows[i].residue };
                BotHabits habits = { .is_residue_ignored = rows[i].is_ignored };

                ck_assert_uint_eq(bot_habits_actual_size(&habits, &csw, 512, rows[i].transferred),
                                  rows[i].actual);
        }
}
END_TEST

static void learn(BotHabits *habits, unsigned n, bool was_pipelined) {
        for (unsigned i = 0; i < n; i++)
                bot_habits_learn_good(habits, was_pipelined);
}

START_TEST(only_repeatable_reads_are_tried_and_only_after_good_commands) {
        BotHabits habits;

        bot_habits_init(&habits, BOT_MODE_AUTO, false);
        ck_assert(!bot_habits_wants_pipeline(&habits, IN, 4096));
        learn(&habits, BOT_HABITS_GOOD_BEFORE_TRIAL, /* was_pipelined= */ false);
        ck_assert(bot_habits_wants_pipeline(&habits, IN, 4096));
        ck_assert(!bot_habits_wants_pipeline(&habits, IN, 36));
        ck_assert(!bot_habits_wants_pipeline(&habits, OUT, 4096));
        ck_assert(!bot_habits_wants_pipeline(&habits, NONE, 0));
}
END_TEST

START_TEST(good_trials_decide_for_pipelining_and_one_anomaly_against_it) {
        BotHabits habits;

        bot_habits_init(&habits, BOT_MODE_AUTO, false);
        learn(&habits, 100, /* was_pipelined= */ false);
        ck_assert_int_eq(habits.mode, BOT_MODE_AUTO);
        learn(&habits, BOT_HABITS_TRIALS_NEEDED - 1, /* was_pipelined= */ true);
        ck_assert_int_eq(habits.mode, BOT_MODE_AUTO);
        ck_assert(bot_habits_learn_good(&habits, /* was_pipelined= */ true));
        ck_assert_int_eq(habits.mode, BOT_MODE_PIPELINED);
        ck_assert(bot_habits_wants_pipeline(&habits, OUT, 4096));

        ck_assert(bot_habits_learn_anomaly(&habits));
        ck_assert(!bot_habits_learn_anomaly(&habits));
        learn(&habits, 100, /* was_pipelined= */ false);
        ck_assert_int_eq(habits.mode, BOT_MODE_BY_PHASE);
        ck_assert(!bot_habits_wants_pipeline(&habits, IN, 4096));
}
END_TEST

START_TEST(a_residue_that_is_known_to_be_nonsense_does_not_count) {
        const BotCsw csw = { .residue = 512, .status = BOT_CSW_STATUS_PASSED };
        BotHabits habits;

        bot_habits_init(&habits, BOT_MODE_AUTO, /* ignores_residue= */ false);
        ck_assert_uint_eq(bot_habits_actual_size(&habits, &csw, 4096, 4096), 3584);
        bot_habits_init(&habits, BOT_MODE_AUTO, /* ignores_residue= */ true);
        ck_assert_uint_eq(bot_habits_actual_size(&habits, &csw, 4096, 4096), 4096);
        ck_assert_uint_eq(bot_habits_actual_size(&habits, &csw, 4096, 512), 512);
}
END_TEST

START_TEST(a_given_mode_stays) {
        BotMode modes[] = { BOT_MODE_BY_PHASE, BOT_MODE_PIPELINED };
        BotHabits habits;

        bot_habits_init(&habits, modes[_i], false);
        ck_assert(!bot_habits_is_watchful(&habits));
        ck_assert(!bot_habits_learn_anomaly(&habits));
        learn(&habits, 100, /* was_pipelined= */ true);
        ck_assert_int_eq(habits.mode, modes[_i]);
}
END_TEST

START_TEST(what_was_decided_before_is_not_tried_but_may_be_decided_anew) {
        BotHabits habits;

        bot_habits_init(&habits, BOT_MODE_AUTO, false);
        bot_habits_recall(&habits, BOT_MODE_BY_PHASE);
        learn(&habits, 100, /* was_pipelined= */ false);
        ck_assert(!bot_habits_wants_pipeline(&habits, IN, 4096));
        ck_assert_int_eq(habits.mode, BOT_MODE_BY_PHASE);

        bot_habits_init(&habits, BOT_MODE_AUTO, false);
        bot_habits_recall(&habits, BOT_MODE_PIPELINED);
        ck_assert(!bot_habits_wants_pipeline(&habits, IN, 4096));
        learn(&habits, BOT_HABITS_GOOD_BEFORE_TRIAL, /* was_pipelined= */ false);
        ck_assert(bot_habits_wants_pipeline(&habits, OUT, 0));
        ck_assert(bot_habits_is_watchful(&habits));
        ck_assert(bot_habits_learn_anomaly(&habits));
        learn(&habits, 100, /* was_pipelined= */ false);
        ck_assert_int_eq(habits.mode, BOT_MODE_BY_PHASE);

        bot_habits_init(&habits, BOT_MODE_BY_PHASE, false);
        bot_habits_recall(&habits, BOT_MODE_PIPELINED);
        learn(&habits, 100, /* was_pipelined= */ false);
        ck_assert_int_eq(habits.mode, BOT_MODE_BY_PHASE);
}
END_TEST

START_TEST(serial_nothing_is_pipelined_and_what_was_decided_stays) {
        for (BotMode mode = BOT_MODE_AUTO; mode < _BOT_MODE_MAX; mode++) {
                bool was_wanted;
                BotHabits habits;

                bot_habits_init(&habits, mode, false);
                for (unsigned i = 0; i < BOT_HABITS_GOOD_BEFORE_TRIAL; i++)
                        bot_habits_learn_good(&habits, /* was_pipelined= */ false);
                was_wanted = bot_habits_wants_pipeline(&habits, IN, 4096);
                ck_assert_int_eq(was_wanted, mode != BOT_MODE_BY_PHASE);
                habits.is_serial = true;
                ck_assert(!bot_habits_wants_pipeline(&habits, IN, 4096));
                ck_assert_int_eq(habits.mode, mode);
                habits.is_serial = false;
                ck_assert_int_eq(bot_habits_wants_pipeline(&habits, IN, 4096), was_wanted);
        }
}
END_TEST

int main(void) {
        Suite *suite = suite_create("bot_habits");
        TCase *tcase = tcase_create("bot_habits");
        SRunner *runner;
        int n_failed;

        tcase_add_test(tcase, signatures_are_learned_from_the_first_csw);
        tcase_add_test(tcase, a_device_that_signs_rightly_once_must_go_on_so);
        tcase_add_test(tcase, a_residue_lies_if_a_short_whole_answer_is_said_to_be_missing);
        tcase_add_test(tcase, a_residue_counts_as_far_as_it_can_be_true);
        tcase_add_test(tcase, only_repeatable_reads_are_tried_and_only_after_good_commands);
        tcase_add_test(tcase, good_trials_decide_for_pipelining_and_one_anomaly_against_it);
        tcase_add_test(tcase, a_residue_that_is_known_to_be_nonsense_does_not_count);
        tcase_add_loop_test(tcase, a_given_mode_stays, 0, 2);
        tcase_add_test(tcase, what_was_decided_before_is_not_tried_but_may_be_decided_anew);
        tcase_add_test(tcase, serial_nothing_is_pipelined_and_what_was_decided_stays);
        suite_add_tcase(suite, tcase);
        runner = srunner_create(suite);
        srunner_run_all(runner, CK_NORMAL);
        n_failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return n_failed > 0;
}
