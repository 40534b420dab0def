/* The logs of errors and of self-tests (ATA8-ACS, A.6 to A.12): rings, whose newest entry an index
   from 1 on tells. */

#include "smart/smart_ata.h"

#include "base/bytes.h"
#include "base/macros.h"
#include "smart/smart_text.h"

#define ERROR_INDEX_OFFSET 1
#define ERROR_TABLE_OFFSET 2
#define ERROR_ENTRY_SIZE 90
#define ERROR_ENTRIES 5 /* in a sector */
#define ERROR_COUNT_OFFSET 452
#define ERROR_SECTORS_MAX 51

#define EXTENDED_INDEX_OFFSET 2
#define EXTENDED_TABLE_OFFSET 4
#define EXTENDED_ENTRY_SIZE 124
#define EXTENDED_ENTRIES 4
#define EXTENDED_COUNT_OFFSET 500

#define TEST_TABLE_OFFSET 2
#define TEST_ENTRY_SIZE 24
#define TEST_INDEX_OFFSET 508

typedef struct ErrorLayout {
        size_t table_offset;
        size_t entry_size;
        size_t n_entries; /* in a sector */
        SmartError (*decode)(const uint8_t *entry);
} ErrorLayout;

/* Five commands of 12 bytes, of which the last one failed, then its registers. */
static SmartError decode_error(const uint8_t *entry) {
        const uint8_t *registers = entry + 60;

        return (SmartError){
                .command = entry[48 + 7],
                .error = registers[1],
                .status = registers[7],
                .power_on_hours = { true, get_le16(entry + 88) },
                .lba = { true, (uint64_t) (registers[6] & 0x0FU) << 24 |
                                               (uint64_t) registers[5] << 16 |
                                               get_le16(registers + 3) },
        };
}

/* Five commands of 18 bytes. The LBA's bytes lie as they go through the registers: low and high half
   in turn. */
static SmartError decode_extended_error(const uint8_t *entry) {
        const uint8_t *registers = entry + 90;
        uint64_t lba = 0;

        for (size_t i = 0; i < 3; i++) {
                lba |= (uint64_t) registers[4 + 2 * i] << 8 * i;
                lba |= (uint64_t) registers[5 + 2 * i] << 8 * (i + 3);
        }
        return (SmartError){
                .command = entry[72 + 12],
                .error = registers[1],
                .status = registers[11],
                .power_on_hours = { true, get_le16(registers + 32) },
                .lba = { true, lba },
        };
}

static const ErrorLayout error_layout = {
        .table_offset = ERROR_TABLE_OFFSET,
        .entry_size = ERROR_ENTRY_SIZE,
        .n_entries = ERROR_ENTRIES,
        .decode = decode_error,
};

static const ErrorLayout extended_layout = {
        .table_offset = EXTENDED_TABLE_OFFSET,
        .entry_size = EXTENDED_ENTRY_SIZE,
        .n_entries = EXTENDED_ENTRIES,
        .decode = decode_extended_error,
};

/* Whole sectors, each with its checksum. Zeroes have a right one, but no version: no drive sent
   them. */
static SmartAnswer check_sectors(const uint8_t *bytes, size_t size) {
        if (size < SMART_ATA_SECTOR_SIZE || size % SMART_ATA_SECTOR_SIZE != 0)
                return SMART_ANSWER_TRUNCATED;
        if (smart_text_is_filled(bytes, size, bytes[0]))
                return SMART_ANSWER_ABSURD;
        for (size_t i = 0; i < size; i += SMART_ATA_SECTOR_SIZE)
                if (!smart_text_sums_to_zero(bytes + i, SMART_ATA_SECTOR_SIZE))
                        return SMART_ANSWER_CHECKSUM;
        return SMART_ANSWER_GOOD;
}

/* From the newest one back. A ring that is not here as a whole ends at its begin. */
static void take_errors(SmartData *data, const ErrorLayout *layout, const uint8_t *bytes,
                        size_t n_entries, size_t newest, bool is_whole) {
        size_t n_max = MIN(n_entries, (size_t) SMART_ERRORS_MAX);
        size_t index = newest;

        data->n_error_entries = 0;
        while (data->n_error_entries < n_max && data->n_error_entries < data->n_errors.value &&
               index > 0) {
                const uint8_t *entry = bytes +
                                       (index - 1) / layout->n_entries * SMART_ATA_SECTOR_SIZE +
                                       layout->table_offset +
                                       (index - 1) % layout->n_entries * layout->entry_size;
                SmartError *error = &data->errors[data->n_error_entries];

                if (smart_text_is_filled(entry, layout->entry_size, 0))
                        break;
                *error = layout->decode(entry);
                error->number = (SmartNumber){ true, data->n_errors.value - data->n_error_entries };
                data->n_error_entries++;
                index = index == 1 && is_whole ? n_entries : index - 1;
        }
}

