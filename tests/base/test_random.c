/* Random: the published generator, reproducible, within bounds. */

#include <string.h>

#include "base/macros.h"
#include "base/random.h"
#include "unit_test.h"

START_TEST(the_generator_is_the_published_one) {
        /* xoshiro256** from the state 1, 2, 3, 4, as its authors' program prints it. */
        static const uint64_t expected[] = { 11520, 0, 1509978240, 1215971899390074240 };
        Random random = { .state = { 1, 2, 3, 4 } };

        for (size_t i = 0; i < N_ELEMENTS(expected); i++)
                ck_assert_uint_eq(random_u64(&random), expected[i]);
}
END_TEST

START_TEST(the_seed_decides_everything) {
        Random a, b, c;
        bool has_differed = false;

        random_init(&a, 42);
        random_init(&b, 42);
        random_init(&c, 43);
        for (unsigned i = 0; i < 1000; i++) {
                uint64_t value = random_u64(&a);

                ck_assert_uint_eq(value, random_u64(&b));
                has_differed = has_differed || value != random_u64(&c);
        }
        ck_assert(has_differed);
}
END_TEST

START_TEST(seed_zero_works_as_well) {
        Random random;

        random_init(&random, 0);
        ck_assert_uint_ne(random_u64(&random), random_u64(&random));
}
END_TEST

static const uint64_t limits[] = {
        1, 2, 3, 10, 256, 1000, UINT64_C(1) << 32, (UINT64_C(1) << 63) + 1, UINT64_MAX,
};

START_TEST(results_stay_below_the_limit) {
        Random random;

        random_init(&random, 7);
        for (unsigned i = 0; i < 1000; i++)
                ck_assert_uint_lt(random_below(&random, limits[_i]), limits[_i]);
}
END_TEST

START_TEST(small_ranges_are_filled_evenly) {
        unsigned counts[10] = { 0 };
        Random random;

        random_init(&random, 7);
        for (unsigned i = 0; i < 100000; i++)
                counts[random_below(&random, 10)]++;
        for (unsigned i = 0; i < 10; i++) {
                ck_assert_uint_gt(counts[i], 9500);
                ck_assert_uint_lt(counts[i], 10500);
        }
}
END_TEST

START_TEST(one_in_n_comes_about_that_often) {
        unsigned n = 0;
        Random random;

        random_init(&random, 7);
        for (unsigned i = 0; i < 10000; i++) {
                ck_assert(!random_one_in(&random, 0));
                ck_assert(random_one_in(&random, 1));
                n += random_one_in(&random, 100);
        }
        ck_assert_uint_gt(n, 50);
        ck_assert_uint_lt(n, 200);
}
END_TEST

START_TEST(fill_fills_exactly_what_it_is_given) {
        for (size_t size = 0; size <= 20; size++) {
                uint8_t memory[24], zeroes[24] = { 0 };
                Random random;

                memset(memory, 0, sizeof(memory));
                random_init(&random, 11);
                random_fill(&random, memory, size);
                ck_assert_mem_eq(memory + size, zeroes, sizeof(memory) - size);
                if (size >= 8)
                        ck_assert_mem_ne(memory + size - 4, zeroes, 4);
        }
}
END_TEST

START_TEST(seeds_from_the_kernel_differ) {
        ck_assert_uint_ne(random_system_seed(), random_system_seed());
}
END_TEST

int main(void) {
        const TTest *const tests[] = {
                the_generator_is_the_published_one,
                the_seed_decides_everything,
                seed_zero_works_as_well,
                small_ranges_are_filled_evenly,
                one_in_n_comes_about_that_often,
                fill_fills_exactly_what_it_is_given,
                seeds_from_the_kernel_differ,
                NULL,
        };
        Suite *suite = suite_of("random", tests);
        TCase *bounds = tcase_create("bounds");

        tcase_add_loop_test(bounds, results_stay_below_the_limit, 0, N_ELEMENTS(limits));
        suite_add_tcase(suite, bounds);
        return run_suite(suite);
}
