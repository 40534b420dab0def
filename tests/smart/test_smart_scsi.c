/* Log pages and defect lists of SCSI drives. */

#include <string.h>

#include "base/bytes.h"
#include "base/macros.h"
#include "smart/smart_scsi.h"
#include "smart/smart_verdict.h"
#include "unit_test.h"

#define PAGE(name) SMART_SCSI_PAGE_##name

static SmartData data;
static uint8_t page[1024];
static size_t page_size;

static void set_up(void) { smart_data_init(&data, SMART_KIND_SCSI); }
static void tear_down(void) {}

static void begin(SmartScsiPage code) {
        memset(page, 0, sizeof(page));
        page[0] = (uint8_t) code;
        page_size = 4;
}

static void add(uint16_t code, const void *bytes, size_t size) {
        put_be16(page + page_size, code);
        page[page_size + 3] = (uint8_t) size;
        memcpy(page + page_size + 4, bytes, size);
        page_size += 4 + size;
        put_be16(page + 2, (uint16_t) (page_size - 4));
}

static SmartAnswer decode(void) {
        return smart_scsi_decode_page(&data, (SmartScsiPage) page[0], page, page_size);
}

START_TEST(only_listed_pages_are_there) {
        const uint8_t list[] = { 0, 0, 0, 4, 0x00, 0x02, 0x0D, 0x2F };

        ck_assert(!smart_scsi_has_page(&data, PAGE(TEMPERATURE)));
        ck_assert_int_eq(smart_scsi_decode_page(&data, PAGE(LIST), list, sizeof(list)),
                         SMART_ANSWER_GOOD);
        ck_assert(smart_scsi_has_page(&data, PAGE(TEMPERATURE)));
        ck_assert(smart_scsi_has_page(&data, PAGE(EXCEPTIONS)));
        ck_assert(!smart_scsi_has_page(&data, PAGE(READ_COUNTERS)));
}
END_TEST

START_TEST(counters_are_read_in_any_size) {
        begin(PAGE(READ_COUNTERS));
        add(0, "\x00\x00\x00\x05", 4);
        add(3, "\x01\x00", 2);
        add(5, "\x00\x00\x00\x00\x00\x00\x12\x34", 8);
        add(6, "\x00", 1);
        add(0x8000, "vendor", 6);
        ck_assert_int_eq(decode(), SMART_ANSWER_GOOD);
        ck_assert_uint_eq(data.scsi.read.corrected_fast.value, 5);
        ck_assert(!data.scsi.read.corrected_delayed.is_known);
        ck_assert_uint_eq(data.scsi.read.corrected.value, 256);
        ck_assert_uint_eq(data.scsi.read.bytes.value, 0x1234);
        ck_assert(data.scsi.read.uncorrected.is_known);
        ck_assert(!data.scsi.write.corrected.is_known);
        ck_assert_int_eq(data.answers[SMART_SECTION_READ_COUNTERS], SMART_ANSWER_GOOD);
}
END_TEST

START_TEST(a_counter_of_more_than_64_bits_is_the_largest) {
        begin(PAGE(WRITE_COUNTERS));
        add(6, "\x01\x00\x00\x00\x00\x00\x00\x00\x00", 9);
        add(5, "\x00\x00\x00\x00\x00\x00\x00\x00\x09", 9);
        ck_assert_int_eq(decode(), SMART_ANSWER_GOOD);
        ck_assert(data.scsi.write.uncorrected.value == UINT64_MAX);
        ck_assert_uint_eq(data.scsi.write.bytes.value, 9);
}
END_TEST

START_TEST(an_empty_counter_is_not_known) {
        begin(PAGE(VERIFY_COUNTERS));
        add(6, "", 0);
        ck_assert_int_eq(decode(), SMART_ANSWER_GOOD);
        ck_assert(!data.scsi.verify.uncorrected.is_known);
}
END_TEST

START_TEST(temperatures_are_read) {
        begin(PAGE(TEMPERATURE));
        add(0, "\x00\x29", 2);
        add(1, "\x00\x41", 2);
        ck_assert_int_eq(decode(), SMART_ANSWER_GOOD);
        ck_assert_int_eq(data.temperature.value, 41);
        ck_assert_int_eq(data.temperature_warning.value, 65);
}
END_TEST

