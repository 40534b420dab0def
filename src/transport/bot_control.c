/*
 * Bring-up, GET MAX LUN and recovery of BOT devices. No step sleeps for a fixed time: whether the
 * device is ready again is asked by the commands that follow.
 */

#include "transport/bot_control.h"

#include <errno.h>

/* BOT 1.0, 3.1 and 3.2. */
#define BOT_REQUEST_RESET 0xFF
#define BOT_REQUEST_GET_MAX_LUN 0xFE

/* BOT 1.0, 3.2: LUNs are 0 to 15. */
#define BOT_MAX_LUN 15
#define MAX_LUN_TRIES 2

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

static int request(Task *task, UsbDevice *device, const UsbSetup *setup, void *data, size_t size,
                   uint64_t timeout_ns) {
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

static int clear_halt(Task *task, UsbDevice *device, uint8_t endpoint) {
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

int bot_control_start(Task *task, UsbDevice *device, const UsbInterface *interface) {
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

int bot_control_get_max_lun(Task *task, UsbDevice *device, const UsbInterface *interface) {
        UsbSetup setup = {
                .request_type = USB_REQUEST_TYPE_CLASS_INTERFACE_IN,
                .request = BOT_REQUEST_GET_MAX_LUN,
                .index = interface->number,
        };
        uint8_t max_lun = UINT8_MAX; /* also if the answer is empty */
        int r;

        /* A stall may be a glitch, and would cost a card reader all its slots but the first. */
        for (unsigned i = 0; i < MAX_LUN_TRIES; i++) {
                r = request(task, device, &setup, &max_lun, sizeof(max_lun),
                            BOT_CONTROL_MAX_LUN_TIMEOUT_NS);
                if (r == -ENODEV || r == -ECANCELED)
                        return r;
                if (r >= 0 || r == -ETIMEDOUT)
                        break;
        }

        /* A device with one LUN may stall (3.2), but so may one that was disturbed. */
        return r < 0 || max_lun > BOT_MAX_LUN ? -EOPNOTSUPP : max_lun;
}

/* Both are tried in any case, the first failure is told. */
static int clear_halts(Task *task, UsbDevice *device, const UsbStorageDevice *storage_device) {
        int r, q;

        r = clear_halt(task, device, storage_device->bulk_in.address);
        q = clear_halt(task, device, storage_device->bulk_out.address);
        return r < 0 ? r : q;
}

/* BOT 1.0, 5.3.4: reset recovery. */
static int reset_class(Task *task, UsbDevice *device, const UsbStorageDevice *storage_device) {
        UsbSetup setup = {
                .request_type = USB_REQUEST_TYPE_CLASS_INTERFACE_OUT,
                .request = BOT_REQUEST_RESET,
                .index = storage_device->interface.number,
        };
        int r;

        r = request(task, device, &setup, /* data= */ NULL, /* size= */ 0,
                    BOT_CONTROL_RESET_TIMEOUT_NS);
        if (r < 0)
                return r;
        return clear_halts(task, device, storage_device);
}

static int reset_port(Task *task, UsbDevice *device, const UsbStorageDevice *storage_device) {
        UsbOperation reset = {
                .type = USB_OPERATION_RESET,
        };
        int r;

        r = operate(task, device, &reset);
        if (r < 0 || storage_device->interface.alternate == 0)
                return r;
        return set_interface(task, device, &storage_device->interface);
}

int bot_control_recover(Task *task, UsbDevice *device, const UsbStorageDevice *storage_device,
                        TransportRecovery recovery) {
        switch (recovery) {
        case TRANSPORT_RECOVERY_CLEAR_HALTS:
                return clear_halts(task, device, storage_device);
        case TRANSPORT_RECOVERY_CLASS_RESET:
                return reset_class(task, device, storage_device);
        case TRANSPORT_RECOVERY_LUN_RESET:
                return -EOPNOTSUPP;
        case TRANSPORT_RECOVERY_PORT_RESET:
                return reset_port(task, device, storage_device);
        case _TRANSPORT_RECOVERY_MAX:
                break;
        }

        assert_not_reached();
}
