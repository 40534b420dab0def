/* What is advised after which reads. Sizes and offsets in tables are in KiB. */

#include <string.h>

#include "base/random.h"
#include "cache/cache_stream.h"
#include "unit_test.h"

#define DEVICE_SIZE (GIB)
#define N_ROWS_MAX 12
#define N_RANDOM_READS 1000000

static CacheStreams *new_streams(uint64_t device_size, uint64_t window_size_max,
                                 uint64_t alignment) {
        CacheStreamsOptions options = { .device_size = device_size,
                                        .window_size_max = window_size_max,
                                        .alignment = alignment };
        CacheStreams *streams;

        ck_assert_int_eq(cache_streams_new(&streams, &options), 0);
        return streams;
}

/* --- tables */

/* Some reads at equal distances, of which only the last one brings advice, or none does. */
typedef struct ReadRow {
        unsigned n;
        int64_t first;
        int64_t distance;
        int64_t size;
        uint64_t advice_offset;
        uint64_t advice_size;
} ReadRow;

typedef struct ReadCase {
        const char *what;
        uint64_t device_size;
        uint64_t window_size_max;
        uint64_t alignment;
        ReadRow rows[N_ROWS_MAX]; /* up to n = 0 */
} ReadCase;

static const ReadCase read_cases[] = {
        { "forward: the window doubles up to its limit, in time",
          100000,
          512,
          4,
          {
                          { 3, 100, 4, 4, 112, 64 },
                          { 8, 112, 4, 4, 176, 96 },   /* up to 128 ahead of 144 */
                          { 16, 144, 4, 4, 272, 192 }, /* 256 of 208 */
                          { 32, 208, 4, 4, 464, 384 }, /* 512 of 336 */
                          { 64, 336, 4, 4, 848, 256 }, /* 512 of 592 */
                          { 64, 592, 4, 4, 1104, 256 },
          } },
        { "forward from the beginning, in whole lines",
          100000,
          512,
          64,
          {
                          { 3, 0, 4, 4, 0, 128 },
                          { 21, 12, 4, 4, 128, 128 }, /* 96: 128 ahead, aligned */
                          { 24, 96, 4, 4, 256, 192 }, /* 192: 256 ahead, aligned */
          } },
        { "forward, unaligned and of several sizes",
          100000,
          512,
          4,
          {
                          { 1, 101, 0, 3, 0, 0 },
                          { 1, 104, 0, 17, 0, 0 },
                          { 1, 121, 0, 1, 120, 68 },
                          { 1, 122, 0, 30, 0, 0 },
                          { 1, 152, 0, 5, 188, 100 }, /* 157: 128 ahead, aligned */
          } },
        { "forward, requests larger than the first window",
          1000000,
          2048,
          4,
          {
                          { 3, 1024, 256, 256, 1792, 256 },
                          { 1, 1792, 0, 256, 2048, 512 },
                          { 1, 2048, 0, 256, 2560, 768 },
          } },
        { "backward: the mirror image",
          100000,
          512,
          4,
          {
                          { 3, 50000, -4, 4, 49992 - 64, 64 },
                          { 8, 49988, -4, 4, 49928 - 96, 96 },
                          { 16, 49956, -4, 4, 49832 - 192, 192 },
          } },
        { "backward on a device whose end is not aligned",
          1000 + 7,
          512,
          64,
          {
                          { 3, 1003, -4, 4, 896, 111 }, /* 995: 64 back, aligned */
                          { 17, 991, -4, 4, 768, 128 }, /* 927: 128 back, aligned */
          } },
        { "backward to the beginning",
          100000,
          512,
          4,
          {
                          { 3, 60, -4, 4, 0, 52 },
                          { 13, 48, -4, 4, 0, 0 },
          } },
        { "the end of the device is the end of the advice",
          100000 + 2,
          512,
          4,
          {
                          { 3, 99900, 4, 4, 99912, 64 },
                          { 8, 99912, 4, 4, 99976, 26 },
                          { 14, 99944, 4, 4, 0, 0 },
                          { 1, 100000, 0, 2, 0, 0 },
          } },
        { "the last bytes of a device",
          100000 + 2,
          512,
          64,
          {
                          { 3, 99990, 4, 4, 99968, 34 },
          } },
        { "two reads are no stream",
          100000,
          512,
          4,
          {
                          { 2, 100, 4, 4, 0, 0 },
                          { 2, 5000, 4, 4, 0, 0 },
                          { 2, 9000, -4, 4, 0, 0 },
          } },
        { "the same read again and again",
          100000,
          512,
          4,
          {
                          { 20, 100, 0, 4, 0, 0 },
          } },
        { "strided: the fourth, one stride at a time",
          1000000,
          512,
          4,
          {
                          { 4, 1000, 500, 4, 3000, 4 },
                          { 1, 3000, 0, 4, 3500, 4 },
                          { 1, 3500, 0, 4, 4000, 4 },
          } },
        { "strided backward, in whole lines",
          1000000,
          512,
          64,
          {
                          { 4, 64000, -640, 16, 61440, 64 },
                          { 1, 61440, 0, 16, 60800, 64 },
          } },
        { "strided, in lines that may be the same",
          1000000,
          512,
          64,
          {
                          { 4, 0, 80, 4, 320, 64 },
                          { 1, 320, 0, 4, 384, 64 }, /* 400 */
                          { 1, 400, 0, 4, 448, 64 }, /* 480 */
                          { 1, 480, 0, 4, 512, 64 }, /* 560 */
                          { 1, 560, 0, 4, 640, 64 }, /* 640 */
          } },
        { "strided by less than a line is contiguous",
          1000000,
          512,
          64,
          {
                          { 4, 0, 16, 4, 0, 128 },
                          { 3, 64, 16, 4, 128, 128 }, /* 100: 128 ahead, aligned */
          } },
        { "strided to the end of the device",
          2100,
          512,
          4,
          {
                          { 4, 0, 500, 4, 2000, 4 },
                          { 1, 2000, 0, 4, 0, 0 },
          } },
        { "strided, but not of equal sizes",
          1000000,
          512,
          4,
          {
                          { 2, 1000, 500, 4, 0, 0 },
                          { 1, 2000, 0, 8, 0, 0 },
                          { 1, 2500, 0, 4, 0, 0 },
                          { 1, 3000, 0, 16, 0, 0 },
          } },
        { "strided after a read of another size",
          1000000,
          512,
          4,
          {
                          { 1, 0, 0, 8, 0, 0 },
                          { 4, 500, 500, 4, 2500, 4 },
          } },
        { "strided, and reads between that belong to it not",
          1000000,
          512,
          4,
          {
                          { 4, 0, 500, 4, 2000, 4 },
                          { 1, 2700, 0, 4, 0, 0 },
                          { 1, 3000, 0, 8, 0, 0 },
                          { 1, 2000, 0, 4, 2500, 4 },
          } },
        { "strided, out of order",
          1000000,
          512,
          4,
          {
                          { 4, 0, 500, 4, 2000, 4 },
                          { 1, 2500, 0, 4, 3000, 4 },
                          { 1, 2000, 0, 4, 0, 0 },
                          { 1, 3000, 0, 4, 3500, 4 },
          } },
        { "strided, more than the window",
          1000000,
          512,
          4,
          {
                          { 4, 0, 4096, 1024, 16384, 512 },
          } },
        { "strided no more when it goes on",
          1000000,
          512,
          4,
          {
                          { 3, 0, 500, 4, 0, 0 },
                          { 1, 1004, 0, 4, 0, 0 },
                          { 1, 1504, 0, 4, 0, 0 },
          } },
        { "the window's limit is kept, though not aligned",
          1000000,
          100,
          64,
          {
                          { 3, 0, 4, 4, 0, 64 }, { 5, 12, 4, 4, 64, 64 }, /* 32: 96 ahead */
          } },
        { "strides that are too long",
          100000000,
          512,
          4,
          {
                          { 10, 0, 17 * 1024, 4, 0, 0 },
          } },
        { "a read that is repeated breaks nothing",
          100000,
          512,
          4,
          {
                          { 3, 100, 4, 4, 112, 64 },
                          { 7, 112, 4, 4, 0, 0 },
                          { 2, 132, 4, 4, 0, 0 },
                          { 1, 136, 0, 8, 176, 96 },
          } },
        { "a gap breaks nothing",
          100000,
          512,
          4,
          {
                          { 3, 100, 4, 4, 112, 64 },
                          { 3, 112, 4, 4, 0, 0 },
                          { 1, 136, 0, 4, 0, 0 },
                          { 1, 152, 0, 4, 176, 108 }, /* 156 + 128 */
          } },
        { "a gap as large as reordering may leave",
          100000,
          512,
          4,
          {
                          { 3, 100, 4, 4, 112, 64 }, { 1, 144, 0, 4, 176, 100 }, /* 148 + 128 */
          } },
        { "the same backward",
          100000,
          512,
          4,
          {
                          { 3, 50000, -4, 4, 49928, 64 },
                          { 1, 49956, 0, 4, 49828, 100 },
          } },
        { "a gap too large for reordering",
          100000,
          512,
          4,
          {
                          { 3, 100, 4, 4, 112, 64 },
                          { 1, 148, 0, 4, 0, 0 },
                          { 7, 112, 4, 4, 0, 0 },
                          { 1, 140, 0, 4, 176, 96 },
          } },
        { "of two streams that are close the nearest is meant",
          100000,
          512,
          4,
          {
                          { 3, 100, 4, 4, 112, 64 },
                          { 3, 200, 4, 4, 212, 64 },
                          { 8, 112, 4, 4, 176, 96 },
                          { 7, 144, 4, 4, 0, 0 }, /* up to 172, near to 212 */
                          { 2, 172, 4, 4, 0, 0 },
                          { 1, 184, 0, 4, 0, 0 },     /* a gap: 180 is nearer than 212 */
                          { 5, 188, 4, 4, 272, 192 }, /* 208: 256 ahead */
                          { 8, 212, 4, 4, 276, 96 },
          } },
        { "no window, no advice",
          100000,
          0,
          4,
          {
                          { 50, 100, 4, 4, 0, 0 },
                          { 50, 1000, 500, 4, 0, 0 },
          } },
};

