/*
 * A LUN's bytes in two layers: the store, and above it the cache, chunks with a bit for each sector
 * that is newer than the store. When the cache is full its oldest chunk is written down, as a drive
 * would do.
 */

#include <errno.h>
#include <string.h>

#include "base/list.h"
#include "simulator/simulated_medium.h"

#define SECTOR_SIZE 512 /* the grain of the cache: no device has smaller blocks */
#define SECTORS_PER_CHUNK (SIMULATED_MEDIUM_CHUNK_SIZE / SECTOR_SIZE)
#define CACHE_BUCKETS 1024
/* A longer range is synchronised by going through all chunks. */
#define LOOKED_UP_CHUNKS_MAX 32
/* How far one status is followed; a caller asks again behind it. */
#define STATUS_CHUNKS_MAX 4096

static_assert(SECTORS_PER_CHUNK == 128, "the dirty bits of a chunk are two words");

typedef struct CacheChunk {
        ListNode bucket_node; /* SimulatedMedium::buckets */
        ListNode age_node;    /* SimulatedMedium::chunks or SimulatedMedium::chunks_free */
        uint64_t index;
        uint64_t dirty[2];
        uint8_t bytes[SIMULATED_MEDIUM_CHUNK_SIZE];
} CacheChunk;

struct SimulatedMedium {
        SimulatedStore *store; /* owned */
        size_t n_chunks_max;   /* of the cache; 0: none */
        size_t n_chunks;       /* allocated ones, in use or free */
        ListNode *buckets;     /* owned; CacheChunk::bucket_node */
        ListNode chunks;       /* owned, oldest first; CacheChunk::age_node */
        ListNode chunks_free;  /* owned; CacheChunk::age_node */
};

typedef SimulatedStorePiece Piece;

static void assert_range(const SimulatedMedium *medium, uint64_t offset, uint64_t size) {
        uint64_t end = simulated_store_get_size(medium->store);

        assert(size <= end);
        assert(offset <= end - size);
}

/* Those bits of the dirty word that stand for sectors from `first` to before `end`. */
static uint64_t dirty_mask(size_t word, size_t first, size_t end) {
        size_t from = MAX(first, 64 * word), to = MIN(end, 64 * word + 64);

        if (from >= to)
                return 0;
        return UINT64_MAX >> (64 - (to - from)) << from % 64;
}

static void chunk_set_dirty(CacheChunk *chunk, size_t first, size_t end, bool is_dirty) {
        for (size_t word = 0; word < N_ELEMENTS(chunk->dirty); word++)
                if (is_dirty)
                        chunk->dirty[word] |= dirty_mask(word, first, end);
                else
                        chunk->dirty[word] &= ~dirty_mask(word, first, end);
}

/* The first sector from `sector` on whose bit is other than `is_dirty`, or `end`. */
static size_t chunk_run_end(const CacheChunk *chunk, size_t sector, size_t end, bool is_dirty) {
        for (size_t word = sector / 64; word < N_ELEMENTS(chunk->dirty); word++) {
                uint64_t others = is_dirty ? ~chunk->dirty[word] : chunk->dirty[word];

                others &= dirty_mask(word, sector, end);
                if (others != 0)
                        return 64 * word + (size_t) __builtin_ctzll(others);
        }
        return end;
}

static ListNode *cache_bucket(SimulatedMedium *medium, uint64_t index) {
        return &medium->buckets[index % CACHE_BUCKETS];
}

static CacheChunk *cache_find(SimulatedMedium *medium, uint64_t index) {
        if (list_is_empty(&medium->chunks))
                return NULL;

        LIST_FOR_EACH (node, cache_bucket(medium, index)) {
                CacheChunk *chunk = list_entry(node, CacheChunk, bucket_node);

                if (chunk->index == index)
                        return chunk;
        }
        return NULL;
}

static void cache_drop(SimulatedMedium *medium, CacheChunk *chunk) {
        list_unlink(&chunk->bucket_node);
        list_unlink(&chunk->age_node);
        list_append(&medium->chunks_free, &chunk->age_node);
}

static bool chunk_is_clean(const CacheChunk *chunk) {
        return chunk->dirty[0] == 0 && chunk->dirty[1] == 0;
}

/* Writes the dirty sectors from `first` to before `end` down. */
static int cache_clean(SimulatedMedium *medium, CacheChunk *chunk, size_t first, size_t end) {
        size_t sector = chunk_run_end(chunk, first, end, /* is_dirty= */ false);

        while (sector < end) {
                size_t run_end = chunk_run_end(chunk, sector, end, /* is_dirty= */ true);
                int r = simulated_store_write(medium->store,
                                              chunk->index * SIMULATED_MEDIUM_CHUNK_SIZE +
                                                              sector * SECTOR_SIZE,
                                              chunk->bytes + sector * SECTOR_SIZE,
                                              (run_end - sector) * SECTOR_SIZE);
                if (r < 0)
                        return r;
                chunk_set_dirty(chunk, sector, run_end, /* is_dirty= */ false);
                sector = chunk_run_end(chunk, run_end, end, /* is_dirty= */ false);
        }
        if (chunk_is_clean(chunk))
                cache_drop(medium, chunk);
        return 0;
}

