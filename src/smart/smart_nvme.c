/* NVM Express 1.4, 5.14.1 (log pages) and 5.15.2 (Identify Controller). These have no checksums: what
   no drive can mean is all that gives a bad answer away. */

#include "smart/smart_nvme.h"

#include "base/bytes.h"
#include "base/macros.h"
#include "smart/smart_text.h"

#define SERIAL_OFFSET 4
#define SERIAL_SIZE 20
#define MODEL_OFFSET 24
#define MODEL_SIZE 40
#define FIRMWARE_OFFSET 64
#define FIRMWARE_SIZE 8
#define WARNING_OFFSET 266
#define CRITICAL_OFFSET 268
#define CAPACITY_OFFSET 280
#define EXTENDED_MINUTES_OFFSET 316

#define COUNTER_SIZE 16
#define SENSORS_OFFSET 200

#define KELVIN 273
#define KELVIN_MIN 200
#define KELVIN_MAX 500

#define TESTS_HEADER_SIZE 4
#define TEST_POWER_ON_HOURS_OFFSET 4
#define TEST_LBA_OFFSET 16
#define TEST_LBA_IS_VALID 0x02
#define TEST_UNUSED 0xF

/* 128 bits, of which more than 64 are never used. */
static uint64_t get_counter(const uint8_t *bytes) {
        return get_le64(bytes + 8) != 0 ? UINT64_MAX : get_le64(bytes);
}

static SmartCelsius get_celsius(const uint8_t *bytes) {
        uint16_t kelvin = get_le16(bytes);

        if (kelvin < KELVIN_MIN || kelvin > KELVIN_MAX)
                return (SmartCelsius){ 0 };
        return (SmartCelsius){ true, (int16_t) (kelvin - KELVIN) };
}

static SmartAnswer decode_identity(SmartData *data, const uint8_t *bytes, size_t size) {
        SmartIdentity identity = { 0 };
        uint64_t capacity;

        if (size < SMART_NVME_IDENTITY_SIZE)
                return SMART_ANSWER_TRUNCATED;
        smart_text_copy(identity.model, bytes + MODEL_OFFSET, MODEL_SIZE);
        if (identity.model[0] == '\0' ||
            smart_text_is_filled(bytes, SMART_NVME_IDENTITY_SIZE, bytes[0]))
                return SMART_ANSWER_ABSURD;

        smart_text_copy(identity.serial, bytes + SERIAL_OFFSET, SERIAL_SIZE);
        smart_text_copy(identity.firmware, bytes + FIRMWARE_OFFSET, FIRMWARE_SIZE);
        capacity = get_counter(bytes + CAPACITY_OFFSET);
        identity.capacity_bytes = (SmartNumber){ capacity != 0, capacity };
        identity.rotation_rpm = (SmartNumber){ true, 0 };
        data->identity = identity;
        data->temperature_warning = get_celsius(bytes + WARNING_OFFSET);
        data->temperature_critical = get_celsius(bytes + CRITICAL_OFFSET);
        data->self_tests.extended_minutes = (SmartNumber){
                get_le16(bytes + EXTENDED_MINUTES_OFFSET) != 0,
                get_le16(bytes + EXTENDED_MINUTES_OFFSET),
        };
        return SMART_ANSWER_GOOD;
}

SmartAnswer smart_nvme_decode_identity(SmartData *data, const uint8_t *bytes, size_t size) {
        return smart_data_note(data, SMART_SECTION_IDENTITY, decode_identity(data, bytes, size));
}

/* Percentages beyond 100, and counters of which not even the specification's units are reached. */
static bool is_absurd_health(const uint8_t *bytes) {
        return bytes[3] > 100 || bytes[4] > 100 || (bytes[3] == 0 && get_le16(bytes + 1) == 0) ||
               smart_text_is_filled(bytes, SMART_NVME_HEALTH_SIZE, bytes[0]);
}

static SmartAnswer decode_health(SmartData *data, const uint8_t *bytes, size_t size) {
        const uint8_t *counters = bytes + 32;
        SmartHealth *health = &data->health;

        if (size < SMART_NVME_HEALTH_SIZE)
                return SMART_ANSWER_TRUNCATED;
        if (is_absurd_health(bytes))
                return SMART_ANSWER_ABSURD;

        *health = (SmartHealth){
                .critical_warning = bytes[0],
                .spare_percent = bytes[3],
                .spare_threshold_percent = bytes[4],
                .used_percent = bytes[5],
                .data_units_read = get_counter(counters),
                .data_units_written = get_counter(counters + 1 * COUNTER_SIZE),
                .read_commands = get_counter(counters + 2 * COUNTER_SIZE),
                .write_commands = get_counter(counters + 3 * COUNTER_SIZE),
                .busy_minutes = get_counter(counters + 4 * COUNTER_SIZE),
                .unsafe_shutdowns = get_counter(counters + 7 * COUNTER_SIZE),
                .media_errors = get_counter(counters + 8 * COUNTER_SIZE),
                .error_log_entries = get_counter(counters + 9 * COUNTER_SIZE),
                .warm_minutes = get_le32(bytes + 192),
                .hot_minutes = get_le32(bytes + 196),
        };
        for (size_t i = 0; i < SMART_SENSORS_MAX; i++)
                health->sensors[i] = get_celsius(bytes + SENSORS_OFFSET + 2 * i);
        data->status = health->critical_warning ? SMART_STATUS_FAILING : SMART_STATUS_PASSED;
        data->temperature = get_celsius(bytes + 1);
        data->power_cycles = (SmartNumber){ true, get_counter(counters + 5 * COUNTER_SIZE) };
        data->power_on_hours = (SmartNumber){ true, get_counter(counters + 6 * COUNTER_SIZE) };
        data->used_percent = (SmartNumber){ true, health->used_percent };
        data->n_errors = (SmartNumber){ true, health->error_log_entries };
        return SMART_ANSWER_GOOD;
}

