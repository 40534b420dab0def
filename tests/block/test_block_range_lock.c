/* Who waits for whom. */

#include "block/block_range_lock.h"
#include "unit_test.h"

static BlockRangeLock lock;

static BlockRange shared(uint64_t first, uint64_t end) {
        return (BlockRange){ .first = first, .end = end };
}

static BlockRange exclusive(uint64_t first, uint64_t end) {
        return (BlockRange){ .first = first, .end = end, .is_exclusive = true };
}

START_TEST(shared_ranges_do_not_wait_for_each_other) {
        BlockRange a = shared(0, 8), b = shared(0, 8), c = shared(4, 5);

        block_range_lock_init(&lock);
        ck_assert(block_range_lock_acquire(&lock, &a));
        ck_assert(block_range_lock_acquire(&lock, &b));
        ck_assert(block_range_lock_acquire(&lock, &c));
}
END_TEST

START_TEST(an_exclusive_range_waits_for_all_that_overlap) {
        BlockRange a = shared(0, 8), b = shared(7, 9), c = exclusive(7, 8), d = exclusive(8, 9);

        block_range_lock_init(&lock);
        ck_assert(block_range_lock_acquire(&lock, &a));
        ck_assert(block_range_lock_acquire(&lock, &b));
        ck_assert(!block_range_lock_acquire(&lock, &c));
        ck_assert(!block_range_lock_acquire(&lock, &d));
        ck_assert_ptr_null(block_range_lock_next(&lock));
        block_range_lock_release(&lock, &b);
        ck_assert_ptr_eq(block_range_lock_next(&lock), &d);
        ck_assert_ptr_null(block_range_lock_next(&lock));
        block_range_lock_release(&lock, &a);
        ck_assert_ptr_eq(block_range_lock_next(&lock), &c);
}
END_TEST

START_TEST(only_what_is_granted_excludes) {
        BlockRange a = shared(0, 8), b = exclusive(4, 12), c = exclusive(20, 24);

        block_range_lock_init(&lock);
        ck_assert(block_range_lock_acquire(&lock, &a));
        ck_assert(!block_range_lock_excludes(&lock, 0, 8));
        ck_assert(!block_range_lock_acquire(&lock, &b));
        ck_assert(!block_range_lock_excludes(&lock, 4, 12));
        ck_assert(block_range_lock_acquire(&lock, &c));
        ck_assert(block_range_lock_excludes(&lock, 23, 30));
        ck_assert(!block_range_lock_excludes(&lock, 24, 30));
        block_range_lock_release(&lock, &a);
        ck_assert_ptr_eq(block_range_lock_next(&lock), &b);
        ck_assert(block_range_lock_excludes(&lock, 11, 12));
}
END_TEST

START_TEST(neighbours_do_not_overlap) {
        BlockRange a = exclusive(0, 8), b = exclusive(8, 9), c = shared(9, 10);

        block_range_lock_init(&lock);
        ck_assert(block_range_lock_acquire(&lock, &a));
        ck_assert(block_range_lock_acquire(&lock, &b));
        ck_assert(block_range_lock_acquire(&lock, &c));
}
END_TEST

START_TEST(who_came_first_is_granted_first) {
        BlockRange a = shared(0, 4), b = exclusive(0, 8), c = shared(4, 8);

        block_range_lock_init(&lock);
        ck_assert(block_range_lock_acquire(&lock, &a));
        ck_assert(!block_range_lock_acquire(&lock, &b));
        /* It overlaps nothing that is granted, but must not overtake `b` for ever. */
        ck_assert(!block_range_lock_acquire(&lock, &c));
        block_range_lock_release(&lock, &a);
        ck_assert_ptr_eq(block_range_lock_next(&lock), &b);
        ck_assert_ptr_null(block_range_lock_next(&lock));
        block_range_lock_release(&lock, &b);
        ck_assert_ptr_eq(block_range_lock_next(&lock), &c);
}
END_TEST

START_TEST(who_gives_up_waiting_lets_others_pass) {
        BlockRange a = shared(0, 4), b = exclusive(0, 8), c = shared(4, 8);

        block_range_lock_init(&lock);
        ck_assert(block_range_lock_acquire(&lock, &a));
        ck_assert(!block_range_lock_acquire(&lock, &b));
        ck_assert(!block_range_lock_acquire(&lock, &c));
        block_range_lock_release(&lock, &b);
        ck_assert_ptr_eq(block_range_lock_next(&lock), &c);
}
END_TEST

int main(void) {
        const TTest *const tests[] = {
                shared_ranges_do_not_wait_for_each_other,
                an_exclusive_range_waits_for_all_that_overlap,
                only_what_is_granted_excludes,
                neighbours_do_not_overlap,
                who_came_first_is_granted_first,
                who_gives_up_waiting_lets_others_pass,
                NULL,
        };

        return run_suite(suite_of("block_range_lock", tests));
}
