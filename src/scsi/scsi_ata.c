/* The fields of both forms, and the few ATA commands that only look (ACS-3). */

#include "scsi/scsi_ata.h"

#include "base/bytes.h"
#include "base/macros.h"

#define ATA_BLOCK_SIZE 512
#define ATA_SMART 0xB0

/* The second byte of both. */
#define EXTEND 0x01
/* Their third byte. */
#define T_LENGTH 0x03
#define BYTE_BLOCK 0x04
#define T_DIR 0x08
#define T_TYPE 0x10

typedef struct AtaCommand {
        uint8_t command;
        int feature; /* -1: any */
} AtaCommand;

static const AtaCommand harmless_commands[] = {
        { 0x2F, -1 },        /* READ LOG EXT */
        { 0x47, -1 },        /* READ LOG DMA EXT */
        { ATA_SMART, 0xD0 }, /* SMART READ DATA */
        { ATA_SMART, 0xD1 }, /* SMART READ ATTRIBUTE THRESHOLDS */
        { ATA_SMART, 0xD5 }, /* SMART READ LOG */
        { ATA_SMART, 0xDA }, /* SMART RETURN STATUS */
        { 0xA1, -1 },        /* IDENTIFY PACKET DEVICE */
        { 0xE5, -1 },        /* CHECK POWER MODE */
        { 0xEC, -1 },        /* IDENTIFY DEVICE */
};

static bool is_16(const uint8_t *cdb) { return cdb[0] == SCSI_OPCODE_ATA_PASS_THROUGH_16; }

static bool is_extended(const uint8_t *cdb) { return is_16(cdb) && (cdb[1] & EXTEND); }

static uint16_t get_features(const uint8_t *cdb) {
        if (!is_16(cdb))
                return cdb[3];
        return is_extended(cdb) ? get_be16(cdb + 3) : cdb[4];
}

static uint16_t get_count(const uint8_t *cdb) {
        if (!is_16(cdb))
                return cdb[4];
        return is_extended(cdb) ? get_be16(cdb + 5) : cdb[6];
}

static uint8_t get_command(const uint8_t *cdb) { return is_16(cdb) ? cdb[14] : cdb[9]; }

uint64_t scsi_ata_get_data_size(const uint8_t *cdb, uint32_t block_size) {
        uint64_t unit = 1;
        uint64_t length;

        switch (cdb[2] & T_LENGTH) {
        case 0:
                return 0;
        case 1:
                length = get_features(cdb);
                break;
        case 2:
                length = get_count(cdb);
                break;
        default: /* the transport's own length */
                return UINT64_MAX;
        }
        if (cdb[2] & BYTE_BLOCK)
                unit = cdb[2] & T_TYPE ? block_size : ATA_BLOCK_SIZE;
        return unit == 0 ? UINT64_MAX : length * unit;
}

TransportDirection scsi_ata_get_direction(const uint8_t *cdb) {
        return cdb[2] & T_DIR ? TRANSPORT_DIRECTION_IN : TRANSPORT_DIRECTION_OUT;
}

ScsiDanger scsi_ata_judge(const uint8_t *cdb) {
        for (size_t i = 0; i < N_ELEMENTS(harmless_commands); i++) {
                const AtaCommand *harmless = &harmless_commands[i];

                if (harmless->command == get_command(cdb) &&
                    (harmless->feature < 0 || harmless->feature == get_features(cdb)))
                        return SCSI_DANGER_NONE;
        }
        return SCSI_DANGER_DESTROYS;
}
