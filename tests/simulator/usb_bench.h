#pragma once

/*
 * UsbBench
 *
 * A simulated device on a virtual loop, and raw transfers to it: a host that knows no more of
 * Bulk-Only Transport than how to make a CBW, and writes down what it saw.
 */

#include <check.h>

#include "base/virtual_event_loop.h"
#include "simulator/simulated_device.h"

#define USB_BENCH_TRANSFERS_MAX 16
#define USB_BENCH_DATA_SIZE (256 * 1024)
#define USB_BENCH_OUT 0x02
#define USB_BENCH_IN 0x81
#define USB_BENCH_INTERRUPT 0x83

typedef enum UsbBenchMode {
        USB_BENCH_PHASE_BY_PHASE,
        USB_BENCH_PIPELINED,
} UsbBenchMode;

/* A command as a CBW tells it. */
typedef struct UsbBenchCommand {
        uint8_t cdb[16];
        uint32_t size; /* dCBWDataTransferLength */
        bool is_in;
        uint8_t lun;
} UsbBenchCommand;

typedef struct UsbBench {
        EventLoop *loop;
        UsbDevice *device;
        UsbTransfer transfers[USB_BENCH_TRANSFERS_MAX];
        uint32_t tag;
        uint64_t patience_ns; /* before a transfer is given up */
        uint8_t *data;
        uint8_t csw[16];
        char trace[512]; /* what happened in the last command */
} UsbBench;

void usb_bench_init(UsbBench *bench, const char *spec);
void usb_bench_done(UsbBench *bench);
void usb_bench_add_faults(UsbBench *bench, const char *plan);

/* Starts transfer `i`, unless the device refuses it. */
int usb_bench_submit(UsbBench *bench, size_t i, uint8_t endpoint, void *data, size_t size);
/* Runs the loop until no transfer and no operation is in flight. */
void usb_bench_run(UsbBench *bench);
/* Runs one transfer to its end: its result. */
UsbResult usb_bench_transfer(UsbBench *bench, uint8_t endpoint, void *data, size_t size,
                             size_t *ret_size);
UsbResult usb_bench_control(UsbBench *bench, uint8_t type, uint8_t request, uint16_t value,
                            uint16_t index, void *data, size_t size, size_t *ret_size);
UsbResult usb_bench_operate(UsbBench *bench, UsbOperationType type, uint8_t endpoint);

/*
 * Runs a command and leaves its trace: "cbw ok 31 | data stall 512 | csw ok 13 | passed 512" for
 * the transfers with their results and sizes, then status and residue, or what is wrong with the
 * CSW. Halts are cleared as BOT 6.7.2 wants it, and a CSW that stalls is read twice.
 */
const char *usb_bench_command(UsbBench *bench, const UsbBenchCommand *command, UsbBenchMode mode);
/* BOT 5.3.4: class reset and both halts; false if the device did not take it. */
bool usb_bench_recover(UsbBench *bench);
/* Eats unit attentions, a millisecond apart; false if the device does not become ready. */
bool usb_bench_settle(UsbBench *bench);
