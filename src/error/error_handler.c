/*
 * Between those who send commands and the processor: what comes back is judged by the table, then
 * told, or tried again. While the device is being recovered its processor is paused, so commands
 * that wait for the end of it wait there and run into their deadlines as any queued command does;
 * here wait those that the device asked to be tried later.
 */

#include "error/error_handler.h"

#include <errno.h>
#include <stdio.h>

#include "base/log.h"
#include "error/error_action.h"
#include "error/error_deferred.h"
#include "error/error_recovery.h"
#include "error/error_report.h"
#include "error/error_retry_queue.h"
#include "scsi/scsi_cdb.h"

#define RETRIES_DEFAULT 5
/* UNIT ATTENTIONs that are answered at once; then the device is given time. */
#define FREE_TRIES_MAX 8
/* What breaks the transport so often, and is longer than this, may be worth a shorter try. */
#define LONG_TRIES_MAX 2
#define LONG_SIZE (64 * KIB)
/* What breaks the transport so often is left some tries for another one. */
#define TRANSPORT_TRIES_MAX 4
/* After START STOP UNIT, where the device still wants one right behind the first. */
#define WAKE_DELAY_NS (1 * NS_PER_S)
#define WAKE_TIMEOUT_NS (10 * NS_PER_S)

/* What is under way beside a command that the device did not answer may be answered soon, or hang as
 * well: whoever waits is not to wait for its deadline. */
#define DRAIN_PATIENCE_NS (1 * NS_PER_S)

#define ASC_RESET_OCCURRED 0x29
#define ASC_MEDIUM_CHANGED 0x28
#define ASC_WRITE_PROTECTED 0x27
#define ASC_ASCQ_MODES_CHANGED 0x2A01

struct ErrorHandler {
        ScsiTarget target;
        ScsiProcessor *processor; /* borrowed */
        ScsiTarget *next;         /* borrowed: the processor's */
        ErrorHandlerOptions options;
        ErrorHandlerNotify notify;
        void *userdata; /* borrowed */
        ErrorHandlerState state;
        ErrorHandlerStatistics *statistics; /* borrowed */
        ErrorHandlerStatistics own_statistics;

        size_t n_outstanding; /* accepted and not told */
        ErrorRetryQueue retries;
        ListNode completed; /* ScsiCommand::node; told by `defer` */
        EventDefer defer;

        ErrorRecovery recovery;
        EventTimer patience;          /* with what is still at the transport */
        Task *task;                   /* borrowed; NULL: no recovery runs */
        TransportRecovery least_step; /* where the next climb begins at least */
        uint64_t recovery_began_ns;
        char reason[96]; /* of the recovery, in words */

        ScsiCommand wake; /* START STOP UNIT */
        bool is_waking;

        uint64_t good_ns[SCSI_PROCESSOR_LUNS_MAX]; /* when a command of each LUN last succeeded */
        ScsiSense senses[SCSI_PROCESSOR_LUNS_MAX]; /* the last of each LUN */
        uint16_t luns_sensed;                      /* that have one */
        uint16_t luns_removable;
        uint16_t luns_reset; /* a bit for each whose next UNIT ATTENTION 29 is no news */
        ErrorDeferred deferred;
};

static uint16_t lun_bit(const ScsiCommand *command) {
        return (uint16_t) (1U << command->request.lun);
}

static bool error_handler_is_removable(const ErrorHandler *handler, uint8_t lun) {
        return handler->luns_removable & (1U << lun);
}

static void error_handler_tell(ErrorHandler *handler, ErrorHandlerEvent event, uint8_t lun) {
        if (handler->notify)
                handler->notify(handler, event, lun, handler->userdata);
}

/* Completion */

/* From the loop. The callee may free an idle handler: nothing may touch it afterwards. */
static void error_handler_finish(ErrorHandler *handler, ScsiCommand *command) {
        assert(handler->n_outstanding > 0);

        handler->n_outstanding--;
        error_report_end(&handler->target, command);
        command->state = SCSI_COMMAND_STATE_IDLE;
        command->processor_done = NULL;
        command->processor_owner = NULL;
        command->done(command);
}

/* Told later. */
static void error_handler_complete(ErrorHandler *handler, ScsiCommand *command, ScsiResult result) {
        command->state = SCSI_COMMAND_STATE_COMPLETED;
        command->result = result;
        list_append(&handler->completed, &command->node);
        event_defer_schedule(&handler->defer);
}

