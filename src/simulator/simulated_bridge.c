/* The mechanisms as they are known of the chips: where registers lie in the CDB, and how they come back. */

#include "simulator/simulated_bridge.h"

#include <string.h>

#include "base/bytes.h"
#include "simulator/simulated_ata.h"
#include "simulator/simulated_nvme.h"

#define SECTOR SIMULATED_ATA_SECTOR_SIZE

/* SAT-3, 12.2.2. */
#define SAT_PROTOCOL_NO_DATA 3
#define SAT_PROTOCOL_PIO_IN 4
#define SAT_CHECK_CONDITION 0x20
#define SAT_DIRECTION_IN 0x08
#define SAT_BLOCKS 0x04
#define SAT_LENGTH_COUNT 0x02
#define SENSE_CUT_SIZE 18

#define JMICRON_READ_REGISTER 0xFD
#define JMICRON_PORTS 0x720F
#define JMICRON_FIRST_PORT 0x04
#define JMICRON_SECOND_PORT_DEVICE 0x10
#define VENDOR_PROLIFIC 0x067B

#define NVME_SIGNATURE "NVME"
#define NVME_PARAMETERS_SIZE 512
#define REALTEK_FRESH_SIZE 512

static bool has_bridge(SimulatedCommand *command, SimulatorBridge bridge) {
        if (command->target->spec.drive.bridge == bridge)
                return true;
        simulated_command_fail(command, SIMULATED_SENSE_INVALID_OPCODE);
        return false;
}

static SimulatedDrive *get_drive(const SimulatedCommand *command) { return &command->lun->drive; }

static bool has_failed(const SimulatedCommand *command) {
        return get_drive(command)->taskfile.status & 0x01;
}

/* Into the command's buffer; how much of it there is. */
static size_t run_ata(SimulatedCommand *command, const SimulatedAtaCommand *ata) {
        static_assert(sizeof(command->buffer) >= SIMULATED_ATA_DATA_SIZE_MAX, "it fits");
        return simulated_ata_run(get_drive(command), &command->target->spec,
                                 simulated_medium_get_size(command->lun->medium), ata,
                                 command->buffer);
}

static void send_data(SimulatedCommand *command, size_t size, uint64_t allocation_size) {
        command->data = SIMULATED_DATA_RESPONSE;
        command->data_size = MIN((uint64_t) size, allocation_size);
}

/* SAT */

static void fail_with_registers(SimulatedCommand *command) {
        const SimulatorDrive *traits = &command->target->spec.drive;
        SimulatedSense sense = has_failed(command) ? SIMULATED_SENSE(0xB, 0x00, 0x00)
                                                   : SIMULATED_SENSE(0x1, 0x00, 0x1D);

        sense.has_taskfile = traits->registers != SIMULATOR_REGISTERS_NONE;
        sense.is_taskfile_fixed = traits->registers == SIMULATOR_REGISTERS_FIXED;
        sense.taskfile = get_drive(command)->taskfile;
        if (traits->registers == SIMULATOR_REGISTERS_CUT)
                sense.size_max = SENSE_CUT_SIZE;
        if (traits->registers == SIMULATOR_REGISTERS_HALF)
                sense.taskfile.lba &= 0xFFFF;
        if (sense.is_taskfile_fixed)
                sense.ascq = 0x1D;
        simulated_command_fail(command, sense);
}

static void finish_sat(SimulatedCommand *command) {
        bool wants_registers = command->cdb[2] & SAT_CHECK_CONDITION;

        if (has_failed(command) ||
            (wants_registers && command->target->spec.drive.registers != SIMULATOR_REGISTERS_NONE))
                fail_with_registers(command);
}

/* Only what moves nothing, and what moves whole sectors in, as many as the count says. */
static void run_sat(SimulatedCommand *command, const SimulatedAtaCommand *ata) {
        uint8_t protocol = command->cdb[1] >> 1 & 0x0F, flags = command->cdb[2] & 0x0F;
        size_t size;

        if (protocol != SAT_PROTOCOL_NO_DATA &&
            (protocol != SAT_PROTOCOL_PIO_IN ||
             flags != (SAT_DIRECTION_IN | SAT_BLOCKS | SAT_LENGTH_COUNT))) {
                simulated_command_fail(command, SIMULATED_SENSE_INVALID_FIELD);
                return;
        }
        size = run_ata(command, ata);
        if (protocol == SAT_PROTOCOL_PIO_IN && size > 0)
                send_data(command, size, (uint64_t) ata->count * SECTOR);
        command->finish = finish_sat;
}

