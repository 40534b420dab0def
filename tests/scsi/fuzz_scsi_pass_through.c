/*
 * Commands from outside: what passes stays within the medium and within its sender's leave. The
 * first bytes are the limits, the rest is the command.
 */

#include <assert.h>
#include <string.h>

#include "base/bytes.h"
#include "scsi/scsi_pass_through.h"

#define HEAD_SIZE 8
#define TRANSFER_SIZE_MAX (1 * MIB)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* READ(10), the one that is told apart here by hand. */
static void check_read(const ScsiPassThrough *command, const ScsiPassThroughLimits *limits) {
        if (command->cdb[0] != SCSI_OPCODE_READ_10)
                return;
        assert(command->cdb_size == 10);
        assert(limits->block_size == 0 ||
               command->data_size == (size_t) get_be16(command->cdb + 7) * limits->block_size);
        assert(limits->n_blocks == 0 ||
               (uint64_t) get_be32(command->cdb + 2) + get_be16(command->cdb + 7) <=
                               limits->n_blocks);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        char reason[SCSI_PASS_THROUGH_REASON_SIZE] = "";
        ScsiPassThroughLimits limits;
        ScsiPassThrough command;
        int r;

        if (size < HEAD_SIZE)
                return 0;
        limits = (ScsiPassThroughLimits){
                .device_type = data[0] % SCSI_DEVICE_TYPES_MAX,
                .danger_max = (ScsiDanger) (data[1] % SCSI_DANGER_BLOCKED),
                .block_size = data[2] & 1 ? 512 : 0,
                .n_blocks = data[2] & 2 ? 1000 : 0,
                .refusals = data[3],
                .transfer_size_max = TRANSFER_SIZE_MAX,
        };
        command = (ScsiPassThrough){
                .cdb = data + HEAD_SIZE,
                .cdb_size = size - HEAD_SIZE,
                .direction = (TransportDirection) (data[4] % 3),
                .data_size = get_be24(data + 5),
        };
        r = scsi_pass_through_check(&command, &limits, reason);
        assert((r < 0) == (reason[0] != '\0'));
        if (r < 0)
                return 0;
        assert(command.cdb_size >= 6 && command.cdb_size <= SCSI_CDB_SIZE_MAX);
        assert(command.data_size <= TRANSFER_SIZE_MAX);
        assert(scsi_pass_through_judge(command.cdb, command.cdb_size, limits.device_type) <=
               limits.danger_max);
        check_read(&command, &limits);
        return 0;
}
