/*
 * Dispatch of SCSI commands and the movement of their data. One table says which commands there are
 * and what must hold before each may run; what they do is in simulated_primary.c,
 * simulated_disk.c and their like.
 */

#include <string.h>

#include "simulator/simulated_bridge.h"
#include "simulator/simulated_command.h"
#include "simulator/simulated_disk.h"
#include "simulator/simulated_log.h"
#include "simulator/simulated_optical.h"
#include "simulator/simulated_primary.h"
#include "simulator/simulated_ufi.h"

typedef struct CommandTraits {
        void (*start)(SimulatedCommand *command); /* NULL: there is no such command */
        bool passes_attention; /* SPC-4, 5.1: runs in spite of a pending unit attention */
        bool needs_medium;     /* present, started and ready */
        bool writes;
        bool is_for_drive;              /* for what is behind the bridge, past its medium */
        SimulatorFaultKind block_fault; /* STALL, which is no such kind: none */
} CommandTraits;

static bool is_optical(const SimulatedCommand *command) {
        return command->target->spec.type == SIMULATOR_TYPE_OPTICAL;
}

static void start_inquiry(SimulatedCommand *command) {
        if (command->target->spec.command_set == SIMULATOR_COMMAND_SET_UFI)
                simulated_ufi_inquiry(command);
        else
                simulated_primary_inquiry(command);
}

static void start_mode_sense(SimulatedCommand *command) {
        if (command->target->spec.command_set == SIMULATOR_COMMAND_SET_UFI)
                simulated_ufi_mode_sense(command);
        else
                simulated_primary_mode_sense(command);
}

static void start_read_capacity_10(SimulatedCommand *command) {
        if (is_optical(command))
                simulated_optical_read_capacity(command);
        else
                simulated_disk_read_capacity_10(command);
}

static void start_read(SimulatedCommand *command) {
        if (is_optical(command))
                simulated_optical_read(command);
        else
                simulated_disk_read(command);
}

#define READS .needs_medium = true, .block_fault = SIMULATOR_FAULT_MEDIUM_ERROR
#define WRITES .needs_medium = true, .writes = true, .block_fault = SIMULATOR_FAULT_WRITE_ERROR

