/* See transport_control.h. No step sleeps for a fixed time: whether the device is ready again is
 * asked by the commands that follow. */

#include "transport/transport_control.h"

#include <errno.h>

static int errno_from_result(Task *task, UsbResult result) {
        if (result == USB_RESULT_GONE)
                return -ENODEV;
        if (task_is_cancelled(task))
                return -ECANCELED;
        return result == USB_RESULT_OK ? 0 : -EIO;
}

static int operate(Task *task, UsbDevice *device, UsbOperation *operation) {
        return errno_from_result(task, usb_device_await_operation(task, device, operation));
}

int transport_control_request(Task *task, UsbDevice *device, const UsbSetup *setup, void *data,
                              size_t size, uint64_t timeout_ns) {
        uint64_t deadline_ns = event_loop_now_ns(task_get_loop(task)) + timeout_ns;

        return errno_from_result(task, usb_device_await_control(task, device, setup, data, size,
                                                                deadline_ns,
                                                                /* ret_actual_size= */ NULL));
}

static int set_interface(Task *task, UsbDevice *device, const UsbInterface *interface) {
        UsbOperation operation = {
                .type = USB_OPERATION_SET_INTERFACE,
                .interface = interface->number,
                .alternate = interface->alternate,
        };

        return operate(task, device, &operation);
}

int transport_control_clear_halt(Task *task, UsbDevice *device, uint8_t endpoint) {
        UsbOperation operation = {
                .type = USB_OPERATION_CLEAR_HALT,
                .endpoint = endpoint,
        };

        return operate(task, device, &operation);
}

static bool has_several_alternates(const UsbDescriptors *descriptors,
                                   const UsbInterface *interface) {
        for (size_t i = 0; i < descriptors->n_interfaces; i++) {
                const UsbInterface *other = &descriptors->interfaces[i];

                if (other->number == interface->number && other->alternate != interface->alternate)
                        return true;
        }
        return false;
}

int transport_control_start(Task *task, UsbDevice *device, const UsbInterface *interface) {
        UsbOperation claim = {
                .type = USB_OPERATION_CLAIM,
                .interface = interface->number,
        };
        int r;

        r = operate(task, device, &claim);
        if (r < 0)
                return r;

        /* Some devices with a single setting choke on SET_INTERFACE; where there are several,
         * nobody knows which one the last user has left. */
        if (!has_several_alternates(usb_device_get_descriptors(device), interface) &&
            interface->alternate == 0)
                return 0;
        return set_interface(task, device, interface);
}

int transport_control_clear_bulk_halts(Task *task, UsbDevice *device,
                                       const UsbStorageDevice *storage_device) {
        int r, q;

        r = transport_control_clear_halt(task, device, storage_device->bulk_in.address);
        q = transport_control_clear_halt(task, device, storage_device->bulk_out.address);
        return r < 0 ? r : q;
}

int transport_control_reset_port(Task *task, UsbDevice *device,
                                 const UsbStorageDevice *storage_device) {
        UsbOperation reset = {
                .type = USB_OPERATION_RESET,
        };
        int r;

        r = operate(task, device, &reset);
        if (r < 0 || storage_device->interface.alternate == 0)
                return r;
        return set_interface(task, device, &storage_device->interface);
}
