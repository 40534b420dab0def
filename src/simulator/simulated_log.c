/* Log pages, grown defects and self-tests of a SCSI drive. */

#include "simulator/simulated_log.h"

#include <string.h>

#include "base/bytes.h"

#define PAGE_SIZE_MAX 512
#define DEFECTS_GROWN 0x08
#define FORMAT_LONG_BLOCKS 0x03
#define DEFECT_SIZE 8
#define REFERENCE_CELSIUS 65
#define SELF_TESTS_IN_PAGE 20

/* A page as it grows: SPC-4, 7.3.2. */
typedef struct Page {
        SimulatedDrive *drive;
        uint16_t rotation_rate;
        uint8_t *bytes; /* behind the header */
        size_t size;
} Page;

/* SPC-4, 7.3.2.2: a list parameter, in binary. */
static uint8_t *add_parameter(Page *page, uint16_t code, uint8_t length) {
        uint8_t *parameter = page->bytes + page->size;

        put_be16(parameter, code);
        parameter[2] = 0x03;
        parameter[3] = length;
        page->size += 4U + length;
        return parameter + 4;
}

static void add_number(Page *page, uint16_t code, uint64_t value) {
        put_be64(add_parameter(page, code, 8), value);
}

static void add_counters(Page *page, uint64_t n_uncorrected) {
        const uint64_t values[] = { 12, 3, 1, 15, 16, 1000000, n_uncorrected };

        for (size_t i = 0; i < N_ELEMENTS(values); i++)
                add_number(page, (uint16_t) i, values[i]);
}

static void fill_write_counters(Page *page) { add_counters(page, 0); }

static void fill_read_counters(Page *page) {
        add_counters(page, page->drive->traits->n_media_errors);
}

static void fill_verify_counters(Page *page) { add_counters(page, 0); }

static void fill_non_medium(Page *page) { put_be32(add_parameter(page, 0, 4), 2); }

static void fill_temperature(Page *page) {
        add_parameter(page, 0, 2)[1] = page->drive->traits->celsius;
        add_parameter(page, 1, 2)[1] = REFERENCE_CELSIUS;
}

/* Years and weeks as digits. */
static void fill_start_stop(Page *page) {
        memcpy(add_parameter(page, 1, 6), "202607", 6);
        memcpy(add_parameter(page, 2, 6), "      ", 6);
        put_be32(add_parameter(page, 3, 4), 50000);
        put_be32(add_parameter(page, 4, 4), 57);
        put_be32(add_parameter(page, 5, 4), 600000);
        put_be32(add_parameter(page, 6, 4), 99);
}

/* SPC-4, 7.3.21: the newest one first, also one that runs; the codes of SEND DIAGNOSTIC. */
static void put_test(const SimulatedDrive *drive, SimulatedTestKind kind, uint8_t result,
                     uint8_t *parameter) {
        parameter[0] = (uint8_t) ((kind == SIMULATED_TEST_EXTENDED ? 2 : 1) << 5 | result);
        put_be16(parameter + 2,
                 (uint16_t) MIN(drive->traits->power_on_hours, (uint32_t) UINT16_MAX));
        put_be64(parameter + 4, result >= 3 && result <= 7 ? 4711 : UINT64_MAX);
}

static void fill_self_tests(Page *page) {
        SimulatedDrive *drive = page->drive;
        SimulatedTestKind running = simulated_drive_get_test(drive, &(uint8_t){ 0 });
        size_t n_running = running != SIMULATED_TEST_NONE;

        for (size_t i = 0; i < SELF_TESTS_IN_PAGE; i++) {
                uint8_t *parameter = add_parameter(page, (uint16_t) (i + 1), 16);

                if (i < n_running)
                        put_test(drive, running, 0xF, parameter);
                else if (i - n_running < drive->n_tests) {
                        const SimulatedTest *test =
                                        &drive->tests[drive->n_tests - 1 - (i - n_running)];

                        put_test(drive, test->kind, test->result, parameter);
                }
        }
}

static void fill_endurance(Page *page) {
        add_parameter(page, 1, 4)[3] = page->drive->traits->wear_percent;
}

/* SBC-3, 6.4.2: the power-on time in minutes, and that no scan has ever begun. */
static void fill_background_scan(Page *page) {
        uint8_t *parameter = add_parameter(page, 0, 12);

        put_be32(parameter, page->drive->traits->power_on_hours * 60);
}

/* SPC-4, 7.3.11. */
static void fill_exceptions(Page *page) {
        const SimulatorDrive *traits = page->drive->traits;
        uint8_t *parameter = add_parameter(page, 0, 4);

        parameter[0] = traits->is_failing ? 0x5D : 0x00;
        parameter[1] = traits->is_failing ? 0x10 : 0x00;
        parameter[2] = traits->celsius;
}

typedef struct PageKind {
        uint8_t code;
        void (*fill)(Page *page); /* NULL: the list of them */
} PageKind;

