#pragma once

/*
 * Staging
 *
 * A source of memory that data rests in between a client and a device. The USB layer gives memory
 * that the host controller reads and writes without a copy, as long as its budget lasts, and heap
 * memory beyond; who fills such memory right where it comes from saves that copy.
 */

#include <stddef.h>

typedef struct Staging Staging;

typedef struct StagingOps {
        /* Mandatory. At least `size` bytes, aligned to 4096; NULL if out of memory. Contents
         * undefined. */
        void *(*get)(Staging *staging, size_t size);
        /* Mandatory. `memory` came from `get` with the same size. */
        void (*put)(Staging *staging, void *memory, size_t size);
} StagingOps;

struct Staging {
        const StagingOps *ops;
};

static inline void *staging_get(Staging *staging, size_t size) {
        return staging->ops->get(staging, size);
}

/* Takes NULL. */
static inline void staging_put(Staging *staging, void *memory, size_t size) {
        if (memory)
                staging->ops->put(staging, memory, size);
}

/* Plain heap memory, for tests and for devices that have no better. Borrowed, lives for ever. */
Staging *staging_heap(void);