START_TEST(a_temperature_of_ff_is_not_known) {
        begin(PAGE(TEMPERATURE));
        add(0, "\x00\xFF", 2);
        add(1, "\x00\x00", 2);
        ck_assert_int_eq(decode(), SMART_ANSWER_GOOD);
        ck_assert(!data.temperature.is_known && !data.temperature_warning.is_known);
}
END_TEST

START_TEST(starts_and_loads_are_counted) {
        begin(PAGE(START_STOP));
        add(1, "201342", 6);
        add(2, "      ", 6);
        add(3, "\x00\x00\xC3\x50", 4);
        add(4, "\x00\x00\x00\x11", 4);
        add(6, "\x00\x00\x02\x00", 4);
        ck_assert_int_eq(decode(), SMART_ANSWER_GOOD);
        ck_assert_uint_eq(data.scsi.made_year.value, 2013);
        ck_assert_uint_eq(data.scsi.made_week.value, 42);
        ck_assert_uint_eq(data.scsi.start_stops_specified.value, 50000);
        ck_assert_uint_eq(data.scsi.start_stops.value, 17);
        ck_assert_uint_eq(data.scsi.load_unloads.value, 512);
        ck_assert(!data.scsi.load_unloads_specified.is_known);
}
END_TEST

START_TEST(other_errors_wear_and_scans_are_read) {
        begin(PAGE(NON_MEDIUM));
        add(0, "\x00\x07", 2);
        ck_assert_int_eq(decode(), SMART_ANSWER_GOOD);
        begin(PAGE(ENDURANCE));
        add(1, "\x00\x00\x00\x0C", 4);
        ck_assert_int_eq(decode(), SMART_ANSWER_GOOD);
        begin(PAGE(BACKGROUND_SCAN));
        add(0, "\x00\x00\x17\x70\x00\x01\x00\x03\x80\x00\x00\x00", 12);
        add(1, "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00", 12);
        ck_assert_int_eq(decode(), SMART_ANSWER_GOOD);
        ck_assert_uint_eq(data.scsi.non_medium_errors.value, 7);
        ck_assert_uint_eq(data.used_percent.value, 12);
        ck_assert_uint_eq(data.power_on_hours.value, 100);
        ck_assert(data.scsi.scan_is_running.value);
        ck_assert_uint_eq(data.scsi.scans.value, 3);
        ck_assert_uint_eq(data.scsi.scan_progress_percent.value, 50);
}
END_TEST

static void add_self_test(uint16_t code, uint8_t first, uint16_t hours) {
        uint8_t test[16] = { first };

        put_be16(test + 2, hours);
        memset(test + 4, 0xFF, 8);
        if ((first & 0x0F) == 7)
                put_be64(test + 4, 4711);
        add(code, test, sizeof(test));
}

START_TEST(self_tests_are_read) {
        begin(PAGE(SELF_TESTS));
        add_self_test(1, 0x2F, 120);
        add_self_test(2, 0x47, 110);
        add_self_test(3, 0x20, 100);
        add_self_test(4, 0xC1, 90);
        for (uint16_t i = 5; i <= 20; i++)
                add_self_test(i, 0, 0);
        ck_assert_uint_eq(page_size, 404);
        ck_assert_int_eq(decode(), SMART_ANSWER_GOOD);
        ck_assert_uint_eq(data.self_tests.n_entries, 4);
        ck_assert(data.self_tests.is_running.value);
        ck_assert_int_eq(data.self_tests.entries[0].result, SMART_SELF_TEST_RESULT_RUNNING);
        ck_assert_int_eq(data.self_tests.entries[0].kind, SMART_SELF_TEST_KIND_SHORT);
        ck_assert_int_eq(data.self_tests.entries[1].result, SMART_SELF_TEST_RESULT_FAILED);
        ck_assert_int_eq(data.self_tests.entries[1].kind, SMART_SELF_TEST_KIND_EXTENDED);
        ck_assert_uint_eq(data.self_tests.entries[1].lba.value, 4711);
        ck_assert_int_eq(data.self_tests.entries[2].result, SMART_SELF_TEST_RESULT_PASSED);
        ck_assert_int_eq(data.self_tests.entries[3].result, SMART_SELF_TEST_RESULT_ABORTED);
        ck_assert_uint_eq(data.self_tests.entries[3].power_on_hours.value, 90);
        ck_assert(!data.self_tests.entries[3].lba.is_known);
}
END_TEST

