/*
 * Mistakes that other drivers made (reference/usb-mass-storage.md, section 8): each of them is a
 * trap that a device sets, and a test that walks into it.
 */

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "stack.h"

#define SIZE 65536
#define OFFSET (1 * MIB)

static Stack stack;
static uint8_t written[1 * MIB], got[1 * MIB];

static void start(const char *spec) {
        stack_init(&stack, spec);
        ck_assert_int_eq(stack.brought_up_result, 0);
        ck_assert(stack.exports[0].is_open);
        stack_connect(&stack, 0, /* is_structured= */ false);
}

static void put(uint64_t offset, uint32_t size) {
        stack_fill(written, size, offset + 1);
        ck_assert_int_eq(stack_write(&stack, 0, offset, written, size, 0), 0);
}

static void is_there(uint64_t offset, uint32_t size) {
        memset(got, 0xEE, size);
        ck_assert_int_eq(stack_read(&stack, 0, offset, got, size, NULL), 0);
        ck_assert_mem_eq(got, written, size);
}

static uint64_t count(uint8_t opcode) {
        return simulated_device_get_counters(stack.device)->n_commands_by_opcode[opcode];
}

/* One fault on the way of a read, as often as told. */
static void reads_through(const char *faults) {
        start("size=16M");
        put(OFFSET, SIZE);
        stack_add_faults(&stack, faults);
        for (unsigned i = 0; i < 10; i++)
                is_there(OFFSET, SIZE);
        stack_done(&stack);
}

START_TEST(a_wrong_signature_is_not_only_logged) {
        /* And the data that came before it is not believed. */
        reads_through("csw-signature*2;short-data-untold:512*2");
}
END_TEST

START_TEST(a_residue_is_not_ignored) { reads_through("short-data:1024@opcode=28*3"); }
END_TEST

START_TEST(a_residue_that_means_nothing_is_no_failure) {
        start("size=16M,faults=residue:512*always");
        put(OFFSET, SIZE);
        is_there(OFFSET, SIZE);
        stack_done(&stack);
}
END_TEST

START_TEST(block_numbers_have_no_sign) {
        /* Around the 2^31st block, and the 2^32nd, where READ(10) ends. */
        static const uint64_t lbas[] = { (UINT64_C(1) << 31) - 4, (UINT64_C(1) << 32) - 4 };

        start("size=4T");
        for (size_t i = 0; i < N_ELEMENTS(lbas); i++) {
                put(lbas[i] * 512, 8192);
                is_there(lbas[i] * 512, 8192);
                /* What a cut number would have hit instead. */
                memset(written, 0, 4096);
                is_there(0, 4096);
        }
        stack_done(&stack);
}
END_TEST

START_TEST(the_last_block_is_there) {
        start("size=1M");
        ck_assert_uint_eq(stack.exports[0].info.size, 1 * MIB);
        put(1 * MIB - 512, 512);
        is_there(1 * MIB - 512, 512);
        stack_done(&stack);
}
END_TEST

START_TEST(a_status_that_comes_in_place_of_the_data_is_no_data) { reads_through("data-skipped*2"); }
END_TEST

START_TEST(a_status_is_not_swallowed_with_a_short_packet) {
        static const char *const specs[] = { "size=16M,short-data=short", "size=16M,short-data=pad",
                                             "size=16M,short-data=stall" };

        for (size_t i = 0; i < N_ELEMENTS(specs); i++) {
                start(specs[i]);
                put(OFFSET, SIZE);
                stack_add_faults(&stack, "short-data:512@opcode=28*3");
                is_there(OFFSET, SIZE);
                is_there(OFFSET, SIZE);
                stack_done(&stack);
        }
}
END_TEST

START_TEST(a_medium_that_may_have_changed_does_not_end_bring_up) {
        start("size=16M,faults=unit-attention:28/00@nth=1;unit-attention:28/00@nth=2;"
              "unit-attention:28/00@opcode=25");
        put(OFFSET, SIZE);
        is_there(OFFSET, SIZE);
        stack_done(&stack);
}
END_TEST

START_TEST(a_read_that_failed_with_unit_attention_is_no_success) {
        start("size=16M");
        put(OFFSET, SIZE);
        stack_add_faults(&stack, "unit-attention:29/00@opcode=28");
        is_there(OFFSET, SIZE);
        stack_add_faults(&stack, "sense:6/29/00@opcode=28*always");
        ck_assert_int_eq(stack_read(&stack, 0, OFFSET, got, SIZE, NULL), NBD_EIO);
        stack_done(&stack);
}
END_TEST

START_TEST(a_device_of_an_old_standard_is_driven) {
        static const char *const specs[] = { "size=16M,scsi-version=0", "size=16M,scsi-version=2",
                                             "size=16M,scsi-version=4" };

        for (size_t i = 0; i < N_ELEMENTS(specs); i++) {
                start(specs[i]);
                put(OFFSET, SIZE);
                is_there(OFFSET, SIZE);
                stack_done(&stack);
        }
}
END_TEST

