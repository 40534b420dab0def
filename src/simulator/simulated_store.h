#pragma once

/*
 * SimulatedStore
 *
 * The bytes that a LUN has for good, in an image file or in memory that is allocated where it is
 * written. All addresses are bytes; all must lie within the size.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/macros.h"

/* What is allocated and freed at once. */
#define SIMULATED_STORE_CHUNK_SIZE (64 * KIB)

typedef struct SimulatedStore SimulatedStore;

/* A range's part in its first chunk. */
typedef struct SimulatedStorePiece {
        uint64_t index; /* of the chunk */
        size_t offset;  /* in the chunk */
        size_t size;
} SimulatedStorePiece;

static inline SimulatedStorePiece simulated_store_first_piece(uint64_t offset, uint64_t size) {
        size_t within = offset % SIMULATED_STORE_CHUNK_SIZE;

        return (SimulatedStorePiece){
                .index = offset / SIMULATED_STORE_CHUNK_SIZE,
                .offset = within,
                .size = MIN(size, SIMULATED_STORE_CHUNK_SIZE - within),
        };
}

/* `fd` is borrowed; negative: memory. -ENOMEM. */
int simulated_store_new(SimulatedStore **ret, int fd, uint64_t size);
SimulatedStore *simulated_store_free(SimulatedStore *store);
DEFINE_CLEANUP(SimulatedStore *, simulated_store_free);

uint64_t simulated_store_get_size(const SimulatedStore *store);
bool simulated_store_is_in_memory(const SimulatedStore *store);

/* -errno of the file; writing also -ENOMEM. */
int simulated_store_read(SimulatedStore *store, uint64_t offset, void *bytes, size_t size);
int simulated_store_write(SimulatedStore *store, uint64_t offset, const void *bytes, size_t size);
int simulated_store_sync(SimulatedStore *store);
/* The range reads zero from now on; whole chunks are not allocated any more. */
int simulated_store_discard(SimulatedStore *store, uint64_t offset, uint64_t size);
/* Whether anything of the chunk is allocated. */
bool simulated_store_is_mapped(SimulatedStore *store, uint64_t index);
