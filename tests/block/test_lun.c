/* A Lun and the commands it sends: reading, writing, errors, cancelling. */

#include <errno.h>
#include <string.h>

#include "lun_fixture.h"
#include "unit_test.h"

static LunFixture fixture;
static uint8_t data[1 * MIB];

static void set_up(void) {
        lun_fixture_set_up(&fixture, 512);
        memset(data, 0xDD, sizeof(data));
}

static void tear_down(void) { lun_fixture_tear_down(&fixture); }

static uint8_t *medium(uint64_t offset) { return fixture.ram.memory + offset; }

START_TEST(aligned_data_is_transferred_in_place) {
        lun_fixture_start(&fixture);
        ck_assert_int_eq(lun_fixture_do(&fixture, BLOCK_OPERATION_READ, 0, 1024, 4096, data), 0);
        ck_assert_str_eq(lun_fixture_journal(&fixture), "read 2+8");
        ck_assert_ptr_eq(fixture.ram.journal[0].data, data);
        ck_assert_mem_eq(data, medium(1024), 4096);

        memset(data, 0xAB, 512);
        ck_assert_int_eq(lun_fixture_do(&fixture, BLOCK_OPERATION_WRITE, 0, 0, 512, data), 0);
        ck_assert_ptr_eq(fixture.ram.journal[1].data, data);
        ck_assert_mem_eq(data, medium(0), 512);
}
END_TEST

START_TEST(long_requests_are_split_in_order_and_keep_the_device_busy) {
        lun_fixture_start(&fixture);
        ck_assert_int_eq(lun_fixture_do(&fixture, BLOCK_OPERATION_READ, 0, 0, 160 * KIB, data), 0);
        ck_assert_str_eq(lun_fixture_journal(&fixture), "read 0+128, read 128+128, read 256+64");
        ck_assert_mem_eq(data, medium(0), 160 * KIB);
        ck_assert_uint_eq(fixture.ram.n_in_flight_highest, 2);
}
END_TEST

START_TEST(pieces_run_in_parallel_where_the_device_takes_many) {
        fixture.ram.target.n_in_flight_max = 32;
        lun_fixture_start(&fixture);
        fixture.ram.delay_ns_max = NS_PER_MS;
        ck_assert_int_eq(lun_fixture_do(&fixture, BLOCK_OPERATION_READ, 0, 0, 1 * MIB, data), 0);
        ck_assert_mem_eq(data, medium(0), 1 * MIB);
        ck_assert_uint_eq(fixture.ram.n_in_flight_highest, 16);
}
END_TEST

static bool has_no_commands;

/* NOLINTBEGIN(readability-identifier-naming): the linker calls them so. */
ScsiCommand *__real_scsi_command_pool_get(ScsiCommandPool *pool);
ScsiCommand *__wrap_scsi_command_pool_get(ScsiCommandPool *pool);

ScsiCommand *__wrap_scsi_command_pool_get(ScsiCommandPool *pool) {
        return has_no_commands ? NULL : __real_scsi_command_pool_get(pool);
}
/* NOLINTEND(readability-identifier-naming) */

START_TEST(without_memory_for_commands_they_go_one_by_one) {
        has_no_commands = true;
        fixture.ram.target.n_in_flight_max = 32;
        lun_fixture_start(&fixture);
        ck_assert_int_eq(lun_fixture_do(&fixture, BLOCK_OPERATION_READ, 0, 0, 1 * MIB, data), 0);
        ck_assert_mem_eq(data, medium(0), 1 * MIB);
        ck_assert_uint_eq(fixture.ram.n_in_flight_highest, 1);
        has_no_commands = false;
        ck_assert_int_eq(lun_fixture_do(&fixture, BLOCK_OPERATION_READ, 0, 0, 1 * MIB, data), 0);
        ck_assert_uint_gt(fixture.ram.n_in_flight_highest, 1);
}
END_TEST

