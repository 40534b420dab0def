/* Bulk-Only Transport from the wire: the thirteen cases, what is no CBW, and every fault. */

#include <string.h>

#include "../base/unit_test.h"
#include "base/bytes.h"
#include "usb_bench.h"

/* High speed, so that a packet has the size of a block. */
#define DISK "size=1M,speed=high,link=ideal"

#define READY                   \
        {                       \
                .cdb = { 0x00 } \
        }
#define READY_OF(n, in) \
        { .cdb = { 0x00 }, .size = (n), .is_in = (in) }
#define READ(blocks, n) \
        { .cdb = { 0x28, 0, 0, 0, 0, 0, 0, 0, (blocks) }, .size = (n), .is_in = true }
#define WRITE(blocks, n) \
        { .cdb = { 0x2A, 0, 0, 0, 0, 0, 0, 0, (blocks) }, .size = (n) }
#define INQUIRY(n) \
        { .cdb = { 0x12, 0, 0, 0, 36 }, .size = (n), .is_in = true }
#define READ_BEYOND(n) \
        { .cdb = { 0x28, 0, 0xFF, 0, 0, 0, 0, 0, 1 }, .size = (n), .is_in = true }
#define WRITE_BEYOND(n) \
        { .cdb = { 0x2A, 0, 0xFF, 0, 0, 0, 0, 0, 1 }, .size = (n) }
#define BACKWARDS(command, n, in) \
        { .cdb = { command, 0, 0, 0, 0, 0, 0, 0, 1 }, .size = (n), .is_in = (in) }

#define OF_NO_DATA "cbw ok 31 | csw ok 13 | "
#define OF(n) "cbw ok 31 | data ok " #n " | csw ok 13 | "
#define STALLED_AFTER(n) "cbw ok 31 | data stall " #n " | csw ok 13 | "

typedef struct Case {
        const char *name;
        const char *spec;
        UsbBenchCommand command;
        const char *trace;
} Case;

static const Case cases[] = {
        /* BOT 6.7, figure 6-1, with a device that stalls. */
        { "1 Hn = Dn", "", READY, OF_NO_DATA "passed 0" },
        { "2 Hn < Di", "", READ(1, 0), OF_NO_DATA "phase error 0" },
        { "3 Hn < Do", "", WRITE(1, 0), OF_NO_DATA "phase error 0" },
        { "4 Hi > Dn", "", READY_OF(512, true), STALLED_AFTER(0) "passed 512" },
        { "5 Hi > Di", "", READ(1, 1024), STALLED_AFTER(512) "passed 512" },
        { "5 Hi > Di, a short packet", "", INQUIRY(512),
          "cbw ok 31 | data ok 36 | csw stall 0 | csw ok 13 | passed 476" },
        { "6 Hi = Di", "", READ(2, 1024), OF(1024) "passed 0" },
        { "7 Hi < Di", "", READ(2, 512), OF(512) "phase error 0" },
        { "8 Hi <> Do", "", BACKWARDS(0x2A, 512, true), STALLED_AFTER(0) "phase error 512" },
        { "9 Ho > Dn", "", READY_OF(512, false), STALLED_AFTER(0) "passed 512" },
        { "10 Ho <> Di", "", BACKWARDS(0x28, 512, false), STALLED_AFTER(0) "phase error 512" },
        { "11 Ho > Do", "", WRITE(1, 1024), STALLED_AFTER(512) "passed 512" },
        { "12 Ho = Do", "", WRITE(2, 1024), OF(1024) "passed 0" },
        { "13 Ho < Do", "", WRITE(2, 512), STALLED_AFTER(0) "phase error 512" },
        { "in, failed", "", READ_BEYOND(512), STALLED_AFTER(0) "failed 512" },
        { "out, failed", "", WRITE_BEYOND(512), STALLED_AFTER(0) "failed 512" },

        /* With a device that never stalls. */
        { "4 Hi > Dn", ",short-data=short", READY_OF(512, true), OF(0) "passed 512" },
        { "5 Hi > Di", ",short-data=short", READ(1, 1024), OF(512) "passed 512" },
        { "5 Hi > Di", ",short-data=short", INQUIRY(512), OF(36) "passed 476" },
        { "8 Hi <> Do", ",short-data=short", BACKWARDS(0x2A, 512, true), OF(0) "phase error 512" },
        { "9 Ho > Dn", ",short-data=short", READY_OF(512, false), OF(512) "passed 512" },
        { "11 Ho > Do", ",short-data=short", WRITE(1, 1024), OF(1024) "passed 512" },
        { "13 Ho < Do", ",short-data=short", WRITE(2, 512), OF(512) "phase error 512" },
        { "out, failed", ",short-data=short", WRITE_BEYOND(512), OF(512) "failed 512" },

        /* With one that fills up. */
        { "4 Hi > Dn", ",short-data=pad", READY_OF(512, true), OF(512) "passed 512" },
        { "5 Hi > Di", ",short-data=pad", INQUIRY(512), OF(512) "passed 476" },
        { "in, failed", ",short-data=pad", READ_BEYOND(512), OF(512) "failed 512" },
};

