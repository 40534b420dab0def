/* Log pages: a header, then parameters, each with a code, a control byte and a length of its own. */

#include "smart/smart_scsi.h"

#include <string.h>

#include "base/bytes.h"
#include "base/macros.h"

#define HEADER_SIZE 4
#define PARAMETER_HEADER_SIZE 4
#define PARAMETERS_MAX 4096 /* in a page */
#define NUMBER_SIZE_MAX 8

#define CELSIUS_UNKNOWN 0xFF
#define ASC_WARNING 0x0B
#define ASC_FAILURE 0x5D

#define SELF_TESTS_N 20
#define SELF_TEST_SIZE 16

#define DEFECTS_ARE_GROWN 0x08
#define DEFECTS_FORMAT 0x07

typedef struct Parameter {
        uint16_t code;
        const uint8_t *bytes;
        size_t size;
} Parameter;

/* Each parameter in turn. False: it makes no sense. */
typedef bool (*Take)(SmartData *data, const Parameter *parameter);

typedef struct PageInfo {
        SmartScsiPage page;
        SmartSection section;
        Take take;
} PageInfo;

/* A number of any size. */
static SmartNumber get_number(const uint8_t *bytes, size_t size) {
        uint64_t value = 0;

        if (size == 0)
                return (SmartNumber){ 0 };
        for (size_t i = 0; i < size; i++) {
                if (i + NUMBER_SIZE_MAX < size && bytes[i] != 0)
                        return (SmartNumber){ true, UINT64_MAX };
                value = value << 8 | bytes[i];
        }
        return (SmartNumber){ true, value };
}

static SmartCelsius get_celsius(uint8_t byte) {
        if (byte == CELSIUS_UNKNOWN)
                return (SmartCelsius){ 0 };
        return (SmartCelsius){ true, byte };
}

/* SPC-4, table "Parameter codes for error counter log pages". */
static bool take_counter(SmartErrorCounters *counters, const Parameter *parameter) {
        SmartNumber *const numbers[] = {
                &counters->corrected_fast, &counters->corrected_delayed, &counters->repeated,
                &counters->corrected,      &counters->corrections,       &counters->bytes,
                &counters->uncorrected,
        };

        if (parameter->code < N_ELEMENTS(numbers))
                *numbers[parameter->code] = get_number(parameter->bytes, parameter->size);
        return true;
}

static bool take_write_counter(SmartData *data, const Parameter *parameter) {
        return take_counter(&data->scsi.write, parameter);
}

static bool take_read_counter(SmartData *data, const Parameter *parameter) {
        return take_counter(&data->scsi.read, parameter);
}

static bool take_verify_counter(SmartData *data, const Parameter *parameter) {
        return take_counter(&data->scsi.verify, parameter);
}

static bool take_non_medium(SmartData *data, const Parameter *parameter) {
        if (parameter->code == 0)
                data->scsi.non_medium_errors = get_number(parameter->bytes, parameter->size);
        return true;
}

static bool take_temperature(SmartData *data, const Parameter *parameter) {
        if (parameter->size < 2)
                return parameter->code > 1;
        if (parameter->code == 0)
                data->temperature = get_celsius(parameter->bytes[1]);
        if (parameter->code == 1) /* "reference temperature": the highest that is allowed */
                data->temperature_warning = parameter->bytes[1] != 0
                                                            ? get_celsius(parameter->bytes[1])
                                                            : (SmartCelsius){ 0 };
        return true;
}

static SmartNumber get_decimal(const uint8_t *digits, size_t size) {
        uint64_t value = 0;

        for (size_t i = 0; i < size; i++) {
                if (digits[i] < '0' || digits[i] > '9')
                        return (SmartNumber){ 0 };
                value = value * 10 + (digits[i] - '0');
        }
        return (SmartNumber){ true, value };
}