static const CommandTraits command_traits[256] = {
        [SIMULATED_OPCODE_TEST_UNIT_READY] = { simulated_primary_test_unit_ready,
                                               .needs_medium = true },
        [SIMULATED_OPCODE_REQUEST_SENSE] = { simulated_primary_request_sense,
                                             .passes_attention = true },
        [SIMULATED_OPCODE_INQUIRY] = { start_inquiry, .passes_attention = true },
        [SIMULATED_OPCODE_REPORT_LUNS] = { simulated_primary_report_luns,
                                           .passes_attention = true },
        [SIMULATED_OPCODE_MODE_SENSE_6] = { start_mode_sense },
        [SIMULATED_OPCODE_MODE_SENSE_10] = { start_mode_sense },
        [SIMULATED_OPCODE_PREVENT_ALLOW] = { simulated_primary_prevent_allow },
        [SIMULATED_OPCODE_START_STOP_UNIT] = { simulated_disk_start_stop_unit },
        [SIMULATED_OPCODE_READ_FORMAT_CAPACITIES] = { simulated_ufi_read_format_capacities },
        [SIMULATED_OPCODE_READ_CAPACITY_10] = { start_read_capacity_10, .needs_medium = true },
        [SIMULATED_OPCODE_READ_TOC] = { simulated_optical_read_toc, .needs_medium = true },
        [SIMULATED_OPCODE_GET_CONFIGURATION] = { simulated_optical_get_configuration,
                                                 .passes_attention = true },
        [SIMULATED_OPCODE_GET_EVENT_STATUS_NOTIFICATION] = { simulated_optical_get_event_status,
                                                             .passes_attention = true },
        [SIMULATED_OPCODE_READ_DISC_INFORMATION] = { simulated_optical_read_disc_information,
                                                     .needs_medium = true },
        [SIMULATED_OPCODE_SERVICE_ACTION_IN_16] = { simulated_disk_service_action_in,
                                                    .needs_medium = true },
        [SIMULATED_OPCODE_READ_6] = { simulated_disk_read, READS },
        [SIMULATED_OPCODE_READ_10] = { start_read, READS },
        [SIMULATED_OPCODE_READ_12] = { start_read, READS },
        [SIMULATED_OPCODE_READ_16] = { simulated_disk_read, READS },
        [SIMULATED_OPCODE_VERIFY_10] = { simulated_disk_verify, READS },
        [SIMULATED_OPCODE_VERIFY_16] = { simulated_disk_verify, READS },
        [SIMULATED_OPCODE_WRITE_6] = { simulated_disk_write, WRITES },
        [SIMULATED_OPCODE_WRITE_10] = { simulated_disk_write, WRITES },
        [SIMULATED_OPCODE_WRITE_12] = { simulated_disk_write, WRITES },
        [SIMULATED_OPCODE_WRITE_16] = { simulated_disk_write, WRITES },
        [SIMULATED_OPCODE_WRITE_SAME_10] = { simulated_disk_write_same, WRITES },
        [SIMULATED_OPCODE_WRITE_SAME_16] = { simulated_disk_write_same, WRITES },
        [SIMULATED_OPCODE_UNMAP] = { simulated_disk_unmap, .needs_medium = true, .writes = true },
        [SIMULATED_OPCODE_SYNCHRONIZE_CACHE_10] = { simulated_disk_synchronize_cache,
                                                    .needs_medium = true },
        [SIMULATED_OPCODE_SYNCHRONIZE_CACHE_16] = { simulated_disk_synchronize_cache,
                                                    .needs_medium = true },

        [SIMULATED_OPCODE_LOG_SENSE] = { simulated_log_sense, .is_for_drive = true },
        [SIMULATED_OPCODE_READ_DEFECT_DATA_10] = { simulated_log_read_defects_10,
                                                   .is_for_drive = true },
        [SIMULATED_OPCODE_READ_DEFECT_DATA_12] = { simulated_log_read_defects_12,
                                                   .is_for_drive = true },
        [SIMULATED_OPCODE_SEND_DIAGNOSTIC] = { simulated_log_send_diagnostic,
                                               .is_for_drive = true },
        [SIMULATED_OPCODE_ATA_PASS_THROUGH_16] = { simulated_bridge_sat_16, .is_for_drive = true },
        [SIMULATED_OPCODE_ATA_PASS_THROUGH_12] = { simulated_bridge_a1, .is_for_drive = true },
        [SIMULATED_OPCODE_JMICRON] = { simulated_bridge_jmicron, .is_for_drive = true },
        [SIMULATED_OPCODE_SUNPLUS] = { simulated_bridge_sunplus, .is_for_drive = true },
        [SIMULATED_OPCODE_CYPRESS] = { simulated_bridge_cypress, .is_for_drive = true },
        [SIMULATED_OPCODE_PROLIFIC] = { simulated_bridge_prolific, .is_for_drive = true },
        [SIMULATED_OPCODE_PROLIFIC_REGISTERS] = { simulated_bridge_prolific_registers,
                                                  .is_for_drive = true },
        [SIMULATED_OPCODE_ASMEDIA] = { simulated_bridge_asmedia, .is_for_drive = true },
        [SIMULATED_OPCODE_REALTEK] = { simulated_bridge_realtek, .is_for_drive = true },
};

void simulated_command_fail(SimulatedCommand *command, SimulatedSense sense) {
        if (command->is_failed)
                return;
        command->is_failed = true;
        command->sense = sense;
}

uint8_t *simulated_command_respond(SimulatedCommand *command, size_t size,
                                   uint64_t allocation_size) {
        assert(size <= sizeof(command->buffer));

        memset(command->buffer, 0, size);
        command->data = SIMULATED_DATA_RESPONSE;
        command->data_size = MIN((uint64_t) size, allocation_size);
        return command->buffer;
}