START_TEST(a_data_phase_may_stall) { reads_through("stall:data*3"); }
END_TEST

START_TEST(there_is_more_than_unit_0) {
        start("size=1M,luns=5");
        for (unsigned i = 0; i < 5; i++)
                ck_assert(stack.exports[i].is_open);
        stack_done(&stack);
}
END_TEST

START_TEST(a_status_with_the_tag_of_another_command_is_not_its_own) {
        reads_through("csw-tag@every=4*3");
}
END_TEST

START_TEST(a_unit_that_never_becomes_ready_is_not_asked_for_ever) {
        stack_init(&stack, "size=1M,luns=2,faults=sense:2/04/01@lun=0*always");
        ck_assert_int_eq(stack.brought_up_result, 0);
        ck_assert(!stack.exports[0].is_open);
        ck_assert(stack.exports[1].is_open);
        ck_assert_uint_lt(stack_now_ms(&stack), 120000);
        ck_assert_uint_lt(count(0x00), 400);
        stack_done(&stack);
}
END_TEST

START_TEST(large_reads_are_few_commands) {
        uint64_t n_before;

        start("size=16M");
        put(OFFSET, 1 * MIB);
        n_before = count(0x28);
        is_there(OFFSET, 1 * MIB);
        ck_assert_uint_le(count(0x28) - n_before, 2);
        stack_done(&stack);
}
END_TEST

START_TEST(nobody_sleeps_between_commands) {
        uint64_t start_ms;

        start("size=16M");
        put(OFFSET, 4096);
        start_ms = stack_now_ms(&stack);
        for (unsigned i = 0; i < 100; i++)
                is_there(OFFSET, 4096);
        /* 4 KiB take 10 microseconds of the link. */
        ck_assert_uint_le(stack_now_ms(&stack) - start_ms, 20);
        stack_done(&stack);
}
END_TEST

START_TEST(what_is_unplugged_is_not_tried_again) {
        uint64_t start_ms;

        start("size=16M");
        put(OFFSET, 4096);
        start_ms = stack_now_ms(&stack);
        stack_add_faults(&stack, "disconnect:data");
        ck_assert_int_ne(stack_read(&stack, 0, OFFSET, got, 4096, NULL), 0);
        ck_assert_uint_le(stack_now_ms(&stack) - start_ms, 100);
        stack_done(&stack);
}
END_TEST

/* A FLUSH that the device answers with the news of its own reset is not a FLUSH that went well. */
START_TEST(a_flush_that_a_reset_hits_is_told) {
        start("size=16M");
        put(OFFSET, SIZE);
        stack_add_faults(&stack, "reset@opcode=35");
        ck_assert_int_eq(stack_command(&stack, 0, NBD_CMD_FLUSH, 0, 0, 0), NBD_EIO);
        put(OFFSET, SIZE);
        ck_assert_int_eq(stack_command(&stack, 0, NBD_CMD_FLUSH, 0, 0, 0), 0);
        is_there(OFFSET, SIZE);
        stack_done(&stack);
}
END_TEST

int main(void) {
        const TTest *const tests[] = {
                /* libaums */
                a_wrong_signature_is_not_only_logged,
                a_residue_is_not_ignored,
                block_numbers_have_no_sign,
                the_last_block_is_there,
                a_status_that_comes_in_place_of_the_data_is_no_data,
                a_status_is_not_swallowed_with_a_short_packet,
                a_medium_that_may_have_changed_does_not_end_bring_up,
                /* libusbhsfs */
                a_read_that_failed_with_unit_attention_is_no_success,
                a_device_of_an_old_standard_is_driven,
                /* ESP-IDF */
                a_residue_that_means_nothing_is_no_failure,
                a_data_phase_may_stall,
                there_is_more_than_unit_0,
                /* TinyUSB */
                a_status_with_the_tag_of_another_command_is_not_its_own,
                a_unit_that_never_becomes_ready_is_not_asked_for_ever,
                /* U-Boot */
                large_reads_are_few_commands,
                nobody_sleeps_between_commands,
                /* EtchDroid */
                what_is_unplugged_is_not_tried_again,
                /* Linux */
                a_flush_that_a_reset_hits_is_told,
        };
        Suite *suite = suite_create("stack traps");
        TCase *tcase = tcase_create("traps");
        SRunner *runner;
        int n_failed;

        tcase_set_timeout(tcase, 60);
        for (size_t i = 0; i < N_ELEMENTS(tests); i++)
                tcase_add_test(tcase, tests[i]);
        suite_add_tcase(suite, tcase);
        runner = srunner_create(suite);
        srunner_run_all(runner, CK_ENV);
        n_failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return n_failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