static bool take_start_stop(SmartData *data, const Parameter *parameter) {
        SmartScsi *scsi = &data->scsi;
        SmartNumber number = get_number(parameter->bytes, parameter->size);

        switch (parameter->code) {
        case 1:
                if (parameter->size < 6)
                        return false;
                scsi->made_year = get_decimal(parameter->bytes, 4);
                scsi->made_week = get_decimal(parameter->bytes + 4, 2);
                break;
        case 3:
                scsi->start_stops_specified = number;
                break;
        case 4:
                scsi->start_stops = number;
                break;
        case 5:
                scsi->load_unloads_specified = number;
                break;
        case 6:
                scsi->load_unloads = number;
                break;
        default:
                break;
        }
        return true;
}

/* SPC-4, "SELF-TEST CODE field" and, in the background or not, the same test. */
static SmartSelfTestKind decode_test_kind(uint8_t code) {
        switch (code) {
        case 1:
        case 5:
                return SMART_SELF_TEST_KIND_SHORT;
        case 2:
        case 6:
                return SMART_SELF_TEST_KIND_EXTENDED;
        default:
                return SMART_SELF_TEST_KIND_OTHER;
        }
}

static SmartSelfTestResult decode_test_result(uint8_t code) {
        switch (code) {
        case 0x0:
                return SMART_SELF_TEST_RESULT_PASSED;
        case 0x1: /* by SEND DIAGNOSTIC, */
        case 0x2: /* in another way */
                return SMART_SELF_TEST_RESULT_ABORTED;
        case 0x3: /* an unknown error ended it, */
        case 0x4: /* an unknown segment, */
        case 0x5: /* the first one, */
        case 0x6: /* the second one, */
        case 0x7: /* another one */
                return SMART_SELF_TEST_RESULT_FAILED;
        case 0xF:
                return SMART_SELF_TEST_RESULT_RUNNING;
        default:
                return SMART_SELF_TEST_RESULT_UNKNOWN;
        }
}

/* SPC-4, "Self-Test Results log page": 20 parameters, the newest one first; those without a time
   and a code are not used. */
static bool take_self_test(SmartData *data, const Parameter *parameter) {
        SmartSelfTests *tests = &data->self_tests;
        const uint8_t *bytes = parameter->bytes;
        SmartSelfTest test;
        uint64_t lba;

        if (parameter->code == 0 || parameter->code > SELF_TESTS_N ||
            parameter->size < SELF_TEST_SIZE)
                return false;
        if (bytes[0] == 0 && get_be16(bytes + 2) == 0)
                return true;
        test = (SmartSelfTest){
                .kind = decode_test_kind(bytes[0] >> 5),
                .result = decode_test_result(bytes[0] & 0x0F),
                .code = bytes[0] & 0x0F,
                .power_on_hours = { true, get_be16(bytes + 2) },
        };
        lba = get_be64(bytes + 4);
        if (test.result == SMART_SELF_TEST_RESULT_FAILED && lba != UINT64_MAX)
                test.lba = (SmartNumber){ true, lba };
        if (parameter->code == 1)
                tests->is_running =
                                (SmartTruth){ true, test.result == SMART_SELF_TEST_RESULT_RUNNING };
        if (tests->n_entries < SMART_SELF_TESTS_MAX)
                tests->entries[tests->n_entries++] = test;
        return true;
}

static bool take_endurance(SmartData *data, const Parameter *parameter) {
        if (parameter->code != 1)
                return true;
        if (parameter->size < 4)
                return false;
        data->used_percent = (SmartNumber){ true, parameter->bytes[3] };
        return true;
}

/* SBC-3, "Background Scan log page": the status; the other parameters are places. */
static bool take_background_scan(SmartData *data, const Parameter *parameter) {
        SmartScsi *scsi = &data->scsi;
        const uint8_t *bytes = parameter->bytes;

        if (parameter->code != 0)
                return true;
        if (parameter->size < 12)
                return false;
        data->power_on_hours = (SmartNumber){ true, get_be32(bytes) / 60 };
        scsi->scan_status = bytes[5];
        scsi->scan_is_running = (SmartTruth){ true, bytes[5] == 1 || bytes[5] == 2 };
        scsi->scans = (SmartNumber){ true, get_be16(bytes + 6) };
        scsi->scan_progress_percent = (SmartNumber){ true, get_be16(bytes + 8) * 100U / 65536 };
        return true;
}