static void check_row(const ReadCase *c, CacheStreams *streams, const ReadRow *row) {
        for (unsigned i = 0; i < row->n; i++) {
                uint64_t offset = (uint64_t) (row->first + (int64_t) i * row->distance) * KIB;
                CacheStreamAdvice advice =
                                cache_streams_observe(streams, offset, (uint64_t) row->size * KIB);
                uint64_t size = i + 1 == row->n ? row->advice_size * KIB : 0;

                ck_assert_msg(advice.size == size && (size == 0 ||
                                                      advice.offset == row->advice_offset * KIB),
                              "%s: row %u, read %u: %g + %g KiB", c->what,
                              (unsigned) (row - c->rows), i, (double) advice.offset / 1024,
                              (double) advice.size / 1024);
                ck_assert(advice.stream != CACHE_STREAM_NONE || size == 0);
        }
}

START_TEST(the_right_advice_is_given) {
        const ReadCase *c = &read_cases[_i];
        CacheStreams *streams = new_streams(c->device_size * KIB, c->window_size_max * KIB,
                                            c->alignment * KIB);

        for (const ReadRow *row = c->rows; row < c->rows + N_ROWS_MAX && row->n > 0; row++)
                check_row(c, streams, row);
        cache_streams_free(streams);
}
END_TEST

