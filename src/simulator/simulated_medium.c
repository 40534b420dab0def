/*
 * A LUN's bytes in two layers. Below lies a store: an image file, or memory in chunks behind a
 * two-level table, so that terabytes cost only what was written. Above lies the cache: chunks with
 * a bit for each sector that is newer than the store. When the cache is full its oldest chunk is
 * written down, as a drive would do.
 */

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/list.h"
#include "simulator/simulated_medium.h"

#define SECTOR_SIZE 512 /* the grain of the cache: no device has smaller blocks */
#define SECTORS_PER_CHUNK (SIMULATED_MEDIUM_CHUNK_SIZE / SECTOR_SIZE)
#define CHUNKS_PER_TABLE 4096
#define CACHE_BUCKETS 1024

static_assert(SECTORS_PER_CHUNK == 128, "the dirty bits of a chunk are two words");

typedef struct CacheChunk {
        ListNode bucket_node; /* SimulatedMedium::buckets */
        ListNode age_node;    /* SimulatedMedium::chunks or SimulatedMedium::chunks_free */
        uint64_t index;
        uint64_t dirty[2];
        uint8_t bytes[SIMULATED_MEDIUM_CHUNK_SIZE];
} CacheChunk;

struct SimulatedMedium {
        int fd; /* borrowed */
        uint64_t size;
        uint8_t ***tables; /* owned, each table and each chunk too; NULL: not allocated */
        size_t n_tables;

        size_t n_chunks_max;  /* of the cache; 0: none */
        size_t n_chunks;      /* allocated ones, in use or free */
        ListNode *buckets;    /* owned; CacheChunk::bucket_node */
        ListNode chunks;      /* owned, oldest first; CacheChunk::age_node */
        ListNode chunks_free; /* owned; CacheChunk::age_node */
};

/* A range's part in its first chunk. */
typedef struct Piece {
        uint64_t index; /* of the chunk */
        size_t offset;  /* in the chunk */
        size_t size;
} Piece;

static Piece first_piece(uint64_t offset, uint64_t size) {
        size_t within = offset % SIMULATED_MEDIUM_CHUNK_SIZE;

        return (Piece){
                .index = offset / SIMULATED_MEDIUM_CHUNK_SIZE,
                .offset = within,
                .size = MIN(size, SIMULATED_MEDIUM_CHUNK_SIZE - within),
        };
}

static void assert_range(const SimulatedMedium *medium, uint64_t offset, uint64_t size) {
        assert(size <= medium->size);
        assert(offset <= medium->size - size);
}

/* The store in memory. */

static uint8_t **memory_slot(SimulatedMedium *medium, uint64_t index) {
        uint8_t **table = medium->tables[index / CHUNKS_PER_TABLE];

        return table ? &table[index % CHUNKS_PER_TABLE] : NULL;
}

static uint8_t *memory_allocate(SimulatedMedium *medium, uint64_t index) {
        uint8_t ***table = &medium->tables[index / CHUNKS_PER_TABLE];

        if (!*table)
                *table = calloc(CHUNKS_PER_TABLE, sizeof(**table));
        if (!*table)
                return NULL;

        uint8_t **slot = &(*table)[index % CHUNKS_PER_TABLE];
        if (!*slot)
                *slot = calloc(1, SIMULATED_MEDIUM_CHUNK_SIZE);
        return *slot;
}

static void memory_read(SimulatedMedium *medium, Piece piece, uint8_t *bytes) {
        uint8_t **slot = memory_slot(medium, piece.index);

        if (slot && *slot)
                memcpy(bytes, *slot + piece.offset, piece.size);
        else
                memset(bytes, 0, piece.size);
}

static int memory_write(SimulatedMedium *medium, Piece piece, const uint8_t *bytes) {
        uint8_t *chunk = memory_allocate(medium, piece.index);

        if (!chunk)
                return -ENOMEM;
        memcpy(chunk + piece.offset, bytes, piece.size);
        return 0;
}

