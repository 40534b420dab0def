/*
 * A UAS device under the whole of a worker, with streams and without: several LUNs, many requests
 * under way that overtake each other, and every fault that UAS knows. Each answer is right, or an
 * error, and comes once.
 */

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "stack.h"

#define REQUEST_SIZE 65536
#define LARGE_SIZE (8U * 1024 * 1024)
#define N_LUNS 3
#define SPEC_SIZE_MAX 256

/* Each form of UAS. */
static const char *const forms[] = {
        "size=16M,transport=uas",
        "size=16M,transport=uas,speed=high",
        "size=16M,transport=uas-only,disorder-us=3000",
        "size=16M,transport=uas-only,speed=high,disorder-us=3000",
};

/* One at a time: the client must not notice. */
static const char *const passing_faults[] = {
        "stall:command",        "stall:data",      "stall:status",
        "wire-error:command",   "wire-error:data", "wire-error:status",
        "hang:command",         "hang:data",       "hang:status",
        "short-data@opcode=28", "babble",          "data-skipped",
        "zero-packet",          "csw-missing",     "csw-tag",
        "csw-signature",        "csw-status:FF",   "csw-status:28",
        "csw-size:3",           "phase-error",     "reset",
        "unit-attention:29/00", "slow:5000*1",     "sense:B/00/00",
        "not-ready:3000",       "csw-missing*3",   "sense:B/00/00;sense-missing",
};

static void make_spec(char *text, const char *form, const char *more) {
        snprintf(text, SPEC_SIZE_MAX, "%s%s", form, more);
}

static void start(Stack *stack, const char *spec, unsigned n_luns) {
        stack_init(stack, spec);
        ck_assert_int_eq(stack->brought_up_result, 0);
        ck_assert_uint_eq(stack->n_opened, n_luns);
        for (unsigned lun = 0; lun < n_luns; lun++)
                stack_connect(stack, lun, /* is_structured= */ false);
}

/* Large enough to be cut into many commands. */
static void write_all(Stack *stack, unsigned n_luns, uint64_t seed) {
        uint8_t *bytes = malloc(LARGE_SIZE);

        for (unsigned lun = 0; lun < n_luns; lun++) {
                stack_fill(bytes, LARGE_SIZE, seed + lun);
                stack_send_write(stack, lun, REQUEST_SIZE, bytes, LARGE_SIZE, 0);
        }
        for (unsigned lun = 0; lun < n_luns; lun++)
                ck_assert_int_eq(stack_await_reply(stack, lun), 0);
        free(bytes);
}

static void check_all(Stack *stack, unsigned n_luns, uint64_t seed) {
        uint8_t *expected = malloc(LARGE_SIZE), *bytes = malloc(LARGE_SIZE);

        for (unsigned lun = 0; lun < n_luns; lun++) {
                stack_fill(expected, LARGE_SIZE, seed + lun);
                memset(bytes, 0xEE, LARGE_SIZE);
                ck_assert_int_eq(stack_read(stack, lun, REQUEST_SIZE, bytes, LARGE_SIZE, NULL), 0);
                ck_assert_mem_eq(bytes, expected, LARGE_SIZE);
        }
        free(expected);
        free(bytes);
}

START_TEST(several_luns_have_many_requests_under_way) {
        char spec[SPEC_SIZE_MAX];
        Stack stack;

        make_spec(spec, forms[_i], ",luns=3");
        start(&stack, spec, N_LUNS);
        write_all(&stack, N_LUNS, 1000);
        check_all(&stack, N_LUNS, 1000);
        ck_assert_uint_gt(simulated_device_get_counters(stack.device)->n_queue_max, 2 * N_LUNS);
        stack_done(&stack);
}
END_TEST

START_TEST(a_full_task_set_is_waited_for) {
        char spec[SPEC_SIZE_MAX];
        Stack stack;

        make_spec(spec, forms[_i], ",luns=3,queue-depth=2,disorder-us=20000");
        start(&stack, spec, N_LUNS);
        write_all(&stack, N_LUNS, 2000);
        check_all(&stack, N_LUNS, 2000);
        ck_assert_uint_gt(simulated_device_get_counters(stack.device)->n_queue_full, 0);
        stack_done(&stack);
}
END_TEST

