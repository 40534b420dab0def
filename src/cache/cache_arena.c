/*
 * Everything that a successor could see is stored in steps. step() stands before each: the compiler
 * moves no store across it, and a processor's stores before an instruction at which a process is
 * killed are in the file for everybody. No more is needed, as nobody else looks while the owner
 * lives.
 *
 * The rules that make each state between two steps a good one:
 *
 * - Bits are set when the bytes and sums behind them are right. A word of bits is one store; where
 *   both words have to change at once, the undo record makes them one.
 * - Where a chunk has kept or lost blocks, its bytes and sums change only while the undo record is
 *   valid. All of the record is written before it becomes valid, and all changes are made before it
 *   becomes void.
 * - A block that is kept and lost at once is lost.
 * - A slot that is free has no bits, whatever its entry says; a key changes only in free slots.
 */

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <xxhash.h>

#include "base/log.h"
#include "cache/cache_arena_layout.h"

#define SLOTS_MIN 4
/* As much of the lines at once gets its pages. */
#define POPULATED_SIZE ((uint32_t) (1 * MIB))
/* UINT32_MAX is nobody's slot. */
#define SLOTS_MAX UINT32_C(0xfffffffe)

struct CacheArena {
        int fd; /* borrowed */
        uint8_t *memory;
        size_t size;
        CacheArenaHead *head;
        CacheArenaEntry *entries;
        uint64_t *sums;
        uint8_t *data;
        uint32_t line_size;
        uint32_t n_slots;
        unsigned n_chunks;               /* of a line */
        uint32_t n_populated;            /* slots with memory behind them, from the first on */
        uint32_t n_held[CACHE_LUNS_MAX]; /* slots with kept or lost blocks */
        void (*observer)(void *userdata);
        void *observer_userdata;
};

/* Steps. */

static void step(CacheArena *arena) {
        atomic_signal_fence(memory_order_seq_cst);
        if (arena->observer)
                arena->observer(arena->observer_userdata);
        atomic_signal_fence(memory_order_seq_cst);
}

/* As one store, in this place. */
static void put64(CacheArena *arena, uint64_t *to, uint64_t value) {
        step(arena);
        __atomic_store_n(to, value, __ATOMIC_RELAXED);
}

static void put32(CacheArena *arena, uint32_t *to, uint32_t value) {
        step(arena);
        __atomic_store_n(to, value, __ATOMIC_RELAXED);
}

static void put_words(CacheArena *arena, CacheBits *to, CacheBits bits) {
        for (unsigned i = 0; i < N_ELEMENTS(bits.words); i++)
                if (to->words[i] != bits.words[i])
                        put64(arena, &to->words[i], bits.words[i]);
}

static bool is_held(const CacheArenaEntry *entry) {
        return !cache_bits_is_empty(cache_bits_or(entry->kept, entry->lost));
}

/* No block is neither kept nor lost meanwhile that is one of them before and after. */
static void put_bits(CacheArena *arena, CacheArenaEntry *entry, CacheBits kept, CacheBits lost) {
        uint32_t *n_held = &arena->n_held[entry->owner - 1];

        *n_held -= is_held(entry);
        put_words(arena, &entry->lost, cache_bits_or(entry->lost, lost));
        put_words(arena, &entry->kept, kept);
        put_words(arena, &entry->lost, lost);
        *n_held += is_held(entry);
}

/* Zeroes that take no memory; false: not with this file, or not in this process. */
static bool punch(CacheArena *arena, uint64_t offset, uint64_t size) {
        step(arena);
        return fallocate(arena->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t) offset,
                         (off_t) size) == 0;
}

static void zero(CacheArena *arena, uint64_t offset, uint64_t size) {
        if (!punch(arena, offset, size))
                memset(arena->memory + offset, 0, size);
}

/* Parts of a slot. */

static CacheArenaEntry *get_entry(const CacheArena *arena, uint32_t slot) {
        assert(slot < arena->n_slots);
        return &arena->entries[slot];
}

static CacheArenaEntry *get_used_entry(const CacheArena *arena, uint32_t slot) {
        CacheArenaEntry *entry = get_entry(arena, slot);

        assert(entry->owner != 0);
        return entry;
}

static uint8_t *get_line(const CacheArena *arena, uint32_t slot) {
        return arena->data + (uint64_t) slot * arena->line_size;
}

static uint64_t *get_sums(const CacheArena *arena, uint32_t slot) {
        return arena->sums + (uint64_t) slot * arena->n_chunks;
}

static uint64_t get_chunk_sum(const CacheArena *arena, uint32_t slot, unsigned chunk) {
        return XXH3_64bits(get_line(arena, slot) + chunk * CACHE_CHUNK_SIZE, CACHE_CHUNK_SIZE);
}

