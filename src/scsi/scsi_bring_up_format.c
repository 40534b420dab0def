/*
 * READ FORMAT CAPACITIES, for floppies and for other disks that come out. It tells a medium that was
 * never formatted from one that is broken, and from none.
 */

#include "scsi/scsi_bring_up_format.h"

#include "scsi/scsi_format_capacity.h"

static void scsi_bring_up_format_build(ScsiBringUp *bring_up) {
        scsi_command_read_format_capacities(&bring_up->command, bring_up->buffer,
                                            SCSI_FORMAT_CAPACITY_SIZE);
}

bool scsi_bring_up_format_may_help(const ScsiBringUp *bring_up, ScsiBringUpResult result) {
        if (!bring_up->disk.is_removable)
                return false;

        switch (result) {
        case SCSI_BRING_UP_RESULT_NO_MEDIUM: /* by what was told, not by its sense */
                return !scsi_bring_up_has_no_medium(bring_up);
        case SCSI_BRING_UP_RESULT_UNSUPPORTED:
                return true;
        case SCSI_BRING_UP_RESULT_FAILED:
                return bring_up->command.result == SCSI_RESULT_CHECK_CONDITION &&
                       !task_is_cancelled(bring_up->task);
        case SCSI_BRING_UP_RESULT_READY:
        case SCSI_BRING_UP_RESULT_NO_UNIT:
        case SCSI_BRING_UP_RESULT_GONE:
                return false;
        case _SCSI_BRING_UP_RESULT_MAX:
                break;
        }

        assert_not_reached();
}

/* False: it is no size. */
static bool scsi_bring_up_format_take(ScsiBringUp *bring_up, const ScsiFormatCapacity *format) {
        ScsiCapacity capacity = {
                .block_size = format->block_size,
                .physical_block_size = format->block_size,
        };

        if (format->n_blocks == 0)
                return false;
        capacity.last_lba = format->n_blocks - 1;
        if (!scsi_capacity_is_supported(&capacity))
                return false;

        bring_up->capacity = capacity;
        bring_up->is_capacity_of_format = true;
        return true;
}

ScsiBringUpResult scsi_bring_up_format_ask(ScsiBringUp *bring_up, ScsiBringUpResult result) {
        ScsiBringUpResult end;
        ScsiFormatCapacity format;

        if (scsi_bring_up_try(bring_up, scsi_bring_up_format_build) != SCSI_RESULT_GOOD ||
            scsi_format_capacity_parse(&format, bring_up->buffer, bring_up->command.actual_size) <
                            0) {
                end = scsi_bring_up_go_on(bring_up);
                return end == SCSI_BRING_UP_RESULT_READY ? result : end;
        }

        switch (format.type) {
        case SCSI_FORMAT_CAPACITY_TYPE_UNFORMATTED:
                bring_up->disk.obstacle = "a medium that is not formatted";
                return SCSI_BRING_UP_RESULT_UNSUPPORTED;
        case SCSI_FORMAT_CAPACITY_TYPE_FORMATTED:
                return scsi_bring_up_format_take(bring_up, &format) ? SCSI_BRING_UP_RESULT_READY
                                                                    : result;
        case SCSI_FORMAT_CAPACITY_TYPE_NO_MEDIUM:
                return SCSI_BRING_UP_RESULT_NO_MEDIUM;
        }

        assert_not_reached();
}
