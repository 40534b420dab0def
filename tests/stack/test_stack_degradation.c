/* Degradation is graceful: what a device can't do any more is not asked of it, for a good while. */

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "stack.h"

#define SIZE (1 * MIB)
#define MINUTE_MS UINT64_C(60000)
#define READ_10 0x28
#define WRITE_10 0x2A

static const CacheOptions write_back = { .mode = CACHE_MODE_WRITE_BACK, .line_size = 16 * KIB };
static Stack stack;
static uint8_t written[SIZE], got[SIZE];

static uint64_t count(uint8_t opcode) {
        return simulated_device_get_counters(stack.device)->n_commands_by_opcode[opcode];
}

static void start(const CacheOptions *cache) {
        if (cache)
                stack_init_with_cache(&stack, "size=16M", cache, NULL, NULL);
        else
                stack_init(&stack, "size=16M");
        ck_assert_int_eq(stack.brought_up_result, 0);
        stack_connect(&stack, 0, /* is_structured= */ false);
        stack_fill(written, SIZE, 1);
}

/* How many commands it took. */
static uint64_t read_whole(void) {
        uint64_t n_before = count(READ_10);

        memset(got, 0xEE, SIZE);
        ck_assert_int_eq(stack_read(&stack, 0, 0, got, SIZE, NULL), 0);
        ck_assert_mem_eq(got, written, SIZE);
        return count(READ_10) - n_before;
}

START_TEST(long_transfers_that_break_the_device_are_cut_and_grow_back) {
        static const char *const faults[] = {
                "wire-error:data@longer=128*always",
                "phase-error@longer=128*always",
                "csw-tag@longer=500*always",
        };
        uint64_t n_short, n_long;

        start(NULL);
        ck_assert_int_eq(stack_write(&stack, 0, 0, written, SIZE, 0), 0);
        /* A reset would lose it. */
        ck_assert_int_eq(stack_command(&stack, 0, NBD_CMD_FLUSH, 0, 0, 0), 0);
        n_long = read_whole();
        stack_add_faults(&stack, faults[_i]);
        read_whole();
        n_short = read_whole();
        ck_assert_uint_gt(n_short, n_long);
        ck_assert(!stack.is_stopped);

        /* Long ones are tried again from time to time, and then cut again. */
        for (unsigned i = 0; i < 3; i++) {
                stack_sleep_ms(&stack, 11 * MINUTE_MS);
                read_whole();
        }
        simulated_device_clear_faults(stack.device);
        for (unsigned i = 0; i < 6; i++) {
                stack_sleep_ms(&stack, 11 * MINUTE_MS);
                read_whole();
        }
        ck_assert_uint_eq(read_whole(), n_long);
        stack_done(&stack);
}
END_TEST

START_TEST(long_writes_that_break_the_device_are_cut) {
        start(NULL);
        stack_add_faults(&stack, "wire-error:data@longer=128+opcode=2A*always");
        ck_assert_int_eq(stack_write(&stack, 0, 0, written, SIZE, 0), 0);
        read_whole();
        stack_done(&stack);
}
END_TEST

/* Whether a write was at the device when it was acknowledged. */
static bool is_write_sent_at_once(void) {
        uint64_t n_before = count(WRITE_10);

        ck_assert_int_eq(stack_write(&stack, 0, 0, written, 4096, 0), 0);
        return count(WRITE_10) > n_before;
}

/* What is read is not in the cache. */
static void be_reset(unsigned i) {
        stack_add_faults(&stack, "reset");
        ck_assert_int_eq(stack_read(&stack, 0, (4 + i) * MIB, got, 512, NULL), 0);
        stack_sleep_ms(&stack, 1000);
}

START_TEST(a_device_that_is_reset_too_often_is_written_through) {
        start(&write_back);
        stack_sleep_ms(&stack, 1000);
        ck_assert(!is_write_sent_at_once());
        for (unsigned i = 0; i < 3; i++)
                be_reset(i);
        ck_assert(is_write_sent_at_once());
        stack_sleep_ms(&stack, 9 * MINUTE_MS);
        ck_assert(is_write_sent_at_once());
        stack_sleep_ms(&stack, 2 * MINUTE_MS);
        ck_assert(!is_write_sent_at_once());
        stack_done(&stack);
}
END_TEST

START_TEST(a_device_that_is_reset_now_and_then_is_not) {
        start(&write_back);
        for (unsigned i = 0; i < 6; i++) {
                be_reset(i);
                stack_sleep_ms(&stack, 6 * MINUTE_MS);
        }
        ck_assert(!is_write_sent_at_once());
        stack_done(&stack);
}
END_TEST

START_TEST(a_device_that_refuses_writes_is_left_alone_for_a_while) {
        uint64_t n_before;

        start(NULL);
        stack_add_faults(&stack, "sense:7/27/00@opcode=2A*always");
        for (unsigned i = 0; i < 3; i++)
                ck_assert_int_eq(stack_write(&stack, 0, 0, written, 4096, 0), NBD_EPERM);
        n_before = count(WRITE_10);
        ck_assert_int_eq(stack_write(&stack, 0, 0, written, 4096, 0), NBD_EPERM);
        ck_assert_uint_eq(count(WRITE_10), n_before);
        ck_assert_int_eq(stack_read(&stack, 0, 0, got, 4096, NULL), 0);

        simulated_device_clear_faults(stack.device);
        stack_sleep_ms(&stack, 6 * MINUTE_MS);
        ck_assert_int_eq(stack_write(&stack, 0, 0, written, 4096, 0), 0);
        stack_done(&stack);
}
END_TEST

int main(void) {
        Suite *suite = suite_create("stack degradation");
        TCase *tcase = tcase_create("degradation");
        SRunner *runner;
        int n_failed;

        tcase_set_timeout(tcase, 60);
        tcase_add_loop_test(tcase, long_transfers_that_break_the_device_are_cut_and_grow_back, 0,
                            3);
        tcase_add_test(tcase, long_writes_that_break_the_device_are_cut);
        tcase_add_test(tcase, a_device_that_is_reset_too_often_is_written_through);
        tcase_add_test(tcase, a_device_that_is_reset_now_and_then_is_not);
        tcase_add_test(tcase, a_device_that_refuses_writes_is_left_alone_for_a_while);
        suite_add_tcase(suite, tcase);
        runner = srunner_create(suite);
        srunner_run_all(runner, CK_ENV);
        n_failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return n_failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
