/*
 * What all implementations of a USB device share: the promise that each accepted transfer and
 * operation completes exactly once, deadlines, the queue of operations, and the news that the
 * device is gone.
 */

#include <errno.h>

#include "base/log.h"
#include "usb/usb_device.h"
#include "usb/usb_memory_pool.h"
#include "usb/usb_trace.h"

typedef struct AwaitedOperation {
        UsbOperation operation;
        Future future;
} AwaitedOperation;

typedef struct AwaitedTransfer {
        UsbTransfer transfer;
        Future future;
} AwaitedTransfer;

const char *usb_result_to_string(UsbResult result) {
        switch (result) {
        case USB_RESULT_OK:
                return "ok";
        case USB_RESULT_STALL:
                return "stall";
        case USB_RESULT_OVERFLOW:
                return "overflow";
        case USB_RESULT_TIMED_OUT:
                return "timed out";
        case USB_RESULT_CANCELLED:
                return "cancelled";
        case USB_RESULT_NO_MEMORY:
                return "no memory";
        case USB_RESULT_ERROR:
                return "error";
        case USB_RESULT_GONE:
                return "gone";
        case _USB_RESULT_MAX:
                break;
        }

        assert_not_reached();
}

const char *usb_speed_to_string(UsbSpeed speed) {
        switch (speed) {
        case USB_SPEED_UNKNOWN:
                return "unknown";
        case USB_SPEED_LOW:
                return "low";
        case USB_SPEED_FULL:
                return "full";
        case USB_SPEED_HIGH:
                return "high";
        case USB_SPEED_SUPER:
                return "super";
        case USB_SPEED_SUPER_PLUS:
                return "super-plus";
        case _USB_SPEED_MAX:
                break;
        }

        assert_not_reached();
}

const char *usb_operation_type_to_string(UsbOperationType type) {
        switch (type) {
        case USB_OPERATION_CLAIM:
                return "claim";
        case USB_OPERATION_RELEASE:
                return "release";
        case USB_OPERATION_SET_INTERFACE:
                return "set interface";
        case USB_OPERATION_CLEAR_HALT:
                return "clear halt";
        case USB_OPERATION_RESET:
                return "reset";
        case USB_OPERATION_ALLOC_STREAMS:
                return "allocate streams";
        case USB_OPERATION_FREE_STREAMS:
                return "free streams";
        case USB_OPERATION_SUSPEND:
                return "suspend";
        case USB_OPERATION_RESUME:
                return "resume";
        case _USB_OPERATION_TYPE_MAX:
                break;
        }

        assert_not_reached();
}

EventLoop *usb_device_get_loop(const UsbDevice *device) { return device->loop; }

const UsbDescriptors *usb_device_get_descriptors(const UsbDevice *device) {
        return device->descriptors;
}

UsbSpeed usb_device_get_speed(const UsbDevice *device) { return device->speed; }

const char *usb_device_get_name(const UsbDevice *device) { return device->name; }

bool usb_device_is_gone(const UsbDevice *device) { return device->is_gone; }

bool usb_device_can_suspend(const UsbDevice *device) { return device->can_suspend; }

bool usb_device_is_quiet(const UsbDevice *device) {
        return device->n_transfers_in_flight == 0 && device->n_operations == 0;
}

Staging *usb_device_get_staging(UsbDevice *device) { return &device->staging; }

UsbDeviceStatistics usb_device_get_statistics(const UsbDevice *device) {
        UsbMemoryStats memory;

        usb_memory_pool_get_stats(device->memory_pool, &memory);
        return (UsbDeviceStatistics){
                .n_transfers = device->n_transfers,
                .n_memory_refusals = memory.n_refusals,
                .zero_copy_size = memory.zero_copy_size,
                .heap_size = memory.heap_size,
        };
}

void usb_device_set_gone_handler(UsbDevice *device, UsbDeviceGone on_gone, void *userdata) {
        device->on_gone = on_gone;
        device->userdata = userdata;
        if (device->is_gone && !device->has_reported_gone)
                event_defer_schedule(&device->gone_report);
}

void usb_device_set_gone(UsbDevice *device) {
        if (device->is_gone)
                return;
        log_device_debug(device->name, "The device is gone.");
        device->is_gone = true;
        event_defer_schedule(&device->gone_report);
}

static void usb_device_on_gone_report(EventDefer *defer) {
        UsbDevice *device = container_of(defer, UsbDevice, gone_report);

        assert(device->is_gone);
        if (!device->on_gone || device->has_reported_gone)
                return;
        device->has_reported_gone = true;
        device->on_gone(device, device->userdata);
}

static void usb_transfer_on_deadline(EventTimer *timer) {
        UsbTransfer *transfer = container_of(timer, UsbTransfer, timer);

        assert(transfer->is_in_flight);
        transfer->is_timed_out = true;
        transfer->device->ops->cancel(transfer->device, transfer);
}

