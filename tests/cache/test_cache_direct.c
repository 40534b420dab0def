/* Large reads of what the cache has nothing of. */

#include <errno.h>
#include <string.h>

#include "cache/cache_volume_internal.h"
#include "cache_fixture.h"
#include "scsi/scsi_cdb.h"
#include "unit_test.h"

#define MEDIUM (128 * KIB)
#define LARGE (256 * KIB)

static CacheFixture fixture;
static uint8_t data[1 * MIB], other[4 * MIB];

static void set_up(void) {
        cache_fixture_set_up(&fixture, 512);
        for (size_t i = 0; i < sizeof(data); i++)
                data[i] = (uint8_t) (i * 7 + i / 300);
        memset(other, 0, sizeof(other));
}

static void tear_down(void) { cache_fixture_tear_down(&fixture); }

static size_t n_reads(void) { return cache_fixture_count(&fixture, SCSI_OPCODE_READ_10); }

static const CacheStatistics *statistics(void) {
        return cache_manager_get_statistics(fixture.manager);
}

static int do_read(uint64_t offset, uint64_t size) {
        return cache_fixture_do(&fixture, BLOCK_OPERATION_READ, 0, offset, size, other);
}

static int do_write(uint64_t offset, uint64_t size) {
        return cache_fixture_do(&fixture, BLOCK_OPERATION_WRITE, 0, offset, size, data);
}

static CacheFixtureRequest *start_read(uint64_t offset, uint64_t size) {
        return cache_fixture_submit(&fixture, BLOCK_OPERATION_READ, 0, offset, size,
                                    other + offset);
}

START_TEST(a_large_read_takes_no_lines) {
        cache_fixture_start(&fixture);
        ck_assert_int_eq(do_read(LARGE, LARGE), 0);
        ck_assert_mem_eq(other, fixture.ram.memory + LARGE, LARGE);
        ck_assert_uint_eq(n_reads(), 1);
        ck_assert_uint_eq(statistics()->n_slots_used, 0);
        ck_assert_uint_eq(statistics()->direct_size, LARGE);
        ck_assert_uint_eq(statistics()->n_misses, 1);
}
END_TEST

START_TEST(what_is_read_again_soon_is_taken_in) {
        fixture.arena_size = 8 * MIB;
        cache_fixture_start(&fixture);
        for (unsigned i = 0; i < 3; i++) {
                memset(other, 0, LARGE);
                ck_assert_int_eq(do_read(LARGE, LARGE), 0);
                ck_assert_mem_eq(other, fixture.ram.memory + LARGE, LARGE);
        }
        ck_assert_uint_eq(n_reads(), 2);
        ck_assert_uint_eq(statistics()->n_slots_used, 4);
        ck_assert_uint_eq(statistics()->direct_size, LARGE);
}
END_TEST

START_TEST(what_was_read_long_ago_is_not) {
        cache_fixture_start(&fixture);
        for (unsigned round = 0; round < 2; round++)
                for (uint64_t offset = 0; offset < 4 * MIB; offset += MIB)
                        ck_assert_int_eq(do_read(offset, MIB), 0);
        ck_assert_uint_eq(statistics()->direct_size, 8 * MIB);
        ck_assert_uint_eq(statistics()->n_slots_used, 0);
}
END_TEST

START_TEST(medium_reads_of_a_busy_client_take_none_either) {
        cache_fixture_start(&fixture);
        fixture.ram.is_held = true;
        for (unsigned i = 0; i < 8; i++)
                start_read(i * MEDIUM, MEDIUM);
        cache_fixture_run(&fixture);
        ram_target_release(&fixture.ram, 0);
        cache_fixture_run(&fixture);
        ck_assert_mem_eq(other, fixture.ram.memory, 8 * MEDIUM);
        ck_assert_uint_eq(statistics()->direct_size, 5 * MEDIUM);
}
END_TEST