START_TEST(commands_are_used_again) {
        const ScsiCommandPoolStatistics *statistics;

        lun_fixture_start(&fixture);
        for (unsigned i = 0; i < 10; i++)
                ck_assert_int_eq(lun_fixture_do(&fixture, BLOCK_OPERATION_READ, 0, 0, 512, data),
                                 0);
        statistics = scsi_command_pool_get_statistics(fixture.ram.target.commands);
        ck_assert_uint_eq(statistics->n_misses, 1);
        ck_assert_uint_eq(statistics->n_hits, 9);
}
END_TEST

START_TEST(never_more_commands_are_in_flight_than_the_limit) {
        fixture.ram.target.n_in_flight_max = 1000;
        fixture.ram.disk.transfer_size_max = 4096;
        lun_fixture_start(&fixture);
        ck_assert_int_eq(lun_fixture_do(&fixture, BLOCK_OPERATION_READ, 0, 0, 1 * MIB, data), 0);
        ck_assert_uint_le(fixture.ram.n_in_flight_highest, LUN_COMMANDS_MAX);
        ck_assert_uint_gt(fixture.ram.n_in_flight_highest, LUN_COMMANDS_MAX / 2);
}
END_TEST

START_TEST(odd_reads_fetch_whole_blocks) {
        lun_fixture_start(&fixture);
        ck_assert_int_eq(lun_fixture_do(&fixture, BLOCK_OPERATION_READ, 0, 1000, 1000, data), 0);
        ck_assert_str_eq(lun_fixture_journal(&fixture), "read 1+3");
        ck_assert_mem_eq(data, medium(1000), 1000);
        ck_assert_uint_eq(data[1000], 0xDD);
}
END_TEST

START_TEST(segments_are_gathered_and_scattered) {
        FixtureRequest *request;

        lun_fixture_start(&fixture);
        request = lun_fixture_prepare(&fixture, BLOCK_OPERATION_READ, 0, 512, 1024, NULL);
        request->segments[0] = (struct iovec){ data, 100 };
        request->segments[1] = (struct iovec){ data + 500, 924 };
        request->block.n_segments = 2;
        ck_assert_int_eq(lun_fixture_try_submit(&fixture, request), 0);
        lun_fixture_run(&fixture);
        ck_assert_mem_eq(data, medium(512), 100);
        ck_assert_mem_eq(data + 500, medium(612), 924);

        memset(data, 0x11, sizeof(data));
        request = lun_fixture_prepare(&fixture, BLOCK_OPERATION_WRITE, 0, 512, 1024, NULL);
        request->segments[0] = (struct iovec){ data, 512 };
        request->segments[1] = (struct iovec){ data + 700, 500 };
        request->segments[2] = (struct iovec){ data, 12 };
        request->block.n_segments = 3;
        ck_assert_int_eq(lun_fixture_try_submit(&fixture, request), 0);
        lun_fixture_run(&fixture);
        ck_assert_mem_eq(data, medium(512), 1024);
        ck_assert_str_eq(lun_fixture_journal(&fixture), "read 1+2, write 1+2");
}
END_TEST

START_TEST(odd_writes_leave_their_neighbours_alone) {
        static const struct {
                uint64_t offset, size;
                const char *journal;
        } table[] = {
                { 1, 2, "read 0+1, write 0+1" },
                { 500, 600, "read 0+3, write 0+3" },
                { 512, 600, "read 1+2, write 1+2" },
                /* Long ones read their edges alone. */
                { 100, 65536, "read 0+1, write 1+127, read 128+1, write 0+1, write 128+1" },
        };
        uint8_t before[80 * 1024];

        lun_fixture_start(&fixture);
        for (size_t i = 0; i < N_ELEMENTS(table); i++) {
                memcpy(before, medium(0), sizeof(before));
                memset(data, 0x50 + i, sizeof(data));
                lun_fixture_forget_journal(&fixture);
                ck_assert_int_eq(lun_fixture_do(&fixture, BLOCK_OPERATION_WRITE, 0, table[i].offset,
                                                table[i].size, data),
                                 0);
                ck_assert_uint_eq(ram_target_count(&fixture.ram, SCSI_OPCODE_READ_10),
                                  i == 3 ? 2 : 1);
                if (i < 3)
                        ck_assert_str_eq(lun_fixture_journal(&fixture), table[i].journal);
                memset(before + table[i].offset, 0x50 + i, table[i].size);
                ck_assert_mem_eq(before, medium(0), sizeof(before));
        }
}
END_TEST