static void init_ready(UsbBench *bench, const char *more) {
        char spec[128];

        snprintf(spec, sizeof(spec), "%s%s", DISK, more);
        usb_bench_init(bench, spec);
        ck_assert(usb_bench_settle(bench));
}

START_TEST(each_of_the_thirteen_cases_ends_as_specified) {
        const Case *row = &cases[_i];
        UsbBench bench;

        init_ready(&bench, row->spec);
        const char *trace = usb_bench_command(&bench, &row->command, USB_BENCH_PHASE_BY_PHASE);
        ck_assert_msg(strcmp(trace, row->trace) == 0, "%s%s:\n%s, but not\n%s", row->name,
                      row->spec, trace, row->trace);
        ck_assert(usb_bench_settle(&bench));
        usb_bench_done(&bench);
}
END_TEST

static const Case pipelined[] = {
        { "no data", "", READY, OF_NO_DATA "passed 0" },
        { "read", "", READ(2, 1024), OF(1024) "passed 0" },
        { "write", "", WRITE(2, 1024), OF(1024) "passed 0" },
        { "a halted pipe refuses what is queued behind", "", READ_BEYOND(512),
          "cbw ok 31 | data stall 0 | csw stall 0" },
        { "the other pipe goes on", "", WRITE_BEYOND(512), STALLED_AFTER(0) "failed 512" },
        { "a short packet", ",short-data=short", INQUIRY(512), OF(36) "passed 476" },
        { "QEMU refuses what is early", ",pipelining=no", READ(1, 512),
          "cbw ok 31 | data stall 0 | csw stall 0" },
        { "QEMU refuses what is early", ",pipelining=no", READY, "cbw ok 31 | csw stall 0" },
};

START_TEST(phases_that_are_queued_together_are_matched_in_order) {
        const Case *row = &pipelined[_i];
        UsbBench bench;

        init_ready(&bench, row->spec);
        const char *trace = usb_bench_command(&bench, &row->command, USB_BENCH_PIPELINED);
        ck_assert_msg(strcmp(trace, row->trace) == 0, "%s:\n%s, but not\n%s", row->name, trace,
                      row->trace);
        usb_bench_done(&bench);
}
END_TEST

START_TEST(a_data_phase_may_be_cut_into_transfers) {
        UsbBench bench;

        init_ready(&bench, "");
        for (size_t i = 0; i < 2048; i++)
                bench.data[i] = (uint8_t) (i * 7);
        usb_bench_command(&bench, &(UsbBenchCommand) WRITE(4, 2048), USB_BENCH_PHASE_BY_PHASE);
        memset(bench.data, 0, 2048);

        uint8_t cbw[31] = { 'U',  'S', 'B', 'C',  1, 0, 0, 0, 0, 8, 0, 0,
                            0x80, 0,   10,  0x28, 0, 0, 0, 0, 0, 0, 0, 4 };
        ck_assert_int_eq(usb_bench_submit(&bench, 0, USB_BENCH_OUT, cbw, sizeof(cbw)), 0);
        for (size_t i = 0; i < 4; i++)
                ck_assert_int_eq(usb_bench_submit(&bench, 1 + i, USB_BENCH_IN, bench.data + 512 * i,
                                                  512),
                                 0);
        ck_assert_int_eq(usb_bench_submit(&bench, 5, USB_BENCH_IN, bench.csw, 13), 0);
        usb_bench_run(&bench);
        for (size_t i = 1; i < 5; i++)
                ck_assert_uint_eq(bench.transfers[i].actual_size, 512);
        ck_assert_uint_eq(bench.transfers[5].actual_size, 13);
        for (size_t i = 0; i < 2048; i++)
                ck_assert_uint_eq(bench.data[i], (uint8_t) (i * 7));
        usb_bench_done(&bench);
}
END_TEST

