#pragma once

/*
 * How an arena lies in its memfd. A change of anything here is a new version. Private to
 * CacheArena, which writes it, and CacheRemains, which reads it.
 */

#include "cache/cache_arena.h"

#define CACHE_ARENA_MAGIC UINT64_C(0x6568636163627375) /* "usbcache" */
#define CACHE_ARENA_VERSION 1
/* The slots' data begins at a multiple of this, which is one of the pages' size as well. */
#define CACHE_ARENA_ALIGNMENT (64 * KIB)
#define CACHE_ARENA_BLOCK_SIZE_MIN (CACHE_LINE_SIZE_MAX / CACHE_BITS_MAX)
#define CACHE_ARENA_BLOCK_SIZE_MAX CACHE_CHUNK_SIZE

typedef struct CacheArenaHeader {
        uint64_t magic; /* 0 while the arena is formatted or wiped */
        uint32_t version;
        uint32_t line_size;
        uint32_t n_slots;
        uint32_t unused[11]; /* 0 */
} CacheArenaHeader;

typedef struct CacheArenaLun {
        uint64_t is_present; /* 1: the rest is complete */
        CacheIdentity identity;
        CacheSample samples[CACHE_SAMPLES_MAX];
} CacheArenaLun;

/* While it is valid, the slot's bits are `kept` and `lost`, all its sums are `sums`, and its bytes
 * from `offset` on are CacheArenaHead::undo_bytes, whatever the entry and the tables say. */
typedef struct CacheArenaUndo {
        uint64_t is_valid; /* 0 or 1 */
        uint32_t slot;
        uint32_t offset;
        uint32_t size;
        uint32_t unused; /* 0 */
        CacheBits kept;
        CacheBits lost;
        uint64_t sums[CACHE_LINE_CHUNKS_MAX];
} CacheArenaUndo;

/* What the file begins with. */
typedef struct CacheArenaHead {
        CacheArenaHeader header;
        CacheArenaLun luns[CACHE_LUNS_MAX];
        CacheArenaUndo undo;
        uint8_t undo_bytes[CACHE_LINE_SIZE_MAX];
} CacheArenaHead;

/* Of a slot. Bits that are in `kept` and in `lost` are lost. */
typedef struct CacheArenaEntry {
        uint64_t line;       /* its number in the LUN */
        uint32_t owner;      /* the LUN's number plus one; 0: the slot is free */
        uint32_t block_size; /* the LUN's */
        CacheBits kept;
        CacheBits lost;
        uint32_t summed;    /* a bit for each chunk that has a sum; for the owner alone */
        uint32_t unused[3]; /* 0 */
} CacheArenaEntry;

static_assert(sizeof(CacheIdentity) == 328, "it lies in arenas");
static_assert(sizeof(CacheSample) == 24, "it lies in arenas");
static_assert(sizeof(CacheArenaHeader) == 64, "it lies in arenas");
static_assert(sizeof(CacheArenaLun) == 1872, "it lies in arenas");
static_assert(sizeof(CacheArenaUndo) == 56 + 128, "it lies in arenas");
static_assert(sizeof(CacheArenaEntry) == 64, "a cache line of the processor, and not two");
static_assert(sizeof(CacheArenaHead) == 64 + 16 * 1872 + 56 + 128 + 65536, "it lies in arenas");

/* Where the tables begin, in bytes from the file's begin. Entries and sums have tables of their
 * own, so that who looks for what is kept goes through the entries alone. */
typedef struct CacheArenaLayout {
        uint64_t entries_offset; /* an entry for each slot */
        uint64_t sums_offset;    /* a sum for each chunk of each slot */
        uint64_t data_offset;    /* a line for each slot */
        uint64_t size;           /* of the whole */
} CacheArenaLayout;

static inline bool cache_arena_layout_has_line_size(uint32_t line_size) {
        return is_power_of_two(line_size) && line_size >= CACHE_LINE_SIZE_MIN &&
               line_size <= CACHE_LINE_SIZE_MAX;
}

static inline bool cache_arena_layout_has_block_size(uint32_t block_size) {
        return is_power_of_two(block_size) && block_size >= CACHE_ARENA_BLOCK_SIZE_MIN &&
               block_size <= CACHE_ARENA_BLOCK_SIZE_MAX;
}

/* No overflow, whatever `n_slots` is: a line has less than 2^17 bytes with its entry and sums. */
static inline CacheArenaLayout cache_arena_layout(uint32_t line_size, uint32_t n_slots) {
        CacheArenaLayout layout;
        uint64_t n_chunks = (uint64_t) n_slots * (line_size / CACHE_CHUNK_SIZE);

        layout.entries_offset = ALIGN_UP(sizeof(CacheArenaHead), CACHE_CHUNK_SIZE);
        layout.sums_offset = layout.entries_offset + n_slots * sizeof(CacheArenaEntry);
        layout.data_offset = ALIGN_UP(layout.sums_offset + n_chunks * sizeof(uint64_t),
                                      CACHE_ARENA_ALIGNMENT);
        layout.size = layout.data_offset + (uint64_t) n_slots * line_size;
        return layout;
}