START_TEST(odd_bytes_are_the_right_ones) {
        cache_fixture_start(&fixture);
        ck_assert_int_eq(do_read(LARGE + 77, LARGE + 100), 0);
        ck_assert_mem_eq(other, fixture.ram.memory + LARGE + 77, LARGE + 100);
        ck_assert_uint_eq(statistics()->direct_size, LARGE + 100);
}
END_TEST

START_TEST(the_end_of_the_disk_can_be_read_so) {
        cache_fixture_start(&fixture);
        ck_assert_int_eq(do_read(CACHE_FIXTURE_DISK_SIZE - LARGE - 1, LARGE + 1), 0);
        ck_assert_mem_eq(other, fixture.ram.memory + CACHE_FIXTURE_DISK_SIZE - LARGE - 1,
                         LARGE + 1);
}
END_TEST

START_TEST(what_was_written_is_seen_in_the_middle) {
        cache_fixture_start(&fixture);
        ck_assert_int_eq(do_write(LARGE + 1000, 3000), 0);
        ck_assert_int_eq(do_read(0, MIB), 0);
        ck_assert_mem_eq(other, fixture.ram.memory, LARGE + 1000);
        ck_assert_mem_eq(other + LARGE + 1000, data, 3000);
        ck_assert_mem_eq(other + LARGE + 4000, fixture.ram.memory + LARGE + 4000,
                         MIB - LARGE - 4000);
        ck_assert_uint_eq(statistics()->direct_size, MIB - 64 * KIB);
}
END_TEST

START_TEST(what_the_device_may_lose_is_never_read_from_it) {
        cache_fixture_start(&fixture);
        ck_assert_int_eq(do_write(0, 64 * KIB), 0);
        ck_assert_int_eq(cache_fixture_do(&fixture, BLOCK_OPERATION_FLUSH, 0, 0, 0, NULL), 0);
        ck_assert_int_eq(do_write(64 * KIB, 64 * KIB), 0);
        cache_fixture_reset_disk(&fixture);
        ck_assert_int_eq(do_read(0, LARGE), 0);
        ck_assert_mem_eq(other, data, 64 * KIB);
        ck_assert_mem_eq(other + 64 * KIB, data, 64 * KIB);
}
END_TEST

START_TEST(a_bad_block_is_told_exactly) {
        cache_fixture_start(&fixture);
        fixture.ram.bad_lba = 700;
        ck_assert_int_eq(do_read(5, LARGE + LARGE), -EIO);
        ck_assert(fixture.requests[0].block.has_error_offset);
        ck_assert_uint_eq(fixture.requests[0].block.error_offset, 700 * 512);
        ck_assert_mem_eq(other, fixture.ram.memory + 5, 700 * 512 - 5);
}
END_TEST

START_TEST(a_failure_without_a_place_is_looked_at_by_lines) {
        cache_fixture_start(&fixture);
        ram_target_add_fault(&fixture.ram, (RamFault){ .opcode = SCSI_OPCODE_READ_10,
                                                       .result = SCSI_RESULT_TRANSPORT_ERROR });
        ck_assert_int_eq(do_read(0, LARGE), 0);
        ck_assert_mem_eq(other, fixture.ram.memory, LARGE);
        ck_assert_uint_eq(statistics()->n_slots_used, 4);
}
END_TEST

START_TEST(an_unplug_in_the_middle_only_takes_time) {
        cache_fixture_start(&fixture);
        fixture.ram.is_held = true;
        start_read(0, 3 * MIB);
        cache_fixture_run(&fixture);
        cache_fixture_unplug(&fixture);
        fixture.ram.is_held = false;
        cache_fixture_run_for(&fixture, 100 * NS_PER_S);
        ck_assert(!fixture.requests[0].is_done);
        cache_fixture_replug(&fixture, /* loses_power= */ true);
        cache_fixture_run(&fixture);
        ck_assert(fixture.requests[0].is_done);
        ck_assert_int_eq(fixture.requests[0].block.error, 0);
        ck_assert_mem_eq(other, fixture.ram.memory, 3 * MIB);
}
END_TEST

