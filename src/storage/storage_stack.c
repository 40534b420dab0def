/* From the USB device up to the gate, and back down. */

#include <errno.h>

#include "base/bytes.h"
#include "base/log.h"
#include "storage/storage_stack.h"
#include "transport/bot_transport.h"
#include "transport/cbi_transport.h"
#include "transport/uas_transport.h"

#define PROTOCOLS ((1U << _USB_STORAGE_PROTOCOL_MAX) - 1)
/* REPORT LUNS: a header and so many entries. */
#define LUNS_HEADER_SIZE 8
#define LUNS_ENTRY_SIZE 8
#define LUNS_SIZE (LUNS_HEADER_SIZE + 64 * LUNS_ENTRY_SIZE)
#define ASC_INVALID_OPERATION_CODE 0x20
#define DEVICE_TYPE_DISK 0x00 /* SPC-4, "Standard INQUIRY data" */
#define LUNS_TIMEOUT_NS (30 * NS_PER_S)

struct StorageStack {
        UsbDevice *device;                  /* owned */
        const StorageQuirks *quirks;        /* borrowed */
        StorageStackStatistics *statistics; /* borrowed */
        UsbStorageDevice storage_device;
        Transport *transport;        /* owned */
        ScsiProcessor *processor;    /* owned */
        ErrorHandler *error_handler; /* owned */
        PowerManager *power;         /* owned; NULL: the transport is not settled yet */
        PowerOptions power_options;
        const PowerManagerOps *power_ops; /* borrowed */
        unsigned n_luns;
        bool has_told_luns;
        bool is_claimed;
        bool is_gone;
        bool offers_uas;
        bool is_on_trial; /* UAS, until a command was answered */
        bool has_given_up_uas;
        bool lacks_report_luns;
        const char *change_reason; /* of the transport; borrowed */
        StorageStackNotify notify;
        void *userdata; /* borrowed */
};

static bool is_uas(const StorageStack *stack) {
        return stack->storage_device.protocol == USB_STORAGE_PROTOCOL_UAS;
}

static void note_change(StorageStack *stack) {
        stack->has_given_up_uas = true;
        log_device_warning(usb_device_get_name(stack->device),
                           "UAS is too much for it (%s), driving it by Bulk-Only from now on",
                           stack->change_reason);
}

static void on_error_event(ErrorHandler *handler, ErrorHandlerEvent event, uint8_t lun,
                           void *userdata) {
        StorageStack *stack = userdata;

        if (stack->power)
                power_manager_on_event(stack->power, event);
        if (event == ERROR_HANDLER_EVENT_GONE) {
                storage_stack_set_gone(stack);
                return;
        }
        if (event == ERROR_HANDLER_EVENT_TRANSPORT_CHANGED)
                note_change(stack);
        if (!stack->is_on_trial)
                stack->notify(event, lun, stack->userdata);
}

static int make_gate(StorageStack *stack) {
        return power_manager_new(&stack->power,
                                 &(PowerManagerSetup){
                                                 .handler = stack->error_handler,
                                                 .device = stack->device,
                                                 .traits = stack->quirks->power,
                                                 .options = stack->power_options,
                                                 .statistics = &stack->statistics->power,
                                                 .ops = stack->power_ops,
                                                 .userdata = stack->userdata,
                                 });
}

static void on_device_gone(UsbDevice *device, void *userdata) { storage_stack_set_gone(userdata); }

