#pragma once

/* SimulatedUfi: where the floppy drives of UFI Command Specification 1.0 differ from disks. */

#include "simulator/simulated_command.h"

/* Whether UFI has that command at all (UFI 1.0, table 5). */
bool simulated_ufi_has_command(uint8_t opcode);
/* UFI 1.0, "INQUIRY", "MODE SENSE" and "READ FORMAT CAPACITIES". */
void simulated_ufi_inquiry(SimulatedCommand *command);
void simulated_ufi_mode_sense(SimulatedCommand *command);
void simulated_ufi_read_format_capacities(SimulatedCommand *command);
