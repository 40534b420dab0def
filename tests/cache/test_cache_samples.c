/* What a volume remembers of its medium, to recognise it after an absence. */

#include <errno.h>
#include <string.h>

#include "cache/cache_samples.h"
#include "cache_fixture.h"
#include "unit_test.h"

static CacheFixture fixture;

static void set_up(void) { cache_fixture_set_up(&fixture, 512); }
static void tear_down(void) { cache_fixture_tear_down(&fixture); }

static int do_write(uint64_t offset, uint64_t size) {
        static uint8_t data[1 * MIB];

        memset(data, 0x5A, sizeof(data));
        return cache_fixture_do(&fixture, BLOCK_OPERATION_WRITE, 0, offset, size, data);
}

static int do_flush(void) {
        return cache_fixture_do(&fixture, BLOCK_OPERATION_FLUSH, 0, 0, 0, NULL);
}

static int take_samples(Task *task, void *userdata) {
        return cache_samples_take(fixture.volume, task);
}

static int compare_samples(Task *task, void *userdata) {
        return cache_samples_compare(cache_samples_get(fixture.volume), fixture.lun, task, NULL);
}

static void note_result(Task *task, int result, void *userdata) { *(int *) userdata = result; }

static int run_task(TaskMain main_function) {
        int result = -EINPROGRESS;

        ck_assert_int_eq(task_start(NULL, fixture.loop, "samples", main_function, note_result,
                                    &result),
                         0);
        cache_fixture_run(&fixture);
        return result;
}

START_TEST(samples_recognise_the_medium_as_long_as_only_we_write) {
        cache_fixture_start(&fixture);
        ck_assert_int_eq(run_task(take_samples), 0);
        ck_assert_int_eq(run_task(compare_samples), 1);
        ck_assert_int_eq(do_write(4096, 100000), 0);
        ck_assert_int_eq(do_flush(), 0);
        ck_assert_int_eq(run_task(compare_samples), 1);
        fixture.ram.memory[700 * KIB] ^= 1;
        ck_assert_int_eq(run_task(compare_samples), 0);
}
END_TEST

/* A device that loses its cache has it again as it was. */
START_TEST(what_was_trimmed_is_no_sample_before_it_is_synchronised) {
        cache_fixture_start(&fixture);
        ck_assert_int_eq(cache_fixture_do(&fixture, BLOCK_OPERATION_TRIM, 0, 0, 64 * KIB, NULL), 0);
        ck_assert_int_eq(run_task(take_samples), 0);
        ck_assert_uint_eq(cache_samples_get(fixture.volume)[0].size, 0);
        ck_assert_int_eq(do_flush(), 0);
        ck_assert_int_eq(run_task(take_samples), 0);
        ck_assert_uint_gt(cache_samples_get(fixture.volume)[0].size, 0);
}
END_TEST

START_TEST(what_is_being_cleared_is_no_sample) {
        int result = -EINPROGRESS;

        cache_fixture_start(&fixture);
        fixture.ram.is_held = true;
        cache_fixture_submit(&fixture, BLOCK_OPERATION_WRITE_ZEROES, 0, 0, 512 * KIB, NULL);
        cache_fixture_run_for(&fixture, NS_PER_MS);
        ck_assert_int_eq(task_start(NULL, fixture.loop, "samples", take_samples, note_result,
                                    &result),
                         0);
        cache_fixture_run_for(&fixture, NS_PER_MS);
        ram_target_release(&fixture.ram, 0);
        cache_fixture_run(&fixture);
        ck_assert_int_eq(result, 0);
        ck_assert_uint_eq(cache_samples_get(fixture.volume)[0].size, 0);
        ck_assert_uint_gt(cache_samples_get(fixture.volume)[8].size, 0);
}
END_TEST

int main(void) {
        Suite *suite = suite_create("cache_samples");
        TCase *tcase = tcase_create("cache_samples");

        tcase_add_checked_fixture(tcase, set_up, tear_down);
        tcase_add_test(tcase, samples_recognise_the_medium_as_long_as_only_we_write);
        tcase_add_test(tcase, what_was_trimmed_is_no_sample_before_it_is_synchronised);
        tcase_add_test(tcase, what_is_being_cleared_is_no_sample);
        suite_add_tcase(suite, tcase);
        return run_suite(suite);
}