static SmartAnswer decode_errors(SmartData *data, const uint8_t *bytes, size_t size) {
        SmartAnswer answer = check_sectors(bytes, size);
        size_t n_sectors = size / SMART_ATA_SECTOR_SIZE;
        size_t newest;

        if (answer != SMART_ANSWER_GOOD)
                return answer;
        newest = bytes[ERROR_INDEX_OFFSET];
        if (n_sectors > ERROR_SECTORS_MAX || newest > n_sectors * ERROR_ENTRIES)
                return SMART_ANSWER_ABSURD;

        data->n_errors = (SmartNumber){ true, get_le16(bytes + ERROR_COUNT_OFFSET) };
        take_errors(data, &error_layout, bytes, n_sectors * ERROR_ENTRIES, newest,
                    /* is_whole= */ true);
        return SMART_ANSWER_GOOD;
}

SmartAnswer smart_ata_decode_error_log(SmartData *data, const uint8_t *bytes, size_t size) {
        return smart_data_note(data, SMART_SECTION_ERROR_LOG, decode_errors(data, bytes, size));
}

static SmartAnswer decode_extended_errors(SmartData *data, const uint8_t *bytes, size_t size) {
        SmartAnswer answer = check_sectors(bytes, size);
        size_t n_entries = size / SMART_ATA_SECTOR_SIZE * EXTENDED_ENTRIES;
        size_t newest;

        if (answer != SMART_ANSWER_GOOD)
                return answer;
        newest = get_le16(bytes + EXTENDED_INDEX_OFFSET);

        data->n_errors = (SmartNumber){ true, get_le16(bytes + EXTENDED_COUNT_OFFSET) };
        data->n_error_entries = 0;
        /* An index further on is that of a sector which was not read. */
        if (newest <= n_entries)
                take_errors(data, &extended_layout, bytes, n_entries, newest,
                            /* is_whole= */ false);
        return SMART_ANSWER_GOOD;
}

SmartAnswer smart_ata_decode_extended_error_log(SmartData *data, const uint8_t *bytes,
                                                size_t size) {
        return smart_data_note(data, SMART_SECTION_ERROR_LOG,
                               decode_extended_errors(data, bytes, size));
}

static SmartSelfTestKind decode_test_kind(uint8_t code) {
        switch (code & 0x7F) { /* bit 7: in captive mode */
        case 0:
                return SMART_SELF_TEST_KIND_OFFLINE;
        case 1:
                return SMART_SELF_TEST_KIND_SHORT;
        case 2:
                return SMART_SELF_TEST_KIND_EXTENDED;
        case 3:
                return SMART_SELF_TEST_KIND_CONVEYANCE;
        case 4:
                return SMART_SELF_TEST_KIND_SELECTIVE;
        default:
                return SMART_SELF_TEST_KIND_OTHER;
        }
}

static SmartSelfTestResult decode_test_result(uint8_t code) {
        switch (code) {
        case 0x0:
                return SMART_SELF_TEST_RESULT_PASSED;
        case 0x1:
                return SMART_SELF_TEST_RESULT_ABORTED;
        case 0x2:
                return SMART_SELF_TEST_RESULT_INTERRUPTED;
        case 0x3: /* a fatal error, */
        case 0x4: /* an unknown part, */
        case 0x5: /* electrical, */
        case 0x6: /* servo, */
        case 0x7: /* read failure, */
        case 0x8: /* damage by handling */
                return SMART_SELF_TEST_RESULT_FAILED;
        case 0xF:
                return SMART_SELF_TEST_RESULT_RUNNING;
        default:
                return SMART_SELF_TEST_RESULT_UNKNOWN;
        }
}

static SmartSelfTest decode_test(const uint8_t *entry) {
        uint32_t lba = get_le32(entry + 5);
        SmartSelfTest test = {
                .kind = decode_test_kind(entry[0]),
                .result = decode_test_result(entry[1] >> 4),
                .code = entry[1] >> 4,
                .power_on_hours = { true, get_le16(entry + 2) },
        };

        if ((entry[1] & 0x0F) <= 10)
                test.remaining_percent = (SmartNumber){ true, (entry[1] & 0x0FU) * 10 };
        if (test.result == SMART_SELF_TEST_RESULT_FAILED && lba != 0 && lba != UINT32_MAX)
                test.lba = (SmartNumber){ true, lba };
        return test;
}

static SmartAnswer decode_self_tests(SmartData *data, const uint8_t *bytes, size_t size) {
        SmartSelfTests *tests = &data->self_tests;
        SmartAnswer answer = check_sectors(bytes, MIN(size, (size_t) SMART_ATA_SECTOR_SIZE));
        size_t index;

        if (answer != SMART_ANSWER_GOOD)
                return answer;
        index = bytes[TEST_INDEX_OFFSET];
        if (index > SMART_SELF_TESTS_MAX)
                return SMART_ANSWER_ABSURD;

        tests->n_entries = 0;
        while (index > 0 && tests->n_entries < SMART_SELF_TESTS_MAX) {
                const uint8_t *entry = bytes + TEST_TABLE_OFFSET + (index - 1) * TEST_ENTRY_SIZE;

                if (smart_text_is_filled(entry, TEST_ENTRY_SIZE, 0))
                        break;
                tests->entries[tests->n_entries++] = decode_test(entry);
                index = index == 1 ? SMART_SELF_TESTS_MAX : index - 1;
        }
        return SMART_ANSWER_GOOD;
}

SmartAnswer smart_ata_decode_self_tests(SmartData *data, const uint8_t *bytes, size_t size) {
        return smart_data_note(data, SMART_SECTION_SELF_TESTS,
                               decode_self_tests(data, bytes, size));
}
