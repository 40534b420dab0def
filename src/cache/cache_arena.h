#pragma once

/*
 * CacheArena
 *
 * The memory in which a worker's cache lies: a memfd that outlives it and describes itself, so that
 * a successor finds in it what had been acknowledged and is not yet on the medium (see
 * CacheRemains). Its owner may be killed between any two instructions. Private to cache.
 *
 * Layout (cache_arena_layout.h), all in the host's byte order (it never leaves the machine): a
 * header; a place for each LUN's identity and samples; the undo record; an entry for each slot; an
 * XXH3 sum for each 4 KiB of each slot; the slots' data, aligned to pages. A slot holds one line of
 * a LUN. Its entry tells which, which of its blocks are kept (acknowledged, and to be written by a
 * successor), and which are lost (acknowledged, but found corrupt).
 *
 * Kept blocks are never changed in place without an undo record: the old bytes, sums and bits of
 * the chunks concerned are saved, then the record is made valid, then the change is made, then the
 * record is made void. A successor that finds a valid record puts the old state back, so that each
 * cache_arena_store() happened as a whole or not at all as far as kept blocks go; all other changes
 * of bits are so for each block alone, and cache_arena_release() again for the whole slot. The
 * order of stores is kept by the compiler (signal fences); a killed process's stores are visible in
 * program order.
 */

#include "cache/cache_bits.h"
#include "cache/cache_identity.h"

#define CACHE_LUNS_MAX 16
#define CACHE_CHUNK_SIZE (4 * KIB)
#define CACHE_LINE_SIZE_MIN (4 * KIB)
#define CACHE_LINE_SIZE_MAX (64 * KIB)
#define CACHE_LINE_CHUNKS_MAX (CACHE_LINE_SIZE_MAX / CACHE_CHUNK_SIZE)

typedef struct CacheArena CacheArena;

/*
 * Maps `fd` (borrowed, must outlive it: memory is given back by it), locks it if limits allow,
 * keeps it out of core dumps, and formats it for as many lines as fit: what it held is gone.
 * `line_size` is a power of two between the limits above. -EINVAL: not even a few lines fit; -errno.
 */
int cache_arena_new(CacheArena **ret, int fd, uint32_t line_size);
/* Unmaps; what is kept stays in the memfd. Takes NULL, returns NULL. */
CacheArena *cache_arena_free(CacheArena *arena);
DEFINE_CLEANUP(CacheArena *, cache_arena_free);

uint32_t cache_arena_get_n_slots(const CacheArena *arena);
uint32_t cache_arena_get_line_size(const CacheArena *arena);
/* The line's bytes, to be read alone. */
const uint8_t *cache_arena_get_data(const CacheArena *arena, uint32_t slot);

/* Before anything of the LUN is kept. Replaces what was there, of which nothing may be kept or lost
 * any more; there are no samples then. */
void cache_arena_set_identity(CacheArena *arena, unsigned lun, const CacheIdentity *identity);
/* Nothing of the LUN may be kept or lost. */
void cache_arena_clear_identity(CacheArena *arena, unsigned lun);
const CacheSample *cache_arena_get_samples(const CacheArena *arena, unsigned lun);
/* `index` < CACHE_SAMPLES_MAX; NULL: there is none any more. */
void cache_arena_set_sample(CacheArena *arena, unsigned lun, unsigned index,
                            const CacheSample *sample);

/* A free slot becomes that of a line, of which nothing is kept and no chunk is summed; its bytes are
 * what they were. `block_size` is the LUN's. Two slots of one line are not both to keep blocks. */
void cache_arena_claim(CacheArena *arena, uint32_t slot, unsigned lun, uint64_t line,
                       uint32_t block_size);
/* The slot is free. Whatever was kept in it no longer is. */
void cache_arena_release(CacheArena *arena, uint32_t slot);
/*
 * Puts bytes into a slot: the only way. `bytes` NULL: zeroes. If `is_kept`, all blocks that the
 * range touches are kept and not lost afterwards; else the range touches no kept block.
 * `is_summed`: the sums of the chunks are to be right afterwards (they always are in chunks with
 * kept or lost blocks). A chunk is summed with what was in it before: who wants a corrupt one found
 * calls cache_arena_verify() before storing into a part of it.
 */
void cache_arena_store(CacheArena *arena, uint32_t slot, uint32_t offset, const void *bytes,
                       uint32_t size, bool is_kept, bool is_summed);
/* Marks blocks as lost. They are not kept then. */
void cache_arena_lose(CacheArena *arena, uint32_t slot, CacheBits blocks);
/* These blocks are on the medium, or nobody wants them any more: neither kept nor lost. */
void cache_arena_drop(CacheArena *arena, uint32_t slot, CacheBits blocks);
CacheBits cache_arena_get_kept(const CacheArena *arena, uint32_t slot);
CacheBits cache_arena_get_lost(const CacheArena *arena, uint32_t slot);
/* Whether the bytes of a chunk are still those that were summed; true if they never were. */
bool cache_arena_verify(const CacheArena *arena, uint32_t slot, unsigned chunk);
/* Gives the memory of a free slot back to the system; its bytes are zeroes then. */
void cache_arena_discard(CacheArena *arena, uint32_t slot);
/* Everything is zeroes, and no arena any more: nobody reads later what was on a disk. It can only be
 * freed then. */
void cache_arena_wipe(CacheArena *arena);

/* For tests: called before each store that a successor could see, to look at the memory as a kill
 * right there would leave it. */
void cache_arena_set_observer(CacheArena *arena, void (*observer)(void *userdata), void *userdata);
