/*
 * The script has one head. Whenever a transfer or an operation arrives, is cancelled or completes,
 * the head is looked at again, from the loop; it is done as soon as what it describes is there.
 */

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/virtual_event_loop.h"
#include "scripted_usb.h"

#define BYTES_PRINTED_MAX 64

static const UsbDescriptors bulk_only_descriptors = {
        .usb_version = 0x0200,
        .vendor_id = 0x1234,
        .product_id = 0x5678,
        .configuration_value = 1,
        .n_interfaces = 1,
        .interfaces = { {
                .number = SCRIPTED_USB_INTERFACE,
                .class = USB_CLASS_MASS_STORAGE,
                .subclass = 0x06,
                .protocol = USB_PROTOCOL_BOT,
                .n_endpoints = 2,
        } },
        .n_endpoints = 2,
        .endpoints = {
                { .address = SCRIPTED_USB_BULK_IN, .type = USB_ENDPOINT_TYPE_BULK },
                { .address = SCRIPTED_USB_BULK_OUT, .type = USB_ENDPOINT_TYPE_BULK },
        },
};

/* USB 2.0, 5.8.3; USB 3.2, 8.12.1.2. */
static uint16_t bulk_packet_size(UsbSpeed speed) {
        if (speed >= USB_SPEED_SUPER)
                return 1024;
        return speed == USB_SPEED_HIGH ? 512 : 64;
}

static void print_bytes(const char *whose, const uint8_t *bytes, size_t size) {
        fprintf(stderr, "  %s (%zu):", whose, size);
        for (size_t i = 0; i < size && i < BYTES_PRINTED_MAX; i++)
                fprintf(stderr, " %02x", bytes[i]);
        fprintf(stderr, "%s\n", size > BYTES_PRINTED_MAX ? " ..." : "");
}

static bool transfer_is_in(const UsbTransfer *transfer) {
        if (transfer->type == USB_TRANSFER_TYPE_CONTROL)
                return transfer->setup.request_type & USB_ENDPOINT_IN;
        return transfer->endpoint & USB_ENDPOINT_IN;
}

static void print_transfer(const UsbTransfer *transfer) {
        static const char *const types[] = { "control", "bulk", "interrupt", "bulk stream" };
        const UsbSetup *setup = &transfer->setup;

        fprintf(stderr, "  the host's: %s %s endpoint %02x size %zu", types[transfer->type],
                transfer_is_in(transfer) ? "IN" : "OUT", transfer->endpoint, transfer->size);
        if (transfer->type == USB_TRANSFER_TYPE_BULK_STREAM)
                fprintf(stderr, " stream %u", transfer->stream_id);
        if (transfer->type == USB_TRANSFER_TYPE_CONTROL)
                fprintf(stderr, " setup %02x %02x value %04x index %04x", setup->request_type,
                        setup->request, setup->value, setup->index);
        fprintf(stderr, "\n");
}

static const UsbStep *head(const ScriptedUsb *usb) {
        return usb->next_step < usb->n_steps ? &usb->steps[usb->next_step] : NULL;
}

/* Both sides, then the end of the test. */
static void mismatch(const ScriptedUsb *usb, const char *what) {
        const UsbStep *step = head(usb);

        fprintf(stderr, "Mismatch at step %zu of %zu: %s\n", usb->next_step, usb->n_steps, what);
        fprintf(stderr, "  the script's: %s\n", step ? step->text : "nothing, it is used up");
        LIST_FOR_EACH (node, &usb->transfers)
                print_transfer(list_entry(node, UsbTransfer, node));
        if (usb->operation)
                fprintf(stderr, "  the host's: %s endpoint %02x interface %u alternate %u\n",
                        usb_operation_type_to_string(usb->operation->type),
                        usb->operation->endpoint, usb->operation->interface,
                        usb->operation->alternate);
        ck_abort_msg("script: %s", what);
}

static void step_done(ScriptedUsb *usb) {
        usb->next_step++;
        event_defer_schedule(&usb->advance);
}

static void complete(UsbTransfer *transfer, UsbResult result, size_t actual_size) {
        list_unlink(&transfer->node);
        usb_device_transfer_completed(transfer, result, actual_size);
}

static bool step_matches(const UsbStep *step, const UsbTransfer *transfer) {
        if (step->transfer_type != transfer->type || step->is_in != transfer_is_in(transfer))
                return false;
        if (step->stream != 0 && step->stream != transfer->stream_id)
                return false;
        return step->endpoint == 0 || step->endpoint == transfer->endpoint;
}

static UsbTransfer *find_transfer(const ScriptedUsb *usb, const UsbStep *step) {
        LIST_FOR_EACH (node, &usb->transfers) {
                UsbTransfer *transfer = list_entry(node, UsbTransfer, node);

                if (step_matches(step, transfer))
                        return transfer;
        }
        return NULL;
}

