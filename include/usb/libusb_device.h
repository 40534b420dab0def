#pragma once

/*
 * LibusbDevice
 *
 * A real device behind libusb, on a usbfs descriptor that somebody else opened.
 * libusb_library_new() is called before the sandbox closes (libusb_init opens files),
 * libusb_device_new() after it.
 */

#include "usb/usb_device.h"

typedef struct LibusbLibrary LibusbLibrary;

/* Initialises libusb without device discovery, and hooks its descriptors into the loop; -errno. */
int libusb_library_new(LibusbLibrary **ret, EventLoop *loop);
LibusbLibrary *libusb_library_free(LibusbLibrary *library);
DEFINE_CLEANUP(LibusbLibrary *, libusb_library_free);

typedef struct LibusbDeviceOptions {
        const char *name;     /* for the log; copied */
        size_t memory_budget; /* of zero-copy memory in bytes; 0: default */
        UsbSpeed speed;       /* as sysfs tells it; UNKNOWN: what libusb says */
} LibusbDeviceOptions;

/*
 * Wraps `usbfs_fd` (borrowed; must outlive the device). Reads descriptors, which may send control
 * transfers. Starts the helper thread for blocking calls. Interfaces are not claimed yet. -errno.
 *
 * The device must not be freed from a transfer's `done`, which libusb calls. Freeing it releases
 * nothing: interfaces stay claimed until they are released or the descriptor is closed. During a
 * RESET the kernel holds the device's lock, so that submitting, cancelling and completing wait: let
 * nothing be in flight.
 */
int libusb_device_new(UsbDevice **ret, LibusbLibrary *library, int usbfs_fd,
                      const LibusbDeviceOptions *options);
