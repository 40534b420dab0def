/* See transport_phase.h; the order of the phases is the business of each transport. */

#include "transport/transport_phase.h"

int transport_phase_init(TransportPhase *phase, void *owner, UsbDevice *device,
                         UsbTransferType type, uint8_t endpoint, UsbTransferDone done) {
        phase->owner = owner;
        phase->transfer.type = type;
        phase->transfer.endpoint = endpoint;
        phase->transfer.done = done;
        return usb_transfer_init(&phase->transfer, device);
}

void transport_phase_done(TransportPhase *phase) { usb_transfer_done(&phase->transfer); }

bool transport_phase_is_in_flight(const TransportPhase *phase) {
        return phase->transfer.is_in_flight;
}

int transport_phase_submit(TransportPhase *phase) {
        int r;

        assert(!phase->is_started);

        r = usb_transfer_submit(&phase->transfer);
        phase->is_started = r == 0;
        return r;
}

void transport_phase_start(TransportPhase *phase) {
        int r;

        if (phase->is_started)
                return;

        r = transport_phase_submit(phase);
        if (r < 0) {
                phase->is_started = true;
                phase->transfer.result = usb_result_from_submit_error(r);
                phase->transfer.actual_size = 0;
        }
}

void transport_phase_rewind(TransportPhase *phase) {
        assert(!transport_phase_is_in_flight(phase));

        phase->is_started = false;
}

void transport_phase_recall(TransportPhase *phase) { usb_transfer_cancel(&phase->transfer); }

void transport_phase_sift(TransportPhase *phase) {
        UsbTransfer *transfer = &phase->transfer;
        bool may_be_whole = transfer->result == USB_RESULT_OK ||
                            transfer->result == USB_RESULT_CANCELLED;

        if (!phase->is_started || transport_phase_is_in_flight(phase))
                return;

        if (may_be_whole && transfer->actual_size == transfer->size)
                transfer->result = USB_RESULT_OK;
        else
                transport_phase_rewind(phase);
}
