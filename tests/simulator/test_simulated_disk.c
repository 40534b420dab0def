/* The block commands: where bytes go, what is out of range, what survives a loss of power. */

#include <string.h>

#include "../base/unit_test.h"
#include "base/bytes.h"
#include "base/random.h"
#include "scsi_bench.h"

/* A disk of 2048 blocks of 512 bytes. */
#define DISK "size=1M"
#define N_BLOCKS 2048

/* Every way to read and to write two blocks at block 5. */
static const uint8_t reads[][16] = {
        { 0x08, 0, 0, 5, 2 },
        { 0x28, 0, 0, 0, 0, 5, 0, 0, 2 },
        { 0xA8, 0, 0, 0, 0, 5, 0, 0, 0, 2 },
        { 0x88, 0, 0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 2 },
};
static const uint8_t writes[][16] = {
        { 0x0A, 0, 0, 5, 2 },
        { 0x2A, 0, 0, 0, 0, 5, 0, 0, 2 },
        { 0xAA, 0, 0, 0, 0, 5, 0, 0, 0, 2 },
        { 0x8A, 0, 0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 2 },
};

static void expect_blocks(ScsiBench *bench, uint64_t lba, size_t n, uint8_t byte) {
        size_t size = n * bench->target->spec.block_size;
        uint8_t *bytes = malloc(size), *expected = malloc(size);

        memset(expected, byte, size);
        ck_assert_int_eq(simulated_medium_read(bench->target->luns[0].medium,
                                               lba * bench->target->spec.block_size, bytes, size),
                         0);
        ck_assert_mem_eq(bytes, expected, size);
        free(bytes);
        free(expected);
}

START_TEST(all_reads_and_writes_mean_the_same_blocks) {
        static const char *const disks[] = { DISK, "size=8M,block-size=4096" };
        const uint8_t *read = reads[_i % 4], *write = writes[_i / 4 % 4];
        ScsiBench bench;
        Random random;
        uint8_t *copy;

        scsi_bench_init(&bench, disks[_i / 16]);
        size_t size = 2 * (size_t) bench.target->spec.block_size;
        random_init(&random, 1);
        random_fill(&random, bench.data, size);
        copy = malloc(size);
        memcpy(copy, bench.data, size);
        ck_assert_uint_eq(scsi_bench_run(&bench, 0, write), 0);
        memset(bench.data, 0, size);
        ck_assert_uint_eq(scsi_bench_run(&bench, 0, read), 0);
        ck_assert_uint_eq(bench.data_size, size);
        ck_assert_mem_eq(bench.data, copy, size);
        expect_blocks(&bench, 4, 1, 0);
        expect_blocks(&bench, 7, 1, 0);
        free(copy);
        scsi_bench_done(&bench);
}
END_TEST

/* The last block and what lies beyond. */
typedef struct Reach {
        uint8_t cdb[16];
        uint32_t sense;
        size_t data_size;
} Reach;

#define OUT_OF_RANGE 0x052100

