/*
 * A list is enough: it holds no more ranges than its owner has requests in flight, and as long as
 * none of them is exclusive it is not looked through at all.
 */

#include "block/block_range_lock.h"

static bool conflicts(const BlockRange *a, const BlockRange *b) {
        return (a->is_exclusive || b->is_exclusive) && a->first < b->end && b->first < a->end;
}

/* Those that came before it count, whether they have been granted or wait themselves. */
static bool is_due(const BlockRangeLock *lock, const BlockRange *range) {
        for (const ListNode *node = lock->ranges.next; node != &range->node; node = node->next)
                if (conflicts(list_entry(node, BlockRange, node), range))
                        return false;
        return true;
}

void block_range_lock_init(BlockRangeLock *lock) {
        *lock = (BlockRangeLock){};
        list_init(&lock->ranges);
}

bool block_range_lock_acquire(BlockRangeLock *lock, BlockRange *range) {
        assert(range->first < range->end);

        list_init(&range->node);
        list_append(&lock->ranges, &range->node);
        lock->n_exclusive += range->is_exclusive;
        range->is_granted = lock->n_exclusive == 0 || is_due(lock, range);
        lock->n_waiting += !range->is_granted;
        return range->is_granted;
}

void block_range_lock_release(BlockRangeLock *lock, BlockRange *range) {
        assert(!list_is_empty(&range->node));

        list_unlink(&range->node);
        lock->n_exclusive -= range->is_exclusive;
        lock->n_waiting -= !range->is_granted;
        range->is_granted = false;
}

BlockRange *block_range_lock_next(BlockRangeLock *lock) {
        if (lock->n_waiting == 0)
                return NULL;
        LIST_FOR_EACH (node, &lock->ranges) {
                BlockRange *range = list_entry(node, BlockRange, node);

                if (range->is_granted || !is_due(lock, range))
                        continue;
                range->is_granted = true;
                lock->n_waiting--;
                return range;
        }
        return NULL;
}

bool block_range_lock_excludes(const BlockRangeLock *lock, uint64_t first, uint64_t end) {
        const BlockRange other = { .first = first, .end = end };

        if (lock->n_exclusive == 0)
                return false;
        LIST_FOR_EACH (node, (ListNode *) &lock->ranges) {
                const BlockRange *range = list_entry(node, BlockRange, node);

                if (range->is_granted && conflicts(range, &other))
                        return true;
        }
        return false;
}