int usb_transfer_init(UsbTransfer *transfer, UsbDevice *device) {
        int r;

        assert(!transfer->device);
        r = event_timer_init(&transfer->timer, device->loop, usb_transfer_on_deadline);
        if (r < 0)
                return r;
        r = device->ops->transfer_init(device, transfer);
        if (r < 0) {
                event_timer_done(&transfer->timer);
                return r;
        }
        list_init(&transfer->node);
        transfer->device = device;
        return 0;
}

void usb_transfer_done(UsbTransfer *transfer) {
        if (!transfer->device)
                return;
        assert(!transfer->is_in_flight);
        transfer->device->ops->transfer_done(transfer->device, transfer);
        event_timer_done(&transfer->timer);
        transfer->device = NULL;
}

static void usb_transfer_check(const UsbTransfer *transfer) {
        assert(transfer->device);
        assert(transfer->done);
        assert(!transfer->is_in_flight);
        assert(transfer->type < _USB_TRANSFER_TYPE_MAX);
        assert(transfer->data || transfer->size == 0);
        assert(transfer->type != USB_TRANSFER_TYPE_CONTROL || transfer->size <= UINT16_MAX);
        assert((transfer->type == USB_TRANSFER_TYPE_BULK_STREAM) == (transfer->stream_id > 0));
}

int usb_transfer_submit(UsbTransfer *transfer) {
        UsbDevice *device = transfer->device;
        int r;

        usb_transfer_check(transfer);
        if (device->is_gone)
                return -ENODEV;
        transfer->is_timed_out = false;
        transfer->actual_size = 0;
        r = device->ops->submit(device, transfer);
        if (r == -ENOMEM && usb_memory_pool_shrink(device->memory_pool))
                r = device->ops->submit(device, transfer);
        assert(!transfer->is_in_flight);
        if (r == -ENODEV)
                usb_device_set_gone(device);
        if (r < 0)
                return r;
        transfer->is_in_flight = true;
        device->n_transfers_in_flight++;
        if (device->trace)
                usb_trace_on_submitted(device->trace, transfer);
        if (transfer->deadline_ns > 0)
                event_timer_set(&transfer->timer, transfer->deadline_ns);
        return 0;
}

void usb_transfer_cancel(UsbTransfer *transfer) {
        if (transfer->is_in_flight)
                transfer->device->ops->cancel(transfer->device, transfer);
}

void usb_device_transfer_completed(UsbTransfer *transfer, UsbResult result, size_t actual_size) {
        UsbDevice *device = transfer->device;

        assert(transfer->is_in_flight);
        assert(device->n_transfers_in_flight > 0);
        assert(actual_size <= transfer->size);
        assert(result < _USB_RESULT_MAX);
        event_timer_clear(&transfer->timer);
        transfer->is_in_flight = false;
        device->n_transfers_in_flight--;
        device->n_transfers++;
        if (result == USB_RESULT_GONE)
                usb_device_set_gone(device);
        else if (result != USB_RESULT_OK && device->is_gone)
                result = USB_RESULT_GONE;
        else if (result == USB_RESULT_CANCELLED && transfer->is_timed_out)
                result = USB_RESULT_TIMED_OUT;
        transfer->result = result;
        transfer->actual_size = actual_size;
        if (device->trace)
                usb_trace_on_completed(device->trace, transfer);
        transfer->done(transfer);
}

static UsbOperation *usb_device_first_operation(UsbDevice *device) {
        ListNode *node = list_first(&device->operations);

        return node ? list_entry(node, UsbOperation, node) : NULL;
}

int usb_device_operate(UsbDevice *device, UsbOperation *operation) {
        assert(operation->done);
        assert(operation->type < _USB_OPERATION_TYPE_MAX);
        assert(operation->n_endpoints <= N_ELEMENTS(operation->endpoints));
        if (device->n_operations == USB_OPERATIONS_MAX)
                return -EBUSY;
        operation->device = device;
        operation->value = 0;
        list_init(&operation->node);
        list_append(&device->operations, &operation->node);
        device->n_operations++;
        event_defer_schedule(&device->operation_start);
        return 0;
}

void usb_device_operation_completed(UsbOperation *operation, UsbResult result, uint32_t value) {
        UsbDevice *device = operation->device;

        assert(device->is_operating);
        assert(usb_device_first_operation(device) == operation);
        assert(result < _USB_RESULT_MAX);
        device->is_operating = false;
        device->n_operations--;
        list_unlink(&operation->node);
        if (result == USB_RESULT_GONE)
                usb_device_set_gone(device);
        else if (result != USB_RESULT_OK && device->is_gone)
                result = USB_RESULT_GONE;
        operation->result = result;
        operation->value = value;
        if (device->trace)
                usb_trace_on_operated(device->trace, operation);
        if (device->n_operations > 0)
                event_defer_schedule(&device->operation_start);
        operation->done(operation);
}

static void usb_device_on_operation_start(EventDefer *defer) {
        UsbDevice *device = container_of(defer, UsbDevice, operation_start);
        UsbOperation *operation = usb_device_first_operation(device);

        if (device->is_operating || !operation)
                return;
        device->is_operating = true;
        if (device->is_gone)
                usb_device_operation_completed(operation, USB_RESULT_GONE, /* value= */ 0);
        else
                device->ops->operate(device, operation);
}

