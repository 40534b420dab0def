#pragma once

/*
 * ErrorAction
 *
 * The table that says for each outcome of a command what to do about it: a pure function of result
 * and sense.
 */

#include "scsi/scsi_command.h"

typedef enum ErrorAction {
        ERROR_ACTION_SUCCEED,      /* good, or good enough (recovered error) */
        ERROR_ACTION_FAIL,         /* an answer: pass it on */
        ERROR_ACTION_RETRY_NOW,    /* counts against the retries */
        ERROR_ACTION_RETRY_SLOWLY, /* after a pause, longer each time; counts as well */
        ERROR_ACTION_RETRY_FREELY, /* the device asks for it (UNIT ATTENTION after a reset); bounded
                                      by the deadline */
        ERROR_ACTION_RETRY_LATER, /* becoming ready, busy: after a delay, bounded by the deadline */
        ERROR_ACTION_WAKE,        /* START STOP UNIT, then again */
        ERROR_ACTION_MEDIUM_CHANGED, /* tell, then fail */
        ERROR_ACTION_RECOVER, /* the transport is out of step: climb the ladder, then again */
        ERROR_ACTION_GONE,
        _ERROR_ACTION_MAX,
} ErrorAction;

/* `sense` counts for CHECK_CONDITION alone. */
ErrorAction error_action_classify(ScsiResult result, const ScsiSense *sense, bool is_removable);
const char *error_action_to_string(ErrorAction action);
