/*
 * The ladder of DESIGN section 7, from clearing the halts up to the port reset. A transport skips
 * the steps that it does not know. Resets count against the circuit breaker, as a device that needs
 * them again and again is not helped by them.
 */

#include "error/error_recovery.h"

#include <errno.h>

#include "base/log.h"

/* A device that was just reset answers TEST UNIT READY at once or not at all. */
#define PROBE_TIMEOUT_NS (3 * NS_PER_S)
/* In one climb. */
#define PORT_RESETS_MAX 3
#define PORT_RESET_PAUSE_NS (1 * NS_PER_S)

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

        if (is_reset && error_breaker_is_open(recovery->breaker, event_loop_now_ns(loop)))
                return ERROR_RECOVERY_RESULT_REFUSED;

        recovery->last_step = step;
        r = transport_recover(recovery->transport, task, step, recovery->lun);
        log_device_debug(recovery->target->name, "%s: %s", transport_recovery_to_string(step),
                         r >= 0 ? "done" : "failed");
        if (r != -EOPNOTSUPP)
                recovery->n_steps[step]++;
        if (is_reset && r != -EOPNOTSUPP)
                error_breaker_count(recovery->breaker, event_loop_now_ns(loop));
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

/*
 * A device may need a moment after its reset before it answers, and another reset if that was all.
 */
static ErrorRecoveryResult error_recovery_reset_port(ErrorRecovery *recovery, Task *task) {
        for (unsigned n = 0; n < PORT_RESETS_MAX; n++) {
                ErrorRecoveryResult result;

                if (n > 0 && task_sleep(task, PORT_RESET_PAUSE_NS) < 0)
                        return ERROR_RECOVERY_RESULT_CANCELLED;
                result = error_recovery_step(recovery, task, TRANSPORT_RECOVERY_PORT_RESET);
                if (result != ERROR_RECOVERY_RESULT_EXHAUSTED)
                        return result;
        }
        return ERROR_RECOVERY_RESULT_EXHAUSTED;
}

ErrorRecoveryResult error_recovery_run(ErrorRecovery *recovery, Task *task) {
        for (TransportRecovery step = recovery->first_step; step < TRANSPORT_RECOVERY_PORT_RESET;
             step++) {
                ErrorRecoveryResult result = error_recovery_step(recovery, task, step);

                if (result != ERROR_RECOVERY_RESULT_EXHAUSTED)
                        return result;
        }
        return error_recovery_reset_port(recovery, task);
}
