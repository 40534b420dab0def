#pragma once

/*
 * UsbNode
 *
 * A USB storage device as sysfs tells of it: where it is plugged in, who it says it is, which
 * interfaces are storage, which disks the kernel made of it. Plain data; strings are what the
 * device sent, cut to their fields.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "device/device_identity.h"

#define USB_NODE_INTERFACES_MAX 8
#define USB_NODE_DISKS_MAX 64

struct udev;
struct udev_device;

typedef struct UsbNode {
        char name[64]; /* the port path: "1-4.1" */
        char sys_path[512];
        char dev_path[64]; /* "/dev/bus/usb/001/002" */
        uint16_t vendor_id;
        uint16_t product_id;
        uint16_t version; /* bcdDevice; 0: unknown */
        char serial[128]; /* "" if none */
        char manufacturer[128];
        char product[128];
        unsigned speed_mbps;                         /* 12, 480, 5000 …; 0: unknown */
        uint8_t interfaces[USB_NODE_INTERFACES_MAX]; /* numbers of those of class 08 */
        size_t n_interfaces;
} UsbNode;

typedef struct UsbNodeDisks {
        char paths[USB_NODE_DISKS_MAX][64]; /* "/dev/sda" */
        size_t n_paths;
} UsbNodeDisks;

/* Reads `device` (a usb_device). -ENODEV: it is no storage device, or vanishing. */
int usb_node_read(UsbNode *node, struct udev *udev, struct udev_device *device);
/* Who it says it is, for rules; -ENODEV: it is vanishing. Blocks for sysfs. */
int usb_node_identify(const UsbNode *node, struct udev *udev, DeviceIdentity *ret);
/* The whole disks that the kernel has on it now; -errno. */
int usb_node_find_disks(const UsbNode *node, struct udev *udev, UsbNodeDisks *ret);
