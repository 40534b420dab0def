/*
 * The pure function between states: every pair has an answer, the answers keep a few promises, and
 * the paths of the specification are there.
 */

#include <check.h>

#include "base/macros.h"
#include "transport/cbi_state.h"

#define PATH_MAX_EVENTS 8
#define DONE CBI_EVENT_DONE
#define STALLED CBI_EVENT_STALLED
#define END _CBI_EVENT_MAX

typedef struct Path {
        const char *name;
        bool has_data;
        bool has_interrupt;
        CbiEvent events[PATH_MAX_EVENTS]; /* after SUBMITTED; ends with END */
        CbiState end;
} Path;

static const Path paths[] = {
        { "no data", false, true, { DONE, DONE, END }, CBI_STATE_IDLE },
        { "no data, waits for the interrupt", false, true, { DONE, END }, CBI_STATE_STATUS },
        { "no data, no interrupt", false, false, { DONE, END }, CBI_STATE_IDLE },
        { "data", true, true, { DONE, DONE, DONE, END }, CBI_STATE_IDLE },
        { "data, no interrupt", true, false, { DONE, DONE, END }, CBI_STATE_IDLE },
        { "command refused", true, true, { STALLED, END }, CBI_STATE_IDLE },
        { "not sent", true, true, { CBI_EVENT_NOT_SENT, END }, CBI_STATE_IDLE },
        { "data halted", true, true, { DONE, STALLED, DONE, END }, CBI_STATE_IDLE },
        { "halt stays", true, true, { DONE, STALLED, STALLED, DONE, END }, CBI_STATE_BROKEN },
        { "status empty", false, true, { DONE, CBI_EVENT_EMPTY, DONE, END }, CBI_STATE_IDLE },
        { "status empty twice",
          false,
          true,
          { DONE, CBI_EVENT_EMPTY, CBI_EVENT_EMPTY, DONE, END },
          CBI_STATE_BROKEN },
        { "status halted", false, true, { DONE, STALLED, DONE, DONE, END }, CBI_STATE_IDLE },
        { "status halted twice",
          false,
          true,
          { DONE, STALLED, DONE, STALLED, DONE, END },
          CBI_STATE_BROKEN },
        { "recovered",
          true,
          true,
          { CBI_EVENT_FAILED, DONE, CBI_EVENT_RECOVERY, CBI_EVENT_RECOVERED, END },
          CBI_STATE_IDLE },
        { "not recovered",
          true,
          true,
          { CBI_EVENT_FAILED, DONE, CBI_EVENT_RECOVERY, CBI_EVENT_UNRECOVERED, END },
          CBI_STATE_BROKEN },
};

static void check_pair(CbiState state, CbiEvent event, CbiState next, bool has_interrupt) {
        ck_assert_int_lt(next, _CBI_STATE_MAX);
        ck_assert_ptr_nonnull(cbi_state_to_string(next));
        if (event == CBI_EVENT_ABANDONED)
                ck_assert_int_eq(next, cbi_state_is_active(state) ? CBI_STATE_GIVE_UP : state);
        if (event == CBI_EVENT_FAILED && cbi_state_is_active(state))
                ck_assert_int_eq(next, CBI_STATE_GIVE_UP);
        if (state == CBI_STATE_BROKEN && event != CBI_EVENT_RECOVERY)
                ck_assert_int_eq(next, CBI_STATE_BROKEN);
        if (state == CBI_STATE_RECOVERING)
                ck_assert(!cbi_state_is_active(next));
        if (next == CBI_STATE_COMMAND)
                ck_assert(state == CBI_STATE_IDLE && event == CBI_EVENT_SUBMITTED);
        if (next == CBI_STATE_STATUS)
                ck_assert(has_interrupt && event == DONE);
}

START_TEST(every_pair_keeps_the_promises) {
        for (CbiState state = 0; state < _CBI_STATE_MAX; state++)
                for (CbiEvent event = 0; event < _CBI_EVENT_MAX; event++)
                        for (int i = 0; i < 4; i++) {
                                bool has_data = i & 1, has_interrupt = i & 2;

                                check_pair(state, event,
                                           cbi_state_next(state, event, has_data, has_interrupt),
                                           has_interrupt);
                        }
}
END_TEST

START_TEST(the_paths_of_the_specification_are_there) {
        const Path *path = &paths[_i];
        CbiState state = cbi_state_next(CBI_STATE_IDLE, CBI_EVENT_SUBMITTED, path->has_data,
                                        path->has_interrupt);

        for (const CbiEvent *event = path->events; *event != END; event++)
                state = cbi_state_next(state, *event, path->has_data, path->has_interrupt);
        ck_assert_msg(state == path->end, "%s ends in %s", path->name, cbi_state_to_string(state));
}
END_TEST

START_TEST(no_state_lasts_for_ever) {
        for (CbiState state = 0; state < _CBI_STATE_MAX; state++) {
                CbiState at = state;

                for (int i = 0; i < _CBI_STATE_MAX && cbi_state_is_active(at); i++)
                        at = cbi_state_next(at, DONE, /* has_data= */ true,
                                            /* has_interrupt= */ true);
                ck_assert(!cbi_state_is_active(at));
        }
}
END_TEST

int main(void) {
        Suite *suite = suite_create("cbi_state");
        TCase *tcase = tcase_create("cbi_state");
        SRunner *runner;
        int n_failed;

        tcase_add_test(tcase, every_pair_keeps_the_promises);
        tcase_add_loop_test(tcase, the_paths_of_the_specification_are_there, 0, N_ELEMENTS(paths));
        tcase_add_test(tcase, no_state_lasts_for_ever);
        suite_add_tcase(suite, tcase);
        runner = srunner_create(suite);
        srunner_run_all(runner, CK_NORMAL);
        n_failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return n_failed > 0;
}
