#pragma once

/*
 * DeviceIdentity
 *
 * Who a device says it is and where it is plugged in: what rules are asked about. Plain data;
 * strings are what the device sent, cut to their fields.
 */

#include "base/macros.h"

#define DEVICE_IDENTITY_TEXT_SIZE 128
#define DEVICE_IDENTITY_HASH_SIZE 48 /* SHA-256 in base64, 44 characters, and the terminator */
#define DEVICE_IDENTITY_INTERFACES_MAX 64

typedef struct DeviceInterfaceType {
        uint8_t class;
        uint8_t subclass;
        uint8_t protocol;
} DeviceInterfaceType;

typedef struct DeviceIdentity {
        uint16_t vendor_id;
        uint16_t product_id;
        char serial[DEVICE_IDENTITY_TEXT_SIZE]; /* "": none, as below */
        char name[DEVICE_IDENTITY_TEXT_SIZE];   /* iProduct */
        char port[DEVICE_IDENTITY_TEXT_SIZE];   /* "1-4.1" */
        char connect_type[32];                  /* "hotplug", "hardwired", "not used", "unknown" */
        char hash[DEVICE_IDENTITY_HASH_SIZE];
        char parent_hash[DEVICE_IDENTITY_HASH_SIZE];
        /* Of all alternate settings, in the order of the descriptors. */
        DeviceInterfaceType interfaces[DEVICE_IDENTITY_INTERFACES_MAX];
        size_t n_interfaces;
} DeviceIdentity;

/*
 * Takes the interfaces from `descriptors`, as sysfs's file of that name has them, and makes the
 * hash: that of USBGuard, over name, IDs, serial number and all descriptors.
 */
void device_identity_set_descriptors(DeviceIdentity *identity, const uint8_t *descriptors,
                                     size_t size);