static const Reach reaches[] = {
        { { 0x28, 0, 0, 0, 0x07, 0xFF, 0, 0, 1 }, 0, 512 },
        { { 0x28, 0, 0, 0, 0x07, 0xFF, 0, 0, 2 }, OUT_OF_RANGE, 0 },
        { { 0x28, 0, 0, 0, 0x08, 0x00, 0, 0, 1 }, OUT_OF_RANGE, 0 },
        { { 0x28, 0, 0, 0, 0x08, 0x01, 0, 0, 0 }, OUT_OF_RANGE, 0 },
        { { 0x28, 0, 0, 0, 0, 0, 0, 0, 0 }, 0, 0 },
        { { 0x28, 0, 0, 0, 0, 0, 0, 0x08, 0 }, 0, 1024 * 1024 },
        { { 0x28, 0, 0xFF, 0xFF, 0xFF, 0xFF, 0, 0, 1 }, OUT_OF_RANGE, 0 },
        { { 0x88, 0, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0, 0, 0, 1 },
          OUT_OF_RANGE,
          0 },
        { { 0x88, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xFF, 0xFF, 0xFF, 0xFF }, OUT_OF_RANGE, 0 },
        { { 0x08, 0, 0x07, 0, 0 }, 0, 256 * 512 },
        { { 0x08, 0, 0x07, 1, 0 }, OUT_OF_RANGE, 0 },
        { { 0x2A, 0, 0, 0, 0x07, 0xFF, 0, 0, 1 }, 0, 512 },
        { { 0x2A, 0, 0, 0, 0x07, 0xFF, 0, 0, 2 }, OUT_OF_RANGE, 0 },
        { { 0x35, 0, 0, 0, 0x08, 0x01 }, OUT_OF_RANGE, 0 },
        { { 0x91, 0, 0, 0, 0, 0, 0, 0, 0, 1 }, 0, 0 },
        { { 0x2F, 0, 0, 0, 0x07, 0xFF, 0, 0, 2 }, OUT_OF_RANGE, 0 },
        { { 0x93, 0x01, 0, 0, 0, 0, 0, 0, 0x08, 0x00, 0, 0, 0, 1 }, OUT_OF_RANGE, 0 },
        { { 0x9E, 0x12, 0, 0, 0, 0, 0, 0, 0x08, 0x00, 0, 0, 0, 24 }, OUT_OF_RANGE, 0 },
};

START_TEST(the_last_block_is_reached_and_not_passed) {
        ScsiBench bench;

        scsi_bench_init(&bench, DISK);
        ck_assert_uint_eq(scsi_bench_run(&bench, 0, reaches[_i].cdb), reaches[_i].sense);
        ck_assert_uint_eq(bench.data_size, reaches[_i].data_size);
        scsi_bench_done(&bench);
}
END_TEST

START_TEST(capacity_is_told_in_both_ways) {
        ScsiBench bench;

        scsi_bench_init(&bench, "size=3T");
        SCSI_EXPECT(&bench, 0, 0x25);
        ck_assert_uint_eq(get_be32(bench.data), UINT32_MAX);
        ck_assert_uint_eq(get_be32(bench.data + 4), 512);
        SCSI_EXPECT(&bench, 0, 0x9E, 0x10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 32);
        ck_assert_uint_eq(get_be64(bench.data), (UINT64_C(3) << 40) / 512 - 1);
        ck_assert_uint_eq(get_be32(bench.data + 8), 512);
        scsi_bench_done(&bench);

        scsi_bench_init(&bench, "size=3T,block-size=4096");
        SCSI_EXPECT(&bench, 0, 0x25);
        ck_assert_uint_eq(get_be32(bench.data), (UINT64_C(3) << 40) / 4096 - 1);
        ck_assert_uint_eq(get_be32(bench.data + 4), 4096);
        scsi_bench_done(&bench);
}
END_TEST

/* What makes a write of block 5 outlive the power. */
typedef struct Durability {
        const char *spec;
        uint8_t write_flags; /* of WRITE(10) */
        uint8_t then[16];    /* a command that follows */
        uint8_t expected;    /* of the block's bytes */
} Durability;

static const Durability durabilities[] = {
        { DISK, 0x00, { 0x00 }, 0x00 },
        { DISK, 0x08, { 0x00 }, 0xAB },                            /* FUA */
        { DISK, 0x00, { 0x35 }, 0xAB },                            /* all */
        { DISK, 0x00, { 0x91 }, 0xAB },                            /* all */
        { DISK, 0x00, { 0x35, 0x02 }, 0xAB },                      /* IMMED */
        { DISK, 0x00, { 0x35, 0, 0, 0, 0, 5, 0, 0, 1 }, 0xAB },    /* this block */
        { DISK, 0x00, { 0x35, 0, 0, 0, 0, 6, 0, 0, 1 }, 0x00 },    /* another */
        { DISK, 0x00, { 0x1B, 0, 0, 0, 0 }, 0xAB },                /* stop */
        { DISK, 0x00, { 0x28, 0x08, 0, 0, 0, 5, 0, 0, 1 }, 0xAB }, /* read with FUA */
        { DISK, 0x00, { 0x28, 0x00, 0, 0, 0, 5, 0, 0, 1 }, 0x00 }, /* read */
        { DISK ",write-cache=no", 0x00, { 0x00 }, 0xAB },
};

