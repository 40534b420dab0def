/* What is said of a drive, by what is known of it. */

#include "ata_sector.h"
#include "base/macros.h"
#include "smart/smart_verdict.h"
#include "unit_test.h"

static SmartData data;

/* A disk that is well, with all that it can say. */
static void set_up(void) {
        uint8_t sector[SECTOR];
        SmartAtaRegisters registers = { .lba = 0xC24F00 };

        smart_data_init(&data, SMART_KIND_ATA);
        ata_sector_identity(sector);
        smart_ata_decode_identity(&data, sector, SECTOR);
        ata_sector_attributes(sector);
        smart_ata_decode_attributes(&data, sector, SECTOR);
        ata_sector_thresholds(sector);
        smart_ata_decode_thresholds(&data, sector, SECTOR);
        smart_ata_decode_status(&data, &registers);
}

static void tear_down(void) {}

static void be_nvme(void) {
        smart_data_init(&data, SMART_KIND_NVME);
        smart_data_note(&data, SMART_SECTION_HEALTH, SMART_ANSWER_GOOD);
}

static void be_scsi(void) {
        smart_data_init(&data, SMART_KIND_SCSI);
        smart_data_note(&data, SMART_SECTION_STATUS, SMART_ANSWER_GOOD);
        data.status = SMART_STATUS_PASSED;
}

static void lose_status(SmartAnswer answer) {
        data.status = SMART_STATUS_UNKNOWN;
        smart_data_note(&data, SMART_SECTION_STATUS, answer);
}

static void change_nothing(void) {}
static void fail_status(void) { data.status = SMART_STATUS_FAILING; }
static void fail_attribute(void) { data.attributes[1].state = SMART_ATTRIBUTE_STATE_FAILING; }
static void age(void) { data.attributes[2].state = SMART_ATTRIBUTE_STATE_FAILING; }
static void recover(void) { data.attributes[1].state = SMART_ATTRIBUTE_STATE_FAILED_BEFORE; }
static void pend(void) { data.pending_sectors.value = 8; }
static void replace(void) { data.reallocated_sectors.value = 3; }
static void be_without_status(void) { lose_status(SMART_ANSWER_LOST); }
static void be_refused_status(void) { lose_status(SMART_ANSWER_REFUSED); }
static void have_absurd_status(void) { lose_status(SMART_ANSWER_ABSURD); }
static void be_off(void) { data.is_enabled.value = false; }
static void be_without_smart(void) { data.is_supported.value = false; }
static void be_nothing(void) { smart_data_init(&data, SMART_KIND_UNKNOWN); }
static void be_silent(void) { smart_data_init(&data, SMART_KIND_ATA); }

static void be_without_thresholds(void) {
        be_without_status();
        for (size_t i = 0; i < data.n_attributes; i++)
                data.attributes[i].state = SMART_ATTRIBUTE_STATE_UNKNOWN;
}

static void be_all_zero_thresholds(void) {
        be_without_status();
        for (size_t i = 0; i < data.n_attributes; i++)
                data.attributes[i].threshold = 0;
}

static void have_one_doubtful_attribute(void) {
        be_without_status();
        data.attributes[0].state = SMART_ATTRIBUTE_STATE_UNKNOWN;
}

static void break_attributes(void) {
        smart_data_note(&data, SMART_SECTION_ATTRIBUTES, SMART_ANSWER_CHECKSUM);
}

static void break_attributes_and_fail(void) {
        break_attributes();
        fail_status();
}

static void truncate_identity(void) {
        smart_data_note(&data, SMART_SECTION_IDENTITY, SMART_ANSWER_TRUNCATED);
}

static void fail_self_test(void) {
        data.self_tests.n_entries = 2;
        data.self_tests.entries[0].result = SMART_SELF_TEST_RESULT_ABORTED;
        data.self_tests.entries[1].result = SMART_SELF_TEST_RESULT_FAILED;
}

