#pragma once

/*
 * CacheDirect
 *
 * Large READs of what the cache has nothing of go past it (DESIGN section 5): a copy less, and what
 * is read once does not push out what is read often. What comes again soon is taken in. Private to
 * cache.
 */

#include "cache/cache_volume_internal.h"

/* Whether what a READ misses is to be read past the cache. Remembers that it was asked for. */
bool cache_direct_suits(const CacheRequest *request);
/* In READY: reads from its position on up to the next line that the cache has. False: there is one,
 * or the device below takes nothing, or memory is short. */
bool cache_direct_send(CacheRequest *request);
