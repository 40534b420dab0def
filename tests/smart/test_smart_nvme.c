/* Identity, health and logs of NVMe drives. */

#include <string.h>

#include "base/bytes.h"
#include "base/macros.h"
#include "smart/smart_nvme.h"
#include "smart/smart_verdict.h"
#include "unit_test.h"

static SmartData data;
static uint8_t bytes[4096];

static void set_up(void) {
        smart_data_init(&data, SMART_KIND_NVME);
        memset(bytes, 0, sizeof(bytes));
}

static void tear_down(void) {}

static void put_identity(void) {
        put_le16(bytes, 0x144D);
        memcpy(bytes + 4, "S4EWNX0R123456      ", 20);
        memcpy(bytes + 24, "SSD EXAMPLE 500GB                       ", 40);
        memcpy(bytes + 64, "2B2QEXM7", 8);
        put_le16(bytes + 266, 358);
        put_le16(bytes + 268, 363);
        put_le64(bytes + 280, UINT64_C(500107862016));
        put_le16(bytes + 316, 35);
}

static void put_health(void) {
        put_le16(bytes + 1, 311);
        bytes[3] = 100;
        bytes[4] = 10;
        bytes[5] = 3;
        for (size_t i = 0; i < 10; i++)
                put_le64(bytes + 32 + 16 * i, 1000 + i);
        put_le64(bytes + 160, 0);
        put_le32(bytes + 192, 12);
        put_le16(bytes + 200, 311);
        put_le16(bytes + 202, 318);
}

START_TEST(a_drive_tells_who_it_is) {
        put_identity();
        ck_assert_int_eq(smart_nvme_decode_identity(&data, bytes, sizeof(bytes)),
                         SMART_ANSWER_GOOD);
        ck_assert_str_eq(data.identity.model, "SSD EXAMPLE 500GB");
        ck_assert_str_eq(data.identity.serial, "S4EWNX0R123456");
        ck_assert_str_eq(data.identity.firmware, "2B2QEXM7");
        ck_assert_uint_eq(data.identity.capacity_bytes.value, UINT64_C(500107862016));
        ck_assert_int_eq(data.temperature_warning.value, 85);
        ck_assert_int_eq(data.temperature_critical.value, 90);
        ck_assert_uint_eq(data.self_tests.extended_minutes.value, 35);
}
END_TEST

START_TEST(what_an_identity_leaves_out_is_not_known) {
        memcpy(bytes + 24, "MODEL", 5);
        ck_assert_int_eq(smart_nvme_decode_identity(&data, bytes, SMART_NVME_IDENTITY_SIZE),
                         SMART_ANSWER_GOOD);
        ck_assert(!data.identity.capacity_bytes.is_known);
        ck_assert(!data.temperature_warning.is_known);
        ck_assert(!data.self_tests.extended_minutes.is_known);
}
END_TEST

/* What bridges send for a SATA drive. */
START_TEST(an_identity_without_a_model_is_none) {
        ck_assert_int_eq(smart_nvme_decode_identity(&data, bytes, 511), SMART_ANSWER_TRUNCATED);
        ck_assert_int_eq(smart_nvme_decode_identity(&data, bytes, 4096), SMART_ANSWER_ABSURD);
        memset(bytes, 0xFF, sizeof(bytes));
        ck_assert_int_eq(smart_nvme_decode_identity(&data, bytes, 4096), SMART_ANSWER_ABSURD);
}
END_TEST

START_TEST(health_is_read) {
        SmartVerdict verdict;

        put_health();
        ck_assert_int_eq(smart_nvme_decode_health(&data, bytes, 512), SMART_ANSWER_GOOD);
        ck_assert_int_eq(data.status, SMART_STATUS_PASSED);
        ck_assert_int_eq(data.temperature.value, 38);
        ck_assert_uint_eq(data.health.spare_percent, 100);
        ck_assert_uint_eq(data.health.spare_threshold_percent, 10);
        ck_assert_uint_eq(data.used_percent.value, 3);
        ck_assert_uint_eq(data.health.data_units_read, 1000);
        ck_assert_uint_eq(data.health.data_units_written, 1001);
        ck_assert_uint_eq(data.health.read_commands, 1002);
        ck_assert_uint_eq(data.health.write_commands, 1003);
        ck_assert_uint_eq(data.health.busy_minutes, 1004);
        ck_assert_uint_eq(data.power_cycles.value, 1005);
        ck_assert_uint_eq(data.power_on_hours.value, 1006);
        ck_assert_uint_eq(data.health.unsafe_shutdowns, 1007);
        ck_assert_uint_eq(data.health.media_errors, 0);
        ck_assert_uint_eq(data.n_errors.value, 1009);
        ck_assert_uint_eq(data.health.warm_minutes, 12);
        ck_assert_int_eq(data.health.sensors[1].value, 45);
        ck_assert(!data.health.sensors[2].is_known);
        smart_verdict(&data, &verdict);
        ck_assert_int_eq(verdict.kind, SMART_VERDICT_KIND_GOOD);
}
END_TEST

