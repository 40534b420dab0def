/* What a volume does for its client, and what it asks of the device for that. */

#include <errno.h>
#include <string.h>

#include "cache/cache_manager_internal.h"
#include "cache/cache_state.h"
#include "cache_fixture.h"
#include "scsi/scsi_cdb.h"
#include "unit_test.h"

static CacheFixture fixture;
static uint8_t data[1 * MIB], other[1 * MIB];

static void set_up(void) {
        cache_fixture_set_up(&fixture, 512);
        for (size_t i = 0; i < sizeof(data); i++)
                data[i] = (uint8_t) (i * 7 + i / 300);
        memset(other, 0, sizeof(other));
}

static void tear_down(void) { cache_fixture_tear_down(&fixture); }

static size_t n_reads(void) { return cache_fixture_count(&fixture, SCSI_OPCODE_READ_10); }
static size_t n_writes(void) { return cache_fixture_count(&fixture, SCSI_OPCODE_WRITE_10); }
static size_t n_syncs(void) {
        return cache_fixture_count(&fixture, SCSI_OPCODE_SYNCHRONIZE_CACHE_10);
}

static int do_read(uint64_t offset, uint64_t size) {
        return cache_fixture_do(&fixture, BLOCK_OPERATION_READ, 0, offset, size, other);
}

static int do_write(uint64_t offset, uint64_t size) {
        return cache_fixture_do(&fixture, BLOCK_OPERATION_WRITE, 0, offset, size, data);
}

static int do_flush(void) {
        return cache_fixture_do(&fixture, BLOCK_OPERATION_FLUSH, 0, 0, 0, NULL);
}

START_TEST(what_was_read_is_read_again_from_memory) {
        cache_fixture_start(&fixture);
        ck_assert_int_eq(do_read(8192, 4096), 0);
        ck_assert_mem_eq(other, fixture.ram.memory + 8192, 4096);
        ck_assert_uint_eq(n_reads(), 1);
        memset(other, 0, sizeof(other));
        ck_assert_int_eq(do_read(8192, 4096), 0);
        ck_assert_mem_eq(other, fixture.ram.memory + 8192, 4096);
        ck_assert_uint_eq(n_reads(), 1);
}
END_TEST

START_TEST(reads_are_hits_or_misses_of_their_lun) {
        const CacheStatistics *all, *mine;
        const BlockRequest *request;

        cache_fixture_start(&fixture);
        all = cache_manager_get_statistics(fixture.manager);
        mine = cache_manager_get_lun_statistics(fixture.manager, 0);
        request = &fixture.requests[fixture.n_requests].block;
        ck_assert_int_eq(do_read(8192, 4096), 0);
        ck_assert(!request->was_hit);
        ck_assert_uint_eq(mine->n_misses, 1);
        ck_assert_uint_eq(mine->miss_size, 4096);
        request = &fixture.requests[fixture.n_requests].block;
        ck_assert_int_eq(do_read(8192, 2048), 0);
        ck_assert(request->was_hit);
        ck_assert_uint_eq(mine->n_hits, 1);
        ck_assert_uint_eq(mine->hit_size, 2048);
        ck_assert_int_eq(cache_fixture_do(&fixture, BLOCK_OPERATION_PREFETCH, 0, 8192, 512, NULL),
                         0);
        ck_assert_uint_eq(mine->n_hits, 1);
        ck_assert_int_eq(do_write(0, 4096), 0);
        ck_assert_uint_eq(mine->dirty_size, 4096);
        ck_assert_int_eq(do_flush(), 0);
        ck_assert_uint_eq(mine->dirty_size, 0);
        ck_assert_uint_eq(mine->write_back_size, 4096);
        ck_assert_uint_eq(mine->n_writes_back, 1);
        ck_assert_uint_eq(all->n_hits, mine->n_hits);
        ck_assert_uint_eq(all->miss_size, mine->miss_size);
        ck_assert_uint_eq(cache_manager_get_lun_statistics(fixture.manager, 1)->n_misses, 0);
}
END_TEST

START_TEST(readers_of_the_same_blocks_share_one_command) {
        cache_fixture_start(&fixture);
        fixture.ram.is_held = true;
        for (unsigned i = 0; i < 4; i++)
                cache_fixture_submit(&fixture, BLOCK_OPERATION_READ, 0, 512 * i, 512,
                                     other + 512 * i);
        cache_fixture_run(&fixture);
        ram_target_release(&fixture.ram, 0);
        cache_fixture_run(&fixture);
        for (unsigned i = 0; i < 4; i++)
                ck_assert(fixture.requests[i].is_done);
        ck_assert_mem_eq(other, fixture.ram.memory, 2048);
        ck_assert_uint_eq(n_reads(), 1);
}
END_TEST

START_TEST(a_read_over_many_lines_is_whole) {
        cache_fixture_start(&fixture);
        ck_assert_int_eq(do_read(100, 700001), 0);
        ck_assert_mem_eq(other, fixture.ram.memory + 100, 700001);
}
END_TEST

START_TEST(a_write_completes_before_the_device_has_it) {
        cache_fixture_start(&fixture);
        fixture.ram.is_held = true;
        cache_fixture_submit(&fixture, BLOCK_OPERATION_WRITE, 0, 4096, 4096, data);
        cache_fixture_run_for(&fixture, NS_PER_MS);
        ck_assert(fixture.requests[0].is_done);
        ck_assert_uint_eq(n_writes(), 0);
        ck_assert_int_eq(do_read(4096, 4096), 0);
        ck_assert_mem_eq(other, data, 4096);
}
END_TEST

START_TEST(what_is_old_is_written_and_synchronised_by_itself) {
        cache_fixture_start(&fixture);
        ck_assert_int_eq(do_write(4096, 4096), 0);
        cache_fixture_run_for(&fixture, 20 * NS_PER_S);
        ck_assert_uint_eq(n_writes(), 1);
        ck_assert_uint_eq(n_syncs(), 1);
        ck_assert_mem_eq(fixture.ram.persistent + 4096, data, 4096);
        ck_assert_uint_eq(cache_volume_get_kept_size(fixture.volume), 0);
}
END_TEST

