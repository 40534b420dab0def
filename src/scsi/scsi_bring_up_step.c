/*
 * A step of bring-up as devices make it necessary: UNIT ATTENTION once for each event, "medium may
 * have changed" for seconds, a busy moment, a glitch.
 */

#include "scsi/scsi_bring_up_step.h"

#include <string.h>

#include "base/log.h"

#define BUSY_POLL_NS (500 * NS_PER_MS)

#define TRIES_MAX 3
/* UNIT ATTENTION comes once for each event that the device has to tell. */
#define ATTENTIONS_MAX 10
/* "Medium may have changed" goes on for seconds on slow flash: 5 s in all. */
#define MEDIUM_CHANGES_MAX 25
#define MEDIUM_CHANGE_POLL_NS (200 * NS_PER_MS)

#define ASC_NOT_READY 0x04
#define ASCQ_BECOMING_READY 0x01
#define ASC_MEDIUM_CHANGED 0x28
#define ASC_NO_MEDIUM 0x3A

/* One round: the buffer is clean before, so that what a short answer left out is zero. */
ScsiResult scsi_bring_up_send(ScsiBringUp *bring_up, ScsiBringUpBuild build) {
        ScsiCommand *command = &bring_up->command;
        EventLoop *loop = bring_up->target->loop;
        char text[SCSI_SENSE_TEXT_SIZE];
        ScsiResult result;

        scsi_command_init(command, bring_up->disk.lun,
                          event_loop_now_ns(loop) + bring_up->options.command_timeout_ns);
        command->flags = SCSI_COMMAND_NO_RETRY;
        memset(bring_up->buffer, 0, SCSI_BRING_UP_BUFFER_SIZE);
        build(bring_up);
        result = scsi_target_await(bring_up->target, bring_up->task, command);

        log_device_debug(bring_up->target->name, "LUN %u: %s: %s%s%s", bring_up->disk.lun,
                         scsi_cdb_name(command->request.command, command->request.command_size),
                         scsi_result_to_string(result),
                         result == SCSI_RESULT_CHECK_CONDITION ? ", " : "",
                         result == SCSI_RESULT_CHECK_CONDITION
                                         ? scsi_sense_format(&command->sense, text, sizeof(text))
                                         : "");
        if (result == SCSI_RESULT_CHECK_CONDITION &&
            command->sense.key == SCSI_SENSE_KEY_RECOVERED_ERROR)
                return SCSI_RESULT_GOOD;
        return result;
}

bool scsi_bring_up_failed_with(const ScsiBringUp *bring_up, ScsiSenseKey key) {
        return bring_up->command.result == SCSI_RESULT_CHECK_CONDITION &&
               bring_up->command.sense.key == key;
}

bool scsi_bring_up_has_no_medium(const ScsiBringUp *bring_up) {
        return scsi_bring_up_failed_with(bring_up, SCSI_SENSE_KEY_NOT_READY) &&
               bring_up->command.sense.asc == ASC_NO_MEDIUM;
}

/* One that was ready before, and has lost its power for a moment. */
static bool scsi_bring_up_is_becoming_ready(const ScsiBringUp *bring_up) {
        const ScsiSense *sense = &bring_up->command.sense;

        return scsi_bring_up_failed_with(bring_up, SCSI_SENSE_KEY_NOT_READY) &&
               sense->asc == ASC_NOT_READY && sense->ascq == ASCQ_BECOMING_READY;
}

bool scsi_bring_up_bear(ScsiBringUp *bring_up, ScsiBringUpPatience *patience) {
        const ScsiCommand *command = &bring_up->command;

        if (task_is_cancelled(bring_up->task))
                return false;

        switch (command->result) {
        case SCSI_RESULT_CHECK_CONDITION:
                if (scsi_bring_up_is_becoming_ready(bring_up))
                        return ++patience->n_attentions < ATTENTIONS_MAX &&
                               task_sleep(bring_up->task, BUSY_POLL_NS) >= 0;
                if (command->sense.key != SCSI_SENSE_KEY_UNIT_ATTENTION)
                        return ++patience->n_tries < TRIES_MAX;
                if (command->sense.asc != ASC_MEDIUM_CHANGED)
                        return ++patience->n_attentions < ATTENTIONS_MAX;
                if (++patience->n_medium_changes >= MEDIUM_CHANGES_MAX)
                        return false;
                return task_sleep(bring_up->task, MEDIUM_CHANGE_POLL_NS) >= 0;
        case SCSI_RESULT_BUSY:
                return ++patience->n_attentions < ATTENTIONS_MAX &&
                       task_sleep(bring_up->task, BUSY_POLL_NS) >= 0;
        case SCSI_RESULT_GOOD: /* with an answer that was none */
        case SCSI_RESULT_TRANSPORT_ERROR:
        case SCSI_RESULT_TIMED_OUT:
                return ++patience->n_tries < TRIES_MAX;
        case SCSI_RESULT_RESERVED:
        case SCSI_RESULT_INVALID:
        case SCSI_RESULT_NO_MEMORY:
        case SCSI_RESULT_CANCELLED:
        case SCSI_RESULT_GONE:
                return false;
        case _SCSI_RESULT_MAX:
                break;
        }

        assert_not_reached();
}