int storage_stack_new(StorageStack **ret, UsbDevice *device, const StorageQuirks *quirks,
                      StorageStackStatistics *statistics, StorageStackNotify notify,
                      const PowerManagerOps *power_ops, void *userdata) {
        StorageStack *stack = calloc(1, sizeof(*stack));
        UsbStorageDevice uas;

        if (!stack) {
                usb_device_free(device);
                return -ENOMEM;
        }
        stack->device = device;
        stack->quirks = quirks;
        stack->statistics = statistics;
        stack->notify = notify;
        stack->power_ops = power_ops;
        stack->userdata = userdata;
        stack->offers_uas = usb_storage_device_init(&uas, usb_device_get_descriptors(device),
                                                    usb_device_get_speed(device),
                                                    1U << USB_STORAGE_PROTOCOL_UAS) == 0;
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

static int new_transport(StorageStack *stack, const UsbStorageDevice *device, Transport **ret) {
        size_t transfer_size_max = stack->quirks->bot.transfer_size_max;

        switch (device->protocol) {
        case USB_STORAGE_PROTOCOL_BOT:
                return bot_transport_new(ret, stack->device, device, &stack->quirks->bot);
        case USB_STORAGE_PROTOCOL_CBI:
        case USB_STORAGE_PROTOCOL_CB:
                return cbi_transport_new(ret, stack->device, device, transfer_size_max);
        case USB_STORAGE_PROTOCOL_UAS:
                return uas_transport_new(ret, stack->device, device,
                                         &(UasOptions){ .transfer_size_max = transfer_size_max });
        case _USB_STORAGE_PROTOCOL_MAX:
                break;
        }

        assert_not_reached();
}

static int start_transport(StorageStack *stack, Task *task, unsigned protocols, bool with_reset,
                           const char **ret_reason) {
        int r;

        *ret_reason = "it has no interface that can be driven";
        r = usb_storage_device_init(&stack->storage_device,
                                    usb_device_get_descriptors(stack->device),
                                    usb_device_get_speed(stack->device), protocols);
        if (r == -ENODEV)
                return -EOPNOTSUPP;
        if (r < 0)
                return r;

        *ret_reason = "its transport could not be started";
        r = new_transport(stack, &stack->storage_device, &stack->transport);
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

/* SPC-4, "REPORT LUNS parameter data": one more than the highest of those that we address. */
static unsigned count_reported_luns(const uint8_t *bytes, size_t size) {
        unsigned n_luns = 1;

        for (size_t i = LUNS_HEADER_SIZE; i + LUNS_ENTRY_SIZE <= size; i += LUNS_ENTRY_SIZE)
                if (bytes[i] == 0 && bytes[i + 1] < SCSI_PROCESSOR_LUNS_MAX)
                        n_luns = MAX(n_luns, bytes[i + 1] + 1U);
        return n_luns;
}

static int judge_reported_luns(StorageStack *stack, const ScsiCommand *command, ScsiResult result,
                               const uint8_t *bytes) {
        size_t size = command->actual_size;

        switch (result) {
        case SCSI_RESULT_GOOD:
                if (size >= LUNS_HEADER_SIZE)
                        size = MIN(size, (uint64_t) get_be32(bytes) + LUNS_HEADER_SIZE);
                stack->n_luns = count_reported_luns(bytes, size);
                stack->has_told_luns = true;
                return 0;
        case SCSI_RESULT_CHECK_CONDITION:
                /* It has no such command, and one LUN. */
                stack->has_told_luns = command->sense.key == SCSI_SENSE_KEY_ILLEGAL_REQUEST;
                stack->lacks_report_luns = stack->has_told_luns &&
                                           command->sense.asc == ASC_INVALID_OPERATION_CODE;
                return 0;
        case SCSI_RESULT_BUSY:
        case SCSI_RESULT_RESERVED:
        case SCSI_RESULT_INVALID:
        case SCSI_RESULT_NO_MEMORY:
                return 0;
        case SCSI_RESULT_GONE:
                return -ENODEV;
        case SCSI_RESULT_CANCELLED:
                return -ECANCELED;
        case SCSI_RESULT_TRANSPORT_ERROR:
        case SCSI_RESULT_TIMED_OUT:
                return -EIO;
        case _SCSI_RESULT_MAX:
                break;
        }

        assert_not_reached();
}

/* How UAS devices tell it. */
static int report_luns(StorageStack *stack, Task *task) {
        ScsiTarget *target = storage_stack_get_target(stack);
        ScsiCommand command;
        uint8_t *bytes;
        int r;

        bytes = staging_get(target->staging, LUNS_SIZE);
        if (!bytes)
                return -ENOMEM;
        scsi_command_init(&command, 0, event_loop_now_ns(target->loop) + LUNS_TIMEOUT_NS);
        scsi_command_report_luns(&command, bytes, LUNS_SIZE);
        r = judge_reported_luns(stack, &command, scsi_target_await(target, task, &command), bytes);
        staging_put(target->staging, bytes, LUNS_SIZE);
        return r;
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

/* The same protocols without UAS, if the device offers one of them; else 0. */
static unsigned without_uas(const StorageStack *stack, unsigned protocols,
                            UsbStorageDevice *ret_device) {
        protocols &= ~(1U << USB_STORAGE_PROTOCOL_UAS);
        return usb_storage_device_init(ret_device, usb_device_get_descriptors(stack->device),
                                       usb_device_get_speed(stack->device), protocols) < 0
                               ? 0
                               : protocols;
}

static int start_other(StorageStack *stack, Task *task, const UsbStorageDevice *device,
                       Transport **ret) {
        _cleanup_(transport_freep) Transport *transport = NULL;
        int r;

        r = new_transport(stack, device, &transport);
        if (r < 0)
                return r;
        r = transport_start(transport, task);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(transport);
        return 0;
}

/* The error handler asks for it, and keeps all commands meanwhile. The reset may well fail halfway:
 * what of UAS must be redone after it is of no use any more. */
static int change_transport(Task *task, const char *why, Transport **ret, void *userdata) {
        StorageStack *stack = userdata;
        unsigned protocols = storage_quirks_filter_protocols(stack->quirks, PROTOCOLS);
        UsbStorageDevice device;
        Transport *transport;
        int r;

        if (stack->is_on_trial || !is_uas(stack) || without_uas(stack, protocols, &device) == 0)
                return -EOPNOTSUPP;
        r = transport_recover(stack->transport, task, TRANSPORT_RECOVERY_PORT_RESET, 0);
        if (r == -ENODEV || r == -ECANCELED)
                return r;
        r = start_other(stack, task, &device, &transport);
        if (r < 0)
                return r == -ENODEV || r == -ECANCELED ? r : -EIO;

        transport_free(stack->transport);
        stack->transport = transport;
        stack->storage_device = device;
        stack->change_reason = why;
        *ret = transport;
        return 0;
}

static int start_with(StorageStack *stack, Task *task, unsigned protocols, bool with_reset,
                      const char **ret_reason) {
        ScsiProcessorOptions options = stack->quirks->processor;
        int r;

        r = start_transport(stack, task, protocols, with_reset, ret_reason);
        if (r < 0)
                return r;

        *ret_reason = "it does not answer";
        r = get_luns(stack, task);
        if (r < 0)
                return r;

        options.statistics = &stack->statistics->scsi;
        options.history = &stack->statistics->history;
        r = scsi_processor_new(&stack->processor, stack->transport, &options);
        if (r < 0)
                return r;
        /* Of a unit that has not told what it is a change of medium is rather believed. */
        r = error_handler_new(&stack->error_handler, stack->processor, stack->transport,
                              &(ErrorHandlerOptions){
                                              .is_removable = true,
                                              .change_transport = change_transport,
                                              .statistics = &stack->statistics->errors,
                              },
                              on_error_event, stack);
        if (r < 0 || !is_uas(stack) || stack->has_told_luns)
                return r;
        stack->is_on_trial = true;
        r = report_luns(stack, task);
        stack->is_on_trial = false;
        return r;
}

static void take_down(StorageStack *stack, Task *task) {
        if (stack->power)
                power_manager_end(stack->power, task);
        while (stack->power && !power_manager_is_idle(stack->power))
                task_sleep(task, NS_PER_MS);
        stack->power = power_manager_free(stack->power);
        while (stack->error_handler && !error_handler_is_idle(stack->error_handler))
                task_sleep(task, NS_PER_MS);
        stack->error_handler = error_handler_free(stack->error_handler);
        stack->processor = scsi_processor_free(stack->processor);
}

static unsigned choose_protocols(const StorageStack *stack) {
        unsigned protocols = storage_quirks_filter_protocols(stack->quirks, PROTOCOLS);
        UsbStorageDevice other;

        if (!stack->quirks->avoids_uas)
                return protocols;
        return without_uas(stack, protocols, &other) ?: protocols;
}

/* A device that offers UAS and does not bear it is driven by Bulk-Only, if it offers that. */
int storage_stack_start(StorageStack *stack, Task *task, bool with_reset, const char **ret_reason) {
        unsigned protocols = choose_protocols(stack);
        UsbStorageDevice other;
        int r;

        r = start_with(stack, task, protocols, with_reset, ret_reason);
        if (r == 0)
                return make_gate(stack);
        if (r != -EIO || stack->is_gone || !is_uas(stack))
                return r;
        protocols = without_uas(stack, protocols, &other);
        if (protocols == 0)
                return r;

        log_device_warning(usb_device_get_name(stack->device),
                           "It offers UAS but does not bear it, driving it by Bulk-Only");
        take_down(stack, task);
        stack->transport = transport_free(stack->transport);
        r = start_with(stack, task, protocols, /* with_reset= */ true, ret_reason);
        stack->has_given_up_uas = r == 0;
        return r == 0 ? make_gate(stack) : r;
}

static bool is_normal(const StorageStack *stack) {
        return error_handler_get_state(stack->error_handler) == ERROR_HANDLER_STATE_NORMAL;
}

void storage_stack_hold(StorageStack *stack) { scsi_processor_hold(stack->processor); }

void storage_stack_release(StorageStack *stack) { scsi_processor_release(stack->processor); }

/* Some devices do not bear a control request beside a command. */
static int ask_luns(StorageStack *stack, Task *task) {
        int r = 0;

        if (!is_normal(stack))
                return -EAGAIN;
        if (is_uas(stack)) {
                r = report_luns(stack, task);
                if (r == -ENODEV || r == -ECANCELED)
                        return r;
                return stack->has_told_luns ? 0 : -EAGAIN;
        }
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

int storage_stack_ask_luns(StorageStack *stack, Task *task) {
        int r;

        r = power_manager_hold(stack->power, task);
        if (r < 0)
                return r;
        r = ask_luns(stack, task);
        power_manager_let_go(stack->power);
        return r;
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
        take_down(stack, task);
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
        return stack->power ? power_manager_get_target(stack->power)
                            : error_handler_get_target(stack->error_handler);
}

PowerManager *storage_stack_get_power(const StorageStack *stack) { return stack->power; }

void storage_stack_set_power_options(StorageStack *stack, const PowerOptions *options) {
        stack->power_options = *options;
        if (stack->power)
                power_manager_set_options(stack->power, options);
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

StorageStackFacts storage_stack_get_facts(const StorageStack *stack) {
        /* Where the mode is given, nothing was learned of it. */
        bool is_bot = stack->transport &&
                      stack->storage_device.protocol == USB_STORAGE_PROTOCOL_BOT &&
                      stack->quirks->bot.mode == BOT_MODE_AUTO;

        return (StorageStackFacts){
                .has_given_up_uas = stack->has_given_up_uas,
                .lacks_report_luns = stack->lacks_report_luns,
                .bot_mode = is_bot ? bot_transport_get_mode(stack->transport) : BOT_MODE_AUTO,
                .sense_length = stack->processor ? scsi_processor_get_sense_length(stack->processor)
                                                 : SCSI_SENSE_LENGTH_LEARNED,
                .power = stack->power ? power_manager_get_traits(stack->power)
                                      : stack->quirks->power,
        };
}

void storage_stack_update_settings(StorageStack *stack) {
        if (!stack->error_handler)
                return;
        if (stack->storage_device.protocol == USB_STORAGE_PROTOCOL_BOT)
                bot_transport_set_serial(stack->transport, stack->quirks->bot.is_serial);
        scsi_processor_set_options(stack->processor, &stack->quirks->processor);
        error_handler_note_depth(stack->error_handler);
        if (stack->power)
                power_manager_note_depth(stack->power);
}

/* What is taken out of a drive is no disk that spins, and a reader of cards may forget them. */
static bool can_stop(const ScsiDisk *disk) {
        return disk->device_type == DEVICE_TYPE_DISK && !disk->is_removable;
}

void storage_stack_set_unit(StorageStack *stack, unsigned lun, const ScsiDisk *disk) {
        scsi_processor_set_unit(stack->processor, (uint8_t) lun, disk);
        power_manager_set_unit(stack->power, lun, disk && disk->has_medium, disk && can_stop(disk));
}

StorageStackState storage_stack_get_state(const StorageStack *stack) {
        const Transport *transport = stack->transport;
        UsbStorageProtocol protocol = stack->storage_device.protocol;

        return (StorageStackState){
                .is_started = transport != NULL,
                .protocol = protocol,
                .offers_uas = stack->offers_uas,
                .is_pipelined = transport && protocol == USB_STORAGE_PROTOCOL_BOT &&
                                bot_transport_get_mode(transport) == BOT_MODE_PIPELINED &&
                                !stack->quirks->bot.is_serial,
                .transfer_size_max = transport ? transport->transfer_size_max : 0,
                .n_in_flight_max = transport ? transport->n_in_flight_max : 0,
        };
}

unsigned storage_stack_get_n_luns(const StorageStack *stack) { return stack->n_luns; }

bool storage_stack_has_told_luns(const StorageStack *stack) { return stack->has_told_luns; }
