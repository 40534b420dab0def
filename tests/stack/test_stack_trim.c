/* TRIM is tried out on what the first client gives up, and harms nothing else. */

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "stack.h"

#define AREA (1 * MIB)
#define TRIM_OFFSET (256 * KIB)
#define TRIM_SIZE (512 * KIB)

static const CacheOptions write_back = { .mode = CACHE_MODE_WRITE_BACK, .line_size = 16 * KIB };
static Stack stack;
static uint8_t written[AREA], got[AREA];

static void start(const char *spec, bool has_cache) {
        if (has_cache)
                stack_init_with_cache(&stack, spec, &write_back, NULL, NULL);
        else
                stack_init(&stack, spec);
        ck_assert_int_eq(stack.brought_up_result, 0);
        stack_connect(&stack, 0, /* is_structured= */ false);
        stack_fill(written, AREA, 1);
        ck_assert_int_eq(stack_write(&stack, 0, 0, written, AREA, 0), 0);
        ck_assert_int_eq(stack_command(&stack, 0, NBD_CMD_FLUSH, 0, 0, 0), 0);
}

static int trim(uint64_t offset, uint32_t size) {
        return stack_command(&stack, 0, NBD_CMD_TRIM, 0, offset, size);
}

static uint64_t count_unmaps(void) {
        const SimulatedDeviceCounters *counters = simulated_device_get_counters(stack.device);

        return counters->n_commands_by_opcode[0x42] + counters->n_commands_by_opcode[0x93];
}

/* As the device has it, whatever a cache holds. */
static void neighbours_are_whole(void) {
        uint64_t end = TRIM_OFFSET + TRIM_SIZE;

        ck_assert_int_eq(simulated_device_read_medium(stack.device, 0, /* is_stable= */ false, 0,
                                                      got, AREA),
                         0);
        ck_assert_mem_eq(got, written, TRIM_OFFSET);
        ck_assert_mem_eq(got + end, written + end, AREA - end);
}

START_TEST(a_trim_that_works_is_tried_once) {
        start("size=16M", _i);
        ck_assert_int_eq(trim(TRIM_OFFSET, TRIM_SIZE), 0);
        neighbours_are_whole();
        ck_assert(got[TRIM_OFFSET] == 0 && got[TRIM_OFFSET + TRIM_SIZE - 1] == 0);
        uint64_t n_before = count_unmaps();
        ck_assert_int_eq(trim(TRIM_OFFSET, TRIM_SIZE), 0);
        ck_assert_uint_eq(count_unmaps(), n_before + 1);
        stack_done(&stack);
}
END_TEST

static const char *const bad_devices[] = {
        "size=16M,faults=unmap-overreach:1",
        "size=16M,faults=unmap-overreach:100",
        "size=16M,faults=sense:5/20/00@opcode=42*always;sense:5/20/00@opcode=93*always",
        "size=16M,faults=sense:4/44/00@opcode=42*always",
        "size=16M,faults=hang:command@opcode=42*always",
};

START_TEST(a_trim_that_does_harm_is_off_and_its_harm_undone) {
        start(bad_devices[_i / 2], _i % 2);
        (void) trim(TRIM_OFFSET, TRIM_SIZE);
        neighbours_are_whole();
        uint64_t n_before = count_unmaps();
        (void) trim(TRIM_OFFSET, TRIM_SIZE);
        ck_assert_uint_eq(count_unmaps(), n_before);
        ck_assert_int_eq(stack_read(&stack, 0, 0, got, 4096, NULL), 0);
        ck_assert_mem_eq(got, written, 4096);
        stack_done(&stack);
}
END_TEST

START_TEST(nothing_is_written_where_nothing_was_given_up) {
        start("size=16M", false);
        /* Less than a block: nothing to try with. */
        ck_assert_int_eq(trim(TRIM_OFFSET + 1, 100), 0);
        ck_assert_uint_eq(count_unmaps(), 0);
        ck_assert_int_eq(trim(TRIM_OFFSET, 512), 0);
        ck_assert_int_eq(stack_read(&stack, 0, 0, got, AREA, NULL), 0);
        memcpy(got + TRIM_OFFSET, written + TRIM_OFFSET, 512);
        ck_assert_mem_eq(got, written, AREA);
        stack_done(&stack);
}
END_TEST

START_TEST(zeroes_are_never_left_to_what_was_not_tried) {
        start("size=16M,faults=unmap-overreach:8", false);
        ck_assert_int_eq(stack_command(&stack, 0, NBD_CMD_WRITE_ZEROES, 0, TRIM_OFFSET, TRIM_SIZE),
                         0);
        neighbours_are_whole();
        ck_assert(got[TRIM_OFFSET] == 0 && got[TRIM_OFFSET + TRIM_SIZE - 1] == 0);
        stack_done(&stack);
}
END_TEST

int main(void) {
        Suite *suite = suite_create("stack trim");
        TCase *tcase = tcase_create("trim");
        SRunner *runner;
        int n_failed;

        tcase_set_timeout(tcase, 60);
        tcase_add_loop_test(tcase, a_trim_that_works_is_tried_once, 0, 2);
        tcase_add_loop_test(tcase, a_trim_that_does_harm_is_off_and_its_harm_undone, 0,
                            2 * N_ELEMENTS(bad_devices));
        tcase_add_test(tcase, nothing_is_written_where_nothing_was_given_up);
        tcase_add_test(tcase, zeroes_are_never_left_to_what_was_not_tried);
        suite_add_tcase(suite, tcase);
        runner = srunner_create(suite);
        srunner_run_all(runner, CK_ENV);
        n_failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return n_failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
