#pragma once

/*
 * UsbTrace
 *
 * Records what a device is sent and answers, transfer by transfer, as usbmon does it: a pcap file of
 * link type 220 (LINKTYPE_USB_LINUX_MMAPPED), which Wireshark decodes. It begins with the device's
 * descriptors, as if they had just been asked for, by which a decoder knows the class.
 */

#include "usb/usb_device.h"

#define USB_TRACE_DATA_SIZE_DEFAULT 512
#define USB_TRACE_DATA_SIZE_MAX (64 * KIB)

typedef struct UsbTrace UsbTrace;

typedef struct UsbTraceOptions {
        uint64_t realtime_ns;   /* what CLOCK_REALTIME tells now */
        uint16_t bus_number;    /* for the packets */
        uint8_t device_number;  /* likewise */
        uint32_t data_size_max; /* of one transfer's data that are recorded; 0: default, 512 */
} UsbTraceOptions;

typedef struct UsbTraceCounts {
        uint64_t n_packets; /* that were written */
        uint64_t n_dropped; /* because the file took no more */
} UsbTraceCounts;

/*
 * Attaches itself to the device, which has no other trace: -EBUSY. `fd` is taken over, also on
 * failure; it is a regular file, written at once and in large parts. -errno.
 */
int usb_trace_new(UsbTrace **ret, UsbDevice *device, int fd, const UsbTraceOptions *options);
/* Writes what is left, and detaches. Takes NULL. */
UsbTrace *usb_trace_free(UsbTrace *trace);
DEFINE_CLEANUP(UsbTrace *, usb_trace_free);
/* The same, and tells what is in the file. */
UsbTraceCounts usb_trace_finish(UsbTrace *trace);

/* For UsbDevice: what happens to the device that it is attached to. */
void usb_trace_on_submitted(UsbTrace *trace, const UsbTransfer *transfer);
void usb_trace_on_completed(UsbTrace *trace, const UsbTransfer *transfer);
void usb_trace_on_operated(UsbTrace *trace, const UsbOperation *operation);
