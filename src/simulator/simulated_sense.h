#pragma once

/* SimulatedSense: why a command failed (SPC-4, 4.5), and its two formats on the wire. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SIMULATED_SENSE_SIZE 18 /* fixed format; the descriptor format takes 22 at most */
#define SIMULATED_SENSE_SIZE_MAX 22

/* The registers of an ATA drive, after a command. */
typedef struct SimulatedTaskfile {
        uint8_t error;
        uint8_t status;
        uint8_t device;
        uint16_t count;
        uint64_t lba;
} SimulatedTaskfile;

typedef struct SimulatedSense {
        uint8_t key; /* 0: no sense */
        uint8_t asc;
        uint8_t ascq;
        bool has_information;
        uint64_t information;   /* the first block that failed */
        bool is_deferred;       /* of an earlier command (SPC-4, 4.5.5) */
        bool has_taskfile;      /* SAT-3, 12.2: in the descriptor format, whatever was asked for, */
        bool is_taskfile_fixed; /* or in the fixed one */
        SimulatedTaskfile taskfile;
        size_t size_max; /* more of it is not sent; 0: all of it is */
} SimulatedSense;

/* SPC-4, table 57 and annex D: those that this device says. */
#define SIMULATED_SENSE(k, a, q) ((SimulatedSense){ .key = (k), .asc = (a), .ascq = (q) })
#define SIMULATED_SENSE_BECOMING_READY SIMULATED_SENSE(0x2, 0x04, 0x01)
#define SIMULATED_SENSE_START_NEEDED SIMULATED_SENSE(0x2, 0x04, 0x02)
#define SIMULATED_SENSE_NO_MEDIUM SIMULATED_SENSE(0x2, 0x3A, 0x00)
#define SIMULATED_SENSE_TRAY_CLOSED SIMULATED_SENSE(0x2, 0x3A, 0x01)
#define SIMULATED_SENSE_TRAY_OPEN SIMULATED_SENSE(0x2, 0x3A, 0x02)
#define SIMULATED_SENSE_WRITE_ERROR SIMULATED_SENSE(0x3, 0x0C, 0x00)
#define SIMULATED_SENSE_READ_ERROR SIMULATED_SENSE(0x3, 0x11, 0x00)
#define SIMULATED_SENSE_UNKNOWN_FORMAT SIMULATED_SENSE(0x3, 0x30, 0x01)
#define SIMULATED_SENSE_INTERNAL_FAILURE SIMULATED_SENSE(0x4, 0x44, 0x00)
#define SIMULATED_SENSE_PARAMETER_LENGTH SIMULATED_SENSE(0x5, 0x1A, 0x00)
#define SIMULATED_SENSE_INVALID_OPCODE SIMULATED_SENSE(0x5, 0x20, 0x00)
#define SIMULATED_SENSE_LBA_OUT_OF_RANGE SIMULATED_SENSE(0x5, 0x21, 0x00)
#define SIMULATED_SENSE_INVALID_FIELD SIMULATED_SENSE(0x5, 0x24, 0x00)
#define SIMULATED_SENSE_NO_SUCH_LUN SIMULATED_SENSE(0x5, 0x25, 0x00)
#define SIMULATED_SENSE_INVALID_PARAMETER SIMULATED_SENSE(0x5, 0x26, 0x00)
#define SIMULATED_SENSE_SAVING_UNSUPPORTED SIMULATED_SENSE(0x5, 0x39, 0x00)
#define SIMULATED_SENSE_REMOVAL_PREVENTED SIMULATED_SENSE(0x5, 0x53, 0x02)
#define SIMULATED_SENSE_ILLEGAL_TRACK_MODE SIMULATED_SENSE(0x5, 0x64, 0x00)
#define SIMULATED_SENSE_MEDIUM_CHANGED SIMULATED_SENSE(0x6, 0x28, 0x00)
#define SIMULATED_SENSE_RESET SIMULATED_SENSE(0x6, 0x29, 0x00)
#define SIMULATED_SENSE_WRITE_PROTECTED SIMULATED_SENSE(0x7, 0x27, 0x00)
#define SIMULATED_SENSE_MISCOMPARE SIMULATED_SENSE(0xE, 0x1D, 0x00)

/* Writes the sense in fixed or descriptor format to at least SIMULATED_SENSE_SIZE_MAX bytes;
 * returns its size. */
size_t simulated_sense_encode(const SimulatedSense *sense, bool is_descriptor_format,
                              uint8_t *bytes);
