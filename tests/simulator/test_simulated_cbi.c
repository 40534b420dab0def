/*
 * Control/Bulk/Interrupt as CBI 1.1 has it, seen by a host that follows each command to its status
 * and writes down what came.
 */

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "../base/unit_test.h"
#include "usb_bench.h"

#define SCSI "size=64K,link=ideal,transport=cbi"
#define UFI SCSI ",command-set=ufi"
#define CB "size=64K,link=ideal,transport=cb,command-set=8070"
#define READY \
        { 0x00 }
#define SENSE \
        { 0x03, 0, 0, 0, 18 }
#define INQUIRY \
        { 0x12, 0, 0, 0, 36 }
#define READ \
        { 0x28, 0, 0, 0, 0, 0, 0, 0, 2 }
#define READ_BEYOND \
        { 0x28, 0, 0, 0, 0xFF, 0, 0, 0, 2 }
#define WRITE \
        { 0x2A, 0, 0, 0, 0, 0, 0, 0, 2 }
#define MODES \
        { 0x5A, 0, 0x3F, 0, 0, 0, 0, 0, 192 }
#define SYNC \
        { 0x35 }

typedef struct CbiCase {
        const char *spec;
        const char *faults;
        uint8_t command[12];
        size_t size;
        bool is_in;
        const char *trace;
} CbiCase;

/* Each after the unit attention of power-on was told. */
static const CbiCase cases[] = {
        { SCSI, NULL, READY, 0, false, "adsc ok | status ok 00 00" },
        { SCSI, NULL, INQUIRY, 36, true, "adsc ok | data ok 36 | status ok 00 00" },
        { SCSI, NULL, READ, 1024, true, "adsc ok | data ok 1024 | status ok 00 00" },
        { SCSI, NULL, WRITE, 1024, false, "adsc ok | data ok 1024 | status ok 00 00" },
        { SCSI, NULL, MODES, 192, true, "adsc ok | data ok 48 | status ok 00 00" },
        { SCSI, NULL, READ_BEYOND, 1024, true, "adsc ok | data stall 0 | status ok 00 01" },
        { SCSI, NULL, WRITE, 2048, false, "adsc ok | data stall 1024 | status ok 00 00" },
        { SCSI, NULL, { 0xFF }, 0, false, "adsc ok | status ok 00 01" },
        { SCSI, "stall:command", READ, 1024, true, "adsc stall" },
        { SCSI, "hang:command", READ, 1024, true, "adsc timed out" },
        { SCSI, "wire-error:command", READ, 1024, true, "adsc error" },
        { SCSI, "disconnect:command", READ, 1024, true, "adsc gone" },
        { SCSI, "stall:data", READ, 1024, true, "adsc ok | data stall 0 | status ok 00 00" },
        { SCSI, "hang:data", READ, 1024, true, "adsc ok | data timed out 0" },
        { SCSI, "babble", READ, 1024, true, "adsc ok | data overflow 1024 | status ok 00 00" },
        { SCSI, "short-data", READ, 1024, true, "adsc ok | data ok 512 | status ok 00 00" },
        { SCSI, "short-data", WRITE, 1024, false, "adsc ok | data stall 512 | status ok 00 00" },
        { SCSI, "data-skipped", READ, 1024, true, "adsc ok | data ok 0 | status ok 00 00" },
        { SCSI, "stall:status", READY, 0, false, "adsc ok | status stall" },
        { SCSI, "hang:status", READY, 0, false, "adsc ok | status timed out" },
        { SCSI, "csw-missing", READY, 0, false, "adsc ok | status timed out" },
        { SCSI, "zero-packet", READY, 0, false, "adsc ok | status ok" },
        { SCSI, "csw-size:1", READY, 0, false, "adsc ok | status ok 00" },
        { SCSI, "csw-status", READY, 0, false, "adsc ok | status ok 00 03" },
        { SCSI, "csw-signature", READY, 0, false, "adsc ok | status ok ff 00" },
        { SCSI, "phase-error", READY, 0, false, "adsc ok | status ok 00 02" },
        { SCSI, "sense:3/11/05", READY, 0, false, "adsc ok | status ok 00 01" },
        { UFI, NULL, READY, 0, false, "adsc ok | status ok 00 00" },
        { UFI, NULL, INQUIRY, 36, true, "adsc ok | data ok 36 | status ok 00 00" },
        { UFI, NULL, MODES, 192, true, "adsc ok | data ok 40 | status ok 00 00" },
        { UFI, NULL, SYNC, 0, false, "adsc ok | status ok 20 00" },
        { UFI, "sense:3/11/05", READY, 0, false, "adsc ok | status ok 11 05" },
        { UFI, "sense:3/00/05", READY, 0, false, "adsc ok | status ok 00 05" },
        { UFI, "csw-status", READY, 0, false, "adsc ok | status ok 03 00" },
        { CB, NULL, READY, 0, false, "adsc ok" },
        { CB, NULL, READ, 1024, true, "adsc ok | data ok 1024" },
        { CB, NULL, WRITE, 1024, false, "adsc ok | data ok 1024" },
        { CB, NULL, READ_BEYOND, 1024, true, "adsc ok | data stall 0" },
        { CB, "sense:3/11/05", READY, 0, false, "adsc ok" },
        { CB, "stall:command", READY, 0, false, "adsc stall" },
        { CB, "slow:20000", READY, 0, false, "adsc timed out" },
        { CB, "slow:5000", READY, 0, false, "adsc ok" },
};