START_TEST(a_passing_fault_is_not_noticed) {
        const char *fault = passing_faults[(unsigned) _i / N_ELEMENTS(forms)];
        uint8_t *expected = malloc(REQUEST_SIZE), *bytes = malloc(REQUEST_SIZE);
        Stack stack;

        start(&stack, forms[(unsigned) _i % N_ELEMENTS(forms)], 1);
        stack_fill(expected, REQUEST_SIZE, 7);
        stack_add_faults(&stack, fault);
        ck_assert_msg(stack_write(&stack, 0, 0, expected, REQUEST_SIZE, 0) == 0, "%s", fault);
        /* What a reset may cost is not the matter here. */
        ck_assert_int_eq(stack_command(&stack, 0, NBD_CMD_FLUSH, 0, 0, 0), 0);
        stack_add_faults(&stack, fault);
        ck_assert_msg(stack_read(&stack, 0, 0, bytes, REQUEST_SIZE, NULL) == 0, "%s", fault);
        ck_assert_msg(memcmp(bytes, expected, REQUEST_SIZE) == 0, "%s", fault);
        stack_done(&stack);
        free(expected);
        free(bytes);
}
END_TEST

START_TEST(a_command_that_was_lost_is_aborted_without_a_reset) {
        const SimulatedDeviceCounters *counters;
        uint8_t *bytes = calloc(1, REQUEST_SIZE);
        Stack stack;

        start(&stack, forms[_i], 1);
        stack_add_faults(&stack, "csw-missing");
        ck_assert_int_eq(stack_read(&stack, 0, 0, bytes, REQUEST_SIZE, NULL), 0);
        counters = simulated_device_get_counters(stack.device);
        ck_assert_uint_eq(counters->n_task_managements, 1);
        ck_assert_uint_eq(counters->n_port_resets, 0);
        stack_done(&stack);
        free(bytes);
}
END_TEST

START_TEST(a_device_that_does_not_bear_uas_is_driven_by_bulk_only) {
        uint8_t *bytes = calloc(1, REQUEST_SIZE);
        Stack stack;

        start(&stack, "size=16M,transport=uas,faults=hang:command@opcode=A0*always", 1);
        ck_assert_int_eq(stack_write(&stack, 0, 0, bytes, REQUEST_SIZE, 0), 0);
        stack_done(&stack);
        free(bytes);
}
END_TEST

/* Whatever it is, UAS has it always and Bulk-Only never. */
static const char *const lasting_faults[] = {
        "stall:command@over=uas+opcode=28*always",
        "stall:status@over=uas+opcode=28*always",
        "stall:data@over=uas*always",
        "wire-error:status@over=uas+opcode=2A*always",
        "wire-error:status@over=uas*always",
        "wire-error:command@over=uas*always;port-reset-fails@over=uas*always",
        "hang:status@over=uas+opcode=28*always",
        "hang:command@over=uas*always",
        "freeze:data@over=uas*always",
        "csw-tag@over=uas*always",
        "csw-signature@over=uas*always",
        "csw-size:3@over=uas*always",
        "csw-missing@over=uas*always",
        "phase-error@over=uas*always",
};

#define N_FORMS_WITH_BOT 2

/* Commands that went by UAS since the last call are none of them. */
static bool is_driven_by_bulk_only(Stack *stack) {
        uint64_t n_stalls;
        uint8_t bytes[4096];

        stack_add_faults(stack, "stall:command@over=uas*always");
        n_stalls = simulated_device_get_counters(stack->device)->n_stalls;
        ck_assert_int_eq(stack_read(stack, 0, 12 * MIB, bytes, sizeof(bytes), NULL), 0);
        return simulated_device_get_counters(stack->device)->n_stalls == n_stalls;
}

