/*
 * The commands of a disk, from SBC-3. Reads and writes only name their place on the medium here;
 * the bytes move as the transport brings or asks for them.
 */

#include <string.h>

#include "base/bytes.h"
#include "simulator/simulated_disk.h"

/* As many extents as one GET LBA STATUS tells of at most. */
#define LBA_STATUS_DESCRIPTORS_MAX UINT32_C(64)

/* Of a CD, with its headers and its correction (MMC-6, "READ CD command"). */
#define RAW_SECTOR_SIZE 2352

static uint64_t block_size(const SimulatedCommand *command) {
        return command->target->spec.block_size;
}

/* The command's range in blocks, checked; false: failed. */
static bool get_range(SimulatedCommand *command, uint64_t *ret_lba, uint64_t *ret_n_blocks) {
        uint64_t lba, n_blocks, capacity = command->lun->n_blocks;

        if (!simulated_cdb_get_range(command->cdb, &lba, &n_blocks))
                assert_not_reached();
        if (lba > capacity || n_blocks > capacity - lba) {
                simulated_command_fail(command, SIMULATED_SENSE_LBA_OUT_OF_RANGE);
                return false;
        }
        *ret_lba = lba;
        *ret_n_blocks = n_blocks;
        return true;
}

static bool is_six(const SimulatedCommand *command) { return command->cdb[0] >> 5 == 0; }

/* RDPROTECT, WRPROTECT, VRPROTECT: there is no protection information (SBC-3, 4.22). */
static bool wants_protection(const SimulatedCommand *command) {
        return !is_six(command) && command->cdb[1] >> 5 != 0;
}

static void start_transfer(SimulatedCommand *command, SimulatedData data) {
        uint64_t lba, n_blocks;

        if (wants_protection(command)) {
                simulated_command_fail(command, SIMULATED_SENSE_INVALID_FIELD);
                return;
        }
        if (!get_range(command, &lba, &n_blocks))
                return;
        command->data = data;
        command->medium_offset = lba * block_size(command);
        command->data_size = n_blocks * block_size(command);
        command->is_forced = !is_six(command) && command->cdb[1] & 0x08;
}

static void sync_range(SimulatedCommand *command, uint64_t offset, uint64_t size) {
        if (simulated_medium_sync(command->lun->medium, offset, size) < 0)
                simulated_command_fail(command, SIMULATED_SENSE_WRITE_ERROR);
}

static void finish_write(SimulatedCommand *command) {
        if (command->is_forced)
                sync_range(command, command->medium_offset, command->data_size);
}

void simulated_disk_read(SimulatedCommand *command) {
        start_transfer(command, SIMULATED_DATA_READ);
        /* SBC-3, 5.8: what is read with FUA lies on the medium. */
        if (command->is_forced && !command->is_failed && !command->lun->is_protected)
                sync_range(command, command->medium_offset, command->data_size);
}

void simulated_disk_write(SimulatedCommand *command) {
        start_transfer(command, SIMULATED_DATA_WRITE);
        command->finish = finish_write;
}

/* SBC-3, 5.35 and 5.37: BYTCHK 0 reads, 1 compares with the host's data. */
void simulated_disk_verify(SimulatedCommand *command) {
        uint8_t byte_check = command->cdb[1] >> 1 & 0x03;

        if (byte_check > 1) {
                simulated_command_fail(command, SIMULATED_SENSE_INVALID_FIELD);
                return;
        }
        start_transfer(command, SIMULATED_DATA_COMPARE);
        command->is_forced = false;
        if (byte_check == 0) {
                command->data = SIMULATED_DATA_NONE;
                command->data_size = 0;
        }
}

/* SBC-3, 5.26 and 5.27; no blocks: to the end. IMMED changes nothing, as no time passes. */
void simulated_disk_synchronize_cache(SimulatedCommand *command) {
        uint64_t lba, n_blocks;

        if (!get_range(command, &lba, &n_blocks))
                return;
        if (n_blocks == 0)
                n_blocks = command->lun->n_blocks - lba;
        if (!command->lun->is_protected)
                sync_range(command, lba * block_size(command), n_blocks * block_size(command));
}

