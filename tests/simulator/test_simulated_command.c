/* What must hold before a command runs: LUN, attentions, opcode, medium, protection, faults. */

#include <string.h>

#include "../base/unit_test.h"
#include "base/bytes.h"
#include "scsi_bench.h"

#define TEST_UNIT_READY 0x00
#define REQUEST_SENSE 0x03
#define INQUIRY 0x12
#define START_STOP 0x1B
#define PREVENT_ALLOW 0x1E
#define READ_CAPACITY 0x25
#define READ_10 0x28
#define WRITE_10 0x2A
#define REPORT_LUNS 0xA0

START_TEST(every_opcode_that_is_unknown_is_refused) {
        static const uint8_t known[] = { 0x00, 0x03, 0x08, 0x0A, 0x12, 0x1A, 0x1B, 0x1E, 0x23,
                                         0x25, 0x28, 0x2A, 0x2F, 0x35, 0x41, 0x42, 0x5A, 0x88,
                                         0x8A, 0x8F, 0x91, 0x93, 0x9E, 0xA0, 0xA8, 0xAA };
        ScsiBench bench;

        scsi_bench_init(&bench, "size=1M,removable");
        for (unsigned opcode = 0; opcode < 256; opcode++) {
                uint32_t sense = SCSI_RUN(&bench, (uint8_t) opcode);

                bool is_known = memchr(known, (int) opcode, sizeof(known));
                ck_assert_msg((sense != 0x052000) == is_known, "opcode %02x: %06x", opcode, sense);
        }
        scsi_bench_done(&bench);
}
END_TEST

START_TEST(power_on_is_reported_once_and_not_by_inquiry) {
        ScsiBench bench;

        scsi_bench_init(&bench, "size=1M");
        simulated_target_power_cycle(bench.target);
        SCSI_EXPECT(&bench, 0, INQUIRY, 0, 0, 0, 36);
        SCSI_EXPECT(&bench, 0, REPORT_LUNS, 0, 0, 0, 0, 0, 0, 0, 0, 16);
        SCSI_EXPECT(&bench, 0x062900, READ_CAPACITY);
        SCSI_EXPECT(&bench, 0, READ_CAPACITY);
        scsi_bench_done(&bench);
}
END_TEST

START_TEST(request_sense_tells_the_last_failure_once) {
        ScsiBench bench;

        scsi_bench_init(&bench, "size=1M");
        SCSI_EXPECT(&bench, 0x052100, READ_10, 0, 0xFF, 0, 0, 0, 0, 0, 1);
        SCSI_EXPECT(&bench, 0, REQUEST_SENSE, 0, 0, 0, 18);
        ck_assert_uint_eq(bench.data_size, 18);
        ck_assert_uint_eq(bench.data[0], 0x70);
        ck_assert_uint_eq(bench.data[2], 0x05);
        ck_assert_uint_eq(bench.data[7], 10);
        ck_assert_uint_eq(bench.data[12], 0x21);
        SCSI_EXPECT(&bench, 0, REQUEST_SENSE, 0, 0, 0, 18);
        ck_assert_uint_eq(bench.data[2], 0x00);
        scsi_bench_done(&bench);
}
END_TEST

START_TEST(sense_is_lost_with_the_next_command) {
        ScsiBench bench;

        scsi_bench_init(&bench, "size=1M");
        SCSI_EXPECT(&bench, 0x052000, 0xFF);
        SCSI_EXPECT(&bench, 0, TEST_UNIT_READY);
        SCSI_EXPECT(&bench, 0, REQUEST_SENSE, 0, 0, 0, 18);
        ck_assert_uint_eq(bench.data[2], 0x00);
        scsi_bench_done(&bench);
}
END_TEST

START_TEST(request_sense_takes_a_pending_attention) {
        ScsiBench bench;

        scsi_bench_init(&bench, "size=1M");
        simulated_target_reset(bench.target, false);
        SCSI_EXPECT(&bench, 0, REQUEST_SENSE, 0x01, 0, 0, 252);
        ck_assert_uint_eq(bench.data_size, 8);
        ck_assert_mem_eq(bench.data, ((uint8_t[]){ 0x72, 0x06, 0x29, 0x00, 0, 0, 0, 0 }), 8);
        SCSI_EXPECT(&bench, 0, TEST_UNIT_READY);
        scsi_bench_done(&bench);
}
END_TEST

