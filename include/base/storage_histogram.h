#pragma once

/*
 * StorageHistogram
 *
 * Times from a microsecond to half a minute, in a form that is small enough for a message between
 * processes: each power of two is divided in two, so that a time is known within a half of itself;
 * histogram.h has the fine and large one. Plain data, initially zero.
 */

#include <stddef.h>
#include <stdint.h>

/* The first bucket holds all below 1 << 10 ns, the last all from 1 << 35 ns (34 s) on. */
#define STORAGE_HISTOGRAM_BITS_MIN 10
#define STORAGE_HISTOGRAM_BITS_MAX 35
#define STORAGE_HISTOGRAM_BUCKETS \
        (2 * (STORAGE_HISTOGRAM_BITS_MAX - STORAGE_HISTOGRAM_BITS_MIN) + 2)

typedef struct StorageHistogram {
        uint64_t counts[STORAGE_HISTOGRAM_BUCKETS];
        uint64_t sum_ns;
        uint64_t largest_ns;
} StorageHistogram;

/* In which bucket a time is counted. */
static inline size_t storage_histogram_get_bucket(uint64_t time_ns) {
        unsigned bits;

        if (time_ns >> STORAGE_HISTOGRAM_BITS_MIN == 0)
                return 0;
        if (time_ns >> STORAGE_HISTOGRAM_BITS_MAX != 0)
                return STORAGE_HISTOGRAM_BUCKETS - 1;
        bits = 63 - (unsigned) __builtin_clzll(time_ns);
        return 1 + 2 * (bits - STORAGE_HISTOGRAM_BITS_MIN) + (time_ns >> (bits - 1) & 1);
}

/* A few instructions, for where it is hot. */
static inline void storage_histogram_record(StorageHistogram *histogram, uint64_t time_ns) {
        histogram->counts[storage_histogram_get_bucket(time_ns)]++;
        histogram->sum_ns += time_ns;
        if (time_ns > histogram->largest_ns)
                histogram->largest_ns = time_ns;
}

/* The first time that is too long for the bucket; UINT64_MAX: it has no end. */
uint64_t storage_histogram_get_end_ns(size_t bucket);
uint64_t storage_histogram_count(const StorageHistogram *histogram);
void storage_histogram_add(StorageHistogram *to, const StorageHistogram *from);
/* At or below it lie `per_mille` of 1000 times, but for the width of a bucket; 0: there are none.
 * Never above `largest_ns`. */
uint64_t storage_histogram_get_quantile_ns(const StorageHistogram *histogram, unsigned per_mille);
