/* How requests are cut, as tables: what is planned for a position, and which command makes zeroes. */

#include <stdio.h>

#include "block/lun_step.h"
#include "unit_test.h"

#define ZEROES BLOCK_OPERATION_WRITE_ZEROES

/* 512-byte blocks, 8 KiB transfers, all features. */
static LunLimits limits_of(uint32_t granularity) {
        return (LunLimits){
                .block_size = 512,
                .transfer_size = 8192,
                .unmap_size = 64 * 512,
                .unmap_granularity = granularity,
                .write_same_size = 32 * 512,
                .write_same_unmap_size = 48 * 512,
                .is_unmap_proven = true,
                .unmapped_reads_zero = true,
                .can_get_lba_status = true,
        };
}

START_TEST(each_part_is_planned_as_the_table_says) {
        static const struct {
                BlockOperation operation;
                BlockRequestFlags flags;
                uint64_t position, end;
                LunStepKind kind;
                uint64_t size;
        } table[] = {
                { BLOCK_OPERATION_READ, 0, 0, 512, LUN_STEP_KIND_READ, 512 },
                { BLOCK_OPERATION_READ, 0, 1, 3, LUN_STEP_KIND_READ, 2 },
                { BLOCK_OPERATION_READ, 0, 0, 100000, LUN_STEP_KIND_READ, 8192 },
                /* The blocks that are read count, not the bytes that are wanted. */
                { BLOCK_OPERATION_READ, 0, 100, 100000, LUN_STEP_KIND_READ, 8092 },
                { BLOCK_OPERATION_WRITE, 0, 512, 1536, LUN_STEP_KIND_WRITE, 1024 },
                { BLOCK_OPERATION_WRITE, 0, 0, 100000, LUN_STEP_KIND_WRITE, 8192 },
                { BLOCK_OPERATION_WRITE, 0, 1, 3, LUN_STEP_KIND_MODIFY, 2 },
                { BLOCK_OPERATION_WRITE, 0, 1, 4095, LUN_STEP_KIND_MODIFY, 4094 },
                { BLOCK_OPERATION_WRITE, 0, 512, 1000, LUN_STEP_KIND_MODIFY, 488 },
                /* A long one: its head, its middle, its tail. */
                { BLOCK_OPERATION_WRITE, 0, 100, 100000, LUN_STEP_KIND_MODIFY, 412 },
                { BLOCK_OPERATION_WRITE, 0, 512, 100000, LUN_STEP_KIND_WRITE, 8192 },
                { BLOCK_OPERATION_WRITE, 0, 99840, 100000, LUN_STEP_KIND_MODIFY, 160 },
                { ZEROES, 0, 0, 100 * 512, LUN_STEP_KIND_WRITE_SAME_UNMAP, 48 * 512 },
                { ZEROES, BLOCK_REQUEST_NO_HOLE, 0, 100 * 512, LUN_STEP_KIND_WRITE_SAME, 32 * 512 },
                { ZEROES, 0, 10, 2000, LUN_STEP_KIND_MODIFY, 502 },
                { ZEROES, 0, 512, 2000, LUN_STEP_KIND_WRITE_SAME_UNMAP, 1024 },
                { ZEROES, 0, 1536, 2000, LUN_STEP_KIND_MODIFY, 464 },
                { BLOCK_OPERATION_TRIM, 0, 0, 100 * 512, LUN_STEP_KIND_UNMAP, 64 * 512 },
                { BLOCK_OPERATION_TRIM, 0, 1, 2000, LUN_STEP_KIND_NOTHING, 511 },
                { BLOCK_OPERATION_TRIM, 0, 512, 2000, LUN_STEP_KIND_UNMAP, 1024 },
                { BLOCK_OPERATION_TRIM, 0, 1536, 2000, LUN_STEP_KIND_NOTHING, 464 },
                { BLOCK_OPERATION_STATUS, 0, 1, UINT64_C(1) << 40, LUN_STEP_KIND_STATUS,
                  (UINT64_C(1) << 40) - 1 },
        };
        LunLimits limits = limits_of(512);

        for (size_t i = 0; i < N_ELEMENTS(table); i++) {
                LunStep step = lun_step_plan(&limits, table[i].operation, table[i].flags,
                                             table[i].position, table[i].end);

                ck_assert_msg(step.kind == table[i].kind && step.size == table[i].size,
                              "row %zu: kind %d, size %llu", i, step.kind,
                              (unsigned long long) step.size);
        }
}
END_TEST

START_TEST(only_whole_granules_are_trimmed) {
        LunLimits limits = limits_of(3 * 512);
        LunStep step = lun_step_plan(&limits, BLOCK_OPERATION_TRIM, 0, 512, 100 * 512);

        ck_assert_int_eq(step.kind, LUN_STEP_KIND_NOTHING);
        ck_assert_uint_eq(step.size, 2 * 512);
        step = lun_step_plan(&limits, BLOCK_OPERATION_TRIM, 0, 3 * 512, 100 * 512);
        ck_assert_int_eq(step.kind, LUN_STEP_KIND_UNMAP);
        ck_assert_uint_eq(step.size, 63 * 512);
        step = lun_step_plan(&limits, BLOCK_OPERATION_TRIM, 0, 99 * 512, 100 * 512);
        ck_assert_int_eq(step.kind, LUN_STEP_KIND_NOTHING);
}
END_TEST

