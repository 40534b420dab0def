#pragma once

/* SimulatedControl: the default pipe of a simulated device (USB 2.0, 9.4). */

#include "simulator/simulated_bot.h"

/* DONE, STALL, or what a fault makes of it: NAK, ERROR, GONE. */
SimulatedAnswer simulated_control_request(SimulatedBot *bot, const UsbSetup *setup, void *bytes,
                                          size_t size, size_t *ret_size);
/* CLEAR_FEATURE(ENDPOINT_HALT); false: there is no such endpoint. */
bool simulated_control_clear_halt(SimulatedBot *bot, uint8_t endpoint);