static void awaited_operation_on_done(UsbOperation *operation) {
        AwaitedOperation *awaited = container_of(operation, AwaitedOperation, operation);

        future_complete(&awaited->future, 0);
}

UsbResult usb_device_await_operation(Task *task, UsbDevice *device, UsbOperation *operation) {
        AwaitedOperation awaited = { .operation = *operation };

        awaited.operation.done = awaited_operation_on_done;
        future_init(&awaited.future, device->loop, /* cancel= */ NULL);
        if (usb_device_operate(device, &awaited.operation) < 0)
                return operation->result = USB_RESULT_NO_MEMORY;
        /* Whether the task was cancelled meanwhile is told by its next await. */
        (void) task_await(task, &awaited.future, TASK_NEVER);
        operation->value = awaited.operation.value;
        return operation->result = awaited.operation.result;
}

static void awaited_transfer_on_done(UsbTransfer *transfer) {
        AwaitedTransfer *awaited = container_of(transfer, AwaitedTransfer, transfer);

        future_complete(&awaited->future, 0);
}

static void awaited_transfer_on_cancel(Future *future) {
        AwaitedTransfer *awaited = container_of(future, AwaitedTransfer, future);

        usb_transfer_cancel(&awaited->transfer);
}

UsbResult usb_result_from_submit_error(int error) {
        switch (error) {
        case -ENODEV:
                return USB_RESULT_GONE;
        case -ENOMEM:
                return USB_RESULT_NO_MEMORY;
        default:
                return USB_RESULT_ERROR;
        }
}

UsbResult usb_device_await_control(Task *task, UsbDevice *device, const UsbSetup *setup, void *data,
                                   size_t size, uint64_t deadline_ns, size_t *ret_actual_size) {
        AwaitedTransfer awaited = {
                .transfer = {
                        .type = USB_TRANSFER_TYPE_CONTROL,
                        .setup = *setup,
                        .data = data,
                        .size = size,
                        .deadline_ns = deadline_ns == TASK_NEVER ? 0 : MAX(deadline_ns, 1U),
                        .done = awaited_transfer_on_done,
                },
        };
        int r;

        r = usb_transfer_init(&awaited.transfer, device);
        if (r < 0)
                return usb_result_from_submit_error(r);
        future_init(&awaited.future, device->loop, awaited_transfer_on_cancel);
        r = usb_transfer_submit(&awaited.transfer);
        if (r >= 0)
                (void) task_await(task, &awaited.future, TASK_NEVER);
        usb_transfer_done(&awaited.transfer);
        if (r < 0)
                return usb_result_from_submit_error(r);
        if (ret_actual_size && awaited.transfer.result == USB_RESULT_OK)
                *ret_actual_size = awaited.transfer.actual_size;
        return awaited.transfer.result;
}

static void *usb_device_staging_get(Staging *staging, size_t size) {
        UsbDevice *device = container_of(staging, UsbDevice, staging);

        return usb_memory_pool_get(device->memory_pool, size);
}

static void usb_device_staging_put(Staging *staging, void *memory, size_t size) {
        UsbDevice *device = container_of(staging, UsbDevice, staging);

        usb_memory_pool_put(device->memory_pool, memory, size);
}

static const StagingOps usb_device_staging_ops = {
        .get = usb_device_staging_get,
        .put = usb_device_staging_put,
};

void usb_device_set_memory_budget(UsbDevice *device, size_t budget) {
        usb_memory_pool_set_budget(device->memory_pool, budget);
}

void usb_device_done(UsbDevice *device) {
        assert(device->n_transfers_in_flight == 0);
        assert(device->n_operations == 0);
        assert(!device->trace);
        event_defer_cancel(&device->operation_start);
        event_defer_cancel(&device->gone_report);
        device->memory_pool = usb_memory_pool_free(device->memory_pool);
}

UsbDevice *usb_device_free(UsbDevice *device) {
        if (!device)
                return NULL;
        assert(device->n_transfers_in_flight == 0);
        assert(device->n_operations == 0);
        device->ops->free(device);
        return NULL;
}

int usb_device_init(UsbDevice *device, EventLoop *loop, const UsbDeviceOps *ops) {
        int r;

        assert(ops->transfer_init && ops->transfer_done);
        assert(ops->submit && ops->cancel && ops->operate && ops->free);
        assert(!ops->memory_new == !ops->memory_free);
        *device = (UsbDevice){
                .ops = ops,
                .loop = loop,
                .staging = { .ops = &usb_device_staging_ops },
        };
        r = usb_memory_pool_new(&device->memory_pool, device);
        if (r < 0)
                return r;
        list_init(&device->operations);
        event_defer_init(&device->operation_start, loop, usb_device_on_operation_start);
        event_defer_init(&device->gone_report, loop, usb_device_on_gone_report);
        return 0;
}
