/* What is remembered of bad blocks, and when it is forgotten. */

#include <string.h>

#include "base/macros.h"
#include "base/random.h"
#include "block/lun_bad_blocks.h"
#include "unit_test.h"

#define SECOND NS_PER_S
#define N_MODEL 256

static LunBadBlocks blocks;
static uint64_t bad;

START_TEST(the_first_bad_block_of_a_range_is_found) {
        blocks = (LunBadBlocks){ 0 };
        ck_assert(!lun_bad_blocks_find(&blocks, 0, UINT64_MAX, 1, &bad));
        lun_bad_blocks_add(&blocks, 40, 1);
        lun_bad_blocks_add(&blocks, 12, 1);
        ck_assert(lun_bad_blocks_find(&blocks, 0, 100, 1, &bad));
        ck_assert_uint_eq(bad, 12);
        ck_assert(lun_bad_blocks_find(&blocks, 13, 100, 1, &bad));
        ck_assert_uint_eq(bad, 40);
        ck_assert(!lun_bad_blocks_find(&blocks, 13, 40, 1, &bad));
        ck_assert(!lun_bad_blocks_find(&blocks, 41, 100, 1, &bad));
}
END_TEST

START_TEST(neighbours_are_one_range) {
        blocks = (LunBadBlocks){ 0 };
        lun_bad_blocks_add(&blocks, 10, 1);
        lun_bad_blocks_add(&blocks, 12, 1);
        ck_assert_uint_eq(blocks.n, 2);
        lun_bad_blocks_add(&blocks, 11, 1);
        ck_assert_uint_eq(blocks.n, 1);
        ck_assert(lun_bad_blocks_find(&blocks, 11, 100, 1, &bad));
        ck_assert_uint_eq(bad, 11);
}
END_TEST

START_TEST(after_a_while_they_are_forgotten) {
        blocks = (LunBadBlocks){ 0 };
        lun_bad_blocks_add(&blocks, 10, 1);
        ck_assert(lun_bad_blocks_find(&blocks, 0, 100, 119 * SECOND, &bad));
        ck_assert(!lun_bad_blocks_find(&blocks, 0, 100, 121 * SECOND, &bad));
        ck_assert_uint_eq(blocks.n, 0);
}
END_TEST

START_TEST(of_too_many_the_oldest_go) {
        blocks = (LunBadBlocks){ 0 };
        for (uint64_t i = 0; i < LUN_BAD_RANGES_MAX + 10; i++)
                lun_bad_blocks_add(&blocks, 2 * i, 1 + i);
        ck_assert_uint_eq(blocks.n, LUN_BAD_RANGES_MAX);
        ck_assert(lun_bad_blocks_find(&blocks, 0, UINT64_MAX, 100, &bad));
        ck_assert_uint_eq(bad, 20);
}
END_TEST

START_TEST(it_is_a_set_of_blocks_whatever_is_added_and_forgotten) {
        bool model[N_MODEL] = { false };
        Random random;

        blocks = (LunBadBlocks){ 0 };
        random_init(&random, 5);
        for (unsigned round = 0; round < 20000; round++) {
                uint64_t first = random_below(&random, N_MODEL);
                uint64_t end = first + 1 + random_below(&random, N_MODEL - first);
                uint64_t expected = first;

                if (random_below(&random, 3) > 0) {
                        lun_bad_blocks_add(&blocks, first, 1);
                        model[first] = true;
                } else {
                        lun_bad_blocks_forget(&blocks, first, end);
                        for (uint64_t i = first; i < end; i++)
                                model[i] = false;
                }
                /* Below its limit it forgets nothing by itself. */
                if (blocks.n == LUN_BAD_RANGES_MAX) {
                        lun_bad_blocks_forget(&blocks, 0, N_MODEL);
                        memset(model, 0, sizeof(model));
                }
                first = random_below(&random, N_MODEL);
                for (expected = first; expected < N_MODEL && !model[expected];)
                        expected++;
                ck_assert(lun_bad_blocks_find(&blocks, first, N_MODEL, 2, &bad) ==
                          (expected < N_MODEL));
                if (expected < N_MODEL)
                        ck_assert_uint_eq(bad, expected);
        }
}
END_TEST

int main(void) {
        const TTest *const tests[] = {
                the_first_bad_block_of_a_range_is_found,
                neighbours_are_one_range,
                after_a_while_they_are_forgotten,
                of_too_many_the_oldest_go,
                it_is_a_set_of_blocks_whatever_is_added_and_forgotten,
                NULL,
        };

        return run_suite(suite_of("lun_bad_blocks", tests));
}
