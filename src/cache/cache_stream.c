/*
 * A stream reads in one direction. All of its positions are counted in that direction (for a
 * backward one, from the end of the device), so that the rest of the code knows forward streams
 * alone. What belongs to no stream is looked at as a candidate (CacheStreamCandidates).
 *
 * A reader that keeps several requests in flight is seen out of order. So what comes close to where a
 * stream is, on either side, belongs to it: the nearest one, as streams may be close to each other.
 */

#include <errno.h>

#include "cache/cache_stream.h"
#include "cache/cache_stream_candidates.h"

/* How many requests, or strides, one may be off its place. */
#define REORDER_MAX 8
#define REACH_MAX (8 * MIB)
/* After repeated waste nothing is read ahead until the reader came so many windows further. */
#define REST_WINDOWS 4
#define N_GENERATIONS 15 /* so that names fit into 8 bits, and none is CACHE_STREAM_NONE */

typedef struct Stream {
        uint64_t edge;   /* where the reader came to; with a stride: where it will read next */
        uint64_t reach;  /* how far from there a request may be */
        uint64_t stride; /* 0: contiguous */
        uint64_t request_size; /* the largest lately; with a stride: each */
        uint64_t ahead_end;    /* what is before it was advised, or passed */
        uint64_t window;       /* how far to run ahead of the reader; 0: not begun */
        uint64_t window_limit; /* of the window; with a stride both are the same. 0: it rests */
        uint64_t rest_size;    /* to be read before it tries again */
        uint64_t used_size;    /* since the limit was changed */
        uint64_t wasted_size;  /* less what was used */
        uint64_t observed;   /* CacheStreams::n_observed when it was last read; 0: there is none */
        unsigned generation; /* of this place */
        bool is_backward;
} Stream;

/* The device's bytes around a stream: whoever begins there (or ends, if it is backward) may belong
 * to it. Apart from all else, as it is looked at for each read. */
typedef struct Surroundings {
        uint64_t low;
        uint64_t size;
        uint64_t is_backward;
} Surroundings;

struct CacheStreams {
        CacheStreamsOptions options;
        uint64_t end; /* of the device, aligned: where backward positions are counted from */
        uint64_t n_observed;
        Stream streams[CACHE_STREAMS_MAX];
        Surroundings surroundings[CACHE_STREAMS_MAX];
        CacheStreamCandidates candidates;
};

/* A read's position in either direction. */
typedef struct Position {
        uint64_t in_direction[2]; /* by Stream::is_backward */
        uint64_t size;
} Position;

static uint8_t name_of(const CacheStreams *streams, const Stream *stream) {
        return (uint8_t) (stream->generation * CACHE_STREAMS_MAX +
                          (unsigned) (stream - streams->streams));
}

static CacheStreamAdvice no_advice(const CacheStreams *streams, const Stream *stream) {
        return (CacheStreamAdvice){ .stream = stream ? name_of(streams, stream)
                                                     : CACHE_STREAM_NONE };
}

/* --- which stream */

static void update_surroundings(CacheStreams *streams, const Stream *stream) {
        uint64_t middle = stream->is_backward ? streams->end - stream->edge : stream->edge;

        streams->surroundings[stream - streams->streams] =
                        (Surroundings){ .low = middle - stream->reach,
                                        .size = 2 * stream->reach,
                                        .is_backward = stream->is_backward };
}

/* A bit for each stream that the read is near to. Without branches: most are near to none. */
static unsigned find_near(const CacheStreams *streams, uint64_t offset, uint64_t size) {
        unsigned near = 0;

        for (unsigned i = 0; i < CACHE_STREAMS_MAX; i++) {
                const Surroundings *there = &streams->surroundings[i];
                uint64_t at = offset + (size & -there->is_backward);

                near |= (unsigned) (at - there->low <= there->size) << i;
        }
        return near;
}

static bool belongs(const Stream *stream, const Position *position, uint64_t *ret_distance) {
        uint64_t start = position->in_direction[stream->is_backward];
        uint64_t distance = start > stream->edge ? start - stream->edge : stream->edge - start;

        if (stream->observed == 0 ||
            (stream->stride > 0 &&
             (position->size != stream->request_size || distance % stream->stride > 0)))
                return false;
        *ret_distance = distance;
        return true;
}

/* Both the contiguous one and the one with a stride; NULL: there is none. */
static void find_nearest(CacheStreams *streams, unsigned near, const Position *position,
                         Stream **ret_contiguous, Stream **ret_strided) {
        Stream *nearest[2] = {};
        uint64_t distance, nearest_distance[2] = { UINT64_MAX, UINT64_MAX };

        for (; near != 0; near &= near - 1) {
                Stream *stream = &streams->streams[__builtin_ctz(near)];
                bool has_stride = stream->stride > 0;

                if (!belongs(stream, position, &distance) ||
                    distance >= nearest_distance[has_stride])
                        continue;
                nearest[has_stride] = stream;
                nearest_distance[has_stride] = distance;
        }
        *ret_contiguous = nearest[false];
        *ret_strided = nearest[true];
}

