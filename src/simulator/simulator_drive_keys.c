/* What can be said of a drive, and what it is like where nothing is said. */

#include "simulator/simulator_drive_keys.h"

#include <string.h>

#define ATTRIBUTE_PREFIX "attribute-"
#define FLAGS_PREFAILURE 0x0033
#define FLAGS_OLD_AGE 0x0032

static bool take_name(SimulatorText value, const char *const *names, size_t n, unsigned *ret) {
        for (size_t i = 0; i < n; i++)
                if (names[i] && simulator_text_equals(value, names[i])) {
                        *ret = (unsigned) i;
                        return true;
                }
        return false;
}

static bool take_kind(SimulatorDrive *drive, SimulatorText value) {
        static const char *const names[_SIMULATOR_DRIVE_MAX] = {
                [SIMULATOR_DRIVE_NONE] = "none",
                [SIMULATOR_DRIVE_ATA] = "ata",
                [SIMULATOR_DRIVE_NVME] = "nvme",
                [SIMULATOR_DRIVE_SCSI] = "scsi",
        };

        return take_name(value, names, N_ELEMENTS(names), &drive->kind);
}

static bool take_bridge(SimulatorDrive *drive, SimulatorText value) {
        static const char *const names[_SIMULATOR_BRIDGE_MAX] = {
                [SIMULATOR_BRIDGE_NONE] = "none",
                [SIMULATOR_BRIDGE_SAT] = "sat",
                [SIMULATOR_BRIDGE_SAT_12] = "sat12",
                [SIMULATOR_BRIDGE_JMICRON] = "jmicron",
                [SIMULATOR_BRIDGE_SUNPLUS] = "sunplus",
                [SIMULATOR_BRIDGE_CYPRESS] = "cypress",
                [SIMULATOR_BRIDGE_PROLIFIC] = "prolific",
                [SIMULATOR_BRIDGE_NVME_JMICRON] = "nvme-jmicron",
                [SIMULATOR_BRIDGE_NVME_ASMEDIA] = "nvme-asmedia",
                [SIMULATOR_BRIDGE_NVME_REALTEK] = "nvme-realtek",
        };

        return take_name(value, names, N_ELEMENTS(names), &drive->bridge);
}

static bool take_registers(SimulatorDrive *drive, SimulatorText value) {
        static const char *const names[_SIMULATOR_REGISTERS_MAX] = {
                [SIMULATOR_REGISTERS_DESCRIPTOR] = "descriptor",
                [SIMULATOR_REGISTERS_FIXED] = "fixed",
                [SIMULATOR_REGISTERS_CUT] = "cut",
                [SIMULATOR_REGISTERS_HALF] = "half",
                [SIMULATOR_REGISTERS_NONE] = "none",
        };

        return take_name(value, names, N_ELEMENTS(names), &drive->registers);
}

static bool take_flag(SimulatorText value, bool *ret) {
        *ret = simulator_text_equals(value, "yes");
        return *ret || simulator_text_equals(value, "no");
}

static bool take_enabled(SimulatorDrive *drive, SimulatorText value) {
        bool is_on;

        if (!take_flag(value, &is_on))
                return false;
        drive->is_smart_off = !is_on;
        return true;
}

static bool take_failing(SimulatorDrive *drive, SimulatorText value) {
        return take_flag(value, &drive->is_failing);
}

static bool take_byte(SimulatorText value, unsigned base, uint64_t min, uint64_t max,
                      uint8_t *ret) {
        uint64_t number;

        if (!simulator_text_to_number(value, base, min, max, &number))
                return false;
        *ret = (uint8_t) number;
        return true;
}

static bool take_temperature(SimulatorDrive *drive, SimulatorText value) {
        return take_byte(value, 10, 1, 120, &drive->celsius);
}

static bool take_wear(SimulatorDrive *drive, SimulatorText value) {
        return take_byte(value, 10, 0, UINT8_MAX, &drive->wear_percent);
}

