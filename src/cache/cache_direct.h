#pragma once

/*
 * CacheDirect
 *
 * Large READs of what the cache has nothing of go past it (DESIGN section 5): a copy less, and what
 * is read once does not push out what is read often. What comes again soon is taken in. READs that
 * follow each other are sent together, as the kernel's block layer does: a command costs a device as
 * much as many bytes. Private to cache.
 */

#include "cache/cache_volume_internal.h"

/* Whether what a READ misses is to be read past the cache. Remembers that it was asked for. */
bool cache_direct_suits(const CacheRequest *request);
/* In READY: reads from its position on up to the next line that the cache has, soon, if the device
 * below is busy and this goes on where the former ended. False: there is a line, or the device takes
 * nothing, or memory is short. */
bool cache_direct_send(CacheRequest *request);
/* Sends what was gathered, if the device below has little to do; or lets it go on by itself. */
void cache_direct_run(CacheVolume *volume);
