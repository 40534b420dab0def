/*
 * Fuzz target: an arena with what an honest owner left, and then changed in any places. Whatever
 * is read of it must lie within the LUN, be there once, and be readable.
 */

#include <string.h>
#include <sys/mman.h>

#include "base/bytes.h"
#include "cache/cache_arena_layout.h"
#include "cache/cache_remains.h"

#define LINE_SIZE (8 * KIB)
#define N_SLOTS 24
#define PATCH_HEADER_SIZE 4

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Parts of the file, so that changes hit what matters, and not the lines' bytes alone. */
typedef struct Region {
        uint64_t offset;
        uint64_t size;
} Region;

static void make_arena(int fd) {
        CacheIdentity identity = { .block_size = 512, .n_blocks = 100, .vendor = "fuzz" };
        CacheArena *arena;

        if (cache_arena_new(&arena, fd, LINE_SIZE) < 0)
                abort();
        for (unsigned lun = 0; lun < 2; lun++) {
                identity.block_size <<= lun;
                cache_arena_set_identity(arena, lun, &identity);
                cache_arena_set_sample(arena, lun, lun, &(CacheSample){ .size = 512, .sum = 1 });
                for (uint32_t i = 0; i < 6; i++) {
                        cache_arena_claim(arena, lun * 8 + i, lun, i, identity.block_size);
                        cache_arena_store(arena, lun * 8 + i, 1024 * i, "fuzz", 4, true, true);
                }
                cache_arena_lose(arena, lun * 8, cache_bits_range(1, 3));
        }
        cache_arena_free(arena);
}

static Region get_region(uint8_t number) {
        CacheArenaLayout layout = cache_arena_layout(LINE_SIZE, N_SLOTS);
        const Region regions[] = {
                { 0, sizeof(CacheArenaHeader) },
                { offsetof(CacheArenaHead, luns), 2 * sizeof(CacheArenaLun) },
                { offsetof(CacheArenaHead, undo), sizeof(CacheArenaUndo) },
                { layout.entries_offset, N_SLOTS * sizeof(CacheArenaEntry) },
                { layout.sums_offset, N_SLOTS * LINE_SIZE / CACHE_CHUNK_SIZE * sizeof(uint64_t) },
                { layout.data_offset, N_SLOTS * LINE_SIZE },
        };

        return regions[number % N_ELEMENTS(regions)];
}

/* A patch: region, offset in it (16 bits), number of bytes, the bytes. */
static void patch(int fd, const uint8_t *data, size_t size) {
        while (size >= PATCH_HEADER_SIZE) {
                Region region = get_region(data[0]);
                uint64_t offset = get_le16(data + 1) % region.size;
                size_t n = MIN((size_t) data[3], size - PATCH_HEADER_SIZE);

                n = MIN(n, region.size - offset);
                if (pwrite(fd, data + PATCH_HEADER_SIZE, n, (off_t) (region.offset + offset)) !=
                    (ssize_t) n)
                        abort();
                data += PATCH_HEADER_SIZE + n;
                size -= PATCH_HEADER_SIZE + n;
        }
}

static void check_remnant(const CacheRemains *remains, const CacheIdentity *identity,
                          const CacheRemnant *remnant) {
        uint32_t line_size = cache_remains_get_line_size(remains);
        uint64_t size = identity->n_blocks * identity->block_size;
        CacheBits held = cache_bits_or(remnant->kept, remnant->lost), possible;
        uint8_t sum = 0;

        assert(remnant->offset % line_size == 0 && remnant->offset < size);
        possible = cache_bits_range(0,
                                    (unsigned) (MIN(size - remnant->offset, (uint64_t) line_size) /
                                                identity->block_size));
        assert(!cache_bits_is_empty(held));
        assert(cache_bits_contain(possible, held));
        assert(!cache_bits_intersect(remnant->kept, remnant->lost));
        for (uint32_t i = 0; i < line_size; i++)
                sum ^= *(const volatile uint8_t *) &remnant->data[i];
        (void) sum;
}

static void check_lun(const CacheRemains *remains, unsigned lun) {
        const CacheIdentity *identity = cache_remains_get_identity(remains, lun);
        uint64_t n_blocks = 0, end = 0;
        CacheRemnant remnant;
        uint32_t cursor = 0;

        while (cache_remains_next(remains, lun, &cursor, &remnant)) {
                assert(identity && cache_identity_is_sane(identity));
                check_remnant(remains, identity, &remnant);
                assert(remnant.offset >= end);
                end = remnant.offset + cache_remains_get_line_size(remains);
                n_blocks += cache_bits_count(remnant.kept) + cache_bits_count(remnant.lost);
        }
        assert(cache_remains_get_size(remains, lun) ==
               n_blocks * (identity ? identity->block_size : 0));
        for (unsigned i = 0; identity && i < CACHE_SAMPLES_MAX; i++) {
                const CacheSample *sample = &cache_remains_get_samples(remains, lun)[i];

                assert(sample->size == 0 ||
                       sample->offset + sample->size <= identity->n_blocks * identity->block_size);
        }
}

/* The first byte: how much of the file is missing at its end, mostly nothing. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_(fd_closep) int fd = memfd_create("arena", MFD_CLOEXEC);
        _cleanup_(cache_remains_freep) CacheRemains *remains = NULL;
        uint64_t file_size = cache_arena_layout(LINE_SIZE, N_SLOTS).size;

        if (size < 1)
                return 0;
        if (fd < 0 || ftruncate(fd, (off_t) file_size) < 0)
                abort();
        make_arena(fd);
        patch(fd, data + 1, size - 1);
        if (data[0] >= 0xf0 && ftruncate(fd, (off_t) (file_size >> (data[0] & 0xf))) < 0)
                abort();
        if (cache_remains_new(&remains, fd, "fuzz") < 0)
                return 0;
        for (unsigned lun = 0; lun < CACHE_LUNS_MAX; lun++)
                check_lun(remains, lun);
        return 0;
}
