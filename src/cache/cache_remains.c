/*
 * What decides about an index or a length is read into memory of its own, once, and checked there:
 * somebody could still hold the memfd and change it. Lines and their sums stay in the file, behind
 * a private mapping, where the worst that can be is that a line is not what was summed.
 *
 * The entries are gone through once. Those that hold something are noted, and sorted by LUN and
 * line, so that a LUN's remnants lie together and twins side by side.
 */

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <xxhash.h>

#include "base/log.h"
#include "cache/cache_arena_layout.h"
#include "cache/cache_remains.h"

#define ENTRIES_PER_READ UINT32_C(1024)

/* A line that holds something, in bounds. */
typedef struct Line {
        uint64_t number;
        uint32_t slot;
        uint32_t lun;
        CacheBits kept;
        CacheBits lost;
} Line;

struct CacheRemains {
        uint8_t *memory; /* a private copy, its metadata not to be trusted */
        CacheArenaLayout layout;
        uint32_t line_size;
        uint32_t n_slots;
        CacheArenaLun luns[CACHE_LUNS_MAX]; /* sane if present */
        bool has_undo;
        uint32_t undo_slot;
        CacheBits undo_kept;
        CacheBits undo_lost;
        Line *lines; /* owned; sorted by LUN and number */
        size_t n_lines;
        size_t n_lines_allocated;
        size_t first_lines[CACHE_LUNS_MAX + 1]; /* each LUN's, up to the next one's */
        uint64_t n_senseless;
};

/* -EBADMSG: the file ends before. */
static int read_at(int fd, uint64_t offset, void *bytes, size_t size) {
        uint8_t *to = bytes;

        while (size > 0) {
                ssize_t n = pread(fd, to, size, (off_t) offset);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n <= 0)
                        return n < 0 ? -errno : -EBADMSG;
                to += n;
                offset += (uint64_t) n;
                size -= (size_t) n;
        }
        return 0;
}

static uint64_t get_lun_size(const CacheArenaLun *lun) {
        return lun->identity.n_blocks * lun->identity.block_size;
}

/* The header and the mapping. */

static int read_header(CacheRemains *remains, int fd) {
        CacheArenaHeader header;
        int r;

        r = read_at(fd, 0, &header, sizeof(header));
        if (r < 0)
                return r;
        if (header.magic != CACHE_ARENA_MAGIC || header.version != CACHE_ARENA_VERSION ||
            !cache_arena_layout_has_line_size(header.line_size) || header.n_slots == 0)
                return -EBADMSG;
        remains->line_size = header.line_size;
        remains->n_slots = header.n_slots;
        remains->layout = cache_arena_layout(header.line_size, header.n_slots);
        return 0;
}

static int map(CacheRemains *remains, int fd) {
        struct stat status;
        void *memory;

        if (fstat(fd, &status) < 0)
                return -errno;
        if (status.st_size < 0 || (uint64_t) status.st_size < remains->layout.size)
                return -EBADMSG;
        memory = mmap(NULL, (size_t) remains->layout.size, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_NORESERVE, fd, 0);
        if (memory == MAP_FAILED)
                return -errno;
        remains->memory = memory;
        if (madvise(memory, (size_t) remains->layout.size, MADV_DONTDUMP) < 0)
                log_debug("What a cache left may be dumped, ignoring: %s", strerror(errno));
        return 0;
}

static uint8_t *get_line(const CacheRemains *remains, uint32_t slot) {
        return remains->memory + remains->layout.data_offset + (uint64_t) slot * remains->line_size;
}

static uint64_t *get_sums(const CacheRemains *remains, uint32_t slot) {
        uint64_t *sums = (uint64_t *) (remains->memory + remains->layout.sums_offset);

        return sums + (uint64_t) slot * (remains->line_size / CACHE_CHUNK_SIZE);
}

/* LUNs. */

static void check_samples(CacheRemains *remains, CacheArenaLun *lun) {
        uint64_t size = get_lun_size(lun);

        for (unsigned i = 0; i < CACHE_SAMPLES_MAX; i++) {
                CacheSample *sample = &lun->samples[i];

                if (sample->size <= size && sample->offset <= size - sample->size)
                        continue;
                *sample = (CacheSample){};
                remains->n_senseless++;
        }
}

