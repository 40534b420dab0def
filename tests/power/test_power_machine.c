/* Every pair of a phase and an event, and what others are told. */

#include <check.h>
#include <stdlib.h>

#include "power/power_machine.h"

#include "base/macros.h"

#define PHASE(p) POWER_PHASE_##p

/* By the event, in their order. */
static const PowerPhase table[_POWER_PHASE_MAX][_POWER_EVENT_MAX] = {
        /* USED, RESTED, FALL, STOPPED, SUSPENDED, WANTED, WOKEN, ENDED */
        [PHASE(UNKNOWN)] = { PHASE(ACTIVE), PHASE(IDLE), PHASE(FALLING), PHASE(STANDBY),
                             PHASE(UNKNOWN), PHASE(UNKNOWN), PHASE(UNKNOWN), PHASE(ENDED) },
        [PHASE(ACTIVE)] = { PHASE(ACTIVE), PHASE(IDLE), PHASE(FALLING), PHASE(STANDBY),
                            PHASE(ACTIVE), PHASE(ACTIVE), PHASE(ACTIVE), PHASE(ENDED) },
        [PHASE(IDLE)] = { PHASE(ACTIVE), PHASE(IDLE), PHASE(FALLING), PHASE(STANDBY), PHASE(IDLE),
                          PHASE(IDLE), PHASE(IDLE), PHASE(ENDED) },
        [PHASE(FALLING)] = { PHASE(FALLING), PHASE(FALLING), PHASE(FALLING), PHASE(STANDBY),
                             PHASE(SUSPENDED), PHASE(FALLING), PHASE(IDLE), PHASE(ENDED) },
        [PHASE(STANDBY)] = { PHASE(STANDBY), PHASE(STANDBY), PHASE(FALLING), PHASE(STANDBY),
                             PHASE(STANDBY), PHASE(WAKING), PHASE(IDLE), PHASE(ENDED) },
        [PHASE(SUSPENDED)] = { PHASE(SUSPENDED), PHASE(SUSPENDED), PHASE(SUSPENDED),
                               PHASE(SUSPENDED), PHASE(SUSPENDED), PHASE(WAKING), PHASE(SUSPENDED),
                               PHASE(ENDED) },
        [PHASE(WAKING)] = { PHASE(WAKING), PHASE(WAKING), PHASE(WAKING), PHASE(STANDBY),
                            PHASE(SUSPENDED), PHASE(WAKING), PHASE(IDLE), PHASE(ENDED) },
        [PHASE(ENDED)] = { PHASE(ENDED), PHASE(ENDED), PHASE(ENDED), PHASE(ENDED), PHASE(ENDED),
                           PHASE(ENDED), PHASE(ENDED), PHASE(ENDED) },
};

START_TEST(each_event_leads_where_the_table_says) {
        for (PowerEvent event = 0; event < _POWER_EVENT_MAX; event++)
                ck_assert_msg(power_machine_next((PowerPhase) _i, event) == table[_i][event],
                              "%s, event %d -> %s", power_machine_phase_to_string((PowerPhase) _i),
                              event,
                              power_machine_phase_to_string(
                                              power_machine_next((PowerPhase) _i, event)));
}
END_TEST

START_TEST(commands_go_through_where_nothing_sleeps_or_moves) {
        static const bool is_open[_POWER_PHASE_MAX] = {
                [PHASE(UNKNOWN)] = true,
                [PHASE(ACTIVE)] = true,
                [PHASE(IDLE)] = true,
                [PHASE(ENDED)] = true,
        };

        ck_assert_int_eq(power_machine_is_open((PowerPhase) _i), is_open[_i]);
}
END_TEST

START_TEST(on_the_way_others_are_told_what_was_before) {
        for (PowerState before = 0; before < _POWER_STATE_MAX; before++) {
                ck_assert_int_eq(power_machine_get_state(PHASE(FALLING), before), before);
                ck_assert_int_eq(power_machine_get_state(PHASE(WAKING), before), before);
                ck_assert_int_eq(power_machine_get_state(PHASE(SUSPENDED), before),
                                 POWER_STATE_SUSPENDED);
                ck_assert_int_eq(power_machine_get_state(PHASE(STANDBY), before),
                                 POWER_STATE_STANDBY);
                ck_assert_int_eq(power_machine_get_state(PHASE(ENDED), before),
                                 POWER_STATE_UNKNOWN);
        }
}
END_TEST

int main(void) {
        Suite *suite = suite_create("power machine");
        TCase *tcase = tcase_create("machine");
        SRunner *runner;
        int n_failed;

        tcase_add_loop_test(tcase, each_event_leads_where_the_table_says, 0, _POWER_PHASE_MAX);
        tcase_add_loop_test(tcase, commands_go_through_where_nothing_sleeps_or_moves, 0,
                            _POWER_PHASE_MAX);
        tcase_add_test(tcase, on_the_way_others_are_told_what_was_before);
        suite_add_tcase(suite, tcase);
        runner = srunner_create(suite);
        srunner_run_all(runner, CK_ENV);
        n_failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return n_failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
