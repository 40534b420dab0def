#pragma once

/*
 * BotPhase
 *
 * One of the three transfers of a command: CBW, data or CSW. It is started when its turn comes, or
 * ahead of it, and keeps what came until it is rewound.
 */

#include "usb/usb_device.h"

typedef struct BotTransport BotTransport;

typedef struct BotPhase {
        BotTransport *bot; /* borrowed: its owner */
        UsbTransfer transfer;
        bool is_started; /* since it was rewound */
} BotPhase;

/* A bulk transfer; `transfer` may be changed while it is not in flight. -ENOMEM. */
int bot_phase_init(BotPhase *phase, BotTransport *bot, UsbDevice *device, uint8_t endpoint,
                   UsbTransferDone done);
/* Not in flight. Harmless on a zeroed phase. */
void bot_phase_done(BotPhase *phase);
bool bot_phase_is_in_flight(const BotPhase *phase);
/* Ahead of its turn: on failure it is not started. Errors as usb_transfer_submit(). */
int bot_phase_submit(BotPhase *phase);
/* In its turn, unless it was started ahead. What can't be submitted counts as what came back with
 * an error. */
void bot_phase_start(BotPhase *phase);
/* Not in flight: may be started anew. */
void bot_phase_rewind(BotPhase *phase);
/* Harmless if not in flight. */
void bot_phase_recall(BotPhase *phase);
/* After a recall: keeps what arrived whole in spite of it, else rewinds. */
void bot_phase_sift(BotPhase *phase);
