/* Who waits for whom. */

#include "block/lun_range_lock.h"
#include "unit_test.h"

static LunRangeLock lock;

static LunRange shared(uint64_t first, uint64_t end) {
        return (LunRange){ .first = first, .end = end };
}

static LunRange exclusive(uint64_t first, uint64_t end) {
        return (LunRange){ .first = first, .end = end, .is_exclusive = true };
}

START_TEST(shared_ranges_do_not_wait_for_each_other) {
        LunRange a = shared(0, 8), b = shared(0, 8), c = shared(4, 5);

        lun_range_lock_init(&lock);
        ck_assert(lun_range_lock_acquire(&lock, &a));
        ck_assert(lun_range_lock_acquire(&lock, &b));
        ck_assert(lun_range_lock_acquire(&lock, &c));
}
END_TEST

START_TEST(an_exclusive_range_waits_for_all_that_overlap) {
        LunRange a = shared(0, 8), b = shared(7, 9), c = exclusive(7, 8), d = exclusive(8, 9);

        lun_range_lock_init(&lock);
        ck_assert(lun_range_lock_acquire(&lock, &a));
        ck_assert(lun_range_lock_acquire(&lock, &b));
        ck_assert(!lun_range_lock_acquire(&lock, &c));
        ck_assert(!lun_range_lock_acquire(&lock, &d));
        ck_assert_ptr_null(lun_range_lock_next(&lock));
        lun_range_lock_release(&lock, &b);
        ck_assert_ptr_eq(lun_range_lock_next(&lock), &d);
        ck_assert_ptr_null(lun_range_lock_next(&lock));
        lun_range_lock_release(&lock, &a);
        ck_assert_ptr_eq(lun_range_lock_next(&lock), &c);
}
END_TEST

START_TEST(neighbours_do_not_overlap) {
        LunRange a = exclusive(0, 8), b = exclusive(8, 9), c = shared(9, 10);

        lun_range_lock_init(&lock);
        ck_assert(lun_range_lock_acquire(&lock, &a));
        ck_assert(lun_range_lock_acquire(&lock, &b));
        ck_assert(lun_range_lock_acquire(&lock, &c));
}
END_TEST

START_TEST(who_came_first_is_granted_first) {
        LunRange a = shared(0, 4), b = exclusive(0, 8), c = shared(4, 8);

        lun_range_lock_init(&lock);
        ck_assert(lun_range_lock_acquire(&lock, &a));
        ck_assert(!lun_range_lock_acquire(&lock, &b));
        /* It overlaps nothing that is granted, but must not overtake `b` for ever. */
        ck_assert(!lun_range_lock_acquire(&lock, &c));
        lun_range_lock_release(&lock, &a);
        ck_assert_ptr_eq(lun_range_lock_next(&lock), &b);
        ck_assert_ptr_null(lun_range_lock_next(&lock));
        lun_range_lock_release(&lock, &b);
        ck_assert_ptr_eq(lun_range_lock_next(&lock), &c);
}
END_TEST

START_TEST(who_gives_up_waiting_lets_others_pass) {
        LunRange a = shared(0, 4), b = exclusive(0, 8), c = shared(4, 8);

        lun_range_lock_init(&lock);
        ck_assert(lun_range_lock_acquire(&lock, &a));
        ck_assert(!lun_range_lock_acquire(&lock, &b));
        ck_assert(!lun_range_lock_acquire(&lock, &c));
        lun_range_lock_release(&lock, &b);
        ck_assert_ptr_eq(lun_range_lock_next(&lock), &c);
}
END_TEST

int main(void) {
        const TTest *const tests[] = {
                shared_ranges_do_not_wait_for_each_other,
                an_exclusive_range_waits_for_all_that_overlap,
                neighbours_do_not_overlap,
                who_came_first_is_granted_first,
                who_gives_up_waiting_lets_others_pass,
                NULL,
        };

        return run_suite(suite_of("lun_range_lock", tests));
}