static void memory_discard(SimulatedMedium *medium, Piece piece) {
        uint8_t **slot = memory_slot(medium, piece.index);

        if (!slot || !*slot)
                return;
        if (piece.size < SIMULATED_MEDIUM_CHUNK_SIZE) {
                memset(*slot + piece.offset, 0, piece.size);
                return;
        }
        free(*slot);
        *slot = NULL;
}

/* The store in a file. */

static int file_read(int fd, uint64_t offset, uint8_t *bytes, size_t size) {
        while (size > 0) {
                ssize_t n = pread(fd, bytes, size, (off_t) offset);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                if (n == 0) {
                        /* Somebody cut the file: what is gone reads as zeroes. */
                        memset(bytes, 0, size);
                        return 0;
                }
                bytes += n;
                offset += (uint64_t) n;
                size -= (size_t) n;
        }
        return 0;
}

static int file_write(int fd, uint64_t offset, const uint8_t *bytes, size_t size) {
        while (size > 0) {
                ssize_t n = pwrite(fd, bytes, size, (off_t) offset);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n <= 0)
                        return n < 0 ? -errno : -EIO;
                bytes += n;
                offset += (uint64_t) n;
                size -= (size_t) n;
        }
        return 0;
}

static int file_discard(int fd, uint64_t offset, uint64_t size) {
        static const uint8_t zeroes[SIMULATED_MEDIUM_CHUNK_SIZE];

        if (fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t) offset,
                      (off_t) size) == 0)
                return 0;
        if (errno != EOPNOTSUPP && errno != ENOSYS)
                return -errno;

        /* A file system without holes: zeroes take their place. */
        while (size > 0) {
                size_t n = MIN(size, sizeof(zeroes));
                int r = file_write(fd, offset, zeroes, n);

                if (r < 0)
                        return r;
                offset += n;
                size -= n;
        }
        return 0;
}

int simulated_medium_read_stable(SimulatedMedium *medium, uint64_t offset, void *bytes,
                                 size_t size) {
        uint8_t *to = bytes;

        assert_range(medium, offset, size);

        if (medium->fd >= 0)
                return file_read(medium->fd, offset, to, size);

        while (size > 0) {
                Piece piece = first_piece(offset, size);

                memory_read(medium, piece, to);
                to += piece.size;
                offset += piece.size;
                size -= piece.size;
        }
        return 0;
}

int simulated_medium_write_stable(SimulatedMedium *medium, uint64_t offset, const void *bytes,
                                  size_t size) {
        const uint8_t *from = bytes;

        assert_range(medium, offset, size);

        if (medium->fd >= 0)
                return file_write(medium->fd, offset, from, size);

        while (size > 0) {
                Piece piece = first_piece(offset, size);
                int r = memory_write(medium, piece, from);

                if (r < 0)
                        return r;
                from += piece.size;
                offset += piece.size;
                size -= piece.size;
        }
        return 0;
}

