/* Logs of errors and of self-tests of ATA drives. */

#include "ata_sector.h"
#include "base/macros.h"
#include "unit_test.h"

#define SECTORS 2

static SmartData data;
static uint8_t bytes[SECTORS * SECTOR];

static void set_up(void) {
        smart_data_init(&data, SMART_KIND_ATA);
        memset(bytes, 0, sizeof(bytes));
        bytes[0] = 1;
        bytes[SECTOR] = 1;
}

static void tear_down(void) {}

static void seal(void) {
        for (size_t i = 0; i < SECTORS; i++)
                ata_sector_seal(bytes + i * SECTOR);
}

static void put_error(size_t index, uint16_t hours) {
        uint8_t *entry = bytes + index / 5 * SECTOR + 2 + index % 5 * 90;

        entry[48 + 7] = 0xC8;
        entry[60 + 1] = 0x40;
        entry[60 + 3] = 0x11;
        entry[60 + 4] = 0x22;
        entry[60 + 5] = 0x33;
        entry[60 + 6] = 0xE4;
        entry[60 + 7] = 0x51;
        put_le16(entry + 88, hours);
}

/* The newest is the third; the fourth and fifth are the oldest. */
START_TEST(errors_are_told_from_the_newest_on) {
        const uint16_t hours[] = { 103, 102, 101, 100, 99 };

        for (size_t i = 0; i < 5; i++)
                put_error((3 + i) % 5, (uint16_t) (99 + i));
        bytes[1] = 3;
        put_le16(bytes + 452, 17);
        seal();
        ck_assert_int_eq(smart_ata_decode_error_log(&data, bytes, SECTOR), SMART_ANSWER_GOOD);
        ck_assert_uint_eq(data.n_errors.value, 17);
        ck_assert_uint_eq(data.n_error_entries, 5);
        for (size_t i = 0; i < 5; i++) {
                ck_assert_uint_eq(data.errors[i].power_on_hours.value, hours[i]);
                ck_assert_uint_eq(data.errors[i].number.value, 17 - i);
        }
        ck_assert_uint_eq(data.errors[0].command, 0xC8);
        ck_assert_uint_eq(data.errors[0].error, 0x40);
        ck_assert_uint_eq(data.errors[0].status, 0x51);
        ck_assert_uint_eq(data.errors[0].lba.value, 0x4332211);
}
END_TEST

START_TEST(a_log_of_two_sectors_is_one_ring) {
        for (size_t i = 0; i < 10; i++)
                put_error(i, (uint16_t) (100 + i));
        bytes[1] = 7;
        put_le16(bytes + 452, 7);
        seal();
        ck_assert_int_eq(smart_ata_decode_error_log(&data, bytes, sizeof(bytes)),
                         SMART_ANSWER_GOOD);
        ck_assert_uint_eq(data.n_error_entries, 7);
        ck_assert_uint_eq(data.errors[0].power_on_hours.value, 106);
        ck_assert_uint_eq(data.errors[2].power_on_hours.value, 104);
        ck_assert_uint_eq(data.errors[6].power_on_hours.value, 100);
}
END_TEST

START_TEST(no_error_is_an_answer) {
        seal();
        ck_assert_int_eq(smart_ata_decode_error_log(&data, bytes, SECTOR), SMART_ANSWER_GOOD);
        ck_assert(data.n_errors.is_known);
        ck_assert_uint_eq(data.n_errors.value, 0);
        ck_assert_uint_eq(data.n_error_entries, 0);
}
END_TEST

START_TEST(extended_errors_have_48_bits_of_lba) {
        uint8_t *entry = bytes + 4 + 124;
        const uint8_t lba[] = { 0x66, 0x33, 0x55, 0x22, 0x44, 0x11 };

        entry[72 + 12] = 0x25;
        entry[90 + 1] = 0x10;
        memcpy(entry + 90 + 4, lba, sizeof(lba));
        entry[90 + 11] = 0x41;
        put_le16(entry + 90 + 32, 777);
        put_le16(bytes + 2, 2);
        put_le16(bytes + 500, 1);
        seal();
        ck_assert_int_eq(smart_ata_decode_extended_error_log(&data, bytes, SECTOR),
                         SMART_ANSWER_GOOD);
        ck_assert_uint_eq(data.n_error_entries, 1);
        ck_assert_uint_eq(data.errors[0].command, 0x25);
        ck_assert_uint_eq(data.errors[0].lba.value, 0x112233445566);
        ck_assert_uint_eq(data.errors[0].power_on_hours.value, 777);
}
END_TEST

START_TEST(errors_in_sectors_that_were_not_read_are_counted_alone) {
        put_le16(bytes + 2, 30);
        put_le16(bytes + 500, 30);
        seal();
        ck_assert_int_eq(smart_ata_decode_extended_error_log(&data, bytes, SECTOR),
                         SMART_ANSWER_GOOD);
        ck_assert_uint_eq(data.n_errors.value, 30);
        ck_assert_uint_eq(data.n_error_entries, 0);
}
END_TEST

static void put_test(size_t index, uint8_t code, uint8_t status, uint16_t hours, uint32_t lba) {
        uint8_t *entry = bytes + 2 + 24 * index;

        entry[0] = code;
        entry[1] = status;
        put_le16(entry + 2, hours);
        put_le32(entry + 5, lba);
}

typedef struct TestCase {
        uint8_t code;
        uint8_t status;
        SmartSelfTestKind kind;
        SmartSelfTestResult result;
        int remaining; /* -1: not known */
} TestCase;

