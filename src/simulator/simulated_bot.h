#pragma once

/* SimulatedBot: the device's side of USB Mass Storage Class Bulk-Only Transport 1.0. */

#include "simulator/simulated_wire.h"

typedef enum SimulatedBotState {
        SIMULATED_BOT_STATE_COMMAND, /* waits for a CBW */
        SIMULATED_BOT_STATE_DATA_IN,
        SIMULATED_BOT_STATE_DATA_OUT,
        SIMULATED_BOT_STATE_STATUS, /* has a CSW to send */
        SIMULATED_BOT_STATE_BROKEN, /* BOT 6.6.1: stalls all until Reset Recovery */
        _SIMULATED_BOT_STATE_MAX,
} SimulatedBotState;

typedef struct SimulatedBot {
        SimulatedBotState state;
        uint32_t tag;
        uint32_t host_size;  /* dCBWDataTransferLength */
        uint64_t n_relevant; /* bytes that the command moves */
        uint64_t n_moved;    /* of the data phase, relevant or not */
        bool is_phase_error; /* the host's expectation can't be met: BOT 6.7 */
        uint8_t status;      /* bCSWStatus */
        uint32_t residue;    /* dCSWDataResidue */
        SimulatedWire wire;
} SimulatedBot;

void simulated_bot_init(SimulatedBot *bot, SimulatedTarget *target, size_t packet_size);

const char *simulated_bot_state_to_string(SimulatedBotState state);
