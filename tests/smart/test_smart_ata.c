/* Identity, attributes, thresholds and status of ATA drives. */

#include "ata_sector.h"
#include "base/macros.h"
#include "unit_test.h"

#define CAPACITY UINT64_C(1000204886016)

static SmartData data;
static uint8_t sector[SECTOR];

static void set_up(void) { smart_data_init(&data, SMART_KIND_ATA); }

static void tear_down(void) {}

START_TEST(a_disk_tells_who_it_is) {
        ata_sector_identity(sector);
        ck_assert_int_eq(smart_ata_decode_identity(&data, sector, SECTOR), SMART_ANSWER_GOOD);
        ck_assert_str_eq(data.identity.model, "WDC WD10EXAMPLE-00");
        ck_assert_str_eq(data.identity.serial, "WD-WX11A1234567");
        ck_assert_str_eq(data.identity.firmware, "01.01A01");
        ck_assert(data.identity.capacity_bytes.is_known);
        ck_assert_uint_eq(data.identity.capacity_bytes.value, CAPACITY);
        ck_assert(data.identity.rotation_rpm.is_known);
        ck_assert_uint_eq(data.identity.rotation_rpm.value, 5400);
        ck_assert(data.is_supported.is_known && data.is_supported.value);
        ck_assert(data.is_enabled.is_known && data.is_enabled.value);
        ck_assert_int_eq(data.answers[SMART_SECTION_IDENTITY], SMART_ANSWER_GOOD);
}
END_TEST

typedef struct WordCase {
        const char *what;
        size_t index;
        uint16_t word;
        uint64_t capacity; /* 0: not known */
        int rotation;      /* -1: not known */
        int supported;     /* likewise */
        int enabled;
} WordCase;

static const WordCase word_cases[] = {
        { "without 48 bits", 83, 0x4000, UINT64_C(268435455) * 512, 5400, 1, 1 },
        { "words that are not valid", 83, 0xFFFF, UINT64_C(268435455) * 512, 5400, -1, 1 },
        { "enabled cannot be told", 87, 0x0000, CAPACITY, 5400, 1, -1 },
        { "without SMART", 82, 0x0000, CAPACITY, 5400, 0, 1 },
        { "with SMART switched off", 85, 0x0000, CAPACITY, 5400, 1, 0 },
        { "flash", 217, 0x0001, CAPACITY, 0, 1, 1 },
        { "no rotation told", 217, 0x0000, CAPACITY, -1, 1, 1 },
        { "a reserved rotation", 217, 0x0002, CAPACITY, -1, 1, 1 },
        { "a rotation that is none", 217, 0xFFFF, CAPACITY, -1, 1, 1 },
        { "sectors of no size", 106, 0x5000, 0, 5400, 1, 1 },
        { "an impossible number of sectors", 103, 0x0001, 0, 5400, 1, 1 },
};

START_TEST(what_a_word_does_not_tell_is_not_known) {
        const WordCase *c = &word_cases[_i];

        ata_sector_identity(sector);
        ata_sector_put_word(sector, c->index, c->word);
        ata_sector_seal(sector);
        ck_assert_int_eq(smart_ata_decode_identity(&data, sector, SECTOR), SMART_ANSWER_GOOD);
        ck_assert_msg(data.identity.capacity_bytes.value == c->capacity &&
                                      data.identity.capacity_bytes.is_known == (c->capacity != 0),
                      "%s", c->what);
        ck_assert_msg(data.identity.rotation_rpm.is_known == (c->rotation >= 0), "%s", c->what);
        if (c->rotation >= 0)
                ck_assert_uint_eq(data.identity.rotation_rpm.value, c->rotation);
        ck_assert_msg(data.is_supported.is_known == (c->supported >= 0), "%s", c->what);
        ck_assert_msg(data.is_enabled.is_known == (c->enabled >= 0), "%s", c->what);
        if (c->supported >= 0)
                ck_assert_int_eq(data.is_supported.value, c->supported);
        if (c->enabled >= 0)
                ck_assert_int_eq(data.is_enabled.value, c->enabled);
}
END_TEST

