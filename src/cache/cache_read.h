#pragma once

/*
 * CacheRead
 *
 * READ and PREFETCH in a volume. Private to cache.
 */

#include "cache/cache_volume_internal.h"

/* In READY: as far as it can. */
void cache_read_go_on(CacheRequest *request);
/* In FILLING: the fill that it waited for has failed. */
void cache_read_fill_failed(CacheRequest *request, const BlockRequest *fill);
/* Waits for these blocks of the line at the request's position, which are not there. */
void cache_read_await_line(CacheRequest *request, CacheBits blocks);
/* The block that it needs next; those behind it may have failed. */
bool cache_read_is_on_its_way(const CacheRequest *request);
