/* IDENTIFY DEVICE (ACS-3, 7.12.7) and SMART RETURN STATUS (ATA8-ACS, 7.52.8). */

#include "smart/smart_ata.h"

#include "base/bytes.h"
#include "base/macros.h"
#include "smart/smart_text.h"

#define CHECKSUM_SIGNATURE 0xA5
#define SECTOR_SIZE_MAX 65536

/* Words of IDENTIFY DEVICE. */
#define WORD_GENERAL 0
#define WORD_SERIAL 10
#define WORD_FIRMWARE 23
#define WORD_MODEL 27
#define WORD_SECTORS_28 60
#define WORD_SUPPORTED_82 82
#define WORD_SUPPORTED_83 83
#define WORD_ENABLED_85 85
#define WORD_DEFAULT_87 87
#define WORD_SECTORS_48 100
#define WORD_SECTOR_SIZES 106
#define WORD_LOGICAL_SIZE 117
#define WORD_ROTATION 217

#define GENERAL_NOT_ATA 0x8000
#define SUPPORTS_SMART 0x0001
#define SUPPORTS_48_BITS 0x0400
#define SECTOR_SIZES_LONG 0x1000
#define ROTATION_NONE 0x0001
#define ROTATION_MIN 0x0401
#define ROTATION_MAX 0xFFFE

/* The registers of a drive that is well, and of one that fails. */
#define STATUS_MID_GOOD 0x4F
#define STATUS_HIGH_GOOD 0xC2
#define STATUS_MID_FAILING 0xF4
#define STATUS_HIGH_FAILING 0x2C

static uint16_t get_word(const uint8_t *bytes, size_t index) { return get_le16(bytes + 2 * index); }

/* Words of which bit 15 is clear and bit 14 set mean something. */
static bool is_valid_word(uint16_t word) { return (word & 0xC000) == 0x4000; }

static uint64_t get_sector_size(const uint8_t *bytes) {
        uint16_t sizes = get_word(bytes, WORD_SECTOR_SIZES);
        uint64_t size = 2 * (uint64_t) get_le32(bytes + 2 * (size_t) WORD_LOGICAL_SIZE);

        if (!is_valid_word(sizes) || !(sizes & SECTOR_SIZES_LONG))
                return SMART_ATA_SECTOR_SIZE;
        return size >= SMART_ATA_SECTOR_SIZE && size <= SECTOR_SIZE_MAX ? size : 0;
}

static SmartNumber get_capacity(const uint8_t *bytes) {
        uint16_t supported = get_word(bytes, WORD_SUPPORTED_83);
        uint64_t sectors = get_le32(bytes + 2 * (size_t) WORD_SECTORS_28);
        uint64_t size = get_sector_size(bytes);

        if (is_valid_word(supported) && (supported & SUPPORTS_48_BITS))
                sectors = get_le64(bytes + 2 * (size_t) WORD_SECTORS_48);
        if (sectors == 0 || sectors >> 48 != 0 || size == 0)
                return (SmartNumber){ 0 };
        return (SmartNumber){ true, sectors * size };
}

static SmartNumber get_rotation(const uint8_t *bytes) {
        uint16_t rotation = get_word(bytes, WORD_ROTATION);

        if (rotation == ROTATION_NONE)
                return (SmartNumber){ true, 0 };
        if (rotation >= ROTATION_MIN && rotation <= ROTATION_MAX)
                return (SmartNumber){ true, rotation };
        return (SmartNumber){ 0 };
}

static void take_features(SmartData *data, const uint8_t *bytes) {
        data->is_supported = (SmartTruth){
                .is_known = is_valid_word(get_word(bytes, WORD_SUPPORTED_83)),
                .value = get_word(bytes, WORD_SUPPORTED_82) & SUPPORTS_SMART,
        };
        data->is_enabled = (SmartTruth){
                .is_known = is_valid_word(get_word(bytes, WORD_DEFAULT_87)),
                .value = get_word(bytes, WORD_ENABLED_85) & SUPPORTS_SMART,
        };
}

static SmartAnswer decode_identity(SmartData *data, const uint8_t *bytes, size_t size) {
        SmartIdentity identity = { 0 };

        if (size < SMART_ATA_SECTOR_SIZE)
                return SMART_ANSWER_TRUNCATED;
        if (bytes[SMART_ATA_SECTOR_SIZE - 2] == CHECKSUM_SIGNATURE &&
            !smart_text_sums_to_zero(bytes, SMART_ATA_SECTOR_SIZE))
                return SMART_ANSWER_CHECKSUM;
        smart_text_copy_swapped(identity.model, bytes + 2 * (size_t) WORD_MODEL, 40);
        if ((get_word(bytes, WORD_GENERAL) & GENERAL_NOT_ATA) || identity.model[0] == '\0' ||
            smart_text_is_filled(bytes, SMART_ATA_SECTOR_SIZE, bytes[0]))
                return SMART_ANSWER_ABSURD;

        smart_text_copy_swapped(identity.serial, bytes + 2 * (size_t) WORD_SERIAL, 20);
        smart_text_copy_swapped(identity.firmware, bytes + 2 * (size_t) WORD_FIRMWARE, 8);
        identity.capacity_bytes = get_capacity(bytes);
        identity.rotation_rpm = get_rotation(bytes);
        data->identity = identity;
        take_features(data, bytes);
        return SMART_ANSWER_GOOD;
}

SmartAnswer smart_ata_decode_identity(SmartData *data, const uint8_t *bytes, size_t size) {
        return smart_data_note(data, SMART_SECTION_IDENTITY, decode_identity(data, bytes, size));
}

/* Bridges that carry half of the registers leave the other half zero, or what it was before. A half
   that tells of a failure is no good sign. */
static SmartAnswer decode_status(SmartData *data, const SmartAtaRegisters *registers) {
        uint8_t mid = (uint8_t) (registers->lba >> 8);
        uint8_t high = (uint8_t) (registers->lba >> 16);

        if (mid == STATUS_MID_FAILING && high == STATUS_HIGH_FAILING) {
                data->status = SMART_STATUS_FAILING;
                return SMART_ANSWER_GOOD;
        }
        if (mid == STATUS_MID_GOOD && high == STATUS_HIGH_GOOD) {
                data->status = SMART_STATUS_PASSED;
                return SMART_ANSWER_GOOD;
        }
        if (mid == STATUS_MID_FAILING || high == STATUS_HIGH_FAILING)
                return SMART_ANSWER_ABSURD;
        if (mid == STATUS_MID_GOOD || high == STATUS_HIGH_GOOD || (mid == 0 && high == 0))
                return SMART_ANSWER_LOST;
        return SMART_ANSWER_ABSURD;
}

SmartAnswer smart_ata_decode_status(SmartData *data, const SmartAtaRegisters *registers) {
        return smart_data_note(data, SMART_SECTION_STATUS, decode_status(data, registers));
}