START_TEST(sectors_of_4096_bytes_count_as_such) {
        ata_sector_identity(sector);
        ata_sector_put_word(sector, 106, 0x5000);
        put_le32(sector + 234, 2048);
        put_le64(sector + 200, 244190646);
        ata_sector_seal(sector);
        ck_assert_int_eq(smart_ata_decode_identity(&data, sector, SECTOR), SMART_ANSWER_GOOD);
        ck_assert_uint_eq(data.identity.capacity_bytes.value, UINT64_C(244190646) * 4096);
}
END_TEST

typedef struct Damage {
        const char *what;
        size_t size;
        size_t offset; /* of the byte that is changed, */
        uint8_t value; /* to this */
        bool is_sealed;
        int filling; /* of all bytes; -1: none */
        SmartAnswer answer;
} Damage;

static const Damage identity_damages[] = {
        { "nothing", 0, 0, 0x40, true, -1, SMART_ANSWER_TRUNCATED },
        { "half of it", 256, 0, 0x40, true, -1, SMART_ANSWER_TRUNCATED },
        { "one byte too few", SECTOR - 1, 0, 0x40, true, -1, SMART_ANSWER_TRUNCATED },
        { "one wrong byte", SECTOR, 100, 0x01, false, -1, SMART_ANSWER_CHECKSUM },
        { "no ATA disk", SECTOR, 1, 0x85, true, -1, SMART_ANSWER_ABSURD },
        { "zeroes", SECTOR, 0, 0, false, 0x00, SMART_ANSWER_ABSURD },
        { "ones", SECTOR, 0, 0xFF, false, 0xFF, SMART_ANSWER_ABSURD },
        { "letters", SECTOR, 0, 0x55, false, 0x55, SMART_ANSWER_ABSURD },
        { "without a checksum", SECTOR, 510, 0, false, -1, SMART_ANSWER_GOOD },
};

static void damage(const Damage *c) {
        if (c->filling >= 0)
                memset(sector, c->filling, SECTOR);
        sector[c->offset] = c->value;
        if (c->is_sealed)
                ata_sector_seal(sector);
}

START_TEST(a_broken_identity_is_none) {
        const Damage *c = &identity_damages[_i];

        ata_sector_identity(sector);
        damage(c);
        ck_assert_msg(smart_ata_decode_identity(&data, sector, c->size) == c->answer, "%s",
                      c->what);
        ck_assert_int_eq(data.answers[SMART_SECTION_IDENTITY], c->answer);
        if (c->answer != SMART_ANSWER_GOOD)
                ck_assert_str_eq(data.identity.model, "");
}
END_TEST

START_TEST(attributes_are_read) {
        ata_sector_attributes(sector);
        ck_assert_int_eq(smart_ata_decode_attributes(&data, sector, SECTOR), SMART_ANSWER_GOOD);
        ck_assert_uint_eq(data.n_attributes, 7);
        ck_assert_uint_eq(data.attributes[2].id, 9);
        ck_assert_uint_eq(data.attributes[2].flags, 0x0032);
        ck_assert_uint_eq(data.attributes[2].value, 88);
        ck_assert_uint_eq(data.attributes[2].raw, 9123);
        ck_assert_int_eq(data.attributes[2].state, SMART_ATTRIBUTE_STATE_UNKNOWN);
        ck_assert(data.power_on_hours.is_known);
        ck_assert_uint_eq(data.power_on_hours.value, 9123);
        ck_assert_uint_eq(data.power_cycles.value, 1234);
        ck_assert(data.reallocated_sectors.is_known && data.reallocated_sectors.value == 0);
        ck_assert(data.pending_sectors.is_known && data.uncorrectable_sectors.is_known);
        ck_assert_int_eq(data.temperature.value, 33);
        ck_assert(!data.temperature_min.is_known);
        ck_assert(data.self_tests.is_running.is_known && !data.self_tests.is_running.value);
        ck_assert_uint_eq(data.self_tests.extended_minutes.value, 120);
        ck_assert_uint_eq(data.self_tests.conveyance_minutes.value, 5);
        ck_assert_ptr_null(smart_data_find_attribute(&data, 2));
}
END_TEST