void simulated_command_expect(SimulatedCommand *command, size_t size,
                              void (*finish)(SimulatedCommand *command)) {
        assert(size <= sizeof(command->buffer));

        command->data = SIMULATED_DATA_PARAMETERS;
        command->data_size = size;
        command->finish = finish;
}

SimulatedDirection simulated_command_get_direction(const SimulatedCommand *command) {
        if (command->data_size == 0)
                return SIMULATED_DIRECTION_NONE;

        switch (command->data) {
        case SIMULATED_DATA_NONE:
                return SIMULATED_DIRECTION_NONE;
        case SIMULATED_DATA_RESPONSE:
        case SIMULATED_DATA_READ:
                return SIMULATED_DIRECTION_IN;
        case SIMULATED_DATA_WRITE:
        case SIMULATED_DATA_COMPARE:
        case SIMULATED_DATA_PARAMETERS:
                return SIMULATED_DIRECTION_OUT;
        }

        assert_not_reached();
}

/* Before the command runs, so that it is the first to feel it. */
static void take_device_faults(SimulatedTarget *target, const SimulatorFaultOccasion *occasion) {
        SimulatorFaultPlan *plan = &target->spec.faults;
        const SimulatorFault *fault;

        if (simulator_fault_plan_take(plan, SIMULATOR_FAULT_RESET, 0, occasion, &target->random))
                simulated_target_reset(target, /* loses_cache= */ true);

        fault = simulator_fault_plan_take(plan, SIMULATOR_FAULT_UNIT_ATTENTION, 0, occasion,
                                          &target->random);
        for (size_t i = 0; fault && i < target->spec.n_luns; i++)
                simulated_target_establish_attention(target, i,
                                                     SIMULATED_SENSE(0x6, fault->asc, fault->ascq));

        if (simulator_fault_plan_take(plan, SIMULATOR_FAULT_MEDIUM_CHANGE, 0, occasion,
                                      &target->random))
                for (size_t i = 0; i < target->spec.n_luns; i++)
                        simulated_target_insert_medium(target, i);

        fault = simulator_fault_plan_take(plan, SIMULATOR_FAULT_NOT_READY, 0, occasion,
                                          &target->random);
        if (fault)
                simulated_target_set_not_ready(target, fault->argument);
}

static SimulatedSense missing_medium(const SimulatedCommand *command) {
        if (!is_optical(command))
                return SIMULATED_SENSE_NO_MEDIUM;
        return command->lun->is_tray_open ? SIMULATED_SENSE_TRAY_OPEN : SIMULATED_SENSE_TRAY_CLOSED;
}

/* Whether it has to wait for a START STOP UNIT that is not its own. */
static bool turns(SimulatedCommand *command) {
        SimulatedTarget *target = command->target;
        SimulatedLun *lun = command->lun;

        if (lun->motion == SIMULATED_MOTION_TURNING)
                return true;
        if (lun->motion == SIMULATED_MOTION_STOPPED && !target->spec.starts_by_itself)
                return false;
        /* SBC-3, 4.20: one in standby is ready. */
        if (command->cdb[0] != SIMULATED_OPCODE_TEST_UNIT_READY) {
                command->delay_ns = simulated_target_spin_up(target, command->lun_number);
                lun->ready_at_ns = 0;
        }
        return true;
}

