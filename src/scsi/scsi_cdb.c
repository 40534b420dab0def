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

/* clang-format off */
#define ENTRY(opcode_, action_, name_, size_, direction_, offset_, width_, is_blocks_, types_, danger_) \
        { .opcode = (opcode_), .service_action = (action_), .name = (name_), .size = (size_),           \
          .direction = (direction_), .length_offset = (offset_), .length_size = (width_),               \
          .length_is_blocks = (is_blocks_), .device_types = (types_), .danger = SCSI_DANGER_##danger_ }
/* Without a transfer; with one that is counted in bytes, or in blocks of the medium. */
#define PLAIN(opcode, name, size, types, danger) \
        ENTRY(opcode, NO_ACTION, name, size, NO_DATA, 0, 0, false, types, danger)
#define BYTES(opcode, name, size, direction, offset, width, types, danger) \
        ENTRY(opcode, NO_ACTION, name, size, direction, offset, width, false, types, danger)
#define OF_BLOCKS(opcode, name, size, direction, offset, width, types, danger) \
        ENTRY(opcode, NO_ACTION, name, size, direction, offset, width, true, types, danger)
#define ACTION(opcode, action, name, size, direction, offset, width, types, danger) \
        ENTRY(opcode, action, name, size, direction, offset, width, false, types, danger)

/* Ordered by operation code. VERIFY is told as it is without BYTCHK. */
static const ScsiCdbInfo scsi_cdb_table[] = {
        PLAIN(0x00, "TEST UNIT READY", 6, ALL, NONE),
        PLAIN(0x01, "REZERO UNIT", 6, MEDIA, CHANGES_STATE),
        BYTES(0x03, "REQUEST SENSE", 6, IN, 4, 1, ALL, CHANGES_STATE),
        BYTES(0x04, "FORMAT UNIT", 6, OUT, 0, 0, MEDIA, DESTROYS),
        OF_BLOCKS(0x08, "READ(6)", 6, IN, 4, 1, DISK, READS_DATA),
        OF_BLOCKS(0x0A, "WRITE(6)", 6, OUT, 4, 1, DISK, WRITES_DATA),
        BYTES(0x12, "INQUIRY", 6, IN, 3, 2, ALL, NONE),
        BYTES(0x15, "MODE SELECT(6)", 6, OUT, 4, 1, ALL, CHANGES_STATE),
        PLAIN(0x16, "RESERVE(6)", 6, ALL, CHANGES_STATE),
        PLAIN(0x17, "RELEASE(6)", 6, ALL, CHANGES_STATE),
        BYTES(0x1A, "MODE SENSE(6)", 6, IN, 4, 1, ALL, NONE),
        PLAIN(0x1B, "START STOP UNIT", 6, MEDIA, CHANGES_STATE),
        BYTES(0x1C, "RECEIVE DIAGNOSTIC RESULTS", 6, IN, 3, 2, ALL, NONE),
        BYTES(0x1D, "SEND DIAGNOSTIC", 6, OUT, 3, 2, ALL, DESTROYS),
        PLAIN(0x1E, "PREVENT ALLOW MEDIUM REMOVAL", 6, MEDIA, CHANGES_STATE),
        BYTES(0x23, "READ FORMAT CAPACITIES", 10, IN, 7, 2, MEDIA, NONE),
        BYTES(0x25, "READ CAPACITY(10)", 10, IN, 0, 0, MEDIA, NONE),
        OF_BLOCKS(0x28, "READ(10)", 10, IN, 7, 2, MEDIA, READS_DATA),
        OF_BLOCKS(0x2A, "WRITE(10)", 10, OUT, 7, 2, MEDIA, WRITES_DATA),
        PLAIN(0x2B, "SEEK(10)", 10, MEDIA, CHANGES_STATE),
        OF_BLOCKS(0x2E, "WRITE AND VERIFY(10)", 10, OUT, 7, 2, MEDIA, WRITES_DATA),
        PLAIN(0x2F, "VERIFY(10)", 10, MEDIA, READS_DATA),
        PLAIN(0x34, "PRE-FETCH(10)", 10, DISK, READS_DATA),
        PLAIN(0x35, "SYNCHRONIZE CACHE(10)", 10, MEDIA, CHANGES_STATE),
        BYTES(0x37, "READ DEFECT DATA(10)", 10, IN, 7, 2, DISK, NONE),
        BYTES(0x3B, "WRITE BUFFER", 10, OUT, 6, 3, ALL, DESTROYS),
        BYTES(0x3C, "READ BUFFER", 10, IN, 6, 3, ALL, NONE),
        BYTES(0x3E, "READ LONG(10)", 10, IN, 7, 2, DISK, READS_DATA),
        BYTES(0x3F, "WRITE LONG(10)", 10, OUT, 7, 2, DISK, DESTROYS),
        BYTES(0x41, "WRITE SAME(10)", 10, OUT, 0, 0, DISK, WRITES_DATA),
        BYTES(0x42, "UNMAP", 10, OUT, 7, 2, DISK, WRITES_DATA),
        BYTES(0x43, "READ TOC/PMA/ATIP", 10, IN, 7, 2, OPTICAL, NONE),
        BYTES(0x46, "GET CONFIGURATION", 10, IN, 7, 2, OPTICAL, NONE),
        BYTES(0x48, "SANITIZE", 10, OUT, 7, 2, DISK, DESTROYS),
        BYTES(0x4A, "GET EVENT STATUS NOTIFICATION", 10, IN, 7, 2, OPTICAL, NONE),
        BYTES(0x4C, "LOG SELECT", 10, OUT, 7, 2, ALL, CHANGES_STATE),
        BYTES(0x4D, "LOG SENSE", 10, IN, 7, 2, ALL, NONE),
        BYTES(0x51, "READ DISC INFORMATION", 10, IN, 7, 2, OPTICAL, NONE),
        BYTES(0x52, "READ TRACK INFORMATION", 10, IN, 7, 2, OPTICAL, NONE),
        BYTES(0x55, "MODE SELECT(10)", 10, OUT, 7, 2, ALL, CHANGES_STATE),
        BYTES(0x5A, "MODE SENSE(10)", 10, IN, 7, 2, ALL, NONE),
        PLAIN(0x5B, "CLOSE TRACK/SESSION", 10, OPTICAL, WRITES_DATA),
        BYTES(0x5E, "PERSISTENT RESERVE IN", 10, IN, 7, 2, ALL, NONE),
        BYTES(0x5F, "PERSISTENT RESERVE OUT", 10, OUT, 5, 4, ALL, CHANGES_STATE),
        BYTES(0x85, "ATA PASS-THROUGH(16)", 16, IN, 0, 0, DISK, DESTROYS),
        OF_BLOCKS(0x88, "READ(16)", 16, IN, 10, 4, DISK, READS_DATA),
        BYTES(0x89, "COMPARE AND WRITE", 16, OUT, 0, 0, DISK, WRITES_DATA),
        OF_BLOCKS(0x8A, "WRITE(16)", 16, OUT, 10, 4, DISK, WRITES_DATA),
        OF_BLOCKS(0x8E, "WRITE AND VERIFY(16)", 16, OUT, 10, 4, DISK, WRITES_DATA),
        PLAIN(0x8F, "VERIFY(16)", 16, DISK, READS_DATA),
        PLAIN(0x90, "PRE-FETCH(16)", 16, DISK, READS_DATA),
        PLAIN(0x91, "SYNCHRONIZE CACHE(16)", 16, DISK, CHANGES_STATE),
        BYTES(0x93, "WRITE SAME(16)", 16, OUT, 0, 0, DISK, WRITES_DATA),
        ACTION(0x9E, 0x10, "READ CAPACITY(16)", 16, IN, 10, 4, DISK, NONE),
        ACTION(0x9E, 0x12, "GET LBA STATUS", 16, IN, 10, 4, DISK, NONE),
        BYTES(0xA0, "REPORT LUNS", 12, IN, 6, 4, ALL, NONE),
        BYTES(0xA1, "ATA PASS-THROUGH(12)", 12, IN, 0, 0, DISK, DESTROYS),
        BYTES(0xA2, "SECURITY PROTOCOL IN", 12, IN, 6, 4, ALL, NONE),
        ACTION(0xA3, 0x0C, "REPORT SUPPORTED OPERATION CODES", 12, IN, 6, 4, ALL, NONE),
        OF_BLOCKS(0xA8, "READ(12)", 12, IN, 6, 4, MEDIA, READS_DATA),
        OF_BLOCKS(0xAA, "WRITE(12)", 12, OUT, 6, 4, MEDIA, WRITES_DATA),
        BYTES(0xAC, "GET PERFORMANCE", 12, IN, 0, 0, OPTICAL, NONE),
        BYTES(0xAD, "READ DISC STRUCTURE", 12, IN, 8, 2, OPTICAL, NONE),
        OF_BLOCKS(0xAE, "WRITE AND VERIFY(12)", 12, OUT, 6, 4, MEDIA, WRITES_DATA),
        PLAIN(0xAF, "VERIFY(12)", 12, MEDIA, READS_DATA),
        BYTES(0xB5, "SECURITY PROTOCOL OUT", 12, OUT, 6, 4, ALL, DESTROYS),
        BYTES(0xBB, "SET CD SPEED", 12, NO_DATA, 0, 0, OPTICAL, CHANGES_STATE),
        BYTES(0xBE, "READ CD", 12, IN, 0, 0, OPTICAL, READS_DATA),
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

const ScsiCdbInfo *scsi_cdb_find(const uint8_t *cdb, size_t size) {
        if (size == 0)
                return NULL;

        for (size_t i = 0; i < N_ELEMENTS(scsi_cdb_table); i++)
                if (scsi_cdb_matches(&scsi_cdb_table[i], cdb, size))
                        return &scsi_cdb_table[i];
        return NULL;
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
