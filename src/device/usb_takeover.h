#pragma once

/*
 * UsbTakeover
 *
 * Takes a USB disk from the kernel's driver and gives it back: DESIGN section 2. Never one that is
 * in use: its disks are opened exclusively, which fails while one is mounted, held or swapped on in
 * any namespace, and keeps it so until the driver is detached.
 */

#include "device/usb_node.h"

typedef struct UsbTakeover {
        int fd;           /* the usbfs node, to be passed on; owned by the caller */
        bool needs_reset; /* the kernel's uas driver left commands behind */
} UsbTakeover;

/* -EBUSY: in use, with the disk named in the log. -errno. Blocks while the kernel configures or
 * flushes. */
int usb_takeover(const UsbNode *node, struct udev *udev, UsbTakeover *ret);
/* Lets the kernel's driver bind again. Harmless if it has, or if the device is gone. */
void usb_takeover_give_back(const UsbNode *node);
