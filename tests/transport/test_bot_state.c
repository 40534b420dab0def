/*
 * The pure function between states: every pair has an answer, the answers keep a few promises, and
 * the paths of the specification are there.
 */

#include <check.h>
#include <string.h>

#include "base/macros.h"
#include "transport/bot_state.h"

#define PATH_MAX_EVENTS 8

typedef struct Path {
        const char *name;
        bool has_data;
        BotEvent events[PATH_MAX_EVENTS]; /* after SUBMITTED; ends with _BOT_EVENT_MAX */
        BotState end;
} Path;

#define DONE BOT_EVENT_DONE
#define END _BOT_EVENT_MAX

static const Path paths[] = {
        { "no data", false, { DONE, DONE, END }, BOT_STATE_IDLE },
        { "data", true, { DONE, DONE, DONE, END }, BOT_STATE_IDLE },
        { "data halted", true, { DONE, BOT_EVENT_STALLED, DONE, DONE, DONE, END }, BOT_STATE_IDLE },
        { "data skipped", true, { DONE, BOT_EVENT_STATUS_CAME, DONE, END }, BOT_STATE_IDLE },
        { "data overrun", true, { DONE, BOT_EVENT_OVERFLOWED, DONE, DONE, END }, BOT_STATE_IDLE },
        { "status halted", false, { DONE, BOT_EVENT_STALLED, DONE, DONE, END }, BOT_STATE_IDLE },
        { "status halted twice",
          false,
          { DONE, BOT_EVENT_STALLED, DONE, BOT_EVENT_STALLED, DONE, END },
          BOT_STATE_BROKEN },
        { "status empty", false, { DONE, BOT_EVENT_EMPTY, DONE, END }, BOT_STATE_IDLE },
        { "status empty twice",
          false,
          { DONE, BOT_EVENT_EMPTY, BOT_EVENT_EMPTY, DONE, END },
          BOT_STATE_BROKEN },
        { "status unanswered",
          true,
          { DONE, DONE, BOT_EVENT_UNANSWERED, DONE, DONE, END },
          BOT_STATE_IDLE },
        { "not sent", true, { BOT_EVENT_NOT_SENT, END }, BOT_STATE_IDLE },
        { "command halted", true, { BOT_EVENT_STALLED, DONE, END }, BOT_STATE_BROKEN },
        { "recovered",
          true,
          { BOT_EVENT_FAILED, DONE, BOT_EVENT_RECOVERY, BOT_EVENT_RECOVERED, END },
          BOT_STATE_IDLE },
        { "not recovered",
          true,
          { BOT_EVENT_FAILED, DONE, BOT_EVENT_RECOVERY, BOT_EVENT_UNRECOVERED, END },
          BOT_STATE_BROKEN },
};

/* Walks all pairs and calls `check` for each. */
static void walk(void (*check)(BotState state, BotEvent event, BotState next)) {
        for (BotState state = 0; state < _BOT_STATE_MAX; state++)
                for (BotEvent event = 0; event < _BOT_EVENT_MAX; event++)
                        for (int has_data = 0; has_data < 2; has_data++)
                                check(state, event, bot_state_next(state, event, has_data));
}

static void check_range(BotState state, BotEvent event, BotState next) {
        ck_assert_int_lt(next, _BOT_STATE_MAX);
        ck_assert_ptr_nonnull(bot_state_to_string(next));
        ck_assert_ptr_nonnull(bot_event_to_string(event));
}

START_TEST(every_state_answers_every_event) { walk(check_range); }
END_TEST

static void check_abandoning(BotState state, BotEvent event, BotState next) {
        if (event != BOT_EVENT_ABANDONED)
                return;
        ck_assert_int_eq(next, bot_state_is_active(state) ? BOT_STATE_GIVE_UP : state);
}

START_TEST(whatever_is_active_can_be_abandoned) { walk(check_abandoning); }
END_TEST

static void check_broken(BotState state, BotEvent event, BotState next) {
        if (state == BOT_STATE_BROKEN && event != BOT_EVENT_RECOVERY)
                ck_assert_int_eq(next, BOT_STATE_BROKEN);
        if (state == BOT_STATE_RECOVERING)
                ck_assert(!bot_state_is_active(next));
}

START_TEST(only_a_recovery_leads_out_of_broken) { walk(check_broken); }
END_TEST

/* The next CBW is never sent before the status of the last is known. */
static void check_command(BotState state, BotEvent event, BotState next) {
        if (next == BOT_STATE_COMMAND)
                ck_assert(state == BOT_STATE_IDLE && event == BOT_EVENT_SUBMITTED);
}

START_TEST(only_an_idle_transport_sends_a_command) { walk(check_command); }
END_TEST

static void check_failure(BotState state, BotEvent event, BotState next) {
        if (event == BOT_EVENT_FAILED && bot_state_is_active(state))
                ck_assert_int_eq(next, BOT_STATE_GIVE_UP);
}

START_TEST(no_failure_is_taken_for_an_answer) { walk(check_failure); }
END_TEST

START_TEST(the_paths_of_the_specification_are_there) {
        const Path *path = &paths[_i];
        BotState state = bot_state_next(BOT_STATE_IDLE, BOT_EVENT_SUBMITTED, path->has_data);

        for (const BotEvent *event = path->events; *event != END; event++)
                state = bot_state_next(state, *event, path->has_data);
        ck_assert_msg(state == path->end, "%s ends in %s", path->name, bot_state_to_string(state));
}
END_TEST

/* DONE alone leads from anywhere active to rest: no loop keeps a command for ever. */
START_TEST(no_state_lasts_for_ever) {
        for (BotState state = 0; state < _BOT_STATE_MAX; state++) {
                BotState at = state;

                for (int i = 0; i < _BOT_STATE_MAX && bot_state_is_active(at); i++)
                        at = bot_state_next(at, DONE, /* has_data= */ true);
                ck_assert(!bot_state_is_active(at));
        }
}
END_TEST

int main(void) {
        Suite *suite = suite_create("bot_state");
        TCase *tcase = tcase_create("bot_state");
        SRunner *runner;
        int n_failed;

        tcase_add_test(tcase, every_state_answers_every_event);
        tcase_add_test(tcase, whatever_is_active_can_be_abandoned);
        tcase_add_test(tcase, only_a_recovery_leads_out_of_broken);
        tcase_add_test(tcase, only_an_idle_transport_sends_a_command);
        tcase_add_test(tcase, no_failure_is_taken_for_an_answer);
        tcase_add_loop_test(tcase, the_paths_of_the_specification_are_there, 0, N_ELEMENTS(paths));
        tcase_add_test(tcase, no_state_lasts_for_ever);
        suite_add_tcase(suite, tcase);
        runner = srunner_create(suite);
        srunner_run_all(runner, CK_NORMAL);
        n_failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return n_failed > 0;
}