static void trace(UsbBench *bench, const char *format, ...) {
        size_t size = strlen(bench->trace);
        va_list arguments;

        va_start(arguments, format);
        vsnprintf(bench->trace + size, sizeof(bench->trace) - size, format, arguments);
        va_end(arguments);
}

static UsbResult send(UsbBench *bench, const uint8_t *command, size_t size) {
        uint8_t block[16];

        memcpy(block, command, size);
        return usb_bench_control(bench, 0x21, 0x00, 0, 0, block, size, NULL);
}

static bool move(UsbBench *bench, size_t size, bool is_in) {
        uint8_t endpoint = is_in ? USB_BENCH_IN : USB_BENCH_OUT;
        size_t actual_size;
        UsbResult result = usb_bench_transfer(bench, endpoint, bench->data, size, &actual_size);

        trace(bench, " | data %s %zu", usb_result_to_string(result), actual_size);
        if (result == USB_RESULT_STALL)
                usb_bench_operate(bench, USB_OPERATION_CLEAR_HALT, endpoint);
        return result == USB_RESULT_OK || result == USB_RESULT_STALL ||
               result == USB_RESULT_OVERFLOW;
}

static void fetch_status(UsbBench *bench) {
        uint8_t status[2];
        size_t actual_size;
        UsbResult result = usb_bench_transfer(bench, USB_BENCH_INTERRUPT, status, sizeof(status),
                                              &actual_size);

        trace(bench, " | status %s", usb_result_to_string(result));
        for (size_t i = 0; i < actual_size; i++)
                trace(bench, " %02x", status[i]);
}

static const char *run(UsbBench *bench, const uint8_t *command, size_t size, bool is_in,
                       bool has_interrupt) {
        UsbResult result = send(bench, command, 12);

        bench->trace[0] = 0;
        trace(bench, "adsc %s", usb_result_to_string(result));
        if (result != USB_RESULT_OK || (size > 0 && !move(bench, size, is_in)) || !has_interrupt)
                return bench->trace;
        fetch_status(bench);
        return bench->trace;
}

static bool has_interrupt(const char *spec) { return strcmp(spec, CB) != 0; }

static void init(UsbBench *bench, const char *spec) {
        static const uint8_t ready[12] = READY;

        usb_bench_init(bench, spec);
        run(bench, ready, 0, false, has_interrupt(spec));
}

START_TEST(a_command_goes_its_way_to_its_status) {
        const CbiCase *test = &cases[_i];
        UsbBench bench;

        init(&bench, test->spec);
        if (test->faults)
                usb_bench_add_faults(&bench, test->faults);
        ck_assert_str_eq(run(&bench, test->command, test->size, test->is_in,
                             has_interrupt(test->spec)),
                         test->trace);
        usb_bench_done(&bench);
}
END_TEST

START_TEST(power_on_is_told_by_the_interrupt) {
        static const uint8_t ready[12] = READY, sense[12] = SENSE;
        UsbBench bench;

        usb_bench_init(&bench, UFI);
        ck_assert_str_eq(run(&bench, ready, 0, false, true), "adsc ok | status ok 29 00");
        /* It repeats what the data says, and is no failure of this command. */
        ck_assert_str_eq(run(&bench, sense, 18, true, true),
                         "adsc ok | data ok 18 | status ok 29 00");
        ck_assert_uint_eq(bench.data[2], 0x06);
        ck_assert_uint_eq(bench.data[12], 0x29);
        ck_assert_str_eq(run(&bench, ready, 0, false, true), "adsc ok | status ok 00 00");
        usb_bench_done(&bench);
}
END_TEST

