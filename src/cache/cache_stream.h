#pragma once

/*
 * CacheStreams
 *
 * Finds sequential readers among the reads of a LUN (forward, backward and strided, several at
 * once) and tells what they will read next. Pure: it knows offsets and nothing of caches. Private
 * to cache.
 */

#include "base/macros.h"

#define CACHE_STREAMS_MAX 16
#define CACHE_STREAM_WINDOW_MIN (64 * KIB)

typedef struct CacheStreams CacheStreams;

typedef struct CacheStreamsOptions {
        uint64_t device_size;
        uint64_t window_size_max; /* bytes that one stream is read ahead at most */
        uint64_t alignment;       /* of what is read ahead: a power of two */
} CacheStreamsOptions;

#define CACHE_STREAM_NONE UINT8_MAX /* no stream */

/* What should be read before somebody asks; size 0: nothing. It is aligned, but for the end of the
 * device. */
typedef struct CacheStreamAdvice {
        uint64_t offset;
        uint64_t size;
        bool is_backward; /* the reader comes to its end first */
        uint8_t stream; /* what the read belongs to, with or without advice, for cache_streams_tell() */
} CacheStreamAdvice;

/* -ENOMEM. */
int cache_streams_new(CacheStreams **ret, const CacheStreamsOptions *options);
CacheStreams *cache_streams_free(CacheStreams *streams);
DEFINE_CLEANUP(CacheStreams *, cache_streams_free);
/* From the next advice on. Who had more grows back to that with what is used. */
void cache_streams_set_window_size_max(CacheStreams *streams, uint64_t size);

/*
 * A client reads this. The third of contiguous reads makes a stream, or the fourth at equal distances
 * (and of equal sizes); from then on the advice runs ahead of the reader, asynchronously: it comes
 * when the reader is in the last half of what was to be read ahead, and the window doubles each
 * time. Strided streams are advised one stride at a time. Requests of a stream may come out of order
 * by a few, be repeated, or leave small gaps.
 */
CacheStreamAdvice cache_streams_observe(CacheStreams *streams, uint64_t offset, uint64_t size);
/*
 * Bytes that were read ahead for a stream were used, or were thrown away unused. Once what was wasted
 * exceeds what was used by half of the window, that is halved; below CACHE_STREAM_WINDOW_MIN nothing is
 * read ahead for a while. Use lets it grow again. Harmless for streams that are gone.
 */
void cache_streams_tell(CacheStreams *streams, unsigned stream, uint64_t used_size,
                        uint64_t wasted_size);