START_TEST(a_lun_that_is_not_there_answers_only_who_asks_what_it_is) {
        static const uint8_t ready[16] = { TEST_UNIT_READY },
                             sense[16] = { REQUEST_SENSE, 0, 0, 0, 18 };
        static const uint8_t inquiry[16] = { INQUIRY, 0, 0, 0, 36 },
                             page[16] = { INQUIRY, 1, 0x80, 0, 36 };
        ScsiBench bench;

        scsi_bench_init(&bench, "size=1M,luns=2");
        ck_assert_uint_eq(scsi_bench_run(&bench, 1, ready), 0);
        ck_assert_uint_eq(scsi_bench_run(&bench, 2, ready), 0x052500);
        ck_assert_uint_eq(scsi_bench_run(&bench, 2, page), 0x052500);
        ck_assert_uint_eq(scsi_bench_run(&bench, 2, inquiry), 0);
        ck_assert_uint_eq(bench.data[0], 0x7F);
        ck_assert_uint_eq(scsi_bench_run(&bench, 2, sense), 0);
        ck_assert_uint_eq(bench.data[2], 0x05);
        ck_assert_uint_eq(bench.data[12], 0x25);
        scsi_bench_done(&bench);
}
END_TEST

START_TEST(a_medium_is_taken_out_and_changed) {
        ScsiBench bench;

        scsi_bench_init(&bench, "size=1M,removable");
        simulated_target_remove_medium(bench.target, 0);
        SCSI_EXPECT(&bench, 0x023A00, TEST_UNIT_READY);
        SCSI_EXPECT(&bench, 0x023A00, READ_CAPACITY);
        SCSI_EXPECT(&bench, 0, INQUIRY, 0, 0, 0, 36);
        ck_assert_int_eq(simulated_target_change_medium(bench.target, 0, 2 * MIB), 0);
        SCSI_EXPECT(&bench, 0x062800, TEST_UNIT_READY);
        SCSI_EXPECT(&bench, 0, READ_CAPACITY);
        ck_assert_uint_eq(get_be32(bench.data), 2 * MIB / 512 - 1);
        scsi_bench_done(&bench);
}
END_TEST

START_TEST(an_ejected_disk_comes_back_with_start) {
        ScsiBench bench;

        scsi_bench_init(&bench, "size=1M,removable");
        SCSI_EXPECT(&bench, 0, PREVENT_ALLOW, 0, 0, 0, 1);
        SCSI_EXPECT(&bench, 0x055302, START_STOP, 0, 0, 0, 0x02);
        SCSI_EXPECT(&bench, 0, TEST_UNIT_READY);
        SCSI_EXPECT(&bench, 0, PREVENT_ALLOW, 0, 0, 0, 0);
        SCSI_EXPECT(&bench, 0, START_STOP, 0, 0, 0, 0x02);
        SCSI_EXPECT(&bench, 0x023A00, TEST_UNIT_READY);
        SCSI_EXPECT(&bench, 0, START_STOP, 0, 0, 0, 0x03);
        SCSI_EXPECT(&bench, 0, TEST_UNIT_READY);
        scsi_bench_done(&bench);
}
END_TEST

START_TEST(a_stopped_disk_wants_to_be_started) {
        ScsiBench bench;

        scsi_bench_init(&bench, "size=1M");
        SCSI_EXPECT(&bench, 0x052400, START_STOP, 0, 0, 0, 0x02); /* not removable */
        SCSI_EXPECT(&bench, 0, START_STOP, 0, 0, 0, 0x00);
        SCSI_EXPECT(&bench, 0x020402, READ_10, 0, 0, 0, 0, 0, 0, 0, 1);
        SCSI_EXPECT(&bench, 0, START_STOP, 0, 0, 0, 0x01);
        SCSI_EXPECT(&bench, 0, READ_10, 0, 0, 0, 0, 0, 0, 0, 1);
        scsi_bench_done(&bench);
}
END_TEST

START_TEST(spinning_up_takes_its_time) {
        ScsiBench bench;

        scsi_bench_init(&bench, "size=1M,spin-up-ms=1500");
        SCSI_EXPECT(&bench, 0x020401, TEST_UNIT_READY);
        scsi_bench_sleep(&bench, 1499 * NS_PER_MS);
        SCSI_EXPECT(&bench, 0x020401, TEST_UNIT_READY);
        scsi_bench_sleep(&bench, NS_PER_MS);
        SCSI_EXPECT(&bench, 0, TEST_UNIT_READY);
        scsi_bench_done(&bench);
}
END_TEST

/* How a disk stands still, and what wakes it. */
typedef struct Standing {
        const char *spec;
        uint8_t byte_4;      /* of START STOP UNIT; 0xFF: it is left alone instead */
        uint32_t tur, read;  /* what TEST UNIT READY and READ find */
        uint64_t n_spin_ups; /* after that */
} Standing;