/* --- how much of what readers read had been advised before */

/* A reader in blocks, which may be seen out of order by less than `depth`. */
typedef struct Reader {
        uint64_t first;    /* the block where it begins */
        int64_t distance;  /* of blocks */
        unsigned depth;    /* 0, 1: in order */
        unsigned n_taken;  /* blocks that it has begun to read */
        unsigned waits[8]; /* those of its next ones that were not seen yet */
        unsigned n_waiting;
} Reader;

#define BLOCK_SIZE (4 * KIB)

static uint64_t reader_next(Reader *reader, Random *random) {
        unsigned chosen, block;

        while (reader->n_waiting < MAX(reader->depth, 1U))
                reader->waits[reader->n_waiting++] = reader->n_taken++;
        /* Nobody waits for longer than `depth`. */
        chosen = reader->n_taken - reader->waits[0] >= MAX(reader->depth, 1U)
                                 ? 0
                                 : (unsigned) random_below(random, reader->n_waiting);
        block = reader->waits[chosen];
        reader->n_waiting--;
        memmove(&reader->waits[chosen], &reader->waits[chosen + 1],
                (reader->n_waiting - chosen) * sizeof(reader->waits[0]));
        return (uint64_t) ((int64_t) reader->first + (int64_t) block * reader->distance);
}