START_TEST(zeroes_are_made_by_what_guarantees_them) {
        static const struct {
                bool can_unmap, same, same_unmap, reads_zero;
                LunStepKind plain, no_hole;
        } table[] = {
                { false, false, false, false, LUN_STEP_KIND_ZERO, LUN_STEP_KIND_ZERO },
                /* UNMAP is a hint: what it left alone would not read as zeroes. */
                { true, false, false, true, LUN_STEP_KIND_ZERO, LUN_STEP_KIND_ZERO },
                { true, true, false, true, LUN_STEP_KIND_WRITE_SAME, LUN_STEP_KIND_WRITE_SAME },
                { false, false, true, false, LUN_STEP_KIND_ZERO, LUN_STEP_KIND_ZERO },
                { false, false, true, true, LUN_STEP_KIND_WRITE_SAME_UNMAP, LUN_STEP_KIND_ZERO },
                { false, true, true, false, LUN_STEP_KIND_WRITE_SAME, LUN_STEP_KIND_WRITE_SAME },
                { true, true, true, true, LUN_STEP_KIND_WRITE_SAME_UNMAP,
                  LUN_STEP_KIND_WRITE_SAME },
        };

        for (size_t i = 0; i < N_ELEMENTS(table); i++) {
                LunLimits limits = {
                        .block_size = 512,
                        .transfer_size = 8192,
                        .unmap_size = table[i].can_unmap ? 4096 : 0,
                        .write_same_size = table[i].same ? 4096 : 0,
                        .write_same_unmap_size = table[i].same_unmap ? 4096 : 0,
                        .is_unmap_proven = true,
                        .unmapped_reads_zero = table[i].reads_zero,
                };
                LunStep step;

                ck_assert_int_eq(lun_step_zero_kind(&limits, 0), table[i].plain);
                ck_assert_int_eq(lun_step_zero_kind(&limits, BLOCK_REQUEST_NO_HOLE),
                                 table[i].no_hole);
                step = lun_step_plan(&limits, ZEROES, BLOCK_REQUEST_FAST_ONLY, 0, 512);
                ck_assert_int_eq(step.kind, table[i].plain == LUN_STEP_KIND_ZERO
                                                            ? LUN_STEP_KIND_UNSUPPORTED
                                                            : table[i].plain);
        }
}
END_TEST

START_TEST(limits_are_taken_from_what_the_disk_told) {
        ScsiDisk disk = {
                .block_size = 4096,
                .n_blocks = 1 << 20,
                .transfer_size_max = 120 * 1024 + 100,
                .has_cache_page = true,
                .can_unmap = true,
                .can_write_same_16 = true,
                .can_write_same_unmap = true,
                .unmap_blocks_max = UINT32_MAX,
                .unmap_granularity_blocks = 8,
        };
        LunLimits limits;

        lun_step_limits_init(&limits, &disk, 64 * KIB, /* is_trim_enabled= */ true);
        ck_assert_uint_eq(limits.transfer_size, 64 * KIB);
        ck_assert_uint_eq(limits.unmap_granularity, 32768);
        ck_assert_uint_eq(limits.unmap_size, LUN_STEP_UNMAP_SIZE_MAX);
        ck_assert_uint_eq(limits.write_same_size, LUN_STEP_WRITE_SAME_SIZE_MAX);
        ck_assert(!limits.can_synchronize); /* write-through, as the page says */

        disk.has_cache_page = false;
        lun_step_limits_init(&limits, &disk, SIZE_MAX, /* is_trim_enabled= */ false);
        ck_assert_uint_eq(limits.transfer_size, 120 * 1024);
        ck_assert(limits.can_synchronize); /* nobody knows */
        ck_assert(!lun_step_can_trim(&limits));
        ck_assert_int_eq(lun_step_zero_kind(&limits, 0), LUN_STEP_KIND_WRITE_SAME);

        disk.transfer_size_max = 100;
        lun_step_limits_init(&limits, &disk, SIZE_MAX, false);
        ck_assert_uint_eq(limits.transfer_size, 4096);
}
END_TEST

START_TEST(whatever_is_planned_ends_and_stays_within_the_limits) {
        static const uint32_t block_sizes[] = { 512, 4096 };

        for (size_t b = 0; b < N_ELEMENTS(block_sizes); b++) {
                LunLimits limits = limits_of(block_sizes[b]);

                limits.block_size = block_sizes[b];
                for (uint64_t first = 0; first < 10000; first += 371)
                        for (uint64_t end = first + 1; end < first + 70000; end += 1511)
                                for (BlockOperation o = 0; o < _BLOCK_OPERATION_MAX; o++) {
                                        uint64_t at = first;
                                        unsigned n = 0;

                                        if (o == BLOCK_OPERATION_FLUSH ||
                                            o == BLOCK_OPERATION_PREFETCH)
                                                continue;
                                        for (; at < end; n++) {
                                                LunStep step = lun_step_plan(&limits, o, 0, at,
                                                                             end);

                                                ck_assert(step.size > 0 && step.size <= end - at);
                                                at += step.size;
                                                ck_assert_uint_lt(n, 200);
                                        }
                                }
        }
}
END_TEST

int main(void) {
        const TTest *const tests[] = {
                each_part_is_planned_as_the_table_says,
                only_whole_granules_are_trimmed,
                zeroes_are_made_by_what_guarantees_them,
                limits_are_taken_from_what_the_disk_told,
                whatever_is_planned_ends_and_stays_within_the_limits,
                NULL,
        };

        return run_suite(suite_of("lun_step", tests));
}