static const Standing standings[] = {
        { "size=1M", 0x00, 0x020402, 0x020402, 0 },
        { "size=1M,stopped=start", 0x00, 0, 0, 1 },
        { "size=1M", 0x30, 0, 0, 1 },
        { "size=1M", 0x20, 0, 0, 0 },
        { "size=1M,stop-after-ms=1000", 0xFF, 0x020402, 0x020402, 0 },
        { "size=1M,stop-after-ms=1000,stopped=start", 0xFF, 0, 0, 1 },
        { "size=1M,stop-after-ms=9000", 0xFF, 0, 0, 0 },
};

START_TEST(what_stands_still_starts_by_command_or_by_itself) {
        const Standing *row = &standings[_i];
        ScsiBench bench;

        scsi_bench_init(&bench, row->spec);
        SCSI_EXPECT(&bench, 0, READ_10, 0, 0, 0, 0, 0, 0, 0, 1);
        if (row->byte_4 != 0xFF)
                SCSI_EXPECT(&bench, 0, START_STOP, 0, 0, 0, row->byte_4);
        else
                scsi_bench_sleep(&bench, 5 * NS_PER_S);
        SCSI_EXPECT(&bench, row->tur, TEST_UNIT_READY);
        SCSI_EXPECT(&bench, row->read, READ_10, 0, 0, 0, 0, 0, 0, 0, 1);
        ck_assert_uint_eq(bench.target->n_spin_ups, row->n_spin_ups);
        SCSI_EXPECT(&bench, 0, START_STOP, 0, 0, 0, 0x01);
        SCSI_EXPECT(&bench, 0, READ_10, 0, 0, 0, 0, 0, 0, 0, 1);
        scsi_bench_done(&bench);
}
END_TEST

START_TEST(starting_takes_as_long_as_spinning_up) {
        ScsiBench bench;

        scsi_bench_init(&bench, "size=1M,spin-up-ms=1500");
        scsi_bench_sleep(&bench, 1500 * NS_PER_MS);
        SCSI_EXPECT(&bench, 0, START_STOP, 0, 0, 0, 0x00);
        SCSI_EXPECT(&bench, 0, START_STOP, 0x01, 0, 0, 0x01);
        ck_assert_uint_eq(bench.command->delay_ns, 0);
        SCSI_EXPECT(&bench, 0x020401, TEST_UNIT_READY);
        scsi_bench_sleep(&bench, 1500 * NS_PER_MS);
        SCSI_EXPECT(&bench, 0, TEST_UNIT_READY);

        /* Without IMMED it is the command that takes so long. */
        SCSI_EXPECT(&bench, 0, START_STOP, 0, 0, 0, 0x00);
        SCSI_EXPECT(&bench, 0, START_STOP, 0, 0, 0, 0x01);
        ck_assert_uint_eq(bench.command->delay_ns, 1500 * NS_PER_MS);
        scsi_bench_done(&bench);
}
END_TEST

START_TEST(one_that_is_stuck_is_not_ready_before_a_reset) {
        ScsiBench bench;

        scsi_bench_init(&bench, "size=1M,faults=start-stuck");
        SCSI_EXPECT(&bench, 0, START_STOP, 0, 0, 0, 0x00);
        SCSI_EXPECT(&bench, 0, START_STOP, 0, 0, 0, 0x01);
        scsi_bench_sleep(&bench, 3600 * NS_PER_S);
        SCSI_EXPECT(&bench, 0x020401, TEST_UNIT_READY);
        simulated_target_reset(bench.target, /* loses_cache= */ true);
        scsi_bench_settle(&bench);
        SCSI_EXPECT(&bench, 0x020402, TEST_UNIT_READY);
        SCSI_EXPECT(&bench, 0, START_STOP, 0, 0, 0, 0x01);
        SCSI_EXPECT(&bench, 0, TEST_UNIT_READY);
        scsi_bench_done(&bench);
}
END_TEST

START_TEST(a_read_only_disk_refuses_what_writes) {
        static const uint8_t writing[][16] = {
                { 0x0A, 0, 0, 0, 1 },
                { 0x2A, 0, 0, 0, 0, 0, 0, 0, 1 },
                { 0xAA, 0, 0, 0, 0, 0, 0, 0, 0, 1 },
                { 0x8A, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1 },
                { 0x41, 0, 0, 0, 0, 0, 0, 0, 1 },
                { 0x93, 0x01, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1 },
                { 0x42, 0, 0, 0, 0, 0, 0, 0, 24 },
        };
        ScsiBench bench;

        scsi_bench_init(&bench, "size=1M,read-only");
        for (size_t i = 0; i < N_ELEMENTS(writing); i++)
                ck_assert_uint_eq(scsi_bench_run(&bench, 0, writing[i]), 0x072700);
        SCSI_EXPECT(&bench, 0, READ_10, 0x08, 0, 0, 0, 0, 0, 0, 1);
        SCSI_EXPECT(&bench, 0, 0x35);
        scsi_bench_done(&bench);
}
END_TEST

