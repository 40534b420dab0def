/* Answers come one at a time, from the loop; transfers in the order of their submission, but for UAS,
 * where status is wanted before there is a command. */

#include <limits.h>
#include <string.h>

#include "base/bytes.h"
#include "hostile_device.h"
#include "hostile_uas.h"

#define CBW_SIZE 31
#define CSW_SIZE 13
#define BULK_IN 0x81
#define BULK_OUT 0x02
#define INTERRUPT_IN 0x85
#define STREAMS_MAX 256

typedef struct HostileDevice {
        UsbDevice device;
        UsbDescriptors descriptors;
        HostileForm form;
        HostileScript script;
        ListNode transfers; /* UsbTransfer::node: to be answered in this order */
        ListNode cancelled; /* likewise */
        ListNode hanging;   /* likewise: cancelled or unplugged some day */
        UsbOperation *operation;
        EventDefer answer;
        uint8_t tag[4];   /* of the last CBW */
        bool expects_csw; /* its data phase is over, or there is none */
        bool is_uas;      /* by its alternate setting */
        HostileUas uas;
} HostileDevice;

static bool is_uas_form(HostileForm form) { return form >= HOSTILE_FORM_UAS; }

static bool has_streams(HostileForm form) {
        return form == HOSTILE_FORM_UAS_STREAMS || form == HOSTILE_FORM_UAS_STREAMS_AND_BOT;
}

static unsigned n_alternates(HostileForm form) { return form >= HOSTILE_FORM_UAS_AND_BOT ? 2 : 1; }

static void add_endpoint(UsbDescriptors *descriptors, UsbEndpoint endpoint) {
        endpoint.packet_size_max = endpoint.type == USB_ENDPOINT_TYPE_INTERRUPT ? 2 : 512;
        descriptors->endpoints[descriptors->n_endpoints++] = endpoint;
        descriptors->interfaces[descriptors->n_interfaces - 1].n_endpoints++;
}

static void add_interface(UsbDescriptors *descriptors, uint8_t subclass, uint8_t protocol) {
        descriptors->interfaces[descriptors->n_interfaces] = (UsbInterface){
                .alternate = (uint8_t) descriptors->n_interfaces,
                .class = USB_CLASS_MASS_STORAGE,
                .subclass = subclass,
                .protocol = protocol,
                .first_endpoint = (uint16_t) descriptors->n_endpoints,
        };
        descriptors->n_interfaces++;
}

static void add_classic(UsbDescriptors *descriptors, uint8_t subclass, uint8_t protocol) {
        add_interface(descriptors, subclass, protocol);
        add_endpoint(descriptors,
                     (UsbEndpoint){ .address = BULK_IN, .type = USB_ENDPOINT_TYPE_BULK });
        add_endpoint(descriptors,
                     (UsbEndpoint){ .address = BULK_OUT, .type = USB_ENDPOINT_TYPE_BULK });
        if (protocol == USB_PROTOCOL_CBI)
                add_endpoint(descriptors, (UsbEndpoint){ .address = INTERRUPT_IN,
                                                         .type = USB_ENDPOINT_TYPE_INTERRUPT });
}

static void add_uas(UsbDescriptors *descriptors, bool has_streams) {
        static const uint8_t pipes[] = { HOSTILE_UAS_COMMAND, HOSTILE_UAS_STATUS, BULK_IN,
                                         BULK_OUT };

        add_interface(descriptors, 0x06, USB_PROTOCOL_UAS);
        for (size_t i = 0; i < sizeof(pipes); i++)
                add_endpoint(descriptors,
                             (UsbEndpoint){
                                             .address = pipes[i],
                                             .type = USB_ENDPOINT_TYPE_BULK,
                                             .uas_pipe_id = (uint8_t) (i + 1),
                                             .n_streams_max =
                                                             has_streams && i > 0 ? STREAMS_MAX : 0,
                             });
}

