#pragma once

/*
 * ScsiAta
 *
 * ATA PASS-THROUGH (12) and (16), as far as it must be known what they do (SAT-3, "ATA PASS-THROUGH
 * (12) command" and (16)). `cdb` is one of the two, and whole. Private to scsi.
 */

#include "scsi/scsi_cdb.h"

/* UINT64_MAX: not told by the command. `block_size` of the medium; 0: unknown. */
uint64_t scsi_ata_get_data_size(const uint8_t *cdb, uint32_t block_size);
TransportDirection scsi_ata_get_direction(const uint8_t *cdb);
/* By the ATA command in it; those that are not known to be harmless are not. */
ScsiDanger scsi_ata_judge(const uint8_t *cdb);