static void error_handler_on_defer(EventDefer *defer) {
        ErrorHandler *handler = container_of(defer, ErrorHandler, defer);
        ListNode completed = LIST_INIT(completed);
        ListNode *node;

        list_splice(&completed, &handler->completed);
        while ((node = list_take_first(&completed)))
                error_handler_finish(handler, list_entry(node, ScsiCommand, node));
}

/* Trying again */

static bool error_handler_may_retry(const ErrorHandler *handler, const ScsiCommand *command) {
        if ((command->flags & SCSI_COMMAND_NO_RETRY) || command->is_cancelled)
                return false;
        if (handler->state == ERROR_HANDLER_STATE_FAILED ||
            handler->state == ERROR_HANDLER_STATE_GONE)
                return false;
        return event_loop_now_ns(handler->target.loop) < command->deadline_ns;
}

/* False: it was tried often enough, or its deadline is too near; it ends with what it has. */
static bool error_handler_retry(ErrorHandler *handler, ScsiCommand *command, uint64_t delay_ns) {
        uint64_t retry_ns = event_loop_now_ns(handler->target.loop) + delay_ns;

        if (!error_handler_may_retry(handler, command) || retry_ns >= command->deadline_ns)
                return false;

        handler->statistics->n_retries++;
        handler->statistics->n_lun_retries[command->request.lun]++;
        if (delay_ns > 0)
                error_retry_queue_add(&handler->retries, command, retry_ns);
        else
                scsi_target_submit(handler->next, command);
        return true;
}

static bool error_handler_retry_counted(ErrorHandler *handler, ScsiCommand *command) {
        if (command->n_tries >= handler->options.n_retries_max)
                return false;

        command->n_tries++;
        return error_handler_retry(handler, command, 0);
}

static bool error_handler_retry_slowly(ErrorHandler *handler, ScsiCommand *command) {
        if (command->n_tries >= handler->options.n_retries_max)
                return false;

        command->n_tries++;
        return error_handler_retry(handler, command,
                                   error_retry_queue_get_delay_ns(command->n_tries - 1));
}

static bool error_handler_retry_freely(ErrorHandler *handler, ScsiCommand *command) {
        if (command->n_free_tries >= FREE_TRIES_MAX)
                return error_handler_retry(handler, command,
                                           error_retry_queue_next_delay_ns(command));

        command->n_free_tries++;
        return error_handler_retry(handler, command, 0);
}

/* State */

static const char *error_handler_state_to_string(ErrorHandlerState state) {
        switch (state) {
        case ERROR_HANDLER_STATE_NORMAL:
                return "normal";
        case ERROR_HANDLER_STATE_DRAINING:
                return "draining";
        case ERROR_HANDLER_STATE_RECOVERING:
                return "recovering";
        case ERROR_HANDLER_STATE_FAILED:
                return "failed";
        case ERROR_HANDLER_STATE_GONE:
                return "gone";
        case _ERROR_HANDLER_STATE_MAX:
                break;
        }

        assert_not_reached();
}

/* The end of whatever waits, here and in the processor's queue. */
static void error_handler_end_all(ErrorHandler *handler, ScsiResult result) {
        ScsiCommand *command;

        while ((command = error_retry_queue_take(&handler->retries)))
                error_handler_complete(handler, command, result);
        scsi_processor_fail_all(handler->processor, result);
}

static int error_handler_recovery_main(Task *task, void *userdata) {
        ErrorHandler *handler = userdata;

        return (int) error_recovery_run(&handler->recovery, task);
}

static void error_handler_on_recovered(Task *task, int result, void *userdata);