static void check_setup(const ScriptedUsb *usb, const UsbStep *step, const UsbTransfer *transfer) {
        const UsbSetup *expected = &step->setup, *actual = &transfer->setup;

        if (step->has_setup &&
            (expected->request_type != actual->request_type ||
             expected->request != actual->request || expected->value != actual->value ||
             expected->index != actual->index)) {
                fprintf(stderr, "  expected setup %02x %02x value %04x index %04x\n",
                        expected->request_type, expected->request, expected->value,
                        expected->index);
                mismatch(usb, "another control request");
        }
}

static void check_out(const ScriptedUsb *usb, const UsbStep *step, const UsbTransfer *transfer) {
        const uint8_t *actual = transfer->data;
        bool is_same = true;

        if (step->size != SCRIPTED_USB_ANY && step->size != transfer->size)
                is_same = false;
        for (size_t i = 0; is_same && step->bytes && i < step->size; i++) {
                bool is_tag = step->has_tag && i >= 4 && i < 8;

                if (!is_tag && actual[i] != step->bytes[i])
                        is_same = false;
        }
        if (is_same)
                return;
        if (step->bytes)
                print_bytes("expected", step->bytes, step->size);
        print_bytes("actual", actual, transfer->size);
        mismatch(usb, "other bytes were sent");
}

static size_t fill_in(ScriptedUsb *usb, const UsbStep *step, UsbTransfer *transfer) {
        uint8_t *data = transfer->data;

        if (step->size == SCRIPTED_USB_ANY)
                return 0;
        if (step->requested_size != SCRIPTED_USB_ANY && step->requested_size != transfer->size)
                mismatch(usb, "another size was asked for");
        if (step->size > transfer->size)
                mismatch(usb, "less was asked for than comes");
        for (size_t i = 0; i < step->size; i++)
                data[i] = step->bytes ? step->bytes[i] : SCRIPTED_USB_PATTERN(i);
        if (step->has_tag)
                memcpy(data + 4, usb->tag, sizeof(usb->tag));
        return step->size;
}

static void run_transfer(ScriptedUsb *usb, const UsbStep *step) {
        UsbTransfer *transfer = find_transfer(usb, step);
        size_t actual_size = 0;

        if (!transfer)
                return;
        check_setup(usb, step, transfer);
        if (step->type == USB_STEP_HANG) {
                usb->hanging = transfer;
                return;
        }
        if (step->is_in) {
                actual_size = fill_in(usb, step, transfer);
        } else if (step->result == USB_RESULT_OK || step->size != SCRIPTED_USB_ANY) {
                check_out(usb, step, transfer);
                actual_size = transfer->size;
                if (step->has_tag)
                        memcpy(usb->tag, (const uint8_t *) transfer->data + 4, sizeof(usb->tag));
        }
        step_done(usb);
        complete(transfer, step->result, actual_size);
}

static void run_operation(ScriptedUsb *usb, const UsbStep *step) {
        UsbOperation *operation = usb->operation;

        if (!operation)
                return;
        if (operation->type != step->operation)
                mismatch(usb, "another operation");
        if (step->endpoint != 0 && step->endpoint != operation->endpoint)
                mismatch(usb, "another endpoint");
        if (step->operation == USB_OPERATION_SET_INTERFACE &&
            step->alternate != operation->alternate)
                mismatch(usb, "another alternate setting");
        usb->operation = NULL;
        step_done(usb);
        usb_device_operation_completed(operation, step->result, step->value);
}

static void run_gone(ScriptedUsb *usb) {
        UsbOperation *operation = TAKE_PTR(usb->operation);

        step_done(usb);
        usb->hanging = NULL;
        usb_device_set_gone(&usb->device);
        while (!list_is_empty(&usb->transfers))
                complete(list_entry(list_first(&usb->transfers), UsbTransfer, node),
                         USB_RESULT_GONE, /* actual_size= */ 0);
        if (operation)
                usb_device_operation_completed(operation, USB_RESULT_GONE, /* value= */ 0);
}

static void scripted_usb_on_waited(EventTimer *timer) {
        ScriptedUsb *usb = container_of(timer, ScriptedUsb, wait);

        usb->is_waiting = false;
        step_done(usb);
}

static void run_wait(ScriptedUsb *usb, const UsbStep *step) {
        if (usb->is_waiting)
                return;
        usb->is_waiting = true;
        event_timer_set(&usb->wait, event_loop_now_ns(usb->loop) + step->wait_ns);
}

/* Or would be, had the script come to look at it. */
static bool is_hanging(const ScriptedUsb *usb, const UsbTransfer *transfer) {
        const UsbStep *step = head(usb);

        if (!step || step->type != USB_STEP_HANG)
                return false;
        return transfer == usb->hanging || transfer == find_transfer(usb, step);
}

static bool complete_cancelled(ScriptedUsb *usb) {
        LIST_FOR_EACH (node, &usb->transfers) {
                UsbTransfer *transfer = list_entry(node, UsbTransfer, node);

                if (!transfer->backend)
                        continue;
                if (is_hanging(usb, transfer)) {
                        usb->hanging = NULL;
                        usb->next_step++;
                }
                event_defer_schedule(&usb->advance);
                complete(transfer, USB_RESULT_CANCELLED, /* actual_size= */ 0);
                return true;
        }
        return false;
}

