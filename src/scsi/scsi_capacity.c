/*
 * READ CAPACITY data. A block size of 0 means 512 where there is a last block at all.
 */

#include "scsi/scsi_capacity.h"

#include <errno.h>

#include "base/bytes.h"
#include "base/macros.h"

#define BLOCK_SIZE_MIN 512U
#define BLOCK_SIZE_MAX 4096U
/* 2 to the power of it: physical blocks of up to 64 times a logical one are plausible. */
#define PHYSICAL_EXPONENT_MAX 6

static uint32_t scsi_capacity_fix_block_size(uint32_t block_size, uint64_t last_lba) {
        return block_size == 0 && last_lba > 0 ? BLOCK_SIZE_MIN : block_size;
}

int scsi_capacity_parse_10(ScsiCapacity *ret, const uint8_t *bytes, size_t size) {
        uint32_t last_lba;
        uint32_t block_size;

        if (size < SCSI_CAPACITY_10_SIZE)
                return -EBADMSG;

        last_lba = get_be32(bytes);
        block_size = scsi_capacity_fix_block_size(get_be32(bytes + 4), last_lba);
        *ret = (ScsiCapacity){
                .last_lba = last_lba,
                .block_size = block_size,
                .physical_block_size = block_size,
        };
        return 0;
}

/* Devices may send as few as the 12 bytes that SBC-2 began with. */
int scsi_capacity_parse_16(ScsiCapacity *ret, const uint8_t *bytes, size_t size) {
        ScsiCapacity capacity;

        if (size < 12)
                return -EBADMSG;

        capacity = (ScsiCapacity){ .last_lba = get_be64(bytes) };
        capacity.block_size = scsi_capacity_fix_block_size(get_be32(bytes + 8), capacity.last_lba);
        capacity.physical_block_size = capacity.block_size;
        if (size >= 14 && (bytes[13] & 0x0F) <= PHYSICAL_EXPONENT_MAX &&
            capacity.block_size <= BLOCK_SIZE_MAX)
                capacity.physical_block_size <<= bytes[13] & 0x0F;
        if (size >= 15) {
                capacity.is_provisioned = bytes[14] & 0x80;
                capacity.unmapped_reads_zero = bytes[14] & 0x40;
        }

        *ret = capacity;
        return 0;
}

bool scsi_capacity_is_beyond_10(const ScsiCapacity *capacity) {
        return capacity->last_lba >= UINT32_MAX;
}

bool scsi_capacity_is_empty(const ScsiCapacity *capacity) {
        return capacity->last_lba == 0 && capacity->block_size == 0;
}

bool scsi_capacity_is_supported(const ScsiCapacity *capacity) {
        if (!is_power_of_two(capacity->block_size) || capacity->block_size < BLOCK_SIZE_MIN ||
            capacity->block_size > BLOCK_SIZE_MAX)
                return false;

        return capacity->last_lba < INT64_MAX / capacity->block_size;
}
