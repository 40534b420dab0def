/* The list is short: Luns send one SYNCHRONIZE CACHE at a time. */

#include "scsi/scsi_fence.h"

#include "scsi/scsi_cdb.h"

void scsi_fence_init(ScsiFence *fence) {
        fence->last_sent = 0;
        list_init(&fence->held);
}

void scsi_fence_note_sent(ScsiFence *fence, ScsiCommand *command) {
        command->sent_number = ++fence->last_sent;
}

bool scsi_fence_holds(ScsiFence *fence, ScsiCommand *command, unsigned n_others) {
        uint8_t opcode = command->request.command[0];

        if (n_others == 0 || (opcode != SCSI_OPCODE_SYNCHRONIZE_CACHE_10 &&
                              opcode != SCSI_OPCODE_SYNCHRONIZE_CACHE_16))
                return false;
        command->state = SCSI_COMMAND_STATE_HELD;
        command->fence_number = fence->last_sent;
        command->n_awaited = n_others;
        command->must_repeat = false;
        list_append(&fence->held, &command->node);
        return true;
}

void scsi_fence_note_back(ScsiFence *fence, uint8_t lun, uint64_t sent_number, bool has_status) {
        LIST_FOR_EACH (node, &fence->held) {
                ScsiCommand *command = list_entry(node, ScsiCommand, node);

                if (command->request.lun != lun || sent_number > command->fence_number)
                        continue;
                assert(command->n_awaited > 0);
                command->n_awaited--;
                command->must_repeat |= !has_status;
        }
}

ScsiCommand *scsi_fence_take(ScsiFence *fence) {
        LIST_FOR_EACH (node, &fence->held) {
                ScsiCommand *command = list_entry(node, ScsiCommand, node);

                if (command->n_awaited > 0)
                        continue;
                list_unlink(node);
                return command;
        }
        return NULL;
}