START_TEST(a_bad_block_ends_a_read_before_it_and_is_named) {
        ScsiBench bench;

        scsi_bench_init(&bench, "size=1M,faults=medium-error@lba=5..6");
        SCSI_EXPECT(&bench, 0x031100, READ_10, 0, 0, 0, 0, 3, 0, 0, 8);
        ck_assert_uint_eq(bench.data_size, 2 * 512);
        SCSI_EXPECT(&bench, 0, REQUEST_SENSE, 0, 0, 0, 18);
        ck_assert_uint_eq(bench.data[0], 0xF0); /* VALID */
        ck_assert_uint_eq(get_be32(bench.data + 3), 5);
        SCSI_EXPECT(&bench, 0x031100, READ_10, 0, 0, 0, 0, 6, 0, 0, 1);
        SCSI_EXPECT(&bench, 0x031100, 0x2F, 0, 0, 0, 0, 0, 0, 0, 8);
        SCSI_EXPECT(&bench, 0, READ_10, 0, 0, 0, 0, 7, 0, 0, 8);
        SCSI_EXPECT(&bench, 0, WRITE_10, 0, 0, 0, 0, 3, 0, 0, 8);
        scsi_bench_done(&bench);
}
END_TEST

START_TEST(a_bad_block_is_named_wrongly_or_not_at_all) {
        ScsiBench bench;

        scsi_bench_init(&bench, "size=1M,faults=medium-error@lba=5;information-missing@lba=3*1;"
                                "information-wrong:77");
        SCSI_EXPECT(&bench, 0x031100, READ_10, 0, 0, 0, 0, 3, 0, 0, 8);
        SCSI_EXPECT(&bench, 0, REQUEST_SENSE, 0, 0, 0, 18);
        ck_assert_uint_eq(bench.data[0], 0x70);
        SCSI_EXPECT(&bench, 0x031100, READ_10, 0, 0, 0, 0, 3, 0, 0, 8);
        SCSI_EXPECT(&bench, 0, REQUEST_SENSE, 0, 0, 0, 18);
        ck_assert_uint_eq(bench.data[0], 0xF0);
        ck_assert_uint_eq(get_be32(bench.data + 3), 77);
        scsi_bench_done(&bench);
}
END_TEST

START_TEST(a_deferred_error_comes_with_the_loss_of_what_was_cached) {
        ScsiBench bench;

        scsi_bench_init(&bench, "size=1M,faults=deferred:3/0c/00@opcode=28");
        memset(bench.data, 0xEE, 512);
        SCSI_EXPECT(&bench, 0, WRITE_10, 0, 0, 0, 0, 3, 0, 0, 1);
        SCSI_EXPECT(&bench, 0x030C00, READ_10, 0, 0, 0, 0, 3, 0, 0, 1);
        SCSI_EXPECT(&bench, 0, REQUEST_SENSE, 0, 0, 0, 18);
        ck_assert_uint_eq(bench.data[0], 0x71);
        SCSI_EXPECT(&bench, 0, READ_10, 0, 0, 0, 0, 3, 0, 0, 1);
        ck_assert_uint_eq(bench.data[0], 0);
        scsi_bench_done(&bench);
}
END_TEST

START_TEST(an_unmap_may_reach_too_far) {
        static const uint8_t list[24] = { 0, 22, 0, 16, [15] = 5, [19] = 1 };
        ScsiBench bench;

        scsi_bench_init(&bench, "size=1M,unmap=yes,faults=unmap-overreach:2");
        memset(bench.data, 0xEE, 8 * 512);
        SCSI_EXPECT(&bench, 0, WRITE_10, 0, 0, 0, 0, 2, 0, 0, 8);
        memcpy(bench.data, list, sizeof(list));
        SCSI_EXPECT(&bench, 0, 0x42, 0, 0, 0, 0, 0, 0, 0, 24);
        SCSI_EXPECT(&bench, 0, READ_10, 0, 0, 0, 0, 2, 0, 0, 8);
        for (unsigned i = 0; i < 8; i++)
                ck_assert_uint_eq(bench.data[i * 512], i >= 1 && i <= 5 ? 0 : 0xEE);
        scsi_bench_done(&bench);
}
END_TEST