START_TEST(each_warning_is_in_the_status_and_not_each_means_failure) {
        SmartVerdict verdict;

        put_health();
        bytes[0] = SMART_HEALTH_TEMPERATURE;
        ck_assert_int_eq(smart_nvme_decode_health(&data, bytes, 512), SMART_ANSWER_GOOD);
        ck_assert_int_eq(data.status, SMART_STATUS_FAILING);
        smart_verdict(&data, &verdict);
        ck_assert_int_eq(verdict.kind, SMART_VERDICT_KIND_WARNING);
}
END_TEST

START_TEST(counters_of_more_than_64_bits_are_the_largest) {
        put_health();
        put_le64(bytes + 40, 1);
        smart_nvme_decode_health(&data, bytes, 512);
        ck_assert(data.health.data_units_read == UINT64_MAX);
}
END_TEST

typedef struct HealthCase {
        const char *what;
        size_t size;
        size_t offset;
        uint8_t value;
        int filling; /* -1: none */
        SmartAnswer answer;
} HealthCase;

static const HealthCase health_cases[] = {
        { "nothing", 0, 3, 100, -1, SMART_ANSWER_TRUNCATED },
        { "one byte too few", 511, 3, 100, -1, SMART_ANSWER_TRUNCATED },
        { "zeroes", 512, 3, 0, 0x00, SMART_ANSWER_ABSURD },
        { "ones", 512, 3, 0xFF, 0xFF, SMART_ANSWER_ABSURD },
        { "more spare than there is", 512, 3, 101, -1, SMART_ANSWER_ABSURD },
        { "an impossible threshold", 512, 4, 200, -1, SMART_ANSWER_ABSURD },
        { "used up long ago", 512, 5, 255, -1, SMART_ANSWER_GOOD },
};

START_TEST(absurd_health_is_none) {
        const HealthCase *c = &health_cases[_i];

        put_health();
        if (c->filling >= 0)
                memset(bytes, c->filling, sizeof(bytes));
        bytes[c->offset] = c->value;
        ck_assert_msg(smart_nvme_decode_health(&data, bytes, c->size) == c->answer, "%s", c->what);
        ck_assert_int_eq(data.temperature.is_known, c->answer == SMART_ANSWER_GOOD);
        ck_assert_int_eq(data.power_on_hours.is_known, c->answer == SMART_ANSWER_GOOD);
}
END_TEST

START_TEST(a_temperature_that_is_none_is_not_known) {
        put_health();
        put_le16(bytes + 1, 0);
        ck_assert_int_eq(smart_nvme_decode_health(&data, bytes, 512), SMART_ANSWER_GOOD);
        ck_assert(!data.temperature.is_known);
}
END_TEST

static void put_test(size_t index, uint8_t code, uint8_t result) {
        uint8_t *entry = bytes + 4 + 28 * index;

        entry[0] = (uint8_t) (code << 4 | result);
        put_le64(entry + 4, 100 - index);
        if (result == 7) {
                entry[2] = 0x02;
                put_le64(entry + 16, 4711);
        }
}

START_TEST(self_tests_are_read) {
        const struct {
                uint8_t code;
                SmartSelfTestResult result;
        } results[] = {
                { 0, SMART_SELF_TEST_RESULT_PASSED },
                { 1, SMART_SELF_TEST_RESULT_ABORTED },
                { 2, SMART_SELF_TEST_RESULT_INTERRUPTED },
                { 3, SMART_SELF_TEST_RESULT_INTERRUPTED },
                { 4, SMART_SELF_TEST_RESULT_ABORTED },
                { 5, SMART_SELF_TEST_RESULT_FAILED },
                { 6, SMART_SELF_TEST_RESULT_FAILED },
                { 7, SMART_SELF_TEST_RESULT_FAILED },
                { 8, SMART_SELF_TEST_RESULT_ABORTED },
                { 12, SMART_SELF_TEST_RESULT_UNKNOWN },
        };

        for (size_t i = 0; i < N_ELEMENTS(results); i++)
                put_test(i, i % 2 + 1, results[i].code);
        put_test(N_ELEMENTS(results), 1, 0xF);
        ck_assert_int_eq(smart_nvme_decode_self_tests(&data, bytes, 564), SMART_ANSWER_GOOD);
        ck_assert_uint_eq(data.self_tests.n_entries, N_ELEMENTS(results));
        for (size_t i = 0; i < N_ELEMENTS(results); i++) {
                const SmartSelfTest *test = &data.self_tests.entries[i];

                ck_assert_int_eq(test->result, results[i].result);
                ck_assert_int_eq(test->kind, i % 2 ? SMART_SELF_TEST_KIND_EXTENDED
                                                   : SMART_SELF_TEST_KIND_SHORT);
                ck_assert_uint_eq(test->power_on_hours.value, 100 - i);
                ck_assert_int_eq(test->lba.is_known, results[i].code == 7);
        }
        ck_assert(data.self_tests.is_running.is_known && !data.self_tests.is_running.value);
}
END_TEST

