/*
 * The crossing into a ScsiTarget, where commands are checked, and the wait of a task for one.
 */

#include "scsi/scsi_target.h"

typedef struct ScsiTargetWait {
        Future future;
        ScsiTarget *target;   /* borrowed */
        ScsiCommand *command; /* borrowed */
} ScsiTargetWait;

void scsi_target_submit(ScsiTarget *target, ScsiCommand *command) {
        assert(command->done);
        assert(command->deadline_ns > 0);
        assert(command->state == SCSI_COMMAND_STATE_IDLE);
        assert(list_is_empty(&command->node));
        assert(command->request.command_size > 0);
        assert(command->request.command_size <= SCSI_CDB_SIZE_MAX);
        assert((command->request.direction == TRANSPORT_DIRECTION_NONE) ==
               (command->request.size == 0));

        target->ops->submit(target, command);
}

void scsi_target_cancel(ScsiTarget *target, ScsiCommand *command) {
        target->ops->cancel(target, command);
}

static void scsi_target_wait_on_cancel(Future *future) {
        ScsiTargetWait *wait = container_of(future, ScsiTargetWait, future);

        scsi_target_cancel(wait->target, wait->command);
}

static void scsi_target_wait_on_done(ScsiCommand *command) {
        ScsiTargetWait *wait = command->owner;

        future_complete(&wait->future, 0);
}

ScsiResult scsi_target_await(ScsiTarget *target, Task *task, ScsiCommand *command) {
        ScsiTargetWait wait = { .target = target, .command = command };

        future_init(&wait.future, target->loop, scsi_target_wait_on_cancel);
        command->owner = &wait;
        command->done = scsi_target_wait_on_done;
        scsi_target_submit(target, command);
        /* The command's own deadline ends the wait, so that it is told by the command's result. */
        (void) task_await(task, &wait.future, TASK_NEVER);
        command->owner = NULL;

        assert(command->state == SCSI_COMMAND_STATE_IDLE);
        return command->result;
}
