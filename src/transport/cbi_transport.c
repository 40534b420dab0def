/*
 * Drives CBI and CB commands through the states of cbi_state.h, one transfer after the other: a
 * control request, data, an interrupt. The loop's timer, not the host controller's, bounds a
 * command.
 */

#include "transport/cbi_transport.h"

#include <errno.h>

#include "base/log.h"
#include "transport/cbi_protocol.h"
#include "transport/cbi_state.h"
#include "transport/transport_control.h"
#include "transport/transport_phase.h"

/* CBI 1.1, 2.1: "Accept Device-Specific Command". */
#define CBI_REQUEST_ADSC 0x00
#define CBI_RESET_TIMEOUT_NS (5 * NS_PER_S)
#define CBI_TRANSFER_SIZE_MAX (64 * KIB)

/* Staging memory for the command block and the status, in a cache line each. */
#define CBI_BLOCKS_SIZE 128
#define CBI_STATUS_OFFSET 64
#define CBI_STATUS_ROOM 64

typedef struct CbiTransport {
        Transport transport;
        UsbDevice *device; /* borrowed */
        UsbStorageDevice storage_device;
        CbiState state;
        bool has_interrupt;

        /* Of the current command. */
        TransportRequest *request; /* borrowed; NULL: none */
        TransportResult result;    /* what it will be if it ends now */

        TransportPhase command;
        TransportPhase data;
        TransportPhase status; /* CBI */
        uint8_t *blocks;       /* owned, of the staging memory */
        UsbOperation clear_halt;
        bool is_clearing;
        UsbResult clear_result;
        EventTimer timer;   /* the command's deadline */
        EventDefer advance; /* for what must not happen within submit and cancel */
} CbiTransport;

static void cbi_advance(CbiTransport *cbi);

static CbiTransport *cbi_from_transport(const Transport *transport) {
        return container_of((Transport *) transport, CbiTransport, transport);
}

static bool cbi_is_quiet(const CbiTransport *cbi) {
        return !transport_phase_is_in_flight(&cbi->command) &&
               !transport_phase_is_in_flight(&cbi->data) &&
               !transport_phase_is_in_flight(&cbi->status) && !cbi->is_clearing;
}

static void cbi_on_transfer_done(UsbTransfer *transfer) {
        TransportPhase *phase = container_of(transfer, TransportPhase, transfer);

        cbi_advance(phase->owner);
}

static void cbi_on_halt_cleared(UsbOperation *operation) {
        CbiTransport *cbi = container_of(operation, CbiTransport, clear_halt);

        cbi->is_clearing = false;
        cbi->clear_result = operation->result;
        cbi_advance(cbi);
}

static void cbi_start_clear_halt(CbiTransport *cbi, uint8_t endpoint) {
        cbi->clear_halt.endpoint = endpoint;
        cbi->is_clearing = usb_device_operate(cbi->device, &cbi->clear_halt) == 0;
        if (!cbi->is_clearing)
                cbi->clear_result = USB_RESULT_ERROR;
}

static void cbi_prepare(CbiTransport *cbi) {
        const TransportRequest *request = cbi->request;
        const UsbStorageDevice *device = &cbi->storage_device;

        cbi->command.transfer.size = cbi_protocol_encode_command(
                        cbi->blocks, device->subclass, request->command, request->command_size);
        transport_phase_rewind(&cbi->command);
        transport_phase_rewind(&cbi->data);
        transport_phase_rewind(&cbi->status);
        cbi->data.transfer.endpoint = request->direction == TRANSPORT_DIRECTION_IN
                                                      ? device->bulk_in.address
                                                      : device->bulk_out.address;
        cbi->data.transfer.data = request->data;
        cbi->data.transfer.size = request->size;
}

static void cbi_recall_all(CbiTransport *cbi) {
        event_timer_clear(&cbi->timer);
        transport_phase_recall(&cbi->status);
        transport_phase_recall(&cbi->data);
        transport_phase_recall(&cbi->command);
}