static SmartAnswer decode_exception(SmartData *data, uint8_t asc, uint8_t ascq) {
        if (asc != 0 && asc != ASC_WARNING && asc != ASC_FAILURE)
                return SMART_ANSWER_ABSURD;
        data->scsi.asc = asc;
        data->scsi.ascq = ascq;
        data->status = asc == ASC_FAILURE ? SMART_STATUS_FAILING : SMART_STATUS_PASSED;
        return SMART_ANSWER_GOOD;
}

static bool take_exception(SmartData *data, const Parameter *parameter) {
        SmartCelsius celsius;

        if (parameter->code != 0)
                return true;
        if (parameter->size < 2)
                return false;
        if (decode_exception(data, parameter->bytes[0], parameter->bytes[1]) != SMART_ANSWER_GOOD)
                return false;
        if (parameter->size < 3)
                return true;
        celsius = get_celsius(parameter->bytes[2]);
        if (celsius.is_known && celsius.value > 0 && !data->temperature.is_known)
                data->temperature = celsius;
        return true;
}

static const PageInfo pages[] = {
        { SMART_SCSI_PAGE_LIST, SMART_SECTION_PAGES, NULL },
        { SMART_SCSI_PAGE_WRITE_COUNTERS, SMART_SECTION_WRITE_COUNTERS, take_write_counter },
        { SMART_SCSI_PAGE_READ_COUNTERS, SMART_SECTION_READ_COUNTERS, take_read_counter },
        { SMART_SCSI_PAGE_VERIFY_COUNTERS, SMART_SECTION_VERIFY_COUNTERS, take_verify_counter },
        { SMART_SCSI_PAGE_NON_MEDIUM, SMART_SECTION_NON_MEDIUM, take_non_medium },
        { SMART_SCSI_PAGE_TEMPERATURE, SMART_SECTION_TEMPERATURE, take_temperature },
        { SMART_SCSI_PAGE_START_STOP, SMART_SECTION_START_STOP, take_start_stop },
        { SMART_SCSI_PAGE_SELF_TESTS, SMART_SECTION_SELF_TESTS, take_self_test },
        { SMART_SCSI_PAGE_ENDURANCE, SMART_SECTION_ENDURANCE, take_endurance },
        { SMART_SCSI_PAGE_BACKGROUND_SCAN, SMART_SECTION_BACKGROUND_SCAN, take_background_scan },
        { SMART_SCSI_PAGE_EXCEPTIONS, SMART_SECTION_STATUS, take_exception },
};

static const PageInfo *find_page(SmartScsiPage page) {
        for (size_t i = 0; i < N_ELEMENTS(pages); i++)
                if (pages[i].page == page)
                        return &pages[i];
        assert_not_reached();
}

SmartSection smart_scsi_page_get_section(SmartScsiPage page) { return find_page(page)->section; }

static SmartAnswer take_list(SmartData *data, const uint8_t *bytes, size_t size) {
        /* The list names itself. */
        if (size == 0 || bytes[0] != SMART_SCSI_PAGE_LIST)
                return SMART_ANSWER_ABSURD;
        data->scsi.n_pages = MIN(size, (size_t) SMART_PAGES_MAX);
        for (size_t i = 0; i < data->scsi.n_pages; i++)
                data->scsi.pages[i] = bytes[i] & 0x3F;
        return SMART_ANSWER_GOOD;
}

