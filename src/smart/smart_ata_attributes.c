/*
 * SMART READ DATA and SMART READ THRESHOLDS (ATA8-ACS, 7.52.6, and ATA-3 for the tables). What raw
 * values mean is the makers': the common meanings are taken where they can be true.
 */

#include "smart/smart_ata.h"

#include "base/bytes.h"
#include "base/macros.h"
#include "smart/smart_text.h"

#define TABLE_OFFSET 2
#define ENTRY_SIZE 12

#define SELF_TEST_STATUS_OFFSET 363
#define SELF_TEST_RUNNING 0xF
#define CAPABILITIES_OFFSET 367
#define CAPABLE_OF_SELF_TESTS 0x10
#define CAPABLE_OF_CONVEYANCE 0x20
#define SHORT_MINUTES_OFFSET 372
#define EXTENDED_MINUTES_OFFSET 373
#define CONVEYANCE_MINUTES_OFFSET 374
#define LONG_MINUTES_OFFSET 375
#define MINUTES_ARE_LONG 0xFF

/* Values above are reserved, and are no values. */
#define VALUE_MAX 0xFD

#define ATTRIBUTE_REALLOCATED 5
#define ATTRIBUTE_POWER_ON_HOURS 9
#define ATTRIBUTE_POWER_CYCLES 12
#define ATTRIBUTE_AIRFLOW_TEMPERATURE 190
#define ATTRIBUTE_TEMPERATURE 194
#define ATTRIBUTE_PENDING 197
#define ATTRIBUTE_UNCORRECTABLE 198

#define HOURS_MAX 400000 /* 45 years: more are minutes or seconds */
#define CELSIUS_MIN (-60)
#define CELSIUS_MAX 127

static uint64_t get_raw(const uint8_t *bytes) {
        return get_le32(bytes) | (uint64_t) get_le16(bytes + 4) << 32;
}

static SmartNumber get_sectors(const SmartData *data, uint8_t id) {
        const SmartAttribute *attribute = smart_data_find_attribute(data, id);
        const SmartNumber *capacity = &data->identity.capacity_bytes;
        uint64_t count;

        if (!attribute)
                return (SmartNumber){ 0 };
        count = attribute->raw & UINT32_MAX;
        /* Words above the lowest are often other counts. */
        if (id == ATTRIBUTE_REALLOCATED && attribute->raw > UINT32_MAX)
                count &= UINT16_MAX;
        if (count == UINT32_MAX ||
            (capacity->is_known && count > capacity->value / SMART_ATA_SECTOR_SIZE))
                return (SmartNumber){ 0 };
        return (SmartNumber){ true, count };
}

/* The upper bytes may count something else. */
static SmartNumber get_count(const SmartData *data, uint8_t id, uint64_t max) {
        const SmartAttribute *attribute = smart_data_find_attribute(data, id);
        uint64_t count;

        if (!attribute)
                return (SmartNumber){ 0 };
        count = attribute->raw & 0xFFFFFF;
        return (SmartNumber){ count <= max, count <= max ? count : 0 };
}

static bool is_extension(uint8_t byte) { return byte == 0x00 || byte == 0xFF; }

/* Two bytes as the bounds of `celsius`, if they can be. */
static bool take_bounds(SmartData *data, int celsius, uint8_t a, uint8_t b) {
        int low = MIN((int8_t) a, (int8_t) b);
        int high = MAX((int8_t) a, (int8_t) b);

        if (low < CELSIUS_MIN || low > celsius || high < celsius || (a == 0 && b == 0))
                return false;
        data->temperature_min = (SmartCelsius){ true, (int16_t) low };
        data->temperature_max = (SmartCelsius){ true, (int16_t) high };
        return true;
}

/* Several makers put the lowest and the highest temperature into the other bytes, each its way. */
static bool take_temperature(SmartData *data, uint8_t id) {
        const SmartAttribute *attribute = smart_data_find_attribute(data, id);
        uint8_t bytes[6];
        int celsius;

        if (!attribute)
                return false;
        for (size_t i = 0; i < sizeof(bytes); i++)
                bytes[i] = (uint8_t) (attribute->raw >> 8 * i);
        celsius = bytes[0];
        if (celsius < 1 || celsius > CELSIUS_MAX)
                return false;
        data->temperature = (SmartCelsius){ true, (int16_t) celsius };
        if (bytes[5] == 0 && bytes[4] == 0 && bytes[3] == 0) {
                take_bounds(data, celsius, bytes[2], bytes[1]);
                return true;
        }
        if (is_extension(bytes[5]) && is_extension(bytes[3]) && is_extension(bytes[1]) &&
            take_bounds(data, celsius, bytes[4], bytes[2]))
                return true;
        if (is_extension(bytes[1]))
                take_bounds(data, celsius, bytes[3], bytes[2]);
        return true;
}

static void take_meanings(SmartData *data) {
        data->reallocated_sectors = get_sectors(data, ATTRIBUTE_REALLOCATED);
        data->pending_sectors = get_sectors(data, ATTRIBUTE_PENDING);
        data->uncorrectable_sectors = get_sectors(data, ATTRIBUTE_UNCORRECTABLE);
        data->power_on_hours = get_count(data, ATTRIBUTE_POWER_ON_HOURS, HOURS_MAX);
        data->power_cycles = get_count(data, ATTRIBUTE_POWER_CYCLES, UINT64_MAX);
        if (!take_temperature(data, ATTRIBUTE_TEMPERATURE))
                take_temperature(data, ATTRIBUTE_AIRFLOW_TEMPERATURE);
}