START_TEST(one_that_is_cancelled_ends) {
        cache_fixture_start(&fixture);
        fixture.ram.is_held = true;
        start_read(0, LARGE);
        cache_fixture_run(&fixture);
        block_device_cancel(fixture.volume, &fixture.requests[0].block);
        cache_fixture_run(&fixture);
        ck_assert(fixture.requests[0].is_done);
        ck_assert_int_eq(fixture.requests[0].block.error, -ECANCELED);
        fixture.ram.is_held = false;
}
END_TEST

/* Two megabytes at a time: the second part begins late. */
START_TEST(the_device_is_given_the_clients_deadline) {
        CacheFixtureRequest *request;

        cache_fixture_start(&fixture);
        fixture.ram.is_held = true;
        request = start_read(0, 3 * MIB);
        cache_fixture_run_for(&fixture, 20 * NS_PER_S);
        ck_assert_uint_eq(n_reads(), 2);
        ram_target_release(&fixture.ram, 2);
        cache_fixture_run_for(&fixture, NS_PER_MS);
        ck_assert_uint_eq(n_reads(), 3);
        ck_assert_uint_le(fixture.ram.journal[2].deadline_ns, request->block.deadline_ns);
        ram_target_release(&fixture.ram, 0);
        cache_fixture_run(&fixture);
        ck_assert(request->is_done);
}
END_TEST

START_TEST(without_a_cache_every_read_is_direct) {
        fixture.options.mode = CACHE_MODE_OFF;
        cache_fixture_start(&fixture);
        ck_assert_int_eq(do_read(4096, 512), 0);
        ck_assert_mem_eq(other, fixture.ram.memory + 4096, 512);
        ck_assert_uint_eq(statistics()->direct_size, 512);
        ck_assert_uint_eq(statistics()->n_slots_used, 0);
}
END_TEST

/* Two at the device, the others behind them; the device holds all. */
static void start_reads_in_a_row(unsigned n, uint64_t size) {
        fixture.ram.is_held = true;
        for (unsigned i = 0; i < n; i++)
                start_read(i * size, size);
        cache_fixture_run(&fixture);
}

static void let_go(void) {
        ram_target_release(&fixture.ram, 0);
        cache_fixture_run(&fixture);
}

START_TEST(reads_that_follow_each_other_go_together) {
        cache_fixture_start(&fixture);
        start_reads_in_a_row(6, LARGE);
        ck_assert_uint_eq(n_reads(), 2);
        let_go();
        ck_assert_uint_eq(n_reads(), 3);
        for (unsigned i = 0; i < 6; i++)
                ck_assert_int_eq(fixture.requests[i].block.error, 0);
        ck_assert_mem_eq(other, fixture.ram.memory, 6 * LARGE);
        ck_assert_uint_eq(statistics()->direct_size, 6 * LARGE);
        ck_assert_uint_eq(statistics()->n_misses, 6);
}
END_TEST

START_TEST(no_more_go_together_than_the_device_takes) {
        cache_fixture_start(&fixture);
        start_reads_in_a_row(13, LARGE);
        ck_assert_uint_eq(fixture.lun->info.transfer_size_max, MIB);
        ram_target_release(&fixture.ram, 2);
        cache_fixture_run(&fixture);
        ck_assert_uint_eq(cache_volume_get_inside(fixture.volume)->n_direct, 2);
        let_go();
        ck_assert_uint_eq(n_reads(), 2 + 3);
        ck_assert_mem_eq(other, fixture.ram.memory, 13 * LARGE);
}
END_TEST

/* Three reads are filled, line by line, as the client is not known to be busy; two go alone, in two pieces
 * each; and the last three are four pieces in place of six. */