/* The one place where the state changes and where its work starts. */
static void error_handler_enter(ErrorHandler *handler, ErrorHandlerState state) {
        assert(handler->state != ERROR_HANDLER_STATE_GONE);

        log_device_debug(handler->target.name, "error handler: %s -> %s",
                         error_handler_state_to_string(handler->state),
                         error_handler_state_to_string(state));
        handler->state = state;
        switch (state) {
        case ERROR_HANDLER_STATE_NORMAL:
                scsi_processor_resume(handler->processor);
                return;
        case ERROR_HANDLER_STATE_DRAINING:
                scsi_processor_pause(handler->processor);
                handler->recovery_began_ns = event_loop_now_ns(handler->target.loop);
                event_timer_set(&handler->patience,
                                handler->recovery_began_ns + (handler->recovery.is_relapse
                                                                              ? 0
                                                                              : DRAIN_PATIENCE_NS));
                if (handler->is_waking)
                        scsi_target_cancel(handler->next, &handler->wake);
                return;
        case ERROR_HANDLER_STATE_RECOVERING:
                event_timer_clear(&handler->patience);
                if (task_start(&handler->task, handler->target.loop, "recovery",
                               error_handler_recovery_main, error_handler_on_recovered,
                               handler) < 0)
                        error_handler_enter(handler, ERROR_HANDLER_STATE_FAILED);
                return;
        case ERROR_HANDLER_STATE_FAILED:
                error_handler_end_all(handler, SCSI_RESULT_TRANSPORT_ERROR);
                error_handler_tell(handler, ERROR_HANDLER_EVENT_FAILED, 0);
                return;
        case ERROR_HANDLER_STATE_GONE:
                event_timer_clear(&handler->patience);
                if (handler->task)
                        task_cancel(handler->task);
                error_handler_end_all(handler, SCSI_RESULT_GONE);
                error_handler_tell(handler, ERROR_HANDLER_EVENT_GONE, 0);
                return;
        case _ERROR_HANDLER_STATE_MAX:
                break;
        }

        assert_not_reached();
}

/* Recovery */

static void error_handler_check_drained(ErrorHandler *handler) {
        if (handler->state == ERROR_HANDLER_STATE_DRAINING && !handler->is_waking &&
            scsi_processor_is_drained(handler->processor))
                error_handler_enter(handler, ERROR_HANDLER_STATE_RECOVERING);
}

static void error_handler_on_patience(EventTimer *timer) {
        ErrorHandler *handler = container_of(timer, ErrorHandler, patience);

        if (handler->state == ERROR_HANDLER_STATE_DRAINING)
                scsi_processor_give_up(handler->processor);
}

static const char *error_handler_explain(ScsiResult result) {
        switch (result) {
        case SCSI_RESULT_TIMED_OUT:
                return "was not answered in time";
        case SCSI_RESULT_CANCELLED:
                return "was given up halfway";
        case SCSI_RESULT_TRANSPORT_ERROR:
        case SCSI_RESULT_GOOD:
        case SCSI_RESULT_CHECK_CONDITION:
        case SCSI_RESULT_BUSY:
        case SCSI_RESULT_RESERVED:
        case SCSI_RESULT_INVALID:
        case SCSI_RESULT_NO_MEMORY:
        case SCSI_RESULT_GONE:
                return "was not answered properly";
        case _SCSI_RESULT_MAX:
                break;
        }

        assert_not_reached();
}

/* Whether what failed breaks the transport however often that is recovered. */
static bool error_handler_is_relapse(const ErrorHandler *handler, const ScsiCommand *command) {
        bool was_port_reset = handler->least_step == TRANSPORT_RECOVERY_PORT_RESET &&
                              handler->recovery.last_step == TRANSPORT_RECOVERY_PORT_RESET;

        return was_port_reset || command->n_tries + 1 >= TRANSPORT_TRIES_MAX;
}

static void error_handler_begin_recovery(ErrorHandler *handler, const ScsiCommand *command) {
        const TransportRequest *request = &command->request;
        TransportRecovery step = error_recovery_first_step(command->result, request->direction);

        /* What comes back beside it has a say in how often this has happened. */
        if (handler->state == ERROR_HANDLER_STATE_DRAINING)
                handler->recovery.is_relapse |= error_handler_is_relapse(handler, command);
        if (handler->state != ERROR_HANDLER_STATE_NORMAL)
                return;

        snprintf(handler->reason, sizeof(handler->reason), "%s to LUN %u %s",
                 scsi_cdb_name(request->command, request->command_size), request->lun,
                 error_handler_explain(command->result));
        error_recovery_begin(&handler->recovery, request->lun, MAX(step, handler->least_step),
                             error_handler_is_relapse(handler, command));
        error_handler_enter(handler, ERROR_HANDLER_STATE_DRAINING);
}

