/* Pooled staging: what is kept for the next taker, and how much of it. */

#include <string.h>

#include "base/staging_pool.h"
#include "unit_test.h"

#define KEPT_SIZE_MAX (64 * KIB)

static StagingPool pool;

static void set_up(void) { staging_pool_init(&pool, KEPT_SIZE_MAX); }

static void tear_down(void) { staging_pool_done(&pool); }

START_TEST(a_block_is_the_next_takers_of_its_size) {
        void *memory = staging_get(&pool.staging, 5000), *other;

        ck_assert_uint_eq((uintptr_t) memory % 4096, 0);
        ck_assert_uint_eq(pool.taken_size, 8 * KIB);
        staging_put(&pool.staging, memory, 5000);
        ck_assert_uint_eq(pool.kept_size, 8 * KIB);

        other = staging_get(&pool.staging, 4096);
        ck_assert_ptr_ne(other, memory);
        ck_assert_ptr_eq(staging_get(&pool.staging, 8192), memory);
        ck_assert_uint_eq(pool.kept_size, 0);
        staging_put(&pool.staging, memory, 8192);
        staging_put(&pool.staging, other, 4096);
}
END_TEST

START_TEST(no_more_is_kept_than_the_limit) {
        void *blocks[8];

        for (size_t i = 0; i < N_ELEMENTS(blocks); i++)
                blocks[i] = staging_get(&pool.staging, 16 * KIB);
        for (size_t i = 0; i < N_ELEMENTS(blocks); i++)
                staging_put(&pool.staging, blocks[i], 16 * KIB);
        ck_assert_uint_eq(pool.taken_size, 0);
        ck_assert_uint_eq(pool.kept_size, KEPT_SIZE_MAX);
}
END_TEST

START_TEST(what_was_not_used_for_longest_makes_room) {
        void *small[4], *large = staging_get(&pool.staging, 48 * KIB);

        for (size_t i = 0; i < N_ELEMENTS(small); i++)
                small[i] = staging_get(&pool.staging, 8 * KIB);
        for (size_t i = 0; i < N_ELEMENTS(small); i++)
                staging_put(&pool.staging, small[i], 8 * KIB);
        staging_put(&pool.staging, large, 48 * KIB);
        ck_assert_uint_eq(pool.kept_size, KEPT_SIZE_MAX);
        ck_assert_ptr_eq(staging_get(&pool.staging, 48 * KIB), large);
        ck_assert_uint_eq(pool.kept_size, 0);

        small[0] = staging_get(&pool.staging, 8 * KIB);
        staging_put(&pool.staging, large, 48 * KIB);
        staging_put(&pool.staging, small[0], 8 * KIB);
        ck_assert_uint_eq(pool.kept_size, 8 * KIB);
        ck_assert_ptr_eq(staging_get(&pool.staging, 8 * KIB), small[0]);
        staging_put(&pool.staging, small[0], 8 * KIB);
}
END_TEST

START_TEST(what_is_too_large_for_a_block_is_had_too) {
        size_t size = STAGING_POOL_BLOCK_SIZE_MAX + 1;
        uint8_t *memory = staging_get(&pool.staging, size);

        memset(memory, 1, size);
        staging_put(&pool.staging, memory, size);
        ck_assert_uint_eq(pool.kept_size, 0);
        ck_assert_ptr_null(staging_get(&pool.staging, SIZE_MAX));
}
END_TEST

int main(void) {
        const TTest *const tests[] = {
                a_block_is_the_next_takers_of_its_size,
                no_more_is_kept_than_the_limit,
                what_was_not_used_for_longest_makes_room,
                what_is_too_large_for_a_block_is_had_too,
        };
        Suite *suite = suite_create("staging_pool");
        TCase *tcase = tcase_create("staging_pool");

        tcase_add_checked_fixture(tcase, set_up, tear_down);
        for (size_t i = 0; i < N_ELEMENTS(tests); i++)
                tcase_add_test(tcase, tests[i]);
        suite_add_tcase(suite, tcase);
        return run_suite(suite);
}
