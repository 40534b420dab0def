/*
 * Histogram
 *
 * The first HISTOGRAM_SUB_BUCKETS buckets hold one value each; every later group of as many divides
 * one power of two evenly.
 */

#include "base/histogram.h"
#include "base/macros.h"

/* log2(HISTOGRAM_SUB_BUCKETS) */
#define SUB_BUCKET_BITS 4

static_assert(HISTOGRAM_SUB_BUCKETS == 1 << SUB_BUCKET_BITS, "bits and buckets differ");
static_assert(HISTOGRAM_BUCKETS == (64 - SUB_BUCKET_BITS + 1) * HISTOGRAM_SUB_BUCKETS,
              "the range is not that of uint64_t");

static size_t bucket_of(uint64_t value) {
        unsigned exponent, group;

        if (value < HISTOGRAM_SUB_BUCKETS)
                return (size_t) value;
        exponent = 63 - (unsigned) __builtin_clzll(value);
        group = exponent - SUB_BUCKET_BITS + 1;
        return group * HISTOGRAM_SUB_BUCKETS +
               ((value >> (exponent - SUB_BUCKET_BITS)) & (HISTOGRAM_SUB_BUCKETS - 1));
}

static uint64_t largest_in_bucket(size_t index) {
        size_t group = index / HISTOGRAM_SUB_BUCKETS, part = index % HISTOGRAM_SUB_BUCKETS;

        if (group == 0)
                return part;
        /* Of the last bucket the sum is 2^64, and wraps to what is wanted. */
        return ((uint64_t) (HISTOGRAM_SUB_BUCKETS + part + 1) << (group - 1)) - 1;
}

static uint64_t add_saturating(uint64_t a, uint64_t b) {
        return a > UINT64_MAX - b ? UINT64_MAX : a + b;
}

void histogram_init(Histogram *histogram) { *histogram = (Histogram){ .smallest = UINT64_MAX }; }

void histogram_record(Histogram *histogram, uint64_t value) {
        histogram->counts[bucket_of(value)]++;
        histogram->n_values++;
        histogram->sum = add_saturating(histogram->sum, value);
        histogram->smallest = MIN(histogram->smallest, value);
        histogram->largest = MAX(histogram->largest, value);
}

void histogram_merge(Histogram *to, const Histogram *from) {
        if (from->n_values == 0)
                return;
        for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++)
                to->counts[i] += from->counts[i];
        to->n_values += from->n_values;
        to->sum = add_saturating(to->sum, from->sum);
        to->smallest = MIN(to->smallest, from->smallest);
        to->largest = MAX(to->largest, from->largest);
}

/* Rounded up without overflow; at least the first value. */
static uint64_t rank_of(uint64_t n_values, unsigned per_mille) {
        uint64_t rank = n_values / 1000 * per_mille +
                        DIV_ROUND_UP(n_values % 1000 * per_mille, 1000);

        return MAX(rank, UINT64_C(1));
}

uint64_t histogram_quantile(const Histogram *histogram, unsigned per_mille) {
        uint64_t rank, n = 0;

        assert(per_mille <= 1000);

        if (histogram->n_values == 0)
                return 0;
        rank = rank_of(histogram->n_values, per_mille);
        for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
                n += histogram->counts[i];
                if (n >= rank)
                        return MIN(largest_in_bucket(i), histogram->largest);
        }
        return histogram->largest;
}

uint64_t histogram_mean(const Histogram *histogram) {
        return histogram->n_values > 0 ? histogram->sum / histogram->n_values : 0;
}
