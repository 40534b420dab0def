#pragma once

/*
 * SimulatedBridge
 *
 * How commands for the drive itself come through a bridge: SAT-3's, and those that makers of bridges
 * have invented. Each starts its command; a bridge that does not have it refuses it.
 */

#include "simulator/simulated_command.h"

void simulated_bridge_sat_16(SimulatedCommand *command);
/* Opcode A1h: SAT, 12 bytes, or JMicron's way to NVMe. */
void simulated_bridge_a1(SimulatedCommand *command);
void simulated_bridge_jmicron(SimulatedCommand *command);
void simulated_bridge_sunplus(SimulatedCommand *command);
void simulated_bridge_cypress(SimulatedCommand *command);
void simulated_bridge_prolific(SimulatedCommand *command);
void simulated_bridge_prolific_registers(SimulatedCommand *command);
void simulated_bridge_asmedia(SimulatedCommand *command);
void simulated_bridge_realtek(SimulatedCommand *command);
