#pragma once

/* SimulatedAta: an ATA drive (ACS-3; ATA8-ACS for SMART), by its registers. */

#include "simulator/simulated_drive.h"
#include "simulator/simulator_spec.h"

#define SIMULATED_ATA_SECTOR_SIZE 512
#define SIMULATED_ATA_DATA_SIZE_MAX 8192

/* ACS-3, 6.2: bits of the status, and of the error. */
#define SIMULATED_ATA_STATUS_GOOD 0x50
#define SIMULATED_ATA_STATUS_ERROR 0x51
#define SIMULATED_ATA_ERROR_ABORT 0x04

typedef struct SimulatedAtaCommand {
        uint16_t features;
        uint16_t count;
        uint64_t lba;
        uint8_t device;
        uint8_t command;
} SimulatedAtaCommand;

/* The drive's taskfile is the answer; its data comes in `data` (SIMULATED_ATA_DATA_SIZE_MAX, zeroed
 * by the callee). Returns its size. */
size_t simulated_ata_run(SimulatedDrive *drive, const SimulatorSpec *spec, uint64_t size,
                         const SimulatedAtaCommand *command, uint8_t *data);