typedef struct Watch {
        CacheStreams *streams; /* owned */
        uint8_t *is_ahead;     /* owned: for each block, whether it was advised */
        uint64_t n_blocks;
        uint64_t n_advised; /* blocks, some perhaps repeatedly */
        Random random;
} Watch;

static void watch_init(Watch *watch, uint64_t alignment) {
        *watch = (Watch){ .streams = new_streams(DEVICE_SIZE, MIB, alignment),
                          .n_blocks = DEVICE_SIZE / BLOCK_SIZE };
        watch->is_ahead = calloc(watch->n_blocks, 1);
        random_init(&watch->random, 1);
}

static void watch_done(Watch *watch) {
        cache_streams_free(watch->streams);
        free(watch->is_ahead);
}

/* True if the block had been advised before. */
static bool watch_read(Watch *watch, uint64_t block) {
        bool was_ahead = watch->is_ahead[block];
        CacheStreamAdvice advice =
                        cache_streams_observe(watch->streams, block * BLOCK_SIZE, BLOCK_SIZE);

        memset(watch->is_ahead + advice.offset / BLOCK_SIZE, 1, advice.size / BLOCK_SIZE);
        watch->n_advised += advice.size / BLOCK_SIZE;
        return was_ahead;
}

typedef struct InterleavedCase {
        const char *what;
        uint64_t alignment;
        uint64_t apart; /* blocks from one reader's beginning to the next one's */
        int64_t distance;
        unsigned n_readers;
        unsigned depth;
        bool is_shuffled;  /* who reads next is random */
        unsigned n_random; /* random reads to each one of theirs */
} InterleavedCase;

static const InterleavedCase interleaved_cases[] = {
        { "one", 4 * KIB, 0, 1, 1, 1, false, 0 },
        { "eight", 4 * KIB, 30000, 1, 8, 1, false, 0 },
        { "eight, close to each other", 4 * KIB, 3000, 1, 8, 1, false, 0 },
        { "eight, in any order", 64 * KIB, 30000, 1, 8, 1, true, 0 },
        { "sixteen", 64 * KIB, 16000, 1, 16, 1, false, 0 },
        { "eight backward", 64 * KIB, 30000, -1, 8, 1, false, 0 },
        { "one, out of order", 4 * KIB, 0, 1, 1, 8, false, 0 },
        { "one backward, out of order", 4 * KIB, 0, -1, 1, 8, false, 0 },
        { "four, out of order", 64 * KIB, 30000, 1, 4, 8, true, 0 },
        { "four, some out of order", 64 * KIB, 30000, 1, 4, 3, true, 0 },
        { "two among random reads", 64 * KIB, 30000, 1, 2, 1, false, 4 },
        { "one strided", 4 * KIB, 0, 40, 1, 1, false, 0 },
        { "one strided backward", 4 * KIB, 0, -40, 1, 1, false, 0 },
        { "one strided, out of order", 4 * KIB, 0, 40, 1, 2, false, 0 },
        { "four strided", 4 * KIB, 20001, 40, 4, 1, false, 0 },
        { "small strides", 64 * KIB, 30000, 4, 2, 1, false, 0 },
};

