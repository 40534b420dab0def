/*
 * What to do about an outcome. The sense data that USB disks send is a table, first match first;
 * what a removable medium changes about a rule stands in the rule (SPC-4, "Sense key and additional
 * sense code definitions").
 */

#include "error/error_action.h"

#include "base/macros.h"

#define ANY (-1)

typedef struct ErrorRule {
        int16_t key;
        int16_t asc;  /* ANY, or one */
        int16_t ascq; /* likewise */
        ErrorAction action;
        ErrorAction action_removable;
} ErrorRule;

/* clang-format off */
#define RULE(key, asc, ascq, action) \
        { SCSI_SENSE_KEY_##key, asc, ascq, ERROR_ACTION_##action, ERROR_ACTION_##action }
#define RULE_REMOVABLE(key, asc, ascq, action, action_removable) \
        { SCSI_SENSE_KEY_##key, asc, ascq, ERROR_ACTION_##action, ERROR_ACTION_##action_removable }

static const ErrorRule error_rules[] = {
        /* A failure without a reason: the data is unknown. ATA PASS-THROUGH tells its result so. */
        RULE(NO_SENSE,        ANY,  ANY,  RETRY_NOW),
        RULE(RECOVERED_ERROR, ANY,  ANY,  SUCCEED),

        RULE(NOT_READY,       0x04, 0x00, RETRY_SLOWLY), /* cause not reportable */
        RULE(NOT_READY,       0x04, 0x01, RETRY_LATER), /* becoming ready */
        RULE(NOT_READY,       0x04, 0x02, WAKE),        /* START STOP UNIT required */
        RULE(NOT_READY,       0x04, 0x04, RETRY_LATER), /* format in progress */
        RULE(NOT_READY,       0x04, 0x05, RETRY_LATER), /* rebuild in progress */
        RULE(NOT_READY,       0x04, 0x06, RETRY_LATER), /* recalculation in progress */
        RULE(NOT_READY,       0x04, 0x07, RETRY_LATER), /* operation in progress */
        RULE(NOT_READY,       0x04, 0x08, RETRY_LATER), /* long write in progress */
        RULE(NOT_READY,       0x04, 0x09, RETRY_LATER), /* self-test in progress */
        RULE(NOT_READY,       0x04, 0x0A, RETRY_LATER), /* access state transition */
        RULE(NOT_READY,       0x04, 0x0E, RETRY_LATER), /* security session in progress */
        RULE(NOT_READY,       0x04, 0x11, RETRY_LATER), /* notify (enable spin-up) required */
        RULE(NOT_READY,       0x04, 0x13, RETRY_LATER), /* SA creation in progress */
        RULE(NOT_READY,       0x04, 0x14, RETRY_LATER), /* space allocation in progress */
        RULE(NOT_READY,       0x04, 0x1A, RETRY_LATER), /* start stop unit in progress */
        RULE(NOT_READY,       0x04, 0x1B, RETRY_LATER), /* sanitize in progress */
        RULE(NOT_READY,       0x04, 0x1C, RETRY_LATER), /* additional power not yet granted */
        RULE(NOT_READY,       0x04, 0x1D, RETRY_LATER), /* configuration in progress */
        RULE(NOT_READY,       0x04, 0x24, RETRY_LATER), /* depopulation in progress */
        RULE(NOT_READY,       0x04, 0x25, RETRY_LATER), /* depopulation restoration in progress */
        /* Medium not present. */
        RULE_REMOVABLE(NOT_READY, 0x3A, ANY, FAIL, MEDIUM_CHANGED),
        RULE(NOT_READY,       0x04, ANY,  FAIL),         /* a hand, or a command that we have not */
        RULE(NOT_READY,       0x05, ANY,  RETRY_SLOWLY), /* does not respond to selection */
        RULE(NOT_READY,       0x08, ANY,  RETRY_SLOWLY), /* communication with the drive failed */
        RULE(NOT_READY,       0x3E, 0x00, RETRY_LATER),  /* has not self-configured yet */
        RULE(NOT_READY,       0x4C, ANY,  RETRY_SLOWLY), /* failed self-configuration */
        RULE(NOT_READY,       ANY,  ANY,  FAIL),

        RULE(MEDIUM_ERROR,    0x11, ANY,  FAIL), /* unrecovered read error: the device did retry */
        RULE(MEDIUM_ERROR,    0x13, ANY,  FAIL), /* address mark not found */
        RULE(MEDIUM_ERROR,    0x14, ANY,  FAIL), /* recorded entity not found */
        RULE(MEDIUM_ERROR,    0x30, ANY,  FAIL), /* incompatible medium */
        RULE(MEDIUM_ERROR,    0x31, ANY,  FAIL), /* medium format corrupted */
        RULE(MEDIUM_ERROR,    0x32, ANY,  FAIL), /* no defect spare location available */
        RULE(MEDIUM_ERROR,    0x57, ANY,  FAIL), /* unable to recover table of contents */
        RULE(MEDIUM_ERROR,    0x6F, ANY,  FAIL), /* copy protection */
        RULE(MEDIUM_ERROR,    ANY,  ANY,  RETRY_NOW),

        RULE(HARDWARE_ERROR,  0x32, ANY,  FAIL), /* no defect spare location available */
        RULE(HARDWARE_ERROR,  0x3E, 0x03, FAIL), /* failed its self-test */
        RULE(HARDWARE_ERROR,  0x40, ANY,  FAIL), /* diagnostic failure on a component */
        RULE(HARDWARE_ERROR,  0x5D, ANY,  FAIL), /* failure prediction threshold exceeded */
        /* A bridge whose drive is away for a moment says so, and so does one that is broken. */
        RULE(HARDWARE_ERROR,  ANY,  ANY,  RETRY_SLOWLY),
        RULE(ILLEGAL_REQUEST, ANY,  ANY,  FAIL),

        /* Not ready to ready: somebody may have put another medium in. */
        RULE_REMOVABLE(UNIT_ATTENTION, 0x28, ANY,  RETRY_FREELY, MEDIUM_CHANGED),
        /* Capacity data has changed. */
        RULE_REMOVABLE(UNIT_ATTENTION, 0x2A, 0x09, RETRY_FREELY, MEDIUM_CHANGED),
        /* It went while nobody looked. */
        RULE_REMOVABLE(UNIT_ATTENTION, 0x3A, ANY,  RETRY_FREELY, MEDIUM_CHANGED),
        RULE(UNIT_ATTENTION,  ANY,  ANY,  RETRY_FREELY), /* 29, a reset, among them */

        RULE(DATA_PROTECT,    ANY,  ANY,  FAIL),
        RULE(BLANK_CHECK,     ANY,  ANY,  FAIL),
        RULE(VENDOR_SPECIFIC, ANY,  ANY,  FAIL),
        RULE(COPY_ABORTED,    ANY,  ANY,  FAIL),
        RULE(ABORTED_COMMAND, 0x08, ANY,  RETRY_SLOWLY), /* communication with the drive failed */
        RULE(ABORTED_COMMAND, 0x10, ANY,  FAIL), /* protection information does not match */
        RULE(ABORTED_COMMAND, 0x2E, ANY,  FAIL), /* insufficient time for operation */
        RULE(ABORTED_COMMAND, ANY,  ANY,  RETRY_NOW),
        RULE(RESERVED,        ANY,  ANY,  FAIL),
        RULE(VOLUME_OVERFLOW, ANY,  ANY,  FAIL),
        RULE(MISCOMPARE,      ANY,  ANY,  FAIL),
        RULE(COMPLETED,       ANY,  ANY,  SUCCEED),
};
/* clang-format on */

static bool error_rule_matches(const ErrorRule *rule, const ScsiSense *sense) {
        return rule->key == (int16_t) sense->key && (rule->asc == ANY || rule->asc == sense->asc) &&
               (rule->ascq == ANY || rule->ascq == sense->ascq);
}

static ErrorAction error_action_classify_sense(const ScsiSense *sense, bool is_removable) {
        /* The failure is an earlier command's; this one was not carried out (SPC-4, "Deferred
         * errors"). */
        if (sense->is_deferred)
                return ERROR_ACTION_RETRY_NOW;

        for (size_t i = 0; i < N_ELEMENTS(error_rules); i++)
                if (error_rule_matches(&error_rules[i], sense))
                        return is_removable ? error_rules[i].action_removable
                                            : error_rules[i].action;

        assert_not_reached();
}

ErrorAction error_action_classify(ScsiResult result, const ScsiSense *sense, bool is_removable) {
        switch (result) {
        case SCSI_RESULT_GOOD:
                return ERROR_ACTION_SUCCEED;
        case SCSI_RESULT_CHECK_CONDITION:
                return error_action_classify_sense(sense, is_removable);
        case SCSI_RESULT_BUSY:
                return ERROR_ACTION_RETRY_LATER;
        case SCSI_RESULT_RESERVED: /* SAM-5, "Status": who waits for it may wait for ever */
                return ERROR_ACTION_FAIL;
        case SCSI_RESULT_TRANSPORT_ERROR:
        case SCSI_RESULT_TIMED_OUT:
                return ERROR_ACTION_RECOVER;
        case SCSI_RESULT_INVALID:
        case SCSI_RESULT_NO_MEMORY:
        case SCSI_RESULT_CANCELLED:
                return ERROR_ACTION_FAIL;
        case SCSI_RESULT_GONE:
                return ERROR_ACTION_GONE;
        case _SCSI_RESULT_MAX:
                break;
        }

        assert_not_reached();
}

const char *error_action_to_string(ErrorAction action) {
        switch (action) {
        case ERROR_ACTION_SUCCEED:
                return "succeed";
        case ERROR_ACTION_FAIL:
                return "fail";
        case ERROR_ACTION_RETRY_NOW:
                return "retry now";
        case ERROR_ACTION_RETRY_SLOWLY:
                return "retry slowly";
        case ERROR_ACTION_RETRY_FREELY:
                return "retry freely";
        case ERROR_ACTION_RETRY_LATER:
                return "retry later";
        case ERROR_ACTION_WAKE:
                return "wake";
        case ERROR_ACTION_MEDIUM_CHANGED:
                return "medium changed";
        case ERROR_ACTION_RECOVER:
                return "recover";
        case ERROR_ACTION_GONE:
                return "gone";
        case _ERROR_ACTION_MAX:
                break;
        }

        assert_not_reached();
}