/* That was a reset of the whole device: `lun` has told of it, the others will. */
static void error_handler_count_reset(ErrorHandler *handler, uint8_t lun) {
        handler->target.n_resets++;
        handler->luns_reset = (uint16_t) ~(1U << lun);
}

/* What the probe was told is told to nobody else any more. And the status that was lost may have
 * told of a reset: whoever relies on the device's cache must be sure. */
static void error_handler_tell_recovered(ErrorHandler *handler) {
        const ErrorRecovery *recovery = &handler->recovery;
        const ScsiSense *sense = &recovery->sense;
        bool has_attention = recovery->has_sense && sense->key == SCSI_SENSE_KEY_UNIT_ATTENTION;

        /* The unit that was probed has told of it, if it ever does. */
        if (recovery->was_port_reset || (has_attention && sense->asc == ASC_RESET_OCCURRED))
                error_handler_count_reset(handler, recovery->lun);
        error_handler_tell(handler, ERROR_HANDLER_EVENT_RESET, recovery->lun);
        if (has_attention && sense->asc == ASC_MEDIUM_CHANGED &&
            error_handler_is_removable(handler, recovery->lun))
                error_handler_tell(handler, ERROR_HANDLER_EVENT_MEDIUM_CHANGED, recovery->lun);
}

static void error_handler_give_up(ErrorHandler *handler, const char *why) {
        handler->statistics->n_recoveries_failed++;
        log_device_error(handler->target.name, "%s, and %s: giving the device up", handler->reason,
                         why);
        error_handler_enter(handler, ERROR_HANDLER_STATE_FAILED);
}

void error_handler_note_depth(ErrorHandler *handler) {
        scsi_target_take_depth(&handler->target, handler->next);
}

/* The new one starts with a clean slate. */
static void error_handler_note_change(ErrorHandler *handler) {
        handler->statistics->n_transport_changes++;
        error_handler_note_depth(handler);
        handler->least_step = TRANSPORT_RECOVERY_CLEAR_HALTS;
        error_handler_tell(handler, ERROR_HANDLER_EVENT_TRANSPORT_CHANGED, 0);
}

static void error_handler_on_helped(ErrorHandler *handler) {
        TransportRecovery step = handler->recovery.last_step;
        uint64_t duration_ns = event_loop_now_ns(handler->target.loop) - handler->recovery_began_ns;

        handler->statistics->n_recoveries[step]++;
        handler->least_step = error_recovery_next_step(step);
        log_device_error(handler->target.name, "%s: recovered by %s after %llu ms", handler->reason,
                         transport_recovery_to_string(step),
                         (unsigned long long) (duration_ns / NS_PER_MS));
        if (handler->recovery.was_changed)
                error_handler_note_change(handler);
        error_handler_tell_recovered(handler);
        /* Whoever was told may have learned meanwhile that it is gone. */
        if (handler->state == ERROR_HANDLER_STATE_RECOVERING)
                error_handler_enter(handler, ERROR_HANDLER_STATE_NORMAL);
}

static void error_handler_on_recovered(Task *task, int result, void *userdata) {
        ErrorHandler *handler = userdata;

        handler->task = NULL;
        if (handler->state == ERROR_HANDLER_STATE_GONE)
                return;

        assert(handler->state == ERROR_HANDLER_STATE_RECOVERING);

        switch ((ErrorRecoveryResult) result) {
        case ERROR_RECOVERY_RESULT_HELPED:
                error_handler_on_helped(handler);
                return;
        case ERROR_RECOVERY_RESULT_EXHAUSTED:
        case ERROR_RECOVERY_RESULT_REFUSED:
        case ERROR_RECOVERY_RESULT_CANCELLED:
                error_handler_give_up(handler, error_recovery_explain(result));
                return;
        case ERROR_RECOVERY_RESULT_GONE:
                error_handler_enter(handler, ERROR_HANDLER_STATE_GONE);
                return;
        case _ERROR_RECOVERY_RESULT_MAX:
                break;
        }

        assert_not_reached();
}

/* A reset loses the device's cache: if it was not ours, it is news. */
static void error_handler_note_attention(ErrorHandler *handler, const ScsiCommand *command,
                                         const ScsiSense *sense) {
        if (sense->key != SCSI_SENSE_KEY_UNIT_ATTENTION || sense->asc != ASC_RESET_OCCURRED)
                return;

        if (!(handler->luns_reset & lun_bit(command))) {
                error_handler_count_reset(handler, command->request.lun);
                error_handler_tell(handler, ERROR_HANDLER_EVENT_RESET, command->request.lun);
        }
        handler->luns_reset &= (uint16_t) ~lun_bit(command);
}