static CacheBits get_touched_blocks(const CacheArenaEntry *entry, uint32_t offset, uint32_t size) {
        return cache_bits_range(offset / entry->block_size,
                                DIV_ROUND_UP(offset + size, entry->block_size));
}

static CacheBits get_all_blocks(const CacheArena *arena, const CacheArenaEntry *entry) {
        return cache_bits_range(0, arena->line_size / entry->block_size);
}

/* Its bytes and its sum are not to change without the means to undo it. */
static bool is_protected(const CacheArenaEntry *entry, unsigned chunk) {
        CacheBits blocks = get_touched_blocks(entry, chunk * CACHE_CHUNK_SIZE, CACHE_CHUNK_SIZE);

        return cache_bits_intersect(cache_bits_or(entry->kept, entry->lost), blocks);
}

/* The undo record. */

/* The part of a range that lies in protected chunks, with what may be between them; empty: there
 * are none. */
static void get_protected_range(const CacheArenaEntry *entry, uint32_t offset, uint32_t size,
                                uint32_t *ret_offset, uint32_t *ret_size) {
        uint32_t first = UINT32_MAX, end = 0;

        for (uint32_t chunk = offset / CACHE_CHUNK_SIZE; chunk * CACHE_CHUNK_SIZE < offset + size;
             chunk++) {
                uint32_t chunk_offset = chunk * (uint32_t) CACHE_CHUNK_SIZE;

                if (!is_protected(entry, chunk))
                        continue;
                first = MIN(first, MAX(offset, chunk_offset));
                end = MIN(offset + size, chunk_offset + (uint32_t) CACHE_CHUNK_SIZE);
        }
        *ret_offset = end == 0 ? offset : first;
        *ret_size = end == 0 ? 0 : end - first;
}

static void make_undo_valid(CacheArena *arena, uint32_t slot, uint32_t offset, uint32_t size) {
        CacheArenaUndo *undo = &arena->head->undo;
        const CacheArenaEntry *entry = get_used_entry(arena, slot);

        step(arena);
        undo->slot = slot;
        undo->offset = offset;
        undo->size = size;
        undo->kept = entry->kept;
        undo->lost = entry->lost;
        memcpy(undo->sums, get_sums(arena, slot), arena->n_chunks * sizeof(*undo->sums));
        memcpy(arena->head->undo_bytes, get_line(arena, slot) + offset, size);
        put64(arena, &undo->is_valid, 1);
}

static bool have_both_words_changed(CacheBits a, CacheBits b) {
        return a.words[0] != b.words[0] && a.words[1] != b.words[1];
}

/* Before a range of a slot changes, and its kept blocks become `kept`. */
static void begin_change(CacheArena *arena, uint32_t slot, uint32_t offset, uint32_t size,
                         CacheBits kept) {
        const CacheArenaEntry *entry = get_used_entry(arena, slot);
        uint32_t protected_offset, protected_size;

        get_protected_range(entry, offset, size, &protected_offset, &protected_size);
        if (protected_size > 0 || have_both_words_changed(entry->kept, kept))
                make_undo_valid(arena, slot, protected_offset, protected_size);
}

/* All has changed: this is the instant at which it happens, if there is a record. */
static void end_change(CacheArena *arena) {
        CacheArenaUndo *undo = &arena->head->undo;

        if (undo->is_valid)
                put64(arena, &undo->is_valid, 0);
        atomic_signal_fence(memory_order_seq_cst);
}

/* LUNs. */

static CacheArenaLun *get_lun(const CacheArena *arena, unsigned lun) {
        assert(lun < CACHE_LUNS_MAX);
        return &arena->head->luns[lun];
}

void cache_arena_set_identity(CacheArena *arena, unsigned lun, const CacheIdentity *identity) {
        CacheArenaLun *to = get_lun(arena, lun);

        assert(cache_identity_is_sane(identity));
        cache_arena_clear_identity(arena, lun);
        step(arena);
        to->identity = *identity;
        memset(to->samples, 0, sizeof(to->samples));
        put64(arena, &to->is_present, 1);
}

void cache_arena_clear_identity(CacheArena *arena, unsigned lun) {
        CacheArenaLun *to = get_lun(arena, lun);

        assert(arena->n_held[lun] == 0);
        put64(arena, &to->is_present, 0);
}

const CacheSample *cache_arena_get_samples(const CacheArena *arena, unsigned lun) {
        return get_lun(arena, lun)->samples;
}

void cache_arena_set_sample(CacheArena *arena, unsigned lun, unsigned index,
                            const CacheSample *sample) {
        CacheSample *to;

        assert(index < CACHE_SAMPLES_MAX);
        to = &get_lun(arena, lun)->samples[index];
        put32(arena, &to->size, 0);
        if (!sample)
                return;
        step(arena);
        to->offset = sample->offset;
        to->sum = sample->sum;
        put32(arena, &to->size, sample->size);
}

