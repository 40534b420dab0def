/* Sense data with the registers, as bridges send it: in either format, and often cut off. */

#include "smart/smart_registers.h"

#include "base/bytes.h"
#include "base/macros.h"

#define RESPONSE_CODE 0x7F
#define FIXED_CURRENT 0x70
#define FIXED_DEFERRED 0x71
#define DESCRIPTOR_CURRENT 0x72
#define DESCRIPTOR_DEFERRED 0x73

#define FIXED_SIZE_MIN 14
#define ASC_ASCQ_REGISTERS 0x001D /* "ATA pass through information available" */

#define DESCRIPTORS_OFFSET 8
#define DESCRIPTORS_MAX 32
#define DESCRIPTOR_ATA_STATUS 0x09
#define DESCRIPTOR_SIZE_MIN 12 /* up to the last byte of the LBA */

static bool parse_fixed(SmartAtaRegisters *ret, const uint8_t *sense, size_t size) {
        if (size < FIXED_SIZE_MIN || get_be16(sense + 12) != ASC_ASCQ_REGISTERS || sense[4] == 0)
                return false;

        *ret = (SmartAtaRegisters){
                .error = sense[3],
                .status = sense[4],
                .device = sense[5],
                .count = sense[6],
                .lba = sense[9] | (uint64_t) sense[10] << 8 | (uint64_t) sense[11] << 16,
        };
        return true;
}

/* The upper half of each pair comes first. */
static uint64_t get_lba(const uint8_t *descriptor) {
        uint64_t lba = 0;

        for (size_t i = 0; i < 3; i++) {
                lba |= (uint64_t) descriptor[7 + 2 * i] << 8 * i;
                lba |= (uint64_t) descriptor[6 + 2 * i] << 8 * (i + 3);
        }
        return lba;
}

static bool parse_descriptor(SmartAtaRegisters *ret, const uint8_t *descriptor, size_t size) {
        if (size < DESCRIPTOR_SIZE_MIN)
                return false;

        *ret = (SmartAtaRegisters){
                .error = descriptor[3],
                .count = get_be16(descriptor + 4),
                .lba = get_lba(descriptor),
                .device = size > 12 ? descriptor[12] : 0,
                .status = size > 13 ? descriptor[13] : 0,
        };
        return true;
}

static bool parse_descriptors(SmartAtaRegisters *ret, const uint8_t *sense, size_t size) {
        size_t offset = DESCRIPTORS_OFFSET;

        for (unsigned i = 0; i < DESCRIPTORS_MAX && offset + 2 <= size; i++) {
                size_t descriptor_size = (size_t) 2 + sense[offset + 1];

                if (sense[offset] == DESCRIPTOR_ATA_STATUS)
                        return parse_descriptor(ret, sense + offset,
                                                MIN(descriptor_size, size - offset));
                offset += descriptor_size;
        }
        return false;
}

bool smart_registers_parse(SmartAtaRegisters *ret, const uint8_t *sense, size_t size) {
        if (size < 1)
                return false;

        switch (sense[0] & RESPONSE_CODE) {
        case FIXED_CURRENT:
        case FIXED_DEFERRED:
                return parse_fixed(ret, sense, size);
        case DESCRIPTOR_CURRENT:
        case DESCRIPTOR_DEFERRED:
                return parse_descriptors(ret, sense, size);
        default:
                return false;
        }
}

bool smart_registers_are_good(const SmartAtaRegisters *registers) {
        return (registers->status & (SMART_REGISTERS_BUSY | SMART_REGISTERS_READY |
                                     SMART_REGISTERS_ERROR)) == SMART_REGISTERS_READY;
}
