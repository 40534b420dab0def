#pragma once

/*
 * LibusbJob
 *
 * One blocking operation on a usbfs device, as plain data: what the helper thread is given, and
 * what it gives back. Running it touches nothing but the job and libusb's handle.
 */

#include <libusb.h>

#include "usb/usb_device.h"

typedef struct LibusbJob {
        libusb_device_handle *handle; /* borrowed */
        int usbfs_fd;                 /* borrowed */
        UsbOperationType type;
        uint8_t interface;
        uint8_t alternate;
        uint8_t endpoint;
        uint8_t endpoints[4];
        uint8_t n_endpoints;
        uint32_t n_streams;
        /* Set by libusb_job_run(). */
        UsbResult result;
        uint32_t value;
} LibusbJob;

void libusb_job_init(LibusbJob *job, libusb_device_handle *handle, int usbfs_fd,
                     const UsbOperation *operation);
/* Blocks, for seconds if the device is slow to answer. */
void libusb_job_run(LibusbJob *job);