START_TEST(writes_into_one_block_exclude_each_other) {
        uint8_t expected[512];

        fixture.ram.target.n_in_flight_max = 32;
        lun_fixture_start(&fixture);
        fixture.ram.delay_ns_max = NS_PER_MS;
        for (unsigned i = 0; i < 32; i++) {
                memset(data + 16 * i, i, 16);
                memset(expected + 16 * i, i, 16);
                lun_fixture_submit(&fixture, BLOCK_OPERATION_WRITE, 0, 16 * i, 16, data + 16 * i);
        }
        lun_fixture_run(&fixture);
        ck_assert_mem_eq(medium(0), expected, 512);
        ck_assert_uint_eq(fixture.n_done, 32);
}
END_TEST

START_TEST(a_plain_write_waits_for_an_overlapping_odd_one_and_the_other_way_round) {
        fixture.ram.target.n_in_flight_max = 32;
        lun_fixture_start(&fixture);
        fixture.ram.is_held = true;
        memset(data, 1, 512);
        memset(data + 512, 2, 512);
        memset(data + 1024, 3, 512);
        lun_fixture_submit(&fixture, BLOCK_OPERATION_WRITE, 0, 0, 100, data);
        lun_fixture_submit(&fixture, BLOCK_OPERATION_WRITE, 0, 0, 512, data + 512);
        lun_fixture_submit(&fixture, BLOCK_OPERATION_WRITE, 0, 100, 100, data + 1024);
        lun_fixture_submit(&fixture, BLOCK_OPERATION_WRITE, 0, 512, 512, data);
        ck_assert_str_eq(lun_fixture_journal(&fixture), "read 0+1, write 1+1");
        ram_target_release(&fixture.ram, 0);
        lun_fixture_run(&fixture);
        ck_assert_str_eq(lun_fixture_journal(&fixture), "read 0+1, write 1+1, write 0+1, "
                                                        "write 0+1, read 0+1, write 0+1");
        ck_assert_uint_eq(*medium(0), 2);
        ck_assert_uint_eq(*medium(99), 2);
        ck_assert_uint_eq(*medium(100), 3);
        ck_assert_uint_eq(*medium(200), 2);
}
END_TEST

START_TEST(a_place_that_is_not_known_is_not_told) {
        FixtureRequest *request;

        lun_fixture_start(&fixture);
        ram_target_add_fault(&fixture.ram,
                             (RamFault){ .opcode = -1, .result = SCSI_RESULT_TRANSPORT_ERROR });
        request = lun_fixture_submit(&fixture, BLOCK_OPERATION_READ, 0, 0, 4096, data);
        lun_fixture_run(&fixture);
        ck_assert_int_eq(request->block.error, -EIO);
        ck_assert(!request->block.has_error_offset);

        /* GOOD, but too short. */
        ram_target_add_fault(
                        &fixture.ram,
                        (RamFault){ .opcode = -1, .result = SCSI_RESULT_GOOD, .actual_size = 512 });
        ck_assert_int_eq(lun_fixture_do(&fixture, BLOCK_OPERATION_READ, 0, 0, 4096, data), -EIO);
}
END_TEST

START_TEST(nothing_more_is_cut_after_a_failure) {
        lun_fixture_start(&fixture);
        ram_target_add_fault(&fixture.ram, (RamFault){ .opcode = -1, .result = SCSI_RESULT_GONE });
        ck_assert_int_eq(lun_fixture_do(&fixture, BLOCK_OPERATION_READ, 0, 0, 1 * MIB, data),
                         -ESHUTDOWN);
        ck_assert_uint_eq(fixture.ram.n_commands, 2);
}
END_TEST

