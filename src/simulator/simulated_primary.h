#pragma once

/* SimulatedPrimary: the commands that every SCSI device has (SPC-4). Each starts its command. */

#include "simulator/simulated_command.h"

void simulated_primary_test_unit_ready(SimulatedCommand *command);
void simulated_primary_request_sense(SimulatedCommand *command);
void simulated_primary_inquiry(SimulatedCommand *command);
void simulated_primary_report_luns(SimulatedCommand *command);
void simulated_primary_mode_sense(SimulatedCommand *command);
void simulated_primary_prevent_allow(SimulatedCommand *command);

/* Left-aligned, filled up with spaces (SPC-4, 4.4.1). */
void simulated_primary_put_text(uint8_t *bytes, size_t size, const char *text);
