#pragma once

/*
 * BlockRequest, its bytes
 *
 * What everybody who serves a BlockRequest does with its segments, and how it is completed.
 */

#include "block/block_device.h"

/* Copies `size` bytes from `position` of the request's data into `memory`, or the other way round.
 */
void block_request_gather(const BlockRequest *request, uint64_t position, void *memory,
                          size_t size);
void block_request_scatter(const BlockRequest *request, uint64_t position, const void *memory,
                           size_t size);
/* Where those bytes are if they lie in one segment, else NULL. */
void *block_request_get_contiguous(const BlockRequest *request, uint64_t position, size_t size);
/* Calls `done`; the request belongs to its owner again. Not from within submit. */
void block_request_complete(BlockRequest *request, int error);