START_TEST(transfers_shrink_when_memory_is_short_and_grow_back) {
        LunCondition condition;

        lun_fixture_start(&fixture);
        fixture.ram.transfer_size_limit = 16 * KIB;
        ck_assert_int_eq(lun_fixture_do(&fixture, BLOCK_OPERATION_READ, 0, 0, 256 * KIB, data), 0);
        ck_assert_mem_eq(data, medium(0), 256 * KIB);
        fixture.ram.transfer_size_limit = 0;
        condition = lun_get_condition(fixture.lun);
        ck_assert_uint_eq(condition.transfer_size, 16 * KIB);
        ck_assert_uint_gt(condition.transfer_size_max, 16 * KIB);
        ck_assert(!condition.is_shortened && !condition.is_read_only);

        lun_fixture_forget_journal(&fixture);
        ck_assert_int_eq(lun_fixture_do(&fixture, BLOCK_OPERATION_READ, 0, 0, 64 * KIB, data), 0);
        ck_assert_uint_eq(fixture.ram.n_commands, 4);
        for (unsigned i = 0; i < 2; i++) {
                lun_fixture_run_for(&fixture, 11 * NS_PER_S);
                ck_assert_int_eq(lun_fixture_do(&fixture, BLOCK_OPERATION_READ, 0, 0, 512, data),
                                 0);
        }
        lun_fixture_forget_journal(&fixture);
        ck_assert_int_eq(lun_fixture_do(&fixture, BLOCK_OPERATION_READ, 0, 0, 64 * KIB, data), 0);
        ck_assert_str_eq(lun_fixture_journal(&fixture), "read 0+128");
        condition = lun_get_condition(fixture.lun);
        ck_assert_uint_ge(condition.transfer_size, 64 * KIB);
}
END_TEST

START_TEST(odd_writes_survive_a_shortage_of_memory) {
        uint8_t expected[64 * 1024];

        lun_fixture_start(&fixture);
        fixture.ram.transfer_size_limit = 4096;
        memcpy(expected, medium(0), sizeof(expected));
        memset(expected + 100, 0xDD, 40000);
        ck_assert_int_eq(lun_fixture_do(&fixture, BLOCK_OPERATION_WRITE, 0, 100, 40000, data), 0);
        ck_assert_mem_eq(medium(0), expected, sizeof(expected));
}
END_TEST

START_TEST(what_is_too_large_even_when_shrunk_fails) {
        lun_fixture_start(&fixture);
        fixture.ram.transfer_size_limit = 1;
        ck_assert_int_eq(lun_fixture_do(&fixture, BLOCK_OPERATION_READ, 0, 0, 8192, data), -ENOMEM);
}
END_TEST

START_TEST(read_only_devices_refuse_changes) {
        fixture.options.is_read_only = true;
        lun_fixture_start(&fixture);
        ck_assert(block_device_get_info(fixture.lun)->is_read_only);
        ck_assert(!block_device_get_info(fixture.lun)->can_trim);
        for (BlockOperation o = 0; o < _BLOCK_OPERATION_MAX; o++) {
                FixtureRequest *request;
                BlockExtent extent;
                bool changes = o == BLOCK_OPERATION_WRITE || o == BLOCK_OPERATION_TRIM ||
                               o == BLOCK_OPERATION_WRITE_ZEROES;

                request = lun_fixture_prepare(&fixture, o, 0, 0,
                                              o == BLOCK_OPERATION_FLUSH ? 0 : 512, data);
                request->block.extents = &extent;
                request->block.n_extents_max = 1;
                ck_assert_int_eq(lun_fixture_try_submit(&fixture, request), changes ? -EPERM : 0);
                lun_fixture_run(&fixture);
        }
}
END_TEST

START_TEST(trims_go_out_within_the_limits) {
        fixture.ram.disk.unmap_blocks_max = 1000;
        fixture.ram.disk.unmap_granularity_blocks = 8;
        lun_fixture_start(&fixture);
        ck_assert(block_device_get_info(fixture.lun)->can_trim);
        ck_assert_int_eq(
                        lun_fixture_do(&fixture, BLOCK_OPERATION_TRIM, 0, 512, 1 * MIB - 512, NULL),
                        0);
        ck_assert_str_eq(lun_fixture_journal(&fixture), "unmap 8+1000, unmap 1008+1000, "
                                                        "unmap 2008+40");
        ck_assert_uint_ne(*medium(4095), 0);
}
END_TEST