START_TEST(where_the_device_takes_little_several_commands_go_together) {
        fixture.ram.disk.transfer_size_max = 120 * KIB;
        cache_fixture_start(&fixture);
        start_reads_in_a_row(3 + 2 + 3, MEDIUM);
        ck_assert_uint_eq(cache_volume_get_inside(fixture.volume)->n_direct, 2);
        let_go();
        ck_assert_uint_eq(n_reads(), 3 * 2 + 2 * 2 + 4);
        ck_assert_mem_eq(other, fixture.ram.memory, 8 * MEDIUM);
}
END_TEST

START_TEST(small_and_odd_reads_go_together_without_a_cache) {
        fixture.options.mode = CACHE_MODE_OFF;
        cache_fixture_start(&fixture);
        start_reads_in_a_row(40, 5001);
        let_go();
        ck_assert_uint_eq(n_reads(), 3);
        ck_assert_mem_eq(other, fixture.ram.memory, 40 * 5001);
}
END_TEST

START_TEST(reads_of_here_and_there_do_not_wait_for_each_other) {
        cache_fixture_start(&fixture);
        fixture.ram.is_held = true;
        for (unsigned i = 0; i < 6; i++)
                start_read((5 - i) * 2 * LARGE, LARGE);
        cache_fixture_run(&fixture);
        ck_assert_uint_eq(cache_volume_get_inside(fixture.volume)->n_direct, 6);
        let_go();
        for (unsigned i = 0; i < 6; i++)
                ck_assert_mem_eq(other + i * 2 * LARGE, fixture.ram.memory + i * 2 * LARGE, LARGE);
}
END_TEST

/* Two readers: one goes on behind the other's end, and the other far before it. */
START_TEST(what_goes_together_is_one_readers_own) {
        cache_fixture_start(&fixture);
        start_reads_in_a_row(2, LARGE);
        start_read(2 * LARGE, LARGE);
        start_read(3 * LARGE, LARGE);
        start_read(3 * MIB, LARGE);
        start_read(3 * MIB + LARGE, LARGE);
        cache_fixture_run(&fixture);
        let_go();
        ck_assert_uint_eq(n_reads(), 5);
        ck_assert_mem_eq(other, fixture.ram.memory, 4 * LARGE);
        ck_assert_mem_eq(other + 3 * MIB, fixture.ram.memory + 3 * MIB, 2 * LARGE);
}
END_TEST

/* The fourth of six has it, in the middle of what goes together. */
START_TEST(a_bad_block_is_told_to_whom_it_concerns) {
        cache_fixture_start(&fixture);
        fixture.ram.bad_lba = 3 * LARGE / 512 + 100;
        start_reads_in_a_row(6, LARGE);
        let_go();
        for (unsigned i = 0; i < 6; i++)
                ck_assert_int_eq(fixture.requests[i].block.error, i == 3 ? -EIO : 0);
        ck_assert(fixture.requests[3].block.has_error_offset);
        ck_assert_uint_eq(fixture.requests[3].block.error_offset, fixture.ram.bad_lba * 512);
        ck_assert_mem_eq(other, fixture.ram.memory, fixture.ram.bad_lba * 512);
        ck_assert_mem_eq(other + 4 * LARGE, fixture.ram.memory + 4 * LARGE, 2 * LARGE);
}
END_TEST

START_TEST(where_going_together_fails_each_goes_alone) {
        cache_fixture_start(&fixture);
        ram_target_add_fault(&fixture.ram, (RamFault){ .opcode = SCSI_OPCODE_READ_10,
                                                       .result = SCSI_RESULT_TRANSPORT_ERROR,
                                                       .skip = 2 });
        start_reads_in_a_row(5, LARGE);
        let_go();
        ck_assert_uint_eq(n_reads(), 3 + 3);
        for (unsigned i = 0; i < 5; i++)
                ck_assert_int_eq(fixture.requests[i].block.error, 0);
        ck_assert_mem_eq(other, fixture.ram.memory, 5 * LARGE);
}
END_TEST

