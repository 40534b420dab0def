#pragma once

/*
 * TransportControl
 *
 * The sequential steps that all transports make: what goes over the control endpoint or blocks in
 * the kernel. For tasks; none of it touches the state of a command. All give -ENODEV, -EIO or
 * -ECANCELED.
 */

#include "transport/transport.h"
#include "usb/usb_storage_device.h"

/* Claims the interface and selects its alternate setting. -EBUSY: claimed by another. */
int transport_control_start(Task *task, UsbDevice *device, const UsbInterface *interface);
int transport_control_request(Task *task, UsbDevice *device, const UsbSetup *setup, void *data,
                              size_t size, uint64_t timeout_ns);
int transport_control_clear_halt(Task *task, UsbDevice *device, uint8_t endpoint);
/* Of both bulk endpoints. Both are tried in any case, the first failure is told. */
int transport_control_clear_bulk_halts(Task *task, UsbDevice *device,
                                       const UsbStorageDevice *storage_device);
/* And selects the alternate setting again. */
int transport_control_reset_port(Task *task, UsbDevice *device,
                                 const UsbStorageDevice *storage_device);
