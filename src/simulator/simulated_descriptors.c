/* The descriptors of a device with one configuration and one interface: two bulk endpoints and, for
 * CBI, an interrupt endpoint; for UAS an alternate setting with four bulk endpoints. */

#include <string.h>

#include "base/bytes.h"
#include "simulator/simulated_descriptors.h"
#include "usb/usb_descriptors.h"

/* Indexes of the string descriptors. */
typedef enum StringIndex {
        STRING_LANGUAGES,
        STRING_MANUFACTURER,
        STRING_PRODUCT,
        STRING_SERIAL,
} StringIndex;

#define LANGUAGE_ENGLISH_US 0x0409
/* Mass Storage Class overview 1.4, tables 1 and 2. */
#define SUBCLASS_UFI 0x04
#define SUBCLASS_8070 0x05
#define SUBCLASS_SCSI_TRANSPARENT 0x06
#define PROTOCOL_CBI 0x00
#define PROTOCOL_CB 0x01
#define PROTOCOL_BOT 0x50
#define PROTOCOL_UAS 0x62
#define BURST_MAX 15
/* CBI: two bytes of status, asked for each 32 ms: USB 2.0, table 9-13. */
#define INTERRUPT_SIZE 2
#define INTERRUPT_INTERVAL_MS 32
#define INTERRUPT_INTERVAL_LOG 9
/* UAS, table 8: the pipe usage descriptor. */
#define DESCRIPTOR_PIPE_USAGE 0x24

size_t simulated_descriptors_get_packet_size(UsbSpeed speed) {
        switch (speed) {
        case USB_SPEED_FULL:
                return 64; /* USB 2.0, 5.8.3 */
        case USB_SPEED_HIGH:
                return 512;
        case USB_SPEED_SUPER:
                return 1024; /* USB 3.2, 4.4.6.1 */
        case USB_SPEED_UNKNOWN:
        case USB_SPEED_LOW: /* has no bulk endpoints */
        case USB_SPEED_SUPER_PLUS:
        case _USB_SPEED_MAX:
                break;
        }

        assert_not_reached();
}

static uint16_t usb_version(UsbSpeed speed) {
        if (speed == USB_SPEED_SUPER)
                return 0x0300;
        return speed == USB_SPEED_HIGH ? 0x0200 : 0x0110;
}

static size_t put_device(const SimulatorSpec *spec, uint8_t *bytes) {
        bytes[0] = 18;
        bytes[1] = SIMULATED_DESCRIPTOR_DEVICE;
        put_le16(bytes + 2, usb_version(spec->speed));
        bytes[7] = spec->speed == USB_SPEED_SUPER ? 9 : 64; /* an exponent, USB 3.2, 9.6.1 */
        put_le16(bytes + 8, spec->vendor_id);
        put_le16(bytes + 10, spec->product_id);
        put_le16(bytes + 12, 0x0100);
        bytes[14] = STRING_MANUFACTURER;
        bytes[15] = STRING_PRODUCT;
        bytes[16] = STRING_SERIAL;
        bytes[17] = 1;
        return 18;
}

/* With its companion: USB 3.2, 9.6.7. */
static size_t put_endpoint(const SimulatorSpec *spec, uint8_t address, uint8_t *bytes) {
        bool is_interrupt = address == SIMULATED_ENDPOINT_INTERRUPT;
        size_t packet_size = simulated_descriptors_get_packet_size(spec->speed);

        bytes[0] = 7;
        bytes[1] = 0x05;
        bytes[2] = address;
        bytes[3] = is_interrupt ? 0x03 : 0x02;
        put_le16(bytes + 4, (uint16_t) (is_interrupt ? INTERRUPT_SIZE : packet_size));
        if (is_interrupt)
                bytes[6] = spec->speed == USB_SPEED_FULL ? INTERRUPT_INTERVAL_MS
                                                         : INTERRUPT_INTERVAL_LOG;
        if (spec->speed != USB_SPEED_SUPER)
                return 7;

        bytes[7] = 6;
        bytes[8] = 0x30;
        bytes[9] = is_interrupt ? 0 : BURST_MAX;
        if (is_interrupt)
                put_le16(bytes + 11, INTERRUPT_SIZE);
        return 13;
}

static uint8_t get_subclass(const SimulatorSpec *spec) {
        switch (spec->command_set) {
        case SIMULATOR_COMMAND_SET_SCSI:
                return SUBCLASS_SCSI_TRANSPARENT;
        case SIMULATOR_COMMAND_SET_8070:
                return SUBCLASS_8070;
        case SIMULATOR_COMMAND_SET_UFI:
                return SUBCLASS_UFI;
        }

        assert_not_reached();
}

static uint8_t get_protocol(const SimulatorSpec *spec) {
        switch (spec->transport) {
        case SIMULATOR_TRANSPORT_BOT:
                return PROTOCOL_BOT;
        case SIMULATOR_TRANSPORT_CBI:
                return PROTOCOL_CBI;
        case SIMULATOR_TRANSPORT_CB:
                return PROTOCOL_CB;
        case SIMULATOR_TRANSPORT_UAS: /* at alternate setting 0 */
                return PROTOCOL_BOT;
        case SIMULATOR_TRANSPORT_UAS_ONLY:
                return PROTOCOL_UAS;
        }

        assert_not_reached();
}

static size_t put_interface(const SimulatorSpec *spec, uint8_t alternate, uint8_t n_endpoints,
                            uint8_t protocol, uint8_t *bytes) {
        bytes[0] = 9;
        bytes[1] = 0x04;
        bytes[3] = alternate;
        bytes[4] = n_endpoints;
        bytes[5] = USB_CLASS_MASS_STORAGE;
        bytes[6] = get_subclass(spec);
        bytes[7] = protocol;
        return 9;
}

