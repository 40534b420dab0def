#pragma once

/* SimulatedLog: what a SCSI drive tells of its health (SPC-4, 7.3; SBC-3). Each starts its command. */

#include "simulator/simulated_command.h"

void simulated_log_sense(SimulatedCommand *command);
void simulated_log_read_defects_10(SimulatedCommand *command);
void simulated_log_read_defects_12(SimulatedCommand *command);
void simulated_log_send_diagnostic(SimulatedCommand *command);
/* What REQUEST SENSE tells of a SCSI drive that sleeps; no sense else. */
SimulatedSense simulated_log_get_power_sense(SimulatedLun *lun);