static void error_handler_note_reset(ErrorHandler *handler, const ScsiCommand *command) {
        if (command->result == SCSI_RESULT_CHECK_CONDITION)
                error_handler_note_attention(handler, command, &command->sense);
}

/* What somebody fetches by a REQUEST SENSE of his own is told to nobody else. */
static void error_handler_note_fetched(ErrorHandler *handler, const ScsiCommand *command) {
        const TransportRequest *request = &command->request;
        ScsiSense sense;

        if (request->command[0] == SCSI_OPCODE_REQUEST_SENSE &&
            scsi_sense_decode(&sense, request->data, command->actual_size) >= 0)
                error_handler_note_attention(handler, command, &sense);
}

/* The sense that could not be read may have told of a reset, and told it to nobody else. */
static void error_handler_note_unexplained(ErrorHandler *handler, const ScsiCommand *command) {
        if (command->result != SCSI_RESULT_CHECK_CONDITION || !command->is_unexplained)
                return;

        handler->target.n_resets++;
        error_handler_tell(handler, ERROR_HANDLER_EVENT_RESET, command->request.lun);
}

/* Whatever else the device had acknowledged and not synchronised is as unsure as after a reset. */
static void error_handler_note_deferred(ErrorHandler *handler, ScsiCommand *command) {
        if (!error_deferred_note(&handler->deferred, command))
                return;

        command->saw_deferred = true;
        error_report_deferred(&handler->target, command);
        error_handler_tell(handler, ERROR_HANDLER_EVENT_RESET, command->request.lun);
}

/* A command that was carried out had no UNIT ATTENTION in its way, so the next one is news; but a
 * few are carried out in spite of one (SPC-4, "Unit attention condition"). */
static void error_handler_note_good(ErrorHandler *handler, const ScsiCommand *command) {
        switch (command->request.command[0]) {
        case SCSI_OPCODE_INQUIRY:
        case SCSI_OPCODE_REPORT_LUNS:
        case SCSI_OPCODE_REQUEST_SENSE:
                return;
        default:
                handler->luns_reset &= (uint16_t) ~lun_bit(command);
        }
}

/* Waking */

static void error_handler_on_wake_done(ScsiCommand *command) {
        ErrorHandler *handler = command->owner;

        handler->is_waking = false;
        error_handler_note_reset(handler, command);
        if (command->result == SCSI_RESULT_GONE)
                error_handler_set_gone(handler);
        else if (command->was_sent && command->result != SCSI_RESULT_GOOD &&
                 command->result != SCSI_RESULT_CHECK_CONDITION &&
                 command->result != SCSI_RESULT_BUSY && command->result != SCSI_RESULT_RESERVED)
                error_handler_begin_recovery(handler, command);
        error_handler_check_drained(handler);
}

/* Immediate, so that the commands that wait for it see "becoming ready" meanwhile. */
static void error_handler_wake(ErrorHandler *handler, uint8_t lun) {
        ScsiCommand *wake = &handler->wake;

        if (handler->is_waking || handler->state != ERROR_HANDLER_STATE_NORMAL)
                return;

        handler->is_waking = true;
        handler->statistics->n_wakes++;
        scsi_command_init(wake, lun, event_loop_now_ns(handler->target.loop) + WAKE_TIMEOUT_NS);
        wake->flags = SCSI_COMMAND_RECOVERY | SCSI_COMMAND_NO_RETRY;
        wake->done = error_handler_on_wake_done;
        wake->owner = handler;
        scsi_command_start_stop(wake, /* start= */ true, /* load_eject= */ false,
                                /* immediate= */ true);
        scsi_target_submit(handler->next, wake);
}

/* Judgement */

/* A success that moved too little is a failure without a reason. */
static bool error_handler_is_short(const ScsiCommand *command) {
        return command->result == SCSI_RESULT_GOOD &&
               command->actual_size < command->actual_size_min;
}

