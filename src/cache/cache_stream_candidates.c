/*
 * Three reads in a row that touch are no chance on a disk; three at equal distances may be, since
 * every pair of earlier reads offers a place for the third. So strides need a fourth.
 */

#include "cache/cache_stream_candidates.h"

#define N_GROWTHS_OF_STREAM 2
#define N_STRIDES_OF_STREAM 3

static const CacheStreamCandidate nothing = { .low = UINT64_MAX, .last = UINT64_MAX };

void cache_stream_candidates_init(CacheStreamCandidates *candidates) {
        *candidates = (CacheStreamCandidates){};
        for (unsigned i = 0; i < CACHE_STREAM_CANDIDATES_MAX; i++)
                candidates->items[i] = nothing;
}

/* --- contiguous ranges */

static CacheStreamCandidate *find_touching(CacheStreamCandidates *candidates, uint64_t low,
                                           uint64_t high, const CacheStreamCandidate *except) {
        unsigned touching = 0;

        /* Without branches: most reads touch none. */
        for (unsigned i = 0; i < CACHE_STREAM_CANDIDATES_MAX; i++) {
                const CacheStreamCandidate *item = &candidates->items[i];

                touching |= (unsigned) ((low <= item->high) & (high >= item->low)) << i;
        }
        if (except)
                touching &= ~(1U << (except - candidates->items));
        return touching == 0 ? NULL : &candidates->items[__builtin_ctz(touching)];
}

/* The gap to another range may just have been closed. */
static void absorb_touching(CacheStreamCandidates *candidates, CacheStreamCandidate *item) {
        CacheStreamCandidate *other;

        while ((other = find_touching(candidates, item->low, item->high, item))) {
                item->low = MIN(item->low, other->low);
                item->high = MAX(item->high, other->high);
                item->n_forward += other->n_forward;
                item->n_backward += other->n_backward;
                *other = nothing;
        }
}

static unsigned hash_of(uint64_t offset) {
        return (unsigned) (offset * UINT64_C(0x9E3779B97F4A7C15) >> 56);
}

static void note_read(CacheStreamCandidates *candidates, CacheStreamCandidate *item,
                      uint64_t offset, uint64_t size) {
        item->last = offset;
        item->size = size;
        item->seen = ++candidates->n_seen;
        candidates->index_of[hash_of(offset)] = (uint8_t) (item - candidates->items);
}

CacheStreamGrowth cache_stream_candidates_grow(CacheStreamCandidates *candidates, uint64_t offset,
                                               uint64_t size, CacheStreamFound *ret_found) {
        uint64_t end = offset + size;
        CacheStreamCandidate *item = find_touching(candidates, offset, end, NULL);

        if (!item)
                return CACHE_STREAM_GROWTH_NONE;
        note_read(candidates, item, offset, size);
        item->n_strides = 0;
        item->n_forward += end > item->high;
        item->n_backward += offset < item->low;
        item->low = MIN(item->low, offset);
        item->high = MAX(item->high, end);
        absorb_touching(candidates, item);
        if (MAX(item->n_forward, item->n_backward) < N_GROWTHS_OF_STREAM)
                return CACHE_STREAM_GROWTH_SOME;
        *ret_found = (CacheStreamFound){ .low = item->low,
                                         .high = item->high,
                                         .size = size,
                                         .is_backward = item->n_backward > item->n_forward };
        *item = nothing;
        return CACHE_STREAM_GROWTH_FOUND;
}

/* --- strides */

static bool is_at(const CacheStreamCandidate *item, uint64_t offset, uint64_t size) {
        return item->last == offset && item->size == size;
}

/* Whether two reads lie behind this one at the same distance. Distances are differences modulo
 * 2^64: backward ones are large. */
static bool has_equal_distance(const CacheStreamCandidates *candidates,
                               const CacheStreamCandidate *item, uint64_t stride) {
        uint64_t before = item->last - stride;

        return stride + CACHE_STREAM_STRIDE_MAX <= 2 * CACHE_STREAM_STRIDE_MAX &&
               is_at(&candidates->items[candidates->index_of[hash_of(before)]], before, item->size);
}

/* What the read at `offset` makes of those before: how many equal distances lie behind it. */
static unsigned count_strides(const CacheStreamCandidates *candidates, uint64_t offset,
                              uint64_t size, uint64_t *ret_stride) {
        unsigned n_strides = 0;

        for (unsigned i = 0; i < CACHE_STREAM_CANDIDATES_MAX; i++) {
                const CacheStreamCandidate *item = &candidates->items[i];
                uint64_t stride = offset - item->last;

                if (item->size != size)
                        continue;
                if (item->n_strides > 0 && item->stride == stride) {
                        *ret_stride = stride;
                        return item->n_strides + 1;
                }
                if (has_equal_distance(candidates, item, stride)) {
                        *ret_stride = stride;
                        n_strides = 2;
                }
        }
        return n_strides;
}

/* Selects rather than branches: which one it is can hardly be predicted. */
static CacheStreamCandidate *find_oldest(CacheStreamCandidates *candidates) {
        uint64_t seen = candidates->items[0].seen;
        unsigned oldest = 0;

        for (unsigned i = 1; i < CACHE_STREAM_CANDIDATES_MAX; i++) {
                oldest = candidates->items[i].seen < seen ? i : oldest;
                seen = MIN(candidates->items[i].seen, seen);
        }
        return &candidates->items[oldest];
}

bool cache_stream_candidates_add(CacheStreamCandidates *candidates, uint64_t offset, uint64_t size,
                                 bool finds_strides, CacheStreamFound *ret_found) {
        CacheStreamCandidate *item = find_oldest(candidates);
        uint64_t stride = 0;
        unsigned n_strides = finds_strides ? count_strides(candidates, offset, size, &stride) : 0;
        bool is_found = n_strides >= N_STRIDES_OF_STREAM, is_backward = stride > INT64_MAX;

        *item = (CacheStreamCandidate){ .low = offset,
                                        .high = offset + size,
                                        .stride = stride,
                                        .n_strides = is_found ? 0 : n_strides };
        note_read(candidates, item, offset, size);
        if (is_found)
                *ret_found = (CacheStreamFound){ .low = offset,
                                                 .high = offset + size,
                                                 .size = size,
                                                 .stride = is_backward ? -stride : stride,
                                                 .is_backward = is_backward };
        return is_found;
}