START_TEST(a_device_that_does_not_bear_pipelining_refuses_a_cbw_before_the_csw) {
        uint8_t cbw[31] = { 'U', 'S', 'B', 'C', 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 6 };
        static const UsbResult results[] = { USB_RESULT_TIMED_OUT, USB_RESULT_STALL };
        UsbBench bench;
        size_t size;

        init_ready(&bench, _i == 0 ? "" : ",pipelining=no");
        ck_assert_int_eq(usb_bench_transfer(&bench, USB_BENCH_OUT, cbw, 31, &size), USB_RESULT_OK);
        ck_assert_int_eq(usb_bench_transfer(&bench, USB_BENCH_OUT, cbw, 31, &size), results[_i]);
        usb_bench_done(&bench);
}
END_TEST

START_TEST(a_transfer_that_ends_within_a_packet_is_overrun) {
        uint8_t cbw[31] = { 'U',  'S', 'B', 'C',  1, 0, 0, 0, 0, 8, 0, 0,
                            0x80, 0,   10,  0x28, 0, 0, 0, 0, 0, 0, 0, 4 };
        UsbBench bench;
        size_t size;

        init_ready(&bench, "");
        ck_assert_int_eq(usb_bench_transfer(&bench, USB_BENCH_OUT, cbw, 31, &size), USB_RESULT_OK);
        ck_assert_int_eq(usb_bench_transfer(&bench, USB_BENCH_IN, bench.data, 600, &size),
                         USB_RESULT_OVERFLOW);
        ck_assert_uint_eq(size, 512);
        ck_assert_int_eq(usb_bench_transfer(&bench, USB_BENCH_IN, bench.data, 1536, &size),
                         USB_RESULT_OK);
        ck_assert_uint_eq(size, 1536);
        ck_assert_int_eq(usb_bench_transfer(&bench, USB_BENCH_IN, bench.csw, 13, &size),
                         USB_RESULT_OK);
        usb_bench_done(&bench);
}
END_TEST

/* A change to a good CBW that makes it none (BOT 6.2). */
typedef struct BadCbw {
        size_t size;
        size_t offset;
        uint8_t byte;
} BadCbw;

static const BadCbw bad_cbws[] = {
        { 31, 0, 'X' },   /* the signature */
        { 30, 0, 'U' },   /* too short */
        { 32, 0, 'U' },   /* too long */
        { 0, 0, 'U' },    /* nothing */
        { 31, 12, 0x01 }, /* reserved flags */
        { 31, 13, 0x10 }, /* reserved bits of the LUN */
        { 31, 14, 0 },    /* no command */
        { 31, 14, 17 },   /* too long a command */
};

START_TEST(what_is_no_cbw_stalls_both_pipes_until_reset_recovery) {
        uint8_t cbw[32] = { 'U', 'S', 'B', 'C', 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 6 };
        const BadCbw *bad = &bad_cbws[_i];
        UsbBench bench;
        size_t size;

        init_ready(&bench, "");
        cbw[bad->offset] = bad->byte;
        usb_bench_transfer(&bench, USB_BENCH_OUT, cbw, bad->size, &size);
        ck_assert_int_eq(usb_bench_transfer(&bench, USB_BENCH_IN, bench.csw, 13, &size),
                         USB_RESULT_STALL);
        ck_assert_int_eq(usb_bench_transfer(&bench, USB_BENCH_OUT, cbw, 31, &size),
                         USB_RESULT_STALL);

        /* Halts alone come back: BOT 6.6.1. */
        usb_bench_operate(&bench, USB_OPERATION_CLEAR_HALT, USB_BENCH_IN);
        usb_bench_operate(&bench, USB_OPERATION_CLEAR_HALT, USB_BENCH_OUT);
        ck_assert(!usb_bench_settle(&bench));
        ck_assert(usb_bench_recover(&bench));
        ck_assert(usb_bench_settle(&bench));
        ck_assert_uint_eq(simulated_device_get_counters(bench.device)->n_cbws_refused, 1);
        usb_bench_done(&bench);
}
END_TEST