/* The one place where the state changes and where transfers start. */
static void cbi_enter(CbiTransport *cbi, CbiState state) {
        log_device_debug(cbi->transport.name, "CBI: %s -> %s", cbi_state_to_string(cbi->state),
                         cbi_state_to_string(state));
        cbi->state = state;

        switch (state) {
        case CBI_STATE_COMMAND:
                event_timer_set(&cbi->timer, cbi->request->deadline_ns);
                transport_phase_start(&cbi->command);
                return;
        case CBI_STATE_DATA:
                transport_phase_start(&cbi->data);
                return;
        case CBI_STATE_CLEAR_DATA_HALT:
                cbi_start_clear_halt(cbi, cbi->data.transfer.endpoint);
                return;
        case CBI_STATE_STATUS:
                transport_phase_start(&cbi->status);
                return;
        case CBI_STATE_CLEAR_STATUS_HALT:
                cbi_start_clear_halt(cbi, cbi->status.transfer.endpoint);
                return;
        case CBI_STATE_STATUS_AGAIN:
                transport_phase_rewind(&cbi->status);
                transport_phase_start(&cbi->status);
                return;
        case CBI_STATE_GIVE_UP:
                cbi_recall_all(cbi);
                return;
        case CBI_STATE_IDLE:
        case CBI_STATE_BROKEN:
        case CBI_STATE_RECOVERING:
                return;
        case _CBI_STATE_MAX:
                break;
        }

        assert_not_reached();
}

static CbiEvent cbi_event_from_result(UsbResult result) {
        switch (result) {
        case USB_RESULT_OK:
                return CBI_EVENT_DONE;
        case USB_RESULT_STALL:
                return CBI_EVENT_STALLED;
        case USB_RESULT_OVERFLOW:
        case USB_RESULT_TIMED_OUT:
        case USB_RESULT_CANCELLED:
        case USB_RESULT_NO_MEMORY:
        case USB_RESULT_ERROR:
        case USB_RESULT_GONE:
                return CBI_EVENT_FAILED;
        case _USB_RESULT_MAX:
                break;
        }

        assert_not_reached();
}

static CbiEvent cbi_judge_command(CbiTransport *cbi) {
        const UsbTransfer *transfer = &cbi->command.transfer;

        if (transfer->result == USB_RESULT_NO_MEMORY) {
                cbi->result = TRANSPORT_RESULT_NO_MEMORY;
                return CBI_EVENT_NOT_SENT;
        }
        if (transfer->result == USB_RESULT_STALL)
                cbi->result = TRANSPORT_RESULT_FAILED;
        if (transfer->result == USB_RESULT_OK && transfer->actual_size != transfer->size)
                return CBI_EVENT_FAILED;
        return cbi_event_from_result(transfer->result);
}

static CbiEvent cbi_judge_data(CbiTransport *cbi) {
        UsbResult result = cbi->data.transfer.result;

        if (result == USB_RESULT_STALL)
                cbi->result = TRANSPORT_RESULT_FAILED;
        return cbi_event_from_result(result);
}

static CbiEvent cbi_judge_status(CbiTransport *cbi) {
        const UsbTransfer *transfer = &cbi->status.transfer;

        if (transfer->result != USB_RESULT_OK)
                return cbi_event_from_result(transfer->result);
        if (transfer->actual_size == 0)
                return CBI_EVENT_EMPTY;

        switch (cbi_protocol_decode_status(cbi->storage_device.subclass, cbi->request->command[0],
                                           transfer->data, transfer->actual_size)) {
        case CBI_STATUS_PASSED:
                cbi->result = TRANSPORT_RESULT_GOOD;
                return CBI_EVENT_DONE;
        case CBI_STATUS_FAILED:
                cbi->result = TRANSPORT_RESULT_FAILED;
                return CBI_EVENT_DONE;
        case CBI_STATUS_PHASE_ERROR:
        case CBI_STATUS_INVALID:
                return CBI_EVENT_FAILED;
        case _CBI_STATUS_MAX:
                break;
        }

        assert_not_reached();
}

