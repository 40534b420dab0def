/*
 * Descriptors come from the device, or through the kernel from the device: each length in them may
 * lie. A span of bytes is walked descriptor by descriptor; one that claims more than is left ends
 * the walk. Sections cited are those of USB 3.2 where they exist in USB 2.0 under another number.
 */

#include <errno.h>

#include "base/bytes.h"
#include "base/log.h"
#include "usb/usb_descriptors.h"

/* USB 3.2, table 9-6. */
enum {
        DESCRIPTOR_DEVICE = 0x01,
        DESCRIPTOR_CONFIGURATION = 0x02,
        DESCRIPTOR_INTERFACE = 0x04,
        DESCRIPTOR_ENDPOINT = 0x05,
        DESCRIPTOR_BOS = 0x0F,
        DESCRIPTOR_DEVICE_CAPABILITY = 0x10,
        DESCRIPTOR_PIPE_USAGE = 0x24, /* UAS, 5.3.3.5; other classes use it too */
        DESCRIPTOR_SS_ENDPOINT_COMPANION = 0x30,
};

/* USB 3.2, table 9-14. */
enum {
        CAPABILITY_SUPER_SPEED = 0x03,
        CAPABILITY_SUPER_SPEED_PLUS = 0x0A,
};

#define HEADER_SIZE 2
#define DEVICE_SIZE 18
#define CONFIGURATION_SIZE 9
#define INTERFACE_SIZE 9
#define ENDPOINT_SIZE 7
#define SS_ENDPOINT_COMPANION_SIZE 6
#define PIPE_USAGE_SIZE 4
#define BOS_SIZE 5
#define CAPABILITY_HEADER_SIZE 3
#define SUPER_SPEED_CAPABILITY_SIZE 10

/* USB 2.0, table 9-10: bmAttributes. */
#define SELF_POWERED_BIT 0x40
#define USB_VERSION_3_0 0x0300

#define BURST_MAX 15
#define STREAMS_EXPONENT_MAX 16
#define UAS_PIPE_ID_MAX 4

typedef struct Descriptor {
        const uint8_t *bytes;
        uint8_t size; /* bLength: at least HEADER_SIZE, and within the span */
        uint8_t type;
} Descriptor;

/* What is left to be walked. */
typedef struct Span {
        const uint8_t *bytes;
        size_t size;
} Span;

/* What the descriptors that follow belong to; NULL: to something that was dropped. */
typedef struct Parser {
        UsbDescriptors *descriptors;
        UsbInterface *interface;
        UsbEndpoint *endpoint;
} Parser;

/* False at the end, and where bLength can't be believed, which ends the walk as well. */
static bool take_descriptor(UsbDescriptors *descriptors, Span *span, Descriptor *ret) {
        if (span->size == 0)
                return false;
        if (span->size < HEADER_SIZE || span->bytes[0] < HEADER_SIZE ||
            span->bytes[0] > span->size) {
                descriptors->n_dropped++;
                return false;
        }
        *ret = (Descriptor){
                .bytes = span->bytes,
                .size = span->bytes[0],
                .type = span->bytes[1],
        };
        span->bytes += ret->size;
        span->size -= ret->size;
        return true;
}

static UsbInterface *find_interface(UsbDescriptors *descriptors, uint8_t number,
                                    uint8_t alternate) {
        for (size_t i = 0; i < descriptors->n_interfaces; i++) {
                UsbInterface *interface = &descriptors->interfaces[i];

                if (interface->number == number && interface->alternate == alternate)
                        return interface;
        }
        return NULL;
}

static const UsbEndpoint *find_address(const UsbDescriptors *descriptors,
                                       const UsbInterface *interface, uint8_t address) {
        for (size_t i = 0; i < interface->n_endpoints; i++) {
                const UsbEndpoint *endpoint =
                                &descriptors->endpoints[interface->first_endpoint + i];

                if (endpoint->address == address)
                        return endpoint;
        }
        return NULL;
}

/* USB 3.2, 9.6.5. bNumEndpoints is not believed: what follows is counted. */
static void parse_interface(Parser *parser, const Descriptor *descriptor) {
        UsbDescriptors *descriptors = parser->descriptors;
        const uint8_t *bytes = descriptor->bytes;

        parser->interface = NULL;
        parser->endpoint = NULL;
        if (descriptor->size < INTERFACE_SIZE || descriptors->n_interfaces == USB_INTERFACES_MAX ||
            find_interface(descriptors, bytes[2], bytes[3])) {
                descriptors->n_dropped++;
                return;
        }
        parser->interface = &descriptors->interfaces[descriptors->n_interfaces++];
        *parser->interface = (UsbInterface){
                .number = bytes[2],
                .alternate = bytes[3],
                .class = bytes[5],
                .subclass = bytes[6],
                .protocol = bytes[7],
                .first_endpoint = (uint16_t) descriptors->n_endpoints,
        };
}