static int read_luns(CacheRemains *remains, int fd) {
        int r;

        r = read_at(fd, offsetof(CacheArenaHead, luns), remains->luns, sizeof(remains->luns));
        if (r < 0)
                return r;
        for (unsigned i = 0; i < CACHE_LUNS_MAX; i++) {
                CacheArenaLun *lun = &remains->luns[i];

                if (lun->is_present == 1 && cache_identity_is_sane(&lun->identity)) {
                        check_samples(remains, lun);
                        continue;
                }
                remains->n_senseless += lun->is_present != 0;
                lun->is_present = 0;
        }
        return 0;
}

/* The undo record: bytes and sums are put back at once, bits when their entry is read. */

static int undo(CacheRemains *remains, int fd) {
        CacheArenaUndo record;
        const CacheArenaHead *mapped = (const CacheArenaHead *) remains->memory;
        size_t sums_size = remains->line_size / CACHE_CHUNK_SIZE * sizeof(uint64_t);
        int r;

        r = read_at(fd, offsetof(CacheArenaHead, undo), &record, sizeof(record));
        if (r < 0 || record.is_valid == 0)
                return r;
        if (record.is_valid != 1 || record.slot >= remains->n_slots ||
            record.size > remains->line_size || record.offset > remains->line_size - record.size) {
                remains->n_senseless++;
                return 0;
        }
        memcpy(get_line(remains, record.slot) + record.offset, mapped->undo_bytes, record.size);
        memcpy(get_sums(remains, record.slot), record.sums, sums_size);
        remains->has_undo = true;
        remains->undo_slot = record.slot;
        remains->undo_kept = record.kept;
        remains->undo_lost = record.lost;
        return 0;
}

/* Lines. */

static int append_line(CacheRemains *remains, const Line *line) {
        if (remains->n_lines == remains->n_lines_allocated) {
                size_t n_allocated = MAX(2 * remains->n_lines_allocated, (size_t) 64);
                Line *lines = reallocarray(remains->lines, n_allocated, sizeof(*lines));

                if (!lines)
                        return -ENOMEM;
                remains->lines = lines;
                remains->n_lines_allocated = n_allocated;
        }
        remains->lines[remains->n_lines++] = *line;
        return 0;
}

/* The blocks of a line that are in the LUN; none: the line is not. */
static CacheBits get_blocks_in_lun(const CacheRemains *remains, const CacheArenaLun *lun,
                                   uint64_t number) {
        uint64_t size = get_lun_size(lun), offset;

        if (number > size / remains->line_size)
                return (CacheBits){};
        offset = number * remains->line_size;
        return cache_bits_range(0, (unsigned) (MIN(size - offset, (uint64_t) remains->line_size) /
                                               lun->identity.block_size));
}

/* False: there is nothing to be noted of this entry. Bits that can't be are taken away. */
static bool check_entry(CacheRemains *remains, const CacheArenaEntry *entry, Line *ret) {
        CacheBits held = cache_bits_or(ret->kept, ret->lost), possible;
        const CacheArenaLun *lun;

        if (entry->owner == 0 || cache_bits_is_empty(held))
                return false;
        if (entry->owner > CACHE_LUNS_MAX || !remains->luns[entry->owner - 1].is_present ||
            entry->block_size != remains->luns[entry->owner - 1].identity.block_size) {
                remains->n_senseless++;
                return false;
        }
        lun = &remains->luns[entry->owner - 1];
        possible = get_blocks_in_lun(remains, lun, entry->line);
        remains->n_senseless += !cache_bits_contain(possible, held);
        ret->number = entry->line;
        ret->lun = entry->owner - 1;
        ret->lost = cache_bits_and(ret->lost, possible);
        ret->kept = cache_bits_and(cache_bits_without(ret->kept, ret->lost), possible);
        return cache_bits_intersect(held, possible);
}