START_TEST(interleaved_readers_are_read_ahead_for) {
        const InterleavedCase *c = &interleaved_cases[_i];
        unsigned n_each = 1000, n_reads = n_each * c->n_readers, n_ahead = 0;
        uint64_t n_covered = n_reads * (uint64_t) (c->alignment > 4 * KIB ? llabs(c->distance) : 1);
        Reader readers[16] = {};
        Watch watch;

        watch_init(&watch, c->alignment);
        for (unsigned i = 0; i < c->n_readers; i++)
                readers[i] = (Reader){ .first = i * c->apart + (c->distance < 0 ? 41000 : 100),
                                       .distance = c->distance,
                                       .depth = c->depth };
        for (unsigned i = 0; i < n_reads; i++) {
                unsigned who = c->is_shuffled ? (unsigned) random_below(&watch.random, c->n_readers)
                                              : i % c->n_readers;

                n_ahead += watch_read(&watch, reader_next(&readers[who], &watch.random));
                for (unsigned j = 0; j < c->n_random; j++)
                        watch_read(&watch, random_below(&watch.random, watch.n_blocks));
        }
        watch_done(&watch);
        ck_assert_msg(n_ahead >= n_reads * 95 / 100, "%s: only %u of %u reads were advised",
                      c->what, n_ahead, n_reads);
        /* All that they read, once, and a window for each at the end. */
        ck_assert_msg(watch.n_advised <= n_covered + c->n_readers * (MIB / BLOCK_SIZE) * 5 / 4,
                      "%s: %u blocks were advised for %u reads", c->what,
                      (unsigned) watch.n_advised, n_reads);
}
END_TEST

START_TEST(random_readers_get_no_advice) {
        Watch watch;

        watch_init(&watch, 64 * KIB);
        for (unsigned i = 0; i < N_RANDOM_READS; i++)
                watch_read(&watch, random_below(&watch.random, watch.n_blocks));
        watch_done(&watch);
        ck_assert_uint_eq(watch.n_advised, 0);
}
END_TEST

/* --- waste */

/* Reads on in blocks until there is advice again; its size, 0: there was none for so many blocks. */
static uint64_t read_until_advice(CacheStreams *streams, uint64_t *offset, unsigned n_blocks_max,
                                  unsigned *ret_stream) {
        for (unsigned i = 0; i < n_blocks_max; i++) {
                CacheStreamAdvice advice = cache_streams_observe(streams, *offset, BLOCK_SIZE);

                *offset += BLOCK_SIZE;
                if (advice.size == 0)
                        continue;
                *ret_stream = advice.stream;
                return advice.size;
        }
        return 0;
}

/* Steady state: half a window at a time. */
static uint64_t read_until_full_window(CacheStreams *streams, uint64_t *offset,
                                       unsigned *ret_stream) {
        for (unsigned i = 0; i < 20; i++)
                read_until_advice(streams, offset, 1000, ret_stream);
        return read_until_advice(streams, offset, 1000, ret_stream);
}

START_TEST(waste_halves_the_window_and_use_restores_it) {
        CacheStreams *streams = new_streams(DEVICE_SIZE, MIB, BLOCK_SIZE);
        uint64_t offset = 0;
        unsigned stream;

        ck_assert_uint_eq(read_until_full_window(streams, &offset, &stream), MIB / 2);
        cache_streams_tell(streams, stream, 0, MIB);
        ck_assert_uint_eq(read_until_full_window(streams, &offset, &stream), MIB / 4);
        cache_streams_tell(streams, stream, MIB / 4, 0);
        cache_streams_tell(streams, stream, 0, MIB);
        cache_streams_tell(streams, stream, BLOCK_SIZE, 0);
        ck_assert_uint_eq(read_until_full_window(streams, &offset, &stream), MIB / 8);
        cache_streams_tell(streams, stream, MIB, 0);
        ck_assert_uint_eq(read_until_full_window(streams, &offset, &stream), MIB / 4);
        cache_streams_tell(streams, stream, MIB, 0);
        cache_streams_tell(streams, stream, MIB, 0);
        ck_assert_uint_eq(read_until_full_window(streams, &offset, &stream), MIB / 2);
        cache_streams_free(streams);
}
END_TEST

START_TEST(waste_counts_by_what_was_used_beside) {
        CacheStreams *streams = new_streams(DEVICE_SIZE, MIB, BLOCK_SIZE);
        uint64_t offset = 0;
        unsigned stream;

        read_until_full_window(streams, &offset, &stream);
        for (unsigned i = 0; i < 1000; i++)
                cache_streams_tell(streams, stream, (i % 4 > 0) * BLOCK_SIZE,
                                   (i % 4 == 0) * BLOCK_SIZE);
        ck_assert_uint_eq(read_until_full_window(streams, &offset, &stream), MIB / 2);
        /* Line by line is as well as at once. */
        for (unsigned i = 0; i < MIB / 2 / BLOCK_SIZE; i++)
                cache_streams_tell(streams, stream, 0, BLOCK_SIZE);
        ck_assert_uint_eq(read_until_full_window(streams, &offset, &stream), MIB / 4);
        cache_streams_free(streams);
}
END_TEST