static bool lun_is_ready(SimulatedCommand *command) {
        SimulatedLun *lun = command->lun;

        if (!lun->is_present) {
                simulated_command_fail(command, missing_medium(command));
                return false;
        }
        if (lun->ready_at_ns != 0 && event_loop_now_ns(command->target->loop) < lun->ready_at_ns) {
                simulated_command_fail(command, SIMULATED_SENSE_BECOMING_READY);
                return false;
        }
        lun->ready_at_ns = 0;
        if (!turns(command)) {
                simulated_command_fail(command, SIMULATED_SENSE_START_NEEDED);
                return false;
        }
        if (!lun->is_formatted) {
                simulated_command_fail(command, SIMULATED_SENSE_UNKNOWN_FORMAT);
                return false;
        }
        if (command->cdb[0] != SIMULATED_OPCODE_TEST_UNIT_READY)
                lun->used_at_ns = event_loop_now_ns(command->target->loop) + command->delay_ns;
        return true;
}

static void report_attention(SimulatedCommand *command) {
        SimulatedLun *lun = command->lun;

        simulated_command_fail(command, lun->attentions[0]);
        lun->n_attentions--;
        memmove(lun->attentions, lun->attentions + 1,
                lun->n_attentions * sizeof(lun->attentions[0]));
}

static bool has_command(const SimulatedCommand *command) {
        uint8_t opcode = command->cdb[0];

        if (is_optical(command))
                return simulated_optical_has_command(opcode);
        if (command->target->spec.command_set == SIMULATOR_COMMAND_SET_UFI)
                return simulated_ufi_has_command(opcode);
        return !simulated_optical_is_own(opcode);
}

/* SPC-4, 4.5.6 and 5.1: who hides whom, among the reasons not to run a command. */
static bool may_run(SimulatedCommand *command, const CommandTraits *traits) {
        if (!command->lun) {
                if (command->cdb[0] == SIMULATED_OPCODE_INQUIRY ||
                    command->cdb[0] == SIMULATED_OPCODE_REQUEST_SENSE)
                        return true;
                simulated_command_fail(command, SIMULATED_SENSE_NO_SUCH_LUN);
                return false;
        }
        simulated_target_rest(command->target, command->lun_number);
        if (command->cdb[0] != SIMULATED_OPCODE_REQUEST_SENSE)
                command->lun->sense = (SimulatedSense){ 0 };
        if (command->lun->n_attentions > 0 && !(traits->passes_attention && has_command(command))) {
                report_attention(command);
                return false;
        }
        if (!traits->start || !has_command(command)) {
                simulated_command_fail(command, SIMULATED_SENSE_INVALID_OPCODE);
                return false;
        }
        if (traits->needs_medium && !lun_is_ready(command))
                return false;
        if (traits->writes && command->lun->is_protected) {
                simulated_command_fail(command, SIMULATED_SENSE_WRITE_PROTECTED);
                return false;
        }
        return true;
}

/* SPC-4, 4.5.3: the INFORMATION field, which not all devices get right. */
static void tell_block(SimulatedTarget *target, const SimulatorFaultOccasion *occasion,
                       uint64_t lba, SimulatedSense *sense) {
        SimulatorFaultPlan *plan = &target->spec.faults;
        const SimulatorFault *fault;

        if (simulator_fault_plan_take(plan, SIMULATOR_FAULT_INFORMATION_MISSING, 0, occasion,
                                      &target->random))
                return;
        fault = simulator_fault_plan_take(plan, SIMULATOR_FAULT_INFORMATION_WRONG, 0, occasion,
                                          &target->random);
        sense->has_information = true;
        sense->information = fault ? fault->argument : lba;
}

/* The data ends before the first bad block (when reading) or is thrown away from there on. */
static void take_block_fault(SimulatedCommand *command, SimulatorFaultKind kind,
                             const SimulatorFaultOccasion *occasion) {
        SimulatedTarget *target = command->target;
        uint64_t lba;

        if (command->is_failed ||
            !simulator_fault_plan_find_bad_block(&target->spec.faults, kind, occasion,
                                                 &target->random, &lba))
                return;

        SimulatedSense sense = kind == SIMULATOR_FAULT_MEDIUM_ERROR ? SIMULATED_SENSE_READ_ERROR
                                                                    : SIMULATED_SENSE_WRITE_ERROR;
        tell_block(target, occasion, lba, &sense);
        simulated_command_fail(command, sense);
        if (command->data == SIMULATED_DATA_READ)
                command->data_size = (lba - occasion->lba) * target->spec.block_size;
        else if (command->data == SIMULATED_DATA_WRITE)
                command->n_writable = (lba - occasion->lba) * target->spec.block_size;
}