static void describe(UsbDescriptors *descriptors, HostileForm form) {
        *descriptors = (UsbDescriptors){ .usb_version = 0x0200, .configuration_value = 1 };
        switch (form) {
        case HOSTILE_FORM_BOT:
                add_classic(descriptors, 0x06, USB_PROTOCOL_BOT);
                return;
        case HOSTILE_FORM_CBI:
                add_classic(descriptors, 0x06, USB_PROTOCOL_CBI);
                return;
        case HOSTILE_FORM_CBI_UFI:
                add_classic(descriptors, 0x04, USB_PROTOCOL_CBI);
                return;
        case HOSTILE_FORM_CB:
                add_classic(descriptors, 0x06, USB_PROTOCOL_CB);
                return;
        case HOSTILE_FORM_UAS_AND_BOT:
        case HOSTILE_FORM_UAS_STREAMS_AND_BOT:
                add_classic(descriptors, 0x06, USB_PROTOCOL_BOT);
                /* fall through */
        case HOSTILE_FORM_UAS:
        case HOSTILE_FORM_UAS_STREAMS:
                add_uas(descriptors, has_streams(form));
                return;
        case _HOSTILE_FORM_MAX:
                break;
        }
        assert_not_reached();
}

static HostileDevice *hostile_device_of(UsbDevice *device) {
        return container_of(device, HostileDevice, device);
}

static uint8_t take_byte(HostileDevice *device) {
        if (device->script.size == 0)
                return 0;
        device->script.size--;
        return *device->script.bytes++;
}

static HostileAction take_action(HostileDevice *device) {
        return take_byte(device) % _HOSTILE_ACTION_MAX;
}

static bool is_in(const UsbTransfer *transfer) {
        if (transfer->type == USB_TRANSFER_TYPE_CONTROL)
                return transfer->setup.request_type & USB_ENDPOINT_IN;
        return transfer->endpoint & USB_ENDPOINT_IN;
}

/* USB Mass Storage Class Bulk-Only Transport 1.0, 5.1. */
static void note_cbw(HostileDevice *device, const UsbTransfer *transfer) {
        const uint8_t *cbw = transfer->data;

        if (transfer->type != USB_TRANSFER_TYPE_BULK)
                return;
        if (transfer->size != CBW_SIZE || memcmp(cbw, "USBC", 4) != 0) {
                device->expects_csw = true;
                return;
        }
        memcpy(device->tag, cbw + 4, sizeof(device->tag));
        device->expects_csw = get_le32(cbw + 8) == 0;
}

static size_t fill_csw(HostileDevice *device, UsbTransfer *transfer, uint8_t status,
                       uint16_t residue) {
        uint8_t csw[CSW_SIZE] = "USBS";
        size_t size = MIN(sizeof(csw), transfer->size);

        memcpy(csw + 4, device->tag, sizeof(device->tag));
        put_le32(csw + 8, residue);
        csw[12] = status;
        memcpy(transfer->data, csw, size);
        return size;
}

static size_t fill_bytes(HostileDevice *device, UsbTransfer *transfer) {
        size_t n_bytes = MIN((size_t) take_byte(device), transfer->size);
        uint8_t *data = transfer->data;

        for (size_t i = 0; i < n_bytes; i++)
                data[i] = take_byte(device);
        return n_bytes;
}

static size_t fill(HostileDevice *device, UsbTransfer *transfer, HostileAction action) {
        bool is_csw = transfer->type == USB_TRANSFER_TYPE_BULK && device->expects_csw;
        size_t size = 0;

        if (action == HOSTILE_ACTION_CSW) {
                uint8_t status = take_byte(device);
                uint16_t residue = (uint16_t) (take_byte(device) << 8);

                return fill_csw(device, transfer, status, residue | take_byte(device));
        }
        if (action == HOSTILE_ACTION_ZEROES && is_csw)
                return fill_csw(device, transfer, /* status= */ 0, /* residue= */ 0);
        if (action != HOSTILE_ACTION_ZEROES)
                size = fill_bytes(device, transfer);
        if (action == HOSTILE_ACTION_SHORT)
                return size;
        memset((uint8_t *) transfer->data + size, 0, transfer->size - size);
        return transfer->size;
}

static bool is_uas_status(const HostileDevice *device, const UsbTransfer *transfer) {
        return device->is_uas && transfer->endpoint == HOSTILE_UAS_STATUS;
}

