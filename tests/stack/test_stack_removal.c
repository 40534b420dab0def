/* Media that come, go and change, through the whole stack: with a cache and without. */

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "stack.h"

#define SPEC "size=1M,removable,serial=CARD"
#define OPCODE_TEST_UNIT_READY 0x00
#define OPCODE_PREVENT_ALLOW 0x1E

static const CacheOptions write_back = { .mode = CACHE_MODE_WRITE_BACK, .line_size = 16 * KIB };
static Stack stack;
static uint8_t data[4096], other[4096];

/* Odd cases have a cache. */
static void set_up(int i, const char *spec) {
        if (i % 2 == 0)
                stack_init(&stack, spec);
        else
                stack_init_with_cache(&stack, spec, &write_back, NULL, NULL);
        ck_assert_int_eq(stack.brought_up_result, 0);
        stack_fill(data, sizeof(data), 1);
}

static uint64_t count(uint8_t opcode) {
        return simulated_device_get_counters(stack.device)->n_commands_by_opcode[opcode];
}

START_TEST(an_export_closes_and_opens_with_its_medium_while_nobody_uses_it) {
        set_up(_i, SPEC);
        ck_assert(stack.exports[0].is_open);

        simulated_device_remove_medium(stack.device, 0);
        stack_sleep_ms(&stack, 3000);
        ck_assert(!stack.exports[0].is_open);

        simulated_device_insert_medium(stack.device, 0);
        stack_sleep_ms(&stack, 3000);
        ck_assert(stack.exports[0].is_open);
        ck_assert_uint_eq(stack.exports[0].n_opened, 2);
        stack_connect(&stack, 0, /* is_structured= */ false);
        ck_assert_int_eq(stack_read(&stack, 0, 0, other, sizeof(other), NULL), 0);
        stack_done(&stack);
}
END_TEST

START_TEST(a_medium_that_is_replaced_has_its_own_size) {
        set_up(0, SPEC);
        for (uint64_t size = 2 * MIB; size <= 5 * MIB; size += MIB) {
                ck_assert_int_eq(simulated_device_change_medium(stack.device, 0, size), 0);
                stack_sleep_ms(&stack, 3000);
                ck_assert(stack.exports[0].is_open);
                ck_assert_uint_eq(stack.exports[0].info.size, size);
        }
        ck_assert_uint_eq(stack.exports[0].n_opened, 5);
        stack_done(&stack);
}
END_TEST

START_TEST(an_empty_slot_opens_when_a_card_comes) {
        set_up(_i, SPEC ",luns=4,empty=0+2");
        for (unsigned i = 0; i < 4; i++)
                ck_assert(stack.exports[i].is_open == (i % 2 == 1));

        simulated_device_insert_medium(stack.device, 2);
        simulated_device_remove_medium(stack.device, 1);
        stack_sleep_ms(&stack, 3000);
        ck_assert(!stack.exports[0].is_open);
        ck_assert(!stack.exports[1].is_open);
        ck_assert(stack.exports[2].is_open);
        ck_assert_uint_eq(stack.exports[3].n_opened, 1);
        for (unsigned i = 2; i < 4; i++) {
                stack_connect(&stack, i, /* is_structured= */ false);
                ck_assert_int_eq(stack_write(&stack, i, 0, data, sizeof(data), 0), 0);
                ck_assert_int_eq(stack_read(&stack, i, 0, other, sizeof(other), NULL), 0);
                ck_assert_mem_eq(data, other, sizeof(data));
        }
        stack_done(&stack);
}
END_TEST

START_TEST(a_medium_that_goes_under_load_closes_the_export) {
        int r = 0;

        set_up(_i, SPEC);
        stack_connect(&stack, 0, /* is_structured= */ false);
        for (unsigned i = 0; i < 8 && r == 0; i++) {
                if (i == 4)
                        simulated_device_remove_medium(stack.device, 0);
                r = stack_read(&stack, 0, i * 64 * KIB, other, sizeof(other), NULL);
        }
        ck_assert_int_ne(r, 0);
        stack_sleep_ms(&stack, 3000);
        ck_assert(!stack.exports[0].is_open);
        ck_assert_int_lt(stack.clients[0].fd, 0);

        simulated_device_insert_medium(stack.device, 0);
        stack_sleep_ms(&stack, 3000);
        ck_assert(stack.exports[0].is_open);
        stack_done(&stack);
}
END_TEST

/* It was acknowledged, so it is either on the medium or saved until that returns. */
START_TEST(what_a_medium_lacked_when_it_went_is_given_back_to_it) {
        set_up(1, SPEC);
        stack_sleep_ms(&stack, 1000);
        stack_connect(&stack, 0, /* is_structured= */ false);
        ck_assert_int_eq(stack_write(&stack, 0, 64 * KIB, data, sizeof(data), 0), 0);
        simulated_device_remove_medium(stack.device, 0);
        stack_sleep_ms(&stack, 5000);
        ck_assert(!stack.exports[0].is_open);
        ck_assert_uint_eq(stack.saved_luns, 1);

        simulated_device_insert_medium(stack.device, 0);
        stack_sleep_ms(&stack, 5000);
        ck_assert(stack.exports[0].is_open);
        stack_connect(&stack, 0, /* is_structured= */ false);
        ck_assert_int_eq(stack_read(&stack, 0, 64 * KIB, other, sizeof(other), NULL), 0);
        ck_assert_mem_eq(data, other, sizeof(data));
        ck_assert_int_eq(stack_command(&stack, 0, NBD_CMD_FLUSH, 0, 0, 0), 0);
        stack_read_image(&stack, 0, 64 * KIB, other, sizeof(other));
        ck_assert_mem_eq(data, other, sizeof(data));
        stack_done(&stack);
}
END_TEST