void simulated_bridge_sat_16(SimulatedCommand *command) {
        const uint8_t *cdb = command->cdb;
        bool is_extended = cdb[1] & 0x01;
        SimulatedAtaCommand ata = {
                .features = is_extended ? get_be16(cdb + 3) : cdb[4],
                .count = is_extended ? get_be16(cdb + 5) : cdb[6],
                .lba = cdb[8] | (uint64_t) cdb[10] << 8 | (uint64_t) cdb[12] << 16,
                .device = cdb[13],
                .command = cdb[14],
        };

        if (!has_bridge(command, SIMULATOR_BRIDGE_SAT))
                return;
        if (is_extended)
                ata.lba |= (uint64_t) cdb[7] << 24 | (uint64_t) cdb[9] << 32 |
                           (uint64_t) cdb[11] << 40;
        run_sat(command, &ata);
}

static void sat_12(SimulatedCommand *command) {
        const uint8_t *cdb = command->cdb;

        run_sat(command,
                &(SimulatedAtaCommand){
                                .features = cdb[3],
                                .count = cdb[4],
                                .lba = cdb[5] | (uint64_t) cdb[6] << 8 | (uint64_t) cdb[7] << 16,
                                .device = cdb[8],
                                .command = cdb[9],
                });
}

/* JMicron for ATA. One drive, at the first port. */

static void jmicron_read_register(SimulatedCommand *command) {
        uint8_t *byte;

        if (get_be16(command->cdb + 6) != JMICRON_PORTS) {
                simulated_command_fail(command, SIMULATED_SENSE_INVALID_FIELD);
                return;
        }
        byte = simulated_command_respond(command, 1, get_be16(command->cdb + 3));
        byte[0] = JMICRON_FIRST_PORT;
}

/* The upper byte of the LBA stands for all registers. */
static void jmicron_smart_status(SimulatedCommand *command) {
        uint8_t high = (uint8_t) (get_drive(command)->taskfile.lba >> 16);

        simulated_command_respond(command, 1, get_be16(command->cdb + 3))[0] = high;
}

void simulated_bridge_jmicron(SimulatedCommand *command) {
        const uint8_t *cdb = command->cdb;
        SimulatedAtaCommand ata = {
                .features = cdb[5],
                .count = cdb[6],
                .lba = cdb[7] | (uint64_t) cdb[8] << 8 | (uint64_t) cdb[9] << 16,
                .device = cdb[10],
                .command = cdb[11],
        };
        size_t size;

        if (!has_bridge(command, SIMULATOR_BRIDGE_JMICRON))
                return;
        if (cdb[11] == JMICRON_READ_REGISTER) {
                jmicron_read_register(command);
                return;
        }
        if (cdb[10] & JMICRON_SECOND_PORT_DEVICE) {
                simulated_command_fail(command, SIMULATED_SENSE_INVALID_FIELD);
                return;
        }
        size = run_ata(command, &ata);
        if (has_failed(command))
                simulated_command_fail(command, SIMULATED_SENSE(0xB, 0x00, 0x00));
        else if (ata.command == 0xB0 && ata.features == 0xDA)
                jmicron_smart_status(command);
        else if (size > 0)
                send_data(command, size, get_be16(cdb + 3));
}

/* Bytes as the registers of old lie: after Sunplus' and Cypress' ways to read them. */
static void respond_with_registers(SimulatedCommand *command) {
        SimulatedTaskfile taskfile = get_drive(command)->taskfile;
        uint8_t *bytes = simulated_command_respond(command, 8, 8);

        bytes[0] = taskfile.status;
        bytes[1] = taskfile.error;
        bytes[2] = (uint8_t) taskfile.count;
        bytes[3] = (uint8_t) taskfile.lba;
        bytes[4] = (uint8_t) (taskfile.lba >> 8);
        bytes[5] = (uint8_t) (taskfile.lba >> 16);
        bytes[6] = taskfile.device;
        bytes[7] = taskfile.status;
}

/* Sunplus */

static void sunplus_preset(SimulatedCommand *command) {
        const uint8_t *cdb = command->cdb;

        get_drive(command)->upper = (SimulatedTaskfile){
                .error = cdb[5], /* features */
                .count = cdb[6],
                .lba = cdb[7] | (uint64_t) cdb[8] << 8 | (uint64_t) cdb[9] << 16,
        };
}