/* A device that rounds the range the wrong way. */
static void overreach(SimulatedCommand *command, uint64_t *lba, uint64_t *n_blocks) {
        SimulatedTarget *target = command->target;
        SimulatorFaultOccasion occasion;
        const SimulatorFault *fault;
        uint64_t end = *lba + *n_blocks;

        simulated_target_describe(target, command->lun_number, command->cdb, /* has_data= */ true,
                                  &occasion);
        fault = simulator_fault_plan_take(&target->spec.faults, SIMULATOR_FAULT_UNMAP_OVERREACH, 0,
                                          &occasion, &target->random);
        if (!fault)
                return;
        *lba -= MIN(*lba, fault->argument);
        *n_blocks = MIN(end + fault->argument, command->lun->n_blocks) - *lba;
}

static void discard(SimulatedCommand *command, uint64_t lba, uint64_t n_blocks) {
        overreach(command, &lba, &n_blocks);
        if (simulated_medium_discard(command->lun->medium, lba * block_size(command),
                                     n_blocks * block_size(command)) < 0)
                simulated_command_fail(command, SIMULATED_SENSE_WRITE_ERROR);
}

static bool is_zero(const uint8_t *bytes, size_t size) {
        return bytes[0] == 0 && memcmp(bytes, bytes + 1, size - 1) == 0;
}

/* The block is in the buffer. With UNMAP a block of zeroes is the same as none (LBPRZ). */
static void finish_write_same(SimulatedCommand *command) {
        uint64_t lba, n_blocks, size = block_size(command);
        bool may_unmap = command->cdb[1] & 0x08;

        if (!get_range(command, &lba, &n_blocks))
                assert_not_reached(); /* it was checked when the command started */
        if (n_blocks == 0)
                n_blocks = command->lun->n_blocks - lba;
        if (may_unmap && is_zero(command->buffer, size)) {
                discard(command, lba, n_blocks);
                return;
        }
        for (uint64_t i = 0; i < n_blocks && !command->is_failed; i++)
                if (simulated_medium_write(command->lun->medium, (lba + i) * size, command->buffer,
                                           size) < 0)
                        simulated_command_fail(command, SIMULATED_SENSE_WRITE_ERROR);
}

/* SBC-3, 5.43 and 5.44. */
void simulated_disk_write_same(SimulatedCommand *command) {
        bool has_no_data = command->cdb[0] == SIMULATED_OPCODE_WRITE_SAME_16 &&
                           command->cdb[1] & 0x01; /* NDOB: zeroes without a data phase */
        bool may_unmap = command->cdb[1] & 0x08, anchors = command->cdb[1] & 0x10;
        uint64_t lba, n_blocks;

        if (wants_protection(command) || anchors ||
            (may_unmap && !command->target->spec.has_unmap)) {
                simulated_command_fail(command, SIMULATED_SENSE_INVALID_FIELD);
                return;
        }
        if (!get_range(command, &lba, &n_blocks))
                return;
        if (n_blocks == 0)
                n_blocks = command->lun->n_blocks - lba;
        if (n_blocks > SIMULATED_DISK_WRITE_SAME_BLOCKS_MAX) {
                simulated_command_fail(command, SIMULATED_SENSE_INVALID_FIELD);
                return;
        }
        if (!has_no_data) {
                simulated_command_expect(command, block_size(command), finish_write_same);
                return;
        }
        memset(command->buffer, 0, block_size(command));
        command->finish = finish_write_same;
}

