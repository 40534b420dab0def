/*
 * Floppy drives, from UFI Command Specification 1.0: short of commands, with an INQUIRY of 36 bytes
 * and no vital product data, mode pages without block descriptors.
 */

#include "simulator/simulated_ufi.h"
#include "base/bytes.h"
#include "simulator/simulated_primary.h"

#define INQUIRY_SIZE 36
#define MODE_HEADER_SIZE 8
#define FLEXIBLE_DISK_PAGE 0x05
#define FLEXIBLE_DISK_PAGE_SIZE 32
#define ALL_PAGES 0x3F
#define MEDIUM_TYPE_1440K 0x94
#define WRITE_PROTECTED 0x80

#define CAPACITY_UNFORMATTED 0x01
#define CAPACITY_FORMATTED 0x02
#define CAPACITY_NO_MEDIUM 0x03
#define CAPACITY_HEADER_SIZE 4
#define CAPACITY_DESCRIPTOR_SIZE 8

/* A diskette of 1.44 MB: 80 cylinders, 2 heads, 18 sectors, 500 kb/s, 300 rotations a minute. */
#define N_CYLINDERS 80
#define N_HEADS 2
#define N_SECTORS 18
#define RATE_KBIT 500
#define RPM 300

bool simulated_ufi_has_command(uint8_t opcode) {
        switch (opcode) {
        case SIMULATED_OPCODE_TEST_UNIT_READY:
        case SIMULATED_OPCODE_REQUEST_SENSE:
        case SIMULATED_OPCODE_INQUIRY:
        case SIMULATED_OPCODE_START_STOP_UNIT:
        case SIMULATED_OPCODE_PREVENT_ALLOW:
        case SIMULATED_OPCODE_READ_FORMAT_CAPACITIES:
        case SIMULATED_OPCODE_READ_CAPACITY_10:
        case SIMULATED_OPCODE_READ_10:
        case SIMULATED_OPCODE_WRITE_10:
        case SIMULATED_OPCODE_VERIFY_10:
        case SIMULATED_OPCODE_MODE_SENSE_10:
        case SIMULATED_OPCODE_READ_12:
        case SIMULATED_OPCODE_WRITE_12:
                return true;
        default: /* a byte of the host, not an enum */
                return false;
        }
}

void simulated_ufi_inquiry(SimulatedCommand *command) {
        const SimulatorSpec *spec = &command->target->spec;
        uint8_t *bytes;

        if ((command->cdb[1] & 0x1F) != 0 || command->cdb[2] != 0) {
                simulated_command_fail(command, SIMULATED_SENSE_INVALID_FIELD);
                return;
        }
        bytes = simulated_command_respond(command, INQUIRY_SIZE, command->cdb[4]);
        bytes[1] = 0x80; /* removable */
        bytes[3] = 0x01; /* the response data format */
        bytes[4] = INQUIRY_SIZE - 5;
        simulated_primary_put_text(bytes + 8, 8, spec->vendor);
        simulated_primary_put_text(bytes + 16, 16, spec->model);
        simulated_primary_put_text(bytes + 32, 4, "1.00");
}

static size_t put_flexible_disk_page(const SimulatedCommand *command, uint8_t *page) {
        page[0] = FLEXIBLE_DISK_PAGE;
        page[1] = FLEXIBLE_DISK_PAGE_SIZE - 2;
        put_be16(page + 2, RATE_KBIT);
        page[4] = N_HEADS;
        page[5] = N_SECTORS;
        put_be16(page + 6, (uint16_t) command->target->spec.block_size);
        put_be16(page + 8, N_CYLINDERS);
        put_be16(page + 28, RPM);
        return FLEXIBLE_DISK_PAGE_SIZE;
}

void simulated_ufi_mode_sense(SimulatedCommand *command) {
        uint8_t page = command->cdb[2] & 0x3F;
        uint64_t allocation_size = get_be16(command->cdb + 7);
        size_t size = MODE_HEADER_SIZE;
        uint8_t *bytes;

        if (page != FLEXIBLE_DISK_PAGE && page != ALL_PAGES) {
                simulated_command_fail(command, SIMULATED_SENSE_INVALID_FIELD);
                return;
        }
        bytes = simulated_command_respond(command, MODE_HEADER_SIZE + FLEXIBLE_DISK_PAGE_SIZE,
                                          allocation_size);
        size += put_flexible_disk_page(command, bytes + size);
        put_be16(bytes, (uint16_t) (size - 2));
        bytes[2] = command->lun->is_present ? MEDIUM_TYPE_1440K : 0;
        bytes[3] = command->lun->is_protected ? WRITE_PROTECTED : 0;
}

static uint8_t get_descriptor_type(const SimulatedLun *lun) {
        if (!lun->is_present)
                return CAPACITY_NO_MEDIUM;
        return lun->is_formatted ? CAPACITY_FORMATTED : CAPACITY_UNFORMATTED;
}

static void put_capacity(const SimulatedCommand *command, uint8_t *bytes) {
        put_be32(bytes, (uint32_t) MIN(command->lun->n_blocks, (uint64_t) UINT32_MAX));
        put_be24(bytes + 5, command->target->spec.block_size);
}

/* The current capacity, or the largest that a medium may have, and the one that there is to format
 * to. */
void simulated_ufi_read_format_capacities(SimulatedCommand *command) {
        uint8_t *bytes = simulated_command_respond(
                        command, CAPACITY_HEADER_SIZE + 2 * CAPACITY_DESCRIPTOR_SIZE,
                        get_be16(command->cdb + 7));

        bytes[3] = 2 * CAPACITY_DESCRIPTOR_SIZE;
        bytes += CAPACITY_HEADER_SIZE;
        put_capacity(command, bytes);
        bytes[4] = get_descriptor_type(command->lun);
        put_capacity(command, bytes + CAPACITY_DESCRIPTOR_SIZE);
}