static void pass_after_failed_self_test(void) {
        fail_self_test();
        data.self_tests.entries[0].kind = SMART_SELF_TEST_KIND_EXTENDED;
        data.self_tests.entries[0].result = SMART_SELF_TEST_RESULT_PASSED;
}

/* It has not read the sector that the other one could not read. */
static void pass_a_short_one_after_failed_self_test(void) {
        pass_after_failed_self_test();
        data.self_tests.entries[0].kind = SMART_SELF_TEST_KIND_SHORT;
}

static void nvme_spare(void) {
        be_nvme();
        data.health.critical_warning = SMART_HEALTH_SPARE_LOW;
        data.health.spare_percent = 4;
}

static void nvme_read_only(void) {
        be_nvme();
        data.health.critical_warning = SMART_HEALTH_READ_ONLY;
}

static void nvme_unreliable(void) {
        be_nvme();
        data.health.critical_warning = SMART_HEALTH_UNRELIABLE;
}

static void nvme_warm(void) {
        be_nvme();
        data.health.critical_warning = SMART_HEALTH_TEMPERATURE;
}

static void nvme_backup(void) {
        be_nvme();
        data.health.critical_warning = SMART_HEALTH_BACKUP_FAILED;
}

static void nvme_new_warning(void) {
        be_nvme();
        data.health.critical_warning = 0x80;
}

static void nvme_media_errors(void) {
        be_nvme();
        data.health.media_errors = 2;
}

static void nvme_worn(void) {
        be_nvme();
        data.used_percent = (SmartNumber){ true, 104 };
}

static void nvme_not_worn(void) {
        be_nvme();
        data.used_percent = (SmartNumber){ true, 99 };
}

static void nvme_near_limit(void) {
        be_nvme();
        data.temperature = (SmartCelsius){ true, 70 };
        data.temperature_warning = (SmartCelsius){ true, 70 };
        data.temperature_critical = (SmartCelsius){ true, 80 };
}

static void nvme_broken(void) {
        be_nvme();
        smart_data_note(&data, SMART_SECTION_HEALTH, SMART_ANSWER_ABSURD);
        data.health.critical_warning = SMART_HEALTH_READ_ONLY;
}

static void nvme_silent(void) { smart_data_init(&data, SMART_KIND_NVME); }

static void scsi_exception(void) {
        be_scsi();
        data.scsi.asc = 0x0B;
        data.scsi.ascq = 0x01;
}

static void scsi_defects(void) {
        be_scsi();
        data.scsi.grown_defects = (SmartNumber){ true, 12 };
}

static void scsi_uncorrected(void) {
        be_scsi();
        data.scsi.read.uncorrected = (SmartNumber){ true, 1 };
}

static void scsi_silent(void) { smart_data_init(&data, SMART_KIND_SCSI); }

typedef struct VerdictCase {
        void (*change)(void);
        SmartVerdictKind kind;
        const char *reason;
} VerdictCase;

#define KIND(name) SMART_VERDICT_KIND_##name

