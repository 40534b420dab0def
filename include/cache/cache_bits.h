#pragma once

/*
 * CacheBits
 *
 * One bit for each block of a line. Plain data..
 */

#include "base/macros.h"

/* 64 KiB in blocks of 512 bytes. */
#define CACHE_BITS_MAX 128

typedef struct CacheBits {
        uint64_t words[CACHE_BITS_MAX / 64];
} CacheBits;

/* The bits from `first` up to, but not including, `end`. */
static inline CacheBits cache_bits_range(unsigned first, unsigned end) {
        CacheBits bits = {};

        assert(first <= end && end <= CACHE_BITS_MAX);
        for (unsigned i = 0; i < N_ELEMENTS(bits.words); i++) {
                unsigned low = MAX(first, i * 64), high = MIN(end, i * 64 + 64);

                if (low < high)
                        bits.words[i] = (UINT64_MAX >> (64 - (high - low))) << (low - i * 64);
        }
        return bits;
}

static inline CacheBits cache_bits_or(CacheBits a, CacheBits b) {
        for (unsigned i = 0; i < N_ELEMENTS(a.words); i++)
                a.words[i] |= b.words[i];
        return a;
}

static inline CacheBits cache_bits_and(CacheBits a, CacheBits b) {
        for (unsigned i = 0; i < N_ELEMENTS(a.words); i++)
                a.words[i] &= b.words[i];
        return a;
}

static inline CacheBits cache_bits_without(CacheBits a, CacheBits b) {
        for (unsigned i = 0; i < N_ELEMENTS(a.words); i++)
                a.words[i] &= ~b.words[i];
        return a;
}

static inline bool cache_bits_is_empty(CacheBits bits) {
        return (bits.words[0] | bits.words[1]) == 0;
}

static inline bool cache_bits_intersect(CacheBits a, CacheBits b) {
        return !cache_bits_is_empty(cache_bits_and(a, b));
}

/* All bits of `b` are in `a`. */
static inline bool cache_bits_contain(CacheBits a, CacheBits b) {
        return cache_bits_is_empty(cache_bits_without(b, a));
}

static inline unsigned cache_bits_count(CacheBits bits) {
        return (unsigned) (__builtin_popcountll(bits.words[0]) +
                           __builtin_popcountll(bits.words[1]));
}

static inline bool cache_bits_has(CacheBits bits, unsigned bit) {
        assert(bit < CACHE_BITS_MAX);
        return bits.words[bit / 64] >> (bit % 64) & 1;
}

/* The first set bit from `from` on, CACHE_BITS_MAX if there is none. */
static inline unsigned cache_bits_next_set(CacheBits bits, unsigned from) {
        for (unsigned i = from / 64; i < N_ELEMENTS(bits.words); i++) {
                uint64_t word = bits.words[i];

                if (i == from / 64)
                        word &= UINT64_MAX << (from % 64);
                if (word != 0)
                        return i * 64 + (unsigned) __builtin_ctzll(word);
        }
        return CACHE_BITS_MAX;
}

/* The first clear bit from `from` on, CACHE_BITS_MAX if there is none. */
static inline unsigned cache_bits_next_clear(CacheBits bits, unsigned from) {
        for (unsigned i = 0; i < N_ELEMENTS(bits.words); i++)
                bits.words[i] = ~bits.words[i];
        return cache_bits_next_set(bits, from);
}
