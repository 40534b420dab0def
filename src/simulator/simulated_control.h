#pragma once

/* SimulatedControl: the default pipe of a simulated device (USB 2.0, 9.4). */

#include "simulator/simulated_wire.h"

/* A standard request: DONE or STALL. */
SimulatedAnswer simulated_control_request(SimulatedWire *wire, const UsbSetup *setup, void *bytes,
                                          size_t size, size_t *ret_size);
/* CLEAR_FEATURE(ENDPOINT_HALT); false: there is no such endpoint. */
bool simulated_control_clear_halt(SimulatedWire *wire, uint8_t endpoint);