START_TEST(without_an_interrupt_only_the_sense_tells) {
        static const uint8_t ready[12] = READY, sense[12] = SENSE;
        UsbBench bench;

        init(&bench, CB);
        usb_bench_add_faults(&bench, "sense:3/11/05");
        ck_assert_str_eq(run(&bench, ready, 0, false, false), "adsc ok");
        ck_assert_str_eq(run(&bench, sense, 18, true, false), "adsc ok | data ok 18");
        ck_assert_uint_eq(bench.data[2], 0x03);
        ck_assert_uint_eq(bench.data[13], 0x05);
        usb_bench_done(&bench);
}
END_TEST

START_TEST(command_block_reset_ends_a_hang) {
        static const uint8_t ready[12] = READY;
        static const uint8_t reset[12] = { 0x1D, 0x04, 0xFF, 0xFF, 0xFF, 0xFF,
                                           0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF };
        const char *spec = _i == 0 ? UFI : CB;
        UsbBench bench;

        init(&bench, spec);
        usb_bench_add_faults(&bench, "hang:command");
        ck_assert_str_eq(run(&bench, ready, 0, false, has_interrupt(spec)), "adsc timed out");
        ck_assert_str_eq(run(&bench, ready, 0, false, has_interrupt(spec)), "adsc timed out");
        ck_assert_int_eq(send(&bench, reset, sizeof(reset)), USB_RESULT_OK);
        ck_assert_uint_eq(simulated_device_get_counters(bench.device)->n_class_resets, 1);
        ck_assert_str_eq(run(&bench, ready, 0, false, has_interrupt(spec)),
                         has_interrupt(spec) ? "adsc ok | status ok 00 00" : "adsc ok");
        usb_bench_done(&bench);
}
END_TEST

START_TEST(floppies_take_command_blocks_of_twelve_bytes_only) {
        static const uint8_t ready[16] = READY;
        UsbBench bench;

        init(&bench, UFI);
        ck_assert_int_eq(send(&bench, ready, 6), USB_RESULT_STALL);
        ck_assert_int_eq(send(&bench, ready, 16), USB_RESULT_STALL);
        ck_assert_uint_eq(simulated_device_get_counters(bench.device)->n_cbws_refused, 2);
        ck_assert_str_eq(run(&bench, ready, 0, false, true), "adsc ok | status ok 00 00");
        usb_bench_done(&bench);

        init(&bench, SCSI);
        ck_assert_int_eq(send(&bench, ready, 6), USB_RESULT_OK);
        usb_bench_done(&bench);
}
END_TEST

START_TEST(a_status_that_nobody_fetched_is_forgotten) {
        static const uint8_t ready[12] = READY, unknown[12] = { 0xFF };
        UsbBench bench;

        init(&bench, SCSI);
        ck_assert_str_eq(run(&bench, unknown, 0, false, false), "adsc ok");
        ck_assert_str_eq(run(&bench, ready, 0, false, true), "adsc ok | status ok 00 00");
        usb_bench_done(&bench);
}
END_TEST

START_TEST(a_floppy_tells_its_capacities) {
        static const uint8_t capacities[12] = { 0x23, 0, 0, 0, 0, 0, 0, 0, 12 };
        static const uint8_t expected[12] = { 0, 0, 0, 16, 0, 0, 0, 128, 2, 0, 2, 0 };
        UsbBench bench;

        init(&bench, UFI);
        ck_assert_str_eq(run(&bench, capacities, 12, true, true),
                         "adsc ok | data ok 12 | status ok 00 00");
        ck_assert_mem_eq(bench.data, expected, sizeof(expected));
        simulated_device_remove_medium(bench.device, 0);
        run(&bench, capacities, 12, true, true);
        ck_assert_uint_eq(bench.data[8], 3);
        usb_bench_done(&bench);
}
END_TEST

int main(void) {
        const TTest *const tests[] = {
                power_on_is_told_by_the_interrupt,
                without_an_interrupt_only_the_sense_tells,
                floppies_take_command_blocks_of_twelve_bytes_only,
                a_status_that_nobody_fetched_is_forgotten,
                a_floppy_tells_its_capacities,
                NULL,
        };
        Suite *suite = suite_of("simulated_cbi", tests);
        TCase *tcase = tcase_create("simulated_cbi, tables");

        tcase_add_loop_test(tcase, a_command_goes_its_way_to_its_status, 0,
                            (int) N_ELEMENTS(cases));
        tcase_add_loop_test(tcase, command_block_reset_ends_a_hang, 0, 2);
        suite_add_tcase(suite, tcase);
        return run_suite(suite);
}