static void scripted_usb_on_advance(EventDefer *defer) {
        ScriptedUsb *usb = container_of(defer, ScriptedUsb, advance);
        const UsbStep *step = head(usb);

        if (complete_cancelled(usb) || !step || usb->hanging)
                return;
        switch (step->type) {
        case USB_STEP_TRANSFER:
        case USB_STEP_HANG:
                run_transfer(usb, step);
                return;
        case USB_STEP_OPERATION:
                run_operation(usb, step);
                return;
        case USB_STEP_GONE:
                run_gone(usb);
                return;
        case USB_STEP_WAIT:
                run_wait(usb, step);
                return;
        }

        assert_not_reached();
}

static int scripted_usb_transfer_init(UsbDevice *device, UsbTransfer *transfer) {
        transfer->backend = NULL; /* later: what marks it as cancelled */
        return 0;
}

static void scripted_usb_transfer_done(UsbDevice *device, UsbTransfer *transfer) {}

static int scripted_usb_submit(UsbDevice *device, UsbTransfer *transfer) {
        ScriptedUsb *usb = container_of(device, ScriptedUsb, device);

        usb->n_submitted++;
        if (usb->failing_submit > 0 && --usb->failing_submit == 0)
                return usb->submit_error;
        transfer->backend = NULL;
        list_append(&usb->transfers, &transfer->node);
        event_defer_schedule(&usb->advance);
        return 0;
}

static void scripted_usb_cancel(UsbDevice *device, UsbTransfer *transfer) {
        ScriptedUsb *usb = container_of(device, ScriptedUsb, device);

        transfer->backend = usb;
        event_defer_schedule(&usb->advance);
}

static void scripted_usb_operate(UsbDevice *device, UsbOperation *operation) {
        ScriptedUsb *usb = container_of(device, ScriptedUsb, device);

        ck_assert_ptr_null(usb->operation);
        usb->operation = operation;
        event_defer_schedule(&usb->advance);
}

static void scripted_usb_free(UsbDevice *device) { usb_device_done(device); }

static const UsbDeviceOps scripted_usb_ops = {
        .transfer_init = scripted_usb_transfer_init,
        .transfer_done = scripted_usb_transfer_done,
        .submit = scripted_usb_submit,
        .cancel = scripted_usb_cancel,
        .operate = scripted_usb_operate,
        .free = scripted_usb_free,
};

void scripted_usb_fail_submit(ScriptedUsb *usb, size_t n, int error) {
        ck_assert_int_lt(error, 0);
        usb->failing_submit = n;
        usb->submit_error = error;
}

void scripted_usb_continue(ScriptedUsb *usb, const UsbStep *steps, size_t n_steps) {
        if (head(usb))
                mismatch(usb, "the table before was not used up");
        usb->steps = steps;
        usb->n_steps = n_steps;
        usb->next_step = 0;
        event_defer_schedule(&usb->advance);
}

void scripted_usb_run(ScriptedUsb *usb) {
        ck_assert_int_ge(virtual_event_loop_run_until(usb->loop, UINT64_MAX), 0);
        if (head(usb))
                mismatch(usb, "the script waits for what the host never submits");
        if (usb->device.n_transfers_in_flight > 0 || usb->device.n_operations > 0)
                mismatch(usb, "the host submitted what the script does not have");
}

void scripted_usb_run_for(ScriptedUsb *usb, uint64_t duration_ns) {
        uint64_t until_ns = event_loop_now_ns(usb->loop) + duration_ns;

        ck_assert_int_ge(virtual_event_loop_run_until(usb->loop, until_ns), 0);
}

void scripted_usb_done(ScriptedUsb *usb) {
        usb_device_free(&usb->device);
        event_defer_cancel(&usb->advance);
        event_timer_done(&usb->wait);
        usb->loop = event_loop_free(usb->loop);
}

void scripted_usb_init(ScriptedUsb *usb, UsbSpeed speed, const UsbStep *steps, size_t n_steps) {
        *usb = (ScriptedUsb){
                .descriptors = bulk_only_descriptors,
                .steps = steps,
                .n_steps = n_steps,
        };
        for (size_t i = 0; i < usb->descriptors.n_endpoints; i++)
                usb->descriptors.endpoints[i].packet_size_max = bulk_packet_size(speed);
        list_init(&usb->transfers);
        ck_assert_int_eq(virtual_event_loop_new(&usb->loop), 0);
        ck_assert_int_eq(usb_device_init(&usb->device, usb->loop, &scripted_usb_ops), 0);
        usb->device.name = "scripted";
        usb->device.speed = speed;
        usb->device.descriptors = &usb->descriptors;
        event_defer_init(&usb->advance, usb->loop, scripted_usb_on_advance);
        ck_assert_int_eq(event_timer_init(&usb->wait, usb->loop, scripted_usb_on_waited), 0);
        event_defer_schedule(&usb->advance);
}