static ErrorAction error_handler_judge(const ErrorHandler *handler, const ScsiCommand *command) {
        if (error_handler_is_short(command))
                return ERROR_ACTION_RETRY_NOW;
        return error_action_classify(command->result, &command->sense,
                                     error_handler_is_removable(handler, command->request.lun));
}

/* Whether what came back says that host and device are out of step. What was never sent says
   nothing about the device. */
static bool error_handler_is_out_of_step(const ScsiCommand *command, ErrorAction action) {
        return command->was_sent &&
               (action == ERROR_ACTION_RECOVER || command->result == SCSI_RESULT_CANCELLED);
}

/* Bridges that break at long transfers, and bad cables, take short ones. */
static bool error_handler_is_too_long(const ErrorHandler *handler, const ScsiCommand *command) {
        return command->was_sent && command->actual_size_min > LONG_SIZE &&
               command->n_tries + 1 >= LONG_TRIES_MAX && error_handler_may_retry(handler, command);
}

/* Whether the command was sent on its way once more. */
static bool error_handler_act(ErrorHandler *handler, ScsiCommand *command, ErrorAction action) {
        switch (action) {
        case ERROR_ACTION_SUCCEED:
                if (!(command->flags & SCSI_COMMAND_NO_RETRY))
                        command->result = SCSI_RESULT_GOOD;
                return false;
        case ERROR_ACTION_FAIL:
        case ERROR_ACTION_GONE:
                return false;
        case ERROR_ACTION_RETRY_NOW:
                return error_handler_retry_counted(handler, command);
        case ERROR_ACTION_RETRY_SLOWLY:
                return error_handler_retry_slowly(handler, command);
        case ERROR_ACTION_RECOVER:
                command->is_too_long = error_handler_is_too_long(handler, command);
                return command->was_sent && !command->is_too_long &&
                       error_handler_retry_counted(handler, command);
        case ERROR_ACTION_RETRY_FREELY:
                return error_handler_retry_freely(handler, command);
        case ERROR_ACTION_WAKE:
                if (error_handler_may_retry(handler, command))
                        error_handler_wake(handler, command->request.lun);
                return error_handler_retry(handler, command,
                                           command->n_free_tries++ == 0 ? 0 : WAKE_DELAY_NS);
        case ERROR_ACTION_RETRY_LATER:
                return error_handler_retry(handler, command,
                                           error_retry_queue_next_delay_ns(command));
        case ERROR_ACTION_MEDIUM_CHANGED:
                if (!(command->flags & SCSI_COMMAND_NO_RETRY))
                        error_handler_tell(handler, ERROR_HANDLER_EVENT_MEDIUM_CHANGED,
                                           command->request.lun);
                return false;
        case _ERROR_ACTION_MAX:
                break;
        }

        assert_not_reached();
}

/* Write protected, or mode parameters changed (SPC-4, "ASC and ASCQ assignments"). */
static void error_handler_note_modes(ErrorHandler *handler, const ScsiCommand *command) {
        const ScsiSense *sense = &command->sense;

        if (command->result != SCSI_RESULT_CHECK_CONDITION ||
            (command->flags & SCSI_COMMAND_NO_RETRY))
                return;
        if ((sense->key == SCSI_SENSE_KEY_DATA_PROTECT && sense->asc == ASC_WRITE_PROTECTED) ||
            (sense->key == SCSI_SENSE_KEY_UNIT_ATTENTION &&
             SCSI_ASC_ASCQ(sense) == ASC_ASCQ_MODES_CHANGED))
                error_handler_tell(handler, ERROR_HANDLER_EVENT_MODES_CHANGED,
                                   command->request.lun);
}

static bool is_same_sense(const ScsiSense *a, const ScsiSense *b) {
        return a->key == b->key && a->asc == b->asc && a->ascq == b->ascq &&
               a->has_information == b->has_information && a->information == b->information;
}

/* Who asks for what a device may lack learns nothing of the device's health. */
static void error_handler_note_sense(ErrorHandler *handler, const ScsiCommand *command) {
        ScsiSense *last = &handler->senses[command->request.lun];
        bool is_known = handler->luns_sensed & lun_bit(command);

        if (command->result != SCSI_RESULT_CHECK_CONDITION ||
            (command->flags & SCSI_COMMAND_ASIDE) ||
            (command->sense.key == SCSI_SENSE_KEY_ILLEGAL_REQUEST &&
             (command->flags & SCSI_COMMAND_NO_RETRY)))
                return;
        if (is_known && is_same_sense(last, &command->sense))
                return;
        *last = command->sense;
        handler->luns_sensed |= lun_bit(command);
        error_handler_tell(handler, ERROR_HANDLER_EVENT_SENSE, command->request.lun);
}

