/*
 * The checks of a command from outside, in the order in which their answers help most: what it is,
 * whether it may be, and then whether its numbers are right.
 */

#include "scsi/scsi_pass_through.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/bytes.h"
#include "scsi/scsi_ata.h"
#include "scsi/scsi_refusal.h"

#define SIZE_UNKNOWN UINT64_MAX

typedef struct PassThrough {
        const ScsiPassThrough *command;
        const ScsiPassThroughLimits *limits;
        const ScsiCdbInfo *info;
        char *reason;
} PassThrough;

static _printf_(3, 4) int refuse(const PassThrough *pass, int error, const char *format, ...) {
        va_list arguments;

        va_start(arguments, format);
        vsnprintf(pass->reason, SCSI_PASS_THROUGH_REASON_SIZE, format, arguments);
        va_end(arguments);
        return error;
}

static const char *direction_to_string(TransportDirection direction) {
        switch (direction) {
        case TRANSPORT_DIRECTION_NONE:
                return "no data";
        case TRANSPORT_DIRECTION_IN:
                return "data from the device";
        case TRANSPORT_DIRECTION_OUT:
                return "data to the device";
        }
        assert_not_reached();
}

static int check_shape(PassThrough *pass) {
        const ScsiPassThrough *command = pass->command;

        if (command->cdb_size == 0 || command->cdb_size > SCSI_CDB_SIZE_MAX)
                return refuse(pass, -EINVAL, "a command has 1 to %d bytes, not %zu",
                              SCSI_CDB_SIZE_MAX, command->cdb_size);
        if ((command->direction == TRANSPORT_DIRECTION_NONE) != (command->data_size == 0))
                return refuse(pass, -EINVAL, "%s do not go with %zu bytes",
                              direction_to_string(command->direction), command->data_size);
        if (command->data_size > pass->limits->transfer_size_max)
                return refuse(pass, -E2BIG, "%zu bytes are more than the %zu of one command",
                              command->data_size, pass->limits->transfer_size_max);
        return 0;
}

static int check_known(PassThrough *pass) {
        const ScsiPassThrough *command = pass->command;
        const ScsiPassThroughLimits *limits = pass->limits;
        uint8_t padded[SCSI_CDB_SIZE_MAX] = { 0 };
        const ScsiCdbInfo *info;

        info = scsi_cdb_find_for(command->cdb, command->cdb_size, limits->device_type);
        if (info && info->size > 0 && info->size != command->cdb_size)
                return refuse(pass, -EINVAL, "%s has %u bytes, not %zu", info->name, info->size,
                              command->cdb_size);
        if (info) {
                pass->info = info;
                return 0;
        }
        for (size_t i = 0; i < command->cdb_size; i++)
                padded[i] = command->cdb[i];
        info = scsi_cdb_find_for(padded, sizeof(padded), limits->device_type);
        if (info)
                return refuse(pass, -EINVAL, "%s has %u bytes, not %zu", info->name, info->size,
                              command->cdb_size);
        if (scsi_cdb_find(command->cdb, command->cdb_size))
                return refuse(pass, -EOPNOTSUPP, "%s is not for devices of type %02Xh",
                              scsi_cdb_name(command->cdb, command->cdb_size), limits->device_type);
        return refuse(pass, -EOPNOTSUPP, "%s is not known",
                      scsi_cdb_name(command->cdb, command->cdb_size));
}

static int check_danger(PassThrough *pass) {
        const ScsiPassThrough *command = pass->command;
        ScsiDanger danger = scsi_pass_through_judge(command->cdb, command->cdb_size,
                                                    pass->limits->device_type);

        assert(pass->limits->danger_max < SCSI_DANGER_BLOCKED);

        if (danger == SCSI_DANGER_BLOCKED)
                return refuse(pass, -EPERM, "%s is never passed on", pass->info->name);
        if (danger > pass->limits->danger_max)
                return refuse(pass, -EPERM, "%s %s, which is not allowed here", pass->info->name,
                              scsi_danger_to_string(danger));
        if (command->cdb_size >= 2 && scsi_refusal_covers(pass->limits->refusals, command->cdb))
                return refuse(pass, -EOPNOTSUPP, "%s is known to break this device",
                              pass->info->name);
        return 0;
}

/* SBC-3, "VERIFY (10) command": BYTCHK 10b is reserved, and compares nothing we know. */
static uint64_t get_n_verified(const PassThrough *pass, uint64_t n_blocks) {
        switch (pass->command->cdb[1] >> 1 & 0x03) {
        case 0:
                return 0;
        case 1:
                return n_blocks;
        case 3:
                return 1;
        default:
                return SIZE_UNKNOWN;
        }
}