static size_t fill_uas_status(HostileDevice *device, UsbTransfer *transfer, HostileAction action) {
        size_t size;

        if (action == HOSTILE_ACTION_ZEROES)
                return hostile_uas_answer(&device->uas, transfer);
        if (action == HOSTILE_ACTION_CSW) {
                uint8_t status = take_byte(device), key = take_byte(device);

                return hostile_uas_fail(&device->uas, transfer, status, key, take_byte(device));
        }
        size = fill_bytes(device, transfer);
        hostile_uas_end(&device->uas, transfer);
        if (action == HOSTILE_ACTION_SHORT)
                return size;
        memset((uint8_t *) transfer->data + size, 0, transfer->size - size);
        return transfer->size;
}

static void complete(UsbTransfer *transfer, UsbResult result, size_t actual_size) {
        list_unlink(&transfer->node);
        usb_device_transfer_completed(transfer, result, actual_size);
}

static void succeed(HostileDevice *device, UsbTransfer *transfer, HostileAction action) {
        size_t actual_size = transfer->size;

        if (is_uas_status(device, transfer))
                actual_size = fill_uas_status(device, transfer, action);
        else if (device->is_uas && transfer->endpoint == HOSTILE_UAS_COMMAND)
                hostile_uas_take(&device->uas, transfer);
        else if (is_in(transfer)) {
                if (transfer->size > 0)
                        actual_size = fill(device, transfer, action);
                if (transfer->type == USB_TRANSFER_TYPE_BULK)
                        device->expects_csw = true;
        } else
                note_cbw(device, transfer);
        complete(transfer, USB_RESULT_OK, actual_size);
}

static void leave(HostileDevice *device) {
        UsbOperation *operation = TAKE_PTR(device->operation);
        ListNode *node;

        usb_device_set_gone(&device->device);
        list_splice(&device->transfers, &device->hanging);
        while ((node = list_first(&device->transfers)))
                complete(list_entry(node, UsbTransfer, node), USB_RESULT_GONE, 0);
        if (operation)
                usb_device_operation_completed(operation, USB_RESULT_GONE, /* value= */ 0);
}

static void answer_transfer(HostileDevice *device, UsbTransfer *transfer) {
        HostileAction action = take_action(device);

        switch (action) {
        case HOSTILE_ACTION_ZEROES:
        case HOSTILE_ACTION_DATA:
        case HOSTILE_ACTION_SHORT:
        case HOSTILE_ACTION_CSW:
                succeed(device, transfer, action);
                return;
        case HOSTILE_ACTION_STALL:
                device->expects_csw |= is_in(transfer);
                complete(transfer, USB_RESULT_STALL, 0);
                return;
        case HOSTILE_ACTION_ERROR:
                complete(transfer, USB_RESULT_ERROR, 0);
                return;
        case HOSTILE_ACTION_OVERFLOW:
                complete(transfer, USB_RESULT_OVERFLOW, transfer->size);
                return;
        case HOSTILE_ACTION_HANG:
                list_unlink(&transfer->node);
                list_append(&device->hanging, &transfer->node);
                return;
        case HOSTILE_ACTION_GONE:
                leave(device);
                return;
        case _HOSTILE_ACTION_MAX:
                break;
        }
        assert_not_reached();
}

static void select_alternate(HostileDevice *device, unsigned alternate) {
        hostile_uas_forget(&device->uas);
        device->is_uas = is_uas_form(device->form) && alternate + 1 == n_alternates(device->form);
}

/* The operation's value, where it succeeds. */
static uint32_t operate(HostileDevice *device, HostileAction action, UsbResult result) {
        const UsbOperation *operation = device->operation;

        if (result != USB_RESULT_OK)
                return 0;
        if (operation->type == USB_OPERATION_RESET)
                select_alternate(device, 0);
        else if (operation->type == USB_OPERATION_SET_INTERFACE)
                select_alternate(device, operation->alternate);
        else if (operation->type == USB_OPERATION_ALLOC_STREAMS)
                return action == HOSTILE_ACTION_SHORT ? take_byte(device) : operation->n_streams;
        return 0;
}