/* Slots. */

/* A call for many pages costs far less than a fault for each. Without it they fault. */
static void populate(CacheArena *arena, uint32_t slot) {
        uint32_t n = DIV_ROUND_UP(POPULATED_SIZE, arena->line_size), first = arena->n_populated;

        if (slot < first)
                return;
        arena->n_populated = MIN(slot + n, arena->n_slots);
        (void) madvise(arena->data + (size_t) first * arena->line_size,
                       (size_t) (arena->n_populated - first) * arena->line_size,
                       MADV_POPULATE_WRITE);
}

void cache_arena_claim(CacheArena *arena, uint32_t slot, unsigned lun, uint64_t line,
                       uint32_t block_size) {
        CacheArenaEntry *entry = get_entry(arena, slot);

        assert(lun < CACHE_LUNS_MAX);
        assert(entry->owner == 0);
        assert(cache_arena_layout_has_block_size(block_size));
        populate(arena, slot);
        step(arena);
        *entry = (CacheArenaEntry){ .line = line, .block_size = block_size };
        put32(arena, &entry->owner, lun + 1);
}

void cache_arena_release(CacheArena *arena, uint32_t slot) {
        CacheArenaEntry *entry = get_used_entry(arena, slot);

        arena->n_held[entry->owner - 1] -= is_held(entry);
        put32(arena, &entry->owner, 0);
}

/* Where a chunk needs no sum, it has none: its old one is no longer right. */
static void sum_chunks(CacheArena *arena, uint32_t slot, uint32_t offset, uint32_t size,
                       bool is_summed) {
        CacheArenaEntry *entry = get_used_entry(arena, slot);
        uint64_t *sums = get_sums(arena, slot);

        for (uint32_t chunk = offset / CACHE_CHUNK_SIZE; chunk * CACHE_CHUNK_SIZE < offset + size;
             chunk++) {
                if (is_summed || is_protected(entry, chunk)) {
                        put64(arena, &sums[chunk], get_chunk_sum(arena, slot, chunk));
                        entry->summed |= UINT32_C(1) << chunk;
                } else {
                        entry->summed &= ~(UINT32_C(1) << chunk);
                }
        }
}

static void put_bytes(CacheArena *arena, uint8_t *to, const void *bytes, uint32_t size) {
        step(arena);
        if (bytes)
                memcpy(to, bytes, size);
        else
                memset(to, 0, size);
}

void cache_arena_store(CacheArena *arena, uint32_t slot, uint32_t offset, const void *bytes,
                       uint32_t size, bool is_kept, bool is_summed) {
        CacheArenaEntry *entry = get_used_entry(arena, slot);
        CacheBits kept = entry->kept, lost = entry->lost, touched;

        assert(size > 0 && size <= arena->line_size);
        assert(offset <= arena->line_size - size);
        touched = get_touched_blocks(entry, offset, size);
        if (is_kept) {
                assert(get_lun(arena, entry->owner - 1)->is_present);
                kept = cache_bits_or(kept, touched);
                lost = cache_bits_without(lost, touched);
        } else {
                assert(!cache_bits_intersect(kept, touched));
        }

        begin_change(arena, slot, offset, size, kept);
        put_bytes(arena, get_line(arena, slot) + offset, bytes, size);
        sum_chunks(arena, slot, offset, size, is_kept || is_summed);
        put_bits(arena, entry, kept, lost);
        end_change(arena);
}

void cache_arena_lose(CacheArena *arena, uint32_t slot, CacheBits blocks) {
        CacheArenaEntry *entry = get_used_entry(arena, slot);

        assert(get_lun(arena, entry->owner - 1)->is_present);
        assert(cache_bits_contain(get_all_blocks(arena, entry), blocks));
        put_bits(arena, entry, cache_bits_without(entry->kept, blocks),
                 cache_bits_or(entry->lost, blocks));
}

void cache_arena_drop(CacheArena *arena, uint32_t slot, CacheBits blocks) {
        CacheArenaEntry *entry = get_used_entry(arena, slot);

        assert(cache_bits_contain(get_all_blocks(arena, entry), blocks));
        put_bits(arena, entry, cache_bits_without(entry->kept, blocks),
                 cache_bits_without(entry->lost, blocks));
}

CacheBits cache_arena_get_kept(const CacheArena *arena, uint32_t slot) {
        return get_used_entry(arena, slot)->kept;
}

CacheBits cache_arena_get_lost(const CacheArena *arena, uint32_t slot) {
        return get_used_entry(arena, slot)->lost;
}