static const VerdictCase cases[] = {
        { change_nothing, KIND(GOOD), "" },
        { fail_status, KIND(FAILING), "it predicts its own failure" },
        { fail_attribute, KIND(FAILING), "attribute 5 is at 200, its threshold is 140" },
        { age, KIND(WARNING), "attribute 9 is at 88, its threshold is 0: old age" },
        { recover, KIND(WARNING), "attribute 5 was at 200 once, its threshold is 140" },
        { pend, KIND(WARNING), "8 sectors cannot be read" },
        { replace, KIND(WARNING), "3 sectors were replaced" },
        { fail_self_test, KIND(WARNING), "a self-test failed" },
        { pass_after_failed_self_test, KIND(GOOD), "" },
        { pass_a_short_one_after_failed_self_test, KIND(WARNING), "a self-test failed" },
        { be_without_status, KIND(GOOD),
          "by its attributes: its status does not come through the bridge" },
        { be_refused_status, KIND(GOOD), "by its attributes: its status is not to be had" },
        { have_absurd_status, KIND(UNKNOWN), "its status makes no sense" },
        { be_without_thresholds, KIND(UNKNOWN), "its status does not come through the bridge" },
        { be_all_zero_thresholds, KIND(UNKNOWN), "its status does not come through the bridge" },
        { have_one_doubtful_attribute, KIND(UNKNOWN),
          "its status does not come through the bridge" },
        { break_attributes, KIND(UNKNOWN), "its table of attributes has a wrong checksum" },
        { break_attributes_and_fail, KIND(FAILING), "it predicts its own failure" },
        { truncate_identity, KIND(UNKNOWN), "its identity is truncated" },
        { be_off, KIND(UNKNOWN), "its SMART is off" },
        { be_without_smart, KIND(UNKNOWN), "it has no SMART" },
        { be_nothing, KIND(UNKNOWN), "it tells nothing of its health" },
        { be_silent, KIND(UNKNOWN), "its status was not asked for" },
        { be_nvme, KIND(GOOD), "" },
        { nvme_spare, KIND(FAILING), "its spare is used up to 4%" },
        { nvme_read_only, KIND(FAILING), "it has become read-only" },
        { nvme_unreliable, KIND(FAILING), "it is no longer reliable" },
        { nvme_warm, KIND(WARNING), "it is too warm or too cold" },
        { nvme_backup, KIND(WARNING), "its backup of volatile memory has failed" },
        { nvme_new_warning, KIND(WARNING), "it has the unknown warning 80h" },
        { nvme_media_errors, KIND(WARNING), "2 times data could not be corrected" },
        { nvme_worn, KIND(WARNING), "104% of its estimated life is over" },
        { nvme_not_worn, KIND(GOOD), "" },
        { nvme_near_limit, KIND(WARNING), "it has 70 degrees, its limit is 70" },
        { nvme_broken, KIND(UNKNOWN), "its health log makes no sense" },
        { nvme_silent, KIND(UNKNOWN), "its health log was not asked for" },
        { be_scsi, KIND(GOOD), "" },
        { scsi_exception, KIND(WARNING), "it tells of an exception (0B/01)" },
        { scsi_defects, KIND(WARNING), "12 defects have grown" },
        { scsi_uncorrected, KIND(WARNING), "1 read could not be corrected" },
        { scsi_silent, KIND(UNKNOWN), "its status was not asked for" },
};

START_TEST(a_drive_is_what_it_tells) {
        const VerdictCase *c = &cases[_i];
        SmartVerdict verdict;

        c->change();
        smart_verdict(&data, &verdict);
        ck_assert_str_eq(smart_verdict_kind_to_string(verdict.kind),
                         smart_verdict_kind_to_string(c->kind));
        ck_assert_str_eq(verdict.reason, c->reason);
}
END_TEST

/* Whatever else is known, and wherever it is. */
START_TEST(a_broken_answer_never_leaves_a_good_drive) {
        const SmartAnswer broken[] = { SMART_ANSWER_TRUNCATED, SMART_ANSWER_CHECKSUM,
                                       SMART_ANSWER_ABSURD };
        SmartVerdict verdict;

        for (size_t i = 0; i < N_ELEMENTS(broken); i++) {
                set_up();
                smart_data_note(&data, (SmartSection) _i, broken[i]);
                smart_verdict(&data, &verdict);
                ck_assert_int_eq(verdict.kind, SMART_VERDICT_KIND_UNKNOWN);
                ck_assert_ptr_nonnull(strstr(verdict.reason, smart_section_to_string(_i)));
        }
}
END_TEST

int main(void) {
        Suite *suite = suite_create("smart_verdict");
        TCase *tcase = tcase_create("smart_verdict");

        tcase_add_checked_fixture(tcase, set_up, tear_down);
        tcase_add_loop_test(tcase, a_drive_is_what_it_tells, 0, N_ELEMENTS(cases));
        tcase_add_loop_test(tcase, a_broken_answer_never_leaves_a_good_drive, 0,
                            _SMART_SECTION_MAX);
        suite_add_tcase(suite, tcase);
        return run_suite(suite);
}