static Stream *find_oldest(CacheStreams *streams) {
        Stream *oldest = &streams->streams[0];

        for (unsigned i = 1; i < CACHE_STREAMS_MAX; i++)
                if (streams->streams[i].observed < oldest->observed)
                        oldest = &streams->streams[i];
        return oldest;
}

/* --- what to read */

/* From positions of the stream to offsets of the device, and not beyond its end. */
static CacheStreamAdvice advise(CacheStreams *streams, Stream *stream, uint64_t start,
                                uint64_t end) {
        uint64_t offset, device_size = streams->options.device_size;

        end = MIN(end, streams->end);
        offset = stream->is_backward ? streams->end - end : start;
        if (start >= end || offset >= device_size)
                return no_advice(streams, stream);
        stream->ahead_end = end;
        return (CacheStreamAdvice){ .offset = offset,
                                    .size = MIN(end - start, device_size - offset),
                                    .is_backward = stream->is_backward,
                                    .stream = name_of(streams, stream) };
}

/* Once the reader has come into the last half of the window, it is doubled and filled again. */
static CacheStreamAdvice advise_contiguous(CacheStreams *streams, Stream *stream) {
        const CacheStreamsOptions *options = &streams->options;
        uint64_t n_ahead = stream->ahead_end - MIN(stream->edge, stream->ahead_end);
        uint64_t window = MAX(CACHE_STREAM_WINDOW_MIN, stream->request_size), start, end;
        CacheStreamAdvice advice;

        if (stream->window > 0 && n_ahead > stream->window / 2)
                return no_advice(streams, stream);
        if (stream->window > 0)
                window = stream->window * 2;
        window = MIN(window, stream->window_limit);
        start = MAX(ALIGN_DOWN(stream->edge, options->alignment), stream->ahead_end);
        end = MIN(ALIGN_UP(stream->edge + window, options->alignment),
                  ALIGN_DOWN(stream->edge + options->window_size_max, options->alignment));
        advice = advise(streams, stream, start, end);
        if (advice.size > 0)
                stream->window = window;
        return advice;
}

static CacheStreamAdvice advise_stride(CacheStreams *streams, Stream *stream) {
        uint64_t alignment = streams->options.alignment;
        uint64_t start = MAX(ALIGN_DOWN(stream->edge, alignment), stream->ahead_end);
        uint64_t end = ALIGN_UP(stream->edge + stream->request_size, alignment);
        uint64_t size_max = MAX(ALIGN_DOWN(stream->window_limit, alignment), alignment);

        return advise(streams, stream, start, MIN(end, start + size_max));
}

static bool rests(const CacheStreams *streams, Stream *stream, uint64_t size) {
        if (stream->window_limit > 0)
                return false;
        stream->rest_size -= MIN(stream->rest_size, size);
        if (stream->rest_size > 0)
                return true;
        stream->window_limit = MIN(CACHE_STREAM_WINDOW_MIN, streams->options.window_size_max);
        stream->window = stream->stride > 0 ? stream->window_limit : 0;
        return stream->window_limit == 0;
}

/* Where the reader is now: further, unless the read came late or is repeated. */
static void follow(Stream *stream, const Position *position) {
        uint64_t start = position->in_direction[stream->is_backward];

        if (stream->stride > 0) {
                if (start >= stream->edge)
                        stream->edge = start + stream->stride;
                return;
        }
        stream->edge = MAX(stream->edge, start + position->size);
        stream->request_size = MAX(position->size, stream->request_size - stream->request_size / 8);
        stream->reach = MIN(stream->request_size * REORDER_MAX, REACH_MAX);
}

static CacheStreamAdvice continue_stream(CacheStreams *streams, Stream *stream,
                                         const Position *position) {
        stream->observed = streams->n_observed;
        update_surroundings(streams, stream);
        if (rests(streams, stream, position->size))
                return no_advice(streams, stream);
        if (stream->stride > 0)
                return advise_stride(streams, stream);
        return advise_contiguous(streams, stream);
}

static CacheStreamAdvice follow_stream(CacheStreams *streams, Stream *stream,
                                       const Position *position) {
        follow(stream, position);
        return continue_stream(streams, stream, position);
}

/* Gaps too small to be left out are read as well: such a stream is contiguous, only that its requests
 * lie further from each other. */
