/* What is on the medium when: FLUSH, FUA, and devices that know neither. */

#include <errno.h>
#include <string.h>

#include "lun_fixture.h"
#include "scsi/scsi_cdb.h"
#include "unit_test.h"

static LunFixture fixture;
static uint8_t data[64 * KIB];

static void set_up(void) {
        lun_fixture_set_up(&fixture, 512);
        memset(data, 0xDD, sizeof(data));
}

static void tear_down(void) { lun_fixture_tear_down(&fixture); }

static bool is_persistent(uint64_t offset, size_t size) {
        return memcmp(fixture.ram.persistent + offset, data, size) == 0;
}

static FixtureRequest *flush(void) {
        return lun_fixture_submit(&fixture, BLOCK_OPERATION_FLUSH, 0, 0, 0, NULL);
}

START_TEST(a_flush_makes_completed_writes_persistent) {
        lun_fixture_start(&fixture);
        ck_assert_int_eq(lun_fixture_do(&fixture, BLOCK_OPERATION_WRITE, 0, 0, 4096, data), 0);
        ck_assert(!is_persistent(0, 4096));
        ck_assert_int_eq(lun_fixture_do(&fixture, BLOCK_OPERATION_FLUSH, 0, 0, 0, NULL), 0);
        ck_assert(is_persistent(0, 4096));
        ck_assert_str_eq(lun_fixture_journal(&fixture), "write 0+8, sync");
}
END_TEST

START_TEST(fua_uses_the_bit_where_the_device_has_it) {
        lun_fixture_start(&fixture);
        ck_assert_int_eq(lun_fixture_do(&fixture, BLOCK_OPERATION_WRITE, BLOCK_REQUEST_FUA, 512,
                                        600, data),
                         0);
        ck_assert_str_eq(lun_fixture_journal(&fixture), "read 1+2, write! 1+2");
        ck_assert(is_persistent(512, 600));
}
END_TEST

START_TEST(fua_writes_and_then_synchronizes_where_it_has_not) {
        fixture.ram.disk.has_fua = false;
        lun_fixture_start(&fixture);
        ck_assert_int_eq(lun_fixture_do(&fixture, BLOCK_OPERATION_WRITE, BLOCK_REQUEST_FUA, 0, 4096,
                                        data),
                         0);
        ck_assert_str_eq(lun_fixture_journal(&fixture), "write 0+8, sync");
        ck_assert(is_persistent(0, 4096));
}
END_TEST

START_TEST(a_device_that_rejects_the_bit_is_synchronized_from_then_on) {
        fixture.ram.rejects_fua = true;
        lun_fixture_start(&fixture);
        for (unsigned i = 0; i < 2; i++) {
                lun_fixture_forget_journal(&fixture);
                ck_assert_int_eq(lun_fixture_do(&fixture, BLOCK_OPERATION_WRITE, BLOCK_REQUEST_FUA,
                                                i * 4096, 4096, data),
                                 0);
                ck_assert(is_persistent(i * 4096, 4096));
                ck_assert_str_eq(lun_fixture_journal(&fixture),
                                 i == 0 ? "write! 0+8, write 0+8, sync" : "write 8+8, sync");
        }
}
END_TEST

START_TEST(fua_of_trims_and_zeroes_synchronizes) {
        lun_fixture_start(&fixture);
        ck_assert_int_eq(lun_fixture_do(&fixture, BLOCK_OPERATION_TRIM, BLOCK_REQUEST_FUA, 0, 4096,
                                        NULL),
                         0);
        ck_assert_int_eq(lun_fixture_do(&fixture, BLOCK_OPERATION_WRITE_ZEROES, BLOCK_REQUEST_FUA,
                                        0, 4096, NULL),
                         0);
        ck_assert_str_eq(lun_fixture_journal(&fixture), "unmap 0+8, sync, same! 0+8, sync");
}
END_TEST

START_TEST(a_write_that_failed_is_not_synchronized) {
        fixture.ram.disk.has_fua = false;
        lun_fixture_start(&fixture);
        ram_target_add_fault(&fixture.ram,
                             (RamFault){ .opcode = -1, .result = SCSI_RESULT_TRANSPORT_ERROR });
        ck_assert_int_eq(lun_fixture_do(&fixture, BLOCK_OPERATION_WRITE, BLOCK_REQUEST_FUA, 0, 4096,
                                        data),
                         -EIO);
        ck_assert_str_eq(lun_fixture_journal(&fixture), "write 0+8");
}
END_TEST