/* Whether the command is to fail; with `sense`, then. */
static bool take_sense(SimulatedCommand *command, const SimulatorFaultOccasion *occasion) {
        SimulatedTarget *target = command->target;
        SimulatorFaultPlan *plan = &target->spec.faults;
        const SimulatorFault *fault;

        fault = simulator_fault_plan_take(plan, SIMULATOR_FAULT_SENSE, 0, occasion,
                                          &target->random);
        if (fault) {
                command->sense = SIMULATED_SENSE(fault->sense_key, fault->asc, fault->ascq);
                return true;
        }
        fault = simulator_fault_plan_take(plan, SIMULATOR_FAULT_DEFERRED, 0, occasion,
                                          &target->random);
        if (!fault || !command->lun)
                return false;
        command->sense = SIMULATED_SENSE(fault->sense_key, fault->asc, fault->ascq);
        command->sense.is_deferred = true;
        simulated_target_lose_cache(target, command->lun_number);
        return true;
}

/* A command that is none of the drive's own may be one of the drive's all the same. */
static void start_on_drive(SimulatedCommand *command, const CommandTraits *traits) {
        SimulatedDrive *drive = &command->lun->drive;

        if (!traits->is_for_drive && command->cdb[0] != SIMULATED_OPCODE_REQUEST_SENSE)
                simulated_drive_interrupt(drive);
        traits->start(command);
}

static void start(SimulatedCommand *command, const CommandTraits *traits) {
        if (command->lun)
                start_on_drive(command, traits);
        else
                traits->start(command);
}

/* What the device answers with is damaged on its way through it. */
static void take_data_faults(SimulatedCommand *command, const SimulatorFaultOccasion *occasion) {
        SimulatedTarget *target = command->target;
        SimulatorFaultPlan *plan = &target->spec.faults;
        const SimulatorFault *fault;

        if (command->is_failed || command->data != SIMULATED_DATA_RESPONSE ||
            command->data_size == 0)
                return;
        if (simulator_fault_plan_take(plan, SIMULATOR_FAULT_DATA_FLIPPED, 0, occasion,
                                      &target->random))
                command->buffer[command->data_size / 2] ^= 0x01;
        fault = simulator_fault_plan_take(plan, SIMULATOR_FAULT_DATA_FILLED, 0, occasion,
                                          &target->random);
        if (fault)
                memset(command->buffer, (int) fault->argument, command->data_size);
}

static void start_with_faults(SimulatedCommand *command, const CommandTraits *traits) {
        SimulatedTarget *target = command->target;
        SimulatorFaultOccasion occasion;

        simulated_target_describe(target, command->lun_number, command->cdb, /* has_data= */ true,
                                  &occasion);
        take_device_faults(target, &occasion);

        if (take_sense(command, &occasion))
                simulated_command_fail(command, command->sense);
        else if (may_run(command, traits))
                start(command, traits);
        take_data_faults(command, &occasion);

        if (traits->block_fault != SIMULATOR_FAULT_STALL)
                take_block_fault(command, traits->block_fault, &occasion);
}

void simulated_command_start(SimulatedCommand *command, SimulatedTarget *target, uint8_t lun,
                             const uint8_t *cdb) {
        const CommandTraits *traits = &command_traits[cdb[0]];

        command->target = target;
        command->lun = lun < target->spec.n_luns ? &target->luns[lun] : NULL;
        command->lun_number = lun;
        memcpy(command->cdb, cdb, sizeof(command->cdb));
        command->data = SIMULATED_DATA_NONE;
        command->data_size = 0;
        command->n_moved = 0;
        command->n_writable = UINT64_MAX;
        command->delay_ns = 0;
        command->is_forced = false;
        command->is_failed = false;
        command->sense = (SimulatedSense){ 0 };
        command->finish = NULL;

        if (target->spec.faults.n_faults > 0)
                start_with_faults(command, traits);
        else if (may_run(command, traits))
                start(command, traits);

        target->n_commands++;
        target->n_commands_by_opcode[cdb[0]]++;
}