static int note_entry(CacheRemains *remains, const CacheArenaEntry *entry, uint32_t slot) {
        bool is_undone = remains->has_undo && remains->undo_slot == slot;
        Line line = {
                .slot = slot,
                .kept = is_undone ? remains->undo_kept : entry->kept,
                .lost = is_undone ? remains->undo_lost : entry->lost,
        };

        return check_entry(remains, entry, &line) ? append_line(remains, &line) : 0;
}

static int read_entries(CacheRemains *remains, int fd) {
        _cleanup_(freep) CacheArenaEntry *entries = calloc(ENTRIES_PER_READ, sizeof(*entries));
        uint64_t offset = remains->layout.entries_offset;
        int r;

        if (!entries)
                return -ENOMEM;
        for (uint32_t slot = 0, n; slot < remains->n_slots; slot += n) {
                n = MIN(remains->n_slots - slot, ENTRIES_PER_READ);
                r = read_at(fd, offset, entries, n * sizeof(*entries));
                for (uint32_t i = 0; r == 0 && i < n; i++)
                        r = note_entry(remains, &entries[i], slot + i);
                if (r < 0)
                        return r;
                offset += n * sizeof(*entries);
        }
        return 0;
}

static int compare(uint64_t a, uint64_t b) { return (a > b) - (a < b); }

static int compare_lines(const void *a, const void *b) {
        const Line *x = a, *y = b;
        int r = compare(x->lun, y->lun);

        if (r == 0)
                r = compare(x->number, y->number);
        return r == 0 ? compare(x->slot, y->slot) : r;
}

/* Of lines that are there several times, the first slot's is as good as any. */
static void sort_lines(CacheRemains *remains) {
        size_t n_lines = 0;

        if (remains->n_lines > 0)
                qsort(remains->lines, remains->n_lines, sizeof(*remains->lines), compare_lines);
        for (size_t i = 0; i < remains->n_lines; i++) {
                const Line *line = &remains->lines[i];
                const Line *last = n_lines > 0 ? &remains->lines[n_lines - 1] : NULL;

                if (last && line->lun == last->lun && line->number == last->number)
                        remains->n_senseless++;
                else
                        remains->lines[n_lines++] = *line;
        }
        remains->n_lines = n_lines;
}

static void find_first_lines(CacheRemains *remains) {
        size_t i = 0;

        for (unsigned lun = 0; lun <= CACHE_LUNS_MAX; lun++) {
                while (i < remains->n_lines && remains->lines[i].lun < lun)
                        i++;
                remains->first_lines[lun] = i;
        }
}

static int read_all(CacheRemains *remains, int fd) {
        int r;

        r = read_header(remains, fd);
        if (r == 0)
                r = map(remains, fd);
        if (r == 0)
                r = read_luns(remains, fd);
        if (r == 0)
                r = undo(remains, fd);
        if (r == 0)
                r = read_entries(remains, fd);
        return r;
}

int cache_remains_new(CacheRemains **ret, int fd, const char *name) {
        _cleanup_(cache_remains_freep) CacheRemains *remains = NULL;
        int r;

        remains = calloc(1, sizeof(*remains));
        if (!remains)
                return -ENOMEM;
        r = read_all(remains, fd);
        if (r < 0)
                return r;
        sort_lines(remains);
        find_first_lines(remains);
        log_device_debug(name, "The cache left %zu lines that hold something%s", remains->n_lines,
                         remains->has_undo ? ", and a change that was not complete" : "");
        if (remains->n_senseless > 0)
                log_device_debug(name, "%ju things in it make no sense and are left out",
                                 (uintmax_t) remains->n_senseless);
        *ret = TAKE_PTR(remains);
        return 0;
}

CacheRemains *cache_remains_free(CacheRemains *remains) {
        if (!remains)
                return NULL;
        if (remains->memory)
                (void) munmap(remains->memory, (size_t) remains->layout.size);
        free(remains->lines);
        free(remains);
        return NULL;
}

const CacheIdentity *cache_remains_get_identity(const CacheRemains *remains, unsigned lun) {
        assert(lun < CACHE_LUNS_MAX);
        return remains->luns[lun].is_present ? &remains->luns[lun].identity : NULL;
}

