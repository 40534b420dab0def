#pragma once

/*
 * UsbDescriptors
 *
 * A device's descriptors, parsed once and checked: plain data. The parser takes what sysfs's
 * `descriptors` file and usbfs deliver (the device descriptor, then each configuration with all
 * that belongs to it) and, apart, the BOS. It survives any bytes: what is cut short or out of range
 * is dropped and counted, never trusted.
 */

#include "usb/usb_device.h"

#define USB_ENDPOINTS_MAX 32
#define USB_INTERFACES_MAX \
        128 /* alternate settings, over all interfaces of the active configuration */

/* USB Mass Storage Class overview 1.4, table 1; class 08. */
#define USB_CLASS_MASS_STORAGE 0x08
#define USB_SUBCLASS_RBC 0x01
#define USB_SUBCLASS_8020 0x02
#define USB_SUBCLASS_UFI 0x04
#define USB_SUBCLASS_8070 0x05
#define USB_SUBCLASS_SCSI 0x06
#define USB_PROTOCOL_CBI 0x00
#define USB_PROTOCOL_CB 0x01
#define USB_PROTOCOL_BOT 0x50
#define USB_PROTOCOL_UAS 0x62

typedef enum UsbEndpointType {
        USB_ENDPOINT_TYPE_CONTROL,
        USB_ENDPOINT_TYPE_ISOCHRONOUS,
        USB_ENDPOINT_TYPE_BULK,
        USB_ENDPOINT_TYPE_INTERRUPT,
} UsbEndpointType;

typedef struct UsbEndpoint {
        uint8_t address; /* with USB_ENDPOINT_IN */
        UsbEndpointType type;
        uint16_t packet_size_max;
        uint8_t interval;
        uint8_t burst_max;      /* packets beyond the first (USB 3.2, 9.6.7) */
        uint32_t n_streams_max; /* 0: none */
        uint8_t uas_pipe_id; /* pipe usage descriptor (UAS, 5.3.3.5): 1 command … 4 data-out; 0:
                                none */
} UsbEndpoint;

typedef struct UsbInterface {
        uint8_t number;
        uint8_t alternate;
        uint8_t class;
        uint8_t subclass;
        uint8_t protocol;
        uint8_t n_endpoints;
        uint16_t first_endpoint; /* in UsbDescriptors::endpoints */
} UsbInterface;

struct UsbDescriptors {
        uint16_t usb_version; /* bcdUSB */
        uint16_t vendor_id;
        uint16_t product_id;
        uint16_t device_version; /* bcdDevice */
        uint8_t device_class;
        uint16_t control_packet_size;
        uint8_t manufacturer_index; /* string descriptors; 0: none */
        uint8_t product_index;
        uint8_t serial_index;
        uint8_t configuration_value; /* of the configuration below */
        uint16_t max_power_ma;
        bool is_self_powered;
        bool is_super_speed_capable; /* told by the BOS */
        bool is_super_speed_plus_capable;
        size_t n_interfaces;
        UsbInterface interfaces[USB_INTERFACES_MAX];
        size_t n_endpoints;
        UsbEndpoint endpoints[4 * USB_INTERFACES_MAX];
        size_t n_dropped; /* descriptors that made no sense */
};

/*
 * Parses the device descriptor and the configuration whose value is `configuration_value` (0: the
 * first). -EBADMSG: no device descriptor, or no such configuration.
 */
int usb_descriptors_parse(UsbDescriptors *descriptors, const uint8_t *bytes, size_t size,
                          uint8_t configuration_value);
/* Adds what a Binary device Object Store tells (USB 3.2, 9.6.2). Nonsense is counted as dropped. */
void usb_descriptors_parse_bos(UsbDescriptors *descriptors, const uint8_t *bytes, size_t size);

/* The interface's first endpoint of that type and direction (USB_ENDPOINT_IN or 0), or NULL. */
const UsbEndpoint *usb_descriptors_find_endpoint(const UsbDescriptors *descriptors,
                                                 const UsbInterface *interface,
                                                 UsbEndpointType type, uint8_t direction);
/* The endpoint at that address in that alternate setting of an interface, or NULL. */
const UsbEndpoint *usb_descriptors_get_endpoint(const UsbDescriptors *descriptors,
                                                uint8_t interface, uint8_t alternate,
                                                uint8_t address);
