/* See bot_phase.h; the order of the phases is the business of bot_transport.c. */

#include "transport/bot_phase.h"

#include <errno.h>

int bot_phase_init(BotPhase *phase, BotTransport *bot, UsbDevice *device, uint8_t endpoint,
                   UsbTransferDone done) {
        phase->bot = bot;
        phase->transfer.type = USB_TRANSFER_TYPE_BULK;
        phase->transfer.endpoint = endpoint;
        phase->transfer.done = done;
        return usb_transfer_init(&phase->transfer, device);
}

void bot_phase_done(BotPhase *phase) { usb_transfer_done(&phase->transfer); }

bool bot_phase_is_in_flight(const BotPhase *phase) { return phase->transfer.is_in_flight; }

int bot_phase_submit(BotPhase *phase) {
        int r;

        assert(!phase->is_started);

        r = usb_transfer_submit(&phase->transfer);
        phase->is_started = r == 0;
        return r;
}

static UsbResult result_from_errno(int error) {
        switch (error) {
        case -ENODEV:
                return USB_RESULT_GONE;
        case -ENOMEM:
                return USB_RESULT_NO_MEMORY;
        default:
                return USB_RESULT_ERROR;
        }
}

void bot_phase_start(BotPhase *phase) {
        int r;

        if (phase->is_started)
                return;

        r = bot_phase_submit(phase);
        if (r < 0) {
                phase->is_started = true;
                phase->transfer.result = result_from_errno(r);
                phase->transfer.actual_size = 0;
        }
}

void bot_phase_rewind(BotPhase *phase) {
        assert(!bot_phase_is_in_flight(phase));

        phase->is_started = false;
}

void bot_phase_recall(BotPhase *phase) { usb_transfer_cancel(&phase->transfer); }

void bot_phase_sift(BotPhase *phase) {
        UsbTransfer *transfer = &phase->transfer;
        bool may_be_whole = transfer->result == USB_RESULT_OK ||
                            transfer->result == USB_RESULT_CANCELLED;

        if (!phase->is_started || bot_phase_is_in_flight(phase))
                return;

        if (may_be_whole && transfer->actual_size == transfer->size)
                transfer->result = USB_RESULT_OK;
        else
                bot_phase_rewind(phase);
}
