#pragma once

/*
 * UsbStorageDevice
 *
 * What a USB device is as a storage device: which of its interfaces to drive by which transport,
 * and who it says it is. Plain data, computed from descriptors; worker and manager see the same
 * thing.
 */

#include "usb/usb_descriptors.h"

typedef enum UsbStorageProtocol {
        USB_STORAGE_PROTOCOL_BOT,
        USB_STORAGE_PROTOCOL_CBI,
        USB_STORAGE_PROTOCOL_CB,
        USB_STORAGE_PROTOCOL_UAS,
        _USB_STORAGE_PROTOCOL_MAX,
} UsbStorageProtocol;

/* The pipes of a UAS interface by their id less one (UAS, 5.3.3.5). */
typedef enum UsbUasPipe {
        USB_UAS_PIPE_COMMAND,
        USB_UAS_PIPE_STATUS,
        USB_UAS_PIPE_DATA_IN,
        USB_UAS_PIPE_DATA_OUT,
        _USB_UAS_PIPE_MAX,
} UsbUasPipe;

typedef struct UsbStorageDevice {
        uint16_t vendor_id;
        uint16_t product_id;
        uint16_t device_version;
        UsbSpeed speed;
        UsbStorageProtocol protocol;
        uint8_t subclass; /* 01 RBC, 02 8020, 04 UFI, 05 8070, 06 SCSI transparent */
        UsbInterface interface;
        UsbEndpoint bulk_in;      /* BOT, CBI, CB */
        UsbEndpoint bulk_out;     /* BOT, CBI, CB */
        UsbEndpoint interrupt_in; /* CBI */
        UsbEndpoint uas_pipes[_USB_UAS_PIPE_MAX];
} UsbStorageDevice;

/*
 * Chooses the interface to drive among all alternate settings: of those that `protocols` (a mask of
 * 1 << UsbStorageProtocol) allows, the fastest. -ENODEV: none that we drive, with what was missing
 * in the log.
 */
int usb_storage_device_init(UsbStorageDevice *storage_device, const UsbDescriptors *descriptors,
                            UsbSpeed speed, unsigned protocols);

const char *usb_storage_protocol_to_string(UsbStorageProtocol protocol);