START_TEST(a_class_reset_keeps_the_halts) {
        UsbBench bench;
        size_t size;

        init_ready(&bench, "");
        uint8_t cbw[31] = { 0 };
        usb_bench_transfer(&bench, USB_BENCH_OUT, cbw, 31, &size);
        usb_bench_transfer(&bench, USB_BENCH_IN, bench.csw, 13, &size);
        ck_assert_int_eq(usb_bench_control(&bench, 0x21, 0xFF, 0, 0, NULL, 0, NULL), USB_RESULT_OK);
        ck_assert_int_eq(usb_bench_transfer(&bench, USB_BENCH_IN, bench.csw, 13, &size),
                         USB_RESULT_STALL);
        usb_bench_operate(&bench, USB_OPERATION_CLEAR_HALT, USB_BENCH_IN);
        ck_assert(usb_bench_settle(&bench));
        usb_bench_done(&bench);
}
END_TEST

/* How a device is brought back. */
typedef enum Cure {
        CURE_NONE,        /* it is well */
        CURE_CLASS_RESET, /* Reset Recovery */
        CURE_PORT_RESET,
        CURE_IMPOSSIBLE,
} Cure;

typedef struct FaultCase {
        const char *plan;
        UsbBenchCommand command;
        const char *trace;
        Cure cure;
} FaultCase;

