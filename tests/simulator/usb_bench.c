/* Raw transfers to a simulated device. */

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "usb_bench.h"

#define TRANSFER_CBW 0
#define TRANSFER_DATA 1
#define TRANSFER_CSW 2
#define SETTLE_TRIES 5

static void on_transfer_done(UsbTransfer *transfer) { ck_assert(!transfer->is_in_flight); }

static void on_operation_done(UsbOperation *operation) {
        ck_assert_int_lt(operation->result, _USB_RESULT_MAX);
}

void usb_bench_init(UsbBench *bench, const char *text) {
        SimulatorSpec spec;
        char *error;

        *bench = (UsbBench){ .tag = 0x11223344, .patience_ns = 10 * NS_PER_S };
        ck_assert_msg(simulator_spec_parse(&spec, text, &error) == 0, "%s", error);
        ck_assert_int_eq(virtual_event_loop_new(&bench->loop), 0);
        ck_assert_int_eq(simulated_device_new(&bench->device, bench->loop, &spec, NULL, 0), 0);
        for (size_t i = 0; i < USB_BENCH_TRANSFERS_MAX; i++) {
                bench->transfers[i].done = on_transfer_done;
                ck_assert_int_eq(usb_transfer_init(&bench->transfers[i], bench->device), 0);
        }
        bench->data = calloc(1, USB_BENCH_DATA_SIZE);
        ck_assert_ptr_nonnull(bench->data);
}

void usb_bench_done(UsbBench *bench) {
        for (size_t i = 0; i < USB_BENCH_TRANSFERS_MAX; i++)
                usb_transfer_done(&bench->transfers[i]);
        usb_device_free(bench->device);
        event_loop_free(bench->loop);
        free(bench->data);
}

void usb_bench_add_faults(UsbBench *bench, const char *plan) {
        char *error;

        ck_assert_msg(simulated_device_add_faults(bench->device, plan, &error) == 0, "%s", error);
}

void usb_bench_run(UsbBench *bench) {
        UsbDevice *device = bench->device;

        while (device->n_transfers_in_flight > 0 || device->n_operations > 0)
                ck_assert_int_eq(event_loop_run_once(bench->loop, /* may_wait= */ true), 1);
        while (event_loop_run_once(bench->loop, /* may_wait= */ false) > 0)
                ;
}

static void on_sleep_over(EventTimer *timer) {}

static void sleep_a_while(UsbBench *bench) {
        EventTimer timer;

        ck_assert_int_eq(event_timer_init(&timer, bench->loop, on_sleep_over), 0);
        event_timer_set(&timer, event_loop_now_ns(bench->loop) + NS_PER_MS);
        while (event_timer_is_armed(&timer))
                ck_assert_int_eq(event_loop_run_once(bench->loop, /* may_wait= */ true), 1);
        event_timer_done(&timer);
}

int usb_bench_submit(UsbBench *bench, size_t i, uint8_t endpoint, void *data, size_t size) {
        UsbTransfer *transfer = &bench->transfers[i];

        transfer->type = endpoint == USB_BENCH_INTERRUPT ? USB_TRANSFER_TYPE_INTERRUPT
                                                         : USB_TRANSFER_TYPE_BULK;
        transfer->endpoint = endpoint;
        transfer->data = data;
        transfer->size = size;
        transfer->deadline_ns = event_loop_now_ns(bench->loop) + bench->patience_ns;
        return usb_transfer_submit(transfer);
}

UsbResult usb_bench_transfer(UsbBench *bench, uint8_t endpoint, void *data, size_t size,
                             size_t *ret_size) {
        UsbTransfer *transfer = &bench->transfers[0];

        if (usb_bench_submit(bench, 0, endpoint, data, size) < 0)
                return USB_RESULT_GONE;
        usb_bench_run(bench);
        ck_assert(!transfer->is_in_flight);
        *ret_size = transfer->actual_size;
        return transfer->result;
}

UsbResult usb_bench_control(UsbBench *bench, uint8_t type, uint8_t request, uint16_t value,
                            uint16_t index, void *data, size_t size, size_t *ret_size) {
        UsbTransfer transfer = {
                .type = USB_TRANSFER_TYPE_CONTROL,
                .setup = { .request_type = type,
                           .request = request,
                           .value = value,
                           .index = index },
                .data = data,
                .size = size,
                .deadline_ns = event_loop_now_ns(bench->loop) + bench->patience_ns,
                .done = on_transfer_done,
        };

        ck_assert_int_eq(usb_transfer_init(&transfer, bench->device), 0);
        int r = usb_transfer_submit(&transfer);
        usb_bench_run(bench);
        usb_transfer_done(&transfer);
        if (r < 0)
                return USB_RESULT_GONE;
        if (ret_size)
                *ret_size = transfer.actual_size;
        return transfer.result;
}

UsbResult usb_bench_operate(UsbBench *bench, UsbOperationType type, uint8_t endpoint) {
        UsbOperation operation = { .type = type, .endpoint = endpoint, .done = on_operation_done };

        ck_assert_int_eq(usb_device_operate(bench->device, &operation), 0);
        usb_bench_run(bench);
        ck_assert(bench->device->n_operations == 0);
        return operation.result;
}

static void trace(UsbBench *bench, const char *format, ...) {
        size_t size = strlen(bench->trace);
        va_list arguments;

        va_start(arguments, format);
        vsnprintf(bench->trace + size, sizeof(bench->trace) - size, format, arguments);
        va_end(arguments);
}