START_TEST(what_goes_together_has_the_earliest_deadline) {
        CacheFixtureRequest *hurried;

        cache_fixture_start(&fixture);
        start_reads_in_a_row(3, LARGE);
        fixture.timeout_ns = 5 * NS_PER_S;
        hurried = start_read(3 * LARGE, LARGE);
        ram_target_release(&fixture.ram, 2);
        cache_fixture_run(&fixture);
        ck_assert_uint_eq(n_reads(), 3);
        ck_assert_uint_le(fixture.ram.journal[2].deadline_ns, hurried->block.deadline_ns);
        let_go();
        ck_assert_mem_eq(other, fixture.ram.memory, 4 * LARGE);
}
END_TEST

/* The leader came ten seconds before the others. */
START_TEST(whose_time_is_up_is_not_sent_again) {
        cache_fixture_start(&fixture);
        ram_target_add_fault(&fixture.ram, (RamFault){ .opcode = SCSI_OPCODE_READ_10,
                                                       .result = SCSI_RESULT_TIMED_OUT,
                                                       .skip = 2 });
        start_reads_in_a_row(3, LARGE);
        cache_fixture_run_for(&fixture, 10 * NS_PER_S);
        for (unsigned i = 3; i < 6; i++)
                start_read(i * LARGE, LARGE);
        cache_fixture_run(&fixture);
        ram_target_release(&fixture.ram, 2);
        cache_fixture_run_for(&fixture, 20 * NS_PER_S);
        ck_assert_uint_eq(n_reads(), 3);
        ck_assert(!fixture.requests[2].is_done && !fixture.requests[5].is_done);
        let_go();
        ck_assert_int_eq(fixture.requests[2].block.error, -ETIMEDOUT);
        for (unsigned i = 3; i < 6; i++)
                ck_assert_int_eq(fixture.requests[i].block.error, 0);
        ck_assert_uint_eq(n_reads(), 3 + 3);
        ck_assert_mem_eq(other + 3 * LARGE, fixture.ram.memory + 3 * LARGE, 3 * LARGE);
}
END_TEST

/* The leader, and one that follows it; nothing is written to what was theirs. */
START_TEST(who_is_cancelled_leaves_the_others) {
        cache_fixture_start(&fixture);
        start_reads_in_a_row(6, LARGE);
        ram_target_release(&fixture.ram, 2);
        cache_fixture_run(&fixture);
        block_device_cancel(fixture.volume, &fixture.requests[4].block);
        cache_fixture_run(&fixture);
        ck_assert_int_eq(fixture.requests[4].block.error, -ECANCELED);
        memset(other + 4 * LARGE, 0x5a, LARGE);
        block_device_cancel(fixture.volume, &fixture.requests[2].block);
        let_go();
        for (unsigned i = 0; i < 6; i++)
                ck_assert_int_eq(fixture.requests[i].block.error,
                                 i == 2 || i == 4 ? -ECANCELED : 0);
        ck_assert_mem_eq(other + 3 * LARGE, fixture.ram.memory + 3 * LARGE, LARGE);
        ck_assert_mem_eq(other + 5 * LARGE, fixture.ram.memory + 5 * LARGE, LARGE);
        for (unsigned i = 0; i < LARGE; i++)
                ck_assert_uint_eq(other[4 * LARGE + i], 0x5a);
}
END_TEST

START_TEST(who_is_cancelled_before_it_was_sent_is_left_out) {
        cache_fixture_start(&fixture);
        start_reads_in_a_row(6, LARGE);
        block_device_cancel(fixture.volume, &fixture.requests[3].block);
        let_go();
        for (unsigned i = 0; i < 6; i++)
                ck_assert_int_eq(fixture.requests[i].block.error, i == 3 ? -ECANCELED : 0);
        ck_assert_mem_eq(other, fixture.ram.memory, 3 * LARGE);
        ck_assert_mem_eq(other + 4 * LARGE, fixture.ram.memory + 4 * LARGE, 2 * LARGE);
}
END_TEST