START_TEST(a_bad_block_stops_a_write_there) {
        ScsiBench bench;

        scsi_bench_init(&bench, "size=1M,faults=write-error@lba=5*1");
        memset(bench.data, 0xEE, 4 * 512);
        SCSI_EXPECT(&bench, 0x030C00, WRITE_10, 0, 0, 0, 0, 3, 0, 0, 4);
        ck_assert_uint_eq(bench.command->sense.information, 5);
        SCSI_EXPECT(&bench, 0, READ_10, 0, 0, 0, 0, 3, 0, 0, 4);
        ck_assert_uint_eq(bench.data[2 * 512 - 1], 0xEE);
        ck_assert_uint_eq(bench.data[2 * 512], 0x00);
        scsi_bench_done(&bench);
}
END_TEST

/* A plan, and what three TEST UNIT READYs give under it. */
typedef struct DeviceFault {
        const char *plan;
        uint32_t senses[3];
} DeviceFault;

static const DeviceFault device_faults[] = {
        { "sense:4/44/00@nth=2", { 0, 0x044400, 0 } },
        { "sense:0/00/00*2", { 0x000000, 0x000000, 0 } },
        { "unit-attention:2a/09@nth=2", { 0, 0x062A09, 0 } },
        { "medium-change@nth=1", { 0x062800, 0, 0 } },
        { "reset@nth=3", { 0, 0, 0x062900 } },
        { "not-ready:1000@nth=2", { 0, 0x020401, 0x020401 } },
        { "sense:2/04/04@opcode=1b*always", { 0, 0, 0 } },
};

START_TEST(a_device_fault_is_felt_by_the_command_that_it_is_planned_for) {
        const DeviceFault *fault = &device_faults[_i];
        ScsiBench bench;
        char *error;

        scsi_bench_init(&bench, "size=1M");
        ck_assert_int_eq(
                        simulator_fault_plan_parse(&bench.target->spec.faults, fault->plan, &error),
                        0);
        for (size_t i = 0; i < N_ELEMENTS(fault->senses); i++)
                SCSI_EXPECT(&bench, fault->senses[i], TEST_UNIT_READY);
        scsi_bench_done(&bench);
}
END_TEST

START_TEST(a_device_that_resets_itself_forgets_what_it_cached) {
        ScsiBench bench;

        scsi_bench_init(&bench, "size=1M,faults=reset@nth=2");
        memset(bench.data, 0xEE, 512);
        SCSI_EXPECT(&bench, 0, WRITE_10, 0, 0, 0, 0, 0, 0, 0, 1);
        SCSI_EXPECT(&bench, 0x062900, TEST_UNIT_READY);
        SCSI_EXPECT(&bench, 0, READ_10, 0, 0, 0, 0, 0, 0, 0, 1);
        ck_assert_uint_eq(bench.data[0], 0x00);
        ck_assert_uint_eq(bench.target->n_cache_losses, 1);
        scsi_bench_done(&bench);
}
END_TEST

int main(void) {
        const TTest *const tests[] = {
                every_opcode_that_is_unknown_is_refused,
                power_on_is_reported_once_and_not_by_inquiry,
                request_sense_tells_the_last_failure_once,
                sense_is_lost_with_the_next_command,
                request_sense_takes_a_pending_attention,
                a_lun_that_is_not_there_answers_only_who_asks_what_it_is,
                a_medium_is_taken_out_and_changed,
                an_ejected_disk_comes_back_with_start,
                a_stopped_disk_wants_to_be_started,
                spinning_up_takes_its_time,
                starting_takes_as_long_as_spinning_up,
                one_that_is_stuck_is_not_ready_before_a_reset,
                a_read_only_disk_refuses_what_writes,
                a_bad_block_ends_a_read_before_it_and_is_named,
                a_bad_block_stops_a_write_there,
                a_bad_block_is_named_wrongly_or_not_at_all,
                a_deferred_error_comes_with_the_loss_of_what_was_cached,
                an_unmap_may_reach_too_far,
                a_device_that_resets_itself_forgets_what_it_cached,
                NULL,
        };
        Suite *suite = suite_of("simulated_command", tests);
        TCase *tcase = tcase_create("simulated_command, tables");

        tcase_add_loop_test(tcase, a_device_fault_is_felt_by_the_command_that_it_is_planned_for, 0,
                            (int) N_ELEMENTS(device_faults));
        tcase_add_loop_test(tcase, what_stands_still_starts_by_command_or_by_itself, 0,
                            (int) N_ELEMENTS(standings));
        suite_add_tcase(suite, tcase);
        return run_suite(suite);
}
