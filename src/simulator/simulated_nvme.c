/* Identify Controller, its logs and its self-tests. */

#include "simulator/simulated_nvme.h"

#include <string.h>

#include "base/bytes.h"
#include "base/macros.h"

#define OPCODE_GET_LOG_PAGE 0x02
#define OPCODE_IDENTIFY 0x06
#define OPCODE_SELF_TEST 0x14
#define CNS_CONTROLLER 0x01

#define LOG_ERRORS 0x01
#define LOG_HEALTH 0x02
#define LOG_SELF_TESTS 0x06
#define ERRORS_IN_LOG 64
#define TESTS_IN_LOG 20
#define KELVIN 273
#define MINUTES_EXTENDED 35

/* 5.15.2.2: ASCII, filled up with spaces. */
static void put_text(uint8_t *data, size_t size, const char *text) {
        memset(data, ' ', size);
        memcpy(data, text, MIN(strlen(text), size));
}

static void identify(const SimulatorSpec *spec, uint64_t size, uint8_t *data) {
        char model[32];

        strcpy(model, spec->vendor);
        strcat(strcat(model, " "), spec->model);
        put_le16(data, 0x1209);
        put_text(data + 4, 20, spec->serial);
        put_text(data + 24, 40, model);
        put_text(data + 64, 8, "SIM1.00");
        put_le16(data + 256, 0x0010);           /* OACS: Device Self-test */
        data[262] = ERRORS_IN_LOG - 1;          /* ELPE, less one */
        put_le16(data + 266, 83 + KELVIN);      /* WCTEMP */
        put_le16(data + 268, 88 + KELVIN);      /* CCTEMP */
        put_le64(data + 280, size);             /* TNVMCAP */
        put_le16(data + 316, MINUTES_EXTENDED); /* EDSTT */
        put_le32(data + 516, 1);                /* NN */
}

/* 5.14.1.2. */
static void log_health(const SimulatorDrive *traits, uint8_t *data) {
        data[0] = traits->is_failing ? 0x04 : 0x00;
        put_le16(data + 1, (uint16_t) (traits->celsius + KELVIN));
        data[3] = traits->spare_percent;
        data[4] = 10;
        data[5] = traits->wear_percent;
        put_le64(data + 32, 123456);                  /* data units read */
        put_le64(data + 48, 65432);                   /* written */
        put_le64(data + 64, 9876543);                 /* read commands */
        put_le64(data + 80, 3456789);                 /* write commands */
        put_le64(data + 96, 77);                      /* busy minutes */
        put_le64(data + 112, 57);                     /* power cycles */
        put_le64(data + 128, traits->power_on_hours); /* hours */
        put_le64(data + 144, 4);                      /* unsafe shutdowns */
        put_le64(data + 160, traits->n_media_errors); /* media errors */
        put_le64(data + 176, traits->n_errors);       /* entries of the error log */
        put_le16(data + 200, (uint16_t) (traits->celsius + KELVIN));
}

/* 5.14.1.1: the newest one first. */
static void log_errors(const SimulatorDrive *traits, uint8_t *data) {
        for (unsigned i = 0; i < MIN(traits->n_errors, (unsigned) ERRORS_IN_LOG); i++) {
                uint8_t *entry = data + 64 * i;

                put_le64(entry, (uint64_t) traits->n_errors - i);
                put_le16(entry + 12, 0x0281 << 1); /* unrecovered read error */
                put_le64(entry + 16, 1000 + traits->n_errors - i);
                put_le32(entry + 24, 1);
        }
}

/* 5.14.1.6: likewise. Entries that are not used have Fh as their result. */
static void log_self_tests(SimulatedDrive *drive, uint8_t *data) {
        uint8_t remaining_percent;
        SimulatedTestKind kind = simulated_drive_get_test(drive, &remaining_percent);

        if (kind != SIMULATED_TEST_NONE) {
                data[0] = kind == SIMULATED_TEST_EXTENDED ? 0x2 : 0x1;
                data[1] = (uint8_t) (100 - remaining_percent);
        }
        for (size_t i = 0; i < TESTS_IN_LOG; i++) {
                uint8_t *entry = data + 4 + 28 * i;
                const SimulatedTest *test;

                if (i >= drive->n_tests) {
                        entry[0] = 0x0F;
                        continue;
                }
                test = &drive->tests[drive->n_tests - 1 - i];
                entry[0] = (uint8_t) ((test->kind == SIMULATED_TEST_EXTENDED ? 0x2 : 0x1) << 4 |
                                      test->result);
                put_le64(entry + 4, drive->traits->power_on_hours);
                if (test->result == 7) {
                        entry[2] = 0x02; /* the failing LBA is valid */
                        put_le64(entry + 16, 4711);
                }
        }
}

static uint16_t get_log(SimulatedDrive *drive, uint8_t page, uint8_t *data) {
        switch (page) {
        case LOG_ERRORS:
                log_errors(drive->traits, data);
                return SIMULATED_NVME_SUCCESS;
        case LOG_HEALTH:
                log_health(drive->traits, data);
                return SIMULATED_NVME_SUCCESS;
        case LOG_SELF_TESTS:
                log_self_tests(drive, data);
                return SIMULATED_NVME_SUCCESS;
        default: /* of the host */
                return SIMULATED_NVME_INVALID_LOG_PAGE;
        }
}

/* 5.8: one at a time. */
static uint16_t self_test(SimulatedDrive *drive, uint8_t code) {
        bool is_running = simulated_drive_get_test(drive, &(uint8_t){ 0 }) != SIMULATED_TEST_NONE;

        switch (code) {
        case 0x1:
        case 0x2:
                if (is_running)
                        return SIMULATED_NVME_TEST_IN_PROGRESS;
                simulated_drive_begin_test(drive, code == 0x1 ? SIMULATED_TEST_SHORT
                                                              : SIMULATED_TEST_EXTENDED);
                return SIMULATED_NVME_SUCCESS;
        case 0xF:
                simulated_drive_abort_test(drive);
                return SIMULATED_NVME_SUCCESS;
        default: /* of the host */
                return SIMULATED_NVME_INVALID_FIELD;
        }
}

uint16_t simulated_nvme_run(SimulatedDrive *drive, const SimulatorSpec *spec, uint64_t size,
                            const SimulatedNvmeCommand *command, uint8_t *data) {
        memset(data, 0, SIMULATED_NVME_DATA_SIZE_MAX);
        switch (command->opcode) {
        case OPCODE_IDENTIFY:
                if ((command->cdw10 & 0xFF) != CNS_CONTROLLER)
                        return SIMULATED_NVME_INVALID_FIELD;
                identify(spec, size, data);
                return SIMULATED_NVME_SUCCESS;
        case OPCODE_GET_LOG_PAGE:
                return get_log(drive, (uint8_t) command->cdw10, data);
        case OPCODE_SELF_TEST:
                return self_test(drive, command->cdw10 & 0x0F);
        default: /* of the host */
                return SIMULATED_NVME_INVALID_OPCODE;
        }
}
