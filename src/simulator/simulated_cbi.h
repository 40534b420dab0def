#pragma once

/*
 * SimulatedCbi
 *
 * The device's side of USB Mass Storage Class Control/Bulk/Interrupt Transport 1.1, and of
 * Control/Bulk, which has no interrupt. The device does not learn how much data the host expects:
 * what the command block says is moved, and a short packet ends it.
 */

#include "simulator/simulated_wire.h"

/* CBI 1.1, 2.2: of UFI's command blocks and of the command block reset. */
#define SIMULATED_CBI_COMMAND_SIZE 12

typedef enum SimulatedCbiState {
        SIMULATED_CBI_STATE_COMMAND, /* waits for a command block */
        SIMULATED_CBI_STATE_HOLDING, /* CB, no data: the request is acknowledged at the end */
        SIMULATED_CBI_STATE_DATA_IN,
        SIMULATED_CBI_STATE_DATA_OUT,
        SIMULATED_CBI_STATE_STATUS, /* CBI: has an interrupt to send */
        _SIMULATED_CBI_STATE_MAX,
} SimulatedCbiState;

typedef struct SimulatedCbi {
        SimulatedCbiState state;
        bool is_zero_due;    /* the data ended with a full packet: an empty one follows */
        bool is_failed;      /* the command, once it is finished */
        uint64_t n_relevant; /* bytes that the command moves */
        uint64_t n_moved;
        SimulatedSense sense; /* of the command, once it is finished: UFI tells it */
        SimulatedWire wire;
} SimulatedCbi;

void simulated_cbi_init(SimulatedCbi *cbi, SimulatedTarget *target, size_t packet_size);