/* Whether what the state waits for still is with the USB device. */
static bool cbi_is_waiting(const CbiTransport *cbi) {
        switch (cbi->state) {
        case CBI_STATE_COMMAND:
                return transport_phase_is_in_flight(&cbi->command);
        case CBI_STATE_DATA:
                return transport_phase_is_in_flight(&cbi->data);
        case CBI_STATE_STATUS:
        case CBI_STATE_STATUS_AGAIN:
                return transport_phase_is_in_flight(&cbi->status);
        case CBI_STATE_CLEAR_DATA_HALT:
        case CBI_STATE_CLEAR_STATUS_HALT:
                return cbi->is_clearing;
        case CBI_STATE_GIVE_UP:
                return !cbi_is_quiet(cbi);
        case CBI_STATE_IDLE:
        case CBI_STATE_BROKEN:
        case CBI_STATE_RECOVERING:
                return true; /* for the owner */
        case _CBI_STATE_MAX:
                break;
        }

        assert_not_reached();
}

/* What came, once it is there. */
static CbiEvent cbi_judge(CbiTransport *cbi) {
        switch (cbi->state) {
        case CBI_STATE_COMMAND:
                return cbi_judge_command(cbi);
        case CBI_STATE_DATA:
                return cbi_judge_data(cbi);
        case CBI_STATE_STATUS:
        case CBI_STATE_STATUS_AGAIN:
                return cbi_judge_status(cbi);
        case CBI_STATE_CLEAR_DATA_HALT:
        case CBI_STATE_CLEAR_STATUS_HALT:
                return cbi_event_from_result(cbi->clear_result);
        case CBI_STATE_GIVE_UP:
                return CBI_EVENT_DONE;
        case CBI_STATE_IDLE:
        case CBI_STATE_BROKEN:
        case CBI_STATE_RECOVERING:
        case _CBI_STATE_MAX:
                break;
        }

        assert_not_reached();
}

/* CB: data that came says that the command did well, nothing else does. */
static TransportResult cbi_unconfirmed_result(const CbiTransport *cbi) {
        bool has_come = cbi->request->direction == TRANSPORT_DIRECTION_IN;

        return has_come ? TRANSPORT_RESULT_GOOD : TRANSPORT_RESULT_UNTOLD;
}

static void cbi_move(CbiTransport *cbi, CbiEvent event) {
        bool has_data = cbi->request && cbi->request->size > 0;
        CbiState next = cbi_state_next(cbi->state, event, has_data, cbi->has_interrupt);
        bool is_last = event == CBI_EVENT_DONE &&
                       (cbi->state == CBI_STATE_COMMAND || cbi->state == CBI_STATE_DATA);

        if (next == CBI_STATE_GIVE_UP && event != CBI_EVENT_ABANDONED)
                cbi->result = TRANSPORT_RESULT_ERROR;
        else if (next == CBI_STATE_IDLE && is_last)
                cbi->result = cbi_unconfirmed_result(cbi);
        cbi_enter(cbi, next);
}

static bool cbi_is_answered(const CbiTransport *cbi) {
        return cbi->result == TRANSPORT_RESULT_GOOD || cbi->result == TRANSPORT_RESULT_FAILED ||
               cbi->result == TRANSPORT_RESULT_UNTOLD;
}

/* The last thing that happens to a command: its owner may submit the next one, or free us. */
static void cbi_complete(CbiTransport *cbi) {
        TransportRequest *request = cbi->request;
        bool is_answered = cbi_is_answered(cbi);

        assert(cbi_is_quiet(cbi));

        event_timer_clear(&cbi->timer);
        event_defer_cancel(&cbi->advance);
        if (!is_answered && usb_device_is_gone(cbi->device))
                cbi->result = TRANSPORT_RESULT_GONE;
        request->actual_size =
                        is_answered && cbi->data.is_started ? cbi->data.transfer.actual_size : 0;
        request->sense_size = 0;
        request->result = cbi->result;
        cbi->request = NULL;
        request->done(request);
}

/* Goes on as far as what came allows. */
static void cbi_advance(CbiTransport *cbi) {
        while (!cbi_is_waiting(cbi))
                cbi_move(cbi, cbi_judge(cbi));
        if (cbi->request && !cbi_state_is_active(cbi->state))
                cbi_complete(cbi);
}

static void cbi_on_advance(EventDefer *defer) {
        cbi_advance(container_of(defer, CbiTransport, advance));
}