static uint64_t of_blocks(const PassThrough *pass, uint64_t n_blocks) {
        if (n_blocks == SIZE_UNKNOWN || (n_blocks > 0 && pass->limits->block_size == 0))
                return SIZE_UNKNOWN;
        return n_blocks * pass->limits->block_size;
}

/* SBC-3, "WRITE SAME (16) command": with NDOB there is no data. */
static bool has_no_data_out(const uint8_t *cdb) {
        return cdb[0] == SCSI_OPCODE_WRITE_SAME_16 && (cdb[1] & 0x01);
}

/* How many bytes of data the command itself announces. */
static uint64_t get_data_size(const PassThrough *pass) {
        const uint8_t *cdb = pass->command->cdb;
        uint64_t length = scsi_cdb_get_length(pass->info, cdb);

        switch (pass->info->unit) {
        case SCSI_CDB_UNIT_NONE:
                return 0;
        case SCSI_CDB_UNIT_BYTES:
                return length;
        case SCSI_CDB_UNIT_BLOCKS:
                return of_blocks(pass, length);
        case SCSI_CDB_UNIT_EIGHT:
                return 8;
        case SCSI_CDB_UNIT_ONE_BLOCK:
                return of_blocks(pass, has_no_data_out(cdb) ? 0 : 1);
        case SCSI_CDB_UNIT_TWO_TIMES:
                return of_blocks(pass, 2 * length);
        case SCSI_CDB_UNIT_VERIFIED:
                return of_blocks(pass, get_n_verified(pass, length));
        case SCSI_CDB_UNIT_BYTES_OR_512: /* SPC-4, "SECURITY PROTOCOL IN command" */
                return cdb[4] & 0x80 ? length * 512 : length;
        case SCSI_CDB_UNIT_ATA:
                return scsi_ata_get_data_size(cdb, pass->limits->block_size);
        case SCSI_CDB_UNIT_OPEN:
                return SIZE_UNKNOWN;
        case _SCSI_CDB_UNIT_MAX:
                break;
        }
        assert_not_reached();
}

static int check_data(const PassThrough *pass) {
        const ScsiPassThrough *command = pass->command;
        TransportDirection direction = pass->info->direction;
        uint64_t data_size = get_data_size(pass);

        if (pass->info->unit == SCSI_CDB_UNIT_ATA)
                direction = scsi_ata_get_direction(command->cdb);
        if (data_size != SIZE_UNKNOWN && data_size != command->data_size)
                return refuse(pass, -EINVAL, "%s announces %llu bytes, and %zu come with it",
                              pass->info->name, (unsigned long long) data_size, command->data_size);
        if (command->data_size > 0 && command->direction != direction)
                return refuse(pass, -EINVAL, "%s has %s, not %s", pass->info->name,
                              direction_to_string(direction),
                              direction_to_string(command->direction));
        return 0;
}

/* A length in bytes belongs to one block, and so does none; a length of 0 reaches nothing, or to the
 * end. */
static uint64_t get_n_blocks(const PassThrough *pass) {
        if (pass->info->unit == SCSI_CDB_UNIT_BYTES || pass->info->length_size == 0)
                return 1;
        return scsi_cdb_get_length(pass->info, pass->command->cdb);
}

static int check_range(const PassThrough *pass) {
        const ScsiCdbInfo *info = pass->info;
        uint64_t n_blocks = pass->limits->n_blocks;
        uint64_t lba, length;

        if (info->lba_size == 0 || n_blocks == 0)
                return 0;
        lba = scsi_cdb_get_lba(info, pass->command->cdb);
        length = get_n_blocks(pass);
        if (lba <= n_blocks && length <= n_blocks - lba)
                return 0;
        return refuse(pass, -ERANGE, "%s of %llu blocks at %llu goes beyond the medium's %llu",
                      info->name, (unsigned long long) length, (unsigned long long) lba,
                      (unsigned long long) n_blocks);
}

int scsi_pass_through_check(const ScsiPassThrough *command, const ScsiPassThroughLimits *limits,
                            char *reason) {
        PassThrough pass = { .command = command, .limits = limits, .reason = reason };
        int r;

        assert(limits->device_type <= SCSI_DEVICE_TYPE_ANY);

        r = check_shape(&pass);
        if (r < 0)
                return r;
        r = check_known(&pass);
        if (r < 0)
                return r;
        r = check_danger(&pass);
        if (r < 0)
                return r;
        r = check_data(&pass);
        if (r < 0)
                return r;
        return check_range(&pass);
}

ScsiDanger scsi_pass_through_judge(const uint8_t *cdb, size_t cdb_size, uint8_t device_type) {
        const ScsiCdbInfo *info = scsi_cdb_find_for(cdb, cdb_size, device_type);

        if (!info)
                return SCSI_DANGER_BLOCKED;
        return info->unit == SCSI_CDB_UNIT_ATA ? scsi_ata_judge(cdb) : info->danger;
}
