#pragma once

/*
 * SmartAta
 *
 * The answers of ATA drives (ACS-3, and ATA8-ACS for what that made obsolete), decoded into
 * SmartData. Each decoder notes in its section what it returns.
 */

#include "smart/smart_data.h"

#define SMART_ATA_SECTOR_SIZE 512

/* The registers after a command; what the bridge does not tell is 0. */
typedef struct SmartAtaRegisters {
        uint8_t status;
        uint8_t error;
        uint8_t device;
        uint16_t count;
        uint64_t lba; /* 48 bits */
} SmartAtaRegisters;

/* IDENTIFY DEVICE. Its checksum is checked where it has one. */
SmartAnswer smart_ata_decode_identity(SmartData *data, const uint8_t *bytes, size_t size);
/* SMART READ DATA; after the identity, whose capacity tells which counts of sectors are absurd. */
SmartAnswer smart_ata_decode_attributes(SmartData *data, const uint8_t *bytes, size_t size);
/* SMART READ THRESHOLDS; after the attributes, which are then judged. */
SmartAnswer smart_ata_decode_thresholds(SmartData *data, const uint8_t *bytes, size_t size);
/* SMART RETURN STATUS. */
SmartAnswer smart_ata_decode_status(SmartData *data, const SmartAtaRegisters *registers);
/* The summary (SMART READ LOG 01h, one sector) or the comprehensive log (02h, all of its sectors). */
SmartAnswer smart_ata_decode_error_log(SmartData *data, const uint8_t *bytes, size_t size);
/* The extended comprehensive log (READ LOG EXT 03h), one sector or more from its begin. */
SmartAnswer smart_ata_decode_extended_error_log(SmartData *data, const uint8_t *bytes, size_t size);
/* SMART READ LOG 06h. */
SmartAnswer smart_ata_decode_self_tests(SmartData *data, const uint8_t *bytes, size_t size);
