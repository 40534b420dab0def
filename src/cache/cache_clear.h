#pragma once

/*
 * CacheClear
 *
 * What the device below does itself: TRIM, large WRITE_ZEROES, and telling the status of blocks.
 * Private to cache.
 */

#include "cache/cache_volume_internal.h"

/* Whether the device has a part in it, for which it must be alone with its range. */
bool cache_clear_is_due(const CacheRequest *request);
/* In READY: as far as it can. */
void cache_clear_go_on(CacheRequest *request);
void cache_clear_ask_status(CacheRequest *request);
/* In SENDING: does so if it can be done. */
void cache_clear_send(CacheRequest *request);
/* Something of this range is being cleared, or will be next: nothing may be written there, and what
 * is read there is of no worth. */
bool cache_clear_touches(const CacheVolume *volume, uint64_t offset, uint64_t end);