START_TEST(writes_side_by_side_become_one_command) {
        cache_fixture_start(&fixture);
        for (unsigned i = 0; i < 32; i++)
                ck_assert_int_eq(cache_fixture_do(&fixture, BLOCK_OPERATION_WRITE, 0,
                                                  128 * KIB + 4096 * (31 - i), 4096,
                                                  data + 4096 * (31 - i)),
                                 0);
        ck_assert_int_eq(do_flush(), 0);
        ck_assert_uint_eq(n_writes(), 1);
        ck_assert_mem_eq(fixture.ram.persistent + 128 * KIB, data, 128 * KIB);
}
END_TEST

START_TEST(a_flush_writes_and_synchronises_before_it_completes) {
        cache_fixture_start(&fixture);
        ck_assert_int_eq(do_write(0, 300000), 0);
        ck_assert_int_eq(do_flush(), 0);
        ck_assert_mem_eq(fixture.ram.persistent, data, 300000);
        ck_assert_uint_eq(cache_volume_get_kept_size(fixture.volume), 0);
}
END_TEST

START_TEST(a_write_with_fua_is_on_the_medium) {
        cache_fixture_start(&fixture);
        ck_assert_int_eq(cache_fixture_do(&fixture, BLOCK_OPERATION_WRITE, BLOCK_REQUEST_FUA, 1000,
                                          5000, data),
                         0);
        ck_assert_mem_eq(fixture.ram.persistent + 1000, data, 5000);
}
END_TEST

START_TEST(write_through_has_the_device_have_it_first) {
        fixture.options.mode = CACHE_MODE_WRITE_THROUGH;
        cache_fixture_start(&fixture);
        fixture.ram.is_held = true;
        cache_fixture_submit(&fixture, BLOCK_OPERATION_WRITE, 0, 4096, 4096, data);
        cache_fixture_run(&fixture);
        ck_assert(!fixture.requests[0].is_done);
        ram_target_release(&fixture.ram, 0);
        cache_fixture_run(&fixture);
        ck_assert(fixture.requests[0].is_done);
        ck_assert_mem_eq(fixture.ram.memory + 4096, data, 4096);
}
END_TEST

START_TEST(a_mode_can_be_changed_while_data_is_dirty) {
        cache_fixture_start(&fixture);
        ck_assert_int_eq(do_write(4096, 4096), 0);
        cache_manager_set_mode(fixture.manager, CACHE_MODE_OFF);
        cache_fixture_run(&fixture);
        ck_assert_mem_eq(fixture.ram.persistent + 4096, data, 4096);
        ck_assert_int_eq(do_read(64 * KIB, 4096), 0);
        ck_assert_int_eq(do_read(64 * KIB, 4096), 0);
        ck_assert_uint_eq(n_reads(), 2); /* nothing read is held */
}
END_TEST

START_TEST(odd_bytes_keep_their_neighbours) {
        cache_fixture_start(&fixture);
        memcpy(other, fixture.ram.memory, 4096);
        memcpy(other + 700, data, 1000);
        ck_assert_int_eq(do_write(700, 1000), 0);
        ck_assert_int_eq(do_flush(), 0);
        ck_assert_mem_eq(fixture.ram.persistent, other, 4096);
}
END_TEST

START_TEST(a_fill_does_not_undo_a_write_that_came_meanwhile) {
        cache_fixture_start(&fixture);
        fixture.ram.is_held = true;
        cache_fixture_submit(&fixture, BLOCK_OPERATION_READ, 0, 0, 4096, other);
        cache_fixture_run(&fixture);
        cache_fixture_submit(&fixture, BLOCK_OPERATION_WRITE, 0, 1024, 512, data);
        cache_fixture_run(&fixture);
        ram_target_release(&fixture.ram, 0);
        cache_fixture_run(&fixture);
        ck_assert_int_eq(do_read(1024, 512), 0);
        ck_assert_mem_eq(other, data, 512);
        ck_assert_int_eq(do_read(0, 512), 0);
        ck_assert_mem_eq(other, fixture.ram.memory, 512);
}
END_TEST

START_TEST(a_reset_has_unsynchronised_blocks_written_again) {
        fixture.options.mode = CACHE_MODE_WRITE_THROUGH;
        cache_fixture_start(&fixture);
        ck_assert_int_eq(do_write(4096, 4096), 0);
        ck_assert_mem_eq(fixture.ram.memory + 4096, data, 4096);
        cache_fixture_reset_disk(&fixture);
        ck_assert_mem_ne(fixture.ram.memory + 4096, data, 4096);
        ck_assert_int_eq(do_flush(), 0);
        ck_assert_mem_eq(fixture.ram.persistent + 4096, data, 4096);
}
END_TEST

START_TEST(a_flush_that_a_reset_hits_starts_over) {
        cache_fixture_start(&fixture);
        ck_assert_int_eq(do_write(4096, 4096), 0);
        fixture.ram.is_held = true;
        cache_fixture_submit(&fixture, BLOCK_OPERATION_FLUSH, 0, 0, 0, NULL);
        cache_fixture_run_for(&fixture, NS_PER_MS);
        ram_target_release(&fixture.ram, 1); /* the write */
        cache_fixture_run_for(&fixture, NS_PER_MS);
        cache_fixture_reset_disk(&fixture); /* before the SYNCHRONIZE CACHE is done */
        ram_target_release(&fixture.ram, 0);
        cache_fixture_run(&fixture);
        ck_assert(fixture.requests[0].is_done);
        ck_assert_int_eq(fixture.requests[0].block.error, 0);
        ck_assert_uint_eq(n_writes(), 2);
        ck_assert_mem_eq(fixture.ram.persistent + 4096, data, 4096);
}
END_TEST

