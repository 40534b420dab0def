#pragma once

/*
 * TransportPhase
 *
 * One of the transfers of a command: command, data or status. It is started when its turn comes, or
 * ahead of it, and keeps what came until it is rewound.
 */

#include "usb/usb_device.h"

typedef struct TransportPhase {
        void *owner; /* borrowed */
        UsbTransfer transfer;
        bool is_started; /* since it was rewound */
} TransportPhase;

/* `transfer` may be changed while it is not in flight. -ENOMEM. */
int transport_phase_init(TransportPhase *phase, void *owner, UsbDevice *device,
                         UsbTransferType type, uint8_t endpoint, UsbTransferDone done);
/* Not in flight. Harmless on a zeroed phase. */
void transport_phase_done(TransportPhase *phase);
bool transport_phase_is_in_flight(const TransportPhase *phase);
/* Ahead of its turn: on failure it is not started. Errors as usb_transfer_submit(). */
int transport_phase_submit(TransportPhase *phase);
/* In its turn, unless it was started ahead. What can't be submitted counts as what came back with
 * an error. */
void transport_phase_start(TransportPhase *phase);
/* Not in flight: may be started anew. */
void transport_phase_rewind(TransportPhase *phase);
/* Harmless if not in flight. */
void transport_phase_recall(TransportPhase *phase);
/* After a recall: keeps what arrived whole in spite of it, else rewinds. */
void transport_phase_sift(TransportPhase *phase);
