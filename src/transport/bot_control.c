/* GET MAX LUN and recovery of BOT devices. */

#include "transport/bot_control.h"

#include <errno.h>

#include "transport/transport_control.h"

/* BOT 1.0, 3.1 and 3.2. */
#define BOT_REQUEST_RESET 0xFF
#define BOT_REQUEST_GET_MAX_LUN 0xFE

/* BOT 1.0, 3.2: LUNs are 0 to 15. */
#define BOT_MAX_LUN 15
#define MAX_LUN_TRIES 2

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
                r = transport_control_request(task, device, &setup, &max_lun, sizeof(max_lun),
                                              BOT_CONTROL_MAX_LUN_TIMEOUT_NS);
                if (r == -ENODEV || r == -ECANCELED)
                        return r;
                if (r >= 0 || r == -ETIMEDOUT)
                        break;
        }

        /* A device with one LUN may stall (3.2), but so may one that was disturbed. */
        return r < 0 || max_lun > BOT_MAX_LUN ? -EOPNOTSUPP : max_lun;
}

/* BOT 1.0, 5.3.4: reset recovery. */
static int reset_class(Task *task, UsbDevice *device, const UsbStorageDevice *storage_device) {
        UsbSetup setup = {
                .request_type = USB_REQUEST_TYPE_CLASS_INTERFACE_OUT,
                .request = BOT_REQUEST_RESET,
                .index = storage_device->interface.number,
        };
        int r;

        r = transport_control_request(task, device, &setup, /* data= */ NULL, /* size= */ 0,
                                      BOT_CONTROL_RESET_TIMEOUT_NS);
        if (r < 0)
                return r;
        return transport_control_clear_bulk_halts(task, device, storage_device);
}

int bot_control_recover(Task *task, UsbDevice *device, const UsbStorageDevice *storage_device,
                        TransportRecovery recovery) {
        switch (recovery) {
        case TRANSPORT_RECOVERY_CLEAR_HALTS:
                return transport_control_clear_bulk_halts(task, device, storage_device);
        case TRANSPORT_RECOVERY_CLASS_RESET:
                return reset_class(task, device, storage_device);
        case TRANSPORT_RECOVERY_LUN_RESET:
                return -EOPNOTSUPP;
        case TRANSPORT_RECOVERY_PORT_RESET:
                return transport_control_reset_port(task, device, storage_device);
        case _TRANSPORT_RECOVERY_MAX:
                break;
        }

        assert_not_reached();
}
