/*
 * Which interface to drive. A candidate is an alternate setting of the mass-storage class that has
 * every endpoint its protocol needs; among candidates the protocol decides, then the order in which
 * the device lists them.
 */

#include <errno.h>

#include "base/log.h"
#include "usb/usb_storage_device.h"

const char *usb_storage_protocol_to_string(UsbStorageProtocol protocol) {
        switch (protocol) {
        case USB_STORAGE_PROTOCOL_BOT:
                return "bot";
        case USB_STORAGE_PROTOCOL_CBI:
                return "cbi";
        case USB_STORAGE_PROTOCOL_CB:
                return "cb";
        case USB_STORAGE_PROTOCOL_UAS:
                return "uas";
        case _USB_STORAGE_PROTOCOL_MAX:
                break;
        }

        assert_not_reached();
}

/* UAS queues commands and streams their data; Bulk-Only has one command, CBI adds two transfers. */
static unsigned rank(UsbStorageProtocol protocol) {
        switch (protocol) {
        case USB_STORAGE_PROTOCOL_UAS:
                return 3;
        case USB_STORAGE_PROTOCOL_BOT:
                return 2;
        case USB_STORAGE_PROTOCOL_CBI:
                return 1;
        case USB_STORAGE_PROTOCOL_CB:
                return 0;
        case _USB_STORAGE_PROTOCOL_MAX:
                break;
        }

        assert_not_reached();
}

static bool protocol_from_byte(uint8_t byte, UsbStorageProtocol *ret) {
        switch (byte) {
        case USB_PROTOCOL_CBI:
                *ret = USB_STORAGE_PROTOCOL_CBI;
                return true;
        case USB_PROTOCOL_CB:
                *ret = USB_STORAGE_PROTOCOL_CB;
                return true;
        case USB_PROTOCOL_BOT:
                *ret = USB_STORAGE_PROTOCOL_BOT;
                return true;
        case USB_PROTOCOL_UAS:
                *ret = USB_STORAGE_PROTOCOL_UAS;
                return true;
        default:
                return false;
        }
}

static bool is_known_subclass(uint8_t subclass) {
        switch (subclass) {
        case USB_SUBCLASS_RBC:
        case USB_SUBCLASS_8020:
        case USB_SUBCLASS_UFI:
        case USB_SUBCLASS_8070:
        case USB_SUBCLASS_SCSI:
                return true;
        default:
                return false;
        }
}

/* What is missing, or NULL. */
static const char *take_bulk_endpoints(UsbStorageDevice *candidate,
                                       const UsbDescriptors *descriptors) {
        const UsbEndpoint *in, *out;

        in = usb_descriptors_find_endpoint(descriptors, &candidate->interface,
                                           USB_ENDPOINT_TYPE_BULK, USB_ENDPOINT_IN);
        if (!in)
                return "a bulk-in endpoint";
        out = usb_descriptors_find_endpoint(descriptors, &candidate->interface,
                                            USB_ENDPOINT_TYPE_BULK, /* direction= */ 0);
        if (!out)
                return "a bulk-out endpoint";
        candidate->bulk_in = *in;
        candidate->bulk_out = *out;
        return NULL;
}

static const char *take_interrupt_endpoint(UsbStorageDevice *candidate,
                                           const UsbDescriptors *descriptors) {
        const UsbEndpoint *in;

        in = usb_descriptors_find_endpoint(descriptors, &candidate->interface,
                                           USB_ENDPOINT_TYPE_INTERRUPT, USB_ENDPOINT_IN);
        if (!in)
                return "an interrupt-in endpoint";
        candidate->interrupt_in = *in;
        return NULL;
}

static const UsbEndpoint *find_uas_pipe(const UsbDescriptors *descriptors,
                                        const UsbInterface *interface, UsbUasPipe pipe) {
        for (size_t i = 0; i < interface->n_endpoints; i++) {
                const UsbEndpoint *endpoint =
                                &descriptors->endpoints[interface->first_endpoint + i];

                if (endpoint->uas_pipe_id == pipe + 1)
                        return endpoint;
        }
        return NULL;
}