static void fail_writes(int n) {
        for (int i = 0; i < n; i++)
                ram_target_add_fault(&fixture.ram,
                                     (RamFault){
                                                     .opcode = SCSI_OPCODE_WRITE_10,
                                                     .result = SCSI_RESULT_CHECK_CONDITION,
                                                     .sense = { .key = SCSI_SENSE_KEY_MEDIUM_ERROR,
                                                                .asc = 0x0c },
                                     });
}

START_TEST(flushes_fail_until_what_could_not_be_written_was) {
        cache_fixture_start(&fixture);
        ck_assert_int_eq(do_write(4096, 512), 0);
        fail_writes(2);
        ck_assert_int_eq(do_flush(), -EIO);
        ck_assert_int_eq(do_flush(), -EIO);
        ck_assert_int_eq(do_read(4096, 512), 0);
        ck_assert_mem_eq(other, data, 512);
        ck_assert_int_eq(do_flush(), 0);
        ck_assert_mem_eq(fixture.ram.persistent + 4096, data, 512);
}
END_TEST

START_TEST(good_blocks_around_one_that_fails_are_written) {
        cache_fixture_start(&fixture);
        ck_assert_int_eq(do_write(0, 128 * KIB), 0);
        fixture.ram.bad_lba = 77;
        ck_assert_int_eq(do_flush(), -EIO);
        cache_fixture_run_for(&fixture, 10 * NS_PER_S);
        ck_assert_mem_eq(fixture.ram.memory, data, 77 * 512);
        ck_assert_mem_eq(fixture.ram.memory + 78 * 512, data + 78 * 512, 128 * KIB - 78 * 512);
        ck_assert_mem_ne(fixture.ram.memory + 77 * 512, data + 77 * 512, 512);
        fixture.ram.bad_lba = 0;
        ck_assert_int_eq(do_flush(), 0);
        ck_assert_mem_eq(fixture.ram.persistent, data, 128 * KIB);
}
END_TEST

START_TEST(after_a_failed_write_writers_are_told_at_once) {
        cache_fixture_start(&fixture);
        ck_assert_int_eq(do_write(4096, 512), 0);
        fail_writes(1);
        ck_assert_int_eq(do_flush(), -EIO);
        fail_writes(3);
        ck_assert_int_eq(do_write(8192, 512), -EIO);
}
END_TEST

START_TEST(a_trim_forgets_what_was_there) {
        cache_fixture_start(&fixture);
        ck_assert_int_eq(do_write(0, 64 * KIB), 0);
        ck_assert_int_eq(cache_fixture_do(&fixture, BLOCK_OPERATION_TRIM, 0, 0, 64 * KIB, NULL), 0);
        ck_assert_uint_eq(cache_volume_get_kept_size(fixture.volume), 0);
        ck_assert_int_eq(do_read(0, 64 * KIB), 0);
        ck_assert_mem_eq(other, fixture.ram.memory, 64 * KIB);
}
END_TEST

/* Nothing else happens that could wake it. */
START_TEST(who_must_be_alone_goes_on_when_the_last_other_is_done) {
        cache_fixture_start(&fixture);
        ck_assert_int_eq(do_read(64 * KIB, 4096), 0);
        cache_fixture_submit(&fixture, BLOCK_OPERATION_PREFETCH, 0, 64 * KIB, 4096, NULL);
        cache_fixture_submit(&fixture, BLOCK_OPERATION_TRIM, 0, 64 * KIB, 1024, NULL);
        cache_fixture_run_for(&fixture, NS_PER_MS);
        ck_assert(fixture.requests[0].is_done && fixture.requests[1].is_done);
}
END_TEST

START_TEST(zeroes_are_there_whatever_was_dirty_before) {
        static const uint8_t zeroes[1 * MIB];

        cache_fixture_start(&fixture);
        ck_assert_int_eq(do_write(1000, 700000), 0);
        ck_assert_int_eq(cache_fixture_do(&fixture, BLOCK_OPERATION_WRITE_ZEROES, 0, 3000, 500000,
                                          NULL),
                         0);
        ck_assert_int_eq(do_read(1000, 700000), 0);
        ck_assert_mem_eq(other, data, 2000);
        ck_assert_mem_eq(other + 2000, zeroes, 500000);
        ck_assert_mem_eq(other + 502000, data + 502000, 198000);
        cache_fixture_reset_disk(&fixture);
        ck_assert_int_eq(do_flush(), 0);
        ck_assert_mem_eq(fixture.ram.persistent + 3000, zeroes, 500000);
}
END_TEST

/* The device has them in its own cache, and nobody can know whether it will have them tomorrow. */
START_TEST(zeroes_that_the_device_could_not_synchronise_are_written) {
        static const uint8_t zeroes[512 * KIB];

        cache_fixture_start(&fixture);
        ck_assert_int_eq(do_write(0, 512 * KIB), 0);
        ck_assert_int_eq(do_flush(), 0);
        ram_target_add_fault(&fixture.ram,
                             (RamFault){ .opcode = SCSI_OPCODE_SYNCHRONIZE_CACHE_10,
                                         .result = SCSI_RESULT_CHECK_CONDITION,
                                         .sense = { .key = SCSI_SENSE_KEY_HARDWARE_ERROR } });
        ck_assert_int_eq(cache_fixture_do(&fixture, BLOCK_OPERATION_WRITE_ZEROES, 0, 0, 512 * KIB,
                                          NULL),
                         0);
        cache_fixture_reset_disk(&fixture);
        ck_assert_int_eq(do_read(0, 512 * KIB), 0);
        ck_assert_mem_eq(other, zeroes, 512 * KIB);
        ck_assert_int_eq(do_flush(), 0);
        ck_assert_mem_eq(fixture.ram.persistent, zeroes, 512 * KIB);
}
END_TEST

