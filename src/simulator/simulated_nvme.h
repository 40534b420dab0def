#pragma once

/* SimulatedNvme: the admin commands of an NVMe drive (NVM Express 1.4). */

#include "simulator/simulated_drive.h"
#include "simulator/simulator_spec.h"

#define SIMULATED_NVME_DATA_SIZE_MAX 8192

/* 4.6.1: status code types and codes, as the status field has them without its phase bit. */
#define SIMULATED_NVME_SUCCESS 0x0000
#define SIMULATED_NVME_INVALID_OPCODE 0x0001
#define SIMULATED_NVME_INVALID_FIELD 0x0002
#define SIMULATED_NVME_INVALID_LOG_PAGE 0x0109
#define SIMULATED_NVME_TEST_IN_PROGRESS 0x011D

typedef struct SimulatedNvmeCommand {
        uint8_t opcode;
        uint32_t nsid;
        uint32_t cdw10;
        uint32_t cdw11;
} SimulatedNvmeCommand;

/* Returns the status; data comes in `data` (SIMULATED_NVME_DATA_SIZE_MAX, zeroed by the callee). */
uint16_t simulated_nvme_run(SimulatedDrive *drive, const SimulatorSpec *spec, uint64_t size,
                            const SimulatedNvmeCommand *command, uint8_t *data);
