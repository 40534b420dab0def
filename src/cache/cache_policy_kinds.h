#pragma once

/*
 * The constructors of the policies, for cache_policy_new(). Private to cache.
 */

#include "cache/cache_policy.h"

/* The line that was not wanted for longest. -ENOMEM. */
int cache_policy_lru_new(CachePolicy **ret, uint32_t n_slots);
/* Bears scans: most lines that are wanted once only never come to the main queue. -ENOMEM. */
int cache_policy_s3fifo_new(CachePolicy **ret, uint32_t n_slots);
