/* START STOP UNIT with LOEJ: see scsi_tray.h. */

#include "scsi/scsi_tray.h"

/* For a tray that moves, with a disc that is slowed down before. */
#define TRAY_TIMEOUT_NS (30 * NS_PER_S)
/* UNIT ATTENTION comes once for each event that the device has to tell. */
#define TRAY_TRIES_MAX 5

static ScsiResult scsi_tray_move(Task *task, ScsiTarget *target, ScsiCommand *command, uint8_t lun,
                                 bool is_open) {
        scsi_command_init(command, lun, event_loop_now_ns(target->loop) + TRAY_TIMEOUT_NS);
        scsi_command_start_stop(command, /* start= */ !is_open, /* load_eject= */ true,
                                /* immediate= */ false);
        command->flags = SCSI_COMMAND_NO_RETRY;
        return scsi_target_await(target, task, command);
}

ScsiResult scsi_tray_set_open(Task *task, ScsiTarget *target, uint8_t lun, bool is_open,
                              ScsiSense *ret_sense) {
        ScsiCommand command;
        ScsiResult result;
        unsigned n_tries = 0;

        do
                result = scsi_tray_move(task, target, &command, lun, is_open);
        while (result == SCSI_RESULT_CHECK_CONDITION &&
               command.sense.key == SCSI_SENSE_KEY_UNIT_ATTENTION && ++n_tries < TRAY_TRIES_MAX &&
               !task_is_cancelled(task));

        if (result == SCSI_RESULT_CHECK_CONDITION)
                *ret_sense = command.sense;
        return result;
}