START_TEST(a_medium_is_locked_while_it_is_used) {
        set_up(_i, SPEC);
        stack_sleep_ms(&stack, 5000);
        ck_assert(!simulated_device_is_removal_prevented(stack.device, 0));

        stack_connect(&stack, 0, /* is_structured= */ false);
        ck_assert_int_eq(stack_write(&stack, 0, 0, data, sizeof(data), 0), 0);
        stack_sleep_ms(&stack, 1000);
        ck_assert(simulated_device_is_removal_prevented(stack.device, 0));
        simulated_device_power_cycle(stack.device);
        /* Without a cache of ours, what was in its own is lost. */
        ck_assert_int_eq(stack_command(&stack, 0, NBD_CMD_FLUSH, 0, 0, 0),
                         _i == 0 ? NBD_EIO : NBD_SUCCESS);
        stack_sleep_ms(&stack, 5000);
        ck_assert(simulated_device_is_removal_prevented(stack.device, 0));

        ck_assert_int_eq(stack_command(&stack, 0, NBD_CMD_DISC, 0, 0, 0), STACK_CLOSED);
        stack_sleep_ms(&stack, 60000);
        ck_assert(!simulated_device_is_removal_prevented(stack.device, 0));
        ck_assert_uint_eq(stack.exports[0].n_opened, 1);
        stack_done(&stack);
}
END_TEST

/* The kernel's driver leaves it so where its disk was open as it was detached. */
START_TEST(a_medium_that_somebody_left_locked_is_unlocked) {
        set_up(_i, SPEC ",locked,luns=2");
        stack_sleep_ms(&stack, 1000);
        for (unsigned i = 0; i < 2; i++)
                ck_assert(!simulated_device_is_removal_prevented(stack.device, i));
        stack_done(&stack);
}
END_TEST

START_TEST(an_empty_slot_that_somebody_left_locked_is_unlocked) {
        set_up(_i, SPEC ",locked,luns=2,empty=0");
        stack_sleep_ms(&stack, 1000);
        ck_assert(!simulated_device_is_removal_prevented(stack.device, 0));
        stack_done(&stack);
}
END_TEST

START_TEST(a_fixed_disk_is_never_told_to_lock_or_unlock) {
        set_up(_i, "size=1M");
        stack_connect(&stack, 0, /* is_structured= */ false);
        stack_sleep_ms(&stack, 5000);
        ck_assert_int_eq(stack_command(&stack, 0, NBD_CMD_DISC, 0, 0, 0), STACK_CLOSED);
        stack_sleep_ms(&stack, 5000);
        ck_assert_uint_eq(count(OPCODE_PREVENT_ALLOW), 0);
        stack_done(&stack);
}
END_TEST

START_TEST(a_device_that_can_not_lock_is_not_asked_again) {
        uint64_t n;

        set_up(_i, SPEC);
        stack_sleep_ms(&stack, 1000);
        n = count(OPCODE_PREVENT_ALLOW);
        stack_add_faults(&stack, "sense:5/20/00@opcode=1e*always");
        for (unsigned i = 0; i < 3; i++) {
                stack_connect(&stack, 0, /* is_structured= */ false);
                ck_assert_int_eq(stack_read(&stack, 0, 0, other, sizeof(other), NULL), 0);
                stack_sleep_ms(&stack, 1000);
        }
        ck_assert_uint_eq(count(OPCODE_PREVENT_ALLOW) - n, 1);
        stack_done(&stack);
}
END_TEST

START_TEST(only_a_removable_disk_that_nobody_uses_is_polled) {
        uint64_t n;

        set_up(_i, SPEC);
        stack_sleep_ms(&stack, 5000);
        n = count(OPCODE_TEST_UNIT_READY);
        stack_sleep_ms(&stack, 20000);
        ck_assert_uint_ge(count(OPCODE_TEST_UNIT_READY) - n, 9);
        ck_assert_uint_le(count(OPCODE_TEST_UNIT_READY) - n, 11);

        stack_connect(&stack, 0, /* is_structured= */ false);
        n = count(OPCODE_TEST_UNIT_READY);
        for (unsigned i = 0; i < 20; i++) {
                ck_assert_int_eq(stack_write(&stack, 0, 0, data, sizeof(data), NBD_CMD_FLAG_FUA),
                                 0);
                stack_sleep_ms(&stack, 1000);
        }
        ck_assert_uint_le(count(OPCODE_TEST_UNIT_READY) - n, 1);
        stack_done(&stack);

        set_up(_i, "size=1M");
        n = count(OPCODE_TEST_UNIT_READY);
        stack_sleep_ms(&stack, 20000);
        ck_assert_uint_eq(count(OPCODE_TEST_UNIT_READY), n);
        stack_done(&stack);
}
END_TEST

