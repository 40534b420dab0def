/* Which command block is meant by which refusal. */

#include "scsi/scsi_refusal.h"

#include "base/macros.h"
#include "scsi/scsi_cdb.h"

#define ANY_ACTION (-1)
#define SERVICE_ACTION_MASK 0x1F

typedef struct RefusedCommand {
        uint8_t opcode;
        int service_action;
        ScsiRefusal refusal;
} RefusedCommand;

static const RefusedCommand refused_commands[] = {
        { SCSI_OPCODE_PREVENT_ALLOW_MEDIUM_REMOVAL, ANY_ACTION, SCSI_REFUSAL_PREVENT_REMOVAL },
        { SCSI_OPCODE_WRITE_SAME_10, ANY_ACTION, SCSI_REFUSAL_WRITE_SAME },
        { SCSI_OPCODE_READ_DISC_INFORMATION, ANY_ACTION, SCSI_REFUSAL_DISC_INFORMATION },
        { SCSI_OPCODE_ATA_PASS_THROUGH_16, ANY_ACTION, SCSI_REFUSAL_ATA },
        { SCSI_OPCODE_WRITE_SAME_16, ANY_ACTION, SCSI_REFUSAL_WRITE_SAME },
        { SCSI_OPCODE_SERVICE_ACTION_IN_16, 0x10, SCSI_REFUSAL_CAPACITY_16 },
        { SCSI_OPCODE_REPORT_LUNS, ANY_ACTION, SCSI_REFUSAL_REPORT_LUNS },
        { SCSI_OPCODE_ATA_PASS_THROUGH_12, ANY_ACTION, SCSI_REFUSAL_ATA },
        { SCSI_OPCODE_MAINTENANCE_IN, 0x0C, SCSI_REFUSAL_OPERATION_CODES },
};

bool scsi_refusal_covers(uint32_t refusals, const uint8_t *cdb) {
        for (size_t i = 0; refusals != 0 && i < N_ELEMENTS(refused_commands); i++) {
                const RefusedCommand *command = &refused_commands[i];

                if (command->opcode != cdb[0] || !(refusals & command->refusal))
                        continue;
                if (command->service_action == ANY_ACTION ||
                    command->service_action == (cdb[1] & SERVICE_ACTION_MASK))
                        return true;
        }
        return false;
}
