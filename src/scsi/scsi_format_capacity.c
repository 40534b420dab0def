/* READ FORMAT CAPACITIES data: see scsi_format_capacity.h. */

#include "scsi/scsi_format_capacity.h"

#include <errno.h>

#include "base/bytes.h"

#define HEADER_SIZE 4
#define DESCRIPTOR_SIZE 8

int scsi_format_capacity_parse(ScsiFormatCapacity *ret, const uint8_t *bytes, size_t size) {
        const uint8_t *descriptor = bytes + HEADER_SIZE;
        uint8_t type;

        if (size < HEADER_SIZE + DESCRIPTOR_SIZE || bytes[3] < DESCRIPTOR_SIZE)
                return -EBADMSG;
        type = descriptor[4] & 0x03;
        if (type < SCSI_FORMAT_CAPACITY_TYPE_UNFORMATTED)
                return -EBADMSG;

        *ret = (ScsiFormatCapacity){
                .type = (ScsiFormatCapacityType) type,
                .n_blocks = get_be32(descriptor),
                .block_size = get_be24(descriptor + 5),
        };
        return 0;
}
