#pragma once

/*
 * SimulatedBot
 *
 * The device's side of USB Mass Storage Class Bulk-Only Transport 1.0. It is asked once for each
 * transfer that stands first on one of its two pipes, answers at once, and keeps no time but that
 * of a slow command.
 */

#include "simulator/simulated_command.h"
#include "usb/usb_device.h"

typedef enum SimulatedBotState {
        SIMULATED_BOT_STATE_COMMAND, /* waits for a CBW */
        SIMULATED_BOT_STATE_DATA_IN,
        SIMULATED_BOT_STATE_DATA_OUT,
        SIMULATED_BOT_STATE_STATUS, /* has a CSW to send */
        SIMULATED_BOT_STATE_BROKEN, /* BOT 6.6.1: stalls all until Reset Recovery */
        SIMULATED_BOT_STATE_HUNG,   /* answers nothing until a class or port reset */
        SIMULATED_BOT_STATE_FROZEN, /* answers nothing, nor control requests, until a port reset */
        _SIMULATED_BOT_STATE_MAX,
} SimulatedBotState;

/* What a device does with the transfer that it is offered. */
typedef enum SimulatedAnswer {
        SIMULATED_ANSWER_NAK,    /* not now: the transfer waits */
        SIMULATED_ANSWER_DONE,   /* it is over */
        SIMULATED_ANSWER_STALL,  /* it is over, and its endpoint has halted */
        SIMULATED_ANSWER_BABBLE, /* more came than was asked for */
        SIMULATED_ANSWER_ERROR,  /* the wire spoilt it */
        SIMULATED_ANSWER_GONE,   /* nobody is there any more */
} SimulatedAnswer;

typedef struct SimulatedBot {
        SimulatedTarget *target; /* borrowed */
        size_t packet_size;
        SimulatedBotState state;
        bool is_in_halted;
        bool is_out_halted;
        uint64_t ready_at_ns; /* a slow command moves nothing before; 0: is not slow */

        uint32_t tag;
        uint32_t host_size;  /* dCBWDataTransferLength */
        uint64_t n_relevant; /* bytes that the command moves */
        uint64_t n_moved;    /* of the data phase, relevant or not */
        bool is_phase_error; /* the host's expectation can't be met: BOT 6.7 */
        uint8_t status;      /* bCSWStatus */
        uint32_t residue;    /* dCSWDataResidue */
        bool has_faults;     /* any of the following */
        bool has_fault[_SIMULATOR_FAULT_KIND_MAX];
        uint64_t fault_argument[_SIMULATOR_FAULT_KIND_MAX];
        SimulatorFaultKind phase_fault[_SIMULATOR_PHASE_MAX]; /* _SIMULATOR_FAULT_KIND_MAX: none */

        uint64_t n_class_resets;
        uint64_t n_stalls;
        uint64_t n_cbws_refused;
        uint64_t n_transfers_early;
        SimulatedCommand command;
} SimulatedBot;

void simulated_bot_init(SimulatedBot *bot, SimulatedTarget *target, size_t packet_size);

/* Offers what the host sends; `ret_size`: how much was taken. */
SimulatedAnswer simulated_bot_out(SimulatedBot *bot, const void *bytes, size_t size,
                                  size_t *ret_size);
/* Offers room for what the host wants; `ret_size`: how much was filled. */
SimulatedAnswer simulated_bot_in(SimulatedBot *bot, void *bytes, size_t size, size_t *ret_size);
/* Offers a class request (BOT 3): DONE or STALL. */
SimulatedAnswer simulated_bot_control(SimulatedBot *bot, const UsbSetup *setup, uint8_t *bytes,
                                      size_t size, size_t *ret_size);
/*
 * What a fault does to a phase: NAK (HANG, FREEZE), or the answer. For the control phase as well.
 */
SimulatedAnswer simulated_bot_apply_fault(SimulatedBot *bot, SimulatorFaultKind kind);
void simulated_bot_port_reset(SimulatedBot *bot);

const char *simulated_bot_state_to_string(SimulatedBotState state);
