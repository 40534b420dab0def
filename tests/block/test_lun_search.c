/* Bad blocks among good ones: found whatever the device says of them, told exactly, and left alone
 * afterwards. */

#include <errno.h>
#include <string.h>

#include "lun_fixture.h"
#include "unit_test.h"

static LunFixture fixture;
static uint8_t data[256 * KIB];

static void set_up(void) {
        lun_fixture_set_up(&fixture, 512);
        lun_fixture_start(&fixture);
}

static void tear_down(void) { lun_fixture_tear_down(&fixture); }

static int read_at(uint64_t offset, uint64_t size) {
        memset(data, 0xDD, sizeof(data));
        return lun_fixture_do(&fixture, BLOCK_OPERATION_READ, 0, offset, size, data);
}

/* All before the bad block is there, and it is named. */
static void read_ends_at(uint64_t offset, uint64_t size, uint64_t bad_offset) {
        const BlockRequest *block = &fixture.requests[fixture.n_requests].block;

        ck_assert_int_eq(read_at(offset, size), -EIO);
        ck_assert(block->has_error_offset);
        ck_assert_uint_eq(block->error_offset, bad_offset);
        ck_assert_mem_eq(data, fixture.ram.memory + offset, bad_offset - offset);
}

/* As a device that tells nothing of use: nothing, the command's own first block, one that it was not
 * asked for, a good one. */
static const struct {
        bool is_told;
        uint64_t told_lba;
} answers[] = { { true, 0 }, { false, 0 }, { true, 1 }, { true, 5000 }, { true, 100 } };

START_TEST(a_bad_block_is_found_wherever_it_is) {
        static const uint64_t bad_lbas[] = { 1, 2, 63, 64, 77, 127, 128, 200, 510 };

        fixture.ram.is_bad_lba_told = answers[_i].is_told;
        fixture.ram.told_lba = answers[_i].told_lba;
        for (size_t i = 0; i < N_ELEMENTS(bad_lbas); i++) {
                fixture.ram.bad_lba = bad_lbas[i];
                lun_fixture_forget_journal(&fixture);
                read_ends_at(512, 255 * KIB, bad_lbas[i] * 512);
                /* Two pieces of it were in flight; nine steps find one among 128. */
                ck_assert_uint_le(fixture.ram.n_commands, 4 + 2 * 9);
                fixture.ram.bad_lba = 0;
                lun_fixture_run_for(&fixture, 130 * NS_PER_S);
        }
}
END_TEST

START_TEST(a_bad_block_is_told_in_bytes_of_the_request) {
        fixture.ram.bad_lba = 5;
        read_ends_at(100, 8000, 5 * 512);
        lun_fixture_run_for(&fixture, 130 * NS_PER_S);
        read_ends_at(5 * 512 + 7, 8000, 5 * 512 + 7);
}
END_TEST

START_TEST(a_device_is_believed_after_it_was_right_once) {
        fixture.ram.bad_lba = 5;
        read_ends_at(0, 8192, 5 * 512);
        ck_assert_str_eq(lun_fixture_journal(&fixture), "read 0+16, read 0+5, read 5+1");

        lun_fixture_forget_journal(&fixture);
        fixture.ram.bad_lba = 50;
        read_ends_at(40 * 512, 8192, 50 * 512);
        ck_assert_str_eq(lun_fixture_journal(&fixture), "read 40+16");
}
END_TEST

START_TEST(a_device_that_named_a_good_block_is_not_believed_any_more) {
        fixture.ram.bad_lba = 9;
        fixture.ram.told_lba = 4;
        read_ends_at(0, 8192, 9 * 512);

        lun_fixture_forget_journal(&fixture);
        fixture.ram.bad_lba = 41;
        fixture.ram.told_lba = 45;
        read_ends_at(40 * 512, 2048, 41 * 512);
        ck_assert_str_eq(lun_fixture_journal(&fixture),
                         "read 40+4, read 40+2, read 40+1, read 41+1");
}
END_TEST

START_TEST(what_can_be_read_after_all_is_no_bad_block) {
        ram_target_add_fault(&fixture.ram,
                             (RamFault){ .opcode = SCSI_OPCODE_READ_10,
                                         .result = SCSI_RESULT_CHECK_CONDITION,
                                         .sense = { .key = SCSI_SENSE_KEY_MEDIUM_ERROR,
                                                    .asc = 0x11,
                                                    .has_information = true,
                                                    .information = 7 } });
        ck_assert_int_eq(read_at(0, 8192), 0);
        ck_assert_mem_eq(data, fixture.ram.memory, 8192);
        ck_assert_int_eq(read_at(7 * 512, 512), 0);
}
END_TEST

START_TEST(a_bad_block_is_left_alone_for_a_while) {
        fixture.ram.bad_lba = 5;
        read_ends_at(0, 8192, 5 * 512);

        lun_fixture_forget_journal(&fixture);
        read_ends_at(5 * 512, 4096, 5 * 512);
        ck_assert_str_eq(lun_fixture_journal(&fixture), "");
        read_ends_at(0, 64 * KIB, 5 * 512);
        ck_assert_str_eq(lun_fixture_journal(&fixture), "read 0+5");
        ck_assert_int_eq(read_at(6 * 512, 4096), 0);

        lun_fixture_run_for(&fixture, 130 * NS_PER_S);
        fixture.ram.bad_lba = 0;
        ck_assert_int_eq(read_at(0, 8192), 0);
}
END_TEST

