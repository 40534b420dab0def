#pragma once

/*
 * CacheStreamCandidates
 *
 * What was read lately and belongs to no stream: contiguous ranges, of which one that grew twice to
 * the same side is a stream, and single reads, of which four at equal distances are one. Reads that
 * come out of order make several ranges, which become one when the gap between them is read.
 * Private to cache.
 */

#include "base/macros.h"

#define CACHE_STREAM_CANDIDATES_MAX 16
/* Two distances that are equal are often chance, the more so the more distances are looked at. */
#define CACHE_STREAM_STRIDE_MAX (16 * MIB)

typedef struct CacheStreamCandidate {
        uint64_t low;
        uint64_t high; /* behind its end */
        uint64_t last; /* where the last read that belongs to it began */
        uint64_t size; /* of that read */
        uint64_t seen; /* CacheStreamCandidates::n_seen when it was read; 0: nothing is here */
        uint64_t stride;
        unsigned n_strides; /* how often the same came in succession */
        unsigned n_forward; /* how often it grew at its end */
        unsigned n_backward;
} CacheStreamCandidate;

typedef struct CacheStreamCandidates {
        CacheStreamCandidate items[CACHE_STREAM_CANDIDATES_MAX];
        uint8_t index_of[256]; /* by the hash of `last`; may be out of date */
        uint64_t n_seen;
} CacheStreamCandidates;

typedef enum CacheStreamGrowth {
        CACHE_STREAM_GROWTH_NONE, /* it touches no range */
        CACHE_STREAM_GROWTH_SOME,
        CACHE_STREAM_GROWTH_FOUND, /* a stream, which is no candidate any more */
} CacheStreamGrowth;

/* A stream that was found. */
typedef struct CacheStreamFound {
        uint64_t low;
        uint64_t high;
        uint64_t size;   /* of the last read */
        uint64_t stride; /* 0: contiguous; else `low` and `high` are those of the last read */
        bool is_backward;
} CacheStreamFound;

void cache_stream_candidates_init(CacheStreamCandidates *candidates);
CacheStreamGrowth cache_stream_candidates_grow(CacheStreamCandidates *candidates, uint64_t offset,
                                               uint64_t size, CacheStreamFound *ret_found);
/* A read that touches no range begins one. Looks for strides if asked to: true if there is one. */
bool cache_stream_candidates_add(CacheStreamCandidates *candidates, uint64_t offset, uint64_t size,
                                 bool finds_strides, CacheStreamFound *ret_found);