START_TEST(a_device_that_does_not_know_unmap_is_asked_otherwise) {
        fixture.ram.unknown[0] = SCSI_OPCODE_UNMAP;
        lun_fixture_start(&fixture);
        ck_assert_int_eq(lun_fixture_do(&fixture, BLOCK_OPERATION_TRIM, 0, 0, 4096, NULL), 0);
        ck_assert_str_eq(lun_fixture_journal(&fixture), "unmap 0+8, same! 0+8");

        /* Nor that: the hint is not taken, which is no error. */
        fixture.ram.unknown[1] = SCSI_OPCODE_WRITE_SAME_16;
        ck_assert_int_eq(lun_fixture_do(&fixture, BLOCK_OPERATION_TRIM, 0, 0, 4096, NULL), 0);
        lun_fixture_forget_journal(&fixture);
        ck_assert_int_eq(lun_fixture_do(&fixture, BLOCK_OPERATION_TRIM, 0, 0, 4096, NULL), 0);
        ck_assert_str_eq(lun_fixture_journal(&fixture), "");
}
END_TEST

START_TEST(trim_is_refused_where_it_is_off_or_unknown) {
        FixtureRequest *request;

        fixture.options.is_trim_enabled = false;
        lun_fixture_start(&fixture);
        ck_assert(!block_device_get_info(fixture.lun)->can_trim);
        request = lun_fixture_prepare(&fixture, BLOCK_OPERATION_TRIM, 0, 0, 512, NULL);
        ck_assert_int_eq(lun_fixture_try_submit(&fixture, request), -EOPNOTSUPP);
}
END_TEST

START_TEST(zeroes_are_left_to_the_device_but_for_their_edges) {
        uint8_t expected[8192];

        lun_fixture_start(&fixture);
        memcpy(expected, medium(0), sizeof(expected));
        memset(expected + 100, 0, 5000);
        ck_assert_int_eq(lun_fixture_do(&fixture, BLOCK_OPERATION_WRITE_ZEROES, 0, 100, 5000, NULL),
                         0);
        ck_assert_mem_eq(medium(0), expected, sizeof(expected));
        ck_assert_uint_eq(ram_target_count(&fixture.ram, SCSI_OPCODE_WRITE_SAME_16), 1);

        lun_fixture_forget_journal(&fixture);
        ck_assert_int_eq(lun_fixture_do(&fixture, BLOCK_OPERATION_WRITE_ZEROES,
                                        BLOCK_REQUEST_NO_HOLE, 0, 4096, NULL),
                         0);
        ck_assert_str_eq(lun_fixture_journal(&fixture), "same 0+8");
}
END_TEST

START_TEST(zeroes_are_written_where_the_device_can_not) {
        static const uint8_t zeroes[512 * 1024];

        fixture.ram.disk.can_write_same_16 = fixture.ram.disk.can_write_same_unmap = false;
        fixture.ram.disk.transfer_size_max = 1 * MIB;
        lun_fixture_start(&fixture);
        ck_assert(!block_device_get_info(fixture.lun)->can_zero_fast);
        ck_assert_int_eq(lun_fixture_do(&fixture, BLOCK_OPERATION_WRITE_ZEROES, BLOCK_REQUEST_FUA,
                                        0, sizeof(zeroes), NULL),
                         0);
        ck_assert_str_eq(lun_fixture_journal(&fixture),
                         "write 0+256, write 256+256, write 512+256, write 768+256, sync");
        ck_assert_mem_eq(medium(0), zeroes, sizeof(zeroes));
        ck_assert_uint_ne(*medium(sizeof(zeroes) + 1), 0);
}
END_TEST

START_TEST(fast_zeroes_are_refused_where_they_would_be_written) {
        FixtureRequest *request;

        fixture.ram.unknown[0] = SCSI_OPCODE_WRITE_SAME_16;
        lun_fixture_start(&fixture);
        /* Announced, but the device turns out not to know it. */
        ck_assert_int_eq(lun_fixture_do(&fixture, BLOCK_OPERATION_WRITE_ZEROES,
                                        BLOCK_REQUEST_FAST_ONLY, 0, 4096, NULL),
                         -EOPNOTSUPP);
        request = lun_fixture_prepare(&fixture, BLOCK_OPERATION_WRITE_ZEROES,
                                      BLOCK_REQUEST_FAST_ONLY, 0, 4096, NULL);
        ck_assert_int_eq(lun_fixture_try_submit(&fixture, request), -EOPNOTSUPP);
        ck_assert_int_eq(lun_fixture_do(&fixture, BLOCK_OPERATION_WRITE_ZEROES, 0, 0, 4096, NULL),
                         0);
        ck_assert_uint_eq(*medium(4095), 0);
}
END_TEST

