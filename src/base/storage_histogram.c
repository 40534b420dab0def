/* The buckets' borders, and what is asked of a histogram seldom: see storage_histogram.h. */

#include "base/storage_histogram.h"
#include "base/macros.h"

uint64_t storage_histogram_get_end_ns(size_t bucket) {
        uint64_t half;

        assert(bucket < STORAGE_HISTOGRAM_BUCKETS);

        if (bucket == STORAGE_HISTOGRAM_BUCKETS - 1)
                return UINT64_MAX;
        if (bucket == 0)
                return UINT64_C(1) << STORAGE_HISTOGRAM_BITS_MIN;
        half = UINT64_C(1) << (STORAGE_HISTOGRAM_BITS_MIN + (bucket - 1) / 2 - 1);
        return half * (3 + (bucket - 1) % 2);
}

uint64_t storage_histogram_count(const StorageHistogram *histogram) {
        uint64_t n = 0;

        for (size_t i = 0; i < STORAGE_HISTOGRAM_BUCKETS; i++)
                n += histogram->counts[i];
        return n;
}

void storage_histogram_add(StorageHistogram *to, const StorageHistogram *from) {
        for (size_t i = 0; i < STORAGE_HISTOGRAM_BUCKETS; i++)
                to->counts[i] += from->counts[i];
        to->sum_ns += from->sum_ns;
        to->largest_ns = MAX(to->largest_ns, from->largest_ns);
}

/* Rounded up without overflow; at least the first one. */
static uint64_t rank_of(uint64_t n, unsigned per_mille) {
        uint64_t rank = n / 1000 * per_mille + DIV_ROUND_UP(n % 1000 * per_mille, 1000);

        return MAX(rank, UINT64_C(1));
}

uint64_t storage_histogram_get_quantile_ns(const StorageHistogram *histogram, unsigned per_mille) {
        uint64_t n = storage_histogram_count(histogram), n_below = 0, rank;

        assert(per_mille <= 1000);

        if (n == 0)
                return 0;
        rank = rank_of(n, per_mille);
        for (size_t i = 0; i < STORAGE_HISTOGRAM_BUCKETS; i++) {
                n_below += histogram->counts[i];
                if (n_below >= rank)
                        return MIN(storage_histogram_get_end_ns(i) - 1, histogram->largest_ns);
        }
        return histogram->largest_ns;
}
