/* The trial of UNMAP: on what was given up, alone with its neighbours, once. */

#include <errno.h>
#include <string.h>

#include "lun_fixture.h"
#include "unit_test.h"

#define OFFSET (256 * KIB)
#define SIZE (128 * KIB)

static LunFixture fixture;
static uint8_t data[SIZE];

static void set_up(void) {
        lun_fixture_set_up(&fixture, 512);
        fixture.options.known.is_unmap_proven = false;
        lun_fixture_start(&fixture);
}

static void tear_down(void) { lun_fixture_tear_down(&fixture); }

static int trim(uint64_t offset) {
        return lun_fixture_do(&fixture, BLOCK_OPERATION_TRIM, 0, offset, SIZE, NULL);
}

START_TEST(the_first_trim_is_tried_and_the_next_is_not) {
        ck_assert_int_eq(trim(OFFSET), 0);
        ck_assert_str_eq(lun_fixture_journal(&fixture),
                         "read 384+128, read 512+128, read 640+128, write 512+128, sync, "
                         "unmap 512+128, read 384+128, read 512+128, read 640+128, unmap 512+256");
        lun_fixture_forget_journal(&fixture);
        ck_assert_int_eq(trim(0), 0);
        ck_assert_str_eq(lun_fixture_journal(&fixture), "unmap 0+256");
}
END_TEST

START_TEST(writers_of_the_neighbours_wait_for_its_end) {
        uint8_t *neighbour = fixture.ram.memory + OFFSET - 512;

        memset(data, 0x77, 512);
        fixture.ram.is_held = true;
        lun_fixture_submit(&fixture, BLOCK_OPERATION_TRIM, 0, OFFSET, SIZE, NULL);
        lun_fixture_submit(&fixture, BLOCK_OPERATION_WRITE, 0, OFFSET - 512, 512, data);
        lun_fixture_run_for(&fixture, 10 * NS_PER_MS);
        ck_assert_str_eq(lun_fixture_journal(&fixture), "read 384+128");
        ram_target_release(&fixture.ram, 0);
        lun_fixture_run(&fixture);
        ck_assert_mem_eq(neighbour, data, 512);
        ck_assert_int_eq(fixture.requests[0].block.error, 0);
        ck_assert_int_eq(fixture.requests[1].block.error, 0);
}
END_TEST

START_TEST(a_second_trim_does_not_wait_for_the_first) {
        fixture.ram.target.n_in_flight_max = 4;
        fixture.ram.is_held = true;
        lun_fixture_submit(&fixture, BLOCK_OPERATION_TRIM, 0, OFFSET, SIZE, NULL);
        lun_fixture_submit(&fixture, BLOCK_OPERATION_TRIM, 0, 0, 64 * KIB, NULL);
        lun_fixture_run_for(&fixture, 10 * NS_PER_MS);
        ck_assert(!fixture.requests[0].is_done);
        ck_assert(fixture.requests[1].is_done);
        ck_assert_int_eq(fixture.requests[1].block.error, 0);
        ram_target_release(&fixture.ram, 0);
        lun_fixture_run(&fixture);
        ck_assert(fixture.requests[0].is_done);
}
END_TEST

START_TEST(it_can_be_given_up_at_any_moment) {
        for (size_t n = 0; n < 9; n++) {
                fixture.ram.is_held = true;
                fixture.n_requests = 0;
                lun_fixture_submit(&fixture, BLOCK_OPERATION_TRIM, 0, OFFSET, SIZE, NULL);
                for (size_t i = 0; i <= n; i++) {
                        lun_fixture_run_for(&fixture, NS_PER_MS);
                        if (i < n)
                                ram_target_release(&fixture.ram, 1);
                }
                ck_assert(!fixture.requests[0].is_done);
                block_device_cancel(fixture.lun, &fixture.requests[0].block);
                lun_fixture_run(&fixture);
                ck_assert(fixture.requests[0].is_done);
                /* That says nothing of the device. */
                ck_assert(fixture.lun->info.can_trim);
        }
        fixture.ram.is_held = false;
        ck_assert_int_eq(trim(OFFSET), 0);
        lun_fixture_forget_journal(&fixture);
        ck_assert_int_eq(trim(0), 0);
        ck_assert_str_eq(lun_fixture_journal(&fixture), "unmap 0+256");
}
END_TEST

START_TEST(a_bad_neighbour_says_nothing_of_it) {
        fixture.ram.bad_lba = 500;
        ck_assert_int_eq(trim(OFFSET), 0);
        ck_assert_uint_eq(ram_target_count(&fixture.ram, SCSI_OPCODE_UNMAP), 0);
        ck_assert(fixture.lun->info.can_trim);
}
END_TEST

START_TEST(a_device_that_rejects_it_is_not_asked_again) {
        fixture.ram.unknown[0] = SCSI_OPCODE_UNMAP;
        ck_assert_int_eq(trim(OFFSET), 0);
        /* Clients were told that they may; it is a hint. */
        lun_fixture_forget_journal(&fixture);
        ck_assert_int_eq(trim(0), 0);
        ck_assert_str_eq(lun_fixture_journal(&fixture), "");
}
END_TEST

int main(void) {
        const TTest *const tests[] = {
                the_first_trim_is_tried_and_the_next_is_not,
                writers_of_the_neighbours_wait_for_its_end,
                a_second_trim_does_not_wait_for_the_first,
                it_can_be_given_up_at_any_moment,
                a_bad_neighbour_says_nothing_of_it,
                a_device_that_rejects_it_is_not_asked_again,
        };
        Suite *suite = suite_create("lun_trim");
        TCase *tcase = tcase_create("lun_trim");

        tcase_add_checked_fixture(tcase, set_up, tear_down);
        for (size_t i = 0; i < N_ELEMENTS(tests); i++)
                tcase_add_test(tcase, tests[i]);
        suite_add_tcase(suite, tcase);
        return run_suite(suite);
}
