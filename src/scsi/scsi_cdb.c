/*
 * What the project knows of each operation code (SPC-4, SBC-3, MMC-6, SAT-3). It needs the table to
 * name commands in the log, and to judge those that come from outside before they reach a device.
 */

#include "scsi/scsi_cdb.h"

#include "base/macros.h"

#define NO_ACTION (-1)

#define IN TRANSPORT_DIRECTION_IN
#define OUT TRANSPORT_DIRECTION_OUT
#define NO_DATA TRANSPORT_DIRECTION_NONE

#define DISK (UINT32_C(1) << SCSI_DEVICE_TYPE_DISK)
#define OPTICAL (UINT32_C(1) << SCSI_DEVICE_TYPE_OPTICAL)
#define RBC (UINT32_C(1) << SCSI_DEVICE_TYPE_RBC)
#define MEDIA (DISK | OPTICAL | RBC)
#define ALL UINT32_MAX

#define BLOCKS_OF_ZERO_6 256
#define LBA_SIZE_6 3

/* clang-format off */
#define ROW(opcode_, action_, name_, size_, direction_, unit_, offset_, width_, lba_, lba_width_, types_, danger_) \
        { .opcode = (opcode_), .service_action = (action_), .name = (name_), .size = (size_),                     \
          .direction = (direction_), .unit = SCSI_CDB_UNIT_##unit_, .length_offset = (offset_),                   \
          .length_size = (width_), .lba_offset = (lba_), .lba_size = (lba_width_),                                \
          .device_types = (types_), .danger = SCSI_DANGER_##danger_ }
#define PLAIN(opcode, name, size, types, danger) \
        ROW(opcode, NO_ACTION, name, size, NO_DATA, NONE, 0, 0, 0, 0, types, danger)
#define BYTES(opcode, name, size, direction, offset, width, types, danger) \
        ROW(opcode, NO_ACTION, name, size, direction, BYTES, offset, width, 0, 0, types, danger)

/* Ordered by operation code; of several meanings that of disks stands first. */
static const ScsiCdbInfo scsi_cdb_table[] = {
        PLAIN(0x00, "TEST UNIT READY", 6, ALL, NONE),
        PLAIN(0x01, "REZERO UNIT", 6, MEDIA, CHANGES_STATE),
        BYTES(0x03, "REQUEST SENSE", 6, IN, 4, 1, ALL, CHANGES_STATE),
        ROW(0x04, NO_ACTION, "FORMAT UNIT", 6, OUT, OPEN, 0, 0, 0, 0, MEDIA, DESTROYS),
        ROW(0x07, NO_ACTION, "REASSIGN BLOCKS", 6, OUT, OPEN, 0, 0, 0, 0, DISK, DESTROYS),
        ROW(0x08, NO_ACTION, "READ(6)", 6, IN, BLOCKS, 4, 1, 1, 3, DISK, READS_DATA),
        ROW(0x0A, NO_ACTION, "WRITE(6)", 6, OUT, BLOCKS, 4, 1, 1, 3, DISK, WRITES_DATA),
        ROW(0x0B, NO_ACTION, "SEEK(6)", 6, NO_DATA, NONE, 0, 0, 1, 3, DISK, CHANGES_STATE),
        BYTES(0x12, "INQUIRY", 6, IN, 3, 2, ALL, NONE),
        BYTES(0x15, "MODE SELECT(6)", 6, OUT, 4, 1, ALL, CHANGES_STATE),
        PLAIN(0x16, "RESERVE(6)", 6, ALL, BLOCKED),
        PLAIN(0x17, "RELEASE(6)", 6, ALL, BLOCKED),
        BYTES(0x1A, "MODE SENSE(6)", 6, IN, 4, 1, ALL, NONE),
        PLAIN(0x1B, "START STOP UNIT", 6, MEDIA, CHANGES_STATE),
        BYTES(0x1C, "RECEIVE DIAGNOSTIC RESULTS", 6, IN, 3, 2, ALL, NONE),
        BYTES(0x1D, "SEND DIAGNOSTIC", 6, OUT, 3, 2, ALL, DESTROYS),
        PLAIN(0x1E, "PREVENT ALLOW MEDIUM REMOVAL", 6, MEDIA, CHANGES_STATE),
        BYTES(0x23, "READ FORMAT CAPACITIES", 10, IN, 7, 2, MEDIA, NONE),
        ROW(0x25, NO_ACTION, "READ CAPACITY(10)", 10, IN, EIGHT, 0, 0, 0, 0, MEDIA, NONE),
        ROW(0x28, NO_ACTION, "READ(10)", 10, IN, BLOCKS, 7, 2, 2, 4, MEDIA, READS_DATA),
        ROW(0x2A, NO_ACTION, "WRITE(10)", 10, OUT, BLOCKS, 7, 2, 2, 4, MEDIA, WRITES_DATA),
        ROW(0x2B, NO_ACTION, "SEEK(10)", 10, NO_DATA, NONE, 0, 0, 2, 4, MEDIA, CHANGES_STATE),
        ROW(0x2C, NO_ACTION, "ERASE(10)", 10, NO_DATA, NONE, 7, 2, 2, 4, DISK, WRITES_DATA),
        ROW(0x2E, NO_ACTION, "WRITE AND VERIFY(10)", 10, OUT, BLOCKS, 7, 2, 2, 4, MEDIA, WRITES_DATA),
        ROW(0x2F, NO_ACTION, "VERIFY(10)", 10, OUT, VERIFIED, 7, 2, 2, 4, MEDIA, READS_DATA),
        ROW(0x34, NO_ACTION, "PRE-FETCH(10)", 10, NO_DATA, NONE, 7, 2, 2, 4, DISK, READS_DATA),
        ROW(0x35, NO_ACTION, "SYNCHRONIZE CACHE(10)", 10, NO_DATA, NONE, 7, 2, 2, 4, MEDIA, CHANGES_STATE),
        BYTES(0x37, "READ DEFECT DATA(10)", 10, IN, 7, 2, DISK, NONE),
        BYTES(0x3B, "WRITE BUFFER", 10, OUT, 6, 3, ALL, DESTROYS),
        BYTES(0x3C, "READ BUFFER", 10, IN, 6, 3, ALL, NONE),
        ROW(0x3E, NO_ACTION, "READ LONG(10)", 10, IN, BYTES, 7, 2, 2, 4, DISK, READS_DATA),
        ROW(0x3F, NO_ACTION, "WRITE LONG(10)", 10, OUT, BYTES, 7, 2, 2, 4, DISK, DESTROYS),
        ROW(0x41, NO_ACTION, "WRITE SAME(10)", 10, OUT, ONE_BLOCK, 7, 2, 2, 4, DISK, WRITES_DATA),
        BYTES(0x42, "UNMAP", 10, OUT, 7, 2, DISK, WRITES_DATA),
        BYTES(0x42, "READ SUB-CHANNEL", 10, IN, 7, 2, OPTICAL, NONE),
        BYTES(0x43, "READ TOC/PMA/ATIP", 10, IN, 7, 2, OPTICAL, NONE),
        BYTES(0x44, "READ HEADER", 10, IN, 7, 2, OPTICAL, NONE),
        PLAIN(0x45, "PLAY AUDIO(10)", 10, OPTICAL, CHANGES_STATE),
        BYTES(0x46, "GET CONFIGURATION", 10, IN, 7, 2, OPTICAL, NONE),
        PLAIN(0x47, "PLAY AUDIO MSF", 10, OPTICAL, CHANGES_STATE),
        BYTES(0x48, "SANITIZE", 10, OUT, 7, 2, DISK, DESTROYS),
        BYTES(0x4A, "GET EVENT STATUS NOTIFICATION", 10, IN, 7, 2, OPTICAL, CHANGES_STATE),
        PLAIN(0x4B, "PAUSE/RESUME", 10, OPTICAL, CHANGES_STATE),
        BYTES(0x4C, "LOG SELECT", 10, OUT, 7, 2, ALL, CHANGES_STATE),
        BYTES(0x4D, "LOG SENSE", 10, IN, 7, 2, ALL, NONE),
        PLAIN(0x4E, "STOP PLAY/SCAN", 10, OPTICAL, CHANGES_STATE),
        BYTES(0x51, "READ DISC INFORMATION", 10, IN, 7, 2, OPTICAL, NONE),
        BYTES(0x52, "READ TRACK INFORMATION", 10, IN, 7, 2, OPTICAL, NONE),
        PLAIN(0x53, "RESERVE TRACK", 10, OPTICAL, WRITES_DATA),
        BYTES(0x54, "SEND OPC INFORMATION", 10, OUT, 7, 2, OPTICAL, WRITES_DATA),
        BYTES(0x55, "MODE SELECT(10)", 10, OUT, 7, 2, ALL, CHANGES_STATE),
        PLAIN(0x56, "RESERVE(10)", 10, ALL, BLOCKED),
        PLAIN(0x57, "RELEASE(10)", 10, ALL, BLOCKED),
        PLAIN(0x58, "REPAIR TRACK", 10, OPTICAL, WRITES_DATA),
        BYTES(0x5A, "MODE SENSE(10)", 10, IN, 7, 2, ALL, NONE),
        PLAIN(0x5B, "CLOSE TRACK/SESSION", 10, OPTICAL, WRITES_DATA),
        BYTES(0x5C, "READ BUFFER CAPACITY", 10, IN, 7, 2, OPTICAL, NONE),
        BYTES(0x5D, "SEND CUE SHEET", 10, OUT, 6, 3, OPTICAL, WRITES_DATA),
        BYTES(0x5E, "PERSISTENT RESERVE IN", 10, IN, 7, 2, ALL, NONE),
        BYTES(0x5F, "PERSISTENT RESERVE OUT", 10, OUT, 5, 4, ALL, BLOCKED),
        ROW(0x7F, NO_ACTION, "variable-length command", 0, OUT, OPEN, 0, 0, 0, 0, ALL, BLOCKED),
        ROW(0x83, NO_ACTION, "EXTENDED COPY", 16, OUT, OPEN, 0, 0, 0, 0, ALL, BLOCKED),
        ROW(0x84, NO_ACTION, "RECEIVE COPY RESULTS", 16, IN, OPEN, 0, 0, 0, 0, ALL, BLOCKED),
        ROW(0x85, NO_ACTION, "ATA PASS-THROUGH(16)", 16, IN, ATA, 0, 0, 0, 0, DISK, DESTROYS),
        ROW(0x88, NO_ACTION, "READ(16)", 16, IN, BLOCKS, 10, 4, 2, 8, DISK, READS_DATA),
        ROW(0x89, NO_ACTION, "COMPARE AND WRITE", 16, OUT, TWO_TIMES, 13, 1, 2, 8, DISK, WRITES_DATA),
        ROW(0x8A, NO_ACTION, "WRITE(16)", 16, OUT, BLOCKS, 10, 4, 2, 8, DISK, WRITES_DATA),
        ROW(0x8E, NO_ACTION, "WRITE AND VERIFY(16)", 16, OUT, BLOCKS, 10, 4, 2, 8, DISK, WRITES_DATA),
        ROW(0x8F, NO_ACTION, "VERIFY(16)", 16, OUT, VERIFIED, 10, 4, 2, 8, DISK, READS_DATA),
        ROW(0x90, NO_ACTION, "PRE-FETCH(16)", 16, NO_DATA, NONE, 10, 4, 2, 8, DISK, READS_DATA),
        ROW(0x91, NO_ACTION, "SYNCHRONIZE CACHE(16)", 16, NO_DATA, NONE, 10, 4, 2, 8, DISK, CHANGES_STATE),
        ROW(0x93, NO_ACTION, "WRITE SAME(16)", 16, OUT, ONE_BLOCK, 10, 4, 2, 8, DISK, WRITES_DATA),
        ROW(0x94, 0x01, "CLOSE ZONE", 16, NO_DATA, NONE, 0, 0, 0, 0, DISK, CHANGES_STATE),
        ROW(0x94, 0x02, "FINISH ZONE", 16, NO_DATA, NONE, 0, 0, 0, 0, DISK, WRITES_DATA),
        ROW(0x94, 0x03, "OPEN ZONE", 16, NO_DATA, NONE, 0, 0, 0, 0, DISK, CHANGES_STATE),
        ROW(0x94, 0x04, "RESET WRITE POINTER", 16, NO_DATA, NONE, 0, 0, 0, 0, DISK, DESTROYS),
        ROW(0x95, 0x00, "REPORT ZONES", 16, IN, BYTES, 10, 4, 0, 0, DISK, NONE),
        BYTES(0x9B, "READ BUFFER(16)", 16, IN, 10, 4, ALL, NONE),
        ROW(0x9E, 0x10, "READ CAPACITY(16)", 16, IN, BYTES, 10, 4, 0, 0, DISK, NONE),
        ROW(0x9E, 0x11, "READ LONG(16)", 16, IN, BYTES, 12, 2, 2, 8, DISK, READS_DATA),
        ROW(0x9E, 0x12, "GET LBA STATUS", 16, IN, BYTES, 10, 4, 2, 8, DISK, NONE),
        ROW(0x9F, 0x11, "WRITE LONG(16)", 16, OUT, BYTES, 12, 2, 2, 8, DISK, DESTROYS),
        BYTES(0xA0, "REPORT LUNS", 12, IN, 6, 4, ALL, NONE),
        ROW(0xA1, NO_ACTION, "ATA PASS-THROUGH(12)", 12, IN, ATA, 0, 0, 0, 0, DISK, DESTROYS),
        PLAIN(0xA1, "BLANK", 12, OPTICAL, DESTROYS),
        ROW(0xA2, NO_ACTION, "SECURITY PROTOCOL IN", 12, IN, BYTES_OR_512, 6, 4, 0, 0, ALL, NONE),
        ROW(0xA3, 0x05, "REPORT IDENTIFYING INFORMATION", 12, IN, BYTES, 6, 4, 0, 0, ALL, NONE),
        ROW(0xA3, 0x0A, "REPORT TARGET PORT GROUPS", 12, IN, BYTES, 6, 4, 0, 0, ALL, NONE),
        ROW(0xA3, 0x0C, "REPORT SUPPORTED OPERATION CODES", 12, IN, BYTES, 6, 4, 0, 0, ALL, NONE),
        ROW(0xA3, 0x0D, "REPORT SUPPORTED TASK MANAGEMENT FUNCTIONS", 12, IN, BYTES, 6, 4, 0, 0, ALL, NONE),
        ROW(0xA3, 0x0F, "REPORT TIMESTAMP", 12, IN, BYTES, 6, 4, 0, 0, ALL, NONE),
        BYTES(0xA3, "SEND KEY", 12, OUT, 8, 2, OPTICAL, CHANGES_STATE),
        ROW(0xA4, 0x06, "SET IDENTIFYING INFORMATION", 12, OUT, BYTES, 6, 4, 0, 0, ALL, CHANGES_STATE),
        ROW(0xA4, 0x0A, "SET TARGET PORT GROUPS", 12, OUT, BYTES, 6, 4, 0, 0, ALL, BLOCKED),
        ROW(0xA4, 0x0F, "SET TIMESTAMP", 12, OUT, BYTES, 6, 4, 0, 0, ALL, CHANGES_STATE),
        BYTES(0xA4, "REPORT KEY", 12, IN, 8, 2, OPTICAL, CHANGES_STATE),
        PLAIN(0xA6, "LOAD/UNLOAD MEDIUM", 12, OPTICAL, CHANGES_STATE),
        PLAIN(0xA7, "SET READ AHEAD", 12, OPTICAL, CHANGES_STATE),
        ROW(0xA8, NO_ACTION, "READ(12)", 12, IN, BLOCKS, 6, 4, 2, 4, MEDIA, READS_DATA),
        ROW(0xAA, NO_ACTION, "WRITE(12)", 12, OUT, BLOCKS, 6, 4, 2, 4, MEDIA, WRITES_DATA),
        ROW(0xAB, 0x01, "READ MEDIA SERIAL NUMBER", 12, IN, BYTES, 6, 4, 0, 0, ALL, NONE),
        ROW(0xAC, NO_ACTION, "GET PERFORMANCE", 12, IN, OPEN, 0, 0, 0, 0, OPTICAL, NONE),
        BYTES(0xAD, "READ DISC STRUCTURE", 12, IN, 8, 2, OPTICAL, NONE),
        ROW(0xAE, NO_ACTION, "WRITE AND VERIFY(12)", 12, OUT, BLOCKS, 6, 4, 2, 4, MEDIA, WRITES_DATA),
        ROW(0xAF, NO_ACTION, "VERIFY(12)", 12, OUT, VERIFIED, 6, 4, 2, 4, MEDIA, READS_DATA),
        ROW(0xB5, NO_ACTION, "SECURITY PROTOCOL OUT", 12, OUT, BYTES_OR_512, 6, 4, 0, 0, ALL, DESTROYS),
        BYTES(0xB6, "SET STREAMING", 12, OUT, 9, 2, OPTICAL, CHANGES_STATE),
        BYTES(0xB7, "READ DEFECT DATA(12)", 12, IN, 6, 4, DISK, NONE),
        ROW(0xB9, NO_ACTION, "READ CD MSF", 12, IN, OPEN, 0, 0, 0, 0, OPTICAL, READS_DATA),
        PLAIN(0xBB, "SET CD SPEED", 12, OPTICAL, CHANGES_STATE),
        BYTES(0xBD, "MECHANISM STATUS", 12, IN, 8, 2, OPTICAL, NONE),
        ROW(0xBE, NO_ACTION, "READ CD", 12, IN, OPEN, 6, 3, 2, 4, OPTICAL, READS_DATA),
        BYTES(0xBF, "SEND DISC STRUCTURE", 12, OUT, 8, 2, OPTICAL, WRITES_DATA),
};
/* clang-format on */

size_t scsi_cdb_group_size(uint8_t opcode) {
        static const uint8_t sizes[8] = { 6, 10, 10, 0, 16, 12, 0, 0 };

        return sizes[opcode >> 5];
}

/* SPC-4, "Service action": the low five bits of the second byte. */
static bool scsi_cdb_matches(const ScsiCdbInfo *info, const uint8_t *cdb, size_t size) {
        if (info->opcode != cdb[0] || size < info->size)
                return false;
        return info->service_action < 0 || info->service_action == (cdb[1] & 0x1F);
}

const ScsiCdbInfo *scsi_cdb_get(size_t index) {
        return index < N_ELEMENTS(scsi_cdb_table) ? &scsi_cdb_table[index] : NULL;
}

/* The first row that does not come before `opcode`: each command that is validated looks it up. */
static size_t scsi_cdb_find_first(uint8_t opcode) {
        size_t first = 0, end = N_ELEMENTS(scsi_cdb_table);

        while (first < end) {
                size_t middle = (first + end) / 2;

                if (scsi_cdb_table[middle].opcode < opcode)
                        first = middle + 1;
                else
                        end = middle;
        }
        return first;
}

static const ScsiCdbInfo *scsi_cdb_find_in(const uint8_t *cdb, size_t size, uint32_t types) {
        if (size == 0)
                return NULL;

        for (size_t i = scsi_cdb_find_first(cdb[0]);
             i < N_ELEMENTS(scsi_cdb_table) && scsi_cdb_table[i].opcode == cdb[0]; i++)
                if (scsi_cdb_matches(&scsi_cdb_table[i], cdb, size) &&
                    (scsi_cdb_table[i].device_types & types))
                        return &scsi_cdb_table[i];
        return NULL;
}

const ScsiCdbInfo *scsi_cdb_find(const uint8_t *cdb, size_t size) {
        return scsi_cdb_find_in(cdb, size, ALL);
}

const ScsiCdbInfo *scsi_cdb_find_for(const uint8_t *cdb, size_t size, uint8_t device_type) {
        assert(device_type <= SCSI_DEVICE_TYPE_ANY);

        return scsi_cdb_find_in(cdb, size,
                                device_type == SCSI_DEVICE_TYPE_ANY ? ALL
                                                                    : UINT32_C(1) << device_type);
}

static uint64_t scsi_cdb_get_field(const uint8_t *cdb, size_t offset, size_t size) {
        uint64_t value = 0;

        for (size_t i = 0; i < size; i++)
                value = value << 8 | cdb[offset + i];
        return value;
}

/* SBC-3, "READ (6) command": the first three bits of its second byte are reserved, and 0 is 256. */
static bool scsi_cdb_is_of_6(const ScsiCdbInfo *info) { return info->lba_size == LBA_SIZE_6; }

uint64_t scsi_cdb_get_length(const ScsiCdbInfo *info, const uint8_t *cdb) {
        uint64_t length = scsi_cdb_get_field(cdb, info->length_offset, info->length_size);

        if (length == 0 && scsi_cdb_is_of_6(info) && info->length_size > 0)
                return BLOCKS_OF_ZERO_6;
        return length;
}

uint64_t scsi_cdb_get_lba(const ScsiCdbInfo *info, const uint8_t *cdb) {
        uint64_t lba = scsi_cdb_get_field(cdb, info->lba_offset, info->lba_size);

        return scsi_cdb_is_of_6(info) ? lba & 0x1FFFFF : lba;
}

/* "00h" to "FFh" live here, as a name must outlive its command. */
#define HEX_ROW(h)                                                                              \
        h "0h", h "1h", h "2h", h "3h", h "4h", h "5h", h "6h", h "7h", h "8h", h "9h", h "Ah", \
                        h "Bh", h "Ch", h "Dh", h "Eh", h "Fh"

static const char scsi_cdb_opcode_names[256][4] = {
        HEX_ROW("0"), HEX_ROW("1"), HEX_ROW("2"), HEX_ROW("3"), HEX_ROW("4"), HEX_ROW("5"),
        HEX_ROW("6"), HEX_ROW("7"), HEX_ROW("8"), HEX_ROW("9"), HEX_ROW("A"), HEX_ROW("B"),
        HEX_ROW("C"), HEX_ROW("D"), HEX_ROW("E"), HEX_ROW("F"),
};

const char *scsi_cdb_name(const uint8_t *cdb, size_t size) {
        const ScsiCdbInfo *info = scsi_cdb_find(cdb, size);

        if (info)
                return info->name;
        return size > 0 ? scsi_cdb_opcode_names[cdb[0]] : "nothing";
}
