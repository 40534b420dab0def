/* What came deferred is kept until a flush of the unit tells it. */

#include "error/error_deferred.h"

static bool error_deferred_is_flush(const ScsiCommand *command) {
        uint8_t opcode = command->request.command[0];

        return opcode == SCSI_OPCODE_SYNCHRONIZE_CACHE_10 ||
               opcode == SCSI_OPCODE_SYNCHRONIZE_CACHE_16;
}

bool error_deferred_note(ErrorDeferred *deferred, const ScsiCommand *command) {
        uint8_t lun = command->request.lun;

        if (command->result != SCSI_RESULT_CHECK_CONDITION || !command->sense.is_deferred ||
            command->sense.key == SCSI_SENSE_KEY_RECOVERED_ERROR)
                return false;

        deferred->luns |= (uint16_t) (1U << lun);
        deferred->sense[lun] = command->sense;
        return true;
}

void error_deferred_apply(ErrorDeferred *deferred, ScsiCommand *command) {
        uint8_t lun = command->request.lun;

        if (!(deferred->luns & (1U << lun)) || !error_deferred_is_flush(command))
                return;
        if (command->result != SCSI_RESULT_GOOD && command->result != SCSI_RESULT_CHECK_CONDITION)
                return;

        deferred->luns &= (uint16_t) ~(1U << lun);
        command->result = SCSI_RESULT_CHECK_CONDITION;
        command->sense = deferred->sense[lun];
}
