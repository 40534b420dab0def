/*
 * The ladder of DESIGN section 7, from clearing the halts up to the port reset. A transport skips
 * the steps that it does not know. Resets count against the circuit breaker, as a device that needs
 * them again and again is not helped by them. Where there is another transport, that is tried before
 * the device is given up, and before its clients have waited in vain too often.
 */

#include "error/error_recovery.h"

#include <errno.h>

#include "base/log.h"

/* A device that was just reset answers TEST UNIT READY at once or not at all. */
#define PROBE_TIMEOUT_NS (3 * NS_PER_S)
/* After the one that a climb ends with. */
#define PORT_RESETS_MORE 2
#define PORT_RESET_PAUSE_NS (1 * NS_PER_S)
#define RESETS_PER_MINUTE_DEFAULT 10
#define RESETS_WINDOW_NS (60 * NS_PER_S)
/* With one more within a while the transport is changed. */
#define PORT_RESETS_BORNE 2
#define PORT_RESETS_WINDOW_NS (600 * NS_PER_S)
/* The same of recoveries by any step: a glitch now and then is none of the transport's. */
#define CLIMBS_BORNE 11
#define CLIMBS_WINDOW_NS (3600 * NS_PER_S)

TransportRecovery error_recovery_first_step(ScsiResult result, TransportDirection direction) {
        if (result == SCSI_RESULT_TRANSPORT_ERROR && direction != TRANSPORT_DIRECTION_OUT)
                return TRANSPORT_RECOVERY_CLEAR_HALTS;
        return TRANSPORT_RECOVERY_CLASS_RESET;
}

TransportRecovery error_recovery_next_step(TransportRecovery step) {
        return step < TRANSPORT_RECOVERY_PORT_RESET ? step + 1 : TRANSPORT_RECOVERY_PORT_RESET;
}

/* Whether the unit answers; what it answers does not matter. */
static ErrorRecoveryResult error_recovery_probe(ErrorRecovery *recovery, Task *task) {
        uint64_t now_ns = event_loop_now_ns(recovery->target->loop);
        ScsiCommand command;

        scsi_command_init(&command, recovery->lun, now_ns + PROBE_TIMEOUT_NS);
        command.flags = SCSI_COMMAND_RECOVERY | SCSI_COMMAND_NO_RETRY;
        scsi_command_test_unit_ready(&command);

        switch (scsi_target_await(recovery->target, task, &command)) {
        case SCSI_RESULT_CHECK_CONDITION:
                recovery->has_sense = true;
                recovery->sense = command.sense;
                return ERROR_RECOVERY_RESULT_HELPED;
        case SCSI_RESULT_GOOD:
        case SCSI_RESULT_BUSY:
        case SCSI_RESULT_RESERVED:
                return ERROR_RECOVERY_RESULT_HELPED;
        case SCSI_RESULT_TRANSPORT_ERROR:
        case SCSI_RESULT_TIMED_OUT:
        case SCSI_RESULT_INVALID:
        case SCSI_RESULT_NO_MEMORY:
                return ERROR_RECOVERY_RESULT_EXHAUSTED;
        case SCSI_RESULT_CANCELLED:
                return ERROR_RECOVERY_RESULT_CANCELLED;
        case SCSI_RESULT_GONE:
                return ERROR_RECOVERY_RESULT_GONE;
        case _SCSI_RESULT_MAX:
                break;
        }

        assert_not_reached();
}

static ErrorRecoveryResult error_recovery_step(ErrorRecovery *recovery, Task *task,
                                               TransportRecovery step) {
        bool is_reset = step != TRANSPORT_RECOVERY_CLEAR_HALTS;
        EventLoop *loop = recovery->target->loop;
        int r;

        if (is_reset && error_breaker_is_open(&recovery->resets, event_loop_now_ns(loop)))
                return ERROR_RECOVERY_RESULT_REFUSED;

        recovery->last_step = step;
        r = transport_recover(recovery->transport, task, step, recovery->lun);
        log_device_debug(recovery->target->name, "%s: %s", transport_recovery_to_string(step),
                         r >= 0 ? "done" : "failed");
        if (r != -EOPNOTSUPP)
                recovery->n_steps[step]++;
        if (is_reset && r != -EOPNOTSUPP)
                error_breaker_count(&recovery->resets, event_loop_now_ns(loop));
        if (task_is_cancelled(task))
                return ERROR_RECOVERY_RESULT_CANCELLED;
        if (r == -ENODEV)
                return ERROR_RECOVERY_RESULT_GONE;
        if (r < 0)
                return ERROR_RECOVERY_RESULT_EXHAUSTED;

        if (step == TRANSPORT_RECOVERY_PORT_RESET)
                recovery->was_port_reset = true;
        return error_recovery_probe(recovery, task);
}

static ErrorRecoveryResult error_recovery_climb(ErrorRecovery *recovery, Task *task) {
        ErrorRecoveryResult result = ERROR_RECOVERY_RESULT_EXHAUSTED;

        for (TransportRecovery step = recovery->first_step;
             step < _TRANSPORT_RECOVERY_MAX && result == ERROR_RECOVERY_RESULT_EXHAUSTED; step++)
                result = error_recovery_step(recovery, task, step);
        return result;
}

/*
 * A device may need a moment after its reset before it answers, and another reset if that was all.
 */