/* The cache. */

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
                int r = simulated_medium_write_stable(medium,
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

        int r = simulated_medium_read_stable(medium, offset, bytes, size);
        if (r < 0 || list_is_empty(&medium->chunks))
                return r;

        while (size > 0) {
                Piece piece = first_piece(offset, size);

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
                return simulated_medium_write_stable(medium, offset, bytes, size);

        while (size > 0) {
                Piece piece = first_piece(offset, size);
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

static int cache_sync(SimulatedMedium *medium, uint64_t offset, uint64_t size) {
        uint64_t end = offset + size;

        LIST_FOR_EACH (node, &medium->chunks) {
                CacheChunk *chunk = list_entry(node, CacheChunk, age_node);
                uint64_t start = chunk->index * SIMULATED_MEDIUM_CHUNK_SIZE;
                uint64_t first = MAX(start, offset);
                uint64_t last = MIN(start + SIMULATED_MEDIUM_CHUNK_SIZE, end);

                if (first >= last)
                        continue;
                int r = cache_clean(medium, chunk, (first - start) / SECTOR_SIZE,
                                    DIV_ROUND_UP(last - start, SECTOR_SIZE));
                if (r < 0)
                        return r;
        }
        return 0;
}

int simulated_medium_sync(SimulatedMedium *medium, uint64_t offset, uint64_t size) {
        assert_range(medium, offset, size);

        int r = cache_sync(medium, offset, size);
        if (r < 0 || medium->fd < 0)
                return r;
        return fdatasync(medium->fd) < 0 ? -errno : 0;
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

        if (size == 0)
                return 0;
        if (medium->fd >= 0) {
                int r = file_discard(medium->fd, offset, size);
                if (r < 0)
                        return r;
        }

        while (size > 0) {
                Piece piece = first_piece(offset, size);

                cache_forget(medium, piece);
                if (medium->fd < 0)
                        memory_discard(medium, piece);
                offset += piece.size;
                size -= piece.size;
        }
        return 0;
}

static bool store_is_mapped(SimulatedMedium *medium, uint64_t index) {
        if (medium->fd < 0) {
                uint8_t **slot = memory_slot(medium, index);

                return slot && *slot;
        }

        uint64_t offset = index * SIMULATED_MEDIUM_CHUNK_SIZE;
        off_t data = lseek(medium->fd, (off_t) offset, SEEK_DATA);
        if (data < 0)
                return errno != ENXIO; /* beyond the last data; what can't tell has it all */
        return (uint64_t) data < offset + SIMULATED_MEDIUM_CHUNK_SIZE;
}

static bool chunk_is_mapped(SimulatedMedium *medium, uint64_t index) {
        return cache_find(medium, index) || store_is_mapped(medium, index);
}

/* How far one status is followed; a caller asks again behind it. */
#define STATUS_CHUNKS_MAX 4096

void simulated_medium_get_status(SimulatedMedium *medium, uint64_t offset, bool *ret_is_mapped,
                                 uint64_t *ret_size) {
        assert(offset < medium->size);

        uint64_t first = offset / SIMULATED_MEDIUM_CHUNK_SIZE, index = first + 1;
        uint64_t n_chunks = DIV_ROUND_UP(medium->size, SIMULATED_MEDIUM_CHUNK_SIZE);
        bool is_mapped = chunk_is_mapped(medium, first);

        while (index < n_chunks && index - first < STATUS_CHUNKS_MAX &&
               chunk_is_mapped(medium, index) == is_mapped)
                index++;
        *ret_is_mapped = is_mapped;
        *ret_size = MIN(index * SIMULATED_MEDIUM_CHUNK_SIZE, medium->size) - offset;
}

bool simulated_medium_lose_cache(SimulatedMedium *medium) {
        bool had_any = !list_is_empty(&medium->chunks);

        LIST_FOR_EACH (node, &medium->chunks)
                cache_drop(medium, list_entry(node, CacheChunk, age_node));
        return had_any;
}

uint64_t simulated_medium_get_size(const SimulatedMedium *medium) { return medium->size; }

bool simulated_medium_is_in_memory(const SimulatedMedium *medium) { return medium->fd < 0; }

static void free_store(SimulatedMedium *medium) {
        for (size_t i = 0; medium->tables && i < medium->n_tables; i++) {
                uint8_t **table = medium->tables[i];

                for (size_t j = 0; table && j < CHUNKS_PER_TABLE; j++)
                        free(table[j]);
                free(table);
        }
        free(medium->tables);
}

SimulatedMedium *simulated_medium_free(SimulatedMedium *medium) {
        if (!medium)
                return NULL;

        simulated_medium_lose_cache(medium);
        for (ListNode *node; (node = list_take_first(&medium->chunks_free));)
                free(list_entry(node, CacheChunk, age_node));
        free(medium->buckets);
        free_store(medium);
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
        medium->fd = fd < 0 ? -EBADF : fd;
        medium->size = size;
        medium->n_chunks_max = cache_size / SIMULATED_MEDIUM_CHUNK_SIZE;

        if (fd < 0) {
                medium->n_tables =
                                DIV_ROUND_UP(size, CHUNKS_PER_TABLE * SIMULATED_MEDIUM_CHUNK_SIZE);
                medium->tables = calloc(medium->n_tables, sizeof(*medium->tables));
                if (!medium->tables)
                        return -ENOMEM;
        }
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
