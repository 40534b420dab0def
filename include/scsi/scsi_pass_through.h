#pragma once

/*
 * ScsiPassThrough
 *
 * Judges a command that comes from outside, before a device sees it: whether it is whole, agrees
 * with its own data, stays within the medium, is for this type of device, and is no more dangerous
 * than its sender may be. Plain data, no I/O.
 */

#include "scsi/scsi_cdb.h"

#define SCSI_PASS_THROUGH_REASON_SIZE 160

typedef struct ScsiPassThrough {
        const uint8_t *cdb; /* borrowed */
        size_t cdb_size;
        TransportDirection direction;
        size_t data_size;
} ScsiPassThrough;

typedef struct ScsiPassThroughLimits {
        uint8_t device_type; /* less than SCSI_DEVICE_TYPES_MAX, or SCSI_DEVICE_TYPE_ANY */
        uint64_t n_blocks;   /* 0: not known, or no medium: the device will tell */
        uint32_t block_size; /* likewise */
        size_t transfer_size_max;
        ScsiDanger danger_max; /* at most DESTROYS */
        uint32_t refusals;     /* ScsiRefusal: what this device must not see */
} ScsiPassThroughLimits;

/*
 * 0: it may be sent. Else `reason` (SCSI_PASS_THROUGH_REASON_SIZE) says what is wrong: -EINVAL it
 * does not agree with itself, -EOPNOTSUPP not known, not for this type or this device, -ERANGE beyond
 * the medium, -E2BIG too much data, -EPERM too dangerous.
 */
int scsi_pass_through_check(const ScsiPassThrough *command, const ScsiPassThroughLimits *limits,
                            char *reason);
/* How dangerous it is; for ATA commands by what they carry. Unknown: BLOCKED. */
ScsiDanger scsi_pass_through_judge(const uint8_t *cdb, size_t cdb_size, uint8_t device_type);
