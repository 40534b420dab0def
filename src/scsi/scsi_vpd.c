/*
 * Vital product data. Pages are cut to what came before they are parsed; a field that lies beyond
 * that is as if the device had not told it.
 */

#include "scsi/scsi_vpd.h"

#include <errno.h>

#include "base/bytes.h"
#include "scsi/scsi_inquiry.h"

/* SPC-4, "Designation descriptor". */
#define CODE_SET_BINARY 1
#define ASSOCIATION_UNIT 0
#define DESIGNATOR_T10 1
#define DESIGNATOR_EUI_64 2
#define DESIGNATOR_NAA 3
#define DESIGNATOR_NAME 8
#define DESIGNATORS_MAX 64
/* The least of those that name a unit in the whole world. */
#define RANK_WORLD_WIDE 3

/* Where a device that unmaps by WRITE SAME tells no limit, what 16 bits can say is borne by all. */
#define WRITE_SAME_BLOCKS_DEFAULT UINT16_MAX
#define ROTATION_NONE 1
#define ROTATION_RPM_MIN 0x0401
#define ROTATION_RPM_MAX 0xFFFE

int scsi_vpd_parse_header(size_t *ret_size, uint8_t page, const uint8_t *bytes, size_t size) {
        if (size < SCSI_VPD_HEADER_SIZE || bytes[1] != page)
                return -EBADMSG;

        *ret_size = MIN((size_t) SCSI_VPD_HEADER_SIZE + get_be16(bytes + 2),
                        (size_t) SCSI_VPD_SIZE_MAX);
        return 0;
}

bool scsi_vpd_is_listed(uint8_t page, const uint8_t *bytes, size_t size) {
        for (size_t i = SCSI_VPD_HEADER_SIZE; i < size; i++)
                if (bytes[i] == page)
                        return true;
        return false;
}

/* SPC-4, "Unit Serial Number VPD page". */
static void scsi_vpd_parse_serial(ScsiDisk *disk, const uint8_t *bytes, size_t size) {
        size_t length = MIN(size - SCSI_VPD_HEADER_SIZE, sizeof(disk->serial) - 1);

        scsi_inquiry_copy_text(disk->serial, bytes + SCSI_VPD_HEADER_SIZE, length);
}

static void scsi_vpd_format_hex(char *text, size_t text_size, const uint8_t *bytes, size_t size) {
        static const char digits[] = "0123456789abcdef";
        size_t n = MIN(size, (text_size - 1) / 2);

        for (size_t i = 0; i < n; i++) {
                text[2 * i] = digits[bytes[i] >> 4];
                text[2 * i + 1] = digits[bytes[i] & 0x0F];
        }
        text[2 * n] = '\0';
}

/* How well a designator tells units apart; 0: not at all. */
static unsigned scsi_vpd_rank_designator(const uint8_t *designator) {
        if ((designator[1] >> 4 & 0x03) != ASSOCIATION_UNIT || designator[3] == 0)
                return 0;

        switch (designator[1] & 0x0F) {
        case DESIGNATOR_NAA:
                return 4;
        case DESIGNATOR_EUI_64:
                return 3;
        case DESIGNATOR_NAME:
                return 2;
        case DESIGNATOR_T10:
                return 1;
        default:
                return 0;
        }
}

static void scsi_vpd_copy_designator(ScsiDisk *disk, const uint8_t *designator) {
        size_t size = designator[3];

        disk->wwn[0] = '\0';
        if ((designator[0] & 0x0F) == CODE_SET_BINARY) {
                scsi_vpd_format_hex(disk->identifier, sizeof(disk->identifier), designator + 4,
                                    size);
                if (scsi_vpd_rank_designator(designator) >= RANK_WORLD_WIDE)
                        scsi_vpd_format_hex(disk->wwn, sizeof(disk->wwn), designator + 4, size);
        } else {
                scsi_inquiry_copy_text(disk->identifier, designator + 4,
                                       MIN(size, sizeof(disk->identifier) - 1));
        }
}

