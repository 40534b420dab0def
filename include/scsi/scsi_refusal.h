#pragma once

/*
 * ScsiRefusal
 *
 * Commands that a device must never see, because it answers them by hanging, resetting or worse. The
 * processor answers them in its place as a device does that does not know them, so that nobody above
 * needs to ask first. Bits of a mask.
 */

#include <stdbool.h>
#include <stdint.h>

typedef enum ScsiRefusal {
        SCSI_REFUSAL_PREVENT_REMOVAL = 1 << 0,  /* PREVENT ALLOW MEDIUM REMOVAL */
        SCSI_REFUSAL_WRITE_SAME = 1 << 1,       /* in all lengths */
        SCSI_REFUSAL_DISC_INFORMATION = 1 << 2, /* READ DISC INFORMATION */
        SCSI_REFUSAL_ATA = 1 << 3,              /* ATA PASS-THROUGH in all lengths */
        SCSI_REFUSAL_CAPACITY_16 = 1 << 4,      /* READ CAPACITY(16) */
        SCSI_REFUSAL_REPORT_LUNS = 1 << 5,
        SCSI_REFUSAL_OPERATION_CODES = 1 << 6, /* REPORT SUPPORTED OPERATION CODES */
} ScsiRefusal;

/* `cdb` has at least two bytes. */
bool scsi_refusal_covers(uint32_t refusals, const uint8_t *cdb);
