#pragma once

/*
 * FakeLibusb
 *
 * libusb and usbfs as the code above sees them, made up: the linker finds these functions before
 * the library's, and sends ioctl() here. Transfers complete when the test says so, from libusb's
 * dispatch on the loop. Errors are libusb's; 0: success.
 */

#include <libusb.h>

#include "base/macros.h"

#define FAKE_LIBUSB_TRANSFERS_MAX 8

typedef struct FakeLibusb {
        int usbfs_fd;    /* owned: a file with the descriptors */
        int dispatch_fd; /* owned: what libusb wants watched; readable while something completed */
        int wrap_error;
        int configuration_error;
        int detach_error;
        int submit_error;
        uint32_t capabilities; /* of usbfs */
        int operation_result;  /* of all operations, and suspend's ioctl if negative */
        int configuration;
        int speed;
        bool is_disconnected; /* usbfs answers ENODEV */
        const uint8_t *bos;   /* borrowed; NULL: the request fails */
        size_t bos_size;
        unsigned n_handles;  /* open */
        unsigned n_memories; /* likewise */
        unsigned n_operations;
        unsigned long last_ioctl;
        struct libusb_transfer *transfers[FAKE_LIBUSB_TRANSFERS_MAX]; /* submitted */
        size_t n_transfers;
} FakeLibusb;

void fake_libusb_init(FakeLibusb *libusb, const uint8_t *descriptors, size_t size);
void fake_libusb_done(FakeLibusb *libusb);
/* The oldest transfer that was submitted ends so, from the loop. */
void fake_libusb_complete(FakeLibusb *libusb, enum libusb_transfer_status status, size_t size);
/* libusb stops to watch the device's descriptor, as it does when it was unplugged. */
void fake_libusb_lose(FakeLibusb *libusb);