/* SBC-3, 5.28: all descriptors are checked before the first is acted upon. */
static void finish_unmap(SimulatedCommand *command) {
        const uint8_t *list = command->buffer;
        uint64_t capacity = command->lun->n_blocks, n_total = 0;

        size_t n = MIN((size_t) get_be16(list + 2), command->data_size - 8) / 16;
        if (n > SIMULATED_DISK_UNMAP_DESCRIPTORS_MAX) {
                simulated_command_fail(command, SIMULATED_SENSE_INVALID_PARAMETER);
                return;
        }
        for (size_t i = 0; i < n; i++) {
                uint64_t lba = get_be64(list + 8 + 16 * i);
                uint32_t n_blocks = get_be32(list + 16 + 16 * i);

                n_total += n_blocks;
                if (lba > capacity || n_blocks > capacity - lba) {
                        simulated_command_fail(command, SIMULATED_SENSE_LBA_OUT_OF_RANGE);
                        return;
                }
        }
        if (n_total > SIMULATED_DISK_UNMAP_BLOCKS_MAX) {
                simulated_command_fail(command, SIMULATED_SENSE_INVALID_PARAMETER);
                return;
        }
        for (size_t i = 0; i < n; i++)
                discard(command, get_be64(list + 8 + 16 * i), get_be32(list + 16 + 16 * i));
}

void simulated_disk_unmap(SimulatedCommand *command) {
        uint16_t size = get_be16(command->cdb + 7);
        bool anchors = command->cdb[1] & 0x01;

        if (!command->target->spec.has_unmap)
                simulated_command_fail(command, SIMULATED_SENSE_INVALID_OPCODE);
        else if (anchors || size > sizeof(command->buffer))
                simulated_command_fail(command, SIMULATED_SENSE_INVALID_FIELD);
        else if (size > 0 && size < 8)
                simulated_command_fail(command, SIMULATED_SENSE_PARAMETER_LENGTH);
        else if (size > 0)
                simulated_command_expect(command, size, finish_unmap);
}

/* SBC-3, 5.15. */
void simulated_disk_read_capacity_10(SimulatedCommand *command) {
        uint64_t last = command->lun->n_blocks - 1;
        uint8_t *bytes = simulated_command_respond(command, 8, 8);

        put_be32(bytes, (uint32_t) MIN(last, (uint64_t) UINT32_MAX));
        put_be32(bytes + 4, (uint32_t) block_size(command));
        switch (command->target->spec.capacity) {
        case SIMULATOR_CAPACITY_TRUE:
                return;
        case SIMULATOR_CAPACITY_RAW:
                put_be32(bytes + 4, RAW_SECTOR_SIZE);
                return;
        case SIMULATOR_CAPACITY_ZERO:
                memset(bytes, 0x00, 8);
                return;
        case SIMULATOR_CAPACITY_ONES:
                memset(bytes, 0xFF, 8);
                return;
        case SIMULATOR_CAPACITY_REFUSED:
                simulated_command_fail(command, SIMULATED_SENSE_INVALID_OPCODE);
                command->data_size = 0;
                return;
        }
        assert_not_reached();
}

/* SBC-3, 5.16. What gets the short form wrong does not know the long one. */
static void read_capacity_16(SimulatedCommand *command) {
        const SimulatorSpec *spec = &command->target->spec;
        uint8_t *bytes;

        if (spec->capacity != SIMULATOR_CAPACITY_TRUE) {
                simulated_command_fail(command, SIMULATED_SENSE_INVALID_OPCODE);
                return;
        }
        bytes = simulated_command_respond(command, 32, get_be32(command->cdb + 10));

        put_be64(bytes, command->lun->n_blocks - 1);
        put_be32(bytes + 8, spec->block_size);
        bytes[13] = (uint8_t) __builtin_ctz(spec->physical_block_size / spec->block_size);
        if (spec->has_unmap)
                bytes[14] = 0x80 | 0x40; /* LBPME, LBPRZ */
}