/* Before it is written back. */
START_TEST(what_is_written_while_it_waits_is_read) {
        cache_fixture_start(&fixture);
        start_reads_in_a_row(6, LARGE);
        cache_fixture_submit(&fixture, BLOCK_OPERATION_WRITE, 0, 4 * LARGE, 64 * KIB, data);
        cache_fixture_run_for(&fixture, NS_PER_MS);
        let_go();
        for (unsigned i = 0; i < 7; i++)
                ck_assert_int_eq(fixture.requests[i].block.error, 0);
        ck_assert_mem_eq(other, fixture.ram.memory, 4 * LARGE);
        ck_assert_mem_eq(other + 4 * LARGE, data, 64 * KIB);
        ck_assert_mem_eq(other + 4 * LARGE + 64 * KIB, fixture.ram.memory + 4 * LARGE + 64 * KIB,
                         2 * LARGE - 64 * KIB);
}
END_TEST

START_TEST(what_goes_together_outlives_an_unplug) {
        cache_fixture_start(&fixture);
        start_reads_in_a_row(13, LARGE);
        ram_target_release(&fixture.ram, 1);
        cache_fixture_run(&fixture);
        cache_fixture_unplug(&fixture);
        fixture.ram.is_held = false;
        cache_fixture_run_for(&fixture, 100 * NS_PER_S);
        ck_assert(!fixture.requests[12].is_done);
        cache_fixture_replug(&fixture, /* loses_power= */ true);
        cache_fixture_run(&fixture);
        for (unsigned i = 0; i < 13; i++)
                ck_assert_int_eq(fixture.requests[i].block.error, 0);
        ck_assert_mem_eq(other, fixture.ram.memory, 13 * LARGE);
}
END_TEST

int main(void) {
        const TTest *const tests[] = {
                a_large_read_takes_no_lines,
                what_is_read_again_soon_is_taken_in,
                what_was_read_long_ago_is_not,
                medium_reads_of_a_busy_client_take_none_either,
                odd_bytes_are_the_right_ones,
                the_end_of_the_disk_can_be_read_so,
                what_was_written_is_seen_in_the_middle,
                what_the_device_may_lose_is_never_read_from_it,
                a_bad_block_is_told_exactly,
                a_failure_without_a_place_is_looked_at_by_lines,
                an_unplug_in_the_middle_only_takes_time,
                one_that_is_cancelled_ends,
                the_device_is_given_the_clients_deadline,
                without_a_cache_every_read_is_direct,
                reads_that_follow_each_other_go_together,
                no_more_go_together_than_the_device_takes,
                where_the_device_takes_little_several_commands_go_together,
                small_and_odd_reads_go_together_without_a_cache,
                reads_of_here_and_there_do_not_wait_for_each_other,
                what_goes_together_is_one_readers_own,
                a_bad_block_is_told_to_whom_it_concerns,
                where_going_together_fails_each_goes_alone,
                what_goes_together_has_the_earliest_deadline,
                whose_time_is_up_is_not_sent_again,
                who_is_cancelled_leaves_the_others,
                who_is_cancelled_before_it_was_sent_is_left_out,
                what_is_written_while_it_waits_is_read,
                what_goes_together_outlives_an_unplug,
        };
        Suite *suite = suite_create("cache_direct");
        TCase *tcase = tcase_create("cache_direct");

        tcase_add_checked_fixture(tcase, set_up, tear_down);
        for (size_t i = 0; i < N_ELEMENTS(tests); i++)
                tcase_add_test(tcase, tests[i]);
        suite_add_tcase(suite, tcase);
        return run_suite(suite);
}
