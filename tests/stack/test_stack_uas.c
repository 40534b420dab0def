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
        suite_add_tcase(suite, tcase);
        runner = srunner_create(suite);
        srunner_run_all(runner, CK_NORMAL);
        n_failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return n_failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
