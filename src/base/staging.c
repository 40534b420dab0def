/*
 * Staging
 *
 * The source that every platform has: page-aligned memory of the heap, so that the kernel can move
 * data in and out of it by whole pages.
 */

#include "base/staging.h"
#include "base/macros.h"

#define STAGING_ALIGNMENT ((size_t) 4096)

static void *heap_get(Staging *staging, size_t size) {
        if (size > SIZE_MAX - STAGING_ALIGNMENT)
                return NULL;
        return aligned_alloc(STAGING_ALIGNMENT, ALIGN_UP(MAX(size, (size_t) 1), STAGING_ALIGNMENT));
}

static void heap_put(Staging *staging, void *memory, size_t size) { free(memory); }

static const StagingOps heap_ops = {
        .get = heap_get,
        .put = heap_put,
};

Staging *staging_heap(void) {
        static Staging heap = { .ops = &heap_ops };

        return &heap;
}
