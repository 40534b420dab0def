#pragma once

/* SimulatedCdb: the command descriptor blocks that the simulated device understands. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SIMULATED_CDB_SIZE_MAX 16

/* SPC-4, table 46 and SBC-3, table 13. */
typedef enum SimulatedOpcode {
        SIMULATED_OPCODE_TEST_UNIT_READY = 0x00,
        SIMULATED_OPCODE_REQUEST_SENSE = 0x03,
        SIMULATED_OPCODE_READ_6 = 0x08,
        SIMULATED_OPCODE_WRITE_6 = 0x0A,
        SIMULATED_OPCODE_INQUIRY = 0x12,
        SIMULATED_OPCODE_MODE_SENSE_6 = 0x1A,
        SIMULATED_OPCODE_START_STOP_UNIT = 0x1B,
        SIMULATED_OPCODE_PREVENT_ALLOW = 0x1E,
        SIMULATED_OPCODE_READ_FORMAT_CAPACITIES = 0x23, /* UFI 1.0, MMC */
        SIMULATED_OPCODE_READ_CAPACITY_10 = 0x25,
        SIMULATED_OPCODE_READ_10 = 0x28,
        SIMULATED_OPCODE_WRITE_10 = 0x2A,
        SIMULATED_OPCODE_VERIFY_10 = 0x2F,
        SIMULATED_OPCODE_SYNCHRONIZE_CACHE_10 = 0x35,
        SIMULATED_OPCODE_WRITE_SAME_10 = 0x41,
        SIMULATED_OPCODE_UNMAP = 0x42,
        SIMULATED_OPCODE_READ_TOC = 0x43,                      /* MMC */
        SIMULATED_OPCODE_GET_CONFIGURATION = 0x46,             /* MMC */
        SIMULATED_OPCODE_GET_EVENT_STATUS_NOTIFICATION = 0x4A, /* MMC */
        SIMULATED_OPCODE_READ_DISC_INFORMATION = 0x51,         /* MMC */
        SIMULATED_OPCODE_MODE_SENSE_10 = 0x5A,
        SIMULATED_OPCODE_READ_16 = 0x88,
        SIMULATED_OPCODE_WRITE_16 = 0x8A,
        SIMULATED_OPCODE_VERIFY_16 = 0x8F,
        SIMULATED_OPCODE_SYNCHRONIZE_CACHE_16 = 0x91,
        SIMULATED_OPCODE_WRITE_SAME_16 = 0x93,
        SIMULATED_OPCODE_SERVICE_ACTION_IN_16 = 0x9E,
        SIMULATED_OPCODE_REPORT_LUNS = 0xA0,
        SIMULATED_OPCODE_READ_12 = 0xA8,
        SIMULATED_OPCODE_WRITE_12 = 0xAA,
} SimulatedOpcode;

/* The blocks that a command of the disk names (READ(6): 0 means 256); false if it names none. */
bool simulated_cdb_get_range(const uint8_t *cdb, uint64_t *ret_lba, uint64_t *ret_n_blocks);
