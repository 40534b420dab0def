/* USB 2.0, 9.6; USB 3.2, 9.6.7; UAS, 5.3.3.5. */

#include "usb/usb_descriptors_writer.h"

#include <string.h>

#define ATTRIBUTES_RESERVED 0x80
#define ATTRIBUTES_SELF_POWERED 0x40
#define SUPER_SPEED_VERSION 0x0300

static uint8_t low(unsigned n) { return (uint8_t) n; }
static uint8_t high(unsigned n) { return (uint8_t) (n >> 8); }

size_t usb_descriptors_writer_put_device(const UsbDescriptors *descriptors, uint8_t *ret) {
        const UsbDescriptors *d = descriptors;
        /* From SuperSpeed on the packet size is told by its exponent. */
        unsigned packet_size = d->usb_version >= SUPER_SPEED_VERSION ? 9 : d->control_packet_size;
        const uint8_t bytes[] = {
                18,
                1,
                low(d->usb_version),
                high(d->usb_version),
                d->device_class,
                0,
                0,
                low(packet_size),
                low(d->vendor_id),
                high(d->vendor_id),
                low(d->product_id),
                high(d->product_id),
                low(d->device_version),
                high(d->device_version),
                d->manufacturer_index,
                d->product_index,
                d->serial_index,
                1,
        };

        memcpy(ret, bytes, sizeof(bytes));
        return sizeof(bytes);
}

static size_t put_endpoint(const UsbEndpoint *endpoint, bool is_super_speed, uint8_t *ret) {
        const uint8_t bytes[] = {
                7,
                5,
                endpoint->address,
                (uint8_t) endpoint->type,
                low(endpoint->packet_size_max),
                high(endpoint->packet_size_max),
                endpoint->interval,
        };
        const uint8_t companion[] = {
                6, 0x30, endpoint->burst_max, 0, 0, 0,
        };
        const uint8_t pipe_usage[] = { 4, 0x24, endpoint->uas_pipe_id, 0 };
        size_t size = sizeof(bytes);

        memcpy(ret, bytes, sizeof(bytes));
        if (is_super_speed) {
                memcpy(ret + size, companion, sizeof(companion));
                if (endpoint->n_streams_max > 0)
                        ret[size + 3] = (uint8_t) __builtin_ctz(endpoint->n_streams_max);
                size += sizeof(companion);
        }
        if (endpoint->uas_pipe_id != 0) {
                memcpy(ret + size, pipe_usage, sizeof(pipe_usage));
                size += sizeof(pipe_usage);
        }
        return size;
}

static size_t put_interface(const UsbDescriptors *descriptors, const UsbInterface *interface,
                            uint8_t *ret) {
        bool is_super_speed = descriptors->usb_version >= SUPER_SPEED_VERSION;
        const uint8_t bytes[] = {
                9,
                4,
                interface->number,
                interface->alternate,
                interface->n_endpoints,
                interface->class,
                interface->subclass,
                interface->protocol,
                0,
        };
        size_t size = sizeof(bytes);

        memcpy(ret, bytes, sizeof(bytes));
        for (unsigned i = 0; i < interface->n_endpoints; i++)
                size += put_endpoint(&descriptors->endpoints[interface->first_endpoint + i],
                                     is_super_speed, ret + size);
        return size;
}

static unsigned count_interfaces(const UsbDescriptors *descriptors) {
        unsigned n = 0;

        for (size_t i = 0; i < descriptors->n_interfaces; i++)
                n += descriptors->interfaces[i].alternate == 0;
        return n;
}

size_t usb_descriptors_writer_put_configuration(const UsbDescriptors *descriptors, uint8_t *ret) {
        /* In units of 2 mA, from SuperSpeed on of 8. */
        unsigned power = descriptors->max_power_ma /
                         (descriptors->usb_version >= SUPER_SPEED_VERSION ? 8U : 2U);
        size_t size = 9;

        for (size_t i = 0; i < descriptors->n_interfaces; i++)
                size += put_interface(descriptors, &descriptors->interfaces[i], ret + size);
        memcpy(ret,
               (const uint8_t[]){
                               9,
                               2,
                               low((unsigned) size),
                               high((unsigned) size),
                               low(count_interfaces(descriptors)),
                               descriptors->configuration_value,
                               0,
                               ATTRIBUTES_RESERVED | (descriptors->is_self_powered
                                                                      ? ATTRIBUTES_SELF_POWERED
                                                                      : 0),
                               low(power),
               },
               9);
        return size;
}
