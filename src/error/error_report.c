/* What the recovery of the device itself has told is not told again. */

#include "error/error_report.h"

#include <stdio.h>

#include "base/log.h"

/* What belongs to a device's daily life. */
static bool is_news(const ScsiSense *sense) {
        switch (sense->key) {
        case SCSI_SENSE_KEY_RECOVERED_ERROR:
        case SCSI_SENSE_KEY_NOT_READY:
        case SCSI_SENSE_KEY_ILLEGAL_REQUEST:
        case SCSI_SENSE_KEY_UNIT_ATTENTION:
        case SCSI_SENSE_KEY_COMPLETED:
                return false;
        case SCSI_SENSE_KEY_NO_SENSE:
        case SCSI_SENSE_KEY_MEDIUM_ERROR:
        case SCSI_SENSE_KEY_HARDWARE_ERROR:
        case SCSI_SENSE_KEY_DATA_PROTECT:
        case SCSI_SENSE_KEY_BLANK_CHECK:
        case SCSI_SENSE_KEY_VENDOR_SPECIFIC:
        case SCSI_SENSE_KEY_COPY_ABORTED:
        case SCSI_SENSE_KEY_ABORTED_COMMAND:
        case SCSI_SENSE_KEY_RESERVED:
        case SCSI_SENSE_KEY_VOLUME_OVERFLOW:
        case SCSI_SENSE_KEY_MISCOMPARE:
                return true;
        case _SCSI_SENSE_KEY_MAX:
                break;
        }

        assert_not_reached();
}

/* What the last try that failed said; NULL: that is told elsewhere. */
static const char *error_report_words(const ScsiCommand *command, char *text, size_t size) {
        switch (command->failure) {
        case SCSI_RESULT_GOOD:
                return "less data than was asked for";
        case SCSI_RESULT_CHECK_CONDITION:
                return scsi_sense_format(&command->sense, text, size);
        case SCSI_RESULT_BUSY:
        case SCSI_RESULT_RESERVED:
                return scsi_result_to_string(command->failure);
        case SCSI_RESULT_TRANSPORT_ERROR:
        case SCSI_RESULT_TIMED_OUT:
        case SCSI_RESULT_INVALID:
        case SCSI_RESULT_NO_MEMORY:
        case SCSI_RESULT_CANCELLED:
        case SCSI_RESULT_GONE:
                return NULL;
        case _SCSI_RESULT_MAX:
                break;
        }

        assert_not_reached();
}

static void error_report_log(const ScsiTarget *target, LogLevel level, const ScsiCommand *command,
                             const char *words, const char *outcome) {
        const TransportRequest *request = &command->request;

        log_device_at(level, target->name, "%s to LUN %u: %s%s",
                      scsi_cdb_name(request->command, request->command_size), request->lun, words,
                      outcome);
}

void error_report_end(const ScsiTarget *target, const ScsiCommand *command) {
        unsigned n_tries = command->n_tries + command->n_free_tries + 1;
        char text[SCSI_SENSE_TEXT_SIZE], outcome[48] = "";
        const char *words;
        LogLevel level;

        if (!command->has_failed || (command->flags & SCSI_COMMAND_NO_RETRY))
                return;
        words = error_report_words(command, text, sizeof(text));
        if (!words)
                return;

        level = command->failure == SCSI_RESULT_CHECK_CONDITION && !is_news(&command->sense)
                                ? LOG_LEVEL_DEBUG
                                : LOG_LEVEL_WARNING;
        if (command->result == SCSI_RESULT_GOOD && n_tries > 1)
                snprintf(outcome, sizeof(outcome), "; it succeeded at try %u", n_tries);
        else if (command->result != SCSI_RESULT_GOOD && n_tries > 1)
                snprintf(outcome, sizeof(outcome), "; given up after %u tries", n_tries);
        error_report_log(target, level, command, words, outcome);
}

void error_report_deferred(const ScsiTarget *target, const ScsiCommand *command) {
        char text[SCSI_SENSE_TEXT_SIZE];

        error_report_log(target, LOG_LEVEL_ERROR, command,
                         scsi_sense_format(&command->sense, text, sizeof(text)),
                         "; a write that the device had acknowledged is lost");
}