/* USB 3.2, 9.6.6: reserved bits are masked out; endpoint 0 has no descriptor. */
static bool endpoint_from_bytes(const uint8_t *bytes, UsbEndpoint *ret) {
        UsbEndpoint endpoint = {
                .address = bytes[2] & (USB_ENDPOINT_IN | 0x0F),
                .type = (UsbEndpointType) (bytes[3] & 0x03),
                .packet_size_max = get_le16(bytes + 4) & 0x07FF,
                .interval = bytes[6],
        };

        if ((endpoint.address & 0x0F) == 0)
                return false;
        if (endpoint.packet_size_max == 0 && endpoint.type != USB_ENDPOINT_TYPE_ISOCHRONOUS)
                return false;
        *ret = endpoint;
        return true;
}

static void parse_endpoint(Parser *parser, const Descriptor *descriptor) {
        UsbDescriptors *descriptors = parser->descriptors;
        UsbInterface *interface = parser->interface;
        UsbEndpoint endpoint;

        parser->endpoint = NULL;
        if (!interface || descriptor->size < ENDPOINT_SIZE ||
            interface->n_endpoints == USB_ENDPOINTS_MAX ||
            descriptors->n_endpoints == N_ELEMENTS(descriptors->endpoints) ||
            !endpoint_from_bytes(descriptor->bytes, &endpoint) ||
            find_address(descriptors, interface, endpoint.address)) {
                descriptors->n_dropped++;
                return;
        }
        parser->endpoint = &descriptors->endpoints[descriptors->n_endpoints++];
        *parser->endpoint = endpoint;
        interface->n_endpoints++;
        assert(interface->first_endpoint + interface->n_endpoints == descriptors->n_endpoints);
}

/* USB 3.2, 9.6.7. */
static void parse_endpoint_companion(Parser *parser, const Descriptor *descriptor) {
        const uint8_t *bytes = descriptor->bytes;
        unsigned streams_exponent;

        if (!parser->endpoint || descriptor->size < SS_ENDPOINT_COMPANION_SIZE ||
            bytes[2] > BURST_MAX) {
                parser->descriptors->n_dropped++;
                return;
        }
        parser->endpoint->burst_max = bytes[2];
        streams_exponent = bytes[3] & 0x1F;
        if (parser->endpoint->type != USB_ENDPOINT_TYPE_BULK || streams_exponent == 0)
                return;
        if (streams_exponent > STREAMS_EXPONENT_MAX)
                parser->descriptors->n_dropped++;
        else
                parser->endpoint->n_streams_max = 1U << streams_exponent;
}

/* UAS, 5.3.3.5. Other classes give the same descriptor type other meanings. */
static void parse_pipe_usage(Parser *parser, const Descriptor *descriptor) {
        const UsbInterface *interface = parser->interface;
        uint8_t id;

        if (!interface || interface->class != USB_CLASS_MASS_STORAGE ||
            interface->protocol != USB_PROTOCOL_UAS)
                return;
        id = descriptor->size >= PIPE_USAGE_SIZE ? descriptor->bytes[2] : 0;
        if (!parser->endpoint || id == 0 || id > UAS_PIPE_ID_MAX) {
                parser->descriptors->n_dropped++;
                return;
        }
        parser->endpoint->uas_pipe_id = id;
}

static void parse_configuration(UsbDescriptors *descriptors, Span span) {
        Parser parser = { .descriptors = descriptors };
        Descriptor descriptor;

        while (take_descriptor(descriptors, &span, &descriptor)) {
                switch (descriptor.type) {
                case DESCRIPTOR_INTERFACE:
                        parse_interface(&parser, &descriptor);
                        break;
                case DESCRIPTOR_ENDPOINT:
                        parse_endpoint(&parser, &descriptor);
                        break;
                case DESCRIPTOR_SS_ENDPOINT_COMPANION:
                        parse_endpoint_companion(&parser, &descriptor);
                        break;
                case DESCRIPTOR_PIPE_USAGE:
                        parse_pipe_usage(&parser, &descriptor);
                        break;
                case DESCRIPTOR_DEVICE:
                case DESCRIPTOR_CONFIGURATION:
                        /* wTotalLength claimed what belongs to somebody else. */
                        descriptors->n_dropped++;
                        return;
                default:
                        /* Interface associations, class and vendor descriptors: not ours. */
                        break;
                }
        }
}

/* USB 3.2, 9.6.3. Takes the configuration at the start of the span, with all that belongs to it. */
static bool take_configuration(UsbDescriptors *descriptors, Span *span, Descriptor *ret,
                               Span *ret_body) {
        size_t total;

        if (!take_descriptor(descriptors, span, ret))
                return false;
        if (ret->type != DESCRIPTOR_CONFIGURATION || ret->size < CONFIGURATION_SIZE) {
                descriptors->n_dropped++;
                return false;
        }
        total = get_le16(ret->bytes + 2);
        if (total < ret->size || total - ret->size > span->size) {
                descriptors->n_dropped++;
                total = ret->size + span->size;
        }
        *ret_body = (Span){ span->bytes, total - ret->size };
        span->bytes += ret_body->size;
        span->size -= ret_body->size;
        return true;
}