static const FaultCase fault_cases[] = {
        { "stall:command", READ(1, 512), "cbw stall 0", CURE_CLASS_RESET },
        { "stall:data", READ(1, 512), STALLED_AFTER(0) "passed 512", CURE_NONE },
        { "stall:data", WRITE(1, 512), STALLED_AFTER(0) "passed 512", CURE_NONE },
        { "stall:data", READY, OF_NO_DATA "passed 0", CURE_NONE },
        { "stall:status", READ(1, 512),
          "cbw ok 31 | data ok 512 | csw stall 0 | csw ok 13 | passed 0", CURE_NONE },
        { "hang:command", READ(1, 512), "cbw timed out 0", CURE_CLASS_RESET },
        { "hang:data", READ(1, 512), "cbw ok 31 | data timed out 0", CURE_CLASS_RESET },
        { "hang:data", WRITE(1, 512), "cbw ok 31 | data timed out 0", CURE_CLASS_RESET },
        { "hang:status", READ(1, 512), "cbw ok 31 | data ok 512 | csw timed out 0",
          CURE_CLASS_RESET },
        { "freeze:command", READY, "cbw timed out 0", CURE_PORT_RESET },
        { "freeze:data", READ(1, 512), "cbw ok 31 | data timed out 0", CURE_PORT_RESET },
        { "freeze:status", READY, "cbw ok 31 | csw timed out 0", CURE_PORT_RESET },
        { "disconnect:command", READY, "cbw gone 0", CURE_IMPOSSIBLE },
        { "disconnect:data", READ(1, 512), "cbw ok 31 | data gone 0", CURE_IMPOSSIBLE },
        { "disconnect:data", WRITE(1, 512), "cbw ok 31 | data gone 0", CURE_IMPOSSIBLE },
        { "disconnect:status", READY, "cbw ok 31 | csw gone 0", CURE_IMPOSSIBLE },
        { "wire-error:command", READY, "cbw error 0", CURE_CLASS_RESET },
        { "wire-error:data", READ(1, 512), "cbw ok 31 | data error 0", CURE_CLASS_RESET },
        { "wire-error:data", WRITE(1, 512), "cbw ok 31 | data error 0", CURE_CLASS_RESET },
        { "wire-error:status", READY, "cbw ok 31 | csw error 0", CURE_CLASS_RESET },
        { "short-data", READ(2, 1024), STALLED_AFTER(512) "passed 512", CURE_NONE },
        { "short-data:100", READ(1, 512),
          "cbw ok 31 | data ok 412 | csw stall 0 | csw ok 13 | passed 100", CURE_NONE },
        { "short-data:9999", READ(1, 512), STALLED_AFTER(0) "passed 512", CURE_NONE },
        { "short-data", WRITE(2, 1024), STALLED_AFTER(512) "passed 512", CURE_NONE },
        { "short-data-untold", READ(2, 1024), STALLED_AFTER(512) "passed 0", CURE_NONE },
        { "babble", READ(1, 512), "cbw ok 31 | data overflow 512 | csw ok 13 | passed 0",
          CURE_NONE },
        { "data-skipped", READ(1, 512), "cbw ok 31 | data ok 13 | csw timed out 0",
          CURE_CLASS_RESET },
        { "data-skipped", WRITE(1, 512), STALLED_AFTER(0) "passed 512", CURE_NONE },
        { "zero-packet", READ(1, 512), "cbw ok 31 | data ok 512 | csw ok 0 | csw ok 13 | passed 0",
          CURE_NONE },
        { "zero-packet", READY, "cbw ok 31 | csw ok 0 | csw ok 13 | passed 0", CURE_NONE },
        { "csw-missing", READ(1, 512), "cbw ok 31 | data ok 512 | csw timed out 0",
          CURE_CLASS_RESET },
        { "csw-tag", READY, OF_NO_DATA "wrong tag | passed 0", CURE_NONE },
        { "csw-signature", READY, OF_NO_DATA "wrong signature | passed 0", CURE_NONE },
        { "csw-status", READY, OF_NO_DATA "status 03 0", CURE_NONE },
        { "csw-status:1", READ(1, 512), OF(512) "failed 0", CURE_NONE },
        { "csw-status:ff", READY, OF_NO_DATA "status ff 0", CURE_NONE },
        { "csw-size", READY, "cbw ok 31 | csw ok 12", CURE_NONE },
        { "csw-size:1", READY, "cbw ok 31 | csw ok 1", CURE_NONE },
        { "phase-error", READ(1, 512), OF(512) "phase error 0", CURE_NONE },
        { "residue", READ(1, 512), OF(512) "passed 512", CURE_NONE },
        { "residue:7", READY, OF_NO_DATA "passed 7", CURE_NONE },
        { "medium-error@lba=1", READ(3, 1536), STALLED_AFTER(512) "failed 1024", CURE_NONE },
        { "write-error@lba=1", WRITE(3, 1536), OF(1536) "failed 0", CURE_NONE },
        { "sense:4/44/00", READ(1, 512), STALLED_AFTER(0) "failed 512", CURE_NONE },
        { "unit-attention:28/00", READY, OF_NO_DATA "failed 0", CURE_NONE },
        { "not-ready:1", READY, OF_NO_DATA "failed 0", CURE_NONE },
        { "slow:500", READ(1, 512), OF(512) "passed 0", CURE_NONE },
        { "slow:20000", READ(1, 512), "cbw ok 31 | data timed out 0", CURE_CLASS_RESET },
        { "reset", READY, OF_NO_DATA "failed 0", CURE_NONE },
        { "medium-change", READY, OF_NO_DATA "failed 0", CURE_NONE },
};

static void cure(UsbBench *bench, const FaultCase *row) {
        switch (row->cure) {
        case CURE_NONE:
                break;
        case CURE_CLASS_RESET:
                ck_assert(usb_bench_recover(bench));
                break;
        case CURE_PORT_RESET:
                ck_assert(!usb_bench_recover(bench));
                ck_assert_int_eq(usb_bench_operate(bench, USB_OPERATION_RESET, 0), USB_RESULT_OK);
                break;
        case CURE_IMPOSSIBLE:
                ck_assert(usb_device_is_gone(bench->device));
                ck_assert_int_eq(usb_bench_operate(bench, USB_OPERATION_RESET, 0), USB_RESULT_GONE);
                return;
        }
        simulated_device_clear_faults(bench->device);
        ck_assert(usb_bench_settle(bench));
}

