/* A processor that is held for one sender alone. */

#include "processor_fixture.h"

static ScsiCommand *submit_holder(uint64_t timeout_ns) {
        ScsiCommand *command = prepare(0, timeout_ns);

        command->flags = SCSI_COMMAND_HOLDER;
        return submit(command);
}

START_TEST(held_it_sends_the_holders_commands_alone) {
        static const ScriptedAnswer answers[] = { { SCRIPTED(0x00), .delay_ns = NS_PER_S } };

        set_up_table(answers, N_ELEMENTS(answers));
        start(4);
        submit_ready(1);
        scsi_processor_hold(fixture.processor);
        submit_ready(1);
        submit_holder(TIMEOUT_NS);
        submit_holder(TIMEOUT_NS);
        scripted_transport_run_for(&fixture.scripted, 10 * NS_PER_S);
        expect_order("0 2 3");
        ck_assert_uint_eq(fixture.scripted.n_in_flight_peak, 1);
        scsi_processor_release(fixture.processor);
        finish();
        expect_order("0 2 3 1");
}
END_TEST

START_TEST(who_waits_for_a_holder_has_a_deadline) {
        static const ScriptedAnswer answers[] = { { SCRIPTED(0x00) } };

        set_up_table(answers, N_ELEMENTS(answers));
        start(4);
        scsi_processor_hold(fixture.processor);
        submit_ready(1);
        scripted_transport_run_for(&fixture.scripted, 2 * TIMEOUT_NS);
        expect_order("0");
        ck_assert_int_eq(fixture.commands[0].result, SCSI_RESULT_TIMED_OUT);
        scsi_processor_release(fixture.processor);
        finish();
}
END_TEST

START_TEST(a_holder_waits_while_the_device_is_recovered) {
        static const ScriptedAnswer answers[] = { { SCRIPTED(0x00) } };

        set_up_table(answers, N_ELEMENTS(answers));
        start(4);
        scsi_processor_hold(fixture.processor);
        scsi_processor_pause(fixture.processor);
        submit_holder(NS_PER_S);
        submit_holder(TIMEOUT_NS);
        scripted_transport_run_for(&fixture.scripted, 2 * NS_PER_S);
        expect_order("0");
        ck_assert_int_eq(fixture.commands[0].result, SCSI_RESULT_TIMED_OUT);
        scsi_processor_resume(fixture.processor);
        scripted_transport_run(&fixture.scripted);
        ck_assert_int_eq(fixture.commands[1].result, SCSI_RESULT_GOOD);
        scsi_processor_release(fixture.processor);
        finish();
}
END_TEST

START_TEST(a_holders_command_ends_with_the_others) {
        static const ScriptedAnswer answers[] = { { SCRIPTED(0x00) } };

        set_up_table(answers, N_ELEMENTS(answers));
        start(4);
        scsi_processor_hold(fixture.processor);
        scsi_processor_pause(fixture.processor);
        submit_holder(TIMEOUT_NS);
        submit_ready(1);
        scsi_target_cancel(fixture.target, submit_holder(TIMEOUT_NS));
        scsi_processor_fail_all(fixture.processor, SCSI_RESULT_GONE);
        scripted_transport_run(&fixture.scripted);
        ck_assert_int_eq(fixture.commands[0].result, SCSI_RESULT_GONE);
        ck_assert_int_eq(fixture.commands[1].result, SCSI_RESULT_GONE);
        ck_assert_int_eq(fixture.commands[2].result, SCSI_RESULT_CANCELLED);
        scsi_processor_release(fixture.processor);
        finish();
}
END_TEST

int main(void) {
        Suite *suite = suite_create("scsi_hold");
        TCase *tcase = tcase_create("scsi_hold");

        tcase_add_test(tcase, held_it_sends_the_holders_commands_alone);
        tcase_add_test(tcase, who_waits_for_a_holder_has_a_deadline);
        tcase_add_test(tcase, a_holder_waits_while_the_device_is_recovered);
        tcase_add_test(tcase, a_holders_command_ends_with_the_others);
        suite_add_tcase(suite, tcase);
        return run_suite(suite);
}