static void sunplus_command(SimulatedCommand *command) {
        SimulatedDrive *drive = get_drive(command);
        const uint8_t *cdb = command->cdb;
        size_t size = run_ata(
                        command,
                        &(SimulatedAtaCommand){
                                        .features = (uint16_t) (drive->upper.error << 8 | cdb[5]),
                                        .count = (uint16_t) (drive->upper.count << 8 | cdb[6]),
                                        .lba = cdb[7] | (uint64_t) cdb[8] << 8 |
                                               (uint64_t) cdb[9] << 16 | drive->upper.lba << 24,
                                        .device = cdb[10],
                                        .command = cdb[11],
                        });

        drive->upper = (SimulatedTaskfile){ 0 };
        if (has_failed(command))
                simulated_command_fail(command, SIMULATED_SENSE_READ_ERROR);
        else if (size > 0 && cdb[3] == 0x10)
                send_data(command, size, (uint64_t) cdb[4] * SECTOR);
}

void simulated_bridge_sunplus(SimulatedCommand *command) {
        if (!has_bridge(command, SIMULATOR_BRIDGE_SUNPLUS))
                return;
        switch (command->cdb[2]) {
        case 0x21:
                respond_with_registers(command);
                return;
        case 0x22:
                sunplus_command(command);
                return;
        case 0x23:
                sunplus_preset(command);
                return;
        default: /* of the host */
                simulated_command_fail(command, SIMULATED_SENSE_INVALID_FIELD);
                return;
        }
}

/* Cypress' ATACB: the signature twice, then which registers are set. */
void simulated_bridge_cypress(SimulatedCommand *command) {
        const uint8_t *cdb = command->cdb;
        size_t size;

        if (!has_bridge(command, SIMULATOR_BRIDGE_CYPRESS))
                return;
        if (cdb[1] != 0x24) {
                simulated_command_fail(command, SIMULATED_SENSE_INVALID_FIELD);
                return;
        }
        if (cdb[2] & 0x01) {
                respond_with_registers(command);
                return;
        }
        size = run_ata(command, &(SimulatedAtaCommand){
                                                .features = cdb[6],
                                                .count = cdb[7],
                                                .lba = cdb[8] | (uint64_t) cdb[9] << 8 |
                                                       (uint64_t) cdb[10] << 16,
                                                .command = cdb[12],
                                });
        if (has_failed(command))
                simulated_command_fail(command, SIMULATED_SENSE(0xB, 0x00, 0x00));
        else if (size > 0)
                send_data(command, size, SECTOR);
}

/* Prolific: its vendor id stands in each command. */

static bool is_prolific(SimulatedCommand *command) {
        if (!has_bridge(command, SIMULATOR_BRIDGE_PROLIFIC))
                return false;
        if (get_be16(command->cdb + 4) == VENDOR_PROLIFIC)
                return true;
        simulated_command_fail(command, SIMULATED_SENSE_INVALID_FIELD);
        return false;
}

void simulated_bridge_prolific(SimulatedCommand *command) {
        const uint8_t *cdb = command->cdb;
        size_t size;

        if (!is_prolific(command))
                return;
        size = run_ata(command, &(SimulatedAtaCommand){
                                                .features = cdb[3],
                                                .count = cdb[10],
                                                .lba = cdb[11] | (uint64_t) cdb[12] << 8 |
                                                       (uint64_t) cdb[13] << 16,
                                                .device = cdb[14],
                                                .command = cdb[15],
                                });
        if (has_failed(command))
                simulated_command_fail(command, SIMULATED_SENSE(0xB, 0x00, 0x00));
        else if (size > 0)
                send_data(command, size, get_be32(cdb + 6));
}

void simulated_bridge_prolific_registers(SimulatedCommand *command) {
        SimulatedTaskfile taskfile;
        uint8_t *bytes;

        if (!is_prolific(command))
                return;
        taskfile = get_drive(command)->taskfile;
        bytes = simulated_command_respond(command, 16, 16);
        bytes[0] = taskfile.status;
        bytes[1] = taskfile.error;
        bytes[2] = (uint8_t) taskfile.count;
        bytes[4] = (uint8_t) taskfile.lba;
        bytes[6] = (uint8_t) (taskfile.lba >> 8);
        bytes[8] = (uint8_t) (taskfile.lba >> 16);
        bytes[10] = taskfile.device;
}

/* NVMe */

static uint16_t run_nvme(SimulatedCommand *command, const SimulatedNvmeCommand *nvme) {
        static_assert(sizeof(command->buffer) >= SIMULATED_NVME_DATA_SIZE_MAX, "it fits");
        return simulated_nvme_run(get_drive(command), &command->target->spec,
                                  simulated_medium_get_size(command->lun->medium), nvme,
                                  command->buffer);
}

static void jmicron_nvme_take(SimulatedCommand *command) {
        SimulatedDrive *drive = get_drive(command);

        if (memcmp(command->buffer, NVME_SIGNATURE, 4) != 0) {
                simulated_command_fail(command, SIMULATED_SENSE_INVALID_PARAMETER);
                return;
        }
        memcpy(drive->nvme_command, command->buffer + 8, SIMULATED_NVME_COMMAND_SIZE);
        drive->has_nvme_command = true;
}