static SmartAnswer take_parameters(SmartData *data, Take take, const uint8_t *bytes, size_t size) {
        size_t offset = 0;

        for (size_t n = 0; offset < size; n++) {
                Parameter parameter;

                if (offset + PARAMETER_HEADER_SIZE > size)
                        return SMART_ANSWER_TRUNCATED;
                parameter = (Parameter){
                        .code = get_be16(bytes + offset),
                        .bytes = bytes + offset + PARAMETER_HEADER_SIZE,
                        .size = bytes[offset + 3],
                };
                offset += PARAMETER_HEADER_SIZE + parameter.size;
                if (offset > size)
                        return SMART_ANSWER_TRUNCATED;
                if (n == PARAMETERS_MAX || !take(data, &parameter))
                        return SMART_ANSWER_ABSURD;
        }
        return size == 0 ? SMART_ANSWER_ABSURD : SMART_ANSWER_GOOD;
}

/* Into a copy, so that half an answer leaves no trace. */
static SmartAnswer decode_page(SmartData *data, const PageInfo *info, const uint8_t *bytes,
                               size_t size) {
        SmartData copy = *data;
        SmartAnswer answer;
        size_t length;

        if (size < HEADER_SIZE)
                return SMART_ANSWER_TRUNCATED;
        length = get_be16(bytes + 2);
        if ((bytes[0] & 0x7F) != info->page) /* bit 6: a subpage */
                return SMART_ANSWER_ABSURD;
        if (length > size - HEADER_SIZE)
                return SMART_ANSWER_TRUNCATED;
        bytes += HEADER_SIZE;
        if (info->section == SMART_SECTION_SELF_TESTS)
                copy.self_tests.n_entries = 0;
        answer = info->take ? take_parameters(&copy, info->take, bytes, length)
                            : take_list(&copy, bytes, length);
        if (answer == SMART_ANSWER_GOOD)
                *data = copy;
        return answer;
}

SmartAnswer smart_scsi_decode_page(SmartData *data, SmartScsiPage page, const uint8_t *bytes,
                                   size_t size) {
        const PageInfo *info = find_page(page);

        return smart_data_note(data, info->section, decode_page(data, info, bytes, size));
}

bool smart_scsi_has_page(const SmartData *data, SmartScsiPage page) {
        return memchr(data->scsi.pages, page, data->scsi.n_pages) != NULL;
}

SmartAnswer smart_scsi_decode_sense(SmartData *data, uint8_t asc, uint8_t ascq) {
        return smart_data_note(data, SMART_SECTION_STATUS,
                               asc == 0 ? SMART_ANSWER_REFUSED : decode_exception(data, asc, ascq));
}

/* SBC-3, "Address descriptor formats"; 0: the format is unknown. */
static size_t get_descriptor_size(uint8_t format) {
        switch (format) {
        case 0: /* short blocks */
                return 4;
        case 1: /* extended bytes from the index, */
        case 2: /* extended sectors, */
        case 3: /* long blocks, */
        case 4: /* bytes from the index, */
        case 5: /* sectors */
                return 8;
        default:
                return 0;
        }
}

static SmartAnswer decode_defects(SmartData *data, const uint8_t *bytes, size_t size, bool is_12) {
        size_t descriptor_size;
        uint64_t length;

        if (size < (is_12 ? 8U : 4U))
                return SMART_ANSWER_TRUNCATED;
        length = is_12 ? get_be32(bytes + 4) : get_be16(bytes + 2);
        descriptor_size = get_descriptor_size(bytes[1] & DEFECTS_FORMAT);
        if (!(bytes[1] & DEFECTS_ARE_GROWN) || descriptor_size == 0 ||
            length % descriptor_size != 0)
                return SMART_ANSWER_ABSURD;

        data->scsi.grown_defects = (SmartNumber){ true, length / descriptor_size };
        return SMART_ANSWER_GOOD;
}

SmartAnswer smart_scsi_decode_defects(SmartData *data, const uint8_t *bytes, size_t size,
                                      bool is_12) {
        return smart_data_note(data, SMART_SECTION_DEFECTS,
                               decode_defects(data, bytes, size, is_12));
}