/* Into requests[0]. */
static BlockRequest *submit_status(BlockExtent *extents, size_t n_extents, uint64_t offset,
                                   uint64_t size) {
        BlockRequest *block = &fixture.requests[0].block;

        *block = (BlockRequest){
                .operation = BLOCK_OPERATION_STATUS,
                .offset = offset,
                .size = size,
                .extents = extents,
                .n_extents_max = n_extents,
                .deadline_ns = event_loop_now_ns(fixture.loop) + 30 * NS_PER_S,
                .done = block->done,
        };
        fixture.requests[0].is_done = false;
        ck_assert_int_eq(block_device_submit(fixture.volume, block), 0);
        return block;
}

static void expect_no_hole(const BlockRequest *block) {
        ck_assert(fixture.requests[0].is_done);
        ck_assert_int_eq(block->error, 0);
        ck_assert_uint_eq(block->n_extents, 1);
        ck_assert_uint_eq(block->extents[0].flags, 0);
}

START_TEST(what_is_dirty_is_no_hole) {
        BlockExtent extents[8];
        BlockRequest *block;

        cache_fixture_start(&fixture);
        memset(fixture.ram.memory, 0, CACHE_FIXTURE_DISK_SIZE);
        ck_assert_int_eq(do_write(0, 4096), 0);
        cache_fixture_submit(&fixture, BLOCK_OPERATION_FLUSH, 0, 0, 0, NULL);
        cache_fixture_run(&fixture);
        ck_assert_int_eq(do_write(8192, 4096), 0);
        block = submit_status(extents, N_ELEMENTS(extents), 8192, 4096);
        cache_fixture_run(&fixture);
        expect_no_hole(block);
}
END_TEST

START_TEST(what_the_device_lost_meanwhile_is_no_hole) {
        BlockExtent extents[8];
        BlockRequest *block;

        fixture.options.mode = CACHE_MODE_WRITE_THROUGH;
        cache_fixture_start(&fixture);
        memset(fixture.ram.memory, 0, CACHE_FIXTURE_DISK_SIZE);
        memset(fixture.ram.persistent, 0, CACHE_FIXTURE_DISK_SIZE);
        ck_assert_int_eq(do_write(8192, 4096), 0);
        cache_fixture_unplug(&fixture);
        block = submit_status(extents, N_ELEMENTS(extents), 8192, 4096);
        cache_fixture_run(&fixture);
        cache_fixture_replug(&fixture, /* loses_power= */ true);
        cache_fixture_run(&fixture);
        expect_no_hole(block);
}
END_TEST

START_TEST(a_bad_block_is_told_exactly) {
        CacheFixtureRequest *request;

        cache_fixture_start(&fixture);
        fixture.ram.bad_lba = 20;
        request = cache_fixture_submit(&fixture, BLOCK_OPERATION_READ, 0, 8192, 8192, other);
        cache_fixture_run(&fixture);
        ck_assert(request->is_done);
        ck_assert_int_eq(request->block.error, -EIO);
        ck_assert(request->block.has_error_offset);
        ck_assert_uint_eq(request->block.error_offset, 20 * 512);
        ck_assert_mem_eq(other, fixture.ram.memory + 8192, 4 * 512);
}
END_TEST

START_TEST(a_write_of_a_part_of_a_bad_block_fails_at_once) {
        cache_fixture_start(&fixture);
        fixture.ram.bad_lba = 20;
        for (unsigned i = 0; i < 2; i++) {
                CacheFixtureRequest *begins, *ends;

                begins = cache_fixture_submit(&fixture, BLOCK_OPERATION_WRITE, 0, 20 * 512 + 100,
                                              1000, data);
                ends = cache_fixture_submit(&fixture, BLOCK_OPERATION_WRITE, 0, 18 * 512,
                                            2 * 512 + 100, data);
                cache_fixture_run_for(&fixture, NS_PER_S);
                ck_assert(begins->is_done && ends->is_done);
                ck_assert_int_eq(begins->block.error, -EIO);
                ck_assert_int_eq(ends->block.error, -EIO);
        }
        ck_assert_int_eq(do_write(20 * 512, 512), 0);
}
END_TEST

/* The Lun remembers the bad block, and fails the second fill while the first is at the device. */
START_TEST(a_fill_that_fails_at_once_is_not_tried_while_another_is_waited_for) {
        CacheFixtureRequest *request;

        cache_fixture_start(&fixture);
        fixture.ram.bad_lba = 20;
        ck_assert_int_eq(do_read(20 * 512, 512), -EIO);
        ck_assert_int_eq(do_write(19 * 512, 512), 0);
        fixture.ram.is_held = true;
        request = cache_fixture_submit(&fixture, BLOCK_OPERATION_READ, 0, 0, 64 * KIB, other);
        cache_fixture_run_for(&fixture, NS_PER_MS);
        ck_assert(!request->is_done);
        ram_target_release(&fixture.ram, 0);
        cache_fixture_run(&fixture);
        ck_assert(request->is_done);
        ck_assert_int_eq(request->block.error, -EIO);
        ck_assert_uint_eq(request->block.error_offset, 20 * 512);
}
END_TEST

START_TEST(more_than_fits_is_written_in_time) {
        cache_fixture_start(&fixture);
        for (unsigned round = 0; round < 4; round++)
                for (uint64_t offset = 0; offset < CACHE_FIXTURE_DISK_SIZE; offset += 256 * KIB)
                        ck_assert_int_eq(do_write(offset, 256 * KIB), 0);
        ck_assert_int_eq(do_flush(), 0);
        for (uint64_t offset = 0; offset < CACHE_FIXTURE_DISK_SIZE; offset += 256 * KIB)
                ck_assert_mem_eq(fixture.ram.persistent + offset, data, 256 * KIB);
}
END_TEST

START_TEST(loans_are_of_the_same_bytes) {
        uint64_t size = 0;
        BlockLoan loan;

        cache_fixture_start(&fixture);
        ck_assert(!block_device_lend(fixture.volume, 60000, 10000, &loan));
        ck_assert_int_eq(do_read(60000, 10000), 0);
        ck_assert(block_device_lend(fixture.volume, 60000, 10000, &loan));
        for (size_t i = 0; i < loan.n_parts; i++) {
                ck_assert_mem_eq(loan.parts[i].bytes, fixture.ram.memory + 60000 + size,
                                 loan.parts[i].size);
                size += loan.parts[i].size;
        }
        ck_assert_uint_eq(size, 10000);
        block_device_take_back(fixture.volume, &loan);
}
END_TEST