static int cache_make_room(SimulatedMedium *medium) {
        if (!list_is_empty(&medium->chunks_free))
                return 0;

        if (medium->n_chunks < medium->n_chunks_max) {
                CacheChunk *chunk = malloc(sizeof(*chunk));

                if (!chunk)
                        return -ENOMEM;
                list_init(&chunk->bucket_node);
                list_init(&chunk->age_node);
                list_append(&medium->chunks_free, &chunk->age_node);
                medium->n_chunks++;
                return 0;
        }

        CacheChunk *oldest = list_entry(list_first(&medium->chunks), CacheChunk, age_node);
        return cache_clean(medium, oldest, 0, SECTORS_PER_CHUNK);
}

static int cache_get(SimulatedMedium *medium, uint64_t index, CacheChunk **ret) {
        CacheChunk *chunk = cache_find(medium, index);

        if (!chunk) {
                int r = cache_make_room(medium);
                if (r < 0)
                        return r;
                chunk = list_entry(list_take_first(&medium->chunks_free), CacheChunk, age_node);
                chunk->index = index;
                chunk->dirty[0] = chunk->dirty[1] = 0;
                list_append(cache_bucket(medium, index), &chunk->bucket_node);
                list_append(&medium->chunks, &chunk->age_node);
        }
        *ret = chunk;
        return 0;
}

/* Lays what the cache has of the piece over what the store gave. */
static void cache_overlay(SimulatedMedium *medium, Piece piece, uint8_t *bytes) {
        const CacheChunk *chunk = cache_find(medium, piece.index);
        size_t end = piece.offset + piece.size;
        size_t n_sectors = DIV_ROUND_UP(end, SECTOR_SIZE);

        if (!chunk)
                return;
        for (size_t at = piece.offset; at < end;) {
                size_t first = chunk_run_end(chunk, at / SECTOR_SIZE, n_sectors, false);
                size_t last = chunk_run_end(chunk, first, n_sectors, true);
                size_t from = MAX(first * SECTOR_SIZE, at), to = MIN(last * SECTOR_SIZE, end);

                if (from < to)
                        memcpy(bytes + (from - piece.offset), chunk->bytes + from, to - from);
                at = last * SECTOR_SIZE;
        }
}

int simulated_medium_read(SimulatedMedium *medium, uint64_t offset, void *bytes, size_t size) {
        uint8_t *to = bytes;

        int r = simulated_store_read(medium->store, offset, bytes, size);
        if (r < 0 || list_is_empty(&medium->chunks))
                return r;

        while (size > 0) {
                Piece piece = simulated_store_first_piece(offset, size);

                cache_overlay(medium, piece, to);
                to += piece.size;
                offset += piece.size;
                size -= piece.size;
        }
        return 0;
}

int simulated_medium_write(SimulatedMedium *medium, uint64_t offset, const void *bytes,
                           size_t size) {
        const uint8_t *from = bytes;

        assert_range(medium, offset, size);
        assert(offset % SECTOR_SIZE == 0 && size % SECTOR_SIZE == 0);

        if (medium->n_chunks_max == 0)
                return simulated_store_write(medium->store, offset, bytes, size);

        while (size > 0) {
                Piece piece = simulated_store_first_piece(offset, size);
                CacheChunk *chunk;
                int r = cache_get(medium, piece.index, &chunk);

                if (r < 0)
                        return r;
                memcpy(chunk->bytes + piece.offset, from, piece.size);
                chunk_set_dirty(chunk, piece.offset / SECTOR_SIZE,
                                (piece.offset + piece.size) / SECTOR_SIZE, /* is_dirty= */ true);
                from += piece.size;
                offset += piece.size;
                size -= piece.size;
        }
        return 0;
}

/* Writes down what the chunk has of the range. */
static int cache_clean_range(SimulatedMedium *medium, CacheChunk *chunk, uint64_t offset,
                             uint64_t end) {
        uint64_t start = chunk->index * SIMULATED_MEDIUM_CHUNK_SIZE;
        uint64_t first = MAX(start, offset);
        uint64_t last = MIN(start + SIMULATED_MEDIUM_CHUNK_SIZE, end);

        if (first >= last)
                return 0;
        return cache_clean(medium, chunk, (first - start) / SECTOR_SIZE,
                           DIV_ROUND_UP(last - start, SECTOR_SIZE));
}

static int cache_sync_all(SimulatedMedium *medium, uint64_t offset, uint64_t end) {
        LIST_FOR_EACH (node, &medium->chunks) {
                int r = cache_clean_range(medium, list_entry(node, CacheChunk, age_node), offset,
                                          end);
                if (r < 0)
                        return r;
        }
        return 0;
}

/* A short range, as of a write with FUA, is looked up instead. */
static int cache_sync_few(SimulatedMedium *medium, uint64_t offset, uint64_t end) {
        for (uint64_t index = offset / SIMULATED_MEDIUM_CHUNK_SIZE;
             index * SIMULATED_MEDIUM_CHUNK_SIZE < end; index++) {
                CacheChunk *chunk = cache_find(medium, index);
                int r = chunk ? cache_clean_range(medium, chunk, offset, end) : 0;

                if (r < 0)
                        return r;
        }
        return 0;
}