#define KIND(name) SMART_SELF_TEST_KIND_##name
#define RESULT(name) SMART_SELF_TEST_RESULT_##name

static const TestCase test_cases[] = {
        { 0x00, 0x00, KIND(OFFLINE), RESULT(PASSED), 0 },
        { 0x01, 0x00, KIND(SHORT), RESULT(PASSED), 0 },
        { 0x81, 0x00, KIND(SHORT), RESULT(PASSED), 0 },
        { 0x02, 0x19, KIND(EXTENDED), RESULT(ABORTED), 90 },
        { 0x03, 0x25, KIND(CONVEYANCE), RESULT(INTERRUPTED), 50 },
        { 0x04, 0x31, KIND(SELECTIVE), RESULT(FAILED), 10 },
        { 0x02, 0x79, KIND(EXTENDED), RESULT(FAILED), 90 },
        { 0x02, 0x80, KIND(EXTENDED), RESULT(FAILED), 0 },
        { 0x02, 0xF4, KIND(EXTENDED), RESULT(RUNNING), 40 },
        { 0x40, 0x9F, KIND(OTHER), RESULT(UNKNOWN), -1 },
};

START_TEST(self_tests_are_read) {
        const TestCase *c = &test_cases[_i];
        const SmartSelfTest *test = &data.self_tests.entries[0];

        put_test(0, c->code, c->status, 1000, 0x1234);
        bytes[508] = 1;
        seal();
        ck_assert_int_eq(smart_ata_decode_self_tests(&data, bytes, SECTOR), SMART_ANSWER_GOOD);
        ck_assert_uint_eq(data.self_tests.n_entries, 1);
        ck_assert_int_eq(test->kind, c->kind);
        ck_assert_int_eq(test->result, c->result);
        ck_assert_uint_eq(test->power_on_hours.value, 1000);
        ck_assert_int_eq(test->remaining_percent.is_known, c->remaining >= 0);
        if (c->remaining >= 0)
                ck_assert_uint_eq(test->remaining_percent.value, c->remaining);
        ck_assert_int_eq(test->lba.is_known, c->result == RESULT(FAILED));
}
END_TEST

START_TEST(self_tests_are_told_from_the_newest_on) {
        for (size_t i = 0; i < 21; i++)
                put_test(i, 1, 0, (uint16_t) (100 + i), 0);
        bytes[508] = 2;
        seal();
        ck_assert_int_eq(smart_ata_decode_self_tests(&data, bytes, SECTOR), SMART_ANSWER_GOOD);
        ck_assert_uint_eq(data.self_tests.n_entries, 21);
        ck_assert_uint_eq(data.self_tests.entries[0].power_on_hours.value, 101);
        ck_assert_uint_eq(data.self_tests.entries[2].power_on_hours.value, 120);
        ck_assert_uint_eq(data.self_tests.entries[20].power_on_hours.value, 102);
}
END_TEST

typedef SmartAnswer (*Decode)(SmartData *data, const uint8_t *bytes, size_t size);

static const Decode decoders[] = {
        smart_ata_decode_error_log,
        smart_ata_decode_extended_error_log,
        smart_ata_decode_self_tests,
};

START_TEST(broken_logs_are_none) {
        Decode decode = decoders[_i];

        seal();
        ck_assert_int_eq(decode(&data, bytes, 0), SMART_ANSWER_TRUNCATED);
        ck_assert_int_eq(decode(&data, bytes, SECTOR - 1), SMART_ANSWER_TRUNCATED);
        bytes[300]++;
        ck_assert_int_eq(decode(&data, bytes, SECTOR), SMART_ANSWER_CHECKSUM);
        memset(bytes, 0, sizeof(bytes));
        ck_assert_int_eq(decode(&data, bytes, SECTOR), SMART_ANSWER_ABSURD);
        ck_assert(!data.n_errors.is_known);
        ck_assert_uint_eq(data.self_tests.n_entries, 0);
}
END_TEST

START_TEST(an_index_beyond_the_ring_is_absurd) {
        bytes[1] = 6;
        bytes[508] = 22;
        seal();
        ck_assert_int_eq(smart_ata_decode_error_log(&data, bytes, SECTOR), SMART_ANSWER_ABSURD);
        ck_assert_int_eq(smart_ata_decode_self_tests(&data, bytes, SECTOR), SMART_ANSWER_ABSURD);
}
END_TEST

int main(void) {
        Suite *suite = suite_create("smart_ata_logs");
        TCase *tcase = tcase_create("smart_ata_logs");

        tcase_add_checked_fixture(tcase, set_up, tear_down);
        tcase_add_test(tcase, errors_are_told_from_the_newest_on);
        tcase_add_test(tcase, a_log_of_two_sectors_is_one_ring);
        tcase_add_test(tcase, no_error_is_an_answer);
        tcase_add_test(tcase, extended_errors_have_48_bits_of_lba);
        tcase_add_test(tcase, errors_in_sectors_that_were_not_read_are_counted_alone);
        tcase_add_loop_test(tcase, self_tests_are_read, 0, N_ELEMENTS(test_cases));
        tcase_add_test(tcase, self_tests_are_told_from_the_newest_on);
        tcase_add_loop_test(tcase, broken_logs_are_none, 0, N_ELEMENTS(decoders));
        tcase_add_test(tcase, an_index_beyond_the_ring_is_absurd);
        suite_add_tcase(suite, tcase);
        return run_suite(suite);
}