static const Damage attribute_damages[] = {
        { "nothing", 0, 0, 16, true, -1, SMART_ANSWER_TRUNCATED },
        { "one byte too few", SECTOR - 1, 0, 16, true, -1, SMART_ANSWER_TRUNCATED },
        { "one wrong byte", SECTOR, 5, 0x01, false, -1, SMART_ANSWER_CHECKSUM },
        { "zeroes, whose sum is right", SECTOR, 0, 0, false, 0x00, SMART_ANSWER_ABSURD },
        { "an attribute twice", SECTOR, 2, 5, true, -1, SMART_ANSWER_ABSURD },
};

START_TEST(broken_attributes_are_none) {
        const Damage *c = &attribute_damages[_i];

        ata_sector_attributes(sector);
        damage(c);
        ck_assert_msg(smart_ata_decode_attributes(&data, sector, c->size) == c->answer, "%s",
                      c->what);
        ck_assert_uint_eq(data.n_attributes, 0);
        ck_assert(!data.power_on_hours.is_known && !data.temperature.is_known);
}
END_TEST

typedef struct RawCase {
        const char *what;
        uint8_t id;
        uint64_t raw;
        int64_t value; /* -1: not known */
} RawCase;

static const RawCase raw_cases[] = {
        { "replaced sectors", 5, 17, 17 },
        { "replaced sectors beside another count", 5, 0x000300020011, 17 },
        { "many replaced sectors", 5, 70000, 70000 },
        { "a count that is none", 5, 0xFFFFFFFF, -1 },
        { "more than the disk has", 5, 0xF0000000, -1 },
        { "pending sectors", 197, 8, 8 },
        { "pending sectors that are none", 197, 0xFFFFFFFFFFFF, -1 },
        { "lost sectors", 198, 3, 3 },
        { "hours", 9, 45000, 45000 },
        { "hours beside minutes", 9, 0x0A1F00001000, 4096 },
        { "hours that are seconds", 9, 16000000, -1 },
        { "cycles", 12, 321, 321 },
};

static const SmartNumber *find_number(uint8_t id) {
        switch (id) {
        case 5:
                return &data.reallocated_sectors;
        case 9:
                return &data.power_on_hours;
        case 12:
                return &data.power_cycles;
        case 197:
                return &data.pending_sectors;
        default:
                return &data.uncorrectable_sectors;
        }
}

START_TEST(raw_values_mean_what_they_can_mean) {
        const RawCase *c = &raw_cases[_i];
        const SmartNumber *number = find_number(c->id);

        ata_sector_identity(sector);
        smart_ata_decode_identity(&data, sector, SECTOR);
        memset(sector, 0, SECTOR);
        ata_sector_put_attribute(sector, 0, c->id, 0, 100, 100, c->raw);
        ck_assert_int_eq(smart_ata_decode_attributes(&data, sector, SECTOR), SMART_ANSWER_GOOD);
        ck_assert_msg(number->is_known == (c->value >= 0), "%s", c->what);
        if (c->value >= 0)
                ck_assert_msg(number->value == (uint64_t) c->value, "%s", c->what);
        ck_assert_uint_eq(data.attributes[0].raw, c->raw);
}
END_TEST

#define NO_BOUNDS 999

typedef struct TemperatureCase {
        const char *what;
        uint8_t id;
        uint64_t raw;
        int celsius; /* 0: not known */
        int min;
        int max;
} TemperatureCase;

static const TemperatureCase temperature_cases[] = {
        { "alone", 194, 0x000000000021, 33, NO_BOUNDS, NO_BOUNDS },
        { "of the air", 190, 0x000000000021, 33, NO_BOUNDS, NO_BOUNDS },
        { "LL HH xx TT", 194, 0x00000F2D0021, 33, 15, 45 },
        { "HH LL xx TT", 194, 0x00002D0F0021, 33, 15, 45 },
        { "HH LL TT", 194, 0x0000002D0F21, 33, 15, 45 },
        { "xx HH xx LL xx TT", 194, 0x002D000F0021, 33, 15, 45 },
        { "below zero", 194, 0x002DFFF60021, 33, -10, 45 },
        { "CC CC HH LL xx TT", 194, 0x01022D0F0021, 33, 15, 45 },
        { "bounds that do not hold it", 194, 0x0000140F0021, 33, NO_BOUNDS, NO_BOUNDS },
        { "none", 194, 0x000000000000, 0, NO_BOUNDS, NO_BOUNDS },
        { "too much", 194, 0x0000000000F0, 0, NO_BOUNDS, NO_BOUNDS },
};

