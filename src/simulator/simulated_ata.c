/* IDENTIFY DEVICE, the SMART feature set and the power modes of an ATA drive. */

#include "simulator/simulated_ata.h"

#include <string.h>

#include "base/bytes.h"
#include "base/macros.h"

#define SECTOR SIMULATED_ATA_SECTOR_SIZE

/* ACS-3, clause 7; ATA8-ACS, 7.52. */
#define COMMAND_SMART 0xB0
#define COMMAND_STANDBY_IMMEDIATE 0xE0
#define COMMAND_IDLE_IMMEDIATE 0xE1
#define COMMAND_CHECK_POWER_MODE 0xE5
#define COMMAND_IDENTIFY_DEVICE 0xEC

#define SMART_READ_DATA 0xD0
#define SMART_READ_THRESHOLDS 0xD1
#define SMART_EXECUTE_OFFLINE 0xD4
#define SMART_READ_LOG 0xD5
#define SMART_RETURN_STATUS 0xDA
#define SMART_LBA 0xC24F
#define SMART_LBA_FAILING 0x2CF4

#define LOG_ERRORS 0x01
#define LOG_SELF_TESTS 0x06
#define ERRORS_IN_LOG 5

#define MINUTES_EXTENDED 120
#define MINUTES_SHORT 2
#define MINUTES_CONVEYANCE 5

typedef struct Context {
        SimulatedDrive *drive;
        const SimulatorSpec *spec;
        uint64_t size;
        const SimulatedAtaCommand *command;
        uint8_t *data;
} Context;

/* ACS-3: two characters to a word, the first one in its upper half; filled up with spaces. */
static void put_text(uint8_t *data, size_t word, size_t n_words, const char *text) {
        size_t length = strlen(text);

        for (size_t i = 0; i < 2 * n_words; i++) {
                size_t byte = i % 2 == 0 ? 1 : 0;

                data[2 * (word + i / 2) + byte] = i < length ? (uint8_t) text[i] : ' ';
        }
}

static void put_word(uint8_t *data, size_t word, uint16_t value) {
        put_le16(data + 2 * word, value);
}

/* The sum of all 512 bytes is zero. */
static void put_checksum(uint8_t *data) {
        uint8_t sum = 0;

        for (size_t i = 0; i < SECTOR - 1; i++)
                sum = (uint8_t) (sum + data[i]);
        data[SECTOR - 1] = (uint8_t) (0 - sum);
}

/* ACS-3, 7.12.7. */
static size_t identify(Context *context) {
        const SimulatorSpec *spec = context->spec;
        uint64_t n_sectors = context->size / SECTOR;
        uint8_t *data = context->data;
        char model[32];

        strcpy(model, spec->vendor);
        strcat(strcat(model, " "), spec->model);
        put_word(data, 0, 0x0040);
        put_text(data, 10, 10, spec->serial);
        put_text(data, 23, 4, "SIM1.00");
        put_text(data, 27, 20, model);
        put_word(data, 49, 0x0300);                                             /* LBA, DMA */
        put_le32(data + 120, (uint32_t) MIN(n_sectors, (uint64_t) 0x0FFFFFFF)); /* words 60, 61 */
        put_word(data, 80, 0x01F0); /* ATA8-ACS and before */
        put_word(data, 82, 0x0069); /* write cache, power, SMART */
        put_word(data, 83, 0x7400); /* 48 bits */
        put_word(data, 84, 0x4003); /* error log, self-tests */
        put_word(data, 85, spec->drive.is_smart_off ? 0x0068 : 0x0069);
        put_word(data, 86, 0x3400);
        put_word(data, 87, 0x4003);
        put_le64(data + 200, n_sectors); /* words 100 to 103 */
        put_word(data, 217, spec->rotation_rate);
        data[510] = 0xA5;
        put_checksum(data);
        return SECTOR;
}

static uint64_t get_raw(const SimulatorDrive *traits, const SimulatorAttribute *attribute) {
        uint64_t celsius = traits->celsius;

        switch (attribute->id) {
        case 9:
                return attribute->raw != 0 ? attribute->raw : traits->power_on_hours;
        case 194:
                /* The lowest and the highest so far beside it. */
                return attribute->raw != 0 ? attribute->raw
                                           : celsius | (celsius - 1) << 16 | (celsius + 9) << 32;
        default:
                return attribute->raw;
        }
}