static void error_handler_on_failed(ErrorHandler *handler, ScsiCommand *command) {
        ErrorAction action = error_handler_judge(handler, command);

        command->has_failed = true;
        command->failure = command->result;
        error_handler_note_reset(handler, command);
        error_handler_note_unexplained(handler, command);
        error_handler_note_deferred(handler, command);
        error_handler_note_modes(handler, command);
        error_handler_note_sense(handler, command);
        if (action == ERROR_ACTION_GONE)
                error_handler_set_gone(handler);
        else if (error_handler_is_out_of_step(command, action))
                error_handler_begin_recovery(handler, command);
        error_handler_check_drained(handler);

        if (error_handler_act(handler, command, action))
                return;
        if (handler->state == ERROR_HANDLER_STATE_GONE && command->result != SCSI_RESULT_GOOD)
                command->result = SCSI_RESULT_GONE;
        error_deferred_apply(&handler->deferred, command);
        error_handler_finish(handler, command);
}

/* A bridge answers TEST UNIT READY without its drive. */
static bool error_handler_is_use(const ScsiCommand *command) {
        return !(command->flags & SCSI_COMMAND_ASIDE) &&
               command->request.command[0] != SCSI_OPCODE_TEST_UNIT_READY;
}

static void error_handler_on_processor_done(ScsiCommand *command) {
        ErrorHandler *handler = command->processor_owner;

        if (command->result != SCSI_RESULT_GOOD || error_handler_is_short(command)) {
                error_handler_on_failed(handler, command);
                return;
        }

        if (error_handler_is_use(command))
                handler->good_ns[command->request.lun] = event_loop_now_ns(handler->target.loop);
        error_handler_note_good(handler, command);
        error_handler_note_fetched(handler, command);
        error_deferred_apply(&handler->deferred, command);
        handler->least_step = TRANSPORT_RECOVERY_CLEAR_HALTS;
        error_handler_check_drained(handler);
        error_handler_finish(handler, command);
}

/* The target */

static void error_handler_submit(ScsiTarget *target, ScsiCommand *command) {
        ErrorHandler *handler = container_of(target, ErrorHandler, target);

        handler->n_outstanding++;
        command->n_tries = 0;
        command->n_free_tries = 0;
        command->has_failed = false;
        command->is_too_long = false;
        command->saw_deferred = false;
        command->is_cancelled = false;
        command->was_sent = false;
        /* A READ or WRITE that hangs is worth another try; what may rightly take all of its time is
         * not cut short. */
        command->shares_deadline =
                        command->actual_size_min > 0 && !(command->flags & SCSI_COMMAND_NO_RETRY);
        command->actual_size = 0;
        command->processor_done = error_handler_on_processor_done;
        command->processor_owner = handler;

        if (handler->state == ERROR_HANDLER_STATE_FAILED)
                error_handler_complete(handler, command, SCSI_RESULT_TRANSPORT_ERROR);
        else if (handler->state == ERROR_HANDLER_STATE_GONE)
                error_handler_complete(handler, command, SCSI_RESULT_GONE);
        else
                scsi_target_submit(handler->next, command);
}

static void error_handler_cancel(ScsiTarget *target, ScsiCommand *command) {
        ErrorHandler *handler = container_of(target, ErrorHandler, target);

        command->is_cancelled = true;
        if (command->state != SCSI_COMMAND_STATE_WAITING) {
                scsi_target_cancel(handler->next, command);
                return;
        }

        list_unlink(&command->node);
        error_handler_complete(handler, command, SCSI_RESULT_CANCELLED);
}

ScsiTarget *error_handler_get_target(ErrorHandler *handler) { return &handler->target; }

ErrorHandlerState error_handler_get_state(const ErrorHandler *handler) { return handler->state; }

void error_handler_set_removable(ErrorHandler *handler, uint8_t lun, bool is_removable) {
        uint16_t bit = (uint16_t) (1U << lun);

        assert(lun < SCSI_PROCESSOR_LUNS_MAX);

        handler->luns_removable &= (uint16_t) ~bit;
        if (is_removable)
                handler->luns_removable |= bit;
}

