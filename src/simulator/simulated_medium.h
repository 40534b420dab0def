#pragma once

/*
 * SimulatedMedium
 *
 * The bytes of one LUN: what lies on the medium for good, in an image file or in memory that is
 * allocated where it is written, and before it the volatile cache of what was written and not yet
 * synchronised. All addresses are bytes; all must lie within the size.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "simulator/simulated_store.h"

/* What is allocated and freed at once, in the store and in the cache. */
#define SIMULATED_MEDIUM_CHUNK_SIZE SIMULATED_STORE_CHUNK_SIZE

typedef struct SimulatedMedium SimulatedMedium;

/* `fd` is borrowed; negative: memory, of `size` bytes. `cache_size` 0: no cache. -ENOMEM. */
int simulated_medium_new(SimulatedMedium **ret, int fd, uint64_t size, uint64_t cache_size);
SimulatedMedium *simulated_medium_free(SimulatedMedium *medium);
DEFINE_CLEANUP(SimulatedMedium *, simulated_medium_free);

uint64_t simulated_medium_get_size(const SimulatedMedium *medium);
bool simulated_medium_is_in_memory(const SimulatedMedium *medium);

/* As a host sees it, through the cache. -errno of the file. */
int simulated_medium_read(SimulatedMedium *medium, uint64_t offset, void *bytes, size_t size);
/* Into the cache, if there is one. -ENOMEM, -errno of the file. */
int simulated_medium_write(SimulatedMedium *medium, uint64_t offset, const void *bytes,
                           size_t size);
/* All that the range holds unwritten is on the medium afterwards. */
int simulated_medium_sync(SimulatedMedium *medium, uint64_t offset, uint64_t size);
/* The range reads zero from now on, for good; whole chunks are not allocated any more. */
int simulated_medium_discard(SimulatedMedium *medium, uint64_t offset, uint64_t size);
/* Whether the block at `offset` is allocated, and for how many bytes that stays the same. */
void simulated_medium_get_status(SimulatedMedium *medium, uint64_t offset, bool *ret_is_mapped,
                                 uint64_t *ret_size);

/* What was not synchronised never was. Returns whether there was any. */
bool simulated_medium_lose_cache(SimulatedMedium *medium);

/* Past the cache. */
int simulated_medium_read_stable(SimulatedMedium *medium, uint64_t offset, void *bytes,
                                 size_t size);
int simulated_medium_write_stable(SimulatedMedium *medium, uint64_t offset, const void *bytes,
                                  size_t size);