START_TEST(each_fault_shows_on_the_wire_and_has_its_cure) {
        const FaultCase *row = &fault_cases[_i];
        UsbBench bench;

        init_ready(&bench, "");
        usb_bench_add_faults(&bench, row->plan);
        const char *trace = usb_bench_command(&bench, &row->command, USB_BENCH_PHASE_BY_PHASE);
        ck_assert_msg(strcmp(trace, row->trace) == 0, "%s:\n%s, but not\n%s", row->plan, trace,
                      row->trace);
        cure(&bench, row);
        usb_bench_done(&bench);
}
END_TEST

START_TEST(a_slow_command_takes_its_time_and_no_more) {
        UsbBench bench;

        init_ready(&bench, "");
        usb_bench_add_faults(&bench, "slow:500*2");
        for (int i = 0; i < 2; i++) {
                uint64_t start_ns = event_loop_now_ns(bench.loop);

                usb_bench_command(&bench, &(UsbBenchCommand) READ(1, 512), USB_BENCH_PIPELINED);
                ck_assert_uint_eq(event_loop_now_ns(bench.loop) - start_ns, 500 * NS_PER_MS);
        }
        uint64_t start_ns = event_loop_now_ns(bench.loop);
        usb_bench_command(&bench, &(UsbBenchCommand) READ(1, 512), USB_BENCH_PIPELINED);
        ck_assert_uint_eq(event_loop_now_ns(bench.loop), start_ns);
        usb_bench_done(&bench);
}
END_TEST

START_TEST(a_data_phase_that_is_skipped_gives_the_csw_in_its_place) {
        UsbBench bench;

        init_ready(&bench, "");
        usb_bench_add_faults(&bench, "data-skipped");
        usb_bench_command(&bench, &(UsbBenchCommand) READ(1, 512), USB_BENCH_PHASE_BY_PHASE);
        ck_assert_mem_eq(bench.data, "USBS", 4);
        ck_assert_uint_eq(get_le32(bench.data + 4), bench.tag);
        ck_assert_uint_eq(get_le32(bench.data + 8), 512);
        usb_bench_done(&bench);
}
END_TEST

START_TEST(luns_are_addressed_by_the_cbw) {
        UsbBenchCommand inquiry = INQUIRY(36);
        UsbBench bench;

        init_ready(&bench, ",luns=3");
        inquiry.lun = 2;
        usb_bench_command(&bench, &inquiry, USB_BENCH_PHASE_BY_PHASE);
        ck_assert_uint_eq(bench.data[0], 0x00);
        inquiry.lun = 3;
        usb_bench_command(&bench, &inquiry, USB_BENCH_PHASE_BY_PHASE);
        ck_assert_uint_eq(bench.data[0], 0x7F);
        usb_bench_done(&bench);
}
END_TEST

int main(void) {
        const TTest *const tests[] = {
                a_data_phase_may_be_cut_into_transfers,
                a_transfer_that_ends_within_a_packet_is_overrun,
                a_class_reset_keeps_the_halts,
                a_slow_command_takes_its_time_and_no_more,
                a_data_phase_that_is_skipped_gives_the_csw_in_its_place,
                luns_are_addressed_by_the_cbw,
                NULL,
        };
        Suite *suite = suite_of("simulated_bot", tests);
        TCase *tcase = tcase_create("simulated_bot, tables");

        tcase_add_loop_test(tcase, each_of_the_thirteen_cases_ends_as_specified, 0,
                            (int) N_ELEMENTS(cases));
        tcase_add_loop_test(tcase, phases_that_are_queued_together_are_matched_in_order, 0,
                            (int) N_ELEMENTS(pipelined));
        tcase_add_loop_test(tcase,
                            a_device_that_does_not_bear_pipelining_refuses_a_cbw_before_the_csw, 0,
                            2);
        tcase_add_loop_test(tcase, what_is_no_cbw_stalls_both_pipes_until_reset_recovery, 0,
                            (int) N_ELEMENTS(bad_cbws));
        tcase_add_loop_test(tcase, each_fault_shows_on_the_wire_and_has_its_cure, 0,
                            (int) N_ELEMENTS(fault_cases));
        suite_add_tcase(suite, tcase);
        return run_suite(suite);
}