static bool take_spare(SimulatorDrive *drive, SimulatorText value) {
        return take_byte(value, 10, 0, 100, &drive->spare_percent);
}

static bool take_self_test_result(SimulatorDrive *drive, SimulatorText value) {
        return take_byte(value, 16, 0, 0xE, &drive->self_test_result);
}

static bool take_count(SimulatorText value, uint64_t max, uint32_t *ret) {
        uint64_t number;

        if (!simulator_text_to_number(value, 10, 0, max, &number))
                return false;
        *ret = (uint32_t) number;
        return true;
}

static bool take_power_on_hours(SimulatorDrive *drive, SimulatorText value) {
        return take_count(value, 100000, &drive->power_on_hours);
}

static bool take_media_errors(SimulatorDrive *drive, SimulatorText value) {
        return take_count(value, UINT32_MAX, &drive->n_media_errors);
}

static bool take_small_count(SimulatorText value, uint16_t *ret) {
        uint32_t number;

        if (!take_count(value, 1000, &number))
                return false;
        *ret = (uint16_t) number;
        return true;
}

static bool take_defects(SimulatorDrive *drive, SimulatorText value) {
        return take_small_count(value, &drive->n_defects);
}

static bool take_errors(SimulatorDrive *drive, SimulatorText value) {
        return take_small_count(value, &drive->n_errors);
}

static bool take_self_test_ms(SimulatorDrive *drive, SimulatorText value) {
        return simulator_text_to_number(value, 10, 0, UINT32_MAX, &drive->self_test_ms);
}

const SimulatorDriveKey simulator_drive_keys[] = {
        { "smart", "none, ata, nvme, scsi", take_kind },
        { "bridge",
          "none, sat, sat12, jmicron, sunplus, cypress, prolific, nvme-jmicron, nvme-asmedia, "
          "nvme-realtek, one for its kind of drive",
          take_bridge },
        { "registers", "descriptor, fixed, cut, half, none", take_registers },
        { "smart-enabled", "yes, no", take_enabled },
        { "failing", "yes, no", take_failing },
        { "temperature", "1 to 120", take_temperature },
        { "power-on-hours", "0 to 100000", take_power_on_hours },
        { "wear", "0 to 255", take_wear },
        { "spare", "0 to 100", take_spare },
        { "media-errors", "0 to 4294967295", take_media_errors },
        { "defects", "0 to 1000", take_defects },
        { "errors", "0 to 1000", take_errors },
        { "self-test-ms", "0 to 4294967295", take_self_test_ms },
        { "self-test-result", "0 to e, hexadecimal", take_self_test_result },
        { 0 },
};

const SimulatorDriveKey *simulator_drive_keys_find(SimulatorText name) {
        for (const SimulatorDriveKey *key = simulator_drive_keys; key->name; key++)
                if (simulator_text_equals(name, key->name))
                        return key;
        return NULL;
}

/* Attributes */

bool simulator_drive_keys_is_attribute(SimulatorText name) {
        return name.size > strlen(ATTRIBUTE_PREFIX) &&
               memcmp(name.start, ATTRIBUTE_PREFIX, strlen(ATTRIBUTE_PREFIX)) == 0;
}

static SimulatorAttribute *find_attribute(SimulatorDrive *drive, uint8_t id) {
        for (size_t i = 0; i < drive->n_attributes; i++)
                if (drive->attributes[i].id == id)
                        return &drive->attributes[i];
        if (drive->n_attributes == SIMULATOR_ATTRIBUTES_MAX)
                return NULL;
        drive->attributes[drive->n_attributes] = (SimulatorAttribute){
                .id = id,
                .flags = FLAGS_OLD_AGE,
                .value = 100,
                .worst = 100,
        };
        return &drive->attributes[drive->n_attributes++];
}

