#pragma once

/*
 * UsbDescriptorsWriter
 *
 * Descriptors as bytes again, from what was parsed of them: what was dropped or is not storage's is
 * not there.
 */

#include "usb/usb_descriptors.h"

/* The configuration with all that belongs to it. */
#define USB_DESCRIPTORS_WRITER_SIZE_MAX \
        (9 + USB_INTERFACES_MAX * 9 + 4 * USB_INTERFACES_MAX * (7 + 6 + 4))

/* Into `ret`, which has USB_DESCRIPTORS_WRITER_SIZE_MAX bytes; the size. */
size_t usb_descriptors_writer_put_device(const UsbDescriptors *descriptors, uint8_t *ret);
size_t usb_descriptors_writer_put_configuration(const UsbDescriptors *descriptors, uint8_t *ret);