START_TEST(uas_that_breaks_later_is_left_for_bulk_only) {
        const char *fault = lasting_faults[(unsigned) _i / N_FORMS_WITH_BOT];
        Stack stack;

        start(&stack, forms[(unsigned) _i % N_FORMS_WITH_BOT], 1);
        write_all(&stack, 1, 3000);
        ck_assert_int_eq(stack_command(&stack, 0, NBD_CMD_FLUSH, 0, 0, 0), 0);
        stack_add_faults(&stack, fault);
        check_all(&stack, 1, 3000);
        write_all(&stack, 1, 4000);
        check_all(&stack, 1, 4000);
        ck_assert_msg(is_driven_by_bulk_only(&stack), "%s", fault);
        ck_assert(stack.learned.facts & USB_FACT_UAS_UNRELIABLE);
        ck_assert(!stack.is_stopped);
        ck_assert_uint_eq(stack.exports[0].n_opened, 1);
        stack_done(&stack);
}
END_TEST

START_TEST(nothing_is_lost_with_the_change_to_bulk_only) {
        static const CacheOptions write_back = { .mode = CACHE_MODE_WRITE_BACK,
                                                 .line_size = 16 * KIB };
        const char *fault = lasting_faults[(unsigned) _i / N_FORMS_WITH_BOT];
        uint8_t *expected = malloc(2 * MIB), *bytes = malloc(2 * MIB);
        Stack stack;

        stack_init_with_cache(&stack, forms[(unsigned) _i % N_FORMS_WITH_BOT], &write_back, NULL,
                              NULL);
        stack_connect(&stack, 0, /* is_structured= */ false);
        stack_sleep_ms(&stack, 100);
        stack_fill(expected, 2 * MIB, 11);
        /* Written back, and in the device's cache only. */
        stack_add_faults(&stack, "sense:4/44/00@opcode=35*always");
        ck_assert_int_eq(stack_write(&stack, 0, 0, expected, 1 * MIB, 0), 0);
        ck_assert_int_ne(stack_command(&stack, 0, NBD_CMD_FLUSH, 0, 0, 0), 0);
        stack_read_image(&stack, 0, 0, bytes, 1 * MIB);
        ck_assert_mem_ne(bytes, expected, 1 * MIB);
        simulated_device_clear_faults(stack.device);

        stack_add_faults(&stack, fault);
        ck_assert_int_eq(stack_write(&stack, 0, 1 * MIB, expected + MIB, 1 * MIB, 0), 0);
        ck_assert_int_eq(stack_read(&stack, 0, 8 * MIB, bytes, 1 * MIB, NULL), 0);
        ck_assert_msg(stack_command(&stack, 0, NBD_CMD_FLUSH, 0, 0, 0) == 0, "%s", fault);
        stack_read_image(&stack, 0, 0, bytes, 2 * MIB);
        ck_assert_msg(memcmp(bytes, expected, 2 * MIB) == 0, "%s", fault);
        ck_assert_uint_eq(stack.n_parked, 0);
        ck_assert_uint_eq(stack.exports[0].n_opened, 1);
        stack_done(&stack);
        free(expected);
        free(bytes);
}
END_TEST

START_TEST(a_few_recoveries_in_ten_minutes_leave_uas_alone) {
        uint8_t bytes[4096];
        Stack stack;

        /* Each needs a port reset. */
        start(&stack, forms[_i], 1);
        for (unsigned i = 0; i < 6; i++) {
                stack_add_faults(&stack, "hang:status@opcode=28");
                ck_assert_int_eq(stack_read(&stack, 0, 0, bytes, sizeof(bytes), NULL), 0);
                stack_sleep_ms(&stack, 6 * 60000);
        }
        ck_assert(!(stack.learned.facts & USB_FACT_UAS_UNRELIABLE));
        ck_assert(!is_driven_by_bulk_only(&stack));
        stack_done(&stack);
}
END_TEST

