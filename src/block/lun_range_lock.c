/*
 * A list is enough: it holds no more ranges than a LUN has pieces in flight, and as long as none of
 * them is exclusive it is not looked through at all.
 */

#include "block/lun_range_lock.h"

static bool conflicts(const LunRange *a, const LunRange *b) {
        return (a->is_exclusive || b->is_exclusive) && a->first < b->end && b->first < a->end;
}

/* Those that came before it count, whether they have been granted or wait themselves. */
static bool is_due(const LunRangeLock *lock, const LunRange *range) {
        for (const ListNode *node = lock->ranges.next; node != &range->node; node = node->next)
                if (conflicts(list_entry(node, LunRange, node), range))
                        return false;
        return true;
}

void lun_range_lock_init(LunRangeLock *lock) {
        *lock = (LunRangeLock){};
        list_init(&lock->ranges);
}

bool lun_range_lock_acquire(LunRangeLock *lock, LunRange *range) {
        assert(range->first < range->end);

        list_init(&range->node);
        list_append(&lock->ranges, &range->node);
        lock->n_exclusive += range->is_exclusive;
        range->is_granted = lock->n_exclusive == 0 || is_due(lock, range);
        lock->n_waiting += !range->is_granted;
        return range->is_granted;
}

void lun_range_lock_release(LunRangeLock *lock, LunRange *range) {
        assert(!list_is_empty(&range->node));

        list_unlink(&range->node);
        lock->n_exclusive -= range->is_exclusive;
        lock->n_waiting -= !range->is_granted;
        range->is_granted = false;
}

LunRange *lun_range_lock_next(LunRangeLock *lock) {
        if (lock->n_waiting == 0)
                return NULL;
        LIST_FOR_EACH (node, &lock->ranges) {
                LunRange *range = list_entry(node, LunRange, node);

                if (range->is_granted || !is_due(lock, range))
                        continue;
                range->is_granted = true;
                lock->n_waiting--;
                return range;
        }
        return NULL;
}