START_TEST(repeated_waste_ends_the_advice_for_a_while) {
        CacheStreams *streams = new_streams(DEVICE_SIZE, MIB, BLOCK_SIZE);
        uint64_t offset = 0;
        unsigned stream;

        read_until_full_window(streams, &offset, &stream);
        for (unsigned i = 0; i < 5; i++)
                cache_streams_tell(streams, stream, 0, MIB);
        ck_assert_uint_eq(read_until_advice(streams, &offset, MIB / BLOCK_SIZE, &stream), 0);
        ck_assert_uint_eq(read_until_advice(streams, &offset, 4 * MIB / BLOCK_SIZE, &stream),
                          CACHE_STREAM_WINDOW_MIN);
        ck_assert_uint_eq(read_until_full_window(streams, &offset, &stream),
                          CACHE_STREAM_WINDOW_MIN / 2);
        cache_streams_free(streams);
}
END_TEST

START_TEST(waste_ends_strided_advice_as_well) {
        CacheStreams *streams = new_streams(DEVICE_SIZE, MIB, BLOCK_SIZE);
        uint64_t offset = 0;
        unsigned n_before = 0, n_after = 0, stream = CACHE_STREAM_NONE;

        for (unsigned i = 0; i < 20; i++, offset += 100 * KIB) {
                CacheStreamAdvice advice = cache_streams_observe(streams, offset, BLOCK_SIZE);

                n_before += advice.size > 0;
                if (advice.size > 0)
                        stream = advice.stream;
        }
        ck_assert_uint_eq(n_before, 17);
        for (unsigned i = 0; i < 5; i++)
                cache_streams_tell(streams, stream, 0, MIB);
        for (unsigned i = 0; i < 1000; i++, offset += 100 * KIB)
                n_after += cache_streams_observe(streams, offset, BLOCK_SIZE).size > 0;
        ck_assert_uint_eq(n_after, 0);
        for (unsigned i = 0; i < 100; i++, offset += 100 * KIB)
                n_after += cache_streams_observe(streams, offset, BLOCK_SIZE).size > 0;
        ck_assert_uint_gt(n_after, 70);
        cache_streams_free(streams);
}
END_TEST

START_TEST(another_window_counts_from_the_next_advice_on) {
        _cleanup_(cache_streams_freep) CacheStreams *streams = new_streams(DEVICE_SIZE, MIB, 4096);
        static const uint64_t sizes[] = { 64 * KIB, 512 * KIB };
        uint64_t position = 0;

        for (size_t i = 0; i < N_ELEMENTS(sizes); i++) {
                uint64_t end = position + 8 * MIB, ahead_most = 0;

                cache_streams_set_window_size_max(streams, sizes[i]);
                for (; position < end; position += 4096) {
                        CacheStreamAdvice advice = cache_streams_observe(streams, position, 4096);

                        if (advice.size == 0)
                                continue;
                        cache_streams_tell(streams, advice.stream, advice.size, 0);
                        ahead_most = MAX(ahead_most, advice.offset + advice.size - position - 4096);
                }
                ck_assert_uint_eq(ahead_most, sizes[i]);
        }
        /* What was advised before is neither taken back nor added to. */
        cache_streams_set_window_size_max(streams, 64 * KIB);
        for (unsigned i = 0; i < 64; i++, position += 4096)
                ck_assert_uint_eq(cache_streams_observe(streams, position, 4096).size, 0);
}
END_TEST