START_TEST(a_flush_that_fails_says_so_to_all_who_share_it) {
        FixtureRequest *a, *b;

        lun_fixture_start(&fixture);
        ram_target_add_fault(&fixture.ram,
                             (RamFault){ .opcode = -1,
                                         .result = SCSI_RESULT_CHECK_CONDITION,
                                         .sense.key = SCSI_SENSE_KEY_HARDWARE_ERROR });
        a = flush();
        b = flush();
        lun_fixture_run(&fixture);
        ck_assert_int_eq(a->block.error, -EIO);
        ck_assert_int_eq(b->block.error, -EIO);
        ck_assert_int_eq(lun_fixture_do(&fixture, BLOCK_OPERATION_FLUSH, 0, 0, 0, NULL), 0);
}
END_TEST

START_TEST(flushes_share_a_command_but_not_one_that_was_sent_before_they_came) {
        lun_fixture_start(&fixture);
        for (unsigned i = 0; i < 5; i++)
                flush();
        lun_fixture_run(&fixture);
        ck_assert_uint_eq(fixture.ram.n_commands, 1);
        ck_assert_uint_eq(fixture.n_done, 5);

        fixture.ram.is_held = true;
        flush();
        lun_fixture_run(&fixture);
        ck_assert_uint_eq(fixture.ram.n_commands, 2);
        for (unsigned i = 0; i < 5; i++)
                flush();
        lun_fixture_run(&fixture);
        ck_assert_uint_eq(fixture.ram.n_commands, 2);
        ram_target_release(&fixture.ram, 1);
        ck_assert_uint_eq(fixture.n_done, 6);
        ram_target_release(&fixture.ram, 0);
        lun_fixture_run(&fixture);
        ck_assert_uint_eq(fixture.ram.n_commands, 3);
        ck_assert_uint_eq(fixture.n_done, 11);
}
END_TEST

START_TEST(a_flush_covers_what_completed_before_it_came_though_others_are_in_flight) {
        FixtureRequest *request;

        fixture.ram.target.n_in_flight_max = 8;
        lun_fixture_start(&fixture);
        fixture.ram.is_held = true;
        flush();
        lun_fixture_run(&fixture);
        /* This write completes after that flush was sent: only the next one covers it. */
        lun_fixture_submit(&fixture, BLOCK_OPERATION_WRITE, 0, 0, 512, data);
        ram_target_release(&fixture.ram, 1);
        lun_fixture_run(&fixture);
        ram_target_release(&fixture.ram, 1);
        ck_assert(!is_persistent(0, 512));
        request = flush();
        lun_fixture_run(&fixture);
        ram_target_release(&fixture.ram, 0);
        lun_fixture_run(&fixture);
        ck_assert(request->is_done);
        ck_assert(is_persistent(0, 512));
}
END_TEST

START_TEST(a_device_without_the_command_has_no_cache) {
        fixture.ram.unknown[0] = SCSI_OPCODE_SYNCHRONIZE_CACHE_10;
        fixture.ram.disk.has_fua = false;
        lun_fixture_start(&fixture);
        ck_assert(block_device_get_info(fixture.lun)->has_volatile_cache);
        for (unsigned i = 0; i < 3; i++)
                ck_assert_int_eq(lun_fixture_do(&fixture, BLOCK_OPERATION_FLUSH, 0, 0, 0, NULL), 0);
        ck_assert_str_eq(lun_fixture_journal(&fixture), "sync");
        ck_assert(!block_device_get_info(fixture.lun)->has_volatile_cache);

        lun_fixture_forget_journal(&fixture);
        ck_assert_int_eq(lun_fixture_do(&fixture, BLOCK_OPERATION_WRITE, BLOCK_REQUEST_FUA, 0, 512,
                                        data),
                         0);
        ck_assert_str_eq(lun_fixture_journal(&fixture), "write 0+1");
}
END_TEST

START_TEST(the_caching_page_decides_whether_there_is_anything_to_flush) {
        static const struct {
                bool has_page, has_cache;
                const char *journal;
        } table[] = { { true, true, "sync" }, { true, false, "" }, { false, false, "sync" } };
        const size_t row = (size_t) _i;

        fixture.ram.disk.has_cache_page = table[row].has_page;
        fixture.ram.disk.has_write_cache = table[row].has_cache;
        lun_fixture_start(&fixture);
        ck_assert_int_eq(lun_fixture_do(&fixture, BLOCK_OPERATION_FLUSH, 0, 0, 0, NULL), 0);
        ck_assert_str_eq(lun_fixture_journal(&fixture), table[row].journal);
}
END_TEST

