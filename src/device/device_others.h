#pragma once

/*
 * DeviceOthers
 *
 * The storage devices that are plugged in and not driven, and why. Private to device.
 */

#include "base/list.h"
#include "device/device_view.h"
#include "device/usb_block.h"

/* Beyond it devices are not listed, and can't be taken. */
#define DEVICE_OTHERS_MAX 256

typedef struct DeviceOther {
        UsbNode node;
        DeviceOtherReason reason;
        bool wants_disk;         /* it is taken as soon as udevd lets us open the kernel's disk */
        UsbBlock *block;         /* owned; NULL: the kernel may have it */
        ListNode node_of_others; /* DeviceOthers::list */
} DeviceOther;

typedef struct DeviceOthers {
        ListNode list; /* DeviceOther::node_of_others */
        size_t n;
} DeviceOthers;

void device_others_init(DeviceOthers *others);
void device_others_done(DeviceOthers *others);
/* Or changes what is known of that port, which is not blocked any more. */
void device_others_set(DeviceOthers *others, const UsbNode *node, DeviceOtherReason reason);
/* After it was set. */
void device_others_set_wants_disk(DeviceOthers *others, const char *name);
/* After it was set. Takes the block over: if it is not listed, it is freed. */
void device_others_set_block(DeviceOthers *others, const char *name, UsbBlock *block);
/* It was unplugged, or is driven. Harmless if there is none. */
void device_others_remove(DeviceOthers *others, const char *name);
/* NULL: there is none. */
const DeviceOther *device_others_find(const DeviceOthers *others, const char *name);
