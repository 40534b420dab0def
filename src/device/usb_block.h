#pragma once

/*
 * UsbBlock
 *
 * A device that nobody gets: the kernel's driver is detached from its storage interfaces, and they
 * are claimed, so that no driver is bound to them again while the block is held.
 */

#include "device/usb_takeover.h"

typedef struct UsbBlock UsbBlock;

/* `fd` is the node, taken over from the kernel by usb_takeover(), and becomes the block's, also on
 * failure. With `is_rejected` the device is removed from the system as well, where we may do that.
 * -errno. */
int usb_block_new(UsbBlock **ret, const UsbNode *node, int fd, bool is_rejected);
/* The kernel may bind drivers again, but does not do so by itself. Takes NULL. */
UsbBlock *usb_block_free(UsbBlock *block);
DEFINE_CLEANUP(UsbBlock *, usb_block_free);