START_TEST(a_parked_volume_answers_from_memory_and_keeps_writes) {
        cache_fixture_start(&fixture);
        ck_assert_int_eq(do_read(0, 4096), 0);
        cache_fixture_unplug(&fixture);
        ck_assert_int_eq(do_read(0, 4096), 0);
        ck_assert_int_eq(do_write(4096, 4096), 0);
        cache_fixture_submit(&fixture, BLOCK_OPERATION_READ, 0, 1 * MIB, 4096, other);
        cache_fixture_submit(&fixture, BLOCK_OPERATION_FLUSH, 0, 0, 0, NULL);
        cache_fixture_run_for(&fixture, 50 * NS_PER_S);
        ck_assert(!fixture.requests[0].is_done);
        ck_assert(!fixture.requests[1].is_done);
        cache_fixture_replug(&fixture, /* loses_power= */ true);
        cache_fixture_run(&fixture);
        ck_assert(fixture.requests[0].is_done && fixture.requests[1].is_done);
        ck_assert_int_eq(fixture.requests[0].block.error, 0);
        ck_assert_int_eq(fixture.requests[1].block.error, 0);
        ck_assert_mem_eq(fixture.ram.persistent + 4096, data, 4096);
}
END_TEST

START_TEST(what_was_in_flight_at_an_unplug_is_done_after_it) {
        cache_fixture_start(&fixture);
        ck_assert_int_eq(do_write(4096, 4096), 0);
        fixture.ram.is_held = true;
        cache_fixture_submit(&fixture, BLOCK_OPERATION_READ, 0, 1 * MIB, 4096, other);
        cache_fixture_submit(&fixture, BLOCK_OPERATION_FLUSH, 0, 0, 0, NULL);
        cache_fixture_submit(&fixture, BLOCK_OPERATION_TRIM, 0, 2 * MIB, 1 * MIB, NULL);
        cache_fixture_submit(&fixture, BLOCK_OPERATION_WRITE_ZEROES, 0, 3 * MIB, 512 * KIB, NULL);
        cache_fixture_run_for(&fixture, NS_PER_MS);
        cache_fixture_unplug(&fixture);
        cache_fixture_replug(&fixture, /* loses_power= */ true);
        cache_fixture_run(&fixture);
        for (unsigned i = 0; i < 4; i++) {
                ck_assert(fixture.requests[i].is_done);
                ck_assert_int_eq(fixture.requests[i].block.error, 0);
        }
        ck_assert_mem_eq(other, fixture.ram.memory + 1 * MIB, 4096);
        ck_assert_mem_eq(fixture.ram.persistent + 4096, data, 4096);
}
END_TEST

START_TEST(a_shut_down_ends_what_waits) {
        cache_fixture_start(&fixture);
        cache_fixture_unplug(&fixture);
        cache_fixture_submit(&fixture, BLOCK_OPERATION_READ, 0, 0, 4096, other);
        cache_fixture_run(&fixture);
        cache_volume_shut_down(fixture.volume);
        cache_fixture_run(&fixture);
        ck_assert(fixture.requests[0].is_done);
        ck_assert_int_eq(fixture.requests[0].block.error, -ESHUTDOWN);
}
END_TEST

/* Its range is free for the next one, which has not noticed yet. */
static void cancel_second(BlockRequest *block) {
        fixture.requests[0].is_done = true;
        block_device_cancel(fixture.volume, &fixture.requests[1].block);
}

START_TEST(what_was_given_up_does_not_come_back_to_life) {
        cache_fixture_start(&fixture);
        for (unsigned i = 0; i < 2; i++)
                cache_fixture_submit(&fixture, BLOCK_OPERATION_TRIM, 0, 0, 64 * KIB, NULL);
        fixture.requests[0].block.done = cancel_second;
        cache_fixture_run(&fixture);
        ck_assert(fixture.requests[0].is_done);
        ck_assert(fixture.requests[1].is_done);
        ck_assert_int_eq(fixture.requests[1].block.error, -ECANCELED);
        ck_assert_uint_eq(cache_fixture_count(&fixture, 0x42), 1);
}
END_TEST

/* The volume is shut down while the device still works on it, and then the device was reset. */
START_TEST(a_shut_down_ends_what_the_device_has_as_well) {
        CacheFixtureRequest *request;

        cache_fixture_start(&fixture);
        fixture.ram.is_held = true;
        request = cache_fixture_submit(&fixture, BLOCK_OPERATION_WRITE_ZEROES, 0, 0, 512 * KIB,
                                       NULL);
        cache_fixture_run_for(&fixture, NS_PER_MS);
        cache_volume_park(fixture.volume);
        cache_volume_shut_down(fixture.volume);
        cache_manager_on_reset(fixture.manager);
        ram_target_release(&fixture.ram, 0);
        cache_fixture_run(&fixture);
        ck_assert(request->is_done);
        ck_assert_int_eq(request->block.error, -ESHUTDOWN);
        fixture.n_requests = 0;
        fixture.volume = block_device_free(fixture.volume);
        fixture.manager = cache_manager_free(fixture.manager);
        fixture.arena_fd = fd_close(fixture.arena_fd);
        fixture.lun = block_device_free(fixture.lun);
}
END_TEST

static const RamCommand *find_command(uint8_t opcode) {
        for (size_t i = 0; i < fixture.ram.n_commands; i++)
                if (fixture.ram.journal[i].opcode == opcode)
                        return &fixture.ram.journal[i];
        ck_abort_msg("no command %02x", opcode);
}