/* SBC-3, 5.5. */
static void get_lba_status(SimulatedCommand *command) {
        uint64_t lba = get_be64(command->cdb + 2);
        uint32_t allocation_size = get_be32(command->cdb + 10);

        if (lba >= command->lun->n_blocks) {
                simulated_command_fail(command, SIMULATED_SENSE_LBA_OUT_OF_RANGE);
                return;
        }

        size_t n_max = allocation_size < 24 ? 1
                                            : MIN((allocation_size - 8) / 16,
                                                  LBA_STATUS_DESCRIPTORS_MAX);
        uint8_t *bytes = simulated_command_respond(command, 8 + 16 * n_max, allocation_size);
        size_t n = 0;

        for (; n < n_max && lba < command->lun->n_blocks; n++) {
                uint8_t *descriptor = bytes + 8 + 16 * n;
                uint64_t size;
                bool is_mapped;

                simulated_medium_get_status(command->lun->medium, lba * block_size(command),
                                            &is_mapped, &size);
                uint32_t n_blocks =
                                (uint32_t) MIN(size / block_size(command), (uint64_t) UINT32_MAX);
                put_be64(descriptor, lba);
                put_be32(descriptor + 8, n_blocks);
                descriptor[12] = is_mapped ? 0x00 : 0x01;
                lba += n_blocks;
        }
        put_be32(bytes, (uint32_t) (4 + 16 * n));
        command->data_size = MIN(8 + 16 * (uint64_t) n, (uint64_t) allocation_size);
}

void simulated_disk_service_action_in(SimulatedCommand *command) {
        switch (command->cdb[1] & 0x1F) {
        case 0x10:
                read_capacity_16(command);
                return;
        case 0x12:
                get_lba_status(command);
                return;
        default: /* a field of the host, not an enum */
                simulated_command_fail(command, SIMULATED_SENSE_INVALID_FIELD);
                return;
        }
}

static void eject(SimulatedCommand *command) {
        if (!command->target->spec.is_removable)
                simulated_command_fail(command, SIMULATED_SENSE_INVALID_FIELD);
        else if (command->lun->is_prevented)
                simulated_command_fail(command, SIMULATED_SENSE_REMOVAL_PREVENTED);
        else
                simulated_target_eject(command->target, command->lun_number);
}

/* Without IMMED the command takes as long as the unit. */
static void start(SimulatedCommand *command) {
        SimulatorFaultOccasion occasion;
        uint64_t duration_ns;

        simulated_target_describe(command->target, command->lun_number, command->cdb,
                                  /* has_data= */ false, &occasion);
        if (simulator_fault_plan_take(&command->target->spec.faults, SIMULATOR_FAULT_START_STUCK, 0,
                                      &occasion, &command->target->random)) {
                command->lun->ready_at_ns = SIMULATED_NEVER;
                return;
        }
        duration_ns = simulated_target_spin_up(command->target, command->lun_number);
        if (!(command->cdb[1] & 0x01))
                command->delay_ns = duration_ns;
}

static void stop(SimulatedLun *lun, SimulatedMotion motion) {
        simulated_drive_abort_test(&lun->drive);
        lun->motion = motion;
        lun->ready_at_ns = 0;
}

/* SBC-3, table 124: START and LOEJ mean nothing beside one. */
static void set_power_condition(SimulatedCommand *command, uint8_t power_condition) {
        switch (power_condition) {
        case 0x1: /* ACTIVE */
                start(command);
                return;
        case 0x3: /* STANDBY */
                stop(command->lun, SIMULATED_MOTION_STANDBY);
                return;
        case 0x2: /* IDLE: it goes on turning */
        default:  /* a field of the host, not an enum; timers and the like change nothing here */
                return;
        }
}

/* SBC-3, 5.25. A disk that stops, idles or is ejected writes its cache down before. */
void simulated_disk_start_stop_unit(SimulatedCommand *command) {
        bool starts = command->cdb[4] & 0x01, loads = command->cdb[4] & 0x02;
        uint8_t power_condition = command->cdb[4] >> 4;
        SimulatedLun *lun = command->lun;

        if (!command->lun->is_protected && (power_condition != 0 || !starts))
                sync_range(command, 0, simulated_medium_get_size(lun->medium));
        if (command->is_failed)
                return;
        if (power_condition != 0) {
                set_power_condition(command, power_condition);
                return;
        }

        if (loads && starts && command->target->spec.is_removable)
                simulated_target_load(command->target, command->lun_number);
        else if (loads && !starts)
                eject(command);
        if (command->is_failed)
                return;
        if (starts)
                start(command);
        else
                stop(lun, SIMULATED_MOTION_STOPPED);
}