/* UAS, 5.3.3: an endpoint, its companion with a power of two of streams, and what it is used for. */
static size_t put_uas_pipe(const SimulatorSpec *spec, uint8_t address, uint8_t pipe_id,
                           uint8_t *bytes) {
        bool has_streams = address != SIMULATED_ENDPOINT_COMMAND && spec->speed == USB_SPEED_SUPER;
        size_t size = put_endpoint(spec, address, bytes);

        if (has_streams)
                bytes[10] = (uint8_t) __builtin_ctz(spec->n_streams);
        bytes[size] = 4;
        bytes[size + 1] = DESCRIPTOR_PIPE_USAGE;
        bytes[size + 2] = pipe_id;
        return size + 4;
}

static size_t put_uas_interface(const SimulatorSpec *spec, uint8_t alternate, uint8_t *bytes) {
        static const uint8_t addresses[] = { SIMULATED_ENDPOINT_COMMAND, SIMULATED_ENDPOINT_STATUS,
                                             SIMULATED_ENDPOINT_IN, SIMULATED_ENDPOINT_OUT };
        size_t size = put_interface(spec, alternate, N_ELEMENTS(addresses), PROTOCOL_UAS, bytes);

        for (size_t i = 0; i < N_ELEMENTS(addresses); i++)
                size += put_uas_pipe(spec, addresses[i], (uint8_t) (i + 1), bytes + size);
        return size;
}

static size_t put_basic_interface(const SimulatorSpec *spec, uint8_t *bytes) {
        bool has_interrupt = spec->transport == SIMULATOR_TRANSPORT_CBI;
        size_t size = put_interface(spec, 0, has_interrupt ? 3 : 2, get_protocol(spec), bytes);

        size += put_endpoint(spec, SIMULATED_ENDPOINT_IN, bytes + size);
        size += put_endpoint(spec, SIMULATED_ENDPOINT_OUT, bytes + size);
        if (has_interrupt)
                size += put_endpoint(spec, SIMULATED_ENDPOINT_INTERRUPT, bytes + size);
        return size;
}

static size_t put_configuration(const SimulatorSpec *spec, uint8_t *bytes) {
        size_t size = 9;

        bytes[0] = 9;
        bytes[1] = SIMULATED_DESCRIPTOR_CONFIGURATION;
        bytes[4] = 1; /* interface */
        bytes[5] = 1; /* bConfigurationValue */
        bytes[7] = 0x80;
        bytes[8] = spec->speed == USB_SPEED_SUPER ? 112 : 250; /* 896 mA, 500 mA */

        if (spec->transport != SIMULATOR_TRANSPORT_UAS_ONLY)
                size += put_basic_interface(spec, bytes + size);
        if (simulator_spec_has_uas(spec))
                size += put_uas_interface(spec, spec->transport == SIMULATOR_TRANSPORT_UAS,
                                          bytes + size);
        put_le16(bytes + 2, (uint16_t) size);
        return size;
}

/* USB 3.2, 9.6.2: the USB 2.0 extension and the SuperSpeed capability. */
static size_t put_bos(const SimulatorSpec *spec, uint8_t *bytes) {
        static const uint8_t bos[] = {
                5,    SIMULATED_DESCRIPTOR_BOS,
                22,   0,
                2, /* two capabilities */
                7,    0x10,
                0x02, 0,
                0,    0,
                0, /* no LPM */
                10,   0x10,
                0x03, 0,
                0x0E, 0,
                1,    0,
                0,    0, /* full to super */
        };

        if (spec->speed != USB_SPEED_SUPER)
                return 0;
        memcpy(bytes, bos, sizeof(bos));
        return sizeof(bos);
}

static const char *get_string(const SimulatorSpec *spec, uint8_t index) {
        switch (index) {
        case STRING_MANUFACTURER:
                return spec->vendor;
        case STRING_PRODUCT:
                return spec->model;
        case STRING_SERIAL:
                return spec->serial;
        default: /* a number of the host, not an enum */
                return NULL;
        }
}

static size_t put_string(const SimulatorSpec *spec, uint8_t index, uint8_t *bytes) {
        const char *text = get_string(spec, index);
        size_t n = text ? strlen(text) : 1;

        if (!text && index != STRING_LANGUAGES)
                return 0;
        for (size_t i = 0; i < n; i++)
                put_le16(bytes + 2 + 2 * i, text ? (uint8_t) text[i] : LANGUAGE_ENGLISH_US);
        bytes[0] = (uint8_t) (2 + 2 * n);
        bytes[1] = SIMULATED_DESCRIPTOR_STRING;
        return 2 + 2 * n;
}

size_t simulated_descriptors_get(const SimulatorSpec *spec, uint8_t type, uint8_t index,
                                 uint8_t *bytes) {
        memset(bytes, 0, SIMULATED_DESCRIPTOR_SIZE_MAX);

        if (type == SIMULATED_DESCRIPTOR_STRING)
                return put_string(spec, index, bytes);
        if (index != 0)
                return 0;
        if (type == SIMULATED_DESCRIPTOR_DEVICE)
                return put_device(spec, bytes);
        if (type == SIMULATED_DESCRIPTOR_CONFIGURATION)
                return put_configuration(spec, bytes);
        if (type == SIMULATED_DESCRIPTOR_BOS)
                return put_bos(spec, bytes);
        return 0;
}
