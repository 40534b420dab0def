/* When a SYNCHRONIZE CACHE is told of, beside other commands at the device. */

#include "processor_fixture.h"

/* What the command beside a SYNCHRONIZE CACHE comes back with, and how. */
typedef struct FenceCase {
        ScriptedAnswer other;
        ScsiResult result;
        size_t n_syncs;
} FenceCase;

static const FenceCase fence_cases[] = {
        { { SCRIPTED(0x00), .delay_ns = NS_PER_S }, SCSI_RESULT_GOOD, 1 },
        { { SCRIPTED(0x00), .delay_ns = NS_PER_S, .sense = 0x062900, .has_sense_at_once = true },
          SCSI_RESULT_CHECK_CONDITION,
          1 },
        { { SCRIPTED(0x00), .delay_ns = NS_PER_S, .result = TRANSPORT_RESULT_BUSY },
          SCSI_RESULT_BUSY,
          1 },
        { { SCRIPTED(0x00), .delay_ns = NS_PER_S, .result = TRANSPORT_RESULT_ERROR },
          SCSI_RESULT_TRANSPORT_ERROR,
          2 },
        { { SCRIPTED(0x00), .hangs = true }, SCSI_RESULT_TIMED_OUT, 2 },
};

static ScsiCommand *submit_sync(uint8_t lun) {
        ScsiCommand *command = prepare(lun, 2 * TIMEOUT_NS);

        scsi_command_synchronize_cache(command);
        return submit(command);
}

/* SPC-4, "Unit attention condition": of several commands at the device any one tells of a reset. */
START_TEST(a_sync_is_told_behind_what_was_at_the_device_with_it) {
        const FenceCase *c = &fence_cases[_i];
        const ScriptedAnswer answers[] = { c->other, { SCRIPTED(0x35), .delay_ns = NS_PER_MS } };

        set_up_table(answers, N_ELEMENTS(answers));
        start(4);
        submit_ready(3);
        submit_sync(3);
        scripted_transport_run_for(&fixture.scripted, 100 * NS_PER_MS);
        ck_assert_uint_eq(fixture.n_done, 0);
        finish();
        expect_order("0 1");
        ck_assert_int_eq(fixture.commands[0].result, c->result);
        ck_assert_int_eq(fixture.commands[1].result, SCSI_RESULT_GOOD);
        ck_assert_uint_eq(fixture.scripted.n_commands, 1 + c->n_syncs);
}
END_TEST

/* The processor is paused, as while it is recovered: nothing would be sent before the deadline. */
START_TEST(a_sync_that_is_held_ends_with_the_device) {
        static const ScriptedAnswer answers[] = {
                { SCRIPTED(0x00), .delay_ns = NS_PER_S, .result = TRANSPORT_RESULT_GONE },
                { SCRIPTED(0x35), .delay_ns = NS_PER_MS },
        };
        ScsiCommand *sync;

        set_up_table(answers, N_ELEMENTS(answers));
        start(4);
        submit_ready(2);
        sync = submit_sync(2);
        scripted_transport_run_for(&fixture.scripted, 100 * NS_PER_MS);
        scsi_processor_pause(fixture.processor);
        scripted_transport_run_for(&fixture.scripted, NS_PER_S);
        ck_assert_uint_eq(fixture.n_done, 2);
        ck_assert_int_eq(sync->result, SCSI_RESULT_GONE);
        finish();
}
END_TEST

START_TEST(a_sync_does_not_wait_for_other_units_nor_for_what_came_later) {
        static const ScriptedAnswer answers[] = {
                { SCRIPTED(0x00), .has_lun = true, .lun = 1, .delay_ns = 5 * NS_PER_S },
                { SCRIPTED(0x00), .delay_ns = NS_PER_S },
                { SCRIPTED(0x35), .delay_ns = 500 * NS_PER_MS },
        };

        set_up_table(answers, N_ELEMENTS(answers));
        start(4);
        submit_ready(1);
        submit_ready(2);
        submit_sync(2);
        scripted_transport_run_for(&fixture.scripted, 800 * NS_PER_MS);
        submit_ready(2);
        finish();
        expect_order("1 2 3 0");
}
END_TEST

START_TEST(a_sync_that_is_held_can_be_cancelled) {
        static const ScriptedAnswer answers[] = {
                { SCRIPTED(0x00), .delay_ns = NS_PER_S },
                { SCRIPTED(0x35), .delay_ns = NS_PER_MS },
        };
        ScsiCommand *sync;

        set_up_table(answers, N_ELEMENTS(answers));
        start(4);
        submit_ready(2);
        sync = submit_sync(2);
        scripted_transport_run_for(&fixture.scripted, 100 * NS_PER_MS);
        scsi_target_cancel(fixture.target, sync);
        finish();
        expect_order("1 0");
        ck_assert_int_eq(sync->result, SCSI_RESULT_CANCELLED);
        ck_assert(!sync->was_sent);
}
END_TEST

int main(void) {
        Suite *suite = suite_create("scsi_fence");
        TCase *tcase = tcase_create("scsi_fence");

        tcase_add_loop_test(tcase, a_sync_is_told_behind_what_was_at_the_device_with_it, 0,
                            (int) N_ELEMENTS(fence_cases));
        tcase_add_test(tcase, a_sync_that_is_held_ends_with_the_device);
        tcase_add_test(tcase, a_sync_does_not_wait_for_other_units_nor_for_what_came_later);
        tcase_add_test(tcase, a_sync_that_is_held_can_be_cancelled);
        suite_add_tcase(suite, tcase);
        return run_suite(suite);
}
