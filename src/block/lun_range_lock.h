#pragma once

/*
 * LunRangeLock
 *
 * Keeps a read-modify-write alone with its blocks: exclusive ranges exclude all others that
 * overlap, shared ranges (plain writes) only exclusive ones. Granted in the order of arrival, so
 * that nobody waits for ever. Private to block.
 */

#include "base/list.h"

typedef struct LunRange {
        uint64_t first; /* block */
        uint64_t end;   /* block behind the last one */
        bool is_exclusive;
        bool is_granted;
        ListNode node; /* LunRangeLock::ranges */
} LunRange;

typedef struct LunRangeLock {
        ListNode ranges; /* LunRange::node, granted and waiting, in the order of arrival */
        size_t n_exclusive;
        size_t n_waiting;
} LunRangeLock;

void lun_range_lock_init(LunRangeLock *lock);
/* Borrows `range`, whose first three fields are set, until it is released. False: it must wait
 * until lun_range_lock_next() returns it. */
bool lun_range_lock_acquire(LunRangeLock *lock, LunRange *range);
/* Also of a range that waits. Afterwards others may be due. */
void lun_range_lock_release(LunRangeLock *lock, LunRange *range);
/* Grants and returns a range that waited and need not any longer; NULL: there is none. */
LunRange *lun_range_lock_next(LunRangeLock *lock);