START_TEST(temperatures_are_found_in_their_layouts) {
        const TemperatureCase *c = &temperature_cases[_i];

        memset(sector, 0, SECTOR);
        ata_sector_put_attribute(sector, 0, c->id, 0, 100, 100, c->raw);
        smart_ata_decode_attributes(&data, sector, SECTOR);
        ck_assert_msg(data.temperature.is_known == (c->celsius != 0), "%s", c->what);
        ck_assert_msg(data.temperature.value == c->celsius, "%s", c->what);
        ck_assert_msg(data.temperature_min.is_known == (c->min != NO_BOUNDS), "%s", c->what);
        if (c->min == NO_BOUNDS)
                return;
        ck_assert_msg(data.temperature_min.value == c->min, "%s", c->what);
        ck_assert_msg(data.temperature_max.value == c->max, "%s", c->what);
}
END_TEST

typedef struct ThresholdCase {
        const char *what;
        uint8_t value;
        uint8_t worst;
        uint8_t threshold;
        SmartAttributeState state;
} ThresholdCase;

static const ThresholdCase threshold_cases[] = {
        { "far above", 200, 200, 140, SMART_ATTRIBUTE_STATE_GOOD },
        { "one above", 141, 141, 140, SMART_ATTRIBUTE_STATE_GOOD },
        { "at it", 140, 140, 140, SMART_ATTRIBUTE_STATE_FAILING },
        { "below it", 1, 1, 140, SMART_ATTRIBUTE_STATE_FAILING },
        { "nothing left", 0, 0, 140, SMART_ATTRIBUTE_STATE_FAILING },
        { "below it once", 200, 140, 140, SMART_ATTRIBUTE_STATE_FAILED_BEFORE },
        { "no threshold", 1, 1, 0, SMART_ATTRIBUTE_STATE_GOOD },
        { "nothing and no threshold", 0, 0, 0, SMART_ATTRIBUTE_STATE_GOOD },
        { "no value", 254, 1, 140, SMART_ATTRIBUTE_STATE_UNKNOWN },
        { "no valid threshold", 200, 200, 254, SMART_ATTRIBUTE_STATE_UNKNOWN },
};

START_TEST(attributes_are_judged_by_their_thresholds) {
        const ThresholdCase *c = &threshold_cases[_i];

        memset(sector, 0, SECTOR);
        ata_sector_put_attribute(sector, 0, 5, 1, c->value, c->worst, 0);
        smart_ata_decode_attributes(&data, sector, SECTOR);
        memset(sector, 0, SECTOR);
        /* Not at the attribute's place. */
        ata_sector_put_threshold(sector, 7, 5, c->threshold);
        ck_assert_int_eq(smart_ata_decode_thresholds(&data, sector, SECTOR), SMART_ANSWER_GOOD);
        ck_assert_msg(data.attributes[0].state == c->state, "%s", c->what);
        ck_assert_uint_eq(data.attributes[0].threshold, c->threshold);
}
END_TEST

static const Damage threshold_damages[] = {
        { "one byte too few", SECTOR - 1, 0, 16, true, -1, SMART_ANSWER_TRUNCATED },
        { "one wrong byte", SECTOR, 3, 0x01, false, -1, SMART_ANSWER_CHECKSUM },
        { "zeroes, whose sum is right", SECTOR, 0, 0, false, 0x00, SMART_ANSWER_ABSURD },
        { "one twice", SECTOR, 2, 5, true, -1, SMART_ANSWER_ABSURD },
};

START_TEST(broken_thresholds_judge_nothing) {
        const Damage *c = &threshold_damages[_i];

        ata_sector_attributes(sector);
        smart_ata_decode_attributes(&data, sector, SECTOR);
        ata_sector_thresholds(sector);
        damage(c);
        ck_assert_msg(smart_ata_decode_thresholds(&data, sector, c->size) == c->answer, "%s",
                      c->what);
        for (size_t i = 0; i < data.n_attributes; i++)
                ck_assert_int_eq(data.attributes[i].state, SMART_ATTRIBUTE_STATE_UNKNOWN);
}
END_TEST