START_TEST(what_is_told_of_streams_that_are_gone_harms_no_other) {
        CacheStreams *streams = new_streams(DEVICE_SIZE, MIB, BLOCK_SIZE);
        unsigned gone, stream;
        uint64_t offset = 0;

        ck_assert_uint_gt(read_until_advice(streams, &offset, 10, &gone), 0);
        for (unsigned i = 1; i <= CACHE_STREAMS_MAX; i++) {
                offset = i * 20 * MIB;
                ck_assert_uint_gt(read_until_advice(streams, &offset, 10, &stream), 0);
                ck_assert_uint_lt(stream, CACHE_STREAM_NONE);
                ck_assert_uint_ne(stream, gone);
        }
        for (unsigned i = 0; i < 100; i++)
                cache_streams_tell(streams, gone, 0, MIB);
        cache_streams_tell(streams, CACHE_STREAM_NONE, 0, MIB);
        ck_assert_uint_eq(read_until_full_window(streams, &offset, &stream), MIB / 2);
        cache_streams_free(streams);
}
END_TEST

/* --- at random */

typedef struct RandomReader {
        uint64_t offset;
        uint64_t size_max;
        int64_t distance; /* 0: contiguous */
} RandomReader;

static uint64_t clamp_offset(uint64_t offset, uint64_t size, uint64_t device_size) {
        return offset > device_size - size ? 0 : offset;
}

/* Readers of all kinds that now and then begin anew, and waste that is told of any name. */
START_TEST(advice_is_aligned_and_within_the_device_at_random) {
        uint64_t device_size = 3 * MIB + (uint64_t) _i * 5 * MIB + 1536, n_wrong = 0, n_advised = 0;
        CacheStreams *streams = new_streams(device_size, 256 * KIB, 64 * KIB);
        RandomReader readers[20] = {};
        Random random;

        random_init(&random, (uint64_t) _i);
        for (unsigned i = 0; i < 300000; i++) {
                RandomReader *reader = &readers[random_below(&random, N_ELEMENTS(readers))];
                uint64_t size;
                CacheStreamAdvice advice;

                if (reader->size_max == 0 || random_one_in(&random, 300))
                        *reader = (RandomReader){
                                .offset = random_below(&random, device_size),
                                .size_max = UINT64_C(1) << (9 + random_below(&random, 12)),
                                .distance = (int64_t) random_below(&random, MIB) -
                                            (int64_t) MIB / 2,
                        };
                size = random_one_in(&random, 2) ? reader->size_max
                                                 : 1 + random_below(&random, reader->size_max);
                reader->offset = clamp_offset(reader->offset, size, device_size);
                advice = cache_streams_observe(streams, reader->offset, size);
                reader->offset += reader->distance % 3 ? size : (uint64_t) reader->distance;
                n_advised += advice.size > 0;
                n_wrong += advice.size > device_size || advice.offset > device_size - advice.size ||
                           advice.offset % (64 * KIB) > 0 || advice.size > (256 + 64) * KIB ||
                           (advice.size % (64 * KIB) > 0 &&
                            advice.offset + advice.size != device_size);
                if (random_one_in(&random, 50))
                        cache_streams_tell(streams, (unsigned) random_below(&random, UINT8_MAX + 1),
                                           random_below(&random, MIB), random_below(&random, MIB));
                if (advice.size > 0 && random_one_in(&random, 4))
                        cache_streams_tell(streams, advice.stream, random_below(&random, MIB),
                                           random_below(&random, MIB));
        }
        cache_streams_free(streams);
        ck_assert_uint_eq(n_wrong, 0);
        ck_assert_uint_gt(n_advised, 1000);
}
END_TEST

int main(void) {
        const TTest *const tests[] = {
                random_readers_get_no_advice,
                waste_halves_the_window_and_use_restores_it,
                waste_counts_by_what_was_used_beside,
                repeated_waste_ends_the_advice_for_a_while,
                waste_ends_strided_advice_as_well,
                another_window_counts_from_the_next_advice_on,
                what_is_told_of_streams_that_are_gone_harms_no_other,
                NULL,
        };
        Suite *suite = suite_of("cache_stream", tests);
        TCase *tables = tcase_create("tables");

        tcase_add_loop_test(tables, the_right_advice_is_given, 0, N_ELEMENTS(read_cases));
        tcase_add_loop_test(tables, interleaved_readers_are_read_ahead_for, 0,
                            N_ELEMENTS(interleaved_cases));
        tcase_add_loop_test(tables, advice_is_aligned_and_within_the_device_at_random, 0, 6);
        suite_add_tcase(suite, tables);
        return run_suite(suite);
}