START_TEST(only_what_was_synchronised_outlives_the_power) {
        const Durability *durability = &durabilities[_i];
        ScsiBench bench;

        scsi_bench_init(&bench, durability->spec);
        memset(bench.data, 0xAB, 512);
        SCSI_EXPECT(&bench, 0, 0x2A, durability->write_flags, 0, 0, 0, 5, 0, 0, 1);
        ck_assert_uint_eq(scsi_bench_run(&bench, 0, durability->then), 0);
        expect_blocks(&bench, 5, 1, 0xAB);
        simulated_target_power_cycle(bench.target);
        expect_blocks(&bench, 5, 1, durability->expected);
        scsi_bench_done(&bench);
}
END_TEST

START_TEST(verify_compares_with_what_the_host_sends) {
        ScsiBench bench;

        scsi_bench_init(&bench, DISK);
        memset(bench.data, 0xAB, 2048);
        SCSI_EXPECT(&bench, 0, 0x2A, 0, 0, 0, 0, 5, 0, 0, 4);
        SCSI_EXPECT(&bench, 0, 0x2F, 0x00, 0, 0, 0, 5, 0, 0, 4);
        ck_assert_uint_eq(bench.data_size, 0);
        SCSI_EXPECT(&bench, 0, 0x2F, 0x02, 0, 0, 0, 5, 0, 0, 4);
        ck_assert_uint_eq(bench.data_size, 2048);
        bench.data[2047] = 0;
        SCSI_EXPECT(&bench, 0x0E1D00, 0x2F, 0x02, 0, 0, 0, 5, 0, 0, 4);
        SCSI_EXPECT(&bench, 0x0E1D00, 0x8F, 0x02, 0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 4);
        scsi_bench_done(&bench);
}
END_TEST

START_TEST(write_same_repeats_a_block_or_zeroes) {
        ScsiBench bench;

        scsi_bench_init(&bench, DISK);
        memset(bench.data, 0x5C, 512);
        SCSI_EXPECT(&bench, 0, 0x41, 0, 0, 0, 0, 10, 0, 0, 20);
        ck_assert_uint_eq(bench.data_size, 512);
        expect_blocks(&bench, 9, 1, 0);
        expect_blocks(&bench, 10, 20, 0x5C);
        expect_blocks(&bench, 30, 1, 0);

        SCSI_EXPECT(&bench, 0, 0x93, 0x01, 0, 0, 0, 0, 0, 0, 0, 12, 0, 0, 0, 2);
        ck_assert_uint_eq(bench.data_size, 0);
        expect_blocks(&bench, 11, 1, 0x5C);
        expect_blocks(&bench, 12, 2, 0);
        expect_blocks(&bench, 14, 1, 0x5C);

        SCSI_EXPECT(&bench, 0, 0x93, 0x08, 0, 0, 0, 0, 0, 0, 0x07, 0xF0, 0, 0, 0, 0);
        expect_blocks(&bench, N_BLOCKS - 16, 16, 0x5C); /* to the end */
        scsi_bench_done(&bench);
}
END_TEST

START_TEST(write_same_is_refused_beyond_its_limit) {
        ScsiBench bench;

        scsi_bench_init(&bench, "size=64M");
        SCSI_EXPECT(&bench, 0x052400, 0x93, 0x01, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0);
        SCSI_EXPECT(&bench, 0x052400, 0x93, 0x01, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 1);
        SCSI_EXPECT(&bench, 0, 0x93, 0x01, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0);
        scsi_bench_done(&bench);
}
END_TEST

static size_t put_unmap(uint8_t *list, const uint64_t (*ranges)[2], size_t n) {
        memset(list, 0, 8 + 16 * n);
        put_be16(list, (uint16_t) (6 + 16 * n));
        put_be16(list + 2, (uint16_t) (16 * n));
        for (size_t i = 0; i < n; i++) {
                put_be64(list + 8 + 16 * i, ranges[i][0]);
                put_be32(list + 16 + 16 * i, (uint32_t) ranges[i][1]);
        }
        return 8 + 16 * n;
}