START_TEST(status_is_asked_of_the_device) {
        FixtureRequest *request;
        BlockExtent extents[4];

        memset(medium(4096), 0, 4096);
        lun_fixture_start(&fixture);
        request = lun_fixture_prepare(&fixture, BLOCK_OPERATION_STATUS, 0, 100, 10000, NULL);
        request->block.extents = extents;
        request->block.n_extents_max = 4;
        ck_assert_int_eq(lun_fixture_try_submit(&fixture, request), 0);
        lun_fixture_run(&fixture);
        ck_assert_int_eq(request->block.error, 0);
        ck_assert_uint_eq(request->block.n_extents, 3);
        ck_assert_uint_eq(extents[0].size, 3996);
        ck_assert_uint_eq(extents[0].flags, 0);
        ck_assert_uint_eq(extents[1].size, 4096);
        ck_assert_uint_eq(extents[1].flags, BLOCK_EXTENT_HOLE | BLOCK_EXTENT_ZERO);
        ck_assert_uint_eq(extents[2].size, 10000 - 3996 - 4096);

        /* From now on everything is told as allocated. */
        fixture.ram.unknown[0] = SCSI_OPCODE_SERVICE_ACTION_IN_16;
        for (unsigned i = 0; i < 2; i++) {
                request = lun_fixture_prepare(&fixture, BLOCK_OPERATION_STATUS, 0, 0, 10000, NULL);
                request->block.extents = extents;
                request->block.n_extents_max = 4;
                lun_fixture_forget_journal(&fixture);
                ck_assert_int_eq(lun_fixture_try_submit(&fixture, request), 0);
                lun_fixture_run(&fixture);
                ck_assert_uint_eq(request->block.n_extents, 1);
                ck_assert_uint_eq(extents[0].size, 10000);
                ck_assert_uint_eq(extents[0].flags, 0);
                ck_assert_str_eq(lun_fixture_journal(&fixture), i == 0 ? "status" : "");
        }
}
END_TEST

START_TEST(a_prefetch_completes_without_a_command) {
        lun_fixture_start(&fixture);
        ck_assert_int_eq(lun_fixture_do(&fixture, BLOCK_OPERATION_PREFETCH, 0, 0, 4096, NULL), 0);
        ck_assert_uint_eq(fixture.ram.n_commands, 0);
}
END_TEST

START_TEST(requests_that_wait_can_be_cancelled_and_others_go_on) {
        FixtureRequest *requests[6];

        lun_fixture_start(&fixture);
        fixture.ram.is_held = true;
        for (unsigned i = 0; i < 6; i++)
                requests[i] = lun_fixture_submit(&fixture, BLOCK_OPERATION_READ, 0, i * 4096, 4096,
                                                 data + i * 4096);
        ck_assert_uint_eq(fixture.ram.n_commands, 2);
        block_device_cancel(fixture.lun, &requests[4]->block);
        lun_fixture_run(&fixture);
        ck_assert(requests[4]->is_done);
        ck_assert_int_eq(requests[4]->block.error, -ECANCELED);
        ck_assert_uint_eq(fixture.n_done, 1);

        /* One at the device: the command is cancelled. */
        block_device_cancel(fixture.lun, &requests[0]->block);
        lun_fixture_run(&fixture);
        ck_assert_int_eq(requests[0]->block.error, -ECANCELED);
        ck_assert_uint_eq(fixture.n_done, 6);
        ck_assert_int_eq(requests[5]->block.error, 0);
}
END_TEST