typedef struct StatusCase {
        uint64_t lba;
        SmartStatus status;
        SmartAnswer answer;
} StatusCase;

static const StatusCase status_cases[] = {
        { 0xC24F00, SMART_STATUS_PASSED, SMART_ANSWER_GOOD },
        { 0xC24F01, SMART_STATUS_PASSED, SMART_ANSWER_GOOD },
        { 0x2CF400, SMART_STATUS_FAILING, SMART_ANSWER_GOOD },
        { 0x004F00, SMART_STATUS_UNKNOWN, SMART_ANSWER_LOST },
        { 0xC20000, SMART_STATUS_UNKNOWN, SMART_ANSWER_LOST },
        { 0x000000, SMART_STATUS_UNKNOWN, SMART_ANSWER_LOST },
        { 0x00F400, SMART_STATUS_UNKNOWN, SMART_ANSWER_ABSURD },
        { 0x2C0000, SMART_STATUS_UNKNOWN, SMART_ANSWER_ABSURD },
        { 0xC2F400, SMART_STATUS_UNKNOWN, SMART_ANSWER_ABSURD },
        { 0x2C4F00, SMART_STATUS_UNKNOWN, SMART_ANSWER_ABSURD },
        { 0xFFFFFF, SMART_STATUS_UNKNOWN, SMART_ANSWER_ABSURD },
        { 0x4FC200, SMART_STATUS_UNKNOWN, SMART_ANSWER_ABSURD },
};

START_TEST(only_whole_registers_tell_the_status) {
        const StatusCase *c = &status_cases[_i];
        SmartAtaRegisters registers = { .lba = c->lba };

        ck_assert_msg(smart_ata_decode_status(&data, &registers) == c->answer, "%06x",
                      (unsigned) c->lba);
        ck_assert_int_eq(data.status, c->status);
        ck_assert_int_eq(data.answers[SMART_SECTION_STATUS], c->answer);
}
END_TEST

START_TEST(the_progress_of_a_self_test_is_told) {
        ata_sector_attributes(sector);
        sector[363] = 0xF4;
        sector[373] = 0xFF;
        put_le16(sector + 375, 1100);
        ata_sector_seal(sector);
        smart_ata_decode_attributes(&data, sector, SECTOR);
        ck_assert(data.self_tests.is_running.value);
        ck_assert(data.self_tests.remaining_percent.is_known);
        ck_assert_uint_eq(data.self_tests.remaining_percent.value, 40);
        ck_assert_uint_eq(data.self_tests.extended_minutes.value, 1100);
}
END_TEST

int main(void) {
        Suite *suite = suite_create("smart_ata");
        TCase *tcase = tcase_create("smart_ata");

        tcase_add_checked_fixture(tcase, set_up, tear_down);
        tcase_add_test(tcase, a_disk_tells_who_it_is);
        tcase_add_loop_test(tcase, what_a_word_does_not_tell_is_not_known, 0,
                            N_ELEMENTS(word_cases));
        tcase_add_test(tcase, sectors_of_4096_bytes_count_as_such);
        tcase_add_loop_test(tcase, a_broken_identity_is_none, 0, N_ELEMENTS(identity_damages));
        tcase_add_test(tcase, attributes_are_read);
        tcase_add_loop_test(tcase, broken_attributes_are_none, 0, N_ELEMENTS(attribute_damages));
        tcase_add_loop_test(tcase, raw_values_mean_what_they_can_mean, 0, N_ELEMENTS(raw_cases));
        tcase_add_loop_test(tcase, temperatures_are_found_in_their_layouts, 0,
                            N_ELEMENTS(temperature_cases));
        tcase_add_loop_test(tcase, attributes_are_judged_by_their_thresholds, 0,
                            N_ELEMENTS(threshold_cases));
        tcase_add_loop_test(tcase, broken_thresholds_judge_nothing, 0,
                            N_ELEMENTS(threshold_damages));
        tcase_add_loop_test(tcase, only_whole_registers_tell_the_status, 0,
                            N_ELEMENTS(status_cases));
        tcase_add_test(tcase, the_progress_of_a_self_test_is_told);
        suite_add_tcase(suite, tcase);
        return run_suite(suite);
}