static const PageKind page_kinds[] = {
        { 0x00, NULL },
        { 0x02, fill_write_counters },
        { 0x03, fill_read_counters },
        { 0x05, fill_verify_counters },
        { 0x06, fill_non_medium },
        { 0x0D, fill_temperature },
        { 0x0E, fill_start_stop },
        { 0x10, fill_self_tests },
        { 0x11, fill_endurance },
        { 0x15, fill_background_scan },
        { 0x2F, fill_exceptions },
};

static const PageKind *find_page(uint8_t code) {
        for (size_t i = 0; i < N_ELEMENTS(page_kinds); i++)
                if (page_kinds[i].code == code)
                        return &page_kinds[i];
        return NULL;
}

/* Only what keeps nothing that turns wears out by being written (SBC-3, 6.4.5). */
static bool has_page(const Page *page, uint8_t code) {
        return code != 0x11 || page->rotation_rate == 1;
}

static void fill_list(Page *page) {
        for (size_t i = 0; i < N_ELEMENTS(page_kinds); i++)
                if (has_page(page, page_kinds[i].code))
                        page->bytes[page->size++] = page_kinds[i].code;
}

static bool is_scsi_drive(SimulatedCommand *command) {
        if (command->target->spec.drive.kind == SIMULATOR_DRIVE_SCSI)
                return true;
        simulated_command_fail(command, SIMULATED_SENSE_INVALID_OPCODE);
        return false;
}

void simulated_log_sense(SimulatedCommand *command) {
        uint8_t code = command->cdb[2] & 0x3F;
        const PageKind *kind = find_page(code);
        Page page = { .rotation_rate = command->target->spec.rotation_rate };
        uint8_t *bytes;

        if (!is_scsi_drive(command))
                return;
        if (!kind || !has_page(&page, code) || command->cdb[3] != 0) {
                simulated_command_fail(command, SIMULATED_SENSE_INVALID_FIELD);
                return;
        }
        bytes = simulated_command_respond(command, PAGE_SIZE_MAX, get_be16(command->cdb + 7));
        page.drive = &command->lun->drive;
        page.bytes = bytes + 4;
        if (kind->fill)
                kind->fill(&page);
        else
                fill_list(&page);
        bytes[0] = code;
        put_be16(bytes + 2, (uint16_t) page.size);
        command->data_size = MIN(command->data_size, (uint64_t) (4 + page.size));
}

/* SBC-3, 5.17 and 5.18: only the list that has grown, one format. */
static void read_defects(SimulatedCommand *command, uint8_t asked, size_t header_size,
                         uint64_t allocation_size) {
        size_t size = (size_t) command->target->spec.drive.n_defects * DEFECT_SIZE;
        uint8_t *bytes;

        if (!is_scsi_drive(command))
                return;
        bytes = simulated_command_respond(command, header_size + size, allocation_size);
        bytes[1] = (uint8_t) ((asked & DEFECTS_GROWN) | FORMAT_LONG_BLOCKS);
        if (header_size == 4)
                put_be16(bytes + 2, (uint16_t) size);
        else
                put_be32(bytes + 4, (uint32_t) size);
        for (size_t i = 0; i < size / DEFECT_SIZE; i++)
                put_be64(bytes + header_size + DEFECT_SIZE * i, 100 * i);
}

void simulated_log_read_defects_10(SimulatedCommand *command) {
        read_defects(command, command->cdb[2], 4, get_be16(command->cdb + 7));
}

void simulated_log_read_defects_12(SimulatedCommand *command) {
        read_defects(command, command->cdb[1], 8, get_be32(command->cdb + 6));
}

/* SPC-4, 6.42: the default self-test, and those in the background. */
void simulated_log_send_diagnostic(SimulatedCommand *command) {
        uint8_t code = command->cdb[1] >> 5;

        if (!is_scsi_drive(command))
                return;
        switch (code) {
        case 0:
                return;
        case 1:
                simulated_drive_begin_test(&command->lun->drive, SIMULATED_TEST_SHORT);
                return;
        case 2:
                simulated_drive_begin_test(&command->lun->drive, SIMULATED_TEST_EXTENDED);
                return;
        case 4:
                simulated_drive_abort_test(&command->lun->drive);
                return;
        default: /* of the host */
                simulated_command_fail(command, SIMULATED_SENSE_INVALID_FIELD);
                return;
        }
}

/* SPC-4, 5.12 and 6.39: "standby condition activated by timer", or why it would not be ready. */
SimulatedSense simulated_log_get_power_sense(SimulatedLun *lun) {
        if (lun->drive.traits->kind != SIMULATOR_DRIVE_SCSI ||
            !simulated_drive_is_asleep(&lun->drive))
                return (SimulatedSense){ 0 };
        return lun->motion == SIMULATED_MOTION_STOPPED
                               ? SIMULATED_SENSE_START_NEEDED
                               : (SimulatedSense){ .asc = 0x5E, .ascq = 0x02 };
}
