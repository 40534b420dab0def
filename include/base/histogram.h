#pragma once

/*
 * Histogram
 *
 * Log-linear: each power of two is divided into HISTOGRAM_SUB_BUCKETS equal parts, so that a
 * recorded value is known within 1/16 of itself over the whole range of uint64_t. Recording is a
 * few instructions; plain data, may be copied and shared.
 */

#include <stdint.h>

#define HISTOGRAM_SUB_BUCKETS 16
#define HISTOGRAM_BUCKETS (61 * HISTOGRAM_SUB_BUCKETS)

typedef struct Histogram {
        uint64_t counts[HISTOGRAM_BUCKETS];
        uint64_t n_values;
        uint64_t sum;
        uint64_t smallest;
        uint64_t largest;
} Histogram;

void histogram_init(Histogram *histogram);
void histogram_record(Histogram *histogram, uint64_t value);
void histogram_merge(Histogram *to, const Histogram *from);
/* The value below or at which `per_mille` of 1000 values lie; 0 if empty. Never above `largest`. */
uint64_t histogram_quantile(const Histogram *histogram, unsigned per_mille);
uint64_t histogram_mean(const Histogram *histogram);