static int parse_device(UsbDescriptors *descriptors, Span *span) {
        Descriptor descriptor;
        const uint8_t *bytes;
        bool is_usb_3;

        if (!take_descriptor(descriptors, span, &descriptor) ||
            descriptor.type != DESCRIPTOR_DEVICE || descriptor.size < DEVICE_SIZE)
                return -EBADMSG;
        bytes = descriptor.bytes;
        descriptors->usb_version = get_le16(bytes + 2);
        is_usb_3 = descriptors->usb_version >= USB_VERSION_3_0;
        descriptors->device_class = bytes[4];
        /* USB 3.2, 9.6.1: at SuperSpeed an exponent, which can be nothing but 9. */
        descriptors->control_packet_size = is_usb_3 ? 512 : bytes[7];
        descriptors->vendor_id = get_le16(bytes + 8);
        descriptors->product_id = get_le16(bytes + 10);
        descriptors->device_version = get_le16(bytes + 12);
        descriptors->manufacturer_index = bytes[14];
        descriptors->product_index = bytes[15];
        descriptors->serial_index = bytes[16];
        return 0;
}

int usb_descriptors_parse(UsbDescriptors *descriptors, const uint8_t *bytes, size_t size,
                          uint8_t configuration_value) {
        Span span = { bytes, size }, body;
        Descriptor configuration;
        int r;

        *descriptors = (UsbDescriptors){ 0 };
        r = parse_device(descriptors, &span);
        if (r < 0)
                return r;
        while (take_configuration(descriptors, &span, &configuration, &body)) {
                uint8_t value = configuration.bytes[5];
                /* USB 3.2, 9.6.3: bMaxPower is in units of 8 mA at SuperSpeed, of 2 mA below. */
                unsigned unit_ma = descriptors->usb_version >= USB_VERSION_3_0 ? 8 : 2;

                if (configuration_value != 0 && value != configuration_value)
                        continue;
                descriptors->configuration_value = value;
                descriptors->is_self_powered = configuration.bytes[7] & SELF_POWERED_BIT;
                descriptors->max_power_ma = (uint16_t) (configuration.bytes[8] * unit_ma);
                parse_configuration(descriptors, body);
                if (descriptors->n_dropped > 0)
                        log_debug("%zu descriptors of %04x:%04x made no sense.",
                                  descriptors->n_dropped, descriptors->vendor_id,
                                  descriptors->product_id);
                return 0;
        }
        return -EBADMSG;
}

/* USB 3.2, 9.6.2.2 and 9.6.2.5. */
static void parse_capability(UsbDescriptors *descriptors, const Descriptor *descriptor) {
        const uint8_t *bytes = descriptor->bytes;

        if (descriptor->type != DESCRIPTOR_DEVICE_CAPABILITY ||
            descriptor->size < CAPABILITY_HEADER_SIZE) {
                descriptors->n_dropped++;
                return;
        }
        if (bytes[2] == CAPABILITY_SUPER_SPEED) {
                if (descriptor->size < SUPER_SPEED_CAPABILITY_SIZE)
                        descriptors->n_dropped++;
                else
                        descriptors->is_super_speed_capable = get_le16(bytes + 4) & (1U << 3);
        } else if (bytes[2] == CAPABILITY_SUPER_SPEED_PLUS) {
                descriptors->is_super_speed_plus_capable = true;
        }
}

void usb_descriptors_parse_bos(UsbDescriptors *descriptors, const uint8_t *bytes, size_t size) {
        Span span = { bytes, size };
        Descriptor descriptor;
        size_t total;

        if (!take_descriptor(descriptors, &span, &descriptor))
                return;
        if (descriptor.type != DESCRIPTOR_BOS || descriptor.size < BOS_SIZE) {
                descriptors->n_dropped++;
                return;
        }
        total = get_le16(descriptor.bytes + 2);
        if (total < descriptor.size || total > size)
                descriptors->n_dropped++;
        else
                span.size = total - descriptor.size;
        while (take_descriptor(descriptors, &span, &descriptor))
                parse_capability(descriptors, &descriptor);
}

const UsbEndpoint *usb_descriptors_find_endpoint(const UsbDescriptors *descriptors,
                                                 const UsbInterface *interface,
                                                 UsbEndpointType type, uint8_t direction) {
        assert(interface->first_endpoint + interface->n_endpoints <= descriptors->n_endpoints);
        for (size_t i = 0; i < interface->n_endpoints; i++) {
                const UsbEndpoint *endpoint =
                                &descriptors->endpoints[interface->first_endpoint + i];

                if (endpoint->type == type && (endpoint->address & USB_ENDPOINT_IN) == direction)
                        return endpoint;
        }
        return NULL;
}

const UsbEndpoint *usb_descriptors_get_endpoint(const UsbDescriptors *descriptors,
                                                uint8_t interface, uint8_t alternate,
                                                uint8_t address) {
        for (size_t i = 0; i < descriptors->n_interfaces; i++) {
                const UsbInterface *candidate = &descriptors->interfaces[i];

                if (candidate->number == interface && candidate->alternate == alternate)
                        return find_address(descriptors, candidate, address);
        }
        return NULL;
}