START_TEST(the_third_port_reset_in_ten_minutes_ends_uas) {
        uint8_t bytes[4096];
        Stack stack;

        start(&stack, forms[_i], 1);
        for (unsigned i = 0; i < 3; i++) {
                stack_add_faults(&stack, "hang:status@opcode=28");
                ck_assert_int_eq(stack_read(&stack, 0, 0, bytes, sizeof(bytes), NULL), 0);
                stack_sleep_ms(&stack, 60000);
        }
        ck_assert(is_driven_by_bulk_only(&stack));
        /* For as long as it is connected. */
        stack_sleep_ms(&stack, 60 * 60000);
        ck_assert(is_driven_by_bulk_only(&stack));
        stack_done(&stack);
}
END_TEST

START_TEST(a_device_without_bulk_only_stays_with_uas) {
        uint8_t bytes[4096];
        Stack stack;

        start(&stack, "size=16M,transport=uas-only", 1);
        for (unsigned i = 0; i < 5; i++) {
                stack_add_faults(&stack, "hang:status@opcode=28");
                ck_assert_int_eq(stack_read(&stack, 0, 0, bytes, sizeof(bytes), NULL), 0);
                stack_sleep_ms(&stack, 60000);
        }
        ck_assert(!stack.is_stopped);
        stack_done(&stack);
}
END_TEST

START_TEST(all_luns_go_on_by_bulk_only) {
        char spec[SPEC_SIZE_MAX];
        Stack stack;

        make_spec(spec, forms[_i], ",luns=3");
        start(&stack, spec, N_LUNS);
        write_all(&stack, N_LUNS, 5000);
        for (unsigned lun = 0; lun < N_LUNS; lun++)
                ck_assert_int_eq(stack_command(&stack, lun, NBD_CMD_FLUSH, 0, 0, 0), 0);
        stack_add_faults(&stack, "wire-error:status@over=uas+lun=1*always");
        check_all(&stack, N_LUNS, 5000);
        write_all(&stack, N_LUNS, 6000);
        check_all(&stack, N_LUNS, 6000);
        ck_assert(is_driven_by_bulk_only(&stack));
        stack_done(&stack);
}
END_TEST

int main(void) {
        Suite *suite = suite_create("stack uas");
        TCase *tcase = tcase_create("uas");
        SRunner *runner;
        int n_failed;

        tcase_set_timeout(tcase, 60);
        tcase_add_loop_test(tcase, several_luns_have_many_requests_under_way, 0, N_ELEMENTS(forms));
        tcase_add_loop_test(tcase, a_full_task_set_is_waited_for, 0, N_ELEMENTS(forms));
        tcase_add_loop_test(tcase, a_passing_fault_is_not_noticed, 0,
                            (int) (N_ELEMENTS(forms) * N_ELEMENTS(passing_faults)));
        tcase_add_loop_test(tcase, a_command_that_was_lost_is_aborted_without_a_reset, 0,
                            N_ELEMENTS(forms));
        tcase_add_test(tcase, a_device_that_does_not_bear_uas_is_driven_by_bulk_only);
        tcase_add_loop_test(tcase, uas_that_breaks_later_is_left_for_bulk_only, 0,
                            (int) (N_FORMS_WITH_BOT * N_ELEMENTS(lasting_faults)));
        tcase_add_loop_test(tcase, nothing_is_lost_with_the_change_to_bulk_only, 0,
                            (int) (N_FORMS_WITH_BOT * N_ELEMENTS(lasting_faults)));
        tcase_add_loop_test(tcase, a_few_recoveries_in_ten_minutes_leave_uas_alone, 0,
                            N_FORMS_WITH_BOT);
        tcase_add_loop_test(tcase, the_third_port_reset_in_ten_minutes_ends_uas, 0,
                            N_FORMS_WITH_BOT);
        tcase_add_test(tcase, a_device_without_bulk_only_stays_with_uas);
        tcase_add_loop_test(tcase, all_luns_go_on_by_bulk_only, 0, N_FORMS_WITH_BOT);
        suite_add_tcase(suite, tcase);
        runner = srunner_create(suite);
        srunner_run_all(runner, CK_NORMAL);
        n_failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return n_failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
