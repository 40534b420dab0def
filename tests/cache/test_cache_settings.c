/* What of a cache can be changed while it is used: it counts at once, and nothing is lost by it. */

#include <errno.h>
#include <string.h>

#include "cache_fixture.h"
#include "scsi/scsi_cdb.h"
#include "unit_test.h"

#define LINE (64 * KIB)
/* As many as there are at least. */
#define N_SLOTS 16U

static CacheFixture fixture;
static uint8_t data[4096], other[LINE];

static void set_up(void) {
        cache_fixture_set_up(&fixture, 512);
        for (size_t i = 0; i < sizeof(data); i++)
                data[i] = (uint8_t) (i * 7 + i / 300);
}

static void tear_down(void) { cache_fixture_tear_down(&fixture); }

static size_t n_reads(void) { return cache_fixture_count(&fixture, SCSI_OPCODE_READ_10); }

static int do_read(uint64_t offset, uint64_t size) {
        return cache_fixture_do(&fixture, BLOCK_OPERATION_READ, 0, offset, size, other);
}

static int do_write(uint64_t offset) {
        return cache_fixture_do(&fixture, BLOCK_OPERATION_WRITE, 0, offset, sizeof(data), data);
}

/* Not in a row, which would be read ahead. */
static uint64_t line_of(unsigned i) { return (i * 2 + i % 2) * (uint64_t) LINE; }

static void read_lines(unsigned first, unsigned end) {
        for (unsigned i = first; i < end; i++)
                ck_assert_int_eq(do_read(line_of(i), 4096), 0);
}

static bool is_hit(unsigned line) {
        size_t n_before = n_reads();

        read_lines(line, line + 1);
        return n_reads() == n_before;
}

static const CacheStatistics *statistics(void) {
        return cache_manager_get_statistics(fixture.manager);
}

START_TEST(switched_off_it_forgets_what_was_read) {
        cache_fixture_start(&fixture);
        read_lines(0, 8);
        ck_assert_int_eq(do_write(line_of(9)), 0);
        cache_manager_set_mode(fixture.manager, CACHE_MODE_OFF);
        ck_assert_uint_eq(statistics()->n_slots_used, 1);
        cache_fixture_run(&fixture);
        ck_assert_uint_eq(statistics()->n_slots_used, 0);
        ck_assert_mem_eq(fixture.ram.persistent + line_of(9), data, sizeof(data));
        ck_assert(!is_hit(0));
        cache_manager_set_mode(fixture.manager, CACHE_MODE_WRITE_BACK);
        read_lines(0, 1);
        ck_assert(is_hit(0));
}
END_TEST

/* There and back, so that both hand their order over. */
START_TEST(another_policy_knows_which_line_is_the_oldest) {
        fixture.options.policy = (CachePolicyKind) _i;
        cache_fixture_start(&fixture);
        cache_manager_set_size(fixture.manager, 0);
        ck_assert_uint_eq(statistics()->n_slots, N_SLOTS);
        read_lines(0, N_SLOTS);
        for (unsigned i = 1; i <= 2; i++)
                ck_assert_int_eq(cache_manager_set_policy(
                                                 fixture.manager,
                                                 (CachePolicyKind) ((_i + (int) i) %
                                                                    _CACHE_POLICY_KIND_MAX)),
                                 0);
        ck_assert_uint_eq(statistics()->n_slots_used, N_SLOTS);
        ck_assert_uint_eq(statistics()->n_evictions, 0);
        read_lines(N_SLOTS, N_SLOTS + 1);
        ck_assert_uint_eq(statistics()->n_evictions, 1);
        for (unsigned i = 1; i <= N_SLOTS; i++)
                ck_assert(is_hit(i));
        ck_assert(!is_hit(0));
}
END_TEST

START_TEST(the_policy_that_is_set_is_the_one_that_evicts) {
        cache_fixture_start(&fixture);
        cache_manager_set_size(fixture.manager, 0);
        read_lines(0, N_SLOTS);
        ck_assert_int_eq(cache_manager_set_policy(fixture.manager, (CachePolicyKind) _i), 0);
        /* LRU forgets what many others came after; S3-FIFO keeps what was wanted again. */
        for (unsigned i = 0; i < 3; i++)
                read_lines(0, 4);
        read_lines(N_SLOTS, 2 * N_SLOTS - 2);
        ck_assert_int_eq(is_hit(0), _i == CACHE_POLICY_KIND_S3FIFO);
}
END_TEST