const CacheSample *cache_remains_get_samples(const CacheRemains *remains, unsigned lun) {
        assert(lun < CACHE_LUNS_MAX);
        return remains->luns[lun].is_present ? remains->luns[lun].samples : NULL;
}

uint32_t cache_remains_get_line_size(const CacheRemains *remains) { return remains->line_size; }

uint64_t cache_remains_get_n_senseless(const CacheRemains *remains) { return remains->n_senseless; }

uint64_t cache_remains_get_size(const CacheRemains *remains, unsigned lun) {
        uint64_t n_blocks = 0;

        assert(lun < CACHE_LUNS_MAX);
        for (size_t i = remains->first_lines[lun]; i < remains->first_lines[lun + 1]; i++)
                n_blocks += cache_bits_count(remains->lines[i].kept) +
                            cache_bits_count(remains->lines[i].lost);
        return n_blocks * remains->luns[lun].identity.block_size;
}

uint64_t cache_remains_get_n_lines(const CacheRemains *remains) { return remains->n_lines; }

/* `bytes` are those of the range. */
static bool has_some_of_line(const CacheRemains *remains, const Line *line, uint64_t offset,
                             const uint8_t *bytes, uint64_t size) {
        uint32_t block_size = remains->luns[line->lun].identity.block_size;
        uint64_t start = line->number * remains->line_size;
        unsigned end = remains->line_size / block_size;

        for (unsigned i = cache_bits_next_set(line->kept, 0); i < end;
             i = cache_bits_next_set(line->kept, i + 1)) {
                uint64_t at = start + (uint64_t) i * block_size;

                if (at >= offset && at + block_size <= offset + size &&
                    memcmp(get_line(remains, line->slot) + (uint64_t) i * block_size,
                           bytes + (at - offset), block_size) == 0)
                        return true;
        }
        return false;
}

bool cache_remains_has_some_of(const CacheRemains *remains, unsigned lun, uint64_t offset,
                               const uint8_t *bytes, uint64_t size) {
        assert(lun < CACHE_LUNS_MAX);
        for (size_t i = remains->first_lines[lun]; i < remains->first_lines[lun + 1]; i++) {
                const Line *line = &remains->lines[i];
                uint64_t start = line->number * remains->line_size;

                if (start < offset + size && offset < start + remains->line_size &&
                    has_some_of_line(remains, line, offset, bytes, size))
                        return true;
        }
        return false;
}

/* Kept blocks of a chunk whose sum is wrong are lost. */
static CacheBits find_corrupt(const CacheRemains *remains, const Line *line) {
        unsigned blocks_per_chunk = CACHE_CHUNK_SIZE / remains->luns[line->lun].identity.block_size;
        const uint8_t *data = get_line(remains, line->slot);
        const uint64_t *sums = get_sums(remains, line->slot);
        CacheBits corrupt = {};

        for (unsigned i = 0; i < remains->line_size / CACHE_CHUNK_SIZE; i++) {
                CacheBits blocks =
                                cache_bits_range(i * blocks_per_chunk, (i + 1) * blocks_per_chunk);

                blocks = cache_bits_and(blocks, line->kept);
                if (!cache_bits_is_empty(blocks) &&
                    XXH3_64bits(data + i * CACHE_CHUNK_SIZE, CACHE_CHUNK_SIZE) != sums[i])
                        corrupt = cache_bits_or(corrupt, blocks);
        }
        return corrupt;
}

bool cache_remains_next(const CacheRemains *remains, unsigned lun, uint32_t *cursor,
                        CacheRemnant *ret) {
        const Line *line;
        CacheBits corrupt;

        assert(lun < CACHE_LUNS_MAX);
        if (*cursor >= remains->first_lines[lun + 1] - remains->first_lines[lun])
                return false;
        line = &remains->lines[remains->first_lines[lun] + *cursor];
        corrupt = find_corrupt(remains, line);
        *ret = (CacheRemnant){
                .offset = line->number * remains->line_size,
                .data = get_line(remains, line->slot),
                .kept = cache_bits_without(line->kept, corrupt),
                .lost = cache_bits_or(line->lost, corrupt),
        };
        (*cursor)++;
        return true;
}