/* SPC-4, "Device Identification VPD page": of several names the best one. */
static void scsi_vpd_parse_identification(ScsiDisk *disk, const uint8_t *bytes, size_t size) {
        size_t offset = SCSI_VPD_HEADER_SIZE;
        unsigned best = 0;

        for (unsigned i = 0; i < DESIGNATORS_MAX && offset + 4 <= size; i++) {
                const uint8_t *designator = bytes + offset;
                unsigned rank = scsi_vpd_rank_designator(designator);

                offset += (size_t) 4 + designator[3];
                if (offset > size)
                        return;
                if (rank > best) {
                        best = rank;
                        scsi_vpd_copy_designator(disk, designator);
                }
        }
}

/* In bytes, at most `size_max`, in whole blocks; 0 stays 0. */
static uint32_t scsi_vpd_to_bytes(uint32_t n_blocks, uint32_t block_size, uint32_t size_max) {
        uint64_t size = (uint64_t) n_blocks * block_size;

        return (uint32_t) MIN(size, (uint64_t) ALIGN_DOWN(size_max, block_size));
}

/* SBC-3, "Block Limits VPD page". The first 16 bytes are SBC-2's, unmapping came later. */
static void scsi_vpd_parse_limits(ScsiDisk *disk, const uint8_t *bytes, size_t size) {
        uint32_t transfer_size_max;
        uint32_t unmap_descriptors_max;

        if (size < 16)
                return;

        transfer_size_max = scsi_vpd_to_bytes(get_be32(bytes + 8), disk->block_size,
                                              disk->transfer_size_max);
        if (transfer_size_max > 0)
                disk->transfer_size_max = transfer_size_max;
        disk->transfer_size_optimal = scsi_vpd_to_bytes(get_be32(bytes + 12), disk->block_size,
                                                        disk->transfer_size_max);
        if (size < 32)
                return;

        unmap_descriptors_max = get_be32(bytes + 24);
        disk->unmap_blocks_max = unmap_descriptors_max > 0 ? get_be32(bytes + 20) : 0;
        disk->unmap_granularity_blocks = get_be32(bytes + 28);
        if (size >= 44)
                disk->write_same_blocks_max = get_be64(bytes + 36);
        disk->can_write_same_16 = disk->write_same_blocks_max > 0;
}

/* SBC-3, "Block Device Characteristics VPD page". */
static void scsi_vpd_parse_characteristics(ScsiDisk *disk, const uint8_t *bytes, size_t size) {
        uint16_t rate;

        if (size < 6)
                return;

        rate = get_be16(bytes + 4);
        disk->is_rotational = rate >= ROTATION_RPM_MIN && rate <= ROTATION_RPM_MAX;
        disk->is_rotation_known = disk->is_rotational || rate == ROTATION_NONE;
        disk->rotation_rpm = disk->is_rotational ? rate : 0;
}

/* SBC-3, "Logical Block Provisioning VPD page". */
static void scsi_vpd_parse_provisioning(ScsiDisk *disk, const uint8_t *bytes, size_t size) {
        if (size < 6)
                return;

        disk->can_unmap = bytes[5] & 0x80;
        disk->can_write_same_unmap = bytes[5] & 0x40;
        disk->unmapped_reads_zero = disk->unmapped_reads_zero || (bytes[5] & 0x04);
        if (disk->can_write_same_unmap && disk->write_same_blocks_max == 0)
                disk->write_same_blocks_max = WRITE_SAME_BLOCKS_DEFAULT;
}

void scsi_vpd_parse(ScsiDisk *disk, uint8_t page, const uint8_t *bytes, size_t size) {
        assert(disk->block_size > 0);

        if (size < SCSI_VPD_HEADER_SIZE)
                return;

        switch (page) {
        case SCSI_VPD_PAGE_SERIAL:
                scsi_vpd_parse_serial(disk, bytes, size);
                break;
        case SCSI_VPD_PAGE_IDENTIFICATION:
                scsi_vpd_parse_identification(disk, bytes, size);
                break;
        case SCSI_VPD_PAGE_LIMITS:
                scsi_vpd_parse_limits(disk, bytes, size);
                break;
        case SCSI_VPD_PAGE_CHARACTERISTICS:
                scsi_vpd_parse_characteristics(disk, bytes, size);
                break;
        case SCSI_VPD_PAGE_PROVISIONING:
                scsi_vpd_parse_provisioning(disk, bytes, size);
                break;
        }
}
