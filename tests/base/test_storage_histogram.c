/* The borders of the compact histogram, against the fine one where both know a value. */

#include "base/histogram.h"
#include "base/macros.h"
#include "base/random.h"
#include "base/storage_histogram.h"
#include "unit_test.h"

START_TEST(buckets_follow_each_other_without_gaps) {
        uint64_t begin_ns = 0;

        for (size_t i = 0; i < STORAGE_HISTOGRAM_BUCKETS; i++) {
                uint64_t end_ns = storage_histogram_get_end_ns(i);

                ck_assert_uint_gt(end_ns, begin_ns);
                ck_assert_uint_eq(storage_histogram_get_bucket(begin_ns), i);
                ck_assert_uint_eq(storage_histogram_get_bucket(end_ns - 1), i);
                begin_ns = end_ns;
        }
        ck_assert_uint_eq(storage_histogram_get_bucket(UINT64_MAX), STORAGE_HISTOGRAM_BUCKETS - 1);
}
END_TEST

START_TEST(a_time_is_known_within_a_half) {
        static Histogram fine;
        StorageHistogram histogram = {};
        Random random;

        random_init(&random, 7);
        histogram_init(&fine);
        for (unsigned i = 0; i < 10000; i++) {
                uint64_t time_ns = 2000 + random_below(&random, UINT64_C(1) << (11 + i % 20));

                storage_histogram_record(&histogram, time_ns);
                histogram_record(&fine, time_ns);
        }
        ck_assert_uint_eq(storage_histogram_count(&histogram), 10000);
        ck_assert_uint_eq(histogram.sum_ns, fine.sum);
        ck_assert_uint_eq(histogram.largest_ns, fine.largest);
        for (unsigned per_mille = 1; per_mille <= 1000; per_mille += 37) {
                uint64_t exact = histogram_quantile(&fine, per_mille);
                uint64_t found = storage_histogram_get_quantile_ns(&histogram, per_mille);

                ck_assert_uint_ge(found + exact / 16, exact);
                ck_assert_uint_le(found, exact + exact / 2);
        }
}
END_TEST

START_TEST(nothing_has_a_quantile_of_nothing) {
        StorageHistogram histogram = {};

        ck_assert_uint_eq(storage_histogram_get_quantile_ns(&histogram, 500), 0);
        storage_histogram_record(&histogram, 0);
        ck_assert_uint_eq(storage_histogram_get_quantile_ns(&histogram, 500), 0);
        storage_histogram_record(&histogram, UINT64_C(1) << 40);
        ck_assert_uint_eq(storage_histogram_get_quantile_ns(&histogram, 1000), UINT64_C(1) << 40);
}
END_TEST

START_TEST(histograms_add_up) {
        StorageHistogram one = {}, other = {};

        storage_histogram_record(&one, 5000);
        storage_histogram_record(&other, 5000);
        storage_histogram_record(&other, 70000);
        storage_histogram_add(&one, &other);
        ck_assert_uint_eq(storage_histogram_count(&one), 3);
        ck_assert_uint_eq(one.counts[storage_histogram_get_bucket(5000)], 2);
        ck_assert_uint_eq(one.sum_ns, 80000);
        ck_assert_uint_eq(one.largest_ns, 70000);
}
END_TEST

int main(void) {
        const TTest *const tests[] = {
                buckets_follow_each_other_without_gaps,
                a_time_is_known_within_a_half,
                nothing_has_a_quantile_of_nothing,
                histograms_add_up,
                NULL,
        };

        return run_suite(suite_of("storage_histogram", tests));
}