static void cbi_on_timer(EventTimer *timer) {
        CbiTransport *cbi = container_of(timer, CbiTransport, timer);

        assert(cbi->request);

        cbi->result = TRANSPORT_RESULT_TIMED_OUT;
        cbi_move(cbi, CBI_EVENT_ABANDONED);
        cbi_advance(cbi);
}

static bool cbi_can_carry(const CbiTransport *cbi, const TransportRequest *request) {
        uint8_t block[CBI_COMMAND_SIZE_MAX];

        return request->lun == 0 && request->size <= cbi->transport.transfer_size_max &&
               cbi_protocol_encode_command(block, cbi->storage_device.subclass, request->command,
                                           request->command_size) > 0;
}

static int cbi_submit(Transport *transport, TransportRequest *request) {
        CbiTransport *cbi = cbi_from_transport(transport);

        if (cbi->request)
                return -EBUSY;
        if (usb_device_is_gone(cbi->device))
                return -ENODEV;
        if (!cbi_can_carry(cbi, request))
                return -EINVAL;

        cbi->request = request;
        cbi->result = TRANSPORT_RESULT_ERROR;
        if (cbi->state == CBI_STATE_IDLE) {
                cbi_prepare(cbi);
                cbi_move(cbi, CBI_EVENT_SUBMITTED);
        }
        if (cbi_is_quiet(cbi))
                event_defer_schedule(&cbi->advance);
        return 0;
}

static void cbi_cancel(Transport *transport, TransportRequest *request) {
        CbiTransport *cbi = cbi_from_transport(transport);

        if (cbi->request != request || cbi->state == CBI_STATE_GIVE_UP)
                return;

        cbi->result = TRANSPORT_RESULT_CANCELLED;
        if (cbi_state_is_active(cbi->state))
                cbi_move(cbi, CBI_EVENT_ABANDONED);
        if (cbi_is_quiet(cbi))
                event_defer_schedule(&cbi->advance);
}

static int cbi_start(Transport *transport, Task *task) {
        CbiTransport *cbi = cbi_from_transport(transport);

        return transport_control_start(task, cbi->device, &cbi->storage_device.interface);
}

/* CBI 1.1 has no request that tells of more. */
static int cbi_get_max_lun(Transport *transport, Task *task) { return 0; }

/* All are tried in any case, the first failure is told. */
static int cbi_clear_halts(CbiTransport *cbi, Task *task) {
        int r, q = 0;

        r = transport_control_clear_bulk_halts(task, cbi->device, &cbi->storage_device);
        if (cbi->has_interrupt)
                q = transport_control_clear_halt(task, cbi->device,
                                                 cbi->storage_device.interrupt_in.address);
        return r < 0 ? r : q;
}

/* CBI 1.1, 2.2: the command block that nothing but a reset looks like, then the halts. */
static int cbi_reset(CbiTransport *cbi, Task *task) {
        int r;

        cbi_protocol_encode_reset(cbi->blocks);
        r = transport_control_request(task, cbi->device, &cbi->command.transfer.setup, cbi->blocks,
                                      CBI_COMMAND_SIZE_PADDED, CBI_RESET_TIMEOUT_NS);
        return r < 0 ? r : cbi_clear_halts(cbi, task);
}

static int cbi_run_recovery(CbiTransport *cbi, Task *task, TransportRecovery recovery) {
        switch (recovery) {
        case TRANSPORT_RECOVERY_CLEAR_HALTS:
                return cbi_clear_halts(cbi, task);
        case TRANSPORT_RECOVERY_CLASS_RESET:
                return cbi_reset(cbi, task);
        case TRANSPORT_RECOVERY_PORT_RESET:
                return transport_control_reset_port(task, cbi->device, &cbi->storage_device);
        case TRANSPORT_RECOVERY_LUN_RESET:
        case _TRANSPORT_RECOVERY_MAX:
                break;
        }

        assert_not_reached();
}

static int cbi_recover(Transport *transport, Task *task, TransportRecovery recovery, uint8_t lun) {
        CbiTransport *cbi = cbi_from_transport(transport);
        int r;

        assert(!cbi->request);

        if (recovery == TRANSPORT_RECOVERY_LUN_RESET)
                return -EOPNOTSUPP;

        cbi_move(cbi, CBI_EVENT_RECOVERY);
        r = cbi_run_recovery(cbi, task, recovery);
        cbi_move(cbi, r == 0 ? CBI_EVENT_RECOVERED : CBI_EVENT_UNRECOVERED);
        return r;
}