typedef struct ExceptionCase {
        uint8_t asc;
        SmartStatus status;
        SmartAnswer of_page;
        SmartAnswer of_sense;
} ExceptionCase;

static const ExceptionCase exceptions[] = {
        { 0x00, SMART_STATUS_PASSED, SMART_ANSWER_GOOD, SMART_ANSWER_REFUSED },
        { 0x0B, SMART_STATUS_PASSED, SMART_ANSWER_GOOD, SMART_ANSWER_GOOD },
        { 0x5D, SMART_STATUS_FAILING, SMART_ANSWER_GOOD, SMART_ANSWER_GOOD },
        { 0x28, SMART_STATUS_UNKNOWN, SMART_ANSWER_ABSURD, SMART_ANSWER_ABSURD },
};

START_TEST(exceptions_tell_the_status) {
        const ExceptionCase *c = &exceptions[_i];
        const uint8_t exception[] = { c->asc, 0x10, 38 };

        begin(PAGE(EXCEPTIONS));
        add(0, exception, sizeof(exception));
        ck_assert_int_eq(decode(), c->of_page);
        ck_assert_int_eq(data.status, c->status);
        ck_assert_int_eq(data.answers[SMART_SECTION_STATUS], c->of_page);
        if (c->of_page == SMART_ANSWER_GOOD)
                ck_assert_int_eq(data.temperature.value, 38);
}
END_TEST

/* A stick that knows nothing of exceptions has no sense, too. */
START_TEST(no_sense_is_no_good_sign) {
        const ExceptionCase *c = &exceptions[_i];
        SmartVerdict verdict;

        ck_assert_int_eq(smart_scsi_decode_sense(&data, c->asc, 0), c->of_sense);
        smart_verdict(&data, &verdict);
        ck_assert_int_ne(verdict.kind, SMART_VERDICT_KIND_GOOD);
        ck_assert_int_eq(verdict.kind == SMART_VERDICT_KIND_FAILING, c->asc == 0x5D);
}
END_TEST

typedef struct BrokenCase {
        const char *what;
        size_t size;
        uint8_t bytes[16];
        SmartAnswer answer;
} BrokenCase;

static const BrokenCase broken_pages[] = {
        { "nothing", 0, { 0 }, SMART_ANSWER_TRUNCATED },
        { "half a header", 3, { 0x0D, 0, 0 }, SMART_ANSWER_TRUNCATED },
        { "another page", 10, { 0x0E, 0, 0, 6, 0, 0, 0, 2, 0, 40 }, SMART_ANSWER_ABSURD },
        { "a subpage", 10, { 0x4D, 1, 0, 6, 0, 0, 0, 2, 0, 40 }, SMART_ANSWER_ABSURD },
        { "zeroes", 16, { 0 }, SMART_ANSWER_ABSURD },
        { "no parameters", 4, { 0x0D, 0, 0, 0 }, SMART_ANSWER_ABSURD },
        { "less than its length",
          10,
          { 0x0D, 0, 0, 12, 0, 0, 0, 2, 0, 40 },
          SMART_ANSWER_TRUNCATED },
        { "half a parameter's header", 7, { 0x0D, 0, 0, 3, 0, 0, 0 }, SMART_ANSWER_TRUNCATED },
        { "a parameter beyond the page",
          10,
          { 0x0D, 0, 0, 6, 0, 0, 0, 9, 0, 40 },
          SMART_ANSWER_TRUNCATED },
        { "a parameter that is too short",
          9,
          { 0x0D, 0, 0, 5, 0, 0, 0, 1, 40 },
          SMART_ANSWER_ABSURD },
        { "a good one, then half of one",
          13,
          { 0x0D, 0, 0, 9, 0, 0, 0, 2, 0, 40, 0, 1, 0 },
          SMART_ANSWER_TRUNCATED },
};