START_TEST(an_odd_write_that_waits_for_its_blocks_can_be_cancelled) {
        FixtureRequest *first, *second;

        fixture.ram.target.n_in_flight_max = 8;
        lun_fixture_start(&fixture);
        fixture.ram.is_held = true;
        first = lun_fixture_submit(&fixture, BLOCK_OPERATION_WRITE, 0, 0, 10, data);
        second = lun_fixture_submit(&fixture, BLOCK_OPERATION_WRITE, 0, 20, 10, data);
        block_device_cancel(fixture.lun, &second->block);
        lun_fixture_run(&fixture);
        ck_assert(second->is_done && !first->is_done);
        ck_assert_int_eq(second->block.error, -ECANCELED);
        ram_target_release(&fixture.ram, 0);
        lun_fixture_run(&fixture);
        ck_assert_int_eq(first->block.error, 0);
        ck_assert_uint_eq(*medium(9), 0xDD);
        ck_assert_uint_ne(*medium(20), 0xDD);
}
END_TEST

START_TEST(nobody_waits_past_a_deadline) {
        FixtureRequest *requests[4];

        lun_fixture_start(&fixture);
        fixture.ram.is_held = true;
        for (unsigned i = 0; i < 4; i++) {
                requests[i] = lun_fixture_prepare(&fixture, BLOCK_OPERATION_READ, 0, 0, 512, data);
                if (i == 3)
                        requests[i]->block.deadline_ns -= 20 * NS_PER_S;
                ck_assert_int_eq(lun_fixture_try_submit(&fixture, requests[i]), 0);
        }
        lun_fixture_run_for(&fixture, 11 * NS_PER_S);
        ck_assert(requests[3]->is_done);
        ck_assert_int_eq(requests[3]->block.error, -ETIMEDOUT);
        ck_assert(!requests[2]->is_done);
        lun_fixture_run_for(&fixture, 20 * NS_PER_S);
        ck_assert(requests[2]->is_done);
        /* What is at the target is the target's to end. */
        ck_assert(!requests[1]->is_done);
}
END_TEST

START_TEST(a_long_request_lets_others_pass) {
        FixtureRequest *zeroes, *read;

        fixture.ram.disk.can_write_same_16 = fixture.ram.disk.can_write_same_unmap = false;
        fixture.ram.disk.n_blocks = 4 * MIB / 512;
        fixture.ram.memory = realloc(fixture.ram.memory, 4 * MIB);
        fixture.ram.persistent = realloc(fixture.ram.persistent, 4 * MIB);
        lun_fixture_start(&fixture);
        zeroes = lun_fixture_submit(&fixture, BLOCK_OPERATION_WRITE_ZEROES, 0, 0, 4 * MIB, NULL);
        read = lun_fixture_submit(&fixture, BLOCK_OPERATION_READ, 0, 0, 512, data);
        lun_fixture_run(&fixture);
        ck_assert(zeroes->is_done && read->is_done);
        ck_assert_uint_eq(read->done_index, 0);
        ck_assert_int_eq(zeroes->block.error, 0);
}
END_TEST

START_TEST(a_command_of_a_long_request_has_a_deadline_of_its_own) {
        FixtureRequest *request;
        uint64_t now_ns;

        fixture.options.command_timeout_ns = 5 * NS_PER_S;
        lun_fixture_start(&fixture);
        now_ns = event_loop_now_ns(fixture.loop);
        request = lun_fixture_prepare(&fixture, BLOCK_OPERATION_READ, 0, 0, 512, data);
        request->block.deadline_ns = now_ns + 1000 * NS_PER_S;
        ck_assert_int_eq(lun_fixture_try_submit(&fixture, request), 0);
        request = lun_fixture_prepare(&fixture, BLOCK_OPERATION_READ, 0, 0, 512, data);
        request->block.deadline_ns = now_ns + NS_PER_S;
        ck_assert_int_eq(lun_fixture_try_submit(&fixture, request), 0);
        ck_assert_uint_eq(fixture.ram.journal[0].deadline_ns, now_ns + 5 * NS_PER_S);
        ck_assert_uint_eq(fixture.ram.journal[1].deadline_ns, now_ns + NS_PER_S);
}
END_TEST