static void answer_operation(HostileDevice *device) {
        static const UsbResult results[_HOSTILE_ACTION_MAX] = {
                [HOSTILE_ACTION_STALL] = USB_RESULT_STALL,
                [HOSTILE_ACTION_ERROR] = USB_RESULT_ERROR,
                [HOSTILE_ACTION_OVERFLOW] = USB_RESULT_NO_MEMORY,
                [HOSTILE_ACTION_HANG] = USB_RESULT_TIMED_OUT,
        };
        HostileAction action = take_action(device);
        uint32_t value;

        if (action == HOSTILE_ACTION_GONE) {
                leave(device);
                return;
        }
        value = operate(device, action, results[action]);
        usb_device_operation_completed(TAKE_PTR(device->operation), results[action], value);
}

/* The one that is answered next; NULL: all wait for something else. */
static UsbTransfer *choose_transfer(const HostileDevice *device) {
        UsbTransfer *chosen = NULL;
        unsigned least = UINT_MAX;

        LIST_FOR_EACH (node, &device->transfers) {
                UsbTransfer *transfer = list_entry(node, UsbTransfer, node);
                unsigned rank = 1;

                if (device->is_uas && transfer->type != USB_TRANSFER_TYPE_CONTROL)
                        rank = hostile_uas_rank(&device->uas, transfer);
                if (rank == 0 || rank >= least)
                        continue;
                least = rank;
                chosen = transfer;
        }
        return chosen;
}

static void answer_next(HostileDevice *device) {
        UsbTransfer *transfer;
        ListNode *node;

        if (device->operation) {
                answer_operation(device);
                return;
        }
        node = list_first(&device->cancelled);
        if (node) {
                complete(list_entry(node, UsbTransfer, node), USB_RESULT_CANCELLED, 0);
                return;
        }
        transfer = choose_transfer(device);
        if (transfer)
                answer_transfer(device, transfer);
}

static void on_answer(EventDefer *defer) {
        HostileDevice *device = container_of(defer, HostileDevice, answer);

        answer_next(device);
        if (device->operation || !list_is_empty(&device->cancelled) || choose_transfer(device))
                event_defer_schedule(&device->answer);
}

static int hostile_device_transfer_init(UsbDevice *device, UsbTransfer *transfer) { return 0; }

static void hostile_device_transfer_done(UsbDevice *device, UsbTransfer *transfer) {}

static int hostile_device_submit(UsbDevice *usb, UsbTransfer *transfer) {
        HostileDevice *device = hostile_device_of(usb);

        list_append(&device->transfers, &transfer->node);
        event_defer_schedule(&device->answer);
        return 0;
}

static void hostile_device_cancel(UsbDevice *usb, UsbTransfer *transfer) {
        HostileDevice *device = hostile_device_of(usb);

        list_unlink(&transfer->node);
        list_append(&device->cancelled, &transfer->node);
        event_defer_schedule(&device->answer);
}

static void hostile_device_operate(UsbDevice *usb, UsbOperation *operation) {
        HostileDevice *device = hostile_device_of(usb);

        device->operation = operation;
        event_defer_schedule(&device->answer);
}

static void hostile_device_free(UsbDevice *usb) {
        HostileDevice *device = hostile_device_of(usb);

        usb_device_done(usb);
        event_defer_cancel(&device->answer);
        free(device);
}

static const UsbDeviceOps hostile_device_ops = {
        .transfer_init = hostile_device_transfer_init,
        .transfer_done = hostile_device_transfer_done,
        .submit = hostile_device_submit,
        .cancel = hostile_device_cancel,
        .operate = hostile_device_operate,
        .free = hostile_device_free,
};

UsbDevice *hostile_device_new(EventLoop *loop, HostileForm form, const HostileScript *script) {
        HostileDevice *device = calloc(1, sizeof(*device));

        if (!device || usb_device_init(&device->device, loop, &hostile_device_ops) < 0)
                abort();
        device->device.name = "hostile";
        device->device.speed = has_streams(form) ? USB_SPEED_SUPER : USB_SPEED_HIGH;
        describe(&device->descriptors, form);
        device->device.descriptors = &device->descriptors;
        device->device.can_suspend = true;
        device->form = form;
        select_alternate(device, 0);
        device->script = *script;
        list_init(&device->transfers);
        list_init(&device->cancelled);
        list_init(&device->hanging);
        event_defer_init(&device->answer, loop, on_answer);
        return &device->device;
}