START_TEST(another_policy_leaves_what_is_dirty_alone) {
        cache_fixture_start(&fixture);
        cache_manager_set_size(fixture.manager, 0);
        for (unsigned i = 0; i < N_SLOTS / 2; i++)
                ck_assert_int_eq(do_write(line_of(i)), 0);
        ck_assert_int_eq(cache_manager_set_policy(fixture.manager, CACHE_POLICY_KIND_S3FIFO), 0);
        read_lines(N_SLOTS, 3 * N_SLOTS / 2 + 4);
        ck_assert_int_eq(cache_fixture_do(&fixture, BLOCK_OPERATION_FLUSH, 0, 0, 0, NULL), 0);
        for (unsigned i = 0; i < N_SLOTS / 2; i++)
                ck_assert_mem_eq(fixture.ram.persistent + line_of(i), data, sizeof(data));
}
END_TEST

static uint64_t read_in_a_row(uint64_t start) {
        uint64_t n_before = statistics()->read_ahead_size;

        for (uint64_t offset = start; offset < start + MIB; offset += LINE)
                ck_assert_int_eq(do_read(offset, LINE), 0);
        cache_fixture_run(&fixture);
        return statistics()->read_ahead_size - n_before;
}

START_TEST(reading_ahead_can_begin_and_end) {
        cache_fixture_start(&fixture);
        ck_assert_uint_eq(read_in_a_row(0), 0);
        ck_assert_int_eq(cache_manager_set_read_ahead(fixture.manager, true), 0);
        ck_assert_uint_gt(read_in_a_row(MIB), 0);
        ck_assert_int_eq(cache_manager_set_read_ahead(fixture.manager, false), 0);
        ck_assert_uint_eq(read_in_a_row(5 * MIB / 2), 0);
}
END_TEST

/* The data is at the end of the arena, and nothing else there looks like it. */
static void corrupt(void) {
        for (off_t at = 0; at < (off_t) fixture.arena_size; at += 4096) {
                uint8_t page[4096];

                ck_assert_int_eq(pread(fixture.arena_fd, page, sizeof(page), at), sizeof(page));
                if (memcmp(page, data, sizeof(page)) == 0)
                        ck_assert_int_eq(pwrite(fixture.arena_fd, "!", 1, at + 100), 1);
        }
}

START_TEST(sums_are_checked_from_then_on) {
        cache_fixture_start(&fixture);
        ck_assert_int_eq(do_write(0), 0);
        corrupt();
        ck_assert_int_eq(do_read(0, 4096), 0);
        cache_manager_set_verification(fixture.manager, true);
        ck_assert_int_eq(do_read(0, 4096), -EIO);
        cache_manager_set_verification(fixture.manager, false);
        ck_assert_int_eq(do_read(0, 4096), 0);
}
END_TEST

START_TEST(a_flush_is_given_the_time_that_was_set) {
        cache_fixture_start(&fixture);
        cache_manager_set_request_timeout(fixture.manager, 7 * NS_PER_S);
        ck_assert_uint_eq(cache_manager_get_flush_time_ns(fixture.manager), 7 * NS_PER_S);
}
END_TEST

int main(void) {
        Suite *suite = suite_create("cache_settings");
        TCase *tcase = tcase_create("cache_settings");

        tcase_add_checked_fixture(tcase, set_up, tear_down);
        tcase_set_timeout(tcase, 120);
        tcase_add_test(tcase, switched_off_it_forgets_what_was_read);
        tcase_add_loop_test(tcase, another_policy_knows_which_line_is_the_oldest, 0,
                            _CACHE_POLICY_KIND_MAX);
        tcase_add_loop_test(tcase, the_policy_that_is_set_is_the_one_that_evicts, 0,
                            _CACHE_POLICY_KIND_MAX);
        tcase_add_test(tcase, another_policy_leaves_what_is_dirty_alone);
        tcase_add_test(tcase, reading_ahead_can_begin_and_end);
        tcase_add_test(tcase, sums_are_checked_from_then_on);
        tcase_add_test(tcase, a_flush_is_given_the_time_that_was_set);
        suite_add_tcase(suite, tcase);
        return run_suite(suite);
}