START_TEST(after_the_end_requests_are_refused_and_waiting_ones_fail) {
        FixtureRequest *requests[5], *late;

        lun_fixture_start(&fixture);
        fixture.ram.is_held = true;
        for (unsigned i = 0; i < 5; i++)
                requests[i] = lun_fixture_submit(&fixture, BLOCK_OPERATION_READ, 0, i * 512, 512,
                                                 data);
        lun_shut_down(fixture.lun);
        late = lun_fixture_prepare(&fixture, BLOCK_OPERATION_FLUSH, 0, 0, 0, NULL);
        ck_assert_int_eq(lun_fixture_try_submit(&fixture, late), -ESHUTDOWN);
        lun_fixture_run(&fixture);
        for (unsigned i = 0; i < 5; i++)
                ck_assert_int_eq(requests[i]->is_done, i >= 2);
        ck_assert_int_eq(requests[4]->block.error, -ESHUTDOWN);
        ram_target_release(&fixture.ram, 0);
        lun_fixture_run(&fixture);
        ck_assert_int_eq(requests[0]->block.error, 0);
}
END_TEST

static size_t n_counted;

static void count(BlockRequest *request) { n_counted++; }

START_TEST(no_more_requests_are_taken_than_the_limit) {
        static BlockRequest requests[LUN_REQUESTS_MAX + 1];

        n_counted = 0;
        lun_fixture_start(&fixture);
        for (size_t i = 0; i <= LUN_REQUESTS_MAX; i++) {
                requests[i] = (BlockRequest){ .operation = BLOCK_OPERATION_PREFETCH,
                                              .size = 512,
                                              .deadline_ns = 1,
                                              .done = count };
                ck_assert_int_eq(block_device_submit(fixture.lun, &requests[i]),
                                 i < LUN_REQUESTS_MAX ? 0 : -EBUSY);
        }
        ck_assert_uint_eq(n_counted, 0);
        lun_fixture_run(&fixture);
        ck_assert_uint_eq(n_counted, LUN_REQUESTS_MAX);
        ck_assert_int_eq(block_device_submit(fixture.lun, &requests[0]), 0);
}
END_TEST

int main(void) {
        const TTest *const tests[] = {
                aligned_data_is_transferred_in_place,
                long_requests_are_split_in_order_and_keep_the_device_busy,
                pieces_run_in_parallel_where_the_device_takes_many,
                without_memory_for_commands_they_go_one_by_one,
                commands_are_used_again,
                never_more_commands_are_in_flight_than_the_limit,
                odd_reads_fetch_whole_blocks,
                segments_are_gathered_and_scattered,
                odd_writes_leave_their_neighbours_alone,
                writes_into_one_block_exclude_each_other,
                a_plain_write_waits_for_an_overlapping_odd_one_and_the_other_way_round,
                a_place_that_is_not_known_is_not_told,
                nothing_more_is_cut_after_a_failure,
                transfers_shrink_when_memory_is_short_and_grow_back,
                odd_writes_survive_a_shortage_of_memory,
                what_is_too_large_even_when_shrunk_fails,
                read_only_devices_refuse_changes,
                trims_go_out_within_the_limits,
                a_device_that_does_not_know_unmap_is_asked_otherwise,
                trim_is_refused_where_it_is_off_or_unknown,
                zeroes_are_left_to_the_device_but_for_their_edges,
                zeroes_are_written_where_the_device_can_not,
                fast_zeroes_are_refused_where_they_would_be_written,
                status_is_asked_of_the_device,
                a_prefetch_completes_without_a_command,
                requests_that_wait_can_be_cancelled_and_others_go_on,
                an_odd_write_that_waits_for_its_blocks_can_be_cancelled,
                nobody_waits_past_a_deadline,
                a_long_request_lets_others_pass,
                a_command_of_a_long_request_has_a_deadline_of_its_own,
                after_the_end_requests_are_refused_and_waiting_ones_fail,
                no_more_requests_are_taken_than_the_limit,
        };
        Suite *suite = suite_create("lun");
        TCase *tcase = tcase_create("lun");

        tcase_add_checked_fixture(tcase, set_up, tear_down);
        for (size_t i = 0; i < N_ELEMENTS(tests); i++)
                tcase_add_test(tcase, tests[i]);
        suite_add_tcase(suite, tcase);
        return run_suite(suite);
}
