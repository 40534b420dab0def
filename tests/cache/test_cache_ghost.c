/* What is remembered of evicted lines, and for how long. */

#include "cache/cache_ghost.h"
#include "unit_test.h"

#define N_HASHES 1000

static CacheGhost ghost;

static void set_up(void) { ck_assert_int_eq(cache_ghost_init(&ghost, N_HASHES), 0); }

static void tear_down(void) { cache_ghost_done(&ghost); }

static void put_others(uint64_t first, unsigned n) {
        for (unsigned i = 0; i < n; i++)
                cache_ghost_put(&ghost, cache_ghost_hash(first + i));
}

START_TEST(what_was_put_can_be_taken_once) {
        uint32_t hash = cache_ghost_hash(7);

        ck_assert(!cache_ghost_take(&ghost, hash, N_HASHES));
        cache_ghost_put(&ghost, hash);
        ck_assert(!cache_ghost_take(&ghost, cache_ghost_hash(8), N_HASHES));
        ck_assert(cache_ghost_take(&ghost, hash, N_HASHES));
        ck_assert(!cache_ghost_take(&ghost, hash, N_HASHES));
}
END_TEST

START_TEST(only_the_last_ones_count) {
        uint32_t hash = cache_ghost_hash(7);

        cache_ghost_put(&ghost, hash);
        put_others(100, 4);
        ck_assert(cache_ghost_take(&ghost, hash, 5));
        cache_ghost_put(&ghost, hash);
        put_others(100, 5);
        ck_assert(!cache_ghost_take(&ghost, hash, 5));
        /* Whoever is too old is forgotten by the question. */
        ck_assert(!cache_ghost_take(&ghost, hash, N_HASHES));
}
END_TEST

START_TEST(putting_again_makes_young) {
        uint32_t hash = cache_ghost_hash(7);

        cache_ghost_put(&ghost, hash);
        put_others(100, 5);
        cache_ghost_put(&ghost, hash);
        ck_assert(cache_ghost_take(&ghost, hash, 1));
        ck_assert(!cache_ghost_take(&ghost, hash, N_HASHES));
}
END_TEST

START_TEST(the_count_of_puts_may_wrap_around) {
        ghost.n_puts = UINT32_MAX - 1;
        put_others(0, 4);
        for (uint64_t key = 0; key < 4; key++)
                ck_assert(cache_ghost_take(&ghost, cache_ghost_hash(key), 4));
}
END_TEST

/* Full buckets may forget a few, and equal hashes may remember a few that never were. */
START_TEST(nearly_all_of_the_last_ones_are_known_and_nearly_no_others) {
        unsigned n_known = 0, n_false = 0;

        put_others(0, 50 * N_HASHES);
        for (unsigned i = 0; i < N_HASHES; i++) {
                n_known += cache_ghost_take(&ghost, cache_ghost_hash(49 * N_HASHES + i), N_HASHES);
                n_false += cache_ghost_take(&ghost, cache_ghost_hash(48 * N_HASHES + i), N_HASHES);
        }
        ck_assert_uint_ge(n_known, N_HASHES * 98 / 100);
        ck_assert_uint_eq(n_false, 0);
}
END_TEST

START_TEST(no_hash_is_zero) {
        for (uint64_t key = 0; key < 100000; key++)
                ck_assert_uint_ne(cache_ghost_hash(key), 0);
}
END_TEST

int main(void) {
        const TTest *const tests[] = {
                what_was_put_can_be_taken_once,
                only_the_last_ones_count,
                putting_again_makes_young,
                the_count_of_puts_may_wrap_around,
                nearly_all_of_the_last_ones_are_known_and_nearly_no_others,
                no_hash_is_zero,
                NULL,
        };
        Suite *suite = suite_create("cache_ghost");
        TCase *tcase = tcase_create("cache_ghost");

        tcase_add_checked_fixture(tcase, set_up, tear_down);
        for (const TTest *const *test = tests; *test; test++)
                tcase_add_test(tcase, *test);
        suite_add_tcase(suite, tcase);
        return run_suite(suite);
}