/* What is not told stays; a value that is told is the worst so far as well. */
static bool take_numbers(SimulatorAttribute *attribute, SimulatorText text) {
        uint8_t *const fields[] = { &attribute->value, &attribute->worst, &attribute->threshold };
        SimulatorText piece;

        if (!simulator_text_next(&text, '/', &piece) ||
            !simulator_text_to_number(piece, 10, 0, (UINT64_C(1) << 48) - 1, &attribute->raw))
                return false;
        for (size_t i = 0; i < N_ELEMENTS(fields) && simulator_text_next(&text, '/', &piece); i++) {
                if (!take_byte(piece, 10, 0, UINT8_MAX, fields[i]))
                        return false;
                if (i == 0)
                        attribute->worst = attribute->value;
        }
        return !simulator_text_next(&text, '/', &piece);
}

bool simulator_drive_keys_take_attribute(SimulatorDrive *drive, SimulatorText name,
                                         SimulatorText value) {
        SimulatorText id_text = {
                .start = name.start + strlen(ATTRIBUTE_PREFIX),
                .size = name.size - strlen(ATTRIBUTE_PREFIX),
        };
        SimulatorAttribute *attribute;
        uint8_t id;

        if (!take_byte(id_text, 10, 1, UINT8_MAX, &id))
                return false;
        attribute = find_attribute(drive, id);
        return attribute && take_numbers(attribute, value);
}

/* As a disk that is well has them. */
static const SimulatorAttribute attributes[] = {
        { 1, 0x002F, 200, 200, 51, 0 },            /* read errors */
        { 5, FLAGS_PREFAILURE, 200, 200, 140, 0 }, /* reallocated sectors */
        { 9, FLAGS_OLD_AGE, 99, 99, 0, 0 },        /* hours; the drive fills them in */
        { 12, FLAGS_OLD_AGE, 100, 100, 0, 57 },    /* power cycles */
        { 194, 0x0022, 117, 100, 0, 0 },           /* temperature; likewise */
        { 197, FLAGS_OLD_AGE, 200, 200, 0, 0 },    /* pending sectors */
        { 198, 0x0030, 200, 200, 0, 0 },           /* uncorrectable ones */
        { 199, FLAGS_OLD_AGE, 200, 200, 0, 3 },    /* CRC errors */
};

void simulator_drive_init(SimulatorDrive *drive) {
        *drive = (SimulatorDrive){
                .celsius = 33,
                .power_on_hours = 1000,
                .wear_percent = 1,
                .spare_percent = 100,
                .self_test_ms = 1000,
                .n_attributes = N_ELEMENTS(attributes),
        };
        memcpy(drive->attributes, attributes, sizeof(attributes));
}

static bool is_nvme_bridge(SimulatorBridge bridge) {
        return bridge == SIMULATOR_BRIDGE_NVME_JMICRON || bridge == SIMULATOR_BRIDGE_NVME_ASMEDIA ||
               bridge == SIMULATOR_BRIDGE_NVME_REALTEK;
}

bool simulator_drive_settle(SimulatorDrive *drive) {
        bool is_told = drive->bridge != SIMULATOR_BRIDGE_DEFAULT;

        switch (drive->kind) {
        case SIMULATOR_DRIVE_NONE:
        case SIMULATOR_DRIVE_SCSI:
                if (!is_told)
                        drive->bridge = SIMULATOR_BRIDGE_NONE;
                return drive->bridge == SIMULATOR_BRIDGE_NONE;
        case SIMULATOR_DRIVE_ATA:
                if (!is_told)
                        drive->bridge = SIMULATOR_BRIDGE_SAT;
                return !is_nvme_bridge(drive->bridge);
        case SIMULATOR_DRIVE_NVME:
                if (!is_told)
                        drive->bridge = SIMULATOR_BRIDGE_NVME_JMICRON;
                return is_nvme_bridge(drive->bridge) || drive->bridge == SIMULATOR_BRIDGE_NONE;
        case _SIMULATOR_DRIVE_MAX:
                break;
        }
        assert_not_reached();
}