static UsbResult trace_transfer(UsbBench *bench, const char *phase, size_t i) {
        const UsbTransfer *transfer = &bench->transfers[i];

        ck_assert(!transfer->is_in_flight);
        trace(bench, "%s%s %s %zu", bench->trace[0] == 0 ? "" : " | ", phase,
              usb_result_to_string(transfer->result), transfer->actual_size);
        return transfer->result;
}

static int submit_phase(UsbBench *bench, const UsbBenchCommand *command, size_t i) {
        switch (i) {
        case TRANSFER_CBW: {
                static uint8_t cbw[31];

                put_le32(cbw, 0x43425355);
                put_le32(cbw + 4, ++bench->tag);
                put_le32(cbw + 8, command->size);
                cbw[12] = command->is_in ? 0x80 : 0x00;
                cbw[13] = command->lun;
                cbw[14] = 16;
                memcpy(cbw + 15, command->cdb, 16);
                return usb_bench_submit(bench, i, USB_BENCH_OUT, cbw, sizeof(cbw));
        }
        case TRANSFER_DATA:
                return usb_bench_submit(bench, i, command->is_in ? USB_BENCH_IN : USB_BENCH_OUT,
                                        bench->data, command->size);
        default:
                memset(bench->csw, 0, sizeof(bench->csw));
                return usb_bench_submit(bench, i, USB_BENCH_IN, bench->csw, 13);
        }
}

static UsbResult run_phase(UsbBench *bench, const UsbBenchCommand *command, const char *phase,
                           size_t i) {
        if (submit_phase(bench, command, i) < 0) {
                trace(bench, "%s%s refused", bench->trace[0] == 0 ? "" : " | ", phase);
                return USB_RESULT_GONE;
        }
        usb_bench_run(bench);
        return trace_transfer(bench, phase, i);
}

static void trace_csw(UsbBench *bench) {
        static const char *const statuses[] = { "passed", "failed", "phase error" };
        const uint8_t *csw = bench->csw;

        if (get_le32(csw) != 0x53425355)
                trace(bench, " | wrong signature");
        if (get_le32(csw + 4) != bench->tag)
                trace(bench, " | wrong tag");
        if (csw[12] < N_ELEMENTS(statuses))
                trace(bench, " | %s %u", statuses[csw[12]], get_le32(csw + 8));
        else
                trace(bench, " | status %02x %u", csw[12], get_le32(csw + 8));
}

static void read_csw(UsbBench *bench, const UsbBenchCommand *command) {
        UsbResult result = run_phase(bench, command, "csw", TRANSFER_CSW);

        if (result == USB_RESULT_STALL) {
                usb_bench_operate(bench, USB_OPERATION_CLEAR_HALT, USB_BENCH_IN);
                result = run_phase(bench, command, "csw", TRANSFER_CSW);
        }
        if (result == USB_RESULT_OK && bench->transfers[TRANSFER_CSW].actual_size == 0)
                result = run_phase(bench, command, "csw", TRANSFER_CSW);
        if (result == USB_RESULT_OK && bench->transfers[TRANSFER_CSW].actual_size == 13)
                trace_csw(bench);
}

static void run_phases(UsbBench *bench, const UsbBenchCommand *command) {
        UsbResult result = run_phase(bench, command, "cbw", TRANSFER_CBW);

        if (result != USB_RESULT_OK)
                return;
        if (command->size > 0) {
                result = run_phase(bench, command, "data", TRANSFER_DATA);
                if (result == USB_RESULT_STALL)
                        usb_bench_operate(bench, USB_OPERATION_CLEAR_HALT,
                                          command->is_in ? USB_BENCH_IN : USB_BENCH_OUT);
                else if (result != USB_RESULT_OK && result != USB_RESULT_OVERFLOW)
                        return;
        }
        read_csw(bench, command);
}

static void run_pipelined(UsbBench *bench, const UsbBenchCommand *command) {
        bool has_data = command->size > 0;

        ck_assert_int_eq(submit_phase(bench, command, TRANSFER_CBW), 0);
        if (has_data)
                ck_assert_int_eq(submit_phase(bench, command, TRANSFER_DATA), 0);
        ck_assert_int_eq(submit_phase(bench, command, TRANSFER_CSW), 0);
        usb_bench_run(bench);

        trace_transfer(bench, "cbw", TRANSFER_CBW);
        if (has_data)
                trace_transfer(bench, "data", TRANSFER_DATA);
        if (trace_transfer(bench, "csw", TRANSFER_CSW) == USB_RESULT_OK &&
            bench->transfers[TRANSFER_CSW].actual_size == 13)
                trace_csw(bench);
}

const char *usb_bench_command(UsbBench *bench, const UsbBenchCommand *command, UsbBenchMode mode) {
        bench->trace[0] = 0;
        if (mode == USB_BENCH_PIPELINED)
                run_pipelined(bench, command);
        else
                run_phases(bench, command);
        return bench->trace;
}

bool usb_bench_recover(UsbBench *bench) {
        return usb_bench_control(bench, 0x21, 0xFF, 0, 0, NULL, 0, NULL) == USB_RESULT_OK &&
               usb_bench_operate(bench, USB_OPERATION_CLEAR_HALT, USB_BENCH_IN) == USB_RESULT_OK &&
               usb_bench_operate(bench, USB_OPERATION_CLEAR_HALT, USB_BENCH_OUT) == USB_RESULT_OK;
}

bool usb_bench_settle(UsbBench *bench) {
        static const UsbBenchCommand ready = { .cdb = { 0x00 } };

        for (int i = 0; i < SETTLE_TRIES; i++, sleep_a_while(bench))
                if (strcmp(usb_bench_command(bench, &ready, USB_BENCH_PHASE_BY_PHASE),
                           "cbw ok 31 | csw ok 13 | passed 0") == 0)
                        return true;
        return false;
}