SmartAnswer smart_nvme_decode_health(SmartData *data, const uint8_t *bytes, size_t size) {
        return smart_data_note(data, SMART_SECTION_HEALTH, decode_health(data, bytes, size));
}

static SmartSelfTestKind decode_test_kind(uint8_t code) {
        switch (code) {
        case 0x1:
                return SMART_SELF_TEST_KIND_SHORT;
        case 0x2:
                return SMART_SELF_TEST_KIND_EXTENDED;
        default:
                return SMART_SELF_TEST_KIND_OTHER;
        }
}

/* Figure 203. */
static SmartSelfTestResult decode_test_result(uint8_t code) {
        switch (code) {
        case 0x0:
                return SMART_SELF_TEST_RESULT_PASSED;
        case 0x1: /* by a command, */
        case 0x4: /* by a format, */
        case 0x8: /* for an unknown reason, */
        case 0x9: /* by a sanitize */
                return SMART_SELF_TEST_RESULT_ABORTED;
        case 0x2: /* by a reset, */
        case 0x3: /* as the namespace went */
                return SMART_SELF_TEST_RESULT_INTERRUPTED;
        case 0x5: /* a fatal error, */
        case 0x6: /* an unknown segment, */
        case 0x7: /* known ones */
                return SMART_SELF_TEST_RESULT_FAILED;
        default:
                return SMART_SELF_TEST_RESULT_UNKNOWN;
        }
}

static SmartSelfTest decode_test(const uint8_t *entry) {
        SmartSelfTest test = {
                .kind = decode_test_kind(entry[0] >> 4),
                .result = decode_test_result(entry[0] & 0x0F),
                .code = entry[0] & 0x0F,
                .power_on_hours = { true, get_le64(entry + TEST_POWER_ON_HOURS_OFFSET) },
        };

        if (entry[2] & TEST_LBA_IS_VALID)
                test.lba = (SmartNumber){ true, get_le64(entry + TEST_LBA_OFFSET) };
        return test;
}

static SmartAnswer decode_self_tests(SmartData *data, const uint8_t *bytes, size_t size) {
        SmartSelfTests *tests = &data->self_tests;

        if (size < TESTS_HEADER_SIZE)
                return SMART_ANSWER_TRUNCATED;
        if ((bytes[1] & 0x7F) > 100)
                return SMART_ANSWER_ABSURD;

        tests->is_running = (SmartTruth){ true, (bytes[0] & 0x0F) != 0 };
        if (tests->is_running.value)
                tests->remaining_percent = (SmartNumber){ true, 100U - (bytes[1] & 0x7F) };
        tests->n_entries = 0;
        size = MIN(size, (size_t) SMART_NVME_SELF_TESTS_SIZE);
        for (size_t i = TESTS_HEADER_SIZE; i + SMART_NVME_SELF_TEST_SIZE <= size;
             i += SMART_NVME_SELF_TEST_SIZE) {
                /* No code at all is what bridges fill up with. */
                if ((bytes[i] & 0x0F) == TEST_UNUSED || bytes[i] >> 4 == 0)
                        break;
                tests->entries[tests->n_entries++] = decode_test(bytes + i);
        }
        return SMART_ANSWER_GOOD;
}

SmartAnswer smart_nvme_decode_self_tests(SmartData *data, const uint8_t *bytes, size_t size) {
        return smart_data_note(data, SMART_SECTION_SELF_TESTS,
                               decode_self_tests(data, bytes, size));
}

/* Figure 195. */
static SmartError decode_error(const uint8_t *entry) {
        uint64_t lba = get_le64(entry + 16);

        return (SmartError){
                .status = get_le16(entry + 12) >> 1,
                .number = { true, get_le64(entry) },
                .lba = { lba != UINT64_MAX, lba != UINT64_MAX ? lba : 0 },
        };
}

static SmartAnswer decode_errors(SmartData *data, const uint8_t *bytes, size_t size) {
        if (size < SMART_NVME_ERROR_SIZE)
                return SMART_ANSWER_TRUNCATED;
        if (smart_text_is_filled(bytes, SMART_NVME_ERROR_SIZE, 0xFF))
                return SMART_ANSWER_ABSURD;

        data->n_error_entries = 0;
        for (size_t i = 0;
             i + SMART_NVME_ERROR_SIZE <= size && data->n_error_entries < SMART_ERRORS_MAX;
             i += SMART_NVME_ERROR_SIZE) {
                if (get_le64(bytes + i) == 0)
                        break;
                data->errors[data->n_error_entries++] = decode_error(bytes + i);
        }
        return SMART_ANSWER_GOOD;
}

SmartAnswer smart_nvme_decode_error_log(SmartData *data, const uint8_t *bytes, size_t size) {
        return smart_data_note(data, SMART_SECTION_ERROR_LOG, decode_errors(data, bytes, size));
}