START_TEST(what_the_device_does_itself_has_the_clients_deadline) {
        CacheFixtureRequest *request;

        cache_fixture_start(&fixture);
        ck_assert_int_eq(do_write(0, 4096), 0);
        fixture.ram.is_held = true;
        cache_fixture_submit(&fixture, BLOCK_OPERATION_FLUSH, 0, 0, 0, NULL);
        cache_fixture_run_for(&fixture, NS_PER_MS);
        request = cache_fixture_submit(&fixture, BLOCK_OPERATION_TRIM, 0, 0, 64 * KIB, NULL);
        /* For twenty seconds it waits for the write of what was dirty there. */
        cache_fixture_run_for(&fixture, 20 * NS_PER_S);
        ck_assert(!request->is_done);
        ram_target_release(&fixture.ram, 1);
        cache_fixture_run_for(&fixture, NS_PER_MS);
        ck_assert_uint_le(find_command(SCSI_OPCODE_UNMAP)->deadline_ns, request->block.deadline_ns);
        ram_target_release(&fixture.ram, 0);
        cache_fixture_run(&fixture);
}
END_TEST

START_TEST(a_successor_has_what_was_acknowledged) {
        cache_fixture_start(&fixture);
        ck_assert_int_eq(do_write(70000, 200000), 0);
        cache_fixture_kill(&fixture);
        ck_assert_uint_gt(cache_volume_get_kept_size(fixture.volume), 0);
        ck_assert_int_eq(do_read(70000, 200000), 0);
        ck_assert_mem_eq(other, data, 200000);
        ck_assert_int_eq(do_flush(), 0);
        ck_assert_mem_eq(fixture.ram.persistent + 70000, data, 200000);
}
END_TEST

START_TEST(a_successor_writes_what_was_left_by_itself) {
        cache_fixture_start(&fixture);
        ck_assert_int_eq(do_write(0, 64 * KIB), 0);
        cache_fixture_kill(&fixture);
        ck_assert_uint_gt(cache_volume_get_kept_size(fixture.volume), 0);
        cache_fixture_run_for(&fixture, 10 * NS_PER_S);
        ck_assert_uint_eq(cache_volume_get_kept_size(fixture.volume), 0);
        ck_assert_mem_eq(fixture.ram.persistent, data, 64 * KIB);
}
END_TEST

START_TEST(a_successor_with_a_smaller_budget_has_it_too) {
        fixture.arena_size = 4 * MIB;
        cache_fixture_start(&fixture);
        fixture.ram.is_held = true;
        for (unsigned i = 0; i < 24; i++)
                cache_fixture_submit(&fixture, BLOCK_OPERATION_WRITE, 0, i * 64 * KIB, 4096,
                                     data + i * 4096);
        cache_fixture_run_for(&fixture, NS_PER_MS);
        fixture.options.size_max = 1; /* as few slots as there can be: 16 */
        cache_fixture_kill(&fixture);
        fixture.ram.is_held = false;
        for (unsigned i = 0; i < 24; i++) {
                ck_assert_int_eq(do_read(i * 64 * KIB, 4096), 0);
                ck_assert_mem_eq(other, data + i * 4096, 4096);
        }
        ck_assert_int_eq(do_flush(), 0);
        ck_assert_int_eq(do_read(2 * MIB, 64 * KIB), 0);
        ck_assert_uint_le(cache_manager_get_statistics(fixture.manager)->n_slots_used, 16);
}
END_TEST

START_TEST(nobody_waits_past_a_deadline) {
        cache_fixture_start(&fixture);
        fixture.ram.is_held = true;
        cache_fixture_submit(&fixture, BLOCK_OPERATION_READ, 0, 0, 4096, other);
        cache_fixture_run_for(&fixture, 29 * NS_PER_S);
        ck_assert(!fixture.requests[0].is_done);
        cache_fixture_run_for(&fixture, 2 * NS_PER_S);
        ck_assert(fixture.requests[0].is_done);
        ck_assert_int_eq(fixture.requests[0].block.error, -ETIMEDOUT);
        ram_target_release(&fixture.ram, 0);
        cache_fixture_run(&fixture);
}
END_TEST

/* As while a medium that may be another one is looked at. */
START_TEST(time_runs_while_a_volume_is_parked_and_its_device_is_there) {
        cache_fixture_start(&fixture);
        cache_volume_park(fixture.volume);
        cache_fixture_submit(&fixture, BLOCK_OPERATION_READ, 0, 0, 4096, other);
        cache_fixture_run_for(&fixture, 29 * NS_PER_S);
        ck_assert(!fixture.requests[0].is_done);
        cache_fixture_run_for(&fixture, 2 * NS_PER_S);
        ck_assert(fixture.requests[0].is_done);
        ck_assert_int_eq(fixture.requests[0].block.error, -ETIMEDOUT);
        cache_volume_resume(fixture.volume, fixture.lun);
        ck_assert_int_eq(do_read(0, 4096), 0);
}
END_TEST

START_TEST(a_flush_has_the_time_that_its_bytes_need) {
        CacheManager *manager;

        fixture.options.request_timeout_ns = 20 * NS_PER_S;
        cache_fixture_start(&fixture);
        manager = fixture.manager;
        ck_assert_uint_eq(cache_manager_get_flush_time_ns(manager), 20 * NS_PER_S);
        fixture.ram.is_held = true;
        ck_assert_int_eq(do_write(0, 256 * KIB), 0);
        manager->write_rate = 128 * KIB;
        ck_assert_uint_eq(cache_manager_get_flush_time_ns(manager), 24 * NS_PER_S);
        manager->write_rate = 64 * KIB;
        ck_assert_uint_eq(cache_manager_get_flush_time_ns(manager), 28 * NS_PER_S);
}
END_TEST

START_TEST(the_budget_can_shrink_under_dirty_data) {
        cache_fixture_start(&fixture);
        for (uint64_t offset = 0; offset < 512 * KIB; offset += 64 * KIB)
                ck_assert_int_eq(do_write(offset, 4096), 0);
        cache_manager_set_size(fixture.manager, 0);
        ck_assert_int_eq(do_read(1 * MIB, 1 * MIB), 0);
        ck_assert_int_eq(do_flush(), 0);
        for (uint64_t offset = 0; offset < 512 * KIB; offset += 64 * KIB)
                ck_assert_mem_eq(fixture.ram.persistent + offset, data, 4096);
        ck_assert_uint_le(cache_manager_get_statistics(fixture.manager)->n_slots_used, 16);
}
END_TEST

