#pragma once

/* Sectors as ATA drives answer with them, for tests. */

#include <string.h>

#include "base/bytes.h"
#include "smart/smart_ata.h"

#define SECTOR SMART_ATA_SECTOR_SIZE

static inline void ata_sector_seal(uint8_t *sector) {
        uint8_t sum = 0;

        for (size_t i = 0; i < SECTOR - 1; i++)
                sum = (uint8_t) (sum + sector[i]);
        sector[SECTOR - 1] = (uint8_t) -sum;
}

static inline void ata_sector_put_word(uint8_t *sector, size_t index, uint16_t word) {
        put_le16(sector + 2 * index, word);
}

/* Padded with blanks, bytes swapped. */
static inline void ata_sector_put_text(uint8_t *sector, size_t word, size_t size,
                                       const char *text) {
        size_t length = strlen(text);

        for (size_t i = 0; i < size; i++)
                sector[2 * word + (i ^ 1)] = (uint8_t) (i < length ? text[i] : ' ');
}

/* A disk of 1 TB with SMART. */
static inline void ata_sector_identity(uint8_t *sector) {
        memset(sector, 0, SECTOR);
        ata_sector_put_word(sector, 0, 0x0040);
        ata_sector_put_text(sector, 10, 20, "     WD-WX11A1234567");
        ata_sector_put_text(sector, 23, 8, "01.01A01");
        ata_sector_put_text(sector, 27, 40, "WDC WD10EXAMPLE-00");
        put_le32(sector + 120, 268435455);
        ata_sector_put_word(sector, 82, 0x0001);
        ata_sector_put_word(sector, 83, 0x4400);
        ata_sector_put_word(sector, 85, 0x0001);
        ata_sector_put_word(sector, 87, 0x4000);
        put_le64(sector + 200, 1953525168);
        ata_sector_put_word(sector, 106, 0x6003);
        ata_sector_put_word(sector, 217, 5400);
        sector[510] = 0xA5;
        ata_sector_seal(sector);
}

static inline void ata_sector_put_attribute(uint8_t *sector, size_t index, uint8_t id,
                                            uint16_t flags, uint8_t value, uint8_t worst,
                                            uint64_t raw) {
        uint8_t *entry = sector + 2 + 12 * index;

        entry[0] = id;
        put_le16(entry + 1, flags);
        entry[3] = value;
        entry[4] = worst;
        put_le32(entry + 5, (uint32_t) raw);
        put_le16(entry + 9, (uint16_t) (raw >> 32));
        ata_sector_seal(sector);
}

static inline void ata_sector_put_threshold(uint8_t *sector, size_t index, uint8_t id,
                                            uint8_t threshold) {
        sector[2 + 12 * index] = id;
        sector[3 + 12 * index] = threshold;
        ata_sector_seal(sector);
}

/* Of a disk that is well. */
static inline void ata_sector_attributes(uint8_t *sector) {
        memset(sector, 0, SECTOR);
        sector[0] = 16;
        sector[363] = 0x00;
        sector[367] = 0x7B;
        sector[372] = 2;
        sector[373] = 120;
        sector[374] = 5;
        ata_sector_put_attribute(sector, 0, 1, 0x002F, 200, 200, 0);
        ata_sector_put_attribute(sector, 1, 5, 0x0033, 200, 200, 0);
        ata_sector_put_attribute(sector, 2, 9, 0x0032, 88, 88, 9123);
        ata_sector_put_attribute(sector, 3, 12, 0x0032, 99, 99, 1234);
        ata_sector_put_attribute(sector, 4, 194, 0x0022, 110, 99, 33);
        ata_sector_put_attribute(sector, 5, 197, 0x0032, 200, 200, 0);
        ata_sector_put_attribute(sector, 6, 198, 0x0030, 200, 200, 0);
}

static inline void ata_sector_thresholds(uint8_t *sector) {
        memset(sector, 0, SECTOR);
        sector[0] = 16;
        ata_sector_put_threshold(sector, 0, 1, 51);
        ata_sector_put_threshold(sector, 1, 5, 140);
        ata_sector_put_threshold(sector, 2, 9, 0);
        ata_sector_put_threshold(sector, 3, 12, 0);
        ata_sector_put_threshold(sector, 4, 194, 0);
        ata_sector_put_threshold(sector, 5, 197, 0);
        ata_sector_put_threshold(sector, 6, 198, 0);
}