void simulated_command_data_in(SimulatedCommand *command, void *bytes, size_t size) {
        assert(simulated_command_get_direction(command) == SIMULATED_DIRECTION_IN);
        assert(size <= command->data_size - command->n_moved);

        if (command->data == SIMULATED_DATA_RESPONSE) {
                memcpy(bytes, command->buffer + command->n_moved, size);
        } else if (simulated_medium_read(command->lun->medium,
                                         command->medium_offset + command->n_moved, bytes,
                                         size) < 0) {
                memset(bytes, 0, size);
                simulated_command_fail(command, SIMULATED_SENSE_INTERNAL_FAILURE);
        }
        command->n_moved += size;
}

static void write_blocks(SimulatedCommand *command, const uint8_t *bytes, size_t size) {
        if (command->n_moved >= command->n_writable)
                return;
        size = MIN(size, command->n_writable - command->n_moved);
        if (simulated_medium_write(command->lun->medium, command->medium_offset + command->n_moved,
                                   bytes, size) < 0)
                simulated_command_fail(command, SIMULATED_SENSE_INTERNAL_FAILURE);
}

/* Only whole blocks reach the medium, however the host cuts its transfers. */
static size_t write_some(SimulatedCommand *command, const uint8_t *bytes, size_t size) {
        size_t block_size = command->target->spec.block_size;
        size_t n_partial = command->n_moved % block_size;

        if (n_partial == 0 && size >= block_size) {
                size = ALIGN_DOWN(size, block_size);
                write_blocks(command, bytes, size);
                command->n_moved += size;
                return size;
        }

        size = MIN(size, block_size - n_partial);
        memcpy(command->buffer + n_partial, bytes, size);
        command->n_moved += size;
        if (n_partial + size == block_size) {
                command->n_moved -= block_size;
                write_blocks(command, command->buffer, block_size);
                command->n_moved += block_size;
        }
        return size;
}

static size_t compare_some(SimulatedCommand *command, const uint8_t *bytes, size_t size) {
        size = MIN(size, sizeof(command->buffer));
        if (simulated_medium_read(command->lun->medium, command->medium_offset + command->n_moved,
                                  command->buffer, size) < 0)
                simulated_command_fail(command, SIMULATED_SENSE_INTERNAL_FAILURE);
        else if (memcmp(command->buffer, bytes, size) != 0)
                simulated_command_fail(command, SIMULATED_SENSE_MISCOMPARE);
        command->n_moved += size;
        return size;
}

void simulated_command_data_out(SimulatedCommand *command, const void *bytes, size_t size) {
        const uint8_t *from = bytes;

        assert(simulated_command_get_direction(command) == SIMULATED_DIRECTION_OUT);
        assert(size <= command->data_size - command->n_moved);

        if (command->data == SIMULATED_DATA_PARAMETERS) {
                memcpy(command->buffer + command->n_moved, bytes, size);
                command->n_moved += size;
                return;
        }

        while (size > 0) {
                size_t n = command->data == SIMULATED_DATA_WRITE
                                           ? write_some(command, from, size)
                                           : compare_some(command, from, size);
                from += n;
                size -= n;
        }
}

SimulatedStatus simulated_command_finish(SimulatedCommand *command) {
        bool is_complete = command->n_moved == command->data_size;

        if (command->finish && is_complete && !command->is_failed)
                command->finish(command);
        if (!command->is_failed)
                return SIMULATED_STATUS_GOOD;

        if (command->lun)
                command->lun->sense = command->sense;
        return SIMULATED_STATUS_CHECK_CONDITION;
}