START_TEST(unmapped_blocks_read_zero_and_are_told_by_lba_status) {
        static const uint64_t ranges[][2] = { { 128, 128 }, { 700, 3 } };
        ScsiBench bench;

        scsi_bench_init(&bench, DISK);
        memset(bench.data, 0xAB, MIB);
        SCSI_EXPECT(&bench, 0, 0x2A, 0, 0, 0, 0, 0, 0, 0x08, 0);
        size_t size = put_unmap(bench.data, ranges, 2);
        SCSI_EXPECT(&bench, 0, 0x42, 0, 0, 0, 0, 0, 0, 0, (uint8_t) size);
        expect_blocks(&bench, 127, 1, 0xAB);
        expect_blocks(&bench, 128, 128, 0);
        expect_blocks(&bench, 256, 1, 0xAB);
        expect_blocks(&bench, 700, 3, 0);
        expect_blocks(&bench, 703, 1, 0xAB);

        SCSI_EXPECT(&bench, 0, 0x9E, 0x12, 0, 0, 0, 0, 0, 0, 0, 64, 0, 0, 0, 200);
        ck_assert_uint_eq(bench.data_size, 8 + 3 * 16);
        ck_assert_uint_eq(get_be32(bench.data), 4 + 3 * 16);
        ck_assert_uint_eq(get_be64(bench.data + 8), 64);
        ck_assert_uint_eq(get_be32(bench.data + 16), 64);
        ck_assert_uint_eq(bench.data[20], 0);
        ck_assert_uint_eq(get_be64(bench.data + 24), 128);
        ck_assert_uint_eq(get_be32(bench.data + 32), 128);
        ck_assert_uint_eq(bench.data[36], 1);
        ck_assert_uint_eq(get_be64(bench.data + 40), 256);
        ck_assert_uint_eq(bench.data[52], 0);
        scsi_bench_done(&bench);
}
END_TEST

START_TEST(an_unmap_with_one_bad_range_unmaps_nothing) {
        static const uint64_t ranges[][2] = { { 0, 128 }, { N_BLOCKS - 1, 2 } };
        ScsiBench bench;

        scsi_bench_init(&bench, DISK);
        memset(bench.data, 0xAB, 128 * 512);
        SCSI_EXPECT(&bench, 0, 0x2A, 0, 0, 0, 0, 0, 0, 0, 128);
        size_t size = put_unmap(bench.data, ranges, 2);
        SCSI_EXPECT(&bench, 0x052100, 0x42, 0, 0, 0, 0, 0, 0, 0, (uint8_t) size);
        expect_blocks(&bench, 0, 128, 0xAB);
        SCSI_EXPECT(&bench, 0x051A00, 0x42, 0, 0, 0, 0, 0, 0, 0, 7);
        SCSI_EXPECT(&bench, 0, 0x42, 0, 0, 0, 0, 0, 0, 0, 0);
        scsi_bench_done(&bench);
}
END_TEST

int main(void) {
        const TTest *const tests[] = {
                capacity_is_told_in_both_ways,
                verify_compares_with_what_the_host_sends,
                write_same_repeats_a_block_or_zeroes,
                write_same_is_refused_beyond_its_limit,
                unmapped_blocks_read_zero_and_are_told_by_lba_status,
                an_unmap_with_one_bad_range_unmaps_nothing,
                NULL,
        };
        Suite *suite = suite_of("simulated_disk", tests);
        TCase *tcase = tcase_create("simulated_disk, tables");

        tcase_add_loop_test(tcase, all_reads_and_writes_mean_the_same_blocks, 0, 32);
        tcase_add_loop_test(tcase, the_last_block_is_reached_and_not_passed, 0,
                            (int) N_ELEMENTS(reaches));
        tcase_add_loop_test(tcase, only_what_was_synchronised_outlives_the_power, 0,
                            (int) N_ELEMENTS(durabilities));
        suite_add_tcase(suite, tcase);
        return run_suite(suite);
}
