#pragma once

/*
 * CacheWrite
 *
 * WRITE, and zeroes written as data, in a volume. Private to cache.
 */

#include "cache/cache_volume_internal.h"

/* In READY: as far as it can. */
void cache_write_go_on(CacheRequest *request);
/* Stores the request's part of the line at its position, and goes on behind it. False: it must wait,
 * or has failed. */
bool cache_write_store_line(CacheRequest *request);
/* Waits until all that is dirty in the request's range was written to the device. */
void cache_write_await(CacheRequest *request);
/* In WRITING: whether nothing of its range is left to be written, which ends that state. */
void cache_write_check(CacheRequest *request);
/* It is not done before the device has it. */
bool cache_write_must_go_through(const CacheRequest *request);
