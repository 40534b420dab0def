#pragma once

/*
 * ScsiCdb
 *
 * Command descriptor blocks: a table of what the project knows of each operation code, and builders
 * for the commands that it sends.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "scsi/scsi_danger.h"
#include "transport/transport.h"

#define SCSI_CDB_SIZE_MAX 16

typedef enum ScsiOpcode {
        SCSI_OPCODE_TEST_UNIT_READY = 0x00,
        SCSI_OPCODE_REQUEST_SENSE = 0x03,
        SCSI_OPCODE_READ_6 = 0x08,
        SCSI_OPCODE_WRITE_6 = 0x0A,
        SCSI_OPCODE_INQUIRY = 0x12,
        SCSI_OPCODE_MODE_SENSE_6 = 0x1A,
        SCSI_OPCODE_START_STOP_UNIT = 0x1B,
        SCSI_OPCODE_PREVENT_ALLOW_MEDIUM_REMOVAL = 0x1E,
        SCSI_OPCODE_READ_FORMAT_CAPACITIES = 0x23,
        SCSI_OPCODE_READ_CAPACITY_10 = 0x25,
        SCSI_OPCODE_READ_10 = 0x28,
        SCSI_OPCODE_WRITE_10 = 0x2A,
        SCSI_OPCODE_VERIFY_10 = 0x2F,
        SCSI_OPCODE_SYNCHRONIZE_CACHE_10 = 0x35,
        SCSI_OPCODE_WRITE_SAME_10 = 0x41,
        SCSI_OPCODE_UNMAP = 0x42,
        SCSI_OPCODE_READ_TOC = 0x43,
        SCSI_OPCODE_GET_CONFIGURATION = 0x46,
        SCSI_OPCODE_GET_EVENT_STATUS_NOTIFICATION = 0x4A,
        SCSI_OPCODE_READ_DISC_INFORMATION = 0x51,
        SCSI_OPCODE_MODE_SENSE_10 = 0x5A,
        SCSI_OPCODE_ATA_PASS_THROUGH_16 = 0x85,
        SCSI_OPCODE_READ_16 = 0x88,
        SCSI_OPCODE_WRITE_16 = 0x8A,
        SCSI_OPCODE_VERIFY_16 = 0x8F,
        SCSI_OPCODE_SYNCHRONIZE_CACHE_16 = 0x91,
        SCSI_OPCODE_WRITE_SAME_16 = 0x93,
        SCSI_OPCODE_SERVICE_ACTION_IN_16 = 0x9E, /* 10h READ CAPACITY(16), 12h GET LBA STATUS */
        SCSI_OPCODE_REPORT_LUNS = 0xA0,
        SCSI_OPCODE_ATA_PASS_THROUGH_12 = 0xA1,
        SCSI_OPCODE_MAINTENANCE_IN = 0xA3, /* 0Ch REPORT SUPPORTED OPERATION CODES */
        SCSI_OPCODE_READ_12 = 0xA8,
        SCSI_OPCODE_WRITE_12 = 0xAA,
} ScsiOpcode;

/* MMC-6, "Feature list". */
#define SCSI_FEATURE_REMOVABLE_MEDIUM 0x0003

/* Bits of ScsiCdbInfo::device_types: 1 << peripheral device type. */
#define SCSI_DEVICE_TYPE_DISK 0x00
#define SCSI_DEVICE_TYPE_OPTICAL 0x05
#define SCSI_DEVICE_TYPE_RBC 0x0E
#define SCSI_DEVICE_TYPES_MAX 0x20
/* Of a unit that has not told its type yet: every meaning counts. */
#define SCSI_DEVICE_TYPE_ANY SCSI_DEVICE_TYPES_MAX

/* What the length field says of the data. */
typedef enum ScsiCdbUnit {
        SCSI_CDB_UNIT_NONE,         /* no data; the field, if there is one, counts blocks */
        SCSI_CDB_UNIT_BYTES,        /* the field is the size */
        SCSI_CDB_UNIT_BLOCKS,       /* the field counts blocks of the medium */
        SCSI_CDB_UNIT_EIGHT,        /* 8 bytes, always */
        SCSI_CDB_UNIT_ONE_BLOCK,    /* one block, whatever the field counts; none with NDOB */
        SCSI_CDB_UNIT_TWO_TIMES,    /* what to compare and what to write, of the field's blocks */
        SCSI_CDB_UNIT_VERIFIED,     /* as BYTCHK says: nothing, all blocks, one block */
        SCSI_CDB_UNIT_BYTES_OR_512, /* as INC_512 says */
        SCSI_CDB_UNIT_ATA,          /* as T_LENGTH and its like say */
        SCSI_CDB_UNIT_OPEN,         /* the command does not tell */
        _SCSI_CDB_UNIT_MAX,
} ScsiCdbUnit;

typedef struct ScsiCdbInfo {
        uint8_t opcode;
        int8_t service_action; /* -1: none */
        const char *name;
        uint8_t size;
        TransportDirection direction; /* with data */
        uint8_t length_offset; /* where the transfer or allocation length is; 0: there is none */
        uint8_t length_size;   /* of that field in bytes */
        ScsiCdbUnit unit;
        uint8_t lba_offset; /* of the first block; 0: there is none */
        uint8_t lba_size;
        uint32_t device_types; /* a mask */
        ScsiDanger danger;
} ScsiCdbInfo;

/* NULL: not in the table. Of several meanings the one for disks. */
const ScsiCdbInfo *scsi_cdb_find(const uint8_t *cdb, size_t size);
/* The meaning for a type of device, where there is one; `device_type` may be ANY. */
const ScsiCdbInfo *scsi_cdb_find_for(const uint8_t *cdb, size_t size, uint8_t device_type);
/* Row by row, for tests; NULL: there are no more. */
const ScsiCdbInfo *scsi_cdb_get(size_t index);
/* The length field; 0 in a one-byte field of READ(6) and WRITE(6) is told as 256. */
uint64_t scsi_cdb_get_length(const ScsiCdbInfo *info, const uint8_t *cdb);
uint64_t scsi_cdb_get_lba(const ScsiCdbInfo *info, const uint8_t *cdb);
/* The size that the operation code's group gives (SPC-4, 4.2.5.1); 0: vendor-specific or reserved.
 */
size_t scsi_cdb_group_size(uint8_t opcode);
/* "READ(10)" or "28h". */
const char *scsi_cdb_name(const uint8_t *cdb, size_t size);
