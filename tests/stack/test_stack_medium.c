/* A medium with bad blocks, through the whole stack: with a cache and without. */

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "stack.h"

#define SPEC "size=16M,serial=WORN"
#define BLOCK 512
#define FIRST_BAD 2060
#define SECOND_BAD 2070 /* and the one behind it */

static const CacheOptions write_back = { .mode = CACHE_MODE_WRITE_BACK, .line_size = 16 * KIB };
static Stack stack;
static uint8_t data[64 * KIB], other[64 * KIB];

/* How the device tells of a bad block. */
static const char *const information_options[] = { "", ";information-missing",
                                                   ";information-wrong:2048" };

#define N_CASES (2 * N_ELEMENTS(information_options))

static void set_up_case(int i) {
        char faults[128];

        if (i % 2 == 0)
                stack_init(&stack, SPEC);
        else
                stack_init_with_cache(&stack, SPEC, &write_back, NULL, NULL);
        ck_assert_int_eq(stack.brought_up_result, 0);
        stack_connect(&stack, 0, /* is_structured= */ true);
        stack_fill(data, sizeof(data), 1);
        /* Behind the cache's back, which would hide the medium. */
        ck_assert_int_eq(
                        simulated_device_write_medium(stack.device, 0, 1 * MIB, data, sizeof(data)),
                        0);
        snprintf(faults, sizeof(faults), "medium-error@lba=%u;medium-error@lba=%u..%u%s", FIRST_BAD,
                 SECOND_BAD, SECOND_BAD + 1, information_options[i / 2]);
        stack_add_faults(&stack, faults);
}

static void read_is_good(uint64_t block, uint64_t n_blocks) {
        memset(other, 0, sizeof(other));
        ck_assert_int_eq(stack_read(&stack, 0, block * BLOCK, other, (uint32_t) n_blocks * BLOCK,
                                    NULL),
                         0);
        ck_assert_mem_eq(other, data + (block * BLOCK - 1 * MIB), n_blocks * BLOCK);
}

static void read_fails_at(uint64_t block, uint64_t n_blocks, uint64_t bad) {
        uint64_t error_offset = 0;

        ck_assert_int_eq(stack_read(&stack, 0, block * BLOCK, other, (uint32_t) n_blocks * BLOCK,
                                    &error_offset),
                         NBD_EIO);
        ck_assert_uint_eq(error_offset, bad * BLOCK);
}

START_TEST(good_blocks_around_bad_ones_are_read_and_these_are_named) {
        set_up_case(_i);
        read_fails_at(2048, 128, FIRST_BAD);
        read_is_good(2048, FIRST_BAD - 2048);
        read_is_good(FIRST_BAD + 1, SECOND_BAD - FIRST_BAD - 1);
        read_fails_at(FIRST_BAD + 1, 100, SECOND_BAD);
        read_fails_at(SECOND_BAD + 1, 10, SECOND_BAD + 1);
        read_is_good(SECOND_BAD + 2, 2048 + 128 - SECOND_BAD - 2);
        stack_done(&stack);
}
END_TEST

/* Each try would take the device 9 seconds. */
START_TEST(a_reader_that_tries_again_is_told_at_once) {
        uint64_t start_ms;

        set_up_case(_i);
        read_fails_at(FIRST_BAD, 1, FIRST_BAD);
        stack_add_faults(&stack, "slow:9000@lba=2060");
        start_ms = stack_now_ms(&stack);
        for (unsigned i = 0; i < 20; i++)
                read_fails_at(FIRST_BAD, 1, FIRST_BAD);
        ck_assert_uint_lt(stack_now_ms(&stack) - start_ms, 100);
        stack_done(&stack);
}
END_TEST

START_TEST(a_bad_block_that_was_written_is_read) {
        set_up_case(_i);
        read_fails_at(FIRST_BAD, 1, FIRST_BAD);
        simulated_device_clear_faults(stack.device);
        ck_assert_int_eq(stack_write(&stack, 0, FIRST_BAD * BLOCK,
                                     data + (FIRST_BAD * BLOCK - 1 * MIB), BLOCK, 0),
                         0);
        ck_assert_int_eq(stack_command(&stack, 0, NBD_CMD_FLUSH, 0, 0, 0), 0);
        read_is_good(FIRST_BAD, 1);
        read_is_good(2048, SECOND_BAD - 2048);
        stack_done(&stack);
}
END_TEST

int main(void) {
        Suite *suite = suite_create("stack medium");
        TCase *tcase = tcase_create("medium");
        SRunner *runner;
        int n_failed;

        tcase_set_timeout(tcase, 60);
        tcase_add_loop_test(tcase, good_blocks_around_bad_ones_are_read_and_these_are_named, 0,
                            N_CASES);
        tcase_add_loop_test(tcase, a_reader_that_tries_again_is_told_at_once, 0, N_CASES);
        tcase_add_loop_test(tcase, a_bad_block_that_was_written_is_read, 0, N_CASES);
        suite_add_tcase(suite, tcase);
        runner = srunner_create(suite);
        srunner_run_all(runner, CK_ENV);
        n_failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return n_failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
