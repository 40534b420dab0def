#pragma once

/*
 * BlockRangeLock
 *
 * Keeps who must be alone with some of a device's blocks (a read-modify-write, a TRIM above a
 * cache) apart from all others: exclusive ranges exclude all that overlap, shared ranges only
 * exclusive ones. Granted in the order of arrival, so that nobody waits for ever.
 */

#include "base/list.h"

typedef struct BlockRange {
        uint64_t first; /* in whatever unit the lock's owner counts */
        uint64_t end;   /* behind the last one */
        bool is_exclusive;
        bool is_granted;
        ListNode node; /* BlockRangeLock::ranges */
} BlockRange;

typedef struct BlockRangeLock {
        ListNode ranges; /* BlockRange::node, granted and waiting, in the order of arrival */
        size_t n_exclusive;
        size_t n_waiting;
} BlockRangeLock;

void block_range_lock_init(BlockRangeLock *lock);
/* Borrows `range`, whose first three fields are set, until it is released. False: it must wait
 * until block_range_lock_next() returns it. */
bool block_range_lock_acquire(BlockRangeLock *lock, BlockRange *range);
/* Also of a range that waits. Afterwards others may be due. */
void block_range_lock_release(BlockRangeLock *lock, BlockRange *range);
/* Grants and returns a range that waited and need not any longer; NULL: there is none. */
BlockRange *block_range_lock_next(BlockRangeLock *lock);
/* An exclusive range that was granted overlaps this. */
bool block_range_lock_excludes(const BlockRangeLock *lock, uint64_t first, uint64_t end);