bool cache_arena_verify(const CacheArena *arena, uint32_t slot, unsigned chunk) {
        const CacheArenaEntry *entry = get_used_entry(arena, slot);

        assert(chunk < arena->n_chunks);
        return !(entry->summed >> chunk & 1) ||
               get_sums(arena, slot)[chunk] == get_chunk_sum(arena, slot, chunk);
}

void cache_arena_discard(CacheArena *arena, uint32_t slot) {
        assert(get_entry(arena, slot)->owner == 0);
        zero(arena, (uint64_t) (get_line(arena, slot) - arena->memory), arena->line_size);
}

uint32_t cache_arena_get_n_slots(const CacheArena *arena) { return arena->n_slots; }

uint32_t cache_arena_get_line_size(const CacheArena *arena) { return arena->line_size; }

const uint8_t *cache_arena_get_data(const CacheArena *arena, uint32_t slot) {
        assert(slot < arena->n_slots);
        return get_line(arena, slot);
}

/* The whole. */

void cache_arena_set_observer(CacheArena *arena, void (*observer)(void *userdata), void *userdata) {
        arena->observer = observer;
        arena->observer_userdata = userdata;
}

void cache_arena_wipe(CacheArena *arena) {
        put64(arena, &arena->head->header.magic, 0);
        zero(arena, 0, arena->size);
}

static uint32_t get_n_slots_that_fit(uint64_t size, uint32_t line_size) {
        uint64_t n_slots = MIN(size / line_size, (uint64_t) SLOTS_MAX);

        /* A slot with its entry and sums is less than two lines, so this never goes too far, and
         * what is too much halves each time. */
        while (n_slots > 0) {
                uint64_t needed = cache_arena_layout(line_size, (uint32_t) n_slots).size;

                if (needed <= size)
                        break;
                n_slots -= MIN(n_slots, DIV_ROUND_UP(needed - size, 2 * line_size));
        }
        return (uint32_t) n_slots;
}

static int map(CacheArena *arena) {
        struct stat status;
        void *memory;

        if (fstat(arena->fd, &status) < 0)
                return -errno;
        arena->n_slots = get_n_slots_that_fit((uint64_t) status.st_size, arena->line_size);
        if (arena->n_slots < SLOTS_MIN)
                return -EINVAL;
        memory = mmap(NULL, (size_t) status.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, arena->fd,
                      0);
        if (memory == MAP_FAILED)
                return -errno;
        arena->memory = memory;
        arena->size = (size_t) status.st_size;
        return 0;
}

/* What is on a disk is nothing for the swap space and for core dumps, but serving it matters more. */
static void protect_memory(const CacheArena *arena) {
        if (mlock2(arena->memory, arena->size, MLOCK_ONFAULT) < 0)
                log_debug("The cache's memory is not locked, ignoring: %s", strerror(errno));
        if (madvise(arena->memory, arena->size, MADV_DONTDUMP) < 0)
                log_debug("The cache's memory may be dumped, ignoring: %s", strerror(errno));
}

/* Without a magic it is no arena, so nobody reads what is half done. */
static void format(CacheArena *arena) {
        CacheArenaLayout layout = cache_arena_layout(arena->line_size, arena->n_slots);
        CacheArenaHeader *header;

        arena->n_chunks = arena->line_size / CACHE_CHUNK_SIZE;
        arena->head = (CacheArenaHead *) arena->memory;
        arena->entries = (CacheArenaEntry *) (arena->memory + layout.entries_offset);
        arena->sums = (uint64_t *) (arena->memory + layout.sums_offset);
        arena->data = arena->memory + layout.data_offset;

        header = &arena->head->header;
        put64(arena, &header->magic, 0);
        zero(arena, 0, layout.data_offset);
        (void) punch(arena, layout.data_offset, arena->size - layout.data_offset);
        step(arena);
        header->version = CACHE_ARENA_VERSION;
        header->line_size = arena->line_size;
        header->n_slots = arena->n_slots;
        put64(arena, &header->magic, CACHE_ARENA_MAGIC);
        atomic_signal_fence(memory_order_seq_cst);
}

int cache_arena_new(CacheArena **ret, int fd, uint32_t line_size) {
        _cleanup_(cache_arena_freep) CacheArena *arena = NULL;
        int r;

        assert(cache_arena_layout_has_line_size(line_size));
        arena = calloc(1, sizeof(*arena));
        if (!arena)
                return -ENOMEM;
        arena->fd = fd;
        arena->line_size = line_size;
        r = map(arena);
        if (r < 0)
                return r;
        protect_memory(arena);
        format(arena);
        *ret = TAKE_PTR(arena);
        return 0;
}

CacheArena *cache_arena_free(CacheArena *arena) {
        if (!arena)
                return NULL;
        if (arena->memory)
                (void) munmap(arena->memory, arena->size);
        free(arena);
        return NULL;
}
