/* From the USB device up to the error handler, and back down. */

#include <errno.h>

#include "storage/storage_stack.h"
#include "transport/bot_transport.h"
#include "transport/cbi_transport.h"

/* UAS is not driven yet; such devices have BOT beside it. */
#define PROTOCOLS                                                          \
        (1U << USB_STORAGE_PROTOCOL_BOT | 1U << USB_STORAGE_PROTOCOL_CBI | \
         1U << USB_STORAGE_PROTOCOL_CB)

struct StorageStack {
        UsbDevice *device;           /* owned */
        const StorageQuirks *quirks; /* borrowed */
        UsbStorageDevice storage_device;
        Transport *transport;        /* owned */
        ScsiProcessor *processor;    /* owned */
        ErrorHandler *error_handler; /* owned */
        unsigned n_luns;
        bool has_told_luns;
        bool is_claimed;
        bool is_gone;
        StorageStackNotify notify;
        void *userdata; /* borrowed */
};

static void on_error_event(ErrorHandler *handler, ErrorHandlerEvent event, uint8_t lun,
                           void *userdata) {
        StorageStack *stack = userdata;

        if (event == ERROR_HANDLER_EVENT_GONE)
                storage_stack_set_gone(stack);
        else
                stack->notify(event, lun, stack->userdata);
}

static void on_device_gone(UsbDevice *device, void *userdata) { storage_stack_set_gone(userdata); }

int storage_stack_new(StorageStack **ret, UsbDevice *device, const StorageQuirks *quirks,
                      StorageStackNotify notify, void *userdata) {
        StorageStack *stack = calloc(1, sizeof(*stack));

        if (!stack) {
                usb_device_free(device);
                return -ENOMEM;
        }
        stack->device = device;
        stack->quirks = quirks;
        stack->notify = notify;
        stack->userdata = userdata;
        usb_device_set_gone_handler(device, on_device_gone, stack);
        *ret = stack;
        return 0;
}

StorageStack *storage_stack_free(StorageStack *stack) {
        if (!stack)
                return NULL;

        assert(!stack->transport && !stack->error_handler);
        usb_device_free(stack->device);
        free(stack);
        return NULL;
}

static int new_transport(StorageStack *stack) {
        switch (stack->storage_device.protocol) {
        case USB_STORAGE_PROTOCOL_BOT:
                return bot_transport_new(&stack->transport, stack->device, &stack->storage_device,
                                         &stack->quirks->bot);
        case USB_STORAGE_PROTOCOL_CBI:
        case USB_STORAGE_PROTOCOL_CB:
                return cbi_transport_new(&stack->transport, stack->device, &stack->storage_device,
                                         stack->quirks->bot.transfer_size_max);
        case USB_STORAGE_PROTOCOL_UAS: /* is not among PROTOCOLS */
        case _USB_STORAGE_PROTOCOL_MAX:
                break;
        }

        assert_not_reached();
}

static int start_transport(StorageStack *stack, Task *task, bool with_reset,
                           const char **ret_reason) {
        int r;

        *ret_reason = "it has no interface that can be driven";
        r = usb_storage_device_init(&stack->storage_device,
                                    usb_device_get_descriptors(stack->device),
                                    usb_device_get_speed(stack->device),
                                    storage_quirks_filter_protocols(stack->quirks, PROTOCOLS));
        if (r == -ENODEV)
                return -EOPNOTSUPP;
        if (r < 0)
                return r;

        *ret_reason = "its transport could not be started";
        r = new_transport(stack);
        if (r < 0)
                return r;
        r = transport_start(stack->transport, task);
        if (r < 0)
                return r;
        stack->is_claimed = true;

        if (!with_reset)
                return 0;
        *ret_reason = "it could not be reset after its last worker died";
        return transport_recover(stack->transport, task, TRANSPORT_RECOVERY_PORT_RESET, 0);
}

