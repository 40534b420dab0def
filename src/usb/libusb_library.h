#pragma once

/*
 * LibusbLibrary, for the devices on it: libusb's context, and who hears that a descriptor was lost.
 */

#include <libusb.h>

#include "usb/libusb_device.h"

/* libusb's own two descriptors, and those of devices. */
#define LIBUSB_WATCHES_MAX 16

typedef struct LibusbClient LibusbClient;

struct LibusbClient {
        int fd; /* borrowed */
        /* libusb has stopped to watch `fd`: the device was unplugged. From libusb's dispatch. */
        void (*on_lost)(LibusbClient *client);
        ListNode node; /* LibusbLibrary::clients */
};

libusb_context *libusb_library_get_context(const LibusbLibrary *library);
EventLoop *libusb_library_get_loop(const LibusbLibrary *library);
/* 0, or why a descriptor of libusb's can't be watched: -errno. */
int libusb_library_get_error(const LibusbLibrary *library);
/* Whether libusb is calling us, so that a device must not be closed. */
bool libusb_library_is_dispatching(const LibusbLibrary *library);
void libusb_library_attach(LibusbLibrary *library, LibusbClient *client);
void libusb_library_detach(LibusbLibrary *library, LibusbClient *client);

/* LIBUSB_ERROR_… as -errno. */
int libusb_library_error_to_errno(int error);