START_TEST(a_disk_that_stopped_is_not_polled_before_it_is_used) {
        uint64_t n;

        set_up(_i, SPEC);
        stack_add_faults(&stack, "sense:2/04/02@opcode=00");
        stack_sleep_ms(&stack, 5000);
        n = count(OPCODE_TEST_UNIT_READY);
        stack_sleep_ms(&stack, 60000);
        ck_assert_uint_eq(count(OPCODE_TEST_UNIT_READY), n);

        stack_connect(&stack, 0, /* is_structured= */ false);
        ck_assert_int_eq(stack_read(&stack, 0, 0, other, sizeof(other), NULL), 0);
        stack_sleep_ms(&stack, 20000);
        ck_assert_uint_gt(count(OPCODE_TEST_UNIT_READY), n);
        stack_done(&stack);
}
END_TEST

/* The switch of a card tells nobody: a write that is refused does, or 2A/01. */
START_TEST(an_export_follows_the_write_protection) {
        set_up(_i, SPEC);
        stack_connect(&stack, 0, /* is_structured= */ false);
        ck_assert_int_eq(stack_write(&stack, 0, 0, data, sizeof(data), 0), 0);
        ck_assert_int_eq(stack_command(&stack, 0, NBD_CMD_FLUSH, 0, 0, 0), 0);

        simulated_device_set_protected(stack.device, 0, true);
        ck_assert_int_ne(stack_write(&stack, 0, 0, data, sizeof(data), NBD_CMD_FLAG_FUA), 0);
        stack_sleep_ms(&stack, 15000);
        ck_assert(stack.exports[0].is_open);
        ck_assert(stack.exports[0].info.transmission_flags & NBD_FLAG_READ_ONLY);

        simulated_device_set_protected(stack.device, 0, false);
        stack_add_faults(&stack, "unit-attention:2a/01");
        stack_sleep_ms(&stack, 30000);
        ck_assert(stack.exports[0].is_open);
        ck_assert(!(stack.exports[0].info.transmission_flags & NBD_FLAG_READ_ONLY));
        stack_done(&stack);
}
END_TEST

START_TEST(other_attentions_change_nothing) {
        set_up(_i, SPEC);
        stack_connect(&stack, 0, /* is_structured= */ false);
        stack_add_faults(&stack, "unit-attention:29/00@every=2*4;unit-attention:3f/0e@every=3*4;"
                                 "unit-attention:2a/01@every=5*4");
        for (unsigned i = 0; i < 32; i++) {
                ck_assert_int_eq(stack_read(&stack, 0, i * 4096, other, sizeof(other), NULL), 0);
                stack_sleep_ms(&stack, 1000);
        }
        ck_assert_uint_eq(stack.exports[0].n_opened, 1);
        ck_assert_int_ge(stack.clients[0].fd, 0);
        stack_done(&stack);
}
END_TEST

int main(void) {
        Suite *suite = suite_create("stack removal");
        TCase *tcase = tcase_create("removal");
        SRunner *runner;
        int n_failed;

        tcase_set_timeout(tcase, 60);
        tcase_add_loop_test(tcase, an_export_closes_and_opens_with_its_medium_while_nobody_uses_it,
                            0, 2);
        tcase_add_test(tcase, a_medium_that_is_replaced_has_its_own_size);
        tcase_add_loop_test(tcase, an_empty_slot_opens_when_a_card_comes, 0, 2);
        tcase_add_loop_test(tcase, a_medium_that_goes_under_load_closes_the_export, 0, 2);
        tcase_add_test(tcase, what_a_medium_lacked_when_it_went_is_given_back_to_it);
        tcase_add_loop_test(tcase, a_medium_is_locked_while_it_is_used, 0, 2);
        tcase_add_loop_test(tcase, a_medium_that_somebody_left_locked_is_unlocked, 0, 2);
        tcase_add_loop_test(tcase, an_empty_slot_that_somebody_left_locked_is_unlocked, 0, 2);
        tcase_add_loop_test(tcase, a_fixed_disk_is_never_told_to_lock_or_unlock, 0, 2);
        tcase_add_loop_test(tcase, a_device_that_can_not_lock_is_not_asked_again, 0, 2);
        tcase_add_loop_test(tcase, only_a_removable_disk_that_nobody_uses_is_polled, 0, 2);
        tcase_add_loop_test(tcase, a_disk_that_stopped_is_not_polled_before_it_is_used, 0, 2);
        tcase_add_loop_test(tcase, an_export_follows_the_write_protection, 0, 2);
        tcase_add_loop_test(tcase, other_attentions_change_nothing, 0, 2);
        suite_add_tcase(suite, tcase);
        runner = srunner_create(suite);
        srunner_run_all(runner, CK_ENV);
        n_failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return n_failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
