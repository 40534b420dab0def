#pragma once

/* SimulatedOptical: the commands of a drive for discs that are only read, from MMC-6. */

#include "simulator/simulated_command.h"

/* Whether only optical drives have that command. */
bool simulated_optical_is_own(uint8_t opcode);
/* Whether an optical drive has that command at all. */
bool simulated_optical_has_command(uint8_t opcode);

void simulated_optical_get_configuration(SimulatedCommand *command);
void simulated_optical_get_event_status(SimulatedCommand *command);
void simulated_optical_read_disc_information(SimulatedCommand *command);
void simulated_optical_read_toc(SimulatedCommand *command);
void simulated_optical_read_capacity(SimulatedCommand *command);
void simulated_optical_read(SimulatedCommand *command);