uint64_t error_handler_get_good_ns(const ErrorHandler *handler, uint8_t lun) {
        return handler->good_ns[lun];
}

const ScsiSense *error_handler_get_last_sense(const ErrorHandler *handler, uint8_t lun) {
        return handler->luns_sensed & (1U << lun) ? &handler->senses[lun] : NULL;
}

int error_handler_reset(ErrorHandler *handler, uint8_t lun, TransportRecovery step) {
        switch (handler->state) {
        case ERROR_HANDLER_STATE_NORMAL:
                break;
        case ERROR_HANDLER_STATE_DRAINING:
        case ERROR_HANDLER_STATE_RECOVERING:
                return -EAGAIN;
        case ERROR_HANDLER_STATE_FAILED:
                return -EIO;
        case ERROR_HANDLER_STATE_GONE:
                return -ENODEV;
        case _ERROR_HANDLER_STATE_MAX:
                assert_not_reached();
        }

        snprintf(handler->reason, sizeof(handler->reason), "somebody asked for a reset");
        error_recovery_begin(&handler->recovery, lun, step, /* is_relapse= */ false);
        error_handler_enter(handler, ERROR_HANDLER_STATE_DRAINING);
        error_handler_check_drained(handler);
        return 0;
}

bool error_handler_is_idle(const ErrorHandler *handler) {
        return handler->n_outstanding == 0 && !handler->task && !handler->is_waking &&
               handler->state != ERROR_HANDLER_STATE_DRAINING;
}

void error_handler_set_gone(ErrorHandler *handler) {
        if (handler->state != ERROR_HANDLER_STATE_GONE)
                error_handler_enter(handler, ERROR_HANDLER_STATE_GONE);
}

const ErrorHandlerStatistics *error_handler_get_statistics(const ErrorHandler *handler) {
        return handler->statistics;
}

static const ScsiTargetOps error_handler_ops = {
        .submit = error_handler_submit,
        .cancel = error_handler_cancel,
};

static void error_handler_init(ErrorHandler *handler, ScsiProcessor *processor,
                               Transport *transport, const ErrorHandlerOptions *options,
                               ErrorHandlerNotify notify, void *userdata) {
        handler->processor = processor;
        handler->notify = notify;
        handler->userdata = userdata;
        handler->next = scsi_processor_get_target(processor);
        handler->target = *handler->next;
        handler->target.ops = &error_handler_ops;
        if (options)
                handler->options = *options;
        if (handler->options.n_retries_max == 0)
                handler->options.n_retries_max = RETRIES_DEFAULT;
        handler->statistics = handler->options.statistics ?: &handler->own_statistics;
        error_recovery_init(&handler->recovery, processor, transport, &handler->options,
                            handler->userdata);
        handler->recovery.n_steps = handler->statistics->n_steps;
        handler->luns_removable = handler->options.is_removable ? UINT16_MAX : 0;
        /* Each unit starts with the reset that came with its power. */
        handler->luns_reset = UINT16_MAX;
        list_init(&handler->completed);
        event_defer_init(&handler->defer, handler->target.loop, error_handler_on_defer);
}

int error_handler_new(ErrorHandler **ret, ScsiProcessor *processor, Transport *transport,
                      const ErrorHandlerOptions *options, ErrorHandlerNotify notify,
                      void *userdata) {
        _cleanup_(error_handler_freep) ErrorHandler *handler = NULL;
        int r;

        handler = calloc(1, sizeof(*handler));
        if (!handler)
                return -ENOMEM;
        error_handler_init(handler, processor, transport, options, notify, userdata);
        r = error_retry_queue_init(&handler->retries, handler->next);
        if (r < 0)
                return r;
        r = event_timer_init(&handler->patience, handler->target.loop, error_handler_on_patience);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(handler);
        return 0;
}

ErrorHandler *error_handler_free(ErrorHandler *handler) {
        if (!handler)
                return NULL;

        assert(error_handler_is_idle(handler));

        event_defer_cancel(&handler->defer);
        error_retry_queue_done(&handler->retries);
        if (handler->patience.loop)
                event_timer_done(&handler->patience);
        free(handler);
        return NULL;
}