/* Two LUNs share the slots; what one gives back the other may wait for. */
START_TEST(a_lun_gets_the_slots_that_another_one_needs_no_longer) {
        CacheIdentity identity = { .block_size = 512, .n_blocks = CACHE_FIXTURE_DISK_SIZE / 512 };
        CacheFixtureRequest *request;
        BlockDevice *first, *second;

        cache_fixture_start(&fixture);
        cache_manager_set_size(fixture.manager, 0); /* as few as there can be */
        ck_assert_int_eq(cache_volume_new(&second, fixture.manager, 1, &identity, fixture.lun), 0);
        fixture.ram.is_held = true;
        for (unsigned i = 0; i < 16; i++)
                cache_fixture_submit(&fixture, BLOCK_OPERATION_READ, 0, i * 128 * KIB, 64 * KIB,
                                     other + i * 64 * KIB);
        cache_fixture_run_for(&fixture, NS_PER_MS);

        first = fixture.volume;
        fixture.volume = second;
        request = cache_fixture_submit(&fixture, BLOCK_OPERATION_READ, 0, 0, 4096, data);
        fixture.volume = first;
        cache_fixture_run_for(&fixture, NS_PER_MS);
        ram_target_release(&fixture.ram, 0);
        cache_fixture_run(&fixture);
        ck_assert(request->is_done);
        ck_assert_int_eq(request->block.error, 0);
        ck_assert_mem_eq(data, fixture.ram.memory, 4096);

        cache_volume_park(second);
        cache_volume_shut_down(second);
        cache_fixture_run(&fixture);
        block_device_free(second);
}
END_TEST

START_TEST(a_trim_that_the_device_rejects_is_left_alone) {
        cache_fixture_start(&fixture);
        fixture.ram.unknown[0] = SCSI_OPCODE_UNMAP;
        fixture.ram.unknown[1] = SCSI_OPCODE_WRITE_SAME_16;
        for (unsigned i = 0; i < 2; i++)
                ck_assert_int_eq(cache_fixture_do(&fixture, BLOCK_OPERATION_TRIM, 0, 0, 64 * KIB,
                                                  NULL),
                                 0);
}
END_TEST

START_TEST(corrupt_memory_is_not_handed_out) {
        fixture.options.verifies_hits = true;
        cache_fixture_start(&fixture);
        ck_assert_int_eq(do_write(0, 4096), 0);
        ck_assert_int_eq(do_read(0, 4096), 0);
        /* The data is at the end of the arena, and nothing else there looks like it. */
        for (off_t at = 0; at < (off_t) fixture.arena_size; at += 4096) {
                uint8_t page[4096];

                ck_assert_int_eq(pread(fixture.arena_fd, page, sizeof(page), at), sizeof(page));
                if (memcmp(page, data, sizeof(page)) == 0)
                        ck_assert_int_eq(pwrite(fixture.arena_fd, "!", 1, at + 100), 1);
        }
        ck_assert_int_eq(do_read(0, 4096), -EIO);
}
END_TEST

/* Standing aside */

START_TEST(a_held_volume_begins_nothing_but_flushes) {
        CacheFixtureRequest *read, *write;

        cache_fixture_start(&fixture);
        ck_assert_int_eq(do_write(0, 4096), 0);
        ck_assert_uint_eq(cache_volume_get_unsynced_size(fixture.volume), 4096);
        cache_volume_hold(fixture.volume);
        read = cache_fixture_submit(&fixture, BLOCK_OPERATION_READ, 0, 0, 4096, other);
        write = cache_fixture_submit(&fixture, BLOCK_OPERATION_WRITE, 0, 8192, 4096, data);
        ck_assert_int_eq(do_flush(), 0);
        cache_fixture_run(&fixture);
        ck_assert(!read->is_done && !write->is_done);
        ck_assert(!cache_volume_is_changing(fixture.volume));
        ck_assert_uint_eq(cache_volume_get_unsynced_size(fixture.volume), 0);
        cache_volume_let_go(fixture.volume);
        cache_fixture_run(&fixture);
        ck_assert(read->is_done && write->is_done);
        ck_assert_int_eq(read->block.error, 0);
        ck_assert_mem_eq(other, data, 4096);
}
END_TEST

START_TEST(requests_of_a_held_volume_have_their_deadlines) {
        CacheFixtureRequest *read;

        cache_fixture_start(&fixture);
        cache_volume_hold(fixture.volume);
        read = cache_fixture_submit(&fixture, BLOCK_OPERATION_READ, 0, 0, 4096, other);
        cache_fixture_run_for(&fixture, 120 * NS_PER_S);
        ck_assert(read->is_done);
        ck_assert_int_eq(read->block.error, -ETIMEDOUT);
        cache_volume_let_go(fixture.volume);
}
END_TEST

START_TEST(what_is_lent_is_forgotten_with_the_rest) {
        BlockLoan loan;

        cache_fixture_start(&fixture);
        ck_assert_int_eq(do_read(0, 4096), 0);
        ck_assert(block_device_lend(fixture.volume, 0, 4096, &loan));
        cache_volume_hold(fixture.volume);
        ck_assert(!block_device_lend(fixture.volume, 0, 4096, &(BlockLoan){ 0 }));
        cache_volume_park(fixture.volume);
        ck_assert(cache_volume_is_detached(fixture.volume));
        memset(fixture.ram.memory, 0xAB, 4096); /* somebody else writes */
        cache_volume_forget_medium(fixture.volume);
        cache_volume_resume(fixture.volume, fixture.lun);
        cache_volume_let_go(fixture.volume);
        ck_assert_int_eq(do_read(0, 4096), 0);
        ck_assert_uint_eq(other[0], 0xAB);
        ck_assert_uint_eq(other[4095], 0xAB);
        block_device_take_back(fixture.volume, &loan);
}
END_TEST