START_TEST(a_running_self_test_tells_its_progress) {
        bytes[0] = 2;
        bytes[1] = 30;
        ck_assert_int_eq(smart_nvme_decode_self_tests(&data, bytes, 32), SMART_ANSWER_GOOD);
        ck_assert(data.self_tests.is_running.value);
        ck_assert_uint_eq(data.self_tests.remaining_percent.value, 70);
        ck_assert_uint_eq(data.self_tests.n_entries, 0);
}
END_TEST

/* As bridges are asked for fewer than there are. */
START_TEST(a_self_test_log_may_end_early) {
        for (size_t i = 0; i < 20; i++)
                put_test(i, 1, 0);
        ck_assert_int_eq(smart_nvme_decode_self_tests(&data, bytes, 0x218), SMART_ANSWER_GOOD);
        ck_assert_uint_eq(data.self_tests.n_entries, 19);
        ck_assert_int_eq(smart_nvme_decode_self_tests(&data, bytes, 4096), SMART_ANSWER_GOOD);
        ck_assert_uint_eq(data.self_tests.n_entries, 20);
        ck_assert_int_eq(smart_nvme_decode_self_tests(&data, bytes, 3), SMART_ANSWER_TRUNCATED);
        bytes[1] = 0x7F;
        ck_assert_int_eq(smart_nvme_decode_self_tests(&data, bytes, 564), SMART_ANSWER_ABSURD);
}
END_TEST

START_TEST(errors_are_read) {
        for (size_t i = 0; i < 10; i++) {
                put_le64(bytes + 64 * i, 50 - i);
                put_le16(bytes + 64 * i + 12, 0x4005);
                put_le64(bytes + 64 * i + 16, i == 0 ? UINT64_MAX : 7 + i);
        }
        ck_assert_int_eq(smart_nvme_decode_error_log(&data, bytes, 640), SMART_ANSWER_GOOD);
        ck_assert_uint_eq(data.n_error_entries, SMART_ERRORS_MAX);
        ck_assert_uint_eq(data.errors[0].number.value, 50);
        ck_assert_uint_eq(data.errors[0].status, 0x2002);
        ck_assert(!data.errors[0].lba.is_known);
        ck_assert_uint_eq(data.errors[1].lba.value, 8);
        ck_assert_int_eq(smart_nvme_decode_error_log(&data, bytes, 63), SMART_ANSWER_TRUNCATED);
        memset(bytes, 0xFF, 64);
        ck_assert_int_eq(smart_nvme_decode_error_log(&data, bytes, 64), SMART_ANSWER_ABSURD);
}
END_TEST

START_TEST(unused_errors_are_none) {
        put_le64(bytes, 3);
        ck_assert_int_eq(smart_nvme_decode_error_log(&data, bytes, 512), SMART_ANSWER_GOOD);
        ck_assert_uint_eq(data.n_error_entries, 1);
}
END_TEST

int main(void) {
        Suite *suite = suite_create("smart_nvme");
        TCase *tcase = tcase_create("smart_nvme");

        tcase_add_checked_fixture(tcase, set_up, tear_down);
        tcase_add_test(tcase, a_drive_tells_who_it_is);
        tcase_add_test(tcase, what_an_identity_leaves_out_is_not_known);
        tcase_add_test(tcase, an_identity_without_a_model_is_none);
        tcase_add_test(tcase, health_is_read);
        tcase_add_test(tcase, each_warning_is_in_the_status_and_not_each_means_failure);
        tcase_add_test(tcase, counters_of_more_than_64_bits_are_the_largest);
        tcase_add_loop_test(tcase, absurd_health_is_none, 0, N_ELEMENTS(health_cases));
        tcase_add_test(tcase, a_temperature_that_is_none_is_not_known);
        tcase_add_test(tcase, self_tests_are_read);
        tcase_add_test(tcase, a_running_self_test_tells_its_progress);
        tcase_add_test(tcase, a_self_test_log_may_end_early);
        tcase_add_test(tcase, errors_are_read);
        tcase_add_test(tcase, unused_errors_are_none);
        suite_add_tcase(suite, tcase);
        return run_suite(suite);
}
