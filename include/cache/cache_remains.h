#pragma once

/*
 * CacheRemains
 *
 * What a dead worker left in its arena, or an orphan file holds: the kept blocks of each LUN. It
 * trusts nothing that it reads, as the worker may have been taken over by its device: whatever the
 * bytes are, reading them is safe, and what makes no sense is left out and counted. What it decides
 * by it has read once, into memory of its own. Only the size must stay as it is (an arena's is
 * sealed, an orphan file is the manager's).
 */

#include "cache/cache_bits.h"
#include "cache/cache_identity.h"

typedef struct CacheRemains CacheRemains;

/* Some bytes of a line. */
typedef struct CacheRemnant {
        uint64_t offset;     /* in the LUN, of the line */
        const uint8_t *data; /* the line's bytes, borrowed */
        CacheBits kept;      /* blocks that are to be written, with sums that are right */
        CacheBits lost;      /* blocks that were kept, but are corrupt */
} CacheRemnant;

/* Maps a copy of what is in `fd` (borrowed, no longer needed then) and puts back what an undo record
 * holds: the file itself stays as it is. -EBADMSG: not an arena at all; -ENOMEM; -errno. `name` is
 * for the log. */
int cache_remains_new(CacheRemains **ret, int fd, const char *name);
CacheRemains *cache_remains_free(CacheRemains *remains);
DEFINE_CLEANUP(CacheRemains *, cache_remains_free);

/* NULL: that LUN has none, or a senseless one; then it has no remnants either. */
const CacheIdentity *cache_remains_get_identity(const CacheRemains *remains, unsigned lun);
/* CACHE_SAMPLES_MAX of them; senseless ones are none. */
const CacheSample *cache_remains_get_samples(const CacheRemains *remains, unsigned lun);
uint32_t cache_remains_get_line_size(const CacheRemains *remains);
/* Bytes of kept and lost blocks of a LUN. */
uint64_t cache_remains_get_size(const CacheRemains *remains, unsigned lun);
/* Lines of all LUNs that hold something. */
uint64_t cache_remains_get_n_lines(const CacheRemains *remains);
/* Whether a kept block within the range is what these bytes of the range are: it may have been
 * written already by somebody who took this in, but could not take it in as a whole. */
bool cache_remains_has_some_of(const CacheRemains *remains, unsigned lun, uint64_t offset,
                               const uint8_t *bytes, uint64_t size);
/* Lines, identities and samples that made no sense, and an undo record that made none. An honest
 * owner leaves none. */
uint64_t cache_remains_get_n_senseless(const CacheRemains *remains);
/* Goes through a LUN's remnants by rising offsets; `cursor` starts with 0. Each line at most once.
 * False: there are no more. */
bool cache_remains_next(const CacheRemains *remains, unsigned lun, uint32_t *cursor,
                        CacheRemnant *ret);