static CacheStreamAdvice begin_stream(CacheStreams *streams, const CacheStreamFound *found,
                                      const Position *position) {
        Stream *stream = find_oldest(streams);
        bool has_stride = found->stride >= found->size + streams->options.alignment;
        uint64_t distance = MAX(found->stride, found->size);

        *stream = (Stream){
                .edge = found->is_backward ? streams->end - found->low : found->high,
                .reach = MIN(distance * REORDER_MAX, REACH_MAX),
                .request_size = distance,
                .window_limit = streams->options.window_size_max,
                .rest_size = UINT64_MAX, /* without a window it never begins */
                .generation = (stream->generation + 1) % N_GENERATIONS,
                .is_backward = found->is_backward,
        };
        if (has_stride) {
                stream->edge += found->stride - found->size;
                stream->stride = found->stride;
                stream->reach = found->stride * REORDER_MAX;
                stream->request_size = found->size;
                stream->window = stream->window_limit;
        }
        return continue_stream(streams, stream, position);
}

CacheStreamAdvice cache_streams_observe(CacheStreams *streams, uint64_t offset, uint64_t size) {
        Position position = { .in_direction = { offset, streams->end - offset - size },
                              .size = size };
        CacheStreamFound found;
        Stream *contiguous, *strided;

        assert(offset <= streams->options.device_size);
        assert(size > 0 && size <= streams->options.device_size - offset);

        streams->n_observed++;
        find_nearest(streams, find_near(streams, offset, size), &position, &contiguous, &strided);
        if (contiguous)
                return follow_stream(streams, contiguous, &position);
        switch (cache_stream_candidates_grow(&streams->candidates, offset, size, &found)) {
        case CACHE_STREAM_GROWTH_NONE:
                break;
        case CACHE_STREAM_GROWTH_SOME:
                return no_advice(streams, NULL);
        case CACHE_STREAM_GROWTH_FOUND:
                return begin_stream(streams, &found, &position);
        }
        /* A candidate all the same: contiguous streams that take turns look like strides. */
        if (cache_stream_candidates_add(&streams->candidates, offset, size, !strided, &found))
                return begin_stream(streams, &found, &position);
        return strided ? follow_stream(streams, strided, &position) : no_advice(streams, NULL);
}

/* --- what became of it */

void cache_streams_set_window_size_max(CacheStreams *streams, uint64_t size) {
        assert(size > 0 && size <= INT64_MAX / REST_WINDOWS);

        streams->options.window_size_max = size;
        for (unsigned i = 0; i < CACHE_STREAMS_MAX; i++) {
                Stream *stream = &streams->streams[i];

                stream->window = MIN(stream->window, size);
                stream->window_limit = MIN(stream->window_limit, size);
        }
}

static void shrink(const CacheStreams *streams, Stream *stream) {
        uint64_t window_size_max = streams->options.window_size_max;

        stream->window_limit = stream->window / 2;
        stream->window = stream->window_limit;
        stream->wasted_size = 0;
        stream->used_size = 0;
        if (stream->window_limit >= MIN(CACHE_STREAM_WINDOW_MIN, window_size_max))
                return;
        stream->window_limit = 0;
        stream->window = 0;
        stream->rest_size = REST_WINDOWS * window_size_max;
}

static void grow(const CacheStreams *streams, Stream *stream) {
        stream->window_limit = MIN(stream->window_limit * 2, streams->options.window_size_max);
        if (stream->stride > 0)
                stream->window = stream->window_limit;
        stream->used_size = 0;
}

void cache_streams_tell(CacheStreams *streams, unsigned name, uint64_t used_size,
                        uint64_t wasted_size) {
        Stream *stream = &streams->streams[name % CACHE_STREAMS_MAX];

        if (stream->observed == 0 || name != name_of(streams, stream) || stream->window == 0)
                return;
        stream->used_size += used_size;
        stream->wasted_size += wasted_size;
        stream->wasted_size -= MIN(stream->wasted_size, used_size);
        if (stream->wasted_size >= stream->window / 2)
                shrink(streams, stream);
        else if (stream->used_size >= stream->window_limit)
                grow(streams, stream);
}

CacheStreams *cache_streams_free(CacheStreams *streams) {
        free(streams);
        return NULL;
}

int cache_streams_new(CacheStreams **ret, const CacheStreamsOptions *options) {
        CacheStreams *streams;

        assert(is_power_of_two(options->alignment));
        assert(options->device_size <= INT64_MAX - options->alignment);
        assert(options->window_size_max <= INT64_MAX / REST_WINDOWS);

        streams = calloc(1, sizeof(*streams));
        if (!streams)
                return -ENOMEM;
        streams->options = *options;
        streams->end = ALIGN_UP(options->device_size, options->alignment);
        cache_stream_candidates_init(&streams->candidates);
        *ret = streams;
        return 0;
}