static void cbi_free(Transport *transport) {
        CbiTransport *cbi = cbi_from_transport(transport);

        assert(!cbi->request);

        transport_phase_done(&cbi->command);
        transport_phase_done(&cbi->data);
        transport_phase_done(&cbi->status);
        if (cbi->timer.loop)
                event_timer_done(&cbi->timer);
        event_defer_cancel(&cbi->advance);
        staging_put(transport->staging, cbi->blocks, CBI_BLOCKS_SIZE);
        free(cbi);
}

static const TransportOps cbi_ops = {
        .submit = cbi_submit,
        .cancel = cbi_cancel,
        .start = cbi_start,
        .get_max_lun = cbi_get_max_lun,
        .recover = cbi_recover,
        .free = cbi_free,
};

/* A whole packet is asked for, as a device may send more than the two bytes that count. */
static size_t cbi_status_room(const UsbEndpoint *endpoint) {
        return MIN(MAX(endpoint->packet_size_max, CBI_STATUS_SIZE), CBI_STATUS_ROOM);
}

static int cbi_init_phases(CbiTransport *cbi) {
        const UsbStorageDevice *device = &cbi->storage_device;
        int r;

        cbi->blocks = staging_get(cbi->transport.staging, CBI_BLOCKS_SIZE);
        if (!cbi->blocks)
                return -ENOMEM;

        cbi->command.transfer.data = cbi->blocks;
        cbi->command.transfer.setup = (UsbSetup){
                .request_type = USB_REQUEST_TYPE_CLASS_INTERFACE_OUT,
                .request = CBI_REQUEST_ADSC,
                .index = device->interface.number,
        };
        cbi->status.transfer.data = cbi->blocks + CBI_STATUS_OFFSET;
        cbi->status.transfer.size = cbi_status_room(&device->interrupt_in);

        r = transport_phase_init(&cbi->command, cbi, cbi->device, USB_TRANSFER_TYPE_CONTROL,
                                 /* endpoint= */ 0, cbi_on_transfer_done);
        if (r < 0)
                return r;
        r = transport_phase_init(&cbi->data, cbi, cbi->device, USB_TRANSFER_TYPE_BULK,
                                 device->bulk_in.address, cbi_on_transfer_done);
        if (r < 0 || !cbi->has_interrupt)
                return r;
        return transport_phase_init(&cbi->status, cbi, cbi->device, USB_TRANSFER_TYPE_INTERRUPT,
                                    device->interrupt_in.address, cbi_on_transfer_done);
}

int cbi_transport_new(Transport **ret, UsbDevice *device, const UsbStorageDevice *storage_device,
                      size_t transfer_size_max) {
        _cleanup_(transport_freep) Transport *transport = NULL;
        CbiTransport *cbi;
        int r;

        assert(storage_device->protocol == USB_STORAGE_PROTOCOL_CBI ||
               storage_device->protocol == USB_STORAGE_PROTOCOL_CB);

        cbi = calloc(1, sizeof(*cbi));
        if (!cbi)
                return -ENOMEM;

        cbi->device = device;
        cbi->storage_device = *storage_device;
        cbi->has_interrupt = storage_device->protocol == USB_STORAGE_PROTOCOL_CBI;
        cbi->clear_halt.type = USB_OPERATION_CLEAR_HALT;
        cbi->clear_halt.done = cbi_on_halt_cleared;
        transport = &cbi->transport;
        *transport = (Transport){
                .ops = &cbi_ops,
                .loop = usb_device_get_loop(device),
                .staging = usb_device_get_staging(device),
                .name = usb_device_get_name(device),
                .n_in_flight_max = 1,
                .transfer_size_max =
                                transfer_size_max > 0 ? transfer_size_max : CBI_TRANSFER_SIZE_MAX,
        };
        event_defer_init(&cbi->advance, transport->loop, cbi_on_advance);
        r = event_timer_init(&cbi->timer, transport->loop, cbi_on_timer);
        if (r < 0)
                return r;
        r = cbi_init_phases(cbi);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(transport);
        return 0;
}