START_TEST(a_bad_block_is_good_again_when_it_was_written) {
        static const struct {
                BlockOperation operation;
                uint64_t offset, size;
        } changes[] = {
                { BLOCK_OPERATION_WRITE, 5 * 512, 512 },
                { BLOCK_OPERATION_WRITE, 0, 8192 },
                { BLOCK_OPERATION_WRITE_ZEROES, 4096 - 4 * 512, 1024 },
                { BLOCK_OPERATION_TRIM, 0, 8192 },
        };

        for (size_t i = 0; i < N_ELEMENTS(changes); i++) {
                fixture.ram.bad_lba = 5;
                read_ends_at(0, 8192, 5 * 512);
                fixture.ram.bad_lba = 0;
                ck_assert_int_eq(lun_fixture_do(&fixture, changes[i].operation, 0,
                                                changes[i].offset, changes[i].size, data),
                                 0);
                ck_assert_int_eq(read_at(0, 8192), 0);
                ck_assert_mem_eq(data, fixture.ram.memory, 8192);
        }
}
END_TEST

START_TEST(a_write_that_fails_does_not_make_it_good) {
        fixture.ram.bad_lba = 5;
        read_ends_at(0, 8192, 5 * 512);
        ck_assert_int_eq(lun_fixture_do(&fixture, BLOCK_OPERATION_WRITE, 0, 5 * 512, 512, data),
                         -EIO);
        lun_fixture_forget_journal(&fixture);
        read_ends_at(5 * 512, 512, 5 * 512);
        ck_assert_str_eq(lun_fixture_journal(&fixture), "");
}
END_TEST

START_TEST(a_part_of_a_bad_block_can_not_be_written) {
        fixture.ram.bad_lba = 5;
        ck_assert_int_eq(lun_fixture_do(&fixture, BLOCK_OPERATION_WRITE, 0, 5 * 512 + 3, 5, data),
                         -EIO);
        ck_assert_str_eq(lun_fixture_journal(&fixture), "read 5+1");
        ck_assert_uint_eq(fixture.requests[0].block.error_offset, 5 * 512 + 3);
        ck_assert_int_eq(lun_fixture_do(&fixture, BLOCK_OPERATION_WRITE, 0, 5 * 512 + 9, 5, data),
                         -EIO);
        ck_assert_str_eq(lun_fixture_journal(&fixture), "read 5+1");
}
END_TEST

START_TEST(a_search_ends_before_the_deadline_does) {
        const FixtureRequest *request = &fixture.requests[0];

        fixture.ram.bad_lba = 77;
        fixture.ram.bad_lba_ns = 9 * NS_PER_S;
        fixture.ram.is_bad_lba_told = false;
        lun_fixture_submit(&fixture, BLOCK_OPERATION_READ, 0, 0, 64 * KIB, data);
        lun_fixture_run_for(&fixture, 40 * NS_PER_S);
        ck_assert(request->is_done);
        ck_assert_int_eq(request->block.error, -EIO);
        ck_assert_uint_lt(request->done_ns, 30 * NS_PER_S);
}
END_TEST

START_TEST(what_a_device_wrote_before_a_bad_block_is_not_taken_for_written) {
        fixture.ram.bad_lba = 5;
        ck_assert_int_eq(lun_fixture_do(&fixture, BLOCK_OPERATION_WRITE, 0, 0, 8192, data), -EIO);
        ck_assert(!fixture.requests[0].block.has_error_offset);
        ck_assert_int_eq(lun_fixture_do(&fixture, BLOCK_OPERATION_WRITE, 0, 5 * 512, 8192, data),
                         -EIO);
        ck_assert_uint_eq(fixture.requests[1].block.error_offset, 5 * 512);
}
END_TEST

int main(void) {
        const TTest *const tests[] = {
                a_bad_block_is_told_in_bytes_of_the_request,
                a_device_is_believed_after_it_was_right_once,
                a_device_that_named_a_good_block_is_not_believed_any_more,
                what_can_be_read_after_all_is_no_bad_block,
                a_bad_block_is_left_alone_for_a_while,
                a_bad_block_is_good_again_when_it_was_written,
                a_write_that_fails_does_not_make_it_good,
                a_part_of_a_bad_block_can_not_be_written,
                a_search_ends_before_the_deadline_does,
                what_a_device_wrote_before_a_bad_block_is_not_taken_for_written,
        };
        Suite *suite = suite_create("lun_search");
        TCase *tcase = tcase_create("lun_search");

        tcase_add_checked_fixture(tcase, set_up, tear_down);
        tcase_add_loop_test(tcase, a_bad_block_is_found_wherever_it_is, 0, N_ELEMENTS(answers));
        for (size_t i = 0; i < N_ELEMENTS(tests); i++)
                tcase_add_test(tcase, tests[i]);
        suite_add_tcase(suite, tcase);
        return run_suite(suite);
}
