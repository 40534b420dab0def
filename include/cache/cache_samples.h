#pragma once

/*
 * CacheSamples
 *
 * A fingerprint of a medium (DESIGN section 6): sums of its first MiB, its last 33 blocks and some
 * places in between. A sample lives in the arena, with the data that it is to protect, until its
 * range is changed.
 */

#include "base/task.h"
#include "cache/cache_volume.h"

/* Why a range may differ from its sample all the same. */
typedef struct CacheSamplesExcuse CacheSamplesExcuse;
struct CacheSamplesExcuse {
        bool (*is_excused)(const CacheSamplesExcuse *excuse, const CacheSample *sample,
                           const uint8_t *bytes);
};

/* Takes those samples that are missing, but of ranges where something is kept. Ends early, with
 * -errno, when the device below does not answer or the task is cancelled. */
int cache_samples_take(BlockDevice *volume, Task *task);
/* CACHE_SAMPLES_MAX of them, borrowed. */
const CacheSample *cache_samples_get(const BlockDevice *volume);
/* Whether the medium below `lower` holds what was sampled, as far as it can be read: 1, 0, or -errno.
 * `excuse` may be NULL. */
int cache_samples_compare(const CacheSample *samples, BlockDevice *lower, Task *task,
                          const CacheSamplesExcuse *excuse);
