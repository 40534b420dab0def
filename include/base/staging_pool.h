#pragma once

/*
 * StagingPool
 *
 * Heap memory in blocks of powers of two. Freed blocks are kept for the next taker, within a limit,
 * the last ones in place of the first: the heap would give large ones back to the kernel, which
 * clears their pages again for each request.
 */

#include "base/list.h"
#include "base/macros.h"
#include "base/staging.h"

#define STAGING_POOL_BLOCK_SIZE_MIN (4 * KIB)
#define STAGING_POOL_BLOCK_SIZE_MAX (4 * MIB) /* larger ones are not kept */
#define STAGING_POOL_ORDERS 11

typedef struct StagingPool {
        Staging staging;
        size_t kept_size_max;
        size_t taken_size;                  /* bytes that are in use */
        size_t kept_size;                   /* and that wait for a taker */
        ListNode kept[STAGING_POOL_ORDERS]; /* at the start of the block itself, last used first */
        ListNode kept_by_age;               /* the same ones of all sizes, oldest first */
} StagingPool;

/* Keeps at most `kept_size_max` bytes. */
void staging_pool_init(StagingPool *pool, size_t kept_size_max);
/* Asserts that every block was given back. */
void staging_pool_done(StagingPool *pool);

/* Of blocks of that size or less; STAGING_POOL_ORDERS: too large for any. */
unsigned staging_pool_order_of(size_t size);
size_t staging_pool_order_size(unsigned order);