static int get_luns(StorageStack *stack, Task *task) {
        int max_lun;

        if (stack->quirks->has_single_lun) {
                stack->has_told_luns = true;
                stack->n_luns = 1;
                return 0;
        }
        max_lun = transport_get_max_lun(stack->transport, task);
        if (max_lun < 0 && max_lun != -EOPNOTSUPP)
                return max_lun;
        stack->has_told_luns = max_lun >= 0;
        stack->n_luns = stack->has_told_luns ? (unsigned) max_lun + 1 : 1;
        return 0;
}

int storage_stack_start(StorageStack *stack, Task *task, bool with_reset, const char **ret_reason) {
        int r;

        r = start_transport(stack, task, with_reset, ret_reason);
        if (r < 0)
                return r;

        *ret_reason = "it does not answer";
        r = get_luns(stack, task);
        if (r < 0)
                return r;

        r = scsi_processor_new(&stack->processor, stack->transport, &stack->quirks->processor);
        if (r < 0)
                return r;
        /* Of a unit that has not told what it is a change of medium is rather believed. */
        return error_handler_new(&stack->error_handler, stack->processor, stack->transport,
                                 &(ErrorHandlerOptions){ .is_removable = true }, on_error_event,
                                 stack);
}

static bool is_normal(const StorageStack *stack) {
        return error_handler_get_state(stack->error_handler) == ERROR_HANDLER_STATE_NORMAL;
}

/* Some devices do not bear a control request beside a command. */
int storage_stack_ask_luns(StorageStack *stack, Task *task) {
        int r = 0;

        if (!is_normal(stack))
                return -EAGAIN;
        scsi_processor_pause(stack->processor);
        while (is_normal(stack) && !scsi_processor_is_drained(stack->processor))
                task_sleep(task, NS_PER_MS);
        if (is_normal(stack))
                r = get_luns(stack, task);
        /* A recovery that has begun meanwhile ends the pause itself. */
        if (is_normal(stack))
                scsi_processor_resume(stack->processor);
        if (r < 0)
                return r;
        return stack->has_told_luns ? 0 : -EAGAIN;
}

static void release(StorageStack *stack, Task *task) {
        UsbOperation operation = {
                .type = USB_OPERATION_RELEASE,
                .interface = stack->storage_device.interface.number,
        };

        if (!stack->is_claimed || stack->is_gone)
                return;
        stack->is_claimed = false;
        usb_device_await_operation(task, stack->device, &operation);
}

void storage_stack_stop(StorageStack *stack, Task *task) {
        while (stack->error_handler && !error_handler_is_idle(stack->error_handler))
                task_sleep(task, NS_PER_MS);
        stack->error_handler = error_handler_free(stack->error_handler);
        stack->processor = scsi_processor_free(stack->processor);
        release(stack, task);
        stack->transport = transport_free(stack->transport);
}

void storage_stack_set_gone(StorageStack *stack) {
        if (stack->is_gone)
                return;

        stack->is_gone = true;
        usb_device_set_gone(stack->device);
        if (stack->error_handler)
                error_handler_set_gone(stack->error_handler);
        stack->notify(ERROR_HANDLER_EVENT_GONE, 0, stack->userdata);
}

UsbDevice *storage_stack_get_device(const StorageStack *stack) { return stack->device; }

ErrorHandler *storage_stack_get_error_handler(const StorageStack *stack) {
        return stack->error_handler;
}

ScsiTarget *storage_stack_get_target(const StorageStack *stack) {
        return error_handler_get_target(stack->error_handler);
}

ScsiCommandSet storage_stack_get_command_set(const StorageStack *stack) {
        switch (stack->storage_device.subclass) {
        case USB_SUBCLASS_UFI:
                return SCSI_COMMAND_SET_UFI;
        case USB_SUBCLASS_8020:
        case USB_SUBCLASS_8070:
                return SCSI_COMMAND_SET_ATAPI;
        default: /* a byte of the device, not an enum */
                return SCSI_COMMAND_SET_FULL;
        }
}

unsigned storage_stack_get_n_luns(const StorageStack *stack) { return stack->n_luns; }

bool storage_stack_has_told_luns(const StorageStack *stack) { return stack->has_told_luns; }
