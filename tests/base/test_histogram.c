/* Histograms: accuracy over the whole range, and quantiles of distributions that are known. */

#include "base/histogram.h"
#include "base/macros.h"
#include "base/random.h"
#include "unit_test.h"

/* The histogram is too large for a frame that is copied often. */
static Histogram histogram, other;

START_TEST(an_empty_histogram_answers_zero) {
        histogram_init(&histogram);
        ck_assert_uint_eq(histogram_quantile(&histogram, 500), 0);
        ck_assert_uint_eq(histogram_mean(&histogram), 0);
        ck_assert_uint_eq(histogram.n_values, 0);
}
END_TEST

static const uint64_t accuracy_values[] = {
        0,
        1,
        15,
        16,
        17,
        31,
        32,
        33,
        100,
        999,
        4096,
        65535,
        65536,
        1000000,
        UINT64_C(123456789),
        UINT64_C(30000000000),
        UINT64_C(1) << 62,
        (UINT64_C(1) << 63) - 1,
        UINT64_C(1) << 63,
        UINT64_MAX - 1,
        UINT64_MAX,
};

/* With a larger value beside it, so that `largest` does not make up for a wrong bucket. */
START_TEST(a_value_is_known_within_a_sixteenth) {
        uint64_t value = accuracy_values[_i], found;

        histogram_init(&histogram);
        histogram_record(&histogram, value);
        histogram_record(&histogram, UINT64_MAX);
        found = histogram_quantile(&histogram, 500);
        ck_assert_uint_ge(found, value);
        ck_assert_uint_le(found - value, value / 16);
        ck_assert_uint_eq(histogram_quantile(&histogram, 1000), UINT64_MAX);
}
END_TEST

typedef struct QuantileCase {
        unsigned per_mille;
        uint64_t exact; /* of the values 1 … 10000 */
} QuantileCase;

static const QuantileCase quantile_cases[] = {
        { 0, 1 },      { 1, 10 },     { 10, 100 },   { 250, 2500 },   { 500, 5000 },
        { 900, 9000 }, { 990, 9900 }, { 999, 9990 }, { 1000, 10000 },
};

START_TEST(quantiles_of_evenly_spread_values_are_close) {
        const QuantileCase *c = &quantile_cases[_i];
        uint64_t found;

        histogram_init(&histogram);
        for (uint64_t value = 10000; value > 0; value--)
                histogram_record(&histogram, value);
        found = histogram_quantile(&histogram, c->per_mille);
        ck_assert_uint_ge(found, c->exact);
        ck_assert_uint_le(found, c->exact + c->exact / 16);
        ck_assert_uint_le(found, 10000);
        ck_assert_uint_eq(histogram_mean(&histogram), 5000);
        ck_assert_uint_eq(histogram.smallest, 1);
        ck_assert_uint_eq(histogram.largest, 10000);
}
END_TEST

START_TEST(quantiles_of_one_value_are_that_value) {
        histogram_init(&histogram);
        for (unsigned i = 0; i < 3; i++)
                histogram_record(&histogram, 1000003);
        ck_assert_uint_eq(histogram_quantile(&histogram, 0), 1000003);
        ck_assert_uint_eq(histogram_quantile(&histogram, 500), 1000003);
        ck_assert_uint_eq(histogram_quantile(&histogram, 1000), 1000003);
}
END_TEST

START_TEST(merging_is_recording_in_one) {
        static Histogram all;
        Random random;

        random_init(&random, 1);
        histogram_init(&histogram);
        histogram_init(&other);
        histogram_init(&all);
        histogram_merge(&histogram, &other);
        ck_assert_uint_eq(histogram.smallest, UINT64_MAX);
        for (unsigned i = 0; i < 10000; i++) {
                uint64_t value = random_u64(&random) >> random_below(&random, 64);

                histogram_record(i % 3 == 0 ? &histogram : &other, value);
                histogram_record(&all, value);
        }
        histogram_merge(&histogram, &other);
        ck_assert_mem_eq(&histogram, &all, sizeof(all));
}
END_TEST

START_TEST(the_sum_saturates_instead_of_wrapping) {
        histogram_init(&histogram);
        histogram_record(&histogram, UINT64_MAX);
        histogram_record(&histogram, 2);
        ck_assert_uint_eq(histogram.sum, UINT64_MAX);
        ck_assert_uint_eq(histogram.n_values, 2);
}
END_TEST

int main(void) {
        const TTest *const tests[] = {
                an_empty_histogram_answers_zero,
                quantiles_of_one_value_are_that_value,
                merging_is_recording_in_one,
                the_sum_saturates_instead_of_wrapping,
                NULL,
        };
        Suite *suite = suite_of("histogram", tests);
        TCase *tables = tcase_create("tables");

        tcase_add_loop_test(tables, a_value_is_known_within_a_sixteenth, 0,
                            N_ELEMENTS(accuracy_values));
        tcase_add_loop_test(tables, quantiles_of_evenly_spread_values_are_close, 0,
                            N_ELEMENTS(quantile_cases));
        suite_add_tcase(suite, tables);
        return run_suite(suite);
}