ScsiBringUpResult scsi_bring_up_give_up(const ScsiBringUp *bring_up) {
        if (bring_up->command.result == SCSI_RESULT_GONE)
                return SCSI_BRING_UP_RESULT_GONE;
        return scsi_bring_up_has_no_medium(bring_up) ? SCSI_BRING_UP_RESULT_NO_MEDIUM
                                                     : SCSI_BRING_UP_RESULT_FAILED;
}

ScsiBringUpResult scsi_bring_up_require(ScsiBringUp *bring_up, ScsiBringUpBuild build,
                                        size_t size_min) {
        ScsiBringUpPatience patience = { 0 };

        do {
                ScsiResult result = scsi_bring_up_send(bring_up, build);

                if (result == SCSI_RESULT_GOOD && bring_up->command.actual_size >= size_min)
                        return SCSI_BRING_UP_RESULT_READY;
        } while (!scsi_bring_up_has_no_medium(bring_up) && scsi_bring_up_bear(bring_up, &patience));

        return scsi_bring_up_give_up(bring_up);
}

ScsiResult scsi_bring_up_try(ScsiBringUp *bring_up, ScsiBringUpBuild build) {
        ScsiBringUpPatience patience = { 0 };
        ScsiResult result;

        do
                result = scsi_bring_up_send(bring_up, build);
        while (scsi_bring_up_failed_with(bring_up, SCSI_SENSE_KEY_UNIT_ATTENTION) &&
               scsi_bring_up_bear(bring_up, &patience));
        return result;
}

ScsiBringUpResult scsi_bring_up_go_on(const ScsiBringUp *bring_up) {
        if (bring_up->command.result == SCSI_RESULT_GONE)
                return SCSI_BRING_UP_RESULT_GONE;
        if (task_is_cancelled(bring_up->task))
                return SCSI_BRING_UP_RESULT_FAILED;
        return scsi_bring_up_has_no_medium(bring_up) ? SCSI_BRING_UP_RESULT_NO_MEDIUM
                                                     : SCSI_BRING_UP_RESULT_READY;
}

void scsi_bring_up_build_capacity_10(ScsiBringUp *bring_up) {
        scsi_command_read_capacity_10(&bring_up->command, bring_up->buffer);
}

static uint64_t scsi_bring_up_count_blocks(const ScsiBringUp *bring_up) {
        uint64_t n_blocks = bring_up->capacity.last_lba + 1;

        if (n_blocks == 1 || bring_up->is_capacity_of_format)
                return n_blocks;
        switch (bring_up->options.capacity_fix) {
        case SCSI_CAPACITY_FIX_NONE:
                return n_blocks;
        case SCSI_CAPACITY_FIX_ONE_LESS:
                return n_blocks - 1;
        case SCSI_CAPACITY_FIX_ONE_LESS_IF_ODD:
                return n_blocks - n_blocks % 2;
        case _SCSI_CAPACITY_FIX_MAX:
                break;
        }
        assert_not_reached();
}

void scsi_bring_up_take_capacity(ScsiBringUp *bring_up) {
        const ScsiCapacity *capacity = &bring_up->capacity;
        ScsiDisk *disk = &bring_up->disk;
        size_t transfer_size_max = MIN(bring_up->target->transfer_size_max, (size_t) INT32_MAX);

        disk->n_blocks = scsi_bring_up_count_blocks(bring_up);
        disk->block_size = capacity->block_size;
        disk->physical_block_size = capacity->physical_block_size;
        disk->unmapped_reads_zero = capacity->unmapped_reads_zero;
        disk->transfer_size_max =
                        (uint32_t) MAX(ALIGN_DOWN(transfer_size_max, (size_t) disk->block_size),
                                       (size_t) disk->block_size);
}