START_TEST(a_broken_page_leaves_no_trace) {
        const BrokenCase *c = &broken_pages[_i];

        ck_assert_msg(smart_scsi_decode_page(&data, PAGE(TEMPERATURE), c->bytes, c->size) ==
                                      c->answer,
                      "%s", c->what);
        ck_assert_msg(!data.temperature.is_known, "%s", c->what);
        ck_assert_int_eq(data.answers[SMART_SECTION_TEMPERATURE], c->answer);
}
END_TEST

typedef struct DefectCase {
        const char *what;
        bool is_12;
        size_t size;
        uint8_t bytes[8];
        SmartAnswer answer;
        uint64_t n;
} DefectCase;

static const DefectCase defect_cases[] = {
        { "none", false, 4, { 0, 0x08, 0, 0 }, SMART_ANSWER_GOOD, 0 },
        { "short blocks", false, 4, { 0, 0x08, 0, 12 }, SMART_ANSWER_GOOD, 3 },
        { "sectors", false, 4, { 0, 0x0D, 0, 16 }, SMART_ANSWER_GOOD, 2 },
        { "in 12", true, 8, { 0, 0x0D, 0, 0, 0, 0, 1, 0 }, SMART_ANSWER_GOOD, 32 },
        { "half a header", false, 3, { 0, 0x08, 0 }, SMART_ANSWER_TRUNCATED, 0 },
        { "half a header of 12", true, 4, { 0, 0x08, 0, 0 }, SMART_ANSWER_TRUNCATED, 0 },
        { "the primary list", false, 4, { 0, 0x10, 0, 8 }, SMART_ANSWER_ABSURD, 0 },
        { "a vendor's format", false, 4, { 0, 0x0E, 0, 8 }, SMART_ANSWER_ABSURD, 0 },
        { "half a descriptor", false, 4, { 0, 0x0D, 0, 12 }, SMART_ANSWER_ABSURD, 0 },
};

START_TEST(grown_defects_are_counted_by_the_header) {
        const DefectCase *c = &defect_cases[_i];

        ck_assert_msg(smart_scsi_decode_defects(&data, c->bytes, c->size, c->is_12) == c->answer,
                      "%s", c->what);
        ck_assert_int_eq(data.scsi.grown_defects.is_known, c->answer == SMART_ANSWER_GOOD);
        ck_assert_uint_eq(data.scsi.grown_defects.value, c->n);
}
END_TEST

int main(void) {
        Suite *suite = suite_create("smart_scsi");
        TCase *tcase = tcase_create("smart_scsi");

        tcase_add_checked_fixture(tcase, set_up, tear_down);
        tcase_add_test(tcase, only_listed_pages_are_there);
        tcase_add_test(tcase, counters_are_read_in_any_size);
        tcase_add_test(tcase, a_counter_of_more_than_64_bits_is_the_largest);
        tcase_add_test(tcase, an_empty_counter_is_not_known);
        tcase_add_test(tcase, temperatures_are_read);
        tcase_add_test(tcase, a_temperature_of_ff_is_not_known);
        tcase_add_test(tcase, starts_and_loads_are_counted);
        tcase_add_test(tcase, other_errors_wear_and_scans_are_read);
        tcase_add_test(tcase, self_tests_are_read);
        tcase_add_loop_test(tcase, exceptions_tell_the_status, 0, N_ELEMENTS(exceptions));
        tcase_add_loop_test(tcase, no_sense_is_no_good_sign, 0, N_ELEMENTS(exceptions));
        tcase_add_loop_test(tcase, a_broken_page_leaves_no_trace, 0, N_ELEMENTS(broken_pages));
        tcase_add_loop_test(tcase, grown_defects_are_counted_by_the_header, 0,
                            N_ELEMENTS(defect_cases));
        suite_add_tcase(suite, tcase);
        return run_suite(suite);
}
