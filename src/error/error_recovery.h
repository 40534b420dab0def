#pragma once

/*
 * ErrorRecovery
 *
 * One climb of the ladder: each step is carried out by the transport and then tried with TEST UNIT
 * READY, until one has helped. Runs in a Task, while nothing else is at the transport.
 */

#include "error/error_breaker.h"
#include "scsi/scsi_processor.h"

typedef enum ErrorRecoveryResult {
        ERROR_RECOVERY_RESULT_HELPED,
        ERROR_RECOVERY_RESULT_EXHAUSTED, /* no step helped */
        ERROR_RECOVERY_RESULT_REFUSED,   /* the circuit breaker is open */
        ERROR_RECOVERY_RESULT_CANCELLED,
        ERROR_RECOVERY_RESULT_GONE,
        _ERROR_RECOVERY_RESULT_MAX,
} ErrorRecoveryResult;

typedef struct ErrorRecovery {
        Transport *transport;  /* borrowed */
        ScsiTarget *target;    /* borrowed: the processor's */
        ErrorBreaker *breaker; /* borrowed */
        uint64_t *n_steps;     /* borrowed: how often each TransportRecovery was tried */
        uint8_t lun;           /* whose command failed */
        TransportRecovery first_step;

        /* What came of it. */
        TransportRecovery last_step; /* which helped, if one did */
        bool was_port_reset;
        bool has_sense; /* the unit answered the probe with this: it is eaten now */
        ScsiSense sense;
} ErrorRecovery;

/*
 * BOT 1.0, 5.3.4 and 6.6.2 want a class reset where host and device are out of step. Clearing the
 * halts alone is enough for a glitch, but is never tried where the device may be waiting for data:
 * it would write the next command to the medium.
 */
TransportRecovery error_recovery_first_step(ScsiResult result, TransportDirection direction);
/* The next higher one, for when the last recovery did not last. */
TransportRecovery error_recovery_next_step(TransportRecovery step);
ErrorRecoveryResult error_recovery_run(ErrorRecovery *recovery, Task *task);
