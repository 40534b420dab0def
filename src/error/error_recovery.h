#pragma once

/*
 * ErrorRecovery
 *
 * One climb of the ladder: each step is carried out by the transport and then tried with TEST UNIT
 * READY, until one has helped. A transport that needs that again and again is changed for another
 * one, where there is one. Runs in a Task, while nothing else is at the transport.
 */

#include "error/error_breaker.h"
#include "error/error_handler.h"

typedef enum ErrorRecoveryResult {
        ERROR_RECOVERY_RESULT_HELPED,
        ERROR_RECOVERY_RESULT_EXHAUSTED, /* no step helped */
        ERROR_RECOVERY_RESULT_REFUSED,   /* the circuit breaker is open */
        ERROR_RECOVERY_RESULT_CANCELLED,
        ERROR_RECOVERY_RESULT_GONE,
        _ERROR_RECOVERY_RESULT_MAX,
} ErrorRecoveryResult;

typedef struct ErrorRecovery {
        Transport *transport;     /* borrowed */
        ScsiProcessor *processor; /* borrowed */
        ScsiTarget *target;       /* borrowed: the processor's */
        uint64_t *n_steps;        /* borrowed: how often each TransportRecovery was tried */
        ErrorBreaker resets;      /* of all kinds, in a minute */
        ErrorBreaker port_resets; /* that helped, until the transport is worth no more of them */
        ErrorBreaker climbs;      /* that helped, by whatever step: likewise */
        ErrorHandlerChangeTransport change_transport; /* NULL: there is no other */
        void *userdata;                               /* borrowed: its */

        /* Set for each climb. */
        uint8_t lun; /* whose command failed */
        TransportRecovery first_step;
        bool is_relapse; /* the last recoveries have not lasted: no more of them by this transport */

        /* What came of it. */
        TransportRecovery last_step; /* which helped, if one did */
        bool was_port_reset;
        bool was_changed; /* the transport */
        bool has_sense;   /* the unit answered the probe with this: it is eaten now */
        ScsiSense sense;
} ErrorRecovery;

void error_recovery_init(ErrorRecovery *recovery, ScsiProcessor *processor, Transport *transport,
                         const ErrorHandlerOptions *options, void *userdata);
/* A climb begins: nothing has come of it yet. */
void error_recovery_begin(ErrorRecovery *recovery, uint8_t lun, TransportRecovery first_step,
                          bool is_relapse);
/*
 * BOT 1.0, 5.3.4 and 6.6.2 want a class reset where host and device are out of step. Clearing the
 * halts alone is enough for a glitch, but is never tried where the device may be waiting for data:
 * it would write the next command to the medium.
 */
TransportRecovery error_recovery_first_step(ScsiResult result, TransportDirection direction);
/* The next higher one, for when the last recovery did not last. */
TransportRecovery error_recovery_next_step(TransportRecovery step);
/* Why nothing came of it. */
const char *error_recovery_explain(ErrorRecoveryResult result);
ErrorRecoveryResult error_recovery_run(ErrorRecovery *recovery, Task *task);