START_TEST(flushes_can_be_cancelled_alone_and_together) {
        FixtureRequest *a, *b, *waiting;

        lun_fixture_start(&fixture);
        fixture.ram.is_held = true;
        a = flush();
        b = flush();
        lun_fixture_run(&fixture);
        waiting = flush();
        block_device_cancel(fixture.lun, &waiting->block);
        block_device_cancel(fixture.lun, &a->block);
        lun_fixture_run(&fixture);
        ck_assert_int_eq(a->block.error, -ECANCELED);
        ck_assert_int_eq(waiting->block.error, -ECANCELED);
        ck_assert(!b->is_done);
        /* The last one takes the command with it. */
        block_device_cancel(fixture.lun, &b->block);
        lun_fixture_run(&fixture);
        ck_assert_int_eq(b->block.error, -ECANCELED);
}
END_TEST

static int write_some(uint64_t offset) {
        return lun_fixture_do(&fixture, BLOCK_OPERATION_WRITE, 0, offset, 4096, data);
}

static int do_flush(void) { return lun_fixture_do(&fixture, BLOCK_OPERATION_FLUSH, 0, 0, 0, NULL); }

START_TEST(what_a_reset_may_have_taken_is_told_once) {
        fixture.options.tells_losses = true;
        lun_fixture_start(&fixture);
        ck_assert_int_eq(write_some(0), 0);
        fixture.ram.target.n_resets++;
        ck_assert_int_eq(write_some(8192), 0);
        ck_assert_int_eq(do_flush(), -EIO);
        ck_assert_int_eq(do_flush(), 0);
        ck_assert_int_eq(write_some(0), 0);
        ck_assert_int_eq(do_flush(), 0);
        /* Nothing was in its cache. */
        fixture.ram.target.n_resets++;
        ck_assert_int_eq(do_flush(), 0);
}
END_TEST

START_TEST(a_reset_during_a_flush_is_told_by_it) {
        fixture.options.tells_losses = true;
        lun_fixture_start(&fixture);
        ck_assert_int_eq(write_some(0), 0);
        fixture.ram.is_held = true;
        flush();
        lun_fixture_run(&fixture);
        fixture.ram.target.n_resets++;
        ram_target_release(&fixture.ram, 0);
        lun_fixture_run(&fixture);
        ck_assert(fixture.requests[fixture.n_requests - 1].is_done);
        ck_assert_int_eq(fixture.requests[fixture.n_requests - 1].block.error, -EIO);
        fixture.ram.is_held = false;
}
END_TEST

START_TEST(what_a_failed_flush_left_is_told_by_the_next) {
        fixture.options.tells_losses = true;
        lun_fixture_start(&fixture);
        ck_assert_int_eq(write_some(0), 0);
        ram_target_add_fault(&fixture.ram, (RamFault){ .opcode = SCSI_OPCODE_SYNCHRONIZE_CACHE_10,
                                                       .result = SCSI_RESULT_TIMED_OUT });
        ck_assert_int_eq(do_flush(), -ETIMEDOUT);
        fixture.ram.target.n_resets++;
        ck_assert_int_eq(do_flush(), -EIO);
        ck_assert_int_eq(do_flush(), 0);
}
END_TEST

START_TEST(who_writes_again_what_was_lost_is_not_told) {
        lun_fixture_start(&fixture);
        ck_assert_int_eq(write_some(0), 0);
        fixture.ram.target.n_resets++;
        ck_assert_int_eq(do_flush(), 0);
}
END_TEST

int main(void) {
        const TTest *const tests[] = {
                a_flush_makes_completed_writes_persistent,
                fua_uses_the_bit_where_the_device_has_it,
                fua_writes_and_then_synchronizes_where_it_has_not,
                a_device_that_rejects_the_bit_is_synchronized_from_then_on,
                fua_of_trims_and_zeroes_synchronizes,
                a_write_that_failed_is_not_synchronized,
                a_flush_that_fails_says_so_to_all_who_share_it,
                flushes_share_a_command_but_not_one_that_was_sent_before_they_came,
                a_flush_covers_what_completed_before_it_came_though_others_are_in_flight,
                a_device_without_the_command_has_no_cache,
                flushes_can_be_cancelled_alone_and_together,
                what_a_reset_may_have_taken_is_told_once,
                a_reset_during_a_flush_is_told_by_it,
                what_a_failed_flush_left_is_told_by_the_next,
                who_writes_again_what_was_lost_is_not_told,
        };
        Suite *suite = suite_create("lun_flush");
        TCase *tcase = tcase_create("lun_flush");

        tcase_add_checked_fixture(tcase, set_up, tear_down);
        for (size_t i = 0; i < N_ELEMENTS(tests); i++)
                tcase_add_test(tcase, tests[i]);
        tcase_add_loop_test(tcase, the_caching_page_decides_whether_there_is_anything_to_flush, 0,
                            3);
        suite_add_tcase(suite, tcase);
        return run_suite(suite);
}