static ErrorRecoveryResult error_recovery_insist(ErrorRecovery *recovery, Task *task) {
        ErrorRecoveryResult result = ERROR_RECOVERY_RESULT_EXHAUSTED;

        for (unsigned n = 0; n < PORT_RESETS_MORE && result == ERROR_RECOVERY_RESULT_EXHAUSTED;
             n++) {
                if (task_sleep(task, PORT_RESET_PAUSE_NS) < 0)
                        return ERROR_RECOVERY_RESULT_CANCELLED;
                result = error_recovery_step(recovery, task, TRANSPORT_RECOVERY_PORT_RESET);
        }
        return result;
}

/* Changing the transport */

const char *error_recovery_explain(ErrorRecoveryResult result) {
        switch (result) {
        case ERROR_RECOVERY_RESULT_EXHAUSTED:
                return "not even a port reset helped";
        case ERROR_RECOVERY_RESULT_REFUSED:
                return "too many resets have not helped for long";
        case ERROR_RECOVERY_RESULT_CANCELLED:
                return "its recovery was broken off";
        case ERROR_RECOVERY_RESULT_GONE:
                return "it was unplugged";
        case ERROR_RECOVERY_RESULT_HELPED:
        case _ERROR_RECOVERY_RESULT_MAX:
                break;
        }

        assert_not_reached();
}

/* Why the transport is not worth going on with; NULL: it is. */
static const char *error_recovery_judge(ErrorRecovery *recovery, ErrorRecoveryResult result) {
        uint64_t now_ns = event_loop_now_ns(recovery->target->loop);

        switch (result) {
        case ERROR_RECOVERY_RESULT_HELPED:
                if (error_breaker_is_open(&recovery->climbs, now_ns))
                        return "it needed recovery too often";
                error_breaker_count(&recovery->climbs, now_ns);
                if (!recovery->was_port_reset)
                        return NULL;
                if (error_breaker_is_open(&recovery->port_resets, now_ns))
                        return "it needed a port reset too often";
                error_breaker_count(&recovery->port_resets, now_ns);
                return NULL;
        case ERROR_RECOVERY_RESULT_EXHAUSTED:
        case ERROR_RECOVERY_RESULT_REFUSED:
                return error_recovery_explain(result);
        case ERROR_RECOVERY_RESULT_CANCELLED:
        case ERROR_RECOVERY_RESULT_GONE:
                return NULL;
        case _ERROR_RECOVERY_RESULT_MAX:
                break;
        }

        assert_not_reached();
}

/* False: there is no other. */
static bool error_recovery_change(ErrorRecovery *recovery, Task *task, const char *why,
                                  ErrorRecoveryResult *ret) {
        Transport *transport = NULL;
        int r;

        if (!recovery->change_transport)
                return false;
        r = recovery->change_transport(task, why, &transport, recovery->userdata);
        if (r == -EOPNOTSUPP)
                return false;
        if (r < 0) {
                *ret = r == -ENODEV      ? ERROR_RECOVERY_RESULT_GONE
                       : r == -ECANCELED ? ERROR_RECOVERY_RESULT_CANCELLED
                                         : ERROR_RECOVERY_RESULT_EXHAUSTED;
                return true;
        }

        recovery->transport = transport;
        scsi_processor_set_transport(recovery->processor, transport);
        /* What the old one needed is none of the new one's. */
        error_breaker_init(&recovery->resets, recovery->resets.n_events_max, RESETS_WINDOW_NS);
        recovery->last_step = TRANSPORT_RECOVERY_PORT_RESET;
        recovery->was_port_reset = true;
        recovery->was_changed = true;
        *ret = error_recovery_probe(recovery, task);
        return true;
}

void error_recovery_begin(ErrorRecovery *recovery, uint8_t lun, TransportRecovery first_step,
                          bool is_relapse) {
        recovery->lun = lun;
        recovery->first_step = first_step;
        recovery->is_relapse = is_relapse;
        recovery->was_port_reset = false;
        recovery->was_changed = false;
        recovery->has_sense = false;
}

/* Where there is another transport, its turn comes while there is time left for what failed. */
ErrorRecoveryResult error_recovery_run(ErrorRecovery *recovery, Task *task) {
        ErrorRecoveryResult result = ERROR_RECOVERY_RESULT_EXHAUSTED;
        const char *why = recovery->is_relapse ? "its recovery does not last" : NULL;

        if (!why || !error_recovery_change(recovery, task, why, &result)) {
                result = error_recovery_climb(recovery, task);
                why = error_recovery_judge(recovery, result);
                if (why)
                        (void) error_recovery_change(recovery, task, why, &result);
        }
        if (result == ERROR_RECOVERY_RESULT_EXHAUSTED)
                result = error_recovery_insist(recovery, task);
        return result;
}

void error_recovery_init(ErrorRecovery *recovery, ScsiProcessor *processor, Transport *transport,
                         const ErrorHandlerOptions *options, void *userdata) {
        unsigned n_resets_max = options->n_resets_per_minute_max;

        *recovery = (ErrorRecovery){
                .transport = transport,
                .processor = processor,
                .target = scsi_processor_get_target(processor),
                .change_transport = options->change_transport,
                .userdata = userdata,
        };
        error_breaker_init(&recovery->resets,
                           n_resets_max > 0 ? n_resets_max : RESETS_PER_MINUTE_DEFAULT,
                           RESETS_WINDOW_NS);
        error_breaker_init(&recovery->port_resets, PORT_RESETS_BORNE, PORT_RESETS_WINDOW_NS);
        error_breaker_init(&recovery->climbs, CLIMBS_BORNE, CLIMBS_WINDOW_NS);
}