static void put_attribute(const SimulatorDrive *traits, const SimulatorAttribute *attribute,
                          uint8_t *entry) {
        uint64_t raw = get_raw(traits, attribute);

        entry[0] = attribute->id;
        put_le16(entry + 1, attribute->flags);
        entry[3] = attribute->value;
        entry[4] = attribute->worst;
        for (size_t i = 0; i < 6; i++)
                entry[5 + i] = (uint8_t) (raw >> 8 * i);
}

/* The self-test execution status: how the last one ended, or that one runs and what is left. */
static uint8_t get_test_status(SimulatedDrive *drive) {
        uint8_t remaining_percent;

        if (simulated_drive_get_test(drive, &remaining_percent) != SIMULATED_TEST_NONE)
                return (uint8_t) (0xF0 | remaining_percent / 10);
        return drive->n_tests == 0 ? 0 : (uint8_t) (drive->tests[drive->n_tests - 1].result << 4);
}

/* ATA8-ACS, 7.52.6. */
static size_t read_data(Context *context) {
        const SimulatorDrive *traits = context->drive->traits;
        uint8_t *data = context->data;

        data[0] = 0x10;
        for (size_t i = 0; i < traits->n_attributes; i++)
                put_attribute(traits, &traits->attributes[i], data + 2 + 12 * i);
        data[363] = get_test_status(context->drive);
        put_le16(data + 364, 600);
        data[367] = 0x7B; /* off-line, self-tests, conveyance, selective */
        put_le16(data + 368, 0x0003);
        data[370] = 0x01; /* error logging */
        data[372] = MINUTES_SHORT;
        data[373] = MINUTES_EXTENDED;
        data[374] = MINUTES_CONVEYANCE;
        put_checksum(data);
        return SECTOR;
}

static size_t read_thresholds(Context *context) {
        const SimulatorDrive *traits = context->drive->traits;
        uint8_t *data = context->data;

        data[0] = 0x10;
        for (size_t i = 0; i < traits->n_attributes; i++) {
                data[2 + 12 * i] = traits->attributes[i].id;
                data[3 + 12 * i] = traits->attributes[i].threshold;
        }
        put_checksum(data);
        return SECTOR;
}

/* ATA8-ACS, A.7: five commands of 12 bytes, of which one is told, and the error with its registers. */
static void put_error(const SimulatorDrive *traits, unsigned number, uint8_t *entry) {
        uint8_t *command = entry + 4 * 12, *error = entry + 60;
        uint32_t lba = 1000 + number;

        command[2] = 8; /* count */
        command[3] = (uint8_t) lba;
        command[4] = (uint8_t) (lba >> 8);
        command[6] = 0xE0;
        command[7] = 0x25; /* READ DMA EXT */
        put_le32(command + 8, 60000 * number);
        error[1] = 0x40; /* uncorrectable data */
        error[2] = 8;
        error[3] = (uint8_t) lba;
        error[4] = (uint8_t) (lba >> 8);
        error[6] = 0xE0;
        error[7] = SIMULATED_ATA_STATUS_ERROR;
        put_le16(error + 28, (uint16_t) MIN(traits->power_on_hours, (uint32_t) UINT16_MAX));
}

/* Error n lies at (n - 1) % 5; the index counts from 1. */
static size_t read_error_log(Context *context) {
        const SimulatorDrive *traits = context->drive->traits;
        unsigned n = traits->n_errors;
        uint8_t *data = context->data;

        data[0] = 0x01;
        data[1] = n == 0 ? 0 : (uint8_t) ((n - 1) % ERRORS_IN_LOG + 1);
        for (unsigned i = n > ERRORS_IN_LOG ? n - ERRORS_IN_LOG : 0; i < n; i++)
                put_error(traits, i + 1, data + 2 + 90 * (i % ERRORS_IN_LOG));
        put_le16(data + 452, (uint16_t) n);
        put_checksum(data);
        return SECTOR;
}

