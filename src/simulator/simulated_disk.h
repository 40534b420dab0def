#pragma once

/* SimulatedDisk: the commands of a direct access block device (SBC-3). Each starts its command. */

#include "simulator/simulated_command.h"

/* SBC-3, 6.6.4: told on page B0 and enforced. */
#define SIMULATED_DISK_UNMAP_BLOCKS_MAX UINT32_C(0x400000)
#define SIMULATED_DISK_UNMAP_DESCRIPTORS_MAX 255
#define SIMULATED_DISK_WRITE_SAME_BLOCKS_MAX UINT32_C(0x10000)

void simulated_disk_start_stop_unit(SimulatedCommand *command);
void simulated_disk_read_capacity_10(SimulatedCommand *command);
void simulated_disk_service_action_in(SimulatedCommand *command);
void simulated_disk_read(SimulatedCommand *command);
void simulated_disk_write(SimulatedCommand *command);
void simulated_disk_verify(SimulatedCommand *command);
void simulated_disk_write_same(SimulatedCommand *command);
void simulated_disk_unmap(SimulatedCommand *command);
void simulated_disk_synchronize_cache(SimulatedCommand *command);