START_TEST(what_is_given_up_is_the_mediums_again) {
        cache_fixture_start(&fixture);
        ck_assert_int_eq(do_write(0, 4096), 0);
        cache_volume_hold(fixture.volume);
        cache_volume_park(fixture.volume);
        ck_assert(cache_volume_is_detached(fixture.volume));
        cache_volume_give_up_kept(fixture.volume);
        ck_assert_uint_eq(cache_volume_get_kept_size(fixture.volume), 0);
        cache_volume_resume(fixture.volume, fixture.lun);
        cache_volume_let_go(fixture.volume);
        ck_assert_int_eq(do_flush(), 0);
        ck_assert_uint_eq(n_writes(), 0);
        ck_assert_int_eq(do_read(0, 4096), 0);
        ck_assert_mem_eq(other, fixture.ram.memory, 4096);
        ck_assert_int_ne(memcmp(other, data, 4096), 0);
}
END_TEST

/* Else who waits until all is flushed would wait for ever. */
START_TEST(what_is_lost_is_not_to_be_flushed) {
        CacheEntry *entry;

        cache_fixture_start(&fixture);
        ck_assert_int_eq(do_read(0, 4096), 0);
        entry = cache_volume_find(cache_volume_get_inside(fixture.volume), 0);
        cache_state_mark_lost(cache_volume_get_inside(fixture.volume), entry,
                              cache_bits_range(0, 2));
        ck_assert_uint_eq(cache_volume_get_kept_size(fixture.volume), 1024);
        ck_assert_uint_eq(cache_volume_get_unsynced_size(fixture.volume), 0);
        ck_assert_int_eq(do_write(0, 1024), 0);
        ck_assert_uint_eq(cache_volume_get_unsynced_size(fixture.volume), 1024);
}
END_TEST

START_TEST(what_is_clean_can_be_dropped_at_any_time) {
        cache_fixture_start(&fixture);
        ck_assert_int_eq(do_read(128 * KIB, 4096), 0);
        ck_assert_int_eq(do_write(0, 4096), 0);
        cache_volume_drop_clean(fixture.volume);
        ck_assert_uint_eq(cache_volume_get_kept_size(fixture.volume), 4096);
        ck_assert_int_eq(do_read(128 * KIB, 4096), 0);
        ck_assert_uint_eq(n_reads(), 2);
        ck_assert_int_eq(do_read(0, 4096), 0);
        ck_assert_mem_eq(other, data, 4096);
        ck_assert_uint_eq(n_reads(), 2);
}
END_TEST

int main(void) {
        const TTest *const tests[] = {
                what_was_read_is_read_again_from_memory,
                reads_are_hits_or_misses_of_their_lun,
                readers_of_the_same_blocks_share_one_command,
                a_read_over_many_lines_is_whole,
                a_write_completes_before_the_device_has_it,
                what_is_old_is_written_and_synchronised_by_itself,
                writes_side_by_side_become_one_command,
                a_flush_writes_and_synchronises_before_it_completes,
                a_write_with_fua_is_on_the_medium,
                write_through_has_the_device_have_it_first,
                a_mode_can_be_changed_while_data_is_dirty,
                odd_bytes_keep_their_neighbours,
                a_fill_does_not_undo_a_write_that_came_meanwhile,
                a_reset_has_unsynchronised_blocks_written_again,
                a_flush_that_a_reset_hits_starts_over,
                flushes_fail_until_what_could_not_be_written_was,
                good_blocks_around_one_that_fails_are_written,
                after_a_failed_write_writers_are_told_at_once,
                a_trim_forgets_what_was_there,
                who_must_be_alone_goes_on_when_the_last_other_is_done,
                zeroes_are_there_whatever_was_dirty_before,
                zeroes_that_the_device_could_not_synchronise_are_written,
                what_is_dirty_is_no_hole,
                what_the_device_lost_meanwhile_is_no_hole,
                a_bad_block_is_told_exactly,
                a_write_of_a_part_of_a_bad_block_fails_at_once,
                a_fill_that_fails_at_once_is_not_tried_while_another_is_waited_for,
                more_than_fits_is_written_in_time,
                loans_are_of_the_same_bytes,
                a_parked_volume_answers_from_memory_and_keeps_writes,
                what_was_in_flight_at_an_unplug_is_done_after_it,
                a_shut_down_ends_what_waits,
                what_was_given_up_does_not_come_back_to_life,
                a_shut_down_ends_what_the_device_has_as_well,
                what_the_device_does_itself_has_the_clients_deadline,
                a_successor_has_what_was_acknowledged,
                a_successor_writes_what_was_left_by_itself,
                a_successor_with_a_smaller_budget_has_it_too,
                nobody_waits_past_a_deadline,
                time_runs_while_a_volume_is_parked_and_its_device_is_there,
                a_flush_has_the_time_that_its_bytes_need,
                the_budget_can_shrink_under_dirty_data,
                a_lun_gets_the_slots_that_another_one_needs_no_longer,
                a_trim_that_the_device_rejects_is_left_alone,
                corrupt_memory_is_not_handed_out,
                a_held_volume_begins_nothing_but_flushes,
                requests_of_a_held_volume_have_their_deadlines,
                what_is_lent_is_forgotten_with_the_rest,
                what_is_given_up_is_the_mediums_again,
                what_is_clean_can_be_dropped_at_any_time,
                what_is_lost_is_not_to_be_flushed,
        };
        Suite *suite = suite_create("cache_volume");
        TCase *tcase = tcase_create("cache_volume");

        tcase_add_checked_fixture(tcase, set_up, tear_down);
        for (size_t i = 0; i < N_ELEMENTS(tests); i++)
                tcase_add_test(tcase, tests[i]);
        suite_add_tcase(suite, tcase);
        return run_suite(suite);
}