/* ATA8-ACS, A.8. */
static size_t read_self_tests(Context *context) {
        SimulatedDrive *drive = context->drive;
        uint8_t *data = context->data;

        (void) simulated_drive_get_test(drive, &(uint8_t){ 0 });
        put_le16(data, 0x0001);
        for (size_t i = 0; i < drive->n_tests; i++) {
                const SimulatedTest *test = &drive->tests[i];
                uint8_t *entry = data + 2 + 24 * i;

                entry[0] = (uint8_t) test->kind; /* 1 short, 2 extended, 3 conveyance */
                entry[1] = (uint8_t) (test->result << 4 | test->remaining_percent / 10);
                put_le16(entry + 2, (uint16_t) drive->traits->power_on_hours);
                if (test->result >= 3 && test->result <= 8)
                        put_le32(entry + 5, 4711);
        }
        data[508] = (uint8_t) drive->n_tests;
        put_checksum(data);
        return SECTOR;
}

static size_t abort_command(Context *context) {
        context->drive->taskfile.status = SIMULATED_ATA_STATUS_ERROR;
        context->drive->taskfile.error = SIMULATED_ATA_ERROR_ABORT;
        return 0;
}

static size_t read_log(Context *context) {
        switch (context->command->lba & 0xFF) {
        case LOG_ERRORS:
                return read_error_log(context);
        case LOG_SELF_TESTS:
                return read_self_tests(context);
        default: /* of the host */
                return abort_command(context);
        }
}

static size_t execute_offline(Context *context) {
        SimulatedDrive *drive = context->drive;

        switch (context->command->lba & 0xFF) {
        case 0x00: /* collects data, in no time */
                return 0;
        case 0x01:
                simulated_drive_begin_test(drive, SIMULATED_TEST_SHORT);
                return 0;
        case 0x02:
                simulated_drive_begin_test(drive, SIMULATED_TEST_EXTENDED);
                return 0;
        case 0x03:
                simulated_drive_begin_test(drive, SIMULATED_TEST_CONVEYANCE);
                return 0;
        case 0x7F:
                simulated_drive_abort_test(drive);
                return 0;
        default: /* of the host */
                return abort_command(context);
        }
}

/* ATA8-ACS, 7.52.8: in the middle and upper byte of the LBA. */
static size_t return_status(Context *context) {
        SimulatedDrive *drive = context->drive;
        uint64_t lba = drive->traits->is_failing ? SMART_LBA_FAILING : SMART_LBA;

        drive->taskfile.lba = lba << 8;
        return 0;
}

/* All of it reaches the medium, or may. */
static size_t smart(Context *context) {
        if ((context->command->lba >> 8 & 0xFFFF) != SMART_LBA ||
            context->drive->traits->is_smart_off)
                return abort_command(context);
        simulated_drive_use(context->drive);
        switch (context->command->features & 0xFF) {
        case SMART_READ_DATA:
                return read_data(context);
        case SMART_READ_THRESHOLDS:
                return read_thresholds(context);
        case SMART_READ_LOG:
                return read_log(context);
        case SMART_EXECUTE_OFFLINE:
                return execute_offline(context);
        case SMART_RETURN_STATUS:
                return return_status(context);
        default: /* of the host */
                return abort_command(context);
        }
}

size_t simulated_ata_run(SimulatedDrive *drive, const SimulatorSpec *spec, uint64_t size,
                         const SimulatedAtaCommand *command, uint8_t *data) {
        Context context = { drive, spec, size, command, data };

        memset(data, 0, SIMULATED_ATA_DATA_SIZE_MAX);
        drive->taskfile = (SimulatedTaskfile){
                .status = SIMULATED_ATA_STATUS_GOOD,
                .device = command->device,
                .lba = command->lba,
        };
        switch (command->command) {
        case COMMAND_IDENTIFY_DEVICE:
                return identify(&context);
        case COMMAND_SMART:
                return smart(&context);
        case COMMAND_CHECK_POWER_MODE:
                drive->taskfile.count = simulated_drive_is_asleep(drive) ? 0x00 : 0xFF;
                return 0;
        case COMMAND_STANDBY_IMMEDIATE:
                simulated_drive_sleep(drive);
                return 0;
        case COMMAND_IDLE_IMMEDIATE:
                simulated_drive_use(drive);
                return 0;
        default: /* of the host */
                return abort_command(&context);
        }
}