static void jmicron_nvme_run(SimulatedCommand *command, bool has_data) {
        SimulatedDrive *drive = get_drive(command);
        const uint8_t *entry = drive->nvme_command;

        if (!drive->has_nvme_command) {
                simulated_command_fail(command, SIMULATED_SENSE(0x5, 0x2C, 0x00));
                return;
        }
        drive->has_nvme_command = false;
        drive->has_nvme_response = true;
        drive->nvme_status = run_nvme(command, &(SimulatedNvmeCommand){
                                                               .opcode = entry[0],
                                                               .nsid = get_le32(entry + 4),
                                                               .cdw10 = get_le32(entry + 40),
                                                               .cdw11 = get_le32(entry + 44),
                                               });
        if (has_data)
                send_data(command, get_be24(command->cdb + 3), SIMULATED_NVME_DATA_SIZE_MAX);
}

/* NVM Express, 4.6: the completion queue entry, behind the signature. */
static void jmicron_nvme_respond(SimulatedCommand *command) {
        SimulatedDrive *drive = get_drive(command);
        uint8_t *bytes;

        if (!drive->has_nvme_response) {
                simulated_command_fail(command, SIMULATED_SENSE(0x5, 0x2C, 0x00));
                return;
        }
        drive->has_nvme_response = false;
        bytes = simulated_command_respond(command, NVME_PARAMETERS_SIZE,
                                          get_be24(command->cdb + 3));
        memcpy(bytes, NVME_SIGNATURE, 4);
        put_le32(bytes + 8 + 12, (uint32_t) drive->nvme_status << 17 | 0x00010001);
}

static void jmicron_nvme(SimulatedCommand *command) {
        switch (command->cdb[1]) {
        case 0x80:
                simulated_command_expect(command, NVME_PARAMETERS_SIZE, jmicron_nvme_take);
                return;
        case 0x81:
                jmicron_nvme_run(command, /* has_data= */ false);
                return;
        case 0x82:
                jmicron_nvme_run(command, /* has_data= */ true);
                return;
        case 0x8F:
                jmicron_nvme_respond(command);
                return;
        default: /* of the host */
                simulated_command_fail(command, SIMULATED_SENSE_INVALID_FIELD);
                return;
        }
}

void simulated_bridge_a1(SimulatedCommand *command) {
        if (command->target->spec.drive.bridge == SIMULATOR_BRIDGE_NVME_JMICRON)
                jmicron_nvme(command);
        else if (has_bridge(command, SIMULATOR_BRIDGE_SAT_12))
                sat_12(command);
}

/* They have only two commands; what the drive refuses fails. */
static bool run_plain_nvme(SimulatedCommand *command, uint8_t opcode, uint32_t cdw10) {
        if (opcode != 0x02 && opcode != 0x06) {
                simulated_command_fail(command, SIMULATED_SENSE_INVALID_FIELD);
                return false;
        }
        if (run_nvme(command, &(SimulatedNvmeCommand){ .opcode = opcode, .cdw10 = cdw10 }) == 0)
                return true;
        simulated_command_fail(command, SIMULATED_SENSE_INVALID_FIELD);
        return false;
}

/* How much is moved follows from the log's size. */
void simulated_bridge_asmedia(SimulatedCommand *command) {
        uint8_t opcode = command->cdb[1];
        uint16_t n_dwords = get_be16(command->cdb + 6);
        size_t size = opcode == 0x06 ? 4096 : 4 * ((size_t) n_dwords + 1);

        if (has_bridge(command, SIMULATOR_BRIDGE_NVME_ASMEDIA) &&
            run_plain_nvme(command, opcode, command->cdb[3] | (uint32_t) n_dwords << 16))
                send_data(command, size, SIMULATED_NVME_DATA_SIZE_MAX);
}

/* Of a log it fetches no more than 512 bytes; the rest is what lay there before. */
void simulated_bridge_realtek(SimulatedCommand *command) {
        uint8_t opcode = command->cdb[3];
        size_t size = get_le16(command->cdb + 1);

        if (!has_bridge(command, SIMULATOR_BRIDGE_NVME_REALTEK) ||
            !run_plain_nvme(command, opcode, command->cdb[4]))
                return;
        if (opcode == 0x02)
                memset(command->buffer + REALTEK_FRESH_SIZE, 0xEE,
                       sizeof(command->buffer) - REALTEK_FRESH_SIZE);
        send_data(command, size, SIMULATED_NVME_DATA_SIZE_MAX);
}