static void take_self_test_progress(SmartSelfTests *tests, const uint8_t *bytes) {
        uint8_t status = bytes[SELF_TEST_STATUS_OFFSET];
        uint8_t capabilities = bytes[CAPABILITIES_OFFSET];
        uint64_t extended = bytes[EXTENDED_MINUTES_OFFSET];

        if (!(capabilities & CAPABLE_OF_SELF_TESTS))
                return;
        tests->is_running = (SmartTruth){ true, status >> 4 == SELF_TEST_RUNNING };
        if (tests->is_running.value && (status & 0x0F) <= 10)
                tests->remaining_percent = (SmartNumber){ true, (status & 0x0FU) * 10 };
        if (extended == MINUTES_ARE_LONG)
                extended = get_le16(bytes + LONG_MINUTES_OFFSET);
        tests->short_minutes = (SmartNumber){ true, bytes[SHORT_MINUTES_OFFSET] };
        tests->extended_minutes = (SmartNumber){ true, extended };
        if (capabilities & CAPABLE_OF_CONVEYANCE)
                tests->conveyance_minutes = (SmartNumber){ true, bytes[CONVEYANCE_MINUTES_OFFSET] };
}

static bool has_twins(const uint8_t *table) {
        bool is_there[UINT8_MAX + 1] = { false };

        for (size_t i = 0; i < SMART_ATTRIBUTES_MAX; i++) {
                uint8_t id = table[i * ENTRY_SIZE];

                if (id != 0 && is_there[id])
                        return true;
                is_there[id] = true;
        }
        return false;
}

static SmartAnswer decode_attributes(SmartData *data, const uint8_t *bytes, size_t size) {
        const uint8_t *table = bytes + TABLE_OFFSET;
        size_t n = 0;

        if (size < SMART_ATA_SECTOR_SIZE)
                return SMART_ANSWER_TRUNCATED;
        if (!smart_text_sums_to_zero(bytes, SMART_ATA_SECTOR_SIZE))
                return SMART_ANSWER_CHECKSUM;
        if (smart_text_is_filled(bytes, SMART_ATA_SECTOR_SIZE, bytes[0]) || has_twins(table))
                return SMART_ANSWER_ABSURD;

        for (size_t i = 0; i < SMART_ATTRIBUTES_MAX; i++) {
                const uint8_t *entry = table + i * ENTRY_SIZE;

                if (entry[0] != 0)
                        data->attributes[n++] = (SmartAttribute){
                                .id = entry[0],
                                .flags = get_le16(entry + 1),
                                .value = entry[3],
                                .worst = entry[4],
                                .raw = get_raw(entry + 5),
                        };
        }
        data->n_attributes = n;
        take_meanings(data);
        take_self_test_progress(&data->self_tests, bytes);
        return SMART_ANSWER_GOOD;
}

SmartAnswer smart_ata_decode_attributes(SmartData *data, const uint8_t *bytes, size_t size) {
        return smart_data_note(data, SMART_SECTION_ATTRIBUTES,
                               decode_attributes(data, bytes, size));
}

static SmartAttributeState judge(const SmartAttribute *attribute) {
        if (attribute->value > VALUE_MAX || attribute->threshold > VALUE_MAX)
                return SMART_ATTRIBUTE_STATE_UNKNOWN;
        if (attribute->threshold == 0)
                return SMART_ATTRIBUTE_STATE_GOOD;
        if (attribute->value <= attribute->threshold)
                return SMART_ATTRIBUTE_STATE_FAILING;
        return attribute->worst <= attribute->threshold ? SMART_ATTRIBUTE_STATE_FAILED_BEFORE
                                                        : SMART_ATTRIBUTE_STATE_GOOD;
}

/* Normally at the attribute's own place, but not with every drive. NULL: there is none. */
static const uint8_t *find_threshold(const uint8_t *table, uint8_t id) {
        for (size_t i = 0; i < SMART_ATTRIBUTES_MAX; i++)
                if (table[i * ENTRY_SIZE] == id)
                        return table + i * ENTRY_SIZE;
        return NULL;
}

static SmartAnswer decode_thresholds(SmartData *data, const uint8_t *bytes, size_t size) {
        const uint8_t *table = bytes + TABLE_OFFSET;
        size_t n_found = 0;

        if (size < SMART_ATA_SECTOR_SIZE)
                return SMART_ANSWER_TRUNCATED;
        if (!smart_text_sums_to_zero(bytes, SMART_ATA_SECTOR_SIZE))
                return SMART_ANSWER_CHECKSUM;
        if (has_twins(table))
                return SMART_ANSWER_ABSURD;

        for (size_t i = 0; i < data->n_attributes; i++) {
                SmartAttribute *attribute = &data->attributes[i];
                const uint8_t *entry = find_threshold(table, attribute->id);

                if (!entry)
                        continue;
                attribute->has_threshold = true;
                attribute->threshold = entry[1];
                attribute->state = judge(attribute);
                n_found++;
        }
        return n_found == 0 ? SMART_ANSWER_ABSURD : SMART_ANSWER_GOOD;
}

SmartAnswer smart_ata_decode_thresholds(SmartData *data, const uint8_t *bytes, size_t size) {
        return smart_data_note(data, SMART_SECTION_THRESHOLDS,
                               decode_thresholds(data, bytes, size));
}
