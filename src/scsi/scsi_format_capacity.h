#pragma once

/*
 * ScsiFormatCapacity
 *
 * The first descriptor of READ FORMAT CAPACITIES (UFI 1.0, "READ FORMAT CAPACITIES command"): what
 * the medium is, also of one that was never formatted. Plain data; private to scsi.
 */

#include <stddef.h>
#include <stdint.h>

#define SCSI_FORMAT_CAPACITY_SIZE 252 /* what devices are used to be asked for */

/* UFI 1.0, "Descriptor code". */
typedef enum ScsiFormatCapacityType {
        SCSI_FORMAT_CAPACITY_TYPE_UNFORMATTED = 1,
        SCSI_FORMAT_CAPACITY_TYPE_FORMATTED = 2,
        SCSI_FORMAT_CAPACITY_TYPE_NO_MEDIUM = 3,
} ScsiFormatCapacityType;

typedef struct ScsiFormatCapacity {
        ScsiFormatCapacityType type;
        uint32_t n_blocks; /* unless it is FORMATTED: the most that a medium may have */
        uint32_t block_size;
} ScsiFormatCapacity;

/* -EBADMSG: there is no such descriptor. */
int scsi_format_capacity_parse(ScsiFormatCapacity *ret, const uint8_t *bytes, size_t size);