int simulated_medium_sync(SimulatedMedium *medium, uint64_t offset, uint64_t size) {
        uint64_t end = offset + size;

        assert_range(medium, offset, size);

        int r = size <= LOOKED_UP_CHUNKS_MAX * SIMULATED_MEDIUM_CHUNK_SIZE
                                ? cache_sync_few(medium, offset, end)
                                : cache_sync_all(medium, offset, end);
        return r < 0 ? r : simulated_store_sync(medium->store);
}

static void cache_forget(SimulatedMedium *medium, Piece piece) {
        CacheChunk *chunk = cache_find(medium, piece.index);

        if (!chunk)
                return;
        chunk_set_dirty(chunk, piece.offset / SECTOR_SIZE,
                        (piece.offset + piece.size) / SECTOR_SIZE, /* is_dirty= */ false);
        if (chunk_is_clean(chunk))
                cache_drop(medium, chunk);
}

int simulated_medium_discard(SimulatedMedium *medium, uint64_t offset, uint64_t size) {
        assert_range(medium, offset, size);
        assert(offset % SECTOR_SIZE == 0 && size % SECTOR_SIZE == 0);

        int r = simulated_store_discard(medium->store, offset, size);
        if (r < 0)
                return r;

        while (size > 0) {
                Piece piece = simulated_store_first_piece(offset, size);

                cache_forget(medium, piece);
                offset += piece.size;
                size -= piece.size;
        }
        return 0;
}

static bool chunk_is_mapped(SimulatedMedium *medium, uint64_t index) {
        return cache_find(medium, index) || simulated_store_is_mapped(medium->store, index);
}

void simulated_medium_get_status(SimulatedMedium *medium, uint64_t offset, bool *ret_is_mapped,
                                 uint64_t *ret_size) {
        uint64_t medium_size = simulated_store_get_size(medium->store);
        uint64_t first = offset / SIMULATED_MEDIUM_CHUNK_SIZE, index = first + 1;
        uint64_t n_chunks = DIV_ROUND_UP(medium_size, SIMULATED_MEDIUM_CHUNK_SIZE);
        bool is_mapped = chunk_is_mapped(medium, first);

        assert(offset < medium_size);

        while (index < n_chunks && index - first < STATUS_CHUNKS_MAX &&
               chunk_is_mapped(medium, index) == is_mapped)
                index++;
        *ret_is_mapped = is_mapped;
        *ret_size = MIN(index * SIMULATED_MEDIUM_CHUNK_SIZE, medium_size) - offset;
}

bool simulated_medium_lose_cache(SimulatedMedium *medium) {
        bool had_any = !list_is_empty(&medium->chunks);

        LIST_FOR_EACH (node, &medium->chunks)
                cache_drop(medium, list_entry(node, CacheChunk, age_node));
        return had_any;
}

uint64_t simulated_medium_get_size(const SimulatedMedium *medium) {
        return simulated_store_get_size(medium->store);
}

bool simulated_medium_is_in_memory(const SimulatedMedium *medium) {
        return simulated_store_is_in_memory(medium->store);
}

int simulated_medium_read_stable(SimulatedMedium *medium, uint64_t offset, void *bytes,
                                 size_t size) {
        return simulated_store_read(medium->store, offset, bytes, size);
}

int simulated_medium_write_stable(SimulatedMedium *medium, uint64_t offset, const void *bytes,
                                  size_t size) {
        return simulated_store_write(medium->store, offset, bytes, size);
}

SimulatedMedium *simulated_medium_free(SimulatedMedium *medium) {
        if (!medium)
                return NULL;

        simulated_medium_lose_cache(medium);
        for (ListNode *node; (node = list_take_first(&medium->chunks_free));)
                free(list_entry(node, CacheChunk, age_node));
        free(medium->buckets);
        simulated_store_free(medium->store);
        free(medium);
        return NULL;
}

int simulated_medium_new(SimulatedMedium **ret, int fd, uint64_t size, uint64_t cache_size) {
        _cleanup_(simulated_medium_freep) SimulatedMedium *medium = calloc(1, sizeof(*medium));

        assert(size > 0 && size % SECTOR_SIZE == 0);

        if (!medium)
                return -ENOMEM;
        list_init(&medium->chunks);
        list_init(&medium->chunks_free);
        medium->n_chunks_max = cache_size / SIMULATED_MEDIUM_CHUNK_SIZE;
        int r = simulated_store_new(&medium->store, fd, size);
        if (r < 0)
                return r;
        if (medium->n_chunks_max > 0) {
                medium->buckets = calloc(CACHE_BUCKETS, sizeof(*medium->buckets));
                if (!medium->buckets)
                        return -ENOMEM;
                for (size_t i = 0; i < CACHE_BUCKETS; i++)
                        list_init(&medium->buckets[i]);
        }

        *ret = TAKE_PTR(medium);
        return 0;
}
