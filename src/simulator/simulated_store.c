/*
 * Where bytes lie for good: an image file, or memory in chunks behind a two-level table, so that
 * terabytes cost only what was written.
 */

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "simulator/simulated_store.h"

#define CHUNKS_PER_TABLE 4096

struct SimulatedStore {
        int fd; /* borrowed */
        uint64_t size;
        uint8_t ***tables; /* owned, each table and each chunk too; NULL: not allocated */
        size_t n_tables;
};

typedef SimulatedStorePiece Piece;

static void assert_range(const SimulatedStore *store, uint64_t offset, uint64_t size) {
        assert(size <= store->size);
        assert(offset <= store->size - size);
}

/* In memory. */

static uint8_t **memory_slot(SimulatedStore *store, uint64_t index) {
        uint8_t **table = store->tables[index / CHUNKS_PER_TABLE];

        return table ? &table[index % CHUNKS_PER_TABLE] : NULL;
}

static uint8_t *memory_allocate(SimulatedStore *store, uint64_t index) {
        uint8_t ***table = &store->tables[index / CHUNKS_PER_TABLE];

        if (!*table)
                *table = calloc(CHUNKS_PER_TABLE, sizeof(**table));
        if (!*table)
                return NULL;

        uint8_t **slot = &(*table)[index % CHUNKS_PER_TABLE];
        if (!*slot)
                *slot = calloc(1, SIMULATED_STORE_CHUNK_SIZE);
        return *slot;
}

static void memory_read(SimulatedStore *store, Piece piece, uint8_t *bytes) {
        uint8_t **slot = memory_slot(store, piece.index);

        if (slot && *slot)
                memcpy(bytes, *slot + piece.offset, piece.size);
        else
                memset(bytes, 0, piece.size);
}

static int memory_write(SimulatedStore *store, Piece piece, const uint8_t *bytes) {
        uint8_t *chunk = memory_allocate(store, piece.index);

        if (!chunk)
                return -ENOMEM;
        memcpy(chunk + piece.offset, bytes, piece.size);
        return 0;
}

static void memory_discard(SimulatedStore *store, Piece piece) {
        uint8_t **slot = memory_slot(store, piece.index);

        if (!slot || !*slot)
                return;
        if (piece.size < SIMULATED_STORE_CHUNK_SIZE) {
                memset(*slot + piece.offset, 0, piece.size);
                return;
        }
        free(*slot);
        *slot = NULL;
}

/* In a file. */

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
        static const uint8_t zeroes[SIMULATED_STORE_CHUNK_SIZE];

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

int simulated_store_read(SimulatedStore *store, uint64_t offset, void *bytes, size_t size) {
        uint8_t *to = bytes;

        assert_range(store, offset, size);

        if (store->fd >= 0)
                return file_read(store->fd, offset, to, size);

        while (size > 0) {
                Piece piece = simulated_store_first_piece(offset, size);

                memory_read(store, piece, to);
                to += piece.size;
                offset += piece.size;
                size -= piece.size;
        }
        return 0;
}

int simulated_store_write(SimulatedStore *store, uint64_t offset, const void *bytes, size_t size) {
        const uint8_t *from = bytes;

        assert_range(store, offset, size);

        if (store->fd >= 0)
                return file_write(store->fd, offset, from, size);

        while (size > 0) {
                Piece piece = simulated_store_first_piece(offset, size);
                int r = memory_write(store, piece, from);

                if (r < 0)
                        return r;
                from += piece.size;
                offset += piece.size;
                size -= piece.size;
        }
        return 0;
}

int simulated_store_sync(SimulatedStore *store) {
        if (store->fd < 0)
                return 0;
        return fdatasync(store->fd) < 0 ? -errno : 0;
}

int simulated_store_discard(SimulatedStore *store, uint64_t offset, uint64_t size) {
        assert_range(store, offset, size);

        if (size == 0)
                return 0;
        if (store->fd >= 0)
                return file_discard(store->fd, offset, size);

        while (size > 0) {
                Piece piece = simulated_store_first_piece(offset, size);

                memory_discard(store, piece);
                offset += piece.size;
                size -= piece.size;
        }
        return 0;
}

bool simulated_store_is_mapped(SimulatedStore *store, uint64_t index) {
        uint64_t offset = index * SIMULATED_STORE_CHUNK_SIZE;

        assert(offset < store->size);

        if (store->fd < 0) {
                uint8_t **slot = memory_slot(store, index);

                return slot && *slot;
        }

        off_t data = lseek(store->fd, (off_t) offset, SEEK_DATA);
        if (data < 0)
                return errno != ENXIO; /* beyond the last data; what can't tell has it all */
        return (uint64_t) data < offset + SIMULATED_STORE_CHUNK_SIZE;
}

uint64_t simulated_store_get_size(const SimulatedStore *store) { return store->size; }

bool simulated_store_is_in_memory(const SimulatedStore *store) { return store->fd < 0; }

SimulatedStore *simulated_store_free(SimulatedStore *store) {
        if (!store)
                return NULL;

        for (size_t i = 0; store->tables && i < store->n_tables; i++) {
                uint8_t **table = store->tables[i];

                for (size_t j = 0; table && j < CHUNKS_PER_TABLE; j++)
                        free(table[j]);
                free(table);
        }
        free(store->tables);
        free(store);
        return NULL;
}

int simulated_store_new(SimulatedStore **ret, int fd, uint64_t size) {
        _cleanup_(simulated_store_freep) SimulatedStore *store = calloc(1, sizeof(*store));

        assert(size > 0);

        if (!store)
                return -ENOMEM;
        store->fd = fd < 0 ? -EBADF : fd;
        store->size = size;
        if (fd < 0) {
                store->n_tables = DIV_ROUND_UP(size, CHUNKS_PER_TABLE * SIMULATED_STORE_CHUNK_SIZE);
                store->tables = calloc(store->n_tables, sizeof(*store->tables));
                if (!store->tables)
                        return -ENOMEM;
        }

        *ret = TAKE_PTR(store);
        return 0;
}