/* UAS, 4.2 and 5.3.3: four bulk pipes; at SuperSpeed all but the command pipe have streams. */
static const char *take_uas_pipes(UsbStorageDevice *candidate, const UsbDescriptors *descriptors) {
        for (UsbUasPipe pipe = 0; pipe < _USB_UAS_PIPE_MAX; pipe++) {
                bool is_in = pipe == USB_UAS_PIPE_STATUS || pipe == USB_UAS_PIPE_DATA_IN;
                bool needs_streams =
                                candidate->speed >= USB_SPEED_SUPER && pipe != USB_UAS_PIPE_COMMAND;
                const UsbEndpoint *endpoint;

                endpoint = find_uas_pipe(descriptors, &candidate->interface, pipe);
                if (!endpoint)
                        return "a UAS pipe";
                if (endpoint->type != USB_ENDPOINT_TYPE_BULK ||
                    (endpoint->address & USB_ENDPOINT_IN) != (is_in ? USB_ENDPOINT_IN : 0))
                        return "a UAS pipe of the right type and direction";
                if (needs_streams && endpoint->n_streams_max == 0)
                        return "streams on a UAS pipe";
                candidate->uas_pipes[pipe] = *endpoint;
        }
        return NULL;
}

static const char *take_endpoints(UsbStorageDevice *candidate, const UsbDescriptors *descriptors) {
        const char *missing;

        switch (candidate->protocol) {
        case USB_STORAGE_PROTOCOL_BOT:
        case USB_STORAGE_PROTOCOL_CB:
                return take_bulk_endpoints(candidate, descriptors);
        case USB_STORAGE_PROTOCOL_CBI:
                missing = take_bulk_endpoints(candidate, descriptors);
                return missing ?: take_interrupt_endpoint(candidate, descriptors);
        case USB_STORAGE_PROTOCOL_UAS:
                return take_uas_pipes(candidate, descriptors);
        case _USB_STORAGE_PROTOCOL_MAX:
                break;
        }

        assert_not_reached();
}

/* Why the interface is not driven, or NULL. */
static const char *fill_candidate(UsbStorageDevice *candidate, const UsbDescriptors *descriptors,
                                  unsigned protocols) {
        const UsbInterface *interface = &candidate->interface;

        if (interface->class != USB_CLASS_MASS_STORAGE)
                return "the mass-storage class";
        if (!is_known_subclass(interface->subclass))
                return "a known subclass";
        if (!protocol_from_byte(interface->protocol, &candidate->protocol))
                return "a known protocol";
        if (!(protocols & (1U << candidate->protocol)))
                return "leave to use its protocol";
        return take_endpoints(candidate, descriptors);
}

int usb_storage_device_init(UsbStorageDevice *storage_device, const UsbDescriptors *descriptors,
                            UsbSpeed speed, unsigned protocols) {
        bool is_found = false;

        for (size_t i = 0; i < descriptors->n_interfaces; i++) {
                UsbStorageDevice candidate = {
                        .vendor_id = descriptors->vendor_id,
                        .product_id = descriptors->product_id,
                        .device_version = descriptors->device_version,
                        .speed = speed,
                        .interface = descriptors->interfaces[i],
                        .subclass = descriptors->interfaces[i].subclass,
                };
                const char *missing = fill_candidate(&candidate, descriptors, protocols);

                if (missing) {
                        log_debug("%04x:%04x, interface %u.%u: not driven, it lacks %s.",
                                  candidate.vendor_id, candidate.product_id,
                                  candidate.interface.number, candidate.interface.alternate,
                                  missing);
                        continue;
                }
                if (is_found && rank(candidate.protocol) <= rank(storage_device->protocol))
                        continue;
                *storage_device = candidate;
                is_found = true;
        }
        return is_found ? 0 : -ENODEV;
}
